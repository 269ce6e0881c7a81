/* A scheduler on a virtual clock: the same contract as the agent's event loop, a month in seconds.
 *
 *     struct phu_sched *sched = phu_sim_new(phu_sim_wall("2026-11-23T08:00:00Z"));
 *     … open parts on it …
 *     phu_sim_run(sched, PHU_NS_PER_S * 3600);
 *     phu_sim_step_wall(sched, -30 * PHU_NS_PER_S);
 *     phu_sim_run(sched, PHU_NS_PER_S * 3600);
 *     phu_sim_free(sched);
 *
 * Time stands still inside callbacks and jumps from one due timer to the next between them.
 * Descriptors do not exist here: phu_watch_open() says -ENOSYS. Slow work runs on the caller's
 * thread, its `done` in the next round.
 */
#pragma once

#include "phusong/sched.h"

#include <stdint.h>

/* The monotonic clock starts at one hour, so that it is never taken for an interval. */
struct phu_sched *phu_sim_new(struct phu_wall wall);
/* Fails an assertion when a timer is still armed: its owner forgot to cancel it. */
void phu_sim_free(struct phu_sched *sched);

/* Lets time pass, firing what becomes due, up to and including the end. */
void phu_sim_run(struct phu_sched *sched, int64_t ns);
/* Lets time pass while nothing runs: a blocked loop, a stopped process. What became due fires in
 * the next phu_sim_run(). */
void phu_sim_stall(struct phu_sched *sched, int64_t ns);
/* Somebody sets the clock. */
void phu_sim_step_wall(struct phu_sched *sched, int64_t ns);
/* The machine slept: the wall clock went on, the monotonic clock did not. */
#define phu_sim_suspend phu_sim_step_wall

/* "2026-11-23T08:00:00Z", UTC. */
struct phu_wall phu_sim_wall(const char *text);

/* -- Chance ----------------------------------------------------------------------------------
 *
 * One seed per run: $PHU_SEED, or from the clock; phu_sim_seed() prints it, so that a failure can
 * be repeated. */
struct phu_chance {
    uint64_t state;
};
uint64_t phu_sim_seed(void);
void phu_chance_init(struct phu_chance *chance, uint64_t seed);
uint64_t phu_chance_next(struct phu_chance *chance);
double phu_chance_share(struct phu_chance *chance);                               /* [0, 1) */
int64_t phu_chance_between(struct phu_chance *chance, int64_t low, int64_t high); /* inclusive */
