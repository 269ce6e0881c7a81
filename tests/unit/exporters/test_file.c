#include "phusong/conf.h"
#include "phusong/exporter.h"

#include "sim.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

extern const struct phu_exporter phu_exporter_file;

/* The head of the exporter's own struct, whose first option is the path. */
struct head {
    char *path;
};

struct scene {
    struct phu_sched *sched;
    void *conf, *self;
    char dir[64];
    int outcomes;
    enum phu_verdict verdict;
    char reason[128];
};

static int set_up(void **state)
{
    struct scene *scene = calloc(1, sizeof *scene);

    scene->sched = phu_sim_new(phu_sim_wall("2026-11-23T08:00:00Z"));
    strcpy(scene->dir, "/tmp/test_file_XXXXXX");
    assert_non_null(mkdtemp(scene->dir));
    *state = scene;
    return 0;
}

static int tear_down(void **state)
{
    struct scene *scene = *state;
    char command[128];

    if (scene->self)
        phu_exporter_file.close(scene->self);
    phu_sim_run(scene->sched, 0);
    phu_sim_free(scene->sched);
    phu_conf_free(phu_exporter_file.options, scene->conf);
    free(scene->conf);
    snprintf(command, sizeof command, "rm -r %s", scene->dir);
    assert_int_equal(system(command), 0);
    free(scene);
    return 0;
}

static void open_file(struct scene *scene, const char *name)
{
    struct phu_exporter_env env = {.sched = scene->sched, .name = "out"};
    char path[128];
    struct head *head;

    snprintf(path, sizeof path, "%s/%s", scene->dir, name);
    scene->conf = calloc(1, phu_exporter_file.options->size);
    assert_int_equal(phu_conf_defaults(phu_exporter_file.options, scene->conf), 0);
    assert_int_equal(phu_exporter_file.options->options[0].offset, 0);
    head = scene->conf;
    free(head->path);
    head->path = strdup(path);
    assert_int_equal(phu_exporter_file.open(&env, scene->conf, &scene->self), 0);
}

static void batch_done(void *arg, const struct phu_outcome *outcome)
{
    struct scene *scene = arg;

    scene->outcomes++;
    scene->verdict = outcome->verdict;
    snprintf(scene->reason, sizeof scene->reason, "%s", outcome->reason ? outcome->reason : "");
}

static void send_text(struct scene *scene, const char *text)
{
    struct phu_batch batch = {.body = text, .length = strlen(text), .line_count = 1};

    phu_exporter_file.send(scene->self, &batch, batch_done, scene);
}

static void stores_batches_in_order(void **state)
{
    struct scene *scene = *state;
    char path[128], text[64] = "";
    FILE *file;

    open_file(scene, "lines.lp");
    send_text(scene, "a b=1i 1\n");
    send_text(scene, "a b=2i 2\n");
    assert_int_equal(scene->outcomes, 0);
    phu_sim_run(scene->sched, 0);
    assert_int_equal(scene->outcomes, 2);
    assert_int_equal(scene->verdict, PHU_VERDICT_STORED);
    snprintf(path, sizeof path, "%s/lines.lp", scene->dir);
    file = fopen(path, "r");
    assert_non_null(file);
    assert_int_equal(fread(text, 1, sizeof text - 1, file), 18);
    fclose(file);
    assert_string_equal(text, "a b=1i 1\na b=2i 2\n");
}

static void a_file_that_cannot_be_written_is_tried_again(void **state)
{
    struct scene *scene = *state;
    char path[128];

    snprintf(path, sizeof path, "%s/not-a-folder", scene->dir);
    fclose(fopen(path, "w"));
    open_file(scene, "not-a-folder/lines.lp");
    send_text(scene, "a b=1i 1\n");
    phu_sim_run(scene->sched, 0);
    assert_int_equal(scene->verdict, PHU_VERDICT_RETRY);
    assert_non_null(strstr(scene->reason, ": Not a directory")); /* after the path */
    unlink(path);
    send_text(scene, "a b=1i 1\n");
    phu_sim_run(scene->sched, 0);
    assert_int_equal(scene->verdict, PHU_VERDICT_STORED);
}

static void closing_drops_what_is_under_way(void **state)
{
    struct scene *scene = *state;

    open_file(scene, "lines.lp");
    send_text(scene, "a b=1i 1\n");
    send_text(scene, "a b=2i 2\n");
    phu_exporter_file.close(scene->self);
    scene->self = NULL;
    phu_sim_run(scene->sched, 0);
    assert_int_equal(scene->outcomes, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(stores_batches_in_order),
        TEST(a_file_that_cannot_be_written_is_tried_again),
        TEST(closing_drops_what_is_under_way),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
