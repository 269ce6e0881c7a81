/* A collector that measures simulated links: the check's address is the decimal number of a link
 * in the array that the scenario hands over as options. It follows the contract of collector.h to
 * the letter, so the agent's parts cannot tell it from a real one. */
#pragma once

#include "link.h"
#include "phusong/collector.h"

#include <stddef.h>

struct phu_sim_truth {
    int64_t sent, lost, unmeasured, late;
    int64_t rtt_sum_us, rtt_count;
    int64_t confirm_sent, confirm_lost; /* confirmations, which are in none of the others */
};

/* What phu_collector_sim.open takes as options. Truth is counted when a verdict is put. */
struct phu_sim_links {
    struct phu_sim_link *links;
    struct phu_sim_truth *truths; /* one per link; may be NULL */
    size_t count;
    bool is_broken; /* every poll answers PHU_RESULT_LOCAL_ERROR */
};

/* Metrics: 0 rtt_us (SKETCH, the rtt_metric), 1 late (COUNT), 2 ttl (SPREAD). */
enum { PHU_SIM_RTT, PHU_SIM_LATE, PHU_SIM_TTL };
extern const struct phu_collector phu_collector_sim;
