/* From the keys of a file to a profile: everything is looked up, worked out and checked here, so
 * that nothing can go wrong while a device is read but what the device answers.
 */
#include "profile_set.h"

#include "conf_file.h"

#include "phusong/err.h"
#include "phusong/text.h"
#include "phusong/time.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EVERY_MIN (PHU_NS_PER_S)
#define EVERY_MAX (7 * 24 * 3600 * PHU_NS_PER_S)

enum { PLACE = 128 };

struct compile {
    const struct phu_conf_source *source;
    struct phu_diags *diags;
    struct phu_profile_memory *memory;
    char place[PLACE]; /* of the entry that is looked at; "" or with a point at its end */
    size_t mistakes;
    const struct phu_profile_table_conf *table_conf;
    struct phu_profile_table *table;
};

__attribute__((format(printf, 3, 4))) static void wrong(struct compile *compile, const char *option,
                                                        const char *format, ...)
{
    char message[512], place[PLACE + 64];
    va_list args;

    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    snprintf(place, sizeof place, "%s%s", compile->place, option);
    phu_conf_source_mistake(compile->source, compile->diags, place, "%s", message);
    compile->mistakes++;
}

/* "did you mean "x"?", or `otherwise`. */
static const char *advice(const struct phu_guess *guess, const char *otherwise, char text[160])
{
    if (guess->nearest)
        snprintf(text, 160, "did you mean \"%s\"?", guess->nearest);
    else
        snprintf(text, 160, "%s", otherwise);
    return text;
}

/* -- Object identifiers ----------------------------------------------------------------------- */

static const char *read_oid(const char *text, struct phu_oid *oid)
{
    oid->length = 0;
    if (text[0] == '.')
        return "leave out the first point";
    for (;;) {
        unsigned long part;
        char *end;

        if (text[0] < '0' || text[0] > '9')
            return "write numbers joined by points, such as 1.3.6.1.4.1.99999.2.1";
        errno = 0;
        part = strtoul(text, &end, 10);
        if (errno || part > UINT32_MAX)
            return "a part of it is larger than 4294967295";
        if (oid->length == PHU_OID_MAX)
            return "it has more than 24 parts";
        oid->part[oid->length++] = (uint32_t)part;
        if (!*end)
            break;
        if (*end != '.')
            return "write numbers joined by points, such as 1.3.6.1.4.1.99999.2.1";
        text = end + 1;
    }
    return oid->length < 2 || oid->part[0] > 2 || (oid->part[0] < 2 && oid->part[1] > 39)
               ? "it must begin as all do, such as 1.3.6.1"
               : NULL;
}

static void take_oid(struct compile *compile, const char *option, const char *text,
                     struct phu_oid *oid)
{
    const char *why = read_oid(text, oid);

    if (why)
        wrong(compile, option, "\"%.80s\" is no object identifier; %s", text, why);
}

/* -- Names ------------------------------------------------------------------------------------ */

static bool consists_of(const char *text, const char *bytes, size_t most)
{
    size_t length = strlen(text);

    return length > 0 && length <= most && strspn(text, bytes) == length;
}

#define SMALL "abcdefghijklmnopqrstuvwxyz"
#define DIGITS "0123456789"

static bool is_word(const char *text)
{
    return consists_of(text, SMALL DIGITS "_", 40) && (text[0] < '0' || text[0] > '9');
}

static void check_tag(struct compile *compile, const char *option, const char *measurement,
                      const char *tag)
{
    if (phu_snmp_row_tag_is_known(measurement, tag))
        return;
    for (size_t i = 0; i < PHU_SNMP_ROW_KINDS; i++) {
        if (strcmp(phu_snmp_row_kinds[i].measurement, measurement) != 0)
            continue;
        wrong(compile, option, "rows of %s are not called \"%.40s\"; write one of %s", measurement,
              tag, phu_snmp_row_kinds[i].tags);
    }
}

/* -- Metrics ---------------------------------------------------------------------------------- */

static void write_metric(int metric, char *text, size_t size)
{
    snprintf(text, size, "%s.%s", phu_snmp_metrics[metric].measurement,
             phu_snmp_metrics[metric].name);
}

/* Counts of polls are what states are counted in; no device has a counter of them. */
static bool counts_polls(int metric)
{
    return phu_snmp_metrics[metric].kind == PHU_METRIC_COUNT &&
           strncmp(phu_snmp_metrics[metric].meaning, "polls ", 6) == 0;
}

static void offer(struct phu_guess *guess, char nearest[128], const char *known)
{
    const char *before = guess->nearest;

    phu_guess_offer(guess, known);
    if (guess->nearest == before)
        return;
    snprintf(nearest, 128, "%s", known);
    guess->nearest = nearest;
}

/* The family's name is all before the word; families are named by their first part. */
static void offer_metric(struct phu_guess *guess, char nearest[128], int metric)
{
    char name[128], *end;

    write_metric(metric, name, sizeof name);
    end = counts_polls(metric) ? strchr(name, '_') : NULL;
    if (end)
        *end = '\0';
    if (end || !counts_polls(metric))
        offer(guess, nearest, name);
}

static void unknown_metric(struct compile *compile, const char *option, const char *name)
{
    char full[128], nearest[128], text[160];
    struct phu_guess guess = {.word = name};
    const char *measurement = compile->table->measurement;

    if (!strchr(name, '.')) {
        snprintf(full, sizeof full, "%s.%.80s", measurement, name);
        guess.word = full;
    }
    for (int i = PHU_SNMP_BUILT_IN; i < PHU_SNMP_METRICS; i++)
        offer_metric(&guess, nearest, i);
    wrong(compile, option, "unknown metric \"%.80s\"; %s", name,
          advice(&guess, "docs/metrics.md lists them", text));
}

static bool check_measurement(struct compile *compile, const char *option, const char *name)
{
    const char *measurement = compile->table->measurement;
    size_t length = strlen(measurement);

    if (strncmp(name, measurement, length) == 0 && name[length] == '.')
        return true;
    wrong(compile, option,
          "\"%.80s\" is not of the table's measurement \"%s\"; put the column into a table of its "
          "own measurement",
          name, measurement);
    return false;
}

static bool is_own_count(const char *name)
{
    return strcmp(name, "polls") == 0 || strcmp(name, "care_stops") == 0 ||
           strcmp(name, "cell_changes") == 0;
}

/* A metric that numbers or texts may feed; -1 and a mistake when there is none. */
static int take_metric(struct compile *compile, const char *option, const char *name)
{
    int metric = phu_snmp_metric_find(name);

    if (metric < 0) {
        unknown_metric(compile, option, name);
        return -1;
    }
    if (!check_measurement(compile, option, name))
        return -1;
    if (!counts_polls(metric))
        return metric;
    if (is_own_count(phu_snmp_metrics[metric].name))
        wrong(compile, option, "\"%s\" is counted by the agent itself", name);
    else
        wrong(compile, option,
              "\"%s\" counts the polls in one state; name its family and give the column words",
              name);
    return -1;
}

static void unknown_word(struct compile *compile, const char *option, const char *family,
                         const char *word)
{
    const char *own = strchr(family, '.') + 1;
    size_t length = strlen(own), used = 0;
    struct phu_guess guess = {.word = word};
    char known[256] = "it has ", text[160];

    used = strlen(known);
    for (int i = PHU_SNMP_BUILT_IN; i < PHU_SNMP_METRICS; i++) {
        const struct phu_metric *metric = &phu_snmp_metrics[i];
        size_t before = (size_t)(own - family) - 1;

        if (strlen(metric->measurement) != before ||
            strncmp(metric->measurement, family, before) != 0 ||
            strncmp(metric->name, own, length) != 0 || metric->name[length] != '_')
            continue;
        phu_guess_offer(&guess, metric->name + length + 1);
        if (used < sizeof known)
            used += (size_t)snprintf(known + used, sizeof known - used, "%s%s",
                                     used > 7 ? ", " : "", metric->name + length + 1);
    }
    wrong(compile, option, "\"%.40s\" is no word of \"%s\"; %s", word, family,
          guess.nearest ? advice(&guess, "", text) : known);
}

/* -- Columns that are referred to ------------------------------------------------------------- */

static int find_column(const struct phu_profile_table_conf *table, const char *name, size_t length)
{
    const struct phu_profile_column_conf *columns = table->columns.items;

    for (size_t i = 0; i < table->columns.count; i++) {
        if (strlen(columns[i].name) == length && strncmp(columns[i].name, name, length) == 0)
            return (int)i;
    }
    return -1;
}

static int take_column(struct compile *compile, const char *option, const char *name)
{
    const struct phu_profile_column_conf *columns = compile->table_conf->columns.items;
    int column = find_column(compile->table_conf, name, strlen(name));
    struct phu_guess guess = {.word = name};
    char text[160];

    if (column >= 0)
        return column;
    for (size_t i = 0; i < compile->table_conf->columns.count; i++)
        phu_guess_offer(&guess, columns[i].name);
    wrong(compile, option, "the table has no column \"%.40s\"; %s", name,
          advice(&guess, "name one of its columns", text));
    return -1;
}

/* -- Templates -------------------------------------------------------------------------------- */

static void check_template(struct compile *compile, const char *option, const char *pattern)
{
    const char *at = pattern;
    struct phu_template_piece piece;
    int result;

    while ((result = phu_template_next(&at, &piece)) > 0) {
        char name[64];

        if (piece.kind == PHU_TEMPLATE_COLUMN) {
            snprintf(name, sizeof name, "%.*s", (int)piece.length, piece.text);
            take_column(compile, option, name);
        } else if (piece.kind != PHU_TEMPLATE_LITERAL && compile->table->is_scalar) {
            wrong(compile, option,
                  "scalars have no index that \"%.40s\" could be made of; write "
                  "a fixed text",
                  pattern);
            return;
        }
    }
    if (result < 0)
        wrong(compile, option,
              "template \"%.80s\" is wrong at \"%.20s\"; write {1}, {2>>8&0xff}, {2..}, {text:1}, "
              "{ifname:1} or {COLUMN}",
              pattern, at);
}

/* -- Raw values ------------------------------------------------------------------------------- */

static const char *const *take_texts(struct compile *compile, const struct phu_strings *strings)
{
    const char **texts = phu_profile_take(compile->memory, strings->count + 1, sizeof *texts);

    for (size_t i = 0; i < strings->count; i++)
        texts[i] = phu_profile_take_text(compile->memory, strings->items[i]);
    return texts;
}

static const struct phu_profile_pattern *take_patterns(struct compile *compile,
                                                       const char *const *texts, size_t count)
{
    struct phu_profile_pattern *patterns =
        phu_profile_take(compile->memory, count, sizeof *patterns);

    for (size_t i = 0; i < count; i++)
        phu_profile_pattern_init(&patterns[i], texts[i]);
    return patterns;
}

static void take_words(struct compile *compile, const struct phu_profile_column_conf *conf,
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
            wrong(compile, option, "'*' stands for everything else; put it last");
        if (!column->family || !entry->value[0])
            continue;
        words[i].metric = phu_snmp_metric_word(column->family, entry->value);
        if (words[i].metric < 0 || !counts_polls(words[i].metric))
            unknown_word(compile, option, column->family, entry->value);
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

static void check_possible(struct compile *compile, const char *option, int column,
                           const char *word)
{
    const struct phu_profile_column_conf *conf = compile->table_conf->columns.items;
    struct phu_guess guess = {.word = word};
    char text[160];

    if (column >= 0 && !is_possible(&conf[column], word, &guess))
        wrong(compile, option, "column \"%s\" never is \"%.40s\"; %s", conf[column].name, word,
              advice(&guess, "write one of its words or raw values", text));
}

static void take_when(struct compile *compile, const struct phu_profile_column_conf *conf,
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
        other = take_column(compile, option, items[i].column);
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
            wrong(compile, option, "stands beside \"is\"; leave one of them out");
    }
    column->when = when;
    column->when_count = conf->when.count;
    plan->when = patterns;
}

/* -- Which metric ----------------------------------------------------------------------------- */

static void take_choices(struct compile *compile, const struct phu_profile_column_conf *conf,
                         struct phu_profile_column *column, struct phu_profile_plan *plan)
{
    const struct phu_map *is = &conf->metric_by.is;
    struct phu_profile_choice *choices =
        phu_profile_take(compile->memory, is->count, sizeof *choices);
    struct phu_profile_pattern *patterns =
        phu_profile_take(compile->memory, is->count, sizeof *patterns);

    if (!conf->metric_by.column[0]) {
        if (is->count)
            wrong(compile, "metric_by", "\"metric_by\" lacks \"column\", the one that chooses");
        return;
    }
    if (!is->count)
        wrong(compile, "metric_by", "\"metric_by\" lacks \"is\", the metric for each word");
    column->chooser = take_column(compile, "metric_by.column", conf->metric_by.column);
    for (size_t i = 0; i < is->count; i++) {
        char option[48];

        snprintf(option, sizeof option, "metric_by.is[%zu]", i);
        choices[i].word = phu_profile_take_text(compile->memory, is->items[i].key);
        phu_profile_pattern_init(&patterns[i], choices[i].word);
        check_possible(compile, option, column->chooser, is->items[i].key);
        choices[i].metric = -1;
        if (!is->items[i].value[0])
            continue;
        choices[i].metric = take_metric(compile, option, is->items[i].value);
        if (choices[i].metric >= 0 && phu_snmp_metrics[choices[i].metric].kind != PHU_METRIC_SPREAD)
            wrong(compile, option, "\"%s\" is no number with a range; a chosen metric must be one",
                  is->items[i].value);
    }
    column->choices = choices;
    column->choice_count = is->count;
    plan->choices = patterns;
}

static void take_family(struct compile *compile, const struct phu_profile_column_conf *conf,
                        struct phu_profile_column *column)
{
    if (!check_measurement(compile, "metric", conf->metric))
        return;
    column->family = phu_profile_take_text(compile->memory, conf->metric);
    if (!conf->words.count)
        wrong(compile, "metric", "\"%s\" is a family of states; give the column words",
              conf->metric);
}

static void take_own_metric(struct compile *compile, const struct phu_profile_column_conf *conf,
                            struct phu_profile_column *column)
{
    enum phu_metric_kind kind;

    if (phu_snmp_metric_find(conf->metric) < 0 && phu_snmp_metric_is_family(conf->metric)) {
        take_family(compile, conf, column);
        return;
    }
    column->metric = take_metric(compile, "metric", conf->metric);
    if (column->metric < 0)
        return;
    kind = phu_snmp_metrics[column->metric].kind;
    column->is_counter = kind == PHU_METRIC_COUNT;
    column->is_text = kind == PHU_METRIC_LATEST;
    if (conf->words.count && !column->is_text)
        wrong(compile, "metric",
              "\"%s\" is a number, which words cannot feed; name a family of "
              "states, or leave out the words",
              conf->metric);
}

/* What the column reports, and whether that goes with what it is for. */
static void take_purpose(struct compile *compile, const struct phu_profile_column_conf *conf,
                         struct phu_profile_column *column, struct phu_profile_plan *plan)
{
    bool is_chosen = conf->metric_by.column[0] != '\0';

    if (conf->metric[0])
        take_own_metric(compile, conf, column);
    take_choices(compile, conf, column, plan);
    if (conf->metric[0] && is_chosen)
        wrong(compile, "metric_by", "\"metric\" and \"metric_by\" exclude each other");
    if (is_chosen && conf->words.count)
        wrong(compile, "metric_by", "a chosen metric is a number, which words cannot feed");
    if (conf->use == PHU_USE_VALUE && !conf->metric[0] && !is_chosen)
        wrong(compile, "",
              "column \"%.40s\" feeds nothing; give it a \"metric\", or \"use: help\" "
              "if others read it",
              conf->name);
    if (conf->use == PHU_USE_HELP && (conf->metric[0] || is_chosen))
        wrong(compile, "use", "a column with a metric is more than help; leave out one of them");
    if ((conf->use == PHU_USE_DESCRIPTION || conf->use == PHU_USE_SERIAL) &&
        (is_chosen || column->family || (column->metric >= 0 && !column->is_text)))
        wrong(compile, "metric", "a description or serial number is a text; \"%.80s\" is not",
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

static void take_range(struct compile *compile, const struct phu_profile_column_conf *conf,
                       struct phu_profile_column *column)
{
    column->min = -HUGE_VAL;
    column->max = HUGE_VAL;
    if (!conf->range.count)
        return;
    if (conf->range.count != 2 || !read_bound(conf->range.items[0], &column->min) ||
        !read_bound(conf->range.items[1], &column->max))
        wrong(compile, "range", "\"range\" must be two numbers, such as [-50, 10]");
    else if (column->min > column->max)
        wrong(compile, "range", "\"range\" is upside down; write [%s, %s]", conf->range.items[1],
              conf->range.items[0]);
}

static void take_scales(struct compile *compile, const struct phu_profile_column_conf *conf,
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
        wrong(compile, "scale", "\"scale: 0\" makes every value the same");
    if (conf->or_scale != 0 && !conf->range.count)
        wrong(compile, "or_scale",
              "\"or_scale\" needs a \"range\" that tells which scale is right");
    if (conf->si_scale[0])
        column->si_scale = take_column(compile, "si_scale", conf->si_scale);
    if (conf->decimals[0])
        column->decimals = take_column(compile, "decimals", conf->decimals);
}

static bool has_arithmetic(const struct phu_profile_column_conf *conf)
{
    return conf->scale != 1 || conf->offset != 0 || conf->or_scale != 0 || conf->convert ||
           conf->range.count || conf->share_of.count || conf->si_scale[0] || conf->decimals[0];
}

/* Keys that would be without effect. */
static void check_idle(struct compile *compile, const struct phu_profile_column_conf *conf,
                       const struct phu_profile_column *column)
{
    bool is_own_text = conf->use == PHU_USE_DESCRIPTION || conf->use == PHU_USE_SERIAL;

    if (column->is_counter &&
        (has_arithmetic(conf) || conf->mask || (conf->bits && column->bits != 32)))
        wrong(compile, "metric",
              "\"%s\" takes what a counter has grown by; leave out scale, offset, or_scale, "
              "share_of, mask, bits but 32, convert, range, si_scale and decimals",
              conf->metric);
    else if (conf->words.count && has_arithmetic(conf))
        wrong(compile, "words",
              "words stand for raw values; leave out scale, offset, or_scale, "
              "share_of, convert, range, si_scale and decimals");
    else if (is_own_text && (has_arithmetic(conf) || conf->bits || conf->mask || conf->words.count))
        wrong(compile, "use",
              "a description or serial number is taken as it is; leave out words "
              "and arithmetic");
    if (column->convert == PHU_CONVERT_HMS_TO_S && conf->bits)
        wrong(compile, "bits", "hh:mm:ss is a text, which has no bits");
}

static const regex_t *take_expression(struct compile *compile, const char *option,
                                      const char *expression)
{
    char why[128];
    const regex_t *regex;

    if (!expression[0])
        return NULL;
    regex = phu_profile_take_regex(compile->memory, expression, why, sizeof why);
    if (!regex)
        wrong(compile, option, "\"%.80s\" is no POSIX extended expression: %s", expression, why);
    return regex;
}

/* -- Columns ---------------------------------------------------------------------------------- */

/* Where its cell comes from. */
static void take_source(struct compile *compile, const struct phu_profile_column_conf *conf,
                        struct phu_profile_column *column)
{
    const struct phu_profile_column_conf *columns = compile->table_conf->columns.items;

    if (!conf->oid[0] == !conf->of[0]) {
        wrong(compile, conf->of[0] ? "of" : "",
              conf->of[0] ? "\"oid\" and \"of\" exclude each other"
                          : "column \"%.40s\" lacks \"oid\", or \"of\" with another column",
              conf->name);
        return;
    }
    if (conf->of[0]) {
        column->of = take_column(compile, "of", conf->of);
        if (column->of >= 0 && columns[column->of].of[0])
            wrong(compile, "of", "\"%.40s\" itself reads another column; name that one", conf->of);
        return;
    }
    take_oid(compile, "oid", conf->oid, &column->oid);
    if (compile->table->is_scalar && column->oid.length &&
        column->oid.part[column->oid.length - 1] == 0)
        wrong(compile, "oid", "write a scalar without its final .0");
}

static void take_shares(struct compile *compile, const struct phu_profile_column_conf *conf,
                        struct phu_profile_column *column)
{
    unsigned *columns = phu_profile_take(compile->memory, conf->share_of.count, sizeof *columns);

    for (size_t i = 0; i < conf->share_of.count; i++) {
        char option[32];
        int other;

        snprintf(option, sizeof option, "share_of[%zu]", i);
        other = take_column(compile, option, conf->share_of.items[i]);
        columns[i] = other < 0 ? 0 : (unsigned)other;
    }
    column->share_of = columns;
    column->share_count = conf->share_of.count;
}

static void compile_column(struct compile *compile, const struct phu_profile_column_conf *conf,
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
    if (!is_word(conf->name))
        wrong(compile, "name", "column \"%.40s\" must be small letters, digits and _", conf->name);
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
    plan->extract = take_expression(compile, "extract", conf->extract);
    if (plan->extract && plan->extract->re_nsub < 1)
        wrong(compile, "extract", "\"%.80s\" needs a group in parentheses: what is to be taken",
              conf->extract);
}

/* -- Roll-ups --------------------------------------------------------------------------------- */

static void check_counted(struct compile *compile, const char *option,
                          const struct phu_profile_column_conf *column, const char *family)
{
    if (!strchr(family, '.') || phu_snmp_metric_word(family, "total") < 0) {
        wrong(compile, option, "\"%.80s\" cannot count words; write a family such as pon.onus",
              family);
        return;
    }
    for (size_t i = 0; i < column->words.count; i++) {
        const char *word = column->words.items[i].value;

        if (word[0] && phu_snmp_metric_word(family, word) < 0)
            unknown_word(compile, option, family, word);
    }
}

static void take_sum(struct compile *compile, const struct phu_profile_sum_conf *conf, size_t at,
                     struct phu_profile_sum *sum)
{
    const struct phu_profile_column_conf *columns = compile->table_conf->columns.items;
    char place[64], to[64];
    int column;

    sum->metric = -1;
    snprintf(place, sizeof place, "rollup.sums[%zu].column", at);
    snprintf(to, sizeof to, "rollup.sums[%zu].to", at);
    column = take_column(compile, place, conf->column);
    if (column < 0)
        return;
    sum->column = (unsigned)column;
    if (!columns[column].metric[0] && !columns[column].metric_by.column[0]) {
        wrong(compile, place, "column \"%s\" has no \"metric\"; only what is measured adds up",
              conf->column);
        return;
    }
    if (columns[column].words.count) {
        sum->family = phu_profile_take_text(compile->memory, conf->to);
        check_counted(compile, to, &columns[column], conf->to);
        return;
    }
    sum->metric = phu_snmp_metric_find(conf->to);
    if (sum->metric < 0 && phu_snmp_metric_is_family(conf->to))
        wrong(compile, to,
              "\"%s\" is a family of states, and column \"%s\" has no words; name a metric such as "
              "pon.onu_rx_dbm",
              conf->to, conf->column);
    else if (sum->metric < 0)
        unknown_metric(compile, to, conf->to);
    else if (phu_snmp_metrics[sum->metric].kind != PHU_METRIC_SPREAD)
        wrong(compile, to, "\"%s\" is no number with a range, which is what adds up", conf->to);
}

/* The rows take their tag of the measurement that is added up in. */
static void check_rollup_tag(struct compile *compile, const struct phu_profile_rollup_conf *conf)
{
    const struct phu_profile_sum_conf *sums = conf->sums.items;

    for (size_t i = 0; i < PHU_SNMP_ROW_KINDS; i++) {
        const char *measurement = phu_snmp_row_kinds[i].measurement;
        size_t length = strlen(measurement), used = 0;

        for (size_t j = 0; j < conf->sums.count; j++)
            used += strncmp(sums[j].to, measurement, length) == 0 && sums[j].to[length] == '.';
        if (used)
            check_tag(compile, "rollup.tag", measurement, conf->tag);
    }
}

static void compile_rollup(struct compile *compile, const struct phu_profile_rollup_conf *conf,
                           struct phu_profile_rollup *rollup)
{
    const struct phu_profile_sum_conf *items = conf->sums.items;
    struct phu_profile_sum *sums;

    if (!conf->tag[0] && !conf->row[0] && !conf->sums.count)
        return;
    if (!conf->tag[0] || !conf->row[0] || !conf->sums.count) {
        wrong(compile, "rollup", "\"rollup\" lacks \"%s\"; it needs tag, row and sums",
              !conf->tag[0]  ? "tag"
              : conf->row[0] ? "sums"
                             : "row");
        return;
    }
    if (compile->table->is_scalar)
        wrong(compile, "rollup", "scalars are one row; there is nothing to add up");
    check_template(compile, "rollup.row", conf->row);
    sums = phu_profile_take(compile->memory, conf->sums.count, sizeof *sums);
    for (size_t i = 0; i < conf->sums.count; i++)
        take_sum(compile, &items[i], i, &sums[i]);
    check_rollup_tag(compile, conf);
    rollup->tag = phu_profile_take_text(compile->memory, conf->tag);
    rollup->name = phu_profile_take_text(compile->memory, conf->row);
    rollup->sums = sums;
    rollup->sum_count = conf->sums.count;
}

/* -- Tables ----------------------------------------------------------------------------------- */

static void take_every(struct compile *compile, const char *every, struct phu_profile_table *table)
{
    if (strcmp(every, "fast") == 0)
        table->lane = PHU_LANE_FAST;
    else if (strcmp(every, "slow") == 0)
        table->lane = PHU_LANE_SLOW;
    else if (strcmp(every, "static") == 0)
        table->lane = PHU_LANE_STATIC;
    else if (phu_conf_parse_duration(every, &table->every_ns) != 0)
        wrong(compile, "every",
              "\"every\" is \"%.40s\", it must be fast, slow, static, or a "
              "duration such as 5m",
              every);
    else if (table->every_ns < EVERY_MIN || table->every_ns > EVERY_MAX)
        wrong(compile, "every", "\"every\" is %s, outside its range of 1s to 7d", every);
}

static void take_identity(struct compile *compile, const struct phu_profile_table_conf *conf,
                          struct phu_profile_table *table)
{
    bool is_device = strcmp(table->measurement, "device") == 0;

    if (conf->tag[0] && !is_device)
        check_tag(compile, "tag", table->measurement, conf->tag);
    if (conf->tag[0] && is_device)
        wrong(compile, "tag",
              "measurement device is the device itself, which has no rows; leave "
              "out the tag");
    if (!conf->tag[0] && !is_device && !table->is_scalar)
        wrong(compile, "",
              "table \"%.40s\" lacks \"tag\", what its rows are called, such as onu; "
              "or \"scalars: true\"",
              conf->name);
    if (conf->row[0] && !conf->tag[0])
        wrong(compile, "row", "without \"tag\" there are no rows to name; leave out \"row\"");
    if (conf->tag[0] && table->is_scalar && !conf->row[0])
        wrong(compile, "tag", "scalars with a tag need \"row\", the name of their one row");
    check_template(compile, "row", conf->row);
    table->tag = conf->tag[0] ? phu_profile_take_text(compile->memory, conf->tag) : NULL;
    table->row = "";
    if (conf->tag[0])
        table->row = conf->row[0] ? phu_profile_take_text(compile->memory, conf->row) : "{1..}";
}

static void take_polls(struct phu_profile_table *table)
{
    char name[64];

    snprintf(name, sizeof name, "%s.polls", table->measurement);
    table->polls_metric = phu_snmp_metric_find(name);
}

static void compile_table(struct compile *compile, const struct phu_profile_table_conf *conf,
                          struct phu_profile_table *table)
{
    const struct phu_profile_column_conf *items = conf->columns.items;
    char place[PLACE];

    compile->table = table;
    compile->table_conf = conf;
    *table = (struct phu_profile_table){
        .name = phu_profile_take_text(compile->memory, conf->name),
        .measurement = phu_profile_measurements[conf->measurement],
        .is_scalar = conf->is_scalar,
        .emit = (enum phu_profile_emit)conf->emit,
        .column_count = (unsigned)conf->columns.count,
        .columns = phu_profile_take(compile->memory, conf->columns.count, sizeof *table->columns),
    };
    if (!consists_of(conf->name, SMALL DIGITS "_-", 40))
        wrong(compile, "name", "table \"%.40s\" must be small letters, digits, _ and -",
              conf->name);
    if (!conf->columns.count)
        wrong(compile, "columns", "table \"%.40s\" has no columns", conf->name);
    take_every(compile, conf->every, table);
    take_identity(compile, conf, table);
    take_polls(table);
    compile_rollup(compile, &conf->rollup, &table->rollup);
    snprintf(place, sizeof place, "%s", compile->place);
    for (size_t i = 0; i < conf->columns.count; i++) {
        snprintf(compile->place, sizeof compile->place, "%.60scolumns[%zu].", place, i);
        compile_column(compile, &items[i], &table->columns[i]);
    }
    snprintf(compile->place, sizeof compile->place, "%s", place);
}

/* -- The whole -------------------------------------------------------------------------------- */

static void compile_match(struct compile *compile, const struct phu_profile_match_conf *conf,
                          struct phu_profile_match *match)
{
    if (!conf->sys_object_id[0] && !conf->sys_descr[0] && !conf->has[0])
        wrong(compile, "", "this entry fits every device; give it sys_object_id, sys_descr or has");
    if (conf->sys_object_id[0])
        take_oid(compile, "sys_object_id", conf->sys_object_id, &match->sys_object_id);
    if (conf->has[0])
        take_oid(compile, "has", conf->has, &match->has);
    if (conf->sys_descr[0])
        match->sys_descr = phu_profile_take_text(compile->memory, conf->sys_descr);
    match->expression = take_expression(compile, "sys_descr", conf->sys_descr);
}

static void compile_matches(struct compile *compile, const struct phu_profile_conf *conf,
                            struct phu_profile_entry *entry)
{
    const struct phu_profile_match_conf *items = conf->match.items;
    struct phu_profile_match *matches =
        phu_profile_take(compile->memory, conf->match.count, sizeof *matches);

    for (size_t i = 0; i < conf->match.count; i++) {
        snprintf(compile->place, sizeof compile->place, "match[%zu].", i);
        compile_match(compile, &items[i], &matches[i]);
    }
    compile->place[0] = '\0';
    if (conf->match.count && strcmp(conf->name, PHU_PROFILE_GENERIC) == 0)
        wrong(compile, "match",
              "the profile \"generic\" fits what no other fits; leave out "
              "\"match\"");
    entry->matches = matches;
    entry->match_count = conf->match.count;
}

static void compile_care(struct compile *compile, const struct phu_profile_care_conf *conf,
                         struct phu_profile_care *care)
{
    care->pdus_per_second = conf->pdus_per_second;
    care->max_repetitions = (unsigned)conf->max_repetitions;
    care->cpu_limit = conf->cpu.limit;
    if (conf->cpu.oid[0])
        take_oid(compile, "care.cpu.oid", conf->cpu.oid, &care->cpu);
    else if (conf->cpu.limit != 0)
        wrong(compile, "care.cpu",
              "\"limit\" needs \"oid\", where the device tells how busy it is");
}

size_t phu_profile_compile(const struct phu_profile_conf *conf,
                           const struct phu_conf_source *source, struct phu_diags *diags,
                           struct phu_profile_memory *memory, struct phu_profile_entry *entry)
{
    struct compile compile = {.source = source, .diags = diags, .memory = memory};
    const struct phu_profile_table_conf *items = conf->tables.items;
    struct phu_profile_table *tables = phu_profile_take(memory, conf->tables.count, sizeof *tables);

    entry->profile.name = phu_profile_take_text(memory, conf->name);
    entry->profile.summary = phu_profile_take_text(memory, conf->summary);
    entry->profile.has_interfaces = conf->has_interfaces;
    entry->profile.tables = tables;
    entry->profile.table_count = conf->tables.count;
    if (!consists_of(conf->name, SMALL "ABCDEFGHIJKLMNOPQRSTUVWXYZ" DIGITS "-", 64))
        wrong(&compile, "name", "profile \"%.80s\" must be letters, digits and hyphens, at most 64",
              conf->name);
    compile_matches(&compile, conf, entry);
    compile_care(&compile, &conf->care, &entry->profile.care);
    for (size_t i = 0; i < conf->tables.count; i++) {
        snprintf(compile.place, sizeof compile.place, "tables[%zu].", i);
        compile_table(&compile, &items[i], &tables[i]);
    }
    return compile.mistakes;
}
