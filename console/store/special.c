/* States and events: beside their windows (which replays read) they stand in tables of their own,
 * the latest state of each subject and each event once. */
#include "parts.h"

#include <errno.h>

#define MS 1000000
#define MS_MAX (INT64_MAX / MS)

enum { FLAPPING = 1, MAINTENANCE = 2, ACTIVE = 4, INFERRED = 8 };

static const struct phu_field *field_of(const struct phu_sample *sample, const char *name,
                                        enum phu_field_type type)
{
    for (size_t i = 0; i < sample->field_count; i++) {
        const struct phu_field *field = &sample->fields[i];

        if (field->type == type && field->name.length == strlen(name) &&
            memcmp(field->name.at, name, field->name.length) == 0)
            return field;
    }
    return NULL;
}

static int64_t number_of(const struct phu_sample *sample, const char *name, int64_t fallback)
{
    const struct phu_field *field = field_of(sample, name, PHU_FIELD_INT);

    return field ? field->i : fallback;
}

static struct phu_slice text_of(const struct phu_sample *sample, const char *name)
{
    const struct phu_field *field = field_of(sample, name, PHU_FIELD_STRING);

    return field ? field->text : (struct phu_slice){.at = ""};
}

int phu_special_check(const struct phu_sample *sample, enum phu_class class)
{
    int64_t code;

    if (class == PHU_CLASS_STATE) {
        code = number_of(sample, "code", -1);
        return code < 0 || code > 4 ? -EINVAL : 0;
    }
    if (class == PHU_CLASS_EVENT)
        return text_of(sample, "id").length ? 0 : -EINVAL;
    return 0;
}

/* -- States ----------------------------------------------------------------------------------- */

struct state {
    int64_t code, flags, time_ns;
    bool is_there;
};

static int read_state(struct phu_store *store, const char *sql, uint32_t series, int64_t time_ns,
                      struct state *state)
{
    sqlite3_stmt *query = phu_db_take(&store->db, sql);
    int result;

    *state = (struct state){0};
    if (!query)
        return phu_db_error(&store->db);
    sqlite3_bind_int64(query, 1, series);
    sqlite3_bind_int64(query, 2, time_ns);
    result = sqlite3_step(query);
    if (result == SQLITE_ROW)
        *state = (struct state){.code = sqlite3_column_int64(query, 0),
                                .flags = sqlite3_column_int64(query, 1),
                                .time_ns = sqlite3_column_int64(query, 2),
                                .is_there = true};
    sqlite3_reset(query);
    return phu_db_errno(result);
}

static int write_change(struct phu_store *store, uint32_t series, const struct state *state)
{
    sqlite3_stmt *insert =
        phu_db_take(&store->db, "INSERT OR REPLACE INTO state_change (series, time_ns, code, flags)"
                                " VALUES (?, ?, ?, ?)");

    if (!insert)
        return phu_db_error(&store->db);
    sqlite3_bind_int64(insert, 1, series);
    sqlite3_bind_int64(insert, 2, state->time_ns);
    sqlite3_bind_int64(insert, 3, state->code);
    sqlite3_bind_int64(insert, 4, state->flags);
    return phu_db_finish(&store->db, insert);
}

static int drop_change(struct phu_store *store, uint32_t series, int64_t time_ns)
{
    sqlite3_stmt *drop =
        phu_db_take(&store->db, "DELETE FROM state_change WHERE series = ? AND time_ns = ?");

    if (!drop)
        return phu_db_error(&store->db);
    sqlite3_bind_int64(drop, 1, series);
    sqlite3_bind_int64(drop, 2, time_ns);
    return phu_db_finish(&store->db, drop);
}

/* Only changes are history: what says the same as the one before is none, nor is a later one that
 * says the same as this. */
static int note_change(struct phu_store *store, uint32_t series, const struct state *state)
{
    struct state before, after;
    int err = read_state(store,
                         "SELECT code, flags, time_ns FROM state_change WHERE series = ?"
                         " AND time_ns < ? ORDER BY time_ns DESC LIMIT 1",
                         series, state->time_ns, &before);

    if (!err)
        err = read_state(store,
                         "SELECT code, flags, time_ns FROM state_change WHERE series = ?"
                         " AND time_ns > ? ORDER BY time_ns LIMIT 1",
                         series, state->time_ns, &after);
    if (err)
        return err;
    if (before.is_there && before.code == state->code && before.flags == state->flags)
        return drop_change(store, series, state->time_ns);
    if (after.is_there && after.code == state->code && after.flags == state->flags)
        err = drop_change(store, series, after.time_ns);
    return err ? err : write_change(store, series, state);
}

static int write_state(struct phu_store *store, uint32_t series, const struct state *state,
                       int64_t seen_ns)
{
    sqlite3_stmt *insert =
        phu_db_take(&store->db, "INSERT OR REPLACE INTO state (series, code, flags, since_ns,"
                                " seen_ns) VALUES (?, ?, ?, ?, ?)");

    if (!insert)
        return phu_db_error(&store->db);
    sqlite3_bind_int64(insert, 1, series);
    sqlite3_bind_int64(insert, 2, state->code);
    sqlite3_bind_int64(insert, 3, state->flags);
    sqlite3_bind_int64(insert, 4, state->time_ns);
    sqlite3_bind_int64(insert, 5, seen_ns);
    return phu_db_finish(&store->db, insert);
}

/* The latest state is what history ends with; a heartbeat only moves `seen`. */
static int refresh_state(struct phu_store *store, uint32_t series, int64_t seen_ns)
{
    struct state last;
    int err = read_state(store,
                         "SELECT code, flags, time_ns FROM state_change WHERE series = ?"
                         " AND time_ns <= ? ORDER BY time_ns DESC LIMIT 1",
                         series, INT64_MAX, &last);
    struct state since;

    if (err || !last.is_there)
        return err;
    since = last;
    for (;;) { /* flags may change while the code stays: since when is the code's */
        struct state earlier;

        err = read_state(store,
                         "SELECT code, flags, time_ns FROM state_change WHERE series = ?"
                         " AND time_ns < ? ORDER BY time_ns DESC LIMIT 1",
                         series, since.time_ns, &earlier);
        if (err || !earlier.is_there || earlier.code != last.code)
            break;
        since = earlier;
    }
    if (err)
        return err;
    last.time_ns = since.time_ns;
    return write_state(store, series, &last, seen_ns);
}

static int put_state(struct phu_store *store, const struct phu_sample *sample, uint32_t series)
{
    struct state state = {.code = number_of(sample, "code", 0),
                          .flags = (number_of(sample, "flapping", 0) ? FLAPPING : 0) |
                                   (number_of(sample, "maintenance", 0) ? MAINTENANCE : 0),
                          .time_ns = sample->time_ns};
    struct state now;
    int64_t seen;
    sqlite3_stmt *beat;
    int err = read_state(store,
                         "SELECT code, flags, seen_ns FROM state WHERE series = ?1 AND"
                         " ?2 IS NOT NULL",
                         series, 0, &now);

    if (err)
        return err;
    seen = now.is_there && now.time_ns > state.time_ns ? now.time_ns : state.time_ns;
    if (!now.is_there || now.code != state.code || now.flags != state.flags ||
        state.time_ns < now.time_ns) {
        err = note_change(store, series, &state);
        return err ? err : refresh_state(store, series, seen);
    }
    beat = phu_db_take(&store->db, "UPDATE state SET seen_ns = ? WHERE series = ?");
    if (!beat)
        return phu_db_error(&store->db);
    sqlite3_bind_int64(beat, 1, seen);
    sqlite3_bind_int64(beat, 2, series);
    return phu_db_finish(&store->db, beat);
}

/* -- Events ----------------------------------------------------------------------------------- */

static int64_t ns_of_ms(int64_t ms)
{
    return ms < 0 ? 0 : ms > MS_MAX ? INT64_MAX : ms * MS;
}

static struct phu_slice tag_of(const struct phu_sample *sample, const char *name)
{
    for (size_t i = 0; i < sample->tag_count; i++)
        if (sample->tags[i].name.length == strlen(name) &&
            memcmp(sample->tags[i].name.at, name, strlen(name)) == 0)
            return sample->tags[i].value;
    return (struct phu_slice){.at = ""};
}

static void bind_event(sqlite3_stmt *put, const struct phu_sample *sample)
{
    static const char *const tags[] = {"agent",   "root",       "kind",     "cause",  "hamlet",
                                       "commune", "technology", "operator", "device", "site"};
    static const char *const texts[] = {"id", "refined", "name", "hamlet_ids"};
    bool is_active = number_of(sample, "active", 0) != 0;
    int64_t begin = ns_of_ms(number_of(sample, "begin_ms", sample->time_ns / MS));
    int64_t end = ns_of_ms(number_of(sample, "end_ms", sample->time_ns / MS));
    int place = 1;

    for (size_t i = 0; i < sizeof tags / sizeof *tags; i++) {
        struct phu_slice value = tag_of(sample, tags[i]);

        phu_db_bind_text(put, place++, value.at, value.length);
    }
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct phu_slice value = text_of(sample, texts[i]);

        phu_db_bind_text(put, place++, value.at, value.length);
    }
    sqlite3_bind_int64(put, place++, sample->time_ns);
    sqlite3_bind_int64(put, place++, begin);
    sqlite3_bind_int64(put, place++, is_active ? 0 : end);
    sqlite3_bind_int64(put, place++,
                       (is_active ? ACTIVE : 0) |
                           (number_of(sample, "inferred", 0) ? INFERRED : 0) |
                           (number_of(sample, "flapping", 0) ? FLAPPING : 0) |
                           (number_of(sample, "maintenance", 0) ? MAINTENANCE : 0));
    sqlite3_bind_int64(put, place++, number_of(sample, "hamlets", 0));
    sqlite3_bind_int64(put, place++, number_of(sample, "households", 0));
    sqlite3_bind_int64(put, place++, number_of(sample, "endpoints", 0));
}

/* The newest sample of an event says what it is; older ones that come late say nothing. */
static int put_event(struct phu_store *store, const struct phu_sample *sample)
{
    sqlite3_stmt *put = phu_db_take(
        &store->db,
        "INSERT INTO event (agent, root, kind, cause, hamlet, commune, technology, operator,"
        " device, site, id, refined, name, hamlet_ids, time_ns, begin_ns, end_ns, flags, hamlets,"
        " households, endpoints)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
        " ON CONFLICT (agent, id) DO UPDATE SET refined = excluded.refined, name = excluded.name,"
        " hamlet_ids = excluded.hamlet_ids, time_ns = excluded.time_ns,"
        " begin_ns = excluded.begin_ns, end_ns = excluded.end_ns, flags = excluded.flags,"
        " hamlets = excluded.hamlets, households = excluded.households,"
        " endpoints = excluded.endpoints, cause = excluded.cause"
        " WHERE excluded.time_ns >= event.time_ns");

    if (!put)
        return phu_db_error(&store->db);
    bind_event(put, sample);
    return phu_db_finish(&store->db, put);
}

int phu_special_put(struct phu_store *store, const struct phu_sample *sample, enum phu_class class,
                    uint32_t series)
{
    if (class == PHU_CLASS_STATE)
        return put_state(store, sample, series);
    return class == PHU_CLASS_EVENT ? put_event(store, sample) : 0;
}
