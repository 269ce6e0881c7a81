/* What can be told to the lab: one statement changes one thing about one prefix.
 *
 *     down 10.27.3.0/24
 *     delay 10.27.0.0/16 20ms --jitter 5ms --distribution normal
 *     loss 10.27.3.0/24 2% --burst 4 --dir to
 *     clear 10.27.3.0/24 loss
 *
 * The same words come from the command line, from a configuration and from a scenario. */
#pragma once

#include "addr.h"

#include <stdbool.h>
#include <stdint.h>

enum lab_dir {
    LAB_TO,   /* towards the district: requests */
    LAB_FROM, /* from the district: replies */
    LAB_DIRS,
};

enum lab_attr {
    LAB_ATTR_DOWN,
    LAB_ATTR_DELAY,
    LAB_ATTR_LOSS,
    LAB_ATTR_RATE,
    LAB_ATTR_DUPLICATE,
    LAB_ATTR_CORRUPT,
    LAB_ATTRS,
};

/* The value of one attribute; which members count depends on the attribute. */
struct lab_setting {
    int64_t delay_ns;
    int64_t jitter_ns;
    bool is_normal;   /* jitter is a standard deviation, else the half-width of a uniform span */
    bool keeps_order; /* a flow's packets never overtake each other */
    bool mends;       /* corrupted packets get a valid checksum again */
    double share;     /* of packets lost, duplicated or corrupted */
    double burst;     /* mean length of a run of losses; 0: each packet by itself */
    double rate;      /* bytes per second */
    uint64_t limit;   /* bytes that may wait for the rate; more are dropped */
};

bool lab_setting_equal(const struct lab_setting *a, const struct lab_setting *b);

/* A prefix, or in a scenario `pick:10.27.0.0/16:24`, a /24 of it drawn anew each time. */
struct lab_target {
    struct lab_prefix prefix;
    uint8_t pick_length; /* 0: no pick; else in the same terms as prefix.length */
};

struct lab_statement {
    bool is_clear;   /* unset, else set */
    bool clears_all; /* `clear all`: every prefix */
    struct lab_target target;
    unsigned attrs; /* bit (1 << lab_attr); one bit unless is_clear */
    unsigned dirs;  /* bit (1 << lab_dir) */
    struct lab_setting setting;
};

/* `words` as on a command line, the verb first. */
int lab_statement_parse(char *const *words, int count, struct lab_statement *statement,
                        struct lab_error *err);
/* Canonical text, parsable again. Returns `out`. */
char *lab_statement_format(const struct lab_statement *statement, char *out, size_t size);
bool lab_statement_is_verb(const char *word);
const char *lab_attr_name(enum lab_attr attr);
/* The prefix to act on; for a pick the one that `random` chooses. */
struct lab_prefix lab_target_resolve(const struct lab_target *target, uint64_t random);
