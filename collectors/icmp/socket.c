#include "socket.h"

#include <errno.h>
#include <linux/errqueue.h>
#include <linux/filter.h>
#include <linux/icmp.h>
#include <linux/net_tstamp.h>
#include <linux/sock_diag.h>
#include <netinet/icmp6.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define RECEIVE_SIZE 1536 /* of a longer packet the rest is not looked at */
#define SEND_CONTROL 128
#define RECEIVE_CONTROL 256
#define READ_ROUNDS 256 /* batches read in one go: under a flood other work must go on */
#define STAMP_RING 4096 /* sent packets whose transmit time may be outstanding */

#define STAMP_FLAGS                                                                                \
    (SOF_TIMESTAMPING_RX_SOFTWARE | SOF_TIMESTAMPING_SOFTWARE | SOF_TIMESTAMPING_OPT_TSONLY)

struct stamp_owner {
    uint32_t key, slot, generation;
};

struct phu_icmp_socket {
    int fd, family;
    bool is_raw, is_df;
    uint16_t id;
    uint32_t drops;    /* as last seen in SO_RXQ_OVFL */
    uint32_t next_key; /* the kernel numbers stamped packets, we count along */
    int receive_buffer;
    struct stamp_owner owners[STAMP_RING];
};

struct send_room {
    struct sockaddr_in6 address; /* or sockaddr_in */
    _Alignas(struct cmsghdr) uint8_t control[SEND_CONTROL];
    uint32_t slot, generation;
    bool wants_stamp;
};

struct receive_room {
    struct sockaddr_in6 address;
    _Alignas(struct cmsghdr) uint8_t control[RECEIVE_CONTROL];
    uint8_t packet[RECEIVE_SIZE];
};

struct phu_icmp_buffers {
    struct mmsghdr send[PHU_ICMP_BATCH], receive[PHU_ICMP_BATCH];
    struct iovec send_iov[PHU_ICMP_BATCH], receive_iov[PHU_ICMP_BATCH];
    struct send_room send_rooms[PHU_ICMP_BATCH];
    struct receive_room receive_rooms[PHU_ICMP_BATCH];
    uint8_t *packets; /* PHU_ICMP_BATCH times packet_size */
    size_t packet_size;
};

/* -- Opening --------------------------------------------------------------------------------- */

/* Lets pass the replies that carry our id, and errors about requests that do. On IPv4 the program
 * sees the IP header first. */
static int filter_v4(int fd, uint16_t id)
{
    enum { QUOTED = 7, REPLY = 18, ACCEPT = 20, DROP = 21 };
    struct sock_filter code[] = {
        BPF_STMT(BPF_LDX | BPF_B | BPF_MSH, 0), /* X = length of the IP header */
        BPF_STMT(BPF_LD | BPF_B | BPF_IND, 0),  /* ICMP type */
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ICMP_ECHOREPLY, REPLY - 3, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ICMP_DEST_UNREACH, QUOTED - 4, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ICMP_TIME_EXCEEDED, QUOTED - 5, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ICMP_PARAMETERPROB, QUOTED - 6, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ICMP_SOURCE_QUENCH, QUOTED - 7, DROP - 7),
        /* QUOTED: */
        BPF_STMT(BPF_LD | BPF_B | BPF_IND, 8 + 9), /* its protocol */
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, IPPROTO_ICMP, 0, DROP - 9),
        BPF_STMT(BPF_LD | BPF_B | BPF_IND, 8),
        BPF_STMT(BPF_ALU | BPF_AND | BPF_K, 15),
        BPF_STMT(BPF_ALU | BPF_LSH | BPF_K, 2),
        BPF_STMT(BPF_ALU | BPF_ADD | BPF_X, 0),
        BPF_STMT(BPF_MISC | BPF_TAX, 0),       /* X += length of its IP header */
        BPF_STMT(BPF_LD | BPF_B | BPF_IND, 8), /* its type */
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ICMP_ECHO, 0, DROP - 16),
        BPF_STMT(BPF_LD | BPF_H | BPF_IND, 8 + 4), /* its id */
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, id, ACCEPT - 18, DROP - 18),
        /* REPLY: */
        BPF_STMT(BPF_LD | BPF_H | BPF_IND, 4),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, id, ACCEPT - 20, DROP - 20),
        /* ACCEPT: */
        BPF_STMT(BPF_RET | BPF_K, UINT32_MAX),
        /* DROP: */
        BPF_STMT(BPF_RET | BPF_K, 0),
    };
    struct sock_fprog program = {.len = sizeof code / sizeof *code, .filter = code};

    return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program);
}

/* The same for IPv6, where the program sees ICMP first. */
static int filter_v6(int fd, uint16_t id)
{
    enum { REPLY = 9, ACCEPT = 11, DROP = 12, IPV6_HEADER = 40 };
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 0), /* type */
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ICMP6_ECHO_REPLY, REPLY - 2, 0),
        BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, ICMP6_PARAM_PROB, DROP - 3, 0),
        BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 8 + 6), /* quoted next header */
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, IPPROTO_ICMPV6, 0, DROP - 5),
        BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 8 + IPV6_HEADER),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ICMP6_ECHO_REQUEST, 0, DROP - 7),
        BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 8 + IPV6_HEADER + 4), /* quoted id */
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, id, ACCEPT - 9, DROP - 9),
        /* REPLY: */
        BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 4),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, id, ACCEPT - 11, DROP - 11),
        /* ACCEPT: */
        BPF_STMT(BPF_RET | BPF_K, UINT32_MAX),
        /* DROP: */
        BPF_STMT(BPF_RET | BPF_K, 0),
    };
    struct sock_fprog program = {.len = sizeof code / sizeof *code, .filter = code};

    return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program);
}

/* Before the program runs, the kernel can already drop by type, without copying the packet. */
static int filter_types(int fd, int family)
{
    if (family == AF_INET) {
        struct icmp_filter pass = {~(1U << ICMP_ECHOREPLY | 1U << ICMP_DEST_UNREACH |
                                     1U << ICMP_TIME_EXCEEDED | 1U << ICMP_PARAMETERPROB |
                                     1U << ICMP_SOURCE_QUENCH)};

        return setsockopt(fd, SOL_RAW, ICMP_FILTER, &pass, sizeof pass);
    }
    struct icmp6_filter pass;

    ICMP6_FILTER_SETBLOCKALL(&pass);
    ICMP6_FILTER_SETPASS(ICMP6_ECHO_REPLY, &pass);
    ICMP6_FILTER_SETPASS(ICMP6_DST_UNREACH, &pass);
    ICMP6_FILTER_SETPASS(ICMP6_PACKET_TOO_BIG, &pass);
    ICMP6_FILTER_SETPASS(ICMP6_TIME_EXCEEDED, &pass);
    ICMP6_FILTER_SETPASS(ICMP6_PARAM_PROB, &pass);
    return setsockopt(fd, IPPROTO_ICMPV6, ICMP6_FILTER, &pass, sizeof pass);
}

static int set_int(int fd, int level, int option, int value)
{
    return setsockopt(fd, level, option, &value, sizeof value) < 0 ? -errno : 0;
}

static int open_raw(struct phu_icmp_socket *sock)
{
    int protocol = sock->family == AF_INET ? IPPROTO_ICMP : IPPROTO_ICMPV6;

    sock->fd = socket(sock->family, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol);
    if (sock->fd < 0)
        return -errno;
    sock->is_raw = true;
    if (getrandom(&sock->id, sizeof sock->id, 0) != sizeof sock->id)
        return -EIO;
    if (filter_types(sock->fd, sock->family) < 0)
        return -errno;
    if ((sock->family == AF_INET ? filter_v4 : filter_v6)(sock->fd, sock->id) < 0)
        return -errno;
    return 0;
}

/* The kernel chooses the id of a ping socket, when it is bound, and delivers nothing else; errors
 * come through the error queue. */
static int open_ping(struct phu_icmp_socket *sock)
{
    int protocol = sock->family == AF_INET ? IPPROTO_ICMP : IPPROTO_ICMPV6;
    struct sockaddr_in6 address = {.sin6_family = (sa_family_t)sock->family};
    socklen_t size = sock->family == AF_INET ? sizeof(struct sockaddr_in) : sizeof address;

    sock->fd = socket(sock->family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol);
    if (sock->fd < 0)
        return -errno;
    if (bind(sock->fd, (struct sockaddr *)&address, size) < 0 ||
        getsockname(sock->fd, (struct sockaddr *)&address, &size) < 0)
        return -errno;
    sock->id = ntohs(address.sin6_port); /* where sin_port is too */
    if (sock->family == AF_INET)
        return set_int(sock->fd, SOL_IP, IP_RECVERR, 1) | set_int(sock->fd, SOL_IP, IP_RECVTTL, 1);
    return set_int(sock->fd, SOL_IPV6, IPV6_RECVERR, 1);
}

static void close_fd(struct phu_icmp_socket *sock)
{
    if (sock->fd >= 0)
        close(sock->fd);
    sock->fd = -1;
}

static int open_allowed(struct phu_icmp_socket *sock, enum phu_icmp_socket_kind kind)
{
    int error = -EPERM;

    if (kind != PHU_ICMP_SOCKET_RAW) {
        error = open_ping(sock);
        if (!error)
            return 0;
        close_fd(sock);
    }
    if (kind != PHU_ICMP_SOCKET_PING) {
        error = open_raw(sock);
        if (!error)
            return 0;
        close_fd(sock);
    }
    return error == -EACCES ? -EPERM : error;
}

/* Packets to be stamped are numbered by the kernel from 0, beginning when OPT_ID is turned on. */
static int restart_keys(struct phu_icmp_socket *sock)
{
    int error = set_int(sock->fd, SOL_SOCKET, SO_TIMESTAMPING, STAMP_FLAGS);

    sock->next_key = 0;
    return error ? error
                 : set_int(sock->fd, SOL_SOCKET, SO_TIMESTAMPING,
                           STAMP_FLAGS | SOF_TIMESTAMPING_OPT_ID);
}

static void set_receive_buffer(struct phu_icmp_socket *sock, int bytes)
{
    socklen_t size = sizeof sock->receive_buffer;

    /* The kernel doubles what it is given, for its own bookkeeping. */
    if (set_int(sock->fd, SOL_SOCKET, SO_RCVBUFFORCE, bytes / 2))
        set_int(sock->fd, SOL_SOCKET, SO_RCVBUF, bytes / 2);
    getsockopt(sock->fd, SOL_SOCKET, SO_RCVBUF, &sock->receive_buffer, &size);
}

/* By default neither path MTU discovery nor DF: a check measures reachability, whatever the size.
 */
static int set_df(struct phu_icmp_socket *sock, bool is_df)
{
    int error;

    if (sock->family == AF_INET) {
        error = set_int(sock->fd, SOL_IP, IP_MTU_DISCOVER,
                        is_df ? IP_PMTUDISC_PROBE : IP_PMTUDISC_DONT);
    } else {
        error = set_int(sock->fd, SOL_IPV6, IPV6_MTU_DISCOVER,
                        is_df ? IPV6_PMTUDISC_PROBE : IPV6_PMTUDISC_DONT);
        if (!error)
            error = set_int(sock->fd, SOL_IPV6, IPV6_DONTFRAG, is_df);
    }
    sock->is_df = is_df;
    return error;
}

static int set_up(struct phu_icmp_socket *sock, int64_t receive_buffer)
{
    int error;

    set_receive_buffer(sock, (int)receive_buffer);
    error = restart_keys(sock);
    if (!error)
        error = set_int(sock->fd, SOL_SOCKET, SO_RXQ_OVFL, 1);
    if (!error)
        error = set_int(sock->fd, SOL_SOCKET, SO_SELECT_ERR_QUEUE, 1);
    if (!error && sock->family == AF_INET6)
        error = set_int(sock->fd, SOL_IPV6, IPV6_RECVHOPLIMIT, 1);
    return error ? error : set_df(sock, false);
}

int phu_icmp_socket_open(int family, enum phu_icmp_socket_kind kind, int64_t receive_buffer,
                         struct phu_icmp_socket **out)
{
    struct phu_icmp_socket *sock = calloc(1, sizeof *sock);
    int error;

    if (!sock)
        return -ENOMEM;
    sock->fd = -1;
    sock->family = family;
    error = open_allowed(sock, kind);
    if (!error)
        error = set_up(sock, receive_buffer);
    if (error) {
        phu_icmp_socket_close(sock);
        return error;
    }
    *out = sock;
    return 0;
}

void phu_icmp_socket_close(struct phu_icmp_socket *sock)
{
    if (!sock)
        return;
    close_fd(sock);
    free(sock);
}

int phu_icmp_socket_fd(const struct phu_icmp_socket *sock)
{
    return sock->fd;
}

bool phu_icmp_socket_is_raw(const struct phu_icmp_socket *sock)
{
    return sock->is_raw;
}

uint16_t phu_icmp_socket_id(const struct phu_icmp_socket *sock)
{
    return sock->id;
}

int phu_icmp_socket_receive_buffer(const struct phu_icmp_socket *sock)
{
    return sock->receive_buffer;
}

/* -- Buffers --------------------------------------------------------------------------------- */

struct phu_icmp_buffers *phu_icmp_buffers_new(void)
{
    struct phu_icmp_buffers *buffers = calloc(1, sizeof *buffers);

    if (!buffers)
        return NULL;
    for (size_t i = 0; i < PHU_ICMP_BATCH; i++) {
        struct send_room *send = &buffers->send_rooms[i];

        buffers->send[i].msg_hdr = (struct msghdr){
            .msg_name = &send->address, .msg_iov = &buffers->send_iov[i], .msg_iovlen = 1};
        buffers->receive_iov[i] = (struct iovec){buffers->receive_rooms[i].packet, RECEIVE_SIZE};
    }
    if (phu_icmp_buffers_reserve(buffers, PHU_ICMP_PAYLOAD_MIN)) {
        free(buffers);
        return NULL;
    }
    return buffers;
}

void phu_icmp_buffers_free(struct phu_icmp_buffers *buffers)
{
    if (!buffers)
        return;
    free(buffers->packets);
    free(buffers);
}

int phu_icmp_buffers_reserve(struct phu_icmp_buffers *buffers, size_t size)
{
    size_t packet_size = (PHU_ICMP_HEADER + size + 63) & ~(size_t)63;
    uint8_t *packets;

    if (packet_size <= buffers->packet_size)
        return 0;
    packets = calloc(PHU_ICMP_BATCH, packet_size);
    if (!packets)
        return -ENOMEM;
    free(buffers->packets);
    buffers->packets = packets;
    buffers->packet_size = packet_size;
    return 0;
}

/* -- Sending --------------------------------------------------------------------------------- */

static void put_control(struct msghdr *header, int level, int type, const void *data, size_t size)
{
    struct cmsghdr *control =
        (struct cmsghdr *)(void *)((uint8_t *)header->msg_control + header->msg_controllen);

    control->cmsg_level = level;
    control->cmsg_type = type;
    control->cmsg_len = CMSG_LEN(size);
    memcpy(CMSG_DATA(control), data, size);
    header->msg_controllen += CMSG_SPACE(size);
}

bool phu_icmp_path_is_there(struct phu_icmp_path *path)
{
    if (*path->interface_name && !path->interface)
        path->interface = if_nametoindex(path->interface_name);
    return !*path->interface_name || path->interface;
}

static void put_path_v4(struct msghdr *header, const struct phu_icmp_path *path)
{
    if (path->has_source || path->interface) {
        struct in_pktinfo info = {.ipi_ifindex = (int)path->interface};

        if (path->has_source)
            memcpy(&info.ipi_spec_dst, path->source, 4);
        put_control(header, SOL_IP, IP_PKTINFO, &info, sizeof info);
    }
    if (path->tos >= 0)
        put_control(header, SOL_IP, IP_TOS, &path->tos, sizeof path->tos);
    if (path->ttl > 0)
        put_control(header, SOL_IP, IP_TTL, &path->ttl, sizeof path->ttl);
}

static void put_path_v6(struct msghdr *header, const struct phu_icmp_path *path)
{
    if (path->has_source || path->interface) {
        struct in6_pktinfo info = {.ipi6_ifindex = path->interface};

        if (path->has_source)
            memcpy(&info.ipi6_addr, path->source, 16);
        put_control(header, SOL_IPV6, IPV6_PKTINFO, &info, sizeof info);
    }
    if (path->tos >= 0)
        put_control(header, SOL_IPV6, IPV6_TCLASS, &path->tos, sizeof path->tos);
    if (path->ttl > 0)
        put_control(header, SOL_IPV6, IPV6_HOPLIMIT, &path->ttl, sizeof path->ttl);
}

static socklen_t put_address(struct sockaddr_in6 *room, int family,
                             const struct phu_icmp_request *request)
{
    if (family == AF_INET) {
        struct sockaddr_in *address = (struct sockaddr_in *)(void *)room;

        *address = (struct sockaddr_in){.sin_family = AF_INET};
        memcpy(&address->sin_addr, request->address, 4);
        return sizeof *address;
    }
    *room = (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_scope_id = request->scope};
    memcpy(&room->sin6_addr, request->address, 16);
    return sizeof *room;
}

void phu_icmp_batch_put(struct phu_icmp_buffers *buffers, struct phu_icmp_socket *sock,
                        size_t index, const struct phu_icmp_request *request)
{
    struct send_room *room = &buffers->send_rooms[index];
    struct msghdr *header = &buffers->send[index].msg_hdr;
    uint8_t *packet = buffers->packets + index * buffers->packet_size;
    bool is_v4 = sock->family == AF_INET;

    (is_v4 ? phu_icmp_encode_v4 : phu_icmp_encode_v6)(packet, &request->echo, request->size);
    buffers->send_iov[index] = (struct iovec){packet, PHU_ICMP_HEADER + (size_t)request->size};
    header->msg_namelen = put_address(&room->address, sock->family, request);
    header->msg_control = room->control;
    header->msg_controllen = 0;
    if (request->wants_stamp) {
        uint32_t flags = SOF_TIMESTAMPING_TX_SOFTWARE;

        put_control(header, SOL_SOCKET, SO_TIMESTAMPING, &flags, sizeof flags);
    }
    if (request->path)
        (is_v4 ? put_path_v4 : put_path_v6)(header, request->path);
    if (!header->msg_controllen)
        header->msg_control = NULL;
    room->slot = request->echo.slot;
    room->generation = request->echo.generation;
    room->wants_stamp = request->wants_stamp;
}

static void own_keys(struct phu_icmp_buffers *buffers, struct phu_icmp_socket *sock, size_t from,
                     size_t count)
{
    for (size_t i = from; i < from + count; i++) {
        const struct send_room *room = &buffers->send_rooms[i];
        uint32_t key;

        if (!room->wants_stamp)
            continue;
        key = sock->next_key++;
        sock->owners[key % STAMP_RING] = (struct stamp_owner){key, room->slot, room->generation};
    }
}

int phu_icmp_batch_send(struct phu_icmp_buffers *buffers, struct phu_icmp_socket *sock, size_t from,
                        size_t count, bool is_df)
{
    int sent, attempts = 0;

    if (is_df != sock->is_df) {
        int error = set_df(sock, is_df);

        if (error)
            return error;
    }
    /* The first error may be one that an ICMP message to a ping socket has left behind. */
    do
        sent = sendmmsg(sock->fd, buffers->send + from, (unsigned)(count - from), 0);
    while (sent < 0 && errno != EAGAIN && errno != ENOBUFS && attempts++ < 1);
    if (sent < 0) {
        int error = -errno;

        /* Whether a packet that failed had been numbered differs between kernels. */
        restart_keys(sock);
        return error;
    }
    own_keys(buffers, sock, from, (size_t)sent);
    return sent;
}

/* -- Reading --------------------------------------------------------------------------------- */

static int receive_batch(struct phu_icmp_socket *sock, struct phu_icmp_buffers *buffers, int flags)
{
    int received, attempts = 0;

    for (size_t i = 0; i < PHU_ICMP_BATCH; i++) {
        struct receive_room *room = &buffers->receive_rooms[i];

        buffers->receive[i].msg_hdr = (struct msghdr){
            .msg_name = &room->address,
            .msg_namelen = sizeof room->address,
            .msg_iov = &buffers->receive_iov[i],
            .msg_iovlen = 1,
            .msg_control = room->control,
            .msg_controllen = sizeof room->control,
        };
    }
    /* A ping socket hands out each pending ICMP error as an errno once, too. */
    do
        received = recvmmsg(sock->fd, buffers->receive, PHU_ICMP_BATCH,
                            flags | MSG_DONTWAIT | MSG_TRUNC, NULL);
    while (received < 0 && errno != EAGAIN && attempts++ < PHU_ICMP_BATCH);
    return received;
}

struct control {
    int64_t stamp_ns;
    uint32_t drops;
    bool has_drops;
    uint8_t ttl;
    struct sock_extended_err error;
    bool has_error;
};

static int64_t read_stamp(const struct cmsghdr *message)
{
    struct scm_timestamping stamps;

    memcpy(&stamps, CMSG_DATA(message), sizeof stamps);
    return (int64_t)stamps.ts[0].tv_sec * 1000000000 + stamps.ts[0].tv_nsec;
}

static void read_control(struct msghdr *header, struct control *control)
{
    *control = (struct control){0};
    for (struct cmsghdr *message = CMSG_FIRSTHDR(header); message;
         message = CMSG_NXTHDR(header, message)) {
        int level = message->cmsg_level, type = message->cmsg_type;

        if (level == SOL_SOCKET && type == SO_TIMESTAMPING) {
            control->stamp_ns = read_stamp(message);
        } else if (level == SOL_SOCKET && type == SO_RXQ_OVFL) {
            memcpy(&control->drops, CMSG_DATA(message), sizeof control->drops);
            control->has_drops = true;
        } else if ((level == SOL_IP && type == IP_TTL) ||
                   (level == SOL_IPV6 && type == IPV6_HOPLIMIT)) {
            int ttl;

            memcpy(&ttl, CMSG_DATA(message), sizeof ttl);
            control->ttl = (uint8_t)ttl;
        } else if ((level == SOL_IP && type == IP_RECVERR) ||
                   (level == SOL_IPV6 && type == IPV6_RECVERR)) {
            memcpy(&control->error, CMSG_DATA(message), sizeof control->error);
            control->has_error = true;
        }
    }
}

static void copy_address(const struct phu_icmp_socket *sock, const struct sockaddr_in6 *from,
                         uint8_t address[16])
{
    if (sock->family == AF_INET)
        memcpy(address, &((const struct sockaddr_in *)(const void *)from)->sin_addr, 4);
    else
        memcpy(address, &from->sin6_addr, 16);
}

static void note_drops(struct phu_icmp_socket *sock, uint32_t drops,
                       const struct phu_icmp_reader *reader)
{
    if (drops == sock->drops)
        return;
    reader->overflowed(reader->arg, drops - sock->drops);
    sock->drops = drops;
}

static void take_reply(struct phu_icmp_socket *sock, const struct receive_room *room,
                       struct mmsghdr *message, const struct phu_icmp_reader *reader)
{
    size_t length = message->msg_len, size = length < RECEIVE_SIZE ? length : RECEIVE_SIZE;
    struct phu_icmp_arrival arrival = {.stamp_ns = 0};
    struct control control;

    read_control(&message->msg_hdr, &control);
    if (control.has_drops)
        note_drops(sock, control.drops, reader);
    if (sock->family == AF_INET6)
        phu_icmp_decode_v6(room->packet, size, length, &arrival.answer);
    else if (sock->is_raw)
        phu_icmp_decode_v4_raw(room->packet, size, length, &arrival.answer);
    else
        phu_icmp_decode_v4(room->packet, size, length, &arrival.answer);
    if (arrival.answer.kind == PHU_ICMP_OTHER || arrival.answer.echo.id != sock->id)
        return;
    if (!arrival.answer.ttl)
        arrival.answer.ttl = control.ttl;
    arrival.stamp_ns = control.stamp_ns;
    copy_address(sock, &room->address, arrival.source);
    reader->arrived(reader->arg, &arrival);
}

static void take_stamp(struct phu_icmp_socket *sock, const struct control *control,
                       const struct phu_icmp_reader *reader)
{
    uint32_t key = control->error.ee_data;
    const struct stamp_owner *owner = &sock->owners[key % STAMP_RING];

    if (owner->key != key || !control->stamp_ns)
        return;
    reader->stamped(reader->arg,
                    &(struct phu_icmp_stamp){owner->slot, owner->generation, control->stamp_ns});
}

/* A ping socket gets errors with the address that the request went to and the request itself. */
static void take_error(struct phu_icmp_socket *sock, const struct receive_room *room,
                       const struct mmsghdr *message, const struct control *control,
                       const struct phu_icmp_reader *reader)
{
    size_t size = message->msg_len < RECEIVE_SIZE ? message->msg_len : RECEIVE_SIZE;
    struct phu_icmp_arrival arrival = {.stamp_ns = control->stamp_ns};

    phu_icmp_decode_quoted(sock->family, control->error.ee_type, control->error.ee_code,
                           room->packet, size, &arrival.answer);
    if (arrival.answer.kind != PHU_ICMP_ERROR)
        return;
    copy_address(sock, &room->address, arrival.answer.target);
    reader->arrived(reader->arg, &arrival);
}

size_t phu_icmp_socket_read_errors(struct phu_icmp_socket *sock, struct phu_icmp_buffers *buffers,
                                   const struct phu_icmp_reader *reader)
{
    size_t total = 0;
    int received, rounds = 0;

    do {
        received = receive_batch(sock, buffers, MSG_ERRQUEUE);
        for (int i = 0; i < received; i++) {
            struct mmsghdr *message = &buffers->receive[i];
            struct control control;

            read_control(&message->msg_hdr, &control);
            if (!control.has_error)
                continue;
            if (control.error.ee_origin == SO_EE_ORIGIN_TIMESTAMPING)
                take_stamp(sock, &control, reader);
            else if (control.error.ee_origin == SO_EE_ORIGIN_ICMP ||
                     control.error.ee_origin == SO_EE_ORIGIN_ICMP6)
                take_error(sock, &buffers->receive_rooms[i], message, &control, reader);
        }
        total += received > 0 ? (size_t)received : 0;
    } while (received == PHU_ICMP_BATCH && ++rounds < READ_ROUNDS);
    return total;
}

size_t phu_icmp_socket_read(struct phu_icmp_socket *sock, struct phu_icmp_buffers *buffers,
                            const struct phu_icmp_reader *reader)
{
    size_t total = 0;
    int received, rounds = 0;

    phu_icmp_socket_read_errors(sock, buffers, reader);
    do {
        received = receive_batch(sock, buffers, 0);
        for (int i = 0; i < received; i++)
            take_reply(sock, &buffers->receive_rooms[i], &buffers->receive[i], reader);
        total += received > 0 ? (size_t)received : 0;
    } while (received == PHU_ICMP_BATCH && ++rounds < READ_ROUNDS);
    return total;
}

void phu_icmp_socket_ask_drops(struct phu_icmp_socket *sock, const struct phu_icmp_reader *reader)
{
    uint32_t memory[SK_MEMINFO_VARS] = {0};
    socklen_t size = sizeof memory;

    if (getsockopt(sock->fd, SOL_SOCKET, SO_MEMINFO, memory, &size) == 0)
        note_drops(sock, memory[SK_MEMINFO_DROPS], reader);
}
