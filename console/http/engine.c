/* libmicrohttpd on the loop: its epoll descriptor in a watch, its next deadline in a timer, and no
 * thread of its own.
 *
 * MHD calls handle() first when the headers are there, then with each piece of the body, then
 * once more without one. What is refused (no such route, no right, too long) is known at the first
 * call but answered at the last: answering while the other side still sends would reset the
 * connection under the answer, and an agent would take its wrong token for a broken line.
 *
 * A request that its route does not answer at once is suspended; finishing it resumes the
 * connection, and MHD calls handle() again.
 */
#include "private.h"

#include "mem.h"

#include "phusong/log.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define MODULE "http"
#define SECRET_MAX 512
#define THROWN_AWAY_MAX (256u << 20)
#define CONNECTION_MEMORY (16u << 10)

/* -- Connections ----------------------------------------------------------------------------- */

static void enter(struct phu_connection *connection, enum phu_connection_phase phase)
{
    if (!connection || connection->phase == phase)
        return;
    connection->phase = phase;
    connection->since = phu_sched_now(connection->server->sched);
}

static bool is_loopback(const struct sockaddr *address)
{
    const struct sockaddr_in *v4 = (const void *)address;
    const struct sockaddr_in6 *v6 = (const void *)address;

    if (address->sa_family == AF_INET)
        return ntohl(v4->sin_addr.s_addr) >> 24 == 127;
    return address->sa_family == AF_INET6 && IN6_IS_ADDR_LOOPBACK(&v6->sin6_addr);
}

static void connection_begins(struct phu_engine *engine, struct MHD_Connection *mhd, void **context)
{
    struct phu_server *server = engine->server;
    struct phu_connection *connection = phu_mem_alloc(1, sizeof *connection);

    connection->server = server;
    connection->engine = engine;
    connection->fd = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
    connection->is_local =
        is_loopback(MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CLIENT_ADDRESS)->client_addr);
    connection->since = phu_sched_now(server->sched);
    connection->next = server->connections;
    connection->link = &server->connections;
    if (connection->next)
        connection->next->link = &connection->next;
    server->connections = connection;
    server->counters.connections++;
    server->counters.accepted++;
    engine->connections++;
    *context = connection;
}

static void connection_ends(struct phu_connection *connection)
{
    if (!connection)
        return;
    *connection->link = connection->next;
    if (connection->next)
        connection->next->link = connection->link;
    connection->server->counters.connections--;
    connection->engine->connections--;
    free(connection);
}

static void connection_changes(void *arg, struct MHD_Connection *mhd, void **context,
                               enum MHD_ConnectionNotificationCode what)
{
    if (what == MHD_CONNECTION_NOTIFY_STARTED) {
        connection_begins(arg, mhd, context);
    } else {
        connection_ends(*context);
        *context = NULL;
    }
}

static struct phu_connection *connection_of(struct MHD_Connection *mhd)
{
    return MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context;
}

static void *request_line_came(void *arg, const char *uri, struct MHD_Connection *mhd)
{
    (void)arg;
    (void)uri;
    enter(connection_of(mhd), PHU_CONNECTION_HEADER);
    return NULL;
}

/* -- A request's beginning --------------------------------------------------------------------- */

struct copying {
    struct phu_request_pair *pairs;
    size_t count;
};

static enum MHD_Result copy_pair(void *arg, enum MHD_ValueKind kind, const char *name,
                                 size_t name_length, const char *value, size_t length)
{
    struct copying *copying = arg;

    (void)kind;
    if (!value)
        value = "";
    if (memchr(name, '\0', name_length) || (length && memchr(value, '\0', length)))
        return MHD_YES;
    copying->pairs = phu_mem_grow(copying->pairs, copying->count, sizeof *copying->pairs);
    copying->pairs[copying->count++] = (struct phu_request_pair){phu_mem_strndup(name, name_length),
                                                                 phu_mem_strndup(value, length)};
    return MHD_YES;
}

static void copy_all(struct phu_request *request)
{
    struct copying queries = {0}, headers = {0};

    MHD_get_connection_values_n(request->mhd, MHD_GET_ARGUMENT_KIND, copy_pair, &queries);
    MHD_get_connection_values_n(request->mhd, MHD_HEADER_KIND, copy_pair, &headers);
    request->queries = queries.pairs;
    request->query_count = queries.count;
    request->headers = headers.pairs;
    request->header_count = headers.count;
}

static void refuse(struct phu_request *request)
{
    request->is_refused = true;
    if (request->status == 401) {
        request->server->counters.unauthorized++;
        phu_request_set_header(request, "WWW-Authenticate", "Basic realm=\"phusong\"");
    }
}

static int identify(struct phu_request *request)
{
    const struct phu_server_conf *conf = &request->server->conf;
    const char *header = phu_request_header(request, "Authorization");
    const char *query = phu_request_query(request, "p");
    char secret[SECRET_MAX];
    size_t length = 0;
    int error;

    if (header) {
        if (!phu_authorization_secret(header, secret, sizeof secret, &length))
            return -EINVAL;
        error = conf->identify(conf->identify_arg, secret, length, &request->identity);
        explicit_bzero(secret, sizeof secret);
        return error;
    }
    if (query)
        return conf->identify(conf->identify_arg, query, strlen(query), &request->identity);
    return -EACCES;
}

static const char *role_name(enum phu_role role)
{
    return role == PHU_ROLE_AGENT ? "agent" : role == PHU_ROLE_READ ? "read" : "admin";
}

static void check_rights(struct phu_request *request)
{
    const struct phu_route *route = request->route;
    int error;

    if (route->role == PHU_ROLE_NONE || (route->is_local_free && request->connection->is_local))
        return;
    error = identify(request);
    if (error == -EACCES)
        phu_request_fail(request, 401,
                         "unable to parse authentication credentials: send a token as "
                         "\"Authorization: Token …\"; phusong console token create makes one");
    else if (error == -EINVAL)
        phu_request_fail(request, 401,
                         "unable to parse authentication credentials: Authorization must be "
                         "\"Token …\", \"Bearer …\" or Basic with the token as password");
    else if (error == -EKEYREVOKED)
        phu_request_fail(request, 401, "authorization failed: token %s was revoked",
                         request->identity.token);
    else if (error)
        phu_request_fail(request, 401, "authorization failed: no such token");
    else if (request->identity.role != route->role && request->identity.role != PHU_ROLE_ADMIN)
        phu_request_fail(request, 403, "token %s has the role %s; this needs %s",
                         request->identity.token, role_name(request->identity.role),
                         role_name(route->role));
    if (request->status)
        refuse(request);
}

/* NULL or "" when there is none. */
static bool has_body(const struct phu_request *request, unsigned long long *length)
{
    const char *text = phu_request_header(request, "Content-Length");

    *length = text ? strtoull(text, NULL, 10) : 0;
    return *length > 0 || phu_request_header(request, "Transfer-Encoding");
}

static void check_body(struct phu_request *request)
{
    size_t most = request->route->body_max;
    unsigned long long length;

    if (request->is_refused || !has_body(request, &length))
        return;
    if (!most && length)
        phu_request_fail(request, 400, "this takes no body");
    else if (length > most)
        phu_request_fail(request, 413,
                         "Request Entity Too Large: %llu bytes, at most %zu are taken; send less "
                         "at a time",
                         length, most);
    if (request->status)
        refuse(request);
}

static void find_route(struct phu_request *request)
{
    struct phu_server *server = request->server;
    char allowed[64];

    request->route = phu_routes_find(server->routes, server->route_count, request->method, request,
                                     allowed, sizeof allowed);
    if (request->route) {
        check_rights(request);
        check_body(request);
    } else if (*allowed) {
        phu_request_fail(request, 405, "%s is not possible here; this takes %s", request->method,
                         allowed);
        phu_request_set_header(request, "Allow", allowed);
        refuse(request);
    } else {
        phu_request_fail(request, 404, "nothing is at %s", request->path);
        refuse(request);
    }
}

static struct phu_request *begin(struct phu_engine *engine, struct MHD_Connection *mhd,
                                 const char *url, const char *method)
{
    struct phu_request *request = phu_request_new(engine->server);

    request->mhd = mhd;
    request->engine = engine;
    request->connection = connection_of(mhd);
    enter(request->connection, PHU_CONNECTION_BODY);
    snprintf(request->method, sizeof request->method, "%s", method);
    copy_all(request);
    if (strlen(url) >= sizeof request->path) {
        phu_request_fail(request, 414, "the path is longer than %zu bytes",
                         sizeof request->path - 1);
        refuse(request);
    } else {
        snprintf(request->path, sizeof request->path, "%s", url);
        find_route(request);
    }
    return request;
}

/* -- Its body, and its end --------------------------------------------------------------------- */

static bool take(struct phu_request *request, const char *bytes, size_t length)
{
    struct phu_server *server = request->server;

    server->counters.received += (int64_t)length;
    if (!request->is_refused && server->bodies + length > server->conf.max_bodies) {
        server->counters.overloaded++;
        phu_request_fail(request, 503,
                         "too many requests are waiting to be stored; try again later");
        phu_request_set_header(request, "Retry-After", "5");
        refuse(request);
    }
    if (!request->is_refused &&
        !phu_request_take(request, bytes, length, request->route->body_max)) {
        phu_request_fail(request, 413,
                         "Request Entity Too Large: at most %zu bytes are taken; send less at a "
                         "time",
                         request->route->body_max);
        refuse(request);
    }
    if (request->is_refused)
        request->thrown_away += length;
    return request->thrown_away <= THROWN_AWAY_MAX;
}

static enum MHD_Result send_reply(struct phu_request *request)
{
    struct MHD_Response *response;
    enum MHD_Result result;

    if (request->reply)
        response = MHD_create_response_from_buffer(request->reply_length, request->reply,
                                                   MHD_RESPMEM_MUST_FREE);
    else
        response = MHD_create_response_from_buffer(0, "", MHD_RESPMEM_PERSISTENT);
    if (!response)
        return MHD_NO;
    request->reply = NULL;
    if (*request->type)
        MHD_add_response_header(response, "Content-Type", request->type);
    for (size_t i = 0; i < request->reply_header_count; i++)
        MHD_add_response_header(response, request->reply_headers[i].name,
                                request->reply_headers[i].value);
    if (request->engine->is_retired)
        MHD_add_response_header(response, "Connection", "close");
    if (request->status >= 100 && request->status < 600)
        request->server->counters.requests[request->status / 100 - 1]++;
    enter(request->connection, PHU_CONNECTION_ANSWER);
    result = MHD_queue_response(request->mhd, (unsigned)request->status, response);
    MHD_destroy_response(response);
    return result;
}

static enum MHD_Result handle(void *arg, struct MHD_Connection *mhd, const char *url,
                              const char *method, const char *version, const char *upload,
                              size_t *upload_size, void **context)
{
    struct phu_request *request = *context;

    (void)version;
    if (!request) {
        *context = request = begin(arg, mhd, url, method);
        /* Who asks first is told before it sends. */
        return request->is_refused && phu_request_header(request, "Expect") ? send_reply(request)
                                                                            : MHD_YES;
    }
    if (*upload_size) {
        bool is_bearable = take(request, upload, *upload_size);

        *upload_size = 0;
        return is_bearable ? MHD_YES : MHD_NO;
    }
    if (!request->is_refused && !request->is_ready) {
        enter(request->connection, PHU_CONNECTION_BUSY);
        phu_request_hand_over(request);
        if (!request->is_ready) {
            request->is_suspended = true;
            MHD_suspend_connection(mhd);
            return MHD_YES;
        }
    }
    return send_reply(request);
}

static void request_ends(void *arg, struct MHD_Connection *mhd, void **context,
                         enum MHD_RequestTerminationCode why)
{
    struct phu_request *request = *context;

    (void)arg;
    (void)mhd;
    (void)why;
    if (!request)
        return;
    enter(request->connection, PHU_CONNECTION_IDLE);
    *context = NULL;
    request->mhd = NULL;
    request->connection = NULL;
    if (!request->is_handed)
        phu_request_free(request);
}

/* -- Running -------------------------------------------------------------------------------------
 */

static void run(struct phu_engine *engine)
{
    MHD_UNSIGNED_LONG_LONG timeout;

    MHD_run(engine->daemon);
    if (MHD_get_timeout(engine->daemon, &timeout) == MHD_YES)
        phu_timer_after(engine->server->sched, &engine->timer, (int64_t)timeout * PHU_NS_PER_MS);
    else
        phu_timer_cancel(engine->server->sched, &engine->timer);
}

static void due(struct phu_timer *timer)
{
    run(phu_container_of(timer, struct phu_engine, timer));
}

static void ready(void *arg, unsigned events)
{
    (void)events;
    run(arg);
}

void phu_engine_kick(struct phu_engine *engine)
{
    phu_timer_after(engine->server->sched, &engine->timer, 0);
}

__attribute__((format(printf, 2, 0))) static void log_line(void *arg, const char *format,
                                                           va_list arguments)
{
    char text[400];

    (void)arg;
    vsnprintf(text, sizeof text, format, arguments);
    text[strcspn(text, "\n")] = '\0';
    phu_log_debug(MODULE, "libmicrohttpd", "says=\"%s\"", text);
}

static struct MHD_Daemon *start_daemon(struct phu_engine *engine)
{
    struct phu_server *server = engine->server;
    const struct phu_server_conf *conf = &server->conf;
    unsigned flags = MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ITC | MHD_USE_ERROR_LOG;
    struct MHD_OptionItem tls[] = {
        {MHD_OPTION_HTTPS_MEM_CERT, 0, server->certificate},
        {MHD_OPTION_HTTPS_MEM_KEY, 0, server->key},
        {MHD_OPTION_HTTPS_PRIORITIES, 0, "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2"},
        {MHD_OPTION_END, 0, NULL},
    };

    if (server->certificate)
        flags |= MHD_USE_TLS;
    return MHD_start_daemon(
        flags, 0, NULL, NULL, handle, engine, MHD_OPTION_EXTERNAL_LOGGER, log_line, NULL,
        MHD_OPTION_ARRAY, server->certificate ? tls : tls + 3, MHD_OPTION_LISTEN_SOCKET, server->fd,
        MHD_OPTION_CONNECTION_LIMIT, (unsigned)conf->max_connections,
        MHD_OPTION_PER_IP_CONNECTION_LIMIT, (unsigned)conf->max_connections_per_address,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONNECTION_MEMORY,
        MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)(conf->idle_timeout_ns / PHU_NS_PER_S),
        MHD_OPTION_NOTIFY_CONNECTION, connection_changes, engine, MHD_OPTION_NOTIFY_COMPLETED,
        request_ends, engine, MHD_OPTION_URI_LOG_CALLBACK, request_line_came, engine,
        MHD_OPTION_END);
}

int phu_engine_open(struct phu_server *server, char *why, size_t why_size)
{
    struct phu_engine *engine = phu_mem_alloc(1, sizeof *engine);
    int fd, error;

    engine->server = server;
    phu_timer_init(&engine->timer, due);
    engine->daemon = start_daemon(engine);
    if (!engine->daemon) {
        snprintf(why, why_size,
                 server->certificate ? "certificate and key cannot be used: are they PEM, and do "
                                       "they belong together?"
                                     : "the HTTP server does not start");
        free(engine);
        return -EINVAL;
    }
    fd = MHD_get_daemon_info(engine->daemon, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd;
    error = phu_watch_open(server->sched, fd, PHU_WATCH_READ, ready, engine, &engine->watch);
    if (error) {
        snprintf(why, why_size, "the HTTP server cannot be watched: %s", strerror(-error));
        MHD_quiesce_daemon(engine->daemon);
        MHD_stop_daemon(engine->daemon);
        free(engine);
        return error;
    }
    engine->next = server->engines;
    server->engines = engine;
    return 0;
}

void phu_engine_close(struct phu_engine *engine)
{
    phu_watch_close(engine->watch);
    phu_timer_cancel(engine->server->sched, &engine->timer);
    if (!engine->is_retired)
        MHD_quiesce_daemon(engine->daemon); /* or it would close our socket */
    MHD_stop_daemon(engine->daemon);
    free(engine);
}
