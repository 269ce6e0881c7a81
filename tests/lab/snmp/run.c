/* Owns what runs, and one epoll set of it: the devices' sockets, the control socket, signals. */
#include "run.h"

#include "clock.h"
#include "files.h"
#include "queue.h"
#include "synthetic.h"
#include "tell.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <unistd.h>

enum { ANSWER_BYTES = LAB_HEADROOM + LAB_DATAGRAM_MAX, WATCHED = 3 };

enum { LATE_MAX = 200000 }; /* answers that may wait */

/* An answer that is sent later. */
struct late {
    int from;
    struct lab_datagram datagram; /* its bytes are `bytes` */
    uint8_t bytes[];
};

struct responder {
    struct lab_snmp_options *options;
    struct lab_server *server;
    struct lab_socket *socket;
    struct lab_control *control;
    struct lab_queue *late; /* answers that wait, struct late */
    struct lab_tell tell;
    uint8_t *answers; /* LAB_BATCH of ANSWER_BYTES */
    int epoll_fd;
    int signal_fd;
};

static int watch(const struct responder *responder, int fd)
{
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};

    return epoll_ctl(responder->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
}

static int make_synthetic(struct responder *responder, char *name, size_t size,
                          struct lab_error *err)
{
    struct lab_recording *recording;
    struct lab_error why;

    if (lab_synthetic_make(responder->options->synthetic, &recording, &why) < 0)
        return lab_fail(err, "--synthetic: %.200s", why.text);
    snprintf(name, size, "%s", recording->name);
    lab_server_take_recording(responder->server, recording);
    return 0;
}

static int load(struct responder *responder, struct lab_error *err)
{
    struct lab_snmp_options *options = responder->options;
    char name[256];
    int error = 0;

    if (options->folder)
        error = lab_files_load_folder(responder->server, options->folder, options, stderr, err);
    if (error == 0 && options->file)
        error = lab_files_load(responder->server, options->file, options, stderr, name,
                               sizeof(name), err);
    if (error == 0 && options->synthetic)
        error = make_synthetic(responder, name, sizeof(name), err);
    if (error == 0 && (options->file || options->synthetic))
        error = lab_server_set_default(responder->server, name);
    if (error == 0 && options->map)
        error = lab_files_map(responder->server, options->map, err);
    for (size_t i = 0; error == 0 && i < options->user_count; i++) {
        struct lab_error why;

        error = lab_server_add_user(responder->server, options->users[i], &why);
        if (error < 0)
            lab_fail(err, "--user: %.200s", why.text);
    }
    for (size_t i = 0; error == 0 && i < options->fault_count; i++) {
        struct lab_error why;

        error =
            lab_tell_fault(&responder->tell, options->faults[i], options->server.started_ns, &why);
        if (error < 0)
            lab_fail(err, "--fault \"%.60s\": %.150s", options->faults[i], why.text);
    }
    return error;
}

static int open_signals(struct responder *responder)
{
    sigset_t signals;

    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    if (sigprocmask(SIG_BLOCK, &signals, NULL) < 0)
        return -errno;
    responder->signal_fd = signalfd(-1, &signals, SFD_NONBLOCK | SFD_CLOEXEC);
    return responder->signal_fd < 0 ? -errno : watch(responder, responder->signal_fd);
}

static int open_all(struct responder *responder, struct lab_error *err)
{
    struct lab_snmp_options *options = responder->options;
    int error;

    responder->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (responder->epoll_fd < 0 || open_signals(responder) < 0)
        return lab_fail(err, "cannot wait for events: %s", strerror(errno));
    responder->answers = malloc((size_t)LAB_BATCH * ANSWER_BYTES);
    responder->late = lab_queue_new();
    if (!responder->answers || !responder->late)
        return lab_fail(err, "out of memory");
    error = load(responder, err);
    if (error < 0)
        return error;
    error = lab_socket_open(options->listens, options->listen_count, &responder->socket, err);
    if (error == 0 && watch(responder, lab_socket_fd(responder->socket)) < 0)
        error = lab_fail(err, "cannot wait for requests: %s", strerror(errno));
    if (error < 0 || !options->control)
        return error;
    error =
        lab_control_open(options->control, lab_tell_handle, &responder->tell, &responder->control);
    if (error == 0)
        error = watch(responder, lab_control_fd(responder->control));
    return error < 0 ? lab_fail(err, "--control %.90s: %s", options->control, strerror(-error)) : 0;
}

static void close_all(struct responder *responder)
{
    lab_control_close(responder->control);
    lab_socket_close(responder->socket);
    lab_server_free(responder->server);
    while (responder->late && lab_queue_count(responder->late))
        free(lab_queue_take(responder->late));
    lab_queue_free(responder->late);
    free(responder->answers);
    if (responder->signal_fd >= 0)
        close(responder->signal_fd);
    if (responder->epoll_fd >= 0)
        close(responder->epoll_fd);
}

static void print_ready(const struct responder *responder)
{
    printf("ready");
    for (size_t i = 0; i < responder->options->listen_count; i++) {
        const struct lab_listen *listen = &responder->options->listens[i];
        char prefix[LAB_PREFIX_TEXT];
        char host[LAB_ADDR_TEXT];
        bool is_v4 = lab_prefix_is_v4(&listen->prefix);

        if (listen->prefix.length == 128)
            snprintf(prefix, sizeof(prefix), "%s", lab_addr_format(&listen->prefix.addr, host));
        else
            lab_prefix_format(&listen->prefix, prefix);
        printf(is_v4 ? " %s:%u" : " [%s]:%u", prefix, listen->port);
    }
    printf("\n");
    fflush(stdout);
}

/* Answers that go together. */
struct batch {
    struct lab_datagram datagrams[LAB_BATCH];
    int count;
    int from;
};

static void send_batch(struct responder *responder, struct batch *batch)
{
    int sent = lab_socket_send(responder->socket, batch->from, batch->datagrams, batch->count);

    lab_server_counts(responder->server)->unsent += (uint64_t)(batch->count - sent);
    batch->count = 0;
}

static void put_late(struct responder *responder, const struct lab_datagram *datagram, int from,
                     int64_t due_ns)
{
    struct late *late = lab_queue_count(responder->late) < LATE_MAX
                            ? malloc(sizeof(*late) + datagram->length)
                            : NULL;

    if (late) {
        *late = (struct late){.from = from, .datagram = *datagram};
        memcpy(late->bytes, datagram->bytes, datagram->length);
        late->datagram.bytes = late->bytes;
        if (lab_queue_put(responder->late, due_ns, late) == 0)
            return;
        free(late);
    }
    lab_server_counts(responder->server)->unsent++;
}

static void answer_batch(struct responder *responder, const struct lab_datagram *requests,
                         int count, int from)
{
    struct batch batch = {.from = from};
    int64_t now_ns = lab_now();

    for (int i = 0; i < count; i++) {
        struct lab_datagram answer = {.peer = requests[i].peer};
        struct lab_writer out;
        struct lab_fate fate;

        lab_writer_init(&out, responder->answers + (size_t)i * ANSWER_BYTES, ANSWER_BYTES,
                        LAB_HEADROOM);
        lab_server_answer(responder->server, requests[i].bytes, requests[i].length,
                          &requests[i].device, now_ns, &out, &fate);
        answer.bytes = out.bytes + out.start;
        answer.length = fate.length;
        answer.device = fate.source;
        for (unsigned copy = 0; copy < fate.copies; copy++) {
            if (fate.delay_ns) {
                put_late(responder, &answer, from, now_ns + fate.delay_ns);
                continue;
            }
            batch.datagrams[batch.count++] = answer;
            if (batch.count == LAB_BATCH)
                send_batch(responder, &batch);
        }
    }
    if (batch.count)
        send_batch(responder, &batch);
}

/* Sends what is due; returns how long to wait for the next, -1 when nothing waits. */
static int send_late(struct responder *responder)
{
    int64_t now_ns = lab_now();

    while (lab_queue_due(responder->late) <= now_ns) {
        struct late *late = lab_queue_take(responder->late);
        struct batch batch = {.datagrams = {late->datagram}, .count = 1, .from = late->from};

        send_batch(responder, &batch);
        free(late);
    }
    if (lab_queue_count(responder->late) == 0)
        return -1;
    return (int)((lab_queue_due(responder->late) - now_ns + 999999) / 1000000);
}

static void serve_requests(struct responder *responder)
{
    struct lab_datagram datagrams[LAB_BATCH];
    int from;
    int count = lab_socket_receive(responder->socket, datagrams, &from);

    if (count > 0)
        answer_batch(responder, datagrams, count, from);
}

static void loop(struct responder *responder)
{
    struct epoll_event ready[WATCHED];

    while (!responder->tell.is_stopping) {
        int count = epoll_wait(responder->epoll_fd, ready, WATCHED, send_late(responder));

        for (int i = 0; i < count; i++) {
            if (ready[i].data.fd == responder->signal_fd)
                responder->tell.is_stopping = true;
            else if (responder->control && ready[i].data.fd == lab_control_fd(responder->control))
                lab_control_serve(responder->control);
            else
                serve_requests(responder);
        }
    }
}

int lab_snmp_run(struct lab_snmp_options *options)
{
    struct responder responder = {.options = options, .epoll_fd = -1, .signal_fd = -1};
    struct lab_error err;
    pid_t parent = getppid();
    int error;

    options->server.started_ns = lab_now();
    responder.server = lab_server_new(&options->server);
    responder.tell = (struct lab_tell){.server = responder.server, .options = options};
    error = open_all(&responder, &err);
    if (error < 0) {
        fprintf(stderr, "phusong-lab-snmp: %s\n", err.text);
    } else {
        if (options->dies_with_parent) {
            prctl(PR_SET_PDEATHSIG, SIGTERM);
            responder.tell.is_stopping = getppid() != parent;
        }
        print_ready(&responder);
        loop(&responder);
        lab_tell_counts(responder.server, stdout);
    }
    close_all(&responder);
    return error < 0 ? 1 : 0;
}
