#include "generation.h"

#include "config.h"

#include <stdlib.h>

struct phu_generation *phu_generation_new(struct phu_generation **list, struct phu_config *config)
{
    struct phu_generation *generation = malloc(sizeof *generation);

    if (!generation)
        abort();
    *generation =
        (struct phu_generation){.config = config, .users = 1, .list = list, .next = *list};
    *list = generation;
    return generation;
}

void phu_generation_use(struct phu_generation *generation)
{
    generation->users++;
}

void phu_generation_leave(struct phu_generation *generation)
{
    struct phu_generation **link;

    if (!generation || --generation->users)
        return;
    link = generation->list;
    while (*link != generation)
        link = &(*link)->next;
    *link = generation->next;
    phu_config_free(generation->config);
    free(generation);
}
