#include "live.h"

#include "alerts/alerts.h"
#include "ingest/copy.h"
#include "mem.h"
#include "query.h"
#include "replace_file.h"
#include "rules/rules.h"

#include "phusong/conf.h"
#include "phusong/err.h"
#include "phusong/log.h"
#include "phusong/sched.h"
#include "phusong/stats.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define MODULE "rules"
#define SAVE_NS (30 * PHU_NS_PER_S)

enum { STATE_MAX = 64 << 20, MISTAKES_LOGGED = 20 };

/* Rules and an engine of them. */
struct generation {
    struct generation *before; /* retired: the ingest may still ask it what it wants */
    struct phu_rules *rules;
    struct phu_rules_engine *engine;
};

struct reload {
    struct phu_live *live;  /* NULL: closed meanwhile */
    struct phu_live *owner; /* the same, for the pool thread to hand on */
    struct generation *fresh;
    char *state;
    size_t length;
    struct phu_diags diags;
    struct phu_copies meanwhile; /* fed to the old one while the new one was looking back */
    struct phu_strings files;
    char *store;
    int error;
};

struct save {
    char *path, *text;
};

struct phu_live {
    struct phu_live_env env;
    char *state_path;
    _Atomic(struct generation *) current;
    struct reload *reload;
    bool is_urgent;
    struct phu_timer tick, save;
    int64_t reloads, reload_failed, evaluations;
};

/* -- Looking back -------------------------------------------------------------------------------
 */

static bool look_at(void *arg, const struct phu_sample *sample)
{
    struct generation *generation = arg;

    phu_rules_feed(generation->engine, sample);
    return true;
}

static void look_back(struct generation *generation, const char *store, int64_t now_ns)
{
    const char **measurements = phu_rules_measurements(generation->rules);
    struct phu_query *query;
    char why[256] = "";
    int error = phu_query_open(store, &query, why, sizeof why);

    if (!error) {
        error =
            phu_query_replay(query, measurements, now_ns - phu_rules_horizon_ns(generation->rules),
                             now_ns + PHU_NS_PER_S, look_at, generation);
        phu_query_close(query);
    }
    free(measurements);
    if (error)
        phu_log_warn(MODULE, "what is stored cannot be looked through; rules begin with what comes",
                     "err=\"%s\" why=\"%s\"", strerror(-error), why);
}

/* -- Generations --------------------------------------------------------------------------------
 */

static void changed(void *arg, const struct phu_alert *alert)
{
    struct phu_live *live = arg;

    phu_alerts_put(live->env.alerts, alert);
}

static void free_generation(struct generation *generation)
{
    if (!generation)
        return;
    phu_rules_engine_free(generation->engine);
    phu_rules_free(generation->rules);
    free(generation);
}

/* Reads, restores, looks back. Touches nothing of `live` but its address. */
static int make_generation(struct phu_live *live, const struct phu_strings *files,
                           const char *store, const char *state, size_t length,
                           struct phu_diags *diags, struct generation **out)
{
    struct generation *generation = phu_mem_alloc(1, sizeof *generation);
    int64_t now_ns = phu_wall_now().ns;
    int error = phu_rules_load(files->items, files->count, diags, &generation->rules);

    if (!error)
        error = phu_rules_engine_new(generation->rules, changed, live, &generation->engine);
    if (error) {
        free_generation(generation);
        return error;
    }
    if (length && phu_rules_engine_restore(generation->engine, state, length, now_ns) < 0)
        phu_log_warn(MODULE, "what stood before cannot be read; alerts may be told again", "%s",
                     "");
    look_back(generation, store, now_ns);
    *out = generation;
    return 0;
}

static struct generation *current_of(struct phu_live *live)
{
    return atomic_load_explicit(&live->current, memory_order_acquire);
}

/* -- Feeding and evaluating -----------------------------------------------------------------------
 */

bool phu_live_wants(void *arg, struct phu_slice measurement)
{
    return phu_rules_wants(current_of(arg)->rules, measurement);
}

void phu_live_feed(void *arg, const struct phu_sample *sample)
{
    struct phu_live *live = arg;

    live->is_urgent |= phu_rules_feed(current_of(live)->engine, sample);
    if (live->reload)
        phu_copies_add(&live->reload->meanwhile, sample);
}

static void evaluate(struct phu_live *live)
{
    live->is_urgent = false;
    live->evaluations++;
    phu_rules_evaluate(current_of(live)->engine, phu_sched_wall(live->env.sched).ns);
}

void phu_live_fed(void *arg)
{
    struct phu_live *live = arg;

    if (live->is_urgent)
        evaluate(live);
}

static void tick(struct phu_timer *timer)
{
    struct phu_live *live = phu_container_of(timer, struct phu_live, tick);

    evaluate(live);
    phu_timer_after(live->env.sched, timer, phu_rules_interval_ns(current_of(live)->rules));
}

/* -- What stands, on the disk
 * ----------------------------------------------------------------------- */

static int write_state(const char *path, const char *text)
{
    struct stat before;
    char *old;
    size_t length;
    int error = phu_file_read(path, STATE_MAX, &old, &length, &before);

    if (!error)
        error = phu_file_replace(path, old ? &before : NULL, text, strlen(text));
    free(old);
    if (error)
        phu_log_warn(MODULE,
                     "what stands cannot be saved; alerts may be told again after a restart",
                     "path=\"%s\" err=\"%s\"", path, strerror(-error));
    return error;
}

static void save_run(void *arg)
{
    struct save *save = arg;

    write_state(save->path, save->text);
}

static void save_done(void *arg, bool is_canceled)
{
    struct save *save = arg;

    (void)is_canceled;
    free(save->path);
    free(save->text);
    free(save);
}

static void save_due(struct phu_timer *timer)
{
    struct phu_live *live = phu_container_of(timer, struct phu_live, save);
    struct save *save = phu_mem_alloc(1, sizeof *save);

    save->path = phu_mem_strdup(live->state_path);
    save->text = phu_rules_engine_save(current_of(live)->engine);
    if (!save->text || phu_work_start(live->env.sched, save_run, save_done, save) < 0)
        save_done(save, true);
    phu_timer_after(live->env.sched, timer, SAVE_NS);
}

/* -- Reload --------------------------------------------------------------------------------------
 */

static void reload_run(void *arg)
{
    struct reload *reload = arg;

    reload->error = make_generation(reload->owner, &reload->files, reload->store, reload->state,
                                    reload->length, &reload->diags, &reload->fresh);
}

static void log_mistakes(const struct phu_diags *diags)
{
    for (size_t i = 0; i < diags->count && i < MISTAKES_LOGGED; i++)
        phu_log_error(MODULE, "mistake in the rules", "at=\"%s:%u:%u\" error=\"%s\"",
                      diags->items[i].file, diags->items[i].line, diags->items[i].column,
                      diags->items[i].message);
}

static void exchange(struct phu_live *live, struct reload *reload)
{
    struct generation *fresh = reload->fresh;

    for (size_t i = 0; i < reload->meanwhile.count; i++)
        phu_rules_feed(fresh->engine, &reload->meanwhile.samples[i]);
    fresh->before = current_of(live);
    atomic_store_explicit(&live->current, fresh, memory_order_release);
    phu_rules_engine_free(fresh->before->engine);
    fresh->before->engine = NULL;
    reload->fresh = NULL;
    evaluate(live);
    phu_log_info(MODULE, "rules were read again", "rules=%zu", phu_rules_count(fresh->rules));
}

static void reload_done(void *arg, bool is_canceled)
{
    struct reload *reload = arg;
    struct phu_live *live = reload->live;

    if (live) {
        live->reload = NULL;
        live->reload_failed = is_canceled || reload->error;
        if (live->reload_failed) {
            log_mistakes(&reload->diags);
            phu_log_error(MODULE, "the changed rules are not used; the old ones hold", "%s", "");
        } else {
            exchange(live, reload);
        }
    }
    free_generation(reload->fresh);
    phu_copies_fini(&reload->meanwhile);
    phu_diags_fini(&reload->diags);
    free(reload->state);
    free(reload);
}

void phu_live_reload(struct phu_live *live)
{
    struct reload *reload;

    if (live->reload)
        return;
    live->reloads++;
    reload = phu_mem_alloc(1, sizeof *reload);
    reload->live = reload->owner = live;
    reload->state = phu_rules_engine_save(current_of(live)->engine);
    reload->length = reload->state ? strlen(reload->state) : 0;
    reload->files = *live->env.rules;
    reload->store = (char *)live->env.store;
    phu_diags_init(&reload->diags);
    live->reload = reload;
    if (phu_work_start(live->env.sched, reload_run, reload_done, reload) < 0)
        reload_done(reload, true);
}

/* -- Opening and closing
 * ---------------------------------------------------------------------------- */

static double read_figure(void *arg, size_t which)
{
    struct phu_rules_figures figures = phu_rules_engine_figures(current_of(arg)->engine);
    const double values[] = {(double)figures.series, (double)figures.pending,
                             (double)figures.firing};

    return values[which];
}

static double read_series(void *arg)
{
    return read_figure(arg, 0);
}

static double read_pending(void *arg)
{
    return read_figure(arg, 1);
}

static double read_firing(void *arg)
{
    return read_figure(arg, 2);
}

static void add_stats(struct phu_live *live)
{
    static const struct phu_stat_info series = {"phusong_rules_series", PHU_STAT_GAUGE,
                                                "Series that the rules keep in mind"};
    static const struct phu_stat_info alerts = {"phusong_rules_alerts", PHU_STAT_GAUGE,
                                                "Alerts, by what they are"};
    static const struct phu_stat_info evaluations = {"phusong_rules_evaluations_total",
                                                     PHU_STAT_COUNTER, "Evaluations of the rules"};
    static const struct phu_stat_info reloads = {"phusong_rules_reloads_total", PHU_STAT_COUNTER,
                                                 "Times the rules were read again"};
    static const struct phu_stat_info failed = {
        "phusong_rules_reload_failed", PHU_STAT_GAUGE,
        "1 when the changed rules had mistakes and the old ones hold"};
    struct phu_stats *stats = live->env.stats;

    phu_stats_add_read(stats, &series, NULL, read_series, live);
    phu_stats_add_read(stats, &alerts, "state=\"pending\"", read_pending, live);
    phu_stats_add_read(stats, &alerts, "state=\"firing\"", read_firing, live);
    phu_stats_add(stats, &evaluations, NULL, &live->evaluations);
    phu_stats_add(stats, &reloads, NULL, &live->reloads);
    phu_stats_add(stats, &failed, NULL, &live->reload_failed);
}

static int first_generation(struct phu_live *live)
{
    struct generation *generation = NULL;
    struct phu_diags diags;
    struct stat stamp;
    char *state;
    size_t length;
    int error = phu_file_read(live->state_path, STATE_MAX, &state, &length, &stamp);

    if (error)
        phu_log_warn(MODULE, "what stood before cannot be read; alerts may be told again",
                     "path=\"%s\" err=\"%s\"", live->state_path, strerror(-error));
    phu_diags_init(&diags);
    error = make_generation(live, live->env.rules, live->env.store, state, state ? length : 0,
                            &diags, &generation);
    phu_diags_print(&diags, stderr);
    phu_diags_fini(&diags);
    free(state);
    atomic_store(&live->current, generation);
    return error;
}

int phu_live_open(const struct phu_live_env *env, struct phu_live **out)
{
    struct phu_live *live = phu_mem_alloc(1, sizeof *live);
    int error;

    live->env = *env;
    if (asprintf(&live->state_path, "%s/rules.json", env->state_dir) < 0)
        abort();
    phu_timer_init(&live->tick, tick);
    phu_timer_init(&live->save, save_due);
    error = first_generation(live);
    if (error) {
        free(live->state_path);
        free(live);
        return error;
    }
    add_stats(live);
    evaluate(live);
    phu_alerts_reconcile(env->alerts, current_of(live)->engine);
    phu_timer_after(env->sched, &live->tick, phu_rules_interval_ns(current_of(live)->rules));
    phu_timer_after(env->sched, &live->save, SAVE_NS);
    *out = live;
    return 0;
}

void phu_live_close(struct phu_live *live)
{
    struct generation *before;
    char *text;

    if (!live)
        return;
    phu_timer_cancel(live->env.sched, &live->tick);
    phu_timer_cancel(live->env.sched, &live->save);
    if (live->reload)
        live->reload->live = NULL;
    text = phu_rules_engine_save(current_of(live)->engine);
    if (text)
        write_state(live->state_path, text);
    free(text);
    phu_stats_remove_within(live->env.stats, live, sizeof *live);
    for (struct generation *one = current_of(live); one; one = before) {
        before = one->before;
        free_generation(one);
    }
    free(live->state_path);
    free(live);
}
