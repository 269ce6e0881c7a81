/* A spool in a folder of its own under the virtual clock, and what tests do with it. */
#pragma once

#include "sim.h"

#include "phusong/spool.h"
#include "phusong/stats.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct fixture {
    char dir[64];
    struct phu_sched *sched;
    struct phu_stats *stats;
    struct phu_spool *spool;
    struct phu_spool_reader *reader;
    struct phu_spool_conf conf;
    unsigned ready_count;
    uint64_t put_count;
};

static inline void count_ready(void *arg)
{
    ((struct fixture *)arg)->ready_count++;
}

static inline void remove_tree(const char *path)
{
    DIR *dir = opendir(path);
    struct dirent *entry;

    while (dir && (entry = readdir(dir))) {
        char child[512];
        int length;

        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        length = snprintf(child, sizeof child, "%s/%s", path, entry->d_name);
        assert_in_range(length, 1, sizeof child - 1);
        if (unlink(child) != 0)
            remove_tree(child);
    }
    if (dir)
        closedir(dir);
    rmdir(path);
}

static inline int fixture_setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);

    if (!fixture)
        return -1;
    /* In memory where possible: what is tested is the logic, not how fast a disk syncs. */
    strcpy(fixture->dir, "/dev/shm/phu-spool-XXXXXX");
    if (!mkdtemp(fixture->dir)) {
        strcpy(fixture->dir, "/tmp/phu-spool-XXXXXX");
        if (!mkdtemp(fixture->dir))
            return -1;
    }
    fixture->sched = phu_sim_new(phu_sim_wall("2026-11-23T08:00:00Z"));
    fixture->stats = phu_stats_new();
    fixture->conf = (struct phu_spool_conf){
        .dir = fixture->dir,
        .segment_bytes = 64 * 1024,
        .max_bytes = INT64_C(1) << 30,
        .max_age_ns = INT64_C(30) * 86400 * PHU_NS_PER_S,
        .sync_interval_ns = PHU_NS_PER_S,
        .sync_bytes = 256 * 1024,
        .buffer_bytes = 4 * 1024 * 1024,
    };
    *state = fixture;
    return 0;
}

static inline void fixture_close(struct fixture *fixture)
{
    if (fixture->reader)
        phu_spool_reader_close(fixture->reader);
    fixture->reader = NULL;
    phu_spool_close(fixture->spool);
    fixture->spool = NULL;
    phu_sim_run(fixture->sched, PHU_NS_PER_MS);
}

static inline int fixture_teardown(void **state)
{
    struct fixture *fixture = *state;

    fixture_close(fixture);
    phu_stats_free(fixture->stats);
    phu_sim_free(fixture->sched);
    remove_tree(fixture->dir);
    free(fixture);
    return 0;
}

static inline void fixture_open(struct fixture *fixture, const char *reader)
{
    assert_int_equal(
        phu_spool_open(fixture->sched, &fixture->conf, fixture->stats, &fixture->spool), 0);
    if (reader)
        assert_int_equal(
            phu_spool_reader_open(fixture->spool, reader, count_ready, fixture, &fixture->reader),
            0);
}

static inline void fixture_reopen(struct fixture *fixture, const char *reader)
{
    fixture_close(fixture);
    fixture_open(fixture, reader);
}

/* "m,n=<number> v=1i <ns>\n", padded to `size` bytes when that is longer. */
static inline size_t line_of(char *line, size_t size, uint64_t number)
{
    int length = snprintf(line, 64, "m,n=%08llu,p=", (unsigned long long)number);

    while ((size_t)length + 9 < size)
        line[length++] = 'x';
    strcpy(line + length, "x v=1i 1\n");
    return (size_t)length + 9;
}

static inline int put_line(struct fixture *fixture, size_t size)
{
    static char line[70000];
    size_t length = line_of(line, size, fixture->put_count);
    int error = phu_spool_put(fixture->spool, line, length, phu_sched_wall(fixture->sched));

    if (!error)
        fixture->put_count++;
    return error;
}

static inline void put_lines(struct fixture *fixture, size_t count, size_t size)
{
    while (count--)
        assert_int_equal(put_line(fixture, size), 0);
}

static inline void settle_for(struct fixture *fixture, int64_t ns)
{
    phu_sim_run(fixture->sched, ns);
}

static inline uint64_t number_of(const char *line)
{
    return strtoull(line + 4, NULL, 10);
}

/* Reads until the lane is empty and acknowledges; each line must be a whole one of ours. Marks
 * seen[number]; returns how many lines came. */
static inline size_t drain(struct fixture *fixture, enum phu_spool_lane lane, unsigned char *seen,
                           size_t capacity)
{
    struct phu_span span;
    size_t total = 0;

    while (phu_spool_reader_next(fixture->reader, lane, 1000, 100000, &span) == 0) {
        const char *line = span.body, *end = span.body + span.length;
        size_t count = 0;

        while (line < end) {
            const char *newline = memchr(line, '\n', (size_t)(end - line));
            uint64_t number = number_of(line);

            assert_non_null(newline);
            assert_memory_equal(line, "m,n=", 4);
            assert_memory_equal(newline - 6, "v=1i 1", 6);
            if (seen) {
                assert_true(number < capacity);
                seen[number]++;
            }
            line = newline + 1;
            count++;
        }
        assert_int_equal(count, span.line_count);
        total += count;
        phu_spool_reader_ack(fixture->reader, &span);
    }
    return total;
}

struct stat_query {
    const char *name, *labels;
    double value;
};

static inline void match_stat(void *arg, const struct phu_stat_info *info, const char *labels,
                              double value)
{
    struct stat_query *query = arg;

    if (strcmp(info->name, query->name) == 0 &&
        (!query->labels || (labels && strcmp(labels, query->labels) == 0)))
        query->value = value;
}

static inline double stat_of(struct fixture *fixture, const char *name, const char *labels)
{
    struct stat_query query = {name, labels, -1};

    phu_stats_visit(fixture->stats, match_stat, &query);
    return query.value;
}

static inline size_t count_files(const char *dir, const char *suffix)
{
    DIR *folder = opendir(dir);
    struct dirent *entry;
    size_t count = 0;

    while (folder && (entry = readdir(folder))) {
        size_t length = strlen(entry->d_name);

        count +=
            length > strlen(suffix) && strcmp(entry->d_name + length - strlen(suffix), suffix) == 0;
    }
    if (folder)
        closedir(folder);
    return count;
}

#define in_fixture(test) cmocka_unit_test_setup_teardown(test, fixture_setup, fixture_teardown)
