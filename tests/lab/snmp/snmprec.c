/* Reads lines of OID|TYPE|VALUE into a recording. Pure but for the recording. */
#include "recording.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { FORM_PLAIN = 0, FORM_HEX = 'x', FORM_ESCAPED = 'e' };

struct field {
    const char *text;
    size_t length;
};

struct line {
    struct field oid;
    uint8_t tag;
    char form;
    bool is_numeric; /* the module `numeric`: moves by itself */
    struct field value;
};

/* Takes the field before the next `|`. */
static int take_field(const char **text, const char *end, struct field *field)
{
    const char *bar = memchr(*text, '|', (size_t)(end - *text));

    if (!bar)
        return -EINVAL;
    *field = (struct field){*text, (size_t)(bar - *text)};
    *text = bar + 1;
    return 0;
}

static bool has_hex_form(unsigned tag)
{
    return tag == LAB_TAG_OCTETS || tag == LAB_TAG_ADDRESS || tag == LAB_TAG_OPAQUE;
}

static bool is_known_tag(unsigned tag)
{
    return has_hex_form(tag) || tag == LAB_TAG_INTEGER || tag == LAB_TAG_NULL ||
           tag == LAB_TAG_OID || tag == LAB_TAG_COUNTER32 || tag == LAB_TAG_GAUGE32 ||
           tag == LAB_TAG_TICKS || tag == LAB_TAG_COUNTER64;
}

static int parse_type(struct field type, struct line *line, struct lab_error *err)
{
    const char *module = memchr(type.text, ':', type.length);
    size_t length = module ? (size_t)(module - type.text) : type.length;
    size_t digits = 0;
    unsigned tag = 0;

    while (digits < length && digits < 3 && isdigit((unsigned char)type.text[digits]))
        tag = tag * 10 + (unsigned)(type.text[digits++] - '0');
    if (digits == 0 || !is_known_tag(tag))
        return lab_fail(err, "type \"%.*s\": use 2, 4, 5, 6, 64, 65, 66, 67, 68 or 70",
                        (int)(type.length < 20 ? type.length : 20), type.text);
    line->tag = (uint8_t)tag;
    line->form = FORM_PLAIN;
    if (digits < length)
        line->form = type.text[digits++];
    if (digits < length || (line->form && !(line->form == FORM_HEX && has_hex_form(tag)) &&
                            !(line->form == FORM_ESCAPED && tag == LAB_TAG_OCTETS)))
        return lab_fail(err, "type \"%.*s\": only 4x, 4e, 64x and 68x have a letter",
                        (int)(type.length < 20 ? type.length : 20), type.text);
    line->is_numeric = module != NULL;
    if (module && (has_hex_form(tag) || tag == LAB_TAG_NULL || tag == LAB_TAG_OID))
        return lab_fail(err, "type %u has no number that could move", tag);
    if (module && (type.length - length != 8 || memcmp(module, ":numeric", 8) != 0))
        return lab_fail(err, "variation module \"%.*s\": only numeric is known here",
                        (int)(type.length - length < 20 ? type.length - length : 20), module);
    return 0;
}

static int parse_unsigned(struct field text, uint64_t most, uint64_t *value)
{
    *value = 0;
    if (text.length == 0 || text.length > 20)
        return -EINVAL;
    for (size_t i = 0; i < text.length; i++) {
        uint64_t digit = (uint64_t)(text.text[i] - '0');

        if (!isdigit((unsigned char)text.text[i]))
            return -EINVAL;
        if (*value > (most - digit) / 10)
            return -ERANGE;
        *value = *value * 10 + digit;
    }
    return 0;
}

/* A number as its tag allows it, as two's complement. */
static int parse_number(struct field text, uint8_t tag, uint64_t *value)
{
    bool is_negative = tag == LAB_TAG_INTEGER && text.length && text.text[0] == '-';
    uint64_t most = tag == LAB_TAG_COUNTER64 ? UINT64_MAX
                    : tag == LAB_TAG_INTEGER ? (uint64_t)INT32_MAX + is_negative
                                             : UINT32_MAX;
    int error;

    if (is_negative)
        text = (struct field){text.text + 1, text.length - 1};
    error = parse_unsigned(text, most, value);
    if (is_negative)
        *value = 0 - *value;
    return error;
}

static int take_number(struct line *line, uint8_t *out, struct lab_error *err)
{
    uint64_t value;
    int error = parse_number(line->value, line->tag, &value);

    if (error < 0)
        return lab_fail(
            err, error == -ERANGE ? "the number is too large for type %d" : "no number of type %d",
            line->tag);
    return (int)(line->tag == LAB_TAG_INTEGER ? lab_ber_put_signed(out, (int64_t)value)
                                              : lab_ber_put_unsigned(out, value));
}

static int hex_digit(char c)
{
    if (isdigit((unsigned char)c))
        return c - '0';
    return isxdigit((unsigned char)c) ? tolower((unsigned char)c) - 'a' + 10 : -1;
}

/* A single digit at the end is a byte of its own, as the responder does that made the format. */
static int take_hex(struct field text, uint8_t *out)
{
    size_t used = 0;

    for (size_t i = 0; i < text.length; i += 2) {
        int high = hex_digit(text.text[i]);
        int low = i + 1 < text.length ? hex_digit(text.text[i + 1]) : 0;

        if (high < 0 || low < 0)
            return -EINVAL;
        out[used++] = (uint8_t)(i + 1 < text.length ? high << 4 | low : high);
    }
    return (int)used;
}

/* One escape after the backslash; returns the characters it took, 0 when it is none. */
static size_t take_escape(const char *at, const char *end, uint8_t *out)
{
    static const char names[] = "ntrabfv\\'\"";
    static const char meanings[] = "\n\t\r\a\b\f\v\\'\"";
    const char *name = memchr(names, *at, sizeof(names) - 1);
    size_t digits = 0;
    unsigned value = 0;

    if (name) {
        *out = (uint8_t)meanings[name - names];
        return 1;
    }
    if (*at == 'x') {
        int high = end - at < 3 ? -1 : hex_digit(at[1]);
        int low = end - at < 3 ? -1 : hex_digit(at[2]);

        if (high < 0 || low < 0)
            return 0;
        *out = (uint8_t)(high << 4 | low);
        return 3;
    }
    while (digits < 3 && at + digits < end && at[digits] >= '0' && at[digits] <= '7')
        value = value * 8 + (unsigned)(at[digits++] - '0');
    *out = (uint8_t)value;
    return digits;
}

static int take_escaped(struct field text, uint8_t *out)
{
    const char *end = text.text + text.length;
    size_t used = 0;

    for (const char *at = text.text; at < end;) {
        size_t took = *at == '\\' && at + 1 < end ? take_escape(at + 1, end, out + used) : 0;

        if (took == 0)
            out[used] = (uint8_t)*at;
        at += took + 1;
        used++;
    }
    return (int)used;
}

static int take_address(struct field text, uint8_t *out)
{
    const char *end = text.text + text.length;
    const char *at = text.text;

    for (int i = 0; i < 4; i++) {
        const char *stop = i < 3 ? memchr(at, '.', (size_t)(end - at)) : end;
        uint64_t value;

        if (!stop || parse_unsigned((struct field){at, (size_t)(stop - at)}, 255, &value) < 0)
            return -EINVAL;
        out[i] = (uint8_t)value;
        at = stop < end ? stop + 1 : end;
    }
    return 4;
}

static int take_text(const struct line *line, uint8_t *out, struct lab_error *err)
{
    int length = 0;

    if (line->form == FORM_HEX) {
        length = take_hex(line->value, out);
        if (length < 0)
            return lab_fail(err, "the value has a character that is no hexadecimal digit");
        if (line->tag == LAB_TAG_ADDRESS && length != 4)
            return lab_fail(err, "an address has four bytes, not %d", length);
        return length;
    }
    if (line->form == FORM_ESCAPED)
        return take_escaped(line->value, out);
    if (line->tag == LAB_TAG_ADDRESS) {
        length = take_address(line->value, out);
        return length < 0 ? lab_fail(err, "an address is four numbers from 0 to 255") : length;
    }
    memcpy(out, line->value.text, line->value.length);
    return (int)line->value.length;
}

/* Writes the value in BER; returns its length. */
static int take_value(struct line *line, uint8_t *out, struct lab_error *err)
{
    int length;

    if (line->value.length > LAB_VALUE_MAX)
        return lab_fail(err, "the value is longer than %d bytes", LAB_VALUE_MAX);
    if (line->tag == LAB_TAG_NULL)
        return 0;
    if (line->tag == LAB_TAG_OID) {
        length = lab_oid_parse(line->value.text, line->value.length, out);
        return length < 0 ? lab_fail(err, "the value is no object identifier") : length;
    }
    return has_hex_form(line->tag) ? take_text(line, out, err) : take_number(line, out, err);
}

/* "rate=125000,initial=7": puts the initial value where the value was. */
static int take_motion(struct line *line, double *rate, struct lab_error *err)
{
    const char *at = line->value.text;
    const char *end = at + line->value.length;

    *rate = 0;
    line->value = (struct field){"0", 1};
    while (at < end) {
        const char *comma = memchr(at, ',', (size_t)(end - at));
        const char *stop = comma ? comma : end;
        char number[32] = "";
        char *rest = number;

        if (stop - at > 8 && memcmp(at, "initial=", 8) == 0) {
            line->value = (struct field){at + 8, (size_t)(stop - at - 8)};
        } else {
            if (stop - at > 5 && stop - at < 5 + 32 && memcmp(at, "rate=", 5) == 0)
                memcpy(number, at + 5, (size_t)(stop - at - 5));
            *rate = strtod(number, &rest);
            if (rest == number || *rest || !(*rate >= 0 && *rate <= 1e15))
                return lab_fail(err, "numeric takes rate=N (0 to 1e15 a second) and initial=N");
        }
        at = stop + (comma != NULL);
    }
    return 0;
}

int lab_recording_take_line(struct lab_recording *recording, const char *text, size_t length,
                            struct lab_error *err)
{
    const char *end = text + length;
    uint8_t ber[LAB_OID_BYTES];
    uint8_t value[LAB_VALUE_MAX + LAB_OID_BYTES];
    struct line line = {.form = FORM_PLAIN};
    struct field type;
    double rate = 0;
    int oid_length;
    int value_length;

    if (take_field(&text, end, &line.oid) < 0 || take_field(&text, end, &type) < 0)
        return lab_fail(err, "write OID|TYPE|VALUE");
    line.value = (struct field){text, (size_t)(end - text)};
    oid_length = lab_oid_parse(line.oid.text, line.oid.length, ber);
    if (oid_length < 0)
        return lab_fail(err, "\"%.*s\" is no object identifier",
                        (int)(line.oid.length < 60 ? line.oid.length : 60), line.oid.text);
    if (parse_type(type, &line, err) < 0 || (line.is_numeric && take_motion(&line, &rate, err) < 0))
        return -EINVAL;
    value_length = take_value(&line, value, err);
    if (value_length < 0)
        return value_length;
    lab_recording_add(recording, ber, (size_t)oid_length, line.tag, value, (size_t)value_length);
    if (line.is_numeric)
        lab_recording_move_last(recording, rate);
    return 0;
}

unsigned lab_recording_take(struct lab_recording *recording, const char *text, size_t length,
                            lab_recording_complaint *complain, void *context)
{
    const char *end = text + length;
    unsigned useless = 0;

    for (unsigned number = 1; text < end; number++) {
        const char *newline = memchr(text, '\n', (size_t)(end - text));
        const char *stop = newline ? newline : end;
        size_t used = (size_t)(stop - text);
        struct lab_error err;

        if (used && text[used - 1] == '\r')
            used--;
        if (used && text[0] != '#' && lab_recording_take_line(recording, text, used, &err) < 0) {
            useless++;
            if (complain)
                complain(context, number, err.text);
        }
        text = newline ? newline + 1 : end;
    }
    return useless;
}
