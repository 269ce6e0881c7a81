/* Replays: what is stored, through the rules. */
#include "samples.h"

#include "rules/replay.h"
#include "rules/rules.h"

#include "phusong/err.h"
#include "phusong/exit.h"

static const char rules_text[] = "groups: [{name: g, rules: [{alert: Down, when: {event: {kind: "
                                 "device, value: hamlets}}, for: 10s, annotations: {text: '{{ "
                                 "$value }} hamlets'}}]}]";

static struct phu_rules *rules_of(const char *text)
{
    struct phu_rules *rules = NULL;
    struct phu_diags diags;

    phu_diags_init(&diags);
    assert_int_equal(phu_rules_parse("test.yaml", text, strlen(text), &diags, &rules), 0);
    phu_diags_fini(&diags);
    return rules;
}

static void put(struct fixture *fixture, int64_t at_ns, const char *text)
{
    assert_int_equal(phu_store_begin(fixture->store), 0);
    assert_int_equal(phu_store_put(fixture->store, line_read(&fixture->line, at_ns, text), at_ns,
                                   &fixture->field),
                     0);
    assert_int_equal(phu_store_commit(fixture->store), 0);
}

#define EVENT "event,agent=a,cause=unknown,kind=device,root=olt-1 id=\"a:olt-1:1\","

static char *replay(struct fixture *fixture, int64_t from_ns, int64_t to_ns, bool is_json)
{
    struct phu_replay request = {
        .store = fixture->path, .from_ns = from_ns, .to_ns = to_ns, .is_json = is_json};
    struct phu_rules *rules = rules_of(rules_text);
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);

    assert_int_equal(phu_rules_replay(rules, &request, out), PHU_EXIT_OK);
    fclose(out);
    phu_rules_free(rules);
    return text;
}

static void test_what_would_have_fired(void **state)
{
    struct fixture *fixture = *state;
    char *text;

    for (int i = 0; i < 4; i++)
        put(fixture, MIDNIGHT + i * MINUTE, EVENT "active=1i,hamlets=12i");
    put(fixture, MIDNIGHT + 4 * MINUTE, EVENT "active=0i,hamlets=12i");
    text = replay(fixture, MIDNIGHT - MINUTE, MIDNIGHT + 10 * MINUTE, false);
    assert_string_equal(text,
                        "2026-03-09T17:00:10Z  fired     Down {agent=\"a\", cause=\"unknown\", "
                        "kind=\"device\", root=\"olt-1\"}\n"
                        "    text: 12 hamlets\n"
                        "2026-03-09T17:04:00Z  resolved  Down {agent=\"a\", cause=\"unknown\", "
                        "kind=\"device\", root=\"olt-1\"}\n"
                        "1 alerts would have fired\n");
    free(text);
    text = replay(fixture, MIDNIGHT - MINUTE, MIDNIGHT + 10 * MINUTE, true);
    assert_non_null(strstr(text, "\"fired\": \"2026-03-09T17:00:10Z\""));
    assert_non_null(strstr(text, "\"resolved\": \"2026-03-09T17:04:00Z\""));
    free(text);
}

static void test_what_fired_before_is_not_told_again(void **state)
{
    struct fixture *fixture = *state;
    char *text;

    for (int i = 0; i < 9; i++)
        put(fixture, MIDNIGHT + i * MINUTE, EVENT "active=1i,hamlets=12i");
    text = replay(fixture, MIDNIGHT + 2 * MINUTE, MIDNIGHT + 8 * MINUTE, false);
    assert_string_equal(text, "0 alerts would have fired\n");
    free(text);
}

static int set_up(void **state)
{
    *state = fixture_new();
    return 0;
}

static int tear_down(void **state)
{
    fixture_free(*state);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_what_would_have_fired, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_what_fired_before_is_not_told_again, set_up,
                                        tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
