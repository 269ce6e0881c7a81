/* The outlets: every exporter of the configuration, opened. One that sends gets a feed from the
 * spool; one that is asked (prometheus) just listens.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct phu_config;
struct phu_exporter;
struct phu_feed;
struct phu_generation;
struct phu_http_client;
struct phu_sched;
struct phu_spool;
struct phu_stats;

struct phu_outlet {
    const struct phu_config_exporter *entry; /* of `generation` */
    struct phu_generation *generation;
    struct phu_feed *feed; /* of one that sends */
    void *self;            /* of one that is asked */
};

struct phu_outlets {
    struct phu_sched *sched;
    struct phu_http_client *http;
    struct phu_stats *stats;
    struct phu_spool *spool; /* NULL when no exporter sends */
    struct phu_outlet *items;
    size_t count;
};

/* Does any exporter of the configuration send? */
bool phu_outlets_need_spool(const struct phu_config *config);

/* Opens what the configuration has and is not open, closes what it no longer has or has otherwise;
 * an exporter that is the same goes on without noticing. One that cannot be opened is logged and
 * left out. Returns how many could not. */
size_t phu_outlets_apply(struct phu_outlets *outlets, struct phu_generation *generation);
/* Tells those that want to know what the agent measures. */
void phu_outlets_announce(struct phu_outlets *outlets, const char *text, size_t length);
/* What the spool has made durable so far is sent now: an event is among it. */
void phu_outlets_hurry(struct phu_outlets *outlets);
void phu_outlets_close(struct phu_outlets *outlets);
