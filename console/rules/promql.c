/* Conditions as PromQL. What stands here and what engine.c works out must be the same: the scenario
 * tests run both.
 *
 * Everything is looked up through ranges, because points come once a minute or only on change: the
 * latest value is last_over_time(…[stale]), and series end when they are stale, not after the five
 * minutes of an instant lookup.
 */
#include "rules/rule.h"

#include "mem.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* -- Pieces ----------------------------------------------------------------------------------- */

void phu_number_print(char text[PHU_NUMBER_TEXT], double value)
{
    int precision = 1, exponent;
    char digits[PHU_NUMBER_TEXT];

    if (isnan(value) || isinf(value)) {
        snprintf(text, PHU_NUMBER_TEXT, "%s", isnan(value) ? "NaN" : value > 0 ? "+Inf" : "-Inf");
        return;
    }
    do
        snprintf(digits, sizeof digits, "%.*e", precision - 1, value);
    while (strtod(digits, NULL) != value && precision++ < 17);
    exponent = atoi(strchr(digits, 'e') + 1); /* NOLINT(cert-err34-c): printf wrote it */
    if (value == 0 || (exponent >= -4 && exponent < 6))
        snprintf(text, PHU_NUMBER_TEXT, "%.*f",
                 precision - 1 - exponent > 0 ? precision - 1 - exponent : 0, value);
    else
        memcpy(text, digits, sizeof digits);
}

const char *phu_promql_duration(struct phu_rule_arena *arena, int64_t ns)
{
    static const struct {
        int64_t ms;
        const char *name;
    } units[] = {{86400000, "d"}, {3600000, "h"}, {60000, "m"}, {1000, "s"}, {1, "ms"}};
    int64_t ms = ns / 1000000;

    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        if (ms % units[i].ms == 0 && ms)
            return phu_rule_arena_print(arena, "%lld%s", (long long)(ms / units[i].ms),
                                        units[i].name);
    }
    return "0s";
}

struct text {
    char *at;
    size_t length;
};

__attribute__((format(printf, 2, 3))) static void put(struct text *text, const char *format, ...)
{
    va_list args;
    int length;

    va_start(args, format);
    length = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (length < 0)
        abort();
    text->at = realloc(text->at, text->length + (size_t)length + 1);
    if (!text->at)
        abort();
    va_start(args, format);
    vsnprintf(text->at + text->length, (size_t)length + 1, format, args);
    va_end(args);
    text->length += (size_t)length;
}

static const char *keep(struct phu_rule_arena *arena, struct text *text)
{
    const char *kept = phu_rule_arena_text(arena, text->at ? text->at : "", text->length);

    free(text->at);
    *text = (struct text){0};
    return kept;
}

/* In double quotes; in a regular expression what means something there is escaped. */
static void put_value(struct text *text, const char *value, bool is_pattern)
{
    for (; *value; value++) {
        if (*value == '"' || *value == '\\')
            put(text, is_pattern && *value == '\\' ? "\\\\\\\\" : "\\%c", *value);
        else if (*value == '\n')
            put(text, "\\n");
        else if (is_pattern && strchr(".+*?()|[]{}^$", *value))
            put(text, "\\\\%c", *value);
        else
            put(text, "%c", *value);
    }
}

static void put_matcher(struct text *text, const struct phu_matcher *matcher)
{
    bool is_pattern = matcher->values.count > 1;

    put(text, "%s%s\"", matcher->tag,
        is_pattern            ? matcher->is_negated ? "!~" : "=~"
        : matcher->is_negated ? "!="
                              : "=");
    for (size_t i = 0; i < matcher->values.count; i++) {
        put(text, "%s", i ? "|" : "");
        put_value(text, matcher->values.items[i], is_pattern);
    }
    put(text, "\"");
}

static const char *words(struct phu_rule_arena *arena, const struct phu_words *list)
{
    struct text text = {0};

    for (size_t i = 0; i < list->count; i++)
        put(&text, "%s%s", i ? ", " : "", list->items[i]);
    return keep(arena, &text);
}

/* -- Conditions ------------------------------------------------------------------------------- */

struct context {
    struct phu_rule_arena *arena;
    const struct phu_cond *cond;
    const char *by, *window;
};

static const char *over(const struct context *c, const char *function, size_t field,
                        const char *window)
{
    return phu_rule_arena_print(
        c->arena, "%s_over_time(%s_%s%s[%s])", function, c->cond->plan->measurement,
        c->cond->plan->fields[c->cond->fields[field]].name, c->cond->selector, window);
}

static const char *last(const struct context *c, size_t field)
{
    return over(c, "last", field, c->window);
}

static const char *in_states(const struct context *c)
{
    struct text text = {0};

    for (unsigned code = 0; code < 8; code++) {
        if (c->cond->states & 1U << code)
            put(&text, "%s%s == %u", text.length ? " or " : "", last(c, 0), code);
    }
    return phu_rule_arena_print(c->arena, "(%s)", keep(c->arena, &text));
}

static const char *without_maintenance(const struct context *c, const char *expr)
{
    return phu_rule_arena_print(c->arena, "(%s unless %s == 1)", expr, last(c, 1));
}

static const char *metric(const struct context *c)
{
    static const char *const functions[] = {
        [PHU_METRIC_LAST] = "last", [PHU_METRIC_MIN] = "min",      [PHU_METRIC_MAX] = "max",
        [PHU_METRIC_SUM] = "sum",   [PHU_METRIC_INCREASE] = "sum", [PHU_METRIC_MEAN] = "sum",
        [PHU_METRIC_RATIO] = "sum"};
    const struct phu_cond *cond = c->cond;
    const char *of = functions[cond->form], *value, *whole, *by = "";

    if (cond->is_grouped)
        by = phu_rule_arena_print(c->arena, "%s by (%s) ", of, c->by);
    if (cond->form == PHU_METRIC_INCREASE) {
        value = phu_rule_arena_print(c->arena, "(%s - %s)", over(c, "last", 0, c->window),
                                     over(c, "min", 0, c->window));
        return cond->is_grouped ? phu_rule_arena_print(c->arena, "%s%s", by, value) : value;
    }
    value = over(c, of, 0, c->window);
    if (cond->form == PHU_METRIC_MEAN || cond->form == PHU_METRIC_RATIO) {
        whole = over(c, "sum", 1, c->window);
        return phu_rule_arena_print(c->arena, "(%s(%s or %s * 0) / %s(%s))", by, value, whole, by,
                                    whole);
    }
    return cond->is_grouped ? phu_rule_arena_print(c->arena, "%s(%s)", by, value) : value;
}

/* A field that is not sent is 0. */
static const char *event(const struct context *c)
{
    const char *active = phu_rule_arena_print(c->arena, "%s == 1", last(c, 0));

    if (c->cond->fields[2] == c->cond->fields[0])
        return active;
    return phu_rule_arena_print(c->arena, "(%s and %s or (%s) * 0)", last(c, 2), active, active);
}

static const char *measured(const struct context *c)
{
    return phu_rule_arena_print(
        c->arena, "count by (%s) %s", c->by,
        without_maintenance(c, phu_rule_arena_print(c->arena, "%s != 4", last(c, 0))));
}

static const char *comparison(struct phu_rule_arena *arena, const struct phu_cond *cond,
                              double limit)
{
    static const char *const signs[] = {[PHU_COMPARE_ABOVE] = ">",
                                        [PHU_COMPARE_BELOW] = "<",
                                        [PHU_COMPARE_AT_LEAST] = ">=",
                                        [PHU_COMPARE_AT_MOST] = "<="};
    char number[PHU_NUMBER_TEXT];

    if (cond->compare == PHU_COMPARE_NONE)
        return cond->value;
    phu_number_print(number, limit);
    return phu_rule_arena_print(arena, "(%s %s %s%s)", cond->value, signs[cond->compare], number,
                                cond->also);
}

void phu_promql_cond(struct phu_rule_arena *arena, struct phu_cond *cond)
{
    struct context c = {arena, cond, words(arena, &cond->by),
                        phu_promql_duration(arena, cond->window_ns)};
    struct text text = {0};
    char number[PHU_NUMBER_TEXT];

    for (size_t i = 0; i < cond->matcher_count; i++) {
        put(&text, "%s", i ? "," : "{");
        put_matcher(&text, &cond->matchers[i]);
    }
    put(&text, "%s", cond->matcher_count ? "}" : "");
    cond->selector = keep(arena, &text);
    cond->also = "";
    switch (cond->kind) {
    case PHU_COND_STATE:
        cond->value = without_maintenance(&c, in_states(&c));
        break;
    case PHU_COND_EVENT:
        cond->value = without_maintenance(&c, event(&c));
        break;
    case PHU_COND_METRIC:
        cond->value = metric(&c);
        break;
    case PHU_COND_SHARE:
        phu_number_print(number, cond->least);
        cond->value = phu_rule_arena_print(arena, "(count by (%s) %s / %s)", c.by,
                                           without_maintenance(&c, in_states(&c)), measured(&c));
        if (cond->least > 1)
            cond->also = phu_rule_arena_print(arena, " and %s >= %s", measured(&c), number);
        break;
    case PHU_COND_ABSENT:
        cond->value = phu_rule_arena_print(
            arena, "(group by (%s) (%s) unless group by (%s) (%s))", c.by,
            over(&c, "last", 0, phu_promql_duration(arena, cond->known_ns)), c.by, last(&c, 0));
        break;
    }
    cond->expr = comparison(arena, cond, cond->limit);
}

bool phu_cond_holds(const struct phu_cond *cond, double value, bool is_firing)
{
    double limit = is_firing && cond->has_clear ? cond->clear : cond->limit;

    switch (cond->compare) {
    case PHU_COMPARE_NONE:
        return true;
    case PHU_COMPARE_ABOVE:
        return value > limit;
    case PHU_COMPARE_BELOW:
        return value < limit;
    case PHU_COMPARE_AT_LEAST:
        return value >= limit;
    case PHU_COMPARE_AT_MOST:
        return value <= limit;
    }
    return false;
}

/* -- Rules ------------------------------------------------------------------------------------ */

/* While the alert fires, the milder threshold counts. */
static const char *with_hysteresis(struct phu_rule_arena *arena, const struct phu_rule *rule)
{
    struct text ignored = {0};

    if (!rule->cond->has_clear)
        return rule->cond->expr;
    for (size_t i = 0; i < rule->label_count; i++)
        put(&ignored, ", %s", rule->labels[i].name);
    return phu_rule_arena_print(arena,
                                "(%s or (%s and ignoring (alertname, alertstate%s) "
                                "ALERTS{alertname=\"%s\",alertstate=\"firing\"}))",
                                comparison(arena, rule->cond, rule->cond->limit),
                                comparison(arena, rule->cond, rule->cond->clear),
                                keep(arena, &ignored), rule->alert);
}

static const char *with_guards(struct phu_rule_arena *arena, const struct phu_rule *rule,
                               const char *expr)
{
    for (size_t i = 0; i < rule->guard_count; i++) {
        const struct phu_guard *guard = &rule->guards[i];
        const char *other =
            guard->cond
                ? guard->cond->expr
                : phu_rule_arena_print(arena, "ALERTS{alertname=\"%s\",alertstate=\"firing\"}",
                                       guard->alert);

        expr = phu_rule_arena_print(arena, "(%s %s on (%s) %s)", expr,
                                    guard->is_negated ? "unless" : "and", words(arena, &guard->on),
                                    other);
    }
    return expr;
}

const char *phu_promql_rule(struct phu_rule_arena *arena, const struct phu_rule *rule)
{
    const char *expr = with_guards(arena, rule, with_hysteresis(arena, rule));
    size_t length;

    if (rule->has_by)
        expr = phu_rule_arena_print(arena, "max by (%s) (%s)", words(arena, &rule->by), expr);
    if (rule->n) /* exactly n steps lie in n intervals less a millisecond */
        return phu_rule_arena_print(
            arena, "count_over_time(%s[%s:%s]) >= %d",
            rule->has_by ? phu_rule_arena_print(arena, "(%s)", expr) : expr,
            phu_promql_duration(arena, rule->interval_ns * rule->n - 1000000),
            phu_promql_duration(arena, rule->interval_ns), rule->m);
    length = strlen(expr);
    if (expr[0] == '(' && !rule->has_by && expr == rule->cond->expr &&
        rule->cond->compare != PHU_COMPARE_NONE)
        return phu_rule_arena_text(arena, expr + 1,
                                   length - 2); /* the outermost pair says nothing */
    return expr;
}

/* The series that the alert is made of, with its labels filled in by printf. */
static const char *lookup_matchers(struct phu_rule_arena *arena, const struct phu_rule *rule,
                                   const char *const *names, size_t count)
{
    const struct phu_cond *cond = rule->cond;
    struct text text = {0};

    for (size_t i = 0; i < count; i++)
        put(&text, "%s%s=%%[%zu]q", i ? "," : "", names[i], i + 1);
    for (size_t i = 0; rule->has_by && i < cond->matcher_count; i++) {
        struct text matcher = {0};

        put_matcher(&matcher, &cond->matchers[i]);
        put(&text, ",");
        for (const char *at = matcher.at; *at; at++)
            put(&text, *at == '%' ? "%%%%" : "%c", *at);
        free(matcher.at);
    }
    return keep(arena, &text);
}

const char *phu_promql_lookup(struct phu_rule_arena *arena, const struct phu_rule *rule,
                              const char *field, const char *rest)
{
    static const char *const of_event[] = {"agent", "root", "kind", "cause"};
    static const char *const of_state[] = {"agent", "endpoint", "device", "node"};
    struct phu_cond cond = *rule->cond;
    struct context c = {arena, &cond, "", phu_promql_duration(arena, cond.window_ns)};
    const char *const *names = rule->has_by                  ? rule->by.items
                               : cond.kind == PHU_COND_EVENT ? of_event
                                                             : of_state;
    size_t count = rule->has_by ? rule->by.count : 4;
    const char *of, *chosen;
    struct text labels = {0};

    cond.selector = phu_rule_arena_print(arena, "{%s}", lookup_matchers(arena, rule, names, count));
    of = phu_rule_arena_print(arena, "last_over_time(%s_%s%s[%s])", cond.plan->measurement, field,
                              cond.selector, c.window);
    chosen = cond.kind == PHU_COND_EVENT ? phu_rule_arena_print(arena, "%s == 1", last(&c, 0))
                                         : in_states(&c);
    for (size_t i = 0; i < count; i++)
        put(&labels, " $labels.%s", names[i]);
    return phu_rule_arena_print(arena,
                                "{{ with printf `max((%s and %s) unless %s == 1)`%s | query }}"
                                "{{ . | first | value %s }}{{ end }}",
                                of, chosen, last(&c, 1), keep(arena, &labels), rest);
}
