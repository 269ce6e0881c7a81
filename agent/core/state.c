#include "state.h"

/* Checks that back off are asked every five minutes at least (agent/retries.h). */
#define SELDOM_MS (INT64_C(300) * 1000)
#define FLAP_EIGHTHS 8
#define FLAP_BITS 4
#define FLAP_MOST 15
#define POOR_HEARD_S 600

const struct phu_quality phu_quality_default = {.name = (char *)"default",
                                                .technology = (char *)"",
                                                .rtt_max_ns = 3600 * PHU_NS_PER_S,
                                                .loss_max = 1,
                                                .loss_over = 20,
                                                .down_after = 0,
                                                .down_of = 0,
                                                .up_after = 0,
                                                .rsrp_min_dbm = -200,
                                                .rsrq_min_db = -200,
                                                .sinr_min_db = -200,
                                                .light_min_dbm = -200,
                                                .light_max_dbm = 200};

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

/* -- Rules ----------------------------------------------------------------------------------- */

static uint32_t clamp_u32(int64_t value)
{
    return value > UINT32_MAX ? UINT32_MAX : (uint32_t)value;
}

static int64_t usual_down_after(const struct phu_pace *pace, enum phu_evidence evidence)
{
    switch (evidence) {
    case PHU_EVIDENCE_CONFIRMED:
        return pace->confirm_probes;
    case PHU_EVIDENCE_REPEATED:
        return 2;
    case PHU_EVIDENCE_PROBES:
        return 3;
    }
    return 3;
}

void phu_state_rules_make(struct phu_state_rules *rules, const struct phu_quality *quality,
                          const struct phu_pace *pace, int64_t interval_ns,
                          enum phu_evidence evidence)
{
    bool is_confirmed = evidence == PHU_EVIDENCE_CONFIRMED;
    int64_t down_after = quality->down_after, up_after = quality->up_after;

    if (!down_after)
        down_after = usual_down_after(pace, evidence);
    if (!up_after)
        up_after = is_confirmed ? 3 : 2;
    rules->stale_ms = clamp_u32(interval_ns / PHU_NS_PER_MS * 5 / 2);
    rules->stale_down_ms =
        clamp_u32(rules->stale_ms + (evidence == PHU_EVIDENCE_REPEATED ? SELDOM_MS : 0));
    rules->rtt_max_us = clamp_u32(quality->rtt_max_ns / PHU_NS_PER_US);
    rules->flap_eighth_s = clamp_u32(pace->flap_window_ns / PHU_NS_PER_S / FLAP_EIGHTHS);
    rules->flap_quiet_s = clamp_u32(pace->flap_quiet_ns / PHU_NS_PER_S);
    rules->flap_changes = (uint8_t)pace->flap_changes;
    rules->loss_over = (uint8_t)quality->loss_over;
    /* 10 % of 20 are 2, also where 0.1 * 20 is 1.9999999999999998. */
    rules->lost_most = (uint8_t)(quality->loss_max * (double)quality->loss_over + 1e-9);
    rules->down_after = (uint8_t)down_after;
    rules->down_of = (uint8_t)(quality->down_of ? quality->down_of : down_after);
    rules->up_after = (uint8_t)up_after;
    rules->is_confirmed = is_confirmed;
    rules->signal_min[PHU_HEARD_RSRP] = (float)quality->rsrp_min_dbm;
    rules->signal_min[PHU_HEARD_RSRQ] = (float)quality->rsrq_min_db;
    rules->signal_min[PHU_HEARD_SINR] = (float)quality->sinr_min_db;
    rules->signal_min[PHU_HEARD_LIGHT] = (float)quality->light_min_dbm;
    rules->light_max = (float)quality->light_max_dbm;
}

static bool are_same_signals(const struct phu_state_rules *a, const struct phu_state_rules *b)
{
    for (int i = 0; i < PHU_HEARD_COUNT; i++) {
        if (a->signal_min[i] != b->signal_min[i])
            return false;
    }
    return a->light_max == b->light_max;
}

bool phu_state_rules_are_same(const struct phu_state_rules *a, const struct phu_state_rules *b)
{
    return a->stale_ms == b->stale_ms && a->stale_down_ms == b->stale_down_ms &&
           a->rtt_max_us == b->rtt_max_us && a->flap_eighth_s == b->flap_eighth_s &&
           a->flap_quiet_s == b->flap_quiet_s && a->flap_changes == b->flap_changes &&
           a->loss_over == b->loss_over && a->lost_most == b->lost_most &&
           a->down_after == b->down_after && a->down_of == b->down_of &&
           a->up_after == b->up_after && a->is_confirmed == b->is_confirmed &&
           are_same_signals(a, b);
}

void phu_state_adjust(struct phu_state_track *track, const struct phu_state_rules *rules)
{
    track->rules = rules;
}

void phu_state_init(struct phu_state_track *track, const struct phu_state_rules *rules,
                    struct phu_mono now)
{
    *track = (struct phu_state_track){.rules = rules,
                                      .since_ms = phu_mono_ms(now),
                                      .verdict_ms = phu_mono_ms(now),
                                      .raw = PHU_STATE_UNKNOWN,
                                      .state = PHU_STATE_UNKNOWN,
                                      .override = PHU_STATE_NONE};
}

/* -- Time ------------------------------------------------------------------------------------ */

static void count_until(struct phu_state_track *track, int64_t end_ms)
{
    uint32_t span;

    if (end_ms <= track->since_ms)
        return;
    span = (uint32_t)(end_ms - track->since_ms);
    track->ms[phu_state_shown(track)] += span;
    if (track->is_good && track->state <= PHU_STATE_DEGRADED) /* not while it is held down */
        track->good_ms += span;
    if (track->is_maintained)
        track->maintained_ms += span;
    track->since_ms = end_ms;
}

void phu_state_reset(struct phu_state_track *track)
{
    for (int state = 0; state < PHU_STATE_COUNT; state++)
        track->ms[state] = 0;
    track->good_ms = 0;
    track->maintained_ms = 0;
}

/* -- Flapping -------------------------------------------------------------------------------- */

static unsigned count_changes(uint32_t changes)
{
    unsigned sum = 0;

    for (; changes; changes >>= FLAP_BITS)
        sum += changes & FLAP_MOST;
    return sum;
}

static uint32_t age_changes(const struct phu_state_track *track, uint32_t now_s)
{
    uint32_t eighth = track->rules->flap_eighth_s;
    uint32_t passed = now_s / eighth - track->change_s / eighth;

    return passed >= FLAP_EIGHTHS ? 0 : track->changes << (passed * FLAP_BITS);
}

static void settle(struct phu_state_track *track)
{
    track->state = track->raw;
    if (!track->is_flapping || track->raw == PHU_STATE_UNKNOWN)
        return;
    if (track->raw > track->held)
        track->held = track->raw;
    track->state = track->held;
}

static void note_change(struct phu_state_track *track, enum phu_state before)
{
    uint32_t now_s = (uint32_t)(track->since_ms / 1000);

    track->changes = age_changes(track, now_s);
    if ((track->changes & FLAP_MOST) < FLAP_MOST)
        track->changes++;
    track->change_s = now_s;
    if (track->is_flapping || count_changes(track->changes) <= track->rules->flap_changes)
        return;
    track->is_flapping = true;
    track->held = (uint8_t)before;
}

/* What has happened has been counted up to now. */
static void enter(struct phu_state_track *track, enum phu_state raw)
{
    enum phu_state before = (enum phu_state)track->raw;

    if (raw == before)
        return;
    track->raw = (uint8_t)raw;
    if (raw != PHU_STATE_UNKNOWN && before != PHU_STATE_UNKNOWN)
        note_change(track, before);
    settle(track);
}

static void end_flapping(struct phu_state_track *track, int64_t now_ms)
{
    int64_t end_ms = ((int64_t)track->change_s + track->rules->flap_quiet_s) * 1000;

    if (now_ms < end_ms)
        return;
    count_until(track, end_ms);
    track->is_flapping = false;
    track->changes = 0;
    settle(track);
}

/* -- Suspicion ------------------------------------------------------------------------------- */

static void end_suspicion(struct phu_state_track *track)
{
    track->is_suspect = false;
    track->is_late = false;
    track->failed_steps = 0;
    track->answered_steps = 0;
    track->unconfirmed = 0;
}

static void clear(struct phu_state_track *track)
{
    end_suspicion(track);
    track->failing_ms = 0;
}

static bool is_reachable(const struct phu_state_track *track)
{
    return track->raw == PHU_STATE_UP || track->raw == PHU_STATE_DEGRADED;
}

int64_t phu_state_patience_ns(const struct phu_state_track *track)
{
    int64_t patience_ns = (int64_t)track->smoothed_us * 4 * PHU_NS_PER_US;

    if (!is_reachable(track) || track->smoothed_us == 0)
        return INT64_MAX;
    return patience_ns < PHU_PATIENCE_NS ? PHU_PATIENCE_NS : patience_ns;
}

static void begin_failing(struct phu_state_track *track, struct phu_mono sent)
{
    if (track->failing_ms == 0)
        track->failing_ms = phu_mono_ms(sent);
}

void phu_state_late(struct phu_state_track *track, struct phu_mono sent, struct phu_mono now)
{
    phu_state_advance(track, now);
    if (!is_reachable(track))
        return;
    begin_failing(track, sent);
    track->is_late = true;
    track->is_excused = false;
    track->is_suspect = true;
}

/* -- Unknown --------------------------------------------------------------------------------- */

static void drop_override(struct phu_state_track *track)
{
    track->override = PHU_STATE_NONE;
    track->is_releasing = false;
}

static void become_unknown(struct phu_state_track *track)
{
    clear(track);
    track->is_excused = false;
    enter(track, PHU_STATE_UNKNOWN);
    track->is_good = false;
    track->successes = 0;
    if (track->is_releasing)
        drop_override(track);
}

/* Who is known to be down does not become unknown because it is asked less often for that. */
static uint32_t stale_ms(const struct phu_state_track *track)
{
    return track->raw == PHU_STATE_DOWN ? track->rules->stale_down_ms : track->rules->stale_ms;
}

static bool is_stale(const struct phu_state_track *track, int64_t now_ms)
{
    return now_ms > track->verdict_ms + stale_ms(track);
}

enum phu_state phu_state_at(const struct phu_state_track *track, struct phu_mono now)
{
    if (!is_stale(track, phu_mono_ms(now)))
        return phu_state_shown(track);
    return track->override != PHU_STATE_NONE ? (enum phu_state)track->override : PHU_STATE_UNKNOWN;
}

void phu_state_advance(struct phu_state_track *track, struct phu_mono now)
{
    int64_t now_ms = phu_mono_ms(now);

    if (track->raw != PHU_STATE_UNKNOWN && is_stale(track, now_ms)) {
        count_until(track, track->verdict_ms + stale_ms(track));
        become_unknown(track);
        /* What failed before the gap says nothing about what comes after it. */
        track->failures = 0;
        track->smoothed_us = 0;
    }
    if (track->is_flapping)
        end_flapping(track, now_ms);
    count_until(track, now_ms);
}

/* -- Quality --------------------------------------------------------------------------------- */

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

static bool is_within_loss(const struct phu_state_track *track, int most)
{
    return failed_of_last(track, track->rules->loss_over) <= most;
}

static bool is_poor(const struct phu_state_track *track)
{
    return track->poor && track->since_ms / 1000 - track->poor_s <= POOR_HEARD_S;
}

/* Who is degraded must do clearly better than the limit, or would come and go at it. */
static enum phu_state reachable_state(const struct phu_state_track *track)
{
    uint32_t rtt_max_us = track->rules->rtt_max_us;
    int lost_most = track->rules->lost_most;

    if (track->raw == PHU_STATE_DEGRADED) {
        rtt_max_us -= rtt_max_us / 8;
        lost_most -= lost_most > 0;
    }
    return is_within_loss(track, lost_most) && track->smoothed_us <= rtt_max_us && !is_poor(track)
               ? PHU_STATE_UP
               : PHU_STATE_DEGRADED;
}

/* What is poor must be better by this to be poor no more. */
#define CLEARLY_DB 1.0f

static bool is_poor_signal(const struct phu_state_track *track, enum phu_heard what, float value)
{
    const struct phu_state_rules *rules = track->rules;
    float margin = is_poor(track) && track->poor & 1u << what ? CLEARLY_DB : 0;

    return value < rules->signal_min[what] + margin ||
           (what == PHU_HEARD_LIGHT && value > rules->light_max - margin);
}

void phu_state_hear(struct phu_state_track *track, enum phu_heard what, double value,
                    struct phu_mono now)
{
    uint8_t bit = (uint8_t)(1u << what);
    bool is_below;

    phu_state_advance(track, now);
    is_below = is_poor_signal(track, what, (float)value);
    if (!is_below && !track->poor)
        return;
    if (!is_poor(track))
        track->poor = 0;
    track->poor = (uint8_t)(is_below ? track->poor | bit : track->poor & ~bit);
    track->poor_s = (uint32_t)(phu_mono_ms(now) / 1000);
    if (is_reachable(track))
        enter(track, reachable_state(track));
    track->is_good = track->is_good && !track->poor;
}

/* -- Down and up ----------------------------------------------------------------------------- */

/* What is explained already, needs less proof. */
static bool is_proven(const struct phu_state_track *track)
{
    const struct phu_state_rules *rules = track->rules;
    bool is_explained = track->override != PHU_STATE_NONE && !track->is_releasing;

    if (track->is_late)
        return false;
    if (rules->is_confirmed)
        return track->failed_steps >= (is_explained ? 1 : rules->down_after) ||
               track->unconfirmed > rules->down_after;
    return failed_of_last(track, rules->down_of) >= rules->down_after;
}

/* Is there still a way for the present suspicion to come true? */
static bool is_hopeless(const struct phu_state_track *track)
{
    return track->answered_steps > track->rules->down_of - track->rules->down_after;
}

static void go_down(struct phu_state_track *track)
{
    end_suspicion(track);
    track->successes = 0;
    track->is_good = false;
    enter(track, PHU_STATE_DOWN);
}

static void come_back(struct phu_state_track *track)
{
    /* The outage has been counted as such; it is not loss as well. */
    track->failures = 0;
    track->smoothed_us = 0;
    if (track->is_releasing)
        drop_override(track);
}

static void answer(struct phu_state_track *track)
{
    if (track->successes < UINT8_MAX)
        track->successes++;
    track->unconfirmed = 0;
    if (track->raw == PHU_STATE_DOWN)
        track->failed_steps = 0;
    else if (track->is_suspect) {
        track->answered_steps++;
        if (!track->rules->is_confirmed || is_hopeless(track)) {
            track->is_excused = track->is_late;
            clear(track);
        }
    }
}

static bool is_coming_back(const struct phu_state_track *track)
{
    return track->raw == PHU_STATE_DOWN && track->successes >= track->rules->up_after;
}

static void succeed(struct phu_state_track *track, int64_t rtt_us)
{
    uint32_t us = rtt_us < 0 ? 0 : clamp_u32(rtt_us);

    track->failures <<= 1;
    track->is_late = false;
    track->is_excused = false;
    answer(track);
    if (track->raw == PHU_STATE_DOWN && !is_coming_back(track))
        return;
    if (track->raw == PHU_STATE_DOWN) {
        come_back(track);
        clear(track);
    } else if (!track->is_suspect)
        track->failing_ms = 0;
    if (rtt_us >= 0)
        smooth(track, us);
    enter(track, reachable_state(track));
    track->is_good = is_within_loss(track, track->rules->lost_most) &&
                     us <= track->rules->rtt_max_us && !is_poor(track);
}

/* Down, and that was explained until now: is it still? */
static void fail_released(struct phu_state_track *track)
{
    if (++track->failed_steps < track->rules->down_after)
        return;
    track->failed_steps = 0;
    drop_override(track);
}

/* A late probe may be lost after all, though what was sent after it was answered. */
static bool take_excuse(struct phu_state_track *track)
{
    bool is_excused = track->is_excused && !track->is_suspect && is_reachable(track);

    track->is_excused = false;
    if (is_excused)
        enter(track, reachable_state(track));
    return is_excused;
}

static void fail(struct phu_state_track *track, struct phu_mono sent)
{
    track->failures = track->failures << 1 | 1;
    track->successes = 0;
    track->is_good = false;
    track->is_late = false;
    if (take_excuse(track))
        return;
    begin_failing(track, sent);
    if (track->raw == PHU_STATE_DOWN) {
        if (track->is_releasing && (!track->rules->is_confirmed || ++track->unconfirmed > 2))
            fail_released(track);
        return;
    }
    track->is_suspect = true;
    if (track->rules->is_confirmed && track->unconfirmed < UINT8_MAX)
        track->unconfirmed++;
    if (is_proven(track))
        go_down(track);
    else if (is_reachable(track))
        enter(track, reachable_state(track));
}

void phu_state_verdict(struct phu_state_track *track, enum phu_success success, int64_t rtt_us,
                       struct phu_mono sent, struct phu_mono now)
{
    phu_state_advance(track, now);
    track->verdict_ms = phu_mono_ms(now);
    switch (success) {
    case PHU_SUCCESS_YES:
        succeed(track, rtt_us);
        break;
    case PHU_SUCCESS_NO:
        fail(track, sent);
        break;
    case PHU_SUCCESS_UNMEASURED:
        become_unknown(track);
        break;
    }
}

/* -- Confirmations --------------------------------------------------------------------------- */

static void confirm_up(struct phu_state_track *track)
{
    answer(track);
    if (!is_coming_back(track))
        return;
    come_back(track);
    clear(track);
    enter(track, reachable_state(track));
    track->is_good = !is_poor(track);
}

static void confirm_down(struct phu_state_track *track, struct phu_mono sent)
{
    track->successes = 0;
    track->unconfirmed = 0;
    if (track->raw == PHU_STATE_DOWN) {
        if (track->is_releasing)
            fail_released(track);
        return;
    }
    begin_failing(track, sent);
    track->is_suspect = true;
    if (track->failed_steps < UINT8_MAX)
        track->failed_steps++;
    if (is_proven(track))
        go_down(track);
}

void phu_state_confirm(struct phu_state_track *track, enum phu_success success,
                       struct phu_mono sent, struct phu_mono now)
{
    phu_state_advance(track, now);
    if (success == PHU_SUCCESS_YES)
        confirm_up(track);
    else if (success == PHU_SUCCESS_NO)
        confirm_down(track, sent);
}

/* -- From elsewhere -------------------------------------------------------------------------- */

void phu_state_override(struct phu_state_track *track, enum phu_state state, struct phu_mono now)
{
    phu_state_advance(track, now);
    if (state == PHU_STATE_NONE && track->override != PHU_STATE_NONE &&
        track->raw == PHU_STATE_DOWN) {
        track->is_releasing = true;
        track->failed_steps = 0;
        track->unconfirmed = 0;
        return;
    }
    track->override = (uint8_t)state;
    track->is_releasing = false;
    if (track->is_suspect && is_proven(track))
        go_down(track);
}

void phu_state_maintain(struct phu_state_track *track, bool is_maintained, struct phu_mono now)
{
    phu_state_advance(track, now);
    track->is_maintained = is_maintained;
}
