#include "tally.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define KEY_MAX 4096
#define ROW_KEY_MAX 1024

struct row {
    struct phu_window_block *blocks;
    char *key; /* ",interface=ge-0/0/1" */
    uint32_t hash;
    uint32_t key_length;
};

struct phu_tally_rows {
    uint32_t count, capacity;
    struct row items[];
};

/* -- Tags ------------------------------------------------------------------------------------ */

static void add_tag(struct phu_line *line, const char *name, const char *value)
{
    if (value)
        phu_line_tag(line, name, value);
}

/* Tags in the order of their names, as stores like them; `check` comes first so that the rest can
 * serve without it. `agent`, which every line begins with, sorts before all of them. */
static ssize_t write_key(char *buffer, size_t size, const struct phu_monitor_check *check,
                         size_t *check_length)
{
    const struct phu_subject *subject = &check->subject;
    struct phu_line line;

    phu_line_begin_key(&line, buffer, size, "", 0);
    phu_line_tag(&line, "check", check->check);
    *check_length = (size_t)(line.cursor - line.start);
    add_tag(&line, "commune", subject->commune);
    if (subject->kind == PHU_SUBJECT_DEVICE)
        add_tag(&line, "device", subject->id);
    else
        add_tag(&line, "endpoint", subject->id);
    add_tag(&line, "hamlet", subject->hamlet);
    add_tag(&line, "operator", subject->operator);
    add_tag(&line, "site", subject->site);
    add_tag(&line, "technology", subject->technology);
    return phu_line_key(&line);
}

/* -- Life ------------------------------------------------------------------------------------ */

static struct phu_tally *allocate(bool is_primary, size_t key_length)
{
    size_t primary_size = is_primary ? sizeof(struct phu_tally_primary) : 0;
    struct phu_tally *tally = calloc(1, sizeof *tally + primary_size + key_length);

    if (!tally)
        abort();
    if (is_primary)
        tally->primary = (void *)(tally + 1);
    tally->key = (char *)(tally + 1) + primary_size;
    return tally;
}

int phu_tally_new(const struct phu_monitor_check *check, const struct phu_window_plan *plan,
                  struct phu_mono begin, uint32_t segment, struct phu_tally **out)
{
    const struct phu_quality *quality = check->quality ? check->quality : &phu_quality_default;
    char key[KEY_MAX];
    size_t check_length;
    ssize_t key_length = write_key(key, sizeof key, check, &check_length);
    struct phu_tally *tally;

    if (key_length < 0)
        return -EINVAL;
    tally = allocate(check->is_primary, (size_t)key_length);
    memcpy(tally->key, key, (size_t)key_length);
    tally->key_length = (uint16_t)key_length;
    tally->check_length = (uint16_t)check_length;
    tally->plan = plan;
    tally->begin_ns = begin.ns;
    tally->segment = segment;
    tally->is_device = check->subject.kind == PHU_SUBJECT_DEVICE;
    if (tally->primary) {
        phu_state_init(&tally->primary->track, quality, check->interval_ns, begin);
        phu_trips_init(&tally->primary->trips);
    }
    *out = tally;
    return 0;
}

void phu_tally_free(struct phu_tally *tally)
{
    if (!tally)
        return;
    for (uint32_t i = 0; i < phu_tally_row_count(tally); i++) {
        phu_window_free(tally->plan, &tally->rows->items[i].blocks);
        free(tally->rows->items[i].key);
    }
    free(tally->rows);
    phu_window_free(tally->plan, &tally->blocks);
    if (tally->primary)
        phu_trips_fini(&tally->primary->trips);
    free(tally);
}

/* -- Rows ------------------------------------------------------------------------------------ */

uint32_t phu_tally_row_count(const struct phu_tally *tally)
{
    return tally->rows ? tally->rows->count : 0;
}

static uint32_t hash_bytes(const char *bytes, size_t length)
{
    uint32_t hash = 2166136261u; /* FNV-1a */

    for (size_t i = 0; i < length; i++)
        hash = (hash ^ (unsigned char)bytes[i]) * 16777619u;
    return hash;
}

static struct row *append_row(struct phu_tally *tally)
{
    struct phu_tally_rows *rows = tally->rows;
    uint32_t count = rows ? rows->count : 0;

    if (!rows || count == rows->capacity) {
        uint32_t capacity = count ? count * 2 : 4;

        rows = realloc(rows, sizeof *rows + capacity * sizeof *rows->items);
        if (!rows)
            abort();
        rows->capacity = capacity;
        tally->rows = rows;
    }
    rows->count = count + 1;
    rows->items[count] = (struct row){0};
    return &rows->items[count];
}

int phu_tally_row(struct phu_tally *tally, const struct phu_row *wanted, uint32_t max_rows,
                  uint32_t *row)
{
    char key[ROW_KEY_MAX];
    struct phu_line line;
    struct row *item;
    ssize_t length;
    uint32_t hash;

    phu_line_begin_key(&line, key, sizeof key, "", 0);
    phu_line_tag(&line, wanted->tag, wanted->name);
    length = phu_line_key(&line);
    if (length <= 0)
        return -EINVAL;
    hash = hash_bytes(key, (size_t)length);
    for (uint32_t i = 0; i < phu_tally_row_count(tally); i++) {
        item = &tally->rows->items[i];
        if (item->hash == hash && item->key_length == (size_t)length &&
            memcmp(item->key, key, (size_t)length) == 0) {
            *row = i + 1;
            return 0;
        }
    }
    if (phu_tally_row_count(tally) >= max_rows)
        return -ENOSPC;
    item = append_row(tally);
    item->hash = hash;
    item->key_length = (uint32_t)length;
    item->key = malloc((size_t)length);
    if (!item->key)
        abort();
    memcpy(item->key, key, (size_t)length);
    *row = tally->rows->count;
    return 0;
}

/* -- Folding --------------------------------------------------------------------------------- */

static bool is_trip(const struct phu_tally *tally, const struct phu_value *value)
{
    int rtt_metric = phu_window_rtt_metric(tally->plan);

    return rtt_metric >= 0 && value->metric == (uint32_t)rtt_metric;
}

/* Round trips of a primary check are left to put_verdict(): one that comes without a verdict (a
 * late reply) belongs to a probe that has been counted as lost. */
static size_t put_values(struct phu_tally *tally, struct phu_window_block **blocks,
                         const struct phu_observation *observation)
{
    size_t refused = 0;

    for (size_t i = 0; i < observation->value_count; i++) {
        const struct phu_value *value = &observation->values[i];

        if (tally->primary && observation->row == 0 && is_trip(tally, value))
            continue;
        refused += !phu_window_add(tally->plan, blocks, value);
    }
    return refused;
}

static int64_t find_trip(const struct phu_tally *tally, const struct phu_observation *observation)
{
    for (size_t i = 0; i < observation->value_count; i++) {
        if (is_trip(tally, &observation->values[i]))
            return observation->values[i].i;
    }
    return -1;
}

static void put_trip(struct phu_trips *trips, enum phu_success success, int64_t rtt_us)
{
    if (success == PHU_SUCCESS_YES && rtt_us >= 0)
        phu_trips_add(trips, rtt_us);
    else
        phu_trips_break(trips);
}

static void put_verdict(struct phu_tally *tally, const struct phu_observation *observation)
{
    enum phu_success success = phu_success_of(observation->result);

    if (success != PHU_SUCCESS_UNMEASURED)
        tally->sent++;
    if (success == PHU_SUCCESS_NO)
        tally->lost++;
    if (tally->primary) {
        int64_t rtt_us = find_trip(tally, observation);

        put_trip(&tally->primary->trips, success, rtt_us);
        phu_state_verdict(&tally->primary->track, success, rtt_us, observation->completed);
    }
}

size_t phu_tally_put(struct phu_tally *tally, const struct phu_observation *observation)
{
    struct phu_window_block **blocks = &tally->blocks;

    if (observation->row > phu_tally_row_count(tally))
        return observation->value_count;
    if (observation->row > 0)
        blocks = &tally->rows->items[observation->row - 1].blocks;
    else if (observation->result != PHU_RESULT_NONE)
        put_verdict(tally, observation);
    return put_values(tally, blocks, observation);
}

/* -- Points ---------------------------------------------------------------------------------- */

static void begin_line(struct phu_line *line, const struct phu_tally_writer *writer,
                       const struct phu_tally *tally, const char *measurement, bool has_check)
{
    size_t skipped = has_check ? 0 : tally->check_length;

    phu_line_begin(line, writer->buffer, writer->buffer_size, measurement);
    phu_line_ready(line, writer->tags, writer->tags_length);
    phu_line_ready(line, tally->key + skipped, tally->key_length - skipped);
}

static void end_line(struct phu_line *line, struct phu_tally_writer *writer, struct phu_wall stamp)
{
    ssize_t length = phu_line_end(line, stamp);

    if (length > 0) {
        writer->points++;
        writer->emit(writer->emit_arg, writer->buffer, (size_t)length, stamp);
    } else if (length == -ENOBUFS) {
        writer->dropped++;
    }
}

static void write_states(const struct phu_state_track *track, struct phu_line *line)
{
    static const char *const names[PHU_STATE_COUNT] = {
        [PHU_STATE_UP] = "up_ms",           [PHU_STATE_DEGRADED] = "degraded_ms",
        [PHU_STATE_DOWN] = "down_ms",       [PHU_STATE_UNREACHABLE] = "unreachable_ms",
        [PHU_STATE_UNKNOWN] = "unknown_ms",
    };

    for (int state = 0; state < PHU_STATE_COUNT; state++) {
        if (track->ms[state])
            phu_line_int(line, names[state], track->ms[state]);
    }
    if (track->good_ms)
        phu_line_int_literal(line, "good_ms", track->good_ms);
}

static const char *primary_measurement(const struct phu_tally *tally)
{
    return tally->is_device ? "device" : "coverage";
}

/* A collector may have metrics of the primary measurement: they go into the same line. */
static bool is_in_primary(const struct phu_tally *tally, size_t group)
{
    return tally->primary &&
           strcmp(phu_window_measurement(tally->plan, group), primary_measurement(tally)) == 0;
}

/* sent, lost and span_ms are always there: a share needs its denominator, and a series that only
 * exists in bad times cannot be summed with those of good times. */
static void write_primary(const struct phu_tally *tally, struct phu_tally_writer *writer,
                          int64_t span_ms, struct phu_wall stamp)
{
    struct phu_line line;

    begin_line(&line, writer, tally, primary_measurement(tally), false);
    phu_line_int_literal(&line, "sent", tally->sent);
    phu_line_int_literal(&line, "lost", tally->lost);
    phu_trips_write(&tally->primary->trips, &line);
    write_states(&tally->primary->track, &line);
    phu_line_int_literal(&line, "span_ms", span_ms);
    for (size_t group = 0; tally->blocks && group < phu_window_group_count(tally->plan); group++) {
        if (is_in_primary(tally, group))
            phu_window_write(tally->plan, tally->blocks, group, &line);
    }
    end_line(&line, writer, stamp);
}

static void write_own(const struct phu_tally *tally, struct phu_tally_writer *writer,
                      struct phu_wall stamp)
{
    for (size_t group = 0; group < phu_window_group_count(tally->plan); group++) {
        struct phu_line line;

        if (is_in_primary(tally, group))
            continue;
        begin_line(&line, writer, tally, phu_window_measurement(tally->plan, group), true);
        if (group == 0 && !tally->primary && tally->sent) {
            phu_line_int_literal(&line, "sent", tally->sent);
            phu_line_int_literal(&line, "lost", tally->lost);
        }
        phu_window_write(tally->plan, tally->blocks, group, &line);
        end_line(&line, writer, stamp);
    }
}

static void write_row(const struct phu_tally *tally, const struct row *row,
                      struct phu_tally_writer *writer, struct phu_wall stamp)
{
    for (size_t group = 0; group < phu_window_group_count(tally->plan); group++) {
        struct phu_line line;

        begin_line(&line, writer, tally, phu_window_measurement(tally->plan, group), true);
        phu_line_ready(&line, row->key, row->key_length);
        phu_window_write(tally->plan, row->blocks, group, &line);
        end_line(&line, writer, stamp);
    }
}

static void begin_next(struct phu_tally *tally, struct phu_mono begin)
{
    tally->sent = tally->lost = 0;
    tally->begin_ns = begin.ns;
    phu_window_reset(tally->plan, &tally->blocks);
    for (uint32_t i = 0; i < phu_tally_row_count(tally); i++)
        phu_window_reset(tally->plan, &tally->rows->items[i].blocks);
    if (tally->primary) {
        phu_trips_reset(&tally->primary->trips);
        phu_state_reset(&tally->primary->track);
    }
}

bool phu_tally_finish(struct phu_tally *tally, struct phu_tally_writer *writer, struct phu_mono end,
                      struct phu_wall stamp)
{
    struct phu_mono begin = {tally->begin_ns};
    int64_t span_ms;
    int64_t points = writer->points + writer->dropped;

    if (end.ns < begin.ns)
        end = begin;
    span_ms = phu_mono_ms(end) - phu_mono_ms(begin);

    if (tally->primary)
        phu_state_advance(&tally->primary->track, end);
    if (tally->primary && (span_ms > 0 || tally->sent || tally->blocks))
        write_primary(tally, writer, span_ms, stamp);
    if (tally->blocks || (!tally->primary && tally->sent))
        write_own(tally, writer, stamp);
    for (uint32_t i = 0; i < phu_tally_row_count(tally); i++) {
        if (tally->rows->items[i].blocks)
            write_row(tally, &tally->rows->items[i], writer, stamp);
    }
    begin_next(tally, end);
    return writer->points + writer->dropped > points;
}
