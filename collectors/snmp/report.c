/* See report.h. */
#include "report.h"

#include "care.h"
#include "conversation.h"
#include "device.h"
#include "place.h"
#include "table_row.h"
#include "tables.h"
#include "tell.h"

#include "phusong/log.h"
#include "phusong/sched.h"
#include "phusong/sink.h"

#include <inttypes.h>
#include <stdio.h>

static void add(struct phu_value *values, size_t *count, unsigned metric, int64_t value)
{
    values[(*count)++] = (struct phu_value){.metric = metric, .i = value};
}

static void add_count(struct phu_value *values, size_t *count, unsigned metric, int64_t value)
{
    if (value)
        add(values, count, metric, value);
}

/* -- What is told ---------------------------------------------------------------------------- */

static void tell_clocks(const struct phu_snmp_device *device)
{
    const struct phu_uptime *uptime = &device->work->ifmib.uptime;
    char text[2 * PHU_ENGINE_ID_MAX + 1];

    if (!device->spec->trace)
        return;
    if (uptime->has_ticks) {
        snprintf(text, sizeof text, "%" PRIu32 ".%02" PRIu32, uptime->ticks / 100,
                 uptime->ticks % 100);
        phu_tell_fact(device, "sys_uptime", text);
    }
    for (unsigned i = 0; device->engine && i < device->engine->length; i++)
        snprintf(text + 2 * (size_t)i, 3, "%02x", device->engine->id[i]);
    if (device->engine)
        phu_tell_fact(device, "engine_id", text);
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
                 &(struct phu_observation){.check = device->spec->check,
                                           .row = report->row,
                                           .result = PHU_RESULT_OK,
                                           .started = device->started,
                                           .completed = reporting->completed,
                                           .values = values,
                                           .value_count = count});
    if (device->spec->trace)
        phu_tell_interface(device, report, phu_table_interface_serves(device, row->name));
}

static int find_row(void *arg, const char *name, uint32_t *row)
{
    const struct reporting *reporting = arg;

    return phu_table_interface_row(reporting->device, name, row);
}

void phu_snmp_judge_uptime(struct phu_snmp_device *device)
{
    struct phu_snmp_work *work = device->work;
    const struct phu_ifmib *ifmib = &work->ifmib;

    work->has_judged = true;
    work->uptime = phu_uptime_judge(&device->uptime, &ifmib->uptime);
    if (ifmib->has_restarted || work->is_other)
        work->uptime = PHU_UPTIME_RESTARTED;
    if (ifmib->uptime.has_ticks || ifmib->uptime.has_engine_s)
        device->uptime = ifmib->uptime;
    tell_clocks(device);
    if (work->uptime != PHU_UPTIME_RESTARTED)
        return;
    device->habits = (struct phu_ifmib_habits){.rows = device->habits.rows};
    device->must_identify = true;
    if (device->tables)
        phu_tables_reset(device->tables, ifmib->now_ns);
    phu_log_info("snmp", "device has restarted", "device=%s uptime_s=%" PRIu32, device->spec->id,
                 ifmib->uptime.ticks / 100);
}

void phu_snmp_put_interfaces(struct phu_snmp_device *device, bool is_complete)
{
    struct reporting reporting = {device, phu_sched_now(device->snmp->env.sched)};
    struct phu_interfaces_terms terms = {.patterns = device->spec->rows ? device->spec->rows : "",
                                         .uptime = device->work->uptime,
                                         .is_complete =
                                             is_complete && device->work->are_interfaces_whole,
                                         .row = find_row,
                                         .report = put_row,
                                         .arg = &reporting};

    device->work->has_put_interfaces = true;
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
    const struct phu_walk_faults *faults = &work->faults;

    return faults->backwards + faults->misfits + faults->surplus + faults->refusals +
           faults->stalls + work->ifmib.wrong_types + work->wrong_cells + work->counts.ignored;
}

/* Its load is left to the profile where a table of it tells the same. */
static bool feeds(const struct phu_profile *profile, int metric)
{
    for (size_t i = 0; i < profile->table_count; i++) {
        for (unsigned k = 0; k < profile->tables[i].column_count; k++) {
            if (profile->tables[i].columns[k].metric == metric)
                return true;
        }
    }
    return false;
}

static void add_care(const struct phu_snmp_device *device, struct phu_value *values, size_t *count)
{
    const struct phu_snmp_work *work = device->work;
    const struct phu_snmp *snmp = device->snmp;

    if (work->has_read_cpu && work->cpu_pct >= 0 && !feeds(device->profile, snmp->cpu_metric))
        values[(*count)++] =
            (struct phu_value){.metric = (uint32_t)snmp->cpu_metric, .f = work->cpu_pct};
    add_count(values, count, (unsigned)snmp->care_stops_metric, phu_care_has_stopped(device));
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
            phu_mono_since(work->fast_done.ns ? work->fast_done : verdict->completed,
                           verdict->started) /
                PHU_NS_PER_US);
    }
    if (is_answered && work && work->ifmib.uptime.has_ticks)
        add(values, &count, PHU_SNMP_UPTIME_S, work->ifmib.uptime.ticks / 100);
    if (is_answered && work)
        add(values, &count, PHU_SNMP_INTERFACES, (int64_t)device->interfaces.active_count);
    if (is_answered && work)
        add_care(device, values, &count);
    observation.values = values;
    observation.value_count = count;
    phu_snmp_work_give(device);
    phu_sink_put(device->snmp->env.sink, &observation);
}

const char *phu_snmp_why_incomplete(const struct phu_snmp_work *work)
{
    const struct phu_walk_faults *faults = &work->faults;

    if (work->ifmib.rows_over_limit || work->has_too_many_interfaces)
        return "more interfaces than max_interfaces; raise it";
    if (faults->overflows)
        return "a table has more rows than max_rows; raise it";
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
                     "device=%s address=%s credential=%s result=%s reason=\"%s\"", device->spec->id,
                     device->spec->address, device->spec->credential, phu_result_name(result),
                     why ? why : "");
    else if (result == PHU_RESULT_PARTIAL)
        phu_log_warn("snmp", "device answers only in part", "device=%s address=%s reason=\"%s\"",
                     device->spec->id, device->spec->address, why ? why : "");
    else
        phu_log_info("snmp", "device", "device=%s result=%s", device->spec->id,
                     phu_result_name(result));
    device->last_result = (uint8_t)result;
}

static void count_up(struct phu_snmp *snmp, const struct phu_snmp_work *work)
{
    snmp->pdus += work->counts.sent;
    snmp->timeouts += work->counts.timeouts;
    snmp->bad_answers += bad_answers(work);
}

static uint16_t limited_room(unsigned objects)
{
    return (uint16_t)(objects < UINT16_MAX ? objects : UINT16_MAX);
}

/* What asking taught about how much the device can answer at once: a little more is tried after
 * each poll that was answered whole. */
static void learn_room(struct phu_snmp_device *device, enum phu_result result)
{
    const struct phu_snmp_work *work = device->work;

    if (work->room) {
        device->room = limited_room(work->room);
        return;
    }
    if (result != PHU_RESULT_OK || !device->room)
        return;
    device->room = limited_room(device->room + device->room / 4U + 1);
    if (device->room >= phu_snmp_options_of(device)->max_repetitions * PHU_WALK_COLUMNS_MAX)
        device->room = 0;
}

/* Whatever was read is used, however the poll ended. */
static void use_what_came(struct phu_snmp_device *device)
{
    struct phu_snmp_work *work = device->work;

    if (!work->has_judged)
        phu_snmp_judge_uptime(device);
    if (!work->has_put_interfaces && (work->has_read_interfaces || work->ifmib.row_count))
        phu_snmp_put_interfaces(device, work->has_read_interfaces);
    phu_care_tell(device);
    phu_tables_tell(device);
}

static void tell_end(const struct phu_snmp_device *device, const char *why)
{
    if (why)
        phu_tell_note(device, why);
    if (device->work && device->work->answers && device->profile)
        phu_tables_tell_rest(device);
}

void phu_snmp_finish(struct phu_snmp_device *device, enum phu_result result, const char *why)
{
    struct phu_snmp *snmp = device->snmp;
    struct phu_snmp_work *work = device->work;
    bool has_restarted = false;
    struct phu_observation verdict = {
        .check = device->spec->check, .result = result, .started = device->started};

    if (work) {
        phu_timer_cancel(snmp->env.sched, &work->deadline);
        phu_snmp_hang_up(device);
        if (work->answers) {
            use_what_came(device);
            learn_room(device, result);
            has_restarted = work->uptime == PHU_UPTIME_RESTARTED;
        }
        if (result == PHU_RESULT_OK && phu_snmp_why_incomplete(work)) {
            verdict.result = PHU_RESULT_PARTIAL;
            why = phu_snmp_why_incomplete(work);
        }
        count_up(snmp, work);
    }
    verdict.completed = phu_sched_now(snmp->env.sched);
    if (device->spec->trace)
        tell_end(device, why);
    log_change(device, verdict.result, why);
    put_verdict(device, &verdict, has_restarted);
    phu_snmp_begin_next(snmp);
}
