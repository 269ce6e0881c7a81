#include "state.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define INTERVAL (10 * PHU_NS_PER_S)

static const struct phu_quality fibre = {.rtt_max_ns = 50 * PHU_NS_PER_MS,
                                         .loss_max = 0.1,
                                         .loss_over = 20,
                                         .down_after = 3,
                                         .up_after = 2};

struct story {
    struct phu_state_track track;
    struct phu_mono now;
};

static void begin(struct story *story, const struct phu_quality *quality)
{
    story->now.ns = 7777 * PHU_NS_PER_S + 123456;
    phu_state_init(&story->track, quality, INTERVAL, story->now);
}

/* One interval later. */
static enum phu_state verdict(struct story *story, enum phu_success success, int64_t rtt_us)
{
    story->now.ns += INTERVAL;
    phu_state_verdict(&story->track, success, rtt_us, story->now);
    return (enum phu_state)story->track.state;
}

/* '.' is an answer in 10 ms, 'x' a loss, '?' a probe that we could not make, 's' a slow answer. */
static enum phu_state play(struct story *story, const char *probes)
{
    for (; *probes; probes++) {
        if (*probes == '.')
            verdict(story, PHU_SUCCESS_YES, 10000);
        else if (*probes == 's')
            verdict(story, PHU_SUCCESS_YES, 80000);
        else
            verdict(story, *probes == 'x' ? PHU_SUCCESS_NO : PHU_SUCCESS_UNMEASURED, -1);
    }
    return (enum phu_state)story->track.state;
}

static int64_t sum_ms(const struct phu_state_track *track)
{
    int64_t sum = 0;

    for (int state = 0; state < PHU_STATE_COUNT; state++)
        sum += track->ms[state];
    return sum;
}

static void probes_lead_to_states(void **state)
{
    static const struct {
        const char *probes;
        enum phu_state expected;
    } cases[] = {
        {"", PHU_STATE_UNKNOWN},
        {".", PHU_STATE_UP},
        {"x", PHU_STATE_UNKNOWN}, /* nothing is known yet, and one loss is not proof */
        {"xx", PHU_STATE_UNKNOWN},
        {"xxx", PHU_STATE_DOWN},
        {".x", PHU_STATE_UP},
        {".xx", PHU_STATE_UP},
        {".xxx", PHU_STATE_DOWN},
        {".xxx.", PHU_STATE_DOWN},
        {".xxx.x", PHU_STATE_DOWN},
        {".xxx..", PHU_STATE_UP}, /* up, not degraded: the outage is not loss as well */
        {".xx.xx.", PHU_STATE_DEGRADED},
        {".x.x", PHU_STATE_UP}, /* 2 of 20 are 10 % */
        {".x.x.x", PHU_STATE_DEGRADED},
        {".x.x.x....................", PHU_STATE_UP},
        {"s", PHU_STATE_DEGRADED},
        {"......s", PHU_STATE_UP}, /* a single slow answer */
        {"......ssssssss", PHU_STATE_DEGRADED},
        {"ssssssss......................", PHU_STATE_UP},
        {".?", PHU_STATE_UNKNOWN},
        {".?.", PHU_STATE_UP},
        {".xxx?", PHU_STATE_UNKNOWN}, /* not measured is not down */
        {".xxx?x", PHU_STATE_DOWN},
        {"x?x?x", PHU_STATE_DOWN},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct story story;

        begin(&story, &fibre);
        if (play(&story, cases[i].probes) != cases[i].expected)
            fail_msg("\"%s\" leads to %s, not %s", cases[i].probes,
                     phu_state_name((enum phu_state)story.track.state),
                     phu_state_name(cases[i].expected));
    }
}

static void k_of_n_failures_make_down(void **state)
{
    struct phu_quality quality = fibre;
    struct story story;

    (void)state;
    quality.down_of = 6;
    quality.loss_max = 1;
    begin(&story, &quality);
    assert_int_equal(play(&story, "..x.x.x"), PHU_STATE_DOWN); /* 3 of the last 5 */
    begin(&story, &quality);
    assert_int_equal(play(&story, "..x..x...x"), PHU_STATE_UP); /* 2 of the last 6 */
}

static void the_default_profile_never_degrades(void **state)
{
    struct story story;

    (void)state;
    begin(&story, &phu_quality_default);
    assert_int_equal(play(&story, "sxxsxxsxxsxx"), PHU_STATE_UP);
}

static void silence_becomes_unknown_after_two_and_a_half_intervals(void **state)
{
    struct story story;

    (void)state;
    begin(&story, &fibre);
    play(&story, "...");
    phu_state_reset(&story.track);
    story.now.ns += 100 * PHU_NS_PER_S;
    assert_int_equal(phu_state_at(&story.track, story.now), PHU_STATE_UNKNOWN);
    assert_int_equal(story.track.state, PHU_STATE_UP); /* looking changes nothing */
    phu_state_advance(&story.track, story.now);
    assert_int_equal(story.track.ms[PHU_STATE_UP], 25000);
    assert_int_equal(story.track.good_ms, 25000);
    assert_int_equal(story.track.ms[PHU_STATE_UNKNOWN], 75000);
    /* Losses before the gap do not count with those after it. */
    begin(&story, &fibre);
    play(&story, ".xx");
    story.now.ns += 100 * PHU_NS_PER_S;
    assert_int_equal(play(&story, "x"), PHU_STATE_UNKNOWN);
}

static void good_time_is_stricter_than_up(void **state)
{
    struct story story;

    (void)state;
    begin(&story, &fibre);
    play(&story, "..........");
    phu_state_reset(&story.track);
    play(&story, "x.s."); /* up throughout; not good after the loss and after the slow one */
    assert_int_equal(story.track.ms[PHU_STATE_UP], 40000);
    assert_int_equal(story.track.good_ms, 20000);
}

static void milliseconds_add_up_whatever_happens(void **state)
{
    uint64_t chance = 99;
    struct story story;
    int64_t began, total = 0;

    (void)state;
    begin(&story, &fibre);
    began = phu_mono_ms(story.now);
    for (int i = 0; i < 100000; i++) {
        chance = chance * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        story.now.ns += (int64_t)(chance >> 40) * 1009; /* up to 17 s, any nanosecond */
        if (chance >> 33 & 3) {
            phu_state_verdict(&story.track, (enum phu_success)((chance >> 36) % 3), 20000,
                              story.now);
        } else { /* a window ends */
            phu_state_advance(&story.track, story.now);
            total += sum_ms(&story.track);
            assert_true(story.track.good_ms <= story.track.ms[PHU_STATE_UP]);
            phu_state_reset(&story.track);
        }
    }
    phu_state_advance(&story.track, story.now);
    assert_int_equal(total + sum_ms(&story.track), phu_mono_ms(story.now) - began);
}

static void time_that_runs_backwards_counts_nothing(void **state)
{
    struct story story;
    int64_t before;

    (void)state;
    begin(&story, &fibre);
    play(&story, "....");
    before = sum_ms(&story.track);
    phu_state_verdict(&story.track, PHU_SUCCESS_NO, -1, phu_mono_add(story.now, -5 * PHU_NS_PER_S));
    assert_int_equal(sum_ms(&story.track), before);
}

static void another_profile_applies_from_the_next_verdict(void **state)
{
    struct phu_quality strict = fibre;
    struct story story;

    (void)state;
    begin(&story, &fibre);
    assert_int_equal(play(&story, "...."), PHU_STATE_UP);
    strict.rtt_max_ns = 5 * PHU_NS_PER_MS;
    phu_state_adjust(&story.track, &strict, INTERVAL);
    assert_int_equal(story.track.state, PHU_STATE_UP);
    assert_int_equal(play(&story, "."), PHU_STATE_DEGRADED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(probes_lead_to_states),
        cmocka_unit_test(k_of_n_failures_make_down),
        cmocka_unit_test(the_default_profile_never_degrades),
        cmocka_unit_test(silence_becomes_unknown_after_two_and_a_half_intervals),
        cmocka_unit_test(good_time_is_stricter_than_up),
        cmocka_unit_test(milliseconds_add_up_whatever_happens),
        cmocka_unit_test(time_that_runs_backwards_counts_nothing),
        cmocka_unit_test(another_profile_applies_from_the_next_verdict),
    };

    return cmocka_run_group_tests_name("state", tests, NULL, NULL);
}
