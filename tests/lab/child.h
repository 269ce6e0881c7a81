/* The lab's own processes inside the district: the built-in services and snmpd. They die with the
 * lab, however it dies. */
#pragma once

#include "serve.h"

#include <sys/types.h>

struct lab_child {
    const char *name;
    pid_t pid; /* 0: not started */
    int status;
};

struct lab_snmp_config {
    const char *community; /* NULL: no snmpd */
    const char *user;      /* NULL, or the v3 user */
    const char *auth_pass; /* SHA-256 */
    const char *priv_pass; /* AES-128 */
    uint16_t port;
};

/* Both enter the namespace (-1: stay) in the child. 0 or a negative errno with a reason. */
int lab_child_serve(struct lab_child *child, int ns_fd, const struct lab_serve_config *config,
                    struct lab_error *err);
/* Writes snmpd's configuration and state below `directory`. IPv4 alone: over IPv6, net-snmp 5.9
 * answers from another address than it was asked at. */
int lab_child_snmpd(struct lab_child *child, int ns_fd, const struct lab_snmp_config *config,
                    const char *directory, struct lab_error *err);
/* SIGTERM, then SIGKILL; waits until it is gone. */
void lab_child_stop(struct lab_child *child);
