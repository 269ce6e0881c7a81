/* Memory of what was read from files: taken piece by piece, given back at once. */
#pragma once

#include <stddef.h>

struct phu_rule_arena_chunk;

struct phu_rule_arena {
    struct phu_rule_arena_chunk *chunks;
};

/* Zeroed. */
void *phu_rule_arena_take(struct phu_rule_arena *arena, size_t count, size_t size);
const char *phu_rule_arena_text(struct phu_rule_arena *arena, const char *text, size_t length);
__attribute__((format(printf, 2, 3))) const char *phu_rule_arena_print(struct phu_rule_arena *arena,
                                                                       const char *format, ...);
void phu_rule_arena_free(struct phu_rule_arena *arena);
