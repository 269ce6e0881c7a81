/* The collector icmp: its options and metrics, and what the agent calls. engine.c says how it
 * works.
 */
#include "engine.h"
#include "phusong/collector.h"
#include "phusong/conf.h"
#include "phusong/log.h"
#include "phusong/name.h"
#include "phusong/resolve.h"
#include "phusong/route.h"
#include "phusong/sched.h"
#include "phusong/stats.h"

#include <errno.h>
#include <limits.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

struct icmp_options {
    int socket_kind; /* enum phu_icmp_socket_kind */
    int64_t receive_buffer;
};

struct icmp_check_options {
    int64_t size, tos, ttl;
    char *source, *interface;
    int family;
    bool is_df;
};

enum { FAMILY_ANY, FAMILY_V4, FAMILY_V6 };

static const char *const socket_kinds[] = {"auto", "ping", "raw", NULL};

static const struct phu_option icmp_options[] = {
    {.name = "socket",
     .type = PHU_OPTION_CHOICE,
     .offset = offsetof(struct icmp_options, socket_kind),
     .fallback = "auto",
     .choices = socket_kinds,
     .meaning = "ping sockets, raw sockets, or ping where net.ipv4.ping_group_range allows"},
    {.name = "receive_buffer",
     .type = PHU_OPTION_SIZE,
     .offset = offsetof(struct icmp_options, receive_buffer),
     .fallback = "8MiB",
     .min = "64KiB",
     .max = "256MiB",
     .meaning = "of each socket; beyond net.core.rmem_max only with CAP_NET_ADMIN"},
};
static const struct phu_option_table icmp_table =
    PHU_OPTION_TABLE(icmp_options, struct icmp_options);

static const struct phu_option icmp_check_options[] = {
    {.name = "size",
     .type = PHU_OPTION_INT,
     .offset = offsetof(struct icmp_check_options, size),
     .fallback = "56",
     .min = "16",
     .max = "65507",
     .meaning = "bytes of payload"},
    {.name = "tos",
     .type = PHU_OPTION_INT,
     .offset = offsetof(struct icmp_check_options, tos),
     .fallback = "0",
     .min = "0",
     .max = "255",
     .meaning = "type of service or traffic class"},
    {.name = "ttl",
     .type = PHU_OPTION_INT,
     .offset = offsetof(struct icmp_check_options, ttl),
     .fallback = "0",
     .min = "0",
     .max = "255",
     .meaning = "hop limit; 0 is the system's"},
    {.name = "df",
     .type = PHU_OPTION_BOOL,
     .offset = offsetof(struct icmp_check_options, is_df),
     .fallback = "false",
     .meaning = "forbid fragmentation"},
    {.name = "source",
     .type = PHU_OPTION_STRING,
     .offset = offsetof(struct icmp_check_options, source),
     .fallback = "",
     .meaning = "local address to send from; empty: by route"},
    {.name = "interface",
     .type = PHU_OPTION_STRING,
     .offset = offsetof(struct icmp_check_options, interface),
     .fallback = "",
     .meaning = "interface to send through; empty: by route"},
    {.name = "family",
     .type = PHU_OPTION_CHOICE,
     .offset = offsetof(struct icmp_check_options, family),
     .fallback = "any",
     .choices = phu_family_choices,
     .meaning = "address family of a host name"},
};

static void validate_check(const void *pointer, void *context)
{
    const struct icmp_check_options *options = pointer;

    phu_route_validate(context, options->source, options->interface, options->family);
}

static const struct phu_option_table icmp_check_table = {
    .options = icmp_check_options,
    .count = sizeof icmp_check_options / sizeof *icmp_check_options,
    .size = sizeof(struct icmp_check_options),
    .validate = validate_check,
};

#define COUNT_METRIC(metric, meaning_)                                                             \
    {                                                                                              \
        .measurement = "icmp", .name = (metric), .unit = "1", .kind = PHU_METRIC_COUNT,            \
        .type = PHU_METRIC_INT, .meaning = (meaning_)                                              \
    }

static const struct phu_metric icmp_metrics[] = {
    [PHU_ICMP_METRIC_RTT] = {.measurement = "icmp",
                             .name = "rtt_us",
                             .unit = "us",
                             .kind = PHU_METRIC_SKETCH,
                             .type = PHU_METRIC_INT,
                             .meaning =
                                 "Round trip, between the kernel's transmit and receive stamps"},
    [PHU_ICMP_METRIC_LATE] = COUNT_METRIC("late", "Replies after their timeout"),
    [PHU_ICMP_METRIC_DUPLICATE] = COUNT_METRIC("duplicate", "Replies to a probe already answered"),
    [PHU_ICMP_METRIC_CORRUPTED] =
        COUNT_METRIC("corrupted", "Replies that came back changed or cut short"),
    [PHU_ICMP_METRIC_FORGED] =
        COUNT_METRIC("forged", "Answers of a wrong sender, sequence or cookie"),
    [PHU_ICMP_METRIC_UNREACHABLE] =
        COUNT_METRIC("unreachable", "ICMP errors: destination unreachable"),
    [PHU_ICMP_METRIC_TOO_BIG] =
        COUNT_METRIC("too_big", "ICMP errors: too big to pass without fragments"),
    [PHU_ICMP_METRIC_TTL_EXCEEDED] = COUNT_METRIC("ttl_exceeded", "ICMP errors: hop limit used up"),
    [PHU_ICMP_METRIC_OTHER_ERROR] = COUNT_METRIC("icmp_error", "ICMP errors of other kinds"),
    [PHU_ICMP_METRIC_TTL_CHANGED] =
        COUNT_METRIC("ttl_changed", "Replies whose hop limit differs from the one before"),
};

/* -- Names ----------------------------------------------------------------------------------- */

static void set_address(struct phu_icmp_target *target, const struct sockaddr_storage *address)
{
    target->family = (uint8_t)address->ss_family;
    if (address->ss_family == AF_INET) {
        const struct sockaddr_in *v4 = (const struct sockaddr_in *)address;

        memcpy(target->address, &v4->sin_addr, 4);
    } else if (address->ss_family == AF_INET6) {
        const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)address;

        memcpy(target->address, &v6->sin6_addr, 16);
        target->scope = v6->sin6_scope_id;
    }
}

struct phu_icmp_name {
    struct phu_icmp_engine *icmp;
    struct phu_icmp_target *target;
    struct phu_name *name;
};

static void poll_name(struct phu_icmp_engine *icmp, struct phu_icmp_target *target)
{
    struct sockaddr_storage address;
    int error = phu_name_get(target->name->name, icmp->lanes[target->lane]->timeout_ns, &address);

    if (error == -EINPROGRESS) {
        target->state = PHU_ICMP_RESOLVING;
    } else if (error) {
        phu_icmp_fail_later(icmp, target,
                            error == -EINVAL ? PHU_RESULT_DNS : PHU_RESULT_LOCAL_ERROR);
    } else {
        set_address(target, &address);
        phu_icmp_enqueue(icmp, target);
    }
}

static void became_known(void *arg, int status)
{
    struct phu_icmp_name *link = arg;
    struct phu_icmp_target *target = link->target;

    if (target->state != PHU_ICMP_RESOLVING)
        return;
    target->state = PHU_ICMP_IDLE;
    if (status)
        phu_icmp_fail_later(link->icmp, target, PHU_RESULT_DNS);
    else
        poll_name(link->icmp, target);
}

/* -- The collector --------------------------------------------------------------------------- */

static void icmp_poll(void *self, void *check)
{
    struct phu_icmp_engine *icmp = self;
    struct phu_icmp_target *target = check;

    if (target->name)
        poll_name(icmp, target);
    else
        phu_icmp_enqueue(icmp, target);
}

static int parse_source(const char *text, struct phu_icmp_path *path, int *family)
{
    struct sockaddr_storage source;

    if (phu_address_parse(text, &source))
        return -EINVAL;
    *family = source.ss_family;
    path->has_source = true;
    if (source.ss_family == AF_INET)
        memcpy(path->source, &((struct sockaddr_in *)&source)->sin_addr, 4);
    else
        memcpy(path->source, &((struct sockaddr_in6 *)&source)->sin6_addr, 16);
    return 0;
}

/* `family` is narrowed down to that of the source. */
static int new_path(const struct icmp_check_options *options, int *family,
                    struct phu_icmp_path **out)
{
    struct phu_icmp_path path = {.tos = -1, .ttl = (int)options->ttl};
    int source_family = *family;

    if (!*options->source && !*options->interface && !options->tos && !options->ttl)
        return 0;
    if (options->tos)
        path.tos = (int)options->tos;
    if (*options->source && parse_source(options->source, &path, &source_family))
        return -EINVAL;
    if (*family != AF_UNSPEC && *family != source_family)
        return -EINVAL;
    *family = source_family;
    if (strlen(options->interface) >= sizeof path.interface_name)
        return -ENODEV;
    memcpy(path.interface_name, options->interface, strlen(options->interface) + 1);
    *out = malloc(sizeof **out);
    if (!*out)
        return -ENOMEM;
    **out = path;
    return 0;
}

static int new_name(struct phu_icmp_engine *icmp, struct phu_icmp_target *target, const char *text,
                    int family)
{
    struct phu_icmp_name *link = calloc(1, sizeof *link);

    if (!link)
        return -ENOMEM;
    target->name = link;
    link->icmp = icmp;
    link->target = target;
    return phu_name_new(icmp->sched, icmp->resolver, text, family, became_known, link, &link->name);
}

static int set_target(struct phu_icmp_engine *icmp, struct phu_icmp_target *target,
                      const struct phu_check_spec *spec)
{
    const struct icmp_check_options *options = spec->options;
    struct sockaddr_storage address;
    int family = phu_family_of(options->family), error;
    bool is_literal = phu_address_parse(spec->address, &address) == 0;

    if (is_literal && family != AF_UNSPEC && family != address.ss_family)
        return -EINVAL;
    if (is_literal)
        family = address.ss_family;
    target->check = spec->check;
    target->size = (uint16_t)options->size;
    target->is_df = options->is_df;
    error = phu_icmp_lane_find(icmp, spec->timeout_ns, &target->lane);
    if (!error)
        error = new_path(options, &family, &target->path);
    if (!error)
        error = phu_icmp_buffers_reserve(icmp->buffers, target->size);
    if (!error && !is_literal)
        error = new_name(icmp, target, spec->address, family);
    if (!error && is_literal)
        set_address(target, &address);
    if (!error && target->path && !phu_icmp_path_is_there(target->path))
        phu_log_warn("icmp", "no such interface; the check is unknown until there is",
                     "check=\"%s\" interface=%s", spec->id, options->interface);
    return error;
}

static void icmp_detach(void *self, void *check)
{
    struct phu_icmp_engine *icmp = self;
    struct phu_icmp_target *target = check;

    phu_icmp_leave(icmp, target);
    if (target->name)
        phu_name_free(target->name->name);
    free(target->name);
    free(target->path);
    target->name = NULL;
    target->path = NULL;
    phu_icmp_slot_free(icmp, target);
}

static int icmp_attach(void *self, const struct phu_check_spec *spec, void **check)
{
    struct phu_icmp_engine *icmp = self;
    struct phu_icmp_target *target = phu_icmp_slot_take(icmp);
    int error;

    if (!target)
        return -ENOMEM;
    error = set_target(icmp, target, spec);
    if (error) {
        phu_log_error("icmp", "a check cannot be set up", "check=\"%s\" error=\"%s\"", spec->id,
                      strerror(-error));
        icmp_detach(icmp, target);
        return error;
    }
    *check = target;
    return 0;
}

static void add_stats(struct phu_icmp_engine *icmp)
{
    static const struct {
        struct phu_stat_info info;
        size_t offset;
    } counters[] = {
#define COUNTER(field, help)                                                                       \
    {{"phusong_icmp_" #field "_total", PHU_STAT_COUNTER, help},                                    \
     offsetof(struct phu_icmp_counters, field)}
        COUNTER(sent, "Echo requests sent"),
        COUNTER(received, "Answers read, of every kind"),
        COUNTER(late, "Echo replies after their timeout"),
        COUNTER(duplicate, "Echo replies to a probe already answered"),
        COUNTER(corrupted, "Echo replies changed or cut short on the way"),
        COUNTER(forged, "Answers of a wrong sender, sequence or cookie"),
        COUNTER(errors, "ICMP errors about our requests"),
        COUNTER(send_errors, "Requests that this machine could not send"),
        COUNTER(overflows, "Answers that the receive buffer had no room for"),
#undef COUNTER
    };

    for (size_t i = 0; i < sizeof counters / sizeof *counters; i++)
        phu_stats_add(icmp->stats, &counters[i].info, NULL,
                      (int64_t *)(void *)((char *)&icmp->counters + counters[i].offset));
}

/* Each kind of socket needs a right of its own; either will do where both are tried. */
static void tell_remedy(enum phu_icmp_socket_kind kind)
{
    char path[PATH_MAX], raw[PATH_MAX + 64] = "", ping[96] = "";
    ssize_t length = readlink("/proc/self/exe", path, sizeof path - 1);

    path[length > 0 ? length : 0] = '\0';
    if (kind != PHU_ICMP_SOCKET_PING)
        snprintf(raw, sizeof raw, "setcap cap_net_raw+ep %s", length > 0 ? path : "phusong");
    if (kind != PHU_ICMP_SOCKET_RAW)
        snprintf(ping, sizeof ping, "sysctl -w net.ipv4.ping_group_range='%u %u'",
                 (unsigned)getgid(), (unsigned)getgid());
    phu_log_error("icmp", "this process may not send echo requests; all icmp checks are unknown",
                  "remedy=\"%s%s%s\"", raw, *raw && *ping ? ", or " : "", ping);
}

static int open_channel(struct phu_icmp_engine *icmp, const struct icmp_options *options,
                        struct phu_icmp_channel *channel, int family)
{
    *channel = (struct phu_icmp_channel){
        .icmp = icmp,
        .queues = {{PHU_ICMP_NONE, PHU_ICMP_NONE}, {PHU_ICMP_NONE, PHU_ICMP_NONE}},
        .overflowed_ns = INT64_MIN};
    channel->error = phu_icmp_socket_open(family, (enum phu_icmp_socket_kind)options->socket_kind,
                                          options->receive_buffer, &channel->sock);
    if (channel->error) {
        if (channel->error != -EPERM)
            phu_log_warn("icmp", "no socket for a family; its checks are unknown",
                         "family=%s error=\"%s\"", family == AF_INET ? "ipv4" : "ipv6",
                         strerror(-channel->error));
        return 0;
    }
    return phu_icmp_engine_watch(icmp, channel);
}

static void icmp_close(void *self)
{
    struct phu_icmp_engine *icmp = self;

    phu_icmp_engine_stop(icmp);
    for (size_t i = 0; i < icmp->lane_count; i++)
        free(icmp->lanes[i]);
    for (size_t i = 0; i < PHU_ICMP_FAMILIES; i++) {
        phu_watch_close(icmp->channels[i].watch);
        phu_icmp_socket_close(icmp->channels[i].sock);
    }
    for (size_t i = 0; i < icmp->chunk_count; i++)
        free(icmp->chunks[i]);
    phu_stats_remove_within(icmp->stats, &icmp->counters, sizeof icmp->counters);
    phu_icmp_buffers_free(icmp->buffers);
    free(icmp->chunks);
    free(icmp->lanes);
    free(icmp);
}

static int open_channels(struct phu_icmp_engine *icmp, const struct icmp_options *options)
{
    int error = open_channel(icmp, options, &icmp->channels[PHU_ICMP_V4], AF_INET);

    if (!error)
        error = open_channel(icmp, options, &icmp->channels[PHU_ICMP_V6], AF_INET6);
    if (icmp->channels[PHU_ICMP_V4].error == -EPERM || icmp->channels[PHU_ICMP_V6].error == -EPERM)
        tell_remedy((enum phu_icmp_socket_kind)options->socket_kind);
    return error;
}

static int icmp_open(const struct phu_collector_env *env, const void *options, void **self)
{
    struct phu_icmp_engine *icmp = calloc(1, sizeof *icmp);
    int error = -ENOMEM;

    if (!icmp)
        return error;
    icmp->sched = env->sched;
    icmp->sink = env->sink;
    icmp->resolver = env->resolver;
    icmp->stats = env->stats;
    phu_icmp_engine_init(icmp);
    icmp->buffers = phu_icmp_buffers_new();
    if (icmp->buffers)
        error = getrandom(&icmp->key, sizeof icmp->key, 0) == sizeof icmp->key ? 0 : -EIO;
    if (!error)
        error = open_channels(icmp, options);
    if (error) {
        icmp_close(icmp);
        return error;
    }
    add_stats(icmp);
    *self = icmp;
    return 0;
}

static const char *icmp_check_argument(const char *argument)
{
    return *argument ? "icmp takes no argument; its options stand in an entry of checks" : NULL;
}

const struct phu_collector phu_collector_icmp = {
    .name = "icmp",
    .summary = "echo requests: loss and round trip",
    .options = &icmp_table,
    .check_options = &icmp_check_table,
    .metrics = icmp_metrics,
    .metric_count = sizeof icmp_metrics / sizeof *icmp_metrics,
    .rtt_metric = PHU_ICMP_METRIC_RTT,
    .open = icmp_open,
    .close = icmp_close,
    .attach = icmp_attach,
    .detach = icmp_detach,
    .poll = icmp_poll,
    .check_argument = icmp_check_argument,
};
