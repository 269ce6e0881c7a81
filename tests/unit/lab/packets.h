/* Packets for the lab's tests, built as a sender would. */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum { TEST_PACKET_MAX = 256, TEST_PAYLOAD = 24 };

static inline uint16_t test_checksum(const uint8_t *bytes, size_t length, uint32_t sum)
{
    for (size_t i = 0; i < length; i++)
        sum += i % 2 ? bytes[i] : (uint32_t)bytes[i] << 8;
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)~sum;
}

static inline void test_put16(uint8_t *bytes, uint16_t value)
{
    bytes[0] = (uint8_t)(value >> 8);
    bytes[1] = (uint8_t)value;
}

static inline size_t test_v4(uint8_t *bytes, uint8_t protocol, const uint8_t source[4],
                             const uint8_t target[4], size_t body)
{
    memset(bytes, 0, 20);
    bytes[0] = 0x45;
    test_put16(bytes + 2, (uint16_t)(20 + body));
    bytes[8] = 64;
    bytes[9] = protocol;
    memcpy(bytes + 12, source, 4);
    memcpy(bytes + 16, target, 4);
    test_put16(bytes + 10, test_checksum(bytes, 20, 0));
    return 20 + body;
}

/* An echo request (8) or reply (0) of TEST_PAYLOAD bytes from 198.18.27.1, or to it. */
static inline size_t test_echo(uint8_t *bytes, uint8_t type, const uint8_t host[4], uint16_t ident,
                               uint16_t sequence)
{
    static const uint8_t agent[4] = {198, 18, 27, 1};
    uint8_t *icmp = bytes + 20;

    memset(icmp, 0, 8);
    icmp[0] = type;
    test_put16(icmp + 4, ident);
    test_put16(icmp + 6, sequence);
    for (int i = 0; i < TEST_PAYLOAD; i++)
        icmp[8 + i] = (uint8_t)i;
    test_put16(icmp + 2, test_checksum(icmp, 8 + TEST_PAYLOAD, 0));
    return test_v4(bytes, 1, type == 8 ? agent : host, type == 8 ? host : agent, 8 + TEST_PAYLOAD);
}

static inline size_t test_v6(uint8_t *bytes, uint8_t next, size_t body)
{
    memset(bytes, 0, 40);
    bytes[0] = 0x60;
    test_put16(bytes + 4, (uint16_t)body);
    bytes[6] = next;
    bytes[7] = 64;
    bytes[8] = bytes[24] = 0xfd;
    bytes[9] = bytes[25] = 0x27;
    bytes[23] = 1;
    bytes[39] = 2;
    return 40 + body;
}
