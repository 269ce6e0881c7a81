/* What Alertmanagers and webhooks have in common: where they are, and how to get in. */
#pragma once

#include "backoff.h"
#include "phusong/conf.h"
#include "phusong/http.h"
#include "phusong/sched.h"

#include <stdbool.h>
#include <stdint.h>

struct phu_book;
struct phu_ledger;
struct phu_stats;

struct phu_outlet_conf {
    char *name; /* unique among all; in logs, statistics and the book */
    char *url;
    char *user, *password, *token; /* the latter two: secrets */
    int64_t timeout_ns;
    struct phu_http_tls_conf tls;
};

/* The options of a struct that begins with its phu_outlet_conf, but for `name` and `url`. */
#define PHU_OUTLET_OPTIONS                                                                         \
    {.name = "user",                                                                               \
     .type = PHU_OPTION_STRING,                                                                    \
     .offset = offsetof(struct phu_outlet_conf, user),                                             \
     .fallback = "",                                                                               \
     .meaning = "user of basic authentication"},                                                   \
        {.name = "password",                                                                       \
         .type = PHU_OPTION_SECRET,                                                                \
         .offset = offsetof(struct phu_outlet_conf, password),                                     \
         .fallback = "",                                                                           \
         .meaning = "file with the password of basic authentication"},                             \
        {.name = "token",                                                                          \
         .type = PHU_OPTION_SECRET,                                                                \
         .offset = offsetof(struct phu_outlet_conf, token),                                        \
         .fallback = "",                                                                           \
         .meaning = "file with a bearer token"},                                                   \
        {.name = "timeout",                                                                        \
         .type = PHU_OPTION_DURATION,                                                              \
         .offset = offsetof(struct phu_outlet_conf, timeout_ns),                                   \
         .fallback = "10s",                                                                        \
         .min = "100ms",                                                                           \
         .max = "5m",                                                                              \
         .meaning = "how long one request may take as a whole"},                                   \
    {                                                                                              \
        .name = "tls", .type = PHU_OPTION_TABLE, .offset = offsetof(struct phu_outlet_conf, tls),  \
        .table = &phu_http_tls_options, .meaning = "certificates, for https"                       \
    }

/* Rules between them; from a table's validate. */
void phu_outlet_validate(const struct phu_outlet_conf *conf, void *context);

struct phu_outlet_env {
    struct phu_sched *sched;
    struct phu_http_client *http;
    struct phu_stats *stats; /* may be NULL */
    struct phu_book *book;
    struct phu_ledger *ledger;
    const char *generator; /* URL for people; "" if there is none */
};

#define PHU_OUTLET_HEADERS 10

/* One destination, and the one call under way to it. */
struct phu_outlet {
    const struct phu_outlet_env *env;
    const struct phu_outlet_conf *conf;
    struct phu_backoff backoff;
    struct phu_http_call *call;
    char *body; /* of the call; freed at its end */
    char *authorization, *user_password;
    const char *headers[PHU_OUTLET_HEADERS];
    struct phu_http_tls tls;
    bool is_up, has_tried; /* for the log: transitions only */
    int64_t sent, failed;  /* requests */
    int64_t up;            /* 1 when the last request was taken */
};

void phu_outlet_init(struct phu_outlet *outlet, const struct phu_outlet_env *env,
                     const struct phu_outlet_conf *conf, const char *kind);
void phu_outlet_fini(struct phu_outlet *outlet);
/* Posts `body` (freed at the end of the call) as JSON to `url` with further headers (NULL ends
 * them), each "Name: value". `done` is not called when it could not be started: a negative errno,
 * and then `body` is freed. */
int phu_outlet_post(struct phu_outlet *outlet, const char *url, char *body,
                    const char *const *headers, phu_http_done_cb *done, void *arg);

enum phu_outlet_fate {
    PHU_OUTLET_TAKEN,   /* 2xx */
    PHU_OUTLET_REFUSED, /* it will never take this: 400, 404, 410, 413, 422 … */
    PHU_OUTLET_LATER,   /* no answer, 401, 403, 408, 425, 429, 5xx */
};
/* What became of the call, counted and logged. `*delay_ns`: when to try again, for LATER. */
enum phu_outlet_fate phu_outlet_done(struct phu_outlet *outlet,
                                     const struct phu_http_result *result, int64_t *delay_ns);
/* The same for a call that could not be started. */
int64_t phu_outlet_failed(struct phu_outlet *outlet, const char *reason);
