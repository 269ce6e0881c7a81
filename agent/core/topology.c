/* A draft of the tree is made first, with nodes in the order of the inventory and a parent each;
 * then it is numbered in preorder. */
#include "topology.h"

#include "inventory.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *phu_node_kind_name(enum phu_node_kind kind)
{
    switch (kind) {
    case PHU_NODE_AGENT:
        return "uplink";
    case PHU_NODE_SITE:
        return "site";
    case PHU_NODE_DEVICE:
    case PHU_NODE_BRANCH: /* a part of a device, named after it */
        return "device";
    case PHU_NODE_PON:
        return "pon";
    case PHU_NODE_ENDPOINT:
        return "endpoint";
    }
    return "?";
}

size_t phu_topology_pon_length(const char *row)
{
    const char *colon = strrchr(row, ':'), *dot = strrchr(row, '.');
    const char *end = colon ? colon : dot;

    if (strchr(row, '=') || !end || !end[1] || strspn(end + 1, "0123456789") != strlen(end + 1))
        return 0;
    return (size_t)(end - row);
}

/* -- The draft -------------------------------------------------------------------------------- */

struct draft_node {
    uint32_t parent, record, name;
    uint32_t children, next; /* first child; sibling */
    uint8_t kind;
};

struct draft {
    const struct phu_inventory *inventory;
    struct draft_node *nodes;
    uint32_t count, capacity;
    uint32_t *hung;      /* by device: the device that it hangs on, or NONE */
    uint32_t *sites;     /* by site: its node, or NONE */
    uint32_t *slots;     /* PONs and branches, by hash of device and name */
    uint32_t slot_count; /* a power of two */
    char *names;
    size_t names_bytes, names_room;
};

static void *take(void *memory)
{
    if (!memory)
        abort();
    return memory;
}

static uint32_t add_node(struct draft *draft, enum phu_node_kind kind, uint32_t parent,
                         uint32_t record, uint32_t name)
{
    if (draft->count == draft->capacity) {
        draft->capacity += draft->capacity / 2 + 64;
        draft->nodes = take(realloc(draft->nodes, draft->capacity * sizeof *draft->nodes));
    }
    draft->nodes[draft->count] = (struct draft_node){
        .parent = parent,
        .record = record,
        .name = name,
        .children = PHU_NODE_NONE,
        .next = PHU_NODE_NONE,
        .kind = (uint8_t)kind,
    };
    return draft->count++;
}

/* Nodes of devices: 1 + record. */
static uint32_t device_node(uint32_t device)
{
    return 1 + device;
}

/* Does device `a` hang on `b`, over however many? */
static bool hangs_on(const struct draft *draft, uint32_t a, uint32_t b)
{
    while (a != PHU_INVENTORY_NONE && a != b)
        a = draft->hung[a];
    return a == b;
}

/* The device that an endpoint hangs on, when both columns are given and differ: the one that is
 * further out. A device of which nothing is said hangs on what the endpoint needs besides. */
static uint32_t settle_both(struct draft *draft, uint32_t device, uint32_t parent)
{
    if (device == parent || hangs_on(draft, device, parent))
        return device;
    if (hangs_on(draft, parent, device))
        return parent;
    if (draft->hung[device] != PHU_INVENTORY_NONE)
        return parent;
    draft->hung[device] = parent;
    return device;
}

static uint32_t serving_device(struct draft *draft, const struct phu_endpoint *endpoint)
{
    if (endpoint->device == PHU_INVENTORY_NONE)
        return endpoint->parent;
    if (endpoint->parent == PHU_INVENTORY_NONE)
        return endpoint->device;
    return settle_both(draft, endpoint->device, endpoint->parent);
}

/* -- PONs and branches ------------------------------------------------------------------------ */

static uint32_t keep_name(struct draft *draft, const char *text, size_t length)
{
    size_t at = draft->names_bytes;

    if (at + length + 1 > draft->names_room) {
        draft->names_room += draft->names_room / 2 + length + 1024;
        draft->names = take(realloc(draft->names, draft->names_room));
    }
    memcpy(draft->names + at, text, length);
    draft->names[at + length] = '\0';
    draft->names_bytes += length + 1;
    return (uint32_t)at;
}

static uint32_t hash_part(uint32_t device, const char *text, size_t length)
{
    uint32_t hash = 2166136261u ^ device;

    for (size_t i = 0; i < length; i++)
        hash = (hash ^ (unsigned char)text[i]) * 16777619u;
    return hash ^ hash >> 15;
}

static bool is_part(const struct draft *draft, const struct draft_node *node, uint32_t device,
                    const char *text, size_t length)
{
    const char *name = draft->names + node->name;

    return node->record == device && strncmp(name, text, length) == 0 && name[length] == '\0';
}

/* The PON or branch of that name on the device; made when there is none. A name says which of both:
 * only those of branches are technologies. */
static uint32_t part_of_device(struct draft *draft, enum phu_node_kind kind, uint32_t device,
                               const char *text, size_t length)
{
    uint32_t slot = hash_part(device, text, length) & (draft->slot_count - 1);

    for (; draft->slots[slot]; slot = (slot + 1) & (draft->slot_count - 1)) {
        const struct draft_node *node = &draft->nodes[draft->slots[slot]];

        if (node->kind == kind && is_part(draft, node, device, text, length))
            return draft->slots[slot];
    }
    draft->slots[slot] =
        add_node(draft, kind, device_node(device), device, keep_name(draft, text, length));
    return draft->slots[slot];
}

static uint32_t parent_of_endpoint(struct draft *draft, const struct phu_endpoint *endpoint)
{
    const char *row = phu_inventory_text(draft->inventory, endpoint->index);
    const char *technology = phu_technology_name((enum phu_technology)endpoint->technology);
    uint32_t device = serving_device(draft, endpoint);
    size_t length;

    if (device == PHU_INVENTORY_NONE)
        return PHU_NODE_UPLINK;
    length = endpoint->technology == PHU_TECHNOLOGY_FIBRE && device == endpoint->device
                 ? phu_topology_pon_length(row)
                 : 0;
    if (length)
        return part_of_device(draft, PHU_NODE_PON, device, row, length);
    return part_of_device(draft, PHU_NODE_BRANCH, device, technology, strlen(technology));
}

/* -- Sites ------------------------------------------------------------------------------------ */

/* Is the device one of those by which its site hangs on the rest? */
static bool is_top(const struct draft *draft, uint32_t device)
{
    const struct phu_device *devices = draft->inventory->devices;
    uint32_t above = draft->hung[device];

    return devices[device].site != PHU_INVENTORY_NONE &&
           (above == PHU_INVENTORY_NONE || devices[above].site != devices[device].site);
}

/* What the tops of each site hang on: the first of them that says so speaks for all. */
static uint32_t *find_anchors(const struct draft *draft, uint32_t *tops)
{
    const struct phu_inventory *inventory = draft->inventory;
    uint32_t *anchors = take(malloc((inventory->site_count + 1) * sizeof *anchors));

    for (uint32_t i = 0; i < inventory->site_count; i++)
        anchors[i] = PHU_INVENTORY_NONE;
    for (uint32_t i = 0; i < inventory->device_count; i++) {
        uint32_t site = inventory->devices[i].site;

        if (is_top(draft, i) && anchors[site] == PHU_INVENTORY_NONE)
            anchors[site] = draft->hung[i];
    }
    for (uint32_t i = 0; i < inventory->device_count; i++) {
        if (is_top(draft, i) && (draft->hung[i] == PHU_INVENTORY_NONE ||
                                 draft->hung[i] == anchors[inventory->devices[i].site]))
            tops[inventory->devices[i].site]++;
    }
    return anchors;
}

/* A site is a node when several devices of it hang together. Its anchor may not be below it: then
 * it hangs on the uplink (a ring of sites). */
static void add_sites(struct draft *draft)
{
    const struct phu_inventory *inventory = draft->inventory;
    uint32_t *tops = take(calloc(inventory->site_count + 1, sizeof *tops));
    uint32_t *anchors = find_anchors(draft, tops);

    for (uint32_t i = 0; i < inventory->site_count; i++) {
        draft->sites[i] = PHU_NODE_NONE;
        if (tops[i] >= 2)
            draft->sites[i] = add_node(
                draft, PHU_NODE_SITE,
                anchors[i] == PHU_INVENTORY_NONE ? PHU_NODE_UPLINK : device_node(anchors[i]), i, 0);
    }
    for (uint32_t i = 0; i < inventory->device_count; i++) {
        uint32_t site = inventory->devices[i].site, above = draft->hung[i];

        draft->nodes[device_node(i)].parent =
            above == PHU_INVENTORY_NONE ? PHU_NODE_UPLINK : device_node(above);
        if (is_top(draft, i) && draft->sites[site] != PHU_NODE_NONE &&
            (above == PHU_INVENTORY_NONE || above == anchors[site]))
            draft->nodes[device_node(i)].parent = draft->sites[site];
    }
    free(anchors);
    free(tops);
}

/* A device of the site that hangs on nothing may itself carry what the site hangs on. */
static void cut_circles(struct draft *draft)
{
    uint32_t *walks = take(calloc(draft->count, sizeof *walks));

    for (uint32_t i = 1; i < draft->count; i++) {
        uint32_t at = i;

        while (at != PHU_NODE_UPLINK && walks[at] == 0) {
            walks[at] = i;
            at = draft->nodes[at].parent;
        }
        if (at != PHU_NODE_UPLINK && walks[at] == i) {
            while (draft->nodes[at].kind != PHU_NODE_SITE)
                at = draft->nodes[at].parent;
            draft->nodes[at].parent = PHU_NODE_UPLINK;
        }
    }
    free(walks);
}

/* -- Numbering -------------------------------------------------------------------------------- */

static void link_children(struct draft *draft)
{
    for (uint32_t i = draft->count; i-- > 1;) {
        struct draft_node *node = &draft->nodes[i], *parent = &draft->nodes[node->parent];

        node->next = parent->children;
        parent->children = i;
    }
}

static void place_node(struct phu_topology *topology, const struct draft_node *node,
                       uint32_t number, uint32_t parent)
{
    topology->nodes[number] = (struct phu_node){
        .parent = parent,
        .size = 1,
        .record = node->record,
        .name = node->name & 0x1fffffff,
        .kind = node->kind & 7,
    };
    if (node->kind == PHU_NODE_ENDPOINT)
        topology->endpoints[node->record] = number;
    else if (node->kind == PHU_NODE_DEVICE)
        topology->devices[node->record] = number;
}

/* Depth first, without recursion: the draft's own links are the way back. */
static void number_nodes(struct phu_topology *topology, const struct draft *draft)
{
    uint32_t *numbers = take(malloc(draft->count * sizeof *numbers));
    uint32_t at = 0, next = 0;

    for (;;) {
        const struct draft_node *node = &draft->nodes[at];

        numbers[at] = next;
        place_node(topology, node, next++, at ? numbers[node->parent] : PHU_NODE_NONE);
        if (node->children != PHU_NODE_NONE) {
            at = node->children;
            continue;
        }
        while (at && draft->nodes[at].next == PHU_NODE_NONE)
            at = draft->nodes[at].parent;
        if (!at)
            break;
        at = draft->nodes[at].next;
    }
    assert(next == draft->count);
    topology->count = next;
    free(numbers);
}

static void list_children(struct phu_topology *topology)
{
    uint32_t place = 0;

    for (uint32_t i = topology->count; i-- > 1;) {
        struct phu_node *node = &topology->nodes[i], *parent = &topology->nodes[node->parent];

        parent->size += node->size;
        parent->children_count++;
    }
    for (uint32_t i = 0; i < topology->count; i++) {
        topology->nodes[i].children = place;
        place += topology->nodes[i].children_count;
        topology->nodes[i].children_count = 0;
    }
    for (uint32_t i = 1; i < topology->count; i++) {
        struct phu_node *parent = &topology->nodes[topology->nodes[i].parent];

        topology->children[parent->children + parent->children_count++] = i;
    }
}

static void draft_nodes(struct draft *draft)
{
    const struct phu_inventory *inventory = draft->inventory;

    keep_name(draft, "", 0);
    draft->slot_count = 64;
    while (draft->slot_count < inventory->endpoint_count * 2)
        draft->slot_count *= 2;
    draft->slots = take(calloc(draft->slot_count, sizeof *draft->slots));
    draft->hung = take(malloc((inventory->device_count + 1) * sizeof *draft->hung));
    draft->sites = take(malloc((inventory->site_count + 1) * sizeof *draft->sites));
    add_node(draft, PHU_NODE_AGENT, PHU_NODE_NONE, PHU_INVENTORY_NONE, 0);
    for (uint32_t i = 0; i < inventory->device_count; i++) {
        draft->hung[i] = inventory->devices[i].parent;
        add_node(draft, PHU_NODE_DEVICE, PHU_NODE_UPLINK, i, 0);
    }
    for (uint32_t i = 0; i < inventory->endpoint_count; i++)
        add_node(draft, PHU_NODE_ENDPOINT, parent_of_endpoint(draft, &inventory->endpoints[i]), i,
                 0);
    add_sites(draft);
    cut_circles(draft);
    link_children(draft);
}

void phu_topology_init(struct phu_topology *topology, const struct phu_inventory *inventory)
{
    struct draft draft = {.inventory = inventory};

    draft_nodes(&draft);
    *topology = (struct phu_topology){
        .nodes = take(calloc(draft.count, sizeof(struct phu_node))),
        .children = take(calloc(draft.count, sizeof(uint32_t))),
        .endpoints = take(calloc(inventory->endpoint_count + 1, sizeof(uint32_t))),
        .devices = take(calloc(inventory->device_count + 1, sizeof(uint32_t))),
        .endpoint_count = inventory->endpoint_count,
        .device_count = inventory->device_count,
        .names = draft.names,
        .names_bytes = draft.names_bytes,
    };
    number_nodes(topology, &draft);
    list_children(topology);
    free(draft.nodes);
    free(draft.hung);
    free(draft.sites);
    free(draft.slots);
}

void phu_topology_fini(struct phu_topology *topology)
{
    free(topology->nodes);
    free(topology->children);
    free(topology->endpoints);
    free(topology->devices);
    free(topology->names);
    *topology = (struct phu_topology){0};
}

/* -- Ids -------------------------------------------------------------------------------------- */

void phu_topology_id(const struct phu_topology *topology, const struct phu_inventory *inventory,
                     uint32_t node, char id[PHU_NODE_ID_SIZE])
{
    const struct phu_node *record = &topology->nodes[node];
    const char *text = "", *part = "";

    switch ((enum phu_node_kind)record->kind) {
    case PHU_NODE_AGENT:
        break;
    case PHU_NODE_SITE:
        text = phu_inventory_text(inventory, inventory->sites[record->record].id);
        break;
    case PHU_NODE_PON:
    case PHU_NODE_BRANCH:
        part = topology->names + record->name;
        text = phu_inventory_text(inventory, inventory->devices[record->record].id);
        break;
    case PHU_NODE_DEVICE:
        text = phu_inventory_text(inventory, inventory->devices[record->record].id);
        break;
    case PHU_NODE_ENDPOINT:
        text = phu_inventory_text(inventory, inventory->endpoints[record->record].id);
        break;
    }
    snprintf(id, PHU_NODE_ID_SIZE, "%s%s%s", text, *part ? "/" : "", part);
}

/* PONs and branches are children of their device. */
static uint32_t find_part(const struct phu_topology *topology,
                          const struct phu_inventory *inventory, const char *id)
{
    char device[PHU_NODE_ID_SIZE];
    const char *slash = strchr(id, '/');
    uint32_t record;
    const struct phu_node *node;

    if (!slash || (size_t)(slash - id) >= sizeof device)
        return PHU_NODE_NONE;
    memcpy(device, id, (size_t)(slash - id));
    device[slash - id] = '\0';
    record = phu_inventory_find_device(inventory, device);
    if (record == PHU_INVENTORY_NONE)
        return PHU_NODE_NONE;
    node = &topology->nodes[topology->devices[record]];
    for (uint32_t i = 0; i < node->children_count; i++) {
        uint32_t child = topology->children[node->children + i];
        enum phu_node_kind kind = topology->nodes[child].kind;

        if ((kind == PHU_NODE_PON || kind == PHU_NODE_BRANCH) &&
            strcmp(topology->names + topology->nodes[child].name, slash + 1) == 0)
            return child;
    }
    return PHU_NODE_NONE;
}

static uint32_t find_site(const struct phu_topology *topology,
                          const struct phu_inventory *inventory, const char *id)
{
    uint32_t site = phu_inventory_find_site(inventory, id);

    for (uint32_t i = 0; site != PHU_INVENTORY_NONE && i < inventory->device_count; i++) {
        uint32_t above = topology->nodes[topology->devices[i]].parent;

        if (topology->nodes[above].kind == PHU_NODE_SITE && topology->nodes[above].record == site)
            return above;
    }
    return PHU_NODE_NONE;
}

uint32_t phu_topology_find(const struct phu_topology *topology,
                           const struct phu_inventory *inventory, enum phu_node_kind kind,
                           const char *id)
{
    uint32_t record;

    switch (kind) {
    case PHU_NODE_AGENT:
        return PHU_NODE_UPLINK;
    case PHU_NODE_SITE:
        return find_site(topology, inventory, id);
    case PHU_NODE_PON:
    case PHU_NODE_BRANCH:
        return find_part(topology, inventory, id);
    case PHU_NODE_DEVICE:
        record = phu_inventory_find_device(inventory, id);
        return record == PHU_INVENTORY_NONE ? PHU_NODE_NONE : topology->devices[record];
    case PHU_NODE_ENDPOINT:
        record = phu_inventory_find_endpoint(inventory, id);
        return record == PHU_INVENTORY_NONE ? PHU_NODE_NONE : topology->endpoints[record];
    }
    return PHU_NODE_NONE;
}

uint32_t phu_topology_site(const struct phu_topology *topology,
                           const struct phu_inventory *inventory, uint32_t node)
{
    for (; node != PHU_NODE_NONE; node = topology->nodes[node].parent) {
        const struct phu_node *record = &topology->nodes[node];

        if (record->kind == PHU_NODE_SITE)
            return record->record;
        if (record->kind == PHU_NODE_DEVICE)
            return inventory->devices[record->record].site;
    }
    return PHU_INVENTORY_NONE;
}
