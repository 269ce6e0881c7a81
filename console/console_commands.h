/* The centre's subcommands; a row each in agent/main.c's table. They return the process's exit
 * code. */
#pragma once

#include "phusong/exit.h"

/* Where a console keeps what it must not forget, unless told otherwise. */
#define PHU_CONSOLE_STATE_DIR "/var/lib/phusong-console"

int phu_cmd_alerts(int argc, char **argv);
int phu_cmd_console(int argc, char **argv);
/* `phusong console maintenance`; argv[0] is that. */
int phu_cmd_maintenance(int argc, char **argv);
int phu_cmd_rules(int argc, char **argv);
