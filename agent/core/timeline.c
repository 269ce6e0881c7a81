#include "timeline.h"

#include <stdlib.h>

#define SALT_BITS 33 /* of nanoseconds */

/* Multiplicative hashing (Knuth 6.4): neighbours end up far apart. */
static int64_t salt_of(struct phu_wall start)
{
    return (int64_t)((uint64_t)start.ns * UINT64_C(0x9e3779b97f4a7c15) >> (64 - SALT_BITS));
}

static int64_t boundary_after(int64_t wall_ns, int64_t window_ns)
{
    int64_t into = wall_ns % window_ns;

    return wall_ns - (into < 0 ? into + window_ns : into) + window_ns;
}

static void begin_segment(struct phu_timeline *timeline, int64_t mono_ns, int64_t wall_ns)
{
    int64_t stamp = wall_ns;

    if (stamp <= timeline->newest_ns)
        stamp += timeline->shift_ns;
    if (stamp > timeline->newest_ns)
        timeline->newest_ns = stamp;
    timeline->kept[timeline->last % PHU_TIMELINE_KEPT] =
        (struct phu_segment){.begin = {mono_ns}, .stamp = {stamp}};
    timeline->boundary_ns = boundary_after(wall_ns, timeline->window_ns);
}

void phu_timeline_init(struct phu_timeline *timeline, int64_t window_ns, struct phu_mono mono,
                       struct phu_wall wall)
{
    *timeline = (struct phu_timeline){.window_ns = window_ns,
                                      .offset_ns = wall.ns - mono.ns,
                                      .newest_ns = INT64_MIN,
                                      .shift_ns = PHU_NS_PER_MS + salt_of(wall)};
    begin_segment(timeline, mono.ns, wall.ns);
}

void phu_timeline_set_newest(struct phu_timeline *timeline, struct phu_wall newest)
{
    struct phu_segment *current = &timeline->kept[timeline->last % PHU_TIMELINE_KEPT];

    if (newest.ns < timeline->newest_ns)
        return;
    timeline->newest_ns = newest.ns;
    if (current->stamp.ns <= newest.ns)
        current->stamp.ns += timeline->shift_ns;
}

struct phu_mono phu_timeline_boundary(const struct phu_timeline *timeline)
{
    return (struct phu_mono){timeline->boundary_ns - timeline->offset_ns};
}

static void step(struct phu_timeline *timeline, struct phu_mono mono, struct phu_wall wall)
{
    int64_t reached = mono.ns + timeline->offset_ns;

    if (reached > timeline->newest_ns)
        timeline->newest_ns = reached;
    if (wall.ns <= timeline->newest_ns)
        timeline->shift_ns += PHU_NS_PER_MS;
    timeline->offset_ns = wall.ns - mono.ns;
    timeline->steps++;
    timeline->last++;
    begin_segment(timeline, mono.ns, wall.ns);
}

bool phu_timeline_advance(struct phu_timeline *timeline, struct phu_mono mono, struct phu_wall wall)
{
    int64_t boundary = phu_timeline_boundary(timeline).ns;
    int64_t moved = wall.ns - mono.ns - timeline->offset_ns;

    if (mono.ns >= boundary) {
        int64_t boundary_wall = timeline->boundary_ns;

        if (llabs(moved) < PHU_TIMELINE_STEP_NS && llabs(moved) >= PHU_TIMELINE_NOISE_NS)
            timeline->offset_ns += moved;
        timeline->last++;
        begin_segment(timeline, boundary, boundary_wall);
        return true;
    }
    if (llabs(moved) < PHU_TIMELINE_STEP_NS)
        return false;
    step(timeline, mono, wall);
    return true;
}

void phu_timeline_cut(struct phu_timeline *timeline, struct phu_mono mono)
{
    int64_t begun = phu_timeline_segment(timeline, timeline->last)->begin.ns;

    if (mono.ns <= begun)
        return;
    timeline->last++;
    begin_segment(timeline, mono.ns, mono.ns + timeline->offset_ns);
}
