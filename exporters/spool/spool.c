/* The spool: takes lines, makes them durable by group commit, bounds what is kept.
 *
 * put() copies a line into a chunk of memory. A job on a pool thread gets all chunks at once,
 * writes and syncs them (writer.h), deletes segments that are done with and saves cursors; back on
 * the loop its results enter the table of segments, and readers are told. There is one job at a
 * time; what is put meanwhile goes into new chunks. So everything that blocks is on the pool
 * thread, and everything that decides is on the loop.
 *
 * When the disk refuses, the points wait in memory and the job is tried again each second. What is
 * already durable is never given up for that: acknowledged means kept. The configured bounds
 * (bytes, age, free space) do drop the oldest segment.
 */
#include "spool.h"

#include "phusong/log.h"
#include "phusong/point.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

/* -- Putting ---------------------------------------------------------------------------------- */

static struct phu_chunk *take_chunk(struct phu_spool *spool, size_t record_size)
{
    struct phu_chunk_list *list = &spool->pending;
    struct phu_chunk *chunk = list->tail;

    if (chunk && chunk->size - chunk->used >= record_size)
        return chunk;
    if (spool->spare_count) {
        chunk = spool->spares[--spool->spare_count];
        phu_chunk_reset(chunk);
    } else {
        chunk = phu_chunk_new();
    }
    if (!chunk)
        return NULL;
    if (list->tail)
        list->tail->next = chunk;
    else
        list->head = chunk;
    list->tail = chunk;
    return chunk;
}

static int refuse(struct phu_spool *spool, struct phu_wall at)
{
    struct phu_refusal *refusal = &spool->refusal;

    if (!refusal->count) {
        phu_log_error("spool", "dropping new points: the disk takes nothing and the buffer is full",
                      "dir=\"%s\" buffered_bytes=%zu", spool->conf.dir,
                      spool->pending.bytes + spool->flight_bytes);
        refusal->first = at;
    }
    refusal->count++;
    refusal->last = at;
    spool->dropped[PHU_DROP_DISK]++;
    return -ENOSPC;
}

int phu_spool_put(struct phu_spool *spool, const char *line, size_t length, struct phu_wall at)
{
    size_t size = PHU_RECORD_HEADER_SIZE + length;
    size_t limit = (size_t)spool->conf.buffer_bytes;
    struct phu_chunk *chunk;

    if (!length || line[length - 1] != '\n')
        return -EINVAL;
    if (length > PHU_LINE_MAX) {
        spool->dropped[PHU_DROP_OVERSIZE]++;
        return -EMSGSIZE;
    }
    if (spool->write_error)
        limit /= 4;
    if (spool->pending.bytes + spool->flight_bytes + size > limit)
        return refuse(spool, at);
    chunk = take_chunk(spool, size);
    if (!chunk)
        return refuse(spool, at);
    phu_record_begin(chunk->data + chunk->used, (uint32_t)length, at);
    memcpy(chunk->data + chunk->used + PHU_RECORD_HEADER_SIZE, line, length);
    chunk->used += size;
    chunk->count++;
    spool->pending.bytes += size;
    spool->appended++;
    if (spool->pending.bytes >= (size_t)spool->conf.sync_bytes && !spool->job &&
        !spool->write_error)
        phu_spool_start_job(spool);
    else if (!spool->job)
        phu_spool_arm_sync(spool);
    return 0;
}

void phu_spool_sync(struct phu_spool *spool)
{
    phu_spool_start_job(spool);
}

struct phu_wall phu_spool_newest(const struct phu_spool *spool)
{
    struct phu_wall newest = {0};

    for (size_t i = 0; i < spool->table.count; i++) {
        const struct phu_segment *segment = &spool->table.items[i];

        if (segment->count && segment->last.ns > newest.ns)
            newest = segment->last;
    }
    return newest;
}

uint64_t phu_spool_put_count(const struct phu_spool *spool)
{
    return (uint64_t)spool->appended;
}

uint64_t phu_spool_durable_count(const struct phu_spool *spool)
{
    return (uint64_t)spool->durable_count;
}

void phu_spool_on_durable(struct phu_spool *spool, void (*durable)(void *arg), void *arg)
{
    spool->durable = durable;
    spool->durable_arg = arg;
}

/* -- Opening and closing ---------------------------------------------------------------------- */

static int load(struct phu_spool *spool)
{
    struct phu_recovery recovery;
    uint64_t highest;
    int error = phu_segments_load(&spool->table, spool->dir_fd, true, &recovery);

    if (error) {
        phu_log_error("spool", "cannot list the spool's folder", "dir=\"%s\" error=\"%s\"",
                      spool->conf.dir, strerror(-error));
        return error;
    }
    fsync(spool->dir_fd);
    spool->torn_bytes = (int64_t)recovery.torn_bytes;
    spool->quarantined = (int64_t)recovery.quarantined;
    highest = phu_spool_readers_load(spool);
    spool->durable_end = recovery.end > highest ? recovery.end : highest;
    phu_writer_init(&spool->writer, spool->dir_fd, (uint64_t)spool->conf.segment_bytes,
                    spool->durable_end);
    return 0;
}

static void free_spool(struct phu_spool *spool)
{
    for (size_t i = 0; i < spool->reader_count; i++)
        phu_spool_reader_free(spool->readers[i]);
    free(spool->readers);
    free(spool->unlinks);
    phu_segments_fini(&spool->table);
    while (spool->spare_count)
        phu_chunk_free(spool->spares[--spool->spare_count]);
    if (spool->lock_fd >= 0)
        close(spool->lock_fd);
    if (spool->dir_fd >= 0)
        close(spool->dir_fd);
    free(spool->conf.dir);
    free(spool);
}

static void ready_due(struct phu_timer *timer)
{
    phu_spool_tell_readers(phu_container_of(timer, struct phu_spool, ready_timer));
}

int phu_spool_open(struct phu_sched *sched, const struct phu_spool_conf *conf,
                   struct phu_stats *stats, struct phu_spool **out)
{
    struct phu_spool *spool = calloc(1, sizeof *spool);
    struct statvfs fs;
    int error;

    if (!spool)
        return -ENOMEM;
    spool->sched = sched;
    spool->stats = stats;
    spool->conf = *conf;
    spool->conf.dir = strdup(conf->dir);
    spool->dir_fd = spool->lock_fd = -1;
    spool->active_base = UINT64_MAX;
    if (!spool->conf.dir)
        abort();
    phu_timer_init(&spool->sync_timer, phu_spool_sync_due);
    phu_timer_init(&spool->cursor_timer, phu_spool_cursor_due);
    phu_timer_init(&spool->ready_timer, ready_due);
    error = phu_spool_open_folder(spool);
    if (!error)
        error = load(spool);
    if (error) {
        free_spool(spool);
        return error;
    }
    spool->free_bytes =
        fstatvfs(spool->dir_fd, &fs) == 0 ? (int64_t)fs.f_bavail * (int64_t)fs.f_frsize : INT64_MAX;
    spool->sync_span_began = phu_sched_now(sched);
    phu_spool_enforce_bounds(spool, 0);
    if (spool->unlink_count)
        phu_spool_arm_sync(spool);
    phu_spool_add_stats(spool);
    *out = spool;
    return 0;
}

static void report_lost(struct phu_spool *spool)
{
    uint64_t count = 0;

    while (spool->pending.head) {
        struct phu_chunk *chunk = spool->pending.head;

        count += chunk->count - chunk->done_count;
        spool->pending.head = chunk->next;
        phu_chunk_free(chunk);
    }
    spool->pending = (struct phu_chunk_list){0};
    phu_spool_report_refusal(spool);
    if (count)
        phu_log_error("spool", "points were lost at the end: the disk took nothing",
                      "points=%" PRIu64 " dir=\"%s\" error=\"%s\"", count, spool->conf.dir,
                      strerror(-spool->write_error));
}

void phu_spool_close(struct phu_spool *spool)
{
    struct phu_writeout *work;

    if (!spool)
        return;
    work = spool->job;
    phu_timer_cancel(spool->sched, &spool->sync_timer);
    phu_timer_cancel(spool->sched, &spool->cursor_timer);
    phu_timer_cancel(spool->sched, &spool->ready_timer);
    if (work) {
        phu_writeout_settle(work);
        phu_spool_integrate(spool, work);
        work->spool = NULL; /* freed when the loop calls back */
        spool->job = NULL;
    }
    phu_spool_write_out_now(spool);
    phu_spool_seal_now(spool);
    phu_spool_collect(spool);
    phu_spool_write_out_now(spool);
    phu_timer_cancel(spool->sched, &spool->sync_timer);
    phu_timer_cancel(spool->sched, &spool->cursor_timer);
    report_lost(spool);
    phu_writer_fini(&spool->writer);
    if (spool->stats)
        phu_stats_remove_within(spool->stats, spool, sizeof *spool);
    free_spool(spool);
}
