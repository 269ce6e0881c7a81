/* A copy while the store runs. The copy is of one moment: the connection that reads holds a
 * snapshot while it copies, so writing goes on and the copy never begins anew. */
#include "db.h"
#include "schema.h"
#include "store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define STEP_PAGES 256

static int copy(struct phu_db *from, struct phu_db *to, phu_store_progress_cb *progress, void *arg)
{
    sqlite3_backup *backup = sqlite3_backup_init(to->handle, "main", from->handle, "main");
    int result = SQLITE_OK, err = 0;

    if (!backup)
        return phu_db_error(to);
    while (!err && result == SQLITE_OK) {
        int64_t all, left;

        result = sqlite3_backup_step(backup, STEP_PAGES);
        all = (int64_t)sqlite3_backup_pagecount(backup) * PHU_SCHEMA_PAGE;
        left = (int64_t)sqlite3_backup_remaining(backup) * PHU_SCHEMA_PAGE;
        if (progress && !progress(arg, all - left, all))
            err = -ECANCELED;
    }
    sqlite3_backup_finish(backup);
    return err ? err : phu_db_errno(result);
}

static int copy_into(const char *path, const char *part, phu_store_progress_cb *progress, void *arg)
{
    struct phu_db from, to;
    int err = phu_db_open(&from, path, false);

    if (err)
        return err;
    err = phu_schema_verify(&from);
    if (!err)
        err = phu_db_run(&from, "BEGIN; SELECT count(*) FROM meta"); /* the snapshot */
    if (!err)
        err = phu_db_open(&to, part, true);
    if (err) {
        phu_db_close(&from);
        return err;
    }
    err = phu_db_run(&to, "PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF");
    if (!err)
        err = copy(&from, &to, progress, arg);
    phu_db_close(&to);
    phu_db_close(&from);
    return err;
}

static int sync_path(const char *path, int flags)
{
    int file = open(path, flags | O_CLOEXEC), err = 0;

    if (file < 0)
        return -errno;
    if (fsync(file))
        err = -errno;
    close(file);
    return err;
}

static int sync_folder(const char *file)
{
    char folder[4096];
    char *slash;

    if (snprintf(folder, sizeof folder, "%s", file) >= (int)sizeof folder)
        return -ENAMETOOLONG;
    slash = strrchr(folder, '/');
    if (!slash)
        strcpy(folder, ".");
    else
        slash[slash == folder] = '\0';
    return sync_path(folder, O_RDONLY | O_DIRECTORY);
}

/* Never over a file that is there, even when it appears meanwhile. */
static int put_in_place(const char *part, const char *file)
{
    int err = sync_path(part, O_RDWR);

    if (err)
        return err;
    if (link(part, file))
        return -errno;
    unlink(part);
    return sync_folder(file);
}

static int refuse(int err, const char *path, const char *file, char *why, size_t why_size)
{
    const char *what = strerror(-err);

    if (err == -EEXIST)
        what = "there is a file of that name already";
    else if (err == -ENOSPC)
        what = "the disk is full; the copy needs as much room as the store has";
    else if (err == -EPROTONOSUPPORT || err == -EINVAL || err == -EAGAIN || err == -EILSEQ)
        what = "the store is damaged, or not of this version";
    snprintf(why, why_size, "backup of %s to %s: %s", path, file, what);
    return err;
}

int phu_store_backup(const char *path, const char *file, phu_store_progress_cb *progress, void *arg,
                     char *why, size_t why_size)
{
    char part[4096];
    int made, err = 0;

    if (snprintf(part, sizeof part, "%s.part", file) >= (int)sizeof part)
        return refuse(-ENAMETOOLONG, path, file, why, why_size);
    if (access(file, F_OK) == 0)
        return refuse(-EEXIST, path, file, why, why_size);
    unlink(part); /* of a backup that was cut off */
    made = open(part, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0640);
    if (made < 0)
        return refuse(-errno, path, part, why, why_size);
    close(made);
    err = copy_into(path, part, progress, arg);
    if (!err)
        err = put_in_place(part, file);
    if (err) {
        unlink(part);
        return refuse(err, path, file, why, why_size);
    }
    return 0;
}
