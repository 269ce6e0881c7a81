#include "roster.h"

#include "checks.h"
#include "config.h"
#include "core/inventory.h"
#include "generation.h"
#include "phusong/log.h"
#include "subjects.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static void remember_generation(struct phu_roster *roster, uint32_t handle,
                                struct phu_generation *generation)
{
    if (handle >= roster->generations_size) {
        size_t size = roster->generations_size ? roster->generations_size : 64;

        while (size <= handle)
            size *= 2;
        roster->generations = realloc(roster->generations, size * sizeof *roster->generations);
        if (!roster->generations)
            abort();
        roster->generations_size = size;
    }
    roster->generations[handle] = generation;
    phu_generation_use(generation);
}

static int start(struct phu_roster *roster, struct phu_generation *generation,
                 const struct phu_inventory *inventory, uint32_t check,
                 struct phu_served_room *room, uint32_t *handle)
{
    const struct phu_config *config = generation->config;
    size_t kind = inventory->checks[check].kind;
    struct phu_monitor_check monitored;
    struct phu_check_spec spec;
    int error;

    phu_subject_describe(config, inventory, check, &monitored, &spec);
    phu_subject_serve(config, inventory, check, room, &spec);
    error = phu_monitor_add(roster->monitor, &monitored, handle);
    if (error)
        return error;
    spec.check = *handle;
    error = phu_checks_add(roster->checks, config->checks[kind].collector,
                           roster->collectors[config->checks[kind].collector_index], &spec);
    if (error) {
        phu_log_error("agent", "a check cannot be run", "check=%s address=%s err=\"%s\"", spec.id,
                      spec.address, strerror(-error));
        phu_monitor_remove(roster->monitor, *handle);
        *handle = 0;
        return error;
    }
    remember_generation(roster, *handle, generation);
    return 0;
}

static void stop(struct phu_roster *roster, uint32_t handle)
{
    if (!handle)
        return;
    phu_checks_remove(roster->checks, handle);
    phu_monitor_remove(roster->monitor, handle);
    phu_generation_leave(roster->generations[handle]);
}

static uint32_t *new_handles(uint32_t count)
{
    uint32_t *handles = calloc(count ? count : 1, sizeof *handles);

    if (!handles)
        abort();
    return handles;
}

size_t phu_roster_fill(struct phu_roster *roster, struct phu_generation *generation,
                       const struct phu_inventory *inventory)
{
    struct phu_served_room room = {0};
    size_t refused = 0;

    roster->handles = new_handles(inventory->check_count);
    roster->count = inventory->check_count;
    for (uint32_t i = 0; i < inventory->check_count; i++) {
        if (start(roster, generation, inventory, i, &room, &roster->handles[i]))
            refused++;
    }
    phu_served_room_fini(&room);
    return refused;
}

/* A pattern may have tied a row to an endpoint that names no device: then only the row's tags tell
 * that the endpoint has others now. They need no look when no endpoint's check changed or went. */
static bool is_stale(const struct phu_roster *roster, const struct phu_inventory_diff *diff,
                     uint32_t handle)
{
    return (diff->changed || diff->removed) && !phu_monitor_is_current(roster->monitor, handle);
}

/* -- Following a reload ---------------------------------------------------------------------- */

/* What one turn of the loop may take. */
#define TURN_NS (2 * PHU_NS_PER_MS)

struct phu_roster_change {
    struct phu_generation *generation;
    const struct phu_inventory *inventory;
    const struct phu_inventory_diff *diff;
    struct phu_served_room room;
    uint32_t *before; /* handles by check of the old inventory; 0: done with */
    uint32_t before_count;
    uint32_t old_place, new_place; /* the next ones to look at */
    size_t refused;
    void (*done)(void *arg, size_t refused);
    void *arg;
};

static void start_new(struct phu_roster *roster, uint32_t check)
{
    struct phu_roster_change *change = roster->change;

    if (start(roster, change->generation, change->inventory, check, &change->room,
              &roster->handles[check]))
        change->refused++;
}

static void follow_old(struct phu_roster *roster, uint32_t before)
{
    struct phu_roster_change *change = roster->change;
    uint32_t after = change->diff->after[before], handle = change->before[before];
    bool goes_on = after != PHU_INVENTORY_NONE && change->diff->fate[after] == PHU_FATE_UNCHANGED &&
                   handle && !is_stale(roster, change->diff, handle);

    change->before[before] = 0;
    if (goes_on) {
        roster->handles[after] = handle;
        return;
    }
    stop(roster, handle);
    if (after != PHU_INVENTORY_NONE)
        start_new(roster, after);
}

/* False when there is nothing left to do. */
static bool follow_one(struct phu_roster *roster)
{
    struct phu_roster_change *change = roster->change;

    if (change->old_place < change->before_count) {
        follow_old(roster, change->old_place++);
        return true;
    }
    while (change->new_place < roster->count &&
           change->diff->before[change->new_place] != PHU_INVENTORY_NONE)
        change->new_place++;
    if (change->new_place == roster->count)
        return false;
    start_new(roster, change->new_place++);
    return true;
}

static void free_change(struct phu_roster *roster)
{
    phu_served_room_fini(&roster->change->room);
    free(roster->change->before);
    free(roster->change);
    roster->change = NULL;
}

static void turn_came(struct phu_timer *timer)
{
    struct phu_roster *roster = phu_container_of(timer, struct phu_roster, turn);
    struct phu_mono until = phu_mono_add(phu_sched_now(roster->sched), TURN_NS);
    struct phu_roster_change change;

    while (follow_one(roster)) {
        if (phu_sched_now(roster->sched).ns > until.ns) {
            phu_timer_after(roster->sched, timer, PHU_SCHED_TICK_NS);
            return;
        }
    }
    change = *roster->change;
    free_change(roster);
    change.done(change.arg, change.refused);
}

void phu_roster_init(struct phu_roster *roster, struct phu_sched *sched)
{
    roster->sched = sched;
    phu_timer_init(&roster->turn, turn_came);
}

void phu_roster_follow(struct phu_roster *roster, struct phu_generation *generation,
                       const struct phu_inventory *inventory, const struct phu_inventory_diff *diff,
                       void (*done)(void *arg, size_t refused), void *arg)
{
    struct phu_roster_change *change = calloc(1, sizeof *change);

    if (!change)
        abort();
    *change = (struct phu_roster_change){.generation = generation,
                                         .inventory = inventory,
                                         .diff = diff,
                                         .before = roster->handles,
                                         .before_count = roster->count,
                                         .done = done,
                                         .arg = arg};
    roster->change = change;
    roster->handles = new_handles(inventory->check_count);
    roster->count = inventory->check_count;
    phu_timer_after(roster->sched, &roster->turn, 0);
}

/* -- The end --------------------------------------------------------------------------------- */

void phu_roster_halt(struct phu_roster *roster)
{
    phu_timer_cancel(roster->sched, &roster->turn);
}

static void detach_all(struct phu_roster *roster, const uint32_t *handles, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        if (!handles[i])
            continue;
        phu_checks_remove(roster->checks, handles[i]);
        phu_generation_leave(roster->generations[handles[i]]);
    }
}

void phu_roster_empty(struct phu_roster *roster)
{
    if (roster->change) {
        phu_roster_halt(roster);
        detach_all(roster, roster->change->before, roster->change->before_count);
        free_change(roster);
    }
    detach_all(roster, roster->handles, roster->count);
    free(roster->handles);
    free(roster->generations);
    roster->handles = NULL;
    roster->generations = NULL;
    roster->count = 0;
    roster->generations_size = 0;
}

uint32_t phu_roster_handle(const struct phu_roster *roster, uint32_t check)
{
    return check < roster->count ? roster->handles[check] : 0;
}
