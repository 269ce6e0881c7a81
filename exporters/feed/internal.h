/* A feed and its slots, as the files of exporters/feed share them. */
#pragma once

#include "feed.h"

#include "backoff.h"
#include "split.h"

#include "phusong/exporter.h"
#include "phusong/sched.h"
#include "phusong/spool.h"

#define PHU_FEED_SLOTS_MAX 16
#define PHU_FEED_CODES_MAX 24
#define PHU_FEED_REASON_MAX 400
/* Lines refused alone, of batches of which nothing was stored, until "it refuses everything". */
#define PHU_FEED_FRUITLESS_MAX 16

enum phu_feed_slot_state {
    PHU_FEED_SLOT_FREE,
    PHU_FEED_SLOT_READY,    /* has pieces to send */
    PHU_FEED_SLOT_SENDING,  /* `piece` is at the exporter */
    PHU_FEED_SLOT_BURYING,  /* `dead` is on its way to the disk */
    PHU_FEED_SLOT_UNBURIED, /* ... and did not get there: to be tried again */
};

struct phu_feed_slot {
    struct phu_feed *feed;
    enum phu_feed_slot_state state;
    struct phu_span span;
    struct phu_split split;
    struct phu_piece piece;
    struct phu_batch batch;
    bool is_probe;   /* sent while the destination was not up */
    bool is_settled; /* some line of the span is stored, or in `dead` */
    bool has_stored; /* some line is stored */
    int64_t refusals;
    char *dead; /* text for the dead-letter file */
    size_t dead_length, dead_size, dead_lines;
    char dead_reason[PHU_FEED_REASON_MAX]; /* of the last heading in `dead` */
};

enum phu_feed_state {
    PHU_FEED_UP,
    PHU_FEED_DOWN, /* no answer, or "not now" */
    PHU_FEED_HELD, /* it does not know us, or refuses every line */
};

struct phu_feed_code {
    int status;
    int64_t count;
};

struct phu_feed_count {
    int64_t lines, bytes, retries, dead_lines, skips, in_flight;
    struct phu_feed_code codes[PHU_FEED_CODES_MAX];
    size_t code_count;
};

struct phu_feed {
    struct phu_sched *sched;
    struct phu_stats *stats;
    struct phu_feed_conf conf;
    char *name;
    const struct phu_exporter *exporter;
    void *self;
    struct phu_spool_reader *reader;
    struct phu_timer wake;
    struct phu_feed_count count;
    struct phu_feed_slot slots[PHU_FEED_SLOTS_MAX];

    /* pace.c */
    enum phu_feed_state state;
    struct phu_backoff backoff;
    struct phu_timer retry;
    struct phu_mono retry_due, not_up_since, ceiling_set;
    bool is_probe_due, is_outage_said;
    size_t limit_bytes;
    size_t ceiling_bytes; /* 0 when nothing was too large */

    /* lanes.c */
    struct phu_timer age;
    struct phu_mono age_began, skipped;
    bool has_data[2]; /* by lane; false: empty until `ready` */
    bool is_live_due; /* what is in the live lane has waited long enough */
    bool wants_skip;  /* set by pace.c after a long outage */
    bool was_skipped;
    double balance; /* bytes that backfill may send beside live data */

    /* outcome.c */
    unsigned fruitless; /* lines refused alone, of spans of which nothing was stored */

    /* burial.c */
    struct phu_append *dead_letters;
    struct phu_timer bury_again;
    struct phu_mono dead_said;
    bool was_dead_said, is_burial_failing;
};

/* Looks for something to send, soon: from the loop, not from here. */
void phu_feed_wake(struct phu_feed *feed);

void phu_feed_add_stats(struct phu_feed *feed);
/* Counts a request that ended with `status`; 0: without an answer. */
void phu_feed_count_answer(struct phu_feed *feed, int status);
