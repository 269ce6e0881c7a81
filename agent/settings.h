/* Options of a table given on the command line. They are collected as text and read by the same
 * binder as the configuration file, so that both accept the same values and find the same mistakes.
 */
#pragma once

#include <stddef.h>

struct phu_option_table;

#define PHU_SETTINGS_MOST 64

/* "key=value" as given. */
struct phu_setting {
    const char *key; /* of a section: "tls.verify" */
    const char *value;
};

struct phu_settings {
    const char *command;                  /* "phusong probe", before messages */
    const struct phu_option_table *table; /* NULL: no options are taken */
    struct phu_setting items[PHU_SETTINGS_MOST];
    size_t count;
};

/* Each returns 0 or -EINVAL and has said what is wrong. Texts are borrowed. A key that was given
 * before gets the new value. */
int phu_settings_add(struct phu_settings *settings, const char *key, const char *value);
/* Cuts "key=value" in place. */
int phu_settings_add_pair(struct phu_settings *settings, char *pair);
/* A struct of the table, for phu_settings_free(); NULL without a table. `what` is said of mistakes:
 * "options of the check". */
int phu_settings_bind(const struct phu_settings *settings, const char *what, void **out);
void phu_settings_free(const struct phu_settings *settings, void *conf);
