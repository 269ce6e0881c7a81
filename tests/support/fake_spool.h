/* A spool in memory for tests of what reads it: the reader's half of phusong/spool.h, one reader.
 * Lines put are durable at once. It fails an assertion when a span is settled twice.
 */
#pragma once

#include "phusong/spool.h"

#include <stdbool.h>

struct phu_spool *fake_spool_new(void);
void fake_spool_free(struct phu_spool *spool);
/* A line without its newline. Returns its number, from 0. Calls `ready` as the real one does. */
size_t fake_spool_put(struct phu_spool *spool, const char *line, struct phu_wall at);
size_t fake_spool_count(const struct phu_spool *spool);
bool fake_spool_is_acked(const struct phu_spool *spool, size_t number);
const char *fake_spool_line(const struct phu_spool *spool, size_t number); /* with its newline */
size_t fake_spool_acked(const struct phu_spool *spool);
