/* What the units of this folder share. */
#pragma once

#include "http/server.h"

#include "phusong/sched.h"
#include "phusong/time.h"

#include <microhttpd.h>

enum {
    PHU_REQUEST_PARAMETERS = 4,
    PHU_REQUEST_HEADERS = 4,
    PHU_REQUEST_PATH_MAX = 512,
};

/* One daemon of MHD. A new certificate means a new one on the same socket; the old one lives on
 * until its last connection has gone. */
struct phu_engine {
    struct phu_engine *next;
    struct phu_server *server;
    struct MHD_Daemon *daemon;
    struct phu_watch *watch;
    struct phu_timer timer;
    size_t connections;
    bool is_retired;
};

struct phu_request_pair {
    char *name, *value;
};

/* One connection, from its accept to its end. */
struct phu_connection {
    struct phu_connection *next, **link;
    struct phu_server *server;
    struct phu_engine *engine;
    int fd;
    enum phu_connection_phase {
        PHU_CONNECTION_NEW,    /* nothing came yet */
        PHU_CONNECTION_IDLE,   /* between requests */
        PHU_CONNECTION_HEADER, /* a request has begun */
        PHU_CONNECTION_BODY,
        PHU_CONNECTION_BUSY, /* ours to answer */
        PHU_CONNECTION_ANSWER,
    } phase;
    struct phu_mono since; /* of the phase */
    bool is_local;
    bool is_cut;
};

struct phu_request {
    struct phu_request *next; /* of those that wait for a thread */
    struct phu_request *next_handed, **handed_link;
    struct phu_server *server;  /* NULL: closed meanwhile */
    struct MHD_Connection *mhd; /* NULL: the connection is gone */
    struct phu_connection *connection;
    struct phu_engine *engine;
    const struct phu_route *route;
    char method[16];
    char path[PHU_REQUEST_PATH_MAX];
    struct phu_request_pair parameters[PHU_REQUEST_PARAMETERS];
    size_t parameter_count;
    struct phu_identity identity;
    /* Copies: what MHD keeps is gone when the connection is, and its lists are not for threads. */
    struct phu_request_pair *queries;
    size_t query_count;
    struct phu_request_pair *headers;
    size_t header_count;

    char *body;
    size_t body_length, body_size, thrown_away;
    bool is_refused; /* a reply was made before the body came; the body is thrown away */
    bool is_handed;  /* to the route, which has not finished it */
    bool is_ready;   /* the reply is complete */
    bool is_suspended;

    int status;
    char type[64];
    char *reply;
    size_t reply_length;
    struct phu_request_pair reply_headers[PHU_REQUEST_HEADERS];
    size_t reply_header_count;
};

struct phu_server {
    struct phu_sched *sched;
    struct phu_stats *stats;
    struct phu_server_conf conf;
    struct phu_route *routes;
    size_t route_count;
    int fd; /* listens */
    uint16_t port;
    char *certificate, *key;    /* PEM; NULL: plain HTTP */
    struct phu_engine *engines; /* the first one accepts */
    struct phu_connection *connections;
    struct phu_timer sweep;
    struct phu_request *handed;
    struct phu_request *waiting, **waiting_end;
    unsigned working, waiting_count;
    size_t bodies;
    struct {
        int64_t connections, accepted, cut_slow, requests[5], unauthorized, overloaded, received;
    } counters;
};

struct phu_request *phu_request_new(struct phu_server *server);
void phu_request_free(struct phu_request *request);
/* Room for so many more bytes; false: the body would be longer than `most`. */
bool phu_request_take(struct phu_request *request, const char *bytes, size_t length, size_t most);

/* The first route that fits; parameters go into the request. NULL: none, and `allowed` says which
 * methods the path knows ("" if none). */
const struct phu_route *phu_routes_find(const struct phu_route *routes, size_t count,
                                        const char *method, struct phu_request *request,
                                        char *allowed, size_t allowed_size);

/* The secret in "Authorization: Token X", "Bearer X", or "Basic base64(user:X)"; false: none in a
 * form that is known. */
bool phu_authorization_secret(const char *header, char *secret, size_t size, size_t *length);

/* Starts an engine on the server's socket with its certificate. */
int phu_engine_open(struct phu_server *server, char *why, size_t why_size);
/* Its connections are cut. */
void phu_engine_close(struct phu_engine *engine);
/* What is due now, as soon as the callbacks now running are done. */
void phu_engine_kick(struct phu_engine *engine);

/* Hands a request with its whole body to its route; the reply may be ready on return. */
void phu_request_hand_over(struct phu_request *request);

/* Reads both files, NULL and NULL when neither is named. */
int phu_tls_read(const char *certificate, const char *key, char **certificate_pem, char **key_pem,
                 char *why, size_t why_size);

/* A socket that listens, or a negative errno with a sentence. */
int phu_listen_open(const char *text, uint16_t *port, char *why, size_t why_size);
