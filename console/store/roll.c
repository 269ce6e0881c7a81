/* Rolling up: each level is made from the next finer one, a unit (six hours, a day) of one series
 * at a time, always the whole of it, so that doing it again changes nothing.
 *
 * Units are closed in the order of time, some minutes after their end: then everything before
 * rolled_ns is in the coarser level. What comes for a unit that is closed leaves a mark (`dirty`)
 * in the same transaction that packs it, and marked units are made again.
 */
#include "parts.h"

#include <errno.h>

int phu_mark_dirty(struct phu_store *store, int level, int64_t time_ns, uint32_t series)
{
    sqlite3_stmt *mark = phu_db_take(&store->db, "INSERT OR IGNORE INTO dirty (level, unit, series)"
                                                 " VALUES (?, ?, ?)");

    if (!mark)
        return phu_db_error(&store->db);
    sqlite3_bind_int(mark, 1, level);
    sqlite3_bind_int64(mark, 2,
                       phu_piece_of(time_ns, phu_level_kinds[level].unit_ns, store->zone_ns));
    sqlite3_bind_int64(mark, 3, series);
    return phu_db_finish(&store->db, mark);
}

static void close_bucket(struct phu_fold *fold, int64_t time_ns, struct phu_windows *made)
{
    struct phu_window window;

    if (phu_fold_is_empty(fold))
        return;
    phu_fold_window(fold, time_ns, &window);
    phu_windows_put(made, &window);
    phu_fold_reset(fold);
}

int phu_roll_make(struct phu_db *db, struct phu_fold *fold, int level, int64_t unit,
                  uint32_t series, int64_t zone_ns, struct phu_windows *source,
                  struct phu_windows *made)
{
    const struct phu_level_kind *kind = &phu_level_kinds[level], *finer = kind - 1;
    int64_t from_ns = phu_piece_start(unit, kind->unit_ns, zone_ns);
    int64_t to_ns = from_ns + kind->unit_ns, bucket_ns = 0;
    int err = 0;

    phu_windows_reset(source);
    phu_windows_reset(made);
    phu_fold_reset(fold);
    for (int64_t at = from_ns; at < to_ns && !err; at += finer->span_ns)
        err = phu_chunk_read(db, level - 1, phu_piece_of(at, finer->span_ns, zone_ns), series,
                             zone_ns, source);
    for (size_t i = 0; i < source->count && !err; i++) {
        const struct phu_window *window = &source->at[i];
        int64_t bucket = phu_piece_floor(window->time_ns, kind->bucket_ns, zone_ns);

        if (window->time_ns < from_ns || window->time_ns >= to_ns)
            continue;
        if (bucket != bucket_ns)
            close_bucket(fold, bucket_ns, made);
        bucket_ns = bucket;
        phu_fold_add(fold, window);
    }
    close_bucket(fold, bucket_ns, made);
    return err;
}

/* Both by time; of one time the one made now. */
static void merge_made(struct phu_windows *into, const struct phu_windows *made)
{
    size_t before = into->count;

    for (size_t i = 0; i < before; i++) {
        size_t low = 0, high = made->count;

        while (low < high) {
            size_t middle = (low + high) / 2;

            if (made->at[middle].time_ns < into->at[i].time_ns)
                low = middle + 1;
            else
                high = middle;
        }
        if (low < made->count && made->at[low].time_ns == into->at[i].time_ns)
            into->at[i].count = 0; /* nothing of it shall stay */
    }
    for (size_t i = 0; i < made->count; i++)
        *phu_windows_next(into) = made->at[i];
    phu_windows_settle(into);
}

static int roll_unit(struct phu_store *store, int level, int64_t unit, uint32_t series)
{
    const struct phu_level_kind *kind = &phu_level_kinds[level];
    int64_t from_ns = phu_piece_start(unit, kind->unit_ns, store->zone_ns);
    int64_t span = phu_piece_of(from_ns, kind->span_ns, store->zone_ns);
    int err = phu_roll_make(&store->db, store->fold, level, unit, series, store->zone_ns,
                            &store->source, &store->rolled);

    if (err || !store->rolled.count)
        return err;
    phu_windows_reset(&store->target);
    err = phu_chunk_read(&store->db, level, span, series, store->zone_ns, &store->target);
    if (err)
        return err;
    merge_made(&store->target, &store->rolled);
    err = phu_chunk_write(store, level, span, series, &store->target);
    if (!err && level + 1 < PHU_LEVELS &&
        (from_ns < store->rolled_ns[level + 1] || from_ns < store->closing_ns[level + 1]))
        err = phu_mark_dirty(store, level + 1, from_ns, series);
    return err;
}

/* -- Marked units ------------------------------------------------------------------------------ */

struct mark {
    int level;
    int64_t unit;
    uint32_t series;
};

static int next_mark(struct phu_store *store, struct mark *mark)
{
    sqlite3_stmt *query = phu_db_take(&store->db, "SELECT level, unit, series FROM dirty"
                                                  " ORDER BY level, unit, series LIMIT 1");
    int result;

    if (!query)
        return phu_db_error(&store->db);
    result = sqlite3_step(query);
    if (result == SQLITE_ROW)
        *mark = (struct mark){.level = sqlite3_column_int(query, 0),
                              .unit = sqlite3_column_int64(query, 1),
                              .series = (uint32_t)sqlite3_column_int64(query, 2)};
    sqlite3_reset(query);
    return result == SQLITE_ROW ? 1 : phu_db_errno(result);
}

static int clear_mark(struct phu_store *store, const struct mark *mark)
{
    sqlite3_stmt *drop = phu_db_take(&store->db, "DELETE FROM dirty WHERE level = ? AND unit = ?"
                                                 " AND series = ?");

    if (!drop)
        return phu_db_error(&store->db);
    sqlite3_bind_int(drop, 1, mark->level);
    sqlite3_bind_int64(drop, 2, mark->unit);
    sqlite3_bind_int64(drop, 3, mark->series);
    return phu_db_finish(&store->db, drop);
}

static int roll_marked(struct phu_store *store, int64_t until_ns)
{
    struct mark mark = {0};
    int more = next_mark(store, &mark), err;

    if (more <= 0)
        return more;
    err = phu_db_run(&store->db, "BEGIN IMMEDIATE");
    while (!err && more > 0) {
        if (mark.level < 1 || mark.level >= PHU_LEVELS)
            return -EILSEQ;
        err = roll_unit(store, mark.level, mark.unit, mark.series);
        if (!err)
            err = clear_mark(store, &mark);
        if (err || phu_steady_ns() >= until_ns)
            break;
        more = next_mark(store, &mark);
        err = more < 0 ? more : 0;
    }
    if (!err)
        err = phu_db_run(&store->db, "COMMIT");
    return err ? err : 1;
}

/* -- Closing units in the order of time -------------------------------------------------------- */

static bool has_source(struct phu_store *store, int level, int64_t from_ns, int64_t to_ns)
{
    static const char *const queries[PHU_LEVELS] = {
        NULL, "SELECT 1 FROM minute WHERE id >= ? AND id < ? LIMIT 1",
        "SELECT 1 FROM five_minutes WHERE id >= ? AND id < ? LIMIT 1",
        "SELECT 1 FROM hour WHERE id >= ? AND id < ? LIMIT 1"};
    int64_t span_ns = phu_level_kinds[level - 1].span_ns;
    sqlite3_stmt *query = phu_db_take(&store->db, queries[level]);
    bool is_there;

    if (!query)
        return true;
    sqlite3_bind_int64(query, 1, phu_chunk_id(phu_piece_of(from_ns, span_ns, store->zone_ns), 0));
    sqlite3_bind_int64(query, 2,
                       phu_chunk_id(phu_piece_of(to_ns - 1, span_ns, store->zone_ns) + 1, 0));
    is_there = sqlite3_step(query) == SQLITE_ROW;
    sqlite3_reset(query);
    return is_there;
}

static int set_rolled(struct phu_store *store, int level, int64_t to_ns)
{
    static const char *const keys[] = {NULL, "rolled_five_minutes", "rolled_hour", "rolled_day"};
    int err = phu_meta_set(&store->db, keys[level], to_ns);

    if (!err)
        store->rolled_ns[level] = to_ns;
    return err;
}

static int close_some(struct phu_store *store, int level, int64_t until_ns)
{
    const struct phu_level_kind *kind = &phu_level_kinds[level];
    int64_t from_ns = store->rolled_ns[level], to_ns = from_ns + kind->unit_ns;
    int64_t unit = phu_piece_of(from_ns, kind->unit_ns, store->zone_ns);
    uint32_t last = phu_dict_last_series(store->dict), *series = &store->closing_series[level];
    int err = phu_db_run(&store->db, "BEGIN IMMEDIATE");

    if (err)
        return err;
    if (store->closing_ns[level] != to_ns)
        *series = 1;
    store->closing_ns[level] = to_ns; /* from now on what comes for it leaves marks */
    if (*series == 1 && !has_source(store, level, from_ns, to_ns))
        *series = last + 1;
    for (unsigned i = 0; *series <= last && !err; i++) {
        if (phu_dict_is_rolled(store->dict, *series))
            err = roll_unit(store, level, unit, *series);
        if (err || (i % 16 == 15 && phu_steady_ns() >= until_ns))
            break;
        ++*series;
    }
    if (!err && *series > last)
        err = set_rolled(store, level, to_ns);
    return err ? err : phu_db_run(&store->db, "COMMIT");
}

int phu_roll_step(struct phu_store *store, int64_t now_ns, int64_t until_ns)
{
    int result = roll_marked(store, until_ns);

    for (int level = 1; level < PHU_LEVELS && !result; level++) {
        int64_t end_ns = store->rolled_ns[level] + phu_level_kinds[level].unit_ns;
        int64_t limit_ns = level == 1 ? now_ns - PHU_GRACE_UNIT : store->rolled_ns[level - 1];

        if (!store->rolled_ns[level] || end_ns > limit_ns)
            continue;
        result = close_some(store, level, until_ns);
        if (!result)
            result = 1;
    }
    if (result < 0 && !sqlite3_get_autocommit(store->db.handle)) {
        phu_db_run(&store->db, "ROLLBACK");
        memset(store->closing_series, 0, sizeof store->closing_series);
        memset(store->closing_ns, 0, sizeof store->closing_ns);
        phu_store_read_marks(store);
    }
    return result;
}
