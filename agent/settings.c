#include "settings.h"

#include "conf_file.h"
#include "phusong/conf.h"
#include "phusong/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

__attribute__((format(printf, 2, 3))) static int complain(const struct phu_settings *settings,
                                                          const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    fprintf(stderr, "%s: ", settings->command);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    return -EINVAL;
}

static void *must(void *pointer)
{
    if (!pointer)
        abort();
    return pointer;
}

int phu_settings_add(struct phu_settings *settings, const char *key, const char *value)
{
    size_t i = 0;

    while (i < settings->count && strcmp(settings->items[i].key, key) != 0)
        i++;
    if (i == PHU_SETTINGS_MOST)
        return complain(settings, "more than %d options are set", PHU_SETTINGS_MOST);
    settings->items[i] = (struct phu_setting){key, value};
    settings->count += i == settings->count;
    return 0;
}

/* Cuts "key=value" in place. */
int phu_settings_add_pair(struct phu_settings *settings, char *pair)
{
    char *equals = strchr(pair, '=');

    if (!equals || equals == pair)
        return complain(settings, "\"%s\" is not of the form KEY=VALUE", pair);
    *equals = '\0';
    return phu_settings_add(settings, pair, equals + 1);
}

static const struct phu_option *find_option(const struct phu_option_table *table, const char *name,
                                            size_t length)
{
    for (size_t i = 0; table && i < table->count; i++) {
        if (strncmp(table->options[i].name, name, length) == 0 && !table->options[i].name[length])
            return &table->options[i];
    }
    return NULL;
}

/* Texts are quoted, so that a colon or a hash in them means nothing; the rest is as in the file. */
static void write_value(FILE *out, const struct phu_option *option, const char *value)
{
    bool is_text = option && (option->type == PHU_OPTION_STRING ||
                              option->type == PHU_OPTION_PATH || option->type == PHU_OPTION_SECRET);

    if (!is_text) {
        fputs(value, out);
        return;
    }
    fputc('\'', out);
    for (; *value; value++)
        fprintf(out, *value == '\'' ? "''" : "%c", *value);
    fputc('\'', out);
}

static void write_section(FILE *out, const struct phu_settings *settings, const char *name,
                          size_t length)
{
    const struct phu_option *section = find_option(settings->table, name, length);
    const char *separator = "";

    fprintf(out, "%.*s: {", (int)length, name);
    for (size_t i = 0; i < settings->count; i++) {
        const struct phu_setting *item = &settings->items[i];

        if (strncmp(item->key, name, length) != 0 || item->key[length] != '.')
            continue;
        fprintf(out, "%s%s: ", separator, item->key + length + 1);
        write_value(out,
                    section ? find_option(section->table, item->key + length + 1,
                                          strlen(item->key + length + 1))
                            : NULL,
                    item->value);
        separator = ", ";
    }
    fputs("}\n", out);
}

static bool is_first_of_section(const struct phu_settings *settings, size_t number, size_t length)
{
    for (size_t i = 0; i < number; i++) {
        if (strncmp(settings->items[i].key, settings->items[number].key, length + 1) == 0)
            return false;
    }
    return true;
}

/* What the settings would look like in the configuration file. */
static void write_settings(FILE *out, const struct phu_settings *settings)
{
    for (size_t i = 0; i < settings->count; i++) {
        const struct phu_setting *item = &settings->items[i];
        size_t length = strcspn(item->key, ".");

        if (item->key[length]) {
            if (is_first_of_section(settings, i, length))
                write_section(out, settings, item->key, length);
            continue;
        }
        fprintf(out, "%s: ", item->key);
        write_value(out, find_option(settings->table, item->key, length), item->value);
        fputc('\n', out);
    }
}

/* NULL table: NULL struct. */
int phu_settings_bind(const struct phu_settings *settings, const char *what, void **out)
{
    struct phu_diags diags;
    char *text = NULL;
    size_t length = 0;
    FILE *file;
    int error;

    *out = NULL;
    if (!settings->table)
        return settings->count ? complain(settings, "this collector has no %s", what) : 0;
    *out = must(calloc(1, settings->table->size));
    if (!settings->count)
        return phu_conf_defaults(settings->table, *out);
    file = must(open_memstream(&text, &length));
    write_settings(file, settings);
    fclose(file);
    phu_diags_init(&diags);
    error = phu_conf_load_text(settings->table, what, text, length, &diags, *out);
    for (size_t i = 0; i < diags.count; i++)
        complain(settings, "%s: %s", what, diags.items[i].message);
    phu_diags_fini(&diags);
    free(text);
    if (error) {
        free(*out);
        *out = NULL;
    }
    return error;
}

void phu_settings_free(const struct phu_settings *settings, void *conf)
{
    if (!conf)
        return;
    phu_conf_free(settings->table, conf);
    free(conf);
}
