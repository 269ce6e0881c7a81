/* Rules while they are live: fed with what the ingest has stored, evaluated in time, and their
 * alerts put into the book.
 *
 * A new engine, at the start and after SIGHUP, gets what the old one saved, then the samples that
 * the store still has, so that nothing is told twice and nothing is forgotten. After SIGHUP that
 * happens on a pool thread while the old rules go on; a file with mistakes changes nothing.
 */
#pragma once

#include "sample.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct phu_alerts;
struct phu_live;
struct phu_sched;
struct phu_stats;
struct phu_strings;

struct phu_live_env {
    struct phu_sched *sched;
    struct phu_stats *stats;
    struct phu_alerts *alerts;
    const struct phu_strings *rules; /* files */
    const char *state_dir;           /* holds rules.json: what stood */
    const char *store;               /* path */
};

/* Reads the rules, takes up what stood, and looks through what is stored: may take seconds.
 * Mistakes in the rules are printed to standard error: -EINVAL. */
int phu_live_open(const struct phu_live_env *env, struct phu_live **out);
/* Saves what stands. NULL is harmless. Nothing is fed any more. */
void phu_live_close(struct phu_live *live);
void phu_live_reload(struct phu_live *live);

/* For the ingest's taps; `wants` on its pool thread. */
bool phu_live_wants(void *live, struct phu_slice measurement);
void phu_live_feed(void *live, const struct phu_sample *sample);
void phu_live_fed(void *live);
