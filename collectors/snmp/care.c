/* Care for the device. See care.h. */
#include "care.h"

#include "device.h"
#include "profile.h"
#include "tables.h"

#include "phusong/log.h"
#include "phusong/sched.h"

#include <stdlib.h>
#include <string.h>

#define CPU_LIMIT 80.0 /* where neither the check nor the profile says another */

/* -- How fast ---------------------------------------------------------------------------------- */

int64_t phu_care_wait(struct phu_snmp_device *device)
{
    double rate = phu_snmp_options_of(device)->pdus_per_second;
    int64_t now_ns;

    if (rate <= 0 && device->profile)
        rate = device->profile->care.pdus_per_second;
    if (rate <= 0)
        return 0;
    now_ns = phu_sched_now(device->snmp->env.sched).ns;
    if (now_ns < device->may_ask_ns)
        return device->may_ask_ns - now_ns;
    device->may_ask_ns = now_ns + (int64_t)((double)PHU_NS_PER_S / rate);
    return 0;
}

/* -- How busy ---------------------------------------------------------------------------------- */

void phu_care_begin(struct phu_snmp_work *work)
{
    work->cpu_pct = -1;
    work->cpu_place.length = work->cpu_seen.length = 0;
}

static bool take_percent(const struct phu_profile_care *care, const struct phu_varbind *varbind,
                         double *percent)
{
    char text[16] = "", *end;

    switch (varbind->kind) {
    case PHU_VARBIND_INTEGER:
    case PHU_VARBIND_GAUGE:
    case PHU_VARBIND_COUNTER32:
        *percent = (double)(int64_t)varbind->number;
        break;
    case PHU_VARBIND_REAL:
        *percent = varbind->real;
        break;
    case PHU_VARBIND_TEXT:
        memcpy(text, varbind->text,
               varbind->text_length < sizeof text ? varbind->text_length : sizeof text - 1);
        *percent = strtod(text, &end);
        if (end == text)
            return false;
        break;
    case PHU_VARBIND_COUNTER64:
    case PHU_VARBIND_TICKS:
    case PHU_VARBIND_OBJECT_ID:
    case PHU_VARBIND_ADDRESS:
    case PHU_VARBIND_MISSING:
    case PHU_VARBIND_END:
    case PHU_VARBIND_OTHER:
        return false;
    }
    *percent = *percent * care->cpu_scale + care->cpu_offset;
    return *percent >= 0 && *percent <= 100;
}

static double limit_of(const struct phu_snmp_device *device)
{
    if (phu_snmp_options_of(device)->cpu_limit > 0)
        return phu_snmp_options_of(device)->cpu_limit;
    if (device->profile->care.cpu_limit > 0)
        return device->profile->care.cpu_limit;
    return CPU_LIMIT;
}

static void judge(struct phu_snmp_device *device, double percent)
{
    struct phu_snmp_work *work = device->work;

    if (percent > work->cpu_worst_pct)
        work->cpu_worst_pct = percent;
    if (percent > limit_of(device))
        work->is_care_stopped = true;
}

void phu_care_judge(struct phu_snmp_device *device)
{
    judge(device, device->work->cpu_pct);
}

/* While the column is read, the busiest processor and the row before it are noted; then it alone
 * is looked at with each message (the index is empty). */
void phu_care_cell(void *arg, unsigned column, const struct phu_index *index,
                   const struct phu_varbind *varbind)
{
    struct phu_snmp_device *device = arg;
    struct phu_snmp_work *work = device->work;
    double percent = 0;

    (void)column;
    if (take_percent(&device->profile->care, varbind, &percent)) {
        if (work->has_read_cpu) {
            judge(device, percent);
        } else if (percent > work->cpu_pct) {
            work->cpu_pct = percent;
            work->cpu_place = work->cpu_seen;
        }
    }
    if (!work->has_read_cpu)
        work->cpu_seen = *index;
}

static bool has_time(const struct phu_snmp_device *device)
{
    int64_t left = device->spec->timeout_ns -
                   phu_mono_since(phu_sched_now(device->snmp->env.sched), device->started);
    int64_t needed = phu_snmp_options_of(device)->pdu_timeout_ns;

    /* What is asked must be answered before the poll ends. */
    if (needed > device->spec->timeout_ns / 4)
        needed = device->spec->timeout_ns / 4;
    return left > needed;
}

bool phu_care_allows_slow(struct phu_snmp_device *device)
{
    return !device->work->is_care_stopped && has_time(device);
}

bool phu_care_has_stopped(const struct phu_snmp_device *device)
{
    unsigned table;

    return device->work->is_care_stopped && device->profile &&
           phu_tables_next(device, false, &table) && phu_tables_is_slow(device, table);
}

void phu_care_tell(struct phu_snmp_device *device)
{
    const struct phu_snmp_work *work = device->work;

    if (!work->has_read_cpu || work->is_care_stopped == device->is_too_busy)
        return;
    device->is_too_busy = work->is_care_stopped;
    if (device->is_too_busy)
        phu_log_warn("snmp", "device is too busy for slow tables: they wait",
                     "device=%s cpu_pct=%.0f limit=%.0f", device->spec->id, work->cpu_worst_pct,
                     limit_of(device));
    else
        phu_log_info("snmp", "device is no longer too busy for slow tables",
                     "device=%s cpu_pct=%.0f", device->spec->id, work->cpu_pct);
}
