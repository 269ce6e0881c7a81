/* The district's addresses that have been seen: their counters, their flows, and what the rules
 * say about them, looked up again only after the rules changed. */
#pragma once

#include "board.h"
#include "packet.h"

struct lab_hosts;

struct lab_host {
    struct lab_addr addr;
    struct lab_host_stats *stats; /* on the board */
    struct lab_flow flows[LAB_KINDS][LAB_DIRS];
    uint64_t dice[LAB_KINDS][LAB_DIRS];
    int64_t last_due_ns[LAB_DIRS]; /* for rules that keep the order */
    struct lab_profile profiles[LAB_DIRS];
    uint64_t generation;
    struct lab_host *next_in_bucket;
};

struct lab_hosts *lab_hosts_new(struct lab_board *board, struct lab_rules *rules, uint64_t seed);
void lab_hosts_free(struct lab_hosts *hosts);
/* Finds or makes; NULL when there are LAB_HOSTS_MAX already. Its profiles are up to date. */
struct lab_host *lab_hosts_get(struct lab_hosts *hosts, const struct lab_addr *addr);
