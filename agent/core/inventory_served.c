/* Which rows of which device serve which endpoint.
 *
 * A row serves one endpoint, so two claims of one row are a mistake. What an endpoint without a
 * claim means ("whatever is left") is clear for one such endpoint of a device; where there are
 * several, none of them is given anything.
 */
#include "inventory_load.h"

#include <stdlib.h>

struct claims {
    struct phu_inventory_loader *loader;
    struct phu_inventory_table *table;
    const struct phu_claim_origin *origins;
    uint32_t *slots; /* endpoint + 1, 0: free */
    uint32_t slot_count;
};

static bool is_claim(const struct phu_endpoint *endpoint)
{
    return endpoint->ifname || endpoint->index;
}

/* Equal texts have equal offsets. */
static uint32_t *find_slot(const struct claims *claims, uint32_t device, uint32_t text,
                           bool is_ifname)
{
    const struct phu_endpoint *endpoints = claims->loader->inventory->endpoints;
    uint64_t hash = ((uint64_t)device << 32 | text) * UINT64_C(0x9e3779b97f4a7c15);
    uint32_t slot = (uint32_t)(hash >> 32);

    for (;; slot++) {
        uint32_t *found = &claims->slots[slot & (claims->slot_count - 1)];
        const struct phu_endpoint *other = *found ? &endpoints[*found - 1] : NULL;

        if (!other ||
            (other->device == device && (is_ifname ? other->ifname : other->index) == text))
            return found;
    }
}

static void claim(struct claims *claims, uint32_t endpoint, bool is_ifname)
{
    const struct phu_inventory *inventory = claims->loader->inventory;
    const struct phu_endpoint *record = &inventory->endpoints[endpoint];
    const struct phu_claim_origin *origin = &claims->origins[endpoint];
    const char *bytes = claims->loader->strings.bytes;
    uint32_t text = is_ifname ? record->ifname : record->index, *slot;

    if (!text || record->device == PHU_INVENTORY_NONE)
        return;
    slot = find_slot(claims, record->device, text, is_ifname);
    if (*slot)
        phu_table_mistake_at(
            claims->table, origin->line, is_ifname ? origin->ifname_column : origin->index_column,
            "%s: \"%s\" of device \"%s\" serves endpoint \"%s\" in line %u "
            "already; a row of a device serves one endpoint",
            is_ifname ? "ifname" : "index", bytes + text,
            bytes + inventory->devices[record->device].id,
            bytes + inventory->endpoints[*slot - 1].id, claims->origins[*slot - 1].line);
    else
        *slot = endpoint + 1;
}

/* One pass for each column, as either may hold the same text. */
static void check_claims(struct claims *claims)
{
    const struct phu_inventory *inventory = claims->loader->inventory;
    uint32_t count = inventory->endpoint_count;

    for (claims->slot_count = 64; claims->slot_count / 2 < count;)
        claims->slot_count *= 2;
    for (int is_ifname = 0; is_ifname < 2; is_ifname++) {
        claims->slots = calloc(claims->slot_count, sizeof *claims->slots);
        if (!claims->slots)
            abort();
        for (uint32_t i = 0; i < count; i++)
            claim(claims, i, is_ifname);
        free(claims->slots);
    }
}

/* Endpoints in the order of their devices: first how many each device has, then where they begin,
 * then they are put there. */
static void group(struct phu_inventory *inventory, const uint32_t *unclear)
{
    uint32_t begin = 0;

    for (uint32_t i = 0; i < inventory->endpoint_count; i++) {
        const struct phu_endpoint *endpoint = &inventory->endpoints[i];

        if (endpoint->device != PHU_INVENTORY_NONE &&
            (is_claim(endpoint) || unclear[endpoint->device] == 1))
            inventory->devices[endpoint->device].served_count++;
    }
    for (uint32_t i = 0; i < inventory->device_count; i++) {
        inventory->devices[i].served = begin;
        begin += inventory->devices[i].served_count;
        inventory->devices[i].served_count = 0;
    }
    inventory->served = malloc((begin ? begin : 1) * sizeof *inventory->served);
    if (!inventory->served)
        abort();
    for (uint32_t i = 0; i < inventory->endpoint_count; i++) {
        const struct phu_endpoint *endpoint = &inventory->endpoints[i];
        struct phu_device *device =
            endpoint->device == PHU_INVENTORY_NONE ? NULL : &inventory->devices[endpoint->device];

        if (device && (is_claim(endpoint) || unclear[endpoint->device] == 1))
            inventory->served[device->served + device->served_count++] = i;
    }
}

void phu_inventory_link_served(struct phu_inventory_loader *loader,
                               struct phu_inventory_table *table,
                               const struct phu_claim_origin *origins)
{
    struct phu_inventory *inventory = loader->inventory;
    struct claims claims = {.loader = loader, .table = table, .origins = origins};
    uint32_t *unclear = calloc(inventory->device_count + 1, sizeof *unclear);

    if (!unclear)
        abort();
    check_claims(&claims);
    for (uint32_t i = 0; i < inventory->endpoint_count; i++) {
        const struct phu_endpoint *endpoint = &inventory->endpoints[i];

        if (endpoint->device != PHU_INVENTORY_NONE && !is_claim(endpoint))
            unclear[endpoint->device]++;
    }
    group(inventory, unclear);
    free(unclear);
}
