/* One device, and what a poll of it goes through:
 *
 *   wait for a place -> read the credential -> resolve the name -> (version 3: who are you?)
 *   -> walk the interfaces -> report
 *
 * A poll ends in exactly one verdict, at the latest at its deadline, and what was read until then
 * is kept.
 *
 * Version 3: an engine that was known and no longer answers may have been swapped or re-flashed,
 * and net-snmp drops its reports unseen. So after a timeout the engine is forgotten and asked for
 * again, once in a poll. A device that says who it is but not a word more has other secrets than
 * ours.
 */
#include "device.h"

#include "place.h"
#include "report.h"

#include "phusong/log.h"
#include "phusong/resolve.h"
#include "phusong/sched.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* After so many polls a device is asked afresh for what it lacked. */
#define HABITS_POLLS 100

/* -- Walking --------------------------------------------------------------------------------- */

static void told(void *arg, const struct phu_session_news *news);

static int start_session(struct phu_snmp_device *device)
{
    const struct phu_snmp_check_options *options = &device->options;
    struct phu_snmp_work *work = device->work;
    struct phu_session_config config = {.address = (const struct sockaddr *)&work->address,
                                        .address_length = work->address.ss_family == AF_INET6
                                                              ? sizeof(struct sockaddr_in6)
                                                              : sizeof(struct sockaddr_in),
                                        .secret = device->secret,
                                        .user = device->user,
                                        .timeout_ns = options->pdu_timeout_ns,
                                        .retries = (int)options->retries,
                                        .told = told,
                                        .arg = device};
    int error = device->user ? phu_usm_enlist(device->user) : 0;

    if (error)
        return error;
    error = phu_session_open(device->snmp->shell, &config, &work->session);
    if (error && device->user)
        phu_usm_delist(device->user);
    return error;
}

void phu_snmp_hang_up(struct phu_snmp_device *device)
{
    struct phu_snmp_work *work = device->work;
    const struct phu_session_counts *counts;

    if (!work->session)
        return;
    counts = phu_session_counts(work->session);
    work->counts.sent += counts->sent;
    work->counts.timeouts += counts->timeouts;
    work->counts.ignored += counts->ignored;
    phu_session_close(work->session);
    work->session = NULL;
    if (device->user)
        phu_usm_delist(device->user);
}

/* After a whole walk a little more is asked for at once, until no limit of our own is left. */
static void relax(struct phu_snmp_device *device)
{
    const struct phu_snmp_check_options *options = &device->options;

    if (device->repetitions && ++device->repetitions >= options->max_repetitions)
        device->repetitions = 0;
}

/* The walk has come to its end. */
static void walked(struct phu_snmp_device *device)
{
    const struct phu_snmp_work *work = device->work;

    if (work->ifmib.row_count || work->ifmib.uptime.has_ticks)
        phu_snmp_finish(device, PHU_RESULT_OK, NULL);
    else if (phu_snmp_why_incomplete(work))
        phu_snmp_finish(device, PHU_RESULT_MISMATCH, phu_snmp_why_incomplete(work));
    else
        phu_snmp_finish(device, PHU_RESULT_MISMATCH,
                        "it shows neither sysUpTime nor interfaces; check the view of this user or "
                        "community");
}

static void ask_next(struct phu_snmp_device *device)
{
    struct phu_snmp_work *work = device->work;
    struct phu_walk_request request;

    while (!phu_walk_next(&work->walk, &request)) {
        if (!phu_ifmib_extend(&work->ifmib, &work->walk, device->spec.rows ? device->spec.rows : "",
                              &device->habits)) {
            relax(device);
            walked(device);
            return;
        }
    }
    phu_session_ask(work->session, &request);
}

static void start_walk(struct phu_snmp_device *device)
{
    const struct phu_snmp_check_options *options = &device->options;
    struct phu_walk_limits limits = {.is_bulk = device->secret->version != PHU_SNMP_V1,
                                     .repetitions =
                                         device->habits.rows ? device->habits.rows + 1 : 4,
                                     .repetitions_max = (unsigned)options->max_repetitions,
                                     .rows_max = (unsigned)device->snmp->options->max_interfaces};

    /* The first question to a new user is a small one: when it is not answered, that is not because
     * the answer was too large for the path. */
    if (device->secret->version == PHU_SNMP_V3 && !device->has_answered_user)
        limits.repetitions = 1;
    if (device->repetitions && device->repetitions < limits.repetitions_max)
        limits.repetitions_max = device->repetitions;
    if (++device->polls_since_habits > HABITS_POLLS) {
        device->habits = (struct phu_ifmib_habits){.rows = device->habits.rows};
        device->polls_since_habits = 0;
    }
    phu_walk_init(&device->work->walk, &limits, phu_ifmib_cell, &device->work->ifmib);
    phu_ifmib_plan(&device->work->walk, &device->habits);
    ask_next(device);
}

/* Opens the conversation: with the walk, or with the question who is there. */
static void converse(struct phu_snmp_device *device)
{
    struct phu_snmp_work *work = device->work;
    int error;

    work->is_discovering = device->secret->version == PHU_SNMP_V3 && !device->user;
    error = start_session(device);
    if (error == -ENETUNREACH || error == -EHOSTUNREACH)
        phu_snmp_finish(device, PHU_RESULT_UNREACHABLE, "no route");
    else if (error == -EBUSY)
        phu_snmp_finish(
            device, PHU_RESULT_LOCAL_ERROR,
            "another device has the same engine ID and user name with another passphrase");
    else if (error)
        phu_snmp_finish(device, PHU_RESULT_LOCAL_ERROR, strerror(-error));
    else if (work->is_discovering)
        phu_session_discover(work->session);
    else
        start_walk(device);
}

static void forget_engine(struct phu_snmp_device *device)
{
    phu_snmp_hang_up(device);
    phu_usm_drop(device->snmp->usm, device->user);
    device->user = NULL;
    device->has_answered_user = false;
}

static void discover_again(struct phu_snmp_device *device)
{
    forget_engine(device);
    converse(device);
}

static void discovered(struct phu_snmp_device *device)
{
    uint8_t engine[PHU_ENGINE_ID_MAX];
    size_t length;
    const uint8_t *told_engine = phu_session_engine(device->work->session, &length);

    memcpy(engine, told_engine, length);
    device->work->has_discovered = true;
    phu_snmp_hang_up(device);
    if (length == 0)
        phu_snmp_finish(device, PHU_RESULT_MISMATCH, "it answers version 3 without an engine ID");
    else if (phu_usm_take(device->snmp->usm, engine, length, device->secret, device->spec.id,
                          &device->user) < 0)
        phu_snmp_finish(device, PHU_RESULT_LOCAL_ERROR,
                        "net-snmp cannot make keys for this credential");
    else
        converse(device);
}

static const char *why_refused(enum phu_session_report report)
{
    switch (report) {
    case PHU_REPORT_UNKNOWN_USER:
        return "the device does not know this user";
    case PHU_REPORT_WRONG_DIGEST:
        return "wrong authentication passphrase or protocol";
    case PHU_REPORT_DECRYPTION:
        return "wrong privacy passphrase or protocol";
    case PHU_REPORT_LEVEL:
        return "the device knows the user, but not with this auth and privacy";
    case PHU_REPORT_UNKNOWN_ENGINE:
        return "the device keeps changing its engine ID";
    case PHU_REPORT_TIME_WINDOW:
        return "the device's SNMP clock does not keep step; is its engine ID used twice?";
    case PHU_REPORT_CONTEXT:
        return "the device does not know this context";
    case PHU_REPORT_OTHER:
        return "the device refused the message";
    }
    return "";
}

/* The next poll begins by asking who is there: the device may have been swapped. */
static void refuse(struct phu_snmp_device *device, const char *why)
{
    forget_engine(device);
    phu_snmp_finish(device, PHU_RESULT_AUTH, why);
}

static void reported(struct phu_snmp_device *device, const struct phu_session_news *news)
{
    if (device->work->is_discovering)
        discovered(device);
    else if (news->report == PHU_REPORT_UNKNOWN_ENGINE && !device->work->has_discovered)
        discover_again(device);
    else
        refuse(device, why_refused(news->report));
}

static enum phu_result result_of(enum phu_session_event event)
{
    switch (event) {
    case PHU_SESSION_REFUSED:
        return PHU_RESULT_REFUSED;
    case PHU_SESSION_UNREACHABLE:
        return PHU_RESULT_UNREACHABLE;
    case PHU_SESSION_FAILED:
        return PHU_RESULT_LOCAL_ERROR;
    case PHU_SESSION_TIMEOUT:
    case PHU_SESSION_ANSWER:
    case PHU_SESSION_REPORT:
        return PHU_RESULT_TIMEOUT;
    }
    return PHU_RESULT_TIMEOUT;
}

/* No more is to be had in this poll. */
static void give_up(struct phu_snmp_device *device, enum phu_session_event event, const char *why)
{
    struct phu_snmp_work *work = device->work;

    if (work->answers) {
        /* Large answers are the first that a bad path loses. */
        device->repetitions = work->walk.repetitions > 1 ? work->walk.repetitions / 2 : 1;
        phu_snmp_finish(device, PHU_RESULT_PARTIAL, why ? why : "it stopped answering half-way");
    } else {
        phu_snmp_finish(device, result_of(event), why);
    }
}

static void timed_out(struct phu_snmp_device *device)
{
    struct phu_snmp_work *work = device->work;

    if (device->user && !work->has_discovered && !work->answers)
        discover_again(device);
    else if (device->user && !device->has_answered_user)
        refuse(device, "the device says who it is but does not answer this user; most likely the "
                       "privacy passphrase, its protocol or the context is wrong");
    else
        give_up(device, PHU_SESSION_TIMEOUT, NULL);
}

/* errStatus of RFC 3416. */
enum {
    STATUS_TOO_BIG = 1,
    STATUS_NO_SUCH_NAME = 2,
    STATUS_NO_ACCESS = 6,
    STATUS_AUTHORIZATION = 16,
};

/* The first answer to this user: is it still the same device? */
static void accepted(struct phu_snmp_device *device)
{
    const uint8_t *engine;
    size_t length;

    device->has_answered_user = true;
    if (!device->user)
        return;
    engine = phu_usm_engine(device->user, &length);
    device->work->is_other = device->engine_length && (device->engine_length != length ||
                                                       memcmp(device->engine, engine, length) != 0);
    if (device->work->is_other)
        phu_log_info("snmp", "device has another engine ID: swapped or re-flashed", "device=%s",
                     device->spec.id);
    device->engine_length = (uint8_t)length;
    memcpy(device->engine, engine, length);
}

static void answered(struct phu_snmp_device *device, const struct phu_session_news *news)
{
    struct phu_snmp_work *work = device->work;

    if (work->is_discovering) {
        phu_snmp_finish(device, PHU_RESULT_MISMATCH, "it answers version 3 without authentication");
        return;
    }
    if (news->error_status == STATUS_AUTHORIZATION || news->error_status == STATUS_NO_ACCESS) {
        refuse(device, "the device denies access to this user or community");
        return;
    }
    if (work->answers++ == 0)
        work->first_response_ns = news->response_ns;
    if (!device->has_answered_user)
        accepted(device);
    work->varbinds += (unsigned)news->count;
    work->ifmib.now_ns = news->at_ns;
    if (news->error_status == 0)
        phu_walk_answer(&work->walk, news->varbinds, news->count);
    else
        phu_walk_error(&work->walk,
                       news->error_status == STATUS_TOO_BIG        ? PHU_WALK_TOO_BIG
                       : news->error_status == STATUS_NO_SUCH_NAME ? PHU_WALK_NO_SUCH_NAME
                                                                   : PHU_WALK_REFUSED,
                       news->error_index);
    ask_next(device);
}

static void told(void *arg, const struct phu_session_news *news)
{
    struct phu_snmp_device *device = arg;

    switch (news->event) {
    case PHU_SESSION_ANSWER:
        answered(device, news);
        return;
    case PHU_SESSION_REPORT:
        reported(device, news);
        return;
    case PHU_SESSION_TIMEOUT:
        timed_out(device);
        return;
    case PHU_SESSION_REFUSED:
    case PHU_SESSION_UNREACHABLE:
    case PHU_SESSION_FAILED:
        give_up(device, news->event, news->error ? strerror(-news->error) : NULL);
        return;
    }
}

/* -- Beginning ------------------------------------------------------------------------------- */

static void set_port(struct phu_snmp_device *device)
{
    const struct phu_snmp_check_options *options = &device->options;
    struct sockaddr_storage *address = &device->work->address;

    if (address->ss_family == AF_INET6)
        ((struct sockaddr_in6 *)address)->sin6_port = htons((uint16_t)options->port);
    else
        ((struct sockaddr_in *)address)->sin_port = htons((uint16_t)options->port);
}

static void resolved(void *arg, int status, const struct sockaddr_storage *addresses, size_t count)
{
    struct phu_snmp_device *device = arg;

    device->work->resolve = NULL;
    if (status < 0 || count == 0) {
        phu_snmp_finish(device, PHU_RESULT_DNS, "the name does not resolve");
        return;
    }
    device->work->address = addresses[0];
    set_port(device);
    converse(device);
}

static void locate(struct phu_snmp_device *device)
{
    struct phu_snmp *snmp = device->snmp;
    int error;

    if (phu_address_parse(device->spec.address, &device->work->address) == 0) {
        set_port(device);
        converse(device);
        return;
    }
    error = snmp->env.resolver ? phu_resolve_start(snmp->env.resolver, device->spec.address,
                                                   AF_UNSPEC, device->spec.timeout_ns, resolved,
                                                   device, &device->work->resolve)
                               : -ENOENT;
    if (error)
        phu_snmp_finish(device, PHU_RESULT_DNS, strerror(-error));
}

/* The secret may be put right while we run; until then every poll tries again. */
static bool has_secret(struct phu_snmp_device *device, char *why, size_t size)
{
    const struct phu_collector_env *env = &device->snmp->env;
    const struct phu_credential *credential;

    if (device->secret)
        return true;
    why[0] = '\0';
    credential =
        env->credential ? env->credential(env->credential_arg, device->spec.credential) : NULL;
    if (!credential && (!device->spec.credential || !device->spec.credential[0])) {
        snprintf(
            why, size,
            "it needs a credential: name one in devices.csv, or by hand give --community FILE");
        return false;
    }
    if (!credential) {
        snprintf(why, size, "no credential `%s`; name one of section credentials in devices.csv",
                 device->spec.credential);
        return false;
    }
    return phu_secrets_take(&device->snmp->secrets, credential, &device->secret, why, size) == 0;
}

void phu_snmp_device_begin(struct phu_snmp_device *device)
{
    char why[256];

    device->work = phu_snmp_work_take(device->snmp);
    if (!has_secret(device, why, sizeof why))
        phu_snmp_finish(device, PHU_RESULT_NOPERM, why);
    else
        locate(device);
}

static void on_deadline(struct phu_timer *timer)
{
    struct phu_snmp_device *device = phu_container_of(timer, struct phu_snmp_device, timer);

    if (device->is_waiting) {
        phu_snmp_queue_drop(device);
        phu_snmp_finish(device, PHU_RESULT_SKIPPED,
                        "no place was free; raise concurrency or the interval");
        return;
    }
    if (!device->work) { /* the poll was only just asked for */
        phu_timer_after(device->snmp->env.sched, &device->timer, device->spec.timeout_ns);
        if (device->snmp->in_flight < device->snmp->options->concurrency)
            phu_snmp_device_begin(device);
        else
            phu_snmp_queue_put(device);
        return;
    }
    /* A changed engine ID looks like silence: next time, begin by asking for it. */
    if (device->user && !device->work->answers && !device->work->has_discovered)
        forget_engine(device);
    give_up(device, PHU_SESSION_TIMEOUT, "the time for this device ran out");
}

/* -- Its life -------------------------------------------------------------------------------- */

struct phu_snmp_device *phu_snmp_device_new(struct phu_snmp *snmp,
                                            const struct phu_check_spec *spec)
{
    struct phu_snmp_device *device = calloc(1, sizeof *device);

    if (!device)
        return NULL;
    device->snmp = snmp;
    device->spec = *spec;
    device->options = *(const struct phu_snmp_check_options *)spec->options;
    phu_timer_init(&device->timer, on_deadline);
    return device;
}

void phu_snmp_device_free(struct phu_snmp_device *device)
{
    struct phu_snmp *snmp = device->snmp;

    phu_timer_cancel(snmp->env.sched, &device->timer);
    phu_snmp_queue_drop(device);
    phu_snmp_work_give(device);
    phu_usm_drop(snmp->usm, device->user);
    phu_secrets_drop(&snmp->secrets, device->secret);
    phu_interfaces_fini(&device->interfaces);
    free(device);
    phu_snmp_begin_next(snmp);
}

void phu_snmp_device_poll(struct phu_snmp_device *device)
{
    device->started = phu_sched_now(device->snmp->env.sched);
    phu_timer_after(device->snmp->env.sched, &device->timer, 0);
}
