/* Whom a row serves. See binding.h. */
#include "binding.h"

#include "phusong/collector.h"
#include "phusong/conf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Endpoints that patterns make on one device. */
#define MADE_MAX 65536
#define GROUPS_MAX 10

/* -- Patterns ---------------------------------------------------------------------------------- */

static bool is_of_id(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c && strchr("._:-", c));
}

/* NULL, or what is wrong with a template for `groups` groups. */
static const char *template_mistake(const char *template, size_t groups, char *why, size_t size)
{
    if (!template[0])
        return "endpoint is empty; write an id, with \\1 for what the first group of text matched";
    for (const char *c = template; *c; c++) {
        if (*c != '\\') {
            if (is_of_id(*c))
                continue;
            snprintf(why, size, "`%c` in endpoint: ids are made of letters, digits and . _ : -",
                     *c);
            return why;
        }
        c++;
        if (*c < '0' || *c > '9')
            return "a \\ in endpoint must be followed by the number of a group, 0 to 9";
        if ((size_t)(*c - '0') <= groups)
            continue;
        snprintf(why, size, "endpoint uses \\%c but text has only %zu group%s", *c, groups,
                 groups == 1 ? "" : "s");
        return why;
    }
    return NULL;
}

const char *phu_serves_mistake(const struct phu_serves_option *option, char *why, size_t size)
{
    const char *mistake;
    regex_t text;
    int error;

    if (!option->text[0])
        return "text is empty; write a POSIX extended expression, such as ^(bn-[0-9]+)";
    error = regcomp(&text, option->text, REG_EXTENDED | REG_ICASE);
    if (error) {
        int length = snprintf(why, size, "text is no POSIX extended expression: ");

        if (length >= 0 && (size_t)length < size)
            regerror(error, &text, why + length, size - (size_t)length);
        return why;
    }
    mistake = template_mistake(option->endpoint, text.re_nsub, why, size);
    regfree(&text);
    return mistake;
}

void phu_serves_init(struct phu_serves *serves, const struct phu_list *list)
{
    const struct phu_serves_option *options = list->items;

    *serves = (struct phu_serves){0};
    if (list->count == 0)
        return;
    serves->rules = calloc(list->count, sizeof *serves->rules);
    if (!serves->rules)
        abort();
    for (size_t i = 0; i < list->count; i++) {
        struct phu_serves_rule *rule = &serves->rules[serves->count];

        if (regcomp(&rule->text, options[i].text, REG_EXTENDED | REG_ICASE) != 0)
            continue;
        rule->endpoint = options[i].endpoint;
        serves->count++;
    }
}

void phu_serves_fini(struct phu_serves *serves)
{
    for (size_t i = 0; i < serves->count; i++)
        regfree(&serves->rules[i].text);
    free(serves->rules);
    *serves = (struct phu_serves){0};
}

static bool fill(const char *template, const char *text, const regmatch_t *groups,
                 char id[PHU_ENDPOINT_ID_SIZE])
{
    size_t used = 0;

    for (const char *c = template; *c; c++) {
        const char *from = c;
        size_t length = 1;

        if (*c == '\\') {
            const regmatch_t *group = &groups[*++c - '0'];

            if (group->rm_so < 0)
                return false;
            from = text + group->rm_so;
            length = (size_t)(group->rm_eo - group->rm_so);
        }
        if (used + length >= PHU_ENDPOINT_ID_SIZE)
            return false;
        for (size_t i = 0; i < length; i++) {
            if (!is_of_id(from[i]))
                return false;
            id[used++] = from[i];
        }
    }
    id[used] = '\0';
    return used > 0;
}

bool phu_serves_match(const struct phu_serves *serves, const char *description,
                      char id[PHU_ENDPOINT_ID_SIZE])
{
    regmatch_t groups[GROUPS_MAX];

    for (size_t i = 0; i < serves->count; i++) {
        if (regexec(&serves->rules[i].text, description, GROUPS_MAX, groups, 0) == 0)
            return fill(serves->rules[i].endpoint, description, groups, id);
    }
    return false;
}

/* -- The inventory's entries ------------------------------------------------------------------- */

static uint32_t hash_parts(const char *kind, const char *text)
{
    uint32_t hash = UINT32_C(2166136261);

    for (; *kind; kind++)
        hash = (hash ^ (unsigned char)*kind) * UINT32_C(16777619);
    for (; *text; text++)
        hash = (hash ^ (unsigned char)*text) * UINT32_C(16777619);
    return hash ^ hash >> 15;
}

#define INTERFACE "interface="

static bool is_entry(const struct phu_served *served, const char *kind, const char *text)
{
    size_t length = strlen(kind);

    if (strcmp(kind, INTERFACE) == 0)
        return served->ifname[0] && strcmp(served->ifname, text) == 0;
    return !served->ifname[0] && strncmp(served->index, kind, length) == 0 &&
           strcmp(served->index + length, text) == 0;
}

static void enter(struct phu_claims *bindings, uint32_t whom)
{
    const struct phu_served *served = &bindings->served[whom - 1];
    size_t mask = bindings->slot_count - 1;
    size_t at = (served->ifname[0] ? hash_parts(INTERFACE, served->ifname)
                                   : hash_parts("", served->index)) &
                mask;

    while (bindings->slots[at])
        at = (at + 1) & mask;
    bindings->slots[at] = whom;
}

static bool begins(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

void phu_claims_init(struct phu_claims *bindings, const struct phu_served *served, size_t count)
{
    *bindings = (struct phu_claims){.served = served, .served_count = count};
    if (count == 0)
        return;
    for (bindings->slot_count = 4; bindings->slot_count < count * 2;)
        bindings->slot_count *= 2;
    bindings->slots = calloc(bindings->slot_count, sizeof *bindings->slots);
    bindings->found = calloc(count, sizeof *bindings->found);
    if (!bindings->slots || !bindings->found)
        abort();
    for (size_t i = 0; i < count; i++) {
        if (!served[i].ifname[0] && !served[i].index[0]) {
            if (!bindings->fallback)
                bindings->fallback = (uint32_t)i + 1;
            continue;
        }
        enter(bindings, (uint32_t)i + 1);
        bindings->has_texts |= !served[i].ifname[0] && (begins(served[i].index, "description=") ||
                                                        begins(served[i].index, "serial="));
    }
}

void phu_claims_fini(struct phu_claims *bindings)
{
    for (size_t i = 0; i < bindings->made_count; i++)
        free(bindings->made[i]);
    free(bindings->made);
    free(bindings->slots);
    free(bindings->found);
    *bindings = (struct phu_claims){0};
}

static uint32_t look_up(const struct phu_claims *bindings, const char *kind, const char *text)
{
    size_t mask = bindings->slot_count - 1;

    if (!text[0] || bindings->slot_count == 0)
        return 0;
    for (size_t at = hash_parts(kind, text) & mask; bindings->slots[at]; at = (at + 1) & mask) {
        uint32_t whom = bindings->slots[at];

        if (is_entry(&bindings->served[whom - 1], kind, text))
            return whom;
    }
    return 0;
}

static uint32_t find(const struct phu_claims *bindings, const struct phu_claim_row *row)
{
    uint32_t whom;

    if (row->is_interface)
        return look_up(bindings, INTERFACE, row->name);
    whom = look_up(bindings, "", row->name);
    if (!whom)
        whom = look_up(bindings, "", row->index);
    if (!whom)
        whom = look_up(bindings, "description=", row->description);
    if (!whom)
        whom = look_up(bindings, "serial=", row->serial);
    return whom;
}

static uint32_t note_found(struct phu_claims *bindings, uint32_t whom)
{
    if (whom && !bindings->found[whom - 1]) {
        bindings->found[whom - 1] = true;
        bindings->found_count++;
    }
    return whom;
}

uint32_t phu_claims_find(struct phu_claims *bindings, const struct phu_claim_row *row)
{
    return bindings->served_count ? note_found(bindings, find(bindings, row)) : 0;
}

uint32_t phu_claims_rest(struct phu_claims *bindings)
{
    return note_found(bindings, bindings->fallback);
}

/* -- What patterns make ------------------------------------------------------------------------ */

static uint32_t keep(struct phu_claims *bindings, const char *id)
{
    size_t capacity = bindings->made_capacity ? bindings->made_capacity * 2 : 8;

    if (bindings->made_count == MADE_MAX)
        return 0;
    if (bindings->made_count == bindings->made_capacity) {
        char **made = realloc(bindings->made, capacity * sizeof *made);

        if (!made)
            return 0;
        bindings->made = made;
        bindings->made_capacity = capacity;
    }
    bindings->made[bindings->made_count] = strdup(id);
    if (!bindings->made[bindings->made_count])
        return 0;
    return (uint32_t)(bindings->served_count + ++bindings->made_count);
}

uint32_t phu_claims_make(struct phu_claims *bindings, const struct phu_serves *serves,
                         const char *description, uint32_t whom)
{
    char id[PHU_ENDPOINT_ID_SIZE];

    if (!description[0] || !phu_serves_match(serves, description, id))
        return 0;
    if (whom > bindings->served_count && strcmp(phu_claims_endpoint(bindings, whom), id) == 0)
        return whom;
    return keep(bindings, id);
}

const char *phu_claims_endpoint(const struct phu_claims *bindings, uint32_t whom)
{
    if (whom == 0)
        return "";
    if (whom <= bindings->served_count)
        return bindings->served[whom - 1].endpoint;
    return bindings->made[whom - bindings->served_count - 1];
}
