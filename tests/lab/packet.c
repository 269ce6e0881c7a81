/* Reads IPv4 and IPv6 headers as far as the lab needs. Pure: bytes to struct. */
#include "packet.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>

enum {
    V4_HEADER = 20,
    V6_HEADER = 40,
    ECHO_HEADER = 8,
    TCP_HEADER = 20,
    UDP_HEADER = 8,
    V4_ECHO_REPLY = 0,
    V4_ECHO_REQUEST = 8,
    V6_ECHO_REQUEST = 128,
    V6_ECHO_REPLY = 129,
    EXTENSIONS_MAX = 8,
};

static uint16_t get16(const uint8_t *bytes)
{
    return (uint16_t)(bytes[0] << 8 | bytes[1]);
}

static void put16(uint8_t *bytes, uint16_t value)
{
    bytes[0] = (uint8_t)(value >> 8);
    bytes[1] = (uint8_t)value;
}

static void parse_echo(const uint8_t *bytes, size_t at, uint8_t request, uint8_t reply,
                       struct lab_packet *packet)
{
    uint8_t type = bytes[at];

    if (packet->length - at < ECHO_HEADER)
        return;
    packet->checksum = at + 2;
    packet->payload = at + ECHO_HEADER;
    if ((type != request && type != reply) || bytes[at + 1] != 0)
        return;
    packet->kind = LAB_KIND_ECHO;
    packet->is_request = type == request;
    packet->ident = get16(bytes + at + 4);
    packet->sequence = get16(bytes + at + 6);
}

static void parse_tcp(const uint8_t *bytes, size_t at, struct lab_packet *packet)
{
    size_t header;

    packet->kind = LAB_KIND_TCP;
    if (packet->length - at < TCP_HEADER)
        return;
    header = (size_t)(bytes[at + 12] >> 4) * 4;
    if (header < TCP_HEADER || header > packet->length - at)
        return;
    packet->checksum = at + 16;
    packet->payload = at + header;
}

static void parse_udp(const uint8_t *bytes, size_t at, struct lab_packet *packet)
{
    packet->kind = LAB_KIND_UDP;
    if (packet->length - at < UDP_HEADER)
        return;
    packet->payload = at + UDP_HEADER;
    if (get16(bytes + at + 6) != 0) /* zero: sent without a checksum, nothing to mend */
        packet->checksum = at + 6;
}

static void parse_transport(const uint8_t *bytes, size_t at, uint8_t protocol,
                            struct lab_packet *packet)
{
    if (at >= packet->length)
        return;
    if (protocol == IPPROTO_ICMP && lab_addr_is_v4(&packet->target))
        parse_echo(bytes, at, V4_ECHO_REQUEST, V4_ECHO_REPLY, packet);
    else if (protocol == IPPROTO_ICMPV6 && !lab_addr_is_v4(&packet->target))
        parse_echo(bytes, at, V6_ECHO_REQUEST, V6_ECHO_REPLY, packet);
    else if (protocol == IPPROTO_TCP)
        parse_tcp(bytes, at, packet);
    else if (protocol == IPPROTO_UDP)
        parse_udp(bytes, at, packet);
}

static int parse_v4(const uint8_t *bytes, size_t length, struct lab_packet *packet)
{
    size_t header = (size_t)(bytes[0] & 15) * 4;

    if (length < V4_HEADER || header < V4_HEADER || header > length)
        return -EBADMSG;
    packet->length = get16(bytes + 2);
    if (packet->length < header || packet->length > length)
        return -EBADMSG;
    packet->source = lab_addr_from_v4(bytes + 12);
    packet->target = lab_addr_from_v4(bytes + 16);
    packet->payload = packet->length;
    if ((get16(bytes + 6) & 0x1fff) == 0)
        parse_transport(bytes, header, bytes[9], packet);
    return 0;
}

/* Follows the extension headers that may stand before the transport. Returns its offset, or the
 * packet's length where it cannot be told (a later fragment, too many headers, an unknown one). */
static size_t skip_extensions(const uint8_t *bytes, size_t length, uint8_t *next)
{
    size_t at = V6_HEADER;

    for (int i = 0; i < EXTENSIONS_MAX; i++) {
        bool is_fragment = *next == IPPROTO_FRAGMENT;

        if (*next != IPPROTO_HOPOPTS && *next != IPPROTO_ROUTING && *next != IPPROTO_DSTOPTS &&
            !is_fragment)
            return at;
        if (length - at < 8 || (is_fragment && (get16(bytes + at + 2) & 0xfff8) != 0))
            return length;
        *next = bytes[at];
        at += is_fragment ? 8 : (size_t)(bytes[at + 1] + 1) * 8;
        if (at >= length)
            return length;
    }
    return length;
}

static int parse_v6(const uint8_t *bytes, size_t length, struct lab_packet *packet)
{
    uint8_t next;
    size_t at;

    if (length < V6_HEADER || (size_t)get16(bytes + 4) + V6_HEADER > length)
        return -EBADMSG;
    packet->length = (size_t)get16(bytes + 4) + V6_HEADER;
    packet->source = lab_addr_from_v6(bytes + 8);
    packet->target = lab_addr_from_v6(bytes + 24);
    packet->payload = packet->length;
    /* A mapped address on the wire is nobody's, and would pass for IPv4 in the tables. */
    if (lab_addr_is_v4(&packet->source) || lab_addr_is_v4(&packet->target))
        return -EBADMSG;
    next = bytes[6];
    at = skip_extensions(bytes, packet->length, &next);
    parse_transport(bytes, at, next, packet);
    return 0;
}

int lab_packet_parse(const uint8_t *bytes, size_t length, struct lab_packet *packet)
{
    *packet = (struct lab_packet){.kind = LAB_KIND_OTHER};
    if (length == 0)
        return -EBADMSG;
    if (bytes[0] >> 4 == 4)
        return parse_v4(bytes, length, packet);
    if (bytes[0] >> 4 == 6)
        return parse_v6(bytes, length, packet);
    return -EBADMSG;
}

/* RFC 1624: the checksum after one 16-bit word of the data changed. */
static uint16_t mend(uint16_t checksum, uint16_t before, uint16_t after)
{
    uint32_t sum = (uint16_t)~checksum + (uint32_t)(uint16_t)~before + after;

    sum = (sum & 0xffff) + (sum >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    if (sum == 0xffff) /* a checksum of 0 means "none" in UDP; 0xffff is the same sum */
        return 0xffff;
    return (uint16_t)~sum;
}

bool lab_packet_corrupt(uint8_t *bytes, const struct lab_packet *packet, uint64_t random,
                        bool fix_checksum)
{
    size_t room = packet->length - packet->payload;
    size_t at;
    uint8_t flip = (uint8_t)(1u << (random & 7));
    uint16_t before;
    uint16_t after;

    if (room == 0)
        return false;
    at = packet->payload + (size_t)((random >> 3) % room);
    before = bytes[at];
    bytes[at] ^= flip;
    after = bytes[at];
    if (!fix_checksum || packet->checksum == 0)
        return true;
    if ((at - packet->checksum) % 2 == 0) { /* the high byte of its word */
        before = (uint16_t)(before << 8);
        after = (uint16_t)(after << 8);
    }
    put16(bytes + packet->checksum, mend(get16(bytes + packet->checksum), before, after));
    return true;
}
