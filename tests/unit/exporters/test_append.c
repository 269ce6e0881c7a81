#include "append.h"

#include "sim.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct scene {
    struct phu_sched *sched;
    struct phu_append *append;
    char dir[64], path[128];
    int calls, error;
};

static int set_up(void **state)
{
    struct scene *scene = calloc(1, sizeof *scene);

    scene->sched = phu_sim_new(phu_sim_wall("2026-11-23T08:00:00Z"));
    strcpy(scene->dir, "/tmp/test_append_XXXXXX");
    assert_non_null(mkdtemp(scene->dir));
    snprintf(scene->path, sizeof scene->path, "%s/new/folder/lines.lp", scene->dir);
    *state = scene;
    return 0;
}

static int tear_down(void **state)
{
    struct scene *scene = *state;
    char command[128];

    phu_append_free(scene->append);
    phu_sim_run(scene->sched, 0);
    phu_sim_free(scene->sched);
    snprintf(command, sizeof command, "rm -r %s", scene->dir);
    assert_int_equal(system(command), 0);
    free(scene);
    return 0;
}

static void open_append(struct scene *scene, int64_t max_bytes, int64_t max_age_ns, unsigned keep)
{
    assert_int_equal(phu_append_new(scene->sched,
                                    &(struct phu_append_conf){.path = scene->path,
                                                              .max_bytes = max_bytes,
                                                              .max_age_ns = max_age_ns,
                                                              .keep = keep,
                                                              .mode = 0640},
                                    &scene->append),
                     0);
}

static void done(void *arg, int error)
{
    struct scene *scene = arg;

    scene->calls++;
    scene->error = error;
}

static int append(struct scene *scene, const char *text)
{
    scene->error = 1;
    assert_int_equal(phu_append_write(scene->append, text, strlen(text), done, scene), 0);
    assert_int_equal(scene->error, 1); /* not from inside the call */
    phu_sim_run(scene->sched, 0);
    return scene->error;
}

static void check_file(const struct scene *scene, const char *suffix, const char *expected)
{
    char path[160], text[256] = "";
    FILE *file;

    snprintf(path, sizeof path, "%s%s", scene->path, suffix);
    file = fopen(path, "r");
    if (!expected) {
        assert_null(file);
        return;
    }
    assert_non_null(file);
    text[fread(text, 1, sizeof text - 1, file)] = '\0';
    fclose(file);
    assert_string_equal(text, expected);
}

static void makes_folders_and_appends_in_order(void **state)
{
    struct scene *scene = *state;
    struct stat status;

    open_append(scene, 0, 0, 0);
    assert_int_equal(phu_append_write(scene->append, "a\n", 2, done, scene), 0);
    assert_int_equal(phu_append_write(scene->append, "b\n", 2, done, scene), 0);
    assert_int_equal(phu_append_write(scene->append, "c\n", 2, done, scene), 0);
    phu_sim_run(scene->sched, 0);
    assert_int_equal(scene->calls, 3);
    check_file(scene, "", "a\nb\nc\n");
    assert_int_equal(stat(scene->path, &status), 0);
    assert_int_equal(status.st_mode & 0007, 0);
}

static void goes_on_with_a_file_that_is_there(void **state)
{
    struct scene *scene = *state;

    open_append(scene, 8, 0, 1);
    assert_int_equal(append(scene, "12345\n"), 0);
    phu_append_free(scene->append);
    open_append(scene, 8, 0, 1);
    assert_int_equal(append(scene, "6\n"), 0);
    check_file(scene, "", "12345\n6\n");
    assert_int_equal(append(scene, "7\n"), 0); /* its old size counts */
    check_file(scene, "", "7\n");
    check_file(scene, ".1", "12345\n6\n");
}

static void rotates_by_size_and_keeps_so_many(void **state)
{
    struct scene *scene = *state;

    open_append(scene, 4, 0, 2);
    for (char digit = '1'; digit <= '7'; digit++)
        assert_int_equal(append(scene, (char[]){digit, '\n', '\0'}), 0);
    check_file(scene, "", "7\n");
    check_file(scene, ".1", "5\n6\n");
    check_file(scene, ".2", "3\n4\n");
    check_file(scene, ".3", NULL);
    assert_int_equal(phu_append_removed(scene->append), 1);
}

static void a_write_larger_than_a_file_gets_its_own(void **state)
{
    struct scene *scene = *state;

    open_append(scene, 4, 0, 0);
    assert_int_equal(append(scene, "1\n"), 0);
    assert_int_equal(append(scene, "too much for one\n"), 0);
    check_file(scene, "", "too much for one\n");
    assert_int_equal(phu_append_removed(scene->append), 1);
}

static void rotates_by_age(void **state)
{
    struct scene *scene = *state;

    open_append(scene, 0, PHU_NS_PER_MS, 1);
    assert_int_equal(append(scene, "old\n"), 0);
    usleep(2000); /* a file's age is the kernel's, on the pool thread */
    assert_int_equal(append(scene, "new\n"), 0);
    check_file(scene, ".1", "old\n");
    check_file(scene, "", "new\n");
}

static void says_what_went_wrong_and_recovers(void **state)
{
    struct scene *scene = *state;
    char path[128];

    snprintf(path, sizeof path, "%s/new", scene->dir);
    fclose(fopen(path, "w"));
    open_append(scene, 0, 0, 0);
    assert_int_equal(append(scene, "lost?\n"), -ENOTDIR);
    unlink(path);
    assert_int_equal(append(scene, "found\n"), 0);
    check_file(scene, "", "found\n");
}

/* /dev/full takes the open and refuses the write; what is told must be the truth. */
static void a_full_disk_is_an_error(void **state)
{
    struct scene *scene = *state;

    strcpy(scene->path, "/dev/full");
    open_append(scene, 0, 0, 0);
    assert_true(append(scene, "x\n") < 0);
    assert_true(append(scene, "x\n") < 0);
}

static void no_callback_after_free(void **state)
{
    struct scene *scene = *state;

    open_append(scene, 0, 0, 0);
    assert_int_equal(phu_append_write(scene->append, "a\n", 2, done, scene), 0);
    assert_int_equal(phu_append_write(scene->append, "b\n", 2, done, scene), 0);
    phu_append_free(scene->append);
    scene->append = NULL;
    phu_sim_run(scene->sched, 0);
    assert_int_equal(scene->calls, 0);
    check_file(scene, "", "a\n"); /* had begun; the other had not */
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(makes_folders_and_appends_in_order),
        TEST(goes_on_with_a_file_that_is_there),
        TEST(rotates_by_size_and_keeps_so_many),
        TEST(a_write_larger_than_a_file_gets_its_own),
        TEST(rotates_by_age),
        TEST(says_what_went_wrong_and_recovers),
        TEST(a_full_disk_is_an_error),
        TEST(no_callback_after_free),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
