#include "register.h"

#include "core/inventory.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct writer {
    const struct phu_inventory *inventory;
    FILE *out;
    bool is_first_row, is_first_member;
};

static void put_json(FILE *out, const char *text)
{
    putc('"', out);
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;

        if (c == '"' || c == '\\')
            fprintf(out, "\\%c", c);
        else if (c < 0x20 || c == 0x7f)
            fprintf(out, "\\u%04x", c);
        else
            putc(c, out);
    }
    putc('"', out);
}

static void begin_list(struct writer *writer, const char *name, bool is_first)
{
    fprintf(writer->out, "%s\"%s\":[", is_first ? "{" : "],\n", name);
    writer->is_first_row = true;
}

static void begin_row(struct writer *writer)
{
    fputs(writer->is_first_row ? "\n{" : "},\n{", writer->out);
    writer->is_first_row = false;
    writer->is_first_member = true;
}

static void end_list(struct writer *writer)
{
    if (!writer->is_first_row)
        putc('}', writer->out);
}

static void put_name(struct writer *writer, const char *name)
{
    fprintf(writer->out, "%s\"%s\":", writer->is_first_member ? "" : ",", name);
    writer->is_first_member = false;
}

static void put_plain(struct writer *writer, const char *name, const char *value)
{
    if (!*value)
        return;
    put_name(writer, name);
    put_json(writer->out, value);
}

static void put_text(struct writer *writer, const char *name, uint32_t text)
{
    put_plain(writer, name, phu_inventory_text(writer->inventory, text));
}

static void put_place(struct writer *writer, int32_t lat_e6, int32_t lon_e6)
{
    if (lat_e6 == INT32_MIN || lon_e6 == INT32_MIN)
        return;
    put_name(writer, "lat");
    fprintf(writer->out, "%.6f", lat_e6 / 1e6);
    put_name(writer, "lon");
    fprintf(writer->out, "%.6f", lon_e6 / 1e6);
}

static void put_day(struct writer *writer, const char *name, int32_t day, int32_t open)
{
    time_t at = (time_t)day * 86400;
    struct tm date;
    char text[16];

    if (day == open || !gmtime_r(&at, &date) || !strftime(text, sizeof text, "%Y-%m-%d", &date))
        return;
    put_plain(writer, name, text);
}

static void put_areas(struct writer *writer)
{
    const struct phu_inventory *inventory = writer->inventory;

    begin_list(writer, "areas", true);
    for (uint32_t i = 0; i < inventory->area_count; i++) {
        const struct phu_area *area = &inventory->areas[i];

        begin_row(writer);
        put_text(writer, "code", area->code);
        put_text(writer, "id", area->id);
        put_plain(writer, "level", phu_level_name((enum phu_level)area->level));
        put_text(writer, "name", area->name);
        put_text(writer, "name_en", area->name_en);
        if (area->parent != PHU_INVENTORY_NONE)
            put_text(writer, "parent", inventory->areas[area->parent].code);
        put_day(writer, "valid_from", area->valid_from, INT32_MIN);
        put_day(writer, "valid_to", area->valid_to, INT32_MAX);
        if (area->households) {
            put_name(writer, "households");
            fprintf(writer->out, "%u", area->households);
        }
        put_place(writer, area->lat_e6, area->lon_e6);
    }
    end_list(writer);
}

/* A hamlet by its id, which never changes, any other by its code. */
static uint32_t name_of_area(const struct phu_area *area)
{
    return area->level == PHU_LEVEL_HAMLET ? area->id : area->code;
}

static void put_sites(struct writer *writer)
{
    const struct phu_inventory *inventory = writer->inventory;

    begin_list(writer, "sites", false);
    for (uint32_t i = 0; i < inventory->site_count; i++) {
        const struct phu_site *site = &inventory->sites[i];

        begin_row(writer);
        put_text(writer, "id", site->id);
        put_text(writer, "name", site->name);
        if (site->area != PHU_INVENTORY_NONE)
            put_text(writer, "area", name_of_area(&inventory->areas[site->area]));
        if (site->parent != PHU_INVENTORY_NONE)
            put_text(writer, "parent", inventory->sites[site->parent].id);
        put_place(writer, site->lat_e6, site->lon_e6);
    }
    end_list(writer);
}

static void put_device(struct writer *writer, const char *name, uint32_t device)
{
    if (device != PHU_INVENTORY_NONE)
        put_text(writer, name, writer->inventory->devices[device].id);
}

static void put_devices(struct writer *writer)
{
    const struct phu_inventory *inventory = writer->inventory;

    begin_list(writer, "devices", false);
    for (uint32_t i = 0; i < inventory->device_count; i++) {
        const struct phu_device *device = &inventory->devices[i];

        begin_row(writer);
        put_text(writer, "id", device->id);
        put_text(writer, "address", device->address);
        if (device->site != PHU_INVENTORY_NONE)
            put_text(writer, "site", inventory->sites[device->site].id);
        put_device(writer, "parent", device->parent);
    }
    end_list(writer);
}

static void put_endpoints(struct writer *writer)
{
    const struct phu_inventory *inventory = writer->inventory;

    begin_list(writer, "endpoints", false);
    for (uint32_t i = 0; i < inventory->endpoint_count; i++) {
        const struct phu_endpoint *endpoint = &inventory->endpoints[i];

        begin_row(writer);
        put_text(writer, "id", endpoint->id);
        put_text(writer, "hamlet", inventory->areas[endpoint->hamlet].id);
        if (endpoint->commune != PHU_INVENTORY_NONE)
            put_text(writer, "commune", inventory->areas[endpoint->commune].code);
        put_plain(writer, "technology",
                  phu_technology_name((enum phu_technology)endpoint->technology));
        put_text(writer, "operator", endpoint->operator_name);
        put_text(writer, "address", endpoint->address);
        put_device(writer, "device", endpoint->device);
        put_text(writer, "index", endpoint->index);
        put_device(writer, "parent", endpoint->parent);
    }
    end_list(writer);
}

char *phu_register_text(const struct phu_inventory *inventory, size_t *length)
{
    char *text = NULL;
    struct writer writer = {.inventory = inventory, .out = open_memstream(&text, length)};

    if (!writer.out)
        abort();
    put_areas(&writer);
    put_sites(&writer);
    put_devices(&writer);
    put_endpoints(&writer);
    fputs("]}\n", writer.out);
    if (fclose(writer.out) != 0)
        abort();
    return text;
}
