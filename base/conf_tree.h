/* YAML as a tree of nodes that know their places. Private to base/conf*.
 *
 * The subset that configuration needs: mappings, sequences, scalars. Anchors, aliases, tags,
 * several documents, duplicate keys and tabs as indentation are mistakes; size, depth and number of
 * nodes are bounded.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct phu_diags;

#define PHU_CONF_FILE_MAX (1024 * 1024)
#define PHU_CONF_DEPTH_MAX 16
#define PHU_CONF_NODES_MAX 200000
#define PHU_CONF_KEYS_MAX 256 /* of one mapping */

enum phu_conf_kind {
    PHU_CONF_SCALAR,
    PHU_CONF_MAPPING,
    PHU_CONF_SEQUENCE,
};

/* A mapping's children are its keys, each with its value. */
struct phu_conf_node {
    enum phu_conf_kind kind;
    bool is_quoted;   /* scalar: written in quotes or as a block */
    bool is_bad;      /* already reported; to be passed over in silence */
    const char *file; /* as it is to be printed */
    unsigned line, column;
    const char *text; /* scalar; NUL-terminated */
    size_t length;
    struct phu_conf_node *parent;
    struct phu_conf_node *first, *last, *next; /* children, and the next of them */
    struct phu_conf_node *value;               /* of a key */
    size_t count;                              /* of children */
};

struct phu_conf_tree {
    struct phu_conf_node *root; /* a mapping or a sequence; NULL: nothing to be had */
    bool is_broken;             /* a syntax error cut it short */
    struct phu_conf_chunk *chunks;
    size_t node_count;
};

void phu_conf_tree_init(struct phu_conf_tree *tree);
void phu_conf_tree_fini(struct phu_conf_tree *tree);

/* Reads one text. Nodes go into `tree`; the root is returned (NULL for an empty text) and becomes
 * tree->root if that was NULL. */
struct phu_conf_node *phu_conf_tree_read(struct phu_conf_tree *tree, const char *file,
                                         const char *text, size_t length, struct phu_diags *diags);
/* The same from a file. */
struct phu_conf_node *phu_conf_tree_read_file(struct phu_conf_tree *tree, const char *file,
                                              struct phu_diags *diags);
/* The root from `file`, with what its key `include` names merged into it: sections and lists are
 * joined, anything given twice is a mistake. */
void phu_conf_tree_load(struct phu_conf_tree *tree, const char *file, struct phu_diags *diags);

/* The key node called `name`, or NULL. */
struct phu_conf_node *phu_conf_node_key(const struct phu_conf_node *mapping, const char *name);
/* The deepest node on the way that "list[3].name" describes; of a map, the key of "map[3]". */
const struct phu_conf_node *phu_conf_node_find(const struct phu_conf_node *node, const char *path);
/* Nothing was written: an empty plain scalar, or null. */
bool phu_conf_node_is_null(const struct phu_conf_node *node);
/* `path` as seen from the folder of `file`. Freed by the caller. */
char *phu_conf_path_join(const char *file, const char *path);
