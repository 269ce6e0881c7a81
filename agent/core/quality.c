#include "quality.h"

#include <stddef.h>

static const struct phu_option options[] = {
    {.name = "name",
     .type = PHU_OPTION_STRING,
     .offset = offsetof(struct phu_quality, name),
     .example = "fibre",
     .meaning = "what the column profile of the inventory refers to"},
    {.name = "technology",
     .type = PHU_OPTION_STRING,
     .offset = offsetof(struct phu_quality, technology),
     .fallback = "",
     .meaning = "endpoints of this technology (fibre, 3g, 4g, 5g) take the profile by themselves"},
    {.name = "rtt_max",
     .type = PHU_OPTION_DURATION,
     .offset = offsetof(struct phu_quality, rtt_max_ns),
     .fallback = "1h",
     .min = "1ms",
     .max = "1h",
     .meaning = "a round trip above this is not good; smoothed above this, it makes degraded"},
    {.name = "loss_max",
     .type = PHU_OPTION_SHARE,
     .offset = offsetof(struct phu_quality, loss_max),
     .fallback = "100%",
     .min = "0%",
     .max = "100%",
     .meaning = "a larger share of the last loss_over probes lost makes degraded"},
    {.name = "loss_over",
     .type = PHU_OPTION_INT,
     .offset = offsetof(struct phu_quality, loss_over),
     .fallback = "20",
     .min = "1",
     .max = "64",
     .meaning = "how many of the last probes loss_max looks at"},
    {.name = "down_after",
     .type = PHU_OPTION_INT,
     .offset = offsetof(struct phu_quality, down_after),
     .fallback = "3",
     .min = "1",
     .max = "64",
     .meaning = "so many failed probes make down"},
    {.name = "down_of",
     .type = PHU_OPTION_INT,
     .offset = offsetof(struct phu_quality, down_of),
     .fallback = "0",
     .min = "0",
     .max = "64",
     .meaning = "among how many of the last probes; 0: in a row"},
    {.name = "up_after",
     .type = PHU_OPTION_INT,
     .offset = offsetof(struct phu_quality, up_after),
     .fallback = "2",
     .min = "1",
     .max = "64",
     .meaning = "so many answered probes in a row end down"},
};

static void validate(const void *conf, void *context)
{
    const struct phu_quality *quality = conf;

    if (quality->down_of && quality->down_of < quality->down_after)
        phu_conf_mistake(context, "down_of",
                         "down_of %lld is less than down_after %lld; give at least as many, or 0",
                         (long long)quality->down_of, (long long)quality->down_after);
}

const struct phu_option_table phu_quality_options = {.options = options,
                                                     .count = sizeof options / sizeof *options,
                                                     .size = sizeof(struct phu_quality),
                                                     .validate = validate};
