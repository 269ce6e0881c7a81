/* The store at the centre: what agents sent, kept for years, in one SQLite database
 * (docs/store.md).
 *
 * Writing is for one thread at a time (the ingest's pool job), reading has connections of its own
 * (query.h) and may run beside it on other pool threads. Exactly one process may have a store open.
 *
 *     phu_store_begin(store);
 *     for each body: for each sample: phu_store_put(store, &sample, now, &field);
 *     phu_store_commit(store);                      durable now: answer 204
 *     while (phu_store_tend(store, now, 50 ms) && nobody waits) {}
 *
 * Put as many bodies into one transaction as wait: what a commit costs is the disk's sync. Call
 * tend after each commit and at least every second or so when nothing comes: it packs, rolls up,
 * forgets what is too old, and checkpoints.
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
    /* How long each resolution is kept; 0: for ever. */
    int64_t keep_minute_ns, keep_five_minutes_ns, keep_hour_ns, keep_day_ns;
    int64_t keep_events_ns;    /* events that are over, and changes of state; 0: for ever */
    int64_t zone_offset_ns;    /* of local midnight, where days begin; fixed when a store is made */
    int64_t min_free_bytes;    /* of the disk: with less nothing is taken */
    int64_t max_journal_bytes; /* not yet packed */
    int64_t max_series;
};

/* Makes the file when there is none, and migrates an older schema. -EPROTONOSUPPORT for a newer
 * one, -EBUSY when another process has it open, -EINVAL when it is no store, -EILSEQ when it is
 * damaged, other negative errno. `why` is a sentence for a person. */
int phu_store_open(const struct phu_store_conf *conf, struct phu_store **out, char *why,
                   size_t why_size);
/* What was put and not committed is gone. */
void phu_store_close(struct phu_store *store);

/* -- Writing: begin, put …, commit. Durable when commit returned 0. --------------------------- */

/* -ENOSPC: less than min_free_bytes are free; -EIO. */
int phu_store_begin(struct phu_store *store);
/* 0: stored. The same sample again changes nothing: (series, time) is the key, later ones replace
 * field by field. Otherwise nothing of this sample was stored, the others of the transaction stand:
 *  -EEXIST: field `*field` (index) has another type in this measurement already;
 *  -ESTALE: older than anything that is kept, or than what can still be rolled up
 *           (phu_store_oldest);
 *  -ERANGE: before 1970, or later than 2200;
 *  -E2BIG:  too many series or fields, or a text that is too long;
 *  -EINVAL: `state` without a code, `event` without an id.
 * -ENOSPC, -EIO: nothing of the transaction can be kept; call rollback. */
int phu_store_put(struct phu_store *store, const struct phu_sample *sample, int64_t now_ns,
                  size_t *field);
/* 0: everything is on the disk. Otherwise nothing of this transaction is kept and it is over:
 * -ENOSPC, -EIO. */
int phu_store_commit(struct phu_store *store);
void phu_store_rollback(struct phu_store *store);

/* Samples older than this are refused with -ESTALE. */
int64_t phu_store_oldest(const struct phu_store *store, int64_t now_ns);

/* Packs, rolls up, forgets, checkpoints: a slice of work of about `budget_ns`, by the writing
 * thread, between transactions. Returns whether there is more to do now. A slice that fails (the
 * disk is full) is undone and done again later; phu_store_figures tells of it. */
bool phu_store_tend(struct phu_store *store, int64_t now_ns, int64_t budget_ns);

/* An agent's inventory, as JSON that the agent registered (docs/store.md, "Inventory"); a version
 * of its own when it differs from the newest: then *is_new. By the writing thread, between
 * transactions; durable when it returns 0. -EINVAL: `why` says what is wrong with the JSON. */
int phu_store_put_inventory(struct phu_store *store, const char *agent, const char *json,
                            size_t length, int64_t now_ns, bool *is_new, char *why,
                            size_t why_size);

/* When did each agent write last? Its arrival and its newest sample, in UTC ns. By the writing
 * thread. */
typedef void phu_store_agent_cb(void *arg, const char *agent, int64_t seen_ns, int64_t sample_ns);
void phu_store_visit_agents(struct phu_store *store, phu_store_agent_cb *visit, void *arg);

struct phu_store_figures {
    int64_t series, fields;
    int64_t memory_bytes;  /* of dictionaries and buffers, without SQLite's cache */
    int64_t journal_bytes; /* durable, not packed yet */
    int64_t file_bytes, wal_bytes;
    int64_t samples_total;    /* since open */
    int64_t duplicates_total; /* late samples that the rollups had already */
    int64_t dirty;            /* late units that wait to be rolled up again; 10,000: that or more */
    int64_t failures_total;   /* slices of tend that failed */
    int last_error; /* of these, the last one: negative errno; 0: the last slice went well */
};
void phu_store_figures(struct phu_store *store, struct phu_store_figures *figures);

/* -- While it runs, from any thread, or from another process ---------------------------------- */

/* Return false to stop: -ECANCELED. */
typedef bool phu_store_progress_cb(void *arg, int64_t done_bytes, int64_t all_bytes);

/* A copy as of now that can be opened as it is. Written to FILE.part, synced and renamed; -EEXIST
 * when there is a file of that name. `progress` may be NULL. */
int phu_store_backup(const char *path, const char *file, phu_store_progress_cb *progress, void *arg,
                     char *why, size_t why_size);
/* Is the file whole, and does every rollup equal the sum of what it was made from? -EILSEQ when
 * not; `why` names the first thing that is wrong. */
int phu_store_check(const char *path, phu_store_progress_cb *progress, void *arg, char *why,
                    size_t why_size);
