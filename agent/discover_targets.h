/* The addresses that `phusong discover` asks: those given, and those of prefixes.
 *
 *     phu_targets_add(&targets, "10.27.0.0/24", why, sizeof why);      254 of them
 *     phu_targets_add(&targets, "10.27.1.1", why, sizeof why);
 *
 * Each address is there once, in the order in which it was first named. Pure but for memory.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define PHU_TARGETS_MAX 65536
#define PHU_TARGET_TEXT 46 /* of an address, with its zero */

struct phu_target {
    uint8_t bytes[16];
    uint8_t length; /* 4 or 16 */
};

struct phu_targets {
    struct phu_target *items;
    size_t count;
    uint32_t *slots; /* private: by address */
    size_t slot_count;
};

/* An address, or a prefix without host bits. Of an IPv4 prefix the network's own address and the
 * broadcast address are left out, of an IPv6 prefix the anycast address of its routers; prefixes of
 * one or two addresses have none of these. -EINVAL: why is in `why`. */
int phu_targets_add(struct phu_targets *targets, const char *text, char *why, size_t size);
void phu_targets_fini(struct phu_targets *targets);

/* Is it an address (not a name)? Then it is written as everybody writes it. */
int phu_target_parse(const char *text, struct phu_target *target);
void phu_target_format(const struct phu_target *target, char text[PHU_TARGET_TEXT]);
