/* What the profiles of a folder make of a recorded walk, as the agent would see it: one line of
 * JSON for the profile that is chosen, one for each cell of its tables, one for each sum of their
 * roll-ups.
 *
 *     profile_eval collectors/snmp/profiles tests/data/snmprec/vsol_v1600d.snmprec
 *     profile_eval FOLDER RECORDING --profile NAME      as snmp:NAME in the inventory
 *     profile_eval FOLDER RECORDING...                  each after a line that names its file
 *     profile_eval FOLDER                               checks the profiles only
 */
#include "profile.h"

#include "phusong/err.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { OID_MAX = 128 };

struct record {
    uint32_t oid[OID_MAX];
    size_t length;
    struct phu_cell cell;
};

static struct record *records;
static size_t record_count;

static void *must(void *memory)
{
    if (!memory)
        abort();
    return memory;
}

/* -- The recording ---------------------------------------------------------------------------- */

static size_t read_oid(const char *text, uint32_t oid[OID_MAX])
{
    size_t length = 0;
    char *end;

    while (length < OID_MAX && isdigit((unsigned char)*text)) {
        oid[length++] = (uint32_t)strtoul(text, &end, 10);
        text = *end == '.' ? end + 1 : end;
    }
    return length;
}

static int compare_oids(const uint32_t *a, size_t a_length, const uint32_t *b, size_t b_length)
{
    for (size_t i = 0; i < a_length && i < b_length; i++) {
        if (a[i] != b[i])
            return a[i] < b[i] ? -1 : 1;
    }
    return (a_length > b_length) - (a_length < b_length);
}

static int by_oid(const void *a, const void *b)
{
    const struct record *left = a, *right = b;

    return compare_oids(left->oid, left->length, right->oid, right->length);
}

static void take_text(struct record *record, const char *value, size_t length, char form)
{
    char *text = must(malloc(length + 1));
    size_t used = 0;

    for (size_t i = 0; i < length; i++) {
        unsigned byte = (unsigned char)value[i];

        if (form == 'x') {
            if (i + 1 == length || sscanf(value + i, "%2x", &byte) != 1)
                break;
            i++;
        }
        text[used++] = (char)byte;
    }
    record->cell.text = (uint8_t *)text;
    record->cell.text_length = used;
}

static void take_address(struct record *record)
{
    const uint8_t *bytes = record->cell.text;
    char *text;

    if (record->cell.text_length != 4)
        return;
    if (asprintf(&text, "%u.%u.%u.%u", bytes[0], bytes[1], bytes[2], bytes[3]) < 0)
        abort();
    free((void *)record->cell.text);
    record->cell.text = (uint8_t *)text;
    record->cell.text_length = strlen(text);
}

static void take_value(struct record *record, const char *tag, const char *value, size_t length)
{
    const char *initial = strchr(tag, ':') ? strstr(value, "initial=") : NULL;
    char form = 0;

    if (tag[strspn(tag, "0123456789")] == 'x')
        form = 'x';
    switch (atoi(tag)) {
    case 2:
        record->cell.kind = PHU_VARBIND_INTEGER;
        record->cell.number = (uint64_t)strtoll(value, NULL, 10);
        return;
    case 65:
    case 66:
    case 67:
    case 70:
        record->cell.kind = atoi(tag) == 65   ? PHU_VARBIND_COUNTER32
                            : atoi(tag) == 66 ? PHU_VARBIND_GAUGE
                            : atoi(tag) == 67 ? PHU_VARBIND_TICKS
                                              : PHU_VARBIND_COUNTER64;
        record->cell.number = strtoull(initial ? initial + 8 : value, NULL, 10);
        return;
    case 5:
        record->cell.kind = PHU_VARBIND_MISSING;
        return;
    default:
        record->cell.kind = atoi(tag) == 4 ? PHU_VARBIND_TEXT : PHU_VARBIND_OTHER;
        take_text(record, value, length, form);
        if (atoi(tag) == 64 && form == 'x')
            take_address(record);
    }
}

static void read_recording(const char *path)
{
    FILE *file = fopen(path, "r");
    char *line = NULL;
    size_t size = 0;
    ssize_t length;

    if (!file) {
        fprintf(stderr, "%s: %s\n", path, strerror(errno));
        exit(2);
    }
    while ((length = getline(&line, &size, file)) > 0) {
        char *tag = strchr(line, '|'), *value = tag ? strchr(tag + 1, '|') : NULL;
        struct record *record;

        if (!value)
            continue;
        while (length && (line[length - 1] == '\n' || line[length - 1] == '\r'))
            line[--length] = '\0';
        *value++ = '\0';
        if (!(record_count & (record_count - 1))) /* 0 or a power of two: full */
            records =
                must(realloc(records, (record_count ? 2 * record_count : 1) * sizeof *records));
        record = &records[record_count++];
        memset(record, 0, sizeof *record);
        record->length = read_oid(line[0] == '.' ? line + 1 : line, record->oid);
        take_value(record, tag + 1, value, (size_t)(line + length - value));
    }
    free(line);
    fclose(file);
    qsort(records, record_count, sizeof *records, by_oid);
}

static const struct record *seek(const uint32_t *oid, size_t length)
{
    size_t low = 0, high = record_count;

    while (low < high) {
        size_t middle = (low + high) / 2;

        if (compare_oids(records[middle].oid, records[middle].length, oid, length) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return records + low;
}

static bool is_below(const struct record *record, const struct phu_oid *prefix)
{
    return record < records + record_count && record->length > prefix->length &&
           memcmp(record->oid, prefix->part, prefix->length * sizeof *prefix->part) == 0;
}

static bool has_below(const struct phu_oid *prefix)
{
    return is_below(seek(prefix->part, prefix->length), prefix);
}

static const struct record *get(const char *text)
{
    uint32_t oid[OID_MAX];
    size_t length = read_oid(text, oid);
    const struct record *record = seek(oid, length);

    return record < records + record_count &&
                   compare_oids(record->oid, record->length, oid, length) == 0
               ? record
               : NULL;
}

static const char *ifname(void *arg, uint32_t ifindex)
{
    static const char *const columns[] = {"1.3.6.1.2.1.31.1.1.1.1", "1.3.6.1.2.1.2.2.1.2"};
    static char name[PHU_IFNAME_SIZE];

    (void)arg;
    for (size_t i = 0; i < 2; i++) {
        const struct record *record;
        char oid[64];

        snprintf(oid, sizeof oid, "%s.%" PRIu32, columns[i], ifindex);
        record = get(oid);
        if (!record || record->cell.kind != PHU_VARBIND_TEXT)
            continue;
        phu_ifname_clean(record->cell.text, record->cell.text_length, name);
        if (name[0])
            return name;
    }
    return NULL;
}

/* -- JSON ------------------------------------------------------------------------------------- */

static void put_text(const char *key, const char *text)
{
    printf(", \"%s\": \"", key);
    for (; *text; text++) {
        if (*text == '"' || *text == '\\')
            printf("\\%c", *text);
        else if ((unsigned char)*text < 0x20)
            printf("\\u%04x", (unsigned)*text);
        else
            putchar(*text);
    }
    putchar('"');
}

static void put_oid(const char *key, const struct phu_oid *prefix, const uint32_t *index,
                    size_t length)
{
    printf(", \"%s\": \"", key);
    for (size_t i = 0; i < prefix->length; i++)
        printf("%s%" PRIu32, i ? "." : "", prefix->part[i]);
    for (size_t i = 0; i < length; i++)
        printf("%s%" PRIu32, prefix->length || i ? "." : "", index[i]);
    putchar('"');
}

static void put_raw(const struct phu_cell *cell)
{
    char *text;

    if (cell->kind == PHU_VARBIND_MISSING)
        return;
    if (cell->kind == PHU_VARBIND_INTEGER) {
        printf(", \"raw\": %" PRId64, (int64_t)cell->number);
    } else if (cell->kind != PHU_VARBIND_TEXT && cell->kind != PHU_VARBIND_OTHER) {
        printf(", \"raw\": %" PRIu64, cell->number);
    } else {
        text = must(strndup(cell->text_length ? (const char *)cell->text : "", cell->text_length));
        for (char *c = text; *c; c++)
            *c = (unsigned char)*c < 0x80 ? *c : '?';
        put_text("raw", text);
        free(text);
    }
}

static void put_metric(int metric)
{
    char name[128];

    if (metric < 0)
        return;
    snprintf(name, sizeof name, "%s.%s", phu_snmp_metrics[metric].measurement,
             phu_snmp_metrics[metric].name);
    put_text("metric", name);
    put_text("unit", phu_snmp_metrics[metric].unit);
}

/* What the column is for, whether this cell has a value or not. */
static void put_feeds(const struct phu_profile_column *column)
{
    char name[128];

    if (column->family) {
        put_text("feeds", column->family);
    } else if (column->metric >= 0) {
        snprintf(name, sizeof name, "%s.%s", phu_snmp_metrics[column->metric].measurement,
                 phu_snmp_metrics[column->metric].name);
        put_text("feeds", name);
    }
}

static void put_read(const struct phu_profile_column *column, const struct phu_cell *cell,
                     const struct phu_read *read)
{
    static const char *const names[] = {
        [PHU_READ_VALUE] = "value",
        [PHU_READ_WORD] = "word",
        [PHU_READ_TEXT] = "text",
        [PHU_READ_COUNTER] = "counter",
        [PHU_READ_ABSENT] = "absent",
        [PHU_READ_NONE] = "none",
        [PHU_READ_IMPLAUSIBLE] = "implausible",
        [PHU_READ_UNFIT] = "unfit",
        [PHU_READ_CONDITION] = "condition",
        [PHU_READ_HELP] = "help",
    };
    char why[256];

    put_text("status", names[read->status]);
    put_metric(read->metric);
    if (read->word)
        put_text("word", read->word);
    if (read->status == PHU_READ_TEXT)
        put_text("text", read->text);
    if (read->status == PHU_READ_VALUE || (read->status == PHU_READ_HELP && !isnan(read->value)))
        printf(", \"value\": %.12g", read->value);
    if (read->status == PHU_READ_COUNTER)
        printf(", \"value\": %" PRIu64 ", \"bits\": %u", read->number, read->bits);
    phu_profile_why(column, read, cell, why, sizeof why);
    if (why[0])
        put_text("why", why);
}

/* -- Roll-ups --------------------------------------------------------------------------------- */

struct sum {
    char row[PHU_PROFILE_NAME_SIZE];
    int metric;
    unsigned count;
    double sum, min, max;
    struct sum *next;
};

static void add_to(struct sum **sums, const char *row, int metric, double value)
{
    struct sum *sum = *sums;

    while (sum && (sum->metric != metric || strcmp(sum->row, row) != 0))
        sum = sum->next;
    if (!sum) {
        sum = must(calloc(1, sizeof *sum));
        snprintf(sum->row, sizeof sum->row, "%s", row);
        sum->metric = metric;
        sum->min = sum->max = value;
        while (*sums)
            sums = &(*sums)->next;
        *sums = sum;
    }
    sum->count++;
    sum->sum += value;
    sum->min = value < sum->min ? value : sum->min;
    sum->max = value > sum->max ? value : sum->max;
}

static void add_word(struct sum **sums, const char *row, const char *family, const char *word)
{
    char name[160];

    snprintf(name, sizeof name, "%s_%s", family, word);
    if (phu_snmp_metric_find(name) >= 0)
        add_to(sums, row, phu_snmp_metric_find(name), 1);
}

/* A state may be told by several columns, of which one has a word: the first counts the rows. */
static bool is_first_of_family(const struct phu_profile_rollup *rollup, size_t at)
{
    for (size_t i = 0; i < at; i++) {
        if (rollup->sums[i].family && strcmp(rollup->sums[i].family, rollup->sums[at].family) == 0)
            return false;
    }
    return true;
}

static void roll_up(const struct phu_profile_table *table, const struct phu_row_source *source,
                    const struct phu_read *reads, struct sum **sums)
{
    char row[PHU_PROFILE_NAME_SIZE];

    if (!table->rollup.tag || phu_profile_row_name(table->rollup.name, source, row) != 0)
        return;
    for (size_t i = 0; i < table->rollup.sum_count; i++) {
        const struct phu_profile_sum *sum = &table->rollup.sums[i];
        const struct phu_read *read = &reads[sum->column];

        if (sum->family && is_first_of_family(&table->rollup, i) && read->status != PHU_READ_ABSENT)
            add_word(sums, row, sum->family, "total");
        if (sum->family && read->status == PHU_READ_WORD)
            add_word(sums, row, sum->family, read->word);
        else if (!sum->family && (read->status == PHU_READ_VALUE ||
                                  (read->status == PHU_READ_HELP && !isnan(read->value))))
            add_to(sums, row, sum->metric, read->value);
    }
}

static void put_sums(const struct phu_profile_table *table, struct sum *sums)
{
    while (sums) {
        struct sum *next = sums->next;

        printf("{\"table\": \"%s\", \"rollup\": true", table->name);
        put_text("tag", table->rollup.tag);
        put_text("row", sums->row);
        put_metric(sums->metric);
        printf(", \"count\": %u, \"sum\": %.12g, \"min\": %.12g, \"max\": %.12g}\n", sums->count,
               sums->sum, sums->min, sums->max);
        free(sums);
        sums = next;
    }
}

/* -- Tables ----------------------------------------------------------------------------------- */

struct row {
    const uint32_t *index;
    size_t length;
    struct phu_cell cells[PHU_PROFILE_COLUMNS_MAX];
};

static int by_index(const void *a, const void *b)
{
    const struct row *left = a, *right = b;

    return compare_oids(left->index, left->length, right->index, right->length);
}

static struct row *row_of(struct row **rows, size_t *count, const uint32_t *index, size_t length)
{
    static size_t at; /* columns mostly have the same rows in the same order */
    struct row *row;

    for (size_t i = 0; i < *count; i++) {
        at = at + 1 < *count ? at + 1 : 0;
        if (compare_oids((*rows)[at].index, (*rows)[at].length, index, length) == 0)
            return &(*rows)[at];
    }
    if (!(*count & (*count - 1)))
        *rows = must(realloc(*rows, (*count ? 2 * *count : 1) * sizeof **rows));
    row = &(*rows)[(*count)++];
    *row = (struct row){.index = index, .length = length};
    for (unsigned i = 0; i < PHU_PROFILE_COLUMNS_MAX; i++)
        row->cells[i].kind = PHU_VARBIND_MISSING;
    return row;
}

static size_t collect(const struct phu_profile_table *table, struct row **rows)
{
    static const uint32_t zero[] = {0};
    size_t count = 0;

    if (table->is_scalar)
        row_of(rows, &count, zero, 1);
    for (unsigned i = 0; i < table->column_count; i++) {
        const struct phu_oid *oid = &table->columns[i].oid;
        const struct record *record = seek(oid->part, oid->length);

        while (record < records + record_count && record->length <= oid->length &&
               compare_oids(record->oid, record->length, oid->part, oid->length) == 0)
            record++; /* an object that a device wrongly has at the column itself */
        for (; oid->length && is_below(record, oid); record++) {
            const uint32_t *index = record->oid + oid->length;
            size_t length = record->length - oid->length;

            if (!table->is_scalar || (length == 1 && index[0] == 0))
                row_of(rows, &count, index, length)->cells[i] = record->cell;
        }
    }
    if (count)
        qsort(*rows, count, sizeof **rows, by_index);
    return count;
}

static void put_row(const struct phu_profile_table *table, const struct row *row, struct sum **sums)
{
    struct phu_row_source source = {
        .table = table,
        .index = row->index,
        .index_length = row->length,
        .cells = row->cells,
        .ifname = ifname,
    };
    struct phu_read reads[PHU_PROFILE_COLUMNS_MAX];
    char name[PHU_PROFILE_NAME_SIZE] = "";
    int result = table->tag ? phu_profile_row_name(table->row, &source, name) : 0;

    phu_profile_row_read(table, row->cells, reads);
    for (unsigned i = 0; i < table->column_count; i++) {
        const struct phu_cell *cell = phu_profile_cell(table, row->cells, i);
        int of = table->columns[i].of < 0 ? (int)i : table->columns[i].of;

        printf("{\"table\": \"%s\"", table->name);
        put_text("measurement", table->measurement);
        if (table->tag)
            put_text("tag", table->tag);
        if (result)
            put_text("row_error", "the index is shorter than the template");
        else if (table->tag)
            put_text("row", name);
        put_text("column", table->columns[i].name);
        put_feeds(&table->columns[i]);
        put_oid("oid", &table->columns[of].oid, row->index, row->length);
        put_oid("index", &(struct phu_oid){0}, row->index, row->length);
        put_raw(cell);
        put_read(&table->columns[i], cell, &reads[i]);
        puts("}");
    }
    roll_up(table, &source, reads, sums);
}

static void put_table(const struct phu_profile_table *table)
{
    struct row *rows = NULL;
    struct sum *sums = NULL;
    size_t count = collect(table, &rows);

    for (size_t i = 0; i < count; i++)
        put_row(table, &rows[i], &sums);
    put_sums(table, sums);
    free(rows);
}

/* -- Choosing --------------------------------------------------------------------------------- */

static const struct phu_profile *choose(const struct phu_profiles *profiles)
{
    struct phu_profile_fit fits[PHU_PROFILE_FITS_MAX];
    struct phu_identity identity = {.sys_descr = ""};
    const struct record *id = get("1.3.6.1.2.1.1.2.0"), *descr = get("1.3.6.1.2.1.1.1.0");
    char *text = NULL;
    size_t count, best = 0;

    if (id && id->cell.text) {
        uint32_t oid[OID_MAX];
        char *own = must(strndup((const char *)id->cell.text, id->cell.text_length));
        size_t length = read_oid(own[0] == '.' ? own + 1 : own, oid);

        identity.sys_object_id.length = (uint8_t)(length < PHU_OID_MAX ? length : PHU_OID_MAX);
        memcpy(identity.sys_object_id.part, oid, identity.sys_object_id.length * sizeof *oid);
        free(own);
    }
    if (descr && descr->cell.text) {
        text = must(strndup((const char *)descr->cell.text, descr->cell.text_length));
        identity.sys_descr = text;
    }
    count = phu_profiles_fit(profiles, &identity, fits, PHU_PROFILE_FITS_MAX);
    while (best < count && fits[best].has.length && !has_below(&fits[best].has))
        best++;
    printf("{\"profile\": \"%s\"", best < count ? fits[best].profile->name : "");
    put_text("why", best < count ? fits[best].why : "");
    printf(", \"candidates\": [");
    for (size_t i = 0; i < count; i++)
        printf("%s\"%s\"", i ? ", " : "", fits[i].profile->name);
    printf("]");
    put_oid("sys_object_id", &identity.sys_object_id, NULL, 0);
    put_text("sys_descr", identity.sys_descr);
    puts("}");
    free(text);
    return best < count ? fits[best].profile : NULL;
}

static void forget_recording(void)
{
    for (size_t i = 0; i < record_count; i++)
        free((void *)records[i].cell.text);
    free(records);
    records = NULL;
    record_count = 0;
}

/* `name` is the profile's, NULL: what the device is recognised as. */
static int evaluate(const struct phu_profiles *profiles, const char *path, const char *name)
{
    const struct phu_profile *profile;

    read_recording(path);
    profile = name ? phu_profiles_find(profiles, name) : choose(profiles);
    if (!profile)
        fprintf(stderr, "%s: no such profile\n", path);
    for (size_t i = 0; profile && i < profile->table_count; i++)
        put_table(&profile->tables[i]);
    forget_recording();
    return profile ? 0 : 1;
}

int main(int argc, char **argv)
{
    const char *folder = argc > 1 ? argv[1] : "";
    bool is_named = argc == 5 && strcmp(argv[3], "--profile") == 0;
    struct phu_profiles *profiles;
    struct phu_diags diags;
    int result;

    if (argc < 2) {
        fputs("usage: profile_eval FOLDER [RECORDING [--profile NAME]]\n"
              "       profile_eval FOLDER RECORDING...\n",
              stderr);
        return 2;
    }
    phu_diags_init(&diags);
    result = phu_profiles_load(&folder, 1, &diags, &profiles);
    phu_diags_print(&diags, stderr);
    phu_diags_fini(&diags);
    if (result)
        return 1;
    if (argc == 3 || is_named)
        result = evaluate(profiles, argv[2], is_named ? argv[4] : NULL);
    for (int i = 2; i < argc && argc > 3 && !is_named; i++) {
        printf("{\"recording\": \"%s\"}\n", argv[i]);
        evaluate(profiles, argv[i], NULL); /* whether it found a profile is in its first line */
    }
    phu_profiles_free(profiles);
    return result;
}
