/* Blobs and records: what goes in comes out, in few bytes, and nothing that is damaged is believed;
 * and sums of windows. */
#include "fold.h"
#include "pack.h"
#include "record.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <float.h>
#include <math.h>

#define BASE INT64_C(1773075600000000000)
#define MINUTE INT64_C(60000000000)

static uint64_t next(uint64_t *seed)
{
    *seed = *seed * 6364136223846793005u + 1442695040888963407u;
    return *seed >> 33;
}

static void add(struct phu_cell *cells, size_t *count, struct phu_cell cell)
{
    cells[(*count)++] = cell;
}

static double odd_number(uint64_t *seed)
{
    static const double odd[] = {0.0,     -0.0, 1e300,    -1e-300, 0.1,     -18.37,
                                 1.0 / 3, 1e15, INFINITY, NAN,     DBL_MIN, 123456.789};

    return odd[next(seed) % (sizeof odd / sizeof *odd)];
}

static int64_t odd_int(uint64_t *seed)
{
    static const int64_t odd[] = {0, 1, -1, 60000, INT64_MAX, INT64_MIN, 1234567890123};

    return odd[next(seed) % (sizeof odd / sizeof *odd)];
}

/* Some of eight columns, of every type. */
static void make_window(uint64_t *seed, struct phu_arena *arena, int64_t time_ns,
                        struct phu_window *window)
{
    struct phu_cell *cells = phu_arena_take(arena, 8 * sizeof *cells);
    struct phu_bucket *buckets = phu_arena_take(arena, 8 * sizeof *buckets);
    size_t count = 0;
    uint32_t used = 0;

    for (uint32_t i = 0; i < 8; i++)
        if (next(seed) % 3)
            buckets[used++] = (struct phu_bucket){.index = i * 700 + (uint32_t)(next(seed) % 700),
                                                  .count = next(seed) % 10};
    for (uint32_t i = 1; i <= 8; i++) {
        uint32_t kind = i % 5;

        if (next(seed) % 4 == 0)
            continue;
        if (kind == PHU_CELL_INT)
            add(cells, &count,
                (struct phu_cell){.column = PHU_COLUMN(i * 100, 0, kind), .i = odd_int(seed)});
        else if (kind == PHU_CELL_BOOL)
            add(cells, &count,
                (struct phu_cell){.column = PHU_COLUMN(i * 100, 4, kind),
                                  .i = (int64_t)(next(seed) & 1)});
        else if (kind == PHU_CELL_FLOAT)
            add(cells, &count,
                (struct phu_cell){.column = PHU_COLUMN(i * 100, 3, kind), .f = odd_number(seed)});
        else if (kind == PHU_CELL_TEXT)
            add(cells, &count,
                (struct phu_cell){.column = PHU_COLUMN(i * 100, 4, kind),
                                  .text = "hello, world",
                                  .size = (uint32_t)(next(seed) % 13)});
        else
            add(cells, &count,
                (struct phu_cell){
                    .column = PHU_COLUMN(i * 100, 0, kind), .buckets = buckets, .size = used});
    }
    *window = (struct phu_window){.time_ns = time_ns, .cells = cells, .count = count};
}

static void assert_same(const struct phu_window *a, const struct phu_window *b)
{
    assert_true(a->time_ns == b->time_ns);
    assert_int_equal(a->count, b->count);
    for (size_t i = 0; i < a->count; i++) {
        const struct phu_cell *one = &a->cells[i], *two = &b->cells[i];

        assert_int_equal(one->column, two->column);
        switch (PHU_COLUMN_TYPE(one->column)) {
        case PHU_CELL_INT:
        case PHU_CELL_BOOL:
        case PHU_CELL_FLOAT:
            assert_memory_equal(&one->i, &two->i, sizeof one->i); /* to the bit */
            break;
        case PHU_CELL_TEXT:
            assert_int_equal(one->size, two->size);
            if (one->size)
                assert_memory_equal(one->text, two->text, one->size);
            break;
        case PHU_CELL_HIST:
            assert_int_equal(one->size, two->size);
            for (uint32_t j = 0; j < one->size; j++) {
                assert_int_equal(one->buckets[j].index, two->buckets[j].index);
                assert_true(one->buckets[j].count == two->buckets[j].count);
            }
            break;
        }
    }
}

static void what_goes_in_comes_out(void **state)
{
    struct phu_packer *packer = phu_packer_new();
    uint64_t seed = 7;

    (void)state;
    for (int round = 0; round < 300; round++) {
        struct phu_window windows[60];
        struct phu_windows back = {0};
        struct phu_arena arena = {0};
        size_t count = next(&seed) % 60, size;
        int64_t time_ns = BASE;
        const uint8_t *blob;

        for (size_t i = 0; i < count; i++) {
            time_ns += next(&seed) % 5 ? MINUTE : (int64_t)(1 + next(&seed) % 1000000000);
            make_window(&seed, &arena, time_ns, &windows[i]);
        }
        assert_int_equal(phu_pack(packer, BASE, windows, count, &blob, &size), 0);
        assert_int_equal(phu_unpack(BASE, blob, size, &back), 0);
        assert_int_equal(back.count, count);
        for (size_t i = 0; i < count; i++)
            assert_same(&back.at[i], &windows[i]);
        phu_windows_fini(&back);
        phu_arena_fini(&arena);
    }
    phu_packer_free(packer);
}

static void records_come_back_too(void **state)
{
    struct phu_bytes bytes = {0};
    struct phu_window windows[100];
    struct phu_windows back = {0};
    struct phu_arena arena = {0};
    struct phu_record record;
    struct phu_cut cut;
    uint64_t seed = 11;

    (void)state;
    for (uint32_t i = 0; i < 100; i++) {
        make_window(&seed, &arena, BASE - (int64_t)next(&seed), &windows[i]);
        phu_record_put(&bytes, i * 1000, &windows[i]);
    }
    cut = (struct phu_cut){.at = bytes.at, .end = bytes.at + bytes.size};
    for (uint32_t i = 0; phu_record_next(&cut, &record); i++) {
        assert_int_equal(record.series, i * 1000);
        assert_int_equal(phu_record_read(&record, &back), 0);
        assert_same(&back.at[i], &windows[i]);
    }
    assert_int_equal(back.count, 100);
    assert_false(cut.is_broken);
    phu_windows_fini(&back);
    phu_arena_fini(&arena);
    free(bytes.at);
}

/* A blob cut short is refused; with a bit turned it is refused or at least read within bounds. */
static void damage_is_survived(void **state)
{
    struct phu_packer *packer = phu_packer_new();
    struct phu_arena arena = {0};
    struct phu_window windows[30];
    uint64_t seed = 3;
    const uint8_t *blob;
    uint8_t *copy;
    size_t size;

    (void)state;
    for (int i = 0; i < 30; i++)
        make_window(&seed, &arena, BASE + i * MINUTE, &windows[i]);
    assert_int_equal(phu_pack(packer, BASE, windows, 30, &blob, &size), 0);
    for (size_t length = 0; length < size; length++) {
        struct phu_windows back = {0};

        copy = malloc(length + 1); /* so that reading beyond is seen */
        assert_non_null(copy);
        memcpy(copy, blob, length);
        assert_int_equal(phu_unpack(BASE, copy, length, &back), -EILSEQ);
        phu_windows_fini(&back);
        free(copy);
    }
    for (size_t bit = 0; bit < size * 8; bit += 3) {
        struct phu_windows back = {0};
        int err;

        copy = malloc(size);
        assert_non_null(copy);
        memcpy(copy, blob, size);
        copy[bit / 8] ^= (uint8_t)(1u << bit % 8);
        err = phu_unpack(BASE, copy, size, &back);
        assert_true(err == 0 || err == -EILSEQ);
        phu_windows_fini(&back);
        free(copy);
    }
    phu_arena_fini(&arena);
    phu_packer_free(packer);
}

/* In any grouping the sum is the same. */
static void sums_do_not_depend_on_grouping(void **state)
{
    static const enum phu_how hows[] = {PHU_HOW_SUM,    PHU_HOW_MIN,   PHU_HOW_MAX,
                                        PHU_HOW_LATEST, PHU_HOW_GAUGE, PHU_HOW_STATS};
    struct phu_fold *whole = phu_fold_new(), *part = phu_fold_new(), *parts = phu_fold_new();
    struct phu_window one, two;
    uint64_t seed = 5;

    (void)state;
    for (int i = 0; i < 60; i++) {
        struct phu_bucket bucket = {.index = (uint32_t)(next(&seed) % 9), .count = 1};
        struct phu_cell cells[7];
        struct phu_window window = {.time_ns = BASE + i * MINUTE, .cells = cells, .count = 7};

        for (uint32_t j = 0; j < 6; j++)
            cells[j] = (struct phu_cell){.column = PHU_COLUMN(j + 1, hows[j], PHU_CELL_INT),
                                         .i = (int64_t)(next(&seed) % 1000)};
        cells[6] = (struct phu_cell){
            .column = PHU_COLUMN(9, PHU_HOW_SUM, PHU_CELL_HIST), .buckets = &bucket, .size = 1};
        phu_fold_add(whole, &window);
        phu_fold_add(part, &window);
        if (i % 7 == 0 || i == 59) {
            phu_fold_window(part, window.time_ns, &one);
            phu_fold_add(parts, &one);
            phu_fold_reset(part);
        }
    }
    phu_fold_window(whole, BASE, &one);
    phu_fold_window(parts, BASE, &two);
    assert_same(&one, &two);
    assert_int_equal(one.count, 4 + 2 + 4 + 1);
    phu_fold_free(whole);
    phu_fold_free(part);
    phu_fold_free(parts);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_goes_in_comes_out),
        cmocka_unit_test(records_come_back_too),
        cmocka_unit_test(damage_is_survived),
        cmocka_unit_test(sums_do_not_depend_on_grouping),
    };

    return cmocka_run_group_tests_name("pack", tests, NULL, NULL);
}
