/* The few rtnetlink requests that the lab needs. Each works in the network namespace in which the
 * socket was opened, wherever the caller is by then. All return 0 or a negative errno. */
#pragma once

#include "addr.h"

enum { LAB_ALIAS_MAX = 128 };

struct lab_link_info {
    char alias[LAB_ALIAS_MAX];
    uint64_t tx_dropped;
};

/* A descriptor for the current namespace. */
int lab_netlink_open(void);
/* mtu and queue 0: as they are. */
int lab_netlink_set_link(int fd, unsigned index, unsigned mtu, unsigned queue);
int lab_netlink_link_up(int fd, unsigned index);
int lab_netlink_set_alias(int fd, unsigned index, const char *alias);
int lab_netlink_get_link(int fd, unsigned index, struct lab_link_info *info);
/* Packets go straight to the device's own queue, where a drop is counted. */
int lab_netlink_no_qdisc(int fd, unsigned index);
int lab_netlink_add_address(int fd, unsigned index, const struct lab_addr *addr);
/* -EEXIST when the prefix has a route already. gateway may be NULL. With is_local the whole
 * prefix is the namespace's own. */
int lab_netlink_add_route(int fd, unsigned index, const struct lab_prefix *prefix, bool is_local,
                          const struct lab_addr *gateway);
