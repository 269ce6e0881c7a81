/* Rows of a table while they are collected: cells arrive column by column, rows are wanted whole.
 * Pure.
 *
 *     phu_gather_begin(&gather, table->column_count);
 *     ... phu_gather_put() from the walk's callback ...
 *     while ((row = phu_gather_first(&gather, phu_walk_reached(&walk)))) {
 *         ... row->index, row->cells ...
 *         phu_gather_drop(&gather);
 *     }
 *
 * Columns advance together, so only about as many rows are held as one answer has. Their memory is
 * used again; a device whose columns run apart costs at most PHU_GATHER_ROWS_MAX rows.
 */
#pragma once

#include "profile.h"

#define PHU_GATHER_ROWS_MAX 2048
#define PHU_GATHER_TEXT_MAX 512 /* bytes kept of one cell */

struct phu_gather_row {
    struct phu_index index;
    struct phu_cell *cells;
    uint8_t *text;
    size_t text_length, text_capacity;
};

struct phu_gather {
    unsigned columns;
    struct phu_gather_row **rows; /* ascending, from `first` on; beyond `count` spare ones */
    size_t first, count, made, capacity;
    size_t cell_capacity; /* of each row */
    unsigned lost;        /* cells without room */
};

/* Empties it for a table of so many columns. A gather of all zero is empty. */
void phu_gather_begin(struct phu_gather *gather, unsigned columns);
void phu_gather_fini(struct phu_gather *gather);

void phu_gather_put(struct phu_gather *gather, unsigned column, const struct phu_index *index,
                    const struct phu_varbind *varbind);

/* The first row, if it is whole: not after `reached`, or whatever it is when `reached` is NULL.
 * Good until the next call. */
const struct phu_gather_row *phu_gather_first(struct phu_gather *gather,
                                              const struct phu_index *reached);
void phu_gather_drop(struct phu_gather *gather);
