#include "fold.h"

#include <stdlib.h>
#include <string.h>

/* A column under way. */
struct sum {
    struct phu_cell cell; /* its buckets are not used: they are in `buckets` */
    int64_t time_ns;      /* LATEST: of what it holds */
    size_t place;         /* TEXT: in texts; HIST: in histograms */
};

struct histogram {
    struct phu_bucket *at;
    size_t count, capacity;
};

struct text {
    char *at;
    size_t capacity;
};

struct phu_fold {
    struct sum *sums; /* ascending by column */
    size_t count, capacity;
    struct histogram *histograms;
    size_t histogram_count, histogram_capacity;
    struct text *texts;
    size_t text_count, text_capacity;
    struct phu_cell *cells; /* of the result */
    size_t cell_capacity;
    bool is_started;
};

static void *grown(void *at, size_t *capacity, size_t least, size_t each)
{
    size_t old = *capacity;

    if (least <= old)
        return at;
    *capacity = least * 2;
    at = reallocarray(at, *capacity, each);
    if (!at)
        abort();
    memset((char *)at + old * each, 0, (*capacity - old) * each);
    return at;
}

struct phu_fold *phu_fold_new(void)
{
    struct phu_fold *fold = calloc(1, sizeof *fold);

    if (!fold)
        abort();
    return fold;
}

void phu_fold_free(struct phu_fold *fold)
{
    if (!fold)
        return;
    for (size_t i = 0; i < fold->histogram_capacity; i++)
        free(fold->histograms[i].at);
    for (size_t i = 0; i < fold->text_capacity; i++)
        free(fold->texts[i].at);
    free(fold->histograms);
    free(fold->texts);
    free(fold->sums);
    free(fold->cells);
    free(fold);
}

void phu_fold_reset(struct phu_fold *fold)
{
    fold->count = fold->histogram_count = fold->text_count = 0;
    fold->is_started = false;
}

bool phu_fold_is_empty(const struct phu_fold *fold)
{
    return !fold->is_started;
}

static size_t new_histogram(struct phu_fold *fold)
{
    fold->histograms = grown(fold->histograms, &fold->histogram_capacity, fold->histogram_count + 1,
                             sizeof *fold->histograms);
    fold->histograms[fold->histogram_count].count = 0;
    return fold->histogram_count++;
}

static size_t new_text(struct phu_fold *fold)
{
    fold->texts =
        grown(fold->texts, &fold->text_capacity, fold->text_count + 1, sizeof *fold->texts);
    return fold->text_count++;
}

/* The place of `column`, looked for from *hint on; made when it is not there: then *is_new. */
static struct sum *sum_of(struct phu_fold *fold, uint32_t column, size_t *hint, bool *is_new)
{
    size_t place = *hint;

    if (place && fold->sums[place - 1].cell.column >= column)
        place = 0;
    while (place < fold->count && fold->sums[place].cell.column < column)
        place++;
    *hint = place + 1;
    *is_new = place == fold->count || fold->sums[place].cell.column != column;
    if (!*is_new)
        return &fold->sums[place];
    fold->sums = grown(fold->sums, &fold->capacity, fold->count + 1, sizeof *fold->sums);
    memmove(&fold->sums[place + 1], &fold->sums[place], (fold->count - place) * sizeof *fold->sums);
    fold->count++;
    fold->sums[place] = (struct sum){.cell = {.column = column}};
    if (PHU_COLUMN_TYPE(column) == PHU_CELL_HIST)
        fold->sums[place].place = new_histogram(fold);
    else if (PHU_COLUMN_TYPE(column) == PHU_CELL_TEXT)
        fold->sums[place].place = new_text(fold);
    return &fold->sums[place];
}

static void add_buckets(struct histogram *into, const struct phu_cell *cell)
{
    size_t place = 0;

    into->at = grown(into->at, &into->capacity, into->count + cell->size, sizeof *into->at);
    for (uint32_t i = 0; i < cell->size; i++) {
        const struct phu_bucket *bucket = &cell->buckets[i];

        while (place < into->count && into->at[place].index < bucket->index)
            place++;
        if (place < into->count && into->at[place].index == bucket->index) {
            into->at[place].count += bucket->count;
            continue;
        }
        memmove(&into->at[place + 1], &into->at[place], (into->count - place) * sizeof *into->at);
        into->at[place] = *bucket;
        into->count++;
    }
}

static int64_t added(int64_t a, int64_t b)
{
    int64_t sum;

    if (!__builtin_add_overflow(a, b, &sum))
        return sum;
    return a < 0 ? INT64_MIN : INT64_MAX;
}

static void hold_latest(struct phu_fold *fold, struct sum *sum, const struct phu_cell *cell,
                        int64_t time_ns, bool is_new)
{
    struct text *text;

    if (!is_new && time_ns < sum->time_ns)
        return;
    sum->time_ns = time_ns;
    if (PHU_COLUMN_TYPE(cell->column) != PHU_CELL_TEXT) {
        sum->cell.i = cell->i; /* or the bits of a float */
        return;
    }
    text = &fold->texts[sum->place];
    text->at = grown(text->at, &text->capacity, cell->size, 1);
    if (cell->size)
        memcpy(text->at, cell->text, cell->size);
    sum->cell.size = cell->size;
}

static void merge_float(struct sum *sum, enum phu_how how, double value)
{
    double *into = &sum->cell.f;

    if (how == PHU_HOW_MIN)
        *into = value < *into ? value : *into;
    else if (how == PHU_HOW_MAX)
        *into = value > *into ? value : *into;
    else
        *into += value;
}

static void merge_int(struct sum *sum, enum phu_how how, int64_t value)
{
    int64_t *into = &sum->cell.i;

    if (how == PHU_HOW_MIN)
        *into = value < *into ? value : *into;
    else if (how == PHU_HOW_MAX)
        *into = value > *into ? value : *into;
    else
        *into = added(*into, value);
}

static void merge(struct phu_fold *fold, const struct phu_cell *cell, int64_t time_ns, size_t *hint)
{
    enum phu_how how = PHU_COLUMN_HOW(cell->column);
    enum phu_cell_type type = PHU_COLUMN_TYPE(cell->column);
    bool is_new;
    struct sum *sum = sum_of(fold, cell->column, hint, &is_new);

    if (type == PHU_CELL_HIST)
        add_buckets(&fold->histograms[sum->place], cell);
    else if (how == PHU_HOW_LATEST || type == PHU_CELL_TEXT || type == PHU_CELL_BOOL)
        hold_latest(fold, sum, cell, time_ns, is_new);
    else if (is_new)
        sum->cell.i = cell->i; /* or the bits of a float */
    else if (type == PHU_CELL_FLOAT)
        merge_float(sum, how, cell->f);
    else
        merge_int(sum, how, cell->i);
}

/* What came as one number becomes several that add up. */
static void lift(struct phu_fold *fold, const struct phu_cell *cell, int64_t time_ns, size_t *hint)
{
    uint32_t field = PHU_COLUMN_FIELD(cell->column);
    enum phu_cell_type type = PHU_COLUMN_TYPE(cell->column);
    static const enum phu_how of_stats[] = {PHU_HOW_SUM, PHU_HOW_MIN, PHU_HOW_MAX};
    static const enum phu_how of_gauge[] = {PHU_HOW_MAX, PHU_HOW_LATEST};
    bool is_gauge = PHU_COLUMN_HOW(cell->column) == PHU_HOW_GAUGE;
    const enum phu_how *parts = is_gauge ? of_gauge : of_stats;
    size_t count = is_gauge ? 2 : 3;
    struct phu_cell part = *cell;

    for (size_t i = 0; i < count; i++) {
        part.column = PHU_COLUMN(field, parts[i], type);
        merge(fold, &part, time_ns, hint);
    }
    if (is_gauge)
        return;
    part = (struct phu_cell){.column = PHU_COLUMN(field, PHU_HOW_COUNT, PHU_CELL_INT), .i = 1};
    merge(fold, &part, time_ns, hint);
}

void phu_fold_add(struct phu_fold *fold, const struct phu_window *window)
{
    size_t hint = 0;

    fold->is_started = true;
    for (size_t i = 0; i < window->count; i++) {
        enum phu_how how = PHU_COLUMN_HOW(window->cells[i].column);

        if (how == PHU_HOW_GAUGE || how == PHU_HOW_STATS)
            lift(fold, &window->cells[i], window->time_ns, &hint);
        else
            merge(fold, &window->cells[i], window->time_ns, &hint);
    }
}

void phu_fold_window(struct phu_fold *fold, int64_t time_ns, struct phu_window *window)
{
    fold->cells = grown(fold->cells, &fold->cell_capacity, fold->count, sizeof *fold->cells);
    for (size_t i = 0; i < fold->count; i++) {
        struct phu_cell *cell = &fold->cells[i];

        *cell = fold->sums[i].cell;
        if (PHU_COLUMN_TYPE(cell->column) == PHU_CELL_HIST) {
            const struct histogram *histogram = &fold->histograms[fold->sums[i].place];

            cell->buckets = histogram->at;
            cell->size = (uint32_t)histogram->count;
        } else if (PHU_COLUMN_TYPE(cell->column) == PHU_CELL_TEXT) {
            cell->text = fold->texts[fold->sums[i].place].at;
        }
    }
    *window = (struct phu_window){.time_ns = time_ns, .cells = fold->cells, .count = fold->count};
}
