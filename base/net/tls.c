#include "tls.h"

#include <openssl/ssl.h>

#include <time.h>

static int certificate_checked(int is_good, X509_STORE_CTX *store)
{
    SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
    struct phu_tls *tls = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
    X509 *leaf = X509_STORE_CTX_get0_cert(store);
    struct tm tm = {0};

    if (leaf && ASN1_TIME_to_tm(X509_get0_notAfter(leaf), &tm))
        tls->certificate_expires = timegm(&tm);
    return is_good;
}

/* A certificate that is refused is the one whose end is most interesting, and libcurl tells nothing
 * about it: so the end is read while OpenSSL checks. Only for connections that go with their call,
 * or a later renegotiation would find it gone. */
static CURLcode set_up_context(CURL *easy, void *context, void *arg)
{
    struct phu_tls *tls = arg;

    (void)easy;
    if (tls->authorities)
        SSL_CTX_set1_cert_store(context, tls->authorities);
    if (tls->is_fresh) {
        SSL_CTX_set_app_data((SSL_CTX *)context, tls);
        SSL_CTX_set_verify(context, SSL_CTX_get_verify_mode(context), certificate_checked);
    }
    return CURLE_OK;
}

void phu_tls_set_up(struct phu_tls *tls, CURL *easy, const struct phu_http_request *request,
                    bool has_secrets, X509_STORE *authorities)
{
    static const struct phu_http_tls none = {0};
    const struct phu_http_tls *wanted = request->tls ? request->tls : &none;

    tls->is_fresh = request->is_fresh;
    if (authorities && X509_STORE_up_ref(authorities))
        tls->authorities = authorities;
    curl_easy_setopt(easy, CURLOPT_CAPATH, NULL); /* the authorities come from set_up_context */
    curl_easy_setopt(easy, CURLOPT_CAINFO, NULL);
    curl_easy_setopt(easy, CURLOPT_CA_CACHE_TIMEOUT, 0L);
    curl_easy_setopt(easy, CURLOPT_SSL_CTX_FUNCTION, set_up_context);
    curl_easy_setopt(easy, CURLOPT_SSL_CTX_DATA, tls);
    if (wanted->cert_file && has_secrets)
        curl_easy_setopt(easy, CURLOPT_SSLCERT, wanted->cert_file);
    if (wanted->key_file && has_secrets)
        curl_easy_setopt(easy, CURLOPT_SSLKEY, wanted->key_file);
    if (wanted->is_unverified) {
        curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 0L);
        curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 0L);
    }
    if (request->is_fresh)
        curl_easy_setopt(easy, CURLOPT_SSL_SESSIONID_CACHE, 0L);
}

void phu_tls_end(struct phu_tls *tls)
{
    X509_STORE_free(tls->authorities);
    tls->authorities = NULL;
}
