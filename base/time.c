/* The two clocks of the kernel. */
#include "phusong/time.h"

#include <time.h>

static int64_t read_clock(clockid_t clock)
{
    struct timespec now;

    clock_gettime(clock, &now);
    return (int64_t)now.tv_sec * PHU_NS_PER_S + now.tv_nsec;
}

struct phu_mono phu_mono_now(void)
{
    return (struct phu_mono){read_clock(CLOCK_MONOTONIC)};
}

struct phu_wall phu_wall_now(void)
{
    return (struct phu_wall){read_clock(CLOCK_REALTIME)};
}
