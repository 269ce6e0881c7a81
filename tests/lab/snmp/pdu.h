/* Requests as they come: SNMP messages of version 1 and 2c, and the PDU that all versions share. */
#pragma once

#include "ber.h"

enum lab_version { LAB_V1 = 0, LAB_V2C = 1, LAB_V3 = 3 };

enum lab_pdu_type {
    LAB_PDU_GET = 0xa0,
    LAB_PDU_NEXT = 0xa1,
    LAB_PDU_RESPONSE = 0xa2,
    LAB_PDU_SET = 0xa3,
    LAB_PDU_BULK = 0xa5,
    LAB_PDU_REPORT = 0xa8,
};

enum lab_error_status {
    LAB_NO_ERROR = 0,
    LAB_TOO_BIG = 1,
    LAB_NO_SUCH_NAME = 2,
    LAB_READ_ONLY = 4,
    LAB_GEN_ERR = 5,
    LAB_AUTHORIZATION = 16,
    LAB_NOT_WRITABLE = 17,
};

enum { LAB_NAMES_MAX = 4096, LAB_COMMUNITY_MAX = 255 };

struct lab_pdu {
    uint8_t type;
    int32_t id;
    int32_t non_repeaters;     /* or error-status */
    int32_t repetitions;       /* or error-index */
    struct lab_bytes varbinds; /* the list, encoded, for an error to send back */
    size_t count;
    struct lab_bytes names[LAB_NAMES_MAX]; /* into the message */
};

/* Takes version; what follows depends on it. -EBADMSG. */
int lab_message_open(struct lab_bytes *message, enum lab_version *version);
/* Of v1 and v2c. */
int lab_message_community(struct lab_bytes *message, struct lab_bytes *community);
/* -EBADMSG when it is none, has more than LAB_NAMES_MAX variables, or is no request. */
int lab_pdu_parse(struct lab_bytes message, struct lab_pdu *pdu);
