/* What tables of profiles need, each part alone: rows gathered, remembered, added up and bound, and
 * when a table is due. */
#include "binding.h"
#include "gather.h"
#include "lanes.h"
#include "rollup.h"
#include "rows.h"

#include "phusong/collector.h"
#include "phusong/conf.h"
#include "phusong/err.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define S INT64_C(1000000000)
#define H (3600 * S)

/* -- Gathering --------------------------------------------------------------------------------- */

static struct phu_index at(uint32_t a, uint32_t b)
{
    return (struct phu_index){2, {a, b}};
}

static void put_number(struct phu_gather *gather, unsigned column, uint32_t row, uint64_t number)
{
    struct phu_index index = at(row, 1);

    phu_gather_put(gather, column, &index,
                   &(struct phu_varbind){.kind = PHU_VARBIND_INTEGER, .number = number});
}

static void put_text(struct phu_gather *gather, unsigned column, uint32_t row, const char *text)
{
    struct phu_index index = at(row, 1);

    phu_gather_put(gather, column, &index,
                   &(struct phu_varbind){.kind = PHU_VARBIND_TEXT,
                                         .text = (const uint8_t *)text,
                                         .text_length = strlen(text)});
}

static void rows_come_whole_and_in_order(void **state)
{
    struct phu_gather gather = {0};
    struct phu_index reached = at(2, 1);
    const struct phu_gather_row *row;

    (void)state;
    phu_gather_begin(&gather, 3);
    put_number(&gather, 0, 1, 10);
    put_number(&gather, 0, 3, 30);
    put_number(&gather, 0, 2, 20); /* behind the others, as a device with columns out of step has */
    put_text(&gather, 2, 1, "one");
    put_text(&gather, 2, 2, "two");
    row = phu_gather_first(&gather, &reached);
    assert_int_equal(row->index.part[0], 1);
    assert_int_equal(row->cells[0].number, 10);
    assert_int_equal(row->cells[1].kind, PHU_VARBIND_MISSING);
    assert_memory_equal(row->cells[2].text, "one", 3);
    assert_int_equal(row->cells[2].text_length, 3);
    phu_gather_drop(&gather);
    row = phu_gather_first(&gather, &reached);
    assert_int_equal(row->index.part[0], 2);
    assert_memory_equal(row->cells[2].text, "two", 3);
    phu_gather_drop(&gather);
    assert_null(phu_gather_first(&gather, &reached)); /* row 3 lacks columns still to come */
    row = phu_gather_first(&gather, NULL);
    assert_int_equal(row->cells[0].number, 30);
    phu_gather_drop(&gather);
    assert_null(phu_gather_first(&gather, NULL));
    phu_gather_fini(&gather);
}

static void memory_of_rows_is_used_again(void **state)
{
    struct phu_gather gather = {0};

    (void)state;
    phu_gather_begin(&gather, 2);
    for (uint32_t i = 1; i <= 10000; i++) {
        struct phu_index reached = at(i - 1, 1);

        put_number(&gather, 0, i, i);
        put_text(&gather, 1, i, "a description");
        while (phu_gather_first(&gather, &reached))
            phu_gather_drop(&gather);
    }
    assert_in_range(gather.made, 1, 32);
    assert_int_equal(gather.lost, 0);
    phu_gather_fini(&gather);
}

static void columns_that_run_apart_cost_a_bounded_number_of_rows(void **state)
{
    struct phu_gather gather = {0};

    (void)state;
    phu_gather_begin(&gather, 2);
    for (uint32_t i = 1; i <= PHU_GATHER_ROWS_MAX + 500; i++)
        put_number(&gather, 0, i, i);
    assert_int_equal(gather.count, PHU_GATHER_ROWS_MAX);
    assert_int_equal(gather.lost, 500);
    phu_gather_begin(&gather, 2);
    assert_int_equal(gather.count, 0);
    phu_gather_fini(&gather);
}

static void other_kinds_become_texts(void **state)
{
    static const unsigned long parts[] = {1, 3, 6, 4294967295};
    static const uint8_t bytes[] = {192, 0, 2, 7};
    struct phu_gather gather = {0};
    struct phu_index index = at(1, 1);
    const struct phu_gather_row *row;

    (void)state;
    phu_gather_begin(&gather, 3);
    phu_gather_put(&gather, 0, &index,
                   &(struct phu_varbind){.kind = PHU_VARBIND_OBJECT_ID,
                                         .text = (const uint8_t *)parts,
                                         .text_length = sizeof parts});
    phu_gather_put(&gather, 1, &index,
                   &(struct phu_varbind){
                       .kind = PHU_VARBIND_ADDRESS, .text = bytes, .text_length = sizeof bytes});
    phu_gather_put(&gather, 2, &index,
                   &(struct phu_varbind){.kind = PHU_VARBIND_REAL, .real = -71.5});
    row = phu_gather_first(&gather, NULL);
    assert_memory_equal(row->cells[0].text, "1.3.6.4294967295", row->cells[0].text_length);
    assert_int_equal(row->cells[0].text_length, 16);
    assert_memory_equal(row->cells[1].text, "192.0.2.7", row->cells[1].text_length);
    assert_memory_equal(row->cells[2].text, "-71.5", row->cells[2].text_length);
    assert_int_equal(row->cells[2].kind, PHU_VARBIND_TEXT);
    phu_gather_fini(&gather);
}

/* -- Remembering ------------------------------------------------------------------------------- */

static void rows_are_remembered_and_forgotten(void **state)
{
    struct phu_rows rows = {0};
    char name[16];

    (void)state;
    for (uint32_t i = 0; i < 5000; i++) {
        snprintf(name, sizeof name, "0/1/%u", i);
        phu_rows_take(&rows, phu_rows_key("onu", name))->handle = i + 1;
        phu_rows_find(&rows, phu_rows_key("onu", name))->seen_s = i;
        phu_rows_counter(&rows, phu_rows_key("onu", name), 7)->value = i;
        phu_rows_counter(&rows, phu_rows_key("onu", name), 7)->at_ns = i * S;
    }
    assert_int_equal(rows.count, 5000);
    assert_int_equal(rows.counter_count, 5000);
    assert_null(phu_rows_find(&rows, phu_rows_key("pon", "0/1/3")));
    assert_int_equal(phu_rows_find(&rows, phu_rows_key("onu", "0/1/4999"))->handle, 5000);
    assert_int_equal(phu_rows_counter(&rows, phu_rows_key("onu", "0/1/77"), 7)->value, 77);
    phu_rows_forget(&rows, 4000);
    assert_int_equal(rows.count, 1000);
    assert_int_equal(rows.counter_count, 1000);
    assert_null(phu_rows_find(&rows, phu_rows_key("onu", "0/1/3999")));
    assert_int_equal(phu_rows_find(&rows, phu_rows_key("onu", "0/1/4000"))->handle, 4001);
    phu_rows_reset_counters(&rows);
    assert_int_equal(phu_rows_counter(&rows, phu_rows_key("onu", "0/1/4999"), 7)->bits, 0);
    assert_true(sizeof(struct phu_row_memory) <= 32);
    phu_rows_fini(&rows);
}

/* -- Adding up --------------------------------------------------------------------------------- */

static const char olt[] = "name: olt\n"
                          "summary: an OLT\n"
                          "match: [{sys_object_id: 1.3.6.1.4.1.99999}]\n"
                          "tables:\n"
                          "  - name: onus\n"
                          "    tag: onu\n"
                          "    row: '{1}:{2}'\n"
                          "    measurement: optics\n"
                          "    every: fast\n"
                          "    rollup:\n"
                          "      tag: pon\n"
                          "      row: '{1}'\n"
                          "      sums: [{column: state, to: pon.onus}]\n"
                          "    columns:\n"
                          "      - name: state\n"
                          "        oid: 1.3.6.1.4.1.99999.1\n"
                          "        metric: optics.state\n"
                          "        words: {1: online, 2: los, 3: los, '*': unknown}\n";

static uint32_t count_of(const struct phu_rollup *rollup, const struct phu_rollup_row *row,
                         const char *metric)
{
    for (unsigned i = 0; i < rollup->count_count; i++) {
        if (rollup->counts[i].metric == phu_snmp_metric_find(metric))
            return row->counts[i];
    }
    fail_msg("%s is not counted", metric);
    return 0;
}

static void states_are_counted_by_port(void **state)
{
    static const struct {
        const char *port;
        uint64_t state;
    } onus[] = {{"0/1", 1}, {"0/1", 1}, {"0/2", 2}, {"0/1", 3}, {"0/1", 9}, {"0/2", 1}};
    struct phu_diags diags;
    struct phu_profiles *profiles;
    const struct phu_profile_table *table;
    struct phu_rollup rollup;
    struct phu_read reads[PHU_PROFILE_COLUMNS_MAX];

    (void)state;
    phu_diags_init(&diags);
    if (phu_profiles_load_text("olt.yaml", olt, sizeof olt - 1, &diags, &profiles) < 0)
        phu_diags_print(&diags, stderr);
    assert_int_equal(diags.count, 0);
    table = &phu_profiles_find(profiles, "olt")->tables[0];
    phu_rollup_begin(&rollup, table);
    for (size_t i = 0; i < sizeof onus / sizeof *onus; i++) {
        struct phu_cell cell = {.kind = PHU_VARBIND_INTEGER, .number = onus[i].state};

        phu_profile_row_read(table, &cell, reads);
        phu_rollup_add(&rollup, phu_rows_key("pon", onus[i].port), onus[i].port, reads);
    }
    assert_int_equal(rollup.row_count, 2);
    for (size_t i = 0; i < rollup.capacity; i++) {
        const struct phu_rollup_row *row = &rollup.rows[i];
        bool is_first = row->key && strcmp(row->name, "0/1") == 0;

        if (!row->key)
            continue;
        assert_int_equal(count_of(&rollup, row, "pon.onus_total"), is_first ? 4 : 2);
        assert_int_equal(count_of(&rollup, row, "pon.onus_online"), is_first ? 2 : 1);
        assert_int_equal(count_of(&rollup, row, "pon.onus_los"), 1);
        assert_int_equal(count_of(&rollup, row, "pon.onus_unknown"), is_first ? 1 : 0);
    }
    phu_rollup_fini(&rollup);
    phu_profiles_free(profiles);
    phu_diags_fini(&diags);
}

/* -- Whom rows serve --------------------------------------------------------------------------- */

static const struct phu_served served[] = {
    {"bn-1-fibre", "", "0/1/3:5"},
    {"bn-2-fibre", "", "4194312192.9"},
    {"bn-3-fibre", "", "description=Nha van hoa"},
    {"bn-4-fibre", "", "serial=HWTC1234"},
    {"bn-5-fibre", "ge-0/0/7", ""},
    {"bn-6-4g", "", ""},
};

static const char *claim(struct phu_claims *claims, struct phu_claim_row row)
{
    const char **texts[] = {&row.name, &row.index, &row.description, &row.serial};

    for (size_t i = 0; i < 4; i++) {
        if (!*texts[i])
            *texts[i] = "";
    }
    return phu_claims_endpoint(claims, phu_claims_find(claims, &row));
}

static void the_inventory_names_rows(void **state)
{
    struct phu_claims claims;

    (void)state;
    phu_claims_init(&claims, served, sizeof served / sizeof *served);
    assert_true(claims.has_texts);
    assert_string_equal(claim(&claims, (struct phu_claim_row){.name = "0/1/3:5"}), "bn-1-fibre");
    assert_string_equal(
        claim(&claims, (struct phu_claim_row){.name = "0/1/3:9", .index = "4194312192.9"}),
        "bn-2-fibre");
    assert_string_equal(claim(&claims, (struct phu_claim_row){.description = "Nha van hoa"}),
                        "bn-3-fibre");
    assert_string_equal(claim(&claims, (struct phu_claim_row){.serial = "HWTC1234"}), "bn-4-fibre");
    assert_string_equal(claim(&claims, (struct phu_claim_row){.name = "ge-0/0/7"}), "");
    assert_string_equal(
        claim(&claims, (struct phu_claim_row){.is_interface = true, .name = "ge-0/0/7"}),
        "bn-5-fibre");
    assert_string_equal(claim(&claims, (struct phu_claim_row){.serial = "Nha van hoa"}), "");
    assert_string_equal(
        claim(&claims, (struct phu_claim_row){.is_interface = true, .name = "0/1/3:5"}), "");
    assert_int_equal(claims.found_count, 5);
    assert_string_equal(phu_claims_endpoint(&claims, phu_claims_rest(&claims)), "bn-6-4g");
    assert_int_equal(claims.found_count, 6);
    phu_claims_fini(&claims);
}

static void nobody_is_served_without_entries(void **state)
{
    struct phu_claims claims;

    (void)state;
    phu_claims_init(&claims, NULL, 0);
    assert_string_equal(claim(&claims, (struct phu_claim_row){.name = "0/1"}), "");
    assert_int_equal(phu_claims_rest(&claims), 0);
    phu_claims_fini(&claims);
}

static void patterns_make_endpoints(void **state)
{
    struct phu_serves_option options[] = {
        {(char *)"^(bn-[0-9]+) ", (char *)"\\1-fibre"},
        {(char *)"hamlet ([0-9]+)/([a-z]+)", (char *)"\\2:\\1"},
        {(char *)"any (x)?", (char *)"\\1"},
    };
    struct phu_list list = {options, 3};
    struct phu_serves serves;
    struct phu_claims claims;
    uint32_t first;
    char id[PHU_ENDPOINT_ID_SIZE];

    (void)state;
    phu_serves_init(&serves, &list);
    assert_true(phu_serves_match(&serves, "BN-17 nha ong Hai", id));
    assert_string_equal(id, "BN-17-fibre");
    assert_true(phu_serves_match(&serves, "to hamlet 4/vnpt", id));
    assert_string_equal(id, "vnpt:4");
    assert_false(phu_serves_match(&serves, "any", id)); /* the group matched nothing */
    assert_false(phu_serves_match(&serves, "other", id));
    phu_claims_init(&claims, served, 2);
    first = phu_claims_make(&claims, &serves, "bn-17 ONU", 0);
    assert_string_equal(phu_claims_endpoint(&claims, first), "bn-17-fibre");
    assert_int_equal(phu_claims_make(&claims, &serves, "bn-17 again", first), first);
    assert_string_equal(
        phu_claims_endpoint(&claims, phu_claims_make(&claims, &serves, "bn-18 ONU", first)),
        "bn-18-fibre");
    assert_int_equal(claims.made_count, 2);
    phu_claims_fini(&claims);
    phu_serves_fini(&serves);
}

static void mistakes_in_patterns_are_explained(void **state)
{
    static const struct {
        const char *text, *endpoint, *mistake;
    } cases[] = {
        {"", "x", "text is empty"},         {"(", "x", "no POSIX extended expression"},
        {"a", "", "endpoint is empty"},     {"a", "b c", "` ` in endpoint"},
        {"(a)", "\\2", "has only 1 group"}, {"a", "x\\", "must be followed"},
    };
    char why[256];

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct phu_serves_option option = {(char *)cases[i].text, (char *)cases[i].endpoint};
        const char *mistake = phu_serves_mistake(&option, why, sizeof why);

        assert_non_null(mistake);
        assert_non_null(strstr(mistake, cases[i].mistake));
    }
    assert_null(phu_serves_mistake(
        &(struct phu_serves_option){(char *)"^(bn-[0-9]+)", (char *)"\\1-fibre"}, why, sizeof why));
}

/* -- When tables are due ----------------------------------------------------------------------- */

static const struct phu_profile_table slow = {.name = "optics", .lane = PHU_LANE_SLOW},
                                      names = {.name = "names", .lane = PHU_LANE_STATIC},
                                      fast = {.name = "states", .lane = PHU_LANE_FAST},
                                      own = {.name = "own", .every_ns = 300 * S};

static void lanes_have_their_periods(void **state)
{
    struct phu_lanes lanes = {H, 6 * H}, off = {0, 0};

    (void)state;
    assert_int_equal(phu_lane_period(&fast, &lanes), PHU_LANE_EACH_POLL);
    assert_int_equal(phu_lane_period(&slow, &lanes), H);
    assert_int_equal(phu_lane_period(&names, &lanes), 6 * H);
    assert_int_equal(phu_lane_period(&own, &off), 300 * S);
    assert_int_equal(phu_lane_period(&slow, &off), PHU_LANE_OFF);
    assert_int_equal(phu_lane_period(&names, &off), PHU_LANE_OFF);
}

static void devices_do_not_begin_together(void **state)
{
    unsigned bins[60] = {0};
    char id[16];

    (void)state;
    for (unsigned i = 0; i < 6000; i++) {
        int64_t due;

        snprintf(id, sizeof id, "olt-%u/snmp", i);
        due = phu_lane_first(&slow, H, id, 1000 * S, INT64_C(1800000000) * S);
        assert_in_range(due, 1000 * S, 1000 * S + H);
        assert_int_equal(phu_lane_first(&names, 6 * H, id, 1000 * S, 0), 1000 * S);
        bins[(due - 1000 * S) / (60 * S) % 60]++;
    }
    for (unsigned i = 0; i < 60; i++)
        assert_in_range(bins[i], 50, 160);
}

/* Whenever the agent starts, the passes of a device begin in the same minute of the hour. */
static void a_restart_moves_no_pass(void **state)
{
    int64_t wall = INT64_C(1800000000) * S;
    int64_t first = phu_lane_first(&slow, H, "olt-1/snmp", 0, wall);

    (void)state;
    for (int64_t later = 0; later < 3 * H; later += 7 * 60 * S) {
        int64_t due = phu_lane_first(&slow, H, "olt-1/snmp", 0, wall + later);

        assert_int_equal((later + due - first) % H, 0);
    }
}

static void between_two_passes_lies_a_period(void **state)
{
    int64_t due = 100 * S, started = 0, passes = 0;

    (void)state;
    for (int64_t now = 7 * S; now < 10 * H; now += 60 * S) {
        if (!phu_lane_is_due(due, started, H, now))
            continue;
        assert_true(!started || now - started >= H - S);
        due = phu_lane_next(due, H, now);
        started = now;
        passes++;
    }
    assert_int_equal(passes, 10);
    /* One that began late does not let the next one come early. */
    assert_false(phu_lane_is_due(2 * H, 2 * H - 600 * S, H, 2 * H));
    assert_true(phu_lane_is_due(2 * H, 2 * H - 600 * S, H, 3 * H - 600 * S));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_come_whole_and_in_order),
        cmocka_unit_test(memory_of_rows_is_used_again),
        cmocka_unit_test(columns_that_run_apart_cost_a_bounded_number_of_rows),
        cmocka_unit_test(other_kinds_become_texts),
        cmocka_unit_test(rows_are_remembered_and_forgotten),
        cmocka_unit_test(states_are_counted_by_port),
        cmocka_unit_test(the_inventory_names_rows),
        cmocka_unit_test(nobody_is_served_without_entries),
        cmocka_unit_test(patterns_make_endpoints),
        cmocka_unit_test(mistakes_in_patterns_are_explained),
        cmocka_unit_test(lanes_have_their_periods),
        cmocka_unit_test(devices_do_not_begin_together),
        cmocka_unit_test(a_restart_moves_no_pass),
        cmocka_unit_test(between_two_passes_lies_a_period),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
