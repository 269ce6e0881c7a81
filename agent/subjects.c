#include "subjects.h"

#include "config.h"
#include "core/inventory.h"

#include <stdlib.h>
#include <string.h>

static const char *code_of_level(const struct phu_inventory *inventory, uint32_t area,
                                 enum phu_level level)
{
    uint32_t found = area == PHU_INVENTORY_NONE ? PHU_INVENTORY_NONE
                                                : phu_inventory_area_at(inventory, area, level);
    const struct phu_area *record;

    if (found == PHU_INVENTORY_NONE)
        return "";
    record = &inventory->areas[found];
    return phu_inventory_text(inventory, level == PHU_LEVEL_HAMLET ? record->id : record->code);
}

struct phu_subject phu_subject_of_endpoint(const struct phu_inventory *inventory, uint32_t endpoint)
{
    const struct phu_endpoint *record = &inventory->endpoints[endpoint];

    return (struct phu_subject){
        .kind = PHU_SUBJECT_ENDPOINT,
        .id = phu_inventory_text(inventory, record->id),
        .hamlet = code_of_level(inventory, record->hamlet, PHU_LEVEL_HAMLET),
        .commune = code_of_level(inventory, record->hamlet, PHU_LEVEL_COMMUNE),
        .technology = phu_technology_name((enum phu_technology)record->technology),
        .operator= phu_inventory_text(inventory, record->operator_name),
    };
}

static uint16_t describe_endpoint(const struct phu_inventory *inventory, uint32_t check,
                                  struct phu_monitor_check *monitored, struct phu_check_spec *spec)
{
    const struct phu_endpoint *endpoint = &inventory->endpoints[inventory->checks[check].owner];

    monitored->subject = phu_subject_of_endpoint(inventory, inventory->checks[check].owner);
    monitored->is_primary = check == endpoint->checks;
    spec->address = phu_inventory_text(inventory, endpoint->address);
    spec->credential = "";
    spec->rows = "";
    return endpoint->profile;
}

struct phu_subject phu_subject_of_site(const struct phu_inventory *inventory, uint32_t site)
{
    uint32_t area = inventory->sites[site].area;

    return (struct phu_subject){
        .hamlet = code_of_level(inventory, area, PHU_LEVEL_HAMLET),
        .commune = code_of_level(inventory, area, PHU_LEVEL_COMMUNE),
        .site = phu_inventory_text(inventory, inventory->sites[site].id),
    };
}

struct phu_subject phu_subject_of_device(const struct phu_inventory *inventory, uint32_t device)
{
    const struct phu_device *record = &inventory->devices[device];
    struct phu_subject subject = {.hamlet = "", .commune = "", .site = ""};

    if (record->site != PHU_INVENTORY_NONE)
        subject = phu_subject_of_site(inventory, record->site);
    subject.kind = PHU_SUBJECT_DEVICE;
    subject.id = phu_inventory_text(inventory, record->id);
    return subject;
}

static uint16_t describe_device(const struct phu_inventory *inventory, uint32_t check,
                                struct phu_monitor_check *monitored, struct phu_check_spec *spec)
{
    const struct phu_device *device = &inventory->devices[inventory->checks[check].owner];

    monitored->subject = phu_subject_of_device(inventory, inventory->checks[check].owner);
    monitored->is_primary = check == device->checks;
    spec->address = phu_inventory_text(inventory, device->address);
    spec->credential = phu_inventory_text(inventory, device->credential);
    spec->rows = phu_inventory_text(inventory, device->interfaces);
    return device->profile;
}

void phu_subject_describe(const struct phu_config *config, const struct phu_inventory *inventory,
                          uint32_t check, struct phu_monitor_check *monitored,
                          struct phu_check_spec *spec)
{
    const struct phu_inventory_check *record = &inventory->checks[check];
    const struct phu_config_check *kind = &config->checks[record->kind];
    const char *argument = phu_inventory_text(inventory, record->argument);
    uint16_t profile;

    *monitored = (struct phu_monitor_check){.collector = kind->collector};
    *spec = (struct phu_check_spec){
        .id = phu_inventory_text(inventory, record->id),
        .argument = *argument ? argument : kind->argument,
        .options = kind->options,
        .interval_ns =
            record->interval_ms ? record->interval_ms * PHU_NS_PER_MS : kind->interval_ns,
        .timeout_ns = kind->timeout_ns,
    };
    if (record->is_device)
        profile = describe_device(inventory, check, monitored, spec);
    else
        profile = describe_endpoint(inventory, check, monitored, spec);
    monitored->quality = &config->quality[profile];
    monitored->interval_ns = spec->interval_ns;
    monitored->check = spec->id + strlen(monitored->subject.id) + 1; /* after "OWNER/" */
}

static void make_room(struct phu_served_room *room, size_t size)
{
    if (size <= room->size)
        return;
    room->items = realloc(room->items, size * sizeof *room->items);
    if (!room->items)
        abort();
    room->size = size;
}

void phu_subject_serve(const struct phu_config *config, const struct phu_inventory *inventory,
                       uint32_t check, struct phu_served_room *room, struct phu_check_spec *spec)
{
    const struct phu_inventory_check *record = &inventory->checks[check];
    const struct phu_device *device;

    spec->served = NULL;
    spec->served_count = 0;
    if (!record->is_device || !config->checks[record->kind].collector->row_kind_count)
        return;
    device = &inventory->devices[record->owner];
    make_room(room, 2 * (size_t)device->served_count);
    for (uint32_t i = 0; i < device->served_count; i++) {
        const struct phu_endpoint *endpoint =
            &inventory->endpoints[inventory->served[device->served + i]];
        const char *id = phu_inventory_text(inventory, endpoint->id);
        const char *ifname = phu_inventory_text(inventory, endpoint->ifname);
        const char *index = phu_inventory_text(inventory, endpoint->index);

        if (ifname[0] || !index[0])
            room->items[spec->served_count++] = (struct phu_served){id, ifname, ""};
        if (index[0])
            room->items[spec->served_count++] = (struct phu_served){id, "", index};
    }
    spec->served = room->items;
}

void phu_served_room_fini(struct phu_served_room *room)
{
    free(room->items);
    *room = (struct phu_served_room){0};
}
