/* The topology: what depends on what, as a tree made from the inventory.
 *
 *     endpoint > PON > OLT > site > aggregation > … > uplink
 *     endpoint > CPE > technology of a BTS > BTS > site > aggregation > … > uplink
 *
 * Endpoints and devices stand in the inventory; the nodes between them are worked out:
 * - a PON, from the row of its device that serves a fibre endpoint: 0/1/3 of "0/1/3:5";
 * - a branch: the endpoints of one technology that hang on a device by no PON;
 * - a site, where several devices hang on the same device outside it (or on none);
 * - the uplink, node 0, on which everything hangs.
 * None of these is checked; that they are out is inferred (outage.h). An ONU is not a node of its
 * own: a row serves one endpoint, so the endpoint stands for it.
 *
 * Nodes are numbered in preorder: what depends on node n has the numbers n + 1 to n + size - 1.
 * Immutable, 24 bytes per node, and 8 per endpoint and device to find them.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct phu_inventory;

#define PHU_NODE_NONE UINT32_MAX
#define PHU_NODE_UPLINK 0

enum phu_node_kind {
    PHU_NODE_AGENT, /* the uplink of this node of ours */
    PHU_NODE_SITE,
    PHU_NODE_DEVICE,
    PHU_NODE_PON,
    PHU_NODE_BRANCH, /* endpoints of one technology of a device */
    PHU_NODE_ENDPOINT,
};

const char *phu_node_kind_name(enum phu_node_kind kind); /* "uplink", "site", "device", "pon" … */

struct phu_node {
    uint32_t parent;                   /* NONE: the uplink */
    uint32_t size;                     /* of the subtree, the node itself included */
    uint32_t children, children_count; /* run of topology->children */
    uint32_t record; /* endpoint, device or site of the inventory; of a PON or branch: its device */
    uint32_t name : 29; /* PON: offset in topology->names; branch: its technology */
    uint32_t kind : 3;
};

struct phu_topology {
    struct phu_node *nodes;
    uint32_t count;
    uint32_t *children;
    uint32_t *endpoints, *devices; /* their nodes, by record of the inventory */
    uint32_t endpoint_count, device_count;
    char *names;
    size_t names_bytes;
};

void phu_topology_init(struct phu_topology *topology, const struct phu_inventory *inventory);
void phu_topology_fini(struct phu_topology *topology);

/* Does `node` depend on `above`, or is it the same? */
static inline bool phu_topology_is_within(const struct phu_topology *topology, uint32_t node,
                                          uint32_t above)
{
    return node - above < topology->nodes[above].size && node >= above;
}

/* The id that tags carry: "olt-1/0/1/3", "bts-1/4g", or the inventory's. "" for the uplink. */
#define PHU_NODE_ID_SIZE 160
void phu_topology_id(const struct phu_topology *topology, const struct phu_inventory *inventory,
                     uint32_t node, char id[PHU_NODE_ID_SIZE]);
/* The node of that id and kind, or NONE. */
uint32_t phu_topology_find(const struct phu_topology *topology,
                           const struct phu_inventory *inventory, enum phu_node_kind kind,
                           const char *id);
/* The site that the node stands at, or PHU_INVENTORY_NONE: that of its device. */
uint32_t phu_topology_site(const struct phu_topology *topology,
                           const struct phu_inventory *inventory, uint32_t node);

/* The PON in the name of an ONU's row: the length of "0/1/3" in "0/1/3:5", or 0 when it names none.
 */
size_t phu_topology_pon_length(const char *row);
