/* See pace.h. */
#include "pace.h"

#include "internal.h"
#include "outcome.h"

#include "phusong/log.h"

#include <sys/random.h>

#define MODULE "feed"

#define LIMIT_FLOOR_BYTES 16384
#define CEILING_KEPT_NS (600 * PHU_NS_PER_S)

/* -- The state of the destination ------------------------------------------------------------- */

static void try_again_after(struct phu_feed *feed, int64_t delay_ns)
{
    feed->retry_due = phu_mono_add(phu_sched_now(feed->sched), delay_ns);
    feed->is_probe_due = false;
    phu_timer_at(feed->sched, &feed->retry, feed->retry_due);
}

void phu_pace_up(struct phu_feed *feed)
{
    int64_t outage_ns;

    if (feed->state == PHU_FEED_UP)
        return;
    outage_ns = phu_mono_since(phu_sched_now(feed->sched), feed->not_up_since);
    if (feed->is_outage_said)
        phu_log_info(MODULE, "destination takes lines again", "exporter=%s outage_s=%.1f",
                     feed->name, (double)outage_ns / (double)PHU_NS_PER_S);
    feed->is_outage_said = false;
    feed->state = PHU_FEED_UP;
    feed->is_probe_due = false;
    phu_timer_cancel(feed->sched, &feed->retry);
    phu_backoff_succeed(&feed->backoff);
    if (outage_ns >= feed->conf.live_after_ns)
        feed->wants_skip = true;
}

static void leave_up(struct phu_feed *feed, enum phu_feed_state state)
{
    if (feed->state == PHU_FEED_UP)
        feed->not_up_since = phu_sched_now(feed->sched);
    feed->state = state;
}

/* Requests that were on their way when the first one failed say nothing new; only a later time
 * that the destination asks for is obeyed. One failure is a blip, counted; the second is said. */
void phu_pace_down(struct phu_feed *feed, const struct phu_feed_slot *slot,
                   const struct phu_outcome *outcome)
{
    int64_t left = phu_mono_since(feed->retry_due, phu_sched_now(feed->sched));
    char reason[PHU_FEED_REASON_MAX];
    int64_t delay;

    if (feed->state != PHU_FEED_UP && !slot->is_probe && outcome->retry_after_ns <= left)
        return;
    if (feed->state == PHU_FEED_UP || slot->is_probe)
        delay = phu_backoff_fail(&feed->backoff, outcome->retry_after_ns);
    else
        delay = outcome->retry_after_ns < PHU_BACKOFF_WISH_MAX_NS ? outcome->retry_after_ns
                                                                  : PHU_BACKOFF_WISH_MAX_NS;
    if (feed->state == PHU_FEED_HELD && delay < feed->conf.hold_retry_ns)
        delay = feed->conf.hold_retry_ns;
    if (slot->is_probe && !feed->is_outage_said) {
        phu_log_warn(MODULE, "destination does not take lines; they stay in the spool",
                     "exporter=%s status=%d reason=\"%s\" retry_s=%.1f", feed->name,
                     outcome->status, phu_feed_quote_reason(outcome, reason, sizeof reason),
                     (double)delay / (double)PHU_NS_PER_S);
        feed->is_outage_said = true;
    }
    if (feed->state == PHU_FEED_UP)
        leave_up(feed, PHU_FEED_DOWN);
    try_again_after(feed, delay);
}

void phu_pace_hold(struct phu_feed *feed, const struct phu_outcome *outcome, const char *message)
{
    int64_t pace = feed->conf.hold_retry_ns;
    int64_t delay = pace / 2 + phu_backoff_draw(&feed->backoff, pace / 2);
    char reason[PHU_FEED_REASON_MAX];

    if (feed->state != PHU_FEED_HELD)
        phu_log_error(MODULE, message, "exporter=%s status=%d reason=\"%s\"", feed->name,
                      outcome->status, phu_feed_quote_reason(outcome, reason, sizeof reason));
    feed->is_outage_said = true;
    leave_up(feed, PHU_FEED_HELD);
    try_again_after(feed, delay);
}

static void retry_fired(struct phu_timer *timer)
{
    struct phu_feed *feed = phu_container_of(timer, struct phu_feed, retry);

    feed->is_probe_due = true;
    phu_feed_wake(feed);
}

bool phu_pace_may_send(const struct phu_feed *feed)
{
    if (feed->state == PHU_FEED_UP)
        return feed->count.in_flight < feed->conf.concurrency;
    return feed->is_probe_due && feed->count.in_flight == 0;
}

/* -- How much at once ------------------------------------------------------------------------- */

size_t phu_pace_bytes(const struct phu_feed *feed)
{
    size_t most = (size_t)feed->conf.batch_bytes;

    if (feed->ceiling_bytes > 0 && feed->ceiling_bytes < most)
        most = feed->ceiling_bytes;
    return feed->limit_bytes < most ? feed->limit_bytes : most;
}

void phu_pace_shrink(struct phu_feed *feed, size_t failed_bytes)
{
    size_t half = failed_bytes / 2 > LIMIT_FLOOR_BYTES ? failed_bytes / 2 : LIMIT_FLOOR_BYTES;

    /* What was small enough did not fail for its size. */
    if (failed_bytes > LIMIT_FLOOR_BYTES && half < feed->limit_bytes)
        feed->limit_bytes = half;
}

void phu_pace_grow(struct phu_feed *feed)
{
    struct phu_mono now = phu_sched_now(feed->sched);

    if (feed->limit_bytes < (size_t)feed->conf.batch_bytes)
        feed->limit_bytes *= 2;
    if (feed->ceiling_bytes > 0 && phu_mono_since(now, feed->ceiling_set) > CEILING_KEPT_NS) {
        feed->ceiling_bytes *= 2;
        feed->ceiling_set = now;
    }
}

void phu_pace_learn_ceiling(struct phu_feed *feed, size_t refused_bytes)
{
    size_t half = refused_bytes / 2;

    if (feed->ceiling_bytes == 0)
        phu_log_warn(MODULE, "destination finds a request too large; smaller ones from now on",
                     "exporter=%s bytes=%zu", feed->name, refused_bytes);
    if (feed->ceiling_bytes == 0 || half < feed->ceiling_bytes)
        feed->ceiling_bytes = half > 0 ? half : 1;
    feed->ceiling_set = phu_sched_now(feed->sched);
}

/* -- Its life --------------------------------------------------------------------------------- */

static uint64_t make_seed(void)
{
    uint64_t seed = 0;

    if (getrandom(&seed, sizeof seed, GRND_NONBLOCK) != sizeof seed)
        seed = (uint64_t)phu_mono_now().ns;
    return seed;
}

void phu_pace_init(struct phu_feed *feed, uint64_t seed)
{
    feed->limit_bytes = (size_t)feed->conf.batch_bytes;
    phu_backoff_init(&feed->backoff, feed->conf.retry_min_ns, feed->conf.retry_max_ns,
                     seed ? seed : make_seed());
    phu_timer_init(&feed->retry, retry_fired);
}

void phu_pace_fini(struct phu_feed *feed)
{
    phu_timer_cancel(feed->sched, &feed->retry);
}
