#include "record.h"

#include <errno.h>

static size_t worst_size(const struct phu_window *window)
{
    size_t sum = (size_t)4 * PHU_VARINT_MAX;

    for (size_t i = 0; i < window->count; i++) {
        sum += (size_t)2 * PHU_VARINT_MAX;
        if (PHU_COLUMN_TYPE(window->cells[i].column) == PHU_CELL_TEXT)
            sum += window->cells[i].size;
        else if (PHU_COLUMN_TYPE(window->cells[i].column) == PHU_CELL_HIST)
            sum += (size_t)2 * PHU_VARINT_MAX * window->cells[i].size;
    }
    return sum;
}

static uint8_t *put_histogram(uint8_t *at, const struct phu_cell *cell)
{
    uint32_t index = 0;

    at = phu_varint_put(at, cell->size);
    for (uint32_t i = 0; i < cell->size; i++) {
        at = phu_varint_put(at, cell->buckets[i].index - index);
        at = phu_varint_put(at, cell->buckets[i].count);
        index = cell->buckets[i].index;
    }
    return at;
}

static uint8_t *put_value(uint8_t *at, const struct phu_cell *cell)
{
    switch (PHU_COLUMN_TYPE(cell->column)) {
    case PHU_CELL_INT:
    case PHU_CELL_BOOL:
        return phu_varint_put(at, phu_varint_fold(cell->i));
    case PHU_CELL_FLOAT:
        memcpy(at, &cell->f, sizeof cell->f);
        return at + sizeof cell->f;
    case PHU_CELL_TEXT:
        at = phu_varint_put(at, cell->size);
        if (cell->size)
            memcpy(at, cell->text, cell->size);
        return at + cell->size;
    case PHU_CELL_HIST:
        return put_histogram(at, cell);
    }
    return at;
}

/* series, time, size of the cells in four bytes (it is known only afterwards), their number, cells
 */
void phu_record_put(struct phu_bytes *bytes, uint32_t series, const struct phu_window *window)
{
    uint8_t *at = phu_bytes_room(bytes, worst_size(window)), *length;
    uint32_t column = 0, size;

    at = phu_varint_put(at, series);
    memcpy(at, &window->time_ns, sizeof window->time_ns);
    length = at + sizeof window->time_ns;
    at = length + sizeof size;
    at = phu_varint_put(at, window->count);
    for (size_t i = 0; i < window->count; i++) {
        at = phu_varint_put(at, window->cells[i].column - column);
        at = put_value(at, &window->cells[i]);
        column = window->cells[i].column;
    }
    size = (uint32_t)(at - length - sizeof size);
    memcpy(length, &size, sizeof size);
    bytes->size = (size_t)(at - bytes->at);
}

bool phu_record_next(struct phu_cut *cut, struct phu_record *record)
{
    const uint8_t *head;
    uint64_t series;
    uint32_t size;

    if (cut->at == cut->end)
        return false;
    series = phu_cut_number(cut);
    head = phu_cut_bytes(cut, sizeof record->time_ns + sizeof size);
    if (!head || series > UINT32_MAX) {
        cut->is_broken = true;
        return false;
    }
    record->series = (uint32_t)series;
    memcpy(&record->time_ns, head, sizeof record->time_ns);
    memcpy(&size, head + sizeof record->time_ns, sizeof size);
    record->cells = phu_cut_bytes(cut, size);
    record->size = size;
    if (record->time_ns < 0 || record->time_ns > PHU_TIME_MAX)
        cut->is_broken = true;
    return record->cells && !cut->is_broken;
}

static void read_histogram(struct phu_cut *cut, struct phu_arena *arena, struct phu_cell *cell)
{
    uint64_t count = phu_cut_number(cut), index = 0;
    struct phu_bucket *buckets;

    if (count > phu_cut_left(cut) / 2) {
        cut->is_broken = true;
        return;
    }
    buckets = phu_arena_take(arena, count * sizeof *buckets);
    for (uint64_t i = 0; i < count; i++) {
        uint64_t step = phu_cut_number(cut);

        if (step > UINT32_MAX || index + step > UINT32_MAX || (i && !step))
            cut->is_broken = true;
        index += step & UINT32_MAX;
        buckets[i] = (struct phu_bucket){.index = (uint32_t)index, .count = phu_cut_number(cut)};
    }
    cell->buckets = buckets;
    cell->size = (uint32_t)count;
}

static void read_value(struct phu_cut *cut, struct phu_arena *arena, struct phu_cell *cell)
{
    const uint8_t *raw;
    uint64_t size;

    switch (PHU_COLUMN_TYPE(cell->column)) {
    case PHU_CELL_INT:
    case PHU_CELL_BOOL:
        cell->i = phu_varint_unfold(phu_cut_number(cut));
        break;
    case PHU_CELL_FLOAT:
        raw = phu_cut_bytes(cut, sizeof cell->f);
        if (raw)
            memcpy(&cell->f, raw, sizeof cell->f);
        break;
    case PHU_CELL_TEXT:
        size = phu_cut_number(cut);
        cell->text = (const char *)phu_cut_bytes(cut, size);
        cell->size = cell->text ? (uint32_t)size : 0;
        break;
    case PHU_CELL_HIST:
        read_histogram(cut, arena, cell);
        break;
    }
}

int phu_record_read(const struct phu_record *record, struct phu_windows *windows)
{
    struct phu_cut cut = {.at = record->cells, .end = record->cells + record->size};
    uint64_t count = phu_cut_number(&cut), column = 0;
    struct phu_cell *cells;

    if (count > phu_cut_left(&cut) / 2)
        return -EILSEQ;
    cells = phu_arena_take(&windows->arena, count * sizeof *cells);
    for (uint64_t i = 0; i < count; i++) {
        uint64_t step = phu_cut_number(&cut);

        if (step > UINT32_MAX || column + step > UINT32_MAX || (i && !step))
            return -EILSEQ;
        column += step;
        if (PHU_COLUMN_TYPE(column) > PHU_CELL_HIST || PHU_COLUMN_HOW(column) > PHU_HOW_STATS)
            return -EILSEQ;
        cells[i] = (struct phu_cell){.column = (uint32_t)column};
        read_value(&cut, &windows->arena, &cells[i]);
        if (cut.is_broken)
            return -EILSEQ;
    }
    if (cut.at != cut.end)
        return -EILSEQ;
    *phu_windows_next(windows) =
        (struct phu_window){.time_ns = record->time_ns, .cells = cells, .count = count};
    return 0;
}
