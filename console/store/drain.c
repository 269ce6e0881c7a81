/* Packing: windows from the journal become blobs of the finest level, one for each series and hour.
 *
 * All that is in the journal at the start is read into memory and strung together by series; then
 * series after series is packed, in as many transactions as it takes; only then it is removed from
 * the journal. Until then both hold the same windows, which does no harm: of one time and series,
 * what the journal says holds. So a crash at any point only means packing again.
 *
 * As a rule only hours that are over are packed, so that each blob is written once, at the end of
 * its table, and what belongs to the hour under way goes back into the journal. When the journal
 * has grown too large, all is packed.
 */
#include "parts.h"

#include <errno.h>

#define LATE_EVERY (5 * PHU_MINUTE) /* what came late is rolled up after so long at the latest */
#define LATE_KEPT PHU_DAY

struct entry {
    uint32_t offset, next; /* next: index + 1 */
};

struct string {
    uint32_t first, last; /* index + 1 */
};

struct phu_drain {
    bool is_read, is_carried;
    int64_t read_id, last_id; /* in the journal: read up to, and to be read up to */
    int64_t limit_ns;         /* windows from here on stay */
    struct phu_bytes bytes, carry;
    int64_t carry_from_ns, carry_to_ns;
    struct entry *entries;
    size_t entry_count, entry_capacity;
    struct string *strings; /* by series */
    uint32_t series, last_series;
};

void phu_drain_free(struct phu_drain *drain)
{
    if (!drain)
        return;
    free(drain->bytes.at);
    free(drain->carry.at);
    free(drain->entries);
    free(drain->strings);
    free(drain);
}

size_t phu_drain_bytes(const struct phu_drain *drain)
{
    if (!drain)
        return 0;
    return sizeof *drain + drain->bytes.capacity + drain->carry.capacity +
           drain->entry_capacity * sizeof *drain->entries +
           ((size_t)drain->last_series + 1) * sizeof *drain->strings;
}

bool phu_drain_is_due(const struct phu_store *store, int64_t now_ns)
{
    int64_t hour;

    if (store->drain || !store->journal_bytes)
        return store->drain != NULL;
    if (store->journal_bytes > store->conf.max_journal_bytes)
        return true;
    hour = phu_piece_floor(now_ns - PHU_GRACE_HOUR, PHU_HOUR, store->zone_ns);
    if (store->drained_ns < hour + PHU_GRACE_HOUR)
        return true;
    return store->has_late && now_ns - store->drained_ns > LATE_EVERY;
}

static void start(struct phu_store *store, int64_t now_ns)
{
    struct phu_drain *drain = calloc(1, sizeof *drain);

    if (!drain)
        abort();
    drain->last_id = store->journal_id;
    drain->read_id = -1;
    drain->limit_ns = store->journal_bytes > store->conf.max_journal_bytes
                          ? INT64_MAX
                          : phu_piece_floor(now_ns, PHU_HOUR, store->zone_ns);
    drain->last_series = phu_dict_last_series(store->dict);
    drain->strings = calloc((size_t)drain->last_series + 1, sizeof *drain->strings);
    if (!drain->strings)
        abort();
    store->drain = drain;
    store->drained_ns = now_ns;
    store->has_late = false; /* what comes from now on is told of again */
}

static void finish(struct phu_store *store)
{
    phu_drain_free(store->drain);
    store->drain = NULL;
}

/* -- Reading ----------------------------------------------------------------------------------- */

static void string_up(struct phu_drain *drain, uint32_t series, size_t offset)
{
    struct string *string = &drain->strings[series];
    struct entry *entry;

    if (drain->entry_count == drain->entry_capacity) {
        drain->entry_capacity = drain->entry_capacity ? drain->entry_capacity * 2 : 4096;
        drain->entries =
            reallocarray(drain->entries, drain->entry_capacity, sizeof *drain->entries);
        if (!drain->entries)
            abort();
    }
    entry = &drain->entries[drain->entry_count++];
    *entry = (struct entry){.offset = (uint32_t)offset};
    if (string->last)
        drain->entries[string->last - 1].next = (uint32_t)drain->entry_count;
    else
        string->first = (uint32_t)drain->entry_count;
    string->last = (uint32_t)drain->entry_count;
}

static int read_row(struct phu_drain *drain, const void *blob, size_t size)
{
    size_t base = drain->bytes.size;
    struct phu_cut cut;
    struct phu_record record;

    if (base + size > UINT32_MAX)
        return -E2BIG;
    phu_bytes_put(&drain->bytes, blob, size);
    cut = (struct phu_cut){.at = drain->bytes.at + base, .end = drain->bytes.at + base + size};
    for (;;) {
        size_t offset = (size_t)(cut.at - drain->bytes.at);

        if (!phu_record_next(&cut, &record))
            break;
        if (record.series > drain->last_series)
            return -EILSEQ;
        string_up(drain, record.series, offset);
    }
    return cut.is_broken ? -EILSEQ : 0;
}

static int read_rows(struct phu_store *store, int64_t until_ns)
{
    struct phu_drain *drain = store->drain;
    sqlite3_stmt *query = phu_db_take(&store->db, "SELECT id, bytes FROM journal WHERE id > ?"
                                                  " AND id <= ? ORDER BY id");
    int result = SQLITE_ROW, err = 0;

    if (!query)
        return phu_db_error(&store->db);
    sqlite3_bind_int64(query, 1, drain->read_id);
    sqlite3_bind_int64(query, 2, drain->last_id);
    while (!err && phu_steady_ns() < until_ns && (result = sqlite3_step(query)) == SQLITE_ROW) {
        err =
            read_row(drain, sqlite3_column_blob(query, 1), (size_t)sqlite3_column_bytes(query, 1));
        drain->read_id = sqlite3_column_int64(query, 0);
    }
    sqlite3_reset(query);
    if (err)
        return err;
    if (result == SQLITE_DONE) {
        drain->is_read = true;
        return 0;
    }
    return result == SQLITE_ROW ? 0 : phu_db_errno(result);
}

/* -- Packing ----------------------------------------------------------------------------------- */

static void carry_over(struct phu_drain *drain, const struct phu_record *record,
                       const uint8_t *from, const uint8_t *to)
{
    if (!drain->carry.size)
        drain->carry_from_ns = drain->carry_to_ns = record->time_ns;
    if (record->time_ns < drain->carry_from_ns)
        drain->carry_from_ns = record->time_ns;
    if (record->time_ns > drain->carry_to_ns)
        drain->carry_to_ns = record->time_ns;
    phu_bytes_put(&drain->carry, from, (size_t)(to - from));
}

/* A series' windows of the journal into store->source, by time. */
static int gather(struct phu_store *store, uint32_t series)
{
    struct phu_drain *drain = store->drain;
    const uint8_t *end = drain->bytes.at + drain->bytes.size;
    int err = 0;

    phu_windows_reset(&store->source);
    for (uint32_t i = drain->strings[series].first; i && !err; i = drain->entries[i - 1].next) {
        const uint8_t *from = drain->bytes.at + drain->entries[i - 1].offset;
        struct phu_cut cut = {.at = from, .end = end};
        struct phu_record record;

        if (!phu_record_next(&cut, &record))
            return -EILSEQ;
        if (record.time_ns >= drain->limit_ns)
            carry_over(drain, &record, from, cut.at);
        else
            err = phu_record_read(&record, &store->source);
    }
    phu_windows_settle(&store->source);
    return err;
}

/* An hour that has been forgotten already comes again, or comes for the first time: windows of
 * which the five minutes are rolled up were here before, the others are new. */
static int drop_known(struct phu_store *store, uint32_t series, int64_t from_ns, size_t first,
                      size_t *count)
{
    const struct phu_level_kind *kind = &phu_level_kinds[1];
    struct phu_window *windows = store->source.at + first;
    size_t used = 0, known = 0;
    int err;

    phu_windows_reset(&store->rolled);
    err = phu_chunk_read(&store->db, 1, phu_piece_of(from_ns, kind->span_ns, store->zone_ns),
                         series, store->zone_ns, &store->rolled);
    for (size_t i = 0; i < *count && !err; i++) {
        int64_t bucket = phu_piece_floor(windows[i].time_ns, kind->bucket_ns, store->zone_ns);

        while (known < store->rolled.count && store->rolled.at[known].time_ns < bucket)
            known++;
        if (known < store->rolled.count && store->rolled.at[known].time_ns == bucket)
            store->duplicates_total++;
        else
            windows[used++] = windows[i];
    }
    *count = used;
    return err;
}

static int keep_late(struct phu_store *store, int64_t hour, int64_t now_ns)
{
    sqlite3_stmt *put =
        phu_db_take(&store->db, "INSERT OR REPLACE INTO late (hour, until_ns) VALUES (?, ?)");

    if (!put)
        return phu_db_error(&store->db);
    sqlite3_bind_int64(put, 1, hour);
    sqlite3_bind_int64(put, 2, now_ns + LATE_KEPT);
    return phu_db_finish(&store->db, put);
}

/* Windows first … first + count of store->source, all of one hour. */
static int pack_hour(struct phu_store *store, uint32_t series, int64_t hour, size_t first,
                     size_t count, int64_t now_ns)
{
    int64_t start_ns = phu_piece_start(hour, PHU_HOUR, store->zone_ns);
    bool is_forgotten = start_ns < store->kept_ns[0];
    int err;

    phu_windows_reset(&store->target);
    err = phu_chunk_read(&store->db, 0, hour, series, store->zone_ns, &store->target);
    if (!err && is_forgotten && !store->target.count && phu_dict_is_rolled(store->dict, series))
        err = drop_known(store, series, start_ns, first, &count);
    if (err || !count)
        return err;
    if (is_forgotten)
        err = keep_late(store, hour, now_ns);
    for (size_t i = 0; i < count; i++)
        *phu_windows_next(&store->target) = store->source.at[first + i];
    phu_windows_settle(&store->target);
    if (!err)
        err = phu_chunk_write(store, 0, hour, series, &store->target);
    if (!err && (start_ns < store->rolled_ns[1] || start_ns < store->closing_ns[1]) &&
        phu_dict_is_rolled(store->dict, series))
        err = phu_mark_dirty(store, 1, start_ns, series);
    return err;
}

static int pack_series(struct phu_store *store, uint32_t series, int64_t now_ns)
{
    const struct phu_windows *source = &store->source;
    size_t first = 0;
    int err = gather(store, series);

    while (first < source->count && !err) {
        int64_t hour = phu_piece_of(source->at[first].time_ns, PHU_HOUR, store->zone_ns);
        int64_t end_ns = phu_piece_start(hour + 1, PHU_HOUR, store->zone_ns);
        size_t end = first;

        while (end < source->count && source->at[end].time_ns < end_ns)
            end++;
        err = pack_hour(store, series, hour, first, end - first, now_ns);
        first = end;
    }
    return err;
}

static int pack_some(struct phu_store *store, int64_t now_ns, int64_t until_ns)
{
    struct phu_drain *drain = store->drain;
    int err = phu_db_run(&store->db, "BEGIN IMMEDIATE");

    if (err)
        return err;
    while (!err && drain->series <= drain->last_series) {
        if (drain->strings[drain->series].first) {
            err = pack_series(store, drain->series, now_ns);
            if (!err && phu_steady_ns() >= until_ns) {
                drain->series++;
                break;
            }
        }
        drain->series++;
    }
    return err ? err : phu_db_run(&store->db, "COMMIT");
}

/* -- Done -------------------------------------------------------------------------------------- */

/* What stays goes behind the last of the old rows, before all that came since. */
static int write_carry(struct phu_store *store)
{
    struct phu_drain *drain = store->drain;
    int64_t id = drain->last_id;
    struct phu_cut cut = {.at = drain->carry.at};
    int err = 0;

    if (drain->carry.size == 0)
        return 0;
    cut.end = cut.at + drain->carry.size;
    while (cut.at != cut.end && !err) {
        const uint8_t *from = cut.at;
        struct phu_record record;
        sqlite3_stmt *insert = phu_db_take(&store->db, "INSERT INTO journal (id, from_ns, to_ns,"
                                                       " bytes) VALUES (?, ?, ?, ?)");

        if (!insert)
            return phu_db_error(&store->db);
        while ((size_t)(cut.at - from) < PHU_JOURNAL_PIECE && phu_record_next(&cut, &record))
            continue;
        sqlite3_bind_int64(insert, 1, ++id);
        sqlite3_bind_int64(insert, 2, drain->carry_from_ns);
        sqlite3_bind_int64(insert, 3, drain->carry_to_ns);
        sqlite3_bind_blob(insert, 4, from, (int)(cut.at - from), SQLITE_STATIC);
        err = cut.is_broken ? -EILSEQ : phu_db_finish(&store->db, insert);
    }
    return err;
}

static int keep_carry(struct phu_store *store)
{
    int err = phu_db_run(&store->db, "BEGIN IMMEDIATE");

    if (!err)
        err = write_carry(store);
    if (!err)
        err = phu_meta_set(&store->db, "newest", store->newest_ns);
    if (!err)
        err = phu_db_run(&store->db, "COMMIT");
    if (err)
        return err;
    store->drain->is_carried = true;
    store->journal_bytes += (int64_t)store->drain->carry.size;
    return 0;
}

/* Some rows at a time: a row is a megabyte, and each of its pages has to be given back. */
static int remove_some(struct phu_store *store, bool *is_done)
{
    sqlite3_stmt *drop = phu_db_take(&store->db, "DELETE FROM journal WHERE id IN (SELECT id FROM"
                                                 " journal WHERE id <= ? ORDER BY id LIMIT 8)");
    int err;

    if (!drop)
        return phu_db_error(&store->db);
    sqlite3_bind_int64(drop, 1, store->drain->last_id);
    err = phu_db_finish(&store->db, drop);
    *is_done = !err && !sqlite3_changes(store->db.handle);
    return err;
}

static int remove_packed(struct phu_store *store, int64_t until_ns, bool *is_done)
{
    int err = phu_db_run(&store->db, "BEGIN IMMEDIATE");

    *is_done = false;
    while (!err && !*is_done) {
        err = remove_some(store, is_done);
        if (phu_steady_ns() >= until_ns)
            break;
    }
    if (!err)
        err = phu_db_run(&store->db, "COMMIT");
    if (!err && *is_done)
        store->journal_bytes -= (int64_t)store->drain->bytes.size;
    return err;
}

int phu_drain_step(struct phu_store *store, int64_t now_ns, int64_t until_ns)
{
    struct phu_drain *drain;
    bool is_done;
    int err = 0;

    if (!phu_drain_is_due(store, now_ns))
        return 0;
    if (!store->drain)
        start(store, now_ns);
    drain = store->drain;
    if (!drain->is_read)
        err = read_rows(store, until_ns);
    else if (drain->series <= drain->last_series)
        err = pack_some(store, now_ns, until_ns);
    else if (!drain->is_carried)
        err = keep_carry(store);
    else {
        err = remove_packed(store, until_ns, &is_done);
        if (is_done && !err)
            finish(store);
    }
    if (err) {
        if (!sqlite3_get_autocommit(store->db.handle))
            phu_db_run(&store->db, "ROLLBACK");
        store->has_late = true;
        finish(store); /* from the beginning, the next time */
        return err;
    }
    return 1;
}
