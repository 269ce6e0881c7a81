/* A file that is appended to off the loop: every write is synced before it is reported, and the
 * file is rotated by size and age (PATH, PATH.1 … PATH.N, the oldest removed).
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct phu_append;
struct phu_sched;

struct phu_append_conf {
    const char *path;   /* "-": standard output, never rotated; missing folders are created */
    int64_t max_bytes;  /* of one file; 0: no bound */
    int64_t max_age_ns; /* of one file; 0: no bound */
    unsigned keep;      /* rotated files beside the current one */
    mode_t mode;
};

int phu_append_new(struct phu_sched *sched, const struct phu_append_conf *conf,
                   struct phu_append **out);
/* Writes that have not ended are completed in the background where they have begun, dropped where
 * not; no callback afterwards. NULL is harmless. */
void phu_append_free(struct phu_append *append);

typedef void phu_append_done_cb(void *arg, int error);

/* Copies. The callback runs later on the loop: 0 when everything is durable, or a negative errno
 * when nothing of it should be counted on (what had been written of it is cut off again). Writes
 * keep their order. -ENOMEM at once. */
int phu_append_write(struct phu_append *append, const char *data, size_t length,
                     phu_append_done_cb *done, void *arg);
/* Files removed by rotation so far. */
int64_t phu_append_removed(const struct phu_append *append);
