/* One cell: from what the device sent to a number, a word, a text or a counter. Texts are looked at
 * where they lie, unless an expression wants a zero behind them.
 */
#include "profile_cell.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DIGITS_MAX = 64 };

/* -- Numbers ---------------------------------------------------------------------------------- */

static double scaled(const struct phu_profile_column *column, double raw, double scale,
                     double divisor)
{
    return (divisor != 0 ? raw / divisor : raw * scale) + column->offset;
}

static double to_dbm(double milliwatts)
{
    return milliwatts > 0 ? 10 * log10(milliwatts) : -HUGE_VAL;
}

/* -HUGE_VAL: no light. */
static double converted(const struct phu_profile_column *column, double raw, double value)
{
    switch (column->convert) {
    case PHU_CONVERT_MW_TO_DBM:
        return to_dbm(value);
    case PHU_CONVERT_UW_TO_DBM:
        return to_dbm(value / 1000);
    case PHU_CONVERT_UW_IF_POSITIVE:
        if (raw < 0)
            return value;
        return to_dbm(raw / 1000);
    case PHU_CONVERT_F_TO_C:
        return (value - 32) / 1.8;
    case PHU_CONVERT_HMS_TO_S:
    case PHU_CONVERT_NONE:
        break;
    }
    return value;
}

/* The cell of another column of the table. */
static const struct phu_cell *beside(const struct phu_profile_column *column,
                                     const struct phu_cell *cells, unsigned at)
{
    const struct phu_profile_plan *plan = column->private;

    return phu_profile_cell(plan->table, cells, at);
}

/* 10 to the power of what the columns beside say; false when they say nonsense. */
static bool read_power(const struct phu_profile_column *column, const struct phu_cell *cells,
                       int *power)
{
    const struct phu_cell *cell;

    *power = 0;
    if (column->si_scale >= 0 &&
        !phu_cell_is_absent(cell = beside(column, cells, (unsigned)column->si_scale))) {
        if (phu_cell_is_text(cell) || cell->number < 1 || cell->number > 17)
            return false;
        *power = 3 * ((int)cell->number - 9);
    }
    if (column->decimals >= 0 &&
        !phu_cell_is_absent(cell = beside(column, cells, (unsigned)column->decimals))) {
        int64_t decimals = (int64_t)cell->number;

        if (phu_cell_is_text(cell) || decimals < -8 || decimals > 9)
            return false;
        if (decimals > 0) /* below 0 it says how many digits are right */
            *power -= (int)decimals;
    }
    return true;
}

static double shifted(double raw, int power)
{
    static const double tens[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,
                                  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17,
                                  1e18, 1e19, 1e20, 1e21, 1e22, 1e23, 1e24};

    if (power > 24 || power < -24)
        return raw * pow(10, power);
    return power < 0 ? raw / tens[-power] : raw * tens[power];
}

static bool is_plausible(const struct phu_profile_column *column, double value)
{
    return value >= column->min && value <= column->max;
}

static void take_number(const struct phu_profile_column *column, double raw, struct phu_read *read)
{
    const struct phu_profile_plan *plan = column->private;
    double value = converted(column, raw, scaled(column, raw, column->scale, plan->divisor));

    if (!is_plausible(column, value) && column->other_scale != 0)
        value =
            converted(column, raw, scaled(column, raw, column->other_scale, plan->other_divisor));
    read->value = value;
    read->status = PHU_READ_VALUE;
    if (value <= -HUGE_VAL)
        read->status = PHU_READ_NONE;
    else if (!is_plausible(column, value) || !isfinite(value))
        read->status = PHU_READ_IMPLAUSIBLE;
}

/* The raw number of a cell, from a text where it is one. */
static bool raw_number(const struct phu_profile_column *column, const struct phu_cell *cell,
                       struct phu_subject subject, bool is_number, double *raw)
{
    if (column->convert == PHU_CONVERT_HMS_TO_S)
        return !is_number && phu_subject_clock(subject, raw);
    if (!is_number)
        return phu_subject_number(subject, raw);
    if (column->bits || cell->kind == PHU_VARBIND_INTEGER)
        *raw = (double)phu_cell_in_bits(cell->number, column->bits);
    else
        *raw = (double)cell->number;
    return true;
}

/* Raw as percent of a sum: 1 when there is one, 0 when the sum is 0, -1 when a part is no number.
 */
static int read_share(const struct phu_profile_column *column, const struct phu_cell *cells,
                      double *raw)
{
    double sum = 0;

    for (size_t i = 0; i < column->share_count; i++) {
        const struct phu_profile_plan *plan = column->private;
        const struct phu_profile_column *other = &plan->table->columns[column->share_of[i]];
        const struct phu_cell cell =
            phu_cell_masked(other, beside(column, cells, column->share_of[i]));
        struct phu_subject subject =
            phu_cell_is_text(&cell) ? phu_cell_subject(&cell) : (struct phu_subject){0};
        double part;

        if (phu_cell_is_absent(&cell) ||
            !raw_number(other, &cell, subject, !phu_cell_is_text(&cell), &part))
            return -1;
        sum += part;
    }
    if (sum == 0)
        return 0;
    *raw = *raw / sum * 100;
    return 1;
}

static void read_value(const struct phu_profile_column *column, const struct phu_cell *cells,
                       const struct phu_cell *cell, struct phu_subject subject, bool is_number,
                       struct phu_read *read)
{
    double raw;
    int power = 0, share = 1;

    if (!raw_number(column, cell, subject, is_number, &raw))
        return;
    if (column->bits && !is_number && fabs(raw) < 0x1p62)
        raw = (double)phu_cell_in_bits((uint64_t)(int64_t)raw, column->bits);
    if ((column->si_scale >= 0 || column->decimals >= 0) && !read_power(column, cells, &power))
        return;
    if (column->share_count)
        share = read_share(column, cells, &raw);
    if (share > 0)
        take_number(column, shifted(raw, power), read);
    else if (share == 0)
        read->status = PHU_READ_NONE;
}

static void read_counter(const struct phu_profile_column *column, const struct phu_cell *cell,
                         struct phu_subject subject, bool is_number, struct phu_read *read)
{
    read->bits = !is_number || cell->kind == PHU_VARBIND_COUNTER64 ? 64 : 32;
    read->number = cell->number;
    if (is_number) {
        /* Some count in 32 bits and send them signed. */
        if (cell->kind == PHU_VARBIND_INTEGER && column->bits == 32)
            read->number = (uint32_t)cell->number;
        else if (cell->kind == PHU_VARBIND_INTEGER && (int64_t)cell->number < 0)
            return;
    } else {
        char digits[DIGITS_MAX], *end;

        snprintf(digits, sizeof digits, "%.*s", (int)(subject.length < 32 ? subject.length : 32),
                 subject.length ? subject.text : "");
        errno = 0;
        read->number = strtoull(digits, &end, 10);
        if (!isdigit((unsigned char)digits[0]) || errno || isdigit((unsigned char)*end))
            return;
    }
    read->status = PHU_READ_COUNTER;
}

/* -- One cell --------------------------------------------------------------------------------- */

static bool is_plain(const struct phu_profile_column *column)
{
    return column->scale == 1 && column->offset == 0 && !column->bits && column->si_scale < 0 &&
           column->decimals < 0 && !column->share_count;
}

/* A LATEST, a description, a serial number. */
static void read_text(const struct phu_profile_column *column, const struct phu_cell *cells,
                      const struct phu_cell *cell, struct phu_subject subject, bool is_number,
                      struct phu_read *read)
{
    if (is_number || !is_plain(column)) {
        read_value(column, cells, cell, subject, is_number, read);
        if (read->status != PHU_READ_VALUE)
            return;
        if (is_number && is_plain(column))
            snprintf(read->text, sizeof read->text,
                     cell->kind == PHU_VARBIND_INTEGER ? "%lld" : "%llu", (long long)cell->number);
        else
            snprintf(read->text, sizeof read->text, "%.10g", read->value);
    } else if (column->use == PHU_USE_SERIAL) {
        phu_subject_serial(subject, read->text);
    } else {
        phu_ifname_clean((const uint8_t *)subject.text, subject.length, read->text);
    }
    read->status = read->text[0] ? PHU_READ_TEXT : PHU_READ_NONE;
}

static void read_word(const struct phu_profile_column *column, const struct phu_cell *cell,
                      struct phu_subject subject, struct phu_read *read)
{
    const struct phu_profile_plan *plan = column->private;
    int at = phu_pattern_find(plan->words, column->word_count, cell, subject, column->bits);

    if (at < 0)
        return;
    if (!column->words[at].word[0]) {
        read->status = PHU_READ_NONE;
        return;
    }
    read->word = column->words[at].word;
    read->metric = column->family ? column->words[at].metric : column->metric;
    read->status = PHU_READ_WORD;
    if (column->is_text) {
        snprintf(read->text, sizeof read->text, "%s", read->word);
        read->status = PHU_READ_TEXT;
    }
}

void phu_cell_read(const struct phu_profile_column *column, const struct phu_cell *cells,
                   const struct phu_cell *cell, struct phu_read *read)
{
    const struct phu_profile_plan *plan = column->private;
    struct phu_subject subject = {0};
    char room[PHU_SUBJECT_MAX];
    struct phu_cell text = {.kind = PHU_VARBIND_TEXT};
    struct phu_cell masked = phu_cell_masked(column, cell);
    bool is_number = !phu_cell_is_text(cell);

    if (!is_number)
        subject = phu_cell_subject(cell);
    if (column->mask) {
        if (!is_number)
            return;
        cell = &masked;
    }
    if (plan->none_count &&
        phu_pattern_find(plan->none, plan->none_count, cell, subject, column->bits) >= 0) {
        read->status = PHU_READ_NONE;
        return;
    }
    if (plan->extract) {
        if (!phu_subject_extract(plan->extract, cell, &subject, room))
            return;
        cell = &text;
        is_number = false;
        if (phu_pattern_find(plan->none, plan->none_count, cell, subject, column->bits) >= 0) {
            read->status = PHU_READ_NONE;
            return;
        }
    }
    if (column->word_count)
        read_word(column, cell, subject, read);
    else if (column->is_text || column->use == PHU_USE_DESCRIPTION || column->use == PHU_USE_SERIAL)
        read_text(column, cells, cell, subject, is_number, read);
    else if (column->is_counter)
        read_counter(column, cell, subject, is_number, read);
    else
        read_value(column, cells, cell, subject, is_number, read);
}

const struct phu_profile_word *phu_profile_cell_word(const struct phu_profile_column *column,
                                                     const struct phu_cell *cell)
{
    struct phu_read read = {.status = PHU_READ_UNFIT, .metric = -1};

    if (phu_cell_is_absent(cell) || !column->word_count)
        return NULL;
    phu_cell_read(column, cell, cell, &read);
    for (size_t i = 0; read.word && i < column->word_count; i++) {
        if (column->words[i].word == read.word)
            return &column->words[i];
    }
    return NULL;
}
