/* Checks that fail, and when each is to be tried again: soon at first, in case it was a hiccup,
 * then less and less often, so that a dead province costs little; at once when something else at
 * the same address answers again. Pure.
 *
 * Only failing checks take memory here.
 */
#pragma once

#include <stdint.h>

struct phu_retries_entry;

/* All zero: nobody fails. */
struct phu_retries {
    struct phu_retries_entry **buckets; /* by address */
    uint32_t count, bucket_count;
};

void phu_retries_fini(struct phu_retries *retries);

/* The check at this address has failed once more; returns how long to wait: 5 s, 10 s, 20 s … 5
 * min. */
int64_t phu_retries_fail(struct phu_retries *retries, uint32_t check, const char *address);
/* It was not measured: wait as long as before. */
int64_t phu_retries_repeat(struct phu_retries *retries, uint32_t check, const char *address);
/* It has answered, or is gone. Harmless when it did not fail. */
void phu_retries_end(struct phu_retries *retries, uint32_t check, const char *address);

/* Something at this address answers again: the steps of all failing checks there begin anew, and
 * `wake` is called for each. It must not change the set. */
void phu_retries_wake(struct phu_retries *retries, const char *address,
                      void (*wake)(void *arg, uint32_t check), void *arg);
