/* Walks the recording for each variable of a request. Owns nothing. */
#include "answer.h"

#include <errno.h>
#include <string.h>

enum { PDU_HEAD = 32 /* bytes: tag, id, status, index and two lengths */ };

/* An answer in the making. */
struct making {
    const struct lab_pdu *request;
    enum lab_version version;
    struct lab_device *device;
    size_t most; /* bytes of varbinds */
    struct lab_writer *out;
    struct lab_answer *answer;
};

static bool fail(struct making *making, enum lab_error_status status, size_t index)
{
    making->answer->status = status;
    making->answer->index = (uint32_t)index;
    return false;
}

static bool is_sick(const struct making *making, const uint8_t *key, size_t length)
{
    const struct lab_quirks *quirks = &making->device->quirks;

    for (size_t i = 0; i < quirks->sick_count; i++)
        if (length >= quirks->sick[i].length &&
            memcmp(key, quirks->sick[i].key, quirks->sick[i].length) == 0)
            return true;
    return false;
}

static bool is_sick_record(const struct making *making, size_t index)
{
    const struct lab_recording *recording = making->device->recording;

    return making->device->quirks.sick_count &&
           is_sick(making, lab_record_key(recording, index), recording->records[index].key_length);
}

/* Version 1 has no 64-bit counters (RFC 2576, 4.1.2.3). */
static bool is_hidden(const struct making *making, size_t index)
{
    return making->version == LAB_V1 &&
           making->device->recording->records[index].tag == LAB_TAG_COUNTER64;
}

static bool has_room(const struct making *making, size_t length)
{
    return lab_writer_length(making->out) + length <= making->most;
}

static bool put_record(struct making *making, size_t index)
{
    const struct lab_recording *recording = making->device->recording;

    if (!has_room(making, lab_recording_room(recording, index)))
        return false;
    lab_recording_put(recording, index, &making->device->age, making->out);
    making->answer->varbinds++;
    making->device->hint = index + 1;
    return true;
}

static bool put_exception(struct making *making, const uint8_t *name, size_t length, uint8_t tag)
{
    uint8_t header[2 * LAB_BER_HEADER];
    uint8_t oid_header[LAB_BER_HEADER];
    uint8_t value[2] = {tag, 0};
    size_t oid_head = lab_ber_put_header(oid_header, LAB_TAG_OID, length);
    size_t head = lab_ber_put_header(header, LAB_TAG_SEQUENCE, oid_head + length + 2);

    if (!has_room(making, head + oid_head + length + 2))
        return false;
    lab_writer_append(making->out, header, head);
    lab_writer_append(making->out, oid_header, oid_head);
    lab_writer_append(making->out, name, length);
    lab_writer_append(making->out, value, 2);
    making->answer->varbinds++;
    return true;
}

/* A recording does not know which objects a device has; what differs from a line of it in its last
 * number alone is taken for another instance of the same object. */
static uint8_t missing_tag(const struct lab_recording *recording, size_t place, const uint8_t *key,
                           size_t length)
{
    unsigned parts = lab_oid_parts(key, length);

    for (size_t i = place ? place - 1 : 0; i <= place && i < recording->count; i++)
        if (lab_oid_common(key, length, lab_record_key(recording, i),
                           recording->records[i].key_length) +
                1 >=
            parts)
            return LAB_TAG_NO_INSTANCE;
    return LAB_TAG_NO_OBJECT;
}

static bool answer_get(struct making *making)
{
    const struct lab_pdu *request = making->request;
    const struct lab_recording *recording = making->device->recording;

    for (size_t i = 0; i < request->count; i++) {
        struct lab_bytes name = request->names[i];
        uint8_t key[LAB_OID_BYTES];
        int length = lab_oid_key(name.at, name.length, key);
        bool is_there;
        size_t place;
        bool has_fit;

        if (length < 0)
            return fail(making, LAB_GEN_ERR, i + 1);
        place = lab_recording_seek(recording, key, (size_t)length, making->device->hint, &is_there);
        is_there = is_there && !is_hidden(making, place);
        if (is_sick(making, key, (size_t)length))
            return fail(making, LAB_GEN_ERR, i + 1);
        if (!is_there && making->version == LAB_V1)
            return fail(making, LAB_NO_SUCH_NAME, i + 1);
        has_fit = is_there ? put_record(making, place)
                           : put_exception(making, name.at, name.length,
                                           missing_tag(recording, place, key, (size_t)length));
        if (!has_fit)
            return fail(making, LAB_TOO_BIG, 0);
    }
    return true;
}

/* Finds what comes after the name. */
static int start_column(struct making *making, struct lab_bytes name, struct lab_column *column)
{
    struct lab_device *device = making->device;
    uint8_t key[LAB_OID_BYTES];
    int length = lab_oid_key(name.at, name.length, key);
    bool is_there;

    if (length < 0)
        return length;
    *column = (struct lab_column){.name = name.at, .name_length = name.length};
    column->index =
        lab_recording_seek(device->recording, key, (size_t)length, device->hint, &is_there);
    if (device->quirks.is_backwards)
        column->index -= column->index > 0;
    else
        column->index += is_there && !device->quirks.is_stuck;
    return 0;
}

static void step(struct making *making, struct lab_column *column)
{
    const struct lab_device *device = making->device;

    if (device->quirks.is_backwards)
        column->index -= column->index > 0;
    else
        column->index += !device->quirks.is_stuck;
}

/* Puts the column's next varbind; false with a status, or without one when there is no room. */
static bool put_next(struct making *making, struct lab_column *column, size_t index)
{
    const struct lab_recording *recording = making->device->recording;
    const struct lab_record *record;

    while (column->index < recording->count && is_hidden(making, column->index))
        column->index++;
    if (column->index >= recording->count) {
        column->is_over = true;
        if (making->version == LAB_V1)
            return fail(making, LAB_NO_SUCH_NAME, index);
        return put_exception(making, column->name, column->name_length, LAB_TAG_END_OF_VIEW);
    }
    if (is_sick_record(making, column->index))
        return fail(making, LAB_GEN_ERR, index);
    if (!put_record(making, column->index))
        return false;
    record = &recording->records[column->index];
    column->name = recording->bytes + record->varbind_at + record->oid_at;
    column->name_length = record->oid_length;
    step(making, column);
    return true;
}

static bool answer_next(struct making *making)
{
    for (size_t i = 0; i < making->request->count; i++) {
        struct lab_column column;

        if (start_column(making, making->request->names[i], &column) < 0)
            return fail(making, LAB_GEN_ERR, i + 1);
        if (!put_next(making, &column, i + 1))
            return making->answer->status ? false : fail(making, LAB_TOO_BIG, 0);
    }
    return true;
}

/* One more row; false when the answer is complete or has failed. */
static bool put_row(struct making *making, struct lab_column *columns, size_t first, size_t count)
{
    uint32_t most = making->device->quirks.most_varbinds;
    bool is_over = true;

    for (size_t i = 0; i < count; i++) {
        if ((most && making->answer->varbinds >= most) ||
            !put_next(making, &columns[i], first + i + 1))
            return false;
        is_over = is_over && columns[i].is_over;
    }
    return !is_over;
}

static bool answer_bulk(struct making *making)
{
    struct lab_column *columns = making->device->columns;
    const struct lab_pdu *request = making->request;
    size_t first = request->non_repeaters < 0 ? 0 : (size_t)request->non_repeaters;
    int32_t row = 0;

    if (first > request->count)
        first = request->count;
    for (size_t i = 0; i < request->count; i++)
        if (start_column(making, request->names[i], &columns[i]) < 0)
            return fail(making, LAB_GEN_ERR, i + 1);
    put_row(making, columns, 0, first);
    if (making->answer->status == LAB_NO_ERROR && first < request->count &&
        making->answer->varbinds == first)
        while (row < request->repetitions &&
               put_row(making, columns + first, first, request->count - first))
            row++;
    if (making->answer->status)
        return false;
    if (making->answer->varbinds == 0 && request->count && (first > 0 || request->repetitions > 0))
        return fail(making, LAB_TOO_BIG, 0);
    return true;
}

/* How many variables the request wants back. */
static uint64_t wanted(const struct lab_pdu *request)
{
    uint64_t first;

    if (request->type != LAB_PDU_BULK)
        return request->count;
    first = request->non_repeaters < 0 ? 0 : (uint64_t)request->non_repeaters;
    if (first >= request->count)
        return request->count;
    return first + (request->count - first) *
                       (request->repetitions < 0 ? 0 : (uint64_t)request->repetitions);
}

static bool answer_any(struct making *making)
{
    uint32_t most = making->device->quirks.too_big_over;

    if (most && wanted(making->request) > most)
        return fail(making, LAB_TOO_BIG, 0);
    if (making->request->type == LAB_PDU_GET)
        return answer_get(making);
    if (making->request->type == LAB_PDU_NEXT)
        return answer_next(making);
    if (making->request->type == LAB_PDU_BULK)
        return answer_bulk(making);
    return fail(making, making->version == LAB_V1 ? LAB_NO_SUCH_NAME : LAB_NOT_WRITABLE, 1);
}

static void reverse(struct lab_writer *out)
{
    uint8_t copy[65536];
    struct lab_bytes list = {copy, lab_writer_length(out)};
    size_t end = out->end;
    struct lab_bytes inside;
    uint8_t tag;

    if (list.length > sizeof(copy))
        return;
    memcpy(copy, out->bytes + out->start, list.length);
    for (const uint8_t *at = copy; lab_ber_take(&list, &tag, &inside) == 0; at = list.at) {
        size_t length = (size_t)(list.at - at);

        end -= length;
        memcpy(out->bytes + end, at, length);
    }
}

static void wrap_pdu(uint8_t type, int32_t id, enum lab_error_status status, uint32_t index,
                     struct lab_writer *out)
{
    lab_writer_wrap(out, LAB_TAG_SEQUENCE);
    lab_writer_prepend_integer(out, index);
    lab_writer_prepend_integer(out, status);
    lab_writer_prepend_integer(out, id);
    lab_writer_wrap(out, type);
}

void lab_answer_refuse(const struct lab_pdu *request, enum lab_error_status status,
                       struct lab_writer *out)
{
    lab_writer_append(out, request->varbinds.at, request->varbinds.length);
    wrap_pdu(LAB_PDU_RESPONSE, request->id, status, request->count ? 1 : 0, out);
}

void lab_answer_report(int32_t id, struct lab_bytes name, uint64_t count, struct lab_writer *out)
{
    uint8_t number[LAB_BER_NUMBER];
    size_t length = lab_ber_put_unsigned(number, count & UINT32_MAX);

    lab_writer_prepend_octets(out, LAB_TAG_COUNTER32, number, length);
    lab_writer_prepend_octets(out, LAB_TAG_OID, name.at, name.length);
    lab_writer_wrap(out, LAB_TAG_SEQUENCE);
    wrap_pdu(LAB_PDU_REPORT, id, LAB_NO_ERROR, 0, out);
}

int lab_answer_write(const struct lab_pdu *request, enum lab_version version,
                     struct lab_device *device, size_t most, struct lab_writer *out,
                     struct lab_answer *answer)
{
    struct making making = {
        .request = request,
        .version = version,
        .device = device,
        .most = most > PDU_HEAD ? most - PDU_HEAD : 0,
        .out = out,
        .answer = answer,
    };
    size_t start = out->start;
    int32_t id = request->id;

    if (version == LAB_V1 && request->type == LAB_PDU_BULK)
        return -EBADMSG;
    *answer = (struct lab_answer){.status = LAB_NO_ERROR};
    if (!answer_any(&making)) {
        /* The variables go back as they came, but for tooBig in version 2 (RFC 3416, 4.2). */
        out->start = out->end = start;
        answer->varbinds = 0;
        if (!(answer->status == LAB_TOO_BIG && version != LAB_V1) &&
            has_room(&making, request->varbinds.length))
            lab_writer_append(out, request->varbinds.at, request->varbinds.length);
    } else if (device->quirks.is_reversed) {
        reverse(out);
    }
    if (device->quirks.has_wrong_id)
        id = id == INT32_MAX ? 0 : id + 1;
    wrap_pdu(LAB_PDU_RESPONSE, id, answer->status, answer->index, out);
    return 0;
}
