#include "units.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

static int64_t duration(const char *text)
{
    struct lab_error err;
    int64_t ns = -1;

    if (lab_parse_duration(text, &ns, &err) < 0) {
        assert_non_null(strstr(err.text, text));
        return -1;
    }
    return ns;
}

static void durations_have_units(void **state)
{
    (void)state;
    assert_int_equal(duration("20ms"), 20000000);
    assert_int_equal(duration("1.5s"), 1500000000);
    assert_int_equal(duration("250us"), 250000);
    assert_int_equal(duration("2m"), 120000000000);
    assert_int_equal(duration("1h"), 3600000000000);
    assert_int_equal(duration("0"), 0);
    assert_int_equal(duration("0ms"), 0);
}

static void bad_durations_are_refused(void **state)
{
    static const char *const bad[] = {"",    "ms",   "20",   "20 ms", "-1s",   "inf",
                                      "nan", "0x1s", "1e9h", "721h",  "20msx", " 1s"};

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
        assert_int_equal(duration(bad[i]), -1);
}

static void shares_are_percentages(void **state)
{
    struct lab_error err;
    double share;

    (void)state;
    assert_int_equal(lab_parse_share("2%", &share, &err), 0);
    assert_float_equal(share, 0.02, 1e-12);
    assert_int_equal(lab_parse_share("100%", &share, &err), 0);
    assert_float_equal(share, 1, 1e-12);
    assert_true(lab_parse_share("2", &share, &err) < 0);
    assert_true(lab_parse_share("101%", &share, &err) < 0);
    assert_true(lab_parse_share("-1%", &share, &err) < 0);
}

static void bytes_have_units(void **state)
{
    struct lab_error err;
    uint64_t bytes;

    (void)state;
    assert_int_equal(lab_parse_bytes("1MB", &bytes, &err), 0);
    assert_int_equal(bytes, 1000000);
    assert_int_equal(lab_parse_bytes("64KiB", &bytes, &err), 0);
    assert_int_equal(bytes, 65536);
    assert_int_equal(lab_parse_bytes("8Mbit", &bytes, &err), 0);
    assert_int_equal(bytes, 1000000);
    assert_true(lab_parse_bytes("1000", &bytes, &err) < 0);
    assert_true(lab_parse_bytes("1TB", &bytes, &err) < 0);
}

static void numbers_are_bounded(void **state)
{
    struct lab_error err;
    uint64_t number;

    (void)state;
    assert_int_equal(lab_parse_number("65535", 65535, &number, &err), 0);
    assert_int_equal(number, 65535);
    assert_true(lab_parse_number("65536", 65535, &number, &err) < 0);
    assert_true(lab_parse_number("99999999999999999999999", UINT64_MAX, &number, &err) < 0);
    assert_true(lab_parse_number("1x", 10, &number, &err) < 0);
    assert_true(lab_parse_number("-1", 10, &number, &err) < 0);
    assert_true(lab_parse_number("", 10, &number, &err) < 0);
}

static void formatted_durations_parse_back(void **state)
{
    static const int64_t values[] = {0,       1,        999,         1000,
                                     1500000, 20000000, 90000000000, 3600000000000};

    (void)state;
    for (size_t i = 0; i < sizeof(values) / sizeof(*values); i++) {
        char text[32];

        assert_int_equal(duration(lab_format_duration(values[i], text, sizeof(text))), values[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(durations_have_units),   cmocka_unit_test(bad_durations_are_refused),
        cmocka_unit_test(shares_are_percentages), cmocka_unit_test(bytes_have_units),
        cmocka_unit_test(numbers_are_bounded),    cmocka_unit_test(formatted_durations_parse_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
