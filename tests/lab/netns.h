/* The emulated network: one TUN interface on the agent's side, one in the district's namespace,
 * where the district's prefixes are all local.
 *
 * Nothing of it has a name outside: the interfaces go when their descriptors are closed, the
 * namespaces when their last process ends. So even after kill -9 there is nothing to undo, save
 * processes that were started inside; lab_sweep finds those by the mark in the loopback
 * interface's alias. */
#pragma once

#include "stamp.h"
#include "statement.h"

enum { LAB_PREFIXES_MAX = 8, LAB_NAME_MAX = 16 };

struct lab_net_config {
    struct lab_prefix prefixes[LAB_PREFIXES_MAX];
    size_t prefix_count;
    struct lab_addr agents[LAB_PREFIXES_MAX]; /* addresses of the agent's side */
    size_t agent_count;
    bool own_agent_ns; /* else the caller's namespace is the agent's side */
    bool stamps;       /* count a request's delay from the kernel's timestamp */
    unsigned mtu;
    unsigned queue;
};

/* The side that packets for direction `dir` leave to is sides[dir]: LAB_TO the district. */
struct lab_side {
    int ns_fd; /* -1: not open */
    int tun_fd;
    int netlink_fd;
    unsigned index;
    char name[LAB_NAME_MAX];
};

struct lab_net {
    struct lab_side sides[LAB_DIRS];
    struct lab_stamps *stamps; /* of the agent's side; NULL where they cannot be had */
    bool has_v6;
};

/* Builds all of it, or nothing. Returns in the caller's own namespace. */
int lab_net_open(const struct lab_net_config *config, struct lab_net *net, struct lab_error *err);
/* Ends the processes inside, then lets everything go. */
void lab_net_close(struct lab_net *net, bool own_agent_ns);
/* Packets that the kernel dropped because they were not read in time from that side's interface. */
uint64_t lab_net_overrun(const struct lab_net *net, enum lab_dir side);

/* Why TUN interfaces or namespaces cannot be had here; 0 when they can. */
int lab_net_possible(struct lab_error *why);
