/* The collector snmp: interfaces of devices and the tables that profiles describe, over SNMP
 * versions 1, 2c and 3. This file is what the agent sees: stats, metrics and life; device.h says
 * which files a poll goes through, options.c what can be set.
 *
 * From the wire up: session.c talks to one device, walk.c decides what to ask for next, ifmib.c and
 * gather.c give answers their meaning, counter.c, interfaces.c and table_row.c turn readings into
 * values. usm.c and secret.c keep users and keys. Only session.c, usm.c and secret.c know net-snmp.
 */
#include "snmp.h"

#include "place.h"
#include "profiles.h"
#include "session.h"
#include "usm.h"

#include "phusong/conf.h"
#include "phusong/err.h"
#include "phusong/log.h"
#include "phusong/sched.h"
#include "phusong/stats.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void add_stats(struct phu_snmp *self)
{
    static const struct phu_stat_info infos[] = {
        {"phusong_snmp_in_flight", PHU_STAT_GAUGE, "Places for questions to devices in use"},
        {"phusong_snmp_waiting", PHU_STAT_GAUGE, "Devices that wait for a place"},
        {"phusong_snmp_pdus_total", PHU_STAT_COUNTER, "SNMP messages sent, repetitions included"},
        {"phusong_snmp_timeouts_total", PHU_STAT_COUNTER,
         "SNMP questions without an answer after all repetitions"},
        {"phusong_snmp_bad_answers_total", PHU_STAT_COUNTER,
         "Broken, oversized, wrongly typed, looping or refusing SNMP answers"},
        {"phusong_snmp_rows_refused_total", PHU_STAT_COUNTER,
         "Interfaces and rows of tables for which the windows had no room"},
        {"phusong_snmp_rows_bound", PHU_STAT_GAUGE, "Rows of devices that serve an endpoint"},
        {"phusong_snmp_unbound_patterns", PHU_STAT_GAUGE,
         "Rows whose description names an endpoint that the inventory does not have"},
        {"phusong_snmp_served_missing", PHU_STAT_GAUGE,
         "Endpoints whose row their device does not show"},
        {"phusong_snmp_strangers_total", PHU_STAT_COUNTER,
         "SNMP datagrams from addresses that nobody asked, or no longer"},
        {"phusong_snmp_receive_overflows_total", PHU_STAT_COUNTER,
         "SNMP answers lost because the receive buffer was full"},
        {"phusong_snmp_send_waits_total", PHU_STAT_COUNTER,
         "How often sending SNMP messages had to wait for the kernel"},
    };
    const int64_t *values[] = {&self->in_flight,     &self->waiting,          &self->pdus,
                               &self->timeouts,      &self->bad_answers,      &self->rows_refused,
                               &self->rows_bound,    &self->unbound_patterns, &self->served_missing,
                               &self->udp.strangers, &self->udp.overflows,    &self->udp.waits};

    for (size_t i = 0; i < sizeof infos / sizeof *infos && self->env.stats; i++)
        phu_stats_add(self->env.stats, &infos[i], NULL, values[i]);
}

static void free_parts(struct phu_snmp *self)
{
    phu_session_shell_free(self->shell);
    phu_usm_free(self->usm);
    phu_serves_fini(&self->serves);
    phu_snmp_profiles_close(self);
    free(self);
}

static void snmp_close(void *arg)
{
    struct phu_snmp *self = arg;

    phu_timer_cancel(self->env.sched, &self->free_place);
    phu_timer_cancel(self->env.sched, &self->expiry);
    if (self->env.stats)
        phu_stats_remove_within(self->env.stats, self, sizeof *self);
    phu_snmp_work_free_spare(self);
    phu_snmp_queue_fini(self);
    free_parts(self);
}

static void find_metrics(struct phu_snmp *self)
{
    self->cpu_metric = phu_snmp_metric_find("device.cpu_pct");
    self->care_stops_metric = phu_snmp_metric_find("device.care_stops");
    self->cell_metric = phu_snmp_metric_find("signal.cell");
    self->cell_changes_metric = phu_snmp_metric_find("signal.cell_changes");
}

static int snmp_open(const struct phu_collector_env *env, const void *conf, void **out)
{
    struct phu_snmp *self = calloc(1, sizeof *self);
    int error;

    if (!self)
        return -ENOMEM;
    self->env = *env;
    self->options = conf;
    phu_timer_init(&self->free_place, phu_snmp_begin_waiting);
    phu_timer_init(&self->expiry, phu_snmp_expire_waiting);
    phu_serves_init(&self->serves, &self->options->serves);
    find_metrics(self);
    error = phu_snmp_profiles_open(self, env);
    if (!error)
        error = phu_usm_new(&self->usm);
    if (!error)
        error = phu_session_shell_new(env->sched, self->options->receive_buffer, &self->udp,
                                      &self->shell);
    if (error) {
        free_parts(self);
        return error;
    }
    add_stats(self);
    *out = self;
    return 0;
}

static int snmp_attach(void *self, const struct phu_check_spec *spec, void **check)
{
    *check = phu_snmp_device_new(self, spec);
    return *check ? 0 : -ENOMEM;
}

static void snmp_detach(void *self, void *check)
{
    (void)self;
    phu_snmp_device_free(check);
}

static void snmp_poll(void *self, void *check)
{
    (void)self;
    phu_snmp_device_poll(check);
}

static const char *snmp_check_argument(const char *argument)
{
    size_t length = strspn(argument, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                     "0123456789-");

    return argument[length] || length > 64
               ? "behind the colon stands the name of a profile: letters, digits and hyphens"
               : NULL;
}

const struct phu_collector phu_collector_snmp = {
    .name = "snmp",
    .summary = "interfaces, optics, signal and more of devices, by SNMP versions 1, 2c and 3",
    .interval = "60s",
    .timeout = "10s",
    .options = &phu_snmp_options,
    .check_options = &phu_snmp_check_options,
    .metrics = phu_snmp_metrics,
    .metric_count = PHU_SNMP_METRICS,
    .row_kinds = phu_snmp_row_kinds,
    .row_kind_count = PHU_SNMP_ROW_KINDS,
    .backs_off = true,
    .rtt_metric = PHU_SNMP_RESPONSE_US,
    .open = snmp_open,
    .close = snmp_close,
    .attach = snmp_attach,
    .detach = snmp_detach,
    .poll = snmp_poll,
    .check_options_files = phu_snmp_check_files,
    .free_options_files = phu_snmp_free_files,
    .check_argument_files = phu_snmp_check_argument_files,
    .take_options_files = phu_snmp_take_files,
    .check_argument = snmp_check_argument,
};
