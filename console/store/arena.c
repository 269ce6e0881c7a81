#include "arena.h"

#include <stdlib.h>
#include <string.h>

#define BLOCK ((size_t)64 << 10)
#define KEPT ((size_t)4 << 20)

struct phu_arena_block {
    struct phu_arena_block *next;
    size_t size;
    max_align_t bytes[];
};

static struct phu_arena_block *block_new(size_t least)
{
    size_t size = least > BLOCK ? least : BLOCK;
    struct phu_arena_block *block = malloc(sizeof *block + size);

    if (!block)
        abort();
    block->next = NULL;
    block->size = size;
    return block;
}

/* To the next block that is large enough; smaller ones on the way stay unused until the reset. */
static void advance(struct phu_arena *arena, size_t size)
{
    struct phu_arena_block **link = arena->current ? &arena->current->next : &arena->first;

    while (*link && (*link)->size < size)
        link = &(*link)->next;
    if (!*link)
        *link = block_new(size);
    arena->current = *link;
    arena->used = 0;
}

void *phu_arena_take(struct phu_arena *arena, size_t size)
{
    void *taken;

    size = (size + sizeof(max_align_t) - 1) / sizeof(max_align_t) * sizeof(max_align_t);
    if (!arena->current || arena->current->size - arena->used < size)
        advance(arena, size);
    taken = (char *)arena->current->bytes + arena->used;
    arena->used += size;
    return taken;
}

void *phu_arena_copy(struct phu_arena *arena, const void *from, size_t size)
{
    void *to = phu_arena_take(arena, size);

    if (size)
        memcpy(to, from, size);
    return to;
}

char *phu_arena_text(struct phu_arena *arena, const char *from, size_t length)
{
    char *to = phu_arena_take(arena, length + 1);

    if (length)
        memcpy(to, from, length);
    to[length] = '\0';
    return to;
}

void phu_arena_reset(struct phu_arena *arena)
{
    if (phu_arena_bytes(arena) > KEPT)
        phu_arena_fini(arena);
    arena->current = arena->first;
    arena->used = 0;
}

void phu_arena_fini(struct phu_arena *arena)
{
    struct phu_arena_block *block = arena->first;

    while (block) {
        struct phu_arena_block *next = block->next;

        free(block);
        block = next;
    }
    *arena = (struct phu_arena){0};
}

size_t phu_arena_bytes(const struct phu_arena *arena)
{
    size_t sum = 0;

    for (const struct phu_arena_block *block = arena->first; block; block = block->next)
        sum += sizeof *block + block->size;
    return sum;
}
