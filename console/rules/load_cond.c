#include "rules/load_cond.h"

#include "mem.h"

#include "phusong/text.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define SECOND INT64_C(1000000000)
#define HOUR (3600 * SECOND)

const char *const phu_cond_names[] = {
    [PHU_COND_STATE] = "state", [PHU_COND_EVENT] = "event",   [PHU_COND_METRIC] = "metric",
    [PHU_COND_SHARE] = "share", [PHU_COND_ABSENT] = "absent", NULL,
};

static const char *const state_names[] = {"up", "degraded", "down", "unreachable", "unknown", NULL};
static const char *const subjects[] = {"endpoint", "device", "node", NULL};
static const char *const event_kinds[] = {"endpoint", "device", "pon", "site",
                                          "uplink",   "node",   NULL};
static const char *const event_causes[] = {"power", "fibre_cut", "backhaul", "single_line",
                                           "radio", "node",      "unknown",  NULL};
static const char *const form_names[] = {
    [PHU_METRIC_LAST] = "last",  [PHU_METRIC_MEAN] = "mean",
    [PHU_METRIC_MIN] = "min",    [PHU_METRIC_MAX] = "max",
    [PHU_METRIC_SUM] = "sum",    [PHU_METRIC_INCREASE] = "increase",
    [PHU_METRIC_RATIO] = "part", NULL,
};
static const char *const compare_names[] = {
    [PHU_COMPARE_ABOVE] = "above",
    [PHU_COMPARE_BELOW] = "below",
    [PHU_COMPARE_AT_LEAST] = "at_least",
    [PHU_COMPARE_AT_MOST] = "at_most",
};
enum { COMPARES = sizeof compare_names / sizeof *compare_names };

/* -- Plans ------------------------------------------------------------------------------------ */

static struct phu_plan *plan_of(struct phu_cond_loader *loader, const char *measurement)
{
    struct phu_rules *rules = loader->rules;
    struct phu_plan *plan;

    for (size_t i = 0; i < rules->plan_count; i++) {
        if (strcmp(rules->plans[i]->measurement, measurement) == 0)
            return rules->plans[i];
    }
    plan = phu_rule_arena_take(loader->yaml.arena, 1, sizeof *plan);
    plan->measurement = measurement;
    rules->plans = phu_mem_grow(rules->plans, rules->plan_count, sizeof(struct phu_plan *));
    rules->plans[rules->plan_count++] = plan;
    return plan;
}

int phu_plan_want(struct phu_plan *plan, struct phu_rule_arena *arena, const char *field,
                  int64_t keep_ns, bool has_history)
{
    struct phu_plan_field *known;
    size_t i = 0;

    while (i < plan->field_count && strcmp(plan->fields[i].name, field) != 0)
        i++;
    if (i == PHU_PLAN_FIELDS)
        return -1;
    known = &plan->fields[i];
    if (i == plan->field_count) {
        plan->field_count++;
        *known = (struct phu_plan_field){.name = phu_rule_arena_text(arena, field, strlen(field))};
    }
    known->keep_ns = keep_ns > known->keep_ns ? keep_ns : known->keep_ns;
    known->has_history |= has_history;
    plan->keep_ns = keep_ns > plan->keep_ns ? keep_ns : plan->keep_ns;
    return (int)i;
}

/* -- Pieces of conditions --------------------------------------------------------------------- */

struct draft {
    struct phu_cond_loader *loader;
    struct phu_yaml *yaml;
    const struct phu_conf_node *node; /* the mapping of the condition's keys */
    struct phu_cond *cond;
};

static void want(struct draft *draft, size_t slot, const char *field, bool has_history)
{
    struct phu_cond *cond = draft->cond;
    int64_t keep = cond->known_ns > cond->window_ns ? cond->known_ns : cond->window_ns;
    int index;

    if (!phu_yaml_is_name(field)) {
        phu_yaml_mistake(draft->yaml, draft->node, "\"%.60s\" is no name of a field", field);
        return;
    }
    index = phu_plan_want(cond->plan, draft->yaml->arena, field, keep, has_history);
    if (index < 0)
        phu_yaml_mistake(draft->yaml, draft->node,
                         "all rules together look at more than %d fields of \"%s\"",
                         PHU_PLAN_FIELDS, cond->plan->measurement);
    else
        cond->fields[slot] = (size_t)index;
}

static void add_matcher(struct draft *draft, const char *tag, bool is_negated,
                        struct phu_words values)
{
    struct phu_cond *cond = draft->cond;
    struct phu_matcher *grown =
        phu_rule_arena_take(draft->yaml->arena, cond->matcher_count + 1, sizeof *grown);

    if (cond->matcher_count)
        memcpy(grown, cond->matchers, cond->matcher_count * sizeof *grown);
    grown[cond->matcher_count++] = (struct phu_matcher){tag, is_negated, values};
    cond->matchers = grown;
}

static void add_present(struct draft *draft, const char *tag)
{
    const char **nothing = phu_rule_arena_take(draft->yaml->arena, 1, sizeof *nothing);

    nothing[0] = "";
    add_matcher(draft, tag, true, (struct phu_words){nothing, 1});
}

static void read_tags(struct draft *draft, const char *name, bool is_negated)
{
    const struct phu_conf_node *tags = phu_yaml_value(draft->node, name), *key;
    struct phu_words values;

    if (!tags)
        return;
    if (tags->kind != PHU_CONF_MAPPING || tags->count > PHU_RULE_LABELS) {
        phu_yaml_mistake(draft->yaml, tags,
                         "\"%s\" takes tags and their values, such as "
                         "{operator: viettel}, at most %d",
                         name, PHU_RULE_LABELS);
        return;
    }
    for (key = tags->first; key; key = key->next) {
        if (!phu_yaml_is_name(key->text))
            phu_yaml_mistake(draft->yaml, key, "\"%.60s\" is no name of a tag", key->text);
        else if (phu_yaml_words(draft->yaml, tags, key->text, &values))
            add_matcher(draft, phu_rule_arena_text(draft->yaml->arena, key->text, key->length),
                        is_negated, values);
    }
}

/* Texts out of a list of names, as a matcher. */
static void read_choice(struct draft *draft, const char *key, const char *tag, bool is_negated,
                        const char *const *names)
{
    struct phu_words values;

    if (!phu_yaml_words(draft->yaml, draft->node, key, &values))
        return;
    for (size_t i = 0; i < values.count; i++) {
        struct phu_guess guess = {.word = values.items[i]};
        size_t n = 0;

        while (names[n] && strcmp(names[n], values.items[i]) != 0)
            phu_guess_offer(&guess, names[n++]);
        if (!names[n])
            phu_yaml_mistake(draft->yaml, phu_yaml_value(draft->node, key),
                             "no event has the %s \"%.60s\"%s%s%s", tag, values.items[i],
                             guess.nearest ? "; did you mean \"" : "; see docs/rules.md",
                             guess.nearest ? guess.nearest : "", guess.nearest ? "\"?" : "");
    }
    add_matcher(draft, tag, is_negated, values);
}

static void read_states(struct draft *draft)
{
    struct phu_words values = {0};

    if (!phu_yaml_words(draft->yaml, draft->node, "in", &values)) {
        if (!phu_yaml_value(draft->node, "in"))
            phu_yaml_mistake(draft->yaml, draft->node,
                             "\"in\" is missing: in which state, such "
                             "as in: down");
        return;
    }
    for (size_t i = 0; i < values.count; i++) {
        struct phu_guess guess = {.word = values.items[i]};
        unsigned code = 0;

        while (state_names[code] && strcmp(state_names[code], values.items[i]) != 0)
            phu_guess_offer(&guess, state_names[code++]);
        if (state_names[code])
            draft->cond->states |= 1U << code;
        else
            phu_yaml_mistake(draft->yaml, phu_yaml_value(draft->node, "in"),
                             "\"%.60s\" is no state; %s%s%s", values.items[i],
                             guess.nearest ? "did you mean \""
                                           : "they are up, degraded, down, "
                                             "unreachable and unknown",
                             guess.nearest ? guess.nearest : "", guess.nearest ? "\"?" : "");
    }
}

static void read_subject(struct draft *draft)
{
    const char *of = "endpoint";
    size_t i = 0;

    phu_yaml_text(draft->yaml, draft->node, "of", &of);
    while (subjects[i] && strcmp(subjects[i], of) != 0)
        i++;
    if (!subjects[i])
        phu_yaml_mistake(draft->yaml, phu_yaml_value(draft->node, "of"),
                         "\"%.60s\" has no state; it is endpoint, device or node", of);
    else
        add_present(draft, subjects[i]);
}

static bool read_by(struct draft *draft, struct phu_words *by)
{
    if (!phu_yaml_words(draft->yaml, draft->node, "by", by))
        return false;
    for (size_t i = 0; i < by->count; i++) {
        if (!phu_yaml_is_name(by->items[i]))
            phu_yaml_mistake(draft->yaml, phu_yaml_value(draft->node, "by"),
                             "\"%.60s\" is no name of a tag", by->items[i]);
    }
    return true;
}

static void read_compare(struct draft *draft)
{
    struct phu_cond *cond = draft->cond;
    const struct phu_conf_node *clear = phu_yaml_value(draft->node, "clear");
    size_t given = 0;

    for (size_t i = PHU_COMPARE_ABOVE; i < COMPARES; i++) {
        if (phu_yaml_value(draft->node, compare_names[i]))
            given++;
        if (phu_yaml_number(draft->yaml, draft->node, compare_names[i], &cond->limit))
            cond->compare = (enum phu_compare)i;
    }
    if (given != 1)
        phu_yaml_mistake(draft->yaml, draft->node,
                         given ? "more than one threshold; keep one of above, below, at_least, "
                                 "at_most"
                               : "no threshold; add above, below, at_least or at_most");
    cond->has_clear = phu_yaml_number(draft->yaml, draft->node, "clear", &cond->clear);
    if (cond->has_clear && given == 1 &&
        (cond->compare == PHU_COMPARE_ABOVE || cond->compare == PHU_COMPARE_AT_LEAST
             ? cond->clear > cond->limit
             : cond->clear < cond->limit))
        phu_yaml_mistake(draft->yaml, clear,
                         "\"clear\" is harder to reach than the threshold itself: an alert would "
                         "end before it begins; put it on the good side");
}

/* -- Conditions ------------------------------------------------------------------------------- */

static void read_state_basis(struct draft *draft)
{
    draft->cond->plan = plan_of(draft->loader, "state");
    draft->cond->plan->is_urgent = true;
    draft->cond->window_ns = HOUR;
    phu_yaml_duration(draft->yaml, draft->node, "stale", SECOND, &draft->cond->window_ns);
    read_subject(draft);
    read_states(draft);
    want(draft, 0, "code", false);
    want(draft, 1, "maintenance", false);
}

static void read_state(struct draft *draft, struct phu_words *by)
{
    read_state_basis(draft);
    if (by)
        read_by(draft, by);
}

static void read_event(struct draft *draft, struct phu_words *by)
{
    struct phu_cond *cond = draft->cond;
    const char *value = "active";

    cond->plan = plan_of(draft->loader, "event");
    cond->plan->is_urgent = true;
    cond->window_ns = HOUR;
    phu_yaml_duration(draft->yaml, draft->node, "stale", SECOND, &cond->window_ns);
    read_choice(draft, "kind", "kind", false, event_kinds);
    read_choice(draft, "not_kind", "kind", true, event_kinds);
    read_choice(draft, "cause", "cause", false, event_causes);
    read_choice(draft, "not_cause", "cause", true, event_causes);
    phu_yaml_text(draft->yaml, draft->node, "value", &value);
    want(draft, 0, "active", false);
    want(draft, 1, "maintenance", false);
    want(draft, 2, value, false);
    if (by)
        read_by(draft, by);
}

static void read_form(struct draft *draft)
{
    struct phu_cond *cond = draft->cond;
    const char *field = NULL, *whole = NULL, *sum;
    size_t given = 0;

    for (size_t i = 0; form_names[i]; i++) {
        if (phu_yaml_text(draft->yaml, draft->node, form_names[i], &field)) {
            cond->form = (enum phu_metric_form)i;
            given++;
        }
    }
    if (given != 1) {
        phu_yaml_mistake(draft->yaml, draft->node,
                         "%s; write one of last, mean, min, max, sum, increase, or part with whole",
                         given ? "it takes one value" : "of which field?");
        return;
    }
    phu_yaml_text(draft->yaml, draft->node, "whole", &whole);
    if ((whole != NULL) != (cond->form == PHU_METRIC_RATIO)) {
        phu_yaml_mistake(draft->yaml, draft->node, "\"part\" and \"whole\" belong together");
        return;
    }
    sum = strstr(field, "_sum");
    if (cond->form == PHU_METRIC_MEAN) {
        if (!sum) {
            phu_yaml_mistake(draft->yaml, phu_yaml_value(draft->node, "mean"),
                             "a mean is made of a field with _sum in its name and the one with "
                             "_count; \"%.60s\" is none",
                             field);
            return;
        }
        whole = phu_rule_arena_print(draft->yaml->arena, "%.*s_count", (int)(sum - field), field);
    }
    want(draft, 0, field, cond->form != PHU_METRIC_LAST);
    if (whole)
        want(draft, 1, whole, true);
}

static void read_metric(struct draft *draft)
{
    struct phu_cond *cond = draft->cond;
    const char *of = NULL;

    if (!phu_yaml_text(draft->yaml, draft->node, "of", &of) || !phu_yaml_is_name(of)) {
        phu_yaml_mistake(draft->yaml, draft->node,
                         "\"of\" must name a measurement, such as "
                         "of: signal");
        return;
    }
    cond->plan = plan_of(draft->loader, of);
    cond->window_ns = 10 * 60 * SECOND;
    phu_yaml_duration(draft->yaml, draft->node, "over", SECOND, &cond->window_ns);
    cond->is_grouped = read_by(draft, &cond->by);
    read_form(draft);
    read_compare(draft);
    if (cond->is_grouped && cond->form == PHU_METRIC_LAST)
        phu_yaml_mistake(draft->yaml, phu_yaml_value(draft->node, "by"),
                         "latest values of several series cannot be joined; use max, min or sum");
}

static void read_share(struct draft *draft)
{
    struct phu_cond *cond = draft->cond;

    read_state_basis(draft);
    cond->is_grouped = true;
    cond->least = 1;
    if (!read_by(draft, &cond->by))
        phu_yaml_mistake(draft->yaml, draft->node,
                         "\"by\" is missing: the share of whose endpoints, such as by: [commune]");
    phu_yaml_number(draft->yaml, draft->node, "min_count", &cond->least);
    read_compare(draft);
    if (cond->compare == PHU_COMPARE_BELOW || cond->compare == PHU_COMPARE_AT_MOST)
        phu_yaml_mistake(draft->yaml, draft->node,
                         "a share is compared with above or at_least; turn the states round");
    if (cond->limit > 1 || cond->limit < 0)
        phu_yaml_mistake(draft->yaml, draft->node, "a share lies between 0%% and 100%%");
}

static void read_absent(struct draft *draft)
{
    struct phu_cond *cond = draft->cond;
    const char *of = "state", *field = "code";

    phu_yaml_text(draft->yaml, draft->node, "of", &of);
    phu_yaml_text(draft->yaml, draft->node, "field", &field);
    if (!phu_yaml_is_name(of)) {
        phu_yaml_mistake(draft->yaml, phu_yaml_value(draft->node, "of"),
                         "\"%.60s\" is no measurement", of);
        return;
    }
    cond->plan = plan_of(draft->loader, of);
    cond->is_grouped = true;
    cond->window_ns = 120 * SECOND;
    cond->known_ns = 24 * HOUR;
    phu_yaml_duration(draft->yaml, draft->node, "for", SECOND, &cond->window_ns);
    phu_yaml_duration(draft->yaml, draft->node, "known", SECOND, &cond->known_ns);
    if (cond->known_ns <= cond->window_ns)
        phu_yaml_mistake(draft->yaml, draft->node,
                         "\"known\" must be longer than \"for\": whoever was not heard of for that "
                         "long is forgotten");
    if (!read_by(draft, &cond->by))
        phu_yaml_mistake(draft->yaml, draft->node,
                         "\"by\" is missing: who is silent, such as by: [agent]");
    want(draft, 0, field, false);
}

static void read_kind(struct draft *draft, struct phu_words *by)
{
    switch (draft->cond->kind) {
    case PHU_COND_STATE:
        read_state(draft, by);
        break;
    case PHU_COND_EVENT:
        read_event(draft, by);
        break;
    case PHU_COND_METRIC:
        read_metric(draft);
        break;
    case PHU_COND_SHARE:
        read_share(draft);
        break;
    case PHU_COND_ABSENT:
        read_absent(draft);
        break;
    }
    read_tags(draft, "tags", false);
    read_tags(draft, "not_tags", true);
}

/* Conditions that say the same are one. */
static struct phu_cond *keep(struct phu_cond_loader *loader, struct phu_cond *cond)
{
    struct phu_rules *rules = loader->rules;
    struct phu_plan *plan = cond->plan;

    for (size_t i = 0; i < rules->cond_count; i++) {
        struct phu_cond *other = rules->conds[i];

        if (strcmp(other->expr, cond->expr) == 0 && other->has_clear == cond->has_clear &&
            (!cond->has_clear || other->clear == cond->clear))
            return other;
    }
    rules->conds = phu_mem_grow(rules->conds, rules->cond_count, sizeof(struct phu_cond *));
    cond->index = rules->cond_count;
    rules->conds[rules->cond_count++] = cond;
    plan->conds = phu_mem_grow(plan->conds, plan->cond_count, sizeof(struct phu_cond *));
    plan->conds[plan->cond_count++] = cond;
    return cond;
}

struct phu_cond *phu_load_cond(struct phu_cond_loader *loader, const struct phu_conf_node *mapping,
                               struct phu_words *by)
{
    static const char *const keys[][20] = {
        [PHU_COND_STATE] = {"of", "in", "by", "stale", "tags", "not_tags", NULL},
        [PHU_COND_EVENT] = {"kind", "not_kind", "cause", "not_cause", "value", "by", "stale",
                            "tags", "not_tags", NULL},
        [PHU_COND_METRIC] = {"of", "last", "mean", "min", "max", "sum", "increase", "part", "whole",
                             "over", "above", "below", "at_least", "at_most", "clear", "by", "tags",
                             "not_tags", NULL},
        [PHU_COND_SHARE] = {"of", "in", "by", "above", "at_least", "below", "at_most", "clear",
                            "min_count", "stale", "tags", "not_tags", NULL},
        [PHU_COND_ABSENT] = {"of", "field", "by", "for", "known", "tags", "not_tags", NULL},
    };
    struct draft draft = {.loader = loader, .yaml = &loader->yaml};
    size_t before = loader->yaml.mistakes;
    char what[64];

    for (size_t i = 0; phu_cond_names[i] && !draft.node; i++) {
        draft.node = phu_yaml_value(mapping, phu_cond_names[i]);
        if (!draft.node)
            continue;
        draft.cond = phu_rule_arena_take(loader->yaml.arena, 1, sizeof *draft.cond);
        draft.cond->kind = (enum phu_cond_kind)i;
    }
    if (!draft.node)
        return NULL;
    snprintf(what, sizeof what, "the condition %s", phu_cond_names[draft.cond->kind]);
    if (!phu_yaml_check_keys(&loader->yaml, draft.node, what, keys[draft.cond->kind]))
        return NULL;
    read_kind(&draft, by);
    if (!by && phu_yaml_value(draft.node, "by") && !draft.cond->is_grouped)
        phu_yaml_mistake(&loader->yaml, phu_yaml_value(draft.node, "by"),
                         "a guard needs no \"by\"; \"on\" says what must be equal");
    if (!by && draft.cond->has_clear)
        phu_yaml_mistake(&loader->yaml, phu_yaml_value(draft.node, "clear"),
                         "a guard does not fire and so has no \"clear\"");
    if (loader->yaml.mistakes > before)
        return NULL;
    phu_promql_cond(loader->yaml.arena, draft.cond);
    return keep(loader, draft.cond);
}
