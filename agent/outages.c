#include "outages.h"

#include "checks.h"
#include "config.h"
#include "core/inventory.h"
#include "core/maintenance.h"
#include "mem.h"
#include "monitor.h"
#include "outages_file.h"
#include "outages_line.h"
#include "phusong/collector.h"
#include "phusong/log.h"
#include "phusong/point.h"
#include "phusong/sched.h"
#include "phusong/spool.h"
#include "phusong/stats.h"
#include "references.h"
#include "replace_file.h"
#include "rfc3339.h"
#include "roster.h"
#include "witness.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define MODULE "outage"
#define FILE_MAX (64 * 1024 * 1024)
#define TIDY_NS (5 * PHU_NS_PER_S)

/* An event, from its beginning until its end is known to be durable. */
struct item {
    struct item *next;
    struct phu_outage_record record;
    int64_t stamp_ns;    /* of its last line */
    uint64_t durable_at; /* of the spool's records, once its end has been put; 0: not yet */
    bool is_of_former_run;
};

/* Lines that wait to be put into the spool. */
struct batch {
    char *text;
    size_t length;
    struct {
        size_t end;
        struct phu_wall at;
    } * lines;
    size_t count;
    bool is_urgent;
};

/* Writing the file, on a pool thread. */
struct save {
    struct phu_outages *outages; /* NULL once nobody waits */
    char path[PATH_MAX];
    char *text;
    size_t length;
    int error;
};

struct phu_outages {
    struct phu_outages_env env;
    struct phu_spool *spool;
    const struct phu_inventory *inventory;
    struct phu_topology topology;
    struct phu_outage *engine; /* NULL before the first apply */
    struct phu_references references;
    struct phu_witness **witnesses; /* one for each sink given */
    size_t witness_count;
    uint32_t *nodes;   /* by handle of a primary check; NONE */
    uint32_t *handles; /* by node; 0 */
    uint32_t handle_count;
    bool *marks, *marks_before; /* by node: in maintenance */
    struct item *items;
    struct batch queue, saving; /* the second's events are being saved */
    struct save *save;
    uint64_t wanted; /* so many records of the spool are to be sent without delay; 0: none */
    bool is_unsaved, is_save_failing, is_beating, has_loaded;
    struct phu_timer tick, flush, beat, tidy;
    int64_t active, begun, ended, merged, waiting, save_errors, maintained;
    char line[PHU_LINE_MAX];
};

/* -- The file --------------------------------------------------------------------------------- */

static void file_path(const struct phu_outages *outages, char path[PATH_MAX])
{
    snprintf(path, PATH_MAX, "%s/events", outages->env.state_dir);
}

static char *compose_file(const struct phu_outages *outages, size_t *length)
{
    char *text = phu_mem_strdup(PHU_OUTAGES_HEADING);

    *length = strlen(text);
    for (const struct item *item = outages->items; item; item = item->next)
        phu_outages_write_record(&item->record, &text, length);
    return text;
}

static int write_file(const char *path, const char *text, size_t length)
{
    struct stat before;

    return phu_file_replace(path, stat(path, &before) == 0 ? &before : NULL, text, length);
}

static void save_run(void *arg)
{
    struct save *save = arg;

    save->error = write_file(save->path, save->text, save->length);
}

static void note_save(struct phu_outages *outages, int error)
{
    if (error)
        outages->save_errors++;
    if (error && !outages->is_save_failing)
        phu_log_error(MODULE, "open events cannot be saved: a restart may tell them twice",
                      "dir=\"%s\" err=\"%s\"", outages->env.state_dir, strerror(-error));
    outages->is_save_failing = error != 0;
    outages->is_unsaved |= error != 0;
}

/* -- Sending ---------------------------------------------------------------------------------- */

static void add_line(struct batch *batch, const char *line, size_t length, struct phu_wall at)
{
    batch->text = realloc(batch->text, batch->length + length);
    if (!batch->text)
        abort();
    memcpy(batch->text + batch->length, line, length);
    batch->length += length;
    batch->lines = phu_mem_grow(batch->lines, batch->count, sizeof *batch->lines);
    batch->lines[batch->count].end = batch->length;
    batch->lines[batch->count++].at = at;
}

static void drop_items(struct phu_outages *outages, uint64_t durable)
{
    for (struct item **link = &outages->items; *link;) {
        struct item *item = *link;

        if (!item->durable_at || item->durable_at > durable) {
            link = &item->next;
            continue;
        }
        *link = item->next;
        phu_outage_record_fini(&item->record);
        free(item);
        outages->is_unsaved = true;
        if (!phu_timer_is_armed(&outages->tidy))
            phu_timer_after(outages->env.sched, &outages->tidy, TIDY_NS);
    }
}

static void became_durable(void *arg)
{
    struct phu_outages *outages = arg;
    uint64_t durable = phu_spool_durable_count(outages->spool);

    if (outages->wanted && durable >= outages->wanted) {
        outages->wanted = 0;
        outages->env.hurry(outages->env.arg);
    }
    drop_items(outages, durable);
}

/* Puts what has been saved into the spool. Ends among it are kept until they are durable. */
static void emit_batch(struct phu_outages *outages, struct batch *batch)
{
    size_t begin = 0;
    uint64_t put;

    for (size_t i = 0; i < batch->count; begin = batch->lines[i++].end)
        outages->env.emit(outages->env.arg, batch->text + begin, batch->lines[i].end - begin,
                          batch->lines[i].at);
    put = outages->spool ? phu_spool_put_count(outages->spool) : 1;
    if (batch->count > 0) {
        for (struct item *item = outages->items; item; item = item->next) {
            if (!item->record.event.is_active && !item->durable_at)
                item->durable_at = put;
        }
    }
    if (batch->is_urgent && outages->spool) {
        outages->wanted = put;
        phu_spool_sync(outages->spool);
    }
    free(batch->text);
    free(batch->lines);
    *batch = (struct batch){0};
    if (!outages->spool)
        drop_items(outages, put);
}

static void flush_now(struct phu_outages *outages);

static void save_done(void *arg, bool is_canceled)
{
    struct save *save = arg;
    struct phu_outages *outages = save->outages;

    if (outages) {
        outages->save = NULL;
        note_save(outages, is_canceled ? -ECANCELED : save->error);
        emit_batch(outages, &outages->saving);
        if (outages->queue.count || outages->queue.is_urgent)
            flush_now(outages);
    }
    free(save->text);
    free(save);
}

static bool start_save(struct phu_outages *outages)
{
    struct save *save = phu_mem_alloc(1, sizeof *save);

    save->outages = outages;
    save->text = compose_file(outages, &save->length);
    file_path(outages, save->path);
    outages->is_unsaved = false;
    outages->save = save;
    if (phu_work_start(outages->env.sched, save_run, save_done, save) == 0)
        return true;
    outages->save = NULL;
    free(save->text);
    free(save);
    return false;
}

/* First what is to be kept, then what is to be told. */
static void flush_now(struct phu_outages *outages)
{
    if (outages->save)
        return;
    outages->saving = outages->queue;
    outages->queue = (struct batch){0};
    if (outages->is_unsaved && start_save(outages))
        return;
    emit_batch(outages, &outages->saving);
}

static void flush_due(struct phu_timer *timer)
{
    flush_now(phu_container_of(timer, struct phu_outages, flush));
}

static void tidy_due(struct phu_timer *timer)
{
    struct phu_outages *outages = phu_container_of(timer, struct phu_outages, tidy);

    if (outages->is_unsaved)
        flush_now(outages);
}

static void flush_soon(struct phu_outages *outages, bool is_urgent)
{
    outages->queue.is_urgent |= is_urgent;
    if (!phu_timer_is_armed(&outages->flush))
        phu_timer_after(outages->env.sched, &outages->flush, 0);
}

/* -- Telling ---------------------------------------------------------------------------------- */

static struct phu_outage_place place_of(const struct phu_outages *outages, uint32_t node)
{
    return (struct phu_outage_place){.topology = &outages->topology,
                                     .inventory = outages->inventory,
                                     .agent = outages->env.agent,
                                     .node = node};
}

/* Points of one series must not share a time. */
static struct phu_wall next_stamp(struct phu_outages *outages, struct item *item)
{
    int64_t now_ns = phu_sched_wall(outages->env.sched).ns;

    if (item->stamp_ns >= now_ns && item->stamp_ns - now_ns < PHU_NS_PER_S)
        now_ns = item->stamp_ns + PHU_NS_PER_MS;
    item->stamp_ns = now_ns;
    return (struct phu_wall){now_ns};
}

static void queue_event(struct phu_outages *outages, struct item *item)
{
    struct phu_wall at = next_stamp(outages, item);
    ssize_t length =
        phu_outage_line(&item->record, outages->env.agent, at, outages->line, sizeof outages->line);

    if (length > 0)
        add_line(&outages->queue, outages->line, (size_t)length, at);
}

/* Of a node that is no check's subject. */
static void queue_state(struct phu_outages *outages, uint32_t node)
{
    const struct phu_outage_place place = place_of(outages, node);
    struct phu_wall at = phu_sched_wall(outages->env.sched);
    ssize_t length;

    if (outages->handles[node])
        return;
    length = phu_outage_state_line(&place, phu_outage_state(outages->engine, node),
                                   outages->marks[node], at, outages->line, sizeof outages->line);
    if (length > 0)
        add_line(&outages->queue, outages->line, (size_t)length, at);
}

static void log_event(const struct item *item, enum phu_outage_step step)
{
    const struct phu_outage_event *event = &item->record.event;
    char since[PHU_RFC3339_SIZE];

    phu_rfc3339_format(since, (struct phu_wall){event->begin_ns});
    if (step == PHU_OUTAGE_BEGIN)
        phu_log_warn(MODULE, event->is_maintenance ? "out, in maintenance" : "out",
                     "root=%s kind=%s cause=%s inferred=%d hamlets=%u households=%u endpoints=%u "
                     "since=%s name=\"%s\"",
                     item->record.root, phu_outage_kind(event, item->record.kind),
                     phu_cause_name(event->cause), event->is_inferred, event->hamlets,
                     event->households, event->endpoints, since, item->record.name);
    else if (step == PHU_OUTAGE_END)
        phu_log_info(MODULE, event->is_merged ? "out as part of another" : "back",
                     "root=%s kind=%s cause=%s hamlets=%u endpoints=%u lasted_s=%.1f name=\"%s\"",
                     item->record.root, phu_outage_kind(event, item->record.kind),
                     phu_cause_name(event->refined), event->hamlets, event->endpoints,
                     (double)(event->end_ns - event->begin_ns) / (double)PHU_NS_PER_S,
                     item->record.name);
}

static struct item *new_item(struct phu_outages *outages)
{
    struct item *item = phu_mem_alloc(1, sizeof *item);

    item->next = outages->items;
    outages->items = item;
    return item;
}

static void tell(void *arg, struct phu_outage_event *event, enum phu_outage_step step)
{
    struct phu_outages *outages = arg;
    const struct phu_outage_place place = place_of(outages, event->root);
    struct item *item = event->user;

    if (!item) {
        item = new_item(outages);
        event->user = item;
        phu_outage_describe(&place, event, &item->record);
    }
    item->record.event = *event;
    item->record.event.listed = NULL;
    item->record.event.user = NULL;
    if (event->listed_count > 0 || !item->record.hamlets)
        phu_outage_list_hamlets(&place, event, &item->record);
    outages->begun += step == PHU_OUTAGE_BEGIN;
    outages->ended += step == PHU_OUTAGE_END;
    outages->merged += step == PHU_OUTAGE_END && event->is_merged;
    outages->is_unsaved |= step != PHU_OUTAGE_UPDATE;
    queue_event(outages, item);
    if (step != PHU_OUTAGE_END)
        queue_state(outages, event->root);
    log_event(item, step);
    flush_soon(outages, !outages->is_beating);
}

/* -- The engine ------------------------------------------------------------------------------- */

static void override(void *arg, uint32_t node, enum phu_state state)
{
    struct phu_outages *outages = arg;

    if (outages->handles[node])
        phu_monitor_override(outages->env.monitor, outages->handles[node], state);
}

static void poll(void *arg, uint32_t node)
{
    struct phu_outages *outages = arg;

    if (outages->handles[node])
        phu_checks_poll_now(outages->env.checks, outages->handles[node]);
}

static void poll_references(void *arg)
{
    struct phu_outages *outages = arg;

    phu_references_poll(&outages->references);
}

static void plan_tick(struct phu_outages *outages)
{
    struct phu_mono due;

    outages->active = phu_outage_counts(outages->engine)->active;
    outages->waiting = phu_outage_counts(outages->engine)->waiting;
    if (phu_outage_due(outages->engine, &due))
        phu_timer_at(outages->env.sched, &outages->tick, due);
    else
        phu_timer_cancel(outages->env.sched, &outages->tick);
}

static void tick_due(struct phu_timer *timer)
{
    struct phu_outages *outages = phu_container_of(timer, struct phu_outages, tick);

    phu_outage_tick(outages->engine, phu_sched_now(outages->env.sched));
    plan_tick(outages);
}

static uint32_t node_of(const struct phu_outages *outages, uint32_t handle)
{
    return handle < outages->handle_count ? outages->nodes[handle] : PHU_NODE_NONE;
}

static bool is_pressing(enum phu_health_change change)
{
    return change == PHU_HEALTH_DOWN || change == PHU_HEALTH_RECOVERED ||
           change == PHU_HEALTH_UNKNOWN;
}

static void reference_changed(struct phu_outages *outages, enum phu_reference sum,
                              struct phu_mono since, struct phu_mono at)
{
    bool was_out = phu_outage_state(outages->engine, PHU_NODE_UPLINK) == PHU_STATE_DOWN;

    phu_outage_reference(outages->engine, sum, since, at);
    if (was_out && phu_outage_state(outages->engine, PHU_NODE_UPLINK) == PHU_STATE_UP) {
        queue_state(outages, PHU_NODE_UPLINK);
        flush_soon(outages, true);
    }
}

static void health_changed(void *arg, const struct phu_health *health)
{
    struct phu_outages *outages = arg;
    enum phu_reference sum;
    struct phu_mono since, at;
    uint32_t node;

    if (!outages->engine)
        return;
    if (phu_references_change(&outages->references, health, &sum, &since, &at)) {
        reference_changed(outages, sum, since, at);
    } else if ((node = node_of(outages, health->subject)) != PHU_NODE_NONE) {
        phu_outage_change(outages->engine, node, health);
        if (is_pressing(health->change))
            flush_soon(outages, true); /* the monitor puts a line of `state` */
    }
    plan_tick(outages);
}

/* -- Evidence --------------------------------------------------------------------------------- */

static uint32_t primary_of(void *arg, const char *id)
{
    const struct phu_outages *outages = arg;
    const struct phu_inventory *inventory = outages->inventory;
    uint32_t endpoint = inventory ? phu_inventory_find_endpoint(inventory, id) : PHU_INVENTORY_NONE;

    return endpoint == PHU_INVENTORY_NONE ? 0
                                          : outages->handles[outages->topology.endpoints[endpoint]];
}

static void line_said(void *arg, uint32_t endpoint, enum phu_line_evidence evidence,
                      struct phu_mono at)
{
    struct phu_outages *outages = arg;
    uint32_t node = node_of(outages, endpoint);

    if (node != PHU_NODE_NONE)
        phu_outage_line_evidence(outages->engine, node, evidence, at);
}

static void power_said(void *arg, uint32_t check, bool has_failed, struct phu_mono at)
{
    struct phu_outages *outages = arg;
    uint32_t node = node_of(outages, check), site;

    if (node == PHU_NODE_NONE)
        return;
    site = phu_topology_site(&outages->topology, outages->inventory, node);
    if (site != PHU_INVENTORY_NONE)
        phu_outage_power(outages->engine, site, has_failed, at);
}

struct phu_sink *phu_outages_sink(struct phu_outages *outages,
                                  const struct phu_collector *collector)
{
    const struct phu_witness_calls calls = {primary_of, line_said, power_said, outages};
    struct phu_sink *sink = phu_monitor_sink(outages->env.monitor);

    if (!collector->row_kind_count)
        return sink;
    outages->witnesses =
        phu_mem_grow(outages->witnesses, outages->witness_count, sizeof *outages->witnesses);
    phu_witness_new(collector, sink, &calls, &outages->witnesses[outages->witness_count]);
    return phu_witness_sink(outages->witnesses[outages->witness_count++]);
}

/* -- Maintenance, and the end of windows ------------------------------------------------------ */

static bool follow_maintenance(struct phu_outages *outages)
{
    bool *marks = outages->marks_before;
    bool has_changed = false;

    phu_maintenance_mark(outages->inventory, &outages->topology, phu_sched_wall(outages->env.sched),
                         marks);
    outages->maintained = 0;
    for (uint32_t node = 0; node < outages->topology.count; node++) {
        outages->maintained += marks[node] && outages->handles[node];
        if (marks[node] == outages->marks[node])
            continue;
        has_changed = true;
        phu_outage_set_maintenance(outages->engine, node, marks[node]);
        if (outages->handles[node])
            phu_monitor_set_maintenance(outages->env.monitor, outages->handles[node], marks[node]);
    }
    outages->marks_before = outages->marks;
    outages->marks = marks;
    return has_changed;
}

static void beat_node(void *arg, struct phu_outage_event *event)
{
    struct phu_outages *outages = arg;

    if (event->root != PHU_NODE_UPLINK)
        queue_state(outages, event->root);
}

static void plan_beat(struct phu_outages *outages)
{
    int64_t window_ns = outages->env.window_ns;
    struct phu_wall now = phu_sched_wall(outages->env.sched), next;
    int64_t delay_ns = window_ns - now.ns % window_ns;

    if (phu_maintenance_next(outages->inventory, now, &next) && next.ns - now.ns < delay_ns)
        delay_ns = next.ns - now.ns;
    phu_timer_after(outages->env.sched, &outages->beat, delay_ns);
}

static void beat_due(struct phu_timer *timer)
{
    struct phu_outages *outages = phu_container_of(timer, struct phu_outages, beat);
    struct phu_mono now = phu_sched_now(outages->env.sched);
    bool has_changed;

    phu_outage_set_clock(outages->engine, phu_sched_wall(outages->env.sched).ns - now.ns);
    has_changed = follow_maintenance(outages);
    outages->is_beating = !has_changed;
    queue_state(outages, PHU_NODE_UPLINK);
    phu_outage_heartbeat(outages->engine, now);
    phu_outage_visit(outages->engine, beat_node, outages);
    outages->is_beating = false;
    flush_soon(outages, has_changed);
    plan_tick(outages);
    plan_beat(outages);
}

/* -- A former run ----------------------------------------------------------------------------- */

/* Ends an event whose root there is no more. */
static void abandon(struct phu_outages *outages, struct item *item)
{
    item->record.event.is_active = false;
    item->record.event.end_ns = phu_sched_wall(outages->env.sched).ns;
    outages->ended++;
    outages->is_unsaved = true;
    queue_event(outages, item);
    log_event(item, PHU_OUTAGE_END);
}

static void restore(struct phu_outages *outages, struct item *item)
{
    struct phu_outage_event event = item->record.event;

    event.root = phu_topology_find(&outages->topology, outages->inventory, item->record.kind,
                                   item->record.kind == PHU_NODE_AGENT ? "" : item->record.root);
    event.user = item;
    if (event.root == PHU_NODE_NONE)
        abandon(outages, item);
    else
        phu_outage_restore(outages->engine, &event, phu_sched_now(outages->env.sched));
}

/* All are sent again: whether their last line was, nobody knows. */
static void load(struct phu_outages *outages)
{
    char path[PATH_MAX], *text;
    size_t length, count, unreadable;
    struct stat before;
    struct phu_outage_record *records;
    int error;

    file_path(outages, path);
    error = phu_file_read(path, FILE_MAX, &text, &length, &before);
    if (error)
        phu_log_error(MODULE, "the events of the former run cannot be read",
                      "file=\"%s\" err=\"%s\"", path, strerror(-error));
    if (!text)
        return;
    text[length] = '\0'; /* there is room: phu_file_read() */
    records = phu_outages_read_records(text, &count, &unreadable);
    if (unreadable)
        phu_log_error(MODULE, "events of the former run are unreadable, and given up",
                      "file=\"%s\" lines=%zu", path, unreadable);
    for (size_t i = 0; i < count; i++) {
        struct item *item = new_item(outages);

        item->record = records[i];
        item->is_of_former_run = true;
        queue_event(outages, item);
        if (item->record.event.is_active)
            restore(outages, item);
    }
    if (count)
        phu_log_info(MODULE, "events of the former run go on", "events=%zu", count);
    free(records);
    free(text);
    flush_soon(outages, true);
}

/* -- Following the inventory ------------------------------------------------------------------ */

static void set_subject(struct phu_outages *outages, uint32_t node, uint32_t handle)
{
    outages->handles[node] = handle;
    if (!handle)
        return;
    while (handle >= outages->handle_count) {
        outages->nodes =
            phu_mem_grow(outages->nodes, outages->handle_count, sizeof *outages->nodes);
        outages->nodes[outages->handle_count++] = PHU_NODE_NONE;
    }
    outages->nodes[handle] = node;
    phu_outage_set_checked(outages->engine, node, true);
}

static void set_subjects(struct phu_outages *outages)
{
    const struct phu_inventory *inventory = outages->inventory;
    const struct phu_roster *roster = outages->env.roster;

    for (uint32_t i = 0; i < outages->handle_count; i++)
        outages->nodes[i] = PHU_NODE_NONE;
    for (uint32_t i = 0; i < inventory->device_count; i++) {
        if (inventory->devices[i].check_count)
            set_subject(outages, outages->topology.devices[i],
                        phu_roster_handle(roster, inventory->devices[i].checks));
    }
    for (uint32_t i = 0; i < inventory->endpoint_count; i++) {
        if (inventory->endpoints[i].check_count)
            set_subject(outages, outages->topology.endpoints[i],
                        phu_roster_handle(roster, inventory->endpoints[i].checks));
    }
}

/* What the engine before a reload knew. */
struct former {
    struct phu_outages *outages;
    const struct phu_inventory *inventory;
    struct phu_topology topology;
    struct phu_outage *engine;
    uint32_t *handles;
};

static void carry_event(void *arg, struct phu_outage_event *event)
{
    struct former *former = arg;

    restore(former->outages, event->user);
}

static uint32_t node_in_new(const struct former *former, uint32_t node)
{
    const struct phu_outages *outages = former->outages;
    char id[PHU_NODE_ID_SIZE];

    phu_topology_id(&former->topology, former->inventory, node, id);
    return phu_topology_find(&outages->topology, outages->inventory,
                             (enum phu_node_kind)former->topology.nodes[node].kind, id);
}

/* Subjects whose check goes on keep what is known of them. */
static void carry_subjects(struct former *former)
{
    struct phu_outages *outages = former->outages;
    struct phu_mono now = phu_sched_now(outages->env.sched);

    for (uint32_t old = 1; old < former->topology.count; old++) {
        uint32_t handle = former->handles[old], node = node_of(outages, handle);
        struct phu_outage_subject subject;

        if (!handle || node == PHU_NODE_NONE || node_in_new(former, old) != node)
            continue;
        phu_outage_export(former->engine, old, &subject);
        if (subject.event_root != PHU_NODE_NONE)
            subject.event_root = node_in_new(former, subject.event_root);
        phu_outage_import(outages->engine, node, &subject, now);
    }
}

static void carry_over(struct former *former)
{
    if (former->engine) {
        phu_outage_visit(former->engine, carry_event, former);
        carry_subjects(former);
    }
    phu_outage_free(former->engine);
    phu_topology_fini(&former->topology);
    free(former->handles);
}

static void new_engine(struct phu_outages *outages, const struct phu_config *config)
{
    const struct phu_outage_calls calls = {override, poll, poll_references, tell, outages};

    phu_topology_init(&outages->topology, outages->inventory);
    phu_outage_new(&outages->topology, outages->inventory, &config->outages, &calls,
                   &outages->engine);
    phu_outage_set_clock(outages->engine, phu_sched_wall(outages->env.sched).ns -
                                              phu_sched_now(outages->env.sched).ns);
    outages->handles = phu_mem_alloc(outages->topology.count, sizeof *outages->handles);
    free(outages->marks);
    free(outages->marks_before);
    outages->marks = phu_mem_alloc(outages->topology.count, sizeof *outages->marks);
    outages->marks_before = phu_mem_alloc(outages->topology.count, sizeof *outages->marks);
}

/* Who was in maintenance and is no more is told so: every subject is, once. */
static void forget_maintenance(struct phu_outages *outages)
{
    for (uint32_t node = 0; outages->marks && node < outages->topology.count; node++) {
        if (outages->marks[node] && outages->handles[node])
            phu_monitor_set_maintenance(outages->env.monitor, outages->handles[node], false);
    }
}

void phu_outages_apply(struct phu_outages *outages, const struct phu_config *config,
                       const struct phu_inventory *inventory)
{
    struct former former = {outages, outages->inventory, outages->topology, outages->engine,
                            outages->handles};

    forget_maintenance(outages);
    outages->inventory = inventory;
    new_engine(outages, config);
    set_subjects(outages);
    carry_over(&former);
    follow_maintenance(outages);
    outages->references.collectors = outages->env.roster->collectors;
    phu_references_apply(&outages->references, config);
    if (!outages->has_loaded)
        load(outages);
    outages->has_loaded = true;
    plan_tick(outages);
    plan_beat(outages);
}

/* -- Life ------------------------------------------------------------------------------------- */

static void add_stats(struct phu_outages *outages)
{
    static const struct phu_stat_info infos[] = {
        {"phusong_events_active", PHU_STAT_GAUGE,
         "Outages that have not ended, one per root cause"},
        {"phusong_events_waiting", PHU_STAT_GAUGE,
         "Subjects that are down and wait for the verdict of what they hang on"},
        {"phusong_events_begun_total", PHU_STAT_COUNTER, "Outages that began"},
        {"phusong_events_ended_total", PHU_STAT_COUNTER, "Outages that ended"},
        {"phusong_events_merged_total", PHU_STAT_COUNTER,
         "Of these, because they turned out to be part of another"},
        {"phusong_event_save_errors_total", PHU_STAT_COUNTER,
         "Times that the file of open events could not be written"},
        {"phusong_maintenance_subjects", PHU_STAT_GAUGE,
         "Endpoints and devices that are in announced maintenance"},
    };
    const int64_t *values[] = {&outages->active,    &outages->waiting, &outages->begun,
                               &outages->ended,     &outages->merged,  &outages->save_errors,
                               &outages->maintained};

    for (size_t i = 0; i < sizeof infos / sizeof *infos; i++)
        phu_stats_add(outages->env.stats, &infos[i], NULL, values[i]);
}

void phu_outages_new(const struct phu_outages_env *env, struct phu_outages **out)
{
    struct phu_outages *outages = phu_mem_alloc(1, sizeof *outages);

    outages->env = *env;
    outages->references.monitor = env->monitor;
    outages->references.checks = env->checks;
    phu_timer_init(&outages->tick, tick_due);
    phu_timer_init(&outages->flush, flush_due);
    phu_timer_init(&outages->beat, beat_due);
    phu_timer_init(&outages->tidy, tidy_due);
    phu_monitor_on_health(env->monitor, health_changed, outages);
    add_stats(outages);
    *out = outages;
}

void phu_outages_set_spool(struct phu_outages *outages, struct phu_spool *spool)
{
    outages->spool = spool;
    if (spool)
        phu_spool_on_durable(spool, became_durable, outages);
}

static void last_save(struct phu_outages *outages)
{
    char path[PATH_MAX], *text;
    size_t length;

    if (outages->save) {
        outages->save->outages = NULL; /* it is writing: what it writes is what matters */
        outages->save = NULL;
    } else if (outages->has_loaded) {
        text = compose_file(outages, &length);
        file_path(outages, path);
        note_save(outages, write_file(path, text, length));
        free(text);
    }
}

void phu_outages_close(struct phu_outages *outages)
{
    struct phu_sched *sched = outages->env.sched;

    phu_timer_cancel(sched, &outages->tick);
    phu_timer_cancel(sched, &outages->flush);
    phu_timer_cancel(sched, &outages->beat);
    phu_timer_cancel(sched, &outages->tidy);
    phu_monitor_on_health(outages->env.monitor, NULL, NULL);
    phu_references_close(&outages->references);
    last_save(outages);
    emit_batch(outages, &outages->saving);
    emit_batch(outages, &outages->queue);
    phu_timer_cancel(sched, &outages->tidy);
    if (outages->spool)
        phu_spool_on_durable(outages->spool, NULL, NULL);
    phu_stats_remove_within(outages->env.stats, outages, sizeof *outages);
}

void phu_outages_free(struct phu_outages *outages)
{
    struct item *next;

    if (!outages)
        return;
    for (struct item *item = outages->items; item; item = next) {
        next = item->next;
        phu_outage_record_fini(&item->record);
        free(item);
    }
    for (size_t i = 0; i < outages->witness_count; i++)
        phu_witness_free(outages->witnesses[i]);
    free(outages->witnesses);
    phu_outage_free(outages->engine);
    phu_topology_fini(&outages->topology);
    free(outages->nodes);
    free(outages->handles);
    free(outages->marks);
    free(outages->marks_before);
    free(outages);
}
