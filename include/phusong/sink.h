/* Where collectors put what they observe. They know nothing of what becomes of it.
 *
 * A sink is two functions at the head of whatever struct implements it: the agent's monitor, the
 * table of `phusong probe`, a test.
 */
#pragma once

#include "phusong/observation.h"

/* A row of a table that a check measures: an interface, an ONU, a modem. */
struct phu_row {
    const char *tag, *name; /* becomes tag=name: "interface", "ge-0/0/1" */
    /* Id of the endpoint that it serves, or NULL: the row's points then carry that endpoint's tags
     * (endpoint, hamlet, commune, technology, operator) besides the device's. */
    const char *endpoint;
};

struct phu_sink {
    void (*put)(struct phu_sink *sink, const struct phu_observation *observation);
    int (*row)(struct phu_sink *sink, uint32_t check, const struct phu_row *row, uint32_t *handle);
};

/* Every poll ends in exactly one observation with a verdict and row 0. It may be preceded by
 * observations of rows and followed by ones with PHU_RESULT_NONE. Copies; never fails. */
static inline void phu_sink_put(struct phu_sink *sink, const struct phu_observation *observation)
{
    sink->put(sink, observation);
}

/* A check that measures a table names its rows once. Rows of one check are distinct by tag and
 * name: the same ones give the same handle. Named again with another endpoint, or with none, a row
 * keeps its handle, and serves that one from then on. -ENOSPC beyond the configured number of rows
 * per check, -ENOENT for an endpoint that is not in the inventory: the caller counts and goes on.
 */
static inline int phu_sink_row(struct phu_sink *sink, uint32_t check, const struct phu_row *row,
                               uint32_t *handle)
{
    return sink->row(sink, check, row, handle);
}
