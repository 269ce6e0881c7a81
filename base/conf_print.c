/* Tables to text: the complete default file, and the reference in Markdown. Default lists are YAML
 * themselves, so they are read into trees and written out entry by entry.
 */
#include "conf_file.h"
#include "conf_tree.h"
#include "conf_value.h"

#include "phusong/err.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

/* Where the next line goes. */
struct page {
    FILE *out;
    unsigned indent;
    bool is_off;   /* commented out */
    bool is_entry; /* the next key starts a list entry: "- " instead of two spaces */
};

static void start_line(struct page *page)
{
    unsigned indent = page->indent;

    if (page->is_off)
        fputs("#", page->out);
    if (page->is_entry)
        indent -= 2;
    fprintf(page->out, "%*s", (int)indent, "");
    if (page->is_entry)
        fputs("- ", page->out);
    page->is_entry = false;
}

static void comment(struct page *page, const char *text)
{
    enum { WIDTH = 96 };
    bool was_entry = page->is_entry;
    size_t room = WIDTH - page->indent;

    page->is_entry = false;
    while (*text) {
        size_t length = strlen(text);

        if (length > room) {
            length = room;
            while (length > 0 && text[length] != ' ')
                length--;
            if (length == 0)
                length = strcspn(text, " ");
        }
        start_line(page);
        fprintf(page->out, "# %.*s\n", (int)length, text);
        text += length;
        text += strspn(text, " ");
    }
    page->is_entry = was_entry;
}

static bool is_plain(const char *text)
{
    return (isalnum((unsigned char)text[0]) || text[0] == '/') &&
           text[strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                             "_./:%+-")] == '\0' &&
           text[strlen(text) - 1] != ':' && strcmp(text, "null") != 0;
}

static void print_text(FILE *out, const char *text)
{
    if (is_plain(text)) {
        fputs(text, out);
        return;
    }
    putc('"', out);
    for (; *text; text++) {
        if (*text == '"' || *text == '\\')
            putc('\\', out);
        putc(*text, out);
    }
    putc('"', out);
}

static bool is_list(enum phu_option_type type)
{
    return type == PHU_OPTION_LIST || type == PHU_OPTION_VARIANTS;
}

/* "one of a, b", "10s to 1h", or "". */
static void say_range(const struct phu_option *option, char *text, size_t size)
{
    size_t used = 0;

    text[0] = '\0';
    if (option->type == PHU_OPTION_BOOL)
        snprintf(text, size, "true or false");
    for (size_t i = 0; option->type == PHU_OPTION_CHOICE && option->choices[i] && used < size; i++)
        used += (size_t)snprintf(text + used, size - used, "%s%s", i ? ", " : "one of ",
                                 option->choices[i]);
    if (option->min && option->max)
        snprintf(text, size, "%s to %s", option->min, option->max);
    else if (option->min)
        snprintf(text, size, "at least %s", option->min);
    else if (option->max)
        snprintf(text, size, "at most %s", option->max);
}

static void explain(struct page *page, const struct phu_option *option)
{
    char range[512], text[1024];

    say_range(option, range, sizeof range);
    if (range[0])
        snprintf(text, sizeof text, "%s (%s)", option->meaning, range);
    else
        snprintf(text, sizeof text, "%s", option->meaning);
    comment(page, text);
}

/* -- The default file ------------------------------------------------------------------------- */

static void print_table(struct page *page, const struct phu_option_table *table,
                        const struct phu_conf_node *node, const char *const *fallbacks);

static const char *listed(const char *const *pairs, const char *name)
{
    for (; pairs && pairs[0]; pairs += 2) {
        if (strcmp(pairs[0], name) == 0)
            return pairs[1];
    }
    return NULL;
}

/* What a scalar option shows; NULL when nobody has said. */
static const char *shown(const struct phu_option *option, const struct phu_conf_node *node,
                         const char *const *fallbacks)
{
    const struct phu_conf_node *key = phu_conf_node_key(node, option->name);
    const char *text = listed(fallbacks, option->name);

    if (key && key->value && key->value->kind == PHU_CONF_SCALAR)
        return key->value->text;
    if (!text)
        text = option->fallback ? option->fallback : option->example;
    return text;
}

static void print_scalar(struct page *page, const struct phu_option *option, const char *text)
{
    bool was_off = page->is_off;

    explain(page, option);
    if (!text)
        page->is_off = was_off || !page->is_entry;
    start_line(page);
    fprintf(page->out, "%s: ", option->name);
    if (!text)
        fputs("…  # required", page->out);
    else if (option->type == PHU_OPTION_STRINGS)
        fputs(text[0] ? text : "[]", page->out);
    else if (option->type == PHU_OPTION_MAP)
        fputs(text[0] ? text : "{}", page->out);
    else
        print_text(page->out, text);
    putc('\n', page->out);
    page->is_off = was_off;
}

/* `kind`, when not NULL, goes before all else as the selector. */
static void print_variant(struct page *page, const struct phu_variants *variants, size_t kind,
                          const struct phu_conf_node *entry, const char *const *fallbacks)
{
    const struct phu_variant_kind *chosen = &variants->kinds[kind];

    putc('\n', page->out);
    page->indent += 4;
    page->is_entry = true;
    comment(page, chosen->summary);
    start_line(page);
    fprintf(page->out, "%s: %s\n", variants->selector, chosen->name);
    print_table(page, variants->common, entry, fallbacks);
    for (size_t i = 0; i < PHU_VARIANT_TABLES; i++) {
        if (chosen->tables[i])
            print_table(page, chosen->tables[i], entry, NULL);
    }
    page->indent -= 4;
}

static size_t kind_of(const struct phu_variants *variants, const struct phu_conf_node *entry)
{
    const struct phu_conf_node *key = phu_conf_node_key(entry, variants->selector);
    size_t i = 0;

    if (!key && variants->alias)
        key = phu_conf_node_key(entry, variants->alias);
    while (key && i < variants->count && strcmp(variants->kinds[i].name, key->value->text) != 0)
        i++;
    return key ? i : variants->count;
}

static bool is_among(const struct phu_variants *variants, const struct phu_conf_node *list,
                     size_t kind)
{
    const struct phu_conf_node *entry = list ? list->first : NULL;

    for (; entry; entry = entry->next) {
        if (kind_of(variants, entry) == kind)
            return true;
    }
    return false;
}

static void print_other_kinds(struct page *page, const struct phu_option *option,
                              const struct phu_conf_node *list)
{
    const struct phu_variants *variants = option->variants;
    bool was_off = page->is_off;

    page->is_off = true;
    for (size_t i = 0; i < variants->count; i++) {
        const char *fallbacks[] = {option->unique ? option->unique : "", variants->kinds[i].name,
                                   NULL};

        if (!is_among(variants, list, i))
            print_variant(page, variants, i, NULL, fallbacks);
    }
    page->is_off = was_off;
}

static void print_entries(struct page *page, const struct phu_option *option,
                          const struct phu_conf_node *list)
{
    const struct phu_conf_node *entry = list ? list->first : NULL;

    for (; entry; entry = entry->next) {
        if (option->type == PHU_OPTION_VARIANTS) {
            size_t kind = kind_of(option->variants, entry);

            if (kind < option->variants->count)
                print_variant(page, option->variants, kind, entry,
                              option->variants->kinds[kind].fallbacks);
            continue;
        }
        page->indent += 4;
        page->is_entry = true;
        print_table(page, option->table, entry, NULL);
        page->indent -= 4;
    }
}

static void print_list(struct page *page, const struct phu_option *option)
{
    const char *text = option->fallback ? option->fallback : option->example;
    bool was_off = page->is_off;
    struct phu_diags diags;
    struct phu_conf_tree tree;

    phu_diags_init(&diags);
    phu_conf_tree_init(&tree);
    if (text)
        phu_conf_tree_read(&tree, "defaults", text, strlen(text), &diags);
    putc('\n', page->out);
    comment(page, option->meaning);
    start_line(page);
    fprintf(page->out, tree.root && tree.root->count ? "%s:\n" : "%s: []\n", option->name);
    print_entries(page, option, tree.root);
    if (option->type == PHU_OPTION_VARIANTS) {
        print_other_kinds(page, option, tree.root);
    } else if (!tree.root || tree.root->count == 0) {
        page->is_off = page->is_entry = true;
        page->indent += 4;
        print_table(page, option->table, NULL, NULL);
        page->indent -= 4;
        page->is_off = was_off;
    }
    phu_conf_tree_fini(&tree);
    phu_diags_fini(&diags);
}

static void print_section(struct page *page, const struct phu_option *option,
                          const struct phu_conf_node *node)
{
    const struct phu_conf_node *key = phu_conf_node_key(node, option->name);

    putc('\n', page->out);
    comment(page, option->meaning);
    start_line(page);
    fprintf(page->out, option->table->count ? "%s:\n" : "%s: {}\n", option->name);
    page->indent += 2;
    print_table(page, option->table, key ? key->value : NULL, NULL);
    page->indent -= 2;
}

static void print_table(struct page *page, const struct phu_option_table *table,
                        const struct phu_conf_node *node, const char *const *fallbacks)
{
    for (size_t i = 0; i < table->count; i++) {
        const struct phu_option *option = &table->options[i];

        if (option->type == PHU_OPTION_TABLE)
            print_section(page, option, node);
        else if (is_list(option->type))
            print_list(page, option);
        else
            print_scalar(page, option, shown(option, node, fallbacks));
    }
}

void phu_conf_print_default(const struct phu_option_table *table, FILE *out)
{
    struct page page = {.out = out};

    print_table(&page, table, NULL, NULL);
}

/* -- The reference ---------------------------------------------------------------------------- */

static void print_cell(FILE *out, const char *text)
{
    for (; *text; text++)
        fputs(*text == '|' ? "\\|" : (char[]){*text, '\0'}, out);
}

static void print_default_cell(FILE *out, const struct phu_option *option, const char *fallback)
{
    if (!fallback)
        fputs(option->type == PHU_OPTION_TABLE ? "" : "required", out);
    else if (!fallback[0])
        fputs("none", out);
    else {
        putc('`', out);
        print_cell(out, fallback);
        putc('`', out);
    }
}

static void print_row(FILE *out, const struct phu_option *option)
{
    char range[512];

    say_range(option, range, sizeof range);
    fprintf(out, "| `%s` | %s | ", option->name, phu_conf_type_name(option->type));
    print_default_cell(out, option, option->fallback);
    fputs(" | ", out);
    print_cell(out, option->type == PHU_OPTION_BOOL ? "" : range);
    fputs(" | ", out);
    print_cell(out, option->meaning);
    fputs(" |\n", out);
}

static bool has_rows(const struct phu_option_table *table)
{
    for (size_t i = 0; i < table->count; i++) {
        if (table->options[i].type != PHU_OPTION_TABLE && !is_list(table->options[i].type))
            return true;
    }
    return false;
}

static void print_head(FILE *out)
{
    fputs("\n| key | takes | default | range | meaning |\n| --- | --- | --- | --- | --- |\n", out);
}

static void print_rows(FILE *out, const struct phu_option_table *table)
{
    for (size_t i = 0; i < table->count; i++) {
        if (table->options[i].type != PHU_OPTION_TABLE && !is_list(table->options[i].type))
            print_row(out, &table->options[i]);
    }
}

static void print_sections(FILE *out, const struct phu_option_table *table, const char *path,
                           unsigned depth);

static void print_kinds(FILE *out, const struct phu_option *option, const char *path,
                        unsigned depth)
{
    const struct phu_variants *variants = option->variants;

    print_head(out);
    fprintf(out, "| `%s` | choice | %s%s%s | ", variants->selector, variants->alias ? "the `" : "",
            variants->alias ? variants->alias : "required", variants->alias ? "`" : "");
    for (size_t i = 0; i < variants->count; i++)
        fprintf(out, "%s%s", i ? ", " : "one of ", variants->kinds[i].name);
    fprintf(out, " | %s |\n", variants->meaning);
    print_rows(out, variants->common);
    for (size_t i = 0; i < variants->count; i++) {
        const struct phu_variant_kind *kind = &variants->kinds[i];
        const char *const *pair = kind->fallbacks;
        bool has_head = false;

        fprintf(out, "\n%.*s %s: %s\n\n%c%s.", (int)depth, "######", variants->selector, kind->name,
                toupper((unsigned char)kind->summary[0]), kind->summary + 1);
        for (; pair && pair[0]; pair += 2)
            fprintf(out, "%s`%s` is `%s` by default", pair == kind->fallbacks ? " " : ", ", pair[0],
                    pair[1]);
        fputs(pair && kind->fallbacks[0] ? ".\n" : "\n", out);
        for (size_t j = 0; j < PHU_VARIANT_TABLES; j++) {
            if (!kind->tables[j])
                continue;
            if (has_rows(kind->tables[j]) && !has_head)
                print_head(out);
            has_head = true;
            print_rows(out, kind->tables[j]);
        }
        for (size_t j = 0; j < PHU_VARIANT_TABLES; j++) {
            if (kind->tables[j])
                print_sections(out, kind->tables[j], path, depth + 1);
        }
    }
}

static void print_one_section(FILE *out, const struct phu_option *option, const char *path,
                              unsigned depth)
{
    char inner[256];

    snprintf(inner, sizeof inner, "%s%s%s", path, path[0] ? "." : "", option->name);
    fprintf(out, "\n%.*s %s\n\n%c%s%s.\n", (int)depth, "######", inner,
            toupper((unsigned char)option->meaning[0]), option->meaning + 1,
            is_list(option->type) ? "; a list" : "");
    if (option->type == PHU_OPTION_VARIANTS) {
        print_kinds(out, option, inner, depth + 1);
        return;
    }
    if (has_rows(option->table)) {
        print_head(out);
        print_rows(out, option->table);
    }
    print_sections(out, option->table, inner, depth + 1);
}

static void print_sections(FILE *out, const struct phu_option_table *table, const char *path,
                           unsigned depth)
{
    for (size_t i = 0; i < table->count; i++) {
        if (table->options[i].type == PHU_OPTION_TABLE || is_list(table->options[i].type))
            print_one_section(out, &table->options[i], path, depth);
    }
}

void phu_conf_print_reference(const struct phu_option_table *table, FILE *out)
{
    if (has_rows(table)) {
        print_head(out);
        print_rows(out, table);
    }
    print_sections(out, table, "", 2);
}
