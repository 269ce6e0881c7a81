/* Pace: how fast a suspicion is confirmed, and from when on a subject is flapping. One for the
 * whole agent (section `states` of the configuration).
 */
#pragma once

#include "phusong/conf.h"

#include <stdint.h>

struct phu_pace {
    int64_t confirm_interval_ns;
    int64_t confirm_probes; /* confirmations; 0: none are made */
    int64_t confirm_timeout_ns;
    int64_t confirm_rate; /* probes of confirmations a second, at most */
    int64_t flap_changes, flap_window_ns, flap_quiet_ns;
};

/* For the configuration's section `states`. */
extern const struct phu_option_table phu_pace_options;
/* As the table's defaults. */
extern const struct phu_pace phu_pace_default;
