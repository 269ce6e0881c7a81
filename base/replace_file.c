#include "replace_file.h"

#include "phusong/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int read_all(int fd, char *text, size_t size, size_t *length)
{
    *length = 0;
    while (*length < size) {
        ssize_t got = read(fd, text + *length, size - *length);

        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return -errno;
        if (got == 0)
            return 0;
        *length += (size_t)got;
    }
    return 0;
}

int phu_file_read(const char *path, size_t most, char **text, size_t *length, struct stat *before)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK), error = 0;

    *text = NULL;
    *length = 0;
    if (fd < 0)
        return errno == ENOENT ? 0 : -errno;
    if (fstat(fd, before) < 0)
        error = -errno;
    else if (!S_ISREG(before->st_mode))
        error = -EINVAL;
    else if ((size_t)before->st_size > most)
        error = -EFBIG;
    if (!error) {
        *text = malloc((size_t)before->st_size + 1);
        error = *text ? read_all(fd, *text, (size_t)before->st_size, length) : -ENOMEM;
    }
    close(fd);
    if (error) {
        free(*text);
        *text = NULL;
    }
    return error;
}

static bool is_unchanged(const char *path, const struct stat *before)
{
    struct stat now;

    if (stat(path, &now) < 0)
        return !before && errno == ENOENT;
    return before && now.st_ino == before->st_ino && now.st_dev == before->st_dev &&
           now.st_size == before->st_size && now.st_mtim.tv_sec == before->st_mtim.tv_sec &&
           now.st_mtim.tv_nsec == before->st_mtim.tv_nsec;
}

static int write_all(int fd, const char *text, size_t length)
{
    while (length > 0) {
        ssize_t put = write(fd, text, length);

        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0)
            return -errno;
        text += put;
        length -= (size_t)put;
    }
    return fsync(fd) < 0 ? -errno : 0;
}

/* The owner first: changing it takes set-id bits away. */
static int take_after(int fd, const struct stat *before)
{
    struct stat now;

    if (!before)
        return 0;
    if (fstat(fd, &now) < 0)
        return -errno;
    if ((now.st_uid != before->st_uid || now.st_gid != before->st_gid) &&
        fchown(fd, before->st_uid, before->st_gid) < 0)
        return -errno;
    return fchmod(fd, before->st_mode & 07777) < 0 ? -errno : 0;
}

static int make_beside(const char *path, char *name, size_t size, mode_t mode)
{
    int fd = -1;

    for (int attempt = 0; fd < 0 && attempt < 100; attempt++) {
        if ((size_t)snprintf(name, size, "%s.new-%ld-%d", path, (long)getpid(), attempt) >= size)
            return -ENAMETOOLONG;
        fd = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
        if (fd < 0 && errno != EEXIST)
            return -errno;
    }
    return fd < 0 ? -EEXIST : fd;
}

int phu_file_replace(const char *path, const struct stat *before, const char *text, size_t length)
{
    char real[PATH_MAX], name[PATH_MAX + 32];
    int fd, error;

    if (!realpath(path, real)) {
        if (before || errno != ENOENT)
            return -errno;
        snprintf(real, sizeof real, "%s", path);
    }
    fd = make_beside(real, name, sizeof name, before ? S_IRUSR | S_IWUSR : 0644);
    if (fd < 0)
        return fd;
    error = take_after(fd, before);
    if (!error)
        error = write_all(fd, text, length);
    if (close(fd) < 0 && !error)
        error = -errno;
    if (!error && !is_unchanged(real, before))
        error = -ESTALE;
    if (!error && rename(name, real) < 0)
        error = -errno;
    if (error) {
        unlink(name);
        return error;
    }
    return phu_file_sync_folder(real);
}
