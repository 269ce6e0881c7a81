/* endpoints.csv. */
#include "inventory_load.h"

#include "phusong/text.h"

#include <stdlib.h>
#include <string.h>

enum {
    ENDPOINT_ID,
    ENDPOINT_HAMLET,
    ENDPOINT_TECHNOLOGY,
    ENDPOINT_OPERATOR,
    ENDPOINT_ADDRESS,
    ENDPOINT_CHECKS,
    ENDPOINT_DEVICE,
    ENDPOINT_IFNAME,
    ENDPOINT_INDEX,
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
    [ENDPOINT_INDEX] = {"index", false},
    [ENDPOINT_PARENT] = {"parent", false},
    [ENDPOINT_PROFILE] = {"profile", false},
    [ENDPOINT_INTERVAL] = {"interval", false},
};

struct reader {
    struct phu_inventory_loader *loader;
    struct phu_inventory_table table;
    struct phu_claim_origin *origins;
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
    if (phu_inventory_find_in_force(loader, &loader->index->areas, text, &is_past) !=
        PHU_INVENTORY_NONE) {
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
    endpoint->hamlet = phu_inventory_find_in_force(loader, &loader->index->hamlets, text, &is_past);
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

/* "serail=HWTC…" would be looked for as a name and never be found. */
static void check_index(struct reader *reader, const char *text)
{
    static const char *const words[] = {"description", "serial", NULL};
    struct phu_inventory_table *table = &reader->table;
    size_t length = strspn(text, "abcdefghijklmnopqrstuvwxyz");
    char word[32];
    struct phu_guess guess = {.word = word};

    if (!length || text[length] != '=' || length >= sizeof word)
        return;
    memcpy(word, text, length);
    word[length] = '\0';
    for (size_t i = 0; words[i]; i++) {
        phu_guess_offer(&guess, words[i]);
        if (strcmp(words[i], word) != 0)
            continue;
        if (!text[length + 1])
            phu_table_mistake(table, ENDPOINT_INDEX, "nothing stands behind \"%s=\"", word);
        return;
    }
    if (guess.nearest)
        phu_table_mistake(table, ENDPOINT_INDEX, "unknown \"%s=\"; did you mean \"%s=\"?", word,
                          guess.nearest);
}

static void read_claim(struct reader *reader, uint32_t record, struct phu_endpoint *endpoint)
{
    struct phu_inventory_table *table = &reader->table;
    bool has_device = phu_table_field(table, ENDPOINT_DEVICE)[0];

    endpoint->device =
        phu_inventory_refer(reader->loader, table, ENDPOINT_DEVICE, PHU_FILE_DEVICES);
    endpoint->ifname = phu_table_text(table, ENDPOINT_IFNAME, PHU_NAME_MAX_CHARACTERS);
    endpoint->index = phu_table_text(table, ENDPOINT_INDEX, PHU_NAME_MAX_CHARACTERS);
    if (endpoint->ifname && !has_device)
        phu_table_mistake(table, ENDPOINT_IFNAME,
                          "an interface without a device; fill in the column device");
    if (endpoint->index && !has_device)
        phu_table_mistake(table, ENDPOINT_INDEX,
                          "a row of a device without the device; fill in the column device");
    if (endpoint->index)
        check_index(reader, reader->loader->strings.bytes + endpoint->index);
    reader->origins[record] = (struct phu_claim_origin){
        .line = phu_table_line(table),
        .ifname_column = (uint16_t)phu_table_column(table, ENDPOINT_IFNAME),
        .index_column = (uint16_t)phu_table_column(table, ENDPOINT_INDEX),
    };
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
    endpoint->operator_name = phu_table_text(table, ENDPOINT_OPERATOR, PHU_NAME_MAX_CHARACTERS);
    endpoint->address = phu_table_address(table, ENDPOINT_ADDRESS);
    read_claim(reader, record, endpoint);
    endpoint->parent = phu_inventory_refer(loader, table, ENDPOINT_PARENT, PHU_FILE_DEVICES);
    endpoint->checks = phu_inventory_add_checks(loader, table, &own, "icmp", endpoint->id, record,
                                                false, &endpoint->check_count);
    phu_inventory_enter(loader, table, &loader->index->endpoints, inventory->endpoints, record,
                        endpoint->id, "endpoint");
    check_id_of_device(reader, endpoint);
}

void phu_inventory_read_endpoints(struct phu_inventory_loader *loader,
                                  struct phu_inventory_source *source)
{
    struct phu_inventory *inventory = loader->inventory;
    struct reader reader = {
        .loader = loader,
        .origins = phu_inventory_room(source, sizeof *reader.origins),
    };

    inventory->endpoints = phu_inventory_room(source, sizeof *inventory->endpoints);
    inventory->strings = loader->strings.bytes;
    if (phu_inventory_open_table(loader, PHU_FILE_ENDPOINTS, source, endpoint_columns,
                                 ENDPOINT_COLUMNS, &reader.table)) {
        while (phu_table_next(&reader.table))
            read_endpoint(&reader);
        phu_inventory_link_served(loader, &reader.table, reader.origins);
        loader->mistakes += reader.table.mistakes;
    }
    free(reader.origins);
}
