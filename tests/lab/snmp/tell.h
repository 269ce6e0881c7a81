/* What a running responder can be told over its control socket. */
#pragma once

#include "control.h"
#include "options.h"

struct lab_tell {
    struct lab_server *server;
    const struct lab_snmp_options *options;
    bool is_stopping; /* set by `stop` */
};

/* A lab_control_handler; the context is a struct lab_tell. */
lab_control_handler lab_tell_handle;
/* A fault as one text, as on the command line. */
int lab_tell_fault(struct lab_tell *tell, const char *text, int64_t now_ns, struct lab_error *err);
void lab_tell_counts(struct lab_server *server, FILE *out);
void lab_tell_help(FILE *out);
