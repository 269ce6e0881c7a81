#include "prefix.h"

#include "rules.h"

#include <stdio.h>
#include <string.h>

static struct lab_profile profile(struct lab_rules *rules, const char *addr, enum lab_dir dir)
{
    struct lab_profile profiles[LAB_DIRS];
    struct lab_prefix host = test_prefix(addr);

    lab_rules_resolve(rules, &host.addr, profiles);
    return profiles[dir];
}

static int64_t delay_ms(struct lab_rules *rules, const char *addr, enum lab_dir dir)
{
    struct lab_profile found = profile(rules, addr, dir);

    return found.settings[LAB_ATTR_DELAY] ? found.settings[LAB_ATTR_DELAY]->delay_ns / 1000000 : -1;
}

static bool is_down(struct lab_rules *rules, const char *addr)
{
    return profile(rules, addr, LAB_TO).is_down;
}

static void the_longest_prefix_wins(void **state)
{
    struct lab_rules *rules = lab_rules_new();

    (void)state;
    test_say(rules, "delay 10.27.0.0/16 10ms");
    test_say(rules, "delay 10.27.3.0/24 20ms");
    test_say(rules, "delay 10.27.3.7 30ms");
    test_say(rules, "delay fd27::/48 40ms");
    assert_int_equal(delay_ms(rules, "10.27.9.1", LAB_TO), 10);
    assert_int_equal(delay_ms(rules, "10.27.3.1", LAB_TO), 20);
    assert_int_equal(delay_ms(rules, "10.27.3.7", LAB_FROM), 30);
    assert_int_equal(delay_ms(rules, "fd27::1", LAB_TO), 40);
    assert_int_equal(delay_ms(rules, "10.28.0.1", LAB_TO), -1);
    lab_rules_free(rules);
}

static void attributes_are_looked_up_one_by_one(void **state)
{
    struct lab_rules *rules = lab_rules_new();
    struct lab_profile found;

    (void)state;
    test_say(rules, "delay 10.27.0.0/16 10ms");
    test_say(rules, "loss 10.27.3.0/24 2%");
    found = profile(rules, "10.27.3.1", LAB_TO);
    assert_non_null(found.settings[LAB_ATTR_DELAY]);
    assert_non_null(found.settings[LAB_ATTR_LOSS]);
    assert_null(profile(rules, "10.27.4.1", LAB_TO).settings[LAB_ATTR_LOSS]);
    lab_rules_free(rules);
}

static void directions_are_apart(void **state)
{
    struct lab_rules *rules = lab_rules_new();

    (void)state;
    test_say(rules, "delay 10.27.0.0/16 10ms --dir to");
    test_say(rules, "delay 10.27.0.0/16 30ms --dir from");
    assert_int_equal(delay_ms(rules, "10.27.3.1", LAB_TO), 10);
    assert_int_equal(delay_ms(rules, "10.27.3.1", LAB_FROM), 30);
    test_say(rules, "clear 10.27.0.0/16 --dir to");
    assert_int_equal(delay_ms(rules, "10.27.3.1", LAB_TO), -1);
    assert_int_equal(delay_ms(rules, "10.27.3.1", LAB_FROM), 30);
    lab_rules_free(rules);
}

static void any_prefix_over_it_takes_an_address_down(void **state)
{
    struct lab_rules *rules = lab_rules_new();
    struct lab_prefix by;
    struct lab_prefix host = test_prefix("10.27.3.1");

    (void)state;
    test_say(rules, "down 10.27.0.0/16");
    test_say(rules, "down 10.27.3.0/24");
    test_say(rules, "up 10.27.3.0/24");
    assert_true(is_down(rules, "10.27.3.1"));
    assert_true(lab_rules_down_by(rules, &host.addr, &by));
    assert_int_equal(lab_prefix_written_length(&by), 16);
    test_say(rules, "up 10.27.0.0/16");
    assert_false(is_down(rules, "10.27.3.1"));
    assert_false(lab_rules_down_by(rules, &host.addr, &by));
    lab_rules_free(rules);
}

static void clearing_returns_to_the_shorter_prefix(void **state)
{
    struct lab_rules *rules = lab_rules_new();

    (void)state;
    test_say(rules, "delay 10.27.0.0/16 10ms");
    test_say(rules, "delay 10.27.3.0/24 20ms");
    test_say(rules, "down 10.27.3.0/24");
    test_say(rules, "clear 10.27.3.0/24 delay");
    assert_int_equal(delay_ms(rules, "10.27.3.1", LAB_TO), 10);
    assert_true(is_down(rules, "10.27.3.1"));
    test_say(rules, "clear all");
    assert_int_equal(delay_ms(rules, "10.27.3.1", LAB_TO), -1);
    assert_false(is_down(rules, "10.27.3.1"));
    lab_rules_free(rules);
}

static void passing_changes_end_at_the_lasting_value(void **state)
{
    struct lab_rules *rules = lab_rules_new();
    struct lab_prefix prefix = test_prefix("10.27.3.0/24");

    (void)state;
    test_say(rules, "delay 10.27.3.0/24 10ms");
    test_say_for(rules, 1, "delay 10.27.3.0/24 20ms");
    test_say_for(rules, 2, "delay 10.27.3.0/24 30ms");
    lab_rules_expire(rules, &prefix, 1); /* the second still stands */
    assert_int_equal(delay_ms(rules, "10.27.3.1", LAB_TO), 30);
    lab_rules_expire(rules, &prefix, 2); /* and does not bring the first back */
    assert_int_equal(delay_ms(rules, "10.27.3.1", LAB_TO), 10);
    lab_rules_free(rules);
}

static void a_lasting_change_ends_a_passing_one(void **state)
{
    struct lab_rules *rules = lab_rules_new();
    struct lab_prefix prefix = test_prefix("10.27.3.0/24");

    (void)state;
    test_say_for(rules, 1, "down 10.27.3.0/24");
    assert_true(is_down(rules, "10.27.3.1"));
    test_say(rules, "up 10.27.3.0/24");
    assert_false(is_down(rules, "10.27.3.1"));
    test_say(rules, "down 10.27.3.0/24");
    lab_rules_expire(rules, &prefix, 1);
    assert_true(is_down(rules, "10.27.3.1"));
    lab_rules_free(rules);
}

static void changes_move_the_generation(void **state)
{
    struct lab_rules *rules = lab_rules_new();
    uint64_t before = lab_rules_generation(rules);

    (void)state;
    test_say(rules, "down 10.27.3.0/24");
    assert_true(lab_rules_generation(rules) > before);
    lab_rules_free(rules);
}

struct seen {
    char text[512];
};

static void visit(void *context, const struct lab_statement *statement, bool is_passing)
{
    struct seen *seen = context;
    size_t used = strlen(seen->text), room = sizeof(seen->text) - used;
    char text[LAB_LINE_MAX];
    int length;

    lab_statement_format(statement, text, sizeof(text));
    length = snprintf(seen->text + used, room, "%s%s", text, is_passing ? "*;" : ";");
    assert_in_range(length, 1, room - 1);
}

static void rules_list_as_statements(void **state)
{
    struct lab_rules *rules = lab_rules_new();
    struct seen seen = {""};

    (void)state;
    test_say(rules, "loss 10.27.3.0/24 2%");
    test_say(rules, "down 10.27.0.0/16 --dir from");
    test_say_for(rules, 3, "duplicate 10.27.4.0/24 1%");
    lab_rules_each(rules, visit, &seen);
    assert_string_equal(seen.text, "loss 10.27.3.0/24 2%;down 10.27.0.0/16 --dir from;"
                                   "duplicate 10.27.4.0/24 1%*;");
    lab_rules_free(rules);
}

static void many_prefixes_are_told_apart(void **state)
{
    struct lab_rules *rules = lab_rules_new();

    (void)state;
    for (int i = 0; i < 2000; i++) {
        char line[80];

        snprintf(line, sizeof(line), "delay 10.27.%d.%d/28 %dms", i / 16, i % 16 * 16, i + 1);
        test_say(rules, line);
    }
    for (int i = 0; i < 2000; i++) {
        char addr[40];

        snprintf(addr, sizeof(addr), "10.27.%d.%d", i / 16, i % 16 * 16 + 9);
        assert_int_equal(delay_ms(rules, addr, LAB_TO), i + 1);
    }
    lab_rules_free(rules);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_longest_prefix_wins),
        cmocka_unit_test(attributes_are_looked_up_one_by_one),
        cmocka_unit_test(directions_are_apart),
        cmocka_unit_test(any_prefix_over_it_takes_an_address_down),
        cmocka_unit_test(clearing_returns_to_the_shorter_prefix),
        cmocka_unit_test(passing_changes_end_at_the_lasting_value),
        cmocka_unit_test(a_lasting_change_ends_a_passing_one),
        cmocka_unit_test(changes_move_the_generation),
        cmocka_unit_test(rules_list_as_statements),
        cmocka_unit_test(many_prefixes_are_told_apart),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
