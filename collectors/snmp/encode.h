/* Questions as bytes: pure, no sockets and no library.
 *
 * A message is BER, whose lengths come before what they measure. So it is written from its end to
 * its front: each length is known when its turn comes, and is as short as it can be.
 *
 *     phu_encoder_init(&to, buffer, sizeof buffer);
 *     phu_encode_pdu(&to, &request, id);
 *     phu_encode_community(&to, PHU_SNMP_V2C, "public");
 *     ... to.at is the message, phu_encoder_length(&to) its length ...
 */
#pragma once

#include "walk.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A question is never longer: the names of a walk at their longest, and what is around them. */
#define PHU_QUESTION_SIZE_MAX 16384

struct phu_encoder {
    uint8_t *begin, *at, *end;
    bool is_full; /* something had no room, and all is void */
};

void phu_encoder_init(struct phu_encoder *to, uint8_t *bytes, size_t size);
size_t phu_encoder_length(const struct phu_encoder *to);

/* Each puts itself before what is there. */
void phu_encode_bytes(struct phu_encoder *to, const void *bytes, size_t length);
/* A tag, and the length of what lies from `to->at` up to `end`. */
void phu_encode_wrap(struct phu_encoder *to, uint8_t tag, const uint8_t *end);
void phu_encode_number(struct phu_encoder *to, uint32_t number);
void phu_encode_text(struct phu_encoder *to, const void *text, size_t length);

/* GET, GETNEXT or GETBULK, as the request says. */
void phu_encode_pdu(struct phu_encoder *to, const struct phu_walk_request *request, uint32_t id);
/* Around a PDU: the message of version 1 or 2c (enum phu_snmp_version). */
void phu_encode_community(struct phu_encoder *to, int version, const char *community);

/* Around a PDU, for version 3 (RFC 3412, 6): the scopedPDU. */
struct phu_encode_scope {
    const uint8_t *engine;
    size_t engine_length;
    const char *context;
};
void phu_encode_scope(struct phu_encoder *to, const struct phu_encode_scope *scope);

/* Around a scopedPDU (or, encrypted, around the octets that hold it): the message of version 3. */
struct phu_encode_header {
    uint32_t id;
    uint8_t flags; /* PHU_MESSAGE_... of message.h */
    const uint8_t *engine;
    size_t engine_length;
    uint32_t boots, time_s;
    const char *user;
    size_t digest_length; /* 0: not authenticated */
    const uint8_t *salt;
    size_t salt_length; /* 0: not encrypted */
};
/* Returns where the digest belongs, now zeros; NULL without one. */
uint8_t *phu_encode_header(struct phu_encoder *to, const struct phu_encode_header *header);
