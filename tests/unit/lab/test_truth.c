#include "truth.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static char path[] = "/tmp/phusong-test-truth-XXXXXX";

static int set_up(void **state)
{
    int fd;

    (void)state;
    snprintf(path, sizeof(path), "/tmp/phusong-test-truth-XXXXXX");
    fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    return unlink(path);
}

static size_t load(struct lab_record **records)
{
    struct lab_truth_header header;
    size_t count;
    int fd = open(path, O_RDONLY);

    assert_int_equal(lab_truth_load(fd, &header, records, &count), 0);
    assert_int_equal(header.seed, 27);
    close(fd);
    return count;
}

static void records_come_back(void **state)
{
    struct lab_truth *truth;
    struct lab_record *records;
    enum { COUNT = 3000 };

    (void)state;
    assert_int_equal(lab_truth_open(path, 27, 0, 1 << 20, &truth), 0);
    for (uint64_t i = 0; i < COUNT; i++)
        lab_truth_put(truth, &(struct lab_record){.to_ns = i});
    assert_int_equal(lab_truth_written(truth), COUNT);
    lab_truth_close(truth);
    assert_int_equal(load(&records), COUNT);
    for (uint64_t i = 0; i < COUNT; i++)
        assert_int_equal(records[i].to_ns, i);
    free(records);
}

static void what_is_beyond_the_bound_is_counted(void **state)
{
    struct lab_truth *truth;
    struct lab_record *records;

    (void)state;
    assert_int_equal(lab_truth_open(path, 27, 0, 10 * sizeof(struct lab_record), &truth), 0);
    for (int i = 0; i < 25; i++)
        lab_truth_put(truth, &(struct lab_record){0});
    assert_int_equal(lab_truth_lost(truth), 15);
    lab_truth_close(truth);
    assert_int_equal(load(&records), 10);
    free(records);
}

static void a_torn_end_costs_one_record(void **state)
{
    struct lab_truth *truth;
    struct lab_record *records;

    (void)state;
    assert_int_equal(lab_truth_open(path, 27, 0, 1 << 20, &truth), 0);
    for (int i = 0; i < 5; i++)
        lab_truth_put(truth, &(struct lab_record){0});
    lab_truth_close(truth);
    assert_int_equal(
        truncate(path, sizeof(struct lab_truth_header) + 5 * sizeof(struct lab_record) - 1), 0);
    assert_int_equal(load(&records), 4);
    free(records);
}

static void other_files_are_refused(void **state)
{
    struct lab_truth_header header;
    struct lab_record *records;
    size_t count;
    int fd = open("/proc/self/exe", O_RDONLY);

    (void)state;
    assert_int_equal(lab_truth_load(fd, &header, &records, &count), -EBADMSG);
    close(fd);
    fd = open(path, O_RDONLY); /* empty */
    assert_int_equal(lab_truth_load(fd, &header, &records, &count), -EBADMSG);
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(records_come_back, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_beyond_the_bound_is_counted, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_torn_end_costs_one_record, set_up, tear_down),
        cmocka_unit_test_setup_teardown(other_files_are_refused, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
