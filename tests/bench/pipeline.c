/* The way of a measurement through the agent: six observations folded into a window, the window
 * written as a point, the point put into a spool and made durable. 20,000 endpoints, all windows
 * ending at the same moment, as they do.
 *
 * The loop's thread is what limits the agent: its CPU time is the rate that the bar is about. What
 * the pool thread and the kernel take for writing and syncing beside it is in the total.
 *
 *   bench_pipeline [DIR]     the spool's folder; default a new one in /var/tmp */
#include "loop.h"
#include "phusong/collector.h"
#include "tally.h"

#include "phusong/spool.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define CHECKS 20000
#define PROBES 6
#define ROUNDS 15
#define WINDOW_NS (60 * PHU_NS_PER_S)

static const struct phu_metric metrics[] = {
    {"icmp", "rtt_us", "us", PHU_METRIC_SKETCH, PHU_METRIC_INT, "round trip"},
    {"icmp", "late", "1", PHU_METRIC_COUNT, PHU_METRIC_INT, "late replies"},
};

struct bench {
    struct phu_state_rules rules;
    struct phu_sched *sched;
    struct phu_spool *spool;
    struct phu_timer timer;
    struct phu_tally *tallies[CHECKS];
    struct phu_tally_writer writer;
    char buffer[PHU_LINE_MAX];
    uint64_t points;
    uint32_t chance;
    int round;
    double loop_s[ROUNDS];
};

static double seconds_of(clockid_t clock)
{
    struct timespec now;

    clock_gettime(clock, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void emit(void *arg, const char *line, size_t length, struct phu_wall at)
{
    struct bench *bench = arg;

    if (phu_spool_put(bench->spool, line, length, at) != 0)
        abort();
    bench->points++;
}

static void fold(struct bench *bench, int probe)
{
    struct phu_value value = {.metric = 0};
    struct phu_observation observation = {.values = &value, .value_count = 1};

    observation.completed.ns = (bench->round * PROBES + probe) * 10 * PHU_NS_PER_S;
    for (int i = 0; i < CHECKS; i++) {
        bench->chance = bench->chance * 1664525u + 1013904223u;
        value.i = 9000 + (bench->chance >> 16) % 6000;
        phu_tally_put(bench->tallies[i], &observation);
    }
}

/* One window of everybody; the next when this one is durable. */
static void do_round(struct phu_timer *timer)
{
    struct bench *bench = phu_container_of(timer, struct bench, timer);
    double began = seconds_of(CLOCK_THREAD_CPUTIME_ID);
    int64_t end = (bench->round + 1) * WINDOW_NS;
    struct phu_wall now = phu_sched_wall(bench->sched);

    for (int probe = 0; probe < PROBES; probe++)
        fold(bench, probe);
    for (int i = 0; i < CHECKS; i++)
        phu_tally_finish(bench->tallies[i], &bench->writer, (struct phu_mono){end}, now);
    bench->loop_s[bench->round] = seconds_of(CLOCK_THREAD_CPUTIME_ID) - began;
    phu_spool_sync(bench->spool);
}

static void round_is_durable(void *arg)
{
    struct bench *bench = arg;

    if (phu_spool_durable_count(bench->spool) < bench->points)
        return;
    if (++bench->round == ROUNDS)
        phu_loop_stop(bench->sched);
    else
        phu_timer_after(bench->sched, &bench->timer, 0);
}

static void add_check(struct bench *bench, const struct phu_collector *collector,
                      struct phu_window_plan *plan, int number)
{
    char id[32], hamlet[16];
    struct phu_monitor_check check = {.subject =
                                          {
                                              .id = id,
                                              .hamlet = hamlet,
                                              .commune = "09193",
                                              .technology = "4g",
                                              .operator= "vnpt" },
                                              .check = "icmp",
                                              .collector = collector,
                                              .interval_ns = 10 * PHU_NS_PER_S,
                                              .is_primary = true,
    };

    phu_state_rules_make(&bench->rules, &phu_quality_default, &phu_pace_default, check.interval_ns,
                         PHU_EVIDENCE_CONFIRMED);
    snprintf(hamlet, sizeof hamlet, "bn-%05d", number / 4);
    snprintf(id, sizeof id, "bn-%05d-4g-vnpt", number / 4);
    if (phu_tally_new(&check, plan, &bench->rules, (struct phu_mono){0}, 0,
                      &bench->tallies[number]) < 0)
        abort();
}

static int by_size(const void *left, const void *right)
{
    double a = *(const double *)left, b = *(const double *)right;

    return (a > b) - (a < b);
}

static void print_figures(struct bench *bench, double cpu)
{
    qsort(bench->loop_s, ROUNDS, sizeof *bench->loop_s, by_size);
    printf("{\"name\": \"pipeline_rate\", \"unit\": \"points/s\", \"value\": %.6g, "
           "\"bar\": \">= 1000000\"}\n",
           CHECKS / bench->loop_s[ROUNDS / 2]);
    printf("{\"name\": \"pipeline_total_cpu\", \"unit\": \"ns/point\", \"value\": %.6g}\n",
           cpu / (double)bench->points * 1e9);
}

static int run(struct bench *bench, char *dir)
{
    struct phu_spool_conf conf = {.dir = dir,
                                  .segment_bytes = 8 * 1024 * 1024,
                                  .max_bytes = INT64_C(1) << 28,
                                  .max_age_ns = INT64_C(30) * 86400 * PHU_NS_PER_S,
                                  .sync_interval_ns = PHU_NS_PER_S,
                                  .sync_bytes = 256 * 1024,
                                  .buffer_bytes = 64 * 1024 * 1024};
    struct phu_spool_reader *reader;
    double cpu;

    if (phu_loop_new(&bench->sched) != 0 ||
        phu_spool_open(bench->sched, &conf, NULL, &bench->spool) != 0)
        return 1;
    phu_timer_init(&bench->timer, do_round);
    phu_timer_after(bench->sched, &bench->timer, 0);
    phu_spool_on_durable(bench->spool, round_is_durable, bench);
    cpu = seconds_of(CLOCK_PROCESS_CPUTIME_ID);
    phu_loop_run(bench->sched);
    print_figures(bench, seconds_of(CLOCK_PROCESS_CPUTIME_ID) - cpu);
    /* A reader that begins at the end lets everything go. */
    if (phu_spool_reader_open(bench->spool, "bench", NULL, NULL, &reader) == 0) {
        struct phu_span span;

        while (phu_spool_reader_next(reader, PHU_SPOOL_LIVE, 100000, 16 << 20, &span) == 0)
            phu_spool_reader_ack(reader, &span);
        phu_spool_reader_close(reader);
    }
    phu_timer_cancel(bench->sched, &bench->timer);
    phu_spool_close(bench->spool);
    phu_loop_free(bench->sched);
    return 0;
}

static int remove_folder(const char *dir)
{
    static const char *const names[] = {"cursors/bench.cursor", "lock"};
    char path[4096];

    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        snprintf(path, sizeof path, "%s/%s", dir, names[i]);
        unlink(path);
    }
    snprintf(path, sizeof path, "%s/cursors", dir);
    rmdir(path);
    return rmdir(dir);
}

int main(int argc, char **argv)
{
    static const struct phu_collector collector = {
        .name = "icmp", .metrics = metrics, .metric_count = 2, .rtt_metric = 0};
    char made[] = "/var/tmp/phusong-bench-XXXXXX";
    char *dir = argc > 1 ? argv[1] : mkdtemp(made);
    struct bench *bench = calloc(1, sizeof *bench);
    struct phu_window_plan *plan;
    int status;

    if (!bench || !dir)
        return 1;
    plan = phu_window_plan_new("icmp", metrics, 2, 0);
    bench->writer = (struct phu_tally_writer){.tags = ",agent=bn-node-1",
                                              .tags_length = 16,
                                              .buffer = bench->buffer,
                                              .buffer_size = sizeof bench->buffer,
                                              .emit = emit,
                                              .emit_arg = bench};
    for (int i = 0; i < CHECKS; i++)
        add_check(bench, &collector, plan, i);
    status = run(bench, dir);
    for (int i = 0; i < CHECKS; i++)
        phu_tally_free(bench->tallies[i]);
    phu_window_plan_free(plan);
    free(bench);
    return status || (argc == 1 && remove_folder(dir) != 0);
}
