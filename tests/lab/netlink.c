/* Builds a request, sends it, waits for the kernel's answer (which comes at once). */
#include "netlink.h"

#include <errno.h>
#include <linux/if_link.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct request {
    struct nlmsghdr header;
    union {
        struct ifinfomsg link;
        struct ifaddrmsg address;
        struct rtmsg route;
        struct tcmsg queue;
    } body;
    char attributes[512];
};

int lab_netlink_open(void)
{
    struct sockaddr_nl name = {.nl_family = AF_NETLINK};
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);

    if (fd < 0)
        return -errno;
    if (bind(fd, (struct sockaddr *)&name, sizeof(name)) < 0) {
        int error = -errno;

        close(fd);
        return error;
    }
    return fd;
}

static void start(struct request *request, uint16_t type, uint16_t flags, size_t body)
{
    memset(request, 0, sizeof(*request));
    request->header.nlmsg_len = (uint32_t)NLMSG_LENGTH(body);
    request->header.nlmsg_type = type;
    request->header.nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags);
}

static void add(struct request *request, uint16_t type, const void *bytes, size_t length)
{
    size_t at = NLMSG_ALIGN(request->header.nlmsg_len);
    struct rtattr attribute = {.rta_len = (uint16_t)RTA_LENGTH(length), .rta_type = type};
    char *to = (char *)request + at;

    memcpy(to, &attribute, sizeof(attribute));
    memcpy(to + RTA_LENGTH(0), bytes, length);
    request->header.nlmsg_len = (uint32_t)(at + RTA_ALIGN(attribute.rta_len));
}

static void add32(struct request *request, uint16_t type, uint32_t value)
{
    add(request, type, &value, sizeof(value));
}

static void add_addr(struct request *request, uint16_t type, const struct lab_addr *addr)
{
    if (lab_addr_is_v4(addr))
        add(request, type, addr->b + 12, 4);
    else
        add(request, type, addr->b, 16);
}

static ssize_t exchange(int fd, const struct request *request, char *answer, size_t size)
{
    ssize_t got;

    if (send(fd, request, request->header.nlmsg_len, 0) < 0)
        return -errno;
    do
        got = recv(fd, answer, size, 0);
    while (got < 0 && errno == EINTR);
    return got < 0 ? -errno : got;
}

static int ask(int fd, struct request *request)
{
    char answer[4096] __attribute__((aligned(NLMSG_ALIGNTO))) = {0};
    const struct nlmsghdr *header = (const struct nlmsghdr *)answer;
    struct nlmsgerr error;
    ssize_t got;

    request->header.nlmsg_flags |= NLM_F_ACK;
    got = exchange(fd, request, answer, sizeof(answer));
    if (got < 0)
        return (int)got;
    if ((size_t)got < NLMSG_LENGTH(sizeof(error)) || header->nlmsg_type != NLMSG_ERROR)
        return -EPROTO;
    memcpy(&error, NLMSG_DATA(header), sizeof(error));
    return error.error;
}

int lab_netlink_set_link(int fd, unsigned index, unsigned mtu, unsigned queue)
{
    struct request request;

    start(&request, RTM_NEWLINK, 0, sizeof(request.body.link));
    request.body.link.ifi_index = (int)index;
    if (mtu)
        add32(&request, IFLA_MTU, mtu);
    if (queue)
        add32(&request, IFLA_TXQLEN, queue);
    return ask(fd, &request);
}

int lab_netlink_link_up(int fd, unsigned index)
{
    struct request request;

    start(&request, RTM_NEWLINK, 0, sizeof(request.body.link));
    request.body.link.ifi_index = (int)index;
    request.body.link.ifi_flags = IFF_UP;
    request.body.link.ifi_change = IFF_UP;
    return ask(fd, &request);
}

int lab_netlink_set_alias(int fd, unsigned index, const char *alias)
{
    struct request request;

    start(&request, RTM_NEWLINK, 0, sizeof(request.body.link));
    request.body.link.ifi_index = (int)index;
    add(&request, IFLA_IFALIAS, alias, strlen(alias));
    return ask(fd, &request);
}

static void read_link(const struct nlmsghdr *header, struct lab_link_info *info)
{
    const struct rtattr *attribute = IFLA_RTA(NLMSG_DATA(header));
    int left = (int)IFLA_PAYLOAD(header);

    for (; RTA_OK(attribute, left); attribute = RTA_NEXT(attribute, left)) {
        if (attribute->rta_type == IFLA_IFALIAS)
            snprintf(info->alias, sizeof(info->alias), "%.*s", (int)RTA_PAYLOAD(attribute),
                     (const char *)RTA_DATA(attribute));
        if (attribute->rta_type == IFLA_STATS64 &&
            RTA_PAYLOAD(attribute) >= offsetof(struct rtnl_link_stats64, multicast))
            memcpy(&info->tx_dropped,
                   (const char *)RTA_DATA(attribute) +
                       offsetof(struct rtnl_link_stats64, tx_dropped),
                   sizeof(info->tx_dropped));
    }
}

int lab_netlink_get_link(int fd, unsigned index, struct lab_link_info *info)
{
    char answer[16384] __attribute__((aligned(NLMSG_ALIGNTO))) = {0};
    const struct nlmsghdr *header = (const struct nlmsghdr *)answer;
    struct request request;
    ssize_t got;

    memset(info, 0, sizeof(*info));
    start(&request, RTM_GETLINK, 0, sizeof(request.body.link));
    request.body.link.ifi_index = (int)index;
    got = exchange(fd, &request, answer, sizeof(answer));
    if (got < 0)
        return (int)got;
    if (!NLMSG_OK(header, (size_t)got) || header->nlmsg_type != RTM_NEWLINK)
        return -ENODEV;
    read_link(header, info);
    return 0;
}

int lab_netlink_no_qdisc(int fd, unsigned index)
{
    struct request request;

    start(&request, RTM_NEWQDISC, NLM_F_CREATE | NLM_F_REPLACE, sizeof(request.body.queue));
    request.body.queue.tcm_family = AF_UNSPEC;
    request.body.queue.tcm_ifindex = (int)index;
    request.body.queue.tcm_parent = 0xffffffffu; /* TC_H_ROOT */
    add(&request, TCA_KIND, "noqueue", sizeof("noqueue"));
    return ask(fd, &request);
}

int lab_netlink_add_address(int fd, unsigned index, const struct lab_addr *addr)
{
    bool is_v4 = lab_addr_is_v4(addr);
    struct request request;

    start(&request, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, sizeof(request.body.address));
    request.body.address.ifa_family = is_v4 ? AF_INET : AF_INET6;
    request.body.address.ifa_prefixlen = is_v4 ? 32 : 128;
    request.body.address.ifa_flags = is_v4 ? 0 : IFA_F_NODAD;
    request.body.address.ifa_index = index;
    add_addr(&request, IFA_LOCAL, addr);
    add_addr(&request, IFA_ADDRESS, addr);
    return ask(fd, &request);
}

int lab_netlink_add_route(int fd, unsigned index, const struct lab_prefix *prefix, bool is_local,
                          const struct lab_addr *gateway)
{
    bool is_v4 = lab_prefix_is_v4(prefix);
    struct request request;

    start(&request, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, sizeof(request.body.route));
    request.body.route.rtm_family = is_v4 ? AF_INET : AF_INET6;
    request.body.route.rtm_dst_len = (uint8_t)lab_prefix_written_length(prefix);
    request.body.route.rtm_table = is_local ? RT_TABLE_LOCAL : RT_TABLE_MAIN;
    request.body.route.rtm_protocol = RTPROT_STATIC;
    request.body.route.rtm_type = is_local ? RTN_LOCAL : RTN_UNICAST;
    request.body.route.rtm_scope =
        is_local ? RT_SCOPE_HOST : (is_v4 ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE);
    add_addr(&request, RTA_DST, &prefix->addr);
    add32(&request, RTA_OIF, index);
    if (gateway)
        add_addr(&request, RTA_GATEWAY, gateway);
    return ask(fd, &request);
}
