/* Evidence: what devices say of lines and of their site's power, taken from the observations as
 * they pass by on their way to the monitor.
 *
 * It is the sink of a collector that has rows, and hands everything on. A row that serves an
 * endpoint and says that its ONU is gone (optics: state and last-down cause) tells of that line;
 * one that says which source power comes from (power) tells of the device's site.
 */
#pragma once

#include "core/outage.h"
#include "phusong/sink.h"

#include <stddef.h>
#include <stdint.h>

struct phu_collector;

struct phu_witness_calls {
    /* Handle of the primary check of that endpoint, 0: none is running. */
    uint32_t (*endpoint)(void *arg, const char *id);
    void (*line)(void *arg, uint32_t endpoint, enum phu_line_evidence evidence, struct phu_mono at);
    void (*power)(void *arg, uint32_t check, bool has_failed, struct phu_mono at);
    void *arg;
};

struct phu_witness;

void phu_witness_new(const struct phu_collector *collector, struct phu_sink *next,
                     const struct phu_witness_calls *calls, struct phu_witness **out);
void phu_witness_free(struct phu_witness *witness);
struct phu_sink *phu_witness_sink(struct phu_witness *witness);
