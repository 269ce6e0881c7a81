/* From counters to deltas: pure arithmetic, no clock of its own.
 *
 * A counter says how much it has grown, never how much there was; between two readings it may have
 * been reset, have wrapped, or belong to something else. The rule here: a delta is reported only
 * when it is certain, and it carries the span it covers. What is uncertain is left out and counted,
 * so that a sum of deltas is never more than the true traffic and a gap is visible as missing span.
 *
 *     struct phu_counter counter = {0};
 *     switch (phu_counter_update(&counter, &reading, &terms, &delta)) ...
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* -- Has the device restarted since it was last asked? --------------------------------------- */

struct phu_uptime {
    bool has_ticks, has_engine_s;
    uint32_t ticks;   /* sysUpTime, hundredths of a second, wraps after 497 days */
    int64_t engine_s; /* snmpEngineTime, does not wrap for 68 years */
    int64_t at_ns;    /* monotonic time of the answer */
};

enum phu_uptime_verdict {
    PHU_UPTIME_UNKNOWN,   /* no evidence either way */
    PHU_UPTIME_CONTINUES, /* the device has run all the time */
    PHU_UPTIME_DOUBTFUL,  /* it looks like a wrap, but a restart would look the same */
    PHU_UPTIME_RESTARTED,
};

enum phu_uptime_verdict phu_uptime_judge(const struct phu_uptime *before,
                                         const struct phu_uptime *now);

/* -- One counter ----------------------------------------------------------------------------- */

/* The baseline that the next delta starts from. All zero: none yet. */
struct phu_counter {
    uint64_t value;
    int64_t at_ns;
    uint8_t bits; /* 32 or 64; 0 without a baseline */
};

struct phu_counter_reading {
    uint64_t value;
    int64_t at_ns;
    uint8_t bits; /* 0: the device did not give this counter in this poll */
};

struct phu_counter_terms {
    /* A 32-bit counter that shrank has wrapped, not been reset. */
    bool is_wrap_believed;
    /* The most that this counter can grow in a second; 0 when nothing is known. */
    uint64_t rate_max;
};

struct phu_counter_delta {
    int64_t growth;
    int64_t span_ns;
};

/* All ones is how devices say "no value" in a counter. */
bool phu_counter_is_sentinel(uint64_t value, uint8_t bits);

enum phu_counter_outcome {
    PHU_COUNTER_ABSENT,    /* no reading; the baseline stays, the next delta covers this gap too */
    PHU_COUNTER_FIRST,     /* nothing to compare with; the reading is the baseline now */
    PHU_COUNTER_DELTA,     /* `delta` is set */
    PHU_COUNTER_RESET,     /* went back or leapt impossibly; the reading is the baseline now */
    PHU_COUNTER_AMBIGUOUS, /* 32 bits could have wrapped unseen in so long a span */
};

enum phu_counter_outcome phu_counter_update(struct phu_counter *counter,
                                            const struct phu_counter_reading *reading,
                                            const struct phu_counter_terms *terms,
                                            struct phu_counter_delta *delta);
