/* What a profile refers to: object identifiers, metrics and words of the catalogue, columns, rows'
 * names. Whatever is not there is told with what may have been meant.
 */
#include "profile_compile.h"

#include "conf_file.h"

#include "phusong/err.h"
#include "phusong/text.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void phu_compile_wrong(struct phu_compile *compile, const char *option, const char *format, ...)
{
    char message[512], place[PHU_COMPILE_PLACE + 64];
    va_list args;

    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    snprintf(place, sizeof place, "%s%s", compile->place, option);
    phu_conf_source_mistake(compile->source, compile->diags, place, "%s", message);
    compile->mistakes++;
}

const char *phu_compile_advice(const struct phu_guess *guess, const char *otherwise,
                               char text[PHU_COMPILE_ADVICE])
{
    if (guess->nearest)
        snprintf(text, PHU_COMPILE_ADVICE, "did you mean \"%s\"?", guess->nearest);
    else
        snprintf(text, PHU_COMPILE_ADVICE, "%s", otherwise);
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

void phu_compile_oid(struct phu_compile *compile, const char *option, const char *text,
                     struct phu_oid *oid)
{
    const char *why = read_oid(text, oid);

    if (why)
        phu_compile_wrong(compile, option, "\"%.80s\" is no object identifier; %s", text, why);
}

/* -- Names ------------------------------------------------------------------------------------ */

bool phu_compile_consists_of(const char *text, const char *bytes, size_t most)
{
    size_t length = strlen(text);

    return length > 0 && length <= most && strspn(text, bytes) == length;
}

bool phu_compile_is_word(const char *text)
{
    return phu_compile_consists_of(text, PHU_COMPILE_SMALL PHU_COMPILE_DIGITS "_", 40) &&
           (text[0] < '0' || text[0] > '9');
}

void phu_compile_tag(struct phu_compile *compile, const char *option, const char *measurement,
                     const char *tag)
{
    if (phu_snmp_row_tag_is_known(measurement, tag))
        return;
    for (size_t i = 0; i < PHU_SNMP_ROW_KINDS; i++) {
        if (strcmp(phu_snmp_row_kinds[i].measurement, measurement) != 0)
            continue;
        phu_compile_wrong(compile, option, "rows of %s are not called \"%.40s\"; write one of %s",
                          measurement, tag, phu_snmp_row_kinds[i].tags);
    }
}

/* -- Metrics ---------------------------------------------------------------------------------- */

static void write_metric(int metric, char *text, size_t size)
{
    snprintf(text, size, "%s.%s", phu_snmp_metrics[metric].measurement,
             phu_snmp_metrics[metric].name);
}

bool phu_compile_counts_polls(int metric)
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
    end = phu_compile_counts_polls(metric) ? strchr(name, '_') : NULL;
    if (end)
        *end = '\0';
    if (end || !phu_compile_counts_polls(metric))
        offer(guess, nearest, name);
}

void phu_compile_unknown_metric(struct phu_compile *compile, const char *option, const char *name)
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
    phu_compile_wrong(compile, option, "unknown metric \"%.80s\"; %s", name,
                      phu_compile_advice(&guess, "docs/metrics.md lists them", text));
}

bool phu_compile_measurement(struct phu_compile *compile, const char *option, const char *name)
{
    const char *measurement = compile->table->measurement;
    size_t length = strlen(measurement);

    if (strncmp(name, measurement, length) == 0 && name[length] == '.')
        return true;
    phu_compile_wrong(
        compile, option,
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

int phu_compile_metric(struct phu_compile *compile, const char *option, const char *name)
{
    int metric = phu_snmp_metric_find(name);

    if (metric < 0) {
        phu_compile_unknown_metric(compile, option, name);
        return -1;
    }
    if (!phu_compile_measurement(compile, option, name))
        return -1;
    if (!phu_compile_counts_polls(metric))
        return metric;
    if (is_own_count(phu_snmp_metrics[metric].name))
        phu_compile_wrong(compile, option, "\"%s\" is counted by the agent itself", name);
    else
        phu_compile_wrong(
            compile, option,
            "\"%s\" counts the polls in one state; name its family and give the column words",
            name);
    return -1;
}

void phu_compile_unknown_word(struct phu_compile *compile, const char *option, const char *family,
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
    phu_compile_wrong(compile, option, "\"%.40s\" is no word of \"%s\"; %s", word, family,
                      guess.nearest ? phu_compile_advice(&guess, "", text) : known);
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

int phu_compile_find_column(struct phu_compile *compile, const char *option, const char *name)
{
    const struct phu_profile_column_conf *columns = compile->table_conf->columns.items;
    int column = find_column(compile->table_conf, name, strlen(name));
    struct phu_guess guess = {.word = name};
    char text[PHU_COMPILE_ADVICE];

    if (column >= 0)
        return column;
    for (size_t i = 0; i < compile->table_conf->columns.count; i++)
        phu_guess_offer(&guess, columns[i].name);
    phu_compile_wrong(compile, option, "the table has no column \"%.40s\"; %s", name,
                      phu_compile_advice(&guess, "name one of its columns", text));
    return -1;
}

/* -- Templates -------------------------------------------------------------------------------- */

void phu_compile_template(struct phu_compile *compile, const char *option, const char *pattern)
{
    const char *at = pattern;
    struct phu_template_piece piece;
    int result;

    while ((result = phu_template_next(&at, &piece)) > 0) {
        char name[64];

        if (piece.kind == PHU_TEMPLATE_COLUMN) {
            snprintf(name, sizeof name, "%.*s", (int)piece.length, piece.text);
            phu_compile_find_column(compile, option, name);
        } else if (piece.kind != PHU_TEMPLATE_LITERAL && compile->table->is_scalar) {
            phu_compile_wrong(compile, option,
                              "scalars have no index that \"%.40s\" could be made of; write "
                              "a fixed text",
                              pattern);
            return;
        }
    }
    if (result < 0)
        phu_compile_wrong(
            compile, option,
            "template \"%.80s\" is wrong at \"%.20s\"; write {1}, {2>>8&0xff}, {2..}, {text:1}, "
            "{ifname:1} or {COLUMN}",
            pattern, at);
}

/* -- Expressions ------------------------------------------------------------------------------ */

const regex_t *phu_compile_expression(struct phu_compile *compile, const char *option,
                                      const char *expression)
{
    char why[128];
    const regex_t *regex;

    if (!expression[0])
        return NULL;
    regex = phu_profile_take_regex(compile->memory, expression, why, sizeof why);
    if (!regex)
        phu_compile_wrong(compile, option, "\"%.80s\" is no POSIX extended expression: %s",
                          expression, why);
    return regex;
}
