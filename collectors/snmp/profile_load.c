/* Folders of profiles to a set: reads every file, lets later folders replace earlier ones by name,
 * and puts the tables of what a profile includes behind its own.
 */
#include "profile_set.h"

#include "conf_file.h"
#include "mem.h"

#include "phusong/err.h"
#include "phusong/text.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { FILES_MAX = 1000 };

enum visit {
    VISIT_NOT_YET,
    VISIT_ON_THE_WAY,
    VISIT_DONE,
};

/* A file while the set is loaded. */
struct draft {
    char *file;
    size_t folder;
    struct phu_conf_source *source;
    struct phu_profile_conf conf;
    const char *name; /* NULL: it has none */
    struct phu_profile_entry entry;
    size_t own_tables;
    bool is_bound;    /* conf is filled */
    bool is_replaced; /* by one of a later folder */
    enum visit visit;
    struct draft **chain; /* what it includes, directly or not; each once */
    size_t chain_length;
};

struct load {
    struct phu_diags *diags;
    struct phu_profiles *set;
    struct draft *drafts;
    size_t count;
    size_t mistakes;
};

/* -- Reading ---------------------------------------------------------------------------------- */

static struct draft *add_draft(struct load *load, const char *file, size_t folder)
{
    struct draft *draft;

    load->drafts = phu_mem_grow(load->drafts, load->count, sizeof *load->drafts);
    draft = &load->drafts[load->count++];
    *draft = (struct draft){.file = phu_mem_strdup(file), .folder = folder};
    return draft;
}

static void finish_draft(struct load *load, struct draft *draft, int result)
{
    draft->is_bound = result == 0;
    draft->name = phu_conf_source_text(draft->source, "name");
    load->mistakes += !draft->is_bound;
    if (draft->is_bound)
        load->mistakes += phu_profile_compile(&draft->conf, draft->source, load->diags,
                                              &load->set->memory, &draft->entry);
    draft->entry.profile.file = phu_profile_take_text(&load->set->memory, draft->file);
    draft->own_tables = draft->entry.profile.table_count;
}

/* FNV-1a */
static uint64_t mix(uint64_t hash, const void *bytes, size_t length)
{
    for (size_t i = 0; i < length; i++)
        hash = (hash ^ ((const uint8_t *)bytes)[i]) * UINT64_C(0x100000001b3);
    return hash;
}

static void stamp(struct phu_profiles *set, const char *file)
{
    struct stat info;

    set->stamp = mix(set->stamp, file, strlen(file));
    if (stat(file, &info) != 0)
        return; /* reading it says why */
    set->stamp = mix(set->stamp, &info.st_ino, sizeof info.st_ino);
    set->stamp = mix(set->stamp, &info.st_size, sizeof info.st_size);
    set->stamp = mix(set->stamp, &info.st_mtim, sizeof info.st_mtim);
}

static void read_file(struct load *load, const char *file, size_t folder)
{
    struct draft *draft = add_draft(load, file, folder);

    stamp(load->set, file);
    finish_draft(load, draft,
                 phu_conf_load_source(&phu_profile_options, file, load->diags, &draft->conf,
                                      &draft->source));
}

static void read_text(struct load *load, const char *file, const char *text, size_t length,
                      size_t folder)
{
    struct draft *draft = add_draft(load, file, folder);

    finish_draft(load, draft,
                 phu_conf_load_source_text(&phu_profile_options, file, text, length, load->diags,
                                           &draft->conf, &draft->source));
}

static bool ends_with(const char *name, const char *end)
{
    size_t length = strlen(name), tail = strlen(end);

    return length > tail && strcmp(name + length - tail, end) == 0;
}

static int is_profile(const struct dirent *item)
{
    return item->d_name[0] != '.' &&
           (ends_with(item->d_name, ".yaml") || ends_with(item->d_name, ".yml"));
}

static void read_folder(struct load *load, const char *folder, size_t index)
{
    struct dirent **items = NULL;
    int count = scandir(folder, &items, is_profile, alphasort);

    if (count < 0 && errno != ENOENT) {
        phu_diags_add(load->diags, folder, 0, 0, "the folder of profiles cannot be read: %s",
                      strerror(errno));
        load->mistakes++;
    }
    if (count > FILES_MAX) {
        phu_diags_add(load->diags, folder, 0, 0, "holds more than %d profiles; remove some",
                      FILES_MAX);
        load->mistakes++;
    }
    for (int i = 0; i < count; i++) {
        char *file;

        if (asprintf(&file, "%s%s%s", folder, ends_with(folder, "/") ? "" : "/", items[i]->d_name) <
            0)
            abort();
        if (ends_with(file, ".yml")) {
            phu_diags_add(load->diags, file, 0, 0, "is passed over; rename it to end in .yaml");
            load->mistakes++;
        } else if (i < FILES_MAX) {
            read_file(load, file, index);
        }
        free(file);
        free(items[i]);
    }
    free(items);
}

/* -- Names ------------------------------------------------------------------------------------ */

static struct draft *find_draft(const struct load *load, const char *name)
{
    for (size_t i = load->count; i-- > 0;) {
        struct draft *draft = &load->drafts[i];

        if (draft->name && !draft->is_replaced && strcmp(draft->name, name) == 0)
            return draft;
    }
    return NULL;
}

/* The draft `index` takes the place of an earlier one of its name. */
static void settle_name(struct load *load, size_t index)
{
    struct draft *draft = &load->drafts[index];

    for (size_t i = 0; i < index && draft->name; i++) {
        struct draft *other = &load->drafts[i];

        if (!other->name || strcmp(other->name, draft->name) != 0)
            continue;
        if (other->folder == draft->folder) {
            phu_conf_source_mistake(draft->source, load->diags, "name",
                                    "\"%.64s\" is already the name of the profile in %s; two of "
                                    "one folder cannot share it",
                                    draft->name, other->file);
            load->mistakes++;
        }
        other->is_replaced = true;
    }
}

/* -- Includes --------------------------------------------------------------------------------- */

static void add_to_chain(struct draft *draft, struct draft *other)
{
    for (size_t i = 0; i < draft->chain_length; i++) {
        if (draft->chain[i] == other)
            return;
    }
    draft->chain = phu_mem_grow(draft->chain, draft->chain_length, sizeof *draft->chain);
    draft->chain[draft->chain_length++] = other;
}

static void say_unknown(struct load *load, const struct draft *draft, const char *place,
                        const char *name)
{
    struct phu_guess guess = {.word = name};

    for (size_t i = 0; i < load->count; i++) {
        if (load->drafts[i].name)
            phu_guess_offer(&guess, load->drafts[i].name);
    }
    if (guess.nearest)
        phu_conf_source_mistake(draft->source, load->diags, place,
                                "there is no profile \"%.64s\" to include; did you mean \"%s\"?",
                                name, guess.nearest);
    else
        phu_conf_source_mistake(draft->source, load->diags, place,
                                "there is no profile \"%.64s\" to include", name);
    load->mistakes++;
}

static void visit(struct load *load, struct draft *draft);

static void visit_include(struct load *load, struct draft *draft, size_t index)
{
    const char *name = draft->conf.includes.items[index];
    struct draft *other = find_draft(load, name);
    char place[32];

    snprintf(place, sizeof place, "includes[%zu]", index);
    if (!other) {
        say_unknown(load, draft, place, name);
        return;
    }
    if (!other->is_bound)
        return; /* its own mistakes have been told */
    if (other->visit == VISIT_ON_THE_WAY) {
        phu_conf_source_mistake(draft->source, load->diags, place,
                                "\"%.64s\" includes \"%.64s\" itself, directly or through others; "
                                "leave it out here",
                                name, draft->name);
        load->mistakes++;
        return;
    }
    visit(load, other);
    add_to_chain(draft, other);
    for (size_t i = 0; i < other->chain_length; i++)
        add_to_chain(draft, other->chain[i]);
}

static void visit(struct load *load, struct draft *draft)
{
    if (draft->visit == VISIT_DONE)
        return;
    draft->visit = VISIT_ON_THE_WAY;
    for (size_t i = 0; i < draft->conf.includes.count; i++)
        visit_include(load, draft, i);
    draft->visit = VISIT_DONE;
}

static void check_table(struct load *load, const struct draft *draft,
                        const struct phu_profile_table *tables, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(tables[i].name, tables[count].name) != 0)
            continue;
        phu_conf_source_mistake(draft->source, load->diags, "includes",
                                "table \"%s\" comes twice through what the profile includes; "
                                "rename one of the two",
                                tables[i].name);
        load->mistakes++;
    }
}

/* Own tables, then those of the chain, each profile's own ones. */
static void join_tables(struct load *load, struct draft *draft)
{
    struct phu_profile_table *tables;
    size_t count = draft->own_tables, at = draft->own_tables;

    if (!draft->chain_length)
        return;
    for (size_t i = 0; i < draft->chain_length; i++)
        count += draft->chain[i]->own_tables;
    tables = phu_profile_take(&load->set->memory, count, sizeof *tables);
    if (draft->own_tables)
        memcpy(tables, draft->entry.profile.tables, draft->own_tables * sizeof *tables);
    for (size_t i = 0; i < draft->chain_length; i++) {
        const struct draft *other = draft->chain[i];

        for (size_t j = 0; j < other->own_tables; j++) {
            tables[at] = other->entry.profile.tables[j];
            check_table(load, draft, tables, at++);
        }
    }
    draft->entry.profile.tables = tables;
    draft->entry.profile.table_count = count;
}

/* -- The set ---------------------------------------------------------------------------------- */

static int by_name(const void *a, const void *b)
{
    const struct phu_profile_entry *left = a, *right = b;

    return strcmp(left->profile.name, right->profile.name);
}

static void join(struct load *load)
{
    for (size_t i = 0; i < load->count; i++)
        settle_name(load, i);
    for (size_t i = 0; i < load->count; i++) {
        if (load->drafts[i].is_bound)
            visit(load, &load->drafts[i]);
    }
    /* Includes name the first tables of others, so those must still be their own. */
    for (size_t i = 0; i < load->count; i++)
        join_tables(load, &load->drafts[i]);
}

static void fill(struct load *load)
{
    struct phu_profiles *set = load->set;

    set->entries = phu_mem_alloc(load->count, sizeof *set->entries);
    for (size_t i = 0; i < load->count; i++) {
        if (!load->drafts[i].is_replaced)
            set->entries[set->count++] = load->drafts[i].entry;
    }
    qsort(set->entries, set->count, sizeof *set->entries, by_name);
}

static void begin(struct load *load, struct phu_diags *diags)
{
    *load = (struct load){.diags = diags, .set = phu_mem_alloc(1, sizeof *load->set)};
    load->set->users = 1;
    load->set->stamp = UINT64_C(0xcbf29ce484222325);
}

static int end(struct load *load, struct phu_profiles **out)
{
    int result;

    join(load);
    result = load->mistakes ? -EINVAL : 0;
    if (result == 0)
        fill(load);
    for (size_t i = 0; i < load->count; i++) {
        struct draft *draft = &load->drafts[i];

        if (draft->is_bound)
            phu_conf_free(&phu_profile_options, &draft->conf);
        phu_conf_source_free(draft->source);
        free(draft->chain);
        free(draft->file);
    }
    free(load->drafts);
    if (result)
        phu_profiles_free(load->set);
    *out = result ? NULL : load->set;
    return result;
}

int phu_profiles_load(const char *const *folders, size_t count, struct phu_diags *diags,
                      struct phu_profiles **out)
{
    static const char generic[] = "name: generic\nsummary: interfaces of any device\n";
    struct load load;

    begin(&load, diags);
    read_text(&load, "built in", generic, sizeof generic - 1, 0);
    for (size_t i = 0; i < count; i++)
        read_folder(&load, folders[i], i + 1);
    return end(&load, out);
}

int phu_profiles_load_text(const char *file, const char *text, size_t length,
                           struct phu_diags *diags, struct phu_profiles **out)
{
    struct load load;

    begin(&load, diags);
    read_text(&load, file, text, length, 1);
    return end(&load, out);
}
