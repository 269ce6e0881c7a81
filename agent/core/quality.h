/* Quality profiles: what counts as up, as degraded and as good for one technology.
 *
 * A profile is written in the configuration (list `quality`); checks carry a compact copy, so that
 * a reload may free the configuration at once.
 */
#pragma once

#include "phusong/conf.h"

#include <stdint.h>

struct phu_quality {
    char *name;         /* what the column `profile` of the inventory refers to */
    char *technology;   /* endpoints of this technology take it by themselves; "" for none */
    int64_t rtt_max_ns; /* a slower round trip is not good */
    double loss_max;    /* 0..1, over the last loss_over probes */
    int64_t loss_over;  /* probes, 1..64 */
    int64_t down_after; /* failures; 0: as is usual for the kind of check (see state.c) … */
    int64_t down_of;    /* … among so many last probes; 0: as many as down_after, all in a row */
    int64_t up_after;   /* successes in a row, to leave `down`; 0: as is usual */
    /* What a device says of signal and light; below, and for light above, is degraded. */
    double rsrp_min_dbm, rsrq_min_db, sinr_min_db, light_min_dbm, light_max_dbm;
};

/* For the configuration's list `quality`. */
extern const struct phu_option_table phu_quality_options;
/* Where no profile fits: never degraded. */
extern const struct phu_quality phu_quality_default;
