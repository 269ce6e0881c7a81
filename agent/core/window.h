/* Windows: accumulators that add up whatever a collector's metric table declares.
 *
 * A plan is made once per collector. It sorts the metrics into groups, one per measurement, and
 * lays out the accumulators of a group in one block of memory. A check, and each of its rows, owns
 * a list of blocks; a block appears with the first value of its group and goes away after a window
 * without any, so metrics that are rarely seen cost nothing.
 *
 * Round trips of a subject's primary check are not in a block but in phu_trips, which every
 * endpoint needs and which is therefore kept small.
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

struct phu_window_plan;
struct phu_window_block;

/* `metrics` outlives the plan. Group 0 is `measurement`, whether a metric belongs to it or not.
 * `rtt_metric` is the one that counts as round trip, or -1. */
struct phu_window_plan *phu_window_plan_new(const char *measurement,
                                            const struct phu_metric *metrics, size_t metric_count,
                                            int rtt_metric);
void phu_window_plan_free(struct phu_window_plan *plan);
size_t phu_window_group_count(const struct phu_window_plan *plan);
int phu_window_rtt_metric(const struct phu_window_plan *plan);
const char *phu_window_measurement(const struct phu_window_plan *plan, size_t group);

/* `blocks` starts as NULL. A value of a metric that does not exist is ignored, and false. */
bool phu_window_add(const struct phu_window_plan *plan, struct phu_window_block **blocks,
                    const struct phu_value *value);
/* The fields of one group; none when nothing of it was seen. */
void phu_window_write(const struct phu_window_plan *plan, const struct phu_window_block *blocks,
                      size_t group, struct phu_line *line);
void phu_window_reset(const struct phu_window_plan *plan, struct phu_window_block **blocks);
void phu_window_free(const struct phu_window_plan *plan, struct phu_window_block **blocks);

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
