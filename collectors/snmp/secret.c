/* A credential made ready for use. See secret.h.
 *
 * The passphrases stay in memory beside the keys: they are what tells two versions of a credential
 * apart, and whoever can read the one can read the other. Both are wiped when the last device lets
 * go.
 */
#include "secret.h"

#include <net-snmp/net-snmp-config.h>

#include <net-snmp/net-snmp-includes.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define USM_SECRET_MIN 8

struct phu_secret_protocol phu_secret_auth(const struct phu_secret *secret)
{
    static const int types[] = {
        [PHU_SNMP_AUTH_NONE] = NETSNMP_USMAUTH_NOAUTH,
        [PHU_SNMP_AUTH_MD5] = NETSNMP_USMAUTH_HMACMD5,
        [PHU_SNMP_AUTH_SHA1] = NETSNMP_USMAUTH_HMACSHA1,
        [PHU_SNMP_AUTH_SHA224] = NETSNMP_USMAUTH_HMAC128SHA224,
        [PHU_SNMP_AUTH_SHA256] = NETSNMP_USMAUTH_HMAC192SHA256,
        [PHU_SNMP_AUTH_SHA384] = NETSNMP_USMAUTH_HMAC256SHA384,
        [PHU_SNMP_AUTH_SHA512] = NETSNMP_USMAUTH_HMAC384SHA512,
    };
    struct phu_secret_protocol protocol = {0};

    protocol.oid = sc_get_auth_oid(types[secret->auth], &protocol.length);
    return protocol;
}

struct phu_secret_protocol phu_secret_privacy(const struct phu_secret *secret)
{
    static const int types[] = {
        [PHU_SNMP_PRIVACY_NONE] = USM_CREATE_USER_PRIV_NONE,
        [PHU_SNMP_PRIVACY_DES] = USM_CREATE_USER_PRIV_DES,
        [PHU_SNMP_PRIVACY_AES128] = USM_CREATE_USER_PRIV_AES,
        [PHU_SNMP_PRIVACY_AES192] = USM_CREATE_USER_PRIV_AES192,
        [PHU_SNMP_PRIVACY_AES256] = USM_CREATE_USER_PRIV_AES256,
        [PHU_SNMP_PRIVACY_AES192C] = USM_CREATE_USER_PRIV_AES192_CISCO,
        [PHU_SNMP_PRIVACY_AES256C] = USM_CREATE_USER_PRIV_AES256_CISCO,
    };
    struct phu_secret_protocol protocol = {0};

    protocol.oid = sc_get_priv_oid(types[secret->privacy], &protocol.length);
    return protocol;
}

static int read_passphrase(const char *what, const char *reference, char *text, char *why,
                           size_t why_size)
{
    int error = phu_secret_read(reference, text, PHU_SECRET_TEXT_MAX, why, why_size);

    if (error < 0)
        return error;
    if (strlen(text) < USM_SECRET_MIN) {
        snprintf(why, why_size, "the %s passphrase in %s is shorter than %d characters", what,
                 reference, USM_SECRET_MIN);
        return -EINVAL;
    }
    return 0;
}

static int derive_key(struct phu_secret_protocol protocol, const char *text, uint8_t *key,
                      size_t *length)
{
    *length = PHU_SECRET_KEY_MAX;
    if (generate_Ku(protocol.oid, (u_int)protocol.length, (const u_char *)text, strlen(text), key,
                    length) != SNMPERR_SUCCESS)
        return -ENOTSUP;
    return 0;
}

static int read_user(struct phu_secret *secret, const struct phu_credential *credential, char *why,
                     size_t why_size)
{
    int error = 0;

    snprintf(secret->user, sizeof secret->user, "%s", credential->user);
    snprintf(secret->context, sizeof secret->context, "%s", credential->context);
    if (secret->auth != PHU_SNMP_AUTH_NONE)
        error = read_passphrase("authentication", credential->auth_secret, secret->auth_text, why,
                                why_size);
    if (!error && secret->privacy != PHU_SNMP_PRIVACY_NONE)
        error = read_passphrase("privacy", credential->privacy_secret, secret->privacy_text, why,
                                why_size);
    return error;
}

static int derive_keys(struct phu_secret *secret, char *why, size_t why_size)
{
    struct phu_secret_protocol auth = phu_secret_auth(secret);
    int error = 0;

    if (secret->auth != PHU_SNMP_AUTH_NONE)
        error = derive_key(auth, secret->auth_text, secret->auth_key, &secret->auth_key_length);
    if (!error && secret->privacy != PHU_SNMP_PRIVACY_NONE)
        error = derive_key(auth, secret->privacy_text, secret->privacy_key,
                           &secret->privacy_key_length);
    if (error)
        snprintf(why, why_size, "this net-snmp cannot derive keys for the chosen auth protocol");
    return error;
}

static bool is_same(const struct phu_secret *a, const struct phu_secret *b)
{
    return a->version == b->version && a->auth == b->auth && a->privacy == b->privacy &&
           !strcmp(a->community, b->community) && !strcmp(a->user, b->user) &&
           !strcmp(a->context, b->context) && !strcmp(a->auth_text, b->auth_text) &&
           !strcmp(a->privacy_text, b->privacy_text);
}

static void wipe(struct phu_secret *secret)
{
    if (secret)
        explicit_bzero(secret, sizeof *secret);
    free(secret);
}

int phu_secrets_take(struct phu_secrets *secrets, const struct phu_credential *credential,
                     struct phu_secret **out, char *why, size_t why_size)
{
    struct phu_secret *secret = calloc(1, sizeof *secret), *known;
    int error;

    if (!secret)
        return -ENOMEM;
    secret->version = credential->version;
    secret->auth = credential->auth;
    secret->privacy = credential->privacy;
    if (credential->version == PHU_SNMP_V3)
        error = read_user(secret, credential, why, why_size);
    else
        error = phu_secret_read(credential->community, secret->community, sizeof secret->community,
                                why, why_size);
    for (known = secrets->first; known && !error && !is_same(known, secret);)
        known = known->next;
    if (!error && !known)
        error = derive_keys(secret, why, why_size);
    if (error || known) {
        wipe(secret);
        if (error)
            return error;
        secret = known;
    } else {
        secret->next = secrets->first;
        secrets->first = secret;
    }
    secret->refs++;
    *out = secret;
    return 0;
}

void phu_secrets_drop(struct phu_secrets *secrets, struct phu_secret *secret)
{
    struct phu_secret **link = &secrets->first;

    if (!secret || --secret->refs > 0)
        return;
    while (*link != secret)
        link = &(*link)->next;
    *link = secret->next;
    wipe(secret);
}
