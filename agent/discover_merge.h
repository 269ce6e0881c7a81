/* Adds rows to devices.csv without touching what a person wrote: the text that is there stays, byte
 * for byte; rows whose id or address it does not have come behind it, in its columns, with its
 * separator, its line ends and its way of quoting.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct phu_device_row {
    const char *id, *address, *credential, *checks, *interfaces; /* "" where there is nothing */
};

enum phu_merge_fate {
    PHU_MERGE_ADDED,
    PHU_MERGE_KNOWN_ADDRESS, /* a device has it already */
    PHU_MERGE_KNOWN_ID,      /* a device with another address has this id */
};

struct phu_merge {
    char *text; /* the whole file; NULL when nothing was added */
    size_t length, added;
    char problem[256];     /* of -EINVAL: what is wrong with the old text, and where */
    bool lacks_credential; /* the file has no such column, so that was not written */
};

/* `old` NULL: there is no file yet. `fates` has `count` entries. 0, or -EINVAL when the old text
 * has mistakes: nothing is merged into it then. */
int phu_devices_merge(const char *old, size_t length, const struct phu_device_row *rows,
                      size_t count, enum phu_merge_fate *fates, struct phu_merge *merge);
void phu_merge_fini(struct phu_merge *merge);

/* The header and the rows, for a file that does not exist yet; to be freed. */
char *phu_devices_format(const struct phu_device_row *rows, size_t count);
