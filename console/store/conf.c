/* Section `store` of console.yaml. */
#include "store.h"

#include "phusong/conf.h"

#include <stddef.h>

#define HOUR_NS INT64_C(3600000000000)

static void validate(const void *conf, void *context)
{
    const struct phu_store_conf *store = conf;
    const int64_t keep[] = {store->keep_minute_ns, store->keep_five_minutes_ns, store->keep_hour_ns,
                            store->keep_day_ns};
    static const char *const names[] = {"keep_minute", "keep_five_minutes", "keep_hour",
                                        "keep_day"};

    for (int i = 1; i < 4; i++)
        if (keep[i] && (!keep[i - 1] || keep[i] < keep[i - 1]))
            phu_conf_mistake(context, names[i],
                             "is shorter than %s; a coarser resolution is made from the finer one "
                             "and must be kept at least as long",
                             names[i - 1]);
    if (store->keep_minute_ns && store->keep_minute_ns < 24 * HOUR_NS)
        phu_conf_mistake(context, "keep_minute", "must be at least 1d, or 0s for ever");
}

static const struct phu_option options[] = {
    {.name = "path",
     .type = PHU_OPTION_PATH,
     .offset = offsetof(struct phu_store_conf, path),
     .fallback = "",
     .meaning = "the file, made when there is none; on a disk with room for all that is kept; "
                "empty: store.db in state_dir"},
    {.name = "keep_minute",
     .type = PHU_OPTION_DURATION,
     .offset = offsetof(struct phu_store_conf, keep_minute_ns),
     .fallback = "7d",
     .min = "0s",
     .max = "36500d",
     .meaning = "how long windows are kept as they came; 0s: for ever"},
    {.name = "keep_five_minutes",
     .type = PHU_OPTION_DURATION,
     .offset = offsetof(struct phu_store_conf, keep_five_minutes_ns),
     .fallback = "90d",
     .min = "0s",
     .max = "36500d",
     .meaning = "how long sums of five minutes are kept; what comes later than this is refused"},
    {.name = "keep_hour",
     .type = PHU_OPTION_DURATION,
     .offset = offsetof(struct phu_store_conf, keep_hour_ns),
     .fallback = "400d",
     .min = "0s",
     .max = "36500d",
     .meaning = "how long sums of an hour are kept: thirteen months"},
    {.name = "keep_day",
     .type = PHU_OPTION_DURATION,
     .offset = offsetof(struct phu_store_conf, keep_day_ns),
     .fallback = "0s",
     .min = "0s",
     .max = "36500d",
     .meaning = "how long sums of a day are kept; 0s: for ever"},
    {.name = "keep_events",
     .type = PHU_OPTION_DURATION,
     .offset = offsetof(struct phu_store_conf, keep_events_ns),
     .fallback = "0s",
     .min = "0s",
     .max = "36500d",
     .meaning = "how long events that are over and changes of state are kept; 0s: for ever"},
    {.name = "zone_offset",
     .type = PHU_OPTION_DURATION,
     .offset = offsetof(struct phu_store_conf, zone_offset_ns),
     .fallback = "7h",
     .min = "0s",
     .max = "14h",
     .meaning = "how far local time is ahead of UTC, for where days begin; fixed once a store has "
                "been made"},
    {.name = "min_free",
     .type = PHU_OPTION_SIZE,
     .offset = offsetof(struct phu_store_conf, min_free_bytes),
     .fallback = "256MiB",
     .min = "0B",
     .max = "1048576GiB",
     .meaning = "with less room on its disk nothing is taken until there is more"},
    {.name = "max_journal",
     .type = PHU_OPTION_SIZE,
     .offset = offsetof(struct phu_store_conf, max_journal_bytes),
     .fallback = "48MiB",
     .min = "1MiB",
     .max = "1GiB",
     .meaning = "windows of this size are packed before their hour is over; while packing they "
                "stand in memory"},
    {.name = "max_series",
     .type = PHU_OPTION_INT,
     .offset = offsetof(struct phu_store_conf, max_series),
     .fallback = "2000000",
     .min = "1000",
     .max = "100000000",
     .meaning = "most sets of tags; each takes 80 bytes of memory"},
};

const struct phu_option_table phu_store_options = {
    .options = options,
    .count = sizeof options / sizeof *options,
    .size = sizeof(struct phu_store_conf),
    .validate = validate,
};
