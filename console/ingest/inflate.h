/* gzip bodies, unpacked to at most a given size, whatever they claim. */
#pragma once

#include <stddef.h>

/* Memory that is used again from body to body. */
struct phu_inflate {
    char *text;
    size_t length, size;
};

/* Several gzip members one behind the other are one text. 0; -EMSGSIZE: more than `most` bytes come
 * out; -EBADMSG: not gzip, cut off, or damaged; -ENOMEM. `why` is a sentence. */
int phu_inflate_body(struct phu_inflate *inflate, const char *body, size_t length, size_t most,
                     char *why, size_t why_size);
/* Gives back what an unusually large body took. */
void phu_inflate_settle(struct phu_inflate *inflate);
void phu_inflate_fini(struct phu_inflate *inflate);
