#include "crypto.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

static void assert_hex(const uint8_t *bytes, size_t length, const char *expected)
{
    char text[2 * LAB_HASH_MAX + 1];

    for (size_t i = 0; i < length; i++)
        snprintf(text + 2 * i, 3, "%02x", bytes[i]);
    assert_string_equal(text, expected);
}

/* RFC 3414, A.3: the password "maplesyrup", the engine 00..02. */
static void keys_of_the_standard(void **state)
{
    static const uint8_t engine[12] = {[11] = 2};
    static const struct {
        enum lab_hash_id hash;
        const char *key;
        const char *localised;
    } cases[] = {
        {LAB_MD5, "9faf3283884e92834ebc9847d8edd963", "526f5eed9fcce26f8964c2930787d82b"},
        {LAB_SHA1, "9fb5cc0381497b3793528939ff788d5d79145211",
         "6695febc9288e36282235fc7151f128497b38f3f"},
    };
    struct lab_crypto *crypto = lab_crypto_new();

    (void)state;
    assert_non_null(crypto);
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        size_t length = lab_hashes[cases[i].hash].length;
        uint8_t key[LAB_HASH_MAX];
        uint8_t localised[LAB_HASH_MAX];

        lab_crypto_password(crypto, cases[i].hash, "maplesyrup", key);
        assert_hex(key, length, cases[i].key);
        lab_crypto_hash(crypto, cases[i].hash, (const uint8_t *const[]){key, engine, key},
                        (const size_t[]){length, sizeof(engine), length}, 3, localised);
        assert_hex(localised, length, cases[i].localised);
    }
    lab_crypto_free(crypto);
}

/* RFC 2202 and RFC 4231, test case 1. */
static void codes_of_the_standards(void **state)
{
    static const struct {
        enum lab_hash_id hash;
        const char *code;
    } cases[] = {
        {LAB_MD5, "9294727a3638bb1c13f48ef8158bfc9d"},
        {LAB_SHA1, "b617318655057264e28bc0b6fb378c8ef146be00"},
        {LAB_SHA224, "896fb1128abbdf196832107cd49df33f47b4b1169912ba4f53684b22"},
        {LAB_SHA256, "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"},
        {LAB_SHA384, "afd03944d84895626b0825f4ab46907f15f9dadbe4101ec682aa034c7cebc59c"
                     "faea9ea9076ede7f4af152e8b2fa9cb6"},
        {LAB_SHA512, "87aa7cdea5ef619d4ff0b4241a1d6cb02379f4e2ce4ec2787ad0b30545e17cde"
                     "daa833b7d6b8a702038b274eaea3f4e4be9d914eeb61f1702e696c203a126854"},
    };
    struct lab_crypto *crypto = lab_crypto_new();

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        /* The tests have shorter keys, which HMAC fills up with zeros; MD5's is of 16 bytes. */
        uint8_t key[LAB_HASH_MAX] = {0};
        uint8_t code[LAB_HASH_MAX];

        memset(key, 0x0b, cases[i].hash == LAB_MD5 ? 16 : 20);
        lab_crypto_hmac(crypto, cases[i].hash, key, (const uint8_t *)"Hi There", 8, code);
        assert_hex(code, lab_hashes[cases[i].hash].length, cases[i].code);
    }
    lab_crypto_free(crypto);
}

static void what_is_encrypted_comes_back(void **state)
{
    struct lab_crypto *crypto = lab_crypto_new();
    uint8_t key[LAB_CIPHER_KEY_MAX] = "0123456789abcdef0123456789abcde";
    uint8_t iv[16] = "initialisation!";

    (void)state;
    for (int cipher = 0; cipher < LAB_CIPHERS; cipher++) {
        uint8_t bytes[64] = "a scoped PDU";
        uint8_t plain[64];

        assert_true(lab_crypto_has(crypto, (enum lab_cipher_id)cipher));
        memcpy(plain, bytes, sizeof(bytes));
        assert_true(
            lab_crypto_cipher(crypto, (enum lab_cipher_id)cipher, true, key, iv, bytes, 64));
        assert_memory_not_equal(bytes, plain, 64);
        assert_true(
            lab_crypto_cipher(crypto, (enum lab_cipher_id)cipher, false, key, iv, bytes, 64));
        assert_memory_equal(bytes, plain, 64);
    }
    lab_crypto_free(crypto);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_of_the_standard),
        cmocka_unit_test(codes_of_the_standards),
        cmocka_unit_test(what_is_encrypted_comes_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
