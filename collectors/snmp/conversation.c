/* See conversation.h. */
#include "conversation.h"

#include "device.h"
#include "report.h"

#include "phusong/log.h"

#include <errno.h>
#include <string.h>

/* After so many polls a device is asked afresh for what it lacked. */
#define HABITS_POLLS 100

/* -- Opening and hanging up ------------------------------------------------------------------- */

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

    return phu_session_open(device->snmp->shell, &config, &work->session);
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
}

/* -- The walk --------------------------------------------------------------------------------- */

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
                                     .index_length = 1,
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

/* -- Who is there ----------------------------------------------------------------------------- */

void phu_snmp_converse(struct phu_snmp_device *device)
{
    struct phu_snmp_work *work = device->work;
    int error;

    work->is_discovering = device->secret->version == PHU_SNMP_V3 && !device->user;
    error = start_session(device);
    if (error == -ENETUNREACH || error == -EHOSTUNREACH)
        phu_snmp_finish(device, PHU_RESULT_UNREACHABLE, "no route");
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
    phu_snmp_converse(device);
}

static void discovered(struct phu_snmp_device *device)
{
    struct phu_usm_engine engine = *phu_session_engine(device->work->session);
    struct phu_usm_owner owner = {device->spec.id, (const struct sockaddr *)&device->work->address};

    device->work->has_discovered = true;
    phu_snmp_hang_up(device);
    if (engine.length == 0)
        phu_snmp_finish(device, PHU_RESULT_MISMATCH, "it answers version 3 without an engine ID");
    else if (phu_usm_take(device->snmp->usm, &engine, device->secret, &owner, &device->user) < 0)
        phu_snmp_finish(device, PHU_RESULT_LOCAL_ERROR,
                        "net-snmp cannot make keys for this credential");
    else
        phu_snmp_converse(device);
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
        return "the device gives one engine ID when asked and wants another; restart its SNMP "
               "agent, or give it a fixed engine ID";
    case PHU_REPORT_TIME_WINDOW:
        return "the device finds every message outside its time window: its SNMP clock jumps, or "
               "something between answers for another device with the same engine ID";
    case PHU_REPORT_CONTEXT:
        return "the device does not know this context; correct `context` of the credential, or "
               "leave it out";
    case PHU_REPORT_OTHER:
        return "the device refused the message";
    }
    return "";
}

/* The first answer to this user: is it still the same device? */
static void accepted(struct phu_snmp_device *device)
{
    const struct phu_usm_engine *engine;

    device->has_answered_user = true;
    if (!device->user)
        return;
    engine = phu_usm_engine(device->user);
    device->work->is_other =
        device->engine_length && (device->engine_length != engine->length ||
                                  memcmp(device->engine, engine->id, engine->length) != 0);
    if (device->work->is_other)
        phu_log_info("snmp", "device has another engine ID: swapped or re-flashed", "device=%s",
                     device->spec.id);
    device->engine_length = engine->length;
    memcpy(device->engine, engine->id, engine->length);
}

/* The next poll begins by asking who is there: the device may have been swapped. */
static void refuse(struct phu_snmp_device *device, const char *why)
{
    forget_engine(device);
    phu_snmp_finish(device, PHU_RESULT_AUTH, why);
}

/* -- What is said ----------------------------------------------------------------------------- */

/* errStatus of RFC 3416. */
enum {
    STATUS_TOO_BIG = 1,
    STATUS_NO_SUCH_NAME = 2,
    STATUS_NO_ACCESS = 6,
    STATUS_AUTHORIZATION = 16,
};

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

void phu_snmp_run_out_of_time(struct phu_snmp_device *device)
{
    /* A changed engine ID looks like silence: next time, begin by asking for it. */
    if (device->user && !device->work->answers && !device->work->has_discovered)
        forget_engine(device);
    give_up(device, PHU_SESSION_TIMEOUT, "the time for this device ran out");
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
