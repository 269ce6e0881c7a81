#include "packet.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define SIZE 56
#define ICMP_SIZE (PHU_ICMP_HEADER + SIZE)

static const struct phu_icmp_echo echo = {.id = 0xbeef,
                                          .sequence = 0x1234,
                                          .cookie = UINT64_C(0x0123456789abcdef),
                                          .slot = 70000,
                                          .generation = 9};

static void assert_same_echo(const struct phu_icmp_echo *seen)
{
    assert_int_equal(seen->id, echo.id);
    assert_int_equal(seen->sequence, echo.sequence);
    assert_true(seen->cookie == echo.cookie);
    assert_int_equal(seen->slot, echo.slot);
    assert_int_equal(seen->generation, echo.generation);
}

static void fix_checksum(uint8_t *packet, size_t size)
{
    uint16_t sum;

    packet[2] = packet[3] = 0;
    sum = phu_icmp_checksum(packet, size);
    packet[2] = (uint8_t)(sum >> 8);
    packet[3] = (uint8_t)sum;
}

/* An IPv4 packet with a header of `words` 32-bit words, as a raw socket delivers it. */
static size_t wrap_v4(uint8_t *packet, unsigned words, const uint8_t *icmp, size_t size)
{
    memset(packet, 0, words * 4);
    packet[0] = (uint8_t)(0x40 | words);
    packet[8] = 61; /* ttl */
    packet[9] = 1;
    memcpy(packet + 12, (uint8_t[]){10, 0, 0, 1}, 4);
    memcpy(packet + 16, (uint8_t[]){10, 9, 8, 7}, 4);
    memcpy(packet + words * 4, icmp, size);
    return words * 4 + size;
}

static size_t make_reply_v4(uint8_t *packet, unsigned words)
{
    uint8_t icmp[ICMP_SIZE];

    phu_icmp_encode_v4(icmp, &echo, SIZE);
    icmp[0] = 0;
    fix_checksum(icmp, sizeof icmp);
    return wrap_v4(packet, words, icmp, sizeof icmp);
}

/* An error of a router that quotes `quoted` bytes of our request's ICMP. */
static size_t make_error_v4(uint8_t *packet, uint8_t type, uint8_t code, size_t quoted)
{
    uint8_t request[ICMP_SIZE], icmp[8 + 20 + ICMP_SIZE] = {type, code};

    phu_icmp_encode_v4(request, &echo, SIZE);
    wrap_v4(icmp + 8, 5, request, quoted);
    fix_checksum(icmp, 28 + quoted);
    return wrap_v4(packet, 5, icmp, 28 + quoted);
}

static void checksum_is_that_of_rfc1071(void **state)
{
    const uint8_t bytes[] = {0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7};
    const uint8_t odd[] = {0xff, 0x00, 0x80};

    (void)state;
    assert_int_equal(phu_icmp_checksum(bytes, sizeof bytes), 0xffff ^ 0xddf2);
    assert_int_equal(phu_icmp_checksum(odd, sizeof odd), 0xffff ^ 0x7f01);
}

static void a_request_is_what_others_expect(void **state)
{
    uint8_t packet[ICMP_SIZE];

    (void)state;
    phu_icmp_encode_v4(packet, &echo, SIZE);
    assert_int_equal(packet[0], 8);
    assert_int_equal(packet[1], 0);
    assert_int_equal(phu_icmp_checksum(packet, sizeof packet), 0);
    assert_memory_equal(packet + 4, "\xbe\xef\x12\x34", 4);
    assert_int_equal(packet[PHU_ICMP_HEADER + 17], 17);
    phu_icmp_encode_v6(packet, &echo, SIZE);
    assert_int_equal(packet[0], 128);
    assert_int_equal(packet[2] | packet[3], 0);
}

static void a_reply_comes_back_whole(void **state)
{
    uint8_t packet[128], icmp[ICMP_SIZE];
    struct phu_icmp_answer answer;

    (void)state;
    for (unsigned words = 5; words <= 15; words++) { /* with IP options too */
        size_t size = make_reply_v4(packet, words);

        phu_icmp_decode_v4_raw(packet, size, size, &answer);
        assert_int_equal(answer.kind, PHU_ICMP_REPLY);
        assert_false(answer.is_damaged);
        assert_int_equal(answer.payload, SIZE);
        assert_int_equal(answer.ttl, 61);
        assert_same_echo(&answer.echo);
    }
    phu_icmp_encode_v6(icmp, &echo, SIZE);
    icmp[0] = 129;
    phu_icmp_decode_v6(icmp, sizeof icmp, sizeof icmp, &answer);
    assert_int_equal(answer.kind, PHU_ICMP_REPLY);
    assert_same_echo(&answer.echo);
}

static void every_flipped_bit_of_a_reply_is_noticed(void **state)
{
    uint8_t packet[128];
    size_t size = make_reply_v4(packet, 5);

    (void)state;
    for (size_t bit = 20 * 8; bit < size * 8; bit++) {
        struct phu_icmp_answer answer;

        packet[bit / 8] ^= (uint8_t)(1 << bit % 8);
        phu_icmp_decode_v4_raw(packet, size, size, &answer);
        assert_true(answer.kind != PHU_ICMP_REPLY || answer.is_damaged);
        packet[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
}

static void a_wrong_pattern_is_damage_even_with_a_right_checksum(void **state)
{
    uint8_t packet[128];
    size_t size = make_reply_v4(packet, 5);
    struct phu_icmp_answer answer;

    (void)state;
    packet[20 + PHU_ICMP_HEADER + 30] ^= 1;
    fix_checksum(packet + 20, size - 20);
    phu_icmp_decode_v4_raw(packet, size, size, &answer);
    assert_int_equal(answer.kind, PHU_ICMP_REPLY);
    assert_true(answer.is_damaged);
}

static void truncated_packets_are_refused_or_read_as_far_as_they_go(void **state)
{
    uint8_t reply[128], error[256];
    size_t reply_size = make_reply_v4(reply, 5);
    size_t error_size = make_error_v4(error, 3, 1, ICMP_SIZE);

    (void)state;
    for (size_t size = 0; size < error_size; size++) {
        /* On the heap, so that the sanitizer sees a read past the end. */
        uint8_t *cut = malloc(size ? size : 1);
        struct phu_icmp_answer answer;

        memcpy(cut, error, size);
        phu_icmp_decode_v4_raw(cut, size, size, &answer);
        assert_int_equal(answer.kind == PHU_ICMP_ERROR, size >= 20 + 8 + 20 + 8);
        phu_icmp_decode_v6(cut, size, size, &answer);
        if (size <= reply_size) {
            memcpy(cut, reply, size);
            phu_icmp_decode_v4_raw(cut, size, size, &answer);
            assert_int_equal(answer.kind == PHU_ICMP_REPLY,
                             size >= 20 + PHU_ICMP_HEADER + PHU_ICMP_PAYLOAD_MIN);
        }
        free(cut);
    }
}

static void a_longer_packet_than_the_buffer_keeps_its_length(void **state)
{
    uint8_t packet[128];
    size_t size = make_reply_v4(packet, 5);
    struct phu_icmp_answer answer;

    (void)state;
    phu_icmp_decode_v4_raw(packet, size, size + 1400, &answer);
    assert_int_equal(answer.kind, PHU_ICMP_REPLY);
    assert_false(answer.is_damaged);
    assert_int_equal(answer.payload, SIZE + 1400);
}

static void errors_say_what_they_are_about(void **state)
{
    static const struct {
        uint8_t type, code;
        enum phu_icmp_error error;
    } cases[] = {
        {3, 1, PHU_ICMP_UNREACHABLE},  {3, 4, PHU_ICMP_TOO_BIG},
        {3, 13, PHU_ICMP_UNREACHABLE}, {11, 0, PHU_ICMP_TTL_EXCEEDED},
        {12, 0, PHU_ICMP_ERROR_OTHER}, {4, 0, PHU_ICMP_ERROR_OTHER},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint8_t packet[256];
        size_t size = make_error_v4(packet, cases[i].type, cases[i].code, ICMP_SIZE);
        struct phu_icmp_answer answer;

        phu_icmp_decode_v4_raw(packet, size, size, &answer);
        assert_int_equal(answer.kind, PHU_ICMP_ERROR);
        assert_int_equal(answer.error, cases[i].error);
        assert_int_equal(answer.code, cases[i].code);
        assert_true(answer.has_cookie);
        assert_memory_equal(answer.target, ((uint8_t[]){10, 9, 8, 7}), 4);
        assert_same_echo(&answer.echo);
    }
}

static void a_short_quote_has_no_cookie(void **state)
{
    uint8_t packet[256];
    size_t size = make_error_v4(packet, 3, 1, 8);
    struct phu_icmp_answer answer;

    (void)state;
    phu_icmp_decode_v4_raw(packet, size, size, &answer);
    assert_int_equal(answer.kind, PHU_ICMP_ERROR);
    assert_false(answer.has_cookie);
    assert_int_equal(answer.echo.sequence, echo.sequence);
}

static void errors_about_other_things_are_not_ours(void **state)
{
    uint8_t packet[256];
    size_t size = make_error_v4(packet, 3, 3, ICMP_SIZE);
    struct phu_icmp_answer answer;

    (void)state;
    packet[20 + 8 + 9] = 17; /* quotes UDP */
    phu_icmp_decode_v4_raw(packet, size, size, &answer);
    assert_int_equal(answer.kind, PHU_ICMP_OTHER);
    size = make_error_v4(packet, 3, 3, ICMP_SIZE);
    packet[20 + 8 + 20] = 0; /* quotes a reply of ours, not a request */
    phu_icmp_decode_v4_raw(packet, size, size, &answer);
    assert_int_equal(answer.kind, PHU_ICMP_OTHER);
    size = make_error_v4(packet, 3, 3, ICMP_SIZE);
    packet[20 + 8 + 7] = 3; /* quotes a later fragment */
    phu_icmp_decode_v4_raw(packet, size, size, &answer);
    assert_int_equal(answer.kind, PHU_ICMP_OTHER);
    size = make_error_v4(packet, 5, 1, ICMP_SIZE); /* a redirect is no verdict */
    phu_icmp_decode_v4_raw(packet, size, size, &answer);
    assert_int_equal(answer.kind, PHU_ICMP_OTHER);
}

static void errors_of_ipv6_are_read(void **state)
{
    uint8_t packet[8 + 40 + ICMP_SIZE] = {1, 4};
    struct phu_icmp_answer answer;

    (void)state;
    packet[8] = 0x60;
    packet[8 + 6] = 58;
    memset(packet + 8 + 24, 0xfd, 16);
    phu_icmp_encode_v6(packet + 48, &echo, SIZE);
    phu_icmp_decode_v6(packet, sizeof packet, sizeof packet, &answer);
    assert_int_equal(answer.kind, PHU_ICMP_ERROR);
    assert_int_equal(answer.error, PHU_ICMP_UNREACHABLE);
    assert_int_equal(answer.target[15], 0xfd);
    assert_same_echo(&answer.echo);
    packet[0] = 2;
    phu_icmp_decode_v6(packet, sizeof packet, sizeof packet, &answer);
    assert_int_equal(answer.error, PHU_ICMP_TOO_BIG);
    packet[0] = 3;
    phu_icmp_decode_v6(packet, sizeof packet, sizeof packet, &answer);
    assert_int_equal(answer.error, PHU_ICMP_TTL_EXCEEDED);
}

static void a_quote_from_the_error_queue_is_read(void **state)
{
    uint8_t request[ICMP_SIZE];
    struct phu_icmp_answer answer;

    (void)state;
    phu_icmp_encode_v4(request, &echo, SIZE);
    phu_icmp_decode_quoted(AF_INET, 11, 0, request, sizeof request, &answer);
    assert_int_equal(answer.kind, PHU_ICMP_ERROR);
    assert_int_equal(answer.error, PHU_ICMP_TTL_EXCEEDED);
    assert_same_echo(&answer.echo);
    phu_icmp_decode_quoted(AF_INET, 11, 0, request, 7, &answer);
    assert_int_equal(answer.kind, PHU_ICMP_OTHER);
    phu_icmp_decode_quoted(AF_INET6, 3, 0, request, sizeof request, &answer);
    assert_int_equal(answer.kind, PHU_ICMP_OTHER); /* an IPv4 request in IPv6's queue */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(checksum_is_that_of_rfc1071),
        cmocka_unit_test(a_request_is_what_others_expect),
        cmocka_unit_test(a_reply_comes_back_whole),
        cmocka_unit_test(every_flipped_bit_of_a_reply_is_noticed),
        cmocka_unit_test(a_wrong_pattern_is_damage_even_with_a_right_checksum),
        cmocka_unit_test(truncated_packets_are_refused_or_read_as_far_as_they_go),
        cmocka_unit_test(a_longer_packet_than_the_buffer_keeps_its_length),
        cmocka_unit_test(errors_say_what_they_are_about),
        cmocka_unit_test(a_short_quote_has_no_cookie),
        cmocka_unit_test(errors_about_other_things_are_not_ours),
        cmocka_unit_test(errors_of_ipv6_are_read),
        cmocka_unit_test(a_quote_from_the_error_queue_is_read),
    };

    return cmocka_run_group_tests_name("icmp_packet", tests, NULL, NULL);
}
