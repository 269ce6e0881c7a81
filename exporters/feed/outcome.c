/* See outcome.h. */
#include "outcome.h"

#include "burial.h"
#include "internal.h"
#include "lanes.h"
#include "pace.h"

#include <assert.h>
#include <stdio.h>

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
    if (slot->feed->fruitless < PHU_FEED_FRUITLESS_MAX)
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

void phu_feed_request_done(void *arg, const struct phu_outcome *outcome)
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
