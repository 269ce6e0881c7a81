#include "found_rows.h"

#include "mem.h"

#include <stdlib.h>
#include <string.h>

static uint32_t hash_row(const char *tag, const char *name)
{
    uint32_t hash = 2166136261u; /* FNV-1a */

    for (; *tag; tag++)
        hash = (hash ^ (unsigned char)*tag) * 16777619u;
    hash *= 16777619u;
    for (; *name; name++)
        hash = (hash ^ (unsigned char)*name) * 16777619u;
    return hash ^ hash >> 15;
}

static uint32_t *slot_of(const struct phu_found_rows *rows, const char *tag, const char *name)
{
    size_t mask = rows->slot_count - 1, at = hash_row(tag, name) & mask;

    for (;; at = (at + 1) & mask) {
        const struct phu_found_row *row =
            rows->slots[at] ? &rows->items[rows->slots[at] - 1] : NULL;

        if (!row || (strcmp(row->tag, tag) == 0 && strcmp(row->name, name) == 0))
            return &rows->slots[at];
    }
}

static void grow_slots(struct phu_found_rows *rows)
{
    rows->slot_count = rows->slot_count ? rows->slot_count * 2 : 16;
    free(rows->slots);
    rows->slots = phu_mem_alloc(rows->slot_count, sizeof *rows->slots);
    for (size_t i = 0; i < rows->count; i++)
        *slot_of(rows, rows->items[i].tag, rows->items[i].name) = (uint32_t)i + 1;
}

struct phu_found_row *phu_found_rows_take(struct phu_found_rows *rows, const char *tag,
                                          const char *name)
{
    uint32_t *slot;

    if ((rows->count + 1) * 2 > rows->slot_count)
        grow_slots(rows);
    slot = slot_of(rows, tag, name);
    if (*slot)
        return &rows->items[*slot - 1];
    rows->items = phu_mem_grow(rows->items, rows->count, sizeof *rows->items);
    rows->items[rows->count] = (struct phu_found_row){.tag = phu_mem_strdup(tag),
                                                      .name = phu_mem_strdup(name),
                                                      .index = phu_mem_strdup(""),
                                                      .text = phu_mem_strdup(""),
                                                      .endpoint = phu_mem_strdup("")};
    *slot = (uint32_t)++rows->count;
    return &rows->items[rows->count - 1];
}

void phu_found_learn(char **kept, const char *text)
{
    if (!text || !text[0] || strcmp(*kept, text) == 0)
        return;
    free(*kept);
    *kept = phu_mem_strdup(text);
}

void phu_found_rows_fini(struct phu_found_rows *rows)
{
    for (size_t i = 0; i < rows->count; i++) {
        struct phu_found_row *row = &rows->items[i];
        char *texts[] = {row->tag, row->name, row->index, row->text, row->endpoint};

        for (size_t text = 0; text < sizeof texts / sizeof *texts; text++)
            free(texts[text]);
    }
    free(rows->items);
    free(rows->slots);
    *rows = (struct phu_found_rows){0};
}

bool phu_found_tag_may_serve(const char *tag)
{
    static const char *const tags[] = {"onu", "modem", "link", "radio"};

    for (size_t i = 0; i < sizeof tags / sizeof *tags; i++) {
        if (strcmp(tag, tags[i]) == 0)
            return true;
    }
    return false;
}
