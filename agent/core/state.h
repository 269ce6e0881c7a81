/* The state of an endpoint or device, from the verdicts of its primary check, and how many
 * milliseconds it spent in each state. Pure: time comes as an argument.
 *
 * Time is counted on the grid of whole milliseconds of the monotonic clock, so the parts of a
 * window always add up to its span, and the spans of windows to the time that has passed: nothing
 * is rounded twice.
 *
 * How verdicts move the state:
 *   unknown   no verdict yet, or none for 2.5 intervals, or we could not measure
 *   down      down_after of the last down_of probes failed, and the last one did
 *   up        from unknown by one answer, from down by up_after answers in a row
 *   degraded  as up, but too many of the last loss_over probes were lost, or the smoothed round
 *             trip is above rtt_max
 * Good time is stricter than up: the last probe itself was answered within rtt_max, and loss is
 * within bounds.
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
#define PHU_STATE_NONE ((enum phu_state)PHU_STATE_COUNT) /* no override */

const char *phu_state_name(enum phu_state state);

enum phu_success { PHU_SUCCESS_YES, PHU_SUCCESS_NO, PHU_SUCCESS_UNMEASURED };

/* What a verdict says about the endpoint. Not for PHU_RESULT_NONE. */
enum phu_success phu_success_of(enum phu_result result);

struct phu_state_track {
    int64_t since_ms;   /* monotonic; time up to here has been counted */
    int64_t verdict_ms; /* of the last verdict */
    uint64_t failures;  /* the last probes, newest in bit 0, set when failed */
    uint32_t ms[PHU_STATE_COUNT], good_ms;
    uint32_t stale_ms;    /* 2.5 intervals */
    uint32_t smoothed_us; /* round trip, gain 1/8; 0 before the first */
    uint32_t rtt_max_us;  /* from the profile: */
    uint8_t loss_over;    /*   1..64 */
    uint8_t lost_most;    /*   of loss_over */
    uint8_t down_after, down_of, up_after;
    uint8_t successes; /* in a row, up to 255 */
    uint8_t state;     /* enum phu_state */
    bool is_good;
};

void phu_state_init(struct phu_state_track *track, const struct phu_quality *quality,
                    int64_t interval_ns, struct phu_mono now);
/* Another profile: applied from the next verdict on. */
void phu_state_adjust(struct phu_state_track *track, const struct phu_quality *quality,
                      int64_t interval_ns);
/* Counts the time up to `now` and notices that verdicts have stopped. A `now` in the past does
 * nothing. */
void phu_state_advance(struct phu_state_track *track, struct phu_mono now);
/* The state at `now`, with no side effect. */
enum phu_state phu_state_at(const struct phu_state_track *track, struct phu_mono now);
/* A verdict reached at `now`; rtt_us is -1 when there was no round trip. */
void phu_state_verdict(struct phu_state_track *track, enum phu_success success, int64_t rtt_us,
                       struct phu_mono now);
/* The milliseconds start again from zero; the state goes on. */
void phu_state_reset(struct phu_state_track *track);

static inline int64_t phu_mono_ms(struct phu_mono mono)
{
    return mono.ns / PHU_NS_PER_MS;
}
