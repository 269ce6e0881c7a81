/* Which profiles fit a device, best first. */
#include "profile_set.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct candidate {
    const struct phu_profile_entry *entry;
    const struct phu_profile_match *match; /* NULL: generic */
};

static bool is_below(const struct phu_oid *oid, const struct phu_oid *prefix)
{
    return oid->length >= prefix->length &&
           memcmp(oid->part, prefix->part, prefix->length * sizeof *prefix->part) == 0;
}

static bool fits(const struct phu_profile_match *match, const struct phu_identity *identity)
{
    if (match->sys_object_id.length && !is_below(&identity->sys_object_id, &match->sys_object_id))
        return false;
    return !match->expression || regexec(match->expression, identity->sys_descr, 0, NULL, 0) == 0;
}

/* Below 0: `a` is the better one. */
static int compare(const struct candidate *a, const struct candidate *b)
{
    int order = b->match->sys_object_id.length - a->match->sys_object_id.length;

    if (!order)
        order = (b->match->expression != NULL) - (a->match->expression != NULL);
    if (!order)
        order = (b->match->has.length != 0) - (a->match->has.length != 0);
    if (!order)
        order = strcmp(a->entry->profile.name, b->entry->profile.name);
    return order;
}

/* Keeps the best `max`, in order. */
static size_t insert(struct candidate *best, size_t count, size_t max,
                     const struct candidate *candidate)
{
    size_t place = count;

    while (place > 0 && compare(candidate, &best[place - 1]) < 0)
        place--;
    if (place == max)
        return count;
    if (count == max)
        count--;
    memmove(&best[place + 1], &best[place], (count - place) * sizeof *best);
    best[place] = *candidate;
    return count + 1;
}

static void write_oid(const struct phu_oid *oid, char *text, size_t size)
{
    size_t used = 0;

    text[0] = '\0';
    for (unsigned i = 0; i < oid->length && used < size; i++)
        used += (size_t)snprintf(text + used, size - used, "%s%u", i ? "." : "", oid->part[i]);
}

static void explain(const struct phu_profile_match *match, const struct phu_identity *identity,
                    char *why, size_t size)
{
    char own[160], prefix[160];
    size_t used = 0;

    if (match->sys_object_id.length) {
        write_oid(&identity->sys_object_id, own, sizeof own);
        write_oid(&match->sys_object_id, prefix, sizeof prefix);
        used = (size_t)snprintf(why, size, "sysObjectID %s begins with %s", own, prefix);
    }
    if (match->expression && used < size)
        used += (size_t)snprintf(why + used, size - used, "%ssysDescr matches %s", used ? ", " : "",
                                 match->sys_descr);
    if (match->has.length && used < size) {
        write_oid(&match->has, own, sizeof own);
        snprintf(why + used, size - used, "%sit has an object below %s", used ? ", " : "", own);
    }
}

static void write_fit(const struct candidate *candidate, const struct phu_identity *identity,
                      struct phu_profile_fit *fit)
{
    *fit = (struct phu_profile_fit){.profile = &candidate->entry->profile};
    if (candidate->match) {
        fit->has = candidate->match->has;
        explain(candidate->match, identity, fit->why, sizeof fit->why);
    } else {
        snprintf(fit->why, sizeof fit->why, "no other profile fits");
    }
}

size_t phu_profiles_fit(const struct phu_profiles *profiles, const struct phu_identity *identity,
                        struct phu_profile_fit *fits_out, size_t max)
{
    struct candidate best[PHU_PROFILE_FITS_MAX];
    const struct phu_profile_entry *generic = NULL;
    size_t count = 0, written = 0;

    if (max > PHU_PROFILE_FITS_MAX)
        max = PHU_PROFILE_FITS_MAX;
    for (size_t i = 0; i < profiles->count && max; i++) {
        const struct phu_profile_entry *entry = &profiles->entries[i];

        if (strcmp(entry->profile.name, PHU_PROFILE_GENERIC) == 0)
            generic = entry;
        for (size_t j = 0; j < entry->match_count; j++) {
            struct candidate candidate = {.entry = entry, .match = &entry->matches[j]};

            if (fits(candidate.match, identity))
                count = insert(best, count, max - 1, &candidate);
        }
    }
    while (written < count) {
        write_fit(&best[written], identity, &fits_out[written]);
        written++;
        if (!best[written - 1].match->has.length)
            break;
    }
    if (generic && max)
        write_fit(&(struct candidate){.entry = generic}, identity, &fits_out[written++]);
    return written;
}
