/* Questions as bytes: exactly what the standards say, whatever is asked for. */
#include "encode.h"
#include "message.h"

#include "phusong/credential.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct phu_oid uptime = {8, {1, 3, 6, 1, 2, 1, 1, 3}};
static const struct phu_oid descr = {10, {1, 3, 6, 1, 2, 1, 2, 2, 1, 2}};
static const struct phu_index none = {.length = 0}, zero = {.length = 1, .part = {0}};

static void assert_encoded(const struct phu_encoder *to, const uint8_t *expected, size_t length)
{
    assert_false(to->is_full);
    assert_int_equal(phu_encoder_length(to), length);
    assert_memory_equal(to->at, expected, length);
}

static void a_get_of_version_1(void **state)
{
    static const uint8_t expected[] = {0x30, 0x26, 0x02, 0x01, 0x00, 0x04, 0x06, 'p',  'u',  'b',
                                       'l',  'i',  'c',  0xa0, 0x19, 0x02, 0x01, 0x7f, 0x02, 0x01,
                                       0x00, 0x02, 0x01, 0x00, 0x30, 0x0e, 0x30, 0x0c, 0x06, 0x08,
                                       0x2b, 0x06, 0x01, 0x02, 0x01, 0x01, 0x03, 0x00, 0x05, 0x00};
    struct phu_walk_request request = {
        .is_exact = true, .names = {{&uptime, &zero}}, .name_count = 1};
    uint8_t bytes[PHU_QUESTION_SIZE_MAX];
    struct phu_encoder to;

    (void)state;
    phu_encoder_init(&to, bytes, sizeof bytes);
    phu_encode_pdu(&to, &request, 127);
    phu_encode_community(&to, PHU_SNMP_V1, "public");
    assert_encoded(&to, expected, sizeof expected);
}

/* The number of a request has a leading zero where it would be negative without. */
static void a_getbulk_of_version_2c(void **state)
{
    static const uint8_t expected[] = {
        0x30, 0x34, 0x02, 0x01, 0x01, 0x04, 0x00, 0xa5, 0x2d, 0x02, 0x02, 0x00, 0x80, 0x02,
        0x01, 0x01, 0x02, 0x01, 0x0a, 0x30, 0x21, 0x30, 0x0b, 0x06, 0x07, 0x2b, 0x06, 0x01,
        0x02, 0x01, 0x01, 0x03, 0x05, 0x00, 0x30, 0x12, 0x06, 0x0e, 0x2b, 0x06, 0x01, 0x02,
        0x01, 0x02, 0x02, 0x01, 0x02, 0x8f, 0xff, 0xff, 0xff, 0x7f, 0x05, 0x00};
    static const struct phu_index last = {.length = 1, .part = {UINT32_MAX}};
    struct phu_walk_request request = {.is_bulk = true,
                                       .scalars = 1,
                                       .repetitions = 10,
                                       .names = {{&uptime, &none}, {&descr, &last}},
                                       .name_count = 2};
    uint8_t bytes[PHU_QUESTION_SIZE_MAX];
    struct phu_encoder to;

    (void)state;
    phu_encoder_init(&to, bytes, sizeof bytes);
    phu_encode_pdu(&to, &request, 128);
    phu_encode_community(&to, PHU_SNMP_V2C, "");
    assert_encoded(&to, expected, sizeof expected);
}

static void getnext_is_for_those_without_getbulk(void **state)
{
    struct phu_walk_request request = {.names = {{&uptime, &none}}, .name_count = 1};
    uint8_t bytes[PHU_QUESTION_SIZE_MAX];
    struct phu_encoder to;

    (void)state;
    phu_encoder_init(&to, bytes, sizeof bytes);
    phu_encode_pdu(&to, &request, 1);
    assert_int_equal(to.at[0], PHU_TAG_GETNEXT);
}

static void the_longest_question_has_room(void **state)
{
    struct phu_oid prefix = {.length = PHU_OID_MAX, .part = {2, 39}};
    struct phu_index place = {.length = PHU_INDEX_MAX};
    struct phu_walk_request request = {.is_bulk = true,
                                       .scalars = UINT32_MAX,
                                       .repetitions = UINT32_MAX,
                                       .name_count = PHU_WALK_COLUMNS_MAX};
    char community[256];
    uint8_t *bytes = malloc(PHU_QUESTION_SIZE_MAX);
    struct phu_encoder to;
    uint32_t id;

    (void)state;
    for (unsigned i = 2; i < PHU_OID_MAX; i++)
        prefix.part[i] = UINT32_MAX;
    for (unsigned i = 0; i < PHU_INDEX_MAX; i++)
        place.part[i] = UINT32_MAX;
    for (unsigned i = 0; i < PHU_WALK_COLUMNS_MAX; i++)
        request.names[i] = (struct phu_walk_name){&prefix, &place};
    memset(community, 'c', sizeof community - 1);
    community[sizeof community - 1] = '\0';
    phu_encoder_init(&to, bytes, PHU_QUESTION_SIZE_MAX);
    phu_encode_pdu(&to, &request, INT32_MAX);
    phu_encode_community(&to, PHU_SNMP_V2C, community);
    assert_false(to.is_full);
    assert_true(phu_message_peek_id(to.at, phu_encoder_length(&to), &id));
    assert_int_equal(id, INT32_MAX);
    free(bytes);
}

/* Nothing is written in front of the buffer, however short it is. */
static void what_has_no_room_is_void(void **state)
{
    struct phu_walk_request request = {.names = {{&uptime, &none}}, .name_count = 1};

    (void)state;
    for (size_t size = 0; size < 33; size++) {
        uint8_t *bytes = malloc(size + 1); /* so that a sanitizer sees it */
        struct phu_encoder to;

        phu_encoder_init(&to, bytes + 1, size);
        phu_encode_pdu(&to, &request, 1);
        phu_encode_community(&to, PHU_SNMP_V2C, "public");
        assert_true(to.is_full);
        free(bytes);
    }
}

/* What is written as a message of version 3 reads as one. */
static void headers_of_version_3_are_written(void **state)
{
    static const uint8_t engine[] = {0x80, 0, 0, 0, 5}, salt[] = {1, 2, 3, 4, 5, 6, 7, 8};
    uint8_t bytes[PHU_QUESTION_SIZE_MAX], *digest;
    struct phu_message_header header;
    struct phu_encoder to;

    (void)state;
    phu_encoder_init(&to, bytes, sizeof bytes);
    phu_encode_text(&to, "secret", 6);
    digest = phu_encode_header(&to, &(struct phu_encode_header){.id = INT32_MAX,
                                                                .flags = 7,
                                                                .engine = engine,
                                                                .engine_length = sizeof engine,
                                                                .boots = INT32_MAX,
                                                                .time_s = 128,
                                                                .user = "me",
                                                                .digest_length = 48,
                                                                .salt = salt,
                                                                .salt_length = sizeof salt});
    assert_true(phu_message_decode_header(to.at, phu_encoder_length(&to), &header));
    assert_int_equal(header.id, INT32_MAX);
    assert_int_equal(header.flags, 7);
    assert_memory_equal(header.engine.bytes, engine, sizeof engine);
    assert_int_equal(header.boots, INT32_MAX);
    assert_int_equal(header.time_s, 128);
    assert_int_equal(header.user.length, 2);
    assert_ptr_equal(header.digest.bytes, digest);
    assert_int_equal(header.digest.length, 48);
    assert_memory_equal(header.salt.bytes, salt, sizeof salt);
    assert_int_equal(header.data.length, 6);
    assert_int_equal(header.length, phu_encoder_length(&to));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_get_of_version_1),
        cmocka_unit_test(a_getbulk_of_version_2c),
        cmocka_unit_test(getnext_is_for_those_without_getbulk),
        cmocka_unit_test(the_longest_question_has_room),
        cmocka_unit_test(what_has_no_room_is_void),
        cmocka_unit_test(headers_of_version_3_are_written),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
