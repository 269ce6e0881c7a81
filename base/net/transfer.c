/* One transfer: a libcurl easy handle, from its options to its figures.
 *
 * The name is looked up beforehand. libcurl is told the address with CURLOPT_CONNECT_TO, which
 * leaves Host and SNI as the URL has them. Secrets (credentials, our certificate) are left out
 * unless the plan says that the host is the one they were meant for.
 */
#include "transfer.h"

#include "http_rules.h"
#include "phusong/resolve.h"
#include "phusong/time.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#define HEADERS_MAX (256 * 1024)

/* -- What comes back ------------------------------------------------------------------------- */

static bool keep_body(struct phu_transfer *transfer, const char *data, size_t length)
{
    size_t needed = transfer->body_length + length + 1;

    if (needed > transfer->body_capacity) {
        size_t capacity = transfer->body_capacity ? transfer->body_capacity * 2 : 1024;
        char *body;

        while (capacity < needed)
            capacity *= 2;
        body = realloc(transfer->body, capacity);
        if (!body)
            return false;
        transfer->body = body;
        transfer->body_capacity = capacity;
    }
    memcpy(transfer->body + transfer->body_length, data, length);
    transfer->body_length += length;
    transfer->body[transfer->body_length] = '\0';
    return true;
}

static size_t body_came(char *data, size_t size, size_t count, void *arg)
{
    struct phu_transfer *transfer = arg;
    size_t length = size * count;
    size_t room = transfer->request->max_body - transfer->body_length;

    transfer->bytes_received += length;
    if (!keep_body(transfer, data, length < room ? length : room))
        return 0;
    if (length > room) {
        transfer->is_truncated = true;
        return 0; /* that is enough: ends the transfer */
    }
    return length;
}

static size_t header_came(char *data, size_t size, size_t count, void *arg)
{
    struct phu_transfer *transfer = arg;
    size_t length = size * count;

    transfer->header_bytes += length;
    if (transfer->header_bytes > HEADERS_MAX)
        return 0;
    if (length >= 5 && memcmp(data, "HTTP/", 5) == 0)
        transfer->retry_after[0] = '\0'; /* of an interim answer */
    else
        phu_http_header_value(data, length, "Retry-After", transfer->retry_after,
                              sizeof transfer->retry_after);
    return length;
}

/* -- What is asked --------------------------------------------------------------------------- */

static bool is_credential(const char *header)
{
    return strncasecmp(header, "Authorization:", 14) == 0 || strncasecmp(header, "Cookie:", 7) == 0;
}

static bool add_header(struct phu_transfer *transfer, const char *header)
{
    struct curl_slist *list = curl_slist_append(transfer->headers, header);

    if (list)
        transfer->headers = list;
    return list;
}

/* Secrets stay with the host that they were meant for. */
static bool set_headers(struct phu_transfer *transfer, const struct phu_transfer_plan *plan)
{
    const char *const *header = plan->request->headers;
    bool has_type = false;

    curl_slist_free_all(transfer->headers);
    transfer->headers = NULL;
    for (; header && *header; header++) {
        if (strncasecmp(*header, "Content-Type:", 13) == 0)
            has_type = true;
        if ((plan->is_own_host || !is_credential(*header)) && !add_header(transfer, *header))
            return false;
    }
    if (!has_type && !add_header(transfer, "Content-Type:"))
        return false;
    return add_header(transfer, "Expect:");
}

static void set_method(struct phu_transfer *transfer, const struct phu_transfer_plan *plan)
{
    CURL *easy = transfer->easy;
    const struct phu_http_request *request = plan->request;

    if (strcmp(plan->method, "HEAD") == 0) {
        curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
        return;
    }
    if (request->body && strcmp(plan->method, "GET") != 0) {
        curl_easy_setopt(easy, CURLOPT_POST, 1L);
        curl_easy_setopt(easy, CURLOPT_POSTFIELDS, request->body); /* not copied */
        curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->body_length);
    } else if (strcmp(plan->method, "POST") == 0) {
        curl_easy_setopt(easy, CURLOPT_POST, 1L);
        curl_easy_setopt(easy, CURLOPT_POSTFIELDS, "");
        curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)0);
    }
    curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, plan->method);
}

static void set_source(struct phu_transfer *transfer, const struct phu_transfer_plan *plan)
{
    const char *interface = plan->request->interface;
    struct sockaddr_storage address;
    char text[128];

    if (!interface || !*interface)
        return;
    snprintf(text, sizeof text, "%s!%s", phu_address_parse(interface, &address) ? "if" : "host",
             interface);
    curl_easy_setopt(transfer->easy, CURLOPT_INTERFACE, text);
}

static bool set_address(struct phu_transfer *transfer, const struct phu_transfer_plan *plan)
{
    const struct sockaddr_storage *address = plan->address;
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)address;
    char text[INET6_ADDRSTRLEN], rule[INET6_ADDRSTRLEN + 8];

    if (address->ss_family == AF_INET6) {
        inet_ntop(AF_INET6, &v6->sin6_addr, text, sizeof text);
        snprintf(rule, sizeof rule, "::[%s]:", text);
        curl_easy_setopt(transfer->easy, CURLOPT_ADDRESS_SCOPE, (long)v6->sin6_scope_id);
    } else {
        inet_ntop(AF_INET, &((const struct sockaddr_in *)address)->sin_addr, text, sizeof text);
        snprintf(rule, sizeof rule, "::%s:", text);
    }
    curl_slist_free_all(transfer->connect_to);
    transfer->connect_to = curl_slist_append(NULL, rule);
    curl_easy_setopt(transfer->easy, CURLOPT_CONNECT_TO, transfer->connect_to);
    return transfer->connect_to;
}

/* The name in the URL is what libcurl asks for in Host and in TLS. */
static bool set_url(struct phu_transfer *transfer, const struct phu_transfer_plan *plan)
{
    const struct phu_http_tls *tls = plan->request->tls;
    CURLU *url;
    char *text = NULL;
    bool is_set = false;

    if (!tls || !tls->server_name || !*tls->server_name || !plan->is_own_host)
        return curl_easy_setopt(transfer->easy, CURLOPT_URL, plan->url) == CURLE_OK;
    url = curl_url();
    if (url && curl_url_set(url, CURLUPART_URL, plan->url, 0) == CURLUE_OK &&
        curl_url_set(url, CURLUPART_HOST, tls->server_name, 0) == CURLUE_OK &&
        curl_url_get(url, CURLUPART_URL, &text, 0) == CURLUE_OK)
        is_set = curl_easy_setopt(transfer->easy, CURLOPT_URL, text) == CURLE_OK;
    curl_free(text);
    curl_url_cleanup(url);
    return is_set;
}

static void set_common(struct phu_transfer *transfer, const struct phu_transfer_plan *plan)
{
    CURL *easy = transfer->easy;

    curl_easy_setopt(easy, CURLOPT_PRIVATE, plan->owner);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, transfer->error);
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_NOPROXY, "*");
    curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);
    curl_easy_setopt(easy, CURLOPT_DNS_CACHE_TIMEOUT, 0L);
    curl_easy_setopt(easy, CURLOPT_USERAGENT, "phusong");
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, body_came);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, transfer);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, header_came);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, transfer);
    if (plan->request->user_password && plan->is_own_host)
        curl_easy_setopt(easy, CURLOPT_USERPWD, plan->request->user_password);
    if (plan->request->is_fresh) {
        curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, 1L);
        curl_easy_setopt(easy, CURLOPT_FORBID_REUSE, 1L);
    } else {
        curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
    }
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)plan->connect_timeout_ms);
}

const char *phu_transfer_start(struct phu_transfer *transfer, struct phu_multi *multi,
                               const struct phu_transfer_plan *plan)
{
    transfer->multi = multi;
    transfer->request = plan->request;
    transfer->address = plan->address;
    transfer->error[0] = '\0';
    transfer->retry_after[0] = '\0';
    transfer->header_bytes = 0;
    transfer->body_length = 0;
    transfer->bytes_received = 0;
    transfer->is_truncated = false;
    transfer->easy = curl_easy_init();
    if (!transfer->easy || !set_headers(transfer, plan) || !set_url(transfer, plan) ||
        !set_address(transfer, plan))
        return "the request cannot be put together";
    set_common(transfer, plan);
    set_method(transfer, plan);
    set_source(transfer, plan);
    phu_tls_set_up(&transfer->tls, transfer->easy, plan->request, plan->is_own_host,
                   plan->authorities);
    curl_easy_setopt(transfer->easy, CURLOPT_HTTPHEADER, transfer->headers);
    if (phu_multi_add(multi, transfer->easy) != CURLM_OK)
        return "libcurl does not take the request";
    return NULL;
}

void phu_transfer_stop(struct phu_transfer *transfer)
{
    if (transfer->easy) {
        phu_multi_remove(transfer->multi, transfer->easy);
        curl_easy_cleanup(transfer->easy);
        transfer->easy = NULL;
    }
    phu_tls_end(&transfer->tls);
}

void phu_transfer_fini(struct phu_transfer *transfer)
{
    curl_slist_free_all(transfer->headers);
    curl_slist_free_all(transfer->connect_to);
    free(transfer->body);
}

/* -- How it went ----------------------------------------------------------------------------- */

static int64_t milestone(const struct phu_transfer *transfer, CURLINFO info)
{
    curl_off_t us = 0;

    curl_easy_getinfo(transfer->easy, info, &us);
    return (int64_t)us * PHU_NS_PER_US;
}

static void read_phases(const struct phu_transfer *transfer, struct phu_http_result *result)
{
    int64_t named = milestone(transfer, CURLINFO_NAMELOOKUP_TIME_T);
    int64_t connected = milestone(transfer, CURLINFO_CONNECT_TIME_T);
    int64_t secured = milestone(transfer, CURLINFO_APPCONNECT_TIME_T);
    int64_t ready = milestone(transfer, CURLINFO_PRETRANSFER_TIME_T);
    int64_t first = milestone(transfer, CURLINFO_STARTTRANSFER_TIME_T);

    if (connected > 0)
        phu_http_add_phase(&result->connect_ns, connected - named);
    if (secured > 0)
        phu_http_add_phase(&result->tls_ns, secured - connected);
    if (first > 0 && result->status)
        phu_http_add_phase(&result->first_byte_ns, first - ready);
}

void phu_transfer_read(const struct phu_transfer *transfer, struct phu_http_result *result)
{
    long status = 0;

    if (!transfer->easy)
        return;
    curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &status);
    result->status = (int)status;
    read_phases(transfer, result);
}

bool phu_transfer_has_connected(const struct phu_transfer *transfer)
{
    return milestone(transfer, CURLINFO_CONNECT_TIME_T) > 0;
}

const char *phu_transfer_redirect(const struct phu_transfer *transfer)
{
    char *target = NULL;

    curl_easy_getinfo(transfer->easy, CURLINFO_REDIRECT_URL, &target);
    return target;
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

enum phu_http_error phu_transfer_error(const struct phu_transfer *transfer, CURLcode code)
{
    enum phu_http_error error;
    long os_errno = 0;

    if (transfer->is_truncated)
        return PHU_HTTP_OK;
    curl_easy_getinfo(transfer->easy, CURLINFO_OS_ERRNO, &os_errno);
    error = phu_http_error_of(code, os_errno);
    if (error == PHU_HTTP_UNREACHABLE && !has_route(transfer->address))
        return PHU_HTTP_LOCAL;
    return error;
}

void phu_transfer_explain(const struct phu_transfer *transfer, CURLcode code, char *text,
                          size_t size)
{
    if (transfer->header_bytes > HEADERS_MAX)
        snprintf(text, size, "more than %d KiB of headers", HEADERS_MAX / 1024);
    else
        snprintf(text, size, "%s", transfer->error[0] ? transfer->error : curl_easy_strerror(code));
}
