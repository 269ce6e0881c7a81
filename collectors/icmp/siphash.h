/* SipHash-2-4 (Aumasson and Bernstein, 2012): a short keyed hash that cannot be guessed without
 * its key. */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct phu_siphash_key {
    uint64_t k0, k1;
};

uint64_t phu_siphash(const struct phu_siphash_key *key, const void *data, size_t size);
