/* Open addressing with linear steps; records with the same text lie on one run of slots. */
#include "inventory_index.h"

#include <stdlib.h>
#include <string.h>

enum { FIRST_SLOTS = 64 };

static uint32_t *new_slots(uint32_t count)
{
    uint32_t *slots = calloc(count, sizeof *slots);

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

static uint32_t first_slot(const struct phu_record_index *index, const char *text)
{
    return (uint32_t)phu_strings_hash(text, strlen(text)) & (index->slot_count - 1);
}

static void place(struct phu_record_index *index, const char *strings, const void *records,
                  uint32_t record)
{
    uint32_t slot = first_slot(index, text_of(index, strings, records, record));

    while (index->slots[slot])
        slot = (slot + 1) & (index->slot_count - 1);
    index->slots[slot] = record + 1;
}

static void grow(struct phu_record_index *index, const char *strings, const void *records)
{
    uint32_t *old = index->slots, old_count = index->slot_count;

    index->slot_count *= 2;
    index->slots = new_slots(index->slot_count);
    for (uint32_t i = 0; i < old_count; i++) {
        if (old[i])
            place(index, strings, records, old[i] - 1);
    }
    free(old);
}

void phu_record_index_add(struct phu_record_index *index, const char *strings, const void *records,
                          uint32_t record)
{
    if (++index->count > index->slot_count / 4 * 3)
        grow(index, strings, records);
    place(index, strings, records, record);
}

uint32_t phu_record_index_next(const struct phu_record_index *index, const char *strings,
                               const void *records, const char *text, uint32_t *cursor)
{
    uint32_t start = first_slot(index, text);

    for (;;) {
        uint32_t slot = (start + (*cursor)++) & (index->slot_count - 1);

        if (index->slots[slot] == 0)
            return UINT32_MAX;
        if (strcmp(text_of(index, strings, records, index->slots[slot] - 1), text) == 0)
            return index->slots[slot] - 1;
    }
}
