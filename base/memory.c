#include "memory.h"

#include <malloc.h>
#include <stdbool.h>
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

/* A piece of the address space, as /proc/self/smaps tells of it. */
struct piece {
    void *begin, *end;
    bool is_constant; /* of a file, and cannot be written to */
};

static bool read_head(const char *line, struct piece *piece)
{
    char rights[5];
    int path = 0;

    if (sscanf(line, "%p-%p %4s %*s %*s %*s %n", &piece->begin, &piece->end, rights, &path) < 3)
        return false;
    piece->is_constant =
        (strcmp(rights, "r-xp") == 0 || strcmp(rights, "r--p") == 0) && path && line[path] == '/';
    return true;
}

/* Relocated tables differ from the file, in memory or swapped out, and must stay. */
static void note_difference(const char *line, struct piece *piece)
{
    bool is_told = strncmp(line, "Anonymous:", 10) == 0 || strncmp(line, "Swap:", 5) == 0;

    if (is_told && strtoul(strchr(line, ':') + 1, NULL, 10) > 0)
        piece->is_constant = false;
}

static void drop(const struct piece *piece)
{
    if (piece->is_constant)
        madvise(piece->begin, (size_t)((char *)piece->end - (char *)piece->begin), MADV_DONTNEED);
}

void phu_memory_settle(void)
{
    struct piece piece = {0}, next;
    FILE *maps;
    char line[512];

    malloc_trim(0);
    use_huge_pages();
    maps = fopen("/proc/self/smaps", "re");
    if (!maps)
        return;
    while (fgets(line, sizeof line, maps)) {
        if (read_head(line, &next)) {
            drop(&piece);
            piece = next;
        } else {
            note_difference(line, &piece);
        }
    }
    drop(&piece);
    fclose(maps);
}
