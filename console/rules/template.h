/* Texts of labels and annotations: a small part of Go's templates, so that Prometheus reads them,
 * too.
 *
 *     {{ $labels.name }}  {{ $value | printf "%.1f" }}  {{ $value | humanizeDuration }}
 *     {{ if eq $labels.cause "power" }}…{{ else if … }}…{{ else }}…{{ end }}
 *     {{ field "households" | printf "%.0f" }}    ours: another field of what the alert is about
 */
#pragma once

#include "rules/arena.h"

#include <stdbool.h>
#include <stddef.h>

struct phu_template;
struct phu_rule;

enum { PHU_TEMPLATE_MAX = 8192, PHU_TEMPLATE_DEPTH = 8 };

struct phu_template_values {
    void *arg;
    const char *(*label)(void *arg, const char *name); /* "" when there is none */
    bool (*field)(void *arg, size_t field, double *value);
    double value;
};

/* A field that the template looks up becomes a number through `field`; -1: refused. */
typedef int phu_template_field_cb(void *arg, const char *name);

/* NULL with `why` when it is wrong. A `field` of NULL refuses fields and $value, as in labels. */
struct phu_template *phu_template_read(struct phu_rule_arena *arena, const char *text,
                                       phu_template_field_cb *field, void *arg, char *why,
                                       size_t why_size);
/* Freed by the caller. Longer results are cut at PHU_TEMPLATE_MAX. */
char *phu_template_expand(const struct phu_template *tree,
                          const struct phu_template_values *values);
/* As Prometheus reads it. */
const char *phu_template_export(struct phu_rule_arena *arena, const struct phu_template *tree,
                                const struct phu_rule *rule);
/* Does it need nothing but itself? Then its text, else NULL. */
const char *phu_template_constant(const struct phu_template *tree);
