/* Stamps come in the order of the packets, or nearly so when several processors send. They are kept
 * in a ring; a packet's stamp is looked for from the oldest on, and those before it that stay
 * unclaimed for a whole round of the ring are overwritten. */
#include "stamp.h"

#include "clock.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    RING = 8192, /* a power of two */
    REACH = 64,  /* how far ahead of the oldest a stamp is looked for */
    BATCH = 16,
    PACKET_MAX = 2048,
    RECEIVE_BUFFER = 16 << 20,
    OLDEST_NS = 2000000000, /* a stamp further back is taken for another packet's */
};

struct stamp {
    struct lab_addr target;
    uint16_t ident;
    uint16_t sequence;
    bool is_claimed;
    int64_t wall_ns;
};

struct lab_stamps {
    int fd;
    uint64_t first; /* the oldest that may be unclaimed */
    uint64_t next;
    struct stamp ring[RING];
    uint8_t bytes[BATCH][PACKET_MAX];
    char control[BATCH][CMSG_SPACE(sizeof(struct timespec))];
};

/* Outgoing ICMP, and ICMPv6 echo requests; everything else costs one look. */
static int set_filter(int fd)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)(SKF_AD_OFF + SKF_AD_PKTTYPE)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, PACKET_OUTGOING, 0, 10),
        BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 0),
        BPF_STMT(BPF_ALU | BPF_AND | BPF_K, 0xf0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0x60, 2, 0),
        BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 9),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 1, 4, 5),
        BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 6),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 58, 0, 3),
        BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 40),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 128, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, PACKET_MAX),
        BPF_STMT(BPF_RET | BPF_K, 0),
    };
    struct sock_fprog program = {.len = sizeof(code) / sizeof(*code), .filter = code};

    return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program));
}

static int open_socket(unsigned index)
{
    struct sockaddr_ll name = {
        .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL), .sll_ifindex = (int)index};
    int buffer = RECEIVE_BUFFER;
    int one = 1;
    /* Protocol 0: nothing is received until the filter stands and the interface is chosen. */
    int fd = socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int error;

    if (fd < 0)
        return -errno;
    setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &buffer, sizeof(buffer));
    if (set_filter(fd) == 0 && setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &one, sizeof(one)) == 0 &&
        bind(fd, (struct sockaddr *)&name, sizeof(name)) == 0)
        return fd;
    error = -errno;
    close(fd);
    return error;
}

int lab_stamps_open(unsigned index, struct lab_stamps **stamps)
{
    int fd = open_socket(index);

    if (fd < 0)
        return fd;
    *stamps = calloc(1, sizeof(**stamps));
    if (!*stamps) {
        close(fd);
        return -ENOMEM;
    }
    (*stamps)->fd = fd;
    return 0;
}

void lab_stamps_close(struct lab_stamps *stamps)
{
    if (!stamps)
        return;
    close(stamps->fd);
    free(stamps);
}

static int64_t read_stamp(struct msghdr *message)
{
    struct timespec stamp;

    for (struct cmsghdr *header = CMSG_FIRSTHDR(message); header;
         header = CMSG_NXTHDR(message, header))
        if (header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_TIMESTAMPNS) {
            memcpy(&stamp, CMSG_DATA(header), sizeof(stamp));
            return (int64_t)stamp.tv_sec * 1000000000 + stamp.tv_nsec;
        }
    return 0;
}

static void keep(struct lab_stamps *stamps, const uint8_t *bytes, size_t length, int64_t wall_ns)
{
    struct lab_packet packet;

    if (lab_packet_parse(bytes, length, &packet) < 0 || packet.kind != LAB_KIND_ECHO ||
        !packet.is_request)
        return;
    stamps->ring[stamps->next % RING] = (struct stamp){
        .target = packet.target,
        .ident = packet.ident,
        .sequence = packet.sequence,
        .wall_ns = wall_ns,
    };
    stamps->next++;
    if (stamps->next - stamps->first > RING)
        stamps->first = stamps->next - RING;
}

/* Reads a batch of what the kernel has. Returns how many that were. */
static int fill(struct lab_stamps *stamps)
{
    struct mmsghdr messages[BATCH];
    struct iovec vectors[BATCH];
    int got;

    for (int i = 0; i < BATCH; i++) {
        vectors[i] = (struct iovec){.iov_base = stamps->bytes[i], .iov_len = PACKET_MAX};
        messages[i] = (struct mmsghdr){.msg_hdr = {.msg_iov = &vectors[i],
                                                   .msg_iovlen = 1,
                                                   .msg_control = stamps->control[i],
                                                   .msg_controllen = sizeof(stamps->control[i])}};
    }
    got = recvmmsg(stamps->fd, messages, BATCH, MSG_DONTWAIT, NULL);
    for (int i = 0; i < got; i++)
        keep(stamps, stamps->bytes[i], messages[i].msg_len, read_stamp(&messages[i].msg_hdr));
    return got;
}

static bool is_of(const struct stamp *stamp, const struct lab_packet *packet)
{
    return !stamp->is_claimed && stamp->sequence == packet->sequence &&
           stamp->ident == packet->ident && lab_addr_equal(&stamp->target, &packet->target);
}

static struct stamp *claim(struct lab_stamps *stamps, const struct lab_packet *packet)
{
    for (uint64_t at = stamps->first; at < stamps->next && at < stamps->first + REACH; at++) {
        struct stamp *stamp = &stamps->ring[at % RING];

        if (!is_of(stamp, packet))
            continue;
        stamp->is_claimed = true;
        /* What stands before has been overtaken; leave it only a little while. */
        if (at - stamps->first > REACH / 2)
            stamps->first = at - REACH / 2;
        while (stamps->first < stamps->next && stamps->ring[stamps->first % RING].is_claimed)
            stamps->first++;
        return stamp;
    }
    return NULL;
}

int64_t lab_stamps_find(struct lab_stamps *stamps, const struct lab_packet *packet, int64_t now_ns)
{
    struct stamp *stamp;
    int64_t age_ns;

    if (!stamps)
        return now_ns;
    stamp = claim(stamps, packet);
    while (!stamp && fill(stamps) > 0)
        stamp = claim(stamps, packet);
    if (!stamp || stamp->wall_ns == 0)
        return now_ns;
    age_ns = lab_wall() - stamp->wall_ns;
    return age_ns > 0 && age_ns < OLDEST_NS ? now_ns - age_ns : now_ns;
}
