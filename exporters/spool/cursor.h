/* A reader's durable cursor: what it still has to deliver, as addresses of the spool.
 *
 * cursors/NAME.cursor holds two slots of 4 KiB, written in turn, each with a generation and a
 * CRC32C: a write that tears one slot leaves the other, and overwriting in place works on a full
 * disk. The valid slot with the higher generation counts. An older one makes the reader send some
 * lines again, never skip any.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    PHU_CURSOR_SLOT_SIZE = 4096,
    PHU_CURSOR_FILE_SIZE = 2 * PHU_CURSOR_SLOT_SIZE,
    PHU_CURSOR_RANGES_MOST = 64,
    PHU_CURSOR_NAME_SIZE = 256, /* of a reader, and of its file */
};

struct phu_cursor {
    uint64_t generation;
    uint64_t live; /* everything from here on is to be delivered */
    size_t range_count;
    struct {
        uint64_t from, to;
    } ranges[PHU_CURSOR_RANGES_MOST]; /* left for backfill: ascending, apart, below live */
};

void phu_cursor_encode(uint8_t slot[PHU_CURSOR_SLOT_SIZE], const struct phu_cursor *cursor);
/* -EINVAL when the slot is damaged. */
int phu_cursor_decode(const uint8_t slot[PHU_CURSOR_SLOT_SIZE], struct phu_cursor *cursor);
/* Both slots of a file, `size` bytes of it. -ENODATA when the file is empty or all zeros. */
int phu_cursor_decode_file(const uint8_t *bytes, size_t size, struct phu_cursor *cursor);

/* Name of the file below the spool's folder: "cursors/NAME.cursor", bytes other than
 * [A-Za-z0-9_-] as %XX. -ENAMETOOLONG. */
int phu_cursor_path(const char *reader, char path[PHU_CURSOR_NAME_SIZE]);
/* The reader's name from a file's name; false for other files. */
bool phu_cursor_reader_name(const char *file, char name[PHU_CURSOR_NAME_SIZE]);

int phu_cursor_read(int dir_fd, const char *path, struct phu_cursor *cursor);
/* Writes one slot and syncs. `path` must exist (phu_cursor_create). Any thread. */
int phu_cursor_write(int dir_fd, const char *path, const struct phu_cursor *cursor);
/* Makes the file with both slots, durably. */
int phu_cursor_create(int dir_fd, const char *path, const struct phu_cursor *cursor);
