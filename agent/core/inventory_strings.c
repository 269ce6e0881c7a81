/* Texts one after the other, each with its NUL; a hash set of offsets finds equal ones. */
#include "inventory_strings.h"

#include <stdlib.h>
#include <string.h>

enum { FIRST_BYTES = 64 * 1024, FIRST_SLOTS = 4096 };

static void *must(void *memory)
{
    if (!memory)
        abort();
    return memory;
}

uint32_t phu_strings_hash(const char *text, size_t length)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);

    for (size_t i = 0; i < length; i++)
        hash = (hash ^ (unsigned char)text[i]) * UINT64_C(0x100000001b3);
    /* FNV-1a leaves neighbouring numbers neighbours, and slots are taken by the low bits. */
    hash = (hash ^ (hash >> 32)) * UINT64_C(0xd6e8feb86659fd93);
    return (uint32_t)(hash ^ (hash >> 32));
}

void phu_strings_pool_init(struct phu_strings_pool *pool)
{
    *pool = (struct phu_strings_pool){.size = FIRST_BYTES, .slot_count = FIRST_SLOTS};
    pool->bytes = must(malloc(pool->size));
    pool->bytes[0] = '\0';
    pool->used = 1;
    pool->slots = must(calloc(pool->slot_count, sizeof *pool->slots));
}

void phu_strings_pool_fini(struct phu_strings_pool *pool)
{
    free(pool->bytes);
    free(pool->slots);
}

void phu_strings_pool_seal(struct phu_strings_pool *pool)
{
    free(pool->slots);
    pool->slots = NULL;
    pool->bytes = must(realloc(pool->bytes, pool->used));
    pool->size = pool->used;
}

/* Room for a text and its NUL; 0 when offsets have run out. */
static uint32_t reserve(struct phu_strings_pool *pool, size_t length)
{
    size_t offset = pool->used;

    if (length >= UINT32_MAX - offset) {
        pool->is_full = true;
        return 0;
    }
    while (pool->size - offset <= length) {
        pool->size += pool->size / 2;
        pool->bytes = must(realloc(pool->bytes, pool->size));
    }
    pool->used += length + 1;
    pool->bytes[offset + length] = '\0';
    return (uint32_t)offset;
}

static size_t find_slot(const struct phu_strings_pool *pool, const char *text, size_t length,
                        uint32_t hash)
{
    size_t slot = hash & (pool->slot_count - 1);

    for (; pool->slots[slot].text; slot = (slot + 1) & (pool->slot_count - 1)) {
        const char *known = pool->bytes + pool->slots[slot].text;

        if (pool->slots[slot].hash == hash && strncmp(known, text, length) == 0 &&
            known[length] == '\0')
            break;
    }
    return slot;
}

static void grow_slots(struct phu_strings_pool *pool)
{
    struct phu_strings_slot *old = pool->slots;
    size_t old_count = pool->slot_count;

    pool->slot_count *= 2;
    pool->slots = must(calloc(pool->slot_count, sizeof *pool->slots));
    for (size_t i = 0; i < old_count; i++) {
        size_t slot = old[i].hash & (pool->slot_count - 1);

        while (old[i].text && pool->slots[slot].text)
            slot = (slot + 1) & (pool->slot_count - 1);
        if (old[i].text)
            pool->slots[slot] = old[i];
    }
    free(old);
}

uint32_t phu_strings_pool_intern(struct phu_strings_pool *pool, const char *text, size_t length)
{
    uint32_t offset, hash;
    size_t slot;

    if (length == 0)
        return 0;
    hash = phu_strings_hash(text, length);
    slot = find_slot(pool, text, length, hash);
    if (pool->slots[slot].text)
        return pool->slots[slot].text;
    offset = reserve(pool, length);
    if (offset == 0)
        return 0;
    memcpy(pool->bytes + offset, text, length);
    pool->slots[slot] = (struct phu_strings_slot){offset, hash};
    if (++pool->interned > pool->slot_count / 4 * 3)
        grow_slots(pool);
    return offset;
}

uint32_t phu_strings_pool_join(struct phu_strings_pool *pool, const char *a, const char *b,
                               size_t b_length)
{
    size_t a_length = strlen(a), from = 0;
    bool is_inside = a >= pool->bytes && a < pool->bytes + pool->used;
    uint32_t offset;

    if (is_inside)
        from = (size_t)(a - pool->bytes); /* reserve may move the bytes */
    offset = reserve(pool, a_length + 1 + b_length);
    if (offset == 0)
        return 0;
    if (is_inside)
        a = pool->bytes + from;
    memcpy(pool->bytes + offset, a, a_length);
    pool->bytes[offset + a_length] = '/';
    memcpy(pool->bytes + offset + a_length + 1, b, b_length);
    return offset;
}
