/* Numbers in as few bytes as they need, seven bits in each, the lowest first: for what is kept in
 * memory by the million. Not for bytes from outside: nothing here checks where they end. */
#pragma once

#include <stdint.h>

#define PHU_VARINT_MAX 10 /* bytes of 64 bits */

static inline uint8_t *phu_varint_put(uint8_t *cursor, uint64_t number)
{
    for (; number >= 0x80; number >>= 7)
        *cursor++ = (uint8_t)(number | 0x80);
    *cursor++ = (uint8_t)number;
    return cursor;
}

static inline uint64_t phu_varint_take(const uint8_t **cursor)
{
    uint64_t number = 0;

    for (unsigned shift = 0;; shift += 7) {
        uint8_t byte = *(*cursor)++;

        number |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80)
            return number;
    }
}

/* Small numbers of either sign as small ones. */
static inline uint64_t phu_varint_fold(int64_t number)
{
    return (uint64_t)number << 1 ^ (uint64_t)(number >> 63);
}

static inline int64_t phu_varint_unfold(uint64_t folded)
{
    return (int64_t)(folded >> 1 ^ (0 - (folded & 1)));
}
