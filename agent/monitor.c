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
};

struct phu_monitor {
    struct phu_sink sink;
    struct phu_sched *sched;
    struct phu_stats *stats;
    struct kind *kinds;
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
    bool (*endpoint)(void *arg, const char *id, struct phu_subject *subject);
    void *endpoint_arg;
    int64_t windows, observations[RESULT_COUNT], strays, values_refused, rows_refused;
    char buffer[PHU_LINE_MAX];
};

/* -- Windows --------------------------------------------------------------------------------- */

static void finish(struct phu_monitor *monitor, struct phu_tally *tally, struct phu_mono end)
{
    const struct phu_segment *segment = phu_timeline_segment(&monitor->timeline, tally->segment);
    struct phu_wall stamp = {segment->stamp.ns + tally->begin_ns - segment->begin.ns};

    monitor->windows += phu_tally_finish(tally, &monitor->writer, end, stamp);
}

/* Finishes the windows that end at or before `mono`. */
static void catch_up(struct phu_monitor *monitor, struct phu_tally *tally, struct phu_mono mono)
{
    while (tally->segment != monitor->timeline.last) {
        const struct phu_segment *next =
            phu_timeline_segment(&monitor->timeline, tally->segment + 1);

        if (next->begin.ns > mono.ns)
            return;
        finish(monitor, tally, next->begin);
        tally->segment++;
    }
}

static void catch_up_all(struct phu_monitor *monitor)
{
    struct phu_mono last = phu_timeline_segment(&monitor->timeline, monitor->timeline.last)->begin;

    for (uint32_t handle = 1; handle < monitor->capacity; handle++) {
        if (monitor->tallies[handle])
            catch_up(monitor, monitor->tallies[handle], last);
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
        struct phu_tally *tally = monitor->tallies[monitor->sweep_place];

        if (tally)
            catch_up(monitor, tally,
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
    return tally->primary ? (enum phu_state)tally->primary->track.state : PHU_STATE_UNKNOWN;
}

static void put(struct phu_sink *sink, const struct phu_observation *observation)
{
    struct phu_monitor *monitor = phu_container_of(sink, struct phu_monitor, sink);
    struct phu_tally *tally = find(monitor, observation->check);
    struct phu_monitor_verdict verdict;

    if (!tally) {
        monitor->strays++;
        return;
    }
    if (observation->completed.ns >= phu_timeline_boundary(&monitor->timeline).ns)
        advance(monitor, phu_sched_now(monitor->sched));
    catch_up(monitor, tally, observation->completed);
    verdict = (struct phu_monitor_verdict){.check = observation->check,
                                           .is_primary = tally->primary != NULL,
                                           .result = observation->result,
                                           .before = state_of(tally),
                                           .completed = observation->completed};
    monitor->values_refused += (int64_t)phu_tally_put(tally, observation);
    if (observation->row != 0)
        return;
    monitor->observations[observation->result]++;
    if (observation->result == PHU_RESULT_NONE || !monitor->on_verdict)
        return;
    verdict.state = state_of(tally);
    monitor->on_verdict(monitor->on_verdict_arg, &verdict);
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
    kind->next = monitor->kinds;
    monitor->kinds = kind;
    return kind;
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
    result = phu_tally_new(check, take_kind(monitor, check->collector)->plan, next_begin(monitor),
                           monitor->timeline.last, &tally);
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
    catch_up(monitor, tally, now);
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
        phu_state_adjust(&tally->primary->track, quality ? quality : &phu_quality_default,
                         interval_ns);
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
    monitor->endpoint_arg = conf->endpoint_arg;
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
        free(kind);
    }
    free(monitor->tags);
    free(monitor);
}
