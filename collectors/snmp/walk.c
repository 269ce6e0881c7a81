/* A walk over columns of one table, side by side. See walk.h. */
#include "walk.h"

static struct phu_walk_column *find(struct phu_walk *walk, unsigned id)
{
    for (unsigned i = 0; i < walk->column_count; i++) {
        if (walk->columns[i].id == id)
            return &walk->columns[i];
    }
    return NULL;
}

unsigned phu_walk_cells(const struct phu_walk *walk, unsigned id)
{
    for (unsigned i = 0; i < walk->column_count; i++) {
        if (walk->columns[i].id == id)
            return walk->columns[i].cells;
    }
    return 0;
}

bool phu_walk_has(const struct phu_walk *walk, unsigned id)
{
    for (unsigned i = 0; i < walk->column_count; i++) {
        if (walk->columns[i].id == id)
            return true;
    }
    return false;
}

void phu_walk_init(struct phu_walk *walk, const struct phu_walk_limits *limits,
                   phu_walk_cell_cb *cell, void *arg)
{
    *walk = (struct phu_walk){.limits = *limits, .cell = cell, .arg = arg};
    walk->repetitions = limits->repetitions;
    if (walk->repetitions > limits->repetitions_max)
        walk->repetitions = limits->repetitions_max;
    if (walk->repetitions < 1 || !limits->is_bulk)
        walk->repetitions = 1;
    walk->width = PHU_WALK_COLUMNS_MAX;
}

static void add(struct phu_walk *walk, const struct phu_walk_column *column)
{
    if (find(walk, column->id) || walk->column_count == PHU_WALK_COLUMNS_MAX)
        return;
    walk->columns[walk->column_count++] = *column;
}

void phu_walk_add(struct phu_walk *walk, unsigned id, const struct phu_oid *prefix)
{
    add(walk, &(struct phu_walk_column){.prefix = prefix, .id = id, .place = -1});
}

void phu_walk_add_scalar(struct phu_walk *walk, unsigned id, const struct phu_oid *prefix,
                         bool is_each_time)
{
    add(walk, &(struct phu_walk_column){.prefix = prefix,
                                        .id = id,
                                        .place = -1,
                                        .is_scalar = true,
                                        .is_each_time = is_each_time});
}

/* -- Asking ---------------------------------------------------------------------------------- */

static bool is_table_open(const struct phu_walk *walk)
{
    for (unsigned i = 0; i < walk->column_count; i++) {
        if (!walk->columns[i].is_scalar && !walk->columns[i].is_done)
            return true;
    }
    return false;
}

static void ask(struct phu_walk *walk, struct phu_walk_request *request, bool is_scalar)
{
    for (unsigned i = 0; i < walk->column_count && walk->asked_count < walk->width; i++) {
        const struct phu_walk_column *column = &walk->columns[i];

        if (column->is_done || column->is_scalar != is_scalar)
            continue;
        walk->asked[walk->asked_count++] = (uint8_t)i;
        request->names[request->name_count++] =
            (struct phu_walk_name){column->prefix, is_scalar ? -1 : column->place};
    }
}

bool phu_walk_next(struct phu_walk *walk, struct phu_walk_request *request)
{
    bool is_open = is_table_open(walk);

    walk->asked_count = 0;
    *request = (struct phu_walk_request){.is_bulk = walk->limits.is_bulk};
    for (unsigned i = 0; i < walk->column_count && !is_open; i++) {
        const struct phu_walk_column *column = &walk->columns[i];

        is_open = column->is_scalar && !column->is_done && column->cells == 0;
    }
    if (!is_open)
        return false;
    ask(walk, request, true);
    /* A device that can answer but one object at a time must still get to the table. */
    if (walk->asked_count == walk->width && is_table_open(walk)) {
        for (unsigned i = 0; i < walk->column_count; i++) {
            if (walk->columns[i].is_scalar && walk->columns[i].cells > 0)
                walk->columns[i].is_done = true;
        }
        walk->asked_count = 0;
        request->name_count = 0;
        ask(walk, request, true);
    }
    walk->asked_scalars = walk->asked_count;
    ask(walk, request, false);
    request->scalars = walk->asked_scalars;
    request->repetitions = walk->repetitions;
    return true;
}

/* -- Answers --------------------------------------------------------------------------------- */

static bool is_within(const struct phu_varbind *varbind, const struct phu_oid *prefix)
{
    if (varbind->oid_length < prefix->length)
        return false;
    for (size_t i = 0; i < prefix->length; i++) {
        if (varbind->oid[i] != prefix->part[i])
            return false;
    }
    return true;
}

/* Does the object come before everything under the prefix? */
static bool is_before(const struct phu_varbind *varbind, const struct phu_oid *prefix)
{
    for (size_t i = 0; i < prefix->length; i++) {
        if (i == varbind->oid_length)
            return true;
        if (varbind->oid[i] != prefix->part[i])
            return varbind->oid[i] < prefix->part[i];
    }
    return false;
}

static void take_scalar(struct phu_walk *walk, struct phu_walk_column *column,
                        const struct phu_varbind *varbind)
{
    size_t length = column->prefix->length;
    bool is_there = is_within(varbind, column->prefix) && varbind->oid_length == length + 1 &&
                    varbind->oid[length] == 0 && varbind->kind != PHU_VARBIND_MISSING &&
                    varbind->kind != PHU_VARBIND_END;

    column->is_done = !is_there || !column->is_each_time;
    if (!is_there)
        return;
    column->cells++;
    walk->cell(walk->arg, column->id, 0, varbind);
}

static void take_cell(struct phu_walk *walk, struct phu_walk_column *column,
                      const struct phu_varbind *varbind)
{
    size_t length = column->prefix->length;

    column->is_done = true;
    if (varbind->kind == PHU_VARBIND_END || varbind->kind == PHU_VARBIND_MISSING)
        return;
    if (!is_within(varbind, column->prefix)) {
        walk->faults.backwards += is_before(varbind, column->prefix);
        return;
    }
    if (varbind->oid_length != length + 1 || varbind->oid[length] > UINT32_MAX) {
        walk->faults.misfits++;
        return;
    }
    if ((int64_t)varbind->oid[length] <= column->place) {
        walk->faults.backwards++;
        return;
    }
    if (column->cells == walk->limits.rows_max) {
        walk->faults.overflows++;
        return;
    }
    column->is_done = false;
    column->place = (int64_t)varbind->oid[length];
    column->cells++;
    walk->cell(walk->arg, column->id, (uint32_t)column->place, varbind);
}

static void end_asked(struct phu_walk *walk)
{
    for (unsigned i = 0; i < walk->asked_count; i++)
        walk->columns[walk->asked[i]].is_done = true;
}

void phu_walk_answer(struct phu_walk *walk, const struct phu_varbind *varbinds, size_t count)
{
    unsigned repeaters = walk->asked_count - walk->asked_scalars;
    size_t wanted = walk->asked_scalars + (size_t)repeaters * walk->repetitions;

    if (count > wanted) {
        walk->faults.surplus++;
        count = wanted;
    }
    if (count == 0 || (repeaters > 0 && count <= walk->asked_scalars)) {
        walk->faults.stalls++;
        phu_walk_error(walk, PHU_WALK_REFUSED, 0);
        return;
    }
    for (size_t i = 0; i < count && i < walk->asked_scalars; i++)
        take_scalar(walk, &walk->columns[walk->asked[i]], &varbinds[i]);
    for (size_t i = walk->asked_scalars; repeaters && i < count; i++) {
        size_t at = walk->asked_scalars + (i - walk->asked_scalars) % repeaters;
        struct phu_walk_column *column = &walk->columns[walk->asked[at]];

        if (!column->is_done)
            take_cell(walk, column, &varbinds[i]);
    }
    if (count == wanted && walk->limits.is_bulk && walk->repetitions < walk->limits.repetitions_max)
        walk->repetitions = walk->repetitions * 2 > walk->limits.repetitions_max
                                ? walk->limits.repetitions_max
                                : walk->repetitions * 2;
}

/* Asks for less; false when one object alone is already too much. */
static bool narrow(struct phu_walk *walk)
{
    if (walk->repetitions > 1) {
        walk->repetitions /= 2;
        walk->limits.repetitions_max = walk->repetitions;
        return true;
    }
    if (walk->asked_count > 1) {
        walk->width = walk->asked_count / 2;
        return true;
    }
    return false;
}

void phu_walk_error(struct phu_walk *walk, enum phu_walk_error error, size_t index)
{
    if (error != PHU_WALK_TOO_BIG && index >= 1 && index <= walk->asked_count) {
        walk->columns[walk->asked[index - 1]].is_done = true;
        walk->faults.refusals += error == PHU_WALK_REFUSED;
        return;
    }
    if (narrow(walk))
        return;
    end_asked(walk);
    walk->faults.refusals += error != PHU_WALK_NO_SUCH_NAME;
}
