/* Where collectors put what they observe. They know nothing of what becomes of it.
 *
 * A sink is two functions at the head of whatever struct implements it: the agent's monitor, the
 * table of `phusong probe`, a test.
 */
#pragma once

#include "phusong/observation.h"

struct phu_sink {
    void (*put)(struct phu_sink *sink, const struct phu_observation *observation);
    int (*row)(struct phu_sink *sink, uint32_t check, const char *tag, const char *name,
               uint32_t *row);
};

/* Every poll ends in exactly one observation with a verdict and row 0. It may be preceded by
 * observations of rows and followed by ones with PHU_RESULT_NONE. Copies; never fails. */
static inline void phu_sink_put(struct phu_sink *sink, const struct phu_observation *observation)
{
    sink->put(sink, observation);
}

/* A check that measures a table (interfaces of a device) names its rows once; `name` becomes the
 * value of the tag `tag` ("interface"). Rows of one check are distinct by name: the same name gives
 * the same row. -ENOSPC beyond the configured number of rows per check: the caller counts and goes
 * on. */
static inline int phu_sink_row(struct phu_sink *sink, uint32_t check, const char *tag,
                               const char *name, uint32_t *row)
{
    return sink->row(sink, check, tag, name, row);
}
