/* The file's shape: one option table put together from the parts' tables. Private to
 * agent/config*.c and the subcommands that print it.
 */
#pragma once

#include "config.h"

struct phu_config_check_common {
    char *name, *argument;
    int64_t interval_ns, timeout_ns;
};

struct phu_config_exporter_common {
    char *name;
};

/* Head of the struct that the root table fills; the collectors' and the spool's follow. */
struct phu_config_root {
    struct phu_config_agent agent;
    struct phu_config_log log;
    struct phu_pace states;
    struct phu_config_references references;
    struct phu_outage_conf outages;
    struct phu_list checks, quality, credentials, exporters;
};

struct phu_config_shape {
    struct phu_config_parts parts;
    size_t collector_count, exporter_count;
    struct phu_option_table root;
    struct phu_option_table collectors, quality;
    size_t collectors_offset, spool_offset; /* in the root struct; 0: not there */
    size_t *collector_offsets;              /* in the root struct; 0: has no options */
    struct phu_variants checks, exporters;
    struct phu_option *root_options, *collector_options;
    struct phu_variant_kind *check_kinds, *exporter_kinds;
    const char **check_fallbacks; /* five per collector */
    char *default_checks, *default_exporters;
    void *memory; /* the root struct, once loaded */
};

struct phu_config_shape *phu_config_shape_new(const struct phu_config_parts *parts);
void phu_config_shape_free(struct phu_config_shape *shape);
