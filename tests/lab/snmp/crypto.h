/* The few things that SNMPv3 needs of OpenSSL, with contexts that are made once. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { LAB_HASH_MAX = 64, LAB_CIPHER_KEY_MAX = 32 };

enum lab_hash_id {
    LAB_MD5,
    LAB_SHA1,
    LAB_SHA224,
    LAB_SHA256,
    LAB_SHA384,
    LAB_SHA512,
    LAB_HASHES,
};

enum lab_cipher_id { LAB_DES, LAB_AES128, LAB_AES192, LAB_AES256, LAB_CIPHERS };

struct lab_hash_traits {
    const char *name; /* as net-snmp writes it */
    size_t length;
    size_t block;
    size_t digest; /* bytes of it that a message carries */
};

struct lab_cipher_traits {
    const char *name;
    size_t key; /* bytes, for DES with the 8 that make its IV */
};

extern const struct lab_hash_traits lab_hashes[LAB_HASHES];
extern const struct lab_cipher_traits lab_ciphers[LAB_CIPHERS];

struct lab_crypto;

/* NULL when OpenSSL cannot do what is always needed. */
struct lab_crypto *lab_crypto_new(void);
void lab_crypto_free(struct lab_crypto *crypto);
/* Whether this OpenSSL does it: DES is in its legacy provider. */
bool lab_crypto_has(const struct lab_crypto *crypto, enum lab_cipher_id cipher);

/* Of up to three pieces; absent ones have length 0. */
void lab_crypto_hash(struct lab_crypto *crypto, enum lab_hash_id hash,
                     const uint8_t *const pieces[], const size_t lengths[], size_t count,
                     uint8_t out[LAB_HASH_MAX]);
void lab_crypto_hmac(struct lab_crypto *crypto, enum lab_hash_id hash, const uint8_t *key,
                     const uint8_t *bytes, size_t length, uint8_t out[LAB_HASH_MAX]);
/* RFC 3414, A.2: the password repeated to a million bytes. */
void lab_crypto_password(struct lab_crypto *crypto, enum lab_hash_id hash, const char *password,
                         uint8_t key[LAB_HASH_MAX]);
/* In place; of DES, `length` is a multiple of 8. False when OpenSSL refuses. */
bool lab_crypto_cipher(struct lab_crypto *crypto, enum lab_cipher_id cipher, bool encrypts,
                       const uint8_t *key, const uint8_t *iv, uint8_t *bytes, size_t length);
