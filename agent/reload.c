#include "reload.h"

#include "config.h"
#include "core/inventory.h"
#include "notify.h"
#include "parts.h"
#include "phusong/err.h"
#include "phusong/log.h"
#include "phusong/sched.h"
#include "phusong/stats.h"

#include <stdlib.h>
#include <string.h>

#define MISTAKES_LOGGED 20

struct phu_reload_job {
    struct phu_reload *reload; /* NULL once nobody waits for the result */
    char *file;
    struct phu_diags diags;
    struct phu_config *config;
    struct phu_inventory *inventory;
    const struct phu_config *config_before;
    const struct phu_inventory *inventory_before;
    struct phu_inventory_diff diff;
};

void phu_reload_init(struct phu_reload *reload)
{
    static const struct phu_stat_info failed = {
        "phusong_config_reload_failed", PHU_STAT_GAUGE,
        "1 when the last reload found mistakes and the old configuration is still running"};
    static const struct phu_stat_info count = {"phusong_config_reloads_total", PHU_STAT_COUNTER,
                                               "Reloads asked for"};

    phu_stats_add(reload->stats, &failed, NULL, &reload->failed);
    phu_stats_add(reload->stats, &count, NULL, &reload->count);
}

int phu_reload_read(const char *file, struct phu_diags *diags, struct phu_config **config,
                    struct phu_inventory **inventory)
{
    int error = phu_config_load(&phu_parts, file, diags, config), other;

    if (error)
        return error;
    error = phu_config_read_files(*config, diags);
    other = phu_config_load_inventory(*config, diags, inventory);
    error = error ? error : other;
    if (error) {
        phu_inventory_free(*inventory);
        *inventory = NULL;
        phu_config_free(*config);
        *config = NULL;
    }
    return error;
}

static void job_run(void *arg)
{
    struct phu_reload_job *job = arg;

    if (phu_reload_read(job->file, &job->diags, &job->config, &job->inventory))
        return;
    if (phu_config_diff(job->config_before, job->inventory_before, job->config, job->inventory,
                        &job->diff))
        abort(); /* no memory */
}

static void job_free(struct phu_reload_job *job)
{
    phu_inventory_diff_fini(&job->diff);
    phu_diags_fini(&job->diags);
    phu_inventory_free(job->inventory);
    if (job->config)
        phu_config_free(job->config);
    free(job->file);
    free(job);
}

/* Within the quotes of the log. */
static void soften_quotes(char *text)
{
    for (; (text = strchr(text, '"')); text++)
        *text = '\'';
}

static void log_mistakes(const struct phu_diags *diags)
{
    for (size_t i = 0; i < diags->count && i < MISTAKES_LOGGED; i++) {
        const struct phu_diag *diag = &diags->items[i];

        soften_quotes(diag->message);
        phu_log_error("reload", "mistake", "at=%s:%u:%u what=\"%s\"", diag->file, diag->line,
                      diag->column, diag->message);
    }
    phu_log_error("reload", "the new configuration has mistakes; the old one goes on",
                  "mistakes=%zu remedy=\"phusong check-config lists them all\"",
                  diags->count + diags->suppressed);
}

static void end(struct phu_reload *reload)
{
    phu_notify("READY=1");
    if (reload->is_wanted_again)
        phu_reload_start(reload);
}

static void job_done(void *arg, bool is_canceled)
{
    struct phu_reload_job *job = arg;
    struct phu_reload *reload = job->reload;

    if (!reload || is_canceled) {
        job_free(job);
        return;
    }
    reload->job = NULL;
    reload->failed = !job->config;
    if (!job->config) {
        log_mistakes(&job->diags);
        job_free(job);
        end(reload);
        return;
    }
    reload->is_swapping = true;
    reload->loaded(reload->arg, job->config, job->inventory, &job->diff);
    job->config = NULL;
    job->inventory = NULL;
    job->diff = (struct phu_inventory_diff){.before = NULL};
    job_free(job);
}

void phu_reload_done(struct phu_reload *reload, const struct phu_config *config,
                     const struct phu_inventory *inventory)
{
    reload->config = config;
    reload->inventory = inventory;
    reload->is_swapping = false;
    end(reload);
}

void phu_reload_start(struct phu_reload *reload)
{
    struct phu_reload_job *job;

    reload->is_wanted_again = reload->job || reload->is_swapping;
    if (reload->is_wanted_again)
        return;
    reload->count++;
    phu_notify("RELOADING=1\nMONOTONIC_USEC=%lld",
               (long long)(phu_sched_now(reload->sched).ns / PHU_NS_PER_US));
    job = calloc(1, sizeof *job);
    if (!job || !(job->file = strdup(reload->file)))
        abort();
    job->reload = reload;
    job->config_before = reload->config;
    job->inventory_before = reload->inventory;
    phu_diags_init(&job->diags);
    reload->job = job;
    if (phu_work_start(reload->sched, job_run, job_done, job))
        abort(); /* libuv refuses only a work function that is missing */
}

void phu_reload_close(struct phu_reload *reload)
{
    if (reload->job)
        reload->job->reload = NULL;
    reload->job = NULL;
    if (reload->stats)
        phu_stats_remove_within(reload->stats, reload, sizeof *reload);
}
