/* Segments on disk and the table of them: opening a spool's folder, recovering what a crash left,
 * reading records back.
 *
 * A segment that was closed properly ends with a seal, from which its index entry is read without
 * looking at the records. One without is scanned once when the spool opens: what follows its last
 * good record is a torn tail and cut off, then it is sealed too. A file that holds no good record,
 * or cannot be read, goes to quarantine/.
 */
#pragma once

#include "format.h"

#include <sys/types.h>

#define PHU_SEGMENT_SUFFIX ".seg"
enum { PHU_SEGMENT_NAME_SIZE = 24 };

struct phu_segment {
    uint64_t base, end; /* addresses of the header and of the end of the readable records */
    uint64_t file_bytes;
    uint32_t count;
    struct phu_wall first, last; /* lowest and highest timestamp */
    bool is_damage_known;        /* it has been logged */
};

struct phu_segments {
    struct phu_segment *items; /* by base */
    size_t count, capacity;
    uint64_t bytes; /* of all files */
};

void phu_segments_fini(struct phu_segments *table);
/* Adds, or replaces the entry with the same base. */
void phu_segments_put(struct phu_segments *table, const struct phu_segment *segment);
void phu_segments_remove(struct phu_segments *table, size_t place);
/* The first segment that has records at or after `address`; count when there is none. */
size_t phu_segments_find(const struct phu_segments *table, uint64_t address);
/* Bytes of records in [from, to). */
uint64_t phu_segments_bytes_between(const struct phu_segments *table, uint64_t from, uint64_t to);

void phu_segment_name(char name[PHU_SEGMENT_NAME_SIZE], uint64_t base);
bool phu_segment_name_parse(const char *name, uint64_t *base);

/* Makes an entry cover one more record. */
void phu_segment_note(struct phu_segment *segment, struct phu_wall at);

/* Calls `visit` for what lies in [from, to) of the segment's file until it returns true. `to` is
 * UINT64_MAX for "to the end of the file". MORE items are never shown. An item's line is borrowed
 * for the call. Negative errno when the file cannot be read. */
typedef bool phu_segment_visit_cb(void *arg, const struct phu_scan_item *item);
int phu_segment_scan(int fd, uint64_t base, uint64_t from, uint64_t to, phu_segment_visit_cb *visit,
                     void *arg);

/* The timestamp of the first record at or after the address; 0 when there is none. */
struct phu_wall phu_segments_time_at(const struct phu_segments *table, int dir_fd,
                                     uint64_t address);

struct phu_recovery {
    uint64_t torn_bytes, damaged_stretches, quarantined;
    uint64_t end; /* no address at or after it has ever been used */
};

/* Reads a folder into the table. `is_repair`: cut torn tails, seal, set aside what is damaged;
 * without it nothing is changed and what cannot be read is left out. */
int phu_segments_load(struct phu_segments *table, int dir_fd, bool is_repair,
                      struct phu_recovery *recovery);

/* Moves a file of the spool's folder to quarantine/ and keeps that folder small. */
int phu_segment_quarantine(int dir_fd, const char *name);
