/* A walk over columns of one table, side by side: pure, no sockets and no library.
 *
 * Each column keeps its own place, so holes and columns of different length need no care. A request
 * asks for all columns that are not finished, each from its own place on; the answer moves them
 * forward. Scalars ride along in front, as GETBULK's non-repeaters. Version 1 is the same walk with
 * GETNEXT and one repetition.
 *
 *     phu_walk_init(&walk, &limits, cell, arg);
 *     phu_walk_add(&walk, COLUMN_IN_OCTETS, &prefix);
 *     while (phu_walk_next(&walk, &request))
 *         ... send request, then phu_walk_answer() or phu_walk_error() ...
 *
 * Nothing that a device answers makes it run for ever: a column only moves forward, ends at the
 * first object that is not its own, and at the row limit; a round without progress ends the walk.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PHU_OID_MAX 24

/* The kinds of values that matter here. */
enum phu_varbind_kind {
    PHU_VARBIND_COUNTER32,
    PHU_VARBIND_COUNTER64,
    PHU_VARBIND_GAUGE,
    PHU_VARBIND_INTEGER,
    PHU_VARBIND_TICKS,
    PHU_VARBIND_TEXT,
    PHU_VARBIND_MISSING, /* noSuchObject, noSuchInstance */
    PHU_VARBIND_END,     /* endOfMibView */
    PHU_VARBIND_OTHER,
};

struct phu_varbind {
    const unsigned long *oid; /* borrowed */
    size_t oid_length;
    enum phu_varbind_kind kind;
    uint64_t number;     /* counters, gauge, ticks; integer as two's complement */
    const uint8_t *text; /* TEXT; borrowed, not terminated */
    size_t text_length;
};

struct phu_oid {
    uint8_t length;
    uint32_t part[PHU_OID_MAX];
};

#define PHU_WALK_COLUMNS_MAX 28

/* What one cell of a column is: row is 0 for a scalar. The varbind is borrowed for the call. */
typedef void phu_walk_cell_cb(void *arg, unsigned column, uint32_t row,
                              const struct phu_varbind *varbind);

struct phu_walk_limits {
    bool is_bulk;             /* false for version 1 */
    unsigned repetitions;     /* to start with */
    unsigned repetitions_max; /* at most */
    unsigned rows_max;        /* a column ends after so many */
};

struct phu_walk_faults {
    unsigned backwards; /* an answer at or before the place asked from: a looping device */
    unsigned misfits;   /* an index that no interface table has */
    unsigned surplus;   /* more objects than asked for */
    unsigned refusals;  /* error statuses that cost a column */
    unsigned stalls;    /* an answer that moved nothing */
    unsigned overflows; /* columns longer than rows_max */
};

struct phu_walk_column {
    const struct phu_oid *prefix;
    unsigned id;
    int64_t place; /* last row seen; -1 before the first */
    unsigned cells;
    bool is_scalar;
    bool is_each_time; /* a scalar that is asked for in every request */
    bool is_done;
};

struct phu_walk {
    struct phu_walk_limits limits;
    phu_walk_cell_cb *cell;
    void *arg;
    struct phu_walk_column columns[PHU_WALK_COLUMNS_MAX];
    unsigned column_count;
    unsigned repetitions;
    unsigned width;                      /* at most so many objects in a request */
    uint8_t asked[PHU_WALK_COLUMNS_MAX]; /* columns of the last request, in its order */
    unsigned asked_count, asked_scalars;
    struct phu_walk_faults faults;
};

struct phu_walk_name {
    const struct phu_oid *prefix;
    int64_t row; /* -1: the prefix alone */
};

struct phu_walk_request {
    bool is_bulk;
    unsigned scalars, repetitions;
    struct phu_walk_name names[PHU_WALK_COLUMNS_MAX];
    unsigned name_count;
};

void phu_walk_init(struct phu_walk *walk, const struct phu_walk_limits *limits,
                   phu_walk_cell_cb *cell, void *arg);

/* Adds a column; also while the walk runs. `prefix` outlives the walk. Adding an id that is there
 * already does nothing. */
void phu_walk_add(struct phu_walk *walk, unsigned id, const struct phu_oid *prefix);
/* Adds a scalar, named without its final 0. */
void phu_walk_add_scalar(struct phu_walk *walk, unsigned id, const struct phu_oid *prefix,
                         bool is_each_time);

/* False when every column has ended. */
bool phu_walk_next(struct phu_walk *walk, struct phu_walk_request *request);

void phu_walk_answer(struct phu_walk *walk, const struct phu_varbind *varbinds, size_t count);

enum phu_walk_error {
    PHU_WALK_TOO_BIG,
    PHU_WALK_NO_SUCH_NAME, /* version 1's way to say "missing" and "end" */
    PHU_WALK_REFUSED,      /* any other error status */
};

/* `index` counts from 1 as in the protocol; 0 when the device did not say. */
void phu_walk_error(struct phu_walk *walk, enum phu_walk_error error, size_t index);

/* Cells seen in a column; 0 when it was never added. */
unsigned phu_walk_cells(const struct phu_walk *walk, unsigned id);
bool phu_walk_has(const struct phu_walk *walk, unsigned id);
