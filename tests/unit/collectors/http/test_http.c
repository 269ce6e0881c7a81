/* The collector on the virtual clock, with a client that answers what the test tells it to. */
#include "phusong/collector.h"
#include "phusong/conf.h"
#include "phusong/http.h"
#include "phusong/observation.h"
#include "phusong/sink.h"
#include "phusong/stats.h"
#include "sim.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

extern const struct phu_collector phu_collector_http;

#define CALLS_MAX 64

/* -- The client ------------------------------------------------------------------------------ */

struct phu_http_client {
    struct phu_http_call *calls[CALLS_MAX];
    size_t started, open;
    int refusal;
};

struct phu_http_call {
    struct phu_http_client *client;
    struct phu_http_request request;
    phu_http_done_cb *done;
    void *arg;
    bool is_open;
};

static struct phu_http_client *the_client; /* the one that the collector made */

int phu_http_client_new(struct phu_sched *sched, struct phu_resolver *resolver,
                        struct phu_http_client **out)
{
    (void)sched;
    (void)resolver;
    *out = the_client = calloc(1, sizeof **out);
    return *out ? 0 : -ENOMEM;
}

void phu_http_client_free(struct phu_http_client *client)
{
    assert_int_equal(client->open, 0);
    for (size_t i = 0; i < client->started; i++)
        free(client->calls[i]);
    free(client);
}

int phu_http_start(struct phu_http_client *client, const struct phu_http_request *request,
                   phu_http_done_cb *done, void *arg, struct phu_http_call **out)
{
    struct phu_http_call *call;

    if (client->refusal)
        return client->refusal;
    assert_true(client->started < CALLS_MAX);
    call = calloc(1, sizeof *call);
    assert_non_null(call);
    *call = (struct phu_http_call){client, *request, done, arg, true};
    client->calls[client->started++] = call;
    client->open++;
    *out = call;
    return 0;
}

void phu_http_cancel(struct phu_http_call *call)
{
    assert_true(call->is_open);
    call->is_open = false;
    call->client->open--;
}

int phu_http_check_url(const char *url)
{
    return strstr(url, "bad") ? -EINVAL : 0;
}

/* -- The sink -------------------------------------------------------------------------------- */

struct bed {
    struct phu_sink sink; /* first */
    struct phu_sched *sched;
    struct phu_stats *stats;
    void *collector;
    void *conf, *check_conf;
    unsigned verdicts, results[PHU_RESULT_NONE + 1];
    enum phu_result last;
    int64_t took_ns;
    int64_t values[64];
    bool has[64];
};

static void put(struct phu_sink *sink, const struct phu_observation *observation)
{
    struct bed *bed = (struct bed *)sink;

    bed->verdicts++;
    bed->results[observation->result]++;
    bed->last = observation->result;
    bed->took_ns = phu_mono_since(observation->completed, observation->started);
    memset(bed->has, 0, sizeof bed->has);
    for (size_t i = 0; i < observation->value_count; i++) {
        assert_true(observation->values[i].metric < phu_collector_http.metric_count);
        assert_false(bed->has[observation->values[i].metric]);
        bed->has[observation->values[i].metric] = true;
        bed->values[observation->values[i].metric] = observation->values[i].i;
    }
}

static size_t metric(const char *name)
{
    for (size_t i = 0; i < phu_collector_http.metric_count; i++) {
        if (strcmp(phu_collector_http.metrics[i].name, name) == 0)
            return i;
    }
    fail_msg("no metric %s", name);
    return 0;
}

static int64_t value(const struct bed *bed, const char *name)
{
    return bed->has[metric(name)] ? bed->values[metric(name)] : -1;
}

/* Sets an option by name, as the file would. */
static void *place_of(const struct phu_option_table *table, void *conf, const char *name)
{
    for (size_t i = 0; i < table->count; i++) {
        if (strcmp(table->options[i].name, name) == 0)
            return (char *)conf + table->options[i].offset;
    }
    fail_msg("no option %s", name);
    return NULL;
}

static void *option(struct bed *bed, const char *name)
{
    return place_of(phu_collector_http.check_options, bed->check_conf, name);
}

static void set_text(struct bed *bed, const char *name, const char *text)
{
    char **place = option(bed, name);

    free(*place);
    *place = strdup(text);
}

static int set_up(void **state)
{
    struct bed *bed = calloc(1, sizeof *bed);

    assert_non_null(bed);
    bed->sink.put = put;
    bed->sched = phu_sim_new(phu_sim_wall("2026-11-23T08:00:00Z"));
    bed->stats = phu_stats_new();
    bed->conf = calloc(1, phu_collector_http.options->size);
    bed->check_conf = calloc(1, phu_collector_http.check_options->size);
    assert_int_equal(phu_conf_defaults(phu_collector_http.options, bed->conf), 0);
    assert_int_equal(phu_conf_defaults(phu_collector_http.check_options, bed->check_conf), 0);
    *(int64_t *)place_of(phu_collector_http.options, bed->conf, "max_concurrent") = 2;
    assert_int_equal(phu_collector_http.open(&(struct phu_collector_env){.sched = bed->sched,
                                                                         .sink = &bed->sink,
                                                                         .stats = bed->stats,
                                                                         .agent = "test"},
                                             bed->conf, &bed->collector),
                     0);
    *state = bed;
    return 0;
}

static int tear_down(void **state)
{
    struct bed *bed = *state;

    phu_collector_http.close(bed->collector);
    phu_sim_free(bed->sched);
    phu_stats_free(bed->stats);
    phu_conf_free(phu_collector_http.options, bed->conf);
    phu_conf_free(phu_collector_http.check_options, bed->check_conf);
    free(bed->conf);
    free(bed->check_conf);
    free(bed);
    return 0;
}

static int try_attach(struct bed *bed, const char *argument, void **check)
{
    return phu_collector_http.attach(bed->collector,
                                     &(struct phu_check_spec){.check = 7,
                                                              .id = "test/http",
                                                              .address = "10.1.2.3",
                                                              .argument = argument,
                                                              .credential = "",
                                                              .rows = "",
                                                              .options = bed->check_conf,
                                                              .interval_ns = 60 * PHU_NS_PER_S,
                                                              .timeout_ns = 5 * PHU_NS_PER_S},
                                     check);
}

static void *attach(struct bed *bed, const char *argument)
{
    void *check;

    assert_int_equal(try_attach(bed, argument, &check), 0);
    return check;
}

static void poll_check(struct bed *bed, void *check)
{
    phu_collector_http.poll(bed->collector, check);
}

static void detach(struct bed *bed, void *check)
{
    phu_collector_http.detach(bed->collector, check);
}

static void answer(struct bed *bed, size_t call, struct phu_http_result result)
{
    struct phu_http_call *open = the_client->calls[call];

    assert_true(open->is_open);
    open->is_open = false;
    the_client->open--;
    if (!result.message)
        result.message = "";
    if (!result.body)
        result.body = "";
    result.body_length = strlen(result.body);
    result.completed = phu_sched_now(bed->sched);
    open->done(open->arg, &result);
}

static const struct phu_http_result good = {.status = 200,
                                            .lookup_ns = -1,
                                            .connect_ns = 1200400,
                                            .tls_ns = -1,
                                            .first_byte_ns = 2000600,
                                            .total_ns = 5000000,
                                            .body = "all is well\n",
                                            .bytes_received = 12};

static enum phu_result judge(struct bed *bed, struct phu_http_result result)
{
    void *check = attach(bed, "");
    unsigned before = bed->verdicts;

    poll_check(bed, check);
    answer(bed, the_client->started - 1, result);
    assert_int_equal(bed->verdicts, before + 1);
    detach(bed, check);
    return bed->last;
}

/* -- Tests ----------------------------------------------------------------------------------- */

static void a_good_answer_and_its_times(void **state)
{
    struct bed *bed = *state;

    assert_int_equal(judge(bed, good), PHU_RESULT_OK);
    assert_int_equal(value(bed, "total_us"), 5000);
    assert_int_equal(value(bed, "connect_us"), 1200);
    assert_int_equal(value(bed, "first_byte_us"), 2001);
    assert_int_equal(value(bed, "body_bytes"), 12);
    assert_int_equal(value(bed, "status_2xx"), 1);
    assert_int_equal(value(bed, "lookup_us"), -1);
    assert_int_equal(value(bed, "tls_us"), -1);
    assert_int_equal(value(bed, "certificate_expires_days"), -1);
    assert_int_equal(value(bed, "status_mismatch"), -1);
    assert_string_equal(phu_collector_http.metrics[phu_collector_http.rtt_metric].name, "total_us");
}

static void other_statuses_are_mismatches(void **state)
{
    struct bed *bed = *state;
    struct phu_http_result result = good;

    result.status = 404;
    assert_int_equal(judge(bed, result), PHU_RESULT_MISMATCH);
    assert_int_equal(value(bed, "status_4xx"), 1);
    assert_int_equal(value(bed, "status_mismatch"), 1);
    assert_int_equal(value(bed, "total_us"), 5000);
    result.status = 302;
    assert_int_equal(judge(bed, result), PHU_RESULT_OK);
    assert_int_equal(value(bed, "status_3xx"), 1);
}

static void the_body_is_looked_into(void **state)
{
    struct bed *bed = *state;

    set_text(bed, "expect_body", "is well");
    assert_int_equal(judge(bed, good), PHU_RESULT_OK);
    set_text(bed, "expect_body", "is ill");
    assert_int_equal(judge(bed, good), PHU_RESULT_MISMATCH);
    assert_int_equal(value(bed, "body_mismatch"), 1);
    set_text(bed, "expect_body", "");
    set_text(bed, "expect_regex", "^all .* well$");
    assert_int_equal(judge(bed, good), PHU_RESULT_OK);
    set_text(bed, "expect_regex", "^well");
    assert_int_equal(judge(bed, good), PHU_RESULT_MISMATCH);
}

static void failures_are_told_apart(void **state)
{
    static const struct {
        enum phu_http_error error;
        enum phu_result result;
        const char *metric;
    } cases[] = {
        {PHU_HTTP_DNS, PHU_RESULT_DNS, "dns_errors"},
        {PHU_HTTP_REFUSED, PHU_RESULT_REFUSED, "refused"},
        {PHU_HTTP_UNREACHABLE, PHU_RESULT_UNREACHABLE, "unreachable"},
        {PHU_HTTP_TIMEOUT, PHU_RESULT_TIMEOUT, "timeouts"},
        {PHU_HTTP_TLS, PHU_RESULT_TLS, "tls_errors"},
        {PHU_HTTP_BROKEN, PHU_RESULT_MISMATCH, "protocol_errors"},
        {PHU_HTTP_REDIRECT, PHU_RESULT_MISMATCH, "redirect_errors"},
        {PHU_HTTP_LOCAL, PHU_RESULT_LOCAL_ERROR, NULL},
    };
    struct bed *bed = *state;

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct phu_http_result result = good;

        result.error = cases[i].error;
        result.status = 0;
        assert_int_equal(judge(bed, result), cases[i].result);
        assert_int_equal(value(bed, "total_us"), -1);
        if (cases[i].metric)
            assert_int_equal(value(bed, cases[i].metric), 1);
    }
}

static void days_until_the_certificate_expires(void **state)
{
    struct bed *bed = *state;
    int64_t now = phu_sched_wall(bed->sched).ns / PHU_NS_PER_S;
    const struct {
        int64_t left, days;
    } cases[] = {{30 * 86400, 30}, {86399, 0}, {0, 0}, {-1, -1}, {-86400, -1}, {-86401, -2}};

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct phu_http_result result = good;

        result.certificate_expires = now + cases[i].left;
        judge(bed, result);
        assert_true(bed->has[metric("certificate_expires_days")]);
        assert_int_equal(bed->values[metric("certificate_expires_days")], cases[i].days);
    }
}

static void times_of_a_late_loop_are_left_out(void **state)
{
    struct bed *bed = *state;
    struct phu_http_result result = good;

    result.lag_ns = 6 * PHU_NS_PER_MS;
    assert_int_equal(judge(bed, result), PHU_RESULT_OK);
    assert_int_equal(value(bed, "timing_unsure"), 1);
    assert_int_equal(value(bed, "total_us"), -1);
    assert_int_equal(value(bed, "connect_us"), -1);
    assert_int_equal(value(bed, "status_2xx"), 1);
    result.total_ns = 100 * PHU_NS_PER_MS; /* 6 % off is no matter */
    judge(bed, result);
    assert_int_equal(value(bed, "timing_unsure"), -1);
    assert_int_equal(value(bed, "total_us"), 100000);
}

static void the_request_is_what_the_options_say(void **state)
{
    struct bed *bed = *state;
    const struct phu_http_request *request;
    void *check;

    set_text(bed, "user_agent", "probe/1");
    set_text(bed, "path", "/from-options");
    *(int64_t *)option(bed, "port") = 8000;
    check = attach(bed, "8080/status");
    poll_check(bed, check);
    request = &the_client->calls[0]->request;
    assert_string_equal(request->url, "http://10.1.2.3:8080/status");
    assert_string_equal(request->method, "GET");
    assert_string_equal(request->headers[0], "User-Agent: probe/1");
    assert_null(request->headers[1]);
    assert_int_equal(request->timeout_ns, 5 * PHU_NS_PER_S);
    assert_int_equal(request->max_body, 1 << 20);
    assert_true(request->is_fresh);
    detach(bed, check);
    check = attach(bed, "/x");
    poll_check(bed, check);
    assert_string_equal(the_client->calls[1]->request.url, "http://10.1.2.3:8000/x");
    detach(bed, check);
    set_text(bed, "url", "https://{address}/all");
    check = attach(bed, "");
    poll_check(bed, check);
    assert_string_equal(the_client->calls[2]->request.url, "https://10.1.2.3/all");
    detach(bed, check);
}

static void what_cannot_work_is_not_attached(void **state)
{
    struct bed *bed = *state;
    void *check;

    assert_int_equal(try_attach(bed, "80x", &check), -EINVAL);
    assert_int_equal(try_attach(bed, "http://bad/", &check), -EINVAL);
    assert_non_null(phu_collector_http.check_argument("80x"));
    assert_null(phu_collector_http.check_argument("80"));
}

static void waiting_for_a_place_is_not_measured(void **state)
{
    struct bed *bed = *state;
    void *checks[4];

    for (int i = 0; i < 4; i++) {
        checks[i] = attach(bed, "");
        poll_check(bed, checks[i]);
    }
    assert_int_equal(the_client->started, 2);
    phu_sim_run(bed->sched, 800 * PHU_NS_PER_MS);
    answer(bed, 0, good);
    phu_sim_run(bed->sched, 0);
    assert_int_equal(the_client->started, 3);
    assert_int_equal(the_client->calls[2]->request.timeout_ns, 5 * PHU_NS_PER_S);
    phu_sim_run(bed->sched, 10 * PHU_NS_PER_MS);
    answer(bed, 2, good);
    assert_int_equal(bed->took_ns, 10 * PHU_NS_PER_MS);
    phu_sim_run(bed->sched, 0);
    assert_int_equal(the_client->started, 4);
    for (int i = 0; i < 4; i++)
        detach(bed, checks[i]);
    assert_int_equal(bed->verdicts, 2);
}

static void whoever_waits_too_long_is_skipped_in_time(void **state)
{
    struct bed *bed = *state;
    void *checks[3];

    for (int i = 0; i < 3; i++) {
        checks[i] = attach(bed, "");
        poll_check(bed, checks[i]);
    }
    phu_sim_run(bed->sched, 899 * PHU_NS_PER_MS);
    assert_int_equal(bed->verdicts, 0);
    phu_sim_run(bed->sched, 2 * PHU_NS_PER_MS);
    assert_int_equal(bed->verdicts, 1);
    assert_int_equal(bed->last, PHU_RESULT_SKIPPED);
    answer(bed, 0, good);
    phu_sim_run(bed->sched, PHU_NS_PER_S);
    assert_int_equal(the_client->started, 2);
    poll_check(bed, checks[2]);
    assert_int_equal(the_client->started, 3);
    for (int i = 0; i < 3; i++)
        detach(bed, checks[i]);
}

static void leaving_makes_room(void **state)
{
    struct bed *bed = *state;
    void *checks[5];

    for (int i = 0; i < 5; i++) {
        checks[i] = attach(bed, "");
        poll_check(bed, checks[i]);
    }
    detach(bed, checks[3]); /* queued, in the middle */
    detach(bed, checks[4]); /* queued, the last */
    detach(bed, checks[0]); /* under way */
    phu_sim_run(bed->sched, 0);
    assert_int_equal(the_client->started, 3);
    checks[3] = attach(bed, "");
    poll_check(bed, checks[3]);
    detach(bed, checks[1]);
    phu_sim_run(bed->sched, 0);
    assert_int_equal(the_client->started, 4);
    detach(bed, checks[2]);
    detach(bed, checks[3]);
    assert_int_equal(bed->verdicts, 0);
}

static void a_request_that_cannot_start_is_our_own_failure(void **state)
{
    struct bed *bed = *state;
    void *check = attach(bed, "");

    the_client->refusal = -ENOMEM;
    poll_check(bed, check);
    phu_sim_run(bed->sched, 0);
    assert_int_equal(bed->verdicts, 1);
    assert_int_equal(bed->last, PHU_RESULT_LOCAL_ERROR);
    detach(bed, check);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_good_answer_and_its_times),
        TEST(other_statuses_are_mismatches),
        TEST(the_body_is_looked_into),
        TEST(failures_are_told_apart),
        TEST(days_until_the_certificate_expires),
        TEST(times_of_a_late_loop_are_left_out),
        TEST(the_request_is_what_the_options_say),
        TEST(what_cannot_work_is_not_attached),
        TEST(waiting_for_a_place_is_not_measured),
        TEST(whoever_waits_too_long_is_skipped_in_time),
        TEST(leaving_makes_room),
        TEST(a_request_that_cannot_start_is_our_own_failure),
    };

    return cmocka_run_group_tests_name("collector_http", tests, NULL, NULL);
}
