/* Which profile is the device's. See identify.h. */
#include "identify.h"

#include "device.h"
#include "tables.h"
#include "tell.h"

#include "phusong/log.h"
#include "phusong/sched.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define AGAIN_S (6 * 3600)

enum { OBJECT_ID, DESCR, NAME, HAS };

static const struct phu_oid prefixes[] = {
    [OBJECT_ID] = {8, {1, 3, 6, 1, 2, 1, 1, 2}},
    [DESCR] = {8, {1, 3, 6, 1, 2, 1, 1, 1}},
    [NAME] = {8, {1, 3, 6, 1, 2, 1, 1, 5}},
};

/* -- A profile named in the check -------------------------------------------------------------- */

static bool is_forced(const struct phu_snmp_device *device)
{
    return device->spec->argument && device->spec->argument[0];
}

void phu_identify_begin(struct phu_snmp_device *device)
{
    if (device->profiles == device->snmp->profiles)
        return;
    phu_tables_drop(device);
    device->profile = NULL;
    phu_profiles_free(device->profiles);
    device->profiles = phu_profiles_share(device->snmp->profiles);
}

bool phu_identify_is_possible(const struct phu_snmp_device *device, char *why, size_t size)
{
    if (!is_forced(device) || phu_profiles_find(device->profiles, device->spec->argument))
        return true;
    snprintf(why, size,
             "no profile is called `%s`; `phusong probe snmp` shows which one fits, or leave the "
             "name away",
             device->spec->argument);
    return false;
}

static uint32_t now_s(const struct phu_snmp_device *device)
{
    return (uint32_t)(phu_sched_now(device->snmp->env.sched).ns / PHU_NS_PER_S);
}

static void adopt(struct phu_snmp_device *device, const struct phu_profile *profile,
                  const char *why)
{
    device->identified_s = now_s(device);
    device->must_identify = false;
    phu_tell_fact(device, "profile", profile->name);
    phu_tell_fact(device, "why", why);
    if (device->profile == profile)
        return;
    phu_log_info("snmp", "device identified", "device=%s profile=%s reason=\"%s\"",
                 device->spec->id, profile->name, why);
    phu_tables_drop(device);
    device->profile = profile;
    device->tables = phu_tables_new(device, profile);
}

bool phu_identify_is_due(struct phu_snmp_device *device)
{
    if (device->work->identify && device->work->identify->has_asked)
        return false;
    if (is_forced(device) && !device->spec->trace) {
        if (!device->profile)
            adopt(device, phu_profiles_find(device->profiles, device->spec->argument),
                  "the check names it");
        return false;
    }
    return !device->profile || device->must_identify || device->spec->trace ||
           now_s(device) - device->identified_s > AGAIN_S;
}

/* -- What it says ------------------------------------------------------------------------------ */

static void take_object_id(struct phu_oid *oid, const struct phu_varbind *varbind)
{
    size_t parts = varbind->text_length / sizeof(unsigned long);

    oid->length = 0;
    for (size_t i = 0; i < parts && i < PHU_OID_MAX; i++) {
        unsigned long part;

        memcpy(&part, varbind->text + i * sizeof part, sizeof part);
        oid->part[oid->length++] = (uint32_t)part;
    }
    /* 0.0 is how devices say that they have none. */
    if (oid->length < 3)
        oid->length = 0;
}

static void take_text(char text[PHU_SYS_TEXT_SIZE], const struct phu_varbind *varbind)
{
    phu_text_clean(varbind->text, varbind->text_length, text, PHU_SYS_TEXT_SIZE);
}

static void cell(void *arg, unsigned column, const struct phu_index *index,
                 const struct phu_varbind *varbind)
{
    struct phu_snmp_line *line = arg;
    struct phu_identify *identify = line->device->work->identify;

    (void)index;
    if (column == OBJECT_ID && varbind->kind == PHU_VARBIND_OBJECT_ID)
        take_object_id(&identify->identity.sys_object_id, varbind);
    else if (column == DESCR && varbind->kind == PHU_VARBIND_TEXT)
        take_text(identify->sys_descr, varbind);
    else if (column == NAME && varbind->kind == PHU_VARBIND_TEXT)
        take_text(identify->sys_name, varbind);
    else if (column == HAS)
        identify->has_object = true;
}

static void init_walk(struct phu_snmp_line *line)
{
    struct phu_walk_limits limits = {.is_bulk = line->device->secret->version != PHU_SNMP_V1,
                                     .repetitions = 1,
                                     .repetitions_max = 1,
                                     .rows_max = 1};

    phu_walk_init(&line->walk, &limits, cell, line);
}

void phu_identify_plan(struct phu_snmp_line *line)
{
    struct phu_snmp_work *work = line->device->work;

    if (!work->identify)
        work->identify = malloc(sizeof *work->identify);
    if (!work->identify)
        abort();
    memset(work->identify, 0, sizeof *work->identify);
    work->identify->has_asked = true;
    init_walk(line);
    for (unsigned i = OBJECT_ID; i <= NAME; i++)
        phu_walk_add_scalar(&line->walk, i, &prefixes[i], false);
}

void phu_identify_plan_has(struct phu_snmp_line *line)
{
    static const struct phu_index before_all;
    struct phu_identify *identify = line->device->work->identify;

    identify->has_object = false;
    init_walk(line);
    phu_walk_add_peek(&line->walk, HAS, &identify->fits[identify->at].has, &before_all);
}

/* -- What follows from it ---------------------------------------------------------------------- */

static void tell_who(struct phu_snmp_device *device, const struct phu_identify *identify)
{
    char text[PHU_OID_MAX * 11 + 1] = "";
    size_t used = 0;

    if (!device->spec->trace)
        return;
    for (unsigned i = 0; i < identify->identity.sys_object_id.length; i++)
        used += (size_t)snprintf(text + used, sizeof text - used, i ? ".%u" : "%u",
                                 identify->identity.sys_object_id.part[i]);
    phu_tell_fact(device, "sys_object_id", text);
    phu_tell_fact(device, "sys_descr", identify->sys_descr);
    phu_tell_fact(device, "sys_name", identify->sys_name);
}

static void tell_why_not(struct phu_snmp_device *device, const struct phu_profile_fit *fit)
{
    char note[400];

    snprintf(note, sizeof note,
             "profile %s would fit (%s), but the object it requires is not there",
             fit->profile->name, fit->why);
    phu_tell_note(device, note);
}

static bool heard(struct phu_snmp_device *device, struct phu_identify *identify)
{
    identify->identity.sys_descr = identify->sys_descr;
    tell_who(device, identify);
    if (is_forced(device)) {
        adopt(device, phu_profiles_find(device->profiles, device->spec->argument),
              "the check names it");
        return true;
    }
    identify->count = phu_profiles_fit(device->profiles, &identify->identity, identify->fits,
                                       PHU_PROFILE_FITS_MAX);
    return false;
}

bool phu_identify_conclude(struct phu_snmp_line *line)
{
    struct phu_snmp_device *device = line->device;
    struct phu_identify *identify = device->work->identify;
    bool was_heard = line->task == PHU_TASK_IDENTIFY;

    if (was_heard && heard(device, identify))
        return true;
    if (!was_heard && !identify->has_object)
        tell_why_not(device, &identify->fits[identify->at++]);
    for (; identify->at < identify->count; identify->at++) {
        const struct phu_profile_fit *fit = &identify->fits[identify->at];

        if (fit->has.length && !(identify->has_object && !was_heard))
            return false;
        adopt(device, fit->profile, fit->why);
        return true;
    }
    adopt(device, phu_profiles_find(device->profiles, PHU_PROFILE_GENERIC),
          "no other profile fits");
    return true;
}
