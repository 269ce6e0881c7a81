/* The collector snmp: interfaces of devices over SNMP versions 1, 2c and 3. This file is what the
 * agent sees, options, metrics and life; device.c says what a poll goes through, and where.
 *
 * From the wire up: session.c talks to one device, walk.c decides what to ask for next, ifmib.c
 * gives answers their meaning, counter.c and interfaces.c turn readings into deltas. usm.c and
 * secret.c keep users and keys. Only session.c, usm.c and secret.c know net-snmp.
 */
#include "snmp.h"

#include "place.h"
#include "profiles.h"
#include "session.h"
#include "usm.h"

#include "phusong/conf.h"
#include "phusong/log.h"
#include "phusong/sched.h"
#include "phusong/stats.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const struct phu_option options[] = {
    {.name = "concurrency",
     .type = PHU_OPTION_INT,
     .offset = offsetof(struct phu_snmp_options, concurrency),
     .fallback = "256",
     .min = "1",
     .max = "10000",
     .meaning = "devices polled at the same time"},
    {.name = "max_interfaces",
     .type = PHU_OPTION_INT,
     .offset = offsetof(struct phu_snmp_options, max_interfaces),
     .fallback = "4096",
     .min = "1",
     .max = "65536",
     .meaning = "interfaces read of one device; what comes after them is left out and reported"},
    {.name = "receive_buffer",
     .type = PHU_OPTION_SIZE,
     .offset = offsetof(struct phu_snmp_options, receive_buffer),
     .fallback = "8MiB",
     .min = "64KiB",
     .max = "256MiB",
     .meaning = "of the socket of each address family; beyond net.core.rmem_max only with "
                "CAP_NET_ADMIN"},
    {.name = "profiles",
     .type = PHU_OPTION_PATH,
     .offset = offsetof(struct phu_snmp_options, profiles),
     .fallback = "/etc/phusong/profiles",
     .meaning = "folder of your own profiles (*.yaml), each in place of the one of its name that "
                "comes with phusong, or beside those; need not exist"},
};
const struct phu_option_table phu_snmp_options = PHU_OPTION_TABLE(options, struct phu_snmp_options);

static const struct phu_option check_options[] = {
    {.name = "port",
     .type = PHU_OPTION_INT,
     .offset = offsetof(struct phu_snmp_check_options, port),
     .fallback = "161",
     .min = "1",
     .max = "65535",
     .meaning = "UDP port of the device"},
    {.name = "pdu_timeout",
     .type = PHU_OPTION_DURATION,
     .offset = offsetof(struct phu_snmp_check_options, pdu_timeout_ns),
     .fallback = "1500ms",
     .min = "50ms",
     .max = "1m",
     .meaning = "how long to wait for the answer to one message; `timeout` bounds the whole poll"},
    {.name = "retries",
     .type = PHU_OPTION_INT,
     .offset = offsetof(struct phu_snmp_check_options, retries),
     .fallback = "2",
     .min = "0",
     .max = "10",
     .meaning = "how often a message without an answer is repeated"},
    {.name = "max_repetitions",
     .type = PHU_OPTION_INT,
     .offset = offsetof(struct phu_snmp_check_options, max_repetitions),
     .fallback = "12",
     .min = "1",
     .max = "100",
     .meaning = "rows asked for at once (GETBULK); fewer for devices that choke on large answers"},
};
const struct phu_option_table phu_snmp_check_options =
    PHU_OPTION_TABLE(check_options, struct phu_snmp_check_options);

static void add_stats(struct phu_snmp *self)
{
    static const struct phu_stat_info infos[] = {
        {"phusong_snmp_in_flight", PHU_STAT_GAUGE, "Devices being polled"},
        {"phusong_snmp_waiting", PHU_STAT_GAUGE, "Devices that wait for a place"},
        {"phusong_snmp_pdus_total", PHU_STAT_COUNTER, "SNMP messages sent, repetitions included"},
        {"phusong_snmp_timeouts_total", PHU_STAT_COUNTER,
         "SNMP questions without an answer after all repetitions"},
        {"phusong_snmp_bad_answers_total", PHU_STAT_COUNTER,
         "Broken, oversized, wrongly typed, looping or refusing SNMP answers"},
        {"phusong_snmp_rows_refused_total", PHU_STAT_COUNTER,
         "Interfaces for which the windows had no room"},
        {"phusong_snmp_strangers_total", PHU_STAT_COUNTER,
         "SNMP datagrams from addresses that nobody asked, or no longer"},
        {"phusong_snmp_receive_overflows_total", PHU_STAT_COUNTER,
         "SNMP answers lost because the receive buffer was full"},
        {"phusong_snmp_send_waits_total", PHU_STAT_COUNTER,
         "How often sending SNMP messages had to wait for the kernel"},
    };
    const int64_t *values[] = {&self->in_flight,     &self->waiting,       &self->pdus,
                               &self->timeouts,      &self->bad_answers,   &self->rows_refused,
                               &self->udp.strangers, &self->udp.overflows, &self->udp.waits};

    for (size_t i = 0; i < sizeof infos / sizeof *infos && self->env.stats; i++)
        phu_stats_add(self->env.stats, &infos[i], NULL, values[i]);
}

static void snmp_close(void *arg)
{
    struct phu_snmp *self = arg;

    phu_timer_cancel(self->env.sched, &self->free_place);
    if (self->env.stats)
        phu_stats_remove_within(self->env.stats, self, sizeof *self);
    phu_snmp_work_free_spare(self);
    phu_session_shell_free(self->shell);
    phu_usm_free(self->usm);
    phu_snmp_profiles_close(self);
    free(self);
}

static int snmp_open(const struct phu_collector_env *env, const void *conf, void **out)
{
    struct phu_snmp *self = calloc(1, sizeof *self);
    int error;

    if (!self)
        return -ENOMEM;
    self->env = *env;
    self->options = conf;
    self->last_waiting = &self->first_waiting;
    phu_timer_init(&self->free_place, phu_snmp_begin_waiting);
    error = phu_snmp_profiles_open(self, env);
    if (!error)
        error = phu_usm_new(&self->usm);
    if (!error)
        error = phu_session_shell_new(env->sched, self->options->receive_buffer, &self->udp,
                                      self->usm, &self->shell);
    if (error) {
        phu_usm_free(self->usm);
        phu_snmp_profiles_close(self);
        free(self);
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
    .summary = "interfaces of devices, by SNMP versions 1, 2c and 3",
    .interval = "60s",
    .timeout = "10s",
    .options = &phu_snmp_options,
    .check_options = &phu_snmp_check_options,
    .metrics = phu_snmp_metrics,
    .metric_count = PHU_SNMP_METRICS,
    .row_kinds = phu_snmp_row_kinds,
    .row_kind_count = PHU_SNMP_ROW_KINDS,
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
