/* Owns the records, their bytes and their motions. */
#include "recording.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *grow(void *items, size_t wanted, size_t *room, size_t item)
{
    void *grown;

    if (wanted <= *room)
        return items;
    *room = wanted > 2 * *room ? wanted + 64 : 2 * *room;
    grown = realloc(items, *room * item);
    if (!grown) {
        perror("phusong-lab-snmp: out of memory");
        exit(1);
    }
    return grown;
}

struct lab_recording *lab_recording_new(const char *name)
{
    size_t room = 0;
    struct lab_recording *recording = grow(NULL, 1, &room, sizeof(*recording));

    *recording = (struct lab_recording){.name = strdup(name)};
    return recording;
}

void lab_recording_free(struct lab_recording *recording)
{
    if (!recording)
        return;
    free(recording->name);
    free(recording->records);
    free(recording->bytes);
    free(recording->motions);
    free(recording);
}

static uint32_t keep(struct lab_recording *recording, const void *bytes, size_t length)
{
    uint32_t at = (uint32_t)recording->used;

    recording->bytes =
        grow(recording->bytes, recording->used + length, &recording->size, sizeof(uint8_t));
    if (length)
        memcpy(recording->bytes + at, bytes, length);
    recording->used += length;
    return at;
}

/* Whatever is below 4 GB can be addressed; files are limited to far less. */
void lab_recording_add(struct lab_recording *recording, const uint8_t *ber, size_t ber_length,
                       uint8_t tag, const uint8_t *value, size_t length)
{
    uint8_t key[LAB_OID_BYTES];
    int key_length = lab_oid_key(ber, ber_length, key);
    uint8_t oid_header[LAB_BER_HEADER];
    uint8_t value_header[LAB_BER_HEADER];
    uint8_t outer[LAB_BER_HEADER];
    size_t oid_head = lab_ber_put_header(oid_header, LAB_TAG_OID, ber_length);
    size_t value_head = lab_ber_put_header(value_header, tag, length);
    size_t outer_head =
        lab_ber_put_header(outer, LAB_TAG_SEQUENCE, oid_head + ber_length + value_head + length);
    struct lab_record record = {
        .key_at = keep(recording, key, (size_t)key_length),
        .key_length = (uint16_t)key_length,
        .oid_at = (uint8_t)(outer_head + oid_head),
        .oid_length = (uint16_t)ber_length,
        .tag = tag,
    };

    record.varbind_at = keep(recording, outer, outer_head);
    keep(recording, oid_header, oid_head);
    keep(recording, ber, ber_length);
    keep(recording, value_header, value_head);
    keep(recording, value, length);
    record.varbind_length = (uint32_t)recording->used - record.varbind_at;
    recording->records = grow(recording->records, recording->count + 1, &recording->room,
                              sizeof(*recording->records));
    recording->records[recording->count++] = record;
}

static int compare_records(const void *left, const void *right, void *context)
{
    const struct lab_record *a = left;
    const struct lab_record *b = right;
    const uint8_t *bytes = context;
    int order = lab_oid_compare(bytes + a->key_at, a->key_length, bytes + b->key_at, b->key_length);

    if (order != 0)
        return order;
    return a->key_at < b->key_at ? -1 : a->key_at > b->key_at; /* as in the file */
}

static bool is_same(const struct lab_recording *recording, const struct lab_record *a,
                    const struct lab_record *b)
{
    return lab_oid_compare(recording->bytes + a->key_at, a->key_length,
                           recording->bytes + b->key_at, b->key_length) == 0;
}

size_t lab_recording_sort(struct lab_recording *recording)
{
    size_t kept = 0;
    size_t had = recording->count;

    if (had == 0)
        return 0;
    qsort_r(recording->records, had, sizeof(*recording->records), compare_records,
            recording->bytes);
    for (size_t i = 1; i < had; i++)
        if (!is_same(recording, &recording->records[kept], &recording->records[i]))
            recording->records[++kept] = recording->records[i];
    recording->count = kept + 1;
    return had - recording->count;
}

size_t lab_recording_seek(const struct lab_recording *recording, const uint8_t *key, size_t length,
                          size_t hint, bool *is_exact)
{
    size_t low = 0;
    size_t high = recording->count;

    *is_exact = false;
    if (hint < high) {
        int order = lab_oid_compare(lab_record_key(recording, hint),
                                    recording->records[hint].key_length, key, length);

        *is_exact = order == 0;
        if (*is_exact)
            return hint;
        if (order < 0)
            low = hint + 1;
        else
            high = hint;
    }
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = lab_oid_compare(lab_record_key(recording, middle),
                                    recording->records[middle].key_length, key, length);

        if (order == 0) {
            *is_exact = true;
            return middle;
        }
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

int lab_recording_set(struct lab_recording *recording, const char *line, size_t length,
                      struct lab_error *err)
{
    int error = lab_recording_take_line(recording, line, length, err);
    struct lab_record added;
    bool is_exact;
    size_t place;

    if (error < 0)
        return error;
    added = recording->records[--recording->count];
    place = lab_recording_seek(recording, recording->bytes + added.key_at, added.key_length,
                               SIZE_MAX, &is_exact);
    if (!is_exact) {
        memmove(recording->records + place + 1, recording->records + place,
                (recording->count - place) * sizeof(*recording->records));
        recording->count++;
    }
    recording->records[place] = added;
    return 0;
}

/* Records [*first, return) are at and below the key. */
static size_t find_below(const struct lab_recording *recording, const uint8_t *key, size_t length,
                         size_t *first)
{
    bool is_exact;
    size_t end = *first = lab_recording_seek(recording, key, length, SIZE_MAX, &is_exact);

    while (end < recording->count && recording->records[end].key_length >= length &&
           memcmp(lab_record_key(recording, end), key, length) == 0)
        end++;
    return end;
}

size_t lab_recording_remove(struct lab_recording *recording, const uint8_t *key, size_t length)
{
    size_t first;
    size_t end = find_below(recording, key, length, &first);

    if (end > first)
        memmove(recording->records + first, recording->records + end,
                (recording->count - end) * sizeof(*recording->records));
    recording->count -= end - first;
    return end - first;
}

static bool is_number(uint8_t tag)
{
    return tag == LAB_TAG_INTEGER || tag == LAB_TAG_COUNTER32 || tag == LAB_TAG_GAUGE32 ||
           tag == LAB_TAG_TICKS || tag == LAB_TAG_COUNTER64;
}

/* The number in a record's varbind. */
static uint64_t read_number(const struct lab_recording *recording, const struct lab_record *record)
{
    const uint8_t *at =
        recording->bytes + record->varbind_at + record->oid_at + record->oid_length + 2;
    const uint8_t *end = recording->bytes + record->varbind_at + record->varbind_length;
    uint64_t bits = *at & 0x80 ? UINT64_MAX : 0;

    for (; at < end; at++)
        bits = bits << 8 | *at;
    return bits;
}

/* Whole seconds and the rest apart: exact for whole rates, and never stepping back. */
static uint64_t advance(double rate, int64_t ns)
{
    uint64_t seconds = (uint64_t)ns / 1000000000;
    double rest = (double)((uint64_t)ns % 1000000000) * 1e-9;
    uint64_t whole = (uint64_t)rate;

    return whole * seconds + (uint64_t)((rate - (double)whole) * (double)seconds) +
           (uint64_t)(rate * rest);
}

static uint64_t moved_value(const struct lab_motion *motion, const struct lab_age *age)
{
    return (age->is_restarted ? 0 : motion->base) + advance(motion->rate, age->ns);
}

static bool move_record(struct lab_recording *recording, struct lab_record *record, double rate,
                        int64_t since_ns)
{
    size_t room = recording->motion_count;
    struct lab_motion *motion;

    if (!is_number(record->tag))
        return false;
    if (record->motion) {
        motion = &recording->motions[record->motion - 1];
        motion->base += advance(motion->rate, since_ns) - advance(rate, since_ns);
        motion->rate = rate;
        return true;
    }
    recording->motions =
        grow(recording->motions, recording->motion_count + 1, &room, sizeof(*recording->motions));
    motion = &recording->motions[recording->motion_count++];
    motion->base = read_number(recording, record) - advance(rate, since_ns);
    motion->rate = rate;
    record->motion = (uint32_t)recording->motion_count;
    return true;
}

size_t lab_recording_move(struct lab_recording *recording, const uint8_t *key, size_t length,
                          double rate, int64_t since_ns)
{
    size_t moved = 0;
    size_t first;
    size_t end = find_below(recording, key, length, &first);

    for (size_t i = first; i < end; i++)
        moved += move_record(recording, &recording->records[i], rate, since_ns);
    return moved;
}

void lab_recording_move_last(struct lab_recording *recording, double rate)
{
    move_record(recording, &recording->records[recording->count - 1], rate, 0);
}

static size_t put_number(uint8_t *out, uint8_t tag, uint64_t value)
{
    if (tag == LAB_TAG_COUNTER64)
        return lab_ber_put_unsigned(out, value);
    return lab_ber_put_unsigned(out, value & (tag == LAB_TAG_INTEGER ? INT32_MAX : UINT32_MAX));
}

/* Where all lengths are short, and they nearly always are, only two of them and the value differ
 * from what is kept. */
static void put_short(const uint8_t *kept, const struct lab_record *record, const uint8_t *value,
                      size_t length, struct lab_writer *out)
{
    uint8_t varbind[0x80 + 2];
    size_t head = (size_t)record->oid_at + record->oid_length + 2;

    memcpy(varbind, kept, head);
    varbind[1] = (uint8_t)(head - 2 + length);
    varbind[head - 1] = (uint8_t)length;
    memcpy(varbind + head, value, length);
    lab_writer_append(out, varbind, head + length);
}

static void put_moving(const struct lab_recording *recording, const struct lab_record *record,
                       const struct lab_age *age, struct lab_writer *out)
{
    const uint8_t *kept = recording->bytes + record->varbind_at;
    uint8_t value[LAB_BER_NUMBER];
    uint8_t header[2 * LAB_BER_HEADER];
    uint8_t value_header[2];
    size_t length =
        put_number(value, record->tag, moved_value(&recording->motions[record->motion - 1], age));
    uint8_t oid_header[LAB_BER_HEADER];
    size_t oid_head;
    size_t head;

    if (record->oid_at == 4 && 4u + record->oid_length + length < 0x80) {
        put_short(kept, record, value, length, out);
        return;
    }
    oid_head = lab_ber_put_header(oid_header, LAB_TAG_OID, record->oid_length);
    head = lab_ber_put_header(header, LAB_TAG_SEQUENCE, oid_head + record->oid_length + 2 + length);
    memcpy(header + head, oid_header, oid_head);
    lab_writer_append(out, header, head + oid_head);
    lab_writer_append(out, kept + record->oid_at, record->oid_length);
    lab_writer_append(out, value_header, lab_ber_put_header(value_header, record->tag, length));
    lab_writer_append(out, value, length);
}

void lab_recording_put(const struct lab_recording *recording, size_t index,
                       const struct lab_age *age, struct lab_writer *out)
{
    const struct lab_record *record = &recording->records[index];

    if (record->motion)
        put_moving(recording, record, age, out);
    else
        lab_writer_append(out, recording->bytes + record->varbind_at, record->varbind_length);
}

size_t lab_recording_room(const struct lab_recording *recording, size_t index)
{
    const struct lab_record *record = &recording->records[index];

    return record->varbind_length + (record->motion ? LAB_BER_NUMBER + 2 : 0);
}
