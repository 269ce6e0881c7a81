/* See peek.h. SNMP messages are BER: a tag, a length, and that many bytes, nested.
 *
 *   versions 1, 2c   SEQUENCE { version, community, PDU { request id, ...
 *   version 3        SEQUENCE { version, SEQUENCE { message id, ...
 */
#include "peek.h"

#define TAG_INTEGER 0x02
#define TAG_OCTETS 0x04
#define TAG_SEQUENCE 0x30
#define TAG_PDU 0xa0 /* and the number of the PDU in the five lowest bits */
#define VERSION_3 3
#define LENGTH_BYTES_MAX 4

struct cursor {
    const uint8_t *at, *end;
};

/* Moves to the content of what begins here. Its length may be a lie: `end` stays the datagram's. */
static bool enter(struct cursor *cursor, uint8_t *tag, size_t *length)
{
    size_t count, sum = 0;

    if (cursor->end - cursor->at < 2)
        return false;
    *tag = *cursor->at++;
    count = *cursor->at++;
    *length = count;
    if (count < 0x80)
        return true;
    count &= 0x7f;
    if (count == 0 || count > LENGTH_BYTES_MAX || count > (size_t)(cursor->end - cursor->at))
        return false;
    while (count--)
        sum = sum << 8 | *cursor->at++;
    *length = sum;
    return true;
}

static bool read_number(struct cursor *cursor, uint32_t *number)
{
    uint8_t tag;
    size_t length;

    if (!enter(cursor, &tag, &length) || tag != TAG_INTEGER || length == 0 ||
        length > (size_t)(cursor->end - cursor->at))
        return false;
    *number = *cursor->at & 0x80 ? UINT32_MAX : 0;
    while (length--)
        *number = *number << 8 | *cursor->at++;
    return true;
}

static bool skip_octets(struct cursor *cursor)
{
    uint8_t tag;
    size_t length;

    if (!enter(cursor, &tag, &length) || tag != TAG_OCTETS ||
        length > (size_t)(cursor->end - cursor->at))
        return false;
    cursor->at += length;
    return true;
}

bool phu_snmp_peek_id(const uint8_t *bytes, size_t length, uint32_t *id)
{
    struct cursor cursor = {bytes, bytes + length};
    uint32_t version;
    uint8_t tag;
    size_t content;

    if (!enter(&cursor, &tag, &content) || tag != TAG_SEQUENCE || !read_number(&cursor, &version))
        return false;
    if (version == VERSION_3)
        return enter(&cursor, &tag, &content) && tag == TAG_SEQUENCE && read_number(&cursor, id);
    return skip_octets(&cursor) && enter(&cursor, &tag, &content) && (tag & 0xe0) == TAG_PDU &&
           read_number(&cursor, id);
}
