/* The four resolutions, and time cut into pieces. Everything is cut in local time, so that days
 * begin at local midnight; hours and minutes are the same everywhere but where a zone is off by
 * half an hour. */
#pragma once

#include <stdint.h>

#define PHU_LEVELS 4

struct phu_level_kind {
    const char *name;  /* of its table */
    int64_t bucket_ns; /* 0: windows as they came */
    int64_t span_ns;   /* what one blob holds */
    int64_t unit_ns;   /* what is rolled up at a time; 0: nothing */
};

extern const struct phu_level_kind phu_level_kinds[PHU_LEVELS];

#define PHU_SECOND INT64_C(1000000000)
#define PHU_MINUTE (60 * PHU_SECOND)
#define PHU_HOUR (60 * PHU_MINUTE)
#define PHU_DAY (24 * PHU_HOUR)

/* Of how many pieces of `length` after local 1970 it lies in; times are after 1970 UTC, zones at
 * most a day. */
static inline int64_t phu_piece_of(int64_t time_ns, int64_t length, int64_t zone_ns)
{
    int64_t local = time_ns + zone_ns;

    return local < 0 ? -((length - 1 - local) / length) : local / length;
}

static inline int64_t phu_piece_start(int64_t piece, int64_t length, int64_t zone_ns)
{
    return piece * length - zone_ns;
}

static inline int64_t phu_piece_floor(int64_t time_ns, int64_t length, int64_t zone_ns)
{
    return phu_piece_start(phu_piece_of(time_ns, length, zone_ns), length, zone_ns);
}

static inline int64_t phu_chunk_id(int64_t span, uint32_t series)
{
    return (int64_t)((uint64_t)span << 32 | series);
}
