/* What a point costs in the spool: from put to durable, and read back to be sent. CPU of the whole
 * process (the kernel's part of write and sync included), and of the loop's thread alone.
 *
 *   bench_spool [DIR]     the folder to work in; default a new one in /var/tmp
 *
 * Prints one JSON object per figure. */
#include "loop.h"

#include "phusong/spool.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

enum { RECORDS = 1000000, BATCH = 2000, LINE = 300, ROUNDS = 3, BEHIND_MOST = 20 * BATCH };

struct bench {
    struct phu_sched *sched;
    struct phu_spool *spool;
    struct phu_spool_reader *reader;
    struct phu_timer timer;
    char line[LINE];
    int left;
    double put_cpu;
};

struct figures {
    double put_ns, durable_ns, durable_rate, read_ns;
};

static double seconds_of(clockid_t clock)
{
    struct timespec now;

    clock_gettime(clock, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void put_batch(struct phu_timer *timer)
{
    struct bench *bench = phu_container_of(timer, struct bench, timer);
    double began = seconds_of(CLOCK_THREAD_CPUTIME_ID);
    struct phu_wall now = phu_sched_wall(bench->sched);
    uint64_t behind = (uint64_t)(RECORDS - bench->left) - phu_spool_durable_count(bench->spool);

    for (int i = 0; i < BATCH && bench->left && behind < BEHIND_MOST; i++) {
        if (phu_spool_put(bench->spool, bench->line, LINE, now) != 0)
            abort();
        bench->left--;
    }
    bench->put_cpu += seconds_of(CLOCK_THREAD_CPUTIME_ID) - began;
    if (bench->left)
        phu_timer_after(bench->sched, timer, PHU_NS_PER_MS);
    else
        phu_spool_sync(bench->spool);
}

static void stop_when_all_are_durable(void *arg)
{
    struct bench *bench = arg;

    if (phu_spool_durable_count(bench->spool) == RECORDS)
        phu_loop_stop(bench->sched);
}

static size_t read_all(struct bench *bench)
{
    struct phu_span span;
    size_t count = 0;

    while (phu_spool_reader_next(bench->reader, PHU_SPOOL_LIVE, 5000, 1024 * 1024, &span) == 0) {
        count += span.line_count;
        phu_spool_reader_ack(bench->reader, &span);
    }
    return count;
}

static int run_once(char *dir, struct figures *figures)
{
    struct phu_spool_conf conf = {.dir = dir,
                                  .segment_bytes = 8 * 1024 * 1024,
                                  .max_bytes = INT64_C(1) << 33,
                                  .max_age_ns = INT64_C(30) * 86400 * PHU_NS_PER_S,
                                  .sync_interval_ns = PHU_NS_PER_S,
                                  .sync_bytes = 256 * 1024,
                                  .buffer_bytes = 64 * 1024 * 1024};
    struct bench bench = {.left = RECORDS};
    double cpu, wall;
    size_t count;

    memset(bench.line, 'x', LINE);
    bench.line[LINE - 1] = '\n';
    if (phu_loop_new(&bench.sched) != 0 ||
        phu_spool_open(bench.sched, &conf, NULL, &bench.spool) != 0 ||
        phu_spool_reader_open(bench.spool, "bench", NULL, NULL, &bench.reader) != 0)
        return 1;
    phu_timer_init(&bench.timer, put_batch);
    phu_timer_after(bench.sched, &bench.timer, 0);
    phu_spool_on_durable(bench.spool, stop_when_all_are_durable, &bench);
    cpu = seconds_of(CLOCK_PROCESS_CPUTIME_ID);
    wall = seconds_of(CLOCK_MONOTONIC);
    phu_loop_run(bench.sched);
    figures->put_ns = bench.put_cpu / RECORDS * 1e9;
    figures->durable_ns = (seconds_of(CLOCK_PROCESS_CPUTIME_ID) - cpu) / RECORDS * 1e9;
    figures->durable_rate = RECORDS / (seconds_of(CLOCK_MONOTONIC) - wall);
    cpu = seconds_of(CLOCK_PROCESS_CPUTIME_ID);
    count = read_all(&bench);
    figures->read_ns = (seconds_of(CLOCK_PROCESS_CPUTIME_ID) - cpu) / RECORDS * 1e9;
    phu_timer_cancel(bench.sched, &bench.timer);
    phu_spool_reader_close(bench.reader);
    phu_spool_close(bench.spool);
    phu_loop_free(bench.sched);
    return count == RECORDS ? 0 : 1;
}

static int by_size(const void *left, const void *right)
{
    double a = *(const double *)left, b = *(const double *)right;

    return (a > b) - (a < b);
}

static void print_median(const char *name, const char *unit, const struct figures *figures,
                         size_t offset)
{
    double values[ROUNDS];

    for (int i = 0; i < ROUNDS; i++)
        memcpy(&values[i], (const char *)&figures[i] + offset, sizeof *values);
    qsort(values, ROUNDS, sizeof *values, by_size);
    printf("{\"name\": \"%s\", \"unit\": \"%s\", \"value\": %.6g}\n", name, unit,
           values[ROUNDS / 2]);
}

int main(int argc, char **argv)
{
    char made[] = "/var/tmp/phusong-bench-XXXXXX";
    char *dir = argc > 1 ? argv[1] : mkdtemp(made);
    struct figures figures[ROUNDS];
    struct rusage usage;
    char path[4096];

    for (int i = 0; i < ROUNDS; i++) {
        if (!dir || run_once(dir, &figures[i]) != 0)
            return 1;
    }
    print_median("spool_put", "ns/point", figures, offsetof(struct figures, put_ns));
    print_median("spool_put_to_durable", "ns/point", figures, offsetof(struct figures, durable_ns));
    print_median("spool_durable_rate", "points/s", figures, offsetof(struct figures, durable_rate));
    print_median("spool_read", "ns/point", figures, offsetof(struct figures, read_ns));
    getrusage(RUSAGE_SELF, &usage);
    printf("{\"name\": \"spool_peak_memory\", \"unit\": \"KiB\", \"value\": %ld}\n",
           usage.ru_maxrss);
    if (argc > 1)
        return 0;
    snprintf(path, sizeof path, "%s/cursors/bench.cursor", dir);
    unlink(path);
    snprintf(path, sizeof path, "%s/cursors", dir);
    rmdir(path);
    snprintf(path, sizeof path, "%s/lock", dir);
    unlink(path);
    return rmdir(dir) == 0 ? 0 : 1;
}
