/* The UDP sockets through which all sessions talk: one unconnected socket per address family,
 * whatever the number of devices.
 *
 * Who wants to talk to an address joins as a peer of it and hands over datagrams; they leave
 * together, with sendmmsg, when the callbacks now running are done or a batch is full. What comes
 * back is read with recvmmsg and given to the peer of the address that it came from; datagrams from
 * anywhere else are counted and go no further. ICMP errors find their peers by the destination that
 * they name. No wake-up works longer than a few milliseconds: the rest waits for the next one.
 *
 * Nothing here knows SNMP.
 */
#pragma once

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

struct phu_sched;
struct phu_udp;
struct phu_udp_peer;

/* How many datagrams leave or are read with one system call. */
#define PHU_UDP_BATCH 32

struct phu_udp_datagram {
    const uint8_t *bytes;
    size_t length;
    int64_t at_ns; /* monotonic time of its arrival in the kernel */
};

/* What those who talk have in common. Any of these may join, leave and put, except `is_for`. */
struct phu_udp_owner {
    /* Asked when an address has several peers: is it an answer to this one? */
    bool (*is_for)(const struct phu_udp_peer *peer, const uint8_t *bytes, size_t length);
    /* When no peer of the address claims a datagram, the one that joined last hears it. */
    void (*heard)(struct phu_udp_peer *peer, const struct phu_udp_datagram *datagram);
    /* An ICMP error came back, or the datagram could not be sent; `error` is an errno. An error
     * that is not final may pass by itself: an answer may still come. May be called from inside
     * phu_udp_put(), for this peer and for others; it must not tell anyone before it returns. */
    void (*failed)(struct phu_udp_peer *peer, int error, bool is_final);
};

/* Lives inside its owner and is private, but for `sent_ns`. */
struct phu_udp_peer {
    struct phu_udp *udp;
    struct phu_udp_peer *next; /* of the same address */
    union {
        struct sockaddr base;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } address;
    uint32_t hash;
    struct phu_udp_peer *out_next, **out_link; /* in the queue for sending */
    uint8_t *out;
    size_t out_length, out_capacity;
    int64_t sent_ns; /* when its last datagram left */
};

struct phu_udp_counts {
    int64_t sent, received;
    int64_t strangers; /* datagrams from where nobody was asked, or no longer */
    int64_t overflows; /* datagrams that the receive buffer had no room for */
    int64_t waits;     /* batches that had to wait because the kernel took no more */
};

/* -EAFNOSUPPORT without the family. `owner` and `counts` outlive the socket. */
int phu_udp_open(struct phu_sched *sched, int family, int64_t receive_buffer,
                 const struct phu_udp_owner *owner, struct phu_udp_counts *counts,
                 struct phu_udp **out);
/* All peers have left. NULL is harmless. */
void phu_udp_close(struct phu_udp *udp);

/* `address` is of the socket's family, with a port. -ENOMEM. */
int phu_udp_join(struct phu_udp *udp, struct phu_udp_peer *peer, const struct sockaddr *address);
/* What it has put and is not sent yet is dropped. Harmless when it has not joined. */
void phu_udp_leave(struct phu_udp_peer *peer);

/* Copies and sends soon. A datagram of this peer that still waits is replaced. -ENOMEM. */
int phu_udp_put(struct phu_udp_peer *peer, const void *bytes, size_t length);

/* How many datagrams the kernel had to drop so far; asks the kernel. */
int64_t phu_udp_overflows(struct phu_udp *udp);
/* The same as last heard of: no system call. */
int64_t phu_udp_overflows_known(const struct phu_udp *udp);
