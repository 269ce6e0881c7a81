#include "backoff.h"

void phu_backoff_init(struct phu_backoff *backoff, int64_t min_ns, int64_t max_ns, uint64_t seed)
{
    *backoff = (struct phu_backoff){
        .min_ns = min_ns, .max_ns = max_ns, .random = seed ? seed : 0x9e3779b97f4a7c15u};
}

/* xorshift64*: spreading needs no more, and a seed gives the same delays again in a test. */
static uint64_t next_random(struct phu_backoff *backoff)
{
    uint64_t x = backoff->random;

    x ^= x >> 12;
    x ^= x << 25;
    x ^= x >> 27;
    backoff->random = x;
    return x * 0x2545f4914f6cdd1du;
}

int64_t phu_backoff_draw(struct phu_backoff *backoff, int64_t most)
{
    return most <= 0 ? 0 : (int64_t)(next_random(backoff) % ((uint64_t)most + 1));
}

int64_t phu_backoff_fail(struct phu_backoff *backoff, int64_t wish_ns)
{
    int64_t most = backoff->min_ns, delay;

    for (unsigned i = 0; i < backoff->failures && most < backoff->max_ns; i++)
        most = most > backoff->max_ns / 2 ? backoff->max_ns : most * 2;
    if (most > backoff->max_ns)
        most = backoff->max_ns;
    backoff->failures++;
    delay = phu_backoff_draw(backoff, most);
    if (wish_ns > PHU_BACKOFF_WISH_MAX_NS)
        wish_ns = PHU_BACKOFF_WISH_MAX_NS;
    if (wish_ns > 0 && delay < wish_ns)
        delay = wish_ns + phu_backoff_draw(backoff, backoff->min_ns);
    return delay;
}

void phu_backoff_succeed(struct phu_backoff *backoff)
{
    backoff->failures = 0;
}
