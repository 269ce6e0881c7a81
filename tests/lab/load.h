/* `phusong-lab load`: sends echo requests at a steady pace to as many addresses as wanted, and says
 * what came back. To find out what the lab bears on a machine. */
#pragma once

#include "addr.h"

#include <stdio.h>

struct lab_load {
    struct lab_prefix prefix; /* IPv4; requests go to its addresses in turn */
    uint64_t hosts;
    uint64_t rate; /* requests a second */
    int64_t length_ns;
    int64_t patience_ns; /* for replies after the last request */
    bool is_realtime;    /* so that a busy machine does not slow the sender down */
};

struct lab_load_result {
    uint64_t sent;
    uint64_t refused; /* by the kernel */
    uint64_t answered;
    uint64_t rtt_us[3]; /* p50, p95, p99 */
};

int lab_load_run(const struct lab_load *load, struct lab_load_result *result,
                 struct lab_error *err);
