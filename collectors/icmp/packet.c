#include "packet.h"

#include <netinet/icmp6.h>
#include <netinet/ip_icmp.h>
#include <string.h>
#include <sys/socket.h>

#define IPV4_HEADER 20
#define IPV6_HEADER 40

static void put16(uint8_t *bytes, uint16_t value)
{
    bytes[0] = (uint8_t)(value >> 8);
    bytes[1] = (uint8_t)value;
}

static void put32(uint8_t *bytes, uint32_t value)
{
    put16(bytes, (uint16_t)(value >> 16));
    put16(bytes + 2, (uint16_t)value);
}

static uint16_t get16(const uint8_t *bytes)
{
    return (uint16_t)(bytes[0] << 8 | bytes[1]);
}

static uint32_t get32(const uint8_t *bytes)
{
    return (uint32_t)get16(bytes) << 16 | get16(bytes + 2);
}

uint16_t phu_icmp_checksum(const uint8_t *bytes, size_t size)
{
    uint64_t sum = 0;

    while (size >= 4) {
        uint32_t word;

        memcpy(&word, bytes, 4);
        sum += word;
        bytes += 4;
        size -= 4;
    }
    if (size) {
        uint32_t word = 0;

        memcpy(&word, bytes, size);
        sum += word;
    }
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    /* The one's complement sum does not care about byte order: stored as summed. */
    uint16_t folded = (uint16_t)~sum;
    uint8_t stored[2];

    memcpy(stored, &folded, 2);
    return get16(stored);
}

static void encode(uint8_t *packet, uint8_t type, const struct phu_icmp_echo *echo, size_t size)
{
    uint8_t *payload = packet + PHU_ICMP_HEADER;

    packet[0] = type;
    packet[1] = 0;
    put16(packet + 2, 0);
    put16(packet + 4, echo->id);
    put16(packet + 6, echo->sequence);
    put32(payload, (uint32_t)(echo->cookie >> 32));
    put32(payload + 4, (uint32_t)echo->cookie);
    put32(payload + 8, echo->slot);
    put32(payload + 12, echo->generation);
    for (size_t i = PHU_ICMP_PAYLOAD_MIN; i < size; i++)
        payload[i] = (uint8_t)i;
}

void phu_icmp_encode_v4(uint8_t *packet, const struct phu_icmp_echo *echo, size_t size)
{
    encode(packet, ICMP_ECHO, echo, size);
    put16(packet + 2, phu_icmp_checksum(packet, PHU_ICMP_HEADER + size));
}

void phu_icmp_encode_v6(uint8_t *packet, const struct phu_icmp_echo *echo, size_t size)
{
    encode(packet, ICMP6_ECHO_REQUEST, echo, size);
}

/* Header and identity of an echo, as far as they are there. */
static void decode_echo(const uint8_t *packet, size_t size, struct phu_icmp_answer *answer)
{
    const uint8_t *payload = packet + PHU_ICMP_HEADER;

    answer->echo.id = get16(packet + 4);
    answer->echo.sequence = get16(packet + 6);
    answer->has_cookie = size >= PHU_ICMP_HEADER + PHU_ICMP_PAYLOAD_MIN;
    if (!answer->has_cookie)
        return;
    answer->echo.cookie = (uint64_t)get32(payload) << 32 | get32(payload + 4);
    answer->echo.slot = get32(payload + 8);
    answer->echo.generation = get32(payload + 12);
}

static bool pattern_differs(const uint8_t *payload, size_t size)
{
    uint8_t differs = 0;

    for (size_t i = PHU_ICMP_PAYLOAD_MIN; i < size; i++)
        differs |= (uint8_t)(payload[i] ^ (uint8_t)i);
    return differs != 0;
}

static void decode_reply(const uint8_t *packet, size_t size, size_t length,
                         struct phu_icmp_answer *answer)
{
    decode_echo(packet, size, answer);
    if (!answer->has_cookie)
        return;
    answer->kind = PHU_ICMP_REPLY;
    answer->payload = length - PHU_ICMP_HEADER;
    if (pattern_differs(packet + PHU_ICMP_HEADER, size - PHU_ICMP_HEADER))
        answer->is_damaged = true;
}

static bool is_error_v4(uint8_t type)
{
    return type == ICMP_DEST_UNREACH || type == ICMP_TIME_EXCEEDED || type == ICMP_PARAMETERPROB ||
           type == ICMP_SOURCE_QUENCH;
}

static enum phu_icmp_error error_v4(uint8_t type, uint8_t code)
{
    if (type == ICMP_DEST_UNREACH)
        return code == ICMP_FRAG_NEEDED ? PHU_ICMP_TOO_BIG : PHU_ICMP_UNREACHABLE;
    return type == ICMP_TIME_EXCEEDED ? PHU_ICMP_TTL_EXCEEDED : PHU_ICMP_ERROR_OTHER;
}

static bool is_error_v6(uint8_t type)
{
    return type == ICMP6_DST_UNREACH || type == ICMP6_PACKET_TOO_BIG ||
           type == ICMP6_TIME_EXCEEDED || type == ICMP6_PARAM_PROB;
}

static enum phu_icmp_error error_v6(uint8_t type)
{
    if (type == ICMP6_DST_UNREACH)
        return PHU_ICMP_UNREACHABLE;
    if (type == ICMP6_PACKET_TOO_BIG)
        return PHU_ICMP_TOO_BIG;
    return type == ICMP6_TIME_EXCEEDED ? PHU_ICMP_TTL_EXCEEDED : PHU_ICMP_ERROR_OTHER;
}

void phu_icmp_decode_quoted(int family, uint8_t type, uint8_t code, const uint8_t *quoted,
                            size_t size, struct phu_icmp_answer *answer)
{
    bool is_v6 = family == AF_INET6;

    *answer = (struct phu_icmp_answer){.kind = PHU_ICMP_OTHER, .type = type, .code = code};
    if (is_v6 ? !is_error_v6(type) : !is_error_v4(type))
        return;
    if (size < PHU_ICMP_HEADER || quoted[0] != (is_v6 ? ICMP6_ECHO_REQUEST : ICMP_ECHO))
        return;
    answer->kind = PHU_ICMP_ERROR;
    answer->error = is_v6 ? error_v6(type) : error_v4(type, code);
    decode_echo(quoted, size, answer);
}

/* An error message: 8 bytes of its own, then the request's IP header and the beginning of its
 * ICMP. */
static void decode_error_v4(const uint8_t *packet, size_t size, struct phu_icmp_answer *answer)
{
    const uint8_t *inner = packet + PHU_ICMP_HEADER;
    size_t left = size - PHU_ICMP_HEADER, header;

    if (left < IPV4_HEADER || inner[0] >> 4 != 4)
        return;
    header = (size_t)(inner[0] & 15) * 4;
    if (header < IPV4_HEADER || left < header || inner[9] != IPPROTO_ICMP)
        return;
    if (get16(inner + 6) & 0x1fff) /* a later fragment holds no ICMP header */
        return;
    phu_icmp_decode_quoted(AF_INET, packet[0], packet[1], inner + header, left - header, answer);
    memcpy(answer->target, inner + 16, 4);
}

static void decode_error_v6(const uint8_t *packet, size_t size, struct phu_icmp_answer *answer)
{
    const uint8_t *inner = packet + PHU_ICMP_HEADER;
    size_t left = size - PHU_ICMP_HEADER;

    if (left < IPV6_HEADER || inner[0] >> 4 != 6 || inner[6] != IPPROTO_ICMPV6)
        return;
    phu_icmp_decode_quoted(AF_INET6, packet[0], packet[1], inner + IPV6_HEADER, left - IPV6_HEADER,
                           answer);
    memcpy(answer->target, inner + 24, 16);
}

void phu_icmp_decode_v4(const uint8_t *packet, size_t size, size_t length,
                        struct phu_icmp_answer *answer)
{
    *answer = (struct phu_icmp_answer){.kind = PHU_ICMP_OTHER};
    if (size < PHU_ICMP_HEADER || length < size)
        return;
    answer->type = packet[0];
    answer->code = packet[1];
    if (packet[0] == ICMP_ECHOREPLY)
        decode_reply(packet, size, length, answer);
    else if (is_error_v4(packet[0]))
        decode_error_v4(packet, size, answer);
}

void phu_icmp_decode_v4_raw(const uint8_t *packet, size_t size, size_t length,
                            struct phu_icmp_answer *answer)
{
    size_t header;
    uint8_t ttl;

    *answer = (struct phu_icmp_answer){.kind = PHU_ICMP_OTHER};
    if (size < IPV4_HEADER || length < size || packet[0] >> 4 != 4)
        return;
    header = (size_t)(packet[0] & 15) * 4;
    if (header < IPV4_HEADER || size < header || packet[9] != IPPROTO_ICMP)
        return;
    ttl = packet[8];
    phu_icmp_decode_v4(packet + header, size - header, length - header, answer);
    answer->ttl = ttl;
    /* A raw socket sees packets before the kernel has looked at their checksum. */
    if (size == length && phu_icmp_checksum(packet + header, size - header) != 0)
        answer->is_damaged = true;
}

void phu_icmp_decode_v6(const uint8_t *packet, size_t size, size_t length,
                        struct phu_icmp_answer *answer)
{
    *answer = (struct phu_icmp_answer){.kind = PHU_ICMP_OTHER};
    if (size < PHU_ICMP_HEADER || length < size)
        return;
    answer->type = packet[0];
    answer->code = packet[1];
    if (packet[0] == ICMP6_ECHO_REPLY)
        decode_reply(packet, size, length, answer);
    else if (is_error_v6(packet[0]))
        decode_error_v6(packet, size, answer);
}
