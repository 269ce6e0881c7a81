#include "doubts.h"

#include "checks.h"
#include "monitor.h"

static int64_t patience_ns(void *arg, uint32_t check)
{
    const struct phu_doubts *doubts = arg;

    return phu_monitor_patience_ns(doubts->monitor, check);
}

static bool late(void *arg, uint32_t check, struct phu_mono sent)
{
    struct phu_doubts *doubts = arg;

    return phu_monitor_late(doubts->monitor, check, sent);
}

static bool wants(void *arg, uint32_t check)
{
    const struct phu_doubts *doubts = arg;

    return phu_monitor_wants(doubts->monitor, check);
}

static bool step(void *arg, uint32_t check, enum phu_success success, struct phu_mono sent)
{
    struct phu_doubts *doubts = arg;

    return phu_monitor_confirm(doubts->monitor, check, success, sent);
}

static void count(void *arg, uint32_t check, enum phu_success success)
{
    struct phu_doubts *doubts = arg;

    phu_monitor_count_confirmation(doubts->monitor, check, success);
}

static bool take_other(void *arg, const struct phu_observation *observation)
{
    struct phu_doubts *doubts = arg;

    return phu_checks_put(doubts->checks, observation);
}

static void verdict_came(void *arg, const struct phu_monitor_verdict *verdict)
{
    struct phu_doubts *doubts = arg;

    phu_checks_verdict(doubts->checks, verdict->check, verdict->result);
    if (verdict->is_unsettled)
        phu_checks_unsettled(doubts->checks, verdict->check,
                             phu_success_of(verdict->result) == PHU_SUCCESS_YES, verdict->started);
}

static void became_unsettled(void *arg, uint32_t check)
{
    struct phu_doubts *doubts = arg;

    phu_checks_poll_now(doubts->checks, check);
}

void phu_doubts_connect(struct phu_doubts *doubts, struct phu_monitor *monitor,
                        struct phu_checks *checks, const struct phu_pace *pace)
{
    const struct phu_confirm_judge judge = {.patience_ns = patience_ns,
                                            .late = late,
                                            .wants = wants,
                                            .step = step,
                                            .count = count,
                                            .arg = doubts};

    doubts->monitor = monitor;
    doubts->checks = checks;
    phu_monitor_on_verdict(monitor, verdict_came, doubts);
    phu_monitor_on_other(monitor, take_other, doubts);
    phu_monitor_on_unsettled(monitor, became_unsettled, doubts);
    phu_checks_confirm(checks, pace, &judge);
}
