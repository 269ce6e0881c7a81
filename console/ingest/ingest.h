/* From bodies to the store: what POST /write and PUT …/inventory do.
 *
 *     body ─► queue ─► one job on a pool thread: unpack, read lines, check, store, COMMIT
 *                          └► on the loop: answers, then the samples that rules want
 *
 * One job runs at a time, and it is the only one that writes to the store. While it runs bodies
 * queue up; the next job takes all of them (up to a bound) into one transaction, so the busier the
 * console, the fewer syncs of the disk there are for each body. 204 is said after the commit.
 *
 * Answers are InfluxDB's, with line numbers: 204; 400 where lines were wrong and the others are
 * stored; 413, 429 and 503 as usual. A full disk is 503: agents keep what they have.
 */
#pragma once

#include "sample.h"

#include <stdbool.h>
#include <stdint.h>

struct phu_ingest;
struct phu_request;
struct phu_sched;
struct phu_stats;
struct phu_store;

struct phu_ingest_conf {
    size_t max_body;           /* unpacked */
    int64_t max_ahead_ns;      /* later than now by more than this: refused */
    int64_t backfill_after_ns; /* older than this when it comes: stored, not told to the rules */
    int64_t lines_per_second;  /* of a token; 0: without limit */
};

/* Where samples go once they are stored. All may be NULL. */
struct phu_ingest_taps {
    bool (*wants)(void *arg, struct phu_slice measurement); /* on the pool thread */
    void (*feed)(void *arg, const struct phu_sample *sample);
    void (*fed)(void *arg);                          /* after the last one of a job */
    void (*inventory)(void *arg, const char *agent); /* a new version was stored */
    void *arg;
};

/* Store and stats are borrowed. */
struct phu_ingest *phu_ingest_new(struct phu_sched *sched, struct phu_store *store,
                                  const struct phu_ingest_conf *conf,
                                  const struct phu_ingest_taps *taps, struct phu_stats *stats);
/* Nothing is under way any more (phu_ingest_drain). */
void phu_ingest_free(struct phu_ingest *ingest);

/* Routes: POST /write and /api/v2/write; PUT /api/v1/agents/:id/inventory. */
void phu_ingest_write(void *ingest, struct phu_request *request);
void phu_ingest_inventory(void *ingest, struct phu_request *request);

/* From now on everything is answered 503; `done` is called, maybe at once, when what was taken has
 * been stored and answered. */
void phu_ingest_drain(struct phu_ingest *ingest, void (*done)(void *arg), void *arg);

/* Why nothing can be stored at the moment, or NULL. */
const char *phu_ingest_trouble(const struct phu_ingest *ingest);
