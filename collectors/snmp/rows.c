/* What is remembered of rows. See rows.h. Two hash tables with open addressing. */
#include "rows.h"

#include <stdlib.h>
#include <string.h>

#define NS_PER_S INT64_C(1000000000)

void phu_rows_fini(struct phu_rows *rows)
{
    free(rows->slots);
    free(rows->counters);
    *rows = (struct phu_rows){0};
}

static uint64_t mix(uint64_t hash)
{
    hash ^= hash >> 33;
    hash *= UINT64_C(0xff51afd7ed558ccd);
    hash ^= hash >> 33;
    return hash ? hash : 1;
}

static uint64_t hash_text(uint64_t hash, const char *text)
{
    for (; *text; text++)
        hash = (hash ^ (unsigned char)*text) * UINT64_C(0x100000001b3);
    return hash;
}

uint64_t phu_rows_key(const char *tag, const char *name)
{
    uint64_t hash = hash_text(UINT64_C(0xcbf29ce484222325), tag);

    return mix(hash_text((hash ^ '=') * UINT64_C(0x100000001b3), name));
}

/* -- Rows -------------------------------------------------------------------------------------- */

static struct phu_row_memory *slot_of(const struct phu_rows *rows, uint64_t key)
{
    size_t mask = rows->capacity - 1, at = key & mask;

    while (rows->slots[at].key && rows->slots[at].key != key)
        at = (at + 1) & mask;
    return &rows->slots[at];
}

struct phu_row_memory *phu_rows_find(const struct phu_rows *rows, uint64_t key)
{
    struct phu_row_memory *slot;

    if (rows->count == 0)
        return NULL;
    slot = slot_of(rows, key);
    return slot->key ? slot : NULL;
}

static void *new_slots(size_t count, size_t size)
{
    void *slots = calloc(count, size);

    if (!slots)
        abort();
    return slots;
}

/* Into a table of `capacity` slots go the rows seen since `from_s`. */
static void rebuild(struct phu_rows *rows, uint32_t capacity, uint32_t from_s)
{
    struct phu_row_memory *old = rows->slots;
    uint32_t old_capacity = rows->capacity;

    rows->slots = new_slots(capacity, sizeof *rows->slots);
    rows->capacity = capacity;
    rows->count = 0;
    for (size_t i = 0; i < old_capacity; i++) {
        if (old[i].key && old[i].seen_s >= from_s) {
            *slot_of(rows, old[i].key) = old[i];
            rows->count++;
        }
    }
    free(old);
}

struct phu_row_memory *phu_rows_take(struct phu_rows *rows, uint64_t key)
{
    struct phu_row_memory *slot;

    if (rows->count * 4 >= rows->capacity * 3)
        rebuild(rows, rows->capacity ? rows->capacity * 2 : 4, 0);
    slot = slot_of(rows, key);
    if (!slot->key) {
        *slot = (struct phu_row_memory){.key = key};
        rows->count++;
    }
    return slot;
}

/* -- Counters ---------------------------------------------------------------------------------- */

static struct phu_row_counter *counter_of(const struct phu_rows *rows, uint64_t key)
{
    size_t mask = rows->counter_capacity - 1, at = key & mask;

    while (rows->counters[at].key && rows->counters[at].key != key)
        at = (at + 1) & mask;
    return &rows->counters[at];
}

static void rebuild_counters(struct phu_rows *rows, uint32_t capacity, int64_t from_ns)
{
    struct phu_row_counter *old = rows->counters;
    uint32_t old_capacity = rows->counter_capacity;

    rows->counters = new_slots(capacity, sizeof *rows->counters);
    rows->counter_capacity = capacity;
    rows->counter_count = 0;
    for (size_t i = 0; i < old_capacity; i++) {
        if (old[i].key && old[i].counter.at_ns >= from_ns) {
            *counter_of(rows, old[i].key) = old[i];
            rows->counter_count++;
        }
    }
    free(old);
}

struct phu_counter *phu_rows_counter(struct phu_rows *rows, uint64_t key, unsigned metric)
{
    uint64_t own = mix(key ^ (uint64_t)(metric + 1) << 40);
    struct phu_row_counter *slot;

    if (rows->counter_count * 4 >= rows->counter_capacity * 3)
        rebuild_counters(rows, rows->counter_capacity ? rows->counter_capacity * 2 : 4, INT64_MIN);
    slot = counter_of(rows, own);
    if (!slot->key) {
        slot->key = own;
        rows->counter_count++;
    }
    return &slot->counter;
}

void phu_rows_reset_counters(struct phu_rows *rows)
{
    free(rows->counters);
    rows->counters = NULL;
    rows->counter_count = rows->counter_capacity = 0;
}

void phu_rows_forget(struct phu_rows *rows, uint32_t before_s)
{
    if (rows->capacity)
        rebuild(rows, rows->capacity, before_s);
    if (rows->counter_capacity)
        rebuild_counters(rows, rows->counter_capacity, before_s * NS_PER_S);
}
