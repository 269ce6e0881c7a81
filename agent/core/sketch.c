#include "sketch.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

int phu_sketch_index(double value)
{
    if (!(value > 1))
        return 0;
    return (int)ceil(log(value) / log(PHU_SKETCH_GAMMA));
}

double phu_sketch_value(int index)
{
    return 2 * pow(PHU_SKETCH_GAMMA, index) / (PHU_SKETCH_GAMMA + 1);
}

static struct phu_sketch_bucket *buckets_of(struct phu_sketch *sketch)
{
    return sketch->capacity ? sketch->buckets.heap : sketch->buckets.here;
}

static const struct phu_sketch_bucket *buckets_in(const struct phu_sketch *sketch)
{
    return sketch->capacity ? sketch->buckets.heap : sketch->buckets.here;
}

static void make_room(struct phu_sketch *sketch)
{
    size_t capacity = sketch->capacity ? sketch->capacity : PHU_SKETCH_HERE;
    struct phu_sketch_bucket *heap;

    if (sketch->used < capacity)
        return;
    capacity = capacity * 2;
    heap = malloc(capacity * sizeof *heap);
    if (!heap)
        abort();
    memcpy(heap, buckets_of(sketch), sketch->used * sizeof *heap);
    if (sketch->capacity)
        free(sketch->buckets.heap);
    sketch->buckets.heap = heap;
    sketch->capacity = (uint16_t)capacity;
}

/* After the last entry of a smaller or equal index. */
static size_t place_after(const struct phu_sketch *sketch, int index)
{
    const struct phu_sketch_bucket *buckets = buckets_in(sketch);
    size_t low = 0, high = sketch->used;

    while (low < high) {
        size_t middle = (low + high) / 2;

        if (buckets[middle].index <= index)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static void insert(struct phu_sketch *sketch, size_t place, int index, uint16_t count)
{
    struct phu_sketch_bucket *buckets;

    make_room(sketch);
    buckets = buckets_of(sketch);
    memmove(&buckets[place + 1], &buckets[place], (sketch->used - place) * sizeof *buckets);
    buckets[place] = (struct phu_sketch_bucket){.index = (int16_t)index, .count = count};
    sketch->used++;
}

/* Adds up to what one entry holds. */
static void add_some(struct phu_sketch *sketch, int index, uint16_t count)
{
    size_t place = place_after(sketch, index);
    struct phu_sketch_bucket *last = place ? &buckets_of(sketch)[place - 1] : NULL;
    uint32_t sum = count;

    if (last && last->index == index) {
        sum += last->count;
        last->count = (uint16_t)(sum > UINT16_MAX ? UINT16_MAX : sum);
        sum -= last->count;
    }
    if (sum)
        insert(sketch, place, index, (uint16_t)sum);
}

void phu_sketch_add(struct phu_sketch *sketch, double value)
{
    add_some(sketch, phu_sketch_index(value), 1);
}

void phu_sketch_merge(struct phu_sketch *into, const struct phu_sketch *from)
{
    const struct phu_sketch_bucket *buckets = buckets_in(from);

    for (size_t i = 0; i < from->used; i++)
        add_some(into, buckets[i].index, buckets[i].count);
}

void phu_sketch_reset(struct phu_sketch *sketch)
{
    if (sketch->capacity && sketch->used <= sketch->capacity / 4)
        phu_sketch_fini(sketch);
    sketch->used = 0;
}

void phu_sketch_fini(struct phu_sketch *sketch)
{
    if (sketch->capacity)
        free(sketch->buckets.heap);
    sketch->capacity = 0;
    sketch->used = 0;
}

bool phu_sketch_next(const struct phu_sketch *sketch, size_t *place, int *index, int64_t *count)
{
    const struct phu_sketch_bucket *buckets = buckets_in(sketch);

    if (*place >= sketch->used)
        return false;
    *index = buckets[*place].index;
    *count = 0;
    while (*place < sketch->used && buckets[*place].index == *index)
        *count += buckets[(*place)++].count;
    return true;
}

int64_t phu_sketch_count(const struct phu_sketch *sketch)
{
    const struct phu_sketch_bucket *buckets = buckets_in(sketch);
    int64_t sum = 0;

    for (size_t i = 0; i < sketch->used; i++)
        sum += buckets[i].count;
    return sum;
}

double phu_sketch_quantile(const struct phu_sketch *sketch, double share)
{
    int64_t rank = (int64_t)floor(share * (double)(phu_sketch_count(sketch) - 1)), count;
    size_t place = 0;
    int index = -1;

    while (phu_sketch_next(sketch, &place, &index, &count)) {
        rank -= count;
        if (rank < 0)
            break;
    }
    return index < 0 ? NAN : phu_sketch_value(index);
}
