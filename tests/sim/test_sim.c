/* The virtual clock keeps the contract of sched.h. */
#include "collector.h"
#include "phusong/sink.h"
#include "sim.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

struct alarm {
    struct phu_timer timer;
    struct phu_sched *sched;
    int64_t again_ns, fired_at;
    int count;
};

static void alarm_fired(struct phu_timer *timer)
{
    struct alarm *alarm = phu_container_of(timer, struct alarm, timer);

    alarm->count++;
    alarm->fired_at = phu_sched_now(alarm->sched).ns;
    if (alarm->again_ns)
        phu_timer_after(alarm->sched, &alarm->timer, alarm->again_ns);
}

static void a_month_of_seconds_takes_no_time(void **state)
{
    struct phu_sched *sched = phu_sim_new(phu_sim_wall("2026-11-01T00:00:00Z"));
    struct alarm alarm = {.sched = sched, .again_ns = 10 * PHU_NS_PER_S};
    int64_t month = 30 * 86400 * PHU_NS_PER_S;

    (void)state;
    phu_timer_init(&alarm.timer, alarm_fired);
    phu_timer_after(sched, &alarm.timer, alarm.again_ns);
    phu_sim_run(sched, month);
    assert_int_equal(alarm.count, 30 * 8640);
    assert_int_equal(phu_sched_wall(sched).ns, phu_sim_wall("2026-12-01T00:00:00Z").ns);
    phu_timer_cancel(sched, &alarm.timer);
    phu_sim_free(sched);
}

static void a_stall_fires_late_and_a_step_moves_only_the_wall(void **state)
{
    struct phu_sched *sched = phu_sim_new(phu_sim_wall("2026-11-23T08:00:00Z"));
    struct alarm alarm = {.sched = sched};
    int64_t start = phu_sched_now(sched).ns;

    (void)state;
    phu_timer_init(&alarm.timer, alarm_fired);
    phu_timer_after(sched, &alarm.timer, 5 * PHU_NS_PER_MS);
    phu_sim_stall(sched, 70 * PHU_NS_PER_MS);
    assert_int_equal(alarm.count, 0);
    phu_sim_run(sched, 0);
    assert_int_equal(alarm.count, 1);
    assert_int_equal(alarm.fired_at - start, 70 * PHU_NS_PER_MS);
    phu_sim_step_wall(sched, -PHU_NS_PER_S);
    assert_int_equal(phu_sched_now(sched).ns - start, 70 * PHU_NS_PER_MS);
    assert_int_equal(phu_sched_wall(sched).ns - phu_sim_wall("2026-11-23T08:00:00Z").ns,
                     -930 * PHU_NS_PER_MS);
    phu_sim_free(sched);
}

static void work_run(void *arg)
{
    *(int *)arg = 1;
}

static void work_done(void *arg, bool is_canceled)
{
    assert_false(is_canceled);
    assert_int_equal(*(int *)arg, 1);
    *(int *)arg = 2;
}

static void work_is_done_in_the_next_round_and_watches_do_not_exist(void **state)
{
    struct phu_sched *sched = phu_sim_new((struct phu_wall){0});
    struct phu_watch *watch;
    int stage = 0;

    (void)state;
    assert_int_equal(phu_work_start(sched, work_run, work_done, &stage), 0);
    assert_int_equal(stage, 1);
    phu_sim_run(sched, 0);
    assert_int_equal(stage, 2);
    assert_int_equal(phu_watch_open(sched, 0, PHU_WATCH_READ, NULL, NULL, &watch), -ENOSYS);
    phu_sim_free(sched);
}

struct tally {
    struct phu_sink sink;
    int64_t sent, lost, late, rtt_sum_us;
};

static void tally_put(struct phu_sink *sink, const struct phu_observation *observation)
{
    struct tally *tally = phu_container_of(sink, struct tally, sink);

    if (observation->result == PHU_RESULT_NONE) {
        tally->late++;
        return;
    }
    tally->sent++;
    tally->lost += observation->result == PHU_RESULT_TIMEOUT;
    if (observation->value_count)
        tally->rtt_sum_us += observation->values[0].i;
}

static void the_collector_reports_what_the_link_did(void **state)
{
    struct phu_sched *sched = phu_sim_new((struct phu_wall){0});
    struct phu_sim_link link;
    struct phu_sim_truth truth = {0};
    struct phu_sim_links links = {&link, &truth, 1, false};
    struct tally tally = {.sink = {.put = tally_put}};
    struct phu_collector_env env = {.sched = sched, .sink = &tally.sink};
    struct phu_check_spec spec = {.check = 1, .address = "0", .timeout_ns = PHU_NS_PER_S};
    void *self, *check;

    (void)state;
    phu_sim_link_init(&link, phu_sim_seed());
    link.loss = 0.25;
    link.jitter_ns = 1200 * PHU_NS_PER_MS;
    assert_int_equal(phu_collector_sim.open(&env, &links, &self), 0);
    assert_int_equal(phu_collector_sim.attach(self, &spec, &check), 0);
    for (int i = 0; i < 1000; i++) {
        phu_collector_sim.poll(self, check);
        phu_sim_run(sched, 2 * PHU_NS_PER_S);
    }
    assert_int_equal(tally.sent, 1000);
    assert_int_equal(tally.sent, truth.sent);
    assert_int_equal(tally.lost, truth.lost);
    assert_int_equal(tally.late, truth.late);
    assert_int_equal(tally.rtt_sum_us, truth.rtt_sum_us);
    assert_in_range(truth.lost, 250, 550);
    assert_in_range(truth.late, 50, 250);
    phu_collector_sim.detach(self, check);
    phu_collector_sim.close(self);
    phu_sim_free(sched);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_month_of_seconds_takes_no_time),
        cmocka_unit_test(a_stall_fires_late_and_a_step_moves_only_the_wall),
        cmocka_unit_test(work_is_done_in_the_next_round_and_watches_do_not_exist),
        cmocka_unit_test(the_collector_reports_what_the_link_did),
    };

    return cmocka_run_group_tests_name("sim", tests, NULL, NULL);
}
