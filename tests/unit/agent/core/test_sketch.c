#include "sketch.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static uint64_t chance = 20261123;

static uint32_t next_random(void)
{
    chance = chance * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(chance >> 32);
}

/* From 1 to 10^9, as many in each decade. */
static double random_value(void)
{
    return pow(10, (double)next_random() / UINT32_MAX * 9);
}

static int compare(const void *a, const void *b)
{
    double left = *(const double *)a, right = *(const double *)b;

    return (left > right) - (left < right);
}

static void quantiles_are_within_five_percent(void **state)
{
    enum { COUNT = 20000 };
    static const double shares[] = {0, 0.01, 0.25, 0.5, 0.75, 0.95, 0.99, 0.999, 1};
    double *values = calloc(COUNT, sizeof *values);
    struct phu_sketch sketch = {0};

    (void)state;
    for (int i = 0; i < COUNT; i++)
        phu_sketch_add(&sketch, values[i] = random_value());
    qsort(values, COUNT, sizeof *values, compare);
    for (size_t i = 0; i < sizeof shares / sizeof *shares; i++) {
        double exact = values[(size_t)floor(shares[i] * (COUNT - 1))];
        double found = phu_sketch_quantile(&sketch, shares[i]);

        assert_true(fabs(found - exact) <= exact * (PHU_SKETCH_ACCURACY + 1e-9));
    }
    phu_sketch_fini(&sketch);
    free(values);
}

static void each_bucket_stands_for_its_values(void **state)
{
    (void)state;
    for (int i = 0; i < 100000; i++) {
        double value = random_value();
        double stands = phu_sketch_value(phu_sketch_index(value));

        assert_true(fabs(stands - value) <= value * (PHU_SKETCH_ACCURACY + 1e-9));
    }
    assert_int_equal(phu_sketch_index(0), 0);
    assert_int_equal(phu_sketch_index(-3), 0);
    assert_int_equal(phu_sketch_index(NAN), 0);
    assert_int_equal(phu_sketch_index(1), 0);
    assert_int_equal(phu_sketch_index(1.01), 1);
    assert_int_equal(phu_sketch_index_int(INT64_MIN), 0);
    assert_int_equal(phu_sketch_index_int(INT64_MAX), phu_sketch_index(9223372036854775807.0));
}

static void integers_take_the_same_bucket_without_logarithm(void **state)
{
    (void)state;
    for (int64_t value = 0; value < 100000; value++)
        assert_int_equal(phu_sketch_index_int(value), phu_sketch_index((double)value));
    for (int index = 1; index < 240; index++) { /* around every edge, past 32 bits */
        int64_t edge = (int64_t)pow(PHU_SKETCH_GAMMA, index);

        for (int64_t value = edge - 2; value <= edge + 2; value++)
            assert_int_equal(phu_sketch_index_int(value), phu_sketch_index((double)value));
    }
    for (int i = 0; i < 100000; i++) {
        int64_t value = next_random() >> (next_random() % 32);

        assert_int_equal(phu_sketch_index_int(value), phu_sketch_index((double)value));
    }
}

static void assert_same(const struct phu_sketch *a, const struct phu_sketch *b)
{
    size_t place_a = 0, place_b = 0;
    int index_a, index_b;
    int64_t count_a, count_b;

    while (phu_sketch_next(a, &place_a, &index_a, &count_a)) {
        assert_true(phu_sketch_next(b, &place_b, &index_b, &count_b));
        assert_int_equal(index_a, index_b);
        assert_int_equal(count_a, count_b);
    }
    assert_false(phu_sketch_next(b, &place_b, &index_b, &count_b));
}

static void merging_is_the_union_in_any_order(void **state)
{
    (void)state;
    for (int round = 0; round < 200; round++) {
        struct phu_sketch parts[4] = {0}, forward = {0}, backward = {0}, whole = {0};

        for (uint32_t i = next_random() % 300; i > 0; i--) {
            double value = random_value();

            phu_sketch_add(&whole, value);
            phu_sketch_add(&parts[next_random() % 4], value);
        }
        for (int i = 0; i < 4; i++) {
            phu_sketch_merge(&forward, &parts[i]);
            phu_sketch_merge(&backward, &parts[3 - i]);
        }
        assert_same(&whole, &forward);
        assert_same(&whole, &backward);
        assert_int_equal(phu_sketch_count(&whole), phu_sketch_count(&forward));
        for (int i = 0; i < 4; i++)
            phu_sketch_fini(&parts[i]);
        phu_sketch_fini(&forward);
        phu_sketch_fini(&backward);
        phu_sketch_fini(&whole);
    }
}

static void counts_beyond_sixteen_bits(void **state)
{
    struct phu_sketch sketch = {0}, twice = {0};
    size_t place = 0;
    int index;
    int64_t count;

    (void)state;
    for (int i = 0; i < 200000; i++)
        phu_sketch_add_int(&sketch, 1000);
    phu_sketch_add_int(&sketch, 10);
    phu_sketch_add_int(&sketch, 100000);
    phu_sketch_merge(&twice, &sketch);
    phu_sketch_merge(&twice, &sketch);
    assert_int_equal(phu_sketch_count(&sketch), 200002);
    assert_true(phu_sketch_next(&twice, &place, &index, &count));
    assert_int_equal(count, 2);
    assert_true(phu_sketch_next(&twice, &place, &index, &count));
    assert_int_equal(index, phu_sketch_index(1000));
    assert_int_equal(count, 400000);
    assert_true(phu_sketch_next(&twice, &place, &index, &count));
    assert_false(phu_sketch_next(&twice, &place, &index, &count));
    phu_sketch_fini(&sketch);
    phu_sketch_fini(&twice);
}

static void few_values_need_no_heap(void **state)
{
    struct phu_sketch sketch = {0};

    (void)state;
    assert_true(sizeof sketch <= 32);
    for (int i = 0; i < PHU_SKETCH_HERE; i++)
        phu_sketch_add(&sketch, pow(2, i));
    assert_int_equal(sketch.capacity, 0);
    phu_sketch_add(&sketch, 1e6);
    assert_true(sketch.capacity > 0);
    phu_sketch_reset(&sketch); /* well used: kept */
    assert_true(sketch.capacity > 0);
    assert_int_equal(phu_sketch_count(&sketch), 0);
    phu_sketch_add(&sketch, 5);
    phu_sketch_reset(&sketch); /* hardly used: given back */
    assert_int_equal(sketch.capacity, 0);
    assert_true(isnan(phu_sketch_quantile(&sketch, 0.5)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(quantiles_are_within_five_percent),
        cmocka_unit_test(each_bucket_stands_for_its_values),
        cmocka_unit_test(integers_take_the_same_bucket_without_logarithm),
        cmocka_unit_test(merging_is_the_union_in_any_order),
        cmocka_unit_test(counts_beyond_sixteen_bits),
        cmocka_unit_test(few_values_need_no_heap),
    };

    return cmocka_run_group_tests_name("sketch", tests, NULL, NULL);
}
