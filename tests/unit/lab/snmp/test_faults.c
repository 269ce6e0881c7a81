#include "faults.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const int64_t second = 1000000000;

static int split(const char *text, char *copy, size_t size, char **words)
{
    char *rest = copy;
    int count = 0;

    snprintf(copy, size, "%s", text);
    while (rest)
        words[count++] = strsep(&rest, " ");
    return count;
}

static int tell(struct lab_faults *faults, const char *text, int64_t now_ns, struct lab_error *err)
{
    char copy[256];
    char *words[16];
    int count = split(text, copy, sizeof(copy), words);

    return lab_faults_tell(faults, words, count, now_ns, err);
}

static void set(struct lab_faults *faults, const char *text)
{
    struct lab_error err;

    if (tell(faults, text, 0, &err) < 0)
        fail_msg("%s: %s", text, err.text);
}

static int clear(struct lab_faults *faults, const char *text)
{
    struct lab_error err;
    char copy[256];
    char *words[16];
    int count = split(text, copy, sizeof(copy), words);

    return lab_faults_clear(faults, words, count, &err);
}

static struct lab_faulty find(struct lab_faults *faults, const char *address, int64_t now_ns)
{
    struct lab_faulty found;
    struct lab_prefix prefix;
    struct lab_error err;

    assert_int_equal(lab_prefix_parse(address, &prefix, &err), 0);
    lab_faults_find(faults, &prefix.addr, now_ns, &found);
    return found;
}

static double delay_of(struct lab_faults *faults, const char *address, int64_t now_ns)
{
    struct lab_faulty found = find(faults, address, now_ns);

    return found.by[LAB_FAULT_DELAY] ? found.by[LAB_FAULT_DELAY]->number / 1e6 : 0;
}

static void the_longest_prefix_wins(void **state)
{
    struct lab_faults *faults = lab_faults_new(1);

    (void)state;
    set(faults, "10.0.0.1 delay 3ms");
    set(faults, "10.0.0.0/24 delay 2ms");
    set(faults, "all delay 1ms");
    set(faults, "10.0.0.0/24 silence");
    assert_true(delay_of(faults, "10.0.0.1", 0) == 3);
    assert_true(delay_of(faults, "10.0.0.2", 0) == 2);
    assert_true(delay_of(faults, "10.0.1.1", 0) == 1);
    assert_true(delay_of(faults, "fd00::1", 0) == 1);
    assert_non_null(find(faults, "10.0.0.1", 0).by[LAB_FAULT_SILENCE]);
    assert_null(find(faults, "10.0.1.1", 0).by[LAB_FAULT_SILENCE]);
    set(faults, "10.0.0.0/24 delay 5ms");
    assert_true(delay_of(faults, "10.0.0.2", 0) == 5);
    assert_int_equal(clear(faults, "10.0.0.0/24 delay"), 1);
    assert_true(delay_of(faults, "10.0.0.2", 0) == 1);
    assert_int_equal(clear(faults, "10.0.0.0/24"), 1);
    assert_int_equal(clear(faults, "all delay"), 2);
    assert_int_equal(clear(faults, "all"), 0);
    lab_faults_free(faults);
}

static void times_are_kept(void **state)
{
    struct lab_faults *faults = lab_faults_new(1);

    (void)state;
    set(faults, "all delay 1ms --after 10s --for 5s");
    assert_true(delay_of(faults, "10.0.0.1", 10 * second - 1) == 0);
    assert_true(delay_of(faults, "10.0.0.1", 10 * second) == 1);
    assert_true(delay_of(faults, "10.0.0.1", 15 * second - 1) == 1);
    assert_true(delay_of(faults, "10.0.0.1", 15 * second) == 0);
    lab_faults_free(faults);
}

static void a_share_picks_devices_for_good(void **state)
{
    struct lab_faults *faults = lab_faults_new(1);
    struct lab_faults *more = lab_faults_new(1);
    unsigned chosen = 0;

    (void)state;
    set(faults, "all silence --share 30%");
    set(more, "all silence --share 60%");
    for (unsigned i = 0; i < 10000; i++) {
        char address[32];
        bool is_chosen;

        snprintf(address, sizeof(address), "127.64.%u.%u", i / 256, i % 256);
        is_chosen = find(faults, address, 0).by[LAB_FAULT_SILENCE];
        chosen += is_chosen;
        if (is_chosen)
            assert_non_null(find(more, address, 0).by[LAB_FAULT_SILENCE]);
    }
    assert_in_range(chosen, 2800, 3200);
    lab_faults_free(faults);
    lab_faults_free(more);
}

static void reboots_add_up_and_stay(void **state)
{
    struct lab_faults *faults = lab_faults_new(1);
    struct lab_error err;

    (void)state;
    assert_int_equal(tell(faults, "all reboot", 5 * second, &err), 0);
    assert_int_equal(tell(faults, "10.0.0.1 reboot --after 2s", 5 * second, &err), 0);
    assert_int_equal(find(faults, "10.0.0.1", 4 * second).reboots, 0);
    assert_int_equal(find(faults, "10.0.0.1", 6 * second).reboots, 1);
    assert_int_equal(find(faults, "10.0.0.1", 8 * second).reboots, 2);
    assert_true(find(faults, "10.0.0.1", 8 * second).rebooted_ns == 7 * second);
    assert_true(find(faults, "10.0.0.2", 8 * second).rebooted_ns == 5 * second);
    assert_int_equal(clear(faults, "all"), 0);
    assert_int_equal(find(faults, "10.0.0.1", 8 * second).reboots, 2);
    lab_faults_free(faults);
}

static void gen_err_for_several_objects(void **state)
{
    struct lab_faults *faults = lab_faults_new(1);

    (void)state;
    set(faults, "all generr 1.3.6.1");
    set(faults, "all generr 1.3.6.2");
    set(faults, "all generr 1.3.6.2");
    assert_int_equal(find(faults, "10.0.0.1", 0).sick_count, 2);
    assert_int_equal(clear(faults, "all generr"), 2);
    lab_faults_free(faults);
}

static void thousands_of_hosts_are_found(void **state)
{
    struct lab_faults *faults = lab_faults_new(1);

    (void)state;
    for (unsigned i = 0; i < 20000; i++) {
        char text[32];
        char name[16];
        struct lab_prefix prefix;
        struct lab_error err;

        snprintf(text, sizeof(text), "10.%u.%u.7", (i * 7919 % 20000) / 250,
                 (i * 7919 % 20000) % 250);
        snprintf(name, sizeof(name), "r%u", i * 7919 % 20000);
        assert_int_equal(lab_prefix_parse(text, &prefix, &err), 0);
        lab_faults_map(faults, &prefix, name);
    }
    for (unsigned i = 0; i < 20000; i += 37) {
        char text[32];
        char name[16];
        struct lab_faulty found;

        snprintf(text, sizeof(text), "10.%u.%u.7", i / 250, i % 250);
        snprintf(name, sizeof(name), "r%u", i);
        found = find(faults, text, 0);
        assert_non_null(found.by[LAB_FAULT_RECORDING]);
        assert_string_equal((const char *)found.by[LAB_FAULT_RECORDING]->bytes, name);
    }
    assert_null(find(faults, "10.0.0.8", 0).by[LAB_FAULT_RECORDING]);
    lab_faults_free(faults);
}

static void mistakes_are_told(void **state)
{
    static const char *const bad[][2] = {
        {"all", "FAULT"},
        {"all nonsense", "FAULT"},
        {"10.0.0.1/8 silence", "bits beyond"},
        {"all delay", "DURATION"},
        {"all delay 20", "no duration"},
        {"all drop 5", "no share"},
        {"all toobig 0", "1 to"},
        {"all duplicate 17", "at most"},
        {"all generr 1.x", "identifier"},
        {"all engine 8000", "engine id"},
        {"all engine 80007ed90x", "engine id"},
        {"all silence --share", "nothing follows"},
        {"all silence --often 3", "unknown word"},
        {"all silence --for ever", "no duration"},
    };
    struct lab_faults *faults = lab_faults_new(1);

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        struct lab_error err;

        assert_true(tell(faults, bad[i][0], 0, &err) < 0);
        if (!strstr(err.text, bad[i][1]))
            fail_msg("\"%s\": %s", bad[i][0], err.text);
    }
    assert_true(clear(faults, "all nonsense") < 0);
    assert_true(clear(faults, "nowhere") < 0);
    lab_faults_free(faults);
}

static void what_is_set_can_be_read(void **state)
{
    struct lab_faults *faults = lab_faults_new(1);
    char *text = NULL;
    size_t length = 0;
    FILE *out = open_memstream(&text, &length);

    (void)state;
    set(faults, "10.0.0.0/24 delay 20ms --share 30%");
    set(faults, "all recording other");
    set(faults, "all drop 2%");
    set(faults, "all most 7");
    lab_faults_print(faults, out);
    fclose(out);
    assert_string_equal(text, "10.0.0.0/24 delay 20ms --share 30%\nall recording other\n"
                              "all drop 2%\nall most 7\n");
    free(text);
    lab_faults_free(faults);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_longest_prefix_wins),
        cmocka_unit_test(times_are_kept),
        cmocka_unit_test(a_share_picks_devices_for_good),
        cmocka_unit_test(reboots_add_up_and_stay),
        cmocka_unit_test(gen_err_for_several_objects),
        cmocka_unit_test(thousands_of_hosts_are_found),
        cmocka_unit_test(mistakes_are_told),
        cmocka_unit_test(what_is_set_can_be_read),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
