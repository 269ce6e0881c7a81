/* Hops of an HTTP call: from a URL to an answer.
 *
 * A hop looks the name up (with our resolver: libcurl's own would stop the loop when a name server
 * is dead), waits for the authorities' certificates if it needs them and they have not been read,
 * and transfers from one of the addresses; when that one cannot be connected to, from the next. A
 * redirect that is allowed starts the next hop.
 */
#include "call.h"

#include "phusong/resolve.h"
#include "trust.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* -- From an address ------------------------------------------------------------------------ */

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
    if (error == -EAGAIN && call->state != PHU_CALL_TRUST) {
        call->state = PHU_CALL_TRUST;
        call->hop_began = phu_sched_now(call->client->sched);
    }
    if (error && error != -EAGAIN) {
        snprintf(message, sizeof message, "no certificates of authorities can be read from %.200s",
                 file ? file : phu_trust_system_file());
        phu_call_finish(call, PHU_HTTP_LOCAL, message);
    }
    return error == 0;
}

static void begin_transfer(struct phu_http_call *call)
{
    X509_STORE *authorities = NULL;
    const char *fault;

    if (!has_authorities(call, &authorities))
        return;
    call->state = PHU_CALL_TRANSFER;
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
        phu_call_finish(call, PHU_HTTP_LOCAL, fault);
}

/* Reading them is our own affair: that time is not part of the answer's. */
void phu_hop_resume(struct phu_http_call *call)
{
    struct phu_mono now = phu_sched_now(call->client->sched);

    if (call->state != PHU_CALL_TRUST)
        return;
    call->started = phu_mono_add(call->started, phu_mono_since(now, call->hop_began));
    call->hop_began = now;
    begin_transfer(call);
}

/* -- The name -------------------------------------------------------------------------------- */

static void looked_up(void *arg, int status, const struct sockaddr_storage *addresses, size_t count)
{
    struct phu_http_call *call = arg;

    call->lookup = NULL;
    if (status == -ENOENT) {
        phu_call_finish(call, PHU_HTTP_DNS, "no such name");
        return;
    }
    if (status) {
        phu_call_finish(call, PHU_HTTP_DNS,
                        status == -ETIMEDOUT ? "the name servers do not answer"
                                             : "the name lookup failed");
        return;
    }
    phu_http_add_phase(&call->result.lookup_ns,
                       phu_mono_since(phu_sched_now(call->client->sched), call->hop_began));
    call->address_count = count < PHU_CALL_ADDRESSES ? count : PHU_CALL_ADDRESSES;
    memcpy(call->addresses, addresses, call->address_count * sizeof *addresses);
    begin_transfer(call);
}

static void use_literal(struct phu_http_call *call)
{
    int family = call->request.family;

    call->address_count = 1;
    if (family != AF_UNSPEC && family != call->addresses[0].ss_family) {
        phu_call_finish(call, PHU_HTTP_DNS, "the address is not of the family asked for");
        return;
    }
    begin_transfer(call);
}

void phu_hop_begin(struct phu_http_call *call)
{
    const struct phu_http_request *request = &call->request;
    int error;

    call->state = PHU_CALL_LOOKUP;
    call->hop_began = phu_sched_now(call->client->sched);
    call->address = 0;
    call->is_own_host = strcmp(call->place.host, call->own.host) == 0;
    if (request->connect_to && call->is_own_host) {
        if (phu_address_parse(request->connect_to, &call->addresses[0]))
            phu_call_finish(call, PHU_HTTP_LOCAL, "connect_to is not an address");
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
        phu_call_finish(call, error == -EINVAL ? PHU_HTTP_DNS : PHU_HTTP_LOCAL,
                        error == -EINVAL ? "not a host name" : "the name cannot be asked for now");
}

/* -- The answer ------------------------------------------------------------------------------ */

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
        phu_call_finish(call, PHU_HTTP_REDIRECT, "a redirect without a usable Location");
        return true;
    }
    if (!phu_http_may_follow(&call->own, &call->place, &place, call->request.redirect_hosts)) {
        snprintf(message, sizeof message, "redirected to %.*s, which is not allowed", 200, url);
        free(url);
        phu_call_finish(call, PHU_HTTP_REDIRECT, message);
        return true;
    }
    if (++call->redirects > call->request.max_redirects) {
        free(url);
        phu_call_finish(call, PHU_HTTP_REDIRECT, "too many redirects");
        return true;
    }
    free(call->url);
    call->url = url;
    call->place = place;
    call->method = phu_http_redirect_method(call->method, call->result.status);
    phu_transfer_stop(&call->transfer);
    phu_hop_begin(call);
    return true;
}

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

void phu_hop_ended(void *arg, CURLcode code)
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
    phu_call_finish(call, error, message);
}
