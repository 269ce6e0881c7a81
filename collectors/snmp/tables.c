/* Tables of a profile from poll to poll. See tables.h. */
#include "tables.h"

#include "device.h"
#include "profile_set.h"
#include "tell.h"

#include "phusong/collector.h"
#include "phusong/log.h"
#include "phusong/sched.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FORGET_S (24 * 3600)
/* A pass that lay still for so long is not the same reading any more. */
#define STALE_NS (600 * PHU_NS_PER_S)
/* After so many turns that got no further the pass is given up. */
#define FAILURES_MAX 2
#define WAIT_MAX 5  /* at most 2^5 polls between tries of a table that fails */
#define EMPTY_MAX 4 /* and 2^4 between tries of one that has no rows */

/* -- The table of interface aliases ------------------------------------------------------------ */

static const struct phu_profile_table alias_table;
static struct phu_profile_plan alias_plan = {.table = &alias_table};

static struct phu_profile_column alias_columns[] = {
    {.name = "alias",
     .oid = {11, {1, 3, 6, 1, 2, 1, 31, 1, 1, 1, 18}},
     .of = -1,
     .use = PHU_USE_DESCRIPTION,
     .metric = -1,
     .scale = 1,
     .chooser = -1,
     .si_scale = -1,
     .decimals = -1,
     .private = &alias_plan},
};

static const struct phu_profile_table alias_table = {
    .name = "if_alias",
    .measurement = "interface",
    .tag = "interface",
    .row = "{ifname:1}",
    .lane = PHU_LANE_STATIC,
    .emit = PHU_EMIT_NONE,
    .columns = alias_columns,
    .column_count = 1,
    .polls_metric = -1,
};

const struct phu_profile_table *phu_tables_at(const struct phu_tables *tables, unsigned index)
{
    return index < tables->profile->table_count ? &tables->profile->tables[index] : &alias_table;
}

/* -- Life -------------------------------------------------------------------------------------- */

static bool has_texts(const struct phu_profile_table *table)
{
    for (unsigned i = 0; i < table->column_count; i++) {
        if (table->columns[i].use == PHU_USE_DESCRIPTION || table->columns[i].use == PHU_USE_SERIAL)
            return true;
    }
    return false;
}

static bool needs_names(const struct phu_profile_table *table)
{
    return (table->row && strstr(table->row, "{ifname")) ||
           (table->rollup.tag && table->rollup.name && strstr(table->rollup.name, "{ifname"));
}

/* As lanes.h has it. */
static int64_t period_of(const struct phu_snmp_device *device, const struct phu_tables *tables,
                         unsigned index)
{
    struct phu_lanes lanes = {phu_snmp_options_of(device)->slow_ns,
                              phu_snmp_options_of(device)->static_ns};

    return phu_lane_period(phu_tables_at(tables, index), &lanes);
}

static void init_states(struct phu_tables *tables, const struct phu_snmp_device *device)
{
    struct phu_sched *sched = device->snmp->env.sched;

    for (unsigned i = 0; i < tables->count; i++) {
        const struct phu_profile_table *table = phu_tables_at(tables, i);
        struct phu_table_state *state = &tables->states[i];
        int64_t period = period_of(device, tables, i);

        state->is_off = period == PHU_LANE_OFF;
        state->due_ns = phu_lane_first(table, period, device->spec->id, phu_sched_now(sched).ns,
                                       phu_sched_wall(sched).ns);
        state->has_texts = has_texts(table);
        state->needs_names = needs_names(table);
    }
}

static struct phu_serving *new_serving(const struct phu_check_spec *spec, bool has_patterns)
{
    struct phu_serving *serving;

    if (!spec->served_count && !has_patterns)
        return NULL;
    serving = calloc(1, sizeof *serving);
    if (!serving)
        abort();
    phu_claims_init(&serving->claims, spec->served, spec->served_count);
    serving->needs_texts = has_patterns || serving->claims.has_texts;
    return serving;
}

struct phu_tables *phu_tables_new(const struct phu_snmp_device *device,
                                  const struct phu_profile *profile)
{
    const struct phu_check_spec *spec = device->spec;
    bool has_patterns = device->snmp->serves.count > 0;
    bool has_aliases = has_patterns && profile->has_interfaces;
    unsigned count = (unsigned)profile->table_count + has_aliases;
    struct phu_tables *tables;

    if (!count && !spec->served_count)
        return NULL;
    tables = calloc(1, sizeof *tables + count * sizeof *tables->states);
    if (!tables)
        abort();
    tables->profile = profile;
    tables->count = (uint16_t)count;
    tables->serving = new_serving(spec, has_patterns);
    init_states(tables, device);
    return tables;
}

struct phu_pass *phu_tables_pass(const struct phu_tables *tables, unsigned index)
{
    struct phu_pass *pass = tables->passes;

    while (pass && pass->table != index)
        pass = pass->next;
    return pass;
}

static void end_pass(struct phu_tables *tables, unsigned index)
{
    struct phu_pass *pass = phu_tables_pass(tables, index), **link = &tables->passes;

    if (!pass)
        return;
    while (*link != pass)
        link = &(*link)->next;
    *link = pass->next;
    phu_rollup_fini(&pass->rollup);
    phu_rows_fini(&pass->told);
    free(pass);
}

static void end_passes(struct phu_tables *tables)
{
    while (tables->passes)
        end_pass(tables, tables->passes->table);
}

static void drop_serving(struct phu_snmp *snmp, struct phu_serving *serving)
{
    if (!serving)
        return;
    snmp->rows_bound -= serving->told_bound;
    snmp->unbound_patterns -= serving->told_strangers;
    snmp->served_missing -= serving->told_missing;
    phu_claims_fini(&serving->claims);
    phu_table_examples_fini(&serving->strangers);
    free(serving);
}

void phu_tables_drop(struct phu_snmp_device *device)
{
    struct phu_tables *tables = device->tables;

    if (!tables)
        return;
    device->tables = NULL;
    end_passes(tables);
    phu_rows_fini(&tables->rows);
    drop_serving(device->snmp, tables->serving);
    free(tables);
}

void phu_tables_reset(struct phu_tables *tables, int64_t now_ns)
{
    phu_rows_reset_counters(&tables->rows);
    end_passes(tables);
    for (unsigned i = 0; i < tables->count; i++) {
        struct phu_table_state *state = &tables->states[i];

        state->failures = state->empties = 0;
        if (phu_tables_at(tables, i)->lane == PHU_LANE_STATIC) {
            state->due_ns = now_ns;
            state->started_ns = 0;
        }
    }
}

/* -- Whose turn it is -------------------------------------------------------------------------- */

bool phu_tables_is_slow(const struct phu_snmp_device *device, unsigned index)
{
    return period_of(device, device->tables, index) != PHU_LANE_EACH_POLL;
}

/* A table that failed waits longer and longer. */
static bool is_waiting(const struct phu_snmp_device *device, const struct phu_table_state *state)
{
    unsigned wait = state->failures < WAIT_MAX ? state->failures : WAIT_MAX;

    return state->failures > FAILURES_MAX && device->poll - state->last_poll < 1U << wait;
}

/* Most devices lack some table of their profile: it is looked for less and less often. */
static bool is_known_empty(const struct phu_snmp_device *device,
                           const struct phu_table_state *state)
{
    return state->empties && device->poll - state->last_poll < 1U << state->empties;
}

static bool is_busy(const struct phu_snmp_device *device, unsigned index)
{
    const struct phu_snmp_work *work = device->work;

    for (unsigned i = 0; i < work->line_count; i++) {
        if (work->lines[i]->task == PHU_TASK_TABLE && work->lines[i]->table == index)
            return true;
    }
    return false;
}

static bool is_wanted(const struct phu_snmp_device *device, unsigned index)
{
    const struct phu_table_state *state = &device->tables->states[index];
    int64_t period = period_of(device, device->tables, index);

    if (state->is_off || state->last_poll == device->poll || is_busy(device, index) ||
        is_waiting(device, state))
        return false;
    if (state->needs_names && device->profile->has_interfaces && !device->work->has_read_interfaces)
        return false;
    if (device->spec->trace || phu_tables_pass(device->tables, index))
        return true;
    if (period == PHU_LANE_EACH_POLL)
        return !is_known_empty(device, state);
    return phu_lane_is_due(state->due_ns, state->started_ns, period,
                           phu_sched_now(device->snmp->env.sched).ns);
}

/* Smaller comes first. */
static unsigned rank(const struct phu_snmp_device *device, unsigned index)
{
    const struct phu_table_state *state = &device->tables->states[index];

    if (index >= device->profile->table_count)
        return 0; /* interfaces wait for their aliases */
    if (!phu_tables_is_slow(device, index))
        return 1;
    if (state->has_texts && !state->is_read)
        return 2;
    return phu_tables_pass(device->tables, index)                          ? 3
           : phu_tables_at(device->tables, index)->lane == PHU_LANE_STATIC ? 4
                                                                           : 5;
}

bool phu_tables_next(const struct phu_snmp_device *device, bool is_fast_only, unsigned *index)
{
    unsigned best = UINT32_MAX;

    for (unsigned i = 0; device->tables && i < device->tables->count; i++) {
        if (is_fast_only && phu_tables_is_slow(device, i))
            continue;
        if (rank(device, i) < best && is_wanted(device, i)) {
            best = rank(device, i);
            *index = i;
        }
    }
    return best != UINT32_MAX;
}

/* -- A turn ------------------------------------------------------------------------------------ */

static struct phu_pass *new_pass(struct phu_tables *tables, unsigned index, int64_t now)
{
    struct phu_pass *pass = calloc(1, sizeof *pass);

    if (!pass)
        abort();
    pass->table = index;
    pass->started_ns = now;
    pass->next = tables->passes;
    tables->passes = pass;
    phu_rollup_begin(&pass->rollup, phu_tables_at(tables, index));
    return pass;
}

struct phu_pass *phu_tables_begin(struct phu_snmp_device *device, unsigned index)
{
    struct phu_table_state *state = &device->tables->states[index];
    struct phu_pass *pass = phu_tables_pass(device->tables, index);
    int64_t now = phu_sched_now(device->snmp->env.sched).ns;
    int64_t period = period_of(device, device->tables, index);

    state->last_poll = device->poll;
    if (pass && now - pass->started_ns <= (period > STALE_NS ? period : STALE_NS))
        return pass;
    end_pass(device->tables, index);
    state->started_ns = now;
    if (period > 0)
        state->due_ns = phu_lane_next(state->due_ns, period, now);
    return new_pass(device->tables, index, now);
}

static void forget_old(struct phu_snmp_device *device)
{
    struct phu_tables *tables = device->tables;
    uint32_t now_s = (uint32_t)(phu_sched_now(device->snmp->env.sched).ns / PHU_NS_PER_S);

    if (tables->forgot_s == 0)
        tables->forgot_s = now_s;
    if (now_s - tables->forgot_s < FORGET_S)
        return;
    phu_rows_forget(&tables->rows, now_s - FORGET_S);
    tables->forgot_s = now_s;
}

void phu_tables_finish(struct phu_snmp_device *device, unsigned index)
{
    struct phu_table_state *state = &device->tables->states[index];

    unsigned rows = phu_tables_pass(device->tables, index)->rows;

    state->rows = (uint16_t)(rows < PHU_TABLE_ROWS_MAX ? rows : PHU_TABLE_ROWS_MAX);
    state->failures = 0;
    if (rows)
        state->empties = 0;
    else if (state->empties < EMPTY_MAX)
        state->empties++;
    state->is_read = true;
    end_pass(device->tables, index);
    forget_old(device);
}

void phu_tables_pause(struct phu_snmp_device *device, unsigned index, bool has_failed)
{
    struct phu_table_state *state = &device->tables->states[index];

    if (!has_failed)
        return;
    if (state->failures < PHU_TABLE_FAILURES_MAX)
        state->failures++;
    if (state->failures >= FAILURES_MAX)
        end_pass(device->tables, index);
}

/* -- Whom rows serve --------------------------------------------------------------------------- */

const char *phu_tables_endpoint(const struct phu_tables *tables, uint32_t whom)
{
    return tables->serving ? phu_claims_endpoint(&tables->serving->claims, whom) : "";
}

/* Read, or never to be. */
static bool is_settled(const struct phu_table_state *state)
{
    return state->is_read || state->is_off || state->failures >= FAILURES_MAX;
}

bool phu_tables_may_bind(const struct phu_tables *tables)
{
    if (!tables->serving || !tables->serving->needs_texts)
        return true;
    for (unsigned i = 0; i < tables->count; i++) {
        if (tables->states[i].has_texts && !is_settled(&tables->states[i]))
            return false;
    }
    return true;
}

#define EXAMPLES_SIZE 160

void phu_table_examples_add(struct phu_table_examples *examples, const char *text)
{
    size_t used;

    if (!examples->text && !(examples->text = calloc(1, EXAMPLES_SIZE)))
        abort();
    used = strlen(examples->text);
    if (examples->count++ < 3 && used + strlen(text) + 3 < EXAMPLES_SIZE)
        snprintf(examples->text + used, EXAMPLES_SIZE - used, "%s%s", used ? ", " : "", text);
}

void phu_table_examples_fini(struct phu_table_examples *examples)
{
    free(examples->text);
    *examples = (struct phu_table_examples){0};
}

static void note_missing(const struct phu_snmp_device *device, const struct phu_served *served)
{
    char note[400];

    if (!device->spec->trace)
        return;
    if (served->ifname[0] || served->index[0])
        snprintf(note, sizeof note, "endpoint %s: the device shows no %s \"%s\"", served->endpoint,
                 served->ifname[0] ? "interface" : "row",
                 served->ifname[0] ? served->ifname : served->index);
    else
        snprintf(note, sizeof note,
                 "endpoint %s names no row, and the device has none with signal, optics or radio "
                 "that nobody else claims",
                 served->endpoint);
    phu_tell_note(device, note);
}

/* Only when every table has been read once is a row known not to be there. */
static bool has_read_all(const struct phu_tables *tables)
{
    for (unsigned i = 0; i < tables->count; i++) {
        if (!is_settled(&tables->states[i]))
            return false;
    }
    return true;
}

static void list_missing(const struct phu_snmp_device *device, struct phu_table_examples *missing)
{
    const struct phu_claims *claims = &device->tables->serving->claims;

    for (size_t i = 0; i < claims->served_count && has_read_all(device->tables); i++) {
        if (claims->found[i])
            continue;
        phu_table_examples_add(missing, claims->served[i].endpoint);
        note_missing(device, &claims->served[i]);
    }
}

static bool has_changed(const struct phu_serving *serving, unsigned missing)
{
    return !serving->has_told || serving->told_bound != serving->bound ||
           serving->told_strangers != serving->strangers.count || serving->told_missing != missing;
}

static void tell_changes(struct phu_snmp_device *device, const struct phu_table_examples *missing)
{
    struct phu_serving *serving = device->tables->serving;

    device->snmp->rows_bound += (int64_t)serving->bound - serving->told_bound;
    device->snmp->unbound_patterns += (int64_t)serving->strangers.count - serving->told_strangers;
    device->snmp->served_missing += (int64_t)missing->count - serving->told_missing;
    serving->has_told = true;
    serving->told_bound = serving->bound;
    serving->told_strangers = serving->strangers.count;
    serving->told_missing = missing->count;
    phu_log_info("snmp", "rows that serve endpoints", "device=%s bound=%u", device->spec->id,
                 serving->bound);
    if (missing->count)
        phu_log_warn("snmp", "endpoints whose row the device does not show",
                     "device=%s count=%u examples=\"%s\"", device->spec->id, missing->count,
                     missing->text);
    if (serving->strangers.count)
        phu_log_warn("snmp", "descriptions name endpoints that the inventory does not have",
                     "device=%s count=%u examples=\"%s\"", device->spec->id,
                     serving->strangers.count, serving->strangers.text);
}

void phu_tables_tell(struct phu_snmp_device *device)
{
    const struct phu_tables *tables = device->tables;
    struct phu_table_examples missing = {0};

    if (!tables || !tables->serving || !phu_tables_may_bind(tables))
        return;
    list_missing(device, &missing);
    if (has_changed(tables->serving, missing.count))
        tell_changes(device, &missing);
    phu_table_examples_fini(&missing);
}

void phu_tables_tell_rest(const struct phu_snmp_device *device)
{
    const struct phu_tables *tables = device->tables;
    char note[160];

    for (unsigned i = 0; tables && i < tables->count; i++) {
        const struct phu_table_state *state = &tables->states[i];

        if (state->is_off) {
            snprintf(note, sizeof note, "table %s is switched off (slow or static is 0s)",
                     phu_tables_at(tables, i)->name);
            phu_tell_note(device, note);
        } else if (phu_tables_pass(tables, i) || state->last_poll != device->poll) {
            snprintf(note, sizeof note,
                     "table %s was not read to its end; give the poll more time (timeout)",
                     phu_tables_at(tables, i)->name);
            phu_tell_note(device, note);
        }
    }
}
