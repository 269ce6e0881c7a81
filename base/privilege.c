#include "privilege.h"

#include "phusong/log.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

static int become(const struct passwd *entry)
{
    if (initgroups(entry->pw_name, entry->pw_gid) ||
        setresgid(entry->pw_gid, entry->pw_gid, entry->pw_gid) ||
        setresuid(entry->pw_uid, entry->pw_uid, entry->pw_uid))
        return -errno;
    return 0;
}

int phu_privilege_drop(const char *user)
{
    const struct passwd *entry;
    int error;

    /* From here on no program that we might start could gain rights either. */
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    if (!*user)
        return 0;
    errno = 0;
    entry = getpwnam(user);
    if (!entry) {
        phu_log_error("privilege", "the user to become does not exist", "user=\"%s\"", user);
        return errno ? -errno : -ENOENT;
    }
    if (geteuid() == entry->pw_uid)
        return 0;
    error = become(entry);
    if (error)
        phu_log_error(
            "privilege",
            "cannot become the user of the configuration; start as root, or leave it empty",
            "user=\"%s\" err=\"%s\"", user, strerror(-error));
    return error;
}

void phu_privilege_raise_files(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit))
        return;
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
}
