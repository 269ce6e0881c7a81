/* Delivery of alerts: Alertmanagers and webhooks, with a queue that survives restarts.
 *
 * What stands is sent again every minute to each Alertmanager (with an end in a few minutes, so
 * that a dead console does not leave alerts for ever), what is resolved until it was taken once. A
 * webhook is told each change once, signed, with retries.
 */
#pragma once

#include "rules/rules.h"

struct phu_alerts;
struct phu_http_client;
struct phu_option_table;
struct phu_sched;
struct phu_stats;

extern const struct phu_option_table phu_alerts_options; /* section `alerts` */

int phu_alerts_open(struct phu_sched *sched, struct phu_http_client *http, const void *conf,
                    const char *state_dir, struct phu_stats *stats, struct phu_alerts **out,
                    char *why, size_t why_size);
void phu_alerts_close(struct phu_alerts *alerts);
/* Copies. As phu_rules_changed_cb. */
void phu_alerts_put(struct phu_alerts *alerts, const struct phu_alert *alert);
