/* Answers as bytes: pure, no sockets and no library. Nothing is allocated, and texts stay where
 * they are. Questions: encode.h.
 */
#pragma once

#include "walk.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PHU_MESSAGE_VARBINDS_MAX 4096
#define PHU_MESSAGE_SIZE_MAX 65536
#define PHU_MESSAGE_DIGEST_MAX 48 /* SHA-512's, as it is cut for messages (RFC 7860) */

enum phu_message_tag {
    PHU_TAG_INTEGER = 0x02,
    PHU_TAG_OCTETS = 0x04,
    PHU_TAG_NULL = 0x05,
    PHU_TAG_OBJECT_ID = 0x06,
    PHU_TAG_SEQUENCE = 0x30,
    PHU_TAG_GET = 0xa0,
    PHU_TAG_GETNEXT = 0xa1,
    PHU_TAG_RESPONSE = 0xa2,
    PHU_TAG_GETBULK = 0xa5,
    PHU_TAG_REPORT = 0xa8,
};

/* Versions as they stand on the wire. */
enum phu_message_version { PHU_MESSAGE_V1 = 0, PHU_MESSAGE_V2C = 1, PHU_MESSAGE_V3 = 3 };

/* Flags of version 3. */
enum phu_message_flag {
    PHU_MESSAGE_AUTH = 1,
    PHU_MESSAGE_PRIVACY = 2,
    PHU_MESSAGE_REPORTABLE = 4,
};
#define PHU_MESSAGE_LEVEL (PHU_MESSAGE_AUTH | PHU_MESSAGE_PRIVACY)

/* Room for the objects of one message; large, of which little is touched. */
struct phu_message_room {
    struct phu_varbind varbinds[PHU_MESSAGE_VARBINDS_MAX];
    unsigned long parts[PHU_MESSAGE_SIZE_MAX]; /* of object identifiers */
};

struct phu_octets {
    const uint8_t *bytes;
    size_t length;
};

/* An answer. */
struct phu_message {
    int version; /* enum phu_message_version */
    bool is_report;
    uint32_t request_id;
    long error_status;
    long error_index;
    const struct phu_varbind *varbinds; /* in the room; their texts in the message */
    size_t count;                       /* of what is more than the room has, nothing */
    struct phu_octets engine, context;  /* version 3: whose objects they are */
};

/* An answer of version 1 or 2c. False when `bytes` are none: anything else, or damaged anywhere. */
bool phu_message_decode(const uint8_t *bytes, size_t length, struct phu_message_room *room,
                        struct phu_message *message);

/* What is inside a message of version 3, decrypted (scopedPDU of RFC 3412): a response or a report.
 * What follows it, as encryption in blocks may leave, is ignored. */
bool phu_message_decode_scoped(const uint8_t *bytes, size_t length, struct phu_message_room *room,
                               struct phu_message *message);

/* What is around that, as RFC 3412, 6 and RFC 3414, 2.4 have it. All of it is what the message
 * says: nothing has been checked. Points into the message. */
struct phu_message_header {
    uint32_t id;
    uint8_t flags;
    struct phu_octets engine;
    uint32_t boots, time_s;
    struct phu_octets user, digest, salt;
    struct phu_octets data; /* the scopedPDU, or encrypted the octets that hold it */
    size_t length;          /* of the whole message */
};
/* False when `bytes` are no message of version 3 with the user-based security model. */
bool phu_message_decode_header(const uint8_t *bytes, size_t length,
                               struct phu_message_header *header);

/* Whose answer is this? The request id of versions 1 and 2c, the message id of version 3. False
 * when `bytes` do not begin like an SNMP message; what follows the number is not looked at. */
bool phu_message_peek_id(const uint8_t *bytes, size_t length, uint32_t *id);
