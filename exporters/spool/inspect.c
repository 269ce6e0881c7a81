/* See inspect.h. */
#include "inspect.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

/* The lock, or -EBUSY. A missing lock file is no obstacle to looking. */
static int take_lock(int dir_fd, int *lock_fd)
{
    *lock_fd = openat(dir_fd, "lock", O_RDONLY | O_CLOEXEC);
    if (*lock_fd < 0)
        return errno == ENOENT ? 0 : -errno;
    if (flock(*lock_fd, LOCK_EX | LOCK_NB) == 0)
        return 0;
    close(*lock_fd);
    *lock_fd = -1;
    return errno == EWOULDBLOCK ? -EBUSY : -errno;
}

static void release_lock(int lock_fd)
{
    if (lock_fd >= 0)
        close(lock_fd);
}

static void measure_reader(const struct phu_view *view, struct phu_view_reader *reader)
{
    const struct phu_cursor *cursor = &reader->cursor;
    uint64_t low = cursor->range_count ? cursor->ranges[0].from : cursor->live;

    reader->live_bytes = phu_segments_bytes_between(&view->table, cursor->live, UINT64_MAX);
    for (size_t i = 0; i < cursor->range_count; i++)
        reader->backfill_bytes +=
            phu_segments_bytes_between(&view->table, cursor->ranges[i].from, cursor->ranges[i].to);
    if (reader->live_bytes + reader->backfill_bytes)
        reader->oldest = phu_segments_time_at(&view->table, view->dir_fd, low);
}

static int by_name(const void *left, const void *right)
{
    return strcmp(((const struct phu_view_reader *)left)->name,
                  ((const struct phu_view_reader *)right)->name);
}

static DIR *open_subfolder(int dir_fd, const char *name)
{
    int fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);

    if (!dir && fd >= 0)
        close(fd);
    return dir;
}

static void add_reader(struct phu_view *view, const char *name)
{
    struct phu_view_reader *reader;
    char path[PHU_CURSOR_NAME_SIZE];

    view->readers = realloc(view->readers, (view->reader_count + 1) * sizeof *view->readers);
    if (!view->readers)
        abort();
    reader = &view->readers[view->reader_count++];
    *reader = (struct phu_view_reader){0};
    memcpy(reader->name, name, strlen(name) + 1);
    reader->error = phu_cursor_path(name, path);
    if (!reader->error)
        reader->error = phu_cursor_read(view->dir_fd, path, &reader->cursor);
    if (reader->error) /* as the agent does: from the beginning */
        reader->cursor = (struct phu_cursor){0};
    measure_reader(view, reader);
}

static void load_readers(struct phu_view *view)
{
    DIR *dir = open_subfolder(view->dir_fd, "cursors");
    struct dirent *entry;

    if (!dir)
        return;
    while ((entry = readdir(dir))) {
        char name[PHU_CURSOR_NAME_SIZE];

        if (phu_cursor_reader_name(entry->d_name, name))
            add_reader(view, name);
    }
    closedir(dir);
    if (view->reader_count)
        qsort(view->readers, view->reader_count, sizeof *view->readers, by_name);
}

static size_t count_quarantined(int dir_fd)
{
    DIR *dir = open_subfolder(dir_fd, "quarantine");
    struct dirent *entry;
    size_t count = 0;

    if (!dir)
        return 0;
    while ((entry = readdir(dir)))
        count += entry->d_name[0] != '.';
    closedir(dir);
    return count;
}

int phu_view_open(const char *dir, struct phu_view *view)
{
    struct phu_recovery recovery;
    int lock_fd, error;

    *view = (struct phu_view){.dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
    if (view->dir_fd < 0)
        return -errno;
    if (faccessat(view->dir_fd, "cursors", F_OK, 0) < 0) {
        error = -errno;
        phu_view_close(view);
        return error;
    }
    view->is_in_use = take_lock(view->dir_fd, &lock_fd) == -EBUSY;
    release_lock(lock_fd);
    error = phu_segments_load(&view->table, view->dir_fd, false, &recovery);
    if (error) {
        phu_view_close(view);
        return error;
    }
    load_readers(view);
    view->quarantined = count_quarantined(view->dir_fd);
    return 0;
}

void phu_view_close(struct phu_view *view)
{
    phu_segments_fini(&view->table);
    free(view->readers);
    if (view->dir_fd >= 0)
        close(view->dir_fd);
    *view = (struct phu_view){.dir_fd = -1};
}

static int open_segment(const struct phu_view *view, const struct phu_segment *segment)
{
    char name[PHU_SEGMENT_NAME_SIZE];
    int fd;

    phu_segment_name(name, segment->base);
    fd = openat(view->dir_fd, name, O_RDONLY | O_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

int phu_view_scan(const struct phu_view *view, const struct phu_segment *segment,
                  phu_segment_visit_cb *visit, void *arg)
{
    int fd = open_segment(view, segment), error;

    if (fd < 0)
        return fd;
    error = phu_segment_scan(fd, segment->base, segment->base + PHU_SEGMENT_HEADER_SIZE, UINT64_MAX,
                             visit, arg);
    close(fd);
    return error;
}

int phu_view_check_header(const struct phu_view *view, const struct phu_segment *segment)
{
    uint8_t header[PHU_SEGMENT_HEADER_SIZE];
    int fd = open_segment(view, segment);
    ssize_t have;

    if (fd < 0)
        return fd;
    have = pread(fd, header, sizeof header, 0);
    close(fd);
    return have == sizeof header ? phu_segment_header_decode(header, segment->base) : -EINVAL;
}

struct search {
    struct phu_wall from;
    uint64_t address;
};

static bool is_reached(void *arg, const struct phu_scan_item *item)
{
    struct search *search = arg;

    if (item->status != PHU_SCAN_RECORD || item->at.ns < search->from.ns)
        return false;
    search->address = item->address;
    return true;
}

uint64_t phu_view_find(const struct phu_view *view, struct phu_wall from)
{
    struct search search = {from, UINT64_MAX};

    for (size_t i = 0; i < view->table.count && search.address == UINT64_MAX; i++) {
        if (view->table.items[i].last.ns >= from.ns)
            phu_view_scan(view, &view->table.items[i], is_reached, &search);
    }
    return search.address;
}

/* -- Changing --------------------------------------------------------------------------------- */

static struct phu_view_reader *find_reader(struct phu_view *view, const char *name)
{
    for (size_t i = 0; i < view->reader_count; i++) {
        if (strcmp(view->readers[i].name, name) == 0)
            return &view->readers[i];
    }
    return NULL;
}

/* Ranges that begin at or after `from` are swallowed by [from, live). */
static void widen(struct phu_cursor *cursor, uint64_t from)
{
    size_t kept = 0;

    while (kept < cursor->range_count && cursor->ranges[kept].to < from)
        kept++;
    if (kept < cursor->range_count && cursor->ranges[kept].from < from)
        from = cursor->ranges[kept].from;
    if (kept == PHU_CURSOR_RANGES_MOST) {
        kept--;
        from = cursor->ranges[kept].from;
    }
    cursor->ranges[kept].from = from;
    cursor->ranges[kept].to = cursor->live;
    cursor->range_count = kept + 1;
}

static int replay_locked(struct phu_view *view, struct phu_view_reader *reader,
                         struct phu_wall from, uint64_t *again)
{
    uint64_t start = phu_view_find(view, from);
    uint64_t before = reader->backfill_bytes;
    char path[PHU_CURSOR_NAME_SIZE];
    int error;

    *again = 0;
    if (start >= reader->cursor.live)
        return 0; /* all of it is still to be delivered anyway */
    widen(&reader->cursor, start);
    reader->cursor.generation++;
    error = phu_cursor_path(reader->name, path);
    if (!error)
        error = reader->error ? phu_cursor_create(view->dir_fd, path, &reader->cursor)
                              : phu_cursor_write(view->dir_fd, path, &reader->cursor);
    if (error)
        return error;
    reader->live_bytes = reader->backfill_bytes = 0;
    measure_reader(view, reader);
    *again = reader->backfill_bytes - before;
    return 0;
}

int phu_view_replay(struct phu_view *view, const char *name, struct phu_wall from, uint64_t *again)
{
    struct phu_view_reader *reader = find_reader(view, name);
    int lock_fd, error;

    if (!reader)
        return -ENOENT;
    error = take_lock(view->dir_fd, &lock_fd);
    if (error)
        return error;
    error = replay_locked(view, reader, from, again);
    release_lock(lock_fd);
    return error;
}

int phu_view_forget(struct phu_view *view, const char *name)
{
    char path[PHU_CURSOR_NAME_SIZE];
    int lock_fd, error;

    if (!find_reader(view, name))
        return -ENOENT;
    error = take_lock(view->dir_fd, &lock_fd);
    if (error)
        return error;
    error = phu_cursor_path(name, path);
    if (!error && unlinkat(view->dir_fd, path, 0) < 0)
        error = -errno;
    release_lock(lock_fd);
    return error;
}
