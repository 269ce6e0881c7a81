/* Time to connect: a TCP connection is opened and, once it stands, dropped by a reset, so that
 * neither side keeps state.
 *
 * The time is the kernel's, so that a busy process does not look like a slow network: tcpi_rtt is
 * what passed between SYN and SYN-ACK. When the SYN had to be repeated there may be no such
 * measurement and it would hide the wait; then the time is ours, less how long ago the kernel saw
 * the last acknowledgement. What has happened decides, not when the loop came to it: at the
 * timeout the socket is asked before it counts as silent.
 *
 * ECONNREFUSED has two causes, a reset by the endpoint and an ICMP message by anyone on the way;
 * the error queue (IP_RECVERR) tells them apart.
 *
 * At most `max_concurrent` connections are under way. Further checks wait their turn, up to 0.9 s,
 * so that their verdict comes in time; their time begins when the SYN leaves.
 */
#include "phusong/collector.h"
#include "phusong/conf.h"
#include "phusong/log.h"
#include "phusong/name.h"
#include "phusong/resolve.h"
#include "phusong/route.h"
#include "phusong/sched.h"
#include "phusong/sink.h"
#include "phusong/stats.h"

#include <errno.h>
#include <linux/errqueue.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define WAIT_NS (900 * PHU_NS_PER_MS)

struct tcp_options {
    int64_t max_concurrent;
};

struct tcp_check_options {
    char *source, *interface;
    int family;
};

static const struct phu_option tcp_options[] = {
    {.name = "max_concurrent",
     .type = PHU_OPTION_INT,
     .offset = offsetof(struct tcp_options, max_concurrent),
     .fallback = "512",
     .min = "1",
     .max = "16384",
     .meaning = "so many connections at most are under way; one that has to wait 0.9 s is skipped"},
};
static const struct phu_option_table tcp_table = PHU_OPTION_TABLE(tcp_options, struct tcp_options);

static const struct phu_option tcp_check_options[] = {
    {.name = "source",
     .type = PHU_OPTION_STRING,
     .offset = offsetof(struct tcp_check_options, source),
     .fallback = "",
     .meaning = "local address to connect from; empty: by route"},
    {.name = "interface",
     .type = PHU_OPTION_STRING,
     .offset = offsetof(struct tcp_check_options, interface),
     .fallback = "",
     .meaning = "interface to connect through; empty: by route"},
    {.name = "family",
     .type = PHU_OPTION_CHOICE,
     .offset = offsetof(struct tcp_check_options, family),
     .fallback = "any",
     .choices = phu_family_choices,
     .meaning = "address family of a host name"},
};

static void validate_check(const void *pointer, void *context)
{
    const struct tcp_check_options *options = pointer;

    phu_route_validate(context, options->source, options->interface, options->family);
}

static const struct phu_option_table tcp_check_table = {
    .options = tcp_check_options,
    .count = sizeof tcp_check_options / sizeof *tcp_check_options,
    .size = sizeof(struct tcp_check_options),
    .validate = validate_check,
};

enum { METRIC_CONNECT, METRIC_SYN_REPEATED, METRIC_REFUSED, METRIC_UNREACHABLE };

static const struct phu_metric tcp_metrics[] = {
    [METRIC_CONNECT] = {.measurement = "tcp",
                        .name = "connect_us",
                        .unit = "us",
                        .kind = PHU_METRIC_SKETCH,
                        .type = PHU_METRIC_INT,
                        .meaning = "From SYN to SYN-ACK, repeated SYNs included"},
    [METRIC_SYN_REPEATED] = {.measurement = "tcp",
                             .name = "syn_repeated",
                             .unit = "1",
                             .kind = PHU_METRIC_COUNT,
                             .type = PHU_METRIC_INT,
                             .meaning = "SYNs sent again before the connection stood"},
    [METRIC_REFUSED] = {.measurement = "tcp",
                        .name = "refused",
                        .unit = "1",
                        .kind = PHU_METRIC_COUNT,
                        .type = PHU_METRIC_INT,
                        .meaning = "Connections that the endpoint reset"},
    [METRIC_UNREACHABLE] = {.measurement = "tcp",
                            .name = "unreachable",
                            .unit = "1",
                            .kind = PHU_METRIC_COUNT,
                            .type = PHU_METRIC_INT,
                            .meaning = "Connections ended by an ICMP error"},
};

enum state {
    IDLE,
    RESOLVING,
    WAITING, /* for a socket to become free */
    CONNECTING,
    FAILED, /* verdict known, told from the next turn of the loop */
};

struct tcp;

struct check {
    struct tcp *tcp;
    uint32_t handle;
    enum state state;
    enum phu_result result; /* while FAILED */
    const struct tcp_check_options *options;
    struct sockaddr_storage source; /* AF_UNSPEC: by route */
    struct phu_name *name;
    struct sockaddr_storage address;
    uint16_t port;
    int fd;
    int64_t timeout_ns;
    struct phu_mono started;
    struct phu_watch *watch;
    struct phu_timer timer;
    struct check *next, **link; /* while WAITING */
};

struct tcp {
    struct phu_sched *sched;
    struct phu_sink *sink;
    struct phu_resolver *resolver;
    struct phu_stats *stats;
    int64_t connecting_most;
    struct check *waiting, **waiting_end;
    bool is_starting;
    struct counters {
        int64_t connects, connecting, skipped, local_errors;
    } counters;
};

/* -- The queue ------------------------------------------------------------------------------- */

static void join_queue(struct tcp *tcp, struct check *check)
{
    check->next = NULL;
    check->link = tcp->waiting_end;
    *tcp->waiting_end = check;
    tcp->waiting_end = &check->next;
}

static void leave_queue(struct tcp *tcp, struct check *check)
{
    *check->link = check->next;
    if (check->next)
        check->next->link = check->link;
    else
        tcp->waiting_end = check->link;
}

/* -- Verdicts -------------------------------------------------------------------------------- */

static void start_waiting(struct tcp *tcp);

/* Whatever the check is doing ends. */
static void end_attempt(struct check *check)
{
    struct tcp *tcp = check->tcp;

    if (check->state == WAITING)
        leave_queue(tcp, check);
    phu_timer_cancel(tcp->sched, &check->timer);
    phu_watch_close(check->watch);
    check->watch = NULL;
    if (check->fd >= 0) {
        close(check->fd); /* with SO_LINGER 0: a reset, no TIME_WAIT */
        check->fd = -1;
        tcp->counters.connecting--;
    }
    check->state = IDLE;
}

static void put_verdict(struct check *check, enum phu_result result, int64_t connect_ns,
                        int64_t repeated)
{
    struct phu_mono now = phu_sched_now(check->tcp->sched);
    struct phu_observation observation = {
        .check = check->handle, .result = result, .started = now, .completed = now};
    struct phu_value values[2];

    if (check->state == CONNECTING)
        observation.started = check->started;
    if (result == PHU_RESULT_OK) {
        observation.completed = phu_mono_add(check->started, connect_ns);
        values[observation.value_count++] = (struct phu_value){
            METRIC_CONNECT, {.i = (connect_ns + PHU_NS_PER_US / 2) / PHU_NS_PER_US}};
        if (repeated)
            values[observation.value_count++] =
                (struct phu_value){METRIC_SYN_REPEATED, {.i = repeated}};
    } else if (result == PHU_RESULT_REFUSED || result == PHU_RESULT_UNREACHABLE) {
        values[observation.value_count++] = (struct phu_value){
            result == PHU_RESULT_REFUSED ? METRIC_REFUSED : METRIC_UNREACHABLE, {.i = 1}};
    }
    observation.values = values;
    check->tcp->counters.local_errors += result == PHU_RESULT_LOCAL_ERROR;
    check->tcp->counters.skipped += result == PHU_RESULT_SKIPPED;
    end_attempt(check);
    phu_sink_put(check->tcp->sink, &observation);
    start_waiting(check->tcp);
}

static void fail_later(struct check *check, enum phu_result result)
{
    end_attempt(check);
    check->state = FAILED;
    check->result = result;
    phu_timer_after(check->tcp->sched, &check->timer, 0);
}

/* -- The attempt ----------------------------------------------------------------------------- */

/* Did a message of ICMP end it? */
static bool has_icmp_error(const struct check *check)
{
    _Alignas(struct cmsghdr) uint8_t control[256];
    uint8_t data[64];
    struct iovec iov = {data, sizeof data};
    struct msghdr header = {
        .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};

    if (recvmsg(check->fd, &header, MSG_ERRQUEUE | MSG_DONTWAIT) < 0)
        return false;
    for (struct cmsghdr *message = CMSG_FIRSTHDR(&header); message;
         message = CMSG_NXTHDR(&header, message)) {
        bool is_v4 = message->cmsg_level == SOL_IP && message->cmsg_type == IP_RECVERR;
        bool is_v6 = message->cmsg_level == SOL_IPV6 && message->cmsg_type == IPV6_RECVERR;
        struct sock_extended_err error;

        if (!is_v4 && !is_v6)
            continue;
        memcpy(&error, CMSG_DATA(message), sizeof error);
        if (error.ee_origin == SO_EE_ORIGIN_ICMP || error.ee_origin == SO_EE_ORIGIN_ICMP6)
            return true;
    }
    return false;
}

static void judge_error(struct check *check, int error)
{
    if (error == ETIMEDOUT)
        put_verdict(check, PHU_RESULT_TIMEOUT, 0, 0);
    else if (has_icmp_error(check))
        put_verdict(check, PHU_RESULT_UNREACHABLE, 0, 0);
    else if (error == ECONNREFUSED || error == ECONNRESET)
        put_verdict(check, PHU_RESULT_REFUSED, 0, 0);
    else if (error == EHOSTUNREACH || error == ENETUNREACH) /* the neighbour does not answer ARP */
        put_verdict(check, PHU_RESULT_UNREACHABLE, 0, 0);
    else
        put_verdict(check, PHU_RESULT_LOCAL_ERROR, 0, 0);
}

static void judge_connection(struct check *check, const struct tcp_info *info)
{
    int64_t ours_ns = phu_mono_since(phu_sched_now(check->tcp->sched), check->started);
    int64_t connect_ns = (int64_t)info->tcpi_rtt * PHU_NS_PER_US;

    if (info->tcpi_total_retrans || connect_ns > ours_ns)
        connect_ns = ours_ns - (int64_t)info->tcpi_last_ack_recv * PHU_NS_PER_MS;
    if (connect_ns < 0)
        connect_ns = 0;
    if (connect_ns > check->timeout_ns)
        put_verdict(check, PHU_RESULT_TIMEOUT, 0, 0);
    else
        put_verdict(check, PHU_RESULT_OK, connect_ns, info->tcpi_total_retrans);
}

/* Whether the attempt has ended, whatever woke us. */
static bool has_ended(struct check *check)
{
    struct tcp_info info = {0};
    socklen_t size = sizeof info;
    int error = 0;
    socklen_t error_size = sizeof error;

    getsockopt(check->fd, SOL_SOCKET, SO_ERROR, &error, &error_size);
    if (error) {
        judge_error(check, error);
        return true;
    }
    /* A server that greets and closes at once leaves CLOSE_WAIT: it was connected all the same. */
    if (getsockopt(check->fd, IPPROTO_TCP, TCP_INFO, &info, &size) < 0 ||
        (info.tcpi_state != TCP_ESTABLISHED && info.tcpi_state != TCP_CLOSE_WAIT))
        return false;
    judge_connection(check, &info);
    return true;
}

static void became_ready(void *arg, unsigned events)
{
    struct check *check = arg;

    if (!has_ended(check) && events & PHU_WATCH_GONE)
        put_verdict(check, PHU_RESULT_LOCAL_ERROR, 0, 0);
}

static void timer_fired(struct phu_timer *timer)
{
    struct check *check = phu_container_of(timer, struct check, timer);

    if (check->state == WAITING)
        put_verdict(check, PHU_RESULT_SKIPPED, 0, 0);
    else if (check->state == FAILED)
        put_verdict(check, check->result, 0, 0);
    else if (!has_ended(check))
        put_verdict(check, PHU_RESULT_TIMEOUT, 0, 0);
}

static int bind_source(struct check *check)
{
    const struct tcp_check_options *options = check->options;
    socklen_t size = check->source.ss_family == AF_INET ? sizeof(struct sockaddr_in)
                                                        : sizeof(struct sockaddr_in6);

    if (*options->interface &&
        setsockopt(check->fd, SOL_SOCKET, SO_BINDTODEVICE, options->interface,
                   (socklen_t)strlen(options->interface)) < 0)
        return -errno;
    if (check->source.ss_family == AF_UNSPEC)
        return 0;
    if (check->source.ss_family != check->address.ss_family)
        return -EAFNOSUPPORT;
    return bind(check->fd, (struct sockaddr *)&check->source, size) < 0 ? -errno : 0;
}

static int open_socket(struct check *check)
{
    bool is_v4 = check->address.ss_family == AF_INET;
    struct linger reset = {.l_onoff = 1};
    int on = 1;

    check->fd =
        socket(check->address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP);
    if (check->fd < 0)
        return -errno;
    check->tcp->counters.connecting++;
    setsockopt(check->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    setsockopt(check->fd, is_v4 ? SOL_IP : SOL_IPV6, is_v4 ? IP_RECVERR : IPV6_RECVERR, &on,
               sizeof on);
    /* Without this a source address uses up a port of its own for each destination. */
    setsockopt(check->fd, SOL_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
    return bind_source(check);
}

static int start_connecting(struct check *check)
{
    struct sockaddr_storage address = check->address;
    socklen_t size = sizeof(struct sockaddr_in6);
    int error = open_socket(check);

    if (error)
        return error;
    if (address.ss_family == AF_INET) {
        ((struct sockaddr_in *)&address)->sin_port = htons(check->port);
        size = sizeof(struct sockaddr_in);
    } else {
        ((struct sockaddr_in6 *)&address)->sin6_port = htons(check->port);
    }
    check->tcp->counters.connects++;
    check->started = phu_sched_now(check->tcp->sched);
    check->state = CONNECTING;
    if (connect(check->fd, (struct sockaddr *)&address, size) < 0 && errno != EINPROGRESS)
        return -errno;
    return phu_watch_open(check->tcp->sched, check->fd, PHU_WATCH_WRITE, became_ready, check,
                          &check->watch);
}

static void connect_or_fail(struct check *check)
{
    int error = start_connecting(check);

    if (error == -ECONNREFUSED) {
        fail_later(check, PHU_RESULT_REFUSED);
        return;
    }
    if (error) {
        phu_log_debug("tcp", "a connection could not be tried", "check=%u error=\"%s\"",
                      check->handle, strerror(-error));
        fail_later(check, PHU_RESULT_LOCAL_ERROR);
        return;
    }
    phu_timer_after(check->tcp->sched, &check->timer, check->timeout_ns);
}

/* A verdict frees a socket for who waits. */
static void start_waiting(struct tcp *tcp)
{
    if (tcp->is_starting)
        return;
    tcp->is_starting = true;
    while (tcp->waiting && tcp->counters.connecting < tcp->connecting_most) {
        struct check *check = tcp->waiting;

        leave_queue(tcp, check);
        phu_timer_cancel(tcp->sched, &check->timer);
        connect_or_fail(check);
    }
    tcp->is_starting = false;
}

static void begin(struct check *check)
{
    struct tcp *tcp = check->tcp;

    if (!tcp->waiting && tcp->counters.connecting < tcp->connecting_most) {
        connect_or_fail(check);
        return;
    }
    check->state = WAITING;
    join_queue(tcp, check);
    phu_timer_after(tcp->sched, &check->timer, WAIT_NS);
}

/* -- The collector --------------------------------------------------------------------------- */

static void tcp_poll(void *self, void *attached)
{
    struct check *check = attached;
    int error = phu_name_get(check->name, check->timeout_ns, &check->address);

    (void)self;
    if (error == -EINPROGRESS)
        check->state = RESOLVING;
    else if (error)
        fail_later(check, error == -EINVAL ? PHU_RESULT_DNS : PHU_RESULT_LOCAL_ERROR);
    else
        begin(check);
}

static void became_known(void *arg, int status)
{
    struct check *check = arg;

    if (check->state != RESOLVING)
        return;
    check->state = IDLE;
    if (status)
        fail_later(check, PHU_RESULT_DNS);
    else
        tcp_poll(check->tcp, check);
}

static int parse_port(const char *text, uint16_t *port)
{
    unsigned long value = 0;

    if (!*text || strlen(text) > 5)
        return -EINVAL;
    for (; *text; text++) {
        if (*text < '0' || *text > '9')
            return -EINVAL;
        value = value * 10 + (unsigned long)(*text - '0');
    }
    if (!value || value > UINT16_MAX)
        return -EINVAL;
    *port = (uint16_t)value;
    return 0;
}

static const char *tcp_check_argument(const char *argument)
{
    uint16_t port;

    if (!*argument)
        return "tcp needs a port, as in tcp:443";
    return parse_port(argument, &port) ? "a port is a number from 1 to 65535, as in tcp:443" : NULL;
}

static void tcp_detach(void *self, void *attached)
{
    struct check *check = attached;

    (void)self;
    end_attempt(check);
    phu_name_free(check->name);
    free(check);
}

static int set_up(struct tcp *tcp, struct check *check, const struct phu_check_spec *spec)
{
    int family = phu_family_of(check->options->family);

    if (parse_port(spec->argument, &check->port))
        return -EINVAL;
    if (*check->options->source) {
        if (phu_address_parse(check->options->source, &check->source) ||
            (family != AF_UNSPEC && family != check->source.ss_family))
            return -EINVAL;
        family = check->source.ss_family;
    }
    return phu_name_new(tcp->sched, tcp->resolver, spec->address, family, became_known, check,
                        &check->name);
}

static int tcp_attach(void *self, const struct phu_check_spec *spec, void **attached)
{
    struct check *check = calloc(1, sizeof *check);
    int error;

    if (!check)
        return -ENOMEM;
    *check = (struct check){.tcp = self,
                            .handle = spec->check,
                            .options = spec->options,
                            .timeout_ns = spec->timeout_ns,
                            .fd = -1};
    phu_timer_init(&check->timer, timer_fired);
    error = set_up(self, check, spec);
    if (error) {
        phu_log_error("tcp", "a check cannot be set up", "check=\"%s\" error=\"%s\"", spec->id,
                      strerror(-error));
        tcp_detach(self, check);
        return error;
    }
    *attached = check;
    return 0;
}

static void add_stats(struct tcp *tcp)
{
    static const struct phu_stat_info connects = {"phusong_tcp_connects_total", PHU_STAT_COUNTER,
                                                  "Connections tried"};
    static const struct phu_stat_info connecting = {"phusong_tcp_connecting", PHU_STAT_GAUGE,
                                                    "Connections under way"};
    static const struct phu_stat_info skipped = {
        "phusong_tcp_skipped_total", PHU_STAT_COUNTER,
        "Checks given up because no socket became free within a second"};
    static const struct phu_stat_info local_errors = {
        "phusong_tcp_local_errors_total", PHU_STAT_COUNTER,
        "Connections that this machine could not try"};

    phu_stats_add(tcp->stats, &connects, NULL, &tcp->counters.connects);
    phu_stats_add(tcp->stats, &connecting, NULL, &tcp->counters.connecting);
    phu_stats_add(tcp->stats, &skipped, NULL, &tcp->counters.skipped);
    phu_stats_add(tcp->stats, &local_errors, NULL, &tcp->counters.local_errors);
}

static int tcp_open(const struct phu_collector_env *env, const void *options, void **self)
{
    struct tcp *tcp = calloc(1, sizeof *tcp);

    if (!tcp)
        return -ENOMEM;
    tcp->sched = env->sched;
    tcp->sink = env->sink;
    tcp->resolver = env->resolver;
    tcp->stats = env->stats;
    tcp->connecting_most = ((const struct tcp_options *)options)->max_concurrent;
    tcp->waiting_end = &tcp->waiting;
    add_stats(tcp);
    *self = tcp;
    return 0;
}

static void tcp_close(void *self)
{
    struct tcp *tcp = self;

    phu_stats_remove_within(tcp->stats, tcp, sizeof *tcp);
    free(tcp);
}

const struct phu_collector phu_collector_tcp = {
    .name = "tcp",
    .summary = "time to connect to a port",
    .options = &tcp_table,
    .check_options = &tcp_check_table,
    .metrics = tcp_metrics,
    .metric_count = sizeof tcp_metrics / sizeof *tcp_metrics,
    .rtt_metric = METRIC_CONNECT,
    .open = tcp_open,
    .close = tcp_close,
    .attach = tcp_attach,
    .detach = tcp_detach,
    .poll = tcp_poll,
    .check_argument = tcp_check_argument,
};
