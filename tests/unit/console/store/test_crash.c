/* Killed in the middle, and a disk that is full: what was acknowledged is there, once, and nothing
 * else but the transaction that nobody heard of. */
#include "parts.h"
#include "query.h"
#include "samples.h"

#include <errno.h>
#include <signal.h>
#include <sys/wait.h>

#define SERIES 12
#define ROUNDS 4

/* Transaction n is minute n: of each series one window, with sent=1. */
static int put_minute(struct fixture *fixture, int64_t n)
{
    int64_t at_ns = MIDNIGHT + n * MINUTE;
    int err = phu_store_begin(fixture->store);

    for (int i = 0; i < SERIES && !err; i++) {
        char text[160];

        snprintf(text, sizeof text, "coverage,agent=a,endpoint=e%d sent=1i,rtt_b%d=1i,t=0.5", i,
                 (int)(n % 50));
        err = fixture_put(fixture, at_ns, at_ns + MINUTE, text);
    }
    if (err) {
        phu_store_rollback(fixture->store);
        return err;
    }
    return phu_store_commit(fixture->store);
}

/* Tells its parent of each transaction once it is durable. */
_Noreturn static void write_for_ever(struct fixture *fixture, int64_t from, int pipe)
{
    fixture_open(fixture);
    for (int64_t n = from;; n++) {
        if (put_minute(fixture, n) || write(pipe, &n, sizeof n) != sizeof n)
            _exit(1);
        phu_store_tend(fixture->store, MIDNIGHT + n * MINUTE, 300 * 1000);
    }
}

static bool on_bucket(void *arg, const struct phu_query_bucket *bucket)
{
    double *value = arg;

    *value = *bucket->values;
    return true;
}

/* `sent` of all series and times. */
static int64_t count_stored(struct fixture *fixture)
{
    static const struct phu_query_column columns[] = {{.field = "sent"}};
    struct phu_query_series series = {.measurement = "coverage",
                                      .from_ns = MIDNIGHT,
                                      .to_ns = MIDNIGHT + 30 * DAY,
                                      .columns = columns,
                                      .column_count = 1};
    struct phu_query *query;
    double value = 0;

    if (phu_query_open(fixture->path, &query, fixture->why, sizeof fixture->why))
        fail_msg("%s", fixture->why);
    assert_int_equal(phu_query_series(query, &series, on_bucket, &value), 0);
    phu_query_close(query);
    return (int64_t)value;
}

/* The one that was not heard of comes again with the next round: it counts once. */
static void killed_again_and_again(void **state)
{
    struct fixture *fixture = fixture_new();
    int64_t acknowledged = 0; /* transactions */

    (void)state;
    phu_store_close(fixture->store);
    fixture->store = NULL;
    fixture->conf.max_journal_bytes = 20000; /* packs all the time */
    for (int round = 0; round < ROUNDS; round++) {
        int ends[2];
        int64_t stored, wanted = acknowledged + 13 + round * 11;
        pid_t child;

        assert_int_equal(pipe(ends), 0);
        child = fork();
        assert_true(child >= 0);
        if (!child) {
            close(ends[0]);
            write_for_ever(fixture, acknowledged, ends[1]);
        }
        close(ends[1]);
        for (int64_t n; acknowledged < wanted && read(ends[0], &n, sizeof n) == sizeof n;)
            acknowledged = n + 1;
        stored = count_stored(fixture); /* beside the writer */
        assert_true(stored % SERIES == 0 && stored >= acknowledged * SERIES);
        kill(child, SIGKILL);
        assert_int_equal(waitpid(child, NULL, 0), child);
        for (int64_t n; read(ends[0], &n, sizeof n) == sizeof n;)
            acknowledged = n + 1;
        close(ends[0]);
        assert_true(acknowledged >= wanted);
        stored = count_stored(fixture);
        if (stored != acknowledged * SERIES && stored != (acknowledged + 1) * SERIES)
            fail_msg("%lld transactions acknowledged, %lld windows stored", (long long)acknowledged,
                     (long long)stored);
        if (phu_store_check(fixture->path, NULL, NULL, fixture->why, sizeof fixture->why))
            fail_msg("%s", fixture->why);
    }
    fixture_open(fixture);
    fixture_tend(fixture, MIDNIGHT + 20 * DAY);
    assert_true(count_stored(fixture) / SERIES - acknowledged <= 1);
    fixture_free(fixture);
}

static void limit_pages(struct fixture *fixture, int64_t pages)
{
    char sql[64];

    snprintf(sql, sizeof sql, "PRAGMA max_page_count=%lld", (long long)pages);
    assert_int_equal(phu_db_run(&fixture->store->db, sql), 0);
}

static void a_full_disk_takes_nothing_half(void **state)
{
    struct fixture *fixture = fixture_new();
    struct phu_store_figures figures;
    int64_t n = 0, full_at = 0;
    int err = 0;

    (void)state;
    fixture->store->conf.max_journal_bytes = 20000;
    limit_pages(fixture, 40);
    for (; n < 20000 && !err; n += !err) {
        err = put_minute(fixture, n);
        phu_store_tend(fixture->store, MIDNIGHT + n * MINUTE, 1000 * 1000);
    }
    assert_int_equal(err, -ENOSPC);
    full_at = n;
    assert_int_equal(put_minute(fixture, n), -ENOSPC);
    assert_int_equal(count_stored(fixture), full_at * SERIES);
    if (phu_store_check(fixture->path, NULL, NULL, fixture->why, sizeof fixture->why))
        fail_msg("%s", fixture->why);
    limit_pages(fixture, 100000);
    for (; n < full_at + 30; n++) {
        assert_int_equal(put_minute(fixture, n), 0);
        while (phu_store_tend(fixture->store, MIDNIGHT + n * MINUTE, 1000 * 1000))
            continue;
    }
    phu_store_figures(fixture->store, &figures);
    assert_int_equal(figures.last_error, 0);
    assert_int_equal(count_stored(fixture), n * SERIES);
    fixture->store->conf.min_free_bytes = INT64_MAX / 2;
    assert_int_equal(phu_store_begin(fixture->store), -ENOSPC);
    fixture_free(fixture);
}

/* A writer that never tends. */
static void the_journal_stays_bounded(void **state)
{
    struct fixture *fixture = fixture_new();
    struct phu_store_figures figures;

    (void)state;
    fixture->store->conf.max_journal_bytes = 5000;
    for (int64_t n = 0; n < 100; n++) {
        assert_int_equal(put_minute(fixture, n), 0);
        phu_store_figures(fixture->store, &figures);
        assert_true(figures.journal_bytes < 8 * 5000);
    }
    assert_int_equal(count_stored(fixture), 100 * SERIES);
    fixture_free(fixture);
}

/* Series and fields of a transaction that was undone are not remembered. */
static void names_are_undone_too(void **state)
{
    struct fixture *fixture = fixture_new();
    struct phu_store_figures before, after;

    (void)state;
    assert_int_equal(put_minute(fixture, 0), 0);
    phu_store_figures(fixture->store, &before);
    assert_int_equal(phu_store_begin(fixture->store), 0);
    assert_int_equal(
        fixture_put(fixture, MIDNIGHT, MIDNIGHT, "coverage,agent=b,endpoint=new fresh=1i"), 0);
    phu_store_rollback(fixture->store);
    phu_store_figures(fixture->store, &after);
    assert_true(after.series == before.series && after.fields == before.fields);
    assert_int_equal(phu_store_begin(fixture->store), 0); /* with another type */
    assert_int_equal(
        fixture_put(fixture, MIDNIGHT, MIDNIGHT, "coverage,agent=b,endpoint=new fresh=1"), 0);
    assert_int_equal(phu_store_commit(fixture->store), 0);
    fixture_free(fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(killed_again_and_again),
        cmocka_unit_test(a_full_disk_takes_nothing_half),
        cmocka_unit_test(the_journal_stays_bounded),
        cmocka_unit_test(names_are_undone_too),
    };

    return cmocka_run_group_tests_name("crash", tests, NULL, NULL);
}
