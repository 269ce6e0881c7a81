/* Messages as bytes: what is read, what is forgiven, what is refused. */
#include "message.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct writer {
    uint8_t bytes[2048];
    size_t length;
};

static void put(struct writer *to, const void *bytes, size_t length)
{
    memcpy(to->bytes + to->length, bytes, length);
    to->length += length;
}

/* Wraps all that has been written so far into a tag and a length. */
static void wrap(struct writer *to, uint8_t tag)
{
    uint8_t header[4] = {tag, 0x82, (uint8_t)(to->length >> 8), (uint8_t)to->length};

    memmove(to->bytes + sizeof header, to->bytes, to->length);
    memcpy(to->bytes, header, sizeof header);
    to->length += sizeof header;
}

/* An answer of version 2c whose varbinds are given as bytes. */
static struct writer answer(const void *varbinds, size_t length)
{
    static const uint8_t head[] = {0x02, 0x01, 0x01, 0x04, 0x06, 'p', 'u', 'b', 'l', 'i', 'c'},
                         numbers[] = {0x02, 0x04, 0x12, 0x34, 0x56, 0x78,
                                      0x02, 0x01, 0x00, 0x02, 0x01, 0x00};
    struct writer list = {.length = 0}, pdu = {.length = 0}, message = {.length = 0};

    put(&list, varbinds, length);
    wrap(&list, 0x30);
    put(&pdu, numbers, sizeof numbers);
    put(&pdu, list.bytes, list.length);
    wrap(&pdu, 0xa2);
    put(&message, head, sizeof head);
    put(&message, pdu.bytes, pdu.length);
    wrap(&message, 0x30);
    return message;
}

static int set_up(void **state)
{
    *state = calloc(1, sizeof(struct phu_message_room));
    return *state ? 0 : -1;
}

static int tear_down(void **state)
{
    free(*state);
    return 0;
}

/* The one object of an answer, with sysUpTime's name. */
static const struct phu_varbind *read_one(struct phu_message_room *room, const uint8_t *value,
                                          size_t length)
{
    static struct writer kept;
    static struct phu_message message;
    struct writer pair = {.length = 0};

    put(&pair, "\x06\x08\x2b\x06\x01\x02\x01\x01\x03\x00", 10);
    put(&pair, value, length);
    wrap(&pair, 0x30);
    kept = answer(pair.bytes, pair.length);
    if (!phu_message_decode(kept.bytes, kept.length, room, &message))
        return NULL;
    assert_int_equal(message.count, 1);
    return message.varbinds;
}

#define ONE(...)                                                                                   \
    read_one(*state, (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}))

static void numbers_are_read(void **state)
{
    const struct phu_varbind *one = ONE(0x43, 3, 0x01, 0x00, 0x05);

    assert_int_equal(one->oid_length, 9);
    assert_int_equal(one->oid[0], 1);
    assert_int_equal(one->oid[1], 3);
    assert_int_equal(one->oid[8], 0);
    assert_int_equal(one->kind, PHU_VARBIND_TICKS);
    assert_int_equal(one->number, 65541);
    one = ONE(0x02, 1, 0xff);
    assert_int_equal(one->kind, PHU_VARBIND_INTEGER);
    assert_int_equal((int64_t)one->number, -1);
    one = ONE(0x41, 5, 0x00, 0xff, 0xff, 0xff, 0xfe);
    assert_int_equal(one->kind, PHU_VARBIND_COUNTER32);
    assert_int_equal(one->number, 4294967294);
    one = ONE(0x46, 9, 0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfe);
    assert_int_equal(one->kind, PHU_VARBIND_COUNTER64);
    assert_true(one->number == UINT64_MAX - 1);
}

/* Some devices leave the zero out that keeps a large counter from being negative. */
static void a_missing_zero_is_forgiven(void **state)
{
    const struct phu_varbind *one = ONE(0x42, 4, 0xff, 0xff, 0xff, 0xfe);

    assert_int_equal(one->kind, PHU_VARBIND_GAUGE);
    assert_int_equal(one->number, 4294967294);
    one = ONE(0x46, 8, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfe);
    assert_true(one->number == UINT64_MAX - 1);
}

static void texts_and_names_are_read(void **state)
{
    const struct phu_varbind *one = ONE(0x04, 3, 'a', 0, 'c');
    const unsigned long expected[] = {1, 3, 6, 1, 4, 1, 4294967295};

    assert_int_equal(one->kind, PHU_VARBIND_TEXT);
    assert_int_equal(one->text_length, 3);
    assert_memory_equal(one->text, "a\0c", 3);
    one = ONE(0x04, 0);
    assert_int_equal(one->text_length, 0);
    one = ONE(0x06, 10, 0x2b, 6, 1, 4, 1, 0x8f, 0xff, 0xff, 0xff, 0x7f);
    assert_int_equal(one->kind, PHU_VARBIND_OBJECT_ID);
    assert_int_equal(one->text_length, sizeof expected);
    assert_memory_equal(one->text, expected, sizeof expected);
    one = ONE(0x40, 4, 10, 0, 0, 1);
    assert_int_equal(one->kind, PHU_VARBIND_ADDRESS);
    assert_memory_equal(one->text, "\x0a\0\0\x01", 4);
}

static void reals_are_read(void **state)
{
    const struct phu_varbind *one = ONE(0x44, 7, 0x9f, 0x78, 4, 0xc1, 0x28, 0x00, 0x00);

    assert_int_equal(one->kind, PHU_VARBIND_REAL);
    assert_true(one->real == -10.5);
    one = ONE(0x44, 11, 0x9f, 0x79, 8, 0x40, 0x09, 0x21, 0xfb, 0x54, 0x44, 0x2d, 0x18);
    assert_true(one->real > 3.14159 && one->real < 3.1416);
    assert_int_equal(ONE(0x44, 2, 1, 2)->kind, PHU_VARBIND_OTHER);
}

static void what_is_missing_is_told_apart(void **state)
{
    assert_int_equal(ONE(0x80, 0)->kind, PHU_VARBIND_MISSING);
    assert_int_equal(ONE(0x81, 0)->kind, PHU_VARBIND_MISSING);
    assert_int_equal(ONE(0x82, 0)->kind, PHU_VARBIND_END);
    assert_int_equal(ONE(0x05, 0)->kind, PHU_VARBIND_OTHER);
    assert_int_equal(ONE(0x47, 1, 9)->kind, PHU_VARBIND_OTHER);
}

static void damaged_values_are_refused(void **state)
{
    assert_null(ONE(0x02, 0));
    assert_null(ONE(0x43, 0));
    assert_null(ONE(0x04, 4, 'a', 'b'));
    assert_null(ONE(0x04, 0x85, 0, 0, 0, 0, 1, 'a'));
    assert_null(ONE(0x04, 0x80));
    assert_null(ONE(0x06, 0));
    assert_null(ONE(0x06, 2, 0x2b, 0x81));
    assert_null(ONE(0x06, 7, 0x2b, 0x9f, 0xff, 0xff, 0xff, 0xff, 0x7f));
    assert_null(ONE(0x40, 3, 10, 0, 0));
    assert_null(ONE(0x1f, 1, 0));
    assert_null(ONE(0x04));
}

static void names_have_at_most_128_parts(void **state)
{
    uint8_t value[2 + 129] = {0x06, 127, 0x2b};

    memset(value + 3, 1, 126);
    assert_non_null(read_one(*state, value, 2 + 127));
    value[1] = 0x81;
    value[2] = 128;
    value[3] = 0x2b;
    memset(value + 4, 1, 127);
    assert_null(read_one(*state, value, 3 + 128));
}

static void every_cut_is_refused(void **state)
{
    static const uint8_t varbinds[] = {0x30, 0x0d, 0x06, 0x08, 0x2b, 6, 1,    2,  1,
                                       1,    3,    0,    0x43, 1,    7, 0x30, 9,  6,
                                       0x03, 1,    3,    6,    0x04, 2, 'o',  'k'};
    struct writer whole = answer(varbinds, sizeof varbinds);
    struct phu_message message;

    assert_true(phu_message_decode(whole.bytes, whole.length, *state, &message));
    assert_int_equal(message.count, 2);
    assert_int_equal(message.version, 1);
    assert_int_equal(message.request_id, 0x12345678);
    for (size_t length = 0; length < whole.length; length++) {
        uint8_t *cut = malloc(length + 1); /* so that a sanitizer sees what is read behind it */

        memcpy(cut, whole.bytes, length);
        assert_false(phu_message_decode(cut, length, *state, &message));
        free(cut);
    }
}

static void only_responses_count(void **state)
{
    struct writer request = answer("", 0);
    struct phu_message message;

    assert_true(phu_message_decode(request.bytes, request.length, *state, &message));
    assert_int_equal(message.count, 0);
    request.bytes[4 + 11] = 0xa0; /* a GET */
    assert_false(phu_message_decode(request.bytes, request.length, *state, &message));
    request.bytes[4 + 11] = 0xa8; /* a report, which these versions have not */
    assert_false(phu_message_decode(request.bytes, request.length, *state, &message));
    request.bytes[4 + 11] = 0xa2;
    request.bytes[4 + 2] = 3; /* version 3 */
    assert_false(phu_message_decode(request.bytes, request.length, *state, &message));
}

static void more_objects_than_there_is_room_for_are_left_out(void **state)
{
    static const uint8_t one[] = {0x30, 6, 6, 2, 0x2b, 6, 5, 0};
    size_t count = PHU_MESSAGE_VARBINDS_MAX + 10, size = count * sizeof one, head;
    struct writer empty = answer("", 0);
    uint8_t *bytes = malloc(empty.length + size);
    struct phu_message message;

    head = empty.length;
    memcpy(bytes, empty.bytes, head);
    for (size_t i = 0; i < count; i++)
        memcpy(bytes + head + i * sizeof one, one, sizeof one);
    /* The three lengths: of the message, of the PDU, of the list. */
    for (size_t at = 0, place[] = {0, 15, 31}; at < 3; at++) {
        size_t length = head + size - place[at] - 4;

        bytes[place[at] + 2] = (uint8_t)(length >> 8);
        bytes[place[at] + 3] = (uint8_t)length;
    }
    assert_true(phu_message_decode(bytes, head + size, *state, &message));
    assert_int_equal(message.count, PHU_MESSAGE_VARBINDS_MAX);
    free(bytes);
}

/* Inside version 3: the same, and whose objects they are. What fills a block up is left. */
static void scoped_messages_are_read(void **state)
{
    uint8_t scoped[] = {0x30, 0x2c, 0x04, 0x03, 0x65, 0x6e, 0x67, 0x04, 0x00, 0xa2, 0x23, 0x02,
                        0x02, 0x12, 0x34, 0x02, 0x01, 0x00, 0x02, 0x01, 0x00, 0x30, 0x81, 0x16,
                        0x30, 0x09, 0x06, 0x03, 0x2b, 0x06, 0x01, 0x04, 0x02, 0x6f, 0x6b, 0x30,
                        0x09, 0x06, 0x03, 0x2b, 0x06, 0x02, 0x43, 0x02, 0x01, 0x00, 0x00, 0x00};
    size_t whole = sizeof scoped - 2;
    struct phu_message message;

    assert_true(phu_message_decode_scoped(scoped, sizeof scoped, *state, &message));
    assert_false(message.is_report);
    assert_int_equal(message.version, 3);
    assert_int_equal(message.request_id, 0x1234);
    assert_int_equal(message.engine.length, 3);
    assert_memory_equal(message.engine.bytes, "eng", 3);
    assert_int_equal(message.context.length, 0);
    assert_int_equal(message.count, 2);
    assert_memory_equal(message.varbinds[0].text, "ok", 2);
    assert_int_equal(message.varbinds[1].number, 256);
    scoped[9] = 0xa8;
    assert_true(phu_message_decode_scoped(scoped, whole, *state, &message));
    assert_true(message.is_report);
    for (size_t length = 0; length < whole; length++)
        assert_false(phu_message_decode_scoped(scoped, length, *state, &message));
    scoped[9] = 0xa0; /* a question */
    assert_false(phu_message_decode_scoped(scoped, whole, *state, &message));
}

/* Neither signed nor encrypted, from an engine `eng` that started once, two seconds ago. */
static const uint8_t plain_v3[] = {0x30, 0x2f, 0x02, 0x01, 0x03, 0x30, 0x0e, 0x02, 0x02, 0x01,
                                   0x01, 0x02, 0x02, 0x05, 0xdc, 0x04, 0x01, 0x00, 0x02, 0x01,
                                   0x03, 0x04, 0x18, 0x30, 0x16, 0x04, 0x03, 0x65, 0x6e, 0x67,
                                   0x02, 0x01, 0x01, 0x02, 0x01, 0x02, 0x04, 0x02, 0x6d, 0x65,
                                   0x04, 0x03, 0x78, 0x79, 0x7a, 0x04, 0x00, 0x30, 0x00};

static void headers_of_version_3_are_read(void **state)
{
    struct phu_message_header header;

    (void)state;
    assert_true(phu_message_decode_header(plain_v3, sizeof plain_v3, &header));
    assert_int_equal(header.id, 0x101);
    assert_int_equal(header.flags, 0);
    assert_int_equal(header.engine.length, 3);
    assert_memory_equal(header.engine.bytes, "eng", 3);
    assert_int_equal(header.boots, 1);
    assert_int_equal(header.time_s, 2);
    assert_memory_equal(header.user.bytes, "me", 2);
    assert_int_equal(header.digest.length, 3);
    assert_ptr_equal(header.digest.bytes, plain_v3 + 42);
    assert_int_equal(header.salt.length, 0);
    assert_int_equal(header.length, sizeof plain_v3);
    assert_int_equal(header.data.length, 2);
    assert_int_equal(header.data.bytes[0], 0x30);
    for (size_t length = 0; length < sizeof plain_v3; length++)
        assert_false(phu_message_decode_header(plain_v3, length, &header));
}

static bool is_header_read_with(size_t at, uint8_t byte)
{
    struct phu_message_header header;
    uint8_t bytes[sizeof plain_v3];

    memcpy(bytes, plain_v3, sizeof bytes);
    bytes[at] = byte;
    return phu_message_decode_header(bytes, sizeof bytes, &header);
}

static void other_headers_are_refused(void **state)
{
    (void)state;
    assert_false(is_header_read_with(4, 1));     /* version 2c */
    assert_false(is_header_read_with(20, 2));    /* another security model */
    assert_false(is_header_read_with(32, 0xff)); /* negative boots */
    assert_false(is_header_read_with(23, 0x04)); /* no SEQUENCE of parameters */
    assert_false(is_header_read_with(17, 0x02)); /* said to be encrypted, but is not */
    assert_true(is_header_read_with(17, 0x01));  /* whether it is signed well is seen elsewhere */
}

static void ids_are_found_without_reading_on(void **state)
{
    static const uint8_t v3[] = {0x30, 0x7f, 0x02, 1, 3, 0x30, 0x7f, 0x02, 3, 1, 2, 3};
    struct writer v2 = answer("", 0);
    uint32_t id = 0;

    (void)state;
    assert_true(phu_message_peek_id(v3, sizeof v3, &id));
    assert_int_equal(id, 0x010203);
    assert_false(phu_message_peek_id(v3, sizeof v3 - 1, &id));
    v2.bytes[4 + 11] = 0xa5; /* also of requests */
    assert_true(phu_message_peek_id(v2.bytes, v2.length, &id));
    assert_int_equal(id, 0x12345678);
    for (size_t length = 0; length < 25; length++)
        assert_false(phu_message_peek_id(v2.bytes, length, &id));
    assert_false(phu_message_peek_id((const uint8_t *)"GET / HTTP/1.1", 14, &id));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_are_read),
        cmocka_unit_test(a_missing_zero_is_forgiven),
        cmocka_unit_test(texts_and_names_are_read),
        cmocka_unit_test(reals_are_read),
        cmocka_unit_test(what_is_missing_is_told_apart),
        cmocka_unit_test(damaged_values_are_refused),
        cmocka_unit_test(names_have_at_most_128_parts),
        cmocka_unit_test(every_cut_is_refused),
        cmocka_unit_test(only_responses_count),
        cmocka_unit_test(more_objects_than_there_is_room_for_are_left_out),
        cmocka_unit_test(scoped_messages_are_read),
        cmocka_unit_test(headers_of_version_3_are_read),
        cmocka_unit_test(other_headers_are_refused),
        cmocka_unit_test(ids_are_found_without_reading_on),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
