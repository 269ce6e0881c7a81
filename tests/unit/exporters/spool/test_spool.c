#include "fixture.h"

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(delivers_what_became_durable, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(goes_on_where_it_was_after_a_restart, fixture_setup,
                                        fixture_teardown),
    };

    return cmocka_run_group_tests_name("spool", tests, NULL, NULL);
}
