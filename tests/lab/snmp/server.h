/* All devices at once: finds which device a datagram is for, and what that device answers. No
 * sockets and no clock in here, so tests and the fuzzer drive it directly.
 *
 * A device is nothing but an address: what differs between two of them follows from a hash of it,
 * so fifty thousand take no more memory than one. */
#pragma once

#include "addr.h"
#include "answer.h"
#include "faults.h"
#include "usm.h"

enum { LAB_DATAGRAM_MAX = 65507, LAB_HEADROOM = 1024 };

struct lab_server_config {
    uint64_t seed;
    int64_t started_ns;
    int64_t spread_ns;     /* how much longer than others a device may have been up */
    size_t most_bytes;     /* of an answer */
    const char *community; /* the only one that is answered by address or default; NULL: any */
};

/* What happened since the start. */
struct lab_counts {
    uint64_t requests;
    uint64_t answers;
    uint64_t varbinds; /* in the answers */
    uint64_t gets, nexts, bulks, sets;
    uint64_t errors;  /* answers with an error status */
    uint64_t bad;     /* datagrams that are no request */
    uint64_t unknown; /* communities that nobody has */
    uint64_t silent;  /* requests that a fault left without an answer */
    uint64_t unsent;  /* answers that the kernel did not take */
    uint64_t reports[LAB_REPORTS];
};

/* What is to become of the answer. */
struct lab_fate {
    unsigned copies; /* 0: nothing is sent */
    int64_t delay_ns;
    size_t length; /* of the datagram, which may end early */
    struct lab_addr source;
};

struct lab_server;

/* The texts in the configuration stay the caller's and must live on. */
struct lab_server *lab_server_new(const struct lab_server_config *config);
void lab_server_free(struct lab_server *server);

/* A user of version 3, which is not spoken without one. */
int lab_server_add_user(struct lab_server *server, const char *text, struct lab_error *err);

/* Takes the recording; one of the same name goes. */
void lab_server_take_recording(struct lab_server *server, struct lab_recording *recording);
struct lab_recording *lab_server_recording(struct lab_server *server, const char *name);
size_t lab_server_recordings(const struct lab_server *server);
/* For every community that is no recording's name. Returns -ENOENT. */
int lab_server_set_default(struct lab_server *server, const char *name);

/* Answers a datagram that came to `to`. `out` must have LAB_HEADROOM bytes in front and
 * LAB_DATAGRAM_MAX behind. */
void lab_server_answer(struct lab_server *server, const uint8_t *request, size_t length,
                       const struct lab_addr *to, int64_t now_ns, struct lab_writer *out,
                       struct lab_fate *fate);
struct lab_counts *lab_server_counts(struct lab_server *server);
struct lab_faults *lab_server_faults(struct lab_server *server);
