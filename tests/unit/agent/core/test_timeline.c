#include "timeline.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define WINDOW (60 * PHU_NS_PER_S)
#define MONO (1000 * PHU_NS_PER_S)
#define NOON (INT64_C(1795435200) * PHU_NS_PER_S) /* a whole minute */

static struct phu_wall wall_of(int64_t ns)
{
    return (struct phu_wall){ns};
}

static struct phu_mono mono_of(int64_t ns)
{
    return (struct phu_mono){ns};
}

static const struct phu_segment *last(const struct phu_timeline *timeline)
{
    return phu_timeline_segment(timeline, timeline->last);
}

static void segments_begin_at_whole_minutes(void **state)
{
    struct phu_timeline timeline;
    int64_t passed = 0;

    (void)state;
    phu_timeline_init(&timeline, WINDOW, mono_of(MONO), wall_of(NOON + 17 * PHU_NS_PER_S));
    assert_int_equal(last(&timeline)->stamp.ns, NOON + 17 * PHU_NS_PER_S);
    passed = 42 * PHU_NS_PER_S;
    assert_false(phu_timeline_advance(&timeline, mono_of(MONO + passed),
                                      wall_of(NOON + 17 * PHU_NS_PER_S + passed)));
    passed = 44 * PHU_NS_PER_S;
    assert_true(phu_timeline_advance(&timeline, mono_of(MONO + passed),
                                     wall_of(NOON + 17 * PHU_NS_PER_S + passed)));
    assert_int_equal(last(&timeline)->stamp.ns, NOON + WINDOW);
    assert_int_equal(last(&timeline)->begin.ns, MONO + 43 * PHU_NS_PER_S);
}

static void a_long_absence_gives_every_segment(void **state)
{
    struct phu_timeline timeline;
    int cuts = 0;

    (void)state;
    phu_timeline_init(&timeline, WINDOW, mono_of(MONO), wall_of(NOON));
    while (phu_timeline_advance(&timeline, mono_of(MONO + 10 * WINDOW + 5),
                                wall_of(NOON + 10 * WINDOW + 5))) {
        cuts++;
        assert_int_equal(last(&timeline)->stamp.ns, NOON + cuts * WINDOW);
        assert_int_equal(last(&timeline)->begin.ns, MONO + cuts * WINDOW);
    }
    assert_int_equal(cuts, 10);
}

static void a_step_cuts_on_the_spot(void **state)
{
    struct phu_timeline timeline;

    (void)state;
    phu_timeline_init(&timeline, WINDOW, mono_of(MONO), wall_of(NOON));
    assert_true(phu_timeline_advance(&timeline, mono_of(MONO + 20 * PHU_NS_PER_S),
                                     wall_of(NOON + 7 * WINDOW + 5 * PHU_NS_PER_S)));
    assert_int_equal(last(&timeline)->begin.ns, MONO + 20 * PHU_NS_PER_S);
    assert_int_equal(last(&timeline)->stamp.ns, NOON + 7 * WINDOW + 5 * PHU_NS_PER_S);
    assert_int_equal(phu_timeline_boundary(&timeline).ns, MONO + 75 * PHU_NS_PER_S);
    assert_int_equal(timeline.steps, 1);
}

static void after_a_step_back_no_stamp_is_used_again(void **state)
{
    struct phu_timeline timeline;
    int64_t offset = NOON - MONO, mono = MONO;

    (void)state;
    phu_timeline_init(&timeline, WINDOW, mono_of(mono), wall_of(NOON));
    mono += 10 * WINDOW;
    while (phu_timeline_advance(&timeline, mono_of(mono), wall_of(mono + offset)))
        continue;
    assert_int_equal(last(&timeline)->stamp.ns, NOON + 10 * WINDOW);
    offset -= 5 * WINDOW;
    mono += WINDOW / 2;
    assert_true(phu_timeline_advance(&timeline, mono_of(mono), wall_of(mono + offset)));
    mono += WINDOW / 2;
    assert_true(phu_timeline_advance(&timeline, mono_of(mono), wall_of(mono + offset)));
    /* Noon and six minutes again, and a little. */
    assert_in_range(last(&timeline)->stamp.ns, NOON + 6 * WINDOW + 2 * PHU_NS_PER_MS,
                    NOON + 6 * WINDOW + 9 * PHU_NS_PER_S);
    mono += 6 * WINDOW;
    while (phu_timeline_advance(&timeline, mono_of(mono), wall_of(mono + offset)))
        continue;
    /* Past what was used before: on the minute again. */
    assert_int_equal(last(&timeline)->stamp.ns, NOON + 12 * WINDOW);
}

static void a_small_correction_stretches_one_segment(void **state)
{
    struct phu_timeline timeline;
    int64_t offset = NOON - MONO - 200 * PHU_NS_PER_MS, mono = MONO + WINDOW;

    (void)state;
    phu_timeline_init(&timeline, WINDOW, mono_of(MONO), wall_of(NOON));
    assert_true(phu_timeline_advance(&timeline, mono_of(mono), wall_of(mono + offset)));
    assert_int_equal(last(&timeline)->stamp.ns, NOON + WINDOW);
    assert_int_equal(last(&timeline)->begin.ns, MONO + WINDOW);
    assert_int_equal(phu_timeline_boundary(&timeline).ns, MONO + 2 * WINDOW + 200 * PHU_NS_PER_MS);
    assert_int_equal(timeline.steps, 0);
}

static void a_run_behind_the_former_one_moves_its_stamps(void **state)
{
    struct phu_timeline timeline, other;

    (void)state;
    phu_timeline_init(&timeline, WINDOW, mono_of(MONO), wall_of(NOON));
    phu_timeline_init(&other, WINDOW, mono_of(MONO), wall_of(NOON + 1));
    phu_timeline_set_newest(&timeline, wall_of(NOON + WINDOW));
    phu_timeline_set_newest(&timeline, wall_of(NOON)); /* never backwards */
    assert_true(phu_timeline_advance(&timeline, mono_of(MONO + WINDOW), wall_of(NOON + WINDOW)));
    assert_int_equal(last(&timeline)->stamp.ns, NOON + WINDOW + timeline.shift_ns);
    assert_true(
        phu_timeline_advance(&timeline, mono_of(MONO + 2 * WINDOW), wall_of(NOON + 2 * WINDOW)));
    assert_int_equal(last(&timeline)->stamp.ns, NOON + 2 * WINDOW);
    /* Two such runs move differently. */
    assert_int_not_equal(timeline.shift_ns, other.shift_ns);
}

static void a_cut_begins_a_segment_now(void **state)
{
    struct phu_timeline timeline;

    (void)state;
    phu_timeline_init(&timeline, WINDOW, mono_of(MONO), wall_of(NOON));
    phu_timeline_cut(&timeline, mono_of(MONO)); /* nothing to cut */
    assert_int_equal(timeline.last, 0);
    phu_timeline_cut(&timeline, mono_of(MONO + 5));
    assert_int_equal(timeline.last, 1);
    assert_int_equal(last(&timeline)->stamp.ns, NOON + 5);
    assert_int_equal(phu_timeline_boundary(&timeline).ns, MONO + WINDOW);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(segments_begin_at_whole_minutes),
        cmocka_unit_test(a_long_absence_gives_every_segment),
        cmocka_unit_test(a_step_cuts_on_the_spot),
        cmocka_unit_test(after_a_step_back_no_stamp_is_used_again),
        cmocka_unit_test(a_small_correction_stretches_one_segment),
        cmocka_unit_test(a_run_behind_the_former_one_moves_its_stamps),
        cmocka_unit_test(a_cut_begins_a_segment_now),
    };

    return cmocka_run_group_tests_name("timeline", tests, NULL, NULL);
}
