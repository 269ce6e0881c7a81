/* Owns the users, their keys, and the table of localised ones: one place per hash, where a newer
 * engine takes the place of an older one. */
#include "usm.h"

#include "crypto.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
    USERS_MAX = 64,
    PLACES = 1 << 15,
    WINDOW_S = 150, /* RFC 3414, 2.2.3 */
    SCOPED_MAX = 65536,
    SALT_BYTES = 8,
    MESSAGE_MAX = 65507,
    SECURITY_MODEL = 3,
};

struct user {
    char name[LAB_USERNAME_MAX + 1];
    unsigned level;
    enum lab_hash_id hash;
    enum lab_cipher_id cipher;
    uint8_t auth[LAB_HASH_MAX]; /* of the password, not localised */
    uint8_t priv[LAB_HASH_MAX];
};

struct keys {
    const struct user *user; /* NULL: free */
    size_t engine_length;
    uint8_t engine[LAB_ENGINE_MAX];
    uint8_t auth[LAB_HASH_MAX];
    uint8_t priv[LAB_HASH_MAX];
};

struct lab_usm {
    struct lab_crypto *crypto;
    struct user users[USERS_MAX];
    size_t user_count;
    struct keys *places;
    uint64_t salt;
    uint8_t scoped[SCOPED_MAX];
};

/* usmStats (RFC 3414), snmpUnknownContexts (RFC 3413), snmpUnknownPDUHandlers (RFC 3412). */
static const uint8_t report_names[LAB_REPORTS][10] = {
    [LAB_REPORT_LEVEL] = {0x2b, 6, 1, 6, 3, 15, 1, 1, 1, 0},
    [LAB_REPORT_TIME] = {0x2b, 6, 1, 6, 3, 15, 1, 1, 2, 0},
    [LAB_REPORT_USER] = {0x2b, 6, 1, 6, 3, 15, 1, 1, 3, 0},
    [LAB_REPORT_ENGINE] = {0x2b, 6, 1, 6, 3, 15, 1, 1, 4, 0},
    [LAB_REPORT_DIGEST] = {0x2b, 6, 1, 6, 3, 15, 1, 1, 5, 0},
    [LAB_REPORT_DECRYPTION] = {0x2b, 6, 1, 6, 3, 15, 1, 1, 6, 0},
    [LAB_REPORT_CONTEXT] = {0x2b, 6, 1, 6, 3, 12, 1, 5, 0},
    [LAB_REPORT_HANDLER] = {0x2b, 6, 1, 6, 3, 11, 2, 1, 3, 0},
};

struct lab_bytes lab_report_name(enum lab_report report)
{
    return (struct lab_bytes){report_names[report], report == LAB_REPORT_CONTEXT ? 9 : 10};
}

/* What is known to come from the user is answered as the user asked, and a wrong clock with a
 * digest only, so that the manager can believe the right one (RFC 3414, 3.2, 7). */
unsigned lab_report_level(enum lab_report report, unsigned flags)
{
    if (report == LAB_REPORT_TIME)
        return LAB_FLAG_AUTH;
    if (report == LAB_REPORT_CONTEXT || report == LAB_REPORT_HANDLER)
        return flags & (LAB_FLAG_AUTH | LAB_FLAG_PRIV);
    return 0;
}

struct lab_usm *lab_usm_new(void)
{
    struct lab_usm *usm = calloc(1, sizeof(*usm));

    if (!usm)
        return NULL;
    usm->crypto = lab_crypto_new();
    usm->places = calloc(PLACES, sizeof(*usm->places));
    if (usm->crypto && usm->places)
        return usm;
    lab_usm_free(usm);
    return NULL;
}

void lab_usm_free(struct lab_usm *usm)
{
    if (!usm)
        return;
    lab_crypto_free(usm->crypto);
    free(usm->places);
    free(usm);
}

static int find_hash(const char *name, enum lab_hash_id *hash)
{
    for (int i = 0; i < LAB_HASHES; i++)
        if (strcasecmp(lab_hashes[i].name, name) == 0 ||
            (i == LAB_SHA1 && strcasecmp(name, "SHA-1") == 0)) {
            *hash = (enum lab_hash_id)i;
            return 0;
        }
    return -EINVAL;
}

static int find_cipher(const char *name, enum lab_cipher_id *cipher)
{
    for (int i = 0; i < LAB_CIPHERS; i++)
        if (strcasecmp(lab_ciphers[i].name, name) == 0 ||
            (i == LAB_AES128 && strcasecmp(name, "AES-128") == 0)) {
            *cipher = (enum lab_cipher_id)i;
            return 0;
        }
    return -EINVAL;
}

static int set_secrets(struct lab_usm *usm, struct user *user, char *const *words, size_t count,
                       struct lab_error *err)
{
    if (count >= 3) {
        if (find_hash(words[1], &user->hash) < 0)
            return lab_fail(err, "\"%.40s\": use MD5, SHA, SHA-224, SHA-256, SHA-384 or SHA-512",
                            words[1]);
        lab_crypto_password(usm->crypto, user->hash, words[2], user->auth);
        user->level = LAB_FLAG_AUTH;
    }
    if (count == 5) {
        if (find_cipher(words[3], &user->cipher) < 0)
            return lab_fail(err, "\"%.40s\": use DES, AES, AES-192 or AES-256", words[3]);
        if (!lab_crypto_has(usm->crypto, user->cipher))
            return lab_fail(err, "%s: OpenSSL's legacy provider, which has it, is missing",
                            words[3]);
        lab_crypto_password(usm->crypto, user->hash, words[4], user->priv);
        user->level |= LAB_FLAG_PRIV;
    }
    return 0;
}

int lab_usm_add_user(struct lab_usm *usm, const char *text, struct lab_error *err)
{
    struct user *user = &usm->users[usm->user_count];
    char copy[512];
    char *rest = copy;
    char *words[6];
    size_t count = 0;

    if (usm->user_count == USERS_MAX || strlen(text) >= sizeof(copy))
        return lab_fail(err, "at most %d users, of %zu characters each", USERS_MAX,
                        sizeof(copy) - 1);
    memcpy(copy, text, strlen(text) + 1);
    while (count < 6 && rest)
        words[count++] = strsep(&rest, ":");
    if ((count != 1 && count != 3 && count != 5) || !*words[0] ||
        strlen(words[0]) > LAB_USERNAME_MAX || (count >= 3 && strlen(words[2]) < 8) ||
        (count == 5 && strlen(words[4]) < 8))
        return lab_fail(err, "write NAME, NAME:SHA-256:PASSWORD or NAME:SHA-256:PASSWORD:AES:"
                             "PASSWORD, the passwords with 8 characters or more");
    *user = (struct user){.level = 0};
    memcpy(user->name, words[0], strlen(words[0]));
    if (set_secrets(usm, user, words, count, err) < 0)
        return -EINVAL;
    usm->user_count++;
    return 0;
}

static const struct user *find_user(const struct lab_usm *usm, struct lab_bytes name)
{
    for (size_t i = 0; i < usm->user_count; i++)
        if (strlen(usm->users[i].name) == name.length &&
            memcmp(usm->users[i].name, name.at, name.length) == 0)
            return &usm->users[i];
    return NULL;
}

unsigned lab_usm_level(const struct lab_usm *usm, const struct lab_v3 *message)
{
    const struct user *user = find_user(usm, message->user);

    return user ? user->level : 0;
}

static uint64_t hash_bytes(const uint8_t *bytes, size_t length, uint64_t start)
{
    for (size_t i = 0; i < length; i++)
        start = (start ^ bytes[i]) * 0x100000001b3u;
    return start ^ start >> 29;
}

static void localise(struct lab_usm *usm, const struct user *user, const uint8_t *key,
                     const struct lab_engine *engine, uint8_t out[LAB_HASH_MAX])
{
    size_t length = lab_hashes[user->hash].length;

    lab_crypto_hash(usm->crypto, user->hash, (const uint8_t *const[]){key, engine->id, key},
                    (const size_t[]){length, engine->length, length}, 3, out);
}

/* The hash of all so far goes behind until it is long enough. */
static void extend(struct lab_usm *usm, const struct user *user, uint8_t key[LAB_HASH_MAX])
{
    size_t length = lab_hashes[user->hash].length;
    size_t have = length;
    uint8_t more[LAB_HASH_MAX];

    while (have < lab_ciphers[user->cipher].key) {
        size_t room = LAB_HASH_MAX - have;

        lab_crypto_hash(usm->crypto, user->hash, (const uint8_t *const[]){key},
                        (const size_t[]){have}, 1, more);
        memcpy(key + have, more, length < room ? length : room);
        have += length;
    }
}

static const struct keys *find_keys(struct lab_usm *usm, const struct user *user,
                                    const struct lab_engine *engine)
{
    uint64_t bits = hash_bytes(engine->id, engine->length, (uint64_t)(user - usm->users) + 1);
    struct keys *keys = &usm->places[(bits ^ bits >> 17) % PLACES];

    if (keys->user == user && keys->engine_length == engine->length &&
        memcmp(keys->engine, engine->id, engine->length) == 0)
        return keys;
    *keys = (struct keys){.user = user, .engine_length = engine->length};
    memcpy(keys->engine, engine->id, engine->length);
    if (user->level & LAB_FLAG_AUTH)
        localise(usm, user, user->auth, engine, keys->auth);
    if (user->level & LAB_FLAG_PRIV) {
        localise(usm, user, user->priv, engine, keys->priv);
        extend(usm, user, keys->priv);
    }
    return keys;
}

int lab_v3_parse(struct lab_bytes whole, struct lab_bytes inside, struct lab_v3 *message)
{
    struct lab_bytes header;
    struct lab_bytes flags;
    struct lab_bytes wrapped;
    struct lab_bytes security;
    int64_t model;

    *message = (struct lab_v3){.whole = whole};
    if (lab_ber_take_tag(&inside, LAB_TAG_SEQUENCE, &header) < 0 ||
        lab_ber_take_integer(&header, 0, INT32_MAX, &message->id) < 0 ||
        lab_ber_take_integer(&header, 484, INT32_MAX, &message->most) < 0 ||
        lab_ber_take_tag(&header, LAB_TAG_OCTETS, &flags) < 0 || flags.length != 1 ||
        lab_ber_take_integer(&header, 1, INT32_MAX, &model) < 0 || model != SECURITY_MODEL ||
        lab_ber_take_tag(&inside, LAB_TAG_OCTETS, &wrapped) < 0 ||
        lab_ber_take_tag(&wrapped, LAB_TAG_SEQUENCE, &security) < 0 ||
        lab_ber_take_tag(&security, LAB_TAG_OCTETS, &message->engine) < 0 ||
        lab_ber_take_integer(&security, 0, INT32_MAX, &message->boots) < 0 ||
        lab_ber_take_integer(&security, 0, INT32_MAX, &message->time) < 0 ||
        lab_ber_take_tag(&security, LAB_TAG_OCTETS, &message->user) < 0 ||
        lab_ber_take_tag(&security, LAB_TAG_OCTETS, &message->digest) < 0 ||
        lab_ber_take_tag(&security, LAB_TAG_OCTETS, &message->salt) < 0)
        return -EBADMSG;
    message->flags = flags.at[0];
    message->data = inside;
    if (message->user.length > LAB_USERNAME_MAX || message->engine.length > LAB_ENGINE_MAX ||
        (message->flags & (LAB_FLAG_AUTH | LAB_FLAG_PRIV)) == LAB_FLAG_PRIV)
        return -EBADMSG;
    return 0;
}

/* The digest is of the message with zeros in its place. */
static bool has_right_digest(struct lab_usm *usm, const struct lab_v3 *message,
                             const struct user *user, const struct keys *keys)
{
    size_t length = lab_hashes[user->hash].digest;
    uint8_t digest[LAB_HASH_MAX];

    if (message->digest.length != length || message->whole.length > sizeof(usm->scoped))
        return false;
    memcpy(usm->scoped, message->whole.at, message->whole.length);
    memset(usm->scoped + (message->digest.at - message->whole.at), 0, length);
    lab_crypto_hmac(usm->crypto, user->hash, keys->auth, usm->scoped, message->whole.length,
                    digest);
    return memcmp(digest, message->digest.at, length) == 0;
}

static bool is_in_window(const struct lab_v3 *message, const struct lab_engine *engine)
{
    int64_t apart = message->time - (int64_t)engine->time;

    return message->boots == engine->boots && apart <= WINDOW_S && apart >= -WINDOW_S;
}

static void put32(uint8_t *out, uint32_t value)
{
    for (int i = 0; i < 4; i++)
        out[i] = (uint8_t)(value >> (24 - 8 * i));
}

static bool run_cipher(struct lab_usm *usm, const struct user *user, const struct keys *keys,
                       bool encrypts, uint32_t boots, uint32_t time, const uint8_t *salt,
                       uint8_t *bytes, size_t length)
{
    uint8_t iv[16];

    if (user->cipher == LAB_DES) { /* RFC 3414, 8.1.1.1 */
        for (int i = 0; i < SALT_BYTES; i++)
            iv[i] = keys->priv[8 + i] ^ salt[i];
    } else { /* RFC 3826, 3.1.2.1 */
        put32(iv, boots);
        put32(iv + 4, time);
        memcpy(iv + 8, salt, SALT_BYTES);
    }
    return lab_crypto_cipher(usm->crypto, user->cipher, encrypts, keys->priv, iv, bytes, length);
}

static enum lab_report decrypt(struct lab_usm *usm, const struct lab_v3 *message,
                               const struct user *user, const struct keys *keys,
                               struct lab_bytes *scoped)
{
    struct lab_bytes data = message->data;
    struct lab_bytes hidden;

    if (lab_ber_take_tag(&data, LAB_TAG_OCTETS, &hidden) < 0 ||
        message->salt.length != SALT_BYTES || hidden.length > sizeof(usm->scoped) ||
        (user->cipher == LAB_DES && hidden.length % 8))
        return LAB_REPORT_DECRYPTION;
    memcpy(usm->scoped, hidden.at, hidden.length);
    if (!run_cipher(usm, user, keys, false, (uint32_t)message->boots, (uint32_t)message->time,
                    message->salt.at, usm->scoped, hidden.length))
        return LAB_REPORT_DECRYPTION;
    *scoped = (struct lab_bytes){usm->scoped, hidden.length};
    /* A wrong key shows in what comes out being nothing. */
    data = *scoped;
    return lab_ber_take_tag(&data, LAB_TAG_SEQUENCE, &hidden) < 0 ? LAB_REPORT_DECRYPTION
                                                                  : LAB_REPORT_NONE;
}

enum lab_report lab_usm_open(struct lab_usm *usm, const struct lab_v3 *message,
                             const struct lab_engine *engine, struct lab_bytes *scoped)
{
    unsigned level = message->flags & (LAB_FLAG_AUTH | LAB_FLAG_PRIV);
    const struct user *user;
    const struct keys *keys;

    *scoped = message->data;
    if (message->engine.length != engine->length ||
        memcmp(message->engine.at, engine->id, engine->length) != 0)
        return LAB_REPORT_ENGINE;
    user = find_user(usm, message->user);
    if (!user)
        return LAB_REPORT_USER;
    if (level & ~user->level)
        return LAB_REPORT_LEVEL;
    if (!level)
        return LAB_REPORT_NONE;
    keys = find_keys(usm, user, engine);
    if (!has_right_digest(usm, message, user, keys))
        return LAB_REPORT_DIGEST;
    if (!is_in_window(message, engine))
        return LAB_REPORT_TIME;
    return level & LAB_FLAG_PRIV ? decrypt(usm, message, user, keys, scoped) : LAB_REPORT_NONE;
}

static void encrypt(struct lab_usm *usm, const struct user *user, const struct keys *keys,
                    const struct lab_engine *engine, uint8_t salt[SALT_BYTES],
                    struct lab_writer *out)
{
    static const uint8_t zeros[8];

    usm->salt++;
    put32(salt, user->cipher == LAB_DES ? engine->boots : (uint32_t)(usm->salt >> 32));
    put32(salt + 4, (uint32_t)usm->salt);
    if (user->cipher == LAB_DES && lab_writer_length(out) % 8)
        lab_writer_append(out, zeros, 8 - lab_writer_length(out) % 8);
    if (!run_cipher(usm, user, keys, true, engine->boots, engine->time, salt,
                    out->bytes + out->start, lab_writer_length(out)))
        out->is_full = true; /* nothing is sent rather than plain text */
    lab_writer_wrap(out, LAB_TAG_OCTETS);
}

/* Puts the security parameters in front; returns where the digest is, from the end. */
static size_t put_security(const struct lab_v3 *request, const struct lab_engine *engine,
                           size_t digest_length, const uint8_t *salt, size_t salt_length,
                           struct lab_writer *out)
{
    static const uint8_t zeros[LAB_HASH_MAX];
    uint8_t header[LAB_BER_HEADER];
    size_t end = out->start;
    size_t digest_at;
    size_t length;

    lab_writer_prepend_octets(out, LAB_TAG_OCTETS, salt, salt_length);
    digest_at = out->end - (out->start - digest_length);
    lab_writer_prepend_octets(out, LAB_TAG_OCTETS, zeros, digest_length);
    lab_writer_prepend_octets(out, LAB_TAG_OCTETS, request->user.at, request->user.length);
    lab_writer_prepend_integer(out, engine->time);
    lab_writer_prepend_integer(out, engine->boots);
    lab_writer_prepend_octets(out, LAB_TAG_OCTETS, engine->id, engine->length);
    length = lab_ber_put_header(header, LAB_TAG_SEQUENCE, end - out->start);
    lab_writer_prepend(out, header, length);
    length = lab_ber_put_header(header, LAB_TAG_OCTETS, end - out->start);
    lab_writer_prepend(out, header, length);
    return digest_at;
}

static void put_global(const struct lab_v3 *request, unsigned level, struct lab_writer *out)
{
    uint8_t header[LAB_BER_HEADER];
    uint8_t flags = (uint8_t)level;
    size_t end = out->start;
    size_t length;

    lab_writer_prepend_integer(out, SECURITY_MODEL);
    lab_writer_prepend_octets(out, LAB_TAG_OCTETS, &flags, 1);
    lab_writer_prepend_integer(out, MESSAGE_MAX);
    lab_writer_prepend_integer(out, request->id);
    length = lab_ber_put_header(header, LAB_TAG_SEQUENCE, end - out->start);
    lab_writer_prepend(out, header, length);
    lab_writer_prepend_integer(out, 3);
    lab_writer_wrap(out, LAB_TAG_SEQUENCE);
}

void lab_usm_seal(struct lab_usm *usm, const struct lab_v3 *request,
                  const struct lab_engine *engine, unsigned level, struct lab_bytes context,
                  struct lab_writer *out)
{
    const struct user *user = level ? find_user(usm, request->user) : NULL;
    const struct keys *keys = user ? find_keys(usm, user, engine) : NULL;
    size_t digest_length = user ? lab_hashes[user->hash].digest : 0;
    uint8_t salt[SALT_BYTES];
    uint8_t digest[LAB_HASH_MAX];
    size_t digest_at;

    lab_writer_prepend_octets(out, LAB_TAG_OCTETS, context.at, context.length);
    lab_writer_prepend_octets(out, LAB_TAG_OCTETS, engine->id, engine->length);
    lab_writer_wrap(out, LAB_TAG_SEQUENCE);
    if (user && level & LAB_FLAG_PRIV)
        encrypt(usm, user, keys, engine, salt, out);
    digest_at = put_security(request, engine, digest_length, salt,
                             user && level & LAB_FLAG_PRIV ? SALT_BYTES : 0, out);
    put_global(request, level, out);
    if (!user || out->is_full)
        return;
    lab_crypto_hmac(usm->crypto, user->hash, keys->auth, out->bytes + out->start,
                    lab_writer_length(out), digest);
    memcpy(out->bytes + out->end - digest_at, digest, digest_length);
}
