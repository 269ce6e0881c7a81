/* What a device remembers of the rows of its profile's tables from poll to poll: 32 bytes for a row
 * that has points of its own or serves somebody, 32 for each of its counters. Pure.
 *
 * A row is its tag and name, whatever table it came from, kept as a hash of 64 bits.
 */
#pragma once

#include "counter.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct phu_row_memory {
    uint64_t key;         /* 0: a free slot */
    uint32_t handle;      /* of the sink; 0: none yet */
    uint32_t seen_s;      /* monotonic */
    uint32_t endpoint;    /* whom it serves, as binding.h counts them; 0: nobody */
    uint32_t cell;        /* hash of the radio cell that it was in; 0: none */
    uint32_t polled;      /* number of the poll that counted it last */
    bool is_refused;      /* the sink had no room */
    bool has_no_endpoint; /* it serves one that the inventory does not have */
};

struct phu_row_counter {
    uint64_t key;
    struct phu_counter counter;
};

struct phu_rows {
    struct phu_row_memory *slots;
    struct phu_row_counter *counters;
    uint32_t count, capacity, counter_count, counter_capacity;
};

void phu_rows_fini(struct phu_rows *rows);

uint64_t phu_rows_key(const char *tag, const char *name);

/* Good until the next taking or forgetting. NULL when there is none. */
struct phu_row_memory *phu_rows_find(const struct phu_rows *rows, uint64_t key);
struct phu_row_memory *phu_rows_take(struct phu_rows *rows, uint64_t key);
struct phu_counter *phu_rows_counter(struct phu_rows *rows, uint64_t key, unsigned metric);

/* The device has restarted: no counter goes on. */
void phu_rows_reset_counters(struct phu_rows *rows);
/* Forgets rows not seen since, and their counters with a reading before. */
void phu_rows_forget(struct phu_rows *rows, uint32_t before_s);
