/* An exporter: one kind of destination. One const descriptor, found through the generated table
 * phu_exporters[].
 *
 * An exporter that sends is given a batch at its cursor, sends it, and reports the outcome once;
 * the feed (exporters/feed/) does all that is the same for every destination: choosing live data
 * or backfill, back-off with full jitter, halving on 413, bisecting a refused batch down to the
 * lines at fault and writing those to the dead-letter file, holding on 401/403, moving the cursor.
 * It never sees a collector and never frees a batch.
 */
#pragma once

#include "phusong/time.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct phu_http_client;
struct phu_option_table;
struct phu_sched;
struct phu_stats;

struct phu_batch {
    const char *body; /* whole lines of line protocol; borrowed until done */
    size_t length;
    size_t line_count;
    bool is_backfill;
};

enum phu_verdict {
    PHU_VERDICT_STORED,       /* the destination has it: 2xx */
    PHU_VERDICT_RETRY,        /* try again later: network, 429, 5xx */
    PHU_VERDICT_TOO_LARGE,    /* 413: halve and try again */
    PHU_VERDICT_REFUSED,      /* 400, 422: some or all lines will never be taken */
    PHU_VERDICT_UNAUTHORIZED, /* 401, 403, 404: hold everything, raise the alarm, try slowly */
};

struct phu_outcome {
    enum phu_verdict verdict;
    int status;             /* protocol's number, 0 if there was no answer */
    int64_t retry_after_ns; /* the destination's wish, 0 if it had none */
    const char *reason;     /* the destination's own words, shortened; borrowed; may be NULL */
};

struct phu_exporter_env {
    struct phu_sched *sched;
    struct phu_http_client *http;
    struct phu_stats *stats;
    const char *agent;
    const char *name; /* of this destination in the configuration, for logs and statistics */
};

typedef void phu_batch_done_cb(void *arg, const struct phu_outcome *outcome);

struct phu_exporter {
    const char *name; /* "influx": the `type` in the configuration */
    const char *summary;
    const struct phu_option_table *options;
    int (*open)(const struct phu_exporter_env *env, const void *options, void **self);
    void (*close)(void *self); /* batches in flight are dropped without an outcome */
    /* Calls done exactly once, possibly before returning. NULL for a destination that is asked
     * (prometheus) rather than sent to. Several batches may be in flight at once. */
    void (*send)(void *self, const struct phu_batch *batch, phu_batch_done_cb *done, void *arg);
    /* What the agent measures, as JSON (docs/store.md): to be told to the destination, again and
     * again until it has it. Copies. NULL for a destination that does not want to know. */
    void (*announce)(void *self, const char *text, size_t length);
};

extern const struct phu_exporter *const phu_exporters[]; /* ends with NULL */
