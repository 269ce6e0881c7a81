#include "parse_line.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

struct reader {
    char *at, *end; /* what is left; the newline is cut off */
    const char *why;
};

/* Reads up to one of `stops`, which is not escaped, and unescapes in place. Returns the text, ended
 * by a zero where the stop was, which goes to *stop (0 at the end). */
static char *take_text(struct reader *reader, const char *stops, const char *specials, char *stop)
{
    char *begin = reader->at, *out = begin;

    while (reader->at < reader->end && !strchr(stops, *reader->at)) {
        if (*reader->at == '\\') {
            char next = reader->at + 1 < reader->end ? reader->at[1] : '\0';

            if (next == '\0' || next == '\\')
                reader->why = "ambiguous backslash";
            else if (strchr(specials, next))
                reader->at++;
        }
        if (reader->at < reader->end)
            *out++ = *reader->at++;
    }
    *stop = reader->at < reader->end ? *reader->at : '\0';
    if (reader->at < reader->end)
        reader->at++;
    *out = '\0';
    if (out == begin)
        reader->why = "empty name or value";
    return begin;
}

static void read_tags(struct reader *reader, struct parsed_line *line, char stop)
{
    while (stop == ',' && !reader->why) {
        struct parsed_tag *tag = &line->tags[line->tag_count++];

        if (line->tag_count > PARSED_TAGS) {
            reader->why = "too many tags";
            return;
        }
        tag->name = take_text(reader, "=, ", "=, ", &stop);
        if (stop != '=') {
            reader->why = "tag without value";
            return;
        }
        tag->value = take_text(reader, ",= ", "=, ", &stop);
        for (size_t i = 0; i + 1 < line->tag_count; i++) {
            if (strcmp(line->tags[i].name, tag->name) == 0)
                reader->why = "the same tag twice";
        }
    }
    if (stop != ' ')
        reader->why = "no fields";
}

static void read_string(struct reader *reader, struct parsed_field *field, char *stop)
{
    char *out = ++reader->at;

    field->type = PARSED_STRING;
    field->s = out;
    while (reader->at < reader->end && *reader->at != '"') {
        if (*reader->at == '\\') {
            reader->at++;
            if (reader->at == reader->end || !strchr("\"\\", *reader->at)) {
                reader->why = "backslash in a string before neither quote nor backslash";
                return;
            }
        }
        *out++ = *reader->at++;
    }
    if (reader->at == reader->end) {
        reader->why = "string without end";
        return;
    }
    *out = '\0';
    reader->at++;
    *stop = reader->at < reader->end ? *reader->at++ : '\0';
}

static void read_number(struct reader *reader, struct parsed_field *field, char *text)
{
    size_t length = strlen(text);
    char *rest;

    errno = 0;
    if (text[0] == '+' || (strspn(text, "-0123456789.eE+") != length && text[length - 1] != 'i')) {
        reader->why = "not a number";
        return;
    }
    if (text[length - 1] == 'i') {
        field->type = PARSED_INT;
        field->i = strtoll(text, &rest, 10);
        if (errno || rest != text + length - 1 || length < 2 ||
            (text[0] != '-' && (text[0] < '0' || text[0] > '9')))
            reader->why = "not an integer";
        return;
    }
    field->type = PARSED_FLOAT;
    field->f = strtod(text, &rest);
    if (*rest || !isfinite(field->f))
        reader->why = "not a finite number";
    else if (!strpbrk(text, ".e"))
        reader->why = "float without point or exponent";
}

static void read_value(struct reader *reader, struct parsed_field *field, char *stop)
{
    char *text;

    if (reader->at < reader->end && *reader->at == '"') {
        read_string(reader, field, stop);
        return;
    }
    text = take_text(reader, ", ", "", stop);
    if (reader->why)
        return;
    if (strcmp(text, "true") == 0 || strcmp(text, "false") == 0) {
        field->type = PARSED_BOOL;
        field->i = *text == 't';
    } else {
        read_number(reader, field, text);
    }
}

static void read_fields(struct reader *reader, struct parsed_line *line)
{
    char stop = ',';

    while (stop == ',' && !reader->why) {
        struct parsed_field *field = &line->fields[line->field_count++];

        if (line->field_count > PARSED_FIELDS) {
            reader->why = "too many fields";
            return;
        }
        field->name = take_text(reader, "=, ", "=, ", &stop);
        if (stop != '=') {
            reader->why = "field without value";
            return;
        }
        if (!reader->why)
            read_value(reader, field, &stop);
        for (size_t i = 0; !reader->why && i + 1 < line->field_count; i++) {
            if (strcmp(line->fields[i].name, field->name) == 0)
                reader->why = "the same field twice";
        }
    }
    if (!reader->why && stop != ' ')
        reader->why = "no timestamp";
}

static void read_timestamp(struct reader *reader, struct parsed_line *line)
{
    char *rest;

    errno = 0;
    line->timestamp = strtoll(reader->at, &rest, 10);
    if (errno || rest != reader->end || rest == reader->at || *reader->at == ' ')
        reader->why = "bad timestamp";
}

static bool is_printable(const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        if ((unsigned char)text[i] < ' ' || text[i] == 127)
            return false;
    }
    return true;
}

static size_t key_length(const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        if (text[i] == '\\')
            i++;
        else if (text[i] == ' ')
            return i;
    }
    return length;
}

const char *parse_line(const char *text, size_t length, struct parsed_line *line)
{
    struct reader reader = {0};
    size_t key = key_length(text, length);
    char stop;

    line->tag_count = line->field_count = 0;
    if (length < 2 || text[length - 1] != '\n')
        return "no newline at the end";
    if (!is_printable(text, length - 1))
        return "control character";
    if (*text == '#')
        return "comment";
    line->text = malloc(length + 1 + key + 1);
    if (!line->text)
        abort();
    memcpy(line->text, text, length);
    line->text[length - 1] = '\0';
    line->key = memcpy(line->text + length + 1, text, key);
    line->text[length + 1 + key] = '\0';
    reader.at = line->text;
    reader.end = line->text + length - 1;
    line->measurement = take_text(&reader, ", ", ", =", &stop);
    if (!reader.why)
        read_tags(&reader, line, stop);
    if (!reader.why)
        read_fields(&reader, line);
    if (!reader.why)
        read_timestamp(&reader, line);
    if (reader.why)
        parsed_line_free(line);
    return reader.why;
}

void parsed_line_free(struct parsed_line *line)
{
    free(line->text);
    line->text = NULL;
}

const char *parsed_tag(const struct parsed_line *line, const char *name)
{
    for (size_t i = 0; i < line->tag_count; i++) {
        if (strcmp(line->tags[i].name, name) == 0)
            return line->tags[i].value;
    }
    return "";
}

const struct parsed_field *parsed_field(const struct parsed_line *line, const char *name)
{
    for (size_t i = 0; i < line->field_count; i++) {
        if (strcmp(line->fields[i].name, name) == 0)
            return &line->fields[i];
    }
    return NULL;
}

int64_t parsed_int(const struct parsed_line *line, const char *name)
{
    const struct parsed_field *field = parsed_field(line, name);

    return field && field->type == PARSED_INT ? field->i : 0;
}
