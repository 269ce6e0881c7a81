/* The spool's folder: made when missing, locked against other processes. */
#include "spool.h"

#include "phusong/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

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

int phu_spool_open_folder(struct phu_spool *spool)
{
    int error = make_folders(spool->conf.dir);

    if (!error) {
        spool->dir_fd = open(spool->conf.dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (spool->dir_fd < 0 || (mkdirat(spool->dir_fd, "cursors", 0750) < 0 && errno != EEXIST))
            error = -errno;
    }
    if (error) {
        phu_log_error("spool", "cannot use the spool's folder", "dir=\"%s\" error=\"%s\"%s",
                      spool->conf.dir, strerror(-error),
                      error == -EACCES
                          ? " remedy=\"make it, and give it to the user that the agent runs as\""
                          : "");
        return error;
    }
    return take_lock(spool);
}
