#include "roster.h"

#include "checks.h"
#include "config.h"
#include "core/inventory.h"
#include "generation.h"
#include "phusong/log.h"
#include "subjects.h"

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

size_t phu_roster_apply(struct phu_roster *roster, struct phu_generation *generation,
                        const struct phu_inventory *inventory,
                        const struct phu_inventory_diff *diff)
{
    uint32_t *handles = new_handles(inventory->check_count);
    struct phu_served_room room = {0};
    size_t refused = 0;

    for (uint32_t i = 0; i < roster->count; i++) {
        if (diff->after[i] == PHU_INVENTORY_NONE || diff->fate[diff->after[i]] == PHU_FATE_CHANGED)
            stop(roster, roster->handles[i]);
    }
    for (uint32_t i = 0; i < inventory->check_count; i++) {
        if (diff->fate[i] == PHU_FATE_UNCHANGED)
            handles[i] = roster->handles[diff->before[i]];
        else if (start(roster, generation, inventory, i, &room, &handles[i]))
            refused++;
    }
    phu_served_room_fini(&room);
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
