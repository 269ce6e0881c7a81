/* HTTP requests on the loop (libcurl multi underneath), for the http collector and for exporters.
 */
#pragma once

#include "phusong/time.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct phu_http_client;
struct phu_option_table;
struct phu_http_call;
struct phu_resolver;
struct phu_sched;

int phu_http_client_new(struct phu_sched *sched, struct phu_resolver *resolver,
                        struct phu_http_client **out);
void phu_http_client_free(struct phu_http_client *client);

struct phu_http_tls {
    const char *ca_file;              /* NULL: the system's */
    const char *cert_file, *key_file; /* client certificate; NULL: none */
    const char *server_name;          /* name asked for and expected in the certificate, and sent as
                                         Host; NULL: the URL's */
    bool is_unverified;               /* accept any certificate */
};

/* The same as a section `tls` of the configuration. */
struct phu_http_tls_conf {
    bool is_verified;
    char *ca, *certificate, *key, *server_name;
};
extern const struct phu_option_table phu_http_tls_options;
/* Borrows the strings. */
struct phu_http_tls phu_http_tls_of(const struct phu_http_tls_conf *conf);

/* Everything is borrowed until the call is done. NULL or 0 means "default" or "none". */
struct phu_http_request {
    const char *method;         /* "GET" when NULL */
    const char *url;            /* http or https only */
    const char *const *headers; /* "Name: value", ends with NULL */
    const char *user_password;  /* basic auth */
    const void *body;
    size_t body_length;
    int64_t timeout_ns; /* the whole, name lookup included */
    size_t max_body;    /* of the answer: reading stops there, and is_truncated is set; 0: 64 KiB */
    unsigned max_redirects; /* 0: a redirect is the answer; never followed from https to http */
    const char *const *redirect_hosts; /* hosts that a redirect may lead to besides the URL's own;
                                          ends with NULL */
    const char *interface;             /* interface name or source address */
    int family;                        /* AF_UNSPEC, AF_INET, AF_INET6 */
    const char *connect_to; /* literal address to connect to instead of resolving the URL's host */
    bool is_fresh;          /* own connection, not reused afterwards, and no address past its TTL:
                               what a probe wants */
    const struct phu_http_tls *tls;
};

enum phu_http_error {
    PHU_HTTP_OK, /* an answer came, whatever its status */
    PHU_HTTP_DNS,
    PHU_HTTP_REFUSED,
    PHU_HTTP_UNREACHABLE,
    PHU_HTTP_TIMEOUT,
    PHU_HTTP_TLS,
    PHU_HTTP_BROKEN,   /* reset, truncated, or not HTTP */
    PHU_HTTP_REDIRECT, /* led off the list, or too many */
    PHU_HTTP_LOCAL,    /* our side: no memory, no socket, bad URL */
};

/* Phases are differences in ns between successive milestones, added up over redirects; -1 where not
 * reached (lookup_ns also where there was no name to look up, tls_ns where there was no TLS). The
 * milestones are noted when the loop gets to run, so a loop that is late makes them too long:
 * lag_ns says by how much at most a phase may be off (to about 10 ms; measured for fresh calls). */
struct phu_http_result {
    enum phu_http_error error;
    const char *message; /* for a person; never NULL */
    int status;          /* 0 without an answer */
    int64_t lookup_ns, connect_ns, tls_ns, first_byte_ns, total_ns;
    int64_t lag_ns;
    const char *body; /* at most max_body bytes, NUL-terminated, borrowed for the callback */
    size_t body_length;
    uint64_t bytes_received; /* of the body, what came in the last read past max_body included */
    bool is_truncated;
    int64_t retry_after_ns;      /* from Retry-After, seconds or date; 0 if none */
    int64_t certificate_expires; /* UTC seconds, also when it was refused; fresh calls only; 0 if
                                    there was no TLS or it is not known */
    struct phu_mono completed;
};

typedef void phu_http_done_cb(void *arg, const struct phu_http_result *result);

/* -EINVAL when the URL is not one of http or https that a request could be made for. */
int phu_http_check_url(const char *url);

/* The callback runs later, never from inside this call, exactly once unless cancelled. -EINVAL when
 * the URL is not one of http or https. Calls still under way when the client is freed are dropped
 * without a callback; both may be done from inside a callback. */
int phu_http_start(struct phu_http_client *client, const struct phu_http_request *request,
                   phu_http_done_cb *done, void *arg, struct phu_http_call **out);
/* No callback afterwards. NULL is harmless. */
void phu_http_cancel(struct phu_http_call *call);
