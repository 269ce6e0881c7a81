/* From counters to deltas. See counter.h for the rule, here is how each doubt is settled.
 *
 * sysUpTime tells a restart from a wrap by comparing with where it should be by our own clock. Near
 * the wrap both look alike; snmpEngineTime then decides, and without it the wrap is only
 * "doubtful", which costs one delta of those 32-bit counters that shrank, once in 497 days.
 */
#include "counter.h"

#define TICKS_PER_S INT64_C(100)
#define NS_PER_TICK INT64_C(10000000)
#define NS_PER_S INT64_C(1000000000)
#define TICKS_WRAP (INT64_C(1) << 32)
#define WRAP32 (UINT64_C(1) << 32)

/* Devices answer late and refresh sysUpTime only now and then; their clocks drift. */
#define SLACK_TICKS(elapsed) (15 * TICKS_PER_S + (elapsed) / 50)

/* 400 Gbit/s in octets: what grows faster, on a link that claims less, was overwritten. */
#define BELIEVABLE_PER_S UINT64_C(50000000000)

static enum phu_uptime_verdict judge_ticks(const struct phu_uptime *before,
                                           const struct phu_uptime *now)
{
    int64_t elapsed = (now->at_ns - before->at_ns) / NS_PER_TICK;
    int64_t slack = SLACK_TICKS(elapsed);
    int64_t expected = before->ticks + elapsed;
    int64_t ticks = now->ticks;

    if (elapsed >= TICKS_WRAP)
        return PHU_UPTIME_RESTARTED;
    if (ticks >= before->ticks && ticks >= expected - slack)
        return PHU_UPTIME_CONTINUES;
    if (expected + slack >= TICKS_WRAP) {
        int64_t off = ticks + TICKS_WRAP - expected;

        if (off >= -slack && off <= slack)
            return PHU_UPTIME_DOUBTFUL;
    }
    return PHU_UPTIME_RESTARTED;
}

static enum phu_uptime_verdict judge_engine(const struct phu_uptime *before,
                                            const struct phu_uptime *now)
{
    int64_t elapsed_s = (now->at_ns - before->at_ns) / NS_PER_S;

    if (!before->has_engine_s || !now->has_engine_s)
        return PHU_UPTIME_UNKNOWN;
    if (now->engine_s < before->engine_s ||
        now->engine_s < before->engine_s + elapsed_s - SLACK_TICKS(elapsed_s * 100) / 100)
        return PHU_UPTIME_RESTARTED;
    return PHU_UPTIME_CONTINUES;
}

enum phu_uptime_verdict phu_uptime_judge(const struct phu_uptime *before,
                                         const struct phu_uptime *now)
{
    enum phu_uptime_verdict engine = judge_engine(before, now);
    enum phu_uptime_verdict ticks;

    if (!before->has_ticks || !now->has_ticks)
        return engine;
    ticks = judge_ticks(before, now);
    if (ticks == PHU_UPTIME_DOUBTFUL && engine != PHU_UPTIME_UNKNOWN)
        return engine;
    /* Some devices wrap sysUpTime early (49 or 248 days); others keep their engine's time over a
     * reboot. Neither clock alone is proof, so deltas go on but nothing that shrank is believed. */
    if (ticks == PHU_UPTIME_RESTARTED && engine == PHU_UPTIME_CONTINUES)
        return PHU_UPTIME_DOUBTFUL;
    return ticks;
}

bool phu_counter_is_sentinel(uint64_t value, uint8_t bits)
{
    return value == (bits == 64 ? UINT64_MAX : WRAP32 - 1);
}

/* rate * span, saturating; a span is rounded up by a second because devices count in batches. */
static uint64_t most_growth(uint64_t rate, int64_t span_ns)
{
    uint64_t seconds = (uint64_t)(span_ns / NS_PER_S) + 2;

    return rate > UINT64_MAX / seconds ? UINT64_MAX : rate * seconds;
}

static enum phu_counter_outcome grow64(uint64_t before, uint64_t now, int64_t span_ns,
                                       const struct phu_counter_terms *terms, int64_t *growth)
{
    uint64_t rate = BELIEVABLE_PER_S;

    /* 2^64 octets take decades, so a smaller value is always a reset. A link's own speed is no
     * bound: tunnels claim 10 Mbit/s and carry a hundred times that. */
    if (now < before)
        return PHU_COUNTER_RESET;
    if (terms->rate_max > rate)
        rate = terms->rate_max;
    if (now - before > most_growth(rate, span_ns) || now - before > INT64_MAX)
        return PHU_COUNTER_RESET;
    *growth = (int64_t)(now - before);
    return PHU_COUNTER_DELTA;
}

static enum phu_counter_outcome grow32(uint64_t before, uint64_t now, int64_t span_ns,
                                       const struct phu_counter_terms *terms, int64_t *growth)
{
    uint64_t most = most_growth(terms->rate_max, span_ns);

    if (terms->rate_max && most >= WRAP32)
        return PHU_COUNTER_AMBIGUOUS;
    if (now < before) {
        if (!terms->is_wrap_believed || !terms->rate_max || now + WRAP32 - before > most)
            return PHU_COUNTER_RESET;
        now += WRAP32;
    }
    *growth = (int64_t)(now - before);
    return PHU_COUNTER_DELTA;
}

enum phu_counter_outcome phu_counter_update(struct phu_counter *counter,
                                            const struct phu_counter_reading *reading,
                                            const struct phu_counter_terms *terms,
                                            struct phu_counter_delta *delta)
{
    struct phu_counter before = *counter;

    if (reading->bits == 0 || phu_counter_is_sentinel(reading->value, reading->bits))
        return PHU_COUNTER_ABSENT;
    *counter = (struct phu_counter){reading->value, reading->at_ns, reading->bits};
    if (before.bits != reading->bits)
        return PHU_COUNTER_FIRST;
    delta->span_ns = reading->at_ns - before.at_ns;
    if (reading->bits == 64)
        return grow64(before.value, reading->value, delta->span_ns, terms, &delta->growth);
    return grow32(before.value, reading->value, delta->span_ns, terms, &delta->growth);
}
