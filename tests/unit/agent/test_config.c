#include "config.h"

#include "core/inventory.h"
#include "core/quality.h"

#include "phusong/collector.h"
#include "phusong/err.h"
#include "phusong/exporter.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Two collectors and two exporters that exist only here. */
struct size_conf {
    int64_t size;
};

#define SIZE_TABLE(table_name, standard)                                                           \
    static const struct phu_option table_name##_options[] = {                                      \
        {.name = "size",                                                                           \
         .type = PHU_OPTION_INT,                                                                   \
         .offset = offsetof(struct size_conf, size),                                               \
         .fallback = (standard),                                                                   \
         .meaning = "how large"}};                                                                 \
    static const struct phu_option_table table_name =                                              \
        PHU_OPTION_TABLE(table_name##_options, struct size_conf)

SIZE_TABLE(ping_table, "1");
SIZE_TABLE(ping_check_table, "56");
SIZE_TABLE(sender_table, "10");
SIZE_TABLE(feed_table, "20");
SIZE_TABLE(spool_table, "30");

static const char *ping_argument(const char *argument)
{
    return strcmp(argument, "bad") == 0 ? "that is bad" : NULL;
}

static void send(void *self, const struct phu_batch *batch, phu_batch_done_cb *done, void *arg)
{
    (void)self;
    (void)batch;
    (void)done;
    (void)arg;
}

static const struct phu_collector ping = {.name = "icmp",
                                          .summary = "ping",
                                          .options = &ping_table,
                                          .check_options = &ping_check_table,
                                          .check_argument = ping_argument};
static const struct phu_collector walk = {
    .name = "snmp", .summary = "walk", .interval = "60s", .timeout = "7s"};
static const struct phu_collector *const collectors[] = {&ping, &walk, NULL};
static const struct phu_exporter sender = {
    .name = "sender", .summary = "sends", .options = &sender_table, .send = send};
static const struct phu_exporter asked = {.name = "asked", .summary = "is asked"};
static const struct phu_exporter *const exporters[] = {&sender, &asked, NULL};
static const struct phu_config_parts parts = {collectors, exporters, &spool_table, &feed_table};

struct folder {
    char path[64];
};

static int set_up(void **state)
{
    struct folder *folder = calloc(1, sizeof *folder);

    assert_non_null(folder);
    strcpy(folder->path, "/tmp/phusong-config-XXXXXX");
    assert_non_null(mkdtemp(folder->path));
    *state = folder;
    return 0;
}

static const char *const names[] = {"t.yaml", "secret", "areas.csv", "endpoints.csv",
                                    "devices.csv"};

static int tear_down(void **state)
{
    struct folder *folder = *state;
    char path[128];

    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        snprintf(path, sizeof path, "%s/%s", folder->path, names[i]);
        unlink(path);
    }
    rmdir(folder->path);
    free(folder);
    return 0;
}

static void write_file(const struct folder *folder, const char *name, const char *text)
{
    char path[128];
    FILE *file;

    snprintf(path, sizeof path, "%s/%s", folder->path, name);
    unlink(path);
    file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
    assert_int_equal(chmod(path, 0600), 0);
}

static struct phu_config *load(const struct folder *folder, const char *yaml)
{
    struct phu_config *config;
    struct phu_diags diags;
    char path[128];

    write_file(folder, "t.yaml", yaml);
    snprintf(path, sizeof path, "%s/t.yaml", folder->path);
    phu_diags_init(&diags);
    if (phu_config_load(&parts, path, &diags, &config) < 0) {
        phu_diags_print(&diags, stderr);
        fail();
    }
    phu_diags_fini(&diags);
    return config;
}

#define HEAD "agent: {id: n, inventory: .}\n"
#define TAIL "exporters: []\n"

static int64_t size_of(const void *options)
{
    return ((const struct size_conf *)options)->size;
}

static void gives_every_collector_its_defaults(void **state)
{
    struct phu_config *config = load(*state, HEAD TAIL);

    assert_int_equal(config->check_count, 2);
    assert_string_equal(config->checks[0].name, "icmp");
    assert_ptr_equal(config->checks[0].collector, &ping);
    assert_int_equal(config->checks[0].interval_ns, INT64_C(10000000000));
    assert_int_equal(config->checks[0].timeout_ns, INT64_C(2000000000));
    assert_int_equal(size_of(config->checks[0].options), 56);
    assert_int_equal(config->checks[1].interval_ns, INT64_C(60000000000));
    assert_int_equal(config->checks[1].timeout_ns, INT64_C(7000000000));
    assert_null(config->checks[1].options);
    assert_int_equal(size_of(config->collector_options[0]), 1);
    assert_null(config->collector_options[1]);
    assert_int_equal(size_of(config->spool), 30);
    phu_config_free(config);
}

static void lets_an_entry_set_a_collectors_defaults(void **state)
{
    struct phu_config *config =
        load(*state, HEAD "checks:\n- {name: fast, collector: icmp, interval: 1s, argument: x}\n"
                          "- {name: icmp, size: 100, timeout: 500ms}\n" TAIL);
    const struct phu_config_check *fast = &config->checks[0];

    assert_int_equal(config->check_count, 3);
    assert_int_equal(phu_config_find_check(config, "fast"), 0);
    assert_int_equal(fast->interval_ns, INT64_C(1000000000));
    assert_int_equal(fast->timeout_ns, INT64_C(500000000));
    assert_string_equal(fast->argument, "x");
    assert_int_equal(size_of(fast->options), 100);
    assert_string_equal(config->checks[1].argument, "");
    assert_int_equal(phu_config_find_check(config, "snmp"), 2);
    assert_int_equal(phu_config_find_check(config, "http"), -ENOENT);
    phu_config_free(config);
}

static void gives_every_technology_a_profile(void **state)
{
    static const char *const technologies[] = {"fibre", "3g", "4g", "5g", "device"};
    struct phu_config *config =
        load(*state, HEAD "quality:\n- {name: good, technology: 4g, rtt_max: 50ms}\n"
                          "- {name: strict, rtt_max: 5ms}\n" TAIL);

    assert_int_equal(config->quality_count, 6);
    for (size_t i = 0; i < 5; i++) {
        size_t found = 0;

        for (size_t j = 0; j < config->quality_count; j++)
            found += strcmp(config->quality[j].technology, technologies[i]) == 0;
        assert_int_equal(found, 1);
    }
    assert_int_equal(phu_config_find_quality(config, "good"), 0);
    assert_true(phu_config_find_quality(config, "3g") >= 0);
    assert_int_equal(phu_config_find_quality(config, "4g"), -ENOENT);
    phu_config_free(config);
}

static void tells_exporters_apart(void **state)
{
    struct phu_config *config =
        load(*state, HEAD "exporters:\n- {type: asked, name: a}\n- {type: sender, name: b}\n");

    assert_int_equal(config->exporter_count, 2);
    assert_ptr_equal(config->exporters[0].exporter, &asked);
    assert_null(config->exporters[0].options);
    assert_null(config->exporters[0].feed);
    assert_string_equal(config->exporters[1].name, "b");
    assert_true(config->exporters[1].options && config->exporters[1].feed);
    phu_config_free(config);
}

/* -- Reload ----------------------------------------------------------------------------------- */

static void write_inventory(const struct folder *folder)
{
    write_file(folder, "areas.csv",
               "code,level,name,parent_code,id\n1,commune,X,,\n1-1,hamlet,Y,1,h\n");
    write_file(folder, "endpoints.csv",
               "id,hamlet,technology,operator,address,checks\ne,h,4g,VNPT,10.0.0.1,icmp slow\n");
    write_file(folder, "devices.csv", "id,address,credential\nd,10.0.0.2,lab\n");
    write_file(folder, "secret", "public\n");
}

static struct phu_inventory *load_inventory(const struct phu_config *config)
{
    struct phu_inventory *inventory;
    struct phu_diags diags;

    phu_diags_init(&diags);
    if (phu_config_load_inventory(config, &diags, &inventory) < 0) {
        phu_diags_print(&diags, stderr);
        fail();
    }
    phu_diags_fini(&diags);
    return inventory;
}

static const char base_yaml[] =
    HEAD "checks:\n- {name: icmp, size: 10}\n- {name: slow, collector: icmp, interval: 1m}\n"
         "quality:\n- {name: mobile, technology: 4g, rtt_max: 50ms}\n"
         "credentials:\n- {name: lab, community: secret}\n" TAIL;

static char *edit(const char *from, const char *to)
{
    const char *at = strstr(base_yaml, from);
    char *text;

    assert_non_null(at);
    if (asprintf(&text, "%.*s%s%s", (int)(at - base_yaml), base_yaml, to, at + strlen(from)) < 0)
        abort();
    return text;
}

/* Fates of e/icmp, e/slow and d/snmp as letters: u, c, a. */
static void expect_fates(const struct folder *folder, const char *from, const char *to,
                         const char *expected)
{
    static const char *const ids[] = {"e/icmp", "e/slow", "d/snmp"};
    char *yaml = edit(from, to), fates[4] = "";
    struct phu_config *before = load(folder, base_yaml), *after;
    struct phu_inventory *old = load_inventory(before), *new;
    struct phu_inventory_diff diff;

    if (strcmp(to, "secret }") == 0)
        write_file(folder, "secret", "private\n");
    after = load(folder, yaml);
    new = load_inventory(after);
    assert_int_equal(phu_config_diff(before, old, after, new, &diff), 0);
    for (size_t i = 0; i < 3; i++)
        fates[i] = "uca"[diff.fate[phu_inventory_find_check(new, ids[i])]];
    assert_string_equal(fates, expected);
    phu_inventory_diff_fini(&diff);
    phu_inventory_free(old);
    phu_inventory_free(new);
    phu_config_free(before);
    phu_config_free(after);
    free(yaml);
}

static void sees_what_a_reload_changes(void **state)
{
    const struct folder *folder = *state;

    write_inventory(folder);
    expect_fates(folder, TAIL, TAIL, "uuu");
    expect_fates(folder, "size: 10", "size: 11", "ccu"); /* slow takes it over */
    expect_fates(folder, "1m", "2m", "ucu");
    expect_fates(folder, "50ms", "60ms", "ccu");
    expect_fates(folder, "name: mobile", "name: cell", "ccu");
    expect_fates(folder, "community: secret}", "community: ./secret}", "uuc");
    expect_fates(folder, "id: n", "id: m", "ccc");
    expect_fates(folder, "id: n", "window: 30s, id: n", "ccc");
    expect_fates(folder, "checks:\n", "checks:\n- {name: other, collector: snmp}\n", "uuu");
}

static void sees_a_replaced_secret(void **state)
{
    write_inventory(*state);
    expect_fates(*state, "secret}", "secret }", "uuc");
}

static void tells_what_needs_a_restart(void **state)
{
    static const struct {
        const char *from, *to, *part;
    } cases[] = {
        {TAIL, TAIL, NULL},
        {"size: 10", "size: 11", NULL},
        {TAIL, "exporters:\n- {type: asked, name: a}\n", NULL},
        {TAIL, TAIL "log: {level: debug}\n", NULL},
        {"id: n", "id: m", "agent.id"},
        {"id: n", "id: n, window: 30s", "agent.window"},
        {"id: n", "id: n, user: phusong", "agent.user"},
        {"id: n", "id: n, state_dir: state", "agent.state_dir"},
        {TAIL, TAIL "collectors: {icmp: {size: 2}}\n", "collectors"},
        {TAIL, TAIL "spool: {size: 31}\n", "spool"},
    };
    struct phu_config *before;

    write_inventory(*state);
    before = load(*state, base_yaml);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *yaml = edit(cases[i].from, cases[i].to);
        struct phu_config *after = load(*state, yaml);
        const char *part = phu_config_needs_restart(before, after);

        if (cases[i].part)
            assert_string_equal(part, cases[i].part);
        else
            assert_null(part);
        phu_config_free(after);
        free(yaml);
    }
    phu_config_free(before);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(gives_every_collector_its_defaults), TEST(lets_an_entry_set_a_collectors_defaults),
        TEST(gives_every_technology_a_profile),   TEST(tells_exporters_apart),
        TEST(sees_what_a_reload_changes),         TEST(sees_a_replaced_secret),
        TEST(tells_what_needs_a_restart),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
