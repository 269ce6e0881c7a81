/* Months of counters, on virtual time: a model of a device answers the walk object by object, and
 * knows what it has really carried. Everything that can go wrong goes wrong, by chance and by seed:
 * restarts, resets with and without a sign, wraps of 32 bits and of sysUpTime, other indexes, rows
 * that vanish in the middle of a walk, columns in the wrong order, all ones, answers cut short,
 * silence, polls that were missed for minutes or days.
 *
 * What must hold for every report of an interface:
 *   - its growth is the true traffic between two readings, and covered_ns is the time between them;
 *   - no time is covered twice, and a time that is not covered has an excuse: covered and gaps add
 *     up to the whole;
 *   - where a counter was reset without any sign, the growth is at most the true traffic.
 *
 * PHU_SEED=N plays one device-month of the seed that a failure has printed.
 */
#include "interfaces.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define MS INT64_C(1000000)
#define S INT64_C(1000000000)
#define MONTH (30 * 24 * 3600 * S)
#define POLL_S 60

#define DEVICES 2000
#define PORTS_MAX 6
#define READS 64
#define TRACKED 4 /* octets and packets: what has a truth here */

struct reading {
    int64_t at_ns;
    uint64_t carried[TRACKED];
};

struct port {
    char name[24];
    uint32_t index, seen_index, discontinuity;
    bool is_low, has_discontinuity, is_there;
    uint64_t speed_bps;
    uint64_t shown[PHU_IF_COUNTERS]; /* what the device holds */
    uint64_t carried[TRACKED];       /* the truth */
    uint64_t read[TRACKED];          /* the truth when it was read in this poll */
    struct reading reads[READS];
    unsigned read_count;
    uint64_t first[TRACKED], summed[TRACKED];
    int64_t first_ns, until_ns, covered_ns, gap_ns, seen_ns;
    int64_t excuse_ns; /* the last thing that justifies a gap */
    int64_t silent_ns; /* the last reset that nothing tells */
    unsigned empty;    /* reports in a row without octets */
};

#define WRONG(model, text, ...)                                                                    \
    fail_msg("PHU_SEED=%" PRIu64 ": " text, (model)->started_from, __VA_ARGS__)

/* What is wrong with the device in one poll. */
struct mood {
    int spoilt_column; /* of IF-MIB's two entries as x * 100 + column; -1: none */
    bool is_disordered;
    int silent_after;   /* answers; -1: none */
    int vanishes_after; /* answers; -1 */
    int restarts_after;
    unsigned objects_max;
};

struct model {
    uint64_t seed, started_from;
    int64_t now_ns, booted_ns, engine_booted_ns;
    uint32_t ticks_at_boot;
    bool has_engine, keeps_engine_time, wraps_early;
    struct port ports[PORTS_MAX];
    unsigned port_count;
    struct mood mood;
    struct phu_uptime uptime;
    struct phu_interfaces interfaces;
    struct phu_ifmib ifmib;
    struct phu_ifmib_habits habits;
    int64_t reports, deltas, unequal, restarts_told;
};

static uint32_t chance(uint64_t *seed)
{
    *seed = *seed * UINT64_C(6364136223846793005) + 1442695040888963407U;
    return (uint32_t)(*seed >> 33);
}

static bool one_in(struct model *model, uint32_t n)
{
    return chance(&model->seed) % n == 0;
}

/* -- The device -------------------------------------------------------------------------------- */

static uint32_t ticks_of(const struct model *model)
{
    return model->ticks_at_boot + (uint32_t)((model->now_ns - model->booted_ns) / (10 * MS));
}

static void carry(struct model *model, int64_t span_ns)
{
    for (unsigned i = 0; i < model->port_count; i++) {
        struct port *port = &model->ports[i];
        uint64_t share = one_in(model, 5) ? 0 : chance(&model->seed) % 950;
        uint64_t octets = (uint64_t)((double)port->speed_bps / 8 * (double)span_ns / 1e9) / 1000;
        uint64_t amounts[TRACKED] = {octets * share, octets * (share / 2), octets / 1000 * share,
                                     octets / 2000 * share};

        for (unsigned k = 0; k < TRACKED; k++) {
            port->shown[k] += amounts[k];
            port->carried[k] += amounts[k];
        }
        port->shown[PHU_IF_IN_ERRORS] += chance(&model->seed) % 3;
    }
    model->now_ns += span_ns;
}

static void excuse(struct model *model, struct port *port)
{
    port->excuse_ns = model->now_ns;
}

static void clear(struct port *port)
{
    memset(port->shown, 0, sizeof port->shown);
}

static void restart(struct model *model)
{
    carry(model, (40 + chance(&model->seed) % 100) * S); /* nothing of it was told: it was down */
    model->booted_ns = model->now_ns;
    model->ticks_at_boot = 0;
    if (!model->keeps_engine_time)
        model->engine_booted_ns = model->now_ns;
    for (unsigned i = 0; i < model->port_count; i++) {
        clear(&model->ports[i]);
        model->ports[i].discontinuity = 0;
        excuse(model, &model->ports[i]);
        model->ports[i].silent_ns = model->now_ns;
    }
}

static void reset_port(struct model *model, struct port *port)
{
    if (port->has_discontinuity) {
        port->discontinuity = ticks_of(model);
    } else if (port->is_low) {
        return; /* 32 bits that go back without a sign look like a wrap: nobody can tell */
    } else {
        port->silent_ns = model->now_ns;
    }
    clear(port);
    excuse(model, port);
}

static void renumber(struct model *model)
{
    uint32_t base = 1 + chance(&model->seed) % 100000, turn = chance(&model->seed);

    for (unsigned i = 0; i < model->port_count; i++) {
        struct port *port = &model->ports[i];
        uint32_t index = base + (i + turn) % model->port_count;

        if (index != port->index && !port->has_discontinuity)
            excuse(model, port);
        port->index = index;
    }
}

/* 497 days are over, in 32 bits of hundredths of a second. */
static void note_wrap(struct model *model, uint32_t ticks_before)
{
    if (ticks_of(model) >= ticks_before)
        return;
    for (unsigned i = 0; i < model->port_count; i++) {
        if (model->ports[i].is_low)
            excuse(model, &model->ports[i]);
    }
}

static void live(struct model *model, int64_t span_ns)
{
    uint32_t before = ticks_of(model);

    carry(model, span_ns);
    note_wrap(model, before);
    if (one_in(model, 60))
        restart(model);
    if (one_in(model, 50))
        renumber(model);
    for (unsigned i = 0; i < model->port_count; i++) {
        struct port *port = &model->ports[i];

        if (one_in(model, 100))
            reset_port(model, port);
        if (one_in(model, port->is_there ? 100 : 3))
            port->is_there = !port->is_there;
    }
}

/* -- Its answers ------------------------------------------------------------------------------- */

enum { ENTRY = 0, X_ENTRY = 100 }; /* + column */

static int column_of(const struct phu_oid *prefix)
{
    if (prefix->length == 10 && prefix->part[6] == 2)
        return ENTRY + (int)prefix->part[9];
    if (prefix->length == 11)
        return X_ENTRY + (int)prefix->part[10];
    return -1;
}

struct object {
    struct phu_varbind varbind;
    unsigned long oid[16];
};

static void set_number(struct object *object, enum phu_varbind_kind kind, uint64_t number)
{
    object->varbind.kind = kind;
    object->varbind.number = number;
}

static void show(struct model *model, struct port *port, enum phu_if_counter counter, bool is_high,
                 struct object *object)
{
    if (counter < TRACKED && is_high != port->is_low)
        port->read[counter] = port->carried[counter];
    (void)model;
    if (is_high)
        set_number(object, PHU_VARBIND_COUNTER64, port->shown[counter]);
    else
        set_number(object, PHU_VARBIND_COUNTER32, port->shown[counter] & UINT32_MAX);
}

/* False: the device has no such object. */
static bool read_cell(struct model *model, struct port *port, int column, struct object *object)
{
    static const struct {
        int column;
        enum phu_if_counter counter;
    } counters[] = {
        {X_ENTRY + 6, PHU_IF_IN_OCTETS},   {X_ENTRY + 10, PHU_IF_OUT_OCTETS},
        {X_ENTRY + 7, PHU_IF_IN_PACKETS},  {X_ENTRY + 11, PHU_IF_OUT_PACKETS},
        {ENTRY + 10, PHU_IF_IN_OCTETS},    {ENTRY + 16, PHU_IF_OUT_OCTETS},
        {ENTRY + 11, PHU_IF_IN_PACKETS},   {ENTRY + 17, PHU_IF_OUT_PACKETS},
        {ENTRY + 13, PHU_IF_IN_DISCARDS},  {ENTRY + 14, PHU_IF_IN_ERRORS},
        {ENTRY + 19, PHU_IF_OUT_DISCARDS}, {ENTRY + 20, PHU_IF_OUT_ERRORS},
    };

    for (size_t i = 0; i < sizeof counters / sizeof *counters; i++) {
        if (counters[i].column != column)
            continue;
        if (column > X_ENTRY && port->is_low)
            return false;
        show(model, port, counters[i].counter, column > X_ENTRY, object);
        if (column == model->mood.spoilt_column)
            object->varbind.number = column > X_ENTRY ? UINT64_MAX : UINT32_MAX;
        return true;
    }
    switch (column) {
    case ENTRY + 2:
        object->varbind.kind = PHU_VARBIND_TEXT;
        object->varbind.text = (const uint8_t *)"Ethernet";
        object->varbind.text_length = 8;
        return true;
    case X_ENTRY + 1:
        object->varbind.kind = PHU_VARBIND_TEXT;
        object->varbind.text = (const uint8_t *)port->name;
        object->varbind.text_length = strlen(port->name);
        return true;
    case ENTRY + 7:
    case ENTRY + 8:
        set_number(object, PHU_VARBIND_INTEGER, 1);
        return true;
    case ENTRY + 5:
        set_number(object, PHU_VARBIND_GAUGE,
                   port->speed_bps > UINT32_MAX ? UINT32_MAX : port->speed_bps);
        return true;
    case X_ENTRY + 15:
        set_number(object, PHU_VARBIND_GAUGE, port->speed_bps / 1000000);
        return true;
    case X_ENTRY + 19:
        set_number(object, PHU_VARBIND_TICKS, port->discontinuity);
        return port->has_discontinuity;
    default:
        return false;
    }
}

static void set_oid(struct object *object, const struct phu_oid *prefix, uint32_t index)
{
    for (unsigned i = 0; i < prefix->length; i++)
        object->oid[i] = prefix->part[i];
    object->oid[prefix->length] = index;
    object->varbind.oid = object->oid;
    object->varbind.oid_length = prefix->length + 1U;
}

static struct port *next_port(struct model *model, uint32_t after)
{
    struct port *next = NULL;

    for (unsigned i = 0; i < model->port_count; i++) {
        struct port *port = &model->ports[i];

        if (port->is_there && port->index > after && (!next || port->index < next->index))
            next = port;
    }
    return next;
}

/* The object after a row of a column; the end of the view where there is none. */
static void read_next(struct model *model, const struct phu_oid *prefix, uint32_t after,
                      struct object *object)
{
    struct port *port = next_port(model, after);
    int column = column_of(prefix);

    *object = (struct object){.varbind.kind = PHU_VARBIND_END};
    set_oid(object, prefix, after);
    while (port && !read_cell(model, port, column, object))
        port = next_port(model, port->index);
    if (port)
        set_oid(object, prefix, port->index);
}

static void read_scalar(struct model *model, const struct phu_oid *prefix, struct object *object)
{
    *object = (struct object){.varbind.kind = PHU_VARBIND_MISSING};
    set_oid(object, prefix, 0);
    if (prefix->length == 8)
        set_number(object, PHU_VARBIND_TICKS, ticks_of(model));
    else if (model->has_engine)
        set_number(object, PHU_VARBIND_INTEGER,
                   (uint64_t)((model->now_ns - model->engine_booted_ns) / S));
}

#define OBJECTS_MAX 512

static size_t answer(struct model *model, const struct phu_walk_request *request,
                     struct object *objects)
{
    size_t count = 0, columns = request->name_count - request->scalars;

    for (unsigned i = 0; i < request->scalars; i++)
        read_scalar(model, request->names[i].prefix, &objects[count++]);
    for (unsigned r = 0; r < request->repetitions; r++) {
        for (size_t i = 0; i < columns; i++) {
            const struct phu_walk_name *name = &request->names[request->scalars + i];
            uint32_t after = name->place->length ? name->place->part[0] : 0;

            if (r > 0)
                after = (uint32_t)objects[count - columns].oid[name->prefix->length];
            read_next(model, name->prefix, after, &objects[count++]);
        }
    }
    if (model->mood.is_disordered && columns > 3) {
        struct object swapped = objects[request->scalars];

        objects[request->scalars] = objects[request->scalars + 3];
        objects[request->scalars + 3] = swapped;
        objects[request->scalars].varbind.oid = objects[request->scalars].oid;
        objects[request->scalars + 3].varbind.oid = objects[request->scalars + 3].oid;
    }
    return count < model->mood.objects_max ? count : model->mood.objects_max;
}

/* -- Reports beside the truth ------------------------------------------------------------------ */

static int give_row(void *arg, const char *name, uint32_t *row)
{
    const struct model *model = arg;

    for (*row = 1; *row <= model->port_count; ++*row) {
        if (strcmp(model->ports[*row - 1].name, name) == 0)
            return 0;
    }
    WRONG(model, "there is no port called %s", name);
    return -1;
}

static const struct reading *find_reading(const struct port *port, int64_t at_ns)
{
    for (unsigned i = 0; i < READS && i < port->read_count; i++) {
        if (port->reads[i].at_ns == at_ns)
            return &port->reads[i];
    }
    return NULL;
}

/* 32 bits may have wrapped more than once, or seem to. */
static bool is_too_long(const struct port *port, int64_t span_ns)
{
    double most = (double)port->speed_bps * (9.0 / 64) * ((double)span_ns / 1e9 + 2);

    return port->is_low && most >= 4294967296.0 * 0.98;
}

/* What a report that tells no growth may be excused by, besides what happened to the device. */
static void note_excuses(const struct model *model, struct port *port,
                         const struct phu_interface_report *report)
{
    int64_t at_ns = report->reading->at_ns;
    bool is_forgotten = port->seen_ns && model->now_ns - port->seen_ns > 24 * 3600 * S;

    bool has_moved = port->seen_index && report->reading->index != port->seen_index;
    bool has_proof = report->reading->has_discontinuity;

    if (is_forgotten || port->empty > 1 || (has_moved && !has_proof) ||
        is_too_long(port, at_ns - port->until_ns))
        port->excuse_ns = at_ns ? at_ns : model->now_ns;
}

static void check_gap(const struct model *model, const struct port *port, int64_t at_ns)
{
    if (port->excuse_ns < port->until_ns)
        WRONG(model, "%s: a gap of %.3f s at %.3f s without an excuse", port->name,
              (double)(at_ns - port->until_ns) / 1e9, (double)at_ns / 1e9);
}

static void check_growth(struct model *model, struct port *port,
                         const struct phu_interface_report *report, int64_t begin_ns)
{
    const struct reading *before = find_reading(port, begin_ns);
    bool is_silent = port->silent_ns >= begin_ns;

    if (!before)
        WRONG(model, "%s: it was never read at %.3f s", port->name, (double)begin_ns / 1e9);
    for (unsigned i = 0; i < TRACKED; i++) {
        uint64_t truth = port->read[i] - before->carried[i];
        uint64_t growth = (uint64_t)report->growth[i];

        if (!(report->known & 1U << i) || growth == truth)
            continue;
        if (!is_silent || growth > truth)
            WRONG(model, "%s: counter %u grew by %" PRIu64 ", not %" PRIu64, port->name, i, growth,
                  truth);
        model->unequal++;
    }
    model->deltas++;
}

static void sum_up(const struct model *model, struct port *port,
                   const struct phu_interface_report *report)
{
    for (unsigned i = 0; i < TRACKED; i++) {
        if (report->known & 1U << i)
            port->summed[i] += (uint64_t)report->growth[i];
        if (port->summed[i] > port->carried[i] - port->first[i])
            WRONG(model, "%s: counter %u has more than was carried", port->name, i);
    }
}

static bool has_octets(const struct phu_ifmib_row *row)
{
    for (unsigned i = PHU_IF_IN_OCTETS; i <= PHU_IF_OUT_OCTETS; i++) {
        if (!row->bits[i] || phu_counter_is_sentinel(row->value[i], row->bits[i]))
            return false;
    }
    return true;
}

static void settle(void *arg, const struct phu_interface_report *report)
{
    struct model *model = arg;
    struct port *port = &model->ports[report->row - 1];
    int64_t at_ns = report->reading->at_ns, begin_ns = at_ns - report->covered_ns;

    model->reports++;
    if (strcmp(port->name, report->reading->name) != 0)
        WRONG(model, "%s is taken for %s", report->reading->name, port->name);
    /* Time counts from the first reading with octets of both directions. */
    if (at_ns && port->first_ns == 0 && has_octets(report->reading))
        port->first_ns = port->until_ns = at_ns;
    if (at_ns && port->read_count == 0)
        memcpy(port->first, port->read, sizeof port->first);
    if (!report->covered_ns)
        note_excuses(model, port, report);
    if (report->covered_ns) {
        if (has_octets(report->reading) && (report->known & 3) != 3)
            WRONG(model, "%s: octets of one direction alone", port->name);
        if (begin_ns < port->until_ns)
            WRONG(model, "%s: time is covered twice", port->name);
        if (begin_ns > port->until_ns)
            check_gap(model, port, begin_ns);
        check_growth(model, port, report, begin_ns);
        port->gap_ns += begin_ns - port->until_ns;
        port->covered_ns += report->covered_ns;
        port->until_ns = at_ns;
        if (!has_octets(report->reading)) /* the other direction may begin later: no pair then */
            port->excuse_ns = at_ns;
    }
    sum_up(model, port, report);
    port->empty = report->covered_ns ? 0 : port->empty + 1;
    port->seen_ns = model->now_ns;
    port->seen_index = report->reading->index;
    if (at_ns) {
        struct reading *reading = &port->reads[port->read_count++ % READS];

        reading->at_ns = at_ns;
        memcpy(reading->carried, port->read, sizeof reading->carried);
    }
}

/* -- A poll, as the collector carries it out ----------------------------------------------------
 */

static struct mood random_mood(struct model *model)
{
    static const int columns[] = {X_ENTRY + 6, X_ENTRY + 10, X_ENTRY + 7, ENTRY + 10,
                                  ENTRY + 16,  ENTRY + 13,   ENTRY + 14};
    struct mood mood = {.spoilt_column = -1,
                        .silent_after = -1,
                        .vanishes_after = -1,
                        .restarts_after = -1,
                        .objects_max = OBJECTS_MAX};

    if (!model->habits.rows)
        return mood; /* of a device that errs when it is first met names cannot be told apart */
    if (one_in(model, 15))
        mood.spoilt_column = columns[chance(&model->seed) % 7];
    if (one_in(model, 25))
        mood.silent_after = (int)(chance(&model->seed) % 3);
    if (one_in(model, 10))
        mood.objects_max = 5 + chance(&model->seed) % 40;
    if (one_in(model, 15))
        mood.vanishes_after = (int)(chance(&model->seed) % 3);
    if (one_in(model, 100))
        mood.restarts_after = 1 + (int)(chance(&model->seed) % 2);
    mood.is_disordered = one_in(model, 30);
    return mood;
}

static void walk_once(struct model *model, struct phu_walk *walk,
                      const struct phu_walk_request *request, int answers)
{
    struct object objects[OBJECTS_MAX];
    struct phu_varbind varbinds[OBJECTS_MAX];
    size_t count;

    if (answers == model->mood.restarts_after)
        restart(model);
    if (answers == model->mood.vanishes_after && model->port_count > 1)
        model->ports[chance(&model->seed) % model->port_count].is_there = false;
    count = answer(model, request, objects);
    for (size_t i = 0; i < count; i++)
        varbinds[i] = objects[i].varbind;
    model->ifmib.now_ns = model->now_ns;
    phu_walk_answer(walk, varbinds, count);
    carry(model, (1 + chance(&model->seed) % 200) * MS);
}

/* False: the device fell silent before the end. */
static bool walk(struct model *model, struct phu_walk *walk)
{
    struct phu_walk_request request;
    int answers = 0;

    for (;;) {
        while (!phu_walk_next(walk, &request)) {
            if (!phu_ifmib_extend(&model->ifmib, walk, "*", &model->habits))
                return true;
        }
        if (answers == model->mood.silent_after)
            return false;
        walk_once(model, walk, &request, answers++);
        assert_true(answers < 500);
    }
}

static enum phu_uptime_verdict judge(struct model *model)
{
    enum phu_uptime_verdict verdict = phu_uptime_judge(&model->uptime, &model->ifmib.uptime);

    if (model->ifmib.has_restarted)
        verdict = PHU_UPTIME_RESTARTED;
    if (model->ifmib.uptime.has_ticks || model->ifmib.uptime.has_engine_s)
        model->uptime = model->ifmib.uptime;
    if (verdict == PHU_UPTIME_RESTARTED) {
        model->habits = (struct phu_ifmib_habits){.rows = model->habits.rows};
        model->restarts_told++;
    }
    return verdict;
}

static void poll_device(struct model *model)
{
    struct phu_walk_limits limits = {.is_bulk = true,
                                     .index_length = 1,
                                     .repetitions = model->habits.rows ? model->habits.rows + 1 : 4,
                                     .repetitions_max = 12,
                                     .rows_max = 64};
    struct phu_interfaces_terms terms = {
        .patterns = "*", .row = give_row, .report = settle, .arg = model};
    struct phu_walk columns;

    model->mood = random_mood(model);
    phu_ifmib_reset(&model->ifmib, 64);
    phu_walk_init(&columns, &limits, phu_ifmib_cell, &model->ifmib);
    phu_ifmib_plan(&columns, &model->habits);
    terms.is_complete = walk(model, &columns) && phu_ifmib_is_trusted(&model->ifmib, &columns);
    if (!model->ifmib.uptime.has_ticks)
        return; /* no answer at all */
    terms.uptime = judge(model);
    if (model->ifmib.has_restarted)
        phu_interfaces_reset(&model->interfaces);
    else
        phu_interfaces_apply(&model->interfaces, &model->ifmib, &terms);
}

/* -- Months ------------------------------------------------------------------------------------ */

static void begin(struct model *model, uint64_t seed)
{
    static const uint64_t speeds[] = {UINT64_C(1000000000), UINT64_C(10000000000),
                                      UINT64_C(100000000000)};

    memset(model, 0, sizeof *model);
    model->seed = model->started_from = seed;
    for (int i = 0; i < 8; i++)
        chance(&model->seed);
    model->now_ns = 3600 * S;
    model->ticks_at_boot = UINT32_MAX - chance(&model->seed) % (40 * 8640000U); /* 40 days before */
    model->has_engine = !one_in(model, 3);
    model->keeps_engine_time = one_in(model, 10);
    model->engine_booted_ns = -(int64_t)(chance(&model->seed) % 100000) * S;
    model->port_count = 1 + chance(&model->seed) % PORTS_MAX;
    for (unsigned i = 0; i < model->port_count; i++) {
        struct port *port = &model->ports[i];

        snprintf(port->name, sizeof port->name, "ge-0/0/%u", i);
        port->is_there = true;
        port->is_low = one_in(model, 3);
        port->has_discontinuity = !one_in(model, 3);
        port->speed_bps = port->is_low ? one_in(model, 2) ? 10000000 : 100000000
                                       : speeds[chance(&model->seed) % 3];
        for (unsigned k = 0; k < PHU_IF_COUNTERS; k++)
            port->shown[k] = chance(&model->seed);
        port->index = i + 1;
        port->excuse_ns = port->silent_ns = INT64_MIN;
    }
}

static void end(struct model *model)
{
    for (unsigned i = 0; i < model->port_count; i++) {
        const struct port *port = &model->ports[i];

        if (port->read_count)
            assert_int_equal(port->covered_ns + port->gap_ns, port->until_ns - port->first_ns);
    }
    phu_interfaces_fini(&model->interfaces);
    phu_ifmib_fini(&model->ifmib);
}

/* A month in bursts of polls with hours between them. */
static void play_bursts(struct model *model)
{
    int64_t end_ns = model->now_ns + MONTH;

    while (model->now_ns < end_ns) {
        for (unsigned i = 3 + chance(&model->seed) % 6; i > 0; i--) {
            poll_device(model);
            live(model, POLL_S * S * (one_in(model, 8) ? 2 : 1));
        }
        live(model, (int64_t)(chance(&model->seed) % (one_in(model, 20) ? 400000 : 120000)) * S);
    }
}

static void months_add_up(void **state)
{
    static struct model model;
    const char *given = getenv("PHU_SEED");
    uint64_t first = given ? strtoull(given, NULL, 0) : 20261123;
    int64_t reports = 0, deltas = 0, unequal = 0, restarts = 0;
    double covered_h = 0, gap_h = 0;

    (void)state;
    for (uint64_t seed = first; seed < first + (given ? 1 : DEVICES); seed++) {
        begin(&model, seed);
        play_bursts(&model);
        reports += model.reports;
        deltas += model.deltas;
        unequal += model.unequal;
        restarts += model.restarts_told;
        for (unsigned i = 0; i < model.port_count; i++) {
            covered_h += (double)model.ports[i].covered_ns / 3.6e12;
            gap_h += (double)model.ports[i].gap_ns / 3.6e12;
        }
        end(&model);
    }
    print_message("%" PRId64 " reports, %" PRId64 " deltas, %" PRId64 " below the truth, %" PRId64
                  " restarts, %.0f h covered, %.0f h not\n",
                  reports, deltas, unequal, restarts, covered_h, gap_h);
    if (given)
        return;
    assert_true(deltas > 100 * DEVICES);
    assert_true(unequal * 100 < deltas);
    assert_true(covered_h > gap_h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(months_add_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
