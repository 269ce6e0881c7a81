/* HTTP on the loop.
 *
 * A client keeps its calls: their time limits, and when their owners are called. How a call comes
 * to its answer is in hop.c.
 *
 * libcurl calls back from inside its own functions, where a transfer must not be removed. So a call
 * that is over only arms its timer for "at once", and its owner is called from there, free to
 * cancel other calls or to free the client.
 *
 * libcurl notes the time of a milestone when it gets to run. While fresh calls (probes) are in
 * flight a pulse timer measures how late the loop is, so that a result can say how far its times
 * may be off. A loop that was held up also finds timeouts overdue whose answers wait in the socket:
 * an overdue call gets one more turn of the loop before it is called timed out.
 */
#include "phusong/http.h"

#include "call.h"
#include "http_rules.h"
#include "multi.h"
#include "phusong/resolve.h"
#include "phusong/sched.h"
#include "pulse.h"
#include "trust.h"

#include <curl/curl.h>

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BODY_DEFAULT (64 * 1024)
#define TIMEOUT_DEFAULT_NS (30 * PHU_NS_PER_S)
#define OVERDUE_NS (5 * PHU_NS_PER_MS)
#define GRACE_NS (2 * PHU_NS_PER_MS)

/* -- How late is the loop? ------------------------------------------------------------------- */

static void note_lag(struct phu_http_call *call, int64_t late_ns)
{
    if (late_ns > call->result.lag_ns)
        call->result.lag_ns = late_ns;
}

static void loop_was_late(struct phu_pulse *pulse, int64_t ns)
{
    struct phu_http_client *client = phu_container_of(pulse, struct phu_http_client, pulse);

    for (struct phu_http_call *call = client->calls; call; call = call->next)
        note_lag(call, ns);
}

static void forgive_own_work(void *arg, int64_t ns)
{
    struct phu_http_client *client = arg;

    phu_pulse_forgive(&client->pulse, ns);
}

/* -- Calls ----------------------------------------------------------------------------------- */

void phu_call_finish(struct phu_http_call *call, enum phu_http_error error, const char *message)
{
    struct phu_http_client *client = call->client;
    struct phu_http_result *result = &call->result;

    result->completed = phu_sched_now(client->sched);
    result->total_ns = phu_mono_since(result->completed, call->started);
    if (call->request.is_fresh)
        note_lag(call, phu_pulse_late_ns(&client->pulse, result->completed));
    else
        result->lag_ns = 0;
    if (call->transfer.retry_after[0] &&
        phu_http_retry_after(call->transfer.retry_after, phu_sched_wall(client->sched),
                             &result->retry_after_ns))
        result->retry_after_ns = 0;
    result->error = error;
    snprintf(call->message, sizeof call->message, "%s", message);
    call->state = PHU_CALL_OVER;
    phu_transfer_stop(&call->transfer);
    phu_timer_after(client->sched, &call->timer, 0);
}

static void free_call(struct phu_http_call *call)
{
    phu_transfer_fini(&call->transfer);
    free(call->url);
    free(call);
}

static void leave_client(struct phu_http_call *call)
{
    phu_timer_cancel(call->client->sched, &call->timer);
    phu_resolve_cancel(call->lookup);
    call->lookup = NULL;
    phu_transfer_stop(&call->transfer);
    *call->link = call->next;
    if (call->next)
        call->next->link = call->link;
    if (call->request.is_fresh)
        phu_pulse_leave(&call->client->pulse);
}

static void deliver(struct phu_http_call *call)
{
    const struct phu_transfer *transfer = &call->transfer;
    struct phu_http_result *result = &call->result;

    leave_client(call);
    call->state = PHU_CALL_TOLD;
    result->message = call->message;
    result->body = transfer->body ? transfer->body : "";
    result->body_length = transfer->body_length;
    result->bytes_received = transfer->bytes_received;
    result->is_truncated = transfer->is_truncated;
    result->certificate_expires = transfer->tls.certificate_expires;
    call->done(call->arg, result);
    free_call(call);
}

static void call_timer_rang(struct phu_timer *timer)
{
    struct phu_http_call *call = phu_container_of(timer, struct phu_http_call, timer);
    struct phu_sched *sched = call->client->sched;

    if (call->state == PHU_CALL_OVER) {
        deliver(call);
        return;
    }
    if (!call->had_grace && phu_mono_since(phu_sched_now(sched), call->deadline) > OVERDUE_NS) {
        call->had_grace = true;
        phu_timer_after(sched, &call->timer, GRACE_NS);
        return;
    }
    phu_transfer_read(&call->transfer, &call->result);
    if (call->state == PHU_CALL_LOOKUP)
        phu_call_finish(call, PHU_HTTP_DNS, "the name servers do not answer");
    else if (call->state == PHU_CALL_TRUST)
        phu_call_finish(call, PHU_HTTP_LOCAL,
                        "reading the certificates of authorities takes too long");
    else if (call->result.connect_ns < 0)
        phu_call_finish(call, PHU_HTTP_TIMEOUT, "no connection in time");
    else if (call->result.status == 0)
        phu_call_finish(call, PHU_HTTP_TIMEOUT, "connected, but no answer in time");
    else
        phu_call_finish(call, PHU_HTTP_TIMEOUT, "the answer did not end in time");
}

static void enter_client(struct phu_http_client *client, struct phu_http_call *call)
{
    call->client = client;
    call->next = client->calls;
    call->link = &client->calls;
    if (call->next)
        call->next->link = &call->next;
    client->calls = call;
    if (call->request.is_fresh)
        phu_pulse_join(&client->pulse);
}

int phu_http_start(struct phu_http_client *client, const struct phu_http_request *request,
                   phu_http_done_cb *done, void *arg, struct phu_http_call **out)
{
    struct phu_http_call *call = calloc(1, sizeof *call);
    int error;

    if (!call)
        return -ENOMEM;
    error = phu_http_place(request->url, &call->own);
    if (!error && !(call->url = strdup(request->url)))
        error = -ENOMEM;
    if (error) {
        free(call);
        return error;
    }
    call->request = *request;
    call->place = call->own;
    call->done = done;
    call->arg = arg;
    call->method = request->method && *request->method ? request->method : "GET";
    if (!request->max_body)
        call->request.max_body = BODY_DEFAULT;
    call->result = (struct phu_http_result){
        .lookup_ns = -1, .connect_ns = -1, .tls_ns = -1, .first_byte_ns = -1};
    call->started = phu_sched_now(client->sched);
    call->deadline = phu_mono_add(call->started, request->timeout_ns > 0 ? request->timeout_ns
                                                                         : TIMEOUT_DEFAULT_NS);
    phu_timer_init(&call->timer, call_timer_rang);
    enter_client(client, call);
    phu_timer_at(client->sched, &call->timer, call->deadline);
    phu_hop_begin(call);
    *out = call;
    return 0;
}

void phu_http_cancel(struct phu_http_call *call)
{
    if (!call || call->state == PHU_CALL_TOLD)
        return;
    leave_client(call);
    free_call(call);
}

/* -- The client ------------------------------------------------------------------------------ */

static void authorities_read(void *arg)
{
    struct phu_http_client *client = arg;

    for (struct phu_http_call *call = client->calls; call; call = call->next)
        phu_hop_resume(call);
}

/* A server that hangs up must not end the process: OpenSSL writes without MSG_NOSIGNAL. */
static void ignore_sigpipe(void)
{
    struct sigaction old;

    if (sigaction(SIGPIPE, NULL, &old) == 0 && old.sa_handler == SIG_DFL)
        signal(SIGPIPE, SIG_IGN);
}

int phu_http_client_new(struct phu_sched *sched, struct phu_resolver *resolver,
                        struct phu_http_client **out)
{
    struct phu_http_client *client = calloc(1, sizeof *client);

    if (!client)
        return -ENOMEM;
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
        free(client);
        return -EIO;
    }
    ignore_sigpipe();
    client->sched = sched;
    client->resolver = resolver;
    phu_pulse_init(&client->pulse, sched, loop_was_late);
    client->trust = phu_trust_new(sched, authorities_read, client);
    client->multi = phu_multi_new(sched, &(struct phu_multi_events){.ended = phu_hop_ended,
                                                                    .worked = forgive_own_work,
                                                                    .arg = client});
    if (!client->multi || !client->trust) {
        phu_multi_free(client->multi);
        phu_trust_free(client->trust);
        curl_global_cleanup();
        free(client);
        return -ENOMEM;
    }
    *out = client;
    return 0;
}

static void cancel_calls(struct phu_http_client *client)
{
    struct phu_http_call *next;

    for (struct phu_http_call *call = client->calls; call; call = next) {
        next = call->next;
        phu_http_cancel(call);
    }
}

void phu_http_client_free(struct phu_http_client *client)
{
    if (!client)
        return;
    cancel_calls(client);
    phu_multi_free(client->multi);
    phu_trust_free(client->trust);
    phu_pulse_fini(&client->pulse);
    curl_global_cleanup();
    free(client);
}
