#include "sim.h"

#include "wheel.h"

#undef NDEBUG /* the tests of release builds check too */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define MONO_START (3600 * PHU_NS_PER_S)

struct phu_sched {
    struct phu_mono mono;
    struct phu_wall wall;
    struct phu_wheel wheel;
};

struct work {
    struct phu_timer timer;
    void (*done)(void *arg, bool is_canceled);
    void *arg;
};

struct phu_sched *phu_sim_new(struct phu_wall wall)
{
    struct phu_sched *sched = calloc(1, sizeof *sched);

    assert(sched);
    sched->mono.ns = MONO_START;
    sched->wall = wall;
    phu_wheel_init(&sched->wheel, sched->mono.ns / PHU_SCHED_TICK_NS);
    return sched;
}

void phu_sim_free(struct phu_sched *sched)
{
    if (!sched)
        return;
    for (int level = 0; level < PHU_WHEEL_LEVELS; level++) {
        for (int slot = 0; slot < PHU_WHEEL_SLOTS; slot++)
            assert(!sched->wheel.slots[level][slot]);
    }
    assert(!sched->wheel.due);
    free(sched);
}

static void pass(struct phu_sched *sched, int64_t ns)
{
    sched->mono.ns += ns;
    sched->wall.ns += ns;
}

static void fire_due(struct phu_sched *sched)
{
    struct phu_timer *timer;

    phu_wheel_advance(&sched->wheel, sched->mono.ns / PHU_SCHED_TICK_NS);
    while ((timer = phu_wheel_pop(&sched->wheel)))
        timer->fire(timer);
}

void phu_sim_run(struct phu_sched *sched, int64_t ns)
{
    int64_t end = sched->mono.ns + ns;

    fire_due(sched);
    for (;;) {
        int64_t next = phu_wheel_next(&sched->wheel);

        if (next > end / PHU_SCHED_TICK_NS)
            break;
        if (next * PHU_SCHED_TICK_NS > sched->mono.ns)
            pass(sched, next * PHU_SCHED_TICK_NS - sched->mono.ns);
        fire_due(sched);
    }
    pass(sched, end - sched->mono.ns);
}

void phu_sim_stall(struct phu_sched *sched, int64_t ns)
{
    pass(sched, ns);
}

void phu_sim_step_wall(struct phu_sched *sched, int64_t ns)
{
    sched->wall.ns += ns;
}

struct phu_wall phu_sim_wall(const char *text)
{
    struct tm parts = {0};
    const char *end = strptime(text, "%Y-%m-%dT%H:%M:%SZ", &parts);

    assert(end && !*end);
    return (struct phu_wall){timegm(&parts) * PHU_NS_PER_S};
}

/* -- The contract of sched.h ----------------------------------------------------------------- */

struct phu_mono phu_sched_now(const struct phu_sched *sched)
{
    return sched->mono;
}

struct phu_wall phu_sched_wall(const struct phu_sched *sched)
{
    return sched->wall;
}

void phu_timer_at(struct phu_sched *sched, struct phu_timer *timer, struct phu_mono due)
{
    phu_wheel_arm(&sched->wheel, timer, phu_wheel_tick_at(due));
}

void phu_timer_after(struct phu_sched *sched, struct phu_timer *timer, int64_t delay_ns)
{
    if (delay_ns <= 0)
        phu_wheel_arm(&sched->wheel, timer, sched->wheel.now);
    else
        phu_timer_at(sched, timer, phu_mono_add(sched->mono, delay_ns));
}

void phu_timer_cancel(struct phu_sched *sched, struct phu_timer *timer)
{
    phu_wheel_cancel(&sched->wheel, timer);
}

int phu_watch_open(struct phu_sched *sched, int fd, unsigned events, phu_watch_cb *ready, void *arg,
                   struct phu_watch **out)
{
    (void)sched;
    (void)fd;
    (void)events;
    (void)ready;
    (void)arg;
    *out = NULL;
    return -ENOSYS;
}

int phu_watch_set(struct phu_watch *watch, unsigned events)
{
    (void)watch;
    (void)events;
    return -ENOSYS;
}

void phu_watch_close(struct phu_watch *watch)
{
    assert(!watch);
}

static void work_done(struct phu_timer *timer)
{
    struct work *work = phu_container_of(timer, struct work, timer);

    work->done(work->arg, false);
    free(work);
}

int phu_work_start(struct phu_sched *sched, void (*run)(void *arg),
                   void (*done)(void *arg, bool is_canceled), void *arg)
{
    struct work *work = calloc(1, sizeof *work);

    if (!work)
        return -ENOMEM;
    work->done = done;
    work->arg = arg;
    run(arg);
    phu_timer_init(&work->timer, work_done);
    phu_timer_after(sched, &work->timer, 0);
    return 0;
}

/* -- Chance ---------------------------------------------------------------------------------- */

uint64_t phu_sim_seed(void)
{
    const char *wish = getenv("PHU_SEED");
    struct timespec now;
    uint64_t seed;

    clock_gettime(CLOCK_REALTIME, &now);
    seed = wish ? strtoull(wish, NULL, 0)
                : ((uint64_t)now.tv_sec * 1000000007u + (uint64_t)now.tv_nsec) & 0xffffffffu;
    printf("seed: PHU_SEED=%llu repeats this run\n", (unsigned long long)seed);
    fflush(stdout);
    return seed;
}

void phu_chance_init(struct phu_chance *chance, uint64_t seed)
{
    chance->state = seed;
}

/* splitmix64: enough for tests, and every seed is a good one. */
uint64_t phu_chance_next(struct phu_chance *chance)
{
    uint64_t z = chance->state += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

double phu_chance_share(struct phu_chance *chance)
{
    return (double)(phu_chance_next(chance) >> 11) / 9007199254740992.0;
}

int64_t phu_chance_between(struct phu_chance *chance, int64_t low, int64_t high)
{
    return low + (int64_t)(phu_chance_next(chance) % (uint64_t)(high - low + 1));
}
