/* The verbs that talk to a running lab, or look at what one left. */
#pragma once

#include <stdio.h>

struct lab_verb {
    const char *name;
    const char *arguments;
    const char *summary;
    const char *details; /* for --help; may be NULL */
    /* `words[0]` is the verb. Returns the exit status. */
    int (*run)(const struct lab_verb *verb, const char *state, char **words, int count);
};

/* Ends with a row whose name is NULL. */
extern const struct lab_verb lab_client_verbs[];

int lab_doctor(FILE *out);
