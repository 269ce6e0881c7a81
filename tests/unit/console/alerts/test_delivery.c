/* Delivery on a virtual clock, against HTTP servers that record and answer as they are told. The
 * book is a real file. */
#include "alerts.h"
#include "conf_file.h"
#include "maintenance.h"
#include "sign.h"
#include "sim.h"

#include "phusong/err.h"
#include "phusong/http.h"
#include "phusong/log.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CALLS_MAX 64

/* -- HTTP as the tests want it ---------------------------------------------------------------- */

struct phu_http_call {
    char *url, *body;
    char headers[8][160];
    size_t header_count;
    phu_http_done_cb *done;
    void *arg;
    bool is_open;
};

struct phu_http_client {
    struct phu_http_call calls[CALLS_MAX];
    size_t count;
};

int phu_http_start(struct phu_http_client *client, const struct phu_http_request *request,
                   phu_http_done_cb *done, void *arg, struct phu_http_call **out)
{
    struct phu_http_call *call = &client->calls[client->count++];

    assert_true(client->count <= CALLS_MAX);
    *call = (struct phu_http_call){.url = strdup(request->url),
                                   .body = strdup(request->body),
                                   .done = done,
                                   .arg = arg,
                                   .is_open = true};
    for (; request->headers[call->header_count]; call->header_count++)
        snprintf(call->headers[call->header_count], sizeof call->headers[0], "%s",
                 request->headers[call->header_count]);
    *out = call;
    return 0;
}

void phu_http_cancel(struct phu_http_call *call)
{
    if (call)
        call->is_open = false;
}

int phu_http_check_url(const char *url)
{
    return strncmp(url, "http://", 7) == 0 ? 0 : -22;
}

/* -- An engine that knows what the test says -------------------------------------------------- */

struct phu_rules_engine {
    const struct phu_alert *alerts;
    size_t count;
};

void phu_rules_visit(const struct phu_rules_engine *engine, phu_rules_changed_cb *visit, void *arg)
{
    for (size_t i = 0; i < engine->count; i++)
        visit(arg, &engine->alerts[i]);
}

/* -- A scene ---------------------------------------------------------------------------------- */

struct scene {
    struct phu_sched *sched;
    struct phu_http_client http;
    struct phu_alerts_conf conf;
    struct phu_maintenance maintenance;
    struct phu_alerts *alerts;
    char dir[64], secret[96], path[96];
};

static void forget_calls(struct scene *scene)
{
    for (size_t i = 0; i < scene->http.count; i++) {
        assert_false(scene->http.calls[i].is_open);
        free(scene->http.calls[i].url);
        free(scene->http.calls[i].body);
    }
    scene->http.count = 0;
}

static void answer(struct scene *scene, size_t number, int status)
{
    struct phu_http_call *call = &scene->http.calls[number];

    assert_true(number < scene->http.count);
    assert_true(call->is_open);
    call->is_open = false;
    call->done(call->arg,
               &(struct phu_http_result){.error = status ? PHU_HTTP_OK : PHU_HTTP_REFUSED,
                                         .message = status ? "" : "connection refused",
                                         .status = status,
                                         .body = ""});
    phu_sim_run(scene->sched, 0);
}

/* Answers whatever is open until nothing is. */
static void answer_all(struct scene *scene, int status)
{
    for (size_t i = 0; i < scene->http.count; i++) {
        if (scene->http.calls[i].is_open)
            answer(scene, i, status);
    }
}

static void open_alerts(struct scene *scene)
{
    struct phu_alerts_env env = {.sched = scene->sched,
                                 .http = &scene->http,
                                 .state_dir = scene->dir,
                                 .maintenance = &scene->maintenance};
    char why[256] = "";

    assert_int_equal(phu_maintenance_open(scene->path, &scene->maintenance, why, sizeof why), 0);
    if (phu_alerts_open(&env, &scene->conf, &scene->alerts, why, sizeof why) < 0)
        fail_msg("%s", why);
    phu_sim_run(scene->sched, 0);
}

static void close_alerts(struct scene *scene)
{
    phu_alerts_close(scene->alerts);
    phu_sim_run(scene->sched, 0);
    phu_maintenance_fini(&scene->maintenance);
    scene->alerts = NULL;
}

static void load(struct scene *scene, const char *text)
{
    struct phu_diags diags;

    phu_diags_init(&diags);
    if (phu_conf_load_text(&phu_alerts_options, "x.yaml", text, strlen(text), &diags,
                           &scene->conf) < 0)
        fail_msg("%s", diags.items[0].message);
    phu_diags_fini(&diags);
}

static int set_up(void **state)
{
    struct scene *scene = calloc(1, sizeof *scene);
    int fd;

    phu_log_set_level(PHU_LOG_ERROR);
    phu_log_set_module_level("alerts", PHU_LOG_ERROR);
    scene->sched = phu_sim_new(phu_sim_wall("2026-11-23T08:00:00Z"));
    strcpy(scene->dir, "/tmp/test_delivery_XXXXXX");
    assert_non_null(mkdtemp(scene->dir));
    snprintf(scene->secret, sizeof scene->secret, "%s/secret", scene->dir);
    snprintf(scene->path, sizeof scene->path, "%s/maintenance.json", scene->dir);
    fd = open(scene->secret, O_WRONLY | O_CREAT, 0600);
    assert_true(fd >= 0 && write(fd, "key\n", 4) == 4);
    close(fd);
    *state = scene;
    return 0;
}

static int tear_down(void **state)
{
    struct scene *scene = *state;
    char command[128];

    if (scene->alerts)
        close_alerts(scene);
    for (size_t i = 0; i < scene->http.count; i++)
        scene->http.calls[i].is_open = false;
    forget_calls(scene);
    phu_sim_free(scene->sched);
    phu_conf_free(&phu_alerts_options, &scene->conf);
    snprintf(command, sizeof command, "rm -r %s", scene->dir);
    assert_int_equal(system(command), 0);
    free(scene);
    return 0;
}

/* -- Alerts ----------------------------------------------------------------------------------- */

static const struct phu_alert_label labels[] = {
    {"alertname", "HamletDark"}, {"commune", "09169"}, {"hamlet", "bn-1"}};
static const struct phu_alert_label cut[] = {{"summary", "thôn Đông: 4 of 4 down"}};
static const struct phu_alert_label worse[] = {{"summary", "thôn Đông: all down"}};

static struct phu_alert make_alert(struct scene *scene)
{
    int64_t now_ns = phu_sched_wall(scene->sched).ns;

    return (struct phu_alert){.labels = labels,
                              .label_count = 3,
                              .annotations = cut,
                              .annotation_count = 1,
                              .active_ns = now_ns,
                              .fired_ns = now_ns,
                              .value = 4};
}

static void put(struct scene *scene, const struct phu_alert *alert)
{
    phu_alerts_put(scene->alerts, alert);
    phu_sim_run(scene->sched, 0);
}

static void put_resolved(struct scene *scene, struct phu_alert *alert)
{
    alert->resolved_ns = phu_sched_wall(scene->sched).ns;
    put(scene, alert);
}

/* A text of the first alert of a call to an Alertmanager. */
static void check_sent(const struct scene *scene, size_t number, const char *name,
                       const char *expected)
{
    json_t *list = json_loads(scene->http.calls[number].body, 0, NULL);

    assert_int_equal(json_array_size(list), 1);
    assert_string_equal(json_string_value(json_object_get(json_array_get(list, 0), name)),
                        expected);
    json_decref(list);
}

/* -- Alertmanager ----------------------------------------------------------------------------- */

static const char one_manager[] = "{alertmanagers: [{url: 'http://am:9093/'}]}";

static void an_alert_is_told_at_once_again_and_at_its_end(void **state)
{
    struct scene *scene = *state;
    struct phu_alert alert;

    load(scene, one_manager);
    open_alerts(scene);
    alert = make_alert(scene);
    put(scene, &alert);
    assert_int_equal(scene->http.count, 1);
    assert_string_equal(scene->http.calls[0].url, "http://am:9093/api/v2/alerts");
    check_sent(scene, 0, "startsAt", "2026-11-23T08:00:00.000Z");
    check_sent(scene, 0, "endsAt", "2026-11-23T08:04:00.000Z");
    answer(scene, 0, 200);

    phu_sim_run(scene->sched, 59 * PHU_NS_PER_S);
    assert_int_equal(scene->http.count, 1);
    phu_sim_run(scene->sched, PHU_NS_PER_S);
    assert_int_equal(scene->http.count, 2);
    check_sent(scene, 1, "endsAt", "2026-11-23T08:05:00.000Z");
    answer(scene, 1, 200);

    phu_sim_run(scene->sched, 10 * PHU_NS_PER_S);
    put_resolved(scene, &alert);
    assert_int_equal(scene->http.count, 3);
    check_sent(scene, 2, "startsAt", "2026-11-23T08:00:00.000Z");
    check_sent(scene, 2, "endsAt", "2026-11-23T08:01:10.000Z");
    answer(scene, 2, 200);

    /* A restarted Alertmanager hears of the end, too; but not for ever. */
    for (int minute = 0; minute < 30; minute++) {
        phu_sim_run(scene->sched, 60 * PHU_NS_PER_S);
        answer_all(scene, 200);
    }
    assert_in_range(scene->http.count, 17, 19);
}

static void what_is_not_taken_is_sent_again(void **state)
{
    struct scene *scene = *state;
    struct phu_alert alert;

    load(scene, one_manager);
    open_alerts(scene);
    alert = make_alert(scene);
    put(scene, &alert);
    answer(scene, 0, 0);
    /* What comes meanwhile does not hurry it. */
    alert.annotations = worse;
    put(scene, &alert);
    assert_int_equal(scene->http.count, 1);
    phu_sim_run(scene->sched, 5 * PHU_NS_PER_S);
    assert_int_equal(scene->http.count, 2);
    assert_non_null(strstr(scene->http.calls[1].body, "all down"));
    answer(scene, 1, 503);
    phu_sim_run(scene->sched, 5 * PHU_NS_PER_S);
    assert_int_equal(scene->http.count, 3);
    answer(scene, 2, 200);
    phu_sim_run(scene->sched, 30 * PHU_NS_PER_S);
    assert_int_equal(scene->http.count, 3);
}

static void what_it_will_never_take_is_not_sent_in_a_circle(void **state)
{
    struct scene *scene = *state;
    struct phu_alert alert;

    load(scene, one_manager);
    open_alerts(scene);
    alert = make_alert(scene);
    put(scene, &alert);
    phu_log_set_module_level("alerts", PHU_LOG_ERROR);
    answer(scene, 0, 400);
    phu_sim_run(scene->sched, 50 * PHU_NS_PER_S);
    assert_int_equal(scene->http.count, 1);
}

static void a_pending_alert_is_nobodys_business(void **state)
{
    struct scene *scene = *state;
    struct phu_alert alert;

    load(scene, one_manager);
    open_alerts(scene);
    alert = make_alert(scene);
    alert.fired_ns = 0;
    put(scene, &alert);
    assert_int_equal(scene->http.count, 0);
}

/* -- Restart ---------------------------------------------------------------------------------- */

static void a_restart_forgets_nothing_and_repeats_no_letter(void **state)
{
    struct scene *scene = *state;
    struct phu_alert alert;
    char *json;

    load(scene, "{alertmanagers: [{url: 'http://am'}], webhooks: [{url: 'http://hook/x'}]}");
    open_alerts(scene);
    alert = make_alert(scene);
    put(scene, &alert);
    assert_int_equal(scene->http.count, 2);
    answer_all(scene, 200);
    alert.annotations = worse;
    put(scene, &alert); /* nobody hears of this before the end */
    assert_int_equal(scene->http.count, 4);
    close_alerts(scene);
    forget_calls(scene);

    open_alerts(scene);
    assert_int_equal(scene->http.count, 2);
    for (size_t i = 0; i < 2; i++)
        assert_non_null(strstr(scene->http.calls[i].body, "all down"));
    answer_all(scene, 200);
    phu_sim_run(scene->sched, 10 * PHU_NS_PER_S);
    assert_int_equal(scene->http.count, 2);
    json = phu_alerts_json(scene->alerts);
    assert_non_null(strstr(json, "\"state\":\"firing\""));
    free(json);

    /* The rules find it anew, and say that it fired just now: it is still the same. */
    alert.fired_ns = phu_sched_wall(scene->sched).ns;
    put(scene, &alert);
    assert_int_equal(scene->http.count, 2);
    put_resolved(scene, &alert);
    assert_int_equal(scene->http.count, 4);
    answer_all(scene, 200);
}

static void what_no_rule_knows_any_more_ends(void **state)
{
    struct scene *scene = *state;
    struct phu_alert alert;
    struct phu_rules_engine engine = {.alerts = &alert, .count = 1};

    load(scene, "{webhooks: [{url: 'http://hook/x'}]}");
    open_alerts(scene);
    alert = make_alert(scene);
    put(scene, &alert);
    answer_all(scene, 200);
    phu_alerts_reconcile(scene->alerts, &engine);
    phu_sim_run(scene->sched, 0);
    assert_int_equal(scene->http.count, 1);
    engine.count = 0;
    phu_alerts_reconcile(scene->alerts, &engine);
    phu_sim_run(scene->sched, 0);
    assert_int_equal(scene->http.count, 2);
    assert_non_null(strstr(scene->http.calls[1].body, "\"event\":\"resolved\""));
    answer_all(scene, 200);
}

/* -- Webhooks --------------------------------------------------------------------------------- */

static const char *header(const struct scene *scene, size_t number, const char *name)
{
    const struct phu_http_call *call = &scene->http.calls[number];

    for (size_t i = 0; i < call->header_count; i++) {
        if (strncmp(call->headers[i], name, strlen(name)) == 0)
            return call->headers[i] + strlen(name);
    }
    fail_msg("no header %s", name);
    return NULL;
}

static void letters_go_in_order_signed_and_until_they_are_taken(void **state)
{
    struct scene *scene = *state;
    struct phu_alert alert;
    char conf[256], hex[PHU_SIGN_SIZE];
    const char *first;

    snprintf(conf, sizeof conf,
             "{webhooks: [{url: 'http://hook/x', secret: %s, headers: ['X-Team: noc']}]}",
             scene->secret);
    load(scene, conf);
    open_alerts(scene);
    alert = make_alert(scene);
    put(scene, &alert);
    put_resolved(scene, &alert);
    assert_int_equal(scene->http.count, 1); /* one after the other */
    first = scene->http.calls[0].body;
    assert_non_null(strstr(first, "\"event\":\"firing\""));
    assert_non_null(strstr(first, "thôn Đông"));
    assert_string_equal(header(scene, 0, "X-Phusong-Timestamp: "), "1795420800");
    phu_sign("key", 1795420800, first, strlen(first), hex);
    assert_string_equal(header(scene, 0, "X-Phusong-Signature: sha256="), hex);
    assert_string_equal(header(scene, 0, "X-Team: "), "noc");

    answer(scene, 0, 500);
    phu_sim_run(scene->sched, 5 * PHU_NS_PER_S);
    assert_int_equal(scene->http.count, 2);
    assert_string_equal(scene->http.calls[1].body, first);
    assert_string_equal(header(scene, 1, "X-Phusong-Delivery: "),
                        header(scene, 0, "X-Phusong-Delivery: "));
    answer(scene, 1, 204);
    assert_int_equal(scene->http.count, 3);
    assert_non_null(strstr(scene->http.calls[2].body, "\"event\":\"resolved\""));
    answer(scene, 2, 204);
}

/* Of RFC 4231, test case 2, whose text "what do ya want for nothing?" cannot begin with a number:
 * so the same with one, as openssl works it out. */
static void a_signature_is_as_openssl_makes_it(void **state)
{
    char hex[PHU_SIGN_SIZE];

    (void)state;
    phu_sign("Jefe", 7, "what do ya want for nothing?", 28, hex);
    assert_string_equal(hex, "239f4b39fd23f4376db46b239fae471e7c6824b3931bc60f4c0b745bef8de34f");
}

static void a_webhook_may_be_spared_the_ends(void **state)
{
    struct scene *scene = *state;
    struct phu_alert alert;

    load(scene, "{webhooks: [{url: 'http://hook/x', send_resolved: false}]}");
    open_alerts(scene);
    alert = make_alert(scene);
    put(scene, &alert);
    answer_all(scene, 200);
    put_resolved(scene, &alert);
    assert_int_equal(scene->http.count, 1);
}

/* -- Maintenance ------------------------------------------------------------------------------ */

static void add_maintenance(struct scene *scene, const char *matches, int64_t seconds)
{
    struct phu_maintenance_window window = {0};
    int64_t now_ns = phu_sched_wall(scene->sched).ns;
    char why[256] = "";

    window.from_ns = now_ns;
    window.to_ns = now_ns + seconds * PHU_NS_PER_S;
    window.comment = strdup("splice");
    assert_int_equal(phu_maintenance_parse_matches(matches, &window, why, sizeof why), 0);
    if (phu_maintenance_add(&scene->maintenance, &window, now_ns, why, sizeof why) < 0)
        fail_msg("%s", why);
    phu_alerts_maintenance_changed(scene->alerts);
    phu_sim_run(scene->sched, 0);
}

static void under_maintenance_an_alert_is_told_only_if_it_outlives_it(void **state)
{
    struct scene *scene = *state;
    struct phu_alert alert;
    char *json;

    load(scene, "{alertmanagers: [{url: 'http://am'}], webhooks: [{url: 'http://hook/x'}]}");
    open_alerts(scene);
    add_maintenance(scene, "hamlet=bn-1,commune=09169", 600);
    alert = make_alert(scene);
    put(scene, &alert);
    assert_int_equal(scene->http.count, 0);
    json = phu_alerts_json(scene->alerts);
    assert_null(strstr(json, "\"silencedBy\":\"\""));
    free(json);
    phu_sim_run(scene->sched, 610 * PHU_NS_PER_S);
    assert_int_equal(scene->http.count, 2);
    answer_all(scene, 200);
    put_resolved(scene, &alert);
    assert_int_equal(scene->http.count, 4);
    answer_all(scene, 200);
}

static void what_was_told_before_maintenance_is_told_to_its_end(void **state)
{
    struct scene *scene = *state;
    struct phu_alert alert;

    load(scene, "{webhooks: [{url: 'http://hook/x'}]}");
    open_alerts(scene);
    alert = make_alert(scene);
    put(scene, &alert);
    answer_all(scene, 200);
    add_maintenance(scene, "hamlet=bn-1", 600);
    put_resolved(scene, &alert);
    assert_int_equal(scene->http.count, 2);
    answer_all(scene, 200);
}

static void other_labels_are_not_covered(void **state)
{
    struct scene *scene = *state;
    struct phu_alert alert;

    load(scene, "{webhooks: [{url: 'http://hook/x'}]}");
    open_alerts(scene);
    add_maintenance(scene, "hamlet=bn-1,site=s-1", 600);
    add_maintenance(scene, "hamlet=bn-2", 600);
    alert = make_alert(scene);
    put(scene, &alert);
    assert_int_equal(scene->http.count, 1);
    answer_all(scene, 200);
}

static void a_file_that_somebody_else_replaced_counts(void **state)
{
    struct scene *scene = *state;
    struct phu_alert alert;
    FILE *file;

    load(scene, "{webhooks: [{url: 'http://hook/x'}]}");
    open_alerts(scene);
    file = fopen(scene->path, "w");
    assert_non_null(file);
    fputs("[{\"id\": \"m1\", \"for\": {\"alertname\": \"HamletDark\"}, \"from\": "
          "\"2026-11-23T08:00:00Z\", \"to\": \"2026-11-23T10:00:00Z\", \"comment\": \"\"}]",
          file);
    fclose(file);
    phu_sim_run(scene->sched, 6 * PHU_NS_PER_S);
    alert = make_alert(scene);
    put(scene, &alert);
    assert_int_equal(scene->http.count, 0);
    /* A broken one changes nothing. */
    file = fopen(scene->path, "w");
    assert_non_null(file);
    fputs("[{", file);
    fclose(file);
    phu_sim_run(scene->sched, 60 * PHU_NS_PER_S);
    assert_int_equal(scene->http.count, 0);
}

static void bad_windows_are_refused_with_a_reason(void **state)
{
    static const struct {
        const char *text, *why;
    } cases[] = {
        {"{}", "\"for\" must name labels, such as {\"hamlet\": \"bn-0412\"}"},
        {"{\"for\": {\"h\": \"\"}}", "label h has no value: write h=NAME"},
        {"{\"for\": {\"h-\": \"x\"}}",
         "\"h-\" is no label: letters, digits and _, such as hamlet, commune, site, device"},
        {"{\"for\": {\"h\": \"x\"}, \"from\": \"now\"}",
         "\"from\" must be a time such as 2026-11-23T22:00:00+07:00"},
        {"{\"for\": {\"h\": \"x\"}, \"from\": \"2026-11-23\", \"to\": \"2026-11-23\"}",
         "it must end (\"to\") after it begins (\"from\")"},
    };
    struct phu_maintenance_window window;
    char why[256];

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        json_t *object = json_loads(cases[i].text, 0, NULL);

        assert_int_equal(phu_maintenance_from_json(object, &window, why, sizeof why), -22);
        assert_string_equal(why, cases[i].why);
        json_decref(object);
    }
}

static void a_window_can_be_removed(void **state)
{
    struct scene *scene = *state;
    char why[256], id[PHU_MAINTENANCE_ID];

    load(scene, "{}");
    open_alerts(scene);
    add_maintenance(scene, "hamlet=bn-1", 600);
    assert_int_equal(scene->maintenance.count, 1);
    strcpy(id, scene->maintenance.windows[0].id);
    assert_int_equal(phu_maintenance_remove(&scene->maintenance, "nope", why, sizeof why), -2);
    assert_string_equal(why, "there is no maintenance \"nope\"");
    assert_int_equal(phu_maintenance_remove(&scene->maintenance, id, why, sizeof why), 0);
    assert_int_equal(scene->maintenance.count, 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(an_alert_is_told_at_once_again_and_at_its_end),
        TEST(what_is_not_taken_is_sent_again),
        TEST(what_it_will_never_take_is_not_sent_in_a_circle),
        TEST(a_pending_alert_is_nobodys_business),
        TEST(a_restart_forgets_nothing_and_repeats_no_letter),
        TEST(what_no_rule_knows_any_more_ends),
        TEST(letters_go_in_order_signed_and_until_they_are_taken),
        cmocka_unit_test(a_signature_is_as_openssl_makes_it),
        TEST(a_webhook_may_be_spared_the_ends),
        TEST(under_maintenance_an_alert_is_told_only_if_it_outlives_it),
        TEST(what_was_told_before_maintenance_is_told_to_its_end),
        TEST(other_labels_are_not_covered),
        TEST(a_file_that_somebody_else_replaced_counts),
        cmocka_unit_test(bad_windows_are_refused_with_a_reason),
        TEST(a_window_can_be_removed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
