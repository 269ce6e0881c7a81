/* What the cells of a row mean. Two passes: first each cell for itself, then what hangs on other
 * cells, conditions and chosen metrics. Nothing is allocated.
 */
#include "profile_cell.h"

#include <assert.h>
#include <math.h>
#include <string.h>

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
    const struct phu_cell cell =
        phu_cell_masked(column, phu_profile_cell(row->table, row->cells, at));
    const char *word = row->reads[at].word;

    if (phu_cell_is_absent(&cell))
        return false;
    for (size_t i = 0; i < count && word; i++) {
        if (phu_pattern_is_text(&patterns[i], (struct phu_subject){word, strlen(word)}))
            return true;
    }
    return phu_pattern_find(patterns, count, &cell,
                            phu_cell_is_text(&cell) ? phu_cell_subject(&cell)
                                                    : (struct phu_subject){0},
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
        if (phu_cell_is_absent(cell))
            read->status = PHU_READ_ABSENT;
        else
            phu_cell_read(&table->columns[i], cells, cell, read);
        row.valued |= (uint32_t)has_value(read->status) << i;
    }
    for (unsigned i = 0; i < table->column_count; i++) {
        if (table->columns[i].when_count || table->columns[i].chooser >= 0)
            finish_cell(&row, i);
    }
    for (unsigned i = 0; i < table->column_count; i++)
        finish_help(&table->columns[i], &reads[i]);
}
