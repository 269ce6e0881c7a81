/* The state of an endpoint or device, from the verdicts of its primary check, and how many
 * milliseconds it spent in each state. Pure: time comes as an argument.
 *
 * All time is counted on the grid of whole milliseconds of the monotonic clock, so the parts of a
 * window always add up to its span, and the spans of windows to the time that passed; nothing is
 * rounded twice.
 *
 * Verdicts move a subject between up, degraded, down and unknown. `unreachable` belongs to whoever
 * knows what the subject depends on, and is the reason why phu_state_enter() is public.
 */
#pragma once

#include "phusong/observation.h"
#include "quality.h"

#include <stdbool.h>
#include <stdint.h>

enum phu_state {
    PHU_STATE_UP,
    PHU_STATE_DEGRADED,    /* answers, but not as the quality profile wants */
    PHU_STATE_DOWN,        /* does not answer */
    PHU_STATE_UNREACHABLE, /* something it depends on is down */
    PHU_STATE_UNKNOWN,     /* not measured */
};
#define PHU_STATE_COUNT 5

const char *phu_state_name(enum phu_state state);
