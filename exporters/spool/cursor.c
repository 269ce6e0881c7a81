/* See cursor.h. A slot: magic(8) version(4) range count(4) generation(8) live(8) ranges(16 each),
 * zeros, CRC32C of all that in its last 4 bytes; little endian. */
#include "cursor.h"

#include "bytes.h"
#include "crc32c.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { VERSION = 1, RANGES_OFFSET = 32, CRC_OFFSET = PHU_CURSOR_SLOT_SIZE - 4 };

static const uint8_t magic[8] = {0xff, 'P', 'H', 'U', 'C', 'U', 'R', 0xfe};
static const char suffix[] = ".cursor";

void phu_cursor_encode(uint8_t slot[PHU_CURSOR_SLOT_SIZE], const struct phu_cursor *cursor)
{
    memset(slot, 0, PHU_CURSOR_SLOT_SIZE);
    memcpy(slot, magic, sizeof magic);
    phu_put_le32(slot + 8, VERSION);
    phu_put_le32(slot + 12, (uint32_t)cursor->range_count);
    phu_put_le64(slot + 16, cursor->generation);
    phu_put_le64(slot + 24, cursor->live);
    for (size_t i = 0; i < cursor->range_count; i++) {
        phu_put_le64(slot + RANGES_OFFSET + 16 * i, cursor->ranges[i].from);
        phu_put_le64(slot + RANGES_OFFSET + 16 * i + 8, cursor->ranges[i].to);
    }
    phu_put_le32(slot + CRC_OFFSET, phu_crc32c(0, slot, CRC_OFFSET));
}

int phu_cursor_decode(const uint8_t slot[PHU_CURSOR_SLOT_SIZE], struct phu_cursor *cursor)
{
    uint64_t low = 0;

    if (memcmp(slot, magic, sizeof magic) != 0 || phu_get_le32(slot + 8) != VERSION ||
        phu_get_le32(slot + CRC_OFFSET) != phu_crc32c(0, slot, CRC_OFFSET))
        return -EINVAL;
    *cursor = (struct phu_cursor){
        .generation = phu_get_le64(slot + 16),
        .live = phu_get_le64(slot + 24),
        .range_count = phu_get_le32(slot + 12),
    };
    if (cursor->range_count > PHU_CURSOR_RANGES_MOST)
        return -EINVAL;
    for (size_t i = 0; i < cursor->range_count; i++) {
        cursor->ranges[i].from = phu_get_le64(slot + RANGES_OFFSET + 16 * i);
        cursor->ranges[i].to = phu_get_le64(slot + RANGES_OFFSET + 16 * i + 8);
        if (cursor->ranges[i].from < low || cursor->ranges[i].to <= cursor->ranges[i].from)
            return -EINVAL;
        low = cursor->ranges[i].to;
    }
    return low <= cursor->live ? 0 : -EINVAL;
}

static bool is_all_zero(const uint8_t *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (bytes[i])
            return false;
    }
    return true;
}

int phu_cursor_decode_file(const uint8_t *bytes, size_t size, struct phu_cursor *cursor)
{
    struct phu_cursor other;
    int first = size >= PHU_CURSOR_SLOT_SIZE ? phu_cursor_decode(bytes, cursor) : -EINVAL;
    int second = size >= PHU_CURSOR_FILE_SIZE
                     ? phu_cursor_decode(bytes + PHU_CURSOR_SLOT_SIZE, &other)
                     : -EINVAL;

    if (second == 0 && (first != 0 || other.generation > cursor->generation)) {
        *cursor = other;
        return 0;
    }
    if (first == 0)
        return 0;
    return is_all_zero(bytes, size) ? -ENODATA : -EINVAL;
}

/* -- Names ----------------------------------------------------------------------------------- */

static bool is_plain(char character)
{
    return (character >= 'a' && character <= 'z') || (character >= 'A' && character <= 'Z') ||
           (character >= '0' && character <= '9') || character == '_' || character == '-';
}

int phu_cursor_path(const char *reader, char path[PHU_CURSOR_NAME_SIZE])
{
    size_t used = (size_t)snprintf(path, PHU_CURSOR_NAME_SIZE, "cursors/");

    for (; *reader; reader++) {
        if (used + 3 + sizeof suffix > PHU_CURSOR_NAME_SIZE)
            return -ENAMETOOLONG;
        if (is_plain(*reader))
            path[used++] = *reader;
        else
            used += (size_t)snprintf(path + used, 4, "%%%02x", (unsigned char)*reader);
    }
    memcpy(path + used, suffix, sizeof suffix);
    return 0;
}

bool phu_cursor_reader_name(const char *file, char name[PHU_CURSOR_NAME_SIZE])
{
    size_t length = strlen(file), used = 0;

    if (length < sizeof suffix || length >= PHU_CURSOR_NAME_SIZE ||
        strcmp(file + length - (sizeof suffix - 1), suffix) != 0)
        return false;
    length -= sizeof suffix - 1;
    for (size_t i = 0; i < length; i++) {
        if (file[i] == '%' && i + 2 < length) {
            const char digits[3] = {file[i + 1], file[i + 2], '\0'};

            name[used++] = (char)strtoul(digits, NULL, 16);
            i += 2;
        } else if (is_plain(file[i])) {
            name[used++] = file[i];
        } else {
            return false;
        }
    }
    name[used] = '\0';
    return strlen(name) == used;
}

/* -- Files ----------------------------------------------------------------------------------- */

int phu_cursor_read(int dir_fd, const char *path, struct phu_cursor *cursor)
{
    uint8_t bytes[PHU_CURSOR_FILE_SIZE];
    int fd = openat(dir_fd, path, O_RDONLY | O_CLOEXEC);
    ssize_t have;

    if (fd < 0)
        return -errno;
    have = pread(fd, bytes, sizeof bytes, 0);
    close(fd);
    if (have < 0)
        return -EIO;
    return phu_cursor_decode_file(bytes, (size_t)have, cursor);
}

static int write_at(int fd, const void *bytes, size_t size, off_t offset)
{
    ssize_t count = pwrite(fd, bytes, size, offset);

    if (count < 0)
        return -errno;
    if ((size_t)count < size)
        return -ENOSPC;
    return fdatasync(fd) < 0 ? -errno : 0;
}

int phu_cursor_write(int dir_fd, const char *path, const struct phu_cursor *cursor)
{
    uint8_t slot[PHU_CURSOR_SLOT_SIZE];
    int fd = openat(dir_fd, path, O_WRONLY | O_CLOEXEC);
    int error;

    if (fd < 0)
        return -errno;
    phu_cursor_encode(slot, cursor);
    error = write_at(fd, slot, sizeof slot, cursor->generation % 2 ? PHU_CURSOR_SLOT_SIZE : 0);
    close(fd);
    return error;
}

int phu_cursor_create(int dir_fd, const char *path, const struct phu_cursor *cursor)
{
    uint8_t slots[PHU_CURSOR_FILE_SIZE];
    int fd = openat(dir_fd, path, O_WRONLY | O_CREAT | O_CLOEXEC, 0640);
    int folder, error;

    if (fd < 0)
        return -errno;
    phu_cursor_encode(slots, cursor);
    phu_cursor_encode(slots + PHU_CURSOR_SLOT_SIZE, cursor);
    error = write_at(fd, slots, sizeof slots, 0);
    close(fd);
    if (error)
        return error;
    folder = openat(dir_fd, "cursors", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0 || fsync(folder) < 0)
        error = -errno;
    if (folder >= 0)
        close(folder);
    return error;
}
