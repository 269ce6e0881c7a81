/* Series at a step, and summaries: windows of many series folded into groups and buckets of
 * time. */
#include "ask.h"
#include "parts.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>

#define COLUMNS_MAX 64
#define BUCKETS_MAX 200000

/* A column that was asked for, as fields of the file. 0: there is no such field. */
struct column {
    enum phu_query_take take;
    double share;
    uint32_t field, count; /* count: of a mean */
    enum phu_how how;      /* of the field, as it came */
    enum phu_cell_type type;
};

/* A group's buckets. */
struct grid {
    struct phu_query *query;
    struct phu_scan scan;
    struct phu_picks picks;
    struct column columns[COLUMNS_MAX];
    size_t column_count;
    uint32_t *wanted; /* fields that any column needs */
    size_t wanted_count;
    int64_t from_ns, to_ns, first_ns, step_ns; /* step 0: one bucket */
    size_t bucket_count;
    struct phu_fold **folds; /* NULL: never used */
    unsigned by;
    struct phu_cell *cells;
    size_t cell_capacity;
    int64_t subjects; /* of the group, that had any window */
};

/* -- Quantiles -----------------------------------------------------------------------------------
 */

/* gamma as the agents have it: the value that stands for a bucket is within 5 % of all it holds. */
static double bucket_value(uint32_t index)
{
    const double gamma = 1.05 / 0.95;

    return 2 * pow(gamma, index) / (gamma + 1);
}

static double quantile(const struct phu_cell *cell, double share)
{
    uint64_t all = 0, seen = 0;
    double rank;

    for (uint32_t i = 0; i < cell->size; i++)
        all += cell->buckets[i].count;
    if (!all)
        return NAN;
    rank = floor(share * (double)(all - 1));
    for (uint32_t i = 0; i < cell->size; i++) {
        seen += cell->buckets[i].count;
        if ((double)seen > rank)
            return bucket_value(cell->buckets[i].index);
    }
    return bucket_value(cell->buckets[cell->size - 1].index);
}

/* -- Columns -------------------------------------------------------------------------------------
 */

static int find_field(struct phu_query *query, int64_t measurement, const char *name,
                      struct column *column, uint32_t *field)
{
    sqlite3_stmt *find = phu_db_take(&query->db, "SELECT id, type, how FROM field WHERE"
                                                 " measurement = ? AND name = ?");
    int result;

    if (!find)
        return phu_db_error(&query->db);
    sqlite3_bind_int64(find, 1, measurement);
    phu_db_bind_text(find, 2, name, strlen(name));
    result = sqlite3_step(find);
    if (result == SQLITE_ROW) {
        *field = (uint32_t)sqlite3_column_int64(find, 0);
        column->type = (enum phu_cell_type)sqlite3_column_int(find, 1);
        column->how = (enum phu_how)sqlite3_column_int(find, 2);
    }
    sqlite3_reset(find);
    return phu_db_errno(result);
}

/* "rtt" → rtt_sum_us: NAME_sum, or NAME_sum_UNIT. */
static int find_sum(struct phu_query *query, int64_t measurement, const char *name,
                    struct column *column, uint32_t *field)
{
    sqlite3_stmt *find =
        phu_db_take(&query->db, "SELECT id, type, how FROM field WHERE measurement = ?1 AND"
                                " (name = ?2 || '_sum' OR substr(name, 1, length(?2) + 5) ="
                                " ?2 || '_sum_') ORDER BY length(name) LIMIT 1");
    int result;

    if (!find)
        return phu_db_error(&query->db);
    sqlite3_bind_int64(find, 1, measurement);
    phu_db_bind_text(find, 2, name, strlen(name));
    result = sqlite3_step(find);
    if (result == SQLITE_ROW) {
        *field = (uint32_t)sqlite3_column_int64(find, 0);
        column->type = (enum phu_cell_type)sqlite3_column_int(find, 1);
        column->how = (enum phu_how)sqlite3_column_int(find, 2);
    }
    sqlite3_reset(find);
    return phu_db_errno(result);
}

static int find_named(struct phu_query *query, int64_t measurement, const char *name,
                      const char *suffix, struct column *column, uint32_t *field)
{
    char whole[PHU_DICT_NAME_MAX];

    if ((size_t)snprintf(whole, sizeof whole, "%s%s", name, suffix) >= sizeof whole)
        return -EINVAL;
    return find_field(query, measurement, whole, column, field);
}

static int compile(struct phu_query *query, int64_t measurement,
                   const struct phu_query_column *asked, struct column *column)
{
    struct column ignored;
    int err;

    *column = (struct column){.take = asked->take, .share = asked->share};
    if (asked->take == PHU_QUERY_QUANTILE) {
        if (!(asked->share >= 0 && asked->share <= 1))
            return -EINVAL;
        return find_named(query, measurement, asked->field, "_b", column, &column->field);
    }
    err = find_field(query, measurement, asked->field, column, &column->field);
    if (err || asked->take != PHU_QUERY_MEAN || column->field)
        return err;
    err = find_sum(query, measurement, asked->field, column, &column->field);
    return err ? err
               : find_named(query, measurement, asked->field, "_count", &ignored, &column->count);
}

static void want(struct grid *grid, uint32_t field)
{
    size_t place = grid->wanted_count;

    if (!field)
        return;
    while (place && grid->wanted[place - 1] > field)
        place--;
    if (place && grid->wanted[place - 1] == field)
        return;
    memmove(&grid->wanted[place + 1], &grid->wanted[place],
            (grid->wanted_count - place) * sizeof *grid->wanted);
    grid->wanted[place] = field;
    grid->wanted_count++;
}

static int compile_all(struct grid *grid, int64_t measurement,
                       const struct phu_query_column *columns, size_t count)
{
    int err = 0;

    if (count > COLUMNS_MAX)
        return -EINVAL;
    grid->wanted = calloc(2 * count + 1, sizeof *grid->wanted);
    if (!grid->wanted)
        abort();
    for (size_t i = 0; i < count && !err; i++) {
        err = compile(grid->query, measurement, &columns[i], &grid->columns[i]);
        want(grid, grid->columns[i].field);
        want(grid, grid->columns[i].count);
    }
    grid->column_count = count;
    return err;
}

static const struct phu_cell *cell_of(const struct phu_window *window, uint32_t field,
                                      enum phu_how how)
{
    for (size_t i = 0; i < window->count; i++)
        if (PHU_COLUMN_FIELD(window->cells[i].column) == field &&
            PHU_COLUMN_HOW(window->cells[i].column) == how)
            return &window->cells[i];
    return NULL;
}

static double number_of(const struct phu_cell *cell)
{
    if (!cell)
        return NAN;
    switch (PHU_COLUMN_TYPE(cell->column)) {
    case PHU_CELL_INT:
    case PHU_CELL_BOOL:
        return (double)cell->i;
    case PHU_CELL_FLOAT:
        return cell->f;
    case PHU_CELL_TEXT:
    case PHU_CELL_HIST:
        break;
    }
    return NAN;
}

static double mean_of(const struct column *column, const struct phu_window *window)
{
    const struct phu_cell *sum = cell_of(window, column->field, PHU_HOW_SUM), *count;

    count = column->count ? cell_of(window, column->count, PHU_HOW_SUM)
                          : cell_of(window, column->field, PHU_HOW_COUNT);
    if (column->count && !sum && count && count->i)
        return 0; /* a sum that is 0 is left out */
    return sum && count && count->i ? number_of(sum) / (double)count->i : NAN;
}

static enum phu_how how_of(const struct column *column)
{
    switch (column->take) {
    case PHU_QUERY_SUM:
        return PHU_HOW_SUM;
    case PHU_QUERY_COUNT:
        return PHU_HOW_COUNT;
    case PHU_QUERY_MIN:
        return PHU_HOW_MIN;
    case PHU_QUERY_MAX:
        return PHU_HOW_MAX;
    case PHU_QUERY_LATEST:
        return PHU_HOW_LATEST;
    case PHU_QUERY_NATURAL:
        return column->how == PHU_HOW_GAUGE ? PHU_HOW_LATEST : column->how;
    case PHU_QUERY_MEAN:
    case PHU_QUERY_QUANTILE:
        break;
    }
    return column->how;
}

static double value_of(const struct column *column, const struct phu_window *window)
{
    const struct phu_cell *cell;

    if (!column->field)
        return NAN;
    if (column->take == PHU_QUERY_QUANTILE) {
        cell = cell_of(window, column->field, PHU_HOW_SUM);
        return cell && PHU_COLUMN_TYPE(cell->column) == PHU_CELL_HIST
                   ? quantile(cell, column->share)
                   : NAN;
    }
    if (column->take == PHU_QUERY_MEAN ||
        (column->take == PHU_QUERY_NATURAL && column->how == PHU_HOW_STATS))
        return mean_of(column, window);
    return number_of(cell_of(window, column->field, how_of(column)));
}

/* -- Groups ---------------------------------------------------------------------------------------
 */

static int compare_by(unsigned by, const struct phu_pick *a, const struct phu_pick *b)
{
    int order = 0;

    if (by & PHU_QUERY_BY_AGENT)
        order = strcmp(a->agent, b->agent);
    if (!order && by & PHU_QUERY_BY_COMMUNE)
        order = strcmp(a->commune, b->commune);
    if (!order && by & PHU_QUERY_BY_HAMLET)
        order = strcmp(a->hamlet, b->hamlet);
    if (!order && by & PHU_QUERY_BY_TECHNOLOGY)
        order = strcmp(a->technology, b->technology);
    if (!order && by & PHU_QUERY_BY_OPERATOR)
        order = strcmp(a->operator_name, b->operator_name);
    if (!order && by & PHU_QUERY_BY_SUBJECT) {
        order = strcmp(a->kind, b->kind);
        order = order ? order : strcmp(a->subject, b->subject);
    }
    if (!order && by & PHU_QUERY_BY_SERIES)
        order = strcmp(a->key, b->key);
    return order;
}

/* Within a group series of one subject stand together, so that subjects can be counted. */
static int compare(const void *a, const void *b, void *arg)
{
    const struct phu_pick *one = a, *two = b;
    int order = compare_by(*(const unsigned *)arg, one, two);

    order = order ? order : strcmp(one->agent, two->agent);
    order = order ? order : strcmp(one->kind, two->kind);
    order = order ? order : strcmp(one->subject, two->subject);
    return order ? order : (one->series > two->series) - (one->series < two->series);
}

static bool is_one_subject(const struct phu_pick *a, const struct phu_pick *b)
{
    return strcmp(a->agent, b->agent) == 0 && strcmp(a->kind, b->kind) == 0 &&
           strcmp(a->subject, b->subject) == 0;
}

/* What the group has in common by what was asked, with names. */
static int describe(struct grid *grid, const struct phu_pick *pick,
                    struct phu_query_subject *subject)
{
    unsigned by = grid->by;
    struct phu_pick common = *pick;

    if (by & (PHU_QUERY_BY_SUBJECT | PHU_QUERY_BY_SERIES))
        return phu_pick_describe(grid->query, pick, subject);
    common.kind = common.subject = common.site = common.device = "";
    if (!(by & PHU_QUERY_BY_AGENT))
        common.agent = "";
    if (!(by & PHU_QUERY_BY_HAMLET))
        common.hamlet = "";
    /* A hamlet lies in one commune at a time; the newest inventory says in which. */
    if (!(by & (PHU_QUERY_BY_COMMUNE | PHU_QUERY_BY_HAMLET)))
        common.commune = "";
    if (!(by & PHU_QUERY_BY_TECHNOLOGY))
        common.technology = "";
    if (!(by & PHU_QUERY_BY_OPERATOR))
        common.operator_name = "";
    return phu_pick_describe(grid->query, &common, subject);
}

/* -- Folding --------------------------------------------------------------------------------------
 */

/* What no column needs is left out before it is folded. */
static void fold_window(struct grid *grid, struct phu_fold *fold, const struct phu_window *window)
{
    struct phu_window needed = {.time_ns = window->time_ns};
    size_t wanted = 0;

    if (window->count > grid->cell_capacity) {
        grid->cell_capacity = window->count * 2;
        free(grid->cells);
        grid->cells = calloc(grid->cell_capacity, sizeof *grid->cells);
        if (!grid->cells)
            abort();
    }
    for (size_t i = 0; i < window->count && wanted < grid->wanted_count; i++) {
        uint32_t field = PHU_COLUMN_FIELD(window->cells[i].column);

        while (wanted < grid->wanted_count && grid->wanted[wanted] < field)
            wanted++;
        if (wanted < grid->wanted_count && grid->wanted[wanted] == field)
            grid->cells[needed.count++] = window->cells[i];
    }
    needed.cells = grid->cells;
    phu_fold_add(fold, &needed);
}

static struct phu_fold *fold_at(struct grid *grid, int64_t time_ns)
{
    size_t bucket = grid->step_ns
                        ? (size_t)((phu_piece_floor(time_ns, grid->step_ns, grid->query->zone_ns) -
                                    grid->first_ns) /
                                   grid->step_ns)
                        : 0;

    if (bucket >= grid->bucket_count)
        return NULL;
    if (!grid->folds[bucket])
        grid->folds[bucket] = phu_fold_new();
    return grid->folds[bucket];
}

static int fold_series(struct grid *grid, uint32_t series, bool *is_any)
{
    const struct phu_windows *windows = &grid->query->windows;
    int err = phu_scan_series(&grid->scan, series);

    *is_any = false;
    for (size_t i = 0; i < windows->count && !err; i++) {
        struct phu_fold *fold = fold_at(grid, windows->at[i].time_ns);

        if (!fold)
            continue;
        fold_window(grid, fold, &windows->at[i]);
        *is_any = true;
    }
    return err;
}

/* picks first … end - 1 are one group. */
static int fold_group(struct grid *grid, size_t first, size_t end)
{
    const struct phu_pick *counted = NULL;
    int err = 0;

    grid->subjects = 0;
    for (size_t i = 0; i < grid->bucket_count; i++)
        if (grid->folds[i])
            phu_fold_reset(grid->folds[i]);
    for (size_t i = first; i < end && !err; i++) {
        const struct phu_pick *pick = &grid->picks.at[i];
        bool is_any;

        err = fold_series(grid, pick->series, &is_any);
        if (is_any && (!counted || !is_one_subject(counted, pick))) {
            counted = pick;
            grid->subjects++;
        }
    }
    return err;
}

/* -- A question -----------------------------------------------------------------------------------
 */

static int grid_time(struct grid *grid)
{
    int64_t last_ns;

    if (grid->from_ns < 0 || grid->to_ns <= grid->from_ns || grid->step_ns < 0)
        return -EINVAL;
    grid->bucket_count = 1;
    grid->first_ns = grid->from_ns;
    if (grid->step_ns) {
        grid->first_ns = phu_piece_floor(grid->from_ns, grid->step_ns, grid->query->zone_ns);
        last_ns = phu_piece_floor(grid->to_ns - 1, grid->step_ns, grid->query->zone_ns);
        if ((last_ns - grid->first_ns) / grid->step_ns >= BUCKETS_MAX)
            return -EINVAL;
        grid->bucket_count = (size_t)((last_ns - grid->first_ns) / grid->step_ns) + 1;
    }
    grid->folds = calloc(grid->bucket_count, sizeof(struct phu_fold *));
    if (!grid->folds)
        abort();
    return 0;
}

static void grid_fini(struct grid *grid)
{
    for (size_t i = 0; grid->folds && i < grid->bucket_count; i++)
        phu_fold_free(grid->folds[i]);
    free(grid->folds);
    free(grid->wanted);
    free(grid->cells);
    free(grid->picks.at);
    phu_scan_fini(&grid->scan);
}

static int grid_init(struct grid *grid, const char *measurement,
                     const struct phu_query_filter *filter, const struct phu_query_column *columns,
                     size_t count)
{
    int64_t number = phu_measurement_number(grid->query, measurement);
    int err = grid_time(grid);

    if (!err)
        err = compile_all(grid, number, columns, count);
    if (!err)
        err = phu_pick_series(grid->query, number, filter, &grid->picks);
    if (err)
        return err;
    if (grid->picks.count)
        qsort_r(grid->picks.at, grid->picks.count, sizeof *grid->picks.at, compare, &grid->by);
    return phu_scan_init(&grid->scan, grid->query, &grid->picks, grid->from_ns, grid->to_ns,
                         grid->step_ns);
}

typedef int group_cb(struct grid *grid, const struct phu_query_subject *subject, const char *key,
                     void *arg);

static int each_group(struct grid *grid, group_cb *tell, void *arg)
{
    const struct phu_pick *picks = grid->picks.at;
    size_t first = 0, end;
    int err = 0;

    for (; first < grid->picks.count && !err; first = end) {
        struct phu_query_subject subject;

        for (end = first + 1; end < grid->picks.count; end++)
            if (compare_by(grid->by, &picks[first], &picks[end]))
                break;
        err = fold_group(grid, first, end);
        if (!err && grid->subjects)
            err = describe(grid, &picks[first], &subject);
        if (!err && grid->subjects)
            err = tell(grid, &subject, grid->by & PHU_QUERY_BY_SERIES ? picks[first].key : "", arg);
    }
    return err;
}

/* -- Series ---------------------------------------------------------------------------------------
 */

struct telling {
    phu_query_bucket_cb *row;
    void *arg;
};

static const char *text_of(struct grid *grid, const struct column *column,
                           const struct phu_window *window)
{
    const struct phu_cell *cell = column->field && column->type == PHU_CELL_TEXT
                                      ? cell_of(window, column->field, PHU_HOW_LATEST)
                                      : NULL;

    return cell ? phu_arena_text(&grid->query->windows.arena, cell->text, cell->size) : NULL;
}

static int tell_buckets(struct grid *grid, const struct phu_query_subject *subject, const char *key,
                        void *arg)
{
    const struct telling *telling = arg;
    double values[COLUMNS_MAX];
    const char *texts[COLUMNS_MAX];

    for (size_t i = 0; i < grid->bucket_count; i++) {
        struct phu_query_bucket bucket = {
            .group = subject, .key = key, .values = values, .texts = texts};
        struct phu_window window;

        if (!grid->folds[i] || phu_fold_is_empty(grid->folds[i]))
            continue;
        bucket.start_ns = grid->first_ns + (int64_t)i * grid->step_ns;
        bucket.step_ns = grid->step_ns ? grid->step_ns : grid->to_ns - grid->from_ns;
        phu_fold_window(grid->folds[i], bucket.start_ns, &window);
        for (size_t j = 0; j < grid->column_count; j++) {
            values[j] = value_of(&grid->columns[j], &window);
            texts[j] = text_of(grid, &grid->columns[j], &window);
        }
        if (!telling->row(telling->arg, &bucket))
            return -ECANCELED;
    }
    return 0;
}

int phu_query_series(struct phu_query *query, const struct phu_query_series *series,
                     phu_query_bucket_cb *row, void *arg)
{
    struct grid grid = {.query = query,
                        .from_ns = series->from_ns,
                        .to_ns = series->to_ns,
                        .step_ns = series->step_ns,
                        .by = series->by};
    struct telling telling = {.row = row, .arg = arg};
    int err = phu_ask_begin(query);

    if (!err)
        err = grid_init(&grid, series->measurement, &series->filter, series->columns,
                        series->column_count);
    if (!err)
        err = each_group(&grid, tell_buckets, &telling);
    grid_fini(&grid);
    return phu_ask_end(query, err);
}

/* -- Summary --------------------------------------------------------------------------------------
 */

enum {
    SENT,
    LOST,
    UP,
    DEGRADED,
    DOWN,
    UNREACHABLE,
    UNKNOWN,
    MAINTENANCE,
    GOOD,
    SPAN,
    MEAN,
    P50,
    P95,
    P99,
    SHORTEST,
    LONGEST,
    JITTER,
    SUMMARY_COLUMNS
};

static const struct phu_query_column summary_columns[SUMMARY_COLUMNS] = {
    [SENT] = {.field = "sent"},
    [LOST] = {.field = "lost"},
    [UP] = {.field = "up_ms"},
    [DEGRADED] = {.field = "degraded_ms"},
    [DOWN] = {.field = "down_ms"},
    [UNREACHABLE] = {.field = "unreachable_ms"},
    [UNKNOWN] = {.field = "unknown_ms"},
    [MAINTENANCE] = {.field = "maintenance_ms"},
    [GOOD] = {.field = "good_ms"},
    [SPAN] = {.field = "span_ms"},
    [MEAN] = {.field = "rtt", .take = PHU_QUERY_MEAN},
    [P50] = {.field = "rtt", .take = PHU_QUERY_QUANTILE, .share = 0.5},
    [P95] = {.field = "rtt", .take = PHU_QUERY_QUANTILE, .share = 0.95},
    [P99] = {.field = "rtt", .take = PHU_QUERY_QUANTILE, .share = 0.99},
    [SHORTEST] = {.field = "rtt_min_us"},
    [LONGEST] = {.field = "rtt_max_us"},
    [JITTER] = {.field = "jitter", .take = PHU_QUERY_MEAN},
};

struct summing {
    phu_query_summary_cb *row;
    void *arg;
};

static int64_t whole(double value)
{
    return isnan(value) ? 0 : llround(value);
}

static double ratio(double part, double all)
{
    return all > 0 ? part / all : NAN;
}

static void sum_up(const struct grid *grid, const double *values, struct phu_query_summary *summary)
{
    double period_ms = (double)(grid->to_ns - grid->from_ns) / 1e6;

    *summary = (struct phu_query_summary){.subjects = grid->subjects,
                                          .sent = whole(values[SENT]),
                                          .lost = whole(values[LOST]),
                                          .up_ms = whole(values[UP]),
                                          .degraded_ms = whole(values[DEGRADED]),
                                          .down_ms = whole(values[DOWN]),
                                          .unreachable_ms = whole(values[UNREACHABLE]),
                                          .unknown_ms = whole(values[UNKNOWN]),
                                          .maintenance_ms = whole(values[MAINTENANCE]),
                                          .good_ms = whole(values[GOOD]),
                                          .span_ms = whole(values[SPAN]),
                                          .rtt_mean_us = values[MEAN],
                                          .rtt_p50_us = values[P50],
                                          .rtt_p95_us = values[P95],
                                          .rtt_p99_us = values[P99],
                                          .rtt_min_us = values[SHORTEST],
                                          .rtt_max_us = values[LONGEST],
                                          .jitter_us = values[JITTER]};
    summary->loss = ratio((double)summary->lost, (double)summary->sent);
    summary->available = ratio((double)(summary->up_ms + summary->degraded_ms),
                               (double)(summary->up_ms + summary->degraded_ms + summary->down_ms +
                                        summary->unreachable_ms));
    summary->measured = ratio((double)(summary->span_ms - summary->unknown_ms),
                              (double)summary->subjects * period_ms);
}

static int tell_summary(struct grid *grid, const struct phu_query_subject *subject, const char *key,
                        void *arg)
{
    const struct summing *summing = arg;
    struct phu_query_summary summary;
    double values[SUMMARY_COLUMNS];
    struct phu_window window;

    (void)key;
    phu_fold_window(grid->folds[0], grid->from_ns, &window);
    for (size_t i = 0; i < SUMMARY_COLUMNS; i++)
        values[i] = value_of(&grid->columns[i], &window);
    sum_up(grid, values, &summary);
    summary.group = subject;
    return summing->row(summing->arg, &summary) ? 0 : -ECANCELED;
}

int phu_query_summary(struct phu_query *query, const char *measurement,
                      const struct phu_query_filter *filter, int64_t from_ns, int64_t to_ns,
                      unsigned by, phu_query_summary_cb *row, void *arg)
{
    struct grid grid = {.query = query, .from_ns = from_ns, .to_ns = to_ns, .by = by};
    struct summing summing = {.row = row, .arg = arg};
    int err = phu_ask_begin(query);

    if (!err)
        err = grid_init(&grid, measurement, filter, summary_columns, SUMMARY_COLUMNS);
    if (!err)
        err = each_group(&grid, tell_summary, &summing);
    grid_fini(&grid);
    return phu_ask_end(query, err);
}
