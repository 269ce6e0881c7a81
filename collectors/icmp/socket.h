/* One ICMP socket for all targets of a family: opening it with what is allowed, sending in batches,
 * and reading replies, errors and transmit times with the kernel's stamps.
 */
#pragma once

#include "packet.h"

#include <net/if.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#define PHU_ICMP_BATCH 64

enum phu_icmp_socket_kind {
    PHU_ICMP_SOCKET_AUTO, /* ping where allowed, else raw */
    PHU_ICMP_SOCKET_PING, /* SOCK_DGRAM: needs net.ipv4.ping_group_range */
    PHU_ICMP_SOCKET_RAW,  /* SOCK_RAW: needs CAP_NET_RAW */
};

/* What a check wants of its packets beyond the destination. */
struct phu_icmp_path {
    uint8_t source[16];
    char interface_name[IF_NAMESIZE]; /* "": by route */
    uint32_t interface;               /* its index; 0: none, or the interface is not there */
    int tos, ttl;                     /* -1: the system's */
    bool has_source;
};

/* Looks for the interface when its index is not known: a modem's comes and goes. */
bool phu_icmp_path_is_there(struct phu_icmp_path *path);

struct phu_icmp_request {
    struct phu_icmp_echo echo;
    const uint8_t *address; /* 4 or 16 bytes */
    uint32_t scope;
    uint16_t size;
    bool wants_stamp;                 /* the kernel's transmit time is to be reported */
    const struct phu_icmp_path *path; /* may be NULL */
};

struct phu_icmp_arrival {
    struct phu_icmp_answer answer;
    uint8_t source[16];
    int64_t stamp_ns; /* the kernel's receive time, CLOCK_REALTIME; 0: none */
};

struct phu_icmp_stamp {
    uint32_t slot, generation;
    int64_t stamp_ns; /* CLOCK_REALTIME */
};

struct phu_icmp_reader {
    void (*arrived)(void *arg, const struct phu_icmp_arrival *arrival);
    void (*stamped)(void *arg, const struct phu_icmp_stamp *stamp);
    /* The receive buffer has overflowed since the last call. */
    void (*overflowed)(void *arg, uint32_t packets);
    void *arg;
};

struct phu_icmp_socket;
struct phu_icmp_buffers;

/* -EPERM when neither kind is allowed; -EAFNOSUPPORT without the family. */
int phu_icmp_socket_open(int family, enum phu_icmp_socket_kind kind, int64_t receive_buffer,
                         struct phu_icmp_socket **out);
void phu_icmp_socket_close(struct phu_icmp_socket *sock);
int phu_icmp_socket_fd(const struct phu_icmp_socket *sock);
bool phu_icmp_socket_is_raw(const struct phu_icmp_socket *sock);
uint16_t phu_icmp_socket_id(const struct phu_icmp_socket *sock);
int phu_icmp_socket_receive_buffer(const struct phu_icmp_socket *sock);
/* Asks the kernel for packets that the receive buffer had no room for: each packet that is read
 * tells of those before it, but the last may be among the dropped. */
void phu_icmp_socket_ask_drops(struct phu_icmp_socket *sock, const struct phu_icmp_reader *reader);

/* Room for one batch either way, shared by the sockets of a process. */
struct phu_icmp_buffers *phu_icmp_buffers_new(void);
void phu_icmp_buffers_free(struct phu_icmp_buffers *buffers);
/* Payloads of up to `size` will be sent. */
int phu_icmp_buffers_reserve(struct phu_icmp_buffers *buffers, size_t size);

/* Request `index` of the batch to be sent. */
void phu_icmp_batch_put(struct phu_icmp_buffers *buffers, struct phu_icmp_socket *sock,
                        size_t index, const struct phu_icmp_request *request);
/* Sends requests [from, count): returns how many left, at least 1, or the error of the first. */
int phu_icmp_batch_send(struct phu_icmp_buffers *buffers, struct phu_icmp_socket *sock, size_t from,
                        size_t count, bool is_df);

/* Reads everything that is there; returns how many messages. Transmit times and errors first, so
 * that a reply finds the time its request left. */
size_t phu_icmp_socket_read(struct phu_icmp_socket *sock, struct phu_icmp_buffers *buffers,
                            const struct phu_icmp_reader *reader);
/* Transmit times and errors alone. */
size_t phu_icmp_socket_read_errors(struct phu_icmp_socket *sock, struct phu_icmp_buffers *buffers,
                                   const struct phu_icmp_reader *reader);
