/* Conversions between the forms of an object identifier. Pure. */
#include "oid.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

/* A number up to 250 is one byte of a key; beyond, the first byte tells how many follow. */
enum { KEY_ONE_BYTE = 0xfa, KEY_TWO = 0xfb, KEY_THREE = 0xfc, KEY_FOUR = 0xfd };

static size_t put_ber(uint8_t *out, uint64_t number)
{
    size_t count = 1;

    for (uint64_t rest = number >> 7; rest; rest >>= 7)
        count++;
    for (size_t i = 0; i < count; i++)
        out[i] = (uint8_t)((number >> (7 * (count - 1 - i)) & 0x7f) | (i + 1 < count ? 0x80 : 0));
    return count;
}

/* Returns where the text goes on, or NULL. */
static const char *take_number(const char *text, const char *end, uint64_t *number)
{
    *number = 0;
    if (text == end || !isdigit((unsigned char)*text))
        return NULL;
    while (text < end && isdigit((unsigned char)*text)) {
        *number = *number * 10 + (uint64_t)(*text++ - '0');
        if (*number > UINT32_MAX)
            return NULL;
    }
    return text;
}

int lab_oid_parse(const char *text, size_t length, uint8_t ber[LAB_OID_BYTES])
{
    const char *end = text + length;
    uint64_t first = 0;
    size_t used = 0;

    if (text < end && *text == '.')
        text++;
    for (unsigned part = 0;; part++) {
        uint64_t number;

        text = take_number(text, end, &number);
        if (!text || part == LAB_OID_PARTS || (part == 0 && number > 2) ||
            (part == 1 && first < 2 && number > 39))
            return -EINVAL;
        if (part == 1)
            number += first * 40; /* BER keeps the first two in one */
        if (number > UINT32_MAX)
            return -EINVAL;
        if (part == 0)
            first = number;
        else
            used += put_ber(ber + used, number);
        if (text == end)
            return part == 0 ? -EINVAL : (int)used;
        if (*text++ != '.')
            return -EINVAL;
    }
}

/* Takes one number of BER; returns the bytes it took, or 0. */
static size_t take_ber(const uint8_t *ber, size_t length, uint64_t *number)
{
    *number = 0;
    for (size_t i = 0; i < length && i < 5; i++) {
        *number = *number << 7 | (ber[i] & 0x7f);
        if (!(ber[i] & 0x80))
            return *number > UINT32_MAX ? 0 : i + 1;
    }
    return 0;
}

static size_t put_key(uint8_t *key, uint64_t number)
{
    if (number <= KEY_ONE_BYTE) {
        key[0] = (uint8_t)number;
        return 1;
    }
    if (number <= 0xffff) {
        key[0] = KEY_TWO;
        key[1] = (uint8_t)(number >> 8);
        key[2] = (uint8_t)number;
        return 3;
    }
    if (number <= 0xffffff) {
        key[0] = KEY_THREE;
        key[1] = (uint8_t)(number >> 16);
        key[2] = (uint8_t)(number >> 8);
        key[3] = (uint8_t)number;
        return 4;
    }
    key[0] = KEY_FOUR;
    key[1] = (uint8_t)(number >> 24);
    key[2] = (uint8_t)(number >> 16);
    key[3] = (uint8_t)(number >> 8);
    key[4] = (uint8_t)number;
    return 5;
}

int lab_oid_key(const uint8_t *ber, size_t length, uint8_t key[LAB_OID_BYTES])
{
    size_t used = 0;
    size_t at = 0;

    for (unsigned part = 1; at < length; part++) {
        uint64_t number;
        size_t took;

        if (ber[at] < 0x80) { /* nearly all of them */
            number = ber[at];
            took = 1;
        } else {
            took = take_ber(ber + at, length - at, &number);
        }
        if (took == 0 || part == LAB_OID_PARTS)
            return -EBADMSG;
        used += put_key(key + used, number);
        at += took;
    }
    return length ? (int)used : -EBADMSG;
}

char *lab_oid_format(const uint8_t *ber, size_t length, char out[LAB_OID_TEXT])
{
    size_t used = 0;
    size_t at = 0;

    snprintf(out, LAB_OID_TEXT, "?");
    for (unsigned part = 1; at < length; part++) {
        uint64_t number;
        size_t took = take_ber(ber + at, length - at, &number);
        uint64_t first = number < 80 ? number / 40 : 2;

        if (took == 0 || part == LAB_OID_PARTS) {
            snprintf(out, LAB_OID_TEXT, "?");
            return out;
        }
        if (part == 1)
            used += (size_t)snprintf(out, LAB_OID_TEXT, "%u.%u", (unsigned)first,
                                     (unsigned)(number - first * 40));
        else
            used += (size_t)snprintf(out + used, LAB_OID_TEXT - used, ".%u", (unsigned)number);
        at += took;
    }
    return out;
}

int lab_oid_compare(const uint8_t *a, size_t a_length, const uint8_t *b, size_t b_length)
{
    int order = memcmp(a, b, a_length < b_length ? a_length : b_length);

    if (order != 0)
        return order;
    return a_length < b_length ? -1 : a_length > b_length;
}

static size_t key_step(uint8_t first)
{
    return first <= KEY_ONE_BYTE ? 1 : (size_t)(first - KEY_TWO) + 3;
}

unsigned lab_oid_common(const uint8_t *a, size_t a_length, const uint8_t *b, size_t b_length)
{
    unsigned parts = 0;

    for (size_t at = 0; at < a_length && at < b_length; parts++) {
        size_t step = key_step(a[at]);

        if (at + step > a_length || at + step > b_length || memcmp(a + at, b + at, step) != 0)
            break;
        at += step;
    }
    return parts;
}

unsigned lab_oid_parts(const uint8_t *key, size_t length)
{
    return lab_oid_common(key, length, key, length);
}
