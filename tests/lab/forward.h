/* The forwarder: takes packets from one side, lets the rules judge them, and hands them to the
 * other side at their time. It knows no descriptor: `send` is the only way out, so that tests
 * drive it with bytes and a made-up clock. */
#pragma once

#include "host.h"
#include "truth.h"

struct lab_forward;

struct lab_forward_config {
    struct lab_board *board;
    struct lab_rules *rules;
    struct lab_truth *truth;           /* may be NULL */
    const struct lab_prefix *prefixes; /* the district's */
    size_t prefix_count;
    uint64_t seed;
    uint64_t buffer_bytes; /* bound of what may wait */
    /* Hands a packet to the far end of that direction: 0, or a negative errno. */
    int (*send)(void *context, enum lab_dir dir, const uint8_t *bytes, size_t length);
    int64_t (*now)(void *context); /* read again before each send */
    /* When an echo request that came in now_ns really left its sender; may be NULL. */
    int64_t (*sent)(void *context, const struct lab_packet *packet, int64_t now_ns);
    void *context;
};

/* Borrows what the config points to. */
struct lab_forward *lab_forward_new(const struct lab_forward_config *config);
/* Packets that still wait are forgotten; their echoes are written as open. */
void lab_forward_free(struct lab_forward *forward);
/* A packet came in. The bytes may be changed. */
void lab_forward_put(struct lab_forward *forward, enum lab_dir dir, uint8_t *bytes, size_t length,
                     int64_t now_ns, int64_t wall_ns);
/* When the next packet is due, INT64_MAX when none waits. */
int64_t lab_forward_due(const struct lab_forward *forward);
/* Sends up to `max` packets that are due. Returns how many. */
size_t lab_forward_release(struct lab_forward *forward, size_t max);
/* To be called about once a second. */
void lab_forward_tidy(struct lab_forward *forward, int64_t now_ns);
