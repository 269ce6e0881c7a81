#include "window.h"

#include "cell.h"
#include "phusong/varint.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define PLACE_MAX 3 /* bytes of a place of 16 bits */

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

/* How one metric is kept. */
struct cell {
    const struct phu_metric *metric;
    uint16_t group;
    uint16_t place;                 /* in a window: by group, then as in the collector's table */
    char *names[PHU_WINDOW_FIELDS]; /* SPREAD and SKETCH only */
};

struct phu_window_plan {
    struct cell *cells; /* in the order of the collector's table */
    size_t cell_count;
    const struct cell **places;
    const char **groups; /* measurements */
    size_t group_count;
    int rtt_metric;
    uint8_t *scratch; /* where a window is packed anew: as long as it could ever be */
};

/* The cells that hold something, ascending by place: place as varint, then the cell. */
struct phu_window {
    uint16_t size, capacity; /* of bytes */
    bool has_heap;           /* some sketch may have */
    uint8_t bytes[];
};

static uint16_t find_group(struct phu_window_plan *plan, const char *measurement)
{
    int found = phu_window_group(plan, measurement);

    if (found >= 0)
        return (uint16_t)found;
    plan->groups[plan->group_count] = measurement;
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

static void order_cells(struct phu_window_plan *plan)
{
    uint16_t place = 0;

    for (size_t group = 0; group < plan->group_count; group++) {
        for (size_t i = 0; i < plan->cell_count; i++) {
            if (plan->cells[i].group != group)
                continue;
            plan->cells[i].place = place;
            plan->places[place++] = &plan->cells[i];
        }
    }
}

static void *allocate(size_t count, size_t size)
{
    void *memory = calloc(count ? count : 1, size ? size : 1);

    if (!memory)
        abort();
    return memory;
}

struct phu_window_plan *phu_window_plan_new(const char *measurement,
                                            const struct phu_metric *metrics, size_t metric_count,
                                            int rtt_metric)
{
    struct phu_window_plan *plan = allocate(1, sizeof *plan);
    size_t room = 0;

    plan->cells = allocate(metric_count, sizeof *plan->cells);
    plan->places = allocate(metric_count, sizeof *plan->places);
    plan->groups = allocate(metric_count + 1, sizeof *plan->groups);
    plan->cell_count = metric_count;
    plan->rtt_metric = rtt_metric;
    find_group(plan, measurement);
    for (size_t i = 0; i < metric_count; i++) {
        struct cell *cell = &plan->cells[i];

        cell->metric = &metrics[i];
        cell->group = find_group(plan, metrics[i].measurement);
        name_cell(cell);
        room += PLACE_MAX + phu_cell_room(&metrics[i]);
    }
    assert(room <= UINT16_MAX);
    order_cells(plan);
    plan->scratch = allocate(1, room);
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
    free(plan->places);
    free(plan->groups);
    free(plan->scratch);
    free(plan);
}

int phu_window_group(const struct phu_window_plan *plan, const char *measurement)
{
    for (size_t i = 0; i < plan->group_count; i++) {
        if (strcmp(plan->groups[i], measurement) == 0)
            return (int)i;
    }
    return -1;
}

int phu_window_rtt_metric(const struct phu_window_plan *plan)
{
    return plan->rtt_metric;
}

const char *phu_window_measurement(const struct phu_window_plan *plan, size_t group)
{
    return plan->groups[group];
}

/* -- Reading a window ------------------------------------------------------------------------ */

struct reader {
    const struct phu_window_plan *plan;
    const uint8_t *cursor, *end;
    const struct cell *cell; /* NULL at the end */
    const uint8_t *content;  /* of the cell */
};

/* To the cell at the cursor. */
static void look(struct reader *reader)
{
    reader->cell = NULL;
    if (reader->cursor == reader->end)
        return;
    reader->content = reader->cursor;
    reader->cell = reader->plan->places[phu_varint_take(&reader->content)];
}

static void take(struct reader *reader, struct phu_cell_sum *sum)
{
    reader->cursor = phu_cell_unpack(reader->content, reader->cell->metric, sum);
    look(reader);
}

static struct reader read_window(const struct phu_window_plan *plan,
                                 const struct phu_window *window)
{
    struct reader reader = {.plan = plan};

    if (window) {
        reader.cursor = window->bytes;
        reader.end = window->bytes + window->size;
    }
    look(&reader);
    return reader;
}

/* -- Adding ---------------------------------------------------------------------------------- */

/* A window that has grown once will be as large next time; it grows to what malloc has anyway. */
static struct phu_window *make_room(struct phu_window *window, size_t size)
{
    size_t capacity;

    if (window && size <= window->capacity)
        return window;
    capacity = (offsetof(struct phu_window, bytes) + size + 8 + 15) / 16 * 16 - 8 -
               offsetof(struct phu_window, bytes);
    if (!window) {
        window = allocate(1, offsetof(struct phu_window, bytes) + capacity);
    } else {
        window = realloc(window, offsetof(struct phu_window, bytes) + capacity);
        if (!window)
            abort();
    }
    window->capacity = (uint16_t)capacity;
    return window;
}

static uint8_t *pack(uint8_t *cursor, const struct cell *cell, const struct phu_cell_sum *sum)
{
    cursor = phu_varint_put(cursor, cell->place);
    return phu_cell_pack(cursor, cell->metric, sum);
}

static uint8_t *copy(uint8_t *cursor, struct reader *reader)
{
    const uint8_t *start = reader->cursor;
    struct phu_cell_sum sum;

    take(reader, &sum);
    memcpy(cursor, start, (size_t)(reader->cursor - start));
    return cursor + (reader->cursor - start);
}

/* A count of nothing leaves no trace. */
static bool is_nothing(const struct phu_metric *metric, const struct phu_cell_sum *sum)
{
    if (metric->kind != PHU_METRIC_COUNT || sum->count == 0)
        return sum->count == 0;
    return metric->type == PHU_METRIC_FLOAT ? sum->sum.f == 0 : sum->sum.i == 0;
}

/* Merges values whose places ascend into the window; returns how many were not finite. */
static size_t merge(const struct phu_window_plan *plan, struct phu_window **window,
                    const struct phu_value *values, size_t count)
{
    struct reader reader = read_window(plan, *window);
    uint8_t *cursor = plan->scratch;
    bool has_heap = *window && (*window)->has_heap;
    size_t refused = 0, size;

    for (size_t i = 0; i < count; i++) {
        const struct cell *cell = &plan->cells[values[i].metric];
        struct phu_cell_sum sum;

        while (reader.cell && reader.cell->place < cell->place)
            cursor = copy(cursor, &reader);
        sum.count = 0;
        if (reader.cell == cell)
            take(&reader, &sum);
        refused += !phu_cell_add(&sum, cell->metric, &values[i]);
        if (is_nothing(cell->metric, &sum))
            continue;
        has_heap |= cell->metric->kind == PHU_METRIC_SKETCH && sum.sketch.capacity;
        cursor = pack(cursor, cell, &sum);
    }
    if (reader.cell) {
        memcpy(cursor, reader.cursor, (size_t)(reader.end - reader.cursor));
        cursor += reader.end - reader.cursor;
    }
    size = (size_t)(cursor - plan->scratch);
    if (size == 0)
        return refused;
    *window = make_room(*window, size);
    memcpy((*window)->bytes, plan->scratch, size);
    (*window)->size = (uint16_t)size;
    (*window)->has_heap = has_heap;
    return refused;
}

size_t phu_window_put(const struct phu_window_plan *plan, struct phu_window **window,
                      const struct phu_value *values, size_t count, int passed_over)
{
    size_t refused = 0, start = 0;
    int last = -1; /* place of the value before */

    /* Runs of ascending places; nearly always one. */
    for (size_t i = 0; i < count; i++) {
        bool is_known = values[i].metric < plan->cell_count;
        bool is_wanted = is_known && (int64_t)values[i].metric != passed_over;
        int place = is_wanted ? plan->cells[values[i].metric].place : -1;

        if (is_wanted && place > last) {
            last = place;
            continue;
        }
        if (i > start)
            refused += merge(plan, window, values + start, i - start);
        start = is_wanted ? i : i + 1;
        last = place;
        refused += !is_known;
    }
    if (count > start)
        refused += merge(plan, window, values + start, count - start);
    return refused;
}

/* -- Writing --------------------------------------------------------------------------------- */

static void write_count(const struct cell *cell, const struct phu_cell_sum *sum,
                        struct phu_line *line)
{
    if (cell->metric->type == PHU_METRIC_INT)
        phu_line_int(line, cell->metric->name, sum->sum.i);
    else
        phu_line_float(line, cell->metric->name, sum->sum.f);
}

static void write_number(struct phu_line *line, const struct cell *cell,
                         enum phu_window_field field, const union phu_number *number)
{
    if (cell->metric->type == PHU_METRIC_INT)
        phu_line_int(line, cell->names[field], number->i);
    else
        phu_line_float(line, cell->names[field], number->f);
}

static void write_spread(const struct cell *cell, const struct phu_cell_sum *sum,
                         struct phu_line *line)
{
    write_number(line, cell, PHU_WINDOW_SUM, &sum->sum);
    phu_line_int(line, cell->names[PHU_WINDOW_COUNT], sum->count);
    write_number(line, cell, PHU_WINDOW_MIN, &sum->min);
    write_number(line, cell, PHU_WINDOW_MAX, &sum->max);
}

static void write_text(const struct cell *cell, const struct phu_cell_sum *sum,
                       struct phu_line *line)
{
    char text[PHU_METRIC_TEXT_MAX + 1];

    memcpy(text, sum->text, sum->text_length);
    text[sum->text_length] = '\0';
    if (text[0])
        phu_line_string(line, cell->metric->name, text);
}

static void write_cell(const struct cell *cell, const struct phu_cell_sum *sum,
                       struct phu_line *line)
{
    switch (cell->metric->kind) {
    case PHU_METRIC_COUNT:
        write_count(cell, sum, line);
        return;
    case PHU_METRIC_SPREAD:
        write_spread(cell, sum, line);
        return;
    case PHU_METRIC_SKETCH:
        write_spread(cell, sum, line);
        write_sketch(&sum->sketch, cell->names[PHU_WINDOW_BUCKET], line);
        return;
    case PHU_METRIC_LATEST:
        write_text(cell, sum, line);
        return;
    }
}

/* The first cell of a group at or after `group`. */
static struct reader read_group(const struct phu_window_plan *plan, const struct phu_window *window,
                                size_t group)
{
    struct reader reader = read_window(plan, window);
    struct phu_cell_sum sum;

    while (reader.cell && reader.cell->group < group)
        take(&reader, &sum);
    return reader;
}

int phu_window_next_group(const struct phu_window_plan *plan, const struct phu_window *window,
                          int after)
{
    struct reader reader = read_group(plan, window, (size_t)after + 1);

    return reader.cell ? reader.cell->group : -1;
}

int phu_window_write(const struct phu_window_plan *plan, const struct phu_window *window,
                     size_t group, struct phu_line *line)
{
    struct reader reader = read_group(plan, window, group);

    while (reader.cell && reader.cell->group == group) {
        const struct cell *cell = reader.cell;
        struct phu_cell_sum sum;

        take(&reader, &sum);
        write_cell(cell, &sum, line);
    }
    return reader.cell ? reader.cell->group : -1;
}

/* -- The end --------------------------------------------------------------------------------- */

static void free_sketches(const struct phu_window_plan *plan, struct phu_window *window)
{
    struct reader reader = read_window(plan, window);

    while (reader.cell) {
        bool is_sketch = reader.cell->metric->kind == PHU_METRIC_SKETCH;
        struct phu_cell_sum sum;

        take(&reader, &sum);
        if (is_sketch)
            phu_sketch_fini(&sum.sketch);
    }
}

void phu_window_free(const struct phu_window_plan *plan, struct phu_window **window)
{
    if (*window && (*window)->has_heap)
        free_sketches(plan, *window);
    free(*window);
    *window = NULL;
}

void phu_window_reset(const struct phu_window_plan *plan, struct phu_window **window)
{
    if (!*window)
        return;
    if ((*window)->size == 0) {
        phu_window_free(plan, window);
        return;
    }
    if ((*window)->has_heap)
        free_sketches(plan, *window);
    (*window)->size = 0;
    (*window)->has_heap = false;
}

bool phu_window_is_empty(const struct phu_window *window)
{
    return !window || window->size == 0;
}
