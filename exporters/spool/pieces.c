/* See pieces.h. The list is short (spans in flight, and few ranges), so it is a plain array. */
#include "pieces.h"

#include <stdlib.h>
#include <string.h>

void phu_pieces_fini(struct phu_pieces *pieces)
{
    free(pieces->items);
    *pieces = (struct phu_pieces){0};
}

static void insert(struct phu_pieces *pieces, size_t place, const struct phu_piece *piece)
{
    if (pieces->count == pieces->capacity) {
        pieces->capacity = pieces->capacity ? pieces->capacity * 2 : 4;
        pieces->items = realloc(pieces->items, pieces->capacity * sizeof *pieces->items);
        if (!pieces->items)
            abort();
    }
    memmove(&pieces->items[place + 1], &pieces->items[place],
            (pieces->count - place) * sizeof *pieces->items);
    pieces->items[place] = *piece;
    pieces->count++;
}

static void remove_at(struct phu_pieces *pieces, size_t place)
{
    memmove(&pieces->items[place], &pieces->items[place + 1],
            (pieces->count - place - 1) * sizeof *pieces->items);
    pieces->count--;
}

void phu_pieces_from_cursor(struct phu_pieces *pieces, const struct phu_cursor *cursor)
{
    pieces->count = 0;
    for (size_t i = 0; i < cursor->range_count; i++)
        insert(pieces, pieces->count,
               &(struct phu_piece){.start = cursor->ranges[i].from,
                                   .end = cursor->ranges[i].to,
                                   .lane = PHU_SPOOL_BACKFILL});
    insert(pieces, pieces->count,
           &(struct phu_piece){.start = cursor->live, .end = UINT64_MAX, .lane = PHU_SPOOL_LIVE});
}

/* Makes one range of the two that are nearest to each other. */
static void merge_nearest(struct phu_cursor *cursor)
{
    size_t best = 0;

    for (size_t i = 1; i + 1 < cursor->range_count; i++) {
        if (cursor->ranges[i + 1].from - cursor->ranges[i].to <
            cursor->ranges[best + 1].from - cursor->ranges[best].to)
            best = i;
    }
    cursor->ranges[best].to = cursor->ranges[best + 1].to;
    memmove(&cursor->ranges[best + 1], &cursor->ranges[best + 2],
            (cursor->range_count - best - 2) * sizeof *cursor->ranges);
    cursor->range_count--;
}

void phu_pieces_to_cursor(const struct phu_pieces *pieces, struct phu_cursor *cursor)
{
    cursor->range_count = 0;
    cursor->live = phu_pieces_live(pieces);
    for (size_t i = 0; i < pieces->count; i++) {
        const struct phu_piece *piece = &pieces->items[i];

        if (piece->lane != PHU_SPOOL_BACKFILL)
            break;
        if (cursor->range_count && cursor->ranges[cursor->range_count - 1].to == piece->start) {
            cursor->ranges[cursor->range_count - 1].to = piece->end;
            continue;
        }
        if (cursor->range_count == PHU_CURSOR_RANGES_MOST)
            merge_nearest(cursor);
        cursor->ranges[cursor->range_count].from = piece->start;
        cursor->ranges[cursor->range_count].to = piece->end;
        cursor->range_count++;
    }
}

struct phu_piece *phu_pieces_waiting(struct phu_pieces *pieces, enum phu_spool_lane lane,
                                     uint64_t from)
{
    for (size_t i = 0; i < pieces->count; i++) {
        struct phu_piece *piece = &pieces->items[i];

        if (!piece->id && piece->lane == lane && piece->start >= from)
            return piece;
    }
    return NULL;
}

uint64_t phu_pieces_take(struct phu_pieces *pieces, struct phu_piece *piece, uint64_t end,
                         struct phu_wall oldest)
{
    size_t place = (size_t)(piece - pieces->items);
    struct phu_piece flying = *piece;

    flying.end = end;
    flying.id = ++pieces->last_id;
    flying.oldest = oldest;
    if (end < piece->end) {
        piece->start = end;
        insert(pieces, place, &flying);
    } else {
        *piece = flying;
    }
    return flying.id;
}

static size_t place_of(const struct phu_pieces *pieces, uint64_t id)
{
    size_t place = 0;

    while (place < pieces->count && pieces->items[place].id != id)
        place++;
    return id ? place : pieces->count;
}

bool phu_pieces_ack(struct phu_pieces *pieces, uint64_t id)
{
    size_t place = place_of(pieces, id);

    if (place == pieces->count)
        return false;
    remove_at(pieces, place);
    return true;
}

static bool is_joinable(const struct phu_piece *left, const struct phu_piece *right)
{
    return !left->id && !right->id && left->lane == right->lane && left->end == right->start;
}

static void join_after(struct phu_pieces *pieces, size_t place)
{
    if (place + 1 < pieces->count &&
        is_joinable(&pieces->items[place], &pieces->items[place + 1])) {
        pieces->items[place].end = pieces->items[place + 1].end;
        remove_at(pieces, place + 1);
    }
}

bool phu_pieces_return(struct phu_pieces *pieces, uint64_t id)
{
    size_t place = place_of(pieces, id);

    if (place == pieces->count)
        return false;
    pieces->items[place].id = 0;
    join_after(pieces, place);
    if (place > 0)
        join_after(pieces, place - 1);
    return true;
}

/* Keeps the list short: of waiting neighbours with a delivered gap between them, the nearest two
 * become one. */
static void merge_waiting(struct phu_pieces *pieces)
{
    uint64_t best_gap = UINT64_MAX;
    size_t best = 0;

    for (size_t i = 0; i + 1 < pieces->count; i++) {
        const struct phu_piece *left = &pieces->items[i], *right = left + 1;

        if (left->id || right->id || left->lane != PHU_SPOOL_BACKFILL ||
            right->lane != PHU_SPOOL_BACKFILL || right->start - left->end >= best_gap)
            continue;
        best_gap = right->start - left->end;
        best = i;
    }
    if (best_gap == UINT64_MAX)
        return;
    pieces->items[best].end = pieces->items[best + 1].end;
    remove_at(pieces, best + 1);
}

void phu_pieces_skip_to(struct phu_pieces *pieces, uint64_t live)
{
    struct phu_piece *last = &pieces->items[pieces->count - 1];

    if (last->start >= live) /* nothing was left behind, except what is in flight */
        live = last->start;
    for (size_t i = 0; i < pieces->count; i++)
        pieces->items[i].lane = PHU_SPOOL_BACKFILL;
    if (last->start < live) {
        last->end = live;
        if (pieces->count > 1)
            join_after(pieces, pieces->count - 2);
        insert(pieces, pieces->count, &(struct phu_piece){.start = live, .end = UINT64_MAX});
    }
    pieces->items[pieces->count - 1].lane = PHU_SPOOL_LIVE;
    if (pieces->count > PHU_CURSOR_RANGES_MOST)
        merge_waiting(pieces);
}

void phu_pieces_forget_below(struct phu_pieces *pieces, uint64_t start)
{
    for (size_t i = pieces->count; i-- > 0;) {
        struct phu_piece *piece = &pieces->items[i];

        if (piece->id || piece->start >= start)
            continue;
        piece->start = start;
        if (piece->end <= start)
            remove_at(pieces, i);
    }
}

uint64_t phu_pieces_low(const struct phu_pieces *pieces)
{
    return pieces->items[0].start;
}

uint64_t phu_pieces_live(const struct phu_pieces *pieces)
{
    size_t place = pieces->count - 1;

    while (place > 0 && pieces->items[place - 1].lane == PHU_SPOOL_LIVE)
        place--;
    return pieces->items[place].start;
}
