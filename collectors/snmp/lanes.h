/* When a table of a profile is due. Pure.
 *
 * What is not read in each poll has a period and a phase of its own, hashed from the check's id and
 * counted from the epoch: devices do not begin their slow tables together, and a restart of the
 * agent does not begin them anew. Between two beginnings lies at least a period.
 */
#pragma once

#include "profile.h"

struct phu_lanes {
    int64_t slow_ns, static_ns; /* 0: off */
};

enum { PHU_LANE_EACH_POLL = 0, PHU_LANE_OFF = -1 };

/* The table's period, or one of the two above. */
int64_t phu_lane_period(const struct phu_profile_table *table, const struct phu_lanes *lanes);

/* When it is due first, monotonic: names at once, the others in their phase. */
int64_t phu_lane_first(const struct phu_profile_table *table, int64_t period_ns, const char *id,
                       int64_t now_ns, int64_t wall_ns);
/* When it is due again after having begun now. */
int64_t phu_lane_next(int64_t due_ns, int64_t period_ns, int64_t now_ns);
/* `started_ns` is when it began last; 0: never. */
bool phu_lane_is_due(int64_t due_ns, int64_t started_ns, int64_t period_ns, int64_t now_ns);
