/* phusong.yaml to a phu_config, the inventory that goes with it, and what a reload changes. */
#include "config.h"

#include "conf_file.h"
#include "config_shape.h"
#include "core/inventory.h"
#include "core/quality.h"
#include "mem.h"

#include "phusong/collector.h"
#include "phusong/err.h"
#include "phusong/exporter.h"
#include "phusong/time.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* -- Filling ---------------------------------------------------------------------------------- */

static const struct phu_config_root *root_of(const struct phu_config *config)
{
    return config->shape->memory;
}

static void take_checks(struct phu_config *config)
{
    const struct phu_list *list = &root_of(config)->checks;
    const struct phu_variant *entries = list->items;

    config->checks =
        phu_mem_alloc(list->count + config->shape->collector_count, sizeof *config->checks);
    for (size_t i = 0; i < list->count; i++) {
        const struct phu_config_check_common *common = entries[i].common;

        config->checks[config->check_count++] = (struct phu_config_check){
            .name = common->name,
            .argument = common->argument,
            .collector = config->shape->parts.collectors[entries[i].kind],
            .collector_index = entries[i].kind,
            .interval_ns = common->interval_ns,
            .timeout_ns = common->timeout_ns,
            .options = entries[i].options[0],
        };
    }
}

/* A collector without an entry of its name is checked with as its tables say. One whose options
 * have no default must have an entry. */
static void add_own_check(struct phu_config *config, size_t index)
{
    const struct phu_collector *collector = config->shape->parts.collectors[index];
    const char *const *fallbacks = config->shape->check_kinds[index].fallbacks;
    struct phu_config_check check = {
        .name = collector->name,
        .argument = "",
        .collector = collector,
        .collector_index = index,
    };

    if (phu_config_find_check(config, collector->name) >= 0)
        return;
    if (collector->check_options) {
        void *options = phu_mem_alloc(1, collector->check_options->size);

        if (phu_conf_defaults(collector->check_options, options) < 0) {
            free(options);
            return;
        }
        config->own_options[index] = options;
        check.options = options;
    }
    phu_conf_parse_duration(fallbacks[1], &check.interval_ns);
    phu_conf_parse_duration(fallbacks[3], &check.timeout_ns);
    config->checks[config->check_count++] = check;
}

static void take_exporters(struct phu_config *config)
{
    const struct phu_list *list = &root_of(config)->exporters;
    const struct phu_variant *entries = list->items;

    config->exporters = phu_mem_alloc(list->count, sizeof *config->exporters);
    config->exporter_count = list->count;
    for (size_t i = 0; i < list->count; i++) {
        const struct phu_config_exporter_common *common = entries[i].common;

        config->exporters[i] = (struct phu_config_exporter){
            .exporter = config->shape->parts.exporters[entries[i].kind],
            .name = common->name,
            .options = entries[i].options[0],
            .feed = entries[i].options[1],
        };
    }
}

static const char *const technologies[] = {"fibre", "3g", "4g", "5g", "device"};

enum { TECHNOLOGIES = 5 };

static int find_technology(const struct phu_config *config, const char *technology)
{
    for (size_t i = 0; i < config->quality_count; i++) {
        if (strcmp(config->quality[i].technology, technology) == 0)
            return (int)i;
    }
    return -ENOENT;
}

/* Borrows the strings of the root struct, and of this file's constants. */
static void take_quality(struct phu_config *config)
{
    const struct phu_list *list = &root_of(config)->quality;

    config->quality = phu_mem_alloc(list->count + TECHNOLOGIES, sizeof *config->quality);
    if (list->count)
        memcpy(config->quality, list->items, list->count * sizeof *config->quality);
    config->quality_count = list->count;
    for (size_t i = 0; i < TECHNOLOGIES; i++) {
        struct phu_quality profile = phu_quality_default;

        if (find_technology(config, technologies[i]) >= 0)
            continue;
        profile.technology = (char *)technologies[i];
        profile.name = profile.technology;
        config->quality[config->quality_count++] = profile;
    }
}

static void take_sections(struct phu_config *config)
{
    const struct phu_config_shape *shape = config->shape;
    const struct phu_config_root *root = root_of(config);
    const char *memory = shape->memory;

    config->agent = root->agent;
    config->log = root->log;
    config->states = root->states;
    config->references = root->references;
    config->outages = root->outages;
    config->credentials = root->credentials.items;
    config->credential_count = root->credentials.count;
    config->collector_count = shape->collector_count;
    config->collector_options =
        phu_mem_alloc(shape->collector_count, sizeof *config->collector_options);
    config->own_options = phu_mem_alloc(shape->collector_count, sizeof *config->own_options);
    for (size_t i = 0; i < shape->collector_count; i++) {
        if (shape->collector_offsets[i])
            config->collector_options[i] = memory + shape->collector_offsets[i];
    }
    if (shape->spool_offset)
        config->spool = memory + shape->spool_offset;
    take_checks(config);
    for (size_t i = 0; i < shape->collector_count; i++)
        add_own_check(config, i);
    take_quality(config);
    take_exporters(config);
}

/* -- Secrets' versions ------------------------------------------------------------------------ */

/* A secret that was replaced under its old name must be noticed by a reload, though it is not kept:
 * its file's identity and times are. */
static void stamp_secret(const char *reference, struct phu_config_stamp *stamp)
{
    const char *folder = getenv("CREDENTIALS_DIRECTORY");
    const char *name = strncmp(reference, "credential:", 11) == 0 ? reference + 11 : NULL;
    struct stat info;
    char *path;

    if (!reference[0] || (name && !folder))
        return;
    if (asprintf(&path, "%s%s%s", name ? folder : "", name ? "/" : "", name ? name : reference) < 0)
        abort();
    if (stat(path, &info) == 0) {
        stamp->inode += (uint64_t)info.st_ino;
        stamp->ns += (uint64_t)info.st_mtim.tv_sec * 1000000000u + (uint64_t)info.st_mtim.tv_nsec;
        stamp->size += (uint64_t)info.st_size;
    }
    free(path);
}

static void stamp_credentials(struct phu_config *config)
{
    config->stamps = phu_mem_alloc(config->credential_count, sizeof *config->stamps);
    for (size_t i = 0; i < config->credential_count; i++) {
        stamp_secret(config->credentials[i].community, &config->stamps[i]);
        stamp_secret(config->credentials[i].auth_secret, &config->stamps[i]);
        stamp_secret(config->credentials[i].privacy_secret, &config->stamps[i]);
    }
}

/* -- Loading ---------------------------------------------------------------------------------- */

int phu_config_load(const struct phu_config_parts *parts, const char *file, struct phu_diags *diags,
                    struct phu_config **out)
{
    struct phu_config *config = phu_mem_alloc(1, sizeof *config);
    int result;

    *out = NULL;
    config->shape = phu_config_shape_new(parts);
    config->shape->memory = phu_mem_alloc(1, config->shape->root.size);
    result = phu_conf_load_source(&config->shape->root, file, diags, config->shape->memory,
                                  &config->source);
    if (result < 0) {
        phu_conf_source_free(config->source);
        phu_config_shape_free(config->shape);
        free(config);
        return result;
    }
    take_sections(config);
    stamp_credentials(config);
    *out = config;
    return 0;
}

static void free_files(struct phu_config *config)
{
    for (size_t i = 0; config->files && i < config->collector_count; i++) {
        if (config->files[i])
            config->shape->parts.collectors[i]->free_options_files(config->files[i]);
    }
    free(config->files);
}

void phu_config_free(struct phu_config *config)
{
    if (!config)
        return;
    for (size_t i = 0; i < config->collector_count; i++) {
        if (config->own_options[i])
            phu_conf_free(config->shape->parts.collectors[i]->check_options,
                          config->own_options[i]);
        free(config->own_options[i]);
    }
    free_files(config);
    phu_conf_source_free(config->source);
    phu_conf_free(&config->shape->root, config->shape->memory);
    phu_config_shape_free(config->shape);
    free(config->own_options);
    free(config->stamps);
    free(config->collector_options);
    free(config->checks);
    free(config->quality);
    free(config->exporters);
    free(config);
}

int phu_config_find_check(const struct phu_config *config, const char *name)
{
    for (size_t i = 0; i < config->check_count; i++) {
        if (strcmp(config->checks[i].name, name) == 0)
            return (int)i;
    }
    return -ENOENT;
}

int phu_config_find_quality(const struct phu_config *config, const char *name)
{
    for (size_t i = 0; i < config->quality_count; i++) {
        if (strcmp(config->quality[i].name, name) == 0)
            return (int)i;
    }
    return -ENOENT;
}

static size_t credential_index(const struct phu_config *config, const char *name)
{
    size_t i = 0;

    while (i < config->credential_count && strcmp(config->credentials[i].name, name) != 0)
        i++;
    return i;
}

const struct phu_credential *phu_config_find_credential(const struct phu_config *config,
                                                        const char *name)
{
    size_t index = credential_index(config, name);

    return index < config->credential_count ? &config->credentials[index] : NULL;
}

/* -- What options point at -------------------------------------------------------------------- */

/* NULL, or why the files that have been read do not know the argument. */
static const char *check_in_files(const struct phu_config *config,
                                  const struct phu_config_check *check, const char *argument,
                                  char *why, size_t size)
{
    const void *files = config->files ? config->files[check->collector_index] : NULL;

    return files ? check->collector->check_argument_files(files, argument, why, size) : NULL;
}

static size_t check_arguments(const struct phu_config *config, struct phu_diags *diags)
{
    size_t mistakes = 0, written = root_of(config)->checks.count;

    for (size_t i = 0; i < written; i++) {
        char place[64], buffer[256];
        const char *why = check_in_files(config, &config->checks[i], config->checks[i].argument,
                                         buffer, sizeof buffer);

        if (!why)
            continue;
        snprintf(place, sizeof place, "checks[%zu].argument", i);
        phu_conf_source_mistake(config->source, diags, place, "argument \"%.80s\": %s",
                                config->checks[i].argument, why);
        mistakes++;
    }
    return mistakes;
}

int phu_config_read_files(struct phu_config *config, struct phu_diags *diags)
{
    int result = 0;

    config->files = phu_mem_alloc(config->collector_count, sizeof *config->files);
    for (size_t i = 0; i < config->collector_count; i++) {
        const struct phu_collector *collector = config->shape->parts.collectors[i];

        if (collector->check_options_files &&
            collector->check_options_files(config->collector_options[i], diags, &config->files[i]) <
                0)
            result = -EINVAL;
    }
    if (check_arguments(config, diags))
        result = -EINVAL;
    phu_conf_source_free(config->source);
    config->source = NULL;
    return result;
}

/* -- Inventory -------------------------------------------------------------------------------- */

/* What the inventory asks is answered from. */
struct vocabulary {
    const struct phu_config *config;
    char why[256];
};

static const char *check_argument(void *arg, size_t kind, const char *argument)
{
    struct vocabulary *own = arg;
    const struct phu_config_check *check = &own->config->checks[kind];
    const char *text = argument[0] ? argument : check->argument;
    const char *why;

    if (!check->collector->check_argument)
        return text[0] ? "this check takes nothing behind a colon" : NULL;
    why = check->collector->check_argument(text);
    if (!why)
        why = check_in_files(own->config, check, text, own->why, sizeof own->why);
    return why;
}

static const char *check_interval(void *arg, size_t kind, uint32_t interval_ms)
{
    const struct vocabulary *own = arg;

    return interval_ms * PHU_NS_PER_MS < own->config->checks[kind].timeout_ns
               ? "the interval is shorter than the check's timeout; lower that in the configuration"
               : NULL;
}

static const char **name_list(size_t count)
{
    return phu_mem_alloc(count + 1, sizeof(char *));
}

int phu_config_load_inventory(const struct phu_config *config, struct phu_diags *diags,
                              struct phu_inventory **out)
{
    const char **checks = name_list(config->check_count);
    const char **profiles = name_list(config->quality_count);
    const char **credentials = name_list(config->credential_count);
    struct vocabulary own = {.config = config};
    struct phu_inventory_vocabulary vocabulary = {
        .checks = checks,
        .check_argument = check_argument,
        .check_interval = check_interval,
        .arg = &own,
        .profiles = profiles,
        .profile_of_devices = (uint16_t)find_technology(config, "device"),
        .credentials = credentials,
    };
    int result;

    for (size_t i = 0; i < config->check_count; i++)
        checks[i] = config->checks[i].name;
    for (size_t i = 0; i < config->quality_count; i++)
        profiles[i] = config->quality[i].name;
    for (size_t i = 0; i < config->credential_count; i++)
        credentials[i] = config->credentials[i].name;
    for (size_t i = 0; i < PHU_TECHNOLOGY_COUNT; i++)
        vocabulary.profile_of[i] = (uint16_t)find_technology(config, technologies[i]);
    result = phu_inventory_load(config->agent.inventory, &vocabulary, phu_wall_now(), diags, out);
    free(checks);
    free(profiles);
    free(credentials);
    return result;
}

/* -- Reload ----------------------------------------------------------------------------------- */

struct pair {
    const struct phu_config *before, *after;
    bool is_same_agent;
};

static bool is_same_kind(void *arg, uint16_t before, uint16_t after)
{
    const struct pair *pair = arg;
    const struct phu_config_check *a = &pair->before->checks[before];
    const struct phu_config_check *b = &pair->after->checks[after];

    return pair->is_same_agent && a->collector == b->collector &&
           strcmp(a->argument, b->argument) == 0 && a->interval_ns == b->interval_ns &&
           a->timeout_ns == b->timeout_ns &&
           (!a->options || phu_conf_equal(a->collector->check_options, a->options, b->options));
}

static bool has_rows(void *arg, uint16_t after)
{
    const struct pair *pair = arg;

    return pair->after->checks[after].collector->row_kind_count > 0;
}

static bool is_same_profile(void *arg, uint16_t before, uint16_t after)
{
    const struct pair *pair = arg;

    return phu_conf_equal(&phu_quality_options, &pair->before->quality[before],
                          &pair->after->quality[after]);
}

static bool is_same_credential(void *arg, const char *name)
{
    const struct pair *pair = arg;
    size_t a = credential_index(pair->before, name), b = credential_index(pair->after, name);

    if (a == pair->before->credential_count || b == pair->after->credential_count)
        return a == pair->before->credential_count && b == pair->after->credential_count;
    return phu_conf_equal(&phu_credential_options, &pair->before->credentials[a],
                          &pair->after->credentials[b]) &&
           memcmp(&pair->before->stamps[a], &pair->after->stamps[b],
                  sizeof *pair->before->stamps) == 0;
}

int phu_config_diff(const struct phu_config *before, const struct phu_inventory *inventory_before,
                    const struct phu_config *after, const struct phu_inventory *inventory_after,
                    struct phu_inventory_diff *diff)
{
    struct pair pair = {
        .before = before,
        .after = after,
        .is_same_agent = strcmp(before->agent.id, after->agent.id) == 0 &&
                         before->agent.window_ns == after->agent.window_ns,
    };
    const struct phu_inventory_same same = {
        .kind = is_same_kind,
        .profile = is_same_profile,
        .credential = is_same_credential,
        .has_rows = has_rows,
        .arg = &pair,
    };

    return phu_inventory_diff(inventory_before, inventory_after, &same, diff);
}

const char *phu_config_needs_restart(const struct phu_config *before,
                                     const struct phu_config *after)
{
    const struct phu_config_shape *shape = before->shape;
    const char *old = shape->memory, *new = after->shape->memory;

    if (strcmp(before->agent.id, after->agent.id) != 0)
        return "agent.id";
    if (before->agent.window_ns != after->agent.window_ns)
        return "agent.window";
    if (strcmp(before->agent.state_dir, after->agent.state_dir) != 0)
        return "agent.state_dir";
    if (strcmp(before->agent.user, after->agent.user) != 0)
        return "agent.user";
    if (memcmp(&before->states, &after->states, sizeof before->states) != 0)
        return "states";
    if (!phu_conf_equal(&shape->collectors, old + shape->collectors_offset,
                        new + shape->collectors_offset))
        return "collectors";
    if (shape->spool_offset &&
        !phu_conf_equal(shape->parts.spool, old + shape->spool_offset, new + shape->spool_offset))
        return "spool";
    return NULL;
}
