/* What follows from a destination's answer. Private to exporters/feed.
 *
 *   stored               the piece is settled; the destination is up
 *   refused              halved, until the lines at fault are alone or split_requests are spent on
 *                        the span; what then is left over is buried
 *   too large            cut smaller, and all later requests with it; a single line is buried
 *   not now, not us      the piece goes back; the destination is down, or held
 *
 * A destination that refuses line after line while it stores none is held as well: it is more
 * likely the wrong one than all lines are wrong.
 */
#pragma once

#include <stddef.h>

struct phu_outcome;

/* The exporter's callback; `arg` is the slot that is being sent. May acknowledge and free it. */
void phu_feed_request_done(void *arg, const struct phu_outcome *outcome);

/* The destination's words, fit for quotes on one line of a log or a heading; returns `text`. */
const char *phu_feed_quote_reason(const struct phu_outcome *outcome, char *text, size_t size);
