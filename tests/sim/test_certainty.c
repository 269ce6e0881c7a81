/* How sure and how fast states are, played on virtual time with the real check runner and monitor.
 *
 * Nobody is told as down who is not: every endpoint of a district loses packets at random, and no
 * `down` may come of it. The chance that one probe leads to it is computed beside it, because what
 * did not happen in one day may happen in the next.
 * Who is down is told soon: endpoints are cut and mended at random moments, and the time to `down`
 * and to `up` is taken.
 *
 *     test_certainty                     small: some seconds, several seeds
 *     test_certainty 4000 24 1           endpoints, hours, runs: the whole of it (release build)
 */
#include "checks.h"
#include "district.h"
#include "monitor.h"
#include "phusong/log.h"

#include <inttypes.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define MS PHU_NS_PER_MS

static size_t endpoints = 12, outages = 500;
static int hours = 24, runs = 2;

static void open_district(struct district *district, size_t houses, double loss)
{
    district_init(district, "2026-11-23T08:00:00Z", houses);
    district->is_deaf = true;
    for (size_t i = 0; i < houses; i++) {
        struct phu_sim_link *link = district->houses[i].link;

        link->delay_ns = phu_chance_between(&district->chance, 8, 45) * MS;
        link->jitter_ns = 5 * MS;
        link->loss = loss;
    }
}

static void close_district(struct district *district)
{
    district_stop(district);
    district_fini(district);
}

/* -- Nobody is told as down who is not -------------------------------------------------------- */

struct tally_of_day {
    int64_t suspected, down;
};

static void count_health(void *arg, const struct phu_health *health)
{
    struct tally_of_day *day = arg;

    day->suspected += health->change == PHU_HEALTH_SUSPECT;
    day->down += health->change == PHU_HEALTH_DOWN;
}

static void random_loss_makes_nobody_down(void **state)
{
    (void)state;
    for (int run = 0; run < runs; run++) {
        struct tally_of_day day = {0};
        struct district district;
        int64_t sent = 0, lost = 0, confirmations = 0;

        open_district(&district, endpoints, 0.02);
        district.on_health = count_health;
        district.on_health_arg = &day;
        district_start(&district);
        district_run(&district, hours * HOUR);
        for (size_t i = 0; i < endpoints; i++) {
            sent += district.links.truths[i].sent;
            lost += district.links.truths[i].lost;
            confirmations += district.links.truths[i].confirm_sent;
        }
        printf("%zu endpoints, %d hours: %" PRId64 " probes, %" PRId64 " lost, %" PRId64
               " suspicions, %" PRId64 " confirmations, %" PRId64
               " down; chance of one: %.1e a probe, %.1e in all\n",
               endpoints, hours, sent, lost, day.suspected, confirmations, day.down, pow(0.02, 7),
               pow(0.02, 7) * (double)sent);
        assert_in_range(lost * 1000 / sent, 18, 22);
        /* Each loss is a suspicion, and each of these is confirmed; nothing else is. */
        assert_in_range(day.suspected * 1000 / lost, 999, 1000);
        assert_in_range(confirmations * 10 / day.suspected, 10, 12);
        assert_int_equal(day.down, 0);
        close_district(&district);
    }
}

/* The same with loss that is high enough to be seen: what is computed is what happens. */
static void the_chance_of_a_wrong_down_is_as_computed(void **state)
{
    const double loss = 0.3;
    const double expected_share = pow(loss, 6); /* of the suspicions */
    struct tally_of_day day = {0};
    struct district district;
    double expected;

    (void)state;
    open_district(&district, endpoints, loss);
    district.on_health = count_health;
    district.on_health_arg = &day;
    district_start(&district);
    district_run(&district, hours * HOUR);
    expected = expected_share * (double)day.suspected;
    printf("30 %% loss: %" PRId64 " suspicions, %" PRId64 " down, %.0f expected\n", day.suspected,
           day.down, expected);
    assert_true(fabs((double)day.down - expected) < 5 * sqrt(expected) + 1);
    close_district(&district);
}

/* -- Who is down is told soon ----------------------------------------------------------------- */

struct stopwatch {
    struct district *district;
    int64_t cut_ns, mended_ns; /* of the house whose turn it is */
    uint32_t handle;
    size_t downs, ups;
    double from_cut_s[1024], from_loss_s[1024], from_mend_s[1024];
};

static double seconds(int64_t ns)
{
    return (double)ns / (double)PHU_NS_PER_S;
}

static void take_time(void *arg, const struct phu_health *health)
{
    struct stopwatch *watch = arg;

    if (health->subject != watch->handle)
        return;
    if (health->change == PHU_HEALTH_DOWN) {
        watch->from_cut_s[watch->downs] = seconds(health->at.ns - watch->cut_ns);
        watch->from_loss_s[watch->downs++] = seconds(phu_mono_since(health->at, health->since));
    } else if (health->change == PHU_HEALTH_RECOVERED && watch->mended_ns) {
        watch->from_mend_s[watch->ups++] = seconds(health->at.ns - watch->mended_ns);
    }
}

static int by_size(const void *a, const void *b)
{
    const double *left = a, *right = b;

    return (*left > *right) - (*left < *right);
}

static double mean(const double *times, size_t count)
{
    double sum = 0;

    for (size_t i = 0; i < count; i++)
        sum += times[i];
    return sum / (double)count;
}

static void print_times(const char *what, double *times, size_t count)
{
    qsort(times, count, sizeof *times, by_size);
    printf("%s: median %.2f s, worst %.2f s of %zu\n", what, times[count / 2], times[count - 1],
           count);
}

/* One outage after the other, each of another house at a random moment. */
static void cut_and_mend(struct stopwatch *watch, struct district *district)
{
    district->on_health = take_time;
    district->on_health_arg = watch;
    watch->district = district;
    district_start(district);
    district_run(district, MINUTE);
    for (size_t i = 0; i < outages; i++) {
        struct house *house = &district->houses[i % district->count];

        district_run(district, phu_chance_between(&district->chance, 0, 20 * SECOND));
        watch->handle = house->handle;
        watch->cut_ns = phu_sched_now(district->sched).ns;
        watch->mended_ns = 0;
        house->link->is_down = true;
        district_run(district, phu_chance_between(&district->chance, 20 * SECOND, 90 * SECOND));
        house->link->is_down = false;
        watch->mended_ns = phu_sched_now(district->sched).ns;
        district_run(district, 40 * SECOND);
    }
    print_times("from the cut to down", watch->from_cut_s, watch->downs);
    print_times("from the first lost probe to down", watch->from_loss_s, watch->downs);
    print_times("from the mend to up", watch->from_mend_s, watch->ups);
}

static void an_outage_and_its_end_are_told_soon(void **state)
{
    static struct stopwatch watch;
    struct district district;

    (void)state;
    watch = (struct stopwatch){0};
    open_district(&district, outages / 25, 0);
    cut_and_mend(&watch, &district);
    assert_int_equal(watch.downs, outages);
    assert_int_equal(watch.ups, outages);
    assert_true(watch.from_loss_s[outages - 1] <= 2.5);
    assert_true(mean(watch.from_cut_s, outages) < 8 && watch.from_cut_s[outages - 1] < 12.6);
    assert_true(mean(watch.from_mend_s, outages) < 8 && watch.from_mend_s[outages - 1] < 12.6);
    close_district(&district);
}

static void lossy_links_take_little_longer(void **state)
{
    static struct stopwatch watch;
    struct district district;

    (void)state;
    watch = (struct stopwatch){0};
    open_district(&district, outages / 25, 0.02);
    cut_and_mend(&watch, &district);
    /* Where the probe before the cut was lost as well, suspicion may have begun before it. */
    assert_in_range(watch.downs, outages - 1, outages + 1);
    assert_true(watch.from_loss_s[watch.downs - 1] <= 12.6);
    assert_true(mean(watch.from_cut_s, watch.downs) < 8);
    assert_true(mean(watch.from_mend_s, watch.ups) < 8);
    assert_true(watch.from_mend_s[watch.ups * 95 / 100] < 15);
    close_district(&district);
}

/* -- Everybody at once ------------------------------------------------------------------------ */

static void a_whole_district_is_confirmed_in_turn(void **state)
{
    const size_t houses = 1000;
    struct phu_pace pace = phu_pace_default;
    struct tally_of_day day = {0};
    struct district district;
    int64_t most = 0;

    (void)state;
    pace.confirm_rate = 300;
    open_district(&district, houses, 0);
    district.pace = &pace;
    district.on_health = count_health;
    district.on_health_arg = &day;
    district_start(&district);
    district_run(&district, MINUTE);
    for (size_t i = 0; i < houses; i++)
        district.houses[i].link->is_down = true;
    for (int second = 0; second < 90; second++) {
        int64_t before = 0, after = 0;

        for (size_t i = 0; i < houses; i++)
            before += district.links.truths[i].confirm_sent;
        district_run(&district, SECOND);
        for (size_t i = 0; i < houses; i++)
            after += district.links.truths[i].confirm_sent;
        if (after - before > most)
            most = after - before;
    }
    printf("1000 endpoints lost at once: %" PRId64 " down after 90 s, at most %" PRId64
           " confirmations a second of 300\n",
           day.down, most);
    assert_int_equal(day.down, houses);
    assert_in_range(most, 100, 330); /* what was set aside may be sent a little later */
    for (size_t i = 0; i < houses; i++)
        district.houses[i].link->is_down = false;
    district_run(&district, 2 * MINUTE);
    for (size_t i = 0; i < houses; i++) {
        assert_int_equal(phu_monitor_state(district.monitor, district.houses[i].handle),
                         PHU_STATE_UP);
    }
    close_district(&district);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_loss_makes_nobody_down),
        cmocka_unit_test(the_chance_of_a_wrong_down_is_as_computed),
        cmocka_unit_test(an_outage_and_its_end_are_told_soon),
        cmocka_unit_test(lossy_links_take_little_longer),
        cmocka_unit_test(a_whole_district_is_confirmed_in_turn),
    };

    phu_log_set_level(PHU_LOG_WARN);
    if (argc == 4) {
        endpoints = (size_t)strtoul(argv[1], NULL, 10);
        hours = (int)strtol(argv[2], NULL, 10);
        runs = (int)strtol(argv[3], NULL, 10);
        outages = 1000;
    }
    return cmocka_run_group_tests_name("certainty", tests, NULL, NULL);
}
