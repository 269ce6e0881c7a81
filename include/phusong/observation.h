/* An observation: the result of one check, run once. Plain data, copied by whoever keeps it. */
#pragma once

#include "phusong/metric.h"
#include "phusong/time.h"

#include <stddef.h>
#include <stdint.h>

/* One table for all collectors. "Not measured is not down": the results from NOPERM on say nothing
 * about the endpoint, they count neither as sent nor as lost, and its state becomes unknown. */
enum phu_result {
    PHU_RESULT_OK,
    PHU_RESULT_TIMEOUT,     /* no answer in time */
    PHU_RESULT_REFUSED,     /* connection refused or reset by the endpoint */
    PHU_RESULT_UNREACHABLE, /* an ICMP error or EHOSTUNREACH came back */
    PHU_RESULT_DNS,         /* the name does not resolve */
    PHU_RESULT_TLS,         /* handshake or certificate failed */
    PHU_RESULT_MISMATCH,    /* answered, but not what is expected (status, body, protocol) */
    PHU_RESULT_AUTH,        /* answered that our credentials are wrong */
    PHU_RESULT_PARTIAL,     /* answered in part; what came is kept (counts as a success) */
    PHU_RESULT_NOPERM,      /* this process may not measure (no socket permission) */
    PHU_RESULT_LOCAL_ERROR, /* no route, no buffer, receive overflow: our side failed */
    PHU_RESULT_SKIPPED,     /* not run: budget, pause, shutdown */
    /* Not a verdict: values only (a late reply, a duplicate). Changes no state, counts no probe. */
    PHU_RESULT_NONE,
};

/* Is it a verdict about the endpoint, and did the endpoint fail? */
const char *phu_result_name(enum phu_result result); /* "ok", "timeout" … */

struct phu_observation {
    uint32_t check; /* from the check's spec */
    uint32_t row;   /* 0, or a row from phu_sink_row() */
    enum phu_result result;
    struct phu_mono started;        /* when the probe left */
    struct phu_mono completed;      /* when the verdict was reached */
    const struct phu_value *values; /* borrowed for the call */
    size_t value_count;
};
