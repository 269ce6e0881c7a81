/* The process at the centre. */
#pragma once

/* Runs until SIGINT or SIGTERM; returns the exit code. SIGHUP: certificate and rules again. */
int phu_console_run(const char *config);
