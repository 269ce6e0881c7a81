#include "window.h"

#include <stdlib.h>
#include <string.h>

struct phu_window *phu_windows_next(struct phu_windows *windows)
{
    if (windows->count == windows->capacity) {
        windows->capacity = windows->capacity ? windows->capacity * 2 : 64;
        windows->at = reallocarray(windows->at, windows->capacity, sizeof *windows->at);
        if (!windows->at)
            abort();
    }
    return &windows->at[windows->count++];
}

void phu_windows_put(struct phu_windows *windows, const struct phu_window *window)
{
    struct phu_cell *cells =
        phu_arena_copy(&windows->arena, window->cells, window->count * sizeof *window->cells);

    for (size_t i = 0; i < window->count; i++) {
        if (PHU_COLUMN_TYPE(cells[i].column) == PHU_CELL_TEXT)
            cells[i].text = phu_arena_copy(&windows->arena, cells[i].text, cells[i].size);
        else if (PHU_COLUMN_TYPE(cells[i].column) == PHU_CELL_HIST)
            cells[i].buckets = phu_arena_copy(&windows->arena, cells[i].buckets,
                                              cells[i].size * sizeof *cells[i].buckets);
    }
    *phu_windows_next(windows) =
        (struct phu_window){.time_ns = window->time_ns, .cells = cells, .count = window->count};
}

/* Each bucket is a field: what the later one does not mention stays. */
static void overlay_buckets(struct phu_arena *arena, struct phu_cell *into,
                            const struct phu_cell *later)
{
    struct phu_bucket *both =
        phu_arena_take(arena, ((size_t)into->size + later->size) * sizeof *both);
    uint32_t a = 0, b = 0, used = 0;

    while (a < into->size || b < later->size) {
        if (b == later->size ||
            (a < into->size && into->buckets[a].index < later->buckets[b].index)) {
            both[used++] = into->buckets[a++];
            continue;
        }
        if (a < into->size && into->buckets[a].index == later->buckets[b].index)
            a++;
        both[used++] = later->buckets[b++];
    }
    into->buckets = both;
    into->size = used;
}

static void overlay(struct phu_arena *arena, struct phu_window *into,
                    const struct phu_window *later)
{
    struct phu_cell *both = phu_arena_take(arena, (into->count + later->count) * sizeof *both);
    size_t a = 0, b = 0, used = 0;

    while (a < into->count || b < later->count) {
        if (b == later->count ||
            (a < into->count && into->cells[a].column < later->cells[b].column)) {
            both[used++] = into->cells[a++];
            continue;
        }
        both[used] = later->cells[b];
        if (a < into->count && into->cells[a].column == later->cells[b].column) {
            if (PHU_COLUMN_TYPE(later->cells[b].column) == PHU_CELL_HIST) {
                both[used] = into->cells[a];
                overlay_buckets(arena, &both[used], &later->cells[b]);
            }
            a++;
        }
        used++;
        b++;
    }
    into->cells = both;
    into->count = used;
}

/* Nearly sorted as a rule; what is not is merged from the back, stably. */
static void sort(struct phu_window *at, size_t count, struct phu_window *spare)
{
    size_t half = count / 2, a = 0, b = half, used = 0;

    if (count < 12) {
        for (size_t i = 1; i < count; i++) {
            struct phu_window moved = at[i];
            size_t place = i;

            for (; place && at[place - 1].time_ns > moved.time_ns; place--)
                at[place] = at[place - 1];
            at[place] = moved;
        }
        return;
    }
    sort(at, half, spare);
    sort(at + half, count - half, spare);
    if (at[half - 1].time_ns <= at[half].time_ns)
        return;
    while (a < half || b < count)
        spare[used++] =
            b == count || (a < half && at[a].time_ns <= at[b].time_ns) ? at[a++] : at[b++];
    memcpy(at, spare, count * sizeof *at);
}

void phu_windows_settle(struct phu_windows *windows)
{
    bool is_sorted = true, is_single = true;
    size_t used = 0;

    for (size_t i = 1; i < windows->count; i++) {
        is_sorted = is_sorted && windows->at[i - 1].time_ns <= windows->at[i].time_ns;
        is_single = is_single && windows->at[i - 1].time_ns < windows->at[i].time_ns;
    }
    if (is_single)
        return;
    if (!is_sorted)
        sort(windows->at, windows->count,
             phu_arena_take(&windows->arena, windows->count * sizeof *windows->at));
    for (size_t i = 1; i < windows->count; i++) {
        if (windows->at[used].time_ns == windows->at[i].time_ns)
            overlay(&windows->arena, &windows->at[used], &windows->at[i]);
        else
            windows->at[++used] = windows->at[i];
    }
    windows->count = used + 1;
}

void phu_windows_reset(struct phu_windows *windows)
{
    windows->count = 0;
    phu_arena_reset(&windows->arena);
}

void phu_windows_fini(struct phu_windows *windows)
{
    free(windows->at);
    phu_arena_fini(&windows->arena);
    *windows = (struct phu_windows){0};
}
