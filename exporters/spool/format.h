/* How the spool's files look: pure functions between bytes and structs.
 *
 * The spool is one stream of bytes with addresses that only grow. A segment is a stretch of it in a
 * file of its own, named by the address of its first byte: 0000000000a40000.seg. It holds
 *
 *   header   32 bytes: magic, version, base address, check
 *   records  28 bytes of header and one line of line protocol each
 *   seal     48 bytes, once the segment is complete: number of records, their time range
 *
 *   record:  magic(4) length(4) timestamp(8) index(4) CRC32C of the line(4) header check(4) line
 *
 * All numbers are little endian. Every record can be judged alone: its magic holds bytes that no
 * UTF-8 text has, and the header check covers its own address too, so text that looks like a header
 * or a stale block of another file is never taken for one. When a header is damaged the reader
 * looks for the next good one; when a line is damaged its header says where the next record is.
 * `index` counts from 0 within the segment and tells how many records a damaged stretch held.
 */
#pragma once

#include "phusong/time.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    PHU_SEGMENT_VERSION = 1,
    PHU_SEGMENT_HEADER_SIZE = 32,
    PHU_RECORD_HEADER_SIZE = 28,
    PHU_SEAL_SIZE = 48,
};

struct phu_seal {
    uint32_t count;
    struct phu_wall first, last; /* lowest and highest timestamp */
    uint64_t base, size;         /* of the segment, without the seal */
};

void phu_segment_header_encode(uint8_t *bytes, uint64_t base);
/* -EINVAL when damaged or of another segment, -ENOTSUP when written by a later version. */
int phu_segment_header_decode(const uint8_t *bytes, uint64_t base);

void phu_seal_encode(uint8_t *bytes, const struct phu_seal *seal);
int phu_seal_decode(const uint8_t *bytes, struct phu_seal *seal);

/* Two steps: `begin` when the line is taken, before its place is known; `finish` when it is. */
void phu_record_begin(uint8_t *bytes, uint32_t length, struct phu_wall at);
void phu_record_finish(uint8_t *bytes, uint32_t index, uint64_t address);
/* Of a record begun: header and line together. */
size_t phu_record_size(const uint8_t *bytes);
struct phu_wall phu_record_time(const uint8_t *bytes);

enum phu_scan_status {
    PHU_SCAN_RECORD,
    PHU_SCAN_DAMAGED, /* bytes that are no good record, up to `next` */
    PHU_SCAN_SEAL,
    PHU_SCAN_MORE, /* the data ends in the middle of something, or at the end */
};

struct phu_scan_item {
    enum phu_scan_status status;
    uint64_t address, next; /* where it begins, and what follows it */
    /* RECORD; of a DAMAGED one whose header is good, index alone is set and is_index_known. */
    const char *line;
    uint32_t length, index;
    bool is_index_known;
    struct phu_wall at;
    struct phu_seal seal; /* SEAL */
};

/* Looks at data[offset…], whose first byte has address `address`. `is_end`: no more bytes follow
 * the data, so what is incomplete is damaged. */
void phu_scan_next(const uint8_t *data, size_t size, size_t offset, uint64_t address, bool is_end,
                   struct phu_scan_item *item);
