/* Compression off the loop. */
#pragma once

#include <stddef.h>

struct phu_gzip;
struct phu_sched;

/* `data` is NULL on failure; it is freed by the caller with free(). */
typedef void phu_gzip_done_cb(void *arg, char *data, size_t length);

/* Copies `data`; level 1 (fast) to 9. The callback runs later on the loop. -ENOMEM. */
int phu_gzip_start(struct phu_sched *sched, const char *data, size_t length, int level,
                   phu_gzip_done_cb *done, void *arg, struct phu_gzip **out);
/* No callback afterwards. NULL is harmless. */
void phu_gzip_cancel(struct phu_gzip *gzip);
