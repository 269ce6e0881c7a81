/* The reader of recordings: whatever the file, what comes out is sorted, has no OID twice, and
 * every varbind of it reads back whole. */
#include "recording.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_varbind(const struct lab_recording *recording, size_t index)
{
    static uint8_t bytes[LAB_VALUE_MAX + 2 * LAB_OID_BYTES];
    struct lab_age age = {.ns = 123456789012};
    struct lab_bytes list = {bytes, 0};
    struct lab_bytes varbind;
    struct lab_bytes name;
    struct lab_bytes value;
    uint8_t key[LAB_OID_BYTES];
    struct lab_writer out;
    uint8_t tag;

    lab_writer_init(&out, bytes, sizeof(bytes), 0);
    lab_recording_put(recording, index, &age, &out);
    list.length = out.end;
    if (out.is_full || out.end > lab_recording_room(recording, index) ||
        lab_ber_take_tag(&list, LAB_TAG_SEQUENCE, &varbind) < 0 || list.length ||
        lab_ber_take_tag(&varbind, LAB_TAG_OID, &name) < 0 ||
        lab_ber_take(&varbind, &tag, &value) < 0 || varbind.length ||
        lab_oid_key(name.at, name.length, key) != recording->records[index].key_length)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct lab_recording *recording = lab_recording_new("fuzz");
    char *copy = malloc(size + 1); /* its own allocation, so that an overrun is seen */
    bool is_exact;

    if (!copy)
        return 0;
    memcpy(copy, data, size);
    lab_recording_take(recording, copy, size, NULL, NULL);
    lab_recording_sort(recording);
    for (size_t i = 0; i < recording->count; i++) {
        const uint8_t *key = lab_record_key(recording, i);
        size_t length = recording->records[i].key_length;

        if (lab_recording_seek(recording, key, length, i / 2, &is_exact) != i || !is_exact)
            abort();
        if (i && lab_oid_compare(lab_record_key(recording, i - 1),
                                 recording->records[i - 1].key_length, key, length) >= 0)
            abort();
        check_varbind(recording, i);
    }
    lab_recording_free(recording);
    free(copy);
    return 0;
}
