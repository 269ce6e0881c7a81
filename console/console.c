/* Wiring. Parts are opened in the order of the list and closed in reverse:
 *
 *   configuration, loop, statistics, names and HTTP client, socket; then the rights are dropped:
 *   store, tokens, maintenance, alerts, rules, ingest, routes.
 *
 * SIGTERM: what has been taken is stored and answered, then the connections are cut.
 */
#include "console.h"

#include "alerts/alert_routes.h"
#include "alerts/alerts.h"
#include "alerts/maintenance.h"
#include "api.h"
#include "config.h"
#include "console_commands.h"
#include "http/server.h"
#include "ingest/ingest.h"
#include "live.h"
#include "loop.h"
#include "memory.h"
#include "notify.h"
#include "privilege.h"
#include "stats_text.h"
#include "store/store.h"
#include "tokens.h"

#include "phusong/err.h"
#include "phusong/http.h"
#include "phusong/log.h"
#include "phusong/resolve.h"
#include "phusong/stats.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define MODULE "console"
#define LOOK_NS (60 * PHU_NS_PER_S)

struct console {
    const char *file;
    struct phu_console_conf conf;
    struct phu_sched *sched;
    struct phu_stats *stats;
    struct phu_resolver *resolver;
    struct phu_http_client *http;
    struct phu_server *server;
    struct phu_store *store;
    struct phu_tokens *tokens;
    struct phu_maintenance maintenance;
    struct phu_alerts *alerts;
    struct phu_live *live;
    struct phu_ingest *ingest;
    struct phu_api *api;
    struct phu_alert_routes *alert_routes;
    struct phu_signal *signals[3];
    struct phu_timer watchdog, look;
    int64_t watchdog_ns;
    bool is_stopping;
};

/* -- Configuration ------------------------------------------------------------------------------
 */

static int read_conf(struct console *console)
{
    struct phu_diags diags;
    int error;

    phu_diags_init(&diags);
    error = phu_console_conf_load(console->file, &diags, &console->conf);
    phu_diags_print(&diags, stderr);
    phu_diags_fini(&diags);
    return error;
}

static void apply_log(const struct phu_console_log_conf *log)
{
    bool is_journal = getenv("JOURNAL_STREAM") != NULL;

    phu_log_set_journal(log->journal == PHU_CONSOLE_JOURNAL_YES ||
                        (log->journal == PHU_CONSOLE_JOURNAL_AUTO && is_journal));
    phu_log_set_level((enum phu_log_level)log->level);
}

/* -- Small routes ---------------------------------------------------------------------------------
 */

static void add_version(struct phu_request *request)
{
    phu_request_set_header(request, "X-Influxdb-Version", "phusong-" PHU_VERSION);
}

static void answer_ping(void *arg, struct phu_request *request)
{
    const char *verbose = phu_request_query(request, "verbose");

    (void)arg;
    add_version(request);
    if (verbose && strcmp(verbose, "0") != 0 && strcmp(verbose, "false") != 0)
        phu_request_reply(request, 200, "application/json",
                          strdup("{\"version\":\"phusong-" PHU_VERSION "\"}\n"),
                          strlen("{\"version\":\"phusong-" PHU_VERSION "\"}\n"));
    else
        phu_request_reply(request, 204, NULL, NULL, 0);
    phu_request_finish(request);
}

static void answer_health(void *arg, struct phu_request *request)
{
    const struct console *console = arg;
    const char *trouble = phu_ingest_trouble(console->ingest);
    char *text;
    int length = asprintf(&text,
                          "{\"name\":\"phusong\",\"status\":\"%s\",\"message\":\"%s\","
                          "\"version\":\"" PHU_VERSION "\"}\n",
                          trouble ? "fail" : "pass", trouble ? trouble : "ready to store points");

    if (length < 0)
        abort();
    phu_request_reply(request, trouble ? 503 : 200, "application/json", text, (size_t)length);
    phu_request_finish(request);
}

static void answer_metrics(void *arg, struct phu_request *request)
{
    const struct console *console = arg;
    size_t length = 0;
    char *text = phu_stats_text(console->stats, NULL, PHU_VERSION, &length);

    phu_request_reply(request, text ? 200 : 500, PHU_STATS_TEXT_TYPE, text, length);
    phu_request_finish(request);
}

static void add_routes(struct console *console)
{
    const size_t max_body = (size_t)console->conf.limits.max_body;
    const struct phu_route routes[] = {
        {.method = "POST",
         .path = "/api/v2/write",
         .role = PHU_ROLE_AGENT,
         .body_max = max_body,
         .handle = phu_ingest_write,
         .arg = console->ingest},
        {.method = "POST",
         .path = "/write",
         .role = PHU_ROLE_AGENT,
         .body_max = max_body,
         .handle = phu_ingest_write,
         .arg = console->ingest},
        {.method = "PUT",
         .path = "/api/v1/agents/:id/inventory",
         .role = PHU_ROLE_AGENT,
         .body_max = max_body,
         .handle = phu_ingest_inventory,
         .arg = console->ingest},
        {.method = "GET", .path = "/ping", .handle = answer_ping},
        {.method = "GET", .path = "/health", .handle = answer_health, .arg = console},
        {.method = "GET",
         .path = "/metrics",
         .role = PHU_ROLE_READ,
         .is_local_free = true,
         .handle = answer_metrics,
         .arg = console},
    };

    for (size_t i = 0; i < sizeof routes / sizeof *routes; i++)
        phu_server_route(console->server, &routes[i]);
    console->api = phu_api_add(console->server, console->conf.store.path,
                               console->conf.limits.question_timeout_ns);
    console->alert_routes =
        phu_alert_routes_add(console->server, console->alerts, console->conf.state_dir);
}

/* -- Opening ------------------------------------------------------------------------------------
 */

static int say(int error, const char *what, const char *why)
{
    phu_log_error(MODULE, "cannot start", "part=\"%s\" error=\"%s\"", what,
                  *why ? why : strerror(-error));
    return error;
}

static int open_server(struct console *console)
{
    const struct phu_console_limits_conf *limits = &console->conf.limits;
    struct phu_server_conf conf = {
        .listen = console->conf.listen,
        .certificate = console->conf.tls.certificate,
        .key = console->conf.tls.key,
        .max_connections = (size_t)limits->max_connections,
        .max_connections_per_address = (size_t)limits->max_connections_per_address,
        .max_bodies = (size_t)limits->max_bodies,
        .max_work = (unsigned)limits->questions,
        .header_timeout_ns = limits->header_timeout_ns,
        .body_timeout_ns = limits->body_timeout_ns,
        .idle_timeout_ns = limits->idle_timeout_ns,
        .identify = phu_tokens_identify,
        .identify_arg = console->tokens,
    };
    char why[400] = "";
    int error =
        phu_server_open(console->sched, &conf, console->stats, &console->server, why, sizeof why);

    return error ? say(error, "server", why) : 0;
}

static int open_basics(struct console *console)
{
    int error = phu_loop_new(&console->sched);

    if (error)
        return error;
    console->stats = phu_stats_new();
    phu_loop_add_stats(console->sched, console->stats);
    error = phu_resolver_new(console->sched, &console->resolver);
    if (!error)
        error = phu_http_client_new(console->sched, console->resolver, &console->http);
    return error;
}

static int open_state(struct console *console)
{
    const struct phu_console_conf *conf = &console->conf;
    char why[400] = "";
    struct stat info;
    int error;

    if (mkdir(conf->state_dir, 0750) < 0 && errno != EEXIST)
        return say(-errno, conf->state_dir, "");
    if (stat(conf->state_dir, &info) < 0 || !S_ISDIR(info.st_mode))
        return say(-ENOTDIR, conf->state_dir, "state_dir is no folder");
    error = phu_tokens_open(conf->state_dir, &console->tokens, why, sizeof why);
    return error ? say(error, "tokens", why) : 0;
}

static int open_store(struct console *console)
{
    char why[400] = "", *path;
    int error = phu_store_open(&console->conf.store, &console->store, why, sizeof why);

    if (error)
        return say(error, "store", why);
    if (asprintf(&path, "%s/maintenance.json", console->conf.state_dir) < 0)
        abort();
    error = phu_maintenance_open(path, &console->maintenance, why, sizeof why);
    free(path);
    return error ? say(error, "maintenance", why) : 0;
}

static int open_alerts(struct console *console)
{
    struct phu_alerts_env env = {
        .sched = console->sched,
        .http = console->http,
        .stats = console->stats,
        .state_dir = console->conf.state_dir,
        .maintenance = &console->maintenance,
    };
    struct phu_live_env live = {
        .sched = console->sched,
        .stats = console->stats,
        .rules = &console->conf.rules,
        .state_dir = console->conf.state_dir,
        .store = console->conf.store.path,
    };
    char why[400] = "";
    int error = phu_alerts_open(&env, &console->conf.alerts, &console->alerts, why, sizeof why);

    if (error)
        return say(error, "alerts", why);
    if (!console->conf.rules.count) {
        phu_log_info(MODULE, "no rules are named, so there will be no alerts", "%s", "");
        return 0;
    }
    live.alerts = console->alerts;
    error = phu_live_open(&live, &console->live);
    return error ? say(error, "rules", "see the mistakes above") : 0;
}

static void open_ingest(struct console *console)
{
    struct phu_ingest_conf conf = {
        .max_body = (size_t)console->conf.limits.max_body,
        .max_ahead_ns = console->conf.limits.max_ahead_ns,
        .backfill_after_ns = console->conf.backfill_after_ns,
        .lines_per_second = console->conf.limits.lines_per_second,
    };
    struct phu_ingest_taps taps = {
        .wants = phu_live_wants,
        .feed = phu_live_feed,
        .fed = phu_live_fed,
        .arg = console->live,
    };

    console->ingest = phu_ingest_new(console->sched, console->store, &conf,
                                     console->live ? &taps : NULL, console->stats);
}

/* -- Signals, the watchdog, certificates
 * ----------------------------------------------------------- */

static void drained(void *arg)
{
    struct console *console = arg;

    phu_loop_stop(console->sched);
}

static void look_at_certificate(struct console *console)
{
    char why[400] = "";

    if (phu_server_reload_tls(console->server, why, sizeof why) < 0)
        phu_log_error(MODULE, "the changed certificate is not used; the old one stays",
                      "error=\"%s\"", why);
}

static void look_due(struct phu_timer *timer)
{
    struct console *console = phu_container_of(timer, struct console, look);

    look_at_certificate(console);
    phu_timer_after(console->sched, timer, LOOK_NS);
}

static void signal_came(void *arg, int number)
{
    struct console *console = arg;

    if (number == SIGHUP) {
        look_at_certificate(console);
        if (console->live)
            phu_live_reload(console->live);
        return;
    }
    if (console->is_stopping) {
        phu_loop_stop(console->sched);
        return;
    }
    console->is_stopping = true;
    phu_log_info(MODULE, "stopping", "signal=%s", number == SIGINT ? "INT" : "TERM");
    phu_notify("STOPPING=1");
    phu_ingest_drain(console->ingest, drained, console);
}

static int open_signals(struct console *console)
{
    static const int numbers[] = {SIGINT, SIGTERM, SIGHUP};

    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        int error = phu_loop_signal_open(console->sched, numbers[i], signal_came, console,
                                         &console->signals[i]);

        if (error)
            return error;
    }
    return 0;
}

static void watchdog_due(struct phu_timer *timer)
{
    struct console *console = phu_container_of(timer, struct console, watchdog);

    phu_notify("WATCHDOG=1");
    phu_timer_after(console->sched, timer, console->watchdog_ns);
}

/* -- Running --------------------------------------------------------------------------------------
 */

static void say_ready(const struct console *console)
{
    size_t tokens = phu_tokens_count(console->tokens);

    phu_log_info(MODULE, "running",
                 "version=" PHU_VERSION " listen=\"%s\" port=%u tls=%s tokens=%zu",
                 console->conf.listen, phu_server_port(console->server),
                 *console->conf.tls.certificate ? "yes" : "no", tokens);
    if (!tokens)
        phu_log_warn(MODULE, "nobody may write yet: phusong console token create makes tokens",
                     "state_dir=\"%s\"", console->conf.state_dir);
    phu_notify("READY=1\nSTATUS=listening on port %u", phu_server_port(console->server));
}

/* The socket may need rights, so it comes before they are dropped; nobody is answered before the
 * loop runs. */
static int open_all(struct console *console)
{
    int error = open_basics(console);

    if (error)
        return say(error, "event loop", "");
    error = open_state(console);
    if (!error)
        error = open_server(console);
    if (!error)
        error = phu_privilege_drop(console->conf.user);
    if (!error)
        error = open_store(console);
    if (!error)
        error = open_alerts(console);
    if (error)
        return error;
    open_ingest(console);
    add_routes(console);
    return open_signals(console);
}

static void run(struct console *console)
{
    phu_timer_after(console->sched, &console->look, LOOK_NS);
    console->watchdog_ns = phu_notify_watchdog_ns();
    if (console->watchdog_ns > 0)
        phu_timer_after(console->sched, &console->watchdog, console->watchdog_ns);
    say_ready(console);
    phu_loop_run(console->sched);
}

static void close_all(struct console *console)
{
    if (console->sched) {
        phu_timer_cancel(console->sched, &console->watchdog);
        phu_timer_cancel(console->sched, &console->look);
    }
    phu_server_close(console->server);
    phu_ingest_free(console->ingest);
    phu_live_close(console->live);
    phu_alerts_close(console->alerts);
    phu_maintenance_fini(&console->maintenance);
    phu_http_client_free(console->http);
    phu_resolver_free(console->resolver);
    for (size_t i = 0; i < sizeof console->signals / sizeof *console->signals; i++)
        phu_loop_signal_close(console->signals[i]);
    if (console->sched)
        phu_loop_free(console->sched);
    /* What pool threads were still using. */
    phu_alert_routes_free(console->alert_routes);
    phu_api_free(console->api);
    phu_store_close(console->store);
    phu_tokens_free(console->tokens);
    phu_stats_free(console->stats);
    phu_console_conf_free(&console->conf);
}

int phu_console_run(const char *config)
{
    struct console console = {.file = config};
    int error;

    phu_memory_init();
    signal(SIGPIPE, SIG_IGN);
    signal(SIGHUP, SIG_IGN); /* until it can be obeyed */
    if (read_conf(&console))
        return PHU_EXIT_USAGE;
    apply_log(&console.conf.log);
    phu_privilege_raise_files();
    phu_timer_init(&console.watchdog, watchdog_due);
    phu_timer_init(&console.look, look_due);
    error = open_all(&console);
    if (!error)
        run(&console);
    close_all(&console);
    return error ? PHU_EXIT_SYSTEM : PHU_EXIT_OK;
}
