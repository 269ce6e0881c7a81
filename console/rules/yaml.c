#include "rules/yaml.h"

#include "phusong/conf.h"
#include "phusong/text.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void phu_yaml_mistake(struct phu_yaml *yaml, const struct phu_conf_node *node, const char *format,
                      ...)
{
    char message[1024];
    va_list args;

    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    yaml->mistakes++;
    phu_diags_add(yaml->diags, node->file, node->line, node->column, "%s", message);
}

static bool is_known(const char *name, const char *const *names)
{
    for (; *names; names++) {
        if (strcmp(name, *names) == 0)
            return true;
    }
    return false;
}

static void say_unknown(struct phu_yaml *yaml, const struct phu_conf_node *key, const char *what,
                        const char *const *names)
{
    struct phu_guess guess = {.word = key->text};
    char all[512] = "";

    for (size_t i = 0; names[i]; i++) {
        size_t used = strlen(all);

        phu_guess_offer(&guess, names[i]);
        snprintf(all + used, sizeof all - used, "%s%s", i ? ", " : "", names[i]);
    }
    if (guess.nearest)
        phu_yaml_mistake(yaml, key, "unknown key \"%.100s\" in %s; did you mean \"%s\"?", key->text,
                         what, guess.nearest);
    else
        phu_yaml_mistake(yaml, key, "unknown key \"%.100s\" in %s; it takes %s", key->text, what,
                         all);
}

bool phu_yaml_check_keys(struct phu_yaml *yaml, const struct phu_conf_node *node, const char *what,
                         const char *const *names)
{
    const struct phu_conf_node *key;
    size_t before = yaml->mistakes;

    if (node->is_bad) {
        yaml->mistakes++;
        return false;
    }
    if (node->kind != PHU_CONF_MAPPING) {
        phu_yaml_mistake(yaml, node, "%s must be keys and values, such as \"%s: …\"", what,
                         names[0]);
        return false;
    }
    for (key = node->first; key; key = key->next) {
        if (key->is_bad || !key->value || key->value->is_bad)
            yaml->mistakes++; /* told where it was read */
        else if (!is_known(key->text, names))
            say_unknown(yaml, key, what, names);
    }
    return yaml->mistakes == before;
}

const struct phu_conf_node *phu_yaml_value(const struct phu_conf_node *mapping, const char *name)
{
    const struct phu_conf_node *key = phu_conf_node_key(mapping, name);

    return key && key->value && !key->value->is_bad ? key->value : NULL;
}

const struct phu_conf_node *phu_yaml_list(struct phu_yaml *yaml,
                                          const struct phu_conf_node *mapping, const char *name)
{
    const struct phu_conf_node *list = phu_yaml_value(mapping, name);

    if (list && list->kind != PHU_CONF_SEQUENCE) {
        phu_yaml_mistake(yaml, list, "\"%s\" must be a list, each entry behind a dash", name);
        return NULL;
    }
    return list;
}

static const struct phu_conf_node *scalar(struct phu_yaml *yaml,
                                          const struct phu_conf_node *mapping, const char *name)
{
    const struct phu_conf_node *node = phu_yaml_value(mapping, name);

    if (node && node->kind != PHU_CONF_SCALAR) {
        phu_yaml_mistake(yaml, node, "\"%s\" takes a single value", name);
        return NULL;
    }
    return node;
}

bool phu_yaml_text(struct phu_yaml *yaml, const struct phu_conf_node *mapping, const char *name,
                   const char **out)
{
    const struct phu_conf_node *node = scalar(yaml, mapping, name);

    if (!node)
        return false;
    *out = phu_rule_arena_text(yaml->arena, node->text, node->length);
    return true;
}

bool phu_yaml_duration(struct phu_yaml *yaml, const struct phu_conf_node *mapping, const char *name,
                       int64_t least_ns, int64_t *out)
{
    const struct phu_conf_node *node = scalar(yaml, mapping, name);
    int64_t ns;

    if (!node)
        return false;
    if (phu_conf_parse_duration(node->text, &ns) < 0) {
        phu_yaml_mistake(yaml, node, "\"%.60s\" is no duration; write 30s, 5m or 1h", node->text);
        return false;
    }
    if (ns < least_ns || ns > INT64_C(400) * 86400 * 1000000000) {
        phu_yaml_mistake(yaml, node, "\"%s\" must be between %gs and 400d", name,
                         (double)least_ns / 1e9);
        return false;
    }
    *out = ns / 1000000 * 1000000;
    return true;
}

bool phu_yaml_number(struct phu_yaml *yaml, const struct phu_conf_node *mapping, const char *name,
                     double *out)
{
    const struct phu_conf_node *node = scalar(yaml, mapping, name);
    double value, scale = 1;
    char *end;

    if (!node)
        return false;
    errno = 0;
    value = strtod(node->text, &end);
    if (*end == '%') {
        scale = 100;
        end++;
    }
    if (*end || end == node->text || !isfinite(value) || errno == ERANGE || node->is_quoted ||
        isspace((unsigned char)node->text[0]) || strpbrk(node->text, "xXpP")) {
        phu_yaml_mistake(yaml, node, "\"%.60s\" is no number; write -110, 0.5 or 50%%", node->text);
        return false;
    }
    *out = value / scale;
    return true;
}

bool phu_yaml_words(struct phu_yaml *yaml, const struct phu_conf_node *mapping, const char *name,
                    struct phu_words *out)
{
    const struct phu_conf_node *node = phu_yaml_value(mapping, name), *item;
    size_t count;

    if (!node)
        return false;
    if (node->kind == PHU_CONF_MAPPING) {
        phu_yaml_mistake(yaml, node, "\"%s\" takes a text or a list of texts", name);
        return false;
    }
    count = node->kind == PHU_CONF_SCALAR ? 1 : node->count;
    if (!count || count > PHU_RULE_WORDS) {
        phu_yaml_mistake(yaml, node, "\"%s\" needs 1 to %d texts", name, PHU_RULE_WORDS);
        return false;
    }
    out->items = phu_rule_arena_take(yaml->arena, count, sizeof *out->items);
    out->count = 0;
    for (item = node->kind == PHU_CONF_SCALAR ? node : node->first; out->count < count;
         item = item->next) {
        if (item->kind != PHU_CONF_SCALAR || item->is_bad || strpbrk(item->text, "`\n\r")) {
            phu_yaml_mistake(yaml, item, "\"%s\" takes texts only, without ` and line breaks",
                             name);
            out->count = 0;
            return false;
        }
        out->items[out->count++] = phu_rule_arena_text(yaml->arena, item->text, item->length);
    }
    return true;
}

bool phu_yaml_is_name(const char *text)
{
    size_t length = 0;

    if (!(isalpha((unsigned char)text[0]) || text[0] == '_') || strncmp(text, "__", 2) == 0)
        return false;
    while (isalnum((unsigned char)text[length]) || text[length] == '_')
        length++;
    return !text[length] && length <= 100;
}
