/* What `phusong bindings` makes of what a collector says, with a collector that says what the test
 * wants. */
#include "bindings.h"
#include "config.h"
#include "core/inventory_load.h"
#include "phusong/err.h"
#include "phusong/sched.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char areas[] = "code,level,name,parent_code,id\n24,province,B,,\n09187,commune,K,24,\n"
                            "h-1,hamlet,Khu 1,09187,bn-1\n";
static const char devices[] = "id,address,checks\n"
                              "olt-1,10.0.0.1,rows\nolt-2,10.0.0.2,rows\ncpe-3,10.0.0.3,rows\n"
                              "plain,10.0.0.4,ping\n";
static const char endpoints[] =
    "id,hamlet,technology,operator,address,device,ifname,index\n"
    "a,bn-1,fibre,VNPT,10.1.0.1,olt-1,,0/1:5\n"        /* is there */
    "b,bn-1,fibre,VNPT,10.1.0.2,olt-1,,0/1:9\n"        /* is not */
    "c,bn-1,fibre,VNPT,10.1.0.3,olt-1,gpon0/1,\n"      /* is there */
    "d,bn-1,fibre,VNPT,10.1.0.4,olt-1,gpon0/9,0/1:6\n" /* the second of them is */
    "e,bn-1,fibre,VNPT,10.1.0.5,,,\n"                  /* a pattern finds it */
    "f,bn-1,4g,VNPT,10.1.0.6,cpe-3,,\n"                /* whatever is left: nothing */
    "g,bn-1,fibre,VNPT,10.1.0.7,olt-2,,0/1:1\n";       /* does not answer */

/* -- The collector ----------------------------------------------------------------------------- */

struct fake {
    struct phu_sink *sink;
    struct phu_sched *sched;
};

struct attached {
    struct fake *fake;
    const struct phu_check_spec *spec;
    struct phu_timer answer;
};

static void say_row(struct attached *attached, const char *tag, const char *row, const char *text,
                    const char *endpoint)
{
    const struct phu_trace_item item = {.kind = PHU_TRACE_ROW,
                                        .name = tag,
                                        .table = "t",
                                        .row = row,
                                        .column = "",
                                        .index = "7",
                                        .oid = "",
                                        .raw = text,
                                        .value = endpoint,
                                        .unit = "",
                                        .why = ""};

    phu_trace_put(attached->spec->trace, &item);
}

static int put_row(struct attached *attached, const char *tag, const char *name,
                   const char *endpoint)
{
    uint32_t handle = 0;
    int result =
        phu_sink_row(attached->fake->sink, attached->spec->check,
                     &(struct phu_row){.tag = tag, .name = name, .endpoint = endpoint}, &handle);

    assert_true(result < 0 || handle > 0);
    return result;
}

static void tell_olt(struct attached *attached)
{
    const struct phu_trace_item note = {.kind = PHU_TRACE_NOTE, .why = "a remark"};

    say_row(attached, "onu", "0/1:5", "Khu 1", "a");
    say_row(attached, "onu", "0/1:6", "", "d");
    say_row(attached, "onu", "0/1:7", "nobody's", "");
    say_row(attached, "onu", "0/1:8", "", "e");
    say_row(attached, "onu", "0/1:8", "", "e");
    say_row(attached, "onu", "0/1:10", "", "gone");
    say_row(attached, "sensor", "fan 1", "", "");
    assert_int_equal(put_row(attached, "onu", "0/1:5", "a"), 0);
    assert_int_equal(put_row(attached, "onu", "0/1:10", "gone"), -ENOENT);
    assert_int_equal(put_row(attached, "interface", "gpon0/1", "c"), 0);
    assert_int_equal(put_row(attached, "interface", "gpon0/2", NULL), 0);
    phu_trace_put(attached->spec->trace, &note);
    phu_trace_put(attached->spec->trace, &note);
}

static void answer(struct phu_timer *timer)
{
    struct attached *attached = phu_container_of(timer, struct attached, answer);
    bool is_silent = strcmp(attached->spec->address, "10.0.0.2") == 0;

    if (strcmp(attached->spec->address, "10.0.0.1") == 0)
        tell_olt(attached);
    phu_sink_put(
        attached->fake->sink,
        &(struct phu_observation){.check = attached->spec->check,
                                  .result = is_silent ? PHU_RESULT_TIMEOUT : PHU_RESULT_OK});
}

static int fake_open(const struct phu_collector_env *env, const void *options, void **self)
{
    struct fake *fake = malloc(sizeof *fake);

    (void)options;
    *fake = (struct fake){env->sink, env->sched};
    *self = fake;
    return 0;
}

static void fake_close(void *self)
{
    free(self);
}

static int fake_attach(void *self, const struct phu_check_spec *spec, void **check)
{
    struct attached *attached = malloc(sizeof *attached);

    *attached = (struct attached){.fake = self, .spec = spec};
    phu_timer_init(&attached->answer, answer);
    *check = attached;
    return 0;
}

static void fake_detach(void *self, void *check)
{
    struct attached *attached = check;

    (void)self;
    phu_timer_cancel(attached->fake->sched, &attached->answer);
    free(attached);
}

static void fake_poll(void *self, void *check)
{
    struct attached *attached = check;

    (void)self;
    phu_timer_after(attached->fake->sched, &attached->answer, PHU_NS_PER_MS);
}

static const struct phu_row_kind kinds[] = {{"optics", "onu", "an ONU"}};
static const struct phu_collector with_rows = {.name = "rows",
                                               .row_kinds = kinds,
                                               .row_kind_count = 1,
                                               .open = fake_open,
                                               .close = fake_close,
                                               .attach = fake_attach,
                                               .detach = fake_detach,
                                               .poll = fake_poll};
static const struct phu_collector without = {.name = "ping"};

/* -- The inventory ----------------------------------------------------------------------------- */

static const char *const names[] = {"rows", "ping", "icmp", NULL};
static const char *const profiles[] = {"any", NULL};
static const char *const credentials[] = {NULL};

static struct phu_inventory *load(void)
{
    const struct phu_inventory_vocabulary vocabulary = {
        .checks = names, .profiles = profiles, .credentials = credentials};
    const char *const texts[PHU_FILE_COUNT] = {areas, NULL, devices, endpoints};
    struct phu_inventory_source sources[PHU_FILE_COUNT] = {
        {.path = "areas"}, {.path = "sites"}, {.path = "devices"}, {.path = "endpoints"}};
    struct phu_inventory *inventory;
    struct phu_diags diags;

    phu_diags_init(&diags);
    for (size_t i = 0; i < PHU_FILE_COUNT; i++) {
        sources[i].text = texts[i] ? strdup(texts[i]) : NULL;
        sources[i].length = texts[i] ? strlen(texts[i]) : 0;
    }
    phu_inventory_load_texts(sources, &vocabulary, phu_wall_now(), &diags, &inventory);
    phu_diags_print(&diags, stderr);
    assert_non_null(inventory);
    phu_diags_fini(&diags);
    for (size_t i = 0; i < PHU_FILE_COUNT; i++)
        free(sources[i].text);
    return inventory;
}

static char *ask(const char *only, bool is_json, struct phu_bindings_sums *sums)
{
    struct phu_config_check checks[] = {
        {.name = "rows", .argument = "", .collector = &with_rows},
        {.name = "ping", .argument = "", .collector = &without, .collector_index = 1},
        {.name = "icmp", .argument = "", .collector = &without, .collector_index = 1}};
    const void *options[] = {NULL, NULL};
    struct phu_quality quality = phu_quality_default;
    const struct phu_config config = {.checks = checks,
                                      .check_count = 3,
                                      .quality = &quality,
                                      .quality_count = 1,
                                      .collector_options = options,
                                      .collector_count = 2};
    struct phu_bindings_job job = {.config = &config, .inventory = load(), .only = only};
    char *said;
    size_t length;
    FILE *out = open_memstream(&said, &length);

    assert_int_equal(phu_bindings_ask(&job), 0);
    assert_false(job.is_interrupted);
    *sums = phu_bindings_sum(&job);
    if (is_json)
        assert_int_equal(phu_bindings_print_json(&job, out), 0);
    else
        phu_bindings_print(&job, false, out);
    fclose(out);
    phu_bindings_fini(&job);
    phu_inventory_free((struct phu_inventory *)job.inventory);
    return said;
}

static void says_what_matched_and_what_did_not(void **state)
{
    struct phu_bindings_sums sums;
    char *said = ask(NULL, false, &sums);

    (void)state;
    assert_string_equal(
        said, "olt-1 (10.0.0.1)\n"
              "  serve an endpoint:\n"
              "    onu=0/1:5 -> a  (Khu 1)\n"
              "    onu=0/1:6 -> d\n"
              "    onu=0/1:8 -> e\n"
              "    interface=gpon0/1 -> c\n"
              "  serve nobody:\n"
              "    onu=0/1:7  (nobody's)\n"
              "  endpoints whose row the device does not have:\n"
              "    b  index 0/1:9\n"
              "    d  ifname gpon0/9\n"
              "  a pattern names an endpoint that the inventory does not have:\n"
              "    onu=0/1:10 -> gone\n"
              "  remark: a remark\n"
              "olt-2 (10.0.0.2): no answer, so nothing is known of its rows: timeout\n"
              "cpe-3 (10.0.0.3)\n"
              "  endpoints that name no row, and none was left for them:\n"
              "    f\n"
              "\n"
              "2 of 3 devices answered; rows that serve an endpoint: 4, that serve nobody: 1; "
              "endpoints whose row is missing: 2; unknown endpoints: 1\n");
    assert_int_equal(sums.missed, 2);
    assert_int_equal(sums.stray, 1);
    assert_int_equal(sums.idle, 1);
    assert_int_equal(sums.answered, 2);
    free(said);
}

static void asks_one_device_alone(void **state)
{
    struct phu_bindings_sums sums;
    char *said = ask("cpe-3", false, &sums);

    (void)state;
    assert_int_equal(sums.devices, 1);
    assert_null(strstr(said, "olt-1"));
    free(said);
}

static void tells_programs_the_same(void **state)
{
    struct phu_bindings_sums sums;
    char *said = ask(NULL, true, &sums);

    (void)state;
    assert_non_null(strstr(said, "\"result\": \"timeout\""));
    assert_non_null(strstr(said, "\"index\": \"0/1:9\""));
    assert_non_null(strstr(said, "\"unknown_endpoints\": 1"));
    assert_non_null(strstr(said, "\"endpoint\": \"gone\""));
    free(said);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(says_what_matched_and_what_did_not),
        cmocka_unit_test(asks_one_device_alone),
        cmocka_unit_test(tells_programs_the_same),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
