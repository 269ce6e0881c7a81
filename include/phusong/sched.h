/* The door to time, descriptors and slow work. Collectors and exporters see the event loop only
 * through this header; base/loop implements it on libuv, tests/sim on a virtual clock.
 *
 * All callbacks run on the loop's one thread, never from inside the call that armed them. After a
 * cancel or close returns, no callback for it runs.
 */
#pragma once

#include "phusong/time.h"

#include <stdbool.h>
#include <stddef.h>

struct phu_sched;

/* Now, read from the clock at each call (about 25 ns). */
struct phu_mono phu_sched_now(const struct phu_sched *sched);
struct phu_wall phu_sched_wall(const struct phu_sched *sched);

/* -- Timers ----------------------------------------------------------------------------------
 *
 * A timer lives inside its owner, so that arming one never allocates:
 *
 *     struct probe { struct phu_timer timeout; ... };
 *     static void probe_expired(struct phu_timer *timer)
 *     {
 *         struct probe *probe = phu_container_of(timer, struct probe, timeout);
 *     }
 *     phu_timer_init(&probe->timeout, probe_expired);
 *     phu_timer_after(sched, &probe->timeout, 2 * PHU_NS_PER_S);
 *
 * They sit in a hashed wheel with ticks of PHU_SCHED_TICK_NS: arming, moving and cancelling cost
 * O(1) whatever their number. A timer fires at the first tick not before its due time; all timers
 * of one tick fire in one wake-up, which is what makes thousands of checks cheap. A delay of 0
 * means "when the callbacks now running are done", in the same wake-up: use it to batch.
 */
#define PHU_SCHED_TICK_NS PHU_NS_PER_MS

struct phu_timer {
    struct phu_timer *next, **link; /* private; link is NULL while unarmed */
    int64_t tick;                   /* private */
    void (*fire)(struct phu_timer *timer);
};

#define phu_container_of(pointer, type, member)                                                    \
    ((type *)(void *)((char *)(pointer)-offsetof(type, member)))

void phu_timer_init(struct phu_timer *timer, void (*fire)(struct phu_timer *timer));
/* Arms, or moves an armed timer. It is unarmed again before `fire` is called. */
void phu_timer_at(struct phu_sched *sched, struct phu_timer *timer, struct phu_mono due);
void phu_timer_after(struct phu_sched *sched, struct phu_timer *timer, int64_t delay_ns);
/* Harmless when unarmed. */
void phu_timer_cancel(struct phu_sched *sched, struct phu_timer *timer);
bool phu_timer_is_armed(const struct phu_timer *timer);

/* -- Descriptors ----------------------------------------------------------------------------- */

enum phu_watch_events {
    PHU_WATCH_READ = 1,
    PHU_WATCH_WRITE = 2,
    /* The socket's error queue (transmit timestamps, ICMP errors). Set SO_SELECT_ERR_QUEUE on the
     * socket; the callback drains MSG_ERRQUEUE before reading. */
    PHU_WATCH_ERRQUEUE = 4,
    /* Reported only: the descriptor has failed or hung up; the watch has stopped. */
    PHU_WATCH_GONE = 8,
};

struct phu_watch;
typedef void phu_watch_cb(void *arg, unsigned events);

/* The caller keeps the descriptor open until the watch is closed, and closes it itself. */
int phu_watch_open(struct phu_sched *sched, int fd, unsigned events, phu_watch_cb *ready, void *arg,
                   struct phu_watch **out);
/* Changes what is watched for; 0 pauses. */
int phu_watch_set(struct phu_watch *watch, unsigned events);
/* NULL is harmless. May be called from inside the watch's own callback. */
void phu_watch_close(struct phu_watch *watch);

/* -- Slow work -------------------------------------------------------------------------------
 *
 * `run` is called on a pool thread and touches only `arg`; `done` on the loop afterwards, always,
 * exactly once (with is_canceled true when the loop is closing before `run` began).
 */
int phu_work_start(struct phu_sched *sched, void (*run)(void *arg),
                   void (*done)(void *arg, bool is_canceled), void *arg);
