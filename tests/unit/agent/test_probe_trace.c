/* What `phusong probe` keeps of a collector's inside, and how it tells it. */
#include "probe_trace.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct phu_trace_item nothing = {
    PHU_TRACE_NOTE, "", "", "", "", "", "", "", "", "", ""};

static void tell_fact(struct phu_probe_trace *trace, const char *name, const char *value)
{
    struct phu_trace_item item = nothing;

    item.kind = PHU_TRACE_FACT;
    item.name = name;
    item.value = value;
    phu_trace_put(&trace->trace, &item);
}

static void tell_light(struct phu_probe_trace *trace, const char *row, const char *oid,
                       const char *raw, const char *value, const char *why)
{
    struct phu_trace_item item = nothing;

    item.kind = PHU_TRACE_VALUE;
    item.name = "optics.onu_rx_dbm";
    item.table = "onus";
    item.row = row;
    item.column = "rx";
    item.index = "7.1";
    item.oid = oid;
    item.raw = raw;
    item.value = value;
    item.unit = "dBm";
    item.why = why;
    phu_trace_put(&trace->trace, &item);
}

static char *printed(const struct phu_probe_trace *trace)
{
    char *text = NULL;
    size_t length;
    FILE *out = open_memstream(&text, &length);

    phu_probe_trace_print(trace, out);
    fclose(out);
    return text;
}

static void people_see_facts_and_a_table(void **state)
{
    struct phu_probe_trace trace;
    struct phu_trace_item row = nothing, note = nothing;
    char *text;

    (void)state;
    phu_probe_trace_init(&trace);
    tell_fact(&trace, "profile", "generic");
    tell_fact(&trace, "profile", "huawei");
    tell_fact(&trace, "sys_name", "Phủ Lâm");
    tell_light(&trace, "0/1:1", "1.3.7.1", "-1414", "-14.14", "");
    tell_light(&trace, "0/1:2", "1.3.7.2", "2147483647", "", "2147483647 means no value");
    row.kind = PHU_TRACE_ROW;
    row.table = "onus";
    row.row = "0/1:1";
    row.value = "bn-1-fibre";
    phu_trace_put(&trace.trace, &row);
    note.why = "1 ONU serves nobody";
    phu_trace_put(&trace.trace, &note);
    phu_trace_put(&trace.trace, &note);
    text = printed(&trace);
    assert_string_equal(
        text,
        "  profile   huawei\n"
        "  sys_name  Phủ Lâm\n"
        "\nonus\n"
        "  ROW    COLUMN  RAW         VALUE       METRIC\n"
        "  0/1:1  rx      -1414       -14.14 dBm  optics.onu_rx_dbm\n"
        "  0/1:2  rx      2147483647  -           optics.onu_rx_dbm: 2147483647 means no value\n"
        "\nserves\n"
        "  onus 0/1:1  -> bn-1-fibre\n"
        "\nremarks\n"
        "  1 ONU serves nobody\n");
    free(text);
    phu_probe_trace_fini(&trace);
}

static void programs_get_numbers(void **state)
{
    struct phu_probe_trace trace;
    json_t *object = json_object();
    const char *oid, *raw;
    double value;

    (void)state;
    phu_probe_trace_init(&trace);
    tell_fact(&trace, "sys_descr", "\xff");
    tell_light(&trace, "0/1:1", "1.3.7.1", "-1414", "-14.14", "");
    phu_probe_trace_json(&trace, object);
    assert_int_equal(json_unpack(object, "{s:{s:[{s:s,s:s,s:f}]}}", "tables", "onus", "oid", &oid,
                                 "raw", &raw, "value", &value),
                     0);
    assert_string_equal(oid, "1.3.7.1");
    assert_string_equal(raw, "-1414");
    assert_true(value == -14.14);
    assert_string_equal(
        json_string_value(json_object_get(json_object_get(object, "facts"), "sys_descr")), "?");
    assert_null(json_object_get(object, "notes"));
    json_decref(object);
    phu_probe_trace_fini(&trace);
}

static void the_last_value_of_a_cell_counts(void **state)
{
    struct phu_probe_trace trace;
    char oid[32];

    (void)state;
    phu_probe_trace_init(&trace);
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < 5000; i++) {
            snprintf(oid, sizeof oid, "1.3.7.%d", i);
            tell_light(&trace, "r", oid, round ? "2" : "1", round ? "2" : "", round ? "" : "bad");
        }
    }
    assert_int_equal(trace.cell_count, 5000);
    assert_int_equal(trace.table_count, 1);
    for (size_t i = 0; i < trace.cell_count; i++) {
        assert_string_equal(trace.cells[i].value, "2");
        assert_string_equal(trace.cells[i].why, "");
    }
    phu_probe_trace_fini(&trace);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(people_see_facts_and_a_table),
        cmocka_unit_test(programs_get_numbers),
        cmocka_unit_test(the_last_value_of_a_cell_counts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
