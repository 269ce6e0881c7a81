/* See report.h. */
#include "report.h"

#include "conversation.h"
#include "device.h"
#include "place.h"

#include "phusong/log.h"
#include "phusong/sched.h"
#include "phusong/sink.h"

#include <inttypes.h>

static void add(struct phu_value *values, size_t *count, unsigned metric, int64_t value)
{
    values[(*count)++] = (struct phu_value){.metric = metric, .i = value};
}

static void add_count(struct phu_value *values, size_t *count, unsigned metric, int64_t value)
{
    if (value)
        add(values, count, metric, value);
}

/* -- Interfaces ------------------------------------------------------------------------------ */

struct reporting {
    struct phu_snmp_device *device;
    struct phu_mono completed;
};

static void put_row(void *arg, const struct phu_interface_report *report)
{
    struct reporting *reporting = arg;
    const struct phu_snmp_device *device = reporting->device;
    const struct phu_ifmib_row *row = report->reading;
    struct phu_value values[PHU_SNMP_METRICS];
    size_t count = 0;

    for (unsigned i = 0; i < PHU_IF_COUNTERS; i++) {
        if (report->known & 1U << i)
            add(values, &count, PHU_SNMP_IF_COUNTERS + i, report->growth[i]);
    }
    add_count(values, &count, PHU_SNMP_IF_COVERED_MS,
              (report->covered_ns + PHU_NS_PER_MS / 2) / PHU_NS_PER_MS);
    add(values, &count, PHU_SNMP_IF_POLLS, 1);
    add_count(values, &count, PHU_SNMP_IF_OPER_UP, row->oper == PHU_IF_STATUS_UP);
    add_count(values, &count, PHU_SNMP_IF_ADMIN_UP, row->admin == PHU_IF_STATUS_UP);
    if (row->speed_bps && row->speed_bps <= INT64_MAX / 1000)
        add(values, &count, PHU_SNMP_IF_SPEED_BPS, (int64_t)row->speed_bps);
    add_count(values, &count, PHU_SNMP_IF_RESETS, report->was_reset);
    add_count(values, &count, PHU_SNMP_IF_AMBIGUOUS, report->is_ambiguous);
    phu_sink_put(device->snmp->env.sink,
                 &(struct phu_observation){.check = device->spec.check,
                                           .row = report->row,
                                           .result = PHU_RESULT_OK,
                                           .started = device->started,
                                           .completed = reporting->completed,
                                           .values = values,
                                           .value_count = count});
}

static int find_row(void *arg, const char *name, uint32_t *row)
{
    const struct reporting *reporting = arg;
    const struct phu_snmp_device *device = reporting->device;

    return phu_sink_row(device->snmp->env.sink, device->spec.check,
                        &(struct phu_row){.tag = "interface", .name = name}, row);
}

static enum phu_uptime_verdict judge_uptime(struct phu_snmp_device *device)
{
    const struct phu_ifmib *ifmib = &device->work->ifmib;
    enum phu_uptime_verdict verdict = phu_uptime_judge(&device->uptime, &ifmib->uptime);

    if (ifmib->has_restarted || device->work->is_other)
        verdict = PHU_UPTIME_RESTARTED;
    if (ifmib->uptime.has_ticks || ifmib->uptime.has_engine_s)
        device->uptime = ifmib->uptime;
    if (verdict == PHU_UPTIME_RESTARTED) {
        unsigned rows = device->habits.rows;

        device->habits = (struct phu_ifmib_habits){.rows = rows};
        phu_log_info("snmp", "device has restarted", "device=%s uptime_s=%" PRIu32, device->spec.id,
                     ifmib->uptime.ticks / 100);
    }
    return verdict;
}

static void put_rows(struct phu_snmp_device *device, bool is_complete,
                     enum phu_uptime_verdict uptime)
{
    struct reporting reporting = {device, phu_sched_now(device->snmp->env.sched)};
    struct phu_interfaces_terms terms = {.patterns = device->spec.rows ? device->spec.rows : "",
                                         .uptime = uptime,
                                         .is_complete = is_complete,
                                         .row = find_row,
                                         .report = put_row,
                                         .arg = &reporting};

    /* Rows of a device that restarted while it was read are of two lives. */
    if (device->work->ifmib.has_restarted)
        phu_interfaces_reset(&device->interfaces);
    else
        device->snmp->rows_refused +=
            phu_interfaces_apply(&device->interfaces, &device->work->ifmib, &terms);
}

/* -- The verdict ----------------------------------------------------------------------------- */

static unsigned bad_answers(const struct phu_snmp_work *work)
{
    const struct phu_walk_faults *faults = &work->walk.faults;

    return faults->backwards + faults->misfits + faults->surplus + faults->refusals +
           faults->stalls + work->ifmib.wrong_types + work->counts.ignored;
}

static void put_verdict(struct phu_snmp_device *device, const struct phu_observation *verdict,
                        bool has_restarted)
{
    const struct phu_snmp_work *work = device->work;
    struct phu_observation observation = *verdict;
    struct phu_value values[PHU_SNMP_METRICS];
    bool is_answered = verdict->result == PHU_RESULT_OK || verdict->result == PHU_RESULT_PARTIAL;
    size_t count = 0;

    add(values, &count, PHU_SNMP_POLLS, 1);
    add_count(values, &count, PHU_SNMP_ANSWERED, is_answered);
    add_count(values, &count, PHU_SNMP_PARTIAL, verdict->result == PHU_RESULT_PARTIAL);
    add_count(values, &count, PHU_SNMP_AUTH_FAILURES, verdict->result == PHU_RESULT_AUTH);
    add_count(values, &count, PHU_SNMP_RESTARTS, has_restarted);
    if (work) {
        add_count(values, &count, PHU_SNMP_PDUS, work->counts.sent);
        add_count(values, &count, PHU_SNMP_VARBINDS, work->varbinds);
        add_count(values, &count, PHU_SNMP_TIMEOUTS, work->counts.timeouts);
        add_count(values, &count, PHU_SNMP_BAD_ANSWERS, bad_answers(work));
    }
    if (work && work->answers) {
        add(values, &count, PHU_SNMP_RESPONSE_US, (work->first_response_ns + 500) / PHU_NS_PER_US);
        add(values, &count, PHU_SNMP_DURATION_US,
            phu_mono_since(verdict->completed, verdict->started) / PHU_NS_PER_US);
    }
    if (is_answered && work && work->ifmib.uptime.has_ticks)
        add(values, &count, PHU_SNMP_UPTIME_S, work->ifmib.uptime.ticks / 100);
    if (is_answered && work)
        add(values, &count, PHU_SNMP_INTERFACES, (int64_t)device->interfaces.active_count);
    observation.values = values;
    observation.value_count = count;
    phu_snmp_work_give(device);
    phu_sink_put(device->snmp->env.sink, &observation);
}

const char *phu_snmp_why_incomplete(const struct phu_snmp_work *work)
{
    const struct phu_walk_faults *faults = &work->walk.faults;

    if (faults->overflows || work->ifmib.rows_over_limit)
        return "more interfaces than max_interfaces; raise it";
    if (work->ifmib.has_restarted)
        return "the device restarted while it was read";
    if (faults->backwards)
        return "the device answers in circles (rows that go backwards)";
    if (faults->misfits || work->ifmib.wrong_types)
        return "the device answers with objects of the wrong shape";
    if (faults->refusals || faults->stalls)
        return "the device refuses to answer what was asked";
    return NULL;
}

static void log_change(struct phu_snmp_device *device, enum phu_result result, const char *why)
{
    if (result == device->last_result)
        return;
    if (result == PHU_RESULT_AUTH || result == PHU_RESULT_NOPERM ||
        result == PHU_RESULT_LOCAL_ERROR || result == PHU_RESULT_MISMATCH)
        phu_log_warn("snmp", "device cannot be polled",
                     "device=%s address=%s credential=%s result=%s reason=\"%s\"", device->spec.id,
                     device->spec.address, device->spec.credential, phu_result_name(result),
                     why ? why : "");
    else if (result == PHU_RESULT_PARTIAL)
        phu_log_warn("snmp", "device answers only in part", "device=%s address=%s reason=\"%s\"",
                     device->spec.id, device->spec.address, why ? why : "");
    else
        phu_log_info("snmp", "device", "device=%s result=%s", device->spec.id,
                     phu_result_name(result));
    device->last_result = result;
}

static void count_up(struct phu_snmp *snmp, const struct phu_snmp_work *work)
{
    snmp->pdus += work->counts.sent;
    snmp->timeouts += work->counts.timeouts;
    snmp->bad_answers += bad_answers(work);
}

void phu_snmp_finish(struct phu_snmp_device *device, enum phu_result result, const char *why)
{
    struct phu_snmp *snmp = device->snmp;
    struct phu_snmp_work *work = device->work;
    enum phu_uptime_verdict uptime = PHU_UPTIME_UNKNOWN;
    struct phu_observation verdict = {
        .check = device->spec.check, .result = result, .started = device->started};

    phu_timer_cancel(snmp->env.sched, &device->timer);
    if (work) {
        phu_snmp_hang_up(device);
        if (work->answers) {
            uptime = judge_uptime(device);
            put_rows(device, result == PHU_RESULT_OK, uptime);
        }
        if (result == PHU_RESULT_OK && phu_snmp_why_incomplete(work)) {
            verdict.result = PHU_RESULT_PARTIAL;
            why = phu_snmp_why_incomplete(work);
        }
        count_up(snmp, work);
    }
    verdict.completed = phu_sched_now(snmp->env.sched);
    log_change(device, verdict.result, why);
    put_verdict(device, &verdict, uptime == PHU_UPTIME_RESTARTED);
    phu_snmp_begin_next(snmp);
}
