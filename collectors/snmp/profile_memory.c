/* What a set of profiles owns: one pile of memory that is freed together, and the expressions. */
#include "profile_set.h"

#include "mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CHUNK_BYTES = 16 * 1024 };
enum { EXPRESSION_MAX = 256, REPEATS_MAX = 1000 };

struct phu_profile_chunk {
    struct phu_profile_chunk *next;
    size_t used, size;
    _Alignas(max_align_t) char bytes[];
};

struct phu_profile_regex {
    struct phu_profile_regex *next;
    regex_t regex;
};

void *phu_profile_take(struct phu_profile_memory *memory, size_t count, size_t size)
{
    const size_t unit = _Alignof(max_align_t);
    size_t bytes = (count * size + unit - 1) / unit * unit;
    struct phu_profile_chunk *chunk = memory->chunks;
    void *taken;

    if (!chunk || chunk->size - chunk->used < bytes) {
        size_t room = bytes > CHUNK_BYTES ? bytes : CHUNK_BYTES;

        chunk = phu_mem_alloc(1, sizeof *chunk + room);
        chunk->size = room;
        chunk->next = memory->chunks;
        memory->chunks = chunk;
    }
    taken = chunk->bytes + chunk->used;
    chunk->used += bytes;
    return taken;
}

const char *phu_profile_take_text(struct phu_profile_memory *memory, const char *text)
{
    size_t size = strlen(text) + 1;

    return memcpy(phu_profile_take(memory, size, 1), text, size);
}

/* -- Expressions ------------------------------------------------------------------------------ */

/* What makes the library slow or greedy: back references, and repetitions of repetitions. */
static const char *find_excess(const char *expression)
{
    unsigned long product = 1;

    if (strlen(expression) > EXPRESSION_MAX)
        return "longer than 256 bytes";
    for (const char *c = expression; *c; c++) {
        if (*c == '\\' && c[1] >= '1' && c[1] <= '9')
            return "back references such as \\1 are not supported";
        if (*c == '\\' && c[1])
            c++;
        else if (*c == '{') {
            char *end;
            unsigned long low = strtoul(c + 1, &end, 10), high = low;

            if (*end == ',')
                high = strtoul(end + 1, &end, 10);
            high = high > low ? high : low;
            product *= high > 1 ? high : 1;
            if (product > REPEATS_MAX)
                return "too many repetitions {…}";
        }
    }
    return NULL;
}

const regex_t *phu_profile_take_regex(struct phu_profile_memory *memory, const char *expression,
                                      char *why, size_t size)
{
    const char *excess = find_excess(expression);
    struct phu_profile_regex *item;
    int error;

    if (excess) {
        snprintf(why, size, "%s", excess);
        return NULL;
    }
    item = phu_mem_alloc(1, sizeof *item);
    error = regcomp(&item->regex, expression, REG_EXTENDED | REG_ICASE);
    if (error) {
        regerror(error, &item->regex, why, size);
        free(item);
        return NULL;
    }
    item->next = memory->regexes;
    memory->regexes = item;
    return &item->regex;
}

void phu_profile_memory_fini(struct phu_profile_memory *memory)
{
    while (memory->regexes) {
        struct phu_profile_regex *next = memory->regexes->next;

        regfree(&memory->regexes->regex);
        free(memory->regexes);
        memory->regexes = next;
    }
    while (memory->chunks) {
        struct phu_profile_chunk *next = memory->chunks->next;

        free(memory->chunks);
        memory->chunks = next;
    }
}

/* -- The set ---------------------------------------------------------------------------------- */

struct phu_profiles *phu_profiles_share(struct phu_profiles *profiles)
{
    profiles->users++;
    return profiles;
}

void phu_profiles_free(struct phu_profiles *profiles)
{
    if (!profiles || --profiles->users)
        return;
    phu_profile_memory_fini(&profiles->memory);
    free(profiles->entries);
    free(profiles);
}

bool phu_profiles_are_same(const struct phu_profiles *a, const struct phu_profiles *b)
{
    return a->stamp == b->stamp;
}

size_t phu_profiles_count(const struct phu_profiles *profiles)
{
    return profiles->count;
}

const struct phu_profile *phu_profiles_at(const struct phu_profiles *profiles, size_t index)
{
    return &profiles->entries[index].profile;
}

const struct phu_profile *phu_profiles_find(const struct phu_profiles *profiles, const char *name)
{
    for (size_t i = 0; i < profiles->count; i++) {
        if (strcmp(profiles->entries[i].profile.name, name) == 0)
            return &profiles->entries[i].profile;
    }
    return NULL;
}
