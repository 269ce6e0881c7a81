#include "parse_line.h"
#include "phusong/point.h"

#include <errno.h>
#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static char buffer[4096];

static void assert_line(struct phu_line *line, const char *expected)
{
    ssize_t length = phu_line_end(line, (struct phu_wall){1700000000000000000});

    assert_int_equal(length, strlen(expected));
    assert_memory_equal(buffer, expected, (size_t)length);
}

static void a_whole_line_reads_as_expected(void **state)
{
    struct phu_line line;

    (void)state;
    phu_line_begin(&line, buffer, sizeof buffer, "coverage");
    phu_line_tag(&line, "hamlet", "bn-0412");
    phu_line_tag(&line, "operator", "");
    phu_line_ready(&line, ",technology=4g", 14);
    phu_line_int_literal(&line, "sent", 6);
    phu_line_float(&line, "rsrp", -97.5);
    phu_line_bool(&line, "roaming", false);
    phu_line_string(&line, "cell", "a \"b\" \\c");
    phu_line_bucket(&line, "rtt_b", 93, 4);
    assert_line(&line, "coverage,hamlet=bn-0412,technology=4g sent=6i,rsrp=-97.5,roaming=false,"
                       "cell=\"a \\\"b\\\" \\\\c\",rtt_b93=4i 1700000000000000000\n");
}

static void a_key_is_made_once_and_used_often(void **state)
{
    struct phu_line line;
    char key[64];
    ssize_t length;

    (void)state;
    phu_line_begin(&line, key, sizeof key, "m");
    phu_line_tag(&line, "a", "x y");
    length = phu_line_key(&line);
    assert_int_equal(length, 8);
    phu_line_begin_key(&line, buffer, sizeof buffer, key, (size_t)length);
    phu_line_int(&line, "n", -1);
    assert_line(&line, "m,a=x\\ y n=-1i 1700000000000000000\n");
}

static void tags_are_escaped_so_that_all_stores_agree(void **state)
{
    static const struct {
        const char *value, *written;
    } cases[] = {
        {"a,b", "a\\,b"},
        {"a b", "a\\ b"},
        {"a=b", "a\\=b"},
        {"a\"b", "a\"b"},
        {"a\\b", "a\\b"},
        {"a\\", "a/"},
        {"a\\\\b", "a/\\b"},
        {"a\\,b", "a/\\,b"},
        {"a\\ b", "a/\\ b"},
        {"line\nend", "line_end"},
        {"\r\t\x7f", "___"},
        {"Xã Phù Lưu", "Xã\\ Phù\\ Lưu"},
        {"\xff", "?"},
        {"\xc3", "?"},
        {"\xed\xa0\x80", "???"},
        {"\xc0\xaf", "??"},
        {"\xf0\x9f\x93\xb6", "\xf0\x9f\x93\xb6"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct phu_line line;
        char expected[256];

        phu_line_begin(&line, buffer, sizeof buffer, "m");
        phu_line_tag(&line, "t", cases[i].value);
        phu_line_int(&line, "n", 1);
        snprintf(expected, sizeof expected, "m,t=%s n=1i 1700000000000000000\n", cases[i].written);
        assert_line(&line, expected);
    }
}

static void integers_at_their_limits(void **state)
{
    static const int64_t values[] = {0,  1,   -1,   9,        10,        99,        100,
                                     -5, 101, 4096, 99999999, 100000000, INT64_MAX, INT64_MIN};

    (void)state;
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        struct phu_line line;
        char expected[128];

        phu_line_begin(&line, buffer, sizeof buffer, "m");
        phu_line_int(&line, "n", values[i]);
        snprintf(expected, sizeof expected, "m n=%lldi 1700000000000000000\n",
                 (long long)values[i]);
        assert_line(&line, expected);
    }
}

static double float_after_a_round_trip(double value, char *text, size_t size)
{
    struct parsed_line parsed;
    struct phu_line line;
    ssize_t length;
    double back;

    phu_line_begin(&line, buffer, sizeof buffer, "m");
    phu_line_float(&line, "f", value);
    length = phu_line_end(&line, (struct phu_wall){1});
    assert_true(length > 0);
    assert_null(parse_line(buffer, (size_t)length, &parsed));
    assert_int_equal(parsed.fields[0].type, PARSED_FLOAT);
    back = parsed.fields[0].f;
    snprintf(text, size, "%.*s", (int)(length - 7), buffer + 4);
    parsed_line_free(&parsed);
    return back;
}

static void floats_read_back_as_the_same_number(void **state)
{
    static const double values[] = {0.0,     -0.0,   1,      -97.5,   0.1,     1e15,
                                    1e22,    1e300,  5e-324, DBL_MAX, DBL_MIN, 1e-7,
                                    123.456, 1 / 3., 2e9,    1e16,    9007e12, 0.1 + 0.2};
    char text[64];
    uint64_t seed = 1;

    (void)state;
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        double back = float_after_a_round_trip(values[i], text, sizeof text);

        assert_memory_equal(&back, &values[i], sizeof back);
    }
    for (int i = 0; i < 20000; i++) {
        double value, back;

        seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        if (i % 2)
            value = (double)(int64_t)(seed >> 40) / 1000;
        else
            memcpy(&value, &seed, sizeof value);
        if (!isfinite(value))
            continue;
        back = float_after_a_round_trip(value, text, sizeof text);
        assert_memory_equal(&back, &value, sizeof back);
    }
}

static void short_decimals_stay_short(void **state)
{
    char text[64];

    (void)state;
    float_after_a_round_trip(-97.5, text, sizeof text);
    assert_string_equal(text, "-97.5");
    float_after_a_round_trip(3, text, sizeof text);
    assert_string_equal(text, "3.0");
    float_after_a_round_trip(-0.000001, text, sizeof text);
    assert_string_equal(text, "-0.000001");
    float_after_a_round_trip(0.1, text, sizeof text);
    assert_string_equal(text, "0.1");
}

static void what_is_no_number_is_left_out(void **state)
{
    struct phu_line line;

    (void)state;
    phu_line_begin(&line, buffer, sizeof buffer, "m");
    phu_line_float(&line, "a", NAN);
    phu_line_float(&line, "b", INFINITY);
    phu_line_float(&line, "c", -INFINITY);
    assert_int_equal(phu_line_end(&line, (struct phu_wall){1}), -ENODATA);
    phu_line_begin(&line, buffer, sizeof buffer, "m");
    phu_line_float(&line, "a", NAN);
    phu_line_int(&line, "b", 1);
    assert_line(&line, "m b=1i 1700000000000000000\n");
}

static ssize_t write_into(char *place, size_t size)
{
    struct phu_line line;

    phu_line_begin(&line, place, size, "coverage");
    phu_line_tag(&line, "ha mlet", "bn=0412");
    phu_line_int(&line, "sent", -60);
    phu_line_float(&line, "x", 1.0 / 3);
    phu_line_string(&line, "s", "a\"b");
    phu_line_bool(&line, "b", true);
    phu_line_bucket(&line, "rtt_b", 93, 4);
    return phu_line_end(&line, (struct phu_wall){1700000000000000000});
}

static void every_buffer_that_is_too_small_is_noticed(void **state)
{
    ssize_t full = write_into(buffer, sizeof buffer);

    (void)state;
    assert_true(full > 0);
    for (size_t size = 0; size <= (size_t)full; size++) {
        char *exact = malloc(size + 1); /* an overrun of `size` is not one of the block: */
        ssize_t length;

        exact[size] = '~';
        length = write_into(exact, size);
        assert_int_equal(exact[size], '~');
        assert_int_equal(length, size == (size_t)full ? full : -ENOBUFS);
        free(exact);
    }
}

static void the_strict_reader_refuses_what_is_wrong(void **state)
{
    static const char *const bad[] = {
        "",
        "m\n",
        "m a=1i 1",
        "m,t= a=1i 1\n",
        "m,t a=1i 1\n",
        "m,t=a\\ a=1i 1\n",
        "m,t=a,t=b a=1i 1\n",
        "m,t=a\\\\,b a=1i 1\n",
        "m a=1 1\n",
        "m a=NaN 1\n",
        "m a=inf 1\n",
        "m a=1i,a=2i 1\n",
        "m a=1i \n",
        "m a=1i\n",
        "m a=1i  1\n",
        "m a=\"x 1\n",
        "m a=\"x\\n\" 1\n",
        "m a=+1i 1\n",
        "m a=i 1\n",
        "m a=1i 1\n\n",
        "# m a=1i 1\n",
        "m a=99999999999999999999i 1\n",
    };
    static struct parsed_line line;

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        if (!parse_line(bad[i], strlen(bad[i]), &line))
            fail_msg("taken as a line: %s", bad[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_whole_line_reads_as_expected),
        cmocka_unit_test(a_key_is_made_once_and_used_often),
        cmocka_unit_test(tags_are_escaped_so_that_all_stores_agree),
        cmocka_unit_test(integers_at_their_limits),
        cmocka_unit_test(floats_read_back_as_the_same_number),
        cmocka_unit_test(short_decimals_stay_short),
        cmocka_unit_test(what_is_no_number_is_left_out),
        cmocka_unit_test(every_buffer_that_is_too_small_is_noticed),
        cmocka_unit_test(the_strict_reader_refuses_what_is_wrong),
    };

    return cmocka_run_group_tests_name("line", tests, NULL, NULL);
}
