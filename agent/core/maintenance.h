/* Maintenance windows of the inventory: whom they cover now, and until when that holds.
 *
 * A window over a device or site covers what depends on it too: its own outage is announced, so
 * theirs is. One over an area or hamlet covers the endpoints there, and the devices at sites there.
 */
#pragma once

#include "phusong/time.h"

#include <stdbool.h>
#include <stdint.h>

struct phu_inventory;
struct phu_topology;

/* Sets marks[node] for each node that is covered at `now`; the others are cleared. Looks at every
 * endpoint for each window over an area that is open. */
void phu_maintenance_mark(const struct phu_inventory *inventory,
                          const struct phu_topology *topology, struct phu_wall now, bool *marks);
/* The next time that a window opens or closes; false: none does any more. */
bool phu_maintenance_next(const struct phu_inventory *inventory, struct phu_wall now,
                          struct phu_wall *next);
