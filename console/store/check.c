/* Is the file whole? SQLite's own check first; then every blob is taken apart, and every rollup
 * whose finer windows are still there is made anew and compared. */
#include "ask.h"
#include "parts.h"
#include "schema.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>

struct check {
    struct phu_db db;
    int64_t zone_ns, rolled_ns[PHU_LEVELS], kept_ns[PHU_LEVELS];
    struct phu_fold *fold;
    struct phu_windows source, made, stored;
    int64_t done, all; /* rows */
    phu_store_progress_cb *progress;
    void *arg;
    char *why;
    size_t why_size;
};

static const char *const tables[PHU_LEVELS] = {"minute", "five_minutes", "hour", "day"};

static int check_pages(struct check *check)
{
    sqlite3_stmt *run = phu_db_take(&check->db, "PRAGMA integrity_check(1)");
    const char *answer;
    int result, err = 0;

    if (!run)
        return phu_db_error(&check->db);
    result = sqlite3_step(run);
    answer = result == SQLITE_ROW ? phu_db_text(run, 0) : "";
    if (strcmp(answer, "ok") != 0) {
        snprintf(check->why, check->why_size, "the file is damaged: %s",
                 *answer ? answer : sqlite3_errmsg(check->db.handle));
        err = -EILSEQ;
    }
    sqlite3_reset(run);
    return err;
}

static bool is_near(double a, double b)
{
    return a == b || fabs(a - b) <= 1e-9 * (fabs(a) + fabs(b)) || (isnan(a) && isnan(b));
}

static bool is_same_cell(const struct phu_cell *a, const struct phu_cell *b)
{
    if (a->column != b->column)
        return false;
    switch (PHU_COLUMN_TYPE(a->column)) {
    case PHU_CELL_INT:
    case PHU_CELL_BOOL:
        return a->i == b->i;
    case PHU_CELL_FLOAT:
        return is_near(a->f, b->f);
    case PHU_CELL_TEXT:
        return a->size == b->size && (!a->size || memcmp(a->text, b->text, a->size) == 0);
    case PHU_CELL_HIST:
        for (uint32_t i = 0; i < a->size && a->size == b->size; i++)
            if (a->buckets[i].index != b->buckets[i].index ||
                a->buckets[i].count != b->buckets[i].count)
                return false;
        return a->size == b->size;
    }
    return false;
}

static bool is_same_window(const struct phu_window *a, const struct phu_window *b)
{
    if (a->count != b->count)
        return false;
    for (size_t i = 0; i < a->count; i++)
        if (!is_same_cell(&a->cells[i], &b->cells[i]))
            return false;
    return true;
}

static const struct phu_window *window_at(const struct phu_windows *windows, int64_t time_ns)
{
    for (size_t i = 0; i < windows->count; i++)
        if (windows->at[i].time_ns == time_ns)
            return &windows->at[i];
    return NULL;
}

static bool is_dirty(struct check *check, int level, int64_t unit, uint32_t series)
{
    sqlite3_stmt *find = phu_db_take(&check->db, "SELECT 1 FROM dirty WHERE level <= ?1 AND"
                                                 " series = ?2 AND (level < ?1 OR unit = ?3)");
    bool is_marked;

    if (!find)
        return true;
    sqlite3_bind_int(find, 1, level);
    sqlite3_bind_int64(find, 2, series);
    sqlite3_bind_int64(find, 3, unit);
    is_marked = sqlite3_step(find) == SQLITE_ROW;
    sqlite3_reset(find);
    return is_marked;
}

static int complain(struct check *check, int level, uint32_t series, int64_t time_ns,
                    const char *what)
{
    snprintf(check->why, check->why_size, "table %s, series %u, %lld s after 1970: %s",
             tables[level], series, (long long)(time_ns / PHU_SECOND), what);
    return -EILSEQ;
}

/* Rolled up, and all that it was made from still there. */
static int check_unit(struct check *check, int level, int64_t unit, uint32_t series)
{
    const struct phu_level_kind *kind = &phu_level_kinds[level];
    int64_t from_ns = phu_piece_start(unit, kind->unit_ns, check->zone_ns);
    int err;

    if (from_ns < check->kept_ns[level - 1] || from_ns + kind->unit_ns > check->rolled_ns[level] ||
        is_dirty(check, level, unit, series))
        return 0;
    err = phu_roll_make(&check->db, check->fold, level, unit, series, check->zone_ns,
                        &check->source, &check->made);
    for (size_t i = 0; i < check->made.count && !err; i++) {
        int64_t time_ns = check->made.at[i].time_ns;
        const struct phu_window *stored = window_at(&check->stored, time_ns);

        if (!stored || !is_same_window(stored, &check->made.at[i]))
            err =
                complain(check, level, series, time_ns, "is not the sum of what it was made from");
    }
    return err;
}

static int check_chunk(struct check *check, int level, int64_t id)
{
    const struct phu_level_kind *kind = &phu_level_kinds[level];
    int64_t span = id >> 32, unit_ns = kind->unit_ns;
    uint32_t series = (uint32_t)id;
    int64_t from_ns = phu_piece_start(span, kind->span_ns, check->zone_ns);
    int64_t to_ns = from_ns + kind->span_ns;
    int err;

    phu_windows_reset(&check->stored);
    err = phu_chunk_read(&check->db, level, span, series, check->zone_ns, &check->stored);
    if (err)
        return complain(check, level, series, from_ns, "its windows cannot be read");
    for (size_t i = 0; i < check->stored.count; i++)
        if (check->stored.at[i].time_ns < from_ns || check->stored.at[i].time_ns >= to_ns ||
            (i && check->stored.at[i].time_ns <= check->stored.at[i - 1].time_ns))
            return complain(check, level, series, from_ns, "its windows are not of its time");
    for (int64_t at = from_ns; unit_ns && at < to_ns && !err; at += unit_ns)
        err = check_unit(check, level, phu_piece_of(at, unit_ns, check->zone_ns), series);
    return err;
}

static int check_level(struct check *check, int level)
{
    static const char *const queries[PHU_LEVELS] = {
        "SELECT id FROM minute ORDER BY id", "SELECT id FROM five_minutes ORDER BY id",
        "SELECT id FROM hour ORDER BY id", "SELECT id FROM day ORDER BY id"};
    sqlite3_stmt *rows = phu_db_take(&check->db, queries[level]);
    int result = SQLITE_DONE, err = 0;

    if (!rows)
        return phu_db_error(&check->db);
    while (!err && (result = sqlite3_step(rows)) == SQLITE_ROW) {
        err = check_chunk(check, level, sqlite3_column_int64(rows, 0));
        check->done++;
        if (!err && check->progress && check->done % 1024 == 0 &&
            !check->progress(check->arg, check->done, check->all))
            err = -ECANCELED;
    }
    sqlite3_reset(rows);
    return err ? err : phu_db_errno(result);
}

static int check_journal(struct check *check)
{
    sqlite3_stmt *rows = phu_db_take(&check->db, "SELECT bytes FROM journal");
    int result = SQLITE_DONE, err = 0;

    if (!rows)
        return phu_db_error(&check->db);
    while (!err && (result = sqlite3_step(rows)) == SQLITE_ROW) {
        const uint8_t *at = sqlite3_column_blob(rows, 0);
        struct phu_cut cut = {.at = at, .end = at + sqlite3_column_bytes(rows, 0)};
        struct phu_record record;

        while (!err && phu_record_next(&cut, &record)) {
            phu_windows_reset(&check->source);
            err = phu_record_read(&record, &check->source);
        }
        if (err || cut.is_broken) {
            snprintf(check->why, check->why_size, "table journal: its windows cannot be read");
            err = -EILSEQ;
        }
    }
    sqlite3_reset(rows);
    return err ? err : phu_db_errno(result);
}

static int check_all(struct check *check)
{
    static const char *const kept[] = {"kept_minute", "kept_five_minutes", "kept_hour", "kept_day"};
    static const char *const rolled[] = {"", "rolled_five_minutes", "rolled_hour", "rolled_day"};
    int err = check_pages(check);

    for (int level = 0; level < PHU_LEVELS; level++) {
        check->kept_ns[level] = phu_meta_get(&check->db, kept[level], 0);
        check->rolled_ns[level] = phu_meta_get(&check->db, rolled[level], 0);
    }
    check->zone_ns = phu_meta_get(&check->db, "zone_offset", 0);
    check->all = phu_db_number(&check->db,
                               "SELECT (SELECT count(*) FROM minute) + (SELECT count(*) FROM"
                               " five_minutes) + (SELECT count(*) FROM hour) + (SELECT count(*)"
                               " FROM day)",
                               0);
    if (!err)
        err = check_journal(check);
    for (int level = 0; level < PHU_LEVELS && !err; level++)
        err = check_level(check, level);
    return err;
}

int phu_store_check(const char *path, phu_store_progress_cb *progress, void *arg, char *why,
                    size_t why_size)
{
    struct check check = {.progress = progress, .arg = arg, .why = why, .why_size = why_size};
    int err = phu_db_open(&check.db, path, false);

    *why = '\0';
    if (!err)
        err = phu_schema_verify(&check.db);
    if (!err)
        err = phu_db_run(&check.db, "BEGIN"); /* one moment for all of it */
    if (!err) {
        check.fold = phu_fold_new();
        err = check_all(&check);
    }
    if (err && !*why)
        snprintf(why, why_size, "store %s: %s", path, strerror(-err));
    phu_fold_free(check.fold);
    phu_windows_fini(&check.source);
    phu_windows_fini(&check.made);
    phu_windows_fini(&check.stored);
    phu_db_close(&check.db);
    return err;
}
