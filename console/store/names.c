#include "names.h"

#include <stdlib.h>

static uint32_t hash_of(const char *text, size_t length)
{
    uint64_t hash = 0x9e3779b97f4a7c15u ^ length;

    for (; length >= 8; text += 8, length -= 8) {
        uint64_t word;

        memcpy(&word, text, 8);
        hash = (hash ^ word) * 0xbf58476d1ce4e5b9u;
        hash ^= hash >> 29;
    }
    for (; length; text++, length--)
        hash = (hash ^ (unsigned char)*text) * 0x100000001b3u;
    hash ^= hash >> 32;
    return (uint32_t)(hash * 0x94d049bbu >> 7);
}

static uint32_t *slot_of(const struct phu_names *names, const char *text, size_t length,
                         uint32_t hash)
{
    size_t slot = hash & (names->slot_count - 1);

    while (names->slots[slot]) {
        const struct phu_name *name = &names->at[names->slots[slot] - 1];

        if (name->hash == hash && phu_name_is(name, text, length))
            break;
        slot = (slot + 1) & (names->slot_count - 1);
    }
    return &names->slots[slot];
}

uint32_t phu_names_find(const struct phu_names *names, const char *text, size_t length)
{
    if (!names->slot_count)
        return PHU_NAMES_NONE;
    return *slot_of(names, text, length, hash_of(text, length)) - 1;
}

static void grow(struct phu_names *names)
{
    names->capacity = names->capacity ? names->capacity * 2 : 16;
    names->slot_count = names->capacity * 2;
    names->at = reallocarray(names->at, names->capacity, sizeof *names->at);
    free(names->slots);
    names->slots = calloc(names->slot_count, sizeof *names->slots);
    if (!names->at || !names->slots)
        abort();
    for (size_t i = 0; i < names->count; i++) {
        const struct phu_name *name = &names->at[i];

        *slot_of(names, name->text, name->length, name->hash) = (uint32_t)i + 1;
    }
}

uint32_t phu_names_add(struct phu_names *names, const char *text, size_t length)
{
    uint32_t hash = hash_of(text, length), *slot;
    char *copy;

    if (names->count == names->capacity)
        grow(names);
    slot = slot_of(names, text, length, hash);
    if (*slot)
        return *slot - 1;
    copy = malloc(length + 1);
    if (!copy)
        abort();
    memcpy(copy, text, length);
    copy[length] = '\0';
    names->at[names->count++] =
        (struct phu_name){.text = copy, .length = (uint32_t)length, .hash = hash};
    *slot = (uint32_t)names->count;
    return *slot - 1;
}

void phu_names_fini(struct phu_names *names)
{
    for (size_t i = 0; i < names->count; i++)
        free(names->at[i].text);
    free(names->at);
    free(names->slots);
    *names = (struct phu_names){0};
}

size_t phu_names_bytes(const struct phu_names *names)
{
    size_t sum = names->capacity * sizeof *names->at + names->slot_count * sizeof *names->slots;

    for (size_t i = 0; i < names->count; i++)
        sum += names->at[i].length + 1;
    return sum;
}
