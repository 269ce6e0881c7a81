/* What the engine of alert rules costs: a province's endpoints send their state once a minute, and
 * some of them fail.
 *
 *     bench_rules [RULES.yaml [ENDPOINTS]]     deploy/rules/phusong.yaml, 100,000
 *
 * CPU time per sample fed, per evaluation when nothing happened, when 100 states changed, and right
 * after a heartbeat of all; and memory per endpoint.
 */
#include "rules/rules.h"

#include "phusong/err.h"

#include <inttypes.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define SECOND INT64_C(1000000000)
#define START (INT64_C(1790000000) * SECOND)

enum { TAGS = 6 };

struct endpoint {
    char key[256], values[TAGS][24];
};

static int64_t cpu_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return t.tv_sec * SECOND + t.tv_nsec;
}

static void ignore(void *arg, const struct phu_alert *alert)
{
    size_t *told = arg;

    (void)alert;
    (*told)++;
}

static const char *const tags[TAGS] = {"agent",  "commune",  "endpoint",
                                       "hamlet", "operator", "technology"};

static void name(struct endpoint *endpoint, unsigned i)
{
    static const char *const operators[] = {"vnpt", "viettel", "mobifone"};
    static const char *const technologies[] = {"fibre", "4g", "3g"};

    snprintf(endpoint->values[0], sizeof endpoint->values[0], "bn-%u", i / 4000);
    snprintf(endpoint->values[1], sizeof endpoint->values[1], "c-%u", i / 120);
    snprintf(endpoint->values[2], sizeof endpoint->values[2], "bn-%06u", i);
    snprintf(endpoint->values[3], sizeof endpoint->values[3], "h-%u", i / 4);
    snprintf(endpoint->values[4], sizeof endpoint->values[4], "%s", operators[i % 3]);
    snprintf(endpoint->values[5], sizeof endpoint->values[5], "%s", technologies[i % 3]);
    snprintf(endpoint->key, sizeof endpoint->key,
             "state,agent=%s,commune=%s,endpoint=%s,hamlet=%s,operator=%s,technology=%s",
             endpoint->values[0], endpoint->values[1], endpoint->values[2], endpoint->values[3],
             endpoint->values[4], endpoint->values[5]);
}

static struct phu_slice slice(const char *text)
{
    return (struct phu_slice){text, strlen(text)};
}

static void feed(struct phu_rules_engine *engine, const struct endpoint *endpoint, int64_t at_ns,
                 int64_t code)
{
    struct phu_tag list[TAGS];
    struct phu_field fields[] = {
        {.name = slice("code"), .type = PHU_FIELD_INT, .i = code},
        {.name = slice("flapping"), .type = PHU_FIELD_INT, .i = 0},
        {.name = slice("maintenance"), .type = PHU_FIELD_INT, .i = 0},
    };
    struct phu_sample sample = {.measurement = slice("state"),
                                .tags = list,
                                .tag_count = TAGS,
                                .fields = fields,
                                .field_count = 3,
                                .key = slice(endpoint->key),
                                .time_ns = at_ns};

    for (size_t i = 0; i < TAGS; i++)
        list[i] = (struct phu_tag){slice(tags[i]), slice(endpoint->values[i])};
    phu_rules_feed(engine, &sample);
}

static void print(const char *what, double ns, double per, const char *unit)
{
    printf("{\"name\": \"%s\", \"unit\": \"%s\", \"ours\": %.6g}\n", what, unit, ns / per);
}

static void measure(struct phu_rules_engine *engine, const struct endpoint *all, size_t count)
{
    size_t before = mallinfo2().uordblks;
    int64_t at = START, from = cpu_ns();

    for (size_t i = 0; i < count; i++)
        feed(engine, &all[i], at, 0);
    print("rules_first_sample", (double)(cpu_ns() - from), (double)count, "ns");
    from = cpu_ns();
    phu_rules_evaluate(engine, at);
    print("rules_first_evaluation", (double)(cpu_ns() - from), 1e6, "ms");
    print("rules_memory_per_endpoint", (double)(mallinfo2().uordblks - before), (double)count,
          "bytes");
    at += 60 * SECOND;
    from = cpu_ns();
    for (size_t i = 0; i < count; i++)
        feed(engine, &all[i], at, 0);
    print("rules_sample", (double)(cpu_ns() - from), (double)count, "ns");
    from = cpu_ns();
    phu_rules_evaluate(engine, at);
    print("rules_evaluation_heartbeat", (double)(cpu_ns() - from), 1e6, "ms");
    from = cpu_ns();
    for (int i = 0; i < 1000; i++)
        phu_rules_evaluate(engine, at + i * SECOND / 100);
    print("rules_evaluation_idle", (double)(cpu_ns() - from), 1e6, "us");
    at += 20 * SECOND;
    for (int i = 0; i < 100; i++)
        feed(engine, &all[(size_t)i * 37 % count], at, 2);
    from = cpu_ns();
    phu_rules_evaluate(engine, at);
    print("rules_evaluation_100_failed", (double)(cpu_ns() - from), 1e3, "us");
}

int main(int argc, char **argv)
{
    char *shipped[] = {(char[]){"deploy/rules/phusong.yaml"}};
    size_t count = argc > 2 ? strtoul(argv[2], NULL, 10) : 100000, told = 0;
    struct phu_rules_engine *engine;
    struct endpoint *all = calloc(count + 1, sizeof *all);
    struct phu_rules *rules;
    struct phu_diags diags;

    phu_diags_init(&diags);
    if (!all || !count || phu_rules_load(argc > 1 ? argv + 1 : shipped, 1, &diags, &rules) < 0) {
        phu_diags_print(&diags, stderr);
        fputs("usage: bench_rules [RULES.yaml [ENDPOINTS]]\n", stderr);
        return 1;
    }
    for (size_t i = 0; i < count; i++)
        name(&all[i], (unsigned)i);
    phu_rules_engine_new(rules, ignore, &told, &engine);
    measure(engine, all, count);
    phu_rules_engine_free(engine);
    phu_rules_free(rules);
    phu_diags_fini(&diags);
    free(all);
    return 0;
}
