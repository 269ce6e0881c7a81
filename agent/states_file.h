/* The states file: `states` in state_dir keeps the state of every subject that is not simply up, so
 * that a restart goes on where the last run was. What was down is down still, since the same
 * moment, and who was flapping is.
 *
 * One subject a line, text, written anew (whole or not at all, on a pool thread) within two seconds
 * of a change, and at the end. What cannot be read is left out and said; it costs a restart's
 * memory and no more.
 */
#pragma once

#include "phusong/sched.h"

#include <stdbool.h>
#include <stdint.h>

struct phu_inventory;
struct phu_monitor;
struct phu_roster;

struct phu_states_file {
    struct phu_sched *sched;
    struct phu_monitor *monitor;
    const struct phu_roster *roster;
    struct phu_inventory **inventory; /* where the one in force is */
    char *path;
    struct phu_timer timer;
    int64_t saved; /* phu_monitor_changes() when it was written last */
    bool is_open, is_writing;
};

/* Reads the file and restores what it tells of subjects that are being watched; then keeps it. The
 * checks have been added and not been polled. */
void phu_states_file_open(struct phu_states_file *file, const char *state_dir);
/* Writes it for the last time, if anything has changed. Before the checks are removed. Harmless
 * when it was not opened. */
void phu_states_file_close(struct phu_states_file *file);
/* After the loop is gone, which may still have been writing. */
void phu_states_file_fini(struct phu_states_file *file);
