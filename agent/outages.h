/* Outages: the root-cause engine (core/outage.h) in the agent. It is told of the health of every
 * subject and of what devices say, has overrides put into effect, and sends `event` points at once.
 *
 * An event is first put into a file in state_dir, then sent: after a crash the same event goes on
 * under its id, and one that ended is told to have ended, however often that is sent. While the
 * file cannot be written, events are sent all the same.
 */
#pragma once

#include "core/outage.h"
#include "phusong/time.h"

#include <stdbool.h>
#include <stddef.h>

struct phu_checks;
struct phu_collector;
struct phu_config;
struct phu_inventory;
struct phu_monitor;
struct phu_outages;
struct phu_roster;
struct phu_sched;
struct phu_sink;
struct phu_spool;
struct phu_stats;

struct phu_outages_env {
    struct phu_sched *sched;
    struct phu_monitor *monitor;
    struct phu_checks *checks;
    struct phu_stats *stats;
    const struct phu_roster *roster; /* of the running checks, and the collectors */
    const char *agent, *state_dir;   /* of the first configuration */
    int64_t window_ns;
    void (*emit)(void *arg, const char *line, size_t length, struct phu_wall at);
    /* What is durable in the spool is to be sent now. */
    void (*hurry)(void *arg);
    void *arg;
};

void phu_outages_new(const struct phu_outages_env *env, struct phu_outages **out);
/* Saves a last time. The monitor and the checks are still there, collectors too. */
void phu_outages_close(struct phu_outages *outages);
/* After the close, once collectors are closed as well. NULL is harmless. */
void phu_outages_free(struct phu_outages *outages);

/* The sink of a collector: the monitor's, or one before it that looks for evidence. */
struct phu_sink *phu_outages_sink(struct phu_outages *outages,
                                  const struct phu_collector *collector);
/* NULL when nothing is sent. Before the first apply. */
void phu_outages_set_spool(struct phu_outages *outages, struct phu_spool *spool);
/* The checks of this inventory are running: at the start, and after a reload, while the former
 * inventory still exists. Both are borrowed until the next. */
void phu_outages_apply(struct phu_outages *outages, const struct phu_config *config,
                       const struct phu_inventory *inventory);
