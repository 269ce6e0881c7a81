/* See split.h. The pieces lie in an array in the order of the body; one taken from the back and
 * halved goes to the back again, so each end is a stack one level deep per halving.
 */
#include "split.h"

#include <assert.h>
#include <string.h>

void phu_split_init(struct phu_split *split, const char *body, size_t length, size_t lines)
{
    *split = (struct phu_split){.body = body, .count = length > 0};
    split->pieces[0] = (struct phu_piece){.start = 0, .length = length, .lines = lines};
}

/* Pieces keep the order of the body, so a piece finds its own place again. */
void phu_split_return(struct phu_split *split, const struct phu_piece *piece)
{
    size_t place = split->count;

    assert(split->count < PHU_SPLIT_PIECES);
    while (place > 0 && split->pieces[place - 1].start > piece->start)
        place--;
    memmove(&split->pieces[place + 1], &split->pieces[place],
            (split->count - place) * sizeof *split->pieces);
    split->pieces[place] = *piece;
    split->count++;
}

/* Bytes that `lines` lines take from `start` on. */
static size_t lines_length(const char *start, size_t length, size_t lines)
{
    const char *cursor = start, *end = start + length;

    while (lines-- > 0 && cursor < end) {
        const char *newline = memchr(cursor, '\n', (size_t)(end - cursor));

        cursor = newline ? newline + 1 : end;
    }
    return (size_t)(cursor - start);
}

static void cut(const struct phu_split *split, const struct phu_piece *piece, size_t lines,
                struct phu_piece *front, struct phu_piece *back)
{
    size_t length = lines_length(split->body + piece->start, piece->length, lines);

    *front = (struct phu_piece){.start = piece->start, .length = length, .lines = lines};
    *back = (struct phu_piece){.start = piece->start + length,
                               .length = piece->length - length,
                               .lines = piece->lines - lines};
}

bool phu_split_halve(struct phu_split *split, const struct phu_piece *piece)
{
    struct phu_piece front, back;

    if (piece->lines <= 1)
        return false;
    cut(split, piece, piece->lines / 2, &front, &back);
    phu_split_return(split, &back);
    phu_split_return(split, &front);
    return true;
}

/* How many whole lines of the piece fit into `limit` bytes; at least one. */
static size_t lines_within(const struct phu_split *split, const struct phu_piece *piece,
                           size_t limit)
{
    const char *start = split->body + piece->start, *cursor = start;
    const char *end = start + piece->length;
    size_t lines = 0;

    while (cursor < end && lines < piece->lines) {
        const char *newline = memchr(cursor, '\n', (size_t)(end - cursor));
        const char *next = newline ? newline + 1 : end;

        if (lines > 0 && (size_t)(next - start) > limit)
            break;
        cursor = next;
        lines++;
    }
    return lines;
}

/* From the front as much as fits, so that a smaller limit costs few requests more. */
static void trim_front(struct phu_split *split, size_t limit, struct phu_piece *piece)
{
    struct phu_piece whole = *piece, rest;
    size_t lines = piece->length > limit ? lines_within(split, piece, limit) : piece->lines;

    if (lines == piece->lines)
        return;
    cut(split, &whole, lines, piece, &rest);
    phu_split_return(split, &rest);
}

/* From the back by halves: what is left lies in front of it and each end stays a stack. */
static void trim_back(struct phu_split *split, size_t limit, struct phu_piece *piece)
{
    while (piece->length > limit && piece->lines > 1) {
        struct phu_piece whole = *piece, rest;

        cut(split, &whole, whole.lines / 2, &rest, piece);
        phu_split_return(split, &rest);
    }
}

bool phu_split_take(struct phu_split *split, size_t limit, bool is_both_ends,
                    struct phu_piece *piece)
{
    bool is_back = is_both_ends && split->is_back_next;

    if (split->count == 0)
        return false;
    split->is_back_next = is_both_ends && !split->is_back_next;
    if (is_back) {
        *piece = split->pieces[--split->count];
        trim_back(split, limit, piece);
    } else {
        *piece = split->pieces[0];
        memmove(&split->pieces[0], &split->pieces[1], --split->count * sizeof *split->pieces);
        trim_front(split, limit, piece);
    }
    return true;
}
