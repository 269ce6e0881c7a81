/* Small services of the district: every given port accepts TCP on every address and answers
 * HTTP/1.1 requests with a short page that names the address asked. */
#pragma once

#include "units.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { LAB_PORTS_MAX = 32, LAB_REQUEST_MAX = 8192 };

struct lab_serve_config {
    uint16_t ports[LAB_PORTS_MAX];
    size_t count;
    bool loopback_only; /* answer on the loopback interface alone */
};

/* "80,443,8080" */
int lab_ports_parse(const char *text, struct lab_serve_config *config, struct lab_error *err);

/* Opens the listening sockets in the current namespace. */
int lab_serve_open(const struct lab_serve_config *config, int fds[LAB_PORTS_MAX],
                   struct lab_error *err);
/* Serves until the process is ended. Closes nothing. */
int lab_serve_run(const int *fds, size_t count);
