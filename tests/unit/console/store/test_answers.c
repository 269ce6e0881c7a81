/* States, events, agents, inventories; backups, checks, and older or newer files. */
#include "db.h"
#include "query.h"
#include "samples.h"
#include "schema.h"

#include <errno.h>
#include <math.h>

static int setup(void **state)
{
    *state = fixture_new();
    return 0;
}

static int teardown(void **state)
{
    fixture_free(*state);
    return 0;
}

static struct phu_query *open_query(struct fixture *fixture)
{
    struct phu_query *query;

    if (phu_query_open(fixture->path, &query, fixture->why, sizeof fixture->why))
        fail_msg("%s", fixture->why);
    return query;
}

static const char inventory[] =
    "{\"areas\": [{\"code\": \"27\", \"level\": \"province\", \"name\": \"Bắc Ninh\"},"
    "{\"code\": \"09187\", \"level\": \"commune\", \"name\": \"Kinh Bắc\", \"parent\": \"27\"},"
    "{\"code\": \"09187-1\", \"id\": \"h1\", \"level\": \"hamlet\", \"name\": \"Thôn Bắc\","
    " \"parent\": \"09187\", \"households\": 120, \"lat\": 21.18, \"lon\": 106.07},"
    "{\"code\": \"09187-2\", \"id\": \"h2\", \"level\": \"hamlet\", \"name\": \"Thôn Nam\","
    " \"parent\": \"09187\", \"households\": 80}],"
    "\"sites\": [{\"id\": \"s1\", \"name\": \"Trạm 1\", \"area\": \"h1\"}],"
    "\"devices\": [{\"id\": \"olt-1\", \"site\": \"s1\", \"address\": \"10.0.0.1\"}],"
    "\"endpoints\": [{\"id\": \"e1\", \"hamlet\": \"h1\", \"commune\": \"09187\","
    " \"technology\": \"fibre\", \"operator\": \"vnpt\", \"address\": \"10.1.0.1\","
    " \"device\": \"olt-1\", \"parent\": \"olt-1\"},"
    "{\"id\": \"e2\", \"hamlet\": \"h2\", \"commune\": \"09187\", \"technology\": \"4g\","
    " \"operator\": \"viettel\", \"address\": \"10.1.0.2\"}]}";

static void register_inventory(struct fixture *fixture)
{
    bool is_new = false;

    if (phu_store_put_inventory(fixture->store, "a", inventory, strlen(inventory), MIDNIGHT,
                                &is_new, fixture->why, sizeof fixture->why))
        fail_msg("%s", fixture->why);
    assert_true(is_new);
}

/* -- Rows as text -------------------------------------------------------------------------------
 */

struct told {
    char text[8192];
    int count, stop_after;
};

__attribute__((format(printf, 2, 3))) static bool tell(struct told *told, const char *format, ...)
{
    size_t used = strlen(told->text);
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(told->text + used, sizeof told->text - used, format, arguments);
    va_end(arguments);
    return ++told->count != told->stop_after;
}

static bool on_state(void *arg, const struct phu_query_state *state)
{
    const struct phu_query_subject *who = state->subject;

    return tell(arg, "%s %s %s/%s %s/%s %lld on %s %d%s since %lld seen %lld\n", who->kind, who->id,
                who->hamlet, who->hamlet_name, who->commune, who->commune_name,
                (long long)who->households, who->device, state->code,
                state->is_maintenance ? " maintained" : "",
                (long long)((state->since_ns - MIDNIGHT) / SECOND),
                (long long)((state->seen_ns - MIDNIGHT) / SECOND));
}

static bool on_event(void *arg, const struct phu_query_event *event)
{
    return tell(arg, "%s %s %s %s %lld-%lld %s %lld %lld\n", event->id, event->root, event->cause,
                event->refined, (long long)((event->begin_ns - MIDNIGHT) / SECOND),
                event->end_ns ? (long long)((event->end_ns - MIDNIGHT) / SECOND) : 0,
                event->is_active ? "active" : "over", (long long)event->hamlets,
                (long long)event->households);
}

static bool on_area(void *arg, const struct phu_query_area *area)
{
    return tell(arg, "%s %s %s %lld %lld\n", area->id, area->level, area->parent,
                (long long)area->households, (long long)area->endpoints);
}

static bool on_subject(void *arg, const struct phu_query_subject *who)
{
    return tell(arg, "%s %s %s %s %s %s %s\n", who->kind, who->id, who->hamlet, who->commune,
                who->site, who->device, who->parent);
}

static bool on_agent(void *arg, const struct phu_query_agent *agent)
{
    return tell(arg, "%s %lld %lld %lld %lld %lld %lld\n", agent->id,
                (long long)((agent->seen_ns - MIDNIGHT) / SECOND),
                (long long)((agent->sample_ns - MIDNIGHT) / SECOND),
                (long long)((agent->inventory_ns - MIDNIGHT) / SECOND), (long long)agent->endpoints,
                (long long)agent->devices, (long long)agent->households);
}

/* -- States -------------------------------------------------------------------------------------
 */

static void put_state(struct fixture *fixture, int64_t second, int code, int maintenance)
{
    char text[256];

    snprintf(text, sizeof text,
             "state,agent=a,commune=09187,endpoint=e1,hamlet=h1,operator=vnpt,technology=fibre"
             " code=%di,flapping=0i,maintenance=%di",
             code, maintenance);
    fixture_store(fixture, MIDNIGHT + second * SECOND, MIDNIGHT + second * SECOND, text);
}

static void the_latest_state_has_names(void **state)
{
    struct fixture *fixture = *state;
    struct phu_query *query;
    struct told told = {0};

    put_state(fixture, 0, 0, 0);
    put_state(fixture, 10, 2, 0);
    put_state(fixture, 60, 2, 0);
    put_state(fixture, 70, 2, 1);
    put_state(fixture, 5, 1, 0); /* late */
    register_inventory(fixture);
    query = open_query(fixture);
    assert_int_equal(
        phu_query_states(query, &(struct phu_query_filter){.area = "27"}, on_state, &told), 0);
    assert_string_equal(told.text, "endpoint e1 h1/Thôn Bắc 09187/Kinh Bắc 120 on olt-1 2 "
                                   "maintained since 10 seen 70\n");
    told = (struct told){0};
    assert_int_equal(
        phu_query_states(query, &(struct phu_query_filter){.area = "h2"}, on_state, &told), 0);
    assert_string_equal(told.text, "");
    assert_int_equal(phu_query_state_changes(query, &(struct phu_query_filter){0},
                                             MIDNIGHT + 7 * SECOND, MIDNIGHT + 65 * SECOND,
                                             on_state, &told),
                     0);
    assert_int_equal(told.count, 2);
    assert_non_null(strstr(told.text, "1 since 5 "));
    assert_non_null(strstr(told.text, "2 since 10 "));
    phu_query_close(query);
}

/* -- Events -------------------------------------------------------------------------------------
 */

static void put_event(struct fixture *fixture, int64_t second, const char *fields)
{
    char text[512];

    snprintf(text, sizeof text,
             "event,agent=a,cause=fibre_cut,commune=09187,device=olt-1,kind=device,root=olt-1 %s",
             fields);
    fixture_store(fixture, MIDNIGHT + second * SECOND, MIDNIGHT + second * SECOND, text);
}

static void an_event_is_one_row(void **state)
{
    struct fixture *fixture = *state;
    struct phu_query *query;
    struct told told = {0};
    char first[160];

    snprintf(first, sizeof first,
             "id=\"a:olt-1:1\",active=1i,hamlets=2i,households=200i,begin_ms=%lldi,"
             "hamlet_ids=\"h1 h2\"",
             (long long)(MIDNIGHT / 1000000 + 5000));
    put_event(fixture, 8, first);
    put_event(fixture, 60, first);
    query = open_query(fixture);
    assert_int_equal(phu_query_events(query, &(struct phu_query_filter){.area = "h2"},
                                      MIDNIGHT + HOUR, MIDNIGHT + 2 * HOUR, on_event, &told),
                     0);
    assert_string_equal(told.text, "a:olt-1:1 olt-1 fibre_cut  5-0 active 2 200\n");
    snprintf(first, sizeof first,
             "id=\"a:olt-1:1\",active=0i,hamlets=3i,begin_ms=%lldi,end_ms=%lldi,refined=\"power\"",
             (long long)(MIDNIGHT / 1000000 + 5000), (long long)(MIDNIGHT / 1000000 + 90000));
    put_event(fixture, 90, first);
    put_event(fixture, 30, "id=\"a:olt-1:1\",active=1i,hamlets=1i"); /* late: says nothing */
    told = (struct told){0};
    assert_int_equal(phu_query_events(query, &(struct phu_query_filter){0}, MIDNIGHT,
                                      MIDNIGHT + HOUR, on_event, &told),
                     0);
    assert_string_equal(told.text, "a:olt-1:1 olt-1 fibre_cut power 5-90 over 3 0\n");
    told = (struct told){0};
    assert_int_equal(phu_query_events(query, &(struct phu_query_filter){0}, MIDNIGHT + HOUR,
                                      MIDNIGHT + 2 * HOUR, on_event, &told),
                     0);
    assert_string_equal(told.text, "");
    phu_query_close(query);
}

/* -- Inventories --------------------------------------------------------------------------------
 */

static void an_inventory_becomes_a_tree(void **state)
{
    struct fixture *fixture = *state;
    struct phu_query *query;
    struct told told = {0};
    bool is_new = true;
    char *json;
    int64_t at_ns;

    register_inventory(fixture);
    assert_int_equal(phu_store_put_inventory(fixture->store, "a", inventory, strlen(inventory),
                                             MIDNIGHT + HOUR, &is_new, fixture->why,
                                             sizeof fixture->why),
                     0);
    assert_false(is_new);
    fixture_store(fixture, MIDNIGHT + SECOND, MIDNIGHT + 3 * SECOND, "coverage,agent=a sent=1i");
    query = open_query(fixture);
    assert_int_equal(phu_query_areas(query, NULL, MIDNIGHT, on_area, &told), 0);
    assert_string_equal(told.text, "27 province  200 2\n09187 commune 27 200 2\n"
                                   "h1 hamlet 09187 120 1\nh2 hamlet 09187 80 1\n");
    told = (struct told){0};
    assert_int_equal(phu_query_areas(query, "h2", MIDNIGHT, on_area, &told), 0);
    assert_string_equal(told.text, "h2 hamlet 09187 80 1\n");
    told = (struct told){0};
    assert_int_equal(
        phu_query_subjects(query, &(struct phu_query_filter){.area = "h1"}, on_subject, &told), 0);
    assert_string_equal(told.text, "endpoint e1 h1 09187 s1 olt-1 olt-1\n"
                                   "device olt-1 h1 09187 s1 olt-1 \n");
    told = (struct told){0};
    assert_int_equal(phu_query_agents(query, on_agent, &told), 0);
    assert_string_equal(told.text, "a 3 1 0 2 1 200\n");
    assert_int_equal(phu_query_inventory(query, "a", MIDNIGHT + DAY, &json, &at_ns), 0);
    assert_string_equal(json, inventory);
    free(json);
    assert_int_equal(phu_query_inventory(query, "b", MIDNIGHT, &json, &at_ns), -ENOENT);
    phu_query_close(query);
}

static void a_bad_inventory_changes_nothing(void **state)
{
    struct fixture *fixture = *state;
    static const char *const bad[][2] = {
        {"{\"areas\": 1}", "areas[0]: must be a list"},
        {"{\"areas\": [{\"name\": \"x\"}]}", "areas[0]: \"code\" is missing"},
        {"{\"sites\": [{\"id\": \"x\", \"lat\": 91}]}", "sites[0]: \"lat\""},
        {"{\"endpoints\": [{\"id\": 1}]}", "endpoints[0]: \"id\" must be a text"},
        {"{", "line 1"},
        {"[]", "must be an object"},
    };
    struct phu_query *query;
    struct told told = {0};

    register_inventory(fixture);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        bool is_new;

        assert_int_equal(phu_store_put_inventory(fixture->store, "a", bad[i][0], strlen(bad[i][0]),
                                                 MIDNIGHT + HOUR, &is_new, fixture->why,
                                                 sizeof fixture->why),
                         -EINVAL);
        if (!strstr(fixture->why, bad[i][1]))
            fail_msg("%s", fixture->why);
    }
    query = open_query(fixture);
    assert_int_equal(phu_query_areas(query, NULL, MIDNIGHT, on_area, &told), 0);
    assert_int_equal(told.count, 4);
    phu_query_close(query);
}

/* -- Stopping -----------------------------------------------------------------------------------
 */

static void a_question_can_be_stopped(void **state)
{
    struct fixture *fixture = *state;
    struct phu_query *query;
    struct told told = {.stop_after = 2};

    register_inventory(fixture);
    query = open_query(fixture);
    assert_int_equal(phu_query_areas(query, NULL, MIDNIGHT, on_area, &told), -ECANCELED);
    assert_int_equal(told.count, 2);
    put_state(fixture, 0, 0, 0);
    phu_query_set_deadline(query, 1);
    assert_int_equal(phu_query_states(query, &(struct phu_query_filter){0}, on_state, &told),
                     -ETIMEDOUT);
    phu_query_set_deadline(query, 0);
    phu_query_cancel(query);
    assert_int_equal(phu_query_states(query, &(struct phu_query_filter){0}, on_state, &told),
                     -ECANCELED);
    assert_int_equal(phu_query_states(query, &(struct phu_query_filter){0}, on_state, &told), 0);
    phu_query_close(query);
}

/* -- Files --------------------------------------------------------------------------------------
 */

static void fill(struct fixture *fixture)
{
    for (int i = 0; i < 3000; i++) {
        char text[160];

        snprintf(text, sizeof text,
                 "coverage,agent=a,endpoint=e%d sent=6i,lost=%di,rtt_b%d=5i,rtt_min_us=%di,"
                 "t=1.5,span_ms=60000i",
                 i % 3, i % 2, 60 + i % 9, 900 + i % 50);
        if (i % 100 == 0)
            assert_int_equal(phu_store_begin(fixture->store), 0);
        assert_int_equal(fixture_put(fixture, MIDNIGHT + i * MINUTE, MIDNIGHT + i * MINUTE, text),
                         0);
        if (i % 100 == 99) {
            assert_int_equal(phu_store_commit(fixture->store), 0);
            fixture_tend(fixture, MIDNIGHT + i * MINUTE);
        }
    }
}

static bool count_steps(void *arg, int64_t done, int64_t all)
{
    assert_true(done <= all);
    ++*(int *)arg;
    return true;
}

static void a_backup_is_a_store(void **state)
{
    struct fixture *fixture = *state;
    char file[128];
    int steps = 0;

    fill(fixture);
    snprintf(file, sizeof file, "%s/copy.db", fixture->folder);
    if (phu_store_backup(fixture->path, file, count_steps, &steps, fixture->why,
                         sizeof fixture->why))
        fail_msg("%s", fixture->why);
    assert_true(steps > 0);
    assert_int_equal(
        phu_store_backup(fixture->path, file, NULL, NULL, fixture->why, sizeof fixture->why),
        -EEXIST);
    if (phu_store_check(file, NULL, NULL, fixture->why, sizeof fixture->why))
        fail_msg("%s", fixture->why);
    phu_store_close(fixture->store);
    fixture->conf.path = file;
    fixture_open(fixture);
    fixture_store(fixture, MIDNIGHT + 3 * DAY, MIDNIGHT + 3 * DAY, "coverage,agent=a sent=1i");
}

/* A rollup is made wrong, and a blob broken, behind the store's back. */
static void checks_find_what_is_wrong(void **state)
{
    struct fixture *fixture = *state;
    struct phu_db db;

    fill(fixture);
    if (phu_store_check(fixture->path, NULL, NULL, fixture->why, sizeof fixture->why))
        fail_msg("%s", fixture->why);
    phu_store_close(fixture->store);
    fixture->store = NULL;
    assert_int_equal(phu_db_open(&db, fixture->path, true), 0);
    assert_int_equal(phu_db_run(&db, "CREATE TEMP TABLE was AS SELECT * FROM hour;"
                                     "UPDATE hour SET bytes = (SELECT bytes FROM hour WHERE id ="
                                     " (SELECT max(id) FROM hour)) WHERE id = (SELECT min(id) FROM"
                                     " hour)"),
                     0);
    assert_int_equal(phu_store_check(fixture->path, NULL, NULL, fixture->why, sizeof fixture->why),
                     -EILSEQ);
    assert_non_null(strstr(fixture->why, "table hour, series 1"));
    assert_int_equal(phu_db_run(&db, "UPDATE hour SET bytes = x'ffff'"), 0);
    assert_int_equal(phu_store_check(fixture->path, NULL, NULL, fixture->why, sizeof fixture->why),
                     -EILSEQ);
    assert_non_null(strstr(fixture->why, "cannot be read"));
    phu_db_close(&db);
}

/* Version 1 as it was, with data of its time. */
static void an_older_store_is_brought_up(void **state)
{
    struct fixture *fixture = *state;
    char path[128];
    struct phu_db db;

    snprintf(path, sizeof path, "%s/old.db", fixture->folder);
    assert_int_equal(phu_db_open(&db, path, true), 0);
    assert_int_equal(phu_schema_prepare(&db), 0);
    assert_int_equal(phu_schema_migrate(&db, 1), 0);
    assert_int_equal(phu_db_run(&db, "INSERT INTO agent VALUES ('old', 5, 4)"), 0);
    phu_db_close(&db);
    phu_store_close(fixture->store);
    fixture->conf.path = path;
    {
        struct phu_query *query;

        assert_int_equal(phu_query_open(path, &query, fixture->why, sizeof fixture->why), -EAGAIN);
    }
    fixture_open(fixture);
    assert_int_equal(phu_db_open(&db, path, false), 0);
    assert_int_equal(phu_schema_verify(&db), 0);
    assert_int_equal(phu_db_number(&db, "SELECT count(*) FROM late", -1), 0);
    assert_int_equal(phu_db_number(&db, "SELECT seen_ns FROM agent WHERE id = 'old'", -1), 5);
    phu_db_close(&db);
}

static void a_newer_store_is_refused(void **state)
{
    struct fixture *fixture = *state;
    struct phu_store *store;
    struct phu_query *query;
    struct phu_db db;
    FILE *file;

    phu_store_close(fixture->store);
    fixture->store = NULL;
    assert_int_equal(phu_db_open(&db, fixture->path, true), 0);
    assert_int_equal(phu_db_run(&db, "PRAGMA user_version=99"), 0);
    phu_db_close(&db);
    assert_int_equal(phu_store_open(&fixture->conf, &store, fixture->why, sizeof fixture->why),
                     -EPROTONOSUPPORT);
    assert_non_null(strstr(fixture->why, "newer phusong"));
    assert_int_equal(phu_query_open(fixture->path, &query, fixture->why, sizeof fixture->why),
                     -EPROTONOSUPPORT);
    assert_int_equal(phu_db_open(&db, fixture->path, true), 0);
    assert_int_equal(phu_db_run(&db, "PRAGMA application_id=7"), 0);
    phu_db_close(&db);
    assert_int_equal(phu_store_open(&fixture->conf, &store, fixture->why, sizeof fixture->why),
                     -EINVAL);
    file = fopen(fixture->path, "w");
    assert_non_null(file);
    fputs("This is no database, and it is longer than the header of one. ................", file);
    fclose(file);
    assert_int_equal(phu_store_open(&fixture->conf, &store, fixture->why, sizeof fixture->why),
                     -EILSEQ);
    assert_non_null(strstr(fixture->why, "no database"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_latest_state_has_names, setup, teardown),
        cmocka_unit_test_setup_teardown(an_event_is_one_row, setup, teardown),
        cmocka_unit_test_setup_teardown(an_inventory_becomes_a_tree, setup, teardown),
        cmocka_unit_test_setup_teardown(a_bad_inventory_changes_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(a_question_can_be_stopped, setup, teardown),
        cmocka_unit_test_setup_teardown(a_backup_is_a_store, setup, teardown),
        cmocka_unit_test_setup_teardown(checks_find_what_is_wrong, setup, teardown),
        cmocka_unit_test_setup_teardown(an_older_store_is_brought_up, setup, teardown),
        cmocka_unit_test_setup_teardown(a_newer_store_is_refused, setup, teardown),
    };

    return cmocka_run_group_tests_name("answers", tests, NULL, NULL);
}
