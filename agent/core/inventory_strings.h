/* The inventory's texts: one arena, equal texts once. Private to agent/core/inventory*. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct phu_strings_slot {
    uint32_t text; /* offset; 0: free */
    uint32_t hash; /* beside it, so that a text is touched only when it is the one */
};

struct phu_strings_pool {
    char *bytes;
    size_t used, size;
    struct phu_strings_slot *slots; /* interned texts; a power of two of them */
    size_t slot_count, interned;
    bool is_full; /* offsets have run out: what was asked for became "" */
};

void phu_strings_pool_init(struct phu_strings_pool *pool);
void phu_strings_pool_fini(struct phu_strings_pool *pool);

/* The offset of an equal text, new or not. */
uint32_t phu_strings_pool_intern(struct phu_strings_pool *pool, const char *text, size_t length);
/* "a/b", without looking for an equal one. */
uint32_t phu_strings_pool_join(struct phu_strings_pool *pool, const char *a, const char *b,
                               size_t b_length);
/* Nothing will be added any more: gives back what only adding needs. */
void phu_strings_pool_seal(struct phu_strings_pool *pool);

uint32_t phu_strings_hash(const char *text, size_t length);
