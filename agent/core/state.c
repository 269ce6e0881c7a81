#include "state.h"

const struct phu_quality phu_quality_default = {.name = (char *)"default",
                                                .technology = (char *)"",
                                                .rtt_max_ns = 3600 * PHU_NS_PER_S,
                                                .loss_max = 1,
                                                .loss_over = 20,
                                                .down_after = 3,
                                                .down_of = 0,
                                                .up_after = 2};

const char *phu_state_name(enum phu_state state)
{
    switch (state) {
    case PHU_STATE_UP:
        return "up";
    case PHU_STATE_DEGRADED:
        return "degraded";
    case PHU_STATE_DOWN:
        return "down";
    case PHU_STATE_UNREACHABLE:
        return "unreachable";
    case PHU_STATE_UNKNOWN:
        return "unknown";
    }
    return "?";
}

enum phu_success phu_success_of(enum phu_result result)
{
    switch (result) {
    case PHU_RESULT_OK:
    case PHU_RESULT_PARTIAL:
        return PHU_SUCCESS_YES;
    case PHU_RESULT_TIMEOUT:
    case PHU_RESULT_REFUSED:
    case PHU_RESULT_UNREACHABLE:
    case PHU_RESULT_DNS:
    case PHU_RESULT_TLS:
    case PHU_RESULT_MISMATCH:
    case PHU_RESULT_AUTH:
        return PHU_SUCCESS_NO;
    case PHU_RESULT_NOPERM:
    case PHU_RESULT_LOCAL_ERROR:
    case PHU_RESULT_SKIPPED:
    case PHU_RESULT_NONE:
        return PHU_SUCCESS_UNMEASURED;
    }
    return PHU_SUCCESS_UNMEASURED;
}

void phu_state_adjust(struct phu_state_track *track, const struct phu_quality *quality,
                      int64_t interval_ns)
{
    int64_t rtt_max_us = quality->rtt_max_ns / PHU_NS_PER_US;
    int64_t stale_ms = interval_ns / PHU_NS_PER_MS * 5 / 2;

    track->stale_ms = stale_ms > UINT32_MAX ? UINT32_MAX : (uint32_t)stale_ms;
    track->rtt_max_us = rtt_max_us > UINT32_MAX ? UINT32_MAX : (uint32_t)rtt_max_us;
    track->loss_over = (uint8_t)quality->loss_over;
    /* 10 % of 20 are 2, also where 0.1 * 20 is 1.9999999999999998. */
    track->lost_most = (uint8_t)(quality->loss_max * (double)quality->loss_over + 1e-9);
    track->down_after = (uint8_t)quality->down_after;
    track->down_of = (uint8_t)(quality->down_of ? quality->down_of : quality->down_after);
    track->up_after = (uint8_t)quality->up_after;
}

void phu_state_init(struct phu_state_track *track, const struct phu_quality *quality,
                    int64_t interval_ns, struct phu_mono now)
{
    *track = (struct phu_state_track){
        .since_ms = phu_mono_ms(now), .verdict_ms = phu_mono_ms(now), .state = PHU_STATE_UNKNOWN};
    phu_state_adjust(track, quality, interval_ns);
}

/* -- Time ------------------------------------------------------------------------------------ */

static void count_until(struct phu_state_track *track, int64_t end_ms)
{
    uint32_t span;

    if (end_ms <= track->since_ms)
        return;
    span = (uint32_t)(end_ms - track->since_ms);
    track->ms[track->state] += span;
    if (track->is_good)
        track->good_ms += span;
    track->since_ms = end_ms;
}

static void become_unknown(struct phu_state_track *track)
{
    track->state = PHU_STATE_UNKNOWN;
    track->is_good = false;
    track->successes = 0;
}

static bool is_stale(const struct phu_state_track *track, struct phu_mono now)
{
    return phu_mono_ms(now) > track->verdict_ms + track->stale_ms;
}

enum phu_state phu_state_at(const struct phu_state_track *track, struct phu_mono now)
{
    return is_stale(track, now) ? PHU_STATE_UNKNOWN : (enum phu_state)track->state;
}

void phu_state_advance(struct phu_state_track *track, struct phu_mono now)
{
    if (track->state != PHU_STATE_UNKNOWN && is_stale(track, now)) {
        count_until(track, track->verdict_ms + track->stale_ms);
        become_unknown(track);
        /* What failed before the gap says nothing about what comes after it. */
        track->failures = 0;
        track->smoothed_us = 0;
    }
    count_until(track, phu_mono_ms(now));
}

void phu_state_reset(struct phu_state_track *track)
{
    for (int state = 0; state < PHU_STATE_COUNT; state++)
        track->ms[state] = 0;
    track->good_ms = 0;
}

/* -- Verdicts -------------------------------------------------------------------------------- */

static int failed_of_last(const struct phu_state_track *track, int probes)
{
    uint64_t mask = probes >= 64 ? UINT64_MAX : (UINT64_C(1) << probes) - 1;

    return __builtin_popcountll(track->failures & mask);
}

static void smooth(struct phu_state_track *track, uint32_t rtt_us)
{
    if (track->smoothed_us == 0)
        track->smoothed_us = rtt_us;
    else
        track->smoothed_us =
            (uint32_t)(((uint64_t)track->smoothed_us * 7 + (uint64_t)rtt_us + 4) / 8);
}

static bool is_within_loss(const struct phu_state_track *track)
{
    return failed_of_last(track, track->loss_over) <= track->lost_most;
}

static enum phu_state reachable_state(const struct phu_state_track *track)
{
    return is_within_loss(track) && track->smoothed_us <= track->rtt_max_us ? PHU_STATE_UP
                                                                            : PHU_STATE_DEGRADED;
}

static bool is_reachable(const struct phu_state_track *track)
{
    return track->state == PHU_STATE_UP || track->state == PHU_STATE_DEGRADED;
}

static void succeed(struct phu_state_track *track, int64_t rtt_us)
{
    uint32_t us = rtt_us < 0 ? 0 : rtt_us > UINT32_MAX ? UINT32_MAX : (uint32_t)rtt_us;

    track->failures <<= 1;
    if (track->successes < UINT8_MAX)
        track->successes++;
    if (track->state == PHU_STATE_DOWN) {
        if (track->successes < track->up_after)
            return;
        /* The outage has been counted as such; it is not loss as well. */
        track->failures = 0;
        track->smoothed_us = 0;
    }
    if (rtt_us >= 0)
        smooth(track, us);
    track->state = (uint8_t)reachable_state(track);
    track->is_good = is_within_loss(track) && us <= track->rtt_max_us;
}

static void fail(struct phu_state_track *track)
{
    track->failures = track->failures << 1 | 1;
    track->successes = 0;
    track->is_good = false;
    if (failed_of_last(track, track->down_of) >= track->down_after)
        track->state = PHU_STATE_DOWN;
    else if (is_reachable(track))
        track->state = (uint8_t)reachable_state(track);
}

void phu_state_verdict(struct phu_state_track *track, enum phu_success success, int64_t rtt_us,
                       struct phu_mono now)
{
    phu_state_advance(track, now);
    track->verdict_ms = phu_mono_ms(now);
    switch (success) {
    case PHU_SUCCESS_YES:
        succeed(track, rtt_us);
        break;
    case PHU_SUCCESS_NO:
        fail(track);
        break;
    case PHU_SUCCESS_UNMEASURED:
        become_unknown(track);
        break;
    }
}
