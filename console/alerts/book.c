#include "book.h"

#include "mem.h"
#include "phusong/log.h"
#include "phusong/sched.h"

#include <errno.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MODULE "alerts"
#define SCHEMA_VERSION 1

static const char schema[] =
    "CREATE TABLE alert (fingerprint INTEGER NOT NULL, fired_ns INTEGER NOT NULL,"
    " active_ns INTEGER NOT NULL, resolved_ns INTEGER NOT NULL, generation INTEGER NOT NULL,"
    " labels TEXT NOT NULL, annotations TEXT NOT NULL, value REAL, silenced_by TEXT NOT NULL,"
    " PRIMARY KEY (fired_ns, fingerprint)) STRICT, WITHOUT ROWID;"
    "CREATE INDEX alert_by_end ON alert (resolved_ns);"
    "CREATE TABLE told (fired_ns INTEGER NOT NULL, fingerprint INTEGER NOT NULL,"
    " outlet TEXT NOT NULL, generation INTEGER NOT NULL,"
    " PRIMARY KEY (fired_ns, fingerprint, outlet)) STRICT, WITHOUT ROWID;"
    "CREATE TABLE letter (number INTEGER PRIMARY KEY, outlet TEXT NOT NULL, body TEXT NOT NULL)"
    " STRICT;"
    "PRAGMA user_version = 1;";

enum statement {
    PUT_ALERT,
    PUT_TOLD,
    PUT_LETTER,
    CUT_LETTER,
    PRUNE_TOLD,
    PRUNE_ALERTS,
    STATEMENTS,
};

static const char *const texts[STATEMENTS] = {
    [PUT_ALERT] = "INSERT OR REPLACE INTO alert (fingerprint, fired_ns, active_ns, resolved_ns,"
                  " generation, labels, annotations, value, silenced_by)"
                  " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
    [PUT_TOLD] = "INSERT OR REPLACE INTO told (fingerprint, fired_ns, generation, outlet)"
                 " VALUES (?1, ?2, ?5, ?6)",
    [PUT_LETTER] = "INSERT OR REPLACE INTO letter (number, outlet, body) VALUES (?1, ?6, ?7)",
    [CUT_LETTER] = "DELETE FROM letter WHERE number = ?1",
    [PRUNE_TOLD] = "DELETE FROM told WHERE EXISTS (SELECT 1 FROM alert"
                   " WHERE alert.fired_ns = told.fired_ns"
                   " AND alert.fingerprint = told.fingerprint"
                   " AND resolved_ns > 0 AND resolved_ns < ?1)",
    [PRUNE_ALERTS] = "DELETE FROM alert WHERE resolved_ns > 0 AND resolved_ns < ?1",
};

/* One change: numbers ?1 to ?5, texts ?6, ?7 and ?9, and ?8. Which are used, the statement knows.
 */
struct change {
    struct change *next;
    enum statement statement;
    int64_t numbers[5];
    char *texts[3];
    double value;
};

struct changes {
    struct change *first, **end;
};

struct phu_book {
    struct phu_sched *sched;
    sqlite3 *db;
    sqlite3_stmt *statements[STATEMENTS];
    pthread_mutex_t lock;   /* over db and `writing` */
    struct changes writing; /* of the job */
    struct changes waiting; /* loop only */
    bool is_busy;           /* a job is under way, or planned */
    bool is_closed;         /* the job's end frees the book */
    _Atomic int64_t failures;
};

/* -- Changes ---------------------------------------------------------------------------------- */

static void changes_init(struct changes *changes)
{
    changes->first = NULL;
    changes->end = &changes->first;
}

/* Moves all of `from` behind `to`. */
static void changes_move(struct changes *to, struct changes *from)
{
    if (!from->first)
        return;
    *to->end = from->first;
    to->end = from->end;
    changes_init(from);
}

static void changes_free(struct changes *changes)
{
    struct change *next;

    for (struct change *change = changes->first; change; change = next) {
        next = change->next;
        for (size_t i = 0; i < 3; i++)
            free(change->texts[i]);
        free(change);
    }
    changes_init(changes);
}

static int bind(sqlite3_stmt *statement, const struct change *change)
{
    static const int text_places[] = {6, 7, 9};
    int most = sqlite3_bind_parameter_count(statement);

    for (int i = 0; i < 5 && i < most; i++)
        sqlite3_bind_int64(statement, i + 1, change->numbers[i]);
    for (int i = 0; i < 3 && text_places[i] <= most; i++)
        sqlite3_bind_text(statement, text_places[i], change->texts[i], -1, SQLITE_STATIC);
    if (most >= 8)
        sqlite3_bind_double(statement, 8, change->value);
    return sqlite3_step(statement);
}

static int apply(struct phu_book *book, const struct change *change)
{
    sqlite3_stmt *statement = book->statements[change->statement];
    int result = bind(statement, change);

    sqlite3_reset(statement);
    sqlite3_clear_bindings(statement);
    return result == SQLITE_DONE ? SQLITE_OK : result;
}

/* All or nothing; what could not be written stays in `writing`. The lock is held. */
static void write_all(struct phu_book *book)
{
    int result = sqlite3_exec(book->db, "BEGIN IMMEDIATE", NULL, NULL, NULL);

    for (struct change *change = book->writing.first; change && result == SQLITE_OK;
         change = change->next)
        result = apply(book, change);
    if (result == SQLITE_OK)
        result = sqlite3_exec(book->db, "COMMIT", NULL, NULL, NULL);
    if (result == SQLITE_OK) {
        changes_free(&book->writing);
        return;
    }
    book->failures++;
    phu_log_error(MODULE, "cannot write to the book of alerts; it is tried again", "error=\"%s\"",
                  sqlite3_errmsg(book->db));
    sqlite3_exec(book->db, "ROLLBACK", NULL, NULL, NULL);
}

/* -- The job ---------------------------------------------------------------------------------- */

static void run_job(void *arg)
{
    struct phu_book *book = arg;

    pthread_mutex_lock(&book->lock);
    if (book->writing.first)
        write_all(book);
    pthread_mutex_unlock(&book->lock);
}

static void free_book(struct phu_book *book)
{
    pthread_mutex_destroy(&book->lock);
    free(book);
}

static void start_job(struct phu_book *book);

static void job_done(void *arg, bool is_canceled)
{
    struct phu_book *book = arg;

    (void)is_canceled;
    book->is_busy = false;
    if (book->is_closed)
        free_book(book);
    else if (book->waiting.first)
        start_job(book);
}

static void start_job(struct phu_book *book)
{
    changes_move(&book->writing, &book->waiting);
    book->is_busy = phu_work_start(book->sched, run_job, job_done, book) == 0;
}

static struct change *add(struct phu_book *book, enum statement statement)
{
    struct change *change = phu_mem_alloc(1, sizeof *change);

    change->statement = statement;
    *book->waiting.end = change;
    book->waiting.end = &change->next;
    return change;
}

static void hurry(struct phu_book *book)
{
    if (!book->is_busy)
        start_job(book);
}

void phu_book_write_alert(struct phu_book *book, const struct phu_entry *entry)
{
    struct change *change = add(book, PUT_ALERT);

    change->numbers[0] = (int64_t)entry->fingerprint;
    change->numbers[1] = entry->fired_ns;
    change->numbers[2] = entry->active_ns;
    change->numbers[3] = entry->resolved_ns;
    change->numbers[4] = entry->generation;
    change->texts[0] = json_dumps(entry->labels, JSON_COMPACT | JSON_SORT_KEYS);
    change->texts[1] = json_dumps(entry->annotations, JSON_COMPACT | JSON_SORT_KEYS);
    change->texts[2] = phu_mem_strdup(entry->silenced_by);
    change->value = entry->value;
    hurry(book);
}

void phu_book_write_told(struct phu_book *book, const struct phu_entry *entry, const char *outlet,
                         int64_t generation)
{
    struct change *change = add(book, PUT_TOLD);

    change->numbers[0] = (int64_t)entry->fingerprint;
    change->numbers[1] = entry->fired_ns;
    change->numbers[4] = generation;
    change->texts[0] = phu_mem_strdup(outlet);
    hurry(book);
}

void phu_book_write_letter(struct phu_book *book, int64_t number, const char *outlet,
                           const char *body)
{
    struct change *change = add(book, PUT_LETTER);

    change->numbers[0] = number;
    change->texts[0] = phu_mem_strdup(outlet);
    change->texts[1] = phu_mem_strdup(body);
    hurry(book);
}

void phu_book_remove_letter(struct phu_book *book, int64_t number)
{
    add(book, CUT_LETTER)->numbers[0] = number;
    hurry(book);
}

void phu_book_prune(struct phu_book *book, int64_t before_ns)
{
    add(book, PRUNE_TOLD)->numbers[0] = before_ns;
    add(book, PRUNE_ALERTS)->numbers[0] = before_ns;
    hurry(book);
}

int64_t phu_book_failures(const struct phu_book *book)
{
    return book->failures;
}

/* -- Opening ---------------------------------------------------------------------------------- */

static int user_version(sqlite3 *db)
{
    sqlite3_stmt *statement;
    int version = -1;

    if (sqlite3_prepare_v2(db, "PRAGMA user_version", -1, &statement, NULL) == SQLITE_OK &&
        sqlite3_step(statement) == SQLITE_ROW)
        version = sqlite3_column_int(statement, 0);
    sqlite3_finalize(statement);
    return version;
}

static int refuse(sqlite3 *db, const char *path, char *why, size_t why_size)
{
    snprintf(why, why_size, "cannot use %s: %s", path, sqlite3_errmsg(db));
    return -EIO;
}

static int prepare(struct phu_book *book, const char *path, char *why, size_t why_size)
{
    int version;

    if (sqlite3_exec(book->db,
                     "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
                     "PRAGMA busy_timeout = 2000;",
                     NULL, NULL, NULL) != SQLITE_OK)
        return refuse(book->db, path, why, why_size);
    version = user_version(book->db);
    if (version > SCHEMA_VERSION) {
        snprintf(why, why_size,
                 "%s was written by a newer phusong (schema %d, this one knows %d): update "
                 "phusong, or move the file away",
                 path, version, SCHEMA_VERSION);
        return -EPROTONOSUPPORT;
    }
    if (version == 0 && sqlite3_exec(book->db, schema, NULL, NULL, NULL) != SQLITE_OK)
        return refuse(book->db, path, why, why_size);
    for (size_t i = 0; i < STATEMENTS; i++) {
        if (sqlite3_prepare_v3(book->db, texts[i], -1, SQLITE_PREPARE_PERSISTENT,
                               &book->statements[i], NULL) != SQLITE_OK)
            return refuse(book->db, path, why, why_size);
    }
    return 0;
}

int phu_book_open(struct phu_sched *sched, const char *path, struct phu_book **out, char *why,
                  size_t why_size)
{
    struct phu_book *book = phu_mem_alloc(1, sizeof *book);
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
    int error;

    book->sched = sched;
    changes_init(&book->writing);
    changes_init(&book->waiting);
    pthread_mutex_init(&book->lock, NULL);
    if (sqlite3_open_v2(path, &book->db, flags, NULL) != SQLITE_OK)
        error = refuse(book->db, path, why, why_size);
    else
        error = prepare(book, path, why, why_size);
    if (error < 0) {
        phu_book_close(book);
        return error;
    }
    *out = book;
    return 0;
}

void phu_book_close(struct phu_book *book)
{
    if (!book)
        return;
    pthread_mutex_lock(&book->lock);
    changes_move(&book->writing, &book->waiting);
    if (book->writing.first)
        write_all(book);
    changes_free(&book->writing);
    for (size_t i = 0; i < STATEMENTS; i++)
        sqlite3_finalize(book->statements[i]);
    sqlite3_close(book->db);
    book->is_closed = true;
    pthread_mutex_unlock(&book->lock);
    if (!book->is_busy)
        free_book(book);
}

/* -- Reading ---------------------------------------------------------------------------------- */

struct phu_book_reader {
    sqlite3 *db;
    sqlite3_stmt *told;
};

int phu_book_reader_open(const char *path, struct phu_book_reader **out, char *why, size_t why_size)
{
    struct phu_book_reader *reader = phu_mem_alloc(1, sizeof *reader);
    int flags = SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX;

    if (sqlite3_open_v2(path, &reader->db, flags, NULL) != SQLITE_OK ||
        sqlite3_busy_timeout(reader->db, 2000) != SQLITE_OK ||
        sqlite3_prepare_v2(reader->db,
                           "SELECT generation FROM told WHERE fired_ns = ?1 AND fingerprint = ?2"
                           " AND outlet = ?3",
                           -1, &reader->told, NULL) != SQLITE_OK) {
        refuse(reader->db, path, why, why_size);
        phu_book_reader_close(reader);
        return -EIO;
    }
    *out = reader;
    return 0;
}

void phu_book_reader_close(struct phu_book_reader *reader)
{
    if (!reader)
        return;
    sqlite3_finalize(reader->told);
    sqlite3_close(reader->db);
    free(reader);
}

static json_t *object_at(sqlite3_stmt *row, int column)
{
    const char *text = (const char *)sqlite3_column_text(row, column);
    json_t *object = text ? json_loads(text, JSON_REJECT_DUPLICATES, NULL) : NULL;

    if (!json_is_object(object)) {
        json_decref(object);
        object = json_object();
    }
    return object;
}

static void visit_row(sqlite3_stmt *row, void (*visit)(void *arg, const struct phu_entry *entry),
                      void *arg)
{
    const char *silenced_by = (const char *)sqlite3_column_text(row, 8);
    struct phu_entry entry = {.fingerprint = (uint64_t)sqlite3_column_int64(row, 0),
                              .fired_ns = sqlite3_column_int64(row, 1),
                              .active_ns = sqlite3_column_int64(row, 2),
                              .resolved_ns = sqlite3_column_int64(row, 3),
                              .generation = sqlite3_column_int64(row, 4),
                              .labels = object_at(row, 5),
                              .annotations = object_at(row, 6),
                              .value = sqlite3_column_double(row, 7)};

    snprintf(entry.silenced_by, sizeof entry.silenced_by, "%s", silenced_by ? silenced_by : "");
    visit(arg, &entry);
    json_decref(entry.labels);
    json_decref(entry.annotations);
}

int phu_book_read_alerts(struct phu_book_reader *reader, const struct phu_book_filter *filter,
                         void (*visit)(void *arg, const struct phu_entry *entry), void *arg)
{
    sqlite3_stmt *rows;
    int result;

    if (sqlite3_prepare_v2(
            reader->db,
            "SELECT fingerprint, fired_ns, active_ns, resolved_ns, generation, labels,"
            " annotations, value, silenced_by FROM alert"
            " WHERE (resolved_ns = 0 OR (?1 = 0 AND resolved_ns >= ?2))"
            " ORDER BY fired_ns, fingerprint",
            -1, &rows, NULL) != SQLITE_OK)
        return -EIO;
    sqlite3_bind_int(rows, 1, filter->is_standing_only);
    sqlite3_bind_int64(rows, 2, filter->from_ns);
    while ((result = sqlite3_step(rows)) == SQLITE_ROW)
        visit_row(rows, visit, arg);
    sqlite3_finalize(rows);
    return result == SQLITE_DONE ? 0 : -EIO;
}

int64_t phu_book_read_told(struct phu_book_reader *reader, const struct phu_entry *entry,
                           const char *outlet)
{
    int64_t generation = 0;

    sqlite3_bind_int64(reader->told, 1, entry->fired_ns);
    sqlite3_bind_int64(reader->told, 2, (int64_t)entry->fingerprint);
    sqlite3_bind_text(reader->told, 3, outlet, -1, SQLITE_STATIC);
    if (sqlite3_step(reader->told) == SQLITE_ROW)
        generation = sqlite3_column_int64(reader->told, 0);
    sqlite3_reset(reader->told);
    return generation;
}

int phu_book_read_letters(struct phu_book_reader *reader,
                          void (*visit)(void *arg, int64_t number, const char *outlet,
                                        const char *body),
                          void *arg)
{
    sqlite3_stmt *rows;
    int result;

    if (sqlite3_prepare_v2(reader->db, "SELECT number, outlet, body FROM letter ORDER BY number",
                           -1, &rows, NULL) != SQLITE_OK)
        return -EIO;
    while ((result = sqlite3_step(rows)) == SQLITE_ROW)
        visit(arg, sqlite3_column_int64(rows, 0), (const char *)sqlite3_column_text(rows, 1),
              (const char *)sqlite3_column_text(rows, 2));
    sqlite3_finalize(rows);
    return result == SQLITE_DONE ? 0 : -EIO;
}
