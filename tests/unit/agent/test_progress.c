#include "progress.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static void fills_up(void **state)
{
    char line[128];

    (void)state;
    phu_progress_format(line, sizeof line, 80, 0, 200, "devices");
    assert_string_equal(line, "0 of 200  [----------------------------------------]  devices");
    phu_progress_format(line, sizeof line, 80, 50, 200, "devices");
    assert_string_equal(line, "50 of 200  [##########------------------------------]  devices");
    phu_progress_format(line, sizeof line, 80, 200, 200, "");
    assert_string_equal(line, "200 of 200  [########################################]  ");
}

static void fits_into_the_terminal(void **state)
{
    char line[256];

    (void)state;
    for (size_t width = 1; width < 120; width++) {
        phu_progress_format(line, sizeof line, width, 3, 7, "5 answered, 2 did not");
        assert_true(strlen(line) < width || width == 1);
    }
    phu_progress_format(line, sizeof line, 50, 9, 7, "more than there are");
    assert_non_null(strstr(line, "#]"));
    phu_progress_format(line, sizeof line, 50, 0, 0, "");
    assert_non_null(strstr(line, "#]"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fills_up),
        cmocka_unit_test(fits_into_the_terminal),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
