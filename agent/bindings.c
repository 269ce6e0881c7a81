#include "bindings.h"

#include "config.h"
#include "mem.h"
#include "phusong/sched.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define IN_FLIGHT 256
#define PER_SECOND 200
#define TIMEOUT_NS (600 * PHU_NS_PER_S) /* tables of a large OLT, at the pace that it bears */
#define NOTES_MAX 100

/* -- What the collector says ---------------------------------------------------------------------
 */

static void learn_endpoint(const struct phu_bound_device *device, struct phu_found_row *row,
                           const char *endpoint)
{
    phu_found_learn(&row->endpoint, endpoint);
    row->is_known_endpoint =
        row->endpoint[0] &&
        phu_inventory_find_endpoint(device->owner->inventory, row->endpoint) != PHU_INVENTORY_NONE;
}

/* Interfaces, sensors and ports are many, and of interest only where they serve somebody. */
static bool is_worth_keeping(const char *tag, const char *endpoint)
{
    return (endpoint && endpoint[0]) || phu_found_tag_may_serve(tag);
}

static int row_named(struct phu_survey_job *job, const struct phu_row *wanted, uint32_t *handle)
{
    struct phu_bound_device *device = phu_container_of(job, struct phu_bound_device, job);
    struct phu_found_row *row;

    *handle = 1; /* values are of no interest */
    if (!is_worth_keeping(wanted->tag, wanted->endpoint))
        return 0;
    row = phu_found_rows_take(&device->rows, wanted->tag, wanted->name);
    learn_endpoint(device, row, wanted->endpoint);
    return wanted->endpoint && !row->is_known_endpoint ? -ENOENT : 0;
}

static void keep_note(struct phu_bound_device *device, const char *note)
{
    for (size_t i = 0; i < device->note_count; i++) {
        if (strcmp(device->notes[i], note) == 0)
            return;
    }
    if (device->note_count == NOTES_MAX)
        return;
    device->notes = phu_mem_grow(device->notes, device->note_count, sizeof *device->notes);
    device->notes[device->note_count++] = phu_mem_strdup(note);
}

static void traced(struct phu_trace *trace, const struct phu_trace_item *item)
{
    struct phu_bound_device *device = phu_container_of(trace, struct phu_bound_device, trace);
    struct phu_found_row *row;

    if (item->kind == PHU_TRACE_NOTE)
        keep_note(device, item->why);
    if (item->kind != PHU_TRACE_ROW || !is_worth_keeping(item->name, item->value))
        return;
    row = phu_found_rows_take(&device->rows, item->name, item->row);
    phu_found_learn(&row->index, item->index);
    phu_found_learn(&row->text, item->raw);
    learn_endpoint(device, row, item->value);
}

static bool fulfils(const struct phu_bound_claim *claim, const struct phu_found_row *row)
{
    bool is_interface = strcmp(row->tag, "interface") == 0;

    if (strcmp(row->endpoint, claim->endpoint) != 0)
        return false;
    if (claim->ifname[0])
        return is_interface && strcmp(row->name, claim->ifname) == 0;
    return !is_interface || !claim->index[0];
}

static void polled(struct phu_survey_job *job, enum phu_result result)
{
    struct phu_bound_device *device = phu_container_of(job, struct phu_bound_device, job);

    device->is_done = true;
    device->result = result;
    device->owner->done++;
    for (size_t i = 0; i < device->claim_count; i++) {
        for (size_t row = 0; row < device->rows.count && !device->claims[i].is_found; row++)
            device->claims[i].is_found = fulfils(&device->claims[i], &device->rows.items[row]);
    }
}

/* -- Asking --------------------------------------------------------------------------------------
 */

static bool is_wanted(const struct phu_bindings_job *job, uint32_t check)
{
    const struct phu_inventory_check *record = &job->inventory->checks[check];
    const struct phu_device *device;

    if (!record->is_device || !job->config->checks[record->kind].collector->row_kind_count)
        return false;
    device = &job->inventory->devices[record->owner];
    return !job->only || strcmp(phu_inventory_text(job->inventory, device->id), job->only) == 0;
}

static void add_claims(struct phu_bound_device *device)
{
    const struct phu_check_spec *spec = &device->job.spec;

    device->claim_count = spec->served_count;
    device->claims = phu_mem_alloc(spec->served_count + 1, sizeof *device->claims);
    for (size_t i = 0; i < spec->served_count; i++)
        device->claims[i] = (struct phu_bound_claim){.endpoint = spec->served[i].endpoint,
                                                     .ifname = spec->served[i].ifname,
                                                     .index = spec->served[i].index};
}

/* The check as the agent has it, but for its timeout: whoever asks by hand waits for all tables. */
static void set_up(struct phu_bindings_job *job, struct phu_bound_device *device, uint32_t check)
{
    const struct phu_inventory_check *record = &job->inventory->checks[check];
    struct phu_check_spec *spec = &device->job.spec;
    struct phu_monitor_check unused;
    struct phu_served *served;

    device->owner = job;
    device->device = record->owner;
    device->trace.put = traced;
    phu_subject_describe(job->config, job->inventory, check, &unused, spec);
    phu_subject_serve(job->config, job->inventory, check, &job->room, spec);
    add_claims(device);
    served = phu_mem_alloc(spec->served_count + 1, sizeof *served);
    if (spec->served_count)
        memcpy(served, spec->served, spec->served_count * sizeof *served);
    spec->served = served;
    spec->trace = &device->trace;
    spec->interval_ns = spec->timeout_ns = TIMEOUT_NS;
    device->job.collector = job->config->checks[record->kind].collector;
    device->job.row = row_named;
    device->job.done = polled;
}

static void gather(struct phu_bindings_job *job)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < job->inventory->check_count; i++)
        count += is_wanted(job, i);
    job->devices = phu_mem_alloc((size_t)count + 1, sizeof *job->devices);
    for (uint32_t i = 0; i < job->inventory->check_count; i++) {
        if (is_wanted(job, i))
            set_up(job, &job->devices[job->device_count++], i);
    }
}

static const struct phu_credential *find_credential(void *arg, const char *name)
{
    const struct phu_bindings_job *job = arg;

    return phu_config_find_credential(job->config, name);
}

static void show_progress(void *arg)
{
    struct phu_bindings_job *job = arg;

    phu_progress_show(&job->progress, job->done, job->device_count, "devices");
}

static bool has_part(const struct phu_survey_part *parts, size_t count,
                     const struct phu_collector *collector)
{
    for (size_t i = 0; i < count; i++) {
        if (parts[i].collector == collector)
            return true;
    }
    return false;
}

/* The collectors that have rows. */
static size_t list_parts(const struct phu_config *config, struct phu_survey_part *parts)
{
    size_t count = 0;

    for (size_t i = 0; i < config->check_count; i++) {
        const struct phu_config_check *check = &config->checks[i];

        if (check->collector->row_kind_count && !has_part(parts, count, check->collector))
            parts[count++] = (struct phu_survey_part){
                check->collector, config->collector_options[check->collector_index]};
    }
    return count;
}

int phu_bindings_ask(struct phu_bindings_job *job)
{
    struct phu_survey_part *parts = phu_mem_alloc(job->config->check_count + 1, sizeof *parts);
    const struct phu_survey_conf conf = {.command = "phusong bindings",
                                         .parts = parts,
                                         .part_count = list_parts(job->config, parts),
                                         .credential = find_credential,
                                         .tick = show_progress,
                                         .arg = job,
                                         .per_second = PER_SECOND,
                                         .in_flight = IN_FLIGHT};
    struct phu_survey *survey = NULL;
    int error;

    gather(job);
    error = phu_survey_open(&conf, &survey);
    if (!error) {
        phu_progress_begin(&job->progress, job->device_count);
        for (size_t i = 0; i < job->device_count; i++)
            phu_survey_put(survey, &job->devices[i].job);
        job->is_interrupted = phu_survey_run(survey) == -EINTR;
        phu_progress_end(&job->progress);
        phu_survey_close(survey);
    }
    free(parts);
    return error;
}

static void free_device(struct phu_bound_device *device)
{
    for (size_t i = 0; i < device->note_count; i++)
        free(device->notes[i]);
    free(device->notes);
    phu_found_rows_fini(&device->rows);
    free(device->claims);
    free((void *)device->job.spec.served);
}

void phu_bindings_fini(struct phu_bindings_job *job)
{
    for (size_t i = 0; i < job->device_count; i++)
        free_device(&job->devices[i]);
    free(job->devices);
    phu_served_room_fini(&job->room);
}
