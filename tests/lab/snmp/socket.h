/* The sockets of the devices: a batch of datagrams in, a batch of answers out, each from the
 * address that was asked. */
#pragma once

#include "addr.h"

#include <netinet/in.h>

enum { LAB_BATCH = 64, LAB_LISTENERS_MAX = 256 };

struct lab_listen {
    struct lab_prefix prefix; /* the devices' addresses */
    uint16_t port;            /* 0: any; the one it became after open */
};

/* "127.0.0.1:1161", "127.64.0.0/14:1161", "[fd00::/64]:1161". */
int lab_listen_parse(const char *text, struct lab_listen *listen, struct lab_error *err);

union lab_peer {
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

struct lab_datagram {
    uint8_t *bytes;
    size_t length;
    struct lab_addr device;
    union lab_peer peer;
};

struct lab_socket;

/* A prefix listens on the wildcard address and ignores what is for others; everything that shares a
 * port with it, too. Fills in the ports that were left open. */
int lab_socket_open(struct lab_listen *listens, size_t count, struct lab_socket **socket,
                    struct lab_error *err);
void lab_socket_close(struct lab_socket *socket);
/* To be watched for reading. */
int lab_socket_fd(const struct lab_socket *socket);
/* Takes what waits, up to LAB_BATCH datagrams; they hold until the next receive. Returns how many;
 * call until 0. `from` tells send which socket they came by. */
int lab_socket_receive(struct lab_socket *socket, struct lab_datagram *datagrams, int *from);
/* Sends answers with the device's address as their source; returns how many went. */
int lab_socket_send(struct lab_socket *socket, int from, const struct lab_datagram *datagrams,
                    int count);
