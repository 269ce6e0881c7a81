/* Segments as a broken disk may leave them. The first byte chooses: arbitrary bytes, which must be
 * gone through without reading beyond them; or a good segment into which the rest of the input
 * pokes holes, of which every untouched record must come back unaltered. */
#include "format.h"

#include <stdlib.h>
#include <string.h>

enum { RECORDS = 8, LINE = 40, RECORD = PHU_RECORD_HEADER_SIZE + LINE };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool is_right)
{
    if (!is_right)
        abort();
}

static void scan_anything(const uint8_t *data, size_t size, bool is_end)
{
    uint8_t *copy = malloc(size ? size : 1); /* its own allocation, so that an overrun is seen */
    uint64_t base = 0; /* as in the corpus, so that its records are good ones */
    size_t offset = 0;

    check(copy != NULL);
    memcpy(copy, data, size);
    for (;;) {
        struct phu_scan_item item;

        phu_scan_next(copy, size, offset, base, is_end, &item);
        check(item.address == base + offset);
        if (item.status == PHU_SCAN_MORE) {
            check(!is_end || offset == size);
            break;
        }
        check(item.next > item.address && item.next <= base + size);
        if (item.status == PHU_SCAN_RECORD)
            check(item.line >= (char *)copy && item.line + item.length <= (char *)copy + size);
        offset = (size_t)(item.next - base);
    }
    free(copy);
}

static size_t make_segment(uint8_t *bytes)
{
    struct phu_seal seal = {.count = RECORDS, .size = PHU_SEGMENT_HEADER_SIZE};

    phu_segment_header_encode(bytes, 0);
    for (uint32_t i = 0; i < RECORDS; i++) {
        uint8_t *record = bytes + seal.size;

        phu_record_begin(record, LINE, (struct phu_wall){i});
        memset(record + PHU_RECORD_HEADER_SIZE, 'a' + (int)i, LINE);
        phu_record_finish(record, i, seal.size);
        seal.size += RECORD;
    }
    phu_seal_encode(bytes + seal.size, &seal);
    return (size_t)seal.size + PHU_SEAL_SIZE;
}

static void check_record(const struct phu_scan_item *item, bool *is_found)
{
    check(item->index < RECORDS && !is_found[item->index]);
    check(item->length == LINE && item->at.ns == item->index);
    for (uint32_t i = 0; i < LINE; i++)
        check(item->line[i] == (char)('a' + item->index));
    is_found[item->index] = true;
}

static void poke(const uint8_t *data, size_t size)
{
    uint8_t bytes[PHU_SEGMENT_HEADER_SIZE + RECORDS * RECORD + PHU_SEAL_SIZE];
    bool is_hit[RECORDS + 1] = {false}, is_found[RECORDS] = {false};
    size_t length = make_segment(bytes), offset = PHU_SEGMENT_HEADER_SIZE;

    for (; size >= 3; data += 3, size -= 3) {
        size_t place = ((size_t)data[0] << 8 | data[1]) % length;

        if (place < PHU_SEGMENT_HEADER_SIZE || bytes[place] == data[2])
            continue;
        bytes[place] = data[2];
        place = (place - PHU_SEGMENT_HEADER_SIZE) / RECORD;
        is_hit[place < RECORDS ? place : RECORDS] = true;
    }
    while (offset < length) {
        struct phu_scan_item item;

        phu_scan_next(bytes, length, offset, 0, true, &item);
        check(item.status != PHU_SCAN_MORE && item.next > offset);
        if (item.status == PHU_SCAN_RECORD)
            check_record(&item, is_found);
        offset = (size_t)item.next;
    }
    for (size_t i = 0; i < RECORDS; i++)
        check(is_hit[i] || is_found[i]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!size)
        return 0;
    if (data[0] % 3 == 0)
        poke(data + 1, size - 1);
    else
        scan_anything(data + 1, size - 1, data[0] % 3 == 1);
    return 0;
}
