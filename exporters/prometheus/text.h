/* Statistics in Prometheus' text format, version 0.0.4. Private to the prometheus exporter. */
#pragma once

#include <stddef.h>

struct phu_stats;

/* All of them, the build's and the process's own, as one text for the caller to free; NULL when
 * memory is short. */
char *phu_scrape_text(const struct phu_stats *stats, const char *agent, const char *version,
                      size_t *length);
