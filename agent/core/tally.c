#include "tally.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define KEY_MAX 4096
#define ROW_KEY_MAX 1024

/* Tags of a row. One that serves nobody keeps its own tag alone, and the place in the tally's key
 * where it belongs. One that serves an endpoint keeps its whole key. */
struct row_tags {
    uint16_t length;
    uint16_t own_at,
        own_length; /* of ",onu=0/1/3:5"; own_length == length: there is nothing else */
    char text[];
};

struct row {
    struct phu_window *window;
    uint32_t tags; /* where they are among the texts */
    uint32_t hash; /* of its own tag */
};

/* The tags of all rows lie one after the other: a device has few rows or very many, and a piece of
 * memory of its own for each would cost as much again as the tags themselves. */
struct phu_tally_rows {
    uint32_t count, capacity;
    uint32_t *slots; /* row handles by hash, twice the capacity, 0: free; NULL while they are few */
    uint8_t *texts;  /* struct row_tags after struct row_tags */
    uint32_t texts_used, texts_size, texts_idle; /* idle: of rows that have been named anew */
    struct row items[];
};

static const struct row_tags *tags_of(const struct phu_tally_rows *rows, const struct row *row)
{
    return (const void *)(rows->texts + row->tags);
}

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
    else if (subject->kind == PHU_SUBJECT_ENDPOINT)
        add_tag(&line, "endpoint", subject->id);
    add_tag(&line, "hamlet", subject->hamlet);
    add_tag(&line, "operator", subject->operator);
    if (subject->kind == PHU_SUBJECT_REFERENCE)
        add_tag(&line, "reference", subject->id);
    add_tag(&line, "site", subject->site);
    add_tag(&line, "technology", subject->technology);
    return phu_line_key(&line);
}

/* -- What lines of `state` say --------------------------------------------------------------- */

enum { TOLD_FLAPPING = 1 << 8, TOLD_MAINTAINED = 1 << 9 };

static uint16_t pack_state(const struct phu_state_track *track)
{
    unsigned packed = phu_state_shown(track);

    if (track->is_flapping)
        packed |= TOLD_FLAPPING;
    if (track->is_maintained)
        packed |= TOLD_MAINTAINED;
    return (uint16_t)packed;
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

static const char *primary_measurement(const struct phu_tally *tally)
{
    switch ((enum phu_subject_kind)tally->kind) {
    case PHU_SUBJECT_ENDPOINT:
        return "coverage";
    case PHU_SUBJECT_DEVICE:
        return "device";
    case PHU_SUBJECT_REFERENCE:
        return "reference";
    }
    return "";
}

int phu_tally_new(const struct phu_monitor_check *check, const struct phu_window_plan *plan,
                  const struct phu_state_rules *rules, struct phu_mono begin, uint32_t segment,
                  struct phu_tally **out)
{
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
    tally->kind = (uint8_t)check->subject.kind;
    tally->own_group = (int16_t)phu_window_group(plan, primary_measurement(tally));
    if (tally->primary) {
        phu_state_init(&tally->primary->track, rules, begin);
        tally->primary->is_5g =
            check->subject.technology && strcmp(check->subject.technology, "5g") == 0;
        tally->primary->told = pack_state(&tally->primary->track);
        phu_trips_init(&tally->primary->trips);
    }
    *out = tally;
    return 0;
}

void phu_tally_free(struct phu_tally *tally)
{
    if (!tally)
        return;
    for (uint32_t i = 0; i < phu_tally_row_count(tally); i++)
        phu_window_free(tally->plan, &tally->rows->items[i].window);
    if (tally->rows) {
        free(tally->rows->slots);
        free(tally->rows->texts);
    }
    free(tally->rows);
    phu_window_free(tally->plan, &tally->window);
    if (tally->primary)
        phu_trips_fini(&tally->primary->trips);
    free(tally);
}

/* -- Tags of rows ---------------------------------------------------------------------------- */

/* One tag of a key, behind its comma. */
struct tag {
    const char *text;
    size_t length, name_length;
};

static size_t find_plain(const char *text, size_t length, char wanted)
{
    for (size_t i = 0; i < length; i++) {
        if (text[i] == wanted && (i == 0 || text[i - 1] != '\\'))
            return i;
    }
    return length;
}

static size_t split_key(const char *key, size_t length, struct tag *tags, size_t most)
{
    size_t count = 0;

    while (length > 0 && count < most) {
        size_t size = find_plain(key + 1, length - 1, ',');

        tags[count++] = (struct tag){key + 1, size, find_plain(key + 1, size, '=')};
        key += 1 + size;
        length -= 1 + size;
    }
    return count;
}

static int compare_names(const struct tag *a, const struct tag *b)
{
    size_t common = a->name_length < b->name_length ? a->name_length : b->name_length;
    int order = memcmp(a->text, b->text, common);

    return order ? order : (a->name_length > b->name_length) - (a->name_length < b->name_length);
}

/* Puts a tag where its name belongs; one of that name is replaced. */
static size_t insert_tag(struct tag *tags, size_t count, const struct tag *tag)
{
    size_t place = 0;
    int order = 1;

    while (place < count && (order = compare_names(tag, &tags[place])) > 0)
        place++;
    if (place < count && order == 0) {
        tags[place] = *tag;
        return count;
    }
    memmove(&tags[place + 1], &tags[place], (count - place) * sizeof *tags);
    tags[place] = *tag;
    return count + 1;
}

static size_t join_tags(char *buffer, const struct tag *tags, size_t count)
{
    char *cursor = buffer;

    for (size_t i = 0; i < count; i++) {
        *cursor++ = ',';
        memcpy(cursor, tags[i].text, tags[i].length);
        cursor += tags[i].length;
    }
    return (size_t)(cursor - buffer);
}

static ssize_t write_endpoint(char *buffer, size_t size, const struct phu_subject *endpoint)
{
    struct phu_line line;

    phu_line_begin_key(&line, buffer, size, "", 0);
    add_tag(&line, "commune", endpoint->commune);
    add_tag(&line, "endpoint", endpoint->id);
    add_tag(&line, "hamlet", endpoint->hamlet);
    add_tag(&line, "operator", endpoint->operator);
    add_tag(&line, "technology", endpoint->technology);
    return phu_line_key(&line);
}

static bool is_place(const struct tag *tag)
{
    return (tag->name_length == 7 && memcmp(tag->text, "commune", 7) == 0) ||
           (tag->name_length == 6 && memcmp(tag->text, "hamlet", 6) == 0);
}

/* The place of a row that serves an endpoint is the endpoint's, not that of the device. */
static size_t drop_places(struct tag *tags, size_t count)
{
    size_t kept = 0;

    for (size_t i = 0; i < count; i++) {
        if (!is_place(&tags[i]))
            tags[kept++] = tags[i];
    }
    return kept;
}

#define TAGS_MAX 16 /* of a device and of an endpoint together there are ten, and the row's own */

/* The tags of a device's check with those of an endpoint instead of its own place. `served` holds
 * the latter. */
static ssize_t merge_endpoint(struct tag *tags, size_t count, char served[KEY_MAX],
                              const struct phu_subject *endpoint)
{
    ssize_t length = write_endpoint(served, KEY_MAX, endpoint);
    struct tag added[TAGS_MAX];
    size_t added_count;

    if (length < 0)
        return -EINVAL;
    count = drop_places(tags, count);
    added_count = split_key(served, (size_t)length, added, TAGS_MAX);
    for (size_t i = 0; i < added_count; i++)
        count = insert_tag(tags, count, &added[i]);
    return (ssize_t)count;
}

static struct row_tags *new_tags(const char *text, size_t length, size_t own_at, size_t own_length)
{
    struct row_tags *tags = calloc(1, sizeof *tags + length + 1); /* copied in even sizes */

    if (!tags)
        abort();
    tags->own_at = (uint16_t)own_at;
    tags->own_length = (uint16_t)own_length;
    tags->length = (uint16_t)length;
    memcpy(tags->text, text, length);
    return tags;
}

/* `own` is ",onu=0/1/3:5", or nothing. -EINVAL when its name is that of another tag. */
static int make_tags(const struct phu_tally *tally, const char *own, size_t own_length,
                     const struct phu_subject *endpoint, struct row_tags **out)
{
    char served[KEY_MAX], whole[2 * KEY_MAX + ROW_KEY_MAX];
    struct tag tags[TAGS_MAX], mine;
    ssize_t count = (ssize_t)split_key(tally->key, tally->key_length, tags, TAGS_MAX);
    size_t own_at = 0;

    if (endpoint)
        count = merge_endpoint(tags, (size_t)count, served, endpoint);
    if (count < 0)
        return -EINVAL;
    if (own_length) {
        ssize_t before = count;

        split_key(own, own_length, &mine, 1);
        count = (ssize_t)insert_tag(tags, (size_t)count, &mine);
        if (count == before)
            return -EINVAL;
        for (size_t i = 0; tags[i].text != mine.text; i++)
            own_at += 1 + tags[i].length;
    }
    if (endpoint)
        *out = new_tags(whole, join_tags(whole, tags, (size_t)count), own_at, own_length);
    else
        *out = new_tags(own, own_length, own_at, own_length);
    return 0;
}

static bool is_whole(const struct row_tags *tags)
{
    return tags->length != tags->own_length;
}

static const char *own_tag(const struct row_tags *tags)
{
    return is_whole(tags) ? tags->text + tags->own_at : tags->text;
}

/* -- Rows ------------------------------------------------------------------------------------ */

#define FEW_ROWS 8
#define IDLE_LEAST 512 /* bytes of texts */

uint32_t phu_tally_row_count(const struct phu_tally *tally)
{
    return tally->rows ? tally->rows->count : 0;
}

static uint32_t hash_bytes(const char *bytes, size_t length)
{
    uint32_t hash = 2166136261u; /* FNV-1a */

    for (size_t i = 0; i < length; i++)
        hash = (hash ^ (unsigned char)bytes[i]) * 16777619u;
    hash ^= hash >> 15; /* names differ at their end, and slots are taken by the low bits */
    return hash * 0x9e3779b1u;
}

static void take_slot(struct phu_tally_rows *rows, uint32_t handle)
{
    uint32_t mask = rows->capacity * 2 - 1;
    uint32_t slot = rows->items[handle - 1].hash & mask;

    while (rows->slots[slot])
        slot = (slot + 1) & mask;
    rows->slots[slot] = handle;
}

static struct phu_tally_rows *grow_rows(struct phu_tally_rows *rows)
{
    uint32_t count = rows ? rows->count : 0, capacity = count ? count * 2 : 4;
    uint32_t *slots = rows ? rows->slots : NULL;

    free(slots);
    rows = realloc(rows, sizeof *rows + capacity * sizeof *rows->items);
    slots = capacity > FEW_ROWS ? calloc((size_t)capacity * 2, sizeof *slots) : NULL;
    if (!rows || (!slots && capacity > FEW_ROWS))
        abort();
    if (count == 0)
        *rows = (struct phu_tally_rows){.count = 0};
    rows->capacity = capacity;
    rows->slots = slots;
    for (uint32_t handle = 1; slots && handle <= count; handle++)
        take_slot(rows, handle);
    return rows;
}

static uint32_t size_of_tags(const struct row_tags *tags)
{
    return (uint32_t)(sizeof *tags + tags->length + 1) & ~1U; /* the next one is aligned */
}

static void resize_texts(struct phu_tally_rows *rows, uint32_t size)
{
    rows->texts = realloc(rows->texts, size);
    if (!rows->texts)
        abort();
    rows->texts_size = size;
}

/* Moves what is in use together. */
static void tidy_texts(struct phu_tally_rows *rows)
{
    struct phu_tally_rows old = {.texts = rows->texts};

    rows->texts = NULL;
    resize_texts(rows, rows->texts_used - rows->texts_idle);
    rows->texts_used = rows->texts_idle = 0;
    for (uint32_t i = 0; i < rows->count; i++) {
        const struct row_tags *tags = tags_of(&old, &rows->items[i]);

        memcpy(rows->texts + rows->texts_used, tags, size_of_tags(tags));
        rows->items[i].tags = rows->texts_used;
        rows->texts_used += size_of_tags(tags);
    }
    free(old.texts);
}

/* Takes the tags. */
static uint32_t store_tags(struct phu_tally_rows *rows, struct row_tags *tags)
{
    uint32_t size = size_of_tags(tags), needed = rows->texts_used + size, at = rows->texts_used;

    if (!rows->texts || needed > rows->texts_size)
        resize_texts(rows, needed < 256 ? needed : needed + needed / 4);
    memcpy(rows->texts + at, tags, size);
    rows->texts_used = needed;
    free(tags);
    return at;
}

static void append_row(struct phu_tally *tally, struct row_tags *tags, uint32_t hash)
{
    if (!tally->rows || tally->rows->count == tally->rows->capacity)
        tally->rows = grow_rows(tally->rows);
    tally->rows->items[tally->rows->count++] =
        (struct row){.tags = store_tags(tally->rows, tags), .hash = hash};
    if (tally->rows->slots)
        take_slot(tally->rows, tally->rows->count);
}

static bool is_row(const struct phu_tally_rows *rows, const struct row *row, const char *own,
                   size_t length, uint32_t hash)
{
    const struct row_tags *tags = tags_of(rows, row);

    return row->hash == hash && tags->own_length == length &&
           memcmp(own_tag(tags), own, length) == 0;
}

/* 0 when there is none. */
static uint32_t find_row(const struct phu_tally_rows *rows, const char *own, size_t length,
                         uint32_t hash)
{
    uint32_t mask, slot;

    if (!rows || !rows->slots) {
        for (uint32_t i = 0; rows && i < rows->count; i++) {
            if (is_row(rows, &rows->items[i], own, length, hash))
                return i + 1;
        }
        return 0;
    }
    mask = rows->capacity * 2 - 1;
    for (slot = hash & mask; rows->slots[slot]; slot = (slot + 1) & mask) {
        if (is_row(rows, &rows->items[rows->slots[slot] - 1], own, length, hash))
            return rows->slots[slot];
    }
    return 0;
}

/* The row is named anew, perhaps with another endpoint. */
static int retag(const struct phu_tally *tally, struct row *row, const char *own, size_t own_length,
                 const struct phu_subject *endpoint)
{
    struct phu_tally_rows *rows = tally->rows;
    struct row_tags *tags;
    int error;

    if (!endpoint && !is_whole(tags_of(rows, row)))
        return 0;
    error = make_tags(tally, own, own_length, endpoint, &tags);
    if (error)
        return error;
    rows->texts_idle += size_of_tags(tags_of(rows, row));
    row->tags = store_tags(rows, tags);
    if (rows->texts_idle > IDLE_LEAST && rows->texts_idle > rows->texts_used / 2)
        tidy_texts(rows);
    return 0;
}

int phu_tally_row(struct phu_tally *tally, const struct phu_row *wanted,
                  const struct phu_subject *endpoint, uint32_t max_rows, uint32_t *row)
{
    char own[ROW_KEY_MAX];
    struct row_tags *tags;
    struct phu_line line;
    ssize_t length;
    uint32_t hash;
    int error;

    phu_line_begin_key(&line, own, sizeof own, "", 0);
    if (wanted->tag[0])
        phu_line_tag(&line, wanted->tag, wanted->name);
    length = phu_line_key(&line);
    if (length < 0 || (length == 0 && wanted->tag[0]))
        return -EINVAL;
    hash = hash_bytes(own, (size_t)length);
    if (wanted->endpoint && !endpoint)
        return -ENOENT;
    *row = find_row(tally->rows, own, (size_t)length, hash);
    if (*row)
        return retag(tally, &tally->rows->items[*row - 1], own, (size_t)length, endpoint);
    if (phu_tally_row_count(tally) >= max_rows)
        return -ENOSPC;
    error = make_tags(tally, own, (size_t)length, endpoint, &tags);
    if (error)
        return error;
    append_row(tally, tags, hash);
    *row = tally->rows->count;
    return 0;
}

/* An id needs no escapes, so it stands in the tags as it is. */
static bool copy_endpoint(const struct row_tags *row, char *id, size_t size)
{
    struct tag tags[TAGS_MAX];
    size_t count = split_key(row->text, row->length, tags, TAGS_MAX);

    for (size_t i = 0; i < count; i++) {
        if (tags[i].name_length == 8 && memcmp(tags[i].text, "endpoint", 8) == 0 &&
            tags[i].length - 9 < size) {
            memcpy(id, tags[i].text + 9, tags[i].length - 9);
            id[tags[i].length - 9] = '\0';
            return true;
        }
    }
    return false;
}

bool phu_tally_row_endpoint(const struct phu_tally *tally, uint32_t row, char *id, size_t size)
{
    const struct row_tags *tags = tags_of(tally->rows, &tally->rows->items[row - 1]);

    return is_whole(tags) && copy_endpoint(tags, id, size);
}

static bool is_row_current(const struct phu_tally *tally, const struct row_tags *row,
                           const struct phu_subject *endpoint)
{
    struct row_tags *again;
    bool is_same;

    if (make_tags(tally, own_tag(row), row->own_length, endpoint, &again))
        return false;
    is_same = again->length == row->length && memcmp(again->text, row->text, row->length) == 0;
    free(again);
    return is_same;
}

bool phu_tally_is_current(const struct phu_tally *tally,
                          bool (*describe)(void *arg, const char *id, struct phu_subject *subject),
                          void *arg)
{
    for (uint32_t i = 0; i < phu_tally_row_count(tally); i++) {
        const struct row_tags *row = tags_of(tally->rows, &tally->rows->items[i]);
        struct phu_subject endpoint;
        char id[128];

        if (!is_whole(row))
            continue;
        if (!copy_endpoint(row, id, sizeof id) || !describe(arg, id, &endpoint) ||
            !is_row_current(tally, row, &endpoint))
            return false;
    }
    return true;
}

/* -- Folding --------------------------------------------------------------------------------- */

static bool is_trip(const struct phu_tally *tally, const struct phu_value *value)
{
    int rtt_metric = phu_window_rtt_metric(tally->plan);

    return rtt_metric >= 0 && value->metric == (uint32_t)rtt_metric;
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
        phu_state_verdict(&tally->primary->track, success, rtt_us, observation->started,
                          observation->completed);
    }
}

void phu_tally_put_confirmation(struct phu_tally *tally, enum phu_success success)
{
    struct phu_tally_primary *primary = tally->primary;

    if (!primary || success == PHU_SUCCESS_UNMEASURED || primary->confirm_sent == UINT16_MAX)
        return;
    primary->confirm_sent++;
    if (success == PHU_SUCCESS_NO)
        primary->confirm_lost++;
}

/* Round trips of a primary check are left to put_verdict(): one that comes without a verdict (a
 * late reply) belongs to a probe that has been counted as lost. */
size_t phu_tally_put(struct phu_tally *tally, const struct phu_observation *observation)
{
    struct phu_window **window = &tally->window;
    int passed_over = -1;

    if (observation->row > phu_tally_row_count(tally))
        return observation->value_count;
    if (observation->row > 0)
        window = &tally->rows->items[observation->row - 1].window;
    else if (tally->primary)
        passed_over = phu_window_rtt_metric(tally->plan);
    if (observation->row == 0 && observation->result != PHU_RESULT_NONE)
        put_verdict(tally, observation);
    return phu_window_put(tally->plan, window, observation->values, observation->value_count,
                          passed_over);
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
    if (track->maintained_ms)
        phu_line_int_literal(line, "maintenance_ms", track->maintained_ms);
}

static void write_confirmations(const struct phu_tally_primary *primary, struct phu_line *line)
{
    if (primary->confirm_sent)
        phu_line_int_literal(line, "confirm_sent", primary->confirm_sent);
    if (primary->confirm_lost)
        phu_line_int_literal(line, "confirm_lost", primary->confirm_lost);
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
    write_confirmations(tally->primary, &line);
    phu_trips_write(&tally->primary->trips, &line);
    write_states(&tally->primary->track, &line);
    phu_line_int_literal(&line, "span_ms", span_ms);
    if (tally->own_group >= 0)
        phu_window_write(tally->plan, tally->window, (size_t)tally->own_group, &line);
    end_line(&line, writer, stamp);
}

static void write_state(const struct phu_tally *tally, struct phu_tally_writer *writer,
                        struct phu_wall stamp)
{
    const struct phu_state_track *track = &tally->primary->track;
    struct phu_line line;

    begin_line(&line, writer, tally, "state", false);
    phu_line_int_literal(&line, "code", phu_state_shown(track));
    phu_line_int_literal(&line, "flapping", track->is_flapping);
    phu_line_int_literal(&line, "maintenance", track->is_maintained);
    end_line(&line, writer, stamp);
}

void phu_tally_tell_state(struct phu_tally *tally, struct phu_tally_writer *writer,
                          struct phu_wall stamp)
{
    uint16_t packed = pack_state(&tally->primary->track);

    if (packed == tally->primary->told)
        return;
    tally->primary->told = packed;
    write_state(tally, writer, stamp);
}

/* The state at the end of a window, for who has missed the change or has just begun to listen. Its
 * time lies within the window, and before a change that its end may bring. */
static void repeat_state(struct phu_tally *tally, struct phu_tally_writer *writer, int64_t span_ms,
                         struct phu_wall stamp)
{
    if (span_ms <= 0)
        return;
    tally->primary->told = pack_state(&tally->primary->track);
    write_state(tally, writer, (struct phu_wall){stamp.ns + (span_ms - 1) * PHU_NS_PER_MS});
}

/* Whatever the primary line does not hold already. */
static void write_own(const struct phu_tally *tally, struct phu_tally_writer *writer,
                      struct phu_wall stamp)
{
    bool has_verdicts = !tally->primary && tally->sent;
    int group = has_verdicts ? 0 : phu_window_next_group(tally->plan, tally->window, -1);

    for (; group >= 0; group = phu_window_next_group(tally->plan, tally->window, group)) {
        struct phu_line line;

        if (tally->primary && group == tally->own_group)
            continue;
        begin_line(&line, writer, tally, phu_window_measurement(tally->plan, (size_t)group), true);
        if (group == 0 && has_verdicts) {
            phu_line_int_literal(&line, "sent", tally->sent);
            phu_line_int_literal(&line, "lost", tally->lost);
        }
        phu_window_write(tally->plan, tally->window, (size_t)group, &line);
        end_line(&line, writer, stamp);
    }
}

static void begin_row_line(struct phu_line *line, const struct phu_tally_writer *writer,
                           const struct phu_tally *tally, const struct row_tags *tags,
                           const char *measurement)
{
    phu_line_begin(line, writer->buffer, writer->buffer_size, measurement);
    phu_line_ready(line, writer->tags, writer->tags_length);
    if (is_whole(tags)) {
        phu_line_ready(line, tags->text, tags->length);
        return;
    }
    phu_line_ready(line, tally->key, tags->own_at);
    phu_line_ready(line, tags->text, tags->length);
    phu_line_ready(line, tally->key + tags->own_at, tally->key_length - tags->own_at);
}

static void write_row(const struct phu_tally *tally, const struct row *row,
                      struct phu_tally_writer *writer, struct phu_wall stamp)
{
    int group = phu_window_next_group(tally->plan, row->window, -1);

    while (group >= 0) {
        struct phu_line line;

        begin_row_line(&line, writer, tally, tags_of(tally->rows, row),
                       phu_window_measurement(tally->plan, (size_t)group));
        group = phu_window_write(tally->plan, row->window, (size_t)group, &line);
        end_line(&line, writer, stamp);
    }
}

static void begin_next(struct phu_tally *tally, struct phu_mono begin)
{
    tally->sent = tally->lost = 0;
    tally->begin_ns = begin.ns;
    phu_window_reset(tally->plan, &tally->window);
    for (uint32_t i = 0; i < phu_tally_row_count(tally); i++)
        phu_window_reset(tally->plan, &tally->rows->items[i].window);
    if (tally->primary) {
        phu_trips_reset(&tally->primary->trips);
        tally->primary->confirm_sent = tally->primary->confirm_lost = 0;
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
    if (tally->primary && (span_ms > 0 || tally->sent || !phu_window_is_empty(tally->window)))
        write_primary(tally, writer, span_ms, stamp);
    write_own(tally, writer, stamp);
    if (tally->primary)
        repeat_state(tally, writer, span_ms, stamp);
    for (uint32_t i = 0; i < phu_tally_row_count(tally); i++)
        write_row(tally, &tally->rows->items[i], writer, stamp);
    begin_next(tally, end);
    return writer->points + writer->dropped > points;
}
