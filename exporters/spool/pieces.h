/* What a reader still has to deliver: an ordered list of stretches of the spool, each waiting or in
 * flight. Delivered stretches are simply not there any more. Pure logic, no files.
 *
 *     live only:            [ 5000 … ∞ live )
 *     one span in flight:   [ 5000 … 5800 live id 1 ) [ 5800 … ∞ live )
 *     skipped to live data: [ 5800 … 9000 backfill ) [ 9000 … ∞ live )
 */
#pragma once

#include "cursor.h"

#include "phusong/spool.h"

struct phu_piece {
    uint64_t start, end; /* end UINT64_MAX: all that is still to come */
    enum phu_spool_lane lane;
    uint64_t id; /* of the span in flight, 0 while waiting */
    struct phu_wall oldest;
};

struct phu_pieces {
    struct phu_piece *items;
    size_t count, capacity;
    uint64_t last_id;
};

void phu_pieces_fini(struct phu_pieces *pieces);
void phu_pieces_from_cursor(struct phu_pieces *pieces, const struct phu_cursor *cursor);
/* Fills live and ranges; neighbours are merged while there are too many, which re-sends what lies
 * between them. */
void phu_pieces_to_cursor(const struct phu_pieces *pieces, struct phu_cursor *cursor);

/* The first waiting piece of the lane that begins at `from` or later; NULL when there is none. */
struct phu_piece *phu_pieces_waiting(struct phu_pieces *pieces, enum phu_spool_lane lane,
                                     uint64_t from);
/* [piece->start, end) goes into flight; the rest of the piece goes on waiting. Returns its id. */
uint64_t phu_pieces_take(struct phu_pieces *pieces, struct phu_piece *piece, uint64_t end,
                         struct phu_wall oldest);
/* False when there is no such span. */
bool phu_pieces_ack(struct phu_pieces *pieces, uint64_t id);
bool phu_pieces_return(struct phu_pieces *pieces, uint64_t id);
/* Everything before `live` becomes backfill, live data begin there. */
void phu_pieces_skip_to(struct phu_pieces *pieces, uint64_t live);
/* Waiting parts below `start` are gone from the disk. */
void phu_pieces_forget_below(struct phu_pieces *pieces, uint64_t start);
/* Start of the first piece. */
uint64_t phu_pieces_low(const struct phu_pieces *pieces);
/* The first live piece's start. */
uint64_t phu_pieces_live(const struct phu_pieces *pieces);
