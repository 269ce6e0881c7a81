/* Looking at a spool's folder from outside, beside a running agent or without one: what
 * `phusong spool` shows, and the few changes that it makes to a spool nobody uses.
 */
#pragma once

#include "cursor.h"
#include "segment.h"

struct phu_view_reader {
    char name[PHU_CURSOR_NAME_SIZE];
    struct phu_cursor cursor;
    int error;                           /* the cursor cannot be read */
    uint64_t live_bytes, backfill_bytes; /* not yet delivered */
    struct phu_wall oldest;              /* of that; 0 if nothing */
};

struct phu_view {
    int dir_fd;
    bool is_in_use; /* by a running agent */
    struct phu_segments table;
    struct phu_view_reader *readers; /* by name */
    size_t reader_count;
    size_t quarantined; /* files set aside */
};

/* Reads the folder and changes nothing. -ENOENT, -ENOTDIR: no spool there. */
int phu_view_open(const char *dir, struct phu_view *view);
void phu_view_close(struct phu_view *view);

/* Shows everything in one segment, seal and damaged stretches included. -ENOENT when the agent has
 * deleted it meanwhile. */
int phu_view_scan(const struct phu_view *view, const struct phu_segment *segment,
                  phu_segment_visit_cb *visit, void *arg);
/* -EINVAL: the header is damaged (its records can still be read). */
int phu_view_check_header(const struct phu_view *view, const struct phu_segment *segment);
/* The first record with this timestamp or a later one; UINT64_MAX when there is none. */
uint64_t phu_view_find(const struct phu_view *view, struct phu_wall from);

/* Both need the spool for themselves: -EBUSY while an agent uses it. -ENOENT: no such reader. */
/* Everything from `from` on is to be delivered again, as backfill; `again` gets its bytes. */
int phu_view_replay(struct phu_view *view, const char *reader, struct phu_wall from,
                    uint64_t *again);
int phu_view_forget(struct phu_view *view, const char *reader);
