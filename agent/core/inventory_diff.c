/* What a reload changes, check by check. Texts of two inventories are compared as texts, as their
 * offsets have nothing to do with each other.
 */
#include "inventory.h"

#include <stdlib.h>
#include <string.h>

struct compare {
    const struct phu_inventory *before, *after;
    const struct phu_inventory_same *same;
};

static bool is_same_text(const struct compare *compare, uint32_t before, uint32_t after)
{
    return strcmp(phu_inventory_text(compare->before, before),
                  phu_inventory_text(compare->after, after)) == 0;
}

static bool is_same_profile(const struct compare *compare, uint16_t before, uint16_t after)
{
    return compare->same && compare->same->profile
               ? compare->same->profile(compare->same->arg, before, after)
               : before == after;
}

static bool is_same_kind(const struct compare *compare, uint16_t before, uint16_t after)
{
    return compare->same && compare->same->kind
               ? compare->same->kind(compare->same->arg, before, after)
               : before == after;
}

static bool is_same_credential(const struct compare *compare, uint32_t before, uint32_t after)
{
    const char *name = phu_inventory_text(compare->after, after);

    if (!is_same_text(compare, before, after))
        return false;
    return !name[0] || !compare->same || !compare->same->credential ||
           compare->same->credential(compare->same->arg, name);
}

/* The tags that an area gives: hamlet's id, otherwise code. */
static bool is_same_area(const struct compare *compare, uint32_t before, uint32_t after)
{
    const struct phu_area *a, *b;

    if (before == PHU_INVENTORY_NONE || after == PHU_INVENTORY_NONE)
        return before == after;
    a = &compare->before->areas[before];
    b = &compare->after->areas[after];
    return a->level == b->level && is_same_text(compare, a->id, b->id) &&
           (a->level == PHU_LEVEL_HAMLET || is_same_text(compare, a->code, b->code));
}

static bool is_same_place(const struct compare *compare, uint32_t before, uint32_t after)
{
    return is_same_area(compare, before, after) &&
           is_same_area(compare, phu_inventory_area_at(compare->before, before, PHU_LEVEL_COMMUNE),
                        phu_inventory_area_at(compare->after, after, PHU_LEVEL_COMMUNE));
}

static bool is_same_device_id(const struct compare *compare, uint32_t before, uint32_t after)
{
    if (before == PHU_INVENTORY_NONE || after == PHU_INVENTORY_NONE)
        return before == after;
    return is_same_text(compare, compare->before->devices[before].id,
                        compare->after->devices[after].id);
}

static bool is_same_endpoint(const struct compare *compare, uint32_t before, uint32_t after)
{
    const struct phu_endpoint *a = &compare->before->endpoints[before];
    const struct phu_endpoint *b = &compare->after->endpoints[after];

    return a->technology == b->technology && is_same_text(compare, a->address, b->address) &&
           is_same_text(compare, a->operator_name, b->operator_name) &&
           is_same_profile(compare, a->profile, b->profile) &&
           is_same_device_id(compare, a->device, b->device) &&
           is_same_place(compare, a->hamlet, b->hamlet);
}

static bool is_same_claim(const struct compare *compare, const struct phu_endpoint *a,
                          const struct phu_endpoint *b)
{
    return a->technology == b->technology &&
           is_same_text(compare, a->operator_name, b->operator_name) &&
           is_same_text(compare, a->ifname, b->ifname) &&
           is_same_text(compare, a->index, b->index) &&
           is_same_place(compare, a->hamlet, b->hamlet);
}

/* An endpoint that names no row is served where it is the only such one of its device. */
static bool is_served(const struct phu_inventory *inventory, uint32_t endpoint)
{
    const struct phu_endpoint *record = &inventory->endpoints[endpoint];
    const struct phu_device *device = &inventory->devices[record->device];

    if (record->ifname || record->index)
        return true;
    for (uint32_t i = 0; i < device->served_count; i++) {
        if (inventory->served[device->served + i] == endpoint)
            return true;
    }
    return false;
}

/* Whatever the order of the rows in the files. */
static bool serves_the_same(const struct compare *compare, uint32_t before, uint32_t after)
{
    const struct phu_device *a = &compare->before->devices[before];
    const struct phu_device *b = &compare->after->devices[after];

    if (a->served_count != b->served_count)
        return false;
    for (uint32_t i = 0; i < b->served_count; i++) {
        const struct phu_endpoint *endpoint =
            &compare->after->endpoints[compare->after->served[b->served + i]];
        uint32_t old = phu_inventory_find_endpoint(
            compare->before, phu_inventory_text(compare->after, endpoint->id));

        if (old == PHU_INVENTORY_NONE || compare->before->endpoints[old].device != before ||
            !is_served(compare->before, old) ||
            !is_same_claim(compare, &compare->before->endpoints[old], endpoint))
            return false;
    }
    return true;
}

static bool may_serve(const struct compare *compare, uint16_t kind)
{
    return !compare->same || !compare->same->has_rows ||
           compare->same->has_rows(compare->same->arg, kind);
}

static bool is_same_site(const struct compare *compare, uint32_t before, uint32_t after)
{
    const struct phu_site *a, *b;

    if (before == PHU_INVENTORY_NONE || after == PHU_INVENTORY_NONE)
        return before == after;
    a = &compare->before->sites[before];
    b = &compare->after->sites[after];
    return is_same_text(compare, a->id, b->id) && is_same_place(compare, a->area, b->area);
}

static bool is_same_device(const struct compare *compare, uint32_t before, uint32_t after)
{
    const struct phu_device *a = &compare->before->devices[before];
    const struct phu_device *b = &compare->after->devices[after];

    return is_same_text(compare, a->address, b->address) &&
           is_same_text(compare, a->interfaces, b->interfaces) &&
           is_same_credential(compare, a->credential, b->credential) &&
           is_same_profile(compare, a->profile, b->profile) &&
           is_same_site(compare, a->site, b->site);
}

static bool is_primary(const struct phu_inventory *inventory, uint32_t check)
{
    const struct phu_inventory_check *record = &inventory->checks[check];

    return check == (record->is_device ? inventory->devices[record->owner].checks
                                       : inventory->endpoints[record->owner].checks);
}

static bool is_same_check(const struct compare *compare, uint32_t before, uint32_t after)
{
    const struct phu_inventory_check *a = &compare->before->checks[before];
    const struct phu_inventory_check *b = &compare->after->checks[after];

    if (a->is_device != b->is_device || a->interval_ms != b->interval_ms ||
        !is_same_text(compare, a->argument, b->argument) ||
        !is_same_kind(compare, a->kind, b->kind) ||
        is_primary(compare->before, before) != is_primary(compare->after, after))
        return false;
    if (!a->is_device)
        return is_same_endpoint(compare, a->owner, b->owner);
    return is_same_device(compare, a->owner, b->owner) &&
           (!may_serve(compare, b->kind) || serves_the_same(compare, a->owner, b->owner));
}

static uint32_t *new_links(uint32_t count)
{
    uint32_t *links = malloc((count ? count : 1) * sizeof *links);

    for (uint32_t i = 0; links && i < count; i++)
        links[i] = PHU_INVENTORY_NONE;
    return links;
}

static void match(const struct compare *compare, struct phu_inventory_diff *diff)
{
    const struct phu_inventory *before = compare->before, *after = compare->after;

    for (uint32_t i = 0; i < after->check_count; i++) {
        const char *id = phu_inventory_text(after, after->checks[i].id);
        uint32_t old = phu_inventory_find_check(before, id);

        diff->before[i] = old;
        if (old == PHU_INVENTORY_NONE) {
            diff->fate[i] = PHU_FATE_ADDED;
            diff->added++;
            continue;
        }
        diff->after[old] = i;
        if (is_same_check(compare, old, i)) {
            diff->fate[i] = PHU_FATE_UNCHANGED;
            diff->unchanged++;
        } else {
            diff->fate[i] = PHU_FATE_CHANGED;
            diff->changed++;
        }
    }
    diff->removed = before->check_count - diff->unchanged - diff->changed;
}

int phu_inventory_diff(const struct phu_inventory *before, const struct phu_inventory *after,
                       const struct phu_inventory_same *same, struct phu_inventory_diff *diff)
{
    const struct compare compare = {before, after, same};

    *diff = (struct phu_inventory_diff){
        .before = new_links(after->check_count),
        .fate = calloc(after->check_count ? after->check_count : 1, 1),
        .after = new_links(before->check_count),
    };
    if (!diff->before || !diff->fate || !diff->after)
        abort();
    match(&compare, diff);
    return 0;
}

void phu_inventory_diff_fini(struct phu_inventory_diff *diff)
{
    free(diff->before);
    free(diff->fate);
    free(diff->after);
    *diff = (struct phu_inventory_diff){0};
}
