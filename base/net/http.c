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
#include "trust.h"

#include <curl/curl.h>
#include <openssl/ssl.h>

#include <arpa/inet.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define BODY_DEFAULT (64 * 1024)
#define HEADERS_MAX (256 * 1024)
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
    X509_STORE *authorities; /* NULL: none needed */
    bool had_grace;

    char *url; /* of this hop */
    const char *method;
    bool is_own_host; /* this hop goes where the request was meant for */
    struct phu_http_place own, place;
    unsigned redirects;
    struct phu_resolve *lookup;
    struct sockaddr_storage addresses[ADDRESSES_TRIED];
    size_t address_count, address;

    CURL *easy;
    struct curl_slist *headers, *connect_to;
    size_t header_bytes;
    char retry_after[64];
    char *body;
    size_t body_capacity;
    char error[CURL_ERROR_SIZE];
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

/* -- What comes back ------------------------------------------------------------------------- */

static bool keep_body(struct phu_http_call *call, const char *data, size_t length)
{
    size_t needed = call->result.body_length + length + 1;

    if (needed > call->body_capacity) {
        size_t capacity = call->body_capacity ? call->body_capacity * 2 : 1024;
        char *body;

        while (capacity < needed)
            capacity *= 2;
        body = realloc(call->body, capacity);
        if (!body)
            return false;
        call->body = body;
        call->body_capacity = capacity;
    }
    memcpy(call->body + call->result.body_length, data, length);
    call->result.body_length += length;
    call->body[call->result.body_length] = '\0';
    return true;
}

static size_t body_came(char *data, size_t size, size_t count, void *arg)
{
    struct phu_http_call *call = arg;
    size_t length = size * count;
    size_t room = call->request.max_body - call->result.body_length;

    call->result.bytes_received += length;
    if (!keep_body(call, data, length < room ? length : room))
        return 0;
    if (length > room) {
        call->result.is_truncated = true;
        return 0; /* that is enough: ends the transfer */
    }
    return length;
}

static size_t header_came(char *data, size_t size, size_t count, void *arg)
{
    struct phu_http_call *call = arg;
    size_t length = size * count;

    call->header_bytes += length;
    if (call->header_bytes > HEADERS_MAX)
        return 0;
    if (length >= 5 && memcmp(data, "HTTP/", 5) == 0)
        call->retry_after[0] = '\0'; /* of an interim answer */
    else
        phu_http_header_value(data, length, "Retry-After", call->retry_after,
                              sizeof call->retry_after);
    return length;
}

static int certificate_checked(int is_good, X509_STORE_CTX *store)
{
    SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
    struct phu_http_call *call = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
    X509 *leaf = X509_STORE_CTX_get0_cert(store);
    struct tm tm = {0};

    if (leaf && ASN1_TIME_to_tm(X509_get0_notAfter(leaf), &tm))
        call->result.certificate_expires = timegm(&tm);
    return is_good;
}

/* A certificate that is refused is the one whose end is most interesting, and libcurl tells nothing
 * about it: so the end is read while OpenSSL checks. Only for connections that go with their call,
 * or a later renegotiation would find it gone. */
static CURLcode set_up_context(CURL *easy, void *context, void *arg)
{
    struct phu_http_call *call = arg;

    (void)easy;
    if (call->authorities)
        SSL_CTX_set1_cert_store(context, call->authorities);
    if (call->request.is_fresh) {
        SSL_CTX_set_app_data((SSL_CTX *)context, call);
        SSL_CTX_set_verify(context, SSL_CTX_get_verify_mode(context), certificate_checked);
    }
    return CURLE_OK;
}

/* -- Preparing a transfer -------------------------------------------------------------------- */

static bool is_credential(const char *header)
{
    return strncasecmp(header, "Authorization:", 14) == 0 || strncasecmp(header, "Cookie:", 7) == 0;
}

static bool add_header(struct phu_http_call *call, const char *header)
{
    struct curl_slist *list = curl_slist_append(call->headers, header);

    if (list)
        call->headers = list;
    return list;
}

/* Secrets stay with the host that they were meant for. */
static bool set_headers(struct phu_http_call *call)
{
    const char *const *header = call->request.headers;
    bool has_type = false;

    curl_slist_free_all(call->headers);
    call->headers = NULL;
    for (; header && *header; header++) {
        if (strncasecmp(*header, "Content-Type:", 13) == 0)
            has_type = true;
        if ((call->is_own_host || !is_credential(*header)) && !add_header(call, *header))
            return false;
    }
    if (!has_type && !add_header(call, "Content-Type:"))
        return false;
    return add_header(call, "Expect:");
}

static void set_method(struct phu_http_call *call)
{
    CURL *easy = call->easy;
    const struct phu_http_request *request = &call->request;

    if (strcmp(call->method, "HEAD") == 0) {
        curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
        return;
    }
    if (request->body && strcmp(call->method, "GET") != 0) {
        curl_easy_setopt(easy, CURLOPT_POST, 1L);
        curl_easy_setopt(easy, CURLOPT_POSTFIELDS, request->body); /* not copied */
        curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->body_length);
    } else if (strcmp(call->method, "POST") == 0) {
        curl_easy_setopt(easy, CURLOPT_POST, 1L);
        curl_easy_setopt(easy, CURLOPT_POSTFIELDS, "");
        curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)0);
    }
    curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, call->method);
}

static void set_tls(struct phu_http_call *call)
{
    static const struct phu_http_tls none = {0};
    const struct phu_http_tls *tls = call->request.tls ? call->request.tls : &none;
    CURL *easy = call->easy;

    curl_easy_setopt(easy, CURLOPT_CAPATH, NULL); /* the authorities come from set_up_context */
    curl_easy_setopt(easy, CURLOPT_CAINFO, NULL);
    curl_easy_setopt(easy, CURLOPT_CA_CACHE_TIMEOUT, 0L);
    curl_easy_setopt(easy, CURLOPT_SSL_CTX_FUNCTION, set_up_context);
    curl_easy_setopt(easy, CURLOPT_SSL_CTX_DATA, call);
    if (tls->cert_file && call->is_own_host)
        curl_easy_setopt(easy, CURLOPT_SSLCERT, tls->cert_file);
    if (tls->key_file && call->is_own_host)
        curl_easy_setopt(easy, CURLOPT_SSLKEY, tls->key_file);
    if (tls->is_unverified) {
        curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 0L);
        curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 0L);
    }
    if (call->request.is_fresh)
        curl_easy_setopt(easy, CURLOPT_SSL_SESSIONID_CACHE, 0L);
}

static void set_source(struct phu_http_call *call)
{
    const char *interface = call->request.interface;
    struct sockaddr_storage address;
    char text[128];

    if (!interface || !*interface)
        return;
    snprintf(text, sizeof text, "%s!%s", phu_address_parse(interface, &address) ? "if" : "host",
             interface);
    curl_easy_setopt(call->easy, CURLOPT_INTERFACE, text);
}

static bool set_address(struct phu_http_call *call)
{
    const struct sockaddr_storage *address = &call->addresses[call->address];
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)address;
    char text[INET6_ADDRSTRLEN], rule[INET6_ADDRSTRLEN + 8];

    if (address->ss_family == AF_INET6) {
        inet_ntop(AF_INET6, &v6->sin6_addr, text, sizeof text);
        snprintf(rule, sizeof rule, "::[%s]:", text);
        curl_easy_setopt(call->easy, CURLOPT_ADDRESS_SCOPE, (long)v6->sin6_scope_id);
    } else {
        inet_ntop(AF_INET, &((const struct sockaddr_in *)address)->sin_addr, text, sizeof text);
        snprintf(rule, sizeof rule, "::%s:", text);
    }
    curl_slist_free_all(call->connect_to);
    call->connect_to = curl_slist_append(NULL, rule);
    curl_easy_setopt(call->easy, CURLOPT_CONNECT_TO, call->connect_to);
    return call->connect_to;
}

/* The name in the URL is what libcurl asks for in Host and in TLS. */
static bool set_url(struct phu_http_call *call)
{
    const struct phu_http_tls *tls = call->request.tls;
    CURLU *url;
    char *text = NULL;
    bool is_set = false;

    if (!tls || !tls->server_name || !*tls->server_name || !call->is_own_host)
        return curl_easy_setopt(call->easy, CURLOPT_URL, call->url) == CURLE_OK;
    url = curl_url();
    if (url && curl_url_set(url, CURLUPART_URL, call->url, 0) == CURLUE_OK &&
        curl_url_set(url, CURLUPART_HOST, tls->server_name, 0) == CURLUE_OK &&
        curl_url_get(url, CURLUPART_URL, &text, 0) == CURLUE_OK)
        is_set = curl_easy_setopt(call->easy, CURLOPT_URL, text) == CURLE_OK;
    curl_free(text);
    curl_url_cleanup(url);
    return is_set;
}

static int64_t time_left(const struct phu_http_call *call)
{
    int64_t left = phu_mono_since(call->deadline, phu_sched_now(call->client->sched));

    return left > PHU_NS_PER_MS ? left : PHU_NS_PER_MS;
}

static void set_common(struct phu_http_call *call)
{
    CURL *easy = call->easy;

    curl_easy_setopt(easy, CURLOPT_PRIVATE, call);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, call->error);
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_NOPROXY, "*");
    curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);
    curl_easy_setopt(easy, CURLOPT_DNS_CACHE_TIMEOUT, 0L);
    curl_easy_setopt(easy, CURLOPT_USERAGENT, "phusong");
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, body_came);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, call);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, header_came);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, call);
    if (call->request.user_password && call->is_own_host)
        curl_easy_setopt(easy, CURLOPT_USERPWD, call->request.user_password);
    if (call->request.is_fresh) {
        curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, 1L);
        curl_easy_setopt(easy, CURLOPT_FORBID_REUSE, 1L);
    } else {
        curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
    }
    if (call->address + 1 < call->address_count) /* leave time for the others */
        curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS,
                         (long)(time_left(call) / PHU_NS_PER_MS /
                                (int64_t)(call->address_count - call->address)));
    else
        curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS,
                         (long)(time_left(call) / PHU_NS_PER_MS) + 1000);
}

/* False while the call has to wait for the authorities' certificates, or has failed for them. */
static bool has_authorities(struct phu_http_call *call)
{
    const struct phu_http_tls *tls = call->request.tls;
    const char *file = tls ? tls->ca_file : NULL;
    X509_STORE *store = NULL;
    int error;

    if (strcmp(call->place.scheme, "https") != 0 || (tls && tls->is_unverified))
        return true;
    error = phu_trust_get(call->client->trust, file, &store);
    if (!error && X509_STORE_up_ref(store))
        call->authorities = store;
    if (error == -EAGAIN && call->state != CALL_TRUST) {
        call->state = CALL_TRUST;
        call->hop_began = phu_sched_now(call->client->sched);
    }
    if (error && error != -EAGAIN) {
        snprintf(call->error, sizeof call->error,
                 "no certificates of authorities can be read from %.200s",
                 file ? file : phu_trust_system_file());
        finish(call, PHU_HTTP_LOCAL, call->error);
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
    if (!has_authorities(call))
        return;
    call->state = CALL_TRANSFER;
    call->error[0] = '\0';
    call->retry_after[0] = '\0';
    call->header_bytes = 0;
    call->result.body_length = 0;
    call->result.bytes_received = 0;
    call->result.is_truncated = false;
    call->easy = curl_easy_init();
    if (!call->easy || !set_headers(call) || !set_url(call) || !set_address(call)) {
        finish(call, PHU_HTTP_LOCAL, "the request cannot be put together");
        return;
    }
    set_common(call);
    set_method(call);
    set_tls(call);
    set_source(call);
    curl_easy_setopt(call->easy, CURLOPT_HTTPHEADER, call->headers);
    if (phu_multi_add(call->client->multi, call->easy) != CURLM_OK)
        finish(call, PHU_HTTP_LOCAL, "libcurl does not take the request");
}

static void end_transfer(struct phu_http_call *call)
{
    X509_STORE_free(call->authorities);
    call->authorities = NULL;
    if (!call->easy)
        return;
    phu_multi_remove(call->client->multi, call->easy);
    curl_easy_cleanup(call->easy);
    call->easy = NULL;
}

/* -- Hops ------------------------------------------------------------------------------------ */

static void add_phase(int64_t *phase, int64_t ns)
{
    *phase = (*phase < 0 ? 0 : *phase) + (ns < 0 ? 0 : ns);
}

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
    add_phase(&call->result.lookup_ns,
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

static bool is_redirect(int status)
{
    return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

/* Where the answer redirects to, with the name of tls.server_name turned back into the URL's. */
static int redirect_target(struct phu_http_call *call, char **url, struct phu_http_place *place)
{
    const struct phu_http_tls *tls = call->request.tls;
    char *target = NULL;

    curl_easy_getinfo(call->easy, CURLINFO_REDIRECT_URL, &target);
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
    int status = call->result.status;
    char *url;

    if (!is_redirect(status) || call->request.max_redirects == 0)
        return false;
    if (redirect_target(call, &url, &place)) {
        finish(call, PHU_HTTP_REDIRECT, "a redirect without a usable Location");
        return true;
    }
    if (!phu_http_may_follow(&call->own, &call->place, &place, call->request.redirect_hosts)) {
        snprintf(call->error, sizeof call->error, "redirected to %.*s, which is not allowed", 200,
                 url);
        free(url);
        finish(call, PHU_HTTP_REDIRECT, call->error);
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
    if (strcmp(call->method, "HEAD") != 0 &&
        (status == 303 || (status < 303 && strcmp(call->method, "POST") == 0)))
        call->method = "GET";
    end_transfer(call);
    begin_hop(call);
    return true;
}

/* -- The end of a transfer ------------------------------------------------------------------- */

static int64_t milestone(const struct phu_http_call *call, CURLINFO info)
{
    curl_off_t us = 0;

    curl_easy_getinfo(call->easy, info, &us);
    return (int64_t)us * PHU_NS_PER_US;
}

static void read_phases(struct phu_http_call *call)
{
    struct phu_http_result *result = &call->result;
    int64_t named = milestone(call, CURLINFO_NAMELOOKUP_TIME_T);
    int64_t connected = milestone(call, CURLINFO_CONNECT_TIME_T);
    int64_t secured = milestone(call, CURLINFO_APPCONNECT_TIME_T);
    int64_t ready = milestone(call, CURLINFO_PRETRANSFER_TIME_T);
    int64_t first = milestone(call, CURLINFO_STARTTRANSFER_TIME_T);

    if (connected > 0)
        add_phase(&result->connect_ns, connected - named);
    if (secured > 0)
        add_phase(&result->tls_ns, secured - connected);
    if (first > 0 && result->status)
        add_phase(&result->first_byte_ns, first - ready);
}

static void read_result(struct phu_http_call *call)
{
    long status = 0;

    if (!call->easy)
        return;
    curl_easy_getinfo(call->easy, CURLINFO_RESPONSE_CODE, &status);
    call->result.status = (int)status;
    read_phases(call);
}

/* ENETUNREACH comes from a router on the way, or from our own routing table: then it says nothing
 * about the other side. Connecting a datagram socket asks only the table. */
static bool has_route(const struct sockaddr_storage *address)
{
    struct sockaddr_storage target = *address;
    int fd = socket(address->ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    bool is_routed;

    if (fd < 0)
        return false;
    if (target.ss_family == AF_INET6)
        ((struct sockaddr_in6 *)&target)->sin6_port = htons(9);
    else
        ((struct sockaddr_in *)&target)->sin_port = htons(9);
    is_routed = connect(fd, (struct sockaddr *)&target,
                        target.ss_family == AF_INET6 ? sizeof(struct sockaddr_in6)
                                                     : sizeof(struct sockaddr_in)) == 0;
    close(fd);
    return is_routed;
}

static enum phu_http_error error_of(struct phu_http_call *call, CURLcode code)
{
    enum phu_http_error error;
    long os_errno = 0;

    if (call->result.is_truncated)
        return PHU_HTTP_OK;
    curl_easy_getinfo(call->easy, CURLINFO_OS_ERRNO, &os_errno);
    error = phu_http_error_of(code, os_errno);
    if (error == PHU_HTTP_UNREACHABLE && !has_route(&call->addresses[call->address]))
        return PHU_HTTP_LOCAL;
    return error;
}

/* The connection failed, and there is another address to try. */
static bool try_next_address(struct phu_http_call *call)
{
    if (call->address + 1 >= call->address_count || milestone(call, CURLINFO_CONNECT_TIME_T) > 0)
        return false;
    call->address++;
    end_transfer(call);
    begin_transfer(call);
    return true;
}

static void transfer_ended(void *arg, CURLcode code)
{
    struct phu_http_call *call = arg;
    enum phu_http_error error = error_of(call, code);
    char message[CURL_ERROR_SIZE];

    read_result(call);
    if (error == PHU_HTTP_OK && follow(call))
        return;
    if (error != PHU_HTTP_OK && try_next_address(call))
        return;
    if (call->header_bytes > HEADERS_MAX)
        snprintf(message, sizeof message, "more than %d KiB of headers", HEADERS_MAX / 1024);
    else
        snprintf(message, sizeof message, "%s",
                 call->error[0] ? call->error : curl_easy_strerror(code));
    finish(call, error, error == PHU_HTTP_OK ? "" : message);
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
    if (call->retry_after[0] &&
        phu_http_retry_after(call->retry_after, phu_sched_wall(client->sched),
                             &result->retry_after_ns))
        result->retry_after_ns = 0;
    result->error = error;
    snprintf(call->message, sizeof call->message, "%s", message);
    call->state = CALL_OVER;
    end_transfer(call);
    phu_timer_after(client->sched, &call->timer, 0);
}

/* -- Calls ----------------------------------------------------------------------------------- */

static void free_call(struct phu_http_call *call)
{
    curl_slist_free_all(call->headers);
    curl_slist_free_all(call->connect_to);
    free(call->url);
    free(call->body);
    free(call);
}

static void leave_client(struct phu_http_call *call)
{
    phu_timer_cancel(call->client->sched, &call->timer);
    phu_resolve_cancel(call->lookup);
    call->lookup = NULL;
    end_transfer(call);
    *call->link = call->next;
    if (call->next)
        call->next->link = call->link;
    if (call->request.is_fresh)
        phu_pulse_leave(&call->client->pulse);
}

static void deliver(struct phu_http_call *call)
{
    leave_client(call);
    call->state = CALL_TOLD;
    call->result.message = call->message;
    call->result.body = call->body ? call->body : "";
    call->done(call->arg, &call->result);
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
    read_result(call);
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
