/* Which lines are next: from the spool's two lanes into slots, and back. Private to exporters/feed.
 *
 * Live data go first. Lines of the live lane are due when they fill a batch or have waited for
 * batch_age. After an outage longer than live_after the reader leaves what is behind to its
 * backfill lane; while live lines wait too, backfill gets its share of the bytes by `balance`, and
 * it never takes the last slot of several, so that a slow answer does not hold up live data.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct phu_feed;
struct phu_feed_slot;

void phu_lanes_init(struct phu_feed *feed);
void phu_lanes_fini(struct phu_feed *feed);

/* The spool has durable lines; `arg` is the feed. Wakes it. */
void phu_lanes_ready(void *arg);
/* What has arrived is due at once. */
void phu_lanes_hurry(struct phu_feed *feed);
/* Before lines are taken: does what an outage left to be done, and notices what arrived meanwhile.
 */
void phu_lanes_look(struct phu_feed *feed);
/* Fills a free slot with the span that is next; false when nothing is to be sent now. */
bool phu_lanes_take(struct phu_feed *feed, struct phu_feed_slot *slot);

/* Both end the slot's hold on its span and free the slot: the span goes back to its lane,
 * untouched; or each of its lines is stored or buried, and the spool is told. */
void phu_lanes_return(struct phu_feed_slot *slot);
void phu_lanes_acknowledge(struct phu_feed_slot *slot);

/* Bytes of live lines that are durable and in no slot. */
uint64_t phu_lanes_waiting_bytes(const struct phu_feed *feed);
