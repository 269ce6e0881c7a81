/* A disk that is full, breaks, or takes half of what it is given. What was durable stays, what was
 * not waits, and everything goes on by itself afterwards. */
#include "fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/statvfs.h>

struct faults {
    int write_error, sync_error, create_error, truncate_error; /* as long as not 0 */
    unsigned rate; /* instead: one call in so many fails, with a random error */
    bool is_short; /* writes take half */
    int64_t room;  /* bytes that still can be written; -1: no limit */
    uint32_t seed;
    ino_t failed[4096]; /* files whose sync failed: never to be synced again */
    size_t failed_count;
    unsigned syncs;
    int64_t disk_bytes; /* size of a disk that only the spool is on; 0: the real one */
    const char *dir;
};

static struct faults faults; /* the wrapped functions have no other way to it */

ssize_t __real_pwrite(int fd, const void *bytes, size_t size, off_t offset);
ssize_t __wrap_pwrite(int fd, const void *bytes, size_t size, off_t offset);
int __real_fdatasync(int fd);
int __wrap_fdatasync(int fd);
int __real_openat(int dir, const char *name, int flags, ...);
int __wrap_openat(int dir, const char *name, int flags, mode_t mode);
int __real_ftruncate(int fd, off_t size);
int __wrap_ftruncate(int fd, off_t size);

static int chance_of_fault(void)
{
    static const int errors[] = {ENOSPC, EIO, EDQUOT, EFBIG};

    faults.seed = faults.seed * 1664525 + 1013904223;
    if (!faults.rate || (faults.seed >> 8) % faults.rate)
        return 0;
    return errors[(faults.seed >> 24) % 4];
}

static int fail_with(int error)
{
    errno = error;
    return -1;
}

ssize_t __wrap_pwrite(int fd, const void *bytes, size_t size, off_t offset)
{
    int error = faults.write_error ? faults.write_error : chance_of_fault();

    if (error && size > 1 && (faults.seed & 1)) /* half of it arrives all the same */
        __real_pwrite(fd, bytes, size / 2, offset);
    if (error)
        return fail_with(error);
    if (faults.is_short && size > 1)
        size /= 2;
    if (faults.room >= 0) {
        if (!faults.room)
            return fail_with(ENOSPC);
        if ((int64_t)size > faults.room)
            size = (size_t)faults.room;
        faults.room -= (int64_t)size;
    }
    return __real_pwrite(fd, bytes, size, offset);
}

int __wrap_fdatasync(int fd)
{
    int error = faults.sync_error ? faults.sync_error : chance_of_fault();
    struct stat status;

    faults.syncs++;
    assert_int_equal(fstat(fd, &status), 0);
    for (size_t i = 0; i < faults.failed_count; i++)
        assert_int_not_equal(faults.failed[i], status.st_ino);
    if (!error)
        return __real_fdatasync(fd);
    if (status.st_size != 8192 && faults.failed_count < 4096) /* cursors are written again */
        faults.failed[faults.failed_count++] = status.st_ino;
    return fail_with(error);
}

int __wrap_openat(int dir, const char *name, int flags, mode_t mode)
{
    if (flags & O_CREAT) {
        int error = faults.create_error ? faults.create_error : chance_of_fault();

        if (error)
            return fail_with(error);
        faults.failed_count = 0; /* inode numbers are used again */
    }
    return __real_openat(dir, name, flags, mode);
}

int __wrap_ftruncate(int fd, off_t size)
{
    int error = faults.truncate_error ? faults.truncate_error : chance_of_fault();

    return error ? fail_with(error) : __real_ftruncate(fd, size);
}

int __real_fstatvfs(int fd, struct statvfs *fs);
int __wrap_fstatvfs(int fd, struct statvfs *fs);

static void add_size(const char *dir, const char *name, int64_t *total)
{
    char path[512];
    struct stat status;

    snprintf(path, sizeof path, "%s/%s", dir, name);
    if (strstr(name, ".seg") && stat(path, &status) == 0)
        *total += status.st_size;
}

int __wrap_fstatvfs(int fd, struct statvfs *fs)
{
    int status = __real_fstatvfs(fd, fs);
    int64_t used = 0;
    struct dirent *entry;
    DIR *dir;

    if (status || !faults.disk_bytes)
        return status;
    dir = opendir(faults.dir);
    while (dir && (entry = readdir(dir)))
        add_size(faults.dir, entry->d_name, &used);
    if (dir)
        closedir(dir);
    fs->f_frsize = 1;
    fs->f_bavail = (fsblkcnt_t)(faults.disk_bytes > used ? faults.disk_bytes - used : 0);
    return 0;
}

static int setup(void **state)
{
    faults = (struct faults){.room = -1, .seed = 1};
    return fixture_setup(state);
}

static int teardown(void **state)
{
    faults = (struct faults){.room = -1};
    return fixture_teardown(state);
}

#define with_faults(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

static void assert_all_once(struct fixture *fixture, size_t count)
{
    unsigned char *seen = calloc(count, 1);

    assert_non_null(seen);
    assert_int_equal(drain(fixture, PHU_SPOOL_LIVE, seen, count), count);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(seen[i], 1);
    free(seen);
}

static void a_full_disk_makes_points_wait(void **state)
{
    struct fixture *fixture = *state;

    fixture_open(fixture, "central");
    put_lines(fixture, 100, 300);
    settle_for(fixture, 2 * PHU_NS_PER_S);
    faults.write_error = ENOSPC;
    put_lines(fixture, 1000, 300);
    settle_for(fixture, 10 * PHU_NS_PER_S);
    assert_int_equal(phu_spool_durable_count(fixture->spool), 100);
    assert_true(stat_of(fixture, "phusong_spool_write_errors_total", NULL) >= 5);
    faults.write_error = 0;
    settle_for(fixture, 2 * PHU_NS_PER_S);
    assert_int_equal(phu_spool_durable_count(fixture->spool), 1100);
    assert_all_once(fixture, 1100);
    assert_int_equal(stat_of(fixture, "phusong_spool_dropped_total", "reason=\"disk\""), 0);
}

static void only_new_points_go_when_the_buffer_is_full_too(void **state)
{
    struct fixture *fixture = *state;
    unsigned refused = 0;

    fixture->conf.buffer_bytes = 1024 * 1024;
    fixture_open(fixture, "central");
    put_lines(fixture, 1000, 300);
    settle_for(fixture, 2 * PHU_NS_PER_S);
    faults.write_error = ENOSPC;
    put_lines(fixture, 1, 300);
    settle_for(fixture, 2 * PHU_NS_PER_S);
    for (size_t i = 0; i < 2000; i++)
        refused += put_line(fixture, 300) == -ENOSPC;
    assert_in_range(refused, 1000, 1300); /* a quarter of the buffer was filled */
    assert_int_equal(stat_of(fixture, "phusong_spool_dropped_total", "reason=\"disk\""), refused);
    faults.write_error = 0;
    settle_for(fixture, 2 * PHU_NS_PER_S);
    put_lines(fixture, 10, 300);
    settle_for(fixture, 2 * PHU_NS_PER_S);
    assert_all_once(fixture, 3011 - refused);
}

static void what_fits_before_the_disk_is_full_stays(void **state)
{
    struct fixture *fixture = *state;

    fixture_open(fixture, "central");
    faults.room = 3 * 64 * 1024 + 5000;
    put_lines(fixture, 1000, 300);
    settle_for(fixture, 5 * PHU_NS_PER_S);
    assert_in_range(phu_spool_durable_count(fixture->spool), 550, 610);
    faults.room = -1;
    settle_for(fixture, 5 * PHU_NS_PER_S);
    assert_all_once(fixture, 1000);
}

static void delivery_makes_room_again(void **state)
{
    struct fixture *fixture = *state;
    uint64_t durable;

    fixture_open(fixture, "central");
    put_lines(fixture, 300, 300);
    settle_for(fixture, 2 * PHU_NS_PER_S);
    faults.write_error = ENOSPC;
    put_lines(fixture, 10, 300);
    settle_for(fixture, 2 * PHU_NS_PER_S);
    durable = phu_spool_durable_count(fixture->spool);
    assert_int_equal(drain(fixture, PHU_SPOOL_LIVE, NULL, 0), durable);
    settle_for(fixture, 2 * PHU_NS_PER_S);
    /* Even the segment that was being written, which is closed for that. */
    assert_int_equal(count_files(fixture->dir, ".seg"), 0);
    faults.write_error = 0;
    settle_for(fixture, 2 * PHU_NS_PER_S);
    assert_int_equal(drain(fixture, PHU_SPOOL_LIVE, NULL, 0), 310 - durable);
}

static void a_failed_sync_is_never_tried_again_on_that_file(void **state)
{
    struct fixture *fixture = *state;

    fixture_open(fixture, "central");
    put_lines(fixture, 50, 300);
    settle_for(fixture, 2 * PHU_NS_PER_S);
    faults.sync_error = EIO;
    put_lines(fixture, 50, 300);
    settle_for(fixture, 1500 * PHU_NS_PER_MS);
    assert_int_equal(phu_spool_durable_count(fixture->spool), 50);
    assert_true(faults.failed_count > 0);
    faults.sync_error = 0;
    settle_for(fixture, 3 * PHU_NS_PER_S); /* the wrapper judges the files it is given */
    assert_int_equal(phu_spool_durable_count(fixture->spool), 100);
    assert_all_once(fixture, 100);
}

static void a_disk_that_refuses_everything_does_no_harm(void **state)
{
    struct fixture *fixture = *state;

    fixture_open(fixture, "central");
    put_lines(fixture, 50, 300);
    settle_for(fixture, 2 * PHU_NS_PER_S);
    faults.sync_error = faults.truncate_error = faults.create_error = EIO;
    put_lines(fixture, 50, 300);
    settle_for(fixture, 5 * PHU_NS_PER_S);
    faults.sync_error = faults.truncate_error = faults.create_error = 0;
    settle_for(fixture, 3 * PHU_NS_PER_S);
    assert_all_once(fixture, 100);
}

static void half_writes_are_completed(void **state)
{
    struct fixture *fixture = *state;

    faults.is_short = true;
    fixture_open(fixture, "central");
    put_lines(fixture, 2000, 300);
    settle_for(fixture, 3 * PHU_NS_PER_S);
    assert_int_equal(phu_spool_durable_count(fixture->spool), 2000);
    assert_all_once(fixture, 2000);
}

static void a_close_on_a_full_disk_ends(void **state)
{
    struct fixture *fixture = *state;

    fixture_open(fixture, "central");
    put_lines(fixture, 50, 300);
    settle_for(fixture, 2 * PHU_NS_PER_S);
    faults.write_error = ENOSPC;
    put_lines(fixture, 50, 300);
    fixture_close(fixture);
    faults.write_error = 0;
    fixture_open(fixture, "central");
    assert_int_equal(drain(fixture, PHU_SPOOL_LIVE, NULL, 0), 50);
}

static void little_free_space_costs_the_oldest_but_not_the_last_four_segments(void **state)
{
    struct fixture *fixture = *state;
    double dropped;
    size_t came;

    fixture->conf.min_free_bytes = 1024 * 1024;
    faults.dir = fixture->dir;
    faults.disk_bytes = 2 * 1024 * 1024;
    fixture_open(fixture, "central");
    for (size_t i = 0; i < 60; i++) { /* 1.2 MiB */
        put_lines(fixture, 64, 300);
        settle_for(fixture, 2 * PHU_NS_PER_S);
    }
    assert_in_range(stat_of(fixture, "phusong_spool_bytes", NULL), 900 * 1024, 1024 * 1024);
    dropped = stat_of(fixture, "phusong_spool_dropped_total", "reason=\"disk\"");
    assert_true(dropped > 0);
    faults.disk_bytes = 100 * 1024; /* others take nearly everything */
    put_lines(fixture, 64, 300);
    settle_for(fixture, 4 * PHU_NS_PER_S);
    assert_in_range(stat_of(fixture, "phusong_spool_segments", NULL), 4, 5);
    dropped = stat_of(fixture, "phusong_spool_dropped_total", "reason=\"disk\"");
    came = drain(fixture, PHU_SPOOL_LIVE, NULL, 0);
    assert_int_equal(came + (size_t)dropped, 61 * 64);
}

/* Thousands of rounds in which anything may fail: what was durable arrives, in order, and a second
 * process finds all of it. */
static void nothing_durable_is_lost_whatever_fails(void **state)
{
    struct fixture *fixture = *state;
    uint64_t durable, expected = 0;
    struct phu_span span;

    fixture_open(fixture, "central");
    faults.rate = 12;
    for (int round = 0; round < 300; round++) {
        put_lines(fixture, 1 + (faults.seed >> 9) % 60, 300);
        settle_for(fixture, 2 * PHU_NS_PER_S);
        if (fixture->put_count - phu_spool_durable_count(fixture->spool) > 2000) {
            faults.rate = 0;
            settle_for(fixture, 3 * PHU_NS_PER_S);
            faults.rate = 12;
        }
    }
    durable = phu_spool_durable_count(fixture->spool);
    faults.rate = 0;
    fixture->reader = NULL;
    fixture_close(fixture);
    fixture_open(fixture, "another");
    while (phu_spool_reader_next(fixture->reader, PHU_SPOOL_LIVE, 1000, 100000, &span) == 0) {
        for (const char *line = span.body; line < span.body + span.length;
             line = (const char *)memchr(line, '\n', 1000) + 1) {
            uint64_t number = number_of(line);

            /* Twice is possible where a failed file could not be cut; a gap never. */
            assert_true(number <= expected);
            if (number == expected)
                expected++;
        }
        phu_spool_reader_ack(fixture->reader, &span);
    }
    assert_true(expected >= durable);
    assert_true(durable > 3000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        with_faults(a_full_disk_makes_points_wait),
        with_faults(only_new_points_go_when_the_buffer_is_full_too),
        with_faults(what_fits_before_the_disk_is_full_stays),
        with_faults(delivery_makes_room_again),
        with_faults(a_failed_sync_is_never_tried_again_on_that_file),
        with_faults(a_disk_that_refuses_everything_does_no_harm),
        with_faults(half_writes_are_completed),
        with_faults(a_close_on_a_full_disk_ends),
        with_faults(little_free_space_costs_the_oldest_but_not_the_last_four_segments),
        with_faults(nothing_durable_is_lost_whatever_fails),
    };

    return cmocka_run_group_tests_name("spool_faults", tests, NULL, NULL);
}
