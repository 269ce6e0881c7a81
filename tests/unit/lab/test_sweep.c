#include "sweep.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

static void the_own_mark_is_alive(void **state)
{
    char mark[LAB_ALIAS_MAX];

    (void)state;
    lab_mark_make(mark);
    assert_int_equal(strncmp(mark, "phusong-lab ", 12), 0);
    assert_false(lab_mark_is_orphan(mark));
}

static void another_start_time_is_another_process(void **state)
{
    char mark[LAB_ALIAS_MAX];
    char other[LAB_ALIAS_MAX];
    unsigned long long start;
    unsigned long long space;
    int pid;

    (void)state;
    lab_mark_make(mark);
    assert_int_equal(sscanf(mark, "phusong-lab %d %llu %llu", &pid, &start, &space), 3);
    snprintf(other, sizeof(other), "phusong-lab %d %llu %llu", pid, start + 1, space);
    assert_true(lab_mark_is_orphan(other));
    /* A process of another pid namespace cannot be looked up from here: leave it alone. */
    snprintf(other, sizeof(other), "phusong-lab %d %llu %llu", pid, start + 1, space + 1);
    assert_false(lab_mark_is_orphan(other));
}

static void other_aliases_are_nobodys(void **state)
{
    (void)state;
    assert_false(lab_mark_is_orphan(""));
    assert_false(lab_mark_is_orphan("uplink to the exchange"));
    assert_false(lab_mark_is_orphan("phusong-lab"));
    assert_false(lab_mark_is_orphan("phusong-lab 1 2"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_own_mark_is_alive),
        cmocka_unit_test(another_start_time_is_another_process),
        cmocka_unit_test(other_aliases_are_nobodys),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
