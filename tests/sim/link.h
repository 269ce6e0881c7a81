/* A link to an endpoint: delay, jitter, loss, and outages, which a scenario changes while it runs.
 * What it did to the probes is the truth that scenarios compare with. */
#pragma once

#include "sim.h"

#include <stdbool.h>

struct phu_sim_link {
    int64_t delay_ns;  /* there and back */
    int64_t jitter_ns; /* up to so much more, evenly spread */
    double loss;       /* 0..1 */
    bool is_down;
    struct phu_chance chance;
};

void phu_sim_link_init(struct phu_sim_link *link, uint64_t seed);
/* The round trip of a probe sent now in ns, or -1 when it is lost. */
int64_t phu_sim_link_send(struct phu_sim_link *link);
