/* Where windows begin and end, and which timestamp each carries.
 *
 * The timeline is a row of segments, cut on the monotonic clock: one begins at each multiple of
 * the window's length in UTC, and one wherever the relation of the two clocks breaks. Spans are
 * differences of monotonic time, so no step of the wall clock can add or lose any; the wall clock
 * only says where to cut and what to stamp.
 *
 * Both clocks are slewed alike, so wall - mono is constant until somebody sets the clock (or the
 * machine sleeps, or a leap second passes). Each advance compares it with the value it had:
 * - up to 250 ms are taken in at the next boundary, whose window gets so much longer or shorter;
 * - more is a step. The segment is cut on the spot, partial, with its true span; the next begins
 *   at the true new time, partial, up to the next multiple.
 *
 * After a step backwards the same times of day come again, and a store would overwrite the points
 * that it has. So until the clock passes the newest time used before, stamps are moved:
 * 10:05:03.217 does not replace 10:05:00, and belongs to the same minute. By how much is a time
 * below 8.6 s, hashed from the start of the run, and a millisecond for each step backwards since:
 * always different within one run, and different from other runs' as near as makes no matter.
 * (Whole milliseconds, because VictoriaMetrics keeps no finer ones.)
 *
 * A subject added in the middle of a segment is stamped with its true start, so a restart within
 * the same minute replaces nothing either. How far former runs came is known as far as the caller
 * says.
 */
#pragma once

#include "phusong/time.h"

#include <stdbool.h>
#include <stdint.h>

#define PHU_TIMELINE_STEP_NS (250 * PHU_NS_PER_MS)
/* Differences below this are the time between reading the two clocks. */
#define PHU_TIMELINE_NOISE_NS (5 * PHU_NS_PER_MS)

/* So many segments are remembered; who works through them must not fall further behind. */
#define PHU_TIMELINE_KEPT 32

struct phu_segment {
    struct phu_mono begin;
    struct phu_wall stamp;
};

struct phu_timeline {
    int64_t window_ns;
    int64_t offset_ns;   /* wall - mono */
    int64_t newest_ns;   /* no stamp so far is later */
    int64_t shift_ns;    /* of stamps that are not newer */
    int64_t boundary_ns; /* wall, where the current segment ends: a multiple of window_ns */
    int64_t steps;
    uint32_t last; /* number of the current segment */
    struct phu_segment kept[PHU_TIMELINE_KEPT];
};

/* Segment 0 begins now. */
void phu_timeline_init(struct phu_timeline *timeline, int64_t window_ns, struct phu_mono mono,
                       struct phu_wall wall);
/* Stamps up to this one have been used by a former run. Call before the current segment's stamp has
 * been used. */
void phu_timeline_set_newest(struct phu_timeline *timeline, struct phu_wall newest);
/* Makes at most one cut at or before `mono`; true if it did: call again. */
bool phu_timeline_advance(struct phu_timeline *timeline, struct phu_mono mono,
                          struct phu_wall wall);
/* Cuts now, whatever the time. Call after advance has returned false for the same time. */
void phu_timeline_cut(struct phu_timeline *timeline, struct phu_mono mono);
/* The monotonic time at which the current segment ends if nobody sets the clock. */
struct phu_mono phu_timeline_boundary(const struct phu_timeline *timeline);

static inline const struct phu_segment *phu_timeline_segment(const struct phu_timeline *timeline,
                                                             uint32_t number)
{
    return &timeline->kept[number % PHU_TIMELINE_KEPT];
}
