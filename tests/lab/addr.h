/* Addresses and prefixes of both families in one form: IPv4 as IPv4-mapped IPv6, so that one
 * table, one hash and one comparison serve both. A mapped /24 has length 120. */
#pragma once

#include "units.h"

#include <stdbool.h>
#include <stdint.h>

enum { LAB_ADDR_TEXT = 46, LAB_PREFIX_TEXT = 50 };

struct lab_addr {
    uint8_t b[16];
};

struct lab_prefix {
    struct lab_addr addr; /* bits beyond `length` are zero */
    uint8_t length;       /* 0 to 128; 96 more than written for IPv4 */
};

struct lab_addr lab_addr_from_v4(const uint8_t bytes[4]);
struct lab_addr lab_addr_from_v6(const uint8_t bytes[16]);
bool lab_addr_is_v4(const struct lab_addr *addr);
bool lab_addr_equal(const struct lab_addr *a, const struct lab_addr *b);
uint64_t lab_addr_hash(const struct lab_addr *addr);
char *lab_addr_format(const struct lab_addr *addr, char out[LAB_ADDR_TEXT]);

/* Takes "10.27.3.0/24", "fd27::/48" or a bare address (one host). Host bits that are set are an
 * error whose text names the prefix that was probably meant. */
int lab_prefix_parse(const char *text, struct lab_prefix *prefix, struct lab_error *err);
char *lab_prefix_format(const struct lab_prefix *prefix, char out[LAB_PREFIX_TEXT]);
bool lab_prefix_is_v4(const struct lab_prefix *prefix);
bool lab_prefix_equal(const struct lab_prefix *a, const struct lab_prefix *b);
bool lab_prefix_covers(const struct lab_prefix *prefix, const struct lab_addr *addr);
/* The length as written: 24 for 10.27.3.0/24. */
unsigned lab_prefix_written_length(const struct lab_prefix *prefix);
struct lab_addr lab_addr_mask(const struct lab_addr *addr, unsigned length);
