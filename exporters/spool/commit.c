/* Group commit: what starts a round of disk work, and what its results mean. See spool.c for the
 * whole picture.
 */
#include "spool.h"

#include "phusong/log.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define RETRY_NS PHU_NS_PER_S
#define CURSOR_DELAY_NS PHU_NS_PER_S
#define SYNC_SPAN_NS (60 * PHU_NS_PER_S)

/* -- Results ---------------------------------------------------------------------------------- */

static void prepend_chunks(struct phu_chunk_list *list, struct phu_chunk_list *front)
{
    if (!front->head)
        return;
    front->tail->next = list->head;
    list->head = front->head;
    if (!list->tail)
        list->tail = front->tail;
    list->bytes += front->bytes;
}

/* Some are kept for the next points: a new one costs 32 pages. */
static void free_chunk(struct phu_spool *spool, struct phu_chunk *chunk)
{
    if (spool->spare_count < PHU_SPARES)
        spool->spares[spool->spare_count++] = chunk;
    else
        phu_chunk_free(chunk);
}

/* When little is going on, a burst's memory goes back to the system. */
static void trim_spares(struct phu_spool *spool)
{
    while (spool->spare_count > 2)
        phu_chunk_free(spool->spares[--spool->spare_count]);
}

/* Frees the chunks that are durable; the rest waits for the next round, before all newer ones. */
static void take_back_chunks(struct phu_spool *spool, struct phu_chunk_list *chunks)
{
    if (chunks->head && !chunks->head->next)
        trim_spares(spool);
    while (chunks->head && chunks->head->done == chunks->head->used) {
        struct phu_chunk *chunk = chunks->head;

        chunks->head = chunk->next;
        free_chunk(spool, chunk);
    }
    chunks->bytes = 0;
    for (struct phu_chunk *chunk = chunks->head; chunk; chunk = chunk->next)
        chunks->bytes += chunk->used - chunk->done;
    prepend_chunks(&spool->pending, chunks);
    spool->flight_bytes = 0;
}

static void note_sync_time(struct phu_spool *spool, int64_t took)
{
    struct phu_mono now = phu_sched_now(spool->sched);

    if (phu_mono_since(now, spool->sync_span_began) > SYNC_SPAN_NS) {
        spool->sync_ns_before = spool->sync_ns_worst;
        spool->sync_ns_worst = 0;
        spool->sync_span_began = now;
    }
    if (took > spool->sync_ns_worst)
        spool->sync_ns_worst = took;
}

void phu_spool_report_refusal(struct phu_spool *spool)
{
    struct phu_refusal *refusal = &spool->refusal;
    char first[32], last[32];

    if (!refusal->count)
        return;
    phu_spool_format_time(first, refusal->first);
    phu_spool_format_time(last, refusal->last);
    phu_log_error("spool", "new points were dropped while the disk took nothing",
                  "points=%" PRIu64 " from=%s to=%s", refusal->count, first, last);
    *refusal = (struct phu_refusal){0};
}

static void note_outcome(struct phu_spool *spool, const struct phu_writeout *work)
{
    if (!work->chunks.head && !work->error)
        return;
    if (work->error) {
        spool->write_errors++;
        if (work->error != spool->write_error)
            phu_log_error("spool",
                          work->error == -ENOSPC
                              ? "the disk is full: points wait in memory; free some space"
                              : "cannot write to the spool: points wait in memory",
                          "dir=\"%s\" error=\"%s\" waiting_bytes=%zu", spool->conf.dir,
                          strerror(-work->error), spool->pending.bytes);
    } else if (spool->write_error) {
        phu_log_info("spool", "the disk takes points again", "dir=\"%s\"", spool->conf.dir);
        phu_spool_report_refusal(spool);
    }
    spool->write_error = work->error;
}

static void note_saves(struct phu_spool *spool, const struct phu_writeout *work)
{
    for (size_t i = 0; i < work->save_count; i++) {
        const struct phu_cursor_save *save = &work->saves[i];

        for (size_t j = 0; j < spool->reader_count; j++) {
            struct phu_spool_reader *reader = spool->readers[j];

            if (strcmp(reader->path, save->path) != 0)
                continue;
            if (save->error && !reader->is_save_failing)
                phu_log_error("spool", "cannot save a cursor: after a crash points are sent again",
                              "reader=\"%s\" error=\"%s\"", reader->name, strerror(-save->error));
            reader->is_save_failing = save->error != 0;
            reader->has_file = save->error != -ENOENT;
            reader->is_dirty |= save->error != 0;
            if (save->error)
                phu_spool_cursor_moved(spool);
        }
    }
}

/* Takes the results of a job that has run into the spool. */
void phu_spool_integrate(struct phu_spool *spool, struct phu_writeout *work)
{
    spool->active_base = spool->writer.fd >= 0 ? spool->writer.segment.base : UINT64_MAX;
    for (size_t i = 0; i < work->commit.touched_count; i++) {
        struct phu_segment *segment = &work->commit.touched[i];

        phu_segments_put(&spool->table, segment);
        if (segment->end > spool->durable_end)
            spool->durable_end = segment->end;
    }
    spool->durable_count += (int64_t)work->commit.durable_count;
    spool->free_bytes = work->free_bytes;
    note_outcome(spool, work);
    take_back_chunks(spool, &work->chunks);
    if (work->commit.sync_ns)
        note_sync_time(spool, work->commit.sync_ns);
    note_saves(spool, work);
}

void phu_spool_tell_readers(struct phu_spool *spool)
{
    for (size_t i = 0; i < spool->reader_count; i++) {
        struct phu_spool_reader *reader = spool->readers[i];

        if (!reader->is_open || !reader->is_waiting || !phu_spool_reader_has_live(reader))
            continue;
        reader->is_waiting = false;
        if (reader->ready)
            reader->ready(reader->arg);
    }
}

static void work_done(void *arg, bool is_canceled)
{
    struct phu_writeout *work = arg;
    struct phu_spool *spool = work->spool;
    bool is_grown = work->commit.durable_count > 0;

    if (!spool) {
        phu_writeout_free(work);
        return;
    }
    if (is_canceled) {
        work->error = -ECANCELED;
        for (size_t i = 0; i < work->save_count; i++)
            work->saves[i].error = -ECANCELED;
    }
    spool->job = NULL;
    phu_spool_integrate(spool, work);
    phu_writeout_free(work);
    phu_spool_enforce_bounds(spool, spool->pending.bytes);
    phu_spool_collect(spool);
    if (!spool->job) {
        if (!spool->write_error &&
            (spool->is_sync_wanted || spool->pending.bytes >= (size_t)spool->conf.sync_bytes))
            phu_spool_start_job(spool);
        else if (spool->pending.head || spool->unlink_count || spool->is_cursor_due)
            phu_spool_arm_sync(spool);
    }
    if (is_grown) {
        if (spool->durable)
            spool->durable(spool->durable_arg);
        phu_spool_tell_readers(spool);
    }
}

/* -- Starting work ---------------------------------------------------------------------------- */

static void gather_saves(struct phu_spool *spool, struct phu_writeout *work)
{
    work->saves = calloc(spool->reader_count ? spool->reader_count : 1, sizeof *work->saves);
    if (!work->saves)
        abort();
    for (size_t i = 0; i < spool->reader_count; i++) {
        struct phu_spool_reader *reader = spool->readers[i];
        struct phu_cursor_save *save = &work->saves[work->save_count];

        if (!reader->is_dirty)
            continue;
        work->save_count++;
        memcpy(save->path, reader->path, strlen(reader->path) + 1);
        save->is_new = !reader->has_file;
        phu_pieces_to_cursor(&reader->pieces, &save->cursor);
        save->cursor.generation = ++reader->generation;
        reader->is_dirty = false;
    }
}

/* Everything that waits to be done; NULL when there is nothing. */
static struct phu_writeout *gather_work(struct phu_spool *spool, bool is_cursor_due)
{
    struct phu_writeout *work = phu_writeout_new(spool, &spool->writer);

    work->free_bytes = spool->free_bytes;
    work->chunks = spool->pending;
    spool->flight_bytes = spool->pending.bytes;
    spool->pending = (struct phu_chunk_list){0};
    work->unlinks = spool->unlinks;
    work->unlink_count = spool->unlink_count;
    spool->unlinks = NULL;
    spool->unlink_count = spool->unlink_capacity = 0;
    if (is_cursor_due)
        gather_saves(spool, work);
    if (!work->chunks.head && !work->unlink_count && !work->save_count) {
        phu_writeout_free(work);
        return NULL;
    }
    return work;
}

void phu_spool_start_job(struct phu_spool *spool)
{
    struct phu_writeout *work;
    int error;

    if (spool->job) {
        spool->is_sync_wanted = true;
        return;
    }
    spool->is_sync_wanted = false;
    phu_timer_cancel(spool->sched, &spool->sync_timer);
    phu_spool_enforce_bounds(spool, spool->pending.bytes);
    work = gather_work(spool, spool->is_cursor_due);
    spool->is_cursor_due = false;
    if (!work)
        return;
    spool->job = work;
    error = phu_work_start(spool->sched, phu_writeout_run, work_done, work);
    if (!error)
        return;
    spool->job = NULL; /* no thread to be had: here, then */
    phu_writeout_run(work);
    phu_spool_integrate(spool, work);
    phu_writeout_free(work);
}

void phu_spool_arm_sync(struct phu_spool *spool)
{
    int64_t delay = spool->conf.sync_interval_ns;

    if (phu_timer_is_armed(&spool->sync_timer))
        return;
    if (spool->write_error && delay < RETRY_NS)
        delay = RETRY_NS;
    phu_timer_after(spool->sched, &spool->sync_timer, delay);
}

void phu_spool_sync_due(struct phu_timer *timer)
{
    phu_spool_start_job(phu_container_of(timer, struct phu_spool, sync_timer));
}

void phu_spool_cursor_due(struct phu_timer *timer)
{
    struct phu_spool *spool = phu_container_of(timer, struct phu_spool, cursor_timer);

    spool->is_cursor_due = true;
    phu_spool_start_job(spool);
}

void phu_spool_cursor_moved(struct phu_spool *spool)
{
    if (!phu_timer_is_armed(&spool->cursor_timer))
        phu_timer_after(spool->sched, &spool->cursor_timer, CURSOR_DELAY_NS);
}

/* One last round, here and now. */
void phu_spool_write_out_now(struct phu_spool *spool)
{
    struct phu_writeout *work = gather_work(spool, true);

    if (!work)
        return;
    phu_writeout_run(work);
    phu_spool_integrate(spool, work);
    phu_writeout_free(work);
}

void phu_spool_seal_now(struct phu_spool *spool)
{
    struct phu_writeout work = {0};

    if (spool->writer.fd < 0)
        return;
    phu_writer_seal(&spool->writer, &work.commit);
    work.free_bytes = spool->free_bytes;
    phu_spool_integrate(spool, &work);
    free(work.commit.touched);
}
