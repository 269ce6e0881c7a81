/* The options that every destination has, whatever its kind. */
#include "feed.h"

#include "phusong/conf.h"

#include <stddef.h>

static void validate(const void *pointer, void *context)
{
    const struct phu_feed_conf *conf = pointer;

    if (conf->retry_min_ns > conf->retry_max_ns)
        phu_conf_mistake(context, "retry_min", "retry_min must not be longer than retry_max");
}

static const struct phu_option feed_options[] = {
    {.name = "batch_lines",
     .type = PHU_OPTION_INT,
     .offset = offsetof(struct phu_feed_conf, batch_lines),
     .fallback = "5000",
     .min = "1",
     .max = "100000",
     .meaning = "most lines in one request"},
    {.name = "batch_bytes",
     .type = PHU_OPTION_SIZE,
     .offset = offsetof(struct phu_feed_conf, batch_bytes),
     .fallback = "1MiB",
     .min = "1KiB",
     .max = "16MiB",
     .meaning = "most bytes of lines in one request, before compression"},
    {.name = "batch_age",
     .type = PHU_OPTION_DURATION,
     .offset = offsetof(struct phu_feed_conf, batch_age_ns),
     .fallback = "1s",
     .min = "0s",
     .max = "10m",
     .meaning = "how long lines wait for a request to fill up"},
    {.name = "concurrency",
     .type = PHU_OPTION_INT,
     .offset = offsetof(struct phu_feed_conf, concurrency),
     .fallback = "2",
     .min = "1",
     .max = "16",
     .meaning = "most requests in flight to this destination"},
    {.name = "retry_min",
     .type = PHU_OPTION_DURATION,
     .offset = offsetof(struct phu_feed_conf, retry_min_ns),
     .fallback = "1s",
     .min = "10ms",
     .max = "1h",
     .meaning = "longest pause after the first failure; doubled by each further one"},
    {.name = "retry_max",
     .type = PHU_OPTION_DURATION,
     .offset = offsetof(struct phu_feed_conf, retry_max_ns),
     .fallback = "5m",
     .min = "10ms",
     .max = "1d",
     .meaning = "longest pause after many failures; each pause is drawn between 0 and that"},
    {.name = "hold_retry",
     .type = PHU_OPTION_DURATION,
     .offset = offsetof(struct phu_feed_conf, hold_retry_ns),
     .fallback = "1m",
     .min = "100ms",
     .max = "1d",
     .meaning = "pace of attempts while the destination does not accept our credentials, or "
                "refuses every line"},
    {.name = "live_after",
     .type = PHU_OPTION_DURATION,
     .offset = offsetof(struct phu_feed_conf, live_after_ns),
     .fallback = "10m",
     .min = "1s",
     .max = "30d",
     .meaning = "outage after which live data go first and the backlog beside them"},
    {.name = "backfill_share",
     .type = PHU_OPTION_SHARE,
     .offset = offsetof(struct phu_feed_conf, backfill_share),
     .fallback = "25%",
     .min = "1%",
     .max = "90%",
     .meaning = "share of the backlog in what is sent while live data wait too"},
    {.name = "split_requests",
     .type = PHU_OPTION_INT,
     .offset = offsetof(struct phu_feed_conf, split_requests),
     .fallback = "1000",
     .min = "0",
     .max = "200000",
     .meaning = "requests spent at most on finding the refused lines of one batch; beyond that "
                "refused pieces go to the dead-letter file undivided"},
    {.name = "dead_letter_bytes",
     .type = PHU_OPTION_SIZE,
     .offset = offsetof(struct phu_feed_conf, dead_letter_bytes),
     .fallback = "64MiB",
     .min = "64KiB",
     .max = "64GiB",
     .meaning = "room for refused lines; beyond that the oldest quarter is removed"},
};

const struct phu_option_table phu_feed_options = {
    .options = feed_options,
    .count = sizeof feed_options / sizeof *feed_options,
    .size = sizeof(struct phu_feed_conf),
    .validate = validate,
};
