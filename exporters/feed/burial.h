/* What becomes of lines that the destination refuses for good. Private to exporters/feed.
 *
 * They are collected as text in their slot, with the destination's words above them. When nothing
 * of the span is left to send, the text is appended to the dead-letter file; once it is there the
 * span is acknowledged. When it cannot be written the slot keeps it and tries again: no line is
 * given up for want of space. The log tells of dead letters at most once a minute, the count of
 * all.
 */
#pragma once

struct phu_feed;
struct phu_feed_slot;
struct phu_outcome;

/* The file is DIR/NAME/refused.lp; missing folders are created. */
int phu_burial_open(struct phu_feed *feed, const char *dir);
/* What is being written when this is called is not acknowledged. */
void phu_burial_close(struct phu_feed *feed);

/* Adds the slot's piece, refused with `outcome`; it then counts as settled. */
void phu_burial_add(struct phu_feed_slot *slot, const struct phu_outcome *outcome);
/* Writes what was added, and acknowledges the span and frees the slot when it is done. */
void phu_burial_write(struct phu_feed_slot *slot);
