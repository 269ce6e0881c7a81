#include "ber.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>

static void signed_numbers_are_shortest(void **state)
{
    static const struct {
        int64_t value;
        size_t length;
        uint8_t bytes[8];
    } cases[] = {
        {0, 1, {0}},
        {127, 1, {0x7f}},
        {128, 2, {0, 0x80}},
        {-1, 1, {0xff}},
        {-128, 1, {0x80}},
        {-129, 2, {0xff, 0x7f}},
        {256, 2, {1, 0}},
        {32767, 2, {0x7f, 0xff}},
        {32768, 3, {0, 0x80, 0}},
        {INT32_MAX, 4, {0x7f, 0xff, 0xff, 0xff}},
        {INT32_MIN, 4, {0x80, 0, 0, 0}},
        {INT64_MIN, 8, {0x80, 0, 0, 0, 0, 0, 0, 0}},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        uint8_t out[LAB_BER_NUMBER];
        uint8_t element[2 + LAB_BER_NUMBER] = {LAB_TAG_INTEGER};
        struct lab_bytes from = {element, 2 + cases[i].length};
        int64_t back;

        assert_int_equal(lab_ber_put_signed(out, cases[i].value), cases[i].length);
        assert_memory_equal(out, cases[i].bytes, cases[i].length);
        element[1] = (uint8_t)cases[i].length;
        memcpy(element + 2, out, cases[i].length);
        assert_int_equal(lab_ber_take_integer(&from, INT64_MIN, INT64_MAX, &back), 0);
        assert_true(back == cases[i].value);
        assert_int_equal(from.length, 0);
    }
}

static void unsigned_numbers_never_look_negative(void **state)
{
    static const uint8_t largest[] = {0, 255, 255, 255, 255, 255, 255, 255, 255};
    uint8_t out[LAB_BER_NUMBER];

    (void)state;
    assert_int_equal(lab_ber_put_unsigned(out, UINT64_MAX), 9);
    assert_memory_equal(out, largest, 9);
    assert_int_equal(lab_ber_put_unsigned(out, UINT32_MAX), 5);
    assert_int_equal(out[0], 0);
}

static void lengths_of_all_sizes(void **state)
{
    static const struct {
        size_t length;
        size_t header;
    } cases[] = {{0, 2}, {127, 2}, {128, 3}, {255, 3}, {256, 4}, {65535, 4}, {65536, 5}};
    static uint8_t bytes[70000];

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct lab_bytes from = {bytes, cases[i].header + cases[i].length};
        struct lab_bytes inside;
        uint8_t tag;

        assert_int_equal(lab_ber_put_header(bytes, 4, cases[i].length), cases[i].header);
        assert_int_equal(lab_ber_take(&from, &tag, &inside), 0);
        assert_int_equal(inside.length, cases[i].length);
        assert_int_equal(from.length, 0);
        from = (struct lab_bytes){bytes, cases[i].header + cases[i].length - 1};
        assert_int_equal(lab_ber_take(&from, &tag, &inside), -EBADMSG);
    }
}

static void damaged_elements_are_refused(void **state)
{
    static const struct {
        size_t length;
        uint8_t bytes[8];
    } bad[] = {
        {0, {0}},
        {1, {2}},
        {2, {2, 1}},
        {2, {2, 0}},                        /* an integer of no bytes */
        {3, {4, 0x80, 0}},                  /* indefinite */
        {7, {4, 0x85, 0, 0, 0, 0, 1}},      /* a length of five bytes */
        {3, {4, 0x82, 0}},                  /* cut in the length */
        {6, {4, 0x84, 255, 255, 255, 255}}, /* longer than there is */
    };

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        struct lab_bytes from = {bad[i].bytes, bad[i].length};
        int64_t value;

        assert_true(lab_ber_take_integer(&from, INT64_MIN, INT64_MAX, &value) < 0);
    }
}

static void a_writer_grows_at_both_ends(void **state)
{
    static const uint8_t expected[] = {0x30, 8, 2, 1, 5, 4, 1, 'x', 5, 0};
    uint8_t bytes[32];
    struct lab_writer writer;

    (void)state;
    lab_writer_init(&writer, bytes, sizeof(bytes), 16);
    lab_writer_append(&writer, "\x05", 2);
    lab_writer_prepend_octets(&writer, LAB_TAG_OCTETS, "x", 1);
    lab_writer_prepend_integer(&writer, 5);
    lab_writer_wrap(&writer, LAB_TAG_SEQUENCE);
    assert_int_equal(lab_writer_length(&writer), sizeof(expected));
    assert_memory_equal(bytes + writer.start, expected, sizeof(expected));
    assert_false(writer.is_full);
}

static void what_does_not_fit_is_told(void **state)
{
    uint8_t bytes[8];
    struct lab_writer writer;

    (void)state;
    lab_writer_init(&writer, bytes, sizeof(bytes), 4);
    lab_writer_append(&writer, "12345", 5);
    assert_true(writer.is_full);
    lab_writer_init(&writer, bytes, sizeof(bytes), 4);
    lab_writer_append(&writer, "1234", 4);
    lab_writer_prepend(&writer, "1234", 4);
    assert_false(writer.is_full);
    lab_writer_prepend(&writer, "1", 1);
    assert_true(writer.is_full);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(signed_numbers_are_shortest),
        cmocka_unit_test(unsigned_numbers_never_look_negative),
        cmocka_unit_test(lengths_of_all_sizes),
        cmocka_unit_test(damaged_elements_are_refused),
        cmocka_unit_test(a_writer_grows_at_both_ends),
        cmocka_unit_test(what_does_not_fit_is_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
