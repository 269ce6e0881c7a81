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

static void cell(void *arg, unsigned column, const struct phu_index *index,
                 const struct phu_varbind *varbind)
{
    struct seen *seen = arg;
    uint32_t row = index->length ? index->part[0] : 0;

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

static int64_t row_of(const struct phu_walk_name *name)
{
    return name->place->length ? (int64_t)name->place->part[0] : -1;
}

/* What an honest agent does: rows 1..rows of each column; column C has only the even ones. */
static void reply_next(const struct phu_walk_name *name, uint32_t rows)
{
    int64_t row = row_of(name) + 1 > 1 ? row_of(name) + 1 : 1;

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
        reply(name->prefix, row_of(name), PHU_VARBIND_END);
}

static void honest(const struct phu_walk_request *request, uint32_t rows)
{
    static struct phu_index places[PHU_WALK_COLUMNS_MAX];
    struct phu_walk_request from = *request;
    unsigned times = request->is_bulk ? request->repetitions : 1;

    answer_count = 0;
    for (unsigned i = 0; i < request->name_count; i++) {
        places[i] = *from.names[i].place;
        from.names[i].place = &places[i];
    }
    for (unsigned i = 0; i < request->scalars; i++)
        reply_next(&from.names[i], rows);
    for (unsigned time = 0; time < times; time++) {
        for (unsigned i = request->scalars; i < request->name_count; i++) {
            const unsigned long *last;

            reply_next(&from.names[i], rows);
            last = answer[answer_count - 1].oid;
            places[i].length = 1;
            places[i].part[0] = last[3] == from.names[i].prefix->part[3] ? (uint32_t)last[4] : rows;
        }
    }
}

static void start(struct phu_walk *walk, struct seen *seen, unsigned repetitions, unsigned rows_max)
{
    struct phu_walk_limits limits = {true, 1, repetitions, repetitions, rows_max, 0, false};

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
    assert_int_equal(row_of(&request.names[1]), UINT32_MAX);
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
    struct phu_walk_limits limits = {true, 1, 5, 5, 100, 0, false};

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

/* -- Indexes of any length -------------------------------------------------------------------- */

static const struct phu_index odd_rows[] = {
    {1, {2}},       {1, {3}},    {2, {3, 0}},          {2, {3, 7}},
    {3, {3, 7, 7}}, {2, {3, 8}}, {2, {4294967295, 4}}, {2, {4294967295, 4294967295}},
};
#define ODD_ROWS (sizeof odd_rows / sizeof *odd_rows)

static void reply_row(const struct phu_oid *prefix, const struct phu_index *index)
{
    unsigned long *oid = oids[answer_count];

    reply(prefix, -1, PHU_VARBIND_INTEGER);
    for (size_t i = 0; i < index->length; i++)
        oid[prefix->length + i] = index->part[i];
    answer[answer_count - 1].oid_length += index->length;
}

/* All columns have the odd rows; what follows the last of them is the next prefix. */
static void odd_table(const struct phu_walk_request *request)
{
    size_t at[PHU_WALK_COLUMNS_MAX];

    answer_count = 0;
    for (unsigned i = 0; i < request->name_count; i++) {
        for (at[i] = 0; at[i] < ODD_ROWS; at[i]++) {
            if (phu_index_compare(&odd_rows[at[i]], request->names[i].place) > 0)
                break;
        }
    }
    for (unsigned time = 0; time < (request->is_bulk ? request->repetitions : 1); time++) {
        for (unsigned i = time ? request->scalars : 0; i < request->name_count; i++) {
            if (at[i] < ODD_ROWS)
                reply_row(request->names[i].prefix, &odd_rows[at[i]++]);
            else
                reply(request->names[i].prefix + 1, 1, PHU_VARBIND_INTEGER);
        }
    }
}

struct rows {
    unsigned count[3], wrong;
    struct phu_index from;
};

static void odd_cell(void *arg, unsigned column, const struct phu_index *index,
                     const struct phu_varbind *varbind)
{
    struct rows *rows = arg;
    size_t at = 0;

    (void)varbind;
    while (phu_index_compare(&odd_rows[at], &rows->from) <= 0)
        at++;
    at += rows->count[column]++;
    rows->wrong += phu_index_compare(index, &odd_rows[at]) != 0;
}

static void walk_odd(struct phu_walk *walk, struct rows *rows, bool is_bulk, unsigned repetitions,
                     unsigned width)
{
    struct phu_walk_limits limits = {is_bulk, 0, repetitions, repetitions, 1000, 0, false};
    struct phu_walk_request request;
    unsigned rounds = 0;

    phu_walk_init(walk, &limits, odd_cell, rows);
    phu_walk_add_from(walk, A, &prefixes[A], &rows->from);
    phu_walk_add_from(walk, B, &prefixes[B], &rows->from);
    walk->width = width;
    while (phu_walk_next(walk, &request)) {
        assert_true(++rounds < 100);
        odd_table(&request);
        phu_walk_answer(walk, answer, answer_count);
    }
    assert_int_equal(rows->wrong, 0);
    assert_true(is_clean(walk));
}

static void indexes_of_any_length_are_read_in_order(void **state)
{
    (void)state;
    for (unsigned repetitions = 0; repetitions < 10; repetitions++) {
        struct phu_walk walk;
        struct rows rows = {0};

        walk_odd(&walk, &rows, repetitions > 0, repetitions, PHU_WALK_COLUMNS_MAX);
        assert_int_equal(rows.count[A], ODD_ROWS);
        assert_int_equal(rows.count[B], ODD_ROWS);
    }
}

static void a_walk_goes_on_at_any_place(void **state)
{
    (void)state;
    for (size_t i = 0; i < ODD_ROWS; i++) {
        struct phu_walk walk;
        struct rows rows = {.from = odd_rows[i]};

        walk_odd(&walk, &rows, true, 2, PHU_WALK_COLUMNS_MAX);
        assert_int_equal(rows.count[A], ODD_ROWS - 1 - i);
        assert_int_equal(rows.count[B], ODD_ROWS - 1 - i);
    }
}

/* With room for one object at a time no column runs ahead by more than a row. */
static void narrow_columns_keep_step(void **state)
{
    struct phu_walk_limits limits = {true, 0, 1, 1, 1000, 0, false};
    struct phu_walk_request request;
    struct phu_walk walk;
    struct rows rows = {0};
    unsigned rounds = 0;

    (void)state;
    phu_walk_init(&walk, &limits, odd_cell, &rows);
    phu_walk_add(&walk, A, &prefixes[A]);
    phu_walk_add(&walk, B, &prefixes[B]);
    walk.width = 1;
    while (phu_walk_next(&walk, &request)) {
        assert_true(++rounds < 100);
        odd_table(&request);
        phu_walk_answer(&walk, answer, answer_count);
        assert_in_range(rows.count[A] - rows.count[B] + 1, 0, 2);
    }
    assert_int_equal(rows.count[B], ODD_ROWS);
}

static void the_place_reached_is_that_of_the_slowest_column(void **state)
{
    struct phu_walk_limits limits = {true, 0, 2, 2, 1000, 0, false};
    struct phu_walk_request request;
    struct phu_walk walk;
    struct rows rows = {0};

    (void)state;
    phu_walk_init(&walk, &limits, odd_cell, &rows);
    phu_walk_add(&walk, A, &prefixes[A]);
    phu_walk_add(&walk, B, &prefixes[B]);
    assert_int_equal(phu_walk_reached(&walk)->length, 0);
    phu_walk_next(&walk, &request);
    odd_table(&request);
    phu_walk_answer(&walk, answer, 3); /* two rows of A, one of B */
    assert_int_equal(phu_index_compare(phu_walk_reached(&walk), &odd_rows[0]), 0);
    assert_int_equal(walk.cuts, 1);
    assert_int_equal(walk.repetitions, 1);
    while (phu_walk_next(&walk, &request)) {
        odd_table(&request);
        phu_walk_answer(&walk, answer, answer_count);
    }
    assert_null(phu_walk_reached(&walk));
}

static void a_peek_reads_the_same_place_in_every_answer(void **state)
{
    struct phu_walk_limits limits = {true, 0, 1, 1, 1000, 0, false};
    struct phu_walk_request request;
    struct phu_walk walk;
    struct seen seen = {0};
    unsigned rounds = 0;

    (void)state;
    phu_walk_init(&walk, &limits, cell, &seen);
    phu_walk_add_peek(&walk, C, &prefixes[C], &odd_rows[2]);
    phu_walk_add(&walk, A, &prefixes[A]);
    while (phu_walk_next(&walk, &request)) {
        assert_int_equal(request.scalars, 1);
        assert_int_equal(phu_index_compare(request.names[0].place, &odd_rows[2]), 0);
        odd_table(&request);
        phu_walk_answer(&walk, answer, answer_count);
        rounds++;
    }
    assert_int_equal(seen.count[C], rounds);
}

/* -- Exact walks ------------------------------------------------------------------------------ */

/* Columns A, B and C with rows 2, 4 … of `rows`, and behind C one that must not be told. B lacks
 * row
 * 4. Answers at most `most` objects. */
static bool has_told_more;

static void reply_exact(const struct phu_walk_request *request, uint32_t rows, unsigned most)
{
    static const struct phu_oid behind = {4, {1, 3, 10, 4}};

    answer_count = 0;
    for (unsigned i = 0; i < request->name_count && i < most; i++) {
        const struct phu_walk_name *name = &request->names[i];
        int64_t row = row_of(name);

        if (request->is_exact) {
            bool is_there = name->prefix == &prefixes[TIME] ||
                            (row <= rows && (name->prefix != &prefixes[B] || row != 4));

            reply(name->prefix, row, is_there ? PHU_VARBIND_GAUGE : PHU_VARBIND_MISSING);
            continue;
        }
        row = row < 2 ? 2 : row + 2;
        if (row <= rows) {
            reply(name->prefix, row, PHU_VARBIND_GAUGE);
            continue;
        }
        has_told_more |= name->prefix != &prefixes[A];
        reply(name->prefix == &prefixes[A] ? &prefixes[B] : &behind, 2, PHU_VARBIND_GAUGE);
    }
    assert_true(request->is_exact || request->repetitions == 1);
    assert_false(request->is_bulk);
}

static void run_exact(struct phu_walk *walk, uint32_t rows, unsigned most)
{
    struct phu_walk_request request;
    unsigned rounds = 0;

    while (phu_walk_next(walk, &request)) {
        assert_true(++rounds < 1000);
        if (request.name_count > most) {
            phu_walk_error(walk, PHU_WALK_TOO_BIG, 0);
            continue;
        }
        reply_exact(&request, rows, most);
        phu_walk_answer(walk, answer, answer_count);
    }
}

static void an_exact_walk_names_what_it_wants(void **state)
{
    const unsigned mosts[] = {28, 2, 1};

    (void)state;
    for (size_t i = 0; i < sizeof mosts / sizeof *mosts; i++) {
        struct phu_walk_limits limits = {true, 1, 20, 20, 100, 0, true};
        struct phu_walk walk;
        struct seen seen = {0};

        phu_walk_init(&walk, &limits, cell, &seen);
        phu_walk_add(&walk, A, &prefixes[A]);
        phu_walk_add(&walk, B, &prefixes[B]);
        phu_walk_add(&walk, C, &prefixes[C]);
        run_exact(&walk, 8, mosts[i]);
        assert_int_equal(seen.count[A], 4);
        assert_int_equal(seen.count[B], 3);
        assert_int_equal(seen.count[C], 4);
        assert_int_equal(seen.last[C], 8);
        assert_int_equal(seen.out_of_order, 0);
        assert_false(has_told_more);
        assert_true(phu_walk_is_done(&walk));
    }
}

/* A model that lacks the first column has rows all the same. */
static void an_exact_walk_finds_rows_by_another_column(void **state)
{
    static const struct phu_oid absent = {4, {1, 3, 10, 0}};
    struct phu_walk_limits limits = {true, 1, 20, 20, 100, 0, true};
    struct phu_walk walk;
    struct phu_walk_request request;
    struct seen seen = {0};

    (void)state;
    phu_walk_init(&walk, &limits, cell, &seen);
    phu_walk_add(&walk, TIME, &absent);
    phu_walk_add(&walk, A, &prefixes[A]);
    phu_walk_add(&walk, C, &prefixes[C]);
    assert_true(phu_walk_next(&walk, &request));
    answer_count = 0;
    reply(&prefixes[A], 2, PHU_VARBIND_GAUGE);
    phu_walk_answer(&walk, answer, answer_count);
    run_exact(&walk, 6, 28);
    assert_int_equal(seen.count[TIME], 0);
    assert_int_equal(seen.count[A], 3);
    assert_int_equal(seen.count[C], 3);
    assert_false(has_told_more);
}

static void exact_scalars_are_got(void **state)
{
    struct phu_walk_limits limits = {true, 0, 20, 20, 100, 0, true};
    struct phu_walk walk;
    struct phu_walk_request request;
    struct seen seen = {0};

    (void)state;
    phu_walk_init(&walk, &limits, cell, &seen);
    phu_walk_add_scalar(&walk, TIME, &prefixes[TIME], false);
    assert_true(phu_walk_next(&walk, &request));
    assert_true(request.is_exact);
    assert_int_equal(request.names[0].place->length, 1);
    reply_exact(&request, 0, 28);
    phu_walk_answer(&walk, answer, answer_count);
    assert_int_equal(seen.count[TIME], 1);
    assert_false(phu_walk_next(&walk, &request));
}

/* Whatever a device answers to a GET, nothing but what was named is taken. */
static void an_exact_walk_takes_nothing_else(void **state)
{
    struct phu_walk_limits limits = {true, 1, 20, 20, 100, 0, true};
    struct phu_walk walk;
    struct phu_walk_request request;
    struct seen seen = {0};

    (void)state;
    phu_walk_init(&walk, &limits, cell, &seen);
    phu_walk_add(&walk, A, &prefixes[A]);
    phu_walk_add(&walk, B, &prefixes[B]);
    phu_walk_add(&walk, C, &prefixes[C]);
    assert_true(phu_walk_next(&walk, &request));
    reply_exact(&request, 2, 28);
    phu_walk_answer(&walk, answer, answer_count);
    assert_true(phu_walk_next(&walk, &request));
    assert_int_equal(request.name_count, 2);
    answer_count = 0;
    reply(&prefixes[B], 3, PHU_VARBIND_GAUGE);
    reply(&prefixes[B], 2, PHU_VARBIND_GAUGE);
    reply(&prefixes[C], 2, PHU_VARBIND_GAUGE);
    phu_walk_answer(&walk, answer, answer_count);
    assert_int_equal(seen.count[B], 0);
    assert_int_equal(seen.count[C], 0);
    run_exact(&walk, 2, 28);
    assert_int_equal(seen.count[A], 1);
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
        cmocka_unit_test(indexes_of_any_length_are_read_in_order),
        cmocka_unit_test(a_walk_goes_on_at_any_place),
        cmocka_unit_test(narrow_columns_keep_step),
        cmocka_unit_test(the_place_reached_is_that_of_the_slowest_column),
        cmocka_unit_test(a_peek_reads_the_same_place_in_every_answer),
        cmocka_unit_test(an_exact_walk_names_what_it_wants),
        cmocka_unit_test(an_exact_walk_finds_rows_by_another_column),
        cmocka_unit_test(exact_scalars_are_got),
        cmocka_unit_test(an_exact_walk_takes_nothing_else),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
