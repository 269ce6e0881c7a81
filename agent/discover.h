/* phusong discover: what answers at a number of addresses, and what it is. cmd_discover.c reads the
 * command line, discover.c asks, discover_names.c compares with the inventory, discover_report.c
 * tells, discover_merge.c adds to devices.csv.
 *
 * Each address is pinged; where something answers, SNMP is tried with one credential after the
 * other until one is accepted. That poll reads all tables of the device, as the agent would.
 */
#pragma once

#include "core/inventory.h"
#include "discover_targets.h"
#include "found_rows.h"
#include "phusong/text.h"
#include "phusong/trace.h"
#include "progress.h"
#include "survey.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct phu_device_row;
struct phu_discovery;

enum phu_discovered_snmp {
    PHU_SNMP_NOT_ASKED,
    PHU_SNMP_SILENT,  /* or refused by its host; with versions 1 and 2c a wrong community, too */
    PHU_SNMP_REFUSED, /* an agent is there and accepted none of the credentials */
    PHU_SNMP_ANSWERED,
};

/* Measurements of rows that may serve an endpoint. */
enum {
    PHU_TELLS_SIGNAL = 1,
    PHU_TELLS_OPTICS = 2,
    PHU_TELLS_RADIO = 4,
};

/* What a device tells of itself. Texts are never NULL. */
struct phu_discovered_facts {
    char *sys_name, *sys_descr, *sys_object_id, *profile, *why;
    char **interfaces;
    size_t interface_count;
    struct phu_found_rows rows; /* that could serve an endpoint */
    char **notes;
    size_t note_count;
    unsigned tells; /* PHU_TELLS_… */
};

/* One address. */
struct phu_discovered {
    struct phu_survey_job job;
    struct phu_trace trace;
    struct phu_discovery *owner;
    char address[PHU_TARGET_TEXT];
    uint8_t pings;
    bool is_done, has_ping;
    int64_t rtt_us; /* of the ping */
    enum phu_discovered_snmp snmp;
    size_t credential;                  /* tried now; with an answer: accepted */
    struct phu_discovered_facts *facts; /* NULL unless it answered */
    /* Compared with the inventory: */
    char id[PHU_TEXT_ID_MAX + 1];     /* proposed; that of the inventory where it is known */
    char own_id[PHU_TEXT_ID_MAX + 1]; /* what its own name makes */
    bool is_known, is_id_taken;       /* the latter: another device has own_id */
};

/* Name of the credential that the command line describes; no entry of a configuration is called
 * so. */
#define PHU_BY_HAND "(by hand)"

struct phu_discovery {
    const struct phu_targets *targets;
    const char *const *credentials; /* names, in the order in which they are tried */
    size_t credential_count;
    const struct phu_credential *(*credential)(void *arg, const char *name);
    void *credential_arg;
    struct phu_survey_part ping, snmp;
    const void *ping_check, *snmp_check; /* options of the checks */
    bool skips_ping;
    unsigned per_second;
    const struct phu_inventory *inventory; /* NULL: nothing is known */

    struct phu_discovered *items;
    size_t count, done, pinged, answered;
    bool is_interrupted, is_ping_refused; /* the latter: this process may not ping */
    struct phu_survey *survey;
    struct phu_progress progress;
};

/* 0, or an error that has been printed. */
int phu_discovery_run(struct phu_discovery *discovery);
void phu_discovery_fini(struct phu_discovery *discovery);

/* Gives each device that answered its id, and finds those that the inventory has. */
void phu_discovery_name(struct phu_discovery *discovery);

bool phu_discovered_is_new(const struct phu_discovered *item);
/* Rows of devices.csv for all that is new; to be freed. */
struct phu_device_row *phu_discovery_rows(const struct phu_discovery *discovery, size_t *count);

void phu_discovery_print(const struct phu_discovery *discovery, FILE *out);
void phu_discovery_print_summary(const struct phu_discovery *discovery, FILE *out);
int phu_discovery_print_json(const struct phu_discovery *discovery, FILE *out);
