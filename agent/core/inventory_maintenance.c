/* maintenance.csv: announced work. */
#include "inventory_load.h"

#include "rfc3339.h"

#include <string.h>

enum {
    MAINTENANCE_SCOPE,
    MAINTENANCE_ID,
    MAINTENANCE_FROM,
    MAINTENANCE_TO,
    MAINTENANCE_COMMENT,
    MAINTENANCE_COLUMNS,
};

static const struct phu_column maintenance_columns[MAINTENANCE_COLUMNS] = {
    [MAINTENANCE_SCOPE] = {"scope", true},      [MAINTENANCE_ID] = {"id", true},
    [MAINTENANCE_FROM] = {"from", true},        [MAINTENANCE_TO] = {"to", true},
    [MAINTENANCE_COMMENT] = {"comment", false},
};

static const char *const scopes[] = {"area", "site", "device", "endpoint", "hamlet", NULL};

const char *phu_scope_name(enum phu_scope scope)
{
    return scopes[scope];
}

/* A moment without an offset would be taken for UTC by us and for local time by its writer. */
static int64_t read_time(struct phu_inventory_table *table, size_t column)
{
    const char *text = phu_table_field(table, column);
    struct phu_wall at = {0};

    if (!text[0])
        return 0;
    if (strlen(text) <= 10 || phu_rfc3339_parse(text, &at) < 0)
        phu_table_mistake(table, column,
                          "\"%.40s\" is no time; write it as 2026-11-23T22:00:00+07:00", text);
    return at.ns;
}

static uint32_t find_area(struct phu_inventory_loader *loader, struct phu_inventory_table *table,
                          const struct phu_record_index *index, const char *what)
{
    const char *text = phu_table_field(table, MAINTENANCE_ID);
    bool is_past = false;
    uint32_t found;

    if (!text[0] || loader->is_lost[PHU_FILE_AREAS])
        return PHU_INVENTORY_NONE;
    found = phu_inventory_find_in_force(loader, index, text, &is_past);
    if (found == PHU_INVENTORY_NONE)
        phu_table_mistake(table, MAINTENANCE_ID,
                          is_past ? "%s \"%.80s\" is not in force today"
                                  : "unknown %s \"%.80s\"; it is not in areas.csv",
                          what, text);
    return found;
}

static uint32_t find_endpoint(struct phu_inventory_loader *loader,
                              struct phu_inventory_table *table)
{
    const struct phu_inventory *inventory = loader->inventory;
    const struct phu_record_index *index = &loader->index->endpoints;
    const char *text = phu_table_field(table, MAINTENANCE_ID), *nearest;
    uint32_t cursor = 0, found;

    if (!text[0] || loader->is_lost[PHU_FILE_ENDPOINTS])
        return PHU_INVENTORY_NONE;
    found =
        phu_record_index_next(index, loader->strings.bytes, inventory->endpoints, text, &cursor);
    if (found != PHU_INVENTORY_NONE)
        return found;
    nearest =
        phu_inventory_guess(loader, index, inventory->endpoints, inventory->endpoint_count, text);
    phu_table_mistake(table, MAINTENANCE_ID,
                      nearest ? "unknown endpoint \"%.80s\"; did you mean \"%s\"?"
                              : "unknown endpoint \"%.80s\"; it is not in endpoints.csv%s",
                      text, nearest ? nearest : "");
    return PHU_INVENTORY_NONE;
}

static uint32_t find_record(struct phu_inventory_loader *loader, struct phu_inventory_table *table,
                            enum phu_scope scope)
{
    switch (scope) {
    case PHU_SCOPE_AREA:
        return find_area(loader, table, &loader->index->areas, "area");
    case PHU_SCOPE_HAMLET:
        return find_area(loader, table, &loader->index->hamlets, "hamlet");
    case PHU_SCOPE_SITE:
        return phu_inventory_refer(loader, table, MAINTENANCE_ID, PHU_FILE_SITES);
    case PHU_SCOPE_DEVICE:
        return phu_inventory_refer(loader, table, MAINTENANCE_ID, PHU_FILE_DEVICES);
    case PHU_SCOPE_ENDPOINT:
        return find_endpoint(loader, table);
    }
    return PHU_INVENTORY_NONE;
}

static void read_row(struct phu_inventory_loader *loader, struct phu_inventory_table *table)
{
    struct phu_inventory *inventory = loader->inventory;
    struct phu_maintenance *row = &inventory->maintenance[inventory->maintenance_count];
    int scope = phu_table_choice(table, MAINTENANCE_SCOPE, scopes, "scope");
    size_t mistakes = table->mistakes;

    row->from_ns = read_time(table, MAINTENANCE_FROM);
    row->to_ns = read_time(table, MAINTENANCE_TO);
    row->comment = phu_table_text(table, MAINTENANCE_COMMENT, PHU_NAME_MAX_CHARACTERS);
    if (mistakes == table->mistakes && row->to_ns <= row->from_ns)
        phu_table_mistake(table, MAINTENANCE_TO, "ends before it begins; \"to\" must be later");
    if (scope < 0)
        return;
    row->scope = (uint8_t)scope;
    row->record = find_record(loader, table, (enum phu_scope)scope);
    if (row->record != PHU_INVENTORY_NONE)
        inventory->maintenance_count++;
}

void phu_inventory_read_maintenance(struct phu_inventory_loader *loader,
                                    struct phu_inventory_source *source)
{
    struct phu_inventory *inventory = loader->inventory;
    struct phu_inventory_table table;

    inventory->maintenance = phu_inventory_room(source, sizeof *inventory->maintenance);
    inventory->strings = loader->strings.bytes;
    if (!phu_inventory_open_table(loader, PHU_FILE_MAINTENANCE, source, maintenance_columns,
                                  MAINTENANCE_COLUMNS, &table))
        return;
    while (phu_table_next(&table))
        read_row(loader, &table);
    loader->mistakes += table.mistakes;
}
