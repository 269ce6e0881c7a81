/* A credential made ready for use: secrets read, keys derived. Deriving a key takes milliseconds,
 * so devices with the same credential share one of these.
 */
#pragma once

#include "phusong/credential.h"

#include <stddef.h>
#include <stdint.h>

/* net-snmp's longest keys (SHA-512). */
#define PHU_SECRET_KEY_MAX 64
#define PHU_SECRET_TEXT_MAX 256

struct phu_secret {
    struct phu_secret *next;
    unsigned refs;
    int version; /* enum phu_snmp_version */
    int auth, privacy;
    char community[PHU_SECRET_TEXT_MAX];
    char user[33], context[33];
    char auth_text[PHU_SECRET_TEXT_MAX], privacy_text[PHU_SECRET_TEXT_MAX];
    uint8_t auth_key[PHU_SECRET_KEY_MAX], privacy_key[PHU_SECRET_KEY_MAX];
    size_t auth_key_length, privacy_key_length;
};

/* Those in use, shared by all devices of a collector. */
struct phu_secrets {
    struct phu_secret *first;
};

/* Reads the credential's files and finds or makes the secret. On failure `why` is a sentence for a
 * person and the result is negative. */
int phu_secrets_take(struct phu_secrets *secrets, const struct phu_credential *credential,
                     struct phu_secret **out, char *why, size_t why_size);
/* NULL is harmless. */
void phu_secrets_drop(struct phu_secrets *secrets, struct phu_secret *secret);

/* Object identifiers of the protocols, for net-snmp; NULL and 0 for none. */
struct phu_secret_protocol {
    const unsigned long *oid;
    size_t length;
};
struct phu_secret_protocol phu_secret_auth(const struct phu_secret *secret);
struct phu_secret_protocol phu_secret_privacy(const struct phu_secret *secret);
