#include "split.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LINES_MAX 5000

struct batch {
    char *body;
    size_t length, lines;
    bool is_bad[LINES_MAX];
    unsigned stored[LINES_MAX], buried[LINES_MAX];
    unsigned requests;
};

static uint64_t chance(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

/* Lines of very different lengths, each beginning with its number. */
static struct batch *new_batch(size_t lines, uint64_t *state)
{
    struct batch *batch = calloc(1, sizeof *batch);

    batch->body = malloc(lines * 320);
    batch->lines = lines;
    for (size_t i = 0; i < lines; i++) {
        int width = chance(state) % 10 == 0 ? 300 : 10;

        batch->length += (size_t)sprintf(batch->body + batch->length, "%05zu,%0*d\n", i, width, 7);
    }
    return batch;
}

static void free_batch(struct batch *batch)
{
    free(batch->body);
    free(batch);
}

static size_t first_number(const struct batch *batch, const struct phu_piece *piece)
{
    assert_true(piece->start == 0 || batch->body[piece->start - 1] == '\n');
    assert_int_equal(batch->body[piece->start + piece->length - 1], '\n');
    return (size_t)strtoul(batch->body + piece->start, NULL, 10);
}

/* Sends a piece to a destination that refuses a piece as a whole when one line of it is bad. */
static bool is_refused(struct batch *batch, const struct phu_piece *piece)
{
    size_t first = first_number(batch, piece);

    batch->requests++;
    for (size_t i = first; i < first + piece->lines; i++) {
        if (batch->is_bad[i])
            return true;
    }
    for (size_t i = first; i < first + piece->lines; i++)
        batch->stored[i]++;
    return false;
}

static void settle(struct batch *batch, size_t limit)
{
    struct phu_split split;
    struct phu_piece piece;
    bool is_both_ends = false;

    phu_split_init(&split, batch->body, batch->length, batch->lines);
    while (phu_split_take(&split, limit, is_both_ends, &piece)) {
        assert_true(piece.lines == 1 || piece.length <= limit);
        if (!is_refused(batch, &piece)) {
            is_both_ends = false;
        } else if (!phu_split_halve(&split, &piece)) {
            batch->buried[first_number(batch, &piece)]++;
            is_both_ends = true;
        }
    }
}

static void check_settled(const struct batch *batch)
{
    for (size_t i = 0; i < batch->lines; i++) {
        assert_int_equal(batch->stored[i], batch->is_bad[i] ? 0 : 1);
        assert_int_equal(batch->buried[i], batch->is_bad[i] ? 1 : 0);
    }
}

static void finds_just_the_bad_lines_of_random_batches(void **state)
{
    uint64_t random = 88172645463325252u;

    (void)state;
    for (int round = 0; round < 300; round++) {
        size_t lines = 1 + chance(&random) % (round % 10 == 0 ? LINES_MAX : 200);
        struct batch *batch = new_batch(lines, &random);
        size_t bad = chance(&random) % (round % 3 == 0 ? lines + 1 : 5), run = chance(&random) % 2;

        for (size_t i = 0; i < bad; i++)
            batch->is_bad[run ? i % lines : chance(&random) % lines] = true;
        settle(batch, round % 4 == 0 ? 1 + chance(&random) % 4096 : SIZE_MAX);
        check_settled(batch);
        free_batch(batch);
    }
}

static void one_bad_line_costs_two_requests_per_halving(void **state)
{
    uint64_t random = 42;
    struct batch *batch = new_batch(4096, &random);

    (void)state;
    batch->is_bad[1234] = true;
    settle(batch, SIZE_MAX);
    check_settled(batch);
    assert_true(batch->requests <= 1 + 2 * 12);
    free_batch(batch);
}

static void all_bad_costs_two_requests_per_line(void **state)
{
    uint64_t random = 42;
    struct batch *batch = new_batch(LINES_MAX, &random);

    (void)state;
    memset(batch->is_bad, true, sizeof batch->is_bad);
    settle(batch, SIZE_MAX);
    check_settled(batch);
    assert_true(batch->requests < 2 * LINES_MAX);
    free_batch(batch);
}

/* After eight lines refused from a run of bad ones at the front, the good rest has been tried. */
static void a_run_of_bad_lines_is_soon_told_from_a_hopeless_destination(void **state)
{
    uint64_t random = 42;
    struct batch *batch = new_batch(4000, &random);
    struct phu_split split;
    struct phu_piece piece;
    unsigned alone = 0;

    (void)state;
    memset(batch->is_bad, true, 1000);
    phu_split_init(&split, batch->body, batch->length, batch->lines);
    while (phu_split_take(&split, SIZE_MAX, alone > 0, &piece)) {
        if (!is_refused(batch, &piece))
            break;
        alone += !phu_split_halve(&split, &piece);
    }
    assert_true(alone <= 2);
    free_batch(batch);
}

static void a_returned_piece_finds_its_place(void **state)
{
    uint64_t random = 7;
    struct batch *batch = new_batch(100, &random);
    struct phu_split split;
    struct phu_piece first, second, again;

    (void)state;
    phu_split_init(&split, batch->body, batch->length, batch->lines);
    assert_true(phu_split_take(&split, 200, false, &first));
    assert_true(phu_split_take(&split, 200, false, &second));
    phu_split_return(&split, &second);
    phu_split_return(&split, &first);
    assert_true(phu_split_take(&split, 200, false, &again));
    assert_memory_equal(&again, &first, sizeof again);
    assert_true(phu_split_take(&split, 200, false, &again));
    assert_memory_equal(&again, &second, sizeof again);
    free_batch(batch);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_just_the_bad_lines_of_random_batches),
        cmocka_unit_test(one_bad_line_costs_two_requests_per_halving),
        cmocka_unit_test(all_bad_costs_two_requests_per_line),
        cmocka_unit_test(a_run_of_bad_lines_is_soon_told_from_a_hopeless_destination),
        cmocka_unit_test(a_returned_piece_finds_its_place),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
