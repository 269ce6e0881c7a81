/* `phusong-lab run`: opens the parts in order, turns the loop, closes them in reverse.
 *
 * The loop sleeps until a packet comes or is due. A sleeping process wakes up some 50 to 100 us
 * late on common machines, so the last stretch before a packet is due is spent looking instead,
 * within a budget of a quarter of the time, lest the lab take a core from those it is to serve. */
#include "lab.h"

#include "clock.h"
#include "sweep.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    BATCH = 64, /* packets from one side before the other side and the queue have their turn */
    PACKET_MAX = 65536,
    SPIN_SHARE = 4, /* one part of the time in so many */
    REALTIME_PRIORITY = 5,
    EXIT_NOT_POSSIBLE = 77,
};

static const int64_t second_ns = 1000000000;
static const int64_t spin_budget_ns = 10000000;

/* A terminal that was stopped, or a pipe that nobody reads, must not stop the lab. */
static bool can_be_told(void)
{
    struct pollfd err = {.fd = STDERR_FILENO, .events = POLLOUT};

    return poll(&err, 1, 0) > 0 && err.revents & POLLOUT;
}

void lab_event(struct lab *lab, const char *format, ...)
{
    int64_t wall_ns = lab_wall();
    time_t wall_s = (time_t)(wall_ns / second_ns);
    char stamp[40];
    char text[LAB_LINE_MAX + 128];
    struct tm parts;
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    strftime(stamp, sizeof(stamp), "%Y-%m-%dT%H:%M:%S", gmtime_r(&wall_s, &parts));
    fprintf(lab->events, "%s.%06" PRId64 "Z %s\n", stamp, wall_ns % second_ns / 1000, text);
    fflush(lab->events);
    if (!lab->options.is_quiet && can_be_told())
        fprintf(stderr, "phusong-lab: %s\n", text);
}

static void player_changed(void *context, const char *text)
{
    lab_event(context, "%s", text);
}

static int send_packet(void *context, enum lab_dir dir, const uint8_t *bytes, size_t length)
{
    struct lab *lab = context;

    return write(lab->net.sides[dir].tun_fd, bytes, length) == (ssize_t)length ? 0 : -errno;
}

static int64_t find_sent(void *context, const struct lab_packet *packet, int64_t now_ns)
{
    struct lab *lab = context;

    return lab_stamps_find(lab->net.stamps, packet, now_ns);
}

static int64_t read_clock(void *context)
{
    (void)context;
    return lab_now();
}

void lab_count_overruns(struct lab *lab)
{
    struct lab_totals *totals = &lab->board->totals;

    if (!lab->has_net)
        return;
    /* Packets on their way to the district wait to be read at the agent's interface. */
    totals->overrun[LAB_TO] = lab_net_overrun(&lab->net, LAB_FROM);
    totals->overrun[LAB_FROM] = lab_net_overrun(&lab->net, LAB_TO);
}

static void tidy(struct lab *lab, int64_t now_ns)
{
    uint64_t overruns;

    lab->tidied_ns = now_ns;
    if (!lab->has_net)
        return;
    lab_forward_tidy(lab->forward, now_ns);
    lab_count_overruns(lab);
    overruns = lab_board_overruns(lab->board);
    if (overruns > lab->told_overruns)
        lab_event(lab, "overrun: %" PRIu64 " packets lost by the lab itself so far", overruns);
    lab->told_overruns = overruns;
}

static void drain(struct lab *lab, enum lab_dir dir)
{
    static const enum lab_dir source_of[LAB_DIRS] = {[LAB_TO] = LAB_FROM, [LAB_FROM] = LAB_TO};
    int fd = lab->net.sides[source_of[dir]].tun_fd;
    uint8_t bytes[PACKET_MAX];

    for (int i = 0; i < BATCH; i++) {
        ssize_t got = read(fd, bytes, sizeof(bytes));

        if (got <= 0)
            return;
        lab_forward_put(lab->forward, dir, bytes, (size_t)got, lab_now(), lab_wall());
    }
}

static void reap(struct lab *lab)
{
    int status;
    pid_t pid;

    while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
        for (int i = 0; i < LAB_CHILDREN; i++)
            if (lab->children[i].pid == pid) {
                lab->children[i].pid = 0;
                lab_event(lab, "%s ended by itself, with %s %d", lab->children[i].name,
                          WIFSIGNALED(status) ? "signal" : "status",
                          WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
            }
}

static void take_signals(struct lab *lab)
{
    struct signalfd_siginfo info;

    while (read(lab->signal_fd, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
        if (info.ssi_signo == SIGCHLD)
            reap(lab);
        else
            lab->is_stopping = true;
    }
}

/* How long to sleep; 0 to look again at once. */
static int64_t choose_sleep(struct lab *lab, int64_t now_ns)
{
    int64_t due_ns = lab->has_net ? lab_forward_due(lab->forward) : INT64_MAX;
    int64_t next_ns = lab_player_due(lab->player);
    int64_t elapsed_ns = now_ns - lab->looped_ns;

    lab->looped_ns = now_ns;
    lab->spin_left_ns += lab->was_spinning ? -elapsed_ns : elapsed_ns / SPIN_SHARE;
    if (lab->was_spinning)
        lab->board->totals.spin_ns += (uint64_t)elapsed_ns;
    if (lab->spin_left_ns > spin_budget_ns)
        lab->spin_left_ns = spin_budget_ns;
    lab->was_spinning = due_ns - now_ns < lab->options.spin_ns && lab->spin_left_ns > 0;
    if (lab->was_spinning || due_ns <= now_ns)
        return 0;
    if (lab->spin_left_ns > 0 && due_ns != INT64_MAX)
        due_ns -= lab->options.spin_ns;
    if (lab->tidied_ns + second_ns < next_ns)
        next_ns = lab->tidied_ns + second_ns;
    if (due_ns < next_ns)
        next_ns = due_ns;
    return next_ns > now_ns ? next_ns - now_ns : 0;
}

static void dispatch(struct lab *lab, int fd)
{
    if (fd == lab->signal_fd)
        take_signals(lab);
    else if (fd == lab_control_fd(lab->control))
        lab_control_serve(lab->control);
    else if (fd == lab->net.sides[LAB_FROM].tun_fd)
        drain(lab, LAB_TO);
    else
        drain(lab, LAB_FROM);
}

static void turn(struct lab *lab)
{
    int64_t sleep_ns = choose_sleep(lab, lab_now());
    struct timespec timeout = {.tv_sec = sleep_ns / second_ns, .tv_nsec = sleep_ns % second_ns};
    struct epoll_event events[4];
    int ready = epoll_pwait2(lab->epoll_fd, events, 4, &timeout, NULL);
    int64_t now_ns;

    for (int i = 0; i < ready; i++) {
        lab->was_spinning = false;
        dispatch(lab, events[i].data.fd);
    }
    if (lab->has_net && lab_forward_release(lab->forward, BATCH) > 0)
        lab->was_spinning = false;
    now_ns = lab_now();
    lab_player_run(lab->player, now_ns);
    if (now_ns - lab->tidied_ns >= second_ns)
        tidy(lab, now_ns);
}

static int watch(struct lab *lab, int fd)
{
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};

    return epoll_ctl(lab->epoll_fd, EPOLL_CTL_ADD, fd, &event);
}

static int open_loop(struct lab *lab, struct lab_error *err)
{
    sigset_t signals;

    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGHUP);
    sigaddset(&signals, SIGCHLD);
    sigprocmask(SIG_BLOCK, &signals, NULL);
    signal(SIGPIPE, SIG_IGN);
    lab->signal_fd = signalfd(-1, &signals, SFD_NONBLOCK | SFD_CLOEXEC);
    lab->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (lab->signal_fd < 0 || lab->epoll_fd < 0 || watch(lab, lab->signal_fd) < 0)
        return lab_fail(err, "no event loop: %s", strerror(errno));
    return 0;
}

static void use_loopback(struct lab *lab)
{
    struct lab_net_config *net = &lab->options.net;
    struct lab_error ignored;

    net->prefix_count = 1;
    net->own_agent_ns = false;
    lab_prefix_parse("127.27.0.0/16", &net->prefixes[0], &ignored);
    lab->options.serve.loopback_only = true;
}

static int open_net(struct lab *lab, struct lab_error *err)
{
    struct lab_error why = {"asked for with --loopback"};
    int error;

    if (lab->options.is_loopback || lab_net_possible(&why) < 0) {
        if (lab->options.needs_tun) {
            lab_fail(err, "%.230s", why.text);
            return -EOPNOTSUPP;
        }
        use_loopback(lab);
        lab_event(lab, "loopback addresses without impairments: %.200s", why.text);
        return 0;
    }
    lab->options.net.stamps = !lab->options.no_stamps;
    error = lab_net_open(&lab->options.net, &lab->net, err);
    if (error < 0)
        return error;
    lab->has_net = true;
    if (!lab->net.has_v6)
        lab_event(lab, "no IPv6 here: its prefixes are left out");
    for (int dir = 0; dir < LAB_DIRS; dir++)
        if (watch(lab, lab->net.sides[dir].tun_fd) < 0)
            return lab_fail(err, "epoll: %s", strerror(errno));
    return 0;
}

static int open_forward(struct lab *lab, struct lab_error *err)
{
    struct lab_forward_config config = {
        .board = lab->board,
        .rules = lab->rules,
        .truth = lab->truth,
        .prefixes = lab->options.net.prefixes,
        .prefix_count = lab->options.net.prefix_count,
        .seed = lab->options.seed,
        .buffer_bytes = lab->options.buffer_bytes,
        .send = send_packet,
        .now = read_clock,
        .sent = find_sent,
        .context = lab,
    };

    lab->forward = lab_forward_new(&config);
    return lab->forward ? 0 : lab_fail(err, "out of memory");
}

/* Rules without a time hold before the first packet passes. */
static int open_rules(struct lab *lab, struct lab_error *err)
{
    lab->player = lab_player_new(lab->rules, lab->options.seed, player_changed, lab);
    if (!lab->player)
        return lab_fail(err, "out of memory");
    if (!lab->has_net && lab->options.steps.count)
        lab_event(lab, "rules and scenario have no effect on loopback addresses");
    for (size_t i = 0; lab->has_net && i < lab->options.steps.count; i++) {
        const struct lab_step *step = &lab->options.steps.items[i];
        struct lab_error why;

        if (lab_check_target(lab, &step->statement, &why) < 0)
            return lab_fail(err, "line %u: %.200s", step->line, why.text);
        if (lab_player_add(lab->player, step, lab->started_ns) < 0)
            return lab_fail(err, "too many rules");
    }
    lab_player_run(lab->player, lab->started_ns);
    return 0;
}

static int open_children(struct lab *lab, struct lab_error *err)
{
    int ns_fd = lab->has_net ? lab->net.sides[LAB_TO].ns_fd : -1;
    int error = 0;

    if (lab->options.serve.count)
        error = lab_child_serve(&lab->children[LAB_CHILD_SERVE], ns_fd, &lab->options.serve, err);
    if (error < 0 && !lab->has_net) { /* there the ports are the machine's, and may be taken */
        lab_event(lab, "no services: %s", err->text);
        lab->options.serve.count = 0;
        error = 0;
    }
    if (error < 0 || !lab->options.snmp.community)
        return error;
    if (!lab->has_net) {
        lab_event(lab, "no snmpd on loopback addresses, for it would answer the whole machine's");
        return 0;
    }
    return lab_child_snmpd(&lab->children[LAB_CHILD_SNMPD], ns_fd, &lab->options.snmp,
                           lab->state.directory, err);
}

static int open_state(struct lab *lab, struct lab_error *err)
{
    char path[128];
    bool had_leftovers;
    int error = lab_state_open(lab->options.state, &lab->state, &had_leftovers, err);

    if (error < 0)
        return error;
    lab->events = fopen(lab_state_path(lab->state.directory, "events.log", path), "w+e");
    if (!lab->events)
        return lab_fail(err, "%s: %s", path, strerror(errno));
    if (had_leftovers)
        lab_event(lab, "an earlier lab was killed here: ended %zu processes it left", lab_sweep());
    error = lab_board_open(&lab->board, &lab->board_fd);
    if (error < 0)
        return lab_fail(err, "cannot make the board of counters: %s", strerror(-error));
    lab->rules = lab_rules_new();
    if (!lab->rules)
        return lab_fail(err, "out of memory");
    if (lab->options.counts_only)
        return 0;
    error =
        lab_truth_open(lab_state_path(lab->state.directory, "truth.bin", path), lab->options.seed,
                       lab->started_wall_ns, lab->options.truth_bytes, &lab->truth);
    return error == 0 ? 0 : lab_fail(err, "%s: %s", path, strerror(-error));
}

static int open_control(struct lab *lab, struct lab_error *err)
{
    char path[128];
    int error = lab_control_open(lab_state_path(lab->state.directory, "control", path), lab_handle,
                                 lab, &lab->control);

    if (error < 0)
        return lab_fail(err, "%s: %s", path, strerror(-error));
    return watch(lab, lab_control_fd(lab->control)) < 0
               ? lab_fail(err, "epoll: %s", strerror(errno))
               : 0;
}

static void become_realtime(struct lab *lab)
{
    struct sched_param priority = {.sched_priority = REALTIME_PRIORITY};

    prctl(PR_SET_TIMERSLACK, 1);
    lab->is_realtime =
        !lab->options.no_realtime && sched_setscheduler(0, SCHED_FIFO, &priority) == 0;
}

static int open_lab(struct lab *lab, struct lab_error *err)
{
    int error = open_loop(lab, err);

    lab->started_ns = lab->tidied_ns = lab->looped_ns = lab_now();
    lab->started_wall_ns = lab_wall();
    if (error == 0)
        error = open_state(lab, err);
    if (error == 0)
        error = open_net(lab, err);
    if (error == 0)
        error = open_forward(lab, err);
    if (error == 0)
        error = open_rules(lab, err);
    if (error == 0)
        error = open_children(lab, err);
    if (error == 0)
        error = open_control(lab, err);
    if (error == 0)
        become_realtime(lab);
    return error;
}

static void close_lab(struct lab *lab)
{
    for (int i = 0; i < LAB_CHILDREN; i++)
        lab_child_stop(&lab->children[i]);
    lab_player_free(lab->player);
    lab_forward_free(lab->forward);
    if (lab->has_net)
        lab_net_close(&lab->net, lab->options.net.own_agent_ns);
    lab_truth_close(lab->truth);
    lab_rules_free(lab->rules);
    lab_board_close(lab->board, lab->board_fd);
    if (lab->events)
        fclose(lab->events);
    lab_state_close(&lab->state, lab->options.keeps_files);
    lab_control_close(lab->control); /* last: a waiting `stop` returns now */
    if (lab->epoll_fd >= 0)
        close(lab->epoll_fd);
    if (lab->signal_fd >= 0)
        close(lab->signal_fd);
    lab_options_fini(&lab->options);
}

/* Forks; the parent waits until the child is ready or has failed, and ends with its verdict. */
static int go_background(void)
{
    int ends[2];
    char verdict = 1;
    pid_t pid;

    if (pipe2(ends, O_CLOEXEC) < 0 || (pid = fork()) < 0)
        return -1;
    if (pid == 0) {
        close(ends[0]);
        setsid();
        return ends[1];
    }
    close(ends[1]);
    while (read(ends[0], &verdict, 1) < 0 && errno == EINTR)
        continue;
    exit(verdict);
}

static void tell_ready(struct lab *lab, int ready_fd)
{
    int null_fd;

    lab_event(lab, "ready, mode %s, seed %" PRIu64 ", state %s", lab->has_net ? "tun" : "loopback",
              lab->options.seed, lab->state.directory);
    if (ready_fd < 0)
        return;
    null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    for (int fd = 0; fd < 3 && null_fd >= 0; fd++)
        dup2(null_fd, fd);
    if (null_fd >= 0)
        close(null_fd);
    if (write(ready_fd, "", 1) == 1) /* the exit status of the parent: 0 */
        close(ready_fd);
}

static int run_lab(struct lab *lab, int ready_fd)
{
    struct lab_error err;
    char status = 0;
    int error = open_lab(lab, &err);

    if (error == 0) {
        tell_ready(lab, ready_fd);
        while (!lab->is_stopping)
            turn(lab);
        tidy(lab, lab_now());
        lab_event(lab, "stopping");
    } else {
        fprintf(stderr, "phusong-lab: %s\n", err.text);
        status = error == -EOPNOTSUPP ? EXIT_NOT_POSSIBLE : 1;
    }
    close_lab(lab);
    if (status && ready_fd >= 0 && write(ready_fd, &status, 1) < 0)
        return 1;
    return status;
}

int lab_run(char *const *words, int count)
{
    struct lab *lab = calloc(1, sizeof(*lab));
    struct lab_error err;
    int ready_fd = -1;
    int status = 2;
    int error;

    if (!lab)
        return 1;
    lab->board_fd = lab->epoll_fd = lab->signal_fd = lab->state.lock_fd = -1;
    error = lab_options_parse(words, count, &lab->options, &err);
    if (error == -ECANCELED) {
        printf(
            "Usage: phusong-lab run [OPTION]...\n\nRuns an emulated district until it is told to "
            "stop (phusong-lab stop, Ctrl-C).\n\n");
        lab_options_help(stdout);
        status = 0;
    } else if (error < 0)
        fprintf(stderr, "phusong-lab: %s\n", err.text);
    if (error < 0) {
        lab_options_fini(&lab->options);
        free(lab);
        return status;
    }
    if (lab->options.dies_with_parent)
        prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (lab->options.is_background)
        ready_fd = go_background();
    status = run_lab(lab, ready_fd);
    free(lab);
    return status;
}
