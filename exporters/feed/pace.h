/* When a feed may send, and how much at once. Private to exporters/feed.
 *
 * The destination is UP, DOWN (no answer, or "not now") or HELD (it does not know us, or refuses
 * every line). Unless it is UP there is one request at a time, the probe, when `retry` fires: after
 * a back-off with full jitter while DOWN, at the pace of hold_retry while HELD.
 *
 * `limit_bytes` is halved by each failure, which is what gets data through an uplink too thin for a
 * full batch, and doubled by each success. `ceiling_bytes` is what a 413 taught; it is forgotten
 * after a while, as servers change.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct phu_feed;
struct phu_feed_slot;
struct phu_outcome;

/* `seed` is of the jitter; 0: from the kernel. The configuration and the scheduler are set. */
void phu_pace_init(struct phu_feed *feed, uint64_t seed);
void phu_pace_fini(struct phu_feed *feed);

/* What an answer says about the destination: it is there; it does not take lines now; it takes none
 * until somebody puts it right, as `message` says in the log. */
void phu_pace_up(struct phu_feed *feed);
void phu_pace_down(struct phu_feed *feed, const struct phu_feed_slot *slot,
                   const struct phu_outcome *outcome);
void phu_pace_hold(struct phu_feed *feed, const struct phu_outcome *outcome, const char *message);

/* Whether one more request may go out now. */
bool phu_pace_may_send(const struct phu_feed *feed);

/* At most so much in the next request; and what moves that: a request of so many bytes without an
 * answer, a success, a request of so many bytes that was too large. */
size_t phu_pace_bytes(const struct phu_feed *feed);
void phu_pace_shrink(struct phu_feed *feed, size_t failed_bytes);
void phu_pace_grow(struct phu_feed *feed);
void phu_pace_learn_ceiling(struct phu_feed *feed, size_t refused_bytes);
