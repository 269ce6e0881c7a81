/* The key `include`: files named by patterns, in order of name, merged into the tree.
 *
 * Sections are joined key by key and lists are put one after the other; a single value that is
 * given twice is a mistake. Only the main file may include.
 */
#include "conf_tree.h"

#include "phusong/err.h"

#include <glob.h>
#include <stdlib.h>
#include <string.h>

enum { FILES_MAX = 1000 };

#define MISTAKE(diags, node, ...)                                                                  \
    phu_diags_add(diags, (node)->file, (node)->line, (node)->column, __VA_ARGS__)

/* -- Merging ---------------------------------------------------------------------------------- */

static void append_all(struct phu_conf_node *into, struct phu_conf_node *from)
{
    if (!from->first)
        return;
    if (into->last)
        into->last->next = from->first;
    else
        into->first = from->first;
    into->last = from->last;
    into->count += from->count;
}

static void merge(struct phu_conf_node *into, struct phu_conf_node *from, struct phu_diags *diags);

/* `key` of an included file meets `known`, the same key of an earlier one. */
static void merge_value(struct phu_conf_node *known, struct phu_conf_node *key,
                        struct phu_diags *diags)
{
    if (!key->value || phu_conf_node_is_null(key->value))
        return;
    if (!known->value || phu_conf_node_is_null(known->value))
        known->value = key->value;
    else if (known->value->kind == PHU_CONF_MAPPING && key->value->kind == PHU_CONF_MAPPING)
        merge(known->value, key->value, diags);
    else if (known->value->kind == PHU_CONF_SEQUENCE && key->value->kind == PHU_CONF_SEQUENCE)
        append_all(known->value, key->value);
    else
        MISTAKE(diags, key, "\"%s\" is already given at %s:%u; remove one of them", key->text,
                known->file, known->line);
}

static void merge(struct phu_conf_node *into, struct phu_conf_node *from, struct phu_diags *diags)
{
    struct phu_conf_node *key = from->first, *next;

    for (; key; key = next) {
        struct phu_conf_node *known = phu_conf_node_key(into, key->text);

        next = key->next;
        if (known) {
            merge_value(known, key, diags);
            continue;
        }
        key->next = NULL;
        key->parent = into;
        if (into->last)
            into->last->next = key;
        else
            into->first = key;
        into->last = key;
        into->count++;
    }
}

/* -- Including -------------------------------------------------------------------------------- */

static void include_file(struct phu_conf_tree *tree, const char *file, struct phu_diags *diags)
{
    struct phu_conf_node *root = phu_conf_tree_read_file(tree, file, diags), *nested;

    if (!root || phu_conf_node_is_null(root))
        return;
    if (root->kind != PHU_CONF_MAPPING) {
        MISTAKE(diags, root, "expected sections such as \"checks:\"");
        return;
    }
    nested = phu_conf_node_key(root, "include");
    if (nested) {
        MISTAKE(diags, nested, "\"include\" works only in the main file; name this file's there");
        return;
    }
    merge(tree->root, root, diags);
}

static void include_pattern(struct phu_conf_tree *tree, const struct phu_conf_node *node,
                            struct phu_diags *diags)
{
    char *pattern;
    glob_t found = {0};
    int result;

    if (node->is_bad)
        return;
    if (node->kind != PHU_CONF_SCALAR || phu_conf_node_is_null(node)) {
        MISTAKE(diags, node, "\"include\" takes file names, such as conf.d/*.yaml");
        return;
    }
    pattern = phu_conf_path_join(node->file, node->text);
    result = glob(pattern, 0, NULL, &found);
    if (result == GLOB_NOMATCH && !strpbrk(node->text, "*?["))
        MISTAKE(diags, node, "\"%s\" does not exist", pattern);
    else if (result != 0 && result != GLOB_NOMATCH)
        MISTAKE(diags, node, "\"%s\" cannot be listed", pattern);
    else if (found.gl_pathc > FILES_MAX)
        MISTAKE(diags, node, "\"%s\" names more than 1000 files", pattern);
    else
        for (size_t i = 0; i < found.gl_pathc; i++)
            include_file(tree, found.gl_pathv[i], diags);
    globfree(&found);
    free(pattern);
}

/* Takes the key out of the root, so that nobody else has to know it. */
static void unlink_key(struct phu_conf_node *mapping, struct phu_conf_node *key)
{
    struct phu_conf_node **link = &mapping->first, *last = NULL;

    while (*link != key) {
        last = *link;
        link = &(*link)->next;
    }
    *link = key->next;
    if (mapping->last == key)
        mapping->last = last;
    mapping->count--;
}

void phu_conf_tree_load(struct phu_conf_tree *tree, const char *file, struct phu_diags *diags)
{
    struct phu_conf_node *key, *item;

    phu_conf_tree_read_file(tree, file, diags);
    key = phu_conf_node_key(tree->root, "include");
    if (!key)
        return;
    unlink_key(tree->root, key);
    if (!key->value)
        return;
    if (key->value->kind != PHU_CONF_SEQUENCE) {
        include_pattern(tree, key->value, diags);
        return;
    }
    for (item = key->value->first; item; item = item->next)
        include_pattern(tree, item, diags);
}
