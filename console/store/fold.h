/* Adds windows up: sums, counts, smallest, largest, latest, buckets. What came as a gauge or as a
 * number of which nothing is known becomes what can be added up on the way. */
#pragma once

#include "window.h"

struct phu_fold;

struct phu_fold *phu_fold_new(void);
void phu_fold_free(struct phu_fold *fold);
/* Windows of one series in the order of time; of several series in any: what is latest is by
 * time. */
void phu_fold_add(struct phu_fold *fold, const struct phu_window *window);
/* What was added up; good until the next call. Its time is `time_ns`. */
void phu_fold_window(struct phu_fold *fold, int64_t time_ns, struct phu_window *window);
bool phu_fold_is_empty(const struct phu_fold *fold);
void phu_fold_reset(struct phu_fold *fold);
