/* See feed.h.
 *
 * A feed has as many slots as requests may be in flight. A slot takes a span of lines from the
 * reader and works on it until each line is stored or buried: usually that is one request; after a
 * refusal it is the pieces that split.h cuts. The span is acknowledged when its lines at fault, if
 * there are any, are on the disk (burial.h).
 *
 * A span that failed before any of it was settled goes back to the spool, so that an outage costs
 * no memory and the next attempt may take fewer lines.
 *
 * Which lines are next is lanes.h; when to send, and how much, is pace.h.
 */
#include "feed.h"

#include "burial.h"
#include "internal.h"
#include "lanes.h"
#include "pace.h"

#include "phusong/conf.h"
#include "phusong/log.h"
#include "phusong/stats.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MODULE "feed"

/* Lines refused alone, of batches of which nothing was stored, until "it refuses everything". */
#define FRUITLESS_MAX 16

void phu_feed_wake(struct phu_feed *feed)
{
    if (!phu_timer_is_armed(&feed->wake))
        phu_timer_after(feed->sched, &feed->wake, 0);
}

const char *phu_feed_quote_reason(const struct phu_outcome *outcome, char *text, size_t size)
{
    const char *reason = outcome->reason ? outcome->reason : "";

    snprintf(text, size, "%s", reason);
    for (char *c = text; *c; c++) {
        if (*c == '"')
            *c = '\'';
        else if ((unsigned char)*c < 0x20 || *c == 0x7f)
            *c = ' ';
    }
    return text;
}

/* -- Outcomes --------------------------------------------------------------------------------- */

/* The piece was neither taken nor refused. What has been found out about the rest is kept. */
static void give_back(struct phu_feed_slot *slot)
{
    phu_split_return(&slot->split, &slot->piece);
    if (!slot->is_settled && slot->refusals == 0)
        phu_lanes_return(slot);
}

static void handle_stored(struct phu_feed_slot *slot)
{
    struct phu_feed *feed = slot->feed;

    feed->count.lines += (int64_t)slot->piece.lines;
    feed->count.bytes += (int64_t)slot->piece.length;
    feed->fruitless = 0;
    slot->is_settled = slot->has_stored = true;
    phu_pace_up(feed);
    phu_pace_grow(feed);
}

/* The lines can be sent in no other way. */
static void give_up_piece(struct phu_feed_slot *slot, const struct phu_outcome *outcome)
{
    phu_burial_add(slot, outcome);
    slot->feed->fruitless += !slot->has_stored;
}

/* An answer about the lines, so the destination is there, unless it says no to all of them. */
static void note_refusal(struct phu_feed_slot *slot, const struct phu_outcome *outcome)
{
    slot->refusals++;
    if (slot->feed->fruitless < FRUITLESS_MAX)
        phu_pace_up(slot->feed);
    else
        phu_pace_hold(slot->feed, outcome,
                      "destination refuses every line; check its address and settings");
}

static void handle_refused(struct phu_feed_slot *slot, const struct phu_outcome *outcome)
{
    if (slot->piece.lines > 1 && slot->refusals < slot->feed->conf.split_requests)
        phu_split_halve(&slot->split, &slot->piece);
    else
        give_up_piece(slot, outcome);
    note_refusal(slot, outcome);
}

static void handle_too_large(struct phu_feed_slot *slot, const struct phu_outcome *outcome)
{
    if (slot->piece.lines > 1) {
        phu_pace_learn_ceiling(slot->feed, slot->piece.length);
        phu_split_return(&slot->split, &slot->piece);
    } else {
        give_up_piece(slot, outcome);
    }
    note_refusal(slot, outcome);
}

static void request_done(void *arg, const struct phu_outcome *outcome)
{
    struct phu_feed_slot *slot = arg;
    struct phu_feed *feed = slot->feed;

    assert(slot->state == PHU_FEED_SLOT_SENDING);
    slot->state = PHU_FEED_SLOT_READY;
    feed->count.in_flight--;
    phu_feed_count_answer(feed, outcome->status);
    switch (outcome->verdict) {
    case PHU_VERDICT_STORED:
        handle_stored(slot);
        break;
    case PHU_VERDICT_REFUSED:
        handle_refused(slot, outcome);
        break;
    case PHU_VERDICT_TOO_LARGE:
        handle_too_large(slot, outcome);
        break;
    case PHU_VERDICT_RETRY:
        feed->count.retries++;
        phu_pace_shrink(feed, slot->piece.length);
        phu_pace_down(feed, slot, outcome);
        give_back(slot);
        break;
    case PHU_VERDICT_UNAUTHORIZED:
        feed->count.retries++;
        phu_pace_hold(
            feed, outcome,
            "destination does not accept us; everything is held until its address, database "
            "and credentials are right");
        give_back(slot);
        break;
    }
    if (slot->state == PHU_FEED_SLOT_READY && slot->split.count == 0) {
        if (slot->dead_length > 0)
            phu_burial_write(slot);
        else
            phu_lanes_acknowledge(slot);
    }
    phu_feed_wake(feed);
}

/* -- What to send next ------------------------------------------------------------------------ */

static struct phu_feed_slot *find_slot(struct phu_feed *feed, enum phu_feed_slot_state state)
{
    for (int64_t i = 0; i < feed->conf.concurrency; i++) {
        if (feed->slots[i].state == state)
            return &feed->slots[i];
    }
    return NULL;
}

/* What was begun is finished first, except when the destination seems to refuse everything: then
 * other lines may show that it does not. */
static struct phu_feed_slot *next_slot(struct phu_feed *feed)
{
    struct phu_feed_slot *begun = find_slot(feed, PHU_FEED_SLOT_READY);
    struct phu_feed_slot *free_one = find_slot(feed, PHU_FEED_SLOT_FREE);

    if (begun && feed->fruitless < FRUITLESS_MAX)
        return begun;
    if (free_one && phu_lanes_take(feed, free_one))
        return free_one;
    return begun;
}

static void send_piece(struct phu_feed *feed, struct phu_feed_slot *slot)
{
    bool is_taken =
        phu_split_take(&slot->split, phu_pace_bytes(feed), feed->fruitless > 0, &slot->piece);

    assert(is_taken);
    (void)is_taken;
    slot->state = PHU_FEED_SLOT_SENDING;
    slot->is_probe = feed->state != PHU_FEED_UP;
    slot->batch = (struct phu_batch){.body = slot->span.body + slot->piece.start,
                                     .length = slot->piece.length,
                                     .line_count = slot->piece.lines,
                                     .is_backfill = slot->span.lane == PHU_SPOOL_BACKFILL};
    feed->is_probe_due = false;
    feed->count.in_flight++;
    feed->exporter->send(feed->self, &slot->batch, request_done, slot);
}

static void wake_fired(struct phu_timer *timer)
{
    struct phu_feed *feed = phu_container_of(timer, struct phu_feed, wake);

    phu_lanes_look(feed);
    while (phu_pace_may_send(feed)) {
        struct phu_feed_slot *slot = next_slot(feed);

        if (!slot)
            break;
        send_piece(feed, slot);
    }
}

/* -- Opening and closing ---------------------------------------------------------------------- */

static int open_exporter(struct phu_feed *feed, const struct phu_feed_env *env, const void *conf)
{
    struct phu_exporter_env exporter_env = {.sched = env->sched,
                                            .http = env->http,
                                            .stats = env->stats,
                                            .agent = env->agent,
                                            .name = feed->name};

    return feed->exporter->open(&exporter_env, conf, &feed->self);
}

static void init_feed(struct phu_feed *feed, const struct phu_feed_env *env)
{
    feed->sched = env->sched;
    feed->stats = env->stats;
    phu_pace_init(feed, env->seed);
    phu_timer_init(&feed->wake, wake_fired);
    phu_lanes_init(feed);
    for (size_t i = 0; i < PHU_FEED_SLOTS_MAX; i++)
        feed->slots[i].feed = feed;
}

int phu_feed_open(const struct phu_feed_env *env, const struct phu_feed_conf *conf,
                  const struct phu_exporter *exporter, const void *exporter_conf,
                  struct phu_feed **out)
{
    struct phu_feed *feed = calloc(1, sizeof *feed);
    int error;

    assert(exporter->send && conf->concurrency >= 1 && conf->concurrency <= PHU_FEED_SLOTS_MAX);
    if (!feed || !(feed->name = strdup(env->name)))
        abort();
    feed->conf = *conf;
    feed->exporter = exporter;
    init_feed(feed, env);
    error = phu_burial_open(feed, env->dead_letter_dir);
    if (error < 0)
        goto free_feed;
    error = open_exporter(feed, env, exporter_conf);
    if (error < 0)
        goto close_burial;
    error = phu_spool_reader_open(env->spool, feed->name, phu_lanes_ready, feed, &feed->reader);
    if (error < 0)
        goto close_exporter;
    phu_feed_add_stats(feed);
    phu_lanes_ready(feed);
    *out = feed;
    return 0;

close_exporter:
    exporter->close(feed->self);
close_burial:
    phu_burial_close(feed);
free_feed:
    free(feed->name);
    free(feed);
    return error;
}

void phu_feed_close(struct phu_feed *feed)
{
    if (!feed)
        return;
    phu_timer_cancel(feed->sched, &feed->wake);
    phu_lanes_fini(feed);
    phu_pace_fini(feed);
    feed->exporter->close(feed->self);
    phu_burial_close(feed);
    for (size_t i = 0; i < PHU_FEED_SLOTS_MAX; i++) {
        if (feed->slots[i].state != PHU_FEED_SLOT_FREE)
            phu_lanes_return(&feed->slots[i]);
    }
    phu_spool_reader_close(feed->reader);
    phu_stats_remove_within(feed->stats, feed, sizeof *feed);
    free(feed->name);
    free(feed);
}
