#include "window.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* -- Round trips ----------------------------------------------------------------------------- */

#define NO_TRIP UINT32_MAX

void phu_trips_init(struct phu_trips *trips)
{
    *trips = (struct phu_trips){.last_us = NO_TRIP};
}

void phu_trips_fini(struct phu_trips *trips)
{
    phu_sketch_fini(&trips->sketch);
}

void phu_trips_add(struct phu_trips *trips, int64_t rtt_us)
{
    uint32_t us = rtt_us < 0 ? 0 : rtt_us >= NO_TRIP ? NO_TRIP - 1 : (uint32_t)rtt_us;

    if (trips->count == 0 || us < trips->min_us)
        trips->min_us = us;
    if (trips->count == 0 || us > trips->max_us)
        trips->max_us = us;
    trips->sum_us += us;
    trips->count++;
    phu_sketch_add_int(&trips->sketch, us);
    if (trips->last_us != NO_TRIP) {
        trips->jitter_sum_us += us > trips->last_us ? us - trips->last_us : trips->last_us - us;
        trips->jitter_count++;
    }
    trips->last_us = us;
}

void phu_trips_break(struct phu_trips *trips)
{
    trips->last_us = NO_TRIP;
}

void phu_trips_reset(struct phu_trips *trips)
{
    trips->sum_us = trips->jitter_sum_us = 0;
    trips->count = trips->jitter_count = 0;
    phu_sketch_reset(&trips->sketch);
}

static void write_sketch(const struct phu_sketch *sketch, const char *name, struct phu_line *line)
{
    size_t place = 0;
    int64_t count;
    int index;

    while (phu_sketch_next(sketch, &place, &index, &count))
        phu_line_bucket(line, name, index, count);
}

void phu_trips_write(const struct phu_trips *trips, struct phu_line *line)
{
    if (trips->count) {
        phu_line_int_literal(line, "rtt_sum_us", trips->sum_us);
        phu_line_int_literal(line, "rtt_count", trips->count);
        phu_line_int_literal(line, "rtt_min_us", trips->min_us);
        phu_line_int_literal(line, "rtt_max_us", trips->max_us);
        write_sketch(&trips->sketch, "rtt_b", line);
    }
    if (trips->jitter_count) {
        phu_line_int_literal(line, "jitter_sum_us", trips->jitter_sum_us);
        phu_line_int_literal(line, "jitter_count", trips->jitter_count);
    }
}

/* -- Names ----------------------------------------------------------------------------------- */

static const char *const field_words[PHU_WINDOW_FIELDS] = {
    [PHU_WINDOW_SUM] = "sum", [PHU_WINDOW_COUNT] = "count", [PHU_WINDOW_MIN] = "min",
    [PHU_WINDOW_MAX] = "max", [PHU_WINDOW_BUCKET] = "b",
};

/* A unit as it stands in names of fields. */
static const char *suffix_of(const char *unit)
{
    static const char *const words[][2] = {{"bit/s", "bps"}, {"%", "pct"}, {"Cel", "c"}};

    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (strcmp(unit, words[i][0]) == 0)
            return words[i][1];
    }
    return unit;
}

/* Where the unit begins in "connect_us", at its underscore; the end when it is not in the name. */
static size_t stem_length(const struct phu_metric *metric)
{
    const char *suffix = suffix_of(metric->unit);
    size_t length = strlen(metric->name), unit = strlen(suffix);

    if (length > unit + 1 && metric->name[length - unit - 1] == '_' &&
        strcasecmp(metric->name + length - unit, suffix) == 0)
        return length - unit - 1;
    return length;
}

int phu_window_field_name(char *buffer, size_t size, const struct phu_metric *metric,
                          enum phu_window_field field)
{
    size_t stem = stem_length(metric);
    bool has_unit = field != PHU_WINDOW_COUNT && field != PHU_WINDOW_BUCKET;

    return snprintf(buffer, size, "%.*s_%s%s", (int)stem, metric->name, field_words[field],
                    has_unit ? metric->name + stem : "");
}

/* -- Plans ----------------------------------------------------------------------------------- */

struct spread_int {
    int64_t sum, min, max;
    int64_t count;
};

struct spread_float {
    double sum, min, max;
    int64_t count;
};

/* How one metric is kept. */
struct cell {
    const struct phu_metric *metric;
    uint16_t offset; /* of its accumulator in the group's block */
    uint16_t group;
    char *names[PHU_WINDOW_FIELDS]; /* SPREAD and SKETCH only */
};

struct group {
    const char *measurement;
    uint16_t size;
};

struct phu_window_plan {
    struct cell *cells; /* in the order of the collector's table */
    size_t cell_count;
    struct group *groups;
    size_t group_count;
    int rtt_metric;
};

struct phu_window_block {
    struct phu_window_block *next;
    uint16_t group;
    bool is_used;
    int64_t room[]; /* accumulators */
};

static_assert(sizeof(struct phu_sketch) % sizeof(int64_t) == 0, "cells stay aligned");

static size_t cell_size(const struct phu_metric *metric)
{
    switch (metric->kind) {
    case PHU_METRIC_COUNT:
        return sizeof(int64_t);
    case PHU_METRIC_SPREAD:
        return sizeof(struct spread_int);
    case PHU_METRIC_SKETCH:
        return sizeof(struct spread_int) + sizeof(struct phu_sketch);
    case PHU_METRIC_LATEST:
        return PHU_METRIC_TEXT_MAX + 1;
    }
    return 0;
}

static uint16_t find_group(struct phu_window_plan *plan, const char *measurement)
{
    for (size_t i = 0; i < plan->group_count; i++) {
        if (strcmp(plan->groups[i].measurement, measurement) == 0)
            return (uint16_t)i;
    }
    plan->groups[plan->group_count] = (struct group){.measurement = measurement};
    return (uint16_t)plan->group_count++;
}

static void name_cell(struct cell *cell)
{
    char name[128];

    if (cell->metric->kind == PHU_METRIC_COUNT || cell->metric->kind == PHU_METRIC_LATEST)
        return;
    for (int field = 0; field < PHU_WINDOW_FIELDS; field++) {
        phu_window_field_name(name, sizeof name, cell->metric, (enum phu_window_field)field);
        cell->names[field] = strdup(name);
        if (!cell->names[field])
            abort();
    }
}

struct phu_window_plan *phu_window_plan_new(const char *measurement,
                                            const struct phu_metric *metrics, size_t metric_count,
                                            int rtt_metric)
{
    struct phu_window_plan *plan = calloc(1, sizeof *plan);

    if (!plan)
        abort();
    plan->cells = calloc(metric_count + 1, sizeof *plan->cells);
    plan->groups = calloc(metric_count + 1, sizeof *plan->groups);
    if (!plan->cells || !plan->groups)
        abort();
    plan->cell_count = metric_count;
    plan->rtt_metric = rtt_metric;
    find_group(plan, measurement);
    for (size_t i = 0; i < metric_count; i++) {
        struct cell *cell = &plan->cells[i];
        struct group *group;

        cell->metric = &metrics[i];
        cell->group = find_group(plan, metrics[i].measurement);
        group = &plan->groups[cell->group];
        cell->offset = group->size;
        group->size = (uint16_t)(group->size + cell_size(&metrics[i]));
        name_cell(cell);
    }
    return plan;
}

void phu_window_plan_free(struct phu_window_plan *plan)
{
    if (!plan)
        return;
    for (size_t i = 0; i < plan->cell_count; i++) {
        for (int field = 0; field < PHU_WINDOW_FIELDS; field++)
            free(plan->cells[i].names[field]);
    }
    free(plan->cells);
    free(plan->groups);
    free(plan);
}

size_t phu_window_group_count(const struct phu_window_plan *plan)
{
    return plan->group_count;
}

int phu_window_rtt_metric(const struct phu_window_plan *plan)
{
    return plan->rtt_metric;
}

const char *phu_window_measurement(const struct phu_window_plan *plan, size_t group)
{
    return plan->groups[group].measurement;
}

/* -- Blocks ---------------------------------------------------------------------------------- */

static struct phu_window_block *find_block(const struct phu_window_block *blocks, size_t group)
{
    while (blocks && blocks->group != group)
        blocks = blocks->next;
    return (struct phu_window_block *)blocks;
}

static struct phu_window_block *take_block(const struct phu_window_plan *plan,
                                           struct phu_window_block **blocks, uint16_t group)
{
    struct phu_window_block *block = find_block(*blocks, group);

    if (block)
        return block;
    block = calloc(1, sizeof *block + plan->groups[group].size);
    if (!block)
        abort();
    block->group = group;
    block->next = *blocks;
    *blocks = block;
    return block;
}

static void *accumulator(const struct phu_window_block *block, const struct cell *cell)
{
    return (char *)block->room + cell->offset;
}

static struct phu_sketch *sketch_of(const struct phu_window_block *block, const struct cell *cell)
{
    void *place = (char *)accumulator(block, cell) + sizeof(struct spread_int);

    return place;
}

static void add_int(struct spread_int *spread, int64_t value)
{
    if (spread->count == 0 || value < spread->min)
        spread->min = value;
    if (spread->count == 0 || value > spread->max)
        spread->max = value;
    spread->sum += value;
    spread->count++;
}

static void add_float(struct spread_float *spread, double value)
{
    if (spread->count == 0 || value < spread->min)
        spread->min = value;
    if (spread->count == 0 || value > spread->max)
        spread->max = value;
    spread->sum += value;
    spread->count++;
}

static void add_count(void *place, enum phu_metric_type type, const struct phu_value *value)
{
    if (type == PHU_METRIC_INT)
        *(int64_t *)place += value->i;
    else
        *(double *)place += value->f;
}

/* Cut at a character, so that it stays UTF-8. */
static void set_text(char *place, const char *text)
{
    size_t length = strnlen(text, PHU_METRIC_TEXT_MAX + 1);

    if (length > PHU_METRIC_TEXT_MAX) {
        length = PHU_METRIC_TEXT_MAX;
        while (length && (text[length] & 0xc0) == 0x80)
            length--;
    }
    memcpy(place, text, length);
    place[length] = '\0';
}

bool phu_window_add(const struct phu_window_plan *plan, struct phu_window_block **blocks,
                    const struct phu_value *value)
{
    const struct cell *cell = &plan->cells[value->metric];
    struct phu_window_block *block;
    enum phu_metric_type type;
    void *place;

    if (value->metric >= plan->cell_count)
        return false;
    type = cell->metric->type;
    if (type == PHU_METRIC_FLOAT && !isfinite(value->f))
        return false;
    block = take_block(plan, blocks, cell->group);
    block->is_used = true;
    place = accumulator(block, cell);
    if (cell->metric->kind == PHU_METRIC_COUNT) {
        add_count(place, type, value);
        return true;
    }
    if (cell->metric->kind == PHU_METRIC_LATEST) {
        set_text(place, value->text);
        return true;
    }
    if (type == PHU_METRIC_INT)
        add_int(place, value->i);
    else
        add_float(place, value->f);
    if (cell->metric->kind == PHU_METRIC_SKETCH && type == PHU_METRIC_INT)
        phu_sketch_add_int(sketch_of(block, cell), value->i);
    else if (cell->metric->kind == PHU_METRIC_SKETCH)
        phu_sketch_add(sketch_of(block, cell), value->f);
    return true;
}

static void write_count(const struct cell *cell, const void *place, struct phu_line *line)
{
    if (cell->metric->type == PHU_METRIC_INT) {
        if (*(const int64_t *)place)
            phu_line_int(line, cell->metric->name, *(const int64_t *)place);
    } else if (*(const double *)place != 0) {
        phu_line_float(line, cell->metric->name, *(const double *)place);
    }
}

static void write_int(const struct cell *cell, const struct spread_int *spread,
                      struct phu_line *line)
{
    phu_line_int(line, cell->names[PHU_WINDOW_SUM], spread->sum);
    phu_line_int(line, cell->names[PHU_WINDOW_COUNT], spread->count);
    phu_line_int(line, cell->names[PHU_WINDOW_MIN], spread->min);
    phu_line_int(line, cell->names[PHU_WINDOW_MAX], spread->max);
}

static void write_float(const struct cell *cell, const struct spread_float *spread,
                        struct phu_line *line)
{
    phu_line_float(line, cell->names[PHU_WINDOW_SUM], spread->sum);
    phu_line_int(line, cell->names[PHU_WINDOW_COUNT], spread->count);
    phu_line_float(line, cell->names[PHU_WINDOW_MIN], spread->min);
    phu_line_float(line, cell->names[PHU_WINDOW_MAX], spread->max);
}

static void write_cell(const struct cell *cell, const struct phu_window_block *block,
                       struct phu_line *line)
{
    const void *place = accumulator(block, cell);

    if (cell->metric->kind == PHU_METRIC_COUNT) {
        write_count(cell, place, line);
        return;
    }
    if (cell->metric->kind == PHU_METRIC_LATEST) {
        if (*(const char *)place)
            phu_line_string(line, cell->metric->name, place);
        return;
    }
    if (((const struct spread_int *)place)->count == 0)
        return;
    if (cell->metric->type == PHU_METRIC_INT)
        write_int(cell, place, line);
    else
        write_float(cell, place, line);
    if (cell->metric->kind == PHU_METRIC_SKETCH)
        write_sketch(sketch_of(block, cell), cell->names[PHU_WINDOW_BUCKET], line);
}

void phu_window_write(const struct phu_window_plan *plan, const struct phu_window_block *blocks,
                      size_t group, struct phu_line *line)
{
    const struct phu_window_block *block = find_block(blocks, group);

    if (!block || !block->is_used)
        return;
    for (size_t i = 0; i < plan->cell_count; i++) {
        if (plan->cells[i].group == group)
            write_cell(&plan->cells[i], block, line);
    }
}

static void reset_block(const struct phu_window_plan *plan, struct phu_window_block *block,
                        void (*reset_sketch)(struct phu_sketch *sketch))
{
    for (size_t i = 0; i < plan->cell_count; i++) {
        const struct cell *cell = &plan->cells[i];

        if (cell->group != block->group)
            continue;
        memset(accumulator(block, cell), 0,
               cell->metric->kind == PHU_METRIC_SKETCH ? sizeof(struct spread_int)
                                                       : cell_size(cell->metric));
        if (cell->metric->kind == PHU_METRIC_SKETCH)
            reset_sketch(sketch_of(block, cell));
    }
    block->is_used = false;
}

void phu_window_reset(const struct phu_window_plan *plan, struct phu_window_block **blocks)
{
    while (*blocks) {
        struct phu_window_block *block = *blocks;

        if (block->is_used) {
            reset_block(plan, block, phu_sketch_reset);
            blocks = &block->next;
        } else {
            *blocks = block->next;
            reset_block(plan, block, phu_sketch_fini);
            free(block);
        }
    }
}

void phu_window_free(const struct phu_window_plan *plan, struct phu_window_block **blocks)
{
    while (*blocks) {
        struct phu_window_block *block = *blocks;

        *blocks = block->next;
        reset_block(plan, block, phu_sketch_fini);
        free(block);
    }
}
