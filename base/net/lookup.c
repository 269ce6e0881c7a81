/* Names that are being asked, and the answers remembered.
 *
 * A lookup is one (name, family) that was asked; it is asked once at a time, whoever waits for it,
 * and its answer is remembered as long as its TTL lasts. What is to be asked goes through a queue:
 * so many questions are under way at most, and none is asked from inside c-ares.
 *
 * Addresses are kept past their TTL, until there are new ones or the name is answered not to exist:
 * when no name server answers they may stand in for those who ask for that (RFC 8767).
 */
#include "lookup.h"

#include "phusong/log.h"
#include "phusong/sched.h"
#include "phusong/stats.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BUCKETS 1024
#define LOOKUPS_MAX 4096
#define IN_FLIGHT_MAX 1024
#define TTL_MIN_S 1
#define TTL_NEGATIVE_S 10
#define OLD_MAX_NS (24 * 3600 * PHU_NS_PER_S)

struct phu_lookups {
    struct phu_sched *sched;
    struct phu_dns *dns;
    void (*known)(struct phu_lookup *lookup);
    struct phu_timer tend; /* asks what is queued */
    struct phu_lookup *queue, **queue_end;
    struct phu_lookup *buckets[BUCKETS];
    size_t count, sweep;
    struct {
        int64_t queries, remembered, old, failures, in_flight;
    } counters;
};

/* -- Asking ---------------------------------------------------------------------------------- */

static size_t bucket_of(const char *name, int family)
{
    uint32_t hash = 2166136261U ^ (uint32_t)family;

    for (; *name; name++)
        hash = (hash ^ (unsigned char)*name) * 16777619U;
    return hash % BUCKETS;
}

static void settle(struct phu_lookup *lookup, int status, int64_t ttl_s)
{
    struct phu_lookups *lookups = lookup->lookups;

    lookup->state = PHU_LOOKUP_KNOWN;
    lookup->status = status;
    lookup->expires = phu_mono_add(phu_sched_now(lookups->sched), ttl_s * PHU_NS_PER_S);
    if (status)
        lookups->counters.failures++;
    lookups->known(lookup);
}

static int64_t age_ns(const struct phu_lookup *lookup)
{
    return phu_mono_since(phu_sched_now(lookup->lookups->sched), lookup->good_until);
}

static void no_more_standing_in(struct phu_lookup *lookup, int status)
{
    if (lookup->is_standing_in)
        phu_log_info("resolve", "name servers answer again", "name=%s exists=%s", lookup->name,
                     status ? "no" : "yes");
    lookup->is_standing_in = false;
    if (status)
        lookup->count = 0;
}

static void keep_addresses(struct phu_lookup *lookup, const struct sockaddr_storage *addresses,
                           size_t count)
{
    if (!lookup->addresses)
        lookup->addresses = calloc(PHU_DNS_ADDRESSES_MAX, sizeof *lookup->addresses);
    lookup->count = lookup->addresses ? count : 0;
    if (lookup->count)
        memcpy(lookup->addresses, addresses, count * sizeof *addresses);
}

static void answered(struct phu_dns_query *query, int status,
                     const struct sockaddr_storage *addresses, size_t count, int64_t ttl_s)
{
    struct phu_lookup *lookup = phu_container_of(query, struct phu_lookup, query);
    struct phu_lookups *lookups = lookup->lookups;

    lookups->counters.in_flight--;
    if (!status)
        keep_addresses(lookup, addresses, count);
    if (!status && lookup->count == 0)
        status = -ENOENT;
    if (status)
        ttl_s = status == -ENOENT ? TTL_NEGATIVE_S : 0;
    else if (ttl_s < TTL_MIN_S)
        ttl_s = TTL_MIN_S;
    if (!status || status == -ENOENT)
        no_more_standing_in(lookup, status);
    settle(lookup, status, ttl_s);
    if (!status)
        lookup->good_until = lookup->expires;
    if (lookups->queue)
        phu_timer_after(lookups->sched, &lookups->tend, 0);
}

static void ask(struct phu_lookup *lookup)
{
    struct phu_lookups *lookups = lookup->lookups;

    lookup->state = PHU_LOOKUP_FLYING;
    lookup->query.done = answered;
    lookups->counters.in_flight++;
    if (phu_dns_ask(lookups->dns, lookup->name, lookup->family, &lookup->query) == 0) {
        lookups->counters.queries++;
        return;
    }
    lookups->counters.in_flight--;
    settle(lookup, -EIO, 0);
}

static void tend(struct phu_timer *timer)
{
    struct phu_lookups *lookups = phu_container_of(timer, struct phu_lookups, tend);

    while (lookups->queue && lookups->counters.in_flight < IN_FLIGHT_MAX) {
        struct phu_lookup *lookup = lookups->queue;

        lookups->queue = lookup->queued;
        if (!lookups->queue)
            lookups->queue_end = &lookups->queue;
        lookup->queued = NULL;
        ask(lookup);
    }
}

static void enqueue(struct phu_lookup *lookup)
{
    struct phu_lookups *lookups = lookup->lookups;

    lookup->state = PHU_LOOKUP_QUEUED;
    *lookups->queue_end = lookup;
    lookups->queue_end = &lookup->queued;
    phu_timer_after(lookups->sched, &lookups->tend, 0);
}

/* -- Remembering ----------------------------------------------------------------------------- */

static void free_lookup(struct phu_lookup **place)
{
    struct phu_lookup *lookup = *place;

    *place = lookup->next;
    lookup->lookups->count--;
    free(lookup->addresses);
    free(lookup);
}

/* Frees answers nobody waits for, expired or not, from where the last sweep stopped. */
static void make_room(struct phu_lookups *lookups)
{
    for (size_t i = 0; i < BUCKETS && lookups->count >= LOOKUPS_MAX; i++) {
        struct phu_lookup **place = &lookups->buckets[lookups->sweep++ % BUCKETS];

        while (*place) {
            if ((*place)->state == PHU_LOOKUP_KNOWN && !(*place)->waiters)
                free_lookup(place);
            else
                place = &(*place)->next;
        }
    }
}

static struct phu_lookup *find_lookup(struct phu_lookups *lookups, const char *name, int family)
{
    struct phu_lookup *lookup = lookups->buckets[bucket_of(name, family)];

    while (lookup && (lookup->family != family || strcmp(lookup->name, name) != 0))
        lookup = lookup->next;
    return lookup;
}

static struct phu_lookup *add_lookup(struct phu_lookups *lookups, const char *name, int family)
{
    struct phu_lookup **bucket = &lookups->buckets[bucket_of(name, family)];
    struct phu_lookup *lookup;

    if (lookups->count >= LOOKUPS_MAX)
        make_room(lookups);
    if (lookups->count >= LOOKUPS_MAX)
        return NULL;
    lookup = calloc(1, sizeof *lookup);
    if (!lookup)
        return NULL;
    lookup->lookups = lookups;
    lookup->family = family;
    snprintf(lookup->name, sizeof lookup->name, "%s", name);
    lookup->next = *bucket;
    *bucket = lookup;
    lookups->count++;
    enqueue(lookup);
    return lookup;
}

/* Whoever is about to be given an expired answer still gets it. */
struct phu_lookup *phu_lookup_get(struct phu_lookups *lookups, const char *name, int family)
{
    struct phu_lookup *lookup = find_lookup(lookups, name, family);

    phu_dns_notice_change(lookups->dns);
    if (!lookup)
        return add_lookup(lookups, name, family);
    if (lookup->state != PHU_LOOKUP_KNOWN)
        return lookup;
    if (phu_mono_since(lookup->expires, phu_sched_now(lookups->sched)) > 0)
        lookups->counters.remembered++;
    else
        enqueue(lookup);
    return lookup;
}

/* -- Old addresses --------------------------------------------------------------------------- */

bool phu_lookup_has_old(const struct phu_lookup *lookup)
{
    return lookup->count > 0 && age_ns(lookup) <= OLD_MAX_NS;
}

void phu_lookup_stand_in(struct phu_lookup *lookup)
{
    lookup->lookups->counters.old++;
    if (lookup->is_standing_in)
        return;
    lookup->is_standing_in = true;
    phu_log_warn("resolve", "no name server answers: going on with the address known before",
                 "name=%s expired_s=%" PRId64 " for_s=%" PRId64, lookup->name,
                 age_ns(lookup) / PHU_NS_PER_S, OLD_MAX_NS / PHU_NS_PER_S);
}

/* -- The whole ------------------------------------------------------------------------------- */

struct phu_lookups *phu_lookups_new(struct phu_sched *sched, struct phu_dns *dns,
                                    void (*known)(struct phu_lookup *lookup))
{
    struct phu_lookups *lookups = calloc(1, sizeof *lookups);

    if (!lookups)
        return NULL;
    lookups->sched = sched;
    lookups->dns = dns;
    lookups->known = known;
    lookups->queue_end = &lookups->queue;
    phu_timer_init(&lookups->tend, tend);
    return lookups;
}

void phu_lookups_free(struct phu_lookups *lookups, void (*drop)(struct phu_lookup *lookup))
{
    for (size_t i = 0; i < BUCKETS; i++) {
        while (lookups->buckets[i]) {
            if (lookups->buckets[i]->waiters)
                drop(lookups->buckets[i]);
            free_lookup(&lookups->buckets[i]);
        }
    }
    phu_timer_cancel(lookups->sched, &lookups->tend);
    free(lookups);
}

void phu_lookups_add_stats(struct phu_lookups *lookups, struct phu_stats *stats)
{
    static const struct phu_stat_info queries = {"phusong_resolver_queries_total", PHU_STAT_COUNTER,
                                                 "Names asked of the name servers"};
    static const struct phu_stat_info remembered = {
        "phusong_resolver_remembered_total", PHU_STAT_COUNTER,
        "Names answered from memory while their TTL lasted"};
    static const struct phu_stat_info old = {
        "phusong_resolver_old_total", PHU_STAT_COUNTER,
        "Names answered from memory past their TTL, because no name server answered"};
    static const struct phu_stat_info failures = {
        "phusong_resolver_failures_total", PHU_STAT_COUNTER,
        "Names that did not resolve, for whatever reason"};
    static const struct phu_stat_info in_flight = {"phusong_resolver_in_flight", PHU_STAT_GAUGE,
                                                   "Names being asked now"};

    phu_stats_add(stats, &queries, NULL, &lookups->counters.queries);
    phu_stats_add(stats, &remembered, NULL, &lookups->counters.remembered);
    phu_stats_add(stats, &old, NULL, &lookups->counters.old);
    phu_stats_add(stats, &failures, NULL, &lookups->counters.failures);
    phu_stats_add(stats, &in_flight, NULL, &lookups->counters.in_flight);
}
