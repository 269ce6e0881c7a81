#include "discover.h"

#include "mem.h"
#include "phusong/sched.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define PING_TIMEOUT_NS PHU_NS_PER_S
#define PINGS 2
#define POLL_TIMEOUT_NS (180 * PHU_NS_PER_S) /* of all tables of a large device */
#define NOTES_MAX 20

/* -- What a device tells ----------------------------------------------------------------------- */

static void free_texts(char **texts, size_t count)
{
    for (size_t i = 0; i < count; i++)
        free(texts[i]);
    free(texts);
}

static void forget(struct phu_discovered *item)
{
    struct phu_discovered_facts *facts = item->facts;

    if (!facts)
        return;
    free(facts->sys_name);
    free(facts->sys_descr);
    free(facts->sys_object_id);
    free(facts->profile);
    free(facts->why);
    free_texts(facts->interfaces, facts->interface_count);
    free_texts(facts->notes, facts->note_count);
    phu_found_rows_fini(&facts->rows);
    free(facts);
    item->facts = NULL;
}

static struct phu_discovered_facts *facts_of(struct phu_discovered *item)
{
    struct phu_discovered_facts *facts = item->facts;

    if (facts)
        return facts;
    facts = item->facts = phu_mem_alloc(1, sizeof *facts);
    facts->sys_name = phu_mem_strdup("");
    facts->sys_descr = phu_mem_strdup("");
    facts->sys_object_id = phu_mem_strdup("");
    facts->profile = phu_mem_strdup("");
    facts->why = phu_mem_strdup("");
    return facts;
}

static void learn_fact(struct phu_discovered_facts *facts, const char *name, const char *value)
{
    const struct {
        const char *name;
        char **kept;
    } known[] = {{"sys_name", &facts->sys_name},
                 {"sys_descr", &facts->sys_descr},
                 {"sys_object_id", &facts->sys_object_id},
                 {"profile", &facts->profile},
                 {"why", &facts->why}};

    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (strcmp(known[i].name, name) != 0)
            continue;
        free(*known[i].kept);
        *known[i].kept = phu_mem_strdup(value);
    }
}

static void learn_row(struct phu_discovered_facts *facts, const struct phu_trace_item *item)
{
    struct phu_found_row *row;

    if (strcmp(item->name, "interface") == 0) {
        facts->interfaces =
            phu_mem_grow(facts->interfaces, facts->interface_count, sizeof *facts->interfaces);
        facts->interfaces[facts->interface_count++] = phu_mem_strdup(item->row);
        return;
    }
    if (!phu_found_tag_may_serve(item->name))
        return;
    row = phu_found_rows_take(&facts->rows, item->name, item->row);
    phu_found_learn(&row->index, item->index);
    phu_found_learn(&row->text, item->raw);
}

static void learn_value(struct phu_discovered_facts *facts, const struct phu_trace_item *item)
{
    static const struct {
        const char *prefix;
        unsigned tells;
    } kinds[] = {
        {"signal.", PHU_TELLS_SIGNAL}, {"optics.", PHU_TELLS_OPTICS}, {"radio.", PHU_TELLS_RADIO}};

    for (size_t i = 0; item->value[0] && i < sizeof kinds / sizeof *kinds; i++) {
        if (strncmp(item->name, kinds[i].prefix, strlen(kinds[i].prefix)) == 0)
            facts->tells |= kinds[i].tells;
    }
}

static void learn_note(struct phu_discovered_facts *facts, const char *note)
{
    for (size_t i = 0; i < facts->note_count; i++) {
        if (strcmp(facts->notes[i], note) == 0)
            return;
    }
    if (facts->note_count == NOTES_MAX)
        return;
    facts->notes = phu_mem_grow(facts->notes, facts->note_count, sizeof *facts->notes);
    facts->notes[facts->note_count++] = phu_mem_strdup(note);
}

static void traced(struct phu_trace *trace, const struct phu_trace_item *item)
{
    struct phu_discovered *found = phu_container_of(trace, struct phu_discovered, trace);
    struct phu_discovered_facts *facts = facts_of(found);

    switch (item->kind) {
    case PHU_TRACE_FACT:
        learn_fact(facts, item->name, item->value);
        return;
    case PHU_TRACE_ROW:
        learn_row(facts, item);
        return;
    case PHU_TRACE_VALUE:
        learn_value(facts, item);
        return;
    case PHU_TRACE_NOTE:
        learn_note(facts, item->why);
        return;
    }
}

static int any_row(struct phu_survey_job *job, const struct phu_row *row, uint32_t *handle)
{
    (void)job;
    (void)row;
    *handle = 1; /* values are of no interest */
    return 0;
}

/* -- One address after the other --------------------------------------------------------------- */

static void finish(struct phu_discovered *item)
{
    item->is_done = true;
    item->owner->done++;
}

static void snmp_done(struct phu_survey_job *job, enum phu_result result);

static void ask_snmp(struct phu_discovered *item)
{
    const struct phu_discovery *discovery = item->owner;

    item->job.collector = discovery->snmp.collector;
    item->job.put = NULL;
    item->job.row = any_row;
    item->job.done = snmp_done;
    item->job.spec = (struct phu_check_spec){
        .id = item->address,
        .address = item->address,
        .argument = "",
        .credential = discovery->credentials[item->credential],
        .rows = "*",
        .trace = &item->trace,
        .options = discovery->snmp_check,
        .interval_ns = POLL_TIMEOUT_NS,
        .timeout_ns = POLL_TIMEOUT_NS,
    };
    phu_survey_put(discovery->survey, &item->job);
}

/* Would another credential make a difference? */
static bool is_worth_another_try(enum phu_result result)
{
    return result == PHU_RESULT_TIMEOUT || result == PHU_RESULT_AUTH ||
           result == PHU_RESULT_MISMATCH || result == PHU_RESULT_LOCAL_ERROR;
}

static void snmp_done(struct phu_survey_job *job, enum phu_result result)
{
    struct phu_discovered *item = phu_container_of(job, struct phu_discovered, job);

    if (result == PHU_RESULT_OK || result == PHU_RESULT_PARTIAL) {
        item->snmp = PHU_SNMP_ANSWERED;
        item->owner->answered++;
        facts_of(item);
        finish(item);
        return;
    }
    forget(item);
    if (result == PHU_RESULT_AUTH)
        item->snmp = PHU_SNMP_REFUSED;
    else if (item->snmp == PHU_SNMP_NOT_ASKED)
        item->snmp = PHU_SNMP_SILENT;
    if (is_worth_another_try(result) && item->credential + 1 < item->owner->credential_count) {
        item->credential++;
        ask_snmp(item);
    } else {
        finish(item);
    }
}

static void ping_put(struct phu_survey_job *job, const struct phu_observation *observation)
{
    struct phu_discovered *item = phu_container_of(job, struct phu_discovered, job);

    for (size_t i = 0; i < observation->value_count; i++) {
        if ((int)observation->values[i].metric == job->collector->rtt_metric &&
            observation->result == PHU_RESULT_OK)
            item->rtt_us = observation->values[i].i;
    }
}

static void ping_done(struct phu_survey_job *job, enum phu_result result);

static void ping(struct phu_discovered *item)
{
    const struct phu_discovery *discovery = item->owner;

    item->pings++;
    item->job.collector = discovery->ping.collector;
    item->job.put = ping_put;
    item->job.done = ping_done;
    item->job.spec = (struct phu_check_spec){
        .id = item->address,
        .address = item->address,
        .argument = "",
        .credential = "",
        .rows = "",
        .options = discovery->ping_check,
        .interval_ns = PING_TIMEOUT_NS,
        .timeout_ns = PING_TIMEOUT_NS,
    };
    phu_survey_put(discovery->survey, &item->job);
}

static void ping_done(struct phu_survey_job *job, enum phu_result result)
{
    struct phu_discovered *item = phu_container_of(job, struct phu_discovered, job);

    if (result == PHU_RESULT_OK) {
        item->has_ping = true;
        item->owner->pinged++;
        ask_snmp(item);
    } else if (result == PHU_RESULT_NOPERM) {
        item->owner->is_ping_refused = true;
        ask_snmp(item);
    } else if (result == PHU_RESULT_TIMEOUT && item->pings < PINGS) {
        ping(item);
    } else {
        finish(item);
    }
}

/* -- All of them ------------------------------------------------------------------------------- */

static const struct phu_credential *find_credential(void *arg, const char *name)
{
    const struct phu_discovery *discovery = arg;

    return discovery->credential(discovery->credential_arg, name);
}

static void show_progress(void *arg)
{
    struct phu_discovery *discovery = arg;
    char note[80];

    snprintf(note, sizeof note, "%zu answer ping, %zu SNMP", discovery->pinged,
             discovery->answered);
    phu_progress_show(&discovery->progress, discovery->done, discovery->count, note);
}

static void begin(struct phu_discovery *discovery)
{
    discovery->count = discovery->targets->count;
    discovery->items = phu_mem_alloc(discovery->count + 1, sizeof *discovery->items);
    for (size_t i = 0; i < discovery->count; i++) {
        struct phu_discovered *item = &discovery->items[i];

        item->owner = discovery;
        item->trace.put = traced;
        item->rtt_us = -1;
        phu_target_format(&discovery->targets->items[i], item->address);
        if (discovery->skips_ping)
            ask_snmp(item);
        else
            ping(item);
    }
}

/* Pings that wait for their timeout do not keep others from being asked. */
static unsigned in_flight(unsigned per_second)
{
    unsigned wanted = per_second * 4;

    return wanted < 64 ? 64 : wanted > 4096 ? 4096 : wanted;
}

int phu_discovery_run(struct phu_discovery *discovery)
{
    const struct phu_survey_part parts[] = {discovery->snmp, discovery->ping};
    const struct phu_survey_conf conf = {.command = "phusong discover",
                                         .parts = parts,
                                         .part_count = discovery->skips_ping ? 1 : 2,
                                         .credential = find_credential,
                                         .tick = show_progress,
                                         .arg = discovery,
                                         .per_second = discovery->per_second,
                                         .in_flight = in_flight(discovery->per_second)};
    int error = phu_survey_open(&conf, &discovery->survey);

    if (error)
        return error;
    phu_progress_begin(&discovery->progress, discovery->targets->count);
    begin(discovery);
    discovery->is_interrupted = phu_survey_run(discovery->survey) == -EINTR;
    phu_progress_end(&discovery->progress);
    phu_survey_close(discovery->survey);
    discovery->survey = NULL;
    for (size_t i = 0; i < discovery->count; i++) {
        if (!discovery->items[i].is_done && discovery->items[i].snmp != PHU_SNMP_ANSWERED)
            forget(&discovery->items[i]); /* what was half told */
    }
    return 0;
}

void phu_discovery_fini(struct phu_discovery *discovery)
{
    for (size_t i = 0; i < discovery->count; i++)
        forget(&discovery->items[i]);
    free(discovery->items);
}
