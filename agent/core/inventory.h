/* The inventory: what there is to measure, and where it stands in the administrative tree.
 *
 * Read from areas.csv, sites.csv, devices.csv, endpoints.csv and maintenance.csv in one folder
 * (docs/inventory.md). Immutable after loading; a reload makes a second one, compares, and swaps.
 *
 * Compact: each kind is one array, records refer to each other by index, and every text is an
 * offset into one arena, where equal texts stand once. Offset 0 is "". Read texts with
 * phu_inventory_text(inventory, endpoint->operator_name).
 */
#pragma once

#include "phusong/time.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct phu_diags;

#define PHU_INVENTORY_NONE UINT32_MAX /* no such record */

enum phu_level {
    PHU_LEVEL_PROVINCE,
    PHU_LEVEL_DISTRICT,
    PHU_LEVEL_COMMUNE,
    PHU_LEVEL_HAMLET,
};

enum phu_technology {
    PHU_TECHNOLOGY_FIBRE,
    PHU_TECHNOLOGY_3G,
    PHU_TECHNOLOGY_4G,
    PHU_TECHNOLOGY_5G,
};
#define PHU_TECHNOLOGY_COUNT 4

const char *phu_level_name(enum phu_level level);           /* "commune" */
const char *phu_technology_name(enum phu_technology value); /* "fibre", "3g" … */

/* Codes are reused over time, so (code, valid_from) is the key. A hamlet may have several rows with
 * one id, for the communes it belonged to one after the other. */
struct phu_area {
    uint32_t code, name, name_en, source; /* texts */
    uint32_t id;                          /* text; hamlets only */
    uint32_t parent;                      /* area, or NONE */
    int32_t valid_from, valid_to; /* inclusive, days since 1970-01-01; INT32_MIN, INT32_MAX: open */
    int32_t lat_e6, lon_e6;       /* millionths of a degree; INT32_MIN: not known */
    uint32_t households;          /* 0: not known */
    uint8_t level;                /* enum phu_level */
};

struct phu_site {
    uint32_t id, name;      /* texts */
    uint32_t area;          /* area, in force on the day of loading */
    uint32_t parent;        /* site, or NONE */
    int32_t lat_e6, lon_e6; /* as in phu_area */
};

struct phu_device {
    uint32_t id, address, credential, interfaces; /* texts; `interfaces` are patterns, "*" */
    uint32_t site;                                /* site, or NONE */
    uint32_t parent;                              /* device, or NONE */
    uint32_t checks, check_count;                 /* run of inventory->checks */
    uint32_t served, served_count;                /* run of inventory->served */
    uint16_t profile;                             /* index into vocabulary's profiles */
};

struct phu_endpoint {
    uint32_t id, address, operator_name, ifname; /* texts */
    uint32_t hamlet;                             /* area, in force on the day of loading */
    uint32_t commune;                            /* area above it, or NONE */
    uint32_t device;                             /* that serves it, or NONE */
    uint32_t index;                              /* text: the row of the device that serves it */
    uint32_t parent;                             /* device it depends on, or NONE */
    uint32_t checks, check_count; /* run of inventory->checks; the first is primary */
    uint16_t profile;             /* index into vocabulary's profiles */
    uint8_t technology;           /* enum phu_technology */
};

enum phu_scope {
    PHU_SCOPE_AREA,
    PHU_SCOPE_SITE,
    PHU_SCOPE_DEVICE,
    PHU_SCOPE_ENDPOINT,
    PHU_SCOPE_HAMLET,
};

const char *phu_scope_name(enum phu_scope scope); /* "site" */

/* Announced work: what happens meanwhile is recorded, and alarms nobody. */
struct phu_maintenance {
    int64_t from_ns, to_ns; /* UTC; the end is not in it */
    uint32_t record;        /* area, site, device or endpoint */
    uint32_t comment;       /* text */
    uint8_t scope;          /* enum phu_scope */
};

/* One check of one endpoint or device. Its index is stable for the life of the inventory. */
struct phu_inventory_check {
    uint32_t id;          /* text: "<owner's id>/<check as written>" */
    uint32_t argument;    /* text */
    uint32_t owner;       /* index into endpoints or devices */
    uint32_t interval_ms; /* 0: the kind's own */
    uint16_t kind;        /* index into vocabulary's checks */
    bool is_device;       /* owner is a device */
};

struct phu_inventory {
    struct phu_area *areas;
    struct phu_site *sites;
    struct phu_device *devices;
    struct phu_endpoint *endpoints;
    uint32_t *served; /* endpoints by device; without those of which it is not clear what serves
                         them: several of one device with neither ifname nor index */
    struct phu_inventory_check *checks; /* devices' first, then endpoints', in their order */
    struct phu_maintenance *maintenance;
    uint32_t maintenance_count;
    uint32_t area_count, site_count, device_count, endpoint_count, check_count;
    uint32_t hamlet_count; /* in force on the day of loading */
    int32_t today;         /* the day of loading, since 1970-01-01, UTC */
    const char *strings;
    size_t string_bytes;
    struct phu_inventory_index *index; /* private */
};

static inline const char *phu_inventory_text(const struct phu_inventory *inventory, uint32_t text)
{
    return inventory->strings + text;
}

/* The names that the columns may use; from the configuration. Borrowed for the call. */
struct phu_inventory_vocabulary {
    const char *const *checks; /* named ways of checking; ends with NULL */
    /* NULL, or why this kind does not take `argument`. May be NULL. */
    const char *(*check_argument)(void *arg, size_t kind, const char *argument);
    /* NULL, or why this kind cannot run every `interval_ms`. May be NULL. */
    const char *(*check_interval)(void *arg, size_t kind, uint32_t interval_ms);
    void *arg;
    const char *const *profiles;               /* ends with NULL */
    uint16_t profile_of[PHU_TECHNOLOGY_COUNT]; /* where the column is empty */
    uint16_t profile_of_devices;
    const char *const *credentials; /* ends with NULL */
};

/* Every mistake of all files goes into `diags`; -EINVAL when there was one, and then *out is NULL.
 * `now` decides which areas are in force. */
int phu_inventory_load(const char *folder, const struct phu_inventory_vocabulary *vocabulary,
                       struct phu_wall now, struct phu_diags *diags, struct phu_inventory **out);
void phu_inventory_free(struct phu_inventory *inventory);

/* An index, or PHU_INVENTORY_NONE. */
uint32_t phu_inventory_find_endpoint(const struct phu_inventory *inventory, const char *id);
uint32_t phu_inventory_find_device(const struct phu_inventory *inventory, const char *id);
uint32_t phu_inventory_find_site(const struct phu_inventory *inventory, const char *id);
/* A hamlet's row in force on the day of loading. */
uint32_t phu_inventory_find_hamlet(const struct phu_inventory *inventory, const char *id);
/* Any area by code, in force on `day`. */
uint32_t phu_inventory_find_area(const struct phu_inventory *inventory, const char *code,
                                 int32_t day);
uint32_t phu_inventory_find_check(const struct phu_inventory *inventory, const char *id);

/* The area itself or the one above it with this level, or NONE. */
uint32_t phu_inventory_area_at(const struct phu_inventory *inventory, uint32_t area,
                               enum phu_level level);

/* -- Comparing two inventories ---------------------------------------------------------------- */

enum phu_fate {
    PHU_FATE_UNCHANGED, /* keeps phase, counters, window; indices may differ */
    PHU_FATE_CHANGED,   /* measured or tagged differently: ends its window, starts anew */
    PHU_FATE_ADDED,
};

struct phu_inventory_diff {
    uint32_t *before; /* for each check of the new one its index in the old one, or NONE */
    uint8_t *fate;    /* for each check of the new one: enum phu_fate */
    uint32_t *after;  /* for each check of the old one its index in the new one, or NONE: removed */
    uint32_t unchanged, changed, added, removed;
};

/* What lies outside the inventories: may be NULL for "the same". */
struct phu_inventory_same {
    bool (*kind)(void *arg, uint16_t before, uint16_t after);
    bool (*profile)(void *arg, uint16_t before, uint16_t after);
    bool (*credential)(void *arg, const char *name); /* called for names that are equal */
    bool (*has_rows)(void *arg, uint16_t after); /* may checks of this kind have rows that serve? */
    void *arg;
};

/* Matches checks by id. A check has changed when its address, argument, way of checking, interval,
 * profile, credential, interfaces or any tag (hamlet, commune, operator, technology, device, site)
 * has. So has one of a device when it may have rows and the device serves other endpoints than
 * before, or by other rows, or one of them has other tags. A changed parent is not a change. */
int phu_inventory_diff(const struct phu_inventory *before, const struct phu_inventory *after,
                       const struct phu_inventory_same *same, struct phu_inventory_diff *diff);
void phu_inventory_diff_fini(struct phu_inventory_diff *diff);
