/* What the files of the collector share: its options, its metrics, and itself. */
#pragma once

#include "ifmib.h"
#include "secret.h"

#include "phusong/collector.h"
#include "phusong/sched.h"

struct phu_session_shell;
struct phu_snmp_device;
struct phu_usm;

/* Section collectors.snmp. */
struct phu_snmp_options {
    int64_t concurrency, max_interfaces;
};

/* Keys of a check. */
struct phu_snmp_check_options {
    int64_t port, retries, max_repetitions;
    int64_t pdu_timeout_ns;
};

extern const struct phu_option_table phu_snmp_options, phu_snmp_check_options;

enum phu_snmp_metric {
    PHU_SNMP_POLLS,
    PHU_SNMP_ANSWERED,
    PHU_SNMP_PARTIAL,
    PHU_SNMP_RESPONSE_US,
    PHU_SNMP_DURATION_US,
    PHU_SNMP_PDUS,
    PHU_SNMP_VARBINDS,
    PHU_SNMP_TIMEOUTS,
    PHU_SNMP_BAD_ANSWERS,
    PHU_SNMP_AUTH_FAILURES,
    PHU_SNMP_RESTARTS,
    PHU_SNMP_UPTIME_S,
    PHU_SNMP_INTERFACES,
    PHU_SNMP_IF_COUNTERS, /* in the order of enum phu_if_counter */
    PHU_SNMP_IF_COVERED_MS = PHU_SNMP_IF_COUNTERS + PHU_IF_COUNTERS,
    PHU_SNMP_IF_POLLS,
    PHU_SNMP_IF_OPER_UP,
    PHU_SNMP_IF_ADMIN_UP,
    PHU_SNMP_IF_SPEED_BPS,
    PHU_SNMP_IF_RESETS,
    PHU_SNMP_IF_AMBIGUOUS,
    PHU_SNMP_METRICS,
};

extern const struct phu_metric phu_snmp_metrics[PHU_SNMP_METRICS];

/* The collector, as its devices see it. */
struct phu_snmp {
    struct phu_collector_env env;
    const struct phu_snmp_options *options;
    struct phu_session_shell *shell;
    struct phu_usm *usm;
    struct phu_secrets secrets;
    struct phu_snmp_device *first_waiting, **last_waiting;
    struct phu_timer free_place; /* fires when a waiting device may begin */
    struct phu_snmp_work *spare; /* for polls to come */
    int64_t in_flight, waiting;
    int64_t pdus, timeouts, bad_answers, rows_refused;
};

struct phu_snmp_device *phu_snmp_device_new(struct phu_snmp *snmp,
                                            const struct phu_check_spec *spec);
void phu_snmp_device_free(struct phu_snmp_device *device);
void phu_snmp_device_poll(struct phu_snmp_device *device);
