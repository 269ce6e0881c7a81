#include "echo.h"

#include "rules.h"

#include <stdlib.h>

static const int64_t ms = 1000000;

/* The smallest world in which echoes live. */
struct world {
    struct lab_board *board;
    int board_fd;
    struct lab_rules *rules;
    struct lab_hosts *hosts;
    struct lab_echoes *echoes;
    struct lab_host *host;
    struct lab_packet request;
    struct lab_packet reply;
};

static int set_up(void **state)
{
    struct world *world = calloc(1, sizeof(*world));
    struct lab_prefix host = test_prefix("10.27.3.1");
    struct lab_prefix agent = test_prefix("198.18.27.1");

    assert_int_equal(lab_board_open(&world->board, &world->board_fd), 0);
    world->rules = lab_rules_new();
    world->hosts = lab_hosts_new(world->board, world->rules, 27);
    world->echoes = lab_echoes_new(world->board, NULL);
    world->host = lab_hosts_get(world->hosts, &host.addr);
    world->request = (struct lab_packet){.source = agent.addr,
                                         .target = host.addr,
                                         .kind = LAB_KIND_ECHO,
                                         .is_request = true,
                                         .ident = 7,
                                         .sequence = 1};
    world->reply = (struct lab_packet){.source = host.addr,
                                       .target = agent.addr,
                                       .kind = LAB_KIND_ECHO,
                                       .ident = 7,
                                       .sequence = 1};
    *state = world;
    return 0;
}

static int tear_down(void **state)
{
    struct world *world = *state;

    lab_echoes_free(world->echoes);
    lab_hosts_free(world->hosts);
    lab_rules_free(world->rules);
    lab_board_close(world->board, world->board_fd);
    free(world);
    return 0;
}

static struct lab_echo_ref ask(struct world *world)
{
    return lab_echoes_request(world->echoes, world->host, &world->request, 0, 0);
}

static struct lab_echo_ref answer(struct world *world, int64_t now_ns)
{
    return lab_echoes_reply(world->echoes, &world->reply, &now_ns);
}

static uint64_t under_way(const struct world *world)
{
    return world->board->totals.open_echoes;
}

static void an_answered_echo_settles(void **state)
{
    struct world *world = *state;
    struct lab_echo_ref ref = ask(world);
    int64_t seen_ns = 12 * ms;

    assert_int_equal(under_way(world), 1);
    lab_echoes_deliver(world->echoes, ref, LAB_TO, 10 * ms, 10 * ms);
    ref = lab_echoes_reply(world->echoes, &world->reply, &seen_ns);
    assert_int_equal(seen_ns, 10 * ms); /* the delay back begins when the district had it */
    lab_echoes_deliver(world->echoes, ref, LAB_FROM, 20 * ms, 10 * ms);
    assert_int_equal(under_way(world), 0);
    assert_int_equal(world->host->stats->sent, 1);
    assert_int_equal(world->host->stats->answered, 1);
}

static void losses_settle_by_direction(void **state)
{
    struct world *world = *state;
    struct lab_echo_ref ref = ask(world);

    lab_echoes_drop(world->echoes, ref, LAB_TO, LAB_CAUSE_LOSS, 0);
    assert_int_equal(world->host->stats->lost_request, 1);
    world->request.sequence = world->reply.sequence = 2;
    ref = ask(world);
    lab_echoes_deliver(world->echoes, ref, LAB_TO, ms, ms);
    lab_echoes_drop(world->echoes, answer(world, ms), LAB_FROM, LAB_CAUSE_LOSS, ms);
    assert_int_equal(world->host->stats->lost_reply, 1);
    assert_int_equal(world->host->stats->sent, 2);
    assert_int_equal(under_way(world), 0);
}

static void a_reply_to_nothing_matches_nothing(void **state)
{
    struct world *world = *state;
    struct lab_echo_ref ref = ask(world);

    lab_echoes_deliver(world->echoes, ref, LAB_TO, 0, 0);
    world->reply.ident = 8;
    assert_int_equal(answer(world, ms).slot, 0);
    assert_int_equal(under_way(world), 1);
}

static void silence_becomes_unanswered(void **state)
{
    struct world *world = *state;

    lab_echoes_deliver(world->echoes, ask(world), LAB_TO, 0, 0);
    lab_echoes_expire(world->echoes, 1999 * ms, 2000 * ms);
    assert_int_equal(world->host->stats->unanswered, 0);
    lab_echoes_expire(world->echoes, 2000 * ms, 2000 * ms);
    assert_int_equal(world->host->stats->unanswered, 1);
    assert_int_equal(under_way(world), 0);
}

static void waiting_in_the_queue_is_not_silence(void **state)
{
    struct world *world = *state;

    ask(world);
    lab_echoes_expire(world->echoes, 60000 * ms, 2000 * ms);
    assert_int_equal(under_way(world), 1);
}

static void one_of_two_copies_is_enough(void **state)
{
    struct world *world = *state;
    struct lab_echo_ref ref = ask(world);

    lab_echoes_copy(world->echoes, ref);
    lab_echoes_drop(world->echoes, ref, LAB_TO, LAB_CAUSE_RATE, 0);
    assert_int_equal(under_way(world), 1);
    lab_echoes_deliver(world->echoes, ref, LAB_TO, ms, ms);
    lab_echoes_deliver(world->echoes, answer(world, ms), LAB_FROM, 2 * ms, ms);
    assert_int_equal(world->host->stats->answered, 1);
    assert_int_equal(world->host->stats->lost_request, 0);
}

static void both_copies_lost_is_one_loss(void **state)
{
    struct world *world = *state;
    struct lab_echo_ref ref = ask(world);

    lab_echoes_copy(world->echoes, ref);
    lab_echoes_drop(world->echoes, ref, LAB_TO, LAB_CAUSE_RATE, 0);
    lab_echoes_drop(world->echoes, ref, LAB_TO, LAB_CAUSE_RATE, 0);
    assert_int_equal(world->host->stats->lost_request, 1);
}

static void a_stale_reference_does_nothing(void **state)
{
    struct world *world = *state;
    struct lab_echo_ref stale = ask(world);

    lab_echoes_drop(world->echoes, stale, LAB_TO, LAB_CAUSE_LOSS, 0);
    world->request.sequence = 2;
    ask(world); /* takes the same slot */
    lab_echoes_drop(world->echoes, stale, LAB_TO, LAB_CAUSE_LOSS, 0);
    lab_echoes_deliver(world->echoes, stale, LAB_FROM, ms, ms);
    assert_int_equal(under_way(world), 1);
    assert_int_equal(world->host->stats->lost_request, 1);
}

static void a_repeated_sequence_settles_the_former(void **state)
{
    struct world *world = *state;

    lab_echoes_deliver(world->echoes, ask(world), LAB_TO, 0, 0);
    lab_echoes_deliver(world->echoes, ask(world), LAB_TO, ms, ms);
    assert_int_equal(under_way(world), 1);
    assert_int_equal(world->host->stats->unanswered, 1);
    lab_echoes_deliver(world->echoes, answer(world, ms), LAB_FROM, ms, 0);
    assert_int_equal(world->host->stats->answered, 1);
}

static void thousands_are_told_apart(void **state)
{
    struct world *world = *state;
    enum { COUNT = 20000 };

    for (int i = 0; i < COUNT; i++) {
        world->request.sequence = (uint16_t)i;
        lab_echoes_deliver(world->echoes, ask(world), LAB_TO, 0, 0);
    }
    assert_int_equal(under_way(world), COUNT);
    for (int i = COUNT - 1; i >= 0; i -= 2) {
        world->reply.sequence = (uint16_t)i;
        lab_echoes_deliver(world->echoes, answer(world, ms), LAB_FROM, ms, 0);
    }
    assert_int_equal(world->host->stats->answered, COUNT / 2);
    lab_echoes_expire(world->echoes, 5000 * ms, 2000 * ms);
    assert_int_equal(world->host->stats->unanswered, COUNT / 2);
    assert_int_equal(under_way(world), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(an_answered_echo_settles, set_up, tear_down),
        cmocka_unit_test_setup_teardown(losses_settle_by_direction, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_reply_to_nothing_matches_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(silence_becomes_unanswered, set_up, tear_down),
        cmocka_unit_test_setup_teardown(waiting_in_the_queue_is_not_silence, set_up, tear_down),
        cmocka_unit_test_setup_teardown(one_of_two_copies_is_enough, set_up, tear_down),
        cmocka_unit_test_setup_teardown(both_copies_lost_is_one_loss, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_stale_reference_does_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_repeated_sequence_settles_the_former, set_up, tear_down),
        cmocka_unit_test_setup_teardown(thousands_are_told_apart, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
