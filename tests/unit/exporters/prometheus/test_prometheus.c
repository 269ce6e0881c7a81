#include "loop.h"
#include "phusong/conf.h"
#include "phusong/exporter.h"
#include "phusong/stats.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

extern const struct phu_exporter phu_exporter_prometheus;

/* The option structs are private; tests set options by name, as the file would. */
static void *option(void *conf, const char *name)
{
    const struct phu_option_table *table = phu_exporter_prometheus.options;

    for (size_t i = 0; i < table->count; i++) {
        if (strcmp(table->options[i].name, name) == 0)
            return (char *)conf + table->options[i].offset;
    }
    fail_msg("no option %s", name);
    return NULL;
}

struct bed {
    struct phu_sched *sched;
    struct phu_stats *stats;
    void *conf, *exporter;
    int port;
    int64_t counter, other;
};

struct client {
    struct bed *bed;
    struct phu_watch *watch;
    int fd;
    bool is_done;
    char answer[65536];
    size_t length;
};

static int open_exporter(struct bed *bed)
{
    return phu_exporter_prometheus.open(
        &(struct phu_exporter_env){
            .sched = bed->sched, .stats = bed->stats, .agent = "bn-\"1\"", .name = "self"},
        bed->conf, &bed->exporter);
}

/* Of the listening sockets of this process, the newest. */
static int find_port(void)
{
    int port = 0;

    for (int fd = 3; fd < 256; fd++) {
        struct sockaddr_in address;
        socklen_t length = sizeof address, on_length = sizeof(int);
        int on = 0;

        if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &on, &on_length) || !on)
            continue;
        if (getsockname(fd, (struct sockaddr *)&address, &length) == 0)
            port = ntohs(address.sin_port);
    }
    return port;
}

static double not_a_number(void *arg)
{
    (void)arg;
    return NAN;
}

static void add_stats(struct bed *bed)
{
    static const struct phu_stat_info counter = {"phusong_test_total", PHU_STAT_COUNTER,
                                                 "Back\\slash and\nnewline"};
    static const struct phu_stat_info gauge = {"phusong_test_seconds", PHU_STAT_GAUGE, "A gauge"};

    bed->counter = INT64_C(9007199254740991);
    phu_stats_add(bed->stats, &counter, "a=\"1\"", &bed->counter);
    phu_stats_add_read(bed->stats, &gauge, NULL, not_a_number, NULL);
    phu_stats_add(bed->stats, &counter, "a=\"2\"", &bed->other);
}

static int set_up(void **state)
{
    struct bed *bed = calloc(1, sizeof *bed);
    char **listen;

    assert_non_null(bed);
    assert_int_equal(phu_loop_new(&bed->sched), 0);
    bed->stats = phu_stats_new();
    add_stats(bed);
    bed->conf = calloc(1, phu_exporter_prometheus.options->size);
    assert_int_equal(phu_conf_defaults(phu_exporter_prometheus.options, bed->conf), 0);
    listen = option(bed->conf, "listen");
    free(*listen);
    *listen = strdup("127.0.0.1:0");
    *(int64_t *)option(bed->conf, "max_connections") = 3;
    assert_int_equal(open_exporter(bed), 0);
    bed->port = find_port();
    assert_true(bed->port > 0);
    *state = bed;
    return 0;
}

static int tear_down(void **state)
{
    struct bed *bed = *state;

    if (bed->exporter)
        phu_exporter_prometheus.close(bed->exporter);
    phu_stats_free(bed->stats);
    phu_loop_free(bed->sched);
    phu_conf_free(phu_exporter_prometheus.options, bed->conf);
    free(bed->conf);
    free(bed);
    return 0;
}

static void client_ready(void *arg, unsigned events)
{
    struct client *client = arg;
    ssize_t got = recv(client->fd, client->answer + client->length,
                       sizeof client->answer - 1 - client->length, MSG_DONTWAIT);

    (void)events;
    if (got > 0) {
        client->length += (size_t)got;
        return;
    }
    if (got < 0 && errno == EAGAIN)
        return;
    client->is_done = true;
    phu_watch_set(client->watch, 0);
    phu_loop_stop(client->bed->sched);
}

static void client_open(struct bed *bed, struct client *client)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)bed->port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};

    memset(client, 0, sizeof *client);
    client->bed = bed;
    client->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(client->fd, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(phu_watch_open(bed->sched, client->fd, PHU_WATCH_READ, client_ready, client,
                                    &client->watch),
                     0);
}

static void client_say(struct client *client, const char *text)
{
    assert_int_equal(send(client->fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

static void client_close(struct client *client)
{
    phu_watch_close(client->watch);
    close(client->fd);
}

/* What the server answers until it closes. */
static const char *ask(struct bed *bed, const char *text)
{
    static struct client client;

    client_open(bed, &client);
    client_say(&client, text);
    while (!client.is_done)
        phu_loop_run(bed->sched);
    client_close(&client);
    client.answer[client.length] = '\0';
    return client.answer;
}

static void assert_begins(const char *text, const char *start)
{
    if (strncmp(text, start, strlen(start)) != 0)
        fail_msg("\"%.60s\" does not begin with \"%s\"", text, start);
}

static void shows_statistics_grouped_and_escaped(void **state)
{
    const char *answer = ask(*state, "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n");
    const char *body = strstr(answer, "\r\n\r\n");
    char length[64];

    assert_begins(answer, "HTTP/1.1 200 OK\r\n");
    assert_non_null(strstr(answer, "Content-Type: text/plain; version=0.0.4"));
    assert_non_null(body);
    snprintf(length, sizeof length, "Content-Length: %zu\r\n", strlen(body + 4));
    assert_non_null(strstr(answer, length));
    assert_non_null(strstr(body, "# HELP phusong_test_total Back\\\\slash and\\nnewline\n"
                                 "# TYPE phusong_test_total counter\n"
                                 "phusong_test_total{a=\"1\"} 9007199254740991\n"
                                 "phusong_test_total{a=\"2\"} 0\n"));
    assert_non_null(strstr(body, "# TYPE phusong_test_seconds gauge\nphusong_test_seconds NaN\n"));
    assert_non_null(strstr(body, "phusong_build_info{version=\""));
    assert_non_null(strstr(body, "agent=\"bn-\\\"1\\\"\"} 1\n"));
    assert_non_null(strstr(body, "phusong_prometheus_scrapes_total{exporter=\"self\"} 1\n"));
    assert_non_null(strstr(body, "\nprocess_resident_memory_bytes "));
    assert_non_null(strstr(body, "\nprocess_open_fds "));
}

static void tells_when_the_process_started(void **state)
{
    const char *answer = ask(*state, "GET /metrics HTTP/1.1\r\n\r\n");
    const char *line = strstr(answer, "\nprocess_start_time_seconds ");
    double started;

    assert_non_null(line);
    started = strtod(line + strlen("\nprocess_start_time_seconds "), NULL);
    assert_true(fabs(started - (double)time(NULL)) < 60);
}

static void head_has_no_body(void **state)
{
    const char *answer = ask(*state, "HEAD /metrics HTTP/1.1\r\n\r\n");

    assert_begins(answer, "HTTP/1.1 200 OK\r\n");
    assert_string_equal(strstr(answer, "\r\n\r\n"), "\r\n\r\n");
    assert_null(strstr(answer, "Content-Length: 0\r\n"));
}

static void answers_each_kind_of_request(void **state)
{
    assert_begins(ask(*state, "GET /-/healthy HTTP/1.1\r\n\r\n"), "HTTP/1.1 200 ");
    assert_begins(ask(*state, "GET /-/ready HTTP/1.0\r\n\r\n"), "HTTP/1.1 200 ");
    assert_begins(ask(*state, "GET / HTTP/1.1\r\n\r\n"), "HTTP/1.1 404 ");
    assert_begins(ask(*state, "GET /metrics/ HTTP/1.1\r\n\r\n"), "HTTP/1.1 404 ");
    assert_begins(ask(*state, "DELETE /metrics HTTP/1.1\r\n\r\n"), "HTTP/1.1 405 ");
    assert_non_null(strstr(ask(*state, "PUT / HTTP/1.1\r\n\r\n"), "Allow: GET, HEAD\r\n"));
    assert_begins(ask(*state, "\x16\x03\x01\r\n\r\n"), "HTTP/1.1 400 ");
    assert_begins(ask(*state, "GET / HTTP/3.0\r\n\r\n"), "HTTP/1.1 505 ");
}

static void an_endless_head_is_cut_off(void **state)
{
    char *text = malloc(20001);

    assert_non_null(text);
    memset(text, 'x', 20000);
    memcpy(text, "GET / HTTP/1.1\r\nX: ", 19);
    text[20000] = '\0';
    assert_begins(ask(*state, text), "HTTP/1.1 431 ");
    free(text);
}

static void the_oldest_makes_room(void **state)
{
    struct bed *bed = *state;
    struct client idle[4];

    for (int i = 0; i < 4; i++) {
        client_open(bed, &idle[i]);
        client_say(&idle[i], "GET /metrics HTTP/1.1\r\nX");
    }
    while (!idle[0].is_done)
        phu_loop_run(bed->sched);
    assert_int_equal(idle[0].length, 0);
    assert_false(idle[1].is_done);
    assert_begins(ask(bed, "GET /metrics HTTP/1.1\r\n\r\n"), "HTTP/1.1 200 ");
    for (int i = 0; i < 4; i++)
        client_close(&idle[i]);
}

static void closes_with_connections_open(void **state)
{
    struct bed *bed = *state;
    struct client client;

    client_open(bed, &client);
    client_say(&client, "GET /met");
    ask(bed, "GET /-/ready HTTP/1.1\r\n\r\n");
    phu_exporter_prometheus.close(bed->exporter);
    bed->exporter = NULL;
    client_close(&client);
}

static void refuses_to_listen_for_others(void **state)
{
    struct bed *bed = *state;
    char **listen = option(bed->conf, "listen");

    phu_exporter_prometheus.close(bed->exporter);
    bed->exporter = NULL;
    free(*listen);
    *listen = strdup("0.0.0.0:0");
    assert_int_equal(open_exporter(bed), -EINVAL);
}

static void says_when_the_port_is_taken(void **state)
{
    struct bed *bed = *state;
    void *first = bed->exporter;
    char **listen = option(bed->conf, "listen");
    char text[32];

    snprintf(text, sizeof text, "127.0.0.1:%d", bed->port);
    free(*listen);
    *listen = strdup(text);
    assert_int_equal(open_exporter(bed), -EADDRINUSE);
    bed->exporter = first;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(shows_statistics_grouped_and_escaped),
        TEST(tells_when_the_process_started),
        TEST(head_has_no_body),
        TEST(answers_each_kind_of_request),
        TEST(an_endless_head_is_cut_off),
        TEST(the_oldest_makes_room),
        TEST(closes_with_connections_open),
        TEST(refuses_to_listen_for_others),
        TEST(says_when_the_port_is_taken),
    };

    return cmocka_run_group_tests_name("prometheus", tests, NULL, NULL);
}
