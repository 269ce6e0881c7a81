/* Readers of the spool: what is handed out, acknowledged, returned; which cursors exist.
 *
 * Reading happens on the loop: the lines were written moments ago, or the kernel is told to read
 * ahead while a long backlog is being sent.
 */
#include "spool.h"

#include "phusong/log.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { READ_AHEAD = 2 * 1024 * 1024 };

/* -- Cursors --------------------------------------------------------------------------------- */

struct phu_spool_reader *phu_spool_reader_find(const struct phu_spool *spool, const char *name)
{
    for (size_t i = 0; i < spool->reader_count; i++) {
        if (strcmp(spool->readers[i]->name, name) == 0)
            return spool->readers[i];
    }
    return NULL;
}

static struct phu_spool_reader *add_reader(struct phu_spool *spool, const char *name,
                                           const char *path)
{
    struct phu_spool_reader *reader = calloc(1, sizeof *reader);

    spool->readers = realloc(spool->readers, (spool->reader_count + 1) * sizeof(void *));
    if (!reader || !spool->readers)
        abort();
    reader->spool = spool;
    reader->name = strdup(name);
    reader->path = strdup(path);
    if (!reader->name || !reader->path)
        abort();
    spool->readers[spool->reader_count++] = reader;
    return reader;
}

void phu_spool_reader_free(struct phu_spool_reader *reader)
{
    phu_pieces_fini(&reader->pieces);
    free(reader->name);
    free(reader->path);
    free(reader);
}

static uint64_t load_cursor(struct phu_spool *spool, const char *name)
{
    struct phu_cursor cursor = {0};
    char path[PHU_CURSOR_NAME_SIZE];
    struct phu_spool_reader *reader;
    int error;

    if (phu_cursor_path(name, path) != 0)
        return 0;
    error = phu_cursor_read(spool->dir_fd, path, &cursor);
    if (error) {
        cursor = (struct phu_cursor){0};
        spool->quarantined++;
        phu_log_error("spool", "a cursor cannot be read: its exporter sends everything again",
                      "reader=\"%s\" error=\"%s\"", name, strerror(-error));
    }
    reader = add_reader(spool, name, path);
    reader->generation = cursor.generation;
    reader->has_file = !error;
    reader->is_dirty = error != 0;
    phu_pieces_from_cursor(&reader->pieces, &cursor);
    return cursor.live;
}

uint64_t phu_spool_readers_load(struct phu_spool *spool)
{
    int fd = openat(spool->dir_fd, "cursors", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    struct dirent *entry;
    uint64_t highest = 0;

    if (!dir) {
        if (fd >= 0)
            close(fd);
        return 0;
    }
    while ((entry = readdir(dir))) {
        char name[PHU_CURSOR_NAME_SIZE];
        uint64_t live;

        if (!phu_cursor_reader_name(entry->d_name, name))
            continue;
        live = load_cursor(spool, name);
        if (live > highest)
            highest = live;
    }
    closedir(dir);
    return highest;
}

/* The file is there before any segment can go on another reader's account. */
static void create_cursor_file(struct phu_spool_reader *reader)
{
    struct phu_cursor cursor = {.generation = ++reader->generation};
    int error;

    phu_pieces_to_cursor(&reader->pieces, &cursor);
    error = phu_cursor_create(reader->spool->dir_fd, reader->path, &cursor);
    reader->has_file = !error;
    reader->is_dirty = error != 0;
    if (error) {
        phu_log_error("spool", "cannot create a cursor", "reader=\"%s\" error=\"%s\"", reader->name,
                      strerror(-error));
        phu_spool_cursor_moved(reader->spool);
    }
}

int phu_spool_reader_open(struct phu_spool *spool, const char *name, void (*ready)(void *arg),
                          void *arg, struct phu_spool_reader **out)
{
    struct phu_spool_reader *reader = phu_spool_reader_find(spool, name);
    char path[PHU_CURSOR_NAME_SIZE];
    int error;

    if (reader && reader->is_open)
        return -EEXIST;
    if (!reader) {
        struct phu_cursor cursor = {.live = spool->table.count ? spool->table.items[0].base
                                                               : spool->durable_end};

        error = *name ? phu_cursor_path(name, path) : -EINVAL;
        if (error)
            return error;
        reader = add_reader(spool, name, path);
        phu_pieces_from_cursor(&reader->pieces, &cursor);
    }
    if (!reader->has_file)
        create_cursor_file(reader);
    reader->ready = ready;
    reader->arg = arg;
    reader->is_open = true;
    reader->is_waiting = true;
    phu_timer_after(spool->sched, &spool->ready_timer, 0);
    *out = reader;
    return 0;
}

/* What is in flight waits again: nobody will answer for it any more. */
void phu_spool_reader_close(struct phu_spool_reader *reader)
{
    struct phu_cursor cursor = {0};

    if (!reader)
        return;
    reader->is_open = false;
    reader->ready = NULL;
    phu_pieces_to_cursor(&reader->pieces, &cursor);
    phu_pieces_from_cursor(&reader->pieces, &cursor);
}

void phu_spool_forget_others(struct phu_spool *spool, const char *const *names, size_t count)
{
    size_t kept = 0;

    for (size_t i = 0; i < spool->reader_count; i++) {
        struct phu_spool_reader *reader = spool->readers[i];
        bool is_kept = reader->is_open;

        for (size_t j = 0; j < count && !is_kept; j++)
            is_kept = strcmp(reader->name, names[j]) == 0;
        if (is_kept) {
            spool->readers[kept++] = reader;
            continue;
        }
        phu_log_info("spool", "forgot the cursor of an exporter that is no longer configured",
                     "reader=\"%s\"", reader->name);
        unlinkat(spool->dir_fd, reader->path, 0);
        phu_spool_reader_free(reader);
    }
    spool->reader_count = kept;
    phu_spool_collect(spool);
}

/* -- Handing out ----------------------------------------------------------------------------- */

struct gathering {
    struct phu_spool *spool;
    struct phu_segment *segment;
    struct phu_span *span;
    size_t capacity, max_lines, max_bytes;
    uint64_t position;  /* everything before it has been looked at */
    int64_t next_index; /* expected, -1 while not known */
    bool is_full;
};

static void note_damage(struct gathering *gathering, uint64_t address, int64_t lost)
{
    gathering->spool->damaged += lost;
    if (gathering->segment->is_damage_known)
        return;
    gathering->segment->is_damage_known = true;
    phu_log_error("spool", "damaged records skipped; see phusong spool verify",
                  "segment=%016" PRIx64 " offset=%" PRIu64, gathering->segment->base,
                  address - gathering->segment->base);
}

static void append_line(struct gathering *gathering, const struct phu_scan_item *item)
{
    struct phu_span *span = gathering->span;

    if (span->length + item->length > gathering->capacity) {
        gathering->capacity = (span->length + item->length) * 2;
        span->body = realloc(span->body, gathering->capacity);
        if (!span->body)
            abort();
    }
    memcpy(span->body + span->length, item->line, item->length);
    if (!span->line_count)
        span->oldest = item->at;
    span->length += item->length;
    span->line_count++;
}

static bool gather_item(void *arg, const struct phu_scan_item *item)
{
    struct gathering *gathering = arg;
    struct phu_span *span = gathering->span;

    if (item->status == PHU_SCAN_RECORD) {
        if (span->line_count && (span->line_count >= gathering->max_lines ||
                                 span->length + item->length > gathering->max_bytes)) {
            gathering->is_full = true;
            return true;
        }
        if (gathering->next_index >= 0 && item->index > gathering->next_index)
            note_damage(gathering, item->address, item->index - gathering->next_index);
        gathering->next_index = (int64_t)item->index + 1;
        append_line(gathering, item);
    } else if (item->status == PHU_SCAN_DAMAGED && gathering->next_index < 0) {
        note_damage(gathering, item->address, 1);
    }
    gathering->position = item->next;
    return false;
}

/* Reads [start, end) of one segment. */
static int gather_from(struct gathering *gathering, uint64_t start, uint64_t end)
{
    const struct phu_segment *segment = gathering->segment;
    char name[PHU_SEGMENT_NAME_SIZE];
    uint64_t base = segment->base;
    int fd, error;

    phu_segment_name(name, base);
    fd = openat(gathering->spool->dir_fd, name, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    gathering->position = start;
    gathering->next_index = start == base + PHU_SEGMENT_HEADER_SIZE ? 0 : -1;
    error = phu_segment_scan(fd, base, start, end, gather_item, gathering);
    if (!error && gathering->is_full)
        posix_fadvise(fd, (off_t)(gathering->position - base), READ_AHEAD, POSIX_FADV_WILLNEED);
    close(fd);
    if (!error && !gathering->is_full) {
        if (end == segment->end && gathering->next_index >= 0 &&
            segment->count > gathering->next_index)
            note_damage(gathering, end, segment->count - gathering->next_index);
        gathering->position = end;
    }
    return error;
}

/* Gathers from [from, to) across segments. */
static void gather(struct gathering *gathering, uint64_t from, uint64_t to)
{
    struct phu_segments *table = &gathering->spool->table;

    gathering->position = from;
    while (!gathering->is_full && gathering->position < to) {
        size_t place = phu_segments_find(table, gathering->position);
        struct phu_segment *segment = place < table->count ? &table->items[place] : NULL;
        uint64_t start, end;
        int error;

        if (!segment || segment->base >= to) {
            if (to != UINT64_MAX)
                gathering->position = to;
            return;
        }
        start = segment->base + PHU_SEGMENT_HEADER_SIZE;
        if (start < gathering->position)
            start = gathering->position;
        end = segment->end < to ? segment->end : to;
        gathering->segment = segment;
        if (start >= end) {
            gathering->position = end;
            continue;
        }
        error = gather_from(gathering, start, end);
        if (error && gathering->span->line_count)
            return; /* first what could be read */
        if (error) {
            phu_spool_quarantine(gathering->spool, place, error);
            gathering->position = end;
        }
    }
}

int phu_spool_reader_next(struct phu_spool_reader *reader, enum phu_spool_lane lane,
                          size_t max_lines, size_t max_bytes, struct phu_span *out)
{
    struct phu_spool *spool = reader->spool;
    struct phu_piece *piece;

    *out = (struct phu_span){.lane = lane};
    while ((piece = phu_pieces_waiting(&reader->pieces, lane, 0))) {
        uint64_t start = piece->start;
        uint64_t there = phu_segments_bytes_between(&spool->table, start, piece->end);
        struct gathering gathering = {.spool = spool,
                                      .span = out,
                                      .max_lines = max_lines,
                                      .max_bytes = max_bytes,
                                      .capacity = there < max_bytes ? there : max_bytes};

        if (there && !(out->body = malloc(gathering.capacity ? gathering.capacity : 1)))
            return -ENOMEM;
        gather(&gathering, start, piece->end);
        if (out->line_count) {
            out->id = phu_pieces_take(&reader->pieces, piece, gathering.position, out->oldest);
            return 0;
        }
        free(out->body);
        out->body = NULL;
        if (gathering.position == start)
            break;
        /* Only damage, or what retention took: done with. */
        phu_pieces_ack(&reader->pieces, phu_pieces_take(&reader->pieces, piece, gathering.position,
                                                        (struct phu_wall){0}));
        reader->is_dirty = true;
        phu_spool_cursor_moved(spool);
    }
    if (lane == PHU_SPOOL_LIVE)
        reader->is_waiting = true;
    return -EAGAIN;
}

static void release(struct phu_span *span)
{
    free(span->body);
    *span = (struct phu_span){0};
}

void phu_spool_reader_ack(struct phu_spool_reader *reader, struct phu_span *span)
{
    if (phu_pieces_ack(&reader->pieces, span->id)) {
        reader->is_dirty = true;
        phu_spool_cursor_moved(reader->spool);
        phu_spool_collect(reader->spool);
    }
    release(span);
}

void phu_spool_reader_return(struct phu_spool_reader *reader, struct phu_span *span)
{
    phu_pieces_return(&reader->pieces, span->id);
    release(span);
}

int phu_spool_reader_skip_to_live(struct phu_spool_reader *reader)
{
    phu_pieces_skip_to(&reader->pieces, reader->spool->durable_end);
    reader->is_dirty = true;
    phu_spool_cursor_moved(reader->spool);
    return 0;
}

/* -- Lag ------------------------------------------------------------------------------------- */

bool phu_spool_reader_has_live(const struct phu_spool_reader *reader)
{
    const struct phu_piece *last = &reader->pieces.items[reader->pieces.count - 1];

    if (phu_segments_bytes_between(&reader->spool->table, last->start, UINT64_MAX))
        return true;
    for (size_t i = 0; i < reader->pieces.count; i++) {
        if (!reader->pieces.items[i].id && &reader->pieces.items[i] != last)
            return true;
    }
    return false;
}

void phu_spool_reader_lag(const struct phu_spool_reader *reader, struct phu_spool_lag *lag)
{
    const struct phu_segments *table = &reader->spool->table;

    *lag = (struct phu_spool_lag){0};
    for (size_t i = 0; i < reader->pieces.count; i++) {
        const struct phu_piece *piece = &reader->pieces.items[i];
        uint64_t bytes = phu_segments_bytes_between(table, piece->start, piece->end);
        struct phu_wall oldest;

        if (!bytes)
            continue;
        if (piece->lane == PHU_SPOOL_LIVE)
            lag->live_lines_bytes += bytes;
        else
            lag->backfill_bytes += bytes;
        oldest = piece->id ? piece->oldest
                           : phu_segments_time_at(table, reader->spool->dir_fd, piece->start);
        if (!lag->oldest.ns || oldest.ns < lag->oldest.ns)
            lag->oldest = oldest;
    }
}
