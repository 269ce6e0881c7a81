/* See segment.h. */
#include "segment.h"

#include "phusong/log.h"
#include "phusong/point.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    SCAN_BUFFER = 2 * (PHU_LINE_MAX + PHU_RECORD_HEADER_SIZE),
    QUARANTINE_MOST = 32, /* files kept; the oldest go */
};

/* -- The table ------------------------------------------------------------------------------- */

void phu_segments_fini(struct phu_segments *table)
{
    free(table->items);
    *table = (struct phu_segments){0};
}

static size_t place_of(const struct phu_segments *table, uint64_t base)
{
    size_t low = 0, high = table->count;

    while (low < high) {
        size_t middle = (low + high) / 2;

        if (table->items[middle].base < base)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

void phu_segments_put(struct phu_segments *table, const struct phu_segment *segment)
{
    size_t place = place_of(table, segment->base);

    if (place < table->count && table->items[place].base == segment->base) {
        table->bytes += segment->file_bytes - table->items[place].file_bytes;
        table->items[place] = *segment;
        return;
    }
    if (table->count == table->capacity) {
        table->capacity = table->capacity ? table->capacity * 2 : 16;
        table->items = realloc(table->items, table->capacity * sizeof *table->items);
        if (!table->items)
            abort();
    }
    memmove(&table->items[place + 1], &table->items[place],
            (table->count - place) * sizeof *table->items);
    table->items[place] = *segment;
    table->count++;
    table->bytes += segment->file_bytes;
}

void phu_segments_remove(struct phu_segments *table, size_t place)
{
    table->bytes -= table->items[place].file_bytes;
    memmove(&table->items[place], &table->items[place + 1],
            (table->count - place - 1) * sizeof *table->items);
    table->count--;
}

size_t phu_segments_find(const struct phu_segments *table, uint64_t address)
{
    size_t place = place_of(table, address);

    /* The segment before may still reach beyond the address. */
    if (place > 0 && table->items[place - 1].end > address)
        place--;
    while (place < table->count &&
           table->items[place].end <= table->items[place].base + PHU_SEGMENT_HEADER_SIZE)
        place++;
    return place;
}

uint64_t phu_segments_bytes_between(const struct phu_segments *table, uint64_t from, uint64_t to)
{
    uint64_t bytes = 0;

    for (size_t i = phu_segments_find(table, from); i < table->count; i++) {
        const struct phu_segment *segment = &table->items[i];
        uint64_t start = segment->base + PHU_SEGMENT_HEADER_SIZE;
        uint64_t end = segment->end < to ? segment->end : to;

        if (segment->base >= to)
            break;
        if (start < from)
            start = from;
        if (end > start)
            bytes += end - start;
    }
    return bytes;
}

void phu_segment_name(char name[PHU_SEGMENT_NAME_SIZE], uint64_t base)
{
    snprintf(name, PHU_SEGMENT_NAME_SIZE, "%016" PRIx64 PHU_SEGMENT_SUFFIX, base);
}

bool phu_segment_name_parse(const char *name, uint64_t *base)
{
    if (strlen(name) != 16 + strlen(PHU_SEGMENT_SUFFIX) || strspn(name, "0123456789abcdef") != 16 ||
        strcmp(name + 16, PHU_SEGMENT_SUFFIX) != 0)
        return false;
    *base = strtoull(name, NULL, 16);
    return true;
}

void phu_segment_note(struct phu_segment *segment, struct phu_wall at)
{
    if (!segment->count || at.ns < segment->first.ns)
        segment->first = at;
    if (!segment->count || at.ns > segment->last.ns)
        segment->last = at;
    segment->count++;
}

/* -- Scanning -------------------------------------------------------------------------------- */

static ssize_t read_fully(int fd, uint8_t *buffer, size_t size, uint64_t offset)
{
    size_t have = 0;

    while (have < size) {
        ssize_t count = pread(fd, buffer + have, size - have, (off_t)(offset + have));

        if (count < 0 && errno == EINTR)
            continue;
        if (count < 0)
            return -errno;
        if (count == 0)
            break;
        have += (size_t)count;
    }
    return (ssize_t)have;
}

/* Shows the items of one bufferful; returns how many bytes of it were used up. */
static size_t visit_buffer(const uint8_t *data, size_t size, uint64_t address, bool is_end,
                           phu_segment_visit_cb *visit, void *arg, bool *is_stopped)
{
    size_t used = 0;

    for (;;) {
        struct phu_scan_item item;

        phu_scan_next(data, size, used, address, is_end, &item);
        if (item.status == PHU_SCAN_MORE)
            return used;
        if (visit(arg, &item)) {
            *is_stopped = true;
            return used;
        }
        used = (size_t)(item.next - address);
    }
}

int phu_segment_scan(int fd, uint64_t base, uint64_t from, uint64_t to, phu_segment_visit_cb *visit,
                     void *arg)
{
    uint64_t address = from, room = to - from;
    size_t capacity = room < SCAN_BUFFER ? (size_t)room : SCAN_BUFFER;
    uint8_t *buffer = malloc(capacity ? capacity : 1);
    bool is_stopped = false, is_end = false;
    int error = 0;

    if (!buffer)
        return -ENOMEM;
    while (!is_stopped && !is_end && address < to) {
        size_t want = to - address < capacity ? (size_t)(to - address) : capacity;
        ssize_t have = read_fully(fd, buffer, want, address - base);

        if (have < 0) {
            error = (int)have;
            break;
        }
        is_end = (size_t)have < want || address + want == to;
        address += visit_buffer(buffer, (size_t)have, address, is_end, visit, arg, &is_stopped);
    }
    free(buffer);
    return error;
}

static bool first_time(void *arg, const struct phu_scan_item *item)
{
    *(struct phu_wall *)arg = item->at;
    return item->status == PHU_SCAN_RECORD;
}

struct phu_wall phu_segments_time_at(const struct phu_segments *table, int dir_fd, uint64_t address)
{
    size_t place = phu_segments_find(table, address);
    const struct phu_segment *segment = place < table->count ? &table->items[place] : NULL;
    char name[PHU_SEGMENT_NAME_SIZE];
    struct phu_wall at = {0};
    int fd;

    if (!segment)
        return at;
    if (address <= segment->base + PHU_SEGMENT_HEADER_SIZE)
        return segment->first;
    phu_segment_name(name, segment->base);
    fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || phu_segment_scan(fd, segment->base, address, segment->end, first_time, &at) != 0)
        at = segment->first;
    if (fd >= 0)
        close(fd);
    return at;
}

/* -- Recovery -------------------------------------------------------------------------------- */

struct survey {
    struct phu_segment segment;
    uint64_t damaged_from, damaged_stretches;
    bool is_damaged; /* the stretch before what comes next */
    bool is_sealed;
};

static bool survey_item(void *arg, const struct phu_scan_item *item)
{
    struct survey *survey = arg;

    switch (item->status) {
    case PHU_SCAN_RECORD:
        survey->damaged_stretches += survey->is_damaged;
        survey->is_damaged = false;
        phu_segment_note(&survey->segment, item->at);
        survey->segment.count = item->index + 1; /* with those that are damaged */
        survey->segment.end = item->next;
        break;
    case PHU_SCAN_DAMAGED:
        survey->is_damaged = true;
        break;
    case PHU_SCAN_SEAL:
        survey->damaged_stretches += survey->is_damaged;
        survey->segment.end = item->address;
        survey->segment.count = item->seal.count;
        survey->is_sealed = true;
        return true;
    case PHU_SCAN_MORE:
        break;
    }
    return false;
}

static int write_fully(int fd, const void *bytes, size_t size, uint64_t offset)
{
    ssize_t count = pwrite(fd, bytes, size, (off_t)offset);

    if (count < 0)
        return -errno;
    return (size_t)count == size ? 0 : -ENOSPC;
}

/* Cuts off what follows the last good record and seals. A disk that refuses is no obstacle: then
 * the next start does this work again. */
static void mend_tail(int fd, struct phu_segment *segment, struct phu_recovery *recovery)
{
    uint64_t size = segment->end - segment->base;
    struct phu_seal seal = {.count = segment->count,
                            .first = segment->first,
                            .last = segment->last,
                            .base = segment->base,
                            .size = size};
    uint8_t bytes[PHU_SEAL_SIZE];

    if (segment->file_bytes > size) {
        recovery->torn_bytes += segment->file_bytes - size;
        phu_log_warn("spool", "cut off a torn tail", "segment=%016" PRIx64 " bytes=%" PRIu64,
                     segment->base, segment->file_bytes - size);
        if (ftruncate(fd, (off_t)size) < 0)
            return;
        segment->file_bytes = size;
    }
    phu_seal_encode(bytes, &seal);
    if (write_fully(fd, bytes, sizeof bytes, size) == 0)
        segment->file_bytes = size + sizeof bytes;
    else if (ftruncate(fd, (off_t)size) < 0)
        phu_log_debug("spool", "cannot cut a seal", "segment=%016" PRIx64, segment->base);
    if (fdatasync(fd) < 0)
        phu_log_warn("spool", "cannot sync a mended segment", "segment=%016" PRIx64 " error=\"%s\"",
                     segment->base, strerror(errno));
}

static int read_seal(int fd, struct phu_segment *segment)
{
    uint8_t bytes[PHU_SEAL_SIZE];
    struct phu_seal seal;
    ssize_t have;

    if (segment->file_bytes < PHU_SEGMENT_HEADER_SIZE + PHU_SEAL_SIZE)
        return -ENODATA;
    have = read_fully(fd, bytes, sizeof bytes, segment->file_bytes - PHU_SEAL_SIZE);
    if (have < 0)
        return (int)have;
    if (phu_seal_decode(bytes, &seal) != 0 || seal.base != segment->base ||
        seal.size + PHU_SEAL_SIZE != segment->file_bytes)
        return -ENODATA;
    segment->count = seal.count;
    segment->first = seal.first;
    segment->last = seal.last;
    segment->end = seal.base + seal.size;
    return 0;
}

/* Fills the entry. -EBADMSG: not a segment that can be used; -ENODATA: empty, nothing to keep. */
static int load_segment(int fd, struct phu_segment *segment, bool is_repair,
                        struct phu_recovery *recovery)
{
    uint8_t header[PHU_SEGMENT_HEADER_SIZE];
    struct survey survey = {0};
    struct stat status;
    ssize_t have;
    int header_error, error;

    if (fstat(fd, &status) < 0)
        return -errno;
    segment->file_bytes = (uint64_t)status.st_size;
    segment->end = segment->base + PHU_SEGMENT_HEADER_SIZE;
    have = read_fully(fd, header, sizeof header, 0);
    if (have < 0)
        return (int)have;
    header_error =
        have == sizeof header ? phu_segment_header_decode(header, segment->base) : -EINVAL;
    if (header_error == -ENOTSUP)
        return -EBADMSG;
    error = read_seal(fd, segment);
    if (error != -ENODATA)
        return error;
    survey.segment = *segment;
    error = phu_segment_scan(fd, segment->base, segment->end, UINT64_MAX, survey_item, &survey);
    if (error)
        return error;
    *segment = survey.segment;
    recovery->damaged_stretches += survey.damaged_stretches;
    if (!segment->count) {
        /* A file just created, or its first block never written: nothing was ever promised. */
        static const uint8_t zeros[PHU_SEGMENT_HEADER_SIZE];

        if (header_error && have == sizeof header && memcmp(header, zeros, sizeof zeros) != 0)
            return -EBADMSG;
        recovery->torn_bytes += segment->file_bytes;
        return -ENODATA;
    }
    if (survey.damaged_stretches)
        phu_log_error("spool", "damaged records found", "segment=%016" PRIx64 " stretches=%" PRIu64,
                      segment->base, survey.damaged_stretches);
    if (is_repair && !survey.is_sealed)
        mend_tail(fd, segment, recovery);
    return 0;
}

static void load_file(struct phu_segments *table, int dir_fd, const char *name, uint64_t base,
                      bool is_repair, struct phu_recovery *recovery)
{
    struct phu_segment segment = {.base = base};
    int fd = openat(dir_fd, name, (is_repair ? O_RDWR : O_RDONLY) | O_CLOEXEC | O_NOFOLLOW);
    int error = fd < 0 ? -errno : load_segment(fd, &segment, is_repair, recovery);
    uint64_t reach = segment.base + segment.file_bytes;

    if (fd >= 0)
        close(fd);
    if (reach < segment.end)
        reach = segment.end;
    if (reach > recovery->end)
        recovery->end = reach;
    if (!error) {
        phu_segments_put(table, &segment);
        return;
    }
    if (!is_repair || error == -ENOENT)
        return;
    if (error == -ENODATA) {
        unlinkat(dir_fd, name, 0);
        return;
    }
    recovery->quarantined++;
    phu_log_error("spool", "set aside a segment that cannot be read",
                  "segment=%016" PRIx64 " error=\"%s\" folder=quarantine", base, strerror(-error));
    phu_segment_quarantine(dir_fd, name);
}

static int each_name(int dir_fd, const char *folder,
                     void (*visit)(void *arg, const char *name, uint64_t base), void *arg)
{
    int fd = openat(dir_fd, folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    struct dirent *entry;
    int error = dir ? 0 : -errno;

    if (!dir) {
        if (fd >= 0)
            close(fd);
        return error;
    }
    while ((errno = 0, entry = readdir(dir))) {
        uint64_t base;

        if (phu_segment_name_parse(entry->d_name, &base))
            visit(arg, entry->d_name, base);
    }
    error = -errno;
    closedir(dir);
    return error;
}

struct names {
    uint64_t *bases;
    size_t count, capacity;
};

static void collect_name(void *arg, const char *name, uint64_t base)
{
    struct names *names = arg;

    (void)name;
    if (names->count == names->capacity) {
        names->capacity = names->capacity ? names->capacity * 2 : 64;
        names->bases = realloc(names->bases, names->capacity * sizeof *names->bases);
        if (!names->bases)
            abort();
    }
    names->bases[names->count++] = base;
}

static int by_base(const void *left, const void *right)
{
    uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;

    return (a > b) - (a < b);
}

static int list_bases(int dir_fd, const char *folder, struct names *names)
{
    int error = each_name(dir_fd, folder, collect_name, names);

    if (names->count)
        qsort(names->bases, names->count, sizeof *names->bases, by_base);
    return error;
}

/* What was set aside has used addresses as well. */
static void note_quarantine(int dir_fd, struct phu_recovery *recovery)
{
    struct names names = {0};

    if (list_bases(dir_fd, "quarantine", &names) == 0 && names.count) {
        char path[PHU_SEGMENT_NAME_SIZE + sizeof "quarantine/"], name[PHU_SEGMENT_NAME_SIZE];
        uint64_t end = names.bases[names.count - 1];
        struct stat status;

        phu_segment_name(name, end);
        snprintf(path, sizeof path, "quarantine/%s", name);
        if (fstatat(dir_fd, path, &status, 0) == 0)
            end += (uint64_t)status.st_size;
        if (end > recovery->end)
            recovery->end = end;
    }
    free(names.bases);
}

int phu_segments_load(struct phu_segments *table, int dir_fd, bool is_repair,
                      struct phu_recovery *recovery)
{
    struct names names = {0};
    int error = list_bases(dir_fd, ".", &names);

    *recovery = (struct phu_recovery){0};
    for (size_t i = 0; !error && i < names.count; i++) {
        char name[PHU_SEGMENT_NAME_SIZE];

        phu_segment_name(name, names.bases[i]);
        load_file(table, dir_fd, name, names.bases[i], is_repair, recovery);
    }
    free(names.bases);
    note_quarantine(dir_fd, recovery);
    return error;
}

static void trim_quarantine(int dir_fd)
{
    struct names names = {0};

    if (list_bases(dir_fd, "quarantine", &names) == 0) {
        for (size_t i = 0; i + QUARANTINE_MOST < names.count; i++) {
            char path[PHU_SEGMENT_NAME_SIZE + sizeof "quarantine/"], name[PHU_SEGMENT_NAME_SIZE];

            phu_segment_name(name, names.bases[i]);
            snprintf(path, sizeof path, "quarantine/%s", name);
            unlinkat(dir_fd, path, 0);
        }
    }
    free(names.bases);
}

int phu_segment_quarantine(int dir_fd, const char *name)
{
    char path[288];

    if (mkdirat(dir_fd, "quarantine", 0750) < 0 && errno != EEXIST)
        return -errno;
    snprintf(path, sizeof path, "quarantine/%s", name);
    if (renameat(dir_fd, name, dir_fd, path) < 0)
        return -errno;
    fsync(dir_fd);
    trim_quarantine(dir_fd);
    return 0;
}
