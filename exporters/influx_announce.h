/* Registers an agent's inventory with a console: PUT until it is taken, with back-off, and again
 * when there is another one. */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct phu_announcer;
struct phu_http_client;
struct phu_http_tls;
struct phu_sched;

struct phu_announcer_conf {
    struct phu_sched *sched;
    struct phu_http_client *http;
    const char *url; /* of this agent's inventory; copied */
    const struct phu_http_tls *tls;
    const char *name; /* of the exporter, for the log */
    int64_t timeout_ns;
    /* "Authorization: …" as of now, freed by the caller; NULL: none. `is_refused`: what was given
     * before was not accepted. */
    char *(*authorize)(void *arg, int is_refused);
    void *arg;
};

struct phu_announcer *phu_announcer_new(const struct phu_announcer_conf *conf);
/* NULL is harmless. */
void phu_announcer_free(struct phu_announcer *announcer);
/* Copies. Nothing happens when it is what was taken last. */
void phu_announcer_put(struct phu_announcer *announcer, const char *text, size_t length);
