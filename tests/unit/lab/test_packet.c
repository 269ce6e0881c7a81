#include "packet.h"

#include "packets.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>

static const uint8_t host[4] = {10, 27, 3, 1};

static void reads_an_echo_request(void **state)
{
    uint8_t bytes[TEST_PACKET_MAX];
    size_t length = test_echo(bytes, 8, host, 0x1234, 0xfffe);
    struct lab_packet packet;
    char text[LAB_ADDR_TEXT];

    (void)state;
    assert_int_equal(lab_packet_parse(bytes, length, &packet), 0);
    assert_int_equal(packet.kind, LAB_KIND_ECHO);
    assert_true(packet.is_request);
    assert_int_equal(packet.ident, 0x1234);
    assert_int_equal(packet.sequence, 0xfffe);
    assert_string_equal(lab_addr_format(&packet.target, text), "10.27.3.1");
    assert_string_equal(lab_addr_format(&packet.source, text), "198.18.27.1");
    assert_int_equal(packet.length, length);
    assert_int_equal(packet.payload, 28);
}

static void reads_a_v6_echo_reply(void **state)
{
    uint8_t bytes[TEST_PACKET_MAX];
    size_t length = test_v6(bytes, 58, 16);
    struct lab_packet packet;
    char text[LAB_ADDR_TEXT];

    (void)state;
    memset(bytes + 40, 0, 16);
    bytes[40] = 129;
    bytes[45] = 7;
    bytes[47] = 9;
    assert_int_equal(lab_packet_parse(bytes, length, &packet), 0);
    assert_int_equal(packet.kind, LAB_KIND_ECHO);
    assert_false(packet.is_request);
    assert_int_equal(packet.ident, 7);
    assert_int_equal(packet.sequence, 9);
    assert_string_equal(lab_addr_format(&packet.source, text), "fd27::1");
}

static void looks_behind_v6_extension_headers(void **state)
{
    uint8_t bytes[TEST_PACKET_MAX];
    size_t length = test_v6(bytes, 0, 8 + 8 + 16);
    struct lab_packet packet;

    (void)state;
    memset(bytes + 40, 0, 32);
    bytes[40] = 60; /* hop-by-hop, then destination options, then ICMPv6 */
    bytes[48] = 58;
    bytes[56] = 128;
    assert_int_equal(lab_packet_parse(bytes, length, &packet), 0);
    assert_int_equal(packet.kind, LAB_KIND_ECHO);
    assert_true(packet.is_request);
    bytes[49] = 200; /* a header longer than the packet */
    assert_int_equal(lab_packet_parse(bytes, length, &packet), 0);
    assert_int_equal(packet.kind, LAB_KIND_OTHER);
}

static void later_fragments_have_no_transport(void **state)
{
    uint8_t bytes[TEST_PACKET_MAX];
    size_t length = test_echo(bytes, 8, host, 1, 1);
    struct lab_packet packet;

    (void)state;
    bytes[7] = 10; /* fragment offset */
    assert_int_equal(lab_packet_parse(bytes, length, &packet), 0);
    assert_int_equal(packet.kind, LAB_KIND_OTHER);
    bytes[7] = 0;
    bytes[6] = 0x20; /* the first one, more to come */
    assert_int_equal(lab_packet_parse(bytes, length, &packet), 0);
    assert_int_equal(packet.kind, LAB_KIND_ECHO);
}

static void errors_are_no_echoes(void **state)
{
    uint8_t bytes[TEST_PACKET_MAX];
    size_t length = test_echo(bytes, 3, host, 1, 1);
    struct lab_packet packet;

    (void)state;
    assert_int_equal(lab_packet_parse(bytes, length, &packet), 0);
    assert_int_equal(packet.kind, LAB_KIND_OTHER);
}

static void broken_packets_are_refused(void **state)
{
    uint8_t bytes[TEST_PACKET_MAX];
    size_t length = test_echo(bytes, 8, host, 1, 1);
    struct lab_packet packet;

    (void)state;
    for (size_t i = 0; i < length; i++)
        assert_int_equal(lab_packet_parse(bytes, i, &packet), -EBADMSG);
    bytes[0] = 0x44; /* a header shorter than the shortest */
    assert_int_equal(lab_packet_parse(bytes, length, &packet), -EBADMSG);
    bytes[0] = 0x75; /* no such version */
    assert_int_equal(lab_packet_parse(bytes, length, &packet), -EBADMSG);
    length = test_v6(bytes, 58, 16);
    assert_int_equal(lab_packet_parse(bytes, length - 1, &packet), -EBADMSG);
}

static void mapped_addresses_on_the_wire_are_refused(void **state)
{
    uint8_t bytes[TEST_PACKET_MAX];
    size_t length = test_v6(bytes, 58, 16);
    struct lab_packet packet;

    (void)state;
    memset(bytes + 8, 0, 10);
    bytes[18] = bytes[19] = 0xff;
    assert_int_equal(lab_packet_parse(bytes, length, &packet), -EBADMSG);
}

static void damage_breaks_the_checksum(void **state)
{
    uint8_t bytes[TEST_PACKET_MAX];
    size_t length = test_echo(bytes, 8, host, 1, 1);
    struct lab_packet packet;

    (void)state;
    lab_packet_parse(bytes, length, &packet);
    assert_true(lab_packet_corrupt(bytes, &packet, 123456, false));
    assert_int_not_equal(test_checksum(bytes + 20, length - 20, 0), 0);
}

static void damage_can_be_mended(void **state)
{
    uint8_t before[TEST_PACKET_MAX];
    uint8_t bytes[TEST_PACKET_MAX];
    size_t length = test_echo(before, 8, host, 77, 8);
    struct lab_packet packet;

    (void)state;
    for (uint64_t random = 0; random < 8 * TEST_PAYLOAD; random++) {
        memcpy(bytes, before, length);
        lab_packet_parse(bytes, length, &packet);
        assert_true(lab_packet_corrupt(bytes, &packet, random, true));
        assert_memory_not_equal(bytes + 28, before + 28, TEST_PAYLOAD);
        assert_int_equal(test_checksum(bytes + 20, length - 20, 0), 0);
        assert_memory_equal(bytes, before, 22);
    }
}

static void without_payload_nothing_is_damaged(void **state)
{
    uint8_t bytes[TEST_PACKET_MAX];
    size_t length = test_v4(bytes, 99, host, host, 0);
    struct lab_packet packet;

    (void)state;
    assert_int_equal(lab_packet_parse(bytes, length, &packet), 0);
    assert_false(lab_packet_corrupt(bytes, &packet, 1, false));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_an_echo_request),
        cmocka_unit_test(reads_a_v6_echo_reply),
        cmocka_unit_test(looks_behind_v6_extension_headers),
        cmocka_unit_test(later_fragments_have_no_transport),
        cmocka_unit_test(errors_are_no_echoes),
        cmocka_unit_test(broken_packets_are_refused),
        cmocka_unit_test(mapped_addresses_on_the_wire_are_refused),
        cmocka_unit_test(damage_breaks_the_checksum),
        cmocka_unit_test(damage_can_be_mended),
        cmocka_unit_test(without_payload_nothing_is_damaged),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
