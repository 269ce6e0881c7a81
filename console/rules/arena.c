#include "rules/arena.h"

#include "mem.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CHUNK_BYTES = 16 * 1024 };

struct phu_rule_arena_chunk {
    struct phu_rule_arena_chunk *next;
    size_t used, size;
    _Alignas(max_align_t) char bytes[];
};

void *phu_rule_arena_take(struct phu_rule_arena *arena, size_t count, size_t size)
{
    struct phu_rule_arena_chunk *chunk = arena->chunks;
    size_t bytes = count * size, align = _Alignof(max_align_t);
    char *memory;

    bytes = (bytes + align - 1) / align * align;
    if (!chunk || chunk->size - chunk->used < bytes) {
        size_t room = bytes > CHUNK_BYTES ? bytes : CHUNK_BYTES;

        chunk = phu_mem_alloc(1, sizeof *chunk + room);
        chunk->size = room;
        chunk->next = arena->chunks;
        arena->chunks = chunk;
    }
    memory = chunk->bytes + chunk->used;
    chunk->used += bytes;
    return memory;
}

const char *phu_rule_arena_text(struct phu_rule_arena *arena, const char *text, size_t length)
{
    char *copy = phu_rule_arena_take(arena, length + 1, 1);

    memcpy(copy, text, length);
    return copy;
}

const char *phu_rule_arena_print(struct phu_rule_arena *arena, const char *format, ...)
{
    va_list args;
    char *text;
    int length;

    va_start(args, format);
    length = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (length < 0)
        abort();
    text = phu_rule_arena_take(arena, (size_t)length + 1, 1);
    va_start(args, format);
    vsnprintf(text, (size_t)length + 1, format, args);
    va_end(args);
    return text;
}

void phu_rule_arena_free(struct phu_rule_arena *arena)
{
    while (arena->chunks) {
        struct phu_rule_arena_chunk *next = arena->chunks->next;

        free(arena->chunks);
        arena->chunks = next;
    }
}
