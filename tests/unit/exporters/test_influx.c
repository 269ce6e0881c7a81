/* The exporter against an HTTP client that records and answers as it is told. */
#include "phusong/conf.h"
#include "phusong/err.h"
#include "phusong/exporter.h"
#include "phusong/http.h"
#include "phusong/log.h"

#include "conf_file.h"
#include "sim.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

extern const struct phu_exporter phu_exporter_influx;

#define CALLS_MAX 4

struct phu_http_call {
    struct phu_http_client *client;
    struct phu_http_request request;
    phu_http_done_cb *done;
    void *arg;
    bool is_open;
};

struct phu_http_client {
    struct phu_http_call calls[CALLS_MAX];
    size_t count; /* started so far */
    int error;    /* of phu_http_start */
};

int phu_http_start(struct phu_http_client *client, const struct phu_http_request *request,
                   phu_http_done_cb *done, void *arg, struct phu_http_call **out)
{
    struct phu_http_call *call = &client->calls[client->count];

    if (client->error < 0)
        return client->error;
    assert_true(client->count < CALLS_MAX);
    client->count++;
    *call = (struct phu_http_call){
        .client = client, .request = *request, .done = done, .arg = arg, .is_open = true};
    *out = call;
    return 0;
}

void phu_http_cancel(struct phu_http_call *call)
{
    if (call)
        call->is_open = false;
}

struct scene {
    struct phu_sched *sched;
    struct phu_http_client http;
    void *conf, *self;
    char secret[64];
    struct phu_outcome outcome;
    char reason[512];
    int outcomes;
};

static void answer(struct scene *scene, size_t number, int status, const char *body)
{
    struct phu_http_call *call = &scene->http.calls[number];

    assert_true(call->is_open);
    call->is_open = false;
    call->done(call->arg, &(struct phu_http_result){.error = PHU_HTTP_OK,
                                                    .message = "",
                                                    .status = status,
                                                    .body = body,
                                                    .body_length = strlen(body),
                                                    .retry_after_ns = 7});
}

static void batch_done(void *arg, const struct phu_outcome *outcome)
{
    struct scene *scene = arg;

    scene->outcomes++;
    scene->outcome = *outcome;
    snprintf(scene->reason, sizeof scene->reason, "%s", outcome->reason ? outcome->reason : "");
}

/* -- A scene with a configuration ------------------------------------------------------------- */

static int load(const char *text, void *conf, char *mistake, size_t size)
{
    const struct phu_option_table *table = phu_exporter_influx.options;
    struct phu_diags diags;
    int error;

    phu_diags_init(&diags);
    error = phu_conf_load_text(table, "x.yaml", text, strlen(text), &diags, conf);
    snprintf(mistake, size, "%s", diags.count ? diags.items[0].message : "");
    phu_diags_fini(&diags);
    return error;
}

static void write_secret(struct scene *scene, const char *text)
{
    int fd = open(scene->secret, O_WRONLY | O_CREAT | O_TRUNC, 0600);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
}

/* `text` may hold one %s for the secret's file. */
static void open_influx(struct scene *scene, const char *text)
{
    struct phu_exporter_env env = {.sched = scene->sched, .http = &scene->http, .name = "central"};
    char full[1024], mistake[512];
    const char *mark = strstr(text, "%s");

    if (mark)
        snprintf(full, sizeof full, "%.*s%s%s", (int)(mark - text), text, scene->secret, mark + 2);
    else
        snprintf(full, sizeof full, "%s", text);
    scene->conf = calloc(1, phu_exporter_influx.options->size);
    if (load(full, scene->conf, mistake, sizeof mistake) < 0)
        fail_msg("%s", mistake);
    assert_int_equal(phu_exporter_influx.open(&env, scene->conf, &scene->self), 0);
}

static void close_influx(struct scene *scene)
{
    phu_exporter_influx.close(scene->self);
    phu_conf_free(phu_exporter_influx.options, scene->conf);
    free(scene->conf);
    scene->self = scene->conf = NULL;
    scene->http.count = 0;
    scene->outcomes = 0;
}

static int set_up(void **state)
{
    struct scene *scene = calloc(1, sizeof *scene);
    int fd;

    phu_log_set_level(PHU_LOG_ERROR);
    scene->sched = phu_sim_new(phu_sim_wall("2026-11-23T08:00:00Z"));
    strcpy(scene->secret, "/tmp/test_influx_XXXXXX");
    fd = mkstemp(scene->secret);
    assert_true(fd >= 0);
    close(fd);
    *state = scene;
    return 0;
}

static int tear_down(void **state)
{
    struct scene *scene = *state;

    if (scene->self)
        close_influx(scene);
    phu_sim_run(scene->sched, 0);
    phu_sim_free(scene->sched);
    unlink(scene->secret);
    free(scene);
    return 0;
}

static struct phu_batch batch_of(const char *body)
{
    struct phu_batch batch = {.body = body, .length = strlen(body)};

    for (const char *c = body; *c; c++)
        batch.line_count += *c == '\n';
    return batch;
}

static void send_batch(struct scene *scene, const struct phu_batch *batch)
{
    phu_exporter_influx.send(scene->self, batch, batch_done, scene);
    phu_sim_run(scene->sched, 0);
}

static const char *header(const struct scene *scene, size_t number, const char *name)
{
    const char *const *headers = scene->http.calls[number].request.headers;

    for (; *headers; headers++) {
        if (strncmp(*headers, name, strlen(name)) == 0)
            return *headers + strlen(name);
    }
    return NULL;
}

/* -- Requests --------------------------------------------------------------------------------- */

static void check_url(struct scene *scene, const char *conf, const char *url)
{
    struct phu_batch batch = batch_of("a b=1i 1\n");

    open_influx(scene, conf);
    send_batch(scene, &batch);
    assert_string_equal(scene->http.calls[0].request.url, url);
    assert_string_equal(scene->http.calls[0].request.method, "POST");
    close_influx(scene);
}

static void each_api_has_its_own_address_and_names_the_precision(void **state)
{
    struct scene *scene = *state;

    check_url(scene, "{url: 'http://h:8086', api: v1, database: d}",
              "http://h:8086/write?precision=ns&db=d");
    check_url(scene, "{url: 'http://h:8086/', api: v1, database: d, retention_policy: 'a&b'}",
              "http://h:8086/write?precision=ns&db=d&rp=a%26b");
    check_url(scene, "{url: 'http://h', org: 'bắc ninh', bucket: x}",
              "http://h/api/v2/write?precision=ns&org=b%E1%BA%AFc%20ninh&bucket=x");
    check_url(scene, "{url: 'https://h', api: v3, database: d}",
              "https://h/api/v3/write_lp?precision=nanosecond&db=d");
    check_url(scene, "{url: 'http://h:8480/insert/0/influx', api: victoria}",
              "http://h:8480/insert/0/influx/write?precision=ns");
}

static void tokens_go_as_each_server_wants_them(void **state)
{
    static const struct {
        const char *conf, *authorization;
    } cases[] = {
        {"{url: 'http://h', token: %s}", "Token s3cret"},
        {"{url: 'http://h', api: v3, database: d, token: %s}", "Bearer s3cret"},
        {"{url: 'http://h', api: v1, database: d, token: %s}", "Bearer s3cret"},
        {"{url: 'http://h', api: victoria, token: %s}", "Bearer s3cret"},
    };
    struct scene *scene = *state;
    struct phu_batch batch = batch_of("a b=1i 1\n");

    write_secret(scene, "s3cret\n");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        open_influx(scene, cases[i].conf);
        send_batch(scene, &batch);
        assert_string_equal(header(scene, 0, "Authorization: "), cases[i].authorization);
        assert_null(scene->http.calls[0].request.user_password);
        close_influx(scene);
    }
    open_influx(scene, "{url: 'http://h', user: u, password: %s}");
    send_batch(scene, &batch);
    assert_null(header(scene, 0, "Authorization: "));
    assert_string_equal(scene->http.calls[0].request.user_password, "u:s3cret");
}

static void small_bodies_go_as_they_are_and_large_ones_compressed(void **state)
{
    struct scene *scene = *state;
    char body[100 * 20 + 1] = "", unpacked[sizeof body];
    struct phu_batch batch;
    z_stream stream = {0};

    for (int i = 0; i < 100; i++)
        sprintf(body + strlen(body), "a b=%03di 1000000000\n", i);
    open_influx(scene, "{url: 'http://h'}");
    batch = batch_of("a b=1i 1\n");
    send_batch(scene, &batch);
    assert_null(header(scene, 0, "Content-Encoding: "));
    assert_memory_equal(scene->http.calls[0].request.body, "a b=1i 1\n", 9);
    batch = batch_of(body);
    send_batch(scene, &batch);
    assert_string_equal(header(scene, 1, "Content-Encoding: "), "gzip");
    assert_true(scene->http.calls[1].request.body_length < sizeof body / 4);
    stream.next_in = (unsigned char *)(uintptr_t)scene->http.calls[1].request.body;
    stream.avail_in = (unsigned)scene->http.calls[1].request.body_length;
    stream.next_out = (unsigned char *)unpacked;
    stream.avail_out = sizeof unpacked;
    assert_int_equal(inflateInit2(&stream, MAX_WBITS + 16), Z_OK);
    assert_int_equal(inflate(&stream, Z_FINISH), Z_STREAM_END);
    assert_int_equal(stream.total_out, strlen(body));
    assert_memory_equal(unpacked, body, strlen(body));
    inflateEnd(&stream);
}

/* -- Answers ---------------------------------------------------------------------------------- */

static void an_answer_becomes_an_outcome(void **state)
{
    struct scene *scene = *state;
    struct phu_batch batch = batch_of("a b=1i 1\n");

    open_influx(scene, "{url: 'http://h'}");
    send_batch(scene, &batch);
    answer(scene, 0, 204, "");
    assert_int_equal(scene->outcome.verdict, PHU_VERDICT_STORED);
    assert_int_equal(scene->outcome.status, 204);
    send_batch(scene, &batch);
    answer(scene, 1, 429, "{\"error\":\"slow down\"}");
    assert_int_equal(scene->outcome.verdict, PHU_VERDICT_RETRY);
    assert_int_equal(scene->outcome.retry_after_ns, 7);
    assert_string_equal(scene->reason, "slow down");
    assert_int_equal(scene->outcomes, 2);
}

static void no_complete_answer_means_again(void **state)
{
    static const enum phu_http_error errors[] = {
        PHU_HTTP_DNS, PHU_HTTP_REFUSED, PHU_HTTP_UNREACHABLE, PHU_HTTP_TIMEOUT,
        PHU_HTTP_TLS, PHU_HTTP_BROKEN,  PHU_HTTP_REDIRECT,    PHU_HTTP_LOCAL};
    struct scene *scene = *state;
    struct phu_batch batch = batch_of("a b=1i 1\n");

    open_influx(scene, "{url: 'http://h'}");
    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++) {
        scene->http.count = 0;
        send_batch(scene, &batch);
        /* Even with a status: an answer cut off in its middle proves nothing. */
        scene->http.calls[0].done(
            scene->http.calls[0].arg,
            &(struct phu_http_result){.error = errors[i], .status = 204, .message = "it broke"});
        assert_int_equal(scene->outcome.verdict, PHU_VERDICT_RETRY);
        assert_int_equal(scene->outcome.status, 0);
        assert_string_equal(scene->reason, "it broke");
    }
}

static void a_request_that_cannot_start_is_tried_again(void **state)
{
    struct scene *scene = *state;
    struct phu_batch batch = batch_of("a b=1i 1\n");

    open_influx(scene, "{url: 'http://h'}");
    scene->http.error = -12;
    send_batch(scene, &batch);
    assert_int_equal(scene->outcomes, 1);
    assert_int_equal(scene->outcome.verdict, PHU_VERDICT_RETRY);
}

static void a_changed_secret_is_taken_up_once(void **state)
{
    struct scene *scene = *state;
    struct phu_batch batch = batch_of("a b=1i 1\n");

    write_secret(scene, "old\n");
    open_influx(scene, "{url: 'http://h', token: %s}");
    send_batch(scene, &batch);
    answer(scene, 0, 401, "");
    assert_int_equal(scene->outcome.verdict, PHU_VERDICT_UNAUTHORIZED); /* the same as before */
    send_batch(scene, &batch);
    write_secret(scene, "new\n");
    answer(scene, 1, 401, "");
    assert_int_equal(scene->outcomes, 1);
    assert_string_equal(header(scene, 2, "Authorization: "), "Token new");
    answer(scene, 2, 401, ""); /* not accepted either */
    assert_int_equal(scene->outcomes, 2);
    assert_int_equal(scene->outcome.verdict, PHU_VERDICT_UNAUTHORIZED);
    assert_int_equal(scene->http.count, 3);
}

static void an_unreadable_secret_keeps_the_old_one(void **state)
{
    struct scene *scene = *state;
    struct phu_batch batch = batch_of("a b=1i 1\n");

    write_secret(scene, "old\n");
    open_influx(scene, "{url: 'http://h', token: %s}");
    chmod(scene->secret, 0644); /* readable by everybody: refused */
    write_secret(scene, "new\n");
    send_batch(scene, &batch);
    answer(scene, 0, 401, "");
    assert_int_equal(scene->outcome.verdict, PHU_VERDICT_UNAUTHORIZED);
    assert_int_equal(scene->http.count, 1);
}

static void closing_drops_what_is_under_way(void **state)
{
    struct scene *scene = *state;
    char body[1000];
    struct phu_batch small = batch_of("a b=1i 1\n"), large;

    memset(body, 'x', sizeof body - 2);
    strcpy(body + sizeof body - 2, "\n");
    large = batch_of(body);
    open_influx(scene, "{url: 'http://h'}");
    send_batch(scene, &small);
    phu_exporter_influx.send(scene->self, &large, batch_done, scene); /* still being compressed */
    phu_exporter_influx.close(scene->self);
    assert_false(scene->http.calls[0].is_open);
    memset(body, 0, sizeof body);
    phu_sim_run(scene->sched, 0);
    assert_int_equal(scene->outcomes, 0);
    assert_int_equal(scene->http.count, 1);
    phu_conf_free(phu_exporter_influx.options, scene->conf);
    free(scene->conf);
    scene->self = NULL;
}

/* -- Configuration ---------------------------------------------------------------------------- */

static void mistakes_are_named(void **state)
{
    static const struct {
        const char *conf, *mistake;
    } cases[] = {
        {"{url: 'h:8086'}", "url must begin with http:// or https://"},
        {"{url: 'https://'}", "url lacks the server"},
        {"{url: 'http:///write'}", "url lacks the server"},
        {"{url: 'http://u:p@h'}", "url must not hold a query, a user or spaces"},
        {"{url: 'http://h/write?db=x'}", "url must not hold a query, a user or spaces"},
        {"{url: 'http://h', api: v1}", "api v1 needs database"},
        {"{url: 'http://h', api: v3}", "api v3 needs database"},
        {"{url: 'http://h', api: v2, bucket: ''}", "api v2 needs bucket"},
        {"{url: 'http://h', database: d}", "api v2 has no database"},
        {"{url: 'http://h', api: victoria, org: o}", "api victoria has no org"},
        {"{url: 'http://h', api: v3, database: d, retention_policy: p}", "api v3 has none"},
        {"{url: 'http://h', user: x}", "user and password belong together"},
        {"{url: 'http://h', password: /x}", "user and password belong together"},
        {"{url: 'http://h', user: x, password: /x, token: /y}", "use either token or user"},
        {"{url: 'http://h', tls: {ca: /x}}", "url must begin with https://"},
        {"{url: 'https://h', tls: {key: /x}}", "key needs certificate beside it"},
        {"{url: 'https://h', tls: {certificate: /x}}", "certificate needs key beside it"},
        {"{url: 'http://h', headers: ['no colon']}", "header 1 is not of the form"},
        {"{url: 'http://h', headers: ['A: b', 'C : d']}", "header 2 is not of the form"},
    };
    char mistake[512];

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        void *conf = calloc(1, phu_exporter_influx.options->size);

        assert_int_not_equal(load(cases[i].conf, conf, mistake, sizeof mistake), 0);
        if (!strstr(mistake, cases[i].mistake))
            fail_msg("%s: \"%s\"", cases[i].conf, mistake);
        free(conf);
    }
}

static void a_private_key_open_to_everybody_is_refused(void **state)
{
    struct scene *scene = *state;
    struct phu_exporter_env env = {.sched = scene->sched, .http = &scene->http, .name = "central"};
    char text[256], mistake[256];

    phu_log_set_level((enum phu_log_level) - 1);
    snprintf(text, sizeof text, "{url: 'https://h', tls: {certificate: %s, key: %s}}",
             scene->secret, scene->secret);
    scene->conf = calloc(1, phu_exporter_influx.options->size);
    assert_int_equal(load(text, scene->conf, mistake, sizeof mistake), 0);
    chmod(scene->secret, 0644);
    assert_int_equal(phu_exporter_influx.open(&env, scene->conf, &scene->self), -EPERM);
    chmod(scene->secret, 0600);
    assert_int_equal(phu_exporter_influx.open(&env, scene->conf, &scene->self), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(each_api_has_its_own_address_and_names_the_precision),
        TEST(tokens_go_as_each_server_wants_them),
        TEST(small_bodies_go_as_they_are_and_large_ones_compressed),
        TEST(an_answer_becomes_an_outcome),
        TEST(no_complete_answer_means_again),
        TEST(a_request_that_cannot_start_is_tried_again),
        TEST(a_changed_secret_is_taken_up_once),
        TEST(an_unreadable_secret_keeps_the_old_one),
        TEST(closing_drops_what_is_under_way),
        TEST(mistakes_are_named),
        TEST(a_private_key_open_to_everybody_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
