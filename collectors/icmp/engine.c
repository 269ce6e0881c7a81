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
#include "engine.h"

#include "phusong/log.h"

#include <errno.h>
#include <string.h>

#define GRAIN_NS (10 * PHU_NS_PER_MS)
#define BUSY 8           /* messages in one turn from which on reading waits for the next grain */
#define FLUSH_MOST 2048  /* requests in one turn of the loop, about 10 ms of it */
#define RETRY_MOST 3     /* ticks that a full send queue is waited for */
#define STAMPED_MOST 256 /* requests per flush up to which each gets its kernel transmit time */

/* -- Reading --------------------------------------------------------------------------------- */

/* The clocks are read close together, or the difference would carry a pause between the two. */
static void pair_clocks(struct phu_icmp_engine *icmp)
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

static void note_overflow(struct phu_icmp_channel *channel, uint32_t packets)
{
    struct phu_icmp_engine *icmp = channel->icmp;

    if (!icmp->counters.overflows)
        phu_log_warn("icmp", "the receive buffer overflowed; probes in flight become unknown",
                     "dropped=%u receive_buffer=%d remedy=\"sysctl -w net.core.rmem_max=8388608\"",
                     packets, phu_icmp_socket_receive_buffer(channel->sock));
    icmp->counters.overflows += packets;
    channel->overflowed_ns = phu_sched_now(icmp->sched).ns;
}

static void overflowed_v4(void *arg, uint32_t packets)
{
    note_overflow(&((struct phu_icmp_engine *)arg)->channels[PHU_ICMP_V4], packets);
}

static void overflowed_v6(void *arg, uint32_t packets)
{
    note_overflow(&((struct phu_icmp_engine *)arg)->channels[PHU_ICMP_V6], packets);
}

static struct phu_icmp_reader reader_of(struct phu_icmp_engine *icmp,
                                        const struct phu_icmp_channel *channel)
{
    bool is_v6 = channel == &icmp->channels[PHU_ICMP_V6];

    return (struct phu_icmp_reader){.arrived = phu_icmp_judge_arrival,
                                    .stamped = phu_icmp_judge_stamp,
                                    .overflowed = is_v6 ? overflowed_v6 : overflowed_v4,
                                    .arg = icmp};
}

static size_t read_channel(struct phu_icmp_engine *icmp, struct phu_icmp_channel *channel)
{
    const struct phu_icmp_reader reader = reader_of(icmp, channel);

    return channel->sock ? phu_icmp_socket_read(channel->sock, icmp->buffers, &reader) : 0;
}

static size_t read_all(struct phu_icmp_engine *icmp)
{
    size_t messages = 0;

    pair_clocks(icmp);
    for (size_t i = 0; i < PHU_ICMP_FAMILIES; i++)
        messages += read_channel(icmp, &icmp->channels[i]);
    return messages;
}

/* -- Turns of the loop ----------------------------------------------------------------------- */

/* The next of our moments that is not before `ns`. */
static struct phu_mono align(const struct phu_icmp_engine *icmp, int64_t ns)
{
    int64_t over = (ns - icmp->grain_ns) % GRAIN_NS;

    return (struct phu_mono){over ? ns + GRAIN_NS - over : ns};
}

static void watch(struct phu_icmp_channel *channel, unsigned events)
{
    if (!channel->sock || channel->watched == events)
        return;
    phu_watch_set(channel->watch, events);
    channel->watched = events;
}

/* How the next messages will be noticed: not at all when none is expected, at the next grain when
 * there are many, else by the watch. */
static void plan_reading(struct phu_icmp_engine *icmp, size_t messages)
{
    bool is_busy = messages >= BUSY && icmp->in_flight;
    unsigned events = icmp->in_flight && !is_busy ? PHU_WATCH_READ | PHU_WATCH_ERRQUEUE : 0;

    for (size_t i = 0; i < PHU_ICMP_FAMILIES; i++)
        watch(&icmp->channels[i], events);
    if (is_busy)
        phu_timer_at(icmp->sched, &icmp->read,
                     align(icmp, phu_sched_now(icmp->sched).ns + PHU_NS_PER_MS));
    else
        phu_timer_cancel(icmp->sched, &icmp->read);
}

static void reading_due(struct phu_timer *timer)
{
    struct phu_icmp_engine *icmp = phu_container_of(timer, struct phu_icmp_engine, read);

    plan_reading(icmp, read_all(icmp));
}

static void became_readable(void *arg, unsigned events)
{
    struct phu_icmp_channel *channel = arg;

    if (events & PHU_WATCH_GONE)
        channel->watched = 0;
    plan_reading(channel->icmp, read_all(channel->icmp));
}

static void arm_lane(struct phu_icmp_engine *icmp, struct phu_icmp_lane *lane)
{
    const struct phu_icmp_target *head;

    if (lane->sent.head == PHU_ICMP_NONE || phu_timer_is_armed(&lane->expiry))
        return;
    head = phu_icmp_target_at(icmp, lane->sent.head);
    phu_timer_at(icmp->sched, &lane->expiry, align(icmp, head->sent_ns + lane->timeout_ns));
}

/* Drops that no later packet has told of. */
static void ask_for_drops(struct phu_icmp_engine *icmp)
{
    for (size_t i = 0; i < PHU_ICMP_FAMILIES; i++) {
        struct phu_icmp_channel *channel = &icmp->channels[i];
        const struct phu_icmp_reader reader = reader_of(icmp, channel);

        if (channel->sock)
            phu_icmp_socket_ask_drops(channel->sock, &reader);
    }
}

static void expire(struct phu_icmp_engine *icmp, struct phu_icmp_target *target)
{
    int64_t now_ns = phu_sched_now(icmp->sched).ns;

    if (target->sent_ns <= phu_icmp_channel_of(icmp, target)->overflowed_ns)
        phu_icmp_put_verdict(icmp, target, PHU_RESULT_LOCAL_ERROR, now_ns);
    else if (target->is_hinted)
        phu_icmp_put_verdict(icmp, target, PHU_RESULT_UNREACHABLE, now_ns);
    else
        phu_icmp_put_verdict(icmp, target, PHU_RESULT_TIMEOUT, now_ns);
}

static bool is_expired(const struct phu_icmp_engine *icmp, const struct phu_icmp_lane *lane,
                       int64_t now_ns)
{
    return lane->sent.head != PHU_ICMP_NONE &&
           phu_icmp_target_at(icmp, lane->sent.head)->sent_ns + lane->timeout_ns <= now_ns;
}

static void lane_due(struct phu_timer *timer)
{
    struct phu_icmp_lane *lane = phu_container_of(timer, struct phu_icmp_lane, expiry);
    struct phu_icmp_engine *icmp = lane->icmp;
    int64_t now_ns = phu_sched_now(icmp->sched).ns;
    size_t messages = 0;

    if (is_expired(icmp, lane, now_ns)) {
        messages = read_all(icmp);
        ask_for_drops(icmp);
        while (is_expired(icmp, lane, now_ns))
            expire(icmp, phu_icmp_target_at(icmp, lane->sent.head));
        plan_reading(icmp, messages);
    }
    arm_lane(icmp, lane);
}

/* -- Sending --------------------------------------------------------------------------------- */

void phu_icmp_fail_later(struct phu_icmp_engine *icmp, struct phu_icmp_target *target,
                         enum phu_result result)
{
    target->result = (uint8_t)result;
    phu_icmp_enter(icmp, target, PHU_ICMP_FAILED);
    phu_timer_after(icmp->sched, &icmp->flush, 0);
}

static void note_sent(struct phu_icmp_engine *icmp, uint32_t slot, int64_t sent_ns)
{
    struct phu_icmp_target *target = phu_icmp_target_at(icmp, slot);

    target->sent_ns = sent_ns;
    phu_icmp_enter(icmp, target, PHU_ICMP_SENT);
    arm_lane(icmp, icmp->lanes[target->lane]);
    icmp->counters.sent++;
}

/* Whether the rest of the queue has to wait for the next tick. */
static bool note_unsent(struct phu_icmp_engine *icmp, uint32_t slot, int error)
{
    struct phu_icmp_target *target = phu_icmp_target_at(icmp, slot);
    bool is_full = error == -ENOBUFS || error == -EAGAIN;

    if (is_full && target->retries < RETRY_MOST) {
        target->retries++;
        return true;
    }
    if (error == -ENODEV && target->path)
        target->path->interface = 0; /* gone, or another one of that name by now */
    icmp->counters.send_errors++;
    phu_log_debug("icmp", "a request could not be sent", "check=%u error=\"%s\"", target->check,
                  strerror(-error));
    phu_icmp_fail_later(icmp, target, PHU_RESULT_LOCAL_ERROR);
    return is_full;
}

static size_t fill_batch(struct phu_icmp_engine *icmp, struct phu_icmp_channel *channel,
                         const struct phu_icmp_list *queue, bool wants_stamp,
                         uint32_t slots[PHU_ICMP_BATCH])
{
    size_t count = 0;

    for (uint32_t slot = queue->head; slot != PHU_ICMP_NONE && count < PHU_ICMP_BATCH; count++) {
        struct phu_icmp_target *target = phu_icmp_target_at(icmp, slot);
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
static bool send_batch(struct phu_icmp_engine *icmp, struct phu_icmp_channel *channel, bool is_df,
                       bool wants_stamp)
{
    uint32_t slots[PHU_ICMP_BATCH] = {0};
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
static size_t flush_queue(struct phu_icmp_engine *icmp, struct phu_icmp_channel *channel,
                          bool is_df, size_t *budget)
{
    size_t messages = 0;

    while (channel->queues[is_df].head != PHU_ICMP_NONE && *budget) {
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

static void tell_failures(struct phu_icmp_engine *icmp)
{
    /* What fails anew while these are told waits for the next flush. */
    uint32_t last = icmp->failed.tail;

    while (icmp->failed.head != PHU_ICMP_NONE) {
        struct phu_icmp_target *target = phu_icmp_target_at(icmp, icmp->failed.head);
        bool is_last = target->slot == last;

        phu_icmp_put_verdict(icmp, target, (enum phu_result)target->result,
                             phu_sched_now(icmp->sched).ns);
        if (is_last)
            break;
    }
}

static void flush_due(struct phu_timer *timer)
{
    struct phu_icmp_engine *icmp = phu_container_of(timer, struct phu_icmp_engine, flush);
    size_t budget = FLUSH_MOST, messages = 0;
    bool is_left = false;

    icmp->grain_ns = phu_sched_now(icmp->sched).ns / PHU_SCHED_TICK_NS * PHU_SCHED_TICK_NS;
    tell_failures(icmp);
    for (size_t i = 0; i < PHU_ICMP_FAMILIES; i++) {
        struct phu_icmp_channel *channel = &icmp->channels[i];

        for (int is_df = 0; is_df < 2; is_df++) {
            messages += flush_queue(icmp, channel, is_df, &budget);
            is_left |= channel->queues[is_df].head != PHU_ICMP_NONE;
        }
    }
    if (is_left)
        phu_timer_after(icmp->sched, &icmp->flush, PHU_SCHED_TICK_NS);
    plan_reading(icmp, messages);
}

void phu_icmp_enqueue(struct phu_icmp_engine *icmp, struct phu_icmp_target *target)
{
    const struct phu_icmp_channel *channel = phu_icmp_channel_of(icmp, target);

    if (!channel->sock) {
        phu_icmp_fail_later(icmp, target,
                            channel->error == -EPERM ? PHU_RESULT_NOPERM : PHU_RESULT_LOCAL_ERROR);
        return;
    }
    if (target->path && !phu_icmp_path_is_there(target->path)) {
        icmp->counters.send_errors++;
        phu_icmp_fail_later(icmp, target, PHU_RESULT_LOCAL_ERROR);
        return;
    }
    target->retries = 0;
    phu_icmp_enter(icmp, target, PHU_ICMP_QUEUED);
    if (!phu_timer_is_armed(&icmp->flush))
        phu_timer_after(icmp->sched, &icmp->flush, 0);
}

void phu_icmp_engine_init(struct phu_icmp_engine *icmp)
{
    icmp->free = PHU_ICMP_NONE;
    icmp->failed = (struct phu_icmp_list){PHU_ICMP_NONE, PHU_ICMP_NONE};
    icmp->lane_due = lane_due;
    phu_timer_init(&icmp->flush, flush_due);
    phu_timer_init(&icmp->read, reading_due);
}

int phu_icmp_engine_watch(struct phu_icmp_engine *icmp, struct phu_icmp_channel *channel)
{
    return phu_watch_open(icmp->sched, phu_icmp_socket_fd(channel->sock), 0, became_readable,
                          channel, &channel->watch);
}

void phu_icmp_engine_stop(struct phu_icmp_engine *icmp)
{
    phu_timer_cancel(icmp->sched, &icmp->flush);
    phu_timer_cancel(icmp->sched, &icmp->read);
    for (size_t i = 0; i < icmp->lane_count; i++)
        phu_timer_cancel(icmp->sched, &icmp->lanes[i]->expiry);
}
