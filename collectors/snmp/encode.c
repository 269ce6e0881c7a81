/* See encode.h. */
#include "encode.h"

#include "message.h"

#include "phusong/credential.h"

#include <assert.h>
#include <string.h>

/* Of an object: its name at five bytes a part, and the headers around it. */
#define NAME_SIZE_MAX ((PHU_OID_MAX + PHU_INDEX_MAX) * 5 + 16)

#define REPEATED_COUNT_MAX 0x7fffffff /* of RFC 3416, 3 */
#define SECURITY_MODEL_USM 3

/* The least that everybody must accept is 484; what our buffers take, less IP's and UDP's. */
#define MESSAGE_SIZE_TOLD (PHU_MESSAGE_SIZE_MAX - 29)

static_assert(PHU_QUESTION_SIZE_MAX > PHU_WALK_COLUMNS_MAX * NAME_SIZE_MAX + 1024,
              "a question fits whatever it asks for");

void phu_encoder_init(struct phu_encoder *to, uint8_t *bytes, size_t size)
{
    *to = (struct phu_encoder){.begin = bytes, .at = bytes + size, .end = bytes + size};
}

size_t phu_encoder_length(const struct phu_encoder *to)
{
    return (size_t)(to->end - to->at);
}

static bool has_room(struct phu_encoder *to, size_t length)
{
    if ((size_t)(to->at - to->begin) < length)
        to->is_full = true;
    return !to->is_full;
}

static void put(struct phu_encoder *to, uint8_t byte)
{
    if (has_room(to, 1))
        *--to->at = byte;
}

void phu_encode_bytes(struct phu_encoder *to, const void *bytes, size_t length)
{
    if (!length || !has_room(to, length))
        return;
    to->at -= length;
    memcpy(to->at, bytes, length);
}

static void put_header(struct phu_encoder *to, uint8_t tag, size_t length)
{
    uint8_t count = 0;

    if (length < 0x80) {
        put(to, (uint8_t)length);
    } else {
        for (; length; length >>= 8, count++)
            put(to, (uint8_t)length);
        put(to, 0x80 | count);
    }
    put(to, tag);
}

void phu_encode_wrap(struct phu_encoder *to, uint8_t tag, const uint8_t *end)
{
    put_header(to, tag, (size_t)(end - to->at));
}

void phu_encode_number(struct phu_encoder *to, uint32_t number)
{
    const uint8_t *end = to->at;

    do {
        put(to, (uint8_t)number);
        number >>= 8;
    } while (number);
    if (!to->is_full && *to->at & 0x80)
        put(to, 0); /* or it would be negative */
    phu_encode_wrap(to, PHU_TAG_INTEGER, end);
}

void phu_encode_text(struct phu_encoder *to, const void *text, size_t length)
{
    phu_encode_bytes(to, text, length);
    put_header(to, PHU_TAG_OCTETS, length);
}

/* -- What is asked ---------------------------------------------------------------------------- */

static void put_part(struct phu_encoder *to, uint32_t part)
{
    put(to, part & 0x7f);
    while (part >>= 7)
        put(to, 0x80 | (part & 0x7f));
}

/* The first two parts share a number. */
static void put_name(struct phu_encoder *to, const struct phu_walk_name *name)
{
    const struct phu_oid *prefix = name->prefix;
    const uint8_t *end = to->at;

    assert(prefix->length >= 2);
    for (size_t i = name->place->length; i-- > 0;)
        put_part(to, name->place->part[i]);
    for (size_t i = prefix->length; i-- > 2;)
        put_part(to, prefix->part[i]);
    put_part(to, prefix->part[0] * 40 + prefix->part[1]);
    phu_encode_wrap(to, PHU_TAG_OBJECT_ID, end);
}

static void put_list(struct phu_encoder *to, const struct phu_walk_request *request)
{
    static const uint8_t null[] = {PHU_TAG_NULL, 0};
    const uint8_t *end = to->at;

    for (size_t i = request->name_count; i-- > 0;) {
        const uint8_t *object_end = to->at;

        phu_encode_bytes(to, null, sizeof null);
        put_name(to, &request->names[i]);
        phu_encode_wrap(to, PHU_TAG_SEQUENCE, object_end);
    }
    phu_encode_wrap(to, PHU_TAG_SEQUENCE, end);
}

void phu_encode_pdu(struct phu_encoder *to, const struct phu_walk_request *request, uint32_t id)
{
    bool is_bulk = request->is_bulk && !request->is_exact;
    uint8_t tag = request->is_exact ? PHU_TAG_GET : is_bulk ? PHU_TAG_GETBULK : PHU_TAG_GETNEXT;
    const uint8_t *end = to->at;

    put_list(to, request);
    /* Where other questions have the error of an answer, GETBULK has its two numbers. */
    phu_encode_number(to, is_bulk ? request->repetitions & REPEATED_COUNT_MAX : 0);
    phu_encode_number(to, is_bulk ? request->scalars & REPEATED_COUNT_MAX : 0);
    phu_encode_number(to, id);
    phu_encode_wrap(to, tag, end);
}

/* -- What is around it ------------------------------------------------------------------------ */

void phu_encode_community(struct phu_encoder *to, int version, const char *community)
{
    phu_encode_text(to, community, strlen(community));
    phu_encode_number(to, version == PHU_SNMP_V1 ? PHU_MESSAGE_V1 : PHU_MESSAGE_V2C);
    phu_encode_wrap(to, PHU_TAG_SEQUENCE, to->end);
}

void phu_encode_scope(struct phu_encoder *to, const struct phu_encode_scope *scope)
{
    phu_encode_text(to, scope->context, strlen(scope->context));
    phu_encode_text(to, scope->engine, scope->engine_length);
    phu_encode_wrap(to, PHU_TAG_SEQUENCE, to->end);
}

static uint8_t *put_security(struct phu_encoder *to, const struct phu_encode_header *header)
{
    static const uint8_t zeros[PHU_MESSAGE_DIGEST_MAX];
    const uint8_t *end = to->at;
    uint8_t *digest;

    assert(header->digest_length <= sizeof zeros);
    phu_encode_text(to, header->salt, header->salt_length);
    phu_encode_bytes(to, zeros, header->digest_length);
    digest = header->digest_length ? to->at : NULL;
    put_header(to, PHU_TAG_OCTETS, header->digest_length);
    phu_encode_text(to, header->user, strlen(header->user));
    phu_encode_number(to, header->time_s);
    phu_encode_number(to, header->boots);
    phu_encode_text(to, header->engine, header->engine_length);
    phu_encode_wrap(to, PHU_TAG_SEQUENCE, end);
    phu_encode_wrap(to, PHU_TAG_OCTETS, end);
    return digest;
}

uint8_t *phu_encode_header(struct phu_encoder *to, const struct phu_encode_header *header)
{
    uint8_t *digest = put_security(to, header);
    const uint8_t *end = to->at;

    phu_encode_number(to, SECURITY_MODEL_USM);
    phu_encode_text(to, &header->flags, 1);
    phu_encode_number(to, MESSAGE_SIZE_TOLD);
    phu_encode_number(to, header->id);
    phu_encode_wrap(to, PHU_TAG_SEQUENCE, end);
    phu_encode_number(to, PHU_MESSAGE_V3);
    phu_encode_wrap(to, PHU_TAG_SEQUENCE, to->end);
    return digest;
}
