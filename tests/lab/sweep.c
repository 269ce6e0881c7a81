/* Walks /proc. A namespace is recognised by its inode; a mark is "phusong-lab PID START PIDNS",
 * START being the process's start time, so that a reused pid does not pass for a living lab. */
#include "sweep.h"

#include "clock.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { NAMESPACES_MAX = 1024 };

/* The 22nd field of /proc/PID/stat. */
static unsigned long long parse_start_time(const char *stat)
{
    const char *at = strrchr(stat, ')'); /* the name before it may hold anything */

    if (!at || strncmp(at, ") Z", 3) == 0 || strncmp(at, ") X", 3) == 0)
        return 0; /* dead, and not yet collected by its parent */
    for (int field = 2; at && field < 22; field++)
        at = strchr(at + 1, ' ');
    return at ? strtoull(at, NULL, 10) : 0;
}

/* 0 when there is no such process. */
static unsigned long long start_time(pid_t pid)
{
    char path[64];
    char text[1024];
    size_t got;
    FILE *file;

    snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
    file = fopen(path, "re");
    if (!file)
        return 0;
    got = fread(text, 1, sizeof(text) - 1, file);
    fclose(file);
    text[got] = '\0';
    return parse_start_time(text);
}

static unsigned long long pid_namespace(void)
{
    struct stat info;

    return stat("/proc/self/ns/pid", &info) < 0 ? 0 : (unsigned long long)info.st_ino;
}

void lab_mark_make(char out[LAB_ALIAS_MAX])
{
    snprintf(out, LAB_ALIAS_MAX, "phusong-lab %d %llu %llu", (int)getpid(), start_time(getpid()),
             pid_namespace());
}

/* Takes the next number off the text. */
static bool take_number(const char **text, unsigned long long *number)
{
    char *end;

    if (**text != ' ' || !isdigit((unsigned char)(*text)[1]))
        return false;
    *number = strtoull(*text + 1, &end, 10);
    *text = end;
    return true;
}

bool lab_mark_is_orphan(const char *mark)
{
    static const char name[] = "phusong-lab";
    unsigned long long pid;
    unsigned long long start;
    unsigned long long space;

    if (strncmp(mark, name, sizeof(name) - 1) != 0)
        return false;
    mark += sizeof(name) - 1;
    return take_number(&mark, &pid) && take_number(&mark, &start) && take_number(&mark, &space) &&
           *mark == '\0' && space == pid_namespace() && start_time((pid_t)pid) != start;
}

static ino_t namespace_of(pid_t pid)
{
    char path[64];
    struct stat info;

    snprintf(path, sizeof(path), "/proc/%d/ns/net", (int)pid);
    return stat(path, &info) < 0 ? 0 : info.st_ino;
}

/* Calls back for every process; returns how often the callback returned true. */
static size_t each_process(bool (*visit)(pid_t pid, void *context), void *context)
{
    DIR *directory = opendir("/proc");
    struct dirent *entry;
    size_t count = 0;

    while (directory && (entry = readdir(directory)))
        if (isdigit((unsigned char)entry->d_name[0]))
            count += visit((pid_t)strtol(entry->d_name, NULL, 10), context);
    if (directory)
        closedir(directory);
    return count;
}

struct sweep_signal {
    ino_t space;
    int number;
};

static bool signal_member(pid_t pid, void *context)
{
    const struct sweep_signal *what = context;

    return pid != getpid() && namespace_of(pid) == what->space && kill(pid, what->number) == 0;
}

static size_t end_inode(ino_t space)
{
    struct sweep_signal what = {.space = space, .number = SIGTERM};
    struct timespec pause = {.tv_nsec = 10000000};
    size_t count = each_process(signal_member, &what);

    what.number = 0; /* only asks whether it is there; zombies have no namespace any more */
    for (int i = 0; i < 100 && each_process(signal_member, &what) > 0; i++)
        nanosleep(&pause, NULL);
    what.number = SIGKILL;
    for (int i = 0; i < 100 && each_process(signal_member, &what) > 0; i++)
        nanosleep(&pause, NULL);
    return count;
}

size_t lab_end_members(int ns_fd)
{
    struct stat info;

    return fstat(ns_fd, &info) < 0 ? 0 : end_inode(info.st_ino);
}

struct spaces {
    size_t count;
    ino_t seen[NAMESPACES_MAX];
    size_t ended;
};

static bool is_new(struct spaces *spaces, ino_t space)
{
    for (size_t i = 0; i < spaces->count; i++)
        if (spaces->seen[i] == space)
            return false;
    if (space == 0 || spaces->count == NAMESPACES_MAX)
        return false;
    spaces->seen[spaces->count++] = space;
    return true;
}

/* Reads the mark of the namespace that the caller has just entered. */
static bool is_orphaned(void)
{
    struct lab_link_info info;
    int fd = lab_netlink_open();
    bool found = fd >= 0 && lab_netlink_get_link(fd, if_nametoindex("lo"), &info) == 0 &&
                 lab_mark_is_orphan(info.alias);

    if (fd >= 0)
        close(fd);
    return found;
}

static bool look_into(pid_t pid, void *context)
{
    struct spaces *spaces = context;
    ino_t space = namespace_of(pid);
    char path[64];
    int fd;

    if (!is_new(spaces, space))
        return false;
    snprintf(path, sizeof(path), "/proc/%d/ns/net", (int)pid);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    if (setns(fd, CLONE_NEWNET) == 0 && is_orphaned())
        spaces->ended += end_inode(space);
    close(fd);
    return true;
}

size_t lab_sweep(void)
{
    struct spaces spaces = {0};
    int home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);

    if (home < 0)
        return 0;
    is_new(&spaces, namespace_of(getpid()));
    each_process(look_into, &spaces);
    if (setns(home, CLONE_NEWNET) < 0 && errno != EPERM) /* EPERM: none was entered either */
        abort();
    close(home);
    return spaces.ended;
}
