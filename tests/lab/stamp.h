/* When an echo request really left its sender. A packet may wait in the interface's queue before
 * the lab reads it (the lab sleeps, or the machine took its processor away), and the sender's clock
 * runs meanwhile. So a packet socket on the agent's interface listens for the same packets with the
 * kernel's timestamps, and the lab counts a request's delay from there. */
#pragma once

#include "packet.h"

struct lab_stamps;

/* Opens in the current namespace, for that interface. */
int lab_stamps_open(unsigned index, struct lab_stamps **stamps);
void lab_stamps_close(struct lab_stamps *stamps);
/* The packet was just read, at now_ns; returns when it left the sender, on the same clock, or
 * now_ns where that is not known. `stamps` may be NULL. */
int64_t lab_stamps_find(struct lab_stamps *stamps, const struct lab_packet *packet, int64_t now_ns);
