/* `phusong spool verify` and `export`: every record of the spool, one after another, with a line of
 * progress when a person is watching.
 */
#include "spool_report.h"

#include "commands.h"
#include "inspect.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct progress {
    uint64_t total, before; /* bytes: of all, of the segments that are done */
    struct phu_mono shown;
    bool is_wanted, is_shown;
};

static void progress_show(struct progress *progress, uint64_t within)
{
    char done[PHU_SIZE_TEXT], total[PHU_SIZE_TEXT];
    struct phu_mono now;

    if (!progress->is_wanted)
        return;
    now = phu_mono_now();
    if (phu_mono_since(now, progress->shown) < 200 * PHU_NS_PER_MS)
        return;
    progress->shown = now;
    progress->is_shown = true;
    phu_spool_format_size(done, progress->before + within);
    phu_spool_format_size(total, progress->total);
    fprintf(stderr, "\r%3.0f %%  %s of %s   ",
            100.0 * (double)(progress->before + within) / (double)progress->total, done, total);
}

static void progress_end(struct progress *progress)
{
    if (progress->is_shown)
        fprintf(stderr, "\r%40s\r", "");
    progress->is_shown = false;
}

static struct progress progress_begin(const struct phu_view *view)
{
    return (struct progress){.total = view->table.bytes ? view->table.bytes : 1,
                             .shown = phu_mono_now(),
                             .is_wanted = isatty(STDERR_FILENO)};
}

/* -- verify ----------------------------------------------------------------------------------- */

struct verification {
    struct progress progress;
    const struct phu_segment *segment;
    bool is_json, is_sealed;
    uint64_t good, lost;
    uint64_t torn_from; /* begin of a damaged stretch that nothing good has followed yet; or 0 */
    bool is_stretch_open;
    uint32_t next_index;
    size_t damages, torn;
    json_t *list;
};

static void report_damage(struct verification *verify, const char *what, uint64_t address,
                          uint64_t bytes, uint64_t records)
{
    char name[PHU_SEGMENT_NAME_SIZE];
    uint64_t offset = address - verify->segment->base;

    phu_segment_name(name, verify->segment->base);
    progress_end(&verify->progress);
    if (verify->is_json)
        json_array_append_new(verify->list,
                              json_pack("{s:s, s:s, s:I, s:I, s:I}", "segment", name, "what", what,
                                        "offset", (json_int_t)offset, "bytes", (json_int_t)bytes,
                                        "records", (json_int_t)records));
    else
        printf("%s: offset %" PRIu64 ": %s, %" PRIu64 " bytes, %" PRIu64 " record%s\n", name,
               offset, what, bytes, records, records == 1 ? "" : "s");
}

/* A damaged stretch ends where something good begins. */
static void close_stretch(struct verification *verify, uint64_t end, uint32_t next_index)
{
    uint64_t records = next_index - verify->next_index;

    if (!verify->is_stretch_open && !records)
        return;
    verify->damages++;
    verify->lost += records;
    report_damage(verify, "damaged", verify->is_stretch_open ? verify->torn_from : end,
                  verify->is_stretch_open ? end - verify->torn_from : 0, records);
    verify->is_stretch_open = false;
}

static bool verify_item(void *arg, const struct phu_scan_item *item)
{
    struct verification *verify = arg;

    progress_show(&verify->progress, item->next - verify->segment->base);
    switch (item->status) {
    case PHU_SCAN_RECORD:
        close_stretch(verify, item->address, item->index);
        verify->next_index = item->index + 1;
        verify->good++;
        break;
    case PHU_SCAN_DAMAGED:
        if (!verify->is_stretch_open)
            verify->torn_from = item->address;
        verify->is_stretch_open = true;
        break;
    case PHU_SCAN_SEAL:
        close_stretch(verify, item->address, item->seal.count);
        verify->is_sealed = true;
        return true;
    case PHU_SCAN_MORE:
        break;
    }
    return false;
}

static void verify_segment(struct verification *verify, const struct phu_view *view)
{
    uint64_t end = verify->segment->base + verify->segment->file_bytes;
    int error = phu_view_check_header(view, verify->segment);

    if (error == -EINVAL) {
        verify->damages++;
        report_damage(verify, "header damaged (its records are not)", verify->segment->base,
                      PHU_SEGMENT_HEADER_SIZE, 0);
    }
    verify->next_index = 0;
    verify->is_stretch_open = verify->is_sealed = false;
    error = phu_view_scan(view, verify->segment, verify_item, verify);
    if (error && error != -ENOENT) {
        verify->damages++;
        report_damage(verify, strerror(-error), verify->segment->base, verify->segment->file_bytes,
                      verify->segment->count - verify->next_index);
    } else if (!error && !verify->is_sealed && verify->is_stretch_open && !view->is_in_use) {
        verify->torn++;
        report_damage(verify, "torn tail (cut off at the next start)", verify->torn_from,
                      end - verify->torn_from, 0);
    }
    verify->progress.before += verify->segment->file_bytes;
}

int phu_spool_walk_verify(const struct phu_view *view, bool is_json)
{
    struct verification verify = {.progress = progress_begin(view), .is_json = is_json};

    verify.list = json_array();
    for (size_t i = 0; i < view->table.count; i++) {
        verify.segment = &view->table.items[i];
        verify_segment(&verify, view);
    }
    progress_end(&verify.progress);
    if (is_json) {
        json_t *json =
            json_pack("{s:I, s:I, s:I, s:I, s:o}", "good", (json_int_t)verify.good, "lost",
                      (json_int_t)verify.lost, "damages", (json_int_t)verify.damages, "quarantined",
                      (json_int_t)view->quarantined, "list", verify.list);

        json_dumpf(json, stdout, JSON_INDENT(2));
        putchar('\n');
        json_decref(json);
    } else {
        json_decref(verify.list);
        printf("%" PRIu64 " records in %zu segments are good, %" PRIu64 " are lost%s\n",
               verify.good, view->table.count, verify.lost,
               view->quarantined ? "; see also quarantine/" : "");
    }
    return verify.damages ? PHU_EXIT_FAILED : PHU_EXIT_OK;
}

/* -- export ----------------------------------------------------------------------------------- */

struct exporting {
    struct progress progress;
    const struct phu_segment *segment;
    struct phu_wall from, to;
    uint64_t damaged;
    bool is_broken; /* nobody takes the output */
};

static bool export_item(void *arg, const struct phu_scan_item *item)
{
    struct exporting *exporting = arg;

    progress_show(&exporting->progress, item->next - exporting->segment->base);
    if (item->status == PHU_SCAN_DAMAGED)
        exporting->damaged++;
    if (item->status != PHU_SCAN_RECORD || item->at.ns < exporting->from.ns ||
        item->at.ns >= exporting->to.ns)
        return false;
    exporting->is_broken = fwrite(item->line, 1, item->length, stdout) != item->length;
    return exporting->is_broken;
}

int phu_spool_walk_export(const struct phu_view *view, struct phu_wall from, struct phu_wall to)
{
    struct exporting exporting = {.progress = progress_begin(view), .from = from, .to = to};
    int status = PHU_EXIT_OK;

    for (size_t i = 0; i < view->table.count && !exporting.is_broken; i++) {
        int error = 0;

        exporting.segment = &view->table.items[i];
        if (exporting.segment->last.ns >= from.ns && exporting.segment->first.ns < to.ns)
            error = phu_view_scan(view, exporting.segment, export_item, &exporting);
        exporting.progress.before += exporting.segment->file_bytes;
        if (error && error != -ENOENT) {
            fprintf(stderr, "phusong spool: segment %016" PRIx64 " cannot be read: %s\n",
                    exporting.segment->base, strerror(-error));
            status = PHU_EXIT_FAILED;
        }
    }
    progress_end(&exporting.progress);
    if (fflush(stdout) != 0 || exporting.is_broken) {
        fprintf(stderr, "phusong spool: cannot write the output: %s\n", strerror(errno));
        return PHU_EXIT_SYSTEM;
    }
    if (exporting.damaged)
        fprintf(stderr, "phusong spool: damaged records were left out; see phusong spool verify\n");
    return status;
}
