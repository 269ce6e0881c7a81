#include "rules/notation.h"

#include "mem.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* -- Values ----------------------------------------------------------------------------------- */

struct values {
    double *items;
    bool *are_missing;
    size_t count;
};

static bool add(struct values *values, double value, bool is_missing)
{
    if (values->count == PHU_NOTATION_VALUES_MAX)
        return false;
    values->items = phu_mem_grow(values->items, values->count, sizeof *values->items);
    values->are_missing =
        phu_mem_grow(values->are_missing, values->count, sizeof *values->are_missing);
    values->items[values->count] = value;
    values->are_missing[values->count++] = is_missing;
    return true;
}

static bool add_many(struct values *values, double value, double step, bool is_missing,
                     unsigned long times)
{
    for (unsigned long i = 0; i < times; i++) {
        if (!add(values, value + step * (double)i, is_missing))
            return false;
    }
    return true;
}

/* xN; without it *times stays. */
static bool take_times(const char **at, unsigned long *times)
{
    char *end;

    if (**at != 'x')
        return true;
    if (!isdigit((unsigned char)(*at)[1]))
        return false;
    *times = strtoul(*at + 1, &end, 10);
    *at = end;
    return *times <= PHU_NOTATION_VALUES_MAX;
}

static bool take_number(const char **at, double *value)
{
    char *end;

    if (isspace((unsigned char)**at) || strncasecmp(*at, "0x", 2) == 0) {
        if (strncmp(*at, "0x", 2) != 0)
            return false;
        *value = 0; /* 0x5 is 0, five times more, and no hexadecimal number */
        (*at)++;
        return true;
    }
    *value = strtod(*at, &end);
    if (end == *at || isinf(*value) || isnan(*value))
        return false;
    *at = end;
    return true;
}

/* One word: _, _x4, stale, 1, 1x4, 1+2x3, 1-2x3. */
static bool take_item(const char **at, struct values *values)
{
    unsigned long times = 1;
    double value = 0, step = 0;

    if (strncmp(*at, "stale", 5) == 0) { /* ranges pass over such marks */
        *at += 5;
        return add(values, 0, true);
    }
    if (**at == '_') {
        (*at)++;
        return take_times(at, &times) && add_many(values, 0, 0, true, times);
    }
    if (!take_number(at, &value))
        return false;
    times = 0;
    if (**at == '+' || **at == '-') {
        double sign = **at == '-' ? -1 : 1;

        (*at)++;
        if (**at == '+' || **at == '-' || !take_number(at, &step) || **at != 'x')
            return false;
        step *= sign;
    }
    return take_times(at, &times) && add_many(values, value, step, false, times + 1);
}

int phu_notation_values(struct phu_rule_arena *arena, const char *text,
                        struct phu_notation_values *out, char *why, size_t why_size)
{
    struct values values = {0};
    const char *at = text;
    bool is_right = true;
    double *items;
    bool *are_missing;

    while (is_right) {
        const char *start;

        while (*at == ' ' || *at == '\n' || *at == '\t')
            at++;
        if (!*at)
            break;
        start = at;
        is_right = take_item(&at, &values) && (!*at || isspace((unsigned char)*at));
        if (!is_right)
            snprintf(why, why_size,
                     "\"%.40s\" is no value; write 1, 1x4 (five times), 1+2x3, _ or _x4, at most "
                     "%d of them",
                     start, PHU_NOTATION_VALUES_MAX);
    }
    items = phu_rule_arena_take(arena, values.count + 1, sizeof *items);
    are_missing = phu_rule_arena_take(arena, values.count + 1, sizeof *are_missing);
    for (size_t i = 0; i < values.count; i++) {
        items[i] = values.items[i];
        are_missing[i] = values.are_missing[i];
    }
    *out = (struct phu_notation_values){items, are_missing, values.count};
    free(values.items);
    free(values.are_missing);
    return is_right ? 0 : -EINVAL;
}

/* -- Series ----------------------------------------------------------------------------------- */

static bool is_name_char(char c)
{
    return isalnum((unsigned char)c) || c == '_';
}

static const char *take_name(struct phu_rule_arena *arena, const char **at)
{
    const char *start;

    while (isspace((unsigned char)**at))
        (*at)++;
    start = *at;
    while (is_name_char(**at))
        (*at)++;
    return *at == start || isdigit((unsigned char)*start)
               ? NULL
               : phu_rule_arena_text(arena, start, (size_t)(*at - start));
}

static const char *take_quoted(struct phu_rule_arena *arena, const char **at)
{
    char *text = phu_rule_arena_take(arena, strlen(*at) + 1, 1), quote = **at;
    size_t length = 0;

    if (quote != '"' && quote != '\'')
        return NULL;
    for ((*at)++; **at && **at != quote; (*at)++) {
        if (**at == '\\' && (*at)[1])
            (*at)++;
        text[length++] = **at;
    }
    if (!**at)
        return NULL;
    (*at)++;
    return text;
}

static void skip_blanks(const char **at)
{
    while (isspace((unsigned char)**at))
        (*at)++;
}

static int compare_labels(const void *a, const void *b)
{
    return strcmp(((const struct phu_alert_label *)a)->name,
                  ((const struct phu_alert_label *)b)->name);
}

static bool take_labels(struct phu_rule_arena *arena, const char **at,
                        struct phu_notation_series *out)
{
    struct phu_alert_label labels[64];

    while (out->label_count < 64) {
        struct phu_alert_label *label = &labels[out->label_count];

        skip_blanks(at);
        if (**at == '}')
            break;
        label->name = take_name(arena, at);
        skip_blanks(at);
        if (!label->name || **at != '=')
            return false;
        (*at)++;
        skip_blanks(at);
        label->value = take_quoted(arena, at);
        if (!label->value)
            return false;
        out->label_count += *label->value != '\0';
        skip_blanks(at);
        if (**at == ',')
            (*at)++;
        else if (**at != '}')
            return false;
    }
    if (**at != '}')
        return false;
    (*at)++;
    qsort(labels, out->label_count, sizeof *labels, compare_labels);
    for (size_t i = 1; i < out->label_count; i++) {
        if (strcmp(labels[i].name, labels[i - 1].name) == 0)
            return false;
    }
    out->labels = phu_rule_arena_take(arena, out->label_count + 1, sizeof *out->labels);
    for (size_t i = 0; i < out->label_count; i++)
        out->labels[i] = labels[i];
    return true;
}

int phu_notation_series(struct phu_rule_arena *arena, const char *text,
                        struct phu_notation_series *out, char *why, size_t why_size)
{
    const char *at = text;
    bool is_right;

    *out = (struct phu_notation_series){.name = take_name(arena, &at)};
    skip_blanks(&at);
    is_right = out->name != NULL;
    if (is_right && *at == '{') {
        at++;
        is_right = take_labels(arena, &at, out);
    }
    skip_blanks(&at);
    if (is_right && !*at)
        return 0;
    snprintf(why, why_size,
             "\"%.80s\" is no series; write MEASUREMENT_FIELD{tag=\"value\",…}, each tag once",
             text);
    return -EINVAL;
}

/* -- Ranges ----------------------------------------------------------------------------------- */

struct range {
    const char *start, *end; /* of <…> */
    unsigned long first, last;
    int width;
};

/* The next range at or behind `text`; false: there is none. */
static bool find_range(const char *text, struct range *range)
{
    for (; (text = strchr(text, '<')) != NULL; text++) {
        char *end;

        if (!isdigit((unsigned char)text[1]))
            continue;
        range->start = text;
        range->first = strtoul(text + 1, &end, 10);
        range->width = (int)(end - text) - 1;
        if (strncmp(end, "..", 2) != 0 || !isdigit((unsigned char)end[2]))
            continue;
        range->last = strtoul(end + 2, &end, 10);
        if (*end != '>')
            continue;
        range->end = end + 1;
        return true;
    }
    return false;
}

int phu_notation_count(const char *text, size_t *count)
{
    struct range range;

    *count = 1;
    for (bool is_first = true; find_range(text, &range); is_first = false, text = range.end) {
        size_t length = range.last - range.first + 1;

        if (range.last < range.first || length > PHU_NOTATION_SERIES_MAX || range.width > 9 ||
            (!is_first && length != *count))
            return -EINVAL;
        *count = length;
    }
    return 0;
}

const char *phu_notation_pick(struct phu_rule_arena *arena, const char *text, size_t index)
{
    const char *picked = "";
    struct range range;

    for (; find_range(text, &range); text = range.end)
        picked = phu_rule_arena_print(arena, "%s%.*s%0*lu", picked, (int)(range.start - text), text,
                                      range.width, range.first + index);
    return phu_rule_arena_print(arena, "%s%s", picked, text);
}

int phu_notation_duration(const char *text, int64_t *ns)
{
    static const struct {
        const char *name;
        int64_t ns;
    } units[] = {{"ms", 1000000},
                 {"s", 1000000000},
                 {"m", INT64_C(60) * 1000000000},
                 {"h", INT64_C(3600) * 1000000000},
                 {"d", INT64_C(86400) * 1000000000}};

    *ns = 0;
    if (strcmp(text, "0") == 0)
        return 0;
    do {
        char *end;
        unsigned long number;
        size_t i = 0, length;

        if (!isdigit((unsigned char)*text))
            return -EINVAL;
        number = strtoul(text, &end, 10);
        length = strspn(end, "msdh");
        while (i < 5 &&
               (strlen(units[i].name) != length || strncmp(units[i].name, end, length) != 0))
            i++;
        if (i == 5 || number > 1000000)
            return -EINVAL;
        *ns += (int64_t)number * units[i].ns;
        text = end + length;
    } while (*text);
    return *ns <= INT64_C(400) * 86400 * 1000000000 ? 0 : -EINVAL;
}
