#include "memory.h"

#include <malloc.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define MMAP_FROM_BYTES (128 * 1024)

/* Address space, not memory: the heap grows by so much when it must, in pages of the other size. */
#define HEAP_STEP_BYTES (128 * 1024 * 1024)
#define HUGE_PAGE_BYTES (2 * 1024 * 1024)
#define PIECES_MAX 8

/* Returns where the heap ended before it grew, which it does when the rest of the last step is too
 * small for what is asked of malloc. */
static uint8_t *grow_heap(void)
{
    uint8_t *end = sbrk(0);
    void *pieces[PIECES_MAX];
    size_t count = 0;

    while (count < PIECES_MAX && sbrk(0) == end)
        pieces[count++] = malloc(MMAP_FROM_BYTES / 2);
    while (count > 0)
        free(pieces[--count]);
    return end;
}

/* A poll of a device touches a hundred places in as many MiB. With pages of 4 KiB each of them is
 * one more search for the page; with large ones a poll costs a fifth less. Where the kernel has
 * none, nothing is lost. */
static void use_huge_pages(void)
{
    uint8_t *begin = grow_heap(), *end = sbrk(0);

    begin -= (uintptr_t)begin % HUGE_PAGE_BYTES;
    madvise(begin, (size_t)(end - begin), MADV_HUGEPAGE);
}

void phu_memory_init(void)
{
    mallopt(M_MMAP_THRESHOLD, MMAP_FROM_BYTES);
    mallopt(M_TRIM_THRESHOLD, MMAP_FROM_BYTES);
    mallopt(M_TOP_PAD, HEAP_STEP_BYTES);
    mallopt(M_ARENA_MAX, 1);
    use_huge_pages();
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
    use_huge_pages();
    maps = fopen("/proc/self/maps", "re");
    if (!maps)
        return;
    while (fgets(line, sizeof line, maps))
        drop_text(line);
    fclose(maps);
}
