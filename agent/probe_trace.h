/* What a collector told of its inside during `phusong probe`, kept for the report: the facts of a
 * device, the cells of its tables, remarks. The last value of each cell counts.
 */
#pragma once

#include "phusong/trace.h"

#include <jansson.h>
#include <stdint.h>
#include <stdio.h>

struct phu_probe_cell {
    const char *table; /* one of the trace's tables */
    char *row, *index, *column, *oid;
    char *raw, *value, *unit, *metric, *why;
};

struct phu_probe_fact {
    char *name, *value;
};

struct phu_probe_trace {
    struct phu_trace trace; /* first */
    struct phu_probe_fact *facts;
    size_t fact_count;
    char **tables;
    size_t table_count;
    struct phu_probe_cell *cells; /* in the order in which they were first told */
    size_t cell_count, cell_size;
    struct phu_probe_fact *rows; /* which endpoint a row serves */
    size_t row_count;
    char **notes;
    size_t note_count;
    uint32_t *buckets; /* of cells, by oid; 0 free, else 1 + number */
    size_t bucket_count;
};

void phu_probe_trace_init(struct phu_probe_trace *trace);
void phu_probe_trace_fini(struct phu_probe_trace *trace);

void phu_probe_trace_print(const struct phu_probe_trace *trace, FILE *out);
/* Adds "facts", "tables", "serves" and "notes" to an object, where there are any. */
void phu_probe_trace_json(const struct phu_probe_trace *trace, json_t *object);
