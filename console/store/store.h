/* The store at the centre: what agents sent, kept for years, in one SQLite database.
 *
 * Writing is for one thread at a time (the ingest's pool job), reading has connections of its own
 * (query.h) and may run beside it on another pool thread.
 */
#pragma once

#include "sample.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct phu_option_table;
struct phu_store;

extern const struct phu_option_table phu_store_options; /* section `store` → phu_store_conf */

struct phu_store_conf {
    char *path;
    int64_t keep_minute_ns, keep_five_minutes_ns, keep_hour_ns, keep_day_ns; /* 0: for ever */
    int64_t keep_events_ns;
    int64_t min_free_bytes;
};

/* Migrates an older schema; -EPROTONOSUPPORT for a newer one, -EBUSY when another process writes to
 * it. `why` is a sentence for a person. */
int phu_store_open(const struct phu_store_conf *conf, struct phu_store **out, char *why,
                   size_t why_size);
void phu_store_close(struct phu_store *store);

/* -- Writing: begin, put …, commit. Durable when commit returned 0. -------------------------- */

int phu_store_begin(struct phu_store *store);
/* 0; -EEXIST: `field` (index) has another type in this measurement already, nothing of the sample
 * was stored; -ENOSPC, -EIO. The same sample again changes nothing: (series, time) is the key,
 * later ones replace field by field. */
int phu_store_put(struct phu_store *store, const struct phu_sample *sample, int64_t now_ns,
                  size_t *field);
/* -ENOSPC: the disk is full and nothing of this transaction is kept. */
int phu_store_commit(struct phu_store *store);
void phu_store_rollback(struct phu_store *store);

/* Rollups, retention, checkpoints: a slice of work of at most about `budget_ns`, by the writing
 * thread. Returns whether there is more to do. */
bool phu_store_tend(struct phu_store *store, int64_t now_ns, int64_t budget_ns);

/* An agent's inventory, as JSON that the agent registered; a version of its own when it differs
 * from the newest. */
int phu_store_put_inventory(struct phu_store *store, const char *agent, const char *json,
                            size_t length, int64_t now_ns);

/* While running, from any thread. */
int phu_store_backup(const char *path, const char *file, char *why, size_t why_size);
int phu_store_check(const char *path, char *why, size_t why_size);
