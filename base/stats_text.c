/* https://prometheus.io/docs/instrumenting/exposition_formats/ : all samples of one name stand
 * together under one HELP and one TYPE line. The registry visits in order of name, so that comes by
 * itself.
 */
#include "stats_text.h"

#include "phusong/stats.h"

#include <dirent.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

struct page {
    FILE *out;
    const char *name; /* of the last sample */
};

static void write_help(FILE *out, const char *help)
{
    for (; *help; help++) {
        if (*help == '\n')
            fputs("\\n", out);
        else if (*help == '\\')
            fputs("\\\\", out);
        else
            putc(*help, out);
    }
}

static void write_value(FILE *out, double value)
{
    char text[40];

    if (isnan(value)) {
        fputs("NaN", out);
    } else if (isinf(value)) {
        fputs(value > 0 ? "+Inf" : "-Inf", out);
    } else {
        snprintf(text, sizeof text, "%.15g", value);
        if (strtod(text, NULL) != value)
            snprintf(text, sizeof text, "%.17g", value);
        fputs(text, out);
    }
}

static void write_sample(void *arg, const struct phu_stat_info *info, const char *labels,
                         double value)
{
    struct page *page = arg;

    if (!page->name || strcmp(page->name, info->name) != 0) {
        fprintf(page->out, "# HELP %s ", info->name);
        write_help(page->out, info->help);
        fprintf(page->out, "\n# TYPE %s %s\n", info->name,
                info->kind == PHU_STAT_COUNTER ? "counter" : "gauge");
        page->name = info->name;
    }
    fputs(info->name, page->out);
    if (labels && *labels)
        fprintf(page->out, "{%s}", labels);
    putc(' ', page->out);
    write_value(page->out, value);
    putc('\n', page->out);
}

static void write_build(struct page *page, const char *who, const char *version)
{
    static const struct phu_stat_info info = {
        "phusong_build_info", PHU_STAT_GAUGE,
        "Always 1; the labels tell the version, and whose process this is"};
    char labels[1200], first[600];

    phu_stats_label(first, sizeof first, "version", version);
    snprintf(labels, sizeof labels, "%s%s%.560s", first, who ? "," : "", who ? who : "");
    write_sample(page, &info, labels, 1);
}

/* -- The process, by the names that every Prometheus client library uses ---------------------- */

/* Field `number`, counted from 1, of /proc/self/stat; the second may hold blanks, but ends with the
 * last ")". */
static double stat_field(int number)
{
    char line[1024];
    FILE *file = fopen("/proc/self/stat", "re");
    char *at = NULL;

    if (!file)
        return NAN;
    if (fgets(line, sizeof line, file))
        at = strrchr(line, ')');
    fclose(file);
    for (int field = 2; at && field < number; field++)
        at = strchr(at + 1, ' ');
    return at ? strtod(at + 1, NULL) : NAN;
}

static double cpu_seconds(void)
{
    struct timespec used;

    if (clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used))
        return NAN;
    return (double)used.tv_sec + (double)used.tv_nsec / 1e9;
}

static double start_seconds(void)
{
    struct timespec wall, boot;

    clock_gettime(CLOCK_REALTIME, &wall);
    clock_gettime(CLOCK_BOOTTIME, &boot);
    return (double)(wall.tv_sec - boot.tv_sec) + stat_field(22) / (double)sysconf(_SC_CLK_TCK);
}

static double open_descriptors(void)
{
    DIR *dir = opendir("/proc/self/fd");
    const struct dirent *entry;
    double count = -1; /* the one we look through */

    if (!dir)
        return NAN;
    while ((entry = readdir(dir)))
        count += entry->d_name[0] != '.';
    closedir(dir);
    return count;
}

static void write_process(struct page *page)
{
    static const struct phu_stat_info cpu = {"process_cpu_seconds_total", PHU_STAT_COUNTER,
                                             "CPU time used, of user and system, in seconds"};
    static const struct phu_stat_info fds = {"process_open_fds", PHU_STAT_GAUGE,
                                             "Number of open file descriptors"};
    static const struct phu_stat_info memory = {"process_resident_memory_bytes", PHU_STAT_GAUGE,
                                                "Resident memory in bytes"};
    static const struct phu_stat_info started = {"process_start_time_seconds", PHU_STAT_GAUGE,
                                                 "When the process started, in seconds since 1970"};

    write_sample(page, &cpu, NULL, cpu_seconds());
    write_sample(page, &fds, NULL, open_descriptors());
    write_sample(page, &memory, NULL, stat_field(24) * (double)sysconf(_SC_PAGESIZE));
    write_sample(page, &started, NULL, start_seconds());
}

char *phu_stats_text(const struct phu_stats *stats, const char *who, const char *version,
                     size_t *length)
{
    char *text = NULL;
    struct page page = {.out = open_memstream(&text, length)};

    if (!page.out)
        return NULL;
    write_build(&page, who, version);
    write_process(&page);
    phu_stats_visit(stats, write_sample, &page);
    if (fclose(page.out)) {
        free(text);
        return NULL;
    }
    return text;
}
