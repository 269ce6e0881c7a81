#include "checks.h"

#include "confirm.h"
#include "retries.h"

#include "phusong/stats.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define LATE_AT_MOST_NS PHU_NS_PER_S

/* A collector in use. */
struct part {
    struct part *next;
    struct phu_checks *checks;
    const struct phu_collector *collector;
    void *self;
};

/* There are many: what all of a collector have in common is in its part. */
struct check {
    struct phu_timer slot;
    const struct part *part;
    void *attached;
    struct phu_mono due;
    struct phu_check_spec spec; /* its texts and what its device serves are behind the check */
    uint8_t poll_number;        /* of the newest poll, modulo 256 */
    bool is_in_flight : 1;
    bool is_failing : 1;    /* its last verdict about the address was a failure */
    bool is_backed_off : 1; /* its next poll is when checks->retries says, not in a slot */
    bool is_hurried : 1;    /* its next poll is not in a slot; slots go on after it */
    bool is_extra : 1;      /* the poll in flight was hurried */
    bool is_asked : 1;      /* somebody waits for the verdict */
};

/* A poll whose answer will be late soon. */
struct watched {
    int64_t due_ns;
    uint32_t handle;
    uint16_t periods; /* of PHU_PATIENCE_NS since the poll */
    uint8_t poll_number;
};

/* A ring, in the order of due_ns. */
struct watch {
    struct watched *items;
    size_t size, head, count; /* size: a power of two */
    struct phu_timer timer;
};

struct phu_checks {
    struct phu_sched *sched;
    struct phu_stats *stats;
    char *agent;
    struct part *parts;
    struct check **items; /* by handle; NULL where there is none */
    size_t size;
    int64_t count;
    struct phu_mono hold_until;
    struct phu_checks_counts counts;
    struct phu_retries retries;

    struct phu_confirms *confirms; /* NULL: nothing is confirmed */
    struct phu_pace pace;
    struct phu_confirm_judge judge;
    struct watch watch;

    size_t in_flight;

    /* Of run_once and drain: what is called when the last verdict is in. */
    struct phu_timer idle;
    void (*idle_call)(void *arg);
    void *idle_arg;

    /* Of run_once. */
    struct phu_timer once_tick;
    size_t once_next; /* handle */
    unsigned once_per_tick;
};

/* FNV-1a, then a finaliser so that ids which differ in the last digit land far apart. */
static uint64_t hash_ids(const char *agent, const char *id)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);

    for (const char *c = agent; *c; c++)
        hash = (hash ^ (unsigned char)*c) * UINT64_C(0x100000001b3);
    hash = (hash ^ '/') * UINT64_C(0x100000001b3);
    for (const char *c = id; *c; c++)
        hash = (hash ^ (unsigned char)*c) * UINT64_C(0x100000001b3);
    hash ^= hash >> 33;
    hash *= UINT64_C(0xff51afd7ed558ccd);
    hash ^= hash >> 33;
    return hash;
}

int64_t phu_checks_phase_ns(const char *agent, const char *id, int64_t interval_ns)
{
    int64_t points = interval_ns / PHU_CHECKS_GRID_NS;

    if (points < 1)
        return 0;
    return (int64_t)(hash_ids(agent, id) % (uint64_t)points) * PHU_CHECKS_GRID_NS;
}

static void became_idle(struct phu_timer *timer);
static void once_ticked(struct phu_timer *timer);
static void watch_fired(struct phu_timer *timer);

static void add_stats(struct phu_checks *checks)
{
    static const struct phu_stat_info count = {"phusong_checks", PHU_STAT_GAUGE,
                                               "Checks that are planned"};
    static const struct phu_stat_info polls = {"phusong_polls_total", PHU_STAT_COUNTER,
                                               "Polls started"};
    static const struct phu_stat_info missed = {
        "phusong_slots_missed_total", PHU_STAT_COUNTER,
        "Slots in which a check was not polled: late (the process was held up) or busy (its "
        "previous poll had not ended)"};

    phu_stats_add(checks->stats, &count, NULL, &checks->count);
    phu_stats_add(checks->stats, &polls, NULL, &checks->counts.polls);
    phu_stats_add(checks->stats, &missed, "reason=\"late\"", &checks->counts.missed_late);
    phu_stats_add(checks->stats, &missed, "reason=\"busy\"", &checks->counts.missed_busy);
}

struct phu_checks *phu_checks_new(struct phu_sched *sched, struct phu_stats *stats,
                                  const char *agent)
{
    struct phu_checks *checks = calloc(1, sizeof *checks);

    if (!checks || !(checks->agent = strdup(agent)))
        abort();
    checks->sched = sched;
    checks->stats = stats;
    phu_timer_init(&checks->idle, became_idle);
    phu_timer_init(&checks->once_tick, once_ticked);
    phu_timer_init(&checks->watch.timer, watch_fired);
    add_stats(checks);
    return checks;
}

static void free_parts(struct part *parts)
{
    while (parts) {
        struct part *part = parts;

        parts = part->next;
        free(part);
    }
}

void phu_checks_free(struct phu_checks *checks)
{
    if (!checks)
        return;
    phu_timer_cancel(checks->sched, &checks->once_tick);
    phu_timer_cancel(checks->sched, &checks->idle);
    phu_timer_cancel(checks->sched, &checks->watch.timer);
    phu_confirms_free(checks->confirms);
    free(checks->watch.items);
    phu_stats_remove_within(checks->stats, checks, sizeof *checks);
    phu_retries_fini(&checks->retries);
    free_parts(checks->parts);
    free(checks->items);
    free(checks->agent);
    free(checks);
}

void phu_checks_hold_until(struct phu_checks *checks, struct phu_mono when)
{
    checks->hold_until = when;
}

void phu_checks_counts(const struct phu_checks *checks, struct phu_checks_counts *counts)
{
    *counts = checks->counts;
}

/* -- Late answers ----------------------------------------------------------------------------- */

static void grow_watch(struct watch *watch)
{
    size_t size = watch->size ? watch->size * 2 : 64;
    struct watched *items = malloc(size * sizeof *items);

    if (!items)
        abort();
    for (size_t i = 0; i < watch->count; i++)
        items[i] = watch->items[(watch->head + i) & (watch->size - 1)];
    free(watch->items);
    watch->items = items;
    watch->size = size;
    watch->head = 0;
}

/* In the same wake-up as the polls of a grid point that is due then. */
static void arm_watch(struct phu_checks *checks)
{
    struct watch *watch = &checks->watch;
    int64_t due_ns = watch->items[watch->head].due_ns;

    phu_timer_at(checks->sched, &watch->timer, (struct phu_mono){due_ns + PHU_SCHED_TICK_NS});
}

static void append_watched(struct phu_checks *checks, const struct watched *watched)
{
    struct watch *watch = &checks->watch;

    if (watch->count == watch->size)
        grow_watch(watch);
    watch->items[(watch->head + watch->count++) & (watch->size - 1)] = *watched;
    if (!phu_timer_is_armed(&watch->timer))
        arm_watch(checks);
}

static bool is_watched(const struct check *check)
{
    return check->part->checks->confirms && check->part->checks->pace.confirm_probes &&
           !check->part->collector->backs_off && check->spec.timeout_ns > PHU_PATIENCE_NS;
}

static void watch_poll(struct check *check)
{
    int64_t now_ns = phu_sched_now(check->part->checks->sched).ns;

    append_watched(check->part->checks, &(struct watched){.due_ns = now_ns + PHU_PATIENCE_NS,
                                                          .handle = check->spec.check,
                                                          .periods = 1,
                                                          .poll_number = check->poll_number});
}

static bool is_planning(const struct phu_checks *checks);
static struct check *find(const struct phu_checks *checks, uint32_t handle);

/* Late, or not yet: who is slow by nature is looked at again a little later. */
static void look_at(struct check *check, struct watched *watched)
{
    struct phu_checks *checks = check->part->checks;
    const struct phu_confirm_judge *judge = &checks->judge;
    struct phu_mono sent = {watched->due_ns - watched->periods * PHU_PATIENCE_NS};
    int64_t patience_ns = judge->patience_ns(judge->arg, check->spec.check);

    if (patience_ns >= check->spec.timeout_ns)
        return;
    if (watched->periods * PHU_PATIENCE_NS < patience_ns) {
        watched->due_ns += PHU_PATIENCE_NS;
        watched->periods++;
        append_watched(checks, watched);
    } else if (judge->late(judge->arg, check->spec.check, sent)) {
        phu_confirms_begin(checks->confirms, check->spec.check,
                           &(struct phu_confirm_plan){.base = sent});
    }
}

static void watch_fired(struct phu_timer *timer)
{
    struct phu_checks *checks = phu_container_of(timer, struct phu_checks, watch.timer);
    struct watch *watch = &checks->watch;
    int64_t now_ns = phu_sched_now(checks->sched).ns;

    while (watch->count && watch->items[watch->head].due_ns <= now_ns) {
        struct watched watched = watch->items[watch->head];
        struct check *check = find(checks, watched.handle);

        watch->head = (watch->head + 1) & (watch->size - 1);
        watch->count--;
        if (check && check->is_in_flight && check->poll_number == watched.poll_number &&
            is_planning(checks))
            look_at(check, &watched);
    }
    if (watch->count && !phu_timer_is_armed(timer))
        arm_watch(checks);
}

/* -- Slots ------------------------------------------------------------------------------------ */

static void poll_check(struct check *check)
{
    struct phu_checks *checks = check->part->checks;

    check->is_in_flight = true;
    check->poll_number++;
    checks->in_flight++;
    checks->counts.polls++;
    if (is_watched(check))
        watch_poll(check);
    check->part->collector->poll(check->part->self, check->attached);
}

static int64_t lateness_allowed(const struct check *check)
{
    int64_t half = check->spec.interval_ns / 2;

    return half < LATE_AT_MOST_NS ? half : LATE_AT_MOST_NS;
}

/* The slot at or after `now` that keeps the phase; returns how many were passed over. */
static int64_t plan_next_slot(struct check *check, struct phu_mono now)
{
    int64_t late = phu_mono_since(now, check->due);
    int64_t passed = late >= check->spec.interval_ns ? late / check->spec.interval_ns : 0;

    check->due = phu_mono_add(check->due, (passed + 1) * check->spec.interval_ns);
    phu_timer_at(check->part->checks->sched, &check->slot, check->due);
    return passed;
}

/* Out of its turn; what follows is its slot, or planned by the verdict. */
static void hurry(struct check *check)
{
    struct phu_mono now = phu_sched_now(check->part->checks->sched);

    check->is_hurried = false;
    if (!check->is_backed_off && check->due.ns > now.ns)
        phu_timer_at(check->part->checks->sched, &check->slot, check->due);
    else if (!check->is_backed_off)
        plan_next_slot(check, now);
    if (!check->is_in_flight) {
        check->is_extra = true;
        poll_check(check);
    }
}

static void slot_came(struct phu_timer *timer)
{
    struct check *check = phu_container_of(timer, struct check, slot);
    struct phu_checks_counts *counts = &check->part->checks->counts;
    struct phu_mono now = phu_sched_now(check->part->checks->sched);
    int64_t late = phu_mono_since(now, check->due);

    if (check->is_hurried) {
        hurry(check);
        return;
    }
    if (check->is_backed_off) { /* what follows is planned by its verdict */
        if (!check->is_in_flight)
            poll_check(check);
        return;
    }
    counts->missed_late += plan_next_slot(check, now);
    if (late > lateness_allowed(check))
        counts->missed_late++;
    else if (check->is_in_flight)
        counts->missed_busy++;
    else
        poll_check(check);
}

static struct phu_mono first_slot(const struct phu_checks *checks,
                                  const struct phu_check_spec *spec)
{
    struct phu_mono now = phu_sched_now(checks->sched);
    struct phu_mono earliest = now.ns > checks->hold_until.ns ? now : checks->hold_until;
    int64_t wall = phu_sched_wall(checks->sched).ns + phu_mono_since(earliest, now);
    int64_t phase = phu_checks_phase_ns(checks->agent, spec->id, spec->interval_ns);
    int64_t into_slot = (wall - phase) % spec->interval_ns;

    return phu_mono_add(earliest, into_slot ? spec->interval_ns - into_slot : 0);
}

static const char *keep_text(char **cursor, const char *text)
{
    char *kept = *cursor;

    *cursor = stpcpy(kept, text) + 1;
    return kept;
}

static size_t size_of_served(const struct phu_check_spec *spec)
{
    size_t size = spec->served_count * sizeof *spec->served;

    for (size_t i = 0; i < spec->served_count; i++)
        size += strlen(spec->served[i].endpoint) + strlen(spec->served[i].ifname) +
                strlen(spec->served[i].index) + 3;
    return size;
}

static char *keep_served(struct phu_served *served, const struct phu_check_spec *spec)
{
    char *cursor = (char *)(served + spec->served_count);

    for (size_t i = 0; i < spec->served_count; i++) {
        served[i].endpoint = keep_text(&cursor, spec->served[i].endpoint);
        served[i].ifname = keep_text(&cursor, spec->served[i].ifname);
        served[i].index = keep_text(&cursor, spec->served[i].index);
    }
    return cursor;
}

/* In one allocation: the check, what its device serves, and all their texts. */
static struct check *new_check(const struct phu_check_spec *spec)
{
    size_t size = strlen(spec->id) + strlen(spec->address) + strlen(spec->argument) +
                  strlen(spec->credential) + strlen(spec->rows) + 5 + size_of_served(spec);
    struct phu_served *served;
    struct check *check = calloc(1, sizeof *check + size);
    char *cursor;

    if (!check)
        return NULL;
    check->spec = *spec;
    served = (struct phu_served *)(void *)(check + 1);
    cursor = keep_served(served, spec);
    check->spec.served = served;
    check->spec.id = keep_text(&cursor, spec->id);
    check->spec.address = keep_text(&cursor, spec->address);
    check->spec.argument = keep_text(&cursor, spec->argument);
    check->spec.credential = keep_text(&cursor, spec->credential);
    check->spec.rows = keep_text(&cursor, spec->rows);
    return check;
}

static const struct part *take_part(struct phu_checks *checks,
                                    const struct phu_collector *collector, void *self)
{
    struct part *part = checks->parts;

    while (part && (part->collector != collector || part->self != self))
        part = part->next;
    if (part)
        return part;
    part = malloc(sizeof *part);
    if (!part)
        abort();
    *part = (struct part){checks->parts, checks, collector, self};
    checks->parts = part;
    return part;
}

static int make_room(struct phu_checks *checks, uint32_t handle)
{
    size_t size = checks->size ? checks->size : 64;
    struct check **items;

    if (handle < checks->size)
        return 0;
    while (size <= handle)
        size *= 2;
    items = realloc(checks->items, size * sizeof *items);
    if (!items)
        return -ENOMEM;
    memset(items + checks->size, 0, (size - checks->size) * sizeof *items);
    checks->items = items;
    checks->size = size;
    return 0;
}

int phu_checks_add(struct phu_checks *checks, const struct phu_collector *collector, void *self,
                   const struct phu_check_spec *spec)
{
    struct check *check;
    int error = make_room(checks, spec->check);

    if (error)
        return error;
    check = new_check(spec);
    if (!check)
        return -ENOMEM;
    check->part = take_part(checks, collector, self);
    phu_timer_init(&check->slot, slot_came);
    error = collector->attach(self, &check->spec, &check->attached);
    if (error) {
        free(check);
        return error;
    }
    checks->items[spec->check] = check;
    checks->count++;
    check->due = first_slot(checks, spec);
    phu_timer_at(checks->sched, &check->slot, check->due);
    return 0;
}

static struct check *find(const struct phu_checks *checks, uint32_t handle)
{
    return handle < checks->size ? checks->items[handle] : NULL;
}

/* Nothing planned, nothing in flight: the time for idle_call. */
static bool is_idle(const struct phu_checks *checks)
{
    return checks->idle_call && !checks->in_flight && !phu_timer_is_armed(&checks->once_tick) &&
           !(checks->confirms && phu_confirms_in_flight(checks->confirms));
}

static void end_flight(struct check *check)
{
    struct phu_checks *checks = check->part->checks;

    if (!check->is_in_flight)
        return;
    check->is_in_flight = false;
    checks->in_flight--;
    if (is_idle(checks))
        phu_timer_after(checks->sched, &checks->idle, 0);
}

void phu_checks_remove(struct phu_checks *checks, uint32_t handle)
{
    struct check *check = find(checks, handle);

    if (!check)
        return;
    phu_timer_cancel(checks->sched, &check->slot);
    if (check->is_backed_off)
        phu_retries_end(&checks->retries, handle, check->spec.address);
    if (checks->confirms)
        phu_confirms_end(checks->confirms, handle);
    check->part->collector->detach(check->part->self, check->attached);
    end_flight(check);
    checks->items[handle] = NULL;
    checks->count--;
    free(check);
}

/* -- Failing and coming back ------------------------------------------------------------------ */

static bool is_planning(const struct phu_checks *checks)
{
    return !checks->idle_call;
}

/* Back to its slots; those that went by meanwhile are not missed but were left out on purpose. */
static void leave_backoff(struct check *check)
{
    struct phu_checks *checks = check->part->checks;
    struct phu_mono now = phu_sched_now(checks->sched);

    if (!check->is_backed_off)
        return;
    check->is_backed_off = false;
    phu_retries_end(&checks->retries, check->spec.check, check->spec.address);
    if (!is_planning(checks))
        return;
    if (check->due.ns > now.ns)
        phu_timer_at(checks->sched, &check->slot, check->due);
    else
        plan_next_slot(check, now);
}

static void wait_for_retry(struct check *check, int64_t wait_ns)
{
    check->is_backed_off = true;
    if (is_planning(check->part->checks))
        phu_timer_after(check->part->checks->sched, &check->slot, wait_ns);
}

static void failed(struct check *check, enum phu_result result)
{
    struct phu_retries *retries = &check->part->checks->retries;
    int64_t wait_ns;

    check->is_failing = true;
    if (!check->part->collector->backs_off)
        return;
    /* A poll out of its turn confirms a failure; it is not one more. */
    wait_ns = check->is_extra && check->is_backed_off
                  ? phu_retries_repeat(retries, check->spec.check, check->spec.address)
                  : phu_retries_fail(retries, check->spec.check, check->spec.address);
    /* Wrong secrets are not put right by asking more often. */
    if (result == PHU_RESULT_AUTH && wait_ns < check->spec.interval_ns)
        wait_ns = check->spec.interval_ns;
    wait_for_retry(check, wait_ns);
}

static void wake(void *arg, uint32_t handle)
{
    struct phu_checks *checks = arg;
    struct check *check = find(checks, handle);

    if (check && check->is_backed_off && !check->is_in_flight && is_planning(checks))
        phu_timer_after(checks->sched, &check->slot, 0);
}

static void answered(struct check *check)
{
    bool was_failing = check->is_failing;

    check->is_failing = false;
    leave_backoff(check);
    if (was_failing)
        phu_retries_wake(&check->part->checks->retries, check->spec.address, wake,
                         check->part->checks);
}

static void judge(struct check *check, enum phu_result result)
{
    switch (result) {
    case PHU_RESULT_OK:
    case PHU_RESULT_PARTIAL:
        answered(check);
        return;
    case PHU_RESULT_TIMEOUT:
    case PHU_RESULT_REFUSED:
    case PHU_RESULT_UNREACHABLE:
    case PHU_RESULT_DNS:
    case PHU_RESULT_TLS:
    case PHU_RESULT_MISMATCH:
    case PHU_RESULT_AUTH:
        failed(check, result);
        return;
    case PHU_RESULT_NOPERM:
    case PHU_RESULT_LOCAL_ERROR:
    case PHU_RESULT_SKIPPED:
        if (check->is_backed_off)
            wait_for_retry(check, phu_retries_repeat(&check->part->checks->retries,
                                                     check->spec.check, check->spec.address));
        return;
    case PHU_RESULT_NONE:
        return;
    }
}

/* Who answers was in no doubt, and nobody else would say so. */
static void tell_asked(struct check *check, enum phu_result result)
{
    const struct phu_checks *checks = check->part->checks;
    const struct phu_confirm_judge *judge = &checks->judge;

    check->is_asked = false;
    if (checks->confirms && phu_success_of(result) == PHU_SUCCESS_YES)
        judge->step(judge->arg, check->spec.check, PHU_SUCCESS_YES, check->due);
}

void phu_checks_verdict(struct phu_checks *checks, uint32_t handle, enum phu_result result)
{
    struct check *check = find(checks, handle);

    if (!check)
        return;
    judge(check, result);
    check->is_extra = false;
    end_flight(check);
    if (check->is_asked)
        tell_asked(check, result);
}

/* -- Confirmations ---------------------------------------------------------------------------- */

static bool describe(void *arg, uint32_t handle, struct phu_confirm_subject *subject)
{
    struct phu_checks *checks = arg;
    const struct check *check = find(checks, handle);

    if (!check)
        return false;
    *subject = (struct phu_confirm_subject){.check = handle,
                                            .collector = check->part->collector,
                                            .self = check->part->self,
                                            .spec = &check->spec};
    return true;
}

void phu_checks_confirm(struct phu_checks *checks, const struct phu_pace *pace,
                        const struct phu_confirm_judge *judge)
{
    checks->pace = *pace;
    checks->judge = *judge;
    checks->confirms = phu_confirms_new(checks->sched, checks->stats, pace, judge);
    phu_confirms_set_describe(checks->confirms, describe, checks);
}

bool phu_checks_put(struct phu_checks *checks, const struct phu_observation *observation)
{
    return checks->confirms && phu_confirms_put(checks->confirms, observation);
}

static void hurry_in(struct check *check, int64_t delay_ns)
{
    check->is_hurried = true;
    phu_timer_after(check->part->checks->sched, &check->slot, delay_ns);
}

static bool can_confirm(const struct phu_checks *checks, const struct check *check)
{
    return check && checks->confirms && checks->pace.confirm_probes && is_planning(checks);
}

void phu_checks_unsettled(struct phu_checks *checks, uint32_t handle, bool does_answer,
                          struct phu_mono sent)
{
    struct check *check = find(checks, handle);
    struct phu_mono now = phu_sched_now(checks->sched);

    if (!can_confirm(checks, check))
        return;
    if (check->part->collector->backs_off)
        hurry_in(check, checks->pace.confirm_interval_ns);
    else
        phu_confirms_begin(checks->confirms, handle,
                           &(struct phu_confirm_plan){.base = does_answer ? now : sent,
                                                      .is_patient = does_answer});
}

void phu_checks_poll_now(struct phu_checks *checks, uint32_t handle)
{
    struct check *check = find(checks, handle);
    struct phu_mono now = phu_sched_now(checks->sched);

    if (!can_confirm(checks, check))
        return;
    if (check->part->collector->backs_off) {
        check->is_asked = true;
        if (!check->is_in_flight)
            hurry_in(check, 0);
        return;
    }
    /* As if a probe had left just so long ago that it is late now: both are decided together. */
    phu_confirms_begin(
        checks->confirms, handle,
        &(struct phu_confirm_plan){.base = phu_mono_add(now, -PHU_PATIENCE_NS), .is_asked = true});
}

/* -- Once, and the end ------------------------------------------------------------------------ */

static void became_idle(struct phu_timer *timer)
{
    struct phu_checks *checks = phu_container_of(timer, struct phu_checks, idle);

    if (is_idle(checks)) /* a verdict that came from inside the poll was not the last one */
        checks->idle_call(checks->idle_arg);
}

static void confirmed_last(void *arg)
{
    struct phu_checks *checks = arg;

    if (is_idle(checks))
        phu_timer_after(checks->sched, &checks->idle, 0);
}

static void stop_planning(struct phu_checks *checks, void (*done)(void *arg), void *arg)
{
    for (size_t i = 0; i < checks->size; i++) {
        if (checks->items[i])
            phu_timer_cancel(checks->sched, &checks->items[i]->slot);
    }
    phu_timer_cancel(checks->sched, &checks->once_tick);
    phu_timer_cancel(checks->sched, &checks->watch.timer);
    checks->watch.count = 0;
    checks->idle_call = done;
    checks->idle_arg = arg;
    if (checks->confirms)
        phu_confirms_drain(checks->confirms, confirmed_last, checks);
}

static void once_ticked(struct phu_timer *timer)
{
    struct phu_checks *checks = phu_container_of(timer, struct phu_checks, once_tick);
    unsigned started = 0;

    while (checks->once_next < checks->size && started < checks->once_per_tick) {
        struct check *check = checks->items[checks->once_next++];

        if (!check)
            continue;
        poll_check(check);
        started++;
    }
    if (checks->once_next < checks->size)
        phu_timer_after(checks->sched, timer, PHU_CHECKS_GRID_NS);
    else if (is_idle(checks))
        phu_timer_after(checks->sched, &checks->idle, 0);
}

void phu_checks_run_once(struct phu_checks *checks, unsigned per_second, void (*done)(void *arg),
                         void *arg)
{
    const unsigned ticks_per_second = (unsigned)(PHU_NS_PER_S / PHU_CHECKS_GRID_NS);

    stop_planning(checks, done, arg);
    checks->once_next = 0;
    checks->once_per_tick = per_second / ticks_per_second ? per_second / ticks_per_second : 1;
    phu_timer_after(checks->sched, &checks->once_tick, 0);
}

void phu_checks_drain(struct phu_checks *checks, void (*done)(void *arg), void *arg)
{
    stop_planning(checks, done, arg);
    if (is_idle(checks))
        phu_timer_after(checks->sched, &checks->idle, 0);
}
