#include "recording.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The value of the varbind that one line becomes, as "TAG hex hex ..."; the reason when it is of no
 * use. */
static const char *value_of(const char *line)
{
    static char text[512];
    struct lab_recording *recording = lab_recording_new("x");
    struct lab_error err;

    if (lab_recording_take_line(recording, line, strlen(line), &err) < 0) {
        snprintf(text, sizeof(text), "%s", err.text);
    } else {
        const struct lab_record *record = &recording->records[0];
        const uint8_t *varbind = recording->bytes + record->varbind_at;
        const uint8_t *value = varbind + record->oid_at + record->oid_length + 2;
        size_t used = (size_t)snprintf(text, sizeof(text), "%u", record->tag);

        assert_int_equal(varbind[0], LAB_TAG_SEQUENCE);
        assert_int_equal(value[-2], record->tag);
        for (; value < varbind + record->varbind_length; value++)
            used += (size_t)snprintf(text + used, sizeof(text) - used, " %02x", *value);
    }
    lab_recording_free(recording);
    return text;
}

static void every_type(void **state)
{
    (void)state;
    assert_string_equal(value_of("1.3.6|2|-5"), "2 fb");
    assert_string_equal(value_of("1.3.6|2|2147483647"), "2 7f ff ff ff");
    assert_string_equal(value_of("1.3.6|2|-2147483648"), "2 80 00 00 00");
    assert_string_equal(value_of("1.3.6|4|a|b"), "4 61 7c 62");
    assert_string_equal(value_of("1.3.6|4|"), "4");
    assert_string_equal(value_of("1.3.6|5|"), "5");
    assert_string_equal(value_of("1.3.6|6|1.3.6.1.4.1.2011"), "6 2b 06 01 04 01 8f 5b");
    assert_string_equal(value_of("1.3.6|64|10.0.0.255"), "64 0a 00 00 ff");
    assert_string_equal(value_of("1.3.6|64x|0A0000FF"), "64 0a 00 00 ff");
    assert_string_equal(value_of("1.3.6|65|4294967295"), "65 00 ff ff ff ff");
    assert_string_equal(value_of("1.3.6|66|0"), "66 00");
    assert_string_equal(value_of("1.3.6|67|128"), "67 00 80");
    assert_string_equal(value_of("1.3.6|68x|9f78"), "68 9f 78");
    assert_string_equal(value_of("1.3.6|70|18446744073709551615"), "70 00 ff ff ff ff ff ff ff ff");
}

static void hexadecimal_and_escapes(void **state)
{
    (void)state;
    assert_string_equal(value_of("1.3.6|4x|00fF10"), "4 00 ff 10");
    assert_string_equal(value_of("1.3.6|4x|00f"), "4 00 0f"); /* half a byte is one */
    assert_string_equal(value_of("1.3.6|4x|"), "4");
    assert_string_equal(value_of("1.3.6|4e|a\\nb\\x0d\\\\\\101\\q"), "4 61 0a 62 0d 5c 41 5c 71");
    assert_string_equal(value_of("1.3.6|4e|end\\"), "4 65 6e 64 5c");
    assert_string_equal(value_of("1.3.6|4e|\\x1"), "4 5c 78 31");
}

static void useless_lines_say_why(void **state)
{
    static const char *const bad[][2] = {
        {"", "OID|TYPE|VALUE"},
        {"1.3.6", "OID|TYPE|VALUE"},
        {"1.3.6|4", "OID|TYPE|VALUE"},
        {"1.3.x|4|a", "1.3.x"},
        {"1.3.6|3|a", "type \"3\""},
        {"1.3.6||a", "type \"\""},
        {"1.3.6|4z|a", "4x"},
        {"1.3.6|2x|ff", "4x"},
        {"1.3.6|4xx|ff", "4x"},
        {"1.3.6|4x|fg", "hexadecimal"},
        {"1.3.6|2|", "no number"},
        {"1.3.6|2|1.5", "no number"},
        {"1.3.6|2|2147483648", "too large"},
        {"1.3.6|2|-2147483649", "too large"},
        {"1.3.6|65|4294967296", "too large"},
        {"1.3.6|66|-1", "no number"},
        {"1.3.6|70|18446744073709551616", "too large"},
        {"1.3.6|64|1.2.3", "address"},
        {"1.3.6|64|1.2.3.4.5", "address"},
        {"1.3.6|64|1.2.3.256", "address"},
        {"1.3.6|64x|0102", "four bytes"},
        {"1.3.6|6|x", "identifier"},
        {"1.3.6|70:delay|wait=9", "module"},
        {"1.3.6|4:numeric|rate=1", "no number"},
        {"1.3.6|70:numeric|rate=x", "rate="},
        {"1.3.6|70:numeric|rate=-1", "rate="},
        {"1.3.6|70:numeric|cumulative=1", "rate="},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
        if (!strstr(value_of(bad[i][0]), bad[i][1]))
            fail_msg("\"%s\": %s", bad[i][0], value_of(bad[i][0]));
}

static void a_very_long_value_is_refused(void **state)
{
    char *line = malloc(LAB_VALUE_MAX + 100);
    struct lab_recording *recording = lab_recording_new("x");
    struct lab_error err;

    (void)state;
    memcpy(line, "1.3.6|4|", 8);
    memset(line + 8, 'a', LAB_VALUE_MAX + 1);
    assert_int_equal(lab_recording_take_line(recording, line, 8 + LAB_VALUE_MAX, &err), 0);
    assert_true(lab_recording_take_line(recording, line, 8 + LAB_VALUE_MAX + 1, &err) < 0);
    lab_recording_free(recording);
    free(line);
}

struct complaints {
    unsigned lines[4];
    size_t count;
};

static void complain(void *context, unsigned line, const char *why)
{
    struct complaints *complaints = context;

    assert_true(strlen(why) > 0);
    complaints->lines[complaints->count++] = line;
}

static void a_file_is_read_around_what_is_useless(void **state)
{
    static const char text[] = "# a comment\n"
                               "1.3.6.2|4|second\r\n"
                               "1.3.6.3|4x|no\n"
                               "\n"
                               "1.3.6.1|4|first\n"
                               "1.3.6.2|4|again\n"
                               "broken";
    struct lab_recording *recording = lab_recording_new("x");
    struct complaints complaints = {.count = 0};

    (void)state;
    assert_int_equal(lab_recording_take(recording, text, sizeof(text) - 1, complain, &complaints),
                     2);
    assert_int_equal(complaints.count, 2);
    assert_int_equal(complaints.lines[0], 3);
    assert_int_equal(complaints.lines[1], 7);
    assert_int_equal(lab_recording_sort(recording), 1);
    assert_int_equal(recording->count, 2);
    /* 30 0c 06 03 2b 06 01 04 05 f i r s t: the last five bytes are the value */
    assert_memory_equal(recording->bytes + recording->records[0].varbind_at +
                            recording->records[0].varbind_length - 5,
                        "first", 5);
    assert_memory_equal(recording->bytes + recording->records[1].varbind_at +
                            recording->records[1].varbind_length - 6,
                        "second", 6);
    lab_recording_free(recording);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_type),
        cmocka_unit_test(hexadecimal_and_escapes),
        cmocka_unit_test(useless_lines_say_why),
        cmocka_unit_test(a_very_long_value_is_refused),
        cmocka_unit_test(a_file_is_read_around_what_is_useless),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
