/* `phusong spool stat` and `ls`. */
#include "spool_report.h"

#include "commands.h"
#include "inspect.h"
#include "rfc3339.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

void phu_spool_format_size(char text[PHU_SIZE_TEXT], unsigned long long bytes)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    double value = (double)bytes;
    size_t unit = 0;

    while (value >= 1024 && unit + 1 < sizeof units / sizeof *units) {
        value /= 1024;
        unit++;
    }
    snprintf(text, PHU_SIZE_TEXT, unit ? "%.1f %s" : "%.0f %s", value, units[unit]);
}

static void print_json(json_t *json)
{
    json_dumpf(json, stdout, JSON_INDENT(2));
    putchar('\n');
    json_decref(json);
}

static json_t *json_time(struct phu_wall at)
{
    char text[PHU_RFC3339_SIZE];

    phu_rfc3339_format(text, at);
    return at.ns ? json_string(text) : json_null();
}

struct totals {
    uint64_t records;
    struct phu_wall first, last;
};

static struct totals add_up(const struct phu_segments *table)
{
    struct totals totals = {0};

    for (size_t i = 0; i < table->count; i++) {
        const struct phu_segment *segment = &table->items[i];

        if (!totals.records || segment->first.ns < totals.first.ns)
            totals.first = segment->first;
        if (segment->last.ns > totals.last.ns)
            totals.last = segment->last;
        totals.records += segment->count;
    }
    return totals;
}

static json_t *reader_to_json(const struct phu_view_reader *reader)
{
    json_t *ranges = json_array();

    for (size_t i = 0; i < reader->cursor.range_count; i++)
        json_array_append_new(ranges, json_pack("{s:I, s:I}", "from",
                                                (json_int_t)reader->cursor.ranges[i].from, "to",
                                                (json_int_t)reader->cursor.ranges[i].to));
    return json_pack("{s:s, s:b, s:I, s:o, s:I, s:I, s:o}", "name", reader->name, "damaged",
                     reader->error != 0, "live", (json_int_t)reader->cursor.live, "backfill",
                     ranges, "live_bytes", (json_int_t)reader->live_bytes, "backfill_bytes",
                     (json_int_t)reader->backfill_bytes, "oldest", json_time(reader->oldest));
}

static int stat_as_json(const struct phu_view *view, const char *dir, const struct totals *totals)
{
    json_t *readers = json_array();

    for (size_t i = 0; i < view->reader_count; i++)
        json_array_append_new(readers, reader_to_json(&view->readers[i]));
    print_json(json_pack("{s:s, s:b, s:I, s:I, s:I, s:o, s:o, s:I, s:o}", "dir", dir, "in_use",
                         view->is_in_use, "bytes", (json_int_t)view->table.bytes, "segments",
                         (json_int_t)view->table.count, "records", (json_int_t)totals->records,
                         "oldest", json_time(totals->first), "newest", json_time(totals->last),
                         "quarantined", (json_int_t)view->quarantined, "readers", readers));
    return PHU_EXIT_OK;
}

static void print_reader(const struct phu_view_reader *reader, int width)
{
    char live[PHU_SIZE_TEXT], backfill[PHU_SIZE_TEXT], oldest[PHU_RFC3339_SIZE];

    phu_spool_format_size(live, reader->live_bytes);
    phu_spool_format_size(backfill, reader->backfill_bytes);
    phu_rfc3339_format(oldest, reader->oldest);
    printf("%-*s  %12s  %12s  %s%s\n", width, reader->name, live, backfill, oldest,
           reader->error ? "  (cursor damaged: starts again from the oldest)" : "");
}

int phu_spool_report_stat(const struct phu_view *view, const char *dir, bool is_json)
{
    struct totals totals = add_up(&view->table);
    char size[PHU_SIZE_TEXT], first[PHU_RFC3339_SIZE], last[PHU_RFC3339_SIZE];
    int width = 8;

    if (is_json)
        return stat_as_json(view, dir, &totals);
    phu_spool_format_size(size, view->table.bytes);
    phu_rfc3339_format(first, totals.first);
    phu_rfc3339_format(last, totals.last);
    printf("spool       %s%s\n", dir, view->is_in_use ? " (in use by a running agent)" : "");
    printf("size        %s in %zu segment%s\n", size, view->table.count,
           view->table.count == 1 ? "" : "s");
    printf("points      %" PRIu64 "\n", totals.records);
    printf("from, to    %s, %s\n", first, last);
    if (view->quarantined)
        printf("set aside   %zu damaged file%s in quarantine/\n", view->quarantined,
               view->quarantined == 1 ? "" : "s");
    if (!view->reader_count) {
        puts("\nNo exporter has read from it yet.");
        return PHU_EXIT_OK;
    }
    for (size_t i = 0; i < view->reader_count; i++) {
        if ((int)strlen(view->readers[i].name) > width)
            width = (int)strlen(view->readers[i].name);
    }
    printf("\n%-*s  %12s  %12s  %s\n", width, "EXPORTER", "LIVE", "BACKFILL", "OLDEST TO SEND");
    for (size_t i = 0; i < view->reader_count; i++)
        print_reader(&view->readers[i], width);
    return PHU_EXIT_OK;
}

int phu_spool_report_ls(const struct phu_view *view, bool is_json)
{
    json_t *list = json_array();

    if (!is_json)
        printf("%-20s  %10s  %9s  %-20s  %-20s\n", "SEGMENT", "SIZE", "POINTS", "FROM", "TO");
    for (size_t i = 0; i < view->table.count; i++) {
        const struct phu_segment *segment = &view->table.items[i];
        char name[PHU_SEGMENT_NAME_SIZE], size[PHU_SIZE_TEXT];
        char first[PHU_RFC3339_SIZE], last[PHU_RFC3339_SIZE];
        bool is_sealed = segment->base + segment->file_bytes >= segment->end + PHU_SEAL_SIZE;

        phu_segment_name(name, segment->base);
        phu_spool_format_size(size, segment->file_bytes);
        phu_rfc3339_format(first, segment->first);
        phu_rfc3339_format(last, segment->last);
        if (!is_json)
            printf("%-20s  %10s  %9" PRIu32 "  %-20s  %-20s%s\n", name, size, segment->count, first,
                   last, is_sealed ? "" : "  open");
        json_array_append_new(list, json_pack("{s:s, s:I, s:I, s:o, s:o, s:b}", "name", name,
                                              "bytes", (json_int_t)segment->file_bytes, "records",
                                              (json_int_t)segment->count, "oldest",
                                              json_time(segment->first), "newest",
                                              json_time(segment->last), "sealed", is_sealed));
    }
    if (is_json)
        print_json(list);
    else
        json_decref(list);
    return PHU_EXIT_OK;
}
