/* Retention: what is older than its level is kept is deleted from the front of the level's table,
 * some hundred rows at a time. What has been deleted makes room for what comes; the file does not
 * shrink. */
#include "parts.h"

#include <errno.h>

#define ROWS "256"

static const char *const keys[PHU_LEVELS] = {"kept_minute", "kept_five_minutes", "kept_hour",
                                             "kept_day"};

static int64_t keep_of(const struct phu_store *store, int level)
{
    const int64_t keep[PHU_LEVELS] = {store->conf.keep_minute_ns, store->conf.keep_five_minutes_ns,
                                      store->conf.keep_hour_ns, store->conf.keep_day_ns};

    return keep[level];
}

/* Up to where a level may be forgotten: never what is not rolled up yet, and never because of a
 * clock that is far ahead of everything that came. */
static int64_t limit_of(const struct phu_store *store, int level, int64_t now_ns)
{
    int64_t keep_ns = keep_of(store, level), newest_ns = store->newest_ns + PHU_DAY;
    int64_t limit_ns = (now_ns < newest_ns ? now_ns : newest_ns) - keep_ns;

    if (!keep_ns || !store->newest_ns)
        return 0;
    if (level + 1 < PHU_LEVELS && limit_ns > store->rolled_ns[level + 1])
        limit_ns = store->rolled_ns[level + 1];
    return phu_piece_floor(limit_ns, phu_level_kinds[level].span_ns, store->zone_ns);
}

static int remove_rows(struct phu_store *store, const char *sql, int64_t limit, int64_t other)
{
    sqlite3_stmt *drop = phu_db_take(&store->db, sql);
    int err;

    if (!drop)
        return phu_db_error(&store->db);
    sqlite3_bind_int64(drop, 1, limit);
    if (sqlite3_bind_parameter_count(drop) > 1)
        sqlite3_bind_int64(drop, 2, other);
    err = phu_db_finish(&store->db, drop);
    return err ? err : sqlite3_changes(store->db.handle);
}

/* Returns 1 while there may be more. */
static int sweep(struct phu_store *store, int level, int64_t limit_ns, int64_t until_ns)
{
    static const char *const drops[PHU_LEVELS] = {
        "DELETE FROM minute WHERE id IN (SELECT id FROM minute WHERE id < ? AND (id >> 32) NOT IN"
        " (SELECT hour FROM late) ORDER BY id LIMIT " ROWS ")",
        "DELETE FROM five_minutes WHERE id IN (SELECT id FROM five_minutes WHERE id < ?"
        " ORDER BY id LIMIT " ROWS ")",
        "DELETE FROM hour WHERE id IN (SELECT id FROM hour WHERE id < ? ORDER BY id LIMIT " ROWS
        ")",
        "DELETE FROM day WHERE id IN (SELECT id FROM day WHERE id < ? ORDER BY id LIMIT " ROWS ")"};
    int64_t span = phu_piece_of(limit_ns, phu_level_kinds[level].span_ns, store->zone_ns);
    int removed = 1, err = phu_db_run(&store->db, "BEGIN IMMEDIATE");

    if (!err && limit_ns > store->kept_ns[level]) {
        err = phu_meta_set(&store->db, keys[level], limit_ns);
        if (!err)
            store->kept_ns[level] = limit_ns;
    }
    while (!err && removed > 0 && phu_steady_ns() < until_ns)
        removed = remove_rows(store, drops[level], phu_chunk_id(span, 0), 0);
    if (!err)
        err = removed < 0 ? removed : phu_db_run(&store->db, "COMMIT");
    if (err)
        return err;
    if (!removed)
        store->swept_ns[level] = limit_ns;
    return 1;
}

/* Hours that came late stay a day: then nothing of them is on its way any more. */
static int forget_late(struct phu_store *store, int64_t now_ns)
{
    int64_t done = phu_db_number(&store->db, "SELECT count(*) FROM late", 0);
    int removed;

    if (!done)
        return 0;
    removed = remove_rows(store,
                          "DELETE FROM late WHERE until_ns < ? AND NOT EXISTS"
                          " (SELECT 1 FROM dirty WHERE level = 1)",
                          now_ns, 0);
    if (removed > 0)
        store->swept_ns[0] = 0;
    return removed < 0 ? removed : 0;
}

/* Of the changes of a subject the last one that is too old stays: it says what held then. */
static int sweep_events(struct phu_store *store, int64_t now_ns)
{
    int64_t limit_ns = now_ns - store->conf.keep_events_ns;
    int events, changes;

    if (!store->conf.keep_events_ns || limit_ns < store->swept_events_ns + PHU_HOUR)
        return 0;
    events = remove_rows(store,
                         "DELETE FROM event WHERE number IN (SELECT number FROM event WHERE"
                         " end_ns > 0 AND end_ns < ? LIMIT " ROWS ")",
                         limit_ns, 0);
    if (events)
        return events < 0 ? events : 1;
    changes = remove_rows(
        store,
        "DELETE FROM state_change WHERE (series, time_ns) IN (SELECT old.series, old.time_ns"
        " FROM state_change AS old WHERE old.time_ns < ?1 AND EXISTS (SELECT 1 FROM state_change"
        " AS later WHERE later.series = old.series AND later.time_ns > old.time_ns"
        " AND later.time_ns <= ?1) LIMIT " ROWS ")",
        limit_ns, 0);
    if (changes)
        return changes < 0 ? changes : 1;
    store->swept_events_ns = limit_ns;
    return 0;
}

int phu_keep_step(struct phu_store *store, int64_t now_ns, int64_t until_ns)
{
    int result = forget_late(store, now_ns);

    for (int level = 0; level < PHU_LEVELS && !result; level++) {
        int64_t limit_ns = limit_of(store, level, now_ns);

        if (limit_ns > 0 && limit_ns > store->swept_ns[level])
            result = sweep(store, level, limit_ns, until_ns);
    }
    if (!result)
        result = sweep_events(store, now_ns);
    if (result < 0 && !sqlite3_get_autocommit(store->db.handle)) {
        phu_db_run(&store->db, "ROLLBACK");
        phu_store_read_marks(store);
    }
    return result;
}
