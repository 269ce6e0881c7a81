/* A metric: one quantity that phusong measures, and how its values add up over a window.
 *
 * Each collector lists its metrics in one const table. From the tables come the fields of the line
 * protocol, the catalogue (`phusong catalog`) and docs/metrics.md.
 */
#pragma once

#include <stdint.h>

enum phu_metric_kind {
    /* A count that adds up: field NAME (integer). Omitted from a point when 0, unless the window
     * has nothing else to say. */
    PHU_METRIC_COUNT,
    /* Values with sum, count and extremes: NAME_sum, NAME_count, NAME_min, NAME_max (with the
     * unit's suffix before them: see phu_metric.unit). Omitted when there was no value. */
    PHU_METRIC_SPREAD,
    /* As SPREAD, and a sparse DDSketch histogram of relative accuracy 5 %: NAME_b<index>, one
     * integer field per bucket that is not empty. Values are never negative. */
    PHU_METRIC_SKETCH,
    /* What was said last: field NAME, a string (PHU_METRIC_TEXT). Not a number that adds up: of two
     * windows the later one's holds. At most PHU_METRIC_TEXT_MAX bytes of it are kept. */
    PHU_METRIC_LATEST,
};

#define PHU_METRIC_TEXT_MAX 63

enum phu_metric_type {
    PHU_METRIC_INT,   /* int64 on the wire: "17i" */
    PHU_METRIC_FLOAT, /* double on the wire, always with a point: "-97.5" */
    PHU_METRIC_TEXT,  /* a string on the wire; LATEST only */
};

struct phu_metric {
    const char *measurement; /* "http" */
    const char *name; /* field name or prefix, with the unit: "connect_us" gives connect_sum_us … */
    const char *unit; /* "us", "ms", "bytes", "dBm", "1" … */
    enum phu_metric_kind kind;
    enum phu_metric_type type;
    const char *meaning; /* one line */
};

/* One value of one metric. */
struct phu_value {
    uint32_t metric; /* index into the collector's table */
    union {
        int64_t i;
        double f;
        const char *text; /* borrowed for the call; never NULL */
    };
};
