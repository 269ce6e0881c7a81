/* What the parts of the reading side share. */
#pragma once

#include "arena.h"
#include "bytes.h"
#include "db.h"
#include "dict.h"
#include "fold.h"
#include "level.h"
#include "names.h"
#include "query.h"
#include "record.h"
#include "window.h"

#include <stdatomic.h>

struct phu_query {
    struct phu_db db;
    int64_t zone_ns;
    int64_t budget_ns, deadline_ns; /* of the steady clock; 0: none */
    atomic_bool is_cancelled;
    /* Of the question under way; see struct phu_store. */
    int64_t rolled_ns[PHU_LEVELS], kept_ns[PHU_LEVELS];
    struct phu_arena arena;
    struct phu_windows windows;
};

/* A question sees one state of the file: begins (and forgets what the one before needed), ends.
 * `end` passes `err` on, as what it really was: a deadline, a cancel. */
int phu_ask_begin(struct phu_query *query);
int phu_ask_end(struct phu_query *query, int err);
/* 0, or why to stop. */
int phu_ask_may_go_on(struct phu_query *query);

/* pick.c: series that a filter lets through, in query->arena. */
struct phu_pick {
    uint32_t series;
    const char *kind, *subject, *agent, *hamlet, *commune, *technology, *operator_name, *site,
        *device, *key;
};

struct phu_picks {
    struct phu_pick *at;
    size_t count;
};

/* The areas below and including `area`; ids of hamlets and codes of the others. */
int phu_area_names(struct phu_query *query, const char *area, int64_t at_ns,
                   struct phu_names *names);
bool phu_filter_takes(const struct phu_query_filter *filter, const struct phu_names *areas,
                      const struct phu_pick *pick);
/* `measurement`: number in the file; 0: none such. Sorted by series. free(picks->at). */
int phu_pick_series(struct phu_query *query, int64_t measurement,
                    const struct phu_query_filter *filter, struct phu_picks *picks);
int64_t phu_measurement_number(struct phu_query *query, const char *name);
/* A pick with the names that inventories give; texts in query->arena. */
int phu_pick_describe(struct phu_query *query, const struct phu_pick *pick,
                      struct phu_query_subject *subject);
/* Households, names and place of subject->hamlet, commune and site. */
int phu_describe_place(struct phu_query *query, struct phu_query_subject *subject);

/* scan.c: windows of series, of whatever resolution serves. */
struct phu_segment {
    int level;
    int64_t from_ns, to_ns;
};

#define PHU_SEGMENTS_MAX 32

struct phu_scan {
    struct phu_query *query;
    struct phu_segment segments[PHU_SEGMENTS_MAX];
    size_t segment_count;
    /* The journal's records of the series asked for. */
    struct phu_bytes bytes;
    struct phu_scan_entry *entries;
    size_t entry_count, entry_capacity;
    uint32_t *first, *last; /* by series: index + 1; UINT32_MAX: asked for, none */
    uint32_t last_series;
};

/* step_ns 0: as coarse as the period allows. */
int phu_scan_init(struct phu_scan *scan, struct phu_query *query, const struct phu_picks *picks,
                  int64_t from_ns, int64_t to_ns, int64_t step_ns);
/* As they came, only of the finest level. */
int phu_scan_init_finest(struct phu_scan *scan, struct phu_query *query,
                         const struct phu_picks *picks, int64_t from_ns, int64_t to_ns);
void phu_scan_fini(struct phu_scan *scan);
/* Into query->windows, by time within each segment. */
int phu_scan_series(struct phu_scan *scan, uint32_t series);
