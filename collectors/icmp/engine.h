/* The collector's inside, shared by icmp.c (what the agent sees), engine.c (when to send and read),
 * judge.c (what an answer means) and slots.c (where targets live).
 */
#pragma once

#include "phusong/observation.h"
#include "phusong/sched.h"
#include "socket.h"
#include "target.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct phu_resolver;
struct phu_sink;
struct phu_stats;

#define PHU_ICMP_NONE UINT32_MAX /* no slot */

enum {
    PHU_ICMP_METRIC_RTT,
    PHU_ICMP_METRIC_LATE,
    PHU_ICMP_METRIC_DUPLICATE,
    PHU_ICMP_METRIC_CORRUPTED,
    PHU_ICMP_METRIC_FORGED,
    PHU_ICMP_METRIC_UNREACHABLE,
    PHU_ICMP_METRIC_TOO_BIG,
    PHU_ICMP_METRIC_TTL_EXCEEDED,
    PHU_ICMP_METRIC_OTHER_ERROR,
    PHU_ICMP_METRIC_TTL_CHANGED,
};

struct phu_icmp_list {
    uint32_t head, tail;
};

struct phu_icmp_engine;

/* Probes in flight with one timeout, oldest first. */
struct phu_icmp_lane {
    struct phu_icmp_engine *icmp;
    int64_t timeout_ns;
    struct phu_icmp_list sent;
    struct phu_timer expiry;
};

enum { PHU_ICMP_V4, PHU_ICMP_V6, PHU_ICMP_FAMILIES };

struct phu_icmp_channel {
    struct phu_icmp_engine *icmp;
    struct phu_icmp_socket *sock; /* NULL: `error` says why */
    struct phu_watch *watch;
    unsigned watched;
    int error;
    struct phu_icmp_list queues[2]; /* [is_df] */
    int64_t overflowed_ns;          /* monotonic; when replies were last dropped */
};

struct phu_icmp_counters {
    int64_t sent, received, late, duplicate, corrupted, forged, errors, send_errors, overflows;
};

struct phu_icmp_engine {
    struct phu_sched *sched;
    struct phu_sink *sink;
    struct phu_resolver *resolver;
    struct phu_stats *stats;
    struct phu_siphash_key key;
    struct phu_icmp_channel channels[PHU_ICMP_FAMILIES];
    struct phu_icmp_buffers *buffers;
    struct phu_icmp_target **chunks; /* see slots.c */
    size_t chunk_count;
    uint32_t slots; /* handed out so far */
    uint32_t free;  /* list of free slots, by `next` */
    struct phu_icmp_lane **lanes;
    size_t lane_count;
    struct phu_icmp_list failed;
    void (*lane_due)(struct phu_timer *timer);
    struct phu_timer flush, read;
    int64_t grain_ns; /* where in GRAIN_NS our turns lie: other timers join them */
    size_t in_flight;
    int64_t wall_offset_ns; /* CLOCK_REALTIME - CLOCK_MONOTONIC, as of this turn */
    struct phu_icmp_counters counters;
};

void phu_icmp_engine_init(struct phu_icmp_engine *icmp);
void phu_icmp_engine_stop(struct phu_icmp_engine *icmp);
int phu_icmp_engine_watch(struct phu_icmp_engine *icmp, struct phu_icmp_channel *channel);
/* The target is sent with all others of this turn of the loop. */
void phu_icmp_enqueue(struct phu_icmp_engine *icmp, struct phu_icmp_target *target);
/* A verdict that is known at once; told from the next turn, never from inside poll. */
void phu_icmp_fail_later(struct phu_icmp_engine *icmp, struct phu_icmp_target *target,
                         enum phu_result result);

/* NULL beyond the slots in use; a free one has family AF_UNSPEC. */
struct phu_icmp_target *phu_icmp_target_at(const struct phu_icmp_engine *icmp, uint32_t slot);
struct phu_icmp_target *phu_icmp_slot_take(struct phu_icmp_engine *icmp);
void phu_icmp_slot_free(struct phu_icmp_engine *icmp, struct phu_icmp_target *target);
/* The lane of a timeout, made when it is the first. */
int phu_icmp_lane_find(struct phu_icmp_engine *icmp, int64_t timeout_ns, uint32_t *number);
struct phu_icmp_channel *phu_icmp_channel_of(struct phu_icmp_engine *icmp,
                                             const struct phu_icmp_target *target);
/* State and list change together. */
void phu_icmp_enter(struct phu_icmp_engine *icmp, struct phu_icmp_target *target,
                    enum phu_icmp_state state);
void phu_icmp_leave(struct phu_icmp_engine *icmp, struct phu_icmp_target *target);

/* The target becomes idle and its check gets the result. */
void phu_icmp_put_verdict(struct phu_icmp_engine *icmp, struct phu_icmp_target *target,
                          enum phu_result result, int64_t completed_ns);
/* As phu_icmp_reader calls them; `arg` is the engine. */
void phu_icmp_judge_arrival(void *arg, const struct phu_icmp_arrival *arrival);
void phu_icmp_judge_stamp(void *arg, const struct phu_icmp_stamp *stamp);
