/* Packed windows in their tables. */
#include "parts.h"

#include <errno.h>

const struct phu_level_kind phu_level_kinds[PHU_LEVELS] = {
    {.name = "minute", .span_ns = PHU_HOUR},
    {.name = "five_minutes",
     .bucket_ns = 5 * PHU_MINUTE,
     .span_ns = 6 * PHU_HOUR,
     .unit_ns = 6 * PHU_HOUR},
    {.name = "hour", .bucket_ns = PHU_HOUR, .span_ns = PHU_DAY, .unit_ns = PHU_DAY},
    {.name = "day", .bucket_ns = PHU_DAY, .span_ns = 32 * PHU_DAY, .unit_ns = PHU_DAY},
};

int phu_chunk_read(struct phu_db *db, int level, int64_t span, uint32_t series, int64_t zone_ns,
                   struct phu_windows *windows)
{
    static const char *const queries[PHU_LEVELS] = {
        "SELECT bytes FROM minute WHERE id = ?", "SELECT bytes FROM five_minutes WHERE id = ?",
        "SELECT bytes FROM hour WHERE id = ?", "SELECT bytes FROM day WHERE id = ?"};
    sqlite3_stmt *query = phu_db_take(db, queries[level]);
    int result, err;

    if (!query)
        return phu_db_error(db);
    sqlite3_bind_int64(query, 1, phu_chunk_id(span, series));
    result = sqlite3_step(query);
    err = phu_db_errno(result);
    if (result == SQLITE_ROW) {
        size_t size = (size_t)sqlite3_column_bytes(query, 0);
        const void *blob = sqlite3_column_blob(query, 0);
        /* Texts point into it, and it must outlive the statement. */
        const uint8_t *copy = phu_arena_copy(&windows->arena, blob, size);
        int64_t base = phu_piece_start(span, phu_level_kinds[level].span_ns, zone_ns);

        err = phu_unpack(base, copy, size, windows);
    }
    sqlite3_reset(query);
    return err;
}

int phu_chunk_write(struct phu_store *store, int level, int64_t span, uint32_t series,
                    const struct phu_windows *windows)
{
    static const char *const inserts[PHU_LEVELS] = {
        "INSERT OR REPLACE INTO minute (id, bytes) VALUES (?, ?)",
        "INSERT OR REPLACE INTO five_minutes (id, bytes) VALUES (?, ?)",
        "INSERT OR REPLACE INTO hour (id, bytes) VALUES (?, ?)",
        "INSERT OR REPLACE INTO day (id, bytes) VALUES (?, ?)"};
    sqlite3_stmt *insert = phu_db_take(&store->db, inserts[level]);
    int64_t base = phu_piece_start(span, phu_level_kinds[level].span_ns, store->zone_ns);
    const uint8_t *blob;
    size_t size;
    int err;

    if (!insert)
        return phu_db_error(&store->db);
    err = phu_pack(store->packer, base, windows->at, windows->count, &blob, &size);
    if (err)
        return err;
    sqlite3_bind_int64(insert, 1, phu_chunk_id(span, series));
    sqlite3_bind_blob(insert, 2, blob, (int)size, SQLITE_STATIC);
    return phu_db_finish(&store->db, insert);
}
