#include "spool_conf.h"

#include "config.h"

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
