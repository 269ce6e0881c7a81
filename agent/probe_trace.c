#include "probe_trace.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* -- Keeping --------------------------------------------------------------------------------- */

static char *copy(const char *text)
{
    char *kept = strdup(text);

    if (!kept)
        abort();
    return kept;
}

static void replace(char **kept, const char *text)
{
    if (strcmp(*kept, text) == 0)
        return;
    free(*kept);
    *kept = copy(text);
}

static void *grow(void *items, size_t count, size_t size)
{
    items = realloc(items, count * size);
    if (!items)
        abort();
    return items;
}

static void keep_fact(struct phu_probe_fact **facts, size_t *count, const char *name,
                      const char *value)
{
    for (size_t i = 0; i < *count; i++) {
        if (strcmp((*facts)[i].name, name) == 0) {
            replace(&(*facts)[i].value, value);
            return;
        }
    }
    *facts = grow(*facts, *count + 1, sizeof **facts);
    (*facts)[(*count)++] = (struct phu_probe_fact){copy(name), copy(value)};
}

static void keep_note(struct phu_probe_trace *trace, const char *text)
{
    for (size_t i = 0; i < trace->note_count; i++) {
        if (strcmp(trace->notes[i], text) == 0)
            return;
    }
    trace->notes = grow(trace->notes, trace->note_count + 1, sizeof *trace->notes);
    trace->notes[trace->note_count++] = copy(text);
}

static size_t mix(size_t value, const char *text)
{
    for (; *text; text++)
        value = (value ^ (unsigned char)*text) * 16777619U; /* FNV-1a */
    return value;
}

/* What is no object of the device, such as the speed out of two columns, is told by its row. */
static uint32_t hash_of(const char *oid, const char *row)
{
    return (uint32_t)mix(2166136261U, *oid ? oid : row);
}

static bool is_same(const struct phu_probe_cell *cell, const struct phu_trace_item *item)
{
    return strcmp(cell->oid, item->oid) == 0 && strcmp(cell->table, item->table) == 0 &&
           strcmp(cell->column, item->column) == 0 &&
           (*item->oid || strcmp(cell->row, item->row) == 0);
}

/* The bucket of the item's cell, or a free one. */
static uint32_t *bucket_of(struct phu_probe_trace *trace, const struct phu_trace_item *item)
{
    size_t at = hash_of(item->oid, item->row) % trace->bucket_count;

    while (trace->buckets[at] && !is_same(&trace->cells[trace->buckets[at] - 1], item))
        at = (at + 1) % trace->bucket_count;
    return &trace->buckets[at];
}

static void grow_buckets(struct phu_probe_trace *trace)
{
    trace->bucket_count = trace->bucket_count ? trace->bucket_count * 2 : 256;
    free(trace->buckets);
    trace->buckets = calloc(trace->bucket_count, sizeof *trace->buckets);
    if (!trace->buckets)
        abort();
    for (size_t i = 0; i < trace->cell_count; i++) {
        size_t at = hash_of(trace->cells[i].oid, trace->cells[i].row) % trace->bucket_count;

        while (trace->buckets[at])
            at = (at + 1) % trace->bucket_count;
        trace->buckets[at] = (uint32_t)i + 1;
    }
}

/* A device has few tables. */
static const char *table_of(struct phu_probe_trace *trace, const char *name)
{
    for (size_t i = 0; i < trace->table_count; i++) {
        if (strcmp(trace->tables[i], name) == 0)
            return trace->tables[i];
    }
    trace->tables = grow(trace->tables, trace->table_count + 1, sizeof *trace->tables);
    trace->tables[trace->table_count] = copy(name);
    return trace->tables[trace->table_count++];
}

static void add_cell(struct phu_probe_trace *trace, const struct phu_trace_item *item)
{
    if (trace->cell_count == trace->cell_size) {
        trace->cell_size = trace->cell_size ? trace->cell_size * 2 : 64;
        trace->cells = grow(trace->cells, trace->cell_size, sizeof *trace->cells);
    }
    trace->cells[trace->cell_count++] =
        (struct phu_probe_cell){.table = table_of(trace, item->table),
                                .row = copy(item->row),
                                .index = copy(item->index),
                                .column = copy(item->column),
                                .oid = copy(item->oid),
                                .raw = copy(item->raw),
                                .value = copy(item->value),
                                .unit = copy(item->unit),
                                .metric = copy(item->name),
                                .why = copy(item->why)};
}

static void keep_cell(struct phu_probe_trace *trace, const struct phu_trace_item *item)
{
    uint32_t *bucket;
    struct phu_probe_cell *cell;

    if ((trace->cell_count + 1) * 2 > trace->bucket_count)
        grow_buckets(trace);
    bucket = bucket_of(trace, item);
    if (!*bucket) {
        add_cell(trace, item);
        *bucket = (uint32_t)trace->cell_count;
        return;
    }
    cell = &trace->cells[*bucket - 1];
    replace(&cell->row, item->row);
    replace(&cell->raw, item->raw);
    replace(&cell->value, item->value);
    replace(&cell->unit, item->unit);
    replace(&cell->metric, item->name);
    replace(&cell->why, item->why);
}

static void put(struct phu_trace *sink, const struct phu_trace_item *item)
{
    struct phu_probe_trace *trace = (struct phu_probe_trace *)sink;
    char row[256];

    switch (item->kind) {
    case PHU_TRACE_FACT:
        keep_fact(&trace->facts, &trace->fact_count, item->name, item->value);
        return;
    case PHU_TRACE_ROW:
        snprintf(row, sizeof row, "%s %s", item->table, item->row);
        if (item->value[0])
            keep_fact(&trace->rows, &trace->row_count, row, item->value);
        return;
    case PHU_TRACE_VALUE:
        keep_cell(trace, item);
        return;
    case PHU_TRACE_NOTE:
        keep_note(trace, item->why);
        return;
    }
}

void phu_probe_trace_init(struct phu_probe_trace *trace)
{
    *trace = (struct phu_probe_trace){.trace = {put}};
}

static void free_facts(struct phu_probe_fact *facts, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        free(facts[i].name);
        free(facts[i].value);
    }
    free(facts);
}

void phu_probe_trace_fini(struct phu_probe_trace *trace)
{
    free_facts(trace->facts, trace->fact_count);
    free_facts(trace->rows, trace->row_count);
    for (size_t i = 0; i < trace->cell_count; i++) {
        struct phu_probe_cell *cell = &trace->cells[i];
        char *texts[] = {cell->row,   cell->index, cell->column, cell->oid, cell->raw,
                         cell->value, cell->unit,  cell->metric, cell->why};

        for (size_t k = 0; k < sizeof texts / sizeof *texts; k++)
            free(texts[k]);
    }
    free(trace->cells);
    for (size_t i = 0; i < trace->table_count; i++)
        free(trace->tables[i]);
    free(trace->tables);
    for (size_t i = 0; i < trace->note_count; i++)
        free(trace->notes[i]);
    free(trace->notes);
    free(trace->buckets);
}

/* -- For people ------------------------------------------------------------------------------ */

/* Columns that a terminal shows; bytes that continue a character of UTF-8 take no room. */
static int width_of(const char *text)
{
    int width = 0;

    for (; *text; text++)
        width += (*text & 0xc0) != 0x80;
    return width;
}

#define WIDTH_MAX 40

struct widths {
    int row, column, raw, value;
};

static void widen(int *width, int wanted)
{
    if (wanted > *width)
        *width = wanted < WIDTH_MAX ? wanted : WIDTH_MAX;
}

static void print_padded(const char *text, int width, FILE *out)
{
    int used = width_of(text);

    fprintf(out, "%s%*s", text, used < width ? width - used : 0, "");
}

static int value_width(const struct phu_probe_cell *cell)
{
    int unit = strcmp(cell->unit, "1") == 0 ? 0 : width_of(cell->unit);

    return width_of(cell->value) + (unit ? unit + 1 : 0);
}

static struct widths measure(const struct phu_probe_trace *trace, const char *table)
{
    struct widths widths = {3, 6, 3, 5};

    for (size_t i = 0; i < trace->cell_count; i++) {
        const struct phu_probe_cell *cell = &trace->cells[i];

        if (cell->table != table)
            continue;
        widen(&widths.row, width_of(cell->row[0] ? cell->row : cell->index));
        widen(&widths.column, width_of(cell->column));
        widen(&widths.raw, width_of(cell->raw));
        widen(&widths.value, value_width(cell));
    }
    return widths;
}

static void print_cell(const struct phu_probe_cell *cell, const struct widths *widths, FILE *out)
{
    const char *unit = strcmp(cell->unit, "1") == 0 ? "" : cell->unit;
    char value[160];

    snprintf(value, sizeof value, "%s%s%s", cell->value[0] ? cell->value : "-",
             cell->value[0] && *unit ? " " : "", cell->value[0] ? unit : "");
    fputs("  ", out);
    print_padded(cell->row[0] ? cell->row : cell->index, widths->row, out);
    fputs("  ", out);
    print_padded(cell->column, widths->column, out);
    fputs("  ", out);
    print_padded(cell->raw, widths->raw, out);
    fputs("  ", out);
    print_padded(value, widths->value, out);
    fprintf(out, "  %s%s%s\n", cell->metric, cell->metric[0] && cell->why[0] ? ": " : "",
            cell->why);
}

/* Rows as a person would sort them, 0/1/3:9 before 0/1/3:10, each with its cells as they came. */
static int compare_cells(const void *a, const void *b)
{
    const struct phu_probe_cell *const *left = a, *const *right = b;
    int order = strverscmp((*left)->row, (*right)->row);

    if (order == 0)
        order = strverscmp((*left)->index, (*right)->index);
    return order ? order : (*left > *right) - (*left < *right);
}

static void print_table(const struct phu_probe_trace *trace, const char *table, FILE *out)
{
    struct widths widths = measure(trace, table);
    const struct phu_probe_cell **cells = grow(NULL, trace->cell_count, sizeof *cells);
    size_t count = 0;

    fprintf(out, "\n%s\n  %-*s  %-*s  %-*s  %-*s  METRIC\n", table, widths.row, "ROW",
            widths.column, "COLUMN", widths.raw, "RAW", widths.value, "VALUE");
    for (size_t i = 0; i < trace->cell_count; i++) {
        if (trace->cells[i].table == table)
            cells[count++] = &trace->cells[i];
    }
    qsort(cells, count, sizeof *cells, compare_cells);
    for (size_t i = 0; i < count; i++)
        print_cell(cells[i], &widths, out);
    free(cells);
}

static void print_facts(const struct phu_probe_fact *facts, size_t count, const char *arrow,
                        FILE *out)
{
    int width = 0;

    for (size_t i = 0; i < count; i++)
        widen(&width, width_of(facts[i].name));
    for (size_t i = 0; i < count; i++) {
        fputs("  ", out);
        print_padded(facts[i].name, width, out);
        fprintf(out, "  %s%s\n", arrow, facts[i].value);
    }
}

void phu_probe_trace_print(const struct phu_probe_trace *trace, FILE *out)
{
    print_facts(trace->facts, trace->fact_count, "", out);
    for (size_t i = 0; i < trace->table_count; i++)
        print_table(trace, trace->tables[i], out);
    if (trace->row_count)
        fputs("\nserves\n", out);
    print_facts(trace->rows, trace->row_count, "-> ", out);
    if (trace->note_count)
        fputs("\nremarks\n", out);
    for (size_t i = 0; i < trace->note_count; i++)
        fprintf(out, "  %s\n", trace->notes[i]);
}

/* -- For programs ---------------------------------------------------------------------------- */

static json_t *text_of(const char *text)
{
    json_t *value = json_string(text);

    return value ? value : json_string("?"); /* not UTF-8 */
}

static json_t *object_of(const struct phu_probe_fact *facts, size_t count)
{
    json_t *object = json_object();

    for (size_t i = 0; i < count; i++)
        json_object_set_new(object, facts[i].name, text_of(facts[i].value));
    return object;
}

static void set_text(json_t *object, const char *key, const char *text)
{
    if (text[0])
        json_object_set_new(object, key, text_of(text));
}

static json_t *cell_of(const struct phu_probe_cell *cell)
{
    json_t *object = json_object();
    char *end;
    double number = strtod(cell->value, &end);

    set_text(object, "row", cell->row);
    set_text(object, "index", cell->index);
    set_text(object, "column", cell->column);
    set_text(object, "oid", cell->oid);
    set_text(object, "raw", cell->raw);
    if (cell->value[0] && !*end && cell->unit[0])
        json_object_set_new(object, "value", json_real(number));
    else
        set_text(object, "value", cell->value);
    set_text(object, "unit", cell->unit);
    set_text(object, "metric", cell->metric);
    set_text(object, "why", cell->why);
    return object;
}

static json_t *tables_of(const struct phu_probe_trace *trace)
{
    json_t *tables = json_object();

    for (size_t i = 0; i < trace->cell_count; i++) {
        json_t *table = json_object_get(tables, trace->cells[i].table);

        if (!table) {
            table = json_array();
            json_object_set_new(tables, trace->cells[i].table, table);
        }
        json_array_append_new(table, cell_of(&trace->cells[i]));
    }
    return tables;
}

void phu_probe_trace_json(const struct phu_probe_trace *trace, json_t *object)
{
    if (trace->fact_count)
        json_object_set_new(object, "facts", object_of(trace->facts, trace->fact_count));
    if (trace->cell_count)
        json_object_set_new(object, "tables", tables_of(trace));
    if (trace->row_count)
        json_object_set_new(object, "serves", object_of(trace->rows, trace->row_count));
    if (trace->note_count) {
        json_t *notes = json_array();

        for (size_t i = 0; i < trace->note_count; i++)
            json_array_append_new(notes, text_of(trace->notes[i]));
        json_object_set_new(object, "notes", notes);
    }
}
