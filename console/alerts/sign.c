#include "sign.h"

#include <openssl/evp.h>
#include <openssl/params.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAC_BYTES 32

static void mac(const char *secret, const char *start, const char *body, size_t length,
                unsigned char digest[MAC_BYTES])
{
    EVP_MAC *hmac = EVP_MAC_fetch(NULL, "HMAC", NULL);
    EVP_MAC_CTX *context = hmac ? EVP_MAC_CTX_new(hmac) : NULL;
    char hash[] = "SHA256";
    OSSL_PARAM params[] = {OSSL_PARAM_utf8_string("digest", hash, sizeof hash - 1), OSSL_PARAM_END};
    size_t written;

    if (!context || !EVP_MAC_init(context, (const unsigned char *)secret, strlen(secret), params) ||
        !EVP_MAC_update(context, (const unsigned char *)start, strlen(start)) ||
        !EVP_MAC_update(context, (const unsigned char *)body, length) ||
        !EVP_MAC_final(context, digest, &written, MAC_BYTES))
        abort();
    EVP_MAC_CTX_free(context);
    EVP_MAC_free(hmac);
}

void phu_sign(const char *secret, int64_t seconds, const char *body, size_t length,
              char hex[PHU_SIGN_SIZE])
{
    unsigned char digest[MAC_BYTES];
    char start[32];

    snprintf(start, sizeof start, "%lld.", (long long)seconds);
    mac(secret, start, body, length, digest);
    for (size_t i = 0; i < MAC_BYTES; i++)
        snprintf(hex + 2 * i, 3, "%02x", digest[i]);
}
