/* Questions to name servers: c-ares on the loop.
 *
 * A channel is one c-ares instance with one set of servers, its sockets and its timer. When
 * resolv.conf changes (or other servers are set) new questions go to a new channel; the old one is
 * retired, and destroyed once its last question has ended. c-ares calls back from inside its own
 * functions, where a channel must not be destroyed: a timer does it after they have returned.
 */
#include "dns.h"

#include "phusong/log.h"
#include "phusong/sched.h"

#include <ares.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define RESOLV_CONF "/etc/resolv.conf"
#define TRY_MS 1000 /* doubled with each further try */
#define TRIES 3
#define TTL_MAX_S 3600
#define CHECK_FILE_NS PHU_NS_PER_S

struct socket_watch {
    struct socket_watch *next;
    struct phu_dns_channel *channel;
    struct phu_watch *watch;
    ares_socket_t fd;
    unsigned events;
};

struct phu_dns_channel {
    struct phu_dns_channel *next; /* retired ones */
    struct phu_dns *dns;
    ares_channel ares;
    struct socket_watch *sockets;
    struct phu_timer timeout;
    unsigned in_flight;
};

struct phu_dns {
    struct phu_sched *sched;
    char *servers; /* c-ares' list; NULL: resolv.conf */
    struct phu_dns_channel *channel, *retired;
    struct phu_timer bury; /* frees retired channels */
    struct stat file;
    struct phu_mono file_checked;
};

/* -- A channel's sockets and timer ----------------------------------------------------------- */

static void rearm(struct phu_dns_channel *channel)
{
    struct timeval tv;
    struct timeval *next = ares_timeout(channel->ares, NULL, &tv);

    if (!next) {
        phu_timer_cancel(channel->dns->sched, &channel->timeout);
        return;
    }
    phu_timer_after(channel->dns->sched, &channel->timeout,
                    (int64_t)next->tv_sec * PHU_NS_PER_S + (int64_t)next->tv_usec * PHU_NS_PER_US);
}

static void channel_expired(struct phu_timer *timer)
{
    struct phu_dns_channel *channel = phu_container_of(timer, struct phu_dns_channel, timeout);

    ares_process_fd(channel->ares, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
    rearm(channel);
}

static struct socket_watch **find_socket(struct phu_dns_channel *channel, ares_socket_t fd)
{
    struct socket_watch **place = &channel->sockets;

    while (*place && (*place)->fd != fd)
        place = &(*place)->next;
    return place;
}

static void socket_ready(void *arg, unsigned events)
{
    struct socket_watch *sock = arg;
    struct phu_dns_channel *channel = sock->channel;
    ares_socket_t fd = sock->fd;
    bool is_gone = events & PHU_WATCH_GONE;

    ares_process_fd(channel->ares, is_gone || events & PHU_WATCH_READ ? fd : ARES_SOCKET_BAD,
                    is_gone || events & PHU_WATCH_WRITE ? fd : ARES_SOCKET_BAD);
    /* a refused datagram stops the watch, but not always c-ares' use of the socket */
    sock = is_gone ? *find_socket(channel, fd) : NULL;
    if (sock)
        phu_watch_set(sock->watch, sock->events);
    rearm(channel);
}

static void forget_socket(struct socket_watch **place)
{
    struct socket_watch *sock = *place;

    *place = sock->next;
    phu_watch_close(sock->watch);
    free(sock);
}

static void add_socket(struct phu_dns_channel *channel, ares_socket_t fd, unsigned events)
{
    struct socket_watch *sock = calloc(1, sizeof *sock);

    if (!sock)
        return; /* the query runs into its timeout */
    *sock = (struct socket_watch){
        .next = channel->sockets, .channel = channel, .fd = fd, .events = events};
    if (phu_watch_open(channel->dns->sched, fd, events, socket_ready, sock, &sock->watch)) {
        free(sock);
        return;
    }
    channel->sockets = sock;
}

static void socket_changed(void *arg, ares_socket_t fd, int is_readable, int is_writable)
{
    struct phu_dns_channel *channel = arg;
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

static void free_channel(struct phu_dns_channel *channel)
{
    ares_destroy(channel->ares);
    while (channel->sockets)
        forget_socket(&channel->sockets);
    phu_timer_cancel(channel->dns->sched, &channel->timeout);
    free(channel);
}

static int new_channel(struct phu_dns *dns, struct phu_dns_channel **out)
{
    struct phu_dns_channel *channel = calloc(1, sizeof *channel);
    struct ares_options options = {.timeout = TRY_MS, .tries = TRIES};
    int status;

    if (!channel)
        return -ENOMEM;
    channel->dns = dns;
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
    if (dns->servers) {
        status = ares_set_servers_ports_csv(channel->ares, dns->servers);
        if (status != ARES_SUCCESS) {
            free_channel(channel);
            return -EINVAL;
        }
    }
    *out = channel;
    return 0;
}

static void retire_channel(struct phu_dns *dns)
{
    struct phu_dns_channel *channel = dns->channel;

    if (!channel)
        return;
    dns->channel = NULL;
    channel->next = dns->retired;
    dns->retired = channel;
    phu_timer_after(dns->sched, &dns->bury, 0);
}

static void bury_retired(struct phu_timer *timer)
{
    struct phu_dns *dns = phu_container_of(timer, struct phu_dns, bury);
    struct phu_dns_channel **place = &dns->retired;

    while (*place) {
        struct phu_dns_channel *channel = *place;

        if (channel->in_flight) {
            place = &channel->next;
            continue;
        }
        *place = channel->next;
        free_channel(channel);
    }
}

/* -- Questions ------------------------------------------------------------------------------- */

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

/* How many addresses there were; the smallest of their TTLs in `ttl_s`. */
static size_t copy_addresses(const struct ares_addrinfo *info, struct sockaddr_storage *addresses,
                             int64_t *ttl_s)
{
    const struct ares_addrinfo_node *node = info ? info->nodes : NULL;
    size_t count = 0;

    *ttl_s = TTL_MAX_S;
    for (; node && count < PHU_DNS_ADDRESSES_MAX; node = node->ai_next) {
        if ((size_t)node->ai_addrlen > sizeof *addresses)
            continue;
        memset(&addresses[count], 0, sizeof *addresses);
        memcpy(&addresses[count++], node->ai_addr, (size_t)node->ai_addrlen);
        if (node->ai_ttl < *ttl_s)
            *ttl_s = node->ai_ttl;
    }
    return count;
}

static void answered(void *arg, int ares_status, int timeouts, struct ares_addrinfo *info)
{
    struct phu_dns_query *query = arg;
    struct phu_dns_channel *channel = query->channel;
    struct sockaddr_storage addresses[PHU_DNS_ADDRESSES_MAX];
    int status = from_ares(ares_status);
    int64_t ttl_s = 0;
    size_t count = 0;

    (void)timeouts;
    if (ares_status == ARES_EDESTRUCTION)
        return;
    query->channel = NULL;
    if (--channel->in_flight == 0 && channel != channel->dns->channel)
        phu_timer_after(channel->dns->sched, &channel->dns->bury, 0);
    if (!status)
        count = copy_addresses(info, addresses, &ttl_s);
    if (!status && count == 0)
        status = -ENOENT;
    if (info)
        ares_freeaddrinfo(info);
    query->done(query, status, addresses, count, ttl_s);
}

int phu_dns_ask(struct phu_dns *dns, const char *name, int family, struct phu_dns_query *query)
{
    struct ares_addrinfo_hints hints = {
        .ai_flags = ARES_AI_NOSORT, .ai_family = family, .ai_socktype = SOCK_STREAM};
    struct phu_dns_channel *channel;

    if (!dns->channel && new_channel(dns, &dns->channel))
        return -EIO;
    channel = dns->channel;
    query->channel = channel;
    channel->in_flight++;
    ares_getaddrinfo(channel->ares, name, NULL, &hints, answered, query);
    rearm(channel);
    return 0;
}

/* -- Which servers --------------------------------------------------------------------------- */

static bool is_same_file(const struct stat *a, const struct stat *b)
{
    return a->st_ino == b->st_ino && a->st_size == b->st_size &&
           a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

void phu_dns_notice_change(struct phu_dns *dns)
{
    struct phu_mono now = phu_sched_now(dns->sched);
    struct stat file = {0};

    if (dns->servers || phu_mono_since(now, dns->file_checked) < CHECK_FILE_NS)
        return;
    dns->file_checked = now;
    if (stat(RESOLV_CONF, &file))
        memset(&file, 0, sizeof file);
    if (is_same_file(&file, &dns->file))
        return;
    if (dns->channel)
        phu_log_info("resolve", "resolv.conf has changed", "file=" RESOLV_CONF);
    dns->file = file;
    retire_channel(dns);
}

void phu_dns_set_servers(struct phu_dns *dns, char *servers)
{
    if (servers && dns->servers && strcmp(servers, dns->servers) == 0) {
        free(servers);
        return;
    }
    free(dns->servers);
    dns->servers = servers;
    retire_channel(dns);
}

int phu_dns_new(struct phu_sched *sched, struct phu_dns **out)
{
    struct phu_dns *dns = calloc(1, sizeof *dns);

    if (!dns)
        return -ENOMEM;
    if (ares_library_init(ARES_LIB_INIT_ALL) != ARES_SUCCESS) {
        free(dns);
        return -EIO;
    }
    dns->sched = sched;
    dns->file_checked.ns = INT64_MIN / 2;
    phu_timer_init(&dns->bury, bury_retired);
    *out = dns;
    return 0;
}

void phu_dns_free(struct phu_dns *dns)
{
    if (!dns)
        return;
    retire_channel(dns);
    while (dns->retired) {
        struct phu_dns_channel *channel = dns->retired;

        dns->retired = channel->next;
        free_channel(channel);
    }
    phu_timer_cancel(dns->sched, &dns->bury);
    free(dns->servers);
    free(dns);
    ares_library_cleanup();
}
