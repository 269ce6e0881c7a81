#include "selfpoints.h"

#include "phusong/stats.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define PREFIX "phusong_"

struct sample {
    const struct phu_stat_info *info;
    const char *labels; /* "" if none */
    double value;
    bool is_written;
};

struct samples {
    struct sample *items;
    size_t count, capacity;
};

static void collect(void *arg, const struct phu_stat_info *info, const char *labels, double value)
{
    struct samples *samples = arg;

    if (samples->count == samples->capacity) {
        samples->capacity = samples->capacity ? samples->capacity * 2 : 64;
        samples->items = realloc(samples->items, samples->capacity * sizeof *samples->items);
        if (!samples->items)
            abort();
    }
    samples->items[samples->count++] =
        (struct sample){.info = info, .labels = labels ? labels : "", .value = value};
}

/* One label of name="value",…; returns what follows it. NULL when there is none. */
static const char *take_label(const char *labels, char *name, char *value, size_t size)
{
    size_t name_length = strcspn(labels, "="), used = 0;

    if (labels[name_length] != '=' || labels[name_length + 1] != '"' || name_length >= size)
        return NULL;
    memcpy(name, labels, name_length);
    name[name_length] = '\0';
    for (labels += name_length + 2; *labels && *labels != '"'; labels++) {
        char c = *labels;

        if (c == '\\' && labels[1])
            c = *++labels == 'n' ? '\n' : *labels;
        if (used + 1 < size)
            value[used++] = c;
    }
    value[used] = '\0';
    if (*labels == '"')
        labels++;
    return *labels == ',' ? labels + 1 : labels;
}

static void add_tags(struct phu_line *line, const char *labels)
{
    char name[256], value[256];

    while (labels && *labels) {
        labels = take_label(labels, name, value, sizeof name);
        if (labels)
            phu_line_tag(line, name, value);
    }
}

static const char *field_name(const char *name)
{
    return strncmp(name, PREFIX, strlen(PREFIX)) == 0 ? name + strlen(PREFIX) : name;
}

static void write_set(struct samples *samples, size_t first, struct phu_tally_writer *writer,
                      struct phu_wall stamp)
{
    const char *labels = samples->items[first].labels;
    const char *last = ""; /* name: a statistic registered twice is written once */
    struct phu_line line;
    ssize_t length;

    phu_line_begin(&line, writer->buffer, writer->buffer_size, "agent");
    phu_line_ready(&line, writer->tags, writer->tags_length);
    add_tags(&line, labels);
    for (size_t i = first; i < samples->count; i++) {
        struct sample *sample = &samples->items[i];

        if (sample->is_written || strcmp(sample->labels, labels) != 0)
            continue;
        sample->is_written = true;
        if (strcmp(sample->info->name, last) == 0)
            continue;
        last = sample->info->name;
        phu_line_float(&line, field_name(sample->info->name), sample->value);
    }
    length = phu_line_end(&line, stamp);
    if (length > 0) {
        writer->points++;
        writer->emit(writer->emit_arg, writer->buffer, (size_t)length, stamp);
    } else if (length == -ENOBUFS) {
        writer->dropped++;
    }
}

void phu_selfpoints_write(const struct phu_stats *stats, struct phu_tally_writer *writer,
                          struct phu_wall stamp)
{
    struct samples samples = {0};

    phu_stats_visit(stats, collect, &samples);
    for (size_t i = 0; i < samples.count; i++) {
        if (!samples.items[i].is_written)
            write_set(&samples, i, writer, stamp);
    }
    free(samples.items);
}
