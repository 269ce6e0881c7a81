/* Owns OpenSSL's fetched algorithms and contexts. */
#include "crypto.h"

#include <openssl/evp.h>
#include <openssl/provider.h>
#include <stdlib.h>
#include <string.h>

enum { PASSWORD_BYTES = 1 << 20, BLOCK_MAX = 128 };

const struct lab_hash_traits lab_hashes[LAB_HASHES] = {
    [LAB_MD5] = {"MD5", 16, 64, 12},         [LAB_SHA1] = {"SHA", 20, 64, 12},
    [LAB_SHA224] = {"SHA-224", 28, 64, 16},  [LAB_SHA256] = {"SHA-256", 32, 64, 24},
    [LAB_SHA384] = {"SHA-384", 48, 128, 32}, [LAB_SHA512] = {"SHA-512", 64, 128, 48},
};

const struct lab_cipher_traits lab_ciphers[LAB_CIPHERS] = {
    [LAB_DES] = {"DES", 16},
    [LAB_AES128] = {"AES", 16},
    [LAB_AES192] = {"AES-192", 24},
    [LAB_AES256] = {"AES-256", 32},
};

static const char *const hash_names[LAB_HASHES] = {"MD5",    "SHA1",   "SHA224",
                                                   "SHA256", "SHA384", "SHA512"};
static const char *const cipher_names[LAB_CIPHERS] = {"DES-CBC", "AES-128-CFB", "AES-192-CFB",
                                                      "AES-256-CFB"};

struct lab_crypto {
    OSSL_LIB_CTX *library;
    OSSL_PROVIDER *providers[2];
    EVP_MD *hashes[LAB_HASHES];
    EVP_CIPHER *ciphers[LAB_CIPHERS];
    EVP_MD_CTX *hashing;
    EVP_CIPHER_CTX *ciphering;
};

struct lab_crypto *lab_crypto_new(void)
{
    struct lab_crypto *crypto = calloc(1, sizeof(*crypto));
    bool is_complete;

    if (!crypto)
        return NULL;
    crypto->library = OSSL_LIB_CTX_new();
    crypto->providers[0] = OSSL_PROVIDER_load(crypto->library, "default");
    crypto->providers[1] = OSSL_PROVIDER_load(crypto->library, "legacy");
    crypto->hashing = EVP_MD_CTX_new();
    crypto->ciphering = EVP_CIPHER_CTX_new();
    is_complete = crypto->library && crypto->providers[0] && crypto->hashing && crypto->ciphering;
    for (int i = 0; is_complete && i < LAB_HASHES; i++) {
        crypto->hashes[i] = EVP_MD_fetch(crypto->library, hash_names[i], NULL);
        is_complete = crypto->hashes[i] != NULL;
    }
    for (int i = 0; is_complete && i < LAB_CIPHERS; i++) {
        crypto->ciphers[i] = EVP_CIPHER_fetch(crypto->library, cipher_names[i], NULL);
        is_complete = crypto->ciphers[i] || i == LAB_DES;
    }
    if (is_complete)
        return crypto;
    lab_crypto_free(crypto);
    return NULL;
}

void lab_crypto_free(struct lab_crypto *crypto)
{
    if (!crypto)
        return;
    EVP_MD_CTX_free(crypto->hashing);
    EVP_CIPHER_CTX_free(crypto->ciphering);
    for (int i = 0; i < LAB_HASHES; i++)
        EVP_MD_free(crypto->hashes[i]);
    for (int i = 0; i < LAB_CIPHERS; i++)
        EVP_CIPHER_free(crypto->ciphers[i]);
    for (int i = 0; i < 2; i++)
        if (crypto->providers[i])
            OSSL_PROVIDER_unload(crypto->providers[i]);
    OSSL_LIB_CTX_free(crypto->library);
    free(crypto);
}

bool lab_crypto_has(const struct lab_crypto *crypto, enum lab_cipher_id cipher)
{
    return crypto->ciphers[cipher] != NULL;
}

void lab_crypto_hash(struct lab_crypto *crypto, enum lab_hash_id hash,
                     const uint8_t *const pieces[], const size_t lengths[], size_t count,
                     uint8_t out[LAB_HASH_MAX])
{
    EVP_DigestInit_ex2(crypto->hashing, crypto->hashes[hash], NULL);
    for (size_t i = 0; i < count; i++)
        EVP_DigestUpdate(crypto->hashing, pieces[i], lengths[i]);
    EVP_DigestFinal_ex(crypto->hashing, out, NULL);
}

/* By hand, for OpenSSL's own costs several times as much per message to set up. */
void lab_crypto_hmac(struct lab_crypto *crypto, enum lab_hash_id hash, const uint8_t *key,
                     const uint8_t *bytes, size_t length, uint8_t out[LAB_HASH_MAX])
{
    const struct lab_hash_traits *traits = &lab_hashes[hash];
    uint8_t inner[BLOCK_MAX];
    uint8_t outer[BLOCK_MAX];
    uint8_t digest[LAB_HASH_MAX];

    memset(inner, 0x36, sizeof(inner));
    memset(outer, 0x5c, sizeof(outer));
    for (size_t i = 0; i < traits->length; i++) {
        inner[i] ^= key[i];
        outer[i] ^= key[i];
    }
    lab_crypto_hash(crypto, hash, (const uint8_t *const[]){inner, bytes},
                    (const size_t[]){traits->block, length}, 2, digest);
    lab_crypto_hash(crypto, hash, (const uint8_t *const[]){outer, digest},
                    (const size_t[]){traits->block, traits->length}, 2, out);
}

void lab_crypto_password(struct lab_crypto *crypto, enum lab_hash_id hash, const char *password,
                         uint8_t key[LAB_HASH_MAX])
{
    size_t length = strlen(password);
    size_t at = 0;

    EVP_DigestInit_ex2(crypto->hashing, crypto->hashes[hash], NULL);
    for (size_t done = 0; done < PASSWORD_BYTES; done += 64) {
        uint8_t block[64];

        for (size_t i = 0; i < sizeof(block); i++) {
            block[i] = (uint8_t)password[at];
            at = at + 1 == length ? 0 : at + 1;
        }
        EVP_DigestUpdate(crypto->hashing, block, sizeof(block));
    }
    EVP_DigestFinal_ex(crypto->hashing, key, NULL);
}

bool lab_crypto_cipher(struct lab_crypto *crypto, enum lab_cipher_id cipher, bool encrypts,
                       const uint8_t *key, const uint8_t *iv, uint8_t *bytes, size_t length)
{
    int done = 0;

    return EVP_CipherInit_ex2(crypto->ciphering, crypto->ciphers[cipher], key, iv, encrypts,
                              NULL) == 1 &&
           EVP_CIPHER_CTX_set_padding(crypto->ciphering, 0) == 1 &&
           EVP_CipherUpdate(crypto->ciphering, bytes, &done, bytes, (int)length) == 1 &&
           (size_t)done == length;
}
