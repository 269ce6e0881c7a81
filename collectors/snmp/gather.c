/* Rows of a table while they are collected. See gather.h. */
#include "gather.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void free_row(struct phu_gather_row *row)
{
    free(row->cells);
    free(row->text);
    free(row);
}

void phu_gather_fini(struct phu_gather *gather)
{
    for (size_t i = 0; i < gather->made; i++)
        free_row(gather->rows[i]);
    free(gather->rows);
    *gather = (struct phu_gather){0};
}

void phu_gather_begin(struct phu_gather *gather, unsigned columns)
{
    if (columns > gather->cell_capacity) {
        phu_gather_fini(gather);
        gather->cell_capacity = columns;
    }
    gather->columns = columns;
    gather->first = gather->count = 0;
    gather->lost = 0;
}

/* -- Rows -------------------------------------------------------------------------------------- */

static struct phu_gather_row *new_row(const struct phu_gather *gather)
{
    struct phu_gather_row *row = calloc(1, sizeof *row);

    if (!row)
        return NULL;
    row->cells = calloc(gather->cell_capacity ? gather->cell_capacity : 1, sizeof *row->cells);
    if (!row->cells) {
        free(row);
        return NULL;
    }
    return row;
}

/* A spare row behind those in use. */
static bool make_spare(struct phu_gather *gather)
{
    size_t end = gather->first + gather->count;
    size_t capacity = gather->capacity ? gather->capacity * 2 : 16;
    struct phu_gather_row **rows;

    if (end < gather->made)
        return true;
    if (gather->made == gather->capacity) {
        rows = realloc(gather->rows, capacity * sizeof *rows);
        if (!rows)
            return false;
        gather->rows = rows;
        gather->capacity = capacity;
    }
    gather->rows[gather->made] = new_row(gather);
    if (!gather->rows[gather->made])
        return false;
    gather->made++;
    return true;
}

/* Moves the rows in use to the front; the spare ones before them come behind. */
static void close_up(struct phu_gather *gather)
{
    for (size_t i = 0; i < gather->count && gather->first; i++) {
        struct phu_gather_row *row = gather->rows[i];

        gather->rows[i] = gather->rows[gather->first + i];
        gather->rows[gather->first + i] = row;
    }
    gather->first = 0;
}

static void clear_row(struct phu_gather_row *row, const struct phu_index *index, unsigned columns)
{
    row->index.length = index->length;
    memcpy(row->index.part, index->part, index->length * sizeof *index->part);
    row->text_length = 0;
    for (unsigned i = 0; i < columns; i++)
        row->cells[i] = (struct phu_cell){.kind = PHU_VARBIND_MISSING};
}

static struct phu_gather_row *insert(struct phu_gather *gather, size_t at,
                                     const struct phu_index *index)
{
    struct phu_gather_row *row;
    size_t end;

    if (gather->count >= PHU_GATHER_ROWS_MAX)
        return NULL;
    if (gather->first + gather->count == gather->made && gather->first) {
        at -= gather->first;
        close_up(gather);
    }
    if (!make_spare(gather))
        return NULL;
    end = gather->first + gather->count;
    row = gather->rows[end];
    memmove(&gather->rows[at + 1], &gather->rows[at], (end - at) * sizeof(struct phu_gather_row *));
    gather->rows[at] = row;
    gather->count++;
    clear_row(row, index, gather->columns);
    return row;
}

static struct phu_gather_row *row_of(struct phu_gather *gather, const struct phu_index *index)
{
    size_t low = gather->first, high = gather->first + gather->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = phu_index_compare(&gather->rows[middle]->index, index);

        if (order == 0)
            return gather->rows[middle];
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return insert(gather, low, index);
}

/* -- Cells ------------------------------------------------------------------------------------- */

/* A copy in the row's own memory; cells point into it by offset until the row is told. */
static void keep_text(struct phu_gather_row *row, struct phu_cell *cell, const void *text,
                      size_t length)
{
    size_t needed;

    if (length > PHU_GATHER_TEXT_MAX)
        length = PHU_GATHER_TEXT_MAX;
    needed = row->text_length + length;
    if (needed > row->text_capacity) {
        uint8_t *grown = realloc(row->text, needed * 2);

        if (!grown)
            return;
        row->text = grown;
        row->text_capacity = needed * 2;
    }
    if (length)
        memcpy(row->text + row->text_length, text, length);
    cell->number = row->text_length;
    cell->text_length = length;
    row->text_length = needed;
}

static void keep_object_id(struct phu_gather_row *row, struct phu_cell *cell,
                           const struct phu_varbind *varbind)
{
    size_t parts = varbind->text_length / sizeof(unsigned long), used = 0;
    char text[PHU_GATHER_TEXT_MAX];

    for (size_t i = 0; i < parts && used + 24 < sizeof text; i++) {
        unsigned long part;

        memcpy(&part, varbind->text + i * sizeof part, sizeof part);
        used += (size_t)snprintf(text + used, sizeof text - used, i ? ".%lu" : "%lu", part);
    }
    keep_text(row, cell, text, used);
}

static void keep_address(struct phu_gather_row *row, struct phu_cell *cell,
                         const struct phu_varbind *varbind)
{
    const uint8_t *bytes = varbind->text;
    char text[16];

    if (varbind->text_length == 4)
        keep_text(row, cell, text,
                  (size_t)snprintf(text, sizeof text, "%u.%u.%u.%u", bytes[0], bytes[1], bytes[2],
                                   bytes[3]));
}

static bool is_text(enum phu_varbind_kind kind)
{
    return kind == PHU_VARBIND_TEXT || kind == PHU_VARBIND_OTHER;
}

static void keep(struct phu_gather_row *row, struct phu_cell *cell,
                 const struct phu_varbind *varbind)
{
    char text[32];

    cell->kind = varbind->kind;
    switch (varbind->kind) {
    case PHU_VARBIND_TEXT:
        keep_text(row, cell, varbind->text, varbind->text_length);
        return;
    case PHU_VARBIND_OBJECT_ID:
        cell->kind = PHU_VARBIND_OTHER;
        keep_object_id(row, cell, varbind);
        return;
    case PHU_VARBIND_ADDRESS:
        cell->kind = PHU_VARBIND_OTHER;
        keep_address(row, cell, varbind);
        return;
    case PHU_VARBIND_REAL:
        cell->kind = PHU_VARBIND_TEXT;
        keep_text(row, cell, text, (size_t)snprintf(text, sizeof text, "%.9g", varbind->real));
        return;
    case PHU_VARBIND_COUNTER32:
    case PHU_VARBIND_COUNTER64:
    case PHU_VARBIND_GAUGE:
    case PHU_VARBIND_INTEGER:
    case PHU_VARBIND_TICKS:
        cell->number = varbind->number;
        return;
    case PHU_VARBIND_MISSING:
    case PHU_VARBIND_END:
    case PHU_VARBIND_OTHER:
        return;
    }
}

void phu_gather_put(struct phu_gather *gather, unsigned column, const struct phu_index *index,
                    const struct phu_varbind *varbind)
{
    struct phu_gather_row *row = column < gather->columns ? row_of(gather, index) : NULL;

    if (row)
        keep(row, &row->cells[column], varbind);
    else
        gather->lost++;
}

const struct phu_gather_row *phu_gather_first(struct phu_gather *gather,
                                              const struct phu_index *reached)
{
    struct phu_gather_row *row;

    if (gather->count == 0)
        return NULL;
    row = gather->rows[gather->first];
    if (reached && phu_index_compare(&row->index, reached) > 0)
        return NULL;
    for (unsigned i = 0; i < gather->columns; i++) {
        struct phu_cell *cell = &row->cells[i];

        if (is_text(cell->kind) && !cell->text) {
            cell->text = cell->text_length ? row->text + cell->number : (const uint8_t *)"";
            cell->number = 0;
        }
    }
    return row;
}

void phu_gather_drop(struct phu_gather *gather)
{
    if (gather->count == 0)
        return;
    gather->first++;
    if (--gather->count == 0)
        gather->first = 0;
}
