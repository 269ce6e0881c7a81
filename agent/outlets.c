#include "outlets.h"

#include "config.h"
#include "feed.h"
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

static int open_outlet(struct phu_outlets *outlets, const struct phu_config *config,
                       const struct phu_config_exporter *entry, struct phu_outlet *outlet)
{
    const struct phu_exporter_env env = {
        .sched = outlets->sched,
        .http = outlets->http,
        .stats = outlets->stats,
        .agent = config->agent.id,
        .name = entry->name,
    };

    outlet->exporter = entry->exporter;
    if (entry->exporter->send)
        return open_feed(outlets, config, entry, outlet);
    return entry->exporter->open(&env, entry->options, &outlet->self);
}

size_t phu_outlets_open(struct phu_outlets *outlets, const struct phu_config *config)
{
    size_t failed = 0;

    outlets->items = calloc(config->exporter_count + 1, sizeof *outlets->items);
    if (!outlets->items)
        abort();
    for (size_t i = 0; i < config->exporter_count; i++) {
        const struct phu_config_exporter *entry = &config->exporters[i];
        int error = open_outlet(outlets, config, entry, &outlets->items[outlets->count]);

        if (error) {
            phu_log_error("agent", "an exporter cannot be opened", "exporter=\"%s\" err=\"%s\"",
                          entry->name, strerror(-error));
            memset(&outlets->items[outlets->count], 0, sizeof *outlets->items);
            failed++;
        } else {
            outlets->count++;
        }
    }
    return failed;
}

void phu_outlets_close(struct phu_outlets *outlets)
{
    while (outlets->count) {
        struct phu_outlet *outlet = &outlets->items[--outlets->count];

        if (outlet->feed)
            phu_feed_close(outlet->feed);
        else
            outlet->exporter->close(outlet->self);
    }
    free(outlets->items);
    outlets->items = NULL;
}
