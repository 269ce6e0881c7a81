/* The monitor: handles, the timeline, and who finishes which window when.
 *
 * A cut of the timeline finishes no window by itself. A tally's window is finished by its first
 * observation of the new segment, and a sweep finishes the others, a few hundred per
 * SWEEP_TICK_NS, so that the end of a window is never a burst that delays probes. The sweep waits
 * GRACE_NS, for observations that were completed before the cut and are still to be read.
 */
#include "monitor.h"

#include "core/timeline.h"
#include "core/window.h"
#include "phusong/collector.h"
#include "phusong/log.h"
#include "phusong/sched.h"
#include "phusong/stats.h"
#include "selfpoints.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define MODULE "monitor"

#define TICK_NS (5 * PHU_NS_PER_S) /* a step of the wall clock is noticed within this */
#define GRACE_NS (250 * PHU_NS_PER_MS)
#define SWEEP_TICK_NS (10 * PHU_NS_PER_MS)
#define SWEEP_SPAN_NS (4 * PHU_NS_PER_S)
#define SWEEP_LEAST 250

#define MAX_ROWS 16384
#define RESULT_COUNT (PHU_RESULT_NONE + 1)

/* A collector in use. */
struct kind {
    struct kind *next;
    const struct phu_collector *collector;
    struct phu_window_plan *plan;
    uint8_t *signals; /* by metric: see what_is_heard(); NULL when it measures none */
};

struct rules {
    struct rules *next;
    struct phu_state_rules rules;
};

struct phu_monitor {
    struct phu_sink sink;
    struct phu_sched *sched;
    struct phu_stats *stats;
    struct kind *kinds;
    struct rules *rules; /* all that were ever used: a handful */
    struct phu_pace pace;
    bool has_pace;
    struct phu_tally **tallies; /* by handle; NULL where there is none */
    uint32_t capacity;          /* of tallies */
    uint32_t free_hint;         /* no free handle is smaller */
    uint32_t max_rows;
    struct phu_timeline timeline;
    int64_t newest_begin_ns; /* of a window: each check that is added begins later than all */
    struct phu_timer tick, sweep;
    uint32_t sweep_place; /* the next handle to look at; 0: not sweeping */
    uint32_t sweep_to;    /* the segment that all tallies reach by this sweep */
    uint32_t swept;       /* the segment that all tallies have reached */
    struct phu_tally_writer writer;
    char *tags;
    phu_monitor_verdict_cb *on_verdict;
    void *on_verdict_arg;
    phu_health_cb *on_health;
    void *on_health_arg;
    void (*on_unsettled)(void *arg, uint32_t handle);
    void *on_unsettled_arg;
    phu_monitor_other_cb *on_other;
    void *on_other_arg;
    bool (*endpoint)(void *arg, const char *id, struct phu_subject *subject);
    uint32_t (*primary)(void *arg, const char *id);
    void *endpoint_arg;
    int64_t changes; /* of own states */
    int64_t windows, observations[RESULT_COUNT], strays, values_refused, rows_refused;
    char buffer[PHU_LINE_MAX];
};

/* -- Telling ---------------------------------------------------------------------------------- */

/* What is told when it changes. */
struct mark {
    uint8_t state;
    bool is_suspect, is_flapping, is_releasing;
};

static struct mark mark_of(const struct phu_tally *tally)
{
    const struct phu_state_track *track;

    if (!tally->primary)
        return (struct mark){.state = PHU_STATE_UNKNOWN};
    track = &tally->primary->track;
    return (struct mark){track->state, track->is_suspect, track->is_flapping, track->is_releasing};
}

static bool does_answer(uint8_t state)
{
    return state == PHU_STATE_UP || state == PHU_STATE_DEGRADED;
}

static enum phu_health_change change_of_state(uint8_t before, uint8_t state)
{
    if (state == PHU_STATE_DOWN)
        return PHU_HEALTH_DOWN;
    if (state == PHU_STATE_UNKNOWN)
        return PHU_HEALTH_UNKNOWN;
    if (!does_answer(before))
        return PHU_HEALTH_RECOVERED;
    return state == PHU_STATE_UP ? PHU_HEALTH_UP : PHU_HEALTH_DEGRADED;
}

/* False when there is nothing to tell. */
static bool find_change(const struct mark *before, const struct mark *after,
                        enum phu_health_change *change)
{
    bool is_released = before->is_releasing && !after->is_releasing;

    if (before->state != after->state)
        *change = change_of_state(before->state, after->state);
    else if (after->state == PHU_STATE_DOWN && is_released)
        *change = PHU_HEALTH_DOWN;
    else if (before->is_flapping != after->is_flapping)
        *change = PHU_HEALTH_FLAPPING;
    else if (before->is_suspect != after->is_suspect)
        *change = after->is_suspect ? PHU_HEALTH_SUSPECT : PHU_HEALTH_CLEARED;
    else
        return false;
    return true;
}

static void call_health(struct phu_monitor *monitor, uint32_t handle, const struct phu_tally *tally,
                        const struct mark *before, enum phu_health_change change,
                        struct phu_mono at)
{
    const struct phu_state_track *track = &tally->primary->track;

    if (!monitor->on_health)
        return;
    monitor->on_health(
        monitor->on_health_arg,
        &(struct phu_health){.subject = handle,
                             .change = change,
                             .before = (enum phu_state)before->state,
                             .state = (enum phu_state)track->state,
                             .is_flapping = track->is_flapping,
                             .is_released = before->is_releasing && change == PHU_HEALTH_DOWN,
                             .at = at,
                             .since = {track->failing_ms * PHU_NS_PER_MS}});
}

/* The stamp of a moment in the tally's segment. */
static struct phu_wall stamp_at(const struct phu_monitor *monitor, const struct phu_tally *tally,
                                struct phu_mono at)
{
    const struct phu_segment *segment = phu_timeline_segment(&monitor->timeline, tally->segment);
    int64_t into = phu_mono_since(at, segment->begin);

    return (struct phu_wall){segment->stamp.ns + (into > 0 ? into : 0)};
}

/* First those who may explain it, then the point. */
static void tell(struct phu_monitor *monitor, uint32_t handle, struct phu_tally *tally,
                 const struct mark *before, struct phu_mono at)
{
    const struct mark after = mark_of(tally);
    enum phu_health_change change;

    if (!tally->primary)
        return;
    if (find_change(before, &after, &change)) {
        monitor->changes += change != PHU_HEALTH_SUSPECT && change != PHU_HEALTH_CLEARED;
        call_health(monitor, handle, tally, before, change, at);
    }
    phu_tally_tell_state(tally, &monitor->writer, stamp_at(monitor, tally, at));
}

/* -- Windows --------------------------------------------------------------------------------- */

static void finish(struct phu_monitor *monitor, struct phu_tally *tally, struct phu_mono end)
{
    const struct phu_segment *segment = phu_timeline_segment(&monitor->timeline, tally->segment);
    struct phu_wall stamp = {segment->stamp.ns + tally->begin_ns - segment->begin.ns};

    monitor->windows += phu_tally_finish(tally, &monitor->writer, end, stamp);
}

/* Finishes the windows that end at or before `mono`. */
static void catch_up(struct phu_monitor *monitor, uint32_t handle, struct phu_mono mono)
{
    struct phu_tally *tally = monitor->tallies[handle];

    while (tally->segment != monitor->timeline.last) {
        const struct mark before = mark_of(tally);
        struct phu_mono end = phu_timeline_segment(&monitor->timeline, tally->segment + 1)->begin;

        if (end.ns > mono.ns)
            return;
        finish(monitor, tally, end);
        tally->segment++;
        tell(monitor, handle, tally, &before, end);
    }
}

static void catch_up_all(struct phu_monitor *monitor)
{
    struct phu_mono last = phu_timeline_segment(&monitor->timeline, monitor->timeline.last)->begin;

    for (uint32_t handle = 1; handle < monitor->capacity; handle++) {
        if (monitor->tallies[handle])
            catch_up(monitor, handle, last);
    }
    monitor->swept = monitor->timeline.last;
}

/* Segments are remembered in a ring: nobody may be left behind its end. */
static void note_cut(struct phu_monitor *monitor)
{
    const struct phu_timeline *timeline = &monitor->timeline;
    const struct phu_segment *last = phu_timeline_segment(timeline, timeline->last);

    if (last->begin.ns > monitor->newest_begin_ns)
        monitor->newest_begin_ns = last->begin.ns;
    if (timeline->last - monitor->swept >= PHU_TIMELINE_KEPT - 2)
        catch_up_all(monitor);
    if (monitor->stats)
        phu_selfpoints_write(monitor->stats, &monitor->writer,
                             phu_timeline_segment(timeline, timeline->last - 1)->stamp);
}

static void advance(struct phu_monitor *monitor, struct phu_mono now)
{
    struct phu_timeline *timeline = &monitor->timeline;
    struct phu_wall wall = phu_sched_wall(monitor->sched);
    int64_t offset = timeline->offset_ns, steps = timeline->steps;
    bool has_cut = false;

    while (phu_timeline_advance(timeline, now, wall)) {
        has_cut = true;
        note_cut(monitor);
    }
    if (timeline->steps != steps)
        phu_log_info(MODULE, "wall clock was set", "moved_ms=%lld",
                     (long long)((timeline->offset_ns - offset) / PHU_NS_PER_MS));
    if (has_cut && !phu_timer_is_armed(&monitor->sweep))
        phu_timer_after(monitor->sched, &monitor->sweep, GRACE_NS);
}

/* -- The sweep ------------------------------------------------------------------------------- */

static uint32_t sweep_share(const struct phu_monitor *monitor)
{
    uint32_t share = (uint32_t)(monitor->capacity / (SWEEP_SPAN_NS / SWEEP_TICK_NS)) + 1;

    return share < SWEEP_LEAST ? SWEEP_LEAST : share;
}

static void sweep_fired(struct phu_timer *timer)
{
    struct phu_monitor *monitor = phu_container_of(timer, struct phu_monitor, sweep);
    uint32_t left = sweep_share(monitor);

    if (monitor->sweep_place == 0) {
        monitor->sweep_place = 1;
        monitor->sweep_to = monitor->timeline.last;
    }
    for (; left > 0 && monitor->sweep_place < monitor->capacity; monitor->sweep_place++, left--) {
        if (monitor->tallies[monitor->sweep_place])
            catch_up(monitor, monitor->sweep_place,
                     phu_timeline_segment(&monitor->timeline, monitor->sweep_to)->begin);
    }
    if (monitor->sweep_place < monitor->capacity) {
        phu_timer_after(monitor->sched, timer, SWEEP_TICK_NS);
        return;
    }
    monitor->sweep_place = 0;
    monitor->swept = monitor->sweep_to;
    if (monitor->swept != monitor->timeline.last)
        phu_timer_after(monitor->sched, timer, GRACE_NS);
}

static void arm_tick(struct phu_monitor *monitor, struct phu_mono now)
{
    struct phu_mono due = phu_mono_add(now, TICK_NS);
    struct phu_mono boundary = phu_timeline_boundary(&monitor->timeline);

    phu_timer_at(monitor->sched, &monitor->tick, boundary.ns < due.ns ? boundary : due);
}

static void tick_fired(struct phu_timer *timer)
{
    struct phu_monitor *monitor = phu_container_of(timer, struct phu_monitor, tick);
    struct phu_mono now = phu_sched_now(monitor->sched);

    advance(monitor, now);
    arm_tick(monitor, now);
}

void phu_monitor_flush(struct phu_monitor *monitor)
{
    struct phu_mono now = phu_sched_now(monitor->sched);
    uint32_t before;

    advance(monitor, now);
    before = monitor->timeline.last;
    phu_timeline_cut(&monitor->timeline, now);
    if (monitor->timeline.last != before)
        note_cut(monitor);
    catch_up_all(monitor);
}

/* -- The sink -------------------------------------------------------------------------------- */

static struct phu_tally *find(const struct phu_monitor *monitor, uint32_t handle)
{
    return handle < monitor->capacity ? monitor->tallies[handle] : NULL;
}

static enum phu_state state_of(const struct phu_tally *tally)
{
    return tally->primary ? phu_state_shown(&tally->primary->track) : PHU_STATE_UNKNOWN;
}

static void hear_of_rows(struct phu_monitor *monitor, const struct phu_tally *tally,
                         const struct phu_observation *observation);

static void put_stray(struct phu_monitor *monitor, const struct phu_observation *observation)
{
    if (!monitor->on_other || !monitor->on_other(monitor->on_other_arg, observation))
        monitor->strays++;
}

static void call_verdict(struct phu_monitor *monitor, const struct phu_tally *tally,
                         const struct phu_observation *observation, enum phu_state before)
{
    const struct phu_monitor_verdict verdict = {
        .check = observation->check,
        .is_primary = tally->primary != NULL,
        .is_unsettled = tally->primary && phu_state_wants(&tally->primary->track),
        .result = observation->result,
        .before = before,
        .state = state_of(tally),
        .started = observation->started,
        .completed = observation->completed};

    monitor->on_verdict(monitor->on_verdict_arg, &verdict);
}

static void put(struct phu_sink *sink, const struct phu_observation *observation)
{
    struct phu_monitor *monitor = phu_container_of(sink, struct phu_monitor, sink);
    struct phu_tally *tally = find(monitor, observation->check);
    enum phu_state shown;
    struct mark before;

    if (!tally) {
        put_stray(monitor, observation);
        return;
    }
    if (observation->completed.ns >= phu_timeline_boundary(&monitor->timeline).ns)
        advance(monitor, phu_sched_now(monitor->sched));
    catch_up(monitor, observation->check, observation->completed);
    shown = state_of(tally);
    before = mark_of(tally);
    monitor->values_refused += (int64_t)phu_tally_put(tally, observation);
    if (observation->row != 0) {
        hear_of_rows(monitor, tally, observation);
        return;
    }
    monitor->observations[observation->result]++;
    if (observation->result == PHU_RESULT_NONE)
        return;
    tell(monitor, observation->check, tally, &before, observation->completed);
    if (monitor->on_verdict)
        call_verdict(monitor, tally, observation, shown);
}

/* -- What devices say of endpoints ------------------------------------------------------------- */

enum { HEARD_SIGNAL = 7, HEARD_NR = 8 }; /* 1 + enum phu_heard; the latter: of 5G */

static uint8_t what_is_heard(const struct phu_metric *metric)
{
    static const struct {
        const char *measurement, *name;
        uint8_t heard;
    } heard[] = {
        {"signal", "rsrp_dbm", 1 + PHU_HEARD_RSRP},
        {"signal", "rsrq_db", 1 + PHU_HEARD_RSRQ},
        {"signal", "sinr_db", 1 + PHU_HEARD_SINR},
        {"signal", "nr_rsrp_dbm", HEARD_NR | (1 + PHU_HEARD_RSRP)},
        {"signal", "nr_rsrq_db", HEARD_NR | (1 + PHU_HEARD_RSRQ)},
        {"signal", "nr_sinr_db", HEARD_NR | (1 + PHU_HEARD_SINR)},
        {"optics", "onu_rx_dbm", 1 + PHU_HEARD_LIGHT},
        {"optics", "olt_rx_dbm", 1 + PHU_HEARD_LIGHT},
        {"optics", "rx_dbm", 1 + PHU_HEARD_LIGHT},
    };

    for (size_t i = 0; i < sizeof heard / sizeof *heard; i++) {
        if (metric->type == PHU_METRIC_FLOAT && strcmp(metric->name, heard[i].name) == 0 &&
            strcmp(metric->measurement, heard[i].measurement) == 0)
            return heard[i].heard;
    }
    return 0;
}

static uint8_t *find_signals(const struct phu_collector *collector)
{
    uint8_t *signals = calloc(collector->metric_count + 1, 1);
    bool is_any = false;

    if (!signals)
        abort();
    for (size_t i = 0; i < collector->metric_count; i++) {
        signals[i] = what_is_heard(&collector->metrics[i]);
        is_any = is_any || signals[i];
    }
    if (is_any)
        return signals;
    free(signals);
    return NULL;
}

static const struct kind *kind_of(const struct phu_monitor *monitor,
                                  const struct phu_window_plan *plan)
{
    const struct kind *kind = monitor->kinds;

    while (kind->plan != plan)
        kind = kind->next;
    return kind;
}

static uint8_t heard_of(const struct kind *kind, const struct phu_value *value)
{
    return value->metric < kind->collector->metric_count ? kind->signals[value->metric] : 0;
}

static void hear(struct phu_monitor *monitor, const struct kind *kind, uint32_t handle,
                 const struct phu_observation *observation)
{
    struct phu_tally *tally = find(monitor, handle);
    struct mark before;

    if (!tally || !tally->primary)
        return;
    catch_up(monitor, handle, observation->completed);
    before = mark_of(tally);
    for (size_t i = 0; i < observation->value_count; i++) {
        const struct phu_value *value = &observation->values[i];
        uint8_t heard = heard_of(kind, value);
        bool is_nr = heard & HEARD_NR, is_radio = (heard & HEARD_SIGNAL) != 1 + PHU_HEARD_LIGHT;

        if (heard && (!is_radio || is_nr == tally->primary->is_5g))
            phu_state_hear(&tally->primary->track, (enum phu_heard)((heard & HEARD_SIGNAL) - 1),
                           value->f, observation->completed);
    }
    tell(monitor, handle, tally, &before, observation->completed);
}

static void hear_of_rows(struct phu_monitor *monitor, const struct phu_tally *tally,
                         const struct phu_observation *observation)
{
    const struct kind *kind = kind_of(monitor, tally->plan);
    char id[128];
    size_t i = 0;

    if (!kind->signals || !monitor->primary || observation->row > phu_tally_row_count(tally))
        return;
    while (i < observation->value_count && !heard_of(kind, &observation->values[i]))
        i++;
    if (i < observation->value_count &&
        phu_tally_row_endpoint(tally, observation->row, id, sizeof id))
        hear(monitor, kind, monitor->primary(monitor->endpoint_arg, id), observation);
}

static int row(struct phu_sink *sink, uint32_t check, const struct phu_row *wanted, uint32_t *out)
{
    struct phu_monitor *monitor = phu_container_of(sink, struct phu_monitor, sink);
    struct phu_tally *tally = find(monitor, check);
    struct phu_subject endpoint;
    bool is_known = wanted->endpoint && monitor->endpoint &&
                    monitor->endpoint(monitor->endpoint_arg, wanted->endpoint, &endpoint);
    int result =
        tally ? phu_tally_row(tally, wanted, is_known ? &endpoint : NULL, monitor->max_rows, out)
              : -ENOENT;

    if (result < 0)
        monitor->rows_refused++;
    return result;
}

struct phu_sink *phu_monitor_sink(struct phu_monitor *monitor)
{
    return &monitor->sink;
}

void phu_monitor_on_verdict(struct phu_monitor *monitor, phu_monitor_verdict_cb *call, void *arg)
{
    monitor->on_verdict = call;
    monitor->on_verdict_arg = arg;
}

enum phu_state phu_monitor_state(struct phu_monitor *monitor, uint32_t handle)
{
    const struct phu_tally *tally = find(monitor, handle);

    if (!tally || !tally->primary)
        return PHU_STATE_UNKNOWN;
    return phu_state_at(&tally->primary->track, phu_sched_now(monitor->sched));
}

/* -- Health ------------------------------------------------------------------------------------ */

void phu_monitor_on_health(struct phu_monitor *monitor, phu_health_cb *call, void *arg)
{
    monitor->on_health = call;
    monitor->on_health_arg = arg;
}

void phu_monitor_on_other(struct phu_monitor *monitor, phu_monitor_other_cb *call, void *arg)
{
    monitor->on_other = call;
    monitor->on_other_arg = arg;
}

void phu_monitor_on_unsettled(struct phu_monitor *monitor, void (*call)(void *arg, uint32_t handle),
                              void *arg)
{
    monitor->on_unsettled = call;
    monitor->on_unsettled_arg = arg;
}

/* The primary check, with its windows finished up to now; NULL when there is none. */
static struct phu_tally *begin_change(struct phu_monitor *monitor, uint32_t handle,
                                      struct phu_mono now)
{
    struct phu_tally *tally = find(monitor, handle);

    if (!tally || !tally->primary)
        return NULL;
    if (now.ns >= phu_timeline_boundary(&monitor->timeline).ns)
        advance(monitor, now);
    catch_up(monitor, handle, now);
    return tally;
}

static const struct phu_state_track *track_of(const struct phu_monitor *monitor, uint32_t handle)
{
    const struct phu_tally *tally = find(monitor, handle);

    return tally && tally->primary ? &tally->primary->track : NULL;
}

int64_t phu_monitor_patience_ns(const struct phu_monitor *monitor, uint32_t handle)
{
    const struct phu_state_track *track = track_of(monitor, handle);

    return track ? phu_state_patience_ns(track) : INT64_MAX;
}

bool phu_monitor_wants(const struct phu_monitor *monitor, uint32_t handle)
{
    const struct phu_state_track *track = track_of(monitor, handle);

    return track && phu_state_wants(track);
}

bool phu_monitor_late(struct phu_monitor *monitor, uint32_t handle, struct phu_mono sent)
{
    struct phu_mono now = phu_sched_now(monitor->sched);
    struct phu_tally *tally = begin_change(monitor, handle, now);
    struct mark before;

    if (!tally)
        return false;
    before = mark_of(tally);
    phu_state_late(&tally->primary->track, sent, now);
    tell(monitor, handle, tally, &before, now);
    return phu_state_wants(&tally->primary->track);
}

bool phu_monitor_confirm(struct phu_monitor *monitor, uint32_t handle, enum phu_success success,
                         struct phu_mono sent)
{
    struct phu_mono now = phu_sched_now(monitor->sched);
    struct phu_tally *tally = begin_change(monitor, handle, now);
    struct mark before;

    if (!tally)
        return false;
    before = mark_of(tally);
    phu_state_confirm(&tally->primary->track, success, sent, now);
    /* Who was asked, and not suspected, is told of as well. */
    before.is_suspect |= success == PHU_SUCCESS_YES && does_answer(before.state);
    tell(monitor, handle, tally, &before, now);
    return phu_state_wants(&tally->primary->track);
}

void phu_monitor_count_confirmation(struct phu_monitor *monitor, uint32_t handle,
                                    enum phu_success success)
{
    struct phu_tally *tally = begin_change(monitor, handle, phu_sched_now(monitor->sched));

    if (tally)
        phu_tally_put_confirmation(tally, success);
}

void phu_monitor_override(struct phu_monitor *monitor, uint32_t handle, enum phu_state state)
{
    struct phu_mono now = phu_sched_now(monitor->sched);
    struct phu_tally *tally = begin_change(monitor, handle, now);
    struct mark before;

    if (!tally)
        return;
    before = mark_of(tally);
    phu_state_override(&tally->primary->track, state, now);
    tell(monitor, handle, tally, &before, now);
    if (monitor->on_unsettled && phu_state_wants(&tally->primary->track))
        monitor->on_unsettled(monitor->on_unsettled_arg, handle);
}

void phu_monitor_set_maintenance(struct phu_monitor *monitor, uint32_t handle, bool is_maintained)
{
    struct phu_mono now = phu_sched_now(monitor->sched);
    struct phu_tally *tally = begin_change(monitor, handle, now);
    struct mark before;

    if (!tally)
        return;
    before = mark_of(tally);
    phu_state_maintain(&tally->primary->track, is_maintained, now);
    tell(monitor, handle, tally, &before, now);
}

int64_t phu_monitor_changes(const struct phu_monitor *monitor)
{
    return monitor->changes;
}

bool phu_monitor_save(struct phu_monitor *monitor, uint32_t handle, struct phu_health_saved *saved)
{
    const struct phu_state_track *track = track_of(monitor, handle);

    return track && phu_health_save(track, phu_sched_now(monitor->sched),
                                    phu_sched_wall(monitor->sched), saved);
}

void phu_monitor_restore(struct phu_monitor *monitor, uint32_t handle,
                         const struct phu_health_saved *saved)
{
    struct phu_mono now = phu_sched_now(monitor->sched);
    struct phu_tally *tally = begin_change(monitor, handle, now);

    if (tally)
        phu_health_restore(&tally->primary->track, saved, now, phu_sched_wall(monitor->sched));
}

/* -- Checks ---------------------------------------------------------------------------------- */

static const struct kind *take_kind(struct phu_monitor *monitor,
                                    const struct phu_collector *collector)
{
    struct kind *kind = monitor->kinds;

    while (kind && kind->collector != collector)
        kind = kind->next;
    if (kind)
        return kind;
    kind = calloc(1, sizeof *kind);
    if (!kind)
        abort();
    kind->collector = collector;
    kind->plan = phu_window_plan_new(collector->name, collector->metrics, collector->metric_count,
                                     collector->rtt_metric);
    kind->signals = find_signals(collector);
    kind->next = monitor->kinds;
    monitor->kinds = kind;
    return kind;
}

static const struct phu_state_rules *take_rules(struct phu_monitor *monitor,
                                                const struct phu_quality *quality,
                                                int64_t interval_ns, enum phu_evidence evidence)
{
    struct phu_state_rules wanted;
    struct rules *rules = monitor->rules;

    phu_state_rules_make(&wanted, quality ? quality : &phu_quality_default, &monitor->pace,
                         interval_ns, evidence);
    while (rules && !phu_state_rules_are_same(&rules->rules, &wanted))
        rules = rules->next;
    if (rules)
        return &rules->rules;
    rules = malloc(sizeof *rules);
    if (!rules)
        abort();
    rules->rules = wanted;
    rules->next = monitor->rules;
    monitor->rules = rules;
    return &rules->rules;
}

static enum phu_evidence evidence_of(const struct phu_monitor *monitor,
                                     const struct phu_collector *collector)
{
    if (collector->backs_off)
        return PHU_EVIDENCE_REPEATED;
    return monitor->has_pace && monitor->pace.confirm_probes ? PHU_EVIDENCE_CONFIRMED
                                                             : PHU_EVIDENCE_PROBES;
}

static uint32_t take_handle(struct phu_monitor *monitor)
{
    uint32_t handle = monitor->free_hint, capacity = monitor->capacity;

    while (handle < capacity && monitor->tallies[handle])
        handle++;
    if (handle >= capacity) {
        capacity = capacity < 64 ? 64 : capacity + capacity / 4;
        monitor->tallies = realloc(monitor->tallies, capacity * sizeof(struct phu_tally *));
        if (!monitor->tallies)
            abort();
        memset(&monitor->tallies[monitor->capacity], 0,
               (capacity - monitor->capacity) * sizeof(struct phu_tally *));
        monitor->capacity = capacity;
    }
    monitor->free_hint = handle + 1;
    return handle;
}

/* Later than every window that has begun, if only by a nanosecond: a check that is removed and
 * added again at once must not get the timestamp that its former self has used. */
static struct phu_mono next_begin(struct phu_monitor *monitor)
{
    int64_t now = phu_sched_now(monitor->sched).ns;

    if (now <= monitor->newest_begin_ns)
        now = monitor->newest_begin_ns + 1;
    monitor->newest_begin_ns = now;
    return (struct phu_mono){now};
}

int phu_monitor_add(struct phu_monitor *monitor, const struct phu_monitor_check *check,
                    uint32_t *handle)
{
    struct phu_tally *tally;
    int result;

    if (phu_sched_now(monitor->sched).ns >= phu_timeline_boundary(&monitor->timeline).ns)
        advance(monitor, phu_sched_now(monitor->sched));
    result = phu_tally_new(check, take_kind(monitor, check->collector)->plan,
                           take_rules(monitor, check->quality, check->interval_ns,
                                      evidence_of(monitor, check->collector)),
                           next_begin(monitor), monitor->timeline.last, &tally);
    if (result < 0)
        return result;
    *handle = take_handle(monitor);
    monitor->tallies[*handle] = tally;
    return 0;
}

void phu_monitor_remove(struct phu_monitor *monitor, uint32_t handle)
{
    struct phu_tally *tally = find(monitor, handle);
    struct phu_mono now = phu_sched_now(monitor->sched);

    if (!tally)
        return;
    if (now.ns >= phu_timeline_boundary(&monitor->timeline).ns)
        advance(monitor, now);
    catch_up(monitor, handle, now);
    finish(monitor, tally, now);
    phu_tally_free(tally);
    monitor->tallies[handle] = NULL;
    if (handle < monitor->free_hint)
        monitor->free_hint = handle;
}

bool phu_monitor_is_current(const struct phu_monitor *monitor, uint32_t handle)
{
    const struct phu_tally *tally = find(monitor, handle);

    return !tally || !monitor->endpoint ||
           phu_tally_is_current(tally, monitor->endpoint, monitor->endpoint_arg);
}

void phu_monitor_adjust(struct phu_monitor *monitor, uint32_t handle,
                        const struct phu_quality *quality, int64_t interval_ns)
{
    struct phu_tally *tally = find(monitor, handle);

    if (tally && tally->primary)
        phu_state_adjust(
            &tally->primary->track,
            take_rules(monitor, quality, interval_ns,
                       evidence_of(monitor, kind_of(monitor, tally->plan)->collector)));
}

/* -- Life ------------------------------------------------------------------------------------ */

static double count_rows(void *arg)
{
    const struct phu_monitor *monitor = arg;
    double sum = 0;

    for (uint32_t handle = 1; handle < monitor->capacity; handle++) {
        if (monitor->tallies[handle])
            sum += phu_tally_row_count(monitor->tallies[handle]);
    }
    return sum;
}

static void add_stats(struct phu_monitor *monitor)
{
    static const struct phu_stat_info observations = {
        "phusong_observations_total", PHU_STAT_COUNTER, "Results of checks, by result"};
    static const struct phu_stat_info infos[] = {
        {"phusong_windows_emitted_total", PHU_STAT_COUNTER,
         "Windows of checks that were finished and had something to say"},
        {"phusong_points_total", PHU_STAT_COUNTER, "Points emitted"},
        {"phusong_points_dropped_total", PHU_STAT_COUNTER,
         "Points that were longer than a line may be"},
        {"phusong_clock_steps_total", PHU_STAT_COUNTER, "Times that the wall clock was set"},
        {"phusong_observations_stray_total", PHU_STAT_COUNTER,
         "Observations of checks that do not exist"},
        {"phusong_values_refused_total", PHU_STAT_COUNTER,
         "Values of unknown metrics or rows, or not finite"},
        {"phusong_rows_refused_total", PHU_STAT_COUNTER,
         "Rows (interfaces, ONUs …) refused: beyond the 16384 that a check may have, or for an "
         "endpoint that is not in the inventory"},
    };
    const int64_t *values[] = {
        &monitor->windows,        &monitor->writer.points, &monitor->writer.dropped,
        &monitor->timeline.steps, &monitor->strays,        &monitor->values_refused,
        &monitor->rows_refused,
    };
    static const struct phu_stat_info rows = {"phusong_rows", PHU_STAT_GAUGE,
                                              "Rows (interfaces, ONUs …) of all checks"};

    for (size_t i = 0; i < sizeof infos / sizeof *infos; i++)
        phu_stats_add(monitor->stats, &infos[i], NULL, values[i]);
    for (int result = 0; result < RESULT_COUNT; result++) {
        char label[64];

        phu_stats_label(label, sizeof label, "result", phu_result_name((enum phu_result)result));
        phu_stats_add(monitor->stats, &observations, label, &monitor->observations[result]);
    }
    phu_stats_add_read(monitor->stats, &rows, NULL, count_rows, monitor);
}

/* ",agent=bn-1" */
static int set_tags(struct phu_monitor *monitor, const char *agent)
{
    struct phu_line line;
    ssize_t length;

    phu_line_begin_key(&line, monitor->buffer, sizeof monitor->buffer, "", 0);
    phu_line_tag(&line, "agent", agent);
    length = phu_line_key(&line);
    if (length < 0)
        return -EINVAL;
    monitor->tags = malloc((size_t)length + 1);
    if (!monitor->tags)
        abort();
    memcpy(monitor->tags, monitor->buffer, (size_t)length);
    monitor->writer.tags = monitor->tags;
    monitor->writer.tags_length = (size_t)length;
    return 0;
}

int phu_monitor_new(struct phu_sched *sched, const struct phu_monitor_conf *conf,
                    struct phu_monitor **out)
{
    struct phu_monitor *monitor = calloc(1, sizeof *monitor);
    struct phu_mono now = phu_sched_now(sched);

    if (!monitor)
        abort();
    if (set_tags(monitor, conf->agent) < 0) {
        free(monitor);
        return -EINVAL;
    }
    monitor->sink = (struct phu_sink){.put = put, .row = row};
    monitor->sched = sched;
    monitor->stats = conf->stats;
    monitor->max_rows = conf->max_rows ? conf->max_rows : MAX_ROWS;
    monitor->free_hint = 1; /* handle 0 is given to nobody */
    monitor->writer.buffer = monitor->buffer;
    monitor->writer.buffer_size = sizeof monitor->buffer;
    monitor->writer.emit = conf->emit;
    monitor->writer.emit_arg = conf->emit_arg;
    monitor->endpoint = conf->endpoint;
    monitor->primary = conf->primary;
    monitor->endpoint_arg = conf->endpoint_arg;
    monitor->has_pace = conf->pace != NULL;
    monitor->pace = conf->pace ? *conf->pace : phu_pace_default;
    phu_timeline_init(&monitor->timeline, conf->window_ns, now, phu_sched_wall(sched));
    monitor->newest_begin_ns = now.ns - 1;
    if (conf->stats)
        add_stats(monitor);
    phu_timer_init(&monitor->tick, tick_fired);
    phu_timer_init(&monitor->sweep, sweep_fired);
    arm_tick(monitor, now);
    *out = monitor;
    return 0;
}

void phu_monitor_set_newest(struct phu_monitor *monitor, struct phu_wall newest)
{
    phu_timeline_set_newest(&monitor->timeline, newest);
}

void phu_monitor_free(struct phu_monitor *monitor)
{
    struct kind *next;

    if (!monitor)
        return;
    phu_timer_cancel(monitor->sched, &monitor->tick);
    phu_timer_cancel(monitor->sched, &monitor->sweep);
    if (monitor->stats)
        phu_stats_remove_within(monitor->stats, monitor, sizeof *monitor);
    for (uint32_t handle = 1; handle < monitor->capacity; handle++)
        phu_tally_free(monitor->tallies[handle]);
    free(monitor->tallies);
    for (struct kind *kind = monitor->kinds; kind; kind = next) {
        next = kind->next;
        phu_window_plan_free(kind->plan);
        free(kind->signals);
        free(kind);
    }
    while (monitor->rules) {
        struct rules *rules = monitor->rules;

        monitor->rules = rules->next;
        free(rules);
    }
    free(monitor->tags);
    free(monitor);
}
