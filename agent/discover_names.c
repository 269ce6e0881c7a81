/* Ids for what was found, and what of it the inventory has already. */
#include "discover.h"
#include "discover_merge.h"
#include "mem.h"

#include <stdlib.h>
#include <string.h>

/* -- Devices of the inventory by address ---------------------------------------------------------
 */

struct known {
    struct phu_target target;
    uint32_t device;
};

struct known_list {
    struct known *items;
    size_t count;
};

static int compare(const void *a, const void *b)
{
    const struct known *left = a, *right = b;

    if (left->target.length != right->target.length)
        return left->target.length < right->target.length ? -1 : 1;
    return memcmp(left->target.bytes, right->target.bytes, sizeof left->target.bytes);
}

/* Devices that are known by host name are not among them. */
static struct known_list list_known(const struct phu_inventory *inventory)
{
    struct known_list list = {
        .items = phu_mem_alloc(inventory ? inventory->device_count + 1u : 1, sizeof *list.items)};

    for (uint32_t i = 0; inventory && i < inventory->device_count; i++) {
        const char *address = phu_inventory_text(inventory, inventory->devices[i].address);

        if (phu_target_parse(address, &list.items[list.count].target) == 0)
            list.items[list.count++].device = i;
    }
    qsort(list.items, list.count, sizeof *list.items, compare);
    return list;
}

static uint32_t find_known(const struct known_list *list, const char *address)
{
    struct known wanted = {0};
    const struct known *found;

    phu_target_parse(address, &wanted.target);
    found = bsearch(&wanted, list->items, list->count, sizeof wanted, compare);
    return found ? found->device : PHU_INVENTORY_NONE;
}

/* -- Ids ----------------------------------------------------------------------------------------
 */

static bool is_in_inventory(const struct phu_inventory *inventory, const char *id)
{
    return inventory && (phu_inventory_find_device(inventory, id) != PHU_INVENTORY_NONE ||
                         phu_inventory_find_endpoint(inventory, id) != PHU_INVENTORY_NONE);
}

/* The few that answered are looked through one by one. */
static bool is_given(const struct phu_discovery *discovery, const struct phu_discovered *until,
                     const char *id)
{
    for (const struct phu_discovered *item = discovery->items; item < until; item++) {
        if (item->snmp == PHU_SNMP_ANSWERED && strcmp(item->id, id) == 0)
            return true;
    }
    return false;
}

static void make_own_id(struct phu_discovered *item)
{
    char text[PHU_TARGET_TEXT + 16];

    if (phu_text_make_id(item->facts->sys_name, item->own_id))
        return;
    snprintf(text, sizeof text, "device-%s", item->address);
    phu_text_make_id(text, item->own_id);
}

/* "olt-1", or "olt-1-2" where there is one already. */
static void make_unique(const struct phu_discovery *discovery, struct phu_discovered *item)
{
    snprintf(item->id, sizeof item->id, "%s", item->own_id);
    item->is_id_taken =
        is_in_inventory(discovery->inventory, item->id) || is_given(discovery, item, item->id);
    for (unsigned number = 2;
         is_in_inventory(discovery->inventory, item->id) || is_given(discovery, item, item->id);
         number++) {
        char suffix[16];
        int length = snprintf(suffix, sizeof suffix, "-%u", number);

        snprintf(item->id, sizeof item->id, "%.*s%s", PHU_TEXT_ID_MAX - length, item->own_id,
                 suffix);
    }
}

void phu_discovery_name(struct phu_discovery *discovery)
{
    struct known_list known = list_known(discovery->inventory);

    for (size_t i = 0; i < discovery->count; i++) {
        struct phu_discovered *item = &discovery->items[i];
        uint32_t device = find_known(&known, item->address);

        item->is_known = device != PHU_INVENTORY_NONE;
        if (item->is_known)
            snprintf(
                item->id, sizeof item->id, "%s",
                phu_inventory_text(discovery->inventory, discovery->inventory->devices[device].id));
        if (item->snmp != PHU_SNMP_ANSWERED)
            continue;
        make_own_id(item);
        if (!item->is_known)
            make_unique(discovery, item);
    }
    free(known.items);
}

/* -- Rows ----------------------------------------------------------------------------------------
 */

bool phu_discovered_is_new(const struct phu_discovered *item)
{
    return item->snmp == PHU_SNMP_ANSWERED && !item->is_known;
}

struct phu_device_row *phu_discovery_rows(const struct phu_discovery *discovery, size_t *count)
{
    struct phu_device_row *rows = phu_mem_alloc(discovery->count + 1, sizeof *rows);

    *count = 0;
    for (size_t i = 0; i < discovery->count; i++) {
        const struct phu_discovered *item = &discovery->items[i];

        const char *credential = discovery->credentials[item->credential];

        if (phu_discovered_is_new(item))
            rows[(*count)++] = (struct phu_device_row){
                .id = item->id,
                .address = item->address,
                .credential = strcmp(credential, PHU_BY_HAND) == 0 ? "" : credential,
                .checks = "snmp",
                .interfaces = "*",
            };
    }
    return rows;
}
