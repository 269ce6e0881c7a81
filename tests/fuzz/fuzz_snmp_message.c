/* Answers of versions 1 and 2c as bytes: whatever is read lies within the message and the room. */
#include "message.h"

#include <assert.h>
#include <stdlib.h>

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

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct phu_message_room *room;
    struct phu_message message;
    uint32_t id;

    if (!room)
        room = calloc(1, sizeof *room);
    phu_message_peek_id(data, size, &id);
    if (!phu_message_decode(data, size, room, &message))
        return 0;
    assert(phu_message_peek_id(data, size, &id) && id == message.request_id);
    for (size_t i = 0; i < message.count; i++)
        check(data, size, room, &message.varbinds[i]);
    return 0;
}
