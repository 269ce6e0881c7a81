/* Latest states, their changes, events. */
#include "ask.h"

#include <errno.h>
#include <stdlib.h>

enum { FLAPPING = 1, MAINTENANCE = 2, ACTIVE = 4, INFERRED = 8 };

struct asked {
    struct phu_query *query;
    const struct phu_query_filter *filter;
    struct phu_picks picks; /* series of measurement `state`, by subject */
    phu_query_state_cb *row;
    void *arg;
};

static int by_subject(const void *a, const void *b)
{
    const struct phu_pick *one = a, *two = b;
    int order = strcmp(one->agent, two->agent);

    order = order ? order : strcmp(one->kind, two->kind);
    order = order ? order : strcmp(one->subject, two->subject);
    return order ? order : (one->series > two->series) - (one->series < two->series);
}

static bool is_one(const struct phu_pick *a, const struct phu_pick *b)
{
    return strcmp(a->agent, b->agent) == 0 && strcmp(a->kind, b->kind) == 0 &&
           strcmp(a->subject, b->subject) == 0;
}

static int pick(struct asked *asked)
{
    int64_t number = phu_measurement_number(asked->query, "state");
    int err = phu_pick_series(asked->query, number, asked->filter, &asked->picks);

    if (!err && asked->picks.count)
        qsort(asked->picks.at, asked->picks.count, sizeof *asked->picks.at, by_subject);
    return err;
}

static void set_code(struct phu_query_state *state, int code, int flags)
{
    state->code = (enum phu_query_code)code;
    state->is_flapping = flags & FLAPPING;
    state->is_maintenance = flags & MAINTENANCE;
}

static int read_state(struct phu_query *query, uint32_t series, struct phu_query_state *state)
{
    sqlite3_stmt *find = phu_db_take(&query->db, "SELECT code, flags, since_ns, seen_ns FROM state"
                                                 " WHERE series = ?");
    int result;

    if (!find)
        return phu_db_error(&query->db);
    sqlite3_bind_int64(find, 1, series);
    result = sqlite3_step(find);
    if (result == SQLITE_ROW) {
        set_code(state, sqlite3_column_int(find, 0), sqlite3_column_int(find, 1));
        state->since_ns = sqlite3_column_int64(find, 2);
        state->seen_ns = sqlite3_column_int64(find, 3);
    }
    sqlite3_reset(find);
    return phu_db_errno(result);
}

/* A subject whose tags changed has several series: the one seen last holds. */
static int tell_subject(struct asked *asked, size_t first, size_t end)
{
    struct phu_query_state latest = {.seen_ns = -1};
    struct phu_query_subject subject;
    size_t holds = first;
    int err = phu_ask_may_go_on(asked->query);

    for (size_t i = first; i < end && !err; i++) {
        struct phu_query_state state = {.seen_ns = -1};

        err = read_state(asked->query, asked->picks.at[i].series, &state);
        if (state.seen_ns > latest.seen_ns) {
            latest = state;
            holds = i;
        }
    }
    if (err || latest.seen_ns < 0)
        return err;
    err = phu_pick_describe(asked->query, &asked->picks.at[holds], &subject);
    latest.subject = &subject;
    if (err)
        return err;
    return asked->row(asked->arg, &latest) ? 0 : -ECANCELED;
}

int phu_query_states(struct phu_query *query, const struct phu_query_filter *filter,
                     phu_query_state_cb *row, void *arg)
{
    struct asked asked = {.query = query, .filter = filter, .row = row, .arg = arg};
    int err = phu_ask_begin(query);

    if (!err)
        err = pick(&asked);
    for (size_t first = 0, end; first < asked.picks.count && !err; first = end) {
        for (end = first + 1; end < asked.picks.count; end++)
            if (!is_one(&asked.picks.at[first], &asked.picks.at[end]))
                break;
        err = tell_subject(&asked, first, end);
    }
    free(asked.picks.at);
    return phu_ask_end(query, err);
}

/* -- Changes --------------------------------------------------------------------------------------
 */

static int tell_changes(struct asked *asked, const struct phu_pick *one, int64_t from_ns,
                        int64_t to_ns)
{
    /* From the last one before the period on. */
    sqlite3_stmt *rows =
        phu_db_take(&asked->query->db,
                    "SELECT time_ns, code, flags FROM state_change WHERE series = ?1 AND time_ns >="
                    " coalesce((SELECT max(time_ns) FROM state_change WHERE series = ?1 AND time_ns"
                    " <= ?2), ?2) AND time_ns < ?3 ORDER BY time_ns");
    struct phu_query_subject subject;
    int result = SQLITE_DONE, err = phu_pick_describe(asked->query, one, &subject);

    if (!rows)
        return phu_db_error(&asked->query->db);
    sqlite3_bind_int64(rows, 1, one->series);
    sqlite3_bind_int64(rows, 2, from_ns);
    sqlite3_bind_int64(rows, 3, to_ns);
    while (!err && (result = sqlite3_step(rows)) == SQLITE_ROW) {
        struct phu_query_state state = {.subject = &subject,
                                        .since_ns = sqlite3_column_int64(rows, 0)};

        set_code(&state, sqlite3_column_int(rows, 1), sqlite3_column_int(rows, 2));
        state.seen_ns = state.since_ns;
        err = asked->row(asked->arg, &state) ? phu_ask_may_go_on(asked->query) : -ECANCELED;
    }
    sqlite3_reset(rows);
    return err ? err : phu_db_errno(result);
}

int phu_query_state_changes(struct phu_query *query, const struct phu_query_filter *filter,
                            int64_t from_ns, int64_t to_ns, phu_query_state_cb *row, void *arg)
{
    struct asked asked = {.query = query, .filter = filter, .row = row, .arg = arg};
    int err = phu_ask_begin(query);

    if (!err)
        err = pick(&asked);
    for (size_t i = 0; i < asked.picks.count && !err; i++)
        err = tell_changes(&asked, &asked.picks.at[i], from_ns, to_ns);
    free(asked.picks.at);
    return phu_ask_end(query, err);
}

/* -- Events ---------------------------------------------------------------------------------------
 */

static void read_event(sqlite3_stmt *row, struct phu_query_event *event)
{
    int flags = sqlite3_column_int(row, 18);

    *event = (struct phu_query_event){
        .id = phu_db_text(row, 0),
        .agent = phu_db_text(row, 1),
        .root = phu_db_text(row, 2),
        .kind = phu_db_text(row, 3),
        .cause = phu_db_text(row, 4),
        .refined = phu_db_text(row, 5),
        .name = phu_db_text(row, 6),
        .hamlet = phu_db_text(row, 7),
        .commune = phu_db_text(row, 8),
        .technology = phu_db_text(row, 9),
        .operator_name = phu_db_text(row, 10),
        .device = phu_db_text(row, 11),
        .site = phu_db_text(row, 12),
        .hamlet_ids = phu_db_text(row, 13),
        .hamlets = sqlite3_column_int64(row, 14),
        .households = sqlite3_column_int64(row, 15),
        .endpoints = sqlite3_column_int64(row, 16),
        .begin_ns = sqlite3_column_int64(row, 17),
        .end_ns = sqlite3_column_int64(row, 19),
        .seen_ns = sqlite3_column_int64(row, 20),
        .is_active = flags & ACTIVE,
        .is_inferred = flags & INFERRED,
        .is_flapping = flags & FLAPPING,
        .is_maintenance = flags & MAINTENANCE,
    };
}

static bool has_hamlet(const struct phu_names *areas, const char *ids)
{
    while (*ids) {
        size_t length = strcspn(ids, " ");

        if (length && phu_names_find(areas, ids, length) != PHU_NAMES_NONE)
            return true;
        ids += length;
        ids += strspn(ids, " ");
    }
    return false;
}

/* An event is in an area when its root is, or one of the hamlets that it names. */
static bool takes(const struct phu_query_filter *filter, const struct phu_names *areas,
                  const struct phu_query_event *event)
{
    struct phu_query_filter rest = *filter;
    struct phu_pick root = {.kind = event->kind,
                            .subject = event->root,
                            .agent = event->agent,
                            .hamlet = event->hamlet,
                            .commune = event->commune,
                            .technology = event->technology,
                            .operator_name = event->operator_name,
                            .site = event->site,
                            .device = event->device};

    if (filter->area && has_hamlet(areas, event->hamlet_ids))
        rest.area = NULL;
    return phu_filter_takes(&rest, areas, &root);
}

static int tell_events(struct phu_query *query, const struct phu_query_filter *filter,
                       const struct phu_names *areas, sqlite3_stmt *rows, phu_query_event_cb *row,
                       void *arg)
{
    int result = SQLITE_DONE, err = 0;

    while (!err && (result = sqlite3_step(rows)) == SQLITE_ROW) {
        struct phu_query_event event;

        read_event(rows, &event);
        if (takes(filter, areas, &event) && !row(arg, &event))
            err = -ECANCELED;
        else
            err = phu_ask_may_go_on(query);
    }
    sqlite3_reset(rows);
    return err ? err : phu_db_errno(result);
}

int phu_query_events(struct phu_query *query, const struct phu_query_filter *filter,
                     int64_t from_ns, int64_t to_ns, phu_query_event_cb *row, void *arg)
{
    struct phu_names areas = {0};
    sqlite3_stmt *rows;
    int err = phu_ask_begin(query);

    if (!err && filter->area)
        err = phu_area_names(query, filter->area, from_ns, &areas);
    rows = phu_db_take(
        &query->db, "SELECT id, agent, root, kind, cause, refined, name, hamlet, commune,"
                    " technology, operator, device, site, hamlet_ids, hamlets, households,"
                    " endpoints, begin_ns, flags, end_ns, time_ns FROM event"
                    " WHERE begin_ns < ?2 AND (end_ns = 0 OR end_ns > ?1) ORDER BY begin_ns, id");
    if (!err && !rows)
        err = phu_db_error(&query->db);
    if (!err) {
        sqlite3_bind_int64(rows, 1, from_ns);
        sqlite3_bind_int64(rows, 2, to_ns);
        err = tell_events(query, filter, &areas, rows, row, arg);
    }
    phu_names_fini(&areas);
    return phu_ask_end(query, err);
}
