/* Echo requests to thousands of targets over one socket per family.
 *
 * A poll only queues its target; everything queued in one tick leaves in one flush, in batches of
 * sendmmsg. Round trips are differences of the kernel's stamps, so it does not matter when replies
 * are read, and reading is lazy: while many probes are about, the sockets are not watched but read
 * once per GRAIN_NS, together with sending; with few, the watch wakes us.
 *
 * All stamps of the kernel are CLOCK_REALTIME. They become monotonic by the difference of the
 * clocks at the moment of reading, so a stepped wall clock between request and reply is harmless.
 *
 * Targets with the same timeout form a lane, a list in order of sending with one timer for its
 * head. When it fires everything is read first, and only what has not arrived then has timed out:
 * a busy process does not turn into loss.
 *
 * A full receive buffer loses replies on our side: probes that were in flight then and stay
 * unanswered end as PHU_RESULT_LOCAL_ERROR, not as lost.
 */
#include "phusong/collector.h"
#include "phusong/conf.h"
#include "phusong/log.h"
#include "phusong/resolve.h"
#include "phusong/sched.h"
#include "phusong/sink.h"
#include "phusong/stats.h"
#include "socket.h"
#include "target.h"

#include <errno.h>
#include <limits.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#define GRAIN_NS (10 * PHU_NS_PER_MS)
#define BUSY 8            /* messages in one turn from which on reading waits for the next grain */
#define FLUSH_MOST 2048   /* requests in one turn of the loop, about 10 ms of it */
#define RETRY_MOST 3      /* ticks that a full send queue is waited for */
#define STAMPED_MOST 1024 /* requests per flush up to which each gets its kernel transmit time */
#define NONE UINT32_MAX
#define CHUNK 256

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
static const char *const families[] = {"any", "ipv4", "ipv6", NULL};

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
     .choices = families,
     .meaning = "address family of a host name"},
};
static const struct phu_option_table icmp_check_table =
    PHU_OPTION_TABLE(icmp_check_options, struct icmp_check_options);

enum {
    METRIC_RTT,
    METRIC_LATE,
    METRIC_DUPLICATE,
    METRIC_CORRUPTED,
    METRIC_FORGED,
    METRIC_UNREACHABLE,
    METRIC_TOO_BIG,
    METRIC_TTL_EXCEEDED,
    METRIC_OTHER_ERROR,
    METRIC_TTL_CHANGED,
};

#define COUNT_METRIC(metric, meaning_)                                                             \
    {                                                                                              \
        .measurement = "icmp", .name = (metric), .unit = "1", .kind = PHU_METRIC_COUNT,            \
        .type = PHU_METRIC_INT, .meaning = (meaning_)                                              \
    }

static const struct phu_metric icmp_metrics[] = {
    [METRIC_RTT] = {.measurement = "icmp",
                    .name = "rtt_us",
                    .unit = "us",
                    .kind = PHU_METRIC_SKETCH,
                    .type = PHU_METRIC_INT,
                    .meaning = "Round trip, between the kernel's transmit and receive stamps"},
    [METRIC_LATE] = COUNT_METRIC("late", "Replies after their timeout"),
    [METRIC_DUPLICATE] = COUNT_METRIC("duplicate", "Replies to a probe already answered"),
    [METRIC_CORRUPTED] = COUNT_METRIC("corrupted", "Replies that came back changed or cut short"),
    [METRIC_FORGED] = COUNT_METRIC("forged", "Answers of a wrong sender, sequence or cookie"),
    [METRIC_UNREACHABLE] = COUNT_METRIC("unreachable", "ICMP errors: destination unreachable"),
    [METRIC_TOO_BIG] = COUNT_METRIC("too_big", "ICMP errors: too big to pass without fragments"),
    [METRIC_TTL_EXCEEDED] = COUNT_METRIC("ttl_exceeded", "ICMP errors: hop limit used up"),
    [METRIC_OTHER_ERROR] = COUNT_METRIC("icmp_error", "ICMP errors of other kinds"),
    [METRIC_TTL_CHANGED] =
        COUNT_METRIC("ttl_changed", "Replies whose hop limit differs from the one before"),
};

struct list {
    uint32_t head, tail;
};

struct icmp;

/* Probes in flight with one timeout, oldest first. */
struct lane {
    struct icmp *icmp;
    int64_t timeout_ns;
    struct list sent;
    struct phu_timer expiry;
};

enum { SOCKET_V4, SOCKET_V6, SOCKETS };

struct channel {
    struct icmp *icmp;
    struct phu_icmp_socket *sock; /* NULL: `error` says why */
    struct phu_watch *watch;
    unsigned watched;
    int error;
    struct list queues[2]; /* [is_df] */
    int64_t overflowed_ns; /* monotonic; when replies were last dropped */
};

struct counters {
    int64_t sent, received, late, duplicate, corrupted, forged, errors, send_errors, overflows;
};

struct icmp {
    struct phu_sched *sched;
    struct phu_sink *sink;
    struct phu_resolver *resolver;
    struct phu_stats *stats;
    const struct icmp_options *options;
    struct phu_siphash_key key;
    struct channel channels[SOCKETS];
    struct phu_icmp_buffers *buffers;
    struct phu_icmp_target **chunks; /* CHUNK targets each */
    size_t chunk_count;
    uint32_t slots; /* handed out so far */
    uint32_t free;  /* list of free slots, by `next` */
    struct lane **lanes;
    size_t lane_count;
    struct list failed;
    struct phu_timer flush, read;
    int64_t grain_ns; /* where in GRAIN_NS our turns lie: other timers join them */
    size_t in_flight;
    int64_t wall_offset_ns; /* CLOCK_REALTIME - CLOCK_MONOTONIC, as of this turn */
    struct counters counters;
};

/* -- Slots and lists ------------------------------------------------------------------------- */

static struct phu_icmp_target *target_of(const struct icmp *icmp, uint32_t slot)
{
    return slot < icmp->slots ? &icmp->chunks[slot / CHUNK][slot % CHUNK] : NULL;
}

static void list_append(struct icmp *icmp, struct list *list, struct phu_icmp_target *target)
{
    target->previous = list->tail;
    target->next = NONE;
    if (list->tail == NONE)
        list->head = target->slot;
    else
        target_of(icmp, list->tail)->next = target->slot;
    list->tail = target->slot;
}

static void list_remove(struct icmp *icmp, struct list *list, struct phu_icmp_target *target)
{
    if (target->previous == NONE)
        list->head = target->next;
    else
        target_of(icmp, target->previous)->next = target->next;
    if (target->next == NONE)
        list->tail = target->previous;
    else
        target_of(icmp, target->next)->previous = target->previous;
}

static int add_chunk(struct icmp *icmp)
{
    struct phu_icmp_target **chunks =
        realloc(icmp->chunks, (icmp->chunk_count + 1) * sizeof *chunks);

    if (!chunks)
        return -ENOMEM;
    icmp->chunks = chunks;
    chunks[icmp->chunk_count] = calloc(CHUNK, sizeof **chunks);
    if (!chunks[icmp->chunk_count])
        return -ENOMEM;
    icmp->chunk_count++;
    return 0;
}

/* A slot keeps its generation from one owner to the next, so that answers to the former are known
 * as such. */
static struct phu_icmp_target *take_slot(struct icmp *icmp)
{
    struct phu_icmp_target *target;
    uint32_t generation, slot = icmp->free;

    if (slot != NONE) {
        target = target_of(icmp, slot);
        icmp->free = target->next;
    } else {
        if (icmp->slots == icmp->chunk_count * CHUNK && add_chunk(icmp))
            return NULL;
        slot = icmp->slots++;
        target = target_of(icmp, slot);
    }
    generation = target->generation;
    *target = (struct phu_icmp_target){
        .slot = slot, .generation = generation, .first_generation = generation + 1};
    return target;
}

static void free_slot(struct icmp *icmp, struct phu_icmp_target *target)
{
    target->family = AF_UNSPEC;
    target->state = PHU_ICMP_IDLE;
    target->first_generation = target->generation + 1;
    target->next = icmp->free;
    icmp->free = target->slot;
}

static struct channel *channel_of(struct icmp *icmp, const struct phu_icmp_target *target)
{
    return &icmp->channels[target->family == AF_INET6 ? SOCKET_V6 : SOCKET_V4];
}

static struct list *list_of(struct icmp *icmp, const struct phu_icmp_target *target)
{
    switch ((enum phu_icmp_state)target->state) {
    case PHU_ICMP_QUEUED:
        return &channel_of(icmp, target)->queues[target->is_df];
    case PHU_ICMP_SENT:
        return &icmp->lanes[target->lane]->sent;
    case PHU_ICMP_FAILED:
        return &icmp->failed;
    case PHU_ICMP_IDLE:
    case PHU_ICMP_RESOLVING:
        break;
    }
    return NULL;
}

static void leave_state(struct icmp *icmp, struct phu_icmp_target *target)
{
    struct list *list = list_of(icmp, target);

    if (list)
        list_remove(icmp, list, target);
    if (target->state == PHU_ICMP_SENT)
        icmp->in_flight--;
    target->state = PHU_ICMP_IDLE;
}

static void enter_state(struct icmp *icmp, struct phu_icmp_target *target,
                        enum phu_icmp_state state)
{
    leave_state(icmp, target);
    target->state = (uint8_t)state;
    if (state == PHU_ICMP_SENT)
        icmp->in_flight++;
    if (list_of(icmp, target))
        list_append(icmp, list_of(icmp, target), target);
}

/* -- Verdicts -------------------------------------------------------------------------------- */

static void put_count(struct icmp *icmp, const struct phu_icmp_target *target, uint32_t metric)
{
    struct phu_mono now = phu_sched_now(icmp->sched);
    struct phu_value value = {.metric = metric, .i = 1};

    phu_sink_put(icmp->sink, &(struct phu_observation){.check = target->check,
                                                       .result = PHU_RESULT_NONE,
                                                       .started = now,
                                                       .completed = now,
                                                       .values = &value,
                                                       .value_count = 1});
}

static void put_verdict(struct icmp *icmp, struct phu_icmp_target *target, enum phu_result result,
                        int64_t completed_ns)
{
    struct phu_mono started = {target->state == PHU_ICMP_SENT ? target->sent_ns : completed_ns};

    leave_state(icmp, target);
    phu_sink_put(icmp->sink, &(struct phu_observation){.check = target->check,
                                                       .result = result,
                                                       .started = started,
                                                       .completed = {completed_ns}});
}

static void put_reply(struct icmp *icmp, struct phu_icmp_target *target, int64_t received_ns)
{
    int64_t rtt_ns = received_ns - target->sent_ns;
    struct phu_value value = {.metric = METRIC_RTT};
    struct phu_mono started = {target->sent_ns};

    value.i = rtt_ns > 0 ? (rtt_ns + 500) / PHU_NS_PER_US : 0;
    leave_state(icmp, target);
    phu_sink_put(icmp->sink, &(struct phu_observation){.check = target->check,
                                                       .result = PHU_RESULT_OK,
                                                       .started = started,
                                                       .completed = {received_ns},
                                                       .values = &value,
                                                       .value_count = 1});
}

/* -- Answers --------------------------------------------------------------------------------- */

/* The clocks are read close together, or the difference would carry a pause between the two. */
static void pair_clocks(struct icmp *icmp)
{
    int64_t narrowest = INT64_MAX;

    for (int attempt = 0; attempt < 4 && narrowest > PHU_NS_PER_US; attempt++) {
        struct phu_mono before = phu_sched_now(icmp->sched);
        struct phu_wall wall = phu_sched_wall(icmp->sched);
        int64_t width = phu_mono_since(phu_sched_now(icmp->sched), before);

        if (width < narrowest) {
            narrowest = width;
            icmp->wall_offset_ns = wall.ns - before.ns - width / 2;
        }
    }
}

/* A stamp of the kernel in monotonic time; one that cannot be is replaced by now. */
static int64_t received_at(const struct icmp *icmp, const struct phu_icmp_target *target,
                           int64_t stamp_ns)
{
    int64_t now_ns = phu_sched_now(icmp->sched).ns;
    int64_t received_ns = stamp_ns - icmp->wall_offset_ns;

    if (!stamp_ns || received_ns > now_ns || received_ns < target->sent_ns - PHU_NS_PER_MS)
        return now_ns;
    return received_ns > target->sent_ns ? received_ns : target->sent_ns;
}

static void stamped(void *arg, const struct phu_icmp_stamp *stamp)
{
    struct icmp *icmp = arg;
    struct phu_icmp_target *target = target_of(icmp, stamp->slot);
    int64_t sent_ns = stamp->stamp_ns - icmp->wall_offset_ns;

    if (!target || target->generation != stamp->generation || target->state != PHU_ICMP_SENT)
        return;
    /* Until now sent_ns is when sendmmsg was called: the packet cannot have left before. */
    if (sent_ns >= target->sent_ns && sent_ns <= phu_sched_now(icmp->sched).ns)
        target->sent_ns = sent_ns;
}

static void answered(struct icmp *icmp, struct phu_icmp_target *target,
                     const struct phu_icmp_arrival *arrival)
{
    int64_t received_ns = received_at(icmp, target, arrival->stamp_ns);

    if (received_ns - target->sent_ns > icmp->lanes[target->lane]->timeout_ns) {
        put_verdict(icmp, target, PHU_RESULT_TIMEOUT, received_ns);
        icmp->counters.late++;
        put_count(icmp, target, METRIC_LATE);
        return;
    }
    if (arrival->answer.ttl && arrival->answer.ttl != target->ttl) {
        if (target->ttl)
            put_count(icmp, target, METRIC_TTL_CHANGED);
        target->ttl = arrival->answer.ttl;
    }
    put_reply(icmp, target, received_ns);
}

static void count_error(struct icmp *icmp, const struct phu_icmp_target *target,
                        const struct phu_icmp_answer *answer)
{
    static const uint32_t metrics[] = {
        [PHU_ICMP_UNREACHABLE] = METRIC_UNREACHABLE,
        [PHU_ICMP_TOO_BIG] = METRIC_TOO_BIG,
        [PHU_ICMP_TTL_EXCEEDED] = METRIC_TTL_EXCEEDED,
        [PHU_ICMP_ERROR_OTHER] = METRIC_OTHER_ERROR,
    };

    icmp->counters.errors++;
    put_count(icmp, target, metrics[answer->error]);
}

static void judge(struct icmp *icmp, struct phu_icmp_target *target,
                  const struct phu_icmp_arrival *arrival)
{
    struct counters *counters = &icmp->counters;

    switch (phu_icmp_target_match(target, &icmp->key, &arrival->answer, arrival->source)) {
    case PHU_ICMP_ANSWERED:
        answered(icmp, target, arrival);
        break;
    case PHU_ICMP_LATE:
        counters->late++;
        put_count(icmp, target, METRIC_LATE);
        break;
    case PHU_ICMP_DUPLICATE:
        counters->duplicate++;
        put_count(icmp, target, METRIC_DUPLICATE);
        break;
    case PHU_ICMP_CORRUPTED:
        counters->corrupted++;
        if (target->state == PHU_ICMP_SENT && arrival->answer.echo.generation == target->generation)
            put_verdict(icmp, target, PHU_RESULT_MISMATCH,
                        received_at(icmp, target, arrival->stamp_ns));
        put_count(icmp, target, METRIC_CORRUPTED);
        break;
    case PHU_ICMP_SPOILED:
        counters->corrupted++;
        put_count(icmp, target, METRIC_CORRUPTED);
        break;
    case PHU_ICMP_FORGED:
        counters->forged++;
        put_count(icmp, target, METRIC_FORGED);
        break;
    case PHU_ICMP_FOREIGN:
        counters->forged++;
        break;
    case PHU_ICMP_REPORTED:
        put_verdict(icmp, target, PHU_RESULT_UNREACHABLE,
                    received_at(icmp, target, arrival->stamp_ns));
        count_error(icmp, target, &arrival->answer);
        break;
    case PHU_ICMP_REPORTED_HINT:
        target->is_hinted = true;
        count_error(icmp, target, &arrival->answer);
        break;
    case PHU_ICMP_REPORTED_LATE:
        count_error(icmp, target, &arrival->answer);
        break;
    case PHU_ICMP_STALE:
        break;
    }
}

/* An error message that quotes too little for a slot: by address, among the targets whose sequence
 * number it can be. */
static struct phu_icmp_target *find_quoted(const struct icmp *icmp,
                                           const struct phu_icmp_answer *answer)
{
    for (uint32_t slot = answer->echo.sequence & 0x3ff; slot < icmp->slots; slot += 0x400) {
        struct phu_icmp_target *target = target_of(icmp, slot);

        if (target->family == AF_INET && memcmp(target->address, answer->target, 4) == 0)
            return target;
    }
    return NULL;
}

static void arrived(void *arg, const struct phu_icmp_arrival *arrival)
{
    struct icmp *icmp = arg;
    const struct phu_icmp_answer *answer = &arrival->answer;
    struct phu_icmp_target *target =
        answer->has_cookie ? target_of(icmp, answer->echo.slot) : find_quoted(icmp, answer);

    icmp->counters.received++;
    if (target && target->family != AF_UNSPEC)
        judge(icmp, target, arrival);
    else if (answer->is_damaged)
        icmp->counters.corrupted++;
    else if (!target)
        icmp->counters.forged++;
}

static void note_overflow(struct channel *channel, uint32_t packets)
{
    struct icmp *icmp = channel->icmp;

    if (!icmp->counters.overflows)
        phu_log_warn("icmp", "the receive buffer overflowed; probes in flight become unknown",
                     "dropped=%u receive_buffer=%d remedy=\"sysctl -w net.core.rmem_max=8388608\"",
                     packets, phu_icmp_socket_receive_buffer(channel->sock));
    icmp->counters.overflows += packets;
    channel->overflowed_ns = phu_sched_now(icmp->sched).ns;
}

static void overflowed_v4(void *arg, uint32_t packets)
{
    note_overflow(&((struct icmp *)arg)->channels[SOCKET_V4], packets);
}

static void overflowed_v6(void *arg, uint32_t packets)
{
    note_overflow(&((struct icmp *)arg)->channels[SOCKET_V6], packets);
}

static struct phu_icmp_reader reader_of(struct icmp *icmp, const struct channel *channel)
{
    bool is_v6 = channel == &icmp->channels[SOCKET_V6];

    return (struct phu_icmp_reader){.arrived = arrived,
                                    .stamped = stamped,
                                    .overflowed = is_v6 ? overflowed_v6 : overflowed_v4,
                                    .arg = icmp};
}

static size_t read_channel(struct icmp *icmp, struct channel *channel)
{
    const struct phu_icmp_reader reader = reader_of(icmp, channel);

    return channel->sock ? phu_icmp_socket_read(channel->sock, icmp->buffers, &reader) : 0;
}

static size_t read_all(struct icmp *icmp)
{
    size_t messages = 0;

    pair_clocks(icmp);
    for (size_t i = 0; i < SOCKETS; i++)
        messages += read_channel(icmp, &icmp->channels[i]);
    return messages;
}

/* -- Turns of the loop ----------------------------------------------------------------------- */

/* The next of our moments that is not before `ns`. */
static struct phu_mono align(const struct icmp *icmp, int64_t ns)
{
    int64_t over = (ns - icmp->grain_ns) % GRAIN_NS;

    return (struct phu_mono){over ? ns + GRAIN_NS - over : ns};
}

static void watch(struct channel *channel, unsigned events)
{
    if (!channel->sock || channel->watched == events)
        return;
    phu_watch_set(channel->watch, events);
    channel->watched = events;
}

/* How the next messages will be noticed: not at all when none is expected, at the next grain when
 * there are many, else by the watch. */
static void plan_reading(struct icmp *icmp, size_t messages)
{
    bool is_busy = messages >= BUSY && icmp->in_flight;
    unsigned events = icmp->in_flight && !is_busy ? PHU_WATCH_READ | PHU_WATCH_ERRQUEUE : 0;

    for (size_t i = 0; i < SOCKETS; i++)
        watch(&icmp->channels[i], events);
    if (is_busy)
        phu_timer_at(icmp->sched, &icmp->read,
                     align(icmp, phu_sched_now(icmp->sched).ns + PHU_NS_PER_MS));
    else
        phu_timer_cancel(icmp->sched, &icmp->read);
}

static void reading_due(struct phu_timer *timer)
{
    struct icmp *icmp = phu_container_of(timer, struct icmp, read);

    plan_reading(icmp, read_all(icmp));
}

static void became_readable(void *arg, unsigned events)
{
    struct channel *channel = arg;

    if (events & PHU_WATCH_GONE)
        channel->watched = 0;
    plan_reading(channel->icmp, read_all(channel->icmp));
}

static void arm_lane(struct icmp *icmp, struct lane *lane)
{
    const struct phu_icmp_target *head;

    if (lane->sent.head == NONE || phu_timer_is_armed(&lane->expiry))
        return;
    head = target_of(icmp, lane->sent.head);
    phu_timer_at(icmp->sched, &lane->expiry, align(icmp, head->sent_ns + lane->timeout_ns));
}

/* Drops that no later packet has told of. */
static void ask_for_drops(struct icmp *icmp)
{
    for (size_t i = 0; i < SOCKETS; i++) {
        struct channel *channel = &icmp->channels[i];
        const struct phu_icmp_reader reader = reader_of(icmp, channel);

        if (channel->sock)
            phu_icmp_socket_ask_drops(channel->sock, &reader);
    }
}

static void expire(struct icmp *icmp, struct phu_icmp_target *target)
{
    int64_t now_ns = phu_sched_now(icmp->sched).ns;

    if (target->sent_ns <= channel_of(icmp, target)->overflowed_ns)
        put_verdict(icmp, target, PHU_RESULT_LOCAL_ERROR, now_ns);
    else if (target->is_hinted)
        put_verdict(icmp, target, PHU_RESULT_UNREACHABLE, now_ns);
    else
        put_verdict(icmp, target, PHU_RESULT_TIMEOUT, now_ns);
}

static bool is_expired(const struct icmp *icmp, const struct lane *lane, int64_t now_ns)
{
    return lane->sent.head != NONE &&
           target_of(icmp, lane->sent.head)->sent_ns + lane->timeout_ns <= now_ns;
}

static void lane_due(struct phu_timer *timer)
{
    struct lane *lane = phu_container_of(timer, struct lane, expiry);
    struct icmp *icmp = lane->icmp;
    int64_t now_ns = phu_sched_now(icmp->sched).ns;
    size_t messages = 0;

    if (is_expired(icmp, lane, now_ns)) {
        messages = read_all(icmp);
        ask_for_drops(icmp);
        while (is_expired(icmp, lane, now_ns))
            expire(icmp, target_of(icmp, lane->sent.head));
        plan_reading(icmp, messages);
    }
    arm_lane(icmp, lane);
}

/* -- Sending --------------------------------------------------------------------------------- */

static void fail_later(struct icmp *icmp, struct phu_icmp_target *target, enum phu_result result)
{
    target->result = (uint8_t)result;
    enter_state(icmp, target, PHU_ICMP_FAILED);
    phu_timer_after(icmp->sched, &icmp->flush, 0);
}

static void note_sent(struct icmp *icmp, uint32_t slot, int64_t sent_ns)
{
    struct phu_icmp_target *target = target_of(icmp, slot);

    target->sent_ns = sent_ns;
    enter_state(icmp, target, PHU_ICMP_SENT);
    arm_lane(icmp, icmp->lanes[target->lane]);
    icmp->counters.sent++;
}

/* Whether the rest of the queue has to wait for the next tick. */
static bool note_unsent(struct icmp *icmp, uint32_t slot, int error)
{
    struct phu_icmp_target *target = target_of(icmp, slot);
    bool is_full = error == -ENOBUFS || error == -EAGAIN;

    if (is_full && target->retries < RETRY_MOST) {
        target->retries++;
        return true;
    }
    icmp->counters.send_errors++;
    phu_log_debug("icmp", "a request could not be sent", "check=%u error=\"%s\"", target->check,
                  strerror(-error));
    fail_later(icmp, target, PHU_RESULT_LOCAL_ERROR);
    return is_full;
}

static size_t fill_batch(struct icmp *icmp, struct channel *channel, const struct list *queue,
                         bool wants_stamp, uint32_t slots[PHU_ICMP_BATCH])
{
    size_t count = 0;

    for (uint32_t slot = queue->head; slot != NONE && count < PHU_ICMP_BATCH; count++) {
        struct phu_icmp_target *target = target_of(icmp, slot);
        struct phu_icmp_request request = {.address = target->address,
                                           .scope = target->scope,
                                           .size = target->size,
                                           .wants_stamp = wants_stamp,
                                           .path = target->path};

        phu_icmp_target_next(target, phu_icmp_socket_id(channel->sock), &icmp->key, &request.echo);
        phu_icmp_batch_put(icmp->buffers, channel->sock, count, &request);
        slots[count] = slot;
        slot = target->next;
    }
    return count;
}

/* Without a stamp a request is taken to have left in its share of the time that the call took. */
static bool send_batch(struct icmp *icmp, struct channel *channel, bool is_df, bool wants_stamp)
{
    uint32_t slots[PHU_ICMP_BATCH];
    size_t count = fill_batch(icmp, channel, &channel->queues[is_df], wants_stamp, slots);

    for (size_t done = 0; done < count;) {
        int64_t before_ns = phu_sched_now(icmp->sched).ns, took_ns;
        int sent = phu_icmp_batch_send(icmp->buffers, channel->sock, done, count, is_df);

        if (sent < 0) {
            if (note_unsent(icmp, slots[done], sent))
                return false;
            done++;
            continue;
        }
        took_ns = wants_stamp ? 0 : phu_sched_now(icmp->sched).ns - before_ns;
        for (int i = 0; i < sent; i++)
            note_sent(icmp, slots[done + (size_t)i], before_ns + took_ns * i / sent);
        done += (size_t)sent;
    }
    return true;
}

/* Returns how many messages were sent and read; `budget` is used up by what is sent. */
static size_t flush_queue(struct icmp *icmp, struct channel *channel, bool is_df, size_t *budget)
{
    size_t messages = 0;

    while (channel->queues[is_df].head != NONE && *budget) {
        int64_t sent_before = icmp->counters.sent;
        bool goes_on = send_batch(icmp, channel, is_df, *budget > FLUSH_MOST - STAMPED_MOST);
        size_t sent = (size_t)(icmp->counters.sent - sent_before);

        messages += sent;
        *budget -= sent < *budget ? sent : *budget;
        pair_clocks(icmp);
        messages += read_channel(icmp, channel);
        if (!goes_on)
            return messages;
    }
    return messages;
}

static void tell_failures(struct icmp *icmp)
{
    /* What fails anew while these are told waits for the next flush. */
    uint32_t last = icmp->failed.tail;

    while (icmp->failed.head != NONE) {
        struct phu_icmp_target *target = target_of(icmp, icmp->failed.head);
        bool is_last = target->slot == last;

        put_verdict(icmp, target, (enum phu_result)target->result, phu_sched_now(icmp->sched).ns);
        if (is_last)
            break;
    }
}

static void flush_due(struct phu_timer *timer)
{
    struct icmp *icmp = phu_container_of(timer, struct icmp, flush);
    size_t budget = FLUSH_MOST, messages = 0;
    bool is_left = false;

    icmp->grain_ns = phu_sched_now(icmp->sched).ns / PHU_SCHED_TICK_NS * PHU_SCHED_TICK_NS;
    tell_failures(icmp);
    for (size_t i = 0; i < SOCKETS; i++) {
        struct channel *channel = &icmp->channels[i];

        for (int is_df = 0; is_df < 2; is_df++) {
            messages += flush_queue(icmp, channel, is_df, &budget);
            is_left |= channel->queues[is_df].head != NONE;
        }
    }
    if (is_left)
        phu_timer_after(icmp->sched, &icmp->flush, PHU_SCHED_TICK_NS);
    plan_reading(icmp, messages);
}

static void enqueue(struct icmp *icmp, struct phu_icmp_target *target)
{
    const struct channel *channel = channel_of(icmp, target);

    if (!channel->sock) {
        fail_later(icmp, target,
                   channel->error == -EPERM ? PHU_RESULT_NOPERM : PHU_RESULT_LOCAL_ERROR);
        return;
    }
    target->retries = 0;
    enter_state(icmp, target, PHU_ICMP_QUEUED);
    if (!phu_timer_is_armed(&icmp->flush))
        phu_timer_after(icmp->sched, &icmp->flush, 0);
}

/* -- Names ----------------------------------------------------------------------------------- */

#define NAME_AGE_NS (60 * PHU_NS_PER_S) /* the resolver answers from memory while the TTL lasts */

struct phu_icmp_name {
    struct icmp *icmp;
    uint32_t slot;
    int family;
    const char *text;
    struct phu_resolve *query;
    int64_t ask_ns;                  /* monotonic; when to ask next */
    struct sockaddr_storage address; /* the newest; AF_UNSPEC: none */
};

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

static bool is_same(const struct phu_icmp_target *target, const struct sockaddr_storage *address)
{
    struct phu_icmp_target other = {.family = AF_UNSPEC};

    set_address(&other, address);
    return other.family == target->family &&
           memcmp(other.address, target->address, sizeof other.address) == 0;
}

static void resolved(void *arg, int status, const struct sockaddr_storage *addresses, size_t count)
{
    struct phu_icmp_name *name = arg;
    struct phu_icmp_target *target = target_of(name->icmp, name->slot);
    bool is_kept = false;

    name->query = NULL;
    for (size_t i = 0; i < count; i++)
        is_kept |= is_same(target, &addresses[i]);
    if (status == -ENOENT)
        name->address = (struct sockaddr_storage){.ss_family = AF_UNSPEC};
    else if (status == 0 && count && !is_kept)
        name->address = addresses[0];
    if (target->state != PHU_ICMP_RESOLVING)
        return;
    set_address(target, &name->address);
    if (target->family == AF_UNSPEC)
        fail_later(name->icmp, target, PHU_RESULT_DNS);
    else
        enqueue(name->icmp, target);
}

/* Asks when it is time to; an address once known is used until a newer one is. */
static int refresh_name(struct icmp *icmp, struct phu_icmp_name *name, int64_t timeout_ns)
{
    int64_t now_ns = phu_sched_now(icmp->sched).ns;

    if (name->query || (name->address.ss_family != AF_UNSPEC && now_ns < name->ask_ns))
        return 0;
    name->ask_ns = now_ns + NAME_AGE_NS;
    return phu_resolve_start(icmp->resolver, name->text, name->family, timeout_ns, resolved, name,
                             &name->query);
}

static void poll_name(struct icmp *icmp, struct phu_icmp_target *target)
{
    struct phu_icmp_name *name = target->name;
    int error = refresh_name(icmp, name, icmp->lanes[target->lane]->timeout_ns);

    set_address(target, &name->address);
    if (target->family != AF_UNSPEC)
        enqueue(icmp, target);
    else if (error)
        fail_later(icmp, target, error == -EINVAL ? PHU_RESULT_DNS : PHU_RESULT_LOCAL_ERROR);
    else
        target->state = PHU_ICMP_RESOLVING;
}

/* -- The collector --------------------------------------------------------------------------- */

static void icmp_poll(void *self, void *check)
{
    struct icmp *icmp = self;
    struct phu_icmp_target *target = check;

    if (target->name)
        poll_name(icmp, target);
    else
        enqueue(icmp, target);
}

static int find_lane(struct icmp *icmp, int64_t timeout_ns, uint32_t *number)
{
    struct lane **lanes, *lane;

    for (*number = 0; *number < icmp->lane_count; ++*number) {
        if (icmp->lanes[*number]->timeout_ns == timeout_ns)
            return 0;
    }
    lanes = realloc(icmp->lanes, (icmp->lane_count + 1) * sizeof *lanes);
    if (!lanes)
        return -ENOMEM;
    icmp->lanes = lanes;
    lane = lanes[icmp->lane_count] = calloc(1, sizeof *lane);
    if (!lane)
        return -ENOMEM;
    *lane = (struct lane){.icmp = icmp, .timeout_ns = timeout_ns, .sent = {NONE, NONE}};
    phu_timer_init(&lane->expiry, lane_due);
    icmp->lane_count++;
    return 0;
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
    if (*options->interface && !(path.interface = if_nametoindex(options->interface)))
        return -ENODEV;
    *out = malloc(sizeof **out);
    if (!*out)
        return -ENOMEM;
    **out = path;
    return 0;
}

static int new_name(struct icmp *icmp, const struct phu_icmp_target *target, const char *text,
                    int family, struct phu_icmp_name **out)
{
    *out = calloc(1, sizeof **out);
    if (!*out)
        return -ENOMEM;
    **out =
        (struct phu_icmp_name){.icmp = icmp, .slot = target->slot, .family = family, .text = text};
    return 0;
}

static int set_target(struct icmp *icmp, struct phu_icmp_target *target,
                      const struct phu_check_spec *spec)
{
    const struct icmp_check_options *options = spec->options;
    static const int wanted[] = {AF_UNSPEC, AF_INET, AF_INET6};
    struct sockaddr_storage address;
    int family = wanted[options->family], error;
    bool is_literal = phu_address_parse(spec->address, &address) == 0;

    if (is_literal && family != AF_UNSPEC && family != address.ss_family)
        return -EINVAL;
    if (is_literal)
        family = address.ss_family;
    target->check = spec->check;
    target->size = (uint16_t)options->size;
    target->is_df = options->is_df;
    error = find_lane(icmp, spec->timeout_ns, &target->lane);
    if (!error)
        error = new_path(options, &family, &target->path);
    if (!error)
        error = phu_icmp_buffers_reserve(icmp->buffers, target->size);
    if (!error && !is_literal)
        error = new_name(icmp, target, spec->address, family, &target->name);
    if (!error && is_literal)
        set_address(target, &address);
    return error;
}

static void icmp_detach(void *self, void *check)
{
    struct icmp *icmp = self;
    struct phu_icmp_target *target = check;

    leave_state(icmp, target);
    if (target->name)
        phu_resolve_cancel(target->name->query);
    free(target->name);
    free(target->path);
    target->name = NULL;
    target->path = NULL;
    free_slot(icmp, target);
}

static int icmp_attach(void *self, const struct phu_check_spec *spec, void **check)
{
    struct icmp *icmp = self;
    struct phu_icmp_target *target = take_slot(icmp);
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

static void add_stats(struct icmp *icmp)
{
    static const struct {
        struct phu_stat_info info;
        size_t offset;
    } counters[] = {
#define COUNTER(field, help)                                                                       \
    {{"phusong_icmp_" #field "_total", PHU_STAT_COUNTER, help}, offsetof(struct counters, field)}
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

static void tell_remedy(void)
{
    char path[PATH_MAX];
    ssize_t length = readlink("/proc/self/exe", path, sizeof path - 1);

    path[length > 0 ? length : 0] = '\0';
    phu_log_error("icmp", "this process may not send echo requests; all icmp checks are unknown",
                  "remedy=\"setcap cap_net_raw+ep %s, or sysctl -w net.ipv4.ping_group_range='%u "
                  "%u'\"",
                  length > 0 ? path : "phusong", (unsigned)getgid(), (unsigned)getgid());
}

static int open_channel(struct icmp *icmp, struct channel *channel, int family)
{
    *channel = (struct channel){
        .icmp = icmp, .queues = {{NONE, NONE}, {NONE, NONE}}, .overflowed_ns = INT64_MIN};
    channel->error =
        phu_icmp_socket_open(family, (enum phu_icmp_socket_kind)icmp->options->socket_kind,
                             icmp->options->receive_buffer, &channel->sock);
    if (channel->error) {
        if (channel->error != -EPERM)
            phu_log_warn("icmp", "no socket for a family; its checks are unknown",
                         "family=%s error=\"%s\"", family == AF_INET ? "ipv4" : "ipv6",
                         strerror(-channel->error));
        return 0;
    }
    return phu_watch_open(icmp->sched, phu_icmp_socket_fd(channel->sock), 0, became_readable,
                          channel, &channel->watch);
}

static void icmp_close(void *self)
{
    struct icmp *icmp = self;

    phu_timer_cancel(icmp->sched, &icmp->flush);
    phu_timer_cancel(icmp->sched, &icmp->read);
    for (size_t i = 0; i < icmp->lane_count; i++) {
        phu_timer_cancel(icmp->sched, &icmp->lanes[i]->expiry);
        free(icmp->lanes[i]);
    }
    for (size_t i = 0; i < SOCKETS; i++) {
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

static int open_channels(struct icmp *icmp)
{
    int error = open_channel(icmp, &icmp->channels[SOCKET_V4], AF_INET);

    if (!error)
        error = open_channel(icmp, &icmp->channels[SOCKET_V6], AF_INET6);
    if (icmp->channels[SOCKET_V4].error == -EPERM || icmp->channels[SOCKET_V6].error == -EPERM)
        tell_remedy();
    return error;
}

static int icmp_open(const struct phu_collector_env *env, const void *options, void **self)
{
    struct icmp *icmp = calloc(1, sizeof *icmp);
    int error = -ENOMEM;

    if (!icmp)
        return error;
    icmp->sched = env->sched;
    icmp->sink = env->sink;
    icmp->resolver = env->resolver;
    icmp->stats = env->stats;
    icmp->options = options;
    icmp->free = NONE;
    icmp->failed = (struct list){NONE, NONE};
    phu_timer_init(&icmp->flush, flush_due);
    phu_timer_init(&icmp->read, reading_due);
    icmp->buffers = phu_icmp_buffers_new();
    if (icmp->buffers)
        error = getrandom(&icmp->key, sizeof icmp->key, 0) == sizeof icmp->key ? 0 : -EIO;
    if (!error)
        error = open_channels(icmp);
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
    .rtt_metric = METRIC_RTT,
    .open = icmp_open,
    .close = icmp_close,
    .attach = icmp_attach,
    .detach = icmp_detach,
    .poll = icmp_poll,
    .check_argument = icmp_check_argument,
};
