/* A hierarchical timer wheel: pure logic behind phu_timer, without a clock of its own.
 *
 * Four levels of 256 slots. A timer due within 256 ticks sits in level 0, in the slot of its tick;
 * farther ones sit in coarser slots and move down when their block begins (Varghese and Lauck's
 * scheme 6). The owner moves the wheel with phu_wheel_advance() and asks phu_wheel_next() how long
 * it may sleep. base/loop drives it by libuv, tests/sim by a virtual clock.
 */
#pragma once

#include "phusong/sched.h"

#define PHU_WHEEL_LEVELS 4
#define PHU_WHEEL_SLOTS 256

struct phu_wheel {
    int64_t now; /* tick up to which everything is due */
    struct phu_timer *slots[PHU_WHEEL_LEVELS][PHU_WHEEL_SLOTS];
    /* A bit is set when a timer is put into a slot and cleared when the slot is opened, so that
     * cancelling stays O(1): a set bit may belong to a slot that has become empty. */
    uint64_t occupied[PHU_WHEEL_LEVELS][PHU_WHEEL_SLOTS / 64];
    struct phu_timer *due, **due_end;
};

void phu_wheel_init(struct phu_wheel *wheel, int64_t now);
/* A tick at or before the wheel's now makes the timer due at once. */
void phu_wheel_arm(struct phu_wheel *wheel, struct phu_timer *timer, int64_t tick);
void phu_wheel_cancel(struct phu_wheel *wheel, struct phu_timer *timer);
/* Makes due what is due up to `tick`, in order of ticks. Fires nothing. */
void phu_wheel_advance(struct phu_wheel *wheel, int64_t tick);
/* The next due timer, taken out and unarmed; NULL when there is none. */
struct phu_timer *phu_wheel_pop(struct phu_wheel *wheel);
/* The tick at which to advance next: exact, or earlier when a coarse slot must be opened first.
 * INT64_MAX when nothing is armed; the wheel's now when something is due already. */
int64_t phu_wheel_next(const struct phu_wheel *wheel);

/* First tick not before a time. */
static inline int64_t phu_wheel_tick_at(struct phu_mono due)
{
    return (due.ns + PHU_SCHED_TICK_NS - 1) / PHU_SCHED_TICK_NS;
}
