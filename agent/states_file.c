#include "states_file.h"

#include "core/inventory.h"
#include "monitor.h"
#include "phusong/log.h"
#include "replace_file.h"
#include "roster.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define MODULE "states"
#define LOOK_NS (2 * PHU_NS_PER_S)
#define SIZE_MOST (64 << 20)
#define HEADING "phusong states 1\n"

/* -- Reading --------------------------------------------------------------------------------- */

/* The primary check of "endpoint ID" or "device ID"; 0 for none. */
static uint32_t find_handle(const struct phu_states_file *file, const char *kind, const char *id)
{
    const struct phu_inventory *inventory = *file->inventory;
    uint32_t found;

    if (strcmp(kind, "device") == 0) {
        found = phu_inventory_find_device(inventory, id);
        return found == PHU_INVENTORY_NONE || !inventory->devices[found].check_count
                   ? 0
                   : phu_roster_handle(file->roster, inventory->devices[found].checks);
    }
    found = phu_inventory_find_endpoint(inventory, id);
    return found == PHU_INVENTORY_NONE || !inventory->endpoints[found].check_count
               ? 0
               : phu_roster_handle(file->roster, inventory->endpoints[found].checks);
}

static bool next_number(char **rest, int64_t most, int64_t *value)
{
    const char *word = strsep(rest, " ");
    char *end;

    if (!word || !*word)
        return false;
    errno = 0;
    *value = strtoll(word, &end, 10);
    return !errno && !*end && *value >= 0 && *value <= most;
}

/* "endpoint bn-1-fibre 2 0 0 1 1795464000000 1795463990000 1795464001000": state, held, flapping,
 * changes, when the last change was, since when it fails, when this was written. Cut in place. */
static bool read_line(char *line, const char **kind, const char **id,
                      struct phu_health_saved *saved)
{
    int64_t state, held, flapping, changes;
    char *rest = line;

    *kind = strsep(&rest, " ");
    *id = strsep(&rest, " ");
    if (!*id || !next_number(&rest, UINT8_MAX, &state) || !next_number(&rest, UINT8_MAX, &held) ||
        !next_number(&rest, 1, &flapping) || !next_number(&rest, UINT32_MAX, &changes) ||
        !next_number(&rest, INT64_MAX, &saved->change_ms) ||
        !next_number(&rest, INT64_MAX, &saved->since_ms) ||
        !next_number(&rest, INT64_MAX, &saved->told_ms) || rest)
        return false;
    saved->state = (uint8_t)state;
    saved->held = (uint8_t)held;
    saved->is_flapping = flapping != 0;
    saved->changes = (uint32_t)changes;
    return true;
}

static void restore(struct phu_states_file *file, char *text)
{
    unsigned restored = 0, bad = 0;
    char *rest = text;
    char *line = strsep(&rest, "\n");

    if (!line || strncmp(line, HEADING, strlen(HEADING) - 1) != 0) {
        phu_log_warn(MODULE, "this is no file of states; they begin anew", "file=\"%s\"",
                     file->path);
        return;
    }
    while ((line = strsep(&rest, "\n"))) {
        struct phu_health_saved saved = {0};
        const char *kind, *id;
        uint32_t handle;

        if (!*line)
            continue;
        if (!read_line(line, &kind, &id, &saved)) {
            bad++;
            continue;
        }
        handle = find_handle(file, kind, id);
        if (handle)
            phu_monitor_restore(file->monitor, handle, &saved);
        restored += handle != 0;
    }
    if (bad)
        phu_log_warn(MODULE, "lines that cannot be read were left out", "file=\"%s\" lines=%u",
                     file->path, bad);
    phu_log_info(MODULE, "states of the last run", "subjects=%u", restored);
}

static void read_file(struct phu_states_file *file)
{
    struct stat before;
    size_t length;
    char *text;
    int error = phu_file_read(file->path, SIZE_MOST, &text, &length, &before);

    if (error)
        phu_log_warn(MODULE, "cannot be read; states begin anew", "file=\"%s\" err=\"%s\"",
                     file->path, strerror(-error));
    else if (text)
        restore(file, text);
    if (!error)
        free(text);
}

/* -- Writing --------------------------------------------------------------------------------- */

struct writing {
    struct phu_states_file *file;
    const char *path;
    char *text;
    size_t length;
    int error;
};

static void write_subject(FILE *out, const struct phu_states_file *file, bool is_device,
                          const char *id, uint32_t check)
{
    uint32_t handle = phu_roster_handle(file->roster, check);
    struct phu_health_saved saved;

    if (!handle || !phu_monitor_save(file->monitor, handle, &saved))
        return;
    fprintf(out, "%s %s %u %u %u %" PRIu32 " %" PRId64 " %" PRId64 " %" PRId64 "\n",
            is_device ? "device" : "endpoint", id, saved.state, saved.held, saved.is_flapping,
            saved.changes, saved.change_ms, saved.since_ms, saved.told_ms);
}

static void make_text(const struct phu_states_file *file, struct writing *writing)
{
    const struct phu_inventory *inventory = *file->inventory;
    FILE *out = open_memstream(&writing->text, &writing->length);

    if (!out)
        abort();
    fputs(HEADING, out);
    for (uint32_t i = 0; i < inventory->device_count; i++) {
        const struct phu_device *device = &inventory->devices[i];

        if (device->check_count)
            write_subject(out, file, true, phu_inventory_text(inventory, device->id),
                          device->checks);
    }
    for (uint32_t i = 0; i < inventory->endpoint_count; i++) {
        const struct phu_endpoint *endpoint = &inventory->endpoints[i];

        if (endpoint->check_count)
            write_subject(out, file, false, phu_inventory_text(inventory, endpoint->id),
                          endpoint->checks);
    }
    if (fclose(out))
        abort();
}

static void write_now(void *arg)
{
    struct writing *writing = arg;
    struct stat before;
    size_t length;
    char *text;

    writing->error = phu_file_read(writing->path, SIZE_MOST, &text, &length, &before);
    if (writing->error)
        return;
    writing->error =
        phu_file_replace(writing->path, text ? &before : NULL, writing->text, writing->length);
    free(text);
}

static void end_writing(struct writing *writing)
{
    if (writing->error)
        phu_log_warn(MODULE, "cannot be written; a restart would forget states",
                     "file=\"%s\" err=\"%s\"", writing->path, strerror(-writing->error));
    free(writing->text);
}

static void written(void *arg, bool is_canceled)
{
    struct writing *writing = arg;

    writing->file->is_writing = false;
    if (is_canceled)
        writing->error = 0;
    end_writing(writing);
    free(writing);
}

static void start_writing(struct phu_states_file *file, int64_t changes)
{
    struct writing *writing = calloc(1, sizeof *writing);

    if (!writing)
        abort();
    writing->file = file;
    writing->path = file->path;
    make_text(file, writing);
    file->saved = changes;
    file->is_writing = true;
    if (phu_work_start(file->sched, write_now, written, writing))
        written(writing, true);
}

static void look(struct phu_timer *timer)
{
    struct phu_states_file *file = phu_container_of(timer, struct phu_states_file, timer);
    int64_t changes = phu_monitor_changes(file->monitor);

    phu_timer_after(file->sched, timer, LOOK_NS);
    if (!file->is_writing && changes != file->saved)
        start_writing(file, changes);
}

/* -- Life ------------------------------------------------------------------------------------ */

void phu_states_file_open(struct phu_states_file *file, const char *state_dir)
{
    if (asprintf(&file->path, "%s/states", state_dir) < 0)
        abort();
    read_file(file);
    file->is_open = true;
    file->saved = phu_monitor_changes(file->monitor);
    phu_timer_init(&file->timer, look);
    phu_timer_after(file->sched, &file->timer, LOOK_NS);
}

void phu_states_file_close(struct phu_states_file *file)
{
    struct writing writing = {.file = file, .path = file->path};

    if (!file->is_open)
        return;
    file->is_open = false;
    phu_timer_cancel(file->sched, &file->timer);
    make_text(file, &writing);
    /* Another one may just be under way. */
    for (int tries = 0; tries < 3; tries++) {
        write_now(&writing);
        if (writing.error != -ESTALE && writing.error != -EEXIST)
            break;
    }
    end_writing(&writing);
}

void phu_states_file_fini(struct phu_states_file *file)
{
    free(file->path);
    file->path = NULL;
}
