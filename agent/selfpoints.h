/* What the agent measures about itself, as points: measurement `agent`, one line per set of labels
 * of the statistics registry. `phusong_spool_bytes` becomes field `spool_bytes`; a label
 * exporter="central" becomes tag exporter=central. All fields are floats; counters count from the
 * start of the process. */
#pragma once

#include "core/tally.h"

struct phu_stats;

void phu_selfpoints_write(const struct phu_stats *stats, struct phu_tally_writer *writer,
                          struct phu_wall stamp);
