/* ICMP echo packets to bytes and back, for IPv4 and IPv6. Pure: no sockets, no clocks.
 *
 * The payload of a request says which probe it was and proves that we sent it:
 *
 *     offset  0  cookie      keyed hash of what follows, unknown to others
 *             8  slot        which target
 *            12  generation  which probe of that target
 *            16  pattern     byte i holds i modulo 256
 *
 * So matching needs neither a table nor the 16 bits of the sequence number.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PHU_ICMP_HEADER 8
#define PHU_ICMP_PAYLOAD_MIN 16
#define PHU_ICMP_PAYLOAD_MAX 65507

struct phu_icmp_echo {
    uint16_t id, sequence;
    uint64_t cookie;
    uint32_t slot, generation;
};

enum phu_icmp_kind {
    PHU_ICMP_OTHER, /* not for us, or too short to say anything */
    PHU_ICMP_REPLY,
    PHU_ICMP_ERROR, /* an error message about one of our requests */
};

enum phu_icmp_error {
    PHU_ICMP_UNREACHABLE,
    PHU_ICMP_TOO_BIG,
    PHU_ICMP_TTL_EXCEEDED,
    PHU_ICMP_ERROR_OTHER,
};

struct phu_icmp_answer {
    enum phu_icmp_kind kind;
    enum phu_icmp_error error; /* of PHU_ICMP_ERROR */
    uint8_t type, code;
    uint8_t ttl; /* of the answering packet; 0: not known */
    /* The echo payload is long enough to hold slot, generation and cookie. Always so for a REPLY,
     * not always for an ERROR, which may quote as little as 8 bytes. */
    bool has_cookie;
    bool is_damaged;    /* wrong checksum, or a pattern that differs */
    size_t payload;     /* bytes of echo payload that arrived (REPLY) */
    uint8_t target[16]; /* ERROR: where the quoted request went; IPv4 in the first 4 */
    struct phu_icmp_echo echo;
};

/* Writes header and payload; `size` is that of the payload, at least PHU_ICMP_PAYLOAD_MIN. The
 * checksum is filled in for IPv4 and left to the kernel, 0, for IPv6. */
void phu_icmp_encode_v4(uint8_t *packet, const struct phu_icmp_echo *echo, size_t size);
void phu_icmp_encode_v6(uint8_t *packet, const struct phu_icmp_echo *echo, size_t size);

/* `size` bytes are at hand of a packet that had `length`. Raw IPv4 sockets deliver the IP header
 * too; the others begin with ICMP. Without an IP header the kernel has checked the checksum. */
void phu_icmp_decode_v4_raw(const uint8_t *packet, size_t size, size_t length,
                            struct phu_icmp_answer *answer);
void phu_icmp_decode_v4(const uint8_t *packet, size_t size, size_t length,
                        struct phu_icmp_answer *answer);
void phu_icmp_decode_v6(const uint8_t *packet, size_t size, size_t length,
                        struct phu_icmp_answer *answer);

/* What the error queue of a ping socket holds: type and code apart, then the quoted request from
 * its ICMP header on. `target` stays empty. */
void phu_icmp_decode_quoted(int family, uint8_t type, uint8_t code, const uint8_t *quoted,
                            size_t size, struct phu_icmp_answer *answer);

uint16_t phu_icmp_checksum(const uint8_t *bytes, size_t size);
