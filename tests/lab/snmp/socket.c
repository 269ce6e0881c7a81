/* Owns the descriptors, an epoll set of them, and the memory of a batch. One descriptor serves all
 * listeners of a port where a prefix is among them, and one listener otherwise. */
#include "socket.h"

#include <errno.h>
#include <poll.h>
#include <stdalign.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { CONTROL_ROOM = 64, BUFFER_BYTES = 64 << 20, WAIT_MS = 20 };

struct control {
    alignas(struct cmsghdr) char room[CONTROL_ROOM];
};

struct door {
    int fd;
    bool is_v4;
    bool is_wildcard;
    uint16_t port;
};

struct lab_socket {
    struct door doors[LAB_LISTENERS_MAX];
    size_t door_count;
    struct lab_listen *listens; /* a copy */
    size_t listen_count;
    int epoll_fd;
    uint8_t *bytes; /* of LAB_BATCH datagrams */
    struct mmsghdr messages[LAB_BATCH];
    struct iovec parts[LAB_BATCH];
    union lab_peer peers[LAB_BATCH];
    unsigned turn; /* which of several ready descriptors goes first */
    struct control controls[LAB_BATCH];
};

enum { DATAGRAM_BYTES = 65536 };

int lab_listen_parse(const char *text, struct lab_listen *listen, struct lab_error *err)
{
    const char *colon = strrchr(text, ':');
    char prefix[LAB_PREFIX_TEXT + 2];
    char *start = prefix;
    uint64_t port;
    size_t length = colon ? (size_t)(colon - text) : 0;

    if (!colon || length == 0 || length >= sizeof(prefix) ||
        lab_parse_number(colon + 1, 65535, &port, err) < 0)
        return lab_fail(err,
                        "\"%.60s\": write ADDRESS:PORT or PREFIX:PORT, as in 127.64.0.0/14:1161 "
                        "or [fd00::/64]:1161",
                        text);
    memcpy(prefix, text, length);
    prefix[length] = '\0';
    if (prefix[0] == '[' && prefix[length - 1] == ']') {
        prefix[length - 1] = '\0';
        start++;
    }
    listen->port = (uint16_t)port;
    return lab_prefix_parse(start, &listen->prefix, err);
}

static socklen_t make_name(const struct lab_addr *addr, bool is_v4, uint16_t port,
                           union lab_peer *name)
{
    memset(name, 0, sizeof(*name));
    if (is_v4) {
        name->v4.sin_family = AF_INET;
        name->v4.sin_port = htons(port);
        if (addr)
            memcpy(&name->v4.sin_addr, addr->b + 12, 4);
        return sizeof(name->v4);
    }
    name->v6.sin6_family = AF_INET6;
    name->v6.sin6_port = htons(port);
    if (addr)
        memcpy(&name->v6.sin6_addr, addr->b, 16);
    return sizeof(name->v6);
}

static int set_option(int fd, int level, int name, int value)
{
    return setsockopt(fd, level, name, &value, sizeof(value)) < 0 ? -errno : 0;
}

/* Answers of thousands of devices come at once: as much room as the kernel gives. */
static void set_buffers(int fd)
{
    if (set_option(fd, SOL_SOCKET, SO_RCVBUFFORCE, BUFFER_BYTES) < 0)
        set_option(fd, SOL_SOCKET, SO_RCVBUF, BUFFER_BYTES);
    if (set_option(fd, SOL_SOCKET, SO_SNDBUFFORCE, BUFFER_BYTES) < 0)
        set_option(fd, SOL_SOCKET, SO_SNDBUF, BUFFER_BYTES);
}

static int open_door(struct door *door, const struct lab_addr *addr)
{
    union lab_peer name;
    socklen_t length = make_name(door->is_wildcard ? NULL : addr, door->is_v4, door->port, &name);
    int error;

    door->fd =
        socket(door->is_v4 ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (door->fd < 0)
        return -errno;
    set_buffers(door->fd);
    error = door->is_v4 ? set_option(door->fd, IPPROTO_IP, IP_PKTINFO, 1)
                        : set_option(door->fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1);
    if (error == 0 && !door->is_v4)
        error = set_option(door->fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
    if (error == 0 && bind(door->fd, (struct sockaddr *)&name, length) < 0)
        error = -errno;
    length = sizeof(name);
    if (error == 0 && getsockname(door->fd, (struct sockaddr *)&name, &length) < 0)
        error = -errno;
    if (error == 0)
        door->port = ntohs(door->is_v4 ? name.v4.sin_port : name.v6.sin6_port);
    return error;
}

static bool is_host(const struct lab_listen *listen)
{
    return listen->prefix.length == 128;
}

static bool shares_port(const struct lab_listen *a, const struct lab_listen *b)
{
    return a->port && a->port == b->port &&
           lab_prefix_is_v4(&a->prefix) == lab_prefix_is_v4(&b->prefix);
}

static struct door *find_wildcard(struct lab_socket *socket, const struct lab_listen *listen)
{
    for (size_t i = 0; i < socket->door_count; i++)
        if (socket->doors[i].is_wildcard && listen->port == socket->doors[i].port &&
            socket->doors[i].is_v4 == lab_prefix_is_v4(&listen->prefix))
            return &socket->doors[i];
    return NULL;
}

static int open_listen(struct lab_socket *socket, struct lab_listen *listens, size_t count,
                       struct lab_listen *listen, struct lab_error *err)
{
    struct door *door = &socket->doors[socket->door_count];
    char text[LAB_PREFIX_TEXT];
    struct epoll_event event = {.events = EPOLLIN, .data.u32 = (uint32_t)socket->door_count};
    int error;

    *door = (struct door){.is_v4 = lab_prefix_is_v4(&listen->prefix), .port = listen->port};
    for (size_t i = 0; i < count; i++)
        if (&listens[i] == listen || shares_port(&listens[i], listen))
            door->is_wildcard = door->is_wildcard || !is_host(&listens[i]);
    if (door->is_wildcard && listen->port && find_wildcard(socket, listen))
        return 0;
    error = open_door(door, &listen->prefix.addr);
    if (door->fd >= 0)
        socket->door_count++;
    if (error == 0 && epoll_ctl(socket->epoll_fd, EPOLL_CTL_ADD, door->fd, &event) < 0)
        error = -errno;
    listen->port = door->port;
    if (error < 0)
        return lab_fail(err, "cannot listen on %s port %u: %s",
                        lab_prefix_format(&listen->prefix, text), listen->port, strerror(-error));
    return 0;
}

int lab_socket_open(struct lab_listen *listens, size_t count, struct lab_socket **socket,
                    struct lab_error *err)
{
    struct lab_socket *made = calloc(1, sizeof(*made));
    int error = 0;

    if (!made)
        return lab_fail(err, "out of memory");
    made->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    made->bytes = malloc((size_t)LAB_BATCH * DATAGRAM_BYTES);
    if (made->epoll_fd < 0 || !made->bytes || count > LAB_LISTENERS_MAX)
        error = lab_fail(err, "cannot listen: out of memory, or more than %d addresses",
                         LAB_LISTENERS_MAX);
    for (size_t i = 0; error == 0 && i < count; i++)
        error = open_listen(made, listens, count, &listens[i], err);
    made->listens = malloc((count + 1) * sizeof(*listens));
    if (error < 0 || !made->listens) {
        lab_socket_close(made);
        return error < 0 ? error : lab_fail(err, "out of memory");
    }
    if (count)
        memcpy(made->listens, listens, count * sizeof(*listens));
    made->listen_count = count;
    *socket = made;
    return 0;
}

void lab_socket_close(struct lab_socket *socket)
{
    if (!socket)
        return;
    for (size_t i = 0; i < socket->door_count; i++)
        close(socket->doors[i].fd);
    if (socket->epoll_fd >= 0)
        close(socket->epoll_fd);
    free(socket->listens);
    free(socket->bytes);
    free(socket);
}

int lab_socket_fd(const struct lab_socket *socket)
{
    return socket->epoll_fd;
}

static bool read_device(const struct msghdr *header, struct lab_addr *device)
{
    for (struct cmsghdr *part = CMSG_FIRSTHDR(header); part;
         part = CMSG_NXTHDR((struct msghdr *)header, part)) {
        if (part->cmsg_level == IPPROTO_IP && part->cmsg_type == IP_PKTINFO) {
            struct in_pktinfo info;

            memcpy(&info, CMSG_DATA(part), sizeof(info));
            *device = lab_addr_from_v4((const uint8_t *)&info.ipi_addr);
            return true;
        }
        if (part->cmsg_level == IPPROTO_IPV6 && part->cmsg_type == IPV6_PKTINFO) {
            struct in6_pktinfo info;

            memcpy(&info, CMSG_DATA(part), sizeof(info));
            *device = lab_addr_from_v6(info.ipi6_addr.s6_addr);
            return true;
        }
    }
    return false;
}

static bool is_ours(const struct lab_socket *socket, uint16_t port, const struct lab_addr *device)
{
    for (size_t i = 0; i < socket->listen_count; i++)
        if (socket->listens[i].port == port &&
            lab_prefix_covers(&socket->listens[i].prefix, device))
            return true;
    return false;
}

static int receive_batch(struct lab_socket *socket, const struct door *door,
                         struct lab_datagram *datagrams, int *taken)
{
    int got;

    for (int i = 0; i < LAB_BATCH; i++) {
        socket->parts[i] =
            (struct iovec){socket->bytes + (size_t)i * DATAGRAM_BYTES, DATAGRAM_BYTES};
        socket->messages[i].msg_hdr = (struct msghdr){
            .msg_name = &socket->peers[i],
            .msg_namelen = sizeof(socket->peers[i]),
            .msg_iov = &socket->parts[i],
            .msg_iovlen = 1,
            .msg_control = socket->controls[i].room,
            .msg_controllen = CONTROL_ROOM,
        };
    }
    *taken = 0;
    got = recvmmsg(door->fd, socket->messages, LAB_BATCH, MSG_DONTWAIT, NULL);
    for (int i = 0; i < got; i++) {
        struct lab_datagram *datagram = &datagrams[*taken];

        if (!read_device(&socket->messages[i].msg_hdr, &datagram->device) ||
            !is_ours(socket, door->port, &datagram->device))
            continue;
        datagram->bytes = socket->parts[i].iov_base;
        datagram->length = socket->messages[i].msg_len;
        datagram->peer = socket->peers[i];
        (*taken)++;
    }
    return got;
}

int lab_socket_receive(struct lab_socket *socket, struct lab_datagram *datagrams, int *from)
{
    struct epoll_event ready[LAB_LISTENERS_MAX];
    int count = epoll_wait(socket->epoll_fd, ready, LAB_LISTENERS_MAX, 0);

    for (int i = 0; i < count; i++) {
        int taken;

        *from = (int)ready[((unsigned)i + socket->turn) % (unsigned)count].data.u32;
        /* A batch for others alone must not look like the end. */
        while (receive_batch(socket, &socket->doors[*from], datagrams, &taken) > 0)
            if (taken > 0) {
                socket->turn++;
                return taken;
            }
    }
    return 0;
}

/* Prepares the control message that sets the source address. */
static size_t put_source(const struct door *door, const struct lab_addr *device, void *room)
{
    struct cmsghdr *part = room;

    memset(room, 0, CONTROL_ROOM);
    if (door->is_v4) {
        struct in_pktinfo info = {.ipi_ifindex = 0};

        memcpy(&info.ipi_spec_dst, device->b + 12, 4);
        part->cmsg_len = CMSG_LEN(sizeof(info));
        part->cmsg_level = IPPROTO_IP;
        part->cmsg_type = IP_PKTINFO;
        memcpy(CMSG_DATA(part), &info, sizeof(info));
        return CMSG_SPACE(sizeof(info));
    }
    struct in6_pktinfo info = {.ipi6_ifindex = 0};

    memcpy(&info.ipi6_addr, device->b, 16);
    part->cmsg_len = CMSG_LEN(sizeof(info));
    part->cmsg_level = IPPROTO_IPV6;
    part->cmsg_type = IPV6_PKTINFO;
    memcpy(CMSG_DATA(part), &info, sizeof(info));
    return CMSG_SPACE(sizeof(info));
}

static void prepare(struct lab_socket *socket, const struct door *door,
                    const struct lab_datagram *datagram, int i)
{
    socket->parts[i] = (struct iovec){datagram->bytes, datagram->length};
    socket->peers[i] = datagram->peer;
    socket->messages[i].msg_hdr = (struct msghdr){
        .msg_name = &socket->peers[i],
        .msg_namelen = door->is_v4 ? sizeof(datagram->peer.v4) : sizeof(datagram->peer.v6),
        .msg_iov = &socket->parts[i],
        .msg_iovlen = 1,
        .msg_control = socket->controls[i].room,
        .msg_controllen = put_source(door, &datagram->device, socket->controls[i].room),
    };
}

int lab_socket_send(struct lab_socket *socket, int from, const struct lab_datagram *datagrams,
                    int count)
{
    const struct door *door = &socket->doors[from];
    int sent = 0;
    int done = 0;

    for (int i = 0; i < count; i++)
        prepare(socket, door, &datagrams[i], i);
    while (done < count) {
        int went =
            sendmmsg(door->fd, socket->messages + done, (unsigned)(count - done), MSG_DONTWAIT);

        if (went > 0) {
            sent += went;
            done += went;
        } else if (errno == EAGAIN) {
            struct pollfd room = {.fd = door->fd, .events = POLLOUT};

            if (poll(&room, 1, WAIT_MS) == 0)
                break;
        } else if (errno != EINTR && errno != ECONNREFUSED) {
            done++; /* this one cannot go: its peer is gone, or the route */
        }
    }
    return sent;
}
