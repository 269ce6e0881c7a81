/* The metrics of the collector: those that it works out itself, by number, and those that profiles
 * feed, by name.
 *
 * A column of a profile that says a state feeds a family of counts: "optics.state" with the words
 * of its `words` gives optics.state_online, optics.state_los … one of which counts 1 in each poll.
 */
#pragma once

#include "ifmib.h"

#include "phusong/collector.h"
#include "phusong/metric.h"

#include <stdbool.h>

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
    PHU_SNMP_BUILT_IN, /* from here on: what profiles feed, found by name */
    PHU_SNMP_METRICS = PHU_SNMP_BUILT_IN + 188,
};

extern const struct phu_metric phu_snmp_metrics[PHU_SNMP_METRICS];

/* "optics.onu_rx_dbm": an index into the table, or -1 when profiles may not feed it. */
int phu_snmp_metric_find(const char *name);
/* The metric that stands for `word` of a family: optics.state_los of "optics.state", and of what
 * rows are counted in, pon.onus_los of "pon.onus". -1: no such family or word. */
int phu_snmp_metric_word(const char *family, const char *word);
/* Is it a family of counts? */
bool phu_snmp_metric_is_family(const char *name);

#define PHU_SNMP_ROW_KINDS 7

extern const struct phu_row_kind phu_snmp_row_kinds[PHU_SNMP_ROW_KINDS];

/* May rows of the measurement be named by this tag? */
bool phu_snmp_row_tag_is_known(const char *measurement, const char *tag);
