/* What a poll asks for next. See agenda.h. */
#include "agenda.h"

#include "care.h"
#include "device.h"
#include "identify.h"
#include "profile.h"
#include "report.h"
#include "table_row.h"
#include "tables.h"

#include "phusong/sched.h"

#include <string.h>

/* After so many polls a device is asked afresh for what it lacked; not all in the same minute. */
#define HABITS_POLLS 100

/* Ids of what a walk over a table reads besides. */
enum { CPU_PEEK = PHU_PROFILE_COLUMNS_MAX };

/* -- Walks ------------------------------------------------------------------------------------- */

static unsigned repetitions_max(const struct phu_snmp_device *device)
{
    unsigned most = (unsigned)phu_snmp_options_of(device)->max_repetitions;

    if (device->profile && device->profile->care.max_repetitions &&
        device->profile->care.max_repetitions < most)
        most = device->profile->care.max_repetitions;
    return most;
}

static void begin_walk(struct phu_snmp_line *line, const struct phu_walk_limits *wanted,
                       phu_walk_cell_cb *cell, void *arg)
{
    const struct phu_snmp_device *device = line->device;
    struct phu_walk_limits limits = *wanted;

    limits.is_bulk = device->secret->version != PHU_SNMP_V1;
    limits.repetitions_max = repetitions_max(device);
    limits.room = device->room;
    /* The first question to a new user is a small one: when it is not answered, that is not because
     * the answer was too large for the path. */
    if (device->secret->version == PHU_SNMP_V3 && !device->has_answered_user)
        limits.repetitions = 1;
    phu_walk_init(&line->walk, &limits, cell, arg);
}

/* -- Its processor ----------------------------------------------------------------------------- */

static void begin_cpu(struct phu_snmp_line *line)
{
    phu_care_begin(line->device->work);
    begin_walk(line, &(struct phu_walk_limits){.repetitions = 4, .rows_max = PHU_CARE_CPUS_MAX},
               phu_care_cell, line->device);
    phu_walk_add(&line->walk, 0, &line->device->profile->care.cpu);
}

/* -- Interfaces -------------------------------------------------------------------------------- */

static void begin_interfaces(struct phu_snmp_line *line)
{
    struct phu_snmp_device *device = line->device;
    struct phu_walk_limits limits = {.index_length = 1,
                                     .repetitions =
                                         device->habits.rows ? device->habits.rows + 1 : 4,
                                     .rows_max = (unsigned)device->snmp->options->max_interfaces};

    if ((device->poll + device->spec->check) % HABITS_POLLS == 0)
        device->habits = (struct phu_ifmib_habits){.rows = device->habits.rows};
    begin_walk(line, &limits, phu_ifmib_cell, &device->work->ifmib);
    phu_ifmib_plan(&line->walk, &device->habits);
}

static void begin_clocks(struct phu_snmp_line *line)
{
    begin_walk(line, &(struct phu_walk_limits){.repetitions = 1, .rows_max = 1}, phu_ifmib_cell,
               &line->device->work->ifmib);
    phu_ifmib_plan_clocks(&line->walk);
}

/* -- Tables ------------------------------------------------------------------------------------ */

static void table_cell(void *arg, unsigned column, const struct phu_index *index,
                       const struct phu_varbind *varbind)
{
    struct phu_snmp_line *line = arg;

    if (column == CPU_PEEK)
        phu_care_cell(line->device, column, index, varbind);
    else
        phu_gather_put(&line->gather, column, index, varbind);
}

static void add_columns(struct phu_snmp_line *line, const struct phu_profile_table *table,
                        const struct phu_pass *pass)
{
    for (unsigned i = 0; i < table->column_count; i++) {
        const struct phu_profile_column *column = &table->columns[i];

        if (column->of >= 0 || column->oid.length == 0)
            continue;
        if (table->is_scalar)
            phu_walk_add_scalar(&line->walk, i, &column->oid, false);
        else
            phu_walk_add_from(&line->walk, i, &column->oid, &pass->place);
    }
}

static void begin_table(struct phu_snmp_line *line, unsigned index)
{
    struct phu_snmp_device *device = line->device;
    const struct phu_profile_table *table = phu_tables_at(device->tables, index);
    const struct phu_table_state *state = &device->tables->states[index];
    struct phu_pass *pass = phu_tables_begin(device, index);
    unsigned room = (unsigned)device->snmp->options->max_rows;
    struct phu_walk_limits limits = {.is_exact = table->is_exact,
                                     .repetitions = state->rows ? state->rows + 1 : 4,
                                     .rows_max = room > pass->rows ? room - pass->rows : 1};

    line->table = index;
    line->is_slow = phu_tables_is_slow(device, index);
    phu_gather_begin(&line->gather, table->column_count);
    begin_walk(line, &limits, table_cell, line);
    if (line->is_slow && device->profile->care.cpu.length && !table->is_exact)
        phu_walk_add_peek(&line->walk, CPU_PEEK, &device->profile->care.cpu,
                          &device->work->cpu_place);
    add_columns(line, table, pass);
}

static void take_rows(struct phu_snmp_line *line, bool is_end)
{
    struct phu_snmp_device *device = line->device;
    struct phu_pass *pass = phu_tables_pass(device->tables, line->table);
    const struct phu_index *reached = is_end ? NULL : phu_walk_reached(&line->walk);
    const struct phu_gather_row *row;

    if (!is_end && phu_tables_at(device->tables, line->table)->is_scalar)
        return; /* a device that answers little at a time tells its one row in parts */
    while ((row = phu_gather_first(&line->gather, reached))) {
        phu_table_row_take(device, line->table, row);
        pass->rows++;
        pass->place = row->index;
        phu_gather_drop(&line->gather);
    }
}

static void end_table(struct phu_snmp_line *line)
{
    take_rows(line, true);
    phu_table_rollup_put(line->device, line->table);
    phu_tables_finish(line->device, line->table);
}

/* -- What next --------------------------------------------------------------------------------- */

static bool is_any_slow(const struct phu_snmp_work *work)
{
    for (unsigned i = 0; i < work->line_count; i++) {
        if (work->lines[i]->task == PHU_TASK_TABLE && work->lines[i]->is_slow)
            return true;
    }
    return false;
}

static bool is_under_way(const struct phu_snmp_work *work, enum phu_snmp_task task)
{
    for (unsigned i = 0; i < work->line_count; i++) {
        if (work->lines[i]->task == task)
            return true;
    }
    return false;
}

/* What comes before tables, one after the other but for the interfaces. */
static enum phu_snmp_task first_steps(struct phu_snmp_device *device, bool *must_wait)
{
    struct phu_snmp_work *work = device->work;

    *must_wait = is_under_way(work, PHU_TASK_IDENTIFY) || is_under_way(work, PHU_TASK_HAS) ||
                 is_under_way(work, PHU_TASK_CPU) || is_under_way(work, PHU_TASK_CLOCKS);
    if (*must_wait)
        return PHU_TASK_NONE;
    /* Another profile would take a table away from under its line. */
    if (!is_under_way(work, PHU_TASK_TABLE) && phu_identify_is_due(device))
        return PHU_TASK_IDENTIFY;
    if (device->profile->care.cpu.length && !work->has_read_cpu)
        return PHU_TASK_CPU;
    if (!device->profile->has_interfaces && !work->has_read_clocks)
        return PHU_TASK_CLOCKS;
    if (device->profile->has_interfaces && !work->has_read_interfaces &&
        !is_under_way(work, PHU_TASK_INTERFACES))
        return PHU_TASK_INTERFACES;
    return PHU_TASK_NONE;
}

static bool pick_table(struct phu_snmp_device *device, unsigned *table)
{
    bool is_fast_only = is_any_slow(device->work) || !phu_care_allows_slow(device);

    return phu_tables_next(device, is_fast_only, table);
}

bool phu_agenda_has_next(const struct phu_snmp_device *device)
{
    struct phu_snmp_device *asked = (struct phu_snmp_device *)device;
    unsigned table;
    bool must_wait;

    if (first_steps(asked, &must_wait) != PHU_TASK_NONE)
        return true;
    return !must_wait && pick_table(asked, &table);
}

bool phu_agenda_is_fast_done(const struct phu_snmp_device *device)
{
    const struct phu_snmp_work *work = device->work;
    unsigned table;

    if (!device->profile || (device->profile->has_interfaces && !work->has_read_interfaces))
        return false;
    for (unsigned i = 0; i < work->line_count; i++) {
        const struct phu_snmp_line *line = work->lines[i];

        if (line->task != PHU_TASK_NONE && !(line->task == PHU_TASK_TABLE && line->is_slow))
            return false;
    }
    return !phu_tables_next(device, true, &table);
}

static void note_fast_done(struct phu_snmp_device *device)
{
    if (!device->work->fast_done.ns && phu_agenda_is_fast_done(device))
        device->work->fast_done = phu_sched_now(device->snmp->env.sched);
}

static void begin_step(struct phu_snmp_line *line)
{
    switch (line->task) {
    case PHU_TASK_IDENTIFY:
        phu_identify_plan(line);
        return;
    case PHU_TASK_HAS:
        phu_identify_plan_has(line);
        return;
    case PHU_TASK_CLOCKS:
        begin_clocks(line);
        return;
    case PHU_TASK_CPU:
        begin_cpu(line);
        return;
    case PHU_TASK_INTERFACES:
        begin_interfaces(line);
        return;
    case PHU_TASK_TABLE:
    case PHU_TASK_NONE:
        return;
    }
}

bool phu_agenda_next(struct phu_snmp_line *line)
{
    struct phu_snmp_device *device = line->device;
    bool must_wait;
    unsigned table;

    line->task = first_steps(device, &must_wait);
    if (line->task != PHU_TASK_NONE) {
        begin_step(line);
        return true;
    }
    if (must_wait)
        return false;
    note_fast_done(device);
    if (!pick_table(device, &table))
        return false;
    line->task = PHU_TASK_TABLE;
    begin_table(line, table);
    return true;
}

/* -- How it goes ------------------------------------------------------------------------------- */

void phu_agenda_answered(struct phu_snmp_line *line)
{
    if (line->task == PHU_TASK_TABLE)
        take_rows(line, false);
}

static void add_faults(struct phu_snmp_line *line)
{
    struct phu_snmp_work *work = line->device->work;
    const struct phu_walk *walk = &line->walk;

    work->faults.backwards += walk->faults.backwards;
    work->faults.misfits += walk->faults.misfits;
    work->faults.surplus += walk->faults.surplus;
    work->faults.refusals += walk->faults.refusals;
    work->faults.stalls += walk->faults.stalls;
    work->faults.overflows += walk->faults.overflows;
    work->cuts += walk->cuts;
    if (walk->room && (!work->room || walk->room < work->room))
        work->room = walk->room;
}

static void become_idle(struct phu_snmp_line *line)
{
    add_faults(line);
    line->task = PHU_TASK_NONE;
}

bool phu_agenda_stop(struct phu_snmp_line *line)
{
    if (line->task != PHU_TASK_TABLE || !line->is_slow || phu_care_allows_slow(line->device))
        return false;
    phu_tables_pause(line->device, line->table, false);
    become_idle(line);
    return true;
}

/* Interfaces wait for their aliases when patterns look into these. */
static void put_interfaces(struct phu_snmp_device *device)
{
    const struct phu_snmp_work *work = device->work;
    unsigned table;

    if (work->has_put_interfaces || !work->has_read_interfaces)
        return;
    if (phu_tables_next(device, false, &table) && table >= device->profile->table_count)
        return;
    phu_snmp_put_interfaces(device, true);
}

static void end_interfaces(struct phu_snmp_line *line)
{
    struct phu_snmp_device *device = line->device;

    if (phu_ifmib_extend(&device->work->ifmib, &line->walk,
                         device->spec->rows ? device->spec->rows : "", &device->habits))
        return;
    device->work->has_too_many_interfaces = line->walk.faults.overflows > 0;
    device->work->are_interfaces_whole = phu_ifmib_is_trusted(&device->work->ifmib, &line->walk);
    become_idle(line);
    device->work->has_read_interfaces = true;
    phu_snmp_judge_uptime(device);
    put_interfaces(device);
}

static void end_identify(struct phu_snmp_line *line)
{
    bool is_known = phu_identify_conclude(line);

    become_idle(line);
    if (!is_known) {
        line->task = PHU_TASK_HAS;
        phu_identify_plan_has(line);
    }
}

void phu_agenda_ended(struct phu_snmp_line *line)
{
    struct phu_snmp_device *device = line->device;

    switch (line->task) {
    case PHU_TASK_NONE:
        return;
    case PHU_TASK_IDENTIFY:
    case PHU_TASK_HAS:
        end_identify(line);
        return;
    case PHU_TASK_CLOCKS:
        device->work->has_read_clocks = true;
        phu_snmp_judge_uptime(device);
        break;
    case PHU_TASK_CPU:
        device->work->has_read_cpu = true;
        phu_care_judge(device);
        break;
    case PHU_TASK_INTERFACES:
        end_interfaces(line);
        return;
    case PHU_TASK_TABLE:
        end_table(line);
        become_idle(line);
        put_interfaces(device);
        return;
    }
    become_idle(line);
}

void phu_agenda_break(struct phu_snmp_line *line, bool has_failed)
{
    if (line->task == PHU_TASK_NONE)
        return;
    if (line->task == PHU_TASK_TABLE)
        phu_tables_pause(line->device, line->table, has_failed);
    become_idle(line);
}
