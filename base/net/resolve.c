/* Names to addresses: c-ares on the loop, with a memory.
 *
 * A lookup is one (name, family) that was asked; everybody who asks for it meanwhile waits on the
 * same lookup, and its answer is remembered as long as its TTL lasts. A request is one waiter with
 * a time limit of its own: a dead name server costs it that time and nothing else.
 *
 * c-ares calls back from inside its own functions, where a channel must not be destroyed and a
 * waiter may do anything. So an answer is only stored there; waiters are called from their timers,
 * after c-ares has returned. When resolv.conf changes (or other servers are set) new names go to a
 * new channel, and the old one is destroyed once its last query has ended.
 */
#include "phusong/resolve.h"

#include "phusong/log.h"
#include "phusong/sched.h"
#include "phusong/stats.h"

#include <ares.h>

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define RESOLV_CONF "/etc/resolv.conf"
#define BUCKETS 1024
#define LOOKUPS_MAX 4096
#define IN_FLIGHT_MAX 1024
#define ADDRESSES_MAX 16
#define NAME_MAX_LENGTH 253
#define TRY_MS 1000 /* doubled with each further try */
#define TRIES 3
#define TTL_MIN_S 1
#define TTL_MAX_S 3600
#define TTL_NEGATIVE_S 10
#define CHECK_FILE_NS PHU_NS_PER_S

struct socket_watch {
    struct socket_watch *next;
    struct channel *channel;
    struct phu_watch *watch;
    ares_socket_t fd;
    unsigned events;
};

struct channel {
    struct channel *next; /* retired ones */
    struct phu_resolver *resolver;
    ares_channel ares;
    struct socket_watch *sockets;
    struct phu_timer timeout;
    unsigned in_flight;
};

enum lookup_state {
    LOOKUP_QUEUED,
    LOOKUP_FLYING,
    LOOKUP_KNOWN,
};

struct lookup {
    struct lookup *next;   /* of the bucket */
    struct lookup *queued; /* behind it in the queue */
    struct phu_resolver *resolver;
    struct channel *channel;
    enum lookup_state state;
    int family;
    int status;
    struct phu_mono expires;
    struct sockaddr_storage *addresses;
    size_t count;
    struct phu_resolve *waiters;
    char name[NAME_MAX_LENGTH + 1];
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
    char *servers; /* c-ares' list; NULL: resolv.conf */
    struct channel *channel, *retired;
    struct phu_timer tend; /* sends what is queued, frees retired channels */
    struct lookup *queue, **queue_end;
    struct lookup *buckets[BUCKETS];
    size_t lookup_count, sweep;
    struct stat file;
    struct phu_mono file_checked;
    struct counters counters;
};

/* -- Literal addresses ----------------------------------------------------------------------- */

static int parse_scope(const char *text, uint32_t *scope)
{
    char *end;
    unsigned long number;

    *scope = if_nametoindex(text);
    if (*scope)
        return 0;
    errno = 0;
    number = strtoul(text, &end, 10);
    if (*text < '0' || *text > '9' || *end || errno || number > UINT32_MAX)
        return -EINVAL;
    *scope = (uint32_t)number;
    return 0;
}

int phu_address_parse(const char *text, struct sockaddr_storage *address)
{
    struct sockaddr_in *v4 = (struct sockaddr_in *)address;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)address;
    const char *percent = strchr(text, '%');
    char head[INET6_ADDRSTRLEN];
    size_t length = percent ? (size_t)(percent - text) : strlen(text);

    memset(address, 0, sizeof *address);
    if (length >= sizeof head)
        return -EINVAL;
    memcpy(head, text, length);
    head[length] = '\0';
    if (!percent && inet_pton(AF_INET, head, &v4->sin_addr) == 1) {
        v4->sin_family = AF_INET;
        return 0;
    }
    if (inet_pton(AF_INET6, head, &v6->sin6_addr) != 1)
        return -EINVAL;
    v6->sin6_family = AF_INET6;
    return percent ? parse_scope(percent + 1, &v6->sin6_scope_id) : 0;
}

/* -- Channels -------------------------------------------------------------------------------- */

static void rearm(struct channel *channel)
{
    struct timeval tv;
    struct timeval *next = ares_timeout(channel->ares, NULL, &tv);

    if (!next) {
        phu_timer_cancel(channel->resolver->sched, &channel->timeout);
        return;
    }
    phu_timer_after(channel->resolver->sched, &channel->timeout,
                    (int64_t)next->tv_sec * PHU_NS_PER_S + (int64_t)next->tv_usec * PHU_NS_PER_US);
}

static void channel_expired(struct phu_timer *timer)
{
    struct channel *channel = phu_container_of(timer, struct channel, timeout);

    ares_process_fd(channel->ares, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
    rearm(channel);
}

static struct socket_watch **find_socket(struct channel *channel, ares_socket_t fd)
{
    struct socket_watch **place = &channel->sockets;

    while (*place && (*place)->fd != fd)
        place = &(*place)->next;
    return place;
}

static void socket_ready(void *arg, unsigned events)
{
    struct socket_watch *sock = arg;
    struct channel *channel = sock->channel;
    ares_socket_t fd = sock->fd;
    bool is_gone = events & PHU_WATCH_GONE;

    ares_process_fd(channel->ares, is_gone || events & PHU_WATCH_READ ? fd : ARES_SOCKET_BAD,
                    is_gone || events & PHU_WATCH_WRITE ? fd : ARES_SOCKET_BAD);
    if (is_gone) { /* a refused datagram stops the watch, but not always c-ares' use of the socket
                    */
        sock = *find_socket(channel, fd);
        if (sock)
            phu_watch_set(sock->watch, sock->events);
    }
    rearm(channel);
}

static void forget_socket(struct socket_watch **place)
{
    struct socket_watch *sock = *place;

    *place = sock->next;
    phu_watch_close(sock->watch);
    free(sock);
}

static void add_socket(struct channel *channel, ares_socket_t fd, unsigned events)
{
    struct socket_watch *sock = calloc(1, sizeof *sock);

    if (!sock)
        return; /* the query runs into its timeout */
    *sock = (struct socket_watch){
        .next = channel->sockets, .channel = channel, .fd = fd, .events = events};
    if (phu_watch_open(channel->resolver->sched, fd, events, socket_ready, sock, &sock->watch)) {
        free(sock);
        return;
    }
    channel->sockets = sock;
}

static void socket_changed(void *arg, ares_socket_t fd, int is_readable, int is_writable)
{
    struct channel *channel = arg;
    struct socket_watch **place = find_socket(channel, fd);
    unsigned events =
        (is_readable ? PHU_WATCH_READ : 0U) | (is_writable ? (unsigned)PHU_WATCH_WRITE : 0U);

    if (*place && !events) {
        forget_socket(place);
    } else if (*place) {
        (*place)->events = events;
        phu_watch_set((*place)->watch, events);
    } else if (events) {
        add_socket(channel, fd, events);
    }
}

static void free_channel(struct channel *channel)
{
    ares_destroy(channel->ares);
    while (channel->sockets)
        forget_socket(&channel->sockets);
    phu_timer_cancel(channel->resolver->sched, &channel->timeout);
    free(channel);
}

static int new_channel(struct phu_resolver *resolver, struct channel **out)
{
    struct channel *channel = calloc(1, sizeof *channel);
    struct ares_options options = {.timeout = TRY_MS, .tries = TRIES};
    int status;

    if (!channel)
        return -ENOMEM;
    channel->resolver = resolver;
    phu_timer_init(&channel->timeout, channel_expired);
    options.sock_state_cb = socket_changed;
    options.sock_state_cb_data = channel;
    status = ares_init_options(&channel->ares, &options,
                               ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_SOCK_STATE_CB);
    if (status != ARES_SUCCESS) {
        phu_log_error("resolve", "cannot start the name resolver", "error=\"%s\"",
                      ares_strerror(status));
        free(channel);
        return -EIO;
    }
    if (resolver->servers) {
        status = ares_set_servers_ports_csv(channel->ares, resolver->servers);
        if (status != ARES_SUCCESS) {
            free_channel(channel);
            return -EINVAL;
        }
    }
    *out = channel;
    return 0;
}

static void retire_channel(struct phu_resolver *resolver)
{
    struct channel *channel = resolver->channel;

    if (!channel)
        return;
    resolver->channel = NULL;
    channel->next = resolver->retired;
    resolver->retired = channel;
    phu_timer_after(resolver->sched, &resolver->tend, 0);
}

static void free_retired(struct phu_resolver *resolver)
{
    struct channel **place = &resolver->retired;

    while (*place) {
        struct channel *channel = *place;

        if (channel->in_flight) {
            place = &channel->next;
            continue;
        }
        *place = channel->next;
        free_channel(channel);
    }
}

static bool is_same_file(const struct stat *a, const struct stat *b)
{
    return a->st_ino == b->st_ino && a->st_size == b->st_size &&
           a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

static void notice_new_file(struct phu_resolver *resolver)
{
    struct phu_mono now = phu_sched_now(resolver->sched);
    struct stat file = {0};

    if (resolver->servers || phu_mono_since(now, resolver->file_checked) < CHECK_FILE_NS)
        return;
    resolver->file_checked = now;
    if (stat(RESOLV_CONF, &file))
        memset(&file, 0, sizeof file);
    if (is_same_file(&file, &resolver->file))
        return;
    if (resolver->channel)
        phu_log_info("resolve", "resolv.conf has changed", "file=" RESOLV_CONF);
    resolver->file = file;
    retire_channel(resolver);
}

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

static int from_ares(int status)
{
    switch (status) {
    case ARES_SUCCESS:
        return 0;
    case ARES_ENODATA:
    case ARES_ENOTFOUND:
    case ARES_EBADNAME:
    case ARES_ENONAME:
        return -ENOENT;
    case ARES_ETIMEOUT:
        return -ETIMEDOUT;
    case ARES_ECONNREFUSED:
        return -ECONNREFUSED;
    default:
        return -EIO;
    }
}

/* Keeps the addresses; returns how long, in seconds. */
static int64_t keep_addresses(struct lookup *lookup, const struct ares_addrinfo *info)
{
    int64_t ttl = TTL_MAX_S;

    free(lookup->addresses);
    lookup->count = 0;
    lookup->addresses = calloc(ADDRESSES_MAX, sizeof *lookup->addresses);
    if (!lookup->addresses)
        return 0;
    for (const struct ares_addrinfo_node *node = info->nodes; node && lookup->count < ADDRESSES_MAX;
         node = node->ai_next) {
        if ((size_t)node->ai_addrlen > sizeof *lookup->addresses)
            continue;
        memcpy(&lookup->addresses[lookup->count++], node->ai_addr, (size_t)node->ai_addrlen);
        if (node->ai_ttl < ttl)
            ttl = node->ai_ttl;
    }
    return ttl < TTL_MIN_S ? TTL_MIN_S : ttl;
}

static void answered(void *arg, int ares_status, int timeouts, struct ares_addrinfo *info)
{
    struct lookup *lookup = arg;
    struct phu_resolver *resolver = lookup->resolver;
    int status = from_ares(ares_status);
    int64_t ttl = 0;

    (void)timeouts;
    if (ares_status == ARES_EDESTRUCTION)
        return;
    lookup->channel->in_flight--;
    lookup->channel = NULL;
    resolver->counters.in_flight--;
    if (!status && info)
        ttl = keep_addresses(lookup, info);
    if (!status && lookup->count == 0)
        status = -ENOENT;
    if (status == -ENOENT)
        ttl = TTL_NEGATIVE_S;
    if (info)
        ares_freeaddrinfo(info);
    settle(lookup, status, ttl);
    phu_timer_after(resolver->sched, &resolver->tend, 0);
}

static void ask(struct lookup *lookup)
{
    struct phu_resolver *resolver = lookup->resolver;
    struct ares_addrinfo_hints hints = {
        .ai_flags = ARES_AI_NOSORT, .ai_family = lookup->family, .ai_socktype = SOCK_STREAM};
    struct channel *channel;

    if (!resolver->channel && new_channel(resolver, &resolver->channel)) {
        settle(lookup, -EIO, 0);
        return;
    }
    channel = resolver->channel;
    lookup->state = LOOKUP_FLYING;
    lookup->channel = channel;
    channel->in_flight++;
    resolver->counters.in_flight++;
    resolver->counters.queries++;
    ares_getaddrinfo(channel->ares, lookup->name, NULL, &hints, answered, lookup);
    rearm(channel);
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
    free_retired(resolver);
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
    struct sockaddr_storage addresses[ADDRESSES_MAX];
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

    notice_new_file(resolver);
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
static int clean_name(const char *name, char clean[NAME_MAX_LENGTH + 1])
{
    size_t length = strlen(name);

    if (length == 0 || length > NAME_MAX_LENGTH)
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
    char clean[NAME_MAX_LENGTH + 1] = "";

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

    if (!resolver)
        return -ENOMEM;
    if (ares_library_init(ARES_LIB_INIT_ALL) != ARES_SUCCESS) {
        free(resolver);
        return -EIO;
    }
    resolver->sched = sched;
    resolver->queue_end = &resolver->queue;
    resolver->file_checked.ns = INT64_MIN / 2;
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
    retire_channel(resolver);
    while (resolver->retired) {
        struct channel *channel = resolver->retired;

        resolver->retired = channel->next;
        free_channel(channel);
    }
    for (size_t i = 0; i < BUCKETS; i++) {
        while (resolver->buckets[i]) {
            drop_waiters(resolver->buckets[i]);
            free_lookup(&resolver->buckets[i]);
        }
    }
    phu_timer_cancel(resolver->sched, &resolver->tend);
    free(resolver->servers);
    free(resolver);
    ares_library_cleanup();
}

/* "10.0.0.1", "10.0.0.1:53", "fd00::1", "[fd00::1]", "[fd00::1]:53". */
bool phu_resolver_is_server(const char *text)
{
    struct sockaddr_storage address;
    char host[INET6_ADDRSTRLEN + 1];
    const char *port = NULL;
    bool is_bracketed = *text == '[';
    const char *end = is_bracketed ? strchr(text, ']') : strchr(text, ':');

    if (!phu_address_parse(text, &address))
        return true;
    if (!end)
        return false;
    port = is_bracketed ? end + 1 : end;
    text += is_bracketed;
    if ((size_t)(end - text) >= sizeof host)
        return false;
    snprintf(host, sizeof host, "%.*s", (int)(end - text), text);
    if (phu_address_parse(host, &address) || is_bracketed != (address.ss_family == AF_INET6))
        return false;
    if (is_bracketed && !*port)
        return true;
    if (*port++ != ':' || strspn(port, "0123456789") != strlen(port))
        return false;
    return strlen(port) <= 5 && strtoul(port, NULL, 10) >= 1 && strtoul(port, NULL, 10) <= 65535;
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
    if (joined && resolver->servers && strcmp(joined, resolver->servers) == 0) {
        free(joined);
        return 0;
    }
    free(resolver->servers);
    resolver->servers = joined;
    retire_channel(resolver);
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
