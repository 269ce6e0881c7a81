#include "statement.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "scenario.h"

/* Parses a line of words; on failure the text of the error stands in `err`. */
static int parse(const char *line, struct lab_statement *statement, struct lab_error *err)
{
    char copy[LAB_LINE_MAX];
    char *words[LAB_WORDS_MAX + 1];
    int count;

    snprintf(copy, sizeof(copy), "%s", line);
    assert_int_equal(lab_words_split(copy, words, &count, err), 0);
    return lab_statement_parse(words, count, statement, err);
}

static void good_statements_print_back(void **state)
{
    static const char *const lines[] = {
        "down 10.27.3.0/24",
        "down 10.27.3.0/24 --dir to",
        "delay 10.27.0.0/16 20ms --jitter 5ms --distribution normal",
        "delay fd27::/48 20ms --jitter 0 --distribution uniform --keep-order --dir from",
        "loss 10.27.3.0/24 2%",
        "loss 10.27.3.0/24 2.5% --burst 4 --dir to",
        "rate 10.27.3.0/24 1000000B --limit 65536B",
        "duplicate 10.27.3.0/24 1%",
        "corrupt 10.27.3.0/24 1% --fix-checksum",
        "clear 10.27.3.0/24",
        "clear 10.27.3.0/24 loss",
        "clear 10.27.3.0/24 down delay --dir from",
        "clear all",
        "down pick:10.27.0.0/16:24",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++) {
        struct lab_statement statement;
        struct lab_error err = {"?"};
        char text[LAB_LINE_MAX];

        if (parse(lines[i], &statement, &err) < 0)
            fail_msg("%s: %s", lines[i], err.text);
        assert_string_equal(lab_statement_format(&statement, text, sizeof(text)), lines[i]);
    }
}

static void values_are_read(void **state)
{
    struct lab_statement statement;
    struct lab_error err;

    (void)state;
    parse("delay 10.27.0.0/16 20ms --jitter 5ms --distribution normal --dir to", &statement, &err);
    assert_int_equal(statement.setting.delay_ns, 20000000);
    assert_int_equal(statement.setting.jitter_ns, 5000000);
    assert_true(statement.setting.is_normal);
    assert_int_equal(statement.dirs, 1 << LAB_TO);
    parse("rate 10.27.3.0/24 8Mbit", &statement, &err);
    assert_float_equal(statement.setting.rate, 1e6, 1e-9);
    assert_true(statement.setting.limit > 0);
    parse("up 10.27.3.0/24", &statement, &err);
    assert_true(statement.is_clear);
    assert_int_equal(statement.attrs, 1 << LAB_ATTR_DOWN);
}

static void bad_statements_say_why(void **state)
{
    static const struct {
        const char *line;
        const char *why;
    } cases[] = {
        {"", "is no verb"},
        {"downn 10.27.3.0/24", "is no verb"},
        {"down", "needs a prefix"},
        {"down 10.27.3.1/24", "did you mean 10.27.3.0/24"},
        {"down 10.27.3.0/24 20ms", "\"20ms\" does not belong here"},
        {"down 10.27.3.0/24 --dir sideways", "--dir takes"},
        {"down 10.27.3.0/24 --dir", "--dir needs a value"},
        {"delay 10.27.3.0/24", "needs a value"},
        {"delay 10.27.3.0/24 20", "is no duration"},
        {"delay 10.27.3.0/24 20ms --jitter 30ms", "larger than the delay"},
        {"delay 10.27.3.0/24 20ms --burst 3", "does not belong"},
        {"delay 10.27.3.0/24 20ms --distribution pareto", "uniform or normal"},
        {"loss 10.27.3.0/24 2", "is no share"},
        {"loss 10.27.3.0/24 90% --burst 2", "longer --burst"},
        {"loss 10.27.3.0/24 2% --burst 0", "1 or more"},
        {"rate 10.27.3.0/24 0B", "use `down`"},
        {"clear 10.27.3.0/24 up", "nothing to clear"},
        {"clear 10.27.3.0/24 --jitter 1ms", "does not belong"},
        {"down pick:10.27.0.0/16:8", "does not fit"},
        {"down pick:10.27.0.0/16:33", "does not fit"},
        {"down pick:10.27.0.0:24", "write pick:"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct lab_statement statement;
        struct lab_error err = {""};

        assert_true(parse(cases[i].line, &statement, &err) < 0);
        if (!strstr(err.text, cases[i].why))
            fail_msg("\"%s\" gave \"%s\", not \"%s\"", cases[i].line, err.text, cases[i].why);
    }
}

static void picks_stay_within_their_prefix(void **state)
{
    struct lab_statement statement;
    struct lab_error err;
    unsigned seen[256] = {0};
    unsigned distinct = 0;

    (void)state;
    parse("down pick:10.27.0.0/16:24", &statement, &err);
    for (uint64_t random = 0; random < 4096; random++) {
        struct lab_prefix prefix =
            lab_target_resolve(&statement.target, random * 0x9e3779b97f4a7c15u);

        assert_int_equal(lab_prefix_written_length(&prefix), 24);
        assert_true(lab_prefix_covers(&statement.target.prefix, &prefix.addr));
        assert_int_equal(prefix.addr.b[15], 0);
        distinct += seen[prefix.addr.b[14]]++ == 0;
    }
    assert_int_equal(distinct, 256);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_statements_print_back),
        cmocka_unit_test(values_are_read),
        cmocka_unit_test(bad_statements_say_why),
        cmocka_unit_test(picks_stay_within_their_prefix),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
