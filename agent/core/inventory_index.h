/* Records by one of their texts. Private to agent/core/inventory*.
 *
 * A hash table of record numbers over an array of records, of which the field at `key` is a text.
 * Several records may have the same text.
 */
#pragma once

#include "inventory_strings.h"

struct phu_record_slot {
    uint32_t record; /* number + 1; 0: free */
    uint32_t hash;   /* of its text */
};

struct phu_record_index {
    struct phu_record_slot *slots;
    uint32_t slot_count, count;
    size_t stride, key; /* of the records */
};

struct phu_inventory_index {
    struct phu_record_index endpoints, devices, sites;
    struct phu_record_index areas;   /* by code */
    struct phu_record_index hamlets; /* areas that are hamlets, by id */
};

void phu_record_index_init(struct phu_record_index *index, size_t stride, size_t key);
void phu_record_index_fini(struct phu_record_index *index);
/* `strings` and `records` are where they are now; both may move between calls. */
void phu_record_index_add(struct phu_record_index *index, const char *strings, const void *records,
                          uint32_t record);
/* The first record with this text after `*cursor` steps of the search; start with 0. UINT32_MAX
 * when there is none left. */
uint32_t phu_record_index_next(const struct phu_record_index *index, const char *strings,
                               const void *records, const char *text, uint32_t *cursor);
