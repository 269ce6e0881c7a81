/* A configuration file to a struct, and a table to documentation. For whoever owns a file; the
 * parts only declare tables (phusong/conf.h).
 */
#pragma once

#include "phusong/conf.h"

#include <stdio.h>

struct phu_diags;

/* Fills `conf` (of table->size, zeroed or not) from FILE and the files it includes. -EINVAL when
 * there was a mistake: all are in `diags`, and `conf` holds nothing to be freed. Every secret file
 * is tried. */
int phu_conf_load(const struct phu_option_table *table, const char *file, struct phu_diags *diags,
                  void *conf);
/* The same from a text that calls itself `file`; includes nothing and tries no secrets. */
int phu_conf_load_text(const struct phu_option_table *table, const char *file, const char *text,
                       size_t length, struct phu_diags *diags, void *conf);

/* A complete file: every option with its default, its meaning and its range as comments. Kinds of
 * list entries that are not in the default list are shown commented out. */
void phu_conf_print_default(const struct phu_option_table *table, FILE *out);
/* The same as Markdown, for the documentation: one heading per section, one row per option. */
void phu_conf_print_reference(const struct phu_option_table *table, FILE *out);
