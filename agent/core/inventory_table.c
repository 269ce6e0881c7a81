/* Rows of one file. Dates are counted with the proleptic Gregorian calendar, in days, so that
 * nothing here depends on a time zone.
 */
#include "inventory_table.h"

#include "inventory_strings.h"

#include "phusong/conf.h"
#include "phusong/err.h"
#include "phusong/text.h"
#include "phusong/time.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TEXT_BYTES = PHU_CSV_FIELD_BYTES_MAX * 3 + 1, HOST_MAX = 253, LABEL_MAX = 63 };

/* -- Mistakes --------------------------------------------------------------------------------- */

__attribute__((format(printf, 5, 0))) static void report(struct phu_inventory_table *table,
                                                         unsigned line, unsigned column,
                                                         const char *name, const char *format,
                                                         va_list args)
{
    char message[1024];

    vsnprintf(message, sizeof message, format, args);
    table->mistakes++;
    phu_diags_add(table->diags, table->path, line, column, "%s%s%s", name, name[0] ? ": " : "",
                  message);
}

void phu_table_mistake_at(struct phu_inventory_table *table, unsigned line, unsigned column,
                          const char *format, ...)
{
    va_list args;

    va_start(args, format);
    report(table, line, column, "", format, args);
    va_end(args);
}

static const struct phu_csv_field *field_at(const struct phu_inventory_table *table, size_t column)
{
    return table->field_of[column] < 0 ? NULL : &table->csv.fields[table->field_of[column]];
}

unsigned phu_table_line(const struct phu_inventory_table *table)
{
    return table->csv.fields[0].line;
}

unsigned phu_table_column(const struct phu_inventory_table *table, size_t column)
{
    const struct phu_csv_field *field = field_at(table, column);

    return field ? field->column : 1;
}

void phu_table_mistake(struct phu_inventory_table *table, size_t column, const char *format, ...)
{
    const struct phu_csv_field *field = field_at(table, column);
    va_list args;

    va_start(args, format);
    report(table, field ? field->line : phu_table_line(table), field ? field->column : 1,
           table->columns[column].name, format, args);
    va_end(args);
}

/* -- Header ----------------------------------------------------------------------------------- */

static char *trim(char *text, size_t length)
{
    while (length > 0 && (text[length - 1] == ' ' || text[length - 1] == '\t'))
        text[--length] = '\0';
    return text + strspn(text, " \t");
}

/* What was probably meant is then taken for it, so that nothing else follows from the slip. */
static void say_unknown_column(struct phu_inventory_table *table, size_t index, const char *name)
{
    const struct phu_csv_field *field = &table->csv.fields[index];
    struct phu_guess guess = {.word = name};
    char known[512] = "";

    for (size_t i = 0; i < table->column_count; i++) {
        size_t used = strlen(known);

        phu_guess_offer(&guess, table->columns[i].name);
        snprintf(known + used, sizeof known - used, "%s%s", i ? ", " : "", table->columns[i].name);
    }
    if (!name[0])
        phu_table_mistake_at(table, field->line, field->column,
                             "a column without a name; remove it");
    else if (guess.nearest)
        phu_table_mistake_at(table, field->line, field->column,
                             "unknown column \"%.80s\"; did you mean \"%s\"?", name, guess.nearest);
    else
        phu_table_mistake_at(table, field->line, field->column,
                             "unknown column \"%.80s\"; known are %s", name, known);
    for (size_t i = 0; i < table->column_count && guess.nearest; i++) {
        if (table->columns[i].name == guess.nearest && table->field_of[i] < 0)
            table->field_of[i] = (int)index;
    }
}

static void take_column(struct phu_inventory_table *table, size_t index)
{
    const struct phu_csv_field *field = &table->csv.fields[index];
    const char *name = trim(field->text, field->length);
    size_t column = 0;

    while (column < table->column_count && strcmp(table->columns[column].name, name) != 0)
        column++;
    if (column == table->column_count)
        say_unknown_column(table, index, name);
    else if (table->field_of[column] >= 0)
        phu_table_mistake_at(table, field->line, field->column,
                             "column \"%s\" is there twice; remove one of them", name);
    else
        table->field_of[column] = (int)index;
}

int phu_table_open(struct phu_inventory_table *table, char *text, size_t length)
{
    int result;

    for (size_t i = 0; i < PHU_COLUMNS_MAX; i++)
        table->field_of[i] = -1;
    phu_csv_open(&table->csv, text, length);
    result = phu_csv_next(&table->csv);
    if (result < 0)
        phu_table_mistake_at(table, table->csv.problem_line, table->csv.problem_column, "%s",
                             table->csv.problem);
    else if (result == 0)
        phu_table_mistake_at(table, 0, 0, "is empty; the first line must name the columns");
    if (result <= 0)
        return -EINVAL;
    table->header_fields = table->csv.field_count;
    for (size_t i = 0; i < table->csv.field_count; i++)
        take_column(table, i);
    result = 0;
    for (size_t i = 0; i < table->column_count; i++) {
        if (!table->columns[i].is_required || table->field_of[i] >= 0)
            continue;
        phu_table_mistake_at(table, phu_table_line(table), 1,
                             "column \"%s\" is missing; it is required", table->columns[i].name);
        result = -EINVAL;
    }
    return result;
}

/* -- Rows ------------------------------------------------------------------------------------- */

/* A row of nothing but separators, as spreadsheets leave them behind. */
static bool is_blank(const struct phu_csv *csv)
{
    for (size_t i = 0; i < csv->field_count; i++) {
        if (csv->fields[i].length)
            return false;
    }
    return true;
}

bool phu_table_next(struct phu_inventory_table *table)
{
    struct phu_csv *csv = &table->csv;
    int result;

    while ((result = phu_csv_next(csv)) != 0) {
        if (result < 0) {
            phu_table_mistake_at(table, csv->problem_line, csv->problem_column, "%s", csv->problem);
            continue;
        }
        if (is_blank(csv))
            continue;
        if (csv->field_count == table->header_fields)
            return true;
        phu_table_mistake_at(table, csv->fields[0].line, 1,
                             "%zu fields, but the header has %zu; is a separator or a quote "
                             "missing?",
                             csv->field_count, table->header_fields);
    }
    return false;
}

/* -- Fields ----------------------------------------------------------------------------------- */

const char *phu_table_field(struct phu_inventory_table *table, size_t column)
{
    const struct phu_csv_field *field = field_at(table, column);
    const char *text;

    if (!field)
        return "";
    text = trim(field->text, field->length);
    if (!text[0] && table->columns[column].is_required)
        phu_table_mistake(table, column, "is empty; a value is required");
    return text;
}

static bool has_control(const char *text)
{
    for (; *text; text++) {
        if ((unsigned char)*text < 0x20 || *text == 0x7f)
            return true;
    }
    return false;
}

uint32_t phu_table_text(struct phu_inventory_table *table, size_t column, size_t most)
{
    const char *text = phu_table_field(table, column);
    char composed[TEXT_BYTES];
    int length;

    if (has_control(text)) {
        phu_table_mistake(table, column, "holds a line break or another control character");
        return 0;
    }
    length = phu_text_nfc(text, strlen(text), composed, sizeof composed);
    if (length < 0) {
        phu_table_mistake(table, column, "cannot be brought into composed form (NFC)");
        return 0;
    }
    if (phu_text_characters(composed, (size_t)length) > most) {
        phu_table_mistake(table, column, "is longer than %zu characters", most);
        return 0;
    }
    return phu_strings_pool_intern(table->strings, composed, (size_t)length);
}

uint32_t phu_table_id(struct phu_inventory_table *table, size_t column)
{
    const char *text = phu_table_field(table, column);

    if (!text[0])
        return 0;
    if (!phu_text_is_id(text)) {
        phu_table_mistake(table, column,
                          "\"%.80s\" must be 1 to %d letters, digits or . _ : - without accents "
                          "and spaces",
                          text, PHU_TEXT_ID_MAX);
        return 0;
    }
    return phu_strings_pool_intern(table->strings, text, strlen(text));
}

static bool is_host_name(const char *text)
{
    size_t length = strlen(text);

    if (length > HOST_MAX)
        return false;
    while (*text) {
        size_t label = strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                    "0123456789-_");

        if (label == 0 || label > LABEL_MAX || text[0] == '-' || text[label - 1] == '-')
            return false;
        text += label;
        if (*text == '.')
            text++;
        else if (*text)
            return false;
    }
    return true;
}

static bool is_ipv6(const char *text)
{
    char bare[INET6_ADDRSTRLEN];
    struct in6_addr unused;
    size_t length = strcspn(text, "%");

    if (length >= sizeof bare || (text[length] == '%' && !text[length + 1]))
        return false;
    memcpy(bare, text, length);
    bare[length] = '\0';
    return inet_pton(AF_INET6, bare, &unused) == 1;
}

static const char *why_no_address(const char *text)
{
    struct in_addr unused;

    if (strstr(text, "://") || strchr(text, '/'))
        return "give the host alone, without http:// and path";
    if (text[strspn(text, "0123456789.")] == '\0')
        return inet_pton(AF_INET, text, &unused) == 1 ? NULL
                                                      : "an IPv4 address is four numbers up to "
                                                        "255, such as 10.27.3.1";
    if (strchr(text, ':'))
        return is_ipv6(text) ? NULL
                             : "not an IPv6 address; a port belongs into the column checks, as "
                               "tcp:443";
    return is_host_name(text) ? NULL : "neither an IPv4 or IPv6 address nor a host name";
}

uint32_t phu_table_address(struct phu_inventory_table *table, size_t column)
{
    const char *text = phu_table_field(table, column), *why;

    if (!text[0])
        return 0;
    why = why_no_address(text);
    if (why) {
        phu_table_mistake(table, column, "\"%.80s\" is no address: %s", text, why);
        return 0;
    }
    return phu_strings_pool_intern(table->strings, text, strlen(text));
}

/* -- Dates ------------------------------------------------------------------------------------ */

/* Days from 1970-01-01; months count from March, so that a leap day ends its year. */
static int32_t days_from_civil(int year, int month, int day)
{
    int shifted = year - (month <= 2);
    int era = shifted / 400;
    int year_of_era = shifted - era * 400;
    int day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    int day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;

    return era * 146097 + day_of_era - 719468;
}

void phu_day_format(int32_t day, char buffer[PHU_DAY_TEXT])
{
    int shifted = day + 719468;
    int era = (shifted >= 0 ? shifted : shifted - 146096) / 146097;
    int day_of_era = shifted - era * 146097;
    int year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int month_from_march = (5 * day_of_year + 2) / 153;
    int month = month_from_march + (month_from_march < 10 ? 3 : -9);

    snprintf(buffer, PHU_DAY_TEXT, "%04d-%02d-%02d", year_of_era + era * 400 + (month <= 2), month,
             day_of_year - (153 * month_from_march + 2) / 5 + 1);
}

static int digits(const char *text, size_t count)
{
    int value = 0;

    for (size_t i = 0; i < count; i++) {
        if (text[i] < '0' || text[i] > '9')
            return -1;
        value = value * 10 + (text[i] - '0');
    }
    return value;
}

static bool parse_day(const char *text, int32_t *day)
{
    char again[PHU_DAY_TEXT];
    int year, month, day_of_month;

    if (strlen(text) != 10 || text[4] != '-' || text[7] != '-')
        return false;
    year = digits(text, 4);
    month = digits(text + 5, 2);
    day_of_month = digits(text + 8, 2);
    if (year < 1900 || month < 1 || month > 12 || day_of_month < 1)
        return false;
    *day = days_from_civil(year, month, day_of_month);
    phu_day_format(*day, again);
    return strcmp(again, text) == 0; /* 2025-02-30 comes back as 2025-03-02 */
}

int32_t phu_table_date(struct phu_inventory_table *table, size_t column, int32_t open)
{
    const char *text = phu_table_field(table, column);
    int32_t day;

    if (!text[0])
        return open;
    if (parse_day(text, &day))
        return day;
    phu_table_mistake(table, column,
                      "\"%.40s\" is no date; write year-month-day, such as "
                      "2025-07-01",
                      text);
    return open;
}

/* -- Numbers ---------------------------------------------------------------------------------- */

/* Files with ";" come from spreadsheets that write 21,18 for 21.18. */
int32_t phu_table_degrees(struct phu_inventory_table *table, size_t column, int limit)
{
    const char *text = phu_table_field(table, column);
    char number[32], *comma, *end;
    double degrees;

    if (!text[0])
        return PHU_NOT_KNOWN;
    snprintf(number, sizeof number, "%s", text);
    comma = table->csv.separator == ';' ? strchr(number, ',') : NULL;
    if (comma)
        *comma = '.';
    degrees = strtod(number, &end);
    if (number[strspn(number, "+-0123456789.")] || end == number || *end || degrees < -limit ||
        degrees > limit) {
        phu_table_mistake(table, column,
                          "\"%.40s\" is not in degrees from -%d to %d, such as "
                          "21.186",
                          text, limit, limit);
        return PHU_NOT_KNOWN;
    }
    return (int32_t)(degrees * 1e6 + (degrees < 0 ? -0.5 : 0.5));
}

uint32_t phu_table_count(struct phu_inventory_table *table, size_t column, uint32_t most)
{
    const char *text = phu_table_field(table, column);
    int value = strlen(text) <= 9 ? digits(text, strlen(text)) : -1;

    if (value >= 0 && (uint32_t)value <= most)
        return (uint32_t)value;
    phu_table_mistake(table, column, "\"%.40s\" is no whole number from 0 to %u", text, most);
    return 0;
}

uint32_t phu_table_interval(struct phu_inventory_table *table, size_t column)
{
    const char *text = phu_table_field(table, column);
    int64_t ns;

    if (!text[0])
        return 0;
    if (phu_conf_parse_duration(text, &ns) < 0) {
        phu_table_mistake(table, column,
                          "\"%.40s\" is no duration; write it with its unit, such as 10s or 5m",
                          text);
        return 0;
    }
    if (ns < 100 * PHU_NS_PER_MS || ns > 86400 * PHU_NS_PER_S || ns % PHU_NS_PER_MS) {
        phu_table_mistake(table, column, "\"%.40s\" is outside its range of 100ms to 1d", text);
        return 0;
    }
    return (uint32_t)(ns / PHU_NS_PER_MS);
}

static void say_unknown_choice(struct phu_inventory_table *table, size_t column,
                               const char *const *words, const char *what, const char *text)
{
    struct phu_guess guess = {.word = text};
    char known[256] = "";

    for (int i = 0; words[i]; i++) {
        size_t used = strlen(known);

        phu_guess_offer(&guess, words[i]);
        snprintf(known + used, sizeof known - used, "%s%s", i ? ", " : "", words[i]);
    }
    if (guess.nearest)
        phu_table_mistake(table, column, "unknown %s \"%.40s\"; did you mean \"%s\"?", what, text,
                          guess.nearest);
    else if (known[0])
        phu_table_mistake(table, column, "unknown %s \"%.40s\"; it is one of %s", what, text,
                          known);
    else
        phu_table_mistake(table, column, "unknown %s \"%.40s\"; the configuration has none", what,
                          text);
}

int phu_table_choice(struct phu_inventory_table *table, size_t column, const char *const *words,
                     const char *what)
{
    const char *text = phu_table_field(table, column);

    if (!text[0])
        return -1;
    for (int i = 0; words[i]; i++) {
        if (strcmp(words[i], text) == 0)
            return i;
    }
    say_unknown_choice(table, column, words, what, text);
    return -1;
}
