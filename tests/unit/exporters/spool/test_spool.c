#include "fixture.h"

#include "phusong/point.h"

#include <errno.h>

static void delivers_what_became_durable(void **state)
{
    struct fixture *fixture = *state;
    struct phu_span span;
    unsigned char seen[100] = {0};

    fixture_open(fixture, "central");
    put_lines(fixture, 100, 300);
    assert_int_equal(phu_spool_reader_next(fixture->reader, PHU_SPOOL_LIVE, 10, 10000, &span),
                     -EAGAIN);
    assert_int_equal(phu_spool_durable_count(fixture->spool), 0);
    settle_for(fixture, 2 * PHU_NS_PER_S);
    assert_int_equal(phu_spool_durable_count(fixture->spool), 100);
    assert_int_equal(fixture->ready_count, 1);
    assert_int_equal(drain(fixture, PHU_SPOOL_LIVE, seen, 100), 100);
    for (size_t i = 0; i < 100; i++)
        assert_int_equal(seen[i], 1);
}

static void goes_on_where_it_was_after_a_restart(void **state)
{
    struct fixture *fixture = *state;
    struct phu_span span;

    fixture_open(fixture, "central");
    put_lines(fixture, 100, 300);
    settle_for(fixture, 2 * PHU_NS_PER_S);
    assert_int_equal(phu_spool_reader_next(fixture->reader, PHU_SPOOL_LIVE, 40, 1000000, &span), 0);
    assert_int_equal(span.line_count, 40);
    phu_spool_reader_ack(fixture->reader, &span);
    put_lines(fixture, 10, 300); /* not durable when the end comes: close syncs */
    fixture_reopen(fixture, "central");
    assert_int_equal(phu_spool_reader_next(fixture->reader, PHU_SPOOL_LIVE, 1000, 1000000, &span),
                     0);
    assert_int_equal(span.line_count, 70);
    assert_int_equal(number_of(span.body), 40);
    phu_spool_reader_ack(fixture->reader, &span);
    fixture_reopen(fixture, "central");
    assert_int_equal(phu_spool_reader_next(fixture->reader, PHU_SPOOL_LIVE, 1000, 1000000, &span),
                     -EAGAIN);
    assert_int_equal(count_files(fixture->dir, ".seg"), 0);
}

static void gives_spans_back_and_takes_acks_in_any_order(void **state)
{
    struct fixture *fixture = *state;
    struct phu_span spans[3];

    fixture_open(fixture, "central");
    put_lines(fixture, 30, 300);
    settle_for(fixture, 2 * PHU_NS_PER_S);
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(
            phu_spool_reader_next(fixture->reader, PHU_SPOOL_LIVE, 10, 100000, &spans[i]), 0);
    phu_spool_reader_ack(fixture->reader, &spans[2]);
    phu_spool_reader_return(fixture->reader, &spans[0]);
    assert_int_equal(phu_spool_reader_next(fixture->reader, PHU_SPOOL_LIVE, 4, 100000, &spans[0]),
                     0);
    assert_int_equal(number_of(spans[0].body), 0);
    assert_int_equal(spans[0].line_count, 4);
    phu_spool_reader_ack(fixture->reader, &spans[0]);
    /* Lines 4 to 9 wait, 10 to 19 are in flight: both must be there after a restart. */
    fixture_reopen(fixture, "central");
    assert_int_equal(phu_spool_reader_next(fixture->reader, PHU_SPOOL_LIVE, 100, 100000, &spans[0]),
                     0);
    assert_int_equal(number_of(spans[0].body), 4);
    assert_true(spans[0].line_count >= 16);
    phu_spool_reader_ack(fixture->reader, &spans[0]);
    free(spans[1].body); /* its reader is gone */
}

static void keeps_to_the_limits_of_a_batch(void **state)
{
    struct fixture *fixture = *state;
    struct phu_span span;

    fixture_open(fixture, "central");
    put_lines(fixture, 20, 1000);
    settle_for(fixture, 2 * PHU_NS_PER_S);
    assert_int_equal(phu_spool_reader_next(fixture->reader, PHU_SPOOL_LIVE, 100, 3500, &span), 0);
    assert_int_equal(span.line_count, 3);
    assert_int_equal(span.length, 3000);
    assert_int_equal(span.oldest.ns, phu_sim_wall("2026-11-23T08:00:00Z").ns);
    phu_spool_reader_return(fixture->reader, &span);
    assert_int_equal(phu_spool_reader_next(fixture->reader, PHU_SPOOL_LIVE, 100, 10, &span), 0);
    assert_int_equal(span.line_count, 1);
    phu_spool_reader_return(fixture->reader, &span);
}

static void skips_to_live_data_and_fills_up_behind(void **state)
{
    struct fixture *fixture = *state;
    struct phu_spool_lag lag;
    unsigned char seen[600] = {0};

    fixture_open(fixture, "central");
    put_lines(fixture, 500, 300); /* several segments */
    settle_for(fixture, 2 * PHU_NS_PER_S);
    assert_int_equal(phu_spool_reader_skip_to_live(fixture->reader), 0);
    phu_spool_reader_lag(fixture->reader, &lag);
    assert_int_equal(lag.live_lines_bytes, 0);
    assert_int_equal(lag.backfill_bytes, 500 * 328);
    put_lines(fixture, 100, 300);
    settle_for(fixture, 2 * PHU_NS_PER_S);
    assert_int_equal(drain(fixture, PHU_SPOOL_LIVE, seen, 600), 100);
    for (size_t i = 0; i < 600; i++)
        assert_int_equal(seen[i], i >= 500);
    fixture_reopen(fixture, "central"); /* ranges are durable */
    assert_int_equal(drain(fixture, PHU_SPOOL_LIVE, seen, 600), 0);
    assert_int_equal(drain(fixture, PHU_SPOOL_BACKFILL, seen, 600), 500);
    for (size_t i = 0; i < 600; i++)
        assert_int_equal(seen[i], 1);
    phu_spool_reader_lag(fixture->reader, &lag);
    assert_int_equal(lag.backfill_bytes + lag.live_lines_bytes, 0);
    assert_int_equal(lag.oldest.ns, 0);
}

static void tells_how_far_behind_a_reader_is(void **state)
{
    struct fixture *fixture = *state;
    struct phu_spool_lag lag;
    struct phu_span span;

    fixture_open(fixture, "central");
    put_lines(fixture, 10, 300);
    settle_for(fixture, 10 * PHU_NS_PER_S);
    put_lines(fixture, 10, 300);
    settle_for(fixture, 10 * PHU_NS_PER_S);
    phu_spool_reader_lag(fixture->reader, &lag);
    assert_int_equal(lag.live_lines_bytes, 20 * 328);
    assert_int_equal(lag.oldest.ns, phu_sim_wall("2026-11-23T08:00:00Z").ns);
    assert_int_equal((int)stat_of(fixture, "phusong_spool_oldest_age_seconds", NULL), 20);
    assert_int_equal(phu_spool_reader_next(fixture->reader, PHU_SPOOL_LIVE, 15, 100000, &span), 0);
    phu_spool_reader_ack(fixture->reader, &span);
    phu_spool_reader_lag(fixture->reader, &lag);
    assert_int_equal(lag.live_lines_bytes, 5 * 328);
    assert_int_equal(lag.oldest.ns, phu_sim_wall("2026-11-23T08:00:10Z").ns);
}

static void segments_go_when_all_readers_have_passed(void **state)
{
    struct fixture *fixture = *state;
    struct phu_spool_reader *other;
    struct phu_span span;
    static const char *const names[] = {"central"};

    fixture_open(fixture, "central");
    assert_int_equal(phu_spool_reader_open(fixture->spool, "archive", NULL, NULL, &other), 0);
    assert_int_equal(phu_spool_reader_open(fixture->spool, "archive", NULL, NULL, &other), -EEXIST);
    put_lines(fixture, 1000, 300);
    settle_for(fixture, 2 * PHU_NS_PER_S);
    assert_int_equal(drain(fixture, PHU_SPOOL_LIVE, NULL, 0), 1000);
    settle_for(fixture, 3 * PHU_NS_PER_S);
    assert_int_equal(count_files(fixture->dir, ".seg"), 6);
    assert_int_equal(phu_spool_reader_next(other, PHU_SPOOL_LIVE, 900, 1000000, &span), 0);
    phu_spool_reader_ack(other, &span);
    settle_for(fixture, 3 * PHU_NS_PER_S);
    assert_int_equal(count_files(fixture->dir, ".seg"), 2); /* four hold what both have had */
    phu_spool_reader_close(other);
    phu_spool_forget_others(fixture->spool, names, 1);
    settle_for(fixture, 3 * PHU_NS_PER_S);
    assert_int_equal(count_files(fixture->dir, ".seg"), 1); /* the open one */
    assert_int_equal(stat_of(fixture, "phusong_spool_dropped_total", "reason=\"full\""), 0);
}

static void a_reader_that_is_not_open_is_waited_for(void **state)
{
    struct fixture *fixture = *state;
    unsigned char seen[500] = {0};

    fixture_open(fixture, "archive");
    fixture_reopen(fixture, "central");
    put_lines(fixture, 500, 300);
    settle_for(fixture, 2 * PHU_NS_PER_S);
    assert_int_equal(drain(fixture, PHU_SPOOL_LIVE, NULL, 0), 500);
    fixture_reopen(fixture, "archive");
    assert_int_equal(drain(fixture, PHU_SPOOL_LIVE, seen, 500), 500);
}

static void drops_the_oldest_when_full_and_says_how_many(void **state)
{
    struct fixture *fixture = *state;
    unsigned char seen[4000] = {0};
    struct phu_span span;
    size_t missing = 0, came;

    fixture->conf.max_bytes = 512 * 1024;
    fixture_open(fixture, "central");
    put_lines(fixture, 100, 300);
    settle_for(fixture, 2 * PHU_NS_PER_S);
    assert_int_equal(phu_spool_reader_next(fixture->reader, PHU_SPOOL_LIVE, 50, 100000, &span), 0);
    phu_spool_reader_ack(fixture->reader, &span);
    for (size_t i = 0; i < 39; i++) {
        put_lines(fixture, 100, 300);
        settle_for(fixture, 2 * PHU_NS_PER_S);
        assert_true(stat_of(fixture, "phusong_spool_bytes", NULL) <= 512 * 1024);
    }
    came = drain(fixture, PHU_SPOOL_LIVE, seen, 4000);
    for (size_t i = 50; i < 4000; i++)
        missing += !seen[i];
    assert_true(came >= 1400);
    assert_int_equal(came + missing + 50, 4000);
    assert_int_equal(stat_of(fixture, "phusong_spool_dropped_total", "reason=\"full\""), missing);
    assert_int_equal(seen[3999], 1);
}

static void drops_what_is_too_old(void **state)
{
    struct fixture *fixture = *state;
    size_t came;

    fixture->conf.max_age_ns = 3600 * PHU_NS_PER_S;
    fixture_open(fixture, "central");
    put_lines(fixture, 1000, 300);
    settle_for(fixture, 3500 * PHU_NS_PER_S);
    assert_int_equal(stat_of(fixture, "phusong_spool_dropped_total", "reason=\"age\""), 0);
    put_lines(fixture, 10, 300);
    settle_for(fixture, 200 * PHU_NS_PER_S);
    put_lines(fixture, 10, 300);
    settle_for(fixture, 2 * PHU_NS_PER_S);
    came = drain(fixture, PHU_SPOOL_LIVE, NULL, 0);
    assert_int_equal(
        came + (size_t)stat_of(fixture, "phusong_spool_dropped_total", "reason=\"age\""), 1020);
    assert_true(came < 300); /* whole segments: the one with the newer points stays */
}

static void refuses_what_is_no_line(void **state)
{
    struct fixture *fixture = *state;
    static char line[PHU_LINE_MAX + 2];
    struct phu_wall now = phu_sched_wall(fixture->sched);
    struct phu_span span;

    fixture_open(fixture, "central");
    memset(line, 'x', sizeof line);
    line[PHU_LINE_MAX] = '\n';
    assert_int_equal(phu_spool_put(fixture->spool, line, 0, now), -EINVAL);
    assert_int_equal(phu_spool_put(fixture->spool, line, 10, now), -EINVAL);
    assert_int_equal(phu_spool_put(fixture->spool, line, PHU_LINE_MAX + 1, now), -EMSGSIZE);
    assert_int_equal(stat_of(fixture, "phusong_spool_dropped_total", "reason=\"oversize\""), 1);
    line[PHU_LINE_MAX - 1] = '\n';
    for (size_t i = 0; i < 10; i++) /* the longest one, which is as long as a segment */
        assert_int_equal(phu_spool_put(fixture->spool, line, PHU_LINE_MAX, now), 0);
    settle_for(fixture, 2 * PHU_NS_PER_S);
    for (size_t i = 0; i < 10; i++) {
        assert_int_equal(phu_spool_reader_next(fixture->reader, PHU_SPOOL_LIVE, 10, 10, &span), 0);
        assert_int_equal(span.length, PHU_LINE_MAX);
        assert_memory_equal(span.body, line, PHU_LINE_MAX);
        phu_spool_reader_ack(fixture->reader, &span);
    }
}

static void a_second_process_is_told_so(void **state)
{
    struct fixture *fixture = *state;
    struct phu_spool *second;

    fixture_open(fixture, NULL);
    assert_int_equal(phu_spool_open(fixture->sched, &fixture->conf, NULL, &second), -EBUSY);
}

static void commits_by_size_and_at_once_when_asked(void **state)
{
    struct fixture *fixture = *state;

    fixture->conf.sync_interval_ns = 60 * PHU_NS_PER_S;
    fixture_open(fixture, "central");
    put_lines(fixture, 1, 300);
    phu_spool_sync(fixture->spool);
    settle_for(fixture, PHU_NS_PER_MS);
    assert_int_equal(phu_spool_durable_count(fixture->spool), 1);
    put_lines(fixture, 1000, 300); /* more than sync_bytes */
    settle_for(fixture, PHU_NS_PER_MS);
    assert_true(phu_spool_durable_count(fixture->spool) > 700);
    settle_for(fixture, 61 * PHU_NS_PER_S);
    assert_int_equal(phu_spool_durable_count(fixture->spool), 1001);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        in_fixture(delivers_what_became_durable),
        in_fixture(goes_on_where_it_was_after_a_restart),
        in_fixture(gives_spans_back_and_takes_acks_in_any_order),
        in_fixture(keeps_to_the_limits_of_a_batch),
        in_fixture(skips_to_live_data_and_fills_up_behind),
        in_fixture(tells_how_far_behind_a_reader_is),
        in_fixture(segments_go_when_all_readers_have_passed),
        in_fixture(a_reader_that_is_not_open_is_waited_for),
        in_fixture(drops_the_oldest_when_full_and_says_how_many),
        in_fixture(drops_what_is_too_old),
        in_fixture(refuses_what_is_no_line),
        in_fixture(a_second_process_is_told_so),
        in_fixture(commits_by_size_and_at_once_when_asked),
    };

    return cmocka_run_group_tests_name("spool", tests, NULL, NULL);
}
