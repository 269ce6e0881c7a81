/* The log of truth: one record for each echo request that the lab saw, written when its fate is
 * known. A file of fixed-size records behind a header, in the machine's byte order. */
#pragma once

#include "addr.h"

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum lab_fate {
    LAB_FATE_ANSWERED,
    LAB_FATE_LOST_REQUEST,
    LAB_FATE_LOST_REPLY,
    LAB_FATE_UNANSWERED,
    LAB_FATE_OPEN, /* the lab stopped before it was known */
    LAB_FATES,
};

enum {
    LAB_TRUTH_CORRUPTED_REQUEST = 1,
    LAB_TRUTH_CORRUPTED_REPLY = 2,
    LAB_TRUTH_DUPLICATED_REQUEST = 4,
    LAB_TRUTH_DUPLICATED_REPLY = 8,
};

struct lab_record {
    int64_t seen_ns; /* wall clock, when the request came in */
    struct lab_addr addr;
    uint16_t ident;
    uint16_t sequence;
    uint8_t fate;
    uint8_t cause; /* enum lab_cause, for the two kinds of loss */
    uint8_t flags;
    uint8_t spare;
    uint64_t to_ns;   /* delay applied to the request */
    uint64_t from_ns; /* to the reply, counted from when the district had the request */
};

static_assert(sizeof(struct lab_record) == 48, "the file's format");

struct lab_truth_header {
    char magic[8]; /* "phulab1\n" */
    uint64_t record_size;
    uint64_t seed;
    int64_t started_ns;
};

struct lab_truth;

const char *lab_fate_name(enum lab_fate fate);

/* Makes a new file. `max_bytes` bounds it; records beyond are counted, not written. */
int lab_truth_open(const char *path, uint64_t seed, int64_t started_ns, uint64_t max_bytes,
                   struct lab_truth **truth);
/* Never blocks for longer than a write into the page cache takes. */
void lab_truth_put(struct lab_truth *truth, const struct lab_record *record);
void lab_truth_flush(struct lab_truth *truth);
void lab_truth_close(struct lab_truth *truth);
/* For readers; opened for reading and writing. */
int lab_truth_fd(const struct lab_truth *truth);
uint64_t lab_truth_written(const struct lab_truth *truth);
uint64_t lab_truth_lost(const struct lab_truth *truth);

/* Reads a whole file, wherever its offset stands. The caller frees `*records`. -EBADMSG when it is
 * no log of truth; a record cut short at the end is left out. */
int lab_truth_load(int fd, struct lab_truth_header *header, struct lab_record **records,
                   size_t *count);
