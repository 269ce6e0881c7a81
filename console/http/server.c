/* The server: who listens, what is swept away, and which requests are at work. */
#include "private.h"

#include "mem.h"

#include "phusong/log.h"
#include "phusong/stats.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define MODULE "http"
#define SWEEP_NS PHU_NS_PER_S
#define ANSWER_NS (300 * PHU_NS_PER_S)
#define WAITING_MAX 256

/* -- Slow ones ------------------------------------------------------------------------------- */

/* MHD's own timeout begins anew with each byte that drips in. */
static int64_t patience(const struct phu_server_conf *conf, enum phu_connection_phase phase)
{
    switch (phase) {
    case PHU_CONNECTION_NEW:
    case PHU_CONNECTION_HEADER:
        return conf->header_timeout_ns;
    case PHU_CONNECTION_IDLE:
        return conf->idle_timeout_ns + conf->header_timeout_ns;
    case PHU_CONNECTION_BODY:
        return conf->body_timeout_ns;
    case PHU_CONNECTION_BUSY:
        return INT64_MAX;
    case PHU_CONNECTION_ANSWER:
        return ANSWER_NS;
    }
    return INT64_MAX;
}

static void sweep_connections(struct phu_server *server)
{
    struct phu_mono now = phu_sched_now(server->sched);

    for (struct phu_connection *one = server->connections; one; one = one->next) {
        if (one->is_cut || phu_mono_since(now, one->since) < patience(&server->conf, one->phase))
            continue;
        one->is_cut = true;
        server->counters.cut_slow += one->phase != PHU_CONNECTION_IDLE;
        shutdown(one->fd, SHUT_RDWR);
    }
}

static void sweep_engines(struct phu_server *server)
{
    struct phu_engine **link = &server->engines;

    while (*link) {
        struct phu_engine *engine = *link;

        if (engine->is_retired && !engine->connections) {
            *link = engine->next;
            phu_engine_close(engine);
        } else {
            link = &engine->next;
        }
    }
}

static void sweep(struct phu_timer *timer)
{
    struct phu_server *server = phu_container_of(timer, struct phu_server, sweep);

    sweep_connections(server);
    sweep_engines(server);
    phu_timer_after(server->sched, timer, SWEEP_NS);
}

/* -- Requests in the hands of their routes ---------------------------------------------------- */

static void hold(struct phu_request *request)
{
    struct phu_server *server = request->server;

    request->is_handed = true;
    request->next_handed = server->handed;
    request->handed_link = &server->handed;
    if (request->next_handed)
        request->next_handed->handed_link = &request->next_handed;
    server->handed = request;
}

static void let_go(struct phu_request *request)
{
    request->is_handed = false;
    *request->handed_link = request->next_handed;
    if (request->next_handed)
        request->next_handed->handed_link = request->handed_link;
}

void phu_request_finish(struct phu_request *request)
{
    if (request->is_handed)
        let_go(request);
    if (!request->mhd) {
        phu_request_free(request);
        return;
    }
    if (!request->status)
        phu_request_fail(request, 500, "no answer was found");
    request->is_ready = true;
    if (request->is_suspended) {
        request->is_suspended = false;
        MHD_resume_connection(request->mhd);
        phu_engine_kick(request->engine);
    }
}

static void work_next(struct phu_server *server);

static void work_run(void *arg)
{
    struct phu_request *request = arg;

    request->route->work(request->route->arg, request);
}

static void work_done(void *arg, bool is_canceled)
{
    struct phu_request *request = arg;
    struct phu_server *server = request->server;

    (void)is_canceled; /* then there is no reply, and no server to send one */
    phu_request_finish(request);
    if (!server)
        return;
    server->working--;
    work_next(server);
}

static void start_work(struct phu_request *request)
{
    if (phu_work_start(request->server->sched, work_run, work_done, request) == 0) {
        request->server->working++;
        return;
    }
    phu_request_fail(request, 503, "the console is out of memory");
    phu_request_finish(request);
}

static void work_next(struct phu_server *server)
{
    while (server->waiting && server->working < server->conf.max_work) {
        struct phu_request *request = server->waiting;

        server->waiting = request->next;
        server->waiting_count--;
        if (!server->waiting)
            server->waiting_end = &server->waiting;
        start_work(request);
    }
}

void phu_request_hand_over(struct phu_request *request)
{
    struct phu_server *server = request->server;

    hold(request);
    if (request->route->handle) {
        request->route->handle(request->route->arg, request);
        return;
    }
    if (server->waiting_count >= WAITING_MAX) {
        server->counters.overloaded++;
        phu_request_fail(request, 503, "too many questions are waiting; try again later");
        phu_request_set_header(request, "Retry-After", "5");
        phu_request_finish(request);
        return;
    }
    request->next = NULL;
    *server->waiting_end = request;
    server->waiting_end = &request->next;
    server->waiting_count++;
    work_next(server);
}

/* -- Statistics ---------------------------------------------------------------------------------
 */

static double read_bodies(void *arg)
{
    return (double)((const struct phu_server *)arg)->bodies;
}

static void add_stats(struct phu_server *server)
{
    static const struct phu_stat_info connections = {"phusong_http_connections", PHU_STAT_GAUGE,
                                                     "Connections that are open"};
    static const struct phu_stat_info accepted = {"phusong_http_accepted_total", PHU_STAT_COUNTER,
                                                  "Connections accepted"};
    static const struct phu_stat_info slow = {
        "phusong_http_slow_total", PHU_STAT_COUNTER,
        "Connections cut because a request took too long to arrive"};
    static const struct phu_stat_info requests = {"phusong_http_requests_total", PHU_STAT_COUNTER,
                                                  "Requests answered, by class of status"};
    static const struct phu_stat_info unauthorized = {"phusong_http_unauthorized_total",
                                                      PHU_STAT_COUNTER,
                                                      "Requests without a token that is known"};
    static const struct phu_stat_info overloaded = {
        "phusong_http_overloaded_total", PHU_STAT_COUNTER,
        "Requests refused because too many were waiting"};
    static const struct phu_stat_info received = {"phusong_http_received_bytes_total",
                                                  PHU_STAT_COUNTER, "Bytes of bodies received"};
    static const struct phu_stat_info bodies = {"phusong_http_body_bytes", PHU_STAT_GAUGE,
                                                "Memory held by bodies of requests"};
    char label[32];

    phu_stats_add(server->stats, &connections, NULL, &server->counters.connections);
    phu_stats_add(server->stats, &accepted, NULL, &server->counters.accepted);
    phu_stats_add(server->stats, &slow, NULL, &server->counters.cut_slow);
    for (int i = 1; i < 5; i++) {
        snprintf(label, sizeof label, "code=\"%dxx\"", i + 1);
        phu_stats_add(server->stats, &requests, label, &server->counters.requests[i]);
    }
    phu_stats_add(server->stats, &unauthorized, NULL, &server->counters.unauthorized);
    phu_stats_add(server->stats, &overloaded, NULL, &server->counters.overloaded);
    phu_stats_add(server->stats, &received, NULL, &server->counters.received);
    phu_stats_add_read(server->stats, &bodies, NULL, read_bodies, server);
}

/* -- Opening and closing --------------------------------------------------------------------------
 */

int phu_server_open(struct phu_sched *sched, const struct phu_server_conf *conf,
                    struct phu_stats *stats, struct phu_server **out, char *why, size_t why_size)
{
    struct phu_server *server = phu_mem_alloc(1, sizeof *server);
    int error;

    server->sched = sched;
    server->stats = stats;
    server->conf = *conf;
    server->waiting_end = &server->waiting;
    phu_timer_init(&server->sweep, sweep);
    error = phu_tls_read(conf->certificate, conf->key, &server->certificate, &server->key, why,
                         why_size);
    server->fd = error ? -1 : phu_listen_open(conf->listen, &server->port, why, why_size);
    if (!error && server->fd < 0)
        error = server->fd;
    if (!error)
        error = phu_engine_open(server, why, why_size);
    if (error) {
        phu_server_close(server);
        return error;
    }
    add_stats(server);
    phu_timer_after(sched, &server->sweep, SWEEP_NS);
    *out = server;
    return 0;
}

/* What a route still has is its own from now on. */
static void orphan(struct phu_server *server)
{
    struct phu_request *request;

    while ((request = server->waiting)) {
        server->waiting = request->next;
        request->is_ready = true; /* it goes with its connection */
        let_go(request);
        MHD_resume_connection(request->mhd);
    }
    while ((request = server->handed)) {
        server->handed = request->next_handed;
        server->bodies -= request->body_size;
        if (request->is_suspended)
            MHD_resume_connection(request->mhd);
        request->is_suspended = false;
        request->server = NULL;
        request->handed_link = &request->next_handed;
        request->next_handed = NULL;
    }
}

void phu_server_close(struct phu_server *server)
{
    struct phu_engine *next;

    if (!server)
        return;
    orphan(server);
    for (struct phu_engine *engine = server->engines; engine; engine = next) {
        next = engine->next;
        phu_engine_close(engine);
    }
    if (server->fd >= 0)
        close(server->fd);
    phu_timer_cancel(server->sched, &server->sweep);
    if (server->stats)
        phu_stats_remove_within(server->stats, server, sizeof *server);
    free(server->certificate);
    if (server->key)
        explicit_bzero(server->key, strlen(server->key));
    free(server->key);
    free(server->routes);
    free(server);
}

void phu_server_route(struct phu_server *server, const struct phu_route *route)
{
    server->routes = phu_mem_grow(server->routes, server->route_count, sizeof *server->routes);
    server->routes[server->route_count++] = *route;
}

uint16_t phu_server_port(const struct phu_server *server)
{
    return server->port;
}

int phu_server_reload_tls(struct phu_server *server, char *why, size_t why_size)
{
    char *certificate, *key, *old_certificate = server->certificate, *old_key = server->key;
    struct phu_engine *old = server->engines;
    int error =
        phu_tls_read(server->conf.certificate, server->conf.key, &certificate, &key, why, why_size);

    if (error || !certificate)
        return error;
    if (strcmp(certificate, old_certificate) == 0 && strcmp(key, old_key) == 0) {
        free(certificate);
        free(key);
        return 0;
    }
    server->certificate = certificate;
    server->key = key;
    error = phu_engine_open(server, why, why_size);
    if (error) {
        server->certificate = old_certificate;
        server->key = old_key;
        free(certificate);
        free(key);
        return error;
    }
    MHD_quiesce_daemon(old->daemon);
    old->is_retired = true;
    free(old_certificate);
    free(old_key);
    phu_log_info(MODULE, "certificate and key were read anew", "%s", "");
    return 0;
}
