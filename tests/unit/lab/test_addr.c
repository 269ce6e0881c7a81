#include "addr.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

static struct lab_prefix prefix(const char *text)
{
    struct lab_prefix out;
    struct lab_error err;

    if (lab_prefix_parse(text, &out, &err) < 0)
        fail_msg("%s", err.text);
    return out;
}

static bool covers(const struct lab_prefix *outer, const char *text)
{
    struct lab_prefix inner = prefix(text);

    return lab_prefix_covers(outer, &inner.addr);
}

static void prefixes_print_as_written(void **state)
{
    static const char *const texts[] = {"10.27.3.0/24", "0.0.0.0/0", "10.27.3.1/32",
                                        "fd27::/48",    "::/0",      "fd27::1/128"};

    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
        struct lab_prefix parsed = prefix(texts[i]);
        char text[LAB_PREFIX_TEXT];

        assert_string_equal(lab_prefix_format(&parsed, text), texts[i]);
    }
}

static void a_bare_address_is_one_host(void **state)
{
    struct lab_prefix v4 = prefix("10.27.3.1");
    struct lab_prefix v6 = prefix("fd27::1");

    (void)state;
    assert_int_equal(lab_prefix_written_length(&v4), 32);
    assert_int_equal(lab_prefix_written_length(&v6), 128);
}

static void host_bits_name_what_was_meant(void **state)
{
    struct lab_prefix out;
    struct lab_error err;

    (void)state;
    assert_true(lab_prefix_parse("10.27.3.1/24", &out, &err) < 0);
    assert_non_null(strstr(err.text, "did you mean 10.27.3.0/24?"));
    assert_true(lab_prefix_parse("fd27::1/48", &out, &err) < 0);
    assert_non_null(strstr(err.text, "did you mean fd27::/48?"));
}

static void bad_prefixes_are_refused(void **state)
{
    static const char *const bad[] = {"",
                                      "/",
                                      "10.27.3",
                                      "10.27.3.0/33",
                                      "fd27::/129",
                                      "10.27.0.0/",
                                      "10.27.0.0/ 8",
                                      "hamlet/24",
                                      "10.27.3.0/24/24"};
    struct lab_prefix out;
    struct lab_error err;

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
        assert_true(lab_prefix_parse(bad[i], &out, &err) < 0);
}

static void covering_follows_the_length(void **state)
{
    struct lab_prefix commune = prefix("10.27.2.0/23");
    struct lab_prefix odd = prefix("fd27:8000::/17");
    struct lab_prefix all = prefix("0.0.0.0/0");

    (void)state;
    assert_true(covers(&commune, "10.27.3.255"));
    assert_false(covers(&commune, "10.27.4.0"));
    assert_true(covers(&odd, "fd27:ffff::1"));
    assert_false(covers(&odd, "fd27:7fff::1"));
    assert_false(covers(&all, "fd27::1"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(prefixes_print_as_written),
        cmocka_unit_test(a_bare_address_is_one_host),
        cmocka_unit_test(host_bits_name_what_was_meant),
        cmocka_unit_test(bad_prefixes_are_refused),
        cmocka_unit_test(covering_follows_the_length),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
