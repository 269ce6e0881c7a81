#include "target.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>

static void arguments(void **state)
{
    struct phu_target_argument argument;

    (void)state;
    assert_null(phu_target_argument_parse("", &argument));
    assert_null(argument.url);
    assert_int_equal(argument.port, 0);
    assert_null(argument.path);
    assert_null(phu_target_argument_parse("8080", &argument));
    assert_int_equal(argument.port, 8080);
    assert_null(argument.path);
    assert_null(phu_target_argument_parse("/status?x=1", &argument));
    assert_int_equal(argument.port, 0);
    assert_string_equal(argument.path, "/status?x=1");
    assert_null(phu_target_argument_parse("65535/a", &argument));
    assert_int_equal(argument.port, 65535);
    assert_string_equal(argument.path, "/a");
    assert_null(phu_target_argument_parse("HTTPS://web.example:8443/x", &argument));
    assert_string_equal(argument.url, "HTTPS://web.example:8443/x");
}

static void arguments_refused(void **state)
{
    const char *const texts[] = {"0",         "65536",         "99999999999999999999",
                                 "x",         "80x",           "-1",
                                 "80:/x",     "web.example/x", "/a b",
                                 "/\x01",     "ftp://h/",      "http://",
                                 "http:///x", "https://:80/",  "http://h/a b",
                                 " 80"};
    struct phu_target_argument argument;

    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        const char *why = phu_target_argument_parse(texts[i], &argument);

        assert_non_null(why);
        assert_true(strlen(why) > 20);
    }
}

static void assert_url(const struct phu_target *target, const char *expected)
{
    char url[PHU_TARGET_URL_MAX];

    assert_int_equal(phu_target_url(target, url, sizeof url), 0);
    assert_string_equal(url, expected);
}

static void urls(void **state)
{
    (void)state;
    assert_url(&(struct phu_target){"", "http", 0, "/", "10.0.0.1"}, "http://10.0.0.1/");
    assert_url(&(struct phu_target){"", "https", 8443, "/x?y", "web.example"},
               "https://web.example:8443/x?y");
    assert_url(&(struct phu_target){"", "http", 81, "/", "fd00::1"}, "http://[fd00::1]:81/");
    assert_url(&(struct phu_target){"", "http", 0, "/", "fe80::1%eth0"},
               "http://[fe80::1%25eth0]/");
    assert_url(&(struct phu_target){"http://{address}:82/{address}", "", 0, "", "10.0.0.1"},
               "http://10.0.0.1:82/10.0.0.1");
    assert_url(&(struct phu_target){"https://web.example/", "", 0, "", "10.0.0.1"},
               "https://web.example/");
}

static void a_url_that_does_not_fit_is_refused(void **state)
{
    const struct phu_target target = {"", "http", 8080, "/path", "10.0.0.1"};
    const char expected[] = "http://10.0.0.1:8080/path";
    char url[64];

    (void)state;
    assert_int_equal(phu_target_url(&target, url, sizeof expected), 0);
    assert_string_equal(url, expected);
    for (size_t size = 1; size < sizeof expected; size++)
        assert_int_equal(phu_target_url(&target, url, size), -ENAMETOOLONG);
}

static void ranges(void **state)
{
    struct phu_status_range range;
    const char *const bad[] = {"",        "2",        "20",   "099",      "600",
                               "2000",    "2xx",      "200-", "200-1",    "300-200",
                               "200-600", "200-2999", "200 ", "200-299x", "200,201"};

    (void)state;
    assert_int_equal(phu_target_range_parse("204", &range), 0);
    assert_int_equal(range.first, 204);
    assert_int_equal(range.last, 204);
    assert_int_equal(phu_target_range_parse("100-599", &range), 0);
    assert_int_equal(range.first, 100);
    assert_int_equal(range.last, 599);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(phu_target_range_parse(bad[i], &range), -EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(arguments), cmocka_unit_test(arguments_refused),
        cmocka_unit_test(urls),      cmocka_unit_test(a_url_that_does_not_fit_is_refused),
        cmocka_unit_test(ranges),
    };

    return cmocka_run_group_tests_name("http_target", tests, NULL, NULL);
}
