#include "impair.h"

#include "rules.h"

enum { PACKETS = 100000 };

struct path {
    struct lab_rules *rules;
    struct lab_profile profiles[LAB_DIRS];
    struct lab_flow flow;
    uint64_t dice;
};

static struct path make_path(const char *line, uint64_t seed)
{
    struct path path = {.rules = lab_rules_new(), .dice = lab_dice_flow(seed, 7, 0)};
    struct lab_prefix host = test_prefix("10.27.3.1");

    test_say(path.rules, line);
    lab_rules_resolve(path.rules, &host.addr, path.profiles);
    return path;
}

static struct lab_verdict send_one(struct path *path, int64_t now_ns, size_t length)
{
    return lab_impair(&path->profiles[LAB_TO], &path->flow, path->dice, now_ns, length);
}

static int count_lost(struct path *path, int *runs)
{
    bool was_lost = false;
    int lost = 0;

    *runs = 0;
    for (int i = 0; i < PACKETS; i++) {
        bool is_lost = send_one(path, 0, 84).cause == LAB_CAUSE_LOSS;

        *runs += is_lost && !was_lost;
        lost += is_lost;
        was_lost = is_lost;
    }
    return lost;
}

static void loss_has_its_share(void **state)
{
    struct path path = make_path("loss 10.27.3.0/24 2%", 27);
    int runs;
    int lost = count_lost(&path, &runs);

    (void)state;
    assert_in_range(lost, 1850, 2150);
    assert_in_range(runs, lost * 95 / 100, lost); /* 2 % of them follow another */
    lab_rules_free(path.rules);
}

static void bursts_have_share_and_length(void **state)
{
    struct path path = make_path("loss 10.27.3.0/24 5% --burst 4", 27);
    int runs;
    int lost = count_lost(&path, &runs);

    (void)state;
    assert_in_range(lost, 4600, 5400);
    assert_in_range(lost * 100 / runs, 370, 430);
    lab_rules_free(path.rules);
}

static void all_and_nothing_are_exact(void **state)
{
    struct path all = make_path("loss 10.27.3.0/24 100%", 27);
    struct path none = make_path("loss 10.27.3.0/24 0%", 27);
    int runs;

    (void)state;
    assert_int_equal(count_lost(&all, &runs), PACKETS);
    assert_int_equal(count_lost(&none, &runs), 0);
    lab_rules_free(all.rules);
    lab_rules_free(none.rules);
}

static void the_seed_decides(void **state)
{
    struct path one = make_path("loss 10.27.3.0/24 50%", 27);
    struct path same = make_path("loss 10.27.3.0/24 50%", 27);
    struct path other = make_path("loss 10.27.3.0/24 50%", 28);
    int differing = 0;

    (void)state;
    for (int i = 0; i < 1000; i++) {
        enum lab_cause cause = send_one(&one, 0, 84).cause;

        assert_int_equal(cause, send_one(&same, 0, 84).cause);
        differing += cause != send_one(&other, 0, 84).cause;
    }
    assert_in_range(differing, 400, 600);
    lab_rules_free(one.rules);
    lab_rules_free(same.rules);
    lab_rules_free(other.rules);
}

static void down_takes_all(void **state)
{
    struct path path = make_path("down 10.27.0.0/16", 27);

    (void)state;
    assert_int_equal(send_one(&path, 0, 84).cause, LAB_CAUSE_DOWN);
    lab_rules_free(path.rules);
}

static void uniform_jitter_spans_its_width(void **state)
{
    struct path path = make_path("delay 10.27.3.0/24 20ms --jitter 5ms", 27);
    double sum = 0;
    int64_t least = INT64_MAX;
    int64_t most = 0;

    (void)state;
    for (int i = 0; i < PACKETS; i++) {
        int64_t delay_ns = send_one(&path, 1000, 84).due_ns - 1000;

        least = delay_ns < least ? delay_ns : least;
        most = delay_ns > most ? delay_ns : most;
        sum += (double)delay_ns;
    }
    assert_in_range(least, 15000000, 15010000);
    assert_in_range(most, 24990000, 25000000);
    assert_float_equal(sum / PACKETS, 20e6, 30e3);
    lab_rules_free(path.rules);
}

static void normal_jitter_is_never_negative(void **state)
{
    struct path path = make_path("delay 10.27.3.0/24 4ms --jitter 4ms --distribution normal", 27);
    int at_zero = 0;

    (void)state;
    for (int i = 0; i < PACKETS; i++) {
        int64_t due_ns = send_one(&path, 1000, 84).due_ns;

        assert_true(due_ns >= 1000);
        assert_true(due_ns <= 1000 + 20000000);
        at_zero += due_ns == 1000;
    }
    assert_in_range(at_zero, PACKETS * 145 / 1000, PACKETS * 175 / 1000); /* 15.9 % lie below */
    lab_rules_free(path.rules);
}

static void the_rate_spaces_packets(void **state)
{
    struct path path = make_path("rate 10.27.3.0/24 1MB", 27);

    (void)state;
    assert_int_equal(send_one(&path, 0, 1000).due_ns, 1000000); /* 1 ms for 1000 bytes */
    assert_int_equal(send_one(&path, 0, 1000).due_ns, 2000000);
    assert_int_equal(send_one(&path, 500000, 500).due_ns, 2500000);
    assert_int_equal(send_one(&path, 9000000, 1000).due_ns, 10000000); /* the line was free */
    lab_rules_free(path.rules);
}

static void a_full_queue_drops(void **state)
{
    struct path path = make_path("rate 10.27.3.0/24 1MB --limit 3kB", 27);
    int passed = 0;

    (void)state;
    for (int i = 0; i < 10; i++)
        passed += send_one(&path, 0, 1000).cause == LAB_CAUSE_NONE;
    assert_int_equal(passed, 3);
    assert_int_equal(send_one(&path, 1000000, 1000).cause, LAB_CAUSE_NONE);
    assert_int_equal(send_one(&path, 1000000, 1000).cause, LAB_CAUSE_RATE);
    lab_rules_free(path.rules);
}

static void a_packet_larger_than_the_limit_still_passes_an_idle_line(void **state)
{
    struct path path = make_path("rate 10.27.3.0/24 1MB --limit 100B", 27);

    (void)state;
    assert_int_equal(send_one(&path, 0, 1500).cause, LAB_CAUSE_NONE);
    lab_rules_free(path.rules);
}

static void duplicates_and_damage_have_their_shares(void **state)
{
    struct path path = make_path("duplicate 10.27.3.0/24 10%", 27);
    struct lab_prefix host = test_prefix("10.27.3.1");
    int duplicated = 0;
    int corrupted = 0;

    (void)state;
    test_say(path.rules, "corrupt 10.27.3.0/24 5% --fix-checksum");
    lab_rules_resolve(path.rules, &host.addr, path.profiles);
    for (int i = 0; i < PACKETS; i++) {
        struct lab_verdict verdict = send_one(&path, 0, 84);

        duplicated += verdict.duplicates;
        corrupted += verdict.corrupts;
        assert_int_equal(verdict.mends, verdict.corrupts);
    }
    assert_in_range(duplicated, 9600, 10400);
    assert_in_range(corrupted, 4700, 5300);
    lab_rules_free(path.rules);
}

static void one_impairment_does_not_shift_another(void **state)
{
    struct path alone = make_path("loss 10.27.3.0/24 10%", 27);
    struct path beside = make_path("loss 10.27.3.0/24 10%", 27);
    struct lab_prefix host = test_prefix("10.27.3.1");

    (void)state;
    test_say(beside.rules, "delay 10.27.3.0/24 20ms --jitter 5ms");
    test_say(beside.rules, "duplicate 10.27.3.0/24 50%");
    lab_rules_resolve(beside.rules, &host.addr, beside.profiles);
    for (int i = 0; i < 5000; i++)
        assert_int_equal(send_one(&alone, 0, 84).cause, send_one(&beside, 0, 84).cause);
    lab_rules_free(alone.rules);
    lab_rules_free(beside.rules);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(loss_has_its_share),
        cmocka_unit_test(bursts_have_share_and_length),
        cmocka_unit_test(all_and_nothing_are_exact),
        cmocka_unit_test(the_seed_decides),
        cmocka_unit_test(down_takes_all),
        cmocka_unit_test(uniform_jitter_spans_its_width),
        cmocka_unit_test(normal_jitter_is_never_negative),
        cmocka_unit_test(the_rate_spaces_packets),
        cmocka_unit_test(a_full_queue_drops),
        cmocka_unit_test(a_packet_larger_than_the_limit_still_passes_an_idle_line),
        cmocka_unit_test(duplicates_and_damage_have_their_shares),
        cmocka_unit_test(one_impairment_does_not_shift_another),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
