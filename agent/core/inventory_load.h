/* Reading an inventory: what the readers of the files share. Private to agent/core/inventory*.
 */
#pragma once

#include "inventory.h"
#include "inventory_index.h"
#include "inventory_strings.h"
#include "inventory_table.h"

enum phu_inventory_file {
    PHU_FILE_AREAS,
    PHU_FILE_SITES,
    PHU_FILE_DEVICES,
    PHU_FILE_ENDPOINTS,
    PHU_FILE_MAINTENANCE,
};
#define PHU_FILE_COUNT 5

/* The files' contents; text NULL: there is no such file. Each has room for length + 1 bytes, and is
 * overwritten while it is read. */
struct phu_inventory_source {
    const char *path; /* for messages */
    char *text;
    size_t length;
};

/* Where a record was read, for mistakes that show only when all have been. */
struct phu_origin {
    uint32_t line;
    uint32_t parent;        /* text */
    uint16_t parent_column; /* of its field */
};

/* Where an endpoint says what serves it. */
struct phu_claim_origin {
    uint32_t line;
    uint16_t ifname_column, index_column;
};

enum { PHU_NAME_MAX_CHARACTERS = 100 };

enum { PHU_CHECK_CACHE = 64, PHU_CHECKS_PER_OWNER = 16 };

struct phu_check_cache {
    uint32_t text; /* of the column; 0: free */
    uint32_t count;
    struct {
        uint32_t argument; /* text */
        uint16_t kind;
        uint16_t start, length; /* of the check in the column's text */
    } checks[PHU_CHECKS_PER_OWNER];
};

struct phu_inventory_loader {
    const struct phu_inventory_vocabulary *vocabulary;
    struct phu_diags *diags;
    struct phu_inventory *inventory;
    struct phu_inventory_index *index;
    struct phu_strings_pool strings;
    size_t mistakes;
    uint32_t check_room;
    struct phu_check_cache cache[PHU_CHECK_CACHE];
    bool is_lost[PHU_FILE_COUNT]; /* could not be read: no use in looking for ids of it */
    unsigned guesses;             /* looked for so far: a search goes through all ids */
};

/* The same as phu_inventory_load() from texts in memory. */
int phu_inventory_load_texts(struct phu_inventory_source sources[PHU_FILE_COUNT],
                             const struct phu_inventory_vocabulary *vocabulary, struct phu_wall now,
                             struct phu_diags *diags, struct phu_inventory **out);

/* Each reads one file; what a mistake leaves out is left out. */
void phu_inventory_read_areas(struct phu_inventory_loader *loader,
                              struct phu_inventory_source *source);
void phu_inventory_read_sites(struct phu_inventory_loader *loader,
                              struct phu_inventory_source *source);
void phu_inventory_read_devices(struct phu_inventory_loader *loader,
                                struct phu_inventory_source *source);
void phu_inventory_read_endpoints(struct phu_inventory_loader *loader,
                                  struct phu_inventory_source *source);

void phu_inventory_read_maintenance(struct phu_inventory_loader *loader,
                                    struct phu_inventory_source *source);

/* Columns checks, interval and profile, as devices and endpoints have them. */
struct phu_owner_columns {
    size_t checks, interval, profile;
};
/* Adds the checks of one owner; returns the first, and how many. */
uint32_t phu_inventory_add_checks(struct phu_inventory_loader *loader,
                                  struct phu_inventory_table *table,
                                  const struct phu_owner_columns *columns, const char *fallback,
                                  uint32_t id, uint32_t owner, bool is_device, uint32_t *count);
uint16_t phu_inventory_read_profile(struct phu_inventory_loader *loader,
                                    struct phu_inventory_table *table, size_t column,
                                    uint16_t fallback);

/* Opens a table over a source. False when there is nothing to be read. */
bool phu_inventory_open_table(struct phu_inventory_loader *loader, enum phu_inventory_file file,
                              struct phu_inventory_source *source, const struct phu_column *columns,
                              size_t column_count, struct phu_inventory_table *table);
/* Room for as many records as the text may have rows, zeroed. */
void *phu_inventory_room(const struct phu_inventory_source *source, size_t size);

/* The nearest id to `word` among an index's records, or NULL. */
const char *phu_inventory_guess(struct phu_inventory_loader *loader,
                                const struct phu_record_index *index, const void *records,
                                uint32_t count, const char *word);
/* A reference to a site or device by id: its number, or NONE (reported when there is a text). */
uint32_t phu_inventory_refer(struct phu_inventory_loader *loader, struct phu_inventory_table *table,
                             size_t column, enum phu_inventory_file file);

/* When all endpoints have been read: what each device serves. */
void phu_inventory_link_served(struct phu_inventory_loader *loader,
                               struct phu_inventory_table *table,
                               const struct phu_claim_origin *origins);

/* The area with this text in the index that is in force today, or NONE. *is_past: there are others.
 */
uint32_t phu_inventory_find_in_force(const struct phu_inventory_loader *loader,
                                     const struct phu_record_index *index, const char *text,
                                     bool *is_past);
/* Puts a record into the index by its id, unless an earlier row has it (reported). */
void phu_inventory_enter(struct phu_inventory_loader *loader, struct phu_inventory_table *table,
                         struct phu_record_index *index, const void *records, uint32_t record,
                         uint32_t id, const char *what);

/* A tree of records of one kind that refer to their parents by number. */
struct phu_parents {
    struct phu_inventory_table *table; /* for messages */
    void *records;
    const struct phu_origin *origins;
    uint32_t count;
    size_t stride, parent, name; /* fields: parent's number, text to be called by */
};
/* Reports each circle once, names its members, and cuts it. */
void phu_inventory_cut_circles(struct phu_inventory_loader *loader,
                               const struct phu_parents *parents);
