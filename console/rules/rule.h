/* Rules as they were read. Private to console/rules.
 *
 * How a rule is worked out, in ours as in PromQL:
 *
 *     series ─► unit (one series, or all of a group) ─► guards ─► element (a unit, or all units of
 *     the same `by`) ─► m of n ─► for, keep_firing_for ─► alert
 *
 * A condition (struct phu_cond) gives units a value and says which are true. Shares, absence and
 * grouped metrics add series up to units; states and events have a unit per series, and their `by`
 * joins units to elements behind the guards.
 */
#pragma once

#include "rules/arena.h"
#include "rules/rules.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    PHU_PLAN_FIELDS = 32,
    PHU_RULES_MOST = 1000,
    PHU_RULE_LABELS = 32,
    PHU_RULE_WORDS = 64,
    PHU_RULE_GUARDS = 8,
    PHU_COND_FIELDS = 3,
};

struct phu_template;

struct phu_words {
    const char **items;
    size_t count;
};

struct phu_matcher {
    const char *tag;
    bool is_negated;
    struct phu_words values; /* "": without the tag */
};

enum phu_cond_kind {
    PHU_COND_STATE,
    PHU_COND_EVENT,
    PHU_COND_METRIC,
    PHU_COND_SHARE,
    PHU_COND_ABSENT,
};

enum phu_metric_form {
    PHU_METRIC_LAST,
    PHU_METRIC_MEAN,
    PHU_METRIC_MIN,
    PHU_METRIC_MAX,
    PHU_METRIC_SUM,
    PHU_METRIC_INCREASE,
    PHU_METRIC_RATIO,
};

enum phu_compare {
    PHU_COMPARE_NONE, /* whatever has a value is true */
    PHU_COMPARE_ABOVE,
    PHU_COMPARE_BELOW,
    PHU_COMPARE_AT_LEAST,
    PHU_COMPARE_AT_MOST,
};

/* What is kept of the series of a measurement. */
struct phu_plan_field {
    const char *name;
    int64_t keep_ns;  /* no condition looks further back */
    bool has_history; /* or the latest value is enough */
};

struct phu_plan {
    const char *measurement;
    struct phu_plan_field fields[PHU_PLAN_FIELDS];
    size_t field_count;
    struct phu_cond **conds;
    size_t cond_count;
    int64_t keep_ns;
    bool is_urgent; /* a change is worth an evaluation at once */
};

struct phu_cond {
    enum phu_cond_kind kind;
    enum phu_metric_form form;
    enum phu_compare compare;
    struct phu_plan *plan;
    size_t fields[PHU_COND_FIELDS]; /* of the plan; what they are depends on the kind */
    struct phu_matcher *matchers;
    size_t matcher_count;
    unsigned states; /* bit of each state's code */
    bool is_grouped; /* units are groups of series */
    struct phu_words by;
    int64_t window_ns; /* over, stale, or silent for */
    int64_t known_ns;
    double limit, clear;
    bool has_clear;
    double least;         /* share: of so many at least */
    const char *selector; /* PromQL: {…} */
    const char *value;    /* PromQL: what is compared */
    const char *also;     /* PromQL: " and …" behind the comparison, or "" */
    const char *expr;     /* PromQL of the whole, without hysteresis */
    size_t index;         /* among all conditions */
    size_t *rules;        /* that it is the main condition of */
    size_t rule_count;
    size_t *guards; /* guard numbers that listen to it */
    size_t guard_count;
};

struct phu_guard {
    bool is_negated;
    struct phu_words on;
    const struct phu_cond *cond; /* or NULL, and: */
    const char *alert;           /* one above in the same group, firing */
    size_t index;                /* among all guards */
};

struct phu_rule_label {
    const char *name;
    struct phu_template *text;
};

struct phu_rule {
    const char *group, *alert, *file;
    unsigned line;
    int64_t interval_ns, for_ns, keep_firing_for_ns;
    struct phu_cond *cond;
    struct phu_words by; /* of elements */
    bool has_by;
    struct phu_guard *guards;
    size_t guard_count;
    int m, n; /* n 0: no m of n */
    struct phu_rule_label *labels, *annotations;
    size_t label_count, annotation_count;
    const char *expr;
    size_t index;
};

struct phu_rules {
    struct phu_rule_arena arena;
    struct phu_rule **rules;
    size_t rule_count;
    struct phu_cond **conds;
    size_t cond_count;
    struct phu_plan **plans;
    size_t plan_count;
    size_t guard_count;
};

/* -- PromQL (promql.c) ------------------------------------------------------------------------ */

/* Sets cond->selector, value, also and expr. */
void phu_promql_cond(struct phu_rule_arena *arena, struct phu_cond *cond);
/* The whole rule; cond and guards are complete. */
const char *phu_promql_rule(struct phu_rule_arena *arena, const struct phu_rule *rule);
/* A field of an alert's own series, as a template's `with … | query`; `rest` is the pipeline behind
 * it ("" or "| …"). */
const char *phu_promql_lookup(struct phu_rule_arena *arena, const struct phu_rule *rule,
                              const char *field, const char *rest);
const char *phu_promql_duration(struct phu_rule_arena *arena, int64_t ns);

/* Does `value` satisfy the condition; with hysteresis while it fires? NaN never does. */
bool phu_cond_holds(const struct phu_cond *cond, double value, bool is_firing);
/* A number as Go prints it by itself, shortest. */
#define PHU_NUMBER_TEXT 40
void phu_number_print(char text[PHU_NUMBER_TEXT], double value);
