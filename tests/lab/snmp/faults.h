/* What is wrong with which devices: set at the start and while the responder runs.
 *
 *     PREFIX|all NAME [VALUE] [--share P%] [--after DURATION] [--for DURATION]
 *
 * Each name is looked up by itself. Of several that hold for a device the one with the longest
 * prefix counts, and of those the last; --share picks devices by a hash of their addresses, the
 * same ones in every run with the same seed. */
#pragma once

#include "addr.h"
#include "oid.h"

#include <stdio.h>

enum lab_fault_kind {
    LAB_FAULT_SILENCE,
    LAB_FAULT_DROP,
    LAB_FAULT_DELAY,
    LAB_FAULT_DUPLICATE,
    LAB_FAULT_CUT,
    LAB_FAULT_WRONG_ID,
    LAB_FAULT_WRONG_SOURCE,
    LAB_FAULT_TOO_BIG,
    LAB_FAULT_MOST,
    LAB_FAULT_BYTES,
    LAB_FAULT_NO_BULK,
    LAB_FAULT_BACKWARDS,
    LAB_FAULT_STUCK,
    LAB_FAULT_REVERSED,
    LAB_FAULT_GEN_ERR,
    LAB_FAULT_REBOOT,
    LAB_FAULT_RECORDING,
    LAB_FAULT_ENGINE,
    LAB_FAULT_CLOCK,
    LAB_FAULT_KINDS,
};

enum { LAB_FAULTS_MAX = 1 << 20, LAB_FAULT_TEXT = 64 };

struct lab_fault {
    struct lab_prefix prefix;
    enum lab_fault_kind kind;
    double share; /* of the devices */
    int64_t from_ns;
    int64_t until_ns; /* INT64_MAX: for good */
    double number;    /* a duration in ns, a count, a share: as the kind says */
    uint64_t order;
    uint16_t length;
    uint8_t *bytes; /* a key, a name or an engine id of that length; owned */
};

/* What holds for one device now; NULL where nothing does. Until the next change. */
struct lab_faulty {
    const struct lab_fault *by[LAB_FAULT_KINDS];
    const struct lab_fault *sick[4]; /* all of LAB_FAULT_GEN_ERR, as many as fit */
    size_t sick_count;
    unsigned reboots;
    int64_t rebooted_ns; /* the last one */
};

struct lab_faults;

struct lab_faults *lab_faults_new(uint64_t seed);
void lab_faults_free(struct lab_faults *faults);
/* The words after `fault`. --after counts from `now_ns`. -EINVAL with the reason. */
int lab_faults_tell(struct lab_faults *faults, char *const *words, int count, int64_t now_ns,
                    struct lab_error *err);
/* The words after `clear`: PREFIX|all [NAME]. Clears what was set for exactly that prefix, all of a
 * name for `all NAME`, everything for `all`; what was rebooted stays so. Returns how many, or
 * -EINVAL. */
int lab_faults_clear(struct lab_faults *faults, char *const *words, int count,
                     struct lab_error *err);
/* One of LAB_FAULT_RECORDING, without looking for an older one. */
void lab_faults_map(struct lab_faults *faults, const struct lab_prefix *prefix, const char *name);
void lab_faults_find(struct lab_faults *faults, const struct lab_addr *device, int64_t now_ns,
                     struct lab_faulty *found);
void lab_faults_print(const struct lab_faults *faults, FILE *out);
/* Names and values, for --help. */
void lab_faults_help(FILE *out);
