/* A file of rules or, behind a byte 0x1e, one of scenarios. Rules that read well are exported, fed
 * with a little of everything that they want, and evaluated; their state is saved and restored.
 */
#include "rules/rules.h"
#include "rules/scenario.h"

#include "phusong/err.h"

#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define SECOND INT64_C(1000000000)

static void count(void *arg, const struct phu_alert *alert)
{
    size_t *told = arg;

    (*told)++;
    assert(alert->label_count > 0);
    for (size_t i = 1; i < alert->label_count; i++)
        assert(strcmp(alert->labels[i - 1].name, alert->labels[i].name) < 0);
}

static struct phu_slice slice(const char *text)
{
    return (struct phu_slice){text, strlen(text)};
}

static void feed(struct phu_rules_engine *engine, const char *measurement, int64_t at_ns,
                 int64_t value)
{
    static const char *const names[] = {"code", "active", "maintenance", "polls", "sent", "lost"};
    struct phu_tag tags[] = {{slice("agent"), slice("a")},
                             {slice("device"), slice("d")},
                             {slice("endpoint"), slice("e")},
                             {slice("kind"), slice("device")}};
    struct phu_field fields[6];
    struct phu_sample sample = {.measurement = slice(measurement),
                                .tags = tags,
                                .tag_count = 4,
                                .fields = fields,
                                .field_count = 6,
                                .key = slice(measurement),
                                .time_ns = at_ns};

    for (size_t i = 0; i < 6; i++)
        fields[i] = (struct phu_field){
            .name = slice(names[i]), .type = PHU_FIELD_INT, .i = i == 2 ? 0 : value};
    phu_rules_feed(engine, &sample);
}

static void run(const struct phu_rules *rules)
{
    const char **measurements = phu_rules_measurements(rules);
    struct phu_rules_engine *engine, *next;
    size_t told = 0, standing = 0, restored = 0;
    char *saved;

    phu_rules_engine_new(rules, count, &told, &engine);
    for (int64_t i = 1; i <= 20; i++) {
        for (size_t k = 0; measurements[k]; k++)
            feed(engine, measurements[k], i * 30 * SECOND, i < 10 ? 2 : i % 3);
        phu_rules_evaluate(engine, i * 30 * SECOND);
    }
    phu_rules_visit(engine, count, &standing);
    saved = phu_rules_engine_save(engine);
    phu_rules_engine_new(rules, count, &told, &next);
    assert(phu_rules_engine_restore(next, saved, strlen(saved), 600 * SECOND) == 0);
    phu_rules_visit(next, count, &restored);
    assert(restored <= standing);
    phu_rules_evaluate(next, 700 * SECOND);
    phu_rules_evaluate(engine, INT64_C(1000000) * SECOND);
    phu_rules_engine_free(next);
    phu_rules_engine_free(engine);
    free(saved);
    free(measurements);
}

static void try_rules(const char *text, size_t size)
{
    struct phu_rules *rules;
    struct phu_diags diags;
    FILE *out;
    int result;

    phu_diags_init(&diags);
    result = phu_rules_parse("fuzz.yaml", text, size, &diags, &rules);
    assert((result == 0) == (diags.count == 0));
    if (result == 0) {
        out = fopen("/dev/null", "w");
        if (!out)
            abort();
        assert(phu_rules_export(rules, out) == 0);
        fclose(out);
        run(rules);
        phu_rules_free(rules);
    }
    phu_diags_fini(&diags);
}

static void try_scenario(const char *text, size_t size)
{
    struct phu_scenario *scenario;
    struct phu_diags diags;
    int result;

    phu_diags_init(&diags);
    result = phu_scenario_parse("fuzz.yaml", text, size, &diags, &scenario);
    assert((result == 0) == (diags.count == 0));
    if (result == 0)
        phu_scenario_free(scenario);
    phu_diags_fini(&diags);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size && data[0] == 0x1e)
        try_scenario((const char *)data + 1, size - 1);
    else
        try_rules((const char *)data, size);
    return 0;
}
