/* Statistics in Prometheus' text format, version 0.0.4, for whoever answers /metrics. */
#pragma once

#include <stddef.h>

#define PHU_STATS_TEXT_TYPE "text/plain; version=0.0.4; charset=utf-8"

struct phu_stats;

/* All of them, the build's and the process's own, as one text for the caller to free; NULL when
 * memory is short. `who` is a ready label beside the build's version, as of phu_stats_label():
 * agent="node-1"; NULL: none. */
char *phu_stats_text(const struct phu_stats *stats, const char *who, const char *version,
                     size_t *length);
