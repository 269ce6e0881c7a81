/* Windows of a period, of whatever resolution serves: the coarsest that gives the step, finer at
 * the edges and where it is not made yet, coarser where the finer has been forgotten. */
#include "ask.h"
#include "parts.h"

#include <errno.h>

struct phu_scan_entry {
    uint32_t offset, next; /* next: index + 1 */
};

/* -- Which level for which time ---------------------------------------------------------------- */

static void push(struct phu_scan *scan, int level, int64_t from_ns, int64_t to_ns)
{
    if (from_ns < to_ns && scan->segment_count < PHU_SEGMENTS_MAX)
        scan->segments[scan->segment_count++] =
            (struct phu_segment){.level = level, .from_ns = from_ns, .to_ns = to_ns};
}

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t ceiling(int64_t time_ns, int64_t bucket_ns, int64_t zone_ns)
{
    int64_t floor_ns = phu_piece_floor(time_ns, bucket_ns, zone_ns);

    return floor_ns == time_ns ? floor_ns : floor_ns + bucket_ns;
}

/* Buckets of `level` that lie wholly within; what remains on both sides goes a level down, but for
 * what has been forgotten there. */
static void plan(struct phu_scan *scan, int level, int64_t from_ns, int64_t to_ns)
{
    const struct phu_query *query = scan->query;
    int64_t sides[2][2], bucket_ns = phu_level_kinds[level].bucket_ns, low, high;

    if (from_ns >= to_ns)
        return;
    if (level == 0) {
        push(scan, 0, from_ns, to_ns);
        return;
    }
    low = least(ceiling(from_ns, bucket_ns, query->zone_ns), to_ns);
    high = least(phu_piece_floor(to_ns, bucket_ns, query->zone_ns), query->rolled_ns[level]);
    if (high < low)
        high = low;
    sides[0][0] = from_ns;
    sides[0][1] = low;
    sides[1][0] = high;
    sides[1][1] = to_ns;
    for (int i = 0; i < 2; i++) {
        int64_t forgotten_ns = least(query->kept_ns[level - 1], sides[i][1]);

        if (sides[i][0] < forgotten_ns) {
            push(scan, level, sides[i][0], forgotten_ns);
            sides[i][0] = forgotten_ns;
        }
        plan(scan, level - 1, sides[i][0], sides[i][1]);
        if (i == 0)
            push(scan, level, low, high);
    }
}

/* Of what is older than `level` is kept the next coarser one. */
static void plan_from(struct phu_scan *scan, int level, int64_t from_ns, int64_t to_ns)
{
    int64_t kept_ns = least(scan->query->kept_ns[level], to_ns);

    if (level + 1 < PHU_LEVELS && from_ns < kept_ns) {
        plan_from(scan, level + 1, from_ns, kept_ns);
        from_ns = kept_ns;
    }
    plan(scan, level, from_ns, to_ns);
}

static int level_for(int64_t step_ns)
{
    int level = PHU_LEVELS - 1;

    while (
        step_ns && level &&
        (phu_level_kinds[level].bucket_ns > step_ns || step_ns % phu_level_kinds[level].bucket_ns))
        level--;
    return level;
}

/* -- The journal ------------------------------------------------------------------------------- */

static void string_up(struct phu_scan *scan, uint32_t series, const uint8_t *from,
                      const uint8_t *to)
{
    struct phu_scan_entry *entry;

    if (scan->entry_count == scan->entry_capacity) {
        scan->entry_capacity = scan->entry_capacity ? scan->entry_capacity * 2 : 1024;
        scan->entries = reallocarray(scan->entries, scan->entry_capacity, sizeof *scan->entries);
        if (!scan->entries)
            abort();
    }
    entry = &scan->entries[scan->entry_count++];
    *entry = (struct phu_scan_entry){.offset = (uint32_t)scan->bytes.size};
    phu_bytes_put(&scan->bytes, from, (size_t)(to - from));
    if (scan->first[series] == UINT32_MAX)
        scan->first[series] = (uint32_t)scan->entry_count;
    else
        scan->entries[scan->last[series] - 1].next = (uint32_t)scan->entry_count;
    scan->last[series] = (uint32_t)scan->entry_count;
}

static int read_row(struct phu_scan *scan, const void *blob, size_t size, int64_t from_ns,
                    int64_t to_ns)
{
    struct phu_cut cut = {.at = blob, .end = (const uint8_t *)blob + size};
    struct phu_record record;

    for (;;) {
        const uint8_t *from = cut.at;

        if (!phu_record_next(&cut, &record))
            return cut.is_broken ? -EILSEQ : 0;
        if (record.series <= scan->last_series && scan->first[record.series] &&
            record.time_ns >= from_ns && record.time_ns < to_ns)
            string_up(scan, record.series, from, cut.at);
        if (scan->bytes.size > UINT32_MAX / 2)
            return -E2BIG;
    }
}

static int read_journal(struct phu_scan *scan, int64_t from_ns, int64_t to_ns)
{
    struct phu_query *query = scan->query;
    sqlite3_stmt *rows = phu_db_take(&query->db, "SELECT bytes FROM journal WHERE to_ns >= ?"
                                                 " AND from_ns < ? ORDER BY id");
    int result = SQLITE_DONE, err = 0;

    if (!rows)
        return phu_db_error(&query->db);
    sqlite3_bind_int64(rows, 1, from_ns);
    sqlite3_bind_int64(rows, 2, to_ns);
    while (!err && (result = sqlite3_step(rows)) == SQLITE_ROW) {
        err = read_row(scan, sqlite3_column_blob(rows, 0), (size_t)sqlite3_column_bytes(rows, 0),
                       from_ns, to_ns);
        if (!err)
            err = phu_ask_may_go_on(query);
    }
    sqlite3_reset(rows);
    return err ? err : phu_db_errno(result);
}

static int open_journal(struct phu_scan *scan, const struct phu_picks *picks)
{
    int64_t from_ns = INT64_MAX, to_ns = INT64_MIN;

    for (size_t i = 0; i < picks->count; i++)
        if (picks->at[i].series > scan->last_series)
            scan->last_series = picks->at[i].series;
    scan->first = calloc((size_t)scan->last_series + 1, sizeof *scan->first);
    scan->last = calloc((size_t)scan->last_series + 1, sizeof *scan->last);
    if (!scan->first || !scan->last)
        abort();
    for (size_t i = 0; i < picks->count; i++)
        scan->first[picks->at[i].series] = UINT32_MAX;
    for (size_t i = 0; i < scan->segment_count; i++) {
        if (scan->segments[i].level)
            continue;
        from_ns = least(from_ns, scan->segments[i].from_ns);
        to_ns = scan->segments[i].to_ns > to_ns ? scan->segments[i].to_ns : to_ns;
    }
    return from_ns < to_ns && picks->count ? read_journal(scan, from_ns, to_ns) : 0;
}

/* -- Reading ------------------------------------------------------------------------------------
 */

int phu_scan_init(struct phu_scan *scan, struct phu_query *query, const struct phu_picks *picks,
                  int64_t from_ns, int64_t to_ns, int64_t step_ns)
{
    *scan = (struct phu_scan){.query = query};
    plan_from(scan, level_for(step_ns), from_ns, to_ns);
    return open_journal(scan, picks);
}

int phu_scan_init_finest(struct phu_scan *scan, struct phu_query *query,
                         const struct phu_picks *picks, int64_t from_ns, int64_t to_ns)
{
    *scan = (struct phu_scan){.query = query};
    push(scan, 0, from_ns, to_ns);
    return open_journal(scan, picks);
}

void phu_scan_fini(struct phu_scan *scan)
{
    free(scan->bytes.at);
    free(scan->entries);
    free(scan->first);
    free(scan->last);
}

static int add_journal(struct phu_scan *scan, uint32_t series)
{
    struct phu_windows *windows = &scan->query->windows;
    uint32_t entry = series <= scan->last_series ? scan->first[series] : 0;
    int err = 0;

    if (entry == UINT32_MAX)
        return 0;
    for (; entry && !err; entry = scan->entries[entry - 1].next) {
        const uint8_t *from = scan->bytes.at + scan->entries[entry - 1].offset;
        struct phu_cut cut = {.at = from, .end = scan->bytes.at + scan->bytes.size};
        struct phu_record record;

        err = phu_record_next(&cut, &record) ? phu_record_read(&record, windows) : -EILSEQ;
    }
    return err;
}

/* Windows from `first` on that lie outside are taken out. */
static void trim(struct phu_windows *windows, size_t first, const struct phu_segment *segment)
{
    size_t used = first;

    for (size_t i = first; i < windows->count; i++)
        if (windows->at[i].time_ns >= segment->from_ns && windows->at[i].time_ns < segment->to_ns)
            windows->at[used++] = windows->at[i];
    windows->count = used;
}

static int read_segment(struct phu_scan *scan, const struct phu_segment *segment, uint32_t series)
{
    struct phu_query *query = scan->query;
    struct phu_windows *windows = &query->windows;
    int64_t span_ns = phu_level_kinds[segment->level].span_ns;
    int64_t span = phu_piece_of(segment->from_ns, span_ns, query->zone_ns);
    int64_t last = phu_piece_of(segment->to_ns - 1, span_ns, query->zone_ns);
    size_t first = windows->count;
    int err = 0;

    for (; span <= last && !err; span++)
        err = phu_chunk_read(&query->db, segment->level, span, series, query->zone_ns, windows);
    if (!err)
        trim(windows, first, segment);
    return err;
}

int phu_scan_series(struct phu_scan *scan, uint32_t series)
{
    struct phu_windows *windows = &scan->query->windows;
    bool has_finest = false;
    int err = phu_ask_may_go_on(scan->query);

    phu_windows_reset(windows);
    for (size_t i = 0; i < scan->segment_count && !err; i++) {
        err = read_segment(scan, &scan->segments[i], series);
        has_finest = has_finest || !scan->segments[i].level;
    }
    if (err || !has_finest)
        return err;
    err = add_journal(scan, series);
    phu_windows_settle(windows);
    return err;
}
