/* Configurations that are still in use.
 *
 * After a reload the checks that did not change go on with the options of the configuration they
 * were added from. So each configuration lives until its last check is gone; collectors keep the
 * first one for as long as the agent runs.
 */
#pragma once

#include <stddef.h>

struct phu_config;

struct phu_generation {
    struct phu_config *config;
    size_t users;
    struct phu_generation **list, *next; /* private */
};

/* Takes the configuration, with one user: the caller. */
struct phu_generation *phu_generation_new(struct phu_generation **list, struct phu_config *config);
void phu_generation_use(struct phu_generation *generation);
/* The last one frees it. NULL is harmless. */
void phu_generation_leave(struct phu_generation *generation);
