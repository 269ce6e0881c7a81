/* See append.h. One job at a time is on a pool thread and alone touches the file; the others wait
 * in a list on the loop. The owner may go away while a job runs: the job then frees the rest.
 */
#include "append.h"

#include "phusong/file.h"
#include "phusong/sched.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct job {
    struct job *next;
    struct phu_append *append;
    phu_append_done_cb *done;
    void *arg;
    int error;
    size_t length;
    char data[];
};

struct phu_append {
    struct phu_sched *sched;
    char *path;
    int64_t max_bytes, max_age_ns;
    unsigned keep;
    mode_t mode;
    bool is_stdout, is_orphan, is_running;
    struct job *first, **end;
    /* Touched by the running job only. */
    int fd;
    int64_t size;
    struct phu_mono opened;
    int64_t removed, removed_seen; /* the second is the loop's copy */
};

int phu_append_new(struct phu_sched *sched, const struct phu_append_conf *conf,
                   struct phu_append **out)
{
    struct phu_append *append = calloc(1, sizeof *append);

    if (!append || !(append->path = strdup(conf->path))) {
        free(append);
        return -ENOMEM;
    }
    append->sched = sched;
    append->max_bytes = conf->max_bytes;
    append->max_age_ns = conf->max_age_ns;
    append->keep = conf->keep;
    append->mode = conf->mode;
    append->is_stdout = strcmp(conf->path, "-") == 0;
    append->end = &append->first;
    append->fd = append->is_stdout ? STDOUT_FILENO : -1;
    *out = append;
    return 0;
}

static void destroy(struct phu_append *append)
{
    if (append->fd >= 0 && !append->is_stdout)
        close(append->fd);
    free(append->path);
    free(append);
}

void phu_append_free(struct phu_append *append)
{
    struct job *job, *next;

    if (!append)
        return;
    job = append->is_running ? append->first->next : append->first;
    for (; job; job = next) {
        next = job->next;
        free(job);
    }
    if (append->is_running) {
        append->first->next = NULL;
        append->is_orphan = true;
        return;
    }
    destroy(append);
}

int64_t phu_append_removed(const struct phu_append *append)
{
    return append->removed_seen;
}

/* -- On the pool thread ----------------------------------------------------------------------- */

static int make_folders(const char *path, mode_t mode)
{
    char folder[PATH_MAX];

    if ((size_t)snprintf(folder, sizeof folder, "%s", path) >= sizeof folder)
        return -ENAMETOOLONG;
    for (char *slash = strchr(folder + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        if (mkdir(folder, mode) < 0 && errno != EEXIST)
            return -errno;
        *slash = '/';
    }
    return 0;
}

static int open_file(struct phu_append *append)
{
    mode_t folder_mode = append->mode | ((append->mode & 0444) >> 2);
    int error = make_folders(append->path, folder_mode);
    struct stat status;

    if (error < 0)
        return error;
    append->fd = open(append->path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, append->mode);
    if (append->fd < 0)
        return -errno;
    append->size = fstat(append->fd, &status) == 0 ? status.st_size : 0;
    append->opened = phu_mono_now();
    return phu_file_sync_folder(append->path);
}

static void close_file(struct phu_append *append)
{
    close(append->fd);
    append->fd = -1;
}

/* PATH.N goes, PATH.N-1 becomes PATH.N, …, PATH becomes PATH.1. */
static int rotate(struct phu_append *append)
{
    char from[PATH_MAX], to[PATH_MAX];

    snprintf(to, sizeof to, "%s.%u", append->path, append->keep);
    if (append->keep == 0)
        snprintf(to, sizeof to, "%s", append->path);
    if (unlink(to) == 0)
        append->removed++;
    for (unsigned i = append->keep; i > 0; i--) {
        if (i > 1)
            snprintf(from, sizeof from, "%s.%u", append->path, i - 1);
        else
            snprintf(from, sizeof from, "%s", append->path);
        snprintf(to, sizeof to, "%s.%u", append->path, i);
        if (rename(from, to) < 0 && errno != ENOENT)
            return -errno;
    }
    return 0;
}

static bool is_full(const struct phu_append *append, size_t length)
{
    if (append->size == 0)
        return false;
    if (append->max_bytes > 0 && append->size + (int64_t)length > append->max_bytes)
        return true;
    return append->max_age_ns > 0 &&
           phu_mono_since(phu_mono_now(), append->opened) >= append->max_age_ns;
}

static int prepare(struct phu_append *append, size_t length)
{
    int error;

    if (append->is_stdout)
        return 0;
    if (append->fd < 0 && (error = open_file(append)) < 0)
        return error;
    if (!is_full(append, length))
        return 0;
    close_file(append);
    error = rotate(append);
    return error < 0 ? error : open_file(append);
}

static int write_all(int fd, const char *data, size_t length)
{
    while (length > 0) {
        ssize_t written = write(fd, data, length);

        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return written < 0 ? -errno : -EIO;
        data += written;
        length -= (size_t)written;
    }
    return 0;
}

/* A torn line at the end would spoil the next one. After a failed sync nobody knows what the disk
 * has, and asking again says "fine": so a new descriptor and the same bytes once more. */
static int write_and_sync(struct phu_append *append, const char *data, size_t length)
{
    int error = write_all(append->fd, data, length);

    if (error < 0 && !append->is_stdout && ftruncate(append->fd, append->size) < 0)
        error = -errno;
    /* EINVAL, EROFS: a pipe or a terminal, where there is nothing to sync. */
    if (error == 0 && fdatasync(append->fd) < 0 && errno != EINVAL && errno != EROFS)
        error = -errno;
    if (error == 0)
        append->size += (int64_t)length;
    else if (!append->is_stdout)
        close_file(append);
    return error;
}

static void run_job(void *arg)
{
    struct job *job = arg;

    job->error = prepare(job->append, job->length);
    if (job->error == 0)
        job->error = write_and_sync(job->append, job->data, job->length);
}

/* -- On the loop ------------------------------------------------------------------------------ */

static void start_next(struct phu_append *append);

static void job_done(void *arg, bool is_canceled)
{
    struct job *job = arg;
    struct phu_append *append = job->append;

    append->is_running = false;
    append->first = job->next;
    if (!append->first)
        append->end = &append->first;
    if (append->is_orphan) {
        destroy(append);
        free(job);
        return;
    }
    append->removed_seen = append->removed;
    start_next(append);
    job->done(job->arg, is_canceled ? -ECANCELED : job->error);
    free(job);
}

/* All that can fail here is a small allocation. */
static void start_next(struct phu_append *append)
{
    if (!append->first || append->is_running)
        return;
    append->is_running = true;
    if (phu_work_start(append->sched, run_job, job_done, append->first) < 0)
        abort();
}

int phu_append_write(struct phu_append *append, const char *data, size_t length,
                     phu_append_done_cb *done, void *arg)
{
    struct job *job = malloc(sizeof *job + length);

    if (!job)
        return -ENOMEM;
    *job = (struct job){.append = append, .done = done, .arg = arg, .length = length};
    memcpy(job->data, data, length);
    *append->end = job;
    append->end = &job->next;
    start_next(append);
    return 0;
}
