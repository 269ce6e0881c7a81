#include "maintenance.h"

#include "inventory.h"
#include "topology.h"

#include <string.h>

static void mark_subtree(const struct phu_topology *topology, uint32_t node, bool *marks)
{
    memset(marks + node, true, topology->nodes[node].size);
}

static bool is_in_area(const struct phu_inventory *inventory, uint32_t area, uint32_t wanted)
{
    while (area != PHU_INVENTORY_NONE && area != wanted)
        area = inventory->areas[area].parent;
    return area == wanted;
}

/* A site below a site hangs on it. */
static bool is_at_site(const struct phu_inventory *inventory, uint32_t site, uint32_t wanted)
{
    while (site != PHU_INVENTORY_NONE && site != wanted)
        site = inventory->sites[site].parent;
    return site == wanted;
}

static void mark_area(const struct phu_inventory *inventory, const struct phu_topology *topology,
                      uint32_t area, bool *marks)
{
    for (uint32_t i = 0; i < inventory->endpoint_count; i++) {
        if (is_in_area(inventory, inventory->endpoints[i].hamlet, area))
            marks[topology->endpoints[i]] = true;
    }
    for (uint32_t i = 0; i < inventory->device_count; i++) {
        uint32_t site = inventory->devices[i].site;

        if (site != PHU_INVENTORY_NONE && is_in_area(inventory, inventory->sites[site].area, area))
            marks[topology->devices[i]] = true;
    }
}

static void mark_site(const struct phu_inventory *inventory, const struct phu_topology *topology,
                      uint32_t site, bool *marks)
{
    for (uint32_t i = 0; i < inventory->device_count; i++) {
        uint32_t node = topology->devices[i], above = topology->nodes[node].parent;

        if (!is_at_site(inventory, inventory->devices[i].site, site))
            continue;
        mark_subtree(topology, node, marks);
        if (topology->nodes[above].kind == PHU_NODE_SITE && topology->nodes[above].record == site)
            mark_subtree(topology, above, marks);
    }
}

static void mark_window(const struct phu_inventory *inventory, const struct phu_topology *topology,
                        const struct phu_maintenance *window, bool *marks)
{
    switch ((enum phu_scope)window->scope) {
    case PHU_SCOPE_AREA:
    case PHU_SCOPE_HAMLET:
        mark_area(inventory, topology, window->record, marks);
        break;
    case PHU_SCOPE_SITE:
        mark_site(inventory, topology, window->record, marks);
        break;
    case PHU_SCOPE_DEVICE:
        mark_subtree(topology, topology->devices[window->record], marks);
        break;
    case PHU_SCOPE_ENDPOINT:
        marks[topology->endpoints[window->record]] = true;
        break;
    }
}

void phu_maintenance_mark(const struct phu_inventory *inventory,
                          const struct phu_topology *topology, struct phu_wall now, bool *marks)
{
    memset(marks, 0, topology->count * sizeof *marks);
    for (uint32_t i = 0; i < inventory->maintenance_count; i++) {
        const struct phu_maintenance *window = &inventory->maintenance[i];

        if (window->from_ns <= now.ns && now.ns < window->to_ns)
            mark_window(inventory, topology, window, marks);
    }
}

bool phu_maintenance_next(const struct phu_inventory *inventory, struct phu_wall now,
                          struct phu_wall *next)
{
    next->ns = INT64_MAX;
    for (uint32_t i = 0; i < inventory->maintenance_count; i++) {
        const struct phu_maintenance *window = &inventory->maintenance[i];

        if (window->from_ns > now.ns && window->from_ns < next->ns)
            next->ns = window->from_ns;
        if (window->to_ns > now.ns && window->to_ns < next->ns)
            next->ns = window->to_ns;
    }
    return next->ns != INT64_MAX;
}
