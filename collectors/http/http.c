/* http: fetches a page and says whether it was the right one, and how long each part took.
 *
 * What is asked: the endpoint's address with scheme, port and path of the options or of the check's
 * argument ("http:8080/status"), or a whole URL, in which {address} stands for the endpoint's
 * address. A URL without {address} is fetched from where its own host name leads: a page out in the
 * network, seen over this endpoint's `interface`.
 *
 * Each probe looks the name up, connects anew and shakes hands anew, so that all of it is measured.
 * At most `max_concurrent` probes are under way. One that has to wait is measured from when it
 * leaves the queue, with its whole timeout; one that has not left it after QUEUE_NS is skipped,
 * because its verdict is due a second after its timeout at the latest.
 *
 * libcurl allocates for each transfer, so unlike the other collectors this one does so in poll.
 */
#include "options.h"
#include "target.h"
#include "verdict.h"

#include "phusong/collector.h"
#include "phusong/http.h"
#include "phusong/log.h"
#include "phusong/observation.h"
#include "phusong/route.h"
#include "phusong/sched.h"
#include "phusong/sink.h"
#include "phusong/stats.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#define QUEUE_NS (900 * PHU_NS_PER_MS)

/* -- State ----------------------------------------------------------------------------------- */

struct http {
    struct phu_sched *sched;
    struct phu_sink *sink;
    struct phu_stats *stats;
    struct phu_http_client *client;
    unsigned max_concurrent;
    struct check *queue, **queue_end;
    struct phu_timer next; /* starts what waits once a probe is over */
    struct {
        int64_t in_flight, skipped;
    } counters;
};

struct check {
    struct http *http;
    uint32_t handle;
    const char *id;
    const struct phu_http_check_conf *conf;
    char *url;
    char *agent_header;
    const char **headers, **redirect_hosts; /* end with NULL */
    struct phu_http_tls tls;
    struct phu_http_request request;
    struct phu_http_expected expected;
    bool is_failing_here, is_queued;
    struct phu_mono started;
    struct phu_timer patience; /* while queued */
    struct check *queued;      /* behind it in the queue */
    struct phu_http_call *call;
};

/* -- Verdicts -------------------------------------------------------------------------------- */

/* Our own failures are a person's business, the first time. */
static void log_failure(struct check *check, enum phu_result result, const char *message)
{
    bool is_here = result == PHU_RESULT_LOCAL_ERROR;

    if (is_here && !check->is_failing_here)
        phu_log_warn("http", "cannot measure", "check=%s url=\"%s\" err=\"%s\"", check->id,
                     check->url, message);
    else if (result != PHU_RESULT_OK)
        phu_log_debug("http", "check failed", "check=%s url=\"%s\" result=%s err=\"%s\"", check->id,
                      check->url, phu_result_name(result), message);
    check->is_failing_here = is_here;
}

static void put(const struct check *check, enum phu_result result, struct phu_mono completed,
                const struct phu_http_findings *found)
{
    phu_sink_put(check->http->sink, &(struct phu_observation){.check = check->handle,
                                                              .result = result,
                                                              .started = check->started,
                                                              .completed = completed,
                                                              .values = found->values,
                                                              .value_count = found->count});
}

static void answered(void *arg, const struct phu_http_result *result)
{
    struct check *check = arg;
    struct http *http = check->http;
    struct phu_http_findings found;
    enum phu_result verdict =
        phu_http_judge(&check->expected, result, phu_sched_wall(http->sched), &found);

    check->call = NULL;
    http->counters.in_flight--;
    log_failure(check, verdict, *result->message ? result->message : "not what was expected");
    if (http->queue)
        phu_timer_after(http->sched, &http->next, 0);
    put(check, verdict, result->completed, &found);
}

/* -- Probes ---------------------------------------------------------------------------------- */

static void start(struct check *check)
{
    struct http *http = check->http;
    int error;

    check->started = phu_sched_now(http->sched);
    error = phu_http_start(http->client, &check->request, answered, check, &check->call);
    if (!error) {
        http->counters.in_flight++;
        return;
    }
    log_failure(check, PHU_RESULT_LOCAL_ERROR, strerror(-error));
    put(check, PHU_RESULT_LOCAL_ERROR, check->started, &(struct phu_http_findings){.count = 0});
}

static void leave_queue(struct check *check)
{
    struct http *http = check->http;
    struct check **place = &http->queue;

    if (!check->is_queued)
        return;
    while (*place != check)
        place = &(*place)->queued;
    *place = check->queued;
    if (!*place)
        http->queue_end = place;
    check->queued = NULL;
    check->is_queued = false;
    phu_timer_cancel(http->sched, &check->patience);
}

static void enter_queue(struct check *check)
{
    struct http *http = check->http;

    check->is_queued = true;
    *http->queue_end = check;
    http->queue_end = &check->queued;
    phu_timer_after(http->sched, &check->patience, QUEUE_NS);
}

static bool has_room(const struct http *http)
{
    return http->counters.in_flight < http->max_concurrent;
}

static void start_waiting(struct phu_timer *timer)
{
    struct http *http = phu_container_of(timer, struct http, next);

    while (http->queue && has_room(http)) {
        struct check *check = http->queue;

        leave_queue(check);
        start(check);
    }
}

static void lost_patience(struct phu_timer *timer)
{
    struct check *check = phu_container_of(timer, struct check, patience);

    leave_queue(check);
    check->http->counters.skipped++;
    check->started = phu_sched_now(check->http->sched);
    put(check, PHU_RESULT_SKIPPED, check->started, &(struct phu_http_findings){.count = 0});
}

static void http_poll(void *self, void *pointer)
{
    struct http *http = self;
    struct check *check = pointer;

    if (has_room(http) && !http->queue)
        start(check);
    else
        enter_queue(check);
}

/* -- Checks ---------------------------------------------------------------------------------- */

/* The strings of `list` and then `last`, ending with NULL. */
static const char **copy_list(const struct phu_strings *list, const char *last)
{
    const char **copy = calloc(list->count + 2, sizeof *copy);

    for (size_t i = 0; copy && i < list->count; i++)
        copy[i] = list->items[i];
    if (copy)
        copy[list->count] = last;
    return copy;
}

static void free_check(struct check *check)
{
    phu_http_expected_fini(&check->expected);
    free(check->url);
    free(check->agent_header);
    free(check->headers);
    free(check->redirect_hosts);
    free(check);
}

static int make_url(struct check *check, const struct phu_check_spec *spec)
{
    const struct phu_http_check_conf *conf = check->conf;
    struct phu_target_argument argument;
    char url[PHU_TARGET_URL_MAX];
    int error;

    if (phu_target_argument_parse(spec->argument, &argument))
        return -EINVAL;
    error = phu_target_url(
        &(struct phu_target){
            .url = argument.url                     ? argument.url
                   : argument.port || argument.path ? ""
                                                    : conf->url,
            .scheme = phu_http_schemes[conf->scheme],
            .port = argument.port ? argument.port : (unsigned)conf->port,
            .path = argument.path ? argument.path : conf->path,
            .address = spec->address,
        },
        url, sizeof url);
    if (error || phu_http_check_url(url))
        return -EINVAL;
    check->url = strdup(url);
    return check->url ? 0 : -ENOMEM;
}

static int make_lists(struct check *check)
{
    const struct phu_http_check_conf *conf = check->conf;

    if (asprintf(&check->agent_header, "User-Agent: %s", conf->user_agent) < 0) {
        check->agent_header = NULL;
        return -ENOMEM;
    }
    check->headers = copy_list(&conf->headers, check->agent_header);
    check->redirect_hosts = copy_list(&conf->redirect_hosts, NULL);
    if (!check->headers || !check->redirect_hosts)
        return -ENOMEM;
    phu_http_expected_init(&check->expected, conf);
    return 0;
}

static void make_request(struct check *check, int64_t timeout_ns)
{
    const struct phu_http_check_conf *conf = check->conf;

    check->tls = phu_http_tls_of(&conf->tls);
    check->request = (struct phu_http_request){
        .method = phu_http_methods[conf->method],
        .url = check->url,
        .headers = check->headers,
        .timeout_ns = timeout_ns,
        .max_body = (size_t)conf->max_body,
        .max_redirects = (unsigned)conf->max_redirects,
        .redirect_hosts = check->redirect_hosts,
        .interface = *conf->interface ? conf->interface : NULL,
        .family = phu_family_of(conf->family),
        .is_fresh = true,
        .tls = &check->tls,
    };
}

static int http_attach(void *self, const struct phu_check_spec *spec, void **out)
{
    struct check *check = calloc(1, sizeof *check);
    int error;

    if (!check)
        return -ENOMEM;
    check->http = self;
    check->handle = spec->check;
    check->id = spec->id;
    check->conf = spec->options;
    phu_timer_init(&check->patience, lost_patience);
    error = make_url(check, spec);
    if (!error)
        error = make_lists(check);
    if (error) {
        free_check(check);
        return error;
    }
    make_request(check, spec->timeout_ns);
    *out = check;
    return 0;
}

static void http_detach(void *self, void *pointer)
{
    struct http *http = self;
    struct check *check = pointer;

    leave_queue(check);
    if (check->call) {
        phu_http_cancel(check->call);
        http->counters.in_flight--;
        if (http->queue)
            phu_timer_after(http->sched, &http->next, 0);
    }
    free_check(check);
}

static const char *http_check_argument(const char *argument)
{
    struct phu_target_argument parsed;

    return phu_target_argument_parse(argument, &parsed);
}

/* -- The collector --------------------------------------------------------------------------- */

static void add_stats(struct http *http)
{
    static const struct phu_stat_info in_flight = {"phusong_http_in_flight", PHU_STAT_GAUGE,
                                                   "Requests of http checks under way"};
    static const struct phu_stat_info skipped = {
        "phusong_http_skipped_total", PHU_STAT_COUNTER,
        "http checks skipped because max_concurrent others were under way for too long"};

    phu_stats_add(http->stats, &in_flight, NULL, &http->counters.in_flight);
    phu_stats_add(http->stats, &skipped, NULL, &http->counters.skipped);
}

static int http_open(const struct phu_collector_env *env, const void *options, void **self)
{
    const struct phu_http_conf *conf = options;
    struct http *http = calloc(1, sizeof *http);
    int error;

    if (!http)
        return -ENOMEM;
    http->sched = env->sched;
    http->sink = env->sink;
    http->stats = env->stats;
    http->max_concurrent = (unsigned)conf->max_concurrent;
    http->queue_end = &http->queue;
    phu_timer_init(&http->next, start_waiting);
    error = phu_http_client_new(env->sched, env->resolver, &http->client);
    if (error) {
        free(http);
        return error;
    }
    add_stats(http);
    *self = http;
    return 0;
}

static void http_close(void *self)
{
    struct http *http = self;

    phu_stats_remove_within(http->stats, http, sizeof *http);
    phu_timer_cancel(http->sched, &http->next);
    phu_http_client_free(http->client);
    free(http);
}

const struct phu_collector phu_collector_http = {
    .name = "http",
    .summary = "fetches a page: status, content, time of each part, certificate",
    .interval = "60s",
    .timeout = "10s",
    .options = &phu_http_options,
    .check_options = &phu_http_check_options,
    .metrics = phu_http_metrics,
    .metric_count = PHU_HTTP_METRIC_COUNT,
    .rtt_metric = PHU_HTTP_METRIC_TOTAL,
    .open = http_open,
    .close = http_close,
    .attach = http_attach,
    .detach = http_detach,
    .poll = http_poll,
    .check_argument = http_check_argument,
};
