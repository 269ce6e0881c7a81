/* Owns the hosts, the echoes under way and the delay queue. A packet that is due at once is sent
 * from the caller's buffer; one that must wait is copied into a parcel. */
#include "forward.h"

#include "echo.h"
#include "queue.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const int64_t patience_ns = 2000000000;

struct parcel {
    struct lab_host *host;
    struct lab_echo_ref echo;
    int64_t seen_ns;
    int64_t due_ns;
    size_t length;
    enum lab_dir dir;
    bool is_echo; /* of the kind that counts: a request there or a reply back */
    const uint8_t *bytes;
    uint8_t copy[]; /* where a waiting parcel's bytes live */
};

struct lab_forward {
    struct lab_forward_config config;
    struct lab_hosts *hosts;
    struct lab_echoes *echoes;
    struct lab_queue *queue;
};

struct lab_forward *lab_forward_new(const struct lab_forward_config *config)
{
    struct lab_forward *forward = calloc(1, sizeof(*forward));

    if (!forward)
        return NULL;
    forward->config = *config;
    forward->hosts = lab_hosts_new(config->board, config->rules, config->seed);
    forward->echoes = lab_echoes_new(config->board, config->truth);
    forward->queue = lab_queue_new();
    if (!forward->hosts || !forward->echoes || !forward->queue) {
        lab_forward_free(forward);
        return NULL;
    }
    return forward;
}

void lab_forward_free(struct lab_forward *forward)
{
    if (!forward)
        return;
    while (forward->queue && lab_queue_count(forward->queue) > 0)
        free(lab_queue_take(forward->queue));
    lab_queue_free(forward->queue);
    lab_echoes_free(forward->echoes);
    lab_hosts_free(forward->hosts);
    free(forward);
}

static void drop(struct lab_forward *forward, const struct parcel *parcel, enum lab_cause cause,
                 int64_t now_ns)
{
    struct lab_way_stats *stats = &parcel->host->stats->ways[parcel->dir];

    stats->dropped[cause]++;
    if (!parcel->is_echo)
        return;
    stats->echoes_dropped++;
    lab_echoes_drop(forward->echoes, parcel->echo, parcel->dir, cause, now_ns);
}

static void count_delay(struct lab_way_stats *stats, uint64_t delay_ns)
{
    if (stats->forwarded == 0 || delay_ns < stats->delay_min_ns)
        stats->delay_min_ns = delay_ns;
    if (delay_ns > stats->delay_max_ns)
        stats->delay_max_ns = delay_ns;
    stats->delay_sum_ns += delay_ns;
    stats->forwarded++;
}

/* The time is read just before the packet leaves: what is recorded is the delay as applied, late
 * wake-ups of the lab included. */
static void deliver(struct lab_forward *forward, const struct parcel *parcel)
{
    const struct lab_forward_config *config = &forward->config;
    struct lab_way_stats *stats = &parcel->host->stats->ways[parcel->dir];
    int64_t now_ns = config->now(config->context);

    if (config->send(config->context, parcel->dir, parcel->bytes, parcel->length) < 0) {
        drop(forward, parcel, LAB_CAUSE_WRITE, now_ns);
        return;
    }
    count_delay(stats, (uint64_t)(now_ns - parcel->seen_ns));
    if (!parcel->is_echo)
        return;
    stats->echoes_forwarded++;
    if (!lab_echoes_deliver(forward->echoes, parcel->echo, parcel->dir, now_ns,
                            now_ns - parcel->seen_ns) &&
        parcel->dir == LAB_FROM)
        parcel->host->stats->extra_replies++;
}

static void enqueue(struct lab_forward *forward, const struct parcel *parcel, int64_t now_ns)
{
    struct lab_totals *totals = &forward->config.board->totals;
    size_t size = sizeof(*parcel) + parcel->length;
    struct parcel *copy = NULL;

    if (totals->queued_bytes + size <= forward->config.buffer_bytes)
        copy = malloc(size);
    if (copy) {
        *copy = *parcel;
        memcpy(copy->copy, parcel->bytes, parcel->length);
        copy->bytes = copy->copy;
    }
    if (!copy || lab_queue_put(forward->queue, parcel->due_ns, copy) < 0) {
        free(copy);
        drop(forward, parcel, LAB_CAUSE_BUFFER, now_ns);
        return;
    }
    totals->queued_packets++;
    totals->queued_bytes += size;
}

static void send_or_wait(struct lab_forward *forward, const struct parcel *parcel, int64_t now_ns)
{
    if (parcel->due_ns <= now_ns)
        deliver(forward, parcel);
    else
        enqueue(forward, parcel, now_ns);
}

/* Finds the echo of the packet, so that its fate can be kept. */
static void track_echo(struct lab_forward *forward, struct parcel *parcel,
                       const struct lab_packet *packet, int64_t wall_ns)
{
    bool is_request = packet->kind == LAB_KIND_ECHO && packet->is_request;
    bool is_reply = packet->kind == LAB_KIND_ECHO && !packet->is_request;

    parcel->is_echo = parcel->dir == LAB_TO ? is_request : is_reply;
    if (!parcel->is_echo)
        return;
    parcel->host->stats->ways[parcel->dir].echoes++;
    if (parcel->dir == LAB_TO)
        parcel->echo =
            lab_echoes_request(forward->echoes, parcel->host, packet, parcel->seen_ns, wall_ns);
    else
        parcel->echo = lab_echoes_reply(forward->echoes, packet, &parcel->seen_ns);
}

static void corrupt(struct lab_forward *forward, const struct parcel *parcel, uint8_t *bytes,
                    const struct lab_packet *packet, const struct lab_verdict *verdict)
{
    if (!lab_packet_corrupt(bytes, packet, verdict->corrupt_bits, verdict->mends))
        return;
    parcel->host->stats->ways[parcel->dir].corrupted++;
    lab_echoes_flag(forward->echoes, parcel->echo,
                    parcel->dir == LAB_TO ? LAB_TRUTH_CORRUPTED_REQUEST
                                          : LAB_TRUTH_CORRUPTED_REPLY);
}

static void duplicate(struct lab_forward *forward, const struct parcel *parcel)
{
    parcel->host->stats->ways[parcel->dir].duplicated++;
    lab_echoes_copy(forward->echoes, parcel->echo);
    lab_echoes_flag(forward->echoes, parcel->echo,
                    parcel->dir == LAB_TO ? LAB_TRUTH_DUPLICATED_REQUEST
                                          : LAB_TRUTH_DUPLICATED_REPLY);
}

static void judge(struct lab_forward *forward, struct parcel *parcel, uint8_t *bytes,
                  const struct lab_packet *packet, int64_t now_ns)
{
    struct lab_host *host = parcel->host;
    enum lab_dir dir = parcel->dir;
    struct lab_verdict verdict =
        lab_impair(&host->profiles[dir], &host->flows[packet->kind][dir],
                   host->dice[packet->kind][dir], parcel->seen_ns, parcel->length);

    if (verdict.cause != LAB_CAUSE_NONE) {
        drop(forward, parcel, verdict.cause, now_ns);
        return;
    }
    if (verdict.keeps_order && verdict.due_ns < host->last_due_ns[dir])
        verdict.due_ns = host->last_due_ns[dir];
    host->last_due_ns[dir] = verdict.due_ns;
    parcel->due_ns = verdict.due_ns;
    if (verdict.corrupts)
        corrupt(forward, parcel, bytes, packet, &verdict);
    if (verdict.duplicates)
        duplicate(forward, parcel);
    send_or_wait(forward, parcel, now_ns);
    if (verdict.duplicates)
        send_or_wait(forward, parcel, now_ns);
}

static bool is_district(const struct lab_forward *forward, const struct lab_addr *addr)
{
    for (size_t i = 0; i < forward->config.prefix_count; i++)
        if (lab_prefix_covers(&forward->config.prefixes[i], addr))
            return true;
    return false;
}

void lab_forward_put(struct lab_forward *forward, enum lab_dir dir, uint8_t *bytes, size_t length,
                     int64_t now_ns, int64_t wall_ns)
{
    struct lab_totals *totals = &forward->config.board->totals;
    struct parcel parcel = {.dir = dir, .seen_ns = now_ns, .bytes = bytes};
    const struct lab_addr *addr;
    struct lab_packet packet;

    if (lab_packet_parse(bytes, length, &packet) < 0) {
        totals->malformed++;
        return;
    }
    addr = dir == LAB_TO ? &packet.target : &packet.source;
    if (!is_district(forward, addr)) {
        totals->foreign++;
        return;
    }
    parcel.host = lab_hosts_get(forward->hosts, addr);
    if (!parcel.host) {
        totals->untracked_hosts++;
        return;
    }
    if (dir == LAB_TO && packet.kind == LAB_KIND_ECHO && packet.is_request && forward->config.sent)
        parcel.seen_ns = forward->config.sent(forward->config.context, &packet, now_ns);
    parcel.length = packet.length;
    parcel.host->stats->ways[dir].packets++;
    parcel.host->stats->ways[dir].bytes += packet.length;
    track_echo(forward, &parcel, &packet, wall_ns - (now_ns - parcel.seen_ns));
    judge(forward, &parcel, bytes, &packet, now_ns);
}

int64_t lab_forward_due(const struct lab_forward *forward)
{
    return lab_queue_due(forward->queue);
}

static void count_lateness(struct lab_totals *totals, uint64_t late_ns)
{
    uint64_t us = late_ns / 1000;

    totals->released++;
    totals->lateness_us[us < LAB_LATENESS_US ? us : LAB_LATENESS_US]++;
    if (late_ns > totals->lateness_max_ns)
        totals->lateness_max_ns = late_ns;
}

size_t lab_forward_release(struct lab_forward *forward, size_t max)
{
    const struct lab_forward_config *config = &forward->config;
    struct lab_totals *totals = &config->board->totals;
    size_t count = 0;

    while (count < max && lab_queue_count(forward->queue) > 0) {
        int64_t late_ns = config->now(config->context) - lab_queue_due(forward->queue);
        struct parcel *parcel;

        if (late_ns < 0)
            break;
        parcel = lab_queue_take(forward->queue);
        totals->queued_packets--;
        totals->queued_bytes -= sizeof(*parcel) + parcel->length;
        count_lateness(totals, (uint64_t)late_ns);
        deliver(forward, parcel);
        free(parcel);
        count++;
    }
    return count;
}

void lab_forward_tidy(struct lab_forward *forward, int64_t now_ns)
{
    lab_echoes_expire(forward->echoes, now_ns, patience_ns);
    if (forward->config.truth)
        lab_truth_flush(forward->config.truth);
}
