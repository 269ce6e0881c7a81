/* Samples as they came, in the order of time: an hour's blobs at a time are taken apart, sorted,
 * and told. When an hour is too much for memory, pieces of it. */
#include "ask.h"
#include "parts.h"

#include <errno.h>
#include <stdio.h>

#define MEMORY ((size_t)64 << 20)
#define SHORTEST (10 * PHU_SECOND)

struct name {
    char *text;
    size_t length;
};

struct moment {
    int64_t time_ns;
    uint32_t series; /* place in picks */
    struct phu_window window;
};

/* A series' key taken apart again. */
struct tags {
    struct phu_slice measurement;
    struct phu_tag *at;
    size_t count;
};

struct replay {
    struct phu_query *query;
    struct phu_picks picks;
    struct tags *tags;   /* as picks; filled in when first needed */
    struct name *fields; /* by number */
    size_t field_count;
    struct moment *moments;
    size_t count, capacity;
    struct phu_windows windows; /* what the moments point to */
    struct phu_field *told;
    size_t told_capacity;
    phu_query_sample_cb *row;
    void *arg;
};

/* -- Names ----------------------------------------------------------------------------------------
 */

static int read_fields(struct replay *replay)
{
    struct phu_query *query = replay->query;
    size_t most = (size_t)phu_db_number(&query->db, "SELECT max(id) FROM field", 0);
    sqlite3_stmt *rows = phu_db_take(&query->db, "SELECT id, name FROM field");
    int result;

    if (!rows || most > PHU_FIELD_ID_MAX)
        return rows ? -EILSEQ : phu_db_error(&query->db);
    replay->field_count = most + 1;
    replay->fields = calloc(replay->field_count, sizeof *replay->fields);
    if (!replay->fields)
        abort();
    while ((result = sqlite3_step(rows)) == SQLITE_ROW) {
        struct name *name = &replay->fields[sqlite3_column_int64(rows, 0)];

        name->length = (size_t)sqlite3_column_bytes(rows, 1);
        name->text = phu_arena_text(&query->arena, phu_db_text(rows, 1), name->length);
    }
    sqlite3_reset(rows);
    return phu_db_errno(result);
}

/* Up to one of `stops` that is not escaped; undoes escapes in place. */
static struct phu_slice take_part(char **at, const char *stops)
{
    char *from = *at, *to = from;
    struct phu_slice part = {.at = from};

    while (**at && !strchr(stops, **at)) {
        if (**at == '\\' && (*at)[1] && strchr(",= \\", (*at)[1]))
            ++*at;
        *to++ = *(*at)++;
    }
    part.length = (size_t)(to - from);
    return part;
}

static void take_apart(struct replay *replay, size_t place)
{
    struct phu_arena *arena = &replay->query->arena;
    const char *key = replay->picks.at[place].key;
    struct tags *tags = &replay->tags[place];
    char *at = phu_arena_text(arena, key, strlen(key));
    size_t commas = 0;

    for (const char *c = key; *c; c++)
        commas += *c == ',';
    tags->at = phu_arena_take(arena, commas * sizeof *tags->at);
    tags->measurement = take_part(&at, ",");
    while (*at == ',' && tags->count < commas) {
        struct phu_tag *tag = &tags->at[tags->count++];

        at++;
        tag->name = take_part(&at, "=");
        if (*at == '=')
            at++;
        tag->value = take_part(&at, ",");
    }
}

/* -- Telling --------------------------------------------------------------------------------------
 */

static struct phu_field *next_field(struct replay *replay, size_t *count)
{
    if (*count == replay->told_capacity) {
        replay->told_capacity = replay->told_capacity ? replay->told_capacity * 2 : 64;
        replay->told = reallocarray(replay->told, replay->told_capacity, sizeof *replay->told);
        if (!replay->told)
            abort();
    }
    return &replay->told[(*count)++];
}

static void tell_histogram(struct replay *replay, const struct phu_cell *cell,
                           const struct name *name, size_t *count)
{
    for (uint32_t i = 0; i < cell->size; i++) {
        struct phu_field *field = next_field(replay, count);
        char digits[16];
        int length = snprintf(digits, sizeof digits, "%u", cell->buckets[i].index);
        char *text = phu_arena_take(&replay->windows.arena, name->length + (size_t)length);

        memcpy(text, name->text, name->length);
        memcpy(text + name->length, digits, (size_t)length);
        *field = (struct phu_field){.name = {.at = text, .length = name->length + (size_t)length},
                                    .type = PHU_FIELD_INT,
                                    .i = (int64_t)cell->buckets[i].count};
    }
}

static int tell_cell(struct replay *replay, const struct phu_cell *cell, size_t *count)
{
    uint32_t number = PHU_COLUMN_FIELD(cell->column);
    const struct name *name = number < replay->field_count ? &replay->fields[number] : NULL;
    struct phu_field *field;

    if (!name || !name->text)
        return -EILSEQ;
    if (PHU_COLUMN_TYPE(cell->column) == PHU_CELL_HIST) {
        tell_histogram(replay, cell, name, count);
        return 0;
    }
    field = next_field(replay, count);
    *field = (struct phu_field){.name = {.at = name->text, .length = name->length}};
    switch (PHU_COLUMN_TYPE(cell->column)) {
    case PHU_CELL_INT:
        field->type = PHU_FIELD_INT;
        field->i = cell->i;
        break;
    case PHU_CELL_FLOAT:
        field->type = PHU_FIELD_FLOAT;
        field->f = cell->f;
        break;
    case PHU_CELL_BOOL:
        field->type = PHU_FIELD_BOOL;
        field->b = cell->i != 0;
        break;
    case PHU_CELL_TEXT:
        field->type = PHU_FIELD_STRING;
        field->text = (struct phu_slice){.at = cell->text ? cell->text : "", .length = cell->size};
        break;
    case PHU_CELL_HIST:
        break;
    }
    return 0;
}

static int tell(struct replay *replay, const struct moment *moment)
{
    const struct phu_pick *pick = &replay->picks.at[moment->series];
    struct tags *tags = &replay->tags[moment->series];
    struct phu_sample sample = {.time_ns = moment->time_ns,
                                .key = {.at = pick->key, .length = strlen(pick->key)}};
    int err = 0;

    if (!tags->at)
        take_apart(replay, moment->series);
    for (size_t i = 0; i < moment->window.count && !err; i++)
        err = tell_cell(replay, &moment->window.cells[i], &sample.field_count);
    if (err)
        return err;
    sample.measurement = tags->measurement;
    sample.tags = tags->at;
    sample.tag_count = tags->count;
    sample.fields = replay->told;
    return replay->row(replay->arg, &sample) ? 0 : -ECANCELED;
}

/* -- Gathering ------------------------------------------------------------------------------------
 */

static int by_time(const void *a, const void *b)
{
    const struct moment *one = a, *two = b;

    if (one->time_ns != two->time_ns)
        return one->time_ns < two->time_ns ? -1 : 1;
    return (one->series > two->series) - (one->series < two->series);
}

static void keep(struct replay *replay, const struct phu_window *window, uint32_t place)
{
    if (replay->count == replay->capacity) {
        replay->capacity = replay->capacity ? replay->capacity * 2 : 1024;
        replay->moments = reallocarray(replay->moments, replay->capacity, sizeof *replay->moments);
        if (!replay->moments)
            abort();
    }
    phu_windows_put(&replay->windows, window);
    replay->moments[replay->count++] =
        (struct moment){.time_ns = window->time_ns,
                        .series = place,
                        .window = replay->windows.at[replay->windows.count - 1]};
}

/* -E2BIG: it does not fit. */
static int gather(struct replay *replay, int64_t from_ns, int64_t to_ns)
{
    struct phu_scan scan;
    int err = phu_scan_init_finest(&scan, replay->query, &replay->picks, from_ns, to_ns);
    bool is_shortest = to_ns - from_ns <= SHORTEST;

    replay->count = 0;
    phu_windows_reset(&replay->windows);
    for (size_t i = 0; i < replay->picks.count && !err; i++) {
        const struct phu_windows *windows = &replay->query->windows;

        err = phu_scan_series(&scan, replay->picks.at[i].series);
        for (size_t j = 0; j < windows->count && !err; j++)
            keep(replay, &windows->at[j], (uint32_t)i);
        if (!is_shortest && !err && phu_arena_bytes(&replay->windows.arena) > MEMORY)
            err = -E2BIG;
    }
    phu_scan_fini(&scan);
    return err;
}

static int replay_piece(struct replay *replay, int64_t from_ns, int64_t to_ns)
{
    int64_t middle_ns = from_ns + (to_ns - from_ns) / 2;
    int err = gather(replay, from_ns, to_ns);

    if (err == -E2BIG && to_ns - from_ns > SHORTEST) {
        err = replay_piece(replay, from_ns, middle_ns);
        return err ? err : replay_piece(replay, middle_ns, to_ns);
    }
    if (err || !replay->count)
        return err;
    qsort(replay->moments, replay->count, sizeof *replay->moments, by_time);
    for (size_t i = 0; i < replay->count && !err; i++)
        err = tell(replay, &replay->moments[i]);
    return err;
}

static int replay_period(struct replay *replay, int64_t from_ns, int64_t to_ns)
{
    int64_t zone_ns = replay->query->zone_ns;
    int err = 0;

    while (from_ns < to_ns && !err) {
        int64_t end_ns = phu_piece_floor(from_ns, PHU_HOUR, zone_ns) + PHU_HOUR;

        end_ns = end_ns < to_ns ? end_ns : to_ns;
        err = replay_piece(replay, from_ns, end_ns);
        from_ns = end_ns;
    }
    return err;
}

static int add_measurement(struct replay *replay, int64_t number)
{
    static const struct phu_query_filter all = {0};
    struct phu_picks more;
    struct phu_picks *picks = &replay->picks;
    int err = phu_pick_series(replay->query, number, &all, &more);

    if (!err && more.count) {
        picks->at = reallocarray(picks->at, picks->count + more.count, sizeof *picks->at);
        if (!picks->at)
            abort();
        memcpy(picks->at + picks->count, more.at, more.count * sizeof *more.at);
        picks->count += more.count;
    }
    free(more.at);
    return err;
}

static int pick_all(struct replay *replay, const char *const *measurements)
{
    struct phu_query *query = replay->query;
    int64_t last = phu_db_number(&query->db, "SELECT max(id) FROM measurement", 0);
    int err = 0;

    if (!measurements)
        for (int64_t i = 1; i <= last && !err; i++)
            err = add_measurement(replay, i);
    for (; measurements && *measurements && !err; measurements++) {
        int64_t number = phu_measurement_number(query, *measurements);

        if (number)
            err = add_measurement(replay, number);
    }
    replay->tags = calloc(replay->picks.count + 1, sizeof *replay->tags);
    if (!replay->tags)
        abort();
    return err;
}

/* Hours without anything, as before the first one, are not looked at one by one. */
static void narrow(struct phu_query *query, int64_t *from_ns, int64_t *to_ns)
{
    int64_t span = phu_db_number(&query->db, "SELECT min(id) >> 32 FROM minute", INT64_MAX >> 32);
    int64_t last = phu_db_number(&query->db, "SELECT max(id) >> 32 FROM minute", 0);
    int64_t first_ns = phu_db_number(&query->db, "SELECT min(from_ns) FROM journal", INT64_MAX);
    int64_t last_ns = phu_db_number(&query->db, "SELECT max(to_ns) FROM journal", -1) + 1;

    if (last) {
        int64_t start_ns = phu_piece_start(span, PHU_HOUR, query->zone_ns);
        int64_t end_ns = phu_piece_start(last + 1, PHU_HOUR, query->zone_ns);

        first_ns = start_ns < first_ns ? start_ns : first_ns;
        last_ns = end_ns > last_ns ? end_ns : last_ns;
    }
    *from_ns = first_ns > *from_ns ? first_ns : *from_ns;
    *to_ns = last_ns < *to_ns ? last_ns : *to_ns;
}

int phu_query_replay(struct phu_query *query, const char *const *measurements, int64_t from_ns,
                     int64_t to_ns, phu_query_sample_cb *row, void *arg)
{
    struct replay replay = {.query = query, .row = row, .arg = arg};
    int err = phu_ask_begin(query);

    if (!err)
        err = read_fields(&replay);
    if (!err)
        err = pick_all(&replay, measurements);
    if (!err) {
        narrow(query, &from_ns, &to_ns);
        err = replay_period(&replay, from_ns, to_ns);
    }
    phu_windows_fini(&replay.windows);
    free(replay.moments);
    free(replay.told);
    free(replay.fields);
    free(replay.tags);
    free(replay.picks.at);
    return phu_ask_end(query, err);
}

int phu_query_range(struct phu_query *query, int64_t *oldest_ns, int64_t *newest_ns)
{
    int64_t newest;
    int err = phu_ask_begin(query);

    if (err)
        return err;
    *oldest_ns = 0;
    *newest_ns = INT64_MAX;
    narrow(query, oldest_ns, newest_ns);
    if (*oldest_ns >= *newest_ns)
        *oldest_ns = *newest_ns = 0;
    else if (query->kept_ns[0] > *oldest_ns)
        *oldest_ns = query->kept_ns[0];
    newest = phu_db_number(&query->db, "SELECT max(sample_ns) FROM agent", 0);
    if (newest && newest < *newest_ns)
        *newest_ns = newest;
    return phu_ask_end(query, 0);
}
