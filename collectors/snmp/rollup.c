/* Rows added up. See rollup.h. */
#include "rollup.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void add_count(struct phu_rollup *rollup, const char *family, const char *word,
                      unsigned column, int state_metric)
{
    int metric = phu_snmp_metric_word(family, word);

    if (metric < 0 || rollup->count_count == PHU_ROLLUP_WORDS)
        return;
    for (unsigned i = 0; i < rollup->count_count; i++) {
        if (rollup->counts[i].metric == metric && rollup->counts[i].state_metric == state_metric)
            return;
    }
    rollup->counts[rollup->count_count++] = (struct phu_rollup_count){metric, state_metric, column};
}

void phu_rollup_begin(struct phu_rollup *rollup, const struct phu_profile_table *table)
{
    *rollup = (struct phu_rollup){0};
    for (size_t i = 0; i < table->rollup.sum_count; i++) {
        const struct phu_profile_sum *sum = &table->rollup.sums[i];
        const struct phu_profile_column *column = &table->columns[sum->column];

        if (!sum->family)
            continue;
        add_count(rollup, sum->family, "total", sum->column, -1);
        for (size_t k = 0; k < column->word_count; k++) {
            const struct phu_profile_word *word = &column->words[k];

            if (word->metric >= 0)
                add_count(rollup, sum->family, word->word, sum->column, word->metric);
        }
    }
}

void phu_rollup_fini(struct phu_rollup *rollup)
{
    free(rollup->rows);
    *rollup = (struct phu_rollup){0};
}

static struct phu_rollup_row *slot_of(const struct phu_rollup *rollup, uint64_t key)
{
    size_t mask = rollup->capacity - 1, at = key & mask;

    while (rollup->rows[at].key && rollup->rows[at].key != key)
        at = (at + 1) & mask;
    return &rollup->rows[at];
}

static void grow(struct phu_rollup *rollup)
{
    struct phu_rollup_row *old = rollup->rows;
    size_t old_capacity = rollup->capacity;

    rollup->capacity = old_capacity ? old_capacity * 2 : 16;
    rollup->rows = calloc(rollup->capacity, sizeof *rollup->rows);
    if (!rollup->rows)
        abort();
    for (size_t i = 0; i < old_capacity; i++) {
        if (old[i].key)
            *slot_of(rollup, old[i].key) = old[i];
    }
    free(old);
}

static struct phu_rollup_row *row_of(struct phu_rollup *rollup, uint64_t key, const char *name)
{
    struct phu_rollup_row *row;

    if (rollup->row_count * 4 >= rollup->capacity * 3)
        grow(rollup);
    row = slot_of(rollup, key);
    if (row->key)
        return row;
    if (rollup->row_count == PHU_ROLLUP_ROWS) {
        rollup->lost++;
        return NULL;
    }
    row->key = key;
    snprintf(row->name, sizeof row->name, "%s", name);
    rollup->row_count++;
    return row;
}

void phu_rollup_add(struct phu_rollup *rollup, uint64_t key, const char *name,
                    const struct phu_read *reads)
{
    struct phu_rollup_row *row = row_of(rollup, key, name);

    for (unsigned i = 0; row && i < rollup->count_count; i++) {
        const struct phu_rollup_count *count = &rollup->counts[i];
        const struct phu_read *read = &reads[count->column];

        if (count->state_metric < 0)
            row->counts[i] += read->status != PHU_READ_ABSENT;
        else
            row->counts[i] += read->status == PHU_READ_WORD && read->metric == count->state_metric;
    }
}
