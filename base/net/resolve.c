/* Names to addresses, with a memory.
 *
 * A lookup is one (name, family) that was asked; everybody who asks for it meanwhile waits on the
 * same lookup, and its answer is remembered as long as its TTL lasts. A request is one waiter with
 * a time limit of its own: a dead name server costs it that time and nothing else.
 *
 * An answer is only stored when it comes (dns.h says why); waiters, who may do anything, are called
 * from their timers.
 */
#include "phusong/resolve.h"

#include "dns.h"
#include "phusong/sched.h"
#include "phusong/stats.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BUCKETS 1024
#define LOOKUPS_MAX 4096
#define IN_FLIGHT_MAX 1024
#define TTL_MIN_S 1
#define TTL_NEGATIVE_S 10

enum lookup_state {
    LOOKUP_QUEUED,
    LOOKUP_FLYING,
    LOOKUP_KNOWN,
};

struct lookup {
    struct lookup *next;   /* of the bucket */
    struct lookup *queued; /* behind it in the queue */
    struct phu_resolver *resolver;
    struct phu_dns_query query;
    enum lookup_state state;
    int family;
    int status;
    struct phu_mono expires;
    struct sockaddr_storage *addresses;
    size_t count;
    struct phu_resolve *waiters;
    char name[PHU_DNS_NAME_MAX + 1];
};

struct phu_resolve {
    struct phu_resolve *next, **link; /* on lookup->waiters */
    struct phu_resolver *resolver;
    struct lookup *lookup; /* NULL: `literal` is the answer */
    struct sockaddr_storage literal;
    int literal_status;
    bool is_ready;
    struct phu_timer timer; /* time limit; once ready, delivery */
    phu_resolve_cb *done;
    void *arg;
};

struct counters {
    int64_t queries, remembered, failures, in_flight;
};

struct phu_resolver {
    struct phu_sched *sched;
    struct phu_dns *dns;
    struct phu_timer tend; /* sends what is queued */
    struct lookup *queue, **queue_end;
    struct lookup *buckets[BUCKETS];
    size_t lookup_count, sweep;
    struct counters counters;
};

/* -- Lookups --------------------------------------------------------------------------------- */

static size_t bucket_of(const char *name, int family)
{
    uint32_t hash = 2166136261U ^ (uint32_t)family;

    for (; *name; name++)
        hash = (hash ^ (unsigned char)*name) * 16777619U;
    return hash % BUCKETS;
}

static void wake_waiters(struct lookup *lookup)
{
    for (struct phu_resolve *waiter = lookup->waiters; waiter; waiter = waiter->next) {
        waiter->is_ready = true;
        phu_timer_after(lookup->resolver->sched, &waiter->timer, 0);
    }
}

static void settle(struct lookup *lookup, int status, int64_t ttl_s)
{
    struct phu_resolver *resolver = lookup->resolver;

    lookup->state = LOOKUP_KNOWN;
    lookup->status = status;
    lookup->expires = phu_mono_add(phu_sched_now(resolver->sched), ttl_s * PHU_NS_PER_S);
    if (status)
        resolver->counters.failures++;
    wake_waiters(lookup);
}

static void keep_addresses(struct lookup *lookup, const struct sockaddr_storage *addresses,
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
    struct lookup *lookup = phu_container_of(query, struct lookup, query);
    struct phu_resolver *resolver = lookup->resolver;

    resolver->counters.in_flight--;
    if (!status)
        keep_addresses(lookup, addresses, count);
    if (!status && lookup->count == 0)
        status = -ENOENT;
    if (status)
        ttl_s = status == -ENOENT ? TTL_NEGATIVE_S : 0;
    else if (ttl_s < TTL_MIN_S)
        ttl_s = TTL_MIN_S;
    settle(lookup, status, ttl_s);
    if (resolver->queue)
        phu_timer_after(resolver->sched, &resolver->tend, 0);
}

static void ask(struct lookup *lookup)
{
    struct phu_resolver *resolver = lookup->resolver;

    lookup->state = LOOKUP_FLYING;
    lookup->query.done = answered;
    resolver->counters.in_flight++;
    resolver->counters.queries++;
    if (phu_dns_ask(resolver->dns, lookup->name, lookup->family, &lookup->query) == 0)
        return;
    resolver->counters.in_flight--;
    resolver->counters.queries--;
    settle(lookup, -EIO, 0);
}

static void tend(struct phu_timer *timer)
{
    struct phu_resolver *resolver = phu_container_of(timer, struct phu_resolver, tend);

    while (resolver->queue && resolver->counters.in_flight < IN_FLIGHT_MAX) {
        struct lookup *lookup = resolver->queue;

        resolver->queue = lookup->queued;
        if (!resolver->queue)
            resolver->queue_end = &resolver->queue;
        lookup->queued = NULL;
        ask(lookup);
    }
}

static void enqueue(struct lookup *lookup)
{
    struct phu_resolver *resolver = lookup->resolver;

    lookup->state = LOOKUP_QUEUED;
    *resolver->queue_end = lookup;
    resolver->queue_end = &lookup->queued;
    phu_timer_after(resolver->sched, &resolver->tend, 0);
}

static void free_lookup(struct lookup **place)
{
    struct lookup *lookup = *place;

    *place = lookup->next;
    lookup->resolver->lookup_count--;
    free(lookup->addresses);
    free(lookup);
}

/* Frees answers nobody waits for, expired or not, from where the last sweep stopped. */
static void make_room(struct phu_resolver *resolver)
{
    for (size_t i = 0; i < BUCKETS && resolver->lookup_count >= LOOKUPS_MAX; i++) {
        struct lookup **place = &resolver->buckets[resolver->sweep++ % BUCKETS];

        while (*place) {
            if ((*place)->state == LOOKUP_KNOWN && !(*place)->waiters)
                free_lookup(place);
            else
                place = &(*place)->next;
        }
    }
}

static struct lookup *find_lookup(struct phu_resolver *resolver, const char *name, int family)
{
    struct lookup *lookup = resolver->buckets[bucket_of(name, family)];

    while (lookup && (lookup->family != family || strcmp(lookup->name, name) != 0))
        lookup = lookup->next;
    return lookup;
}

static struct lookup *add_lookup(struct phu_resolver *resolver, const char *name, int family)
{
    struct lookup **bucket = &resolver->buckets[bucket_of(name, family)];
    struct lookup *lookup;

    if (resolver->lookup_count >= LOOKUPS_MAX)
        make_room(resolver);
    if (resolver->lookup_count >= LOOKUPS_MAX)
        return NULL;
    lookup = calloc(1, sizeof *lookup);
    if (!lookup)
        return NULL;
    lookup->resolver = resolver;
    lookup->family = family;
    snprintf(lookup->name, sizeof lookup->name, "%s", name);
    lookup->next = *bucket;
    *bucket = lookup;
    resolver->lookup_count++;
    enqueue(lookup);
    return lookup;
}

/* -- Requests -------------------------------------------------------------------------------- */

static void leave_lookup(struct phu_resolve *request)
{
    if (!request->lookup)
        return;
    *request->link = request->next;
    if (request->next)
        request->next->link = request->link;
}

static void call_back(struct phu_timer *timer)
{
    struct phu_resolve *request = phu_container_of(timer, struct phu_resolve, timer);
    struct sockaddr_storage addresses[PHU_DNS_ADDRESSES_MAX];
    const struct lookup *lookup = request->lookup;
    int status = -ETIMEDOUT;
    size_t count = 0;

    if (!lookup) {
        status = request->literal_status;
        count = status ? 0 : 1;
        addresses[0] = request->literal;
    } else if (request->is_ready) {
        status = lookup->status;
        count = status ? 0 : lookup->count;
        if (count)
            memcpy(addresses, lookup->addresses, count * sizeof *addresses);
    }
    leave_lookup(request);
    request->done(request->arg, status, addresses, count);
    free(request);
}

static struct phu_resolve *new_request(struct phu_resolver *resolver, phu_resolve_cb *done,
                                       void *arg)
{
    struct phu_resolve *request = calloc(1, sizeof *request);

    if (!request)
        return NULL;
    request->resolver = resolver;
    request->done = done;
    request->arg = arg;
    phu_timer_init(&request->timer, call_back);
    return request;
}

static void wait_for(struct lookup *lookup, struct phu_resolve *request)
{
    request->lookup = lookup;
    request->next = lookup->waiters;
    request->link = &lookup->waiters;
    if (request->next)
        request->next->link = &request->next;
    lookup->waiters = request;
}

/* The lookup for this name, asked anew unless its answer is still good; NULL when there is no room.
 * Whoever is about to be given an expired answer still gets it. */
static struct lookup *fresh_lookup(struct phu_resolver *resolver, const char *name, int family)
{
    struct lookup *lookup = find_lookup(resolver, name, family);

    phu_dns_notice_change(resolver->dns);
    if (!lookup)
        return add_lookup(resolver, name, family);
    if (lookup->state != LOOKUP_KNOWN)
        return lookup;
    if (phu_mono_since(lookup->expires, phu_sched_now(resolver->sched)) > 0)
        resolver->counters.remembered++;
    else
        enqueue(lookup);
    return lookup;
}

/* Letters in lower case, so that one name is one lookup. */
static int clean_name(const char *name, char clean[PHU_DNS_NAME_MAX + 1])
{
    size_t length = strlen(name);

    if (length == 0 || length > PHU_DNS_NAME_MAX)
        return -EINVAL;
    for (size_t i = 0; i <= length; i++) {
        if (name[i] && ((unsigned char)name[i] <= ' ' || name[i] == 0x7f))
            return -EINVAL;
        clean[i] = (char)(name[i] >= 'A' && name[i] <= 'Z' ? name[i] | 0x20 : name[i]);
    }
    return 0;
}

int phu_resolve_start(struct phu_resolver *resolver, const char *name, int family,
                      int64_t timeout_ns, phu_resolve_cb *done, void *arg, struct phu_resolve **out)
{
    struct phu_resolve *request;
    struct lookup *lookup;
    struct sockaddr_storage literal;
    char clean[PHU_DNS_NAME_MAX + 1] = "";

    if (clean_name(name, clean))
        return -EINVAL;
    request = new_request(resolver, done, arg);
    if (!request)
        return -ENOMEM;
    if (!phu_address_parse(name, &literal)) {
        request->literal = literal;
        if (family != AF_UNSPEC && family != literal.ss_family)
            request->literal_status = -ENOENT;
        phu_timer_after(resolver->sched, &request->timer, 0);
        *out = request;
        return 0;
    }
    lookup = fresh_lookup(resolver, clean, family);
    if (!lookup) {
        free(request);
        return -ENOBUFS;
    }
    wait_for(lookup, request);
    request->is_ready = lookup->state == LOOKUP_KNOWN;
    phu_timer_after(resolver->sched, &request->timer, request->is_ready ? 0 : timeout_ns);
    *out = request;
    return 0;
}

void phu_resolve_cancel(struct phu_resolve *request)
{
    if (!request)
        return;
    phu_timer_cancel(request->resolver->sched, &request->timer);
    leave_lookup(request);
    free(request);
}

/* -- The resolver ---------------------------------------------------------------------------- */

int phu_resolver_new(struct phu_sched *sched, struct phu_resolver **out)
{
    struct phu_resolver *resolver = calloc(1, sizeof *resolver);
    int error;

    if (!resolver)
        return -ENOMEM;
    error = phu_dns_new(sched, &resolver->dns);
    if (error) {
        free(resolver);
        return error;
    }
    resolver->sched = sched;
    resolver->queue_end = &resolver->queue;
    phu_timer_init(&resolver->tend, tend);
    *out = resolver;
    return 0;
}

static void drop_waiters(struct lookup *lookup)
{
    struct phu_resolve *next;

    for (struct phu_resolve *waiter = lookup->waiters; waiter; waiter = next) {
        next = waiter->next;
        phu_resolve_cancel(waiter);
    }
}

void phu_resolver_free(struct phu_resolver *resolver)
{
    if (!resolver)
        return;
    phu_dns_free(resolver->dns);
    for (size_t i = 0; i < BUCKETS; i++) {
        while (resolver->buckets[i]) {
            drop_waiters(resolver->buckets[i]);
            free_lookup(&resolver->buckets[i]);
        }
    }
    phu_timer_cancel(resolver->sched, &resolver->tend);
    free(resolver);
}

static char *join(const char *const *servers, size_t count)
{
    char *joined = NULL;
    size_t size;
    FILE *out = open_memstream(&joined, &size);

    if (!out)
        return NULL;
    for (size_t i = 0; i < count; i++)
        fprintf(out, "%s%s", i ? "," : "", servers[i]);
    if (fclose(out)) {
        free(joined);
        return NULL;
    }
    return joined;
}

int phu_resolver_set_servers(struct phu_resolver *resolver, const char *const *servers,
                             size_t count, size_t *bad)
{
    char *joined = NULL;

    for (size_t i = 0; i < count; i++) {
        if (phu_resolver_is_server(servers[i]))
            continue;
        if (bad)
            *bad = i;
        return -EINVAL;
    }
    if (count) {
        joined = join(servers, count);
        if (!joined)
            return -ENOMEM;
    }
    phu_dns_set_servers(resolver->dns, joined);
    return 0;
}

void phu_resolver_add_stats(struct phu_resolver *resolver, struct phu_stats *stats)
{
    static const struct phu_stat_info queries = {"phusong_resolver_queries_total", PHU_STAT_COUNTER,
                                                 "Names asked of the name servers"};
    static const struct phu_stat_info remembered = {
        "phusong_resolver_remembered_total", PHU_STAT_COUNTER,
        "Names answered from memory while their TTL lasted"};
    static const struct phu_stat_info failures = {
        "phusong_resolver_failures_total", PHU_STAT_COUNTER,
        "Names that did not resolve, for whatever reason"};
    static const struct phu_stat_info in_flight = {"phusong_resolver_in_flight", PHU_STAT_GAUGE,
                                                   "Names being asked now"};

    phu_stats_add(stats, &queries, NULL, &resolver->counters.queries);
    phu_stats_add(stats, &remembered, NULL, &resolver->counters.remembered);
    phu_stats_add(stats, &failures, NULL, &resolver->counters.failures);
    phu_stats_add(stats, &in_flight, NULL, &resolver->counters.in_flight);
}
