/* The subcommands. Each has its own cmd_NAME.c and a row in main.c's table; argv[0] is
 * "phusong NAME", which getopt puts before its messages. They return the process's exit code.
 */
#pragma once

#include "phusong/exit.h"

int phu_cmd_agent(int argc, char **argv);
int phu_cmd_bindings(int argc, char **argv);
int phu_cmd_catalog(int argc, char **argv);
int phu_cmd_check_config(int argc, char **argv);
int phu_cmd_config(int argc, char **argv);
int phu_cmd_discover(int argc, char **argv);
int phu_cmd_spool(int argc, char **argv);
int phu_cmd_probe(int argc, char **argv);
