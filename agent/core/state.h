/* The state of an endpoint or device, from the verdicts of its primary check, and how many
 * milliseconds it spent in each state. Pure: time comes as an argument.
 *
 * Time is counted on the grid of whole milliseconds of the monotonic clock, so the parts of a
 * window always add up to its span, and the spans of windows to the time that has passed: nothing
 * is rounded twice.
 *
 * There are three states of a subject, each made from the one before:
 *
 * raw, by its probes alone
 *   unknown   no verdict yet, or none for 2.5 intervals (of one that is down and asked seldom for
 *             that: five minutes more), or we could not measure
 *   down      down_after confirmations of down_of were not answered (see below)
 *   up        from unknown by one answer, from down by up_after answers in a row
 *   degraded  as up, but too many of the last loss_over probes were lost, or the smoothed round
 *             trip is above rtt_max, or signal or light is poor; left only when it is clearly
 * better state, its own: raw, unless it is flapping (more changes of raw than flap_changes within
 *   flap_window, until there was none for flap_quiet): then it only gets worse
 * shown, what windows and points say: the override, where there is one and the subject does not
 *   answer
 *
 * Down. A lost probe, or one that takes longer than it should (phu_state_late), is a suspicion, no
 * more: with 2 % of all packets lost, an endpoint that is probed every 10 s loses three in a row
 * once a week. So whoever plans the probes is told by phu_state_wants() to confirm, and reports
 * each confirmation (two probes, of which none was answered) by phu_state_confirm(). The lost probe
 * itself does not count as a confirmation, and must have run into its timeout. Where nobody
 * confirms (rules->is_confirmed is not set, or confirmations wait their turn for too long), probes
 * count instead.
 *
 * Good time is stricter than up: the last probe itself was answered within rtt_max, loss is within
 * bounds, and neither signal nor light is poor.
 */
#pragma once

#include "pace.h"
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

/* -- Rules ----------------------------------------------------------------------------------- */

/* What others measure of a subject: in dBm and dB. */
enum phu_heard {
    PHU_HEARD_RSRP,
    PHU_HEARD_RSRQ,
    PHU_HEARD_SINR,
    PHU_HEARD_LIGHT, /* received, at either end of the fibre */
};
#define PHU_HEARD_COUNT 4

/* A quality profile and a pace for checks of one interval, ready to be judged by. Shared by many
 * subjects. */
struct phu_state_rules {
    uint32_t stale_ms; /* 2.5 intervals: without a verdict for so long nothing is known */
    uint32_t
        stale_down_ms; /* the same of one that is down: longer, where it is asked seldom then */
    uint32_t rtt_max_us;
    uint32_t flap_eighth_s, flap_quiet_s;
    float signal_min[PHU_HEARD_COUNT], light_max;
    uint8_t flap_changes;
    uint8_t loss_over, lost_most; /* so many of the last 1..64 */
    uint8_t down_after, down_of, up_after;
    bool is_confirmed; /* somebody confirms: down_after counts confirmations, not probes */
};

/* How lost probes become certain. */
enum phu_evidence {
    PHU_EVIDENCE_PROBES,   /* by more of them */
    PHU_EVIDENCE_REPEATED, /* the same, but each was repeated by the collector already */
    PHU_EVIDENCE_CONFIRMED,
};

void phu_state_rules_make(struct phu_state_rules *rules, const struct phu_quality *quality,
                          const struct phu_pace *pace, int64_t interval_ns,
                          enum phu_evidence evidence);

bool phu_state_rules_are_same(const struct phu_state_rules *a, const struct phu_state_rules *b);

/* -- A subject ------------------------------------------------------------------------------- */

struct phu_state_track {
    const struct phu_state_rules *rules;
    int64_t since_ms;   /* monotonic; time up to here has been counted */
    int64_t verdict_ms; /* of the last verdict */
    int64_t failing_ms; /* when the first of the lost probes was sent; 0: none is */
    uint64_t failures;  /* the last probes, newest in bit 0, set when failed */
    uint32_t ms[PHU_STATE_COUNT], good_ms, maintained_ms;
    uint32_t smoothed_us; /* round trip, gain 1/8; 0 before the first */
    uint32_t changes;     /* of raw: 4 bits for each eighth of flap_window, newest lowest */
    uint32_t change_s;    /* monotonic, of the last one */
    uint32_t poor_s;      /* monotonic, when `poor` was heard; 0: never */
    uint8_t raw, state;   /* enum phu_state */
    uint8_t held;         /* while flapping: the worst of raw */
    uint8_t override;
    uint8_t successes;   /* answers in a row, up to 255 */
    uint8_t unconfirmed; /* lost probes in a row without any confirmation between them */
    uint8_t failed_steps, answered_steps; /* confirmations of the present suspicion */
    uint8_t poor; /* what a device says of it: a bit for each enum phu_heard below its limit */
    bool is_good : 1;
    bool is_suspect : 1;
    bool is_late : 1;      /* suspected by a probe that is still in flight */
    bool is_excused : 1;   /* that probe's loss has been looked into: the subject answers */
    bool is_releasing : 1; /* down, and its override is to go once that is confirmed anew */
    bool is_flapping : 1;
    bool is_maintained : 1;
};

void phu_state_init(struct phu_state_track *track, const struct phu_state_rules *rules,
                    struct phu_mono now);
/* Other rules: applied from the next verdict on. */
void phu_state_adjust(struct phu_state_track *track, const struct phu_state_rules *rules);
/* Counts the time up to `now` and notices that verdicts have stopped. A `now` in the past does
 * nothing. */
void phu_state_advance(struct phu_state_track *track, struct phu_mono now);
/* What is shown at `now`, with no side effect. */
enum phu_state phu_state_at(const struct phu_state_track *track, struct phu_mono now);
/* A verdict reached at `now` of a probe that left at `sent`; rtt_us is -1 when there was no round
 * trip. */
void phu_state_verdict(struct phu_state_track *track, enum phu_success success, int64_t rtt_us,
                       struct phu_mono sent, struct phu_mono now);
/* The milliseconds start again from zero; the state goes on. */
void phu_state_reset(struct phu_state_track *track);

static inline enum phu_state phu_state_shown(const struct phu_state_track *track)
{
    bool is_explained = track->override != PHU_STATE_NONE &&
                        (track->state == PHU_STATE_DOWN || track->state == PHU_STATE_UNKNOWN);

    return (enum phu_state)(is_explained ? track->override : track->state);
}

/* -- Suspicion ------------------------------------------------------------------------------- */

/* How long an answer may take before it is suspicious: four times the smoothed round trip, at least
 * PHU_PATIENCE_NS; INT64_MAX where lateness means nothing, because the subject is not up. */
#define PHU_PATIENCE_NS (250 * PHU_NS_PER_MS)
int64_t phu_state_patience_ns(const struct phu_state_track *track);
/* The probe that left at `sent` is in flight for longer than that. */
void phu_state_late(struct phu_state_track *track, struct phu_mono sent, struct phu_mono now);
/* Is anything undecided that probes out of their turn can decide: is it down, or up again? */
static inline bool phu_state_wants(const struct phu_state_track *track)
{
    return track->is_suspect ||
           (track->raw == PHU_STATE_DOWN && (track->successes > 0 || track->is_releasing));
}
/* The outcome of such a probe, or pair of probes, the first of which left at `sent`. */
void phu_state_confirm(struct phu_state_track *track, enum phu_success success,
                       struct phu_mono sent, struct phu_mono now);

/* -- From elsewhere -------------------------------------------------------------------------- */

/* See health.h. */
void phu_state_override(struct phu_state_track *track, enum phu_state state, struct phu_mono now);
void phu_state_maintain(struct phu_state_track *track, bool is_maintained, struct phu_mono now);

/* Somebody else measured signal or light of what serves it. What is poor makes degraded until it is
 * better by 1 dB, or has not been heard of for ten minutes. */
void phu_state_hear(struct phu_state_track *track, enum phu_heard what, double value,
                    struct phu_mono now);

static inline int64_t phu_mono_ms(struct phu_mono mono)
{
    return mono.ns / PHU_NS_PER_MS;
}
