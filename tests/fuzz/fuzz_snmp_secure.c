/* Messages of version 3 to somebody who has keys: one whose digest is right, whatever else is in
 * it, so that what is behind the check is reached: decryption, clocks, and what was encrypted.
 *
 * Input: a byte that chooses the user (see `users`), a byte for the flags, and the rest, which is
 * encrypted where the user has privacy and put into an otherwise good message. When the first byte
 * has its highest bit set, the rest is the message itself.
 */
#include "crypt.h"
#include "encode.h"
#include "message.h"
#include "secret.h"
#include "secure.h"
#include "usm.h"

#include "phusong/log.h"

#include <arpa/inet.h>
#include <assert.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);

#define USERS 4
#define MESSAGE_MAX 8192
#define INSIDE_MAX 4096

static const struct {
    int auth, privacy;
} users[USERS] = {
    {PHU_SNMP_AUTH_NONE, PHU_SNMP_PRIVACY_NONE},
    {PHU_SNMP_AUTH_MD5, PHU_SNMP_PRIVACY_DES},
    {PHU_SNMP_AUTH_SHA1, PHU_SNMP_PRIVACY_AES128},
    {PHU_SNMP_AUTH_SHA512, PHU_SNMP_PRIVACY_NONE},
};

struct fuzz {
    struct phu_usm *usm;
    struct phu_crypt *crypt;
    struct phu_secret secrets[USERS];
    struct phu_usm_user *users[USERS];
    struct phu_message_room room;
    uint8_t plain[PHU_MESSAGE_SIZE_MAX];
};

static struct fuzz *fuzz;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    static const struct sockaddr_in address = {.sin_family = AF_INET};
    struct phu_usm_engine engine = {.length = 5, .id = {0x80, 0, 0, 0, 5}, .boots = 3};
    struct phu_usm_owner owner = {"fuzz", (const struct sockaddr *)&address};

    (void)argc;
    (void)argv;
    phu_log_set_level(PHU_LOG_ERROR);
    fuzz = calloc(1, sizeof *fuzz);
    if (!fuzz || phu_usm_new(&fuzz->usm) < 0 || phu_crypt_new(&fuzz->crypt) < 0)
        abort();
    for (int i = 0; i < USERS; i++) {
        struct phu_secret *secret = &fuzz->secrets[i];

        *secret = (struct phu_secret){.version = PHU_SNMP_V3,
                                      .user = "fuzz",
                                      .auth = users[i].auth,
                                      .privacy = users[i].privacy,
                                      .auth_key_length = 20,
                                      .privacy_key_length = 20};
        if (users[i].auth == PHU_SNMP_AUTH_MD5)
            secret->auth_key_length = secret->privacy_key_length = 16;
        if (users[i].auth == PHU_SNMP_AUTH_SHA512)
            secret->auth_key_length = secret->privacy_key_length = 64;
        if (phu_usm_take(fuzz->usm, &engine, secret, &owner, &fuzz->users[i]) < 0)
            abort();
    }
    return 0;
}

static void open_message(const struct phu_secure_asker *asker, const uint8_t *bytes, size_t length,
                         bool must_be_signed)
{
    struct phu_message_header header;
    struct phu_message message;
    enum phu_secure_verdict verdict;

    if (!phu_message_decode_header(bytes, length, &header))
        return;
    verdict = phu_secure_open(asker, bytes, &header, 0, fuzz->plain, &fuzz->room, &message);
    if (verdict != PHU_SECURE_GOOD)
        return;
    assert(message.count <= PHU_MESSAGE_VARBINDS_MAX);
    /* Nobody but who has the key can have us believe a response. */
    assert(!must_be_signed || message.is_report);
}

/* What the device would send, had it this inside. */
static void open_signed(const struct phu_secure_asker *asker, uint8_t flags, const uint8_t *data,
                        size_t size)
{
    static const uint8_t salt[PHU_CRYPT_SALT] = {1};
    const struct phu_crypt_keys *keys = phu_usm_keys(asker->user);
    const struct phu_usm_engine *engine = phu_usm_engine(asker->user);
    struct phu_crypt_moment moment = {engine->boots, engine->time_s};
    bool is_secret = flags & PHU_MESSAGE_PRIVACY && keys->privacy != PHU_SNMP_PRIVACY_NONE;
    uint8_t bytes[MESSAGE_MAX], *digest;
    struct phu_encoder to;

    phu_encoder_init(&to, bytes, sizeof bytes);
    phu_encode_bytes(&to, data, size);
    if (is_secret) {
        if (!phu_crypt_encrypt(asker->crypt, keys, &moment, salt, to.at, size))
            return;
        phu_encode_wrap(&to, PHU_TAG_OCTETS, to.end);
    }
    digest = phu_encode_header(
        &to, &(struct phu_encode_header){.flags = flags,
                                         .engine = engine->id,
                                         .engine_length = engine->length,
                                         .boots = moment.boots,
                                         .time_s = moment.time_s,
                                         .user = "fuzz",
                                         .digest_length = phu_crypt_digest_length(keys->auth),
                                         .salt = salt,
                                         .salt_length = is_secret ? sizeof salt : 0});
    assert(!to.is_full);
    if (digest)
        phu_crypt_digest(asker->crypt, keys, to.at, phu_encoder_length(&to), digest, digest);
    open_message(asker, to.at, phu_encoder_length(&to), false);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct phu_secure_asker asker;
    unsigned which;

    if (size < 2 || size > INSIDE_MAX)
        return 0;
    which = data[0] % USERS;
    asker = (struct phu_secure_asker){fuzz->crypt, &fuzz->secrets[which], fuzz->users[which]};
    if (data[0] & 0x80)
        open_message(&asker, data + 2, size - 2, users[which].auth != PHU_SNMP_AUTH_NONE);
    else
        open_signed(&asker, data[1], data + 2, size - 2);
    return 0;
}
