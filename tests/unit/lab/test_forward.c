#include "forward.h"

#include "packets.h"
#include "rules.h"

#include <errno.h>
#include <stdlib.h>

static const int64_t ms = 1000000;

enum { SENT_MAX = 4096 };

/* A forwarder between two ends that only write down what they get, under a clock of its own. */
struct world {
    struct lab_board *board;
    int board_fd;
    struct lab_rules *rules;
    struct lab_forward *forward;
    struct lab_prefix prefix;
    int64_t now_ns;
    int64_t queued_ns; /* how long packets are said to have waited before they were read */
    bool fails;
    size_t sent[LAB_DIRS];
    int64_t sent_at_ns[LAB_DIRS][SENT_MAX];
    uint8_t last[LAB_DIRS][TEST_PACKET_MAX];
};

static int take(void *context, enum lab_dir dir, const uint8_t *bytes, size_t length)
{
    struct world *world = context;

    if (world->fails)
        return -EIO;
    assert_true(length <= TEST_PACKET_MAX && world->sent[dir] < SENT_MAX);
    memcpy(world->last[dir], bytes, length);
    world->sent_at_ns[dir][world->sent[dir]++] = world->now_ns;
    return 0;
}

static int64_t read_clock(void *context)
{
    return ((struct world *)context)->now_ns;
}

static int64_t left_at(void *context, const struct lab_packet *packet, int64_t now_ns)
{
    (void)packet;
    return now_ns - ((struct world *)context)->queued_ns;
}

static int set_up(void **state)
{
    struct world *world = calloc(1, sizeof(*world));
    struct lab_forward_config config = {.prefix_count = 1,
                                        .seed = 27,
                                        .buffer_bytes = 100000,
                                        .send = take,
                                        .now = read_clock,
                                        .sent = left_at,
                                        .context = world};

    assert_int_equal(lab_board_open(&world->board, &world->board_fd), 0);
    world->rules = lab_rules_new();
    world->prefix = test_prefix("10.27.0.0/16");
    config.board = world->board;
    config.rules = world->rules;
    config.prefixes = &world->prefix;
    world->forward = lab_forward_new(&config);
    assert_non_null(world->forward);
    *state = world;
    return 0;
}

static int tear_down(void **state)
{
    struct world *world = *state;

    lab_forward_free(world->forward);
    lab_rules_free(world->rules);
    lab_board_close(world->board, world->board_fd);
    free(world);
    return 0;
}

static void put_echo(struct world *world, enum lab_dir dir, uint16_t sequence)
{
    static const uint8_t host[4] = {10, 27, 3, 1};
    uint8_t bytes[TEST_PACKET_MAX];
    size_t length = test_echo(bytes, dir == LAB_TO ? 8 : 0, host, 7, sequence);

    lab_forward_put(world->forward, dir, bytes, length, world->now_ns, 0);
}

/* Lets time pass, and has the district answer each request as it arrives. */
static void advance(struct world *world, int64_t until_ns, bool answers)
{
    while (lab_forward_due(world->forward) <= until_ns) {
        size_t before = world->sent[LAB_TO];

        world->now_ns = lab_forward_due(world->forward);
        lab_forward_release(world->forward, 1);
        if (answers && world->sent[LAB_TO] > before)
            put_echo(world, LAB_FROM,
                     (uint16_t)(world->last[LAB_TO][26] << 8 | world->last[LAB_TO][27]));
    }
    world->now_ns = until_ns;
}

static const struct lab_host_stats *stats(const struct world *world)
{
    return &world->board->hosts[0];
}

static void without_rules_packets_pass_at_once(void **state)
{
    struct world *world = *state;

    put_echo(world, LAB_TO, 1);
    assert_int_equal(world->sent[LAB_TO], 1);
    put_echo(world, LAB_FROM, 1);
    assert_int_equal(world->sent[LAB_FROM], 1);
    assert_int_equal(stats(world)->answered, 1);
    assert_int_equal(stats(world)->ways[LAB_TO].delay_sum_ns, 0);
}

static void the_delay_holds_both_ways(void **state)
{
    struct world *world = *state;

    test_say(world->rules, "delay 10.27.3.0/24 20ms");
    put_echo(world, LAB_TO, 1);
    assert_int_equal(world->sent[LAB_TO], 0);
    advance(world, 100 * ms, true);
    assert_int_equal(world->sent_at_ns[LAB_TO][0], 20 * ms);
    assert_int_equal(world->sent_at_ns[LAB_FROM][0], 40 * ms);
    assert_int_equal(stats(world)->ways[LAB_TO].delay_min_ns, 20 * ms);
    assert_int_equal(stats(world)->ways[LAB_FROM].delay_max_ns, 20 * ms);
}

static void time_in_the_queue_counts_as_delay(void **state)
{
    struct world *world = *state;

    test_say(world->rules, "delay 10.27.3.0/24 20ms --dir to");
    world->now_ns = 50 * ms;
    world->queued_ns = 5 * ms;
    put_echo(world, LAB_TO, 1);
    assert_int_equal(lab_forward_due(world->forward), 65 * ms);
    world->queued_ns = 30 * ms; /* longer than the delay: due at once, and recorded as it was */
    put_echo(world, LAB_TO, 2);
    assert_int_equal(world->sent[LAB_TO], 1);
    assert_int_equal(stats(world)->ways[LAB_TO].delay_max_ns, 30 * ms);
}

static void lateness_is_recorded_as_delay(void **state)
{
    struct world *world = *state;

    test_say(world->rules, "delay 10.27.3.0/24 20ms");
    put_echo(world, LAB_TO, 1);
    world->now_ns = 23 * ms;
    assert_int_equal(lab_forward_release(world->forward, 10), 1);
    assert_int_equal(stats(world)->ways[LAB_TO].delay_sum_ns, 23 * ms);
    assert_int_equal(world->board->totals.lateness_max_ns, 3 * ms);
    assert_int_equal(lab_board_lateness(&world->board->totals, 0.5), LAB_LATENESS_US);
}

/* The sum that tests rely on: each echo sent has one fate. */
static void every_echo_has_one_fate(void **state)
{
    struct world *world = *state;
    const struct lab_host_stats *host = stats(world);

    test_say(world->rules, "delay 10.27.0.0/16 20ms --jitter 15ms");
    test_say(world->rules, "loss 10.27.3.0/24 20% --burst 2");
    test_say(world->rules, "duplicate 10.27.3.0/24 10%");
    for (int i = 0; i < 1000; i++) {
        advance(world, i * ms, true);
        put_echo(world, LAB_TO, (uint16_t)i);
    }
    advance(world, 3000 * ms, true);
    lab_forward_tidy(world->forward, 9000 * ms);
    assert_int_equal(host->sent, 1000);
    assert_int_equal(host->answered + host->lost_request + host->lost_reply + host->unanswered,
                     1000);
    assert_int_equal(host->unanswered, 0);
    assert_in_range(host->answered, 600, 750);
    assert_int_equal(host->answered + host->extra_replies, host->ways[LAB_FROM].echoes_forwarded);
    assert_true(host->extra_replies > 50);
    assert_int_equal(host->ways[LAB_TO].forwarded + host->ways[LAB_TO].dropped[LAB_CAUSE_LOSS],
                     1000 + host->ways[LAB_TO].duplicated);
    assert_int_equal(world->board->totals.queued_packets, 0);
    assert_int_equal(world->board->totals.queued_bytes, 0);
    assert_int_equal(world->board->totals.open_echoes, 0);
}

static void kept_order_is_kept(void **state)
{
    struct world *world = *state;
    uint16_t last = 0;

    test_say(world->rules, "delay 10.27.0.0/16 20ms --jitter 20ms --keep-order");
    for (uint16_t i = 1; i <= 200; i++) {
        world->now_ns += ms;
        put_echo(world, LAB_TO, i);
    }
    while (lab_forward_due(world->forward) != INT64_MAX) {
        uint16_t sequence;

        world->now_ns = lab_forward_due(world->forward);
        lab_forward_release(world->forward, 1);
        sequence = (uint16_t)(world->last[LAB_TO][26] << 8 | world->last[LAB_TO][27]);
        assert_int_equal(sequence, last + 1);
        last = sequence;
    }
    assert_int_equal(last, 200);
}

static void a_full_buffer_is_an_overrun(void **state)
{
    struct world *world = *state;

    test_say(world->rules, "delay 10.27.0.0/16 1s");
    for (uint16_t i = 0; i < 2000; i++)
        put_echo(world, LAB_TO, i);
    assert_true(stats(world)->ways[LAB_TO].dropped[LAB_CAUSE_BUFFER] > 0);
    assert_int_equal(lab_board_overruns(world->board),
                     stats(world)->ways[LAB_TO].dropped[LAB_CAUSE_BUFFER]);
    assert_true(world->board->totals.queued_bytes <= 100000);
    assert_int_equal(stats(world)->lost_request + world->board->totals.queued_packets, 2000);
}

static void a_refused_packet_is_an_overrun(void **state)
{
    struct world *world = *state;

    world->fails = true;
    put_echo(world, LAB_TO, 1);
    assert_int_equal(stats(world)->ways[LAB_TO].dropped[LAB_CAUSE_WRITE], 1);
    assert_int_equal(stats(world)->lost_request, 1);
    assert_int_equal(stats(world)->ways[LAB_TO].forwarded, 0);
}

static void strangers_do_not_pass(void **state)
{
    static const uint8_t elsewhere[4] = {192, 0, 2, 1};
    struct world *world = *state;
    uint8_t bytes[TEST_PACKET_MAX];
    size_t length = test_echo(bytes, 8, elsewhere, 7, 1);

    lab_forward_put(world->forward, LAB_TO, bytes, length, 0, 0);
    lab_forward_put(world->forward, LAB_TO, bytes, 7, 0, 0);
    assert_int_equal(world->sent[LAB_TO], 0);
    assert_int_equal(world->board->totals.foreign, 1);
    assert_int_equal(world->board->totals.malformed, 1);
    assert_int_equal(world->board->totals.host_count, 0);
}

static void a_change_holds_for_the_next_packet(void **state)
{
    struct world *world = *state;

    put_echo(world, LAB_TO, 1);
    test_say(world->rules, "down 10.27.3.0/24");
    put_echo(world, LAB_TO, 2);
    test_say(world->rules, "up 10.27.3.0/24");
    put_echo(world, LAB_TO, 3);
    assert_int_equal(world->sent[LAB_TO], 2);
    assert_int_equal(stats(world)->ways[LAB_TO].dropped[LAB_CAUSE_DOWN], 1);
}

static void corrupted_bytes_are_changed_but_mended(void **state)
{
    struct world *world = *state;

    test_say(world->rules, "corrupt 10.27.3.0/24 100% --fix-checksum --dir to");
    put_echo(world, LAB_TO, 1);
    assert_int_equal(test_checksum(world->last[LAB_TO] + 20, 8 + TEST_PAYLOAD, 0), 0);
    assert_int_equal(stats(world)->ways[LAB_TO].corrupted, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(without_rules_packets_pass_at_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_delay_holds_both_ways, set_up, tear_down),
        cmocka_unit_test_setup_teardown(time_in_the_queue_counts_as_delay, set_up, tear_down),
        cmocka_unit_test_setup_teardown(lateness_is_recorded_as_delay, set_up, tear_down),
        cmocka_unit_test_setup_teardown(every_echo_has_one_fate, set_up, tear_down),
        cmocka_unit_test_setup_teardown(kept_order_is_kept, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_full_buffer_is_an_overrun, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_refused_packet_is_an_overrun, set_up, tear_down),
        cmocka_unit_test_setup_teardown(strangers_do_not_pass, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_change_holds_for_the_next_packet, set_up, tear_down),
        cmocka_unit_test_setup_teardown(corrupted_bytes_are_changed_but_mended, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
