/* See place.h. */
#include "place.h"

#include "conversation.h"
#include "device.h"

#include "phusong/resolve.h"
#include "phusong/sched.h"

#include <stdlib.h>
#include <string.h>

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
        memcpy(fresh.lines, work->lines, sizeof fresh.lines);
        *work = fresh;
    } else {
        work = calloc(1, sizeof *work);
        if (!work)
            abort();
        work->cpu_pct = -1;
    }
    phu_ifmib_reset(&work->ifmib, (size_t)snmp->options->max_interfaces);
    device->work = work;
    phu_snmp_line_add(device);
}

void phu_snmp_work_give(struct phu_snmp_device *device)
{
    struct phu_snmp_work *work = device->work;
    struct phu_snmp *snmp = device->snmp;

    if (!work)
        return;
    phu_snmp_hang_up(device);
    phu_resolve_cancel(work->resolve);
    while (work->line_count)
        phu_snmp_line_drop(device);
    free(work->identify);
    work->identify = NULL;
    if (work->ifmib.row_capacity > SPARE_ROWS_MAX)
        phu_ifmib_fini(&work->ifmib);
    device->work = NULL;
    work->next = snmp->spare;
    snmp->spare = work;
}

static void free_line(struct phu_snmp_line *line)
{
    if (line)
        phu_gather_fini(&line->gather);
    free(line);
}

void phu_snmp_work_free_spare(struct phu_snmp *snmp)
{
    while (snmp->spare) {
        struct phu_snmp_work *work = snmp->spare;

        snmp->spare = work->next;
        phu_ifmib_fini(&work->ifmib);
        for (unsigned i = 0; i < PHU_SNMP_LINES_MAX; i++)
            free_line(work->lines[i]);
        free(work);
    }
}

/* -- The queue --------------------------------------------------------------------------------- */

void phu_snmp_queue_put(struct phu_snmp_device *device)
{
    struct phu_snmp *snmp = device->snmp;

    device->is_waiting = true;
    device->next_waiting = NULL;
    *snmp->last_waiting = device;
    snmp->last_waiting = &device->next_waiting;
    snmp->waiting++;
}

void phu_snmp_queue_drop(struct phu_snmp_device *device)
{
    struct phu_snmp *snmp = device->snmp;
    struct phu_snmp_device **link = &snmp->first_waiting;

    if (!device->is_waiting)
        return;
    while (*link != device)
        link = &(*link)->next_waiting;
    *link = device->next_waiting;
    if (!*link)
        snmp->last_waiting = link;
    device->is_waiting = false;
    snmp->waiting--;
}

void phu_snmp_begin_next(struct phu_snmp *snmp)
{
    if (snmp->first_waiting)
        phu_timer_after(snmp->env.sched, &snmp->free_place, 0);
}

void phu_snmp_begin_waiting(struct phu_timer *timer)
{
    struct phu_snmp *snmp = phu_container_of(timer, struct phu_snmp, free_place);

    while (snmp->first_waiting && snmp->in_flight < snmp->options->concurrency) {
        struct phu_snmp_device *device = snmp->first_waiting;

        phu_snmp_queue_drop(device);
        phu_snmp_device_begin(device);
    }
}
