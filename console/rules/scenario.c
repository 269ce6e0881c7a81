/* Scenarios: series as written, fed into the engine step by step, and the alerts that stand at the
 * times asked for.
 */
#include "rules/scenario.h"

#include "rules/notation.h"
#include "rules/rule.h"
#include "rules/yaml.h"

#include "conf_tree.h"
#include "mem.h"

#include <jansson.h>

#include <errno.h>
#include <inttypes.h>
#include <libgen.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define SECOND INT64_C(1000000000)
/* The times of a scenario count from here: 0 means "not yet" to alerts. */
#define EPOCH (INT64_C(864000000) * SECOND)

enum { STEPS_MAX = 200000, SERIES_MAX = 50000, EXPECTED_MAX = 5000 };

struct series {
    struct phu_notation_series name;
    const char *text, *values_text;
    struct phu_notation_values values;
    size_t measurement_length; /* 0: nobody wants it */
    const char *key;
    struct phu_tag *tags;
};

struct alert {
    struct phu_alert_label *labels, *annotations;
    size_t label_count, annotation_count;
    bool has_annotations;
};

struct expectation {
    int64_t at_ns;
    const char *alertname;
    struct alert *alerts;
    size_t alert_count;
    unsigned line;
};

/* What stood at a time that was asked for. */
struct moment {
    int64_t at_ns;
    struct alert *alerts; /* alertname among the labels */
    size_t alert_count;
};

struct test {
    const char *name;
    int64_t interval_ns;
    bool is_complete; /* whatever stands must be expected */
    struct series *series;
    size_t series_count, longest;
    struct expectation *expectations;
    size_t expectation_count;
    struct moment *moments;
    size_t moment_count;
    const char **failures;
    size_t failure_count;
};

struct phu_scenario {
    struct phu_rule_arena arena;
    const char *file;
    struct phu_rules *rules;
    int64_t interval_ns;
    struct test *tests;
    size_t test_count;
};

/* -- Reading ---------------------------------------------------------------------------------- */

static int64_t read_duration(struct phu_yaml *yaml, const struct phu_conf_node *mapping,
                             const char *name, int64_t otherwise)
{
    const char *text = NULL;
    int64_t ns;

    if (!phu_yaml_text(yaml, mapping, name, &text))
        return otherwise;
    if (phu_notation_duration(text, &ns) < 0) {
        phu_yaml_mistake(yaml, phu_yaml_value(mapping, name),
                         "\"%.60s\" is no duration; write 15s, 5m or 1h30m", text);
        return otherwise;
    }
    return ns;
}

static size_t read_map(struct phu_yaml *yaml, const struct phu_conf_node *mapping, const char *name,
                       struct phu_alert_label **out)
{
    const struct phu_conf_node *map = phu_yaml_value(mapping, name), *key;
    size_t count = 0;

    if (!map || phu_conf_node_is_null(map))
        return 0;
    if (map->kind != PHU_CONF_MAPPING) {
        phu_yaml_mistake(yaml, map, "\"%s\" takes names and texts", name);
        return 0;
    }
    *out = phu_rule_arena_take(yaml->arena, map->count + 1, sizeof **out);
    for (key = map->first; key; key = key->next) {
        if (!key->value || key->value->kind != PHU_CONF_SCALAR) {
            phu_yaml_mistake(yaml, key, "\"%.60s\" takes a text", key->text);
            continue;
        }
        (*out)[count].name = phu_rule_arena_text(yaml->arena, key->text, key->length);
        (*out)[count++].value =
            phu_rule_arena_text(yaml->arena, key->value->text, key->value->length);
    }
    return count;
}

static void add_series(struct phu_yaml *yaml, const struct phu_conf_node *node, struct test *test,
                       const char *text, const struct phu_notation_values *values,
                       const char *values_text)
{
    struct series series = {.text = text, .values = *values, .values_text = values_text};
    char why[256];

    if (test->series_count == SERIES_MAX) {
        phu_yaml_mistake(yaml, node, "more than %d series", SERIES_MAX);
        return;
    }
    if (phu_notation_series(yaml->arena, text, &series.name, why, sizeof why) < 0) {
        phu_yaml_mistake(yaml, node, "%s", why);
        return;
    }
    test->series = phu_mem_grow(test->series, test->series_count, sizeof *test->series);
    test->series[test->series_count++] = series;
    if (values->count > test->longest)
        test->longest = values->count;
}

/* One text of a series, which may hold a range, and its values. */
static void read_values(struct phu_yaml *yaml, const struct phu_conf_node *node, struct test *test,
                        const char *text, const char *written)
{
    struct phu_notation_values values;
    size_t count, before = yaml->mistakes;
    char why[256];

    if (phu_notation_values(yaml->arena, written, &values, why, sizeof why) < 0)
        phu_yaml_mistake(yaml, node, "%s", why);
    else if (phu_notation_count(text, &count) < 0)
        phu_yaml_mistake(yaml, node,
                         "a range is <001..300>, at most %d long, and all of one series are "
                         "equally long",
                         PHU_NOTATION_SERIES_MAX);
    else
        for (size_t i = 0; i < count && yaml->mistakes == before; i++)
            add_series(yaml, node, test, phu_notation_pick(yaml->arena, text, i), &values, written);
}

/* measurement{tags} and a map of fields: a series for each. */
static void read_fields(struct phu_yaml *yaml, const struct phu_conf_node *node, struct test *test,
                        const char *text)
{
    size_t length = strcspn(text, "{");
    struct phu_alert_label *fields = NULL;
    size_t count = read_map(yaml, node, "fields", &fields);

    for (size_t i = 0; i < count; i++)
        read_values(yaml, phu_yaml_value(node, "fields"), test,
                    phu_rule_arena_print(yaml->arena, "%.*s_%s%s", (int)length, text,
                                         fields[i].name, text + length),
                    fields[i].value);
}

static void read_series(struct phu_yaml *yaml, const struct phu_conf_node *node, struct test *test)
{
    static const char *const keys[] = {"series", "values", "fields", NULL};
    const char *text = NULL, *written = NULL;
    bool has_values, has_fields;

    if (!phu_yaml_check_keys(yaml, node, "a series", keys))
        return;
    has_values = phu_yaml_text(yaml, node, "values", &written);
    has_fields = phu_yaml_value(node, "fields") != NULL;
    if (!phu_yaml_text(yaml, node, "series", &text) || has_values == has_fields ||
        strlen(text) > PHU_NOTATION_TEXT_MAX)
        phu_yaml_mistake(yaml, node,
                         "a series is \"series\", of at most %d bytes, with \"values\" or "
                         "\"fields\"",
                         PHU_NOTATION_TEXT_MAX);
    else if (has_values)
        read_values(yaml, phu_yaml_value(node, "values"), test, text, written);
    else
        read_fields(yaml, node, test, text);
}

static void read_alerts(struct phu_yaml *yaml, const struct phu_conf_node *node,
                        struct expectation *expectation)
{
    static const char *const keys[] = {"exp_labels", "exp_annotations", NULL};
    const struct phu_conf_node *list = phu_yaml_value(node, "exp_alerts"), *entry;

    if (!list || phu_conf_node_is_null(list))
        return;
    if (list->kind != PHU_CONF_SEQUENCE) {
        phu_yaml_mistake(yaml, list, "\"exp_alerts\" must be a list");
        return;
    }
    expectation->alerts =
        phu_rule_arena_take(yaml->arena, list->count + 1, sizeof *expectation->alerts);
    for (entry = list->first; entry; entry = entry->next) {
        struct alert *alert = &expectation->alerts[expectation->alert_count];

        if (!phu_yaml_check_keys(yaml, entry, "an expected alert", keys))
            continue;
        expectation->alert_count++;
        alert->label_count = read_map(yaml, entry, "exp_labels", &alert->labels);
        alert->has_annotations = phu_yaml_value(entry, "exp_annotations") != NULL;
        alert->annotation_count = read_map(yaml, entry, "exp_annotations", &alert->annotations);
    }
}

static void read_expectation(struct phu_yaml *yaml, const struct phu_conf_node *node,
                             struct test *test)
{
    static const char *const keys[] = {"eval_time", "alertname", "exp_alerts", NULL};
    struct expectation expectation = {.alertname = "", .line = node->line};

    if (!phu_yaml_check_keys(yaml, node, "an alert_rule_test", keys))
        return;
    expectation.at_ns = read_duration(yaml, node, "eval_time", -1);
    phu_yaml_text(yaml, node, "alertname", &expectation.alertname);
    if (expectation.at_ns < 0 || !expectation.alertname[0] ||
        test->expectation_count == EXPECTED_MAX) {
        phu_yaml_mistake(yaml, node,
                         "\"eval_time\" and \"alertname\" say what is expected when (at most %d)",
                         EXPECTED_MAX);
        return;
    }
    read_alerts(yaml, node, &expectation);
    test->expectations =
        phu_mem_grow(test->expectations, test->expectation_count, sizeof expectation);
    test->expectations[test->expectation_count++] = expectation;
}

static void read_test(struct phu_yaml *yaml, const struct phu_conf_node *node,
                      struct phu_scenario *scenario)
{
    static const char *const keys[] = {"name",     "interval",        "input_series",
                                       "complete", "alert_rule_test", NULL};
    struct test *test = &scenario->tests[scenario->test_count];
    const struct phu_conf_node *list, *entry;
    const char *complete = "false";

    if (!phu_yaml_check_keys(yaml, node, "a test", keys))
        return;
    scenario->test_count++;
    test->name = phu_rule_arena_print(yaml->arena, "line %u", node->line);
    phu_yaml_text(yaml, node, "name", &test->name);
    test->interval_ns = read_duration(yaml, node, "interval", 60 * SECOND);
    phu_yaml_text(yaml, node, "complete", &complete);
    test->is_complete = strcmp(complete, "true") == 0;
    if (!test->is_complete && strcmp(complete, "false") != 0)
        phu_yaml_mistake(yaml, phu_yaml_value(node, "complete"), "write true or false");
    if (test->interval_ns < SECOND / 1000)
        phu_yaml_mistake(yaml, node, "\"interval\" must be longer than 0");
    list = phu_yaml_list(yaml, node, "input_series");
    for (entry = list ? list->first : NULL; entry; entry = entry->next)
        read_series(yaml, entry, test);
    list = phu_yaml_list(yaml, node, "alert_rule_test");
    for (entry = list ? list->first : NULL; entry; entry = entry->next)
        read_expectation(yaml, entry, test);
}

static void read_root(struct phu_yaml *yaml, const char *file, const struct phu_conf_tree *tree,
                      struct phu_scenario *scenario, struct phu_words *rule_files)
{
    static const char *const keys[] = {"rule_files", "evaluation_interval", "tests", NULL};
    const struct phu_conf_node *tests, *entry;

    if (!tree->root) {
        if (!tree->is_broken)
            phu_diags_add(yaml->diags, file, 0, 0, "holds no tests; it begins with rule_files:");
        yaml->mistakes++;
        return;
    }
    if (!phu_yaml_check_keys(yaml, tree->root, "a file of scenarios", keys))
        return;
    if (!phu_yaml_words(yaml, tree->root, "rule_files", rule_files))
        phu_yaml_mistake(yaml, tree->root, "\"rule_files\" must name the rules to test");
    scenario->interval_ns = read_duration(yaml, tree->root, "evaluation_interval", 60 * SECOND);
    if (scenario->interval_ns < SECOND / 1000)
        phu_yaml_mistake(yaml, tree->root, "\"evaluation_interval\" must be longer than 0");
    tests = phu_yaml_list(yaml, tree->root, "tests");
    if (!tests)
        return;
    scenario->tests = phu_mem_alloc(tests->count + 1, sizeof *scenario->tests);
    for (entry = tests->first; entry; entry = entry->next)
        read_test(yaml, entry, scenario);
}

static int parse(struct phu_scenario *scenario, struct phu_conf_tree *tree, struct phu_diags *diags,
                 size_t before, struct phu_words *rule_files)
{
    struct phu_yaml yaml = {.arena = &scenario->arena, .diags = diags};

    read_root(&yaml, scenario->file, tree, scenario, rule_files);
    return yaml.mistakes || tree->is_broken || diags->count + diags->suppressed > before ? -EINVAL
                                                                                         : 0;
}

static struct phu_scenario *new_scenario(const char *file)
{
    struct phu_scenario *scenario = phu_mem_alloc(1, sizeof *scenario);

    scenario->file = phu_rule_arena_text(&scenario->arena, file, strlen(file));
    return scenario;
}

int phu_scenario_parse(const char *file, const char *text, size_t length, struct phu_diags *diags,
                       struct phu_scenario **out)
{
    struct phu_scenario *scenario = new_scenario(file);
    struct phu_words rule_files = {0};
    struct phu_conf_tree tree;
    size_t before = diags->count + diags->suppressed;
    int result;

    phu_conf_tree_init(&tree);
    phu_conf_tree_read(&tree, file, text, length, diags);
    result = parse(scenario, &tree, diags, before, &rule_files);
    phu_conf_tree_fini(&tree);
    if (result < 0)
        phu_scenario_free(scenario);
    else
        *out = scenario;
    return result;
}

static int load_rules(struct phu_scenario *scenario, const struct phu_words *rule_files,
                      struct phu_diags *diags)
{
    char **paths = phu_mem_alloc(rule_files->count + 1, sizeof *paths);
    int result;

    for (size_t i = 0; i < rule_files->count; i++)
        paths[i] = phu_conf_path_join(scenario->file, rule_files->items[i]);
    result = phu_rules_load(paths, rule_files->count, diags, &scenario->rules);
    for (size_t i = 0; i < rule_files->count; i++)
        free(paths[i]);
    free(paths);
    return result;
}

int phu_scenario_load(const char *file, struct phu_diags *diags, struct phu_scenario **out)
{
    struct phu_scenario *scenario = new_scenario(file);
    struct phu_words rule_files = {0};
    struct phu_conf_tree tree;
    size_t before = diags->count + diags->suppressed;
    int result;

    phu_conf_tree_init(&tree);
    phu_conf_tree_read_file(&tree, file, diags);
    result = parse(scenario, &tree, diags, before, &rule_files);
    phu_conf_tree_fini(&tree);
    if (result == 0)
        result = load_rules(scenario, &rule_files, diags);
    if (result < 0)
        phu_scenario_free(scenario);
    else
        *out = scenario;
    return result;
}

static void free_moment(struct moment *moment)
{
    free(moment->alerts);
}

void phu_scenario_free(struct phu_scenario *scenario)
{
    if (!scenario)
        return;
    for (size_t i = 0; i < scenario->test_count; i++) {
        struct test *test = &scenario->tests[i];

        for (size_t k = 0; k < test->moment_count; k++)
            free_moment(&test->moments[k]);
        free(test->series);
        free(test->expectations);
        free(test->moments);
        free(test->failures);
    }
    free(scenario->tests);
    phu_rules_free(scenario->rules);
    phu_rule_arena_free(&scenario->arena);
    free(scenario);
}

/* -- Feeding ---------------------------------------------------------------------------------- */

/* Measurement and field are joined with _: the longest measurement that the rules want. */
static void split_name(const struct phu_rules *rules, struct series *series)
{
    const char *name = series->name.name;

    for (size_t i = 0; name[i]; i++) {
        if (name[i] == '_' && i && phu_rules_wants(rules, (struct phu_slice){name, i}))
            series->measurement_length = i;
    }
}

static struct phu_slice slice(const char *text)
{
    return (struct phu_slice){text, strlen(text)};
}

static void prepare(struct phu_scenario *scenario, struct series *series)
{
    const struct phu_notation_series *name = &series->name;

    split_name(scenario->rules, series);
    series->tags =
        phu_rule_arena_take(&scenario->arena, name->label_count + 1, sizeof *series->tags);
    series->key = phu_rule_arena_text(&scenario->arena, name->name, series->measurement_length);
    for (size_t i = 0; i < name->label_count; i++) {
        series->tags[i] =
            (struct phu_tag){slice(name->labels[i].name), slice(name->labels[i].value)};
        series->key = phu_rule_arena_print(&scenario->arena, "%s,%s=%s", series->key,
                                           name->labels[i].name, name->labels[i].value);
    }
}

static void feed(struct phu_rules_engine *engine, const struct series *series, size_t index,
                 int64_t at_ns)
{
    struct phu_field field = {.type = PHU_FIELD_FLOAT};
    struct phu_sample sample = {
        .measurement = {series->name.name, series->measurement_length},
        .tags = series->tags,
        .tag_count = series->name.label_count,
        .fields = &field,
        .field_count = 1,
        .key = slice(series->key),
        .time_ns = at_ns,
    };

    if (!series->measurement_length || index >= series->values.count ||
        series->values.are_missing[index])
        return;
    field.name = slice(series->name.name + series->measurement_length + 1);
    field.f = series->values.items[index];
    phu_rules_feed(engine, &sample);
}

/* -- Comparing -------------------------------------------------------------------------------- */

static const char *find_label(const struct phu_alert_label *labels, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(labels[i].name, name) == 0)
            return labels[i].value;
    }
    return NULL;
}

/* All of `a` in `b`, but for the name of the alert. */
static bool are_in(const struct phu_alert_label *a, size_t a_count, const struct phu_alert_label *b,
                   size_t b_count)
{
    for (size_t i = 0; i < a_count; i++) {
        const char *other = find_label(b, b_count, a[i].name);

        if (strcmp(a[i].name, "alertname") != 0 &&
            (!other ? *a[i].value : strcmp(other, a[i].value) != 0))
            return false;
    }
    return true;
}

static bool has_labels_of(const struct alert *a, const struct alert *b)
{
    return are_in(a->labels, a->label_count, b->labels, b->label_count) &&
           are_in(b->labels, b->label_count, a->labels, a->label_count);
}

static bool is_expected(const struct alert *expected, const struct alert *got)
{
    return has_labels_of(expected, got) &&
           (!expected->has_annotations ||
            (are_in(expected->annotations, expected->annotation_count, got->annotations,
                    got->annotation_count) &&
             are_in(got->annotations, got->annotation_count, expected->annotations,
                    expected->annotation_count)));
}

static const char *alert_text(struct phu_rule_arena *arena, const struct alert *alert)
{
    const char *text = "";

    for (size_t i = 0; i < alert->label_count; i++)
        text = phu_rule_arena_print(arena, "%s%s%s=\"%s\"", text, i ? ", " : "",
                                    alert->labels[i].name, alert->labels[i].value);
    for (size_t i = 0; i < alert->annotation_count; i++)
        text = phu_rule_arena_print(arena, "%s\n        %s: %s", text, alert->annotations[i].name,
                                    alert->annotations[i].value);
    return text;
}

static void fail(struct test *test, const char *text)
{
    test->failures = phu_mem_grow(test->failures, test->failure_count, sizeof *test->failures);
    test->failures[test->failure_count++] = text;
}

static bool is_of(const struct alert *alert, const char *name)
{
    const char *own = find_label(alert->labels, alert->label_count, "alertname");

    return own && strcmp(own, name) == 0;
}

static void check(struct phu_scenario *scenario, struct test *test, const struct moment *moment,
                  const struct expectation *expectation)
{
    struct phu_rule_arena *arena = &scenario->arena;
    bool *are_taken = phu_mem_alloc(moment->alert_count + 1, sizeof *are_taken);
    const char *when =
        phu_rule_arena_print(arena, "%s:%u: %s at %gs", scenario->file, expectation->line,
                             expectation->alertname, (double)expectation->at_ns / 1e9);

    for (size_t i = 0; i < expectation->alert_count; i++) {
        size_t k = 0;

        while (k < moment->alert_count &&
               (are_taken[k] || !is_of(&moment->alerts[k], expectation->alertname) ||
                !is_expected(&expectation->alerts[i], &moment->alerts[k])))
            k++;
        if (k < moment->alert_count)
            are_taken[k] = true;
        else
            fail(test, phu_rule_arena_print(arena, "%s: missing\n      %s", when,
                                            alert_text(arena, &expectation->alerts[i])));
    }
    for (size_t k = 0; k < moment->alert_count; k++) {
        if (!are_taken[k] && is_of(&moment->alerts[k], expectation->alertname))
            fail(test, phu_rule_arena_print(arena, "%s: not expected\n      %s", when,
                                            alert_text(arena, &moment->alerts[k])));
    }
    free(are_taken);
}

static bool is_named(const struct test *test, int64_t at_ns, const char *alertname)
{
    for (size_t i = 0; i < test->expectation_count; i++) {
        if (test->expectations[i].at_ns == at_ns &&
            strcmp(test->expectations[i].alertname, alertname) == 0)
            return true;
    }
    return false;
}

static void check_complete(struct phu_scenario *scenario, struct test *test,
                           const struct moment *moment)
{
    struct phu_rule_arena *arena = &scenario->arena;

    for (size_t i = 0; i < moment->alert_count; i++) {
        const struct alert *alert = &moment->alerts[i];
        const char *name = find_label(alert->labels, alert->label_count, "alertname");

        if (!is_named(test, moment->at_ns, name))
            fail(test, phu_rule_arena_print(arena,
                                            "%s: %s at %gs: stands, and nothing is said of it\n"
                                            "      %s",
                                            scenario->file, name, (double)moment->at_ns / 1e9,
                                            alert_text(arena, alert)));
    }
}

/* -- Running ---------------------------------------------------------------------------------- */

struct collection {
    struct phu_rule_arena *arena;
    struct moment *moment;
};

static struct phu_alert_label *keep_labels(struct phu_rule_arena *arena,
                                           const struct phu_alert_label *labels, size_t count)
{
    struct phu_alert_label *kept = phu_rule_arena_take(arena, count + 1, sizeof *kept);

    for (size_t i = 0; i < count; i++) {
        kept[i].name = phu_rule_arena_text(arena, labels[i].name, strlen(labels[i].name));
        kept[i].value = phu_rule_arena_text(arena, labels[i].value, strlen(labels[i].value));
    }
    return kept;
}

static void collect(void *arg, const struct phu_alert *alert)
{
    struct collection *collection = arg;
    struct moment *moment = collection->moment;
    struct phu_rule_arena *arena = collection->arena;

    if (!alert->fired_ns)
        return;
    moment->alerts = phu_mem_grow(moment->alerts, moment->alert_count, sizeof *moment->alerts);
    moment->alerts[moment->alert_count++] = (struct alert){
        .labels = keep_labels(arena, alert->labels, alert->label_count),
        .label_count = alert->label_count,
        .annotations = keep_labels(arena, alert->annotations, alert->annotation_count),
        .annotation_count = alert->annotation_count,
    };
}

static int compare_alerts(const void *a, const void *b)
{
    const struct alert *left = a, *right = b;

    for (size_t i = 0; i < left->label_count && i < right->label_count; i++) {
        int order = strcmp(left->labels[i].name, right->labels[i].name);

        order = order ? order : strcmp(left->labels[i].value, right->labels[i].value);
        if (order)
            return order;
    }
    return (left->label_count > right->label_count) - (left->label_count < right->label_count);
}

static void look(struct phu_scenario *scenario, struct test *test,
                 const struct phu_rules_engine *engine, int64_t at_ns)
{
    struct collection collection = {.arena = &scenario->arena};
    struct moment *moment;

    for (size_t i = 0; i < test->moment_count; i++) {
        if (test->moments[i].at_ns == at_ns)
            return;
    }
    test->moments = phu_mem_grow(test->moments, test->moment_count, sizeof *test->moments);
    moment = &test->moments[test->moment_count++];
    *moment = (struct moment){.at_ns = at_ns};
    collection.moment = moment;
    phu_rules_visit(engine, collect, &collection);
    if (moment->alert_count)
        qsort(moment->alerts, moment->alert_count, sizeof *moment->alerts, compare_alerts);
    for (size_t i = 0; i < test->expectation_count; i++) {
        if (test->expectations[i].at_ns == at_ns)
            check(scenario, test, moment, &test->expectations[i]);
    }
    if (test->is_complete)
        check_complete(scenario, test, moment);
}

static void ignore(void *arg, const struct phu_alert *alert)
{
    (void)arg;
    (void)alert;
}

static void run_steps(struct phu_scenario *scenario, struct test *test,
                      struct phu_rules_engine *engine, int64_t last_ns)
{
    size_t fed = 0;

    for (int64_t at = 0; at <= last_ns; at += scenario->interval_ns) {
        for (; fed < test->longest && (int64_t)fed * test->interval_ns <= at; fed++) {
            for (size_t i = 0; i < test->series_count; i++)
                feed(engine, &test->series[i], fed, EPOCH + (int64_t)fed * test->interval_ns);
        }
        phu_rules_evaluate(engine, EPOCH + at);
        for (size_t i = 0; i < test->expectation_count; i++) {
            int64_t asked = test->expectations[i].at_ns;

            if (asked >= at && asked < at + scenario->interval_ns)
                look(scenario, test, engine, asked);
        }
    }
}

static void run_test(struct phu_scenario *scenario, struct test *test)
{
    struct phu_rules_engine *engine;
    int64_t last_ns = 0;

    for (size_t i = 0; i < test->expectation_count; i++) {
        if (test->expectations[i].at_ns > last_ns)
            last_ns = test->expectations[i].at_ns;
    }
    if (last_ns / scenario->interval_ns > STEPS_MAX) {
        fail(test, phu_rule_arena_print(&scenario->arena, "%s: more than %d evaluations",
                                        scenario->file, STEPS_MAX));
        return;
    }
    for (size_t i = 0; i < test->series_count; i++)
        prepare(scenario, &test->series[i]);
    phu_rules_engine_new(scenario->rules, ignore, NULL, &engine);
    run_steps(scenario, test, engine, last_ns);
    phu_rules_engine_free(engine);
}

size_t phu_scenario_run(struct phu_scenario *scenario)
{
    size_t failed = 0;

    for (size_t i = 0; i < scenario->test_count; i++) {
        run_test(scenario, &scenario->tests[i]);
        failed += scenario->tests[i].failure_count > 0;
    }
    return failed;
}

size_t phu_scenario_test_count(const struct phu_scenario *scenario)
{
    return scenario->test_count;
}

/* -- Reports ---------------------------------------------------------------------------------- */

void phu_scenario_print(const struct phu_scenario *scenario, FILE *out)
{
    for (size_t i = 0; i < scenario->test_count; i++) {
        const struct test *test = &scenario->tests[i];

        fprintf(out, "%s  %s: %s\n", test->failure_count ? "FAILED" : "ok    ", scenario->file,
                test->name);
        for (size_t k = 0; k < test->failure_count; k++)
            fprintf(out, "    %s\n", test->failures[k]);
    }
}

static json_t *labels_json(const struct phu_alert_label *labels, size_t count)
{
    json_t *object = json_object();

    for (size_t i = 0; i < count; i++)
        json_object_set_new(object, labels[i].name, json_string(labels[i].value));
    return object;
}

static json_t *moment_json(const struct moment *moment)
{
    json_t *object = json_object(), *alerts = json_array();

    for (size_t i = 0; i < moment->alert_count; i++) {
        const struct alert *alert = &moment->alerts[i];
        json_t *one = json_object();

        json_object_set_new(one, "labels", labels_json(alert->labels, alert->label_count));
        json_object_set_new(one, "annotations",
                            labels_json(alert->annotations, alert->annotation_count));
        json_array_append_new(alerts, one);
    }
    json_object_set_new(object, "seconds", json_real((double)moment->at_ns / 1e9));
    json_object_set_new(object, "alerts", alerts);
    return object;
}

void phu_scenario_print_json(const struct phu_scenario *scenario, FILE *out)
{
    json_t *root = json_object(), *tests = json_array();

    for (size_t i = 0; i < scenario->test_count; i++) {
        const struct test *test = &scenario->tests[i];
        json_t *one = json_object(), *moments = json_array(), *failures = json_array();

        for (size_t k = 0; k < test->moment_count; k++)
            json_array_append_new(moments, moment_json(&test->moments[k]));
        for (size_t k = 0; k < test->failure_count; k++)
            json_array_append_new(failures, json_string(test->failures[k]));
        json_object_set_new(one, "name", json_string(test->name));
        json_object_set_new(one, "passed", json_boolean(!test->failure_count));
        json_object_set_new(one, "failures", failures);
        json_object_set_new(one, "times", moments);
        json_array_append_new(tests, one);
    }
    json_object_set_new(root, "file", json_string(scenario->file));
    json_object_set_new(root, "tests", tests);
    json_dumpf(root, out, JSON_INDENT(1));
    fputc('\n', out);
    json_decref(root);
}

/* -- For promtool ----------------------------------------------------------------------------- */

static void put_text(FILE *out, const char *text)
{
    fputc('"', out);
    for (; *text; text++) {
        if (*text == '"' || *text == '\\')
            fprintf(out, "\\%c", *text);
        else if (*text == '\n')
            fputs("\\n", out);
        else
            fputc(*text, out);
    }
    fputs("\"\n", out);
}

static void put_map(FILE *out, const char *head, const char *name,
                    const struct phu_alert_label *labels, size_t count)
{
    fprintf(out, "      %s %s:%s\n", head, name, count ? "" : " {}");
    for (size_t i = 0; i < count; i++) {
        if (strcmp(labels[i].name, "alertname") == 0)
            continue;
        fprintf(out, "          %s: ", labels[i].name);
        put_text(out, labels[i].value);
    }
}

static const struct moment *moment_of(const struct test *test, int64_t at_ns)
{
    for (size_t i = 0; i < test->moment_count; i++) {
        if (test->moments[i].at_ns == at_ns)
            return &test->moments[i];
    }
    return NULL;
}

/* The annotations that are expected, or else those that our engine wrote. */
static const struct alert *annotated(const struct test *test, int64_t at_ns, const char *alertname,
                                     const struct alert *expected)
{
    const struct moment *moment = moment_of(test, at_ns);

    for (size_t i = 0; moment && !expected->has_annotations && i < moment->alert_count; i++) {
        if (is_of(&moment->alerts[i], alertname) && has_labels_of(expected, &moment->alerts[i]))
            return &moment->alerts[i];
    }
    return expected;
}

static void put_expectation(FILE *out, const struct test *test, int64_t at_ns,
                            const char *alertname, const struct alert *alerts, size_t count)
{
    fprintf(out, "  - eval_time: %" PRId64 "ms\n    alertname: %s\n    exp_alerts:%s\n",
            at_ns / 1000000, alertname, count ? "" : " []");
    for (size_t i = 0; i < count; i++) {
        const struct alert *texts = annotated(test, at_ns, alertname, &alerts[i]);

        put_map(out, "-", "exp_labels", alerts[i].labels, alerts[i].label_count);
        put_map(out, " ", "exp_annotations", texts->annotations, texts->annotation_count);
    }
}

static void put_silence(FILE *out, const struct phu_scenario *scenario, const struct test *test)
{
    for (size_t m = 0; test->is_complete && m < test->moment_count; m++) {
        int64_t at_ns = test->moments[m].at_ns;

        for (size_t i = 0; i < scenario->rules->rule_count; i++) {
            const char *name = scenario->rules->rules[i]->alert;
            size_t first = 0;

            while (strcmp(scenario->rules->rules[first]->alert, name) != 0)
                first++;
            if (first == i && !is_named(test, at_ns, name))
                put_expectation(out, test, at_ns, name, NULL, 0);
        }
    }
}

static void put_test(FILE *out, const struct phu_scenario *scenario, const struct test *test)
{
    fprintf(out, "- interval: %" PRId64 "ms\n  name: ", test->interval_ns / 1000000);
    put_text(out, test->name);
    fprintf(out, "  input_series:%s\n", test->series_count ? "" : " []");
    for (size_t i = 0; i < test->series_count; i++) {
        fputs("  - series: ", out);
        put_text(out, test->series[i].text);
        fputs("    values: ", out);
        put_text(out, test->series[i].values_text);
    }
    fprintf(out, "  alert_rule_test:%s\n", test->expectation_count ? "" : " []");
    for (size_t i = 0; i < test->expectation_count; i++) {
        const struct expectation *expectation = &test->expectations[i];

        put_expectation(out, test, expectation->at_ns, expectation->alertname, expectation->alerts,
                        expectation->alert_count);
    }
    put_silence(out, scenario, test);
}

static int close_file(FILE *file)
{
    int result = ferror(file) ? -EIO : 0;

    return fclose(file) != 0 ? -errno : result;
}

static FILE *open_file(const struct phu_scenario *scenario, const char *folder, const char *ending,
                       char *name, size_t size)
{
    char *path = phu_mem_strdup(scenario->file), *base = basename(path), *dot, *full;
    FILE *file;

    dot = strrchr(base, '.');
    if (dot)
        *dot = '\0';
    snprintf(name, size, "%s%s", base, ending);
    full = phu_mem_alloc(strlen(folder) + strlen(name) + 2, 1);
    sprintf(full, "%s/%s", folder, name);
    file = fopen(full, "we");
    free(full);
    free(path);
    return file;
}

int phu_scenario_write(const struct phu_scenario *scenario, const char *folder)
{
    char rules_name[300], name[300];
    FILE *out = open_file(scenario, folder, ".rules.yaml", rules_name, sizeof rules_name);
    int result;

    if (!out)
        return -errno;
    phu_rules_export(scenario->rules, out);
    result = close_file(out);
    out = result == 0 ? open_file(scenario, folder, ".yaml", name, sizeof name) : NULL;
    if (!out)
        return result ? result : -errno;
    fputs("# Written by \"phusong rules test --promtool\"; change the original instead.\n"
          "rule_files: [",
          out);
    fprintf(out, "\"%s\"]\nevaluation_interval: %" PRId64 "ms\ntests:%s\n", rules_name,
            scenario->interval_ns / 1000000, scenario->test_count ? "" : " []");
    for (size_t i = 0; i < scenario->test_count; i++)
        put_test(out, scenario, &scenario->tests[i]);
    return close_file(out);
}
