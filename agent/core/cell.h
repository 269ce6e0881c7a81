/* One metric of one window: the values that it adds up, and the few bytes that it takes between two
 * of them.
 *
 * A province has millions of open windows, and nearly all of their counts are small, their extremes
 * equal, their histograms one bucket. So a window is kept packed (varints, and one number where sum
 * and extremes follow from it) and unpacked a cell at a time when something is added. Packing
 * loses nothing.
 */
#pragma once

#include "phusong/metric.h"
#include "sketch.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

union phu_number {
    int64_t i;
    double f;
};

/* Which fields mean anything depends on the metric's kind; the first value sets them. */
struct phu_cell_sum {
    int64_t count; /* of values; 0: the rest is not set. Of a COUNT: that there is one */
    union phu_number sum, min, max;
    struct phu_sketch sketch;
    uint8_t text_length;
    char text[PHU_METRIC_TEXT_MAX];
};

/* `sum` has a count of 0 or is what phu_cell_unpack() gave. Returns false for a value that is not
 * finite: nothing has changed. */
bool phu_cell_add(struct phu_cell_sum *sum, const struct phu_metric *metric,
                  const struct phu_value *value);

/* A packed cell is never longer. */
size_t phu_cell_room(const struct phu_metric *metric);
/* Both return where the cell ends. A sketch's heap goes with the cell that was written last. */
uint8_t *phu_cell_pack(uint8_t *cursor, const struct phu_metric *metric,
                       const struct phu_cell_sum *sum);
const uint8_t *phu_cell_unpack(const uint8_t *cursor, const struct phu_metric *metric,
                               struct phu_cell_sum *sum);
