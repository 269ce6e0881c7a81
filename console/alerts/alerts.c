#include "alerts.h"

#include "alertmanager.h"
#include "book.h"
#include "entry.h"
#include "ledger.h"
#include "maintenance.h"
#include "mem.h"
#include "phusong/log.h"
#include "phusong/stats.h"
#include "webhook.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MODULE "alerts"
#define TICK_NS (5 * PHU_NS_PER_S)
#define PRUNE_NS (3600 * PHU_NS_PER_S)
/* How long an Alertmanager that does not answer is still told of an end. */
#define END_KEPT_NS (24 * INT64_C(3600) * PHU_NS_PER_S)

static const struct phu_option options[] = {
    {.name = "alertmanagers",
     .type = PHU_OPTION_LIST,
     .offset = offsetof(struct phu_alerts_conf, alertmanagers),
     .fallback = "[]",
     .table = &phu_alertmanager_options,
     .unique = "name",
     .most = 16,
     .meaning = "Alertmanagers; each is told everything"},
    {.name = "webhooks",
     .type = PHU_OPTION_LIST,
     .offset = offsetof(struct phu_alerts_conf, webhooks),
     .fallback = "[]",
     .table = &phu_webhook_options,
     .unique = "name",
     .most = 16,
     .meaning = "URLs that each change of an alert is posted to"},
    {.name = "resend",
     .type = PHU_OPTION_DURATION,
     .offset = offsetof(struct phu_alerts_conf, resend_ns),
     .fallback = "1m",
     .min = "1s",
     .max = "1h",
     .meaning = "how often Alertmanagers are told again what stands; when this console is gone, "
                "they end an alert after four times as long"},
    {.name = "keep",
     .type = PHU_OPTION_DURATION,
     .offset = offsetof(struct phu_alerts_conf, keep_ns),
     .fallback = "400d",
     .min = "1d",
     .max = "3650d",
     .meaning = "how long alerts that are over are kept"},
    {.name = "external_url",
     .type = PHU_OPTION_STRING,
     .offset = offsetof(struct phu_alerts_conf, external_url),
     .fallback = "",
     .example = "https://phusong.example",
     .meaning = "where people reach this console, for the links in notifications"},
};
const struct phu_option_table phu_alerts_options =
    PHU_OPTION_TABLE(options, struct phu_alerts_conf);

struct phu_alerts {
    struct phu_alerts_env env;
    const struct phu_alerts_conf *conf;
    struct phu_outlet_env outlet_env;
    struct phu_book *book;
    struct phu_ledger ledger;
    struct phu_alertmanager **managers;
    struct phu_webhook **webhooks;
    struct phu_timer tick;
    char *generator;
    int64_t letter_number; /* the last one */
    int64_t maintenance_due_ns;
    struct phu_mono pruned;
    bool is_maintenance_broken;
};

static int64_t wall_ns(const struct phu_alerts *alerts)
{
    return phu_sched_wall(alerts->env.sched).ns;
}

/* -- Telling ---------------------------------------------------------------------------------- */

static void tell(struct phu_alerts *alerts, const struct phu_entry *entry, const char *event)
{
    phu_book_write_alert(alerts->book, entry);
    if (*entry->silenced_by)
        return;
    for (size_t i = 0; i < alerts->conf->webhooks.count; i++)
        phu_webhook_put(alerts->webhooks[i], entry, event, ++alerts->letter_number);
    for (size_t i = 0; i < alerts->conf->alertmanagers.count; i++)
        phu_alertmanager_wake(alerts->managers[i]);
}

static void silence(struct phu_alerts *alerts, struct phu_entry *entry)
{
    const struct phu_maintenance_window *window =
        alerts->env.maintenance
            ? phu_maintenance_covers(alerts->env.maintenance, entry->labels, wall_ns(alerts))
            : NULL;

    snprintf(entry->silenced_by, sizeof entry->silenced_by, "%s", window ? window->id : "");
}

static void begin(struct phu_alerts *alerts, struct phu_entry *entry)
{
    silence(alerts, entry);
    phu_ledger_add(&alerts->ledger, entry);
    phu_log_info(MODULE, *entry->silenced_by ? "alert, under maintenance" : "alert",
                 "alertname=\"%s\" fingerprint=%016llx", phu_entry_label(entry, "alertname"),
                 (unsigned long long)entry->fingerprint);
    tell(alerts, entry, "firing");
}

void phu_alerts_put(void *arg, const struct phu_alert *alert)
{
    struct phu_alerts *alerts = arg;
    struct phu_entry *entry, *standing;

    if (alert->fired_ns == 0)
        return;
    entry = phu_entry_new(alert, alerts->conf->alertmanagers.count);
    standing = phu_ledger_standing(&alerts->ledger, entry->labels, entry->fingerprint);
    if (!standing && !alert->resolved_ns) {
        begin(alerts, entry);
        return;
    }
    phu_entry_free(entry);
    if (!standing || !phu_entry_update(standing, alert))
        return;
    if (standing->resolved_ns)
        phu_log_info(MODULE, "alert is over", "alertname=\"%s\" fingerprint=%016llx",
                     phu_entry_label(standing, "alertname"),
                     (unsigned long long)standing->fingerprint);
    tell(alerts, standing, standing->resolved_ns ? "resolved" : "changed");
}

/* The engine has it: marked for phu_alerts_reconcile(). */
static void mark_known(void *arg, const struct phu_alert *alert)
{
    struct phu_alerts *alerts = arg;
    struct phu_entry *entry = phu_entry_new(alert, 0), *standing;

    standing = alert->fired_ns
                   ? phu_ledger_standing(&alerts->ledger, entry->labels, entry->fingerprint)
                   : NULL;
    phu_entry_free(entry);
    if (standing)
        standing->is_known = true;
}

void phu_alerts_reconcile(struct phu_alerts *alerts, const struct phu_rules_engine *engine)
{
    struct phu_entry *entry = NULL;

    while ((entry = phu_ledger_next(&alerts->ledger, entry)))
        entry->is_known = false;
    phu_rules_visit(engine, mark_known, alerts);
    while ((entry = phu_ledger_next(&alerts->ledger, entry))) {
        if (entry->is_known || entry->resolved_ns)
            continue;
        entry->resolved_ns = wall_ns(alerts);
        entry->generation++;
        phu_log_info(MODULE, "alert is over: no rule knows of it any more",
                     "alertname=\"%s\" fingerprint=%016llx", phu_entry_label(entry, "alertname"),
                     (unsigned long long)entry->fingerprint);
        tell(alerts, entry, "resolved");
    }
}

/* -- Maintenance ------------------------------------------------------------------------------ */

/* What fired under a maintenance that is over now, and still stands, is told now. */
static void review_silences(struct phu_alerts *alerts)
{
    struct phu_entry *entry = NULL;

    while ((entry = phu_ledger_next(&alerts->ledger, entry))) {
        if (!*entry->silenced_by || entry->resolved_ns)
            continue;
        silence(alerts, entry);
        if (*entry->silenced_by)
            continue;
        entry->generation++;
        tell(alerts, entry, "firing");
    }
}

void phu_alerts_maintenance_changed(struct phu_alerts *alerts)
{
    review_silences(alerts);
    alerts->maintenance_due_ns =
        phu_maintenance_next_change(alerts->env.maintenance, wall_ns(alerts));
}

static void refresh_maintenance(struct phu_alerts *alerts)
{
    char why[256];
    int changed;

    if (!alerts->env.maintenance)
        return;
    changed = phu_maintenance_refresh(alerts->env.maintenance, why, sizeof why);
    if (changed < 0 && !alerts->is_maintenance_broken)
        phu_log_error(MODULE, "the file of maintenance is broken; what it said before holds",
                      "error=\"%s\"", why);
    alerts->is_maintenance_broken = changed < 0;
    if (changed > 0 || wall_ns(alerts) >= alerts->maintenance_due_ns)
        phu_alerts_maintenance_changed(alerts);
}

/* -- Housekeeping ----------------------------------------------------------------------------- */

static bool is_told_to_all(const struct phu_alerts *alerts, const struct phu_entry *entry)
{
    for (size_t i = 0; i < alerts->conf->alertmanagers.count; i++) {
        if (entry->told[i].generation < entry->generation)
            return false;
    }
    return true;
}

static bool is_over(void *arg, const struct phu_entry *entry)
{
    struct phu_alerts *alerts = arg;
    int64_t age_ns = wall_ns(alerts) - entry->resolved_ns;

    if (!entry->resolved_ns)
        return false;
    if (*entry->silenced_by || age_ns > END_KEPT_NS)
        return true;
    return age_ns > PHU_ALERTMANAGER_TELLS_END_NS && is_told_to_all(alerts, entry);
}

static void tick(struct phu_timer *timer)
{
    struct phu_alerts *alerts = phu_container_of(timer, struct phu_alerts, tick);
    struct phu_mono now = phu_sched_now(alerts->env.sched);

    refresh_maintenance(alerts);
    phu_ledger_sweep(&alerts->ledger, is_over, alerts);
    if (phu_mono_since(now, alerts->pruned) >= PRUNE_NS) {
        alerts->pruned = now;
        phu_book_prune(alerts->book, wall_ns(alerts) - alerts->conf->keep_ns);
    }
    phu_timer_after(alerts->env.sched, &alerts->tick, TICK_NS);
}

/* -- Opening ---------------------------------------------------------------------------------- */

struct restoring {
    struct phu_alerts *alerts;
    struct phu_book_reader *reader;
};

static void restore_alert(void *arg, const struct phu_entry *entry)
{
    struct restoring *restoring = arg;
    struct phu_alerts *alerts = restoring->alerts;
    size_t managers = alerts->conf->alertmanagers.count;
    struct phu_entry *copy = phu_mem_alloc(1, sizeof *copy);

    *copy = *entry;
    json_incref(copy->labels);
    json_incref(copy->annotations);
    copy->told = phu_mem_alloc(managers + 1, sizeof *copy->told);
    for (size_t i = 0; i < managers; i++) {
        const struct phu_alertmanager_conf *conf = alerts->conf->alertmanagers.items;

        copy->told[i].generation =
            phu_book_read_told(restoring->reader, entry, conf[i].outlet.name);
    }
    phu_ledger_add(&alerts->ledger, copy);
}

static void restore_letter(void *arg, int64_t number, const char *outlet, const char *body)
{
    struct phu_alerts *alerts = ((struct restoring *)arg)->alerts;

    if (number > alerts->letter_number)
        alerts->letter_number = number;
    for (size_t i = 0; i < alerts->conf->webhooks.count; i++) {
        if (strcmp(phu_webhook_name(alerts->webhooks[i]), outlet) == 0) {
            phu_webhook_restore(alerts->webhooks[i], number, body);
            return;
        }
    }
    phu_book_remove_letter(alerts->book, number); /* that webhook is no longer configured */
}

static int restore(struct phu_alerts *alerts, const char *path, char *why, size_t why_size)
{
    struct phu_book_filter filter = {.from_ns = wall_ns(alerts) - END_KEPT_NS};
    struct restoring restoring = {.alerts = alerts};
    int error = phu_book_reader_open(path, &restoring.reader, why, why_size);

    if (error < 0)
        return error;
    error = phu_book_read_alerts(restoring.reader, &filter, restore_alert, &restoring);
    if (error == 0)
        error = phu_book_read_letters(restoring.reader, restore_letter, &restoring);
    if (error < 0)
        snprintf(why, why_size, "cannot read %s", path);
    phu_book_reader_close(restoring.reader);
    /* Numbers are identities at the receivers: those of letters that were taken are not used
     * again. */
    if (alerts->letter_number < wall_ns(alerts) / PHU_NS_PER_US)
        alerts->letter_number = wall_ns(alerts) / PHU_NS_PER_US;
    return error;
}

static void open_outlets(struct phu_alerts *alerts)
{
    const struct phu_alertmanager_conf *managers = alerts->conf->alertmanagers.items;
    const struct phu_webhook_conf *webhooks = alerts->conf->webhooks.items;

    for (size_t i = 0; i < alerts->conf->alertmanagers.count; i++)
        alerts->managers[i] =
            phu_alertmanager_new(&alerts->outlet_env, &managers[i], i, alerts->conf->resend_ns);
    for (size_t i = 0; i < alerts->conf->webhooks.count; i++)
        alerts->webhooks[i] = phu_webhook_new(&alerts->outlet_env, &webhooks[i]);
}

static double count_standing(void *arg)
{
    const struct phu_alerts *alerts = arg;
    struct phu_entry *entry = NULL;
    int64_t count = 0;

    while ((entry = phu_ledger_next(&alerts->ledger, entry)))
        count += entry->resolved_ns == 0;
    return (double)count;
}

static double count_book_failures(void *arg)
{
    const struct phu_alerts *alerts = arg;

    return (double)phu_book_failures(alerts->book);
}

static void add_stats(struct phu_alerts *alerts)
{
    static const struct phu_stat_info standing = {
        .name = "phusong_console_alerts", .kind = PHU_STAT_GAUGE, .help = "Alerts that stand"};
    static const struct phu_stat_info failures = {
        .name = "phusong_console_alert_book_failures_total",
        .kind = PHU_STAT_COUNTER,
        .help = "Times that alerts could not be written to disk"};

    if (!alerts->env.stats)
        return;
    phu_stats_add_read(alerts->env.stats, &standing, NULL, count_standing, alerts);
    phu_stats_add_read(alerts->env.stats, &failures, NULL, count_book_failures, alerts);
}

static char *generator_of(const char *external_url)
{
    size_t length = strlen(external_url);
    char *url;

    while (length > 0 && external_url[length - 1] == '/')
        length--;
    if (asprintf(&url, length ? "%.*s/alerts" : "%.*s", (int)length, external_url) < 0)
        abort();
    return url;
}

int phu_alerts_open(const struct phu_alerts_env *env, const struct phu_alerts_conf *conf,
                    struct phu_alerts **out, char *why, size_t why_size)
{
    struct phu_alerts *alerts = phu_mem_alloc(1, sizeof *alerts);
    char path[4096];
    int error;

    alerts->env = *env;
    alerts->conf = conf;
    phu_ledger_init(&alerts->ledger);
    phu_timer_init(&alerts->tick, tick);
    alerts->managers = phu_mem_alloc(conf->alertmanagers.count + 1, sizeof(void *));
    alerts->webhooks = phu_mem_alloc(conf->webhooks.count + 1, sizeof(void *));
    alerts->generator = generator_of(conf->external_url);
    snprintf(path, sizeof path, "%s/alerts.sqlite", env->state_dir);
    error = phu_book_open(env->sched, path, &alerts->book, why, why_size);
    if (error == 0) {
        alerts->outlet_env = (struct phu_outlet_env){.sched = env->sched,
                                                     .http = env->http,
                                                     .stats = env->stats,
                                                     .book = alerts->book,
                                                     .ledger = &alerts->ledger,
                                                     .generator = alerts->generator};
        open_outlets(alerts);
        error = restore(alerts, path, why, why_size);
    }
    if (error < 0) {
        phu_alerts_close(alerts);
        return error;
    }
    add_stats(alerts);
    phu_timer_after(env->sched, &alerts->tick, 0);
    *out = alerts;
    return 0;
}

void phu_alerts_close(struct phu_alerts *alerts)
{
    if (!alerts)
        return;
    phu_timer_cancel(alerts->env.sched, &alerts->tick);
    if (alerts->env.stats)
        phu_stats_remove_within(alerts->env.stats, alerts, sizeof *alerts);
    for (size_t i = 0; alerts->managers[i]; i++)
        phu_alertmanager_free(alerts->managers[i]);
    for (size_t i = 0; alerts->webhooks[i]; i++)
        phu_webhook_free(alerts->webhooks[i]);
    phu_book_close(alerts->book);
    phu_ledger_fini(&alerts->ledger);
    free(alerts->managers);
    free(alerts->webhooks);
    free(alerts->generator);
    free(alerts);
}

/* -- Asking ----------------------------------------------------------------------------------- */

char *phu_alerts_json(const struct phu_alerts *alerts)
{
    json_t *list = json_array();
    struct phu_entry *entry = NULL;
    char *text;

    while ((entry = phu_ledger_next(&alerts->ledger, entry))) {
        if (!entry->resolved_ns)
            json_array_append_new(list, phu_entry_json(entry));
    }
    text = json_dumps(list, JSON_COMPACT);
    json_decref(list);
    if (!text)
        abort();
    return text;
}
