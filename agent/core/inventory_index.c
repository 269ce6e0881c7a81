/* Open addressing with linear steps; records with the same text lie on one run of slots. */
#include "inventory_index.h"

#include <stdlib.h>
#include <string.h>

enum { FIRST_SLOTS = 64 };

static struct phu_record_slot *new_slots(uint32_t count)
{
    struct phu_record_slot *slots = calloc(count, sizeof *slots);

    if (!slots)
        abort();
    return slots;
}

void phu_record_index_init(struct phu_record_index *index, size_t stride, size_t key)
{
    *index = (struct phu_record_index){.stride = stride, .key = key, .slot_count = FIRST_SLOTS};
    index->slots = new_slots(FIRST_SLOTS);
}

void phu_record_index_fini(struct phu_record_index *index)
{
    free(index->slots);
    index->slots = NULL;
}

static const char *text_of(const struct phu_record_index *index, const char *strings,
                           const void *records, uint32_t record)
{
    uint32_t text;

    memcpy(&text, (const char *)records + (size_t)record * index->stride + index->key, sizeof text);
    return strings + text;
}

static void place(struct phu_record_index *index, struct phu_record_slot entry)
{
    uint32_t slot = entry.hash & (index->slot_count - 1);

    while (index->slots[slot].record)
        slot = (slot + 1) & (index->slot_count - 1);
    index->slots[slot] = entry;
}

static void grow(struct phu_record_index *index)
{
    struct phu_record_slot *old = index->slots;
    uint32_t old_count = index->slot_count;

    index->slot_count *= 2;
    index->slots = new_slots(index->slot_count);
    for (uint32_t i = 0; i < old_count; i++) {
        if (old[i].record)
            place(index, old[i]);
    }
    free(old);
}

void phu_record_index_add(struct phu_record_index *index, const char *strings, const void *records,
                          uint32_t record)
{
    const char *text = text_of(index, strings, records, record);

    if (++index->count > index->slot_count / 4 * 3)
        grow(index);
    place(index, (struct phu_record_slot){record + 1, phu_strings_hash(text, strlen(text))});
}

uint32_t phu_record_index_next(const struct phu_record_index *index, const char *strings,
                               const void *records, const char *text, uint32_t *cursor)
{
    uint32_t hash = phu_strings_hash(text, strlen(text));

    for (;;) {
        const struct phu_record_slot *slot =
            &index->slots[(hash + (*cursor)++) & (index->slot_count - 1)];

        if (slot->record == 0)
            return UINT32_MAX;
        if (slot->hash == hash &&
            strcmp(text_of(index, strings, records, slot->record - 1), text) == 0)
            return slot->record - 1;
    }
}
