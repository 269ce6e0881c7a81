/* The state directory of a lab: the lock that makes it the only one there, the control socket, the
 * truth, the log of events, and snmpd's files. */
#pragma once

#include "units.h"

#include <stdbool.h>
#include <stdio.h>

struct lab_state {
    char directory[96];
    int lock_fd;
    bool removes_directory;
};

/* Makes the directory and takes the lock. `had_leftovers` tells that a lab was killed here. */
int lab_state_open(const char *directory, struct lab_state *state, bool *had_leftovers,
                   struct lab_error *err);
/* Removes what the lab made; `keeps_files` spares the truth and the log. */
void lab_state_close(struct lab_state *state, bool keeps_files);
/* directory + "/" + name, into `out`. Returns `out`. */
char *lab_state_path(const char *directory, const char *name, char out[128]);
/* Removes what a killed lab left in the directory. False when a lab runs there. */
bool lab_state_sweep(const char *directory);
