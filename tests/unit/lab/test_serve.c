#include "serve.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void ports_are_a_list(void **state)
{
    struct lab_serve_config config;
    struct lab_error err;

    (void)state;
    assert_int_equal(lab_ports_parse("80,443,65535", &config, &err), 0);
    assert_int_equal(config.count, 3);
    assert_int_equal(config.ports[0], 80);
    assert_int_equal(config.ports[2], 65535);
}

static void bad_ports_are_refused(void **state)
{
    static const char *const bad[] = {
        "",
        ",",
        "0",
        "65536",
        "80,http",
        "80;443",
        "1,2,3,4,5,6,7,8,9,1,2,3,4,5,6,7,8,9,1,2,3,4,5,6,7,8,9,1,2,3,4,5,6"};
    struct lab_serve_config config;
    struct lab_error err;

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
        assert_true(lab_ports_parse(bad[i], &config, &err) < 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ports_are_a_list),
        cmocka_unit_test(bad_ports_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
