/* One round of disk work: commit chunks, delete segments, save cursors. It is filled on the loop,
 * run once by whoever comes first, a pool thread or the closing spool, and its results are taken on
 * the loop again.
 */
#pragma once

#include "cursor.h"
#include "writer.h"

#include <pthread.h>

struct phu_spool;

struct phu_chunk_list {
    struct phu_chunk *head, *tail;
    size_t bytes;
};

enum phu_work_state { PHU_WORK_QUEUED, PHU_WORK_RUNNING, PHU_WORK_FINISHED };

struct phu_cursor_save {
    char path[PHU_CURSOR_NAME_SIZE];
    struct phu_cursor cursor;
    bool is_new;
    int error;
};

struct phu_writeout {
    struct phu_spool *spool;   /* NULL: it has been closed meanwhile; the runner never looks */
    struct phu_writer *writer; /* the runner's while it runs */
    pthread_mutex_t mutex;
    pthread_cond_t finished;
    enum phu_work_state state;
    /* in */
    struct phu_chunk_list chunks;
    uint64_t *unlinks;
    size_t unlink_count;
    struct phu_cursor_save *saves;
    size_t save_count;
    /* out */
    struct phu_commit commit;
    int error;
    int64_t free_bytes;
};

struct phu_writeout *phu_writeout_new(struct phu_spool *spool, struct phu_writer *writer);
void phu_writeout_free(struct phu_writeout *work);
/* Does the work unless somebody else has begun. */
void phu_writeout_run(void *work);
/* Blocks until the work has been done, here if nobody has begun. */
void phu_writeout_settle(struct phu_writeout *work);
