#include "queue.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

enum { ITEMS = 5000 };

struct item {
    int64_t due_ns;
    int order;
};

static void an_empty_queue_is_never_due(void **state)
{
    struct lab_queue *queue = lab_queue_new();

    (void)state;
    assert_true(lab_queue_due(queue) == INT64_MAX);
    assert_null(lab_queue_take(queue));
    lab_queue_free(queue);
}

static void items_come_by_due_time_then_arrival(void **state)
{
    static struct item items[ITEMS];
    struct lab_queue *queue = lab_queue_new();
    struct item *last = NULL;

    (void)state;
    srand(27);
    for (int i = 0; i < ITEMS; i++) {
        items[i] = (struct item){.due_ns = rand() % 300, .order = i};
        assert_int_equal(lab_queue_put(queue, items[i].due_ns, &items[i]), 0);
    }
    for (int i = 0; i < ITEMS; i++) {
        int64_t due_ns = lab_queue_due(queue);
        struct item *item = lab_queue_take(queue);

        assert_int_equal(item->due_ns, due_ns);
        if (last)
            assert_true(last->due_ns < item->due_ns ||
                        (last->due_ns == item->due_ns && last->order < item->order));
        last = item;
    }
    assert_int_equal(lab_queue_count(queue), 0);
    lab_queue_free(queue);
}

static void putting_and_taking_may_alternate(void **state)
{
    struct item items[3] = {{30, 0}, {10, 1}, {20, 2}};
    struct lab_queue *queue = lab_queue_new();

    (void)state;
    lab_queue_put(queue, items[0].due_ns, &items[0]);
    lab_queue_put(queue, items[1].due_ns, &items[1]);
    assert_ptr_equal(lab_queue_take(queue), &items[1]);
    lab_queue_put(queue, items[2].due_ns, &items[2]);
    assert_ptr_equal(lab_queue_take(queue), &items[2]);
    assert_ptr_equal(lab_queue_take(queue), &items[0]);
    lab_queue_free(queue);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_queue_is_never_due),
        cmocka_unit_test(items_come_by_due_time_then_arrival),
        cmocka_unit_test(putting_and_taking_may_alternate),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
