#include "parts.h"

#include "feed.h"

#include "phusong/collector.h"
#include "phusong/exporter.h"
#include "phusong/spool.h"

const struct phu_config_parts phu_parts = {
    .collectors = phu_collectors,
    .exporters = phu_exporters,
    .spool = &phu_spool_options,
    .feed = &phu_feed_options,
};
