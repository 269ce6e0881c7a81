/* Owns what runs, and one epoll set of it: the devices' sockets, the control socket, signals. */
#include "run.h"

#include "clock.h"
#include "control.h"
#include "files.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <unistd.h>

enum { ANSWER_BYTES = LAB_HEADROOM + LAB_DATAGRAM_MAX, WATCHED = 3 };

struct responder {
    struct lab_snmp_options *options;
    struct lab_server *server;
    struct lab_socket *socket;
    struct lab_control *control;
    uint8_t *answers; /* LAB_BATCH of ANSWER_BYTES */
    uint64_t unsent;
    int epoll_fd;
    int signal_fd;
    bool is_stopping;
};

static int watch(const struct responder *responder, int fd)
{
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};

    return epoll_ctl(responder->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
}

static void print_counts(const struct responder *responder, FILE *out)
{
    const struct lab_counts *counts = lab_server_counts(responder->server);

    fprintf(out,
            "{\"requests\": %" PRIu64 ", \"answers\": %" PRIu64 ", \"varbinds\": %" PRIu64
            ", \"get\": %" PRIu64 ", \"getnext\": %" PRIu64 ", \"getbulk\": %" PRIu64
            ", \"set\": %" PRIu64 ", \"errors\": %" PRIu64 ", \"bad\": %" PRIu64
            ", \"unknown\": %" PRIu64 ", \"unsent\": %" PRIu64 "}\n",
            counts->requests, counts->answers, counts->varbinds, counts->gets, counts->nexts,
            counts->bulks, counts->sets, counts->errors, counts->bad, counts->unknown,
            responder->unsent);
}

static void handle_words(void *context, char **words, int count, struct lab_reply *reply)
{
    struct responder *responder = context;

    if (count == 1 && strcmp(words[0], "stats") == 0) {
        print_counts(responder, reply->out);
    } else if (count == 1 && strcmp(words[0], "stop") == 0) {
        responder->is_stopping = true;
    } else {
        fprintf(reply->out, "unknown words \"%.60s\": say stats or stop\n", words[0]);
        reply->is_refused = true;
    }
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
    if (error == 0 && options->file)
        error = lab_server_set_default(responder->server, name);
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
    if (!responder->answers)
        return lab_fail(err, "out of memory");
    error = load(responder, err);
    if (error < 0)
        return error;
    error = lab_socket_open(options->listens, options->listen_count, &responder->socket, err);
    if (error == 0 && watch(responder, lab_socket_fd(responder->socket)) < 0)
        error = lab_fail(err, "cannot wait for requests: %s", strerror(errno));
    if (error < 0 || !options->control)
        return error;
    error = lab_control_open(options->control, handle_words, responder, &responder->control);
    if (error == 0)
        error = watch(responder, lab_control_fd(responder->control));
    return error < 0 ? lab_fail(err, "--control %.90s: %s", options->control, strerror(-error)) : 0;
}

static void close_all(struct responder *responder)
{
    lab_control_close(responder->control);
    lab_socket_close(responder->socket);
    lab_server_free(responder->server);
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

static void answer_batch(struct responder *responder, struct lab_datagram *datagrams, int count,
                         int from)
{
    struct lab_datagram answers[LAB_BATCH];
    int64_t now_ns = lab_now();
    int ready = 0;

    for (int i = 0; i < count; i++) {
        struct lab_writer out;
        struct lab_fate fate;

        lab_writer_init(&out, responder->answers + (size_t)ready * ANSWER_BYTES, ANSWER_BYTES,
                        LAB_HEADROOM);
        lab_server_answer(responder->server, datagrams[i].bytes, datagrams[i].length,
                          &datagrams[i].device, now_ns, &out, &fate);
        if (!fate.is_sent)
            continue;
        answers[ready++] = (struct lab_datagram){
            .bytes = out.bytes + out.start,
            .length = lab_writer_length(&out),
            .device = datagrams[i].device,
            .peer = datagrams[i].peer,
        };
    }
    responder->unsent +=
        (uint64_t)(ready - lab_socket_send(responder->socket, from, answers, ready));
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

    while (!responder->is_stopping) {
        int count = epoll_wait(responder->epoll_fd, ready, WATCHED, -1);

        for (int i = 0; i < count; i++) {
            if (ready[i].data.fd == responder->signal_fd)
                responder->is_stopping = true;
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
    error = open_all(&responder, &err);
    if (error < 0) {
        fprintf(stderr, "phusong-lab-snmp: %s\n", err.text);
    } else {
        if (options->dies_with_parent) {
            prctl(PR_SET_PDEATHSIG, SIGTERM);
            responder.is_stopping = getppid() != parent;
        }
        print_ready(&responder);
        loop(&responder);
        print_counts(&responder, stdout);
    }
    close_all(&responder);
    return error < 0 ? 1 : 0;
}
