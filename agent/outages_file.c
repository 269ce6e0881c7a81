#include "outages_file.h"

#include "mem.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FIELDS = 15 };

void phu_outage_record_fini(struct phu_outage_record *record)
{
    free(record->key);
    free(record->name);
    free(record->hamlets);
    *record = (struct phu_outage_record){0};
}

static unsigned pack_flags(const struct phu_outage_event *event)
{
    return event->is_active | (unsigned)event->is_inferred << 1 |
           (unsigned)event->is_flapping << 2 | (unsigned)event->is_maintenance << 3 |
           (unsigned)event->is_local << 4 | (unsigned)event->is_merged << 5;
}

static void unpack_flags(struct phu_outage_event *event, unsigned flags)
{
    event->is_active = flags & 1;
    event->is_inferred = flags >> 1 & 1;
    event->is_flapping = flags >> 2 & 1;
    event->is_maintenance = flags >> 3 & 1;
    event->is_local = flags >> 4 & 1;
    event->is_merged = flags >> 5 & 1;
}

void phu_outages_write_record(const struct phu_outage_record *record, char **text, size_t *length)
{
    const struct phu_outage_event *event = &record->event;
    char *line;
    int size = asprintf(&line,
                        "%" PRId64 "\t%" PRId64 "\t%" PRId64 "\t%d\t%s\t%s\t%s\t%u\t%" PRIu32
                        "\t%" PRIu32 "\t%" PRIu32 "\t%s\t%s\t%s\t.\n",
                        event->id_ns, event->begin_ns, event->end_ns, (int)record->kind,
                        record->root, phu_cause_name(event->cause), phu_cause_name(event->refined),
                        pack_flags(event), event->endpoints, event->hamlets, event->households,
                        record->hamlets, record->name, record->key);

    if (size < 0)
        abort();
    *text = realloc(*text, *length + (size_t)size + 1);
    if (!*text)
        abort();
    memcpy(*text + *length, line, (size_t)size + 1);
    *length += (size_t)size;
    free(line);
}

/* Cuts a line into its fields; the last is the mark that it is whole. */
static bool split(char *line, char *fields[FIELDS])
{
    for (int i = 0; i < FIELDS; i++) {
        char *tab = strchr(line, '\t');

        fields[i] = line;
        if (i == FIELDS - 1)
            return strcmp(line, ".") == 0;
        if (!tab)
            return false;
        *tab = '\0';
        line = tab + 1;
    }
    return false;
}

static bool read_number(const char *text, int64_t least, int64_t most, int64_t *value)
{
    char *end;

    *value = strtoll(text, &end, 10);
    return *text && !*end && *value >= least && *value <= most;
}

static bool read_counts(struct phu_outage_event *event, char *fields[FIELDS])
{
    int64_t flags, endpoints, hamlets, households;

    if (!read_number(fields[7], 0, 63, &flags) ||
        !read_number(fields[8], 0, UINT32_MAX, &endpoints) ||
        !read_number(fields[9], 0, UINT32_MAX, &hamlets) ||
        !read_number(fields[10], 0, UINT32_MAX, &households))
        return false;
    unpack_flags(event, (unsigned)flags);
    event->endpoints = (uint32_t)endpoints;
    event->hamlets = (uint32_t)hamlets;
    event->households = (uint32_t)households;
    return true;
}

static bool read_record(char *line, struct phu_outage_record *record)
{
    struct phu_outage_event *event = &record->event;
    char *fields[FIELDS];
    int64_t kind;
    int cause, refined;

    *record = (struct phu_outage_record){0};
    if (!split(line, fields))
        return false;
    cause = phu_cause_find(fields[5]);
    refined = phu_cause_find(fields[6]);
    if (!read_number(fields[0], 0, INT64_MAX, &event->id_ns) ||
        !read_number(fields[1], 0, INT64_MAX, &event->begin_ns) ||
        !read_number(fields[2], 0, INT64_MAX, &event->end_ns) ||
        !read_number(fields[3], PHU_NODE_AGENT, PHU_NODE_ENDPOINT, &kind) ||
        strlen(fields[4]) >= sizeof record->root || cause < 0 || refined < 0 ||
        !read_counts(event, fields) || strncmp(fields[13], "event,", 6) != 0)
        return false;
    record->kind = (enum phu_node_kind)kind;
    event->cause = (enum phu_cause)cause;
    event->refined = (enum phu_cause)refined;
    memcpy(record->root, fields[4], strlen(fields[4]) + 1);
    record->hamlets = phu_mem_strdup(fields[11]);
    record->name = phu_mem_strdup(fields[12]);
    record->key = phu_mem_strdup(fields[13]);
    return true;
}

struct phu_outage_record *phu_outages_read_records(const char *text, size_t *count,
                                                   size_t *unreadable)
{
    struct phu_outage_record *records = NULL;
    const char *end;

    *count = *unreadable = 0;
    for (; *text; text = *end ? end + 1 : end) {
        char *line;

        end = text + strcspn(text, "\n");
        if (*text == '#' || end == text)
            continue;
        line = phu_mem_strndup(text, (size_t)(end - text));
        records = phu_mem_grow(records, *count, sizeof *records);
        if (read_record(line, &records[*count]))
            ++*count;
        else
            ++*unreadable;
        free(line);
    }
    return records;
}
