/* See format.h. */
#include "format.h"

#include "bytes.h"
#include "crc32c.h"

#include "phusong/point.h"

#include <errno.h>
#include <string.h>

static const uint8_t segment_magic[8] = {0xff, 'P', 'H', 'U', 'S', 'E', 'G', 0xfe};
static const uint8_t record_magic[4] = {0xff, 0xf5, 0xfe, 0xc0};
static const uint8_t seal_magic[4] = {0xfe, 0xc1, 0xf9, 0xff};

void phu_segment_header_encode(uint8_t *bytes, uint64_t base)
{
    memset(bytes, 0, PHU_SEGMENT_HEADER_SIZE);
    memcpy(bytes, segment_magic, sizeof segment_magic);
    phu_put_le32(bytes + 8, PHU_SEGMENT_VERSION);
    phu_put_le64(bytes + 16, base);
    phu_put_le32(bytes + 28, phu_crc32c(0, bytes, 28));
}

int phu_segment_header_decode(const uint8_t *bytes, uint64_t base)
{
    if (memcmp(bytes, segment_magic, sizeof segment_magic) != 0 ||
        phu_get_le32(bytes + 28) != phu_crc32c(0, bytes, 28))
        return -EINVAL;
    if (phu_get_le32(bytes + 8) != PHU_SEGMENT_VERSION)
        return -ENOTSUP;
    return phu_get_le64(bytes + 16) == base ? 0 : -EINVAL;
}

void phu_seal_encode(uint8_t *bytes, const struct phu_seal *seal)
{
    memset(bytes, 0, PHU_SEAL_SIZE);
    memcpy(bytes, seal_magic, sizeof seal_magic);
    phu_put_le32(bytes + 4, seal->count);
    phu_put_le64(bytes + 8, (uint64_t)seal->first.ns);
    phu_put_le64(bytes + 16, (uint64_t)seal->last.ns);
    phu_put_le64(bytes + 24, seal->base);
    phu_put_le64(bytes + 32, seal->size);
    phu_put_le32(bytes + 44, phu_crc32c(0, bytes, 44));
}

int phu_seal_decode(const uint8_t *bytes, struct phu_seal *seal)
{
    if (memcmp(bytes, seal_magic, sizeof seal_magic) != 0 ||
        phu_get_le32(bytes + 44) != phu_crc32c(0, bytes, 44))
        return -EINVAL;
    *seal = (struct phu_seal){
        .count = phu_get_le32(bytes + 4),
        .first.ns = (int64_t)phu_get_le64(bytes + 8),
        .last.ns = (int64_t)phu_get_le64(bytes + 16),
        .base = phu_get_le64(bytes + 24),
        .size = phu_get_le64(bytes + 32),
    };
    return 0;
}

static uint32_t header_check(const uint8_t *bytes, uint64_t address)
{
    uint8_t place[8];

    phu_put_le64(place, address);
    return phu_crc32c(phu_crc32c(0, place, sizeof place), bytes, 24);
}

void phu_record_begin(uint8_t *bytes, uint32_t length, struct phu_wall at)
{
    memcpy(bytes, record_magic, sizeof record_magic);
    phu_put_le32(bytes + 4, length);
    phu_put_le64(bytes + 8, (uint64_t)at.ns);
}

void phu_record_finish(uint8_t *bytes, uint32_t index, uint64_t address)
{
    phu_put_le32(bytes + 16, index);
    phu_put_le32(bytes + 20,
                 phu_crc32c(0, bytes + PHU_RECORD_HEADER_SIZE, phu_get_le32(bytes + 4)));
    phu_put_le32(bytes + 24, header_check(bytes, address));
}

size_t phu_record_size(const uint8_t *bytes)
{
    return PHU_RECORD_HEADER_SIZE + (size_t)phu_get_le32(bytes + 4);
}

struct phu_wall phu_record_time(const uint8_t *bytes)
{
    return (struct phu_wall){(int64_t)phu_get_le64(bytes + 8)};
}

static bool is_record_header(const uint8_t *bytes, uint64_t address)
{
    return memcmp(bytes, record_magic, sizeof record_magic) == 0 &&
           phu_get_le32(bytes + 24) == header_check(bytes, address) &&
           phu_get_le32(bytes + 4) > 0 && phu_get_le32(bytes + 4) <= PHU_LINE_MAX;
}

static bool is_seal(const uint8_t *bytes, uint64_t address, struct phu_seal *seal)
{
    return phu_seal_decode(bytes, seal) == 0 && seal->base + seal->size == address;
}

/* The next offset after `offset` where something good may begin. */
static size_t find_next(const uint8_t *data, size_t size, size_t offset, uint64_t address,
                        bool is_end)
{
    while (++offset < size) {
        size_t left = size - offset;
        struct phu_seal seal;

        if (left < PHU_SEAL_SIZE && !is_end)
            return offset; /* judged when the rest is here */
        if (left >= PHU_RECORD_HEADER_SIZE && is_record_header(data + offset, address + offset))
            return offset;
        if (left >= PHU_SEAL_SIZE && is_seal(data + offset, address + offset, &seal))
            return offset;
    }
    return size;
}

/* `offset` is where a good record header stands. Returns false when its line is cut off by the end
 * of all data. */
static bool take_record(const uint8_t *data, size_t size, size_t offset, bool is_end,
                        struct phu_scan_item *item)
{
    const uint8_t *header = data + offset;
    size_t total = phu_record_size(header);

    if (total > size - offset) {
        item->status = PHU_SCAN_MORE;
        return !is_end;
    }
    item->next = item->address + total;
    item->length = phu_get_le32(header + 4);
    item->index = phu_get_le32(header + 16);
    item->is_index_known = true;
    item->at = phu_record_time(header);
    item->line = (const char *)header + PHU_RECORD_HEADER_SIZE;
    item->status = phu_crc32c(0, item->line, item->length) == phu_get_le32(header + 20)
                       ? PHU_SCAN_RECORD
                       : PHU_SCAN_DAMAGED;
    return true;
}

void phu_scan_next(const uint8_t *data, size_t size, size_t offset, uint64_t address, bool is_end,
                   struct phu_scan_item *item)
{
    size_t left = size - offset;

    *item = (struct phu_scan_item){
        .status = PHU_SCAN_MORE, .address = address + offset, .next = address + offset};
    if (!left || (left < PHU_RECORD_HEADER_SIZE && !is_end))
        return;
    if (left >= PHU_RECORD_HEADER_SIZE && is_record_header(data + offset, item->address)) {
        if (take_record(data, size, offset, is_end, item))
            return;
    } else if (left >= PHU_SEAL_SIZE && is_seal(data + offset, item->address, &item->seal)) {
        item->status = PHU_SCAN_SEAL;
        item->next = item->address + PHU_SEAL_SIZE;
        return;
    } else if (left < PHU_SEAL_SIZE && !is_end && data[offset] == seal_magic[0]) {
        return;
    }
    item->status = PHU_SCAN_DAMAGED;
    item->next = address + find_next(data, size, offset, address, is_end);
}
