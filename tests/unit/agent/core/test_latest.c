/* Metrics of kind LATEST: what a window does with texts. */
#include "window.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { OPERATOR, BAND, RSRP, POLLS };

static const struct phu_metric metrics[] = {
    [OPERATOR] = {"signal", "operator", "", PHU_METRIC_LATEST, PHU_METRIC_TEXT, "operator"},
    [BAND] = {"signal", "band", "", PHU_METRIC_LATEST, PHU_METRIC_TEXT, "band"},
    [RSRP] = {"signal", "rsrp_dbm", "dBm", PHU_METRIC_SPREAD, PHU_METRIC_FLOAT, "power"},
    [POLLS] = {"signal", "polls", "1", PHU_METRIC_COUNT, PHU_METRIC_INT, "polls"},
};

struct bench {
    struct phu_window_plan *plan;
    struct phu_window *window;
    char line[1024];
};

static int open_bench(void **state)
{
    static struct bench bench;

    bench = (struct bench){.plan = phu_window_plan_new("snmp", metrics, 4, -1)};
    *state = &bench;
    return 0;
}

static int close_bench(void **state)
{
    struct bench *bench = *state;

    phu_window_free(bench->plan, &bench->window);
    phu_window_plan_free(bench->plan);
    return 0;
}

static void put(struct bench *bench, const struct phu_value *values, size_t count)
{
    assert_int_equal(phu_window_put(bench->plan, &bench->window, values, count, -1), 0);
}

static void say(struct bench *bench, uint32_t metric, const char *text)
{
    put(bench, &(struct phu_value){.metric = metric, .text = text}, 1);
}

/* The fields of the group `signal`; "" when there are none. */
static const char *fields(struct bench *bench)
{
    struct phu_line line;
    ssize_t length;
    char *space;

    phu_line_begin(&line, bench->line, sizeof bench->line, "signal");
    phu_window_write(bench->plan, bench->window, 1, &line);
    length = phu_line_end(&line, (struct phu_wall){1});
    if (length <= 0)
        return "";
    bench->line[length] = '\0';
    space = strrchr(bench->line, ' ');
    *space = '\0';
    return strchr(bench->line, ' ') + 1;
}

static void the_latest_text_holds(void **state)
{
    struct bench *bench = *state;

    say(bench, OPERATOR, "Viettel");
    say(bench, BAND, "B3");
    say(bench, OPERATOR, "VNPT");
    assert_string_equal(fields(bench), "operator=\"VNPT\",band=\"B3\"");
    phu_window_reset(bench->plan, &bench->window);
    assert_string_equal(fields(bench), ""); /* nothing was said in this window */
    say(bench, BAND, "B1");
    assert_string_equal(fields(bench), "band=\"B1\"");
}

static void a_shorter_text_leaves_nothing_of_a_longer_one(void **state)
{
    struct bench *bench = *state;

    say(bench, OPERATOR, "a rather long name");
    say(bench, OPERATOR, "b");
    assert_string_equal(fields(bench), "operator=\"b\"");
    say(bench, OPERATOR, ""); /* nothing is known any more */
    assert_string_equal(fields(bench), "");
}

static void it_stands_beside_numbers(void **state)
{
    struct bench *bench = *state;

    put(bench,
        (struct phu_value[]){{.metric = BAND, .text = "LTE B20"},
                             {.metric = RSRP, .f = -97.5},
                             {.metric = POLLS, .i = 1}},
        3);
    assert_string_equal(fields(bench),
                        "band=\"LTE B20\",rsrp_sum_dbm=-97.5,rsrp_count=1i,rsrp_min_dbm=-97.5,"
                        "rsrp_max_dbm=-97.5,polls=1i");
}

static void what_means_something_in_a_line_is_escaped(void **state)
{
    struct bench *bench = *state;

    say(bench, OPERATOR, "a \"b\", c=d\\");
    assert_string_equal(fields(bench), "operator=\"a \\\"b\\\", c=d\\\\\"");
    say(bench, OPERATOR, "two\nlines\r\x01");
    assert_null(strpbrk(fields(bench), "\n\r\x01"));
    say(bench, OPERATOR, "Vi\xe1\xbb\x87t \xff");
    assert_string_equal(fields(bench), "operator=\"Vi\xe1\xbb\x87t ?\"");
}

static void a_long_text_is_cut_between_characters(void **state)
{
    struct bench *bench = *state;
    char text[256] = "", expected[256];

    for (int i = 0; i < 40; i++)
        strcat(text, "\xe1\xbb\x87"); /* three bytes each: 63 are 21 of them */
    say(bench, OPERATOR, text);
    snprintf(expected, sizeof expected, "operator=\"%.63s\"", text);
    assert_string_equal(fields(bench), expected);
    memmove(text + 1, text, strlen(text) + 1);
    text[0] = 'x';
    say(bench, OPERATOR, text);
    snprintf(expected, sizeof expected, "operator=\"%.61s\"", text);
    assert_string_equal(fields(bench), expected);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_latest_text_holds, open_bench, close_bench),
        cmocka_unit_test_setup_teardown(a_shorter_text_leaves_nothing_of_a_longer_one, open_bench,
                                        close_bench),
        cmocka_unit_test_setup_teardown(it_stands_beside_numbers, open_bench, close_bench),
        cmocka_unit_test_setup_teardown(what_means_something_in_a_line_is_escaped, open_bench,
                                        close_bench),
        cmocka_unit_test_setup_teardown(a_long_text_is_cut_between_characters, open_bench,
                                        close_bench),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
