#include "ingest/ingest.h"

#include "http/server.h"
#include "ingest/copy.h"
#include "ingest/intake.h"
#include "ingest/lines.h"
#include "ingest/rates.h"
#include "mem.h"
#include "phusong/log.h"
#include "phusong/sched.h"
#include "phusong/stats.h"
#include "phusong/text.h"
#include "store/store.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MODULE "ingest"
#define TEND_IDLE_NS PHU_NS_PER_S
#define TEND_LEAST_NS (5 * PHU_NS_PER_MS)
#define TEND_MOST_NS (100 * PHU_NS_PER_MS)
#define JOB_LINES 20000 /* so many at least end a transaction */

/* A request in the queue or in the job. */
struct body {
    struct body *next;
    struct phu_request *request;
    const char *agent; /* of an inventory; NULL: points */
    int64_t unit_ns;
    bool is_answered, is_new_inventory;
    struct phu_intake_result result;
};

struct queue {
    struct body *first, **end;
};

struct job {
    struct queue bodies;    /* what it was given */
    struct body *untouched; /* of these, left for the next one */
    bool is_tend;
    bool has_more_to_tend;
    int64_t now_ns, budget_ns, took_ns;
    int error;
    struct phu_copies copies;
    struct phu_store_figures figures;
};

struct phu_ingest {
    struct phu_sched *sched;
    struct phu_stats *stats;
    struct phu_ingest_conf conf;
    struct phu_ingest_taps taps;
    struct phu_intake intake;
    struct phu_rates *rates;
    struct queue waiting;
    struct job job;
    bool is_busy, wants_tend;
    struct phu_timer idle;
    int64_t last_write_ns; /* how long the last job of writing took */
    int trouble;           /* why the last transaction failed */
    void (*drained)(void *arg);
    void *drained_arg;
    struct {
        int64_t bodies, stored, unreadable, refused, foreign, future, conflicts, limited, failed;
        int64_t commits, busy_ns, fed;
    } counters;
    struct phu_store_figures figures;
};

static void queue_init(struct queue *queue)
{
    queue->first = NULL;
    queue->end = &queue->first;
}

static void queue_put(struct queue *queue, struct body *body)
{
    body->next = NULL;
    *queue->end = body;
    queue->end = &body->next;
}

/* -- On the pool thread ------------------------------------------------------------------------ */

static void store_inventory(struct phu_ingest *ingest, struct body *body)
{
    size_t length;
    const char *json = phu_request_body(body->request, &length);
    char why[256] = "";
    int error =
        phu_store_put_inventory(ingest->intake.store, body->agent, json, length, ingest->job.now_ns,
                                &body->is_new_inventory, why, sizeof why);

    body->is_answered = !error || error == -EINVAL;
    if (!error)
        phu_request_reply(body->request, 204, NULL, NULL, 0);
    else if (error == -EINVAL)
        phu_request_fail(body->request, 400, "%s", why);
    else
        ingest->job.error = error;
}

static void store_points(struct phu_ingest *ingest, struct body *body)
{
    struct job *job = &ingest->job;
    size_t length;
    const char *text = phu_intake_unpack(&ingest->intake, body->request, &length);

    if (!text) {
        body->is_answered = true;
        return;
    }
    phu_intake_lines(&ingest->intake, body->request, text, length, body->unit_ns, job->now_ns,
                     &job->copies, &body->result);
    phu_inflate_settle(&ingest->intake.inflate);
    job->error = body->result.error;
}

/* Everything or, after the first failure, nothing. */
static void write_points(struct phu_ingest *ingest)
{
    struct job *job = &ingest->job;
    int64_t lines = 0;

    job->error = phu_store_begin(ingest->intake.store);
    if (job->error)
        return;
    for (struct body *body = job->bodies.first; body && !job->error; body = body->next) {
        if (body->agent)
            continue;
        store_points(ingest, body);
        lines += body->result.stored + body->result.refused + body->result.unreadable;
        if (lines >= JOB_LINES) {
            job->untouched = body->next;
            break;
        }
    }
    if (job->error)
        phu_store_rollback(ingest->intake.store);
    else
        job->error = phu_store_commit(ingest->intake.store);
}

static void run_job(void *arg)
{
    struct phu_ingest *ingest = arg;
    struct job *job = &ingest->job;
    int64_t start = phu_mono_now().ns;
    bool has_points = false;

    if (job->is_tend) {
        job->has_more_to_tend = phu_store_tend(ingest->intake.store, job->now_ns, job->budget_ns);
    } else {
        for (struct body *body = job->bodies.first; body; body = body->next) {
            has_points |= !body->agent;
            if (body->agent && !job->error)
                store_inventory(ingest, body);
        }
        if (has_points && !job->error)
            write_points(ingest);
    }
    phu_store_figures(ingest->intake.store, &job->figures);
    job->took_ns = phu_mono_now().ns - start;
}

/* -- Answers ------------------------------------------------------------------------------------
 */

static void say_trouble(struct phu_request *request, int error)
{
    if (error == -ENOSPC)
        phu_request_fail(request, 503,
                         "the disk of the console is full: nothing is stored until there is room; "
                         "keep the points and try again");
    else
        phu_request_fail(request, 503,
                         "the store cannot be written: %s; keep the points and try "
                         "again",
                         strerror(-error));
    phu_request_set_header(request, "Retry-After", "30");
}

/* Logged when it begins and when it is over. */
static void note_trouble(struct phu_ingest *ingest, int error)
{
    if (error == ingest->trouble)
        return;
    if (error)
        phu_log_error(MODULE, "points cannot be stored; agents keep them", "err=\"%s\"",
                      strerror(-error));
    else
        phu_log_info(MODULE, "points are stored again", "%s", "");
    ingest->trouble = error;
}

const char *phu_ingest_trouble(const struct phu_ingest *ingest)
{
    return ingest->trouble ? strerror(-ingest->trouble) : NULL;
}

static void count(struct phu_ingest *ingest, const struct phu_intake_result *result)
{
    ingest->counters.bodies++;
    ingest->counters.stored += result->stored;
    ingest->counters.unreadable += result->unreadable;
    ingest->counters.refused += result->refused;
    ingest->counters.foreign += result->foreign;
    ingest->counters.future += result->future;
    ingest->counters.conflicts += result->conflicts;
}

static void answer(struct phu_ingest *ingest, struct body *body, int error)
{
    const struct phu_intake_result *result = &body->result;

    if (!body->is_answered && error) {
        ingest->counters.failed++;
        say_trouble(body->request, error);
    } else if (!body->is_answered) {
        count(ingest, result);
        phu_rates_charge(ingest->rates, phu_request_identity(body->request)->token,
                         result->stored + result->unreadable + result->refused);
        phu_intake_answer(body->request, result);
        if (result->refused + result->unreadable > 0)
            phu_log_debug(MODULE, "lines were refused", "token=%s reasons=\"%.300s\"",
                          phu_request_identity(body->request)->token, result->reasons);
    } else if (body->is_new_inventory && ingest->taps.inventory) {
        ingest->taps.inventory(ingest->taps.arg, body->agent);
    }
    phu_request_finish(body->request);
    free(body->result.reasons);
    free(body);
}

static void feed(struct phu_ingest *ingest)
{
    struct phu_copies *copies = &ingest->job.copies;

    if (!ingest->job.error && copies->count && ingest->taps.feed) {
        for (size_t i = 0; i < copies->count; i++)
            ingest->taps.feed(ingest->taps.arg, &copies->samples[i]);
        ingest->counters.fed += (int64_t)copies->count;
        if (ingest->taps.fed)
            ingest->taps.fed(ingest->taps.arg);
    }
    phu_copies_fini(copies);
}

/* -- One job after the other ---------------------------------------------------------------------
 */

static void next_job(struct phu_ingest *ingest);

/* What a job did not get to goes before what came meanwhile. */
static void put_back(struct phu_ingest *ingest, struct body *bodies)
{
    struct body **end = &bodies;

    while (*end)
        end = &(*end)->next;
    *end = ingest->waiting.first;
    if (!ingest->waiting.first)
        ingest->waiting.end = end;
    ingest->waiting.first = bodies;
}

static void written(struct phu_ingest *ingest)
{
    struct job *job = &ingest->job;
    struct body *body = job->bodies.first, *rest = job->untouched, *next;
    struct body **left;

    ingest->last_write_ns = job->took_ns;
    ingest->counters.commits += !job->error;
    note_trouble(ingest, job->error);
    for (; body && body != rest; body = next) {
        next = body->next;
        answer(ingest, body, job->error);
    }
    /* Inventories were all stored, whatever the points' bound. */
    for (left = &rest; *left;) {
        body = *left;
        if (!body->is_answered) {
            left = &body->next;
            continue;
        }
        *left = body->next;
        answer(ingest, body, job->error);
    }
    if (rest)
        put_back(ingest, rest);
    feed(ingest);
    ingest->wants_tend = !job->error;
}

static void job_done(void *arg, bool is_canceled)
{
    struct phu_ingest *ingest = arg;
    struct job *job = &ingest->job;

    if (is_canceled)
        job->error = -EIO;
    ingest->is_busy = false;
    ingest->counters.busy_ns += job->took_ns;
    ingest->figures = job->figures;
    if (job->is_tend)
        ingest->wants_tend = job->has_more_to_tend;
    else
        written(ingest);
    next_job(ingest);
}

static void start_job(struct phu_ingest *ingest, bool is_tend)
{
    struct job *job = &ingest->job;
    int64_t budget = ingest->last_write_ns / 2;

    *job = (struct job){.is_tend = is_tend, .now_ns = phu_sched_wall(ingest->sched).ns};
    queue_init(&job->bodies);
    if (is_tend) {
        /* A third of the time at most where much comes in, all of it where nothing does. */
        if (!ingest->waiting.first || budget > TEND_MOST_NS)
            budget = TEND_MOST_NS;
        job->budget_ns = budget < TEND_LEAST_NS ? TEND_LEAST_NS : budget;
        ingest->wants_tend = false;
    } else if (ingest->waiting.first) {
        job->bodies = ingest->waiting;
        queue_init(&ingest->waiting);
    }
    ingest->is_busy = true;
    if (phu_work_start(ingest->sched, run_job, job_done, ingest) < 0) {
        job->error = -ENOMEM;
        job_done(ingest, false);
    }
}

static void next_job(struct phu_ingest *ingest)
{
    if (ingest->is_busy)
        return;
    if (ingest->wants_tend && !ingest->drained)
        start_job(ingest, true);
    else if (ingest->waiting.first)
        start_job(ingest, false);
    else if (ingest->drained)
        ingest->drained(ingest->drained_arg);
    else
        phu_timer_after(ingest->sched, &ingest->idle, TEND_IDLE_NS);
}

static void idle_due(struct phu_timer *timer)
{
    struct phu_ingest *ingest = phu_container_of(timer, struct phu_ingest, idle);

    if (ingest->is_busy || ingest->drained)
        return;
    ingest->wants_tend = true;
    next_job(ingest);
}

static void put(struct phu_ingest *ingest, struct phu_request *request, const char *agent,
                int64_t unit_ns)
{
    struct body *body = phu_mem_alloc(1, sizeof *body);

    body->request = request;
    body->agent = agent;
    body->unit_ns = unit_ns;
    queue_put(&ingest->waiting, body);
    if (ingest->is_busy)
        return;
    phu_timer_cancel(ingest->sched, &ingest->idle);
    start_job(ingest, false);
}

/* -- Requests
 * -------------------------------------------------------------------------------------- */

static bool is_closed(struct phu_ingest *ingest, struct phu_request *request)
{
    if (!ingest->drained)
        return false;
    phu_request_fail(request, 503, "the console is stopping; try again");
    phu_request_set_header(request, "Retry-After", "5");
    phu_request_finish(request);
    return true;
}

static bool is_limited(struct phu_ingest *ingest, struct phu_request *request)
{
    int64_t wait_s = phu_rates_wait(ingest->rates, phu_request_identity(request)->token,
                                    phu_sched_now(ingest->sched).ns, ingest->conf.lines_per_second);
    char seconds[24];

    if (!wait_s)
        return false;
    ingest->counters.limited++;
    snprintf(seconds, sizeof seconds, "%lld", (long long)wait_s);
    phu_request_fail(request, 429,
                     "token %s has sent more than %lld lines a second; go on in %s s "
                     "(limits.lines_per_second)",
                     phu_request_identity(request)->token, (long long)ingest->conf.lines_per_second,
                     seconds);
    phu_request_set_header(request, "Retry-After", seconds);
    phu_request_finish(request);
    return true;
}

void phu_ingest_write(void *arg, struct phu_request *request)
{
    struct phu_ingest *ingest = arg;
    const char *precision = phu_request_query(request, "precision");
    int64_t unit_ns = phu_lines_unit(precision ? precision : "");

    if (is_closed(ingest, request) || is_limited(ingest, request))
        return;
    if (!unit_ns) {
        phu_request_fail(request, 400,
                         "invalid precision \"%.20s\": it is n, ns, u, us, ms, s, m or h",
                         precision);
        phu_request_finish(request);
        return;
    }
    put(ingest, request, NULL, unit_ns);
}

void phu_ingest_inventory(void *arg, struct phu_request *request)
{
    struct phu_ingest *ingest = arg;
    const char *agent = phu_request_parameter(request, "id");
    const struct phu_identity *identity = phu_request_identity(request);

    if (is_closed(ingest, request))
        return;
    if (!phu_text_is_id(agent))
        phu_request_fail(request, 400, "\"%.80s\" is no agent's id", agent);
    else if (*identity->agent && strcmp(identity->agent, agent) != 0)
        phu_request_fail(request, 403, "token %s is that of agent %s, not of %s", identity->token,
                         identity->agent, agent);
    else {
        put(ingest, request, agent, 1);
        return;
    }
    phu_request_finish(request);
}

void phu_ingest_drain(struct phu_ingest *ingest, void (*done)(void *arg), void *arg)
{
    ingest->drained = done;
    ingest->drained_arg = arg;
    phu_timer_cancel(ingest->sched, &ingest->idle);
    next_job(ingest);
}

/* -- Statistics
 * ------------------------------------------------------------------------------------ */

static double read_busy(void *arg)
{
    return (double)((const struct phu_ingest *)arg)->counters.busy_ns / (double)PHU_NS_PER_S;
}

static double read_trouble(void *arg)
{
    return ((const struct phu_ingest *)arg)->trouble != 0;
}

static void add_counters(struct phu_ingest *ingest)
{
    static const struct phu_stat_info bodies = {"phusong_ingest_bodies_total", PHU_STAT_COUNTER,
                                                "Bodies of points stored and acknowledged"};
    static const struct phu_stat_info lines = {
        "phusong_ingest_lines_total", PHU_STAT_COUNTER,
        "Lines received: stored, unreadable, or refused for another reason"};
    static const struct phu_stat_info refused = {"phusong_ingest_lines_refused_total",
                                                 PHU_STAT_COUNTER,
                                                 "Lines refused, by reason, some of them"};
    static const struct phu_stat_info limited = {
        "phusong_ingest_limited_total", PHU_STAT_COUNTER,
        "Bodies refused because their token sent too much"};
    static const struct phu_stat_info failed = {"phusong_ingest_failed_total", PHU_STAT_COUNTER,
                                                "Bodies not taken because the store failed"};
    static const struct phu_stat_info commits = {"phusong_ingest_commits_total", PHU_STAT_COUNTER,
                                                 "Transactions that are on the disk"};
    static const struct phu_stat_info fed = {"phusong_ingest_fed_total", PHU_STAT_COUNTER,
                                             "Samples told to the rules"};

    phu_stats_add(ingest->stats, &bodies, NULL, &ingest->counters.bodies);
    phu_stats_add(ingest->stats, &lines, "result=\"stored\"", &ingest->counters.stored);
    phu_stats_add(ingest->stats, &lines, "result=\"unreadable\"", &ingest->counters.unreadable);
    phu_stats_add(ingest->stats, &lines, "result=\"refused\"", &ingest->counters.refused);
    phu_stats_add(ingest->stats, &refused, "reason=\"agent\"", &ingest->counters.foreign);
    phu_stats_add(ingest->stats, &refused, "reason=\"future\"", &ingest->counters.future);
    phu_stats_add(ingest->stats, &refused, "reason=\"type\"", &ingest->counters.conflicts);
    phu_stats_add(ingest->stats, &limited, NULL, &ingest->counters.limited);
    phu_stats_add(ingest->stats, &failed, NULL, &ingest->counters.failed);
    phu_stats_add(ingest->stats, &commits, NULL, &ingest->counters.commits);
    phu_stats_add(ingest->stats, &fed, NULL, &ingest->counters.fed);
}

static void add_store_figures(struct phu_ingest *ingest)
{
    static const struct phu_stat_info series = {"phusong_store_series", PHU_STAT_GAUGE,
                                                "Series that the store knows"};
    static const struct phu_stat_info file = {"phusong_store_file_bytes", PHU_STAT_GAUGE,
                                              "Size of the store on the disk"};
    static const struct phu_stat_info wal = {"phusong_store_wal_bytes", PHU_STAT_GAUGE,
                                             "Size of the store's write-ahead log"};
    static const struct phu_stat_info journal = {"phusong_store_journal_bytes", PHU_STAT_GAUGE,
                                                 "Durable, but not packed yet"};
    static const struct phu_stat_info memory = {"phusong_store_memory_bytes", PHU_STAT_GAUGE,
                                                "Memory of the store, without SQLite's cache"};
    static const struct phu_stat_info dirty = {"phusong_store_dirty", PHU_STAT_GAUGE,
                                               "Late units that wait to be rolled up again"};
    static const struct phu_stat_info failures = {
        "phusong_store_tend_failures_total", PHU_STAT_COUNTER,
        "Slices of packing and rolling up that failed and are done again"};
    static const struct phu_stat_info busy = {"phusong_ingest_busy_seconds_total", PHU_STAT_COUNTER,
                                              "Time in which the store was being written"};
    static const struct phu_stat_info trouble = {"phusong_ingest_failing", PHU_STAT_GAUGE,
                                                 "1 while points cannot be stored"};

    phu_stats_add(ingest->stats, &series, NULL, &ingest->figures.series);
    phu_stats_add(ingest->stats, &file, NULL, &ingest->figures.file_bytes);
    phu_stats_add(ingest->stats, &wal, NULL, &ingest->figures.wal_bytes);
    phu_stats_add(ingest->stats, &journal, NULL, &ingest->figures.journal_bytes);
    phu_stats_add(ingest->stats, &memory, NULL, &ingest->figures.memory_bytes);
    phu_stats_add(ingest->stats, &dirty, NULL, &ingest->figures.dirty);
    phu_stats_add(ingest->stats, &failures, NULL, &ingest->figures.failures_total);
    phu_stats_add_read(ingest->stats, &busy, NULL, read_busy, ingest);
    phu_stats_add_read(ingest->stats, &trouble, NULL, read_trouble, ingest);
}

/* -- Opening and closing
 * ------------------------------------------------------------------------------ */

struct phu_ingest *phu_ingest_new(struct phu_sched *sched, struct phu_store *store,
                                  const struct phu_ingest_conf *conf,
                                  const struct phu_ingest_taps *taps, struct phu_stats *stats)
{
    struct phu_ingest *ingest = phu_mem_alloc(1, sizeof *ingest);

    ingest->sched = sched;
    ingest->stats = stats;
    ingest->conf = *conf;
    if (taps)
        ingest->taps = *taps;
    ingest->intake = (struct phu_intake){
        .store = store, .conf = &ingest->conf, .taps = &ingest->taps, .lines = phu_lines_new()};
    ingest->rates = phu_rates_new();
    queue_init(&ingest->waiting);
    phu_timer_init(&ingest->idle, idle_due);
    phu_timer_after(sched, &ingest->idle, 0);
    if (stats) {
        add_counters(ingest);
        add_store_figures(ingest);
    }
    return ingest;
}

void phu_ingest_free(struct phu_ingest *ingest)
{
    if (!ingest)
        return;
    phu_timer_cancel(ingest->sched, &ingest->idle);
    if (ingest->stats)
        phu_stats_remove_within(ingest->stats, ingest, sizeof *ingest);
    phu_lines_free(ingest->intake.lines);
    phu_inflate_fini(&ingest->intake.inflate);
    phu_rates_free(ingest->rates);
    free(ingest);
}
