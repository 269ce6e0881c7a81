/* The control socket of a running lab.
 *
 * A request is its words, each ended by a zero byte, then the end of the stream. The answer is one
 * byte, '0' for done or '1' for refused, with a descriptor attached where one was asked for, then
 * text up to the end of the stream. The answer to `stop` ends when all has been cleaned up. */
#pragma once

#include "units.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum { LAB_CONTROL_WORDS = 64, LAB_CONTROL_BYTES = 4 << 20 };

struct lab_reply {
    FILE *out;
    bool is_refused;
    int fd; /* to be passed on; stays the handler's. -1: none */
};

struct lab_control;

/* The words are NULL-terminated and valid during the call. */
typedef void lab_control_handler(void *context, char **words, int count, struct lab_reply *reply);

int lab_control_open(const char *path, lab_control_handler *handler, void *context,
                     struct lab_control **control);
/* To be watched for reading; then call serve. */
int lab_control_fd(const struct lab_control *control);
void lab_control_serve(struct lab_control *control);
/* Removes the socket's name, then ends all connections. */
void lab_control_close(struct lab_control *control);

/* The other end: sends the words, prints the answer to `out`. Returns 0, 1 when refused, or a
 * negative errno. `fd` receives the descriptor, -1 when none came; may be NULL. */
int lab_control_ask(const char *path, char *const *words, int count, FILE *out, int *fd);
