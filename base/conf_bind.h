/* Tree to structs. Private to base/conf*. */
#pragma once

#include "conf_tree.h"

#include "phusong/conf.h"

struct phu_conf_binder {
    struct phu_diags *diags;
    const char *manual; /* where keys are described; NULL: phusong config default */
    const char *file;   /* defaults that are paths are relative to it; NULL: leave them */
    bool is_incomplete; /* the tree was cut short: what is missing may come later */
    bool are_secrets_tried;
    bool is_quiet;   /* these nodes have been reported on already */
    size_t mistakes; /* reported or passed over in silence */
};

/* `node` is a mapping, or NULL for the defaults alone. */
void phu_conf_bind(struct phu_conf_binder *binder, const struct phu_option_table *table,
                   const struct phu_conf_node *node, void *conf);
