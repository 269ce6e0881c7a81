#include "recording.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct lab_recording *make(const char *text)
{
    struct lab_recording *recording = lab_recording_new("x");

    assert_int_equal(lab_recording_take(recording, text, strlen(text), NULL, NULL), 0);
    lab_recording_sort(recording);
    return recording;
}

static size_t key_of(const char *oid, uint8_t key[LAB_OID_BYTES])
{
    uint8_t ber[LAB_OID_BYTES];
    int length = lab_oid_parse(oid, strlen(oid), ber);

    assert_true(length > 0);
    return (size_t)lab_oid_key(ber, (size_t)length, key);
}

/* The number in the varbind that `index` has at that age. */
static uint64_t number_at(const struct lab_recording *recording, size_t index, double seconds,
                          bool is_restarted)
{
    struct lab_age age = {.ns = (int64_t)(seconds * 1e9), .is_restarted = is_restarted};
    uint8_t bytes[512];
    struct lab_writer out;
    struct lab_bytes list;
    struct lab_bytes varbind;
    struct lab_bytes part;
    uint64_t number = 0;
    uint8_t tag;

    lab_writer_init(&out, bytes, sizeof(bytes), 0);
    lab_recording_put(recording, index, &age, &out);
    assert_false(out.is_full);
    assert_true(lab_writer_length(&out) <= lab_recording_room(recording, index));
    list = (struct lab_bytes){bytes, out.end};
    assert_int_equal(lab_ber_take_tag(&list, LAB_TAG_SEQUENCE, &varbind), 0);
    assert_int_equal(list.length, 0);
    assert_int_equal(lab_ber_take_tag(&varbind, LAB_TAG_OID, &part), 0);
    assert_int_equal(lab_ber_take(&varbind, &tag, &part), 0);
    assert_int_equal(varbind.length, 0);
    assert_int_equal(tag, recording->records[index].tag);
    for (size_t i = 0; i < part.length; i++)
        number = number << 8 | part.at[i];
    return number;
}

static void seeks_what_is_there_and_what_follows(void **state)
{
    struct lab_recording *recording =
        make("1.3.6.1.70000|4|d\n1.3.6.1.2|4|a\n1.3.6.1.300|4|c\n1.3.6.1.2.0|4|b\n");
    static const struct {
        const char *oid;
        size_t index;
        bool is_exact;
    } cases[] = {
        {"1.3", 0, false},           {"1.3.6.1.2", 0, true},      {"1.3.6.1.2.0", 1, true},
        {"1.3.6.1.2.0.0", 2, false}, {"1.3.6.1.300", 2, true},    {"1.3.6.1.301", 3, false},
        {"1.3.6.1.70000", 3, true},  {"1.3.6.1.70001", 4, false}, {"2.0", 4, false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
        for (size_t hint = 0; hint < 6; hint++) {
            uint8_t key[LAB_OID_BYTES];
            size_t length = key_of(cases[i].oid, key);
            bool is_exact;

            assert_int_equal(
                lab_recording_seek(recording, key, length, hint == 5 ? SIZE_MAX : hint, &is_exact),
                cases[i].index);
            assert_int_equal(is_exact, cases[i].is_exact);
        }
    lab_recording_free(recording);
}

static void lines_are_set_and_removed(void **state)
{
    struct lab_recording *recording = make("1.3.6.2|2|7\n1.3.6.4|2|9\n1.3.6.4.1|2|10\n");
    struct lab_error err;
    uint8_t key[LAB_OID_BYTES];

    (void)state;
    assert_int_equal(lab_recording_set(recording, "1.3.6.3|2|8", 11, &err), 0);
    assert_int_equal(lab_recording_set(recording, "1.3.6.2|66|70", 13, &err), 0);
    assert_true(lab_recording_set(recording, "1.3.6.2|66|x", 12, &err) < 0);
    assert_int_equal(recording->count, 4);
    assert_int_equal(number_at(recording, 0, 0, false), 70);
    assert_int_equal(number_at(recording, 1, 0, false), 8);
    assert_int_equal(lab_recording_remove(recording, key, key_of("1.3.6.4", key)), 2);
    assert_int_equal(lab_recording_remove(recording, key, key_of("1.3.6.9", key)), 0);
    assert_int_equal(recording->count, 2);
    lab_recording_free(recording);
}

static void numbers_move_by_their_rate(void **state)
{
    struct lab_recording *recording =
        make("1.3.6.1|65|4294967000\n1.3.6.2|70|5\n1.3.6.3|4|text\n1.3.6.4|67|0\n");
    uint8_t key[LAB_OID_BYTES];

    (void)state;
    assert_int_equal(lab_recording_move(recording, key, key_of("1.3.6", key), 100, 0), 3);
    assert_int_equal(number_at(recording, 0, 2.5, false), 4294967250u);
    assert_int_equal(number_at(recording, 0, 3, false), 4294967300 % 4294967296);
    assert_int_equal(number_at(recording, 1, 10000000, false), 1000000005);
    assert_int_equal(number_at(recording, 1, 10, true), 1000);
    assert_int_equal(number_at(recording, 3, 42949672.96 + 1, false), 100);
    lab_recording_free(recording);
}

static void a_moving_number_never_steps_back(void **state)
{
    struct lab_recording *recording = make("1.3.6.1|70:numeric|rate=333.7,initial=3\n");
    uint64_t last = 0;

    (void)state;
    for (double at = 0; at < 100; at += 0.0137) {
        uint64_t now = number_at(recording, 0, at, false);

        assert_true(now >= last && (double)now <= 3 + 333.7 * at);
        assert_true((double)now >= 333.7 * at - 3);
        last = now;
    }
    lab_recording_free(recording);
}

static void a_new_rate_goes_on_from_where_it_was(void **state)
{
    struct lab_recording *recording = make("1.3.6.1|70:numeric|rate=1000,initial=50\n");
    uint8_t key[LAB_OID_BYTES];

    (void)state;
    lab_recording_move(recording, key, key_of("1.3.6.1", key), 10, 100000000000);
    assert_int_equal(number_at(recording, 0, 100, false), 100050);
    assert_int_equal(number_at(recording, 0, 101, false), 100060);
    lab_recording_free(recording);
}

/* The lengths of all that is around the number change with it. */
static void a_number_that_grows_stays_well_formed(void **state)
{
    char long_oid[600] = "1.3";
    struct lab_recording *recording;

    (void)state;
    for (int i = 0; i < 120; i++)
        strcat(long_oid, i % 2 ? ".7" : ".200");
    strcat(long_oid, "|70:numeric|rate=1000000000000000,initial=0\n1.3|70:numeric|"
                     "rate=1000000000000000\n");
    recording = make(long_oid);
    assert_int_equal(recording->count, 2);
    for (size_t index = 0; index < 2; index++)
        for (double at = 1e-15; at < 10000; at *= 3)
            number_at(recording, index, at, false);
    assert_int_equal(number_at(recording, 0, 10000, false), 10000000000000000000u);
    lab_recording_free(recording);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(seeks_what_is_there_and_what_follows),
        cmocka_unit_test(lines_are_set_and_removed),
        cmocka_unit_test(numbers_move_by_their_rate),
        cmocka_unit_test(a_moving_number_never_steps_back),
        cmocka_unit_test(a_new_rate_goes_on_from_where_it_was),
        cmocka_unit_test(a_number_that_grows_stays_well_formed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
