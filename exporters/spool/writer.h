/* The writing end of the spool: takes chunks of records, lays them out into segments, writes and
 * syncs them. It runs wherever it is called, on a pool thread or at shutdown, and touches only what
 * it is given, so the loop never waits for a disk.
 *
 * After an error nothing is taken for durable that has not been synced before or after it: the good
 * prefix is cut and synced, and where that fails too the segment is given up at its last synced
 * length. A failed fdatasync is never tried again on the same file (the kernel may have dropped the
 * dirty pages and would then report success); the caller still has the records and writes them
 * into a new segment.
 */
#pragma once

#include "segment.h"

struct phu_chunk {
    struct phu_chunk *next;
    size_t size, used;                         /* of the mapping's data; whole records */
    size_t written, done;                      /* handed to the kernel; durable */
    uint32_t count, written_count, done_count; /* records, likewise */
    struct phu_wall first, last;
    uint8_t data[];
};

/* Empty, with room for the longest record. NULL when there is no memory. */
struct phu_chunk *phu_chunk_new(void);
void phu_chunk_reset(struct phu_chunk *chunk);
void phu_chunk_free(struct phu_chunk *chunk);

struct phu_writer {
    int dir_fd;
    uint64_t segment_bytes;
    uint64_t next_base;
    int fd;                     /* of the open segment, -1 if none */
    struct phu_segment segment; /* as durable */
    struct phu_segment ahead;   /* as written */
    bool is_dir_dirty;
};

/* What one commit did. */
struct phu_commit {
    struct phu_segment *touched; /* entries to put into the table; freed by the caller */
    size_t touched_count, touched_capacity;
    uint64_t durable_count;
    int64_t sync_ns; /* longest wait for the disk */
};

void phu_writer_init(struct phu_writer *writer, int dir_fd, uint64_t segment_bytes,
                     uint64_t next_base);
/* Makes all of the list durable, or returns the error that stopped it; `done` of each chunk and
 * `touched` tell how far it came. */
int phu_writer_commit(struct phu_writer *writer, struct phu_chunk *chunks,
                      struct phu_commit *commit);
/* Completes the open segment, so that it may be unlinked and the next commit begins a new one. */
int phu_writer_seal(struct phu_writer *writer, struct phu_commit *commit);
/* Closes without sealing when the seal cannot be written. */
void phu_writer_fini(struct phu_writer *writer);
