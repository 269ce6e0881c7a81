#include "pack.h"

#include <errno.h>
#include <math.h>

#define VERSION 1
#define IN_MS 1 /* flag: times are whole milliseconds */
#define MS 1000000
#define DECIMALS 1000.0
#define DECIMAL_LIMIT 1125899906842624.0 /* 2^50 */

/* What a column held in the window before. */
struct before {
    union {
        int64_t i; /* INT, BOOL; FLOAT: its thousandths; HIST: its first bucket */
        const char *text;
    };
    uint64_t bits; /* FLOAT */
    uint32_t size; /* TEXT */
};

struct phu_packer {
    uint32_t columns[PHU_PACK_COLUMNS_MAX];
    struct before before[PHU_PACK_COLUMNS_MAX];
    size_t column_count;
    uint64_t shape_count;
    struct phu_bytes shapes, body, blob;
    uint8_t shape[PHU_PACK_COLUMNS_MAX / 8];
};

struct phu_packer *phu_packer_new(void)
{
    struct phu_packer *packer = calloc(1, sizeof *packer);

    if (!packer)
        abort();
    return packer;
}

void phu_packer_free(struct phu_packer *packer)
{
    if (!packer)
        return;
    free(packer->shapes.at);
    free(packer->body.at);
    free(packer->blob.at);
    free(packer);
}

static uint64_t bits_of(double number)
{
    uint64_t bits;

    memcpy(&bits, &number, sizeof bits);
    return bits;
}

/* -- Packing ---------------------------------------------------------------------------------- */

static int add_column(struct phu_packer *packer, size_t place, uint32_t column)
{
    if (packer->column_count == PHU_PACK_COLUMNS_MAX)
        return -E2BIG;
    memmove(&packer->columns[place + 1], &packer->columns[place],
            (packer->column_count - place) * sizeof *packer->columns);
    packer->columns[place] = column;
    packer->column_count++;
    return 0;
}

static int collect_columns(struct phu_packer *packer, const struct phu_window *windows,
                           size_t count)
{
    packer->column_count = 0;
    for (size_t i = 0; i < count; i++) {
        size_t place = 0;

        for (size_t j = 0; j < windows[i].count; j++, place++) {
            uint32_t column = windows[i].cells[j].column;
            int err = 0;

            while (place < packer->column_count && packer->columns[place] < column)
                place++;
            if (place == packer->column_count || packer->columns[place] != column)
                err = add_column(packer, place, column);
            if (err)
                return err;
        }
    }
    memset(packer->before, 0, packer->column_count * sizeof *packer->before);
    return 0;
}

static void pack_float(struct phu_bytes *body, struct before *before, double number)
{
    double scaled = number * DECIMALS;
    int64_t thousandths;

    before->bits = bits_of(number);
    if (fabs(scaled) < DECIMAL_LIMIT) {
        thousandths = llround(scaled);
        if (bits_of((double)thousandths / DECIMALS) == before->bits) {
            phu_bytes_number(body, phu_varint_fold(thousandths - before->i) << 1);
            before->i = thousandths;
            return;
        }
    }
    phu_bytes_number(body, 1);
    phu_bytes_put(body, &before->bits, sizeof before->bits);
}

/* The gap to the bucket before and a small count share a byte. */
static void pack_bucket(struct phu_bytes *body, uint64_t gap, uint64_t count)
{
    uint64_t few = count < 4 ? count : 0;

    phu_bytes_number(body, gap << 2 | few);
    if (!few)
        phu_bytes_number(body, count);
}

static void pack_histogram(struct phu_bytes *body, struct before *before,
                           const struct phu_cell *cell)
{
    phu_bytes_number(body, cell->size);
    for (uint32_t i = 0; i < cell->size; i++) {
        const struct phu_bucket *bucket = &cell->buckets[i];
        uint64_t gap = i ? bucket->index - bucket[-1].index - 1
                         : phu_varint_fold((int64_t)bucket->index - before->i);

        pack_bucket(body, gap, bucket->count);
    }
    if (cell->size)
        before->i = cell->buckets[0].index;
}

static bool is_same(const struct before *before, const struct phu_cell *cell)
{
    switch (PHU_COLUMN_TYPE(cell->column)) {
    case PHU_CELL_INT:
    case PHU_CELL_BOOL:
        return cell->i == before->i;
    case PHU_CELL_FLOAT:
        return bits_of(cell->f) == before->bits;
    case PHU_CELL_TEXT:
        return cell->size == before->size &&
               (!cell->size || memcmp(cell->text, before->text, cell->size) == 0);
    case PHU_CELL_HIST:
        break;
    }
    return false;
}

static void pack_value(struct phu_bytes *body, struct before *before, const struct phu_cell *cell)
{
    switch (PHU_COLUMN_TYPE(cell->column)) {
    case PHU_CELL_INT:
    case PHU_CELL_BOOL:
        phu_bytes_number(body, phu_varint_fold((int64_t)((uint64_t)cell->i - (uint64_t)before->i)));
        before->i = cell->i;
        break;
    case PHU_CELL_FLOAT:
        pack_float(body, before, cell->f);
        break;
    case PHU_CELL_TEXT:
        phu_bytes_number(body, cell->size);
        phu_bytes_put(body, cell->text, cell->size);
        before->text = cell->text;
        before->size = cell->size;
        break;
    case PHU_CELL_HIST:
        pack_histogram(body, before, cell);
        break;
    }
}

/* The number of the shape in packer->shape among those seen, which it joins. */
static uint64_t find_shape(struct phu_packer *packer, size_t width, uint64_t hint)
{
    if (!width)
        return 0;
    if (hint < packer->shape_count &&
        memcmp(packer->shapes.at + hint * width, packer->shape, width) == 0)
        return hint;
    for (uint64_t i = 0; i < packer->shape_count; i++)
        if (memcmp(packer->shapes.at + i * width, packer->shape, width) == 0)
            return i;
    phu_bytes_put(&packer->shapes, packer->shape, width);
    return packer->shape_count++;
}

static uint64_t shape_of(struct phu_packer *packer, const struct phu_window *window, size_t width,
                         uint64_t hint)
{
    size_t place = 0;

    memset(packer->shape, 0, width);
    for (size_t i = 0; i < window->count; i++, place++) {
        while (packer->columns[place] != window->cells[i].column)
            place++;
        packer->shape[place / 8] |= (uint8_t)(1u << place % 8);
    }
    return find_shape(packer, width, hint);
}

static void pack_cells(struct phu_packer *packer, const struct phu_window *window)
{
    struct phu_bytes *body = &packer->body;
    size_t mask = body->size, width = (window->count + 7) / 8, place = 0;

    memset(phu_bytes_room(body, width), 0, width);
    body->size += width;
    for (size_t i = 0; i < window->count; i++, place++) {
        const struct phu_cell *cell = &window->cells[i];

        while (packer->columns[place] != cell->column)
            place++;
        if (is_same(&packer->before[place], cell))
            continue;
        body->at[mask + i / 8] |= (uint8_t)(1u << i % 8);
        pack_value(body, &packer->before[place], cell);
    }
}

static void pack_body(struct phu_packer *packer, int64_t base_ns, int64_t unit,
                      const struct phu_window *windows, size_t count)
{
    size_t width = (packer->column_count + 7) / 8;
    int64_t last = base_ns, step = 0;
    uint64_t shape = 0;

    packer->body.size = packer->shapes.size = 0;
    packer->shape_count = 0;
    for (size_t i = 0; i < count; i++) {
        int64_t gap = windows[i].time_ns - last, off = (gap - step) / unit;

        shape = shape_of(packer, &windows[i], width, shape);
        phu_bytes_number(&packer->body, shape << 1 | (off != 0));
        if (off)
            phu_bytes_number(&packer->body, phu_varint_fold(off));
        step = gap;
        last = windows[i].time_ns;
        pack_cells(packer, &windows[i]);
    }
}

static int64_t unit_of(int64_t base_ns, const struct phu_window *windows, size_t count)
{
    bool is_ms = base_ns % MS == 0;

    for (size_t i = 0; i < count && is_ms; i++)
        is_ms = windows[i].time_ns % MS == 0;
    return is_ms ? MS : 1;
}

int phu_pack(struct phu_packer *packer, int64_t base_ns, const struct phu_window *windows,
             size_t count, const uint8_t **blob, size_t *size)
{
    struct phu_bytes *out = &packer->blob;
    int64_t unit = unit_of(base_ns, windows, count);
    int err = collect_columns(packer, windows, count);

    if (err)
        return err;
    pack_body(packer, base_ns, unit, windows, count);
    out->size = 0;
    phu_bytes_number(out, VERSION << 1 | (unit == MS));
    phu_bytes_number(out, count);
    phu_bytes_number(out, packer->column_count);
    for (size_t i = 0; i < packer->column_count; i++)
        phu_bytes_number(out, packer->columns[i] - (i ? packer->columns[i - 1] : 0));
    phu_bytes_number(out, packer->shape_count);
    phu_bytes_put(out, packer->shapes.at, packer->shapes.size);
    phu_bytes_put(out, packer->body.at, packer->body.size);
    *blob = out->at;
    *size = out->size;
    return 0;
}

/* -- And back --------------------------------------------------------------------------------- */

struct unpacker {
    struct phu_cut cut;
    uint32_t *columns;
    struct before *before;
    const uint8_t *shapes;
    uint64_t column_count, shape_count;
    int64_t unit;
    struct phu_arena *arena;
};

static void unpack_float(struct unpacker *unpacker, struct before *before)
{
    uint64_t code = phu_cut_number(&unpacker->cut);
    const uint8_t *raw;
    double number;

    if (code & 1) {
        raw = phu_cut_bytes(&unpacker->cut, sizeof before->bits);
        if (raw)
            memcpy(&before->bits, raw, sizeof before->bits);
        return;
    }
    before->i = (int64_t)((uint64_t)before->i + (uint64_t)phu_varint_unfold(code >> 1));
    number = (double)before->i / DECIMALS;
    before->bits = bits_of(number);
}

static void unpack_histogram(struct unpacker *unpacker, struct before *before,
                             struct phu_cell *cell)
{
    struct phu_cut *cut = &unpacker->cut;
    uint64_t count = phu_cut_number(cut);
    struct phu_bucket *buckets;
    int64_t index = 0;

    if (count > phu_cut_left(cut)) { /* each takes a byte at least */
        cut->is_broken = true;
        return;
    }
    buckets = phu_arena_take(unpacker->arena, count * sizeof *buckets);
    for (uint64_t i = 0; i < count && !cut->is_broken; i++) {
        uint64_t code = phu_cut_number(cut), few = code & 3, gap = code >> 2;

        if (gap > UINT32_MAX)
            cut->is_broken = true;
        index = i ? index + 1 + (int64_t)gap : before->i + phu_varint_unfold(gap);
        if (index < 0 || index > UINT32_MAX)
            cut->is_broken = true;
        buckets[i].index = (uint32_t)index;
        buckets[i].count = few ? few : phu_cut_number(cut);
    }
    if (count && !cut->is_broken)
        before->i = buckets[0].index;
    cell->buckets = buckets;
    cell->size = (uint32_t)count;
}

static void unpack_text(struct unpacker *unpacker, struct before *before)
{
    uint64_t size = phu_cut_number(&unpacker->cut);
    const uint8_t *text = phu_cut_bytes(&unpacker->cut, size);

    if (!text || size > UINT32_MAX) {
        unpacker->cut.is_broken = true;
        return;
    }
    before->text = (const char *)text;
    before->size = (uint32_t)size;
}

static void unpack_value(struct unpacker *unpacker, struct before *before, struct phu_cell *cell,
                         bool differs)
{
    switch (PHU_COLUMN_TYPE(cell->column)) {
    case PHU_CELL_INT:
    case PHU_CELL_BOOL:
        if (differs)
            before->i = (int64_t)((uint64_t)before->i +
                                  (uint64_t)phu_varint_unfold(phu_cut_number(&unpacker->cut)));
        cell->i = before->i;
        break;
    case PHU_CELL_FLOAT:
        if (differs)
            unpack_float(unpacker, before);
        memcpy(&cell->f, &before->bits, sizeof cell->f);
        break;
    case PHU_CELL_TEXT:
        if (differs)
            unpack_text(unpacker, before);
        cell->text = before->text;
        cell->size = before->size;
        break;
    case PHU_CELL_HIST:
        if (differs)
            unpack_histogram(unpacker, before, cell);
        break;
    }
}

static size_t cells_of(const uint8_t *shape, size_t width)
{
    size_t sum = 0;

    for (size_t i = 0; i < width; i++)
        sum += (size_t)__builtin_popcount(shape[i]);
    return sum;
}

static void unpack_cells(struct unpacker *unpacker, const uint8_t *shape, size_t width,
                         struct phu_window *window)
{
    size_t count = cells_of(shape, width), used = 0;
    struct phu_cell *cells = phu_arena_take(unpacker->arena, count * sizeof *cells);
    const uint8_t *mask = phu_cut_bytes(&unpacker->cut, (count + 7) / 8);

    window->cells = cells;
    window->count = 0;
    if (!mask)
        return;
    for (size_t i = 0; i < width; i++) {
        for (unsigned bits = shape[i]; bits; bits &= bits - 1) {
            size_t place = i * 8 + (size_t)__builtin_ctz(bits);

            if (place >= unpacker->column_count || unpacker->cut.is_broken) {
                unpacker->cut.is_broken = true;
                return;
            }
            cells[used] = (struct phu_cell){.column = unpacker->columns[place]};
            unpack_value(unpacker, &unpacker->before[place], &cells[used],
                         mask[used / 8] >> used % 8 & 1);
            used++;
        }
    }
    window->count = used;
}

static bool unpack_columns(struct unpacker *unpacker)
{
    uint64_t count = phu_cut_number(&unpacker->cut), column = 0;

    if (count > PHU_PACK_COLUMNS_MAX || count > phu_cut_left(&unpacker->cut))
        return false;
    unpacker->column_count = count;
    unpacker->columns = phu_arena_take(unpacker->arena, count * sizeof *unpacker->columns);
    unpacker->before = phu_arena_take(unpacker->arena, count * sizeof *unpacker->before);
    memset(unpacker->before, 0, count * sizeof *unpacker->before);
    for (uint64_t i = 0; i < count; i++) {
        uint64_t step = phu_cut_number(&unpacker->cut);

        if ((i && !step) || step > UINT32_MAX || column + step > UINT32_MAX)
            return false;
        column += step;
        if (PHU_COLUMN_TYPE(column) > PHU_CELL_HIST || PHU_COLUMN_HOW(column) > PHU_HOW_STATS)
            return false;
        unpacker->columns[i] = (uint32_t)column;
    }
    return !unpacker->cut.is_broken;
}

static bool unpack_head(struct unpacker *unpacker, uint64_t *windows)
{
    uint64_t head = phu_cut_number(&unpacker->cut), width;

    if (head >> 1 != VERSION)
        return false;
    unpacker->unit = head & IN_MS ? MS : 1;
    *windows = phu_cut_number(&unpacker->cut);
    if (!unpack_columns(unpacker))
        return false;
    width = (unpacker->column_count + 7) / 8;
    unpacker->shape_count = phu_cut_number(&unpacker->cut);
    if (unpacker->shape_count > phu_cut_left(&unpacker->cut))
        return false;
    unpacker->shapes = phu_cut_bytes(&unpacker->cut, unpacker->shape_count * width);
    return unpacker->shapes && *windows <= phu_cut_left(&unpacker->cut);
}

static bool step_time(struct unpacker *unpacker, uint64_t control, int64_t *step, int64_t *time)
{
    int64_t off = control & 1 ? phu_varint_unfold(phu_cut_number(&unpacker->cut)) : 0;

    return !__builtin_mul_overflow(off, unpacker->unit, &off) &&
           !__builtin_add_overflow(*step, off, step) &&
           !__builtin_add_overflow(*time, *step, time) && *time >= 0 && *time <= PHU_TIME_MAX;
}

int phu_unpack(int64_t base_ns, const uint8_t *blob, size_t size, struct phu_windows *windows)
{
    struct unpacker unpacker = {.cut = {.at = blob, .end = blob + size}, .arena = &windows->arena};
    int64_t time = base_ns, step = 0;
    uint64_t count;
    size_t width;

    if (!unpack_head(&unpacker, &count))
        return -EILSEQ;
    width = (unpacker.column_count + 7) / 8;
    for (uint64_t i = 0; i < count; i++) {
        uint64_t control = phu_cut_number(&unpacker.cut), shape = control >> 1;
        struct phu_window window = {0};

        if (!step_time(&unpacker, control, &step, &time) ||
            (width && shape >= unpacker.shape_count))
            return -EILSEQ;
        unpack_cells(&unpacker, unpacker.shapes + shape * width, width, &window);
        if (unpacker.cut.is_broken)
            return -EILSEQ;
        window.time_ns = time;
        *phu_windows_next(windows) = window;
    }
    return unpacker.cut.at == unpacker.cut.end ? 0 : -EILSEQ;
}
