/* Answers as bytes: whatever is read lies within the message and the room. */
#include "message.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const uint8_t *data, size_t size, const struct phu_message_room *room,
                  const struct phu_varbind *varbind)
{
    const unsigned long *end = room->parts + PHU_MESSAGE_SIZE_MAX;

    assert(varbind->oid >= room->parts && varbind->oid + varbind->oid_length <= end);
    assert(varbind->oid_length >= 2);
    if (varbind->kind == PHU_VARBIND_OBJECT_ID) {
        const unsigned long *parts = (const unsigned long *)(const void *)varbind->text;

        assert(parts >= room->parts && parts + varbind->text_length / sizeof *parts <= end);
    } else if (varbind->kind == PHU_VARBIND_TEXT || varbind->kind == PHU_VARBIND_ADDRESS) {
        assert(varbind->text >= data && varbind->text + varbind->text_length <= data + size);
    }
}

static void check_all(const uint8_t *data, size_t size, const struct phu_message_room *room,
                      const struct phu_message *message)
{
    assert(message->count <= PHU_MESSAGE_VARBINDS_MAX);
    for (size_t i = 0; i < message->count; i++)
        check(data, size, room, &message->varbinds[i]);
}

static void check_octets(const uint8_t *data, size_t size, const struct phu_octets *octets)
{
    assert(octets->bytes >= data && octets->bytes + octets->length <= data + size);
}

/* What is inside a message of version 3. */
static void try_scoped(const uint8_t *data, size_t size, struct phu_message_room *room)
{
    struct phu_message message;

    if (!phu_message_decode_scoped(data, size, room, &message))
        return;
    check_octets(data, size, &message.engine);
    check_octets(data, size, &message.context);
    check_all(data, size, room, &message);
}

/* What is around it. */
static void try_header(const uint8_t *data, size_t size)
{
    struct phu_message_header header;
    uint32_t id;

    if (!phu_message_decode_header(data, size, &header))
        return;
    assert(phu_message_peek_id(data, size, &id) && id == header.id);
    assert(header.length <= size);
    assert(header.id <= INT32_MAX && header.boots <= INT32_MAX && header.time_s <= INT32_MAX);
    check_octets(data, header.length, &header.engine);
    check_octets(data, header.length, &header.user);
    check_octets(data, header.length, &header.digest);
    check_octets(data, header.length, &header.salt);
    check_octets(data, header.length, &header.data);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct phu_message_room *room;
    struct phu_message message;
    uint32_t id;

    if (!room)
        room = calloc(1, sizeof *room);
    try_scoped(data, size, room);
    try_header(data, size);
    phu_message_peek_id(data, size, &id);
    if (!phu_message_decode(data, size, room, &message))
        return 0;
    assert(phu_message_peek_id(data, size, &id) && id == message.request_id);
    check_all(data, size, room, &message);
    return 0;
}
