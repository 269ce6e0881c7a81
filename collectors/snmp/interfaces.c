/* The interfaces of one device from poll to poll. See interfaces.h. */
#include "interfaces.h"

#include "patterns.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FORGET_S (24 * 3600)
#define NS_PER_S INT64_C(1000000000)

/* The smallest packet on any link: 40 bytes of IP. */
#define PACKET_BITS_MIN 320
/* So many errors a second are beyond belief on any link; packets are what a link's speed bounds. */
#define ERRORS_PER_S_MAX UINT64_C(10000000)

/* A counter that was there before is waited for in so many polls. */
#define HOLES_MAX 2

/* Millions of them are kept, so counters share one time, and what has no baseline says so in two
 * bits. */
struct phu_interface {
    uint64_t value[PHU_IF_COUNTERS];
    int64_t at_ns;  /* of all baselines */
    uint32_t name;  /* offset in names */
    uint32_t index; /* ifIndex when it was last seen */
    uint32_t row, discontinuity;
    uint32_t seen_s; /* monotonic */
    uint16_t widths; /* two bits for each counter: enum width */
    uint8_t holes;   /* polls in a row in which a counter with a baseline was not told */
    bool has_discontinuity : 1;
    bool is_active : 1;       /* in the last poll */
    bool must_start_anew : 1; /* its counters have been reset since it was last seen */
    bool has_doubt : 1;       /* since the baselines: the device may have restarted */
};

static_assert(sizeof(struct phu_interface) == 96, "by the million");

enum width { NO_BASELINE, WIDTH_32, WIDTH_64 };

static uint8_t bits_of(const struct phu_interface *interface, enum phu_if_counter i)
{
    static const uint8_t bits[] = {[WIDTH_32] = 32, [WIDTH_64] = 64};

    return bits[interface->widths >> 2 * i & 3];
}

static void set_bits(struct phu_interface *interface, enum phu_if_counter i, uint8_t bits)
{
    unsigned width = bits == 64 ? WIDTH_64 : bits == 32 ? WIDTH_32 : NO_BASELINE;

    interface->widths = (uint16_t)((interface->widths & ~(3U << 2 * i)) | width << 2 * i);
}

static const char *name_of(const struct phu_interfaces *interfaces,
                           const struct phu_interface *interface)
{
    return interfaces->names + interface->name;
}

void phu_interfaces_fini(struct phu_interfaces *interfaces)
{
    free(interfaces->items);
    free(interfaces->names);
    *interfaces = (struct phu_interfaces){0};
}

void phu_interfaces_reset(struct phu_interfaces *interfaces)
{
    for (uint32_t i = 0; i < interfaces->count; i++)
        interfaces->items[i].must_start_anew = true;
}

/* -- Room ------------------------------------------------------------------------------------ */

static void *resize(void *memory, size_t size)
{
    memory = realloc(memory, size ? size : 1);
    if (!memory)
        abort();
    return memory;
}

/* For `count` more, with names of their own; the names stay where they are until trim(). */
static void make_room(struct phu_interfaces *interfaces, size_t count)
{
    interfaces->items =
        resize(interfaces->items, (interfaces->count + count) * sizeof *interfaces->items);
    interfaces->names = resize(interfaces->names, interfaces->names_size + count * PHU_IFNAME_SIZE);
}

/* Gives back what make_room() took too much. */
static void trim(struct phu_interfaces *interfaces)
{
    interfaces->items = resize(interfaces->items, interfaces->count * sizeof *interfaces->items);
    interfaces->names = resize(interfaces->names, interfaces->names_size);
}

static uint32_t keep_name(struct phu_interfaces *interfaces, const char *name)
{
    size_t size = strlen(name) + 1;
    uint32_t offset = interfaces->names_size;

    memcpy(interfaces->names + offset, name, size);
    interfaces->names_size += (uint32_t)size;
    return offset;
}

/* Names of those that are gone go too. */
static void keep_names_of_items(struct phu_interfaces *interfaces)
{
    char *names = interfaces->names;

    interfaces->names = resize(NULL, interfaces->names_size);
    interfaces->names_size = 0;
    for (uint32_t i = 0; i < interfaces->count; i++)
        interfaces->items[i].name = keep_name(interfaces, names + interfaces->items[i].name);
    free(names);
    trim(interfaces);
}

/* -- Who is who ------------------------------------------------------------------------------ */

/* Nearly every poll shows the same interfaces in the same order; then nothing needs sorting. */
static bool are_unchanged(const struct phu_interfaces *interfaces, const struct phu_ifmib *ifmib)
{
    size_t at = 0;

    if (interfaces->has_twins)
        return false;
    for (size_t i = 0; i < ifmib->row_count; i++) {
        const struct phu_ifmib_row *row = &ifmib->rows[i];

        if (!row->is_wanted)
            continue;
        if (at == interfaces->active_count || interfaces->items[at].index != row->index ||
            strcmp(name_of(interfaces, &interfaces->items[at]), row->name) != 0)
            return false;
        at++;
    }
    return at == interfaces->active_count;
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

static struct known_list list_known(const struct phu_interfaces *interfaces)
{
    struct known_list list = {resize(NULL, interfaces->count * sizeof *list.items),
                              interfaces->count};

    for (uint32_t i = 0; i < list.count; i++)
        list.items[i] = (struct known){name_of(interfaces, &interfaces->items[i]), i};
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
static void part_twins(struct phu_interfaces *interfaces, const struct known_list *known,
                       struct phu_ifmib_row **rows, size_t count)
{
    bool had_twins = interfaces->has_twins;
    char name[PHU_IFNAME_SIZE];

    interfaces->has_twins = false;
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
        interfaces->has_twins |= is_twin;
        for (size_t k = i; k < next && is_twin; k++) {
            twin_name(name, rows[k]->name, rows[k]->index);
            memcpy(rows[k]->name, name, sizeof name);
        }
    }
}

static struct phu_interface *create(struct phu_interfaces *interfaces,
                                    const struct phu_ifmib_row *row,
                                    const struct phu_interfaces_terms *terms)
{
    struct phu_interface *interface = &interfaces->items[interfaces->count];

    *interface = (struct phu_interface){.index = row->index};
    if (terms->row(terms->arg, row->name, &interface->row) < 0)
        return NULL;
    interface->name = keep_name(interfaces, row->name);
    interfaces->count++;
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
    interface->has_discontinuity = row->has_discontinuity;
    interface->discontinuity = row->discontinuity;
    interface->is_active = true;
}

/* Active ones first, by index, which is the order of the rows. */
static int compare_order(const void *a, const void *b)
{
    const struct phu_interface *left = a, *right = b;

    if (left->is_active != right->is_active)
        return left->is_active ? -1 : 1;
    return (left->index > right->index) - (left->index < right->index);
}

static void forget_old(struct phu_interfaces *interfaces, uint32_t now_s)
{
    uint32_t kept = interfaces->active_count, count = interfaces->count;

    for (uint32_t i = kept; i < count; i++) {
        if (now_s - interfaces->items[i].seen_s <= FORGET_S)
            interfaces->items[kept++] = interfaces->items[i];
    }
    interfaces->count = kept;
    if (kept != count)
        keep_names_of_items(interfaces);
}

/* Finds or makes the interface of each row, and brings both into the same order. */
static unsigned identify(struct phu_interfaces *interfaces, struct phu_ifmib_row **rows,
                         size_t count, const struct phu_interfaces_terms *terms)
{
    struct known_list known;
    unsigned homeless = 0;

    make_room(interfaces, count);
    known = list_known(interfaces);
    for (uint32_t i = 0; i < interfaces->count; i++)
        interfaces->items[i].is_active = false;
    part_twins(interfaces, &known, rows, count);
    for (size_t i = 0; i < count; i++) {
        const struct known *found = find(&known, rows[i]->name);
        struct phu_interface *interface =
            found ? &interfaces->items[found->at] : create(interfaces, rows[i], terms);

        if (found && interface->is_active)
            interface = NULL; /* one called "a#7" beside a twin "a" of index 7 */
        rows[i]->is_wanted = interface != NULL;
        homeless += !interface;
        if (interface) {
            recognise(interface, rows[i]);
            interfaces->active_count++;
        }
    }
    free(known.items);
    if (interfaces->count > 1)
        qsort(interfaces->items, interfaces->count, sizeof *interfaces->items, compare_order);
    trim(interfaces);
    return homeless;
}

static size_t mark_wanted(struct phu_ifmib *ifmib, const struct phu_interfaces_terms *terms)
{
    size_t count = 0;

    for (size_t i = 0; i < ifmib->row_count; i++) {
        struct phu_ifmib_row *row = &ifmib->rows[i];

        if (!row->name[0] && terms->is_complete)
            snprintf(row->name, sizeof row->name, "if%" PRIu32, row->index);
        row->is_wanted = row->name[0] && phu_patterns_match(terms->patterns, row->name);
        count += row->is_wanted;
    }
    return count;
}

static unsigned match(struct phu_interfaces *interfaces, struct phu_ifmib *ifmib,
                      const struct phu_interfaces_terms *terms)
{
    size_t count = mark_wanted(ifmib, terms), at = 0;
    struct phu_ifmib_row **rows;
    unsigned homeless;

    if (are_unchanged(interfaces, ifmib)) {
        for (size_t i = 0; i < ifmib->row_count; i++) {
            if (ifmib->rows[i].is_wanted)
                recognise(&interfaces->items[at++], &ifmib->rows[i]);
        }
        return 0;
    }
    interfaces->active_count = 0;
    rows = calloc(count + 1, sizeof(struct phu_ifmib_row *));
    if (!rows)
        abort();
    for (size_t i = 0; i < ifmib->row_count; i++) {
        if (ifmib->rows[i].is_wanted)
            rows[at++] = &ifmib->rows[i];
    }
    homeless = identify(interfaces, rows, count, terms);
    free(rows);
    return homeless;
}

/* -- How much -------------------------------------------------------------------------------- */

#define OCTETS (1U << PHU_IF_IN_OCTETS | 1U << PHU_IF_OUT_OCTETS)

static uint64_t rate_max(const struct phu_ifmib_row *row, enum phu_if_counter counter)
{
    uint64_t packets = row->speed_bps / PACKET_BITS_MIN;

    if (counter == PHU_IF_IN_OCTETS || counter == PHU_IF_OUT_OCTETS)
        return row->speed_bps / 8 + row->speed_bps / 64;
    if (counter >= PHU_IF_IN_ERRORS && packets > ERRORS_PER_S_MAX)
        return ERRORS_PER_S_MAX;
    return packets;
}

static void grow(struct phu_interface *interface, struct phu_interface_report *report,
                 enum phu_if_counter i, const struct phu_counter_terms *terms)
{
    const struct phu_ifmib_row *row = report->reading;
    struct phu_counter counter = {interface->value[i], interface->at_ns, bits_of(interface, i)};
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
        report->known |= 1U << i;
        report->growth[i] = delta.growth;
        break;
    }
    interface->value[i] = counter.value;
    set_bits(interface, i, counter.bits);
}

/* A counter that has a baseline was not told this time. All counters of an interface move together,
 * so that one span is true for all of them: the next reading covers the gap. */
static bool has_hole(const struct phu_interface *interface, const struct phu_ifmib_row *row)
{
    for (enum phu_if_counter i = 0; i < PHU_IF_COUNTERS; i++) {
        uint8_t bits = bits_of(interface, i);

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
    unsigned octets = 0; /* those that are told */

    for (enum phu_if_counter i = 0; i < PHU_IF_COUNTERS; i++) {
        struct phu_counter_terms terms = {.is_wrap_believed = !interface->has_doubt,
                                          .rate_max = rate_max(row, i)};

        grow(interface, report, i, &terms);
        octets |= bits_of(interface, i) ? OCTETS & 1U << i : 0;
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

static void report_one(struct phu_interface *interface, const struct phu_ifmib_row *row,
                       const struct phu_interfaces_terms *terms)
{
    struct phu_interface_report report = {.row = interface->row, .reading = row};

    if (interface->must_start_anew) {
        report.was_reset = interface->widths != 0;
        interface->widths = 0;
        interface->must_start_anew = false;
    }
    if (has_hole(interface, row) && (interface->holes < HOLES_MAX || is_silent(row))) {
        interface->holes += interface->holes < HOLES_MAX;
    } else {
        interface->holes = 0;
        grow_all(interface, &report);
    }
    terms->report(terms->arg, &report);
}

unsigned phu_interfaces_apply(struct phu_interfaces *interfaces, struct phu_ifmib *ifmib,
                              const struct phu_interfaces_terms *terms)
{
    uint32_t now_s = (uint32_t)(ifmib->now_ns / NS_PER_S);
    unsigned homeless;
    size_t at = 0;

    if (terms->uptime == PHU_UPTIME_RESTARTED)
        phu_interfaces_reset(interfaces);
    for (uint32_t i = 0; i < interfaces->count && terms->uptime != PHU_UPTIME_CONTINUES; i++)
        interfaces->items[i].has_doubt = true;
    homeless = match(interfaces, ifmib, terms);
    for (size_t i = 0; i < ifmib->row_count; i++) {
        if (!ifmib->rows[i].is_wanted)
            continue;
        interfaces->items[at].seen_s = now_s;
        report_one(&interfaces->items[at++], &ifmib->rows[i], terms);
    }
    forget_old(interfaces, now_s);
    return homeless;
}
