/* When a table is due. See lanes.h. */
#include "lanes.h"

/* The agent's polls come on a grid, but not to the millisecond. */
#define TOLERANCE_NS INT64_C(1000000000)

int64_t phu_lane_period(const struct phu_profile_table *table, const struct phu_lanes *lanes)
{
    int64_t period = 0;

    switch (table->lane) {
    case PHU_LANE_FAST:
        return table->every_ns > 0 ? table->every_ns : PHU_LANE_EACH_POLL;
    case PHU_LANE_SLOW:
        period = lanes->slow_ns;
        break;
    case PHU_LANE_STATIC:
        period = lanes->static_ns;
        break;
    }
    if (period == 0)
        return PHU_LANE_OFF;
    return table->every_ns > 0 ? table->every_ns : period;
}

static uint64_t hash_text(uint64_t hash, const char *text)
{
    for (; *text; text++)
        hash = (hash ^ (unsigned char)*text) * UINT64_C(0x100000001b3);
    return hash;
}

int64_t phu_lane_first(const struct phu_profile_table *table, int64_t period_ns, const char *id,
                       int64_t now_ns, int64_t wall_ns)
{
    uint64_t hash = hash_text(hash_text(UINT64_C(0xcbf29ce484222325), id), table->name);
    int64_t phase, into;

    if (period_ns <= 0 || table->lane == PHU_LANE_STATIC)
        return now_ns;
    hash ^= hash >> 33;
    hash *= UINT64_C(0xff51afd7ed558ccd);
    hash ^= hash >> 33;
    phase = (int64_t)(hash % (uint64_t)period_ns);
    into = (wall_ns - phase) % period_ns;
    if (into < 0)
        into += period_ns;
    return now_ns + (into ? period_ns - into : 0);
}

int64_t phu_lane_next(int64_t due_ns, int64_t period_ns, int64_t now_ns)
{
    if (now_ns < due_ns)
        return due_ns;
    return due_ns + ((now_ns - due_ns) / period_ns + 1) * period_ns;
}

bool phu_lane_is_due(int64_t due_ns, int64_t started_ns, int64_t period_ns, int64_t now_ns)
{
    return now_ns >= due_ns && (!started_ns || now_ns - started_ns >= period_ns - TOLERANCE_NS);
}
