/* See conversation.h. */
#include "conversation.h"

#include "agenda.h"
#include "care.h"
#include "device.h"
#include "place.h"
#include "report.h"

#include "phusong/log.h"
#include "phusong/sched.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* -- Lines ------------------------------------------------------------------------------------ */

static void told(void *arg, const struct phu_session_news *news);

/* Repetitions count among the messages that the device may be sent, too. */
static int64_t wait_to_repeat(void *arg)
{
    const struct phu_snmp_line *line = arg;

    return phu_care_wait(line->device);
}

static int start_session(struct phu_snmp_line *line)
{
    struct phu_snmp_device *device = line->device;
    const struct phu_snmp_check_options *options = phu_snmp_options_of(device);
    struct phu_snmp_work *work = device->work;
    struct phu_session_config config = {.address = (const struct sockaddr *)&work->address,
                                        .address_length = work->address.ss_family == AF_INET6
                                                              ? sizeof(struct sockaddr_in6)
                                                              : sizeof(struct sockaddr_in),
                                        .secret = device->secret,
                                        .user = device->user,
                                        .timeout_ns = options->pdu_timeout_ns,
                                        .retries = (unsigned)options->retries,
                                        .wait = wait_to_repeat,
                                        .told = told,
                                        .arg = line};

    return phu_session_open(device->snmp->shell, &config, &line->session);
}

static void hang_up_line(struct phu_snmp_line *line)
{
    struct phu_snmp_device *device = line->device;
    struct phu_snmp_work *work = device->work;
    const struct phu_session_counts *counts;

    phu_timer_cancel(device->snmp->env.sched, &line->timer);
    line->is_asking = false;
    if (!line->session)
        return;
    counts = phu_session_counts(line->session);
    work->counts.sent += counts->sent;
    work->counts.timeouts += counts->timeouts;
    work->counts.ignored += counts->ignored;
    phu_session_close(line->session);
    line->session = NULL;
}

void phu_snmp_hang_up(struct phu_snmp_device *device)
{
    for (unsigned i = 0; i < device->work->line_count; i++)
        hang_up_line(device->work->lines[i]);
}

/* -- Asking ------------------------------------------------------------------------------------ */

static bool is_busy(const struct phu_snmp_line *line)
{
    return line->is_asking || phu_timer_is_armed(&line->timer);
}

/* May the device be asked something now? Else the line's timer says when. */
static bool may_ask(struct phu_snmp_line *line)
{
    int64_t wait = phu_care_wait(line->device);

    if (wait > 0)
        phu_timer_after(line->device->snmp->env.sched, &line->timer, wait);
    return wait <= 0;
}

/* Who is there? One line asks for all. */
static bool discover(struct phu_snmp_line *line)
{
    if (line != line->device->work->lines[0])
        return false;
    if (may_ask(line)) {
        line->is_asking = true;
        phu_session_discover(line->session);
    }
    return true;
}

/* Asks what is next; false when the line has nothing to do. */
static bool step(struct phu_snmp_line *line)
{
    struct phu_snmp_device *device = line->device;
    struct phu_walk_request request;

    /* Others than the first lost theirs when the device had to say again who it is. */
    if (!line->session && start_session(line) < 0)
        return false;
    if (device->work->is_discovering)
        return discover(line);
    for (;;) {
        if (line->task == PHU_TASK_NONE && !phu_agenda_next(line))
            return false;
        if (phu_walk_is_done(&line->walk)) {
            phu_agenda_ended(line);
            continue;
        }
        if (phu_agenda_stop(line))
            continue;
        if (!may_ask(line))
            return true;
        if (phu_walk_next(&line->walk, &request)) {
            line->is_asking = true;
            phu_session_ask(line->session, &request);
            return true;
        }
    }
}

/* The lines that the check allows, once the device has shown that it answers. */
static bool open_another_line(struct phu_snmp_device *device)
{
    struct phu_snmp_work *work = device->work;
    struct phu_snmp_line *line;

    if (work->line_count >= (unsigned)phu_snmp_options_of(device)->in_flight || !work->answers ||
        !device->profile || !phu_agenda_has_next(device))
        return false;
    line = phu_snmp_line_add(device);
    if (!line)
        return false;
    if (start_session(line) == 0)
        return true;
    phu_snmp_line_drop(device);
    return false;
}

/* Everything has been read that this poll is for. */
static void finish(struct phu_snmp_device *device)
{
    const struct phu_snmp_work *work = device->work;

    if (work->ifmib.row_count || work->ifmib.uptime.has_ticks || work->has_rows)
        phu_snmp_finish(device, PHU_RESULT_OK, NULL);
    else if (phu_snmp_why_incomplete(work))
        phu_snmp_finish(device, PHU_RESULT_MISMATCH, phu_snmp_why_incomplete(work));
    else
        phu_snmp_finish(device, PHU_RESULT_MISMATCH,
                        "it shows neither sysUpTime nor interfaces; check the view of this user or "
                        "community");
}

/* Lets every line go on that has nothing to wait for; what one has read may be what another needs.
 */
static void go_on(struct phu_snmp_device *device)
{
    struct phu_snmp_work *work = device->work;
    bool is_any_busy = false, has_moved = true;

    while (has_moved) {
        has_moved = false;
        for (unsigned i = 0; i < work->line_count; i++) {
            if (!is_busy(work->lines[i]))
                has_moved |= step(work->lines[i]);
        }
        has_moved |= open_another_line(device);
    }
    for (unsigned i = 0; i < work->line_count; i++)
        is_any_busy |= is_busy(work->lines[i]);
    if (!is_any_busy)
        finish(device);
}

void phu_snmp_line_may_ask(struct phu_timer *timer)
{
    go_on(phu_container_of(timer, struct phu_snmp_line, timer)->device);
}

/* -- Who is there ----------------------------------------------------------------------------- */

void phu_snmp_converse(struct phu_snmp_device *device)
{
    struct phu_snmp_work *work = device->work;
    int error;

    work->is_discovering = device->secret->version == PHU_SNMP_V3 && !device->user;
    error = start_session(work->lines[0]);
    if (error == -ENETUNREACH || error == -EHOSTUNREACH)
        phu_snmp_finish(device, PHU_RESULT_UNREACHABLE, "no route");
    else if (error)
        phu_snmp_finish(device, PHU_RESULT_LOCAL_ERROR, strerror(-error));
    else
        go_on(device);
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
    struct phu_usm_engine engine = *phu_session_engine(device->work->lines[0]->session);
    struct phu_usm_owner owner = {device->spec->id,
                                  (const struct sockaddr *)&device->work->address};

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

static void keep_engine(struct phu_snmp_device *device, const struct phu_usm_engine *engine)
{
    device->engine = realloc(device->engine, sizeof *device->engine + engine->length);
    if (!device->engine)
        abort();
    device->engine->length = (uint8_t)engine->length;
    memcpy(device->engine->id, engine->id, engine->length);
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
        device->engine && (device->engine->length != engine->length ||
                           memcmp(device->engine->id, engine->id, engine->length) != 0);
    if (device->work->is_other)
        phu_log_info("snmp", "device has another engine ID: swapped or re-flashed", "device=%s",
                     device->spec->id);
    if (device->work->is_other)
        device->must_identify = true;
    keep_engine(device, engine);
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

static void take_answer(struct phu_snmp_line *line, const struct phu_session_news *news)
{
    struct phu_snmp_work *work = line->device->work;

    work->varbinds += (unsigned)news->count;
    work->ifmib.now_ns = news->at_ns;
    if (news->error_status == 0)
        phu_walk_answer(&line->walk, news->varbinds, news->count);
    else
        phu_walk_error(&line->walk,
                       news->error_status == STATUS_TOO_BIG        ? PHU_WALK_TOO_BIG
                       : news->error_status == STATUS_NO_SUCH_NAME ? PHU_WALK_NO_SUCH_NAME
                                                                   : PHU_WALK_REFUSED,
                       news->error_index);
    phu_agenda_answered(line);
}

static void answered(struct phu_snmp_line *line, const struct phu_session_news *news)
{
    struct phu_snmp_device *device = line->device;
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
    take_answer(line, news);
    go_on(device);
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

/* Objects in the largest question that was not answered. */
static unsigned objects_asked(const struct phu_snmp_work *work)
{
    unsigned most = 2;

    for (unsigned i = 0; i < work->line_count; i++) {
        const struct phu_walk *walk = &work->lines[i]->walk;
        unsigned repeaters = walk->asked_count - walk->asked_scalars;
        unsigned objects = walk->asked_scalars + repeaters * walk->asked_repetitions;

        if (work->lines[i]->task != PHU_TASK_NONE && objects > most)
            most = objects;
    }
    return most;
}

/* What the poll was busy with stays as far as it got. */
static void break_off(struct phu_snmp_device *device, const struct phu_snmp_line *failed)
{
    for (unsigned i = 0; i < device->work->line_count; i++)
        phu_agenda_break(device->work->lines[i], device->work->lines[i] == failed);
}

/* No more is to be had in this poll. */
static void give_up(struct phu_snmp_device *device, const struct phu_snmp_line *failed,
                    enum phu_session_event event, const char *why)
{
    struct phu_snmp_work *work = device->work;
    unsigned objects = objects_asked(work);

    break_off(device, failed);
    if (work->answers) {
        /* Large answers are the first that a bad path loses. */
        if (event == PHU_SESSION_TIMEOUT && failed)
            work->room = objects / 2;
        phu_snmp_finish(device, PHU_RESULT_PARTIAL, why ? why : "it stopped answering half-way");
    } else {
        phu_snmp_finish(device, result_of(event), why);
    }
}

void phu_snmp_run_out_of_time(struct phu_snmp_device *device)
{
    struct phu_snmp_work *work = device->work;

    /* A changed engine ID looks like silence: next time, begin by asking for it. */
    if (device->user && !work->answers && !work->has_discovered)
        forget_engine(device);
    if (work->answers && phu_agenda_is_fast_done(device)) {
        break_off(device, NULL);
        phu_snmp_finish(device, PHU_RESULT_OK, NULL);
    } else {
        give_up(device, NULL, PHU_SESSION_TIMEOUT,
                "the time for this device ran out; raise timeout, pdus_per_second or in_flight");
    }
}

static void timed_out(struct phu_snmp_line *line)
{
    struct phu_snmp_device *device = line->device;
    struct phu_snmp_work *work = device->work;

    if (device->user && !work->has_discovered && !work->answers)
        discover_again(device);
    else if (device->user && !device->has_answered_user)
        refuse(device, "the device says who it is but does not answer this user; most likely the "
                       "privacy passphrase, its protocol or the context is wrong");
    else
        give_up(device, line, PHU_SESSION_TIMEOUT, NULL);
}

static const char *why_failed(int error)
{
    if (error == -ENOBUFS)
        return "answers were lost because our receive buffer was full; raise receive_buffer, and "
               "net.core.rmem_max with it";
    return error ? strerror(-error) : NULL;
}

static void told(void *arg, const struct phu_session_news *news)
{
    struct phu_snmp_line *line = arg;

    line->is_asking = false;
    switch (news->event) {
    case PHU_SESSION_ANSWER:
        answered(line, news);
        return;
    case PHU_SESSION_REPORT:
        reported(line->device, news);
        return;
    case PHU_SESSION_TIMEOUT:
        timed_out(line);
        return;
    case PHU_SESSION_REFUSED:
    case PHU_SESSION_UNREACHABLE:
    case PHU_SESSION_FAILED:
        give_up(line->device, line, news->event, why_failed(news->error));
        return;
    }
}
