/* Writing, reading back, rollups, retention, late data, refusals. */
#include "query.h"
#include "samples.h"

#include "sketch.h"

#include <errno.h>
#include <math.h>

static const char *const window = "coverage,agent=a,commune=27,endpoint=e1,hamlet=h1,operator=vnpt,"
                                  "technology=fibre sent=6i,lost=1i,rtt_sum_us=5000i,rtt_count=5i,"
                                  "rtt_min_us=900i,rtt_max_us=1200i,rtt_b68=2i,rtt_b70=3i,"
                                  "up_ms=60000i,span_ms=60000i";

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

/* -- What is asked ------------------------------------------------------------------------------
 */

struct answer {
    size_t rows;
    int64_t starts[2048];
    double values[2048][8];
    char keys[2048][64];
    size_t columns;
};

static bool on_bucket(void *arg, const struct phu_query_bucket *bucket)
{
    struct answer *answer = arg;

    assert_true(answer->rows < 2048);
    answer->starts[answer->rows] = bucket->start_ns;
    memcpy(answer->values[answer->rows], bucket->values, answer->columns * sizeof *bucket->values);
    snprintf(answer->keys[answer->rows], sizeof *answer->keys, "%s", bucket->group->id);
    answer->rows++;
    return true;
}

static struct answer *ask(struct fixture *fixture, const struct phu_query_series *series)
{
    static struct answer answer;
    struct phu_query *query;
    char why[256];

    answer = (struct answer){.columns = series->column_count};
    assert_int_equal(phu_query_open(fixture->path, &query, why, sizeof why), 0);
    assert_int_equal(phu_query_series(query, series, on_bucket, &answer), 0);
    phu_query_close(query);
    return &answer;
}

static const struct phu_query_column basics[] = {
    {.field = "sent"},
    {.field = "lost"},
    {.field = "rtt_min_us"},
    {.field = "rtt_max_us"},
    {.field = "rtt", .take = PHU_QUERY_MEAN},
    {.field = "rtt", .take = PHU_QUERY_QUANTILE, .share = 0.5},
};

static struct answer *ask_basics(struct fixture *fixture, int64_t from_ns, int64_t to_ns,
                                 int64_t step_ns)
{
    return ask(fixture, &(struct phu_query_series){.measurement = "coverage",
                                                   .from_ns = from_ns,
                                                   .to_ns = to_ns,
                                                   .step_ns = step_ns,
                                                   .columns = basics,
                                                   .column_count = 6});
}

static void assert_near(double value, double wanted)
{
    if (fabs(value - wanted) > 1e-9 * fabs(wanted))
        fail_msg("%.10g is not %.10g", value, wanted);
}

/* -- Tests --------------------------------------------------------------------------------------
 */

static void a_window_is_read_back_at_once(void **state)
{
    struct fixture *fixture = *state;
    struct answer *answer;

    fixture_store(fixture, MIDNIGHT, MIDNIGHT + MINUTE, window);
    answer = ask_basics(fixture, MIDNIGHT, MIDNIGHT + HOUR, MINUTE);
    assert_int_equal(answer->rows, 1);
    assert_true(answer->starts[0] == MIDNIGHT);
    assert_near(answer->values[0][0], 6);
    assert_near(answer->values[0][1], 1);
    assert_near(answer->values[0][2], 900);
    assert_near(answer->values[0][3], 1200);
    assert_near(answer->values[0][4], 1000);
    assert_true(fabs(answer->values[0][5] / 1050 - 1) < 0.1);
}

static void what_comes_twice_counts_once(void **state)
{
    struct fixture *fixture = *state;
    struct answer *answer;

    fixture_store(fixture, MIDNIGHT, MIDNIGHT + MINUTE, window);
    fixture_store(fixture, MIDNIGHT, MIDNIGHT + MINUTE, window);
    fixture_tend(fixture, MIDNIGHT + 2 * HOUR); /* packed */
    fixture_store(fixture, MIDNIGHT, MIDNIGHT + 2 * HOUR, window);
    answer = ask_basics(fixture, MIDNIGHT, MIDNIGHT + HOUR, 0);
    assert_int_equal(answer->rows, 1);
    assert_near(answer->values[0][0], 6);
    fixture_tend(fixture, MIDNIGHT + 30 * HOUR); /* packed again, rolled up */
    answer = ask_basics(fixture, MIDNIGHT, MIDNIGHT + DAY, 0);
    assert_near(answer->values[0][0], 6);
}

static void a_later_one_replaces_field_by_field(void **state)
{
    struct fixture *fixture = *state;
    struct answer *answer;

    fixture_store(fixture, MIDNIGHT, MIDNIGHT + MINUTE, window);
    fixture_store(fixture, MIDNIGHT, MIDNIGHT + MINUTE,
                  "coverage,agent=a,commune=27,endpoint=e1,hamlet=h1,operator=vnpt,"
                  "technology=fibre lost=3i");
    answer = ask_basics(fixture, MIDNIGHT, MIDNIGHT + HOUR, 0);
    assert_near(answer->values[0][0], 6);
    assert_near(answer->values[0][1], 3);
}

static void put_minutes(struct fixture *fixture, int64_t from_ns, int64_t to_ns, int64_t now_ns)
{
    assert_int_equal(phu_store_begin(fixture->store), 0);
    for (int64_t at = from_ns; at < to_ns; at += MINUTE)
        assert_int_equal(fixture_put(fixture, at, now_ns ? now_ns : at + MINUTE, window), 0);
    assert_int_equal(phu_store_commit(fixture->store), 0);
}

/* Three days minute by minute, tended each hour; the sums hold at every step. */
static void rollups_are_sums(void **state)
{
    struct fixture *fixture = *state;
    static const int64_t steps[] = {MINUTE, 5 * MINUTE, HOUR, DAY, 0};
    struct answer *answer;

    for (int64_t at = MIDNIGHT; at < MIDNIGHT + 3 * DAY; at += HOUR) {
        put_minutes(fixture, at, at + HOUR, 0);
        fixture_tend(fixture, at + HOUR + 15 * MINUTE);
    }
    for (size_t i = 0; i < 5; i++) {
        int64_t from_ns = steps[i] == MINUTE ? MIDNIGHT + DAY : MIDNIGHT;
        double minutes = (double)((MIDNIGHT + 2 * DAY - from_ns) / MINUTE), sent = 0;

        answer = ask_basics(fixture, from_ns, MIDNIGHT + 2 * DAY, steps[i]);
        assert_int_equal(answer->rows, steps[i] ? (MIDNIGHT + 2 * DAY - from_ns) / steps[i] : 1);
        for (size_t j = 0; j < answer->rows; j++)
            sent += answer->values[j][0];
        assert_near(sent, 6 * minutes);
        assert_near(answer->values[0][2], 900);
        assert_near(answer->values[0][4], 1000);
    }
    /* Edges that are no buckets' */
    answer = ask_basics(fixture, MIDNIGHT + 7 * MINUTE, MIDNIGHT + 2 * DAY + 3 * HOUR + MINUTE, 0);
    assert_near(answer->values[0][0], 6 * (2 * 1440 + 181 - 7));
}

static void late_windows_are_rolled_up(void **state)
{
    struct fixture *fixture = *state;
    struct answer *answer;

    put_minutes(fixture, MIDNIGHT, MIDNIGHT + HOUR, 0);
    fixture_tend(fixture, MIDNIGHT + 2 * DAY);
    put_minutes(fixture, MIDNIGHT + HOUR, MIDNIGHT + 2 * HOUR, MIDNIGHT + 2 * DAY);
    fixture_tend(fixture, MIDNIGHT + 2 * DAY + 10 * MINUTE);
    answer = ask_basics(fixture, MIDNIGHT, MIDNIGHT + DAY, DAY);
    assert_int_equal(answer->rows, 1);
    assert_near(answer->values[0][0], 6 * 120);
    answer = ask_basics(fixture, MIDNIGHT, MIDNIGHT + DAY, HOUR);
    assert_int_equal(answer->rows, 2);
}

static void old_levels_are_forgotten(void **state)
{
    struct fixture *fixture = *state;
    struct answer *answer;

    put_minutes(fixture, MIDNIGHT, MIDNIGHT + 2 * HOUR, 0);
    fixture_tend(fixture, MIDNIGHT + 3 * DAY);
    put_minutes(fixture, MIDNIGHT + 20 * DAY, MIDNIGHT + 20 * DAY + HOUR, 0);
    fixture_tend(fixture, MIDNIGHT + 21 * DAY);
    answer = ask_basics(fixture, MIDNIGHT, MIDNIGHT + DAY, MINUTE);
    assert_int_equal(answer->rows, 24); /* the minutes are gone, the five minutes stand */
    answer = ask_basics(fixture, MIDNIGHT, MIDNIGHT + DAY, HOUR);
    assert_int_equal(answer->rows, 2);
    assert_near(answer->values[0][0], 360);
    put_minutes(fixture, MIDNIGHT + 200 * DAY, MIDNIGHT + 200 * DAY + HOUR, 0);
    fixture_tend(fixture, MIDNIGHT + 201 * DAY);
    answer = ask_basics(fixture, MIDNIGHT, MIDNIGHT + DAY, 5 * MINUTE);
    assert_int_equal(answer->rows, 2); /* hours now */
    assert_int_equal(fixture_put(fixture, MIDNIGHT, MIDNIGHT + 201 * DAY, window), -ESTALE);
}

/* An agent comes back after two weeks: minutes are no longer kept, but its data count, once. */
static void later_than_the_finest_is_kept(void **state)
{
    struct fixture *fixture = *state;
    struct answer *answer;
    struct phu_store_figures figures;

    put_minutes(fixture, MIDNIGHT, MIDNIGHT + HOUR, 0);
    put_minutes(fixture, MIDNIGHT + 20 * DAY, MIDNIGHT + 20 * DAY + HOUR, 0);
    fixture_tend(fixture, MIDNIGHT + 20 * DAY + 2 * HOUR);
    for (int times = 0; times < 2; times++) { /* some new, some known, and again */
        put_minutes(fixture, MIDNIGHT, MIDNIGHT + 3 * HOUR, MIDNIGHT + 20 * DAY + 3 * HOUR);
        fixture_tend(fixture, MIDNIGHT + 20 * DAY + (4 + times) * HOUR);
        answer = ask_basics(fixture, MIDNIGHT, MIDNIGHT + DAY, 0);
        assert_near(answer->values[0][0], 6 * 180);
    }
    phu_store_figures(fixture->store, &figures);
    assert_true(figures.duplicates_total == 120);
    fixture_tend(fixture, MIDNIGHT + 22 * DAY); /* what was kept for that is gone again */
    answer = ask_basics(fixture, MIDNIGHT, MIDNIGHT + DAY, MINUTE);
    assert_int_equal(answer->rows, 36);
}

static void types_do_not_change(void **state)
{
    struct fixture *fixture = *state;

    assert_int_equal(phu_store_begin(fixture->store), 0);
    assert_int_equal(fixture_put(fixture, MIDNIGHT, MIDNIGHT, "weather,place=x t=1.5,n=1i"), 0);
    assert_int_equal(fixture_put(fixture, MIDNIGHT, MIDNIGHT, "weather,place=y w=2,t=1i"), -EEXIST);
    assert_int_equal(fixture->field, 1);
    assert_int_equal(fixture_put(fixture, MIDNIGHT, MIDNIGHT, "weather,place=y w=\"new\""), 0);
    assert_int_equal(fixture_put(fixture, -1, MIDNIGHT, "weather,place=y w=\"new\""), -ERANGE);
    assert_int_equal(fixture_put(fixture, MIDNIGHT, MIDNIGHT, "state,endpoint=e code=9i"), -EINVAL);
    assert_int_equal(fixture_put(fixture, MIDNIGHT, MIDNIGHT, "event,root=e active=1i"), -EINVAL);
    assert_int_equal(phu_store_commit(fixture->store), 0);
}

static void what_is_not_committed_never_was(void **state)
{
    struct fixture *fixture = *state;
    struct answer *answer;

    assert_int_equal(phu_store_begin(fixture->store), 0);
    assert_int_equal(fixture_put(fixture, MIDNIGHT, MIDNIGHT, window), 0);
    phu_store_rollback(fixture->store);
    fixture_store(fixture, MIDNIGHT, MIDNIGHT, "coverage,agent=b,endpoint=e2 lost=2i");
    assert_int_equal(phu_store_begin(fixture->store), 0);
    assert_int_equal(fixture_put(fixture, MIDNIGHT, MIDNIGHT, window), 0);
    phu_store_close(fixture->store);
    fixture_open(fixture);
    answer = ask_basics(fixture, MIDNIGHT, MIDNIGHT + HOUR, 0);
    assert_int_equal(answer->rows, 1);
    assert_near(answer->values[0][1], 2);
    assert_true(isnan(answer->values[0][0])); /* even the field's name */
}

static void unknown_numbers_have_means(void **state)
{
    struct fixture *fixture = *state;
    static const struct phu_query_column columns[] = {
        {.field = "t"},
        {.field = "t", .take = PHU_QUERY_MIN},
        {.field = "t", .take = PHU_QUERY_MAX},
        {.field = "t", .take = PHU_QUERY_COUNT},
        {.field = "n"},
    };
    struct answer *answer;

    for (int i = 0; i < 10; i++) {
        char text[64];

        snprintf(text, sizeof text, "weather,place=x t=%d.5,n=%di", i, i * 2);
        fixture_store(fixture, MIDNIGHT + i * MINUTE, MIDNIGHT + HOUR, text);
    }
    for (int times = 0; times < 2; times++) {
        answer = ask(fixture, &(struct phu_query_series){.measurement = "weather",
                                                         .from_ns = MIDNIGHT,
                                                         .to_ns = MIDNIGHT + DAY,
                                                         .columns = columns,
                                                         .column_count = 5});
        assert_int_equal(answer->rows, 1);
        assert_near(answer->values[0][0], 5);
        assert_near(answer->values[0][1], 0.5);
        assert_near(answer->values[0][2], 9.5);
        assert_near(answer->values[0][3], 10);
        assert_near(answer->values[0][4], 9);
        fixture_tend(fixture, MIDNIGHT + 2 * DAY);
    }
}

/* -- Summaries ----------------------------------------------------------------------------------
 */

struct summed {
    struct phu_query_summary rows[8];
    char groups[8][128];
    size_t count;
};

static bool on_summary(void *arg, const struct phu_query_summary *summary)
{
    struct summed *summed = arg;
    const struct phu_query_subject *group = summary->group;

    assert_true(summed->count < 8);
    summed->rows[summed->count] = *summary;
    snprintf(summed->groups[summed->count++], 128, "%s/%s/%s/%s", group->commune, group->hamlet,
             group->technology, group->operator_name);
    return true;
}

static void summarise(struct fixture *fixture, const struct phu_query_filter *filter, unsigned by,
                      struct summed *summed)
{
    struct phu_query *query;

    *summed = (struct summed){0};
    assert_int_equal(phu_query_open(fixture->path, &query, fixture->why, sizeof fixture->why), 0);
    assert_int_equal(phu_query_summary(query, "coverage", filter, MIDNIGHT, MIDNIGHT + HOUR, by,
                                       on_summary, summed),
                     0);
    phu_query_close(query);
}

static void a_summary_is_by_group(void **state)
{
    struct fixture *fixture = *state;
    static const char *const endpoints[] = {
        "coverage,agent=a,commune=c1,endpoint=e1,hamlet=h1,operator=vnpt,technology=fibre",
        "coverage,agent=a,commune=c1,endpoint=e2,hamlet=h1,operator=vnpt,technology=4g",
        "coverage,agent=b,commune=c1,endpoint=e3,hamlet=h2,operator=vnpt,technology=4g",
    };
    struct summed summed;

    for (int i = 0; i < 3; i++) {
        char text[512];

        snprintf(text, sizeof text,
                 "%s sent=60i,lost=%di,rtt_sum_us=60000i,rtt_count=60i,rtt_min_us=%di,"
                 "rtt_max_us=2000i,rtt_b69=60i,up_ms=%di,down_ms=600000i,good_ms=1i,"
                 "span_ms=1800000i",
                 endpoints[i], i, 900 - i, 1200000);
        fixture_store(fixture, MIDNIGHT, MIDNIGHT + MINUTE, text);
    }
    summarise(fixture, &(struct phu_query_filter){0}, PHU_QUERY_BY_HAMLET | PHU_QUERY_BY_TECHNOLOGY,
              &summed);
    assert_int_equal(summed.count, 3);
    assert_string_equal(summed.groups[0], "c1/h1/4g/");
    assert_string_equal(summed.groups[1], "c1/h1/fibre/");
    assert_string_equal(summed.groups[2], "c1/h2/4g/");
    summarise(fixture, &(struct phu_query_filter){.technology = "4g"}, PHU_QUERY_BY_OPERATOR,
              &summed);
    assert_int_equal(summed.count, 1);
    assert_int_equal(summed.rows[0].subjects, 2);
    assert_int_equal(summed.rows[0].sent, 120);
    assert_near(summed.rows[0].loss, 3 / 120.0);
    assert_near(summed.rows[0].available, 2 / 3.0);
    assert_near(summed.rows[0].measured, 0.5);
    assert_near(summed.rows[0].rtt_mean_us, 1000);
    assert_near(summed.rows[0].rtt_min_us, 898);
    assert_true(isnan(summed.rows[0].jitter_us));
    assert_true(fabs(summed.rows[0].rtt_p95_us - phu_sketch_value(69)) < 1e-6);
    summarise(fixture, &(struct phu_query_filter){.subject = "e9"}, 0, &summed);
    assert_int_equal(summed.count, 0);
}

/* The centre reads the agents' histograms as they do themselves. */
static void quantiles_are_the_agents(void **state)
{
    struct fixture *fixture = *state;
    static const double shares[] = {0, 0.25, 0.5, 0.9, 0.99, 1};
    struct phu_query_column columns[6];
    struct phu_sketch sketch = {0};
    char text[4096] = "coverage,endpoint=e sent=399i";
    size_t place = 0;
    int64_t count;
    int index;
    struct answer *answer;

    for (int64_t i = 1; i < 400; i++)
        phu_sketch_add_int(&sketch, i * i * 7);
    while (phu_sketch_next(&sketch, &place, &index, &count))
        sprintf(text + strlen(text), ",rtt_b%d=%lldi", index, (long long)count);
    fixture_store(fixture, MIDNIGHT, MIDNIGHT, text);
    for (size_t i = 0; i < 6; i++)
        columns[i] = (struct phu_query_column){
            .field = "rtt", .take = PHU_QUERY_QUANTILE, .share = shares[i]};
    answer = ask(fixture, &(struct phu_query_series){.measurement = "coverage",
                                                     .from_ns = MIDNIGHT,
                                                     .to_ns = MIDNIGHT + HOUR,
                                                     .columns = columns,
                                                     .column_count = 6});
    assert_int_equal(answer->rows, 1);
    for (size_t i = 0; i < 6; i++)
        assert_near(answer->values[0][i], phu_sketch_quantile(&sketch, shares[i]));
    phu_sketch_fini(&sketch);
}

/* Ten seconds, not aligned, and a partial one. */
static void windows_keep_their_own_time(void **state)
{
    struct fixture *fixture = *state;
    struct answer *answer;

    for (int i = 0; i < 12; i++)
        fixture_store(fixture, MIDNIGHT + i * 10 * SECOND + 137000000, MIDNIGHT + MINUTE,
                      "coverage,endpoint=e sent=1i,span_ms=10000i");
    fixture_store(fixture, MIDNIGHT + 120 * SECOND + 1, MIDNIGHT + 3 * MINUTE,
                  "coverage,endpoint=e sent=1i,span_ms=3142i");
    for (int times = 0; times < 2; times++) {
        answer = ask_basics(fixture, MIDNIGHT, MIDNIGHT + HOUR, MINUTE);
        assert_int_equal(answer->rows, 3);
        assert_near(answer->values[0][0], 6);
        assert_near(answer->values[2][0], 1);
        answer = ask_basics(fixture, MIDNIGHT + 10 * SECOND, MIDNIGHT + 30 * SECOND, 10 * SECOND);
        assert_int_equal(answer->rows, 2);
        fixture_tend(fixture, MIDNIGHT + 2 * HOUR);
    }
}

struct replayed {
    char text[65536];
    size_t count;
    int64_t last_ns;
};

static bool on_sample(void *arg, const struct phu_sample *sample)
{
    struct replayed *replayed = arg;
    char *at = replayed->text + strlen(replayed->text);

    assert_true(sample->time_ns >= replayed->last_ns);
    replayed->last_ns = sample->time_ns;
    replayed->count++;
    at += sprintf(at, "%.*s", (int)sample->key.length, sample->key.at);
    for (size_t i = 0; i < sample->field_count; i++) {
        const struct phu_field *field = &sample->fields[i];

        at += sprintf(at, "%c%.*s=", i ? ',' : ' ', (int)field->name.length, field->name.at);
        if (field->type == PHU_FIELD_INT)
            at += sprintf(at, "%lldi", (long long)field->i);
        else if (field->type == PHU_FIELD_FLOAT)
            at += sprintf(at, "%.17g", field->f);
        else if (field->type == PHU_FIELD_BOOL)
            at += sprintf(at, "%s", field->b ? "true" : "false");
        else
            at += sprintf(at, "\"%.*s\"", (int)field->text.length, field->text.at);
    }
    sprintf(at, "\n");
    return true;
}

static void replays_give_back_what_came(void **state)
{
    struct fixture *fixture = *state;
    static const char *const lines[] = {
        "coverage,agent=a,endpoint=e1 sent=6i,lost=0i,rtt_b68=2i,rtt_b70=3i",
        "state,agent=a,endpoint=e1 code=2i,flapping=0i,maintenance=0i",
        "weather,place=x t=-18.37,big=1e+300,ok=true,word=\"h e\"",
        "coverage,agent=a,endpoint=e1 sent=7i,lost=1i,rtt_b1=70i",
    };
    struct replayed *replayed = calloc(1, sizeof *replayed);
    char wanted[4096] = "";
    struct phu_query *query;

    for (int i = 3; i >= 0; i--)
        fixture_store(fixture, MIDNIGHT + i * MINUTE, MIDNIGHT + HOUR, lines[i]);
    for (int i = 0; i < 4; i++) {
        strcat(wanted, lines[i]);
        strcat(wanted, "\n");
    }
    for (int times = 0; times < 3; times++) {
        *replayed = (struct replayed){0};
        assert_int_equal(phu_query_open(fixture->path, &query, fixture->why, sizeof fixture->why),
                         0);
        assert_int_equal(phu_query_replay(query, NULL, 0, INT64_MAX, on_sample, replayed), 0);
        phu_query_close(query);
        /* numbers print as they may: compare what is not */
        assert_int_equal(replayed->count, 4);
        assert_non_null(strstr(replayed->text, "rtt_b68=2i,rtt_b70=3i"));
        assert_non_null(strstr(replayed->text, lines[1]));
        assert_non_null(strstr(replayed->text, "big=1.0000000000000001e+300,ok=true,word=\"h e\""));
        assert_non_null(strstr(replayed->text, "t=-18.370000000000001"));
        fixture_tend(fixture, MIDNIGHT + times * 2 * HOUR);
    }
    free(replayed);
}

static void one_process_writes(void **state)
{
    struct fixture *fixture = *state;
    struct phu_store *other;

    assert_int_equal(phu_store_open(&fixture->conf, &other, fixture->why, sizeof fixture->why),
                     -EBUSY);
    assert_non_null(strstr(fixture->why, "only one console"));
    fixture->conf.zone_offset_ns = 0;
    phu_store_close(fixture->store);
    fixture->store = NULL;
    assert_int_equal(phu_store_open(&fixture->conf, &other, fixture->why, sizeof fixture->why),
                     -EINVAL);
    assert_non_null(strstr(fixture->why, "420 minutes"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_window_is_read_back_at_once, setup, teardown),
        cmocka_unit_test_setup_teardown(what_comes_twice_counts_once, setup, teardown),
        cmocka_unit_test_setup_teardown(a_later_one_replaces_field_by_field, setup, teardown),
        cmocka_unit_test_setup_teardown(rollups_are_sums, setup, teardown),
        cmocka_unit_test_setup_teardown(late_windows_are_rolled_up, setup, teardown),
        cmocka_unit_test_setup_teardown(old_levels_are_forgotten, setup, teardown),
        cmocka_unit_test_setup_teardown(later_than_the_finest_is_kept, setup, teardown),
        cmocka_unit_test_setup_teardown(types_do_not_change, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_not_committed_never_was, setup, teardown),
        cmocka_unit_test_setup_teardown(unknown_numbers_have_means, setup, teardown),
        cmocka_unit_test_setup_teardown(replays_give_back_what_came, setup, teardown),
        cmocka_unit_test_setup_teardown(a_summary_is_by_group, setup, teardown),
        cmocka_unit_test_setup_teardown(quantiles_are_the_agents, setup, teardown),
        cmocka_unit_test_setup_teardown(windows_keep_their_own_time, setup, teardown),
        cmocka_unit_test_setup_teardown(one_process_writes, setup, teardown),
    };

    return cmocka_run_group_tests_name("store", tests, NULL, NULL);
}
