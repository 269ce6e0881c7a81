/* The responder as a process: sockets, signals, the control socket, until it is told to end. */
#pragma once

#include "options.h"

/* Returns the exit status. */
int lab_snmp_run(struct lab_snmp_options *options);
