/* Version 3: what is made safe can be opened, and nothing else. The device is played by a second
 * asker with the same user, whose answers are made with the same keys. */
#include "crypt.h"
#include "encode.h"
#include "message.h"
#include "secret.h"
#include "secure.h"
#include "usm.h"

#include "phusong/log.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define NS_PER_S INT64_C(1000000000)

static const struct phu_usm_engine engine = {
    .id = {0x80, 0, 0, 0, 5, 'e'}, .length = 6, .boots = 3, .time_s = 1000};

struct fixture {
    struct phu_usm *usm;
    struct phu_crypt *crypt;
    struct phu_secret secret;
    struct phu_usm_user *user;
    uint8_t bytes[PHU_QUESTION_SIZE_MAX + PHU_SECURE_SLACK];
    uint8_t plain[PHU_MESSAGE_SIZE_MAX];
    struct phu_message_room room;
    struct phu_message message;
    struct phu_encoder to;
};

static int set_up(void **state)
{
    struct fixture *fix = calloc(1, sizeof *fix);

    phu_log_set_level(PHU_LOG_ERROR);
    if (!fix || phu_usm_new(&fix->usm) < 0 || phu_crypt_new(&fix->crypt) < 0)
        return -1;
    *state = fix;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fix = *state;

    phu_crypt_free(fix->crypt);
    phu_usm_free(fix->usm);
    free(fix);
    return 0;
}

static void take_user(struct fixture *fix, int auth, int privacy)
{
    static const struct sockaddr_in address = {.sin_family = AF_INET};
    static const size_t lengths[] = {0, 16, 20, 28, 32, 48, 64};
    struct phu_usm_owner owner = {"device", (const struct sockaddr *)&address};
    struct phu_secret *secret = &fix->secret;

    *secret = (struct phu_secret){.version = PHU_SNMP_V3,
                                  .auth = auth,
                                  .privacy = privacy,
                                  .user = "me",
                                  .context = "there",
                                  .auth_key_length = lengths[auth],
                                  .privacy_key_length = lengths[auth]};
    memset(secret->auth_key, 'a', lengths[auth]);
    memset(secret->privacy_key, 'p', lengths[auth]);
    assert_int_equal(phu_usm_take(fix->usm, &engine, secret, &owner, &fix->user), 0);
}

static struct phu_secure_asker asker_of(const struct fixture *fix)
{
    return (struct phu_secure_asker){fix->crypt, &fix->secret, fix->user};
}

/* A response or report with one object, `extra` bytes long. */
static void make_answer(struct fixture *fix, uint8_t tag, uint8_t extra, int64_t now_ns)
{
    static const uint8_t head[] = {0x30, 0x00, 0x06, 0x02, 0x2b, 0x06, 0x04, 0x00};
    struct phu_secure_asker asker = asker_of(fix);
    uint8_t object[sizeof head + 100] = {0};

    memcpy(object, head, sizeof head);
    object[1] = (uint8_t)(6 + extra);
    object[7] = extra;
    phu_encoder_init(&fix->to, fix->bytes, PHU_QUESTION_SIZE_MAX);
    phu_encode_bytes(&fix->to, object, sizeof head + extra);
    phu_encode_wrap(&fix->to, 0x30, fix->to.end);
    phu_encode_number(&fix->to, 0);
    phu_encode_number(&fix->to, 0);
    phu_encode_number(&fix->to, 77);
    phu_encode_wrap(&fix->to, tag, fix->to.end);
    assert_true(phu_secure_seal(&asker, &fix->to, 5, now_ns));
}

static enum phu_secure_verdict open_it(struct fixture *fix, int64_t now_ns)
{
    struct phu_secure_asker asker = asker_of(fix);
    struct phu_message_header header;

    if (!phu_message_decode_header(fix->to.at, phu_encoder_length(&fix->to), &header))
        return PHU_SECURE_DAMAGED;
    return phu_secure_open(&asker, fix->to.at, &header, now_ns, fix->plain, &fix->room,
                           &fix->message);
}

static void drop_user(struct fixture *fix)
{
    phu_usm_drop(fix->usm, fix->user);
    fix->user = NULL;
}

static void what_is_sealed_can_be_opened(void **state)
{
    struct fixture *fix = *state;

    for (int auth = 0; auth <= PHU_SNMP_AUTH_SHA512; auth++) {
        int most = auth ? PHU_SNMP_PRIVACY_AES256C : PHU_SNMP_PRIVACY_NONE;

        for (int privacy = 0; privacy <= most; privacy++) {
            /* The last two keys take a million rounds of a digest. */
            if (privacy > PHU_SNMP_PRIVACY_AES256 && auth != PHU_SNMP_AUTH_SHA1)
                continue;
            take_user(fix, auth, privacy);
            for (uint8_t extra = 0; extra < 20; extra++) {
                make_answer(fix, PHU_TAG_RESPONSE, extra, 0);
                assert_int_equal(open_it(fix, 0), PHU_SECURE_GOOD);
                assert_int_equal(fix->message.request_id, 77);
                assert_int_equal(fix->message.count, 1);
                assert_int_equal(fix->message.varbinds[0].text_length, extra);
            }
            drop_user(fix);
        }
    }
}

/* With a digest, no bit can be changed unnoticed. */
static void nothing_can_be_changed(void **state)
{
    struct fixture *fix = *state;

    take_user(fix, PHU_SNMP_AUTH_SHA256, PHU_SNMP_PRIVACY_AES128);
    make_answer(fix, PHU_TAG_RESPONSE, 4, 0);
    for (size_t i = 0; i < phu_encoder_length(&fix->to); i++) {
        fix->to.at[i] ^= 1;
        assert_int_not_equal(open_it(fix, 0), PHU_SECURE_GOOD);
        fix->to.at[i] ^= 1;
    }
    assert_int_equal(open_it(fix, 0), PHU_SECURE_GOOD);
    drop_user(fix);
}

static void clear_flags(struct fixture *fix)
{
    struct phu_message_header header;
    uint8_t *at = fix->to.at;

    /* After version, the id and the size: the octets of one byte that hold the flags. */
    assert_true(phu_message_decode_header(at, phu_encoder_length(&fix->to), &header));
    while (!(at[0] == PHU_TAG_OCTETS && at[1] == 1))
        at++;
    at[2] = 0;
}

/* A device that does not know the user cannot sign a report; a response it must. */
static void only_reports_may_be_less_safe(void **state)
{
    struct fixture *fix = *state;

    take_user(fix, PHU_SNMP_AUTH_SHA1, PHU_SNMP_PRIVACY_NONE);
    make_answer(fix, PHU_TAG_RESPONSE, 0, 0);
    clear_flags(fix);
    assert_int_equal(open_it(fix, 0), PHU_SECURE_DAMAGED);
    make_answer(fix, PHU_TAG_REPORT, 0, 0);
    clear_flags(fix);
    assert_int_equal(open_it(fix, 0), PHU_SECURE_GOOD);
    assert_true(fix->message.is_report);
    drop_user(fix);
}

static void another_engine_is_told_apart(void **state)
{
    struct fixture *fix = *state;

    take_user(fix, PHU_SNMP_AUTH_NONE, PHU_SNMP_PRIVACY_NONE);
    make_answer(fix, PHU_TAG_RESPONSE, 0, 0);
    for (uint8_t *at = fix->to.at; at < fix->to.end; at++) {
        if (!memcmp(at, engine.id, engine.length)) {
            at[1] = 9;
            break;
        }
    }
    assert_int_equal(open_it(fix, 0), PHU_SECURE_STRANGE);
    drop_user(fix);
}

static void another_context_is_refused(void **state)
{
    struct fixture *fix = *state;

    take_user(fix, PHU_SNMP_AUTH_MD5, PHU_SNMP_PRIVACY_DES);
    make_answer(fix, PHU_TAG_RESPONSE, 0, 0);
    fix->secret.context[0] = 'T';
    assert_int_equal(open_it(fix, 0), PHU_SECURE_DAMAGED);
    drop_user(fix);
}

/* RFC 3414, 3.2, 7b: what was recorded cannot be played again 150 s later. */
static void old_messages_are_refused(void **state)
{
    struct fixture *fix = *state;
    struct phu_crypt_moment rebooted = {4, 0};

    take_user(fix, PHU_SNMP_AUTH_SHA1, PHU_SNMP_PRIVACY_NONE);
    make_answer(fix, PHU_TAG_RESPONSE, 0, 0);
    assert_int_equal(open_it(fix, 0), PHU_SECURE_GOOD);
    assert_int_equal(open_it(fix, 150 * NS_PER_S), PHU_SECURE_GOOD);
    assert_int_equal(open_it(fix, 151 * NS_PER_S), PHU_SECURE_DAMAGED);
    /* Nor after the device has started anew. */
    assert_true(phu_usm_heard(fix->user, &rebooted, true, 0));
    assert_int_equal(open_it(fix, 0), PHU_SECURE_DAMAGED);
    drop_user(fix);
}

static void clocks_follow_the_engine(void **state)
{
    struct fixture *fix = *state;
    struct phu_crypt_moment ahead = {3, 2000}, behind = {2, 9000}, last = {INT32_MAX, 1}, now;

    take_user(fix, PHU_SNMP_AUTH_SHA1, PHU_SNMP_PRIVACY_NONE);
    now = phu_usm_moment(fix->user, 10 * NS_PER_S);
    assert_int_equal(now.boots, 3);
    assert_int_equal(now.time_s, 1010);
    /* Nobody has signed yet for what is believed, so what is signed counts, even if it is less. */
    assert_true(phu_usm_heard(fix->user, &behind, true, 0));
    assert_int_equal(phu_usm_moment(fix->user, 0).boots, 2);
    /* From now on clocks go forward, and nothing unsigned moves them. */
    assert_true(phu_usm_heard(fix->user, &ahead, false, 0));
    assert_int_equal(phu_usm_moment(fix->user, 0).boots, 2);
    assert_true(phu_usm_heard(fix->user, &ahead, true, 0));
    assert_int_equal(phu_usm_moment(fix->user, 0).time_s, 2000);
    assert_false(phu_usm_heard(fix->user, &behind, true, 0));
    assert_false(phu_usm_heard(fix->user, &last, true, 0)); /* its boots have run out */
    drop_user(fix);
}

/* HMAC-SHA-1 of "Hi There" and twelve zeros, as Python's hmac has it. */
static void digests_are_those_of_hmac(void **state)
{
    static const uint8_t expected[] = {0x45, 0xf5, 0xbd, 0x45, 0x82, 0x27,
                                       0x2c, 0x76, 0xa1, 0xaf, 0xb7, 0x50};
    struct fixture *fix = *state;
    struct phu_crypt_keys keys = {.auth = PHU_SNMP_AUTH_SHA1, .auth_length = 20};
    uint8_t message[8 + 12] = "Hi There", digest[12];

    memset(keys.auth_key, 0x0b, 20);
    memset(message + 8, 0xff, 12);
    assert_true(phu_crypt_digest(fix->crypt, &keys, message, sizeof message, message + 8, digest));
    assert_memory_equal(digest, expected, sizeof expected);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_sealed_can_be_opened),
        cmocka_unit_test(nothing_can_be_changed),
        cmocka_unit_test(only_reports_may_be_less_safe),
        cmocka_unit_test(another_engine_is_told_apart),
        cmocka_unit_test(another_context_is_refused),
        cmocka_unit_test(old_messages_are_refused),
        cmocka_unit_test(clocks_follow_the_engine),
        cmocka_unit_test(digests_are_those_of_hmac),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
