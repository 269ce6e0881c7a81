/* Rules from YAML. Goes on after a mistake, so that one pass finds them all. */
#include "rules/load_cond.h"
#include "rules/template.h"

#include "conf_tree.h"
#include "mem.h"

#include "phusong/text.h"

#include <errno.h>
#include <glob.h>
#include <stdlib.h>
#include <string.h>

#define SECOND INT64_C(1000000000)

struct group {
    const char *name;
    int64_t interval_ns;
    size_t first; /* rule of it */
};

/* -- Labels and annotations ------------------------------------------------------------------- */

struct labels {
    struct phu_cond_loader *loader;
    struct phu_rule *rule;
};

/* For templates: only states and events have fields that belong to one thing. */
static int take_field(void *arg, const char *name)
{
    struct labels *labels = arg;
    struct phu_cond *cond = labels->rule->cond;

    if (!cond || (cond->kind != PHU_COND_STATE && cond->kind != PHU_COND_EVENT) ||
        !phu_yaml_is_name(name))
        return -1;
    return phu_plan_want(cond->plan, labels->loader->yaml.arena, name, cond->window_ns, false);
}

static void read_labels(struct phu_cond_loader *loader, struct phu_rule *rule,
                        const struct phu_conf_node *node, bool are_annotations)
{
    const struct phu_conf_node *map =
        phu_yaml_value(node, are_annotations ? "annotations" : "labels");
    struct labels labels = {loader, rule};
    struct phu_rule_label *items;
    const struct phu_conf_node *key;
    char why[512];
    size_t count = 0;

    if (!map || phu_conf_node_is_null(map))
        return;
    if (map->kind != PHU_CONF_MAPPING || map->count > PHU_RULE_LABELS) {
        phu_yaml_mistake(&loader->yaml, map, "must be names and texts, at most %d",
                         PHU_RULE_LABELS);
        return;
    }
    items = phu_rule_arena_take(loader->yaml.arena, map->count, sizeof *items);
    for (key = map->first; key; key = key->next) {
        const struct phu_conf_node *value = key->value;

        if (!value || value->is_bad || key->is_bad)
            continue; /* told before */
        if (!phu_yaml_is_name(key->text) || strcmp(key->text, "alertname") == 0 ||
            strcmp(key->text, "alertstate") == 0) {
            phu_yaml_mistake(&loader->yaml, key,
                             "\"%.60s\" cannot be a name here; use letters, digits and _",
                             key->text);
            continue;
        }
        if (value->kind != PHU_CONF_SCALAR) {
            phu_yaml_mistake(&loader->yaml, value, "\"%s\" takes a text", key->text);
            continue;
        }
        items[count].name = phu_rule_arena_text(loader->yaml.arena, key->text, key->length);
        items[count].text =
            phu_template_read(loader->yaml.arena, value->text, are_annotations ? take_field : NULL,
                              &labels, why, sizeof why);
        if (items[count].text)
            count++;
        else
            phu_yaml_mistake(&loader->yaml, value, "\"%s\": %s", key->text, why);
    }
    *(are_annotations ? &rule->annotations : &rule->labels) = items;
    *(are_annotations ? &rule->annotation_count : &rule->label_count) = count;
}

/* -- Guards ----------------------------------------------------------------------------------- */

static void check_alert_guard(struct phu_cond_loader *loader, const struct group *group,
                              const struct phu_conf_node *node, struct phu_guard *guard)
{
    struct phu_guess guess = {.word = guard->alert};

    for (size_t i = group->first; i < loader->rules->rule_count; i++) {
        if (strcmp(loader->rules->rules[i]->alert, guard->alert) == 0)
            return;
        phu_guess_offer(&guess, loader->rules->rules[i]->alert);
    }
    phu_yaml_mistake(&loader->yaml, node,
                     "no rule above in this group is called \"%.60s\"%s%s%s; rules are worked out "
                     "from top to bottom",
                     guard->alert, guess.nearest ? ", did you mean \"" : "",
                     guess.nearest ? guess.nearest : "", guess.nearest ? "\"?" : "");
}

static void read_guard(struct phu_cond_loader *loader, const struct group *group,
                       const struct phu_conf_node *node, bool is_negated, struct phu_rule *rule)
{
    static const char *const keys[] = {"on",     "alert", "state",  "event",
                                       "metric", "share", "absent", NULL};
    struct phu_guard guard = {.is_negated = is_negated};

    if (!phu_yaml_check_keys(&loader->yaml, node, "a guard", keys))
        return;
    if (!phu_yaml_words(&loader->yaml, node, "on", &guard.on)) {
        if (!phu_yaml_value(node, "on"))
            phu_yaml_mistake(&loader->yaml, node,
                             "\"on\" is missing: which labels must be equal, such as on: [hamlet]");
        return;
    }
    for (size_t i = 0; i < guard.on.count; i++) {
        if (!phu_yaml_is_name(guard.on.items[i]))
            phu_yaml_mistake(&loader->yaml, phu_yaml_value(node, "on"),
                             "\"%.60s\" is no name of a label", guard.on.items[i]);
    }
    if (node->count != 2) {
        phu_yaml_mistake(&loader->yaml, node, "a guard is \"on\" and one condition or \"alert\"");
        return;
    }
    if (phu_yaml_text(&loader->yaml, node, "alert", &guard.alert))
        check_alert_guard(loader, group, phu_yaml_value(node, "alert"), &guard);
    else
        guard.cond = phu_load_cond(loader, node, NULL);
    if (!guard.alert && !guard.cond)
        return;
    guard.index = loader->rules->guard_count++;
    rule->guards[rule->guard_count++] = guard;
}

static void read_guards(struct phu_cond_loader *loader, const struct group *group,
                        const struct phu_conf_node *when, const char *name, struct phu_rule *rule)
{
    const struct phu_conf_node *list = phu_yaml_list(&loader->yaml, when, name), *entry;

    if (!list)
        return;
    for (entry = list->first; entry; entry = entry->next) {
        if (rule->guard_count == PHU_RULE_GUARDS) {
            phu_yaml_mistake(&loader->yaml, entry, "more than %d guards", PHU_RULE_GUARDS);
            return;
        }
        read_guard(loader, group, entry, strcmp(name, "unless") == 0, rule);
    }
}

/* -- Rules ------------------------------------------------------------------------------------ */

/* times: 3 of 5 */
static void read_times(struct phu_cond_loader *loader, const struct phu_conf_node *when,
                       struct phu_rule *rule)
{
    const char *text = NULL;
    char *end;
    long m, n;

    if (!phu_yaml_text(&loader->yaml, when, "times", &text))
        return;
    m = strtol(text, &end, 10);
    n = strncmp(end, " of ", 4) == 0 ? strtol(end + 4, &end, 10) : 0;
    if (*end || m < 1 || n < m || n > 60) {
        phu_yaml_mistake(&loader->yaml, phu_yaml_value(when, "times"),
                         "write how many of how many evaluations, such as 3 of 5 (at most 60)");
        return;
    }
    rule->m = (int)m;
    rule->n = (int)n;
    if (rule->cond && rule->cond->has_clear)
        phu_yaml_mistake(&loader->yaml, phu_yaml_value(when, "times"),
                         "\"times\" and \"clear\" both damp; keep one of them");
}

static void read_when(struct phu_cond_loader *loader, const struct group *group,
                      const struct phu_conf_node *node, struct phu_rule *rule)
{
    static const char *const keys[] = {"state", "event",  "metric", "share", "absent",
                                       "if",    "unless", "times",  NULL};
    const struct phu_conf_node *when = phu_yaml_value(node, "when");
    size_t before = loader->yaml.mistakes, given = 0;

    if (!when) {
        phu_yaml_mistake(&loader->yaml, node,
                         phu_conf_node_key(node, "expr")
                             ? "\"expr\" is PromQL; here the condition stands "
                               "under \"when\" (docs/rules.md)"
                             : "\"when\" is missing: the condition");
        return;
    }
    if (!phu_yaml_check_keys(&loader->yaml, when, "\"when\"", keys))
        return;
    for (size_t i = 0; phu_cond_names[i]; i++)
        given += phu_yaml_value(when, phu_cond_names[i]) != NULL;
    if (given != 1)
        phu_yaml_mistake(&loader->yaml, when,
                         "%s: state, event, metric, share or absent; more go under \"if\" and "
                         "\"unless\"",
                         given ? "keep one condition" : "which condition?");
    rule->cond = phu_load_cond(loader, when, &rule->by);
    rule->has_by = rule->by.count > 0;
    rule->guards = phu_rule_arena_take(loader->yaml.arena, PHU_RULE_GUARDS, sizeof *rule->guards);
    read_guards(loader, group, when, "if", rule);
    read_guards(loader, group, when, "unless", rule);
    read_times(loader, when, rule);
    if (loader->yaml.mistakes > before)
        rule->cond = NULL;
}

static bool is_same_text(const struct phu_rule_label *a, const struct phu_rule_label *b)
{
    const char *left = phu_template_constant(a->text), *right = phu_template_constant(b->text);

    return strcmp(a->name, b->name) == 0 && left && right && strcmp(left, right) == 0;
}

static void check_unique(struct phu_cond_loader *loader, const struct phu_conf_node *node,
                         const struct phu_rule *rule)
{
    for (size_t i = 0; i < loader->rules->rule_count; i++) {
        const struct phu_rule *other = loader->rules->rules[i];
        size_t same = 0;

        if (strcmp(other->alert, rule->alert) != 0 || other->label_count != rule->label_count)
            continue;
        while (same < rule->label_count && is_same_text(&other->labels[same], &rule->labels[same]))
            same++;
        if (same == rule->label_count)
            phu_yaml_mistake(&loader->yaml, node,
                             "alert \"%s\" stands at %s:%u already, with the same labels",
                             rule->alert, other->file, other->line);
    }
}

static void read_rule(struct phu_cond_loader *loader, const struct group *group,
                      const struct phu_conf_node *node)
{
    static const char *const keys[] = {"alert",  "when",        "for", "keep_firing_for",
                                       "labels", "annotations", NULL};
    struct phu_rules *rules = loader->rules;
    struct phu_rule *rule = phu_rule_arena_take(loader->yaml.arena, 1, sizeof *rule);
    size_t before = loader->yaml.mistakes;

    rule->group = group->name;
    rule->interval_ns = group->interval_ns;
    rule->file = phu_rule_arena_text(loader->yaml.arena, node->file, strlen(node->file));
    rule->line = node->line;
    if (!phu_conf_node_key(node, "expr") &&
        !phu_yaml_check_keys(&loader->yaml, node, "a rule", keys))
        return;
    if (!phu_yaml_text(&loader->yaml, node, "alert", &rule->alert) ||
        !phu_yaml_is_name(rule->alert)) {
        phu_yaml_mistake(&loader->yaml, node,
                         "\"alert\" must name the alert, in letters, digits "
                         "and _, such as HamletDark");
        return;
    }
    read_when(loader, group, node, rule);
    phu_yaml_duration(&loader->yaml, node, "for", 0, &rule->for_ns);
    phu_yaml_duration(&loader->yaml, node, "keep_firing_for", 0, &rule->keep_firing_for_ns);
    read_labels(loader, rule, node, false);
    read_labels(loader, rule, node, true);
    check_unique(loader, node, rule);
    if (loader->yaml.mistakes > before || !rule->cond)
        return;
    rule->index = rules->rule_count;
    rule->expr = phu_promql_rule(loader->yaml.arena, rule);
    rules->rules = phu_mem_grow(rules->rules, rules->rule_count, sizeof(struct phu_rule *));
    rules->rules[rules->rule_count++] = rule;
}

static void read_group(struct phu_cond_loader *loader, const struct phu_conf_node *node)
{
    static const char *const keys[] = {"name", "interval", "rules", NULL};
    struct group group = {
        .name = "", .interval_ns = 5 * SECOND, .first = loader->rules->rule_count};
    const struct phu_conf_node *list, *entry;

    if (!phu_yaml_check_keys(&loader->yaml, node, "a group", keys))
        return;
    if (!phu_yaml_text(&loader->yaml, node, "name", &group.name) || !group.name[0])
        phu_yaml_mistake(&loader->yaml, node, "\"name\" of the group is missing");
    for (size_t i = 0; i < loader->rules->rule_count; i++) {
        const struct phu_rule *other = loader->rules->rules[i];

        if (strcmp(other->group, group.name) == 0) {
            phu_yaml_mistake(&loader->yaml, node, "group \"%.60s\" stands at %s:%u already",
                             group.name, other->file, other->line);
            break;
        }
    }
    phu_yaml_duration(&loader->yaml, node, "interval", SECOND, &group.interval_ns);
    list = phu_yaml_list(&loader->yaml, node, "rules");
    if (!list) {
        phu_yaml_mistake(&loader->yaml, node, "\"rules\" of the group is missing");
        return;
    }
    for (entry = list->first; entry; entry = entry->next) {
        if (loader->rules->rule_count == PHU_RULES_MOST) {
            phu_yaml_mistake(&loader->yaml, entry, "more than %d rules", PHU_RULES_MOST);
            return;
        }
        read_rule(loader, &group, entry);
    }
}

static void read_root(struct phu_cond_loader *loader, const char *file,
                      const struct phu_conf_tree *tree)
{
    static const char *const keys[] = {"groups", NULL};
    const struct phu_conf_node *groups, *entry;

    if (tree->is_broken)
        loader->yaml.mistakes++;
    if (!tree->root) {
        if (!tree->is_broken)
            phu_diags_add(loader->yaml.diags, file, 0, 0, "holds no rules; it begins with groups:");
        loader->yaml.mistakes++;
        return;
    }
    if (!phu_yaml_check_keys(&loader->yaml, tree->root, "a rules file", keys))
        return;
    groups = phu_yaml_list(&loader->yaml, tree->root, "groups");
    for (entry = groups ? groups->first : NULL; entry; entry = entry->next)
        read_group(loader, entry);
}

/* -- Files ------------------------------------------------------------------------------------ */

static void begin(struct phu_cond_loader *loader, struct phu_diags *diags)
{
    struct phu_rules *rules = phu_mem_alloc(1, sizeof *rules);

    *loader = (struct phu_cond_loader){
        .yaml = {.arena = &rules->arena, .diags = diags},
        .rules = rules,
    };
}

/* Who listens to which condition. */
static void connect(struct phu_rules *rules)
{
    for (size_t i = 0; i < rules->rule_count; i++) {
        struct phu_rule *rule = rules->rules[i];
        struct phu_cond *cond = rule->cond;

        cond->rules = phu_mem_grow(cond->rules, cond->rule_count, sizeof *cond->rules);
        cond->rules[cond->rule_count++] = i;
        for (size_t g = 0; g < rule->guard_count; g++) {
            const struct phu_guard *guard = &rule->guards[g];
            struct phu_cond *other = guard->cond ? rules->conds[guard->cond->index] : NULL;

            if (!other)
                continue;
            other->guards = phu_mem_grow(other->guards, other->guard_count, sizeof *other->guards);
            other->guards[other->guard_count++] = guard->index;
        }
    }
}

static int finish(struct phu_cond_loader *loader, size_t before, struct phu_rules **out)
{
    if (loader->yaml.mistakes || loader->yaml.diags->count > before) {
        phu_rules_free(loader->rules);
        return -EINVAL;
    }
    connect(loader->rules);
    *out = loader->rules;
    return 0;
}

int phu_rules_parse(const char *file, const char *text, size_t length, struct phu_diags *diags,
                    struct phu_rules **out)
{
    struct phu_cond_loader loader;
    struct phu_conf_tree tree;
    size_t before = diags->count + diags->suppressed;

    begin(&loader, diags);
    phu_conf_tree_init(&tree);
    phu_conf_tree_read(&tree, file, text, length, diags);
    read_root(&loader, file, &tree);
    phu_conf_tree_fini(&tree);
    return finish(&loader, before, out);
}

static void load_file(struct phu_cond_loader *loader, const char *file)
{
    struct phu_conf_tree tree;

    phu_conf_tree_init(&tree);
    phu_conf_tree_read_file(&tree, file, loader->yaml.diags);
    read_root(loader, file, &tree);
    phu_conf_tree_fini(&tree);
}

int phu_rules_load(char *const *paths, size_t count, struct phu_diags *diags,
                   struct phu_rules **out)
{
    struct phu_cond_loader loader;
    size_t before = diags->count + diags->suppressed;

    begin(&loader, diags);
    for (size_t i = 0; i < count; i++) {
        glob_t found = {0};

        if (glob(paths[i], 0, NULL, &found) == 0) {
            for (size_t k = 0; k < found.gl_pathc; k++)
                load_file(&loader, found.gl_pathv[k]);
        } else {
            phu_diags_add(diags, paths[i], 0, 0, "no such file; name a file of rules");
            loader.yaml.mistakes++;
        }
        globfree(&found);
    }
    return finish(&loader, before, out);
}

void phu_rules_free(struct phu_rules *rules)
{
    if (!rules)
        return;
    for (size_t i = 0; i < rules->cond_count; i++) {
        free(rules->conds[i]->rules);
        free(rules->conds[i]->guards);
    }
    for (size_t i = 0; i < rules->plan_count; i++)
        free(rules->plans[i]->conds);
    free(rules->conds);
    free(rules->plans);
    free(rules->rules);
    phu_rule_arena_free(&rules->arena);
    free(rules);
}

/* -- Questions -------------------------------------------------------------------------------- */

bool phu_rules_wants(const struct phu_rules *rules, struct phu_slice measurement)
{
    for (size_t i = 0; i < rules->plan_count; i++) {
        const char *name = rules->plans[i]->measurement;

        if (strlen(name) == measurement.length &&
            memcmp(name, measurement.at, measurement.length) == 0)
            return true;
    }
    return false;
}

const char **phu_rules_measurements(const struct phu_rules *rules)
{
    const char **names = phu_mem_alloc(rules->plan_count + 1, sizeof *names);

    for (size_t i = 0; i < rules->plan_count; i++)
        names[i] = rules->plans[i]->measurement;
    return names;
}

int64_t phu_rules_interval_ns(const struct phu_rules *rules)
{
    int64_t shortest = 60 * SECOND;

    for (size_t i = 0; i < rules->rule_count; i++) {
        if (rules->rules[i]->interval_ns < shortest)
            shortest = rules->rules[i]->interval_ns;
    }
    return shortest;
}

int64_t phu_rules_horizon_ns(const struct phu_rules *rules)
{
    int64_t longest = 0;

    for (size_t i = 0; i < rules->plan_count; i++) {
        if (rules->plans[i]->keep_ns > longest)
            longest = rules->plans[i]->keep_ns;
    }
    return longest;
}

size_t phu_rules_count(const struct phu_rules *rules)
{
    return rules->rule_count;
}

struct phu_rule_info phu_rules_info(const struct phu_rules *rules, size_t index)
{
    const struct phu_rule *rule = rules->rules[index];

    return (struct phu_rule_info){
        .group = rule->group,
        .alert = rule->alert,
        .file = rule->file,
        .line = rule->line,
        .condition = rule->expr,
        .interval_ns = rule->interval_ns,
        .for_ns = rule->for_ns,
        .keep_firing_for_ns = rule->keep_firing_for_ns,
    };
}
