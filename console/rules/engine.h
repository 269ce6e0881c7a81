/* The engine's inside. Private to console/rules: engine.c keeps series and units, elements.c what
 * becomes of them.
 *
 * What costs: a sample, one look-up of its series and the conditions that want it. An evaluation,
 * the series that got a sample or whose time has come (a sample leaves a window, a value grows
 * stale: a heap of those times), and the alerts that are pending or kept firing. Nothing else is
 * looked at.
 */
#pragma once

#include "rules/rule.h"
#include "rules/rules.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    PHU_ENGINE_SERIES_MAX = 4 * 1000 * 1000,
    PHU_ENGINE_POINTS_MAX = 1024, /* of one field in its windows */
};

struct phu_engine_point {
    int64_t at_ns;
    double value;
};

/* One field of one series. */
struct phu_cell {
    int64_t last_ns; /* INT64_MIN: never */
    double last;
    struct phu_engine_point *ring; /* where a window is wanted */
    uint32_t first, count, room;
};

struct phu_member {
    struct phu_unit *unit;
    double part, whole; /* what it gives to its group */
    bool has_part, has_whole;
};

struct phu_series {
    struct phu_series *next;
    uint64_t hash;
    const struct phu_plan *plan;
    struct phu_alert_label *tags;                 /* texts lie behind them */
    struct phu_cell *cells;                       /* as the plan's fields */
    struct phu_member *members;                   /* one per condition that it matters to */
    uint32_t tag_count, sent_count, member_count; /* tags: with `name`; as they are sent */
    int64_t newest_ns, wake_ns;
    size_t heap_index;
    bool is_dirty, is_dead;
};

struct phu_hit;

struct phu_unit {
    const struct phu_cond *cond;
    struct phu_unit *next; /* of groups */
    uint64_t hash;
    const struct phu_alert_label *labels; /* the series', or its own */
    struct phu_series *series;            /* NULL: a group */
    struct phu_hit **hits;                /* by the condition's rules; NULL: none at all */
    struct phu_member **members;          /* of grouped metrics */
    size_t member_count;                  /* of every group */
    uint32_t label_count;
    bool has_value, is_true, is_candidate, is_dirty;
    double value;
    int64_t part, whole; /* shares: how many */
    int64_t newest_ns;   /* absence */
};

/* A unit that may make a rule's condition true. */
struct phu_hit {
    struct phu_unit *unit;
    struct phu_element *element;
    struct phu_hit *next, *previous; /* of the rule */
    bool is_ok;
};

enum phu_element_state {
    PHU_ELEMENT_INACTIVE,
    PHU_ELEMENT_PENDING,
    PHU_ELEMENT_FIRING,
};

struct phu_element {
    const struct phu_rule *rule;
    struct phu_element *next;       /* with the same hash */
    struct phu_alert_label *labels; /* of the alert; texts lie behind them */
    size_t label_count;
    struct phu_alert_label *annotations; /* as the rule's; values are its own */
    uint64_t hash;
    struct phu_hit **hits;
    size_t hit_count;
    size_t run_index; /* among those that time changes */
    uint64_t tick;    /* last stepped */
    enum phu_element_state state;
    bool is_touched;
    int64_t active_ns, fired_ns, keep_since_ns, hold_until_ns; /* 0: none */
    double value;
    uint64_t bits; /* m of n: the last evaluations, newest lowest */
    int64_t slot;
};

struct phu_key {
    struct phu_key *next;
    uint64_t hash;
    size_t count, length;
    char text[];
};

/* Values of the `on` labels of what is true. */
struct phu_key_set {
    struct phu_key **buckets;
    size_t bucket_count, count;
};

struct phu_guard_state {
    const struct phu_guard *guard;
    size_t rule;
    struct phu_key_set keys;
};

struct phu_rule_state {
    struct phu_unit **todo;
    size_t todo_count;
    struct phu_element **touched;
    size_t touched_count;
    struct phu_element **running;
    size_t running_count;
    struct phu_hit *hits;
    size_t held;          /* restored, and not decided yet */
    size_t *alert_guards; /* guards that look at this rule's alerts */
    size_t alert_guard_count;
    bool is_recheck; /* a guard has changed */
};

struct phu_rules_engine {
    const struct phu_rules *rules;
    phu_rules_changed_cb *changed;
    void *arg;
    int64_t now_ns;
    uint64_t tick;
    struct phu_series **series; /* buckets */
    size_t series_buckets, series_count;
    struct phu_unit **units; /* buckets, groups only */
    size_t unit_buckets, unit_count;
    struct phu_element **elements; /* buckets */
    size_t element_buckets, element_count;
    struct phu_series **heap;
    size_t heap_count;
    struct phu_series **dirty;
    size_t dirty_count;
    struct phu_unit **dirty_units;
    size_t dirty_unit_count;
    struct phu_series **dead;
    size_t dead_count;
    struct phu_rule_state *rule_states;
    struct phu_guard_state *guards;
    struct phu_element *orphans; /* restored, of rules that are no more */
    char *scratch;
    size_t scratch_length;
    struct phu_rules_figures figures;
};

/* -- engine.c --------------------------------------------------------------------------------- */

uint64_t phu_engine_hash(const char *text, size_t length, uint64_t seed);
const char *phu_engine_label(const struct phu_alert_label *labels, size_t count, const char *name);
/* The values of `names` among the labels, joined, in engine->scratch. */
void phu_engine_project(struct phu_rules_engine *engine, const struct phu_words *names,
                        const struct phu_alert_label *labels, size_t count);
/* Counts engine->scratch up or down in the guard's set; wakes the guard's rule when it matters. */
void phu_engine_guard_count(struct phu_rules_engine *engine, size_t guard, bool is_up);
bool phu_engine_guard_has(struct phu_rules_engine *engine, size_t guard);
void phu_engine_scratch_put(struct phu_rules_engine *engine, const char *text, size_t length);
void phu_engine_keys_fini(struct phu_key_set *set);

/* -- elements.c ------------------------------------------------------------------------------- */

/* Everything of one rule, its conditions being worked out. */
void phu_elements_evaluate(struct phu_rules_engine *engine, size_t rule);
void phu_elements_free(struct phu_rules_engine *engine);
void phu_element_free(struct phu_element *element);
/* An element with these labels, found or made; `labels` in any order are copied. */
struct phu_element *phu_element_get(struct phu_rules_engine *engine, const struct phu_rule *rule,
                                    const struct phu_alert_label *labels, size_t count);
void phu_element_run(struct phu_rules_engine *engine, struct phu_element *element, bool is_running);
struct phu_alert phu_element_alert(const struct phu_element *element);
/* What firing or its end means for guards that name this alert. */
void phu_element_tell_guards(struct phu_rules_engine *engine, const struct phu_element *element,
                             bool is_firing);
