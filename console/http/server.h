/* HTTP for the console: routes, requests, answers. libmicrohttpd underneath, and nothing of it
 * beyond this folder.
 *
 *     static void read_summary(void *arg, struct phu_request *request)      on a pool thread
 *     {
 *         const char *area = phu_request_query(request, "area");
 *         ...
 *         phu_request_reply(request, 200, "application/json", text, length);
 *     }
 *     phu_server_route(server, &(struct phu_route){
 *         .method = "GET", .path = "/api/v1/summary", .role = PHU_ROLE_READ, .work =
 * read_summary});
 *
 * A request reaches its route when its token has the route's role and the whole body is there.
 * Whoever asks for something long gets a route with `work`: it runs on a pool thread, at most
 * `max_work` of them at a time, so that the ingest always finds a thread. A route with `handle` is
 * called on the loop and answers at once or later, in either case with one phu_request_finish().
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct phu_request;
struct phu_sched;
struct phu_server;
struct phu_stats;

/* -- Who asks --------------------------------------------------------------------------------- */

enum phu_role {
    PHU_ROLE_NONE,  /* whoever: /ping, /health */
    PHU_ROLE_AGENT, /* writes points and registers an inventory of one agent */
    PHU_ROLE_READ,
    PHU_ROLE_ADMIN, /* everything */
};

#define PHU_IDENTITY_MAX 65

struct phu_identity {
    enum phu_role role;
    char token[PHU_IDENTITY_MAX]; /* its id, not the secret */
    char agent[PHU_IDENTITY_MAX]; /* of an agent's token; else "" */
};

/* Finds the token's owner: 0; -ENOENT: no such token; -EKEYREVOKED. `secret` is not
 * NUL-terminated. */
typedef int phu_identify_cb(void *arg, const char *secret, size_t length,
                            struct phu_identity *identity);

/* -- Routes ------------------------------------------------------------------------------------ */

typedef void phu_route_cb(void *arg, struct phu_request *request);

struct phu_route {
    const char *method; /* GET is asked by HEAD, too */
    const char *path;   /* "/api/v1/agents/:id/inventory": a segment that begins with a colon takes
                           anything */
    enum phu_role role;
    size_t body_max;      /* 0: no body is taken */
    bool is_local_free;   /* needs no token when asked from this machine */
    phu_route_cb *handle; /* on the loop; or */
    phu_route_cb *work;   /* on a pool thread, and the answer goes out when it returns */
    void *arg;
};

/* -- The server ----------------------------------------------------------------------------------
 */

struct phu_server_conf {
    const char *listen;            /* as phu_listen_parse() takes it */
    const char *certificate, *key; /* files in PEM; both "": plain HTTP */
    size_t max_connections, max_connections_per_address;
    size_t max_bodies; /* bytes of all bodies in memory; beyond: 503 */
    unsigned max_work; /* routes at work at a time */
    int64_t header_timeout_ns, body_timeout_ns, idle_timeout_ns;
    phu_identify_cb *identify;
    void *identify_arg;
};

/* Strings are borrowed. Listens at once; -EADDRINUSE and others with a sentence in `why`. */
int phu_server_open(struct phu_sched *sched, const struct phu_server_conf *conf,
                    struct phu_stats *stats, struct phu_server **out, char *why, size_t why_size);
/* Connections are cut. Requests that a route still has may be finished afterwards: nothing is
 * sent then. Every `work` has returned before this returns its memory: run the loop out
 * (phu_loop_free) after it. */
void phu_server_close(struct phu_server *server);
/* Copies; the texts are borrowed. The first route that fits is taken. Before the loop runs. */
void phu_server_route(struct phu_server *server, const struct phu_route *route);
/* The port that is listened on. */
uint16_t phu_server_port(const struct phu_server *server);
/* Reads certificate and key again, where they have changed; connections that stand keep the old
 * ones. 0, or negative errno and `why`: the old ones stay in use. */
int phu_server_reload_tls(struct phu_server *server, char *why, size_t why_size);

/* -- A request ------------------------------------------------------------------------------------
 */

const char *phu_request_method(const struct phu_request *request);
const char *phu_request_path(const struct phu_request *request);
/* What took the place of ":name" in the route's path, percent-decoded; NULL: no such name. */
const char *phu_request_parameter(const struct phu_request *request, const char *name);
/* ?name=value, decoded; NULL: not there. Of a name given twice the first one. Where a value is not
 * valid (a zero byte), it counts as not there. */
const char *phu_request_query(const struct phu_request *request, const char *name);
const char *phu_request_header(const struct phu_request *request, const char *name);
const struct phu_identity *phu_request_identity(const struct phu_request *request);
const char *phu_request_body(const struct phu_request *request, size_t *length);

/* The answer. Takes `body` (from malloc), which may be NULL. The last reply before finish holds. */
void phu_request_reply(struct phu_request *request, int status, const char *type, char *body,
                       size_t length);
/* {"error":"…"}, and on /api/v2/… as InfluxDB 2 has it: {"code":"…","message":"…"}. */
__attribute__((format(printf, 3, 4))) void phu_request_fail(struct phu_request *request, int status,
                                                            const char *format, ...);
/* A header of the answer; both are copied. At most 4. */
void phu_request_set_header(struct phu_request *request, const char *name, const char *value);
/* Once, on the loop, for routes with `handle`. The request is gone after it. */
void phu_request_finish(struct phu_request *request);
