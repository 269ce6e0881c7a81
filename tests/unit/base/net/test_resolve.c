#include "phusong/resolve.h"

#include "loop.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A name server on a UDP port of loopback, on the loop under test. Names say what it does:
 *     a.test, b.test …   one address each, TTL 300      never.test     no answer
 *     none.test          NXDOMAIN                       broken.test    SERVFAIL
 *     many.test          20 addresses                   short.test     TTL 0 */
struct name_server {
    struct phu_watch *watch;
    int fd, port;
    unsigned queries;
};

struct bed {
    struct phu_sched *sched;
    struct phu_resolver *resolver;
    struct name_server server;
    int status;
    size_t count;
    struct sockaddr_storage first;
    unsigned done, wanted;
};

static size_t put_address(uint8_t *out, uint16_t type, uint32_t ttl, uint8_t last)
{
    size_t length = type == 1 ? 4 : 16;
    const uint8_t head[12] = {0xc0,
                              12,
                              0,
                              (uint8_t)type,
                              0,
                              1,
                              (uint8_t)(ttl >> 24),
                              (uint8_t)(ttl >> 16),
                              (uint8_t)(ttl >> 8),
                              (uint8_t)ttl,
                              0,
                              (uint8_t)length};
    const uint8_t v4[4] = {10, 0, 0, last}, v6[16] = {0xfd, [15] = last};

    memcpy(out, head, sizeof head);
    memcpy(out + sizeof head, type == 1 ? v4 : v6, length);
    return sizeof head + length;
}

static size_t answer(uint8_t *packet, size_t length)
{
    const uint8_t *label = packet + 12;
    unsigned rcode = 0, answers = 1;
    uint32_t ttl = 300;
    uint16_t type = packet[length - 3];

    if (memcmp(label, "\5never", 6) == 0)
        return 0;
    if (memcmp(label, "\4none", 5) == 0)
        rcode = 3;
    if (memcmp(label, "\6broken", 7) == 0)
        rcode = 2;
    if (memcmp(label, "\4many", 5) == 0)
        answers = 20;
    if (memcmp(label, "\5short", 6) == 0)
        ttl = 0;
    if (rcode)
        answers = 0;
    packet[2] |= 0x80;
    packet[3] = (uint8_t)(0x80 | rcode);
    packet[7] = (uint8_t)answers;
    for (unsigned i = 0; i < answers; i++)
        length += put_address(packet + length, type, ttl, (uint8_t)(label[1] + i));
    return length;
}

static void asked(void *arg, unsigned events)
{
    struct name_server *server = arg;
    uint8_t packet[2048];
    struct sockaddr_in from;
    socklen_t size = sizeof from;
    ssize_t length =
        recvfrom(server->fd, packet, 512, MSG_DONTWAIT, (struct sockaddr *)&from, &size);

    (void)events;
    if (length < 17)
        return;
    server->queries++;
    length = (ssize_t)answer(packet, (size_t)length);
    if (length)
        sendto(server->fd, packet, (size_t)length, 0, (struct sockaddr *)&from, size);
}

static void serve_names(struct bed *bed)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    char text[64];
    const char *const servers[] = {text};

    bed->server.fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    assert_true(bed->server.fd >= 0);
    assert_int_equal(bind(bed->server.fd, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(getsockname(bed->server.fd, (struct sockaddr *)&address, &size), 0);
    assert_int_equal(phu_watch_open(bed->sched, bed->server.fd, PHU_WATCH_READ, asked, &bed->server,
                                    &bed->server.watch),
                     0);
    snprintf(text, sizeof text, "127.0.0.1:%d", ntohs(address.sin_port));
    assert_int_equal(phu_resolver_set_servers(bed->resolver, servers, 1, NULL), 0);
}

static int set_up(void **state)
{
    struct bed *bed = calloc(1, sizeof *bed);

    assert_non_null(bed);
    assert_int_equal(phu_loop_new(&bed->sched), 0);
    assert_int_equal(phu_resolver_new(bed->sched, &bed->resolver), 0);
    serve_names(bed);
    bed->wanted = 1;
    *state = bed;
    return 0;
}

static int tear_down(void **state)
{
    struct bed *bed = *state;

    phu_resolver_free(bed->resolver);
    phu_watch_close(bed->server.watch);
    phu_loop_free(bed->sched);
    close(bed->server.fd);
    free(bed);
    return 0;
}

static void keep(void *arg, int status, const struct sockaddr_storage *addresses, size_t count)
{
    struct bed *bed = arg;

    bed->status = status;
    bed->count = count;
    if (count)
        bed->first = addresses[0];
    if (++bed->done == bed->wanted)
        phu_loop_stop(bed->sched);
}

static struct phu_resolve *start(struct bed *bed, const char *name, int family, int64_t timeout_ns)
{
    struct phu_resolve *request;

    assert_int_equal(
        phu_resolve_start(bed->resolver, name, family, timeout_ns, keep, bed, &request), 0);
    return request;
}

static int resolve(struct bed *bed, const char *name, int family)
{
    bed->done = 0;
    start(bed, name, family, 3 * PHU_NS_PER_S);
    assert_int_equal(bed->done, 0);
    phu_loop_run(bed->sched);
    return bed->status;
}

static const char *text_of(const struct sockaddr_storage *address)
{
    static char text[INET6_ADDRSTRLEN];

    if (address->ss_family == AF_INET)
        inet_ntop(AF_INET, &((const struct sockaddr_in *)address)->sin_addr, text, sizeof text);
    else
        inet_ntop(AF_INET6, &((const struct sockaddr_in6 *)address)->sin6_addr, text, sizeof text);
    return text;
}

static void asks_for_the_family_wanted(void **state)
{
    struct bed *bed = *state;

    assert_int_equal(resolve(bed, "a.test", AF_INET), 0);
    assert_int_equal(bed->count, 1);
    assert_string_equal(text_of(&bed->first), "10.0.0.97");
    assert_int_equal(resolve(bed, "a.test", AF_INET6), 0);
    assert_string_equal(text_of(&bed->first), "fd00::61");
    assert_int_equal(resolve(bed, "a.test", AF_UNSPEC), 0);
    assert_int_equal(bed->count, 2);
}

static void a_literal_costs_no_query(void **state)
{
    struct bed *bed = *state;

    assert_int_equal(resolve(bed, "192.0.2.7", AF_UNSPEC), 0);
    assert_string_equal(text_of(&bed->first), "192.0.2.7");
    assert_int_equal(resolve(bed, "2001:db8::7", AF_INET6), 0);
    assert_string_equal(text_of(&bed->first), "2001:db8::7");
    assert_int_equal(resolve(bed, "192.0.2.7", AF_INET6), -ENOENT);
    assert_int_equal(bed->count, 0);
    assert_int_equal(bed->server.queries, 0);
}

static void remembers_while_the_ttl_lasts(void **state)
{
    struct bed *bed = *state;

    for (int i = 0; i < 3; i++)
        assert_int_equal(resolve(bed, i ? "A.Test" : "a.test", AF_INET), 0);
    assert_int_equal(bed->server.queries, 1);
    assert_int_equal(resolve(bed, "none.test", AF_INET), -ENOENT);
    assert_int_equal(resolve(bed, "none.test", AF_INET), -ENOENT);
    assert_int_equal(bed->server.queries, 2);
}

static void does_not_remember_failures_of_servers(void **state)
{
    struct bed *bed = *state;
    unsigned queries;

    assert_int_equal(resolve(bed, "broken.test", AF_INET), -ECONNREFUSED);
    queries = bed->server.queries;
    assert_int_equal(resolve(bed, "broken.test", AF_INET), -ECONNREFUSED);
    assert_true(bed->server.queries > queries);
}

static void all_who_ask_share_one_query(void **state)
{
    struct bed *bed = *state;

    bed->wanted = 100;
    for (unsigned i = 0; i < bed->wanted; i++)
        start(bed, "b.test", AF_INET, PHU_NS_PER_S);
    phu_loop_run(bed->sched);
    assert_int_equal(bed->done, 100);
    assert_int_equal(bed->status, 0);
    assert_int_equal(bed->server.queries, 1);
}

static void hands_over_sixteen_addresses_at_most(void **state)
{
    struct bed *bed = *state;

    assert_int_equal(resolve(bed, "many.test", AF_INET), 0);
    assert_int_equal(bed->count, 16);
}

static void a_dead_server_costs_the_askers_own_time(void **state)
{
    struct bed *bed = *state;
    struct phu_mono began = phu_mono_now();

    start(bed, "never.test", AF_INET, 50 * PHU_NS_PER_MS);
    phu_loop_run(bed->sched);
    assert_int_equal(bed->status, -ETIMEDOUT);
    assert_true(phu_mono_since(phu_mono_now(), began) < 300 * PHU_NS_PER_MS);
}

static void a_closed_port_is_refused_at_once(void **state)
{
    struct bed *bed = *state;
    const char *const servers[] = {"127.0.0.1:1"};

    assert_int_equal(phu_resolver_set_servers(bed->resolver, servers, 1, NULL), 0);
    assert_int_equal(resolve(bed, "a.test", AF_INET), -ECONNREFUSED);
}

static void other_servers_are_asked_while_old_queries_fly(void **state)
{
    struct bed *bed = *state;
    struct phu_resolve *old = start(bed, "never.test", AF_INET, 3 * PHU_NS_PER_S);
    const char *const refused[] = {"127.0.0.1:1"};

    assert_int_equal(resolve(bed, "a.test", AF_INET), 0);
    assert_int_equal(phu_resolver_set_servers(bed->resolver, refused, 1, NULL), 0);
    assert_int_equal(resolve(bed, "b.test", AF_INET), -ECONNREFUSED);
    assert_int_equal(resolve(bed, "a.test", AF_INET), 0); /* remembered */
    phu_resolve_cancel(old);
}

static void says_which_server_is_no_address(void **state)
{
    struct bed *bed = *state;
    const char *const good[] = {"10.0.0.1", "10.0.0.1:5353", "fd00::1", "[fd00::1]",
                                "[fd00::1]:53"};
    const char *const bad[] = {"",           "dns.test",         "10.0.0.1:",     "10.0.0.1:0",
                               "10.0.0.1:x", "10.0.0.1:65536",   "[10.0.0.1]:53", "[fd00::1",
                               "[fd00::1]x", "10.0.0.1,10.0.0.2"};
    size_t place = 9;

    assert_int_equal(phu_resolver_set_servers(bed->resolver, good, 5, NULL), 0);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        const char *const servers[] = {"10.0.0.1", bad[i]};

        assert_int_equal(phu_resolver_set_servers(bed->resolver, servers, 2, &place), -EINVAL);
        assert_int_equal(place, 1);
    }
}

static void refuses_what_cannot_be_a_name(void **state)
{
    struct bed *bed = *state;
    struct phu_resolve *request;
    char name[300];

    memset(name, 'x', sizeof name);
    name[254] = '\0';
    assert_int_equal(phu_resolve_start(bed->resolver, name, AF_INET, 1, keep, bed, &request),
                     -EINVAL);
    assert_int_equal(phu_resolve_start(bed->resolver, "", AF_INET, 1, keep, bed, &request),
                     -EINVAL);
    assert_int_equal(phu_resolve_start(bed->resolver, "a b", AF_INET, 1, keep, bed, &request),
                     -EINVAL);
}

static void refuses_more_names_than_it_can_hold(void **state)
{
    struct bed *bed = *state;
    struct phu_resolve *requests[5000];
    size_t count = 0;
    char name[64];
    int error = 0;

    for (; count < 5000 && !error; count++) {
        snprintf(name, sizeof name, "never.%zu.test", count);
        error = phu_resolve_start(bed->resolver, name, AF_INET, PHU_NS_PER_S, keep, bed,
                                  &requests[count]);
    }
    assert_int_equal(error, -ENOBUFS);
    while (--count > 0)
        phu_resolve_cancel(requests[count - 1]);
    assert_int_equal(bed->done, 0);
}

static void no_callback_after_a_cancel(void **state)
{
    struct bed *bed = *state;
    struct phu_resolve *literal = start(bed, "10.0.0.1", AF_INET, PHU_NS_PER_S);
    struct phu_resolve *asked_for = start(bed, "b.test", AF_INET, PHU_NS_PER_S);

    phu_resolve_cancel(literal);
    phu_resolve_cancel(asked_for);
    phu_resolve_cancel(NULL);
    assert_int_equal(resolve(bed, "b.test", AF_INET), 0);
    assert_int_equal(bed->done, 1);
}

static void free_inside(void *arg, int status, const struct sockaddr_storage *addresses,
                        size_t count)
{
    struct bed *bed = arg;

    (void)addresses;
    (void)count;
    assert_int_equal(status, 0);
    phu_resolver_free(bed->resolver);
    bed->resolver = NULL;
    phu_loop_stop(bed->sched);
}

static void may_be_freed_inside_a_callback(void **state)
{
    struct bed *bed = *state;
    struct phu_resolve *request;

    assert_int_equal(phu_resolve_start(bed->resolver, "b.test", AF_INET, PHU_NS_PER_S, free_inside,
                                       bed, &request),
                     0);
    start(bed, "never.test", AF_INET, PHU_NS_PER_S);
    phu_loop_run(bed->sched);
    assert_int_equal(bed->done, 0);
}

static void reads_addresses(void **state)
{
    struct sockaddr_storage address;

    (void)state;
    assert_int_equal(phu_address_parse("::1", &address), 0);
    assert_int_equal(address.ss_family, AF_INET6);
    assert_int_equal(phu_address_parse("fe80::1%lo", &address), 0);
    assert_true(((struct sockaddr_in6 *)&address)->sin6_scope_id > 0);
    assert_int_equal(phu_address_parse("fe80::1%7", &address), 0);
    assert_int_equal(((struct sockaddr_in6 *)&address)->sin6_scope_id, 7);
    assert_int_equal(phu_address_parse("fe80::1%nope", &address), -EINVAL);
    assert_int_equal(phu_address_parse("fe80::1%", &address), -EINVAL);
    assert_int_equal(phu_address_parse("10.0.0.1%lo", &address), -EINVAL);
    assert_int_equal(phu_address_parse("10.0.0", &address), -EINVAL);
    assert_int_equal(phu_address_parse("", &address), -EINVAL);
    assert_int_equal(phu_address_parse("host.test", &address), -EINVAL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(asks_for_the_family_wanted),
        TEST(a_literal_costs_no_query),
        TEST(remembers_while_the_ttl_lasts),
        TEST(does_not_remember_failures_of_servers),
        TEST(all_who_ask_share_one_query),
        TEST(hands_over_sixteen_addresses_at_most),
        TEST(a_dead_server_costs_the_askers_own_time),
        TEST(a_closed_port_is_refused_at_once),
        TEST(other_servers_are_asked_while_old_queries_fly),
        TEST(says_which_server_is_no_address),
        TEST(refuses_what_cannot_be_a_name),
        TEST(refuses_more_names_than_it_can_hold),
        TEST(no_callback_after_a_cancel),
        TEST(may_be_freed_inside_a_callback),
        cmocka_unit_test(reads_addresses),
    };

    return cmocka_run_group_tests_name("resolve", tests, NULL, NULL);
}
