/* A connection to SQLite with its prepared statements: the statement stands where it is used, and
 * is prepared once. */
#pragma once

#include <sqlite3.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PHU_DB_STATEMENTS 96

struct phu_db {
    sqlite3 *handle;
    struct {
        const char *sql; /* by address: a literal */
        sqlite3_stmt *statement;
    } cached[PHU_DB_STATEMENTS];
    size_t count;
};

/* Negative errno for what SQLite answered; 0 for OK, ROW and DONE. */
int phu_db_errno(int result);
int phu_db_open(struct phu_db *db, const char *path, bool is_writer);
void phu_db_close(struct phu_db *db);
/* Ready to be bound; NULL when it cannot be prepared (no memory, a damaged file). `sql` is a
 * literal. */
sqlite3_stmt *phu_db_take(struct phu_db *db, const char *sql);
/* Runs to the end and resets; NULL: -EIO or what the connection said. */
int phu_db_finish(struct phu_db *db, sqlite3_stmt *statement);
/* Several statements, without results. */
int phu_db_run(struct phu_db *db, const char *sql);
/* The first column of the first row, or `fallback`. */
int64_t phu_db_number(struct phu_db *db, const char *sql, int64_t fallback);
/* What went wrong last. */
int phu_db_error(struct phu_db *db);
void phu_db_bind_text(sqlite3_stmt *statement, int place, const char *text, size_t length);
/* Never NULL. */
const char *phu_db_text(sqlite3_stmt *statement, int column);
