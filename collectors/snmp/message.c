/* See message.h. SNMP messages are BER: a tag, a length, and that many bytes, nested.
 *
 *   versions 1, 2c   SEQUENCE { version, community, PDU { request id, error status, error index,
 *                               SEQUENCE { SEQUENCE { object identifier, value }, ... } } }
 *   version 3        SEQUENCE { version, SEQUENCE { message id, size, flags, security model },
 *                               OCTETS { SEQUENCE { engine id, boots, time, user, digest, salt } },
 *                               what is inside, or OCTETS { what is inside, encrypted } }
 *     inside           SEQUENCE { context engine id, context name, PDU }
 *
 * Devices are sloppy where it does no harm, and so are we: lengths may be written longer than
 * needed, numbers may have any length, bytes after the message are ignored. Whatever claims to be
 * longer than what contains it is refused.
 */
#include "message.h"

#include <string.h>

enum {
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
};

#define SECURITY_MODEL_USM 3
#define LENGTH_BYTES_MAX 4
#define TAG_IS_LONG 0x1f
#define PARTS_MAX 128 /* of one object identifier (RFC 2578, 7.1.3) */

struct bytes {
    const uint8_t *at, *end;
};

static inline size_t left(const struct bytes *bytes)
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
static inline bool take(struct bytes *from, uint8_t *tag, struct bytes *content)
{
    size_t length;

    /* Nearly all are short, and there are three for each object. */
    if (left(from) >= 2 && from->at[1] < 0x80 && (from->at[0] & TAG_IS_LONG) != TAG_IS_LONG) {
        *tag = from->at[0];
        length = from->at[1];
        from->at += 2;
    } else if (!read_header(from, tag, &length)) {
        return false;
    }
    if (length > left(from))
        return false;
    *content = (struct bytes){from->at, from->at + length};
    from->at += length;
    return true;
}

static inline bool take_tagged(struct bytes *from, uint8_t wanted, struct bytes *content)
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

    if (!take_tagged(from, PHU_TAG_INTEGER, &content) || content.at == content.end)
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
    case PHU_TAG_INTEGER:
        return PHU_VARBIND_INTEGER;
    case TAG_COUNTER32:
        return PHU_VARBIND_COUNTER32;
    case TAG_GAUGE:
        return PHU_VARBIND_GAUGE;
    case TAG_TICKS:
        return PHU_VARBIND_TICKS;
    case TAG_COUNTER64:
        return PHU_VARBIND_COUNTER64;
    case PHU_TAG_OCTETS:
        return PHU_VARBIND_TEXT;
    case PHU_TAG_OBJECT_ID:
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
        if (!take_tagged(&list, PHU_TAG_SEQUENCE, &pair) ||
            !take_tagged(&pair, PHU_TAG_OBJECT_ID, &content) ||
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

/* What follows the tag of a response or report. */
static bool read_pdu(struct bytes pdu, struct phu_message_room *room, struct phu_message *message)
{
    struct bytes list;
    uint64_t id, status, index;

    if (!take_number(&pdu, &id) || !take_number(&pdu, &status) || !take_number(&pdu, &index))
        return false;
    message->request_id = (uint32_t)id;
    message->error_status = (long)(int32_t)status;
    message->error_index = (long)(int32_t)index;
    return take_tagged(&pdu, PHU_TAG_SEQUENCE, &list) && read_varbinds(list, room, message);
}

bool phu_message_decode(const uint8_t *bytes, size_t length, struct phu_message_room *room,
                        struct phu_message *message)
{
    struct bytes from = {bytes, bytes + length}, content, community, pdu;
    uint64_t version;

    *message = (struct phu_message){.count = 0};
    if (length > PHU_MESSAGE_SIZE_MAX || !take_tagged(&from, PHU_TAG_SEQUENCE, &content) ||
        !take_number(&content, &version) || version > PHU_MESSAGE_V2C ||
        !take_tagged(&content, PHU_TAG_OCTETS, &community) ||
        !take_tagged(&content, PHU_TAG_RESPONSE, &pdu))
        return false;
    message->version = (int)version;
    return read_pdu(pdu, room, message);
}

static struct phu_octets octets_of(struct bytes content)
{
    return (struct phu_octets){content.at, left(&content)};
}

bool phu_message_decode_scoped(const uint8_t *bytes, size_t length, struct phu_message_room *room,
                               struct phu_message *message)
{
    struct bytes from = {bytes, bytes + length}, content, engine, context, pdu;
    uint8_t tag;

    *message = (struct phu_message){.version = PHU_MESSAGE_V3};
    if (length > PHU_MESSAGE_SIZE_MAX || !take_tagged(&from, PHU_TAG_SEQUENCE, &content) ||
        !take_tagged(&content, PHU_TAG_OCTETS, &engine) ||
        !take_tagged(&content, PHU_TAG_OCTETS, &context) || !take(&content, &tag, &pdu) ||
        (tag != PHU_TAG_RESPONSE && tag != PHU_TAG_REPORT))
        return false;
    message->is_report = tag == PHU_TAG_REPORT;
    message->engine = octets_of(engine);
    message->context = octets_of(context);
    return read_pdu(pdu, room, message);
}

/* The numbers of RFC 3412 and 3414 are of 31 bits and not negative. */
static bool take_u31(struct bytes *from, uint32_t *number)
{
    uint64_t wide;

    if (!take_number(from, &wide) || wide > INT32_MAX)
        return false;
    *number = (uint32_t)wide;
    return true;
}

static bool take_octets(struct bytes *from, struct phu_octets *octets)
{
    struct bytes content;

    if (!take_tagged(from, PHU_TAG_OCTETS, &content))
        return false;
    *octets = octets_of(content);
    return true;
}

static bool read_global(struct bytes global, struct phu_message_header *header)
{
    uint32_t size, model;
    struct phu_octets flags;

    if (!take_u31(&global, &header->id) || !take_u31(&global, &size) ||
        !take_octets(&global, &flags) || flags.length != 1 || !take_u31(&global, &model))
        return false;
    header->flags = flags.bytes[0];
    return model == SECURITY_MODEL_USM;
}

static bool read_security(struct bytes octets, struct phu_message_header *header)
{
    struct bytes security;

    return take_tagged(&octets, PHU_TAG_SEQUENCE, &security) &&
           take_octets(&security, &header->engine) && take_u31(&security, &header->boots) &&
           take_u31(&security, &header->time_s) && take_octets(&security, &header->user) &&
           take_octets(&security, &header->digest) && take_octets(&security, &header->salt);
}

bool phu_message_decode_header(const uint8_t *bytes, size_t length,
                               struct phu_message_header *header)
{
    struct bytes from = {bytes, bytes + length}, content, global, security, data;
    uint64_t version;

    *header = (struct phu_message_header){.id = 0};
    if (length > PHU_MESSAGE_SIZE_MAX || !take_tagged(&from, PHU_TAG_SEQUENCE, &content) ||
        !take_number(&content, &version) || version != PHU_MESSAGE_V3 ||
        !take_tagged(&content, PHU_TAG_SEQUENCE, &global) || !read_global(global, header) ||
        !take_tagged(&content, PHU_TAG_OCTETS, &security) || !read_security(security, header))
        return false;
    header->length = (size_t)(content.end - bytes);
    if (header->flags & PHU_MESSAGE_PRIVACY)
        return take_octets(&content, &header->data);
    header->data = octets_of(content);
    return take_tagged(&content, PHU_TAG_SEQUENCE, &data);
}

bool phu_message_peek_id(const uint8_t *bytes, size_t length, uint32_t *id)
{
    struct bytes from = {bytes, bytes + length}, community;
    uint64_t version, number;
    size_t claimed;
    uint8_t tag;

    if (!read_header(&from, &tag, &claimed) || tag != PHU_TAG_SEQUENCE ||
        !take_number(&from, &version))
        return false;
    if (version == PHU_MESSAGE_V3) {
        if (!read_header(&from, &tag, &claimed) || tag != PHU_TAG_SEQUENCE)
            return false;
    } else if (!take_tagged(&from, PHU_TAG_OCTETS, &community) ||
               !read_header(&from, &tag, &claimed) || (tag & 0xe0) != TAG_PDU) {
        return false;
    }
    if (!take_number(&from, &number))
        return false;
    *id = (uint32_t)number;
    return true;
}
