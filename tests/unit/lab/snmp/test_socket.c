#include "socket.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void addresses_and_prefixes_with_a_port(void **state)
{
    struct lab_listen listen;
    struct lab_error err;

    (void)state;
    assert_int_equal(lab_listen_parse("127.0.0.1:1161", &listen, &err), 0);
    assert_int_equal(listen.port, 1161);
    assert_int_equal(listen.prefix.length, 128);
    assert_int_equal(lab_listen_parse("127.64.0.0/14:0", &listen, &err), 0);
    assert_int_equal(listen.port, 0);
    assert_int_equal(lab_prefix_written_length(&listen.prefix), 14);
    assert_int_equal(lab_listen_parse("[fd00::/64]:161", &listen, &err), 0);
    assert_false(lab_prefix_is_v4(&listen.prefix));
    assert_int_equal(listen.prefix.length, 64);
}

static void what_is_neither_is_refused(void **state)
{
    static const char *const bad[] = {"",
                                      "127.0.0.1",
                                      ":161",
                                      "127.0.0.1:",
                                      "host:161",
                                      "127.0.0.1:65536",
                                      "127.0.0.1/8:161",
                                      "127.0.0.1:x"};
    struct lab_listen listen;
    struct lab_error err;

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
        assert_true(lab_listen_parse(bad[i], &listen, &err) < 0);
}

/* Two devices of a prefix and one address on a port of its own, all through one lab_socket. */
static void answers_leave_from_the_address_that_was_asked(void **state)
{
    struct lab_listen listens[2];
    struct lab_datagram datagrams[LAB_BATCH];
    struct lab_socket *devices;
    struct lab_error err;
    int manager = socket(AF_INET, SOCK_DGRAM, 0);

    (void)state;
    assert_int_equal(lab_listen_parse("127.99.0.0/16:0", &listens[0], &err), 0);
    assert_int_equal(lab_listen_parse("127.0.0.1:0", &listens[1], &err), 0);
    assert_int_equal(lab_socket_open(listens, 2, &devices, &err), 0);
    for (int i = 0; i < 3; i++) {
        struct sockaddr_in to = {.sin_family = AF_INET,
                                 .sin_port = htons(listens[i == 2].port),
                                 .sin_addr.s_addr = htonl(i == 2 ? 0x7f000001 : 0x7f630001 + i)};
        struct sockaddr_in source;
        socklen_t length = sizeof(source);
        char bytes[8];
        int from;

        assert_int_equal(sendto(manager, "ask", 3, 0, (struct sockaddr *)&to, sizeof(to)), 3);
        assert_int_equal(lab_socket_receive(devices, datagrams, &from), 1);
        assert_int_equal(datagrams[0].length, 3);
        assert_int_equal(lab_socket_send(devices, from, datagrams, 1), 1);
        assert_int_equal(
            recvfrom(manager, bytes, sizeof(bytes), 0, (struct sockaddr *)&source, &length), 3);
        assert_int_equal(source.sin_addr.s_addr, to.sin_addr.s_addr);
        assert_int_equal(source.sin_port, to.sin_port);
    }
    lab_socket_close(devices);
    close(manager);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses_and_prefixes_with_a_port),
        cmocka_unit_test(what_is_neither_is_refused),
        cmocka_unit_test(answers_leave_from_the_address_that_was_asked),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
