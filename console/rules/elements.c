/* From units that are true to alerts: guards, `by`, m of n, `for` and `keep_firing_for` as
 * Prometheus does them.
 */
#include "rules/engine.h"
#include "rules/template.h"

#include "mem.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define NOWHERE SIZE_MAX

/* -- Labels ----------------------------------------------------------------------------------- */

struct label_source {
    const struct phu_rule *rule;
    const struct phu_unit *unit;       /* NULL: no unit is true any more */
    const struct phu_element *element; /* NULL while it is being named */
};

static bool is_in(const struct phu_words *words, const char *name)
{
    for (size_t i = 0; i < words->count; i++) {
        if (strcmp(words->items[i], name) == 0)
            return true;
    }
    return false;
}

static const char *source_label(void *arg, const char *name)
{
    const struct label_source *source = arg;

    if (!source->unit) { /* m of n: true before */
        for (size_t i = 0; i < source->rule->label_count; i++) {
            if (strcmp(source->rule->labels[i].name, name) == 0)
                return "";
        }
        return phu_engine_label(source->element->labels, source->element->label_count, name);
    }
    if (source->rule->has_by && !is_in(&source->rule->by, name))
        return "";
    return phu_engine_label(source->unit->labels, source->unit->label_count, name);
}

/* The largest of those that the alert is made of. */
static bool source_field(void *arg, size_t field, double *value)
{
    const struct label_source *source = arg;
    const struct phu_element *element = source->element;
    bool has_value = false;

    for (size_t i = 0; element && i < element->hit_count; i++) {
        const struct phu_series *series = element->hits[i]->unit->series;
        const struct phu_cell *cell = &series->cells[field];

        if (cell->last_ns == INT64_MIN || (has_value && cell->last <= *value))
            continue;
        *value = cell->last;
        has_value = true;
    }
    return has_value;
}

static int compare_labels(const void *a, const void *b)
{
    return strcmp(((const struct phu_alert_label *)a)->name,
                  ((const struct phu_alert_label *)b)->name);
}

/* Sorted, in one piece of memory with their texts; empty ones are left out. */
static struct phu_alert_label *copy_labels(const struct phu_alert_label *labels, size_t count,
                                           size_t *kept)
{
    size_t bytes = count * sizeof *labels;
    struct phu_alert_label *copy;
    char *text;

    for (size_t i = 0; i < count; i++)
        bytes += strlen(labels[i].name) + strlen(labels[i].value) + 2;
    copy = phu_mem_alloc(1, bytes + 1);
    text = (char *)(copy + count);
    *kept = 0;
    for (size_t i = 0; i < count; i++) {
        if (!*labels[i].value)
            continue;
        copy[*kept].name = text;
        text = stpcpy(text, labels[i].name) + 1;
        copy[(*kept)++].value = text;
        text = stpcpy(text, labels[i].value) + 1;
    }
    qsort(copy, *kept, sizeof *copy, compare_labels);
    return copy;
}

/* -- Elements --------------------------------------------------------------------------------- */

static void grow(struct phu_rules_engine *engine)
{
    size_t count = engine->element_buckets ? engine->element_buckets * 2 : 64;
    struct phu_element **buckets = phu_mem_alloc(count, sizeof(struct phu_element *));

    for (size_t i = 0; i < engine->element_buckets; i++) {
        while (engine->elements[i]) {
            struct phu_element *element = engine->elements[i];

            engine->elements[i] = element->next;
            element->next = buckets[element->hash & (count - 1)];
            buckets[element->hash & (count - 1)] = element;
        }
    }
    free(engine->elements);
    engine->elements = buckets;
    engine->element_buckets = count;
}

static bool is_same(const struct phu_element *element, const struct phu_rule *rule,
                    const struct phu_alert_label *labels, size_t count)
{
    if (element->rule != rule || element->label_count != count)
        return false;
    for (size_t i = 0; i < count; i++) {
        if (strcmp(element->labels[i].name, labels[i].name) != 0 ||
            strcmp(element->labels[i].value, labels[i].value) != 0)
            return false;
    }
    return true;
}

static uint64_t hash_labels(const struct phu_rule *rule, const struct phu_alert_label *labels,
                            size_t count)
{
    uint64_t hash = rule->index;

    for (size_t i = 0; i < count; i++) {
        hash = phu_engine_hash(labels[i].name, strlen(labels[i].name), hash);
        hash = phu_engine_hash(labels[i].value, strlen(labels[i].value), hash);
    }
    return hash;
}

static struct phu_element *find(const struct phu_rules_engine *engine, const struct phu_rule *rule,
                                const struct phu_alert_label *sorted, size_t count)
{
    uint64_t hash = hash_labels(rule, sorted, count);
    struct phu_element *element =
        engine->element_buckets ? engine->elements[hash & (engine->element_buckets - 1)] : NULL;

    while (element && (element->hash != hash || !is_same(element, rule, sorted, count)))
        element = element->next;
    return element;
}

struct phu_element *phu_element_get(struct phu_rules_engine *engine, const struct phu_rule *rule,
                                    const struct phu_alert_label *labels, size_t count)
{
    size_t kept;
    struct phu_alert_label *sorted = copy_labels(labels, count, &kept);
    struct phu_element *element = find(engine, rule, sorted, kept);

    if (element) {
        free(sorted);
        return element;
    }
    if (engine->element_count >= engine->element_buckets)
        grow(engine);
    element = phu_mem_alloc(1, sizeof *element);
    *element = (struct phu_element){.rule = rule,
                                    .labels = sorted,
                                    .label_count = kept,
                                    .hash = hash_labels(rule, sorted, kept),
                                    .run_index = NOWHERE,
                                    .slot = INT64_MIN};
    element->annotations = phu_mem_alloc(rule->annotation_count + 1, sizeof *element->annotations);
    for (size_t i = 0; i < rule->annotation_count; i++) {
        element->annotations[i].name = rule->annotations[i].name;
        element->annotations[i].value = phu_mem_strdup("");
    }
    element->next = engine->elements[element->hash & (engine->element_buckets - 1)];
    engine->elements[element->hash & (engine->element_buckets - 1)] = element;
    engine->element_count++;
    return element;
}

/* What the alert of a unit is called: its labels, and the rule's over them. */
static struct phu_alert_label *name_labels(const struct phu_rule *rule, const struct phu_unit *unit,
                                           size_t *count)
{
    struct label_source source = {rule, unit, NULL};
    struct phu_template_values values = {.arg = &source, .label = source_label};
    size_t most = unit->label_count + rule->by.count + rule->label_count + 1, first;
    struct phu_alert_label *labels = phu_mem_alloc(most, sizeof *labels);

    labels[0] = (struct phu_alert_label){"alertname", rule->alert};
    for (size_t i = 0; i < rule->label_count; i++)
        labels[i + 1] = (struct phu_alert_label){
            rule->labels[i].name, phu_template_expand(rule->labels[i].text, &values)};
    first = *count = rule->label_count + 1;
    for (size_t i = 0; i < unit->label_count; i++) {
        const struct phu_alert_label *label = &unit->labels[i];
        bool is_given = rule->has_by && !is_in(&rule->by, label->name);

        for (size_t k = 0; k < first && !is_given; k++)
            is_given = strcmp(labels[k].name, label->name) == 0;
        if (!is_given)
            labels[(*count)++] = *label;
    }
    return labels;
}

static void free_names(const struct phu_rule *rule, struct phu_alert_label *labels)
{
    for (size_t i = 0; i < rule->label_count; i++)
        free((void *)labels[i + 1].value);
    free(labels);
}

static struct phu_element *element_of(struct phu_rules_engine *engine, const struct phu_rule *rule,
                                      const struct phu_unit *unit)
{
    size_t count;
    struct phu_alert_label *labels = name_labels(rule, unit, &count);
    struct phu_element *element = phu_element_get(engine, rule, labels, count);

    free_names(rule, labels);
    return element;
}

void phu_element_free(struct phu_element *element)
{
    for (size_t i = 0; i < element->rule->annotation_count; i++)
        free((void *)element->annotations[i].value);
    free(element->annotations);
    free(element->labels);
    free(element->hits);
    free(element);
}

static void forget(struct phu_rules_engine *engine, struct phu_element *element)
{
    struct phu_element **link = &engine->elements[element->hash & (engine->element_buckets - 1)];

    while (*link != element)
        link = &(*link)->next;
    *link = element->next;
    engine->element_count--;
    phu_element_run(engine, element, false);
    phu_element_free(element);
}

void phu_elements_free(struct phu_rules_engine *engine)
{
    for (size_t i = 0; i < engine->rules->rule_count; i++) {
        while (engine->rule_states[i].hits) {
            struct phu_hit *hit = engine->rule_states[i].hits;

            engine->rule_states[i].hits = hit->next;
            free(hit);
        }
    }
    for (size_t i = 0; i < engine->element_buckets; i++) {
        while (engine->elements[i]) {
            struct phu_element *element = engine->elements[i];

            engine->elements[i] = element->next;
            phu_element_free(element);
        }
    }
    while (engine->orphans) {
        struct phu_element *element = engine->orphans;

        engine->orphans = element->next;
        phu_element_free(element);
    }
}

void phu_element_run(struct phu_rules_engine *engine, struct phu_element *element, bool is_running)
{
    struct phu_rule_state *state = &engine->rule_states[element->rule->index];

    if (is_running == (element->run_index != NOWHERE))
        return;
    if (is_running) {
        state->running =
            phu_mem_grow(state->running, state->running_count, sizeof(struct phu_element *));
        element->run_index = state->running_count;
        state->running[state->running_count++] = element;
        return;
    }
    state->running[element->run_index] = state->running[--state->running_count];
    state->running[element->run_index]->run_index = element->run_index;
    element->run_index = NOWHERE;
}

static void touch(struct phu_rules_engine *engine, struct phu_element *element)
{
    struct phu_rule_state *state = &engine->rule_states[element->rule->index];

    if (element->is_touched)
        return;
    element->is_touched = true;
    state->touched =
        phu_mem_grow(state->touched, state->touched_count, sizeof(struct phu_element *));
    state->touched[state->touched_count++] = element;
}

/* -- Hits ------------------------------------------------------------------------------------- */

static bool guards_hold(struct phu_rules_engine *engine, const struct phu_rule *rule,
                        const struct phu_unit *unit)
{
    for (size_t i = 0; i < rule->guard_count; i++) {
        const struct phu_guard *guard = &rule->guards[i];

        phu_engine_project(engine, &guard->on, unit->labels, unit->label_count);
        if (phu_engine_guard_has(engine, guard->index) == guard->is_negated)
            return false;
    }
    return true;
}

static void check_hit(struct phu_rules_engine *engine, const struct phu_rule *rule,
                      struct phu_hit *hit)
{
    const struct phu_unit *unit = hit->unit;

    hit->is_ok =
        phu_cond_holds(rule->cond, unit->value, hit->element->state == PHU_ELEMENT_FIRING) &&
        guards_hold(engine, rule, unit);
    touch(engine, hit->element);
}

static size_t rule_slot(const struct phu_rule *rule)
{
    size_t k = 0;

    while (rule->cond->rules[k] != rule->index)
        k++;
    return k;
}

static struct phu_hit *add_hit(struct phu_rules_engine *engine, const struct phu_rule *rule,
                               struct phu_unit *unit, struct phu_hit **slot)
{
    struct phu_rule_state *state = &engine->rule_states[rule->index];
    struct phu_element *element = element_of(engine, rule, unit);
    struct phu_hit *hit = phu_mem_alloc(1, sizeof *hit);

    *hit = (struct phu_hit){.unit = unit, .element = element, .next = state->hits};
    if (state->hits)
        state->hits->previous = hit;
    state->hits = hit;
    element->hits = phu_mem_grow(element->hits, element->hit_count, sizeof(struct phu_hit *));
    element->hits[element->hit_count++] = hit;
    *slot = hit;
    return hit;
}

static void remove_hit(struct phu_rules_engine *engine, const struct phu_rule *rule,
                       struct phu_hit **slot)
{
    struct phu_rule_state *state = &engine->rule_states[rule->index];
    struct phu_hit *hit = *slot;
    struct phu_element *element = hit->element;

    for (size_t i = 0; i < element->hit_count; i++) {
        if (element->hits[i] == hit) {
            element->hits[i] = element->hits[--element->hit_count];
            break;
        }
    }
    if (hit->previous)
        hit->previous->next = hit->next;
    else
        state->hits = hit->next;
    if (hit->next)
        hit->next->previous = hit->previous;
    touch(engine, element);
    *slot = NULL;
    free(hit);
}

/* Something is known again of a restored alert. Shares and sums of a part of their series say
 * little, so those wait until most will have reported. */
static void release(struct phu_rules_engine *engine, const struct phu_rule *rule,
                    const struct phu_unit *unit)
{
    struct phu_rule_state *state = &engine->rule_states[rule->index];
    struct phu_alert_label *labels, *sorted;
    struct phu_element *element;
    size_t count;

    if (!state->held || (!unit->series && rule->cond->kind != PHU_COND_ABSENT))
        return;
    labels = name_labels(rule, unit, &count);
    sorted = copy_labels(labels, count, &count);
    element = find(engine, rule, sorted, count);
    if (element && element->hold_until_ns) {
        element->hold_until_ns = 0;
        state->held--;
        touch(engine, element);
    }
    free(sorted);
    free_names(rule, labels);
}

static void take_unit(struct phu_rules_engine *engine, const struct phu_rule *rule,
                      struct phu_unit *unit)
{
    size_t slot = rule_slot(rule);
    struct phu_hit *hit = unit->hits ? unit->hits[slot] : NULL;

    release(engine, rule, unit);
    if (!unit->is_candidate) {
        if (hit)
            remove_hit(engine, rule, &unit->hits[slot]);
        return;
    }
    if (!unit->hits)
        unit->hits = phu_mem_alloc(rule->cond->rule_count, sizeof(struct phu_hit *));
    if (!hit)
        hit = add_hit(engine, rule, unit, &unit->hits[slot]);
    check_hit(engine, rule, hit);
}

/* -- Alerts ----------------------------------------------------------------------------------- */

struct phu_alert phu_element_alert(const struct phu_element *element)
{
    return (struct phu_alert){
        .labels = element->labels,
        .label_count = element->label_count,
        .annotations = element->annotations,
        .annotation_count = element->rule->annotation_count,
        .active_ns = element->active_ns,
        .fired_ns = element->fired_ns,
        .value = element->value,
    };
}

/* Returns whether one of them is another than before. */
static bool annotate(struct phu_element *element, const struct phu_unit *unit)
{
    struct label_source source = {element->rule, unit, element};
    struct phu_template_values values = {
        .arg = &source, .label = source_label, .field = source_field, .value = element->value};
    bool is_changed = false;

    for (size_t i = 0; i < element->rule->annotation_count; i++) {
        struct phu_alert_label *annotation = &element->annotations[i];
        char *text = phu_template_expand(element->rule->annotations[i].text, &values);

        is_changed |= strcmp(annotation->value, text) != 0;
        free((void *)annotation->value);
        annotation->value = text;
    }
    return is_changed;
}

void phu_element_tell_guards(struct phu_rules_engine *engine, const struct phu_element *element,
                             bool is_firing)
{
    const struct phu_rule_state *state = &engine->rule_states[element->rule->index];

    for (size_t i = 0; i < state->alert_guard_count; i++) {
        phu_engine_project(engine, &engine->guards[state->alert_guards[i]].guard->on,
                           element->labels, element->label_count);
        phu_engine_guard_count(engine, state->alert_guards[i], is_firing);
    }
}

static void tell(struct phu_rules_engine *engine, const struct phu_element *element,
                 int64_t resolved_ns)
{
    struct phu_alert alert = phu_element_alert(element);

    alert.resolved_ns = resolved_ns;
    engine->changed(engine->arg, &alert);
}

static int count_bits(uint64_t bits)
{
    int count = 0;

    for (; bits; bits &= bits - 1)
        count++;
    return count;
}

/* Is it true in enough of the last evaluations? One of each interval counts. */
static bool is_often(struct phu_rules_engine *engine, struct phu_element *element, bool is_true)
{
    const struct phu_rule *rule = element->rule;
    int64_t slot = engine->now_ns / rule->interval_ns, passed = 64;

    if (element->slot != INT64_MIN)
        passed = slot - element->slot;
    if (passed > 0) {
        element->bits = passed > 63 ? 0 : element->bits << passed;
        element->bits = (element->bits | is_true) & ((UINT64_C(1) << rule->n) - 1);
        element->slot = slot;
    }
    element->value = count_bits(element->bits);
    return element->value >= rule->m;
}

/* The unit that speaks for the element: the one with the highest value. */
static const struct phu_unit *best_unit(const struct phu_element *element)
{
    const struct phu_unit *best = NULL;

    for (size_t i = 0; i < element->hit_count; i++) {
        const struct phu_hit *hit = element->hits[i];

        if (hit->is_ok && (!best || hit->unit->value > best->value))
            best = hit->unit;
    }
    return best;
}

static bool is_true_now(struct phu_rules_engine *engine, struct phu_element *element,
                        const struct phu_unit *best)
{
    struct phu_rule_state *state = &engine->rule_states[element->rule->index];

    if (element->hold_until_ns && engine->now_ns > element->hold_until_ns) {
        element->hold_until_ns = 0;
        state->held--;
    }
    if (element->hold_until_ns && !best)
        return true;
    if (best)
        element->value = best->value;
    return element->rule->n ? is_often(engine, element, best != NULL) : best != NULL;
}

static void fire(struct phu_rules_engine *engine, struct phu_element *element)
{
    element->state = PHU_ELEMENT_FIRING;
    element->fired_ns = engine->now_ns;
    engine->figures.firing++;
    engine->figures.pending--;
    phu_element_tell_guards(engine, element, true);
    tell(engine, element, 0);
}

static void end(struct phu_rules_engine *engine, struct phu_element *element)
{
    if (element->state == PHU_ELEMENT_FIRING) {
        engine->figures.firing--;
        phu_element_tell_guards(engine, element, false);
        tell(engine, element, engine->now_ns);
    } else if (element->state == PHU_ELEMENT_PENDING) {
        engine->figures.pending--;
    }
    element->state = PHU_ELEMENT_INACTIVE;
    element->active_ns = element->fired_ns = element->keep_since_ns = 0;
}

/* As Prometheus keeps an alert whose condition ends. */
static bool is_kept(struct phu_rules_engine *engine, struct phu_element *element)
{
    if (element->state != PHU_ELEMENT_FIRING || !element->rule->keep_firing_for_ns)
        return false;
    if (!element->keep_since_ns)
        element->keep_since_ns = engine->now_ns;
    return engine->now_ns - element->keep_since_ns < element->rule->keep_firing_for_ns;
}

static void step(struct phu_rules_engine *engine, struct phu_element *element)
{
    const struct phu_unit *best = best_unit(element);
    bool is_true = is_true_now(engine, element, best), is_new_text = false;

    if (!is_true && !is_kept(engine, element)) {
        end(engine, element);
    } else if (is_true) {
        element->keep_since_ns = 0;
        if (element->state == PHU_ELEMENT_INACTIVE) {
            element->state = PHU_ELEMENT_PENDING;
            element->active_ns = engine->now_ns;
            engine->figures.pending++;
        }
        if (best || !element->hold_until_ns)
            is_new_text = annotate(element, best);
        if (element->state == PHU_ELEMENT_PENDING &&
            engine->now_ns - element->active_ns >= element->rule->for_ns)
            fire(engine, element);
        else if (is_new_text && element->state == PHU_ELEMENT_FIRING)
            tell(engine, element, 0);
    }
    phu_element_run(engine, element,
                    element->state == PHU_ELEMENT_PENDING || element->keep_since_ns ||
                        element->bits || element->hold_until_ns);
    if (element->state == PHU_ELEMENT_INACTIVE && !element->hit_count && !element->bits)
        forget(engine, element);
}

static void step_once(struct phu_rules_engine *engine, struct phu_element *element)
{
    if (element->tick == engine->tick)
        return;
    element->tick = engine->tick;
    step(engine, element);
}

void phu_elements_evaluate(struct phu_rules_engine *engine, size_t index)
{
    const struct phu_rule *rule = engine->rules->rules[index];
    struct phu_rule_state *state = &engine->rule_states[index];

    for (size_t i = 0; i < state->todo_count; i++)
        take_unit(engine, rule, state->todo[i]);
    state->todo_count = 0;
    if (state->is_recheck) {
        state->is_recheck = false;
        for (struct phu_hit *hit = state->hits; hit; hit = hit->next)
            check_hit(engine, rule, hit);
    }
    /* Backwards: who stops running makes room for the last one. */
    for (size_t i = state->running_count; i-- > 0;) {
        if (i < state->running_count)
            touch(engine, state->running[i]);
    }
    for (size_t i = 0; i < state->touched_count; i++) {
        state->touched[i]->is_touched = false;
        step_once(engine, state->touched[i]);
    }
    state->touched_count = 0;
}

void phu_rules_visit(const struct phu_rules_engine *engine, phu_rules_changed_cb *visit, void *arg)
{
    for (size_t i = 0; i < engine->element_buckets; i++) {
        for (const struct phu_element *element = engine->elements[i]; element;
             element = element->next) {
            struct phu_alert alert = phu_element_alert(element);

            if (element->state != PHU_ELEMENT_INACTIVE)
                visit(arg, &alert);
        }
    }
}

struct phu_rules_figures phu_rules_engine_figures(const struct phu_rules_engine *engine)
{
    struct phu_rules_figures figures = engine->figures;

    figures.series = engine->series_count;
    return figures;
}
