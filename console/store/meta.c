/* Numbers about the store as a whole. */
#include "parts.h"

int phu_meta_set(struct phu_db *db, const char *key, int64_t value)
{
    sqlite3_stmt *set = phu_db_take(db, "INSERT OR REPLACE INTO meta (key, value) VALUES (?, ?)");

    if (!set)
        return phu_db_error(db);
    phu_db_bind_text(set, 1, key, strlen(key));
    sqlite3_bind_int64(set, 2, value);
    return phu_db_finish(db, set);
}

int64_t phu_meta_get(struct phu_db *db, const char *key, int64_t fallback)
{
    sqlite3_stmt *get = phu_db_take(db, "SELECT value FROM meta WHERE key = ?");

    if (!get)
        return fallback;
    phu_db_bind_text(get, 1, key, strlen(key));
    if (sqlite3_step(get) == SQLITE_ROW)
        fallback = sqlite3_column_int64(get, 0);
    sqlite3_reset(get);
    return fallback;
}

void phu_store_read_marks(struct phu_store *store)
{
    store->rolled_ns[1] = phu_meta_get(&store->db, "rolled_five_minutes", 0);
    store->rolled_ns[2] = phu_meta_get(&store->db, "rolled_hour", 0);
    store->rolled_ns[3] = phu_meta_get(&store->db, "rolled_day", 0);
    store->kept_ns[0] = phu_meta_get(&store->db, "kept_minute", 0);
    store->kept_ns[1] = phu_meta_get(&store->db, "kept_five_minutes", 0);
    store->kept_ns[2] = phu_meta_get(&store->db, "kept_hour", 0);
    store->kept_ns[3] = phu_meta_get(&store->db, "kept_day", 0);
}

int phu_store_know_time(struct phu_store *store, int64_t now_ns)
{
    static const char *const keys[] = {NULL, "rolled_five_minutes", "rolled_hour", "rolled_day"};
    int err = 0;

    if (store->rolled_ns[1])
        return 0;
    for (int level = 1; level < PHU_LEVELS && !err; level++) {
        store->rolled_ns[level] =
            phu_piece_floor(now_ns, phu_level_kinds[level].unit_ns, store->zone_ns);
        err = phu_meta_set(&store->db, keys[level], store->rolled_ns[level]);
    }
    if (err)
        memset(store->rolled_ns, 0, sizeof store->rolled_ns);
    return err;
}
