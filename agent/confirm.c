#include "confirm.h"

#include "phusong/stats.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define SECOND_AFTER_NS (50 * PHU_NS_PER_MS)
#define BUSY_NS (10 * PHU_NS_PER_MS)
#define QUEUE_TICK_NS (10 * PHU_NS_PER_MS)
#define STEPS_MOST 24 /* a round that leads nowhere ends; the next lost probe begins another */
#define QUEUED UINT32_MAX

struct attempt {
    struct phu_check_spec spec; /* good until it is detached */
    void *attached;
    struct phu_mono sent;
    bool is_attached, is_in_flight;
    uint8_t step;
};

enum phase {
    PHASE_FIRST,  /* the first probe of a step is due */
    PHASE_SECOND, /* the second one is */
    PHASE_END,    /* both have had their time */
};

struct round {
    struct phu_timer timer;
    struct phu_confirms *confirms;
    const struct phu_collector *collector;
    void *self;
    struct attempt attempts[2];
    struct phu_mono base, step_sent;
    int64_t patience_ns, timeout_ns;
    uint32_t check;  /* 0: free */
    uint32_t number; /* of itself */
    uint32_t next;   /* free: the next free one + 1 */
    uint32_t reserved;
    uint8_t step, steps_done, failed, phase;
    bool is_asked, is_over;
};

struct waiting {
    uint32_t check;
    struct phu_confirm_plan plan;
};

struct phu_confirms {
    struct phu_sched *sched;
    struct phu_stats *stats;
    struct phu_pace pace;
    struct phu_confirm_judge judge;
    phu_confirm_describe_cb *describe;
    void *describe_arg;

    struct round **rounds;
    uint32_t round_count, free; /* 0: none */
    uint32_t *by_check;         /* 0, QUEUED, or number of the round + 1 */
    size_t by_check_size;

    struct waiting *queue; /* a ring */
    size_t queue_size, queue_head, queue_count;
    struct phu_timer queue_timer;
    double spare;   /* probes that may be set aside */
    double allowed; /* that may be sent at this moment: what was set aside must not come at once */
    struct phu_mono spare_at;

    size_t in_flight;
    void (*idle)(void *arg);
    void *idle_arg;
    bool is_draining;
    int64_t probes, rounds_begun, waiting_count;
};

/* -- What may be sent ------------------------------------------------------------------------ */

static uint32_t usual_probes(const struct phu_confirms *confirms)
{
    return (uint32_t)confirms->pace.confirm_probes * 2;
}

/* A tenth of a second, or one round. */
static double most_spare(const struct phu_confirms *confirms)
{
    double share = (double)confirms->pace.confirm_rate / 10;

    return share > usual_probes(confirms) ? share : usual_probes(confirms);
}

static void refill(struct phu_confirms *confirms)
{
    struct phu_mono now = phu_sched_now(confirms->sched);
    double rate = (double)confirms->pace.confirm_rate;
    double passed_s = (double)phu_mono_since(now, confirms->spare_at) / (double)PHU_NS_PER_S;

    confirms->spare_at = now;
    confirms->spare = fmin(confirms->spare + passed_s * rate, most_spare(confirms));
    confirms->allowed = fmin(confirms->allowed + passed_s * rate, most_spare(confirms));
}

static bool reserve(struct phu_confirms *confirms, struct round *round)
{
    uint32_t wanted = usual_probes(confirms);

    refill(confirms);
    if (confirms->spare < (double)wanted)
        return false;
    confirms->spare -= (double)wanted;
    round->reserved = wanted;
    return true;
}

static bool is_allowed(struct phu_confirms *confirms)
{
    refill(confirms);
    return confirms->allowed >= 1;
}

static void take_reserved(struct round *round)
{
    round->confirms->allowed -= 1;
    if (round->reserved)
        round->reserved--;
    else
        round->confirms->spare -= 1;
}

/* -- Rounds ---------------------------------------------------------------------------------- */

static void round_fired(struct phu_timer *timer);

static uint32_t *slot_of(struct phu_confirms *confirms, uint32_t check)
{
    size_t size = confirms->by_check_size ? confirms->by_check_size : 64;

    if (check < confirms->by_check_size)
        return &confirms->by_check[check];
    while (size <= check)
        size *= 2;
    confirms->by_check = realloc(confirms->by_check, size * sizeof *confirms->by_check);
    if (!confirms->by_check)
        abort();
    memset(confirms->by_check + confirms->by_check_size, 0,
           (size - confirms->by_check_size) * sizeof *confirms->by_check);
    confirms->by_check_size = size;
    return &confirms->by_check[check];
}

static struct round *add_round(struct phu_confirms *confirms)
{
    struct round *round = calloc(1, sizeof *round);

    confirms->rounds =
        realloc(confirms->rounds, (confirms->round_count + 1) * sizeof(struct round *));
    if (!round || !confirms->rounds)
        abort();
    round->confirms = confirms;
    round->number = confirms->round_count;
    phu_timer_init(&round->timer, round_fired);
    confirms->rounds[confirms->round_count++] = round;
    return round;
}

static struct round *take_round(struct phu_confirms *confirms)
{
    struct round *round;

    if (!confirms->free)
        return add_round(confirms);
    round = confirms->rounds[confirms->free - 1];
    confirms->free = round->next;
    return round;
}

static void detach(struct round *round)
{
    struct phu_confirms *confirms = round->confirms;

    for (int i = 0; i < 2; i++) {
        struct attempt *attempt = &round->attempts[i];

        if (attempt->is_attached)
            round->collector->detach(round->self, attempt->attached);
        if (attempt->is_in_flight)
            confirms->in_flight--;
        *attempt = (struct attempt){0};
    }
}

static void release(struct round *round)
{
    struct phu_confirms *confirms = round->confirms;

    phu_timer_cancel(confirms->sched, &round->timer);
    detach(round);
    *slot_of(confirms, round->check) = 0;
    round->check = 0;
    round->next = confirms->free;
    confirms->free = round->number + 1;
}

static bool is_any_in_flight(const struct round *round)
{
    return round->attempts[0].is_in_flight || round->attempts[1].is_in_flight;
}

/* Later: collectors are not done with an attachment when they put its verdict. */
static void release_soon(struct round *round)
{
    phu_timer_after(round->confirms->sched, &round->timer, 0);
}

/* What is still in flight is waited for: it counts. */
static void end_round(struct round *round)
{
    phu_timer_cancel(round->confirms->sched, &round->timer);
    round->confirms->spare += (double)round->reserved;
    round->reserved = 0;
    round->is_over = true;
    if (!is_any_in_flight(round))
        release_soon(round);
}

/* -- Steps ----------------------------------------------------------------------------------- */

static struct attempt *find_idle(struct round *round)
{
    if (!round->attempts[0].is_in_flight)
        return &round->attempts[0];
    return round->attempts[1].is_in_flight ? NULL : &round->attempts[1];
}

static bool attach(struct round *round, struct attempt *attempt)
{
    struct phu_confirms *confirms = round->confirms;
    struct phu_confirm_subject subject;

    if (attempt->is_attached)
        return true;
    if (!confirms->describe(confirms->describe_arg, round->check, &subject))
        return false;
    attempt->spec = *subject.spec;
    attempt->spec.check =
        PHU_CONFIRM_HANDLE | (round->number * 2 + (uint32_t)(attempt - round->attempts));
    attempt->spec.timeout_ns = round->timeout_ns;
    attempt->is_attached =
        round->collector->attach(round->self, &attempt->spec, &attempt->attached) == 0;
    return attempt->is_attached;
}

/* False when it cannot be sent at all. */
static bool send_probe(struct round *round, struct attempt *attempt)
{
    if (!attach(round, attempt))
        return false;
    attempt->is_in_flight = true;
    attempt->step = round->step;
    attempt->sent = phu_sched_now(round->confirms->sched);
    round->confirms->in_flight++;
    round->confirms->probes++;
    take_reserved(round);
    round->collector->poll(round->self, attempt->attached);
    return true;
}

static void wait_for(struct round *round, enum phase phase, int64_t delay_ns)
{
    round->phase = (uint8_t)phase;
    phu_timer_after(round->confirms->sched, &round->timer, delay_ns);
}

static void plan_step(struct round *round, uint8_t step)
{
    struct phu_mono now = phu_sched_now(round->confirms->sched);
    struct phu_mono due =
        phu_mono_add(round->base, step * round->confirms->pace.confirm_interval_ns);

    round->step = step;
    round->failed = 0;
    if (due.ns < now.ns)
        due = now;
    round->phase = PHASE_FIRST;
    phu_timer_at(round->confirms->sched, &round->timer, due);
}

static void end_step(struct round *round, enum phu_success success)
{
    const struct phu_confirm_judge *judge = &round->confirms->judge;

    phu_timer_cancel(round->confirms->sched, &round->timer);
    round->is_asked = false;
    if (judge->step(judge->arg, round->check, success, round->step_sent) &&
        ++round->steps_done < STEPS_MOST && success != PHU_SUCCESS_UNMEASURED)
        plan_step(round, (uint8_t)(round->step + 1));
    else
        end_round(round);
}

static bool is_wanted(const struct round *round)
{
    const struct phu_confirm_judge *judge = &round->confirms->judge;

    return !round->confirms->is_draining &&
           (round->is_asked || judge->wants(judge->arg, round->check));
}

static void begin_step(struct round *round)
{
    struct attempt *attempt = find_idle(round);

    if (!attempt || !is_allowed(round->confirms)) {
        wait_for(round, PHASE_FIRST, BUSY_NS);
        return;
    }
    round->step_sent = phu_sched_now(round->confirms->sched);
    wait_for(round, PHASE_SECOND, SECOND_AFTER_NS);
    if (!send_probe(round, attempt))
        end_round(round);
}

static void repeat_step(struct round *round)
{
    struct attempt *attempt = find_idle(round);

    if (attempt && !is_allowed(round->confirms)) {
        wait_for(round, PHASE_SECOND, BUSY_NS);
        return;
    }
    wait_for(round, PHASE_END, round->patience_ns);
    if (attempt && !send_probe(round, attempt))
        end_round(round);
}

static void round_fired(struct phu_timer *timer)
{
    struct round *round = phu_container_of(timer, struct round, timer);

    if (round->is_over) {
        release(round);
        return;
    }
    if (!is_wanted(round)) {
        end_round(round);
        return;
    }
    switch ((enum phase)round->phase) {
    case PHASE_FIRST:
        begin_step(round);
        break;
    case PHASE_SECOND:
        repeat_step(round);
        break;
    case PHASE_END:
        end_step(round, PHU_SUCCESS_NO);
        break;
    }
}

/* -- Verdicts -------------------------------------------------------------------------------- */

static void judge_attempt(struct round *round, const struct attempt *attempt,
                          enum phu_success success)
{
    if (success != PHU_SUCCESS_NO)
        end_step(round, success);
    else if (attempt->step == round->step && ++round->failed == 2)
        end_step(round, PHU_SUCCESS_NO); /* both were refused: nothing to wait for */
}

static void tell_idle(struct phu_confirms *confirms)
{
    if (confirms->is_draining && !confirms->in_flight && confirms->idle)
        confirms->idle(confirms->idle_arg);
}

static void take_verdict(struct phu_confirms *confirms, struct round *round,
                         struct attempt *attempt, enum phu_success success)
{
    attempt->is_in_flight = false;
    confirms->in_flight--;
    confirms->judge.count(confirms->judge.arg, round->check, success);
    if (!round->is_over)
        judge_attempt(round, attempt, success);
    else if (!is_any_in_flight(round))
        release_soon(round);
    tell_idle(confirms);
}

bool phu_confirms_put(struct phu_confirms *confirms, const struct phu_observation *observation)
{
    uint32_t number = (observation->check & ~PHU_CONFIRM_HANDLE) / 2;
    struct attempt *attempt;
    struct round *round;

    if (!(observation->check & PHU_CONFIRM_HANDLE) || number >= confirms->round_count)
        return false;
    round = confirms->rounds[number];
    attempt = &round->attempts[observation->check & 1];
    if (observation->result != PHU_RESULT_NONE && attempt->is_in_flight)
        take_verdict(confirms, round, attempt, phu_success_of(observation->result));
    return true;
}

/* -- The queue ------------------------------------------------------------------------------- */

static void grow_queue(struct phu_confirms *confirms)
{
    size_t size = confirms->queue_size ? confirms->queue_size * 2 : 64;
    struct waiting *queue = calloc(size, sizeof *queue);

    if (!queue)
        abort();
    for (size_t i = 0; i < confirms->queue_count; i++)
        queue[i] = confirms->queue[(confirms->queue_head + i) % confirms->queue_size];
    free(confirms->queue);
    confirms->queue = queue;
    confirms->queue_size = size;
    confirms->queue_head = 0;
}

static void enqueue(struct phu_confirms *confirms, uint32_t check,
                    const struct phu_confirm_plan *plan)
{
    if (confirms->queue_count == confirms->queue_size)
        grow_queue(confirms);
    confirms->queue[(confirms->queue_head + confirms->queue_count++) % confirms->queue_size] =
        (struct waiting){check, *plan};
    confirms->waiting_count = (int64_t)confirms->queue_count;
    *slot_of(confirms, check) = QUEUED;
    if (!phu_timer_is_armed(&confirms->queue_timer))
        phu_timer_after(confirms->sched, &confirms->queue_timer, QUEUE_TICK_NS);
}

static void set_times(struct round *round, int64_t check_timeout_ns)
{
    const struct phu_confirms *confirms = round->confirms;
    int64_t timeout_ns = confirms->pace.confirm_timeout_ns;
    int64_t patience_ns = confirms->judge.patience_ns(confirms->judge.arg, round->check);

    /* By doubling, so that collectors see few different timeouts. */
    while (patience_ns != INT64_MAX && timeout_ns < patience_ns && timeout_ns < check_timeout_ns)
        timeout_ns *= 2;
    round->timeout_ns = timeout_ns < check_timeout_ns ? timeout_ns : check_timeout_ns;
    round->patience_ns = patience_ns < round->timeout_ns ? patience_ns : round->timeout_ns;
}

static void start_round(struct round *round, const struct phu_confirm_plan *plan)
{
    struct phu_mono now = phu_sched_now(round->confirms->sched);
    int64_t interval_ns = round->confirms->pace.confirm_interval_ns;

    round->is_over = false;
    round->is_asked = plan->is_asked;
    round->steps_done = 0;
    round->base = phu_mono_since(now, plan->base) < interval_ns ? plan->base : now;
    round->confirms->rounds_begun++;
    plan_step(round, plan->is_patient ? 1 : 0);
}

/* False when there is nothing left to send. */
static bool try_begin(struct phu_confirms *confirms, uint32_t check,
                      const struct phu_confirm_plan *plan)
{
    struct phu_confirm_subject subject;
    struct round *round;

    if (!confirms->describe(confirms->describe_arg, check, &subject)) {
        *slot_of(confirms, check) = 0;
        return true;
    }
    round = take_round(confirms);
    if (!reserve(confirms, round)) {
        round->next = confirms->free;
        confirms->free = round->number + 1;
        return false;
    }
    round->check = check;
    round->collector = subject.collector;
    round->self = subject.self;
    *slot_of(confirms, check) = round->number + 1;
    set_times(round, subject.spec->timeout_ns);
    start_round(round, plan);
    return true;
}

static void queue_fired(struct phu_timer *timer)
{
    struct phu_confirms *confirms = phu_container_of(timer, struct phu_confirms, queue_timer);
    const struct phu_confirm_judge *judge = &confirms->judge;

    while (confirms->queue_count) {
        struct waiting waiting = confirms->queue[confirms->queue_head];
        bool is_waiting = *slot_of(confirms, waiting.check) == QUEUED;

        if (is_waiting && !waiting.plan.is_asked && !judge->wants(judge->arg, waiting.check))
            *slot_of(confirms, waiting.check) = 0;
        else if (is_waiting && !try_begin(confirms, waiting.check, &waiting.plan))
            break;
        confirms->queue_head = (confirms->queue_head + 1) % confirms->queue_size;
        confirms->queue_count--;
    }
    confirms->waiting_count = (int64_t)confirms->queue_count;
    if (confirms->queue_count)
        phu_timer_after(confirms->sched, timer, QUEUE_TICK_NS);
}

/* -- Beginning and ending -------------------------------------------------------------------- */

void phu_confirms_begin(struct phu_confirms *confirms, uint32_t check,
                        const struct phu_confirm_plan *plan)
{
    uint32_t slot = *slot_of(confirms, check);
    struct round *round;

    if (confirms->is_draining || slot == QUEUED)
        return;
    if (slot) { /* one that is over waits for its last verdict, and may as well go on */
        round = confirms->rounds[slot - 1];
        if (round->is_over && reserve(confirms, round))
            start_round(round, plan);
        return;
    }
    if (confirms->queue_count || !try_begin(confirms, check, plan))
        enqueue(confirms, check, plan);
}

void phu_confirms_end(struct phu_confirms *confirms, uint32_t check)
{
    uint32_t slot = check < confirms->by_check_size ? confirms->by_check[check] : 0;

    if (slot == QUEUED)
        confirms->by_check[check] = 0;
    else if (slot) {
        struct round *round = confirms->rounds[slot - 1];

        confirms->spare += (double)round->reserved;
        round->reserved = 0;
        release(round);
        tell_idle(confirms);
    }
}

void phu_confirms_drain(struct phu_confirms *confirms, void (*idle)(void *arg), void *arg)
{
    confirms->is_draining = true;
    confirms->idle = idle;
    confirms->idle_arg = arg;
    phu_timer_cancel(confirms->sched, &confirms->queue_timer);
    for (size_t i = 0; i < confirms->by_check_size; i++) {
        if (confirms->by_check[i] == QUEUED)
            confirms->by_check[i] = 0;
    }
    confirms->queue_count = 0;
    for (uint32_t i = 0; i < confirms->round_count; i++) {
        if (confirms->rounds[i]->check && !confirms->rounds[i]->is_over)
            end_round(confirms->rounds[i]);
    }
}

size_t phu_confirms_in_flight(const struct phu_confirms *confirms)
{
    return confirms->in_flight;
}

/* -- Life ------------------------------------------------------------------------------------ */

void phu_confirms_set_describe(struct phu_confirms *confirms, phu_confirm_describe_cb *describe,
                               void *arg)
{
    confirms->describe = describe;
    confirms->describe_arg = arg;
}

static void add_stats(struct phu_confirms *confirms)
{
    static const struct phu_stat_info probes = {"phusong_confirm_probes_total", PHU_STAT_COUNTER,
                                                "Probes sent to confirm a suspicion or a recovery"};
    static const struct phu_stat_info rounds = {"phusong_confirm_rounds_total", PHU_STAT_COUNTER,
                                                "Suspicions and recoveries that were confirmed"};
    static const struct phu_stat_info waiting = {
        "phusong_confirm_waiting", PHU_STAT_GAUGE,
        "Checks that wait to be confirmed, because states.confirm_rate is used up"};

    phu_stats_add(confirms->stats, &probes, NULL, &confirms->probes);
    phu_stats_add(confirms->stats, &rounds, NULL, &confirms->rounds_begun);
    phu_stats_add(confirms->stats, &waiting, NULL, &confirms->waiting_count);
}

struct phu_confirms *phu_confirms_new(struct phu_sched *sched, struct phu_stats *stats,
                                      const struct phu_pace *pace,
                                      const struct phu_confirm_judge *judge)
{
    struct phu_confirms *confirms = calloc(1, sizeof *confirms);

    if (!confirms)
        abort();
    confirms->sched = sched;
    confirms->stats = stats;
    confirms->pace = *pace;
    confirms->judge = *judge;
    confirms->spare = confirms->allowed = most_spare(confirms);
    confirms->spare_at = phu_sched_now(sched);
    phu_timer_init(&confirms->queue_timer, queue_fired);
    add_stats(confirms);
    return confirms;
}

void phu_confirms_free(struct phu_confirms *confirms)
{
    if (!confirms)
        return;
    phu_timer_cancel(confirms->sched, &confirms->queue_timer);
    phu_stats_remove_within(confirms->stats, confirms, sizeof *confirms);
    for (uint32_t i = 0; i < confirms->round_count; i++)
        free(confirms->rounds[i]);
    free(confirms->rounds);
    free(confirms->by_check);
    free(confirms->queue);
    free(confirms);
}
