/* begin, put, commit: a window goes into the journal, a row of which holds what came in one
 * transaction. Packing comes later (drain.c). */
#include "parts.h"

#include <errno.h>
#include <sys/statvfs.h>

#define FIELDS_MAX 4096

#define CROWDED 4 /* times max_journal_bytes */
#define CROWDED_SLICE (100 * PHU_SECOND / 1000)

/* Who is never given the time to tend packs before he takes more: the journal stays bounded. */
static int make_way(struct phu_store *store)
{
    int result = 1;
    int64_t until_ns = phu_steady_ns() + CROWDED_SLICE;

    if (store->journal_bytes <= CROWDED * store->conf.max_journal_bytes)
        return 0;
    while (result > 0 && phu_steady_ns() < until_ns)
        result = phu_drain_step(store, store->newest_ns, until_ns);
    return result < 0 ? result : 0;
}

int phu_store_begin(struct phu_store *store)
{
    struct statvfs disk;
    int err;

    if (store->conf.min_free_bytes > 0 && statvfs(store->conf.path, &disk) == 0 &&
        (int64_t)disk.f_bavail * (int64_t)disk.f_frsize < store->conf.min_free_bytes)
        return -ENOSPC;
    err = make_way(store);
    if (err)
        return err;
    err = phu_db_run(&store->db, "BEGIN IMMEDIATE");
    if (err)
        return err;
    store->is_begun = true;
    store->begun_bytes = 0;
    store->records.size = 0;
    return 0;
}

int64_t phu_store_oldest(const struct phu_store *store, int64_t now_ns)
{
    int64_t oldest = store->conf.keep_minute_ns && store->conf.keep_five_minutes_ns
                         ? now_ns - store->conf.keep_five_minutes_ns
                         : 0;

    return oldest > store->kept_ns[1] ? oldest : store->kept_ns[1];
}

/* -- A sample's fields as cells ---------------------------------------------------------------- */

static void make_room(struct phu_store *store, size_t count)
{
    if (count <= store->column_capacity)
        return;
    store->column_capacity = count * 2;
    store->columns = reallocarray(store->columns, store->column_capacity, sizeof(uint32_t));
    store->buckets = reallocarray(store->buckets, store->column_capacity, sizeof(uint32_t));
    store->cells = reallocarray(store->cells, store->column_capacity, sizeof *store->cells);
    store->histogram =
        reallocarray(store->histogram, store->column_capacity, sizeof *store->histogram);
    if (!store->columns || !store->buckets || !store->cells || !store->histogram)
        abort();
}

static void set_value(struct phu_cell *cell, const struct phu_field *field)
{
    switch (field->type) {
    case PHU_FIELD_INT:
        cell->i = field->i;
        break;
    case PHU_FIELD_FLOAT:
        cell->f = field->f;
        break;
    case PHU_FIELD_BOOL:
        cell->i = field->b;
        break;
    case PHU_FIELD_STRING:
        cell->text = field->text.at;
        cell->size = (uint32_t)field->text.length;
        break;
    }
}

/* Buckets of one histogram from `from` on, ascending, each once (the last one given holds). */
static size_t sort_buckets(struct phu_bucket *at, size_t count)
{
    size_t used = 0;

    for (size_t i = 0; i < count; i++) {
        struct phu_bucket moved = at[i];
        size_t place = used;

        while (place && at[place - 1].index > moved.index)
            place--;
        if (place && at[place - 1].index == moved.index) {
            at[place - 1] = moved;
            continue;
        }
        memmove(&at[place + 1], &at[place], (used - place) * sizeof *at);
        at[place] = moved;
        used++;
    }
    return used;
}

/* All fields that are buckets of the column of fields[first]; they need not stand together. */
static size_t gather_buckets(struct phu_store *store, const struct phu_sample *sample, size_t first,
                             struct phu_bucket *at, struct phu_cell *cell)
{
    uint32_t column = store->columns[first];
    size_t count = 0;

    for (size_t i = first; i < sample->field_count; i++) {
        if (store->columns[i] != column)
            continue;
        at[count++] =
            (struct phu_bucket){.index = store->buckets[i], .count = (uint64_t)sample->fields[i].i};
        if (i > first)
            store->columns[i] = UINT32_MAX; /* taken */
    }
    count = sort_buckets(at, count);
    cell->buckets = at;
    cell->size = (uint32_t)count;
    return count;
}

static void insert_cell(struct phu_cell *cells, size_t count, const struct phu_cell *cell)
{
    size_t place = count;

    while (place && cells[place - 1].column > cell->column)
        place--;
    memmove(&cells[place + 1], &cells[place], (count - place) * sizeof *cells);
    cells[place] = *cell;
}

static size_t make_cells(struct phu_store *store, const struct phu_sample *sample)
{
    size_t count = 0, buckets = 0;

    for (size_t i = 0; i < sample->field_count; i++) {
        struct phu_cell cell = {.column = store->columns[i]};

        if (cell.column == UINT32_MAX)
            continue;
        if (PHU_COLUMN_TYPE(cell.column) == PHU_CELL_HIST)
            buckets += gather_buckets(store, sample, i, store->histogram + buckets, &cell);
        else
            set_value(&cell, &sample->fields[i]);
        insert_cell(store->cells, count, &cell);
        count++;
    }
    return count;
}

/* -- Journal ----------------------------------------------------------------------------------- */

static int flush_records(struct phu_store *store)
{
    sqlite3_stmt *insert = phu_db_take(&store->db, "INSERT INTO journal (id, from_ns, to_ns, bytes)"
                                                   " VALUES (?, ?, ?, ?)");
    int err;

    if (!store->records.size)
        return 0;
    if (!insert)
        return phu_db_error(&store->db);
    sqlite3_bind_int64(insert, 1, store->journal_id + PHU_JOURNAL_STEP);
    sqlite3_bind_int64(insert, 2, store->from_ns);
    sqlite3_bind_int64(insert, 3, store->to_ns);
    sqlite3_bind_blob(insert, 4, store->records.at, (int)store->records.size, SQLITE_STATIC);
    err = phu_db_finish(&store->db, insert);
    if (err)
        return err;
    store->journal_id += PHU_JOURNAL_STEP;
    store->begun_bytes += (int64_t)store->records.size;
    store->records.size = 0;
    return 0;
}

static int put_record(struct phu_store *store, uint32_t series, int64_t time_ns, size_t count)
{
    struct phu_window window = {.time_ns = time_ns, .cells = store->cells, .count = count};

    if (!store->records.size)
        store->from_ns = store->to_ns = time_ns;
    store->from_ns = time_ns < store->from_ns ? time_ns : store->from_ns;
    store->to_ns = time_ns > store->to_ns ? time_ns : store->to_ns;
    phu_record_put(&store->records, series, &window);
    return store->records.size < PHU_JOURNAL_PIECE ? 0 : flush_records(store);
}

/* -- put --------------------------------------------------------------------------------------- */

static int check(const struct phu_store *store, const struct phu_sample *sample, int64_t now_ns)
{
    if (sample->time_ns < 0 || sample->time_ns > PHU_TIME_MAX)
        return -ERANGE;
    if (sample->time_ns < phu_store_oldest(store, now_ns))
        return -ESTALE;
    if (sample->field_count > FIELDS_MAX)
        return -E2BIG;
    for (size_t i = 0; i < sample->field_count; i++)
        if (sample->fields[i].type == PHU_FIELD_STRING &&
            sample->fields[i].text.length > UINT16_MAX)
            return -E2BIG;
    return 0;
}

static int find_series(struct phu_store *store, const struct phu_sample *sample,
                       struct phu_dict_series *series, size_t *field)
{
    uint32_t measurement;
    int err = 0;

    phu_dict_find(store->dict, sample, series);
    if (series->id == UINT32_MAX)
        err = phu_dict_measurement(store->dict, sample->measurement, &series->measurement);
    if (err)
        return err;
    measurement = series->measurement;
    err = phu_special_check(sample, phu_dict_class(store->dict, measurement));
    if (err)
        return err;
    make_room(store, sample->field_count);
    err = phu_dict_columns(store->dict, sample, measurement, store->columns, store->buckets, field);
    if (!err && series->id == UINT32_MAX)
        err = phu_dict_add(store->dict, sample, measurement, series);
    return err;
}

static void note_agent(struct phu_store *store, uint32_t index, int64_t time_ns, int64_t now_ns)
{
    size_t count;
    struct phu_dict_agent *agents = phu_dict_agents(store->dict, &count);
    struct phu_dict_agent *agent = index < count ? &agents[index] : NULL;

    if (!agent)
        return;
    agent->is_changed = true;
    agent->seen_ns = now_ns > agent->seen_ns ? now_ns : agent->seen_ns;
    agent->sample_ns = time_ns > agent->sample_ns ? time_ns : agent->sample_ns;
}

int phu_store_put(struct phu_store *store, const struct phu_sample *sample, int64_t now_ns,
                  size_t *field)
{
    struct phu_dict_series series;
    enum phu_class class;
    int err = store->rolled_ns[1] ? 0 : phu_store_know_time(store, now_ns);

    if (!err)
        err = check(store, sample, now_ns);
    if (!err)
        err = find_series(store, sample, &series, field);
    if (err)
        return err;
    class = phu_dict_class(store->dict, series.measurement);
    if (class == PHU_CLASS_STATE || class == PHU_CLASS_EVENT)
        err = phu_special_put(store, sample, class, series.id);
    if (!err)
        err = put_record(store, series.id, sample->time_ns, make_cells(store, sample));
    if (err)
        return err;
    note_agent(store, series.agent, sample->time_ns, now_ns);
    if (sample->time_ns > store->newest_ns)
        store->newest_ns = sample->time_ns;
    if (sample->time_ns < store->rolled_ns[1])
        store->has_late = true;
    store->samples_total++;
    return 0;
}

/* -- commit ------------------------------------------------------------------------------------ */

static int flush_agents(struct phu_store *store)
{
    sqlite3_stmt *put =
        phu_db_take(&store->db, "INSERT OR REPLACE INTO agent (id, seen_ns, sample_ns)"
                                " VALUES (?, ?, ?)");
    size_t count;
    struct phu_dict_agent *agents = phu_dict_agents(store->dict, &count);
    int err = put ? 0 : phu_db_error(&store->db);

    for (size_t i = 0; i < count && !err; i++) {
        if (!agents[i].is_changed)
            continue;
        sqlite3_reset(put);
        phu_db_bind_text(put, 1, agents[i].id, strlen(agents[i].id));
        sqlite3_bind_int64(put, 2, agents[i].seen_ns);
        sqlite3_bind_int64(put, 3, agents[i].sample_ns);
        err = phu_db_finish(&store->db, put);
        agents[i].is_changed = false;
    }
    return err;
}

int phu_store_commit(struct phu_store *store)
{
    int err = flush_records(store);

    if (!err)
        err = flush_agents(store);
    if (!err)
        err = phu_db_run(&store->db, "COMMIT");
    if (err) {
        phu_store_rollback(store);
        return err;
    }
    store->is_begun = false;
    store->journal_bytes += store->begun_bytes;
    phu_dict_commit(store->dict);
    return 0;
}

void phu_store_rollback(struct phu_store *store)
{
    if (!store->is_begun)
        return;
    if (!sqlite3_get_autocommit(store->db.handle)) /* a full disk may have ended it already */
        phu_db_run(&store->db, "ROLLBACK");
    store->is_begun = false;
    store->records.size = 0;
    store->journal_id = phu_db_number(&store->db, "SELECT max(id) FROM journal", store->journal_id);
    phu_store_read_marks(store);
    /* When even reading fails, the next transaction will not begin either. */
    store->last_error = phu_dict_reload(store->dict);
}
