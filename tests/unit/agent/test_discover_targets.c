#include "discover_targets.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static struct phu_targets targets;
static char why[200];

static int empty(void **state)
{
    (void)state;
    phu_targets_fini(&targets);
    return 0;
}

static int add(const char *text)
{
    why[0] = '\0';
    return phu_targets_add(&targets, text, why, sizeof why);
}

static const char *at(size_t index)
{
    static char text[PHU_TARGET_TEXT];

    phu_target_format(&targets.items[index], text);
    return text;
}

static void a_prefix_is_its_hosts(void **state)
{
    (void)state;
    assert_int_equal(add("10.27.0.0/24"), 0);
    assert_int_equal(targets.count, 254);
    assert_string_equal(at(0), "10.27.0.1");
    assert_string_equal(at(253), "10.27.0.254");
    assert_int_equal(add("10.27.1.0/30"), 0);
    assert_int_equal(targets.count, 256);
    assert_int_equal(add("10.27.2.0/31"), 0); /* a link: both are hosts */
    assert_int_equal(targets.count, 258);
    assert_int_equal(add("10.27.3.7/32"), 0);
    assert_string_equal(at(258), "10.27.3.7");
    assert_int_equal(add("10.28.0.0/23"), 0);
    assert_int_equal(targets.count, 259 + 510); /* 10.28.0.255 and 10.28.1.0 are hosts */
}

static void ipv6_has_no_broadcast(void **state)
{
    (void)state;
    assert_int_equal(add("2001:db8::/126"), 0);
    assert_int_equal(targets.count, 3);
    assert_string_equal(at(0), "2001:db8::1");
    assert_string_equal(at(2), "2001:db8::3");
    assert_int_equal(add("2001:db8::fe00/127"), 0);
    assert_int_equal(targets.count, 5);
    assert_int_equal(add("2001:DB8:0::1"), 0); /* is there already */
    assert_int_equal(targets.count, 5);
}

static void an_address_is_there_once(void **state)
{
    (void)state;
    assert_int_equal(add("10.27.0.9"), 0);
    assert_int_equal(add("10.27.0.0/24"), 0);
    assert_int_equal(add("10.27.0.9"), 0);
    assert_int_equal(targets.count, 254);
    assert_string_equal(at(0), "10.27.0.9");
    assert_string_equal(at(1), "10.27.0.1");
}

static void there_are_not_too_many(void **state)
{
    (void)state;
    assert_int_equal(add("10.0.0.0/16"), 0);
    assert_int_equal(targets.count, 65534);
    assert_int_equal(add("10.0.0.0"), 0);
    assert_int_equal(add("10.0.255.255"), 0);
    assert_int_equal(add("10.0.0.7"), 0);
    assert_int_equal(add("10.1.0.0"), -EINVAL);
    assert_non_null(strstr(why, "more than 65536"));
    assert_int_equal(add("0.0.0.0/0"), -EINVAL);
    assert_int_equal(add("2001:db8::/32"), -EINVAL);
    assert_non_null(strstr(why, "more than 65536"));
}

static void mistakes_are_explained(void **state)
{
    static const char *const cases[][2] = {
        {"10.27.0.5/24", "did you mean 10.27.0.0/24?"},
        {"2001:db8::5/64", "did you mean 2001:db8::/64?"},
        {"10.27.0.0/33", "0 to 32"},
        {"10.27.0.0/", "0 to 32"},
        {"10.27.0.0/+24", "0 to 32"},
        {"2001:db8::/129", "0 to 128"},
        {"10.27.0", "neither"},
        {"olt-1.example.net", "neither"},
        {"", "neither"},
        {"2001:db8:2001:db8:2001:db8:2001:db8:2001:db8:2001", "neither"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(add(cases[i][0]), -EINVAL);
        if (!strstr(why, cases[i][1]))
            fail_msg("%s: %s", cases[i][0], why);
    }
    assert_int_equal(targets.count, 0);
}

#define test(name) cmocka_unit_test_teardown(name, empty)

int main(void)
{
    const struct CMUnitTest tests[] = {
        test(a_prefix_is_its_hosts),  test(ipv6_has_no_broadcast),  test(an_address_is_there_once),
        test(there_are_not_too_many), test(mistakes_are_explained),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
