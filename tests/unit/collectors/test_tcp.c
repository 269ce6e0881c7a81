/* Against sockets of this process on loopback. */
#include "loop/loop.h"
#include "phusong/collector.h"
#include "phusong/resolve.h"
#include "phusong/sink.h"
#include "phusong/stats.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

extern const struct phu_collector phu_collector_tcp;

enum { CHECKS = 40 };

struct tcp_options { /* as the collector's tables have it */
    int64_t max_concurrent;
};

struct tcp_check_options {
    char *source, *interface;
    int family;
};

struct fixture {
    struct phu_sink sink;
    struct phu_sched *sched;
    struct phu_stats *stats;
    struct phu_resolver *resolver;
    struct tcp_options options;
    struct tcp_check_options check_options;
    void *tcp;
    void *checks[CHECKS];
    size_t check_count, verdicts, wanted;
    enum phu_result results[CHECKS];
    int64_t values[CHECKS], elapsed_ns[CHECKS];
    struct phu_timer watchdog;
    char port[8];
    int listener;
};

static void sink_put(struct phu_sink *sink, const struct phu_observation *observation)
{
    struct fixture *fixture = (struct fixture *)sink;

    fixture->results[observation->check] = observation->result;
    fixture->elapsed_ns[observation->check] =
        phu_mono_since(observation->completed, observation->started);
    fixture->values[observation->check] = observation->value_count ? observation->values[0].i : -1;
    if (++fixture->verdicts == fixture->wanted)
        phu_loop_stop(fixture->sched);
}

static void watchdog_fired(struct phu_timer *timer)
{
    struct fixture *fixture = phu_container_of(timer, struct fixture, watchdog);

    phu_loop_stop(fixture->sched);
}

static void open_collector(struct fixture *fixture, int64_t sockets)
{
    struct phu_collector_env env = {.sink = &fixture->sink};

    *fixture = (struct fixture){.sink = {.put = sink_put},
                                .options = {.max_concurrent = sockets},
                                .check_options = {.source = "", .interface = ""},
                                .listener = -1};
    fixture->stats = phu_stats_new();
    assert_int_equal(phu_loop_new(&fixture->sched), 0);
    assert_int_equal(phu_resolver_new(fixture->sched, &fixture->resolver), 0);
    env.sched = fixture->sched;
    env.stats = fixture->stats;
    env.resolver = fixture->resolver;
    assert_int_equal(phu_collector_tcp.open(&env, &fixture->options, &fixture->tcp), 0);
    phu_timer_init(&fixture->watchdog, watchdog_fired);
}

static void close_collector(struct fixture *fixture)
{
    for (size_t i = 0; i < fixture->check_count; i++)
        phu_collector_tcp.detach(fixture->tcp, fixture->checks[i]);
    phu_timer_cancel(fixture->sched, &fixture->watchdog);
    phu_collector_tcp.close(fixture->tcp);
    phu_resolver_free(fixture->resolver);
    phu_loop_free(fixture->sched);
    phu_stats_free(fixture->stats);
    if (fixture->listener >= 0)
        close(fixture->listener);
}

/* A socket bound to a free port, which becomes the checks' argument. */
static void bind_port(struct fixture *fixture, int family)
{
    struct sockaddr_in6 address = {.sin6_family = (sa_family_t)family};
    socklen_t size = family == AF_INET ? sizeof(struct sockaddr_in) : sizeof address;

    if (family == AF_INET)
        ((struct sockaddr_in *)&address)->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    else
        address.sin6_addr = in6addr_loopback;
    fixture->listener = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fixture->listener, (struct sockaddr *)&address, size), 0);
    getsockname(fixture->listener, (struct sockaddr *)&address, &size);
    snprintf(fixture->port, sizeof fixture->port, "%u", ntohs(address.sin6_port));
}

static void add_check(struct fixture *fixture, const char *address, int64_t timeout_ns)
{
    struct phu_check_spec spec = {.check = (uint32_t)fixture->check_count,
                                  .id = "test",
                                  .address = address,
                                  .argument = fixture->port,
                                  .credential = "",
                                  .rows = "",
                                  .options = &fixture->check_options,
                                  .interval_ns = PHU_NS_PER_S,
                                  .timeout_ns = timeout_ns};
    void **check = &fixture->checks[fixture->check_count];

    assert_int_equal(phu_collector_tcp.attach(fixture->tcp, &spec, check), 0);
    fixture->check_count++;
}

static void poll_all(struct fixture *fixture)
{
    fixture->verdicts = 0;
    fixture->wanted = fixture->check_count;
    for (size_t i = 0; i < fixture->check_count; i++)
        phu_collector_tcp.poll(fixture->tcp, fixture->checks[i]);
    assert_int_equal(fixture->verdicts, 0); /* never from inside poll */
    phu_timer_after(fixture->sched, &fixture->watchdog, 5 * PHU_NS_PER_S);
    phu_loop_run(fixture->sched);
    assert_int_equal(fixture->verdicts, fixture->wanted);
}

static void a_listening_port_connects(void **state)
{
    static const int families[] = {AF_INET, AF_INET6};

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct fixture fixture;

        open_collector(&fixture, 8);
        bind_port(&fixture, families[i]);
        listen(fixture.listener, 8);
        add_check(&fixture, i ? "::1" : "127.0.0.1", PHU_NS_PER_S);
        for (int round = 0; round < 3; round++) {
            poll_all(&fixture);
            assert_int_equal(fixture.results[0], PHU_RESULT_OK);
            assert_in_range(fixture.values[0], 0, 500000);
        }
        close_collector(&fixture);
    }
}

static void a_closed_port_refuses(void **state)
{
    struct fixture fixture;

    (void)state;
    open_collector(&fixture, 8);
    bind_port(&fixture, AF_INET); /* bound, but nobody listens */
    add_check(&fixture, "127.0.0.1", PHU_NS_PER_S);
    poll_all(&fixture);
    assert_int_equal(fixture.results[0], PHU_RESULT_REFUSED);
    assert_int_equal(fixture.values[0], 1);
    close_collector(&fixture);
}

/* A backlog that is full drops the SYN. */
static void fill_backlog(struct fixture *fixture, int fillers[4])
{
    struct sockaddr_in address;
    socklen_t size = sizeof address;

    getsockname(fixture->listener, (struct sockaddr *)&address, &size);
    for (size_t i = 0; i < 4; i++) {
        fillers[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        connect(fillers[i], (struct sockaddr *)&address, size);
    }
}

static void silence_is_a_timeout_of_its_own_length(void **state)
{
    struct fixture fixture;
    int fillers[4];

    (void)state;
    open_collector(&fixture, 8);
    bind_port(&fixture, AF_INET);
    listen(fixture.listener, 0);
    fill_backlog(&fixture, fillers);
    add_check(&fixture, "127.0.0.1", 50 * PHU_NS_PER_MS);
    poll_all(&fixture);
    assert_int_equal(fixture.results[0], PHU_RESULT_TIMEOUT);
    assert_true(fixture.elapsed_ns[0] >= 50 * PHU_NS_PER_MS);
    for (size_t i = 0; i < 4; i++)
        close(fillers[i]);
    close_collector(&fixture);
}

static void more_checks_than_sockets_all_get_their_turn(void **state)
{
    struct fixture fixture;

    (void)state;
    open_collector(&fixture, 2);
    bind_port(&fixture, AF_INET);
    listen(fixture.listener, CHECKS);
    for (size_t i = 0; i < CHECKS; i++)
        add_check(&fixture, "127.0.0.1", PHU_NS_PER_S);
    poll_all(&fixture);
    for (size_t i = 0; i < CHECKS; i++)
        assert_int_equal(fixture.results[i], PHU_RESULT_OK);
    close_collector(&fixture);
}

static void a_loop_that_was_held_up_does_not_make_it_slow(void **state)
{
    struct fixture fixture;

    (void)state;
    open_collector(&fixture, 2);
    bind_port(&fixture, AF_INET);
    listen(fixture.listener, 8);
    add_check(&fixture, "127.0.0.1", 50 * PHU_NS_PER_MS);
    fixture.wanted = 1;
    phu_collector_tcp.poll(fixture.tcp, fixture.checks[0]);
    /* Past the timeout: the connection has stood for long when the loop comes to look. */
    usleep(80000);
    phu_loop_run(fixture.sched);
    assert_int_equal(fixture.results[0], PHU_RESULT_OK);
    assert_true(fixture.values[0] < 50000);
    close_collector(&fixture);
}

static void what_this_machine_cannot_do_is_unknown(void **state)
{
    struct fixture fixture;

    (void)state;
    open_collector(&fixture, 2);
    snprintf(fixture.port, sizeof fixture.port, "9");
    fixture.check_options.source = "203.0.113.77"; /* not ours */
    add_check(&fixture, "127.0.0.1", PHU_NS_PER_S);
    poll_all(&fixture);
    assert_int_equal(fixture.results[0], PHU_RESULT_LOCAL_ERROR);
    close_collector(&fixture);
}

static void a_detached_check_says_nothing(void **state)
{
    struct fixture fixture;

    (void)state;
    open_collector(&fixture, 1);
    bind_port(&fixture, AF_INET);
    listen(fixture.listener, 8);
    for (size_t i = 0; i < 3; i++)
        add_check(&fixture, "127.0.0.1", PHU_NS_PER_S);
    for (size_t i = 0; i < 3; i++)
        phu_collector_tcp.poll(fixture.tcp, fixture.checks[i]);
    phu_collector_tcp.detach(fixture.tcp, fixture.checks[2]); /* waits */
    phu_collector_tcp.detach(fixture.tcp, fixture.checks[1]); /* waits, now the last */
    fixture.check_count = 1;
    fixture.wanted = 1;
    phu_loop_run(fixture.sched);
    assert_int_equal(fixture.verdicts, 1);
    assert_int_equal(fixture.results[0], PHU_RESULT_OK);
    close_collector(&fixture);
}

static void arguments_are_ports(void **state)
{
    static const char *const bad[] = {"", "0", "65536", "http", "-1", "4 3", "000443", "443 "};

    (void)state;
    assert_null(phu_collector_tcp.check_argument("443"));
    assert_null(phu_collector_tcp.check_argument("65535"));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_non_null(phu_collector_tcp.check_argument(bad[i]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_listening_port_connects),
        cmocka_unit_test(a_closed_port_refuses),
        cmocka_unit_test(silence_is_a_timeout_of_its_own_length),
        cmocka_unit_test(more_checks_than_sockets_all_get_their_turn),
        cmocka_unit_test(a_loop_that_was_held_up_does_not_make_it_slow),
        cmocka_unit_test(what_this_machine_cannot_do_is_unknown),
        cmocka_unit_test(a_detached_check_says_nothing),
        cmocka_unit_test(arguments_are_ports),
    };

    return cmocka_run_group_tests_name("tcp", tests, NULL, NULL);
}
