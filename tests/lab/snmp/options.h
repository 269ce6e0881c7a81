/* The command line of phusong-lab-snmp. */
#pragma once

#include "server.h"
#include "socket.h"

#include <stdio.h>

enum { LAB_MOVES_MAX = 256, LAB_FAULT_OPTIONS_MAX = 256, LAB_USERS_MAX = 64 };

/* --rate OID=N: holds for all recordings, those that are loaded later included. */
struct lab_move {
    uint8_t key[LAB_OID_BYTES];
    size_t length;
    double rate;
};

struct lab_snmp_options {
    struct lab_listen listens[LAB_LISTENERS_MAX];
    size_t listen_count;
    struct lab_move moves[LAB_MOVES_MAX];
    size_t move_count;
    struct lab_server_config server;
    const char *folder;
    const char *file;
    const char *map;
    const char *synthetic;
    const char *faults[LAB_FAULT_OPTIONS_MAX];
    size_t fault_count;
    const char *users[LAB_USERS_MAX];
    size_t user_count;
    const char *control;
    bool dies_with_parent;
};

/* -EINVAL with a reason, or -ECANCELED when help was asked for. Texts stay where they are. */
int lab_snmp_options_parse(char *const *words, int count, struct lab_snmp_options *options,
                           struct lab_error *err);
void lab_snmp_options_help(FILE *out);
/* "1.3.6.1.2.1.1.3=100" */
int lab_move_parse(const char *text, struct lab_move *move, struct lab_error *err);
