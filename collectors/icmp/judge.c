/* What an answer means: the verdict of a probe, or a count beside it. */
#include "engine.h"
#include "phusong/sink.h"

#include <string.h>

static void put_count(struct phu_icmp_engine *icmp, const struct phu_icmp_target *target,
                      uint32_t metric)
{
    struct phu_mono now = phu_sched_now(icmp->sched);
    struct phu_value value = {.metric = metric, .i = 1};

    phu_sink_put(icmp->sink, &(struct phu_observation){.check = target->check,
                                                       .result = PHU_RESULT_NONE,
                                                       .started = now,
                                                       .completed = now,
                                                       .values = &value,
                                                       .value_count = 1});
}

void phu_icmp_put_verdict(struct phu_icmp_engine *icmp, struct phu_icmp_target *target,
                          enum phu_result result, int64_t completed_ns)
{
    struct phu_mono started = {target->state == PHU_ICMP_SENT ? target->sent_ns : completed_ns};

    phu_icmp_leave(icmp, target);
    phu_sink_put(icmp->sink, &(struct phu_observation){.check = target->check,
                                                       .result = result,
                                                       .started = started,
                                                       .completed = {completed_ns}});
}

static void put_reply(struct phu_icmp_engine *icmp, struct phu_icmp_target *target,
                      int64_t received_ns)
{
    int64_t rtt_ns = received_ns - target->sent_ns;
    struct phu_value value = {.metric = PHU_ICMP_METRIC_RTT};
    struct phu_mono started = {target->sent_ns};

    value.i = rtt_ns > 0 ? (rtt_ns + 500) / PHU_NS_PER_US : 0;
    phu_icmp_leave(icmp, target);
    phu_sink_put(icmp->sink, &(struct phu_observation){.check = target->check,
                                                       .result = PHU_RESULT_OK,
                                                       .started = started,
                                                       .completed = {received_ns},
                                                       .values = &value,
                                                       .value_count = 1});
}

/* A stamp of the kernel in monotonic time; one that cannot be is replaced by now. */
static int64_t received_at(const struct phu_icmp_engine *icmp, const struct phu_icmp_target *target,
                           int64_t stamp_ns)
{
    int64_t now_ns = phu_sched_now(icmp->sched).ns;
    int64_t received_ns = stamp_ns - icmp->wall_offset_ns;

    if (!stamp_ns || received_ns > now_ns || received_ns < target->sent_ns - PHU_NS_PER_MS)
        return now_ns;
    return received_ns > target->sent_ns ? received_ns : target->sent_ns;
}

void phu_icmp_judge_stamp(void *arg, const struct phu_icmp_stamp *stamp)
{
    struct phu_icmp_engine *icmp = arg;
    struct phu_icmp_target *target = phu_icmp_target_at(icmp, stamp->slot);
    int64_t sent_ns = stamp->stamp_ns - icmp->wall_offset_ns;

    if (!target || target->generation != stamp->generation || target->state != PHU_ICMP_SENT)
        return;
    /* Until now sent_ns is when sendmmsg was called: the packet cannot have left before. */
    if (sent_ns >= target->sent_ns && sent_ns <= phu_sched_now(icmp->sched).ns)
        target->sent_ns = sent_ns;
}

static void answered(struct phu_icmp_engine *icmp, struct phu_icmp_target *target,
                     const struct phu_icmp_arrival *arrival)
{
    int64_t received_ns = received_at(icmp, target, arrival->stamp_ns);

    if (received_ns - target->sent_ns > icmp->lanes[target->lane]->timeout_ns) {
        phu_icmp_put_verdict(icmp, target, PHU_RESULT_TIMEOUT, received_ns);
        icmp->counters.late++;
        put_count(icmp, target, PHU_ICMP_METRIC_LATE);
        return;
    }
    if (arrival->answer.ttl && arrival->answer.ttl != target->ttl) {
        if (target->ttl)
            put_count(icmp, target, PHU_ICMP_METRIC_TTL_CHANGED);
        target->ttl = arrival->answer.ttl;
    }
    put_reply(icmp, target, received_ns);
}

static void count_error(struct phu_icmp_engine *icmp, const struct phu_icmp_target *target,
                        const struct phu_icmp_answer *answer)
{
    static const uint32_t metrics[] = {
        [PHU_ICMP_UNREACHABLE] = PHU_ICMP_METRIC_UNREACHABLE,
        [PHU_ICMP_TOO_BIG] = PHU_ICMP_METRIC_TOO_BIG,
        [PHU_ICMP_TTL_EXCEEDED] = PHU_ICMP_METRIC_TTL_EXCEEDED,
        [PHU_ICMP_ERROR_OTHER] = PHU_ICMP_METRIC_OTHER_ERROR,
    };

    icmp->counters.errors++;
    put_count(icmp, target, metrics[answer->error]);
}

static void judge(struct phu_icmp_engine *icmp, struct phu_icmp_target *target,
                  const struct phu_icmp_arrival *arrival)
{
    struct phu_icmp_counters *counters = &icmp->counters;

    switch (phu_icmp_target_match(target, &icmp->key, &arrival->answer, arrival->source)) {
    case PHU_ICMP_ANSWERED:
        answered(icmp, target, arrival);
        break;
    case PHU_ICMP_LATE:
        counters->late++;
        put_count(icmp, target, PHU_ICMP_METRIC_LATE);
        break;
    case PHU_ICMP_DUPLICATE:
        counters->duplicate++;
        put_count(icmp, target, PHU_ICMP_METRIC_DUPLICATE);
        break;
    case PHU_ICMP_CORRUPTED:
        counters->corrupted++;
        if (target->state == PHU_ICMP_SENT && arrival->answer.echo.generation == target->generation)
            phu_icmp_put_verdict(icmp, target, PHU_RESULT_MISMATCH,
                                 received_at(icmp, target, arrival->stamp_ns));
        put_count(icmp, target, PHU_ICMP_METRIC_CORRUPTED);
        break;
    case PHU_ICMP_SPOILED:
        counters->corrupted++;
        put_count(icmp, target, PHU_ICMP_METRIC_CORRUPTED);
        break;
    case PHU_ICMP_FORGED:
        counters->forged++;
        put_count(icmp, target, PHU_ICMP_METRIC_FORGED);
        break;
    case PHU_ICMP_FOREIGN:
        counters->forged++;
        break;
    case PHU_ICMP_REPORTED:
        phu_icmp_put_verdict(icmp, target, PHU_RESULT_UNREACHABLE,
                             received_at(icmp, target, arrival->stamp_ns));
        count_error(icmp, target, &arrival->answer);
        break;
    case PHU_ICMP_REPORTED_HINT:
        target->is_hinted = true;
        count_error(icmp, target, &arrival->answer);
        break;
    case PHU_ICMP_REPORTED_LATE:
        count_error(icmp, target, &arrival->answer);
        break;
    case PHU_ICMP_STALE:
        break;
    }
}

/* An error message that quotes too little for a slot: by address, among the targets whose sequence
 * number it can be. */
static struct phu_icmp_target *find_quoted(const struct phu_icmp_engine *icmp,
                                           const struct phu_icmp_answer *answer)
{
    for (uint32_t slot = answer->echo.sequence & 0x3ff; slot < icmp->slots; slot += 0x400) {
        struct phu_icmp_target *target = phu_icmp_target_at(icmp, slot);

        if (target->family == AF_INET && memcmp(target->address, answer->target, 4) == 0)
            return target;
    }
    return NULL;
}

void phu_icmp_judge_arrival(void *arg, const struct phu_icmp_arrival *arrival)
{
    struct phu_icmp_engine *icmp = arg;
    const struct phu_icmp_answer *answer = &arrival->answer;
    struct phu_icmp_target *target = answer->has_cookie
                                         ? phu_icmp_target_at(icmp, answer->echo.slot)
                                         : find_quoted(icmp, answer);

    icmp->counters.received++;
    if (target && target->family != AF_UNSPEC)
        judge(icmp, target, arrival);
    else if (answer->is_damaged)
        icmp->counters.corrupted++;
    else if (!target)
        icmp->counters.forged++;
}
