/* What the store does besides taking: pack, roll up, forget, checkpoint, a slice at a time. */
#include "parts.h"

#define CHECKPOINT_PAGES (8 * 1024 * 1024 / PHU_SCHEMA_PAGE)

/* A reader may hold the log back: then it is tried again when as much has come again. */
static int checkpoint(struct phu_store *store)
{
    int left = 0, done = 0, result;

    if (store->wal_pages < store->checkpointed_pages)
        store->checkpointed_pages = 0; /* it began anew */
    if (store->wal_pages - store->checkpointed_pages < CHECKPOINT_PAGES)
        return 0;
    result =
        sqlite3_wal_checkpoint_v2(store->db.handle, NULL, SQLITE_CHECKPOINT_PASSIVE, &left, &done);
    store->checkpointed_pages = store->wal_pages;
    return phu_db_errno(result);
}

static int step(struct phu_store *store, int64_t now_ns, int64_t until_ns)
{
    int result = phu_store_know_time(store, now_ns);

    if (!result)
        result = checkpoint(store);
    if (!result)
        result = phu_drain_step(store, now_ns, until_ns);
    if (!result)
        result = phu_roll_step(store, now_ns, until_ns);
    if (!result)
        result = phu_keep_step(store, now_ns, until_ns);
    return result;
}

bool phu_store_tend(struct phu_store *store, int64_t now_ns, int64_t budget_ns)
{
    int64_t until_ns = phu_steady_ns() + budget_ns;
    int result;

    if (store->is_begun)
        return true;
    do
        result = step(store, now_ns, until_ns);
    while (result > 0 && phu_steady_ns() < until_ns);
    if (result < 0)
        store->failures_total++;
    store->last_error = result < 0 ? result : 0;
    return result > 0;
}
