/* HTTP on the loop.
 *
 * A call goes through hops: look the name up (with our resolver: libcurl's own would stop the loop
 * when a name server is dead), connect to one of the addresses, speak HTTP; a redirect that is
 * allowed starts the next hop. libcurl is told the address with CURLOPT_CONNECT_TO, which leaves
 * Host and SNI as they are.
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

#include "http_rules.h"
#include "multi.h"
#include "phusong/resolve.h"
#include "phusong/sched.h"
#include "pulse.h"
#include "transfer.h"
#include "trust.h"

#include <curl/curl.h>

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define BODY_DEFAULT (64 * 1024)
#define TIMEOUT_DEFAULT_NS (30 * PHU_NS_PER_S)
#define ADDRESSES_TRIED 4
#define OVERDUE_NS (5 * PHU_NS_PER_MS)
#define GRACE_NS (2 * PHU_NS_PER_MS)

struct phu_http_client {
    struct phu_sched *sched;
    struct phu_resolver *resolver;
    struct phu_trust *trust;
    struct phu_multi *multi;
    struct phu_pulse pulse; /* while there are fresh calls */
    struct phu_http_call *calls;
};

enum call_state {
    CALL_LOOKUP,
    CALL_TRUST, /* the authorities' certificates are being read */
    CALL_TRANSFER,
    CALL_OVER,
    CALL_TOLD, /* its owner is being called */
};

struct phu_http_call {
    struct phu_http_call *next, **link;
    struct phu_http_client *client;
    struct phu_http_request request;
    phu_http_done_cb *done;
    void *arg;
    enum call_state state;
    struct phu_timer timer; /* time limit; once over, delivery */
    struct phu_mono started, deadline, hop_began;
    bool had_grace;

    char *url; /* of this hop */
    const char *method;
    bool is_own_host; /* this hop goes where the request was meant for */
    struct phu_http_place own, place;
    unsigned redirects;
    struct phu_resolve *lookup;
    struct sockaddr_storage addresses[ADDRESSES_TRIED];
    size_t address_count, address;

    struct phu_transfer transfer;
    char message[CURL_ERROR_SIZE + 320];
    struct phu_http_result result;
};

static void finish(struct phu_http_call *call, enum phu_http_error error, const char *message);
static void begin_hop(struct phu_http_call *call);
static void begin_transfer(struct phu_http_call *call);

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

/* -- Transfers ------------------------------------------------------------------------------- */

static int64_t time_left(const struct phu_http_call *call)
{
    int64_t left = phu_mono_since(call->deadline, phu_sched_now(call->client->sched));

    return left > PHU_NS_PER_MS ? left : PHU_NS_PER_MS;
}

/* While there are other addresses to try, time is left for them. */
static int64_t connect_timeout_ms(const struct phu_http_call *call)
{
    int64_t left_ms = time_left(call) / PHU_NS_PER_MS;

    if (call->address + 1 < call->address_count)
        return left_ms / (int64_t)(call->address_count - call->address);
    return left_ms + 1000;
}

/* False while the call has to wait for the authorities' certificates, or has failed for them. */
static bool has_authorities(struct phu_http_call *call, X509_STORE **authorities)
{
    const struct phu_http_tls *tls = call->request.tls;
    const char *file = tls ? tls->ca_file : NULL;
    char message[320];
    int error;

    if (strcmp(call->place.scheme, "https") != 0 || (tls && tls->is_unverified))
        return true;
    error = phu_trust_get(call->client->trust, file, authorities);
    if (error == -EAGAIN && call->state != CALL_TRUST) {
        call->state = CALL_TRUST;
        call->hop_began = phu_sched_now(call->client->sched);
    }
    if (error && error != -EAGAIN) {
        snprintf(message, sizeof message, "no certificates of authorities can be read from %.200s",
                 file ? file : phu_trust_system_file());
        finish(call, PHU_HTTP_LOCAL, message);
    }
    return error == 0;
}

/* Reading them is our own affair: that time is not part of the answer's. */
static void authorities_read(void *arg)
{
    struct phu_http_client *client = arg;

    for (struct phu_http_call *call = client->calls; call; call = call->next) {
        if (call->state != CALL_TRUST)
            continue;
        call->started = phu_mono_add(call->started,
                                     phu_mono_since(phu_sched_now(client->sched), call->hop_began));
        call->hop_began = phu_sched_now(client->sched);
        begin_transfer(call);
    }
}

static void begin_transfer(struct phu_http_call *call)
{
    X509_STORE *authorities = NULL;
    const char *fault;

    if (!has_authorities(call, &authorities))
        return;
    call->state = CALL_TRANSFER;
    fault = phu_transfer_start(&call->transfer, call->client->multi,
                               &(struct phu_transfer_plan){
                                   .request = &call->request,
                                   .url = call->url,
                                   .method = call->method,
                                   .address = &call->addresses[call->address],
                                   .is_own_host = call->is_own_host,
                                   .connect_timeout_ms = connect_timeout_ms(call),
                                   .authorities = authorities,
                                   .owner = call,
                               });
    if (fault)
        finish(call, PHU_HTTP_LOCAL, fault);
}

/* -- Hops ------------------------------------------------------------------------------------ */

static void looked_up(void *arg, int status, const struct sockaddr_storage *addresses, size_t count)
{
    struct phu_http_call *call = arg;

    call->lookup = NULL;
    if (status == -ENOENT) {
        finish(call, PHU_HTTP_DNS, "no such name");
        return;
    }
    if (status) {
        finish(call, PHU_HTTP_DNS,
               status == -ETIMEDOUT ? "the name servers do not answer" : "the name lookup failed");
        return;
    }
    phu_http_add_phase(&call->result.lookup_ns,
                       phu_mono_since(phu_sched_now(call->client->sched), call->hop_began));
    call->address_count = count < ADDRESSES_TRIED ? count : ADDRESSES_TRIED;
    memcpy(call->addresses, addresses, call->address_count * sizeof *addresses);
    begin_transfer(call);
}

static void use_literal(struct phu_http_call *call)
{
    int family = call->request.family;

    call->address_count = 1;
    if (family != AF_UNSPEC && family != call->addresses[0].ss_family) {
        finish(call, PHU_HTTP_DNS, "the address is not of the family asked for");
        return;
    }
    begin_transfer(call);
}

static void begin_hop(struct phu_http_call *call)
{
    const struct phu_http_request *request = &call->request;
    int error;

    call->state = CALL_LOOKUP;
    call->hop_began = phu_sched_now(call->client->sched);
    call->address = 0;
    call->is_own_host = strcmp(call->place.host, call->own.host) == 0;
    if (request->connect_to && call->is_own_host) {
        if (phu_address_parse(request->connect_to, &call->addresses[0]))
            finish(call, PHU_HTTP_LOCAL, "connect_to is not an address");
        else
            use_literal(call);
        return;
    }
    if (!phu_address_parse(call->place.host, &call->addresses[0])) {
        use_literal(call);
        return;
    }
    error = (request->is_fresh ? phu_resolve_start : phu_resolve_start_tolerant)(
        call->client->resolver, call->place.host, request->family, time_left(call), looked_up, call,
        &call->lookup);
    if (error)
        finish(call, error == -EINVAL ? PHU_HTTP_DNS : PHU_HTTP_LOCAL,
               error == -EINVAL ? "not a host name" : "the name cannot be asked for now");
}

/* Where the answer redirects to, with the name of tls.server_name turned back into the URL's. */
static int redirect_target(struct phu_http_call *call, char **url, struct phu_http_place *place)
{
    const struct phu_http_tls *tls = call->request.tls;
    const char *target = phu_transfer_redirect(&call->transfer);

    if (!target || phu_http_place(target, place))
        return -EINVAL;
    if (call->is_own_host && tls && tls->server_name &&
        strcasecmp(tls->server_name, place->host) == 0)
        memcpy(place->host, call->own.host, sizeof place->host);
    *url = strdup(target);
    return *url ? 0 : -ENOMEM;
}

/* True when the call goes on (or has been finished for a redirect that must not be followed). */
static bool follow(struct phu_http_call *call)
{
    struct phu_http_place place;
    char *url, message[256];

    if (!phu_http_is_redirect(call->result.status) || call->request.max_redirects == 0)
        return false;
    if (redirect_target(call, &url, &place)) {
        finish(call, PHU_HTTP_REDIRECT, "a redirect without a usable Location");
        return true;
    }
    if (!phu_http_may_follow(&call->own, &call->place, &place, call->request.redirect_hosts)) {
        snprintf(message, sizeof message, "redirected to %.*s, which is not allowed", 200, url);
        free(url);
        finish(call, PHU_HTTP_REDIRECT, message);
        return true;
    }
    if (++call->redirects > call->request.max_redirects) {
        free(url);
        finish(call, PHU_HTTP_REDIRECT, "too many redirects");
        return true;
    }
    free(call->url);
    call->url = url;
    call->place = place;
    call->method = phu_http_redirect_method(call->method, call->result.status);
    phu_transfer_stop(&call->transfer);
    begin_hop(call);
    return true;
}

/* -- The end of a transfer ------------------------------------------------------------------- */

/* The connection failed, and there is another address to try. */
static bool try_next_address(struct phu_http_call *call)
{
    if (call->address + 1 >= call->address_count || phu_transfer_has_connected(&call->transfer))
        return false;
    call->address++;
    phu_transfer_stop(&call->transfer);
    begin_transfer(call);
    return true;
}

static void transfer_ended(void *arg, CURLcode code)
{
    struct phu_http_call *call = arg;
    enum phu_http_error error = phu_transfer_error(&call->transfer, code);
    char message[CURL_ERROR_SIZE] = "";

    phu_transfer_read(&call->transfer, &call->result);
    if (error == PHU_HTTP_OK && follow(call))
        return;
    if (error != PHU_HTTP_OK && try_next_address(call))
        return;
    if (error != PHU_HTTP_OK)
        phu_transfer_explain(&call->transfer, code, message, sizeof message);
    finish(call, error, message);
}

static void finish(struct phu_http_call *call, enum phu_http_error error, const char *message)
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
    call->state = CALL_OVER;
    phu_transfer_stop(&call->transfer);
    phu_timer_after(client->sched, &call->timer, 0);
}

/* -- Calls ----------------------------------------------------------------------------------- */

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
    call->state = CALL_TOLD;
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

    if (call->state == CALL_OVER) {
        deliver(call);
        return;
    }
    if (!call->had_grace && phu_mono_since(phu_sched_now(sched), call->deadline) > OVERDUE_NS) {
        call->had_grace = true;
        phu_timer_after(sched, &call->timer, GRACE_NS);
        return;
    }
    phu_transfer_read(&call->transfer, &call->result);
    if (call->state == CALL_LOOKUP)
        finish(call, PHU_HTTP_DNS, "the name servers do not answer");
    else if (call->state == CALL_TRUST)
        finish(call, PHU_HTTP_LOCAL, "reading the certificates of authorities takes too long");
    else if (call->result.connect_ns < 0)
        finish(call, PHU_HTTP_TIMEOUT, "no connection in time");
    else if (call->result.status == 0)
        finish(call, PHU_HTTP_TIMEOUT, "connected, but no answer in time");
    else
        finish(call, PHU_HTTP_TIMEOUT, "the answer did not end in time");
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
    begin_hop(call);
    *out = call;
    return 0;
}

void phu_http_cancel(struct phu_http_call *call)
{
    if (!call || call->state == CALL_TOLD)
        return;
    leave_client(call);
    free_call(call);
}

/* -- The client ------------------------------------------------------------------------------ */

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
    client->multi = phu_multi_new(sched, &(struct phu_multi_events){.ended = transfer_ended,
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
