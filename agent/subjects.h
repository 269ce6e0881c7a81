/* From a check of the inventory to what the monitor and the collector are told about it. */
#pragma once

#include "monitor.h"
#include "phusong/collector.h"

#include <stdint.h>

struct phu_config;
struct phu_inventory;

/* Texts are borrowed from the inventory, options and collector from the configuration. */
void phu_subject_describe(const struct phu_config *config, const struct phu_inventory *inventory,
                          uint32_t check, struct phu_monitor_check *monitored,
                          struct phu_check_spec *spec);

/* What the device of a check serves, in memory that the next call uses again. */
struct phu_served_room {
    struct phu_served *items;
    size_t size;
};
/* Sets served and served_count of the spec: one entry for each row that is named, nothing for
 * checks of endpoints, and for collectors that have no rows. */
void phu_subject_serve(const struct phu_config *config, const struct phu_inventory *inventory,
                       uint32_t check, struct phu_served_room *room, struct phu_check_spec *spec);
void phu_served_room_fini(struct phu_served_room *room);

/* The tags of an endpoint. */
struct phu_subject phu_subject_of_device(const struct phu_inventory *inventory, uint32_t device);
/* Those of its place alone. */
struct phu_subject phu_subject_of_site(const struct phu_inventory *inventory, uint32_t site);
struct phu_subject phu_subject_of_endpoint(const struct phu_inventory *inventory,
                                           uint32_t endpoint);
