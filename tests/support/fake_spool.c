#include "fake_spool.h"

#undef NDEBUG
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum state {
    WAITING,
    READ,
    ACKED,
};

struct record {
    char *line;
    size_t length;
    struct phu_wall at;
    enum state state;
    enum phu_spool_lane lane;
};

struct phu_spool_reader {
    void (*ready)(void *arg);
    void *arg;
    bool is_open, was_empty;
};

struct phu_spool {
    struct record *records;
    size_t count, size, acked;
    size_t first_open;      /* nothing before it is not acknowledged */
    size_t lane_first[2];   /* nothing of the lane waits before it */
    uint64_t lane_bytes[2]; /* not acknowledged */
    struct phu_spool_reader reader;
};

struct phu_spool *fake_spool_new(void)
{
    struct phu_spool *spool = calloc(1, sizeof *spool);

    assert(spool);
    return spool;
}

void fake_spool_free(struct phu_spool *spool)
{
    assert(!spool->reader.is_open);
    for (size_t i = 0; i < spool->count; i++)
        free(spool->records[i].line);
    free(spool->records);
    free(spool);
}

size_t fake_spool_put(struct phu_spool *spool, const char *line, struct phu_wall at)
{
    struct record *record;
    size_t length = strlen(line);

    if (spool->count == spool->size) {
        spool->size = spool->size ? 2 * spool->size : 1024;
        spool->records = realloc(spool->records, spool->size * sizeof *spool->records);
        assert(spool->records);
    }
    record = &spool->records[spool->count];
    *record = (struct record){.line = malloc(length + 2), .length = length + 1, .at = at};
    memcpy(record->line, line, length);
    memcpy(record->line + length, "\n", 2);
    spool->count++;
    spool->lane_bytes[PHU_SPOOL_LIVE] += record->length;
    if (spool->reader.is_open && spool->reader.was_empty) {
        spool->reader.was_empty = false;
        spool->reader.ready(spool->reader.arg);
    }
    return spool->count - 1;
}

size_t fake_spool_count(const struct phu_spool *spool)
{
    return spool->count;
}

bool fake_spool_is_acked(const struct phu_spool *spool, size_t number)
{
    return spool->records[number].state == ACKED;
}

const char *fake_spool_line(const struct phu_spool *spool, size_t number)
{
    return spool->records[number].line;
}

size_t fake_spool_acked(const struct phu_spool *spool)
{
    return spool->acked;
}

static struct phu_spool *spool_of(struct phu_spool_reader *reader)
{
    return (struct phu_spool *)(void *)((char *)reader - offsetof(struct phu_spool, reader));
}

int phu_spool_reader_open(struct phu_spool *spool, const char *name, void (*ready)(void *arg),
                          void *arg, struct phu_spool_reader **out)
{
    (void)name;
    assert(!spool->reader.is_open);
    spool->reader = (struct phu_spool_reader){.ready = ready, .arg = arg, .is_open = true};
    *out = &spool->reader;
    return 0;
}

void phu_spool_reader_close(struct phu_spool_reader *reader)
{
    struct phu_spool *spool = spool_of(reader);

    for (size_t i = 0; i < spool->count; i++)
        assert(spool->records[i].state != READ);
    reader->is_open = false;
}

int phu_spool_reader_next(struct phu_spool_reader *reader, enum phu_spool_lane lane,
                          size_t max_lines, size_t max_bytes, struct phu_span *out)
{
    struct phu_spool *spool = spool_of(reader);
    size_t first = spool->lane_first[lane];

    while (first < spool->count &&
           !(spool->records[first].state == WAITING && spool->records[first].lane == lane))
        first++;
    spool->lane_first[lane] = first;
    if (first == spool->count) {
        reader->was_empty = true;
        return -EAGAIN;
    }
    *out = (struct phu_span){.lane = lane,
                             .id = first,
                             .oldest = spool->records[first].at,
                             .body = malloc(max_bytes + 65536)};
    assert(out->body);
    for (size_t i = first; i < spool->count && out->line_count < max_lines; i++) {
        struct record *record = &spool->records[i];

        if (record->state != WAITING || record->lane != lane)
            break;
        if (out->line_count > 0 && out->length + record->length > max_bytes)
            break;
        memcpy(out->body + out->length, record->line, record->length);
        out->length += record->length;
        out->line_count++;
        record->state = READ;
    }
    return 0;
}

static void settle(struct phu_spool_reader *reader, struct phu_span *span, enum state state)
{
    struct phu_spool *spool = spool_of(reader);

    for (size_t i = 0; i < span->line_count; i++) {
        assert(spool->records[span->id + i].state == READ);
        spool->records[span->id + i].state = state;
        if (state == ACKED) {
            spool->acked++;
            spool->lane_bytes[span->lane] -= spool->records[span->id + i].length;
        }
    }
    if (state == WAITING && span->id < spool->lane_first[span->lane])
        spool->lane_first[span->lane] = span->id;
    while (spool->first_open < spool->count && spool->records[spool->first_open].state == ACKED)
        spool->first_open++;
    free(span->body);
    span->body = NULL;
}

void phu_spool_reader_ack(struct phu_spool_reader *reader, struct phu_span *span)
{
    settle(reader, span, ACKED);
}

void phu_spool_reader_return(struct phu_spool_reader *reader, struct phu_span *span)
{
    settle(reader, span, WAITING);
}

int phu_spool_reader_skip_to_live(struct phu_spool_reader *reader)
{
    struct phu_spool *spool = spool_of(reader);

    for (size_t i = 0; i < spool->count; i++) {
        struct record *record = &spool->records[i];

        if (record->state != WAITING || record->lane != PHU_SPOOL_LIVE)
            continue;
        record->lane = PHU_SPOOL_BACKFILL;
        if (i < spool->lane_first[PHU_SPOOL_BACKFILL])
            spool->lane_first[PHU_SPOOL_BACKFILL] = i;
        spool->lane_bytes[PHU_SPOOL_LIVE] -= record->length;
        spool->lane_bytes[PHU_SPOOL_BACKFILL] += record->length;
    }
    return 0;
}

void phu_spool_reader_lag(const struct phu_spool_reader *reader, struct phu_spool_lag *lag)
{
    const struct phu_spool *spool = spool_of((struct phu_spool_reader *)(uintptr_t)reader);

    *lag = (struct phu_spool_lag){.live_lines_bytes = spool->lane_bytes[PHU_SPOOL_LIVE],
                                  .backfill_bytes = spool->lane_bytes[PHU_SPOOL_BACKFILL]};
    if (spool->first_open < spool->count)
        lag->oldest = spool->records[spool->first_open].at;
}
