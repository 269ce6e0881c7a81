#include "alertmanager.h"

#include "book.h"
#include "ledger.h"
#include "mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BATCH 200

static const struct phu_option options[] = {
    {.name = "name",
     .type = PHU_OPTION_STRING,
     .offset = offsetof(struct phu_outlet_conf, name),
     .fallback = "alertmanager",
     .meaning = "what logs and statistics call it"},
    {.name = "url",
     .type = PHU_OPTION_STRING,
     .offset = offsetof(struct phu_outlet_conf, url),
     .example = "http://127.0.0.1:9093",
     .meaning = "where it answers, without /api/v2; of a cluster name each member"},
    PHU_OUTLET_OPTIONS,
};

static void validate(const void *conf, void *context)
{
    phu_outlet_validate(conf, context);
}

const struct phu_option_table phu_alertmanager_options = {
    .options = options,
    .count = sizeof options / sizeof *options,
    .size = sizeof(struct phu_alertmanager_conf),
    .validate = validate,
};

struct item {
    uint64_t fingerprint;
    int64_t fired_ns, generation;
};

struct phu_alertmanager {
    struct phu_outlet outlet;
    struct phu_timer timer;
    size_t place;
    int64_t resend_ns;
    char *url;
    struct item batch[BATCH]; /* of the call under way */
    size_t count;
    bool is_waiting; /* after a failure: nothing may hurry it */
};

static void plan(struct phu_alertmanager *manager, int64_t delay_ns)
{
    phu_timer_after(manager->outlet.env->sched, &manager->timer, delay_ns);
}

static bool is_due(const struct phu_alertmanager *manager, const struct phu_entry *entry,
                   int64_t mono_ns, int64_t *next_ns)
{
    const struct phu_entry_told *told = &entry->told[manager->place];
    int64_t due_ns = told->at_ns + manager->resend_ns;

    if (*entry->silenced_by)
        return false;
    if (told->generation < entry->generation || due_ns <= mono_ns)
        return true;
    if (due_ns < *next_ns)
        *next_ns = due_ns;
    return false;
}

static char *gather(struct phu_alertmanager *manager, int64_t *next_ns)
{
    const struct phu_outlet_env *env = manager->outlet.env;
    int64_t mono_ns = phu_sched_now(env->sched).ns;
    int64_t ends_ns = phu_sched_wall(env->sched).ns + 4 * manager->resend_ns;
    json_t *list = json_array();
    struct phu_entry *entry = NULL;
    char *body;

    manager->count = 0;
    while (manager->count < BATCH && (entry = phu_ledger_next(env->ledger, entry))) {
        if (!is_due(manager, entry, mono_ns, next_ns))
            continue;
        json_array_append_new(list, phu_entry_for_alertmanager(entry, ends_ns, env->generator));
        manager->batch[manager->count++] = (struct item){.fingerprint = entry->fingerprint,
                                                         .fired_ns = entry->fired_ns,
                                                         .generation = entry->generation};
    }
    body = manager->count ? json_dumps(list, JSON_COMPACT) : NULL;
    json_decref(list);
    return body;
}

/* All of the batch is with it. */
static void note_told(struct phu_alertmanager *manager)
{
    const struct phu_outlet_env *env = manager->outlet.env;
    int64_t mono_ns = phu_sched_now(env->sched).ns;

    for (size_t i = 0; i < manager->count; i++) {
        const struct item *item = &manager->batch[i];
        struct phu_entry *entry = phu_ledger_find(env->ledger, item->fingerprint, item->fired_ns);
        struct phu_entry_told *told;

        if (!entry)
            continue;
        told = &entry->told[manager->place];
        told->at_ns = mono_ns;
        if (told->generation >= item->generation)
            continue;
        told->generation = item->generation;
        phu_book_write_told(env->book, entry, manager->outlet.conf->name, item->generation);
    }
}

static void answered(void *arg, const struct phu_http_result *result)
{
    struct phu_alertmanager *manager = arg;
    int64_t delay_ns = 0;

    /* Of a batch with a bad alert it takes the good ones, and the bad one will never be good. */
    if (phu_outlet_done(&manager->outlet, result, &delay_ns) != PHU_OUTLET_LATER)
        note_told(manager);
    manager->is_waiting = delay_ns > 0;
    plan(manager, delay_ns);
}

static void fire(struct phu_timer *timer)
{
    struct phu_alertmanager *manager = phu_container_of(timer, struct phu_alertmanager, timer);
    int64_t next_ns = INT64_MAX, delay_ns;
    char *body;

    manager->is_waiting = false;
    if (manager->outlet.call)
        return; /* its end comes here again */
    body = gather(manager, &next_ns);
    if (!body) {
        if (next_ns < INT64_MAX)
            plan(manager, next_ns - phu_sched_now(manager->outlet.env->sched).ns);
        return;
    }
    if (phu_outlet_post(&manager->outlet, manager->url, body, NULL, answered, manager) < 0) {
        delay_ns = phu_outlet_failed(&manager->outlet, "the request could not be started");
        manager->is_waiting = true;
        plan(manager, delay_ns);
    }
}

struct phu_alertmanager *phu_alertmanager_new(const struct phu_outlet_env *env,
                                              const struct phu_alertmanager_conf *conf,
                                              size_t place, int64_t resend_ns)
{
    struct phu_alertmanager *manager = phu_mem_alloc(1, sizeof *manager);
    size_t length = strlen(conf->outlet.url);

    phu_outlet_init(&manager->outlet, env, &conf->outlet, "alertmanager");
    while (length > 0 && conf->outlet.url[length - 1] == '/')
        length--;
    if (asprintf(&manager->url, "%.*s/api/v2/alerts", (int)length, conf->outlet.url) < 0)
        abort();
    manager->place = place;
    manager->resend_ns = resend_ns;
    phu_timer_init(&manager->timer, fire);
    plan(manager, 0);
    return manager;
}

void phu_alertmanager_free(struct phu_alertmanager *manager)
{
    phu_timer_cancel(manager->outlet.env->sched, &manager->timer);
    phu_outlet_fini(&manager->outlet);
    free(manager->url);
    free(manager);
}

void phu_alertmanager_wake(struct phu_alertmanager *manager)
{
    if (!manager->is_waiting && !manager->outlet.call)
        plan(manager, 0);
}
