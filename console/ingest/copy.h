/* Samples that outlive the body they were read from: copies in one growing piece of memory. */
#pragma once

#include "sample.h"

struct phu_copies {
    struct phu_copies_block *blocks; /* newest first */
    struct phu_sample *samples;
    size_t count;
    size_t bytes;
};

/* Deep. -ENOMEM. */
int phu_copies_add(struct phu_copies *copies, const struct phu_sample *sample);
/* The last ones added, down to `count`, are forgotten (their memory is not given back yet). */
void phu_copies_cut(struct phu_copies *copies, size_t count);
void phu_copies_fini(struct phu_copies *copies);
