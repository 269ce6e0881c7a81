#include "pace.h"

#include "phusong/time.h"

#include <stddef.h>

static const struct phu_option options[] = {
    {.name = "confirm_interval",
     .type = PHU_OPTION_DURATION,
     .offset = offsetof(struct phu_pace, confirm_interval_ns),
     .fallback = "1s",
     .min = "100ms",
     .max = "60s",
     .meaning = "from one confirmation to the next, once a probe is lost or late"},
    {.name = "confirm_probes",
     .type = PHU_OPTION_INT,
     .offset = offsetof(struct phu_pace, confirm_probes),
     .fallback = "3",
     .min = "0",
     .max = "10",
     .meaning = "so many confirmations, each sent twice when it is not answered within 50 ms; "
                "0: none, lost probes alone decide"},
    {.name = "confirm_timeout",
     .type = PHU_OPTION_DURATION,
     .offset = offsetof(struct phu_pace, confirm_timeout_ns),
     .fallback = "700ms",
     .min = "50ms",
     .max = "10s",
     .meaning = "how long a confirmation's answer is waited for, unless the check's own timeout is "
                "shorter; doubled as often as a slow subject needs"},
    {.name = "confirm_rate",
     .type = PHU_OPTION_INT,
     .offset = offsetof(struct phu_pace, confirm_rate),
     .fallback = "2000",
     .min = "10",
     .max = "100000",
     .meaning =
         "confirmations of all subjects together a second, at most; the rest waits its turn"},
    {.name = "flap_changes",
     .type = PHU_OPTION_INT,
     .offset = offsetof(struct phu_pace, flap_changes),
     .fallback = "6",
     .min = "2",
     .max = "100",
     .meaning = "more changes than this within flap_window make a subject flapping: it is held at "
                "the worst of its states"},
    {.name = "flap_window",
     .type = PHU_OPTION_DURATION,
     .offset = offsetof(struct phu_pace, flap_window_ns),
     .fallback = "10m",
     .min = "1m",
     .max = "24h",
     .meaning = "how long a change counts"},
    {.name = "flap_quiet",
     .type = PHU_OPTION_DURATION,
     .offset = offsetof(struct phu_pace, flap_quiet_ns),
     .fallback = "5m",
     .min = "10s",
     .max = "24h",
     .meaning = "without a change for so long, a subject flaps no more"},
};

const struct phu_option_table phu_pace_options = {
    .options = options, .count = sizeof options / sizeof *options, .size = sizeof(struct phu_pace)};

const struct phu_pace phu_pace_default = {.confirm_interval_ns = PHU_NS_PER_S,
                                          .confirm_probes = 3,
                                          .confirm_timeout_ns = 700 * PHU_NS_PER_MS,
                                          .confirm_rate = 2000,
                                          .flap_changes = 6,
                                          .flap_window_ns = 600 * PHU_NS_PER_S,
                                          .flap_quiet_ns = 300 * PHU_NS_PER_S};
