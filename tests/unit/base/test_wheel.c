#include "wheel.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

struct entry {
    struct phu_timer timer;
    int64_t asked, fired;
};

static void never_called(struct phu_timer *timer)
{
    (void)timer;
    fail();
}

static void arm(struct phu_wheel *wheel, struct entry *entry, int64_t tick)
{
    phu_timer_init(&entry->timer, never_called);
    entry->asked = tick;
    entry->fired = -1;
    phu_wheel_arm(wheel, &entry->timer, tick);
}

/* Advances as a loop does: from one next to another. Returns how many wake-ups it took. */
static size_t run_until(struct phu_wheel *wheel, int64_t end)
{
    size_t wakeups = 0;

    while (phu_wheel_next(wheel) <= end) {
        struct phu_timer *timer;

        phu_wheel_advance(wheel, phu_wheel_next(wheel));
        while ((timer = phu_wheel_pop(wheel)))
            phu_container_of(timer, struct entry, timer)->fired = wheel->now;
        wakeups++;
    }
    phu_wheel_advance(wheel, end);
    return wakeups;
}

static void fires_each_timer_at_its_very_tick(void **state)
{
    enum { COUNT = 5000 };
    struct phu_wheel wheel;
    struct entry *entries = calloc(COUNT, sizeof *entries);
    uint32_t seed = 1;

    (void)state;
    assert_non_null(entries);
    phu_wheel_init(&wheel, 123456789);
    for (size_t i = 0; i < COUNT; i++) {
        seed = seed * 1664525 + 1013904223;
        /* Spread over all levels: up to 1 << (0…31) ticks. */
        arm(&wheel, &entries[i], wheel.now + 1 + (int64_t)(seed >> 1 >> (i % 31)));
    }
    run_until(&wheel, wheel.now + (INT64_C(1) << 33));
    for (size_t i = 0; i < COUNT; i++)
        assert_int_equal(entries[i].fired, entries[i].asked);
    free(entries);
}

static void fires_past_its_horizon(void **state)
{
    struct phu_wheel wheel;
    struct entry entry;

    (void)state;
    phu_wheel_init(&wheel, 77);
    arm(&wheel, &entry, 77 + (INT64_C(5) << 32) + 3);
    run_until(&wheel, INT64_C(6) << 32);
    assert_int_equal(entry.fired, entry.asked);
}

static void cancelled_and_moved_timers_stay_quiet(void **state)
{
    struct phu_wheel wheel;
    struct entry gone, moved, due;

    (void)state;
    phu_wheel_init(&wheel, 0);
    arm(&wheel, &gone, 300);
    arm(&wheel, &moved, 10);
    arm(&wheel, &due, 0);
    phu_wheel_cancel(&wheel, &gone.timer);
    phu_wheel_cancel(&wheel, &gone.timer);
    assert_false(phu_timer_is_armed(&gone.timer));
    phu_wheel_arm(&wheel, &moved.timer, 70000);
    phu_wheel_cancel(&wheel, &due.timer);
    run_until(&wheel, 100000);
    assert_int_equal(gone.fired, -1);
    assert_int_equal(due.fired, -1);
    assert_int_equal(moved.fired, 70000);
    assert_int_equal(phu_wheel_next(&wheel), INT64_MAX);
}

static void a_late_wake_up_fires_in_order(void **state)
{
    struct phu_wheel wheel;
    struct entry entries[3];

    (void)state;
    phu_wheel_init(&wheel, 0);
    arm(&wheel, &entries[0], 900);
    arm(&wheel, &entries[1], 5);
    arm(&wheel, &entries[2], 900);
    phu_wheel_advance(&wheel, 5000);
    assert_ptr_equal(phu_wheel_pop(&wheel), &entries[1].timer);
    assert_ptr_equal(phu_wheel_pop(&wheel), &entries[0].timer);
    assert_ptr_equal(phu_wheel_pop(&wheel), &entries[2].timer);
    assert_null(phu_wheel_pop(&wheel));
}

static void sleeps_long_when_the_next_timer_is_far(void **state)
{
    struct phu_wheel wheel;
    struct entry entry;

    (void)state;
    phu_wheel_init(&wheel, 1000);
    arm(&wheel, &entry, 1000 + 3600 * 1000);
    assert_true(run_until(&wheel, 5000 * 1000) <= PHU_WHEEL_LEVELS);
    assert_int_equal(entry.fired, entry.asked);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fires_each_timer_at_its_very_tick),
        cmocka_unit_test(fires_past_its_horizon),
        cmocka_unit_test(cancelled_and_moved_timers_stay_quiet),
        cmocka_unit_test(a_late_wake_up_fires_in_order),
        cmocka_unit_test(sleeps_long_when_the_next_timer_is_far),
    };

    return cmocka_run_group_tests_name("wheel", tests, NULL, NULL);
}
