/* An agent's inventory: kept as it came, a version each time it changes, and the newest taken apart
 * into tables. */
#include "parts.h"

#include <jansson.h>

#include <errno.h>
#include <math.h>
#include <stdio.h>

#define ENTRIES_MAX 1000000
#define BYTES_MAX ((size_t)64 << 20)
#define VERSIONS "100" /* kept of each agent */

struct reading {
    struct phu_store *store;
    const char *agent, *list;
    size_t index;
    char *why;
    size_t why_size;
};

static int wrong(const struct reading *reading, const char *what)
{
    snprintf(reading->why, reading->why_size, "inventory: %s[%zu]: %s", reading->list,
             reading->index, what);
    return -EINVAL;
}

/* "" when it is not there; NULL, and `why`, when it is no text. */
static const char *text_of(const struct reading *reading, json_t *object, const char *key)
{
    json_t *value = json_object_get(object, key);
    char what[96];

    if (!value || json_is_null(value))
        return "";
    if (json_is_string(value) && json_string_length(value) <= 1024)
        return json_string_value(value);
    snprintf(what, sizeof what, "\"%s\" must be a text of at most 1024 bytes", key);
    wrong(reading, what);
    return NULL;
}

/* Binds the texts of `keys` from place `from` on. The first is required. */
static int bind_texts(const struct reading *reading, sqlite3_stmt *put, json_t *object, int from,
                      const char *const *keys)
{
    char what[64];

    for (int i = 0; keys[i]; i++) {
        const char *text = text_of(reading, object, keys[i]);

        if (!text)
            return -EINVAL;
        if (i == 0 && !*text) {
            snprintf(what, sizeof what, "\"%s\" is missing", keys[0]);
            return wrong(reading, what);
        }
        sqlite3_bind_text(put, from + i, text, -1, SQLITE_STATIC);
    }
    return 0;
}

static int bind_degrees(const struct reading *reading, sqlite3_stmt *put, json_t *object, int place,
                        const char *key, double limit)
{
    json_t *value = json_object_get(object, key);
    double degrees;

    if (!value || json_is_null(value)) {
        sqlite3_bind_null(put, place);
        return 0;
    }
    degrees = json_is_number(value) ? json_number_value(value) : NAN;
    if (!(fabs(degrees) <= limit))
        return wrong(reading, "\"lat\" and \"lon\" must be degrees");
    sqlite3_bind_int64(put, place, llround(degrees * 1e6));
    return 0;
}

static int put_area(const struct reading *reading, json_t *object)
{
    static const char *const keys[] = {"code", "valid_from", "valid_to", "id", "level",
                                       "name", "name_en",    "parent",   NULL};
    sqlite3_stmt *put =
        phu_db_take(&reading->store->db,
                    "INSERT INTO area (agent, code, valid_from, valid_to, id, level, name, name_en,"
                    " parent, households, lat_e6, lon_e6) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?,"
                    " ?)");
    json_t *households = json_object_get(object, "households");
    int err;

    if (!put)
        return phu_db_error(&reading->store->db);
    sqlite3_bind_text(put, 1, reading->agent, -1, SQLITE_STATIC);
    if (households && (!json_is_integer(households) || json_integer_value(households) < 0))
        return wrong(reading, "\"households\" must be a number");
    sqlite3_bind_int64(put, 10, json_integer_value(households));
    err = bind_texts(reading, put, object, 2, keys);
    if (!err)
        err = bind_degrees(reading, put, object, 11, "lat", 90);
    if (!err)
        err = bind_degrees(reading, put, object, 12, "lon", 180);
    return err ? err : phu_db_finish(&reading->store->db, put);
}

static int put_site(const struct reading *reading, json_t *object)
{
    static const char *const keys[] = {"id", "name", "area", "parent", NULL};
    sqlite3_stmt *put =
        phu_db_take(&reading->store->db, "INSERT OR REPLACE INTO site (agent, id, name, area,"
                                         " parent, lat_e6, lon_e6) VALUES (?, ?, ?, ?, ?, ?, ?)");
    int err;

    if (!put)
        return phu_db_error(&reading->store->db);
    sqlite3_bind_text(put, 1, reading->agent, -1, SQLITE_STATIC);
    err = bind_texts(reading, put, object, 2, keys);
    if (!err)
        err = bind_degrees(reading, put, object, 6, "lat", 90);
    if (!err)
        err = bind_degrees(reading, put, object, 7, "lon", 180);
    return err ? err : phu_db_finish(&reading->store->db, put);
}

static int put_device(const struct reading *reading, json_t *object)
{
    static const char *const keys[] = {"id", "address", "site", "parent", NULL};
    sqlite3_stmt *put =
        phu_db_take(&reading->store->db, "INSERT OR REPLACE INTO device (agent, id, address, site,"
                                         " parent) VALUES (?, ?, ?, ?, ?)");
    int err;

    if (!put)
        return phu_db_error(&reading->store->db);
    sqlite3_bind_text(put, 1, reading->agent, -1, SQLITE_STATIC);
    err = bind_texts(reading, put, object, 2, keys);
    return err ? err : phu_db_finish(&reading->store->db, put);
}

static int put_endpoint(const struct reading *reading, json_t *object)
{
    static const char *const keys[] = {"id",       "address", "hamlet", "commune", "technology",
                                       "operator", "device",  "index",  "parent",  NULL};
    sqlite3_stmt *put = phu_db_take(&reading->store->db,
                                    "INSERT OR REPLACE INTO endpoint (agent, id, address, hamlet,"
                                    " commune, technology, operator, device, row, parent)"
                                    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");
    int err;

    if (!put)
        return phu_db_error(&reading->store->db);
    sqlite3_bind_text(put, 1, reading->agent, -1, SQLITE_STATIC);
    err = bind_texts(reading, put, object, 2, keys);
    return err ? err : phu_db_finish(&reading->store->db, put);
}

typedef int put_cb(const struct reading *reading, json_t *object);

static int put_list(struct reading *reading, json_t *root, const char *list, put_cb *put)
{
    json_t *items = json_object_get(root, list);
    int err = 0;

    reading->list = list;
    reading->index = 0;
    if (!items || json_is_null(items))
        return 0;
    if (!json_is_array(items) || json_array_size(items) > ENTRIES_MAX)
        return wrong(reading, "must be a list of at most 1,000,000 objects");
    for (; reading->index < json_array_size(items) && !err; reading->index++) {
        json_t *item = json_array_get(items, reading->index);

        err = json_is_object(item) ? put(reading, item) : wrong(reading, "must be an object");
    }
    return err;
}

static int run_for(struct phu_db *db, const char *sql, const char *agent)
{
    sqlite3_stmt *statement = phu_db_take(db, sql);

    if (!statement)
        return phu_db_error(db);
    sqlite3_bind_text(statement, 1, agent, -1, SQLITE_STATIC);
    return phu_db_finish(db, statement);
}

static int take_apart(struct reading *reading, json_t *root)
{
    struct phu_db *db = &reading->store->db;
    int err = run_for(db, "DELETE FROM area WHERE agent = ?", reading->agent);

    if (!err)
        err = run_for(db, "DELETE FROM site WHERE agent = ?", reading->agent);
    if (!err)
        err = run_for(db, "DELETE FROM device WHERE agent = ?", reading->agent);
    if (!err)
        err = run_for(db, "DELETE FROM endpoint WHERE agent = ?", reading->agent);
    if (!err)
        err = put_list(reading, root, "areas", put_area);
    if (!err)
        err = put_list(reading, root, "sites", put_site);
    if (!err)
        err = put_list(reading, root, "devices", put_device);
    if (!err)
        err = put_list(reading, root, "endpoints", put_endpoint);
    return err;
}

static int is_newest(struct phu_store *store, const char *agent, const char *json, size_t length,
                     bool *is_same)
{
    sqlite3_stmt *find = phu_db_take(&store->db, "SELECT json FROM inventory WHERE agent = ?"
                                                 " ORDER BY registered_ns DESC LIMIT 1");
    int result;

    if (!find)
        return phu_db_error(&store->db);
    sqlite3_bind_text(find, 1, agent, -1, SQLITE_STATIC);
    result = sqlite3_step(find);
    *is_same = result == SQLITE_ROW && (size_t)sqlite3_column_bytes(find, 0) == length &&
               memcmp(sqlite3_column_blob(find, 0), json, length) == 0;
    sqlite3_reset(find);
    return phu_db_errno(result);
}

static int put_version(struct phu_store *store, const char *agent, const char *json, size_t length,
                       int64_t now_ns)
{
    sqlite3_stmt *put =
        phu_db_take(&store->db, "INSERT OR REPLACE INTO inventory (agent, registered_ns, json)"
                                " VALUES (?, ?, ?)");
    int err;

    if (!put)
        return phu_db_error(&store->db);
    sqlite3_bind_text(put, 1, agent, -1, SQLITE_STATIC);
    sqlite3_bind_int64(put, 2, now_ns);
    sqlite3_bind_blob64(put, 3, json, length, SQLITE_STATIC);
    err = phu_db_finish(&store->db, put);
    return err ? err
               : run_for(&store->db,
                         "DELETE FROM inventory WHERE agent = ?1 AND number NOT IN (SELECT number"
                         " FROM inventory WHERE agent = ?1 ORDER BY registered_ns DESC"
                         " LIMIT " VERSIONS ")",
                         agent);
}

static int put_all(struct reading *reading, json_t *root, const char *json, size_t length,
                   int64_t now_ns)
{
    struct phu_store *store = reading->store;
    int err = phu_db_run(&store->db, "BEGIN IMMEDIATE");

    if (!err)
        err = take_apart(reading, root);
    if (!err)
        err = put_version(store, reading->agent, json, length, now_ns);
    if (!err)
        err = phu_db_run(&store->db, "COMMIT");
    if (err && !sqlite3_get_autocommit(store->db.handle))
        phu_db_run(&store->db, "ROLLBACK");
    if (err && err != -EINVAL)
        snprintf(reading->why, reading->why_size, "inventory: %s", strerror(-err));
    return err;
}

int phu_store_put_inventory(struct phu_store *store, const char *agent, const char *json,
                            size_t length, int64_t now_ns, bool *is_new, char *why, size_t why_size)
{
    struct reading reading = {.store = store, .agent = agent, .why = why, .why_size = why_size};
    json_error_t error;
    json_t *root;
    bool is_same = false;
    int err;

    *is_new = false;
    if (length > BYTES_MAX) {
        snprintf(why, why_size, "inventory: larger than 64 MiB");
        return -EINVAL;
    }
    err = is_newest(store, agent, json, length, &is_same);
    if (err || is_same)
        return err;
    root = json_loadb(json, length, JSON_REJECT_DUPLICATES, &error);
    if (!root || !json_is_object(root)) {
        snprintf(why, why_size, "inventory: line %d, column %d: %s", root ? 1 : error.line,
                 root ? 1 : error.column, root ? "must be an object" : error.text);
        json_decref(root);
        return -EINVAL;
    }
    err = put_all(&reading, root, json, length, now_ns);
    json_decref(root);
    *is_new = !err;
    return err;
}
