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
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

enum { FLOOR_SEGMENTS = 4 };

#define RETRY_NS PHU_NS_PER_S
#define CURSOR_DELAY_NS PHU_NS_PER_S
#define SYNC_SPAN_NS (60 * PHU_NS_PER_S)

enum work_state { WORK_QUEUED, WORK_RUNNING, WORK_FINISHED };

struct cursor_save {
    char path[PHU_CURSOR_NAME_SIZE];
    struct phu_cursor cursor;
    bool is_new;
    int error;
};

/* One round of disk work. `spool` and everything but the state belongs to whoever runs it. */
struct phu_writeout {
    struct phu_spool *spool; /* NULL: the spool has been closed meanwhile */
    pthread_mutex_t mutex;
    pthread_cond_t finished;
    enum work_state state;
    /* in */
    struct phu_chunk_list chunks;
    uint64_t *unlinks;
    size_t unlink_count;
    struct cursor_save *saves;
    size_t save_count;
    /* out */
    struct phu_commit commit;
    int error;
    int64_t free_bytes;
};

static void start_job(struct phu_spool *spool);
static void arm_sync(struct phu_spool *spool);

/* -- Doing the work (any thread) -------------------------------------------------------------- */

static void run_writeout(struct phu_writeout *work, struct phu_writer *writer)
{
    struct statvfs fs;

    for (size_t i = 0; i < work->unlink_count; i++) {
        char name[PHU_SEGMENT_NAME_SIZE];

        phu_segment_name(name, work->unlinks[i]);
        unlinkat(writer->dir_fd, name, 0);
    }
    if (work->chunks.head)
        work->error = phu_writer_commit(writer, work->chunks.head, &work->commit);
    for (size_t i = 0; i < work->save_count; i++) {
        struct cursor_save *save = &work->saves[i];

        save->error = save->is_new ? phu_cursor_create(writer->dir_fd, save->path, &save->cursor)
                                   : phu_cursor_write(writer->dir_fd, save->path, &save->cursor);
    }
    work->free_bytes = fstatvfs(writer->dir_fd, &fs) == 0
                           ? (int64_t)fs.f_bavail * (int64_t)fs.f_frsize
                           : INT64_MAX;
}

static void work_run(void *arg)
{
    struct phu_writeout *work = arg;
    bool is_mine;

    pthread_mutex_lock(&work->mutex);
    is_mine = work->state == WORK_QUEUED;
    if (is_mine)
        work->state = WORK_RUNNING;
    pthread_mutex_unlock(&work->mutex);
    if (!is_mine) /* closing has done it */
        return;
    run_writeout(work, &work->spool->writer);
    pthread_mutex_lock(&work->mutex);
    work->state = WORK_FINISHED;
    pthread_cond_signal(&work->finished);
    pthread_mutex_unlock(&work->mutex);
}

/* Blocks until the work has been done, here if nobody has begun. */
static void settle(struct phu_writeout *work, struct phu_writer *writer)
{
    bool is_mine;

    pthread_mutex_lock(&work->mutex);
    is_mine = work->state == WORK_QUEUED;
    if (is_mine)
        work->state = WORK_RUNNING;
    while (!is_mine && work->state != WORK_FINISHED)
        pthread_cond_wait(&work->finished, &work->mutex);
    pthread_mutex_unlock(&work->mutex);
    if (is_mine) {
        run_writeout(work, writer);
        work->state = WORK_FINISHED;
    }
}

static void free_writeout(struct phu_writeout *work)
{
    pthread_cond_destroy(&work->finished);
    pthread_mutex_destroy(&work->mutex);
    free(work->unlinks);
    free(work->saves);
    free(work->commit.touched);
    free(work);
}

/* -- Dropping and collecting ------------------------------------------------------------------ */

static void format_time(char text[32], struct phu_wall at)
{
    time_t seconds = (time_t)(at.ns / PHU_NS_PER_S);
    struct tm tm;

    gmtime_r(&seconds, &tm);
    strftime(text, 32, "%Y-%m-%dT%H:%M:%SZ", &tm);
}

static void queue_unlink(struct phu_spool *spool, uint64_t base)
{
    if (spool->unlink_count == spool->unlink_capacity) {
        spool->unlink_capacity = spool->unlink_capacity ? spool->unlink_capacity * 2 : 16;
        spool->unlinks = realloc(spool->unlinks, spool->unlink_capacity * sizeof *spool->unlinks);
        if (!spool->unlinks)
            abort();
    }
    spool->unlinks[spool->unlink_count++] = base;
}

/* Lowest address that some reader still has to deliver; 0 when there is no reader. */
static uint64_t low_of_readers(const struct phu_spool *spool)
{
    uint64_t low = UINT64_MAX;

    for (size_t i = 0; i < spool->reader_count; i++) {
        uint64_t mine = phu_pieces_low(&spool->readers[i]->pieces);

        if (mine < low)
            low = mine;
    }
    return spool->reader_count ? low : 0;
}

void phu_spool_collect(struct phu_spool *spool)
{
    uint64_t low = low_of_readers(spool);
    size_t before = spool->unlink_count;

    while (spool->table.count && spool->table.items[0].base != spool->active_base &&
           spool->table.items[0].end <= low) {
        queue_unlink(spool, spool->table.items[0].base);
        phu_segments_remove(&spool->table, 0);
    }
    if (spool->unlink_count == before)
        return;
    if (spool->write_error)
        start_job(spool); /* there is room again */
    else
        arm_sync(spool);
}

static bool first_index(void *arg, const struct phu_scan_item *item)
{
    if (item->status == PHU_SCAN_RECORD)
        *(uint32_t *)arg = item->index;
    return item->status == PHU_SCAN_RECORD;
}

/* Records of the segment that some reader has not delivered. */
static uint32_t count_undelivered(const struct phu_spool *spool, const struct phu_segment *segment)
{
    uint64_t low = low_of_readers(spool);
    char name[PHU_SEGMENT_NAME_SIZE];
    uint32_t index = 0;
    int fd;

    if (low <= segment->base + PHU_SEGMENT_HEADER_SIZE)
        return segment->count;
    if (low >= segment->end)
        return 0;
    phu_segment_name(name, segment->base);
    fd = openat(spool->dir_fd, name, O_RDONLY | O_CLOEXEC);
    if (fd >= 0) {
        phu_segment_scan(fd, segment->base, low, segment->end, first_index, &index);
        close(fd);
    }
    return segment->count - index;
}

static void drop_oldest(struct phu_spool *spool, enum phu_drop_reason reason)
{
    static const char *const causes[] = {"max_size reached", "older than max_age",
                                         "too little space left for others"};
    const struct phu_segment *segment = &spool->table.items[0];
    uint32_t count = count_undelivered(spool, segment);
    char first[32], last[32];

    format_time(first, segment->first);
    format_time(last, segment->last);
    if (count)
        phu_log_error("spool", "dropped the oldest points before they were delivered",
                      "points=%" PRIu32 " from=%s to=%s cause=\"%s\"", count, first, last,
                      causes[reason]);
    spool->dropped[reason] += count;
    for (size_t i = 0; i < spool->reader_count; i++) {
        phu_pieces_forget_below(&spool->readers[i]->pieces, segment->end);
        spool->readers[i]->is_dirty = true;
    }
    queue_unlink(spool, segment->base);
    phu_segments_remove(&spool->table, 0);
    phu_spool_cursor_moved(spool);
}

static bool may_drop(const struct phu_spool *spool)
{
    return spool->table.count && spool->table.items[0].base != spool->active_base;
}

/* Applies the configured bounds, with `incoming` bytes about to be added. */
static void enforce_bounds(struct phu_spool *spool, size_t incoming)
{
    const struct phu_spool_conf *conf = &spool->conf;
    int64_t horizon = phu_sched_wall(spool->sched).ns - conf->max_age_ns;
    int64_t floor_bytes = FLOOR_SEGMENTS * conf->segment_bytes;

    while (may_drop(spool) && spool->table.items[0].last.ns < horizon)
        drop_oldest(spool, PHU_DROP_AGE);
    while (may_drop(spool) && spool->table.bytes + incoming > (uint64_t)conf->max_bytes)
        drop_oldest(spool, PHU_DROP_FULL);
    while (may_drop(spool) && spool->free_bytes < conf->min_free_bytes &&
           (int64_t)spool->table.bytes > floor_bytes) {
        spool->free_bytes += (int64_t)spool->table.items[0].file_bytes;
        drop_oldest(spool, PHU_DROP_DISK);
    }
}

void phu_spool_quarantine(struct phu_spool *spool, size_t place, int error)
{
    struct phu_segment segment = spool->table.items[place];
    char name[PHU_SEGMENT_NAME_SIZE], first[32], last[32];

    format_time(first, segment.first);
    format_time(last, segment.last);
    phu_log_error("spool", "set aside a segment that cannot be read",
                  "segment=%016" PRIx64 " error=\"%s\" points=%" PRIu32
                  " from=%s to=%s folder=quarantine",
                  segment.base, strerror(-error), segment.count, first, last);
    spool->quarantined++;
    phu_segments_remove(&spool->table, place);
    phu_segment_name(name, segment.base);
    if (segment.base != spool->active_base)
        phu_segment_quarantine(spool->dir_fd, name);
}

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

/* Some are kept for the next points: a new one costs 32 page faults. */
static void free_chunk(struct phu_spool *spool, struct phu_chunk *chunk)
{
    if (spool->spare_count < sizeof spool->spares / sizeof *spool->spares)
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

static void report_refusal(struct phu_spool *spool)
{
    struct phu_refusal *refusal = &spool->refusal;
    char first[32], last[32];

    if (!refusal->count)
        return;
    format_time(first, refusal->first);
    format_time(last, refusal->last);
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
        report_refusal(spool);
    }
    spool->write_error = work->error;
}

static void note_saves(struct phu_spool *spool, const struct phu_writeout *work)
{
    for (size_t i = 0; i < work->save_count; i++) {
        const struct cursor_save *save = &work->saves[i];

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
static void integrate(struct phu_spool *spool, struct phu_writeout *work)
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

static void tell_readers(struct phu_spool *spool)
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
        free_writeout(work);
        return;
    }
    if (is_canceled) {
        work->error = -ECANCELED;
        for (size_t i = 0; i < work->save_count; i++)
            work->saves[i].error = -ECANCELED;
    }
    spool->job = NULL;
    integrate(spool, work);
    free_writeout(work);
    enforce_bounds(spool, spool->pending.bytes);
    phu_spool_collect(spool);
    if (!spool->job) {
        if (!spool->write_error &&
            (spool->is_sync_wanted || spool->pending.bytes >= (size_t)spool->conf.sync_bytes))
            start_job(spool);
        else if (spool->pending.head || spool->unlink_count || spool->is_cursor_due)
            arm_sync(spool);
    }
    if (is_grown) {
        if (spool->durable)
            spool->durable(spool->durable_arg);
        tell_readers(spool);
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
        struct cursor_save *save = &work->saves[work->save_count];

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
    struct phu_writeout *work = calloc(1, sizeof *work);

    if (!work)
        abort();
    work->spool = spool;
    work->free_bytes = spool->free_bytes;
    pthread_mutex_init(&work->mutex, NULL);
    pthread_cond_init(&work->finished, NULL);
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
        free_writeout(work);
        return NULL;
    }
    return work;
}

static void start_job(struct phu_spool *spool)
{
    struct phu_writeout *work;
    int error;

    if (spool->job) {
        spool->is_sync_wanted = true;
        return;
    }
    spool->is_sync_wanted = false;
    phu_timer_cancel(spool->sched, &spool->sync_timer);
    enforce_bounds(spool, spool->pending.bytes);
    work = gather_work(spool, spool->is_cursor_due);
    spool->is_cursor_due = false;
    if (!work)
        return;
    spool->job = work;
    error = phu_work_start(spool->sched, work_run, work_done, work);
    if (!error)
        return;
    spool->job = NULL; /* no thread to be had: here, then */
    run_writeout(work, &spool->writer);
    integrate(spool, work);
    free_writeout(work);
}

static void arm_sync(struct phu_spool *spool)
{
    int64_t delay = spool->conf.sync_interval_ns;

    if (phu_timer_is_armed(&spool->sync_timer))
        return;
    if (spool->write_error && delay < RETRY_NS)
        delay = RETRY_NS;
    phu_timer_after(spool->sched, &spool->sync_timer, delay);
}

static void sync_due(struct phu_timer *timer)
{
    start_job(phu_container_of(timer, struct phu_spool, sync_timer));
}

static void cursor_due(struct phu_timer *timer)
{
    struct phu_spool *spool = phu_container_of(timer, struct phu_spool, cursor_timer);

    spool->is_cursor_due = true;
    start_job(spool);
}

static void ready_due(struct phu_timer *timer)
{
    tell_readers(phu_container_of(timer, struct phu_spool, ready_timer));
}

void phu_spool_cursor_moved(struct phu_spool *spool)
{
    if (!phu_timer_is_armed(&spool->cursor_timer))
        phu_timer_after(spool->sched, &spool->cursor_timer, CURSOR_DELAY_NS);
}

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
        start_job(spool);
    else if (!spool->job)
        arm_sync(spool);
    return 0;
}

void phu_spool_sync(struct phu_spool *spool)
{
    start_job(spool);
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

/* -- Statistics ------------------------------------------------------------------------------- */

static double read_bytes(void *arg)
{
    return (double)((struct phu_spool *)arg)->table.bytes;
}

static double read_segments(void *arg)
{
    return (double)((struct phu_spool *)arg)->table.count;
}

static double read_oldest_age(void *arg)
{
    const struct phu_spool *spool = arg;
    struct phu_wall oldest = {0};
    int64_t age;

    for (size_t i = 0; i < spool->reader_count; i++) {
        struct phu_spool_lag lag;

        phu_spool_reader_lag(spool->readers[i], &lag);
        if (lag.oldest.ns && (!oldest.ns || lag.oldest.ns < oldest.ns))
            oldest = lag.oldest;
    }
    age = oldest.ns ? phu_sched_wall(spool->sched).ns - oldest.ns : 0;
    return age > 0 ? (double)age / (double)PHU_NS_PER_S : 0;
}

static double read_sync_seconds(void *arg)
{
    const struct phu_spool *spool = arg;
    int64_t worst =
        spool->sync_ns_worst > spool->sync_ns_before ? spool->sync_ns_worst : spool->sync_ns_before;

    return (double)worst / (double)PHU_NS_PER_S;
}

static void add_counters(struct phu_spool *spool)
{
    static const struct phu_stat_info counters[] = {
        {"phusong_spool_appended_total", PHU_STAT_COUNTER, "Points put into the spool"},
        {"phusong_spool_durable_total", PHU_STAT_COUNTER, "Points that were written and synced"},
        {"phusong_spool_torn_bytes_total", PHU_STAT_COUNTER,
         "Bytes of torn tails cut off when the spool was opened"},
        {"phusong_spool_quarantined_total", PHU_STAT_COUNTER,
         "Segments and cursors set aside because they could not be read"},
        {"phusong_spool_damaged_records_total", PHU_STAT_COUNTER,
         "Damaged records that exporters had to skip"},
        {"phusong_spool_write_errors_total", PHU_STAT_COUNTER,
         "Group commits that the disk refused"},
    };
    const int64_t *values[] = {&spool->appended,    &spool->durable_count, &spool->torn_bytes,
                               &spool->quarantined, &spool->damaged,       &spool->write_errors};

    for (size_t i = 0; i < sizeof counters / sizeof *counters; i++)
        phu_stats_add(spool->stats, &counters[i], NULL, values[i]);
}

static void add_stats(struct phu_spool *spool)
{
    static const struct phu_stat_info dropped = {
        "phusong_spool_dropped_total", PHU_STAT_COUNTER,
        "Points dropped undelivered: full (max_size), age (max_age), disk (no space), oversize"};
    static const struct phu_stat_info free_bytes = {"phusong_spool_disk_free_bytes", PHU_STAT_GAUGE,
                                                    "Free space on the spool's file system"};
    static const struct {
        struct phu_stat_info info;
        double (*read)(void *arg);
    } reads[] = {
        {{"phusong_spool_bytes", PHU_STAT_GAUGE, "Size of the spool's segments"}, read_bytes},
        {{"phusong_spool_segments", PHU_STAT_GAUGE, "Number of segments"}, read_segments},
        {{"phusong_spool_oldest_age_seconds", PHU_STAT_GAUGE,
          "Age of the oldest point that an exporter has not delivered"},
         read_oldest_age},
        {{"phusong_spool_sync_seconds", PHU_STAT_GAUGE,
          "Longest wait for the disk in the last one to two minutes"},
         read_sync_seconds},
    };
    static const char *const reasons[] = {"reason=\"full\"", "reason=\"age\"", "reason=\"disk\"",
                                          "reason=\"oversize\""};

    if (!spool->stats)
        return;
    add_counters(spool);
    for (size_t i = 0; i < PHU_DROP_REASONS; i++)
        phu_stats_add(spool->stats, &dropped, reasons[i], &spool->dropped[i]);
    phu_stats_add(spool->stats, &free_bytes, NULL, &spool->free_bytes);
    for (size_t i = 0; i < sizeof reads / sizeof *reads; i++)
        phu_stats_add_read(spool->stats, &reads[i].info, NULL, reads[i].read, spool);
}

/* -- Opening and closing ---------------------------------------------------------------------- */

static int make_folders(const char *path)
{
    char *copy = strdup(path);
    int error = 0;

    if (!copy)
        abort();
    for (char *slash = copy + 1; !error && *copy; slash++) {
        char was = *slash;

        if (was != '/' && was)
            continue;
        *slash = '\0';
        if (mkdir(copy, 0750) < 0 && errno != EEXIST)
            error = -errno;
        *slash = was;
        if (!was)
            break;
    }
    free(copy);
    return error;
}

/* Somebody who only looks (phusong spool stat) holds the lock for a moment: no reason to give up.
 */
static int lock_patiently(int fd)
{
    const struct timespec pause = {.tv_nsec = 20 * PHU_NS_PER_MS};

    for (int i = 0; flock(fd, LOCK_EX | LOCK_NB) < 0; i++) {
        if (errno != EWOULDBLOCK)
            return -errno;
        if (i == 5)
            return -EBUSY;
        nanosleep(&pause, NULL);
    }
    return 0;
}

static int take_lock(struct phu_spool *spool)
{
    int error;
    char text[32];
    ssize_t length;

    spool->lock_fd = openat(spool->dir_fd, "lock", O_RDWR | O_CREAT | O_CLOEXEC, 0640);
    if (spool->lock_fd < 0)
        return -errno;
    error = lock_patiently(spool->lock_fd);
    if (error) {
        length = pread(spool->lock_fd, text, sizeof text - 1, 0);
        text[length > 0 ? strcspn((text[length] = '\0', text), "\n") : 0] = '\0';
        phu_log_error("spool",
                      error == -EBUSY ? "another process uses this spool; stop it first"
                                      : "cannot lock the spool",
                      "dir=\"%s\" pid=%s", spool->conf.dir, *text ? text : "unknown");
        return error;
    }
    length = snprintf(text, sizeof text, "%ld\n", (long)getpid());
    if (ftruncate(spool->lock_fd, 0) < 0 || pwrite(spool->lock_fd, text, (size_t)length, 0) < 0)
        phu_log_debug("spool", "cannot note the process in the lock file", "dir=\"%s\"",
                      spool->conf.dir);
    return 0;
}

static int open_folder(struct phu_spool *spool)
{
    int error = make_folders(spool->conf.dir);

    if (!error) {
        spool->dir_fd = open(spool->conf.dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (spool->dir_fd < 0 || (mkdirat(spool->dir_fd, "cursors", 0750) < 0 && errno != EEXIST))
            error = -errno;
    }
    if (error) {
        phu_log_error("spool", "cannot use the spool's folder", "dir=\"%s\" error=\"%s\"",
                      spool->conf.dir, strerror(-error));
        return error;
    }
    return take_lock(spool);
}

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
    phu_timer_init(&spool->sync_timer, sync_due);
    phu_timer_init(&spool->cursor_timer, cursor_due);
    phu_timer_init(&spool->ready_timer, ready_due);
    error = open_folder(spool);
    if (!error)
        error = load(spool);
    if (error) {
        free_spool(spool);
        return error;
    }
    spool->free_bytes =
        fstatvfs(spool->dir_fd, &fs) == 0 ? (int64_t)fs.f_bavail * (int64_t)fs.f_frsize : INT64_MAX;
    spool->sync_span_began = phu_sched_now(sched);
    enforce_bounds(spool, 0);
    if (spool->unlink_count)
        arm_sync(spool);
    add_stats(spool);
    *out = spool;
    return 0;
}

/* One last round, here and now. */
static void write_out_now(struct phu_spool *spool)
{
    struct phu_writeout *work = gather_work(spool, true);

    if (!work)
        return;
    run_writeout(work, &spool->writer);
    integrate(spool, work);
    free_writeout(work);
}

static void seal_now(struct phu_spool *spool)
{
    struct phu_writeout work = {0};

    if (spool->writer.fd < 0)
        return;
    phu_writer_seal(&spool->writer, &work.commit);
    work.free_bytes = spool->free_bytes;
    integrate(spool, &work);
    free(work.commit.touched);
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
    report_refusal(spool);
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
        settle(work, &spool->writer);
        integrate(spool, work);
        work->spool = NULL; /* freed when the loop calls back */
        spool->job = NULL;
    }
    write_out_now(spool);
    seal_now(spool);
    phu_spool_collect(spool);
    write_out_now(spool);
    phu_timer_cancel(spool->sched, &spool->sync_timer);
    phu_timer_cancel(spool->sched, &spool->cursor_timer);
    report_lost(spool);
    phu_writer_fini(&spool->writer);
    if (spool->stats)
        phu_stats_remove_within(spool->stats, spool, sizeof *spool);
    free_spool(spool);
}
