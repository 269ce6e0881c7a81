/* What scenarios cannot say: restarts, what is told when, what is forgotten. */
#include "feeding.h"

#include <errno.h>

static const char rules_text[] = "groups:\n"
                                 "  - name: g\n"
                                 "    interval: 5s\n"
                                 "    rules:\n"
                                 "      - alert: Down\n"
                                 "        when: {event: {kind: device, value: hamlets}}\n"
                                 "        annotations: {text: '{{ $labels.name }} {{ $value }}'}\n"
                                 "      - alert: Slow\n"
                                 "        when: {event: {kind: endpoint}}\n"
                                 "        for: 1m\n"
                                 "      - alert: Share\n"
                                 "        when: {share: {in: down, by: [commune], at_least: 50%}}\n"
                                 "        labels: {severity: critical}\n"
                                 "      - alert: Often\n"
                                 "        when: {state: {of: device, in: down}, times: 2 of 3}\n"
                                 "      - alert: Silent\n"
                                 "        when: {absent: {by: [agent], for: 2m, known: 1h}}\n";

struct told {
    char text[16384];
    size_t count;
};

/* "+Down{…} text" for what fires or changes, "-Down{…}" for what resolves. */
static void tell(void *arg, const struct phu_alert *alert)
{
    struct told *told = arg;
    size_t used = strlen(told->text);

    told->count++;
    used += (size_t)snprintf(told->text + used, sizeof told->text - used, "%s",
                             alert->resolved_ns ? "-"
                             : alert->fired_ns  ? "+"
                                                : "?");
    for (size_t i = 0; i < alert->label_count; i++)
        used += (size_t)snprintf(told->text + used, sizeof told->text - used, "%s%s", i ? "," : "",
                                 alert->labels[i].value);
    for (size_t i = 0; i < alert->annotation_count && !alert->resolved_ns; i++)
        used += (size_t)snprintf(told->text + used, sizeof told->text - used, "|%s",
                                 alert->annotations[i].value);
    snprintf(told->text + used, sizeof told->text - used, "\n");
}

struct bench {
    struct phu_rules *rules;
    struct phu_rules_engine *engine;
    struct told told;
};

static int set_up(void **state)
{
    struct bench *bench = calloc(1, sizeof *bench);

    assert_non_null(bench);
    bench->rules = rules_of(rules_text);
    phu_rules_engine_new(bench->rules, tell, &bench->told, &bench->engine);
    *state = bench;
    return 0;
}

static int tear_down(void **state)
{
    struct bench *bench = *state;

    phu_rules_engine_free(bench->engine);
    phu_rules_free(bench->rules);
    free(bench);
    return 0;
}

static void assert_told(struct bench *bench, const char *text)
{
    assert_string_equal(bench->told.text, text);
    memset(&bench->told, 0, sizeof bench->told);
}

/* Another process goes on with what this one saved. */
static void restart(struct bench *bench, int64_t now_ns)
{
    char *saved = phu_rules_engine_save(bench->engine);

    phu_rules_engine_free(bench->engine);
    phu_rules_engine_new(bench->rules, tell, &bench->told, &bench->engine);
    assert_int_equal(phu_rules_engine_restore(bench->engine, saved, strlen(saved), now_ns), 0);
    free(saved);
}

#define EVENT "event,agent=a,root=olt-1,kind=device,cause=unknown "

static void test_an_event_is_urgent_and_told_at_once(void **state)
{
    struct bench *bench = *state;

    assert_true(feed(bench->engine, START, EVENT "active=1i,hamlets=300i,name=\"OLT Yên Phong\""));
    phu_rules_evaluate(bench->engine, START);
    assert_told(bench, "+a,Down,unknown,device,OLT Yên Phong,olt-1|OLT Yên Phong 300\n");
    assert_false(
        feed(bench->engine, START + MINUTE, EVENT "active=1i,hamlets=300i,name=\"OLT Yên Phong\""));
    phu_rules_evaluate(bench->engine, START + MINUTE);
    assert_told(bench, "");
    /* More hamlets: the same alert with another text. */
    feed(bench->engine, START + 2 * MINUTE, EVENT "active=1i,hamlets=301i,name=\"OLT Yên Phong\"");
    phu_rules_evaluate(bench->engine, START + 2 * MINUTE);
    assert_told(bench, "+a,Down,unknown,device,OLT Yên Phong,olt-1|OLT Yên Phong 301\n");
    assert_true(feed(bench->engine, START + 3 * MINUTE, EVENT "active=0i,hamlets=301i"));
    phu_rules_evaluate(bench->engine, START + 3 * MINUTE);
    assert_told(bench, "-a,Down,unknown,device,OLT Yên Phong,olt-1\n");
}

static void test_older_samples_are_ignored(void **state)
{
    struct bench *bench = *state;

    feed(bench->engine, START + MINUTE, EVENT "active=0i,hamlets=3i");
    feed(bench->engine, START, EVENT "active=1i,hamlets=3i");
    phu_rules_evaluate(bench->engine, START + MINUTE);
    assert_told(bench, "");
    assert_int_equal(phu_rules_engine_figures(bench->engine).old, 2);
}

static void test_the_same_again_changes_nothing(void **state)
{
    struct bench *bench = *state;

    for (int i = 0; i < 3; i++) {
        feed(bench->engine, START, EVENT "active=1i,hamlets=3i");
        phu_rules_evaluate(bench->engine, START + i * SECOND);
    }
    assert_int_equal(bench->told.count, 1);
}

static void test_an_event_grows_stale(void **state)
{
    struct bench *bench = *state;

    feed(bench->engine, START, EVENT "active=1i,hamlets=3i");
    phu_rules_evaluate(bench->engine, START);
    memset(&bench->told, 0, sizeof bench->told);
    phu_rules_evaluate(bench->engine, START + 60 * MINUTE);
    assert_told(bench, "");
    phu_rules_evaluate(bench->engine, START + 60 * MINUTE + SECOND);
    assert_told(bench, "-a,Down,unknown,device,olt-1\n");
    assert_int_equal(phu_rules_engine_figures(bench->engine).series, 0);
}

static void test_a_restart_neither_tells_again_nor_forgets(void **state)
{
    struct bench *bench = *state;

    feed(bench->engine, START, EVENT "active=1i,hamlets=3i");
    phu_rules_evaluate(bench->engine, START);
    assert_told(bench, "+a,Down,unknown,device,olt-1| 3\n");
    restart(bench, START + 10 * SECOND);
    phu_rules_evaluate(bench->engine, START + 15 * SECOND);
    assert_told(bench, ""); /* nothing was seen yet: it stands */
    feed(bench->engine, START + MINUTE, EVENT "active=1i,hamlets=3i");
    phu_rules_evaluate(bench->engine, START + MINUTE);
    assert_told(bench, "");
    feed(bench->engine, START + 2 * MINUTE, EVENT "active=0i,hamlets=3i");
    phu_rules_evaluate(bench->engine, START + 2 * MINUTE);
    assert_told(bench, "-a,Down,unknown,device,olt-1\n");
}

static void test_what_ended_during_a_restart_resolves(void **state)
{
    struct bench *bench = *state;

    feed(bench->engine, START, EVENT "active=1i,hamlets=3i");
    phu_rules_evaluate(bench->engine, START);
    memset(&bench->told, 0, sizeof bench->told);
    restart(bench, START + 10 * SECOND);
    feed(bench->engine, START + MINUTE, EVENT "active=0i,hamlets=3i");
    phu_rules_evaluate(bench->engine, START + MINUTE);
    assert_told(bench, "-a,Down,unknown,device,olt-1\n");
}

static void test_a_restored_alert_that_is_heard_of_no_more(void **state)
{
    struct bench *bench = *state;

    feed(bench->engine, START, EVENT "active=1i,hamlets=3i");
    phu_rules_evaluate(bench->engine, START);
    memset(&bench->told, 0, sizeof bench->told);
    restart(bench, START + MINUTE);
    phu_rules_evaluate(bench->engine, START + 61 * MINUTE);
    assert_told(bench, "");
    phu_rules_evaluate(bench->engine, START + 61 * MINUTE + SECOND);
    assert_told(bench, "-a,Down,unknown,device,olt-1\n");
}

static void test_pending_goes_on_after_a_restart(void **state)
{
    struct bench *bench = *state;
    const char *line = "event,agent=a,root=e1,kind=endpoint,cause=unknown active=1i";

    feed(bench->engine, START, line);
    phu_rules_evaluate(bench->engine, START);
    assert_told(bench, "");
    restart(bench, START + 20 * SECOND);
    feed(bench->engine, START + 30 * SECOND, line);
    phu_rules_evaluate(bench->engine, START + 59 * SECOND);
    assert_told(bench, "");
    phu_rules_evaluate(bench->engine, START + MINUTE);
    assert_told(bench, "+a,Slow,unknown,endpoint,e1\n");
}

static void feed_commune(struct bench *bench, int64_t at_ns, int first, int last, int code)
{
    char line[128];

    for (int i = first; i <= last; i++) {
        snprintf(line, sizeof line, "state,agent=a,endpoint=e%d,commune=c1 code=%di", i, code);
        feed(bench->engine, at_ns, line);
    }
}

static void test_a_restored_share_waits_for_most_of_its_series(void **state)
{
    struct bench *bench = *state;

    feed_commune(bench, START, 1, 6, 2);
    feed_commune(bench, START, 7, 10, 0);
    phu_rules_evaluate(bench->engine, START);
    assert_told(bench, "+Share,c1,critical\n");
    restart(bench, START + 10 * SECOND);
    feed_commune(bench, START + 20 * SECOND, 7, 10, 0); /* those that are well come first */
    phu_rules_evaluate(bench->engine, START + 20 * SECOND);
    assert_told(bench, "");
    feed_commune(bench, START + MINUTE, 1, 6, 2);
    phu_rules_evaluate(bench->engine, START + MINUTE);
    phu_rules_evaluate(bench->engine, START + 3 * MINUTE);
    assert_told(bench, "");
    feed_commune(bench, START + 4 * MINUTE, 1, 6, 0);
    phu_rules_evaluate(bench->engine, START + 4 * MINUTE);
    assert_told(bench, "-Share,c1,critical\n");
}

static void test_silence_outlasts_a_restart(void **state)
{
    struct bench *bench = *state;

    feed(bench->engine, START, "state,agent=b,endpoint=e1,commune=c2 code=0i");
    phu_rules_evaluate(bench->engine, START + 3 * MINUTE);
    assert_told(bench, "+b,Silent\n");
    restart(bench, START + 4 * MINUTE);
    phu_rules_evaluate(bench->engine, START + 30 * MINUTE);
    assert_told(bench, "");
    feed(bench->engine, START + 31 * MINUTE, "state,agent=b,endpoint=e1,commune=c2 code=0i");
    phu_rules_evaluate(bench->engine, START + 31 * MINUTE);
    assert_told(bench, "-b,Silent\n");
}

static void test_alerts_of_rules_that_are_gone_resolve(void **state)
{
    struct bench *bench = *state;
    struct phu_rules *others = rules_of("groups: [{name: g, rules: [{alert: Other, when: {event: "
                                        "{kind: pon}}, annotations: {a: b}}]}]");
    char *saved;

    feed(bench->engine, START, EVENT "active=1i,hamlets=3i");
    phu_rules_evaluate(bench->engine, START);
    memset(&bench->told, 0, sizeof bench->told);
    saved = phu_rules_engine_save(bench->engine);
    phu_rules_engine_free(bench->engine);
    phu_rules_engine_new(others, tell, &bench->told, &bench->engine);
    assert_int_equal(phu_rules_engine_restore(bench->engine, saved, strlen(saved), START), 0);
    phu_rules_evaluate(bench->engine, START + SECOND);
    assert_told(bench, "-a,Down,unknown,device,olt-1\n");
    phu_rules_evaluate(bench->engine, START + 2 * SECOND);
    assert_told(bench, "");
    free(saved);
    phu_rules_engine_free(bench->engine);
    phu_rules_free(others);
    phu_rules_engine_new(bench->rules, tell, &bench->told, &bench->engine);
}

static void test_a_broken_state_is_refused(void **state)
{
    struct bench *bench = *state;
    static const char *const broken[] = {"", "{", "[]", "{\"version\":2,\"alerts\":[]}",
                                         "{\"version\":1}"};

    for (size_t i = 0; i < sizeof broken / sizeof *broken; i++)
        assert_int_equal(
            phu_rules_engine_restore(bench->engine, broken[i], strlen(broken[i]), START), -EINVAL);
}

static void test_m_of_n_counts_each_interval_once(void **state)
{
    struct bench *bench = *state;
    const char *down = "state,agent=a,device=d1 code=2i", *up = "state,agent=a,device=d1 code=0i";

    feed(bench->engine, START, down);
    for (int i = 0; i < 5; i++) /* within one interval: once */
        phu_rules_evaluate(bench->engine, START + i * SECOND / 2);
    assert_told(bench, "");
    feed(bench->engine, START + 5 * SECOND, up);
    phu_rules_evaluate(bench->engine, START + 5 * SECOND);
    feed(bench->engine, START + 10 * SECOND, down);
    phu_rules_evaluate(bench->engine, START + 10 * SECOND);
    assert_told(bench, "+a,Often,d1\n");
}

static void test_a_clock_that_was_ahead_does_not_deafen(void **state)
{
    struct bench *bench = *state;

    phu_rules_evaluate(bench->engine, START);
    feed(bench->engine, START + 400 * 24 * 60 * MINUTE, EVENT "active=1i,hamlets=3i");
    phu_rules_evaluate(bench->engine, START + SECOND);
    assert_told(bench, "+a,Down,unknown,device,olt-1| 3\n");
    feed(bench->engine, START + 2 * SECOND, EVENT "active=0i,hamlets=3i");
    phu_rules_evaluate(bench->engine, START + 2 * SECOND);
    assert_told(bench, "-a,Down,unknown,device,olt-1\n");
    phu_rules_evaluate(bench->engine, START + 62 * MINUTE);
    assert_int_equal(phu_rules_engine_figures(bench->engine).series, 0);
}

static void test_an_agent_of_the_future_falls_silent_now(void **state)
{
    struct bench *bench = *state;

    phu_rules_evaluate(bench->engine, START);
    feed(bench->engine, START + 30 * MINUTE, "state,agent=b,endpoint=e1,commune=c2 code=0i");
    phu_rules_evaluate(bench->engine, START + SECOND);
    phu_rules_evaluate(bench->engine, START + MINUTE);
    assert_told(bench, "");
    feed(bench->engine, INT64_MAX, "state,agent=b,endpoint=e1,commune=c2 code=0i");
    assert_int_equal(phu_rules_engine_figures(bench->engine).refused, 1);
    feed(bench->engine, START + 2 * MINUTE, "state,agent=b,endpoint=e1,commune=c2 code=0i");
    phu_rules_evaluate(bench->engine, START + 2 * MINUTE);
    phu_rules_evaluate(bench->engine, START + 5 * MINUTE);
    assert_told(bench, "+b,Silent\n");
}

static void test_time_does_not_go_back(void **state)
{
    struct bench *bench = *state;

    phu_rules_evaluate(bench->engine, START + MINUTE);
    feed(bench->engine, START, EVENT "active=1i,hamlets=3i");
    phu_rules_evaluate(bench->engine, START);
    assert_told(bench, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_an_event_is_urgent_and_told_at_once, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_older_samples_are_ignored, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_the_same_again_changes_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_an_event_grows_stale, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_restart_neither_tells_again_nor_forgets, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_what_ended_during_a_restart_resolves, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_a_restored_alert_that_is_heard_of_no_more, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_pending_goes_on_after_a_restart, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_restored_share_waits_for_most_of_its_series, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_silence_outlasts_a_restart, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_alerts_of_rules_that_are_gone_resolve, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_a_broken_state_is_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_m_of_n_counts_each_interval_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_clock_that_was_ahead_does_not_deafen, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_an_agent_of_the_future_falls_silent_now, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_time_does_not_go_back, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
