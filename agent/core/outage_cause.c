/* Causes, from the evidence, by one table: the first row whose conditions all hold says it
 * (docs/states.md shows the same table). */
#include "outage_internal.h"

#include <errno.h>
#include <string.h>

static const char *const names[PHU_CAUSE_COUNT] = {
    [PHU_CAUSE_UNKNOWN] = "unknown",
    [PHU_CAUSE_POWER] = "power",
    [PHU_CAUSE_FIBRE_CUT] = "fibre_cut",
    [PHU_CAUSE_BACKHAUL] = "backhaul",
    [PHU_CAUSE_SINGLE_LINE] = "single_line",
    [PHU_CAUSE_RADIO] = "radio",
    [PHU_CAUSE_NODE] = "node",
};

const char *phu_cause_name(enum phu_cause cause)
{
    return (unsigned)cause < PHU_CAUSE_COUNT ? names[cause] : "?";
}

int phu_cause_find(const char *name)
{
    for (int i = 0; i < PHU_CAUSE_COUNT; i++) {
        if (strcmp(names[i], name) == 0)
            return i;
    }
    return -EINVAL;
}

/* -- Evidence --------------------------------------------------------------------------------- */

enum evidence {
    HERE = 1 << 0,    /* this node cannot send, or not even its gateway answers */
    MAINS = 1 << 1,   /* the root's site is on battery, or says that mains have failed */
    GASPS = 1 << 2,   /* at least half of the lines that say why, and one, had a dying gasp */
    LOSSES = 1 << 3,  /* a line lost its signal, and fewer than half had a gasp */
    CARRIES = 1 << 4, /* other devices hang on the root */
    CELLS = 1 << 5,   /* what hangs on the root is cellular */
    PARENT = 1 << 6,  /* what the root hangs on is known, and not out */
};

/* Kinds of root. */
enum {
    ON_UPLINK = 1 << PHU_NODE_AGENT,
    ON_SITE = 1 << PHU_NODE_SITE,
    ON_DEVICE = 1 << PHU_NODE_DEVICE,
    ON_PON = 1 << PHU_NODE_PON,
    ON_BRANCH = 1 << PHU_NODE_BRANCH,
    ON_ENDPOINT = 1 << PHU_NODE_ENDPOINT,
    ON_ANY = ON_SITE | ON_DEVICE | ON_PON | ON_BRANCH | ON_ENDPOINT,
};

static const struct rule {
    unsigned roots, with, without;
    enum phu_cause cause;
} rules[] = {
    {ON_UPLINK, HERE, 0, PHU_CAUSE_NODE},
    {ON_UPLINK, 0, 0, PHU_CAUSE_BACKHAUL},
    {ON_SITE | ON_DEVICE, MAINS, 0, PHU_CAUSE_POWER},
    {ON_ANY, GASPS, 0, PHU_CAUSE_POWER},
    {ON_ENDPOINT, LOSSES, 0, PHU_CAUSE_SINGLE_LINE},
    {ON_ANY, LOSSES, 0, PHU_CAUSE_FIBRE_CUT},
    {ON_SITE, 0, 0, PHU_CAUSE_BACKHAUL},
    {ON_DEVICE, CARRIES, 0, PHU_CAUSE_BACKHAUL},
    {ON_DEVICE | ON_BRANCH, CELLS, 0, PHU_CAUSE_RADIO},
    {ON_ENDPOINT, PARENT, 0, PHU_CAUSE_SINGLE_LINE},
};

static bool is_cellular(const struct phu_outage *outage, uint32_t node)
{
    const struct phu_node *tree = phu_outage_tree(outage, node);

    return tree->kind == PHU_NODE_ENDPOINT &&
           outage->inventory->endpoints[tree->record].technology != PHU_TECHNOLOGY_FIBRE;
}

/* The first endpoint speaks for all: a BTS serves no fibre. */
static unsigned what_hangs_on(const struct phu_outage *outage, uint32_t root)
{
    const struct phu_node *tree = phu_outage_tree(outage, root);
    unsigned found = 0;

    for (uint32_t i = 0; i < tree->children_count; i++) {
        uint32_t child = outage->topology->children[tree->children + i];
        enum phu_node_kind kind = phu_outage_tree(outage, child)->kind;

        if (kind == PHU_NODE_DEVICE || kind == PHU_NODE_SITE)
            found |= CARRIES;
        else if (is_cellular(outage, kind == PHU_NODE_BRANCH ? child + 1 : child))
            found |= CELLS;
        if (i == 15)
            break; /* enough to know */
    }
    return found;
}

static bool has_lost_mains(const struct phu_outage *outage, uint32_t root)
{
    uint32_t site = phu_topology_site(outage->topology, outage->inventory, root);

    return site != PHU_INVENTORY_NONE && outage->power[site];
}

static unsigned evidence_of(const struct phu_outage *outage, const struct phu_outage_entry *entry)
{
    uint32_t root = entry->shown.root, parent = phu_outage_tree(outage, root)->parent;
    unsigned found = root == PHU_NODE_UPLINK ? 0 : what_hangs_on(outage, root);

    if (outage->reference == PHU_REFERENCE_OUT_HERE || outage->reference == PHU_REFERENCE_LOCAL)
        found |= HERE;
    if (has_lost_mains(outage, root))
        found |= MAINS;
    if (entry->gasps > 0 && entry->gasps * 2 >= entry->gasps + entry->losses)
        found |= GASPS;
    else if (entry->losses > 0)
        found |= LOSSES;
    if (parent != PHU_NODE_NONE && parent != PHU_NODE_UPLINK && !outage->nodes[parent].is_out)
        found |= PARENT;
    return found;
}

enum phu_cause phu_outage_cause(const struct phu_outage *outage,
                                const struct phu_outage_entry *entry)
{
    unsigned kind = 1u << phu_outage_tree(outage, entry->shown.root)->kind;
    unsigned found = evidence_of(outage, entry);

    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++) {
        if ((rules[i].roots & kind) && (found & rules[i].with) == rules[i].with &&
            !(found & rules[i].without))
            return rules[i].cause;
    }
    return PHU_CAUSE_UNKNOWN;
}
