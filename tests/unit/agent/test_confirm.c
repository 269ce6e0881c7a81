/* Confirmations under the check runner: a collector that writes down when it was asked, and a judge
 * that wants so many failures or answers. */
#include "checks.h"

#include "phusong/stats.h"
#include "sim.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

#define MS PHU_NS_PER_MS
#define POLLS 256

struct target {
    struct phu_timer timer;
    struct bench *bench;
    uint32_t check;
    int64_t timeout_ns;
};

struct poll {
    int64_t ms;
    uint32_t check;
};

struct bench {
    struct phu_sched *sched;
    struct phu_stats *stats;
    struct phu_checks *checks;
    int64_t rtt_ns; /* -1: no answer */
    enum phu_result failure;
    struct poll polls[POLLS]; /* of confirmations when their handle says so */
    size_t poll_count, attached, attachments;
    int64_t began_ms;
    /* The judge. */
    int64_t patience_ns;
    bool is_wanted;
    int lates, fails, answers, fails_wanted, answers_wanted;
    int counted[3];
    bool is_idle;
};

/* -- The collector --------------------------------------------------------------------------- */

static void put_verdict(struct phu_timer *timer)
{
    struct target *target = phu_container_of(timer, struct target, timer);
    struct bench *bench = target->bench;
    bool is_answered = bench->rtt_ns >= 0;
    const struct phu_observation observation = {
        .check = target->check, .result = is_answered ? PHU_RESULT_OK : bench->failure};

    if (!phu_checks_put(bench->checks, &observation))
        phu_checks_verdict(bench->checks, target->check, observation.result);
}

static int fake_attach(void *self, const struct phu_check_spec *spec, void **check)
{
    struct bench *bench = self;
    struct target *target = calloc(1, sizeof *target);

    assert_non_null(target);
    assert_string_equal(spec->address, "192.0.2.1");
    assert_string_equal(spec->id, "e/icmp");
    target->bench = bench;
    target->check = spec->check;
    target->timeout_ns = spec->timeout_ns;
    phu_timer_init(&target->timer, put_verdict);
    bench->attached++;
    bench->attachments++;
    *check = target;
    return 0;
}

static void fake_detach(void *self, void *check)
{
    struct bench *bench = self;
    struct target *target = check;

    phu_timer_cancel(bench->sched, &target->timer);
    bench->attached--;
    free(target);
}

static void fake_poll(void *self, void *check)
{
    struct bench *bench = self;
    struct target *target = check;
    bool is_refused = bench->rtt_ns < 0 && bench->failure == PHU_RESULT_REFUSED;

    assert_true(bench->poll_count < POLLS);
    assert_false(phu_timer_is_armed(&target->timer)); /* one at a time */
    bench->polls[bench->poll_count++] =
        (struct poll){phu_sched_now(bench->sched).ns / MS - bench->began_ms, target->check};
    phu_timer_after(bench->sched, &target->timer,
                    is_refused           ? 5 * MS
                    : bench->rtt_ns >= 0 ? bench->rtt_ns
                                         : target->timeout_ns);
}

static const struct phu_collector patient = {
    .name = "fake", .attach = fake_attach, .detach = fake_detach, .poll = fake_poll};
static const struct phu_collector backing_off = {.name = "fake",
                                                 .backs_off = true,
                                                 .attach = fake_attach,
                                                 .detach = fake_detach,
                                                 .poll = fake_poll};

/* -- The judge ------------------------------------------------------------------------------- */

static int64_t patience_ns(void *arg, uint32_t check)
{
    (void)check;
    return ((struct bench *)arg)->patience_ns;
}

static bool late(void *arg, uint32_t check, struct phu_mono sent)
{
    struct bench *bench = arg;

    (void)check;
    (void)sent;
    bench->lates++;
    bench->is_wanted = true;
    return true;
}

static bool wants(void *arg, uint32_t check)
{
    (void)check;
    return ((struct bench *)arg)->is_wanted;
}

static bool step(void *arg, uint32_t check, enum phu_success success, struct phu_mono sent)
{
    struct bench *bench = arg;

    (void)check;
    (void)sent;
    bench->fails += success == PHU_SUCCESS_NO;
    bench->answers += success == PHU_SUCCESS_YES;
    bench->is_wanted = bench->fails < bench->fails_wanted && bench->answers < bench->answers_wanted;
    return bench->is_wanted;
}

static void count(void *arg, uint32_t check, enum phu_success success)
{
    (void)check;
    ((struct bench *)arg)->counted[success]++;
}

/* -- The bench ------------------------------------------------------------------------------- */

static void open_bench(struct bench *bench, const struct phu_collector *collector)
{
    const struct phu_confirm_judge judge = {patience_ns, late, wants, step, count, bench};
    const struct phu_check_spec spec = {.check = 1,
                                        .id = "e/icmp",
                                        .address = "192.0.2.1",
                                        .argument = "",
                                        .credential = "",
                                        .rows = "",
                                        .interval_ns = 10 * PHU_NS_PER_S,
                                        .timeout_ns = 2 * PHU_NS_PER_S};

    *bench = (struct bench){.sched = phu_sim_new(phu_sim_wall("2026-11-23T08:00:00Z")),
                            .stats = phu_stats_new(),
                            .rtt_ns = 20 * MS,
                            .failure = PHU_RESULT_TIMEOUT,
                            .patience_ns = 250 * MS,
                            .fails_wanted = 3,
                            .answers_wanted = 1};
    bench->checks = phu_checks_new(bench->sched, bench->stats, "node");
    phu_checks_confirm(bench->checks, &phu_pace_default, &judge);
    assert_int_equal(phu_checks_add(bench->checks, collector, bench, &spec), 0);
    /* Until the first poll has been answered. */
    while (!bench->poll_count)
        phu_sim_run(bench->sched, MS);
    phu_sim_run(bench->sched, 9 * PHU_NS_PER_S);
    bench->poll_count = 0;
}

/* To the next poll of the check itself, which is time 0. */
static void begin(struct bench *bench)
{
    while (!bench->poll_count)
        phu_sim_run(bench->sched, MS);
    bench->began_ms += bench->polls[0].ms;
}

static void close_bench(struct bench *bench)
{
    phu_checks_remove(bench->checks, 1);
    assert_int_equal(bench->attached, 0);
    phu_checks_free(bench->checks);
    phu_stats_free(bench->stats);
    phu_sim_free(bench->sched);
}

static void expect_polls(const struct bench *bench, const int64_t *ms, size_t count_expected)
{
    assert_int_equal(bench->poll_count, count_expected + 1);
    for (size_t i = 0; i < count_expected; i++) {
        const struct poll *poll = &bench->polls[i + 1];

        assert_true(poll->check & PHU_CONFIRM_HANDLE);
        assert_in_range(poll->ms, ms[i], ms[i] + 2);
    }
}

/* -- Tests ----------------------------------------------------------------------------------- */

static void silence_is_confirmed_by_three_pairs(void **state)
{
    static const int64_t expected[] = {250, 300, 1000, 1050, 2000, 2050};
    struct bench bench;

    (void)state;
    open_bench(&bench, &patient);
    bench.rtt_ns = -1;
    begin(&bench);
    phu_sim_run(bench.sched, 2297 * MS);
    assert_int_equal(bench.fails, 2);
    phu_sim_run(bench.sched, 7 * MS);
    assert_int_equal(bench.fails, 3); /* the last one has had its time */
    phu_sim_run(bench.sched, 6 * PHU_NS_PER_S);
    expect_polls(&bench, expected, 6);
    assert_int_equal(bench.lates, 1);
    assert_int_equal(bench.attached, 1); /* what was in flight has been waited for */
    assert_int_equal(bench.counted[PHU_SUCCESS_NO], 6);
    close_bench(&bench);
}

static void an_answer_ends_the_round(void **state)
{
    static const int64_t expected[] = {250};
    struct bench bench;

    (void)state;
    open_bench(&bench, &patient);
    bench.rtt_ns = -1;
    begin(&bench);
    bench.rtt_ns = 20 * MS;
    phu_sim_run(bench.sched, 8 * PHU_NS_PER_S);
    expect_polls(&bench, expected, 1);
    assert_int_equal(bench.answers, 1);
    assert_int_equal(bench.attached, 1);
    assert_int_equal(bench.counted[PHU_SUCCESS_YES], 1);
    close_bench(&bench);
}

static void an_answer_in_time_is_not_looked_at(void **state)
{
    struct bench bench;

    (void)state;
    open_bench(&bench, &patient);
    bench.rtt_ns = 240 * MS;
    begin(&bench);
    phu_sim_run(bench.sched, 8 * PHU_NS_PER_S);
    assert_int_equal(bench.poll_count, 1);
    assert_int_equal(bench.lates, 0);
    close_bench(&bench);
}

static void who_is_slow_by_nature_gets_the_time(void **state)
{
    static const int64_t expected[] = {1250};
    struct bench bench;

    (void)state;
    open_bench(&bench, &patient);
    bench.patience_ns = 1200 * MS; /* seen each 250 ms */
    bench.rtt_ns = -1;
    begin(&bench);
    bench.rtt_ns = 30 * MS;
    phu_sim_run(bench.sched, 8 * PHU_NS_PER_S);
    expect_polls(&bench, expected, 1);
    close_bench(&bench);
}

static void refusals_need_no_waiting(void **state)
{
    static const int64_t expected[] = {0, 50, 1000, 1050, 2000, 2050};
    struct bench bench;

    (void)state;
    open_bench(&bench, &patient);
    bench.rtt_ns = -1;
    bench.failure = PHU_RESULT_REFUSED;
    begin(&bench);
    bench.is_wanted = true;
    phu_checks_unsettled(bench.checks, 1, false, phu_sched_now(bench.sched));
    phu_sim_run(bench.sched, 2060 * MS);
    expect_polls(&bench, expected, 6);
    assert_int_equal(bench.fails, 3);
    close_bench(&bench);
}

static void who_is_back_is_asked_patiently(void **state)
{
    static const int64_t expected[] = {1000, 2000};
    struct bench bench;

    (void)state;
    open_bench(&bench, &patient);
    bench.answers_wanted = 2;
    begin(&bench);
    bench.is_wanted = true;
    phu_checks_unsettled(bench.checks, 1, true, phu_sched_now(bench.sched));
    phu_sim_run(bench.sched, 8 * PHU_NS_PER_S);
    expect_polls(&bench, expected, 2);
    close_bench(&bench);
}

static void a_parent_is_asked_at_once(void **state)
{
    static const int64_t expected[] = {3000, 3050, 3750, 3800, 4750, 4800};
    struct bench bench;

    (void)state;
    open_bench(&bench, &patient);
    begin(&bench);
    phu_sim_run(bench.sched, 3000 * MS);
    bench.rtt_ns = -1;
    phu_checks_poll_now(bench.checks, 1);
    phu_checks_poll_now(bench.checks, 1); /* is being done */
    phu_checks_poll_now(bench.checks, 7); /* there is none */
    phu_sim_run(bench.sched, 5000 * MS);
    expect_polls(&bench, expected, 6);
    assert_int_equal(bench.fails, 3);
    close_bench(&bench);
}

static void a_check_may_go_while_it_is_confirmed(void **state)
{
    struct bench bench;

    (void)state;
    open_bench(&bench, &patient);
    bench.rtt_ns = -1;
    begin(&bench);
    phu_sim_run(bench.sched, 1020 * MS);
    assert_int_equal(bench.attached, 3);
    close_bench(&bench);
}

static void became_idle(void *arg)
{
    ((struct bench *)arg)->is_idle = true;
}

static void the_end_waits_for_what_was_sent(void **state)
{
    struct bench bench;

    (void)state;
    open_bench(&bench, &patient);
    bench.rtt_ns = -1;
    begin(&bench);
    phu_sim_run(bench.sched, 2060 * MS); /* the poll has timed out, the last pair has not */
    phu_checks_drain(bench.checks, became_idle, &bench);
    phu_sim_run(bench.sched, 500 * MS);
    assert_false(bench.is_idle);
    phu_sim_run(bench.sched, 300 * MS);
    assert_true(bench.is_idle);
    assert_int_equal(bench.counted[PHU_SUCCESS_NO], 6);
    close_bench(&bench);
}

static void what_backs_off_is_polled_itself(void **state)
{
    struct bench bench;

    (void)state;
    open_bench(&bench, &backing_off);
    begin(&bench);
    phu_sim_run(bench.sched, 3000 * MS);
    bench.rtt_ns = -1;
    phu_checks_poll_now(bench.checks, 1);
    phu_sim_run(bench.sched, 2010 * MS);
    phu_checks_unsettled(bench.checks, 1, false, phu_sched_now(bench.sched));
    phu_sim_run(bench.sched, 3100 * MS);
    assert_int_equal(bench.poll_count, 3);
    assert_in_range(bench.polls[1].ms, 3000, 3002);
    assert_in_range(bench.polls[2].ms, 6000, 6015); /* a second after the verdict, not five */
    assert_int_equal(bench.polls[2].check, 1);
    bench.rtt_ns = 20 * MS;
    phu_sim_run(bench.sched, 60 * PHU_NS_PER_S);
    phu_checks_poll_now(bench.checks, 1);
    phu_sim_run(bench.sched, 100 * MS);
    assert_int_equal(bench.answers, 1); /* who asked is told */
    close_bench(&bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(silence_is_confirmed_by_three_pairs),
        cmocka_unit_test(an_answer_ends_the_round),
        cmocka_unit_test(an_answer_in_time_is_not_looked_at),
        cmocka_unit_test(who_is_slow_by_nature_gets_the_time),
        cmocka_unit_test(refusals_need_no_waiting),
        cmocka_unit_test(who_is_back_is_asked_patiently),
        cmocka_unit_test(a_parent_is_asked_at_once),
        cmocka_unit_test(a_check_may_go_while_it_is_confirmed),
        cmocka_unit_test(the_end_waits_for_what_was_sent),
        cmocka_unit_test(what_backs_off_is_polled_itself),
    };

    return cmocka_run_group_tests_name("confirm", tests, NULL, NULL);
}
