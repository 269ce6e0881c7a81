/* The interfaces of one device from poll to poll. See interfaces.h. */
#include "interfaces.h"

#include "patterns.h"
#include "phusong/varint.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FORGET_NS (INT64_C(24) * 3600 * 1000000000)

/* The smallest packet on any link: 40 bytes of IP. */
#define PACKET_BITS_MIN 320
/* 32 bits of octets on a link of unknown speed may have wrapped after so long: 100 Mbit/s. */
#define WRAP_NS (INT64_C(300) * 1000000000)
/* So many errors a second are beyond belief on any link; packets are what a link's speed bounds. */
#define ERRORS_PER_S_MAX UINT64_C(10000000)

/* A counter that was there before is waited for in so many polls. */
#define HOLES_MAX 2

/* So many are unpacked on the stack. */
#define TABLE_HERE 12

struct phu_interface {
    uint64_t value[PHU_IF_COUNTERS];
    int64_t at_ns;      /* of all baselines */
    int64_t seen_ns;    /* monotonic */
    uint64_t speed_bps; /* as told last; 0: never */
    const char *name;
    uint32_t index; /* ifIndex when it was last seen */
    uint32_t row, discontinuity;
    uint8_t bits[PHU_IF_COUNTERS]; /* of the baselines: 32, 64, or 0: none */
    uint8_t holes;                 /* polls in a row in which one with a baseline was not told */
    bool has_discontinuity;
    bool is_active;       /* in the last poll */
    bool must_start_anew; /* its counters have been reset since it was last seen */
    bool has_doubt;       /* since the baselines: the device may have restarted */
};

/* The interfaces of a device, unpacked for the time of a poll: those of the last poll in its order,
 * then those not seen. */
struct table {
    struct phu_interface *items;
    uint32_t count, active_count;
    bool has_twins;
};

/* -- Packing ---------------------------------------------------------------------------------- */

/* An interface is
 *
 *   flags, widths (two bits for each counter), then as varints: index, row, time of the baselines
 *   and time it was last seen, both as distance from the interface before; speed; with a
 *   discontinuity that; one value for each counter with a baseline; then the name with its zero.
 */
enum {
    HAS_DISCONTINUITY = 1,
    IS_ACTIVE = 2,
    MUST_START_ANEW = 4,
    HAS_DOUBT = 8,
    HOLES = 4, /* shift */
};

#define WIDTH_32 1U
#define WIDTH_64 2U

/* Without the name. */
#define PACKED_MAX (3 + (6 + PHU_IF_COUNTERS) * PHU_VARINT_MAX)

static uint8_t *pack_values(uint8_t *cursor, const struct phu_interface *interface)
{
    unsigned widths = 0;

    for (unsigned i = 0; i < PHU_IF_COUNTERS; i++) {
        if (interface->bits[i])
            widths |= (interface->bits[i] == 64 ? WIDTH_64 : WIDTH_32) << 2 * i;
    }
    *cursor++ = (uint8_t)widths;
    *cursor++ = (uint8_t)(widths >> 8);
    for (unsigned i = 0; i < PHU_IF_COUNTERS; i++) {
        if (interface->bits[i])
            cursor = phu_varint_put(cursor, interface->value[i]);
    }
    return cursor;
}

static const uint8_t *unpack_values(const uint8_t *cursor, struct phu_interface *interface)
{
    static const uint8_t bits[] = {[WIDTH_32] = 32, [WIDTH_64] = 64};
    unsigned widths = cursor[0] | (unsigned)cursor[1] << 8;

    cursor += 2;
    for (unsigned i = 0; i < PHU_IF_COUNTERS; i++) {
        interface->bits[i] = bits[widths >> 2 * i & 3];
        interface->value[i] = interface->bits[i] ? phu_varint_take(&cursor) : 0;
    }
    return cursor;
}

static uint8_t *pack_one(uint8_t *cursor, const struct phu_interface *interface,
                         const struct phu_interface *before)
{
    size_t name_size = strlen(interface->name) + 1;

    *cursor++ = (uint8_t)((interface->has_discontinuity ? HAS_DISCONTINUITY : 0) |
                          (interface->is_active ? IS_ACTIVE : 0) |
                          (interface->must_start_anew ? MUST_START_ANEW : 0) |
                          (interface->has_doubt ? HAS_DOUBT : 0) | interface->holes << HOLES);
    cursor = phu_varint_put(cursor, interface->index);
    cursor = phu_varint_put(cursor, interface->row);
    cursor = phu_varint_put(cursor, phu_varint_fold(interface->at_ns - before->at_ns));
    cursor = phu_varint_put(cursor, phu_varint_fold(interface->seen_ns - before->seen_ns));
    cursor = phu_varint_put(cursor, interface->speed_bps);
    if (interface->has_discontinuity)
        cursor = phu_varint_put(cursor, interface->discontinuity);
    cursor = pack_values(cursor, interface);
    memcpy(cursor, interface->name, name_size);
    return cursor + name_size;
}

static const uint8_t *unpack_one(const uint8_t *cursor, struct phu_interface *interface,
                                 const struct phu_interface *before)
{
    unsigned flags = *cursor++;

    interface->has_discontinuity = flags & HAS_DISCONTINUITY;
    interface->is_active = flags & IS_ACTIVE;
    interface->must_start_anew = flags & MUST_START_ANEW;
    interface->has_doubt = flags & HAS_DOUBT;
    interface->holes = (uint8_t)(flags >> HOLES);
    interface->index = (uint32_t)phu_varint_take(&cursor);
    interface->row = (uint32_t)phu_varint_take(&cursor);
    interface->at_ns = before->at_ns + phu_varint_unfold(phu_varint_take(&cursor));
    interface->seen_ns = before->seen_ns + phu_varint_unfold(phu_varint_take(&cursor));
    interface->speed_bps = phu_varint_take(&cursor);
    interface->discontinuity =
        interface->has_discontinuity ? (uint32_t)phu_varint_take(&cursor) : 0;
    cursor = unpack_values(cursor, interface);
    interface->name = (const char *)cursor;
    return cursor + strlen(interface->name) + 1;
}

static void *allocate(size_t size)
{
    void *memory = calloc(1, size ? size : 1);

    if (!memory)
        abort();
    return memory;
}

static const struct phu_interface nobody;

/* With room for `more` new ones, in `here` when that is enough. Names are borrowed from what is
 * packed. */
static struct table unpack(const struct phu_interfaces *interfaces, size_t more,
                           struct phu_interface here[TABLE_HERE])
{
    size_t room = interfaces->count + more;
    struct table table = {.count = interfaces->count,
                          .active_count = interfaces->active_count,
                          .has_twins = interfaces->has_twins};
    const uint8_t *cursor = interfaces->packed;
    const struct phu_interface *before = &nobody;

    table.items = room <= TABLE_HERE ? here : allocate(room * sizeof *table.items);
    for (uint32_t i = 0; i < table.count; i++) {
        cursor = unpack_one(cursor, &table.items[i], before);
        before = &table.items[i];
    }
    return table;
}

static size_t packed_room(const struct table *table)
{
    size_t room = 0;

    for (uint32_t i = 0; i < table->count; i++)
        room += PACKED_MAX + strlen(table->items[i].name) + 1;
    return room;
}

/* The end of the table. The piece of memory stays where it is large enough and not much too large:
 * malloc gives multiples of 16 bytes. */
static void pack(struct phu_interfaces *interfaces, struct table *table)
{
    uint8_t here[1024];
    size_t room = packed_room(table), size;
    uint8_t *fresh = room <= sizeof here ? here : allocate(room), *cursor = fresh;
    const struct phu_interface *before = &nobody;

    for (uint32_t i = 0; i < table->count; i++) {
        cursor = pack_one(cursor, &table->items[i], before);
        before = &table->items[i];
    }
    size = (size_t)(cursor - fresh);
    if (size == 0) {
        free(interfaces->packed);
        interfaces->packed = NULL;
    } else {
        interfaces->packed = realloc(interfaces->packed, size);
        if (!interfaces->packed)
            abort();
        memcpy(interfaces->packed, fresh, size);
    }
    if (fresh != here)
        free(fresh);
    interfaces->count = table->count;
    interfaces->active_count = table->active_count;
    interfaces->has_twins = table->has_twins;
}

void phu_interfaces_fini(struct phu_interfaces *interfaces)
{
    free(interfaces->packed);
    *interfaces = (struct phu_interfaces){0};
}

void phu_interfaces_reset(struct phu_interfaces *interfaces)
{
    interfaces->must_start_anew = true;
}

/* -- Who is who ------------------------------------------------------------------------------ */

/* Nearly every poll shows the same interfaces in the same order; then nothing needs sorting. */
static bool are_unchanged(const struct table *table, const struct phu_ifmib *ifmib)
{
    size_t at = 0;

    if (table->has_twins)
        return false;
    for (size_t i = 0; i < ifmib->row_count; i++) {
        const struct phu_ifmib_row *row = &ifmib->rows[i];

        if (!row->is_wanted)
            continue;
        if (at == table->active_count || table->items[at].index != row->index ||
            !table->items[at].name || strcmp(table->items[at].name, row->name) != 0)
            return false;
        at++;
    }
    return at == table->active_count;
}

static int compare_rows(const void *a, const void *b)
{
    const struct phu_ifmib_row *const *left = a, *const *right = b;

    return strcmp((*left)->name, (*right)->name);
}

/* An interface that was known before this poll, to be found by name. */
struct known {
    const char *name;
    uint32_t at;
};

struct known_list {
    struct known *items;
    size_t count;
};

static int compare_known(const void *a, const void *b)
{
    const struct known *left = a, *right = b;

    return strcmp(left->name, right->name);
}

static struct known_list list_known(const struct table *table)
{
    struct known_list list = {allocate(table->count * sizeof *list.items), table->count};

    for (uint32_t i = 0; i < list.count; i++)
        list.items[i] = (struct known){table->items[i].name, i};
    if (list.count > 1)
        qsort(list.items, list.count, sizeof *list.items, compare_known);
    return list;
}

static const struct known *find(const struct known_list *list, const char *name)
{
    struct known wanted = {.name = name};

    if (list->count == 0)
        return NULL;
    return bsearch(&wanted, list->items, list->count, sizeof *list->items, compare_known);
}

static void twin_name(char name[PHU_IFNAME_SIZE], const char *base, uint32_t index)
{
    char suffix[16];
    int length = snprintf(suffix, sizeof suffix, "#%" PRIu32, index);
    int room = PHU_IFNAME_SIZE - 1 - length;
    int keep = (int)strlen(base) < room ? (int)strlen(base) : room;

    while (keep > 0 && keep < (int)strlen(base) && (base[keep] & 0xc0) == 0x80)
        keep--;
    snprintf(name, PHU_IFNAME_SIZE, "%.*s%s", keep, base, suffix);
}

/* Gives rows of the same name their index as well. In a poll that broke off, a row whose twin was
 * not reached is recognised by the name it had before. */
static void part_twins(struct table *table, const struct known_list *known,
                       struct phu_ifmib_row **rows, size_t count)
{
    bool had_twins = table->has_twins;
    char name[PHU_IFNAME_SIZE];

    table->has_twins = false;
    if (count > 1)
        qsort(rows, count, sizeof(struct phu_ifmib_row *), compare_rows);
    for (size_t i = 0, next; i < count; i = next) {
        bool is_twin;

        for (next = i + 1; next < count && !compare_rows(&rows[i], &rows[next]);)
            next++;
        is_twin = next - i > 1;
        if (!is_twin && had_twins) {
            twin_name(name, rows[i]->name, rows[i]->index);
            is_twin = find(known, name) != NULL;
        }
        table->has_twins |= is_twin;
        for (size_t k = i; k < next && is_twin; k++) {
            twin_name(name, rows[k]->name, rows[k]->index);
            memcpy(rows[k]->name, name, sizeof name);
        }
    }
}

static struct phu_interface *create(struct table *table, const struct phu_ifmib_row *row,
                                    const struct phu_interfaces_terms *terms)
{
    struct phu_interface *interface = &table->items[table->count];

    *interface = (struct phu_interface){.index = row->index};
    if (terms->row(terms->arg, row->name, &interface->row) < 0)
        return NULL;
    interface->name = row->name; /* lasts until it is packed */
    table->count++;
    return interface;
}

static void recognise(struct phu_interface *interface, const struct phu_ifmib_row *row)
{
    bool is_same = interface->has_discontinuity && row->has_discontinuity &&
                   interface->discontinuity == row->discontinuity;
    bool is_broken = interface->has_discontinuity && row->has_discontinuity && !is_same;
    bool has_moved = interface->index != row->index;

    if (is_broken || (has_moved && !is_same))
        interface->must_start_anew = true;
    interface->index = row->index;
    interface->is_active = true;
    if (!row->has_discontinuity)
        return; /* a poll that broke off; what was told before holds */
    interface->has_discontinuity = true;
    interface->discontinuity = row->discontinuity;
}

/* Active ones first, by index, which is the order of the rows. */
static int compare_order(const void *a, const void *b)
{
    const struct phu_interface *left = a, *right = b;

    if (left->is_active != right->is_active)
        return left->is_active ? -1 : 1;
    return (left->index > right->index) - (left->index < right->index);
}

static void forget_old(struct table *table, int64_t now_ns)
{
    uint32_t kept = table->active_count;

    for (uint32_t i = kept; i < table->count; i++) {
        if (now_ns - table->items[i].seen_ns <= FORGET_NS)
            table->items[kept++] = table->items[i];
    }
    table->count = kept;
}

/* Finds or makes the interface of each row, and brings both into the same order. */
static unsigned identify(struct table *table, struct phu_ifmib_row **rows, size_t count,
                         const struct phu_interfaces_terms *terms)
{
    struct known_list known = list_known(table);
    unsigned homeless = 0;

    for (uint32_t i = 0; i < table->count; i++)
        table->items[i].is_active = false;
    part_twins(table, &known, rows, count);
    for (size_t i = 0; i < count; i++) {
        const struct known *found = find(&known, rows[i]->name);
        struct phu_interface *interface =
            found ? &table->items[found->at] : create(table, rows[i], terms);

        if (found && interface->is_active)
            interface = NULL; /* one called "a#7" beside a twin "a" of index 7 */
        rows[i]->is_wanted = interface != NULL;
        homeless += !interface;
        if (interface) {
            recognise(interface, rows[i]);
            table->active_count++;
        }
    }
    free(known.items);
    if (table->count > 1)
        qsort(table->items, table->count, sizeof *table->items, compare_order);
    return homeless;
}

static bool has_names(const struct phu_ifmib *ifmib)
{
    for (size_t i = 0; i < ifmib->row_count; i++) {
        if (ifmib->rows[i].has_name_cell)
            return true;
    }
    return false;
}

/* A row without a name beside others that have one vanished while it was read. */
static size_t mark_wanted(struct phu_ifmib *ifmib, const struct phu_interfaces_terms *terms)
{
    bool may_be_nameless = terms->is_complete && !has_names(ifmib);
    size_t count = 0;

    for (size_t i = 0; i < ifmib->row_count; i++) {
        struct phu_ifmib_row *row = &ifmib->rows[i];

        if (!row->name[0] && (may_be_nameless || (terms->is_complete && row->has_name_cell)))
            snprintf(row->name, sizeof row->name, "if%" PRIu32, row->index);
        row->is_wanted = row->name[0] && phu_patterns_match(terms->patterns, row->name);
        count += row->is_wanted;
    }
    return count;
}

static unsigned match(struct table *table, struct phu_ifmib *ifmib,
                      const struct phu_interfaces_terms *terms)
{
    size_t count = mark_wanted(ifmib, terms), at = 0;
    struct phu_ifmib_row **rows;
    unsigned homeless;

    if (are_unchanged(table, ifmib)) {
        for (size_t i = 0; i < ifmib->row_count; i++) {
            if (ifmib->rows[i].is_wanted)
                recognise(&table->items[at++], &ifmib->rows[i]);
        }
        return 0;
    }
    table->active_count = 0;
    rows = calloc(count + 1, sizeof(struct phu_ifmib_row *));
    if (!rows)
        abort();
    for (size_t i = 0; i < ifmib->row_count; i++) {
        if (ifmib->rows[i].is_wanted)
            rows[at++] = &ifmib->rows[i];
    }
    homeless = identify(table, rows, at, terms);
    free(rows);
    return homeless;
}

/* -- How much -------------------------------------------------------------------------------- */

#define OCTETS (1U << PHU_IF_IN_OCTETS | 1U << PHU_IF_OUT_OCTETS)

static uint64_t rate_max(uint64_t speed_bps, enum phu_if_counter counter)
{
    uint64_t packets = speed_bps / PACKET_BITS_MIN;

    if (counter == PHU_IF_IN_OCTETS || counter == PHU_IF_OUT_OCTETS)
        return speed_bps / 8 + speed_bps / 64;
    if (counter >= PHU_IF_IN_ERRORS && packets > ERRORS_PER_S_MAX)
        return ERRORS_PER_S_MAX;
    return packets;
}

static void grow(struct phu_interface *interface, struct phu_interface_report *report,
                 enum phu_if_counter i, const struct phu_counter_terms *terms)
{
    const struct phu_ifmib_row *row = report->reading;
    struct phu_counter counter = {interface->value[i], interface->at_ns, interface->bits[i]};
    struct phu_counter_reading reading = {row->value[i], row->at_ns, row->bits[i]};
    struct phu_counter_delta delta = {0};

    switch (phu_counter_update(&counter, &reading, terms, &delta)) {
    case PHU_COUNTER_ABSENT:
        counter.bits = 0;
        break;
    case PHU_COUNTER_FIRST:
        break;
    case PHU_COUNTER_RESET:
        /* Errors and discards are worked out by some devices and may go back alone. */
        report->was_reset |= i < PHU_IF_IN_ERRORS;
        break;
    case PHU_COUNTER_AMBIGUOUS:
        report->is_ambiguous = true;
        break;
    case PHU_COUNTER_DELTA:
        if (!terms->rate_max && reading.bits == 32 && delta.span_ns > WRAP_NS) {
            report->is_ambiguous |= i < PHU_IF_IN_ERRORS;
            break;
        }
        report->known |= 1U << i;
        report->growth[i] = delta.growth;
        break;
    }
    interface->value[i] = counter.value;
    interface->bits[i] = counter.bits;
}

/* A counter that has a baseline was not told this time, or whether it was reset. All counters of an
 * interface move together, so that one span is true for all of them: the next reading covers the
 * gap. */
static bool has_hole(const struct phu_interface *interface, const struct phu_ifmib_row *row)
{
    if (interface->has_discontinuity && !row->has_discontinuity)
        return true;
    for (enum phu_if_counter i = 0; i < PHU_IF_COUNTERS; i++) {
        uint8_t bits = interface->bits[i];

        if (bits && (row->bits[i] != bits || phu_counter_is_sentinel(row->value[i], bits)))
            return true;
    }
    return false;
}

static bool is_silent(const struct phu_ifmib_row *row)
{
    for (enum phu_if_counter i = 0; i < PHU_IF_COUNTERS; i++) {
        if (row->bits[i] && !phu_counter_is_sentinel(row->value[i], row->bits[i]))
            return false;
    }
    return true;
}

static void grow_all(struct phu_interface *interface, struct phu_interface_report *report)
{
    const struct phu_ifmib_row *row = report->reading;
    unsigned octets = 0; /* of which directions there are, or were */

    for (enum phu_if_counter i = 0; i < PHU_IF_COUNTERS; i++) {
        struct phu_counter_terms terms = {.is_wrap_believed = !interface->has_doubt,
                                          .rate_max = rate_max(interface->speed_bps, i)};

        octets |= interface->bits[i] ? OCTETS & 1U << i : 0;
        grow(interface, report, i, &terms);
        octets |= interface->bits[i] ? OCTETS & 1U << i : 0;
    }
    /* One traffic counter that was reset means that all were, though some already grew past. */
    if (report->was_reset)
        report->known = 0;
    /* Octets of one direction alone would look as if the other had carried nothing. */
    if ((report->known & OCTETS) != octets)
        report->known &= ~OCTETS;
    if (report->known & OCTETS)
        report->covered_ns = row->at_ns - interface->at_ns;
    interface->at_ns = row->at_ns;
    interface->has_doubt = false;
}

static bool has_baseline(const struct phu_interface *interface)
{
    for (unsigned i = 0; i < PHU_IF_COUNTERS; i++) {
        if (interface->bits[i])
            return true;
    }
    return false;
}

static void report_one(struct phu_interface *interface, const struct phu_ifmib_row *row,
                       const struct phu_interfaces_terms *terms)
{
    struct phu_interface_report report = {.row = interface->row, .reading = row};

    if (row->speed_bps)
        interface->speed_bps = row->speed_bps;
    if (interface->must_start_anew) {
        report.was_reset = has_baseline(interface);
        memset(interface->bits, 0, sizeof interface->bits);
        interface->must_start_anew = false;
    }
    if (has_hole(interface, row) && (interface->holes < HOLES_MAX || is_silent(row))) {
        interface->holes += interface->holes < HOLES_MAX;
    } else {
        interface->holes = 0;
        interface->has_discontinuity = row->has_discontinuity;
        grow_all(interface, &report);
    }
    terms->report(terms->arg, &report);
}

/* What the device as a whole has gone through since the last poll. */
static void judge_all(struct phu_interfaces *interfaces, struct table *table,
                      enum phu_uptime_verdict uptime)
{
    bool must_start_anew = interfaces->must_start_anew || uptime == PHU_UPTIME_RESTARTED;

    interfaces->must_start_anew = false;
    for (uint32_t i = 0; i < table->count; i++) {
        table->items[i].must_start_anew |= must_start_anew;
        table->items[i].has_doubt |= uptime != PHU_UPTIME_CONTINUES;
    }
}

unsigned phu_interfaces_apply(struct phu_interfaces *interfaces, struct phu_ifmib *ifmib,
                              const struct phu_interfaces_terms *terms)
{
    struct phu_interface here[TABLE_HERE];
    struct table table = unpack(interfaces, ifmib->row_count, here);
    unsigned homeless;
    size_t at = 0;

    judge_all(interfaces, &table, terms->uptime);
    homeless = match(&table, ifmib, terms);
    for (size_t i = 0; i < ifmib->row_count; i++) {
        if (!ifmib->rows[i].is_wanted)
            continue;
        table.items[at].seen_ns = ifmib->now_ns;
        report_one(&table.items[at++], &ifmib->rows[i], terms);
    }
    forget_old(&table, ifmib->now_ns);
    pack(interfaces, &table);
    if (table.items != here)
        free(table.items);
    return homeless;
}
