/* Scenarios: what happens to a district, and what the store must hold afterwards. */
#include "district.h"
#include "phusong/log.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void a_month_of_polling(void **state)
{
    struct district district;

    (void)state;
    district_init(&district, "2026-11-01T00:00:00Z", 1);
    district.houses[0].link->loss = 0.02;
    district.houses[0].link->jitter_ns = 2100 * PHU_NS_PER_MS; /* some replies are late */
    district_start(&district);
    district_run(&district, 30 * DAY);
    district_stop(&district);
    district_check(&district);
    assert_int_equal(district.houses[0].sums.span_ms, 30 * DAY / PHU_NS_PER_MS);
    assert_in_range(district.houses[0].sums.windows, 30 * 1440, 30 * 1440 + 1);
    assert_true(district.houses[0].sums.late > 1000);
    district_fini(&district);
}

static void a_link_that_flaps(void **state)
{
    struct district district;
    const struct stored_sums *sums;

    (void)state;
    district_init(&district, "2026-11-01T00:00:00Z", 1);
    district_start(&district);
    for (int i = 0; i < 100; i++) {
        district.houses[0].link->is_down = i % 2;
        district_run(&district, 5 * MINUTE);
    }
    district_stop(&district);
    district_check(&district);
    sums = &district.houses[0].sums;
    /* Each is noticed 2.3 s after its first lost probe, and over 2 s after the first answer. */
    assert_in_range(sums->down_ms, 50 * (5 * 60 - 1) * 1000, 50 * 5 * 60 * 1000);
    assert_in_range(sums->unknown_ms, 0, 10 * 1000); /* until the first answer */
    assert_int_equal(sums->up_ms + sums->degraded_ms + sums->down_ms + sums->unknown_ms,
                     sums->span_ms);
    assert_true(sums->good_ms < sums->up_ms);
    district_fini(&district);
}

static void the_clock_is_set_back_by_an_hour(void **state)
{
    struct district district;

    (void)state;
    district_init(&district, "2026-11-23T08:00:30Z", 2);
    district_start(&district);
    district_run(&district, 90 * MINUTE);
    phu_sim_step_wall(district.sched, -HOUR);
    district_run(&district, 3 * HOUR);
    district_stop(&district);
    district_check(&district);
    /* The first, the two around the step, the last. */
    assert_in_range(district.houses[0].sums.partial_windows, 3, 4);
    district_fini(&district);
}

static void the_clock_is_set_forward(void **state)
{
    struct district district;

    (void)state;
    district_init(&district, "2026-11-23T08:00:00Z", 2);
    district_start(&district);
    district_run(&district, 90 * SECOND);
    phu_sim_step_wall(district.sched, 40 * DAY + 1234567);
    district_run(&district, 10 * MINUTE);
    district_stop(&district);
    district_check(&district);
    assert_int_equal(district.newest_ns / MINUTE, phu_sim_wall("2027-01-02T08:11:00Z").ns / MINUTE);
    district_fini(&district);
}

static void a_leap_second_and_small_corrections(void **state)
{
    struct district district;

    (void)state;
    district_init(&district, "2026-11-23T08:00:00Z", 1);
    district_start(&district);
    for (int i = 0; i < 60; i++) {
        district_run(&district, 37 * SECOND);
        phu_sim_step_wall(district.sched, i == 30 ? -SECOND : (i % 3 - 1) * 100 * PHU_NS_PER_MS);
    }
    district_stop(&district);
    district_check(&district);
    /* Corrections are taken in at the boundary: only the second itself cuts a window. */
    assert_in_range(district.houses[0].sums.windows, 37, 41);
    district_fini(&district);
}

static void the_machine_sleeps(void **state)
{
    struct district district;

    (void)state;
    district_init(&district, "2026-11-23T08:00:00Z", 1);
    district_start(&district);
    district_run(&district, 10 * MINUTE + 17 * SECOND);
    phu_sim_suspend(district.sched, 8 * HOUR);
    district_run(&district, 10 * MINUTE);
    district_stop(&district);
    district_check(&district);
    assert_int_equal(district.houses[0].sums.span_ms, (20 * 60 + 17) * 1000);
    district_fini(&district);
}

static void the_process_is_stopped_for_an_hour(void **state)
{
    struct district district;
    const struct stored_sums *sums;

    (void)state;
    district_init(&district, "2026-11-23T08:00:00Z", 3);
    district_start(&district);
    district_run(&district, 10 * MINUTE + 17 * SECOND);
    phu_sim_stall(district.sched, HOUR);
    district_run(&district, 10 * MINUTE);
    district_stop(&district);
    district_check(&district);
    sums = &district.houses[0].sums;
    assert_int_equal(sums->span_ms, (80 * 60 + 17) * 1000);
    /* Not measured is not up: 2.5 intervals after the last verdict nobody knows. */
    assert_in_range(sums->unknown_ms, (60 * 60 - 35) * 1000, (60 * 60 + 5) * 1000);
    district_fini(&district);
}

static void a_restart_in_the_middle_of_a_window(void **state)
{
    struct district district;

    (void)state;
    district_init(&district, "2026-11-23T08:00:00Z", 2);
    for (int i = 0; i < 50; i++) {
        district_start(&district);
        district_run(&district, 13 * SECOND);
        district_stop(&district);
        district_run(&district, i % 5 * 700 * PHU_NS_PER_MS);
    }
    district_check(&district);
    district_fini(&district);
}

static void a_restart_while_the_clock_is_set_back(void **state)
{
    struct district district;

    (void)state;
    district_init(&district, "2026-11-23T08:00:00Z", 2);
    for (int i = 0; i < 8; i++) {
        district_start(&district);
        district_run(&district, 10 * MINUTE);
        district_stop(&district);
        phu_sim_step_wall(district.sched, -(5 * MINUTE + i * 1000037));
    }
    district_check(&district);
    district_fini(&district);
}

static void reloads_take_endpoints_away_and_bring_them_back(void **state)
{
    struct district district;

    (void)state;
    district_init(&district, "2026-11-23T08:00:00Z", 6);
    for (size_t i = 0; i < district.count; i++)
        district.houses[i].link->loss = 0.1;
    district_start(&district);
    for (int i = 0; i < 400; i++) {
        size_t number = (size_t)phu_chance_between(&district.chance, 0, 5);

        if (!district.houses[number].handle) {
            district_add(&district, number);
        } else {
            district_remove(&district, number);
            if (i % 3 == 0) /* changed, not gone: away and back in the same instant */
                district_add(&district, number);
        }
        district_run(&district, phu_chance_between(&district.chance, 0, 40 * SECOND));
    }
    district_stop(&district);
    district_check(&district);
    district_fini(&district);
}

static void our_own_side_fails(void **state)
{
    struct district district;
    const struct stored_sums *sums;

    (void)state;
    district_init(&district, "2026-11-23T08:00:00Z", 1);
    district_start(&district);
    district_run(&district, 10 * MINUTE);
    district.links.is_broken = true;
    district_run(&district, 10 * MINUTE);
    district.links.is_broken = false;
    district_run(&district, 10 * MINUTE);
    district_stop(&district);
    district_check(&district);
    sums = &district.houses[0].sums;
    assert_int_equal(sums->lost, 0);
    assert_int_equal(sums->down_ms, 0);
    assert_in_range(sums->unknown_ms, (10 * 60 - 11) * 1000, (10 * 60 + 21) * 1000);
    assert_in_range(district.links.truths[0].unmeasured, 59, 61);
    district_fini(&district);
}

static void anything_may_happen_to_the_clock(void **state)
{
    struct district district;

    (void)state;
    district_init(&district, "2026-11-23T08:00:00Z", 3);
    district.houses[1].link->loss = 0.2;
    district.houses[2].link->jitter_ns = 3 * SECOND;
    district_start(&district);
    for (int i = 0; i < 200; i++) {
        struct phu_chance *chance = &district.chance;

        switch (phu_chance_between(chance, 0, 7)) {
        case 0:
            phu_sim_step_wall(district.sched, phu_chance_between(chance, -3 * HOUR, 3 * HOUR));
            break;
        case 1:
            phu_sim_step_wall(district.sched, phu_chance_between(chance, -5 * SECOND, 5 * SECOND));
            break;
        case 2:
            phu_sim_step_wall(district.sched, phu_chance_between(chance, -260, 260) * 1000003);
            break;
        case 3:
            phu_sim_stall(district.sched, phu_chance_between(chance, 0, 10 * MINUTE));
            break;
        case 4:
            district_stop(&district);
            district_run(&district, phu_chance_between(chance, 0, MINUTE));
            district_start(&district);
            break;
        default:
            break;
        }
        district_run(&district, phu_chance_between(chance, 0, 4 * MINUTE));
    }
    district_stop(&district);
    district_check(&district);
    district_fini(&district);
}

/* test_stories [PATTERN] */
int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_month_of_polling),
        cmocka_unit_test(a_link_that_flaps),
        cmocka_unit_test(the_clock_is_set_back_by_an_hour),
        cmocka_unit_test(the_clock_is_set_forward),
        cmocka_unit_test(a_leap_second_and_small_corrections),
        cmocka_unit_test(the_machine_sleeps),
        cmocka_unit_test(the_process_is_stopped_for_an_hour),
        cmocka_unit_test(a_restart_in_the_middle_of_a_window),
        cmocka_unit_test(a_restart_while_the_clock_is_set_back),
        cmocka_unit_test(reloads_take_endpoints_away_and_bring_them_back),
        cmocka_unit_test(our_own_side_fails),
        cmocka_unit_test(anything_may_happen_to_the_clock),
    };

    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    phu_log_set_level(PHU_LOG_WARN);
    return cmocka_run_group_tests_name("stories", tests, NULL, NULL);
}
