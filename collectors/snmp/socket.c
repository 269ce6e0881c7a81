/* See socket.h.
 *
 * Peers are found by address in a hash table with open addressing and linear probing; peers of one
 * address hang on a list of one entry. Entries are moved back when one before them goes, so there
 * are no tombstones and a search ends at the first empty place.
 *
 * A socket that gets ICMP errors (IP_RECVERR) hands each of them out twice: on the error queue,
 * with the destination, and as the result of whichever call comes next, which it does not concern.
 * So a failed call is repeated before its error is believed.
 */
#include "socket.h"

#include "phusong/log.h"
#include "phusong/sched.h"

#include <errno.h>
#include <linux/errqueue.h>
#include <linux/icmp.h>
#include <linux/icmpv6.h>
#include <linux/sock_diag.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#define DATAGRAM_SIZE 65536
#define CONTROL_SIZE 256
#define TABLE_SIZE_MIN 64

/* Of a buffer for sending; nearly all questions fit, and then it serves the next peer, too. */
#define OUT_SIZE 1024

/* Longer than this no wake-up reads or sends, so that other work can go on. */
#define WAKEUP_NS (2 * PHU_NS_PER_MS)
#define ERRORS_PER_WAKEUP (8 * PHU_UDP_BATCH)
#define ATTEMPTS 4

/* The kernel said that a queue of the interface is full; nothing tells when it no longer is. */
#define FULL_WAIT_NS PHU_NS_PER_MS

struct receive_room {
    struct sockaddr_in6 address; /* or sockaddr_in */
    _Alignas(struct cmsghdr) uint8_t control[CONTROL_SIZE];
};

struct spare {
    struct spare *next;
};

struct phu_udp {
    struct phu_sched *sched;
    const struct phu_udp_owner *owner;
    struct phu_udp_counts *counts;
    int fd, family;
    struct phu_watch *watch;
    unsigned watching;

    struct phu_udp_peer **table; /* the first peer of each address */
    size_t table_size, table_used;

    struct phu_udp_peer *out_first, **out_last;
    size_t out_count;
    struct spare *spare; /* buffers for sending, of OUT_SIZE */
    struct phu_timer flush;
    bool is_blocked; /* until the socket is writable or the timer rings */

    struct phu_timer resume;
    size_t read_at, read_count; /* of the batch below, what is not delivered yet */
    int64_t offset_ns;          /* from wall clock to monotonic, when the batch was read */
    uint32_t drops;
    int64_t overflows;

    struct mmsghdr messages[PHU_UDP_BATCH];
    struct iovec parts[PHU_UDP_BATCH];
    struct receive_room rooms[PHU_UDP_BATCH];
    uint8_t *datagrams; /* PHU_UDP_BATCH times DATAGRAM_SIZE; mostly never touched */
};

static int64_t now_ns(const struct phu_udp *udp)
{
    return phu_sched_now(udp->sched).ns;
}

/* -- Who is at an address -------------------------------------------------------------------- */

static uint32_t mix(uint64_t a, uint64_t b)
{
    uint64_t sum = (a ^ 0x9e3779b97f4a7c15U) * 0xbf58476d1ce4e5b9U;

    sum = ((sum ^ sum >> 29) + b) * 0x94d049bb133111ebU;
    return (uint32_t)(sum >> 32);
}

static uint32_t hash_of(const struct phu_udp *udp, const void *address)
{
    uint64_t half[2];

    if (udp->family == AF_INET) {
        const struct sockaddr_in *v4 = address;

        return mix(v4->sin_addr.s_addr, v4->sin_port);
    }
    const struct sockaddr_in6 *v6 = address;

    memcpy(half, &v6->sin6_addr, sizeof half);
    return mix(half[0] + ((uint64_t)v6->sin6_port << 32), half[1]);
}

static bool is_at(const struct phu_udp *udp, const struct phu_udp_peer *peer, const void *address)
{
    if (udp->family == AF_INET) {
        const struct sockaddr_in *v4 = address;

        return v4->sin_addr.s_addr == peer->address.v4.sin_addr.s_addr &&
               v4->sin_port == peer->address.v4.sin_port;
    }
    const struct sockaddr_in6 *v6 = address;

    return v6->sin6_port == peer->address.v6.sin6_port &&
           memcmp(&v6->sin6_addr, &peer->address.v6.sin6_addr, sizeof v6->sin6_addr) == 0 &&
           (!peer->address.v6.sin6_scope_id || v6->sin6_scope_id == peer->address.v6.sin6_scope_id);
}

/* The entry of the address, or the empty one where it would be. */
static struct phu_udp_peer **entry_of(const struct phu_udp *udp, const void *address, uint32_t hash)
{
    size_t at = hash & (udp->table_size - 1);

    while (udp->table[at] && (udp->table[at]->hash != hash || !is_at(udp, udp->table[at], address)))
        at = (at + 1) & (udp->table_size - 1);
    return &udp->table[at];
}

static int grow_table(struct phu_udp *udp)
{
    size_t size = udp->table_size ? udp->table_size * 2 : TABLE_SIZE_MIN;
    struct phu_udp_peer **table = calloc(size, sizeof(struct phu_udp_peer *));

    if (!table)
        return -ENOMEM;
    for (size_t i = 0; i < udp->table_size; i++) {
        struct phu_udp_peer *peer = udp->table[i];
        size_t at;

        if (!peer)
            continue;
        for (at = peer->hash & (size - 1); table[at]; at = (at + 1) & (size - 1))
            ;
        table[at] = peer;
    }
    free(udp->table);
    udp->table = table;
    udp->table_size = size;
    return 0;
}

/* Entries behind the hole that a search would no longer reach move into it. */
static void empty_entry(struct phu_udp *udp, struct phu_udp_peer **entry)
{
    size_t mask = udp->table_size - 1, hole = (size_t)(entry - udp->table), at = hole;

    for (;;) {
        struct phu_udp_peer *peer;

        at = (at + 1) & mask;
        peer = udp->table[at];
        if (!peer)
            break;
        if (((at - peer->hash) & mask) < ((at - hole) & mask))
            continue;
        udp->table[hole] = peer;
        hole = at;
    }
    udp->table[hole] = NULL;
    udp->table_used--;
}

int phu_udp_join(struct phu_udp *udp, struct phu_udp_peer *peer, const struct sockaddr *address)
{
    struct phu_udp_peer **entry;

    *peer = (struct phu_udp_peer){.udp = NULL};
    if (address->sa_family != udp->family)
        return -EAFNOSUPPORT;
    if (udp->table_used * 2 >= udp->table_size && grow_table(udp) < 0)
        return -ENOMEM;
    if (udp->family == AF_INET)
        memcpy(&peer->address.v4, address, sizeof peer->address.v4);
    else
        memcpy(&peer->address.v6, address, sizeof peer->address.v6);
    peer->udp = udp;
    peer->hash = hash_of(udp, &peer->address);
    entry = entry_of(udp, &peer->address, peer->hash);
    if (!*entry)
        udp->table_used++;
    peer->next = *entry;
    *entry = peer;
    return 0;
}

static void leave_queue(struct phu_udp_peer *peer)
{
    struct phu_udp *udp = peer->udp;

    if (!peer->out_link)
        return;
    *peer->out_link = peer->out_next;
    if (peer->out_next)
        peer->out_next->out_link = peer->out_link;
    else
        udp->out_last = peer->out_link;
    peer->out_next = NULL;
    peer->out_link = NULL;
    udp->out_count--;
}

static void keep_spare(struct phu_udp *udp, uint8_t *out, size_t capacity)
{
    struct spare *spare = (struct spare *)(void *)out;

    if (capacity != OUT_SIZE) {
        free(out);
        return;
    }
    spare->next = udp->spare;
    udp->spare = spare;
}

static uint8_t *take_spare(struct phu_udp *udp)
{
    struct spare *spare = udp->spare;

    if (!spare)
        return malloc(OUT_SIZE);
    udp->spare = spare->next;
    return (uint8_t *)spare;
}

void phu_udp_leave(struct phu_udp_peer *peer)
{
    struct phu_udp *udp = peer->udp;
    struct phu_udp_peer **entry, **link;

    if (!udp)
        return;
    leave_queue(peer);
    keep_spare(udp, peer->out, peer->out_capacity);
    entry = entry_of(udp, &peer->address, peer->hash);
    for (link = entry; *link != peer; link = &(*link)->next)
        ;
    *link = peer->next;
    if (!*entry)
        empty_entry(udp, entry);
    peer->udp = NULL;
}

static struct phu_udp_peer *find(const struct phu_udp *udp, const void *address)
{
    return udp->table_size ? *entry_of(udp, address, hash_of(udp, address)) : NULL;
}

/* -- Sending --------------------------------------------------------------------------------- */

static void watch_for(struct phu_udp *udp, unsigned events)
{
    if (udp->watching == events)
        return;
    if (phu_watch_set(udp->watch, events) == 0)
        udp->watching = events;
}

static size_t fill_batch(struct phu_udp *udp, struct mmsghdr *batch, struct iovec *parts)
{
    size_t count = 0;

    for (struct phu_udp_peer *peer = udp->out_first; peer && count < PHU_UDP_BATCH;
         peer = peer->out_next) {
        parts[count] = (struct iovec){peer->out, peer->out_length};
        batch[count].msg_hdr = (struct msghdr){
            .msg_name = &peer->address,
            .msg_namelen =
                udp->family == AF_INET ? sizeof peer->address.v4 : sizeof peer->address.v6,
            .msg_iov = &parts[count],
            .msg_iovlen = 1,
        };
        count++;
    }
    return count;
}

/* The first `count` of the queue left, one after the other between the call's begin and its end. */
static void note_sent(struct phu_udp *udp, int count, int64_t began_ns)
{
    int64_t took_ns = now_ns(udp) - began_ns;

    for (int i = 0; i < count; i++) {
        struct phu_udp_peer *peer = udp->out_first;

        peer->sent_ns = began_ns + took_ns * i / count;
        leave_queue(peer);
    }
    udp->counts->sent += count;
}

static bool is_full(int error)
{
    return error == EAGAIN || error == EWOULDBLOCK || error == ENOBUFS || error == ENOMEM;
}

static void wait_for_room(struct phu_udp *udp, int error)
{
    udp->is_blocked = true;
    udp->counts->waits++;
    if (error == EAGAIN || error == EWOULDBLOCK)
        watch_for(udp, udp->watching | PHU_WATCH_WRITE);
    else
        phu_timer_after(udp->sched, &udp->flush, FULL_WAIT_NS);
}

/* False when the kernel takes no more. */
static bool send_batch(struct phu_udp *udp)
{
    struct mmsghdr batch[PHU_UDP_BATCH];
    struct iovec parts[PHU_UDP_BATCH];
    size_t count = fill_batch(udp, batch, parts);
    int64_t began_ns = now_ns(udp);
    int sent, attempts = 0;

    do
        sent = sendmmsg(udp->fd, batch, (unsigned)count, 0);
    while (sent < 0 && !is_full(errno) && ++attempts < ATTEMPTS);
    if (sent > 0) {
        note_sent(udp, sent, began_ns);
    } else if (is_full(errno)) {
        wait_for_room(udp, errno);
        return false;
    } else {
        struct phu_udp_peer *peer = udp->out_first;
        int error = errno;

        leave_queue(peer);
        udp->owner->failed(peer, error, true);
    }
    return true;
}

static void flush(struct phu_udp *udp)
{
    int64_t until_ns = now_ns(udp) + WAKEUP_NS;

    udp->is_blocked = false;
    while (udp->out_first) {
        if (!send_batch(udp))
            return;
        if (now_ns(udp) > until_ns)
            break;
    }
    /* A socket that can be written to wakes us again at once, after the others. */
    watch_for(udp, udp->out_first ? udp->watching | PHU_WATCH_WRITE
                                  : udp->watching & ~(unsigned)PHU_WATCH_WRITE);
    udp->is_blocked = udp->out_first != NULL;
}

static void on_flush(struct phu_timer *timer)
{
    flush(phu_container_of(timer, struct phu_udp, flush));
}

static int make_room(struct phu_udp_peer *peer, size_t length)
{
    size_t capacity = length > OUT_SIZE ? length : OUT_SIZE;
    uint8_t *out;

    if (length <= peer->out_capacity)
        return 0;
    out = peer->out || length > OUT_SIZE ? realloc(peer->out, capacity) : take_spare(peer->udp);
    if (!out)
        return -ENOMEM;
    peer->out = out;
    peer->out_capacity = capacity;
    return 0;
}

int phu_udp_put(struct phu_udp_peer *peer, const void *bytes, size_t length)
{
    struct phu_udp *udp = peer->udp;

    if (make_room(peer, length) < 0)
        return -ENOMEM;
    memcpy(peer->out, bytes, length);
    peer->out_length = length;
    if (peer->out_link)
        return 0;
    peer->out_link = udp->out_last;
    *udp->out_last = peer;
    udp->out_last = &peer->out_next;
    udp->out_count++;
    peer->sent_ns = now_ns(udp);
    if (udp->is_blocked)
        return 0;
    if (udp->out_count >= PHU_UDP_BATCH) {
        if (!send_batch(udp))
            return 0;
    } else if (!phu_timer_is_armed(&udp->flush)) {
        phu_timer_after(udp->sched, &udp->flush, 0);
    }
    return 0;
}

/* -- Receiving ------------------------------------------------------------------------------- */

struct control {
    int64_t stamp_ns; /* 0: none */
    struct sock_extended_err error;
    bool has_error, has_drops;
    uint32_t drops;
};

static void read_control(struct msghdr *header, struct control *control)
{
    *control = (struct control){.stamp_ns = 0};
    for (struct cmsghdr *at = CMSG_FIRSTHDR(header); at; at = CMSG_NXTHDR(header, at)) {
        struct timespec stamp;

        if (at->cmsg_level == SOL_SOCKET && at->cmsg_type == SCM_TIMESTAMPNS) {
            memcpy(&stamp, CMSG_DATA(at), sizeof stamp);
            control->stamp_ns = (int64_t)stamp.tv_sec * PHU_NS_PER_S + stamp.tv_nsec;
        } else if (at->cmsg_level == SOL_SOCKET && at->cmsg_type == SO_RXQ_OVFL) {
            memcpy(&control->drops, CMSG_DATA(at), sizeof control->drops);
            control->has_drops = true;
        } else if ((at->cmsg_level == SOL_IP && at->cmsg_type == IP_RECVERR) ||
                   (at->cmsg_level == SOL_IPV6 && at->cmsg_type == IPV6_RECVERR)) {
            memcpy(&control->error, CMSG_DATA(at), sizeof control->error);
            control->has_error = true;
        }
    }
}

static void note_drops(struct phu_udp *udp, uint32_t drops)
{
    uint32_t more = drops - udp->drops;

    if (!more)
        return;
    if (!udp->overflows)
        phu_log_warn("snmp", "the receive buffer overflowed; answers were lost on our side",
                     "dropped=%u remedy=\"raise receive_buffer of collectors.snmp, and "
                     "net.core.rmem_max\"",
                     more);
    udp->drops = drops;
    udp->overflows += more;
    udp->counts->overflows += more;
}

int64_t phu_udp_overflows_known(const struct phu_udp *udp)
{
    return udp->overflows;
}

int64_t phu_udp_overflows(struct phu_udp *udp)
{
    uint32_t memory[SK_MEMINFO_VARS] = {0};
    socklen_t size = sizeof memory;

    if (getsockopt(udp->fd, SOL_SOCKET, SO_MEMINFO, memory, &size) == 0)
        note_drops(udp, memory[SK_MEMINFO_DROPS]);
    return udp->overflows;
}

static int receive(struct phu_udp *udp, struct mmsghdr *messages, struct receive_room *rooms,
                   struct iovec *parts, int flags)
{
    int received, attempts = 0;

    for (size_t i = 0; i < PHU_UDP_BATCH; i++)
        messages[i].msg_hdr = (struct msghdr){
            .msg_name = &rooms[i].address,
            .msg_namelen = sizeof rooms[i].address,
            .msg_iov = &parts[i],
            .msg_iovlen = 1,
            .msg_control = rooms[i].control,
            .msg_controllen = sizeof rooms[i].control,
        };
    do
        received = recvmmsg(udp->fd, messages, PHU_UDP_BATCH, flags | MSG_DONTWAIT, NULL);
    while (received < 0 && errno != EAGAIN && ++attempts < PHU_UDP_BATCH);
    return received;
}

/* False when nothing is there. */
static bool receive_batch(struct phu_udp *udp)
{
    int received = receive(udp, udp->messages, udp->rooms, udp->parts, 0);

    if (received <= 0)
        return false;
    udp->offset_ns = now_ns(udp) - phu_sched_wall(udp->sched).ns;
    udp->read_at = 0;
    udp->read_count = (size_t)received;
    udp->counts->received += received;
    return true;
}

static struct phu_udp_peer *choose(const struct phu_udp *udp, struct phu_udp_peer *first,
                                   const uint8_t *bytes, size_t length)
{
    if (!first || !first->next)
        return first;
    for (struct phu_udp_peer *peer = first; peer; peer = peer->next) {
        if (udp->owner->is_for(peer, bytes, length))
            return peer;
    }
    return first;
}

static void deliver(struct phu_udp *udp, size_t index, int64_t now)
{
    struct phu_udp_datagram datagram = {.bytes = udp->parts[index].iov_base,
                                        .length = udp->messages[index].msg_len};
    struct phu_udp_peer *peer;
    struct control control;

    read_control(&udp->messages[index].msg_hdr, &control);
    if (control.has_drops)
        note_drops(udp, control.drops);
    peer = choose(udp, find(udp, &udp->rooms[index].address), datagram.bytes, datagram.length);
    if (!peer) {
        udp->counts->strangers++;
        return;
    }
    datagram.at_ns = control.stamp_ns ? control.stamp_ns + udp->offset_ns : now;
    /* The wall clock may have been set meanwhile. */
    if (datagram.at_ns > now || datagram.at_ns < peer->sent_ns)
        datagram.at_ns = now;
    udp->owner->heard(peer, &datagram);
}

static void read_some(struct phu_udp *udp)
{
    int64_t now = now_ns(udp), until_ns = now + WAKEUP_NS;
    bool is_last = false;

    for (;;) {
        while (udp->read_at < udp->read_count) {
            deliver(udp, udp->read_at++, now);
            now = now_ns(udp);
            if (now < until_ns)
                continue;
            if (udp->read_at < udp->read_count)
                phu_timer_after(udp->sched, &udp->resume, PHU_SCHED_TICK_NS);
            return;
        }
        if (is_last || !receive_batch(udp))
            return;
        now = now_ns(udp);
        is_last = udp->read_count < PHU_UDP_BATCH;
    }
}

static void on_resume(struct phu_timer *timer)
{
    read_some(phu_container_of(timer, struct phu_udp, resume));
}

/* -- ICMP errors ----------------------------------------------------------------------------- */

/* Routers say these of trouble that may be over in a second. */
static bool is_passing(const struct sock_extended_err *error)
{
    if (error->ee_origin == SO_EE_ORIGIN_ICMP) {
        switch (error->ee_type) {
        case ICMP_DEST_UNREACH:
            return error->ee_code == ICMP_NET_UNREACH || error->ee_code == ICMP_HOST_UNREACH ||
                   error->ee_code == ICMP_SR_FAILED || error->ee_code == ICMP_NET_UNR_TOS ||
                   error->ee_code == ICMP_HOST_UNR_TOS;
        case ICMP_TIME_EXCEEDED:
            return true;
        default: /* of all there are */
            return false;
        }
    }
    return error->ee_origin != SO_EE_ORIGIN_ICMP6 || error->ee_type == ICMPV6_TIME_EXCEED ||
           (error->ee_type == ICMPV6_DEST_UNREACH &&
            (error->ee_code == ICMPV6_NOROUTE || error->ee_code == ICMPV6_ADDR_UNREACH ||
             error->ee_code == ICMPV6_NOT_NEIGHBOUR));
}

static int errno_of(const struct sock_extended_err *error)
{
    switch (error->ee_errno) {
    case ECONNREFUSED:
    case ENETUNREACH:
    case EHOSTUNREACH:
    case EHOSTDOWN:
        return (int)error->ee_errno;
    case ENOPROTOOPT:
        return ECONNREFUSED;
    default: /* among them EACCES, a filter's answer, which would be taken for our own lack */
        return EHOSTUNREACH;
    }
}

static void take_error(struct phu_udp *udp, const struct receive_room *room,
                       const struct sock_extended_err *error)
{
    struct phu_udp_peer *next;

    /* How large packets may be is the kernel's business: we let it fragment. */
    if (error->ee_errno == EMSGSIZE || error->ee_origin == SO_EE_ORIGIN_NONE ||
        error->ee_origin == SO_EE_ORIGIN_TIMESTAMPING)
        return;
    for (struct phu_udp_peer *peer = find(udp, &room->address); peer; peer = next) {
        next = peer->next;
        udp->owner->failed(peer, errno_of(error), !is_passing(error));
    }
}

/* When the queue had no room for an error, the socket stays in error until somebody asks. */
static void forget_error(struct phu_udp *udp)
{
    int error;
    socklen_t size = sizeof error;

    getsockopt(udp->fd, SOL_SOCKET, SO_ERROR, &error, &size);
}

static void read_errors(struct phu_udp *udp)
{
    struct mmsghdr messages[PHU_UDP_BATCH];
    struct iovec parts[PHU_UDP_BATCH];
    struct receive_room rooms[PHU_UDP_BATCH];
    uint8_t quoted[1];
    int received, total = 0;

    for (size_t i = 0; i < PHU_UDP_BATCH; i++)
        parts[i] = (struct iovec){quoted, sizeof quoted};
    do {
        received = receive(udp, messages, rooms, parts, MSG_ERRQUEUE);
        for (int i = 0; i < received; i++) {
            struct control control;

            read_control(&messages[i].msg_hdr, &control);
            if (control.has_error)
                take_error(udp, &rooms[i], &control.error);
        }
        total += received > 0 ? received : 0;
    } while (received == PHU_UDP_BATCH && total < ERRORS_PER_WAKEUP);
    if (total == 0)
        forget_error(udp);
}

static void on_ready(void *arg, unsigned events)
{
    struct phu_udp *udp = arg;

    if (events & PHU_WATCH_GONE)
        phu_watch_set(udp->watch, udp->watching);
    if (events & (PHU_WATCH_ERRQUEUE | PHU_WATCH_GONE))
        read_errors(udp);
    if (events & PHU_WATCH_WRITE)
        flush(udp);
    if (events & PHU_WATCH_READ)
        read_some(udp);
}

/* -- Opening --------------------------------------------------------------------------------- */

static int set_int(int fd, int level, int option, int value)
{
    return setsockopt(fd, level, option, &value, sizeof value) < 0 ? -errno : 0;
}

static int set_up_v4(int fd)
{
    int error = set_int(fd, SOL_IP, IP_RECVERR, 1);

    return error ? error : set_int(fd, SOL_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DONT);
}

static int set_up_v6(int fd)
{
    int error = set_int(fd, SOL_IPV6, IPV6_V6ONLY, 1);

    if (!error)
        error = set_int(fd, SOL_IPV6, IPV6_RECVERR, 1);
    return error ? error : set_int(fd, SOL_IPV6, IPV6_MTU_DISCOVER, IPV6_PMTUDISC_DONT);
}

static int set_up(struct phu_udp *udp, int64_t receive_buffer)
{
    struct sockaddr_in6 any = {.sin6_family = (sa_family_t)udp->family};
    socklen_t size = udp->family == AF_INET ? sizeof(struct sockaddr_in) : sizeof any;
    int error;

    /* The kernel doubles what it is given, for its own bookkeeping. */
    if (set_int(udp->fd, SOL_SOCKET, SO_RCVBUFFORCE, (int)(receive_buffer / 2)))
        set_int(udp->fd, SOL_SOCKET, SO_RCVBUF, (int)(receive_buffer / 2));
    error = udp->family == AF_INET ? set_up_v4(udp->fd) : set_up_v6(udp->fd);
    if (!error)
        error = set_int(udp->fd, SOL_SOCKET, SO_TIMESTAMPNS, 1);
    if (!error)
        error = set_int(udp->fd, SOL_SOCKET, SO_RXQ_OVFL, 1);
    if (!error)
        error = set_int(udp->fd, SOL_SOCKET, SO_SELECT_ERR_QUEUE, 1);
    if (!error && bind(udp->fd, (struct sockaddr *)&any, size) < 0)
        error = -errno;
    return error;
}

int phu_udp_open(struct phu_sched *sched, int family, int64_t receive_buffer,
                 const struct phu_udp_owner *owner, struct phu_udp_counts *counts,
                 struct phu_udp **out)
{
    struct phu_udp *udp = calloc(1, sizeof *udp);
    int error = -ENOMEM;

    if (!udp)
        return -ENOMEM;
    udp->sched = sched;
    udp->owner = owner;
    udp->counts = counts;
    udp->family = family;
    udp->out_last = &udp->out_first;
    phu_timer_init(&udp->flush, on_flush);
    phu_timer_init(&udp->resume, on_resume);
    udp->datagrams = calloc(PHU_UDP_BATCH, DATAGRAM_SIZE);
    udp->fd = socket(family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (udp->fd < 0)
        error = -errno;
    else if (udp->datagrams)
        error = set_up(udp, receive_buffer);
    for (size_t i = 0; i < PHU_UDP_BATCH && !error; i++)
        udp->parts[i] = (struct iovec){udp->datagrams + i * DATAGRAM_SIZE, DATAGRAM_SIZE};
    udp->watching = PHU_WATCH_READ | PHU_WATCH_ERRQUEUE;
    if (!error)
        error = phu_watch_open(sched, udp->fd, udp->watching, on_ready, udp, &udp->watch);
    if (error) {
        phu_udp_close(udp);
        return error;
    }
    *out = udp;
    return 0;
}

void phu_udp_close(struct phu_udp *udp)
{
    if (!udp)
        return;
    phu_timer_cancel(udp->sched, &udp->flush);
    phu_timer_cancel(udp->sched, &udp->resume);
    phu_watch_close(udp->watch);
    if (udp->fd >= 0)
        close(udp->fd);
    while (udp->spare)
        free(take_spare(udp));
    free(udp->table);
    free(udp->datagrams);
    free(udp);
}
