/* A process for tests to kill: puts numbered lines into a spool as fast as told, and says on stdout
 * how many are durable.
 *
 *   spool_writer [--first N] [--lines N] [--rate LINES_PER_MS] [--deliver FILE] [--drain]
 *                [--segment BYTES] [--size BYTES] DIR
 *
 * Line N is "crash,n=<N> v=<hash of N>i <N>\n", padded to --size bytes. Each commit prints the
 * number of the first line that is not durable yet. --deliver appends what a reader gets to a file
 * before acknowledging it, now and then returning or skipping. --drain puts nothing and ends when
 * everything has been delivered; --lines ends after so many are durable.
 */
#include "loop.h"

#include "phusong/spool.h"

#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

struct writer {
    struct phu_sched *sched;
    struct phu_spool *spool;
    struct phu_spool_reader *reader;
    struct phu_timer tick, poll;
    uint64_t first, next, lines;
    unsigned rate;
    size_t size;
    int deliver_fd;
    bool is_draining;
    uint32_t seed;
};

static uint64_t hash(uint64_t number)
{
    number = (number ^ number >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    number = (number ^ number >> 27) * UINT64_C(0x94d049bb133111eb);
    return (number ^ number >> 31) >> 1;
}

static size_t make_line(char *line, size_t size, uint64_t number)
{
    int length = snprintf(line, 64, "crash,n=%" PRIu64 ",p=", number);

    do
        line[length++] = 'x';
    while ((size_t)length + 45 < size);
    return (size_t)length + (size_t)snprintf(line + length, 64, " v=%" PRIu64 "i %" PRIu64 "\n",
                                             hash(number), number);
}

static void print_durable(void *arg)
{
    struct writer *writer = arg;
    char text[32];
    int length = snprintf(text, sizeof text, "%" PRIu64 "\n",
                          writer->first + phu_spool_durable_count(writer->spool));

    if (write(STDOUT_FILENO, text, (size_t)length) != length)
        phu_loop_stop(writer->sched);
    if (writer->lines && phu_spool_durable_count(writer->spool) >= writer->lines)
        phu_loop_stop(writer->sched);
}

static void put_some(struct phu_timer *timer)
{
    struct writer *writer = phu_container_of(timer, struct writer, tick);
    static char line[70000];

    for (unsigned i = 0; i < writer->rate; i++) {
        size_t length = make_line(line, writer->size, writer->next);

        if (writer->lines && writer->next >= writer->first + writer->lines)
            return;
        if (phu_spool_put(writer->spool, line, length, phu_sched_wall(writer->sched)) != 0)
            break; /* tried again: what is put must stay consecutive */
        writer->next++;
    }
    phu_timer_after(writer->sched, timer, PHU_NS_PER_MS);
}

static uint32_t chance(struct writer *writer)
{
    writer->seed = writer->seed * 1664525 + 1013904223;
    return writer->seed >> 16;
}

static bool deliver_one(struct writer *writer, enum phu_spool_lane lane)
{
    struct phu_span span;

    if (phu_spool_reader_next(writer->reader, lane, 1 + chance(writer) % 500, 65536, &span) != 0)
        return false;
    if (chance(writer) % 8 == 0) {
        phu_spool_reader_return(writer->reader, &span);
        return true;
    }
    if (write(writer->deliver_fd, span.body, span.length) != (ssize_t)span.length)
        abort();
    phu_spool_reader_ack(writer->reader, &span);
    return true;
}

static void deliver_some(struct phu_timer *timer)
{
    struct writer *writer = phu_container_of(timer, struct writer, poll);
    bool is_any = false;

    for (int i = 0; i < 4; i++) {
        is_any |= deliver_one(writer, PHU_SPOOL_LIVE);
        is_any |= deliver_one(writer, PHU_SPOOL_BACKFILL);
    }
    if (!writer->is_draining && chance(writer) % 40 == 0)
        phu_spool_reader_skip_to_live(writer->reader);
    if (writer->is_draining && !is_any)
        phu_loop_stop(writer->sched);
    else
        phu_timer_after(writer->sched, timer, PHU_NS_PER_MS);
}

static int run(struct writer *writer, const struct phu_spool_conf *conf)
{
    if (phu_loop_new(&writer->sched) != 0)
        return 4;
    if (phu_spool_open(writer->sched, conf, NULL, &writer->spool) != 0) {
        phu_loop_free(writer->sched);
        return 4;
    }
    phu_timer_init(&writer->tick, put_some);
    phu_timer_init(&writer->poll, deliver_some);
    phu_spool_on_durable(writer->spool, print_durable, writer);
    if (!writer->is_draining)
        phu_timer_after(writer->sched, &writer->tick, 0);
    if (writer->deliver_fd >= 0) {
        if (phu_spool_reader_open(writer->spool, "central", NULL, NULL, &writer->reader) != 0)
            return 4;
        phu_timer_after(writer->sched, &writer->poll, 0);
    }
    phu_loop_run(writer->sched);
    phu_timer_cancel(writer->sched, &writer->tick);
    phu_timer_cancel(writer->sched, &writer->poll);
    phu_spool_reader_close(writer->reader);
    phu_spool_close(writer->spool);
    phu_loop_free(writer->sched);
    return 0;
}

int main(int argc, char **argv)
{
    static const struct option options[] = {
        {"first", required_argument, NULL, 'f'},   {"rate", required_argument, NULL, 'r'},
        {"deliver", required_argument, NULL, 'd'}, {"drain", no_argument, NULL, 'D'},
        {"segment", required_argument, NULL, 's'}, {"size", required_argument, NULL, 'z'},
        {"lines", required_argument, NULL, 'l'},   {0}};
    struct writer writer = {.rate = 20, .size = 100, .deliver_fd = -1, .seed = (uint32_t)getpid()};
    struct phu_spool_conf conf = {
        .segment_bytes = 128 * 1024,
        .max_bytes = INT64_C(1) << 33,
        .max_age_ns = INT64_C(30) * 86400 * PHU_NS_PER_S,
        .sync_interval_ns = 5 * PHU_NS_PER_MS,
        .sync_bytes = 64 * 1024,
        .buffer_bytes = 1024 * 1024,
    };
    int option;

    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        switch (option) {
        case 'f':
            writer.first = writer.next = strtoull(optarg, NULL, 10);
            break;
        case 'l':
            writer.lines = strtoull(optarg, NULL, 10);
            break;
        case 'r':
            writer.rate = (unsigned)strtoul(optarg, NULL, 10);
            break;
        case 's':
            conf.segment_bytes = strtoll(optarg, NULL, 10);
            break;
        case 'z':
            writer.size = strtoul(optarg, NULL, 10);
            break;
        case 'd':
            writer.deliver_fd = open(optarg, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
            break;
        case 'D':
            writer.is_draining = true;
            break;
        default:
            return 3;
        }
    }
    if (optind + 1 != argc || writer.size > 65000)
        return 3;
    conf.dir = argv[optind];
    return run(&writer, &conf);
}
