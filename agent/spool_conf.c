#include "spool_conf.h"

#include "config.h"

#include "phusong/exporter.h"
#include "phusong/spool.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

char *phu_spool_conf_dir(const struct phu_config *config)
{
    const struct phu_spool_conf *conf = config->spool;
    char *dir;

    if (conf->dir && *conf->dir)
        dir = strdup(conf->dir);
    else if (asprintf(&dir, "%s/spool", config->agent.state_dir) < 0)
        dir = NULL;
    if (!dir)
        abort();
    return dir;
}

int phu_spool_conf_open(const struct phu_config *config, struct phu_sched *sched,
                        struct phu_stats *stats, struct phu_spool **out)
{
    struct phu_spool_conf conf = *(const struct phu_spool_conf *)config->spool;
    int error;

    conf.dir = phu_spool_conf_dir(config);
    error = phu_spool_open(sched, &conf, stats, out);
    free(conf.dir);
    return error;
}

void phu_spool_conf_forget_others(const struct phu_config *config, struct phu_spool *spool)
{
    const char **names = calloc(config->exporter_count + 1, sizeof *names);
    size_t count = 0;

    if (!names)
        abort();
    for (size_t i = 0; i < config->exporter_count; i++) {
        if (config->exporters[i].exporter->send)
            names[count++] = config->exporters[i].name;
    }
    phu_spool_forget_others(spool, names, count);
    free(names);
}
