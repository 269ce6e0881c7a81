/* Delivery of alerts: Alertmanagers and webhooks, and a book of all alerts that survives restarts.
 *
 *     rules ──put──► book (alerts.sqlite) ──► Alertmanagers: what stands, again every minute
 *                         │                └► webhooks: each change once, in order, signed
 *                         └► `phusong alerts ls`, /api/v1/alerts
 *
 * An alert is its labels, as with Prometheus. One that fires while maintenance.h covers it is
 * written down, marked, and told to nobody until the maintenance is over; one that was told before
 * goes on being told, its end too.
 */
#pragma once

#include "phusong/conf.h"
#include "rules/rules.h"

struct phu_alerts;
struct phu_http_client;
struct phu_maintenance;
struct phu_sched;
struct phu_stats;

/* Section `alerts` → struct phu_alerts_conf. */
extern const struct phu_option_table phu_alerts_options;

struct phu_alerts_conf {
    struct phu_list alertmanagers; /* struct phu_alertmanager_conf, alertmanager.h */
    struct phu_list webhooks;      /* struct phu_webhook_conf, webhook.h */
    int64_t resend_ns;
    int64_t keep_ns;    /* of alerts that are over */
    char *external_url; /* where people reach this console; "" if not known */
};

struct phu_alerts_env {
    struct phu_sched *sched;
    struct phu_http_client *http;
    struct phu_stats *stats;             /* may be NULL */
    const char *state_dir;               /* holds alerts.sqlite */
    struct phu_maintenance *maintenance; /* may be NULL; outlives the alerts */
};

/* `conf` is borrowed until close. What cannot be is said in `why`, with the remedy. */
int phu_alerts_open(const struct phu_alerts_env *env, const struct phu_alerts_conf *conf,
                    struct phu_alerts **out, char *why, size_t why_size);
/* Waits for what is being written; what has not been delivered goes out after the next start. NULL
 * is harmless. */
void phu_alerts_close(struct phu_alerts *alerts);

/* An alert fired, changed or is resolved; copied. One that is pending (fired_ns 0) is ignored. As
 * phu_rules_changed_cb. */
void phu_alerts_put(void *alerts, const struct phu_alert *alert);
/* Ends what stands here and of which the engine knows nothing: its rule is gone, or the process
 * ended before its state was saved. To be called once the engine has seen what is stored. */
void phu_alerts_reconcile(struct phu_alerts *alerts, const struct phu_rules_engine *engine);

/* What stands, as JSON: an array as Prometheus' /api/v1/alerts has it, with `silencedBy` besides.
 * Freed by the caller. */
char *phu_alerts_json(const struct phu_alerts *alerts);
/* Asked after maintenance began or ended by hand. */
void phu_alerts_maintenance_changed(struct phu_alerts *alerts);
