/* The roster: which checks of the inventory are being run, under which handle of the monitor and by
 * the options of which configuration.
 */
#pragma once

#include "phusong/sched.h"

#include <stddef.h>
#include <stdint.h>

struct phu_checks;
struct phu_generation;
struct phu_inventory;
struct phu_inventory_diff;
struct phu_monitor;

struct phu_roster {
    struct phu_monitor *monitor;
    struct phu_checks *checks;
    void **collectors; /* what collector->open gave, by index of phu_collectors[] */

    uint32_t *handles; /* by check of the current inventory; 0: not running */
    uint32_t count;
    struct phu_generation **generations; /* by handle */
    size_t generations_size;

    struct phu_sched *sched;
    struct phu_timer turn;
    struct phu_roster_change *change; /* a reload that is being followed; NULL: none */
};

void phu_roster_init(struct phu_roster *roster, struct phu_sched *sched);

/* Starts every check of the inventory. A check that its collector refuses is logged and left out;
 * returns how many were. */
size_t phu_roster_fill(struct phu_roster *roster, struct phu_generation *generation,
                       const struct phu_inventory *inventory);

/* Follows a reload: removed and changed checks end their window, changed and added ones start anew,
 * unchanged ones are not touched, unless a row of theirs serves an endpoint that has other tags
 * now. Of many checks some are done in each turn of the loop, so that probes stay on time; a
 * changed one rests no longer than it takes to exchange it. `done` is called on the loop, never
 * before return, with how many were refused. The inventory must be the current one already; it and
 * the diff are borrowed until then. */
void phu_roster_follow(struct phu_roster *roster, struct phu_generation *generation,
                       const struct phu_inventory *inventory, const struct phu_inventory_diff *diff,
                       void (*done)(void *arg, size_t refused), void *arg);

/* Follows no further: the agent is about to stop. */
void phu_roster_halt(struct phu_roster *roster);

/* Detaches everything, so that collectors can be closed. The monitor is left alone: its windows
 * were flushed, or are given up. */
void phu_roster_empty(struct phu_roster *roster);

/* 0 for a check that is not running, or not yet. */
uint32_t phu_roster_handle(const struct phu_roster *roster, uint32_t check);
