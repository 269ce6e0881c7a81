/* The rule table: a hash of prefixes, asked once for each length in use, longest first.
 * Owns the rules. A rule, once made, stays until the table goes, so pointers to its settings and
 * shapers stay good; cleared rules set nothing. */
#include "prefix.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { BUCKETS = 16384 };

struct slot {
    bool is_set;
    bool base_is_set;
    uint64_t owner; /* of the live value; 0: it is the base */
    struct lab_setting live;
    struct lab_setting base;
};

struct rule {
    struct lab_prefix prefix;
    struct slot slots[LAB_DIRS][LAB_ATTRS];
    struct lab_shaper shapers[LAB_DIRS];
    struct rule *next_in_bucket;
    struct rule *next;
};

struct lab_rules {
    struct rule *buckets[BUCKETS];
    struct rule *first;
    struct rule **tail;
    size_t count;
    size_t of_length[129];
    uint64_t generation;
};

struct lab_rules *lab_rules_new(void)
{
    struct lab_rules *rules = calloc(1, sizeof(*rules));

    if (rules)
        rules->tail = &rules->first;
    return rules;
}

void lab_rules_free(struct lab_rules *rules)
{
    struct rule *next;

    if (!rules)
        return;
    for (struct rule *rule = rules->first; rule; rule = next) {
        next = rule->next;
        free(rule);
    }
    free(rules);
}

static size_t bucket_of(const struct lab_addr *addr, unsigned length)
{
    return (lab_addr_hash(addr) ^ length * 0x9e37u) % BUCKETS;
}

static struct rule *find_rule(const struct lab_rules *rules, const struct lab_addr *addr,
                              unsigned length)
{
    struct rule *rule = rules->buckets[bucket_of(addr, length)];

    while (rule && (rule->prefix.length != length || !lab_addr_equal(&rule->prefix.addr, addr)))
        rule = rule->next_in_bucket;
    return rule;
}

static struct rule *add_rule(struct lab_rules *rules, const struct lab_prefix *prefix)
{
    struct rule *rule = calloc(1, sizeof(*rule));
    size_t bucket = bucket_of(&prefix->addr, prefix->length);

    if (!rule)
        return NULL;
    rule->prefix = *prefix;
    rule->next_in_bucket = rules->buckets[bucket];
    rules->buckets[bucket] = rule;
    *rules->tail = rule;
    rules->tail = &rule->next;
    rules->of_length[prefix->length]++;
    rules->count++;
    return rule;
}

static void change_slot(struct slot *slot, const struct lab_statement *statement, uint64_t owner)
{
    slot->is_set = !statement->is_clear;
    slot->live = statement->setting;
    slot->owner = owner;
    if (owner == 0) {
        slot->base_is_set = slot->is_set;
        slot->base = slot->live;
    }
}

static void change_rule(struct rule *rule, const struct lab_statement *statement, uint64_t owner)
{
    for (int dir = 0; dir < LAB_DIRS; dir++)
        for (int attr = 0; attr < LAB_ATTRS; attr++)
            if (statement->dirs & 1u << dir && statement->attrs & 1u << attr)
                change_slot(&rule->slots[dir][attr], statement, owner);
}

int lab_rules_apply(struct lab_rules *rules, const struct lab_statement *statement,
                    const struct lab_prefix *prefix, uint64_t owner)
{
    struct rule *rule;

    rules->generation++;
    if (statement->clears_all) {
        for (rule = rules->first; rule; rule = rule->next)
            change_rule(rule, statement, owner);
        return 0;
    }
    rule = find_rule(rules, &prefix->addr, prefix->length);
    if (!rule && statement->is_clear)
        return 0;
    if (!rule && rules->count >= LAB_RULES_MAX)
        return -ENOSPC;
    if (!rule && !(rule = add_rule(rules, prefix)))
        return -ENOMEM;
    change_rule(rule, statement, owner);
    return 0;
}

void lab_rules_expire(struct lab_rules *rules, const struct lab_prefix *prefix, uint64_t owner)
{
    struct rule *rule = find_rule(rules, &prefix->addr, prefix->length);

    if (!rule || owner == 0)
        return;
    rules->generation++;
    for (int dir = 0; dir < LAB_DIRS; dir++)
        for (int attr = 0; attr < LAB_ATTRS; attr++) {
            struct slot *slot = &rule->slots[dir][attr];

            if (slot->owner != owner)
                continue;
            slot->owner = 0;
            slot->is_set = slot->base_is_set;
            slot->live = slot->base;
        }
}

uint64_t lab_rules_generation(const struct lab_rules *rules)
{
    return rules->generation;
}

static void merge_rule(struct rule *rule, struct lab_profile profiles[LAB_DIRS])
{
    for (int dir = 0; dir < LAB_DIRS; dir++) {
        struct lab_profile *profile = &profiles[dir];

        profile->is_down |= rule->slots[dir][LAB_ATTR_DOWN].is_set;
        for (int attr = 0; attr < LAB_ATTRS; attr++) {
            struct slot *slot = &rule->slots[dir][attr];

            if (!slot->is_set || profile->settings[attr])
                continue;
            profile->settings[attr] = &slot->live;
            if (attr == LAB_ATTR_RATE)
                profile->shaper = &rule->shapers[dir];
        }
    }
}

void lab_rules_resolve(struct lab_rules *rules, const struct lab_addr *addr,
                       struct lab_profile profiles[LAB_DIRS])
{
    memset(profiles, 0, LAB_DIRS * sizeof(*profiles));
    for (int length = 128; length >= 0; length--) {
        struct lab_addr masked;
        struct rule *rule;

        if (rules->of_length[length] == 0)
            continue;
        masked = lab_addr_mask(addr, (unsigned)length);
        rule = find_rule(rules, &masked, (unsigned)length);
        if (rule)
            merge_rule(rule, profiles);
    }
}

bool lab_rules_down_by(struct lab_rules *rules, const struct lab_addr *addr,
                       struct lab_prefix *prefix)
{
    for (int length = 128; length >= 0; length--) {
        struct lab_addr masked = lab_addr_mask(addr, (unsigned)length);
        struct rule *rule =
            rules->of_length[length] ? find_rule(rules, &masked, (unsigned)length) : NULL;

        if (rule && (rule->slots[LAB_TO][LAB_ATTR_DOWN].is_set ||
                     rule->slots[LAB_FROM][LAB_ATTR_DOWN].is_set)) {
            *prefix = rule->prefix;
            return true;
        }
    }
    return false;
}

static bool same_setting(const struct slot *a, const struct slot *b)
{
    return a->is_set == b->is_set && a->owner == b->owner && lab_setting_equal(&a->live, &b->live);
}

static void visit_attr(const struct rule *rule, int attr,
                       void (*visit)(void *context, const struct lab_statement *statement,
                                     bool is_passing),
                       void *context)
{
    bool is_same = same_setting(&rule->slots[LAB_TO][attr], &rule->slots[LAB_FROM][attr]);

    for (int dir = 0; dir < (is_same ? 1 : LAB_DIRS); dir++) {
        const struct slot *slot = &rule->slots[dir][attr];
        struct lab_statement statement = {
            .target.prefix = rule->prefix,
            .attrs = 1u << attr,
            .dirs = is_same ? 3u : 1u << dir,
            .setting = slot->live,
        };

        if (slot->is_set)
            visit(context, &statement, slot->owner != 0);
    }
}

void lab_rules_each(const struct lab_rules *rules,
                    void (*visit)(void *context, const struct lab_statement *statement,
                                  bool is_passing),
                    void *context)
{
    for (const struct rule *rule = rules->first; rule; rule = rule->next)
        for (int attr = 0; attr < LAB_ATTRS; attr++)
            visit_attr(rule, attr, visit, context);
}
