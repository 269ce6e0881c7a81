/* The agent: opens all parts in order, connects them, runs, and closes them in reverse. */
#pragma once

#include <stdbool.h>

struct phu_agent_args {
    const char *config; /* path of phusong.yaml */
    bool is_once;       /* measure each check once, print line protocol to stdout, send nothing */
};

/* Runs until SIGINT or SIGTERM (or, once, until all is measured). Returns an exit code of
 * commands.h; what went wrong has been printed or logged. */
int phu_agent_run(const struct phu_agent_args *args);
