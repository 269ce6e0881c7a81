/* See secure.h. */
#include "secure.h"

#include "crypt.h"
#include "secret.h"
#include "usm.h"

#include "phusong/credential.h"

#include <openssl/crypto.h>
#include <string.h>

static uint8_t level_of(const struct phu_secure_asker *asker)
{
    const struct phu_crypt_keys *keys = asker->user ? phu_usm_keys(asker->user) : NULL;
    uint8_t level = 0;

    if (keys && keys->auth != PHU_SNMP_AUTH_NONE)
        level |= PHU_MESSAGE_AUTH;
    if (keys && keys->privacy != PHU_SNMP_PRIVACY_NONE)
        level |= PHU_MESSAGE_PRIVACY;
    return level;
}

/* -- Asking ---------------------------------------------------------------------------------- */

/* What fills up a block is behind the scopedPDU, whose length says that it does not belong to it.
 */
static void fill_up(struct phu_encoder *to, size_t block)
{
    size_t length = phu_encoder_length(to), rest = length % block;

    if (!rest)
        return;
    memset(to->end, 0, block - rest);
    to->end += block - rest;
}

static bool encrypt(const struct phu_secure_asker *asker, struct phu_encoder *to,
                    const struct phu_crypt_moment *moment, uint8_t salt[PHU_CRYPT_SALT])
{
    const struct phu_crypt_keys *keys = phu_usm_keys(asker->user);

    fill_up(to, phu_crypt_block(keys));
    phu_crypt_salt(asker->crypt, keys, moment->boots, salt);
    if (!phu_crypt_encrypt(asker->crypt, keys, moment, salt, to->at, phu_encoder_length(to)))
        return false;
    phu_encode_wrap(to, PHU_TAG_OCTETS, to->end);
    return true;
}

/* No engine, no user, no context. */
static bool seal_nothing(struct phu_encoder *to, uint32_t id)
{
    phu_encode_scope(to, &(struct phu_encode_scope){.context = ""});
    phu_encode_header(
        to, &(struct phu_encode_header){.id = id, .flags = PHU_MESSAGE_REPORTABLE, .user = ""});
    return !to->is_full;
}

bool phu_secure_seal(const struct phu_secure_asker *asker, struct phu_encoder *to, uint32_t id,
                     int64_t now_ns)
{
    uint8_t level = level_of(asker), salt[PHU_CRYPT_SALT], *digest;
    const struct phu_usm_engine *engine;
    const struct phu_crypt_keys *keys;
    struct phu_crypt_moment moment;

    if (!asker->user)
        return seal_nothing(to, id);
    engine = phu_usm_engine(asker->user);
    keys = phu_usm_keys(asker->user);
    moment = phu_usm_moment(asker->user, now_ns);
    phu_encode_scope(
        to, &(struct phu_encode_scope){engine->id, engine->length, asker->secret->context});
    if (level & PHU_MESSAGE_PRIVACY && !encrypt(asker, to, &moment, salt))
        return false;
    digest = phu_encode_header(to, &(struct phu_encode_header){
                                       .id = id,
                                       .flags = level | PHU_MESSAGE_REPORTABLE,
                                       .engine = engine->id,
                                       .engine_length = engine->length,
                                       .boots = moment.boots,
                                       .time_s = moment.time_s,
                                       .user = asker->secret->user,
                                       .digest_length = phu_crypt_digest_length(keys->auth),
                                       .salt = salt,
                                       .salt_length = level & PHU_MESSAGE_PRIVACY ? sizeof salt : 0,
                                   });
    if (to->is_full)
        return false;
    return !digest ||
           phu_crypt_digest(asker->crypt, keys, to->at, phu_encoder_length(to), digest, digest);
}

/* -- Opening --------------------------------------------------------------------------------- */

static bool is_same(const struct phu_octets *octets, const void *bytes, size_t length)
{
    return octets->length == length && (!length || !memcmp(octets->bytes, bytes, length));
}

static bool is_authentic(const struct phu_secure_asker *asker, const uint8_t *bytes,
                         const struct phu_message_header *header)
{
    const struct phu_crypt_keys *keys = phu_usm_keys(asker->user);
    uint8_t digest[PHU_MESSAGE_DIGEST_MAX];
    size_t length = phu_crypt_digest_length(keys->auth);

    return length && header->digest.length == length &&
           is_same(&header->user, asker->secret->user, strlen(asker->secret->user)) &&
           phu_crypt_digest(asker->crypt, keys, bytes, header->length, header->digest.bytes,
                            digest) &&
           CRYPTO_memcmp(digest, header->digest.bytes, length) == 0;
}

static bool decrypt(const struct phu_secure_asker *asker, const struct phu_message_header *header,
                    uint8_t *plain)
{
    struct phu_crypt_moment moment = {header->boots, header->time_s};

    return header->salt.length == PHU_CRYPT_SALT &&
           phu_crypt_decrypt(asker->crypt, phu_usm_keys(asker->user), &moment, header->salt.bytes,
                             header->data.bytes, header->data.length, plain);
}

/* Who signs and who encrypts as asked? With an engine known, and so a user. */
static enum phu_secure_verdict check(const struct phu_secure_asker *asker, const uint8_t *bytes,
                                     const struct phu_message_header *header, int64_t now_ns)
{
    uint8_t level = header->flags & PHU_MESSAGE_LEVEL;
    struct phu_crypt_moment moment = {header->boots, header->time_s};
    bool is_signed = level & PHU_MESSAGE_AUTH;

    if (!is_same(&header->engine, phu_usm_engine(asker->user)->id,
                 phu_usm_engine(asker->user)->length))
        return PHU_SECURE_STRANGE;
    if (level == PHU_MESSAGE_PRIVACY || level & ~level_of(asker) ||
        (is_signed && !is_authentic(asker, bytes, header)) ||
        !phu_usm_heard(asker->user, &moment, is_signed, now_ns))
        return PHU_SECURE_DAMAGED;
    return PHU_SECURE_GOOD;
}

static bool is_about_what_was_asked(const struct phu_secure_asker *asker,
                                    const struct phu_message_header *header,
                                    const struct phu_message *message)
{
    const struct phu_usm_engine *engine;

    if (message->is_report || !asker->user)
        return true;
    engine = phu_usm_engine(asker->user);
    return (header->flags & PHU_MESSAGE_LEVEL) == level_of(asker) &&
           is_same(&message->engine, engine->id, engine->length) &&
           is_same(&message->context, asker->secret->context, strlen(asker->secret->context));
}

enum phu_secure_verdict phu_secure_open(const struct phu_secure_asker *asker, const uint8_t *bytes,
                                        const struct phu_message_header *header, int64_t now_ns,
                                        uint8_t *plain, struct phu_message_room *room,
                                        struct phu_message *message)
{
    const uint8_t *scoped = header->data.bytes;
    enum phu_secure_verdict verdict = PHU_SECURE_GOOD;

    if (asker->user)
        verdict = check(asker, bytes, header, now_ns);
    else if (header->flags & PHU_MESSAGE_LEVEL)
        verdict = PHU_SECURE_DAMAGED;
    if (verdict != PHU_SECURE_GOOD)
        return verdict;
    if (header->flags & PHU_MESSAGE_PRIVACY) {
        if (!decrypt(asker, header, plain))
            return PHU_SECURE_DAMAGED;
        scoped = plain;
    }
    if (!phu_message_decode_scoped(scoped, header->data.length, room, message) ||
        !is_about_what_was_asked(asker, header, message))
        return PHU_SECURE_DAMAGED;
    return PHU_SECURE_GOOD;
}
