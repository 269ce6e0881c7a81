/* phusong bindings: which rows of which device serve which endpoint, asked of the devices.
 * cmd_bindings.c reads the command line, bindings.c asks, bindings_report.c tells.
 */
#pragma once

#include "core/inventory.h"
#include "found_rows.h"
#include "phusong/trace.h"
#include "progress.h"
#include "subjects.h"
#include "survey.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct phu_bindings_job;
struct phu_config;

/* A row that the inventory names, or all that are left. */
struct phu_bound_claim {
    const char *endpoint, *ifname, *index;
    bool is_found;
};

struct phu_bound_device {
    struct phu_survey_job job;
    struct phu_trace trace;
    struct phu_bindings_job *owner;
    uint32_t device; /* of the inventory */
    bool is_done;
    enum phu_result result;
    struct phu_found_rows rows;
    struct phu_bound_claim *claims;
    size_t claim_count;
    char **notes;
    size_t note_count;
};

struct phu_bindings_job {
    const struct phu_config *config;
    const struct phu_inventory *inventory;
    const char *only; /* id of a device; NULL: all */
    struct phu_bound_device *devices;
    size_t device_count, done;
    bool is_interrupted;
    struct phu_served_room room; /* private, and what follows */
    struct phu_progress progress;
};

/* 0, or an error that has been printed. */
int phu_bindings_ask(struct phu_bindings_job *job);
void phu_bindings_fini(struct phu_bindings_job *job);

/* -- What was found ---------------------------------------------------------------------------- */

bool phu_bound_device_answered(const struct phu_bound_device *device);
/* Names an endpoint that the inventory does not have. */
bool phu_bound_row_is_stray(const struct phu_found_row *row);
/* An ONU, a modem or a radio that serves nobody. */
bool phu_bound_row_is_free(const struct phu_found_row *row);
/* The inventory names a row that the device, which answered, does not have. */
bool phu_bound_claim_is_missed(const struct phu_bound_claim *claim);

struct phu_bindings_sums {
    size_t devices, answered, bound, unbound, missed, stray, idle;
};
struct phu_bindings_sums phu_bindings_sum(const struct phu_bindings_job *job);

/* `is_all`: every row that serves nobody, too. */
void phu_bindings_print(const struct phu_bindings_job *job, bool is_all, FILE *out);
int phu_bindings_print_json(const struct phu_bindings_job *job, FILE *out);
