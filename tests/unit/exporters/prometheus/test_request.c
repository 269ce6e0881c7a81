#include "request.h"

#include "listen.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

static int parse(const char *text, struct phu_scrape_request *request)
{
    memset(request, 0, sizeof *request);
    return phu_scrape_parse(text, strlen(text), request);
}

static void reads_requests(void **state)
{
    struct phu_scrape_request request;

    (void)state;
    assert_int_equal(parse("GET /metrics HTTP/1.1\r\nHost: a\r\nAccept: */*\r\n\r\n", &request),
                     200);
    assert_int_equal(request.method, PHU_SCRAPE_GET);
    assert_string_equal(request.path, "/metrics");
    assert_int_equal(parse("HEAD /metrics?x=y HTTP/1.0\n\n", &request), 200);
    assert_int_equal(request.method, PHU_SCRAPE_HEAD);
    assert_string_equal(request.path, "/metrics");
    assert_int_equal(parse("GET http://a:1/x HTTP/1.1\r\n\r\n", &request), 200);
    assert_string_equal(request.path, "/x");
    assert_int_equal(parse("POST /metrics HTTP/1.1\r\nContent-Length: 0\r\n\r\n", &request), 200);
    assert_int_equal(request.method, PHU_SCRAPE_OTHER);
}

static void waits_for_the_empty_line(void **state)
{
    const char text[] = "GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n";
    struct phu_scrape_request request;

    (void)state;
    for (size_t length = 0; length < sizeof text - 1; length++)
        assert_int_equal(phu_scrape_parse(text, length, &request), 0);
    assert_int_equal(phu_scrape_parse(text, sizeof text - 1, &request), 200);
}

static void refuses_what_is_no_request(void **state)
{
    static const struct {
        const char *text;
        int status;
    } cases[] = {
        {"\r\n\r\n", 400},
        {"GET\r\n\r\n", 400},
        {"GET /metrics\r\n\r\n", 400},
        {"GET  HTTP/1.1\r\n\r\n", 400},
        {"GET /metrics HTTP/1.1 x\r\n\r\n", 400},
        {"GET metrics HTTP/1.1\r\n\r\n", 400},
        {"GET http://host HTTP/1.1\r\n\r\n", 400},
        {"GET * HTTP/1.1\r\n\r\n", 400},
        {"G(T /metrics HTTP/1.1\r\n\r\n", 400},
        {" GET /metrics HTTP/1.1\r\n\r\n", 400},
        {"GET /met\trics HTTP/1.1\r\n\r\n", 400},
        {"GET /metrics HTTP/2.0\r\n\r\n", 505},
        {"GET /metrics SPDY/1.1\r\n\r\n", 400},
        {"GET /metrics HTTP/1.1\r\nno colon\r\n\r\n", 400},
        {"GET /metrics HTTP/1.1\r\n: empty\r\n\r\n", 400},
        {"GET /metrics HTTP/1.1\r\nHost: a\r\n folded\r\n\r\n", 400},
        {"GET /metrics HTTP/1.1\r\nHost : a\r\n\r\n", 400},
        {"GET /metrics HTTP/1.1\r\nContent-Length: 5\r\n\r\n", 400},
        {"GET /metrics HTTP/1.1\r\ncontent-length: -0\r\n\r\n", 400},
        {"GET /metrics HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", 501},
    };
    struct phu_scrape_request request;

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        if (parse(cases[i].text, &request) != cases[i].status)
            fail_msg("case %zu: %d", i, parse(cases[i].text, &request));
    }
    assert_int_equal(phu_scrape_parse("GET /\0 HTTP/1.1\r\n\r\n", 19, &request), 400);
}

static void bounds_lengths(void **state)
{
    static char text[PHU_SCRAPE_REQUEST_MAX];
    struct phu_scrape_request request;
    char target[300];

    (void)state;
    memset(text, 'x', sizeof text);
    assert_int_equal(phu_scrape_parse(text, sizeof text - 1, &request), 0);
    assert_int_equal(phu_scrape_parse(text, sizeof text, &request), 431);
    snprintf(target, sizeof target, "GET /%0127d HTTP/1.1\r\n\r\n", 0);
    assert_int_equal(parse(target, &request), 414);
    snprintf(target, sizeof target, "GET /%0126d HTTP/1.1\r\n\r\n", 0);
    assert_int_equal(parse(target, &request), 200);
}

static void reads_where_to_listen(void **state)
{
    const char *const bad[] = {"",          "9469",          "127.0.0.1",       "127.0.0.1:",
                               "host:80",   "127.0.0.1:x",   "127.0.0.1:65536", "::1:9469",
                               "[::1]9469", "[127.0.0.1]:1", "[::1:80",         "127.0.0.1:123456"};
    struct sockaddr_storage address;

    (void)state;
    assert_null(phu_listen_parse("127.0.0.1:9469", &address));
    assert_true(phu_listen_is_loopback(&address));
    assert_int_equal(ntohs(((struct sockaddr_in *)&address)->sin_port), 9469);
    assert_null(phu_listen_parse("127.9.9.9:0", &address));
    assert_true(phu_listen_is_loopback(&address));
    assert_null(phu_listen_parse("localhost:1", &address));
    assert_true(phu_listen_is_loopback(&address));
    assert_null(phu_listen_parse("[::1]:9469", &address));
    assert_true(phu_listen_is_loopback(&address));
    assert_null(phu_listen_parse("[::]:65535", &address));
    assert_false(phu_listen_is_loopback(&address));
    assert_null(phu_listen_parse("0.0.0.0:9469", &address));
    assert_false(phu_listen_is_loopback(&address));
    assert_null(phu_listen_parse("10.0.0.1:9469", &address));
    assert_false(phu_listen_is_loopback(&address));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_non_null(phu_listen_parse(bad[i], &address));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_requests),
        cmocka_unit_test(waits_for_the_empty_line),
        cmocka_unit_test(refuses_what_is_no_request),
        cmocka_unit_test(bounds_lengths),
        cmocka_unit_test(reads_where_to_listen),
    };

    return cmocka_run_group_tests_name("scrape_request", tests, NULL, NULL);
}
