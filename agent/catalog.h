/* The catalogue: every measurement, tag and field that an agent can send, from the collectors'
 * metric tables, the monitor's own fields and the statistics. Read by `phusong catalog`, by
 * docs/metrics.md, and by tests that check what lines, dashboards and rules name. */
#pragma once

#include "phusong/collector.h"

#include <stdbool.h>

struct phu_catalog_measurement {
    const char *name;
    const char *tags; /* separated by commas; "|" between those of endpoints and of devices */
    /* Of rows: one of these names the row, separated by commas; those of rows that serve an
     * endpoint are in `served_tags`. "" for all else. */
    const char *row_tags, *served_tags;
    const char *meaning;
};

struct phu_catalog_field {
    const char *name; /* ends in "*" where a bucket's number follows */
    const char *type; /* "integer", "float" or "string" */
    const char *unit;
    const char
        *kind; /* how it adds up: "sum", "minimum", "maximum", "latest", "counter", "gauge" */
    const char *meaning;
    const char *labels; /* statistics: more tags of the line; "" if none */
};

/* The fields of a measurement follow it. Strings are borrowed for the call. */
struct phu_catalog_visitor {
    void (*measurement)(void *arg, const struct phu_catalog_measurement *measurement);
    void (*field)(void *arg, const struct phu_catalog_field *field);
    void *arg;
};

/* `collectors` ends with NULL. */
void phu_catalog_visit(const struct phu_collector *const *collectors,
                       const struct phu_catalog_visitor *visitor);
