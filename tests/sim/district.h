/* A small district for scenarios: simulated endpoints, the real check runner and the real monitor
 * between them, and a store that keeps count of everything that is emitted.
 *
 * The store refuses, by failing the test, a line that is not strict line protocol, a second line
 * of the same series and timestamp, and a window whose times in states do not add up to its span.
 * At the end district_check() compares the sums of all windows with what the links did. */
#pragma once

#include "collector.h"
#include "core/health.h"
#include "core/quality.h"
#include "doubts.h"
#include "sim.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct phu_checks;
struct phu_monitor;
struct phu_stats;

struct stored_sums {
    int64_t sent, lost, late, ttl_count;
    int64_t confirm_sent, confirm_lost;
    int64_t rtt_sum_us, rtt_count, bucket_count;
    int64_t jitter_sum_us, jitter_count;
    int64_t up_ms, degraded_ms, down_ms, unknown_ms, good_ms, span_ms;
    int64_t windows, partial_windows;
    int64_t states; /* lines of `state` */
    int64_t state;  /* what the last one said */
};

struct house {
    struct phu_sim_link *link; /* = district->links.links[number] */
    uint32_t handle;           /* 0 while not in the inventory */
    int64_t added_ms;
    int64_t attached_ms; /* of former times in the inventory */
    struct stored_sums sums;
};

struct district {
    struct phu_sched *sched;
    struct phu_monitor *monitor; /* NULL while the agent does not run */
    struct phu_checks *checks;
    struct phu_stats *stats;
    void *collector;
    struct phu_sim_links links;
    struct house *houses;
    size_t count;
    int64_t interval_ns, timeout_ns, window_ns;
    const struct phu_quality *quality;
    const struct phu_pace *pace; /* NULL: nothing is confirmed */
    struct phu_doubts doubts;
    phu_health_cb *on_health; /* may be NULL */
    void *on_health_arg;
    struct phu_chance chance;
    int64_t newest_ns; /* the latest timestamp in the store */
    uint64_t *seen;    /* hashes of series and timestamp; a power of two */
    size_t seen_size, seen_count;
    int64_t agent_points;
    bool is_deaf; /* what is emitted is not looked at */
    int64_t lines, lines_in_this_ms, most_lines_in_a_ms, this_ms;
};

/* Everything at rest, the agent not running. 10 s interval, 2 s timeout, 60 s windows. */
void district_init(struct district *district, const char *wall, size_t houses);
void district_fini(struct district *district);

void district_start(struct district *district);
/* In order: windows are emitted. */
void district_stop(struct district *district);
void district_run(struct district *district, int64_t ns);
void district_add(struct district *district, size_t number);
void district_remove(struct district *district, size_t number);

/* The agent has been stopped: sums equal the truth, spans equal the time in the inventory. */
void district_check(const struct district *district);

#define SECOND PHU_NS_PER_S
#define MINUTE (60 * SECOND)
#define HOUR (60 * MINUTE)
#define DAY (24 * HOUR)
