/* What the lab needs to know of a packet: who, what, and where its checksum is. */
#pragma once

#include "addr.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum lab_kind { LAB_KIND_ECHO, LAB_KIND_TCP, LAB_KIND_UDP, LAB_KIND_OTHER, LAB_KINDS };

struct lab_packet {
    struct lab_addr source;
    struct lab_addr target;
    enum lab_kind kind;
    bool is_request; /* an echo request, else (kind ECHO) an echo reply */
    uint16_t ident;
    uint16_t sequence;
    size_t
        payload; /* offset of the bytes that may be corrupted; equals length when there are none */
    size_t checksum; /* offset of the transport checksum that covers them, 0 when not known */
    size_t length;   /* as the IP header says; never more than was given */
};

/* Reads a raw IP packet. -EBADMSG when it is no IPv4 or IPv6, cut short, or contradicts itself.
 * Fragments after the first are LAB_KIND_OTHER, for their first bytes are no transport header. */
int lab_packet_parse(const uint8_t *bytes, size_t length, struct lab_packet *packet);

/* Flips one bit of the payload, chosen by `random`. With `fix_checksum` the transport checksum is
 * mended, so that the damage reaches the application. False when there is nothing to corrupt. */
bool lab_packet_corrupt(uint8_t *bytes, const struct lab_packet *packet, uint64_t random,
                        bool fix_checksum);
