/* The lock is an flock: it goes with the process, so a lock that can be had means that no lab runs,
 * whatever files say. */
#include "state.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

char *lab_state_path(const char *directory, const char *name, char out[128])
{
    snprintf(out, 128, "%s/%s", directory, name);
    return out;
}

static int remove_entry(const char *path, const struct stat *info, int type, struct FTW *walk)
{
    (void)info;
    (void)type;
    (void)walk;
    remove(path);
    return 0; /* go on with the others, whatever became of this one */
}

static void remove_files(const char *directory, bool keeps_files)
{
    static const char *const always[] = {"control", "lock"};
    static const char *const results[] = {"truth.bin", "events.log"};
    char path[128];

    nftw(lab_state_path(directory, "snmp", path), remove_entry, 8, FTW_DEPTH | FTW_PHYS);
    for (size_t i = 0; !keeps_files && i < sizeof(results) / sizeof(*results); i++)
        unlink(lab_state_path(directory, results[i], path));
    for (size_t i = 0; i < sizeof(always) / sizeof(*always); i++)
        unlink(lab_state_path(directory, always[i], path));
}

static int take_lock(struct lab_state *state, struct lab_error *err)
{
    char path[128];

    lab_state_path(state->directory, "lock", path);
    state->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (state->lock_fd < 0)
        return lab_fail(err, "%s: %s", path, strerror(errno));
    if (flock(state->lock_fd, LOCK_EX | LOCK_NB) == 0)
        return 0;
    close(state->lock_fd);
    state->lock_fd = -1;
    lab_fail(err, "a lab is running with %s already: stop it (phusong-lab stop), or give --state",
             state->directory);
    return -EBUSY;
}

int lab_state_open(const char *directory, struct lab_state *state, bool *had_leftovers,
                   struct lab_error *err)
{
    char path[128];
    int error;

    *state = (struct lab_state){.lock_fd = -1};
    snprintf(state->directory, sizeof(state->directory), "%s", directory);
    state->removes_directory = mkdir(directory, 0755) == 0;
    if (!state->removes_directory && errno != EEXIST)
        return lab_fail(err, "cannot make %s: %s", directory, strerror(errno));
    *had_leftovers = access(lab_state_path(directory, "lock", path), F_OK) == 0;
    state->removes_directory |= *had_leftovers;
    error = take_lock(state, err);
    if (error == 0 && *had_leftovers) /* all but the lock, which is ours now */
        unlink(lab_state_path(directory, "control", path));
    return error;
}

void lab_state_close(struct lab_state *state, bool keeps_files)
{
    if (state->lock_fd < 0)
        return;
    remove_files(state->directory, keeps_files);
    if (state->removes_directory)
        rmdir(state->directory);
    close(state->lock_fd);
    state->lock_fd = -1;
}

bool lab_state_sweep(const char *directory)
{
    struct lab_state state = {.lock_fd = -1, .removes_directory = true};
    struct lab_error err;
    char path[128];

    snprintf(state.directory, sizeof(state.directory), "%s", directory);
    if (access(lab_state_path(directory, "lock", path), F_OK) < 0)
        return true;
    if (take_lock(&state, &err) < 0)
        return false;
    lab_state_close(&state, false);
    return true;
}
