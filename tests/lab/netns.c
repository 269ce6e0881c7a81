/* Builds and removes the emulated network. */
#include "netns.h"

#include "netlink.h"
#include "sweep.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

static const char tun_device[] = "/dev/net/tun";

/* Through a gateway the kernel keeps one neighbour for a side, not one for each address; its
 * table would be full after a thousand IPv6 addresses. Nobody has the address. */
static const struct lab_addr v6_gateway = {{0xfe, 0x80, [15] = 1}};

static int open_tun(const char *name)
{
    struct ifreq request = {.ifr_flags = IFF_TUN | IFF_NO_PI};
    int fd = open(tun_device, O_RDWR | O_NONBLOCK | O_CLOEXEC);

    if (fd < 0)
        return -errno;
    snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", name);
    if (ioctl(fd, TUNSETIFF, &request) < 0) {
        int error = -errno;

        close(fd);
        return error;
    }
    return fd;
}

static bool write_sysctl(const char *path, const char *value)
{
    char full[128];
    bool done;
    int fd;

    snprintf(full, sizeof(full), "/proc/sys/net/%s", path);
    fd = open(full, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    done = write(fd, value, strlen(value)) > 0;
    close(fd);
    return done;
}

/* An own namespace answers as fast as it can, and does not chatter on its own. */
static void tune_namespace(void)
{
    write_sysctl("ipv4/icmp_ratemask", "0");
    write_sysctl("ipv6/icmp/ratelimit", "0");
    write_sysctl("ipv4/conf/all/rp_filter", "0");
    write_sysctl("ipv4/conf/default/rp_filter", "0");
    write_sysctl("ipv4/ping_group_range", "0 2147483647");
    write_sysctl("ipv6/conf/default/addr_gen_mode", "1");
}

static int mark_namespace(int netlink_fd)
{
    char mark[LAB_ALIAS_MAX];
    unsigned lo = if_nametoindex("lo");
    int error;

    lab_mark_make(mark);
    error = lab_netlink_set_alias(netlink_fd, lo, mark);
    return error < 0 ? error : lab_netlink_link_up(netlink_fd, lo);
}

static int make_interface(const struct lab_net_config *config, struct lab_side *side)
{
    char path[80];
    int error;

    side->tun_fd = open_tun(side->name);
    if (side->tun_fd < 0)
        return side->tun_fd;
    side->index = if_nametoindex(side->name);
    snprintf(path, sizeof(path), "ipv6/conf/%s/addr_gen_mode", side->name);
    write_sysctl(path, "1");
    error = lab_netlink_set_link(side->netlink_fd, side->index, config->mtu, config->queue);
    if (error == 0)
        error = lab_netlink_link_up(side->netlink_fd, side->index);
    if (error == 0)
        lab_netlink_no_qdisc(side->netlink_fd, side->index); /* a kernel without it just queues */
    return error;
}

/* Opens what a side needs in the namespace that the caller is in. */
static int open_side(const struct lab_net_config *config, struct lab_side *side, char letter,
                     bool is_own)
{
    int error;

    snprintf(side->name, sizeof(side->name), "phulab%d%c", (int)getpid(), letter);
    side->ns_fd = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
    if (side->ns_fd < 0)
        return -errno;
    side->netlink_fd = lab_netlink_open();
    if (side->netlink_fd < 0)
        return side->netlink_fd;
    if (is_own) {
        tune_namespace();
        error = mark_namespace(side->netlink_fd);
        if (error < 0)
            return error;
    }
    return make_interface(config, side);
}

static int add_routes(const struct lab_net_config *config, const struct lab_net *net,
                      struct lab_error *err)
{
    const struct lab_side *agent = &net->sides[LAB_FROM];
    const struct lab_side *district = &net->sides[LAB_TO];
    char text[LAB_PREFIX_TEXT];

    for (size_t i = 0; i < config->prefix_count; i++) {
        const struct lab_prefix *prefix = &config->prefixes[i];
        bool is_v4 = lab_prefix_is_v4(prefix);
        int error;

        if (!is_v4 && !net->has_v6)
            continue;
        error = lab_netlink_add_route(agent->netlink_fd, agent->index, prefix, false,
                                      is_v4 ? NULL : &v6_gateway);
        if (error == -EEXIST)
            return lab_fail(err,
                            "%s already has a route here, perhaps another lab's: use "
                            "--agent-netns, or another --prefix",
                            lab_prefix_format(prefix, text));
        if (error == 0) /* index 1: the loopback interface of a new namespace */
            error = lab_netlink_add_route(district->netlink_fd, 1, prefix, true, NULL);
        if (error < 0)
            return lab_fail(err, "cannot route %s: %s", lab_prefix_format(prefix, text),
                            strerror(-error));
    }
    return 0;
}

static int add_agents(const struct lab_net_config *config, const struct lab_net *net,
                      struct lab_error *err)
{
    const struct lab_side *agent = &net->sides[LAB_FROM];
    char text[LAB_ADDR_TEXT];

    for (size_t i = 0; i < config->agent_count; i++) {
        int error;

        if (!net->has_v6 && !lab_addr_is_v4(&config->agents[i]))
            continue;
        error = lab_netlink_add_address(agent->netlink_fd, agent->index, &config->agents[i]);
        if (error < 0)
            return lab_fail(err, "cannot add %s to %s: %s",
                            lab_addr_format(&config->agents[i], text), agent->name,
                            strerror(-error));
    }
    return 0;
}

/* The district sends everything back, so an agent may use any source address. */
static int add_way_back(const struct lab_net *net, struct lab_error *err)
{
    const struct lab_side *district = &net->sides[LAB_TO];
    const uint8_t zeros[4] = {0};
    struct lab_prefix v4 = {.addr = lab_addr_from_v4(zeros), .length = 96};
    struct lab_prefix v6 = {.length = 0};
    int error;

    error = lab_netlink_add_route(district->netlink_fd, district->index, &v4, false, NULL);
    if (error == 0 && net->has_v6)
        error =
            lab_netlink_add_route(district->netlink_fd, district->index, &v6, false, &v6_gateway);
    return error == 0 ? 0 : lab_fail(err, "cannot add the way back: %s", strerror(-error));
}

static bool has_v6(void)
{
    char answer = '1';
    int fd = open("/proc/sys/net/ipv6/conf/all/disable_ipv6", O_RDONLY | O_CLOEXEC);

    if (fd >= 0) {
        if (read(fd, &answer, 1) != 1)
            answer = '1';
        close(fd);
    }
    return answer == '0';
}

/* In the order: agent's side, district's side. Leaves the caller in the district's namespace. */
static int open_sides(const struct lab_net_config *config, struct lab_net *net,
                      struct lab_error *err)
{
    struct lab_side *agent = &net->sides[LAB_FROM];
    struct lab_side *district = &net->sides[LAB_TO];
    int error;

    if (config->own_agent_ns && unshare(CLONE_NEWNET) < 0)
        return lab_fail(err, "cannot make a network namespace: %s", strerror(errno));
    net->has_v6 = has_v6();
    error = open_side(config, agent, 'a', config->own_agent_ns);
    if (error < 0)
        return lab_fail(err, "cannot make the agent's interface %s: %s", agent->name,
                        strerror(-error));
    if (config->stamps)
        lab_stamps_open(agent->index, &net->stamps); /* without, times are those of reading */
    if (unshare(CLONE_NEWNET) < 0)
        return lab_fail(err, "cannot make a network namespace: %s", strerror(errno));
    net->has_v6 = net->has_v6 && has_v6();
    error = open_side(config, district, 'd', true);
    if (error < 0)
        return lab_fail(err, "cannot make the district's interface %s: %s", district->name,
                        strerror(-error));
    return 0;
}

static void close_side(struct lab_side *side)
{
    if (side->tun_fd >= 0)
        close(side->tun_fd);
    if (side->netlink_fd >= 0)
        close(side->netlink_fd);
    if (side->ns_fd >= 0)
        close(side->ns_fd);
}

static void close_sides(struct lab_net *net)
{
    for (int dir = 0; dir < LAB_DIRS; dir++)
        close_side(&net->sides[dir]);
    lab_stamps_close(net->stamps);
    net->stamps = NULL;
}

int lab_net_open(const struct lab_net_config *config, struct lab_net *net, struct lab_error *err)
{
    int home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
    int error;

    *net = (struct lab_net){0};
    for (int dir = 0; dir < LAB_DIRS; dir++)
        net->sides[dir] = (struct lab_side){.ns_fd = -1, .tun_fd = -1, .netlink_fd = -1};
    if (home < 0)
        return lab_fail(err, "cannot open /proc/self/ns/net: %s", strerror(errno));
    error = open_sides(config, net, err);
    if (setns(home, CLONE_NEWNET) < 0 && error == 0)
        error = lab_fail(err, "cannot return to the own namespace: %s", strerror(errno));
    close(home);
    if (error == 0)
        error = add_agents(config, net, err);
    if (error == 0)
        error = add_routes(config, net, err);
    if (error == 0)
        error = add_way_back(net, err);
    if (error < 0)
        close_sides(net);
    return error;
}

void lab_net_close(struct lab_net *net, bool own_agent_ns)
{
    lab_end_members(net->sides[LAB_TO].ns_fd);
    if (own_agent_ns)
        lab_end_members(net->sides[LAB_FROM].ns_fd);
    close_sides(net);
}

uint64_t lab_net_overrun(const struct lab_net *net, enum lab_dir side)
{
    struct lab_link_info info;

    if (lab_netlink_get_link(net->sides[side].netlink_fd, net->sides[side].index, &info) < 0)
        return 0;
    return info.tx_dropped;
}

static int try_tun(struct lab_error *why)
{
    char name[LAB_NAME_MAX];
    int fd;

    snprintf(name, sizeof(name), "phulab%dx", (int)getpid());
    fd = open_tun(name);
    if (fd == -ENOENT || fd == -ENODEV || fd == -ENXIO)
        return lab_fail(why, "%s is missing: `modprobe tun`, or give the container the device",
                        tun_device);
    if (fd == -EACCES)
        return lab_fail(why, "%s may not be opened by this user: run as root, or `chmod 666 %s`",
                        tun_device, tun_device);
    if (fd == -EPERM)
        return lab_fail(why, "CAP_NET_ADMIN is missing in this network namespace: run as root, or "
                             "try `unshare -rn phusong-lab run ...`");
    if (fd < 0)
        return lab_fail(why, "no TUN interface: %s", strerror(-fd));
    close(fd);
    return 0;
}

int lab_net_possible(struct lab_error *why)
{
    int home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
    int error = 0;

    if (home < 0)
        return lab_fail(why, "/proc is not mounted");
    if (unshare(CLONE_NEWNET) < 0)
        error = lab_fail(why,
                         "no network namespace (%s): run as root, or try "
                         "`unshare -rn phusong-lab run ...`",
                         strerror(errno));
    else if (setns(home, CLONE_NEWNET) < 0)
        error = lab_fail(why, "cannot return from a network namespace: %s", strerror(errno));
    close(home);
    return error < 0 ? error : try_tun(why);
}
