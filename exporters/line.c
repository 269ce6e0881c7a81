/* Line protocol, written byte by byte: printf would cost more than all else that happens to a
 * point.
 *
 * Escaping: commas and spaces in measurements; commas, spaces and equal signs in tags and field
 * names; quotes and backslashes in strings. Destinations disagree on a backslash in a tag that
 * stands before a character with a meaning, before another backslash, or last (it would swallow
 * the separator), so such a backslash becomes a slash. Control characters, which end lines, become
 * "_", and bytes that are not UTF-8 "?".
 */
#include "phusong/point.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define INT_DIGITS 20

static bool reserve(struct phu_line *line, size_t size)
{
    if ((size_t)(line->limit - line->cursor) < size)
        line->is_overflown = true;
    return !line->is_overflown;
}

static void append(struct phu_line *line, const char *text, size_t length)
{
    if (!reserve(line, length))
        return;
    memcpy(line->cursor, text, length);
    line->cursor += length;
}

static void append_char(struct phu_line *line, char c)
{
    if (reserve(line, 1))
        *line->cursor++ = c;
}

/* -- Text ------------------------------------------------------------------------------------ */

/* The length of a UTF-8 sequence of two bytes or more, without surrogates and overlong forms; 0 if
 * it is none. */
static size_t sequence_length(const unsigned char *s)
{
    size_t length = s[0] >= 0xf0 ? 4 : s[0] >= 0xe0 ? 3 : 2;

    if (s[0] < 0xc2 || s[0] > 0xf4)
        return 0;
    if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f) ||
        (s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f))
        return 0;
    for (size_t i = 1; i < length; i++) {
        if ((s[i] & 0xc0) != 0x80)
            return 0;
    }
    return length;
}

/* A byte that cannot be copied as it is and needs no escape: a control or part of UTF-8. Returns
 * how many bytes of `text` it took. */
static size_t append_odd(struct phu_line *line, const char *text)
{
    unsigned char c = (unsigned char)*text;
    size_t length;

    if (c < 0x80) {
        append_char(line, '_');
        return 1;
    }
    length = sequence_length((const unsigned char *)text);
    if (length)
        append(line, text, length);
    else
        append_char(line, '?');
    return length ? length : 1;
}

static bool is_odd(char c)
{
    return (unsigned char)c < ' ' || (unsigned char)c >= 127;
}

static bool is_key_special(char c)
{
    return c == ',' || c == ' ' || c == '=';
}

/* Printable ASCII that means nothing in a key. */
static const bool is_plain[256] = {
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, /* controls */
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, /* controls */
    0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 1, 1, 1, /* but space and comma */
    1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 1, 1, /* but equal sign */
    1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, /* letters */
    1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 1, 1, 1, /* but backslash */
    1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, /* letters */
    1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, /* but delete; no UTF-8 from here on */
};

static void append_key_slowly(struct phu_line *line, const char *text)
{
    while (*text) {
        if (is_odd(*text)) {
            text += append_odd(line, text);
            continue;
        }
        if (is_key_special(*text))
            append_char(line, '\\');
        if (*text == '\\' &&
            (!text[1] || text[1] == '\\' || is_key_special(text[1]) || is_odd(text[1])))
            append_char(line, '/');
        else
            append_char(line, *text);
        text++;
    }
}

/* Measurements, tags and names of fields: nearly always plain. */
static void append_key(struct phu_line *line, const char *text)
{
    size_t room = (size_t)(line->limit - line->cursor), length = 0;
    char *to = line->cursor;

    for (; length < room && is_plain[(unsigned char)text[length]]; length++)
        to[length] = text[length];
    if (text[length])
        append_key_slowly(line, text);
    else if (!line->is_overflown)
        line->cursor += length;
}

static void append_quoted(struct phu_line *line, const char *text)
{
    append_char(line, '"');
    while (*text) {
        if (is_odd(*text)) {
            text += append_odd(line, text);
            continue;
        }
        if (*text == '"' || *text == '\\')
            append_char(line, '\\');
        append_char(line, *text++);
    }
    append_char(line, '"');
}

/* -- Numbers --------------------------------------------------------------------------------- */

static const char digit_pairs[] = "00010203040506070809"
                                  "10111213141516171819"
                                  "20212223242526272829"
                                  "30313233343536373839"
                                  "40414243444546474849"
                                  "50515253545556575859"
                                  "60616263646566676869"
                                  "70717273747576777879"
                                  "80818283848586878889"
                                  "90919293949596979899";

static size_t count_digits(uint64_t value)
{
    static const uint64_t powers[INT_DIGITS] = {0,
                                                10,
                                                100,
                                                1000,
                                                10000,
                                                100000,
                                                1000000,
                                                10000000,
                                                100000000,
                                                1000000000,
                                                10000000000,
                                                100000000000,
                                                1000000000000,
                                                10000000000000,
                                                100000000000000,
                                                1000000000000000,
                                                10000000000000000,
                                                100000000000000000,
                                                1000000000000000000,
                                                UINT64_C(10000000000000000000)};
    unsigned bits = 64 - (unsigned)__builtin_clzll(value | 1);
    unsigned estimate = bits * 1233 >> 12; /* log10(2) = 1233 / 4096; one too few at times */

    return estimate + (value >= powers[estimate]);
}

/* Writes the digits so that they end at `end`. */
static void put_digits(char *end, uint64_t value)
{
    while (value >= 100) {
        end -= 2;
        memcpy(end, &digit_pairs[value % 100 * 2], 2);
        value /= 100;
    }
    if (value >= 10)
        memcpy(end - 2, &digit_pairs[value * 2], 2);
    else
        end[-1] = (char)('0' + value);
}

static void append_uint(struct phu_line *line, uint64_t value)
{
    size_t length = count_digits(value);

    if (!reserve(line, length))
        return;
    line->cursor += length;
    put_digits(line->cursor, value);
}

static uint64_t magnitude_of(int64_t value)
{
    return value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
}

static void append_int(struct phu_line *line, int64_t value)
{
    if (value < 0)
        append_char(line, '-');
    append_uint(line, magnitude_of(value));
}

/* "=-123i" */
static void append_int_value(struct phu_line *line, int64_t value)
{
    uint64_t magnitude = magnitude_of(value);
    size_t digits = count_digits(magnitude), sign = value < 0;
    char *to = line->cursor;

    if (!reserve(line, 1 + sign + digits + 1))
        return;
    *to++ = '=';
    *to = '-';
    to += sign + digits;
    put_digits(to, magnitude);
    *to++ = 'i';
    line->cursor = to;
}

/* Decimals of at most six places, as signal levels and percentages are. The quotient of two exact
 * numbers is rounded correctly, so when it equals `value`, so does what a reader makes of the
 * digits. */
static bool append_short_decimal(struct phu_line *line, double value)
{
    double scaled = value * 1e6;
    int64_t whole;
    uint64_t magnitude, fraction;
    char places[6];
    int count = 6;

    if (!(fabs(scaled) < 9e15))
        return false;
    whole = llrint(scaled);
    if ((double)whole / 1e6 != value || (whole == 0 && signbit(value)))
        return false;
    magnitude = magnitude_of(whole);
    if (whole < 0)
        append_char(line, '-');
    append_uint(line, magnitude / 1000000);
    append_char(line, '.');
    fraction = magnitude % 1000000;
    for (int i = 5; i >= 0; i--, fraction /= 10)
        places[i] = (char)('0' + fraction % 10);
    while (count > 1 && places[count - 1] == '0')
        count--;
    append(line, places, (size_t)count);
    return true;
}

/* The fewest of 15 to 17 digits that read back as the same number. The locale may have its own
 * decimal sign. */
static void append_any_float(struct phu_line *line, double value)
{
    char text[40];
    bool has_mark = false;

    for (int digits = 15; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, value);
        if (strtod(text, NULL) == value)
            break;
    }
    for (char *c = text; *c; c++) {
        if (*c == 'e')
            has_mark = true;
        else if (*c != '-' && *c != '+' && (*c < '0' || *c > '9')) {
            *c = '.';
            has_mark = true;
        }
    }
    append(line, text, strlen(text));
    if (!has_mark)
        append(line, ".0", 2);
}

/* -- Points ---------------------------------------------------------------------------------- */

static void start(struct phu_line *line, char *buffer, size_t size)
{
    line->start = line->cursor = buffer;
    line->limit = buffer + size;
    line->field_count = 0;
    line->is_overflown = false;
}

void phu_line_begin(struct phu_line *line, char *buffer, size_t size, const char *measurement)
{
    start(line, buffer, size);
    /* An equal sign needs no escape here, and may have one. */
    append_key(line, measurement);
}

void phu_line_begin_key(struct phu_line *line, char *buffer, size_t size, const char *key,
                        size_t key_length)
{
    start(line, buffer, size);
    append(line, key, key_length);
}

void phu_line_ready(struct phu_line *line, const char *tags, size_t length)
{
    append(line, tags, length);
}

void phu_line_tag(struct phu_line *line, const char *name, const char *value)
{
    if (!*value)
        return;
    append_char(line, ',');
    append_key(line, name);
    append_char(line, '=');
    append_key(line, value);
}

static void append_field_name(struct phu_line *line, const char *name)
{
    append_char(line, line->field_count++ ? ',' : ' ');
    append_key(line, name);
}

void phu_line_int(struct phu_line *line, const char *name, int64_t value)
{
    append_field_name(line, name);
    append_int_value(line, value);
}

void phu_line_int_plain(struct phu_line *line, const char *name, size_t length, int64_t value)
{
    append_char(line, line->field_count++ ? ',' : ' ');
    append(line, name, length);
    append_int_value(line, value);
}

void phu_line_float(struct phu_line *line, const char *name, double value)
{
    if (!isfinite(value))
        return;
    append_field_name(line, name);
    append_char(line, '=');
    if (!append_short_decimal(line, value))
        append_any_float(line, value);
}

void phu_line_bool(struct phu_line *line, const char *name, bool value)
{
    append_field_name(line, name);
    append(line, value ? "=true" : "=false", value ? 5 : 6);
}

void phu_line_string(struct phu_line *line, const char *name, const char *value)
{
    append_field_name(line, name);
    append_char(line, '=');
    append_quoted(line, value);
}

void phu_line_bucket(struct phu_line *line, const char *name, int index, int64_t value)
{
    append_char(line, line->field_count++ ? ',' : ' ');
    append(line, name, strlen(name));
    append_int(line, index);
    append_int_value(line, value);
}

ssize_t phu_line_end(struct phu_line *line, struct phu_wall at)
{
    if (line->field_count == 0)
        return -ENODATA;
    append_char(line, ' ');
    append_int(line, at.ns);
    append_char(line, '\n');
    return line->is_overflown ? -ENOBUFS : line->cursor - line->start;
}

ssize_t phu_line_key(struct phu_line *line)
{
    return line->is_overflown ? -ENOBUFS : line->cursor - line->start;
}
