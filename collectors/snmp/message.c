/* See message.h. SNMP messages are BER: a tag, a length, and that many bytes, nested.
 *
 *   versions 1, 2c   SEQUENCE { version, community, PDU { request id, error status, error index,
 *                               SEQUENCE { SEQUENCE { object identifier, value }, ... } } }
 *   version 3        SEQUENCE { version, SEQUENCE { message id, ... },
 *                               OCTETS { SEQUENCE { engine id, ... } }, ... }
 *     inside           SEQUENCE { context engine id, context name, PDU }
 *
 * Devices are sloppy where it does no harm, and so are we: lengths may be written longer than
 * needed, numbers may have any length, bytes after the message are ignored. Whatever claims to be
 * longer than what contains it is refused.
 */
#include "message.h"

#include <string.h>

enum {
    TAG_INTEGER = 0x02,
    TAG_OCTETS = 0x04,
    TAG_OBJECT_ID = 0x06,
    TAG_SEQUENCE = 0x30,
    TAG_ADDRESS = 0x40,
    TAG_COUNTER32 = 0x41,
    TAG_GAUGE = 0x42,
    TAG_TICKS = 0x43,
    TAG_OPAQUE = 0x44,
    TAG_COUNTER64 = 0x46,
    TAG_NO_OBJECT = 0x80,
    TAG_NO_INSTANCE = 0x81,
    TAG_END_OF_VIEW = 0x82,
    TAG_PDU = 0xa0, /* and the number of the PDU in the five lowest bits */
    TAG_RESPONSE = 0xa2,
};

#define VERSION_3 3
#define LENGTH_BYTES_MAX 4
#define TAG_IS_LONG 0x1f
#define PARTS_MAX 128 /* of one object identifier (RFC 2578, 7.1.3) */

struct bytes {
    const uint8_t *at, *end;
};

static size_t left(const struct bytes *bytes)
{
    return (size_t)(bytes->end - bytes->at);
}

/* A tag and the length after it, which may be a lie. */
static bool read_header(struct bytes *from, uint8_t *tag, size_t *length)
{
    size_t count, sum = 0;

    if (left(from) < 2)
        return false;
    *tag = *from->at++;
    count = *from->at++;
    *length = count;
    if ((*tag & TAG_IS_LONG) == TAG_IS_LONG)
        return false;
    if (count < 0x80)
        return true;
    count &= 0x7f;
    if (count == 0 || count > LENGTH_BYTES_MAX || count > left(from))
        return false;
    while (count--)
        sum = sum << 8 | *from->at++;
    *length = sum;
    return true;
}

/* Takes one element off; `content` is inside it. */
static bool take(struct bytes *from, uint8_t *tag, struct bytes *content)
{
    size_t length;

    if (!read_header(from, tag, &length) || length > left(from))
        return false;
    *content = (struct bytes){from->at, from->at + length};
    from->at += length;
    return true;
}

static bool take_tagged(struct bytes *from, uint8_t wanted, struct bytes *content)
{
    uint8_t tag;

    return take(from, &tag, content) && tag == wanted;
}

/* Two's complement, of any length; of longer ones the last eight bytes. Devices that forget the
 * leading zero of a large counter are read as net-snmp and others read them. */
static uint64_t number_of(struct bytes content)
{
    uint64_t number = content.at < content.end && *content.at & 0x80 ? UINT64_MAX : 0;

    while (content.at < content.end)
        number = number << 8 | *content.at++;
    return number;
}

static bool take_number(struct bytes *from, uint64_t *number)
{
    struct bytes content;

    if (!take_tagged(from, TAG_INTEGER, &content) || content.at == content.end)
        return false;
    *number = number_of(content);
    return true;
}

/* -- Objects --------------------------------------------------------------------------------- */

/* Most parts are one byte; `part` is the first of several. */
static bool read_long_part(struct bytes *from, unsigned long *part)
{
    uint8_t byte;

    *part &= 0x7f;
    do {
        if (from->at == from->end || *part > UINT32_MAX >> 7)
            return false;
        byte = *from->at++;
        *part = *part << 7 | (byte & 0x7f);
    } while (byte & 0x80);
    return true;
}

/* Each part takes at least one byte, the first two share one: the room for as many parts as a
 * datagram has bytes is enough, because every identifier has a header of two bytes besides. */
static bool read_parts(struct bytes from, unsigned long *parts, size_t *count)
{
    size_t at = 1;

    parts[0] = 0;
    if (from.at == from.end)
        return false;
    while (from.at < from.end) {
        unsigned long part = *from.at++;

        if (at == PARTS_MAX || (part & 0x80 && !read_long_part(&from, &part)))
            return false;
        parts[at++] = part;
    }
    parts[0] = parts[1] < 40 ? 0 : parts[1] < 80 ? 1 : 2;
    parts[1] -= parts[0] * 40;
    *count = at;
    return true;
}

static double real_of(uint64_t bits, size_t length)
{
    uint32_t low = (uint32_t)bits;
    double real;
    float narrow;

    if (length == sizeof narrow) {
        memcpy(&narrow, &low, sizeof narrow);
        return (double)narrow;
    }
    memcpy(&real, &bits, sizeof real);
    return real;
}

/* Net-SNMP's way to write reals: in an Opaque, with a tag of two bytes. */
static void read_opaque(struct bytes content, struct phu_varbind *varbind)
{
    static const uint8_t narrow[] = {0x9f, 0x78, sizeof(float)},
                         wide[] = {0x9f, 0x79, sizeof(double)};
    size_t length = left(&content);

    varbind->kind = PHU_VARBIND_OTHER;
    if ((length == sizeof narrow + sizeof(float) && !memcmp(content.at, narrow, sizeof narrow)) ||
        (length == sizeof wide + sizeof(double) && !memcmp(content.at, wide, sizeof wide))) {
        content.at += sizeof narrow;
        varbind->kind = PHU_VARBIND_REAL;
        varbind->real = real_of(number_of(content), left(&content));
    }
}

static enum phu_varbind_kind kind_of(uint8_t tag)
{
    switch (tag) {
    case TAG_INTEGER:
        return PHU_VARBIND_INTEGER;
    case TAG_COUNTER32:
        return PHU_VARBIND_COUNTER32;
    case TAG_GAUGE:
        return PHU_VARBIND_GAUGE;
    case TAG_TICKS:
        return PHU_VARBIND_TICKS;
    case TAG_COUNTER64:
        return PHU_VARBIND_COUNTER64;
    case TAG_OCTETS:
        return PHU_VARBIND_TEXT;
    case TAG_OBJECT_ID:
        return PHU_VARBIND_OBJECT_ID;
    case TAG_ADDRESS:
        return PHU_VARBIND_ADDRESS;
    case TAG_NO_OBJECT:
    case TAG_NO_INSTANCE:
        return PHU_VARBIND_MISSING;
    case TAG_END_OF_VIEW:
        return PHU_VARBIND_END;
    default: /* whatever the device invents */
        return PHU_VARBIND_OTHER;
    }
}

/* Returns how many parts it used, of an object identifier; -1 when the value is damaged. */
static int read_value(uint8_t tag, struct bytes content, unsigned long *parts,
                      struct phu_varbind *varbind)
{
    size_t count;

    varbind->kind = kind_of(tag);
    switch (varbind->kind) {
    case PHU_VARBIND_INTEGER:
    case PHU_VARBIND_COUNTER64:
        varbind->number = number_of(content);
        return content.at == content.end ? -1 : 0;
    case PHU_VARBIND_COUNTER32:
    case PHU_VARBIND_GAUGE:
    case PHU_VARBIND_TICKS:
        varbind->number = number_of(content) & UINT32_MAX;
        return content.at == content.end ? -1 : 0;
    case PHU_VARBIND_TEXT:
        varbind->text = content.at;
        varbind->text_length = left(&content);
        return 0;
    case PHU_VARBIND_ADDRESS:
        varbind->text = content.at;
        varbind->text_length = left(&content);
        return varbind->text_length == 4 ? 0 : -1;
    case PHU_VARBIND_OBJECT_ID:
        if (!read_parts(content, parts, &count))
            return -1;
        varbind->text = (const uint8_t *)parts;
        varbind->text_length = count * sizeof *parts;
        return (int)count;
    case PHU_VARBIND_OTHER:
        if (tag == TAG_OPAQUE)
            read_opaque(content, varbind);
        return 0;
    case PHU_VARBIND_REAL: /* has no tag of its own */
    case PHU_VARBIND_MISSING:
    case PHU_VARBIND_END:
        return 0;
    }
    return -1;
}

static bool read_varbinds(struct bytes list, struct phu_message_room *room,
                          struct phu_message *message)
{
    unsigned long *parts = room->parts;

    message->varbinds = room->varbinds;
    for (size_t i = 0; list.at < list.end && i < PHU_MESSAGE_VARBINDS_MAX; i++) {
        struct phu_varbind *varbind = &room->varbinds[i];
        struct bytes pair, content;
        uint8_t tag;
        int used;

        *varbind = (struct phu_varbind){.oid = parts};
        if (!take_tagged(&list, TAG_SEQUENCE, &pair) ||
            !take_tagged(&pair, TAG_OBJECT_ID, &content) ||
            !read_parts(content, parts, &varbind->oid_length) || !take(&pair, &tag, &content))
            return false;
        parts += varbind->oid_length;
        used = read_value(tag, content, parts, varbind);
        if (used < 0)
            return false;
        parts += used;
        message->count++;
    }
    return true;
}

/* -- Messages -------------------------------------------------------------------------------- */

/* What follows the tag of a response. */
static bool read_response(const uint8_t *bytes, struct bytes pdu, struct phu_message_room *room,
                          struct phu_message *message)
{
    struct bytes list;
    uint64_t id, status, index;

    if (!take_number(&pdu, &id) || !take_number(&pdu, &status) || !take_number(&pdu, &index))
        return false;
    message->request_id = (uint32_t)id;
    message->error_status = (long)(int32_t)status;
    message->error_index = (long)(int32_t)index;
    message->list_at = (size_t)(pdu.at - bytes);
    return take_tagged(&pdu, TAG_SEQUENCE, &list) && read_varbinds(list, room, message);
}

bool phu_message_decode(const uint8_t *bytes, size_t length, struct phu_message_room *room,
                        struct phu_message *message)
{
    struct bytes from = {bytes, bytes + length}, content, community, pdu;
    uint64_t version;

    *message = (struct phu_message){.count = 0};
    if (length > PHU_MESSAGE_SIZE_MAX || !take_tagged(&from, TAG_SEQUENCE, &content) ||
        !take_number(&content, &version) || version >= VERSION_3 ||
        !take_tagged(&content, TAG_OCTETS, &community) ||
        !take_tagged(&content, TAG_RESPONSE, &pdu))
        return false;
    message->version = (int)version;
    return read_response(bytes, pdu, room, message);
}

bool phu_message_decode_scoped(const uint8_t *bytes, size_t length, struct phu_message_room *room,
                               struct phu_message *message, bool *is_other)
{
    struct bytes from = {bytes, bytes + length}, content, engine, context, pdu;
    uint8_t tag;

    *message = (struct phu_message){.version = VERSION_3};
    if (length > PHU_MESSAGE_SIZE_MAX || !take_tagged(&from, TAG_SEQUENCE, &content) ||
        !take_tagged(&content, TAG_OCTETS, &engine) ||
        !take_tagged(&content, TAG_OCTETS, &context) || !take(&content, &tag, &pdu))
        return false;
    *is_other = tag != TAG_RESPONSE;
    return *is_other || read_response(bytes, pdu, room, message);
}

void phu_message_empty_list(uint8_t *bytes, const struct phu_message *message)
{
    uint8_t *length = bytes + message->list_at + 1;

    if (*length & 0x80)
        memset(length + 1, 0, *length & 0x7f);
    else
        *length = 0;
}

bool phu_message_peek_engine(const uint8_t *bytes, size_t length, const uint8_t **engine,
                             size_t *engine_length)
{
    struct bytes from = {bytes, bytes + length}, content, header, octets, security, id;
    uint64_t version;

    if (!take_tagged(&from, TAG_SEQUENCE, &content) || !take_number(&content, &version) ||
        version != VERSION_3 || !take_tagged(&content, TAG_SEQUENCE, &header) ||
        !take_tagged(&content, TAG_OCTETS, &octets) ||
        !take_tagged(&octets, TAG_SEQUENCE, &security) || !take_tagged(&security, TAG_OCTETS, &id))
        return false;
    *engine = id.at;
    *engine_length = left(&id);
    return *engine_length > 0;
}

bool phu_message_peek_id(const uint8_t *bytes, size_t length, uint32_t *id)
{
    struct bytes from = {bytes, bytes + length}, community;
    uint64_t version, number;
    size_t claimed;
    uint8_t tag;

    if (!read_header(&from, &tag, &claimed) || tag != TAG_SEQUENCE || !take_number(&from, &version))
        return false;
    if (version == VERSION_3) {
        if (!read_header(&from, &tag, &claimed) || tag != TAG_SEQUENCE)
            return false;
    } else if (!take_tagged(&from, TAG_OCTETS, &community) || !read_header(&from, &tag, &claimed) ||
               (tag & 0xe0) != TAG_PDU) {
        return false;
    }
    if (!take_number(&from, &number))
        return false;
    *id = (uint32_t)number;
    return true;
}
