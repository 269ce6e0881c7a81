#include "health.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define INTERVAL (10 * PHU_NS_PER_S)

static const struct phu_quality fibre = {.rtt_max_ns = 50 * PHU_NS_PER_MS,
                                         .loss_max = 0.1,
                                         .loss_over = 20,
                                         .light_min_dbm = -27,
                                         .light_max_dbm = -8};

struct story {
    struct phu_state_rules rules;
    struct phu_state_track track;
    struct phu_mono now;
};

static void begin_as(struct story *story, const struct phu_quality *quality,
                     enum phu_evidence evidence)
{
    story->now.ns = 7777 * PHU_NS_PER_S + 123456;
    phu_state_rules_make(&story->rules, quality, &phu_pace_default, INTERVAL, evidence);
    phu_state_init(&story->track, &story->rules, story->now);
}

static void begin(struct story *story, const struct phu_quality *quality)
{
    begin_as(story, quality, PHU_EVIDENCE_PROBES);
}

/* One interval later. */
static enum phu_state verdict(struct story *story, enum phu_success success, int64_t rtt_us)
{
    story->now.ns += INTERVAL;
    phu_state_verdict(&story->track, success, rtt_us, story->now, story->now);
    return (enum phu_state)story->track.state;
}

/* One second later. */
static void confirm(struct story *story, enum phu_success success)
{
    story->now.ns += PHU_NS_PER_S;
    phu_state_confirm(&story->track, success, story->now, story->now);
}

/* '.' is an answer in 10 ms, 'x' a loss, '?' a probe that we could not make, 's' a slow answer; 'l'
 * a probe that is late, 'c' a confirmation that fails and 'a' one that is answered; 'u' and 'n' set
 * and take away an override; 'w' waits for 100 s. */
static enum phu_state play(struct story *story, const char *probes)
{
    for (; *probes; probes++) {
        switch (*probes) {
        case '.':
            verdict(story, PHU_SUCCESS_YES, 10000);
            break;
        case 's':
            verdict(story, PHU_SUCCESS_YES, 80000);
            break;
        case 'x':
            verdict(story, PHU_SUCCESS_NO, -1);
            break;
        case '?':
            verdict(story, PHU_SUCCESS_UNMEASURED, -1);
            break;
        case 'l':
            phu_state_late(&story->track, story->now, story->now);
            break;
        case 'c':
            confirm(story, PHU_SUCCESS_NO);
            break;
        case 'a':
            confirm(story, PHU_SUCCESS_YES);
            break;
        case 'u':
            phu_state_override(&story->track, PHU_STATE_UNREACHABLE, story->now);
            break;
        case 'n':
            phu_state_override(&story->track, PHU_STATE_NONE, story->now);
            break;
        case 'w':
            story->now.ns += 100 * PHU_NS_PER_S;
            phu_state_advance(&story->track, story->now);
            break;
        default:
            fail_msg("'%c' is not in the alphabet", *probes);
        }
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

/* A device that fails is asked every five minutes at last; that is no reason to forget it. */
static void who_is_down_and_asked_seldom_stays_down(void **state)
{
    struct story story;

    (void)state;
    begin_as(&story, &fibre, PHU_EVIDENCE_REPEATED);
    assert_int_equal(play(&story, "..xx"), PHU_STATE_DOWN);
    assert_int_equal(play(&story, "www"), PHU_STATE_DOWN);
    assert_int_equal(play(&story, "xwww"), PHU_STATE_DOWN);
    assert_int_equal(play(&story, "wwww"), PHU_STATE_UNKNOWN);
    assert_int_equal(play(&story, ".."), PHU_STATE_UP);
    assert_int_equal(play(&story, "w"), PHU_STATE_UNKNOWN);
    begin(&story, &fibre);
    assert_int_equal(play(&story, "..xxxxxx"), PHU_STATE_DOWN);
    assert_int_equal(play(&story, "w"), PHU_STATE_UNKNOWN);
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
    quality.down_after = 3;
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

static void do_anything(struct story *story, uint64_t chance)
{
    enum phu_success success = (enum phu_success)((chance >> 4) % 3);

    switch (chance % 12) {
    case 0:
        phu_state_late(&story->track, story->now, story->now);
        break;
    case 1:
    case 2:
    case 3:
        phu_state_confirm(&story->track, success, story->now, story->now);
        break;
    case 4:
        phu_state_override(&story->track, (enum phu_state)(3 + (chance >> 4) % 3), story->now);
        break;
    case 5:
        phu_state_maintain(&story->track, chance >> 4 & 1, story->now);
        break;
    case 6:
        phu_state_hear(&story->track, PHU_HEARD_LIGHT, -30.0 + (double)(chance >> 4 & 7),
                       story->now);
        break;
    default:
        phu_state_verdict(&story->track, success, 20000, story->now, story->now);
    }
}

static void milliseconds_add_up_whatever_happens(void **state)
{
    uint64_t chance = 99;
    struct story story;
    int64_t began, total = 0;

    (void)state;
    begin_as(&story, &fibre, PHU_EVIDENCE_CONFIRMED);
    began = phu_mono_ms(story.now);
    for (int i = 0; i < 100000; i++) {
        chance = chance * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        story.now.ns += (int64_t)(chance >> 40) * 1009; /* up to 17 s, any nanosecond */
        if (chance >> 33 & 3) {
            do_anything(&story, chance >> 36);
        } else { /* a window ends */
            phu_state_advance(&story.track, story.now);
            total += sum_ms(&story.track);
            assert_true(story.track.good_ms <=
                        story.track.ms[PHU_STATE_UP] + story.track.ms[PHU_STATE_DEGRADED]);
            assert_true(story.track.maintained_ms <= sum_ms(&story.track));
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
    phu_state_verdict(&story.track, PHU_SUCCESS_NO, -1, story.now,
                      phu_mono_add(story.now, -5 * PHU_NS_PER_S));
    assert_int_equal(sum_ms(&story.track), before);
}

static void another_profile_applies_from_the_next_verdict(void **state)
{
    struct phu_quality strict = fibre;
    struct phu_state_rules stricter;
    struct story story;

    (void)state;
    begin(&story, &fibre);
    assert_int_equal(play(&story, "...."), PHU_STATE_UP);
    strict.rtt_max_ns = 5 * PHU_NS_PER_MS;
    phu_state_rules_make(&stricter, &strict, &phu_pace_default, INTERVAL, PHU_EVIDENCE_PROBES);
    phu_state_adjust(&story.track, &stricter);
    assert_int_equal(story.track.state, PHU_STATE_UP);
    assert_int_equal(play(&story, "."), PHU_STATE_DEGRADED);
}

static void confirmations_lead_to_states(void **state)
{
    static const struct {
        const char *probes;
        enum phu_state expected;
        bool wants;
    } cases[] = {
        {".", PHU_STATE_UP, false},
        {".x", PHU_STATE_UP, true},
        {".xcc", PHU_STATE_UP, true},
        {".xccc", PHU_STATE_DOWN, false}, /* the loss itself is no confirmation */
        {".xcca", PHU_STATE_UP, false},
        {".xca", PHU_STATE_UP, false},
        {".xcaxcc", PHU_STATE_UP, true}, /* each suspicion by itself */
        {".xc.", PHU_STATE_UP, false},
        {".xc.cc", PHU_STATE_UP, true},
        {".l", PHU_STATE_UP, true},
        {".l.", PHU_STATE_UP, false},
        {".lccc", PHU_STATE_UP, true}, /* the late probe may still be answered */
        {".lccc.", PHU_STATE_UP, false},
        {".lcccx", PHU_STATE_DOWN, false},
        {".lccxc", PHU_STATE_DOWN, false},
        {".lax", PHU_STATE_UP, false}, /* it was lost, and what came after was not */
        {".laxx", PHU_STATE_UP, true},
        {".la.x", PHU_STATE_UP, true},
        {".laxlccc", PHU_STATE_UP, true},
        {".laxlcccx", PHU_STATE_DOWN, false},
        {".lccc?", PHU_STATE_UNKNOWN, false},
        {"l", PHU_STATE_UNKNOWN, false}, /* nobody knows how long its answers take */
        {"x", PHU_STATE_UNKNOWN, true},
        {"xccc", PHU_STATE_DOWN, false},
        {".ccc", PHU_STATE_DOWN, false}, /* asked by somebody else */
        {".cc", PHU_STATE_UP, true},
        {".a", PHU_STATE_UP, false},
        {".xxx", PHU_STATE_DEGRADED, true}, /* nobody confirms: */
        {".xxxx", PHU_STATE_DOWN, false},
        {".xxxcxxx", PHU_STATE_DEGRADED, true}, /* somebody does, if slowly */
        {".xccc.", PHU_STATE_DOWN, true},
        {".xccc.aa", PHU_STATE_UP, false},
        {".xccc..", PHU_STATE_DOWN, true},
        {".xccc...", PHU_STATE_UP, false},
        {".xccc.ac", PHU_STATE_DOWN, false},
        {".xccc.ac.a", PHU_STATE_DOWN, true},
        {".xccc?", PHU_STATE_UNKNOWN, false},
        {".xccc?.", PHU_STATE_UP, false},
        {".xcccw", PHU_STATE_UNKNOWN, false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct story story;

        begin_as(&story, &fibre, PHU_EVIDENCE_CONFIRMED);
        if (play(&story, cases[i].probes) != cases[i].expected)
            fail_msg("\"%s\" leads to %s, not %s", cases[i].probes,
                     phu_state_name((enum phu_state)story.track.state),
                     phu_state_name(cases[i].expected));
        if (phu_state_wants(&story.track) != cases[i].wants)
            fail_msg("\"%s\" wants %s", cases[i].probes, cases[i].wants ? "nothing" : "more");
    }
}

static void k_of_n_confirmations_make_down(void **state)
{
    struct phu_quality quality = fibre;
    struct story story;

    (void)state;
    quality.down_after = 3;
    quality.down_of = 5;
    begin_as(&story, &quality, PHU_EVIDENCE_CONFIRMED);
    assert_int_equal(play(&story, ".xcaca"), PHU_STATE_UP);
    assert_true(phu_state_wants(&story.track));
    assert_int_equal(play(&story, "c"), PHU_STATE_DOWN);
    begin_as(&story, &quality, PHU_EVIDENCE_CONFIRMED);
    assert_int_equal(play(&story, ".xcacaa"), PHU_STATE_UP);
    assert_false(phu_state_wants(&story.track));
}

static void failing_begins_with_the_first_lost_probe(void **state)
{
    struct story story;
    int64_t began;

    (void)state;
    begin_as(&story, &fibre, PHU_EVIDENCE_CONFIRMED);
    play(&story, "....");
    began = phu_mono_ms(story.now);
    play(&story, "lcccx");
    assert_int_equal(story.track.state, PHU_STATE_DOWN);
    assert_int_equal(story.track.failing_ms, began);
    play(&story, "xx.x"); /* while it is down, and not when it answers once */
    assert_int_equal(story.track.failing_ms, began);
    play(&story, ".aa");
    assert_int_equal(story.track.failing_ms, 0);
}

static void an_override_explains_what_does_not_answer(void **state)
{
    static const struct {
        const char *probes;
        enum phu_state own, shown;
    } cases[] = {
        {".u", PHU_STATE_UP, PHU_STATE_UP},
        {".uxc", PHU_STATE_DOWN, PHU_STATE_UNREACHABLE}, /* explained, so less proof is needed */
        {".ux", PHU_STATE_UP, PHU_STATE_UP},
        {".xcu", PHU_STATE_DOWN, PHU_STATE_UNREACHABLE},
        {".xccc", PHU_STATE_DOWN, PHU_STATE_DOWN},
        {".xcccu", PHU_STATE_DOWN, PHU_STATE_UNREACHABLE},
        {".xcccu.aa", PHU_STATE_UP, PHU_STATE_UP},
        {".xcccun", PHU_STATE_DOWN, PHU_STATE_UNREACHABLE}, /* until it is confirmed anew */
        {".xcccuncc", PHU_STATE_DOWN, PHU_STATE_UNREACHABLE},
        {".xcccunccc", PHU_STATE_DOWN, PHU_STATE_DOWN},
        {".xcccunxxx", PHU_STATE_DOWN, PHU_STATE_UNREACHABLE},
        {".xcccunaaa", PHU_STATE_UP, PHU_STATE_UP},
        {".xcccunaaa.xccc", PHU_STATE_DOWN, PHU_STATE_DOWN}, /* it is gone */
        {".xcccunuccc", PHU_STATE_DOWN, PHU_STATE_UNREACHABLE},
        {".xcccu?", PHU_STATE_UNKNOWN, PHU_STATE_UNREACHABLE},
        {".xcccun?", PHU_STATE_UNKNOWN, PHU_STATE_UNKNOWN},
        {".un", PHU_STATE_UP, PHU_STATE_UP},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct story story;

        begin_as(&story, &fibre, PHU_EVIDENCE_CONFIRMED);
        play(&story, cases[i].probes);
        if ((enum phu_state)story.track.state != cases[i].own ||
            phu_state_shown(&story.track) != cases[i].shown)
            fail_msg("\"%s\" leads to %s, shown as %s", cases[i].probes,
                     phu_state_name((enum phu_state)story.track.state),
                     phu_state_name(phu_state_shown(&story.track)));
    }
}

/* Down and up again. */
static void flap(struct story *story, int times)
{
    for (int i = 0; i < times; i++)
        play(story, "xccc.aa");
}

static void who_comes_and_goes_is_flapping(void **state)
{
    struct story story;

    (void)state;
    begin_as(&story, &fibre, PHU_EVIDENCE_CONFIRMED);
    play(&story, "..");
    flap(&story, 3); /* six changes */
    assert_false(story.track.is_flapping);
    assert_int_equal(story.track.state, PHU_STATE_UP);
    flap(&story, 1);
    assert_true(story.track.is_flapping);
    assert_int_equal(story.track.state, PHU_STATE_DOWN); /* held */
    assert_int_equal(story.track.raw, PHU_STATE_UP);
    phu_state_reset(&story.track);
    play(&story, "............................"); /* 280 s */
    assert_int_equal(story.track.state, PHU_STATE_DOWN);
    assert_int_equal(story.track.good_ms, 0);
    play(&story, "...");
    assert_int_equal(story.track.state, PHU_STATE_UP);
    assert_false(story.track.is_flapping);
    flap(&story, 3); /* forgotten */
    assert_false(story.track.is_flapping);
}

static void slow_changes_are_no_flapping(void **state)
{
    struct story story;

    (void)state;
    begin_as(&story, &fibre, PHU_EVIDENCE_CONFIRMED);
    for (int i = 0; i < 100; i++) { /* two changes in 223 s: less than seven in ten minutes */
        play(&story, "xccc...........");
        play(&story, "..........");
        assert_false(story.track.is_flapping);
    }
}

static void a_flapping_subject_that_stays_down_is_down(void **state)
{
    struct story story;

    (void)state;
    begin_as(&story, &fibre, PHU_EVIDENCE_CONFIRMED);
    flap(&story, 5);
    assert_true(story.track.is_flapping);
    play(&story, "xccc");
    for (int i = 0; i < 31; i++)
        play(&story, "x");
    assert_false(story.track.is_flapping);
    assert_int_equal(story.track.state, PHU_STATE_DOWN);
    play(&story, ".aa");
    assert_int_equal(story.track.state, PHU_STATE_UP);
}

static void hear_light(struct story *story, double dbm)
{
    phu_state_hear(&story->track, PHU_HEARD_LIGHT, dbm, story->now);
}

static void poor_light_is_degraded(void **state)
{
    struct story story;

    (void)state;
    begin(&story, &fibre);
    hear_light(&story, -30); /* before anything is known */
    assert_int_equal(story.track.state, PHU_STATE_UNKNOWN);
    assert_int_equal(play(&story, ".."), PHU_STATE_DEGRADED);
    assert_false(story.track.is_good);
    hear_light(&story, -26.5); /* not clearly better */
    assert_int_equal(story.track.state, PHU_STATE_DEGRADED);
    hear_light(&story, -25.9);
    assert_int_equal(story.track.state, PHU_STATE_UP);
    hear_light(&story, -26.5); /* not worse than the limit */
    assert_int_equal(story.track.state, PHU_STATE_UP);
    hear_light(&story, -7); /* too much of it */
    assert_int_equal(story.track.state, PHU_STATE_DEGRADED);
    /* What was heard ten minutes ago says nothing. */
    for (int i = 0; i < 60; i++)
        assert_int_equal(play(&story, "."), PHU_STATE_DEGRADED);
    assert_int_equal(play(&story, ".."), PHU_STATE_UP);
}

static void a_limit_is_not_crossed_to_and_fro(void **state)
{
    struct story story;

    (void)state;
    begin(&story, &fibre);
    assert_int_equal(play(&story, "x.x.x."), PHU_STATE_DEGRADED);           /* three of twenty */
    assert_int_equal(play(&story, "................"), PHU_STATE_DEGRADED); /* two: at the limit */
    assert_int_equal(play(&story, "."), PHU_STATE_UP);
}

static void patience_follows_the_round_trip(void **state)
{
    struct story story;

    (void)state;
    begin(&story, &fibre);
    assert_true(phu_state_patience_ns(&story.track) == INT64_MAX);
    play(&story, ".");
    assert_int_equal(phu_state_patience_ns(&story.track), PHU_PATIENCE_NS);
    play(&story, "ssssssssssssssssssssssssssssss");
    assert_in_range(phu_state_patience_ns(&story.track), 314 * PHU_NS_PER_MS, 321 * PHU_NS_PER_MS);
    play(&story, "xxx");
    assert_true(phu_state_patience_ns(&story.track) == INT64_MAX);
}

static void maintenance_is_counted_beside_the_states(void **state)
{
    struct story story;

    (void)state;
    begin(&story, &fibre);
    play(&story, "..");
    phu_state_reset(&story.track);
    phu_state_maintain(&story.track, true, story.now);
    play(&story, "..xx");
    phu_state_maintain(&story.track, false, story.now);
    play(&story, ".");
    assert_int_equal(story.track.maintained_ms, 40000);
    assert_int_equal(sum_ms(&story.track), 50000);
}

static const struct phu_wall wall = {1795464000 * PHU_NS_PER_S};

/* The next run begins `gap_s` later, its monotonic clock anywhere. */
static void restart(struct story *story, int64_t gap_s)
{
    struct phu_health_saved saved;

    if (!phu_health_save(&story->track, story->now, wall, &saved))
        saved = (struct phu_health_saved){.state = PHU_STATE_UNKNOWN};
    story->now.ns = 99 * PHU_NS_PER_S;
    phu_state_init(&story->track, &story->rules, story->now);
    phu_health_restore(&story->track, &saved, story->now,
                       (struct phu_wall){wall.ns + gap_s * PHU_NS_PER_S});
}

static void a_restart_goes_on_where_it_was(void **state)
{
    struct story story;

    (void)state;
    begin_as(&story, &fibre, PHU_EVIDENCE_CONFIRMED);
    play(&story, "..xcccx");
    restart(&story, 5);
    assert_int_equal(story.track.state, PHU_STATE_DOWN);
    assert_int_equal(story.track.failing_ms, (99 - 5 - 13) * 1000);
    assert_int_equal(play(&story, ".aa"), PHU_STATE_UP);
    assert_int_equal(sum_ms(&story.track), 12000);
}

static void after_a_long_stop_nothing_is_known(void **state)
{
    struct story story;

    (void)state;
    begin_as(&story, &fibre, PHU_EVIDENCE_CONFIRMED);
    play(&story, "..xccc");
    restart(&story, 3600);
    assert_int_equal(story.track.state, PHU_STATE_UNKNOWN);
    assert_int_equal(play(&story, "."), PHU_STATE_UP);
}

static void who_was_flapping_is_after_a_restart(void **state)
{
    struct story story;

    (void)state;
    begin_as(&story, &fibre, PHU_EVIDENCE_CONFIRMED);
    flap(&story, 4);
    assert_true(story.track.is_flapping);
    restart(&story, 5);
    assert_true(story.track.is_flapping);
    assert_int_equal(story.track.state, PHU_STATE_DOWN);
    assert_int_equal(play(&story, "."), PHU_STATE_DOWN);
}

static void what_cannot_be_is_not_restored(void **state)
{
    static const struct phu_health_saved cases[] = {
        {.state = 9, .told_ms = 1795464000000},
        {.state = PHU_STATE_UNREACHABLE, .told_ms = 1795464000000},
        {.state = PHU_STATE_UP, .held = 7, .told_ms = 1795464000000},
        {.state = PHU_STATE_DOWN, .told_ms = 1795464009000}, /* in the future */
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct story story;

        begin_as(&story, &fibre, PHU_EVIDENCE_CONFIRMED);
        phu_health_restore(&story.track, &cases[i], story.now, wall);
        assert_int_equal(story.track.state, PHU_STATE_UNKNOWN);
        assert_int_equal(story.track.failing_ms, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_is_down_and_asked_seldom_stays_down),
        cmocka_unit_test(probes_lead_to_states),
        cmocka_unit_test(k_of_n_failures_make_down),
        cmocka_unit_test(the_default_profile_never_degrades),
        cmocka_unit_test(silence_becomes_unknown_after_two_and_a_half_intervals),
        cmocka_unit_test(good_time_is_stricter_than_up),
        cmocka_unit_test(milliseconds_add_up_whatever_happens),
        cmocka_unit_test(time_that_runs_backwards_counts_nothing),
        cmocka_unit_test(another_profile_applies_from_the_next_verdict),
        cmocka_unit_test(confirmations_lead_to_states),
        cmocka_unit_test(k_of_n_confirmations_make_down),
        cmocka_unit_test(failing_begins_with_the_first_lost_probe),
        cmocka_unit_test(an_override_explains_what_does_not_answer),
        cmocka_unit_test(who_comes_and_goes_is_flapping),
        cmocka_unit_test(slow_changes_are_no_flapping),
        cmocka_unit_test(a_flapping_subject_that_stays_down_is_down),
        cmocka_unit_test(poor_light_is_degraded),
        cmocka_unit_test(a_limit_is_not_crossed_to_and_fro),
        cmocka_unit_test(patience_follows_the_round_trip),
        cmocka_unit_test(maintenance_is_counted_beside_the_states),
        cmocka_unit_test(a_restart_goes_on_where_it_was),
        cmocka_unit_test(after_a_long_stop_nothing_is_known),
        cmocka_unit_test(who_was_flapping_is_after_a_restart),
        cmocka_unit_test(what_cannot_be_is_not_restored),
    };

    return cmocka_run_group_tests_name("state", tests, NULL, NULL);
}
