/* Samples from line protocol, and rules from a text, for tests of rules. */
#pragma once

#include "ingest/lines.h"
#include "rules/rules.h"

#include "phusong/err.h"

/* cmocka.h needs these four before it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SECOND INT64_C(1000000000)
#define MINUTE (60 * SECOND)
#define START (INT64_C(1790000000) * SECOND)

static inline struct phu_rules *rules_of(const char *text)
{
    struct phu_rules *rules = NULL;
    struct phu_diags diags;

    phu_diags_init(&diags);
    phu_rules_parse("test.yaml", text, strlen(text), &diags, &rules);
    phu_diags_print(&diags, stderr);
    assert_int_equal(diags.count, 0);
    phu_diags_fini(&diags);
    return rules;
}

/* Lines without timestamps; returns whether one of them is urgent. */
static inline bool feed(struct phu_rules_engine *engine, int64_t at_ns, const char *text)
{
    struct phu_lines *lines = phu_lines_new();
    struct phu_sample sample;
    bool is_urgent = false;

    phu_lines_begin(lines, text, strlen(text), at_ns, 1);
    while (phu_lines_next(lines, &sample) == PHU_LINES_SAMPLE)
        is_urgent |= phu_rules_feed(engine, &sample);
    phu_lines_free(lines);
    return is_urgent;
}
