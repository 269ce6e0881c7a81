/* What the spool keeps and what it lets go: segments that all readers have passed, and, beyond the
 * configured bounds of bytes, age and free space, the oldest one, counted and logged.
 */
#include "spool.h"

#include "phusong/log.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* However little space is left to others, so much of a backlog is kept. */
enum { FLOOR_SEGMENTS = 4 };

void phu_spool_format_time(char text[32], struct phu_wall at)
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
        phu_spool_start_job(spool); /* there is room again */
    else
        phu_spool_arm_sync(spool);
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

    phu_spool_format_time(first, segment->first);
    phu_spool_format_time(last, segment->last);
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
void phu_spool_enforce_bounds(struct phu_spool *spool, size_t incoming)
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

    phu_spool_format_time(first, segment.first);
    phu_spool_format_time(last, segment.last);
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
