/* Wiring. Parts are opened in the order of the list below and closed in reverse:
 *
 *   configuration and inventory, loop, statistics, names, HTTP,
 *   collectors (their sockets may need rights), then the rights are dropped,
 *   spool, outlets, checks.
 */
#include "agent.h"

#include "checks.h"
#include "commands.h"
#include "config.h"
#include "core/inventory.h"
#include "doubts.h"
#include "generation.h"
#include "loop.h"
#include "memory.h"
#include "monitor.h"
#include "notify.h"
#include "outages.h"
#include "outlets.h"
#include "phusong/collector.h"
#include "phusong/http.h"
#include "phusong/log.h"
#include "phusong/resolve.h"
#include "phusong/spool.h"
#include "phusong/stats.h"
#include "privilege.h"
#include "register.h"
#include "reload.h"
#include "roster.h"
#include "spool_conf.h"
#include "states_file.h"
#include "subjects.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#define ONCE_PER_SECOND 2000

/* A reload that has been read and is being followed, check by check. */
struct swap {
    struct phu_generation *before; /* NULL: none */
    struct phu_inventory *inventory;
    struct phu_inventory_diff diff;
};

struct agent {
    const struct phu_agent_args *args;
    struct phu_generation *generations; /* all still in use */
    struct phu_generation *first;       /* the collectors' */
    struct phu_generation *current;
    struct phu_inventory *inventory;

    struct phu_sched *sched;
    struct phu_stats *stats;
    struct phu_resolver *resolver;
    struct phu_http_client *http;
    struct phu_monitor *monitor;
    struct phu_checks *checks;
    struct phu_doubts doubts;
    struct phu_states_file states;
    struct phu_roster roster;
    struct swap swap;
    struct phu_spool *spool;
    struct phu_outages *outages; /* NULL with --once */
    struct phu_outlets outlets;
    struct phu_reload reload;
    struct phu_signal *signals[4];
    struct phu_timer watchdog;
    int64_t watchdog_ns;
    bool is_stopping;
};

/* -- Starting -------------------------------------------------------------------------------- */

static int read_files(struct agent *agent)
{
    struct phu_config *config;
    struct phu_diags diags;
    int error;

    phu_diags_init(&diags);
    error = phu_reload_read(agent->args->config, &diags, &config, &agent->inventory);
    phu_diags_print(&diags, stderr);
    phu_diags_fini(&diags);
    if (error)
        return error;
    agent->first = phu_generation_new(&agent->generations, config);
    agent->current = agent->first;
    phu_generation_use(agent->current);
    return 0;
}

static bool is_under_journal(void)
{
    return getenv("JOURNAL_STREAM") != NULL;
}

static void apply_log(const struct phu_config_log *log)
{
    const struct phu_config_log_module *modules = log->modules.items;

    phu_log_set_journal(log->journal == PHU_CONFIG_JOURNAL_YES ||
                        (log->journal == PHU_CONFIG_JOURNAL_AUTO && is_under_journal()));
    phu_log_clear_module_levels();
    phu_log_set_level((enum phu_log_level)log->level);
    for (size_t i = 0; i < log->modules.count; i++)
        phu_log_set_module_level(modules[i].module, (enum phu_log_level)modules[i].level);
}

static void emit_to_spool(void *arg, const char *line, size_t length, struct phu_wall at)
{
    struct agent *agent = arg;

    if (agent->spool)
        phu_spool_put(agent->spool, line, length, at); /* what it cannot take, it counts */
}

static void emit_to_stdout(void *arg, const char *line, size_t length, struct phu_wall at)
{
    (void)arg;
    (void)at;
    fwrite(line, 1, length, stdout);
}

static void verdict_came(void *arg, const struct phu_monitor_verdict *verdict)
{
    struct agent *agent = arg;

    phu_checks_verdict(agent->checks, verdict->check, verdict->result);
}

static void hurry(void *arg)
{
    struct agent *agent = arg;

    phu_outlets_hurry(&agent->outlets);
}

static const struct phu_credential *find_credential(void *arg, const char *name)
{
    struct agent *agent = arg;

    return phu_config_find_credential(agent->current->config, name);
}

static bool find_endpoint(void *arg, const char *id, struct phu_subject *subject)
{
    const struct agent *agent = arg;
    uint32_t endpoint = phu_inventory_find_endpoint(agent->inventory, id);

    if (endpoint == PHU_INVENTORY_NONE)
        return false;
    *subject = phu_subject_of_endpoint(agent->inventory, endpoint);
    return true;
}

static uint32_t find_primary(void *arg, const char *id)
{
    const struct agent *agent = arg;
    uint32_t endpoint = phu_inventory_find_endpoint(agent->inventory, id);

    return endpoint == PHU_INVENTORY_NONE || !agent->inventory->endpoints[endpoint].check_count
               ? 0
               : phu_roster_handle(&agent->roster, agent->inventory->endpoints[endpoint].checks);
}

static int apply_dns(struct agent *agent, const struct phu_config *config)
{
    const struct phu_strings *servers = &config->agent.dns_servers;

    return phu_resolver_set_servers(agent->resolver, (const char *const *)servers->items,
                                    servers->count, NULL);
}

static int open_basics(struct agent *agent)
{
    const struct phu_config *config = agent->current->config;
    struct phu_monitor_conf monitor = {
        .agent = config->agent.id,
        .window_ns = config->agent.window_ns,
        .emit = agent->args->is_once ? emit_to_stdout : emit_to_spool,
        .emit_arg = agent,
        .endpoint = find_endpoint,
        .primary = find_primary,
        .endpoint_arg = agent,
        .pace = agent->args->is_once ? NULL : &config->states,
    };
    int error = phu_loop_new(&agent->sched);

    if (error)
        return error;
    agent->stats = phu_stats_new();
    phu_loop_add_stats(agent->sched, agent->stats);
    error = phu_resolver_new(agent->sched, &agent->resolver);
    if (error)
        return error;
    phu_resolver_add_stats(agent->resolver, agent->stats);
    error = apply_dns(agent, config);
    if (error)
        return error;
    error = phu_http_client_new(agent->sched, agent->resolver, &agent->http);
    if (error)
        return error;
    monitor.stats = agent->args->is_once ? NULL : agent->stats; /* once: the endpoints alone */
    error = phu_monitor_new(agent->sched, &monitor, &agent->monitor);
    if (error)
        return error;
    phu_monitor_on_verdict(agent->monitor, verdict_came, agent);
    agent->checks = phu_checks_new(agent->sched, agent->stats, config->agent.id);
    if (!agent->args->is_once)
        phu_doubts_connect(&agent->doubts, agent->monitor, agent->checks, &config->states);
    return 0;
}

static void open_outages(struct agent *agent)
{
    const struct phu_config *config = agent->current->config;
    const struct phu_outages_env env = {
        .sched = agent->sched,
        .monitor = agent->monitor,
        .checks = agent->checks,
        .stats = agent->stats,
        .roster = &agent->roster,
        .agent = config->agent.id,
        .state_dir = config->agent.state_dir,
        .window_ns = config->agent.window_ns,
        .emit = emit_to_spool,
        .hurry = hurry,
        .arg = agent,
    };

    phu_outages_new(&env, &agent->outages);
}

static int open_collectors(struct agent *agent)
{
    const struct phu_config *config = agent->first->config;
    struct phu_collector_env env = {
        .sched = agent->sched,
        .sink = phu_monitor_sink(agent->monitor),
        .resolver = agent->resolver,
        .stats = agent->stats,
        .agent = config->agent.id,
        .state_dir = agent->args->is_once ? "" : config->agent.state_dir,
        .credential = find_credential,
        .credential_arg = agent,
    };

    agent->roster.monitor = agent->monitor;
    agent->roster.checks = agent->checks;
    phu_roster_init(&agent->roster, agent->sched);
    agent->roster.collectors = calloc(config->collector_count + 1, sizeof(void *));
    if (!agent->roster.collectors)
        abort();
    for (size_t i = 0; phu_collectors[i]; i++) {
        int error;

        env.files = config->files[i];
        if (agent->outages)
            env.sink = phu_outages_sink(agent->outages, phu_collectors[i]);
        error = phu_collectors[i]->open(&env, config->collector_options[i],
                                        &agent->roster.collectors[i]);

        if (error) {
            phu_log_error("agent", "a collector cannot be opened", "collector=%s err=\"%s\"",
                          phu_collectors[i]->name, strerror(-error));
            return error;
        }
    }
    return 0;
}

/* Consoles want to know names, the tree and the households. */
static void announce(struct agent *agent)
{
    size_t length;
    char *text = phu_register_text(agent->inventory, &length);

    phu_outlets_announce(&agent->outlets, text, length);
    free(text);
}

static int open_outlets(struct agent *agent)
{
    const struct phu_config *config = agent->current->config;
    size_t failed;
    int error;

    if (!agent->spool && phu_outlets_need_spool(config)) {
        error =
            phu_spool_conf_open(agent->first->config, agent->sched, agent->stats, &agent->spool);
        if (error) {
            phu_log_error("agent", "the spool cannot be opened", "err=\"%s\"", strerror(-error));
            return error;
        }
        phu_monitor_set_newest(agent->monitor, phu_spool_newest(agent->spool));
        phu_outages_set_spool(agent->outages, agent->spool);
    }
    agent->outlets.sched = agent->sched;
    agent->outlets.http = agent->http;
    agent->outlets.stats = agent->stats;
    agent->outlets.spool = agent->spool;
    failed = phu_outlets_apply(&agent->outlets, agent->current);
    announce(agent);
    if (agent->spool)
        phu_spool_conf_forget_others(config, agent->spool);
    if (!failed)
        return 0;
    phu_log_error("agent", "not every exporter is running", "failed=%zu see=\"the lines above\"",
                  failed);
    return -ECANCELED;
}

/* Checks begin when all have been attached: else the first ones would be late, and come at once. */
#define ATTACH_NS (10 * PHU_NS_PER_US)

static struct phu_mono boot_moment(const struct agent *agent)
{
    int64_t jitter = agent->current->config->agent.boot_jitter_ns;
    uint64_t random = 0;

    if (jitter > 0 && getrandom(&random, sizeof random, 0) < 0)
        random = (uint64_t)phu_wall_now().ns;
    return phu_mono_add(phu_sched_now(agent->sched),
                        jitter > 0 ? (int64_t)(random % (uint64_t)jitter) : 0);
}

/* -- Reload ---------------------------------------------------------------------------------- */

static void take_files(struct agent *agent, const struct phu_config *config)
{
    for (size_t i = 0; phu_collectors[i]; i++) {
        if (config->files[i])
            phu_collectors[i]->take_options_files(agent->roster.collectors[i], config->files[i]);
    }
}

static void forget_swap(struct agent *agent)
{
    phu_inventory_diff_fini(&agent->swap.diff);
    phu_inventory_free(agent->swap.inventory);
    agent->swap = (struct swap){.before = NULL};
}

static void followed(void *arg, size_t refused)
{
    struct agent *agent = arg;
    const struct phu_inventory_diff *diff = &agent->swap.diff;

    (void)refused; /* each has been logged */
    phu_outages_apply(agent->outages, agent->current->config, agent->inventory);
    open_outlets(agent); /* says what does not run */
    phu_generation_leave(agent->swap.before);
    phu_log_info("agent", "configuration reloaded", "unchanged=%u changed=%u added=%u removed=%u",
                 diff->unchanged, diff->changed, diff->added, diff->removed);
    forget_swap(agent);
    phu_memory_settle();
    phu_reload_done(&agent->reload, agent->current->config, agent->inventory);
}

static void reloaded(void *arg, struct phu_config *config, struct phu_inventory *inventory,
                     struct phu_inventory_diff *diff)
{
    struct agent *agent = arg;
    const char *restart = phu_config_needs_restart(agent->current->config, config);

    if (restart)
        phu_log_warn("agent", "part of the new configuration takes effect after a restart only",
                     "part=%s", restart);
    agent->swap.diff = *diff;
    agent->swap.inventory = agent->inventory;
    agent->swap.before = agent->current;
    agent->inventory = inventory;
    agent->current = phu_generation_new(&agent->generations, config);
    apply_log(&config->log);
    if (apply_dns(agent, config))
        phu_log_error("agent", "the name servers stay the old ones", "%s", "");
    take_files(agent, config);
    phu_roster_follow(&agent->roster, agent->current, inventory, &agent->swap.diff, followed,
                      agent);
}

/* -- Signals and the watchdog ---------------------------------------------------------------- */

static void drained(void *arg)
{
    struct agent *agent = arg;

    phu_loop_stop(agent->sched);
}

/* The first signal waits for the verdicts of what was sent, the second does not. */
static void stop(struct agent *agent, int number)
{
    const char *name = number == SIGINT ? "INT" : "TERM";

    if (agent->is_stopping) {
        phu_log_info("agent", "stopping at once", "signal=%s", name);
        phu_loop_stop(agent->sched);
        return;
    }
    agent->is_stopping = true;
    phu_log_info("agent", "stopping", "signal=%s", name);
    phu_notify("STOPPING=1");
    phu_reload_close(&agent->reload);
    phu_roster_halt(&agent->roster);
    phu_checks_drain(agent->checks, drained, agent);
}

static void signal_came(void *arg, int number)
{
    struct agent *agent = arg;

    switch (number) {
    case SIGHUP:
        if (!agent->args->is_once && !agent->is_stopping)
            phu_reload_start(&agent->reload);
        break;
    case SIGUSR1:
        phu_log_info("agent", "ending the windows", "signal=USR1");
        phu_monitor_flush(agent->monitor);
        if (agent->spool)
            phu_spool_sync(agent->spool);
        break;
    default:
        stop(agent, number);
    }
}

static int open_signals(struct agent *agent)
{
    static const int numbers[] = {SIGINT, SIGTERM, SIGHUP, SIGUSR1};

    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        int error =
            phu_loop_signal_open(agent->sched, numbers[i], signal_came, agent, &agent->signals[i]);

        if (error)
            return error;
    }
    return 0;
}

static void watchdog_due(struct phu_timer *timer)
{
    struct agent *agent = phu_container_of(timer, struct agent, watchdog);

    phu_notify("WATCHDOG=1");
    phu_timer_after(agent->sched, timer, agent->watchdog_ns);
}

static void start_watchdog(struct agent *agent)
{
    phu_timer_init(&agent->watchdog, watchdog_due);
    agent->watchdog_ns = phu_notify_watchdog_ns();
    if (agent->watchdog_ns > 0)
        phu_timer_after(agent->sched, &agent->watchdog, agent->watchdog_ns);
}

/* -- Running --------------------------------------------------------------------------------- */

static int run_once(struct agent *agent)
{
    size_t refused = phu_roster_fill(&agent->roster, agent->current, agent->inventory);
    int error = open_signals(agent);

    if (error)
        return error;
    phu_checks_run_once(agent->checks, ONCE_PER_SECOND, drained, agent);
    phu_loop_run(agent->sched);
    phu_monitor_flush(agent->monitor);
    if (fflush(stdout) || ferror(stdout)) {
        phu_log_error("agent", "not every point could be printed", "%s", "to=\"standard output\"");
        return -EIO;
    }
    return refused ? -EIO : 0;
}

static void open_states(struct agent *agent)
{
    agent->states = (struct phu_states_file){.sched = agent->sched,
                                             .monitor = agent->monitor,
                                             .roster = &agent->roster,
                                             .inventory = &agent->inventory};
    phu_states_file_open(&agent->states, agent->first->config->agent.state_dir);
}

static void say_ready(const struct agent *agent)
{
    const struct phu_inventory *inventory = agent->inventory;

    phu_log_info("agent", "running",
                 "version=" PHU_VERSION " agent=%s hamlets=%u endpoints=%u devices=%u checks=%u",
                 agent->current->config->agent.id, inventory->hamlet_count,
                 inventory->endpoint_count, inventory->device_count, inventory->check_count);
    phu_notify("READY=1\nSTATUS=%u checks of %u endpoints and %u devices", inventory->check_count,
               inventory->endpoint_count, inventory->device_count);
}

static int run(struct agent *agent)
{
    int error = phu_privilege_drop(agent->current->config->agent.user);

    if (error)
        return error;
    error = open_outlets(agent);
    if (error)
        return error;
    phu_checks_hold_until(
        agent->checks, phu_mono_add(boot_moment(agent), agent->inventory->check_count * ATTACH_NS));
    phu_roster_fill(&agent->roster, agent->current, agent->inventory);
    open_states(agent);
    phu_outages_apply(agent->outages, agent->current->config, agent->inventory);
    agent->reload = (struct phu_reload){.sched = agent->sched,
                                        .stats = agent->stats,
                                        .file = agent->args->config,
                                        .config = agent->current->config,
                                        .inventory = agent->inventory,
                                        .loaded = reloaded,
                                        .arg = agent};
    phu_reload_init(&agent->reload);
    error = open_signals(agent);
    if (error)
        return error;
    start_watchdog(agent);
    phu_memory_settle();
    say_ready(agent);
    phu_loop_run(agent->sched);
    phu_monitor_flush(agent->monitor);
    return 0;
}

/* -- Stopping -------------------------------------------------------------------------------- */

static void close_collectors(struct agent *agent)
{
    for (size_t i = 0; agent->roster.collectors && phu_collectors[i]; i++) {
        if (agent->roster.collectors[i])
            phu_collectors[i]->close(agent->roster.collectors[i]);
    }
    free(agent->roster.collectors);
}

static void close_all(struct agent *agent)
{
    if (agent->sched)
        phu_timer_cancel(agent->sched, &agent->watchdog);
    phu_states_file_close(&agent->states);
    if (agent->outages)
        phu_outages_close(agent->outages);
    phu_roster_empty(&agent->roster);
    phu_generation_leave(agent->swap.before); /* where a reload was not followed to its end */
    forget_swap(agent);
    close_collectors(agent);
    phu_outages_free(agent->outages);
    phu_outlets_close(&agent->outlets);
    if (agent->spool)
        phu_spool_close(agent->spool);
    phu_checks_free(agent->checks);
    phu_monitor_free(agent->monitor);
    phu_http_client_free(agent->http);
    phu_resolver_free(agent->resolver);
    /* Last, so that an impatient second signal does not kill us while the spool is written. */
    for (size_t i = 0; i < sizeof agent->signals / sizeof *agent->signals; i++)
        phu_loop_signal_close(agent->signals[i]);
    if (agent->sched)
        phu_loop_free(agent->sched);
    phu_states_file_fini(&agent->states);
    phu_stats_free(agent->stats);
    phu_inventory_free(agent->inventory);
    phu_generation_leave(agent->current);
    phu_generation_leave(agent->first);
}

int phu_agent_run(const struct phu_agent_args *args)
{
    struct agent agent = {.args = args};
    int error;

    phu_memory_init();
    signal(SIGPIPE, SIG_IGN);
    signal(SIGHUP, SIG_IGN); /* until it can be obeyed; its default would end the process */
    if (read_files(&agent))
        return PHU_EXIT_USAGE;
    apply_log(&agent.current->config->log);
    phu_privilege_raise_files();
    error = open_basics(&agent);
    if (!error && !args->is_once)
        open_outages(&agent);
    if (!error)
        error = open_collectors(&agent);
    if (!error)
        error = args->is_once ? run_once(&agent) : run(&agent);
    if (error)
        phu_log_error("agent", "ending", "err=\"%s\"", strerror(-error));
    close_all(&agent);
    return error ? PHU_EXIT_SYSTEM : PHU_EXIT_OK;
}
