/* When to try again: exponential back-off with full jitter, so that a thousand agents that lost
 * the same destination do not come back in step. Pure; the caller owns the clock.
 */
#pragma once

#include <stdint.h>

struct phu_backoff {
    int64_t min_ns, max_ns;
    unsigned failures; /* in a row */
    uint64_t random;   /* state of the generator, never 0 */
};

/* Longest Retry-After that is obeyed; beyond it the destination is asked again all the same. */
#define PHU_BACKOFF_WISH_MAX_NS (INT64_C(3600) * 1000000000)

void phu_backoff_init(struct phu_backoff *backoff, int64_t min_ns, int64_t max_ns, uint64_t seed);
/* One more failure: a delay drawn evenly from 0 up to min doubled with each failure, at most max;
 * never before `wish_ns` (Retry-After), and then up to min later, so that those who were told the
 * same time spread too. */
int64_t phu_backoff_fail(struct phu_backoff *backoff, int64_t wish_ns);
void phu_backoff_succeed(struct phu_backoff *backoff);
/* Evenly from 0 up to and including `most`. */
int64_t phu_backoff_draw(struct phu_backoff *backoff, int64_t most);
