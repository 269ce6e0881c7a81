/* A walk over columns of one table, side by side: pure, no sockets and no library.
 *
 * Each column keeps its own place, the whole index of the last row seen, so holes and columns of
 * different length need no care, and a walk may begin at any place. A request
 * asks for all columns that are not finished, each from its own place on; the answer moves them
 * forward. Scalars ride along in front, as GETBULK's non-repeaters. Version 1 is the same walk with
 * GETNEXT and one repetition.
 *
 *     phu_walk_init(&walk, &limits, cell, arg);
 *     phu_walk_add(&walk, COLUMN_IN_OCTETS, &prefix);
 *     while (phu_walk_next(&walk, &request))
 *         ... send request, then phu_walk_answer() or phu_walk_error() ...
 *
 * Asked for what comes next, a device answers with whatever stands behind a column, too. Where that
 * must not even be sent, a walk is exact: its first column is followed alone and one by one, and
 * the others, and scalars, are asked for by their whole names (GET).
 *
 * Nothing that a device answers makes it run for ever: a column only moves forward, ends at the
 * first object that is not its own, and at the row limit; a round without progress ends the walk.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PHU_OID_MAX 24
#define PHU_INDEX_MAX 40 /* parts of an index */

/* The kinds of values that matter here. */
enum phu_varbind_kind {
    PHU_VARBIND_COUNTER32,
    PHU_VARBIND_COUNTER64,
    PHU_VARBIND_GAUGE,
    PHU_VARBIND_INTEGER,
    PHU_VARBIND_TICKS,
    PHU_VARBIND_TEXT,
    PHU_VARBIND_OBJECT_ID, /* `text` is its parts, an array of unsigned long */
    PHU_VARBIND_ADDRESS,   /* `text` is four bytes */
    PHU_VARBIND_REAL,      /* a float or double in an Opaque: `real` */
    PHU_VARBIND_MISSING,   /* noSuchObject, noSuchInstance */
    PHU_VARBIND_END,       /* endOfMibView */
    PHU_VARBIND_OTHER,
};

struct phu_varbind {
    const unsigned long *oid; /* borrowed */
    size_t oid_length;
    enum phu_varbind_kind kind;
    union {
        uint64_t number; /* counters, gauge, ticks; integer as two's complement */
        double real;
    };
    const uint8_t *text; /* borrowed, not terminated */
    size_t text_length;  /* in bytes */
};

struct phu_oid {
    uint8_t length;
    uint32_t part[PHU_OID_MAX];
};

/* What follows a column's object identifier: names a row. Length 0 is before every row. */
struct phu_index {
    uint8_t length;
    uint32_t part[PHU_INDEX_MAX];
};

/* Below, equal or above zero, in the order of SNMP. */
int phu_index_compare(const struct phu_index *a, const struct phu_index *b);

#define PHU_WALK_COLUMNS_MAX 28

/* One cell of a column. The index is of length 0 for a scalar. Both are borrowed for the call. */
typedef void phu_walk_cell_cb(void *arg, unsigned column, const struct phu_index *index,
                              const struct phu_varbind *varbind);

struct phu_walk_limits {
    bool is_bulk;             /* false for version 1 */
    uint8_t index_length;     /* that every row has, or 0: rows may differ */
    unsigned repetitions;     /* to start with */
    unsigned repetitions_max; /* at most */
    unsigned rows_max;        /* a column ends after so many */
    unsigned room;            /* objects that the device can put into an answer; 0: not known */
    bool is_exact;            /* nothing is asked for but what was added, and what follows the first
                                 column; no peeks */
};

struct phu_walk_faults {
    unsigned backwards; /* an answer at or before the place asked from: a looping device */
    unsigned misfits;   /* an index that the table cannot have */
    unsigned surplus;   /* more objects than asked for */
    unsigned refusals;  /* error statuses that cost a column */
    unsigned stalls;    /* an answer that moved nothing */
    unsigned overflows; /* columns longer than rows_max */
};

/* What a column is asked for: its rows, or one object in front of each answer. */
enum phu_walk_kind {
    PHU_WALK_ROWS,
    PHU_WALK_SCALAR, /* until it has been answered */
    PHU_WALK_STEADY, /* a scalar that is asked for in every request */
    PHU_WALK_PEEK,   /* the row after one place, in every request */
};

struct phu_walk_column {
    const struct phu_oid *prefix;
    unsigned id, cells;
    enum phu_walk_kind kind;
    bool is_done;
    struct phu_index place; /* last row seen */
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
    unsigned asked_count, asked_scalars, asked_repetitions;
    unsigned turn;  /* column to begin with when not all find room in a request */
    unsigned guide; /* exact: the column that finds the rows */
    bool has_row;   /* exact: it has found one, of which other columns are yet to be got */
    unsigned cuts;  /* times that a device could not answer all that was asked */
    unsigned room;  /* what it could hold then, at least; 0: it was never cut */
    struct phu_walk_faults faults;
};

struct phu_walk_name {
    const struct phu_oid *prefix;
    const struct phu_index *place; /* in the walk */
};

struct phu_walk_request {
    bool is_bulk;
    bool is_exact; /* the objects named, not the next ones */
    unsigned scalars, repetitions;
    struct phu_walk_name names[PHU_WALK_COLUMNS_MAX];
    unsigned name_count;
};

void phu_walk_init(struct phu_walk *walk, const struct phu_walk_limits *limits,
                   phu_walk_cell_cb *cell, void *arg);

/* Adds a column; also while the walk runs. `prefix` outlives the walk. Adding an id that is there
 * already does nothing. */
void phu_walk_add(struct phu_walk *walk, unsigned id, const struct phu_oid *prefix);
/* The same, beginning after the row `place`. */
void phu_walk_add_from(struct phu_walk *walk, unsigned id, const struct phu_oid *prefix,
                       const struct phu_index *place);
/* Adds a scalar, named without its final 0. */
void phu_walk_add_scalar(struct phu_walk *walk, unsigned id, const struct phu_oid *prefix,
                         bool is_each_time);
/* Adds what comes next after `place`, to be read in every request. */
void phu_walk_add_peek(struct phu_walk *walk, unsigned id, const struct phu_oid *prefix,
                       const struct phu_index *place);

/* Has every column ended? */
bool phu_walk_is_done(const struct phu_walk *walk);
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

/* The row up to which, itself included, all columns have been read; NULL when no column is open:
 * the table has been read whole. */
const struct phu_index *phu_walk_reached(const struct phu_walk *walk);

/* Cells seen in a column; 0 when it was never added. */
unsigned phu_walk_cells(const struct phu_walk *walk, unsigned id);
bool phu_walk_has(const struct phu_walk *walk, unsigned id);
