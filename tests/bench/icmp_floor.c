/* What the kernel alone costs: echo requests to TARGETS addresses of 127.1.0.0/16 at RATE per
 * second over one raw socket, sent and read in batches once per TICK, nothing else. Prints one JSON
 * object.
 *
 *     icmp_floor TARGETS RATE SECONDS TICK_MS
 */
#include <arpa/inet.h>
#include <linux/icmp.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define BATCH 64
#define PACKET 64

struct floor {
    int socket;
    uint32_t targets, next;
    long sent, received;
    struct mmsghdr out[BATCH], in[BATCH];
    struct iovec out_iov[BATCH], in_iov[BATCH];
    struct sockaddr_in to[BATCH], from[BATCH];
    uint8_t packets[BATCH][PACKET], answers[BATCH][256], control[BATCH][64];
};

static uint16_t checksum(const uint8_t *bytes, size_t size)
{
    uint32_t sum = 0;

    for (size_t i = 0; i < size; i += 2)
        sum += (uint32_t)(bytes[i] | bytes[i + 1] << 8);
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)~sum;
}

static void set_up(struct floor *floor)
{
    struct icmp_filter pass = {~(1U << ICMP_ECHOREPLY)};
    int on = 1, buffer = 8 << 20;

    floor->socket = socket(AF_INET, SOCK_RAW | SOCK_NONBLOCK, IPPROTO_ICMP);
    if (floor->socket < 0) {
        perror("icmp_floor: raw socket");
        exit(4);
    }
    setsockopt(floor->socket, SOL_RAW, ICMP_FILTER, &pass, sizeof pass);
    setsockopt(floor->socket, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof on);
    setsockopt(floor->socket, SOL_SOCKET, SO_RCVBUFFORCE, &buffer, sizeof buffer);
    for (int i = 0; i < BATCH; i++) {
        floor->out_iov[i] = (struct iovec){floor->packets[i], PACKET};
        floor->in_iov[i] = (struct iovec){floor->answers[i], sizeof floor->answers[i]};
        floor->out[i].msg_hdr = (struct msghdr){.msg_name = &floor->to[i],
                                                .msg_namelen = sizeof floor->to[i],
                                                .msg_iov = &floor->out_iov[i],
                                                .msg_iovlen = 1};
    }
}

static void send_batch(struct floor *floor, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        struct icmphdr header = {.type = ICMP_ECHO};
        uint16_t sum;

        header.un.echo.id = htons(4711);
        header.un.echo.sequence = htons((uint16_t)floor->next);
        memcpy(floor->packets[i], &header, sizeof header);
        memcpy(floor->packets[i] + sizeof header, &floor->next, sizeof floor->next);
        sum = checksum(floor->packets[i], PACKET);
        memcpy(floor->packets[i] + 2, &sum, sizeof sum);
        floor->to[i] = (struct sockaddr_in){.sin_family = AF_INET};
        floor->to[i].sin_addr.s_addr = htonl(0x7f010001U + floor->next % floor->targets);
        floor->next++;
    }
    int sent = sendmmsg(floor->socket, floor->out, count, 0);

    floor->sent += sent > 0 ? sent : 0;
}

static void read_all(struct floor *floor)
{
    int received;

    do {
        for (int i = 0; i < BATCH; i++)
            floor->in[i].msg_hdr = (struct msghdr){.msg_name = &floor->from[i],
                                                   .msg_namelen = sizeof floor->from[i],
                                                   .msg_iov = &floor->in_iov[i],
                                                   .msg_iovlen = 1,
                                                   .msg_control = floor->control[i],
                                                   .msg_controllen = sizeof floor->control[i]};
        received = recvmmsg(floor->socket, floor->in, BATCH, MSG_DONTWAIT, NULL);
        floor->received += received > 0 ? received : 0;
    } while (received == BATCH);
}

static void run(struct floor *floor, long rate, double seconds, long tick_ms)
{
    int timer = timerfd_create(CLOCK_MONOTONIC, 0);
    struct itimerspec every = {{tick_ms / 1000, tick_ms % 1000 * 1000000},
                               {tick_ms / 1000, tick_ms % 1000 * 1000000}};
    long ticks = 0, last = (long)(seconds * 1000) / tick_ms;

    timerfd_settime(timer, 0, &every, NULL);
    while (ticks < last) {
        uint64_t passed;

        if (read(timer, &passed, sizeof passed) != sizeof passed)
            exit(4);
        ticks += (long)passed;
        for (long due = ticks * tick_ms * rate / 1000 - floor->sent; due > 0;
             due = ticks * tick_ms * rate / 1000 - floor->sent) {
            send_batch(floor, (unsigned)(due < BATCH ? due : BATCH));
            read_all(floor);
        }
    }
    close(timer);
}

int main(int argc, char **argv)
{
    struct floor *floor = calloc(1, sizeof *floor);
    struct rusage usage;
    double cpu;

    if (argc < 5 || !floor) {
        fputs("usage: icmp_floor TARGETS RATE SECONDS TICK_MS\n", stderr);
        return 3;
    }
    floor->targets = (uint32_t)strtoul(argv[1], NULL, 10);
    set_up(floor);
    run(floor, strtol(argv[2], NULL, 10), strtod(argv[3], NULL), strtol(argv[4], NULL, 10));
    getrusage(RUSAGE_SELF, &usage);
    cpu = (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
          (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
    printf("{\"probes\": %ld, \"ok\": %ld, \"cpu_us\": %.3f}\n", floor->sent, floor->received,
           cpu * 1e6 / (double)floor->sent);
    free(floor);
    return 0;
}
