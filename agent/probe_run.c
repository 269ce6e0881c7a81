#include "probe.h"

#include "loop/loop.h"
#include "phusong/credential.h"
#include "phusong/resolve.h"
#include "phusong/stats.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#define TOGETHER 64 /* so many targets are first polled at once; more spread over an interval */

bool phu_probe_is_answer(enum phu_result result)
{
    return result == PHU_RESULT_OK || result == PHU_RESULT_PARTIAL;
}

bool phu_probe_is_failure(enum phu_result result)
{
    return result < PHU_RESULT_NOPERM && !phu_probe_is_answer(result);
}

static int64_t sum_results(const struct phu_probe_target *target, bool (*wanted)(enum phu_result))
{
    int64_t sum = 0;

    for (int result = 0; result < PHU_RESULT_NONE; result++) {
        if (wanted((enum phu_result)result))
            sum += target->results[result];
    }
    return sum;
}

int64_t phu_probe_answers(const struct phu_probe_target *target)
{
    return sum_results(target, phu_probe_is_answer);
}

int64_t phu_probe_failures(const struct phu_probe_target *target)
{
    return sum_results(target, phu_probe_is_failure);
}

/* -- The sink -------------------------------------------------------------------------------- */

static void *grow(void *items, size_t count, size_t size)
{
    items = realloc(items, count * size);
    if (!items)
        abort();
    return items;
}

static void add_row(struct phu_probe_target *target, const char *tag, const char *name)
{
    struct phu_probe_row *row;

    target->rows = grow(target->rows, target->row_count + 1, sizeof *target->rows);
    row = &target->rows[target->row_count++];
    row->tag = strdup(tag);
    row->name = strdup(name);
    row->sums = calloc(target->probe->collector->metric_count + 1, sizeof *row->sums);
    if (!row->tag || !row->name || !row->sums)
        abort();
}

static int sink_row(struct phu_sink *sink, uint32_t check, const struct phu_row *row,
                    uint32_t *handle)
{
    struct phu_probe_target *target = &((struct phu_probe *)sink)->targets[check];

    for (*handle = 1; *handle < target->row_count; ++*handle) {
        const struct phu_probe_row *known = &target->rows[*handle];

        if (strcmp(known->name, row->name) == 0 && strcmp(known->tag, row->tag) == 0)
            return 0;
    }
    add_row(target, row->tag, row->name);
    return 0;
}

static void add_value(struct phu_probe_sum *sum, double value)
{
    if (!sum->count || value < sum->min)
        sum->min = value;
    if (!sum->count || value > sum->max)
        sum->max = value;
    sum->sum += value;
    sum->last = value;
    sum->count++;
}

static void keep_text(struct phu_probe_sum *sum, const char *text)
{
    free(sum->text);
    sum->text = strdup(text);
    if (!sum->text)
        abort();
    sum->count++;
}

static void keep_rtt(struct phu_probe_target *target, int64_t rtt_us)
{
    if (target->rtt_count == target->rtt_size && target->rtt_size < PHU_PROBE_RTTS) {
        target->rtt_size = target->rtt_size ? target->rtt_size * 2 : 8;
        target->rtts = grow(target->rtts, target->rtt_size, sizeof *target->rtts);
    }
    target->rtts[target->rtt_count++ % target->rtt_size] = rtt_us;
}

/* Returns the round trip among the values, or -1. */
static int64_t keep_values(struct phu_probe_target *target,
                           const struct phu_observation *observation)
{
    const struct phu_collector *collector = target->probe->collector;
    int64_t rtt_us = -1;

    for (size_t i = 0; i < observation->value_count; i++) {
        const struct phu_value *value = &observation->values[i];
        enum phu_metric_type type = collector->metrics[value->metric].type;

        struct phu_probe_sum *sum = &target->rows[observation->row].sums[value->metric];

        if (type == PHU_METRIC_TEXT)
            keep_text(sum, value->text);
        else
            add_value(sum, type == PHU_METRIC_INT ? (double)value->i : value->f);
        if ((int)value->metric == collector->rtt_metric && observation->row == 0)
            rtt_us = value->i;
    }
    return rtt_us;
}

static void finish(struct phu_probe_target *target)
{
    struct phu_probe *probe = target->probe;

    if (target->is_finished)
        return;
    target->is_finished = true;
    if (++probe->done == probe->target_count)
        phu_loop_stop(probe->sched);
}

static void plan_next(struct phu_probe_target *target)
{
    struct phu_sched *sched = target->probe->sched;
    struct phu_mono now = phu_sched_now(sched);

    target->due = phu_mono_add(target->due, target->probe->interval_ns);
    if (target->due.ns < now.ns)
        target->due = now;
    phu_timer_at(sched, &target->next, target->due);
}

static void sink_put(struct phu_sink *sink, const struct phu_observation *observation)
{
    struct phu_probe *probe = (struct phu_probe *)sink;
    struct phu_probe_target *target = &probe->targets[observation->check];
    int64_t rtt_us = keep_values(target, observation);

    if (observation->row || observation->result == PHU_RESULT_NONE)
        return;
    target->results[observation->result]++;
    target->is_busy = false;
    if (!phu_probe_is_answer(observation->result))
        target->last_failure = observation->result;
    if (rtt_us >= 0)
        keep_rtt(target, rtt_us);
    if (probe->is_live)
        phu_probe_print_result(target, observation->result, rtt_us);
    if (++target->verdicts == probe->count || probe->is_stopping)
        finish(target);
    else
        plan_next(target);
}

/* -- Running --------------------------------------------------------------------------------- */

static void poll_due(struct phu_timer *timer)
{
    struct phu_probe_target *target = phu_container_of(timer, struct phu_probe_target, next);

    target->polls++;
    target->is_busy = true;
    target->probe->collector->poll(target->probe->self, target->check);
}

/* The first signal waits for the verdicts of what was sent, the second does not. */
static void interrupted(void *arg, int number)
{
    struct phu_probe *probe = arg;

    (void)number;
    if (probe->is_stopping)
        phu_loop_stop(probe->sched);
    probe->is_stopping = true;
    for (size_t i = 0; i < probe->target_count; i++) {
        struct phu_probe_target *target = &probe->targets[i];

        phu_timer_cancel(probe->sched, &target->next);
        if (!target->is_busy)
            finish(target);
    }
}

static const struct phu_credential *find_credential(void *arg, const char *name)
{
    const struct phu_probe *probe = arg;

    return probe->credential && strcmp(probe->credential->name, name) == 0 ? probe->credential
                                                                           : NULL;
}

static int attach_target(struct phu_probe *probe, uint32_t number)
{
    struct phu_probe_target *target = &probe->targets[number];
    int error;

    target->spec =
        (struct phu_check_spec){.check = number,
                                .id = target->address,
                                .address = target->address,
                                .argument = probe->argument,
                                .credential = probe->credential ? probe->credential->name : "",
                                .rows = probe->rows,
                                .options = probe->check_options,
                                .trace = &target->trace.trace,
                                .interval_ns = probe->interval_ns,
                                .timeout_ns = probe->timeout_ns};
    target->probe = probe;
    target->last_failure = PHU_RESULT_OK;
    phu_timer_init(&target->next, poll_due);
    phu_probe_trace_init(&target->trace);
    add_row(target, "", "");
    error = probe->collector->attach(probe->self, &target->spec, &target->check);
    if (error) {
        target->check = NULL;
        fprintf(stderr, "phusong probe: %s: %s cannot be set up for this target: %s\n",
                target->address, probe->collector->name, strerror(-error));
    }
    return error;
}

static void start_target(struct phu_probe *probe, size_t number, struct phu_mono now)
{
    struct phu_probe_target *target = &probe->targets[number];
    int64_t delay_ns = 0;

    if (probe->target_count > TOGETHER)
        delay_ns = probe->interval_ns / (int64_t)probe->target_count * (int64_t)number;
    target->due = phu_mono_add(now, delay_ns);
    phu_timer_at(probe->sched, &target->next, target->due);
}

static int run_targets(struct phu_probe *probe)
{
    struct phu_mono now = phu_sched_now(probe->sched);
    struct phu_signal *interrupt = NULL, *terminate = NULL;
    int error;

    for (size_t i = 0; i < probe->target_count; i++) {
        error = attach_target(probe, (uint32_t)i);
        if (error)
            return error;
    }
    for (size_t i = 0; i < probe->target_count; i++)
        start_target(probe, i, now);
    error = phu_loop_signal_open(probe->sched, SIGINT, interrupted, probe, &interrupt);
    if (!error)
        error = phu_loop_signal_open(probe->sched, SIGTERM, interrupted, probe, &terminate);
    if (!error)
        phu_loop_run(probe->sched);
    phu_loop_signal_close(interrupt);
    phu_loop_signal_close(terminate);
    return error;
}

static void detach_targets(struct phu_probe *probe)
{
    for (size_t i = 0; i < probe->target_count; i++) {
        struct phu_probe_target *target = &probe->targets[i];

        if (target->probe)
            phu_timer_cancel(probe->sched, &target->next);
        if (target->check)
            probe->collector->detach(probe->self, target->check);
        target->check = NULL;
    }
}

int phu_probe_run(struct phu_probe *probe)
{
    struct phu_collector_env env = {.sink = &probe->sink,
                                    .agent = "probe",
                                    .state_dir = "",
                                    .credential = find_credential,
                                    .credential_arg = probe};
    int error;

    probe->sink = (struct phu_sink){.put = sink_put, .row = sink_row};
    error = phu_loop_new(&probe->sched);
    if (error) {
        fprintf(stderr, "phusong probe: no event loop: %s\n", strerror(-error));
        return error;
    }
    env.sched = probe->sched;
    env.stats = phu_stats_new();
    error = phu_resolver_new(probe->sched, &env.resolver);
    if (!error)
        error = probe->collector->open(&env, probe->options, &probe->self);
    if (error) {
        fprintf(stderr, "phusong probe: %s does not start: %s\n", probe->collector->name,
                strerror(-error));
    } else {
        error = run_targets(probe);
        detach_targets(probe);
        probe->collector->close(probe->self);
    }
    phu_resolver_free(env.resolver);
    phu_loop_free(probe->sched);
    phu_stats_free(env.stats);
    return error;
}

void phu_probe_fini(struct phu_probe *probe)
{
    for (size_t i = 0; i < probe->target_count; i++) {
        struct phu_probe_target *target = &probe->targets[i];

        for (size_t row = 0; row < target->row_count; row++) {
            for (size_t k = 0; k < probe->collector->metric_count; k++)
                free(target->rows[row].sums[k].text);
            free(target->rows[row].tag);
            free(target->rows[row].name);
            free(target->rows[row].sums);
        }
        phu_probe_trace_fini(&target->trace);
        free(target->rows);
        free(target->rtts);
    }
    free(probe->targets);
}
