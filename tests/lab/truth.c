/* Writes and reads the log of truth. Owns the file and one buffer. */
#include "truth.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { BUFFERED = 1024 };

static const char truth_magic[8] = "phulab1\n";

struct lab_truth {
    int fd;
    uint64_t room; /* records that may still be written */
    uint64_t written;
    uint64_t lost;
    size_t count;
    struct lab_record buffer[BUFFERED];
};

const char *lab_fate_name(enum lab_fate fate)
{
    static const char *const names[LAB_FATES] = {"answered", "lost_request", "lost_reply",
                                                 "unanswered", "open"};

    return fate < LAB_FATES ? names[fate] : "?";
}

static int write_all(int fd, const void *bytes, size_t length)
{
    const char *at = bytes;

    while (length > 0) {
        ssize_t done = write(fd, at, length);

        if (done < 0 && errno == EINTR)
            continue;
        if (done <= 0)
            return done < 0 ? -errno : -EIO;
        at += done;
        length -= (size_t)done;
    }
    return 0;
}

int lab_truth_open(const char *path, uint64_t seed, int64_t started_ns, uint64_t max_bytes,
                   struct lab_truth **truth)
{
    struct lab_truth_header header = {
        .record_size = sizeof(struct lab_record), .seed = seed, .started_ns = started_ns};
    struct lab_truth *made = calloc(1, sizeof(*made));
    int error;

    if (!made)
        return -ENOMEM;
    memcpy(header.magic, truth_magic, sizeof(header.magic));
    made->room = max_bytes / sizeof(struct lab_record);
    made->fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    error = made->fd < 0 ? -errno : write_all(made->fd, &header, sizeof(header));
    if (error < 0) {
        lab_truth_close(made);
        return error;
    }
    *truth = made;
    return 0;
}

void lab_truth_flush(struct lab_truth *truth)
{
    if (truth->count == 0)
        return;
    if (write_all(truth->fd, truth->buffer, truth->count * sizeof(*truth->buffer)) < 0) {
        truth->lost += truth->count;
        truth->room = 0; /* a torn record must be the last one */
    } else
        truth->written += truth->count;
    truth->count = 0;
}

void lab_truth_put(struct lab_truth *truth, const struct lab_record *record)
{
    if (truth->room == 0) {
        truth->lost++;
        return;
    }
    truth->room--;
    truth->buffer[truth->count++] = *record;
    if (truth->count == BUFFERED)
        lab_truth_flush(truth);
}

void lab_truth_close(struct lab_truth *truth)
{
    if (!truth)
        return;
    if (truth->fd >= 0) {
        lab_truth_flush(truth);
        close(truth->fd);
    }
    free(truth);
}

int lab_truth_fd(const struct lab_truth *truth)
{
    return truth->fd;
}

uint64_t lab_truth_written(const struct lab_truth *truth)
{
    return truth->written + truth->count;
}

uint64_t lab_truth_lost(const struct lab_truth *truth)
{
    return truth->lost;
}

static int read_at(int fd, void *bytes, size_t length, off_t offset)
{
    char *at = bytes;

    while (length > 0) {
        ssize_t done = pread(fd, at, length, offset);

        if (done < 0 && errno == EINTR)
            continue;
        if (done <= 0)
            return done < 0 ? -errno : -EBADMSG;
        at += done;
        offset += done;
        length -= (size_t)done;
    }
    return 0;
}

int lab_truth_load(int fd, struct lab_truth_header *header, struct lab_record **records,
                   size_t *count)
{
    struct stat info;
    int error = read_at(fd, header, sizeof(*header), 0);

    if (error < 0)
        return error;
    if (memcmp(header->magic, truth_magic, sizeof(header->magic)) != 0 ||
        header->record_size != sizeof(struct lab_record) || fstat(fd, &info) < 0)
        return -EBADMSG;
    *count = ((size_t)info.st_size - sizeof(*header)) / sizeof(struct lab_record);
    *records = calloc(*count + 1, sizeof(struct lab_record));
    if (!*records)
        return -ENOMEM;
    error = read_at(fd, *records, *count * sizeof(struct lab_record), sizeof(*header));
    if (error < 0)
        free(*records);
    return error;
}
