/* See writer.h. */
#include "writer.h"

#include "phusong/log.h"
#include "phusong/point.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { CHUNK_SIZE = 128 * 1024 };

/* -- Chunks ---------------------------------------------------------------------------------- */

static_assert(CHUNK_SIZE >= sizeof(struct phu_chunk) + PHU_RECORD_HEADER_SIZE + PHU_LINE_MAX,
              "a chunk holds the longest line");

/* Mapped rather than taken from the heap, so that a burst gives its memory back; populated at once,
 * because 32 page faults one by one cost more than everything else that put does. */
struct phu_chunk *phu_chunk_new(void)
{
    struct phu_chunk *chunk = mmap(NULL, CHUNK_SIZE, PROT_READ | PROT_WRITE,
                                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

    if (chunk == MAP_FAILED)
        return NULL;
    chunk->size = CHUNK_SIZE - sizeof *chunk;
    return chunk;
}

void phu_chunk_reset(struct phu_chunk *chunk)
{
    *chunk = (struct phu_chunk){.size = CHUNK_SIZE - sizeof *chunk};
}

void phu_chunk_free(struct phu_chunk *chunk)
{
    munmap(chunk, CHUNK_SIZE);
}

/* -- Segments -------------------------------------------------------------------------------- */

void phu_writer_init(struct phu_writer *writer, int dir_fd, uint64_t segment_bytes,
                     uint64_t next_base)
{
    *writer = (struct phu_writer){
        .dir_fd = dir_fd, .segment_bytes = segment_bytes, .next_base = next_base, .fd = -1};
}

static int write_fully(int fd, const uint8_t *bytes, size_t size, uint64_t offset)
{
    while (size) {
        ssize_t count = pwrite(fd, bytes, size, (off_t)offset);

        if (count < 0 && errno == EINTR)
            continue;
        if (count <= 0)
            return count ? -errno : -EIO;
        bytes += count;
        size -= (size_t)count;
        offset += (uint64_t)count;
    }
    return 0;
}

static int begin_segment(struct phu_writer *writer)
{
    char name[PHU_SEGMENT_NAME_SIZE];
    uint8_t header[PHU_SEGMENT_HEADER_SIZE];
    uint64_t base = writer->next_base;
    int fd, error;

    phu_segment_name(name, base);
    fd = openat(writer->dir_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0640);
    if (fd < 0)
        return -errno;
    phu_segment_header_encode(header, base);
    error = write_fully(fd, header, sizeof header, 0);
    if (error) {
        close(fd);
        unlinkat(writer->dir_fd, name, 0);
        return error;
    }
    writer->fd = fd;
    writer->is_dir_dirty = true;
    writer->segment = (struct phu_segment){
        .base = base, .end = base + PHU_SEGMENT_HEADER_SIZE, .file_bytes = PHU_SEGMENT_HEADER_SIZE};
    writer->ahead = writer->segment;
    writer->next_base = writer->ahead.end;
    return 0;
}

static void touch(struct phu_commit *commit, const struct phu_segment *segment)
{
    struct phu_segment *last =
        commit->touched_count ? &commit->touched[commit->touched_count - 1] : NULL;

    if (last && last->base == segment->base) {
        *last = *segment;
        return;
    }
    if (!commit->touched || commit->touched_count == commit->touched_capacity) {
        commit->touched_capacity = commit->touched_capacity ? commit->touched_capacity * 2 : 4;
        commit->touched =
            realloc(commit->touched, commit->touched_capacity * sizeof *commit->touched);
        if (!commit->touched)
            abort();
    }
    commit->touched[commit->touched_count++] = *segment;
}

/* Lets go of a file that cannot be trusted any more. What was written into it since its last sync
 * is cut away where possible; where not, those records are there twice, which harms nobody. */
static void give_up_segment(struct phu_writer *writer)
{
    uint64_t size = writer->segment.end - writer->segment.base;
    char name[PHU_SEGMENT_NAME_SIZE];

    if (writer->segment.count == 0) {
        phu_segment_name(name, writer->segment.base);
        unlinkat(writer->dir_fd, name, 0);
    } else if (ftruncate(writer->fd, (off_t)size) < 0) {
        phu_log_debug("spool", "cannot cut a segment that was given up", "segment=%016" PRIx64,
                      writer->segment.base);
    }
    close(writer->fd);
    writer->fd = -1;
}

static void mark_written_as_done(struct phu_chunk *chunks, struct phu_commit *commit)
{
    for (struct phu_chunk *chunk = chunks; chunk; chunk = chunk->next) {
        commit->durable_count += chunk->written_count - chunk->done_count;
        chunk->done = chunk->written;
        chunk->done_count = chunk->written_count;
    }
}

/* Everything written so far becomes durable, or the segment is given up. */
static int sync_segment(struct phu_writer *writer, struct phu_chunk *chunks,
                        struct phu_commit *commit)
{
    struct phu_mono began = phu_mono_now();
    int error = 0;
    int64_t took;

    if (fdatasync(writer->fd) < 0 || (writer->is_dir_dirty && fsync(writer->dir_fd) < 0))
        error = -errno;
    took = phu_mono_since(phu_mono_now(), began);
    if (took > commit->sync_ns)
        commit->sync_ns = took;
    if (error) {
        give_up_segment(writer);
        return error;
    }
    writer->is_dir_dirty = false;
    writer->segment = writer->ahead;
    touch(commit, &writer->segment);
    mark_written_as_done(chunks, commit);
    return 0;
}

static int seal_segment(struct phu_writer *writer, struct phu_chunk *chunks,
                        struct phu_commit *commit)
{
    struct phu_segment *ahead = &writer->ahead;
    struct phu_seal seal = {.count = ahead->count,
                            .first = ahead->first,
                            .last = ahead->last,
                            .base = ahead->base,
                            .size = ahead->end - ahead->base};
    uint8_t bytes[PHU_SEAL_SIZE];
    int error;

    phu_seal_encode(bytes, &seal);
    error = write_fully(writer->fd, bytes, sizeof bytes, seal.size);
    if (!error) {
        ahead->file_bytes = seal.size + sizeof bytes;
        writer->next_base = ahead->base + ahead->file_bytes;
    } else if (ftruncate(writer->fd, (off_t)seal.size) < 0) {
        give_up_segment(writer);
        return error;
    }
    error = sync_segment(writer, chunks, commit);
    if (error)
        return error;
    close(writer->fd);
    writer->fd = -1;
    return 0;
}

/* -- Laying out ------------------------------------------------------------------------------ */

/* Finishes as many records of the chunk as fit into the open segment; their bytes. */
static size_t lay_out_run(const struct phu_writer *writer, struct phu_chunk *chunk,
                          struct phu_segment *ahead)
{
    size_t offset = chunk->written;

    *ahead = writer->ahead;
    while (offset < chunk->used) {
        uint8_t *record = chunk->data + offset;
        size_t size = phu_record_size(record);

        if (ahead->count && ahead->end - ahead->base + size + PHU_SEAL_SIZE > writer->segment_bytes)
            break;
        phu_record_finish(record, ahead->count, ahead->end);
        phu_segment_note(ahead, phu_record_time(record));
        ahead->end += size;
        offset += size;
    }
    ahead->file_bytes = ahead->end - ahead->base;
    return offset - chunk->written;
}

/* Writes one run, beginning and completing segments as needed. */
static int write_run(struct phu_writer *writer, struct phu_chunk *chunks, struct phu_chunk *chunk,
                     struct phu_commit *commit)
{
    struct phu_segment ahead;
    size_t size;
    int error;

    if (writer->fd < 0) {
        error = begin_segment(writer);
        if (error)
            return error;
    }
    size = lay_out_run(writer, chunk, &ahead);
    if (!size)
        return seal_segment(writer, chunks, commit);
    error = write_fully(writer->fd, chunk->data + chunk->written, size,
                        writer->ahead.end - writer->ahead.base);
    if (error)
        return error;
    chunk->written += size;
    chunk->written_count += ahead.count - writer->ahead.count;
    writer->ahead = ahead;
    writer->next_base = ahead.end;
    return 0;
}

/* After a failed write: keeps what was written whole before it, then lets the segment go, so that
 * it can be freed once it is delivered. */
static void save_good_prefix(struct phu_writer *writer, struct phu_chunk *chunks,
                             struct phu_commit *commit)
{
    if (writer->fd < 0)
        return;
    /* Addresses that the failed write may have touched are never used again. */
    writer->next_base = writer->ahead.end + PHU_LINE_MAX + CHUNK_SIZE;
    if (writer->ahead.count == 0 ||
        ftruncate(writer->fd, (off_t)(writer->ahead.end - writer->ahead.base)) < 0) {
        give_up_segment(writer);
        return;
    }
    if (sync_segment(writer, chunks, commit) == 0) {
        close(writer->fd);
        writer->fd = -1;
    }
}

int phu_writer_commit(struct phu_writer *writer, struct phu_chunk *chunks,
                      struct phu_commit *commit)
{
    int error = 0;

    for (struct phu_chunk *chunk = chunks; chunk; chunk = chunk->next) {
        chunk->written = chunk->done;
        chunk->written_count = chunk->done_count;
    }
    for (struct phu_chunk *chunk = chunks; chunk && !error; chunk = chunk->next) {
        while (chunk->written < chunk->used && !error)
            error = write_run(writer, chunks, chunk, commit);
    }
    if (error)
        save_good_prefix(writer, chunks, commit);
    else if (writer->fd >= 0)
        error = sync_segment(writer, chunks, commit);
    return error;
}

int phu_writer_seal(struct phu_writer *writer, struct phu_commit *commit)
{
    return writer->fd < 0 ? 0 : seal_segment(writer, NULL, commit);
}

void phu_writer_fini(struct phu_writer *writer)
{
    if (writer->fd >= 0)
        close(writer->fd);
    writer->fd = -1;
}
