#include "discover_merge.h"

#include "discover_targets.h"
#include "mem.h"
#include "phusong/csv.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define HEADER "id,address,site,credential,checks,interfaces\n"

/* What is known of the old text. */
struct file {
    const char *old;
    size_t length;
    char *copy; /* that the parser writes into */
    struct phu_csv csv;
    char columns[PHU_CSV_FIELDS_MAX][16]; /* by field: name of the column, or what it begins with */
    size_t column_count;
    size_t id, address; /* fields */
    const char *line_end;
    bool is_quoting; /* every field of the header is in quotes */
    char **taken;    /* "i" and an id, "a" and an address */
    size_t taken_count;
};

/* -- Reading what is there --------------------------------------------------------------------- */

static char *trim(char *text)
{
    size_t length;

    text += strspn(text, " \t");
    length = strlen(text);
    while (length && strchr(" \t", text[length - 1]))
        text[--length] = '\0';
    return text;
}

/* Addresses are compared as numbers, host names as they are. */
static void normalise(const char *address, char *text, size_t size)
{
    struct phu_target target;
    char written[PHU_TARGET_TEXT];

    if (phu_target_parse(address, &target) == 0) {
        phu_target_format(&target, written);
        address = written;
    }
    snprintf(text, size, "%s", address);
}

static void take(struct file *file, char kind, const char *text)
{
    char taken[PHU_CSV_FIELD_BYTES_MAX + 2];

    snprintf(taken, sizeof taken, "%c%s", kind, text);
    file->taken = phu_mem_grow(file->taken, file->taken_count, sizeof *file->taken);
    file->taken[file->taken_count++] = phu_mem_strdup(taken);
}

static bool is_blank(const struct phu_csv *csv)
{
    for (size_t i = 0; i < csv->field_count; i++) {
        if (csv->fields[i].length)
            return false;
    }
    return true;
}

static int complain(struct phu_merge *merge, unsigned line, const char *what)
{
    snprintf(merge->problem, sizeof merge->problem, "line %u: %s", line, what);
    return -EINVAL;
}

static size_t find_column(const struct file *file, const char *name)
{
    size_t column = 0;

    while (column < file->column_count && strcmp(file->columns[column], name) != 0)
        column++;
    return column;
}

static int read_header(struct file *file, struct phu_merge *merge)
{
    int result = phu_csv_next(&file->csv);

    if (result < 0)
        return complain(merge, file->csv.problem_line, file->csv.problem);
    if (result == 0)
        return complain(merge, 1, "the file is empty; its first line must name the columns");
    file->column_count = file->csv.field_count;
    for (size_t i = 0; i < file->column_count; i++)
        snprintf(file->columns[i], sizeof file->columns[i], "%s", trim(file->csv.fields[i].text));
    file->id = find_column(file, "id");
    file->address = find_column(file, "address");
    if (file->id == file->column_count || file->address == file->column_count)
        return complain(merge, 1, "the columns id and address are required");
    return 0;
}

static int read_rows(struct file *file, struct phu_merge *merge)
{
    struct phu_csv *csv = &file->csv;
    int result;

    while ((result = phu_csv_next(csv)) != 0) {
        char address[PHU_CSV_FIELD_BYTES_MAX + 1];

        if (result < 0)
            return complain(merge, csv->problem_line, csv->problem);
        if (is_blank(csv))
            continue;
        if (csv->field_count != file->column_count)
            return complain(merge, csv->fields[0].line,
                            "another number of fields than the header has");
        take(file, 'i', trim(csv->fields[file->id].text));
        normalise(trim(csv->fields[file->address].text), address, sizeof address);
        take(file, 'a', address);
    }
    return 0;
}

static const char *skip_bom(const char *text, size_t length)
{
    return length >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0 ? text + 3 : text;
}

/* Those of the header's line: it may not hold line breaks in quotes, as no column has such a name.
 */
static void read_manner(struct file *file)
{
    const char *begin = skip_bom(file->old, file->length);
    const char *newline = memchr(file->old, '\n', file->length);

    file->line_end = newline && newline > begin && newline[-1] == '\r' ? "\r\n" : "\n";
    file->is_quoting = begin < file->old + file->length && *begin == '"';
}

static int read_file(struct file *file, const char *old, size_t length, struct phu_merge *merge)
{
    int error;

    *file = (struct file){.old = old, .length = length, .copy = malloc(length + 1)};
    if (!file->copy)
        abort();
    memcpy(file->copy, old, length);
    file->copy[length] = '\0';
    phu_csv_open(&file->csv, file->copy, length);
    read_manner(file);
    error = read_header(file, merge);
    return error ? error : read_rows(file, merge);
}

static void close_file(struct file *file)
{
    for (size_t i = 0; i < file->taken_count; i++)
        free(file->taken[i]);
    free(file->taken);
    free(file->copy);
}

/* -- Writing what is new ----------------------------------------------------------------------- */

static const char *value_of(const struct phu_device_row *row, const char *column)
{
    const struct {
        const char *name, *value;
    } values[] = {{"id", row->id},
                  {"address", row->address},
                  {"credential", row->credential},
                  {"checks", row->checks},
                  {"interfaces", row->interfaces}};

    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        if (strcmp(values[i].name, column) == 0)
            return values[i].value;
    }
    return "";
}

static void write_field(FILE *out, const char *text, char separator, bool is_quoting)
{
    if (!is_quoting && !strchr(text, separator) && !strpbrk(text, "\"\r\n")) {
        fputs(text, out);
        return;
    }
    fputc('"', out);
    for (; *text; text++)
        fprintf(out, *text == '"' ? "\"\"" : "%c", *text);
    fputc('"', out);
}

static void write_row(FILE *out, const struct file *file, const struct phu_device_row *row)
{
    for (size_t i = 0; i < file->column_count; i++) {
        if (i)
            fputc(file->csv.separator, out);
        write_field(out, value_of(row, file->columns[i]), file->csv.separator, file->is_quoting);
    }
    fputs(file->line_end, out);
}

static int compare_texts(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static bool is_taken(const struct file *file, char kind, const char *text)
{
    char wanted[PHU_CSV_FIELD_BYTES_MAX + 2], *key = wanted;

    snprintf(wanted, sizeof wanted, "%c%s", kind, text);
    return file->taken_count &&
           bsearch(&key, file->taken, file->taken_count, sizeof *file->taken, compare_texts);
}

/* Which of the rows the file has. */
static void judge(struct file *file, const struct phu_device_row *rows, size_t count,
                  enum phu_merge_fate *fates)
{
    if (file->taken_count)
        qsort(file->taken, file->taken_count, sizeof *file->taken, compare_texts);
    for (size_t i = 0; i < count; i++) {
        char address[PHU_CSV_FIELD_BYTES_MAX + 1];

        normalise(rows[i].address, address, sizeof address);
        fates[i] = is_taken(file, 'a', address)      ? PHU_MERGE_KNOWN_ADDRESS
                   : is_taken(file, 'i', rows[i].id) ? PHU_MERGE_KNOWN_ID
                                                     : PHU_MERGE_ADDED;
    }
}

/* Without the other columns there is nothing amiss: what they would say is the default. */
static bool lacks_credential(const struct file *file, const struct phu_device_row *rows,
                             size_t count, const enum phu_merge_fate *fates)
{
    if (find_column(file, "credential") < file->column_count)
        return false;
    for (size_t i = 0; i < count; i++) {
        if (fates[i] == PHU_MERGE_ADDED && rows[i].credential[0])
            return true;
    }
    return false;
}

static void write_all(const struct file *file, const struct phu_device_row *rows, size_t count,
                      const enum phu_merge_fate *fates, struct phu_merge *merge)
{
    FILE *out = open_memstream(&merge->text, &merge->length);

    if (!out)
        abort();
    fwrite(file->old, 1, file->length, out);
    if (file->length && file->old[file->length - 1] != '\n')
        fputs(file->line_end, out);
    for (size_t i = 0; i < count; i++) {
        if (fates[i] == PHU_MERGE_ADDED)
            write_row(out, file, &rows[i]);
    }
    if (fclose(out))
        abort();
}

int phu_devices_merge(const char *old, size_t length, const struct phu_device_row *rows,
                      size_t count, enum phu_merge_fate *fates, struct phu_merge *merge)
{
    struct file file;
    int error;

    *merge = (struct phu_merge){0};
    error = old ? read_file(&file, old, length, merge)
                : read_file(&file, HEADER, strlen(HEADER), merge);
    if (!error) {
        judge(&file, rows, count, fates);
        for (size_t i = 0; i < count; i++)
            merge->added += fates[i] == PHU_MERGE_ADDED;
        merge->lacks_credential = lacks_credential(&file, rows, count, fates);
        if (merge->added)
            write_all(&file, rows, count, fates, merge);
    }
    close_file(&file);
    return error;
}

void phu_merge_fini(struct phu_merge *merge)
{
    free(merge->text);
    merge->text = NULL;
}

char *phu_devices_format(const struct phu_device_row *rows, size_t count)
{
    enum phu_merge_fate *fates = phu_mem_alloc(count + 1, sizeof *fates);
    struct phu_merge merge;

    phu_devices_merge(NULL, 0, rows, count, fates, &merge);
    free(fates);
    return merge.text ? merge.text : phu_mem_strdup(HEADER);
}
