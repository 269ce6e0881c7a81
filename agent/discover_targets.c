#include "discover_targets.h"

#include "mem.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* -- One address ------------------------------------------------------------------------------- */

int phu_target_parse(const char *text, struct phu_target *target)
{
    *target = (struct phu_target){.length = 4};
    if (inet_pton(AF_INET, text, target->bytes) == 1)
        return 0;
    target->length = 16;
    return inet_pton(AF_INET6, text, target->bytes) == 1 ? 0 : -EINVAL;
}

void phu_target_format(const struct phu_target *target, char text[PHU_TARGET_TEXT])
{
    inet_ntop(target->length == 4 ? AF_INET : AF_INET6, target->bytes, text, PHU_TARGET_TEXT);
}

static bool is_same(const struct phu_target *a, const struct phu_target *b)
{
    return a->length == b->length && memcmp(a->bytes, b->bytes, a->length) == 0;
}

/* The address `offset` further on; offsets are below 2^32. */
static struct phu_target advance(const struct phu_target *from, uint64_t offset)
{
    struct phu_target target = *from;

    for (size_t i = target.length; i > 0 && offset; i--) {
        offset += target.bytes[i - 1];
        target.bytes[i - 1] = (uint8_t)offset;
        offset >>= 8;
    }
    return target;
}

/* -- The list ---------------------------------------------------------------------------------- */

static uint32_t *slot_of(const struct phu_targets *targets, const struct phu_target *target)
{
    uint32_t hash = 2166136261u; /* FNV-1a */
    size_t mask = targets->slot_count - 1, at;

    for (size_t i = 0; i < target->length; i++)
        hash = (hash ^ target->bytes[i]) * 16777619u;
    for (at = (hash ^ hash >> 15) & mask;
         targets->slots[at] && !is_same(&targets->items[targets->slots[at] - 1], target);)
        at = (at + 1) & mask;
    return &targets->slots[at];
}

static void grow(struct phu_targets *targets)
{
    targets->slot_count = targets->slot_count ? targets->slot_count * 2 : 64;
    free(targets->slots);
    targets->slots = phu_mem_alloc(targets->slot_count, sizeof *targets->slots);
    for (size_t i = 0; i < targets->count; i++)
        *slot_of(targets, &targets->items[i]) = (uint32_t)i + 1;
}

static int add(struct phu_targets *targets, const struct phu_target *target)
{
    uint32_t *slot;

    if ((targets->count + 1) * 2 > targets->slot_count)
        grow(targets);
    slot = slot_of(targets, target);
    if (*slot)
        return 0;
    if (targets->count == PHU_TARGETS_MAX)
        return -ENOSPC;
    targets->items = phu_mem_grow(targets->items, targets->count, sizeof *targets->items);
    targets->items[targets->count++] = *target;
    *slot = (uint32_t)targets->count;
    return 0;
}

/* -- Prefixes ---------------------------------------------------------------------------------- */

static int parse_bits(const char *text, unsigned most, unsigned *bits)
{
    char *end;
    unsigned long value = strtoul(text, &end, 10);

    if (*text < '0' || *text > '9' || *end || value > most)
        return -EINVAL;
    *bits = (unsigned)value;
    return 0;
}

/* Clears the bits that are not the prefix's. */
static struct phu_target network_of(const struct phu_target *address, unsigned bits)
{
    struct phu_target network = *address;

    for (unsigned bit = bits; bit < address->length * 8u; bit++)
        network.bytes[bit / 8] &= (uint8_t) ~(0x80 >> bit % 8);
    return network;
}

static int too_many(char *why, size_t size, const char *text)
{
    snprintf(why, size,
             "\"%s\": more than %d addresses in all; give smaller prefixes, one after "
             "the other",
             text, PHU_TARGETS_MAX);
    return -EINVAL;
}

static int add_prefix(struct phu_targets *targets, const char *text, const struct phu_target *base,
                      const char *length, char *why, size_t size)
{
    unsigned bits, most = base->length * 8u, host_bits;
    char written[PHU_TARGET_TEXT];
    struct phu_target network;
    uint64_t first = 0, end;

    if (parse_bits(length, most, &bits)) {
        snprintf(why, size, "\"%s\": a prefix ends in its length, 0 to %u, as in 10.27.0.0/24",
                 text, most);
        return -EINVAL;
    }
    network = network_of(base, bits);
    if (!is_same(&network, base)) {
        phu_target_format(&network, written);
        snprintf(why, size, "\"%s\" has bits behind its length; did you mean %s/%u?", text, written,
                 bits);
        return -EINVAL;
    }
    host_bits = most - bits;
    if (host_bits > 17)
        return too_many(why, size, text);
    end = UINT64_C(1) << host_bits;
    if (host_bits > 1) {
        first = 1;
        end -= base->length == 4;
    }
    for (uint64_t i = first; i < end; i++) {
        struct phu_target target = advance(base, i);

        if (add(targets, &target))
            return too_many(why, size, text);
    }
    return 0;
}

int phu_targets_add(struct phu_targets *targets, const char *text, char *why, size_t size)
{
    size_t length = strcspn(text, "/");
    char address[PHU_TARGET_TEXT];
    struct phu_target target;

    if (length < sizeof address) {
        memcpy(address, text, length);
        address[length] = '\0';
    }
    if (length >= sizeof address || phu_target_parse(address, &target)) {
        snprintf(why, size,
                 "\"%.80s\" is neither an IPv4 or IPv6 address nor a prefix such as "
                 "10.27.0.0/24",
                 text);
        return -EINVAL;
    }
    if (text[length])
        return add_prefix(targets, text, &target, text + length + 1, why, size);
    return add(targets, &target) ? too_many(why, size, text) : 0;
}

void phu_targets_fini(struct phu_targets *targets)
{
    free(targets->items);
    free(targets->slots);
    *targets = (struct phu_targets){0};
}
