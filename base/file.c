#include "phusong/file.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <unistd.h>

int phu_file_sync_folder(const char *path)
{
    char copy[PATH_MAX];
    int fd, error = 0;

    if ((size_t)snprintf(copy, sizeof copy, "%s", path) >= sizeof copy)
        return -ENAMETOOLONG;
    fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    if (fsync(fd) < 0 && errno != EINVAL)
        error = -errno;
    close(fd);
    return error;
}
