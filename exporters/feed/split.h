/* Finding the lines that a destination refuses: pure bookkeeping over one batch.
 *
 * A batch is sent whole. What is refused is cut in two by its number of lines and both halves are
 * sent again, until a refused piece is one line: that line is at fault, whatever the destination's
 * message says. k bad lines among n cost about 2k log2(n/k) requests.
 *
 *     phu_split_init(&split, body, length, lines);
 *     while (phu_split_take(&split, limit, &piece))
 *         if (refused(piece) && !phu_split_halve(&split, &piece))
 *             bury(piece);
 *
 * Pieces are taken from the front until a line has been refused alone; then from the front and the
 * back in turn until something is stored, so that a run of bad lines is soon told from a
 * destination that refuses everything.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* Enough for both ends of batches of PHU_SPLIT_LINES_MAX lines: two pieces per level of halving. */
#define PHU_SPLIT_PIECES 64
#define PHU_SPLIT_LINES_MAX 100000

struct phu_piece {
    size_t start, length; /* bytes of the batch's body */
    size_t lines;
};

struct phu_split {
    const char *body;                          /* borrowed */
    struct phu_piece pieces[PHU_SPLIT_PIECES]; /* still to be sent, in order */
    size_t count;
    bool is_back_next;
};

void phu_split_init(struct phu_split *split, const char *body, size_t length, size_t lines);

/* The next piece, cut down to at most `limit` bytes (but at least one line); false when none is
 * left. `is_both_ends`: no piece was stored since a line was refused alone. */
bool phu_split_take(struct phu_split *split, size_t limit, bool is_both_ends,
                    struct phu_piece *piece);
/* Puts back both halves of a piece that was taken last; false when it is a single line. */
bool phu_split_halve(struct phu_split *split, const struct phu_piece *piece);
/* Puts a piece back as it is. */
void phu_split_return(struct phu_split *split, const struct phu_piece *piece);
