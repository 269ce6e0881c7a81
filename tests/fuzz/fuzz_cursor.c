/* Cursor files and their names: whatever is read must make sense, and survive being written. */
#include "pieces.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool is_right)
{
    if (!is_right)
        abort();
}

static void check_cursor(const struct phu_cursor *cursor)
{
    uint8_t slot[PHU_CURSOR_SLOT_SIZE];
    struct phu_cursor again = {0};
    struct phu_pieces pieces = {0};
    uint64_t low = 0;

    check(cursor->range_count <= PHU_CURSOR_RANGES_MOST);
    for (size_t i = 0; i < cursor->range_count; i++) {
        check(cursor->ranges[i].from >= low && cursor->ranges[i].to > cursor->ranges[i].from);
        low = cursor->ranges[i].to;
    }
    check(low <= cursor->live);
    phu_cursor_encode(slot, cursor);
    check(phu_cursor_decode(slot, &again) == 0 && again.live == cursor->live);
    phu_pieces_from_cursor(&pieces, cursor);
    phu_pieces_to_cursor(&pieces, &again);
    check(again.live == cursor->live && again.range_count <= cursor->range_count);
    phu_pieces_fini(&pieces);
}

/* With the checksum put right, so that what comes after it is reached. */
static void check_raw_slot(const uint8_t *data, size_t size)
{
    struct phu_cursor raw = {.range_count = size > 8 ? data[8] % (PHU_CURSOR_RANGES_MOST + 1) : 0};
    uint8_t slot[PHU_CURSOR_SLOT_SIZE];
    struct phu_cursor cursor;

    memcpy(&raw.live, data, size < 8 ? size : 8);
    if (size > 9)
        memcpy(raw.ranges, data + 9, size - 9 < sizeof raw.ranges ? size - 9 : sizeof raw.ranges);
    phu_cursor_encode(slot, &raw);
    if (phu_cursor_decode(slot, &cursor) == 0)
        check_cursor(&cursor);
}

static void check_name(const uint8_t *data, size_t size)
{
    char file[PHU_CURSOR_NAME_SIZE] = {0}, name[PHU_CURSOR_NAME_SIZE], path[PHU_CURSOR_NAME_SIZE];

    memcpy(file, data, size < sizeof file - 1 ? size : sizeof file - 1);
    if (phu_cursor_reader_name(file, name))
        check(strlen(name) < sizeof name);
    if (phu_cursor_path(file, path) == 0) {
        check(strchr(path + strlen("cursors/"), '/') == NULL);
        check(*file == '\0' || phu_cursor_reader_name(path + strlen("cursors/"), name));
        check(*file == '\0' || strcmp(name, file) == 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct phu_cursor cursor;

    if (phu_cursor_decode_file(data, size, &cursor) == 0)
        check_cursor(&cursor);
    check_raw_slot(data, size);
    check_name(data, size);
    return 0;
}
