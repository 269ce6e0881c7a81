/* Maintenance: spans of time in which alerts of some labels are written down but not told.
 *
 * The windows are in the file `maintenance.json` of the state folder. Whoever changes them replaces
 * the file (`phusong console maintenance`, or the console's API); the console reads it again when
 * it has changed. Agents have windows of their own (maintenance.csv of the inventory), which mark
 * what they send.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#define PHU_MAINTENANCE_ID 16

struct phu_maintenance_match {
    char *label, *value; /* both must be there and equal */
};

struct phu_maintenance_window {
    char id[PHU_MAINTENANCE_ID];
    struct phu_maintenance_match *matches; /* all of them; at least one */
    size_t match_count;
    int64_t from_ns, to_ns;
    char *comment;
};

struct phu_maintenance {
    char *path;
    struct phu_maintenance_window *windows; /* in the order they were made */
    size_t count;
    struct {
        int64_t seconds, ns, size;
        uint64_t inode;
    } stamp; /* of the file that was read */
};

/* A missing file holds none. -EINVAL when it is broken, and then the former windows stay; `why`
 * says where. */
int phu_maintenance_open(const char *path, struct phu_maintenance *maintenance, char *why,
                         size_t why_size);
void phu_maintenance_fini(struct phu_maintenance *maintenance);
/* Reads the file again if it has been replaced: 1 if it was, 0 if not, or as open. */
int phu_maintenance_refresh(struct phu_maintenance *maintenance, char *why, size_t why_size);

/* The window that covers an alert with these labels now, or NULL. */
const struct phu_maintenance_window *
phu_maintenance_covers(const struct phu_maintenance *maintenance, const json_t *labels,
                       int64_t now_ns);
/* When something begins or ends next after `now_ns`; INT64_MAX: never. */
int64_t phu_maintenance_next_change(const struct phu_maintenance *maintenance, int64_t now_ns);

/* "hamlet=bn-0412,operator=vnpt" into matches; -EINVAL with `why`. */
int phu_maintenance_parse_matches(const char *text, struct phu_maintenance_window *window,
                                  char *why, size_t why_size);
/* Adds or removes, and replaces the file. Adding makes the id and takes over what the window holds,
 * even when it fails; what is over for a month goes. -ENOENT: no such id. */
int phu_maintenance_add(struct phu_maintenance *maintenance, struct phu_maintenance_window *window,
                        int64_t now_ns, char *why, size_t why_size);
int phu_maintenance_remove(struct phu_maintenance *maintenance, const char *id, char *why,
                           size_t why_size);
void phu_maintenance_window_fini(struct phu_maintenance_window *window);
/* id, for (object of labels), from, to, comment, state (planned, active, over). */
json_t *phu_maintenance_json(const struct phu_maintenance_window *window, int64_t now_ns);
/* The other way, for the API: -EINVAL with `why`. */
int phu_maintenance_from_json(const json_t *object, struct phu_maintenance_window *window,
                              char *why, size_t why_size);
