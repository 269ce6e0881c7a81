/* Address and prefix arithmetic. Pure: owns nothing. */
#include "addr.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

struct lab_addr lab_addr_from_v4(const uint8_t bytes[4])
{
    struct lab_addr addr;

    memcpy(addr.b, mapped, 12);
    memcpy(addr.b + 12, bytes, 4);
    return addr;
}

struct lab_addr lab_addr_from_v6(const uint8_t bytes[16])
{
    struct lab_addr addr;

    memcpy(addr.b, bytes, 16);
    return addr;
}

bool lab_addr_is_v4(const struct lab_addr *addr)
{
    return memcmp(addr->b, mapped, 12) == 0;
}

bool lab_addr_equal(const struct lab_addr *a, const struct lab_addr *b)
{
    return memcmp(a->b, b->b, 16) == 0;
}

uint64_t lab_addr_hash(const struct lab_addr *addr)
{
    uint64_t high;
    uint64_t low;

    memcpy(&high, addr->b, 8);
    memcpy(&low, addr->b + 8, 8);
    high = (high ^ (low * 0x9e3779b97f4a7c15u)) * 0xbf58476d1ce4e5b9u;
    high ^= high >> 29;
    high *= 0x94d049bb133111ebu;
    return high ^ (high >> 32);
}

char *lab_addr_format(const struct lab_addr *addr, char out[LAB_ADDR_TEXT])
{
    if (lab_addr_is_v4(addr))
        inet_ntop(AF_INET, addr->b + 12, out, LAB_ADDR_TEXT);
    else
        inet_ntop(AF_INET6, addr->b, out, LAB_ADDR_TEXT);
    return out;
}

struct lab_addr lab_addr_mask(const struct lab_addr *addr, unsigned length)
{
    struct lab_addr out = {{0}};

    memcpy(out.b, addr->b, length / 8);
    if (length % 8)
        out.b[length / 8] = addr->b[length / 8] & (uint8_t)(0xff00u >> (length % 8));
    return out;
}

static int parse_addr(const char *text, struct lab_addr *addr)
{
    uint8_t v4[4];

    if (inet_pton(AF_INET, text, v4) == 1) {
        *addr = lab_addr_from_v4(v4);
        return 0;
    }
    return inet_pton(AF_INET6, text, addr->b) == 1 ? 0 : -1;
}

int lab_prefix_parse(const char *text, struct lab_prefix *prefix, struct lab_error *err)
{
    char name[LAB_ADDR_TEXT];
    char meant[LAB_PREFIX_TEXT];
    const char *slash = strchr(text, '/');
    size_t length = slash ? (size_t)(slash - text) : strlen(text);
    uint64_t bits;
    struct lab_addr addr;
    bool is_v4;

    if (length < sizeof(name)) {
        memcpy(name, text, length);
        name[length] = '\0';
    }
    if (length >= sizeof(name) || parse_addr(name, &addr) < 0)
        return lab_fail(err, "\"%.50s\" is no prefix: write one as 10.27.3.0/24 or fd27::/48",
                        text);
    is_v4 = lab_addr_is_v4(&addr);
    bits = is_v4 ? 32 : 128;
    if (slash && lab_parse_number(slash + 1, bits, &bits, err) < 0)
        return lab_fail(err, "\"%.50s\": the length after / must be 0 to %d", text,
                        is_v4 ? 32 : 128);
    prefix->length = (uint8_t)(bits + (is_v4 ? 96 : 0));
    prefix->addr = lab_addr_mask(&addr, prefix->length);
    if (!lab_addr_equal(&prefix->addr, &addr))
        return lab_fail(err, "\"%.50s\" has bits beyond its length: did you mean %s?", text,
                        lab_prefix_format(prefix, meant));
    return 0;
}

bool lab_prefix_is_v4(const struct lab_prefix *prefix)
{
    return prefix->length >= 96 && lab_addr_is_v4(&prefix->addr);
}

unsigned lab_prefix_written_length(const struct lab_prefix *prefix)
{
    return prefix->length - (lab_prefix_is_v4(prefix) ? 96u : 0u);
}

char *lab_prefix_format(const struct lab_prefix *prefix, char out[LAB_PREFIX_TEXT])
{
    char name[LAB_ADDR_TEXT];

    snprintf(out, LAB_PREFIX_TEXT, "%s/%u", lab_addr_format(&prefix->addr, name),
             lab_prefix_written_length(prefix) & 0xffu);
    return out;
}

bool lab_prefix_equal(const struct lab_prefix *a, const struct lab_prefix *b)
{
    return a->length == b->length && lab_addr_equal(&a->addr, &b->addr);
}

bool lab_prefix_covers(const struct lab_prefix *prefix, const struct lab_addr *addr)
{
    struct lab_addr masked = lab_addr_mask(addr, prefix->length);

    return lab_addr_equal(&masked, &prefix->addr);
}
