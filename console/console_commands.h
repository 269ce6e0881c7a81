/* The centre's subcommands; a row each in agent/main.c's table. They return the process's exit
 * code. */
#pragma once

#include "phusong/exit.h"

int phu_cmd_alerts(int argc, char **argv);
