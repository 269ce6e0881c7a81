#include "outage.h"

#include "phusong/conf.h"

static const struct phu_option options[] = {
    {.name = "hold",
     .type = PHU_OPTION_DURATION,
     .offset = offsetof(struct phu_outage_conf, hold_ns),
     .fallback = "3s",
     .min = "0s",
     .max = "5m",
     .meaning = "how long what is down waits at most for the verdict of what it hangs on: about "
                "one confirmation cycle"},
    {.name = "spread",
     .type = PHU_OPTION_DURATION,
     .offset = offsetof(struct phu_outage_conf, spread_ns),
     .fallback = "15s",
     .min = "1s",
     .max = "1h",
     .meaning = "what fails within it fails together: the checks' interval and one confirmation "
                "cycle"},
    {.name = "merge",
     .type = PHU_OPTION_DURATION,
     .offset = offsetof(struct phu_outage_conf, merge_ns),
     .fallback = "30s",
     .min = "0s",
     .max = "1h",
     .meaning = "an event that began so shortly before one of what it hangs on becomes a part of "
                "that; devices by SNMP are slower to be known as down than endpoints"},
    {.name = "share",
     .type = PHU_OPTION_SHARE,
     .offset = offsetof(struct phu_outage_conf, share),
     .fallback = "80%",
     .min = "50%",
     .max = "100%",
     .meaning = "of what hangs on a PON, branch, site or silent device that must fail together for "
                "it to be taken as the cause"},
    {.name = "least",
     .type = PHU_OPTION_INT,
     .offset = offsetof(struct phu_outage_conf, least),
     .fallback = "3",
     .min = "2",
     .max = "1000",
     .meaning = "and so many at least; of a site two devices are enough"},
};

const struct phu_option_table phu_outage_options =
    PHU_OPTION_TABLE(options, struct phu_outage_conf);
