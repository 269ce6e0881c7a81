/* What a file on disk needs beyond writing it. */
#pragma once

/* A name that was made, replaced or removed is safe once its folder is synced: syncs the folder
 * that `path` stands in. 0, also where the file system has no such thing, or a negative errno. */
int phu_file_sync_folder(const char *path);
