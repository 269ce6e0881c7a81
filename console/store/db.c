#include "db.h"

#include <errno.h>
#include <string.h>

int phu_db_errno(int result)
{
    switch (result & 0xff) {
    case SQLITE_OK:
    case SQLITE_ROW:
    case SQLITE_DONE:
        return 0;
    case SQLITE_FULL:
        return -ENOSPC;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return -EBUSY;
    case SQLITE_NOMEM:
        return -ENOMEM;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return -EILSEQ;
    case SQLITE_INTERRUPT:
        return -ECANCELED;
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_CANTOPEN:
        return -EACCES;
    case SQLITE_TOOBIG:
        return -E2BIG;
    default:
        return -EIO;
    }
}

int phu_db_open(struct phu_db *db, const char *path, bool is_writer)
{
    int flags = is_writer ? SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE : SQLITE_OPEN_READONLY;
    int err;

    *db = (struct phu_db){0};
    err = phu_db_errno(sqlite3_open_v2(path, &db->handle, flags | SQLITE_OPEN_NOMUTEX, NULL));
    if (err) {
        phu_db_close(db);
        return err;
    }
    sqlite3_extended_result_codes(db->handle, 1);
    sqlite3_busy_timeout(db->handle, 5000);
    return 0;
}

void phu_db_close(struct phu_db *db)
{
    for (size_t i = 0; i < db->count; i++)
        sqlite3_finalize(db->cached[i].statement);
    sqlite3_close(db->handle);
    *db = (struct phu_db){0};
}

sqlite3_stmt *phu_db_take(struct phu_db *db, const char *sql)
{
    sqlite3_stmt *statement = NULL;

    for (size_t i = 0; i < db->count; i++) {
        if (db->cached[i].sql == sql) {
            sqlite3_reset(db->cached[i].statement);
            return db->cached[i].statement;
        }
    }
    if (db->count == PHU_DB_STATEMENTS ||
        sqlite3_prepare_v3(db->handle, sql, -1, SQLITE_PREPARE_PERSISTENT, &statement, NULL))
        return NULL;
    db->cached[db->count].sql = sql;
    db->cached[db->count++].statement = statement;
    return statement;
}

int phu_db_error(struct phu_db *db)
{
    int err = phu_db_errno(sqlite3_errcode(db->handle));

    return err ? err : -EIO;
}

int phu_db_finish(struct phu_db *db, sqlite3_stmt *statement)
{
    int result;

    if (!statement)
        return phu_db_error(db);
    do
        result = sqlite3_step(statement);
    while (result == SQLITE_ROW);
    sqlite3_reset(statement);
    return phu_db_errno(result);
}

int phu_db_run(struct phu_db *db, const char *sql)
{
    return phu_db_errno(sqlite3_exec(db->handle, sql, NULL, NULL, NULL));
}

int64_t phu_db_number(struct phu_db *db, const char *sql, int64_t fallback)
{
    sqlite3_stmt *statement = phu_db_take(db, sql);

    if (!statement)
        return fallback;
    if (sqlite3_step(statement) == SQLITE_ROW && sqlite3_column_type(statement, 0) != SQLITE_NULL)
        fallback = sqlite3_column_int64(statement, 0);
    sqlite3_reset(statement);
    return fallback;
}

void phu_db_bind_text(sqlite3_stmt *statement, int place, const char *text, size_t length)
{
    sqlite3_bind_text(statement, place, text ? text : "", (int)length, SQLITE_STATIC);
}

const char *phu_db_text(sqlite3_stmt *statement, int column)
{
    const unsigned char *text = sqlite3_column_text(statement, column);

    return text ? (const char *)text : "";
}
