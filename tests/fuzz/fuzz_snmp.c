/* Answers of a device, from the datagram to the observation: the whole collector on the virtual
 * clock, with real sockets of loopback: what is fuzzed comes out of the collector's own socket and
 * finds its session.
 *
 * Input: a byte that chooses the version (bits 0-1) and whether there are retries (bit 2), then
 * answers, each a 16-bit length and the bytes. Request and message ids are fixed (see
 * __wrap_getrandom), so answers in the corpus are accepted. Digests are not: messages that are
 * signed have fuzz_snmp_secure.
 */
#include "phusong/collector.h"
#include "phusong/credential.h"
#include "phusong/log.h"
#include "phusong/sink.h"
#include "sim.h"
#include "snmp.h"

#include <arpa/inet.h>
#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

extern const struct phu_collector phu_collector_snmp;
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);
ssize_t __wrap_getrandom(void *buffer, size_t size, unsigned flags);
int __wrap_phu_secret_read(const char *reference, char *secret, size_t size, char *why,
                           size_t why_size);
int __wrap_phu_watch_open(struct phu_sched *sched, int fd, unsigned events, phu_watch_cb *ready,
                          void *arg, struct phu_watch **out);
void __wrap_phu_watch_close(struct phu_watch *watch);

struct fuzz {
    struct phu_sink sink;
    struct phu_sched *sched;
    void *collector;
    int fd; /* the device's end */
    struct phu_check_spec spec;
    struct phu_snmp_check_options options;
    unsigned verdicts, rows;
};

struct phu_watch {
    phu_watch_cb *ready;
    void *arg;
};

/* One fuzz target, one collector: what the wrapped functions need to find. The watch is that of the
 * IPv4 socket; nothing comes to the other. */
static struct fuzz fuzz;
static struct phu_watch watch, other;

ssize_t __wrap_getrandom(void *buffer, size_t size, unsigned flags)
{
    (void)flags;
    memset(buffer, 0x41, size);
    return (ssize_t)size;
}

int __wrap_phu_secret_read(const char *reference, char *secret, size_t size, char *why,
                           size_t why_size)
{
    (void)reference;
    (void)why;
    (void)why_size;
    snprintf(secret, size, "public-public");
    return 0;
}

int __wrap_phu_watch_open(struct phu_sched *sched, int fd, unsigned events, phu_watch_cb *ready,
                          void *arg, struct phu_watch **out)
{
    struct sockaddr_storage address;
    socklen_t size = sizeof address;

    (void)sched;
    (void)events;
    if (getsockname(fd, (struct sockaddr *)&address, &size) < 0)
        abort();
    *out = address.ss_family == AF_INET ? &watch : &other;
    **out = (struct phu_watch){ready, arg};
    return 0;
}

void __wrap_phu_watch_close(struct phu_watch *closed)
{
    if (closed)
        closed->ready = NULL;
}

static void put(struct phu_sink *sink, const struct phu_observation *observation)
{
    (void)sink;
    for (size_t i = 0; i < observation->value_count; i++) {
        assert(observation->values[i].metric < PHU_SNMP_METRICS);
        assert(observation->values[i].i >= 0);
    }
    if (!observation->row)
        fuzz.verdicts++;
}

static int find_row(struct phu_sink *sink, uint32_t check, const struct phu_row *wanted,
                    uint32_t *row)
{
    (void)sink;
    (void)check;
    assert(!strcmp(wanted->tag, "interface"));
    assert(wanted->name[0] && strlen(wanted->name) < PHU_IFNAME_SIZE);
    *row = ++fuzz.rows;
    return 0;
}

static const struct phu_credential *find_credential(void *arg, const char *name)
{
    static struct phu_credential credentials[] = {
        {.name = "1", .version = PHU_SNMP_V1},
        {.name = "2", .version = PHU_SNMP_V2C},
        {.name = "3", .version = PHU_SNMP_V3, .user = "mon", .context = ""},
        {.name = "4",
         .version = PHU_SNMP_V3,
         .user = "mon",
         .context = "",
         .auth = PHU_SNMP_AUTH_SHA1,
         .privacy = PHU_SNMP_PRIVACY_AES128},
    };

    (void)arg;
    return &credentials[name[0] - '1'];
}

static int open_device_end(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t length = sizeof address;
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);

    if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof address) < 0 ||
        getsockname(fd, (struct sockaddr *)&address, &length) < 0)
        abort();
    fuzz.options.port = ntohs(address.sin_port);
    return fd;
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    static const struct phu_snmp_options options = {
        .concurrency = 4, .max_interfaces = 50, .receive_buffer = 1 << 20, .profiles = ""};
    struct phu_collector_env env = {
        .sink = &fuzz.sink, .agent = "fuzz", .state_dir = "", .credential = find_credential};

    (void)argc;
    (void)argv;
    phu_log_set_level(PHU_LOG_ERROR);
    fuzz.sink = (struct phu_sink){put, find_row};
    fuzz.fd = open_device_end();
    fuzz.sched = phu_sim_new(phu_sim_wall("2026-11-23T08:00:00Z"));
    fuzz.options.max_repetitions = 12;
    fuzz.options.pdu_timeout_ns = 50 * PHU_NS_PER_MS;
    fuzz.spec = (struct phu_check_spec){.id = "device",
                                        .address = "127.0.0.1",
                                        .argument = "",
                                        .rows = "* !bad*",
                                        .options = &fuzz.options,
                                        .timeout_ns = 20 * PHU_NS_PER_MS};
    env.sched = fuzz.sched;
    if (phu_collector_snmp.open(&env, &options, &fuzz.collector) < 0)
        abort();
    return 0;
}

/* Takes what was asked and answers with the next piece of the input. */
static size_t answer(const uint8_t *data, size_t size)
{
    uint8_t question[2048];
    struct sockaddr_in peer;
    socklen_t peer_length = sizeof peer;
    size_t length;

    if (size < 2)
        return 0;
    length = (size_t)(data[0] << 8 | data[1]);
    if (length > size - 2)
        length = size - 2;
    if (recvfrom(fuzz.fd, question, sizeof question, 0, (struct sockaddr *)&peer, &peer_length) < 0)
        return 0;
    while (recv(fuzz.fd, question, sizeof question, 0) >= 0)
        ;
    if (sendto(fuzz.fd, data + 2, length, 0, (struct sockaddr *)&peer, peer_length) < 0)
        return 0;
    watch.ready(watch.arg, PHU_WATCH_READ);
    return length + 2;
}

static void poll_once(void *device, const uint8_t **data, size_t *size)
{
    uint8_t rest[2048];
    unsigned verdicts = fuzz.verdicts;

    phu_collector_snmp.poll(fuzz.collector, device);
    phu_sim_run(fuzz.sched, 0);
    while (fuzz.verdicts == verdicts) {
        size_t used = answer(*data, *size);

        *data += used;
        *size -= used;
        if (!used)
            break;
        phu_sim_run(fuzz.sched, 0);
    }
    phu_sim_run(fuzz.sched, fuzz.spec.timeout_ns + PHU_NS_PER_MS);
    assert(fuzz.verdicts == verdicts + 1);
    while (recv(fuzz.fd, rest, sizeof rest, 0) >= 0)
        ;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const names[] = {"1", "2", "3", "4"};
    void *device;

    if (size < 1)
        return 0;
    fuzz.spec.credential = names[data[0] & 3];
    fuzz.options.retries = data[0] >> 2 & 1;
    data++;
    size--;
    fuzz.rows = 0;
    if (phu_collector_snmp.attach(fuzz.collector, &fuzz.spec, &device) < 0)
        abort();
    /* Twice, so that deltas are made. */
    poll_once(device, &data, &size);
    poll_once(device, &data, &size);
    phu_collector_snmp.detach(fuzz.collector, device);
    return 0;
}
