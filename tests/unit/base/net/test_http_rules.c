#include "http_rules.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <curl/curl.h>
#include <errno.h>
#include <string.h>

/* Sun, 06 Nov 1994 08:49:37 GMT */
static const struct phu_wall then = {INT64_C(784111777) * PHU_NS_PER_S};

static int64_t seconds(const char *text)
{
    int64_t ns = -1;

    assert_int_equal(phu_http_retry_after(text, then, &ns), 0);
    return ns / PHU_NS_PER_S;
}

static void retry_after_in_seconds(void **state)
{
    (void)state;
    assert_int_equal(seconds("0"), 0);
    assert_int_equal(seconds("120"), 120);
    assert_int_equal(seconds("99999999999999999999999999"), 604800);
}

static void retry_after_as_a_date(void **state)
{
    (void)state;
    assert_int_equal(seconds("Sun, 06 Nov 1994 08:50:07 GMT"), 30);
    assert_int_equal(seconds("Sunday, 06-Nov-94 08:50:07 GMT"), 30);
    assert_int_equal(seconds("Sun Nov  6 08:50:07 1994"), 30);
    assert_int_equal(seconds("Sun, 06 Nov 1994 08:49:30 GMT"), 0);
    assert_int_equal(seconds("Fri, 31 Dec 9999 23:59:59 GMT"), 604800);
}

static void retry_after_of_neither_kind(void **state)
{
    const char *const texts[] = {"",
                                 "soon",
                                 "-1",
                                 "1.5",
                                 "12 s",
                                 "Sun, 06 Nov 1994 08:49:37",
                                 "Sun, 06 Nov 1994 08:49:37 PST",
                                 "Sun, 06 Xyz 1994 08:49:37 GMT",
                                 "Sun, 32 Nov 1994 08:49:37 GMT",
                                 "Sun, 06 Nov 1994 24:49:37 GMT",
                                 "Sun, 06 Nov 1994 08:49:37 GMT and more",
                                 "Sun Nov  6 08:49:37 1894"};
    int64_t ns;

    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        assert_int_equal(phu_http_retry_after(texts[i], then, &ns), -EINVAL);
}

static void header_values(void **state)
{
    const char line[] = "retry-AFTER: \t 12 \r\n";
    char value[8];

    (void)state;
    assert_true(phu_http_header_value(line, strlen(line), "Retry-After", value, sizeof value));
    assert_string_equal(value, "12");
    assert_true(phu_http_header_value("A:123456789", 11, "A", value, sizeof value));
    assert_string_equal(value, "1234567");
    assert_true(phu_http_header_value("A:", 2, "A", value, sizeof value));
    assert_string_equal(value, "");
    assert_false(phu_http_header_value("Retry-Afterwards: 1", 19, "Retry-After", value, 8));
    assert_false(phu_http_header_value("Retry", 5, "Retry-After", value, sizeof value));
}

static void places_of_urls(void **state)
{
    struct phu_http_place place;

    (void)state;
    assert_int_equal(phu_http_place("HTTPS://Web.Example:8443/x?y#z", &place), 0);
    assert_string_equal(place.scheme, "https");
    assert_string_equal(place.host, "web.example");
    assert_string_equal(place.port, "8443");
    assert_int_equal(phu_http_place("http://[2001:db8::1]/", &place), 0);
    assert_string_equal(place.host, "2001:db8::1");
    assert_string_equal(place.port, "80");
    assert_int_equal(phu_http_place("http://[fe80::1%25eth0]/", &place), 0);
    assert_string_equal(place.host, "fe80::1%eth0");
    assert_int_equal(phu_http_place("gopher://host/", &place), -EINVAL);
    assert_int_equal(phu_http_place("http://", &place), -EINVAL);
    assert_int_equal(phu_http_place("", &place), -EINVAL);
}

static void redirects_stay_on_the_list(void **state)
{
    const char *const hosts[] = {"CDN.example", NULL};
    const struct phu_http_place own = {"https", "web.example", "443"};
    struct phu_http_place to = {"https", "web.example", "8443"};

    (void)state;
    assert_true(phu_http_may_follow(&own, &own, &to, NULL));
    strcpy(to.scheme, "http");
    assert_false(phu_http_may_follow(&own, &own, &to, NULL));
    to = (struct phu_http_place){"https", "cdn.example", "443"};
    assert_true(phu_http_may_follow(&own, &own, &to, hosts));
    assert_false(phu_http_may_follow(&own, &own, &to, NULL));
    to = (struct phu_http_place){"https", "cdn.example.evil", "443"};
    assert_false(phu_http_may_follow(&own, &own, &to, hosts));
}

static void errors_are_told_apart(void **state)
{
    (void)state;
    assert_int_equal(phu_http_error_of(CURLE_COULDNT_CONNECT, ECONNREFUSED), PHU_HTTP_REFUSED);
    assert_int_equal(phu_http_error_of(CURLE_COULDNT_CONNECT, EHOSTUNREACH), PHU_HTTP_UNREACHABLE);
    assert_int_equal(phu_http_error_of(CURLE_COULDNT_CONNECT, EADDRNOTAVAIL), PHU_HTTP_LOCAL);
    assert_int_equal(phu_http_error_of(CURLE_PEER_FAILED_VERIFICATION, 0), PHU_HTTP_TLS);
    assert_int_equal(phu_http_error_of(CURLE_SSL_CACERT_BADFILE, 0), PHU_HTTP_LOCAL);
    assert_int_equal(phu_http_error_of(CURLE_GOT_NOTHING, 0), PHU_HTTP_BROKEN);
}

static void a_redirect_may_turn_the_method_into_get(void **state)
{
    (void)state;
    assert_false(phu_http_is_redirect(200));
    assert_false(phu_http_is_redirect(304));
    assert_true(phu_http_is_redirect(308));
    assert_string_equal(phu_http_redirect_method("POST", 301), "GET");
    assert_string_equal(phu_http_redirect_method("POST", 307), "POST");
    assert_string_equal(phu_http_redirect_method("OPTIONS", 302), "OPTIONS");
    assert_string_equal(phu_http_redirect_method("OPTIONS", 303), "GET");
    assert_string_equal(phu_http_redirect_method("HEAD", 303), "HEAD");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(retry_after_in_seconds),
        cmocka_unit_test(retry_after_as_a_date),
        cmocka_unit_test(retry_after_of_neither_kind),
        cmocka_unit_test(header_values),
        cmocka_unit_test(places_of_urls),
        cmocka_unit_test(redirects_stay_on_the_list),
        cmocka_unit_test(errors_are_told_apart),
        cmocka_unit_test(a_redirect_may_turn_the_method_into_get),
    };

    return cmocka_run_group_tests_name("http_rules", tests, NULL, NULL);
}
