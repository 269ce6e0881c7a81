/* Drives the icmp collector alone: loop, collector and a sink that only counts, with TARGETS
 * addresses of 127.1.0.0/16 polled in turn at RATE per second. Prints one JSON object.
 *
 *     icmp_drive TARGETS RATE SECONDS [raw|ping|auto] [ipv6]
 *
 * RATE 0 polls as fast as verdicts come in, WINDOW at a time: the ceiling.
 */
#include "loop/loop.h"
#include "phusong/collector.h"
#include "phusong/conf.h"
#include "phusong/resolve.h"
#include "phusong/sched.h"
#include "phusong/sink.h"
#include "phusong/stats.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#define GRID_NS (10 * PHU_NS_PER_MS)
#define WINDOW 4096
#define RTT_MOST 100000 /* us */

extern const struct phu_collector phu_collector_icmp;

struct target {
    char address[32];
    char id[24];
    void *check;
    bool is_busy;
};

struct drive {
    struct phu_sink sink;
    struct phu_sched *sched;
    void *icmp;
    struct target *targets;
    size_t count, next;
    int64_t rate, polled, busy, in_flight;
    int64_t verdicts[PHU_RESULT_NONE + 1];
    int64_t *rtts; /* histogram, 1 us each */
    struct phu_timer tick;
    struct phu_mono began, due, end;
};

static void poll_next(struct drive *drive)
{
    struct target *target = &drive->targets[drive->next];

    drive->next = (drive->next + 1) % drive->count;
    if (target->is_busy) {
        drive->busy++;
        return;
    }
    target->is_busy = true;
    drive->polled++;
    drive->in_flight++;
    phu_collector_icmp.poll(drive->icmp, target->check);
}

static void tick_came(struct phu_timer *timer)
{
    struct drive *drive = phu_container_of(timer, struct drive, tick);
    struct phu_mono now = phu_sched_now(drive->sched);
    int64_t passed = phu_mono_since(drive->due, drive->began);
    int64_t planned = passed / PHU_NS_PER_MS * drive->rate / 1000;

    if (phu_mono_since(now, drive->end) >= 0) {
        if (!drive->in_flight)
            phu_loop_stop(drive->sched);
        else
            phu_timer_after(drive->sched, timer, GRID_NS);
        return;
    }
    while (drive->rate ? drive->polled + drive->busy < planned : drive->in_flight < WINDOW)
        poll_next(drive);
    drive->due = drive->rate ? phu_mono_add(drive->due, GRID_NS) : phu_mono_add(now, 1);
    phu_timer_at(drive->sched, timer, drive->due);
}

static void sink_put(struct phu_sink *sink, const struct phu_observation *observation)
{
    struct drive *drive = (struct drive *)sink;

    drive->verdicts[observation->result]++;
    if (observation->result == PHU_RESULT_NONE)
        return;
    drive->in_flight--;
    drive->targets[observation->check].is_busy = false;
    for (size_t i = 0; i < observation->value_count; i++) {
        int64_t rtt = observation->values[i].i;

        drive->rtts[rtt < RTT_MOST ? rtt : RTT_MOST]++;
    }
}

static void attach_all(struct drive *drive, const void *options, bool is_v6)
{
    for (size_t i = 0; i < drive->count; i++) {
        struct target *target = &drive->targets[i];
        struct phu_check_spec spec = {.check = (uint32_t)i,
                                      .id = target->id,
                                      .address = target->address,
                                      .argument = "",
                                      .credential = "",
                                      .rows = "",
                                      .options = options,
                                      .interval_ns = PHU_NS_PER_S,
                                      .timeout_ns = 2 * PHU_NS_PER_S};

        snprintf(target->id, sizeof target->id, "t%zu", i);
        if (is_v6)
            strcpy(target->address, "::1");
        else
            snprintf(target->address, sizeof target->address, "127.1.%zu.%zu", i >> 8 & 255,
                     i & 255);
        if (phu_collector_icmp.attach(drive->icmp, &spec, &target->check))
            abort();
    }
}

static int64_t percentile(const struct drive *drive, double share)
{
    int64_t total = 0, seen = 0;

    for (size_t i = 0; i <= RTT_MOST; i++)
        total += drive->rtts[i];
    for (size_t i = 0; i <= RTT_MOST; i++) {
        seen += drive->rtts[i];
        if ((double)seen >= share * (double)total)
            return (int64_t)i;
    }
    return -1;
}

static double cpu_s(void)
{
    struct rusage usage;

    getrusage(RUSAGE_SELF, &usage);
    return (double)usage.ru_utime.tv_sec + (double)usage.ru_stime.tv_sec +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static void print_stat(void *arg, const struct phu_stat_info *info, const char *labels,
                       double value)
{
    (void)arg;
    (void)labels;
    printf(", \"%s\": %.9g", info->name, value);
}

static void report(struct drive *drive, struct phu_stats *stats, double cpu, double wall)
{
    struct rusage usage;

    getrusage(RUSAGE_SELF, &usage);
    printf("{\"probes\": %lld, \"ok\": %lld, \"lost\": %lld, \"unknown\": %lld, \"busy\": %lld, "
           "\"cpu_us\": %.3f, \"rate\": %.0f, \"rtt_p50\": %lld, \"rtt_p99\": %lld, "
           "\"rtt_max\": %lld, \"rss_kib\": %ld",
           (long long)drive->polled, (long long)drive->verdicts[PHU_RESULT_OK],
           (long long)drive->verdicts[PHU_RESULT_TIMEOUT],
           (long long)drive->verdicts[PHU_RESULT_LOCAL_ERROR], (long long)drive->busy,
           cpu * 1e6 / (double)(drive->polled ? drive->polled : 1), (double)drive->polled / wall,
           (long long)percentile(drive, 0.5), (long long)percentile(drive, 0.99),
           (long long)percentile(drive, 1), usage.ru_maxrss);
    phu_stats_visit(stats, print_stat, NULL);
    puts("}");
}

int main(int argc, char **argv)
{
    struct drive drive = {.sink = {.put = sink_put}};
    struct phu_stats *stats = phu_stats_new();
    struct phu_collector_env env = {.sink = &drive.sink, .stats = stats};
    void *options = calloc(1, phu_collector_icmp.options->size);
    void *check_options = calloc(1, phu_collector_icmp.check_options->size);
    double cpu_before;

    if (argc < 4) {
        fputs("usage: icmp_drive TARGETS RATE SECONDS [raw|ping|auto] [ipv6]\n", stderr);
        return 3;
    }
    drive.count = strtoul(argv[1], NULL, 10);
    drive.rate = strtol(argv[2], NULL, 10);
    drive.targets = calloc(drive.count, sizeof *drive.targets);
    drive.rtts = calloc(RTT_MOST + 1, sizeof *drive.rtts);
    phu_conf_defaults(phu_collector_icmp.options, options);
    phu_conf_defaults(phu_collector_icmp.check_options, check_options);
    if (argc > 4) /* the first option is the kind of socket */
        *(int *)options = strcmp(argv[4], "raw") == 0 ? 2 : strcmp(argv[4], "ping") == 0;
    if (phu_loop_new(&drive.sched) || phu_resolver_new(drive.sched, &env.resolver))
        return 4;
    phu_loop_add_stats(drive.sched, stats);
    env.sched = drive.sched;
    if (phu_collector_icmp.open(&env, options, &drive.icmp))
        return 4;
    attach_all(&drive, check_options, argc > 5);
    phu_timer_init(&drive.tick, tick_came);
    drive.began.ns = (phu_sched_now(drive.sched).ns / GRID_NS + 2) * GRID_NS;
    drive.due = drive.began;
    drive.end = phu_mono_add(drive.began, (int64_t)(strtod(argv[3], NULL) * 1e9));
    phu_timer_at(drive.sched, &drive.tick, drive.due);
    cpu_before = cpu_s();
    phu_loop_run(drive.sched);
    report(&drive, stats, cpu_s() - cpu_before,
           (double)phu_mono_since(phu_sched_now(drive.sched), drive.began) / 1e9);
    for (size_t i = 0; i < drive.count; i++)
        phu_collector_icmp.detach(drive.icmp, drive.targets[i].check);
    phu_collector_icmp.close(drive.icmp);
    phu_resolver_free(env.resolver);
    phu_loop_free(drive.sched);
    phu_stats_free(stats);
    free(drive.targets);
    free(drive.rtts);
    free(options);
    free(check_options);
    return 0;
}
