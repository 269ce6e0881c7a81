#include "phusong/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>

static void accepts_what_is_utf8_and_nothing_else(void **state)
{
    static const struct {
        const char *bytes;
        size_t length, valid;
    } cases[] = {
        {"", 0, 0},
        {"abc", 3, 3},
        {"Bắc Ninh", 10, 10},
        {"\xf0\x9f\x93\xb6", 4, 4},
        {"a\0b", 3, 1},
        {"a\x80", 2, 1},            /* a continuation alone */
        {"\xc0\x80", 2, 0},         /* overlong NUL */
        {"\xe0\x9f\xbf", 3, 0},     /* overlong */
        {"\xed\xa0\x80", 3, 0},     /* a surrogate */
        {"\xf4\x90\x80\x80", 4, 0}, /* past U+10FFFF */
        {"\xf0\x9f\x93", 3, 0},     /* cut off */
        {"ab\xc3", 3, 2},
        {"\xff\xfe", 2, 0},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_int_equal(phu_text_valid(cases[i].bytes, cases[i].length), cases[i].valid);
}

static void counts_characters(void **state)
{
    (void)state;
    assert_int_equal(phu_text_characters("Bắc Ninh", strlen("Bắc Ninh")), 8);
    assert_int_equal(phu_text_characters("", 0), 0);
}

static void composes(void **state)
{
    const char *apart = "Ba\xcc\x86\xcc\x81"
                        "c"; /* a, breve, acute */
    char text[64];

    (void)state;
    assert_int_equal(phu_text_nfc(apart, strlen(apart), text, sizeof text), strlen("Bắc"));
    assert_string_equal(text, "Bắc");
    assert_int_equal(phu_text_nfc("Bac", 3, text, sizeof text), 3);
    assert_string_equal(text, "Bac");
    assert_int_equal(phu_text_nfc("Bac", 3, text, 3), -ENOBUFS);
    assert_int_equal(phu_text_nfc(apart, strlen(apart), text, 5), -ENOBUFS);
}

static void tells_ids(void **state)
{
    char longest[PHU_TEXT_ID_MAX + 2];

    (void)state;
    assert_true(phu_text_is_id("bn-0412.4g_vnpt:1"));
    assert_false(phu_text_is_id(""));
    assert_false(phu_text_is_id("bắc"));
    assert_false(phu_text_is_id("a b"));
    assert_false(phu_text_is_id("a/b"));
    memset(longest, 'a', sizeof longest);
    longest[PHU_TEXT_ID_MAX] = '\0';
    assert_true(phu_text_is_id(longest));
    longest[PHU_TEXT_ID_MAX] = 'a';
    longest[PHU_TEXT_ID_MAX + 1] = '\0';
    assert_false(phu_text_is_id(longest));
}

static const char *guess(const char *word)
{
    static const char *const known[] = {"interval", "timeout", "icmp", "http", "tos", "ttl"};
    struct phu_guess g = {.word = word};

    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        phu_guess_offer(&g, known[i]);
    return g.nearest;
}

static void makes_ids(void **state)
{
    static const char *const cases[][2] = {
        {"olt-bn-1.example.net", "olt-bn-1.example.net"},
        {"Trạm Bắc 1 (OLT)", "Tram-Bac-1-OLT"},
        {"Đông Đình đường", "Dong-Dinh-duong"},
        {"  spaces  around ", "spaces-around"},
        {"RUT955 / mob1s1a1", "RUT955-mob1s1a1"},
        {"\xff\xfe router", "router"}, /* not UTF-8 */
        {"路由器", ""},
        {"", ""},
        {"---", ""},
    };
    char id[PHU_TEXT_ID_MAX + 1], longer[200];

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(phu_text_make_id(cases[i][0], id), strlen(cases[i][1]));
        assert_string_equal(id, cases[i][1]);
        assert_true(!id[0] || phu_text_is_id(id));
    }
    memset(longer, 'x', sizeof longer);
    longer[sizeof longer - 1] = '\0';
    assert_int_equal(phu_text_make_id(longer, id), PHU_TEXT_ID_MAX);
}

static void guesses_what_was_meant(void **state)
{
    (void)state;
    assert_string_equal(guess("intervall"), "interval");
    assert_string_equal(guess("intreval"), "interval");
    assert_string_equal(guess("Interval"), "interval");
    assert_string_equal(guess("time-out"), "timeout");
    assert_string_equal(guess("imcp"), "icmp");
    assert_null(guess("colour"));
    assert_null(guess("x"));
    assert_null(
        guess("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(accepts_what_is_utf8_and_nothing_else),
        cmocka_unit_test(counts_characters),
        cmocka_unit_test(composes),
        cmocka_unit_test(tells_ids),
        cmocka_unit_test(makes_ids),
        cmocka_unit_test(guesses_what_was_meant),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
