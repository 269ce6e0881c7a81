/* sites.csv and devices.csv. */
#include "inventory_load.h"

#include <stdlib.h>
#include <string.h>

enum { PATTERNS_MAX_CHARACTERS = 1000 };

/* -- What both files have in common ------------------------------------------------------------ */

struct reader {
    struct phu_inventory_loader *loader;
    struct phu_inventory_table table;
    struct phu_origin *origins;
};

/* What tells them apart. */
struct kind {
    enum phu_inventory_file file;
    const char *what; /* "site" */
    const struct phu_column *columns;
    size_t column_count;
    size_t stride, id, parent;           /* of the records and their fields */
    void (*read)(struct reader *reader); /* one row */
};

static void read_origin(struct reader *reader, uint32_t record, size_t column)
{
    reader->origins[record] = (struct phu_origin){
        .line = phu_table_line(&reader->table),
        .parent = phu_table_id(&reader->table, column),
        .parent_column = (uint16_t)phu_table_column(&reader->table, column),
    };
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

static void read_records(struct phu_inventory_loader *loader, struct phu_inventory_source *source,
                         const struct kind *kind, struct phu_record_index *index, void *records,
                         const uint32_t *count)
{
    struct reader reader = {
        .loader = loader,
        .origins = phu_inventory_room(source, sizeof *reader.origins),
    };
    struct phu_parents parents = {
        .table = &reader.table,
        .records = records,
        .origins = reader.origins,
        .stride = kind->stride,
        .parent = kind->parent,
        .name = kind->id,
    };

    if (phu_inventory_open_table(loader, kind->file, source, kind->columns, kind->column_count,
                                 &reader.table)) {
        while (phu_table_next(&reader.table))
            kind->read(&reader);
        parents.count = *count;
        link_parents(&reader, index, &parents, kind->what);
        loader->mistakes += reader.table.mistakes;
    }
    free(reader.origins);
}

/* -- Sites ------------------------------------------------------------------------------------ */

enum { SITE_ID, SITE_NAME, SITE_AREA, SITE_LAT, SITE_LON, SITE_PARENT, SITE_COLUMNS };

static const struct phu_column site_columns[SITE_COLUMNS] = {
    [SITE_ID] = {"id", true},    [SITE_NAME] = {"name", true}, [SITE_AREA] = {"area", true},
    [SITE_LAT] = {"lat", false}, [SITE_LON] = {"lon", false},  [SITE_PARENT] = {"parent", false},
};

static uint32_t read_site_area(struct reader *reader)
{
    struct phu_inventory_loader *loader = reader->loader;
    const char *text = phu_table_field(&reader->table, SITE_AREA);
    bool is_past = false;
    uint32_t found;

    if (!text[0] || loader->is_lost[PHU_FILE_AREAS])
        return PHU_INVENTORY_NONE;
    found = phu_inventory_find_in_force(loader, &loader->index->hamlets, text, &is_past);
    if (found == PHU_INVENTORY_NONE)
        found = phu_inventory_find_in_force(loader, &loader->index->areas, text, &is_past);
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

static void read_site(struct reader *reader)
{
    struct phu_inventory *inventory = reader->loader->inventory;
    uint32_t record = inventory->site_count++;
    struct phu_site *site = &inventory->sites[record];

    site->id = phu_table_id(&reader->table, SITE_ID);
    site->name = phu_table_text(&reader->table, SITE_NAME, PHU_NAME_MAX_CHARACTERS);
    site->area = read_site_area(reader);
    site->lat_e6 = phu_table_degrees(&reader->table, SITE_LAT, 90);
    site->lon_e6 = phu_table_degrees(&reader->table, SITE_LON, 180);
    site->parent = PHU_INVENTORY_NONE;
    read_origin(reader, record, SITE_PARENT);
    phu_inventory_enter(reader->loader, &reader->table, &reader->loader->index->sites,
                        inventory->sites, record, site->id, "site");
}

void phu_inventory_read_sites(struct phu_inventory_loader *loader,
                              struct phu_inventory_source *source)
{
    static const struct kind sites = {
        .file = PHU_FILE_SITES,
        .what = "site",
        .columns = site_columns,
        .column_count = SITE_COLUMNS,
        .stride = sizeof(struct phu_site),
        .id = offsetof(struct phu_site, id),
        .parent = offsetof(struct phu_site, parent),
        .read = read_site,
    };
    struct phu_inventory *inventory = loader->inventory;

    inventory->sites = phu_inventory_room(source, sizeof *inventory->sites);
    read_records(loader, source, &sites, &loader->index->sites, inventory->sites,
                 &inventory->site_count);
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
    phu_inventory_enter(loader, table, &loader->index->devices, inventory->devices, record,
                        device->id, "device");
}

void phu_inventory_read_devices(struct phu_inventory_loader *loader,
                                struct phu_inventory_source *source)
{
    static const struct kind devices = {
        .file = PHU_FILE_DEVICES,
        .what = "device",
        .columns = device_columns,
        .column_count = DEVICE_COLUMNS,
        .stride = sizeof(struct phu_device),
        .id = offsetof(struct phu_device, id),
        .parent = offsetof(struct phu_device, parent),
        .read = read_device,
    };
    struct phu_inventory *inventory = loader->inventory;

    inventory->devices = phu_inventory_room(source, sizeof *inventory->devices);
    read_records(loader, source, &devices, &loader->index->devices, inventory->devices,
                 &inventory->device_count);
}
