/* IF-MIB: which columns to ask for, and what the answers mean. See ifmib.h. */
#include "ifmib.h"

#include "patterns.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* Ids of columns; from FIRST_COUNTER on two sets of enum phu_if_counter. */
enum column {
    UPTIME,
    ENGINE_TIME,
    NAME,
    DESCR,
    ADMIN,
    OPER,
    SPEED,
    HIGH_SPEED,
    DISCONTINUITY,
    HIGH,                         /* 64-bit octets and packets, 32-bit errors and discards */
    LOW = HIGH + PHU_IF_COUNTERS, /* 32-bit octets and packets */
    COLUMNS = LOW + PHU_IF_IN_ERRORS,
};

#define MBPS_MAX 10000000 /* 10 Tbit/s: what is more than that in ifHighSpeed is no Mbit/s */

static_assert(COLUMNS <= PHU_WALK_COLUMNS_MAX, "a walk must hold every column");

#define IF_ENTRY(column)                                                                           \
    {                                                                                              \
        10,                                                                                        \
        {                                                                                          \
            1, 3, 6, 1, 2, 1, 2, 2, 1, (column)                                                    \
        }                                                                                          \
    }
#define IF_X_ENTRY(column)                                                                         \
    {                                                                                              \
        11,                                                                                        \
        {                                                                                          \
            1, 3, 6, 1, 2, 1, 31, 1, 1, 1, (column)                                                \
        }                                                                                          \
    }

static const struct phu_oid prefixes[COLUMNS] = {
    [UPTIME] = {8, {1, 3, 6, 1, 2, 1, 1, 3}},
    [ENGINE_TIME] = {10, {1, 3, 6, 1, 6, 3, 10, 2, 1, 3}},
    [NAME] = IF_X_ENTRY(1),
    [DESCR] = IF_ENTRY(2),
    [ADMIN] = IF_ENTRY(7),
    [OPER] = IF_ENTRY(8),
    [SPEED] = IF_ENTRY(5),
    [HIGH_SPEED] = IF_X_ENTRY(15),
    [DISCONTINUITY] = IF_X_ENTRY(19),
    [HIGH + PHU_IF_IN_OCTETS] = IF_X_ENTRY(6),
    [HIGH + PHU_IF_OUT_OCTETS] = IF_X_ENTRY(10),
    [HIGH + PHU_IF_IN_PACKETS] = IF_X_ENTRY(7),
    [HIGH + PHU_IF_OUT_PACKETS] = IF_X_ENTRY(11),
    [HIGH + PHU_IF_IN_ERRORS] = IF_ENTRY(14),
    [HIGH + PHU_IF_OUT_ERRORS] = IF_ENTRY(20),
    [HIGH + PHU_IF_IN_DISCARDS] = IF_ENTRY(13),
    [HIGH + PHU_IF_OUT_DISCARDS] = IF_ENTRY(19),
    [LOW + PHU_IF_IN_OCTETS] = IF_ENTRY(10),
    [LOW + PHU_IF_OUT_OCTETS] = IF_ENTRY(16),
    [LOW + PHU_IF_IN_PACKETS] = IF_ENTRY(11),
    [LOW + PHU_IF_OUT_PACKETS] = IF_ENTRY(17),
};

#define NS_PER_TICK INT64_C(10000000)
#define CLOCK_SLACK_TICKS 6000

const struct phu_oid *phu_ifmib_counter_oid(enum phu_if_counter counter, uint8_t bits)
{
    return &prefixes[(bits == 64 || counter >= PHU_IF_IN_ERRORS ? HIGH : LOW) + counter];
}

/* -- Rows ------------------------------------------------------------------------------------ */

void phu_ifmib_reset(struct phu_ifmib *ifmib, size_t rows_max)
{
    struct phu_ifmib_row *rows = ifmib->rows;
    size_t capacity = ifmib->row_capacity;

    *ifmib = (struct phu_ifmib){.rows = rows, .row_capacity = capacity, .rows_max = rows_max};
}

void phu_ifmib_fini(struct phu_ifmib *ifmib)
{
    free(ifmib->rows);
    *ifmib = (struct phu_ifmib){0};
}

static bool has_room(struct phu_ifmib *ifmib)
{
    size_t capacity = ifmib->row_capacity ? ifmib->row_capacity * 2 : 16;
    struct phu_ifmib_row *rows;

    if (ifmib->row_count < ifmib->row_capacity)
        return true;
    rows = realloc(ifmib->rows, capacity * sizeof *rows);
    if (!rows)
        return false;
    ifmib->rows = rows;
    ifmib->row_capacity = capacity;
    return true;
}

/* The first row not below `index`. Columns arrive in ascending order, so it is nearly always the
 * last one or the next. */
static size_t lower_bound(const struct phu_ifmib *ifmib, uint32_t index)
{
    size_t low = 0, high = ifmib->row_count;

    if (high && ifmib->rows[high - 1].index < index)
        return high;
    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (ifmib->rows[middle].index < index)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static struct phu_ifmib_row *row_of(struct phu_ifmib *ifmib, uint32_t index)
{
    size_t at = lower_bound(ifmib, index);

    if (at < ifmib->row_count && ifmib->rows[at].index == index)
        return &ifmib->rows[at];
    if (ifmib->row_count >= ifmib->rows_max || !has_room(ifmib)) {
        ifmib->rows_over_limit++;
        return NULL;
    }
    memmove(&ifmib->rows[at + 1], &ifmib->rows[at], (ifmib->row_count - at) * sizeof *ifmib->rows);
    ifmib->rows[at] = (struct phu_ifmib_row){.index = index};
    ifmib->row_count++;
    return &ifmib->rows[at];
}

const char *phu_ifmib_name(const struct phu_ifmib *ifmib, uint32_t index)
{
    size_t at = lower_bound(ifmib, index);

    if (at == ifmib->row_count || ifmib->rows[at].index != index || !ifmib->rows[at].name[0])
        return NULL;
    return ifmib->rows[at].name;
}

/* -- Cells ----------------------------------------------------------------------------------- */

/* Length of the UTF-8 character at the start, 0 when it is none or a control character. */
static size_t utf8_length(const uint8_t *text, size_t left)
{
    static const uint32_t least[] = {0, 0x20, 0xa0, 0x800, 0x10000};
    size_t length = text[0] < 0x80           ? 1
                    : (text[0] >> 5) == 0x06 ? 2
                    : (text[0] >> 4) == 0x0e ? 3
                    : (text[0] >> 3) == 0x1e ? 4
                                             : 0;
    uint32_t code = length > 1 ? text[0] & (0x7fU >> length) : text[0];

    if (length == 0 || length > left)
        return 0;
    for (size_t i = 1; i < length; i++) {
        if ((text[i] & 0xc0) != 0x80)
            return 0;
        code = code << 6 | (text[i] & 0x3f);
    }
    if (code < least[length] || code == 0x7f || code > 0x10ffff ||
        (code >= 0xd800 && code <= 0xdfff))
        return 0;
    return length;
}

void phu_text_clean(const uint8_t *text, size_t length, char *clean, size_t size)
{
    size_t used = 0;

    /* Some agents count a terminating zero into the text. */
    while (length && (text[length - 1] == '\0' || text[length - 1] == ' '))
        length--;
    while (length && *text == ' ') {
        text++;
        length--;
    }
    while (length) {
        size_t step = utf8_length(text, length);

        if (used + (step ? step : 1) >= size)
            break;
        if (step)
            memcpy(clean + used, text, step);
        else
            clean[used] = '?';
        used += step ? step : 1;
        text += step ? step : 1;
        length -= step ? step : 1;
    }
    clean[used] = '\0';
}

void phu_ifname_clean(const uint8_t *text, size_t length, char name[PHU_IFNAME_SIZE])
{
    phu_text_clean(text, length, name, PHU_IFNAME_SIZE);
}

/* Some devices send times as plain integers. */
static bool is_ticks(const struct phu_varbind *varbind)
{
    return varbind->kind == PHU_VARBIND_TICKS ||
           ((varbind->kind == PHU_VARBIND_INTEGER || varbind->kind == PHU_VARBIND_GAUGE) &&
            varbind->number <= UINT32_MAX);
}

/* Earlier, and not just wrapped while we walked: then it would be ahead by no more than the time
 * between two answers, or between two times that the device looks at its clock. */
static bool is_earlier(const struct phu_uptime *before, uint32_t ticks, int64_t now_ns)
{
    int64_t elapsed = (now_ns - before->at_ns) / NS_PER_TICK;

    return (int64_t)(ticks - before->ticks) > 2 * elapsed + CLOCK_SLACK_TICKS;
}

static bool take_scalar(struct phu_ifmib *ifmib, enum column column,
                        const struct phu_varbind *varbind)
{
    struct phu_uptime *uptime = &ifmib->uptime;

    if (column == ENGINE_TIME) {
        if (varbind->kind != PHU_VARBIND_INTEGER || varbind->number > INT32_MAX)
            return false;
        uptime->has_engine_s = true;
        uptime->at_ns = ifmib->now_ns;
        uptime->engine_s = (int64_t)varbind->number;
        return true;
    }
    if (!is_ticks(varbind))
        return false;
    if (uptime->has_ticks && is_earlier(uptime, (uint32_t)varbind->number, ifmib->now_ns))
        ifmib->has_restarted = true;
    uptime->ticks = (uint32_t)varbind->number;
    uptime->has_ticks = true;
    uptime->at_ns = ifmib->now_ns;
    return true;
}

static bool is_amount(const struct phu_varbind *varbind)
{
    return varbind->kind == PHU_VARBIND_GAUGE ||
           (varbind->kind == PHU_VARBIND_INTEGER && varbind->number <= INT64_MAX);
}

static bool take_speed(struct phu_ifmib_row *row, enum column column,
                       const struct phu_varbind *varbind)
{
    if (!is_amount(varbind))
        return false;
    /* ifSpeed is 2^32-1 where it cannot say more; ifHighSpeed, in Mbit/s, is then the truth. Some
     * devices have bit/s there too. */
    if (column == HIGH_SPEED && varbind->number)
        row->speed_bps = varbind->number * (varbind->number < MBPS_MAX ? 1000000 : 1);
    else if (column == SPEED && !row->speed_bps && varbind->number != UINT32_MAX)
        row->speed_bps = varbind->number;
    return true;
}

static bool take_status(uint8_t *status, const struct phu_varbind *varbind)
{
    if (varbind->kind != PHU_VARBIND_INTEGER || varbind->number < 1 || varbind->number > 7)
        return false;
    *status = (uint8_t)varbind->number;
    return true;
}

/* The width is that on the wire: some devices put 32-bit counters into the 64-bit columns. */
static bool take_counter(struct phu_ifmib *ifmib, struct phu_ifmib_row *row, unsigned counter,
                         const struct phu_varbind *varbind)
{
    uint8_t bits = varbind->kind == PHU_VARBIND_COUNTER64   ? 64
                   : varbind->kind == PHU_VARBIND_COUNTER32 ? 32
                                                            : 0;

    if (bits == 0)
        return false;
    if (row->bits[counter] >= bits)
        return true;
    if (!row->at_ns)
        row->at_ns = ifmib->now_ns;
    row->bits[counter] = bits;
    row->value[counter] = varbind->number;
    return true;
}

static bool take_cell(struct phu_ifmib *ifmib, struct phu_ifmib_row *row, unsigned column,
                      const struct phu_varbind *varbind)
{
    switch (column) {
    case NAME:
    case DESCR:
        if (varbind->kind != PHU_VARBIND_TEXT)
            return false;
        row->has_name_cell = true;
        if (!row->name[0]) {
            phu_ifname_clean(varbind->text, varbind->text_length, row->name);
            row->has_descr_alone = column == DESCR && row->name[0];
        }
        return true;
    case ADMIN:
        return take_status(&row->admin, varbind);
    case OPER:
        return take_status(&row->oper, varbind);
    case SPEED:
    case HIGH_SPEED:
        return take_speed(row, column, varbind);
    case DISCONTINUITY:
        if (!is_ticks(varbind))
            return false;
        row->discontinuity = (uint32_t)varbind->number;
        row->has_discontinuity = true;
        return true;
    default: /* not an enum of states: counters in their two sets */
        return take_counter(ifmib, row, (column - HIGH) % PHU_IF_COUNTERS, varbind);
    }
}

void phu_ifmib_cell(void *arg, unsigned column, const struct phu_index *index,
                    const struct phu_varbind *varbind)
{
    struct phu_ifmib *ifmib = arg;
    struct phu_ifmib_row *row;
    bool is_right;

    if (column == UPTIME || column == ENGINE_TIME) {
        is_right = take_scalar(ifmib, column, varbind);
    } else {
        row = row_of(ifmib, index->part[0]);
        if (!row)
            return;
        is_right = take_cell(ifmib, row, column, varbind);
    }
    ifmib->wrong_types += !is_right;
}

/* -- The plan -------------------------------------------------------------------------------- */

static void add(struct phu_walk *walk, unsigned column)
{
    phu_walk_add(walk, column, &prefixes[column]);
}

static void add_low(struct phu_walk *walk)
{
    for (unsigned i = 0; i < PHU_IF_IN_ERRORS; i++)
        add(walk, LOW + i);
}

void phu_ifmib_plan_clocks(struct phu_walk *walk)
{
    phu_walk_add_scalar(walk, UPTIME, &prefixes[UPTIME], true);
    phu_walk_add_scalar(walk, ENGINE_TIME, &prefixes[ENGINE_TIME], false);
}

void phu_ifmib_plan(struct phu_walk *walk, const struct phu_ifmib_habits *habits)
{
    bool has_high = walk->limits.is_bulk && !habits->lacks_high;

    phu_ifmib_plan_clocks(walk);
    add(walk, habits->lacks_names ? DESCR : NAME);
    for (unsigned i = 0; i < PHU_IF_IN_ERRORS && has_high; i++)
        add(walk, HIGH + i);
    if (!has_high || habits->needs_low)
        add_low(walk);
    for (unsigned i = PHU_IF_IN_ERRORS; i < PHU_IF_COUNTERS; i++)
        add(walk, HIGH + i);
    add(walk, ADMIN);
    add(walk, OPER);
    add(walk, HIGH_SPEED);
    add(walk, DISCONTINUITY);
    if (habits->needs_speed)
        add(walk, SPEED);
}

struct needs {
    bool name, low, speed;
    bool mixes_names;
    size_t with_high; /* rows with a 64-bit counter */
};

static void look_for_needs(const struct phu_ifmib *ifmib, const char *patterns, struct needs *needs)
{
    for (size_t i = 0; i < ifmib->row_count; i++) {
        const struct phu_ifmib_row *row = &ifmib->rows[i];

        needs->with_high += row->bits[PHU_IF_IN_OCTETS] == 64;
        needs->mixes_names |= row->has_descr_alone;
        if (!row->name[0])
            needs->name = true;
        else if (!phu_patterns_match(patterns, row->name))
            continue;
        needs->low |= row->bits[PHU_IF_IN_OCTETS] == 0;
        needs->speed |= row->speed_bps == 0;
    }
}

bool phu_ifmib_is_trusted(const struct phu_ifmib *ifmib, const struct phu_walk *walk)
{
    const struct phu_walk_faults *faults = &walk->faults;

    return !ifmib->has_restarted && !faults->backwards && !faults->misfits && !faults->surplus &&
           !faults->refusals && !faults->stalls && !faults->overflows;
}

/* In a walk that went wrong a missing ifName is no reason to call an interface by its ifDescr this
 * once, as if it were another one. */
static bool may_be_named_by_descr(const struct phu_ifmib *ifmib, const struct phu_walk *walk,
                                  const struct phu_ifmib_habits *habits)
{
    return !habits->rows || habits->mixes_names || phu_ifmib_is_trusted(ifmib, walk);
}

bool phu_ifmib_extend(struct phu_ifmib *ifmib, struct phu_walk *walk, const char *patterns,
                      struct phu_ifmib_habits *habits)
{
    struct needs needs = {0};
    unsigned columns = walk->column_count;

    look_for_needs(ifmib, patterns, &needs);
    if (needs.name && may_be_named_by_descr(ifmib, walk, habits))
        add(walk, DESCR);
    if (needs.low)
        add_low(walk);
    if (needs.speed)
        add(walk, SPEED);
    if (walk->column_count > columns)
        return true;
    habits->rows = (unsigned)ifmib->row_count;
    if (!phu_ifmib_is_trusted(ifmib, walk))
        return false;
    habits->mixes_names = needs.mixes_names;
    habits->lacks_names = phu_walk_has(walk, DESCR) && !phu_walk_cells(walk, NAME);
    habits->needs_low = phu_walk_has(walk, LOW + PHU_IF_IN_OCTETS);
    habits->lacks_high = ifmib->row_count > 0 && needs.with_high == 0;
    habits->needs_speed = phu_walk_has(walk, SPEED);
    return false;
}
