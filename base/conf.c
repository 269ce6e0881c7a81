/* Configuration structs as a whole: read from a file, filled with defaults, compared, freed. */
#include "phusong/conf.h"

#include "conf_bind.h"
#include "conf_file.h"
#include "mem.h"

#include "phusong/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* -- Freeing ---------------------------------------------------------------------------------- */

static void free_strings(struct phu_strings *strings)
{
    for (size_t i = 0; i < strings->count; i++)
        free(strings->items[i]);
    free(strings->items);
}

static void free_map(struct phu_map *map)
{
    for (size_t i = 0; i < map->count; i++) {
        free(map->items[i].key);
        free(map->items[i].value);
    }
    free(map->items);
}

static void free_list(const struct phu_option_table *table, struct phu_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        phu_conf_free(table, (char *)list->items + i * table->size);
    free(list->items);
}

static void free_variant(const struct phu_variants *variants, struct phu_variant *variant)
{
    if (variant->common)
        phu_conf_free(variants->common, variant->common);
    free(variant->common);
    for (size_t i = 0; i < PHU_VARIANT_TABLES; i++) {
        if (variant->options[i])
            phu_conf_free(variants->kinds[variant->kind].tables[i], variant->options[i]);
        free(variant->options[i]);
    }
}

static void free_variants(const struct phu_variants *variants, struct phu_list *list)
{
    struct phu_variant *items = list->items;

    for (size_t i = 0; i < list->count; i++)
        free_variant(variants, &items[i]);
    free(items);
}

static void free_option(const struct phu_option *option, void *slot)
{
    switch (option->type) {
    case PHU_OPTION_STRING:
    case PHU_OPTION_PATH:
    case PHU_OPTION_SECRET:
        free(*(char **)slot);
        break;
    case PHU_OPTION_STRINGS:
        free_strings(slot);
        break;
    case PHU_OPTION_MAP:
        free_map(slot);
        break;
    case PHU_OPTION_TABLE:
        phu_conf_free(option->table, slot);
        break;
    case PHU_OPTION_LIST:
        free_list(option->table, slot);
        break;
    case PHU_OPTION_VARIANTS:
        free_variants(option->variants, slot);
        break;
    case PHU_OPTION_BOOL:
    case PHU_OPTION_INT:
    case PHU_OPTION_NUMBER:
    case PHU_OPTION_DURATION:
    case PHU_OPTION_SIZE:
    case PHU_OPTION_SHARE:
    case PHU_OPTION_CHOICE:
        break;
    }
}

void phu_conf_free(const struct phu_option_table *table, void *conf)
{
    for (size_t i = 0; i < table->count; i++)
        free_option(&table->options[i], (char *)conf + table->options[i].offset);
    memset(conf, 0, table->size);
}

/* -- Comparing -------------------------------------------------------------------------------- */

static bool are_strings_equal(const struct phu_strings *a, const struct phu_strings *b)
{
    if (a->count != b->count)
        return false;
    for (size_t i = 0; i < a->count; i++) {
        if (strcmp(a->items[i], b->items[i]) != 0)
            return false;
    }
    return true;
}

static bool are_maps_equal(const struct phu_map *a, const struct phu_map *b)
{
    if (a->count != b->count)
        return false;
    for (size_t i = 0; i < a->count; i++) {
        if (strcmp(a->items[i].key, b->items[i].key) != 0 ||
            strcmp(a->items[i].value, b->items[i].value) != 0)
            return false;
    }
    return true;
}

static bool are_lists_equal(const struct phu_option_table *table, const struct phu_list *a,
                            const struct phu_list *b)
{
    if (a->count != b->count)
        return false;
    for (size_t i = 0; i < a->count; i++) {
        size_t offset = i * table->size;

        if (!phu_conf_equal(table, (char *)a->items + offset, (char *)b->items + offset))
            return false;
    }
    return true;
}

static bool is_variant_equal(const struct phu_variants *variants, const struct phu_variant *a,
                             const struct phu_variant *b)
{
    if (a->kind != b->kind || !phu_conf_equal(variants->common, a->common, b->common))
        return false;
    for (size_t i = 0; i < PHU_VARIANT_TABLES; i++) {
        const struct phu_option_table *table = variants->kinds[a->kind].tables[i];

        if (table && !phu_conf_equal(table, a->options[i], b->options[i]))
            return false;
    }
    return true;
}

static bool are_variants_equal(const struct phu_variants *variants, const struct phu_list *a,
                               const struct phu_list *b)
{
    const struct phu_variant *left = a->items, *right = b->items;

    if (a->count != b->count)
        return false;
    for (size_t i = 0; i < a->count; i++) {
        if (!is_variant_equal(variants, &left[i], &right[i]))
            return false;
    }
    return true;
}

static bool is_option_equal(const struct phu_option *option, const void *a, const void *b)
{
    switch (option->type) {
    case PHU_OPTION_BOOL:
        return *(const bool *)a == *(const bool *)b;
    case PHU_OPTION_CHOICE:
        return *(const int *)a == *(const int *)b;
    case PHU_OPTION_NUMBER:
    case PHU_OPTION_SHARE:
        return memcmp(a, b, sizeof(double)) == 0;
    case PHU_OPTION_INT:
    case PHU_OPTION_DURATION:
    case PHU_OPTION_SIZE:
        return *(const int64_t *)a == *(const int64_t *)b;
    case PHU_OPTION_STRING:
    case PHU_OPTION_PATH:
    case PHU_OPTION_SECRET:
        return strcmp(*(char *const *)a, *(char *const *)b) == 0;
    case PHU_OPTION_STRINGS:
        return are_strings_equal(a, b);
    case PHU_OPTION_MAP:
        return are_maps_equal(a, b);
    case PHU_OPTION_TABLE:
        return phu_conf_equal(option->table, a, b);
    case PHU_OPTION_LIST:
        return are_lists_equal(option->table, a, b);
    case PHU_OPTION_VARIANTS:
        return are_variants_equal(option->variants, a, b);
    }
    return false;
}

bool phu_conf_equal(const struct phu_option_table *table, const void *a, const void *b)
{
    for (size_t i = 0; i < table->count; i++) {
        const struct phu_option *option = &table->options[i];

        if (!is_option_equal(option, (const char *)a + option->offset,
                             (const char *)b + option->offset))
            return false;
    }
    return true;
}

/* -- Filling ---------------------------------------------------------------------------------- */

static int finish(const struct phu_option_table *table, const struct phu_conf_binder *binder,
                  const struct phu_diags *diags, size_t before, void *conf)
{
    if (binder->mistakes == 0 && diags->count == before)
        return 0;
    phu_conf_free(table, conf);
    return -EINVAL;
}

int phu_conf_defaults(const struct phu_option_table *table, void *conf)
{
    struct phu_diags diags;
    struct phu_conf_binder binder = {.diags = &diags};
    int result;

    phu_diags_init(&diags);
    phu_conf_bind(&binder, table, NULL, conf);
    result = finish(table, &binder, &diags, 0, conf);
    phu_diags_fini(&diags);
    return result;
}

static int bind_tree(const struct phu_option_table *table, const struct phu_conf_tree *tree,
                     struct phu_conf_binder *binder, size_t before, void *conf)
{
    const struct phu_conf_node *root = tree->root;

    memset(conf, 0, table->size);
    binder->is_incomplete = tree->is_broken;
    binder->manual = table->manual;
    if ((!root || phu_conf_node_is_null(root)) && !tree->is_broken)
        phu_diags_add(binder->diags, binder->file, 0, 0,
                      table->manual ? "is empty; %s says what belongs here"
                                    : "is empty; %s prints a complete one",
                      table->manual ? table->manual : "\"phusong config default\"");
    else if (root && root->kind != PHU_CONF_MAPPING)
        phu_diags_add(binder->diags, root->file, root->line, root->column,
                      "expected sections such as \"agent:\", each on a line of its own");
    else if (root)
        phu_conf_bind(binder, table, root, conf);
    return finish(table, binder, binder->diags, before, conf);
}

/* -- Files that stay known --------------------------------------------------------------------- */

struct phu_conf_source {
    struct phu_conf_tree tree;
    char *file;
};

static struct phu_conf_source *new_source(const char *file)
{
    struct phu_conf_source *source = phu_mem_alloc(1, sizeof *source);

    phu_conf_tree_init(&source->tree);
    source->file = phu_mem_strdup(file);
    return source;
}

void phu_conf_source_free(struct phu_conf_source *source)
{
    if (!source)
        return;
    phu_conf_tree_fini(&source->tree);
    free(source->file);
    free(source);
}

const char *phu_conf_source_text(const struct phu_conf_source *source, const char *place)
{
    const struct phu_conf_node *node = phu_conf_node_find(source->tree.root, place);

    return node && node->kind == PHU_CONF_SCALAR && !node->is_bad ? node->text : NULL;
}

void phu_conf_source_mistake(const struct phu_conf_source *source, struct phu_diags *diags,
                             const char *place, const char *format, ...)
{
    const struct phu_conf_node *node = phu_conf_node_find(source->tree.root, place);
    char message[1024];
    va_list args;

    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    phu_diags_add(diags, node ? node->file : source->file, node ? node->line : 0,
                  node ? node->column : 0, "%s", message);
}

/* -- Loading ---------------------------------------------------------------------------------- */

int phu_conf_load_source(const struct phu_option_table *table, const char *file,
                         struct phu_diags *diags, void *conf, struct phu_conf_source **source)
{
    struct phu_conf_binder binder = {.diags = diags, .file = file, .are_secrets_tried = true};
    size_t before = diags->count;

    *source = new_source(file);
    if (table->is_alone)
        phu_conf_tree_read_file(&(*source)->tree, file, diags);
    else
        phu_conf_tree_load(&(*source)->tree, file, diags);
    return bind_tree(table, &(*source)->tree, &binder, before, conf);
}

int phu_conf_load_source_text(const struct phu_option_table *table, const char *file,
                              const char *text, size_t length, struct phu_diags *diags, void *conf,
                              struct phu_conf_source **source)
{
    struct phu_conf_binder binder = {.diags = diags, .file = file};
    size_t before = diags->count;

    *source = new_source(file);
    phu_conf_tree_read(&(*source)->tree, file, text, length, diags);
    return bind_tree(table, &(*source)->tree, &binder, before, conf);
}

int phu_conf_load(const struct phu_option_table *table, const char *file, struct phu_diags *diags,
                  void *conf)
{
    struct phu_conf_source *source;
    int result = phu_conf_load_source(table, file, diags, conf, &source);

    phu_conf_source_free(source);
    return result;
}

int phu_conf_load_text(const struct phu_option_table *table, const char *file, const char *text,
                       size_t length, struct phu_diags *diags, void *conf)
{
    struct phu_conf_source *source;
    int result = phu_conf_load_source_text(table, file, text, length, diags, conf, &source);

    phu_conf_source_free(source);
    return result;
}
