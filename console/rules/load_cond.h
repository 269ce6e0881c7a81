/* Conditions from YAML. Private to console/rules. */
#pragma once

#include "rules/yaml.h"

struct phu_cond_loader {
    struct phu_yaml yaml;
    struct phu_rules *rules;
};

/* What `when` (or an entry of its `if` and `unless`) says under the key of its condition. NULL when
 * it is wrong or there is none. `by` is given to rules, NULL to guards: of states and events it
 * joins series behind the guards. */
struct phu_cond *phu_load_cond(struct phu_cond_loader *loader, const struct phu_conf_node *mapping,
                               struct phu_words *by);
/* Index of a field in the plan, which is told to keep it; -1 when there are too many. */
int phu_plan_want(struct phu_plan *plan, struct phu_rule_arena *arena, const char *field,
                  int64_t keep_ns, bool has_history);

extern const char *const phu_cond_names[]; /* state, event, … NULL */
