/* A sparse DDSketch: a histogram whose quantiles are within 5 % of the truth, however wide the
 * range, and which adds up by plain sums of buckets.
 *
 * Bucket i > 0 holds the values in (gamma^(i-1), gamma^i], bucket 0 those up to 1, with
 * gamma = 1.05 / 0.95. A handful of buckets lie in the struct itself, which is what a window of
 * some round trips needs; more move to the heap.
 *
 * C. Masson, J. Rim, H. Lee: DDSketch, VLDB 2019.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PHU_SKETCH_ACCURACY 0.05
#define PHU_SKETCH_GAMMA (1.05 / 0.95)

struct phu_sketch_bucket {
    int16_t index;  /* 0..7134: up to the largest double */
    uint16_t count; /* never 0; a fuller bucket has several entries */
};

#define PHU_SKETCH_HERE 6

/* All zero is an empty sketch. */
struct phu_sketch {
    union {
        struct phu_sketch_bucket here[PHU_SKETCH_HERE];
        struct phu_sketch_bucket *heap;
    } buckets; /* ascending by index */
    uint16_t used;
    uint16_t capacity; /* of the heap; 0 while the buckets lie here */
};

int phu_sketch_index(double value);
int phu_sketch_index_int(int64_t value);
/* The value that stands for a bucket: at most 5 % away from all that it holds. */
double phu_sketch_value(int index);

void phu_sketch_add(struct phu_sketch *sketch, double value);
void phu_sketch_add_int(struct phu_sketch *sketch, int64_t value);
void phu_sketch_merge(struct phu_sketch *into, const struct phu_sketch *from);
/* Empties it. Keeps the heap's memory when it was needed and well used, for the next window. */
void phu_sketch_reset(struct phu_sketch *sketch);
void phu_sketch_fini(struct phu_sketch *sketch);

/* Walks over the buckets, each index once, ascending: start with *place 0; false at the end. */
bool phu_sketch_next(const struct phu_sketch *sketch, size_t *place, int *index, int64_t *count);

int64_t phu_sketch_count(const struct phu_sketch *sketch);
/* share 0..1: 0.5 is the median, the value of rank floor(share * (count - 1)). NAN when empty. */
double phu_sketch_quantile(const struct phu_sketch *sketch, double share);
