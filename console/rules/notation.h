/* Series as promtool writes them in its tests. Private to console/rules.
 *
 *     series: 'state_code{agent="bn1",endpoint="e<001..300>"}'
 *     values: '0x10 2x5 _ 1+2x3'
 *
 * <001..300> is ours: as many series as there are numbers; several such ranges in one series count
 * together.
 */
#pragma once

#include "rules/arena.h"
#include "rules/rules.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    PHU_NOTATION_VALUES_MAX = 20000,
    PHU_NOTATION_SERIES_MAX = 5000, /* by one range */
    PHU_NOTATION_TEXT_MAX = 4096,
};

struct phu_notation_values {
    const double *items;
    const bool *are_missing;
    size_t count;
};

/* 0, or -EINVAL with `why`. */
int phu_notation_values(struct phu_rule_arena *arena, const char *text,
                        struct phu_notation_values *out, char *why, size_t why_size);

struct phu_notation_series {
    const char *name; /* measurement and field, joined with _ */
    struct phu_alert_label *labels;
    size_t label_count;
};

int phu_notation_series(struct phu_rule_arena *arena, const char *text,
                        struct phu_notation_series *out, char *why, size_t why_size);

/* How many series a text stands for (1 without a range), and the text of one of them. -EINVAL: a
 * range is wrong, or two differ in length. */
int phu_notation_count(const char *text, size_t *count);
const char *phu_notation_pick(struct phu_rule_arena *arena, const char *text, size_t index);

/* 90s, 5m, 1h30m: durations as Prometheus writes them. */
int phu_notation_duration(const char *text, int64_t *ns);
