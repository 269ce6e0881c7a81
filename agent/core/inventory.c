/* An inventory that has been loaded: looking things up, and letting go of it. */
#include "inventory.h"

#include "inventory_index.h"

#include <stdlib.h>
#include <string.h>

const char *phu_level_name(enum phu_level level)
{
    static const char *const names[] = {"province", "district", "commune", "hamlet"};

    return names[level];
}

const char *phu_technology_name(enum phu_technology technology)
{
    static const char *const names[] = {"fibre", "3g", "4g", "5g"};

    return names[technology];
}

void phu_inventory_free(struct phu_inventory *inventory)
{
    if (!inventory)
        return;
    phu_record_index_fini(&inventory->index->areas);
    phu_record_index_fini(&inventory->index->hamlets);
    phu_record_index_fini(&inventory->index->sites);
    phu_record_index_fini(&inventory->index->devices);
    phu_record_index_fini(&inventory->index->endpoints);
    free(inventory->index);
    free(inventory->areas);
    free(inventory->sites);
    free(inventory->devices);
    free(inventory->endpoints);
    free(inventory->served);
    free(inventory->maintenance);
    free(inventory->checks);
    free((char *)inventory->strings);
    free(inventory);
}

static uint32_t find(const struct phu_inventory *inventory, const struct phu_record_index *index,
                     const void *records, const char *id)
{
    uint32_t cursor = 0;

    return phu_record_index_next(index, inventory->strings, records, id, &cursor);
}

uint32_t phu_inventory_find_endpoint(const struct phu_inventory *inventory, const char *id)
{
    return find(inventory, &inventory->index->endpoints, inventory->endpoints, id);
}

uint32_t phu_inventory_find_device(const struct phu_inventory *inventory, const char *id)
{
    return find(inventory, &inventory->index->devices, inventory->devices, id);
}

uint32_t phu_inventory_find_site(const struct phu_inventory *inventory, const char *id)
{
    return find(inventory, &inventory->index->sites, inventory->sites, id);
}

static uint32_t find_in_force(const struct phu_inventory *inventory,
                              const struct phu_record_index *index, const char *text, int32_t day)
{
    uint32_t cursor = 0, found;

    do
        found = phu_record_index_next(index, inventory->strings, inventory->areas, text, &cursor);
    while (found != UINT32_MAX &&
           (inventory->areas[found].valid_from > day || inventory->areas[found].valid_to < day));
    return found;
}

uint32_t phu_inventory_find_hamlet(const struct phu_inventory *inventory, const char *id)
{
    return find_in_force(inventory, &inventory->index->hamlets, id, inventory->today);
}

uint32_t phu_inventory_find_area(const struct phu_inventory *inventory, const char *code,
                                 int32_t day)
{
    return find_in_force(inventory, &inventory->index->areas, code, day);
}

/* An owner's id holds no "/", so a check's id says whose it is. */
uint32_t phu_inventory_find_check(const struct phu_inventory *inventory, const char *id)
{
    size_t length = strcspn(id, "/");
    char owner[128];
    uint32_t found, first, count;

    if (length >= sizeof owner)
        return PHU_INVENTORY_NONE;
    memcpy(owner, id, length);
    owner[length] = '\0';
    found = phu_inventory_find_endpoint(inventory, owner);
    if (found != PHU_INVENTORY_NONE) {
        first = inventory->endpoints[found].checks;
        count = inventory->endpoints[found].check_count;
    } else {
        found = phu_inventory_find_device(inventory, owner);
        if (found == PHU_INVENTORY_NONE)
            return PHU_INVENTORY_NONE;
        first = inventory->devices[found].checks;
        count = inventory->devices[found].check_count;
    }
    for (uint32_t i = first; i < first + count; i++) {
        if (strcmp(phu_inventory_text(inventory, inventory->checks[i].id), id) == 0)
            return i;
    }
    return PHU_INVENTORY_NONE;
}

uint32_t phu_inventory_area_at(const struct phu_inventory *inventory, uint32_t area,
                               enum phu_level level)
{
    while (area != PHU_INVENTORY_NONE && inventory->areas[area].level != level)
        area = inventory->areas[area].parent;
    return area;
}
