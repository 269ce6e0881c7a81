/* See place.h. */
#include "place.h"

#include "conversation.h"
#include "device.h"
#include "report.h"

#include "phusong/resolve.h"
#include "phusong/sched.h"

#include <stdlib.h>
#include <string.h>

/* What one turn of the loop may take. */
#define TURN_NS (2 * PHU_NS_PER_MS)
/* How often it is looked after those that wait in vain. */
#define EXPIRY_NS (250 * PHU_NS_PER_MS)
#define QUEUE_LEAST 256
/* Polls overlap as answers come: memory for so many is kept when there are fewer. */
#define SPARE_MAX 64
/* More rows than this and their memory is not kept for the next poll. */
#define SPARE_ROWS_MAX 1024

/* -- Lines ------------------------------------------------------------------------------------- */

/* Lines stay with their work, for polls to come. */
struct phu_snmp_line *phu_snmp_line_add(struct phu_snmp_device *device)
{
    struct phu_snmp_work *work = device->work;
    struct phu_snmp_line **slot = &work->lines[work->line_count];

    if (work->line_count == PHU_SNMP_LINES_MAX ||
        (work->line_count > 0 && device->snmp->in_flight >= device->snmp->options->concurrency))
        return NULL;
    if (!*slot)
        *slot = calloc(1, sizeof **slot);
    if (!*slot)
        abort();
    (*slot)->device = device;
    (*slot)->session = NULL;
    (*slot)->task = PHU_TASK_NONE;
    (*slot)->is_asking = false;
    phu_timer_init(&(*slot)->timer, phu_snmp_line_may_ask);
    work->line_count++;
    device->snmp->in_flight++;
    return *slot;
}

void phu_snmp_line_drop(struct phu_snmp_device *device)
{
    device->work->line_count--;
    device->snmp->in_flight--;
}

/* -- Work -------------------------------------------------------------------------------------- */

void phu_snmp_work_take(struct phu_snmp_device *device)
{
    struct phu_snmp *snmp = device->snmp;
    struct phu_snmp_work *work = snmp->spare;

    if (work) {
        struct phu_snmp_work fresh = {.ifmib = work->ifmib, .cpu_pct = -1};

        snmp->spare = work->next;
        snmp->spare_count--;
        memcpy(fresh.lines, work->lines, sizeof fresh.lines);
        *work = fresh;
    } else {
        work = calloc(1, sizeof *work);
        if (!work)
            abort();
        work->cpu_pct = -1;
    }
    phu_ifmib_reset(&work->ifmib, (size_t)snmp->options->max_interfaces);
    phu_timer_init(&work->deadline, phu_snmp_device_deadline);
    phu_timer_at(snmp->env.sched, &work->deadline,
                 phu_mono_add(device->started, device->spec->timeout_ns));
    work->device = device;
    device->work = work;
    phu_snmp_line_add(device);
}

static void free_line(struct phu_snmp_line *line)
{
    if (line)
        phu_gather_fini(&line->gather);
    free(line);
}

static void free_work(struct phu_snmp_work *work)
{
    phu_ifmib_fini(&work->ifmib);
    for (unsigned i = 0; i < PHU_SNMP_LINES_MAX; i++)
        free_line(work->lines[i]);
    free(work);
}

static void keep_spare(struct phu_snmp *snmp, struct phu_snmp_work *work)
{
    if (snmp->spare_count >= SPARE_MAX) {
        free_work(work);
        return;
    }
    work->next = snmp->spare;
    snmp->spare = work;
    snmp->spare_count++;
}

void phu_snmp_work_give(struct phu_snmp_device *device)
{
    struct phu_snmp_work *work = device->work;
    struct phu_snmp *snmp = device->snmp;

    if (!work)
        return;
    phu_snmp_hang_up(device);
    phu_timer_cancel(snmp->env.sched, &work->deadline);
    phu_resolve_cancel(work->resolve);
    while (work->line_count)
        phu_snmp_line_drop(device);
    free(work->identify);
    work->identify = NULL;
    if (work->ifmib.row_capacity > SPARE_ROWS_MAX)
        phu_ifmib_fini(&work->ifmib);
    device->work = NULL;
    keep_spare(snmp, work);
}

void phu_snmp_work_free_spare(struct phu_snmp *snmp)
{
    while (snmp->spare) {
        struct phu_snmp_work *work = snmp->spare;

        snmp->spare = work->next;
        free_work(work);
    }
    snmp->spare_count = 0;
}

/* -- The queue --------------------------------------------------------------------------------- */

static struct phu_snmp_device **place_at(const struct phu_snmp_queue *queue, uint32_t place)
{
    return &queue->items[place & (queue->capacity - 1)];
}

static void grow(struct phu_snmp_queue *queue)
{
    struct phu_snmp_queue old = *queue;

    queue->capacity = old.capacity ? old.capacity * 2 : QUEUE_LEAST;
    queue->items = calloc(queue->capacity, sizeof *queue->items);
    if (!queue->items)
        abort();
    for (uint32_t place = old.head; place != old.tail; place++)
        *place_at(queue, place) = *place_at(&old, place);
    free(old.items);
}

void phu_snmp_queue_fini(struct phu_snmp *snmp)
{
    free(snmp->queue.items);
    snmp->queue = (struct phu_snmp_queue){.items = NULL};
}

void phu_snmp_queue_put(struct phu_snmp_device *device)
{
    struct phu_snmp *snmp = device->snmp;
    struct phu_snmp_queue *queue = &snmp->queue;

    if (queue->tail - queue->head == queue->capacity)
        grow(queue);
    device->is_waiting = true;
    device->queue_place = queue->tail++;
    *place_at(queue, device->queue_place) = device;
    snmp->waiting++;
    if (!phu_timer_is_armed(&snmp->expiry))
        phu_timer_after(snmp->env.sched, &snmp->expiry, EXPIRY_NS);
}

void phu_snmp_queue_drop(struct phu_snmp_device *device)
{
    struct phu_snmp *snmp = device->snmp;

    if (!device->is_waiting)
        return;
    *place_at(&snmp->queue, device->queue_place) = NULL;
    device->is_waiting = false;
    if (--snmp->waiting > 0)
        return;
    snmp->queue.head = snmp->queue.tail;
    if (snmp->queue.capacity > QUEUE_LEAST)
        phu_snmp_queue_fini(snmp);
}

/* The first that waits, which leaves the queue; NULL when none does. */
static struct phu_snmp_device *pop(struct phu_snmp *snmp)
{
    struct phu_snmp_queue *queue = &snmp->queue;
    struct phu_snmp_device *device = NULL;

    while (snmp->waiting && !device)
        device = *place_at(queue, queue->head++);
    if (device)
        phu_snmp_queue_drop(device);
    return device;
}

void phu_snmp_begin_next(struct phu_snmp *snmp)
{
    if (snmp->waiting)
        phu_timer_after(snmp->env.sched, &snmp->free_place, 0);
}

void phu_snmp_begin_waiting(struct phu_timer *timer)
{
    struct phu_snmp *snmp = phu_container_of(timer, struct phu_snmp, free_place);
    struct phu_mono until = phu_mono_add(phu_sched_now(snmp->env.sched), TURN_NS);

    while (snmp->waiting && snmp->in_flight < snmp->options->concurrency) {
        phu_snmp_device_begin(pop(snmp));
        if (phu_sched_now(snmp->env.sched).ns > until.ns) {
            phu_timer_after(snmp->env.sched, timer, PHU_SCHED_TICK_NS);
            return;
        }
    }
}

static bool is_expired(const struct phu_snmp_device *device, struct phu_mono now)
{
    return phu_mono_since(now, device->started) >= device->spec->timeout_ns;
}

void phu_snmp_expire_waiting(struct phu_timer *timer)
{
    struct phu_snmp *snmp = phu_container_of(timer, struct phu_snmp, expiry);
    struct phu_mono now = phu_sched_now(snmp->env.sched), until = phu_mono_add(now, TURN_NS);
    uint32_t place = snmp->queue.head;

    for (; snmp->waiting && place != snmp->queue.tail && now.ns <= until.ns; place++) {
        struct phu_snmp_device *device = *place_at(&snmp->queue, place);

        if (!device || !is_expired(device, now))
            continue;
        phu_snmp_queue_drop(device);
        phu_snmp_finish(device, PHU_RESULT_SKIPPED,
                        "no place was free; raise concurrency or the interval");
        now = phu_sched_now(snmp->env.sched);
    }
    if (snmp->waiting)
        phu_timer_after(snmp->env.sched, timer,
                        place != snmp->queue.tail ? PHU_SCHED_TICK_NS : EXPIRY_NS);
}
