/* Events and states of nodes as lines, and what they are called. */
#pragma once

#include "core/outage.h"
#include "core/topology.h"
#include "outages_file.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct phu_outage_place {
    const struct phu_topology *topology;
    const struct phu_inventory *inventory;
    const char *agent;
    uint32_t node;
};

/* "uplink", "device" …; "node" when this node itself is to blame. */
const char *phu_outage_kind(const struct phu_outage_event *event, enum phu_node_kind kind);

/* What stays the same for the life of the event: root, kind, name, and the tags of its lines. */
void phu_outage_describe(const struct phu_outage_place *place, const struct phu_outage_event *event,
                         struct phu_outage_record *record);
void phu_outage_list_hamlets(const struct phu_outage_place *place,
                             const struct phu_outage_event *event,
                             struct phu_outage_record *record);

/* Both: the length, or a negative errno (phu_line_end()). */
ssize_t phu_outage_line(const struct phu_outage_record *record, const char *agent,
                        struct phu_wall at, char *buffer, size_t size);
ssize_t phu_outage_state_line(const struct phu_outage_place *place, enum phu_state state,
                              bool is_in_maintenance, struct phu_wall at, char *buffer,
                              size_t size);
