/* The order of loading: areas, sites, devices, endpoints, maintenance, as each refers to those
 * before it. */
#include "inventory_load.h"

#include "phusong/err.h"
#include "phusong/text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FILE_MAX_BYTES = 64 * 1024 * 1024, GUESSES_MAX = 32 };

/* -- What the readers share ------------------------------------------------------------------- */

bool phu_inventory_open_table(struct phu_inventory_loader *loader, enum phu_inventory_file file,
                              struct phu_inventory_source *source, const struct phu_column *columns,
                              size_t column_count, struct phu_inventory_table *table)
{
    *table = (struct phu_inventory_table){
        .path = source->path,
        .columns = columns,
        .column_count = column_count,
        .diags = loader->diags,
        .strings = &loader->strings,
    };
    if (!source->text)
        return false;
    if (phu_table_open(table, source->text, source->length) == 0)
        return true;
    loader->mistakes += table->mistakes;
    loader->is_lost[file] = true;
    return false;
}

void *phu_inventory_room(const struct phu_inventory_source *source, size_t size)
{
    size_t rows = 1;
    const char *at = source->text ? source->text : "";
    const char *end = at + source->length;
    void *room;

    while ((at = memchr(at, '\n', (size_t)(end - at)))) {
        rows++;
        at++;
    }
    room = calloc(rows, size);
    if (!room)
        abort();
    return room;
}

const char *phu_inventory_guess(struct phu_inventory_loader *loader,
                                const struct phu_record_index *index, const void *records,
                                uint32_t count, const char *word)
{
    struct phu_guess guess = {.word = word};

    if (loader->guesses++ >= GUESSES_MAX)
        return NULL;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t text;

        memcpy(&text, (const char *)records + (size_t)i * index->stride + index->key, sizeof text);
        if (text)
            phu_guess_offer(&guess, loader->strings.bytes + text);
    }
    return guess.nearest;
}

uint32_t phu_inventory_refer(struct phu_inventory_loader *loader, struct phu_inventory_table *table,
                             size_t column, enum phu_inventory_file file)
{
    const struct phu_inventory *inventory = loader->inventory;
    bool is_site = file == PHU_FILE_SITES;
    const struct phu_record_index *index =
        is_site ? &loader->index->sites : &loader->index->devices;
    const void *records = is_site ? (const void *)inventory->sites : inventory->devices;
    const char *text = phu_table_field(table, column), *nearest;
    const char *what = is_site ? "site" : "device";
    uint32_t cursor = 0, found;

    if (!text[0] || loader->is_lost[file])
        return PHU_INVENTORY_NONE;
    found = phu_record_index_next(index, loader->strings.bytes, records, text, &cursor);
    if (found != UINT32_MAX)
        return found;
    nearest = phu_inventory_guess(loader, index, records,
                                  is_site ? inventory->site_count : inventory->device_count, text);
    if (nearest)
        phu_table_mistake(table, column, "unknown %s \"%.80s\"; did you mean \"%s\"?", what, text,
                          nearest);
    else
        phu_table_mistake(table, column, "unknown %s \"%.80s\"; add it to %ss.csv or correct it",
                          what, text, what);
    return PHU_INVENTORY_NONE;
}

uint32_t phu_inventory_find_in_force(const struct phu_inventory_loader *loader,
                                     const struct phu_record_index *index, const char *text,
                                     bool *is_past)
{
    const struct phu_inventory *inventory = loader->inventory;
    uint32_t cursor = 0, found;

    for (;;) {
        found =
            phu_record_index_next(index, loader->strings.bytes, inventory->areas, text, &cursor);
        if (found == UINT32_MAX)
            return PHU_INVENTORY_NONE;
        if (inventory->areas[found].valid_from <= inventory->today &&
            inventory->today <= inventory->areas[found].valid_to)
            return found;
        *is_past = true;
    }
}

void phu_inventory_enter(struct phu_inventory_loader *loader, struct phu_inventory_table *table,
                         struct phu_record_index *index, const void *records, uint32_t record,
                         uint32_t id, const char *what)
{
    const char *bytes = loader->strings.bytes;
    uint32_t cursor = 0;

    if (!id)
        return;
    if (phu_record_index_next(index, bytes, records, bytes + id, &cursor) != UINT32_MAX) {
        phu_table_mistake(table, 0, "%s \"%s\" is there twice; each needs an id of its own", what,
                          bytes + id);
        return;
    }
    phu_record_index_add(index, bytes, records, record);
}

/* -- Circles ---------------------------------------------------------------------------------- */

static uint32_t *parent_slot(const struct phu_parents *parents, uint32_t record)
{
    return (uint32_t *)(void *)((char *)parents->records + (size_t)record * parents->stride +
                                parents->parent);
}

static const char *name_of(const struct phu_inventory_loader *loader,
                           const struct phu_parents *parents, uint32_t record)
{
    uint32_t text;

    memcpy(&text, (char *)parents->records + (size_t)record * parents->stride + parents->name,
           sizeof text);
    return loader->strings.bytes + text;
}

static void report_circle(struct phu_inventory_loader *loader, const struct phu_parents *parents,
                          uint32_t start)
{
    char members[512];
    size_t used = (size_t)snprintf(members, sizeof members, "%s", name_of(loader, parents, start));
    uint32_t at = *parent_slot(parents, start);

    for (; at != start && used < sizeof members; at = *parent_slot(parents, at))
        used += (size_t)snprintf(members + used, sizeof members - used, " > %s",
                                 name_of(loader, parents, at));
    phu_table_mistake_at(parents->table, parents->origins[start].line,
                         parents->origins[start].parent_column,
                         "parents go in a circle: %s > %s; correct one of them", members,
                         name_of(loader, parents, start));
}

void phu_inventory_cut_circles(struct phu_inventory_loader *loader,
                               const struct phu_parents *parents)
{
    /* 0: not looked at; otherwise the walk that came by, counted from 1. */
    uint32_t *walks = calloc(parents->count ? parents->count : 1, sizeof *walks);

    if (!walks)
        abort();
    for (uint32_t i = 0; i < parents->count; i++) {
        uint32_t at = i;

        while (at != PHU_INVENTORY_NONE && walks[at] == 0) {
            walks[at] = i + 1;
            at = *parent_slot(parents, at);
        }
        if (at == PHU_INVENTORY_NONE || walks[at] != i + 1)
            continue;
        report_circle(loader, parents, at);
        *parent_slot(parents, at) = PHU_INVENTORY_NONE;
    }
    free(walks);
}

/* -- Checks ----------------------------------------------------------------------------------- */

static int find_name(const char *const *names, const char *name, size_t length)
{
    for (int i = 0; names[i]; i++) {
        if (strncmp(names[i], name, length) == 0 && names[i][length] == '\0')
            return i;
    }
    return -1;
}

static void say_unknown_check(struct phu_inventory_loader *loader,
                              struct phu_inventory_table *table, size_t column, const char *name)
{
    struct phu_guess guess = {.word = name};
    char known[512] = "";

    for (size_t i = 0; loader->vocabulary->checks[i]; i++) {
        size_t used = strlen(known);

        phu_guess_offer(&guess, loader->vocabulary->checks[i]);
        snprintf(known + used, sizeof known - used, "%s%s", i ? ", " : "",
                 loader->vocabulary->checks[i]);
    }
    if (strchr(name, ','))
        phu_table_mistake(table, column, "\"%s\": put spaces between checks, not commas", name);
    else if (guess.nearest)
        phu_table_mistake(table, column, "unknown check \"%s\"; did you mean \"%s\"?", name,
                          guess.nearest);
    else
        phu_table_mistake(table, column, "unknown check \"%s\"; known are %s", name, known);
}

/* One check of a column's text, of `length` bytes from `start`. */
static bool parse_check(struct phu_inventory_loader *loader, struct phu_inventory_table *table,
                        size_t column, const char *text, struct phu_check_cache *entry)
{
    const struct phu_inventory_vocabulary *vocabulary = loader->vocabulary;
    size_t slot = entry->count;
    char check[PHU_CSV_FIELD_BYTES_MAX + 1], *argument;
    const char *why;
    int kind;

    memcpy(check, text + entry->checks[slot].start, entry->checks[slot].length);
    check[entry->checks[slot].length] = '\0';
    argument = strchr(check, ':');
    if (argument)
        *argument++ = '\0';
    else
        argument = check + entry->checks[slot].length;
    kind = find_name(vocabulary->checks, check, strlen(check));
    if (kind < 0) {
        say_unknown_check(loader, table, column, check);
        return false;
    }
    why = vocabulary->check_argument
              ? vocabulary->check_argument(vocabulary->arg, (size_t)kind, argument)
              : NULL;
    if (why) {
        phu_table_mistake(table, column, "check \"%.*s\": %s", (int)entry->checks[slot].length,
                          text + entry->checks[slot].start, why);
        return false;
    }
    entry->checks[slot].kind = (uint16_t)kind;
    entry->checks[slot].argument =
        phu_strings_pool_intern(&loader->strings, argument, strlen(argument));
    return true;
}

static bool is_repeated(const struct phu_check_cache *entry, const char *text)
{
    size_t slot = entry->count, length = entry->checks[slot].length;

    for (size_t i = 0; i < slot; i++) {
        if (entry->checks[i].length == length &&
            memcmp(text + entry->checks[i].start, text + entry->checks[slot].start, length) == 0)
            return true;
    }
    return false;
}

static bool parse_checks(struct phu_inventory_loader *loader, struct phu_inventory_table *table,
                         size_t column, const char *text, struct phu_check_cache *entry)
{
    bool is_right = true;
    size_t at = 0;

    entry->count = 0;
    for (;;) {
        at += strspn(text + at, " \t");
        if (!text[at])
            return is_right;
        if (entry->count == PHU_CHECKS_PER_OWNER) {
            phu_table_mistake(table, column, "more than %d checks", PHU_CHECKS_PER_OWNER);
            return false;
        }
        entry->checks[entry->count].start = (uint16_t)at;
        entry->checks[entry->count].length = (uint16_t)strcspn(text + at, " \t");
        at += entry->checks[entry->count].length;
        if (is_repeated(entry, text)) {
            phu_table_mistake(table, column, "check \"%.*s\" is there twice; remove one of them",
                              (int)entry->checks[entry->count].length,
                              text + entry->checks[entry->count].start);
            is_right = false;
        } else if (parse_check(loader, table, column, text, entry)) {
            entry->count++;
        } else {
            is_right = false;
        }
    }
}

/* Most rows say the same, so what the last ones said is remembered. NULL: reported. */
static const struct phu_check_cache *cached_checks(struct phu_inventory_loader *loader,
                                                   struct phu_inventory_table *table, size_t column,
                                                   const char *fallback)
{
    const char *text = phu_table_field(table, column);
    struct phu_check_cache *entry;
    uint32_t offset;

    if (!text[0])
        text = fallback;
    if (!loader->vocabulary->checks[0])
        return NULL;
    offset = phu_strings_pool_intern(&loader->strings, text, strlen(text));
    entry = &loader->cache[offset % PHU_CHECK_CACHE];
    if (entry->text == offset && offset)
        return entry;
    entry->text = 0;
    if (!parse_checks(loader, table, column, text, entry))
        return NULL;
    entry->text = offset;
    return entry;
}

static void check_intervals(struct phu_inventory_loader *loader, struct phu_inventory_table *table,
                            size_t column, const struct phu_check_cache *entry,
                            uint32_t interval_ms)
{
    const struct phu_inventory_vocabulary *vocabulary = loader->vocabulary;

    for (size_t i = 0; i < entry->count && interval_ms && vocabulary->check_interval; i++) {
        const char *why =
            vocabulary->check_interval(vocabulary->arg, entry->checks[i].kind, interval_ms);

        if (why)
            phu_table_mistake(table, column, "check \"%s\": %s",
                              vocabulary->checks[entry->checks[i].kind], why);
    }
}

static struct phu_inventory_check *new_check(struct phu_inventory_loader *loader)
{
    struct phu_inventory *inventory = loader->inventory;

    if (inventory->check_count == loader->check_room) {
        loader->check_room += loader->check_room / 2 + 1024;
        inventory->checks =
            realloc(inventory->checks, (size_t)loader->check_room * sizeof *inventory->checks);
        if (!inventory->checks)
            abort();
    }
    return &inventory->checks[inventory->check_count++];
}

uint32_t phu_inventory_add_checks(struct phu_inventory_loader *loader,
                                  struct phu_inventory_table *table,
                                  const struct phu_owner_columns *columns, const char *fallback,
                                  uint32_t id, uint32_t owner, bool is_device, uint32_t *count)
{
    uint32_t first = loader->inventory->check_count;
    uint32_t interval_ms = phu_table_interval(table, columns->interval);
    const struct phu_check_cache *entry = cached_checks(loader, table, columns->checks, fallback);

    *count = entry ? entry->count : 0;
    if (!entry)
        return first;
    check_intervals(loader, table, columns->interval, entry, interval_ms);
    for (size_t i = 0; i < entry->count; i++) {
        struct phu_inventory_check *check = new_check(loader);
        const struct phu_strings_pool *strings = &loader->strings;
        char text[PHU_CSV_FIELD_BYTES_MAX + 1];

        memcpy(text, strings->bytes + entry->text + entry->checks[i].start,
               entry->checks[i].length);
        *check = (struct phu_inventory_check){
            .id = phu_strings_pool_join(&loader->strings, strings->bytes + id, text,
                                        entry->checks[i].length),
            .argument = entry->checks[i].argument,
            .owner = owner,
            .interval_ms = interval_ms,
            .kind = entry->checks[i].kind,
            .is_device = is_device,
        };
    }
    return first;
}

uint16_t phu_inventory_read_profile(struct phu_inventory_loader *loader,
                                    struct phu_inventory_table *table, size_t column,
                                    uint16_t fallback)
{
    int found = phu_table_choice(table, column, loader->vocabulary->profiles, "profile");

    return found < 0 ? fallback : (uint16_t)found;
}

/* -- Loading ---------------------------------------------------------------------------------- */

static void *shrink(void *array, uint32_t count, size_t size)
{
    void *smaller = realloc(array, count ? count * size : 1);

    return smaller ? smaller : array;
}

static void finish(struct phu_inventory_loader *loader)
{
    struct phu_inventory *inventory = loader->inventory;

    inventory->areas = shrink(inventory->areas, inventory->area_count, sizeof *inventory->areas);
    inventory->sites = shrink(inventory->sites, inventory->site_count, sizeof *inventory->sites);
    inventory->devices =
        shrink(inventory->devices, inventory->device_count, sizeof *inventory->devices);
    inventory->endpoints =
        shrink(inventory->endpoints, inventory->endpoint_count, sizeof *inventory->endpoints);
    inventory->checks =
        shrink(inventory->checks, inventory->check_count, sizeof *inventory->checks);
    phu_strings_pool_seal(&loader->strings);
    inventory->strings = loader->strings.bytes;
    inventory->string_bytes = loader->strings.used;
}

static struct phu_inventory *new_inventory(struct phu_wall now)
{
    struct phu_inventory *inventory = calloc(1, sizeof *inventory);
    struct phu_inventory_index *index = calloc(1, sizeof *index);
    int64_t day_ns = 86400 * PHU_NS_PER_S;

    if (!inventory || !index)
        abort();
    inventory->index = index;
    inventory->today = (int32_t)(now.ns / day_ns - (now.ns % day_ns < 0));
    phu_record_index_init(&index->areas, sizeof(struct phu_area), offsetof(struct phu_area, code));
    phu_record_index_init(&index->hamlets, sizeof(struct phu_area), offsetof(struct phu_area, id));
    phu_record_index_init(&index->sites, sizeof(struct phu_site), offsetof(struct phu_site, id));
    phu_record_index_init(&index->devices, sizeof(struct phu_device),
                          offsetof(struct phu_device, id));
    phu_record_index_init(&index->endpoints, sizeof(struct phu_endpoint),
                          offsetof(struct phu_endpoint, id));
    return inventory;
}

int phu_inventory_load_texts(struct phu_inventory_source sources[PHU_FILE_COUNT],
                             const struct phu_inventory_vocabulary *vocabulary, struct phu_wall now,
                             struct phu_diags *diags, struct phu_inventory **out)
{
    struct phu_inventory_loader *loader = calloc(1, sizeof *loader);
    size_t mistakes;

    if (!loader)
        abort();
    loader->vocabulary = vocabulary;
    loader->diags = diags;
    loader->inventory = new_inventory(now);
    loader->index = loader->inventory->index;
    phu_strings_pool_init(&loader->strings);
    phu_inventory_read_areas(loader, &sources[PHU_FILE_AREAS]);
    phu_inventory_read_sites(loader, &sources[PHU_FILE_SITES]);
    phu_inventory_read_devices(loader, &sources[PHU_FILE_DEVICES]);
    phu_inventory_read_endpoints(loader, &sources[PHU_FILE_ENDPOINTS]);
    phu_inventory_read_maintenance(loader, &sources[PHU_FILE_MAINTENANCE]);
    if (loader->strings.is_full) {
        phu_diags_add(diags, sources[PHU_FILE_ENDPOINTS].path, 0, 0,
                      "the inventory holds more than 4 GiB of text");
        loader->mistakes++;
    }
    finish(loader);
    *out = loader->inventory;
    mistakes = loader->mistakes;
    free(loader);
    if (mistakes == 0)
        return 0;
    phu_inventory_free(*out);
    *out = NULL;
    return -EINVAL;
}

/* -- Files ------------------------------------------------------------------------------------ */

static int read_fd(int fd, struct phu_inventory_source *source)
{
    struct stat info;
    size_t size;

    if (fstat(fd, &info) < 0)
        return -errno;
    if (!S_ISREG(info.st_mode))
        return S_ISDIR(info.st_mode) ? -EISDIR : -EINVAL;
    if (info.st_size > FILE_MAX_BYTES)
        return -EFBIG;
    size = (size_t)info.st_size;
    source->text = malloc(size + 1);
    if (!source->text)
        return -ENOMEM;
    while (source->length < size) {
        ssize_t got = read(fd, source->text + source->length, size - source->length);

        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return got < 0 ? -errno : 0; /* became shorter meanwhile */
        source->length += (size_t)got;
    }
    return 0;
}

static int read_source(struct phu_inventory_source *source)
{
    int fd = open(source->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK), result;

    if (fd < 0)
        return -errno;
    result = read_fd(fd, source);
    close(fd);
    return result;
}

static size_t read_sources(const char *folder, struct phu_inventory_source *sources,
                           struct phu_diags *diags)
{
    static const struct {
        const char *name;
        bool is_required;
    } files[PHU_FILE_COUNT] = {
        [PHU_FILE_AREAS] = {"areas.csv", true},
        [PHU_FILE_SITES] = {"sites.csv", false},
        [PHU_FILE_DEVICES] = {"devices.csv", false},
        [PHU_FILE_ENDPOINTS] = {"endpoints.csv", true},
        [PHU_FILE_MAINTENANCE] = {"maintenance.csv", false},
    };
    size_t failed = 0, length = strlen(folder);

    for (size_t i = 0; i < PHU_FILE_COUNT; i++) {
        char *path;
        int result;

        if (asprintf(&path, "%s%s%s", folder, length && folder[length - 1] == '/' ? "" : "/",
                     files[i].name) < 0)
            abort();
        sources[i] = (struct phu_inventory_source){.path = path};
        result = read_source(&sources[i]);
        if (result == 0 || (result == -ENOENT && !files[i].is_required))
            continue;
        phu_diags_add(diags, path, 0, 0, "cannot be read: %s",
                      result == -EFBIG ? "larger than 64 MiB" : strerror(-result));
        failed++;
    }
    return failed;
}

int phu_inventory_load(const char *folder, const struct phu_inventory_vocabulary *vocabulary,
                       struct phu_wall now, struct phu_diags *diags, struct phu_inventory **out)
{
    struct phu_inventory_source sources[PHU_FILE_COUNT];
    size_t failed = read_sources(folder, sources, diags);
    int result = failed ? -EINVAL : 0;

    *out = NULL;
    if (!failed)
        result = phu_inventory_load_texts(sources, vocabulary, now, diags, out);
    for (size_t i = 0; i < PHU_FILE_COUNT; i++) {
        free(sources[i].text);
        free((char *)sources[i].path);
    }
    return result;
}
