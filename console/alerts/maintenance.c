#include "maintenance.h"

#include "mem.h"
#include "phusong/text.h"
#include "phusong/time.h"
#include "replace_file.h"
#include "rfc3339.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>

#define FILE_MOST (4 << 20)
#define MATCHES_MOST 16
#define WINDOWS_MOST 10000
#define KEPT_NS (30 * INT64_C(86400) * PHU_NS_PER_S) /* after its end */

/* -- One window ------------------------------------------------------------------------------- */

void phu_maintenance_window_fini(struct phu_maintenance_window *window)
{
    for (size_t i = 0; i < window->match_count; i++) {
        free(window->matches[i].label);
        free(window->matches[i].value);
    }
    free(window->matches);
    free(window->comment);
    *window = (struct phu_maintenance_window){0};
}

static bool is_label(const char *text)
{
    size_t length = strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_");

    return length > 0 && !text[length] && strspn(text, "0123456789") == 0;
}

static int add_match(struct phu_maintenance_window *window, const char *label, const char *value,
                     char *why, size_t why_size)
{
    if (!is_label(label))
        snprintf(why, why_size,
                 "\"%s\" is no label: letters, digits and _, such as hamlet, commune, site, device",
                 label);
    else if (!*value)
        snprintf(why, why_size, "label %s has no value: write %s=NAME", label, label);
    else if (window->match_count == MATCHES_MOST)
        snprintf(why, why_size, "more than %d labels", MATCHES_MOST);
    else {
        window->matches =
            phu_mem_grow(window->matches, window->match_count, sizeof *window->matches);
        window->matches[window->match_count++] = (struct phu_maintenance_match){
            .label = phu_mem_strdup(label), .value = phu_mem_strdup(value)};
        return 0;
    }
    return -EINVAL;
}

int phu_maintenance_parse_matches(const char *text, struct phu_maintenance_window *window,
                                  char *why, size_t why_size)
{
    char *copy = phu_mem_strdup(text), *rest = copy, *part, *equals;
    int error = 0;

    while (error == 0 && (part = strsep(&rest, ","))) {
        if ((equals = strchr(part, '='))) {
            *equals = '\0';
            error = add_match(window, part, equals + 1, why, why_size);
        } else {
            snprintf(why, why_size, "\"%s\" is not of the form LABEL=VALUE", part);
            error = -EINVAL;
        }
    }
    free(copy);
    return error;
}

static int time_of(const json_t *object, const char *name, int64_t *ns, char *why, size_t why_size)
{
    const char *text = json_string_value(json_object_get(object, name));
    struct phu_wall at;

    if (!text || phu_rfc3339_parse(text, &at) < 0) {
        snprintf(why, why_size, "\"%s\" must be a time such as 2026-11-23T22:00:00+07:00", name);
        return -EINVAL;
    }
    *ns = at.ns;
    return 0;
}

static int matches_of(const json_t *object, struct phu_maintenance_window *window, char *why,
                      size_t why_size)
{
    json_t *labels = json_object_get(object, "for"), *value;
    const char *label;

    if (!json_is_object(labels) || json_object_size(labels) == 0) {
        snprintf(why, why_size, "\"for\" must name labels, such as {\"hamlet\": \"bn-0412\"}");
        return -EINVAL;
    }
    json_object_foreach(labels, label, value)
    {
        const char *text = json_string_value(value);

        if (add_match(window, label, text ? text : "", why, why_size) < 0)
            return -EINVAL;
    }
    return 0;
}

int phu_maintenance_from_json(const json_t *object, struct phu_maintenance_window *window,
                              char *why, size_t why_size)
{
    const char *id = json_string_value(json_object_get(object, "id"));
    const char *comment = json_string_value(json_object_get(object, "comment"));

    *window = (struct phu_maintenance_window){0};
    if (!json_is_object(object)) {
        snprintf(why, why_size, "not an object with for, from, to, comment");
        return -EINVAL;
    }
    snprintf(window->id, sizeof window->id, "%s", id ? id : "");
    window->comment = phu_mem_strdup(comment ? comment : "");
    if (matches_of(object, window, why, why_size) < 0 ||
        time_of(object, "from", &window->from_ns, why, why_size) < 0 ||
        time_of(object, "to", &window->to_ns, why, why_size) < 0)
        goto bad;
    if (window->to_ns <= window->from_ns) {
        snprintf(why, why_size, "it must end (\"to\") after it begins (\"from\")");
        goto bad;
    }
    return 0;
bad:
    phu_maintenance_window_fini(window);
    return -EINVAL;
}

static void set_time(json_t *object, const char *name, int64_t ns)
{
    char text[PHU_RFC3339_SIZE];

    phu_rfc3339_format(text, (struct phu_wall){ns});
    json_object_set_new(object, name, json_string(text));
}

static json_t *window_json(const struct phu_maintenance_window *window)
{
    json_t *object = json_object(), *labels = json_object();

    if (!object || !labels)
        abort();
    for (size_t i = 0; i < window->match_count; i++)
        json_object_set_new(labels, window->matches[i].label,
                            json_string(window->matches[i].value));
    json_object_set_new(object, "id", json_string(window->id));
    json_object_set_new(object, "for", labels);
    set_time(object, "from", window->from_ns);
    set_time(object, "to", window->to_ns);
    json_object_set_new(object, "comment", json_string(window->comment));
    return object;
}

json_t *phu_maintenance_json(const struct phu_maintenance_window *window, int64_t now_ns)
{
    json_t *object = window_json(window);

    json_object_set_new(object, "state",
                        json_string(now_ns < window->from_ns ? "planned"
                                    : now_ns < window->to_ns ? "active"
                                                             : "over"));
    return object;
}

/* -- The file --------------------------------------------------------------------------------- */

static void drop_windows(struct phu_maintenance *maintenance)
{
    for (size_t i = 0; i < maintenance->count; i++)
        phu_maintenance_window_fini(&maintenance->windows[i]);
    free(maintenance->windows);
    maintenance->windows = NULL;
    maintenance->count = 0;
}

static int parse(struct phu_maintenance *maintenance, const char *text, size_t length, char *why,
                 size_t why_size)
{
    struct phu_maintenance fresh = {0};
    json_error_t mistake;
    json_t *list = json_loadb(text, length, JSON_REJECT_DUPLICATES, &mistake);
    char reason[160];

    if (!json_is_array(list)) {
        snprintf(why, why_size, "%s:%d:%d: %s", maintenance->path, list ? 1 : mistake.line,
                 list ? 1 : mistake.column, list ? "not a list of windows" : mistake.text);
        json_decref(list);
        return -EINVAL;
    }
    for (size_t i = 0; i < json_array_size(list) && i < WINDOWS_MOST; i++) {
        struct phu_maintenance_window window;

        if (phu_maintenance_from_json(json_array_get(list, i), &window, reason, sizeof reason) <
            0) {
            snprintf(why, why_size, "%s: window %zu: %s", maintenance->path, i + 1, reason);
            drop_windows(&fresh);
            json_decref(list);
            return -EINVAL;
        }
        fresh.windows = phu_mem_grow(fresh.windows, fresh.count, sizeof *fresh.windows);
        fresh.windows[fresh.count++] = window;
    }
    json_decref(list);
    drop_windows(maintenance);
    maintenance->windows = fresh.windows;
    maintenance->count = fresh.count;
    return 0;
}

static void stamp(struct phu_maintenance *maintenance, const struct stat *status)
{
    maintenance->stamp.seconds = status->st_mtim.tv_sec;
    maintenance->stamp.ns = status->st_mtim.tv_nsec;
    maintenance->stamp.size = status->st_size;
    maintenance->stamp.inode = status->st_ino;
}

static int read_file(struct phu_maintenance *maintenance, struct stat *status, char *why,
                     size_t why_size)
{
    char *text;
    size_t length;
    int error = phu_file_read(maintenance->path, FILE_MOST, &text, &length, status);

    if (error < 0) {
        snprintf(why, why_size, "cannot read %s: %s", maintenance->path, strerror(-error));
        return error;
    }
    if (!text) {
        drop_windows(maintenance);
        *status = (struct stat){0};
    } else {
        error = parse(maintenance, text, length, why, why_size);
        free(text);
    }
    stamp(maintenance, status);
    return error;
}

int phu_maintenance_open(const char *path, struct phu_maintenance *maintenance, char *why,
                         size_t why_size)
{
    struct stat status;
    int error;

    *maintenance = (struct phu_maintenance){.path = phu_mem_strdup(path)};
    error = read_file(maintenance, &status, why, why_size);
    if (error < 0)
        phu_maintenance_fini(maintenance);
    return error;
}

void phu_maintenance_fini(struct phu_maintenance *maintenance)
{
    drop_windows(maintenance);
    free(maintenance->path);
    maintenance->path = NULL;
}

int phu_maintenance_refresh(struct phu_maintenance *maintenance, char *why, size_t why_size)
{
    struct stat status = {0};
    int error;

    if (stat(maintenance->path, &status) < 0)
        status = (struct stat){0};
    if (status.st_mtim.tv_sec == maintenance->stamp.seconds &&
        status.st_mtim.tv_nsec == maintenance->stamp.ns &&
        status.st_size == maintenance->stamp.size &&
        (uint64_t)status.st_ino == maintenance->stamp.inode)
        return 0;
    error = read_file(maintenance, &status, why, why_size);
    return error < 0 ? error : 1;
}

/* -- Changing it ------------------------------------------------------------------------------ */

static int save(struct phu_maintenance *maintenance, const struct stat *before, bool had_file,
                char *why, size_t why_size)
{
    json_t *list = json_array();
    char *text;
    int error;

    for (size_t i = 0; list && i < maintenance->count; i++)
        json_array_append_new(list, window_json(&maintenance->windows[i]));
    text = list ? json_dumps(list, JSON_INDENT(1)) : NULL;
    if (!text)
        abort();
    error = phu_file_replace(maintenance->path, had_file ? before : NULL, text, strlen(text));
    if (error < 0)
        snprintf(why, why_size, "cannot write %s: %s", maintenance->path,
                 error == -ESTALE ? "somebody else has changed it just now; try again"
                                  : strerror(-error));
    free(text);
    json_decref(list);
    return error;
}

/* Reads the newest file first, so that two who change it do not undo each other. */
static int begin_change(struct phu_maintenance *maintenance, struct stat *before, bool *had_file,
                        char *why, size_t why_size)
{
    int error = read_file(maintenance, before, why, why_size);

    *had_file = before->st_ino != 0;
    return error;
}

static int end_change(struct phu_maintenance *maintenance, const struct stat *before, bool had_file,
                      char *why, size_t why_size)
{
    int error = save(maintenance, before, had_file, why, why_size);
    struct stat status;

    /* What the file says holds, whether it could be written or not. */
    if (error < 0)
        read_file(maintenance, &status, (char[256]){0}, 256);
    else if (stat(maintenance->path, &status) == 0)
        stamp(maintenance, &status);
    return error;
}

static void remove_at(struct phu_maintenance *maintenance, size_t place)
{
    phu_maintenance_window_fini(&maintenance->windows[place]);
    memmove(&maintenance->windows[place], &maintenance->windows[place + 1],
            (--maintenance->count - place) * sizeof *maintenance->windows);
}

static void make_id(char id[PHU_MAINTENANCE_ID])
{
    unsigned char chance[6];

    if (getrandom(chance, sizeof chance, 0) != (ssize_t)sizeof chance)
        abort();
    for (size_t i = 0; i < sizeof chance; i++)
        snprintf(id + 2 * i, 3, "%02x", chance[i]);
}

int phu_maintenance_add(struct phu_maintenance *maintenance, struct phu_maintenance_window *window,
                        int64_t now_ns, char *why, size_t why_size)
{
    struct stat before;
    bool had_file;
    int error = begin_change(maintenance, &before, &had_file, why, why_size);

    for (size_t i = maintenance->count; i-- > 0;) {
        if (maintenance->windows[i].to_ns + KEPT_NS < now_ns)
            remove_at(maintenance, i);
    }
    if (error == 0 && maintenance->count >= WINDOWS_MOST) {
        snprintf(why, why_size, "there are %d windows already; remove some", WINDOWS_MOST);
        error = -ENOSPC;
    }
    if (error < 0) {
        phu_maintenance_window_fini(window);
        return error;
    }
    make_id(window->id);
    maintenance->windows =
        phu_mem_grow(maintenance->windows, maintenance->count, sizeof *maintenance->windows);
    maintenance->windows[maintenance->count++] = *window;
    return end_change(maintenance, &before, had_file, why, why_size);
}

int phu_maintenance_remove(struct phu_maintenance *maintenance, const char *id, char *why,
                           size_t why_size)
{
    struct stat before;
    bool had_file;
    size_t place = 0;
    int error = begin_change(maintenance, &before, &had_file, why, why_size);

    if (error < 0)
        return error;
    while (place < maintenance->count && strcmp(maintenance->windows[place].id, id) != 0)
        place++;
    if (place == maintenance->count) {
        snprintf(why, why_size, "there is no maintenance \"%s\"", id);
        return -ENOENT;
    }
    remove_at(maintenance, place);
    return end_change(maintenance, &before, had_file, why, why_size);
}

/* -- Asking ----------------------------------------------------------------------------------- */

static bool matches(const struct phu_maintenance_window *window, const json_t *labels)
{
    for (size_t i = 0; i < window->match_count; i++) {
        const char *value = json_string_value(json_object_get(labels, window->matches[i].label));

        if (!value || strcmp(value, window->matches[i].value) != 0)
            return false;
    }
    return true;
}

const struct phu_maintenance_window *
phu_maintenance_covers(const struct phu_maintenance *maintenance, const json_t *labels,
                       int64_t now_ns)
{
    for (size_t i = 0; i < maintenance->count; i++) {
        const struct phu_maintenance_window *window = &maintenance->windows[i];

        if (window->from_ns <= now_ns && now_ns < window->to_ns && matches(window, labels))
            return window;
    }
    return NULL;
}

int64_t phu_maintenance_next_change(const struct phu_maintenance *maintenance, int64_t now_ns)
{
    int64_t next = INT64_MAX;

    for (size_t i = 0; i < maintenance->count; i++) {
        const struct phu_maintenance_window *window = &maintenance->windows[i];

        if (window->from_ns > now_ns && window->from_ns < next)
            next = window->from_ns;
        if (window->to_ns > now_ns && window->to_ns < next)
            next = window->to_ns;
    }
    return next;
}
