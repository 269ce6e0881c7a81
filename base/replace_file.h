/* Puts new content into the place of a file, whole or not at all: whoever reads it, and whoever
 * comes up after a power cut, sees the old file or the new one. Mode and owner stay; a link stays a
 * link, and the file that it points to is replaced.
 */
#pragma once

#include <stddef.h>

struct stat;

/* Reads a file, at most `most` bytes: *text is NULL when there is none. `before` is what the file
 * was when it was read. */
int phu_file_read(const char *path, size_t most, char **text, size_t *length, struct stat *before);

/* `before` NULL: there must be no such file yet. -ESTALE: it is not the file that was read, or has
 * been written to since. */
int phu_file_replace(const char *path, const struct stat *before, const char *text, size_t length);
