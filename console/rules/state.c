/* What stands, as JSON, so that another process goes on with it. */
#include "rules/engine.h"
#include "rules/template.h"

#include "mem.h"

#include <jansson.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Until then most series have reported again: the heartbeat is a minute. */
#define SETTLE_NS (INT64_C(150) * 1000000000)

static json_t *labels_json(const struct phu_alert_label *labels, size_t count)
{
    json_t *object = json_object();

    for (size_t i = 0; i < count; i++)
        json_object_set_new(object, labels[i].name, json_string(labels[i].value));
    return object;
}

static json_t *element_json(const struct phu_element *element)
{
    json_t *object = json_object();

    json_object_set_new(object, "labels", labels_json(element->labels, element->label_count));
    json_object_set_new(object, "annotations",
                        labels_json(element->annotations, element->rule->annotation_count));
    json_object_set_new(object, "firing", json_boolean(element->state == PHU_ELEMENT_FIRING));
    json_object_set_new(object, "active", json_integer(element->active_ns));
    json_object_set_new(object, "fired", json_integer(element->fired_ns));
    json_object_set_new(object, "kept_since", json_integer(element->keep_since_ns));
    json_object_set_new(object, "value", json_real(element->value));
    json_object_set_new(object, "bits", json_integer((json_int_t)element->bits));
    json_object_set_new(object, "slot",
                        json_integer(element->slot == INT64_MIN ? -1 : element->slot));
    return object;
}

char *phu_rules_engine_save(const struct phu_rules_engine *engine)
{
    json_t *root = json_object(), *alerts = json_array();
    char *text;

    for (size_t i = 0; i < engine->element_buckets; i++) {
        for (const struct phu_element *element = engine->elements[i]; element;
             element = element->next) {
            if (element->state != PHU_ELEMENT_INACTIVE || element->bits)
                json_array_append_new(alerts, element_json(element));
        }
    }
    json_object_set_new(root, "version", json_integer(1));
    json_object_set_new(root, "alerts", alerts);
    text = json_dumps(root, JSON_COMPACT | JSON_SORT_KEYS);
    json_decref(root);
    if (!text)
        abort();
    return text;
}

/* -- Restoring -------------------------------------------------------------------------------- */

static bool is_label(const json_t *labels, const char *name, const char *value)
{
    const char *given = json_string_value(json_object_get(labels, name));

    return given && strcmp(given, value) == 0;
}

static const struct phu_rule *rule_of(const struct phu_rules *rules, const json_t *labels)
{
    for (size_t i = 0; i < rules->rule_count; i++) {
        const struct phu_rule *rule = rules->rules[i];
        bool is_it = is_label(labels, "alertname", rule->alert);

        for (size_t k = 0; k < rule->label_count && is_it; k++) {
            const char *text = phu_template_constant(rule->labels[k].text);

            is_it = !text || !*text || is_label(labels, rule->labels[k].name, text);
        }
        if (is_it)
            return rule;
    }
    return NULL;
}

static int64_t number(const json_t *object, const char *name)
{
    return json_integer_value(json_object_get(object, name));
}

static size_t read_labels(json_t *object, struct phu_alert_label *labels, size_t most)
{
    const char *name;
    json_t *value;
    size_t count = 0;

    json_object_foreach(object, name, value)
    {
        if (count < most && json_is_string(value))
            labels[count++] = (struct phu_alert_label){name, json_string_value(value)};
    }
    return count;
}

static void read_annotations(struct phu_element *element, const json_t *annotations)
{
    for (size_t i = 0; i < element->rule->annotation_count; i++) {
        struct phu_alert_label *annotation = &element->annotations[i];
        const char *text = json_string_value(json_object_get(annotations, annotation->name));

        free((void *)annotation->value);
        annotation->value = phu_mem_strdup(text ? text : "");
    }
}

static void hold(struct phu_rules_engine *engine, struct phu_element *element, int64_t now_ns)
{
    const struct phu_cond *cond = element->rule->cond;
    int64_t for_ns = cond->window_ns;

    if (cond->kind == PHU_COND_ABSENT)
        for_ns = cond->known_ns;
    else if (cond->is_grouped)
        for_ns = SETTLE_NS;
    element->hold_until_ns = now_ns + for_ns;
    engine->rule_states[element->rule->index].held++;
    phu_element_run(engine, element, true);
}

static void fill(struct phu_element *element, const json_t *object)
{
    element->active_ns = number(object, "active");
    element->fired_ns = number(object, "fired");
    element->keep_since_ns = number(object, "kept_since");
    element->value = json_number_value(json_object_get(object, "value"));
    element->state = json_is_true(json_object_get(object, "firing")) ? PHU_ELEMENT_FIRING
                     : element->active_ns                            ? PHU_ELEMENT_PENDING
                                                                     : PHU_ELEMENT_INACTIVE;
    read_annotations(element, json_object_get(object, "annotations"));
}

/* An alert whose rule is gone: told once more, as resolved. It borrows a rule without annotations
 * worth the name. */
static void add_orphan(struct phu_rules_engine *engine, struct phu_alert_label *labels,
                       size_t count, const json_t *object)
{
    const struct phu_rule *rule = engine->rules->rule_count ? engine->rules->rules[0] : NULL;
    struct phu_element *orphan, **link;

    if (!rule || !json_is_true(json_object_get(object, "firing")))
        return;
    orphan = phu_element_get(engine, rule, labels, count);
    link = &engine->elements[orphan->hash & (engine->element_buckets - 1)];
    while (*link != orphan)
        link = &(*link)->next;
    *link = orphan->next;
    engine->element_count--;
    fill(orphan, object);
    orphan->next = engine->orphans;
    engine->orphans = orphan;
}

static void restore_one(struct phu_rules_engine *engine, const json_t *object, int64_t now_ns)
{
    json_t *given = json_object_get(object, "labels");
    const struct phu_rule *rule = rule_of(engine->rules, given);
    size_t most = json_object_size(given);
    struct phu_alert_label *labels = phu_mem_alloc(most + 1, sizeof *labels);
    size_t count = read_labels(given, labels, most);
    struct phu_element *element;

    if (!rule) {
        add_orphan(engine, labels, count, object);
        free(labels);
        return;
    }
    element = phu_element_get(engine, rule, labels, count);
    free(labels);
    if (element->state != PHU_ELEMENT_INACTIVE || element->bits)
        return; /* twice in the text */
    fill(element, object);
    if (rule->n) {
        element->bits = (uint64_t)number(object, "bits") & ((UINT64_C(1) << rule->n) - 1);
        element->slot = number(object, "slot");
    }
    if (element->state == PHU_ELEMENT_FIRING) {
        engine->figures.firing++;
        phu_element_tell_guards(engine, element, true);
    } else if (element->state == PHU_ELEMENT_PENDING) {
        engine->figures.pending++;
    }
    if (element->keep_since_ns)
        phu_element_run(engine, element, true);
    else
        hold(engine, element, now_ns);
}

int phu_rules_engine_restore(struct phu_rules_engine *engine, const char *text, size_t length,
                             int64_t now_ns)
{
    json_t *root = json_loadb(text, length, 0, NULL), *alerts, *alert;
    size_t i;

    alerts = json_object_get(root, "alerts");
    if (number(root, "version") != 1 || !json_is_array(alerts)) {
        json_decref(root);
        return -EINVAL;
    }
    json_array_foreach(alerts, i, alert) restore_one(engine, alert, now_ns);
    json_decref(root);
    return 0;
}
