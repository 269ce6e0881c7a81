/* A walk over columns of one table, side by side. See walk.h. */
#include "walk.h"

#include <string.h>

int phu_index_compare(const struct phu_index *a, const struct phu_index *b)
{
    unsigned length = a->length < b->length ? a->length : b->length;

    for (unsigned i = 0; i < length; i++) {
        if (a->part[i] != b->part[i])
            return a->part[i] < b->part[i] ? -1 : 1;
    }
    return (a->length > b->length) - (a->length < b->length);
}

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
    walk->limits = *limits;
    walk->cell = cell;
    walk->arg = arg;
    walk->column_count = walk->asked_count = walk->asked_scalars = 0;
    walk->turn = walk->cuts = walk->room = 0;
    walk->guide = 0;
    walk->has_row = false;
    walk->faults = (struct phu_walk_faults){0};
    walk->repetitions = limits->repetitions;
    if (walk->repetitions > limits->repetitions_max)
        walk->repetitions = limits->repetitions_max;
    walk->limits.is_bulk = limits->is_bulk && !limits->is_exact;
    if (walk->repetitions < 1 || !walk->limits.is_bulk)
        walk->repetitions = 1;
    walk->width = PHU_WALK_COLUMNS_MAX;
    if (limits->room && limits->room < walk->width)
        walk->width = limits->room;
}

static struct phu_walk_column *add(struct phu_walk *walk, unsigned id, const struct phu_oid *prefix,
                                   enum phu_walk_kind kind)
{
    struct phu_walk_column *column = &walk->columns[walk->column_count];

    if (find(walk, id) || walk->column_count == PHU_WALK_COLUMNS_MAX)
        return NULL;
    walk->column_count++;
    column->prefix = prefix;
    column->id = id;
    column->cells = 0;
    column->kind = kind;
    column->is_done = false;
    column->place.length = 0;
    return column;
}

void phu_walk_add(struct phu_walk *walk, unsigned id, const struct phu_oid *prefix)
{
    add(walk, id, prefix, PHU_WALK_ROWS);
}

static void set_place(struct phu_index *place, const struct phu_index *from)
{
    place->length = from->length;
    memcpy(place->part, from->part, from->length * sizeof *from->part);
}

void phu_walk_add_from(struct phu_walk *walk, unsigned id, const struct phu_oid *prefix,
                       const struct phu_index *place)
{
    struct phu_walk_column *column = add(walk, id, prefix, PHU_WALK_ROWS);

    if (column)
        set_place(&column->place, place);
}

void phu_walk_add_scalar(struct phu_walk *walk, unsigned id, const struct phu_oid *prefix,
                         bool is_each_time)
{
    struct phu_walk_column *column =
        add(walk, id, prefix, is_each_time ? PHU_WALK_STEADY : PHU_WALK_SCALAR);

    if (column && walk->limits.is_exact)
        set_place(&column->place, &(struct phu_index){.length = 1, .part = {0}});
}

void phu_walk_add_peek(struct phu_walk *walk, unsigned id, const struct phu_oid *prefix,
                       const struct phu_index *place)
{
    struct phu_walk_column *column = add(walk, id, prefix, PHU_WALK_PEEK);

    if (column)
        set_place(&column->place, place);
}

/* -- Asking ---------------------------------------------------------------------------------- */

static bool is_table_open(const struct phu_walk *walk)
{
    for (unsigned i = 0; i < walk->column_count; i++) {
        if (walk->columns[i].kind == PHU_WALK_ROWS && !walk->columns[i].is_done)
            return true;
    }
    return false;
}

static bool is_scalar_open(const struct phu_walk *walk)
{
    for (unsigned i = 0; i < walk->column_count; i++) {
        const struct phu_walk_column *column = &walk->columns[i];

        if (column->kind != PHU_WALK_ROWS && !column->is_done && column->cells == 0)
            return true;
    }
    return false;
}

static void ask(struct phu_walk *walk, struct phu_walk_request *request, unsigned at)
{
    const struct phu_walk_column *column = &walk->columns[at];

    walk->asked[walk->asked_count++] = (uint8_t)at;
    request->names[request->name_count++] = (struct phu_walk_name){column->prefix, &column->place};
}

static void ask_scalars(struct phu_walk *walk, struct phu_walk_request *request)
{
    for (unsigned i = 0; i < walk->column_count && walk->asked_count < walk->width; i++) {
        if (!walk->columns[i].is_done && walk->columns[i].kind != PHU_WALK_ROWS)
            ask(walk, request, i);
    }
}

/* In turns when not all find room, so that no column runs ahead of the others. */
static void ask_rows(struct phu_walk *walk, struct phu_walk_request *request)
{
    unsigned at = walk->turn % walk->column_count;

    for (unsigned i = 0; i < walk->column_count && walk->asked_count < walk->width; i++) {
        if (!walk->columns[at].is_done && walk->columns[at].kind == PHU_WALK_ROWS)
            ask(walk, request, at);
        if (++at == walk->column_count)
            at = 0;
    }
    walk->turn = walk->width < PHU_WALK_COLUMNS_MAX ? at : 0;
}

/* A device that can answer but one object at a time must still get to the table. */
static void end_steady(struct phu_walk *walk)
{
    for (unsigned i = 0; i < walk->column_count; i++) {
        if (walk->columns[i].kind != PHU_WALK_ROWS && walk->columns[i].cells > 0)
            walk->columns[i].is_done = true;
    }
}

/* As many as there is room for. */
static unsigned fitting_repetitions(const struct phu_walk *walk)
{
    unsigned repeaters = walk->asked_count - walk->asked_scalars, fit;

    if (!walk->limits.room || !repeaters || walk->limits.room <= walk->asked_scalars)
        return walk->limits.room ? 1 : walk->repetitions;
    fit = (walk->limits.room - walk->asked_scalars) / repeaters;
    if (fit < 1)
        fit = 1;
    return fit < walk->repetitions ? fit : walk->repetitions;
}

bool phu_walk_is_done(const struct phu_walk *walk)
{
    return !is_table_open(walk) && !is_scalar_open(walk);
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
    static const struct phu_index none;
    size_t length = column->prefix->length;
    bool is_there = is_within(varbind, column->prefix) && varbind->kind != PHU_VARBIND_MISSING &&
                    varbind->kind != PHU_VARBIND_END;

    if (column->kind != PHU_WALK_PEEK)
        is_there = is_there && varbind->oid_length == length + 1 && varbind->oid[length] == 0;
    column->is_done = !is_there || column->kind == PHU_WALK_SCALAR;
    if (!is_there)
        return;
    column->cells++;
    walk->cell(walk->arg, column->id, &none, varbind);
}

/* Moves the column's place to the row of the object; false when that would not be forward, or when
 * the table cannot have such a row. */
static bool advance(struct phu_walk *walk, struct phu_walk_column *column,
                    const struct phu_varbind *varbind)
{
    const unsigned long *parts = varbind->oid + column->prefix->length;
    size_t length = varbind->oid_length - column->prefix->length;
    struct phu_index *place = &column->place;
    bool is_after = false;

    if (length == 0 || length > PHU_INDEX_MAX ||
        (walk->limits.index_length && length != walk->limits.index_length)) {
        walk->faults.misfits++;
        return false;
    }
    for (size_t i = 0; i < length; i++) {
        if (parts[i] > UINT32_MAX) {
            walk->faults.misfits++;
            return false;
        }
        if (!is_after && i < place->length && parts[i] < place->part[i])
            break;
        is_after = is_after || i >= place->length || parts[i] > place->part[i];
        if (is_after)
            place->part[i] = (uint32_t)parts[i];
    }
    if (!is_after) {
        walk->faults.backwards++;
        return false;
    }
    place->length = (uint8_t)length;
    return true;
}

static void take_cell(struct phu_walk *walk, struct phu_walk_column *column,
                      const struct phu_varbind *varbind)
{
    column->is_done = true;
    if (varbind->kind == PHU_VARBIND_END || varbind->kind == PHU_VARBIND_MISSING)
        return;
    if (!is_within(varbind, column->prefix)) {
        walk->faults.backwards += is_before(varbind, column->prefix);
        return;
    }
    if (column->cells == walk->limits.rows_max) {
        walk->faults.overflows++;
        return;
    }
    if (!advance(walk, column, varbind))
        return;
    column->is_done = false;
    column->cells++;
    walk->cell(walk->arg, column->id, &column->place, varbind);
}

/* -- Exact walks ------------------------------------------------------------------------------ */

/* The column that finds the rows: the first, or where the device lacks that, the next. NULL when
 * there are scalars alone. */
static struct phu_walk_column *guide_of(struct phu_walk *walk)
{
    struct phu_walk_column *guide = &walk->columns[walk->guide];

    return walk->guide < walk->column_count && guide->kind == PHU_WALK_ROWS ? guide : NULL;
}

static void find_guide(struct phu_walk *walk)
{
    while (guide_of(walk) && guide_of(walk)->is_done && !guide_of(walk)->cells &&
           walk->guide + 1 < walk->column_count)
        walk->guide++;
}

/* Names what of the row, or of the scalars, is still to be got, as far as there is room. */
static void ask_exact(struct phu_walk *walk, struct phu_walk_request *request)
{
    const struct phu_walk_column *guide = guide_of(walk);

    for (unsigned i = walk->turn; i < walk->column_count && walk->asked_count < walk->width; i++) {
        struct phu_walk_column *column = &walk->columns[i];

        if (column->is_done || column == guide)
            continue;
        if (guide)
            set_place(&column->place, &guide->place);
        ask(walk, request, i);
    }
}

static void end_all(struct phu_walk *walk)
{
    for (unsigned i = 0; i < walk->column_count; i++)
        walk->columns[i].is_done = true;
}

static bool next_exact(struct phu_walk *walk, struct phu_walk_request *request)
{
    const struct phu_walk_column *guide;

    find_guide(walk);
    guide = guide_of(walk);
    walk->asked_scalars = request->scalars = 0;
    walk->asked_repetitions = request->repetitions = 1;
    request->is_exact = true;
    if (walk->has_row || !guide)
        ask_exact(walk, request);
    if (walk->asked_count)
        return true;
    walk->has_row = false;
    if (!guide || guide->is_done) {
        end_all(walk);
        return false;
    }
    request->is_exact = false;
    ask(walk, request, walk->guide);
    return true;
}

static bool is_named(const struct phu_varbind *varbind, const struct phu_walk_column *column)
{
    size_t length = column->prefix->length;

    if (varbind->oid_length != length + column->place.length || !is_within(varbind, column->prefix))
        return false;
    for (size_t i = 0; i < column->place.length; i++) {
        if (varbind->oid[length + i] != column->place.part[i])
            return false;
    }
    return varbind->kind != PHU_VARBIND_MISSING && varbind->kind != PHU_VARBIND_END;
}

static void take_exact(struct phu_walk *walk, const struct phu_varbind *varbinds, size_t count)
{
    static const struct phu_index none;
    struct phu_walk_column *guide = guide_of(walk);

    if (guide && walk->asked[0] == walk->guide) {
        take_cell(walk, guide, &varbinds[0]);
        walk->has_row = !guide->is_done;
        walk->turn = 0;
        return;
    }
    for (unsigned i = 0; i < walk->asked_count; i++) {
        struct phu_walk_column *column = &walk->columns[walk->asked[i]];

        walk->turn = walk->asked[i] + 1U;
        column->is_done = !guide;
        if (i >= count || !is_named(&varbinds[i], column))
            continue;
        column->cells++;
        walk->cell(walk->arg, column->id, guide ? &column->place : &none, &varbinds[i]);
    }
}

/* -- Asking and answers ----------------------------------------------------------------------- */

bool phu_walk_next(struct phu_walk *walk, struct phu_walk_request *request)
{
    walk->asked_count = 0;
    request->is_bulk = walk->limits.is_bulk;
    request->is_exact = false;
    request->name_count = 0;
    if (walk->limits.is_exact)
        return next_exact(walk, request);
    if (phu_walk_is_done(walk))
        return false;
    ask_scalars(walk, request);
    if (walk->asked_count == walk->width && is_table_open(walk)) {
        end_steady(walk);
        walk->asked_count = 0;
        request->name_count = 0;
        ask_scalars(walk, request);
    }
    walk->asked_scalars = walk->asked_count;
    ask_rows(walk, request);
    request->scalars = walk->asked_scalars;
    walk->asked_repetitions = request->repetitions = fitting_repetitions(walk);
    return true;
}

const struct phu_index *phu_walk_reached(const struct phu_walk *walk)
{
    const struct phu_index *least = NULL;

    for (unsigned i = 0; i < walk->column_count; i++) {
        const struct phu_walk_column *column = &walk->columns[i];

        if (column->kind == PHU_WALK_ROWS && !column->is_done &&
            (!least || phu_index_compare(&column->place, least) < 0))
            least = &column->place;
    }
    return least;
}

static void end_asked(struct phu_walk *walk)
{
    for (unsigned i = 0; i < walk->asked_count; i++)
        walk->columns[walk->asked[i]].is_done = true;
}

static void ask_for_more(struct phu_walk *walk)
{
    walk->repetitions *= 2;
    if (walk->repetitions > walk->limits.repetitions_max)
        walk->repetitions = walk->limits.repetitions_max;
}

static void note_room(struct phu_walk *walk, size_t objects)
{
    walk->cuts++;
    if (objects < 1)
        objects = 1;
    if (!walk->room || objects < walk->room)
        walk->room = (unsigned)objects;
}

/* The device sent as much as it could hold: what is asked for beyond that is its work for nothing.
 */
static void was_cut(struct phu_walk *walk, size_t count)
{
    note_room(walk, count);
    walk->repetitions = walk->asked_repetitions > 1 ? walk->asked_repetitions / 2 : 1;
    walk->limits.repetitions_max = walk->repetitions;
}

void phu_walk_answer(struct phu_walk *walk, const struct phu_varbind *varbinds, size_t count)
{
    unsigned repeaters = walk->asked_count - walk->asked_scalars;
    size_t wanted = walk->asked_scalars + (size_t)repeaters * walk->asked_repetitions;

    if (count > wanted) {
        walk->faults.surplus++;
        count = wanted;
    }
    if (count == 0 || (repeaters > 0 && count <= walk->asked_scalars)) {
        walk->faults.stalls++;
        phu_walk_error(walk, PHU_WALK_REFUSED, 0);
        return;
    }
    if (walk->limits.is_exact) {
        take_exact(walk, varbinds, count);
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
    if (!walk->limits.is_bulk)
        return;
    if (count == wanted)
        ask_for_more(walk);
    else if (is_table_open(walk))
        was_cut(walk, count);
}

/* Asks for less; false when one object alone is already too much. */
static bool narrow(struct phu_walk *walk)
{
    unsigned repeaters = walk->asked_count - walk->asked_scalars;

    if (walk->asked_repetitions > 1 && repeaters) {
        walk->repetitions = walk->asked_repetitions / 2;
        walk->limits.repetitions_max = walk->repetitions;
        note_room(walk, walk->asked_scalars + (size_t)repeaters * walk->repetitions);
        return true;
    }
    if (walk->asked_count > 1) {
        walk->width = walk->asked_count / 2;
        note_room(walk, walk->width);
        return true;
    }
    walk->cuts++;
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
