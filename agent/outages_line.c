#include "outages_line.h"

#include "core/inventory.h"
#include "mem.h"
#include "phusong/point.h"
#include "subjects.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *phu_outage_kind(const struct phu_outage_event *event, enum phu_node_kind kind)
{
    return event->is_local ? "node" : phu_node_kind_name(kind);
}

/* -- What a node is called -------------------------------------------------------------------- */

static void id_of(const struct phu_outage_place *place, char id[PHU_NODE_ID_SIZE])
{
    if (place->node == PHU_NODE_UPLINK)
        snprintf(id, PHU_NODE_ID_SIZE, "%s", place->agent);
    else
        phu_topology_id(place->topology, place->inventory, place->node, id);
}

static const char *site_name(const struct phu_outage_place *place)
{
    uint32_t site = phu_topology_site(place->topology, place->inventory, place->node);

    return site == PHU_INVENTORY_NONE
               ? ""
               : phu_inventory_text(place->inventory, place->inventory->sites[site].name);
}

static char *name_of_endpoint(const struct phu_outage_place *place, uint32_t record)
{
    const struct phu_inventory *inventory = place->inventory;
    const struct phu_endpoint *endpoint = &inventory->endpoints[record];
    const char *hamlet =
        endpoint->hamlet == PHU_INVENTORY_NONE
            ? ""
            : phu_inventory_text(inventory, inventory->areas[endpoint->hamlet].name);
    char *name;

    if (asprintf(&name, "%s, %s %s", hamlet,
                 phu_technology_name((enum phu_technology)endpoint->technology),
                 phu_inventory_text(inventory, endpoint->operator_name)) < 0)
        abort();
    return name;
}

/* A place is what people know; the id stands in `root`. */
static char *name_of(const struct phu_outage_place *place)
{
    const struct phu_node *node = &place->topology->nodes[place->node];
    const char *site = site_name(place);
    char id[PHU_NODE_ID_SIZE], *name;

    if (node->kind == PHU_NODE_ENDPOINT)
        return name_of_endpoint(place, node->record);
    if (node->kind == PHU_NODE_SITE)
        return phu_mem_strdup(site);
    id_of(place, id);
    if (asprintf(&name, "%s%s%s", id, *site ? ", " : "", site) < 0)
        abort();
    return name;
}

static struct phu_subject subject_of(const struct phu_outage_place *place)
{
    const struct phu_node *node = &place->topology->nodes[place->node];

    switch ((enum phu_node_kind)node->kind) {
    case PHU_NODE_AGENT:
        break;
    case PHU_NODE_SITE:
        return phu_subject_of_site(place->inventory, node->record);
    case PHU_NODE_DEVICE:
    case PHU_NODE_PON:
    case PHU_NODE_BRANCH:
        return phu_subject_of_device(place->inventory, node->record);
    case PHU_NODE_ENDPOINT:
        return phu_subject_of_endpoint(place->inventory, node->record);
    }
    return (struct phu_subject){0};
}

static void add_tag(struct phu_line *line, const char *name, const char *value)
{
    if (value)
        phu_line_tag(line, name, value);
}

static char *key_of(const struct phu_outage_place *place, const struct phu_outage_event *event,
                    const struct phu_outage_record *record)
{
    const struct phu_subject subject = subject_of(place);
    bool is_device = place->topology->nodes[place->node].kind == PHU_NODE_DEVICE ||
                     place->topology->nodes[place->node].kind == PHU_NODE_PON ||
                     place->topology->nodes[place->node].kind == PHU_NODE_BRANCH;
    char buffer[4096];
    struct phu_line line;
    ssize_t length;

    phu_line_begin(&line, buffer, sizeof buffer, "event");
    phu_line_tag(&line, "agent", place->agent);
    phu_line_tag(&line, "cause", phu_cause_name(event->cause));
    add_tag(&line, "commune", subject.commune);
    add_tag(&line, "device", is_device ? subject.id : NULL);
    add_tag(&line, "hamlet", subject.hamlet);
    phu_line_tag(&line, "kind", phu_outage_kind(event, record->kind));
    add_tag(&line, "operator", subject.operator);
    phu_line_tag(&line, "root", record->root);
    add_tag(&line, "site", subject.site);
    add_tag(&line, "technology", subject.technology);
    length = phu_line_key(&line);
    return length < 0 ? phu_mem_strdup("event,") : phu_mem_strndup(buffer, (size_t)length);
}

void phu_outage_describe(const struct phu_outage_place *place, const struct phu_outage_event *event,
                         struct phu_outage_record *record)
{
    record->kind = (enum phu_node_kind)place->topology->nodes[place->node].kind;
    id_of(place, record->root);
    record->name = name_of(place);
    for (char *at = record->name; (at = strpbrk(at, "\t\n")); at++)
        *at = ' '; /* the file's separators */
    record->key = key_of(place, event, record);
}

void phu_outage_list_hamlets(const struct phu_outage_place *place,
                             const struct phu_outage_event *event, struct phu_outage_record *record)
{
    const struct phu_inventory *inventory = place->inventory;
    char text[PHU_OUTAGE_HAMLETS_LISTED * 66];
    size_t used = 0;

    text[0] = '\0';
    for (uint32_t i = 0; i < event->listed_count; i++)
        used +=
            (size_t)snprintf(text + used, sizeof text - used, "%s%s", i ? " " : "",
                             phu_inventory_text(inventory, inventory->areas[event->listed[i]].id));
    free(record->hamlets);
    record->hamlets = phu_mem_strdup(text);
}

/* -- Lines ------------------------------------------------------------------------------------ */

ssize_t phu_outage_line(const struct phu_outage_record *record, const char *agent,
                        struct phu_wall at, char *buffer, size_t size)
{
    const struct phu_outage_event *event = &record->event;
    char id[PHU_NODE_ID_SIZE + 160];
    struct phu_line line;

    snprintf(id, sizeof id, "%.100s:%s:%" PRId64, agent, record->root, event->id_ns);
    phu_line_begin_key(&line, buffer, size, record->key, strlen(record->key));
    phu_line_string(&line, "id", id);
    phu_line_int_literal(&line, "active", event->is_active);
    phu_line_int_literal(&line, "inferred", event->is_inferred);
    phu_line_int_literal(&line, "hamlets", event->hamlets);
    phu_line_int_literal(&line, "households", event->households);
    phu_line_int_literal(&line, "endpoints", event->endpoints);
    phu_line_int_literal(&line, "begin_ms", event->begin_ns / PHU_NS_PER_MS);
    if (!event->is_active)
        phu_line_int_literal(&line, "end_ms", event->end_ns / PHU_NS_PER_MS);
    phu_line_int_literal(&line, "flapping", event->is_flapping);
    phu_line_int_literal(&line, "maintenance", event->is_maintenance);
    if (event->is_merged)
        phu_line_int_literal(&line, "merged", 1);
    phu_line_string(&line, "refined", phu_cause_name(event->refined));
    phu_line_string(&line, "hamlet_ids", record->hamlets);
    phu_line_string(&line, "name", record->name);
    return phu_line_end(&line, at);
}

ssize_t phu_outage_state_line(const struct phu_outage_place *place, enum phu_state state,
                              bool is_in_maintenance, struct phu_wall at, char *buffer, size_t size)
{
    enum phu_node_kind kind = (enum phu_node_kind)place->topology->nodes[place->node].kind;
    char id[PHU_NODE_ID_SIZE];
    struct phu_line line;

    id_of(place, id);
    phu_line_begin(&line, buffer, size, "state");
    phu_line_tag(&line, "agent", place->agent);
    phu_line_tag(&line, "kind", phu_node_kind_name(kind));
    phu_line_tag(&line, "node", id);
    phu_line_int_literal(&line, "code", state);
    phu_line_int_literal(&line, "flapping", 0);
    phu_line_int_literal(&line, "maintenance", is_in_maintenance);
    return phu_line_end(&line, at);
}
