#include "options.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int parse(struct lab_options *options, struct lab_error *err, char **words)
{
    int count = 0;

    while (words[count])
        count++;
    return lab_options_parse(words, count, options, err);
}

#define PARSE(options, err, ...) parse(options, err, (char *[]){__VA_ARGS__, NULL})

static void defaults_make_both_families(void **state)
{
    struct lab_options options;
    struct lab_error err;
    char text[LAB_PREFIX_TEXT];

    (void)state;
    assert_int_equal(PARSE(&options, &err, (char *)"--quiet"), 0);
    assert_int_equal(options.net.prefix_count, 2);
    assert_string_equal(lab_prefix_format(&options.net.prefixes[0], text), "10.27.0.0/16");
    assert_string_equal(lab_prefix_format(&options.net.prefixes[1], text), "fd27::/48");
    assert_int_equal(options.net.agent_count, 2);
    assert_int_equal(options.seed, 27);
    lab_options_fini(&options);
}

static void options_are_read(void **state)
{
    struct lab_options options;
    struct lab_error err;

    (void)state;
    assert_int_equal(PARSE(&options, &err, (char *)"--prefix", (char *)"10.64.0.0/12",
                           (char *)"--serve", (char *)"80,443", (char *)"--snmpd", (char *)"public",
                           (char *)"--snmp-user", (char *)"ops:authpass1:privpass1",
                           (char *)"--truth", (char *)"counts", (char *)"--mtu", (char *)"9000"),
                     0);
    assert_int_equal(options.net.prefix_count, 1);
    assert_int_equal(options.serve.count, 2);
    assert_int_equal(options.serve.ports[1], 443);
    assert_string_equal(options.snmp.community, "public");
    assert_string_equal(options.snmp.user, "ops");
    assert_string_equal(options.snmp.auth_pass, "authpass1");
    assert_string_equal(options.snmp.priv_pass, "privpass1");
    assert_true(options.counts_only);
    assert_int_equal(options.net.mtu, 9000);
    lab_options_fini(&options);
}

static void bad_options_say_why(void **state)
{
    static const struct {
        const char *words[5];
        const char *why;
    } cases[] = {
        {{"--fast"}, "unknown option \"--fast\""},
        {{"fast"}, "unknown option"},
        {{"--seed"}, "--seed needs a NUMBER"},
        {{"--seed", "x"}, "--seed: \"x\" is no whole number"},
        {{"--mtu", "500"}, "IPv6 needs 1280"},
        {{"--serve", "80,,x"}, "\"x\""},
        {{"--serve", "0"}, "is no port"},
        {{"--truth", "half"}, "full or counts"},
        {{"--agent-address", "10.1.0.0/16"}, "takes one address"},
        {{"--agent-address", "10.27.0.1"}, "lies inside the district"},
        {{"--snmpd", "a b"}, "printable"},
        {{"--snmp-user", "ops:short:privpass1"}, "8 or more"},
        {{"--snmp-user", "ops"}, "NAME:AUTHPASS:PRIVPASS"},
        {{"--snmp-user", "ops:authpass1:privpass1"}, "needs --snmpd"},
        {{"--loopback", "--require-tun"}, "contradict"},
        {{"--background", "--die-with-parent"}, "contradict"},
        {{"--config", "/nonexistent/lab.conf"}, "/nonexistent/lab.conf"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct lab_options options;
        struct lab_error err = {""};

        assert_int_equal(parse(&options, &err, (char **)(uintptr_t)cases[i].words), -EINVAL);
        if (!strstr(err.text, cases[i].why))
            fail_msg("%s gave \"%s\", not \"%s\"", cases[i].words[0], err.text, cases[i].why);
        lab_options_fini(&options);
    }
}

static int read_text(struct lab_options *options, struct lab_error *err, const char *text)
{
    char copy[1024];

    memset(options, 0, sizeof(*options));
    memcpy(copy, text, strlen(text) + 1);
    return lab_options_text(options, copy, strlen(text), err);
}

static void a_file_holds_options_and_rules(void **state)
{
    struct lab_options options;
    struct lab_error err = {"?"};

    (void)state;
    if (read_text(&options, &err,
                  "# a lab\nprefix 10.27.0.0/16\nseed 5\nserve 80,443\nagent-netns\n"
                  "delay 10.27.0.0/16 8ms\nat 5s down 10.27.3.0/24\n") < 0)
        fail_msg("%s", err.text);
    assert_int_equal(options.net.prefix_count, 1);
    assert_int_equal(options.seed, 5);
    assert_true(options.net.own_agent_ns);
    assert_int_equal(options.steps.count, 2);
    assert_int_equal(options.steps.items[1].line, 7);
    lab_options_fini(&options);
}

static void a_bad_file_names_its_line(void **state)
{
    struct lab_options options;
    struct lab_error err;

    (void)state;
    assert_true(read_text(&options, &err, "seed 5\nseed x\n") < 0);
    assert_non_null(strstr(err.text, "line 2: "));
    lab_options_fini(&options);
    assert_true(read_text(&options, &err, "seed 5\n\nspeed 7\n") < 0);
    assert_non_null(strstr(err.text, "line 3: "));
    lab_options_fini(&options);
    assert_true(read_text(&options, &err, "seed\n") < 0);
    assert_non_null(strstr(err.text, "line 1: seed takes one value"));
    lab_options_fini(&options);
    assert_true(read_text(&options, &err, "config other\n") < 0);
    assert_non_null(strstr(err.text, "does not belong into a file"));
    lab_options_fini(&options);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_make_both_families),
        cmocka_unit_test(options_are_read),
        cmocka_unit_test(bad_options_say_why),
        cmocka_unit_test(a_file_holds_options_and_rules),
        cmocka_unit_test(a_bad_file_names_its_line),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
