/* sites.csv, devices.csv and endpoints.csv. */
#include "inventory_load.h"

#include <stdlib.h>
#include <string.h>

enum { NAME_MAX_CHARACTERS = 100, PATTERNS_MAX_CHARACTERS = 1000 };

static const struct phu_area *area_of(const struct phu_inventory_loader *loader, uint32_t area)
{
    return &loader->inventory->areas[area];
}

/* The area with this text in the index that is in force today. *is_past: there are others. */
static uint32_t find_in_force(const struct phu_inventory_loader *loader,
                              const struct phu_record_index *index, const char *text, bool *is_past)
{
    const struct phu_inventory *inventory = loader->inventory;
    uint32_t cursor = 0, found;

    for (;;) {
        found =
            phu_record_index_next(index, loader->strings.bytes, inventory->areas, text, &cursor);
        if (found == UINT32_MAX)
            return PHU_INVENTORY_NONE;
        if (area_of(loader, found)->valid_from <= inventory->today &&
            inventory->today <= area_of(loader, found)->valid_to)
            return found;
        *is_past = true;
    }
}

/* -- Sites ------------------------------------------------------------------------------------ */

enum { SITE_ID, SITE_NAME, SITE_AREA, SITE_LAT, SITE_LON, SITE_PARENT, SITE_COLUMNS };

static const struct phu_column site_columns[SITE_COLUMNS] = {
    [SITE_ID] = {"id", true},    [SITE_NAME] = {"name", true}, [SITE_AREA] = {"area", true},
    [SITE_LAT] = {"lat", false}, [SITE_LON] = {"lon", false},  [SITE_PARENT] = {"parent", false},
};

struct reader {
    struct phu_inventory_loader *loader;
    struct phu_inventory_table table;
    struct phu_origin *origins;
};

static uint32_t read_site_area(struct reader *reader)
{
    struct phu_inventory_loader *loader = reader->loader;
    const char *text = phu_table_field(&reader->table, SITE_AREA);
    bool is_past = false;
    uint32_t found;

    if (!text[0] || loader->is_lost[PHU_FILE_AREAS])
        return PHU_INVENTORY_NONE;
    found = find_in_force(loader, &loader->index->hamlets, text, &is_past);
    if (found == PHU_INVENTORY_NONE)
        found = find_in_force(loader, &loader->index->areas, text, &is_past);
    if (found == PHU_INVENTORY_NONE && is_past)
        phu_table_mistake(&reader->table, SITE_AREA,
                          "area \"%.80s\" is not in force today; name the one it belongs to now",
                          text);
    else if (found == PHU_INVENTORY_NONE)
        phu_table_mistake(&reader->table, SITE_AREA,
                          "unknown area \"%.80s\"; give the id of a hamlet or the code of another "
                          "area in areas.csv",
                          text);
    return found;
}

/* Records an id, unless an earlier row has it. */
static void enter(struct reader *reader, struct phu_record_index *index, const void *records,
                  uint32_t record, uint32_t id, const char *what)
{
    const char *bytes = reader->loader->strings.bytes;
    uint32_t cursor = 0;

    if (!id)
        return;
    if (phu_record_index_next(index, bytes, records, bytes + id, &cursor) != UINT32_MAX) {
        phu_table_mistake(&reader->table, 0,
                          "%s \"%s\" is there twice; each needs an id of its own", what,
                          bytes + id);
        return;
    }
    phu_record_index_add(index, bytes, records, record);
}

static void read_origin(struct reader *reader, uint32_t record, size_t column)
{
    reader->origins[record] = (struct phu_origin){
        .line = phu_table_line(&reader->table),
        .parent = phu_table_id(&reader->table, column),
        .parent_column = (uint16_t)phu_table_column(&reader->table, column),
    };
}

static void read_site(struct reader *reader)
{
    struct phu_inventory *inventory = reader->loader->inventory;
    uint32_t record = inventory->site_count++;
    struct phu_site *site = &inventory->sites[record];

    site->id = phu_table_id(&reader->table, SITE_ID);
    site->name = phu_table_text(&reader->table, SITE_NAME, NAME_MAX_CHARACTERS);
    site->area = read_site_area(reader);
    site->lat_e6 = phu_table_degrees(&reader->table, SITE_LAT, 90);
    site->lon_e6 = phu_table_degrees(&reader->table, SITE_LON, 180);
    site->parent = PHU_INVENTORY_NONE;
    read_origin(reader, record, SITE_PARENT);
    enter(reader, &reader->loader->index->sites, inventory->sites, record, site->id, "site");
}

/* Parents may stand below their children, so they are looked up when all have been read. */
static void link_parents(struct reader *reader, const struct phu_record_index *index,
                         const struct phu_parents *parents, const char *what)
{
    const char *bytes = reader->loader->strings.bytes;

    for (uint32_t i = 0; i < parents->count; i++) {
        const char *id = bytes + reader->origins[i].parent, *nearest;
        uint32_t cursor = 0, found = PHU_INVENTORY_NONE;

        if (!id[0])
            continue;
        found = phu_record_index_next(index, bytes, parents->records, id, &cursor);
        memcpy((char *)parents->records + (size_t)i * parents->stride + parents->parent, &found,
               sizeof found);
        if (found != PHU_INVENTORY_NONE)
            continue;
        nearest = phu_inventory_guess(reader->loader, index, parents->records, parents->count, id);
        phu_table_mistake_at(&reader->table, reader->origins[i].line,
                             reader->origins[i].parent_column,
                             nearest ? "parent: unknown %s \"%s\"; did you mean \"%s\"?"
                                     : "parent: unknown %s \"%s\"; add it to this file or leave "
                                       "the field empty",
                             what, id, nearest);
    }
    phu_inventory_cut_circles(reader->loader, parents);
}

void phu_inventory_read_sites(struct phu_inventory_loader *loader,
                              struct phu_inventory_source *source)
{
    struct phu_inventory *inventory = loader->inventory;
    struct reader reader = {
        .loader = loader,
        .origins = phu_inventory_room(source, sizeof *reader.origins),
    };
    struct phu_parents parents = {
        .table = &reader.table,
        .origins = reader.origins,
        .stride = sizeof(struct phu_site),
        .parent = offsetof(struct phu_site, parent),
        .name = offsetof(struct phu_site, id),
    };

    inventory->sites = phu_inventory_room(source, sizeof *inventory->sites);
    if (phu_inventory_open_table(loader, PHU_FILE_SITES, source, site_columns, SITE_COLUMNS,
                                 &reader.table)) {
        while (phu_table_next(&reader.table))
            read_site(&reader);
        parents.records = inventory->sites;
        parents.count = inventory->site_count;
        link_parents(&reader, &loader->index->sites, &parents, "site");
        loader->mistakes += reader.table.mistakes;
    }
    free(reader.origins);
}

/* -- Devices ---------------------------------------------------------------------------------- */

enum {
    DEVICE_ID,
    DEVICE_SITE,
    DEVICE_ADDRESS,
    DEVICE_CREDENTIAL,
    DEVICE_CHECKS,
    DEVICE_INTERFACES,
    DEVICE_PARENT,
    DEVICE_PROFILE,
    DEVICE_INTERVAL,
    DEVICE_COLUMNS,
};

static const struct phu_column device_columns[DEVICE_COLUMNS] = {
    [DEVICE_ID] = {"id", true},
    [DEVICE_SITE] = {"site", false},
    [DEVICE_ADDRESS] = {"address", true},
    [DEVICE_CREDENTIAL] = {"credential", false},
    [DEVICE_CHECKS] = {"checks", false},
    [DEVICE_INTERFACES] = {"interfaces", false},
    [DEVICE_PARENT] = {"parent", false},
    [DEVICE_PROFILE] = {"profile", false},
    [DEVICE_INTERVAL] = {"interval", false},
};

static void read_device(struct reader *reader)
{
    static const struct phu_owner_columns own = {DEVICE_CHECKS, DEVICE_INTERVAL, DEVICE_PROFILE};
    struct phu_inventory_loader *loader = reader->loader;
    struct phu_inventory_table *table = &reader->table;
    struct phu_inventory *inventory = loader->inventory;
    uint32_t record = inventory->device_count++;
    struct phu_device *device = &inventory->devices[record];
    int credential;

    device->id = phu_table_id(table, DEVICE_ID);
    device->site = phu_inventory_refer(loader, table, DEVICE_SITE, PHU_FILE_SITES);
    device->address = phu_table_address(table, DEVICE_ADDRESS);
    credential =
        phu_table_choice(table, DEVICE_CREDENTIAL, loader->vocabulary->credentials, "credential");
    if (credential >= 0) {
        const char *name = loader->vocabulary->credentials[credential];

        device->credential = phu_strings_pool_intern(&loader->strings, name, strlen(name));
    }
    device->interfaces = phu_table_text(table, DEVICE_INTERFACES, PATTERNS_MAX_CHARACTERS);
    if (!device->interfaces)
        device->interfaces = phu_strings_pool_intern(&loader->strings, "*", 1);
    device->parent = PHU_INVENTORY_NONE;
    read_origin(reader, record, DEVICE_PARENT);
    device->profile = phu_inventory_read_profile(loader, table, DEVICE_PROFILE,
                                                 loader->vocabulary->profile_of_devices);
    device->checks = phu_inventory_add_checks(loader, table, &own, "snmp", device->id, record, true,
                                              &device->check_count);
    enter(reader, &loader->index->devices, inventory->devices, record, device->id, "device");
}

void phu_inventory_read_devices(struct phu_inventory_loader *loader,
                                struct phu_inventory_source *source)
{
    struct phu_inventory *inventory = loader->inventory;
    struct reader reader = {
        .loader = loader,
        .origins = phu_inventory_room(source, sizeof *reader.origins),
    };
    struct phu_parents parents = {
        .table = &reader.table,
        .origins = reader.origins,
        .stride = sizeof(struct phu_device),
        .parent = offsetof(struct phu_device, parent),
        .name = offsetof(struct phu_device, id),
    };

    inventory->devices = phu_inventory_room(source, sizeof *inventory->devices);
    if (phu_inventory_open_table(loader, PHU_FILE_DEVICES, source, device_columns, DEVICE_COLUMNS,
                                 &reader.table)) {
        while (phu_table_next(&reader.table))
            read_device(&reader);
        parents.records = inventory->devices;
        parents.count = inventory->device_count;
        link_parents(&reader, &loader->index->devices, &parents, "device");
        loader->mistakes += reader.table.mistakes;
    }
    free(reader.origins);
}

/* -- Endpoints -------------------------------------------------------------------------------- */

enum {
    ENDPOINT_ID,
    ENDPOINT_HAMLET,
    ENDPOINT_TECHNOLOGY,
    ENDPOINT_OPERATOR,
    ENDPOINT_ADDRESS,
    ENDPOINT_CHECKS,
    ENDPOINT_DEVICE,
    ENDPOINT_IFNAME,
    ENDPOINT_PARENT,
    ENDPOINT_PROFILE,
    ENDPOINT_INTERVAL,
    ENDPOINT_COLUMNS,
};

static const struct phu_column endpoint_columns[ENDPOINT_COLUMNS] = {
    [ENDPOINT_ID] = {"id", true},
    [ENDPOINT_HAMLET] = {"hamlet", true},
    [ENDPOINT_TECHNOLOGY] = {"technology", true},
    [ENDPOINT_OPERATOR] = {"operator", true},
    [ENDPOINT_ADDRESS] = {"address", true},
    [ENDPOINT_CHECKS] = {"checks", false},
    [ENDPOINT_DEVICE] = {"device", false},
    [ENDPOINT_IFNAME] = {"ifname", false},
    [ENDPOINT_PARENT] = {"parent", false},
    [ENDPOINT_PROFILE] = {"profile", false},
    [ENDPOINT_INTERVAL] = {"interval", false},
};

static void say_unknown_hamlet(struct reader *reader, const char *text, bool is_past)
{
    struct phu_inventory_loader *loader = reader->loader;
    const char *nearest;

    if (is_past) {
        phu_table_mistake(&reader->table, ENDPOINT_HAMLET,
                          "hamlet \"%.80s\" is not in force today; areas.csv needs a row of it "
                          "that is",
                          text);
        return;
    }
    if (find_in_force(loader, &loader->index->areas, text, &is_past) != PHU_INVENTORY_NONE) {
        phu_table_mistake(&reader->table, ENDPOINT_HAMLET,
                          "\"%.80s\" is the code of an area; give the hamlet's id, from column id "
                          "of areas.csv",
                          text);
        return;
    }
    nearest = phu_inventory_guess(loader, &loader->index->hamlets, loader->inventory->areas,
                                  loader->inventory->area_count, text);
    if (nearest)
        phu_table_mistake(&reader->table, ENDPOINT_HAMLET,
                          "unknown hamlet \"%.80s\"; did you mean \"%s\"?", text, nearest);
    else
        phu_table_mistake(&reader->table, ENDPOINT_HAMLET,
                          "unknown hamlet \"%.80s\"; add it to areas.csv or correct it", text);
}

static void read_hamlet(struct reader *reader, struct phu_endpoint *endpoint)
{
    struct phu_inventory_loader *loader = reader->loader;
    const char *text = phu_table_field(&reader->table, ENDPOINT_HAMLET);
    bool is_past = false;

    endpoint->hamlet = endpoint->commune = PHU_INVENTORY_NONE;
    if (!text[0] || loader->is_lost[PHU_FILE_AREAS])
        return;
    endpoint->hamlet = find_in_force(loader, &loader->index->hamlets, text, &is_past);
    if (endpoint->hamlet == PHU_INVENTORY_NONE)
        say_unknown_hamlet(reader, text, is_past);
    else
        endpoint->commune =
            phu_inventory_area_at(loader->inventory, endpoint->hamlet, PHU_LEVEL_COMMUNE);
}

static void read_technology(struct reader *reader, struct phu_endpoint *endpoint)
{
    static const char *const technologies[] = {"fibre", "3g", "4g", "5g", NULL};
    const struct phu_inventory_vocabulary *vocabulary = reader->loader->vocabulary;
    int technology =
        phu_table_choice(&reader->table, ENDPOINT_TECHNOLOGY, technologies, "technology");

    endpoint->technology = technology < 0 ? PHU_TECHNOLOGY_FIBRE : (uint8_t)technology;
    endpoint->profile = phu_inventory_read_profile(reader->loader, &reader->table, ENDPOINT_PROFILE,
                                                   vocabulary->profile_of[endpoint->technology]);
}

static void check_id_of_device(struct reader *reader, const struct phu_endpoint *endpoint)
{
    const struct phu_inventory_loader *loader = reader->loader;
    const char *bytes = loader->strings.bytes;
    uint32_t cursor = 0;

    if (endpoint->id &&
        phu_record_index_next(&loader->index->devices, bytes, loader->inventory->devices,
                              bytes + endpoint->id, &cursor) != UINT32_MAX)
        phu_table_mistake(&reader->table, ENDPOINT_ID,
                          "\"%s\" is already the id of a device; endpoints and devices share "
                          "one space of ids",
                          bytes + endpoint->id);
}

static void read_endpoint(struct reader *reader)
{
    static const struct phu_owner_columns own = {ENDPOINT_CHECKS, ENDPOINT_INTERVAL,
                                                 ENDPOINT_PROFILE};
    struct phu_inventory_loader *loader = reader->loader;
    struct phu_inventory_table *table = &reader->table;
    struct phu_inventory *inventory = loader->inventory;
    uint32_t record = inventory->endpoint_count++;
    struct phu_endpoint *endpoint = &inventory->endpoints[record];

    endpoint->id = phu_table_id(table, ENDPOINT_ID);
    read_hamlet(reader, endpoint);
    read_technology(reader, endpoint);
    endpoint->operator_name = phu_table_text(table, ENDPOINT_OPERATOR, NAME_MAX_CHARACTERS);
    endpoint->address = phu_table_address(table, ENDPOINT_ADDRESS);
    endpoint->device = phu_inventory_refer(loader, table, ENDPOINT_DEVICE, PHU_FILE_DEVICES);
    endpoint->ifname = phu_table_text(table, ENDPOINT_IFNAME, NAME_MAX_CHARACTERS);
    if (endpoint->ifname && !phu_table_field(table, ENDPOINT_DEVICE)[0])
        phu_table_mistake(table, ENDPOINT_IFNAME,
                          "an interface without a device; fill in the column device");
    endpoint->parent = phu_inventory_refer(loader, table, ENDPOINT_PARENT, PHU_FILE_DEVICES);
    endpoint->checks = phu_inventory_add_checks(loader, table, &own, "icmp", endpoint->id, record,
                                                false, &endpoint->check_count);
    enter(reader, &loader->index->endpoints, inventory->endpoints, record, endpoint->id,
          "endpoint");
    check_id_of_device(reader, endpoint);
}

void phu_inventory_read_endpoints(struct phu_inventory_loader *loader,
                                  struct phu_inventory_source *source)
{
    struct phu_inventory *inventory = loader->inventory;
    struct reader reader = {.loader = loader};

    inventory->endpoints = phu_inventory_room(source, sizeof *inventory->endpoints);
    inventory->strings = loader->strings.bytes;
    if (!phu_inventory_open_table(loader, PHU_FILE_ENDPOINTS, source, endpoint_columns,
                                  ENDPOINT_COLUMNS, &reader.table))
        return;
    while (phu_table_next(&reader.table))
        read_endpoint(&reader);
    loader->mistakes += reader.table.mistakes;
}
