/* See lanes.h. */
#include "lanes.h"

#include "internal.h"
#include "pace.h"

#include "phusong/log.h"

#include <stdlib.h>
#include <string.h>

#define MODULE "feed"

/* While lines wait for batch_age, the fill of the batch is looked at so many times. */
#define AGE_LOOKS 4

/* -- What waits ------------------------------------------------------------------------------- */

uint64_t phu_lanes_waiting_bytes(const struct phu_feed *feed)
{
    struct phu_spool_lag lag;
    uint64_t taken = 0;

    phu_spool_reader_lag(feed->reader, &lag);
    for (int64_t i = 0; i < feed->conf.concurrency; i++) {
        const struct phu_feed_slot *slot = &feed->slots[i];

        if (slot->state != PHU_FEED_SLOT_FREE && slot->span.lane == PHU_SPOOL_LIVE)
            taken += slot->span.length;
    }
    return lag.live_lines_bytes > taken ? lag.live_lines_bytes - taken : 0;
}

/* Whether what waits in the live lane is to be sent now: a batch's worth, or old enough. */
static bool is_batch_due(const struct phu_feed *feed)
{
    int64_t waited = phu_mono_since(phu_sched_now(feed->sched), feed->age_began);

    return waited >= feed->conf.batch_age_ns ||
           phu_lanes_waiting_bytes(feed) >= (uint64_t)feed->conf.batch_bytes;
}

static void look_at_age(struct phu_feed *feed)
{
    if (is_batch_due(feed)) {
        phu_timer_cancel(feed->sched, &feed->age);
        feed->is_live_due = true;
    } else {
        phu_timer_after(feed->sched, &feed->age, feed->conf.batch_age_ns / AGE_LOOKS);
    }
}

static void age_fired(struct phu_timer *timer)
{
    struct phu_feed *feed = phu_container_of(timer, struct phu_feed, age);

    look_at_age(feed);
    if (feed->is_live_due)
        phu_feed_wake(feed);
}

static void live_arrived(struct phu_feed *feed)
{
    feed->has_data[PHU_SPOOL_LIVE] = true;
    if (feed->is_live_due || phu_timer_is_armed(&feed->age))
        return;
    feed->age_began = phu_sched_now(feed->sched);
    look_at_age(feed);
}

void phu_lanes_ready(void *arg)
{
    struct phu_feed *feed = arg;

    feed->has_data[PHU_SPOOL_BACKFILL] = true;
    live_arrived(feed);
    phu_feed_wake(feed);
}

void phu_lanes_hurry(struct phu_feed *feed)
{
    if (phu_lanes_waiting_bytes(feed) == 0)
        return;
    phu_timer_cancel(feed->sched, &feed->age);
    feed->has_data[PHU_SPOOL_LIVE] = true;
    feed->is_live_due = true;
    phu_feed_wake(feed);
}

/* -- What is done with ------------------------------------------------------------------------ */

static void free_slot(struct phu_feed_slot *slot)
{
    free(slot->dead);
    *slot = (struct phu_feed_slot){.feed = slot->feed};
}

void phu_lanes_acknowledge(struct phu_feed_slot *slot)
{
    phu_spool_reader_ack(slot->feed->reader, &slot->span);
    free_slot(slot);
    phu_feed_wake(slot->feed);
}

void phu_lanes_return(struct phu_feed_slot *slot)
{
    struct phu_feed *feed = slot->feed;

    feed->has_data[slot->span.lane] = true;
    if (slot->span.lane == PHU_SPOOL_LIVE)
        feed->is_live_due = true;
    phu_spool_reader_return(feed->reader, &slot->span);
    free_slot(slot);
}

/* -- What is taken ---------------------------------------------------------------------------- */

static void skip_to_live(struct phu_feed *feed)
{
    struct phu_spool_lag lag;
    int error = phu_spool_reader_skip_to_live(feed->reader);

    feed->wants_skip = false;
    feed->was_skipped = true;
    feed->skipped = phu_sched_now(feed->sched);
    if (error < 0) {
        phu_log_warn(MODULE, "cannot put live data first; sending in order",
                     "exporter=%s error=\"%s\"", feed->name, strerror(-error));
        return;
    }
    phu_spool_reader_lag(feed->reader, &lag);
    feed->count.skips++;
    feed->has_data[PHU_SPOOL_BACKFILL] = true;
    phu_log_info(MODULE, "live data go first, the backlog beside them",
                 "exporter=%s backlog_bytes=%llu", feed->name,
                 (unsigned long long)lag.backfill_bytes);
}

void phu_lanes_look(struct phu_feed *feed)
{
    if (feed->wants_skip)
        skip_to_live(feed);
    /* `ready` is not promised for the live lane while the backlog is being read. */
    if (!feed->has_data[PHU_SPOOL_LIVE] && phu_lanes_waiting_bytes(feed) > 0)
        live_arrived(feed);
}

/* Behind without an outage that this process saw: it was itself away, or the uplink is slower than
 * what is measured. More than the next few requests must wait, else there is nothing to gain. */
static bool is_far_behind(const struct phu_feed *feed, const struct phu_span *span)
{
    int64_t after = feed->conf.live_after_ns;

    if (phu_sched_wall(feed->sched).ns - span->oldest.ns <= after)
        return false;
    if (feed->was_skipped && phu_mono_since(phu_sched_now(feed->sched), feed->skipped) <= after)
        return false;
    return phu_lanes_waiting_bytes(feed) >
           (uint64_t)feed->conf.concurrency * (uint64_t)feed->conf.batch_bytes;
}

static bool backfill_may_have_slot(const struct phu_feed *feed)
{
    int64_t used = 0;

    for (int64_t i = 0; i < feed->conf.concurrency; i++)
        used += feed->slots[i].state != PHU_FEED_SLOT_FREE &&
                feed->slots[i].span.lane == PHU_SPOOL_BACKFILL;
    return feed->conf.concurrency == 1 ? used == 0 : used < feed->conf.concurrency - 1;
}

static bool take_from(struct phu_feed *feed, struct phu_feed_slot *slot, enum phu_spool_lane lane)
{
    int error = phu_spool_reader_next(feed->reader, lane, (size_t)feed->conf.batch_lines,
                                      phu_pace_bytes(feed), &slot->span);

    if (error < 0) {
        feed->has_data[lane] = false;
        if (lane == PHU_SPOOL_LIVE)
            feed->is_live_due = false;
        return false;
    }
    slot->state = PHU_FEED_SLOT_READY;
    phu_split_init(&slot->split, slot->span.body, slot->span.length, slot->span.line_count);
    return true;
}

static bool take_live(struct phu_feed *feed, struct phu_feed_slot *slot)
{
    double share = feed->conf.backfill_share;

    if (!feed->has_data[PHU_SPOOL_LIVE] || !feed->is_live_due)
        return false;
    if (!take_from(feed, slot, PHU_SPOOL_LIVE))
        return false;
    if (is_far_behind(feed, &slot->span)) {
        phu_lanes_return(slot);
        skip_to_live(feed);
        return take_from(feed, slot, PHU_SPOOL_LIVE);
    }
    if (feed->has_data[PHU_SPOOL_BACKFILL])
        feed->balance += (double)slot->span.length * share / (1 - share);
    if (feed->balance > (double)feed->conf.batch_bytes / (1 - share))
        feed->balance = (double)feed->conf.batch_bytes / (1 - share);
    return true;
}

static bool take_backfill(struct phu_feed *feed, struct phu_feed_slot *slot)
{
    bool is_live_waiting = feed->has_data[PHU_SPOOL_LIVE] && feed->is_live_due;

    if (!feed->has_data[PHU_SPOOL_BACKFILL] || !backfill_may_have_slot(feed))
        return false;
    if (!take_from(feed, slot, PHU_SPOOL_BACKFILL))
        return false;
    if (is_live_waiting)
        feed->balance -= (double)slot->span.length;
    return true;
}

bool phu_lanes_take(struct phu_feed *feed, struct phu_feed_slot *slot)
{
    if (feed->balance > 0 && take_backfill(feed, slot))
        return true;
    return take_live(feed, slot) || take_backfill(feed, slot);
}

/* -- Its life --------------------------------------------------------------------------------- */

void phu_lanes_init(struct phu_feed *feed)
{
    phu_timer_init(&feed->age, age_fired);
}

void phu_lanes_fini(struct phu_feed *feed)
{
    phu_timer_cancel(feed->sched, &feed->age);
}
