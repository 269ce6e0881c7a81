/* What one transfer needs of TLS: libcurl's options for it, the authorities that are trusted, and
 * the end of the server's certificate. Private to base/net. */
#pragma once

#include "phusong/http.h"

#include <curl/curl.h>
#include <openssl/ossl_typ.h>

#include <stdbool.h>
#include <stdint.h>

struct phu_tls {
    X509_STORE *authorities; /* a reference of ours; NULL: none needed */
    bool is_fresh;
    int64_t certificate_expires; /* UTC seconds; 0: not known */
};

/* Sets the options of `easy`; the tls stays where it is until that is cleaned up. With
 * `has_secrets` our own certificate may be shown. The end of the server's certificate is found out
 * for fresh connections only: OpenSSL keeps a pointer to the tls as long as the connection. */
void phu_tls_set_up(struct phu_tls *tls, CURL *easy, const struct phu_http_request *request,
                    bool has_secrets, X509_STORE *authorities);
/* Gives up the authorities; keeps what was found out. Harmless when nothing was set up. */
void phu_tls_end(struct phu_tls *tls);
