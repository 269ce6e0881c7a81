#include "scenario.h"

#include "rules.h"

#include <string.h>

static const int64_t s = 1000000000;

static struct lab_steps parse(const char *text)
{
    struct lab_steps steps;
    struct lab_error err = {"?"};

    if (lab_steps_parse(text, strlen(text), &steps, &err) < 0)
        fail_msg("%s", err.text);
    return steps;
}

static void lines_have_times(void **state)
{
    struct lab_steps steps = parse("# a demo\n"
                                   "\n"
                                   "delay 10.27.0.0/16 8ms --jitter 2ms   # always\r\n"
                                   "at 30s down 10.27.3.0/24 for 20s\n"
                                   "every 45s loss 10.27.3.0/24 5%\n"
                                   "every 1m from 10s down pick:10.27.0.0/16:24 for 5s");

    (void)state;
    assert_int_equal(steps.count, 4);
    assert_int_equal(steps.items[0].first_ns, 0);
    assert_int_equal(steps.items[0].line, 3);
    assert_int_equal(steps.items[1].first_ns, 30 * s);
    assert_int_equal(steps.items[1].length_ns, 20 * s);
    assert_int_equal(steps.items[2].first_ns, 45 * s);
    assert_int_equal(steps.items[2].every_ns, 45 * s);
    assert_int_equal(steps.items[3].first_ns, 10 * s);
    assert_int_equal(steps.items[3].every_ns, 60 * s);
    lab_steps_fini(&steps);
}

static void mistakes_name_their_line(void **state)
{
    static const struct {
        const char *text;
        const char *why;
    } cases[] = {
        {"\n\ndwon 10.27.3.0/24\n", "line 3: \"dwon\" is no verb"},
        {"at 30 down 10.27.3.0/24", "line 1: \"30\" is no duration"},
        {"at", "line 1: \"at\" needs a duration"},
        {"at 30s", "line 1: \"\" is no verb"},
        {"every 0s down 10.27.3.0/24", "every takes 1ms or more"},
        {"down 10.27.3.0/24 for 0", "for 0 would change nothing"},
        {"down 10.27.3.0/24 for", "\"for\" does not belong here"},
        {"clear all for 10s", "leave `for` out"},
        {"delay 10.27.3.0/24 for 10s", "needs a value"},
        {"a a a a a a a a a a a a a a a a a a a a a a a a a a", "more than 24 words"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct lab_steps steps;
        struct lab_error err = {""};

        assert_true(lab_steps_parse(cases[i].text, strlen(cases[i].text), &steps, &err) < 0);
        if (!strstr(err.text, cases[i].why))
            fail_msg("gave \"%s\", not \"%s\"", err.text, cases[i].why);
        lab_steps_fini(&steps);
    }
}

static void odd_bytes_are_refused(void **state)
{
    char longest[LAB_LINE_MAX + 2];
    struct lab_steps steps;
    struct lab_error err;

    (void)state;
    memset(longest, 'x', sizeof(longest));
    assert_true(lab_steps_parse(longest, sizeof(longest), &steps, &err) < 0);
    lab_steps_fini(&steps);
    assert_true(lab_steps_parse("down\0 10.27.0.0/16", 18, &steps, &err) < 0);
    lab_steps_fini(&steps);
}

struct stage {
    struct lab_rules *rules;
    struct lab_player *player;
    int changes;
    char last[LAB_LINE_MAX + 64];
};

static void changed(void *context, const char *text)
{
    struct stage *stage = context;

    stage->changes++;
    snprintf(stage->last, sizeof(stage->last), "%s", text);
}

static void open_stage(struct stage *stage, const char *text)
{
    struct lab_steps steps = parse(text);

    memset(stage, 0, sizeof(*stage));
    stage->rules = lab_rules_new();
    stage->player = lab_player_new(stage->rules, 27, changed, stage);
    for (size_t i = 0; i < steps.count; i++)
        assert_int_equal(lab_player_add(stage->player, &steps.items[i], 0), 0);
    lab_steps_fini(&steps);
}

static void close_stage(struct stage *stage)
{
    lab_player_free(stage->player);
    lab_rules_free(stage->rules);
}

static bool is_down(struct stage *stage, const char *addr)
{
    struct lab_profile profiles[LAB_DIRS];
    struct lab_prefix host = test_prefix(addr);

    lab_rules_resolve(stage->rules, &host.addr, profiles);
    return profiles[LAB_TO].is_down;
}

static void an_outage_begins_and_ends(void **state)
{
    struct stage stage;

    (void)state;
    open_stage(&stage, "at 30s down 10.27.3.0/24 for 20s");
    assert_int_equal(lab_player_due(stage.player), 30 * s);
    lab_player_run(stage.player, 29 * s);
    assert_false(is_down(&stage, "10.27.3.1"));
    lab_player_run(stage.player, 30 * s);
    assert_true(is_down(&stage, "10.27.3.1"));
    assert_string_equal(stage.last, "down 10.27.3.0/24 for 20s");
    assert_int_equal(lab_player_due(stage.player), 50 * s);
    lab_player_run(stage.player, 50 * s);
    assert_false(is_down(&stage, "10.27.3.1"));
    assert_string_equal(stage.last, "end of down 10.27.3.0/24");
    assert_true(lab_player_due(stage.player) == INT64_MAX);
    close_stage(&stage);
}

static void repeated_steps_repeat_without_burst(void **state)
{
    struct stage stage;

    (void)state;
    open_stage(&stage, "every 10s down pick:10.27.0.0/16:24 for 4s");
    for (int64_t now_ns = 0; now_ns <= 100 * s; now_ns += s)
        lab_player_run(stage.player, now_ns);
    assert_int_equal(stage.changes, 10 + 9); /* the tenth has not ended */
    lab_player_run(stage.player, 1003 * s);  /* a long pause: its end, and one start */
    assert_int_equal(stage.changes, 21);
    assert_int_equal(lab_player_due(stage.player), 1007 * s);
    lab_player_run(stage.player, 1007 * s);
    assert_int_equal(lab_player_due(stage.player), 1010 * s);
    close_stage(&stage);
}

static void a_scenario_can_be_heard_again(void **state)
{
    char heard[2][LAB_LINE_MAX + 64];

    (void)state;
    for (int i = 0; i < 2; i++) {
        struct stage stage;

        open_stage(&stage, "every 10s down pick:10.27.0.0/16:28");
        for (int64_t now_ns = 0; now_ns <= 500 * s; now_ns += 10 * s)
            lab_player_run(stage.player, now_ns);
        memcpy(heard[i], stage.last, sizeof(heard[i]));
        close_stage(&stage);
    }
    assert_string_equal(heard[0], heard[1]);
}

static void lines_without_time_hold_at_once(void **state)
{
    struct stage stage;

    (void)state;
    open_stage(&stage, "down 10.27.3.0/24\ndown 10.27.4.0/24\nup 10.27.3.0/24\n");
    lab_player_run(stage.player, 0);
    assert_false(is_down(&stage, "10.27.3.1"));
    assert_true(is_down(&stage, "10.27.4.1"));
    close_stage(&stage);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_have_times),
        cmocka_unit_test(mistakes_name_their_line),
        cmocka_unit_test(odd_bytes_are_refused),
        cmocka_unit_test(an_outage_begins_and_ends),
        cmocka_unit_test(repeated_steps_repeat_without_burst),
        cmocka_unit_test(a_scenario_can_be_heard_again),
        cmocka_unit_test(lines_without_time_hold_at_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
