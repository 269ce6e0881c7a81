/* The spool: what was put here and became durable is delivered, whatever happens to the process,
 * the power, the uplink or the disk.
 *
 * Append-only segments of records (one point each, CRC32C), group commit by fdatasync on a pool
 * thread, one durable cursor per reader. Readers only ever see durable records. How the files look
 * is described at the top of exporters/spool/.
 */
#pragma once

#include "phusong/time.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct phu_option_table;
struct phu_sched;
struct phu_spool;
struct phu_spool_reader;
struct phu_stats;

extern const struct phu_option_table
    phu_spool_options; /* section `spool` → struct phu_spool_conf */

struct phu_spool_conf {
    char *dir;
    int64_t segment_bytes;
    int64_t max_bytes, max_age_ns; /* beyond these the oldest segment goes, counted and logged */
    int64_t min_free_bytes;        /* of the file system */
    int64_t sync_interval_ns, sync_bytes; /* group commit: whichever comes first */
    int64_t buffer_bytes; /* of points not yet on disk; a quarter of it while the disk refuses */
};

/* Always starts on a usable directory: a torn tail is cut off, a damaged segment set aside. -EBUSY
 * when another process has it open. `stats` may be NULL. What is wrong has been logged. */
int phu_spool_open(struct phu_sched *sched, const struct phu_spool_conf *conf,
                   struct phu_stats *stats, struct phu_spool **out);
/* Syncs what is buffered (blocking, for shutdown), then frees. Readers are closed first. */
void phu_spool_close(struct phu_spool *spool);

/* Copies one line (with its newline). It becomes durable with the next group commit. -ENOSPC when
 * the disk refuses and the buffer is full: counted by the spool, the caller just goes on.
 * -EMSGSIZE beyond PHU_LINE_MAX (counted), -EINVAL without the newline.
 * `at` is the point's timestamp, kept for the index (age, time range of what is dropped). */
int phu_spool_put(struct phu_spool *spool, const char *line, size_t length, struct phu_wall at);
/* The highest timestamp among the points that are still in the spool; 0 when it is empty. */
struct phu_wall phu_spool_newest(const struct phu_spool *spool);
/* Starts a group commit now (events do not wait for the interval). */
void phu_spool_sync(struct phu_spool *spool);
/* How many records have been put since the spool was opened … */
uint64_t phu_spool_put_count(const struct phu_spool *spool);
/* … and how many of them are durable, in the order of put. */
uint64_t phu_spool_durable_count(const struct phu_spool *spool);
/* Called from the loop after each commit that made that number grow; NULL ends it. */
void phu_spool_on_durable(struct phu_spool *spool, void (*durable)(void *arg), void *arg);
/* Removes the cursors of readers that are neither open nor among `names`: exporters that are no
 * longer configured, for which segments would be kept for ever. Logged. */
void phu_spool_forget_others(struct phu_spool *spool, const char *const *names, size_t count);

/* -- Reading: one reader per exporter, by name ------------------------------------------------ */

enum phu_spool_lane {
    PHU_SPOOL_LIVE,     /* from the live cursor to the durable end */
    PHU_SPOOL_BACKFILL, /* ranges left behind when the reader jumped to live data, oldest first */
};

/* `ready` is called (from the loop) when durable records arrive for a reader that had none left,
 * and soon after opening when there are some already. A new reader starts at the oldest record
 * still there. -EEXIST when a reader of that name is open. */
int phu_spool_reader_open(struct phu_spool *spool, const char *name, void (*ready)(void *arg),
                          void *arg, struct phu_spool_reader **out);
void phu_spool_reader_close(struct phu_spool_reader *reader);

/* A run of whole lines read from one lane, to be acknowledged later. */
struct phu_span {
    char *body; /* freed by ack and return */
    size_t length, line_count;
    enum phu_spool_lane lane;
    uint64_t id;            /* private to the spool */
    struct phu_wall oldest; /* timestamp of its first record */
};

/* Next lines of the lane that no span in flight covers; at most max_lines and max_bytes, at least
 * one line. 0, or -EAGAIN when the lane is empty for now. */
int phu_spool_reader_next(struct phu_spool_reader *reader, enum phu_spool_lane lane,
                          size_t max_lines, size_t max_bytes, struct phu_span *out);
/* Delivered (or written to the dead-letter file): spans may be acknowledged in any order, the
 * durable cursor moves over the contiguous ones. Frees the span's body. */
void phu_spool_reader_ack(struct phu_spool_reader *reader, struct phu_span *span);
/* Not delivered: the lane will hand these lines out again. Frees the span's body. */
void phu_spool_reader_return(struct phu_spool_reader *reader, struct phu_span *span);

/* Leaves what is behind to the backfill lane and goes on with live data: called by the feed when
 * a destination comes back after more than its `live_after`. Ranges are kept in the cursor file. */
int phu_spool_reader_skip_to_live(struct phu_spool_reader *reader);

struct phu_spool_lag {
    uint64_t live_lines_bytes, backfill_bytes; /* bytes not yet acknowledged */
    struct phu_wall oldest;                    /* of what is not yet acknowledged; 0 if nothing */
};
void phu_spool_reader_lag(const struct phu_spool_reader *reader, struct phu_spool_lag *lag);
