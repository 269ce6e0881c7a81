/* The walk over columns, against a simulated agent that can be made to misbehave. */
#include "walk.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

enum { A, B, C, TIME };

static const struct phu_oid prefixes[] = {
    [A] = {4, {1, 3, 10, 1}},
    [B] = {4, {1, 3, 10, 2}},
    [C] = {4, {1, 3, 10, 3}},
    [TIME] = {3, {1, 3, 5}},
};

struct seen {
    unsigned count[4];
    uint32_t last[4];
    unsigned out_of_order;
};

static void cell(void *arg, unsigned column, uint32_t row, const struct phu_varbind *varbind)
{
    struct seen *seen = arg;

    (void)varbind;
    if (column != TIME && seen->count[column] && row <= seen->last[column])
        seen->out_of_order++;
    seen->count[column]++;
    seen->last[column] = row;
}

#define CELLS_MAX 4096
static unsigned long oids[CELLS_MAX][PHU_OID_MAX];
static struct phu_varbind answer[CELLS_MAX];
static size_t answer_count;

static void reply(const struct phu_oid *prefix, int64_t row, enum phu_varbind_kind kind)
{
    unsigned long *oid = oids[answer_count];
    size_t length = prefix->length;

    for (size_t i = 0; i < length; i++)
        oid[i] = prefix->part[i];
    if (row >= 0)
        oid[length++] = (unsigned long)row;
    answer[answer_count++] =
        (struct phu_varbind){.oid = oid, .oid_length = length, .kind = kind, .number = 1};
}

/* What an honest agent does: rows 1..rows of each column; column C has only the even ones. */
static void reply_next(const struct phu_walk_name *name, uint32_t rows)
{
    int64_t row = name->row + 1 > 1 ? name->row + 1 : 1;

    if (name->prefix == &prefixes[TIME]) {
        reply(name->prefix, 0, PHU_VARBIND_TICKS);
        return;
    }
    if (name->prefix == &prefixes[C] && row % 2)
        row++;
    if (row <= rows)
        reply(name->prefix, row, PHU_VARBIND_COUNTER64);
    else if (name->prefix == &prefixes[A])
        reply(&prefixes[B], 1, PHU_VARBIND_COUNTER64);
    else if (name->prefix == &prefixes[B])
        reply(&prefixes[C], 2, PHU_VARBIND_COUNTER64);
    else
        reply(name->prefix, name->row, PHU_VARBIND_END);
}

static void honest(const struct phu_walk_request *request, uint32_t rows)
{
    struct phu_walk_request from = *request;
    unsigned times = request->is_bulk ? request->repetitions : 1;

    answer_count = 0;
    for (unsigned i = 0; i < request->scalars; i++)
        reply_next(&from.names[i], rows);
    for (unsigned time = 0; time < times; time++) {
        for (unsigned i = request->scalars; i < request->name_count; i++) {
            const unsigned long *last;

            reply_next(&from.names[i], rows);
            last = answer[answer_count - 1].oid;
            if (last[3] == from.names[i].prefix->part[3])
                from.names[i].row = (int64_t)last[4];
            else
                from.names[i].row = rows;
        }
    }
}

static void start(struct phu_walk *walk, struct seen *seen, unsigned repetitions, unsigned rows_max)
{
    struct phu_walk_limits limits = {true, repetitions, repetitions, rows_max};

    *seen = (struct seen){0};
    phu_walk_init(walk, &limits, cell, seen);
    phu_walk_add_scalar(walk, TIME, &prefixes[TIME], true);
    phu_walk_add(walk, A, &prefixes[A]);
    phu_walk_add(walk, B, &prefixes[B]);
    phu_walk_add(walk, C, &prefixes[C]);
}

static unsigned run(struct phu_walk *walk, uint32_t rows)
{
    struct phu_walk_request request;
    unsigned rounds = 0;

    while (phu_walk_next(walk, &request)) {
        assert_true(++rounds < 20000);
        honest(&request, rows);
        phu_walk_answer(walk, answer, answer_count);
    }
    return rounds;
}

static bool is_clean(const struct phu_walk *walk)
{
    static const struct phu_walk_faults none;

    return memcmp(&walk->faults, &none, sizeof none) == 0;
}

static void an_honest_table_is_read_whole(void **state)
{
    (void)state;
    for (unsigned repetitions = 1; repetitions < 30; repetitions += 7) {
        for (uint32_t rows = 0; rows < 60; rows += 13) {
            struct phu_walk walk;
            struct seen seen;

            start(&walk, &seen, repetitions, 1000);
            run(&walk, rows);
            assert_int_equal(seen.count[A], rows);
            assert_int_equal(seen.count[B], rows);
            assert_int_equal(seen.count[C], rows / 2);
            assert_int_equal(seen.out_of_order, 0);
            assert_true(seen.count[TIME] > 0);
            assert_true(is_clean(&walk));
        }
    }
}

static void one_question_is_enough_when_the_end_fits(void **state)
{
    struct phu_walk walk;
    struct seen seen;

    (void)state;
    start(&walk, &seen, 11, 1000);
    assert_int_equal(run(&walk, 10), 1);
    assert_int_equal(seen.count[A], 10);
}

static void version_1_walks_the_same(void **state)
{
    struct phu_walk_limits limits = {.is_bulk = false, .rows_max = 100};
    struct phu_walk walk;
    struct seen seen = {0};

    (void)state;
    phu_walk_init(&walk, &limits, cell, &seen);
    phu_walk_add(&walk, A, &prefixes[A]);
    phu_walk_add(&walk, C, &prefixes[C]);
    run(&walk, 20);
    assert_int_equal(seen.count[A], 20);
    assert_int_equal(seen.count[C], 10);
}

static void no_such_name_ends_its_column_only(void **state)
{
    struct phu_walk_request request;
    struct phu_walk walk;
    struct seen seen;

    (void)state;
    start(&walk, &seen, 1, 100);
    walk.limits.is_bulk = false;
    assert_true(phu_walk_next(&walk, &request));
    assert_int_equal(request.name_count, 4);
    phu_walk_error(&walk, PHU_WALK_NO_SUCH_NAME, 2); /* A, after the scalar */
    run(&walk, 5);
    assert_int_equal(seen.count[A], 0);
    assert_int_equal(seen.count[B], 5);
    assert_int_equal(seen.count[C], 2);
    assert_true(is_clean(&walk));
}

static void too_big_asks_for_less_and_gets_all(void **state)
{
    struct phu_walk_request request;
    struct phu_walk walk;
    struct seen seen;
    unsigned rounds = 0;

    (void)state;
    start(&walk, &seen, 20, 100);
    while (phu_walk_next(&walk, &request)) {
        assert_true(++rounds < 200);
        if (request.repetitions * (request.name_count - request.scalars) > 4) {
            phu_walk_error(&walk, PHU_WALK_TOO_BIG, 0);
            continue;
        }
        honest(&request, 12);
        phu_walk_answer(&walk, answer, answer_count);
    }
    assert_int_equal(seen.count[A], 12);
    assert_int_equal(seen.count[C], 6);
}

static void one_object_at_a_time_gets_all(void **state)
{
    struct phu_walk_request request;
    struct phu_walk walk;
    struct seen seen;
    unsigned rounds = 0;

    (void)state;
    start(&walk, &seen, 20, 100);
    while (phu_walk_next(&walk, &request)) {
        assert_true(++rounds < 200);
        if (request.repetitions * request.name_count > 1) {
            phu_walk_error(&walk, PHU_WALK_TOO_BIG, 0);
            continue;
        }
        honest(&request, 12);
        phu_walk_answer(&walk, answer, answer_count);
    }
    assert_int_equal(seen.count[A], 12);
    assert_int_equal(seen.count[B], 12);
    assert_int_equal(seen.count[C], 6);
    assert_int_equal(seen.count[TIME], 1);
}

static void always_too_big_ends(void **state)
{
    struct phu_walk_request request;
    struct phu_walk walk;
    struct seen seen;
    unsigned rounds = 0;

    (void)state;
    start(&walk, &seen, 20, 100);
    while (phu_walk_next(&walk, &request)) {
        assert_true(++rounds < 50);
        phu_walk_error(&walk, PHU_WALK_TOO_BIG, 0);
    }
    assert_true(walk.faults.refusals > 0);
}

static void always_refused_ends(void **state)
{
    (void)state;
    for (size_t index = 0; index < 6; index++) {
        struct phu_walk_request request;
        struct phu_walk walk;
        struct seen seen;
        unsigned rounds = 0;

        start(&walk, &seen, 20, 100);
        while (phu_walk_next(&walk, &request)) {
            assert_true(++rounds < 50);
            phu_walk_error(&walk, PHU_WALK_REFUSED, index);
        }
        assert_true(walk.faults.refusals > 0);
    }
}

static void going_backwards_stops_and_keeps(void **state)
{
    struct phu_walk_request request;
    struct phu_walk walk;
    struct seen seen;

    (void)state;
    start(&walk, &seen, 4, 100);
    phu_walk_next(&walk, &request);
    honest(&request, 50);
    phu_walk_answer(&walk, answer, answer_count);
    phu_walk_next(&walk, &request);
    honest(&request, 50);
    for (size_t i = 0; i < answer_count; i++)
        ((unsigned long *)answer[i].oid)[4] = 2; /* again and again row 2 */
    phu_walk_answer(&walk, answer, answer_count);
    assert_false(phu_walk_next(&walk, &request));
    assert_int_equal(seen.count[A], 4);
    assert_int_equal(seen.out_of_order, 0);
    assert_int_equal(walk.faults.backwards, 3);
}

static void the_same_row_for_ever_stops(void **state)
{
    struct phu_walk_request request;
    struct phu_walk walk;
    struct seen seen;
    unsigned rounds = 0;

    (void)state;
    start(&walk, &seen, 4, 100);
    while (phu_walk_next(&walk, &request)) {
        assert_true(++rounds < 10);
        answer_count = 0;
        for (unsigned i = 0; i < request.name_count; i++)
            reply(request.names[i].prefix, i < request.scalars ? 0 : 7, PHU_VARBIND_COUNTER64);
        phu_walk_answer(&walk, answer, answer_count);
    }
    assert_int_equal(seen.count[A], 1);
    assert_true(walk.faults.backwards > 0);
}

static void an_object_before_the_question_is_a_fault(void **state)
{
    struct phu_walk_request request;
    struct phu_walk walk;
    struct seen seen;

    (void)state;
    start(&walk, &seen, 1, 100);
    phu_walk_next(&walk, &request);
    answer_count = 0;
    reply(&prefixes[TIME], 0, PHU_VARBIND_TICKS);
    reply(&prefixes[TIME], 0, PHU_VARBIND_COUNTER64); /* before column A */
    reply(&prefixes[C], 1, PHU_VARBIND_COUNTER64);    /* after column B: its end */
    reply(&prefixes[C], 1, PHU_VARBIND_COUNTER64);
    phu_walk_answer(&walk, answer, answer_count);
    assert_int_equal(walk.faults.backwards, 1);
    assert_int_equal(seen.count[B], 0);
    assert_int_equal(seen.count[C], 1);
}

static void a_short_answer_is_continued(void **state)
{
    struct phu_walk_request request;
    struct phu_walk walk;
    struct seen seen;
    unsigned rounds = 0;

    (void)state;
    start(&walk, &seen, 10, 100);
    while (phu_walk_next(&walk, &request)) {
        assert_true(++rounds < 200);
        honest(&request, 20);
        phu_walk_answer(&walk, answer, answer_count > 5 ? 5 : answer_count);
    }
    assert_int_equal(seen.count[A], 20);
    assert_int_equal(seen.count[B], 20);
    assert_int_equal(seen.count[C], 10);
    assert_true(is_clean(&walk));
}

static void an_empty_answer_stalls_and_ends(void **state)
{
    struct phu_walk_request request;
    struct phu_walk walk;
    struct seen seen;
    unsigned rounds = 0;

    (void)state;
    start(&walk, &seen, 10, 100);
    while (phu_walk_next(&walk, &request)) {
        assert_true(++rounds < 50);
        phu_walk_answer(&walk, answer, 0);
    }
    assert_true(walk.faults.stalls > 0);
}

static void surplus_objects_are_ignored(void **state)
{
    struct phu_walk_request request;
    struct phu_walk walk;
    struct seen seen;

    (void)state;
    start(&walk, &seen, 2, 100);
    phu_walk_next(&walk, &request);
    request.repetitions = 9;
    honest(&request, 50);
    phu_walk_answer(&walk, answer, answer_count);
    assert_int_equal(walk.faults.surplus, 1);
    assert_int_equal(seen.count[A], 2);
}

static void long_tables_end_at_the_limit(void **state)
{
    struct phu_walk walk;
    struct seen seen;

    (void)state;
    start(&walk, &seen, 25, 30);
    run(&walk, 10000);
    assert_int_equal(seen.count[A], 30);
    assert_int_equal(walk.faults.overflows, 3);
}

static void odd_indexes_end_the_column(void **state)
{
    struct phu_walk_request request;
    struct phu_walk walk;
    struct seen seen;

    (void)state;
    start(&walk, &seen, 1, 100);
    phu_walk_next(&walk, &request);
    honest(&request, 5);
    ((unsigned long *)answer[1].oid)[4] = 1UL << 33; /* beyond 32 bits */
    answer[2].oid_length = 4;                        /* no index */
    ((unsigned long *)answer[3].oid)[5] = 9;
    answer[3].oid_length = 6; /* two parts */
    phu_walk_answer(&walk, answer, answer_count);
    assert_int_equal(walk.faults.misfits, 3);
    assert_false(phu_walk_next(&walk, &request));
}

static void the_largest_index_is_read(void **state)
{
    struct phu_walk_request request;
    struct phu_walk walk;
    struct seen seen;

    (void)state;
    start(&walk, &seen, 1, 100);
    phu_walk_next(&walk, &request);
    honest(&request, 5);
    ((unsigned long *)answer[1].oid)[4] = UINT32_MAX;
    phu_walk_answer(&walk, answer, answer_count);
    assert_int_equal(seen.last[A], UINT32_MAX);
    phu_walk_next(&walk, &request);
    assert_int_equal(request.names[1].row, UINT32_MAX);
}

static void missing_scalars_are_not_asked_again(void **state)
{
    struct phu_walk_request request;
    struct phu_walk walk;
    struct seen seen;

    (void)state;
    start(&walk, &seen, 1, 100);
    phu_walk_next(&walk, &request);
    honest(&request, 5);
    answer[0].kind = PHU_VARBIND_END;
    phu_walk_answer(&walk, answer, answer_count);
    phu_walk_next(&walk, &request);
    assert_int_equal(request.scalars, 0);
    assert_int_equal(seen.count[TIME], 0);
}

static void columns_can_be_added_on_the_way(void **state)
{
    struct phu_walk walk;
    struct seen seen = {0};
    struct phu_walk_limits limits = {true, 5, 5, 100};

    (void)state;
    phu_walk_init(&walk, &limits, cell, &seen);
    phu_walk_add(&walk, B, &prefixes[B]);
    run(&walk, 8);
    assert_false(phu_walk_has(&walk, C));
    phu_walk_add(&walk, C, &prefixes[C]);
    phu_walk_add(&walk, C, &prefixes[C]);
    run(&walk, 8);
    assert_int_equal(seen.count[B], 8);
    assert_int_equal(phu_walk_cells(&walk, C), 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_honest_table_is_read_whole),
        cmocka_unit_test(one_question_is_enough_when_the_end_fits),
        cmocka_unit_test(version_1_walks_the_same),
        cmocka_unit_test(no_such_name_ends_its_column_only),
        cmocka_unit_test(too_big_asks_for_less_and_gets_all),
        cmocka_unit_test(one_object_at_a_time_gets_all),
        cmocka_unit_test(always_too_big_ends),
        cmocka_unit_test(always_refused_ends),
        cmocka_unit_test(going_backwards_stops_and_keeps),
        cmocka_unit_test(the_same_row_for_ever_stops),
        cmocka_unit_test(an_object_before_the_question_is_a_fault),
        cmocka_unit_test(a_short_answer_is_continued),
        cmocka_unit_test(an_empty_answer_stalls_and_ends),
        cmocka_unit_test(surplus_objects_are_ignored),
        cmocka_unit_test(long_tables_end_at_the_limit),
        cmocka_unit_test(odd_indexes_end_the_column),
        cmocka_unit_test(the_largest_index_is_read),
        cmocka_unit_test(missing_scalars_are_not_asked_again),
        cmocka_unit_test(columns_can_be_added_on_the_way),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
