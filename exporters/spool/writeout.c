/* See writeout.h. */
#include "writeout.h"

#include <stdlib.h>
#include <sys/statvfs.h>
#include <unistd.h>

struct phu_writeout *phu_writeout_new(struct phu_spool *spool, struct phu_writer *writer)
{
    struct phu_writeout *work = calloc(1, sizeof *work);

    if (!work)
        abort();
    work->spool = spool;
    work->writer = writer;
    pthread_mutex_init(&work->mutex, NULL);
    pthread_cond_init(&work->finished, NULL);
    return work;
}

void phu_writeout_free(struct phu_writeout *work)
{
    pthread_cond_destroy(&work->finished);
    pthread_mutex_destroy(&work->mutex);
    free(work->unlinks);
    free(work->saves);
    free(work->commit.touched);
    free(work);
}

static void do_work(struct phu_writeout *work)
{
    struct phu_writer *writer = work->writer;
    struct statvfs fs;

    for (size_t i = 0; i < work->unlink_count; i++) {
        char name[PHU_SEGMENT_NAME_SIZE];

        phu_segment_name(name, work->unlinks[i]);
        unlinkat(writer->dir_fd, name, 0);
    }
    if (work->chunks.head)
        work->error = phu_writer_commit(writer, work->chunks.head, &work->commit);
    for (size_t i = 0; i < work->save_count; i++) {
        struct phu_cursor_save *save = &work->saves[i];

        save->error = save->is_new ? phu_cursor_create(writer->dir_fd, save->path, &save->cursor)
                                   : phu_cursor_write(writer->dir_fd, save->path, &save->cursor);
    }
    work->free_bytes = fstatvfs(writer->dir_fd, &fs) == 0
                           ? (int64_t)fs.f_bavail * (int64_t)fs.f_frsize
                           : INT64_MAX;
}

static bool claim(struct phu_writeout *work)
{
    bool is_mine;

    pthread_mutex_lock(&work->mutex);
    is_mine = work->state == PHU_WORK_QUEUED;
    if (is_mine)
        work->state = PHU_WORK_RUNNING;
    pthread_mutex_unlock(&work->mutex);
    return is_mine;
}

void phu_writeout_run(void *arg)
{
    struct phu_writeout *work = arg;

    if (!claim(work))
        return;
    do_work(work);
    pthread_mutex_lock(&work->mutex);
    work->state = PHU_WORK_FINISHED;
    pthread_cond_signal(&work->finished);
    pthread_mutex_unlock(&work->mutex);
}

void phu_writeout_settle(struct phu_writeout *work)
{
    phu_writeout_run(work);
    pthread_mutex_lock(&work->mutex);
    while (work->state != PHU_WORK_FINISHED)
        pthread_cond_wait(&work->finished, &work->mutex);
    pthread_mutex_unlock(&work->mutex);
}
