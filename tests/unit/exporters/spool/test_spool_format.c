/* Bytes to records and back: what one wrong bit, a cut or a filled tail costs. */
#include "crc32c.h"
#include "format.h"

#include "phusong/point.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { RECORDS = 6, BASE = 123456 };

struct image {
    uint8_t bytes[2048];
    size_t size;
    size_t starts[RECORDS + 1]; /* of the records and of the seal */
};

static size_t make_line(char *line, size_t number)
{
    return (size_t)snprintf(line, 100, "coverage,endpoint=bn-%04zu sent=%zui %zu\n", number,
                            number * 7, 1700000000 + number);
}

static void make_image(struct image *image)
{
    struct phu_seal seal = {.count = RECORDS, .first.ns = 5, .last.ns = 5 + RECORDS - 1};
    char line[100];

    memset(image, 0, sizeof *image);
    phu_segment_header_encode(image->bytes, BASE);
    image->size = PHU_SEGMENT_HEADER_SIZE;
    for (size_t i = 0; i < RECORDS; i++) {
        size_t length = make_line(line, i);
        uint8_t *record = image->bytes + image->size;

        image->starts[i] = image->size;
        phu_record_begin(record, (uint32_t)length, (struct phu_wall){5 + (int64_t)i});
        memcpy(record + PHU_RECORD_HEADER_SIZE, line, length);
        phu_record_finish(record, (uint32_t)i, BASE + image->size);
        assert_int_equal(phu_record_size(record), PHU_RECORD_HEADER_SIZE + length);
        image->size += phu_record_size(record);
    }
    image->starts[RECORDS] = image->size;
    seal.base = BASE;
    seal.size = image->size;
    phu_seal_encode(image->bytes + image->size, &seal);
    image->size += PHU_SEAL_SIZE;
}

struct found {
    bool is_there[RECORDS];
    size_t count, damaged;
    bool is_sealed;
};

/* Scans as a file of that many bytes is scanned. Every record found must be unaltered. */
static void scan(const uint8_t *bytes, size_t size, struct found *found)
{
    size_t offset = PHU_SEGMENT_HEADER_SIZE;

    *found = (struct found){0};
    while (offset < size) {
        struct phu_scan_item item;
        char line[100];

        phu_scan_next(bytes, size, offset, BASE, true, &item);
        assert_int_not_equal(item.status, PHU_SCAN_MORE);
        assert_true(item.next > BASE + offset);
        offset = (size_t)(item.next - BASE);
        if (item.status == PHU_SCAN_SEAL) {
            found->is_sealed = true;
        } else if (item.status == PHU_SCAN_DAMAGED) {
            found->damaged++;
        } else {
            assert_true(item.index < RECORDS);
            assert_int_equal(item.length, make_line(line, item.index));
            assert_memory_equal(item.line, line, item.length);
            assert_int_equal(item.at.ns, 5 + item.index);
            assert_false(found->is_there[item.index]);
            found->is_there[item.index] = true;
            found->count++;
        }
    }
    assert_int_equal(offset, size);
}

static void knows_the_published_check_values(void **state)
{
    const uint8_t zeros[32] = {0};
    uint8_t ramp[32];
    uint32_t (*const variants[])(uint32_t, const void *, size_t) = {phu_crc32c, phu_crc32c_table};

    (void)state;
    for (size_t i = 0; i < sizeof ramp; i++)
        ramp[i] = (uint8_t)i;
    for (size_t i = 0; i < 2; i++) { /* RFC 3720 B.4 */
        assert_int_equal(variants[i](0, zeros, 32), 0x8a9136aa);
        assert_int_equal(variants[i](0, ramp, 32), 0x46dd794e);
        assert_int_equal(variants[i](0, "123456789", 9), 0xe3069283);
        assert_int_equal(variants[i](variants[i](0, "1234", 4), "56789", 5), 0xe3069283);
    }
}

static void reads_back_what_it_wrote(void **state)
{
    struct image image;
    struct found found;

    (void)state;
    make_image(&image);
    assert_int_equal(phu_segment_header_decode(image.bytes, BASE), 0);
    assert_int_equal(phu_segment_header_decode(image.bytes, BASE + 1), -EINVAL);
    scan(image.bytes, image.size, &found);
    assert_int_equal(found.count, RECORDS);
    assert_int_equal(found.damaged, 0);
    assert_true(found.is_sealed);
}

static void a_flipped_bit_costs_its_record_alone(void **state)
{
    struct image image;

    (void)state;
    make_image(&image);
    for (size_t bit = PHU_SEGMENT_HEADER_SIZE * 8; bit < image.size * 8; bit++) {
        struct found found;
        size_t hit = 0;

        image.bytes[bit / 8] ^= (uint8_t)(1U << bit % 8);
        while (hit < RECORDS && image.starts[hit + 1] <= bit / 8)
            hit++;
        scan(image.bytes, image.size, &found);
        for (size_t i = 0; i < RECORDS; i++)
            assert_int_equal(found.is_there[i], i != hit);
        assert_int_equal(found.is_sealed, hit != RECORDS);
        image.bytes[bit / 8] ^= (uint8_t)(1U << bit % 8);
    }
}

static size_t records_within(const struct image *image, size_t size)
{
    size_t count = 0;

    while (count < RECORDS && image->starts[count + 1] <= size)
        count++;
    return count;
}

static void a_cut_costs_what_lies_behind_it(void **state)
{
    struct image image;

    (void)state;
    make_image(&image);
    for (size_t size = PHU_SEGMENT_HEADER_SIZE; size < image.size; size++) {
        struct found found;
        uint8_t *copy = malloc(size); /* exactly so much, for the sanitizer */

        assert_non_null(copy);
        memcpy(copy, image.bytes, size);
        scan(copy, size, &found);
        assert_int_equal(found.count, records_within(&image, size));
        assert_false(found.is_sealed);
        free(copy);
    }
}

static void a_filled_tail_is_no_record(void **state)
{
    static const int fillings[] = {0x00, 0xff, 0xf5, 'x'};
    struct image image;

    (void)state;
    make_image(&image);
    for (size_t size = PHU_SEGMENT_HEADER_SIZE; size < image.size; size += 3) {
        for (size_t i = 0; i < 4; i++) {
            struct image filled = image;
            struct found found;

            memset(filled.bytes + size, fillings[i], sizeof filled.bytes - size);
            scan(filled.bytes, sizeof filled.bytes, &found);
            assert_int_equal(found.count, records_within(&image, size));
            assert_true(found.damaged >= 1);
        }
    }
}

static void a_record_elsewhere_is_no_record(void **state)
{
    struct image image, moved = {0};
    struct phu_scan_item item;

    (void)state;
    make_image(&image);
    memcpy(moved.bytes, image.bytes + image.starts[1], 600);
    phu_scan_next(moved.bytes, 600, 0, BASE, true, &item);
    assert_int_equal(item.status, PHU_SCAN_DAMAGED);
    assert_int_equal(item.next, BASE + 600);
}

static void text_that_looks_like_a_header_does_not_mislead(void **state)
{
    uint8_t bytes[400] = {0};
    struct phu_scan_item item;
    size_t inner = PHU_RECORD_HEADER_SIZE, outer_length = 200;

    (void)state;
    /* A whole record inside a line: right by its own lights, but made for another place. */
    phu_record_begin(bytes + inner, 20, (struct phu_wall){1});
    phu_record_finish(bytes + inner, 0, 0);
    phu_record_begin(bytes, (uint32_t)outer_length, (struct phu_wall){1});
    phu_record_finish(bytes, 0, BASE);
    bytes[5] ^= 1; /* the outer length is damaged */
    phu_scan_next(bytes, sizeof bytes, 0, BASE, true, &item);
    assert_int_equal(item.status, PHU_SCAN_DAMAGED);
    assert_int_equal(item.next, BASE + sizeof bytes);
}

static void a_later_version_is_told_from_damage(void **state)
{
    uint8_t header[PHU_SEGMENT_HEADER_SIZE];
    uint32_t crc;

    (void)state;
    phu_segment_header_encode(header, BASE);
    header[8] = 2;
    assert_int_equal(phu_segment_header_decode(header, BASE), -EINVAL);
    crc = phu_crc32c(0, header, 28);
    memcpy(header + 28, &crc, sizeof crc);
    assert_int_equal(phu_segment_header_decode(header, BASE), -ENOTSUP);
}

static void scans_in_pieces_as_in_one(void **state)
{
    struct image image;

    (void)state;
    make_image(&image);
    /* With less than the record there, the scan asks for more instead of calling it damaged. */
    for (size_t have = 0; have < image.starts[1] - image.starts[0]; have++) {
        struct phu_scan_item item;

        phu_scan_next(image.bytes + image.starts[0], have, 0, BASE + image.starts[0], false, &item);
        assert_int_equal(item.status, PHU_SCAN_MORE);
        assert_int_equal(item.next, BASE + image.starts[0]);
    }
    for (size_t have = 0; have < PHU_SEAL_SIZE; have++) {
        struct phu_scan_item item;

        phu_scan_next(image.bytes + image.starts[RECORDS], have, 0, BASE + image.starts[RECORDS],
                      false, &item);
        assert_int_equal(item.status, PHU_SCAN_MORE);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(knows_the_published_check_values),
        cmocka_unit_test(reads_back_what_it_wrote),
        cmocka_unit_test(a_flipped_bit_costs_its_record_alone),
        cmocka_unit_test(a_cut_costs_what_lies_behind_it),
        cmocka_unit_test(a_filled_tail_is_no_record),
        cmocka_unit_test(a_record_elsewhere_is_no_record),
        cmocka_unit_test(text_that_looks_like_a_header_does_not_mislead),
        cmocka_unit_test(a_later_version_is_told_from_damage),
        cmocka_unit_test(scans_in_pieces_as_in_one),
    };

    return cmocka_run_group_tests_name("spool_format", tests, NULL, NULL);
}
