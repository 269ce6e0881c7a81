/* Whom a question is about, and what inventories say of them. */
#include "ask.h"

#include <errno.h>
#include <stdlib.h>

static const char *kept(struct phu_query *query, sqlite3_stmt *row, int column)
{
    const char *text = phu_db_text(row, column);

    return *text ? phu_arena_text(&query->arena, text, (size_t)sqlite3_column_bytes(row, column))
                 : "";
}

int64_t phu_measurement_number(struct phu_query *query, const char *name)
{
    sqlite3_stmt *find = phu_db_take(&query->db, "SELECT id FROM measurement WHERE name = ?");
    int64_t number = 0;

    if (!find)
        return 0;
    phu_db_bind_text(find, 1, name, strlen(name));
    if (sqlite3_step(find) == SQLITE_ROW)
        number = sqlite3_column_int64(find, 0);
    sqlite3_reset(find);
    return number;
}

/* -- Areas --------------------------------------------------------------------------------------
 */

static int add_children(struct phu_query *query, const char *parent, struct phu_names *names)
{
    sqlite3_stmt *find = phu_db_take(&query->db, "SELECT id, code FROM area WHERE parent = ?");
    int result;

    if (!find)
        return phu_db_error(&query->db);
    phu_db_bind_text(find, 1, parent, strlen(parent));
    while ((result = sqlite3_step(find)) == SQLITE_ROW) {
        const char *id = phu_db_text(find, 0);
        const char *name = *id ? id : phu_db_text(find, 1);

        phu_names_add(names, name, strlen(name));
    }
    sqlite3_reset(find);
    return phu_db_errno(result);
}

/* Rows of the past count too: what was measured below an area then is asked for by its name. */
int phu_area_names(struct phu_query *query, const char *area, int64_t at_ns,
                   struct phu_names *names)
{
    int err = 0;

    (void)at_ns;
    phu_names_add(names, area, strlen(area));
    for (size_t i = 0; i < names->count && !err; i++)
        err = add_children(query, names->at[i].text, names);
    return err;
}

static bool is_one_of(const struct phu_names *names, const char *text)
{
    return *text && phu_names_find(names, text, strlen(text)) != PHU_NAMES_NONE;
}

static bool is_wanted(const char *wanted, const char *text)
{
    return !wanted || strcmp(wanted, text) == 0;
}

bool phu_filter_takes(const struct phu_query_filter *filter, const struct phu_names *areas,
                      const struct phu_pick *pick)
{
    return (!filter->area || is_one_of(areas, *pick->hamlet ? pick->hamlet : pick->commune) ||
            (*pick->hamlet && is_one_of(areas, pick->commune))) &&
           is_wanted(filter->agent, pick->agent) &&
           is_wanted(filter->technology, pick->technology) &&
           is_wanted(filter->operator_name, pick->operator_name) &&
           is_wanted(filter->hamlet, pick->hamlet) && is_wanted(filter->commune, pick->commune) &&
           is_wanted(filter->site, pick->site) && is_wanted(filter->subject, pick->subject) &&
           is_wanted(filter->kind, pick->kind);
}

/* -- Series -------------------------------------------------------------------------------------
 */

static void read_pick(struct phu_query *query, sqlite3_stmt *row, struct phu_pick *pick)
{
    *pick = (struct phu_pick){
        .series = (uint32_t)sqlite3_column_int64(row, 0),
        .kind = kept(query, row, 1),
        .subject = kept(query, row, 2),
        .agent = kept(query, row, 3),
        .hamlet = kept(query, row, 4),
        .commune = kept(query, row, 5),
        .technology = kept(query, row, 6),
        .operator_name = kept(query, row, 7),
        .site = kept(query, row, 8),
        .device = kept(query, row, 9),
        .key = kept(query, row, 10),
    };
}

#define COLUMNS                                                                                    \
    "SELECT id, kind, subject, agent, hamlet, commune, technology, operator, site, device, key"    \
    " FROM series WHERE measurement = ?"

static sqlite3_stmt *series_of(struct phu_query *query, int64_t measurement, const char *subject)
{
    sqlite3_stmt *rows = subject ? phu_db_take(&query->db, COLUMNS " AND subject = ? ORDER BY id")
                                 : phu_db_take(&query->db, COLUMNS " ORDER BY id");

    if (!rows)
        return NULL;
    sqlite3_bind_int64(rows, 1, measurement);
    if (subject)
        phu_db_bind_text(rows, 2, subject, strlen(subject));
    return rows;
}

static int read_picks(struct phu_query *query, sqlite3_stmt *rows,
                      const struct phu_query_filter *filter, const struct phu_names *areas,
                      struct phu_picks *picks)
{
    size_t capacity = 0;
    int result;

    while ((result = sqlite3_step(rows)) == SQLITE_ROW) {
        struct phu_pick pick;

        read_pick(query, rows, &pick);
        if (!phu_filter_takes(filter, areas, &pick))
            continue;
        if (picks->count == capacity) {
            capacity = capacity ? capacity * 2 : 64;
            picks->at = reallocarray(picks->at, capacity, sizeof *picks->at);
            if (!picks->at)
                abort();
        }
        picks->at[picks->count++] = pick;
    }
    return phu_db_errno(result);
}

int phu_pick_series(struct phu_query *query, int64_t measurement,
                    const struct phu_query_filter *filter, struct phu_picks *picks)
{
    struct phu_names areas = {0};
    sqlite3_stmt *rows;
    int err = 0;

    *picks = (struct phu_picks){0};
    if (filter->area)
        err = phu_area_names(query, filter->area, 0, &areas);
    rows = series_of(query, measurement, filter->subject);
    if (!err)
        err = rows ? read_picks(query, rows, filter, &areas, picks) : phu_db_error(&query->db);
    if (rows)
        sqlite3_reset(rows);
    phu_names_fini(&areas);
    return err;
}

/* -- What inventories say -----------------------------------------------------------------------
 */

/* The first row's texts and numbers; without a row nothing changes. */
struct place {
    const char *name;
    int64_t households;
    int32_t lat_e6, lon_e6;
};

static int find_place(struct phu_query *query, const char *sql, const char *id, struct place *place)
{
    sqlite3_stmt *find = phu_db_take(&query->db, sql);
    int result;

    if (!find)
        return phu_db_error(&query->db);
    phu_db_bind_text(find, 1, id, strlen(id));
    result = sqlite3_step(find);
    if (result == SQLITE_ROW) {
        place->name = kept(query, find, 0);
        place->households = sqlite3_column_int64(find, 1);
        if (sqlite3_column_type(find, 2) != SQLITE_NULL &&
            sqlite3_column_type(find, 3) != SQLITE_NULL) {
            place->lat_e6 = sqlite3_column_int(find, 2);
            place->lon_e6 = sqlite3_column_int(find, 3);
        }
    }
    sqlite3_reset(find);
    return phu_db_errno(result);
}

int phu_describe_place(struct phu_query *query, struct phu_query_subject *subject)
{
    struct place hamlet = {.name = "", .lat_e6 = INT32_MIN, .lon_e6 = INT32_MIN};
    struct place commune = hamlet, site = hamlet;
    int err = 0;

    if (*subject->hamlet)
        err = find_place(query,
                         "SELECT name, households, lat_e6, lon_e6 FROM area WHERE id = ?"
                         " ORDER BY valid_to = '' DESC, valid_to DESC LIMIT 1",
                         subject->hamlet, &hamlet);
    if (!err && *subject->commune)
        err = find_place(query,
                         "SELECT name, households, lat_e6, lon_e6 FROM area WHERE code = ?"
                         " ORDER BY valid_to = '' DESC, valid_to DESC LIMIT 1",
                         subject->commune, &commune);
    if (!err && *subject->site)
        err = find_place(query, "SELECT name, 0, lat_e6, lon_e6 FROM site WHERE id = ? LIMIT 1",
                         subject->site, &site);
    subject->hamlet_name = hamlet.name;
    subject->commune_name = commune.name;
    subject->households = hamlet.households;
    subject->lat_e6 = hamlet.lat_e6 != INT32_MIN ? hamlet.lat_e6 : site.lat_e6;
    subject->lon_e6 = hamlet.lat_e6 != INT32_MIN ? hamlet.lon_e6 : site.lon_e6;
    if (!*subject->name)
        subject->name = *hamlet.name ? hamlet.name : site.name;
    return err;
}

/* Device, parent and site, that stand in no tag of an endpoint. */
static int find_links(struct phu_query *query, const char *sql, struct phu_query_subject *subject)
{
    sqlite3_stmt *find = phu_db_take(&query->db, sql);
    int result;

    if (!find)
        return phu_db_error(&query->db);
    phu_db_bind_text(find, 1, subject->agent, strlen(subject->agent));
    phu_db_bind_text(find, 2, subject->id, strlen(subject->id));
    result = sqlite3_step(find);
    if (result == SQLITE_ROW) {
        if (!*subject->device)
            subject->device = kept(query, find, 0);
        subject->parent = kept(query, find, 1);
        if (!*subject->site)
            subject->site = kept(query, find, 2);
    }
    sqlite3_reset(find);
    return phu_db_errno(result);
}

int phu_pick_describe(struct phu_query *query, const struct phu_pick *pick,
                      struct phu_query_subject *subject)
{
    int err = 0;

    *subject = (struct phu_query_subject){.kind = pick->kind,
                                          .agent = pick->agent,
                                          .id = pick->subject,
                                          .name = "",
                                          .hamlet = pick->hamlet,
                                          .hamlet_name = "",
                                          .commune = pick->commune,
                                          .commune_name = "",
                                          .technology = pick->technology,
                                          .operator_name = pick->operator_name,
                                          .site = pick->site,
                                          .device = pick->device,
                                          .parent = "",
                                          .lat_e6 = INT32_MIN,
                                          .lon_e6 = INT32_MIN};
    if (strcmp(pick->kind, "endpoint") == 0)
        err = find_links(query,
                         "SELECT e.device, e.parent, coalesce(d.site, '') FROM endpoint AS e"
                         " LEFT JOIN device AS d ON d.agent = e.agent AND d.id = e.device"
                         " WHERE e.agent = ? AND e.id = ?",
                         subject);
    else if (strcmp(pick->kind, "device") == 0)
        err = find_links(query, "SELECT id, parent, site FROM device WHERE agent = ? AND id = ?",
                         subject);
    return err ? err : phu_describe_place(query, subject);
}
