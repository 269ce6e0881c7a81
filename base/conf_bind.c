/* Tree to structs, by tables. Goes on after a mistake, so that one pass finds them all: an option
 * that could not be taken is left empty and counted, and rules between options are asked only of
 * structs without such gaps.
 */
#include "conf_bind.h"
#include "conf_value.h"
#include "mem.h"

#include "phusong/err.h"
#include "phusong/text.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

enum { MOST = 1000, WHY = 512, LISTED = 8, PARTS_MAX = PHU_VARIANT_TABLES + 1 };

/* One struct of those that are filled from one mapping. */
struct part {
    const struct phu_option_table *table;
    char *conf;
};

/* A mapping about to be bound. */
struct scope {
    struct phu_conf_binder *binder;
    const struct phu_conf_node *mapping; /* NULL: not written */
    const struct phu_conf_node *place;   /* where to say that something is missing; may be NULL */
    const struct phu_conf_node *inherit; /* mapping to take from what is not written; or NULL */
    const char *title;                   /* `section "agent"` */
    const char *selector;                /* a key that is none of the parts'; or NULL */
    const char *const *fallbacks;        /* instead of the options' own; or NULL */
    struct part parts[PARTS_MAX];
    size_t part_count;
};

static void bind_scope(struct scope *scope);

__attribute__((format(printf, 3, 4))) static void
mistake(struct phu_conf_binder *binder, const struct phu_conf_node *node, const char *format, ...)
{
    char message[WHY * 2];
    va_list args;

    binder->mistakes++;
    if (binder->is_quiet)
        return;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    if (node)
        phu_diags_add(binder->diags, node->file, node->line, node->column, "%s", message);
    else
        phu_diags_add(binder->diags, binder->file ? binder->file : "defaults", 0, 0, "%s", message);
}

/* -- Texts and numbers ------------------------------------------------------------------------ */

static bool has_control(const char *text)
{
    for (; *text; text++) {
        if ((unsigned char)*text < 0x20 || *text == 0x7f)
            return true;
    }
    return false;
}

static bool is_path(const struct phu_option *option, const char *text)
{
    if (!text[0])
        return false;
    if (option->type == PHU_OPTION_SECRET)
        return strncmp(text, "credential:", 11) != 0;
    return option->type == PHU_OPTION_PATH && strcmp(text, "-") != 0;
}

static void try_secret(struct phu_conf_binder *binder, const struct phu_conf_node *node,
                       const char *reference)
{
    char secret[4096], why[WHY];

    if (!binder->are_secrets_tried || !reference[0])
        return;
    if (phu_secret_read(reference, secret, sizeof secret, why, sizeof why) < 0)
        mistake(binder, node, "%s", why);
    explicit_bzero(secret, sizeof secret);
}

static void bind_text(struct phu_conf_binder *binder, const struct phu_option *option,
                      const struct phu_conf_node *node, const char *text, char *conf)
{
    char **slot = (char **)(void *)(conf + option->offset);
    const char *file = node ? node->file : binder->file;

    if (has_control(text)) {
        mistake(binder, node, "\"%s\" holds a control character or a line break", option->name);
        return;
    }
    *slot = is_path(option, text) && file ? phu_conf_path_join(file, text) : phu_mem_strdup(text);
    if (option->type == PHU_OPTION_SECRET)
        try_secret(binder, node, *slot);
}

static void store_value(const struct phu_option *option, const union phu_conf_value *value,
                        char *conf)
{
    void *slot = conf + option->offset;

    if (option->type == PHU_OPTION_BOOL)
        *(bool *)slot = value->b;
    else if (option->type == PHU_OPTION_CHOICE)
        *(int *)slot = value->choice;
    else if (option->type == PHU_OPTION_NUMBER || option->type == PHU_OPTION_SHARE)
        *(double *)slot = value->d;
    else
        *(int64_t *)slot = value->i;
}

static void bind_scalar(struct phu_conf_binder *binder, const struct phu_option *option,
                        const struct phu_conf_node *node, const char *text, bool is_quoted,
                        char *conf)
{
    union phu_conf_value value;
    char why[WHY];

    if (!phu_conf_is_number(option->type))
        bind_text(binder, option, node, text, conf);
    else if (phu_conf_value_parse(option, text, is_quoted, &value, why, sizeof why) < 0)
        mistake(binder, node, "%s", why);
    else
        store_value(option, &value, conf);
}

/* -- Lists ------------------------------------------------------------------------------------ */

/* Checks what a list must be before its entries are looked at. Returns how many may be bound. */
static size_t check_list(struct phu_conf_binder *binder, const struct phu_option *option,
                         const struct phu_conf_node *node, enum phu_conf_kind kind)
{
    size_t most = option->most ? option->most : MOST;

    if (node->kind != kind) {
        mistake(binder, node, "\"%s\" must be %s", option->name, phu_conf_type_words(option->type));
        return 0;
    }
    if (node->count <= most)
        return node->count;
    mistake(binder, node, "\"%s\" has %zu entries, at most %zu are possible", option->name,
            node->count, most);
    return most;
}

/* A text of a list or a map; NULL when it is none. */
static char *take_item(struct phu_conf_binder *binder, const struct phu_option *option,
                       const struct phu_conf_node *item)
{
    if (item->is_bad)
        binder->mistakes++;
    else if (item->kind != PHU_CONF_SCALAR || phu_conf_node_is_null(item))
        mistake(binder, item, "\"%s\" takes texts only; put an empty one in quotes", option->name);
    else if (has_control(item->text))
        mistake(binder, item, "\"%s\" holds a control character or a line break", option->name);
    else
        return phu_mem_strdup(item->text);
    return NULL;
}

static void bind_strings(struct phu_conf_binder *binder, const struct phu_option *option,
                         const struct phu_conf_node *node, char *conf)
{
    struct phu_strings *strings = (struct phu_strings *)(void *)(conf + option->offset);
    size_t count = check_list(binder, option, node, PHU_CONF_SEQUENCE);
    const struct phu_conf_node *item = node->first;

    strings->items = count ? phu_mem_alloc(count, sizeof *strings->items) : NULL;
    for (; strings->count < count; item = item->next)
        strings->items[strings->count++] = take_item(binder, option, item);
}

static void bind_map(struct phu_conf_binder *binder, const struct phu_option *option,
                     const struct phu_conf_node *node, char *conf)
{
    struct phu_map *map = (struct phu_map *)(void *)(conf + option->offset);
    size_t count = check_list(binder, option, node, PHU_CONF_MAPPING);
    const struct phu_conf_node *key = node->first;

    map->items = count ? phu_mem_alloc(count, sizeof *map->items) : NULL;
    for (; map->count < count; key = key->next) {
        struct phu_map_entry *entry = &map->items[map->count++];

        entry->key = take_item(binder, option, key);
        if (key->value)
            entry->value = take_item(binder, option, key->value);
        else
            binder->mistakes++; /* a syntax error cut it off */
    }
}

static const struct phu_conf_node *scalar_of(const struct phu_conf_node *mapping, const char *name)
{
    const struct phu_conf_node *key = phu_conf_node_key(mapping, name);

    return key && key->value && key->value->kind == PHU_CONF_SCALAR && !key->value->is_bad
               ? key->value
               : NULL;
}

static void check_unique(struct phu_conf_binder *binder, const struct phu_option *option,
                         const struct phu_conf_node *list, const struct phu_conf_node *entry)
{
    const struct phu_conf_node *mine = scalar_of(entry, option->unique), *other, *theirs;

    if (!mine || phu_conf_node_is_null(mine))
        return;
    for (other = list->first; other != entry; other = other->next) {
        theirs = scalar_of(other, option->unique);
        if (theirs && strcmp(theirs->text, mine->text) == 0) {
            mistake(binder, mine, "%s \"%s\" is already taken by the entry at %s:%u",
                    option->unique, mine->text, theirs->file, theirs->line);
            return;
        }
    }
}

static bool is_entry(struct phu_conf_binder *binder, const struct phu_option *option,
                     const struct phu_conf_node *list, const struct phu_conf_node *entry)
{
    if (entry->is_bad) {
        binder->mistakes++;
        return false;
    }
    if (entry->kind != PHU_CONF_MAPPING) {
        mistake(binder, entry, "an entry of \"%s\" must be keys and values, such as \"- name: …\"",
                option->name);
        return false;
    }
    if (option->unique)
        check_unique(binder, option, list, entry);
    return true;
}

static void bind_list(struct phu_conf_binder *binder, const struct phu_option *option,
                      const struct phu_conf_node *node, char *conf)
{
    struct phu_list *list = (struct phu_list *)(void *)(conf + option->offset);
    size_t count = check_list(binder, option, node, PHU_CONF_SEQUENCE);
    const struct phu_conf_node *entry = node->first;

    list->items = count ? phu_mem_alloc(count, option->table->size) : NULL;
    for (; list->count < count; entry = entry->next) {
        struct scope scope = {
            .binder = binder,
            .mapping = entry,
            .place = entry,
            .title = "this entry",
            .parts = {{option->table, (char *)list->items + list->count * option->table->size}},
            .part_count = 1,
        };

        list->count++;
        if (is_entry(binder, option, node, entry))
            bind_scope(&scope);
    }
}

/* -- Variants --------------------------------------------------------------------------------- */

static size_t kind_index(const struct phu_variants *variants, const char *name)
{
    size_t i = 0;

    while (i < variants->count && strcmp(variants->kinds[i].name, name) != 0)
        i++;
    return i;
}

/* Where an entry says of which kind it is; NULL when it does not. */
static const struct phu_conf_node *kind_node(const struct phu_variants *variants,
                                             const struct phu_conf_node *entry)
{
    const struct phu_conf_node *node = scalar_of(entry, variants->selector);

    return node || !variants->alias ? node : scalar_of(entry, variants->alias);
}

static void say_unknown_kind(struct phu_conf_binder *binder, const struct phu_variants *variants,
                             const struct phu_conf_node *entry)
{
    const struct phu_conf_node *node = kind_node(variants, entry);
    struct phu_guess guess = {.word = node ? node->text : ""};
    char known[WHY] = "";

    for (size_t i = 0; i < variants->count; i++) {
        size_t used = strlen(known);

        phu_guess_offer(&guess, variants->kinds[i].name);
        snprintf(known + used, sizeof known - used, "%s%s", i ? ", " : "", variants->kinds[i].name);
    }
    if (!node && binder->is_incomplete)
        binder->mistakes++;
    else if (!node)
        mistake(binder, entry, "this entry lacks \"%s\"; it is one of %s", variants->selector,
                known);
    else if (guess.nearest)
        mistake(binder, node, "unknown %s \"%s\"; did you mean \"%s\"?", variants->selector,
                node->text, guess.nearest);
    else
        mistake(binder, node, "unknown %s \"%s\"; it is one of %s", variants->selector, node->text,
                known);
}

/* The entry that carries the defaults of kind `kind`, unless it is `entry` itself. */
static const struct phu_conf_node *base_entry(const struct phu_variants *variants, size_t kind,
                                              const struct phu_conf_node *list,
                                              const struct phu_conf_node *entry)
{
    const struct phu_conf_node *other = variants->alias ? list->first : NULL;

    for (; other; other = other->next) {
        const struct phu_conf_node *name = scalar_of(other, variants->alias);
        const struct phu_conf_node *node = kind_node(variants, other);

        if (name && strcmp(name->text, variants->kinds[kind].name) == 0 && node &&
            kind_index(variants, node->text) == kind)
            return other == entry ? NULL : other;
    }
    return NULL;
}

static void bind_variant(struct phu_conf_binder *binder, const struct phu_variants *variants,
                         const struct phu_conf_node *list, const struct phu_conf_node *entry,
                         struct phu_variant *variant)
{
    const struct phu_conf_node *node = kind_node(variants, entry);
    const struct phu_variant_kind *kind;
    struct scope scope = {
        .binder = binder,
        .mapping = entry,
        .place = entry,
        .title = "this entry",
        .selector = variants->selector,
    };
    size_t before = binder->mistakes;

    variant->kind = node ? kind_index(variants, node->text) : variants->count;
    if (variant->kind == variants->count) {
        say_unknown_kind(binder, variants, entry);
        return;
    }
    kind = &variants->kinds[variant->kind];
    scope.inherit = base_entry(variants, variant->kind, list, entry);
    scope.fallbacks = kind->fallbacks;
    variant->common = phu_mem_alloc(1, variants->common->size);
    scope.parts[scope.part_count++] = (struct part){variants->common, variant->common};
    for (size_t i = 0; i < PHU_VARIANT_TABLES; i++) {
        if (!kind->tables[i])
            continue;
        variant->options[i] = phu_mem_alloc(1, kind->tables[i]->size);
        scope.parts[scope.part_count++] = (struct part){kind->tables[i], variant->options[i]};
    }
    bind_scope(&scope);
    if (variants->validate && binder->mistakes == before)
        variants->validate(variant, variants->arg, &scope);
}

static void bind_variants(struct phu_conf_binder *binder, const struct phu_option *option,
                          const struct phu_conf_node *node, char *conf)
{
    struct phu_list *list = (struct phu_list *)(void *)(conf + option->offset);
    size_t count = check_list(binder, option, node, PHU_CONF_SEQUENCE);
    const struct phu_conf_node *entry = node->first;
    struct phu_variant *items = count ? phu_mem_alloc(count, sizeof *items) : NULL;

    list->items = items;
    for (; list->count < count; entry = entry->next) {
        struct phu_variant *variant = &items[list->count++];

        variant->kind = option->variants->count;
        if (is_entry(binder, option, node, entry))
            bind_variant(binder, option->variants, node, entry, variant);
    }
}

/* -- Sections --------------------------------------------------------------------------------- */

static void bind_table(struct phu_conf_binder *binder, const struct phu_option *option,
                       const struct phu_conf_node *node, const struct phu_conf_node *place,
                       char *conf)
{
    char title[128];
    struct scope scope = {
        .binder = binder,
        .mapping = node,
        .place = place,
        .title = title,
        .parts = {{option->table, conf + option->offset}},
        .part_count = 1,
    };

    snprintf(title, sizeof title, "section \"%.100s\"", option->name);
    if (node && node->kind == PHU_CONF_SCALAR && strchr(node->text, ':'))
        mistake(binder, node, "\"%.80s\" is one word; write a space after the colon", node->text);
    else if (node && node->kind != PHU_CONF_MAPPING)
        mistake(binder, node, "\"%s\" must be %s", option->name, phu_conf_type_words(option->type));
    else
        bind_scope(&scope);
}

static void bind_container(struct phu_conf_binder *binder, const struct phu_option *option,
                           const struct phu_conf_node *node, char *conf)
{
    if (option->type == PHU_OPTION_STRINGS)
        bind_strings(binder, option, node, conf);
    else if (option->type == PHU_OPTION_MAP)
        bind_map(binder, option, node, conf);
    else if (option->type == PHU_OPTION_LIST)
        bind_list(binder, option, node, conf);
    else
        bind_variants(binder, option, node, conf);
}

static bool is_container(enum phu_option_type type)
{
    return type == PHU_OPTION_STRINGS || type == PHU_OPTION_MAP || type == PHU_OPTION_LIST ||
           type == PHU_OPTION_VARIANTS;
}

/* Default lists are YAML, too. */
static void bind_default_list(struct phu_conf_binder *binder, const struct phu_option *option,
                              const char *text, char *conf)
{
    struct phu_conf_tree tree;
    const char *file = binder->file ? binder->file : "defaults";

    if (!text[0] || strcmp(text, "[]") == 0 || strcmp(text, "{}") == 0)
        return;
    phu_conf_tree_init(&tree);
    phu_conf_tree_read(&tree, file, text, strlen(text), binder->diags);
    if (tree.root)
        bind_container(binder, option, tree.root, conf);
    phu_conf_tree_fini(&tree);
}

static void say_missing(struct scope *scope, const struct phu_option *option)
{
    if (scope->binder->is_incomplete)
        scope->binder->mistakes++;
    else if (is_container(option->type))
        mistake(scope->binder, scope->place, "%s lacks \"%s\", %s; write \"%s: %s\" for none",
                scope->title, option->name, option->meaning, option->name,
                option->type == PHU_OPTION_MAP ? "{}" : "[]");
    else if (option->example)
        mistake(scope->binder, scope->place, "%s lacks \"%s\"; add for example \"%s: %s\"",
                scope->title, option->name, option->name, option->example);
    else
        mistake(scope->binder, scope->place, "%s lacks \"%s\", %s", scope->title, option->name,
                option->meaning);
}

static const char *fallback_of(const struct scope *scope, const struct phu_option *option)
{
    const char *const *pair = scope->fallbacks;

    for (; pair && pair[0]; pair += 2) {
        if (strcmp(pair[0], option->name) == 0)
            return pair[1];
    }
    return option->fallback;
}

static void bind_default(struct scope *scope, const struct phu_option *option, char *conf)
{
    const char *fallback = fallback_of(scope, option);

    if (option->type == PHU_OPTION_TABLE)
        bind_table(scope->binder, option, NULL, scope->place, conf);
    else if (!fallback)
        say_missing(scope, option);
    else if (is_container(option->type))
        bind_default_list(scope->binder, option, fallback, conf);
    else
        bind_scalar(scope->binder, option, NULL, fallback, false, conf);
}

static void bind_node(struct scope *scope, const struct phu_option *option,
                      const struct phu_conf_node *node, char *conf)
{
    struct phu_conf_binder *binder = scope->binder;

    if (node->is_bad)
        binder->mistakes++;
    else if (option->type == PHU_OPTION_TABLE)
        bind_table(binder, option, node, node, conf);
    else if (is_container(option->type))
        bind_container(binder, option, node, conf);
    else if (node->kind != PHU_CONF_SCALAR)
        mistake(binder, node, "\"%s\" must be %s", option->name, phu_conf_type_words(option->type));
    else if (phu_conf_node_is_null(node))
        mistake(binder, node, "\"%s\" has no value; it must be %s%s", option->name,
                phu_conf_type_words(option->type),
                phu_conf_is_number(option->type) ? "" : " (\"\" for an empty one)");
    else
        bind_scalar(binder, option, node, node->text, node->is_quoted, conf);
}

/* What was written for an option, NULL if nothing was. A section or list of which nothing is left
 * but its name (all else commented out) counts as not written. */
static const struct phu_conf_node *written(const struct phu_conf_node *mapping,
                                           const struct phu_option *option)
{
    const struct phu_conf_node *key = phu_conf_node_key(mapping, option->name);

    if (!key || !key->value)
        return NULL;
    if ((is_container(option->type) || option->type == PHU_OPTION_TABLE) && !key->value->is_bad &&
        phu_conf_node_is_null(key->value))
        return NULL;
    return key->value;
}

static void bind_option(struct scope *scope, const struct phu_option *option, char *conf)
{
    const struct phu_conf_node *node = written(scope->mapping, option), *inherited;
    bool was_quiet = scope->binder->is_quiet;

    if (node) {
        bind_node(scope, option, node, conf);
        return;
    }
    inherited = written(scope->inherit, option);
    if (!inherited) {
        bind_default(scope, option, conf);
        return;
    }
    scope->binder->is_quiet = true;
    bind_node(scope, option, inherited, conf);
    scope->binder->is_quiet = was_quiet;
}

static bool is_known(const struct scope *scope, const char *name)
{
    if (scope->selector && strcmp(scope->selector, name) == 0)
        return true;
    for (size_t i = 0; i < scope->part_count; i++) {
        const struct phu_option_table *table = scope->parts[i].table;

        for (size_t j = 0; j < table->count; j++) {
            if (strcmp(table->options[j].name, name) == 0)
                return true;
        }
    }
    return false;
}

static void guess_key(const struct scope *scope, struct phu_guess *guess)
{
    if (scope->selector)
        phu_guess_offer(guess, scope->selector);
    for (size_t i = 0; i < scope->part_count; i++) {
        const struct phu_option_table *table = scope->parts[i].table;

        for (size_t j = 0; j < table->count; j++)
            phu_guess_offer(guess, table->options[j].name);
    }
}

/* Nothing when there are so many that a list would be no help. */
static void list_keys(const struct scope *scope, char *text, size_t size)
{
    size_t used = (size_t)snprintf(text, size, "%s", scope->selector ? scope->selector : "");
    size_t count = scope->selector != NULL;

    for (size_t i = 0; i < scope->part_count; i++)
        count += scope->parts[i].table->count;
    if (count > LISTED) {
        text[0] = '\0';
        return;
    }

    for (size_t i = 0; i < scope->part_count; i++) {
        const struct phu_option_table *table = scope->parts[i].table;

        for (size_t j = 0; j < table->count && used < size; j++)
            used += (size_t)snprintf(text + used, size - used, "%s%s", used ? ", " : "",
                                     table->options[j].name);
    }
}

static void check_keys(const struct scope *scope)
{
    const struct phu_conf_node *key = scope->mapping ? scope->mapping->first : NULL;

    for (; key; key = key->next) {
        struct phu_guess guess = {.word = key->text};
        char known[WHY];

        if (is_known(scope, key->text))
            continue;
        guess_key(scope, &guess);
        list_keys(scope, known, sizeof known);
        if (guess.nearest)
            mistake(scope->binder, key, "unknown key \"%.80s\"; did you mean \"%s\"?", key->text,
                    guess.nearest);
        else if (known[0])
            mistake(scope->binder, key, "unknown key \"%.80s\"; known here: %s", key->text, known);
        else
            mistake(scope->binder, key, "unknown key \"%.80s\"; %s shows the known ones", key->text,
                    scope->binder->manual ? scope->binder->manual : "\"phusong config default\"");
    }
}

static void bind_scope(struct scope *scope)
{
    size_t before = scope->binder->mistakes;

    check_keys(scope);
    for (size_t i = 0; i < scope->part_count; i++) {
        const struct part *part = &scope->parts[i];

        for (size_t j = 0; j < part->table->count; j++)
            bind_option(scope, &part->table->options[j], part->conf);
    }
    for (size_t i = 0; i < scope->part_count && scope->binder->mistakes == before; i++) {
        const struct part *part = &scope->parts[i];

        if (part->table->validate)
            part->table->validate(part->conf, scope);
    }
}

void phu_conf_bind(struct phu_conf_binder *binder, const struct phu_option_table *table,
                   const struct phu_conf_node *node, void *conf)
{
    struct scope scope = {
        .binder = binder,
        .mapping = node,
        .place = node,
        .title = "the file",
        .parts = {{table, conf}},
        .part_count = 1,
    };

    memset(conf, 0, table->size);
    bind_scope(&scope);
}

/* -- Mistakes found by validate --------------------------------------------------------------- */

void phu_conf_mistake(void *context, const char *name, const char *format, ...)
{
    struct scope *scope = context;
    const struct phu_conf_node *node = scope->place;
    char message[WHY];
    va_list args;

    if (name && scope->mapping)
        node = phu_conf_node_find(scope->mapping, name);
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    mistake(scope->binder, node, "%s", message);
}
