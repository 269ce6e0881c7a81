/* CSV, in place. One pass over the bytes: plain fields are cut where their separator stood, quoted
 * ones are moved together over their doubled quotes. UTF-8 is checked field by field.
 *
 * Columns count characters, not bytes. `mark` is the last place whose column is known; it moves
 * along with the cursor, and never over bytes that have been moved.
 */
#include "phusong/csv.h"

#include "phusong/text.h"

#include <errno.h>
#include <string.h>

static char find_separator(const char *text, const char *end)
{
    size_t commas = 0, semicolons = 0;
    bool is_quoted = false;

    for (; text < end && (is_quoted || *text != '\n'); text++) {
        is_quoted ^= *text == '"';
        commas += !is_quoted && *text == ',';
        semicolons += !is_quoted && *text == ';';
    }
    return semicolons > commas ? ';' : ',';
}

static void set_mark(struct phu_csv *csv, char *at, unsigned column)
{
    csv->mark = at;
    csv->column = column;
}

static bool is_break(const struct phu_csv *csv, const char *at)
{
    return at < csv->end && (*at == '\n' || (*at == '\r' && at + 1 < csv->end && at[1] == '\n'));
}

static void skip_break(struct phu_csv *csv)
{
    csv->cursor += *csv->cursor == '\r' ? 2 : 1;
    csv->line++;
    set_mark(csv, csv->cursor, 1);
}

void phu_csv_open(struct phu_csv *csv, char *text, size_t length)
{
    if (length >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) {
        text += 3;
        length -= 3;
    }
    csv->cursor = text;
    csv->end = text + length;
    csv->line = 1;
    csv->problem = NULL;
    csv->field_count = 0;
    csv->is_lost = false;
    set_mark(csv, text, 1);
    while (is_break(csv, csv->cursor))
        skip_break(csv);
    csv->separator = find_separator(csv->cursor, csv->end);
}

static unsigned column_of(const struct phu_csv *csv, const char *at)
{
    return csv->column + (unsigned)phu_text_characters(csv->mark, (size_t)(at - csv->mark));
}

/* Only the first problem of a row is kept. */
static void note(struct phu_csv *csv, unsigned line, unsigned column, const char *problem)
{
    if (csv->problem)
        return;
    csv->problem = problem;
    csv->problem_line = line;
    csv->problem_column = column;
}

static void lose(struct phu_csv *csv, const char *at, const char *problem)
{
    note(csv, csv->line, column_of(csv, at), problem);
    csv->is_lost = true;
}

static void skip_line(struct phu_csv *csv)
{
    char *found = memchr(csv->cursor, '\n', (size_t)(csv->end - csv->cursor));

    csv->cursor = found ? found : csv->end;
    if (found)
        skip_break(csv);
}

static void read_plain(struct phu_csv *csv, struct phu_csv_field *field)
{
    char *at = csv->cursor;

    field->text = at;
    for (; at < csv->end && *at != csv->separator && *at != '\n'; at++) {
        if (*at == '"') {
            lose(csv, at,
                 "a quote inside a field; put the whole field in quotes and double this one");
            return;
        }
        if (*at == '\r') {
            if (is_break(csv, at))
                break;
            lose(csv, at, "a carriage return without line feed; save with LF or CRLF line ends");
            return;
        }
    }
    field->length = (size_t)(at - field->text);
    set_mark(csv, at, column_of(csv, at));
    csv->cursor = at;
}

static void read_quoted(struct phu_csv *csv, struct phu_csv_field *field)
{
    char *from = csv->cursor + 1, *to = from;
    unsigned column = field->column + 1;

    field->text = to;
    while (from < csv->end && (*from != '"' || (from + 1 < csv->end && from[1] == '"'))) {
        if (*from == '"') {
            from++;
            column++;
        }
        if (*from == '\n') {
            csv->line++;
            column = 0;
        }
        column += ((unsigned char)*from & 0xc0) != 0x80;
        *to++ = *from++;
    }
    csv->cursor = from;
    if (from >= csv->end) {
        note(csv, field->line, field->column, "this quote is never closed");
        csv->is_lost = true;
        return;
    }
    field->length = (size_t)(to - field->text);
    csv->cursor = from + 1;
    set_mark(csv, csv->cursor, column + 1);
    if (csv->cursor < csv->end && *csv->cursor != csv->separator && !is_break(csv, csv->cursor))
        lose(csv, csv->cursor,
             "text after the closing quote; a quote inside a quoted field is doubled");
}

static void check_text(struct phu_csv *csv, const struct phu_csv_field *field, bool is_quoted)
{
    size_t valid = phu_text_valid(field->text, field->length);
    unsigned column = field->column + is_quoted + (unsigned)phu_text_characters(field->text, valid);

    if (field->length > PHU_CSV_FIELD_BYTES_MAX)
        note(csv, field->line, field->column,
             "a field of more than 1024 bytes; is a quote left open?");
    else if (valid < field->length && field->text[valid] == '\0')
        note(csv, field->line, column, "a NUL byte; save the file as UTF-8 text");
    else if (valid < field->length)
        note(csv, field->line, column,
             "not UTF-8; save the file as UTF-8 (in a spreadsheet: \"CSV UTF-8\")");
}

/* Fields beyond the most that fit are read into the last one, and are a problem. */
static struct phu_csv_field *next_field(struct phu_csv *csv)
{
    if (csv->field_count < PHU_CSV_FIELDS_MAX)
        return &csv->fields[csv->field_count++];
    note(csv, csv->line, column_of(csv, csv->cursor), "more than 64 fields in one row");
    return &csv->fields[PHU_CSV_FIELDS_MAX - 1];
}

static bool read_field(struct phu_csv *csv)
{
    struct phu_csv_field *field = next_field(csv);
    bool is_quoted = csv->cursor < csv->end && *csv->cursor == '"';

    field->line = csv->line;
    field->column = column_of(csv, csv->cursor);
    set_mark(csv, csv->cursor, field->column);
    if (is_quoted)
        read_quoted(csv, field);
    else
        read_plain(csv, field);
    if (csv->is_lost)
        return false;
    check_text(csv, field, is_quoted);
    return true;
}

/* A field's NUL may have to stand where its separator or line break is, so it is written when that
 * has been seen. */
static void read_row(struct phu_csv *csv)
{
    bool is_more = true;

    csv->field_count = 0;
    while (is_more && read_field(csv)) {
        struct phu_csv_field *field = &csv->fields[csv->field_count - 1];

        is_more = csv->cursor < csv->end && *csv->cursor == csv->separator;
        if (is_more)
            csv->cursor++;
        else if (is_break(csv, csv->cursor))
            skip_break(csv);
        if (is_more)
            set_mark(csv, csv->cursor, csv->column + 1);
        field->text[field->length] = '\0';
    }
}

int phu_csv_next(struct phu_csv *csv)
{
    csv->problem = NULL;
    while (is_break(csv, csv->cursor))
        skip_break(csv);
    if (csv->cursor >= csv->end)
        return 0;
    read_row(csv);
    if (csv->is_lost) {
        skip_line(csv);
        csv->is_lost = false;
    }
    return csv->problem ? -EINVAL : 1;
}
