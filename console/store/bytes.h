/* Numbers in and out of blobs. Reading checks where the bytes end: a file may be damaged. */
#pragma once

#include "phusong/varint.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* Grows as needed; all zero is empty. */
struct phu_bytes {
    uint8_t *at;
    size_t size, capacity;
};

/* Room for `more` bytes beyond `size`. */
static inline uint8_t *phu_bytes_room(struct phu_bytes *bytes, size_t more)
{
    if (bytes->capacity - bytes->size < more) {
        bytes->capacity = (bytes->capacity + more) * 2;
        bytes->at = realloc(bytes->at, bytes->capacity);
        if (!bytes->at)
            abort();
    }
    return bytes->at + bytes->size;
}

static inline void phu_bytes_number(struct phu_bytes *bytes, uint64_t number)
{
    uint8_t *end = phu_varint_put(phu_bytes_room(bytes, PHU_VARINT_MAX), number);

    bytes->size = (size_t)(end - bytes->at);
}

static inline void phu_bytes_put(struct phu_bytes *bytes, const void *from, size_t size)
{
    if (!size)
        return;
    memcpy(phu_bytes_room(bytes, size), from, size);
    bytes->size += size;
}

struct phu_cut {
    const uint8_t *at, *end;
    bool is_broken; /* read beyond the end, or a number too long */
};

static inline uint64_t phu_cut_number(struct phu_cut *cut)
{
    uint64_t number = 0;

    for (unsigned shift = 0; shift < 64; shift += 7) {
        uint8_t byte;

        if (cut->at == cut->end)
            break;
        byte = *cut->at++;
        number |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80)
            return number;
    }
    cut->is_broken = true;
    cut->at = cut->end;
    return 0;
}

/* NULL when there are not so many. */
static inline const uint8_t *phu_cut_bytes(struct phu_cut *cut, uint64_t size)
{
    const uint8_t *from = cut->at;

    if ((uint64_t)(cut->end - cut->at) < size) {
        cut->is_broken = true;
        cut->at = cut->end;
        return NULL;
    }
    cut->at += size;
    return from;
}

static inline size_t phu_cut_left(const struct phu_cut *cut)
{
    return (size_t)(cut->end - cut->at);
}
