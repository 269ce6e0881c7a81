#include "ingest/rates.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define S INT64_C(1000000000)

static void saves_up_and_overdraws(void **state)
{
    struct phu_rates *rates = phu_rates_new();

    (void)state;
    assert_int_equal(phu_rates_wait(rates, "a", 0, 100), 0);
    phu_rates_charge(rates, "a", 1000); /* ten seconds' worth at once */
    assert_int_equal(phu_rates_wait(rates, "a", 0, 100), 0);
    phu_rates_charge(rates, "a", 250); /* and one body more */
    assert_int_equal(phu_rates_wait(rates, "a", 0, 100), 3);
    assert_int_equal(phu_rates_wait(rates, "a", 1 * S, 100), 2);
    assert_int_equal(phu_rates_wait(rates, "a", 3 * S, 100), 0);
    assert_int_equal(phu_rates_wait(rates, "a", 1000 * S, 100), 0);
    phu_rates_charge(rates, "a", 1001); /* no more than that is saved */
    assert_int_equal(phu_rates_wait(rates, "a", 1000 * S, 100), 1);
    phu_rates_free(rates);
}

static void knows_tokens_apart(void **state)
{
    static const char *const tokens[] = {"m", "c", "x", "a", "z", "b"};
    struct phu_rates *rates = phu_rates_new();

    (void)state;
    for (size_t i = 0; i < 6; i++)
        assert_int_equal(phu_rates_wait(rates, tokens[i], 0, 10), 0);
    for (size_t i = 0; i < 6; i++)
        phu_rates_charge(rates, tokens[i], 100 + 10 * (int64_t)i);
    for (size_t i = 0; i < 6; i++)
        assert_int_equal(phu_rates_wait(rates, tokens[i], 0, 10), i ? (int64_t)i + 1 : 0);
    phu_rates_charge(rates, "nobody", 5);
    assert_int_equal(phu_rates_wait(rates, "c", 0, 0), 0);
    phu_rates_free(rates);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(saves_up_and_overdraws),
        cmocka_unit_test(knows_tokens_apart),
    };

    return cmocka_run_group_tests_name("console_rates", tests, NULL, NULL);
}
