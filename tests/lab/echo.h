/* The echoes under way: from the request's arrival until it is known what became of it. An echo may
 * exist in several copies (duplicates); it is answered when the first reply is handed over, and
 * lost when the last copy is. */
#pragma once

#include "host.h"
#include "truth.h"

struct lab_echoes;

enum { LAB_ECHOES_MAX = 1 << 20 };

/* Names an echo; stays safe to use after the echo has gone. Zero names none. */
struct lab_echo_ref {
    uint32_t slot; /* one more than the index */
    uint32_t generation;
};

/* `truth` may be NULL. Borrows both. */
struct lab_echoes *lab_echoes_new(struct lab_board *board, struct lab_truth *truth);
/* Writes what is still under way as LAB_FATE_OPEN. */
void lab_echoes_free(struct lab_echoes *echoes);

/* A request came in. */
struct lab_echo_ref lab_echoes_request(struct lab_echoes *echoes, struct lab_host *host,
                                       const struct lab_packet *packet, int64_t now_ns,
                                       int64_t wall_ns);
/* A reply came in; the zero ref when it answers nothing that is under way. The district's kernel
 * answers while it is handed the request, so *seen_ns is put back to that time: what passed until
 * the lab read the answer is the lab's own delay. */
struct lab_echo_ref lab_echoes_reply(struct lab_echoes *echoes, const struct lab_packet *packet,
                                     int64_t *seen_ns);
void lab_echoes_flag(struct lab_echoes *echoes, struct lab_echo_ref ref, uint8_t flag);
/* One more copy is on its way. */
void lab_echoes_copy(struct lab_echoes *echoes, struct lab_echo_ref ref);
/* A copy was dropped on its way in that direction. */
void lab_echoes_drop(struct lab_echoes *echoes, struct lab_echo_ref ref, enum lab_dir dir,
                     enum lab_cause cause, int64_t now_ns);
/* A copy was handed over; delay_ns is what was applied. Tells whether the echo was still under way.
 */
bool lab_echoes_deliver(struct lab_echoes *echoes, struct lab_echo_ref ref, enum lab_dir dir,
                        int64_t now_ns, int64_t delay_ns);
/* Gives up on requests that the district has had for `patience_ns` without answering. */
void lab_echoes_expire(struct lab_echoes *echoes, int64_t now_ns, int64_t patience_ns);
