/* Counters: what is a delta, what a reset, what a wrap, and what is left out. */
#include "counter.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define S INT64_C(1000000000)
#define DAY (INT64_C(86400))
#define WRAP32 (UINT64_C(1) << 32)

static enum phu_counter_outcome step(struct phu_counter *counter, uint64_t value, uint8_t bits,
                                     int64_t at_s, uint64_t rate_max, int64_t *growth)
{
    struct phu_counter_reading reading = {value, at_s * S, bits};
    struct phu_counter_terms terms = {true, rate_max};
    struct phu_counter_delta delta = {-1, -1};
    enum phu_counter_outcome outcome = phu_counter_update(counter, &reading, &terms, &delta);

    *growth = delta.growth;
    return outcome;
}

static void first_reading_gives_no_delta(void **state)
{
    struct phu_counter counter = {0};
    int64_t growth;

    (void)state;
    assert_int_equal(step(&counter, 1000, 64, 10, 0, &growth), PHU_COUNTER_FIRST);
    assert_int_equal(step(&counter, 1500, 64, 70, 0, &growth), PHU_COUNTER_DELTA);
    assert_int_equal(growth, 500);
}

static void delta_says_its_span(void **state)
{
    struct phu_counter counter = {5, 10 * S, 64};
    struct phu_counter_reading reading = {6, 130 * S, 64};
    struct phu_counter_terms terms = {true, 0};
    struct phu_counter_delta delta;

    (void)state;
    assert_int_equal(phu_counter_update(&counter, &reading, &terms, &delta), PHU_COUNTER_DELTA);
    assert_int_equal(delta.span_ns, 120 * S);
}

static void shrinking_64_bits_are_a_reset(void **state)
{
    struct phu_counter counter = {1000000, 10 * S, 64};
    int64_t growth;

    (void)state;
    assert_int_equal(step(&counter, 999999, 64, 70, 0, &growth), PHU_COUNTER_RESET);
    assert_int_equal(step(&counter, 1000001, 64, 130, 0, &growth), PHU_COUNTER_DELTA);
    assert_int_equal(growth, 2);
}

static void sentinels_leave_the_baseline(void **state)
{
    struct phu_counter counter = {1000, 10 * S, 64};
    struct phu_counter low = {1000, 10 * S, 32};
    int64_t growth;

    (void)state;
    assert_int_equal(step(&counter, UINT64_MAX, 64, 70, 0, &growth), PHU_COUNTER_ABSENT);
    assert_int_equal(step(&counter, 1200, 64, 130, 0, &growth), PHU_COUNTER_DELTA);
    assert_int_equal(growth, 200);
    assert_int_equal(step(&low, UINT32_MAX, 32, 70, 1000000, &growth), PHU_COUNTER_ABSENT);
    assert_int_equal(low.value, 1000);
}

static void a_missing_reading_leaves_the_baseline(void **state)
{
    struct phu_counter counter = {1000, 10 * S, 64};
    int64_t growth;

    (void)state;
    assert_int_equal(step(&counter, 0, 0, 70, 0, &growth), PHU_COUNTER_ABSENT);
    assert_int_equal(step(&counter, 1100, 64, 130, 0, &growth), PHU_COUNTER_DELTA);
    assert_int_equal(growth, 100);
}

static void a_leap_is_not_traffic(void **state)
{
    struct phu_counter counter = {1000, 10 * S, 64};
    int64_t growth;

    (void)state;
    /* 2^63 octets in a minute */
    assert_int_equal(step(&counter, UINT64_C(1) << 63, 64, 70, 125000000, &growth),
                     PHU_COUNTER_RESET);
    /* a tunnel that claims 10 Mbit/s and carries 1 Gbit/s is believed */
    counter = (struct phu_counter){0, 10 * S, 64};
    assert_int_equal(step(&counter, UINT64_C(7500000000), 64, 70, 1250000, &growth),
                     PHU_COUNTER_DELTA);
}

static void a_32_bit_wrap_within_the_speed_is_a_delta(void **state)
{
    struct phu_counter counter = {WRAP32 - 1000, 10 * S, 32};
    int64_t growth;

    (void)state;
    assert_int_equal(step(&counter, 500, 32, 70, 12500000, &growth), PHU_COUNTER_DELTA);
    assert_int_equal(growth, 1500);
}

static void a_32_bit_wrap_beyond_the_speed_is_a_reset(void **state)
{
    struct phu_counter counter = {WRAP32 / 2, 10 * S, 32};
    int64_t growth;

    (void)state;
    /* 100 Mbit/s carry 750 MB in a minute, not 2 GB */
    assert_int_equal(step(&counter, 500, 32, 70, 12500000, &growth), PHU_COUNTER_RESET);
}

static void a_32_bit_wrap_of_unknown_speed_is_a_reset(void **state)
{
    struct phu_counter counter = {WRAP32 - 1000, 10 * S, 32};
    int64_t growth;

    (void)state;
    assert_int_equal(step(&counter, 500, 32, 70, 0, &growth), PHU_COUNTER_RESET);
}

static void a_32_bit_wrap_after_doubtful_uptime_is_a_reset(void **state)
{
    struct phu_counter counter = {WRAP32 - 1000, 10 * S, 32};
    struct phu_counter_reading reading = {500, 70 * S, 32};
    struct phu_counter_terms terms = {false, 12500000};
    struct phu_counter_delta delta;

    (void)state;
    assert_int_equal(phu_counter_update(&counter, &reading, &terms, &delta), PHU_COUNTER_RESET);
}

static void what_may_have_wrapped_twice_is_ambiguous(void **state)
{
    struct phu_counter counter = {1000, 10 * S, 32};
    int64_t growth;

    (void)state;
    /* 1 Gbit/s: 7.5 GB in a minute, but 3.75 GB in half of one */
    assert_int_equal(step(&counter, 2000, 32, 70, 125000000, &growth), PHU_COUNTER_AMBIGUOUS);
    assert_int_equal(step(&counter, 3000, 32, 100, 125000000, &growth), PHU_COUNTER_DELTA);
    assert_int_equal(growth, 1000);
}

static void a_change_of_width_begins_anew(void **state)
{
    struct phu_counter counter = {1000, 10 * S, 32};
    int64_t growth;

    (void)state;
    assert_int_equal(step(&counter, WRAP32 * 5, 64, 70, 0, &growth), PHU_COUNTER_FIRST);
}

/* -- Uptime ---------------------------------------------------------------------------------- */

static enum phu_uptime_verdict judge(int64_t ticks_before, int64_t ticks_now, int64_t elapsed_s)
{
    struct phu_uptime before = {.has_ticks = true, .ticks = (uint32_t)ticks_before, .at_ns = S};
    struct phu_uptime now = {
        .has_ticks = true, .ticks = (uint32_t)ticks_now, .at_ns = S + elapsed_s * S};

    return phu_uptime_judge(&before, &now);
}

static enum phu_uptime_verdict judge_both(int64_t ticks_before, int64_t ticks_now,
                                          int64_t engine_before, int64_t engine_now,
                                          int64_t elapsed_s)
{
    struct phu_uptime before = {true, true, (uint32_t)ticks_before, engine_before, S};
    struct phu_uptime now = {true, true, (uint32_t)ticks_now, engine_now, S + elapsed_s * S};

    return phu_uptime_judge(&before, &now);
}

static void uptime_goes_on(void **state)
{
    (void)state;
    assert_int_equal(judge(0, 6000, 60), PHU_UPTIME_CONTINUES);
    assert_int_equal(judge(500 * 100, 559 * 100, 60), PHU_UPTIME_CONTINUES);
    /* refreshed only every ten seconds */
    assert_int_equal(judge(50000, 50000, 9), PHU_UPTIME_CONTINUES);
    /* a device whose clock was set ahead */
    assert_int_equal(judge(50000, 5000000, 60), PHU_UPTIME_CONTINUES);
}

static void uptime_went_back(void **state)
{
    (void)state;
    assert_int_equal(judge(300 * DAY * 100, 1000, 60), PHU_UPTIME_RESTARTED);
    assert_int_equal(judge(1000, 999, 1), PHU_UPTIME_RESTARTED);
    /* It restarted long ago within the gap, and is up for longer now than it was then. */
    assert_int_equal(judge(100 * 100, 3000 * 100, 3600), PHU_UPTIME_RESTARTED);
    assert_int_equal(judge(100, 100, 498 * DAY), PHU_UPTIME_RESTARTED);
}

static void uptime_wraps_after_497_days(void **state)
{
    int64_t last = (INT64_C(1) << 32) - 3000; /* half a minute before the wrap */

    (void)state;
    assert_int_equal(judge(last, 3000, 60), PHU_UPTIME_DOUBTFUL);
    assert_int_equal(judge_both(last, 3000, 42949643, 42949703, 60), PHU_UPTIME_CONTINUES);
    assert_int_equal(judge_both(last, 3000, 42949643, 30, 60), PHU_UPTIME_RESTARTED);
    /* too late for a wrap: it must have restarted after it */
    assert_int_equal(judge(last, 3000, 600), PHU_UPTIME_RESTARTED);
    /* just before the wrap, and still going on */
    assert_int_equal(judge(last, last + 1000, 10), PHU_UPTIME_CONTINUES);
}

static void uptime_that_wraps_early_is_doubtful(void **state)
{
    (void)state;
    /* 2^32 milliseconds, as some devices count */
    assert_int_equal(judge_both(429496700, 2000, 4294967, 4295027, 60), PHU_UPTIME_DOUBTFUL);
}

static void uptime_without_evidence(void **state)
{
    struct phu_uptime none = {.at_ns = S}, some = {.has_ticks = true, .ticks = 5, .at_ns = 2 * S};

    (void)state;
    assert_int_equal(phu_uptime_judge(&none, &none), PHU_UPTIME_UNKNOWN);
    assert_int_equal(phu_uptime_judge(&none, &some), PHU_UPTIME_UNKNOWN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(first_reading_gives_no_delta),
        cmocka_unit_test(delta_says_its_span),
        cmocka_unit_test(shrinking_64_bits_are_a_reset),
        cmocka_unit_test(sentinels_leave_the_baseline),
        cmocka_unit_test(a_missing_reading_leaves_the_baseline),
        cmocka_unit_test(a_leap_is_not_traffic),
        cmocka_unit_test(a_32_bit_wrap_within_the_speed_is_a_delta),
        cmocka_unit_test(a_32_bit_wrap_beyond_the_speed_is_a_reset),
        cmocka_unit_test(a_32_bit_wrap_of_unknown_speed_is_a_reset),
        cmocka_unit_test(a_32_bit_wrap_after_doubtful_uptime_is_a_reset),
        cmocka_unit_test(what_may_have_wrapped_twice_is_ambiguous),
        cmocka_unit_test(a_change_of_width_begins_anew),
        cmocka_unit_test(uptime_goes_on),
        cmocka_unit_test(uptime_went_back),
        cmocka_unit_test(uptime_wraps_after_497_days),
        cmocka_unit_test(uptime_that_wraps_early_is_doubtful),
        cmocka_unit_test(uptime_without_evidence),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
