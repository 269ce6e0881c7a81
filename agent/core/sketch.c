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

/* The largest integer in each bucket: floor(gamma^i), up to 32 bits. */
static const uint32_t largest[] = {
    1,           1,           1,           1,           1,           1,           1,
    2,           2,           2,           2,           3,           3,           3,
    4,           4,           4,           5,           6,           6,           7,
    8,           9,           9,           11,          12,          13,          14,
    16,          18,          20,          22,          24,          27,          30,
    33,          36,          40,          44,          49,          54,          60,
    66,          73,          81,          90,          99,          110,         121,
    134,         149,         164,         182,         201,         222,         245,
    271,         300,         331,         366,         405,         448,         495,
    547,         605,         668,         739,         816,         902,         998,
    1103,        1219,        1347,        1489,        1646,        1819,        2010,
    2222,        2456,        2715,        3000,        3316,        3665,        4051,
    4478,        4949,        5470,        6046,        6683,        7386,        8164,
    9023,        9973,        11023,       12183,       13466,       14883,       16450,
    18181,       20095,       22211,       24549,       27133,       29989,       33146,
    36635,       40491,       44753,       49464,       54671,       60426,       66787,
    73817,       81587,       90175,       99667,       110159,      121754,      134571,
    148736,      164392,      181697,      200823,      221962,      245327,      271151,
    299693,      331240,      366107,      404645,      447239,      494317,      546350,
    603861,      667425,      737681,      815331,      901156,      996014,      1100858,
    1216738,     1344815,     1486375,     1642835,     1815766,     2006899,     2218151,
    2451641,     2709709,     2994941,     3310198,     3658640,     4043760,     4469419,
    4939885,     5459872,     6034596,     6669817,     7371903,     8147892,     9005565,
    9953520,     11001259,    12159286,    13439211,    14853865,    16417429,    18145580,
    20055641,    22166761,    24500104,    27079063,    29929490,    33079963,    36562065,
    40410703,    44664461,    49365984,    54562403,    60305814,    66653794,    73669983,
    81424718,    89995741,    99468977,    109939396,   121511964,   134302697,   148439824,
    164065068,   181335075,   200422978,   221520134,   244838043,   270610468,   299095781,
    330579547,   365377394,   403838173,   446347454,   493331397,   545261017,   602656914,
    666094484,   736209693,   813705450,   899358655,   994027988,   1098662513,  1214311198,
    1342133430,  1483410633,  1639559121,  1812144291,  2002896322,  2213727514u, 2446751463u,
    2704304248u, 2988967853u, 3303596049u, 3651343001u, 4035694896u, 4294967295u};

/* Without a logarithm, as this is done for every probe: the bits of a float are its base-2
 * logarithm, less at most 0.0861, in steps of 2^-23. So the guess is one or two too low. */
int phu_sketch_index_int(int64_t value)
{
    const double buckets_per_bit = 6.925691723226; /* log(2) / log(gamma) */
    union {
        float number;
        uint32_t bits;
    } real;
    int guess;

    if (value <= 1)
        return 0;
    if (value > UINT32_MAX)
        return phu_sketch_index((double)value);
    real.number = (float)value;
    guess = (int)((double)(real.bits - (127u << 23)) * (buckets_per_bit / (1 << 23)));
    while (value > largest[guess])
        guess++;
    return guess;
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

void phu_sketch_add_int(struct phu_sketch *sketch, int64_t value)
{
    add_some(sketch, phu_sketch_index_int(value), 1);
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
