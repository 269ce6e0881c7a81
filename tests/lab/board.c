/* Owns the shared memory: a sparse memfd of which only pages in use take room. */
#include "board.h"

#include <errno.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static const uint64_t board_magic = 0x3162616c75687001;

static size_t board_size(void)
{
    return sizeof(struct lab_board) + (size_t)LAB_HOSTS_MAX * sizeof(struct lab_host_stats);
}

int lab_board_open(struct lab_board **board, int *fd)
{
    void *memory;

    *fd = memfd_create("phusong-lab", MFD_CLOEXEC);
    if (*fd < 0)
        return -errno;
    if (ftruncate(*fd, (off_t)board_size()) < 0)
        goto fail;
    memory = mmap(NULL, board_size(), PROT_READ | PROT_WRITE, MAP_SHARED, *fd, 0);
    if (memory == MAP_FAILED)
        goto fail;
    *board = memory;
    (*board)->magic = board_magic;
    (*board)->size = board_size();
    return 0;

fail:
    close(*fd);
    *fd = -1;
    return -ENOMEM;
}

void lab_board_close(struct lab_board *board, int fd)
{
    if (board)
        munmap(board, board_size());
    if (fd >= 0)
        close(fd);
}

int lab_board_map(int fd, const struct lab_board **board)
{
    struct stat info;
    const struct lab_board *memory;

    if (fstat(fd, &info) < 0 || (size_t)info.st_size != board_size())
        return -EPROTO;
    memory = mmap(NULL, board_size(), PROT_READ, MAP_SHARED, fd, 0);
    if (memory == MAP_FAILED)
        return -errno;
    if (memory->magic != board_magic || memory->size != board_size()) {
        lab_board_unmap(memory);
        return -EPROTO;
    }
    *board = memory;
    return 0;
}

void lab_board_unmap(const struct lab_board *board)
{
    munmap((void *)board, board_size());
}

unsigned lab_board_lateness(const struct lab_totals *totals, double share)
{
    uint64_t wanted = (uint64_t)(share * (double)totals->released);
    uint64_t seen = 0;
    unsigned us = 0;

    for (; us < LAB_LATENESS_US; us++) {
        seen += totals->lateness_us[us];
        if (seen > wanted || seen == totals->released)
            break;
    }
    return us;
}

uint64_t lab_board_overruns(const struct lab_board *board)
{
    uint64_t sum = board->totals.overrun[LAB_TO] + board->totals.overrun[LAB_FROM];

    for (uint64_t i = 0; i < board->totals.host_count; i++)
        for (int dir = 0; dir < LAB_DIRS; dir++)
            sum += board->hosts[i].ways[dir].dropped[LAB_CAUSE_BUFFER] +
                   board->hosts[i].ways[dir].dropped[LAB_CAUSE_WRITE];
    return sum;
}
