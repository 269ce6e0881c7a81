#include "checks.h"

#include "phusong/stats.h"
#include "sim.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define POLLS_MAX 4096

/* A collector that writes down when it was asked. */
struct fake {
    struct phu_sched *sched;
    struct phu_checks *checks;
    enum phu_result results[8]; /* by handle */
    bool is_slow;               /* leaves its polls without a verdict */
    size_t polls;
    struct phu_mono when[POLLS_MAX];
    struct phu_wall wall[POLLS_MAX];
    uint32_t check[POLLS_MAX];
    size_t attached;
    struct phu_check_spec spec; /* of the last one */
};

static int fake_attach(void *self, const struct phu_check_spec *spec, void **check)
{
    struct fake *fake = self;

    if (strcmp(spec->argument, "refused") == 0)
        return -22;
    fake->attached++;
    fake->spec = *spec;
    *check = (void *)(uintptr_t)spec->check;
    return 0;
}

static void fake_detach(void *self, void *check)
{
    (void)check;
    ((struct fake *)self)->attached--;
}

static void fake_poll(void *self, void *check)
{
    struct fake *fake = self;

    assert_true(fake->polls < POLLS_MAX);
    fake->when[fake->polls] = phu_sched_now(fake->sched);
    fake->wall[fake->polls] = phu_sched_wall(fake->sched);
    fake->check[fake->polls++] = (uint32_t)(uintptr_t)check;
    if (!fake->is_slow)
        phu_checks_verdict(fake->checks, (uint32_t)(uintptr_t)check,
                           fake->results[(uintptr_t)check % 8]);
}

static const struct phu_collector collector = {
    .name = "fake", .attach = fake_attach, .detach = fake_detach, .poll = fake_poll};

struct fixture {
    struct phu_stats *stats;
    struct phu_checks *checks;
    struct fake fake;
};

static int set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);

    assert_non_null(fixture);
    fixture->stats = phu_stats_new();
    fixture->fake.sched = phu_sim_new(phu_sim_wall("2026-11-23T08:00:03Z"));
    fixture->checks = phu_checks_new(fixture->fake.sched, fixture->stats, "node");
    fixture->fake.checks = fixture->checks;
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;

    for (uint32_t i = 0; i < 2048; i++)
        phu_checks_remove(fixture->checks, i);
    assert_int_equal(fixture->fake.attached, 0);
    phu_checks_free(fixture->checks);
    phu_stats_free(fixture->stats);
    phu_sim_free(fixture->fake.sched);
    free(fixture);
    return 0;
}

static int add(struct fixture *fixture, uint32_t handle, const char *id, int64_t interval_ns)
{
    const struct phu_check_spec spec = {.check = handle,
                                        .id = id,
                                        .address = "192.0.2.1",
                                        .argument = "",
                                        .credential = "",
                                        .rows = "",
                                        .interval_ns = interval_ns,
                                        .timeout_ns = PHU_NS_PER_S};

    return phu_checks_add(fixture->checks, &collector, &fixture->fake, &spec);
}

static void polls_once_per_interval_in_phase(void **state)
{
    struct fixture *fixture = *state;
    const int64_t interval = 10 * PHU_NS_PER_S;
    const int64_t phase = phu_checks_phase_ns("node", "a/icmp", interval);

    assert_int_equal(add(fixture, 1, "a/icmp", interval), 0);
    phu_sim_run(fixture->fake.sched, 100 * PHU_NS_PER_S);
    assert_int_equal(fixture->fake.polls, 10);
    for (size_t i = 0; i < 10; i++) {
        int64_t off = (fixture->fake.wall[i].ns - phase) % interval;

        assert_in_range(off, 0, PHU_SCHED_TICK_NS); /* the wheel's tick */
    }
}

static void the_phase_survives_a_restart(void **state)
{
    struct fixture *fixture = *state;
    int64_t before;

    add(fixture, 1, "a/icmp", 10 * PHU_NS_PER_S);
    phu_sim_run(fixture->fake.sched, 10 * PHU_NS_PER_S);
    before = fixture->fake.wall[0].ns;
    phu_checks_remove(fixture->checks, 1);
    phu_sim_run(fixture->fake.sched, 1234 * PHU_NS_PER_MS);
    add(fixture, 7, "a/icmp", 10 * PHU_NS_PER_S);
    phu_sim_run(fixture->fake.sched, 10 * PHU_NS_PER_S);
    assert_int_equal(fixture->fake.polls, 2);
    assert_in_range(((fixture->fake.wall[1].ns - before) % (10 * PHU_NS_PER_S) + PHU_SCHED_TICK_NS),
                    0, 2 * PHU_SCHED_TICK_NS);
}

static void phases_are_spread_evenly(void **state)
{
    enum { COUNT = 100000, BINS = 100 };
    unsigned bins[BINS] = {0};

    (void)state;
    for (unsigned i = 0; i < COUNT; i++) {
        char id[32];

        snprintf(id, sizeof id, "bn-%05u/icmp", i);
        bins[phu_checks_phase_ns("node", id, 10 * PHU_NS_PER_S) / (PHU_NS_PER_S / 10)]++;
    }
    for (unsigned i = 0; i < BINS; i++)
        assert_in_range(bins[i], COUNT / BINS * 85 / 100, COUNT / BINS * 115 / 100);
}

static void a_pause_is_counted_not_replayed(void **state)
{
    struct fixture *fixture = *state;
    struct phu_checks_counts counts;
    char id[16];

    for (uint32_t i = 0; i < 100; i++) {
        snprintf(id, sizeof id, "e%u/icmp", i);
        add(fixture, i, id, 10 * PHU_NS_PER_S);
    }
    phu_sim_run(fixture->fake.sched, 10 * PHU_NS_PER_S);
    assert_int_equal(fixture->fake.polls, 100);
    phu_sim_stall(fixture->fake.sched, 60 * PHU_NS_PER_S);
    phu_sim_run(fixture->fake.sched, PHU_NS_PER_MS);
    /* Only the checks due within the last second before the end of the pause may be polled. */
    assert_in_range(fixture->fake.polls, 100, 125);
    phu_sim_run(fixture->fake.sched, 10 * PHU_NS_PER_S);
    phu_checks_counts(fixture->checks, &counts);
    assert_int_equal(counts.polls + counts.missed_late, 800);
    assert_int_equal(counts.polls, fixture->fake.polls);
    assert_in_range(counts.missed_late, 575, 600);
}

static void a_busy_check_is_not_polled_again(void **state)
{
    struct fixture *fixture = *state;
    struct phu_checks_counts counts;

    fixture->fake.is_slow = true;
    add(fixture, 3, "slow/snmp", 10 * PHU_NS_PER_S);
    phu_sim_run(fixture->fake.sched, 40 * PHU_NS_PER_S);
    phu_checks_counts(fixture->checks, &counts);
    assert_int_equal(counts.polls, 1);
    assert_int_equal(counts.missed_busy, 3);
    phu_checks_verdict(fixture->checks, 3, PHU_RESULT_OK);
    phu_sim_run(fixture->fake.sched, 10 * PHU_NS_PER_S);
    assert_int_equal(fixture->fake.polls, 2);
}

static void a_clock_step_moves_no_slot(void **state)
{
    struct fixture *fixture = *state;

    add(fixture, 1, "a/icmp", 10 * PHU_NS_PER_S);
    phu_sim_run(fixture->fake.sched, 10 * PHU_NS_PER_S);
    phu_sim_step_wall(fixture->fake.sched, -3600 * PHU_NS_PER_S);
    phu_sim_run(fixture->fake.sched, 10 * PHU_NS_PER_S);
    assert_int_equal(fixture->fake.polls, 2);
    assert_int_equal(phu_mono_since(fixture->fake.when[1], fixture->fake.when[0]),
                     10 * PHU_NS_PER_S);
}

static void holds_everything_after_boot(void **state)
{
    struct fixture *fixture = *state;
    struct phu_mono until = phu_mono_add(phu_sched_now(fixture->fake.sched), 25 * PHU_NS_PER_S);

    phu_checks_hold_until(fixture->checks, until);
    add(fixture, 1, "a/icmp", 10 * PHU_NS_PER_S);
    phu_sim_run(fixture->fake.sched, 60 * PHU_NS_PER_S);
    assert_true(fixture->fake.when[0].ns >= until.ns);
    assert_true(fixture->fake.when[0].ns <= until.ns + 10 * PHU_NS_PER_S);
}

static void what_attach_refuses_is_not_planned(void **state)
{
    struct fixture *fixture = *state;
    const struct phu_check_spec spec = {.check = 5,
                                        .id = "x/fake:refused",
                                        .address = "",
                                        .argument = "refused",
                                        .credential = "",
                                        .rows = "",
                                        .interval_ns = PHU_NS_PER_S};

    assert_int_equal(phu_checks_add(fixture->checks, &collector, &fixture->fake, &spec), -22);
    phu_sim_run(fixture->fake.sched, 5 * PHU_NS_PER_S);
    assert_int_equal(fixture->fake.polls, 0);
}

static void texts_outlive_the_call(void **state)
{
    struct fixture *fixture = *state;
    char texts[][24] = {"bn-1-fibre", "ge0/1", "0/1/3:5", "olt-1/snmp", "10.0.0.1"};
    struct phu_served served[] = {{texts[0], texts[1], ""}, {"bn-2", "", texts[2]}};
    const struct phu_check_spec spec = {.check = 3,
                                        .id = texts[3],
                                        .address = texts[4],
                                        .argument = "",
                                        .credential = "lab",
                                        .rows = "ge*",
                                        .served = served,
                                        .served_count = 2,
                                        .interval_ns = PHU_NS_PER_S};
    const struct phu_check_spec *kept;

    assert_int_equal(phu_checks_add(fixture->checks, &collector, &fixture->fake, &spec), 0);
    memset(texts, 'x', sizeof texts);
    memset(served, 0, sizeof served);
    kept = &fixture->fake.spec;
    assert_string_equal(kept->id, "olt-1/snmp");
    assert_string_equal(kept->address, "10.0.0.1");
    assert_string_equal(kept->rows, "ge*");
    assert_int_equal(kept->served_count, 2);
    assert_string_equal(kept->served[0].endpoint, "bn-1-fibre");
    assert_string_equal(kept->served[0].ifname, "ge0/1");
    assert_string_equal(kept->served[0].index, "");
    assert_string_equal(kept->served[1].endpoint, "bn-2");
    assert_string_equal(kept->served[1].ifname, "");
    assert_string_equal(kept->served[1].index, "0/1/3:5");
}

static void set_flag(void *arg)
{
    *(bool *)arg = true;
}

static void once_polls_each_check_once_and_paced(void **state)
{
    struct fixture *fixture = *state;
    bool is_done = false;
    char id[16];

    for (uint32_t i = 0; i < 1000; i++) {
        snprintf(id, sizeof id, "e%u/icmp", i);
        add(fixture, i, id, 10 * PHU_NS_PER_S);
    }
    phu_checks_run_once(fixture->checks, 1000, set_flag, &is_done);
    phu_sim_run(fixture->fake.sched, 500 * PHU_NS_PER_MS);
    assert_in_range(fixture->fake.polls, 490, 520);
    assert_false(is_done);
    phu_sim_run(fixture->fake.sched, 60 * PHU_NS_PER_S);
    assert_int_equal(fixture->fake.polls, 1000);
    assert_true(is_done);
}

static void draining_waits_for_what_is_in_flight(void **state)
{
    struct fixture *fixture = *state;
    bool is_done = false;

    fixture->fake.is_slow = true;
    add(fixture, 1, "a/icmp", 10 * PHU_NS_PER_S);
    add(fixture, 2, "b/icmp", 10 * PHU_NS_PER_S);
    phu_sim_run(fixture->fake.sched, 10 * PHU_NS_PER_S);
    assert_int_equal(fixture->fake.polls, 2);
    phu_checks_drain(fixture->checks, set_flag, &is_done);
    phu_checks_verdict(fixture->checks, 1, PHU_RESULT_OK);
    phu_sim_run(fixture->fake.sched, 60 * PHU_NS_PER_S);
    assert_false(is_done);
    phu_checks_verdict(fixture->checks, 2, PHU_RESULT_OK);
    phu_sim_run(fixture->fake.sched, PHU_NS_PER_S);
    assert_true(is_done);
    assert_int_equal(fixture->fake.polls, 2);
}

static void draining_an_idle_runner_ends(void **state)
{
    struct fixture *fixture = *state;
    bool is_done = false;

    add(fixture, 1, "a/icmp", 10 * PHU_NS_PER_S);
    phu_checks_drain(fixture->checks, set_flag, &is_done);
    phu_sim_run(fixture->fake.sched, 60 * PHU_NS_PER_S);
    assert_true(is_done);
    assert_int_equal(fixture->fake.polls, 0);
}

static void once_with_nothing_to_do_ends(void **state)
{
    struct fixture *fixture = *state;
    bool is_done = false;

    phu_checks_run_once(fixture->checks, 1000, set_flag, &is_done);
    phu_sim_run(fixture->fake.sched, PHU_NS_PER_S);
    assert_true(is_done);
}

#define test(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

/* -- Checks that fail ------------------------------------------------------------------------- */

static const struct phu_collector patient = {.name = "patient",
                                             .backs_off = true,
                                             .attach = fake_attach,
                                             .detach = fake_detach,
                                             .poll = fake_poll};

static void add_at(struct fixture *fixture, uint32_t handle, const struct phu_collector *kind,
                   const char *address, int64_t interval_ns)
{
    const struct phu_check_spec spec = {.check = handle,
                                        .id = "device/check",
                                        .address = address,
                                        .argument = "",
                                        .credential = "",
                                        .rows = "",
                                        .interval_ns = interval_ns,
                                        .timeout_ns = PHU_NS_PER_S};

    assert_int_equal(phu_checks_add(fixture->checks, kind, &fixture->fake, &spec), 0);
}

/* Seconds between two polls, by number. */
static int64_t gap_s(const struct fixture *fixture, size_t poll)
{
    return (phu_mono_since(fixture->fake.when[poll + 1], fixture->fake.when[poll]) +
            PHU_NS_PER_S / 2) /
           PHU_NS_PER_S;
}

static void a_failing_check_is_polled_soon_then_seldom(void **state)
{
    static const int64_t gaps[] = {5, 10, 20, 40, 80, 160, 300, 300, 300};
    struct fixture *fixture = *state;
    struct phu_checks_counts counts;

    fixture->fake.results[1] = PHU_RESULT_TIMEOUT;
    add_at(fixture, 1, &patient, "192.0.2.1", 60 * PHU_NS_PER_S);
    phu_sim_run(fixture->fake.sched, 1400 * PHU_NS_PER_S);
    assert_in_range(fixture->fake.polls, 10, 11);
    for (size_t i = 0; i < sizeof gaps / sizeof *gaps; i++)
        assert_int_equal(gap_s(fixture, i), gaps[i]);
    phu_checks_counts(fixture->checks, &counts);
    assert_int_equal(counts.missed_late + counts.missed_busy, 0);
}

static void once_it_answers_it_has_its_slots_again(void **state)
{
    struct fixture *fixture = *state;
    const int64_t interval = 60 * PHU_NS_PER_S;
    const int64_t phase = phu_checks_phase_ns("node", "device/check", interval);
    struct phu_checks_counts counts;

    fixture->fake.results[1] = PHU_RESULT_TIMEOUT;
    add_at(fixture, 1, &patient, "192.0.2.1", interval);
    phu_sim_run(fixture->fake.sched, 500 * PHU_NS_PER_S);
    fixture->fake.results[1] = PHU_RESULT_PARTIAL;
    phu_sim_run(fixture->fake.sched, 300 * PHU_NS_PER_S);
    fixture->fake.polls = 0;
    phu_sim_run(fixture->fake.sched, 300 * PHU_NS_PER_S);
    assert_int_equal(fixture->fake.polls, 5);
    for (size_t i = 0; i < 5; i++)
        assert_in_range((fixture->fake.wall[i].ns - phase) % interval, 0, PHU_SCHED_TICK_NS);
    phu_checks_counts(fixture->checks, &counts);
    assert_int_equal(counts.missed_late + counts.missed_busy, 0);
}

static void a_ping_brings_its_device_back_at_once(void **state)
{
    struct fixture *fixture = *state;
    size_t before;

    fixture->fake.results[1] = PHU_RESULT_TIMEOUT; /* snmp */
    fixture->fake.results[2] = PHU_RESULT_TIMEOUT; /* a ping of the same device */
    fixture->fake.results[3] = PHU_RESULT_TIMEOUT; /* snmp of another one */
    add_at(fixture, 1, &patient, "192.0.2.1", 60 * PHU_NS_PER_S);
    add_at(fixture, 2, &collector, "192.0.2.1", 10 * PHU_NS_PER_S);
    add_at(fixture, 3, &patient, "192.0.2.10", 60 * PHU_NS_PER_S);
    phu_sim_run(fixture->fake.sched, 2000 * PHU_NS_PER_S);
    fixture->fake.results[1] = fixture->fake.results[2] = PHU_RESULT_OK;
    before = fixture->fake.polls;
    while (fixture->fake.polls < before + 2)
        phu_sim_run(fixture->fake.sched, 10 * PHU_NS_PER_MS);
    assert_int_equal(fixture->fake.check[before], 2);
    assert_int_equal(fixture->fake.check[before + 1], 1);
    assert_in_range(phu_mono_since(fixture->fake.when[before + 1], fixture->fake.when[before]), 0,
                    2 * PHU_SCHED_TICK_NS);
    phu_sim_run(fixture->fake.sched, 9 * PHU_NS_PER_S);
    assert_int_equal(fixture->fake.polls,
                     before + 2); /* a ping that goes on answering wakes nobody */
}

static void a_device_that_boots_slowly_is_asked_soon_again(void **state)
{
    struct fixture *fixture = *state;
    size_t ping;

    fixture->fake.results[1] = fixture->fake.results[2] = PHU_RESULT_TIMEOUT;
    add_at(fixture, 1, &patient, "192.0.2.1", 60 * PHU_NS_PER_S);
    add_at(fixture, 2, &collector, "192.0.2.1", 900 * PHU_NS_PER_S);
    phu_sim_run(fixture->fake.sched, 1900 * PHU_NS_PER_S);
    fixture->fake.results[2] = PHU_RESULT_OK; /* it answers pings, not yet SNMP */
    ping = fixture->fake.polls;
    while (fixture->fake.polls <= ping || fixture->fake.check[ping] != 2) {
        ping += fixture->fake.polls > ping;
        phu_sim_run(fixture->fake.sched, PHU_NS_PER_MS);
    }
    phu_sim_run(fixture->fake.sched, 16 * PHU_NS_PER_S);
    assert_int_equal(fixture->fake.polls, ping + 4);
    assert_int_equal(gap_s(fixture, ping), 0);
    assert_int_equal(gap_s(fixture, ping + 1), 5);
    assert_int_equal(gap_s(fixture, ping + 2), 10);
}

static void wrong_secrets_are_not_hurried(void **state)
{
    struct fixture *fixture = *state;

    fixture->fake.results[1] = PHU_RESULT_AUTH;
    add_at(fixture, 1, &patient, "192.0.2.1", 60 * PHU_NS_PER_S);
    phu_sim_run(fixture->fake.sched, 600 * PHU_NS_PER_S);
    assert_int_equal(gap_s(fixture, 0), 60);
    assert_int_equal(gap_s(fixture, 4), 80);
}

static void what_was_not_measured_waits_as_before(void **state)
{
    struct fixture *fixture = *state;

    fixture->fake.results[1] = PHU_RESULT_TIMEOUT;
    add_at(fixture, 1, &patient, "192.0.2.1", 60 * PHU_NS_PER_S);
    while (fixture->fake.polls < 3)
        phu_sim_run(fixture->fake.sched, PHU_NS_PER_S);
    fixture->fake.results[1] = PHU_RESULT_SKIPPED;
    phu_sim_run(fixture->fake.sched, 65 * PHU_NS_PER_S);
    assert_int_equal(gap_s(fixture, 2), 20);
    assert_int_equal(gap_s(fixture, 3), 20);
}

static void others_do_not_back_off(void **state)
{
    struct fixture *fixture = *state;

    fixture->fake.results[1] = PHU_RESULT_TIMEOUT;
    add_at(fixture, 1, &collector, "192.0.2.1", 10 * PHU_NS_PER_S);
    phu_sim_run(fixture->fake.sched, 100 * PHU_NS_PER_S);
    assert_int_equal(fixture->fake.polls, 10);
}

static void many_fail_and_come_back(void **state)
{
    struct fixture *fixture = *state;
    char address[24];

    fixture->fake.results[0] = PHU_RESULT_TIMEOUT; /* handles that divide by 8 */
    for (uint32_t i = 1; i < 200; i++) {
        snprintf(address, sizeof address, "192.0.2.%u", i);
        add_at(fixture, i * 8, &patient, address, 60 * PHU_NS_PER_S);
    }
    phu_sim_run(fixture->fake.sched, 70 * PHU_NS_PER_S);
    for (uint32_t i = 1; i < 100; i++)
        phu_checks_remove(fixture->checks, i * 8);
    fixture->fake.results[0] = PHU_RESULT_OK;
    phu_sim_run(fixture->fake.sched, 300 * PHU_NS_PER_S);
    fixture->fake.polls = 0;
    phu_sim_run(fixture->fake.sched, 60 * PHU_NS_PER_S);
    assert_int_equal(fixture->fake.polls, 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        test(polls_once_per_interval_in_phase),
        test(the_phase_survives_a_restart),
        cmocka_unit_test(phases_are_spread_evenly),
        test(a_pause_is_counted_not_replayed),
        test(a_busy_check_is_not_polled_again),
        test(a_clock_step_moves_no_slot),
        test(holds_everything_after_boot),
        test(what_attach_refuses_is_not_planned),
        test(once_polls_each_check_once_and_paced),
        test(once_with_nothing_to_do_ends),
        test(draining_waits_for_what_is_in_flight),
        test(draining_an_idle_runner_ends),
        test(texts_outlive_the_call),
        test(a_failing_check_is_polled_soon_then_seldom),
        test(once_it_answers_it_has_its_slots_again),
        test(a_ping_brings_its_device_back_at_once),
        test(a_device_that_boots_slowly_is_asked_soon_again),
        test(wrong_secrets_are_not_hurried),
        test(what_was_not_measured_waits_as_before),
        test(others_do_not_back_off),
        test(many_fail_and_come_back),
    };

    return cmocka_run_group_tests_name("checks", tests, NULL, NULL);
}
