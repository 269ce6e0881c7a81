/* Windows: whatever is put in, in whatever order, comes out as if it had been added up plainly; and
 * what an interface takes stays small. */
#include "window.h"

#include <malloc.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct phu_metric metrics[] = {
    {"one", "polls", "1", PHU_METRIC_COUNT, PHU_METRIC_INT, ""},
    {"two", "seconds", "s", PHU_METRIC_COUNT, PHU_METRIC_FLOAT, ""},
    {"one", "speed_bps", "bit/s", PHU_METRIC_SPREAD, PHU_METRIC_INT, ""},
    {"two", "level_dbm", "dBm", PHU_METRIC_SPREAD, PHU_METRIC_FLOAT, ""},
    {"one", "wait_us", "us", PHU_METRIC_SKETCH, PHU_METRIC_INT, ""},
    {"two", "share", "1", PHU_METRIC_SKETCH, PHU_METRIC_FLOAT, ""},
    {"two", "cell", "", PHU_METRIC_LATEST, PHU_METRIC_TEXT, ""},
    {"three", "late", "1", PHU_METRIC_COUNT, PHU_METRIC_INT, ""},
};
#define METRICS (sizeof metrics / sizeof *metrics)

static struct phu_window_plan *new_plan(void)
{
    return phu_window_plan_new("one", metrics, METRICS, -1);
}

static const char *fields(const struct phu_window_plan *plan, const struct phu_window *window,
                          const char *measurement, char *text, size_t size)
{
    struct phu_line line;
    ssize_t length;

    phu_line_begin(&line, text, size, "x");
    phu_window_write(plan, window, (size_t)phu_window_group(plan, measurement), &line);
    length = phu_line_end(&line, (struct phu_wall){1});
    if (length < 0)
        return "";
    text[length - 3] = '\0'; /* " 1\n" */
    return text + 2;
}

static void put_int(const struct phu_window_plan *plan, struct phu_window **window, uint32_t metric,
                    int64_t value)
{
    struct phu_value values = {.metric = metric, .i = value};

    assert_int_equal(phu_window_put(plan, window, &values, 1, -1), 0);
}

static void put_float(const struct phu_window_plan *plan, struct phu_window **window,
                      uint32_t metric, double value)
{
    struct phu_value values = {.metric = metric, .f = value};

    assert_int_equal(phu_window_put(plan, window, &values, 1, -1), 0);
}

static void put_text(const struct phu_window_plan *plan, struct phu_window **window,
                     const char *value)
{
    struct phu_value values = {.metric = 6, .text = value};

    assert_int_equal(phu_window_put(plan, window, &values, 1, -1), 0);
}

static void every_kind_adds_up(void **state)
{
    struct phu_window_plan *plan = new_plan();
    struct phu_window *window = NULL;
    char text[512];

    (void)state;
    assert_int_equal(phu_window_next_group(plan, window, -1), -1);
    assert_string_equal(fields(plan, window, "one", text, sizeof text), "");
    put_int(plan, &window, 0, 2);
    put_int(plan, &window, 0, 3);
    put_int(plan, &window, 2, 100);
    put_int(plan, &window, 2, 100);
    assert_string_equal(fields(plan, window, "one", text, sizeof text),
                        "polls=5i,speed_sum_bps=200i,speed_count=2i,speed_min_bps=100i,"
                        "speed_max_bps=100i");
    put_int(plan, &window, 2, -7);
    assert_string_equal(fields(plan, window, "one", text, sizeof text),
                        "polls=5i,speed_sum_bps=193i,speed_count=3i,speed_min_bps=-7i,"
                        "speed_max_bps=100i");
    put_float(plan, &window, 3, -97.5);
    put_float(plan, &window, 3, -98.25);
    put_float(plan, &window, 1, 0.5);
    put_text(plan, &window, "452-04-1");
    put_text(plan, &window, "452-04-2");
    assert_string_equal(fields(plan, window, "two", text, sizeof text),
                        "seconds=0.5,level_sum_dbm=-195.75,level_count=2i,level_min_dbm=-98.25,"
                        "level_max_dbm=-97.5,cell=\"452-04-2\"");
    put_int(plan, &window, 4, 1);
    put_int(plan, &window, 4, 1);
    assert_non_null(strstr(fields(plan, window, "one", text, sizeof text),
                           "wait_sum_us=2i,wait_count=2i,wait_min_us=1i,wait_max_us=1i,"
                           "wait_b0=2i"));
    assert_int_equal(phu_window_next_group(plan, window, -1), 0);
    assert_int_equal(phu_window_next_group(plan, window, 0), 1);
    assert_int_equal(phu_window_next_group(plan, window, 1), -1);
    phu_window_free(plan, &window);
    phu_window_plan_free(plan);
}

static void what_cannot_be_is_refused(void **state)
{
    struct phu_window_plan *plan = new_plan();
    struct phu_window *window = NULL;
    struct phu_value values[] = {{.metric = 0, .i = 1},           {.metric = 99, .i = 1},
                                 {.metric = 3, .f = (double)NAN}, {.metric = 1, .f = (double)NAN},
                                 {.metric = 2, .i = 5},           {.metric = 7, .i = 1}};
    char text[512];

    (void)state;
    assert_int_equal(phu_window_put(plan, &window, values, 6, 7), 3);
    assert_string_equal(fields(plan, window, "one", text, sizeof text),
                        "polls=1i,speed_sum_bps=5i,speed_count=1i,speed_min_bps=5i,"
                        "speed_max_bps=5i");
    assert_string_equal(fields(plan, window, "two", text, sizeof text), "");
    assert_string_equal(fields(plan, window, "three", text, sizeof text), "");
    phu_window_free(plan, &window);
    phu_window_plan_free(plan);
}

static void extremes_survive(void **state)
{
    struct phu_window_plan *plan = new_plan();
    struct phu_window *window = NULL;
    char text[512], expected[512];

    (void)state;
    put_int(plan, &window, 2, INT64_MIN);
    put_int(plan, &window, 2, INT64_MAX);
    put_int(plan, &window, 0, INT64_MAX);
    put_float(plan, &window, 3, -0.0);
    put_float(plan, &window, 3, 1e300);
    snprintf(expected, sizeof expected,
             "polls=9223372036854775807i,speed_sum_bps=-1i,speed_count=2i,"
             "speed_min_bps=-9223372036854775808i,speed_max_bps=9223372036854775807i");
    assert_string_equal(fields(plan, window, "one", text, sizeof text), expected);
    assert_non_null(strstr(fields(plan, window, "two", text, sizeof text), "level_count=2i"));
    phu_window_free(plan, &window);
    phu_window_plan_free(plan);
}

static void long_texts_are_cut_at_a_character(void **state)
{
    struct phu_window_plan *plan = new_plan();
    struct phu_window *window = NULL;
    char name[80], text[512];

    (void)state;
    memset(name, 'a', sizeof name);
    memcpy(name + 62, "ệ", 4); /* three bytes, of which one would fit */
    put_text(plan, &window, name);
    assert_int_equal(strlen(fields(plan, window, "two", text, sizeof text)),
                     strlen("cell=\"\"") + 62);
    phu_window_free(plan, &window);
    phu_window_plan_free(plan);
}

static void a_window_begins_empty_and_leaves(void **state)
{
    struct phu_window_plan *plan = new_plan();
    struct phu_window *window = NULL;
    char text[512];

    (void)state;
    for (int i = 0; i < 40; i++)
        put_int(plan, &window, 4, 1 << i % 30); /* many buckets: on the heap */
    phu_window_reset(plan, &window);
    assert_non_null(window);
    assert_true(phu_window_is_empty(window));
    assert_string_equal(fields(plan, window, "one", text, sizeof text), "");
    put_int(plan, &window, 4, 1);
    assert_non_null(strstr(fields(plan, window, "one", text, sizeof text), "wait_count=1i"));
    phu_window_reset(plan, &window);
    phu_window_reset(plan, &window);
    assert_null(window);
    phu_window_plan_free(plan);
}

/* -- Beside plain sums ------------------------------------------------------------------------ */

struct plain {
    int64_t polls, late, speed_sum, speed_min, speed_max, speed_count;
    double level_sum, level_min, level_max;
    int64_t level_count;
    struct phu_sketch sketch;
    int64_t wait_sum, wait_count;
};

static uint32_t chance(uint32_t *seed)
{
    *seed = *seed * 1664525u + 1013904223u;
    return *seed >> 8;
}

static void add_plain(struct plain *plain, const struct phu_value *value)
{
    switch (value->metric) {
    case 0:
        plain->polls += value->i;
        break;
    case 7:
        plain->late += value->i;
        break;
    case 2:
        plain->speed_min =
            plain->speed_count && plain->speed_min < value->i ? plain->speed_min : value->i;
        plain->speed_max =
            plain->speed_count && plain->speed_max > value->i ? plain->speed_max : value->i;
        plain->speed_sum += value->i;
        plain->speed_count++;
        break;
    case 3:
        plain->level_min = plain->level_count ? fmin(plain->level_min, value->f) : value->f;
        plain->level_max = plain->level_count ? fmax(plain->level_max, value->f) : value->f;
        plain->level_sum += value->f;
        plain->level_count++;
        break;
    case 4:
        phu_sketch_add_int(&plain->sketch, value->i);
        plain->wait_sum += value->i;
        plain->wait_count++;
        break;
    default:
        fail();
    }
}

static struct phu_value random_value(uint32_t *seed)
{
    static const uint32_t kinds[] = {0, 2, 3, 4, 7};
    struct phu_value value = {.metric = kinds[chance(seed) % 5]};

    if (value.metric == 3)
        value.f = -(double)(chance(seed) % 400) / 4;
    else if (value.metric == 2)
        value.i = chance(seed) % 3 ? 1000000000 : (int64_t)chance(seed) - 100000;
    else
        value.i = (int64_t)chance(seed) >> chance(seed) % 24;
    return value;
}

static void check_field(const char *text, const char *name, int64_t value)
{
    char expected[64], around[2048];

    snprintf(expected, sizeof expected, ",%s=%lldi,", name, (long long)value);
    snprintf(around, sizeof around, ",%s,", text);
    if (value && !strstr(around, expected))
        fail_msg("no %s in %s", expected, text);
}

static void compare(const struct phu_window_plan *plan, const struct phu_window *window,
                    const struct plain *plain)
{
    char text[2048], name[32];
    size_t place = 0;
    int64_t count;
    int index;

    fields(plan, window, "one", text, sizeof text);
    memmove(text, text + 2, strlen(text + 2) + 1);
    check_field(text, "polls", plain->polls);
    check_field(text, "speed_sum_bps", plain->speed_sum);
    check_field(text, "speed_count", plain->speed_count);
    check_field(text, "speed_min_bps", plain->speed_min);
    check_field(text, "speed_max_bps", plain->speed_max);
    check_field(text, "wait_sum_us", plain->wait_sum);
    check_field(text, "wait_count", plain->wait_count);
    while (phu_sketch_next(&plain->sketch, &place, &index, &count)) {
        snprintf(name, sizeof name, "wait_b%d", index);
        check_field(text, name, count);
    }
    check_field(fields(plan, window, "three", text, sizeof text), "late", plain->late);
    fields(plan, window, "two", text, sizeof text);
    if (plain->level_count) {
        const char *sum = strstr(text, "level_sum_dbm=");

        assert_non_null(sum);
        assert_true(fabs(strtod(sum + 14, NULL) - plain->level_sum) < 1e-9);
        assert_true(strtod(strstr(text, "level_min_dbm=") + 14, NULL) == plain->level_min);
        assert_true(strtod(strstr(text, "level_max_dbm=") + 14, NULL) == plain->level_max);
    }
}

static void any_order_adds_up(void **state)
{
    struct phu_window_plan *plan = new_plan();
    uint32_t seed = 1;

    (void)state;
    for (int round = 0; round < 300; round++) {
        struct phu_window *window = NULL;
        struct plain plain = {0};

        for (uint32_t puts = chance(&seed) % 12 + 1; puts > 0; puts--) {
            struct phu_value values[8];
            size_t count = chance(&seed) % 8 + 1;

            for (size_t i = 0; i < count; i++) {
                values[i] = random_value(&seed);
                add_plain(&plain, &values[i]);
            }
            assert_int_equal(phu_window_put(plan, &window, values, count, -1), 0);
        }
        compare(plan, window, &plain);
        phu_sketch_fini(&plain.sketch);
        phu_window_free(plan, &window);
    }
    phu_window_plan_free(plan);
}

/* A poll of an interface: eight counters, what they cover, states and speed. */
static void an_interface_is_small(void **state)
{
    static const char *const names[] = {"a", "b", "c", "d", "e", "f", "g",
                                        "h", "i", "j", "k", "l", "m"};
    static const int64_t amounts[] = {61234567, 7654321, 51234, 8765, 0, 0,         0,
                                      3,        60003,   1,     1,    1, 1000000000};
    struct phu_metric own[13];
    struct phu_value values[13];
    struct phu_window_plan *plan;
    struct phu_window *window = NULL;

    (void)state;
    for (uint32_t i = 0; i < 13; i++) {
        own[i] =
            (struct phu_metric){"interface", names[i], "1", PHU_METRIC_COUNT, PHU_METRIC_INT, ""};
        values[i] = (struct phu_value){.metric = i, .i = amounts[i]};
    }
    own[12].kind = PHU_METRIC_SPREAD;
    plan = phu_window_plan_new("interface", own, 13, -1);
    phu_window_put(plan, &window, values, 13, -1);
    assert_true(malloc_usable_size(window) <= 56);
    phu_window_free(plan, &window);
    phu_window_plan_free(plan);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_adds_up),
        cmocka_unit_test(what_cannot_be_is_refused),
        cmocka_unit_test(extremes_survive),
        cmocka_unit_test(long_texts_are_cut_at_a_character),
        cmocka_unit_test(a_window_begins_empty_and_leaves),
        cmocka_unit_test(any_order_adds_up),
        cmocka_unit_test(an_interface_is_small),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
