/* Telling rules to the lab in its own words. */
#pragma once

#include "scenario.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>

static inline void test_say_for(struct lab_rules *rules, uint64_t owner, const char *line)
{
    char copy[LAB_LINE_MAX];
    char *words[LAB_WORDS_MAX + 1];
    struct lab_statement statement;
    struct lab_error err = {"?"};
    int count;

    snprintf(copy, sizeof(copy), "%s", line);
    if (lab_words_split(copy, words, &count, &err) < 0 ||
        lab_statement_parse(words, count, &statement, &err) < 0)
        fail_msg("%s: %s", line, err.text);
    assert_int_equal(lab_rules_apply(rules, &statement, &statement.target.prefix, owner), 0);
}

static inline void test_say(struct lab_rules *rules, const char *line)
{
    test_say_for(rules, 0, line);
}

static inline struct lab_prefix test_prefix(const char *text)
{
    struct lab_prefix prefix;
    struct lab_error err;

    if (lab_prefix_parse(text, &prefix, &err) < 0)
        fail_msg("%s", err.text);
    return prefix;
}
