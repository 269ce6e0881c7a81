/* See feed.h.
 *
 * A feed has as many slots as requests may be in flight. A slot takes a span of lines from the
 * reader and works on it until each line is stored or buried: usually that is one request; after a
 * refusal it is the pieces that split.h cuts (outcome.h). The span is acknowledged when its lines
 * at fault, if there are any, are on the disk (burial.h).
 *
 * A span that failed before any of it was settled goes back to the spool, so that an outage costs
 * no memory and the next attempt may take fewer lines.
 *
 * This file opens and closes a feed and sends; which lines are next is lanes.h, when to send and
 * how much is pace.h, and what follows from an answer is outcome.h.
 */
#include "feed.h"

#include "burial.h"
#include "internal.h"
#include "lanes.h"
#include "outcome.h"
#include "pace.h"

#include "phusong/stats.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

void phu_feed_wake(struct phu_feed *feed)
{
    if (!phu_timer_is_armed(&feed->wake))
        phu_timer_after(feed->sched, &feed->wake, 0);
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

    if (begun && feed->fruitless < PHU_FEED_FRUITLESS_MAX)
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
    feed->exporter->send(feed->self, &slot->batch, phu_feed_request_done, slot);
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

void phu_feed_hurry(struct phu_feed *feed)
{
    phu_lanes_hurry(feed);
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

void phu_feed_announce(struct phu_feed *feed, const char *text, size_t length)
{
    if (feed->exporter->announce)
        feed->exporter->announce(feed->self, text, length);
}
