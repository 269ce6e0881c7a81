/* What the files of the collector share: its options, its metrics, and itself. */
#pragma once

#include "binding.h"
#include "metrics.h"
#include "secret.h"
#include "socket.h"

#include "phusong/collector.h"
#include "phusong/conf.h"
#include "phusong/sched.h"

struct phu_profiles;
struct phu_session_shell;
struct phu_snmp_device;
struct phu_usm;

/* Section collectors.snmp. */
struct phu_snmp_options {
    int64_t concurrency, max_interfaces, max_rows, receive_buffer;
    char *profiles;         /* folder; "": none but those that come with phusong */
    struct phu_list serves; /* struct phu_serves_option */
};

/* Keys of a check. */
struct phu_snmp_check_options {
    int64_t port, retries, max_repetitions, in_flight;
    int64_t pdu_timeout_ns, slow_ns, static_ns;
    double pdus_per_second, cpu_limit;
};

extern const struct phu_option_table phu_snmp_options, phu_snmp_check_options;

/* Devices that wait, in the order in which they came. Who leaves early leaves a hole, so that
 * thousands of them can be detached at once. */
struct phu_snmp_queue {
    struct phu_snmp_device **items; /* a ring */
    uint32_t head, tail;            /* places: they only grow, and wrap */
    uint32_t capacity;              /* a power of two */
};

/* The collector, as its devices see it. */
struct phu_snmp {
    struct phu_collector_env env;
    const struct phu_snmp_options *options;
    /* A reload may put another set here: whoever keeps a profile beyond a call shares the set that
     * it is of (phu_profiles_share). */
    struct phu_profiles *profiles;
    struct phu_session_shell *shell;
    struct phu_usm *usm;
    struct phu_secrets secrets;
    struct phu_snmp_queue queue;
    struct phu_timer free_place; /* fires when a waiting device may begin */
    struct phu_timer expiry;     /* of those that wait */
    struct phu_snmp_work *spare; /* for polls to come */
    unsigned spare_count;
    struct phu_udp_counts udp;
    int64_t in_flight, waiting;
    struct phu_serves serves;
    int cpu_metric, care_stops_metric, cell_metric, cell_changes_metric;
    int64_t pdus, timeouts, bad_answers, rows_refused;
    int64_t rows_bound, unbound_patterns, served_missing;
};

struct phu_snmp_device *phu_snmp_device_new(struct phu_snmp *snmp,
                                            const struct phu_check_spec *spec);
void phu_snmp_device_free(struct phu_snmp_device *device);
void phu_snmp_device_poll(struct phu_snmp_device *device);
