/* How fast windows are filled and written, and how much memory a check takes, on one core.
 *
 * An endpoint is measured six times per window (10 s in 60 s), with round trips that fall into
 * several buckets; then its window is written. Prints one JSON object per figure, CPU time. */
#include "phusong/collector.h"
#include "tally.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define CHECKS 20000
#define PROBES 6
#define ROUNDS 15

static const struct phu_metric metrics[] = {
    {"icmp", "rtt_us", "us", PHU_METRIC_SKETCH, PHU_METRIC_INT, "round trip"},
    {"icmp", "late", "1", PHU_METRIC_COUNT, PHU_METRIC_INT, "late replies"},
};

static const struct phu_collector collector = {
    .name = "icmp", .metrics = metrics, .metric_count = 2, .rtt_metric = 0};

struct bench {
    struct phu_state_rules rules;
    struct phu_window_plan *plan;
    struct phu_tally *tallies[CHECKS];
    struct phu_tally_writer writer;
    char buffer[PHU_LINE_MAX];
    int64_t bytes;
    uint32_t chance;
};

static double cpu_seconds(void)
{
    struct timespec now;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void emit(void *arg, const char *line, size_t length, struct phu_wall at)
{
    struct bench *bench = arg;

    (void)line;
    (void)at;
    bench->bytes += (int64_t)length;
}

static void print_figure(const char *name, const char *unit, double value)
{
    printf("{\"name\": \"%s\", \"unit\": \"%s\", \"value\": %.6g}\n", name, unit, value);
}

static void add_checks(struct bench *bench)
{
    size_t before = mallinfo2().uordblks;

    phu_state_rules_make(&bench->rules, &phu_quality_default, &phu_pace_default, 10 * PHU_NS_PER_S,
                         PHU_EVIDENCE_CONFIRMED);
    for (int i = 0; i < CHECKS; i++) {
        char id[32], hamlet[16];
        struct phu_monitor_check check = {.subject =
                                              {
                                                  .id = id,
                                                  .hamlet = hamlet,
                                                  .commune = "09193",
                                                  .technology = "4g",
                                                  .operator= "vnpt" },
                                                  .check = "icmp",
                                                  .collector = &collector,
                                                  .interval_ns = 10 * PHU_NS_PER_S,
                                                  .is_primary = true,
        };

        snprintf(hamlet, sizeof hamlet, "bn-%05d", i / 4);
        snprintf(id, sizeof id, "bn-%05d-4g-vnpt", i / 4);
        if (phu_tally_new(&check, bench->plan, &bench->rules, (struct phu_mono){0}, 0,
                          &bench->tallies[i]) < 0)
            abort();
    }
    print_figure("window_bytes_per_endpoint", "bytes",
                 (double)(mallinfo2().uordblks - before) / CHECKS + sizeof(void *));
}

static void fill(struct bench *bench, int round, int probe)
{
    struct phu_value value = {.metric = 0};
    struct phu_observation observation = {.values = &value, .value_count = 1};

    observation.completed.ns = (round * PROBES + probe) * 10 * PHU_NS_PER_S;
    for (int i = 0; i < CHECKS; i++) {
        bench->chance = bench->chance * 1664525u + 1013904223u;
        value.i = 9000 + (bench->chance >> 16) % 6000;
        phu_tally_put(bench->tallies[i], &observation);
    }
}

static void finish(struct bench *bench, int round)
{
    int64_t end = (round + 1) * PROBES * 10 * PHU_NS_PER_S;

    for (int i = 0; i < CHECKS; i++)
        phu_tally_finish(bench->tallies[i], &bench->writer, (struct phu_mono){end},
                         (struct phu_wall){INT64_C(1795420800000000000) + end});
}

static int compare(const void *a, const void *b)
{
    double left = *(const double *)a, right = *(const double *)b;

    return (left > right) - (left < right);
}

static double median(double *values, size_t count)
{
    qsort(values, count, sizeof *values, compare);
    return values[count / 2];
}

static void measure(struct bench *bench)
{
    double put_s[ROUNDS], finish_s[ROUNDS];

    for (int round = 0; round < ROUNDS; round++) {
        double start = cpu_seconds(), filled;

        for (int probe = 0; probe < PROBES; probe++)
            fill(bench, round, probe);
        filled = cpu_seconds();
        finish(bench, round);
        put_s[round] = (filled - start) / (CHECKS * PROBES);
        finish_s[round] = (cpu_seconds() - filled) / CHECKS;
    }
    print_figure("window_put", "ns/observation", median(put_s, ROUNDS) * 1e9);
    print_figure("window_encode", "ns/point", median(finish_s, ROUNDS) * 1e9);
    print_figure("window_fold_and_encode_rate", "points/s",
                 1 / (median(put_s, ROUNDS) * PROBES + median(finish_s, ROUNDS)));
    print_figure("window_encode_rate", "points/s", 1 / median(finish_s, ROUNDS));
    print_figure("window_line_length", "bytes", (double)bench->bytes / (CHECKS * ROUNDS));
}

int main(void)
{
    struct bench *bench = calloc(1, sizeof *bench);

    if (!bench)
        return 1;
    bench->plan =
        phu_window_plan_new(collector.name, metrics, collector.metric_count, collector.rtt_metric);
    bench->writer = (struct phu_tally_writer){.tags = ",agent=bn-node-1",
                                              .tags_length = 16,
                                              .buffer = bench->buffer,
                                              .buffer_size = sizeof bench->buffer,
                                              .emit = emit,
                                              .emit_arg = bench};
    add_checks(bench);
    measure(bench);
    for (int i = 0; i < CHECKS; i++)
        phu_tally_free(bench->tallies[i]);
    phu_window_plan_free(bench->plan);
    free(bench);
    return 0;
}
