/* One raw socket, one loop: send what is due, take what came, sleep a little. The time of sending
 * travels in the payload; the time of receipt is the kernel's. */
#include "load.h"

#include "clock.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/filter.h>
#include <netinet/in.h>
#include <netinet/ip_icmp.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    BATCH = 64,
    RECEIVE_BUFFER = 64 << 20,
    RTT_US_MAX = 2000000,
    IP_HEADER = 20,
};

struct probe {
    struct icmphdr header;
    int64_t sent_wall_ns;
    uint8_t filler[48];
};

struct run {
    const struct lab_load *load;
    struct lab_load_result *result;
    int fd;
    uint16_t ident;
    uint32_t *histogram; /* of round trips, by microsecond */
};

static uint16_t checksum(const struct probe *probe)
{
    uint16_t words[sizeof(*probe) / 2] = {0};
    uint32_t sum = 0;

    memcpy(words, probe, sizeof(words));
    for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
        sum += words[i];
    sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t) ~(sum + (sum >> 16));
}

/* Replies alone: requests of others and errors need not wake anybody. */
static int open_socket(void)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_B | BPF_ABS, IP_HEADER),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ICMP_ECHOREPLY, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, 65535),
        BPF_STMT(BPF_RET | BPF_K, 0),
    };
    struct sock_fprog program = {.len = sizeof(code) / sizeof(*code), .filter = code};
    int fd = socket(AF_INET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_ICMP);
    int buffer = RECEIVE_BUFFER;
    int one = 1;

    if (fd < 0)
        return -errno;
    setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &buffer, sizeof(buffer));
    setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program));
    setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &one, sizeof(one));
    return fd;
}

static void send_one(struct run *run)
{
    uint64_t number = run->result->sent;
    uint64_t host = number % run->load->hosts;
    struct probe probe = {.header = {.type = ICMP_ECHO}};
    struct sockaddr_in target = {.sin_family = AF_INET};
    uint32_t first;

    memcpy(&first, run->load->prefix.addr.b + 12, 4);
    target.sin_addr.s_addr = htonl(ntohl(first) + (uint32_t)host);
    probe.header.un.echo.id = htons((uint16_t)(run->ident + (number / run->load->hosts >> 16)));
    probe.header.un.echo.sequence = htons((uint16_t)(number / run->load->hosts));
    probe.sent_wall_ns = lab_wall();
    probe.header.checksum = checksum(&probe);
    if (sendto(run->fd, &probe, sizeof(probe), 0, (struct sockaddr *)&target, sizeof(target)) < 0)
        run->result->refused++;
    run->result->sent++;
}

static int64_t receipt_time(struct msghdr *message)
{
    struct timespec stamp;

    for (struct cmsghdr *header = CMSG_FIRSTHDR(message); header;
         header = CMSG_NXTHDR(message, header))
        if (header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_TIMESTAMPNS) {
            memcpy(&stamp, CMSG_DATA(header), sizeof(stamp));
            return (int64_t)stamp.tv_sec * 1000000000 + stamp.tv_nsec;
        }
    return lab_wall();
}

static void take_reply(struct run *run, const uint8_t *bytes, size_t length, int64_t wall_ns)
{
    struct probe probe;
    int64_t rtt_us;

    if (length != IP_HEADER + sizeof(probe))
        return;
    memcpy(&probe, bytes + IP_HEADER, sizeof(probe));
    rtt_us = (wall_ns - probe.sent_wall_ns) / 1000;
    if (rtt_us < 0 || rtt_us >= RTT_US_MAX)
        return;
    run->histogram[rtt_us]++;
    run->result->answered++;
}

static void take_replies(struct run *run)
{
    uint8_t bytes[BATCH][256];
    char control[BATCH][CMSG_SPACE(sizeof(struct timespec))];
    struct mmsghdr messages[BATCH];
    struct iovec vectors[BATCH];
    int got = BATCH;

    while (got == BATCH) {
        for (int i = 0; i < BATCH; i++) {
            vectors[i] = (struct iovec){.iov_base = bytes[i], .iov_len = sizeof(bytes[i])};
            messages[i] = (struct mmsghdr){.msg_hdr = {.msg_iov = &vectors[i],
                                                       .msg_iovlen = 1,
                                                       .msg_control = control[i],
                                                       .msg_controllen = sizeof(control[i])}};
        }
        got = recvmmsg(run->fd, messages, BATCH, MSG_DONTWAIT, NULL);
        for (int i = 0; i < got; i++)
            take_reply(run, bytes[i], messages[i].msg_len, receipt_time(&messages[i].msg_hdr));
    }
}

static void turn(struct run *run)
{
    const struct lab_load *load = run->load;
    struct timespec pause = {.tv_nsec = 200000};
    int64_t start_ns = lab_now();
    int64_t now_ns;

    while ((now_ns = lab_now()) < start_ns + load->length_ns + load->patience_ns) {
        uint64_t due = run->result->sent; /* when the time is over, what was missed stays unsent */

        if (now_ns - start_ns < load->length_ns)
            due = (uint64_t)((double)(now_ns - start_ns) * 1e-9 * (double)load->rate);
        for (int i = 0; i < BATCH && run->result->sent < due; i++)
            send_one(run);
        take_replies(run);
        if (run->result->sent >= due)
            nanosleep(&pause, NULL);
        if (now_ns - start_ns >= load->length_ns && run->result->answered >= run->result->sent)
            break;
    }
}

static void find_percentiles(const struct run *run)
{
    static const double shares[3] = {0.5, 0.95, 0.99};
    uint64_t seen = 0;
    int next = 0;

    for (uint64_t us = 0; us < RTT_US_MAX && next < 3; us++) {
        seen += run->histogram[us];
        while (next < 3 && seen && (double)seen >= shares[next] * (double)run->result->answered)
            run->result->rtt_us[next++] = us;
    }
}

int lab_load_run(const struct lab_load *load, struct lab_load_result *result, struct lab_error *err)
{
    struct sched_param priority = {.sched_priority = 1};
    struct run run = {.load = load, .result = result, .ident = (uint16_t)getpid()};

    *result = (struct lab_load_result){0};
    run.histogram = calloc(RTT_US_MAX, sizeof(*run.histogram));
    run.fd = open_socket();
    if (run.fd < 0 || !run.histogram) {
        free(run.histogram);
        return lab_fail(err, "no raw socket: %s", strerror(run.fd < 0 ? -run.fd : ENOMEM));
    }
    if (load->is_realtime)
        sched_setscheduler(0, SCHED_FIFO, &priority);
    turn(&run);
    find_percentiles(&run);
    close(run.fd);
    free(run.histogram);
    return 0;
}
