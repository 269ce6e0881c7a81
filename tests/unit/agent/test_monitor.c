#include "monitor.h"

#include "parse_line.h"
#include "phusong/collector.h"
#include "phusong/stats.h"
#include "sim.h"

#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define SECOND PHU_NS_PER_S
#define NOON "2026-11-23T12:00:00Z"

enum { WEB_TOTAL, WEB_BYTES, WEB_REDIRECTS, WEB_SHARE };

static const struct phu_metric web_metrics[] = {
    [WEB_TOTAL] = {"web", "total_us", "us", PHU_METRIC_SKETCH, PHU_METRIC_INT, "all of it"},
    [WEB_BYTES] = {"web", "body_bytes", "bytes", PHU_METRIC_SPREAD, PHU_METRIC_INT, "body"},
    [WEB_REDIRECTS] = {"web", "redirects", "1", PHU_METRIC_COUNT, PHU_METRIC_INT, "redirects"},
    [WEB_SHARE] = {"web", "cached", "1", PHU_METRIC_SPREAD, PHU_METRIC_FLOAT, "share cached"},
};
static const struct phu_collector web = {
    .name = "web", .metrics = web_metrics, .metric_count = 4, .rtt_metric = WEB_TOTAL};

enum { DEV_UPTIME, DEV_IN, DEV_POWER, DEV_PDUS, DEV_SPEED };

static const struct phu_metric dev_metrics[] = {
    [DEV_UPTIME] = {"snmp", "uptime_s", "s", PHU_METRIC_SPREAD, PHU_METRIC_INT, "uptime"},
    [DEV_IN] = {"interface", "in_bytes", "bytes", PHU_METRIC_COUNT, PHU_METRIC_INT, "octets"},
    [DEV_POWER] = {"optics", "rx_dbm", "dBm", PHU_METRIC_SPREAD, PHU_METRIC_FLOAT, "power"},
    [DEV_PDUS] = {"device", "pdus", "1", PHU_METRIC_COUNT, PHU_METRIC_INT, "messages"},
    [DEV_SPEED] = {"interface", "speed_bps", "bit/s", PHU_METRIC_SPREAD, PHU_METRIC_INT, "speed"},
};
static const struct phu_collector dev = {
    .name = "snmp", .metrics = dev_metrics, .metric_count = 5, .rtt_metric = -1};

#define LINES 64

struct bench {
    struct phu_sched *sched;
    struct phu_monitor *monitor;
    struct phu_stats *stats;
    char *lines[LINES];
    size_t line_count, all_lines;
    int64_t this_ms;
    size_t lines_in_this_ms, most_in_a_ms;
    bool keeps_lines;
    char *states[LINES]; /* lines of `state` stand apart */
    size_t state_count;
};

static void emit(void *arg, const char *line, size_t length, struct phu_wall at)
{
    struct bench *bench = arg;
    int64_t now = phu_sched_now(bench->sched).ns / PHU_NS_PER_MS;

    (void)at;
    if (strncmp(line, "state,", 6) == 0) {
        if (bench->keeps_lines && bench->state_count < LINES)
            bench->states[bench->state_count++] = strndup(line, length);
        return;
    }
    if (now != bench->this_ms)
        bench->lines_in_this_ms = 0;
    bench->this_ms = now;
    if (++bench->lines_in_this_ms > bench->most_in_a_ms)
        bench->most_in_a_ms = bench->lines_in_this_ms;
    bench->all_lines++;
    if (bench->keeps_lines && bench->line_count < LINES)
        bench->lines[bench->line_count++] = strndup(line, length);
}

static const char *hamlet_of_endpoints = "h 2";

static bool find_endpoint(void *arg, const char *id, struct phu_subject *subject)
{
    (void)arg;
    *subject = (struct phu_subject){.kind = PHU_SUBJECT_ENDPOINT,
                                    .id = id,
                                    .hamlet = hamlet_of_endpoints,
                                    .commune = "",
                                    .technology = "fibre",
                                    .operator= "vnpt, net" };
    return hamlet_of_endpoints && strncmp(id, "bn-", 3) == 0;
}

static void open_bench(struct bench *bench, uint32_t max_rows, bool has_stats)
{
    struct phu_monitor_conf conf = {.agent = "bn-1",
                                    .window_ns = 60 * SECOND,
                                    .max_rows = max_rows,
                                    .emit = emit,
                                    .emit_arg = bench,
                                    .endpoint = find_endpoint};

    *bench = (struct bench){.sched = phu_sim_new(phu_sim_wall(NOON)), .keeps_lines = true};
    bench->stats = conf.stats = has_stats ? phu_stats_new() : NULL;
    assert_int_equal(phu_monitor_new(bench->sched, &conf, &bench->monitor), 0);
}

static void forget_lines(struct bench *bench)
{
    for (size_t i = 0; i < bench->line_count; i++)
        free(bench->lines[i]);
    bench->line_count = 0;
    for (size_t i = 0; i < bench->state_count; i++)
        free(bench->states[i]);
    bench->state_count = 0;
}

static void close_bench(struct bench *bench)
{
    forget_lines(bench);
    phu_monitor_free(bench->monitor);
    phu_stats_free(bench->stats);
    phu_sim_free(bench->sched);
}

static uint32_t add(struct bench *bench, enum phu_subject_kind kind, const char *check,
                    const struct phu_collector *collector, bool is_primary)
{
    struct phu_monitor_check monitored = {
        .subject = {.kind = kind, .id = "bn-0412", .hamlet = "h 1", .commune = "09193"},
        .check = check,
        .collector = collector,
        .interval_ns = 10 * SECOND,
        .is_primary = is_primary};
    uint32_t handle = 0;

    if (kind == PHU_SUBJECT_ENDPOINT) {
        monitored.subject.technology = "4g";
        monitored.subject.operator= "vnpt";
    } else {
        monitored.subject.site = "olt-7";
    }
    assert_int_equal(phu_monitor_add(bench->monitor, &monitored, &handle), 0);
    assert_int_not_equal(handle, 0);
    return handle;
}

static void put(struct bench *bench, uint32_t check, uint32_t row, enum phu_result result,
                const struct phu_value *values, size_t count)
{
    struct phu_observation observation = {.check = check,
                                          .row = row,
                                          .result = result,
                                          .completed = phu_sched_now(bench->sched),
                                          .values = values,
                                          .value_count = count};

    phu_sink_put(phu_monitor_sink(bench->monitor), &observation);
}

static void put_total(struct bench *bench, uint32_t check, int64_t us)
{
    struct phu_value value = {.metric = WEB_TOTAL, .i = us};

    put(bench, check, 0, PHU_RESULT_OK, &value, 1);
}

/* -- What a window says ---------------------------------------------------------------------- */

static void a_primary_check_gives_coverage(void **state)
{
    struct bench bench;
    uint32_t check;

    (void)state;
    open_bench(&bench, 0, false);
    check = add(&bench, PHU_SUBJECT_ENDPOINT, "web:8080", &web, true);
    phu_sim_run(bench.sched, 5 * SECOND);
    put_total(&bench, check, 10000);
    phu_sim_run(bench.sched, 10 * SECOND);
    put_total(&bench, check, 10900);
    phu_sim_run(bench.sched, 10 * SECOND);
    put(&bench, check, 0, PHU_RESULT_TIMEOUT, NULL, 0);
    phu_sim_run(bench.sched, 10 * SECOND);
    put_total(&bench, check, 30000);
    phu_sim_run(bench.sched, 30 * SECOND);
    assert_int_equal(bench.line_count, 1);
    assert_string_equal(
        bench.lines[0],
        "coverage,agent=bn-1,commune=09193,endpoint=bn-0412,hamlet=h\\ 1,operator=vnpt,"
        "technology=4g sent=4i,lost=1i,rtt_sum_us=50900i,rtt_count=3i,rtt_min_us=10000i,"
        "rtt_max_us=30000i,rtt_b93=2i,rtt_b104=1i,jitter_sum_us=900i,jitter_count=1i,"
        "up_ms=55000i,unknown_ms=5000i,good_ms=45000i,span_ms=60000i 1795435200000000000\n");
    close_bench(&bench);
}

static void another_check_gives_its_own_measurement(void **state)
{
    const struct phu_value values[] = {{.metric = WEB_TOTAL, .i = 10000},
                                       {.metric = WEB_BYTES, .i = 512},
                                       {.metric = WEB_SHARE, .f = 0.25}};
    struct bench bench;
    uint32_t check;

    (void)state;
    open_bench(&bench, 0, false);
    check = add(&bench, PHU_SUBJECT_ENDPOINT, "web:8080", &web, false);
    put(&bench, check, 0, PHU_RESULT_OK, values, 3);
    put(&bench, check, 0, PHU_RESULT_REFUSED, NULL, 0);
    put(&bench, check, 0, PHU_RESULT_NOPERM, NULL, 0); /* neither sent nor lost */
    phu_sim_run(bench.sched, 61 * SECOND);
    assert_int_equal(bench.line_count, 1);
    assert_string_equal(
        bench.lines[0],
        "web,agent=bn-1,check=web:8080,commune=09193,endpoint=bn-0412,hamlet=h\\ 1,operator=vnpt,"
        "technology=4g sent=2i,lost=1i,total_sum_us=10000i,total_count=1i,total_min_us=10000i,"
        "total_max_us=10000i,total_b93=1i,body_sum_bytes=512i,body_count=1i,body_min_bytes=512i,"
        "body_max_bytes=512i,cached_sum=0.25,cached_count=1i,cached_min=0.25,cached_max=0.25 "
        "1795435200000000000\n");
    forget_lines(&bench);
    phu_sim_run(bench.sched, 60 * SECOND); /* a window in which nothing happened */
    assert_int_equal(bench.line_count, 0);
    close_bench(&bench);
}

static void a_device_has_rows(void **state)
{
    const struct phu_value in = {.metric = DEV_IN, .i = 1000};
    const struct phu_value power = {.metric = DEV_POWER, .f = -21.5};
    const struct phu_value whole[] = {{.metric = DEV_UPTIME, .i = 86400},
                                      {.metric = DEV_PDUS, .i = 3}};
    const struct phu_value speed = {.metric = DEV_SPEED, .i = 1000000000};
    struct bench bench;
    struct phu_sink *sink;
    uint32_t check, first = 0, second = 0, again = 0;

    (void)state;
    open_bench(&bench, 2, false);
    sink = phu_monitor_sink(bench.monitor);
    check = add(&bench, PHU_SUBJECT_DEVICE, "snmp", &dev, true);
    assert_int_equal(
        phu_sink_row(sink, check, &(struct phu_row){.tag = "interface", .name = "ge 0/1"}, &first),
        0);
    assert_int_equal(
        phu_sink_row(sink, check, &(struct phu_row){.tag = "interface", .name = "ge 0/2"}, &second),
        0);
    assert_int_equal(
        phu_sink_row(sink, check, &(struct phu_row){.tag = "interface", .name = "ge 0/1"}, &again),
        0);
    assert_int_equal(first, again);
    assert_int_not_equal(first, second);
    assert_int_equal(
        phu_sink_row(sink, check, &(struct phu_row){.tag = "interface", .name = "ge 0/3"}, &again),
        -ENOSPC);
    put(&bench, check, first, PHU_RESULT_OK, &in, 1);
    put(&bench, check, first, PHU_RESULT_OK, &power, 1);
    put(&bench, check, second, PHU_RESULT_OK, &in, 1);
    put(&bench, check, 0, PHU_RESULT_PARTIAL, whole, 2);
    put(&bench, check, second, PHU_RESULT_OK, &speed, 1);
    phu_sim_run(bench.sched, 61 * SECOND);
    assert_int_equal(bench.line_count, 5);
    assert_string_equal(bench.lines[0],
                        "device,agent=bn-1,commune=09193,device=bn-0412,hamlet=h\\ 1,site=olt-7 "
                        "sent=1i,lost=0i,up_ms=25000i,unknown_ms=35000i,good_ms=25000i,"
                        "span_ms=60000i,pdus=3i 1795435200000000000\n");
    assert_string_equal(bench.lines[1],
                        "snmp,agent=bn-1,check=snmp,commune=09193,device=bn-0412,hamlet=h\\ 1,"
                        "site=olt-7 uptime_sum_s=86400i,uptime_count=1i,uptime_min_s=86400i,"
                        "uptime_max_s=86400i 1795435200000000000\n");
    assert_string_equal(bench.lines[2],
                        "interface,agent=bn-1,check=snmp,commune=09193,device=bn-0412,"
                        "hamlet=h\\ 1,interface=ge\\ 0/1,site=olt-7 in_bytes=1000i "
                        "1795435200000000000\n");
    assert_string_equal(bench.lines[3],
                        "optics,agent=bn-1,check=snmp,commune=09193,device=bn-0412,hamlet=h\\ 1,"
                        "interface=ge\\ 0/1,site=olt-7 rx_sum_dbm=-21.5,rx_count=1i,"
                        "rx_min_dbm=-21.5,rx_max_dbm=-21.5 1795435200000000000\n");
    assert_non_null(strstr(
        bench.lines[4],
        "interface=ge\\ 0/2,site=olt-7 in_bytes=1000i,speed_sum_bps=1000000000i,speed_count=1i"));
    close_bench(&bench);
}

static int row(struct bench *bench, uint32_t check, const char *tag, const char *name,
               const char *endpoint, uint32_t *handle)
{
    return phu_sink_row(phu_monitor_sink(bench->monitor), check,
                        &(struct phu_row){.tag = tag, .name = name, .endpoint = endpoint}, handle);
}

static void a_row_that_serves_an_endpoint_has_its_tags(void **state)
{
    const struct phu_value power = {.metric = DEV_POWER, .f = -21.5};
    struct bench bench;
    uint32_t check, served, other, again, whole;

    (void)state;
    open_bench(&bench, 0, false);
    check = add(&bench, PHU_SUBJECT_DEVICE, "snmp", &dev, true);
    assert_int_equal(row(&bench, check, "onu", "0/1:5", "bn-1-fibre", &served), 0);
    assert_int_equal(row(&bench, check, "onu", "0/1:6", NULL, &other), 0);
    assert_int_equal(row(&bench, check, "", "", "bn-2-4g", &whole), 0);
    assert_int_equal(row(&bench, check, "onu", "0/1:5", "bn-1-fibre", &again), 0);
    assert_int_equal(again, served);
    assert_int_equal(row(&bench, check, "", "", "bn-2-4g", &again), 0);
    assert_int_equal(again, whole);
    put(&bench, check, served, PHU_RESULT_NONE, &power, 1);
    put(&bench, check, other, PHU_RESULT_NONE, &power, 1);
    put(&bench, check, whole, PHU_RESULT_NONE, &power, 1);
    phu_sim_run(bench.sched, 61 * SECOND);
    assert_int_equal(bench.line_count, 4);
    assert_non_null(strstr(bench.lines[1],
                           "optics,agent=bn-1,check=snmp,device=bn-0412,endpoint=bn-1-fibre,"
                           "hamlet=h\\ 2,onu=0/1:5,operator=vnpt\\,\\ net,site=olt-7,"
                           "technology=fibre rx_sum_dbm="));
    assert_non_null(strstr(bench.lines[2], "optics,agent=bn-1,check=snmp,commune=09193,"
                                           "device=bn-0412,hamlet=h\\ 1,onu=0/1:6,site=olt-7 "
                                           "rx_sum_dbm="));
    assert_non_null(strstr(bench.lines[3],
                           "optics,agent=bn-1,check=snmp,device=bn-0412,endpoint=bn-2-4g,"
                           "hamlet=h\\ 2,operator=vnpt\\,\\ net,site=olt-7,technology=fibre "
                           "rx_sum_dbm="));
    close_bench(&bench);
}

static void a_row_may_come_to_serve_another_endpoint(void **state)
{
    static const char *const endpoints[] = {NULL, "bn-1", "bn-2", "bn-2", NULL};
    static const char *const tags[] = {"onu=7,site", "endpoint=bn-1,", "endpoint=bn-2,",
                                       "endpoint=bn-2,", "onu=7,site"};
    const struct phu_value power = {.metric = DEV_POWER, .f = -21.5};
    struct bench bench;
    uint32_t check, handle, first = 0;

    (void)state;
    open_bench(&bench, 0, false);
    check = add(&bench, PHU_SUBJECT_DEVICE, "snmp", &dev, false);
    for (size_t i = 0; i < sizeof endpoints / sizeof *endpoints; i++) {
        assert_int_equal(row(&bench, check, "onu", "7", endpoints[i], &handle), 0);
        if (!first)
            first = handle;
        assert_int_equal(handle, first);
        put(&bench, check, handle, PHU_RESULT_NONE, &power, 1);
        assert_int_equal(row(&bench, check, "onu", "7", "nobody", &handle), -ENOENT);
        phu_sim_run(bench.sched, SECOND);
        phu_monitor_flush(bench.monitor);
        assert_int_equal(bench.line_count, 1);
        assert_non_null(strstr(bench.lines[0], tags[i]));
        forget_lines(&bench);
    }
    close_bench(&bench);
}

/* Each change leaves tags behind that nobody uses: they are cleared away, the others are moved. */
static void rows_keep_their_tags_however_often_they_change(void **state)
{
    static const char *const names[] = {"1", "2", "3"};
    const struct phu_value power = {.metric = DEV_POWER, .f = -21.5};
    struct bench bench;
    uint32_t check, handle;

    (void)state;
    open_bench(&bench, 0, false);
    check = add(&bench, PHU_SUBJECT_DEVICE, "snmp", &dev, false);
    for (unsigned i = 0; i < 300; i++) {
        char endpoint[32];

        snprintf(endpoint, sizeof endpoint, "bn-%u", i);
        for (unsigned k = 0; k < 3; k++) {
            assert_int_equal(
                row(&bench, check, "onu", names[k], (i + k) % 3 ? NULL : endpoint, &handle), 0);
            assert_int_equal(handle, k + 1);
            put(&bench, check, handle, PHU_RESULT_NONE, &power, 1);
        }
    }
    phu_sim_run(bench.sched, SECOND);
    phu_monitor_flush(bench.monitor);
    assert_int_equal(bench.line_count, 3);
    assert_non_null(strstr(bench.lines[0], "onu=1,site"));
    assert_non_null(strstr(bench.lines[1], "endpoint=bn-299,"));
    assert_non_null(strstr(bench.lines[1], "onu=2,"));
    assert_non_null(strstr(bench.lines[2], "onu=3,site"));
    close_bench(&bench);
}

static void rows_know_whether_their_endpoint_is_the_same(void **state)
{
    struct bench bench;
    uint32_t check, handle;

    (void)state;
    hamlet_of_endpoints = "h 2";
    open_bench(&bench, 0, false);
    check = add(&bench, PHU_SUBJECT_DEVICE, "snmp", &dev, true);
    assert_int_equal(row(&bench, check, "onu", "0/1:6", NULL, &handle), 0);
    assert_true(phu_monitor_is_current(bench.monitor, check));
    assert_int_equal(row(&bench, check, "onu", "0/1:5", "bn-1-fibre", &handle), 0);
    assert_int_equal(row(&bench, check, "", "", "bn-2-4g", &handle), 0);
    assert_true(phu_monitor_is_current(bench.monitor, check));
    hamlet_of_endpoints = "h 3";
    assert_false(phu_monitor_is_current(bench.monitor, check));
    hamlet_of_endpoints = "h 2";
    assert_true(phu_monitor_is_current(bench.monitor, check));
    hamlet_of_endpoints = NULL; /* they are gone */
    assert_false(phu_monitor_is_current(bench.monitor, check));
    hamlet_of_endpoints = "h 2";
    close_bench(&bench);
}

static void a_row_that_cannot_be_is_refused(void **state)
{
    struct bench bench;
    uint32_t check, handle;

    (void)state;
    open_bench(&bench, 0, false);
    check = add(&bench, PHU_SUBJECT_DEVICE, "snmp", &dev, true);
    assert_int_equal(row(&bench, check, "onu", "1", "nobody", &handle), -ENOENT);
    assert_int_equal(row(&bench, check, "onu", "1", "", &handle), -ENOENT);
    assert_int_equal(row(&bench, check, "device", "1", NULL, &handle), -EINVAL);
    assert_int_equal(row(&bench, check, "onu", "", NULL, &handle), -EINVAL);
    assert_int_equal(row(&bench, check, "endpoint", "1", "bn-1", &handle), -EINVAL);
    assert_int_equal(row(&bench, check, "onu", "1", "bn-1", &handle), 0);
    close_bench(&bench);
}

/* Each is found again, and none takes long: with a search from the first this is 200 million
 * comparisons. */
static void many_rows_are_found(void **state)
{
    enum { MANY = 16384 };
    struct bench bench;
    char name[32], endpoint[32];
    uint32_t check, handle;

    (void)state;
    open_bench(&bench, 0, false);
    check = add(&bench, PHU_SUBJECT_DEVICE, "snmp", &dev, true);
    for (int round = 0; round < 2; round++) {
        for (uint32_t i = 0; i < MANY; i++) {
            snprintf(name, sizeof name, "0/%u/%u:%u", i / 2048, i / 128 % 16, i % 128);
            snprintf(endpoint, sizeof endpoint, "bn-%u", i);
            assert_int_equal(row(&bench, check, "onu", name, i % 2 ? endpoint : NULL, &handle), 0);
            assert_int_equal(handle, i + 1);
        }
    }
    assert_int_equal(row(&bench, check, "onu", "one more", NULL, &handle), -ENOSPC);
    close_bench(&bench);
}

static void a_late_reply_is_no_round_trip(void **state)
{
    const struct phu_value values[] = {{.metric = WEB_TOTAL, .i = 3000000},
                                       {.metric = WEB_REDIRECTS, .i = 1}};
    struct bench bench;
    uint32_t check;

    (void)state;
    open_bench(&bench, 0, false);
    check = add(&bench, PHU_SUBJECT_ENDPOINT, "web", &web, true);
    put(&bench, check, 0, PHU_RESULT_TIMEOUT, NULL, 0);
    put(&bench, check, 0, PHU_RESULT_NONE, values, 2);
    phu_monitor_remove(bench.monitor, check);
    assert_int_equal(bench.line_count, 2);
    assert_null(strstr(bench.lines[0], "rtt_"));
    assert_non_null(strstr(bench.lines[0], "sent=1i,lost=1i"));
    assert_non_null(strstr(bench.lines[1], " redirects=1i "));
    assert_null(strstr(bench.lines[1], "total_"));
    close_bench(&bench);
}

static void what_makes_no_sense_is_refused_and_counted(void **state)
{
    const struct phu_value values[] = {{.metric = 99, .i = 1}, {.metric = WEB_SHARE, .f = NAN}};
    struct bench bench;
    uint32_t check, row;

    (void)state;
    open_bench(&bench, 0, false);
    check = add(&bench, PHU_SUBJECT_ENDPOINT, "web", &web, false);
    put(&bench, check, 0, PHU_RESULT_NONE, values, 2);
    put(&bench, check, 7, PHU_RESULT_NONE, values, 2);
    put(&bench, check + 1, 0, PHU_RESULT_OK, NULL, 0);
    put(&bench, 0, 0, PHU_RESULT_OK, NULL, 0);
    assert_int_equal(phu_sink_row(phu_monitor_sink(bench.monitor), 0,
                                  &(struct phu_row){.tag = "a", .name = "b"}, &row),
                     -ENOENT);
    phu_monitor_flush(bench.monitor);
    phu_monitor_remove(bench.monitor, check + 1);
    assert_int_equal(bench.line_count, 0);
    close_bench(&bench);
}

/* -- Handles, verdicts ----------------------------------------------------------------------- */

struct watcher {
    struct bench *bench;
    struct phu_monitor_verdict last;
    int count;
    bool removes;
};

static void watch(void *arg, const struct phu_monitor_verdict *verdict)
{
    struct watcher *watcher = arg;

    watcher->last = *verdict;
    watcher->count++;
    if (watcher->removes)
        phu_monitor_remove(watcher->bench->monitor, verdict->check);
}

static void the_end_of_a_poll_is_told_once(void **state)
{
    const struct phu_value value = {.metric = DEV_IN, .i = 5};
    struct bench bench;
    struct watcher watcher = {.bench = &bench};
    uint32_t check, row = 0;

    (void)state;
    open_bench(&bench, 0, false);
    phu_monitor_on_verdict(bench.monitor, watch, &watcher);
    check = add(&bench, PHU_SUBJECT_DEVICE, "snmp", &dev, true);
    phu_sink_row(phu_monitor_sink(bench.monitor), check,
                 &(struct phu_row){.tag = "interface", .name = "e1"}, &row);
    put(&bench, check, row, PHU_RESULT_OK, &value, 1);
    put(&bench, check, 0, PHU_RESULT_NONE, &value, 1);
    assert_int_equal(watcher.count, 0);
    put(&bench, check, 0, PHU_RESULT_OK, &value, 1);
    assert_int_equal(watcher.count, 1);
    assert_int_equal(watcher.last.check, check);
    assert_int_equal(watcher.last.before, PHU_STATE_UNKNOWN);
    assert_int_equal(watcher.last.state, PHU_STATE_UP);
    assert_true(watcher.last.is_primary);
    assert_int_equal(phu_monitor_state(bench.monitor, check), PHU_STATE_UP);
    phu_sim_run(bench.sched, 26 * SECOND);
    assert_int_equal(phu_monitor_state(bench.monitor, check), PHU_STATE_UNKNOWN);
    watcher.removes = true;
    put(&bench, check, 0, PHU_RESULT_AUTH, NULL, 0);
    assert_int_equal(watcher.count, 2);
    put(&bench, check, 0, PHU_RESULT_OK, NULL, 0); /* a stray now */
    assert_int_equal(watcher.count, 2);
    close_bench(&bench);
}

static void handles_are_reused_and_never_mixed_up(void **state)
{
    struct bench bench;
    uint32_t handles[200];

    (void)state;
    open_bench(&bench, 0, false);
    for (int i = 0; i < 200; i++)
        handles[i] = add(&bench, PHU_SUBJECT_ENDPOINT, "web", &web, true);
    for (int i = 0; i < 200; i += 2)
        phu_monitor_remove(bench.monitor, handles[i]);
    for (int i = 0; i < 200; i += 2) {
        uint32_t handle = add(&bench, PHU_SUBJECT_ENDPOINT, "web", &web, true);

        assert_true(handle <= 200);
        for (int k = 1; k < 200; k += 2)
            assert_int_not_equal(handle, handles[k]);
    }
    close_bench(&bench);
}

static void a_reload_keeps_the_window_of_what_stays(void **state)
{
    struct phu_quality strict = phu_quality_default;
    struct bench bench;
    uint32_t check;

    (void)state;
    strict.rtt_max_ns = PHU_NS_PER_MS;
    open_bench(&bench, 0, false);
    check = add(&bench, PHU_SUBJECT_ENDPOINT, "web", &web, true);
    put_total(&bench, check, 10000);
    assert_int_equal(phu_monitor_state(bench.monitor, check), PHU_STATE_UP);
    phu_monitor_adjust(bench.monitor, check, &strict, 20 * SECOND);
    phu_sim_run(bench.sched, 40 * SECOND);
    assert_int_equal(phu_monitor_state(bench.monitor, check), PHU_STATE_UP); /* 2.5 * 20 s */
    put_total(&bench, check, 10000);
    assert_int_equal(phu_monitor_state(bench.monitor, check), PHU_STATE_DEGRADED);
    phu_sim_run(bench.sched, 21 * SECOND);
    assert_int_equal(bench.line_count, 1);
    assert_non_null(strstr(bench.lines[0], "sent=2i"));
    close_bench(&bench);
}

/* -- When windows end ------------------------------------------------------------------------ */

static void the_end_of_a_window_is_not_a_burst(void **state)
{
    enum { CHECKS = 100000 };
    struct bench bench;

    (void)state;
    open_bench(&bench, 0, false);
    bench.keeps_lines = false;
    for (int i = 0; i < CHECKS; i++)
        add(&bench, PHU_SUBJECT_ENDPOINT, "web", &web, true);
    phu_sim_run(bench.sched, 60 * SECOND - 1);
    assert_int_equal(bench.all_lines, 0);
    phu_sim_run(bench.sched, 5 * SECOND);
    assert_int_equal(bench.all_lines, CHECKS);
    assert_true(bench.most_in_a_ms <= 400);
    phu_sim_run(bench.sched, 60 * SECOND);
    assert_int_equal(bench.all_lines, 2 * CHECKS);
    close_bench(&bench);
}

static void an_observation_counts_where_it_was_completed(void **state)
{
    struct bench bench;
    uint32_t check;
    struct phu_value value = {.metric = WEB_TOTAL, .i = 10000};
    struct phu_observation observation = {
        .result = PHU_RESULT_OK, .values = &value, .value_count = 1};

    (void)state;
    open_bench(&bench, 0, false);
    check = add(&bench, PHU_SUBJECT_ENDPOINT, "web", &web, true);
    phu_sim_run(bench.sched, 60 * SECOND - PHU_NS_PER_MS);
    observation.check = check;
    observation.completed = phu_sched_now(bench.sched);
    phu_sim_run(bench.sched, 100 * PHU_NS_PER_MS); /* read late, after the cut */
    phu_sink_put(phu_monitor_sink(bench.monitor), &observation);
    observation.completed = phu_sched_now(bench.sched);
    phu_sink_put(phu_monitor_sink(bench.monitor), &observation);
    assert_int_equal(bench.line_count, 1); /* the second one ended the window, before the sweep */
    assert_non_null(strstr(bench.lines[0], "sent=1i"));
    phu_sim_run(bench.sched, 2 * SECOND);
    assert_int_equal(bench.line_count, 1);
    close_bench(&bench);
}

static void a_flush_emits_what_there_is(void **state)
{
    struct bench bench;
    uint32_t check;

    (void)state;
    open_bench(&bench, 0, false);
    check = add(&bench, PHU_SUBJECT_ENDPOINT, "web", &web, true);
    phu_sim_run(bench.sched, 7 * SECOND);
    put_total(&bench, check, 10000);
    phu_sim_run(bench.sched, 3 * SECOND);
    phu_monitor_flush(bench.monitor);
    assert_int_equal(bench.line_count, 1);
    assert_non_null(strstr(bench.lines[0], "span_ms=10000i 1795435200000000000\n"));
    phu_monitor_flush(bench.monitor);
    assert_int_equal(bench.line_count, 1);
    phu_sim_run(bench.sched, 55 * SECOND);
    assert_int_equal(bench.line_count, 2);
    assert_non_null(strstr(bench.lines[1], "span_ms=50000i 1795435210000000000\n"));
    close_bench(&bench);
}

/* -- The agent itself ------------------------------------------------------------------------ */

static void the_agent_reports_on_itself(void **state)
{
    static const struct phu_stat_info sent = {"phusong_sent_bytes", PHU_STAT_COUNTER, ""};
    const int64_t value = 7;
    static struct parsed_line line;
    struct bench bench;
    uint32_t check;

    (void)state;
    open_bench(&bench, 0, true);
    phu_stats_add(bench.stats, &sent, "exporter=\"a \\\"b\\\"\",code=\"204\"", &value);
    check = add(&bench, PHU_SUBJECT_ENDPOINT, "web", &web, true);
    put(&bench, check, 0, PHU_RESULT_REFUSED, NULL, 0);
    phu_sim_run(bench.sched, 61 * SECOND);
    for (size_t i = 0; i < bench.line_count; i++) {
        assert_null(parse_line(bench.lines[i], strlen(bench.lines[i]), &line));
        assert_string_equal(parsed_tag(&line, "agent"), "bn-1");
        if (strcmp(parsed_tag(&line, "result"), "refused") == 0)
            assert_true(parsed_field(&line, "observations_total")->f == 1);
        if (strcmp(parsed_tag(&line, "code"), "204") == 0) {
            assert_string_equal(parsed_tag(&line, "exporter"), "a \"b\"");
            assert_true(parsed_field(&line, "sent_bytes")->f == 7);
        }
        parsed_line_free(&line);
    }
    /* coverage; without labels; one per result; the statistic above */
    assert_int_equal(bench.line_count, 1 + 1 + PHU_RESULT_NONE + 1 + 1);
    phu_stats_remove_within(bench.stats, &value, sizeof value);
    close_bench(&bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_primary_check_gives_coverage),
        cmocka_unit_test(another_check_gives_its_own_measurement),
        cmocka_unit_test(a_device_has_rows),
        cmocka_unit_test(a_row_that_serves_an_endpoint_has_its_tags),
        cmocka_unit_test(a_row_may_come_to_serve_another_endpoint),
        cmocka_unit_test(rows_keep_their_tags_however_often_they_change),
        cmocka_unit_test(rows_know_whether_their_endpoint_is_the_same),
        cmocka_unit_test(a_row_that_cannot_be_is_refused),
        cmocka_unit_test(many_rows_are_found),
        cmocka_unit_test(a_late_reply_is_no_round_trip),
        cmocka_unit_test(what_makes_no_sense_is_refused_and_counted),
        cmocka_unit_test(the_end_of_a_poll_is_told_once),
        cmocka_unit_test(handles_are_reused_and_never_mixed_up),
        cmocka_unit_test(a_reload_keeps_the_window_of_what_stays),
        cmocka_unit_test(the_end_of_a_window_is_not_a_burst),
        cmocka_unit_test(an_observation_counts_where_it_was_completed),
        cmocka_unit_test(a_flush_emits_what_there_is),
        cmocka_unit_test(the_agent_reports_on_itself),
    };

    return cmocka_run_group_tests_name("monitor", tests, NULL, NULL);
}
