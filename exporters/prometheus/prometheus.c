/* prometheus: the agent's own statistics for a scraper, at /metrics.
 *
 * A very small HTTP server: GET and HEAD of /metrics, /-/healthy and /-/ready, one request per
 * connection, no bodies. Every connection has CONNECTION_NS for all of it, however slowly it drips,
 * and at most max_connections are open: one more closes the oldest. It listens on loopback only,
 * unless told otherwise, as it has no authentication.
 *
 * After the answer our side of the connection is shut down and what still comes is thrown away
 * until the other side closes: closing at once would reset the connection under the answer.
 */
#include "request.h"

#include "listen.h"
#include "stats_text.h"

#include "phusong/conf.h"
#include "phusong/exporter.h"
#include "phusong/log.h"
#include "phusong/sched.h"
#include "phusong/stats.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define MODULE "prometheus"
#define CONNECTION_NS (10 * PHU_NS_PER_S)
#define ACCEPTS_PER_WAKEUP 16
#define NO_DESCRIPTOR_NS PHU_NS_PER_S

struct prometheus_conf {
    char *listen;
    bool allow_remote;
    int64_t max_connections;
};

static const struct phu_option options[] = {
    {.name = "listen",
     .type = PHU_OPTION_STRING,
     .offset = offsetof(struct prometheus_conf, listen),
     .fallback = "127.0.0.1:9469",
     .meaning = "address and port of /metrics, [::1]:9469 for IPv6; port 0: any free one, which is "
                "logged"},
    {.name = "allow_remote",
     .type = PHU_OPTION_BOOL,
     .offset = offsetof(struct prometheus_conf, allow_remote),
     .fallback = "false",
     .meaning = "listen on an address that others can reach; there is no authentication"},
    {.name = "max_connections",
     .type = PHU_OPTION_INT,
     .offset = offsetof(struct prometheus_conf, max_connections),
     .fallback = "16",
     .min = "1",
     .max = "1024",
     .meaning = "so many connections at most are open; one more closes the oldest"},
};

static const char *listen_fault(const struct prometheus_conf *conf,
                                struct sockaddr_storage *address)
{
    const char *fault = phu_listen_parse(conf->listen, address);

    if (!fault && !conf->allow_remote && !phu_listen_is_loopback(address))
        return "others could read the statistics there: listen on 127.0.0.1 or [::1], or set "
               "allow_remote: true";
    return fault;
}

static void validate(const void *pointer, void *context)
{
    struct sockaddr_storage address;
    const char *fault = listen_fault(pointer, &address);

    if (fault)
        phu_conf_mistake(context, "listen", "%s", fault);
}

static const struct phu_option_table table = {
    .options = options,
    .count = sizeof options / sizeof *options,
    .size = sizeof(struct prometheus_conf),
    .validate = validate,
};

/* -- State ----------------------------------------------------------------------------------- */

struct connection {
    struct connection *next, **link; /* newest first */
    struct prometheus *self;
    struct phu_watch *watch;
    struct phu_timer deadline;
    int fd;
    bool is_answered;
    size_t received;
    char *head, *body; /* of the answer; body may be NULL */
    size_t head_length, body_length, sent;
    char request[PHU_SCRAPE_REQUEST_MAX];
};

struct prometheus {
    struct phu_sched *sched;
    struct phu_stats *stats;
    const char *agent, *name;
    int fd;
    struct phu_watch *watch;
    struct phu_timer breath; /* pause after we ran out of descriptors */
    struct connection *connections;
    size_t count, max;
    struct {
        int64_t scrapes, refused, dropped;
    } counters;
};

static void close_connection(struct connection *connection)
{
    struct prometheus *self = connection->self;

    phu_timer_cancel(self->sched, &connection->deadline);
    phu_watch_close(connection->watch);
    close(connection->fd);
    *connection->link = connection->next;
    if (connection->next)
        connection->next->link = connection->link;
    self->count--;
    free(connection->head);
    free(connection->body);
    free(connection);
}

static void ran_out_of_time(struct phu_timer *timer)
{
    struct connection *connection = phu_container_of(timer, struct connection, deadline);

    if (!connection->is_answered)
        connection->self->counters.dropped++;
    close_connection(connection);
}

/* -- Answers --------------------------------------------------------------------------------- */

static const char *reason_of(int status)
{
    static const struct {
        int status;
        const char *reason;
    } reasons[] = {
        {200, "OK"},
        {400, "Bad Request"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {414, "URI Too Long"},
        {431, "Request Header Fields Too Large"},
        {501, "Not Implemented"},
        {505, "HTTP Version Not Supported"},
    };

    for (size_t i = 0; i < sizeof reasons / sizeof *reasons; i++) {
        if (reasons[i].status == status)
            return reasons[i].reason;
    }
    return "Internal Server Error";
}

static void set_answer(struct connection *connection, int status, const char *type, char *body,
                       size_t length, bool is_head_only)
{
    int written = asprintf(&connection->head,
                           "HTTP/1.1 %d %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\n%s"
                           "Connection: close\r\n\r\n",
                           status, reason_of(status), type, length,
                           status == 405 ? "Allow: GET, HEAD\r\n" : "");

    if (written < 0)
        connection->head = NULL;
    connection->head_length = written < 0 ? 0 : (size_t)written;
    connection->body = body;
    connection->body_length = is_head_only ? 0 : length;
    connection->is_answered = true;
    if (status != 200)
        connection->self->counters.refused++;
}

static void set_text(struct connection *connection, int status, const char *text, bool is_head_only)
{
    char *copy = strdup(text);

    set_answer(connection, status, "text/plain; charset=utf-8", copy, copy ? strlen(copy) : 0,
               is_head_only);
}

static void set_metrics(struct connection *connection, bool is_head_only)
{
    struct prometheus *self = connection->self;
    size_t length = 0;
    char *text, who[200];

    self->counters.scrapes++;
    phu_stats_label(who, sizeof who, "agent", self->agent);
    text = phu_stats_text(self->stats, who, PHU_VERSION, &length);
    if (!text)
        set_text(connection, 500, "out of memory\n", is_head_only);
    else
        set_answer(connection, 200, PHU_STATS_TEXT_TYPE, text, length, is_head_only);
}

static void answer(struct connection *connection, int status,
                   const struct phu_scrape_request *request)
{
    bool is_head = status == 200 && request->method == PHU_SCRAPE_HEAD;

    if (status == 400)
        set_text(connection, 400, "not an HTTP request that is answered here\n", false);
    else if (status != 200)
        set_text(connection, status, "this server only knows GET and HEAD without a body\n", false);
    else if (request->method == PHU_SCRAPE_OTHER)
        set_text(connection, 405, "only GET and HEAD\n", false);
    else if (strcmp(request->path, "/metrics") == 0)
        set_metrics(connection, is_head);
    else if (strcmp(request->path, "/-/healthy") == 0)
        set_text(connection, 200, "healthy\n", is_head);
    else if (strcmp(request->path, "/-/ready") == 0)
        set_text(connection, 200, "ready\n", is_head);
    else
        set_text(connection, 404, "there are /metrics, /-/healthy and /-/ready\n", is_head);
}

/* -- Connections ----------------------------------------------------------------------------- */

static ssize_t send_rest(struct connection *connection)
{
    bool is_in_head = connection->sent < connection->head_length;
    const char *from = is_in_head ? connection->head + connection->sent
                                  : connection->body + (connection->sent - connection->head_length);
    size_t length = is_in_head
                        ? connection->head_length - connection->sent
                        : connection->head_length + connection->body_length - connection->sent;

    return send(connection->fd, from, length,
                MSG_NOSIGNAL | MSG_DONTWAIT |
                    (is_in_head && connection->body_length ? MSG_MORE : 0));
}

/* False when the connection has gone. */
static bool write_answer(struct connection *connection)
{
    while (connection->sent < connection->head_length + connection->body_length) {
        ssize_t sent = send_rest(connection);

        if (sent < 0 && errno == EAGAIN) {
            phu_watch_set(connection->watch, PHU_WATCH_READ | PHU_WATCH_WRITE);
            return true;
        }
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent <= 0) {
            close_connection(connection);
            return false;
        }
        connection->sent += (size_t)sent;
    }
    if (!connection->head_length) {
        close_connection(connection);
        return false;
    }
    shutdown(connection->fd, SHUT_WR);
    phu_watch_set(connection->watch, PHU_WATCH_READ);
    return true;
}

/* After the answer, whatever comes is thrown away until the other side closes. */
static void discard(struct connection *connection)
{
    char waste[4096];
    ssize_t got = recv(connection->fd, waste, sizeof waste, MSG_DONTWAIT);

    if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR))
        close_connection(connection);
}

static void receive(struct connection *connection)
{
    struct phu_scrape_request request;
    ssize_t got = recv(connection->fd, connection->request + connection->received,
                       sizeof connection->request - connection->received, MSG_DONTWAIT);
    int status;

    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (got <= 0) {
        close_connection(connection);
        return;
    }
    connection->received += (size_t)got;
    status = phu_scrape_parse(connection->request, connection->received, &request);
    if (!status)
        return;
    answer(connection, status, &request);
    write_answer(connection);
}

static void connection_ready(void *arg, unsigned events)
{
    struct connection *connection = arg;

    if (events & PHU_WATCH_GONE) {
        close_connection(connection);
        return;
    }
    if (events & PHU_WATCH_WRITE && connection->is_answered && !write_answer(connection))
        return;
    if (!(events & PHU_WATCH_READ))
        return;
    if (connection->is_answered)
        discard(connection);
    else
        receive(connection);
}

static void close_oldest(struct prometheus *self)
{
    struct connection *oldest = self->connections;

    while (oldest->next)
        oldest = oldest->next;
    if (!oldest->is_answered)
        self->counters.dropped++;
    close_connection(oldest);
}

static void add_connection(struct prometheus *self, int fd)
{
    struct connection *connection;

    if (self->count >= self->max)
        close_oldest(self);
    connection = calloc(1, sizeof *connection);
    if (!connection) {
        close(fd);
        return;
    }
    connection->self = self;
    connection->fd = fd;
    phu_timer_init(&connection->deadline, ran_out_of_time);
    if (phu_watch_open(self->sched, fd, PHU_WATCH_READ, connection_ready, connection,
                       &connection->watch)) {
        close(fd);
        free(connection);
        return;
    }
    phu_timer_after(self->sched, &connection->deadline, CONNECTION_NS);
    connection->next = self->connections;
    connection->link = &self->connections;
    if (connection->next)
        connection->next->link = &connection->next;
    self->connections = connection;
    self->count++;
}

static void breathed(struct phu_timer *timer)
{
    struct prometheus *self = phu_container_of(timer, struct prometheus, breath);

    phu_watch_set(self->watch, PHU_WATCH_READ);
}

static void somebody_came(void *arg, unsigned events)
{
    struct prometheus *self = arg;

    (void)events;
    for (int i = 0; i < ACCEPTS_PER_WAKEUP; i++) {
        int fd = accept4(self->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

        if (fd >= 0) {
            add_connection(self, fd);
            continue;
        }
        if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
            phu_watch_set(self->watch, 0); /* it would stay readable, and the loop would spin */
            phu_timer_after(self->sched, &self->breath, NO_DESCRIPTOR_NS);
        }
        if (errno != ECONNABORTED && errno != EINTR)
            return;
    }
}

/* -- Listening ------------------------------------------------------------------------------- */

static int bind_socket(const struct sockaddr_storage *address)
{
    socklen_t length =
        address->ss_family == AF_INET6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in);
    int fd = socket(address->ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int on = 1, error;

    if (fd < 0)
        return -errno;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (address->ss_family == AF_INET6)
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
    if (bind(fd, (const struct sockaddr *)address, length) || listen(fd, 64)) {
        error = -errno;
        close(fd);
        return error;
    }
    return fd;
}

static void log_listening(const struct prometheus *self)
{
    struct sockaddr_storage address = {0};
    socklen_t length = sizeof address;
    char host[INET6_ADDRSTRLEN] = "", port[8] = "";
    bool is_v6;

    if (getsockname(self->fd, (struct sockaddr *)&address, &length) ||
        getnameinfo((struct sockaddr *)&address, length, host, sizeof host, port, sizeof port,
                    NI_NUMERICHOST | NI_NUMERICSERV))
        return;
    is_v6 = address.ss_family == AF_INET6;
    phu_log_info(MODULE, "statistics are at", "exporter=\"%s\" url=http://%s%s%s:%s/metrics",
                 self->name, is_v6 ? "[" : "", host, is_v6 ? "]" : "", port);
}

static const char *remedy_of(int error)
{
    switch (-error) {
    case EADDRINUSE:
        return "another program listens there, perhaps another agent: choose another port";
    case EADDRNOTAVAIL:
        return "this machine has no such address";
    case EACCES:
        return "ports below 1024 need CAP_NET_BIND_SERVICE: choose a higher one";
    default:
        return "see listen";
    }
}

static void add_stats(struct prometheus *self)
{
    static const struct phu_stat_info scrapes = {
        "phusong_prometheus_scrapes_total", PHU_STAT_COUNTER, "How often /metrics was asked for"};
    static const struct phu_stat_info refused = {
        "phusong_prometheus_refused_total", PHU_STAT_COUNTER,
        "Requests answered with an error, and why is in the answer"};
    static const struct phu_stat_info dropped = {
        "phusong_prometheus_dropped_total", PHU_STAT_COUNTER,
        "Connections closed because they took too long or were too many"};
    char label[600];

    phu_stats_label(label, sizeof label, "exporter", self->name);
    phu_stats_add(self->stats, &scrapes, label, &self->counters.scrapes);
    phu_stats_add(self->stats, &refused, label, &self->counters.refused);
    phu_stats_add(self->stats, &dropped, label, &self->counters.dropped);
}

static int prometheus_open(const struct phu_exporter_env *env, const void *options_given,
                           void **out)
{
    const struct prometheus_conf *conf = options_given;
    struct sockaddr_storage address;
    struct prometheus *self;
    int error;

    if (listen_fault(conf, &address))
        return -EINVAL;
    self = calloc(1, sizeof *self);
    if (!self)
        return -ENOMEM;
    self->sched = env->sched;
    self->stats = env->stats;
    self->agent = env->agent;
    self->name = env->name;
    self->max = (size_t)conf->max_connections;
    phu_timer_init(&self->breath, breathed);
    self->fd = error = bind_socket(&address);
    if (error >= 0)
        error = phu_watch_open(self->sched, self->fd, PHU_WATCH_READ, somebody_came, self,
                               &self->watch);
    if (error) {
        phu_log_error(MODULE, "cannot listen",
                      "exporter=\"%s\" listen=\"%s\" err=\"%s\" remedy=\"%s\"", env->name,
                      conf->listen, strerror(-error), remedy_of(error));
        if (self->fd >= 0)
            close(self->fd);
        free(self);
        return error;
    }
    add_stats(self);
    log_listening(self);
    *out = self;
    return 0;
}

static void prometheus_close(void *pointer)
{
    struct prometheus *self = pointer;
    struct connection *next;

    for (struct connection *connection = self->connections; connection; connection = next) {
        next = connection->next;
        close_connection(connection);
    }
    phu_stats_remove_within(self->stats, self, sizeof *self);
    phu_timer_cancel(self->sched, &self->breath);
    phu_watch_close(self->watch);
    close(self->fd);
    free(self);
}

const struct phu_exporter phu_exporter_prometheus = {
    .name = "prometheus",
    .summary = "the agent's own statistics, for Prometheus to scrape",
    .options = &table,
    .open = prometheus_open,
    .close = prometheus_close,
};
