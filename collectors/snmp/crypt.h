/* What version 3 needs of OpenSSL: digests and ciphers of the user-based security model (RFC 3414,
 * 3826, 7860), by algorithms that are looked up once and contexts that are used again. OpenSSL's
 * own looking up costs more than the work on a message.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct phu_crypt;

#define PHU_CRYPT_SALT 8
#define PHU_CRYPT_KEY_MAX 64 /* SHA-512's */

/* A user's keys, made for one engine. Numbers of enum phu_snmp_auth and phu_snmp_privacy. */
struct phu_crypt_keys {
    uint8_t auth, privacy;
    uint8_t auth_length;
    uint8_t auth_key[PHU_CRYPT_KEY_MAX];
    uint8_t privacy_key[PHU_CRYPT_KEY_MAX];
};

/* -ENOTSUP: OpenSSL does not have what it should; -ENOMEM. */
int phu_crypt_new(struct phu_crypt **out);
void phu_crypt_free(struct phu_crypt *crypt);

/* How long a digest of that kind is in a message; 0 for none. */
size_t phu_crypt_digest_length(int auth);

/* The digest of a message, as cut for it, with zeros in the place of its own. `at` lies within the
 * message, and as many bytes after it as the digest is long. */
bool phu_crypt_digest(struct phu_crypt *crypt, const struct phu_crypt_keys *keys,
                      const uint8_t *message, size_t length, const uint8_t *at, uint8_t *digest);

/* The clock of the engine, as it stands in the same message. */
struct phu_crypt_moment {
    uint32_t boots, time_s;
};

/* Salts are never used twice. */
void phu_crypt_salt(struct phu_crypt *crypt, const struct phu_crypt_keys *keys, uint32_t boots,
                    uint8_t salt[PHU_CRYPT_SALT]);
/* What a text must be filled up to for this cipher: a multiple of it. */
size_t phu_crypt_block(const struct phu_crypt_keys *keys);
/* In place. False when the length does not fit the cipher. */
bool phu_crypt_encrypt(struct phu_crypt *crypt, const struct phu_crypt_keys *keys,
                       const struct phu_crypt_moment *moment, const uint8_t salt[PHU_CRYPT_SALT],
                       uint8_t *bytes, size_t length);
/* From `bytes` to `plain`, which has as much room. */
bool phu_crypt_decrypt(struct phu_crypt *crypt, const struct phu_crypt_keys *keys,
                       const struct phu_crypt_moment *moment, const uint8_t salt[PHU_CRYPT_SALT],
                       const uint8_t *bytes, size_t length, uint8_t *plain);
