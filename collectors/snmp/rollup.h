/* Rows added up into rows of another kind while a table is read: the ONUs of each PON port, counted
 * by state. Pure. Numbers are not kept here: they go to the sink one by one.
 */
#pragma once

#include "profile.h"

#define PHU_ROLLUP_WORDS 16  /* counts of one row */
#define PHU_ROLLUP_ROWS 4096 /* rows of one pass */

struct phu_rollup_row {
    uint64_t key; /* 0: a free slot */
    char name[PHU_PROFILE_NAME_SIZE];
    uint32_t counts[PHU_ROLLUP_WORDS];
};

/* A count that each row has, 0 or not. */
struct phu_rollup_count {
    int metric;       /* what it feeds */
    int state_metric; /* the reading that adds to it; -1: any reading of a state */
    unsigned column;
};

struct phu_rollup {
    struct phu_rollup_count counts[PHU_ROLLUP_WORDS];
    unsigned count_count;
    struct phu_rollup_row *rows;
    size_t row_count, capacity;
    unsigned lost;
};

/* Learns from the table's roll-up what there is to count. */
void phu_rollup_begin(struct phu_rollup *rollup, const struct phu_profile_table *table);
void phu_rollup_fini(struct phu_rollup *rollup);
/* Adds a row's readings to the row of that name and key. */
void phu_rollup_add(struct phu_rollup *rollup, uint64_t key, const char *name,
                    const struct phu_read *reads);
