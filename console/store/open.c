/* Opening, closing, and what the store tells of itself. */
#include "parts.h"

#include "phusong/conf.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

int64_t phu_steady_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * PHU_SECOND + now.tv_nsec;
}

static int fail(int err, char *why, size_t why_size, const char *path, const char *what)
{
    snprintf(why, why_size, "store %s: %s", path, what);
    return err;
}

/* Beside the file: locks on it are SQLite's. */
static int lock(struct phu_store *store, char *why, size_t why_size)
{
    char path[4096];

    if (snprintf(path, sizeof path, "%s.lock", store->conf.path) >= (int)sizeof path)
        return fail(-ENAMETOOLONG, why, why_size, store->conf.path, "the path is too long");
    store->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0640);
    if (store->lock < 0) {
        int err = -errno;

        snprintf(why, why_size, "store %s: %s: %s", store->conf.path, path, strerror(-err));
        return err;
    }
    if (flock(store->lock, LOCK_EX | LOCK_NB))
        return fail(-EBUSY, why, why_size, store->conf.path,
                    "another process writes to it; only one console may run on a store");
    return 0;
}

/* With our permissions: what SQLite puts beside it takes over the file's. */
static int make_file(struct phu_store *store, char *why, size_t why_size)
{
    int file = open(store->conf.path, O_RDWR | O_CREAT | O_CLOEXEC, 0640);
    int err = file < 0 ? -errno : 0;

    if (err)
        return fail(err, why, why_size, store->conf.path, strerror(-err));
    close(file);
    return 0;
}

static int explain(struct phu_store *store, int err, char *why, size_t why_size)
{
    const char *path = store->conf.path;

    if (err == -EPROTONOSUPPORT)
        return fail(err, why, why_size, path,
                    "was written by a newer phusong; run that one, or restore a backup made by "
                    "this one");
    if (err == -EINVAL)
        return fail(err, why, why_size, path,
                    "is a database, but none of phusong's; name another file");
    if (err == -EILSEQ)
        return fail(err, why, why_size, path,
                    "is damaged, or no database at all; restore a backup, or move it away to "
                    "begin with an empty store");
    snprintf(why, why_size, "store %s: %s", path,
             store->db.handle ? sqlite3_errmsg(store->db.handle) : strerror(-err));
    return err;
}

static int read_zone(struct phu_store *store, char *why, size_t why_size)
{
    int64_t made = phu_meta_get(&store->db, "zone_offset", INT64_MIN);

    store->zone_ns = store->conf.zone_offset_ns;
    if (made == INT64_MIN)
        return phu_meta_set(&store->db, "zone_offset", store->zone_ns);
    if (made == store->zone_ns)
        return 0;
    snprintf(why, why_size,
             "store %s: its days begin %lld minutes from UTC midnight, the configuration says "
             "%lld; this cannot be changed once a store has been made",
             store->conf.path, (long long)(made / PHU_MINUTE),
             (long long)(store->zone_ns / PHU_MINUTE));
    return -EINVAL;
}

static int on_wal(void *arg, sqlite3 *handle, const char *name, int pages)
{
    struct phu_store *store = arg;

    (void)handle;
    (void)name;
    store->wal_pages = pages;
    return SQLITE_OK;
}

static int read_store(struct phu_store *store)
{
    struct phu_db *db = &store->db;
    int err = phu_dict_open(db, store->conf.max_series, &store->dict);
    size_t count;
    const struct phu_dict_agent *agents;

    if (err)
        return err;
    store->journal_id = phu_db_number(db, "SELECT max(id) FROM journal", 0);
    store->journal_bytes = phu_db_number(db, "SELECT sum(length(bytes)) FROM journal", 0);
    phu_store_read_marks(store);
    store->has_late = store->journal_bytes > 0;
    agents = phu_dict_agents(store->dict, &count);
    for (size_t i = 0; i < count; i++)
        if (agents[i].sample_ns > store->newest_ns)
            store->newest_ns = agents[i].sample_ns;
    store->newest_ns = phu_meta_get(db, "newest", store->newest_ns);
    return 0;
}

static int open_file(struct phu_store *store, char *why, size_t why_size)
{
    int err = phu_db_open(&store->db, store->conf.path, true);

    if (!err)
        err = phu_schema_prepare(&store->db);
    if (!err)
        err = phu_schema_migrate(&store->db, PHU_SCHEMA_VERSION);
    if (err)
        return explain(store, err, why, why_size);
    sqlite3_wal_hook(store->db.handle, on_wal, store);
    err = read_zone(store, why, why_size);
    if (err)
        return err;
    err = read_store(store);
    return err ? explain(store, err, why, why_size) : 0;
}

int phu_store_open(const struct phu_store_conf *conf, struct phu_store **out, char *why,
                   size_t why_size)
{
    struct phu_store *store = calloc(1, sizeof *store);
    int err;

    if (!store)
        abort();
    store->conf = *conf;
    store->conf.path = strdup(conf->path);
    if (!store->conf.path)
        abort();
    store->lock = -1;
    store->packer = phu_packer_new();
    store->fold = phu_fold_new();
    err = lock(store, why, why_size);
    if (!err)
        err = make_file(store, why, why_size);
    if (!err)
        err = open_file(store, why, why_size);
    if (err) {
        phu_store_close(store);
        return err;
    }
    *out = store;
    return 0;
}

void phu_store_close(struct phu_store *store)
{
    if (!store)
        return;
    if (store->is_begun)
        phu_store_rollback(store);
    phu_drain_free(store->drain);
    phu_dict_close(store->dict);
    phu_packer_free(store->packer);
    phu_fold_free(store->fold);
    phu_windows_fini(&store->source);
    phu_windows_fini(&store->target);
    phu_windows_fini(&store->rolled);
    phu_db_close(&store->db); /* checkpoints what the journal of SQLite holds */
    if (store->lock >= 0)
        close(store->lock);
    free(store->records.at);
    free(store->scratch.at);
    free(store->columns);
    free(store->buckets);
    free(store->cells);
    free(store->histogram);
    free(store->conf.path);
    free(store);
}

void phu_store_visit_agents(struct phu_store *store, phu_store_agent_cb *visit, void *arg)
{
    size_t count;
    const struct phu_dict_agent *agents = phu_dict_agents(store->dict, &count);

    for (size_t i = 0; i < count; i++)
        visit(arg, agents[i].id, agents[i].seen_ns, agents[i].sample_ns);
}

static int64_t bytes_of(const struct phu_windows *windows)
{
    return (int64_t)(phu_arena_bytes(&windows->arena) + windows->capacity * sizeof *windows->at);
}

void phu_store_figures(struct phu_store *store, struct phu_store_figures *figures)
{
    int64_t pages = phu_db_number(&store->db, "PRAGMA page_count", 0);

    *figures = (struct phu_store_figures){
        .journal_bytes = store->journal_bytes + (int64_t)store->records.size,
        .file_bytes = pages * PHU_SCHEMA_PAGE,
        .wal_bytes = (int64_t)store->wal_pages * PHU_SCHEMA_PAGE,
        .samples_total = store->samples_total,
        .duplicates_total = store->duplicates_total,
        .dirty =
            phu_db_number(&store->db, "SELECT count(*) FROM (SELECT 1 FROM dirty LIMIT 10000)", 0),
        .failures_total = store->failures_total,
        .last_error = store->last_error,
    };
    phu_dict_sizes(store->dict, &figures->series, &figures->fields, &figures->memory_bytes);
    figures->memory_bytes += (int64_t)(store->records.capacity + store->scratch.capacity) +
                             bytes_of(&store->source) + bytes_of(&store->target) +
                             bytes_of(&store->rolled) + (int64_t)phu_drain_bytes(store->drain);
}
