/* Rules over what a console has stored. Private to `phusong rules`. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct phu_rules;

struct phu_replay {
    const char *store; /* file */
    int64_t from_ns, to_ns;
    bool is_json;
};

/* Prints what would have fired; an exit code, what went wrong on stderr. */
int phu_rules_replay(const struct phu_rules *rules, const struct phu_replay *replay, FILE *out);
