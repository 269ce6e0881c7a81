/* Agents, areas, endpoints and devices, as the newest inventories say. */
#include "ask.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

int phu_query_agents(struct phu_query *query, phu_query_agent_cb *row, void *arg)
{
    sqlite3_stmt *rows;
    int result = SQLITE_DONE, err = phu_ask_begin(query);

    rows = phu_db_take(
        &query->db,
        "WITH known AS (SELECT id FROM agent UNION SELECT agent FROM inventory)"
        " SELECT known.id, coalesce(agent.seen_ns, 0), coalesce(agent.sample_ns, 0),"
        " coalesce((SELECT max(registered_ns) FROM inventory WHERE inventory.agent = known.id), 0),"
        " (SELECT count(*) FROM endpoint WHERE endpoint.agent = known.id),"
        " (SELECT count(*) FROM device WHERE device.agent = known.id),"
        " (SELECT coalesce(sum(households), 0) FROM area WHERE area.agent = known.id AND"
        " level = 'hamlet' AND valid_to = '')"
        " FROM known LEFT JOIN agent ON agent.id = known.id ORDER BY known.id");
    if (!err && !rows)
        err = phu_db_error(&query->db);
    while (!err && (result = sqlite3_step(rows)) == SQLITE_ROW) {
        struct phu_query_agent agent = {.id = phu_db_text(rows, 0),
                                        .seen_ns = sqlite3_column_int64(rows, 1),
                                        .sample_ns = sqlite3_column_int64(rows, 2),
                                        .inventory_ns = sqlite3_column_int64(rows, 3),
                                        .endpoints = sqlite3_column_int64(rows, 4),
                                        .devices = sqlite3_column_int64(rows, 5),
                                        .households = sqlite3_column_int64(rows, 6)};

        err = row(arg, &agent) ? 0 : -ECANCELED;
    }
    return phu_ask_end(query, err ? err : phu_db_errno(result));
}

/* -- Areas ----------------------------------------------------------------------------------------
 */

struct area {
    struct phu_query_area told;
    const char *name; /* what it is called by others: id or code */
    uint32_t parent;  /* in the list; UINT32_MAX: none */
    uint32_t depth;
    bool is_wanted, has_own;
};

struct areas {
    struct area *at;
    size_t count, capacity;
    struct phu_names names; /* number in `at` of each name */
};

static const char *kept(struct phu_query *query, sqlite3_stmt *row, int column)
{
    return phu_arena_text(&query->arena, phu_db_text(row, column),
                          (size_t)sqlite3_column_bytes(row, column));
}

static void day_of(int64_t at_ns, int64_t zone_ns, char *day, size_t size)
{
    time_t seconds = (time_t)((at_ns + zone_ns) / PHU_SECOND);
    struct tm parts;

    gmtime_r(&seconds, &parts);
    strftime(day, size, "%Y-%m-%d", &parts);
}

static void read_area(struct phu_query *query, sqlite3_stmt *row, struct areas *areas)
{
    const char *id = kept(query, row, 0), *code = kept(query, row, 1);
    const char *name = *id ? id : code;
    size_t known = areas->names.count;
    struct area *area;

    if (phu_names_add(&areas->names, name, strlen(name)) != known)
        return; /* several agents know of it */
    if (areas->count == areas->capacity) {
        areas->capacity = areas->capacity ? areas->capacity * 2 : 256;
        areas->at = reallocarray(areas->at, areas->capacity, sizeof *areas->at);
        if (!areas->at)
            abort();
    }
    area = &areas->at[areas->count++];
    *area = (struct area){.name = name, .parent = UINT32_MAX};
    area->told = (struct phu_query_area){.id = name,
                                         .code = code,
                                         .level = kept(query, row, 2),
                                         .name = kept(query, row, 3),
                                         .name_en = kept(query, row, 4),
                                         .parent = kept(query, row, 5),
                                         .households = sqlite3_column_int64(row, 6),
                                         .lat_e6 = INT32_MIN,
                                         .lon_e6 = INT32_MIN};
    area->has_own = area->told.households > 0;
    if (sqlite3_column_type(row, 7) != SQLITE_NULL && sqlite3_column_type(row, 8) != SQLITE_NULL) {
        area->told.lat_e6 = sqlite3_column_int(row, 7);
        area->told.lon_e6 = sqlite3_column_int(row, 8);
    }
}

static int read_areas(struct phu_query *query, int64_t at_ns, struct areas *areas)
{
    sqlite3_stmt *rows = phu_db_take(
        &query->db, "SELECT id, code, level, name, name_en, parent, households, lat_e6, lon_e6"
                    " FROM area WHERE valid_from <= ?1 AND (valid_to = '' OR valid_to >= ?1)"
                    " ORDER BY rowid DESC");
    char day[32];
    int result;

    if (!rows)
        return phu_db_error(&query->db);
    day_of(at_ns, query->zone_ns, day, sizeof day);
    phu_db_bind_text(rows, 1, day, strlen(day));
    while ((result = sqlite3_step(rows)) == SQLITE_ROW)
        read_area(query, rows, areas);
    sqlite3_reset(rows);
    return phu_db_errno(result);
}

static void find_parents(struct areas *areas)
{
    for (size_t i = 0; i < areas->count; i++)
        areas->at[i].parent = phu_names_find(&areas->names, areas->at[i].told.parent,
                                             strlen(areas->at[i].told.parent));
    for (size_t i = 0; i < areas->count; i++) {
        uint32_t up = areas->at[i].parent;

        while (up != UINT32_MAX && areas->at[i].depth < areas->count) { /* a circle ends too */
            areas->at[i].depth++;
            up = areas->at[up].parent;
        }
    }
}

/* What an area has counts for all above it; households only as far as one says its own. */
static void add_up(struct areas *areas, uint32_t from, int64_t endpoints)
{
    uint32_t steps = 0;

    for (uint32_t up = from; up < areas->count && steps++ <= areas->count;
         up = areas->at[up].parent)
        areas->at[up].told.endpoints += endpoints;
}

static void add_households(struct areas *areas, uint32_t from)
{
    int64_t households = areas->at[from].told.households;
    uint32_t steps = 0;

    if (!areas->at[from].has_own)
        return;
    for (uint32_t up = areas->at[from].parent; up != UINT32_MAX && steps++ <= areas->count;
         up = areas->at[up].parent) {
        if (areas->at[up].has_own)
            return;
        areas->at[up].told.households += households;
    }
}

static int count_endpoints(struct phu_query *query, struct areas *areas)
{
    sqlite3_stmt *rows =
        phu_db_take(&query->db, "SELECT hamlet, count(*) FROM endpoint GROUP BY hamlet");
    int result;

    if (!rows)
        return phu_db_error(&query->db);
    while ((result = sqlite3_step(rows)) == SQLITE_ROW) {
        const char *hamlet = phu_db_text(rows, 0);

        add_up(areas, phu_names_find(&areas->names, hamlet, strlen(hamlet)),
               sqlite3_column_int64(rows, 1));
    }
    sqlite3_reset(rows);
    return phu_db_errno(result);
}

static int by_depth(const void *a, const void *b)
{
    const struct area *one = a, *two = b;

    if (one->depth != two->depth)
        return one->depth < two->depth ? -1 : 1;
    return strcmp(one->name, two->name);
}

static int tell_areas(struct areas *areas, const char *area, phu_query_area_cb *row, void *arg)
{
    uint32_t root = area ? phu_names_find(&areas->names, area, strlen(area)) : UINT32_MAX;

    for (size_t i = 0; i < areas->count; i++) {
        uint32_t up = (uint32_t)i, steps = 0;

        while (area && up != root && up != UINT32_MAX && steps++ <= areas->count)
            up = areas->at[up].parent;
        areas->at[i].is_wanted = !area || (up == root && root != UINT32_MAX);
    }
    if (areas->count)
        qsort(areas->at, areas->count, sizeof *areas->at, by_depth);
    for (size_t i = 0; i < areas->count; i++)
        if (areas->at[i].is_wanted && !row(arg, &areas->at[i].told))
            return -ECANCELED;
    return 0;
}

int phu_query_areas(struct phu_query *query, const char *area, int64_t at_ns,
                    phu_query_area_cb *row, void *arg)
{
    struct areas areas = {0};
    int err = phu_ask_begin(query);

    if (!err)
        err = read_areas(query, at_ns, &areas);
    if (!err) {
        find_parents(&areas);
        err = count_endpoints(query, &areas);
    }
    for (size_t i = 0; i < areas.count && !err; i++)
        add_households(&areas, (uint32_t)i);
    if (!err)
        err = tell_areas(&areas, area, row, arg);
    phu_names_fini(&areas.names);
    free(areas.at);
    return phu_ask_end(query, err);
}

/* -- Endpoints and devices ------------------------------------------------------------------------
 */

static void read_subject(struct phu_query *query, sqlite3_stmt *row, struct phu_pick *pick)
{
    *pick = (struct phu_pick){.kind = kept(query, row, 0),
                              .subject = kept(query, row, 1),
                              .agent = kept(query, row, 2),
                              .hamlet = kept(query, row, 3),
                              .commune = kept(query, row, 4),
                              .technology = kept(query, row, 5),
                              .operator_name = kept(query, row, 6),
                              .site = kept(query, row, 7),
                              .device = kept(query, row, 8),
                              .key = ""};
}

static int tell_subjects(struct phu_query *query, const struct phu_query_filter *filter,
                         const struct phu_names *areas, phu_query_subject_cb *row, void *arg)
{
    /* A device's place is its site's; of a site in no hamlet that is its commune. */
    sqlite3_stmt *rows = phu_db_take(
        &query->db,
        "SELECT 'endpoint', e.id, e.agent, e.hamlet, e.commune, e.technology, e.operator,"
        " coalesce(d.site, ''), e.device FROM endpoint AS e LEFT JOIN device AS d"
        " ON d.agent = e.agent AND d.id = e.device UNION ALL"
        " SELECT 'device', d.id, d.agent, coalesce((SELECT a.id FROM area AS a WHERE a.id = s.area"
        " LIMIT 1), ''), coalesce((SELECT a.parent FROM area AS a WHERE a.id = s.area"
        " AND a.valid_to = '' LIMIT 1), s.area, ''), '', '', d.site, d.id FROM device AS d"
        " LEFT JOIN site AS s ON s.agent = d.agent AND s.id = d.site ORDER BY 3, 1 DESC, 2");
    int result = SQLITE_DONE, err = 0;

    if (!rows)
        return phu_db_error(&query->db);
    while (!err && (result = sqlite3_step(rows)) == SQLITE_ROW) {
        struct phu_query_subject subject;
        struct phu_pick pick;

        read_subject(query, rows, &pick);
        if (!phu_filter_takes(filter, areas, &pick))
            continue;
        err = phu_pick_describe(query, &pick, &subject);
        if (!err)
            err = row(arg, &subject) ? phu_ask_may_go_on(query) : -ECANCELED;
    }
    sqlite3_reset(rows);
    return err ? err : phu_db_errno(result);
}

int phu_query_subjects(struct phu_query *query, const struct phu_query_filter *filter,
                       phu_query_subject_cb *row, void *arg)
{
    struct phu_names areas = {0};
    int err = phu_ask_begin(query);

    if (!err && filter->area)
        err = phu_area_names(query, filter->area, 0, &areas);
    if (!err)
        err = tell_subjects(query, filter, &areas, row, arg);
    phu_names_fini(&areas);
    return phu_ask_end(query, err);
}

int phu_query_inventory(struct phu_query *query, const char *agent, int64_t at_ns, char **json,
                        int64_t *registered_ns)
{
    sqlite3_stmt *find;
    int result, err = phu_ask_begin(query);

    if (err)
        return err;
    find = phu_db_take(&query->db, "SELECT json, registered_ns FROM inventory WHERE agent = ? AND"
                                   " registered_ns <= ? ORDER BY registered_ns DESC LIMIT 1");
    if (!find)
        return phu_ask_end(query, phu_db_error(&query->db));
    phu_db_bind_text(find, 1, agent, strlen(agent));
    sqlite3_bind_int64(find, 2, at_ns);
    result = sqlite3_step(find);
    err = result == SQLITE_DONE ? -ENOENT : phu_db_errno(result);
    if (result == SQLITE_ROW) {
        *json = strndup(phu_db_text(find, 0), (size_t)sqlite3_column_bytes(find, 0));
        if (!*json)
            abort();
        *registered_ns = sqlite3_column_int64(find, 1);
    }
    sqlite3_reset(find);
    return phu_ask_end(query, err);
}
