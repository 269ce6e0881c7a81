/* The engine over stored samples: what is before the period only prepares it, what fires and
 * resolves within it is printed.
 */
#include "rules/replay.h"

#include "query.h"
#include "rules/rules.h"

#include "rfc3339.h"

#include "phusong/exit.h"

#include <jansson.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct run {
    const struct phu_replay *replay;
    struct phu_rules_engine *engine;
    int64_t interval_ns, next_ns; /* evaluations */
    FILE *out;
    json_t *list;
    size_t fired;
};

/* -- Printing --------------------------------------------------------------------------------- */

static void print_time(FILE *out, int64_t at_ns)
{
    char text[PHU_RFC3339_SIZE];

    phu_rfc3339_format(text, (struct phu_wall){at_ns});
    fputs(text, out);
}

static json_t *labels_json(const struct phu_alert_label *labels, size_t count)
{
    json_t *object = json_object();

    for (size_t i = 0; i < count; i++)
        json_object_set_new(object, labels[i].name, json_string(labels[i].value));
    return object;
}

static json_t *time_json(int64_t at_ns)
{
    char text[PHU_RFC3339_SIZE];

    if (!at_ns)
        return json_null();
    phu_rfc3339_format(text, (struct phu_wall){at_ns});
    return json_string(text);
}

static void print_json(struct run *run, const struct phu_alert *alert)
{
    json_t *object = json_object();

    json_object_set_new(object, "labels", labels_json(alert->labels, alert->label_count));
    json_object_set_new(object, "annotations",
                        labels_json(alert->annotations, alert->annotation_count));
    json_object_set_new(object, "active", time_json(alert->active_ns));
    json_object_set_new(object, "fired", time_json(alert->fired_ns));
    json_object_set_new(object, "resolved", time_json(alert->resolved_ns));
    json_array_append_new(run->list, object);
}

static void print_text(struct run *run, const struct phu_alert *alert)
{
    const char *name = "";

    print_time(run->out, alert->resolved_ns ? alert->resolved_ns : alert->fired_ns);
    fputs(alert->resolved_ns ? "  resolved  " : "  fired     ", run->out);
    for (size_t i = 0; i < alert->label_count; i++) {
        if (strcmp(alert->labels[i].name, "alertname") == 0)
            name = alert->labels[i].value;
    }
    fprintf(run->out, "%s {", name);
    for (size_t i = 0, shown = 0; i < alert->label_count; i++) {
        if (strcmp(alert->labels[i].name, "alertname") != 0)
            fprintf(run->out, "%s%s=\"%s\"", shown++ ? ", " : "", alert->labels[i].name,
                    alert->labels[i].value);
    }
    fputs("}\n", run->out);
    for (size_t i = 0; i < alert->annotation_count && !alert->resolved_ns; i++)
        fprintf(run->out, "    %s: %s\n", alert->annotations[i].name, alert->annotations[i].value);
}

/* What resolves is printed with both its times as JSON; what fires and stands at the end, too. */
static void changed(void *arg, const struct phu_alert *alert)
{
    struct run *run = arg;
    int64_t at = alert->resolved_ns ? alert->resolved_ns : alert->fired_ns;
    bool is_new = alert->resolved_ns || alert->fired_ns == run->next_ns;

    if (at < run->replay->from_ns || !is_new)
        return; /* a text that changed while the alert stands */
    run->fired += !alert->resolved_ns;
    if (!run->list)
        print_text(run, alert);
    else if (alert->resolved_ns)
        print_json(run, alert);
}

static void still_standing(void *arg, const struct phu_alert *alert)
{
    struct run *run = arg;

    if (alert->fired_ns && run->list)
        print_json(run, alert);
}

/* -- Running ---------------------------------------------------------------------------------- */

static void evaluate(struct run *run, int64_t at_ns)
{
    int64_t planned = run->next_ns;

    run->next_ns = at_ns; /* for `changed`: the time that it is */
    phu_rules_evaluate(run->engine, at_ns);
    run->next_ns = planned;
}

static bool take(void *arg, const struct phu_sample *sample)
{
    struct run *run = arg;

    while (run->next_ns < sample->time_ns) {
        evaluate(run, run->next_ns);
        run->next_ns += run->interval_ns;
    }
    if (phu_rules_feed(run->engine, sample))
        evaluate(run, sample->time_ns);
    return true;
}

static int ask(struct run *run, struct phu_query *query, const struct phu_rules *rules)
{
    int64_t horizon = phu_rules_horizon_ns(rules);
    const char **measurements = phu_rules_measurements(rules);
    int result;

    run->next_ns = run->replay->from_ns - horizon;
    result = phu_query_replay(query, measurements, run->next_ns, run->replay->to_ns, take, run);
    free(measurements);
    for (; result == 0 && run->next_ns <= run->replay->to_ns; run->next_ns += run->interval_ns)
        evaluate(run, run->next_ns);
    return result;
}

static int finish(struct run *run, int result)
{
    if (result < 0) {
        fprintf(stderr, "phusong rules: the store cannot be read: %s\n", strerror(-result));
        return PHU_EXIT_SYSTEM;
    }
    phu_rules_visit(run->engine, still_standing, run);
    if (run->list) {
        json_dumpf(run->list, run->out, JSON_INDENT(1));
        fputc('\n', run->out);
    } else {
        fprintf(run->out, "%zu alerts would have fired\n", run->fired);
    }
    return fflush(run->out) == 0 ? PHU_EXIT_OK : PHU_EXIT_SYSTEM;
}

int phu_rules_replay(const struct phu_rules *rules, const struct phu_replay *replay, FILE *out)
{
    struct run run = {.replay = replay, .interval_ns = phu_rules_interval_ns(rules), .out = out};
    struct phu_query *query;
    char why[256];
    int result = phu_query_open(replay->store, &query, why, sizeof why);

    if (result < 0) {
        fprintf(stderr, "phusong rules: %s\n", why);
        return result == -ENOENT ? PHU_EXIT_NOT_FOUND : PHU_EXIT_SYSTEM;
    }
    run.list = replay->is_json ? json_array() : NULL;
    phu_rules_engine_new(rules, changed, &run, &run.engine);
    result = finish(&run, ask(&run, query, rules));
    phu_rules_engine_free(run.engine);
    json_decref(run.list);
    phu_query_close(query);
    return result;
}
