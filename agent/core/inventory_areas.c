/* areas.csv: the administrative tree, with its changes over time.
 *
 * A code is used again for another unit later on, so rows with one code must not be valid on the
 * same day, and a parent's code is looked up on a day: today when the child is in force today.
 * Otherwise it is the day on which the child began (or, when that is open, ended); but a row of the
 * past is content with any area of that code that was in force at some time of its own.
 */
#include "inventory_load.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    CODE,
    LEVEL,
    NAME,
    PARENT_CODE,
    NAME_EN,
    ID,
    LAT,
    LON,
    HOUSEHOLDS,
    VALID_FROM,
    VALID_TO,
    SOURCE,
    COLUMNS,
};

static const struct phu_column columns[COLUMNS] = {
    [CODE] = {"code", true},
    [LEVEL] = {"level", true},
    [NAME] = {"name", true},
    [PARENT_CODE] = {"parent_code", false},
    [NAME_EN] = {"name_en", false},
    [ID] = {"id", false},
    [LAT] = {"lat", false},
    [LON] = {"lon", false},
    [HOUSEHOLDS] = {"households", false},
    [VALID_FROM] = {"valid_from", false},
    [VALID_TO] = {"valid_to", false},
    [SOURCE] = {"source", false},
};

enum { LEVEL_UNKNOWN = PHU_LEVEL_HAMLET + 1 }; /* reported: let nothing follow from it */

enum { NAME_MAX_CHARACTERS = 100, SOURCE_MAX_CHARACTERS = 200, HOUSEHOLDS_MAX = 10000000 };

struct reader {
    struct phu_inventory_loader *loader;
    struct phu_inventory_table table;
    struct phu_area *areas;
    struct phu_origin *origins;
    uint32_t count;
};

static bool is_in_force(const struct phu_area *area, int32_t day)
{
    return area->valid_from <= day && day <= area->valid_to;
}

static const char *text_of(const struct reader *reader, uint32_t text)
{
    return reader->loader->strings.bytes + text;
}

/* -- One row ---------------------------------------------------------------------------------- */

static void read_id(struct reader *reader, struct phu_area *area)
{
    const char *text = phu_table_field(&reader->table, ID);

    area->id = phu_table_id(&reader->table, ID);
    if (area->level == PHU_LEVEL_HAMLET && !text[0])
        phu_table_mistake(&reader->table, ID,
                          "a hamlet needs an id of its own, which it keeps for ever");
    else if (area->level < PHU_LEVEL_HAMLET && text[0])
        phu_table_mistake(&reader->table, ID,
                          "only hamlets have an id; others go by code and valid_from");
}

static void read_place(struct reader *reader, struct phu_area *area)
{
    area->lat_e6 = phu_table_degrees(&reader->table, LAT, 90);
    area->lon_e6 = phu_table_degrees(&reader->table, LON, 180);
}

static void read_validity(struct reader *reader, struct phu_area *area)
{
    char from[PHU_DAY_TEXT], to[PHU_DAY_TEXT];

    area->valid_from = phu_table_date(&reader->table, VALID_FROM, INT32_MIN);
    area->valid_to = phu_table_date(&reader->table, VALID_TO, INT32_MAX);
    if (area->valid_from <= area->valid_to)
        return;
    phu_day_format(area->valid_from, from);
    phu_day_format(area->valid_to, to);
    phu_table_mistake(&reader->table, VALID_TO, "%s lies before valid_from %s", to, from);
}

/* What is wrong between two rows that must not be valid on the same day. */
static void compare_validity(struct reader *reader, const struct phu_area *area,
                             const struct phu_area *other, size_t column, const char *what)
{
    uint32_t line = reader->origins[other - reader->areas].line;
    int32_t day = area->valid_from > other->valid_from ? area->valid_from : other->valid_from;
    char text[PHU_DAY_TEXT] = "any day";

    if (area->valid_from == other->valid_from) {
        phu_table_mistake(&reader->table, column,
                          "%s is already at line %u, with the same valid_from; remove one of them",
                          what, line);
        return;
    }
    if (area->valid_from > other->valid_to || other->valid_from > area->valid_to)
        return;
    if (day != INT32_MIN)
        phu_day_format(day, text);
    phu_table_mistake(&reader->table, column,
                      "%s is valid twice on %s, here and at line %u; let one end before the other "
                      "begins",
                      what, text, line);
}

static void compare_with_same(struct reader *reader, const struct phu_record_index *index,
                              const struct phu_area *area, uint32_t text, size_t column,
                              const char *noun)
{
    const char *bytes = reader->loader->strings.bytes;
    uint32_t cursor = 0, other;
    char what[128];

    snprintf(what, sizeof what, "%s \"%s\"", noun, bytes + text);
    while ((other = phu_record_index_next(index, bytes, reader->areas, bytes + text, &cursor)) !=
           UINT32_MAX)
        compare_validity(reader, area, &reader->areas[other], column, what);
}

static void enter(struct reader *reader, const struct phu_area *area)
{
    struct phu_inventory_index *index = reader->loader->index;
    const char *bytes = reader->loader->strings.bytes;

    if (area->code) {
        compare_with_same(reader, &index->areas, area, area->code, CODE, "area");
        phu_record_index_add(&index->areas, bytes, reader->areas, reader->count);
    }
    if (area->level >= PHU_LEVEL_HAMLET && area->id) {
        compare_with_same(reader, &index->hamlets, area, area->id, ID, "hamlet");
        phu_record_index_add(&index->hamlets, bytes, reader->areas, reader->count);
    }
    reader->count++;
}

static void read_row(struct reader *reader)
{
    static const char *const levels[] = {"province", "district", "commune", "hamlet", NULL};
    struct phu_inventory_table *table = &reader->table;
    struct phu_area *area = &reader->areas[reader->count];
    struct phu_origin *origin = &reader->origins[reader->count];
    int level;

    area->code = phu_table_id(table, CODE);
    level = phu_table_choice(table, LEVEL, levels, "level");
    area->level = level < 0 ? LEVEL_UNKNOWN : (uint8_t)level;
    area->name = phu_table_text(table, NAME, NAME_MAX_CHARACTERS);
    area->name_en = phu_table_text(table, NAME_EN, NAME_MAX_CHARACTERS);
    area->source = phu_table_text(table, SOURCE, SOURCE_MAX_CHARACTERS);
    area->households = 0;
    if (phu_table_field(table, HOUSEHOLDS)[0])
        area->households = phu_table_count(table, HOUSEHOLDS, HOUSEHOLDS_MAX);
    read_id(reader, area);
    read_place(reader, area);
    read_validity(reader, area);
    area->parent = PHU_INVENTORY_NONE;
    origin->line = phu_table_line(table);
    origin->parent = phu_table_id(table, PARENT_CODE);
    origin->parent_column = (uint16_t)phu_table_column(table, PARENT_CODE);
    if (area->level == PHU_LEVEL_HAMLET && !origin->parent &&
        !phu_table_field(table, PARENT_CODE)[0])
        phu_table_mistake(table, PARENT_CODE, "a hamlet needs the code of its commune");
    enter(reader, area);
}

/* -- Parents ---------------------------------------------------------------------------------- */

static int32_t day_of_parent(const struct reader *reader, const struct phu_area *area)
{
    int32_t today = reader->loader->inventory->today;

    if (is_in_force(area, today))
        return today;
    if (area->valid_from != INT32_MIN)
        return area->valid_from;
    return area->valid_to;
}

/* Why there is no parent: the code is unknown, or it is known at other times only. */
static void say_no_parent(struct reader *reader, uint32_t record, int32_t day)
{
    const struct phu_inventory_index *index = reader->loader->index;
    const char *bytes = reader->loader->strings.bytes;
    const char *code = bytes + reader->origins[record].parent, *nearest;
    uint32_t cursor = 0;
    bool is_today = day == reader->loader->inventory->today;
    char text[PHU_DAY_TEXT] = "today";

    if (!is_today)
        phu_day_format(day, text);
    if (phu_record_index_next(&index->areas, bytes, reader->areas, code, &cursor) != UINT32_MAX) {
        phu_table_mistake_at(&reader->table, reader->origins[record].line,
                             reader->origins[record].parent_column,
                             "parent_code: no area with code \"%s\" is in force %s%s; end this "
                             "row with valid_to, and add one for the area that it belongs to then",
                             code, is_today ? "" : "on ", text);
        return;
    }
    nearest =
        phu_inventory_guess(reader->loader, &index->areas, reader->areas, reader->count, code);
    phu_table_mistake_at(&reader->table, reader->origins[record].line,
                         reader->origins[record].parent_column,
                         nearest ? "parent_code: unknown code \"%s\"; did you mean \"%s\"?"
                                 : "parent_code: unknown code \"%s\"; add the area to this file",
                         code, nearest);
}

/* The first area with this code that is in force on some day from `from` to `to`. */
static uint32_t find_between(const struct reader *reader, const char *code, int32_t from,
                             int32_t to)
{
    const char *bytes = reader->loader->strings.bytes;
    uint32_t cursor = 0, found;

    do
        found = phu_record_index_next(&reader->loader->index->areas, bytes, reader->areas, code,
                                      &cursor);
    while (found != UINT32_MAX &&
           (reader->areas[found].valid_from > to || reader->areas[found].valid_to < from));
    return found;
}

static void find_parent(struct reader *reader, uint32_t record)
{
    struct phu_area *area = &reader->areas[record];
    const char *code = text_of(reader, reader->origins[record].parent);
    int32_t day = day_of_parent(reader, area);

    if (!code[0])
        return;
    area->parent = find_between(reader, code, day, day);
    if (area->parent == UINT32_MAX && !is_in_force(area, reader->loader->inventory->today))
        area->parent = find_between(reader, code, area->valid_from, area->valid_to);
    if (area->parent == UINT32_MAX)
        say_no_parent(reader, record, day);
}

static void check_levels(struct reader *reader, uint32_t record)
{
    const struct phu_area *area = &reader->areas[record], *parent;

    if (area->parent == PHU_INVENTORY_NONE)
        return;
    parent = &reader->areas[area->parent];
    if (area->level == LEVEL_UNKNOWN || parent->level == LEVEL_UNKNOWN)
        return;
    if (parent->level >= area->level)
        phu_table_mistake_at(
            &reader->table, reader->origins[record].line, reader->origins[record].parent_column,
            "parent_code: %s \"%s\" cannot lie in %s \"%s\"",
            phu_level_name((enum phu_level)area->level), text_of(reader, area->code),
            phu_level_name((enum phu_level)parent->level), text_of(reader, parent->code));
}

static void link_parents(struct reader *reader)
{
    const struct phu_parents parents = {
        .table = &reader->table,
        .records = reader->areas,
        .origins = reader->origins,
        .count = reader->count,
        .stride = sizeof(struct phu_area),
        .parent = offsetof(struct phu_area, parent),
        .name = offsetof(struct phu_area, code),
    };
    size_t before;

    for (uint32_t i = 0; i < reader->count; i++)
        find_parent(reader, i);
    before = reader->table.mistakes;
    phu_inventory_cut_circles(reader->loader, &parents);
    if (reader->table.mistakes > before)
        return; /* levels would only say the same again */
    for (uint32_t i = 0; i < reader->count; i++)
        check_levels(reader, i);
}

void phu_inventory_read_areas(struct phu_inventory_loader *loader,
                              struct phu_inventory_source *source)
{
    struct phu_inventory *inventory = loader->inventory;
    struct reader reader = {
        .loader = loader,
        .areas = phu_inventory_room(source, sizeof *reader.areas),
        .origins = phu_inventory_room(source, sizeof *reader.origins),
    };

    if (phu_inventory_open_table(loader, PHU_FILE_AREAS, source, columns, COLUMNS, &reader.table)) {
        while (phu_table_next(&reader.table))
            read_row(&reader);
        link_parents(&reader);
        loader->mistakes += reader.table.mistakes;
    }
    inventory->areas = reader.areas;
    inventory->area_count = reader.count;
    for (uint32_t i = 0; i < reader.count; i++) {
        inventory->hamlet_count += reader.areas[i].level == PHU_LEVEL_HAMLET &&
                                   is_in_force(&reader.areas[i], inventory->today);
    }
    free(reader.origins);
}
