/* Memory that is given back all at once: what one series, or one body, needs while it is worked
 * on. Keeps its blocks for the next time, up to a bound. All zero is empty. */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct phu_arena_block;

struct phu_arena {
    struct phu_arena_block *first, *current;
    size_t used; /* of the current block */
};

/* Aligned for anything; ends the process when there is no memory. */
void *phu_arena_take(struct phu_arena *arena, size_t size);
void *phu_arena_copy(struct phu_arena *arena, const void *from, size_t size);
char *phu_arena_text(struct phu_arena *arena, const char *from, size_t length);
void phu_arena_reset(struct phu_arena *arena);
void phu_arena_fini(struct phu_arena *arena);
size_t phu_arena_bytes(const struct phu_arena *arena);
