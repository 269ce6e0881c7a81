/* The rules: what each prefix does to packets, changed while the lab runs.
 *
 * Each attribute is looked up by itself, and the longest prefix that sets it wins: a /16 may give
 * the delay while a /24 in it gives the loss. One exception: an address is down when *any* prefix
 * over it is, as everything behind a cut cable is.
 *
 * A lasting change sets the base value. A passing one (a scenario's `for 20s`) covers it until
 * it is ended by its owner; when several overlap, the last one stands, and what comes back at the
 * end is always the base value. */
#pragma once

#include "statement.h"

struct lab_rules;

/* The state of one rate limit, shared by all packets of a direction under that prefix. */
struct lab_shaper {
    int64_t free_at_ns; /* when the line has sent everything it accepted */
};

/* What holds for one address and direction. Pointers into the rules, NULL where nothing is set;
 * they hold until the generation changes. */
struct lab_profile {
    bool is_down;
    const struct lab_setting *settings[LAB_ATTRS];
    struct lab_shaper *shaper;
};

enum { LAB_RULES_MAX = 65536 };

struct lab_rules *lab_rules_new(void);
void lab_rules_free(struct lab_rules *rules);
/* Applies to `prefix`, not to the statement's target, which may be a pick. owner 0: lasting.
 * -ENOSPC past LAB_RULES_MAX prefixes, -ENOMEM. */
int lab_rules_apply(struct lab_rules *rules, const struct lab_statement *statement,
                    const struct lab_prefix *prefix, uint64_t owner);
/* Ends what this owner covered. */
void lab_rules_expire(struct lab_rules *rules, const struct lab_prefix *prefix, uint64_t owner);
/* Grows with every change. */
uint64_t lab_rules_generation(const struct lab_rules *rules);
void lab_rules_resolve(struct lab_rules *rules, const struct lab_addr *addr,
                       struct lab_profile profiles[LAB_DIRS]);
/* The longest prefix that holds `addr` down, false when none does. */
bool lab_rules_down_by(struct lab_rules *rules, const struct lab_addr *addr,
                       struct lab_prefix *prefix);
/* Calls back with one statement for each thing that is set, in the order it was first named. */
void lab_rules_each(const struct lab_rules *rules,
                    void (*visit)(void *context, const struct lab_statement *statement,
                                  bool is_passing),
                    void *context);
