/* Most lines hold neither a backslash nor a quote: such a line ends at its first newline, and its
 * parts at the first separator. memchr() finds out which lines these are, and the others are read
 * with care.
 *
 * A backslash makes the character behind it no separator, and is otherwise a character like any
 * other; it goes only where it stood before what would have been special there. The parts that had
 * one are put together in `scratch`; all else points into the text.
 */
#include "lines.h"

#include "mem.h"

#include "phusong/time.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SLOTS = 256 };

struct phu_lines {
    const char *text, *end; /* of the body */
    const char *next;       /* line */
    const char *at;         /* in this line */
    const char *line, *line_end;
    int64_t now_ns, unit_ns;
    size_t number, next_number;
    bool is_plain; /* neither backslash nor quote in this line */

    const char *key_end;
    char fault[200];
    struct phu_slice measurement;
    struct phu_tag tags[PHU_LINES_TAGS_MAX];
    size_t tag_count;
    struct phu_field fields[PHU_LINES_FIELDS_MAX];
    size_t field_count;
    /* Which line a name of this hash was last seen in: most names are found new by it. */
    uint64_t seen[SLOTS], serial;
    char *scratch;
    size_t scratch_used, scratch_size;
};

struct phu_lines *phu_lines_new(void)
{
    return phu_mem_alloc(1, sizeof(struct phu_lines));
}

void phu_lines_free(struct phu_lines *lines)
{
    if (!lines)
        return;
    free(lines->scratch);
    free(lines);
}

void phu_lines_begin(struct phu_lines *lines, const char *text, size_t length, int64_t now_ns,
                     int64_t unit_ns)
{
    lines->text = lines->next = lines->line = lines->line_end = text;
    lines->end = text + length;
    lines->unit_ns = unit_ns;
    lines->now_ns = now_ns - now_ns % unit_ns;
    lines->number = 0;
    lines->next_number = 1;
}

size_t phu_lines_number(const struct phu_lines *lines)
{
    return lines->number;
}

struct phu_slice phu_lines_text(const struct phu_lines *lines)
{
    return (struct phu_slice){lines->line, (size_t)(lines->line_end - lines->line)};
}

const char *phu_lines_fault(const struct phu_lines *lines)
{
    return lines->fault;
}

int64_t phu_lines_unit(const char *precision)
{
    static const struct {
        const char *name;
        int64_t unit_ns;
    } units[] = {
        {"", 1},
        {"n", 1},
        {"ns", 1},
        {"u", PHU_NS_PER_US},
        {"us", PHU_NS_PER_US},
        {"ms", PHU_NS_PER_MS},
        {"s", PHU_NS_PER_S},
        {"m", 60 * PHU_NS_PER_S},
        {"h", 3600 * PHU_NS_PER_S},
    };

    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        if (strcmp(precision, units[i].name) == 0)
            return units[i].unit_ns;
    }
    return 0;
}

__attribute__((format(printf, 2, 3))) static bool wrong(struct phu_lines *lines, const char *format,
                                                        ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(lines->fault, sizeof lines->fault, format, arguments);
    va_end(arguments);
    return false;
}

/* -- Lines ------------------------------------------------------------------------------------ */

/* The newline that ends a line which begins at `at`: those within a quoted value do not. Quotes
 * mean something behind the first space only, and there where a value is due. */
static const char *careful_line_end(const char *at, const char *end)
{
    bool is_fields = false, is_quoted = false;
    size_t equals = 0, commas = 0;

    for (; at < end; at++) {
        if (*at == '\\' && end - at > 2) {
            at++;
            continue;
        }
        is_fields |= *at == ' ';
        if (is_fields && !is_quoted && *at == '=')
            equals++;
        else if (is_fields && !is_quoted && *at == ',')
            commas++;
        else if (is_fields && *at == '"' && equals > commas)
            is_quoted = !is_quoted;
        else if (*at == '\n' && !is_quoted)
            break;
    }
    return at;
}

static size_t count_newlines(const char *at, const char *end)
{
    size_t count = 0;

    while ((at = memchr(at, '\n', (size_t)(end - at)))) {
        count++;
        at++;
    }
    return count;
}

static const char *skip_blanks(const char *at, const char *end)
{
    while (at < end && (*at == ' ' || *at == '\t' || *at == '\0'))
        at++;
    return at;
}

/* Finds the next line that says anything. */
static bool find_line(struct phu_lines *lines)
{
    while (lines->next < lines->end) {
        const char *start = lines->next;
        const char *newline = memchr(start, '\n', (size_t)(lines->end - start));
        const char *stop = newline ? newline : lines->end;
        size_t length = (size_t)(stop - start);

        lines->is_plain = !memchr(start, '\\', length) && !memchr(start, '"', length);
        if (!lines->is_plain)
            stop = careful_line_end(start, lines->end);
        lines->number = lines->next_number;
        lines->next_number++;
        if (stop != newline)
            lines->next_number += count_newlines(start, stop);
        lines->next = stop + 1;
        lines->line_end = stop;
        lines->line = skip_blanks(start, stop);
        if (lines->line == stop || *lines->line == '#')
            continue;
        if (stop > start && stop[-1] == '\n') /* in a quote that nothing ends */
            lines->line_end--;
        return true;
    }
    return false;
}

/* -- Escapes ---------------------------------------------------------------------------------- */

static void reserve(struct phu_lines *lines, size_t length)
{
    lines->scratch_used = 0;
    if (lines->scratch_size >= length)
        return;
    free(lines->scratch);
    lines->scratch_size = 2 * length;
    lines->scratch = phu_mem_alloc(1, lines->scratch_size);
}

/* Without the backslashes that stand before one of `special`. */
static struct phu_slice drop_backslashes(struct phu_lines *lines, struct phu_slice text,
                                         const char *special)
{
    const char *from = text.at, *to = from + text.length;
    char *start = lines->scratch + lines->scratch_used, *write = start;

    while (from < to) {
        if (*from == '\\' && from + 1 < to && from[1] && strchr(special, from[1]))
            from++;
        *write++ = *from++;
    }
    lines->scratch_used += (size_t)(write - start);
    return (struct phu_slice){start, (size_t)(write - start)};
}

static inline struct phu_slice unescape(struct phu_lines *lines, const char *from, const char *to,
                                        const char *special)
{
    struct phu_slice text = {from, (size_t)(to - from)};

    if (lines->is_plain || !memchr(from, '\\', text.length))
        return text;
    return drop_backslashes(lines, text, special);
}

/* -- Measurement and tags --------------------------------------------------------------------- */

static bool read_measurement(struct phu_lines *lines)
{
    const char *at = lines->line, *end = lines->line_end;

    if (*at == ',')
        return wrong(lines, "missing measurement");
    for (at++; at < end; at++) {
        if ((*at == ',' || *at == ' ') && at[-1] != '\\')
            break;
    }
    if (at == end)
        return wrong(lines, "missing fields");
    lines->measurement = unescape(lines, lines->line, at, ", =\"");
    lines->at = at;
    return true;
}

/* At the comma before it. */
static bool read_tag(struct phu_lines *lines)
{
    const char *name = lines->at + 1, *end = lines->line_end, *at = name, *value;
    struct phu_tag *tag = &lines->tags[lines->tag_count];

    if (at >= end || *at == ' ' || *at == ',' || *at == '=')
        return wrong(lines, "missing tag key");
    for (at++; at < end; at++) {
        if (*at == '=' && at[-1] != '\\')
            break;
        if ((*at == ' ' || *at == ',') && at[-1] != '\\')
            return wrong(lines, "missing tag value");
    }
    value = at + 1;
    if (value >= end || *value == ',' || *value == ' ')
        return wrong(lines, "missing tag value");
    tag->name = unescape(lines, name, at, ", =");
    for (at = value + 1; at < end; at++) {
        if (*at == '=' && at[-1] != '\\')
            return wrong(lines, "invalid tag format");
        if ((*at == ',' || *at == ' ') && at[-1] != '\\')
            break;
    }
    if (at == end)
        return wrong(lines, "missing fields");
    tag->value = unescape(lines, value, at, ", =");
    lines->at = at;
    lines->tag_count++;
    return true;
}

static bool is_same(struct phu_slice a, struct phu_slice b)
{
    return a.length == b.length && memcmp(a.at, b.at, a.length) == 0;
}

static int compare(struct phu_slice a, struct phu_slice b)
{
    size_t shorter = a.length < b.length ? a.length : b.length;
    int order = memcmp(a.at, b.at, shorter);

    if (order)
        return order;
    return a.length < b.length ? -1 : a.length > b.length;
}

static int compare_tags(const void *a, const void *b)
{
    return compare(((const struct phu_tag *)a)->name, ((const struct phu_tag *)b)->name);
}

/* Returns whether they had been in order. */
static bool sort_tags(struct phu_lines *lines)
{
    for (size_t i = 1; i < lines->tag_count; i++) {
        if (compare(lines->tags[i - 1].name, lines->tags[i].name) > 0) {
            qsort(lines->tags, lines->tag_count, sizeof *lines->tags, compare_tags);
            return false;
        }
    }
    return true;
}

static bool has_duplicates(const struct phu_lines *lines)
{
    for (size_t i = 1; i < lines->tag_count; i++) {
        if (is_same(lines->tags[i - 1].name, lines->tags[i].name))
            return true;
    }
    return false;
}

static bool read_tags(struct phu_lines *lines, bool *is_sorted)
{
    lines->tag_count = 0;
    *is_sorted = true;
    while (*lines->at == ',') {
        if (lines->tag_count == PHU_LINES_TAGS_MAX)
            return wrong(lines, "more than %d tags", PHU_LINES_TAGS_MAX);
        if (!read_tag(lines))
            return false;
    }
    lines->key_end = lines->at;
    *is_sorted = sort_tags(lines);
    if (has_duplicates(lines))
        return wrong(lines, "duplicate tags");
    if (lines->key_end - lines->line > PHU_LINES_KEY_MAX)
        return wrong(lines, "max key length exceeded: %td > %d", lines->key_end - lines->line,
                     PHU_LINES_KEY_MAX);
    return true;
}

static char *put_escaped(char *to, struct phu_slice text, const char *special)
{
    for (size_t i = 0; i < text.length; i++) {
        if (text.at[i] && strchr(special, text.at[i]))
            *to++ = '\\';
        *to++ = text.at[i];
    }
    return to;
}

/* A measurement may hold = and " as they are, but a backslash before one of them would be taken for
 * its own when the key is read again. */
static char *put_measurement(char *to, struct phu_slice text)
{
    for (size_t i = 0; i < text.length; i++) {
        struct phu_slice one = {text.at + i, 1};
        bool is_behind = i > 0 && text.at[i - 1] == '\\';

        to = put_escaped(to, one, is_behind ? ", =\"" : ", ");
    }
    return to;
}

/* One spelling for each series, whatever the order and the needless backslashes on the line. */
static struct phu_slice make_key(struct phu_lines *lines, bool is_sorted)
{
    char *start, *to;

    if (is_sorted && lines->is_plain)
        return (struct phu_slice){lines->line, (size_t)(lines->key_end - lines->line)};
    start = to = lines->scratch + lines->scratch_used;
    to = put_measurement(to, lines->measurement);
    for (size_t i = 0; i < lines->tag_count; i++) {
        *to++ = ',';
        to = put_escaped(to, lines->tags[i].name, ", =");
        *to++ = '=';
        to = put_escaped(to, lines->tags[i].value, ", =");
    }
    lines->scratch_used += (size_t)(to - start);
    return (struct phu_slice){start, (size_t)(to - start)};
}

/* -- Fields ----------------------------------------------------------------------------------- */

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Doubles that are a short integer over a power of ten are right when divided once; all others are
 * left to strtod(). */
static bool read_float(struct phu_lines *lines, const char *from, const char *to,
                       struct phu_field *field)
{
    static const double tens[] = {1e0, 1e1, 1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                  1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15};
    char copy[400], *end;
    const char *at = from + (*from == '-');
    size_t digits = 0, decimals = 0, length = (size_t)(to - from);
    int64_t whole = 0;
    bool is_point = false;

    field->type = PHU_FIELD_FLOAT;
    for (; at < to && digits <= 15 && (is_digit(*at) || *at == '.'); at++) {
        if (*at == '.') {
            is_point = true;
            continue;
        }
        whole = whole * 10 + (*at - '0');
        digits++;
        decimals += is_point;
    }
    if (at == to && digits <= 15) {
        field->f = (double)whole / tens[decimals];
        if (*from == '-')
            field->f = -field->f;
        return true;
    }
    if (length >= sizeof copy)
        return wrong(lines, "invalid float");
    memcpy(copy, from, length);
    copy[length] = '\0';
    field->f = strtod(copy, &end);
    if (*end || !isfinite(field->f))
        return wrong(lines, "invalid float");
    return true;
}

/* Digits and a sign before them, nothing else. */
static bool read_integer(const char *from, const char *to, int64_t *value)
{
    bool is_negative = *from == '-';
    uint64_t sum = 0, most = (uint64_t)INT64_MAX + is_negative;

    for (from += is_negative; from < to; from++) {
        unsigned digit = (unsigned)(*from - '0');

        if (sum > (most - digit) / 10)
            return false;
        sum = sum * 10 + digit;
    }
    *value = is_negative ? (int64_t)(0 - sum) : (int64_t)sum;
    return true;
}

/* Returns whether the characters are those of a number, and of which kind. */
static bool scan_number(const char *from, const char *to, bool *is_integer)
{
    size_t digits = 0, points = 0;
    bool is_scientific = false;

    *is_integer = false;
    for (const char *at = from + (*from == '-'); at < to; at++) {
        if (is_digit(*at)) {
            digits++;
        } else if (*at == '.') {
            points++;
        } else if (*at == 'i' && at > from && at + 1 == to) {
            *is_integer = true;
        } else if ((*at == 'e' || *at == 'E') && at > from) {
            is_scientific = true;
        } else if (!((*at == '+' || *at == '-') && (at[-1] == 'e' || at[-1] == 'E'))) {
            return false;
        }
    }
    return digits && points <= 1 && !(*is_integer && (points || is_scientific));
}

static bool read_number(struct phu_lines *lines, const char *from, const char *to,
                        struct phu_field *field)
{
    bool is_integer;

    if (!scan_number(from, to, &is_integer))
        return wrong(lines, "invalid number");
    if (!is_integer)
        return read_float(lines, from, to, field);
    field->type = PHU_FIELD_INT;
    if (!read_integer(from, to - 1, &field->i))
        return wrong(lines, "unable to parse integer %.*s: value out of range",
                     (int)(to - 1 - from < 60 ? to - 1 - from : 60), from);
    return true;
}

/* What nearly all fields are: a short integer. False: it is something else. */
static bool read_short_integer(struct phu_lines *lines, struct phu_field *field)
{
    const char *from = lines->at, *end = lines->line_end;
    const char *first = from + (*from == '-'), *at = first;
    int64_t sum = 0;

    while (at < end && is_digit(*at))
        sum = (int64_t)((uint64_t)sum * 10 + (uint64_t)(*at++ - '0'));
    if (at == first || at - first > 18 || at == end || *at != 'i' ||
        (at + 1 < end && at[1] != ',' && at[1] != ' '))
        return false;
    field->type = PHU_FIELD_INT;
    field->i = *from == '-' ? -sum : sum;
    lines->at = at + 1;
    return true;
}

static bool read_bool(struct phu_lines *lines, const char *from, const char *to,
                      struct phu_field *field)
{
    static const char *const words[] = {"t", "T", "true",  "True",  "TRUE",
                                        "f", "F", "false", "False", "FALSE"};
    size_t length = (size_t)(to - from);

    for (size_t i = 0; i < 10; i++) {
        if (strlen(words[i]) == length && memcmp(words[i], from, length) == 0) {
            field->type = PHU_FIELD_BOOL;
            field->b = i < 5;
            return true;
        }
    }
    return wrong(lines, "invalid boolean");
}

/* A text ends at its quote; what follows up to the next separator belongs to it all the same, and
 * its last character is then taken for the quote. */
static bool read_text(struct phu_lines *lines, struct phu_field *field)
{
    const char *from = lines->at, *at = from, *end = lines->line_end;
    bool is_quoted = false;

    for (; at < end; at++) {
        if (*at == '\\' && at + 1 < end)
            at++;
        else if (*at == '"')
            is_quoted = !is_quoted;
        else if (!is_quoted && (*at == ',' || *at == ' '))
            break;
        else if (!is_quoted && *at == '=')
            return wrong(lines, "invalid field format");
    }
    if (is_quoted)
        return wrong(lines, "unbalanced quotes");
    field->type = PHU_FIELD_STRING;
    field->text = unescape(lines, from + 1, at - 1, "\"\\");
    lines->at = at;
    return true;
}

static bool read_value(struct phu_lines *lines, struct phu_field *field)
{
    const char *from = lines->at, *at = from, *end = lines->line_end;

    if (at >= end || *at == ',' || *at == ' ')
        return wrong(lines, "missing field value");
    if (*at == '"')
        return read_text(lines, field);
    if (read_short_integer(lines, field))
        return true;
    while (at < end && *at != ',' && *at != ' ')
        at++;
    lines->at = at;
    if (is_digit(*from) || *from == '-' || *from == '.' || *from == 'N' || *from == 'n')
        return read_number(lines, from, at, field);
    return read_bool(lines, from, at, field);
}

/* The name that begins at lines->at, up to its "=". */
static bool read_name(struct phu_lines *lines, struct phu_slice *name)
{
    const char *from = lines->at, *at = from, *end = lines->line_end;

    for (; at < end; at++) {
        if (*at == '=')
            break;
        if (*at == ',' || *at == ' ')
            return wrong(lines, "invalid field format");
        if (*at == '\\' && at + 1 < end)
            at++;
    }
    if (at >= end)
        return wrong(lines, "invalid field format");
    if (at == from)
        return wrong(lines, "missing field key");
    if (lines->key_end - lines->line + 4 + (at - from) > PHU_LINES_KEY_MAX)
        return wrong(lines, "max key length exceeded: %td > %d",
                     lines->key_end - lines->line + 4 + (at - from), PHU_LINES_KEY_MAX);
    *name = unescape(lines, from, at, ", =\"");
    lines->at = at + 1;
    return true;
}

/* All bytes of a short name; the first and last eight of a longer one. */
static size_t slot_of(struct phu_slice name)
{
    uint64_t head = 0, tail = 0;

    if (name.length >= sizeof head) {
        memcpy(&head, name.at, sizeof head);
        memcpy(&tail, name.at + name.length - sizeof tail, sizeof tail);
    } else {
        for (size_t i = 0; i < name.length; i++)
            head = head << 8 | (unsigned char)name.at[i];
    }
    head = (head ^ tail * UINT64_C(0x9e3779b97f4a7c15)) * UINT64_C(0xd6e8feb86659fd93);
    return head >> 56;
}

/* Of a name given twice the last value holds. */
static void drop_earlier(struct phu_lines *lines, struct phu_slice name)
{
    for (size_t i = 0; i < lines->field_count; i++) {
        if (is_same(lines->fields[i].name, name)) {
            memmove(&lines->fields[i], &lines->fields[i + 1],
                    (lines->field_count - i - 1) * sizeof *lines->fields);
            lines->field_count--;
            return;
        }
    }
}

static bool is_time(struct phu_slice name)
{
    return name.length == 4 && memcmp(name.at, "time", 4) == 0;
}

static void keep_field(struct phu_lines *lines, const struct phu_field *field)
{
    size_t slot = slot_of(field->name);

    if (is_time(field->name))
        return;
    if (lines->seen[slot] == lines->serial)
        drop_earlier(lines, field->name);
    lines->seen[slot] = lines->serial;
    lines->fields[lines->field_count++] = *field;
}

/* At the space before them. */
static bool read_fields(struct phu_lines *lines)
{
    struct phu_field field = {.name = {lines->line, 0}};

    lines->field_count = 0;
    lines->serial++;
    lines->at = skip_blanks(lines->at, lines->line_end);
    if (lines->at == lines->line_end)
        return wrong(lines, "invalid field format");
    for (;;) {
        if (lines->field_count == PHU_LINES_FIELDS_MAX)
            return wrong(lines, "more than %d fields", PHU_LINES_FIELDS_MAX);
        if (!read_name(lines, &field.name) || !read_value(lines, &field))
            return false;
        keep_field(lines, &field);
        if (lines->at == lines->line_end || *lines->at == ' ')
            return true;
        lines->at++;
    }
}

/* -- Time ------------------------------------------------------------------------------------- */

static bool read_time(struct phu_lines *lines, int64_t *time_ns)
{
    const char *from = skip_blanks(lines->at, lines->line_end), *at = from;
    int64_t count = 0;

    *time_ns = lines->now_ns;
    if (at == lines->line_end)
        return true;
    if (*at == '-')
        at++;
    while (at < lines->line_end && is_digit(*at))
        at++;
    if (at < lines->line_end && *at != ' ' && *at != '\n')
        return wrong(lines, "bad timestamp");
    if (at == from)
        return true;
    if (!is_digit(at[-1]))
        return wrong(lines, "bad timestamp: \"-\" is no number");
    if (!read_integer(from, at, &count))
        return wrong(lines, "bad timestamp: %.*s is out of range",
                     (int)(at - from < 60 ? at - from : 60), from);
    while (at < lines->line_end && *at == ' ')
        at++;
    if (at < lines->line_end)
        return wrong(lines, "point is invalid");
    if (__builtin_mul_overflow(count, lines->unit_ns, time_ns) || *time_ns < INT64_MIN + 2 ||
        *time_ns > INT64_MAX - 1)
        return wrong(lines, "time outside range -9223372036854775806 - 9223372036854775806");
    return true;
}

/* -- All of it -------------------------------------------------------------------------------- */

static enum phu_lines_result check_names(struct phu_lines *lines)
{
    for (size_t i = 0; i < lines->tag_count; i++) {
        if (is_time(lines->tags[i].name)) {
            wrong(lines, "invalid tag key: input tag \"time\" on measurement \"%.*s\" is invalid",
                  (int)(lines->measurement.length < 60 ? lines->measurement.length : 60),
                  lines->measurement.at);
            return PHU_LINES_ILLEGAL;
        }
    }
    if (lines->field_count)
        return PHU_LINES_SAMPLE;
    wrong(lines, "invalid field name: input field \"time\" on measurement \"%.*s\" is invalid",
          (int)(lines->measurement.length < 60 ? lines->measurement.length : 60),
          lines->measurement.at);
    return PHU_LINES_ILLEGAL;
}

enum phu_lines_result phu_lines_next(struct phu_lines *lines, struct phu_sample *sample)
{
    bool is_sorted = true;
    size_t length;

    if (!find_line(lines))
        return PHU_LINES_END;
    length = (size_t)(lines->line_end - lines->line);
    if (length > PHU_LINES_LINE_MAX) {
        wrong(lines, "the line has %zu bytes; at most %d are taken", length, PHU_LINES_LINE_MAX);
        return PHU_LINES_WRONG;
    }
    /* Each part once without its backslashes, and the key once with twice as many. */
    reserve(lines, 3 * length);
    if (!read_measurement(lines) || !read_tags(lines, &is_sorted) || !read_fields(lines) ||
        !read_time(lines, &sample->time_ns))
        return PHU_LINES_WRONG;
    sample->measurement = lines->measurement;
    sample->tags = lines->tags;
    sample->tag_count = lines->tag_count;
    sample->fields = lines->fields;
    sample->field_count = lines->field_count;
    sample->key = make_key(lines, is_sorted);
    return check_names(lines);
}
