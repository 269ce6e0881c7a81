/* Parses and prints statements. Pure. The verbs and their options are the tables below; adding a
 * verb is one row and one parse function. */
#include "statement.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum {
    BOTH_DIRS = 1 << LAB_TO | 1 << LAB_FROM,
    ALL_ATTRS = (1 << LAB_ATTRS) - 1,
};

static const uint64_t default_limit = 65536;

struct verb {
    const char *name;
    enum lab_attr attr;
    bool is_clear;
    bool has_value;
    /* Reads the value, if the verb has one, into the setting. */
    int (*parse)(const char *text, struct lab_setting *setting, struct lab_error *err);
};

static int parse_delay(const char *text, struct lab_setting *setting, struct lab_error *err)
{
    return lab_parse_duration(text, &setting->delay_ns, err);
}

static int parse_share(const char *text, struct lab_setting *setting, struct lab_error *err)
{
    return lab_parse_share(text, &setting->share, err);
}

static int parse_rate(const char *text, struct lab_setting *setting, struct lab_error *err)
{
    uint64_t bytes;

    if (lab_parse_bytes(text, &bytes, err) < 0)
        return -EINVAL;
    if (bytes == 0)
        return lab_fail(err, "a rate of 0 would hold packets for ever: use `down`");
    setting->rate = (double)bytes;
    setting->limit = default_limit;
    return 0;
}

static const struct verb verbs[] = {
    {"down", LAB_ATTR_DOWN, false, false, NULL},
    {"up", LAB_ATTR_DOWN, true, false, NULL},
    {"delay", LAB_ATTR_DELAY, false, true, parse_delay},
    {"loss", LAB_ATTR_LOSS, false, true, parse_share},
    {"rate", LAB_ATTR_RATE, false, true, parse_rate},
    {"duplicate", LAB_ATTR_DUPLICATE, false, true, parse_share},
    {"corrupt", LAB_ATTR_CORRUPT, false, true, parse_share},
};

enum { VERBS = sizeof(verbs) / sizeof(*verbs) };

static int parse_jitter(const char *text, struct lab_setting *setting, struct lab_error *err)
{
    return lab_parse_duration(text, &setting->jitter_ns, err);
}

static int parse_distribution(const char *text, struct lab_setting *setting, struct lab_error *err)
{
    setting->is_normal = strcmp(text, "normal") == 0;
    if (!setting->is_normal && strcmp(text, "uniform") != 0)
        return lab_fail(err, "--distribution takes uniform or normal, not \"%.40s\"", text);
    return 0;
}

static int parse_keep_order(const char *text, struct lab_setting *setting, struct lab_error *err)
{
    (void)text;
    (void)err;
    setting->keeps_order = true;
    return 0;
}

static int parse_burst(const char *text, struct lab_setting *setting, struct lab_error *err)
{
    uint64_t length;

    if (lab_parse_number(text, 1000000, &length, err) < 0)
        return -EINVAL;
    if (length < 1)
        return lab_fail(err, "--burst is the mean number of packets lost in a row, 1 or more");
    setting->burst = (double)length;
    return 0;
}

static int parse_limit(const char *text, struct lab_setting *setting, struct lab_error *err)
{
    return lab_parse_bytes(text, &setting->limit, err);
}

static int parse_mend(const char *text, struct lab_setting *setting, struct lab_error *err)
{
    (void)text;
    (void)err;
    setting->mends = true;
    return 0;
}

static const struct option {
    const char *name;
    enum lab_attr attr;
    bool has_value;
    int (*parse)(const char *text, struct lab_setting *setting, struct lab_error *err);
} options[] = {
    {"--jitter", LAB_ATTR_DELAY, true, parse_jitter},
    {"--distribution", LAB_ATTR_DELAY, true, parse_distribution},
    {"--keep-order", LAB_ATTR_DELAY, false, parse_keep_order},
    {"--burst", LAB_ATTR_LOSS, true, parse_burst},
    {"--limit", LAB_ATTR_RATE, true, parse_limit},
    {"--fix-checksum", LAB_ATTR_CORRUPT, false, parse_mend},
};

enum { OPTIONS = sizeof(options) / sizeof(*options) };

static const struct verb *find_verb(const char *name)
{
    for (int i = 0; i < VERBS; i++)
        if (strcmp(verbs[i].name, name) == 0)
            return &verbs[i];
    return NULL;
}

bool lab_setting_equal(const struct lab_setting *a, const struct lab_setting *b)
{
    return a->delay_ns == b->delay_ns && a->jitter_ns == b->jitter_ns &&
           a->is_normal == b->is_normal && a->keeps_order == b->keeps_order &&
           a->mends == b->mends && a->share == b->share && a->burst == b->burst &&
           a->rate == b->rate && a->limit == b->limit;
}

bool lab_statement_is_verb(const char *word)
{
    return find_verb(word) || strcmp(word, "clear") == 0;
}

const char *lab_attr_name(enum lab_attr attr)
{
    for (int i = 0; i < VERBS; i++)
        if (verbs[i].attr == attr)
            return verbs[i].name;
    return "?";
}

static int parse_pick(const char *text, struct lab_target *target, struct lab_error *err)
{
    char prefix[LAB_PREFIX_TEXT];
    const char *colon = strrchr(text, ':');
    size_t length = (size_t)(colon - text);
    uint64_t bits;

    if (colon == text || length >= sizeof(prefix) || !strchr(text, '/'))
        return lab_fail(err, "write pick:PREFIX:LENGTH, as in pick:10.27.0.0/16:24");
    memcpy(prefix, text, length);
    prefix[length] = '\0';
    if (lab_prefix_parse(prefix, &target->prefix, err) < 0 ||
        lab_parse_number(colon + 1, 128, &bits, err) < 0)
        return -EINVAL;
    bits += lab_prefix_is_v4(&target->prefix) ? 96 : 0;
    if (bits < target->prefix.length || bits > 128 || bits == 0)
        return lab_fail(err, "pick:%.50s: a /%.4s does not fit into %.50s", text, colon + 1,
                        prefix);
    target->pick_length = (uint8_t)bits;
    return 0;
}

static int parse_target(const char *text, struct lab_target *target, struct lab_error *err)
{
    if (strncmp(text, "pick:", 5) == 0 && strchr(text + 5, ':'))
        return parse_pick(text + 5, target, err);
    return lab_prefix_parse(text, &target->prefix, err);
}

static int parse_dirs(const char *text, unsigned *dirs, struct lab_error *err)
{
    if (strcmp(text, "both") == 0)
        *dirs = BOTH_DIRS;
    else if (strcmp(text, "to") == 0)
        *dirs = 1 << LAB_TO;
    else if (strcmp(text, "from") == 0)
        *dirs = 1 << LAB_FROM;
    else
        return lab_fail(err, "--dir takes to (the district), from or both, not \"%.40s\"", text);
    return 0;
}

static const struct option *find_option(const char *name)
{
    for (int i = 0; i < OPTIONS; i++)
        if (strcmp(options[i].name, name) == 0)
            return &options[i];
    return NULL;
}

static int parse_options(char *const *words, int count, struct lab_statement *statement,
                         struct lab_error *err)
{
    for (int i = 0; i < count; i++) {
        const struct option *option = find_option(words[i]);
        bool is_dir = strcmp(words[i], "--dir") == 0;
        const char *value = NULL;

        if (!is_dir && (!option || statement->is_clear || statement->attrs != 1u << option->attr))
            return lab_fail(err, "\"%.40s\" does not belong here", words[i]);
        if ((is_dir || option->has_value) && !(value = words[++i]))
            return lab_fail(err, "%s needs a value after it", words[i - 1]);
        if (is_dir ? parse_dirs(value, &statement->dirs, err) < 0
                   : option->parse(value, &statement->setting, err) < 0)
            return -EINVAL;
    }
    return 0;
}

static int check_setting(const struct lab_statement *statement, struct lab_error *err)
{
    const struct lab_setting *setting = &statement->setting;
    double good = 1 - setting->share;

    if (setting->jitter_ns > setting->delay_ns && !setting->is_normal)
        return lab_fail(err, "the jitter is larger than the delay: a delay cannot be negative");
    if (setting->burst > 0 && setting->share > setting->burst * good)
        return lab_fail(err,
                        "runs of %.0f cannot lose that much: use a longer --burst, or a loss of "
                        "100%% without it",
                        setting->burst);
    return 0;
}

/* clear all | clear PREFIX [ATTRIBUTE...] [--dir DIR] */
static int parse_clear(char *const *words, int count, struct lab_statement *statement,
                       struct lab_error *err)
{
    int i = 2;

    statement->is_clear = true;
    statement->clears_all = strcmp(words[1], "all") == 0;
    if (!statement->clears_all && parse_target(words[1], &statement->target, err) < 0)
        return -EINVAL;
    for (; i < count && words[i][0] != '-'; i++) {
        const struct verb *verb = find_verb(words[i]);

        if (!verb || verb->is_clear)
            return lab_fail(err,
                            "\"%.40s\" is nothing to clear: name down, delay, loss, rate, "
                            "duplicate or corrupt",
                            words[i]);
        statement->attrs |= 1u << verb->attr;
    }
    if (statement->attrs == 0)
        statement->attrs = ALL_ATTRS;
    return parse_options(words + i, count - i, statement, err);
}

int lab_statement_parse(char *const *words, int count, struct lab_statement *statement,
                        struct lab_error *err)
{
    const struct verb *verb;

    *statement = (struct lab_statement){.dirs = BOTH_DIRS};
    if (count < 1 || !lab_statement_is_verb(words[0]))
        return lab_fail(err,
                        "\"%.40s\" is no verb: use down, up, delay, loss, rate, duplicate, "
                        "corrupt or clear",
                        count < 1 ? "" : words[0]);
    if (count < 2)
        return lab_fail(err, "%s needs a prefix after it, as in %s 10.27.3.0/24", words[0],
                        words[0]);
    if (strcmp(words[0], "clear") == 0)
        return parse_clear(words, count, statement, err);
    verb = find_verb(words[0]);
    statement->is_clear = verb->is_clear;
    statement->attrs = 1u << verb->attr;
    if (parse_target(words[1], &statement->target, err) < 0)
        return -EINVAL;
    if (verb->has_value && count < 3)
        return lab_fail(err, "%s %s needs a value after it", words[0], words[1]);
    if (verb->has_value && verb->parse(words[2], &statement->setting, err) < 0)
        return -EINVAL;
    if (parse_options(words + (verb->has_value ? 3 : 2), count - (verb->has_value ? 3 : 2),
                      statement, err) < 0)
        return -EINVAL;
    return check_setting(statement, err);
}

static void format_target(const struct lab_statement *statement, char *out, size_t size)
{
    char prefix[LAB_PREFIX_TEXT];
    const struct lab_target *target = &statement->target;

    if (statement->clears_all)
        snprintf(out, size, "all");
    else if (target->pick_length)
        snprintf(out, size, "pick:%s:%u", lab_prefix_format(&target->prefix, prefix),
                 target->pick_length - (lab_prefix_is_v4(&target->prefix) ? 96u : 0u));
    else
        snprintf(out, size, "%s", lab_prefix_format(&target->prefix, prefix));
}

static void format_setting(enum lab_attr attr, const struct lab_setting *setting, char *out,
                           size_t size)
{
    char first[32];
    char second[32];

    out[0] = '\0';
    switch (attr) {
    case LAB_ATTR_DOWN:
    case LAB_ATTRS:
        break;
    case LAB_ATTR_DELAY:
        snprintf(out, size, " %s --jitter %s --distribution %s%s",
                 lab_format_duration(setting->delay_ns, first, sizeof(first)),
                 lab_format_duration(setting->jitter_ns, second, sizeof(second)),
                 setting->is_normal ? "normal" : "uniform",
                 setting->keeps_order ? " --keep-order" : "");
        break;
    case LAB_ATTR_LOSS:
        snprintf(out, size, setting->burst > 0 ? " %.10g%% --burst %.0f" : " %.10g%%",
                 setting->share * 100, setting->burst);
        break;
    case LAB_ATTR_RATE:
        snprintf(out, size, " %.0fB --limit %lluB", setting->rate,
                 (unsigned long long)setting->limit);
        break;
    case LAB_ATTR_DUPLICATE:
        snprintf(out, size, " %.10g%%", setting->share * 100);
        break;
    case LAB_ATTR_CORRUPT:
        snprintf(out, size, " %.10g%%%s", setting->share * 100,
                 setting->mends ? " --fix-checksum" : "");
        break;
    }
}

static void format_clear(const struct lab_statement *statement, const char *target, const char *dir,
                         char *out, size_t size)
{
    size_t used = (size_t)snprintf(out, size, "clear %s", target);

    for (int i = 0; i < LAB_ATTRS; i++)
        if (statement->attrs != ALL_ATTRS && statement->attrs & 1u << i && used < size)
            used +=
                (size_t)snprintf(out + used, size - used, " %s", lab_attr_name((enum lab_attr)i));
    if (used < size)
        snprintf(out + used, size - used, "%s", dir);
}

char *lab_statement_format(const struct lab_statement *statement, char *out, size_t size)
{
    const char *dir = statement->dirs == BOTH_DIRS     ? ""
                      : statement->dirs == 1 << LAB_TO ? " --dir to"
                                                       : " --dir from";
    char target[80];
    char value[128];
    enum lab_attr attr = 0;

    format_target(statement, target, sizeof(target));
    if (statement->is_clear) {
        format_clear(statement, target, dir, out, size);
        return out;
    }
    while (attr < LAB_ATTRS - 1 && !(statement->attrs & 1u << attr))
        attr++;
    format_setting(attr, &statement->setting, value, sizeof(value));
    snprintf(out, size, "%s %s%s%s", lab_attr_name(attr), target, value, dir);
    return out;
}

struct lab_prefix lab_target_resolve(const struct lab_target *target, uint64_t random)
{
    struct lab_prefix out = target->prefix;
    unsigned bit = target->pick_length;

    if (target->pick_length == 0)
        return out;
    /* The low bits of `random` become the bits between the two lengths. */
    for (int i = 0; i < 64 && bit > target->prefix.length; i++, random >>= 1) {
        bit--;
        if (random & 1)
            out.addr.b[bit / 8] |= (uint8_t)(0x80u >> (bit % 8));
    }
    out.length = target->pick_length;
    return out;
}
