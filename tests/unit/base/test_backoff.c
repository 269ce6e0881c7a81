#include "backoff.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define S INT64_C(1000000000)

static void each_failure_doubles_the_longest_pause_up_to_the_most(void **state)
{
    static const int64_t most[] = {1 * S, 2 * S, 4 * S, 8 * S, 16 * S, 20 * S, 20 * S, 20 * S};

    (void)state;
    for (uint64_t seed = 1; seed <= 1000; seed++) {
        struct phu_backoff backoff;

        phu_backoff_init(&backoff, 1 * S, 20 * S, seed);
        for (size_t i = 0; i < sizeof most / sizeof *most; i++) {
            int64_t delay = phu_backoff_fail(&backoff, 0);

            assert_true(delay >= 0 && delay <= most[i]);
        }
    }
}

/* Full jitter: a thousand agents that failed together spread evenly over the whole pause. */
static void pauses_are_spread_evenly(void **state)
{
    unsigned tenths[10] = {0};

    (void)state;
    for (uint64_t seed = 1; seed <= 10000; seed++) {
        struct phu_backoff backoff;
        int64_t delay;

        phu_backoff_init(&backoff, 1 * S, 300 * S, seed * 0x9e3779b97f4a7c15u);
        for (int i = 0; i < 3; i++)
            phu_backoff_fail(&backoff, 0);
        delay = phu_backoff_fail(&backoff, 0);
        tenths[delay == 8 * S ? 9 : delay * 10 / (8 * S)]++;
    }
    for (int i = 0; i < 10; i++)
        assert_in_range(tenths[i], 800, 1200);
}

static void success_starts_over(void **state)
{
    struct phu_backoff backoff;

    (void)state;
    phu_backoff_init(&backoff, 1 * S, 300 * S, 5);
    for (int i = 0; i < 200; i++)
        assert_true(phu_backoff_fail(&backoff, 0) <= 300 * S);
    phu_backoff_succeed(&backoff);
    assert_true(phu_backoff_fail(&backoff, 0) <= 1 * S);
}

static void a_wish_is_the_least_and_is_spread_too(void **state)
{
    bool is_different = false;
    int64_t last = 0;

    (void)state;
    for (uint64_t seed = 1; seed <= 100; seed++) {
        struct phu_backoff backoff;
        int64_t delay;

        phu_backoff_init(&backoff, 1 * S, 300 * S, seed);
        delay = phu_backoff_fail(&backoff, 30 * S);
        assert_true(delay >= 30 * S && delay <= 31 * S);
        is_different = is_different || (seed > 1 && delay != last);
        last = delay;
    }
    assert_true(is_different);
}

static void a_wish_beyond_an_hour_is_an_hour(void **state)
{
    struct phu_backoff backoff;
    int64_t delay;

    (void)state;
    phu_backoff_init(&backoff, 1 * S, 300 * S, 9);
    delay = phu_backoff_fail(&backoff, INT64_MAX);
    assert_true(delay >= 3600 * S && delay <= 3601 * S);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_failure_doubles_the_longest_pause_up_to_the_most),
        cmocka_unit_test(pauses_are_spread_evenly),
        cmocka_unit_test(success_starts_over),
        cmocka_unit_test(a_wish_is_the_least_and_is_spread_too),
        cmocka_unit_test(a_wish_beyond_an_hour_is_an_hour),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
