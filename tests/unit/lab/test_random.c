#include "random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum { DRAWS = 200000 };

static struct lab_dice dice(uint64_t seed, uint64_t address, uint64_t number)
{
    return (struct lab_dice){.flow = lab_dice_flow(seed, address, 0), .number = number};
}

static void draws_repeat(void **state)
{
    struct lab_dice one = dice(27, 1, 5);
    struct lab_dice same = dice(27, 1, 5);

    (void)state;
    assert_true(lab_dice_bits(&one, LAB_DRAW_LOSS) == lab_dice_bits(&same, LAB_DRAW_LOSS));
}

static void every_coordinate_matters(void **state)
{
    struct lab_dice one = dice(27, 1, 5);
    struct lab_dice others[] = {dice(28, 1, 5),
                                dice(27, 2, 5),
                                dice(27, 1, 6),
                                {.flow = lab_dice_flow(27, 1, 1), .number = 5}};

    (void)state;
    for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++)
        assert_true(lab_dice_bits(&one, LAB_DRAW_LOSS) != lab_dice_bits(&others[i], LAB_DRAW_LOSS));
    assert_true(lab_dice_bits(&one, LAB_DRAW_LOSS) != lab_dice_bits(&one, LAB_DRAW_JITTER));
}

static void units_are_uniform(void **state)
{
    double sum = 0;
    double squares = 0;

    (void)state;
    for (uint64_t i = 0; i < DRAWS; i++) {
        struct lab_dice now = dice(27, i % 100, i / 100);
        double unit = lab_dice_unit(&now, LAB_DRAW_LOSS);

        assert_true(unit >= 0 && unit < 1);
        sum += unit;
        squares += unit * unit;
    }
    assert_float_equal(sum / DRAWS, 0.5, 0.005);
    assert_float_equal(squares / DRAWS, 1.0 / 3, 0.005);
}

static void normals_are_normal(void **state)
{
    double sum = 0;
    double squares = 0;
    int beyond = 0;

    (void)state;
    for (uint64_t i = 0; i < DRAWS; i++) {
        struct lab_dice now = dice(27, 3, i);
        double value = lab_dice_normal(&now);

        assert_true(value >= -4 && value <= 4);
        sum += value;
        squares += value * value;
        beyond += value > 1.959964;
    }
    assert_float_equal(sum / DRAWS, 0, 0.01);
    assert_float_equal(squares / DRAWS, 1, 0.02);
    assert_float_equal((double)beyond / DRAWS, 0.025, 0.002);
}

/* The serial correlation of one flow, where a weak generator would show. */
static void neighbours_are_independent(void **state)
{
    double sum = 0;
    double before = 0.5;

    (void)state;
    for (uint64_t i = 0; i < DRAWS; i++) {
        struct lab_dice now = dice(1, 7, i);
        double unit = lab_dice_unit(&now, LAB_DRAW_LOSS);

        sum += (unit - 0.5) * (before - 0.5);
        before = unit;
    }
    assert_float_equal(sum / DRAWS * 12, 0, 0.01);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(draws_repeat),
        cmocka_unit_test(every_coordinate_matters),
        cmocka_unit_test(units_are_uniform),
        cmocka_unit_test(normals_are_normal),
        cmocka_unit_test(neighbours_are_independent),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
