/* Health: what one subject's state machine tells the root-cause engine, and what it is told.
 *
 * The state machine (state.h) knows one subject's probes; the engine (outage.h) knows the tree. The
 * first says "suspected", "down", "up again"; the second says "unreachable" where a parent explains
 * it, and whether anything can be said at all (the node's own uplink).
 */
#pragma once

#include "state.h"

enum phu_health_change {
    PHU_HEALTH_SUSPECT, /* the first lost probe, or one that is late: confirming */
    PHU_HEALTH_CLEARED, /* suspicion did not hold */
    PHU_HEALTH_DOWN,    /* confirmed */
    PHU_HEALTH_RECOVERED,
    PHU_HEALTH_UNKNOWN,  /* could not be measured, or not for too long */
    PHU_HEALTH_DEGRADED, /* and back: RECOVERED */
};

struct phu_health {
    uint32_t subject; /* handle of the primary check in the monitor */
    enum phu_health_change change;
    struct phu_mono at;
    struct phu_mono since; /* the first lost probe, for SUSPECT and DOWN */
};
