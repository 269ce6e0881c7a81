#include "memory.h"

#include <malloc.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#define MMAP_FROM_BYTES (128 * 1024)

void phu_memory_init(void)
{
    mallopt(M_MMAP_THRESHOLD, MMAP_FROM_BYTES);
    mallopt(M_TRIM_THRESHOLD, MMAP_FROM_BYTES);
    mallopt(M_ARENA_MAX, 1);
}

/* Text only: pages of data and of relocated tables may differ from the file and must stay. */
static void drop_text(const char *line)
{
    void *begin, *end;
    char rights[5];
    int path = 0;

    if (sscanf(line, "%p-%p %4s %*s %*s %*s %n", &begin, &end, rights, &path) < 3)
        return;
    if (strcmp(rights, "r-xp") == 0 && path && line[path] == '/')
        madvise(begin, (size_t)((char *)end - (char *)begin), MADV_DONTNEED);
}

void phu_memory_settle(void)
{
    FILE *maps;
    char line[512];

    malloc_trim(0);
    maps = fopen("/proc/self/maps", "re");
    if (!maps)
        return;
    while (fgets(line, sizeof line, maps))
        drop_text(line);
    fclose(maps);
}
