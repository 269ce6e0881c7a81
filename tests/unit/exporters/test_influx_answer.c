#include "influx_answer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

static void only_statuses_about_lines_refuse_them(void **state)
{
    (void)state;
    for (int status = 0; status < 1000; status++) {
        enum phu_verdict verdict = phu_influx_verdict(status);

        assert_int_equal(verdict == PHU_VERDICT_STORED, status >= 200 && status < 300);
        assert_int_equal(verdict == PHU_VERDICT_REFUSED, status == 400 || status == 422);
        assert_int_equal(verdict == PHU_VERDICT_TOO_LARGE, status == 413);
    }
}

static void what_will_pass_is_tried_again(void **state)
{
    static const int statuses[] = {0, 100, 408, 425, 429, 500, 502, 503, 504, 599};

    (void)state;
    for (size_t i = 0; i < sizeof statuses / sizeof *statuses; i++)
        assert_int_equal(phu_influx_verdict(statuses[i]), PHU_VERDICT_RETRY);
}

static void what_a_person_must_mend_is_held(void **state)
{
    static const int statuses[] = {301, 302, 307, 401, 403, 404, 405, 407, 411, 415, 431, 451};

    (void)state;
    for (size_t i = 0; i < sizeof statuses / sizeof *statuses; i++)
        assert_int_equal(phu_influx_verdict(statuses[i]), PHU_VERDICT_UNAUTHORIZED);
}

static void check_reason(const char *body, const char *expected)
{
    char text[128];

    assert_string_equal(phu_influx_reason(body, strlen(body), text, sizeof text), expected);
}

static void the_servers_words_are_found(void **state)
{
    (void)state;
    check_reason("{\"error\":\"partial write: field type conflict dropped=1\"}\n",
                 "partial write: field type conflict dropped=1");
    check_reason("{\"code\":\"invalid\",\"message\":\"unable to parse 'x': missing fields\"}",
                 "unable to parse 'x': missing fields");
    check_reason("{\"error\":\"partial write\",\"data\":[{\"error_message\":\"Expected tag\","
                 "\"line_number\":2,\"original_line\":\"bad\"},{\"error_message\":\"No fields\"}]}",
                 "partial write: Expected tag: No fields");
    check_reason("<html>\r\n<b>Bad Gateway</b>\r\n", "<html>  <b>Bad Gateway</b>");
    check_reason("{\"error\":7}", "{\"error\":7}");
    check_reason("[1, 2]", "[1, 2]");
    check_reason("", "");
}

static void words_are_bounded_and_harmless(void **state)
{
    char body[4096], text[32];

    (void)state;
    memset(body, 'x', sizeof body);
    assert_int_equal(strlen(phu_influx_reason(body, sizeof body, text, sizeof text)), 31);
    check_reason("{\"error\":\"one\\ntwo \\u001b[31mred\"}", "one two  [31mred");
    assert_string_equal(phu_influx_reason("\0\0abc", 5, text, sizeof text), "  abc");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_statuses_about_lines_refuse_them),
        cmocka_unit_test(what_will_pass_is_tried_again),
        cmocka_unit_test(what_a_person_must_mend_is_held),
        cmocka_unit_test(the_servers_words_are_found),
        cmocka_unit_test(words_are_bounded_and_harmless),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
