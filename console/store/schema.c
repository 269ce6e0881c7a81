/* Step N leads from version N to N + 1. A step that has been released is never changed again. */
#include "schema.h"

#include <errno.h>
#include <stdio.h>

#define APPLICATION 0x70687573 /* "phus", in the file's header */

static const char step_0[] =
    /* Numbers about the store as a whole: zone offset, how far rollups and retention are. */
    "CREATE TABLE meta (key TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID;"

    "CREATE TABLE measurement (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT;"
    "CREATE TABLE field (id INTEGER PRIMARY KEY, measurement INTEGER NOT NULL, name TEXT NOT NULL,"
    " type INTEGER NOT NULL, how INTEGER NOT NULL, UNIQUE (measurement, name)) STRICT;"
    "CREATE TABLE series (id INTEGER PRIMARY KEY, measurement INTEGER NOT NULL,"
    " kind TEXT NOT NULL, subject TEXT NOT NULL, agent TEXT NOT NULL, hamlet TEXT NOT NULL,"
    " commune TEXT NOT NULL, technology TEXT NOT NULL, operator TEXT NOT NULL,"
    " site TEXT NOT NULL, device TEXT NOT NULL, key TEXT NOT NULL) STRICT;"
    "CREATE INDEX series_by_subject ON series (measurement, subject);"

    /* What was acknowledged and is not packed yet. */
    "CREATE TABLE journal (id INTEGER PRIMARY KEY, from_ns INTEGER NOT NULL,"
    " to_ns INTEGER NOT NULL, bytes BLOB NOT NULL) STRICT;"
    /* Packed windows; id = span << 32 | series. */
    "CREATE TABLE minute (id INTEGER PRIMARY KEY, bytes BLOB NOT NULL) STRICT;"
    "CREATE TABLE five_minutes (id INTEGER PRIMARY KEY, bytes BLOB NOT NULL) STRICT;"
    "CREATE TABLE hour (id INTEGER PRIMARY KEY, bytes BLOB NOT NULL) STRICT;"
    "CREATE TABLE day (id INTEGER PRIMARY KEY, bytes BLOB NOT NULL) STRICT;"
    /* What has to be rolled up again, because something came late. */
    "CREATE TABLE dirty (level INTEGER NOT NULL, unit INTEGER NOT NULL, series INTEGER NOT NULL,"
    " PRIMARY KEY (level, unit, series)) STRICT, WITHOUT ROWID;"

    "CREATE TABLE state (series INTEGER PRIMARY KEY, code INTEGER NOT NULL,"
    " flags INTEGER NOT NULL, since_ns INTEGER NOT NULL, seen_ns INTEGER NOT NULL) STRICT;"
    "CREATE TABLE state_change (series INTEGER NOT NULL, time_ns INTEGER NOT NULL,"
    " code INTEGER NOT NULL, flags INTEGER NOT NULL, PRIMARY KEY (series, time_ns))"
    " STRICT, WITHOUT ROWID;"
    "CREATE TABLE event (number INTEGER PRIMARY KEY, id TEXT NOT NULL, agent TEXT NOT NULL,"
    " time_ns INTEGER NOT NULL, begin_ns INTEGER NOT NULL, end_ns INTEGER NOT NULL,"
    " flags INTEGER NOT NULL, hamlets INTEGER NOT NULL, households INTEGER NOT NULL,"
    " endpoints INTEGER NOT NULL, root TEXT NOT NULL, kind TEXT NOT NULL, cause TEXT NOT NULL,"
    " refined TEXT NOT NULL, name TEXT NOT NULL, hamlet_ids TEXT NOT NULL, hamlet TEXT NOT NULL,"
    " commune TEXT NOT NULL, technology TEXT NOT NULL, operator TEXT NOT NULL,"
    " device TEXT NOT NULL, site TEXT NOT NULL, UNIQUE (agent, id)) STRICT;"
    "CREATE INDEX event_by_begin ON event (begin_ns);"
    "CREATE INDEX event_by_end ON event (end_ns);"

    "CREATE TABLE agent (id TEXT PRIMARY KEY, seen_ns INTEGER NOT NULL,"
    " sample_ns INTEGER NOT NULL) STRICT, WITHOUT ROWID;"
    "CREATE TABLE inventory (number INTEGER PRIMARY KEY, agent TEXT NOT NULL,"
    " registered_ns INTEGER NOT NULL, json BLOB NOT NULL, UNIQUE (agent, registered_ns)) STRICT;"
    /* The newest inventory of each agent, taken apart. */
    "CREATE TABLE area (agent TEXT NOT NULL, code TEXT NOT NULL, valid_from TEXT NOT NULL,"
    " valid_to TEXT NOT NULL, id TEXT NOT NULL, level TEXT NOT NULL, name TEXT NOT NULL,"
    " name_en TEXT NOT NULL, parent TEXT NOT NULL, households INTEGER NOT NULL,"
    " lat_e6 INTEGER, lon_e6 INTEGER) STRICT;"
    "CREATE INDEX area_by_code ON area (code);"
    "CREATE INDEX area_by_id ON area (id);"
    "CREATE INDEX area_by_parent ON area (parent);"
    "CREATE INDEX area_by_agent ON area (agent);"
    "CREATE TABLE site (agent TEXT NOT NULL, id TEXT NOT NULL, name TEXT NOT NULL,"
    " area TEXT NOT NULL, parent TEXT NOT NULL, lat_e6 INTEGER, lon_e6 INTEGER,"
    " PRIMARY KEY (agent, id)) STRICT, WITHOUT ROWID;"
    "CREATE TABLE device (agent TEXT NOT NULL, id TEXT NOT NULL, address TEXT NOT NULL,"
    " site TEXT NOT NULL, parent TEXT NOT NULL, PRIMARY KEY (agent, id)) STRICT, WITHOUT ROWID;"
    "CREATE TABLE endpoint (agent TEXT NOT NULL, id TEXT NOT NULL, address TEXT NOT NULL,"
    " hamlet TEXT NOT NULL, commune TEXT NOT NULL, technology TEXT NOT NULL,"
    " operator TEXT NOT NULL, device TEXT NOT NULL, row TEXT NOT NULL, parent TEXT NOT NULL,"
    " PRIMARY KEY (agent, id)) STRICT, WITHOUT ROWID;";

static const char step_1[] =
    /* Hours that came later than the finest resolution is kept: they stay until their rollups
       surely hold all of them. */
    "CREATE TABLE late (hour INTEGER PRIMARY KEY, until_ns INTEGER NOT NULL) STRICT;"
    "CREATE INDEX state_change_by_time ON state_change (time_ns);";

static const char *const steps[] = {step_0, step_1};

_Static_assert(sizeof steps / sizeof *steps == PHU_SCHEMA_VERSION, "a step for each version");

int phu_schema_prepare(struct phu_db *db)
{
    char sql[64];
    int err;

    snprintf(sql, sizeof sql, "PRAGMA page_size=%d", PHU_SCHEMA_PAGE);
    err = phu_db_run(db, sql);
    if (err)
        return err;
    return phu_db_run(db, "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"
                          "PRAGMA wal_autocheckpoint=0; PRAGMA journal_size_limit=67108864;"
                          "PRAGMA cache_size=-16384; PRAGMA temp_store=MEMORY;"
                          "PRAGMA trusted_schema=OFF; PRAGMA mmap_size=0;");
}

static int take_step(struct phu_db *db, int version)
{
    char sql[96];
    int err = phu_db_run(db, "BEGIN IMMEDIATE");

    if (err)
        return err;
    err = phu_db_run(db, steps[version]);
    snprintf(sql, sizeof sql, "PRAGMA user_version=%d; PRAGMA application_id=%d; COMMIT",
             version + 1, APPLICATION);
    if (!err)
        err = phu_db_run(db, sql);
    if (err && !sqlite3_get_autocommit(db->handle))
        phu_db_run(db, "ROLLBACK");
    return err;
}

/* -1 instead of a version: not ours. */
static int64_t version_of(struct phu_db *db)
{
    int64_t version = phu_db_number(db, "PRAGMA user_version", -1);
    int64_t tables = phu_db_number(db, "SELECT count(*) FROM sqlite_schema", -1);

    if (tables == 0 && version == 0)
        return 0;
    return phu_db_number(db, "PRAGMA application_id", 0) == APPLICATION ? version : -1;
}

int phu_schema_migrate(struct phu_db *db, int version)
{
    int64_t now = version_of(db);
    int err = 0;

    if (now < 0)
        return -EINVAL;
    if (now > PHU_SCHEMA_VERSION)
        return -EPROTONOSUPPORT;
    for (; now < version && now < PHU_SCHEMA_VERSION && !err; now++)
        err = take_step(db, (int)now);
    return err;
}

int phu_schema_verify(struct phu_db *db)
{
    int64_t now = version_of(db);

    if (now <= 0)
        return -EINVAL;
    if (now > PHU_SCHEMA_VERSION)
        return -EPROTONOSUPPORT;
    return now < PHU_SCHEMA_VERSION ? -EAGAIN : 0;
}
