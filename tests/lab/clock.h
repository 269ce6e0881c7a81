/* The two clocks, in nanoseconds: intervals use the first, records the second. */
#pragma once

#include <stdint.h>
#include <time.h>

static inline int64_t lab_clock(clockid_t id)
{
    struct timespec now;

    clock_gettime(id, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static inline int64_t lab_now(void)
{
    return lab_clock(CLOCK_MONOTONIC);
}

static inline int64_t lab_wall(void)
{
    return lab_clock(CLOCK_REALTIME);
}
