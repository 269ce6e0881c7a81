/* See crypt.h.
 *
 * HMAC is done by hand, two digests over padded keys: OpenSSL's own makes and drops contexts for
 * each message. DES is found among the triple ciphers, with the same key three times, because on
 * its own OpenSSL counts it as legacy and leaves it out.
 */
#include "crypt.h"

#include "phusong/credential.h"

#include <errno.h>
#include <limits.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <stdlib.h>
#include <string.h>

#define AUTHS (PHU_SNMP_AUTH_SHA512 + 1)
#define PRIVACIES (PHU_SNMP_PRIVACY_AES256C + 1)
#define BLOCK_MAX 128 /* of a digest's input */
#define DES_BLOCK 8
#define IV_SIZE 16

static const struct {
    const char *name;
    uint8_t block, cut; /* of the input; of the digest, in messages */
} digests[AUTHS] = {
    [PHU_SNMP_AUTH_MD5] = {"MD5", 64, 12},        [PHU_SNMP_AUTH_SHA1] = {"SHA1", 64, 12},
    [PHU_SNMP_AUTH_SHA224] = {"SHA224", 64, 16},  [PHU_SNMP_AUTH_SHA256] = {"SHA256", 64, 24},
    [PHU_SNMP_AUTH_SHA384] = {"SHA384", 128, 32}, [PHU_SNMP_AUTH_SHA512] = {"SHA512", 128, 48},
};

static const char *const ciphers[PRIVACIES] = {
    [PHU_SNMP_PRIVACY_DES] = "DES-EDE3-CBC",    [PHU_SNMP_PRIVACY_AES128] = "AES-128-CFB",
    [PHU_SNMP_PRIVACY_AES192] = "AES-192-CFB",  [PHU_SNMP_PRIVACY_AES256] = "AES-256-CFB",
    [PHU_SNMP_PRIVACY_AES192C] = "AES-192-CFB", [PHU_SNMP_PRIVACY_AES256C] = "AES-256-CFB",
};

struct phu_crypt {
    EVP_MD *digests[AUTHS];         /* NULL until used */
    EVP_CIPHER *ciphers[PRIVACIES]; /* likewise */
    EVP_MD_CTX *digesting;
    EVP_CIPHER_CTX *ciphering;
    uint64_t salt; /* the next one */
};

int phu_crypt_new(struct phu_crypt **out)
{
    struct phu_crypt *crypt = calloc(1, sizeof *crypt);

    if (!crypt)
        return -ENOMEM;
    crypt->digesting = EVP_MD_CTX_new();
    crypt->ciphering = EVP_CIPHER_CTX_new();
    if (!crypt->digesting || !crypt->ciphering ||
        RAND_bytes((unsigned char *)&crypt->salt, sizeof crypt->salt) != 1) {
        phu_crypt_free(crypt);
        return -ENOTSUP;
    }
    *out = crypt;
    return 0;
}

void phu_crypt_free(struct phu_crypt *crypt)
{
    if (!crypt)
        return;
    for (size_t i = 0; i < AUTHS; i++)
        EVP_MD_free(crypt->digests[i]);
    for (size_t i = 0; i < PRIVACIES; i++)
        EVP_CIPHER_free(crypt->ciphers[i]);
    EVP_MD_CTX_free(crypt->digesting);
    EVP_CIPHER_CTX_free(crypt->ciphering);
    free(crypt);
}

/* -- Digests ---------------------------------------------------------------------------------- */

size_t phu_crypt_digest_length(int auth)
{
    return digests[auth].cut;
}

static const EVP_MD *digest_of(struct phu_crypt *crypt, int auth)
{
    if (!crypt->digests[auth])
        crypt->digests[auth] = EVP_MD_fetch(NULL, digests[auth].name, NULL);
    return crypt->digests[auth];
}

static bool begin_digest(struct phu_crypt *crypt, const struct phu_crypt_keys *keys, uint8_t pad)
{
    const EVP_MD *digest = digest_of(crypt, keys->auth);
    uint8_t block[BLOCK_MAX];

    memset(block, pad, sizeof block);
    for (size_t i = 0; i < keys->auth_length; i++)
        block[i] ^= keys->auth_key[i];
    return digest && EVP_DigestInit_ex2(crypt->digesting, digest, NULL) == 1 &&
           EVP_DigestUpdate(crypt->digesting, block, digests[keys->auth].block) == 1;
}

bool phu_crypt_digest(struct phu_crypt *crypt, const struct phu_crypt_keys *keys,
                      const uint8_t *message, size_t length, const uint8_t *at, uint8_t *digest)
{
    static const uint8_t zeros[EVP_MAX_MD_SIZE];
    size_t before = (size_t)(at - message), cut = digests[keys->auth].cut;
    uint8_t whole[EVP_MAX_MD_SIZE];
    unsigned size;

    if (!begin_digest(crypt, keys, 0x36) ||
        EVP_DigestUpdate(crypt->digesting, message, before) != 1 ||
        EVP_DigestUpdate(crypt->digesting, zeros, cut) != 1 ||
        EVP_DigestUpdate(crypt->digesting, at + cut, length - before - cut) != 1 ||
        EVP_DigestFinal_ex(crypt->digesting, whole, &size) != 1 ||
        !begin_digest(crypt, keys, 0x5c) || EVP_DigestUpdate(crypt->digesting, whole, size) != 1 ||
        EVP_DigestFinal_ex(crypt->digesting, whole, &size) != 1)
        return false;
    memcpy(digest, whole, cut);
    return true;
}

/* -- Ciphers ---------------------------------------------------------------------------------- */

static void put_u32(uint8_t *bytes, uint32_t number)
{
    for (int i = 4; i-- > 0; number >>= 8)
        bytes[i] = (uint8_t)number;
}

/* DES has the engine's boots in the first half (RFC 3414, 8.1.1.1). */
void phu_crypt_salt(struct phu_crypt *crypt, const struct phu_crypt_keys *keys, uint32_t boots,
                    uint8_t salt[PHU_CRYPT_SALT])
{
    uint64_t number = crypt->salt++;

    put_u32(salt, keys->privacy == PHU_SNMP_PRIVACY_DES ? boots : (uint32_t)(number >> 32));
    put_u32(salt + 4, (uint32_t)number);
}

size_t phu_crypt_block(const struct phu_crypt_keys *keys)
{
    return keys->privacy == PHU_SNMP_PRIVACY_DES ? DES_BLOCK : 1;
}

static bool begin_cipher(struct phu_crypt *crypt, const struct phu_crypt_keys *keys,
                         const struct phu_crypt_moment *moment, const uint8_t *salt,
                         bool is_encrypting)
{
    EVP_CIPHER **cipher = &crypt->ciphers[keys->privacy];
    uint8_t iv[IV_SIZE], triple[3 * DES_BLOCK];
    const uint8_t *key = keys->privacy_key;
    bool is_ready;

    if (keys->privacy == PHU_SNMP_PRIVACY_DES) {
        for (size_t i = 0; i < sizeof triple; i++)
            triple[i] = key[i % DES_BLOCK];
        for (size_t i = 0; i < DES_BLOCK; i++)
            iv[i] = key[DES_BLOCK + i] ^ salt[i];
        key = triple;
    } else {
        put_u32(iv, moment->boots);
        put_u32(iv + 4, moment->time_s);
        memcpy(iv + 8, salt, PHU_CRYPT_SALT);
    }
    if (!*cipher)
        *cipher = EVP_CIPHER_fetch(NULL, ciphers[keys->privacy], NULL);
    is_ready = *cipher &&
               EVP_CipherInit_ex2(crypt->ciphering, *cipher, key, iv, is_encrypting, NULL) == 1 &&
               EVP_CIPHER_CTX_set_padding(crypt->ciphering, 0) == 1;
    OPENSSL_cleanse(triple, sizeof triple);
    return is_ready;
}

static bool run_cipher(struct phu_crypt *crypt, const struct phu_crypt_keys *keys,
                       const uint8_t *from, size_t length, uint8_t *to)
{
    int done = 0;

    return length <= INT_MAX && length % phu_crypt_block(keys) == 0 &&
           EVP_CipherUpdate(crypt->ciphering, to, &done, from, (int)length) == 1 &&
           (size_t)done == length;
}

bool phu_crypt_encrypt(struct phu_crypt *crypt, const struct phu_crypt_keys *keys,
                       const struct phu_crypt_moment *moment, const uint8_t salt[PHU_CRYPT_SALT],
                       uint8_t *bytes, size_t length)
{
    return begin_cipher(crypt, keys, moment, salt, true) &&
           run_cipher(crypt, keys, bytes, length, bytes);
}

bool phu_crypt_decrypt(struct phu_crypt *crypt, const struct phu_crypt_keys *keys,
                       const struct phu_crypt_moment *moment, const uint8_t salt[PHU_CRYPT_SALT],
                       const uint8_t *bytes, size_t length, uint8_t *plain)
{
    return begin_cipher(crypt, keys, moment, salt, false) &&
           run_cipher(crypt, keys, bytes, length, plain);
}
