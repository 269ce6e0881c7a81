/* A connection for questions. */
#include "ask.h"
#include "parts.h"
#include "schema.h"

#include <errno.h>
#include <stdio.h>

static int on_progress(void *arg)
{
    return phu_ask_may_go_on(arg) != 0;
}

static int refuse(int err, const char *path, char *why, size_t why_size)
{
    const char *what = strerror(-err);

    if (err == -EPROTONOSUPPORT)
        what = "was written by a newer phusong; read it with that one";
    else if (err == -EAGAIN)
        what = "was written by an older phusong; start the console once, which brings it up to "
               "date";
    else if (err == -EINVAL)
        what = "is none of phusong's, or empty";
    else if (err == -EILSEQ)
        what = "is damaged, or no database at all";
    else if (err == -EACCES)
        what = "cannot be opened; it must exist, and its folder must be readable and writable";
    snprintf(why, why_size, "store %s: %s", path, what);
    return err;
}

int phu_query_open(const char *path, struct phu_query **out, char *why, size_t why_size)
{
    struct phu_query *query = calloc(1, sizeof *query);
    int err;

    if (!query)
        abort();
    atomic_init(&query->is_cancelled, false);
    err = phu_db_open(&query->db, path, false);
    if (!err)
        err = phu_schema_verify(&query->db);
    if (!err)
        err = phu_db_run(&query->db, "PRAGMA query_only=ON; PRAGMA cache_size=-8192;"
                                     "PRAGMA mmap_size=0; PRAGMA temp_store=MEMORY");
    if (err) {
        phu_query_close(query);
        return refuse(err, path, why, why_size);
    }
    sqlite3_progress_handler(query->db.handle, 20000, on_progress, query);
    query->zone_ns = phu_meta_get(&query->db, "zone_offset", 0);
    *out = query;
    return 0;
}

void phu_query_close(struct phu_query *query)
{
    if (!query)
        return;
    phu_db_close(&query->db);
    phu_arena_fini(&query->arena);
    phu_windows_fini(&query->windows);
    free(query);
}

void phu_query_set_deadline(struct phu_query *query, int64_t budget_ns)
{
    query->budget_ns = budget_ns;
}

void phu_query_cancel(struct phu_query *query)
{
    atomic_store(&query->is_cancelled, true);
}

int phu_ask_may_go_on(struct phu_query *query)
{
    if (atomic_load_explicit(&query->is_cancelled, memory_order_relaxed))
        return -ECANCELED;
    return query->deadline_ns && phu_steady_ns() > query->deadline_ns ? -ETIMEDOUT : 0;
}

static void read_marks(struct phu_query *query)
{
    static const char *const rolled[] = {NULL, "rolled_five_minutes", "rolled_hour", "rolled_day"};
    static const char *const kept[] = {"kept_minute", "kept_five_minutes", "kept_hour", "kept_day"};

    for (int level = 0; level < PHU_LEVELS; level++) {
        query->rolled_ns[level] = level ? phu_meta_get(&query->db, rolled[level], 0) : 0;
        query->kept_ns[level] = phu_meta_get(&query->db, kept[level], 0);
    }
}

int phu_ask_begin(struct phu_query *query)
{
    int err;

    phu_arena_reset(&query->arena);
    phu_windows_reset(&query->windows);
    query->deadline_ns = query->budget_ns ? phu_steady_ns() + query->budget_ns : 0;
    err = phu_db_run(&query->db, "BEGIN");
    if (!err)
        read_marks(query);
    return err;
}

int phu_ask_end(struct phu_query *query, int err)
{
    int stopped = phu_ask_may_go_on(query);

    for (size_t i = 0; i < query->db.count; i++) /* what a stop left half-way */
        sqlite3_reset(query->db.cached[i].statement);
    query->deadline_ns = 0;
    atomic_store(&query->is_cancelled, false);
    if (!sqlite3_get_autocommit(query->db.handle))
        phu_db_run(&query->db, "COMMIT");
    return err == -ECANCELED && stopped ? stopped : err;
}
