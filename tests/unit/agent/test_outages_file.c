/* What a restart must not forget: written and read again, and what else may stand in the file. */
#include "outages_file.h"
#include "references.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

static struct phu_outage_record sample(void)
{
    return (struct phu_outage_record){
        .event = {.id_ns = 1795000000123456789,
                  .begin_ns = 1795000000123456789,
                  .cause = PHU_CAUSE_UNKNOWN,
                  .refined = PHU_CAUSE_FIBRE_CUT,
                  .is_active = true,
                  .is_inferred = true,
                  .endpoints = 300,
                  .hamlets = 299,
                  .households = 41000},
        .kind = PHU_NODE_PON,
        .root = "olt-1/0/1/3",
        .key = strdup("event,agent=a,cause=unknown,operator=Vi\\ ệt,root=olt-1/0/1/3"),
        .name = strdup("PON 0/1/3, Trạm Một"),
        .hamlets = strdup("h-1 h-2"),
    };
}

static void keeps_what_was_told(void **state)
{
    struct phu_outage_record record = sample(), *read;
    char *text = strdup(PHU_OUTAGES_HEADING);
    size_t length = strlen(text), count, unreadable;

    (void)state;
    phu_outages_write_record(&record, &text, &length);
    record.event.is_active = false;
    record.event.end_ns = record.event.begin_ns + 1;
    phu_outages_write_record(&record, &text, &length);
    assert_int_equal(strlen(text), length);
    read = phu_outages_read_records(text, &count, &unreadable);
    assert_int_equal(count, 2);
    assert_int_equal(unreadable, 0);
    assert_string_equal(read[0].root, record.root);
    assert_string_equal(read[0].key, record.key);
    assert_string_equal(read[0].name, record.name);
    assert_string_equal(read[0].hamlets, record.hamlets);
    assert_int_equal(read[0].kind, PHU_NODE_PON);
    assert_int_equal(read[0].event.id_ns, record.event.id_ns);
    assert_int_equal(read[0].event.refined, PHU_CAUSE_FIBRE_CUT);
    assert_int_equal(read[0].event.households, 41000);
    assert_true(read[0].event.is_active && read[0].event.is_inferred);
    assert_false(read[0].event.is_maintenance || read[1].event.is_active);
    assert_int_equal(read[1].event.end_ns, record.event.end_ns);
    for (size_t i = 0; i < count; i++)
        phu_outage_record_fini(&read[i]);
    free(read);
    free(text);
    phu_outage_record_fini(&record);
}

/* Every cut-off and every changed byte is either harmless or leaves a line out. */
static void a_damaged_file_costs_its_lines(void **state)
{
    struct phu_outage_record record = sample(), *read;
    char *text = NULL;
    size_t length = 0, count, unreadable;

    (void)state;
    phu_outages_write_record(&record, &text, &length);
    for (size_t cut = 0; cut < length; cut++) {
        char *part = strndup(text, cut);

        assert_non_null(part);
        read = phu_outages_read_records(part, &count, &unreadable);
        assert_int_equal(count, cut == length - 1); /* but for the newline it is whole */
        assert_true(count + unreadable <= 1);
        for (size_t i = 0; i < count; i++)
            phu_outage_record_fini(&read[i]);
        free(read);
        free(part);
    }
    for (size_t at = 0; at < length; at++) {
        char *damaged = strdup(text);

        assert_non_null(damaged);
        damaged[at] = '\t';
        read = phu_outages_read_records(damaged, &count, &unreadable);
        assert_int_equal(count + unreadable, 1);
        for (size_t i = 0; i < count; i++)
            phu_outage_record_fini(&read[i]);
        free(read);
        free(damaged);
    }
    free(text);
    phu_outage_record_fini(&record);
}

static void finds_the_way_out(void **state)
{
    static const char head[] =
        "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n";
    static const char routes[] = "eth0\t00000000\t0101A8C0\t0003\t0\t0\t200\t00000000\t0\t0\t0\n"
                                 "wwan0\t00000000\tFE00000A\t0003\t0\t0\t100\t00000000\t0\t0\t0\n"
                                 "eth1\t00000000\t0202A8C0\t0002\t0\t0\t1\t00000000\t0\t0\t0\n"
                                 "eth0\t0001A8C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n"
                                 "broken\n";
    char table[1024], address[64] = "";

    (void)state;
    assert_false(phu_references_gateway("", address, sizeof address));
    assert_false(phu_references_gateway(head, address, sizeof address));
    strcpy(table, head);
    strcat(table, routes);
    assert_true(phu_references_gateway(table, address, sizeof address));
    assert_string_equal(address, "10.0.0.254"); /* the lowest metric of those that are up */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keeps_what_was_told),
        cmocka_unit_test(a_damaged_file_costs_its_lines),
        cmocka_unit_test(finds_the_way_out),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
