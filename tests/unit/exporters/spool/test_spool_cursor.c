/* Cursors as bytes, and the list of what a reader still has to deliver. */
#include "pieces.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void keeps_its_ranges(void **state)
{
    struct phu_cursor cursor = {.generation = 7, .live = 900, .range_count = 2}, read = {0};
    uint8_t file[PHU_CURSOR_FILE_SIZE] = {0};

    (void)state;
    cursor.ranges[0].from = 10, cursor.ranges[0].to = 20;
    cursor.ranges[1].from = 30, cursor.ranges[1].to = 900;
    assert_int_equal(phu_cursor_decode_file(file, sizeof file, &read), -ENODATA);
    phu_cursor_encode(file + PHU_CURSOR_SLOT_SIZE, &cursor);
    assert_int_equal(phu_cursor_decode_file(file, sizeof file, &read), 0);
    assert_memory_equal(&read, &cursor, sizeof cursor);
}

static void the_other_slot_counts_when_one_is_damaged(void **state)
{
    struct phu_cursor older = {.generation = 8, .live = 100},
                      newer = {.generation = 9, .live = 200};
    uint8_t file[PHU_CURSOR_FILE_SIZE];
    struct phu_cursor read;

    (void)state;
    phu_cursor_encode(file, &older);
    phu_cursor_encode(file + PHU_CURSOR_SLOT_SIZE, &newer);
    assert_int_equal(phu_cursor_decode_file(file, sizeof file, &read), 0);
    assert_int_equal(read.live, 200);
    for (size_t bit = 0; bit < PHU_CURSOR_SLOT_SIZE * 8; bit += 5) {
        uint8_t *byte = &file[PHU_CURSOR_SLOT_SIZE + bit / 8];

        *byte ^= (uint8_t)(1U << bit % 8);
        assert_int_equal(phu_cursor_decode_file(file, sizeof file, &read), 0);
        assert_int_equal(read.live, 100);
        *byte ^= (uint8_t)(1U << bit % 8);
    }
    file[0] ^= 1;
    assert_int_equal(phu_cursor_decode_file(file, sizeof file, &read), 0);
    assert_int_equal(read.live, 200);
    file[PHU_CURSOR_SLOT_SIZE] ^= 1;
    assert_int_equal(phu_cursor_decode_file(file, sizeof file, &read), -EINVAL);
    assert_int_equal(phu_cursor_decode_file(file, 100, &read), -EINVAL);
}

static void refuses_ranges_that_make_no_sense(void **state)
{
    struct phu_cursor cursor = {.live = 50, .range_count = 1}, read;
    uint8_t slot[PHU_CURSOR_SLOT_SIZE];

    (void)state;
    cursor.ranges[0].from = 20, cursor.ranges[0].to = 10;
    phu_cursor_encode(slot, &cursor);
    assert_int_equal(phu_cursor_decode(slot, &read), -EINVAL);
    cursor.ranges[0].from = 20, cursor.ranges[0].to = 60; /* beyond live */
    phu_cursor_encode(slot, &cursor);
    assert_int_equal(phu_cursor_decode(slot, &read), -EINVAL);
}

static void names_become_file_names_and_back(void **state)
{
    static const char *const names[] = {"central", "a/b", "../x", "Bắc Ninh", "%41", "a.b:c"};
    char path[PHU_CURSOR_NAME_SIZE], name[PHU_CURSOR_NAME_SIZE], longest[300];

    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        assert_int_equal(phu_cursor_path(names[i], path), 0);
        assert_null(strchr(path + strlen("cursors/"), '/'));
        assert_true(phu_cursor_reader_name(path + strlen("cursors/"), name));
        assert_string_equal(name, names[i]);
    }
    assert_false(phu_cursor_reader_name("lock", name));
    assert_false(phu_cursor_reader_name(".cursor", name));
    assert_false(phu_cursor_reader_name("a b.cursor", name));
    memset(longest, 'a', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    assert_int_equal(phu_cursor_path(longest, path), -ENAMETOOLONG);
}

static void begin(struct phu_pieces *pieces, uint64_t live)
{
    struct phu_cursor cursor = {.live = live};

    *pieces = (struct phu_pieces){0};
    phu_pieces_from_cursor(pieces, &cursor);
}

static uint64_t take(struct phu_pieces *pieces, enum phu_spool_lane lane, uint64_t start,
                     uint64_t end)
{
    struct phu_piece *piece = phu_pieces_waiting(pieces, lane, 0);

    assert_non_null(piece);
    assert_int_equal(piece->start, start);
    return phu_pieces_take(pieces, piece, end, (struct phu_wall){1});
}

static void the_cursor_moves_over_what_is_contiguous(void **state)
{
    struct phu_pieces pieces;
    struct phu_cursor cursor;
    uint64_t first, second, third;

    (void)state;
    begin(&pieces, 100);
    first = take(&pieces, PHU_SPOOL_LIVE, 100, 200);
    second = take(&pieces, PHU_SPOOL_LIVE, 200, 300);
    third = take(&pieces, PHU_SPOOL_LIVE, 300, 400);
    assert_true(phu_pieces_ack(&pieces, third));
    assert_true(phu_pieces_ack(&pieces, second));
    phu_pieces_to_cursor(&pieces, &cursor);
    assert_int_equal(cursor.live, 100);
    assert_true(phu_pieces_ack(&pieces, first));
    phu_pieces_to_cursor(&pieces, &cursor);
    assert_int_equal(cursor.live, 400);
    assert_false(phu_pieces_ack(&pieces, first));
    assert_false(phu_pieces_ack(&pieces, 0));
    phu_pieces_fini(&pieces);
}

static void what_came_back_goes_out_first(void **state)
{
    struct phu_pieces pieces;
    uint64_t first, second;

    (void)state;
    begin(&pieces, 100);
    first = take(&pieces, PHU_SPOOL_LIVE, 100, 200);
    second = take(&pieces, PHU_SPOOL_LIVE, 200, 300);
    assert_true(phu_pieces_return(&pieces, first));
    take(&pieces, PHU_SPOOL_LIVE, 100, 150); /* a smaller batch this time */
    take(&pieces, PHU_SPOOL_LIVE, 150, 200);
    take(&pieces, PHU_SPOOL_LIVE, 300, 350);
    assert_true(phu_pieces_return(&pieces, second));
    take(&pieces, PHU_SPOOL_LIVE, 200, 300);
    phu_pieces_fini(&pieces);
}

static void skipping_leaves_the_rest_to_backfill(void **state)
{
    struct phu_pieces pieces;
    struct phu_cursor cursor;
    uint64_t flying;

    (void)state;
    begin(&pieces, 100);
    flying = take(&pieces, PHU_SPOOL_LIVE, 100, 200);
    phu_pieces_skip_to(&pieces, 1000);
    phu_pieces_to_cursor(&pieces, &cursor);
    assert_int_equal(cursor.live, 1000);
    assert_int_equal(cursor.range_count, 1);
    assert_int_equal(cursor.ranges[0].from, 100);
    assert_int_equal(cursor.ranges[0].to, 1000);
    take(&pieces, PHU_SPOOL_LIVE, 1000, 1100);
    take(&pieces, PHU_SPOOL_BACKFILL, 200, 1000);
    assert_null(phu_pieces_waiting(&pieces, PHU_SPOOL_BACKFILL, 0));
    assert_true(phu_pieces_return(&pieces, flying)); /* it has become backfill */
    take(&pieces, PHU_SPOOL_BACKFILL, 100, 200);
    phu_pieces_fini(&pieces);
}

static void skipping_with_nothing_behind_changes_nothing(void **state)
{
    struct phu_pieces pieces;
    struct phu_cursor cursor;

    (void)state;
    begin(&pieces, 500);
    phu_pieces_skip_to(&pieces, 500);
    phu_pieces_to_cursor(&pieces, &cursor);
    assert_int_equal(cursor.live, 500);
    assert_int_equal(cursor.range_count, 0);
    phu_pieces_fini(&pieces);
}

/* A model: one byte per address tells what is delivered; nothing undelivered may ever be missing
 * from the list or from the cursor. */
static void nothing_undelivered_is_ever_forgotten(void **state)
{
    enum { SPACE = 20000, STEPS = 4000, SPANS = 16 };
    static bool is_delivered[SPACE];
    struct {
        uint64_t id, start, end;
    } spans[SPANS] = {0};
    struct phu_pieces pieces;
    uint64_t durable = 0;
    uint32_t seed = 20261123;

    (void)state;
    memset(is_delivered, 0, sizeof is_delivered);
    begin(&pieces, 0);
    for (int step = 0; step < STEPS; step++) {
        uint32_t random = (seed = seed * 1664525 + 1013904223) >> 8;
        size_t slot = random % SPANS;
        struct phu_piece *piece;
        struct phu_cursor cursor;
        uint64_t from = 0;

        if (durable + 5 < SPACE)
            durable += random % 9;
        if (durable > SPACE)
            durable = SPACE;
        if (spans[slot].id && random % 3) {
            assert_true(phu_pieces_ack(&pieces, spans[slot].id));
            memset(is_delivered + spans[slot].start, 1, spans[slot].end - spans[slot].start);
            spans[slot].id = 0;
        } else if (spans[slot].id) {
            assert_true(phu_pieces_return(&pieces, spans[slot].id));
            spans[slot].id = 0;
        } else if ((piece = phu_pieces_waiting(
                        &pieces, random & 64 ? PHU_SPOOL_LIVE : PHU_SPOOL_BACKFILL, 0)) &&
                   piece->start < durable) {
            spans[slot].start = piece->start;
            spans[slot].end = piece->start + 1 + random % 30;
            if (spans[slot].end > piece->end)
                spans[slot].end = piece->end;
            if (spans[slot].end > durable)
                spans[slot].end = durable;
            spans[slot].id = phu_pieces_take(&pieces, piece, spans[slot].end, (struct phu_wall){0});
        }
        if (random % 5 == 0)
            phu_pieces_skip_to(&pieces, durable);
        assert_true(pieces.count < 200);
        phu_pieces_to_cursor(&pieces, &cursor);
        for (size_t i = 0; i <= cursor.range_count; i++) {
            uint64_t start = i < cursor.range_count ? cursor.ranges[i].from : cursor.live;

            for (; from < start && from < SPACE; from++)
                assert_true(is_delivered[from]);
            from = i < cursor.range_count ? cursor.ranges[i].to : SPACE;
        }
    }
    phu_pieces_fini(&pieces);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keeps_its_ranges),
        cmocka_unit_test(the_other_slot_counts_when_one_is_damaged),
        cmocka_unit_test(refuses_ranges_that_make_no_sense),
        cmocka_unit_test(names_become_file_names_and_back),
        cmocka_unit_test(the_cursor_moves_over_what_is_contiguous),
        cmocka_unit_test(what_came_back_goes_out_first),
        cmocka_unit_test(skipping_leaves_the_rest_to_backfill),
        cmocka_unit_test(skipping_with_nothing_behind_changes_nothing),
        cmocka_unit_test(nothing_undelivered_is_ever_forgotten),
    };

    return cmocka_run_group_tests_name("spool_cursor", tests, NULL, NULL);
}
