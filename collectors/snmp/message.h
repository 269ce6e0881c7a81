/* SNMP messages as bytes: pure, no sockets and no library.
 *
 * net-snmp could read answers, too, but it allocates more than a KiB for every object, which costs
 * more than all the rest of a poll. Here nothing is allocated, and texts stay where they are.
 */
#pragma once

#include "walk.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PHU_MESSAGE_VARBINDS_MAX 4096
#define PHU_MESSAGE_SIZE_MAX 65536

/* Room for the objects of one message; large, of which little is touched. */
struct phu_message_room {
    struct phu_varbind varbinds[PHU_MESSAGE_VARBINDS_MAX];
    unsigned long parts[PHU_MESSAGE_SIZE_MAX]; /* of object identifiers */
};

/* An answer. */
struct phu_message {
    int version; /* as on the wire: 0 is version 1, 1 is 2c; 3 */
    uint32_t request_id;
    long error_status;
    long error_index;
    const struct phu_varbind *varbinds; /* in the room; their texts in the message */
    size_t count;                       /* of what is more than the room has, nothing */
    size_t list_at;                     /* where in the bytes the list of objects begins */
};

/* False when `bytes` are no response: anything else, or damaged anywhere. */
bool phu_message_decode(const uint8_t *bytes, size_t length, struct phu_message_room *room,
                        struct phu_message *message);

/* The same for what is inside a message of version 3, decrypted (scopedPDU of RFC 3412). Anything
 * but a response is `is_other`, and true. */
bool phu_message_decode_scoped(const uint8_t *bytes, size_t length, struct phu_message_room *room,
                               struct phu_message *message, bool *is_other);
/* Empties the list of objects, in the same bytes. */
void phu_message_empty_list(uint8_t *bytes, const struct phu_message *message);

/* The engine that a message of version 3 says it is about; borrowed. False when there is none. */
bool phu_message_peek_engine(const uint8_t *bytes, size_t length, const uint8_t **engine,
                             size_t *engine_length);

/* Whose answer is this? The request id of versions 1 and 2c, the message id of version 3. False
 * when `bytes` do not begin like an SNMP message; what follows the number is not looked at. */
bool phu_message_peek_id(const uint8_t *bytes, size_t length, uint32_t *id);
