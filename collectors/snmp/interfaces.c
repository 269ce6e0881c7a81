/* The interfaces of one device from poll to poll. See interfaces.h. */
#include "interfaces.h"

#include "patterns.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FORGET_NS (INT64_C(24) * 3600 * 1000000000)

/* The smallest packet on any link: 40 bytes of IP. */
#define PACKET_BITS_MIN 320

struct phu_interface {
    struct phu_counter counters[PHU_IF_COUNTERS];
    int64_t seen_ns;
    uint32_t index, row, discontinuity;
    bool has_discontinuity;
    bool is_active;       /* in the last poll */
    bool must_start_anew; /* its counters have been reset since it was last seen */
    char name[];
};

void phu_interfaces_fini(struct phu_interfaces *interfaces)
{
    for (size_t i = 0; i < interfaces->count; i++)
        free(interfaces->items[i]);
    free(interfaces->items);
    *interfaces = (struct phu_interfaces){0};
}

void phu_interfaces_reset(struct phu_interfaces *interfaces)
{
    for (size_t i = 0; i < interfaces->count; i++)
        interfaces->items[i]->must_start_anew = true;
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
        if (at == interfaces->active_count || interfaces->items[at]->index != row->index ||
            strcmp(interfaces->items[at]->name, row->name) != 0)
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

static int compare_interfaces(const void *a, const void *b)
{
    const struct phu_interface *const *left = a, *const *right = b;

    return strcmp((*left)->name, (*right)->name);
}

static int compare_name(const void *name, const void *item)
{
    const struct phu_interface *const *interface = item;

    return strcmp(name, (*interface)->name);
}

static void sort(struct phu_interfaces *interfaces, int (*compare)(const void *, const void *))
{
    if (interfaces->count > 1)
        qsort(interfaces->items, interfaces->count, sizeof(struct phu_interface *), compare);
}

static struct phu_interface *find(const struct phu_interfaces *sorted, const char *name)
{
    struct phu_interface **found;

    if (sorted->count == 0)
        return NULL;
    found =
        bsearch(name, sorted->items, sorted->count, sizeof(struct phu_interface *), compare_name);
    return found ? *found : NULL;
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
static void part_twins(struct phu_interfaces *interfaces, struct phu_ifmib_row **rows, size_t count)
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
            is_twin = find(interfaces, name) != NULL;
        }
        interfaces->has_twins |= is_twin;
        for (size_t k = i; k < next && is_twin; k++) {
            twin_name(name, rows[k]->name, rows[k]->index);
            memcpy(rows[k]->name, name, sizeof name);
        }
    }
}

static bool has_room(struct phu_interfaces *interfaces)
{
    size_t capacity = interfaces->capacity ? interfaces->capacity * 2 : 8;
    struct phu_interface **items;

    if (interfaces->count < interfaces->capacity)
        return true;
    items = realloc(interfaces->items, capacity * sizeof(struct phu_interface *));
    if (!items)
        return false;
    interfaces->items = items;
    interfaces->capacity = capacity;
    return true;
}

static struct phu_interface *create(const char *name, const struct phu_interfaces_terms *terms)
{
    size_t size = strlen(name) + 1;
    struct phu_interface *interface = calloc(1, sizeof *interface + size);

    if (!interface)
        return NULL;
    memcpy(interface->name, name, size);
    if (terms->row(terms->arg, name, &interface->row) < 0) {
        free(interface);
        return NULL;
    }
    return interface;
}

static void recognise(struct phu_interface *interface, const struct phu_ifmib_row *row)
{
    bool is_same = interface->has_discontinuity && row->has_discontinuity &&
                   interface->discontinuity == row->discontinuity;
    bool is_broken = interface->has_discontinuity && row->has_discontinuity && !is_same;
    bool has_moved = interface->index != row->index && interface->seen_ns;

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
    const struct phu_interface *const *left = a, *const *right = b;

    if ((*left)->is_active != (*right)->is_active)
        return (*left)->is_active ? -1 : 1;
    return ((*left)->index > (*right)->index) - ((*left)->index < (*right)->index);
}

static void forget_old(struct phu_interfaces *interfaces, int64_t now_ns)
{
    size_t kept = interfaces->active_count;

    for (size_t i = interfaces->active_count; i < interfaces->count; i++) {
        if (now_ns - interfaces->items[i]->seen_ns > FORGET_NS)
            free(interfaces->items[i]);
        else
            interfaces->items[kept++] = interfaces->items[i];
    }
    interfaces->count = kept;
}

/* Finds or makes the interface of each row, and brings both into the same order. */
static unsigned identify(struct phu_interfaces *interfaces, struct phu_ifmib_row **rows,
                         size_t count, const struct phu_interfaces_terms *terms)
{
    size_t known = interfaces->count;
    unsigned homeless = 0;

    for (size_t i = 0; i < known; i++)
        interfaces->items[i]->is_active = false;
    sort(interfaces, compare_interfaces);
    part_twins(interfaces, rows, count);
    for (size_t i = 0; i < count; i++) {
        struct phu_interfaces sorted = {.items = interfaces->items, .count = known};
        struct phu_interface *interface = find(&sorted, rows[i]->name);

        if (!interface && has_room(interfaces) && (interface = create(rows[i]->name, terms)))
            interfaces->items[interfaces->count++] = interface;
        else if (interface && interface->is_active)
            interface = NULL; /* one called "a#7" beside a twin "a" of index 7 */
        rows[i]->is_wanted = interface != NULL;
        homeless += !interface;
        if (interface) {
            recognise(interface, rows[i]);
            interfaces->active_count++;
        }
    }
    sort(interfaces, compare_order);
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
                recognise(interfaces->items[at++], &ifmib->rows[i]);
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

static uint64_t rate_max(const struct phu_ifmib_row *row, enum phu_if_counter counter)
{
    if (counter == PHU_IF_IN_OCTETS || counter == PHU_IF_OUT_OCTETS)
        return row->speed_bps / 8 + row->speed_bps / 64;
    return row->speed_bps / PACKET_BITS_MIN;
}

static void grow(struct phu_interface *interface, struct phu_interface_report *report,
                 enum phu_if_counter i, const struct phu_counter_terms *terms)
{
    const struct phu_ifmib_row *row = report->reading;
    struct phu_counter_reading reading = {row->value[i], row->at_ns, row->bits[i]};
    struct phu_counter_delta delta = {0};

    switch (phu_counter_update(&interface->counters[i], &reading, terms, &delta)) {
    case PHU_COUNTER_ABSENT:
    case PHU_COUNTER_FIRST:
        return;
    case PHU_COUNTER_RESET:
        /* Errors and discards are worked out by some devices and may go back alone. */
        report->was_reset |= i < PHU_IF_IN_ERRORS;
        return;
    case PHU_COUNTER_AMBIGUOUS:
        report->is_ambiguous = true;
        return;
    case PHU_COUNTER_DELTA:
        report->known |= 1U << i;
        report->growth[i] = delta.growth;
        if (report->covered_ns == 0)
            report->covered_ns = delta.span_ns;
        return;
    }
}

static bool has_baseline(const struct phu_interface *interface)
{
    for (unsigned i = 0; i < PHU_IF_COUNTERS; i++) {
        if (interface->counters[i].bits)
            return true;
    }
    return false;
}

static void report_one(struct phu_interface *interface, const struct phu_ifmib_row *row,
                       const struct phu_interfaces_terms *terms)
{
    struct phu_interface_report report = {.row = interface->row, .reading = row};

    if (interface->must_start_anew) {
        report.was_reset = has_baseline(interface);
        memset(interface->counters, 0, sizeof interface->counters);
        interface->must_start_anew = false;
    }
    for (enum phu_if_counter i = 0; i < PHU_IF_COUNTERS; i++) {
        struct phu_counter_terms counter_terms = {.is_wrap_believed =
                                                      terms->uptime == PHU_UPTIME_CONTINUES,
                                                  .rate_max = rate_max(row, i)};

        grow(interface, &report, i, &counter_terms);
    }
    /* One traffic counter that was reset means that all were, though some already grew past. */
    if (report.was_reset) {
        report.known = 0;
        report.covered_ns = 0;
    }
    terms->report(terms->arg, &report);
}

unsigned phu_interfaces_apply(struct phu_interfaces *interfaces, struct phu_ifmib *ifmib,
                              const struct phu_interfaces_terms *terms)
{
    unsigned homeless;
    size_t at = 0;

    if (terms->uptime == PHU_UPTIME_RESTARTED)
        phu_interfaces_reset(interfaces);
    homeless = match(interfaces, ifmib, terms);
    for (size_t i = 0; i < ifmib->row_count; i++) {
        if (!ifmib->rows[i].is_wanted)
            continue;
        interfaces->items[at]->seen_ns = ifmib->now_ns;
        report_one(interfaces->items[at++], &ifmib->rows[i], terms);
    }
    forget_old(interfaces, ifmib->now_ns);
    return homeless;
}
