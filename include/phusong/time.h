/* Monotonic and wall time as two types, so that one is never taken for the other.
 *
 * Intervals, timeouts and round trips are differences of phu_mono; only timestamps of points and
 * the alignment of windows use phu_wall. Both count nanoseconds in 64 bits (292 years).
 */
#pragma once

#include <stdint.h>

#define PHU_NS_PER_US INT64_C(1000)
#define PHU_NS_PER_MS INT64_C(1000000)
#define PHU_NS_PER_S INT64_C(1000000000)

struct phu_mono {
    int64_t ns; /* CLOCK_MONOTONIC */
};

struct phu_wall {
    int64_t ns; /* UTC since 1970-01-01, CLOCK_REALTIME */
};

static inline int64_t phu_mono_since(struct phu_mono later, struct phu_mono earlier)
{
    return later.ns - earlier.ns;
}

static inline struct phu_mono phu_mono_add(struct phu_mono start, int64_t ns)
{
    return (struct phu_mono){start.ns + ns};
}

/* The kernel's clocks. Code that runs under a scheduler asks the scheduler instead (sched.h). */
struct phu_mono phu_mono_now(void);
struct phu_wall phu_wall_now(void);
