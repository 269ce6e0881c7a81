/* SIGHUP: parse and check the new files on a pool thread, compare them there with what is running,
 * swap. A bad file leaves everything as it is.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct phu_config;
struct phu_inventory;
struct phu_inventory_diff;
struct phu_sched;
struct phu_stats;

struct phu_reload {
    struct phu_sched *sched;
    struct phu_stats *stats;
    const char *file;
    /* What is running. Borrowed, and read by the pool thread: they change only between a call of
     * `loaded` and phu_reload_done(). */
    const struct phu_config *config;
    const struct phu_inventory *inventory;
    /* Takes all three; called on the loop when they are good. Once they are in force it, or
     * somebody later, calls phu_reload_done(). */
    void (*loaded)(void *arg, struct phu_config *config, struct phu_inventory *inventory,
                   struct phu_inventory_diff *diff);
    void *arg;

    struct phu_reload_job *job; /* NULL: none in progress. Private from here on */
    bool is_swapping;           /* between loaded and done */
    bool is_wanted_again;
    int64_t failed; /* the last one: 0 or 1 */
    int64_t count;
};

void phu_reload_init(struct phu_reload *reload);
/* Asked again while one is in progress, it runs once more afterwards. */
void phu_reload_start(struct phu_reload *reload);
/* What was loaded is in force. */
void phu_reload_done(struct phu_reload *reload, const struct phu_config *config,
                     const struct phu_inventory *inventory);
/* Call before leaving the loop; a job in progress ends without effect. */
void phu_reload_close(struct phu_reload *reload);

/* What both start and reload do: 0, or -EINVAL with mistakes in `diags`. */
struct phu_diags;
int phu_reload_read(const char *file, struct phu_diags *diags, struct phu_config **config,
                    struct phu_inventory **inventory);
