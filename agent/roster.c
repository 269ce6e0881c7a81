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
                     uint32_t before)
{
    return (diff->changed || diff->removed) && roster->handles[before] &&
           !phu_monitor_is_current(roster->monitor, roster->handles[before]);
}

/* Which of the old checks go on; the others are stopped. */
static bool *stop_old(struct phu_roster *roster, const struct phu_inventory_diff *diff)
{
    bool *goes_on = calloc(roster->count ? roster->count : 1, sizeof *goes_on);

    if (!goes_on)
        abort();
    for (uint32_t i = 0; i < roster->count; i++) {
        uint32_t after = diff->after[i];

        goes_on[i] = after != PHU_INVENTORY_NONE && diff->fate[after] == PHU_FATE_UNCHANGED &&
                     !is_stale(roster, diff, i);
        if (!goes_on[i])
            stop(roster, roster->handles[i]);
    }
    return goes_on;
}

size_t phu_roster_apply(struct phu_roster *roster, struct phu_generation *generation,
                        const struct phu_inventory *inventory,
                        const struct phu_inventory_diff *diff)
{
    uint32_t *handles = new_handles(inventory->check_count);
    bool *goes_on = stop_old(roster, diff);
    struct phu_served_room room = {0};
    size_t refused = 0;

    for (uint32_t i = 0; i < inventory->check_count; i++) {
        uint32_t before = diff->before[i];

        if (before != PHU_INVENTORY_NONE && goes_on[before])
            handles[i] = roster->handles[before];
        else if (start(roster, generation, inventory, i, &room, &handles[i]))
            refused++;
    }
    phu_served_room_fini(&room);
    free(goes_on);
    free(roster->handles);
    roster->handles = handles;
    roster->count = inventory->check_count;
    return refused;
}

void phu_roster_empty(struct phu_roster *roster)
{
    for (uint32_t i = 0; i < roster->count; i++) {
        uint32_t handle = roster->handles[i];

        if (!handle)
            continue;
        phu_checks_remove(roster->checks, handle);
        phu_generation_leave(roster->generations[handle]);
    }
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
