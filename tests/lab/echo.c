/* A pool of slots, a hash from (both addresses, ident, sequence) to slot, and a list of those that
 * wait for the district's answer, oldest first. The pool grows by doubling up to LAB_ECHOES_MAX;
 * a slot's generation tells a reference to its former user from one to its present one. */
#include "echo.h"

#include <stdlib.h>
#include <string.h>

enum { BUCKETS = 1 << 16, NONE = 0 };

struct echo {
    struct lab_host *host;
    struct lab_addr peer;
    struct lab_record record;
    int64_t delivered_ns;
    int64_t waiting_since_ns;
    uint32_t generation;
    uint32_t copies; /* not dropped, wherever they are */
    uint32_t next_in_bucket;
    uint32_t newer; /* in the list of those waiting, or in the free list */
    uint32_t older;
    bool is_open;
    bool is_waiting;
};

struct lab_echoes {
    struct lab_board *board;
    struct lab_truth *truth;
    struct echo *slots; /* slot n is slots[n - 1] */
    uint32_t room;
    uint32_t first_free;
    uint32_t oldest;
    uint32_t newest;
    uint32_t buckets[BUCKETS];
};

struct lab_echoes *lab_echoes_new(struct lab_board *board, struct lab_truth *truth)
{
    struct lab_echoes *echoes = calloc(1, sizeof(*echoes));

    if (!echoes)
        return NULL;
    echoes->board = board;
    echoes->truth = truth;
    return echoes;
}

static struct echo *at(struct lab_echoes *echoes, uint32_t slot)
{
    return &echoes->slots[slot - 1];
}

static struct echo *find(struct lab_echoes *echoes, struct lab_echo_ref ref)
{
    struct echo *echo;

    if (ref.slot == NONE || ref.slot > echoes->room)
        return NULL;
    echo = at(echoes, ref.slot);
    return echo->is_open && echo->generation == ref.generation ? echo : NULL;
}

static bool grow(struct lab_echoes *echoes)
{
    uint32_t room = echoes->room ? echoes->room * 2 : 1024;
    struct echo *slots;

    if (room > LAB_ECHOES_MAX || !(slots = realloc(echoes->slots, room * sizeof(*slots))))
        return false;
    memset(slots + echoes->room, 0, (room - echoes->room) * sizeof(*slots));
    echoes->slots = slots;
    for (uint32_t slot = room; slot > echoes->room; slot--) {
        at(echoes, slot)->newer = echoes->first_free;
        echoes->first_free = slot;
    }
    echoes->room = room;
    return true;
}

static uint32_t *bucket_of(struct lab_echoes *echoes, const struct lab_addr *addr, uint16_t ident,
                           uint16_t sequence)
{
    uint64_t hash = lab_addr_hash(addr) ^ ((uint64_t)ident << 16 | sequence) * 0x9e3779b97f4a7c15u;

    return &echoes->buckets[(hash >> 32) % BUCKETS];
}

static uint32_t look_up(struct lab_echoes *echoes, const struct lab_addr *addr,
                        const struct lab_addr *peer, uint16_t ident, uint16_t sequence)
{
    uint32_t slot = *bucket_of(echoes, addr, ident, sequence);

    while (slot != NONE) {
        struct echo *echo = at(echoes, slot);

        if (echo->record.ident == ident && echo->record.sequence == sequence &&
            lab_addr_equal(&echo->record.addr, addr) && lab_addr_equal(&echo->peer, peer))
            break;
        slot = echo->next_in_bucket;
    }
    return slot;
}

static void stop_waiting(struct lab_echoes *echoes, struct echo *echo)
{
    if (!echo->is_waiting)
        return;
    if (echo->older)
        at(echoes, echo->older)->newer = echo->newer;
    else
        echoes->oldest = echo->newer;
    if (echo->newer)
        at(echoes, echo->newer)->older = echo->older;
    else
        echoes->newest = echo->older;
    echo->is_waiting = false;
}

static void start_waiting(struct lab_echoes *echoes, struct echo *echo, int64_t now_ns)
{
    uint32_t slot = (uint32_t)(echo - echoes->slots) + 1;

    stop_waiting(echoes, echo);
    echo->older = echoes->newest;
    echo->newer = NONE;
    if (echoes->newest)
        at(echoes, echoes->newest)->newer = slot;
    else
        echoes->oldest = slot;
    echoes->newest = slot;
    echo->is_waiting = true;
    echo->waiting_since_ns = now_ns;
}

static void count_fate(struct lab_host_stats *stats, enum lab_fate fate)
{
    switch (fate) {
    case LAB_FATE_ANSWERED:
        stats->answered++;
        break;
    case LAB_FATE_LOST_REQUEST:
        stats->lost_request++;
        break;
    case LAB_FATE_LOST_REPLY:
        stats->lost_reply++;
        break;
    case LAB_FATE_UNANSWERED:
        stats->unanswered++;
        break;
    case LAB_FATE_OPEN:
    case LAB_FATES:
        break;
    }
}

static void settle(struct lab_echoes *echoes, struct echo *echo, enum lab_fate fate)
{
    uint32_t slot = (uint32_t)(echo - echoes->slots) + 1;
    uint32_t *link =
        bucket_of(echoes, &echo->record.addr, echo->record.ident, echo->record.sequence);

    stop_waiting(echoes, echo);
    while (*link != slot)
        link = &at(echoes, *link)->next_in_bucket;
    *link = echo->next_in_bucket;
    count_fate(echo->host->stats, fate);
    echo->record.fate = (uint8_t)fate;
    if (echoes->truth) {
        lab_truth_put(echoes->truth, &echo->record);
        echoes->board->totals.truth_records = lab_truth_written(echoes->truth);
        echoes->board->totals.truth_lost = lab_truth_lost(echoes->truth);
    }
    echo->is_open = false;
    echo->generation++;
    echo->newer = echoes->first_free;
    echoes->first_free = slot;
    echoes->board->totals.open_echoes--;
}

void lab_echoes_free(struct lab_echoes *echoes)
{
    if (!echoes)
        return;
    for (uint32_t slot = 1; slot <= echoes->room; slot++)
        if (at(echoes, slot)->is_open)
            settle(echoes, at(echoes, slot), LAB_FATE_OPEN);
    free(echoes->slots);
    free(echoes);
}

struct lab_echo_ref lab_echoes_request(struct lab_echoes *echoes, struct lab_host *host,
                                       const struct lab_packet *packet, int64_t now_ns,
                                       int64_t wall_ns)
{
    uint32_t slot =
        look_up(echoes, &packet->target, &packet->source, packet->ident, packet->sequence);
    uint32_t *bucket = bucket_of(echoes, &packet->target, packet->ident, packet->sequence);
    struct echo *echo;

    host->stats->sent++;
    if (slot != NONE) /* the same again: nobody could tell their answers apart */
        settle(echoes, at(echoes, slot), LAB_FATE_UNANSWERED);
    if (echoes->first_free == NONE && !grow(echoes)) {
        echoes->board->totals.untracked_echoes++;
        return (struct lab_echo_ref){0};
    }
    slot = echoes->first_free;
    echo = at(echoes, slot);
    echoes->first_free = echo->newer;
    *echo = (struct echo){
        .host = host,
        .peer = packet->source,
        .record = {.seen_ns = wall_ns,
                   .addr = packet->target,
                   .ident = packet->ident,
                   .sequence = packet->sequence},
        .delivered_ns = now_ns,
        .generation = echo->generation,
        .copies = 1,
        .next_in_bucket = *bucket,
        .is_open = true,
    };
    *bucket = slot;
    echoes->board->totals.open_echoes++;
    return (struct lab_echo_ref){.slot = slot, .generation = echo->generation};
}

struct lab_echo_ref lab_echoes_reply(struct lab_echoes *echoes, const struct lab_packet *packet,
                                     int64_t *seen_ns)
{
    uint32_t slot =
        look_up(echoes, &packet->source, &packet->target, packet->ident, packet->sequence);
    struct echo *echo;

    if (slot == NONE)
        return (struct lab_echo_ref){0};
    echo = at(echoes, slot);
    stop_waiting(echoes, echo);
    *seen_ns = echo->delivered_ns;
    return (struct lab_echo_ref){.slot = slot, .generation = echo->generation};
}

void lab_echoes_flag(struct lab_echoes *echoes, struct lab_echo_ref ref, uint8_t flag)
{
    struct echo *echo = find(echoes, ref);

    if (echo)
        echo->record.flags |= flag;
}

void lab_echoes_copy(struct lab_echoes *echoes, struct lab_echo_ref ref)
{
    struct echo *echo = find(echoes, ref);

    if (echo)
        echo->copies++;
}

void lab_echoes_drop(struct lab_echoes *echoes, struct lab_echo_ref ref, enum lab_dir dir,
                     enum lab_cause cause, int64_t now_ns)
{
    struct echo *echo = find(echoes, ref);

    if (!echo)
        return;
    if (--echo->copies > 0) {
        if (dir == LAB_FROM) /* the district may or may not answer the other copy */
            start_waiting(echoes, echo, now_ns);
        return;
    }
    echo->record.cause = (uint8_t)cause;
    settle(echoes, echo, dir == LAB_TO ? LAB_FATE_LOST_REQUEST : LAB_FATE_LOST_REPLY);
}

bool lab_echoes_deliver(struct lab_echoes *echoes, struct lab_echo_ref ref, enum lab_dir dir,
                        int64_t now_ns, int64_t delay_ns)
{
    struct echo *echo = find(echoes, ref);

    if (!echo)
        return false;
    if (dir == LAB_FROM) {
        echo->record.from_ns = (uint64_t)delay_ns;
        settle(echoes, echo, LAB_FATE_ANSWERED);
        return true;
    }
    echo->delivered_ns = now_ns; /* of the last copy, whose answer comes next */
    echo->record.to_ns = (uint64_t)delay_ns;
    start_waiting(echoes, echo, now_ns);
    return true;
}

void lab_echoes_expire(struct lab_echoes *echoes, int64_t now_ns, int64_t patience_ns)
{
    while (echoes->oldest != NONE) {
        struct echo *echo = at(echoes, echoes->oldest);

        if (now_ns - echo->waiting_since_ns < patience_ns)
            break;
        settle(echoes, echo, LAB_FATE_UNANSWERED);
    }
}
