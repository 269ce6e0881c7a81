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

/* What the library is shown in the place of an answer of version 3. */
static void try_scoped(const uint8_t *data, size_t size, struct phu_message_room *room)
{
    struct phu_message message;
    uint8_t *copy = malloc(size + 1);
    bool is_other;

    memcpy(copy, data, size);
    if (phu_message_decode_scoped(copy, size, room, &message, &is_other) && !is_other) {
        check_all(copy, size, room, &message);
        phu_message_empty_list(copy, &message);
        assert(phu_message_decode_scoped(copy, size, room, &message, &is_other));
        assert(!is_other && message.count == 0);
    }
    free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct phu_message_room *room;
    struct phu_message message;
    const uint8_t *engine;
    size_t engine_length;
    uint32_t id;

    if (!room)
        room = calloc(1, sizeof *room);
    try_scoped(data, size, room);
    phu_message_peek_id(data, size, &id);
    if (phu_message_peek_engine(data, size, &engine, &engine_length))
        assert(engine >= data && engine + engine_length <= data + size);
    if (!phu_message_decode(data, size, room, &message))
        return 0;
    assert(phu_message_peek_id(data, size, &id) && id == message.request_id);
    check_all(data, size, room, &message);
    return 0;
}
