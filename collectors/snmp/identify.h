/* Which profile is the device's: it is asked who it is, profiles that fit are tried in their order,
 * and the first whose required object is there, or that requires none, is taken. One that denies
 * everything gets `generic`. Asked on first contact, after a restart or a change of engine, and
 * every six hours.
 */
#pragma once

#include "profile.h"

struct phu_snmp_device;
struct phu_snmp_line;

#define PHU_SYS_TEXT_SIZE 256

struct phu_identify {
    struct phu_identity identity;
    char sys_descr[PHU_SYS_TEXT_SIZE], sys_name[PHU_SYS_TEXT_SIZE];
    struct phu_profile_fit fits[PHU_PROFILE_FITS_MAX];
    size_t count, at;
    bool has_asked, has_object;
};

/* A poll begins: a set of profiles that was exchanged is taken over, and what is known by the old
 * one is forgotten. */
void phu_identify_begin(struct phu_snmp_device *device);
/* Is it to be asked who it is? Takes the profile that the check names, if it names one. */
bool phu_identify_is_due(struct phu_snmp_device *device);
/* False when the check names a profile that there is not. */
bool phu_identify_is_possible(const struct phu_snmp_device *device, char *why, size_t size);

/* Plan the walks of PHU_TASK_IDENTIFY and PHU_TASK_HAS. */
void phu_identify_plan(struct phu_snmp_line *line);
void phu_identify_plan_has(struct phu_snmp_line *line);
/* The walk has ended: true when the profile is known now, false when an object is to be looked for.
 */
bool phu_identify_conclude(struct phu_snmp_line *line);
