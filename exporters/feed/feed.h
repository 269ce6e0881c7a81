/* A feed carries the lines of the spool to one destination, at that destination's own pace.
 *
 * It sits between one reader of the spool and one exporter that sends, and does what is the same
 * for every destination: batches by count, bytes and age; several requests in flight; back-off with
 * full jitter; halving what is too large; finding the lines of a refused batch that are at fault
 * and setting those aside in the dead-letter file; holding everything while the destination does
 * not know us; live data first after a long outage, with the backlog at a bounded share beside it.
 *
 * A line is acknowledged to the spool only when the destination said it has it, or when it lies
 * durably in the dead-letter file.
 *
 *     phu_feed_open(&env, &conf, &phu_exporter_influx, &influx_conf, &feed);
 *     ... the loop runs; the feed wakes when the spool has durable lines ...
 *     phu_feed_close(feed);
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct phu_exporter;
struct phu_feed;
struct phu_http_client;
struct phu_option_table;
struct phu_sched;
struct phu_spool;
struct phu_stats;

/* Keys that stand beside the exporter's own in an entry of `exporters` → struct phu_feed_conf. */
extern const struct phu_option_table phu_feed_options;

struct phu_feed_conf {
    int64_t batch_lines, batch_bytes; /* at most so much in one request */
    int64_t batch_age_ns;             /* how long lines wait for the batch to fill */
    int64_t concurrency;              /* requests in flight */
    int64_t retry_min_ns, retry_max_ns;
    int64_t hold_retry_ns;  /* pace of the attempts while the destination does not know us */
    int64_t live_after_ns;  /* outage after which live data go first */
    double backfill_share;  /* of the bytes sent while live data wait too */
    int64_t split_requests; /* spent at most on the bad lines of one batch */
    int64_t dead_letter_bytes;
};

/* Strings are copied; the rest is borrowed until phu_feed_close(). */
struct phu_feed_env {
    struct phu_sched *sched;
    struct phu_http_client *http;
    struct phu_stats *stats;
    struct phu_spool *spool;
    const char *agent;           /* agent.id */
    const char *name;            /* of this destination; also of its reader and its dead letters */
    const char *dead_letter_dir; /* STATE_DIR/dead-letter; NAME/ below it is created when needed */
    uint64_t seed;               /* of the jitter; 0: from the kernel */
};

/* Opens the exporter (whose `send` is not NULL) and the reader, and starts. `exporter_conf` is a
 * struct of exporter->options and is borrowed, `conf` is copied. */
int phu_feed_open(const struct phu_feed_env *env, const struct phu_feed_conf *conf,
                  const struct phu_exporter *exporter, const void *exporter_conf,
                  struct phu_feed **out);
/* The lines that are durable by now do not wait for their batch to fill: an event is among them. */
void phu_feed_hurry(struct phu_feed *feed);
/* What is in flight is dropped without an acknowledgement and sent again after the next open. To be
 * called before phu_spool_close(). NULL is harmless. */
void phu_feed_close(struct phu_feed *feed);
/* Tells the exporter what the agent measures, if it wants to know. */
void phu_feed_announce(struct phu_feed *feed, const char *text, size_t length);
