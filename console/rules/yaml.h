/* Reading of YAML nodes with all mistakes told at their places. Private to console/rules. */
#pragma once

#include "conf_tree.h"

#include "rules/arena.h"
#include "rules/rule.h"

#include "phusong/err.h"

#include <stdbool.h>
#include <stdint.h>

struct phu_yaml {
    struct phu_rule_arena *arena;
    struct phu_diags *diags;
    size_t mistakes;
};

__attribute__((format(printf, 3, 4))) void
phu_yaml_mistake(struct phu_yaml *yaml, const struct phu_conf_node *node, const char *format, ...);

/* Is it a mapping with no other keys than these (NULL ends them)? `what` is "a rule". */
bool phu_yaml_check_keys(struct phu_yaml *yaml, const struct phu_conf_node *node, const char *what,
                         const char *const *names);
/* The value of a key; NULL when it is not there, or was reported on. */
const struct phu_conf_node *phu_yaml_value(const struct phu_conf_node *mapping, const char *name);
/* The same of a list; reports what is none. */
const struct phu_conf_node *phu_yaml_list(struct phu_yaml *yaml,
                                          const struct phu_conf_node *mapping, const char *name);

/* What is not given stays as it is. They return whether it was given (and right). */
bool phu_yaml_text(struct phu_yaml *yaml, const struct phu_conf_node *mapping, const char *name,
                   const char **out);
bool phu_yaml_duration(struct phu_yaml *yaml, const struct phu_conf_node *mapping, const char *name,
                       int64_t least_ns, int64_t *out);
bool phu_yaml_number(struct phu_yaml *yaml, const struct phu_conf_node *mapping, const char *name,
                     double *out);
/* A text, or a list of texts. */
bool phu_yaml_words(struct phu_yaml *yaml, const struct phu_conf_node *mapping, const char *name,
                    struct phu_words *out);

/* [a-zA-Z_][a-zA-Z0-9_]*, and not __…: what labels, measurements and fields may be called. */
bool phu_yaml_is_name(const char *text);
