/* What the agent tells a console of its inventory: areas, sites, devices, endpoints, the tree and
 * the households, as JSON (docs/store.md). */
#pragma once

#include <stddef.h>

struct phu_inventory;

/* Freed by the caller. */
char *phu_register_text(const struct phu_inventory *inventory, size_t *length);
