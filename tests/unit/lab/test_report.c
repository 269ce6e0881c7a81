#include "report.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

static void percentiles_are_nearest_rank(void **state)
{
    uint64_t values[100];

    (void)state;
    for (uint64_t i = 0; i < 100; i++)
        values[i] = i + 1;
    assert_int_equal(lab_percentile(values, 100, 0.5), 50);
    assert_int_equal(lab_percentile(values, 100, 0.95), 95);
    assert_int_equal(lab_percentile(values, 100, 0.99), 99);
    assert_int_equal(lab_percentile(values, 100, 0), 1);
    assert_int_equal(lab_percentile(values, 100, 1), 100);
    assert_int_equal(lab_percentile(values, 1, 0.99), 1);
    assert_int_equal(lab_percentile(values, 0, 0.5), 0);
}

static struct lab_record record(uint8_t last, enum lab_fate fate, uint64_t to_ns)
{
    const uint8_t addr[4] = {10, 27, 3, last};

    return (struct lab_record){
        .addr = lab_addr_from_v4(addr), .fate = (uint8_t)fate, .to_ns = to_ns, .from_ns = 1000};
}

static char *summary(struct lab_record *records, size_t count, bool is_json)
{
    char *text = NULL;
    size_t length;
    FILE *out = open_memstream(&text, &length);

    assert_int_equal(lab_report_summary(records, count, is_json, out), 0);
    fclose(out);
    return text;
}

static void records_are_summed_by_address(void **state)
{
    struct lab_record records[] = {
        record(2, LAB_FATE_ANSWERED, 3000),     record(1, LAB_FATE_ANSWERED, 1000),
        record(2, LAB_FATE_LOST_REQUEST, 0),    record(2, LAB_FATE_ANSWERED, 5000),
        record(2, LAB_FATE_LOST_REPLY, 700000),
    };
    char *text = summary(records, 5, true);

    (void)state;
    assert_string_equal(
        text,
        "[\n"
        "{\"address\": \"10.27.3.1\", \"sent\": 1, \"answered\": 1, \"lost_request\": 0, "
        "\"lost_reply\": 0, \"unanswered\": 0, \"open\": 0, \"applied_sum_ns\": 2000, "
        "\"applied_ns\": {\"min\": 2000, \"p50\": 2000, \"p95\": 2000, \"p99\": 2000, \"max\": "
        "2000}},\n"
        "{\"address\": \"10.27.3.2\", \"sent\": 4, \"answered\": 2, \"lost_request\": 1, "
        "\"lost_reply\": 1, \"unanswered\": 0, \"open\": 0, \"applied_sum_ns\": 10000, "
        "\"applied_ns\": {\"min\": 4000, \"p50\": 4000, \"p95\": 6000, \"p99\": 6000, \"max\": "
        "6000}}\n"
        "]\n");
    free(text);
}

static void nothing_is_an_empty_list(void **state)
{
    char *text = summary(NULL, 0, true);

    (void)state;
    assert_string_equal(text, "[\n]\n");
    free(text);
}

static void lateness_comes_from_the_histogram(void **state)
{
    struct lab_totals totals = {.released = 100};

    (void)state;
    totals.lateness_us[0] = 60;
    totals.lateness_us[7] = 39;
    totals.lateness_us[LAB_LATENESS_US] = 1;
    assert_int_equal(lab_board_lateness(&totals, 0.5), 0);
    assert_int_equal(lab_board_lateness(&totals, 0.9), 7);
    assert_int_equal(lab_board_lateness(&totals, 0.995), LAB_LATENESS_US);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(percentiles_are_nearest_rank),
        cmocka_unit_test(records_are_summed_by_address),
        cmocka_unit_test(nothing_is_an_empty_list),
        cmocka_unit_test(lateness_comes_from_the_histogram),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
