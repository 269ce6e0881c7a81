/* Windows: accumulators that add up whatever a collector's metric table declares.
 *
 * A plan is made once per collector. It sorts the metrics into groups, one per measurement. A
 * check, and each of its rows, owns a window: one small piece of memory with what was seen, packed
 * (cell.h), so metrics that are rarely seen cost nothing and an interface costs some 50 bytes. It
 * appears with the first value and goes away after a window without any.
 *
 * Round trips of a subject's primary check are not in there but in phu_trips, which every endpoint
 * needs.
 */
#pragma once

#include "phusong/metric.h"
#include "phusong/point.h"
#include "sketch.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* -- Round trips ----------------------------------------------------------------------------- */

struct phu_trips {
    int64_t sum_us, jitter_sum_us;
    uint32_t count, jitter_count;
    uint32_t min_us, max_us;
    uint32_t last_us; /* of the last probe; UINT32_MAX when it was lost or there was none */
    struct phu_sketch sketch;
};

void phu_trips_init(struct phu_trips *trips);
void phu_trips_fini(struct phu_trips *trips);
/* Longer ones than 71 minutes count as 71 minutes. */
void phu_trips_add(struct phu_trips *trips, int64_t rtt_us);
/* A probe without answer: there is no difference between the answers before and after it. */
void phu_trips_break(struct phu_trips *trips);
/* The next window begins; the last round trip stays, for the next difference. */
void phu_trips_reset(struct phu_trips *trips);
/* rtt_sum_us, rtt_count, rtt_min_us, rtt_max_us, rtt_b…, jitter_sum_us, jitter_count */
void phu_trips_write(const struct phu_trips *trips, struct phu_line *line);

/* -- Everything else ------------------------------------------------------------------------- */

struct phu_window_plan; /* used by one thread at a time */
struct phu_window;

/* `metrics` outlives the plan. Group 0 is `measurement`, whether a metric belongs to it or not.
 * `rtt_metric` is the one that counts as round trip, or -1. */
struct phu_window_plan *phu_window_plan_new(const char *measurement,
                                            const struct phu_metric *metrics, size_t metric_count,
                                            int rtt_metric);
void phu_window_plan_free(struct phu_window_plan *plan);
/* -1 when no metric belongs to it. */
int phu_window_group(const struct phu_window_plan *plan, const char *measurement);
int phu_window_rtt_metric(const struct phu_window_plan *plan);
const char *phu_window_measurement(const struct phu_window_plan *plan, size_t group);

/* `window` starts as NULL. Returns how many values were refused: of a metric that does not exist,
 * or not finite. The metric `passed_over` is left out; -1: none is. */
size_t phu_window_put(const struct phu_window_plan *plan, struct phu_window **window,
                      const struct phu_value *values, size_t count, int passed_over);
bool phu_window_is_empty(const struct phu_window *window); /* NULL is */
/* The next group that has something to say, or -1. Begin with -1. */
int phu_window_next_group(const struct phu_window_plan *plan, const struct phu_window *window,
                          int after);
/* The fields of one group; none when nothing of it was seen. Returns the next group, or -1. */
int phu_window_write(const struct phu_window_plan *plan, const struct phu_window *window,
                     size_t group, struct phu_line *line);
void phu_window_reset(const struct phu_window_plan *plan, struct phu_window **window);
void phu_window_free(const struct phu_window_plan *plan, struct phu_window **window);

/* -- Names of fields ------------------------------------------------------------------------- */

enum phu_window_field {
    PHU_WINDOW_SUM,
    PHU_WINDOW_COUNT,
    PHU_WINDOW_MIN,
    PHU_WINDOW_MAX,
    PHU_WINDOW_BUCKET,
};
#define PHU_WINDOW_FIELDS 5

/* "rtt_us" gives rtt_sum_us, rtt_count, rtt_min_us, rtt_max_us and rtt_b; "ttl" gives ttl_sum …
 * Returns snprintf's length. */
int phu_window_field_name(char *buffer, size_t size, const struct phu_metric *metric,
                          enum phu_window_field field);
