/* A column, from its keys: what it reads, how it is judged, what it feeds. */
#include "profile_compile.h"

#include "phusong/text.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* -- Raw values ------------------------------------------------------------------------------- */

static const char *const *take_texts(struct phu_compile *compile, const struct phu_strings *strings)
{
    const char **texts = phu_profile_take(compile->memory, strings->count + 1, sizeof *texts);

    for (size_t i = 0; i < strings->count; i++)
        texts[i] = phu_profile_take_text(compile->memory, strings->items[i]);
    return texts;
}

static const struct phu_profile_pattern *take_patterns(struct phu_compile *compile,
                                                       const char *const *texts, size_t count)
{
    struct phu_profile_pattern *patterns =
        phu_profile_take(compile->memory, count, sizeof *patterns);

    for (size_t i = 0; i < count; i++)
        phu_profile_pattern_init(&patterns[i], texts[i]);
    return patterns;
}

static void take_words(struct phu_compile *compile, const struct phu_profile_column_conf *conf,
                       struct phu_profile_column *column, struct phu_profile_plan *plan)
{
    struct phu_profile_word *words =
        phu_profile_take(compile->memory, conf->words.count, sizeof *words);
    struct phu_profile_pattern *patterns =
        phu_profile_take(compile->memory, conf->words.count, sizeof *patterns);

    for (size_t i = 0; i < conf->words.count; i++) {
        const struct phu_map_entry *entry = &conf->words.items[i];
        char option[32];

        snprintf(option, sizeof option, "words[%zu]", i);
        words[i].raw = phu_profile_take_text(compile->memory, entry->key);
        words[i].word = phu_profile_take_text(compile->memory, entry->value);
        words[i].metric = -1;
        phu_profile_pattern_init(&patterns[i], words[i].raw);
        if (strcmp(entry->key, "*") == 0 && i + 1 < conf->words.count)
            phu_compile_wrong(compile, option, "'*' stands for everything else; put it last");
        if (!column->family || !entry->value[0])
            continue;
        words[i].metric = phu_snmp_metric_word(column->family, entry->value);
        if (words[i].metric < 0 || !phu_compile_counts_polls(words[i].metric))
            phu_compile_unknown_word(compile, option, column->family, entry->value);
    }
    column->words = words;
    column->word_count = conf->words.count;
    plan->words = patterns;
}

/* Can the column have this word or raw value? */
static bool is_possible(const struct phu_profile_column_conf *column, const char *word,
                        struct phu_guess *guess)
{
    int64_t number;

    if (!column->words.count || phu_profile_is_number(word, &number) ||
        (word[0] && word[strlen(word) - 1] == '*'))
        return true;
    for (size_t i = 0; i < column->words.count; i++) {
        const struct phu_map_entry *entry = &column->words.items[i];

        if (strcasecmp(entry->value, word) == 0 || strcasecmp(entry->key, word) == 0)
            return true;
        phu_guess_offer(guess, entry->value);
    }
    return false;
}

static void check_possible(struct phu_compile *compile, const char *option, int column,
                           const char *word)
{
    const struct phu_profile_column_conf *conf = compile->table_conf->columns.items;
    struct phu_guess guess = {.word = word};
    char text[PHU_COMPILE_ADVICE];

    if (column >= 0 && !is_possible(&conf[column], word, &guess))
        phu_compile_wrong(compile, option, "column \"%s\" never is \"%.40s\"; %s",
                          conf[column].name, word,
                          phu_compile_advice(&guess, "write one of its words or raw values", text));
}

static void take_when(struct phu_compile *compile, const struct phu_profile_column_conf *conf,
                      struct phu_profile_column *column, struct phu_profile_plan *plan)
{
    const struct phu_profile_when_conf *items = conf->when.items;
    struct phu_profile_when *when =
        phu_profile_take(compile->memory, conf->when.count, sizeof *when);
    const struct phu_profile_pattern **patterns =
        phu_profile_take(compile->memory, conf->when.count, sizeof *patterns);

    for (size_t i = 0; i < conf->when.count; i++) {
        const bool is_not = items[i].is_not.count > 0;
        const struct phu_strings *words = is_not ? &items[i].is_not : &items[i].is;
        char option[64];
        int other;

        snprintf(option, sizeof option, "when[%zu].column", i);
        other = phu_compile_find_column(compile, option, items[i].column);
        when[i].column = other < 0 ? 0 : (unsigned)other;
        when[i].is_not = is_not;
        when[i].words = take_texts(compile, words);
        patterns[i] = take_patterns(compile, when[i].words, words->count);
        for (size_t j = 0; j < words->count; j++) {
            snprintf(option, sizeof option, "when[%zu].%s[%zu]", i, is_not ? "not" : "is", j);
            check_possible(compile, option, other, words->items[j]);
        }
        snprintf(option, sizeof option, "when[%zu].not", i);
        if (is_not && items[i].is.count)
            phu_compile_wrong(compile, option, "stands beside \"is\"; leave one of them out");
    }
    column->when = when;
    column->when_count = conf->when.count;
    plan->when = patterns;
}

/* -- Which metric ----------------------------------------------------------------------------- */

static void take_choices(struct phu_compile *compile, const struct phu_profile_column_conf *conf,
                         struct phu_profile_column *column, struct phu_profile_plan *plan)
{
    const struct phu_map *is = &conf->metric_by.is;
    struct phu_profile_choice *choices =
        phu_profile_take(compile->memory, is->count, sizeof *choices);
    struct phu_profile_pattern *patterns =
        phu_profile_take(compile->memory, is->count, sizeof *patterns);

    if (!conf->metric_by.column[0]) {
        if (is->count)
            phu_compile_wrong(compile, "metric_by",
                              "\"metric_by\" lacks \"column\", the one that chooses");
        return;
    }
    if (!is->count)
        phu_compile_wrong(compile, "metric_by",
                          "\"metric_by\" lacks \"is\", the metric for each word");
    column->chooser = phu_compile_find_column(compile, "metric_by.column", conf->metric_by.column);
    for (size_t i = 0; i < is->count; i++) {
        char option[48];

        snprintf(option, sizeof option, "metric_by.is[%zu]", i);
        choices[i].word = phu_profile_take_text(compile->memory, is->items[i].key);
        phu_profile_pattern_init(&patterns[i], choices[i].word);
        check_possible(compile, option, column->chooser, is->items[i].key);
        choices[i].metric = -1;
        if (!is->items[i].value[0])
            continue;
        choices[i].metric = phu_compile_metric(compile, option, is->items[i].value);
        if (choices[i].metric >= 0 && phu_snmp_metrics[choices[i].metric].kind != PHU_METRIC_SPREAD)
            phu_compile_wrong(compile, option,
                              "\"%s\" is no number with a range; a chosen metric must be one",
                              is->items[i].value);
    }
    column->choices = choices;
    column->choice_count = is->count;
    plan->choices = patterns;
}

static void take_family(struct phu_compile *compile, const struct phu_profile_column_conf *conf,
                        struct phu_profile_column *column)
{
    if (!phu_compile_measurement(compile, "metric", conf->metric))
        return;
    column->family = phu_profile_take_text(compile->memory, conf->metric);
    if (!conf->words.count)
        phu_compile_wrong(compile, "metric", "\"%s\" is a family of states; give the column words",
                          conf->metric);
}

static void take_own_metric(struct phu_compile *compile, const struct phu_profile_column_conf *conf,
                            struct phu_profile_column *column)
{
    enum phu_metric_kind kind;

    if (phu_snmp_metric_find(conf->metric) < 0 && phu_snmp_metric_is_family(conf->metric)) {
        take_family(compile, conf, column);
        return;
    }
    column->metric = phu_compile_metric(compile, "metric", conf->metric);
    if (column->metric < 0)
        return;
    kind = phu_snmp_metrics[column->metric].kind;
    column->is_counter = kind == PHU_METRIC_COUNT;
    column->is_text = kind == PHU_METRIC_LATEST;
    if (conf->words.count && !column->is_text)
        phu_compile_wrong(compile, "metric",
                          "\"%s\" is a number, which words cannot feed; name a family of "
                          "states, or leave out the words",
                          conf->metric);
}

/* What the column reports, and whether that goes with what it is for. */
static void take_purpose(struct phu_compile *compile, const struct phu_profile_column_conf *conf,
                         struct phu_profile_column *column, struct phu_profile_plan *plan)
{
    bool is_chosen = conf->metric_by.column[0] != '\0';

    if (conf->metric[0])
        take_own_metric(compile, conf, column);
    take_choices(compile, conf, column, plan);
    if (conf->metric[0] && is_chosen)
        phu_compile_wrong(compile, "metric_by", "\"metric\" and \"metric_by\" exclude each other");
    if (is_chosen && conf->words.count)
        phu_compile_wrong(compile, "metric_by",
                          "a chosen metric is a number, which words cannot feed");
    if (conf->use == PHU_USE_VALUE && !conf->metric[0] && !is_chosen)
        phu_compile_wrong(compile, "",
                          "column \"%.40s\" feeds nothing; give it a \"metric\", or \"use: help\" "
                          "if others read it",
                          conf->name);
    if (conf->use == PHU_USE_HELP && (conf->metric[0] || is_chosen))
        phu_compile_wrong(compile, "use",
                          "a column with a metric is more than help; leave out one of them");
    if ((conf->use == PHU_USE_DESCRIPTION || conf->use == PHU_USE_SERIAL) &&
        (is_chosen || column->family || (column->metric >= 0 && !column->is_text)))
        phu_compile_wrong(compile, "metric",
                          "a description or serial number is a text; \"%.80s\" is not",
                          conf->metric);
}

/* -- Numbers ---------------------------------------------------------------------------------- */

/* 0.01 is no number that a computer has; division by 100 is exact. */
static double divisor_of(double scale)
{
    double inverse = fabs(scale) < 1 && scale != 0 ? 1 / scale : 0;
    double whole = nearbyint(inverse);

    return whole != 0 && fabs(whole) < 1e15 && fabs(inverse - whole) <= fabs(whole) * 1e-9 ? whole
                                                                                           : 0;
}

static bool read_bound(const char *text, double *bound)
{
    char *end;

    *bound = strtod(text, &end);
    return end != text && !*end && isfinite(*bound) && !strpbrk(text, "xXpP");
}

static void take_range(struct phu_compile *compile, const struct phu_profile_column_conf *conf,
                       struct phu_profile_column *column)
{
    column->min = -HUGE_VAL;
    column->max = HUGE_VAL;
    if (!conf->range.count)
        return;
    if (conf->range.count != 2 || !read_bound(conf->range.items[0], &column->min) ||
        !read_bound(conf->range.items[1], &column->max))
        phu_compile_wrong(compile, "range", "\"range\" must be two numbers, such as [-50, 10]");
    else if (column->min > column->max)
        phu_compile_wrong(compile, "range", "\"range\" is upside down; write [%s, %s]",
                          conf->range.items[1], conf->range.items[0]);
}

static void take_scales(struct phu_compile *compile, const struct phu_profile_column_conf *conf,
                        struct phu_profile_column *column, struct phu_profile_plan *plan)
{
    static const uint8_t bits[] = {0, 8, 16, 32};

    column->bits = bits[conf->bits];
    column->mask = (uint32_t)conf->mask;
    column->scale = conf->scale;
    column->offset = conf->offset;
    column->other_scale = conf->or_scale;
    column->convert = (enum phu_profile_convert)conf->convert;
    plan->divisor = divisor_of(conf->scale);
    plan->other_divisor = divisor_of(conf->or_scale);
    if (conf->scale == 0)
        phu_compile_wrong(compile, "scale", "\"scale: 0\" makes every value the same");
    if (conf->or_scale != 0 && !conf->range.count)
        phu_compile_wrong(compile, "or_scale",
                          "\"or_scale\" needs a \"range\" that tells which scale is right");
    if (conf->si_scale[0])
        column->si_scale = phu_compile_find_column(compile, "si_scale", conf->si_scale);
    if (conf->decimals[0])
        column->decimals = phu_compile_find_column(compile, "decimals", conf->decimals);
}

static bool has_arithmetic(const struct phu_profile_column_conf *conf)
{
    return conf->scale != 1 || conf->offset != 0 || conf->or_scale != 0 || conf->convert ||
           conf->range.count || conf->share_of.count || conf->si_scale[0] || conf->decimals[0];
}

/* Keys that would be without effect. */
static void check_idle(struct phu_compile *compile, const struct phu_profile_column_conf *conf,
                       const struct phu_profile_column *column)
{
    bool is_own_text = conf->use == PHU_USE_DESCRIPTION || conf->use == PHU_USE_SERIAL;

    if (column->is_counter &&
        (has_arithmetic(conf) || conf->mask || (conf->bits && column->bits != 32)))
        phu_compile_wrong(
            compile, "metric",
            "\"%s\" takes what a counter has grown by; leave out scale, offset, or_scale, "
            "share_of, mask, bits but 32, convert, range, si_scale and decimals",
            conf->metric);
    else if (conf->words.count && has_arithmetic(conf))
        phu_compile_wrong(compile, "words",
                          "words stand for raw values; leave out scale, offset, or_scale, "
                          "share_of, convert, range, si_scale and decimals");
    else if (is_own_text && (has_arithmetic(conf) || conf->bits || conf->mask || conf->words.count))
        phu_compile_wrong(compile, "use",
                          "a description or serial number is taken as it is; leave out words "
                          "and arithmetic");
    if (column->convert == PHU_CONVERT_HMS_TO_S && conf->bits)
        phu_compile_wrong(compile, "bits", "hh:mm:ss is a text, which has no bits");
}

/* -- Columns ---------------------------------------------------------------------------------- */

/* Where its cell comes from. */
static void take_source(struct phu_compile *compile, const struct phu_profile_column_conf *conf,
                        struct phu_profile_column *column)
{
    const struct phu_profile_column_conf *columns = compile->table_conf->columns.items;

    if (!conf->oid[0] == !conf->of[0]) {
        phu_compile_wrong(compile, conf->of[0] ? "of" : "",
                          conf->of[0]
                              ? "\"oid\" and \"of\" exclude each other"
                              : "column \"%.40s\" lacks \"oid\", or \"of\" with another column",
                          conf->name);
        return;
    }
    if (conf->of[0]) {
        column->of = phu_compile_find_column(compile, "of", conf->of);
        if (column->of >= 0 && columns[column->of].of[0])
            phu_compile_wrong(compile, "of", "\"%.40s\" itself reads another column; name that one",
                              conf->of);
        return;
    }
    phu_compile_oid(compile, "oid", conf->oid, &column->oid);
    if (compile->table->is_scalar && column->oid.length &&
        column->oid.part[column->oid.length - 1] == 0)
        phu_compile_wrong(compile, "oid", "write a scalar without its final .0");
}

static void take_shares(struct phu_compile *compile, const struct phu_profile_column_conf *conf,
                        struct phu_profile_column *column)
{
    unsigned *columns = phu_profile_take(compile->memory, conf->share_of.count, sizeof *columns);

    for (size_t i = 0; i < conf->share_of.count; i++) {
        char option[32];
        int other;

        snprintf(option, sizeof option, "share_of[%zu]", i);
        other = phu_compile_find_column(compile, option, conf->share_of.items[i]);
        columns[i] = other < 0 ? 0 : (unsigned)other;
    }
    column->share_of = columns;
    column->share_count = conf->share_of.count;
}

void phu_compile_column(struct phu_compile *compile, const struct phu_profile_column_conf *conf,
                        struct phu_profile_column *column)
{
    struct phu_profile_plan *plan = phu_profile_take(compile->memory, 1, sizeof *plan);

    *column = (struct phu_profile_column){
        .name = phu_profile_take_text(compile->memory, conf->name),
        .use = (enum phu_profile_use)conf->use,
        .of = -1,
        .metric = -1,
        .chooser = -1,
        .si_scale = -1,
        .decimals = -1,
        .private = plan,
    };
    plan->table = compile->table;
    if (!phu_compile_is_word(conf->name))
        phu_compile_wrong(compile, "name", "column \"%.40s\" must be small letters, digits and _",
                          conf->name);
    take_source(compile, conf, column);
    take_shares(compile, conf, column);
    take_purpose(compile, conf, column, plan);
    take_words(compile, conf, column, plan);
    take_when(compile, conf, column, plan);
    take_range(compile, conf, column);
    take_scales(compile, conf, column, plan);
    check_idle(compile, conf, column);
    column->none = take_texts(compile, &conf->none);
    plan->none = take_patterns(compile, column->none, conf->none.count);
    plan->none_count = conf->none.count;
    column->extract =
        conf->extract[0] ? phu_profile_take_text(compile->memory, conf->extract) : NULL;
    plan->extract = phu_compile_expression(compile, "extract", conf->extract);
    if (plan->extract && plan->extract->re_nsub < 1)
        phu_compile_wrong(compile, "extract",
                          "\"%.80s\" needs a group in parentheses: what is to be taken",
                          conf->extract);
}
