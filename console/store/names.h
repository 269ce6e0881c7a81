/* Names with consecutive numbers, found by a hash. All zero is none. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define PHU_NAMES_NONE UINT32_MAX

struct phu_name {
    char *text; /* terminated */
    uint32_t length, hash;
};

struct phu_names {
    struct phu_name *at;
    uint32_t *slots; /* number + 1; 0: free */
    size_t count, capacity, slot_count;
};

uint32_t phu_names_find(const struct phu_names *names, const char *text, size_t length);
/* Its number, whether it is new or not. */
uint32_t phu_names_add(struct phu_names *names, const char *text, size_t length);
void phu_names_fini(struct phu_names *names);
size_t phu_names_bytes(const struct phu_names *names);

static inline bool phu_name_is(const struct phu_name *name, const char *text, size_t length)
{
    return name->length == length && memcmp(name->text, text, length) == 0;
}
