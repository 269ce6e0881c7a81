/* What a power cut, a bad disk or a clumsy hand leave behind: the spool always opens, and loses
 * nothing but what was hit. */
#include "fixture.h"

#include <errno.h>
#include <fcntl.h>

enum { RECORDS = 5, LINE = 48, RECORD = 28 + LINE, HEADER = 32, SEAL = 48, SPACE = 4096 };

struct file {
    uint8_t bytes[SPACE];
    size_t size;
};

static void segment_path(const struct fixture *fixture, char path[128])
{
    snprintf(path, 128, "%s/0000000000000000.seg", fixture->dir);
}

static void store(const struct fixture *fixture, const struct file *file)
{
    char path[128];
    int fd;

    segment_path(fixture, path);
    fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, file->bytes, file->size), (ssize_t)file->size);
    close(fd);
}

/* A sealed segment of RECORDS lines, as a spool leaves it. */
static void make_segment(struct fixture *fixture, struct file *file)
{
    char path[128];
    ssize_t size;
    int fd;

    fixture_open(fixture, NULL);
    put_lines(fixture, RECORDS, LINE);
    fixture_close(fixture);
    segment_path(fixture, path);
    fd = open(path, O_RDONLY);
    assert_true(fd >= 0);
    size = read(fd, file->bytes, sizeof file->bytes);
    close(fd);
    assert_int_equal(size, HEADER + RECORDS * RECORD + SEAL);
    file->size = (size_t)size;
}

/* Opens a spool on that file alone and tells which lines it delivers. */
static size_t deliver(struct fixture *fixture, const struct file *file,
                      unsigned char seen[RECORDS + 1])
{
    char cursor[128];
    size_t came;

    snprintf(cursor, sizeof cursor, "%s/cursors/central.cursor", fixture->dir);
    unlink(cursor);
    store(fixture, file);
    memset(seen, 0, RECORDS + 1);
    fixture_open(fixture, "central");
    put_line(fixture, LINE); /* line RECORDS: what is put afterwards arrives too */
    phu_spool_sync(fixture->spool);
    settle_for(fixture, PHU_NS_PER_MS);
    came = drain(fixture, PHU_SPOOL_LIVE, seen, RECORDS + 1);
    assert_int_equal(seen[RECORDS], 1);
    fixture->put_count = RECORDS;
    fixture_close(fixture);
    assert_int_equal(count_files(fixture->dir, ".seg"), 0);
    return came - 1;
}

static void any_one_bit_costs_one_record(void **state)
{
    struct fixture *fixture = *state;
    unsigned char seen[RECORDS + 1];
    struct file file;

    make_segment(fixture, &file);
    /* Sealed, and as a crash leaves it: without the seal. */
    for (int is_sealed = 0; is_sealed < 2; is_sealed++) {
        size_t end = HEADER + RECORDS * RECORD;

        file.size = end + (is_sealed ? SEAL : 0);
        for (size_t byte = 0; byte < file.size; byte++) {
            size_t hit = byte < HEADER ? RECORDS : (byte - HEADER) / RECORD;
            uint8_t mask = (uint8_t)(1U << (byte * 5 % 8));
            size_t came;

            file.bytes[byte] ^= mask;
            came = deliver(fixture, &file, seen);
            assert_int_equal(came, hit < RECORDS ? RECORDS - 1 : RECORDS);
            for (size_t i = 0; i < RECORDS; i++)
                assert_int_equal(seen[i], i != hit);
            file.bytes[byte] ^= mask;
        }
    }
}

static void a_torn_tail_is_cut_off_at_any_byte(void **state)
{
    struct fixture *fixture = *state;
    unsigned char seen[RECORDS + 1];
    struct file file;
    size_t whole;

    make_segment(fixture, &file);
    whole = file.size;
    for (size_t size = 0; size < whole; size++) {
        size_t expected = size < HEADER ? 0 : (size - HEADER) / RECORD;

        if (expected > RECORDS)
            expected = RECORDS;
        file.size = size;
        assert_int_equal(deliver(fixture, &file, seen), expected);
    }
}

static void a_tail_of_zeros_is_cut_off(void **state)
{
    struct fixture *fixture = *state;
    unsigned char seen[RECORDS + 1];
    struct file file, filled;

    make_segment(fixture, &file);
    for (size_t size = 0; size < file.size; size += 7) {
        size_t expected = size < HEADER ? 0 : (size - HEADER) / RECORD;

        filled = file;
        filled.size = sizeof filled.bytes;
        memset(filled.bytes + size, 0, sizeof filled.bytes - size);
        assert_int_equal(deliver(fixture, &filled, seen), expected > RECORDS ? RECORDS : expected);
    }
    assert_int_equal(count_files(fixture->dir, "quarantine"), 0);
}

static void what_was_cut_off_is_counted(void **state)
{
    struct fixture *fixture = *state;
    struct file file;

    make_segment(fixture, &file);
    file.size = HEADER + 2 * RECORD + 17;
    store(fixture, &file);
    fixture_open(fixture, "central");
    assert_int_equal(stat_of(fixture, "phusong_spool_torn_bytes_total", NULL), 17);
    assert_int_equal(drain(fixture, PHU_SPOOL_LIVE, NULL, 0), 2);
}

static void a_file_that_is_no_segment_is_set_aside(void **state)
{
    struct fixture *fixture = *state;
    struct file file = {.size = 1000};
    char quarantine[128];

    memset(file.bytes, 'g', sizeof file.bytes);
    store(fixture, &file);
    fixture_open(fixture, "central");
    put_lines(fixture, 3, LINE);
    settle_for(fixture, 2 * PHU_NS_PER_S);
    assert_int_equal(drain(fixture, PHU_SPOOL_LIVE, NULL, 0), 3);
    assert_int_equal(stat_of(fixture, "phusong_spool_quarantined_total", NULL), 1);
    snprintf(quarantine, sizeof quarantine, "%s/quarantine", fixture->dir);
    assert_int_equal(count_files(quarantine, ".seg"), 1);
}

static void a_segment_that_vanishes_does_not_stop_the_rest(void **state)
{
    struct fixture *fixture = *state;
    unsigned char seen[1000] = {0};
    char path[128];
    size_t came;

    fixture_open(fixture, "central");
    put_lines(fixture, 1000, 300);
    settle_for(fixture, 2 * PHU_NS_PER_S);
    segment_path(fixture, path);
    assert_int_equal(unlink(path), 0);
    came = drain(fixture, PHU_SPOOL_LIVE, seen, 1000);
    assert_true(came > 700 && came < 1000);
    assert_int_equal(seen[999], 1);
    assert_int_equal(stat_of(fixture, "phusong_spool_quarantined_total", NULL), 1);
}

static void a_damaged_cursor_sends_again_and_skips_nothing(void **state)
{
    struct fixture *fixture = *state;
    unsigned char seen[150] = {0};
    char path[128];
    struct phu_span span;

    fixture_open(fixture, "central");
    put_lines(fixture, 100, 300);
    settle_for(fixture, 2 * PHU_NS_PER_S);
    assert_int_equal(phu_spool_reader_next(fixture->reader, PHU_SPOOL_LIVE, 50, 100000, &span), 0);
    phu_spool_reader_ack(fixture->reader, &span);
    fixture_close(fixture);
    snprintf(path, sizeof path, "%s/cursors/central.cursor", fixture->dir);
    assert_int_equal(truncate(path, 100), 0);
    fixture_open(fixture, "central");
    put_lines(fixture, 50, 300);
    settle_for(fixture, 2 * PHU_NS_PER_S);
    assert_int_equal(drain(fixture, PHU_SPOOL_LIVE, seen, 150), 150);
    fixture_reopen(fixture, "central"); /* and it has been mended */
    assert_int_equal(drain(fixture, PHU_SPOOL_LIVE, NULL, 0), 0);
    assert_int_equal(stat_of(fixture, "phusong_spool_quarantined_total", NULL), 0);
}

static void new_points_come_after_every_cursor_even_when_segments_were_removed(void **state)
{
    struct fixture *fixture = *state;
    char path[128];

    fixture_open(fixture, "central");
    put_lines(fixture, 10, 300);
    settle_for(fixture, 2 * PHU_NS_PER_S);
    assert_int_equal(drain(fixture, PHU_SPOOL_LIVE, NULL, 0), 10);
    put_lines(fixture, 10, 300);
    fixture_close(fixture);
    segment_path(fixture, path);
    assert_int_equal(unlink(path), 0); /* by hand, with points undelivered */
    fixture_open(fixture, "central");
    put_lines(fixture, 10, 300);
    settle_for(fixture, 2 * PHU_NS_PER_S);
    assert_int_equal(drain(fixture, PHU_SPOOL_LIVE, NULL, 0), 10);
}

static void the_newest_timestamp_is_known_after_a_restart(void **state)
{
    struct fixture *fixture = *state;
    int64_t newest;

    fixture_open(fixture, NULL);
    assert_int_equal(phu_spool_newest(fixture->spool).ns, 0);
    put_lines(fixture, RECORDS, LINE);
    newest = phu_sched_wall(fixture->sched).ns;
    phu_sim_step_wall(fixture->sched, -3600 * PHU_NS_PER_S); /* the clock is set back */
    put_lines(fixture, RECORDS, LINE);
    fixture_reopen(fixture, NULL);
    assert_int_equal(phu_spool_newest(fixture->spool).ns, newest);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        in_fixture(any_one_bit_costs_one_record),
        in_fixture(a_torn_tail_is_cut_off_at_any_byte),
        in_fixture(a_tail_of_zeros_is_cut_off),
        in_fixture(what_was_cut_off_is_counted),
        in_fixture(a_file_that_is_no_segment_is_set_aside),
        in_fixture(a_segment_that_vanishes_does_not_stop_the_rest),
        in_fixture(a_damaged_cursor_sends_again_and_skips_nothing),
        in_fixture(new_points_come_after_every_cursor_even_when_segments_were_removed),
        in_fixture(the_newest_timestamp_is_known_after_a_restart),
    };

    return cmocka_run_group_tests_name("spool_recovery", tests, NULL, NULL);
}
