/* Cells, packed and unpacked. See cell.h.
 *
 *   COUNT   integer: varint, signs folded in; float: 8 bytes
 *   SPREAD  varint of 2 · count + (are all values equal?); then that value, or minimum, maximum
 *           and sum
 *   SKETCH  SPREAD; then the number of buckets and the buckets, or HEAP and the struct as it is
 *   LATEST  length and text
 */
#include "cell.h"

#include "phusong/varint.h"

#include <math.h>
#include <string.h>

#define HEAP 0xff

/* -- Adding ---------------------------------------------------------------------------------- */

static void add_int(struct phu_cell_sum *sum, int64_t value)
{
    if (sum->count == 0 || value < sum->min.i)
        sum->min.i = value;
    if (sum->count == 0 || value > sum->max.i)
        sum->max.i = value;
    sum->sum.i = sum->count ? (int64_t)((uint64_t)sum->sum.i + (uint64_t)value) : value;
}

static void add_float(struct phu_cell_sum *sum, double value)
{
    if (sum->count == 0 || value < sum->min.f)
        sum->min.f = value;
    if (sum->count == 0 || value > sum->max.f)
        sum->max.f = value;
    sum->sum.f = sum->count ? sum->sum.f + value : value;
}

/* Cut at a character, so that it stays UTF-8. */
static void set_text(struct phu_cell_sum *sum, const char *text)
{
    size_t length = strnlen(text, PHU_METRIC_TEXT_MAX + 1);

    if (length > PHU_METRIC_TEXT_MAX) {
        length = PHU_METRIC_TEXT_MAX;
        while (length && (text[length] & 0xc0) == 0x80)
            length--;
    }
    memcpy(sum->text, text, length);
    sum->text_length = (uint8_t)length;
}

bool phu_cell_add(struct phu_cell_sum *sum, const struct phu_metric *metric,
                  const struct phu_value *value)
{
    bool has_sketch = metric->kind == PHU_METRIC_SKETCH;

    if (metric->kind == PHU_METRIC_LATEST) {
        set_text(sum, value->text);
        sum->count = 1;
        return true;
    }
    if (has_sketch && sum->count == 0)
        sum->sketch = (struct phu_sketch){0};
    if (metric->type == PHU_METRIC_FLOAT) {
        if (!isfinite(value->f))
            return false;
        add_float(sum, value->f);
        if (has_sketch)
            phu_sketch_add(&sum->sketch, value->f);
    } else {
        add_int(sum, value->i);
        if (has_sketch)
            phu_sketch_add_int(&sum->sketch, value->i);
    }
    sum->count++;
    return true;
}

/* -- Packing --------------------------------------------------------------------------------- */

size_t phu_cell_room(const struct phu_metric *metric)
{
    switch (metric->kind) {
    case PHU_METRIC_COUNT:
        return PHU_VARINT_MAX;
    case PHU_METRIC_SPREAD:
        return 4 * PHU_VARINT_MAX;
    case PHU_METRIC_SKETCH:
        return 4 * PHU_VARINT_MAX + 1 + sizeof(struct phu_sketch);
    case PHU_METRIC_LATEST:
        return 1 + PHU_METRIC_TEXT_MAX;
    }
    return 0;
}

static uint8_t *pack_bytes(uint8_t *cursor, const void *bytes, size_t size)
{
    memcpy(cursor, bytes, size);
    return cursor + size;
}

static const uint8_t *unpack_bytes(const uint8_t *cursor, void *bytes, size_t size)
{
    memcpy(bytes, cursor, size);
    return cursor + size;
}

/* Small numbers of either sign become small numbers. */
static uint8_t *pack_number(uint8_t *cursor, enum phu_metric_type type,
                            const union phu_number *number)
{
    if (type == PHU_METRIC_FLOAT)
        return pack_bytes(cursor, &number->f, sizeof number->f);
    return phu_varint_put(cursor, phu_varint_fold(number->i));
}

static const uint8_t *unpack_number(const uint8_t *cursor, enum phu_metric_type type,
                                    union phu_number *number)
{
    if (type == PHU_METRIC_FLOAT)
        return unpack_bytes(cursor, &number->f, sizeof number->f);
    number->i = phu_varint_unfold(phu_varint_take(&cursor));
    return cursor;
}

static bool is_same_double(double a, double b)
{
    uint64_t left, right;

    memcpy(&left, &a, sizeof left);
    memcpy(&right, &b, sizeof right);
    return left == right;
}

/* Does sum = count · value hold bit by bit? */
static bool is_uniform(const struct phu_cell_sum *sum, enum phu_metric_type type)
{
    if (type == PHU_METRIC_FLOAT) {
        double product = sum->min.f * (double)sum->count;

        return is_same_double(sum->min.f, sum->max.f) && is_same_double(sum->sum.f, product);
    }
    return sum->min.i == sum->max.i &&
           (uint64_t)sum->sum.i == (uint64_t)sum->min.i * (uint64_t)sum->count;
}

static uint8_t *pack_spread(uint8_t *cursor, enum phu_metric_type type,
                            const struct phu_cell_sum *sum)
{
    bool is_one = is_uniform(sum, type);

    cursor = phu_varint_put(cursor, (uint64_t)sum->count << 1 | is_one);
    cursor = pack_number(cursor, type, &sum->min);
    if (is_one)
        return cursor;
    cursor = pack_number(cursor, type, &sum->max);
    return pack_number(cursor, type, &sum->sum);
}

static const uint8_t *unpack_spread(const uint8_t *cursor, enum phu_metric_type type,
                                    struct phu_cell_sum *sum)
{
    uint64_t count = phu_varint_take(&cursor);

    sum->count = (int64_t)(count >> 1);
    cursor = unpack_number(cursor, type, &sum->min);
    if (!(count & 1)) {
        cursor = unpack_number(cursor, type, &sum->max);
        return unpack_number(cursor, type, &sum->sum);
    }
    sum->max = sum->min;
    if (type == PHU_METRIC_FLOAT)
        sum->sum.f = sum->min.f * (double)sum->count;
    else
        sum->sum.i = (int64_t)((uint64_t)sum->min.i * (uint64_t)sum->count);
    return cursor;
}

static uint8_t *pack_sketch(uint8_t *cursor, const struct phu_sketch *sketch)
{
    if (sketch->capacity) {
        *cursor++ = HEAP;
        return pack_bytes(cursor, sketch, sizeof *sketch);
    }
    *cursor++ = (uint8_t)sketch->used;
    return pack_bytes(cursor, sketch->buckets.here, sketch->used * sizeof *sketch->buckets.here);
}

static const uint8_t *unpack_sketch(const uint8_t *cursor, struct phu_sketch *sketch)
{
    uint8_t used = *cursor++;

    if (used == HEAP)
        return unpack_bytes(cursor, sketch, sizeof *sketch);
    *sketch = (struct phu_sketch){.used = used};
    return unpack_bytes(cursor, sketch->buckets.here, used * sizeof *sketch->buckets.here);
}

uint8_t *phu_cell_pack(uint8_t *cursor, const struct phu_metric *metric,
                       const struct phu_cell_sum *sum)
{
    switch (metric->kind) {
    case PHU_METRIC_COUNT:
        return pack_number(cursor, metric->type, &sum->sum);
    case PHU_METRIC_SPREAD:
        return pack_spread(cursor, metric->type, sum);
    case PHU_METRIC_SKETCH:
        cursor = pack_spread(cursor, metric->type, sum);
        return pack_sketch(cursor, &sum->sketch);
    case PHU_METRIC_LATEST:
        *cursor++ = sum->text_length;
        return pack_bytes(cursor, sum->text, sum->text_length);
    }
    return cursor;
}

const uint8_t *phu_cell_unpack(const uint8_t *cursor, const struct phu_metric *metric,
                               struct phu_cell_sum *sum)
{
    switch (metric->kind) {
    case PHU_METRIC_COUNT:
        sum->count = 1;
        return unpack_number(cursor, metric->type, &sum->sum);
    case PHU_METRIC_SPREAD:
        return unpack_spread(cursor, metric->type, sum);
    case PHU_METRIC_SKETCH:
        cursor = unpack_spread(cursor, metric->type, sum);
        return unpack_sketch(cursor, &sum->sketch);
    case PHU_METRIC_LATEST:
        sum->count = 1;
        sum->text_length = *cursor++;
        return unpack_bytes(cursor, sum->text, sum->text_length);
    }
    return cursor;
}
