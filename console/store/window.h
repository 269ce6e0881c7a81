/* Windows of one series as the store works on them: cells by column, a column being a field, the
 * way in which it adds up, and its type. */
#pragma once

#include "arena.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum phu_cell_type {
    PHU_CELL_INT,
    PHU_CELL_FLOAT,
    PHU_CELL_BOOL,
    PHU_CELL_TEXT,
    PHU_CELL_HIST, /* all fields NAME_b<number> of a measurement are one column */
};

/* How values of several windows become one. */
enum phu_how {
    PHU_HOW_SUM,
    PHU_HOW_COUNT, /* added up too, but made here: the number of values */
    PHU_HOW_MIN,
    PHU_HOW_MAX,
    PHU_HOW_LATEST,
    PHU_HOW_GAUGE, /* as it came; rolled up it becomes LATEST and MAX */
    PHU_HOW_STATS, /* as it came; rolled up it becomes SUM, COUNT, MIN and MAX */
};

#define PHU_COLUMN(field, how, type)                                                               \
    ((uint32_t)(field) << 6 | (uint32_t)(how) << 3 | (uint32_t)(type))
#define PHU_COLUMN_FIELD(column) ((column) >> 6)
#define PHU_COLUMN_HOW(column) ((enum phu_how)((column) >> 3 & 7))
#define PHU_COLUMN_TYPE(column) ((enum phu_cell_type)((column)&7))
#define PHU_FIELD_ID_MAX ((1u << 26) - 1)

/* Windows are of the time from 1970 to about 2200, so that differences fit. */
#define PHU_TIME_MAX (INT64_C(230) * 365 * 86400 * 1000000000)

struct phu_bucket {
    uint32_t index;
    uint64_t count;
};

struct phu_cell {
    uint32_t column;
    uint32_t size; /* TEXT: bytes; HIST: buckets */
    union {
        int64_t i; /* BOOL too */
        double f;
        const char *text;                 /* not terminated */
        const struct phu_bucket *buckets; /* ascending by index */
    };
};

struct phu_window {
    int64_t time_ns;
    const struct phu_cell *cells; /* ascending by column, none twice */
    size_t count;
};

/* Several, ascending by time, in memory of their own. All zero is none. */
struct phu_windows {
    struct phu_window *at;
    size_t count, capacity;
    struct phu_arena arena;
};

/* Copies. In any order. */
void phu_windows_put(struct phu_windows *windows, const struct phu_window *window);
/* Sorts by time; of one time the fields put last hold, field by field and bucket by bucket. */
void phu_windows_settle(struct phu_windows *windows);
void phu_windows_reset(struct phu_windows *windows);
void phu_windows_fini(struct phu_windows *windows);
/* The next place, for who fills it in himself from the windows' arena. */
struct phu_window *phu_windows_next(struct phu_windows *windows);
