/* A transfer: one request to one address, and what comes back of it. A call may take several, for
 * further addresses and for redirects. Private to base/net. */
#pragma once

#include "multi.h"
#include "phusong/http.h"
#include "tls.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

struct phu_transfer_plan {
    const struct phu_http_request *request; /* with max_body */
    const char *url, *method;               /* in place of the request's */
    const struct sockaddr_storage *address;
    bool is_own_host; /* the request's secrets are meant for it */
    int64_t connect_timeout_ms;
    X509_STORE *authorities; /* NULL: none needed */
    void *owner;             /* for phu_multi_events.ended */
};

/* Zero at first; filled while a transfer is under way, and readable until the next one is started.
 * What the plan points to stays until the transfer is stopped. */
struct phu_transfer {
    struct phu_multi *multi;
    const struct phu_http_request *request;
    const struct sockaddr_storage *address;
    CURL *easy; /* NULL: none under way */
    struct curl_slist *headers, *connect_to;
    struct phu_tls tls;
    size_t header_bytes;
    char retry_after[64];
    char *body; /* NUL-terminated, or NULL */
    size_t body_length, body_capacity;
    uint64_t bytes_received;
    bool is_truncated;
    char error[CURL_ERROR_SIZE];
};

/* NULL, or why it cannot be started; it is to be stopped then, too. */
const char *phu_transfer_start(struct phu_transfer *transfer, struct phu_multi *multi,
                               const struct phu_transfer_plan *plan);
/* Harmless when none is under way. */
void phu_transfer_stop(struct phu_transfer *transfer);
/* Frees what it holds, once stopped. */
void phu_transfer_fini(struct phu_transfer *transfer);

/* While one is under way or over, until it is stopped: */

/* Adds its phases to those of the result, and sets the status. Harmless when there is none. */
void phu_transfer_read(const struct phu_transfer *transfer, struct phu_http_result *result);
bool phu_transfer_has_connected(const struct phu_transfer *transfer);
/* Where the answer redirects to, borrowed; NULL: nowhere. */
const char *phu_transfer_redirect(const struct phu_transfer *transfer);
/* What the end of it means, and in words. */
enum phu_http_error phu_transfer_error(const struct phu_transfer *transfer, CURLcode code);
void phu_transfer_explain(const struct phu_transfer *transfer, CURLcode code, char *text,
                          size_t size);
