#include "outlets.h"

#include "config.h"
#include "feed.h"
#include "generation.h"
#include "phusong/exporter.h"
#include "phusong/log.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool phu_outlets_need_spool(const struct phu_config *config)
{
    for (size_t i = 0; i < config->exporter_count; i++) {
        if (config->exporters[i].exporter->send)
            return true;
    }
    return false;
}

static int open_feed(struct phu_outlets *outlets, const struct phu_config *config,
                     const struct phu_config_exporter *entry, struct phu_outlet *outlet)
{
    char dead_letter_dir[PATH_MAX];
    const struct phu_feed_env env = {
        .sched = outlets->sched,
        .http = outlets->http,
        .stats = outlets->stats,
        .spool = outlets->spool,
        .agent = config->agent.id,
        .name = entry->name,
        .dead_letter_dir = dead_letter_dir,
    };

    snprintf(dead_letter_dir, sizeof dead_letter_dir, "%s/dead-letter", config->agent.state_dir);
    return phu_feed_open(&env, entry->feed, entry->exporter, entry->options, &outlet->feed);
}

static int open_outlet(struct phu_outlets *outlets, struct phu_generation *generation,
                       const struct phu_config_exporter *entry, struct phu_outlet *outlet)
{
    const struct phu_config *config = generation->config;
    const struct phu_exporter_env env = {
        .sched = outlets->sched,
        .http = outlets->http,
        .stats = outlets->stats,
        .agent = config->agent.id,
        .name = entry->name,
    };
    int error;

    *outlet = (struct phu_outlet){.entry = entry, .generation = generation};
    error = entry->exporter->send ? open_feed(outlets, config, entry, outlet)
                                  : entry->exporter->open(&env, entry->options, &outlet->self);
    if (!error)
        phu_generation_use(generation);
    return error;
}

static void close_outlet(struct phu_outlet *outlet)
{
    if (outlet->feed)
        phu_feed_close(outlet->feed);
    else
        outlet->entry->exporter->close(outlet->self);
    phu_generation_leave(outlet->generation);
}

static bool is_same(const struct phu_config_exporter *a, const struct phu_config_exporter *b)
{
    if (a->exporter != b->exporter || strcmp(a->name, b->name) != 0)
        return false;
    if (a->options && !phu_conf_equal(a->exporter->options, a->options, b->options))
        return false;
    return !a->feed || phu_conf_equal(&phu_feed_options, a->feed, b->feed);
}

static bool has_same(const struct phu_config *config, const struct phu_config_exporter *entry)
{
    for (size_t i = 0; i < config->exporter_count; i++) {
        if (is_same(&config->exporters[i], entry))
            return true;
    }
    return false;
}

/* Names are unique within a configuration. */
static bool is_open(const struct phu_outlets *outlets, const char *name)
{
    for (size_t i = 0; i < outlets->count; i++) {
        if (strcmp(outlets->items[i].entry->name, name) == 0)
            return true;
    }
    return false;
}

static void close_others(struct phu_outlets *outlets, const struct phu_config *config)
{
    size_t kept = 0;

    for (size_t i = 0; i < outlets->count; i++) {
        if (has_same(config, outlets->items[i].entry))
            outlets->items[kept++] = outlets->items[i];
        else
            close_outlet(&outlets->items[i]);
    }
    outlets->count = kept;
}

size_t phu_outlets_apply(struct phu_outlets *outlets, struct phu_generation *generation)
{
    const struct phu_config *config = generation->config;
    size_t failed = 0;

    close_others(outlets, config);
    outlets->items = realloc(outlets->items, (config->exporter_count + 1) * sizeof *outlets->items);
    if (!outlets->items)
        abort();
    for (size_t i = 0; i < config->exporter_count; i++) {
        const struct phu_config_exporter *entry = &config->exporters[i];
        int error;

        if (is_open(outlets, entry->name))
            continue;
        error = open_outlet(outlets, generation, entry, &outlets->items[outlets->count]);
        if (error) {
            phu_log_error("agent", "an exporter cannot be opened", "exporter=\"%s\" err=\"%s\"",
                          entry->name, strerror(-error));
            failed++;
        } else {
            outlets->count++;
        }
    }
    return failed;
}

void phu_outlets_announce(struct phu_outlets *outlets, const char *text, size_t length)
{
    for (size_t i = 0; i < outlets->count; i++) {
        if (outlets->items[i].feed)
            phu_feed_announce(outlets->items[i].feed, text, length);
    }
}

void phu_outlets_hurry(struct phu_outlets *outlets)
{
    for (size_t i = 0; i < outlets->count; i++) {
        if (outlets->items[i].feed)
            phu_feed_hurry(outlets->items[i].feed);
    }
}

void phu_outlets_close(struct phu_outlets *outlets)
{
    while (outlets->count)
        close_outlet(&outlets->items[--outlets->count]);
    free(outlets->items);
    outlets->items = NULL;
}
