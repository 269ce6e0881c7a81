/* What the cells of a row mean. Two passes: first each cell for itself, then what hangs on other
 * cells, conditions and chosen metrics. Nothing is allocated; texts are looked at where they lie,
 * unless an expression wants a zero behind them.
 */
#include "profile_set.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { SUBJECT_MAX = 512, DIGITS_MAX = 64 };

/* A text as an expression or comparison sees it. */
struct subject {
    const char *text; /* not terminated */
    size_t length;
};

/* -- Cells ------------------------------------------------------------------------------------ */

static bool is_text(const struct phu_cell *cell)
{
    return cell->kind == PHU_VARBIND_TEXT || cell->kind == PHU_VARBIND_OTHER;
}

static bool is_absent(const struct phu_cell *cell)
{
    return cell->kind == PHU_VARBIND_MISSING || cell->kind == PHU_VARBIND_END;
}

/* With only the bits of the number that count. */
static struct phu_cell masked_by(const struct phu_profile_column *column,
                                 const struct phu_cell *cell)
{
    struct phu_cell masked = *cell;

    if (column->mask)
        masked.number &= column->mask;
    return masked;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\0' || (c >= '\t' && c <= '\r');
}

static struct subject trim(struct subject subject)
{
    while (subject.length && is_blank(subject.text[subject.length - 1]))
        subject.length--;
    while (subject.length && is_blank(subject.text[0])) {
        subject.text++;
        subject.length--;
    }
    return subject;
}

static struct subject subject_of(const struct phu_cell *cell)
{
    return trim((struct subject){(const char *)cell->text, cell->text_length});
}

/* -- Comparing raw values --------------------------------------------------------------------- */

bool phu_profile_is_number(const char *text, int64_t *number)
{
    char *end;

    if (!isdigit((unsigned char)text[text[0] == '-']))
        return false;
    errno = 0;
    *number = text[0] == '-' ? strtoll(text, &end, 10) : (int64_t)strtoull(text, &end, 10);
    return *end == '\0' && errno == 0;
}

void phu_profile_pattern_init(struct phu_profile_pattern *pattern, const char *text)
{
    *pattern = (struct phu_profile_pattern){.text = text, .length = strlen(text)};
    pattern->is_prefix = pattern->length && text[pattern->length - 1] == '*';
    pattern->length -= pattern->is_prefix;
    pattern->is_number = phu_profile_is_number(text, &pattern->number);
}

static bool is_same_text(const struct phu_profile_pattern *pattern, struct subject subject)
{
    if (pattern->is_prefix ? subject.length < pattern->length : subject.length != pattern->length)
        return false;
    return !pattern->length || strncasecmp(subject.text, pattern->text, pattern->length) == 0;
}

/* A number as the device sent it, read as so many bits. */
static int64_t in_bits(uint64_t number, uint8_t bits)
{
    if (bits == 8)
        return (int8_t)number;
    if (bits == 16)
        return (int16_t)number;
    if (bits == 32)
        return (int32_t)number;
    return (int64_t)number;
}

static bool is_same(const struct phu_profile_pattern *pattern, const struct phu_cell *cell,
                    struct subject subject, uint8_t bits)
{
    if (is_text(cell))
        return is_same_text(pattern, subject);
    if (pattern->is_prefix)
        return pattern->length == 0;
    return pattern->is_number && (pattern->number == (int64_t)cell->number ||
                                  pattern->number == in_bits(cell->number, bits));
}

static int find(const struct phu_profile_pattern *patterns, size_t count,
                const struct phu_cell *cell, struct subject subject, uint8_t bits)
{
    for (size_t i = 0; i < count; i++) {
        if (is_same(&patterns[i], cell, subject, bits))
            return (int)i;
    }
    return -1;
}

/* -- Texts ------------------------------------------------------------------------------------ */

/* What the expression's group finds in the cell; false when it finds nothing. `room` holds it. */
static bool extract(const regex_t *expression, const struct phu_cell *cell, struct subject *subject,
                    char room[SUBJECT_MAX])
{
    regmatch_t found[2];

    if (is_text(cell)) {
        size_t length = subject->length < SUBJECT_MAX ? subject->length : SUBJECT_MAX - 1;

        for (size_t i = 0; i < length; i++)
            room[i] = subject->text[i] ? subject->text[i] : ' ';
        room[length] = '\0';
    } else {
        snprintf(room, SUBJECT_MAX, "%lld", (long long)cell->number);
    }
    if (regexec(expression, room, 2, found, 0) != 0 || found[1].rm_so < 0)
        return false;
    *subject =
        trim((struct subject){room + found[1].rm_so, (size_t)(found[1].rm_eo - found[1].rm_so)});
    return true;
}

/* The number at the start of a text: "-71 dBm" is -71. */
static bool read_number(struct subject subject, double *number)
{
    char digits[DIGITS_MAX], *end;
    size_t length = 0;

    while (length < subject.length && length < DIGITS_MAX - 1 && subject.text[length] &&
           strchr("+-.0123456789eE", subject.text[length])) {
        digits[length] = subject.text[length];
        length++;
    }
    digits[length] = '\0';
    *number = strtod(digits, &end);
    return end != digits && isfinite(*number);
}

/* Up to `most` digits, and what follows them in *text; false when there are none. */
static bool read_digits(const char **text, size_t most, double *number)
{
    size_t count = 0;

    *number = 0;
    while (count < most && isdigit((unsigned char)**text)) {
        *number = *number * 10 + (*(*text)++ - '0');
        count++;
    }
    return count > 0;
}

/* "hh:mm:ss", with up to seven digits of hours. */
static bool read_clock(struct subject subject, double *seconds)
{
    char text[DIGITS_MAX];
    const char *at = text;
    double hours, minutes, rest;

    snprintf(text, sizeof text, "%.*s", (int)(subject.length < 32 ? subject.length : 32),
             subject.length ? subject.text : "");
    if (!read_digits(&at, 7, &hours) || *at++ != ':' || !read_digits(&at, 2, &minutes) ||
        *at++ != ':' || !read_digits(&at, 2, &rest) || *at)
        return false;
    *seconds = hours * 3600 + minutes * 60 + rest;
    return minutes < 60 && rest < 60;
}

/* Serial numbers of ONUs come as a text, or as four letters and four bytes. */
static void write_serial(struct subject subject, char text[PHU_METRIC_TEXT_MAX + 1])
{
    const unsigned char *bytes = (const unsigned char *)subject.text;
    size_t letters = subject.length == 8 ? 4 : 0, used = 0;
    bool is_readable = subject.length != 8;

    for (size_t i = 0; i < letters; i++)
        letters = isalnum(bytes[i]) ? letters : 0;
    for (size_t i = 0; i < subject.length; i++)
        is_readable = is_readable && bytes[i] >= 0x20 && bytes[i] < 0x7f;
    if (is_readable) {
        phu_ifname_clean(bytes, subject.length, text);
        return;
    }
    for (size_t i = 0; i < subject.length && used + 2 <= PHU_METRIC_TEXT_MAX; i++)
        used += (size_t)snprintf(text + used, 3, i < letters ? "%c" : "%02X", bytes[i]);
    text[used] = '\0';
}

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
        !is_absent(cell = beside(column, cells, (unsigned)column->si_scale))) {
        if (is_text(cell) || cell->number < 1 || cell->number > 17)
            return false;
        *power = 3 * ((int)cell->number - 9);
    }
    if (column->decimals >= 0 &&
        !is_absent(cell = beside(column, cells, (unsigned)column->decimals))) {
        int64_t decimals = (int64_t)cell->number;

        if (is_text(cell) || decimals < -8 || decimals > 9)
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
                       struct subject subject, bool is_number, double *raw)
{
    if (column->convert == PHU_CONVERT_HMS_TO_S)
        return !is_number && read_clock(subject, raw);
    if (!is_number)
        return read_number(subject, raw);
    if (column->bits || cell->kind == PHU_VARBIND_INTEGER)
        *raw = (double)in_bits(cell->number, column->bits);
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
        const struct phu_cell cell = masked_by(other, beside(column, cells, column->share_of[i]));
        struct subject subject = is_text(&cell) ? subject_of(&cell) : (struct subject){0};
        double part;

        if (is_absent(&cell) || !raw_number(other, &cell, subject, !is_text(&cell), &part))
            return -1;
        sum += part;
    }
    if (sum == 0)
        return 0;
    *raw = *raw / sum * 100;
    return 1;
}

static void read_value(const struct phu_profile_column *column, const struct phu_cell *cells,
                       const struct phu_cell *cell, struct subject subject, bool is_number,
                       struct phu_read *read)
{
    double raw;
    int power = 0, share = 1;

    if (!raw_number(column, cell, subject, is_number, &raw))
        return;
    if (column->bits && !is_number && fabs(raw) < 0x1p62)
        raw = (double)in_bits((uint64_t)(int64_t)raw, column->bits);
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
                         struct subject subject, bool is_number, struct phu_read *read)
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
                      const struct phu_cell *cell, struct subject subject, bool is_number,
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
        write_serial(subject, read->text);
    } else {
        phu_ifname_clean((const uint8_t *)subject.text, subject.length, read->text);
    }
    read->status = read->text[0] ? PHU_READ_TEXT : PHU_READ_NONE;
}

static void read_word(const struct phu_profile_column *column, const struct phu_cell *cell,
                      struct subject subject, struct phu_read *read)
{
    const struct phu_profile_plan *plan = column->private;
    int at = find(plan->words, column->word_count, cell, subject, column->bits);

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

static void read_cell(const struct phu_profile_column *column, const struct phu_cell *cells,
                      const struct phu_cell *cell, struct phu_read *read)
{
    const struct phu_profile_plan *plan = column->private;
    struct subject subject = {0};
    char room[SUBJECT_MAX];
    struct phu_cell text = {.kind = PHU_VARBIND_TEXT};
    struct phu_cell masked = masked_by(column, cell);
    bool is_number = !is_text(cell);

    if (!is_number)
        subject = subject_of(cell);
    if (column->mask) {
        if (!is_number)
            return;
        cell = &masked;
    }
    if (plan->none_count && find(plan->none, plan->none_count, cell, subject, column->bits) >= 0) {
        read->status = PHU_READ_NONE;
        return;
    }
    if (plan->extract) {
        if (!extract(plan->extract, cell, &subject, room))
            return;
        cell = &text;
        is_number = false;
        if (find(plan->none, plan->none_count, cell, subject, column->bits) >= 0) {
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

    if (is_absent(cell) || !column->word_count)
        return NULL;
    read_cell(column, cell, cell, &read);
    for (size_t i = 0; read.word && i < column->word_count; i++) {
        if (column->words[i].word == read.word)
            return &column->words[i];
    }
    return NULL;
}

/* -- The row ---------------------------------------------------------------------------------- */

static bool has_value(enum phu_read_status status)
{
    return status == PHU_READ_VALUE || status == PHU_READ_WORD || status == PHU_READ_TEXT ||
           status == PHU_READ_COUNTER;
}

/* A row after the first pass. */
struct row {
    const struct phu_profile_table *table;
    const struct phu_cell *cells;
    struct phu_read *reads;
    uint32_t valued; /* a bit for each column that has a value */
};

static_assert(PHU_PROFILE_COLUMNS_MAX <= 32, "a bit for each column");

/* Has the column one of these words or raw values? */
static bool is_one_of(const struct row *row, unsigned at,
                      const struct phu_profile_pattern *patterns, size_t count)
{
    const struct phu_profile_column *column = &row->table->columns[at];
    const struct phu_cell cell = masked_by(column, phu_profile_cell(row->table, row->cells, at));
    const char *word = row->reads[at].word;

    if (is_absent(&cell))
        return false;
    for (size_t i = 0; i < count && word; i++) {
        if (is_same_text(&patterns[i], (struct subject){word, strlen(word)}))
            return true;
    }
    return find(patterns, count, &cell, is_text(&cell) ? subject_of(&cell) : (struct subject){0},
                column->bits) >= 0;
}

static size_t count_words(const char *const *words)
{
    size_t count = 0;

    while (words && words[count])
        count++;
    return count;
}

static bool holds(const struct row *row, const struct phu_profile_column *column, size_t at)
{
    const struct phu_profile_plan *plan = column->private;
    const struct phu_profile_when *when = &column->when[at];
    size_t count = count_words(when->words);

    if (!count)
        return row->valued >> when->column & 1;
    return is_one_of(row, when->column, plan->when[at], count) != when->is_not;
}

static bool do_all_hold(const struct row *row, const struct phu_profile_column *column)
{
    for (size_t i = 0; i < column->when_count; i++) {
        if (!holds(row, column, i))
            return false;
    }
    return true;
}

static int choose(const struct row *row, const struct phu_profile_column *column)
{
    const struct phu_profile_plan *plan = column->private;
    unsigned at = (unsigned)column->chooser;

    for (size_t i = 0; i < column->choice_count; i++) {
        const struct phu_profile_pattern *pattern = &plan->choices[i];

        /* '*' stands for older firmware that lacks the chooser, too. */
        if ((pattern->is_prefix && !pattern->length) || is_one_of(row, at, pattern, 1))
            return column->choices[i].metric;
    }
    return -1;
}

static void hold_back(struct phu_read *read)
{
    read->status = PHU_READ_CONDITION;
    read->metric = -1;
}

static void finish_cell(const struct row *row, unsigned at)
{
    const struct phu_profile_column *column = &row->table->columns[at];
    struct phu_read *read = &row->reads[at];

    if (read->status == PHU_READ_ABSENT || read->status == PHU_READ_NONE)
        return;
    if (!do_all_hold(row, column)) {
        hold_back(read);
        return;
    }
    if (column->chooser < 0 || read->status == PHU_READ_UNFIT)
        return;
    read->metric = choose(row, column);
    if (read->metric < 0)
        hold_back(read);
}

/* Columns that only help keep their value and word for whoever asks, and report nothing. */
static void finish_help(const struct phu_profile_column *column, struct phu_read *read)
{
    if (column->use != PHU_USE_HELP || read->status == PHU_READ_ABSENT ||
        read->status == PHU_READ_NONE || read->status == PHU_READ_CONDITION)
        return;
    if (read->status != PHU_READ_VALUE)
        read->value = NAN;
    read->status = PHU_READ_HELP;
}

void phu_profile_row_read(const struct phu_profile_table *table, const struct phu_cell *cells,
                          struct phu_read *reads)
{
    struct row row = {.table = table, .cells = cells, .reads = reads};

    for (unsigned i = 0; i < table->column_count; i++) {
        const struct phu_cell *cell = phu_profile_cell(table, cells, i);
        struct phu_read *read = &reads[i];

        read->status = PHU_READ_UNFIT;
        read->metric = table->columns[i].metric;
        read->word = NULL;
        read->text[0] = '\0';
        read->value = 0;
        if (is_absent(cell))
            read->status = PHU_READ_ABSENT;
        else
            read_cell(&table->columns[i], cells, cell, read);
        row.valued |= (uint32_t)has_value(read->status) << i;
    }
    for (unsigned i = 0; i < table->column_count; i++) {
        if (table->columns[i].when_count || table->columns[i].chooser >= 0)
            finish_cell(&row, i);
    }
    for (unsigned i = 0; i < table->column_count; i++)
        finish_help(&table->columns[i], &reads[i]);
}

/* -- Why not ---------------------------------------------------------------------------------- */

static void say_cell(const struct phu_cell *cell, char *text, size_t size)
{
    char clean[PHU_IFNAME_SIZE];

    if (is_text(cell)) {
        phu_ifname_clean(cell->text, cell->text_length, clean);
        snprintf(text, size, "\"%s\"", clean);
    } else if (cell->kind == PHU_VARBIND_INTEGER) {
        snprintf(text, size, "%lld", (long long)cell->number);
    } else {
        snprintf(text, size, "%llu", (unsigned long long)cell->number);
    }
}

static void say_condition(const struct phu_profile_column *column, char *why, size_t size)
{
    const struct phu_profile_plan *plan = column->private;
    size_t used = 0;

    for (size_t i = 0; i < column->when_count && used < size; i++) {
        const struct phu_profile_when *when = &column->when[i];

        used += (size_t)snprintf(why + used, size - used, "%s%s", i ? " and " : "only when ",
                                 plan->table->columns[when->column].name);
        for (size_t j = 0; when->words && when->words[j] && used < size; j++)
            used += (size_t)snprintf(why + used, size - used, "%s%s",
                                     j              ? " or "
                                     : when->is_not ? " is not "
                                                    : " is ",
                                     when->words[j]);
        if (used < size && !(when->words && when->words[0]))
            used += (size_t)snprintf(why + used, size - used, " has a value");
    }
    if (column->chooser >= 0 && used < size)
        snprintf(why + used, size - used, "%s%s chooses no metric", used ? ", or " : "",
                 plan->table->columns[column->chooser].name);
}

static void say_unfit(const struct phu_profile_column *column, const char *raw, char *why,
                      size_t size)
{
    const struct phu_profile_plan *plan = column->private;

    if (plan->extract)
        snprintf(why, size, "%s does not fit the expression, or what it finds does not", raw);
    else if (column->word_count)
        snprintf(why, size, "no word for %s", raw);
    else if (column->convert == PHU_CONVERT_HMS_TO_S)
        snprintf(why, size, "%s is no hh:mm:ss", raw);
    else if (column->share_count)
        snprintf(why, size, "%s is no number, or what it is a share of is not", raw);
    else if (column->si_scale >= 0 || column->decimals >= 0)
        snprintf(why, size, "%s is no number, or its scale or decimals make no sense", raw);
    else
        snprintf(why, size, "%s is no %s", raw, column->is_counter ? "counter" : "number");
}

const char *phu_profile_why(const struct phu_profile_column *column, const struct phu_read *read,
                            const struct phu_cell *cell, char *why, size_t size)
{
    char raw[96];

    why[0] = '\0';
    say_cell(cell, raw, sizeof raw);
    switch (read->status) {
    case PHU_READ_ABSENT:
        snprintf(why, size, "the device has no such object");
        break;
    case PHU_READ_NONE:
        snprintf(why, size, "%s means no value", raw);
        break;
    case PHU_READ_IMPLAUSIBLE:
        snprintf(why, size, "%.6g is outside %g to %g", read->value, column->min, column->max);
        break;
    case PHU_READ_UNFIT:
        say_unfit(column, raw, why, size);
        break;
    case PHU_READ_CONDITION:
        say_condition(column, why, size);
        break;
    case PHU_READ_HELP:
        snprintf(why, size, "read by other columns or the row's name only");
        break;
    case PHU_READ_VALUE:
    case PHU_READ_WORD:
    case PHU_READ_TEXT:
    case PHU_READ_COUNTER:
        break;
    }
    return why;
}
