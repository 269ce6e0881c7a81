#include "oid.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

static void text_and_ber_agree(void **state)
{
    static const char *const texts[] = {
        "1.3",
        "0.0",
        "2.999.1",
        "1.3.6.1.4.1.2011.6.128.4194304000.4294967295.0.127.128.16384",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
        uint8_t ber[LAB_OID_BYTES];
        char back[LAB_OID_TEXT];
        int length = lab_oid_parse(texts[i], strlen(texts[i]), ber);

        assert_true(length > 0);
        assert_string_equal(lab_oid_format(ber, (size_t)length, back), texts[i]);
    }
}

static void known_bytes(void **state)
{
    static const uint8_t enterprise[] = {0x2b, 6, 1, 4, 1, 0x8f, 0x5b};
    uint8_t ber[LAB_OID_BYTES];

    (void)state;
    assert_int_equal(lab_oid_parse(".1.3.6.1.4.1.2011", 17, ber), 7);
    assert_memory_equal(ber, enterprise, 7);
}

static void what_is_no_identifier_is_refused(void **state)
{
    static const char *const bad[] = {
        "",     "1",      ".",           "1.",   "1..3",           "3.1",
        "1.40", "1.3a",   "1.-3",        " 1.3", "1.3.4294967296", "0.40",
        "a.b",  "1.3.6|", "2.4294967295"};
    static const uint8_t bad_ber[][6] = {{0x2b, 0x80 | 6}, {0x2b, 0x90, 0x80, 0x80, 0x80, 0}};
    static const size_t lengths[] = {2, 6};
    uint8_t ber[LAB_OID_BYTES];

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
        assert_true(lab_oid_parse(bad[i], strlen(bad[i]), ber) < 0);
    for (size_t i = 0; i < 2; i++)
        assert_true(lab_oid_key(bad_ber[i], lengths[i], ber) < 0);
    assert_true(lab_oid_key(ber, 0, ber) < 0);
}

static void at_most_128_numbers(void **state)
{
    char text[LAB_OID_TEXT + 8] = "1";
    uint8_t ber[LAB_OID_BYTES];

    (void)state;
    for (int i = 1; i < LAB_OID_PARTS; i++)
        strcat(text, ".9");
    assert_int_equal(lab_oid_parse(text, strlen(text), ber), LAB_OID_PARTS - 1);
    strcat(text, ".9");
    assert_true(lab_oid_parse(text, strlen(text), ber) < 0);
}

static int sign(int number)
{
    return (number > 0) - (number < 0);
}

static size_t make_key(const char *text, uint8_t *key)
{
    uint8_t ber[LAB_OID_BYTES];
    int length = lab_oid_parse(text, strlen(text), ber);

    assert_true(length > 0);
    length = lab_oid_key(ber, (size_t)length, key);
    assert_true(length > 0);
    return (size_t)length;
}

/* Each after the one before it; the numbers where keys and BER change their length are among them.
 */
static void keys_sort_as_identifiers_do(void **state)
{
    static const char *const texts[] = {
        "0.1",         "1.3",          "1.3.0",        "1.3.0.5",       "1.3.1",
        "1.3.127",     "1.3.128",      "1.3.249",      "1.3.250",       "1.3.250.1",
        "1.3.251",     "1.3.252",      "1.3.255",      "1.3.256",       "1.3.16383",
        "1.3.16384",   "1.3.65535",    "1.3.65535.9",  "1.3.65536",     "1.3.2097151",
        "1.3.2097152", "1.3.16777215", "1.3.16777216", "1.3.268435456", "1.3.4294967295",
        "1.4",         "2.0",          "2.999",
    };
    enum { COUNT = sizeof(texts) / sizeof(*texts) };
    static uint8_t keys[COUNT][LAB_OID_BYTES];
    size_t lengths[COUNT];

    (void)state;
    for (size_t i = 0; i < COUNT; i++)
        lengths[i] = make_key(texts[i], keys[i]);
    for (size_t i = 0; i < COUNT; i++)
        for (size_t j = 0; j < COUNT; j++)
            assert_int_equal(sign(lab_oid_compare(keys[i], lengths[i], keys[j], lengths[j])),
                             (i > j) - (i < j));
}

static void common_numbers_are_counted(void **state)
{
    uint8_t a[LAB_OID_BYTES];
    uint8_t b[LAB_OID_BYTES];
    size_t a_length = make_key("1.3.6.70000.5", a);
    size_t b_length = make_key("1.3.6.70001.5", b);

    (void)state;
    assert_int_equal(lab_oid_parts(a, a_length), 4); /* the first two are one */
    assert_int_equal(lab_oid_common(a, a_length, b, b_length), 2);
    assert_int_equal(lab_oid_common(a, a_length, a, a_length), 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_and_ber_agree),
        cmocka_unit_test(known_bytes),
        cmocka_unit_test(what_is_no_identifier_is_refused),
        cmocka_unit_test(at_most_128_numbers),
        cmocka_unit_test(keys_sort_as_identifiers_do),
        cmocka_unit_test(common_numbers_are_counted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
