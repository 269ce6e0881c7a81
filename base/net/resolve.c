/* Names to addresses: those who wait for a lookup.
 *
 * A request is one waiter with a time limit of its own: a dead name server costs it that time and
 * nothing else. Everybody who asks for the same name meanwhile waits on the same lookup (lookup.h).
 *
 * An answer is only stored when it comes, because that may happen inside c-ares; waiters, who may
 * do anything, are called from their timers.
 */
#include "phusong/resolve.h"

#include "dns.h"
#include "lookup.h"
#include "phusong/sched.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PATIENCE_NS (1500 * PHU_NS_PER_MS) /* before an old address stands in */

struct phu_resolve {
    struct phu_resolve *next, **link; /* on lookup->waiters */
    struct phu_resolver *resolver;
    struct phu_lookup *lookup; /* NULL: `literal` is the answer */
    struct sockaddr_storage literal;
    int literal_status;
    bool is_ready, is_tolerant;
    struct phu_timer timer; /* time limit; once ready, delivery */
    phu_resolve_cb *done;
    void *arg;
};

struct phu_resolver {
    struct phu_sched *sched;
    struct phu_dns *dns;
    struct phu_lookups *lookups;
};

/* -- Requests -------------------------------------------------------------------------------- */

static void leave_lookup(struct phu_resolve *request)
{
    if (!request->lookup)
        return;
    *request->link = request->next;
    if (request->next)
        request->next->link = request->link;
}

/* What a waiter is told; the addresses are the lookup's. */
static int status_for(const struct phu_resolve *request)
{
    int status = request->is_ready ? request->lookup->status : -ETIMEDOUT;

    if (!status || !request->is_tolerant || !phu_lookup_has_old(request->lookup))
        return status;
    phu_lookup_stand_in(request->lookup);
    return 0;
}

static void call_back(struct phu_timer *timer)
{
    struct phu_resolve *request = phu_container_of(timer, struct phu_resolve, timer);
    struct sockaddr_storage addresses[PHU_DNS_ADDRESSES_MAX];
    const struct phu_lookup *lookup = request->lookup;
    int status;
    size_t count = 0;

    if (!lookup) {
        status = request->literal_status;
        count = status ? 0 : 1;
        addresses[0] = request->literal;
    } else {
        status = status_for(request);
        count = status ? 0 : lookup->count;
        if (count)
            memcpy(addresses, lookup->addresses, count * sizeof *addresses);
    }
    leave_lookup(request);
    request->done(request->arg, status, addresses, count);
    free(request);
}

static void wake_waiters(struct phu_lookup *lookup)
{
    for (struct phu_resolve *waiter = lookup->waiters; waiter; waiter = waiter->next) {
        waiter->is_ready = true;
        phu_timer_after(waiter->resolver->sched, &waiter->timer, 0);
    }
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

static int64_t time_limit(const struct phu_resolve *request, int64_t timeout_ns)
{
    const struct phu_lookup *lookup = request->lookup;

    if (request->is_ready)
        return 0;
    if (!request->is_tolerant || !phu_lookup_has_old(lookup))
        return timeout_ns;
    if (lookup->is_standing_in)
        return 0;
    return timeout_ns / 2 < PATIENCE_NS ? timeout_ns / 2 : PATIENCE_NS;
}

static void wait_for(struct phu_lookup *lookup, struct phu_resolve *request, int64_t timeout_ns)
{
    request->lookup = lookup;
    request->next = lookup->waiters;
    request->link = &lookup->waiters;
    if (request->next)
        request->next->link = &request->next;
    lookup->waiters = request;
    request->is_ready = lookup->state == PHU_LOOKUP_KNOWN;
    phu_timer_after(request->resolver->sched, &request->timer, time_limit(request, timeout_ns));
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

static int join_lookup(struct phu_resolve *request, const char *name, int family,
                       int64_t timeout_ns)
{
    struct phu_resolver *resolver = request->resolver;
    struct phu_lookup *lookup;
    struct sockaddr_storage literal;
    char clean[PHU_DNS_NAME_MAX + 1] = "";

    if (clean_name(name, clean))
        return -EINVAL;
    if (!phu_address_parse(name, &literal)) {
        request->literal = literal;
        if (family != AF_UNSPEC && family != literal.ss_family)
            request->literal_status = -ENOENT;
        phu_timer_after(resolver->sched, &request->timer, 0);
        return 0;
    }
    lookup = phu_lookup_get(resolver->lookups, clean, family);
    if (!lookup)
        return -ENOBUFS;
    wait_for(lookup, request, timeout_ns);
    return 0;
}

/* Takes the request over. */
static int start(struct phu_resolve *request, const char *name, int family, int64_t timeout_ns,
                 struct phu_resolve **out)
{
    int error = join_lookup(request, name, family, timeout_ns);

    if (error)
        free(request);
    else
        *out = request;
    return error;
}

int phu_resolve_start(struct phu_resolver *resolver, const char *name, int family,
                      int64_t timeout_ns, phu_resolve_cb *done, void *arg, struct phu_resolve **out)
{
    struct phu_resolve *request = new_request(resolver, done, arg);

    return request ? start(request, name, family, timeout_ns, out) : -ENOMEM;
}

int phu_resolve_start_tolerant(struct phu_resolver *resolver, const char *name, int family,
                               int64_t timeout_ns, phu_resolve_cb *done, void *arg,
                               struct phu_resolve **out)
{
    struct phu_resolve *request = new_request(resolver, done, arg);

    if (!request)
        return -ENOMEM;
    request->is_tolerant = true;
    return start(request, name, family, timeout_ns, out);
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
    resolver->sched = sched;
    error = phu_dns_new(sched, &resolver->dns);
    if (!error) {
        resolver->lookups = phu_lookups_new(sched, resolver->dns, wake_waiters);
        error = resolver->lookups ? 0 : -ENOMEM;
    }
    if (error) {
        phu_dns_free(resolver->dns);
        free(resolver);
        return error;
    }
    *out = resolver;
    return 0;
}

static void drop_waiters(struct phu_lookup *lookup)
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
    phu_lookups_free(resolver->lookups, drop_waiters);
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
    phu_lookups_add_stats(resolver->lookups, stats);
}
