/* Small allocations whose failure ends the process. */
#include "mem.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static void *must(void *memory)
{
    if (!memory)
        abort();
    return memory;
}

void *phu_mem_alloc(size_t count, size_t size)
{
    return must(calloc(count ? count : 1, size ? size : 1));
}

char *phu_mem_strdup(const char *text)
{
    return must(strdup(text));
}

char *phu_mem_strndup(const char *text, size_t length)
{
    return must(strndup(text, length));
}

void *phu_mem_grow(void *items, size_t count, size_t size)
{
    size_t capacity = count ? count * 2 : 1;

    if (count & (count - 1))
        return items;
    if (capacity > SIZE_MAX / size)
        abort();
    return must(realloc(items, capacity * size));
}
