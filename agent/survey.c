#include "survey.h"

#include "loop/loop.h"
#include "mem.h"
#include "phusong/resolve.h"
#include "phusong/sched.h"
#include "phusong/stats.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define START_EVERY_NS (10 * PHU_NS_PER_MS)
#define TICK_NS (100 * PHU_NS_PER_MS)

struct survey_part {
    const struct phu_collector *collector;
    void *self; /* NULL: not open */
};

struct phu_survey {
    struct phu_sink sink; /* first */
    struct phu_survey_conf conf;
    struct survey_part *parts;
    struct phu_sched *sched;
    struct phu_stats *stats;
    struct phu_resolver *resolver;
    struct phu_timer start, reap, tick;
    struct phu_signal *interrupt, *terminate;

    struct phu_survey_job *first, **last; /* waiting */
    struct phu_survey_job *finished;      /* with a verdict, still attached */
    struct phu_survey_job **slots;        /* under way, by check handle; the first is not used */
    uint32_t *free_slots;
    uint32_t free_count;
    double allowance; /* polls that may begin now */
    struct phu_mono refilled;
    bool is_interrupted, is_running;
};

/* -- The sink -------------------------------------------------------------------------------- */

static void sink_put(struct phu_sink *sink, const struct phu_observation *observation)
{
    struct phu_survey *survey = (struct phu_survey *)sink;
    struct phu_survey_job *job = survey->slots[observation->check];

    if (job->put)
        job->put(job, observation);
    if (observation->row || observation->result == PHU_RESULT_NONE || job->has_verdict)
        return;
    job->has_verdict = true;
    job->result = observation->result;
    job->next = survey->finished;
    survey->finished = job;
    phu_timer_after(survey->sched, &survey->reap, 0); /* not from inside the collector */
}

static int sink_row(struct phu_sink *sink, uint32_t check, const struct phu_row *row,
                    uint32_t *handle)
{
    struct phu_survey_job *job = ((struct phu_survey *)sink)->slots[check];

    return job->row ? job->row(job, row, handle) : -ENOSPC;
}

/* -- Running --------------------------------------------------------------------------------- */

static bool is_idle(const struct phu_survey *survey)
{
    return !survey->first && !survey->finished && survey->free_count == survey->conf.in_flight;
}

static void stop_if_idle(struct phu_survey *survey)
{
    if (survey->is_running && is_idle(survey))
        phu_loop_stop(survey->sched);
}

static void release(struct phu_survey *survey, struct phu_survey_job *job)
{
    struct survey_part *part = survey->parts;

    while (part->collector != job->collector)
        part++;
    if (job->attached)
        part->collector->detach(part->self, job->attached);
    job->attached = NULL;
    survey->slots[job->spec.check] = NULL;
    survey->free_slots[survey->free_count++] = job->spec.check;
}

static void reap(struct phu_timer *timer)
{
    struct phu_survey *survey = phu_container_of(timer, struct phu_survey, reap);

    while (survey->finished) {
        struct phu_survey_job *job = survey->finished;

        survey->finished = job->next;
        release(survey, job);
        job->done(job, job->result);
    }
    if (survey->first && !phu_timer_is_armed(&survey->start))
        phu_timer_after(survey->sched, &survey->start, 0);
    stop_if_idle(survey);
}

static void begin(struct phu_survey *survey, struct phu_survey_job *job)
{
    struct survey_part *part = survey->parts;
    int error;

    while (part->collector != job->collector)
        part++;
    job->spec.check = survey->free_slots[--survey->free_count];
    job->has_verdict = false;
    job->attached = NULL;
    survey->slots[job->spec.check] = job;
    error = part->collector->attach(part->self, &job->spec, &job->attached);
    if (!error) {
        part->collector->poll(part->self, job->attached);
        return;
    }
    job->attached = NULL;
    sink_put(&survey->sink,
             &(struct phu_observation){.check = job->spec.check, .result = PHU_RESULT_LOCAL_ERROR});
}

static void refill(struct phu_survey *survey)
{
    struct phu_mono now = phu_sched_now(survey->sched);
    double most = survey->conf.per_second / 20.0 + 1;

    survey->allowance += (double)phu_mono_since(now, survey->refilled) / (double)PHU_NS_PER_S *
                         survey->conf.per_second;
    if (survey->allowance > most)
        survey->allowance = most;
    survey->refilled = now;
}

static bool may_begin(struct phu_survey *survey)
{
    if (!survey->first || !survey->free_count)
        return false;
    return !survey->conf.per_second || survey->allowance >= 1;
}

static void start_due(struct phu_timer *timer)
{
    struct phu_survey *survey = phu_container_of(timer, struct phu_survey, start);

    refill(survey);
    while (may_begin(survey)) {
        struct phu_survey_job *job = survey->first;

        survey->first = job->next;
        if (!survey->first)
            survey->last = &survey->first;
        survey->allowance -= 1;
        begin(survey, job);
    }
    if (survey->first && survey->free_count)
        phu_timer_after(survey->sched, timer, START_EVERY_NS);
}

static void tick_due(struct phu_timer *timer)
{
    struct phu_survey *survey = phu_container_of(timer, struct phu_survey, tick);

    survey->conf.tick(survey->conf.arg);
    phu_timer_after(survey->sched, timer, TICK_NS);
}

static void interrupted(void *arg, int number)
{
    struct phu_survey *survey = arg;

    (void)number;
    survey->is_interrupted = true;
    phu_loop_stop(survey->sched);
}

void phu_survey_put(struct phu_survey *survey, struct phu_survey_job *job)
{
    job->next = NULL;
    *survey->last = job;
    survey->last = &job->next;
    if (survey->free_count && !phu_timer_is_armed(&survey->start))
        phu_timer_after(survey->sched, &survey->start, 0);
}

int phu_survey_run(struct phu_survey *survey)
{
    if (is_idle(survey))
        return 0;
    survey->refilled = phu_sched_now(survey->sched);
    survey->is_running = true;
    if (survey->conf.tick)
        phu_timer_after(survey->sched, &survey->tick, TICK_NS);
    phu_loop_run(survey->sched);
    survey->is_running = false;
    phu_timer_cancel(survey->sched, &survey->tick);
    return survey->is_interrupted ? -EINTR : 0;
}

/* -- Life ------------------------------------------------------------------------------------ */

static int open_parts(struct phu_survey *survey)
{
    const struct phu_survey_conf *conf = &survey->conf;
    const struct phu_collector_env env = {.sched = survey->sched,
                                          .sink = &survey->sink,
                                          .resolver = survey->resolver,
                                          .stats = survey->stats,
                                          .agent = conf->command,
                                          .state_dir = "",
                                          .credential = conf->credential,
                                          .credential_arg = conf->arg};

    survey->parts = phu_mem_alloc(conf->part_count + 1, sizeof *survey->parts);
    for (size_t i = 0; i < conf->part_count; i++) {
        const struct phu_collector *collector = conf->parts[i].collector;
        int error = collector->open(&env, conf->parts[i].options, &survey->parts[i].self);

        if (error) {
            fprintf(stderr, "%s: the collector %s does not start: %s\n", conf->command,
                    collector->name, strerror(-error));
            return error;
        }
        survey->parts[i].collector = collector;
    }
    return 0;
}

static int open_loop(struct phu_survey *survey)
{
    int error = phu_loop_new(&survey->sched);

    if (!error)
        error = phu_resolver_new(survey->sched, &survey->resolver);
    if (!error)
        error =
            phu_loop_signal_open(survey->sched, SIGINT, interrupted, survey, &survey->interrupt);
    if (!error)
        error =
            phu_loop_signal_open(survey->sched, SIGTERM, interrupted, survey, &survey->terminate);
    if (error)
        fprintf(stderr, "%s: no event loop: %s\n", survey->conf.command, strerror(-error));
    return error;
}

int phu_survey_open(const struct phu_survey_conf *conf, struct phu_survey **out)
{
    struct phu_survey *survey = phu_mem_alloc(1, sizeof *survey);
    int error;

    survey->sink = (struct phu_sink){.put = sink_put, .row = sink_row};
    survey->conf = *conf;
    survey->last = &survey->first;
    survey->slots = phu_mem_alloc(conf->in_flight + 1, sizeof(struct phu_survey_job *));
    survey->free_slots = phu_mem_alloc(conf->in_flight + 1, sizeof *survey->free_slots);
    for (uint32_t slot = conf->in_flight; slot > 0; slot--)
        survey->free_slots[survey->free_count++] = slot;
    phu_timer_init(&survey->start, start_due);
    phu_timer_init(&survey->reap, reap);
    phu_timer_init(&survey->tick, tick_due);
    survey->stats = phu_stats_new();
    error = open_loop(survey);
    if (!error)
        error = open_parts(survey);
    if (error) {
        phu_survey_close(survey);
        survey = NULL;
    }
    *out = survey;
    return error;
}

void phu_survey_close(struct phu_survey *survey)
{
    if (!survey)
        return;
    if (survey->sched) {
        phu_timer_cancel(survey->sched, &survey->start);
        phu_timer_cancel(survey->sched, &survey->reap);
        phu_timer_cancel(survey->sched, &survey->tick);
    }
    for (uint32_t slot = 1; slot <= survey->conf.in_flight; slot++) {
        if (survey->slots[slot])
            release(survey, survey->slots[slot]);
    }
    for (size_t i = 0; survey->parts && survey->parts[i].collector; i++)
        survey->parts[i].collector->close(survey->parts[i].self);
    phu_resolver_free(survey->resolver);
    if (survey->sched) {
        phu_loop_signal_close(survey->interrupt);
        phu_loop_signal_close(survey->terminate);
        phu_loop_free(survey->sched);
    }
    phu_stats_free(survey->stats);
    free(survey->parts);
    free(survey->slots);
    free(survey->free_slots);
    free(survey);
}
