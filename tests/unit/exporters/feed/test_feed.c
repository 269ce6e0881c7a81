/* The feed under a virtual clock, between a spool in memory and a destination that misbehaves. */
#include "feed.h"

#include "fake_spool.h"
#include "phusong/exporter.h"
#include "phusong/log.h"
#include "phusong/stats.h"
#include "sim.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define S PHU_NS_PER_S
#define IN_FLIGHT_MAX 16
#define DEAD_MAX (1 << 20)

struct call {
    struct phu_timer timer;
    struct scene *scene;
    const struct phu_batch *batch;
    phu_batch_done_cb *done;
    void *arg;
    bool is_used;
};

struct scene {
    struct phu_sched *sched;
    struct phu_stats *stats;
    struct phu_spool *spool;
    struct phu_feed *feed;
    struct phu_feed_conf conf;
    char dir[64];
    /* How the destination behaves. */
    int status; /* of every answer; 204: by the rules below */
    int64_t latency_ns, retry_after_ns;
    size_t max_bytes; /* 413 above it; 0: never */
    bool is_partial;  /* a 400 stores the good lines */
    double mishap;    /* share of requests that fail at random */
    struct phu_chance chance;
    /* What it saw. */
    struct call calls[IN_FLIGHT_MAX];
    unsigned in_flight, most_in_flight, requests, too_large;
    size_t largest, most_lines;
    uint64_t live_bytes, backfill_bytes;
    struct phu_mono last, longest_gap_from, closest;
    int64_t longest_gap, shortest_gap;
    unsigned *stored; /* by the line's number */
    size_t stored_size;
    size_t live_stored, backfill_stored;
};

/* -- The destination: "x n=NUMBER…" is stored under its number; "bad" in a line is refused. */

static void store(struct scene *scene, const char *line)
{
    const char *digits = strstr(line, "n=");
    size_t number = digits ? strtoul(digits + 2, NULL, 10) : 0;

    assert_non_null(digits);
    assert_true(number < scene->stored_size);
    scene->stored[number]++;
}

static bool is_bad(const char *line)
{
    return strncmp(line, "x,tag=bad", 9) == 0;
}

static int take_lines(struct scene *scene, const struct phu_batch *batch)
{
    const char *end = batch->body + batch->length;
    size_t bad = 0, lines = 0;

    for (const char *line = batch->body; line < end; line = strchr(line, '\n') + 1) {
        bad += is_bad(line);
        lines++;
    }
    assert_int_equal(lines, batch->line_count);
    if (bad > 0 && !scene->is_partial)
        return 400;
    for (const char *line = batch->body; line < end; line = strchr(line, '\n') + 1) {
        if (!is_bad(line))
            store(scene, line);
    }
    *(batch->is_backfill ? &scene->backfill_stored : &scene->live_stored) += lines - bad;
    *(batch->is_backfill ? &scene->backfill_bytes : &scene->live_bytes) += batch->length;
    return bad > 0 ? 400 : 204;
}

static enum phu_verdict verdict_of(int status)
{
    switch (status) {
    case 204:
        return PHU_VERDICT_STORED;
    case 400:
        return PHU_VERDICT_REFUSED;
    case 401:
        return PHU_VERDICT_UNAUTHORIZED;
    case 413:
        return PHU_VERDICT_TOO_LARGE;
    }
    return PHU_VERDICT_RETRY;
}

static int mishap(struct scene *scene, const struct phu_batch *batch)
{
    switch (phu_chance_next(&scene->chance) % 4) {
    case 0:
        take_lines(scene, batch); /* stored, but the answer is lost */
        return 0;
    case 1:
        return 401;
    case 2:
        return 503;
    }
    return 0;
}

static void answer(struct phu_timer *timer)
{
    struct call *call = phu_container_of(timer, struct call, timer);
    struct scene *scene = call->scene;
    int status = scene->status;

    if (status == 204 && phu_chance_share(&scene->chance) < scene->mishap)
        status = mishap(scene, call->batch);
    else if (status == 204 && scene->max_bytes && call->batch->length > scene->max_bytes)
        status = 413;
    else if (status == 204)
        status = take_lines(scene, call->batch);
    scene->too_large += status == 413;
    scene->in_flight--;
    call->is_used = false;
    call->done(call->arg, &(struct phu_outcome){.verdict = verdict_of(status),
                                                .status = status,
                                                .retry_after_ns = scene->retry_after_ns,
                                                .reason = "the server's \"own\" words"});
}

static int fake_open(const struct phu_exporter_env *env, const void *options, void **self)
{
    (void)env;
    *self = (void *)(uintptr_t)options;
    return 0;
}

static void fake_close(void *self)
{
    struct scene *scene = self;

    for (size_t i = 0; i < IN_FLIGHT_MAX; i++) {
        if (scene->calls[i].is_used)
            phu_timer_cancel(scene->sched, &scene->calls[i].timer);
        scene->calls[i].is_used = false;
    }
    scene->in_flight = 0;
}

static void note_request(struct scene *scene, const struct phu_batch *batch)
{
    int64_t gap = phu_mono_since(phu_sched_now(scene->sched), scene->last);

    scene->requests++;
    scene->in_flight++;
    if (scene->in_flight > scene->most_in_flight)
        scene->most_in_flight = scene->in_flight;
    if (batch->length > scene->largest)
        scene->largest = batch->length;
    if (batch->line_count > scene->most_lines)
        scene->most_lines = batch->line_count;
    if (scene->last.ns && gap > scene->longest_gap)
        scene->longest_gap = gap;
    if (scene->last.ns && gap < scene->shortest_gap)
        scene->shortest_gap = gap;
    scene->last = phu_sched_now(scene->sched);
}

static void fake_send(void *self, const struct phu_batch *batch, phu_batch_done_cb *done, void *arg)
{
    struct scene *scene = self;
    struct call *call = scene->calls;

    while (call->is_used)
        call++;
    *call =
        (struct call){.scene = scene, .batch = batch, .done = done, .arg = arg, .is_used = true};
    note_request(scene, batch);
    phu_timer_init(&call->timer, answer);
    if (scene->latency_ns == 0)
        answer(&call->timer);
    else
        phu_timer_after(scene->sched, &call->timer, scene->latency_ns);
}

static const struct phu_exporter fake_exporter = {
    .name = "fake", .open = fake_open, .close = fake_close, .send = fake_send};

/* -- The scene -------------------------------------------------------------------------------- */

static void open_feed(struct scene *scene)
{
    struct phu_feed_env env = {.sched = scene->sched,
                               .stats = scene->stats,
                               .spool = scene->spool,
                               .agent = "a",
                               .name = "central",
                               .dead_letter_dir = scene->dir,
                               .seed = phu_chance_next(&scene->chance) | 1};

    assert_int_equal(phu_feed_open(&env, &scene->conf, &fake_exporter, scene, &scene->feed), 0);
}

static struct scene *new_scene(uint64_t seed)
{
    struct scene *scene = calloc(1, sizeof *scene);

    phu_log_set_level(PHU_LOG_ERROR);
    scene->sched = phu_sim_new(phu_sim_wall("2026-11-23T08:00:00Z"));
    scene->stats = phu_stats_new();
    scene->spool = fake_spool_new();
    scene->conf = (struct phu_feed_conf){.batch_lines = 5000,
                                         .batch_bytes = 1 << 20,
                                         .batch_age_ns = 1 * S,
                                         .concurrency = 2,
                                         .retry_min_ns = 1 * S,
                                         .retry_max_ns = 300 * S,
                                         .hold_retry_ns = 60 * S,
                                         .live_after_ns = 600 * S,
                                         .backfill_share = 0.25,
                                         .split_requests = 1000,
                                         .dead_letter_bytes = 1 << 20};
    scene->status = 204;
    scene->latency_ns = PHU_NS_PER_S / 100;
    phu_chance_init(&scene->chance, seed);
    /* In memory where there is such a place: syncing is not what is tested here. */
    strcpy(scene->dir,
           access("/dev/shm", W_OK) == 0 ? "/dev/shm/test_feed_XXXXXX" : "/tmp/test_feed_XXXXXX");
    assert_non_null(mkdtemp(scene->dir));
    scene->shortest_gap = INT64_MAX;
    return scene;
}

static void forget_gaps(struct scene *scene)
{
    scene->last.ns = 0;
    scene->longest_gap = 0;
    scene->shortest_gap = INT64_MAX;
    scene->requests = 0;
}

static void put(struct scene *scene, const char *tag, int64_t age_ns)
{
    struct phu_wall now = phu_sched_wall(scene->sched);
    size_t number = fake_spool_count(scene->spool);
    char line[128];

    snprintf(line, sizeof line, "x,tag=%s n=%zu,padding=\"......................\" 1", tag, number);
    if (number >= scene->stored_size) {
        size_t size = scene->stored_size ? 2 * scene->stored_size : 1024;

        scene->stored = realloc(scene->stored, size * sizeof *scene->stored);
        memset(scene->stored + scene->stored_size, 0,
               (size - scene->stored_size) * sizeof *scene->stored);
        scene->stored_size = size;
    }
    fake_spool_put(scene->spool, line, (struct phu_wall){now.ns - age_ns});
}

static void put_many(struct scene *scene, size_t count)
{
    while (count-- > 0)
        put(scene, "good", 0);
}

static char *dead_letters(const struct scene *scene)
{
    char path[128], *text = calloc(1, DEAD_MAX);
    size_t used = 0;

    for (int i = 3; i >= 0; i--) {
        FILE *file;

        snprintf(path, sizeof path, i ? "%s/central/refused.lp.%d" : "%s/central/refused.lp",
                 scene->dir, i);
        file = fopen(path, "r");
        if (file) {
            used += fread(text + used, 1, DEAD_MAX - 1 - used, file);
            fclose(file);
        }
    }
    return text;
}

static size_t count_text(const char *text, const char *what)
{
    size_t count = 0;

    while ((text = strstr(text, what))) {
        count++;
        text++;
    }
    return count;
}

/* Each line is stored, or lies in the dead-letter file exactly when it is bad. */
static void check_all_settled(struct scene *scene, bool is_once)
{
    char *dead = dead_letters(scene);
    size_t count = fake_spool_count(scene->spool), bad = 0;

    assert_int_equal(fake_spool_acked(scene->spool), count);
    for (size_t i = 0; i < count; i++) {
        const char *line = fake_spool_line(scene->spool, i);

        if (is_bad(line)) {
            bad++;
            assert_non_null(strstr(dead, line));
            assert_int_equal(scene->stored[i], 0);
        } else {
            assert_true(scene->stored[i] >= 1);
            assert_true(!is_once || scene->stored[i] == 1);
        }
    }
    assert_int_equal(count_text(dead, "\nx,tag=good"), 0);
    assert_int_equal(count_text(dead, "\nx,tag=bad"), bad);
    free(dead);
}

struct sought {
    const char *name, *label;
    double value;
    bool is_found;
};

static void seek(void *arg, const struct phu_stat_info *info, const char *labels, double value)
{
    struct sought *sought = arg;

    if (strcmp(info->name, sought->name) == 0 &&
        (!sought->label || strstr(labels, sought->label))) {
        sought->value = value;
        sought->is_found = true;
    }
}

static double stat_value(const struct scene *scene, const char *name, const char *label)
{
    struct sought sought = {.name = name, .label = label};

    phu_stats_visit(scene->stats, seek, &sought);
    assert_true(sought.is_found);
    return sought.value;
}

static void end_scene(struct scene *scene)
{
    char command[128];

    phu_feed_close(scene->feed);
    phu_sim_run(scene->sched, 0);
    fake_spool_free(scene->spool);
    phu_stats_free(scene->stats);
    phu_sim_free(scene->sched);
    snprintf(command, sizeof command, "rm -r %s", scene->dir);
    assert_int_equal(system(command), 0);
    free(scene->stored);
    free(scene);
}

/* -- Batches ---------------------------------------------------------------------------------- */

static void keeps_batches_within_their_bounds(void **state)
{
    struct scene *scene = new_scene(1);

    (void)state;
    scene->conf.batch_lines = 100;
    put_many(scene, 1050);
    open_feed(scene);
    phu_sim_run(scene->sched, 10 * S);
    check_all_settled(scene, true);
    assert_int_equal(scene->requests, 11);
    assert_int_equal(scene->most_lines, 100);
    assert_int_equal(scene->most_in_flight, 2);
    assert_true(stat_value(scene, "phusong_exporter_lines_sent_total", NULL) == 1050);
    assert_true(stat_value(scene, "phusong_exporter_requests_total", "code=\"204\"") == 11);
    assert_true(stat_value(scene, "phusong_exporter_lag_live_bytes", NULL) == 0);
    end_scene(scene);

    scene = new_scene(1);
    scene->conf.batch_bytes = 1024;
    scene->conf.concurrency = 5;
    put_many(scene, 1000);
    open_feed(scene);
    phu_sim_run(scene->sched, 10 * S);
    check_all_settled(scene, true);
    assert_true(scene->largest <= 1024 && scene->largest > 900);
    assert_int_equal(scene->most_in_flight, 5);
    end_scene(scene);
}

static void waits_for_a_batch_to_fill_but_not_longer_than_its_age(void **state)
{
    struct scene *scene = new_scene(1);

    (void)state;
    scene->conf.batch_age_ns = 10 * S;
    scene->conf.batch_bytes = 16384;
    open_feed(scene);
    for (int i = 0; i < 8; i++) {
        put_many(scene, 5);
        phu_sim_run(scene->sched, 1 * S);
    }
    assert_int_equal(scene->requests, 0);
    phu_sim_run(scene->sched, 3 * S);
    assert_int_equal(scene->requests, 1);
    check_all_settled(scene, true);
    put_many(scene, 16384 / 40);
    phu_sim_run(scene->sched, 3 * S); /* full: not the whole age */
    assert_true(scene->requests >= 2);
    end_scene(scene);
}

static void an_event_does_not_wait_for_its_batch(void **state)
{
    struct scene *scene = new_scene(1);

    (void)state;
    scene->conf.batch_lines = 100;
    scene->conf.batch_age_ns = 10 * S;
    open_feed(scene);
    put(scene, "ok", 0);
    phu_sim_run(scene->sched, S);
    assert_int_equal(scene->requests, 0);
    put(scene, "ok", 0);
    phu_feed_hurry(scene->feed);
    phu_sim_run(scene->sched, 10 * PHU_NS_PER_MS);
    assert_int_equal(scene->requests, 1); /* with what waited before it */
    phu_sim_run(scene->sched, S);
    assert_int_equal(fake_spool_acked(scene->spool), 2);
    phu_feed_hurry(scene->feed); /* nothing is there to be hurried */
    phu_sim_run(scene->sched, S);
    put(scene, "ok", 0); /* and later lines wait as ever */
    phu_sim_run(scene->sched, 5 * S);
    assert_int_equal(scene->requests, 1);
    phu_sim_run(scene->sched, 6 * S);
    assert_int_equal(scene->requests, 2);
    check_all_settled(scene, true);
    end_scene(scene);
}

static void works_when_answers_come_at_once(void **state)
{
    struct scene *scene = new_scene(1);

    (void)state;
    scene->latency_ns = 0;
    scene->conf.batch_age_ns = 0;
    scene->conf.batch_lines = 10;
    open_feed(scene);
    for (int i = 0; i < 100; i++) {
        put(scene, i % 7 == 3 ? "bad" : "good", 0);
        if (i % 10 == 0)
            phu_sim_run(scene->sched, PHU_NS_PER_S / 10);
    }
    phu_sim_run(scene->sched, 10 * S);
    check_all_settled(scene, true);
    end_scene(scene);
}

/* -- Trouble ---------------------------------------------------------------------------------- */

static void backs_off_alone_while_the_destination_is_down(void **state)
{
    struct scene *scene = new_scene(1);

    (void)state;
    put_many(scene, 3000);
    scene->status = 0;
    open_feed(scene);
    phu_sim_run(scene->sched, 20 * S);
    forget_gaps(scene);
    scene->most_in_flight = 0;
    phu_sim_run(scene->sched, 6 * 3600 * S);
    assert_int_equal(scene->most_in_flight, 1);
    assert_true(scene->longest_gap <= 301 * S);
    assert_in_range(scene->requests, 6 * 3600 / 300, 6 * 3600 / 50);
    assert_true(stat_value(scene, "phusong_exporter_up", NULL) == 0);
    assert_true(stat_value(scene, "phusong_exporter_backoff_seconds", NULL) > 0);
    scene->status = 204;
    phu_sim_run(scene->sched, 400 * S);
    check_all_settled(scene, true);
    assert_true(stat_value(scene, "phusong_exporter_up", NULL) == 1);
    assert_true(stat_value(scene, "phusong_exporter_backoff_seconds", NULL) == 0);
    end_scene(scene);
}

static void asks_no_sooner_than_it_was_told(void **state)
{
    struct scene *scene = new_scene(1);

    (void)state;
    put_many(scene, 100);
    scene->status = 429;
    scene->retry_after_ns = 120 * S;
    open_feed(scene);
    phu_sim_run(scene->sched, 3600 * S);
    assert_true(scene->shortest_gap >= 120 * S);
    assert_true(scene->requests >= 20);
    end_scene(scene);
}

static void halves_what_is_too_large_and_remembers(void **state)
{
    struct scene *scene = new_scene(1);

    (void)state;
    scene->max_bytes = 20000;
    put_many(scene, 3000);
    open_feed(scene);
    phu_sim_run(scene->sched, 60 * S);
    check_all_settled(scene, true);
    assert_true(scene->too_large >= 3 && scene->too_large <= 12);
    assert_true(scene->requests < 2 * 3000 * 60 / 16384 + 20);
    end_scene(scene);
}

static void a_single_line_too_large_is_set_aside(void **state)
{
    struct scene *scene = new_scene(1);
    char *dead;

    (void)state;
    scene->max_bytes = 10;
    put_many(scene, 3);
    open_feed(scene);
    phu_sim_run(scene->sched, 60 * S);
    dead = dead_letters(scene);
    assert_int_equal(count_text(dead, "\nx,tag=good"), 3);
    assert_int_equal(count_text(dead, "status=413"), 1);
    assert_int_equal(fake_spool_acked(scene->spool), 3);
    free(dead);
    end_scene(scene);
}

/* A thin uplink: requests that are too large for it time out; smaller ones get through. */
static void sends_less_at_once_through_a_thin_uplink(void **state)
{
    struct scene *scene = new_scene(1);

    (void)state;
    put_many(scene, 3000);
    scene->conf.concurrency = 1;
    scene->status = 0;
    open_feed(scene);
    while (scene->largest == 0 || scene->calls[0].is_used == false ||
           scene->calls[0].batch->length > 100000)
        phu_sim_run(scene->sched, S / 200);
    scene->status = 204;
    phu_sim_run(scene->sched, 400 * S);
    check_all_settled(scene, true);
    end_scene(scene);
}

/* -- Refused lines ---------------------------------------------------------------------------- */

static void sets_aside_just_the_refused_lines(void **state)
{
    uint64_t seed = phu_sim_seed();

    (void)state;
    for (uint64_t round = 0; round < 8; round++) {
        struct scene *scene = new_scene(seed + round);
        double share = round % 4 == 0 ? 0.3 : 0.005;

        scene->is_partial = round % 2;
        scene->conf.batch_lines = 1 + (int64_t)(phu_chance_next(&scene->chance) % 1000);
        scene->conf.concurrency = 1 + (int64_t)(round % 4);
        open_feed(scene);
        for (int i = 0; i < 700; i++)
            put(scene, phu_chance_share(&scene->chance) < share ? "bad" : "good", 0);
        phu_sim_run(scene->sched, 3600 * S);
        check_all_settled(scene, !scene->is_partial);
        end_scene(scene);
    }
}

static void dead_letters_carry_time_status_and_words(void **state)
{
    struct scene *scene = new_scene(1);
    char *dead;

    (void)state;
    put_many(scene, 10);
    put(scene, "bad", 0);
    put(scene, "bad", 0);
    put_many(scene, 10);
    open_feed(scene);
    phu_sim_run(scene->sched, 10 * S);
    dead = dead_letters(scene);
    assert_non_null(strstr(dead, "# time=2026-11-23T08:00:0"));
    assert_non_null(strstr(dead, "status=400 reason=\"the server's 'own' words\"\nx,tag=bad"));
    assert_int_equal(count_text(dead, "#"), 1); /* one heading for the same words */
    assert_true(stat_value(scene, "phusong_exporter_dead_letter_lines_total", NULL) == 2);
    free(dead);
    end_scene(scene);
}

static void the_search_for_refused_lines_is_bounded(void **state)
{
    struct scene *scene = new_scene(1);
    char *dead;

    (void)state;
    scene->conf.split_requests = 50;
    for (int i = 0; i < 4000; i++)
        put(scene, i % 2 ? "bad" : "good", 0);
    open_feed(scene);
    phu_sim_run(scene->sched, 60 * S);
    assert_int_equal(fake_spool_acked(scene->spool), 4000);
    assert_true(scene->requests < 200);
    dead = dead_letters(scene);
    assert_int_equal(count_text(dead, "\nx,tag=bad"), 2000);
    assert_non_null(strstr(dead, " undivided "));
    free(dead);
    end_scene(scene);
}

static void an_unwritable_dead_letter_file_keeps_the_batch(void **state)
{
    struct scene *scene = new_scene(1);
    char path[128];

    (void)state;
    snprintf(path, sizeof path, "%s/central", scene->dir);
    fclose(fopen(path, "w")); /* a file where the folder should be */
    phu_log_set_level(PHU_LOG_ERROR);
    put_many(scene, 5);
    put(scene, "bad", 0);
    open_feed(scene);
    phu_sim_run(scene->sched, 300 * S);
    assert_int_equal(fake_spool_acked(scene->spool), 0);
    put_many(scene, 5);
    phu_sim_run(scene->sched, 5 * S);
    assert_int_equal(fake_spool_acked(scene->spool), 5); /* the others go on */
    unlink(path);
    phu_sim_run(scene->sched, 20 * S);
    check_all_settled(scene, true);
    end_scene(scene);
}

/* -- Holding ---------------------------------------------------------------------------------- */

static void holds_everything_while_it_is_not_accepted(void **state)
{
    struct scene *scene = new_scene(1);

    (void)state;
    put_many(scene, 100);
    scene->status = 401;
    open_feed(scene);
    phu_sim_run(scene->sched, 3600 * S);
    assert_in_range(scene->requests, 55, 130); /* 30 to 60 s apart */
    assert_true(stat_value(scene, "phusong_exporter_held", NULL) == 1);
    assert_int_equal(fake_spool_acked(scene->spool), 0);
    scene->status = 204;
    phu_sim_run(scene->sched, 61 * S);
    assert_true(stat_value(scene, "phusong_exporter_held", NULL) == 0);
    phu_sim_run(scene->sched, 10 * S);
    check_all_settled(scene, true);
    end_scene(scene);
}

/* Say, a proxy that answers 400 to whatever comes: no line is to blame. */
static void a_destination_that_refuses_everything_costs_few_lines(void **state)
{
    struct scene *scene = new_scene(1);

    (void)state;
    put_many(scene, 3000);
    scene->status = 400;
    open_feed(scene);
    phu_sim_run(scene->sched, 600 * S);
    assert_true(stat_value(scene, "phusong_exporter_held", NULL) == 1);
    assert_true(scene->requests < 120);
    scene->status = 204;
    phu_sim_run(scene->sched, 120 * S);
    assert_true(stat_value(scene, "phusong_exporter_held", NULL) == 0);
    assert_int_equal(fake_spool_acked(scene->spool), 3000);
    assert_true(stat_value(scene, "phusong_exporter_lines_sent_total", NULL) > 2950);
    assert_true(stat_value(scene, "phusong_exporter_lines_sent_total", NULL) +
                    stat_value(scene, "phusong_exporter_dead_letter_lines_total", NULL) ==
                3000);
    end_scene(scene);
}

static void so_does_one_that_finds_everything_too_large(void **state)
{
    struct scene *scene = new_scene(1);

    (void)state;
    put_many(scene, 3000);
    scene->status = 413;
    open_feed(scene);
    phu_sim_run(scene->sched, 600 * S);
    assert_true(stat_value(scene, "phusong_exporter_held", NULL) == 1);
    assert_true(scene->requests < 120);
    scene->status = 204;
    phu_sim_run(scene->sched, 1200 * S);
    assert_true(stat_value(scene, "phusong_exporter_held", NULL) == 0);
    assert_true(stat_value(scene, "phusong_exporter_lines_sent_total", NULL) > 2950);
    end_scene(scene);
}

static void a_long_run_of_bad_lines_does_not_hold_the_rest(void **state)
{
    struct scene *scene = new_scene(1);

    (void)state;
    put_many(scene, 3000);
    for (int i = 0; i < 300; i++)
        put(scene, "bad", 0);
    put_many(scene, 100);
    open_feed(scene);
    phu_sim_run(scene->sched, 60 * S);
    check_all_settled(scene, true);
    end_scene(scene);
}

/* -- Live data first -------------------------------------------------------------------------- */

static void live_data_go_first_after_a_long_outage(void **state)
{
    struct scene *scene = new_scene(1);
    size_t backlog, live;

    (void)state;
    scene->conf.batch_lines = 100;
    scene->status = 0;
    open_feed(scene);
    for (int i = 0; i < 360; i++) {
        put_many(scene, 100);
        phu_sim_run(scene->sched, 10 * S);
    }
    scene->status = 204;
    scene->latency_ns = S; /* one request a second and slot: the backlog takes minutes */
    while (scene->requests == 0 || stat_value(scene, "phusong_exporter_up", NULL) == 0)
        phu_sim_run(scene->sched, 1 * S);
    backlog = fake_spool_count(scene->spool);
    live = scene->live_stored;
    for (int i = 0; i < 30; i++) {
        put_many(scene, 100);
        phu_sim_run(scene->sched, 10 * S);
        /* Each arrives within seconds, in front of the backlog. */
        assert_true(scene->stored[fake_spool_count(scene->spool) - 1] == 1);
    }
    assert_int_equal(scene->live_stored - live, 3000);
    assert_true(scene->backfill_stored > 5000); /* beside them, at full speed when live is idle */
    assert_true(fake_spool_acked(scene->spool) < backlog);
    assert_true(stat_value(scene, "phusong_exporter_live_first_total", NULL) == 1);
    phu_sim_run(scene->sched, 600 * S);
    check_all_settled(scene, true);
    end_scene(scene);
}

/* When live data alone could fill the uplink, the backlog gets its share and no more. */
static void the_backlog_gets_its_share_beside_live_data(void **state)
{
    static const double shares[] = {0.1, 0.25, 0.5, 0.8};
    static const int64_t slots[] = {2, 2, 4, 8};

    (void)state;
    for (size_t i = 0; i < sizeof shares / sizeof *shares; i++) {
        struct scene *scene = new_scene(1);
        double share;

        scene->conf.batch_lines = 10;
        scene->conf.backfill_share = shares[i];
        scene->conf.concurrency = slots[i];
        scene->status = 0;
        put_many(scene, 3300);
        open_feed(scene);
        phu_sim_run(scene->sched, 700 * S);
        scene->status = 204;
        scene->latency_ns = S / 2;
        while (stat_value(scene, "phusong_exporter_up", NULL) == 0)
            phu_sim_run(scene->sched, 1 * S);
        put_many(scene, 3300);
        phu_sim_run(scene->sched, 2 * S);
        scene->live_bytes = scene->backfill_bytes = 0;
        phu_sim_run(scene->sched, 20 * S);
        share = (double)scene->backfill_bytes / (double)(scene->backfill_bytes + scene->live_bytes);
        assert_true(share > shares[i] - 0.03);
        assert_true(share < shares[i] + 0.03);
        phu_sim_run(scene->sched, 600 * S);
        check_all_settled(scene, true);
        end_scene(scene);
    }
}

static void live_data_go_first_after_the_agent_itself_was_away(void **state)
{
    struct scene *scene = new_scene(1);

    (void)state;
    scene->conf.batch_lines = 100;
    scene->conf.batch_bytes = 8192;
    scene->latency_ns = S;
    for (int i = 0; i < 20000; i++)
        put(scene, "good", 86400 * S);
    open_feed(scene);
    phu_sim_run(scene->sched, 5 * S);
    put_many(scene, 10);
    phu_sim_run(scene->sched, 5 * S);
    assert_int_equal(scene->stored[20009], 1);
    assert_true(fake_spool_acked(scene->spool) < 2000);
    phu_sim_run(scene->sched, 600 * S);
    check_all_settled(scene, true);
    end_scene(scene);
}

/* -- All at once ------------------------------------------------------------------------------ */

static void drops_what_is_in_flight_when_closed_and_sends_it_again(void **state)
{
    struct scene *scene = new_scene(1);

    (void)state;
    scene->latency_ns = 10 * S;
    put_many(scene, 100);
    open_feed(scene);
    phu_sim_run(scene->sched, 5 * S);
    assert_int_equal(scene->in_flight, 1);
    phu_feed_close(scene->feed);
    assert_int_equal(fake_spool_acked(scene->spool), 0);
    open_feed(scene);
    phu_sim_run(scene->sched, 30 * S);
    check_all_settled(scene, true);
    end_scene(scene);
}

static void settles_every_line_whatever_happens(void **state)
{
    uint64_t seed = phu_sim_seed();

    (void)state;
    for (uint64_t round = 0; round < 8; round++) {
        struct scene *scene = new_scene(seed + round);

        scene->is_partial = round % 2;
        scene->mishap = 0.3;
        scene->max_bytes = round % 3 == 0 ? 3000 : 0;
        scene->conf.batch_lines = 200;
        scene->conf.hold_retry_ns = 10 * S;
        scene->conf.retry_max_ns = 20 * S;
        scene->conf.live_after_ns = 30 * S;
        scene->conf.concurrency = 1 + (int64_t)(round % 5);
        open_feed(scene);
        phu_log_set_level((enum phu_log_level) - 1);
        for (int i = 0; i < 800; i++) {
            put(scene, phu_chance_share(&scene->chance) < 0.01 ? "bad" : "good", 0);
            if (phu_chance_share(&scene->chance) < 0.02)
                phu_sim_run(scene->sched, phu_chance_between(&scene->chance, 0, 10 * S));
            if (phu_chance_share(&scene->chance) < 0.005) {
                phu_feed_close(scene->feed);
                phu_sim_run(scene->sched, 0);
                open_feed(scene);
            }
        }
        scene->mishap = 0;
        phu_sim_run(scene->sched, 3600 * S);
        assert_int_equal(fake_spool_acked(scene->spool), 800);
        for (size_t i = 0; i < 800; i++)
            assert_true(is_bad(fake_spool_line(scene->spool, i)) || scene->stored[i] >= 1);
        end_scene(scene);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keeps_batches_within_their_bounds),
        cmocka_unit_test(waits_for_a_batch_to_fill_but_not_longer_than_its_age),
        cmocka_unit_test(an_event_does_not_wait_for_its_batch),
        cmocka_unit_test(works_when_answers_come_at_once),
        cmocka_unit_test(backs_off_alone_while_the_destination_is_down),
        cmocka_unit_test(asks_no_sooner_than_it_was_told),
        cmocka_unit_test(halves_what_is_too_large_and_remembers),
        cmocka_unit_test(a_single_line_too_large_is_set_aside),
        cmocka_unit_test(sends_less_at_once_through_a_thin_uplink),
        cmocka_unit_test(sets_aside_just_the_refused_lines),
        cmocka_unit_test(dead_letters_carry_time_status_and_words),
        cmocka_unit_test(the_search_for_refused_lines_is_bounded),
        cmocka_unit_test(an_unwritable_dead_letter_file_keeps_the_batch),
        cmocka_unit_test(holds_everything_while_it_is_not_accepted),
        cmocka_unit_test(a_destination_that_refuses_everything_costs_few_lines),
        cmocka_unit_test(so_does_one_that_finds_everything_too_large),
        cmocka_unit_test(a_long_run_of_bad_lines_does_not_hold_the_rest),
        cmocka_unit_test(live_data_go_first_after_a_long_outage),
        cmocka_unit_test(the_backlog_gets_its_share_beside_live_data),
        cmocka_unit_test(live_data_go_first_after_the_agent_itself_was_away),
        cmocka_unit_test(drops_what_is_in_flight_when_closed_and_sends_it_again),
        cmocka_unit_test(settles_every_line_whatever_happens),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
