#include "phusong/http.h"

#include "loop.h"
#include "phusong/resolve.h"
#include "server.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

struct bed {
    struct phu_sched *sched;
    struct phu_resolver *resolver;
    struct phu_http_client *client;
    struct server server;
    struct phu_http_result result;
    char message[512], body[4096], url[256];
    unsigned done, wanted;
};

static int set_up(void **state)
{
    struct bed *bed = calloc(1, sizeof *bed);

    assert_non_null(bed);
    assert_int_equal(phu_loop_new(&bed->sched), 0);
    assert_int_equal(phu_resolver_new(bed->sched, &bed->resolver), 0);
    assert_int_equal(phu_http_client_new(bed->sched, bed->resolver, &bed->client), 0);
    bed->wanted = 1;
    *state = bed;
    return 0;
}

static int tear_down(void **state)
{
    struct bed *bed = *state;

    phu_http_client_free(bed->client);
    phu_resolver_free(bed->resolver);
    phu_loop_free(bed->sched);
    if (bed->server.thread)
        server_stop(&bed->server);
    free(bed);
    return 0;
}

static void serve(struct bed *bed,
                  bool (*answer)(struct server *, int fd, const char *request, size_t length))
{
    server_start(&bed->server, answer);
    snprintf(bed->url, sizeof bed->url, "http://127.0.0.1:%d/path", bed->server.port);
}

static void keep(void *arg, const struct phu_http_result *result)
{
    struct bed *bed = arg;

    bed->result = *result;
    snprintf(bed->message, sizeof bed->message, "%s", result->message);
    snprintf(bed->body, sizeof bed->body, "%s", result->body);
    if (++bed->done == bed->wanted)
        phu_loop_stop(bed->sched);
}

static void request(struct bed *bed, struct phu_http_request *request)
{
    struct phu_http_call *call;

    if (!request->url)
        request->url = bed->url;
    if (!request->timeout_ns)
        request->timeout_ns = 5 * PHU_NS_PER_S;
    assert_int_equal(phu_http_start(bed->client, request, keep, bed, &call), 0);
}

static const struct phu_http_result *run(struct bed *bed, struct phu_http_request *wanted)
{
    bed->done = 0;
    request(bed, wanted);
    assert_int_equal(bed->done, 0);
    phu_loop_run(bed->sched);
    assert_int_equal(bed->done, bed->wanted);
    return &bed->result;
}

/* -- An answer ------------------------------------------------------------------------------- */

static bool hello(struct server *server, int fd, const char *text, size_t length)
{
    (void)server;
    (void)text;
    (void)length;
    server_write(fd, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello");
    return true;
}

static void answers_with_status_body_and_phases(void **state)
{
    struct bed *bed = *state;
    const struct phu_http_result *result;

    serve(bed, hello);
    result = run(bed, &(struct phu_http_request){.is_fresh = true});
    assert_string_equal(bed->message, "");
    assert_int_equal(result->error, PHU_HTTP_OK);
    assert_int_equal(result->status, 200);
    assert_string_equal(bed->body, "hello");
    assert_int_equal(result->body_length, 5);
    assert_int_equal(result->bytes_received, 5);
    assert_false(result->is_truncated);
    assert_int_equal(result->lookup_ns, -1);
    assert_int_equal(result->tls_ns, -1);
    assert_true(result->connect_ns > 0);
    assert_true(result->first_byte_ns > 0);
    assert_true(result->connect_ns + result->first_byte_ns <= result->total_ns);
    assert_non_null(strstr(bed->server.last, "GET /path HTTP/1.1\r\n"));
}

/* Names lead to loopback here, in both ways to ask for them. */
struct asked {
    unsigned strictly, tolerantly;
};

static struct asked asked;

int __real_phu_resolve_start(struct phu_resolver *resolver, const char *name, int family,
                             int64_t timeout_ns, phu_resolve_cb *done, void *arg,
                             struct phu_resolve **out);
int __wrap_phu_resolve_start(struct phu_resolver *resolver, const char *name, int family,
                             int64_t timeout_ns, phu_resolve_cb *done, void *arg,
                             struct phu_resolve **out);
int __real_phu_resolve_start_tolerant(struct phu_resolver *resolver, const char *name, int family,
                                      int64_t timeout_ns, phu_resolve_cb *done, void *arg,
                                      struct phu_resolve **out);
int __wrap_phu_resolve_start_tolerant(struct phu_resolver *resolver, const char *name, int family,
                                      int64_t timeout_ns, phu_resolve_cb *done, void *arg,
                                      struct phu_resolve **out);

int __wrap_phu_resolve_start(struct phu_resolver *resolver, const char *name, int family,
                             int64_t timeout_ns, phu_resolve_cb *done, void *arg,
                             struct phu_resolve **out)
{
    (void)name;
    asked.strictly++;
    return __real_phu_resolve_start(resolver, "127.0.0.1", family, timeout_ns, done, arg, out);
}

int __wrap_phu_resolve_start_tolerant(struct phu_resolver *resolver, const char *name, int family,
                                      int64_t timeout_ns, phu_resolve_cb *done, void *arg,
                                      struct phu_resolve **out)
{
    (void)name;
    asked.tolerantly++;
    return __real_phu_resolve_start_tolerant(resolver, "127.0.0.1", family, timeout_ns, done, arg,
                                             out);
}

static void only_exporters_go_on_with_an_old_address(void **state)
{
    struct bed *bed = *state;

    serve(bed, hello);
    snprintf(bed->url, sizeof bed->url, "http://store.test:%d/", bed->server.port);
    asked = (struct asked){0};
    assert_int_equal(run(bed, &(struct phu_http_request){.is_fresh = true})->status, 200);
    assert_int_equal(asked.strictly, 1);
    assert_int_equal(asked.tolerantly, 0);
    assert_int_equal(run(bed, &(struct phu_http_request){0})->status, 200);
    assert_int_equal(asked.strictly, 1);
    assert_int_equal(asked.tolerantly, 1);
}

static void probes_connect_anew_and_exporters_do_not(void **state)
{
    struct bed *bed = *state;

    serve(bed, hello);
    for (int i = 0; i < 3; i++)
        run(bed, &(struct phu_http_request){.is_fresh = true});
    assert_int_equal(bed->server.connections, 3);
    for (int i = 0; i < 3; i++)
        assert_int_equal(run(bed, &(struct phu_http_request){0})->error, PHU_HTTP_OK);
    assert_int_equal(bed->server.connections, 4);
}

static void sends_a_large_body_at_once(void **state)
{
    struct bed *bed = *state;
    const char *const headers[] = {"Content-Encoding: gzip", "Authorization: Token t", NULL};
    size_t length = 3 << 20;
    char *body = malloc(length);
    const struct phu_http_result *result;

    assert_non_null(body);
    memset(body, 'x', length);
    serve(bed, hello);
    result =
        run(bed, &(struct phu_http_request){
                     .method = "POST", .headers = headers, .body = body, .body_length = length});
    free(body);
    assert_int_equal(result->status, 200);
    assert_int_equal(bed->server.body_length, length);
    assert_non_null(strstr(bed->server.last, "POST /path"));
    assert_non_null(strstr(bed->server.last, "Authorization: Token t\r\n"));
    assert_null(strstr(bed->server.last, "Expect:"));
    assert_null(strstr(bed->server.last, "Content-Type:"));
}

/* -- Bounds ---------------------------------------------------------------------------------- */

static bool endless(struct server *server, int fd, const char *text, size_t length)
{
    char chunk[4096];

    (void)server;
    (void)text;
    (void)length;
    memset(chunk, 'y', sizeof chunk);
    server_write(fd, "HTTP/1.1 200 OK\r\n\r\n");
    while (send(fd, chunk, sizeof chunk, MSG_NOSIGNAL) > 0)
        continue;
    return false;
}

static void stops_reading_an_endless_body(void **state)
{
    struct bed *bed = *state;
    const struct phu_http_result *result;

    serve(bed, endless);
    result = run(bed, &(struct phu_http_request){.max_body = 1000});
    assert_int_equal(result->error, PHU_HTTP_OK);
    assert_int_equal(result->status, 200);
    assert_true(result->is_truncated);
    assert_int_equal(result->body_length, 1000);
    assert_true(result->bytes_received < (1 << 20));
}

static void a_body_of_just_the_limit_is_whole(void **state)
{
    struct bed *bed = *state;

    serve(bed, hello);
    assert_false(run(bed, &(struct phu_http_request){.max_body = 5})->is_truncated);
    assert_true(run(bed, &(struct phu_http_request){.max_body = 4})->is_truncated);
    assert_string_equal(bed->body, "hell");
}

static bool flood_headers(struct server *server, int fd, const char *text, size_t length)
{
    char header[1024];
    int used = snprintf(header, sizeof header, "X-Flood: ");

    (void)server;
    (void)text;
    (void)length;
    memset(header + used, 'z', sizeof header - (size_t)used);
    memcpy(header + sizeof header - 2, "\r\n", 2);
    server_write(fd, "HTTP/1.1 200 OK\r\n");
    while (send(fd, header, sizeof header, MSG_NOSIGNAL) > 0)
        continue;
    return false;
}

static void gives_up_on_a_flood_of_headers(void **state)
{
    struct bed *bed = *state;

    serve(bed, flood_headers);
    assert_int_equal(run(bed, &(struct phu_http_request){0})->error, PHU_HTTP_BROKEN);
    assert_string_equal(bed->message, "more than 256 KiB of headers");
}

static bool drip(struct server *server, int fd, const char *text, size_t length)
{
    (void)server;
    (void)text;
    (void)length;
    server_write(fd, "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n");
    for (int i = 0; i < 1000 && send(fd, "d", 1, MSG_NOSIGNAL) > 0; i++)
        poll(NULL, 0, 5);
    return false;
}

static void a_dripping_body_costs_its_timeout(void **state)
{
    struct bed *bed = *state;
    const struct phu_http_result *result;

    serve(bed, drip);
    result = run(bed, &(struct phu_http_request){.timeout_ns = 60 * PHU_NS_PER_MS});
    assert_int_equal(result->error, PHU_HTTP_TIMEOUT);
    assert_string_equal(bed->message, "the answer did not end in time");
    assert_int_equal(result->status, 200);
    assert_true(result->bytes_received > 0);
    assert_true(result->total_ns >= 60 * PHU_NS_PER_MS);
    assert_true(result->total_ns < 500 * PHU_NS_PER_MS);
}

static bool say_nothing(struct server *server, int fd, const char *text, size_t length)
{
    char byte;

    (void)server;
    (void)text;
    (void)length;
    return recv(fd, &byte, 1, 0) > 0;
}

static void silence_costs_its_timeout(void **state)
{
    struct bed *bed = *state;
    const struct phu_http_result *result;

    serve(bed, say_nothing);
    result = run(bed, &(struct phu_http_request){.timeout_ns = 30 * PHU_NS_PER_MS});
    assert_int_equal(result->error, PHU_HTTP_TIMEOUT);
    assert_string_equal(bed->message, "connected, but no answer in time");
    assert_int_equal(result->status, 0);
    assert_true(result->connect_ns >= 0);
    assert_int_equal(result->first_byte_ns, -1);
}

/* -- Failures -------------------------------------------------------------------------------- */

static void a_closed_port_refuses(void **state)
{
    struct bed *bed = *state;
    const struct phu_http_result *result;

    serve(bed, hello);
    server_stop(&bed->server);
    bed->server.thread = 0;
    result = run(bed, &(struct phu_http_request){0});
    assert_int_equal(result->error, PHU_HTTP_REFUSED);
    assert_int_equal(result->connect_ns, -1);
    assert_int_equal(result->status, 0);
}

static bool garbage(struct server *server, int fd, const char *text, size_t length)
{
    (void)server;
    (void)text;
    (void)length;
    server_write(fd, "SSH-2.0-OpenSSH_9.2\r\n");
    return false;
}

static bool hang_up(struct server *server, int fd, const char *text, size_t length)
{
    (void)server;
    (void)text;
    (void)length;
    server_write(fd, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf");
    return false;
}

static void what_is_not_http_is_broken(void **state)
{
    struct bed *bed = *state;

    serve(bed, garbage);
    assert_int_equal(run(bed, &(struct phu_http_request){0})->error, PHU_HTTP_BROKEN);
}

static void half_an_answer_is_broken(void **state)
{
    struct bed *bed = *state;

    serve(bed, hang_up);
    assert_int_equal(run(bed, &(struct phu_http_request){0})->error, PHU_HTTP_BROKEN);
    assert_string_equal(bed->body, "half");
}

static void refuses_urls_of_other_kinds(void **state)
{
    struct bed *bed = *state;
    const char *const urls[] = {"file:///etc/passwd", "ftp://h/", "", "http://", "/path"};
    struct phu_http_call *call;

    for (size_t i = 0; i < sizeof urls / sizeof *urls; i++)
        assert_int_equal(phu_http_start(bed->client, &(struct phu_http_request){.url = urls[i]},
                                        keep, bed, &call),
                         -22);
}

static void a_literal_of_the_other_family_does_not_resolve(void **state)
{
    struct bed *bed = *state;

    serve(bed, hello);
    assert_int_equal(run(bed, &(struct phu_http_request){.family = AF_INET6})->error, PHU_HTTP_DNS);
}

/* -- Redirects ------------------------------------------------------------------------------- */

static bool redirect(struct server *server, int fd, const char *text, size_t length)
{
    char answer[256];

    (void)length;
    if (strstr(text, "GET /path"))
        snprintf(answer, sizeof answer,
                 "HTTP/1.1 302 Found\r\nLocation: /there\r\nContent-Length: 4\r\n\r\naway");
    else if (strstr(text, "GET /there"))
        snprintf(answer, sizeof answer,
                 "HTTP/1.1 301 Moved\r\nLocation: http://127.0.0.2:%d/other\r\n"
                 "Content-Length: 0\r\n\r\n",
                 server->other_port);
    else
        return hello(server, fd, text, length);
    server_write(fd, answer);
    return true;
}

static void a_redirect_is_an_answer_unless_followed(void **state)
{
    struct bed *bed = *state;

    serve(bed, redirect);
    assert_int_equal(run(bed, &(struct phu_http_request){0})->status, 302);
    assert_int_equal(bed->result.error, PHU_HTTP_OK);
    assert_string_equal(bed->body, "away");
}

static void follows_redirects_only_on_the_list(void **state)
{
    struct bed *bed = *state;

    serve(bed, redirect);
    assert_int_equal(run(bed, &(struct phu_http_request){.max_redirects = 5})->error,
                     PHU_HTTP_REDIRECT);
    assert_non_null(strstr(bed->message, "127.0.0.2"));
    assert_int_equal(bed->server.requests, 2);
}

static void counts_redirects(void **state)
{
    struct bed *bed = *state;
    const char *const hosts[] = {"127.0.0.2", NULL};

    serve(bed, redirect);
    assert_int_equal(
        run(bed, &(struct phu_http_request){.max_redirects = 1, .redirect_hosts = hosts})->error,
        PHU_HTTP_REDIRECT);
    assert_string_equal(bed->message, "too many redirects");
}

static void secrets_stay_with_their_host(void **state)
{
    struct bed *bed = *state;
    struct server other;
    const char *const hosts[] = {"127.0.0.2", NULL};
    const char *const headers[] = {"Authorization: Token t", "X-Other: stays", NULL};

    serve(bed, redirect);
    server_start_at(&other, "127.0.0.2", hello);
    bed->server.other_port = other.port;
    run(bed, &(struct phu_http_request){.max_redirects = 2,
                                        .redirect_hosts = hosts,
                                        .headers = headers,
                                        .user_password = "u:p",
                                        .is_fresh = true});
    server_stop(&other);
    assert_int_equal(bed->result.status, 200);
    assert_string_equal(bed->body, "hello");
    assert_non_null(strstr(bed->server.last, "GET /there"));
    assert_non_null(strstr(bed->server.last, "Authorization: "));
    assert_non_null(strstr(other.last, "GET /other"));
    assert_non_null(strstr(other.last, "X-Other: stays"));
    assert_null(strstr(other.last, "Authorization: "));
}

/* -- Retry-After ----------------------------------------------------------------------------- */

static bool busy(struct server *server, int fd, const char *text, size_t length)
{
    (void)server;
    (void)text;
    (void)length;
    server_write(fd, "HTTP/1.1 503 Busy\r\nretry-after:  7 \r\nContent-Length: 0\r\n\r\n");
    return true;
}

static void hands_over_retry_after(void **state)
{
    struct bed *bed = *state;

    serve(bed, busy);
    assert_int_equal(run(bed, &(struct phu_http_request){0})->status, 503);
    assert_int_equal(bed->result.retry_after_ns, 7 * PHU_NS_PER_S);
}

/* -- Ending early ---------------------------------------------------------------------------- */

struct pair {
    struct bed *bed;
    struct phu_http_call *calls[2];
};

static void cancel_the_other(void *arg, const struct phu_http_result *result)
{
    struct pair *pair = arg;

    (void)result;
    pair->bed->done++;
    phu_http_cancel(pair->calls[0]);
    phu_http_cancel(pair->calls[1]);
    phu_http_client_free(pair->bed->client);
    pair->bed->client = NULL;
    phu_loop_stop(pair->bed->sched);
}

static void a_callback_may_cancel_and_free_everything(void **state)
{
    struct bed *bed = *state;
    struct pair pair = {.bed = bed};
    struct phu_http_request wanted = {.is_fresh = true, .timeout_ns = PHU_NS_PER_S};

    serve(bed, hello);
    wanted.url = bed->url;
    for (int i = 0; i < 2; i++)
        assert_int_equal(
            phu_http_start(bed->client, &wanted, cancel_the_other, &pair, &pair.calls[i]), 0);
    phu_loop_run(bed->sched);
    assert_int_equal(bed->done, 1);
}

static void calls_in_flight_go_with_the_client(void **state)
{
    struct bed *bed = *state;

    serve(bed, say_nothing);
    request(bed, &(struct phu_http_request){.timeout_ns = PHU_NS_PER_S});
    request(bed, &(struct phu_http_request){.url = "http://name.invalid/"});
    assert_int_equal(bed->done, 0);
}

/* -- A loop that is held up ------------------------------------------------------------------ */

struct stall {
    struct phu_timer timer;
    int64_t ns;
};

static void hold_up(struct phu_timer *timer)
{
    struct stall *stall = phu_container_of(timer, struct stall, timer);
    struct phu_mono end = phu_mono_add(phu_mono_now(), stall->ns);

    while (phu_mono_since(end, phu_mono_now()) > 0)
        continue;
}

static bool wait_then_hello(struct server *server, int fd, const char *text, size_t length)
{
    poll(NULL, 0, 30);
    return hello(server, fd, text, length);
}

static void says_how_late_the_loop_was(void **state)
{
    struct bed *bed = *state;
    struct stall stall = {.ns = 80 * PHU_NS_PER_MS};

    serve(bed, wait_then_hello);
    phu_timer_init(&stall.timer, hold_up);
    phu_timer_after(bed->sched, &stall.timer, 15 * PHU_NS_PER_MS);
    run(bed, &(struct phu_http_request){.is_fresh = true});
    assert_int_equal(bed->result.error, PHU_HTTP_OK);
    assert_true(bed->result.lag_ns >= 60 * PHU_NS_PER_MS);
}

static void an_answer_that_waited_for_us_is_no_timeout(void **state)
{
    struct bed *bed = *state;
    struct stall stall = {.ns = 80 * PHU_NS_PER_MS};

    serve(bed, wait_then_hello);
    phu_timer_init(&stall.timer, hold_up);
    phu_timer_after(bed->sched, &stall.timer, 15 * PHU_NS_PER_MS);
    run(bed, &(struct phu_http_request){.is_fresh = true, .timeout_ns = 50 * PHU_NS_PER_MS});
    assert_int_equal(bed->result.error, PHU_HTTP_OK);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(answers_with_status_body_and_phases),
        TEST(only_exporters_go_on_with_an_old_address),
        TEST(probes_connect_anew_and_exporters_do_not),
        TEST(sends_a_large_body_at_once),
        TEST(stops_reading_an_endless_body),
        TEST(a_body_of_just_the_limit_is_whole),
        TEST(gives_up_on_a_flood_of_headers),
        TEST(a_dripping_body_costs_its_timeout),
        TEST(silence_costs_its_timeout),
        TEST(a_closed_port_refuses),
        TEST(what_is_not_http_is_broken),
        TEST(half_an_answer_is_broken),
        TEST(refuses_urls_of_other_kinds),
        TEST(a_literal_of_the_other_family_does_not_resolve),
        TEST(a_redirect_is_an_answer_unless_followed),
        TEST(follows_redirects_only_on_the_list),
        TEST(counts_redirects),
        TEST(secrets_stay_with_their_host),
        TEST(hands_over_retry_after),
        TEST(a_callback_may_cancel_and_free_everything),
        TEST(calls_in_flight_go_with_the_client),
        TEST(says_how_late_the_loop_was),
        TEST(an_answer_that_waited_for_us_is_no_timeout),
    };

    return cmocka_run_group_tests_name("http", tests, NULL, NULL);
}
