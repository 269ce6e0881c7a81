/* The registry of self-measurements: a sorted array of borrowed pointers. */
#include "phusong/stats.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct phu_stat {
    const struct phu_stat_info *info;
    char *labels; /* NULL if none */
    const int64_t *value;
    double (*read)(void *arg);
    void *arg;
};

struct phu_stats {
    struct phu_stat **items; /* by name, then in order of registration */
    size_t count, capacity;
};

struct phu_stats *phu_stats_new(void)
{
    struct phu_stats *stats = calloc(1, sizeof *stats);

    if (!stats)
        abort();
    return stats;
}

static void free_stat(struct phu_stat *stat)
{
    free(stat->labels);
    free(stat);
}

void phu_stats_free(struct phu_stats *stats)
{
    if (!stats)
        return;
    for (size_t i = 0; i < stats->count; i++)
        free_stat(stats->items[i]);
    free(stats->items);
    free(stats);
}

static size_t place_after_equals(const struct phu_stats *stats, const char *name)
{
    size_t place = stats->count;

    while (place > 0 && strcmp(stats->items[place - 1]->info->name, name) > 0)
        place--;
    return place;
}

static struct phu_stat *insert(struct phu_stats *stats, const struct phu_stat *stat,
                               const char *labels)
{
    size_t place = place_after_equals(stats, stat->info->name);
    struct phu_stat *copy = malloc(sizeof *copy);

    if (stats->count == stats->capacity) {
        stats->capacity = stats->capacity ? stats->capacity * 2 : 32;
        stats->items = realloc(stats->items, stats->capacity * sizeof *stats->items);
    }
    if (!copy || !stats->items)
        abort();
    *copy = *stat;
    copy->labels = labels ? strdup(labels) : NULL;
    memmove(&stats->items[place + 1], &stats->items[place],
            (stats->count - place) * sizeof *stats->items);
    stats->items[place] = copy;
    stats->count++;
    return copy;
}

struct phu_stat *phu_stats_add(struct phu_stats *stats, const struct phu_stat_info *info,
                               const char *labels, const int64_t *value)
{
    return insert(stats, &(struct phu_stat){.info = info, .value = value}, labels);
}

struct phu_stat *phu_stats_add_read(struct phu_stats *stats, const struct phu_stat_info *info,
                                    const char *labels, double (*read)(void *arg), void *arg)
{
    return insert(stats, &(struct phu_stat){.info = info, .read = read, .arg = arg}, labels);
}

static void remove_at(struct phu_stats *stats, size_t place)
{
    free_stat(stats->items[place]);
    memmove(&stats->items[place], &stats->items[place + 1],
            (stats->count - place - 1) * sizeof *stats->items);
    stats->count--;
}

void phu_stats_remove(struct phu_stats *stats, struct phu_stat *stat)
{
    for (size_t i = 0; i < stats->count; i++) {
        if (stats->items[i] == stat) {
            remove_at(stats, i);
            return;
        }
    }
}

void phu_stats_remove_within(struct phu_stats *stats, const void *base, size_t size)
{
    uintptr_t first = (uintptr_t)base;

    for (size_t i = stats->count; i-- > 0;) {
        const struct phu_stat *stat = stats->items[i];
        uintptr_t subject = stat->value ? (uintptr_t)stat->value : (uintptr_t)stat->arg;

        if (subject >= first && subject < first + size)
            remove_at(stats, i);
    }
}

int phu_stats_label(char *buffer, size_t size, const char *name, const char *value)
{
    char escaped[512];
    size_t used = 0;

    for (; *value && used + 3 < sizeof escaped; value++) {
        if (*value == '"' || *value == '\\' || *value == '\n')
            escaped[used++] = '\\';
        escaped[used++] = *value == '\n' ? 'n' : *value;
    }
    escaped[used] = '\0';
    return snprintf(buffer, size, "%s=\"%s\"", name, escaped);
}

void phu_stats_visit(const struct phu_stats *stats, phu_stats_visit_cb *visit, void *arg)
{
    for (size_t i = 0; i < stats->count; i++) {
        const struct phu_stat *stat = stats->items[i];
        double value = stat->value ? (double)*stat->value : stat->read(stat->arg);

        visit(arg, stat->info, stat->labels, value);
    }
}
