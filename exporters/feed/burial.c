/* See burial.h. */
#include "burial.h"

#include "append.h"
#include "internal.h"
#include "lanes.h"
#include "outcome.h"

#include "phusong/log.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define MODULE "feed"

#define DEAD_LETTER_KEEP 3
#define DEAD_LETTER_SAID_NS (60 * PHU_NS_PER_S)
#define BURY_AGAIN_NS (10 * PHU_NS_PER_S)

static void add_dead_text(struct phu_feed_slot *slot, const char *text, size_t length)
{
    if (slot->dead_length + length > slot->dead_size) {
        slot->dead_size = 2 * (slot->dead_length + length);
        slot->dead = realloc(slot->dead, slot->dead_size);
        if (!slot->dead)
            abort();
    }
    memcpy(slot->dead + slot->dead_length, text, length);
    slot->dead_length += length;
}

/* The file is line protocol itself, the destination's words in comments: once the cause is mended
 * it can be sent as it is. */
void phu_burial_add(struct phu_feed_slot *slot, const struct phu_outcome *outcome)
{
    time_t now = (time_t)(phu_sched_wall(slot->feed->sched).ns / PHU_NS_PER_S);
    char reason[PHU_FEED_REASON_MAX], stamp[32], heading[PHU_FEED_REASON_MAX + 128];
    int length;
    struct tm utc;

    phu_feed_quote_reason(outcome, reason, sizeof reason);
    if (slot->dead_length == 0 || strcmp(reason, slot->dead_reason) != 0 || slot->piece.lines > 1) {
        gmtime_r(&now, &utc);
        strftime(stamp, sizeof stamp, "%Y-%m-%dT%H:%M:%SZ", &utc);
        length = snprintf(heading, sizeof heading, "# time=%s status=%d%s reason=\"%s\"\n", stamp,
                          outcome->status, slot->piece.lines > 1 ? " undivided" : "", reason);
        add_dead_text(slot, heading, (size_t)length);
        memcpy(slot->dead_reason, reason, sizeof reason);
    }
    add_dead_text(slot, slot->span.body + slot->piece.start, slot->piece.length);
    slot->dead_lines += slot->piece.lines;
    slot->is_settled = true;
}

static void say_buried(struct phu_feed *feed, size_t lines)
{
    struct phu_mono now = phu_sched_now(feed->sched);

    if (feed->is_burial_failing)
        phu_log_info(MODULE, "dead letters can be written again", "exporter=%s", feed->name);
    feed->is_burial_failing = false;
    feed->count.dead_lines += (int64_t)lines;
    if (feed->was_dead_said && phu_mono_since(now, feed->dead_said) < DEAD_LETTER_SAID_NS)
        return;
    feed->was_dead_said = true;
    feed->dead_said = now;
    phu_log_warn(MODULE, "destination refused lines; they are in the dead-letter file",
                 "exporter=%s lines=%zu total=%lld", feed->name, lines,
                 (long long)feed->count.dead_lines);
}

static void burial_done(void *arg, int error)
{
    struct phu_feed_slot *slot = arg;
    struct phu_feed *feed = slot->feed;

    if (error == 0) {
        say_buried(feed, slot->dead_lines);
        phu_lanes_acknowledge(slot);
        return;
    }
    if (!feed->is_burial_failing)
        phu_log_error(MODULE, "cannot write dead letters; their batch waits",
                      "exporter=%s error=\"%s\"", feed->name, strerror(-error));
    feed->is_burial_failing = true;
    slot->state = PHU_FEED_SLOT_UNBURIED;
    phu_timer_after(feed->sched, &feed->bury_again, BURY_AGAIN_NS);
}

void phu_burial_write(struct phu_feed_slot *slot)
{
    slot->state = PHU_FEED_SLOT_BURYING;
    if (phu_append_write(slot->feed->dead_letters, slot->dead, slot->dead_length, burial_done,
                         slot) < 0)
        abort();
}

static void bury_again_fired(struct phu_timer *timer)
{
    struct phu_feed *feed = phu_container_of(timer, struct phu_feed, bury_again);

    for (int64_t i = 0; i < feed->conf.concurrency; i++) {
        if (feed->slots[i].state == PHU_FEED_SLOT_UNBURIED)
            phu_burial_write(&feed->slots[i]);
    }
}

int phu_burial_open(struct phu_feed *feed, const char *dir)
{
    char path[PATH_MAX];
    int length = snprintf(path, sizeof path, "%s/%s/refused.lp", dir, feed->name);

    phu_timer_init(&feed->bury_again, bury_again_fired);
    if (length < 0 || (size_t)length >= sizeof path)
        return -ENAMETOOLONG;
    return phu_append_new(feed->sched,
                          &(struct phu_append_conf){.path = path,
                                                    .max_bytes = feed->conf.dead_letter_bytes /
                                                                 (DEAD_LETTER_KEEP + 1),
                                                    .keep = DEAD_LETTER_KEEP,
                                                    .mode = 0640},
                          &feed->dead_letters);
}

void phu_burial_close(struct phu_feed *feed)
{
    phu_timer_cancel(feed->sched, &feed->bury_again);
    phu_append_free(feed->dead_letters);
}
