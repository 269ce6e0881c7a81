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

/* The same, keeping the file as it was written for mistakes that show only when several files are
 * known. *source is set whatever the result, and freed by the caller. */
struct phu_conf_source;
int phu_conf_load_source(const struct phu_option_table *table, const char *file,
                         struct phu_diags *diags, void *conf, struct phu_conf_source **source);
int phu_conf_load_source_text(const struct phu_option_table *table, const char *file,
                              const char *text, size_t length, struct phu_diags *diags, void *conf,
                              struct phu_conf_source **source);
void phu_conf_source_free(struct phu_conf_source *source); /* NULL is harmless */
/* What is written at a place ("name", "list[3].name"); NULL when it is no text. Borrowed. */
const char *phu_conf_source_text(const struct phu_conf_source *source, const char *place);
/* Adds a mistake at a place, or as near to it as something is written. */
__attribute__((format(printf, 4, 5))) void
phu_conf_source_mistake(const struct phu_conf_source *source, struct phu_diags *diags,
                        const char *place, const char *format, ...);

/* A complete file: every option with its default, its meaning and its range as comments. Kinds of
 * list entries that are not in the default list are shown commented out. */
void phu_conf_print_default(const struct phu_option_table *table, FILE *out);
/* The same as Markdown, for the documentation: one heading per section, one row per option. */
void phu_conf_print_reference(const struct phu_option_table *table, FILE *out);
