/* Small allocations whose failure ends the process, and arrays that double as they grow. */
#pragma once

#include <stddef.h>

/* Zeroed. */
void *phu_mem_alloc(size_t count, size_t size);
char *phu_mem_strdup(const char *text);
char *phu_mem_strndup(const char *text, size_t length);

/* Makes room for item number `count` (from 0) of an array that has `count` items. The capacity is
 * the next power of two, so it need not be kept; the new room is not zeroed. */
void *phu_mem_grow(void *items, size_t count, size_t size);
