/* The whole collector on the virtual clock, over sockets of which the test says what they do. */
#include "engine.h"
#include "phusong/collector.h"
#include "phusong/name.h"
#include "phusong/resolve.h"
#include "phusong/sink.h"
#include "phusong/stats.h"
#include "sim.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define MS PHU_NS_PER_MS
#define TIMEOUT (200 * MS)

enum { CHECKS_MOST = 6000 };

extern const struct phu_collector phu_collector_icmp;

/* -- The sockets ----------------------------------------------------------------------------- */

struct phu_icmp_socket {
    int family;
};

struct phu_icmp_buffers {
    struct phu_icmp_request requests[PHU_ICMP_BATCH];
};

struct sent {
    struct phu_icmp_echo echo;
    uint8_t address[16];
    uint16_t size;
    bool is_df;
};

struct arrival {
    struct phu_mono at;
    bool is_read;
    struct phu_icmp_arrival arrival;
};

/* What the network and the kernel do. One test at a time. */
static struct {
    struct phu_sched *sched;
    int open_error;
    int send_error; /* for the next `send_errors` calls */
    size_t send_errors;
    int64_t stamp_delay_ns; /* between the call and the packet's leaving */
    uint32_t drops;         /* not yet told */
    struct sent sent[CHECKS_MOST];
    size_t sent_count, calls;
    struct phu_icmp_stamp stamps[CHECKS_MOST];
    size_t stamp_count;
    struct arrival arrivals[CHECKS_MOST];
    size_t arrival_count;
    unsigned watched;
    phu_watch_cb *ready;
    void *ready_arg;
} net;

int phu_icmp_socket_open(int family, enum phu_icmp_socket_kind kind, int64_t receive_buffer,
                         struct phu_icmp_socket **out)
{
    (void)kind;
    (void)receive_buffer;
    if (net.open_error)
        return net.open_error;
    *out = calloc(1, sizeof **out);
    assert_non_null(*out);
    (*out)->family = family;
    return 0;
}

void phu_icmp_socket_close(struct phu_icmp_socket *sock)
{
    free(sock);
}

int phu_icmp_socket_fd(const struct phu_icmp_socket *sock)
{
    return sock->family;
}

uint16_t phu_icmp_socket_id(const struct phu_icmp_socket *sock)
{
    (void)sock;
    return 4711;
}

int phu_icmp_socket_receive_buffer(const struct phu_icmp_socket *sock)
{
    (void)sock;
    return 65536;
}

void phu_icmp_socket_ask_drops(struct phu_icmp_socket *sock, const struct phu_icmp_reader *reader)
{
    if (net.drops && sock->family == AF_INET) {
        reader->overflowed(reader->arg, net.drops);
        net.drops = 0;
    }
}

struct phu_icmp_buffers *phu_icmp_buffers_new(void)
{
    return calloc(1, sizeof(struct phu_icmp_buffers));
}

void phu_icmp_buffers_free(struct phu_icmp_buffers *buffers)
{
    free(buffers);
}

int phu_icmp_buffers_reserve(struct phu_icmp_buffers *buffers, size_t size)
{
    (void)buffers;
    (void)size;
    return 0;
}

bool phu_icmp_path_is_there(struct phu_icmp_path *path)
{
    (void)path;
    return true;
}

void phu_icmp_batch_put(struct phu_icmp_buffers *buffers, struct phu_icmp_socket *sock,
                        size_t index, const struct phu_icmp_request *request)
{
    (void)sock;
    buffers->requests[index] = *request;
}

int phu_icmp_batch_send(struct phu_icmp_buffers *buffers, struct phu_icmp_socket *sock, size_t from,
                        size_t count, bool is_df)
{
    net.calls++;
    if (net.send_errors) {
        net.send_errors--;
        return net.send_error;
    }
    for (size_t i = from; i < count; i++) {
        const struct phu_icmp_request *request = &buffers->requests[i];
        struct sent *sent = &net.sent[net.sent_count++];

        assert_in_range(net.sent_count, 1, CHECKS_MOST - 1);
        *sent = (struct sent){.echo = request->echo, .size = request->size, .is_df = is_df};
        memcpy(sent->address, request->address, sock->family == AF_INET ? 4 : 16);
        if (request->wants_stamp)
            net.stamps[net.stamp_count++] =
                (struct phu_icmp_stamp){request->echo.slot, request->echo.generation,
                                        phu_sched_wall(net.sched).ns + net.stamp_delay_ns};
    }
    return (int)(count - from);
}

/* A stamp is handed out once its packet has left. */
static void tell_stamps(const struct phu_icmp_reader *reader)
{
    size_t kept = 0;

    for (size_t i = 0; i < net.stamp_count; i++) {
        if (net.stamps[i].stamp_ns > phu_sched_wall(net.sched).ns)
            net.stamps[kept++] = net.stamps[i];
        else
            reader->stamped(reader->arg, &net.stamps[i]);
    }
    net.stamp_count = kept;
}

size_t phu_icmp_socket_read(struct phu_icmp_socket *sock, struct phu_icmp_buffers *buffers,
                            const struct phu_icmp_reader *reader)
{
    size_t count = 0;

    (void)buffers;
    if (sock->family != AF_INET)
        return 0;
    tell_stamps(reader);
    for (size_t i = 0; i < net.arrival_count; i++) {
        struct arrival *arrival = &net.arrivals[i];

        if (arrival->is_read || arrival->at.ns > phu_sched_now(net.sched).ns)
            continue;
        arrival->is_read = true;
        count++;
        reader->arrived(reader->arg, &arrival->arrival);
    }
    return count;
}

int __wrap_phu_watch_open(struct phu_sched *sched, int fd, unsigned events, phu_watch_cb *ready,
                          void *arg, struct phu_watch **out);
int __wrap_phu_watch_set(struct phu_watch *watch, unsigned events);
void __wrap_phu_watch_close(struct phu_watch *watch);

int __wrap_phu_watch_open(struct phu_sched *sched, int fd, unsigned events, phu_watch_cb *ready,
                          void *arg, struct phu_watch **out)
{
    (void)sched;
    (void)events;
    if (fd == AF_INET) {
        net.ready = ready;
        net.ready_arg = arg;
    }
    *out = (struct phu_watch *)(fd == AF_INET ? (void *)&net : (void *)&net.sched);
    return 0;
}

int __wrap_phu_watch_set(struct phu_watch *watch, unsigned events)
{
    if ((void *)watch == (void *)&net)
        net.watched = events;
    return 0;
}

void __wrap_phu_watch_close(struct phu_watch *watch)
{
    (void)watch;
}

/* -- Names: "later.example" is answered on demand, everything else is a literal --------------- */

struct phu_name {
    phu_name_cb *known;
    void *arg;
    bool is_known;
};

static struct phu_name *asked;

int phu_name_new(struct phu_sched *sched, struct phu_resolver *resolver, const char *text,
                 int family, phu_name_cb *known, void *arg, struct phu_name **out)
{
    (void)sched;
    (void)resolver;
    (void)text;
    (void)family;
    *out = calloc(1, sizeof **out);
    assert_non_null(*out);
    **out = (struct phu_name){.known = known, .arg = arg};
    return 0;
}

void phu_name_free(struct phu_name *name)
{
    free(name);
}

int phu_name_get(struct phu_name *name, int64_t timeout_ns, struct sockaddr_storage *address)
{
    (void)timeout_ns;
    asked = name;
    if (!name->is_known)
        return -EINPROGRESS;
    return phu_address_parse("10.0.0.9", address);
}

int phu_address_parse(const char *text, struct sockaddr_storage *address)
{
    struct sockaddr_in *v4 = (struct sockaddr_in *)address;

    *address = (struct sockaddr_storage){.ss_family = AF_INET};
    return inet_pton(AF_INET, text, &v4->sin_addr) == 1 ? 0 : -EINVAL;
}

/* -- The fixture ----------------------------------------------------------------------------- */

struct icmp_conf { /* as the collector's tables have it */
    int kind;
    int64_t receive_buffer;
};

struct icmp_check_conf {
    int64_t size, tos, ttl;
    char *source, *interface;
    int family;
    bool is_df;
};

enum { COUNTS = 16 };

struct verdict {
    size_t count;
    enum phu_result result;
    int64_t rtt_us, elapsed_ns;
};

static struct fixture {
    struct phu_sink sink;
    struct phu_stats *stats;
    struct icmp_conf conf;
    struct icmp_check_conf check_conf;
    void *icmp;
    void *checks[CHECKS_MOST];
    size_t check_count;
    struct verdict verdicts[CHECKS_MOST];
    int64_t counts[COUNTS]; /* of observations without verdict, by metric */
} it;

static void sink_put(struct phu_sink *sink, const struct phu_observation *observation)
{
    struct verdict *verdict = &it.verdicts[observation->check];

    (void)sink;
    if (observation->result == PHU_RESULT_NONE) {
        it.counts[observation->values[0].metric] += observation->values[0].i;
        return;
    }
    verdict->count++;
    verdict->result = observation->result;
    verdict->rtt_us = observation->value_count ? observation->values[0].i : -1;
    verdict->elapsed_ns = phu_mono_since(observation->completed, observation->started);
}

static int set_up_with(int open_error)
{
    struct phu_collector_env env = {.sink = &it.sink};

    memset(&net, 0, sizeof net);
    memset(&it, 0, sizeof it);
    net.open_error = open_error;
    net.sched = phu_sim_new(phu_sim_wall("2026-11-23T08:00:00Z"));
    it.sink.put = sink_put;
    it.stats = phu_stats_new();
    it.check_conf = (struct icmp_check_conf){.size = 56, .source = "", .interface = ""};
    env.sched = net.sched;
    env.stats = it.stats;
    return phu_collector_icmp.open(&env, &it.conf, &it.icmp);
}

static int set_up(void **state)
{
    (void)state;
    return set_up_with(0);
}

static int set_up_without_permission(void **state)
{
    (void)state;
    return set_up_with(-EPERM);
}

static int tear_down(void **state)
{
    (void)state;
    for (size_t i = 0; i < it.check_count; i++) {
        if (it.checks[i])
            phu_collector_icmp.detach(it.icmp, it.checks[i]);
    }
    phu_collector_icmp.close(it.icmp);
    phu_stats_free(it.stats);
    phu_sim_free(net.sched);
    return 0;
}

static void add_check(const char *address)
{
    struct phu_check_spec spec = {.check = (uint32_t)it.check_count,
                                  .id = "test",
                                  .address = address,
                                  .argument = "",
                                  .credential = "",
                                  .rows = "",
                                  .options = &it.check_conf,
                                  .interval_ns = PHU_NS_PER_S,
                                  .timeout_ns = TIMEOUT};

    assert_int_equal(phu_collector_icmp.attach(it.icmp, &spec, &it.checks[it.check_count]), 0);
    it.check_count++;
}

static void poll(size_t number)
{
    phu_collector_icmp.poll(it.icmp, it.checks[number]);
}

static bool is_readable(void)
{
    for (size_t i = 0; i < net.arrival_count; i++) {
        if (!net.arrivals[i].is_read && net.arrivals[i].at.ns <= phu_sched_now(net.sched).ns)
            return true;
    }
    return false;
}

static void run_for(int64_t ns)
{
    for (; ns > 0; ns -= MS) {
        phu_sim_run(net.sched, MS);
        if (net.watched & PHU_WATCH_READ && is_readable()) {
            net.ready(net.ready_arg, PHU_WATCH_READ);
            phu_sim_run(net.sched, 0);
        }
    }
}

/* The reply to request `number`, `after_ns` from now; returned for the test to spoil. */
static struct phu_icmp_arrival *reply(size_t number, int64_t after_ns)
{
    struct arrival *arrival = &net.arrivals[net.arrival_count++];
    const struct sent *sent = &net.sent[number];

    assert_true(number < net.sent_count);
    *arrival = (struct arrival){.at = phu_mono_add(phu_sched_now(net.sched), after_ns),
                                .arrival = {.stamp_ns = phu_sched_wall(net.sched).ns + after_ns,
                                            .answer = {.kind = PHU_ICMP_REPLY,
                                                       .has_cookie = true,
                                                       .ttl = 64,
                                                       .payload = sent->size,
                                                       .echo = sent->echo}}};
    memcpy(arrival->arrival.source, sent->address, sizeof sent->address);
    return &arrival->arrival;
}

static struct phu_icmp_arrival *error_about(size_t number, int64_t after_ns)
{
    struct phu_icmp_arrival *arrival = reply(number, after_ns);

    arrival->answer.kind = PHU_ICMP_ERROR;
    arrival->answer.error = PHU_ICMP_UNREACHABLE;
    memcpy(arrival->answer.target, arrival->source, sizeof arrival->source);
    arrival->source[0] ^= 1; /* a router */
    return arrival;
}

static void expect(size_t number, size_t count, enum phu_result result)
{
    assert_int_equal(it.verdicts[number].count, count);
    assert_int_equal(it.verdicts[number].result, result);
}

/* -- Tests ----------------------------------------------------------------------------------- */

static void a_round_trip_is_between_the_stamps(void **state)
{
    (void)state;
    net.stamp_delay_ns = 3 * MS; /* in the queue of the interface */
    add_check("10.0.0.1");
    poll(0);
    assert_int_equal(net.sent_count, 0); /* not from inside poll */
    run_for(MS);
    assert_int_equal(net.sent_count, 1);
    reply(0, 20 * MS);
    run_for(50 * MS);
    expect(0, 1, PHU_RESULT_OK);
    assert_int_equal(it.verdicts[0].rtt_us, 18000); /* 1 + 20 - 3 ms */
}

static void a_held_up_loop_does_not_lengthen_it(void **state)
{
    (void)state;
    add_check("10.0.0.1");
    poll(0);
    run_for(MS);
    reply(0, 20 * MS);
    phu_sim_stall(net.sched, 150 * MS);
    run_for(20 * MS);
    expect(0, 1, PHU_RESULT_OK);
    assert_int_equal(it.verdicts[0].rtt_us, 21000);
}

static void a_reply_that_waits_unread_past_the_timeout_is_no_loss(void **state)
{
    (void)state;
    add_check("10.0.0.1");
    poll(0);
    run_for(MS);
    reply(0, 20 * MS);
    phu_sim_stall(net.sched, 5 * TIMEOUT);
    run_for(20 * MS);
    expect(0, 1, PHU_RESULT_OK);
    assert_int_equal(it.verdicts[0].rtt_us, 21000);
}

static void a_reply_that_came_too_late_is_loss_whenever_it_is_read(void **state)
{
    (void)state;
    add_check("10.0.0.1");
    poll(0);
    run_for(MS);
    reply(0, TIMEOUT + 5 * MS);
    phu_sim_stall(net.sched, 5 * TIMEOUT);
    run_for(20 * MS);
    expect(0, 1, PHU_RESULT_TIMEOUT);
    assert_int_equal(it.counts[PHU_ICMP_METRIC_LATE], 1);
}

static void silence_times_out_soon_after_its_timeout(void **state)
{
    (void)state;
    add_check("10.0.0.1");
    poll(0);
    run_for(TIMEOUT - MS);
    assert_int_equal(it.verdicts[0].count, 0);
    run_for(15 * MS);
    expect(0, 1, PHU_RESULT_TIMEOUT);
    reply(0, 5 * MS);
    poll(0); /* what comes now answers the one before */
    run_for(20 * MS);
    assert_int_equal(it.verdicts[0].count, 1);
    assert_int_equal(it.counts[PHU_ICMP_METRIC_LATE], 1);
    run_for(TIMEOUT);
    expect(0, 2, PHU_RESULT_TIMEOUT);
}

static void a_stepped_wall_clock_changes_no_round_trip(void **state)
{
    static const int64_t steps[] = {-3600 * PHU_NS_PER_S, 3600 * PHU_NS_PER_S, 100 * MS};

    (void)state;
    add_check("10.0.0.1");
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        poll(0);
        run_for(2 * MS);
        phu_sim_step_wall(net.sched, steps[i]);
        reply(i, 10 * MS);
        run_for(30 * MS);
        expect(0, i + 1, PHU_RESULT_OK);
        assert_in_range(it.verdicts[0].rtt_us, 11000, 12000);
    }
}

static void duplicates_and_forgeries_are_counted_and_decide_nothing(void **state)
{
    (void)state;
    add_check("10.0.0.1");
    poll(0);
    run_for(MS);
    reply(0, 2 * MS)->answer.echo.cookie ^= 1;
    reply(0, 3 * MS)->source[3] ^= 1;
    reply(0, 10 * MS);
    reply(0, 12 * MS);
    run_for(5 * MS);
    assert_int_equal(it.verdicts[0].count, 0);
    assert_int_equal(it.counts[PHU_ICMP_METRIC_FORGED], 2);
    run_for(30 * MS);
    expect(0, 1, PHU_RESULT_OK);
    assert_int_equal(it.verdicts[0].rtt_us, 11000);
    poll(0);
    run_for(5 * MS); /* the sockets are read along with sending */
    assert_int_equal(it.counts[PHU_ICMP_METRIC_DUPLICATE], 1);
}

static void a_changed_reply_is_a_mismatch(void **state)
{
    (void)state;
    add_check("10.0.0.1");
    poll(0);
    run_for(MS);
    reply(0, 2 * MS)->answer.is_damaged = true;
    run_for(20 * MS);
    expect(0, 1, PHU_RESULT_MISMATCH);
    assert_int_equal(it.counts[PHU_ICMP_METRIC_CORRUPTED], 1);
}

static void an_error_message_ends_the_probe(void **state)
{
    (void)state;
    add_check("10.0.0.1");
    poll(0);
    run_for(MS);
    error_about(0, 2 * MS);
    run_for(20 * MS);
    expect(0, 1, PHU_RESULT_UNREACHABLE);
    assert_int_equal(it.counts[PHU_ICMP_METRIC_UNREACHABLE], 1);
}

static void an_error_without_cookie_gives_way_to_a_reply(void **state)
{
    (void)state;
    add_check("10.0.0.1");
    add_check("10.0.0.2");
    poll(0);
    poll(1);
    run_for(MS);
    for (size_t i = 0; i < 2; i++)
        error_about(i, 2 * MS)->answer.has_cookie = false;
    reply(0, 20 * MS);
    run_for(TIMEOUT + 20 * MS);
    expect(0, 1, PHU_RESULT_OK);
    expect(1, 1, PHU_RESULT_UNREACHABLE);
    assert_true(it.verdicts[1].elapsed_ns >= TIMEOUT);
}

static void an_overflow_makes_what_was_in_flight_unknown(void **state)
{
    (void)state;
    for (size_t i = 0; i < 3; i++)
        add_check("10.0.0.1");
    poll(0);
    poll(1);
    run_for(MS);
    reply(1, 10 * MS);
    net.drops = 5;
    run_for(TIMEOUT + 20 * MS);
    expect(0, 1, PHU_RESULT_LOCAL_ERROR);
    expect(1, 1, PHU_RESULT_OK);
    poll(2); /* sent afterwards: silence is silence again */
    run_for(TIMEOUT + 20 * MS);
    expect(2, 1, PHU_RESULT_TIMEOUT);
}

static void what_cannot_be_sent_is_unknown(void **state)
{
    static const int errors[] = {-ENETUNREACH, -EHOSTUNREACH, -EPERM, -EMSGSIZE};

    (void)state;
    add_check("10.0.0.1");
    add_check("10.0.0.2");
    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++) {
        size_t before = net.sent_count;

        net.send_error = errors[i];
        net.send_errors = 1;
        poll(0);
        poll(1);
        run_for(MS);
        assert_int_equal(net.sent_count, before + 1);
        reply(before, 2 * MS);
        run_for(20 * MS);
        expect(0, i + 1, PHU_RESULT_LOCAL_ERROR);
        expect(1, i + 1, PHU_RESULT_OK); /* one bad destination costs the others nothing */
    }
}

static void a_full_send_queue_is_tried_again(void **state)
{
    (void)state;
    add_check("10.0.0.1");
    net.send_error = -ENOBUFS;
    net.send_errors = 2;
    poll(0);
    run_for(5 * MS);
    assert_int_equal(net.sent_count, 1);
    reply(0, 2 * MS);
    run_for(20 * MS);
    expect(0, 1, PHU_RESULT_OK);
    assert_in_range(it.verdicts[0].rtt_us, 2000, 8000); /* from when it left, not from the poll */
    net.send_errors = 100;
    poll(0);
    run_for(20 * MS);
    expect(0, 2, PHU_RESULT_LOCAL_ERROR);
    net.send_errors = 0;
}

static void df_goes_apart(void **state)
{
    (void)state;
    add_check("10.0.0.1");
    it.check_conf.is_df = true;
    add_check("10.0.0.2");
    it.check_conf.is_df = false;
    add_check("10.0.0.3");
    for (size_t i = 0; i < 3; i++)
        poll(i);
    run_for(MS);
    assert_int_equal(net.sent_count, 3);
    assert_int_equal(net.calls, 2);
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(net.sent[i].is_df, net.sent[i].address[3] == 2);
}

static void a_detached_check_says_nothing_and_leaves_no_answers_behind(void **state)
{
    (void)state;
    add_check("10.0.0.1");
    poll(0);
    run_for(MS);
    phu_collector_icmp.detach(it.icmp, it.checks[0]);
    it.checks[0] = NULL;
    add_check("10.0.0.1"); /* takes the slot over */
    poll(1);
    run_for(MS);
    assert_int_equal(net.sent[0].echo.slot, net.sent[1].echo.slot);
    reply(0, 2 * MS);
    run_for(10 * MS);
    assert_int_equal(it.verdicts[0].count + it.verdicts[1].count, 0);
    assert_int_equal(it.counts[PHU_ICMP_METRIC_LATE], 0);
    reply(1, 2 * MS);
    run_for(20 * MS);
    expect(1, 1, PHU_RESULT_OK);
    poll(1); /* and detached while it waits to be sent */
    phu_collector_icmp.detach(it.icmp, it.checks[1]);
    it.checks[1] = NULL;
    run_for(TIMEOUT * 2);
    assert_int_equal(net.sent_count, 2);
}

static void thousands_at_once_each_get_one_verdict(void **state)
{
    enum { MANY = 5000 };

    (void)state;
    for (size_t i = 0; i < MANY; i++)
        add_check("10.0.0.1");
    for (size_t i = 0; i < MANY; i++)
        poll(i);
    run_for(20 * MS);
    assert_int_equal(net.sent_count, MANY);
    assert_int_equal(net.calls, (MANY + PHU_ICMP_BATCH - 1) / PHU_ICMP_BATCH);
    for (size_t i = 0; i < MANY; i += 2)
        reply(i, 5 * MS);
    run_for(TIMEOUT + 20 * MS);
    for (size_t i = 0; i < MANY; i++)
        expect(net.sent[i].echo.slot, 1, i % 2 ? PHU_RESULT_TIMEOUT : PHU_RESULT_OK);
}

static void reading_waits_when_there_is_much_and_not_when_there_is_little(void **state)
{
    (void)state;
    for (size_t i = 0; i < 20; i++)
        add_check("10.0.0.1");
    poll(0);
    run_for(MS);
    assert_true(net.watched & PHU_WATCH_READ);
    reply(0, 0);
    run_for(MS);
    assert_int_equal(net.watched, 0); /* nothing more is expected */
    for (size_t i = 0; i < 20; i++)
        poll(i);
    run_for(MS);
    assert_int_equal(net.watched, 0); /* a timer reads instead */
    for (size_t i = 1; i < 21; i++)
        reply(i, 0);
    run_for(12 * MS);
    for (size_t i = 0; i < 20; i++)
        expect(i, i ? 1 : 2, PHU_RESULT_OK);
}

static void a_name_is_waited_for(void **state)
{
    (void)state;
    add_check("later.example");
    poll(0);
    run_for(5 * MS);
    assert_int_equal(net.sent_count, 0);
    asked->is_known = true;
    asked->known(asked->arg, 0);
    run_for(MS);
    assert_int_equal(net.sent_count, 1);
    reply(0, 2 * MS);
    run_for(20 * MS);
    expect(0, 1, PHU_RESULT_OK);
    assert_in_range(it.verdicts[0].rtt_us, 2000, 4000); /* the lookup is not in it */
    asked->is_known = false;
    poll(0);
    run_for(5 * MS);
    asked->known(asked->arg, -ENOENT);
    run_for(5 * MS);
    expect(0, 2, PHU_RESULT_DNS);
}

static void without_permission_nothing_is_known(void **state)
{
    (void)state;
    add_check("10.0.0.1");
    poll(0);
    assert_int_equal(it.verdicts[0].count, 0);
    run_for(5 * MS);
    expect(0, 1, PHU_RESULT_NOPERM);
}

static void a_target_costs_at_most_100_bytes(void **state)
{
    (void)state;
    assert_true(sizeof(struct phu_icmp_target) <= 100);
}

#define engine_test(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        engine_test(a_round_trip_is_between_the_stamps),
        engine_test(a_held_up_loop_does_not_lengthen_it),
        engine_test(a_reply_that_waits_unread_past_the_timeout_is_no_loss),
        engine_test(a_reply_that_came_too_late_is_loss_whenever_it_is_read),
        engine_test(silence_times_out_soon_after_its_timeout),
        engine_test(a_stepped_wall_clock_changes_no_round_trip),
        engine_test(duplicates_and_forgeries_are_counted_and_decide_nothing),
        engine_test(a_changed_reply_is_a_mismatch),
        engine_test(an_error_message_ends_the_probe),
        engine_test(an_error_without_cookie_gives_way_to_a_reply),
        engine_test(an_overflow_makes_what_was_in_flight_unknown),
        engine_test(what_cannot_be_sent_is_unknown),
        engine_test(a_full_send_queue_is_tried_again),
        engine_test(df_goes_apart),
        engine_test(a_detached_check_says_nothing_and_leaves_no_answers_behind),
        engine_test(thousands_at_once_each_get_one_verdict),
        engine_test(reading_waits_when_there_is_much_and_not_when_there_is_little),
        engine_test(a_name_is_waited_for),
        cmocka_unit_test_setup_teardown(without_permission_nothing_is_known,
                                        set_up_without_permission, tear_down),
        cmocka_unit_test(a_target_costs_at_most_100_bytes),
    };

    return cmocka_run_group_tests_name("icmp_engine", tests, NULL, NULL);
}
