/* What spool.c and reader.c share. */
#pragma once

#include "pieces.h"
#include "writeout.h"

#include "phusong/sched.h"
#include "phusong/spool.h"
#include "phusong/stats.h"

struct phu_spool_reader {
    struct phu_spool *spool;
    char *name, *path;
    struct phu_pieces pieces;
    uint64_t generation;
    void (*ready)(void *arg);
    void *arg;
    bool is_open, is_waiting; /* waiting: told that the live lane is empty */
    bool is_dirty, has_file;  /* dirty: the cursor file is behind */
    bool is_save_failing;
};

enum { PHU_SPARES = 16 };

enum phu_drop_reason {
    PHU_DROP_FULL, /* max_bytes */
    PHU_DROP_AGE,  /* max_age */
    PHU_DROP_DISK, /* no space, or too little left for others */
    PHU_DROP_OVERSIZE,
    PHU_DROP_REASONS,
};

/* Points that were refused in one go, to be told in one line. */
struct phu_refusal {
    uint64_t count;
    struct phu_wall first, last;
};

struct phu_spool {
    struct phu_sched *sched;
    struct phu_stats *stats;
    struct phu_spool_conf conf; /* dir is our own copy */
    int dir_fd, lock_fd;
    struct phu_segments table;
    uint64_t durable_end;
    uint64_t active_base;     /* of the writer's open segment; UINT64_MAX if none */
    struct phu_writer writer; /* belongs to the job while there is one */
    struct phu_writeout *job;
    bool is_sync_wanted, is_cursor_due;
    struct phu_chunk_list pending;
    size_t flight_bytes;
    struct phu_chunk *spares[PHU_SPARES];
    size_t spare_count;
    struct phu_timer sync_timer, cursor_timer, ready_timer;
    uint64_t *unlinks; /* bases of segments to delete with the next job */
    size_t unlink_count, unlink_capacity;
    struct phu_spool_reader **readers; /* all known ones, open or not */
    size_t reader_count;
    void (*durable)(void *arg);
    void *durable_arg;
    int write_error; /* of the last commit */
    struct phu_refusal refusal;
    int64_t free_bytes;
    int64_t appended, durable_count, torn_bytes, quarantined, damaged, write_errors;
    int64_t dropped[PHU_DROP_REASONS];
    int64_t sync_ns_worst, sync_ns_before;
    struct phu_mono sync_span_began;
};

/* commit.c */
/* Puts everything that waits into a job; while one is running, another follows. */
void phu_spool_start_job(struct phu_spool *spool);
/* Starts one after the sync interval, if none is due earlier. */
void phu_spool_arm_sync(struct phu_spool *spool);
void phu_spool_sync_due(struct phu_timer *timer);
void phu_spool_cursor_due(struct phu_timer *timer);
/* Takes the results of work that has been done. */
void phu_spool_integrate(struct phu_spool *spool, struct phu_writeout *work);
/* Blocking, for the end. */
void phu_spool_write_out_now(struct phu_spool *spool);
void phu_spool_seal_now(struct phu_spool *spool);
void phu_spool_tell_readers(struct phu_spool *spool);
void phu_spool_report_refusal(struct phu_spool *spool);
/* Saves dirty cursors within a second. */
void phu_spool_cursor_moved(struct phu_spool *spool);

/* bounds.c */
/* Unlinks what all readers have passed, with the next job. */
void phu_spool_collect(struct phu_spool *spool);
/* Applies the configured bounds, with `incoming` bytes about to be added. */
void phu_spool_enforce_bounds(struct phu_spool *spool, size_t incoming);
void phu_spool_format_time(char text[32], struct phu_wall at);
/* The segment cannot be read: counts, logs, sets it aside. */
void phu_spool_quarantine(struct phu_spool *spool, size_t place, int error);

/* folder.c, spool_stats.c */
int phu_spool_open_folder(struct phu_spool *spool);
void phu_spool_add_stats(struct phu_spool *spool);

/* reader.c */
struct phu_spool_reader *phu_spool_reader_find(const struct phu_spool *spool, const char *name);
/* Loads all cursor files as readers that are not open; the highest address that one names. */
uint64_t phu_spool_readers_load(struct phu_spool *spool);
void phu_spool_reader_free(struct phu_spool_reader *reader);
bool phu_spool_reader_has_live(const struct phu_spool_reader *reader);
