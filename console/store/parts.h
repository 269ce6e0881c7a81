/* What the parts of the writing side share. */
#pragma once

#include "bytes.h"
#include "db.h"
#include "dict.h"
#include "fold.h"
#include "level.h"
#include "pack.h"
#include "record.h"
#include "schema.h"
#include "store.h"
#include "window.h"

#define PHU_JOURNAL_PIECE ((size_t)1 << 20) /* a row of the journal holds about so much */
#define PHU_JOURNAL_STEP 4096               /* between ids: room for what a packing carries over */
#define PHU_GRACE_HOUR (2 * PHU_MINUTE)     /* after an hour's end it is packed */
#define PHU_GRACE_UNIT (10 * PHU_MINUTE)    /* after a unit's end it is rolled up */

struct phu_drain; /* drain.c */

struct phu_store {
    struct phu_db db;
    struct phu_store_conf conf; /* its path is ours */
    struct phu_dict *dict;
    int lock;
    int64_t zone_ns;

    /* The transaction under way. */
    bool is_begun;
    struct phu_bytes records; /* not yet in the journal */
    int64_t from_ns, to_ns;   /* of them */
    int64_t begun_bytes;      /* put into the journal by this transaction */
    uint32_t *columns, *buckets;
    size_t column_capacity;
    struct phu_cell *cells;
    struct phu_bucket *histogram;
    struct phu_bytes scratch;

    int64_t journal_id, journal_bytes;
    int64_t newest_ns;  /* of all samples */
    bool has_late;      /* the journal holds something that should have been rolled up already */
    int64_t drained_ns; /* when the journal was packed last */

    /* Everything before rolled_ns[level] is in `level`; everything before kept_ns[level] has been
     * forgotten. 0: not known yet. */
    int64_t rolled_ns[PHU_LEVELS], kept_ns[PHU_LEVELS];
    int64_t closing_ns[PHU_LEVELS]; /* end of the unit being rolled up */
    uint32_t closing_series[PHU_LEVELS];
    int64_t swept_ns[PHU_LEVELS];
    int64_t swept_events_ns;

    struct phu_drain *drain;
    struct phu_packer *packer;
    struct phu_fold *fold;
    struct phu_windows source, target, rolled;

    int wal_pages, checkpointed_pages;
    int64_t samples_total, duplicates_total, failures_total;
    int last_error;
};

/* meta */
int phu_meta_set(struct phu_db *db, const char *key, int64_t value);
int64_t phu_meta_get(struct phu_db *db, const char *key, int64_t fallback);
/* The first time that it is told what time it is, rolling up begins there. */
int phu_store_know_time(struct phu_store *store, int64_t now_ns);
void phu_store_read_marks(struct phu_store *store);

/* special.c: samples that have tables of their own */
int phu_special_check(const struct phu_sample *sample, enum phu_class class);
int phu_special_put(struct phu_store *store, const struct phu_sample *sample, enum phu_class class,
                    uint32_t series);

/* chunk.c: reads `series`' blob of a span into `windows`, adding; nothing when there is none */
int phu_chunk_read(struct phu_db *db, int level, int64_t span, uint32_t series, int64_t zone_ns,
                   struct phu_windows *windows);
int phu_chunk_write(struct phu_store *store, int level, int64_t span, uint32_t series,
                    const struct phu_windows *windows);

/* drain.c: from the journal into the finest level. Slices: until `until_ns` of the steady clock.
 * Returns 1: there is more, 0: done, or a negative errno. */
int phu_drain_step(struct phu_store *store, int64_t now_ns, int64_t until_ns);
bool phu_drain_is_due(const struct phu_store *store, int64_t now_ns);
void phu_drain_free(struct phu_drain *drain);
size_t phu_drain_bytes(const struct phu_drain *drain);

/* roll.c, likewise */
int phu_roll_step(struct phu_store *store, int64_t now_ns, int64_t until_ns);
int phu_mark_dirty(struct phu_store *store, int level, int64_t time_ns, uint32_t series);
/* The windows that `level` has to hold of a unit, made anew from the next finer one. */
int phu_roll_make(struct phu_db *db, struct phu_fold *fold, int level, int64_t unit,
                  uint32_t series, int64_t zone_ns, struct phu_windows *source,
                  struct phu_windows *made);

/* keep.c, likewise */
int phu_keep_step(struct phu_store *store, int64_t now_ns, int64_t until_ns);

int64_t phu_steady_ns(void);
