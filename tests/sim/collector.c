#include "collector.h"

#include "phusong/sink.h"

#undef NDEBUG /* the tests of release builds check too */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>

static const struct phu_metric metrics[] = {
    [PHU_SIM_RTT] = {"sim", "rtt_us", "us", PHU_METRIC_SKETCH, PHU_METRIC_INT, "round trip"},
    [PHU_SIM_LATE] = {"sim", "late", "1", PHU_METRIC_COUNT, PHU_METRIC_INT, "late replies"},
    [PHU_SIM_TTL] = {"sim", "ttl", "1", PHU_METRIC_SPREAD, PHU_METRIC_INT, "hop limit of replies"},
};

struct self {
    struct phu_sched *sched;
    struct phu_sink *sink;
    const struct phu_sim_links *links;
};

struct probe {
    struct phu_timer timer;
    struct self *self;
    struct phu_sim_link *link;
    struct phu_sim_truth *truth;
    uint32_t check;
    int64_t timeout_ns, rtt_ns;
    struct phu_mono started;
    bool is_late_pending; /* the timeout has passed; the reply is still on its way */
};

static int sim_open(const struct phu_collector_env *env, const void *options, void **out)
{
    struct self *self = calloc(1, sizeof *self);

    if (!self)
        return -ENOMEM;
    *self = (struct self){.sched = env->sched, .sink = env->sink, .links = options};
    *out = self;
    return 0;
}

static void sim_close(void *self)
{
    free(self);
}

static void put(struct probe *probe, enum phu_result result, const struct phu_value *values,
                size_t count)
{
    struct phu_observation observation = {.check = probe->check,
                                          .result = result,
                                          .started = probe->started,
                                          .completed = phu_sched_now(probe->self->sched),
                                          .values = values,
                                          .value_count = count};

    phu_sink_put(probe->self->sink, &observation);
}

static bool is_confirmation(const struct probe *probe)
{
    return probe->check >> 31;
}

static void put_late(struct probe *probe)
{
    struct phu_value late = {.metric = PHU_SIM_LATE, .i = 1};

    probe->is_late_pending = false;
    probe->truth->late += !is_confirmation(probe);
    put(probe, PHU_RESULT_NONE, &late, 1);
}

static void put_timeout(struct probe *probe)
{
    if (is_confirmation(probe)) {
        probe->truth->confirm_sent++;
        probe->truth->confirm_lost++;
    } else {
        probe->truth->sent++;
        probe->truth->lost++;
    }
    if (probe->rtt_ns > 0) {
        probe->is_late_pending = true;
        phu_timer_at(probe->self->sched, &probe->timer,
                     phu_mono_add(probe->started, probe->rtt_ns));
    }
    put(probe, PHU_RESULT_TIMEOUT, NULL, 0);
}

static void put_reply(struct probe *probe)
{
    int64_t rtt_us = (probe->rtt_ns + 500) / 1000;
    const struct phu_value values[] = {{.metric = PHU_SIM_RTT, .i = rtt_us},
                                       {.metric = PHU_SIM_TTL, .i = 60}};

    if (is_confirmation(probe)) {
        probe->truth->confirm_sent++;
    } else {
        probe->truth->sent++;
        probe->truth->rtt_count++;
        probe->truth->rtt_sum_us += rtt_us;
    }
    put(probe, PHU_RESULT_OK, values, 2);
}

static void probe_fired(struct phu_timer *timer)
{
    struct probe *probe = phu_container_of(timer, struct probe, timer);

    if (probe->self->links->is_broken) {
        probe->truth->unmeasured += !is_confirmation(probe);
        put(probe, PHU_RESULT_LOCAL_ERROR, NULL, 0);
    } else if (probe->is_late_pending) {
        put_late(probe);
    } else if (probe->rtt_ns < 0 || probe->rtt_ns > probe->timeout_ns) {
        put_timeout(probe);
    } else {
        put_reply(probe);
    }
}

static int sim_attach(void *self_arg, const struct phu_check_spec *spec, void **out)
{
    struct self *self = self_arg;
    size_t number = strtoul(spec->address, NULL, 10);
    struct probe *probe = calloc(1, sizeof *probe);

    if (!probe)
        return -ENOMEM;
    assert(number < self->links->count);
    probe->self = self;
    probe->link = &self->links->links[number];
    probe->truth = &self->links->truths[number];
    probe->check = spec->check;
    probe->timeout_ns = spec->timeout_ns;
    phu_timer_init(&probe->timer, probe_fired);
    *out = probe;
    return 0;
}

static void sim_detach(void *self, void *check)
{
    struct probe *probe = check;

    (void)self;
    phu_timer_cancel(probe->self->sched, &probe->timer);
    free(probe);
}

static void sim_poll(void *self_arg, void *check)
{
    struct self *self = self_arg;
    struct probe *probe = check;
    int64_t wait;

    probe->started = phu_sched_now(self->sched);
    probe->is_late_pending = false;
    probe->rtt_ns = phu_sim_link_send(probe->link);
    wait =
        probe->rtt_ns < 0 || probe->rtt_ns > probe->timeout_ns ? probe->timeout_ns : probe->rtt_ns;
    phu_timer_after(self->sched, &probe->timer, self->links->is_broken ? 0 : wait);
}

const struct phu_collector phu_collector_sim = {
    .name = "sim",
    .summary = "simulated links",
    .metrics = metrics,
    .metric_count = sizeof metrics / sizeof *metrics,
    .rtt_metric = PHU_SIM_RTT,
    .open = sim_open,
    .close = sim_close,
    .attach = sim_attach,
    .detach = sim_detach,
    .poll = sim_poll,
};
