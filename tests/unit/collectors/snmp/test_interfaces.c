/* Interfaces from poll to poll: identity, resets, and a month of counters whose deltas must add up
 * to the true traffic with every gap accounted for. */
#include "interfaces.h"
#include "patterns.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define S INT64_C(1000000000)
#define ROWS_MAX 64

struct bench {
    struct phu_interfaces interfaces;
    struct phu_ifmib ifmib;
    struct phu_interfaces_terms terms;
    char names[ROWS_MAX][PHU_IFNAME_SIZE];
    uint32_t name_count, name_limit;
    struct phu_interface_report last[ROWS_MAX]; /* by row - 1 */
    unsigned reports;
};

static int give_row(void *arg, const char *name, uint32_t *row)
{
    struct bench *bench = arg;

    for (*row = 1; *row <= bench->name_count; ++*row) {
        if (!strcmp(bench->names[*row - 1], name))
            return 0;
    }
    if (bench->name_count == bench->name_limit)
        return -1;
    snprintf(bench->names[bench->name_count++], PHU_IFNAME_SIZE, "%s", name);
    return 0;
}

static void take_report(void *arg, const struct phu_interface_report *report)
{
    struct bench *bench = arg;

    bench->last[report->row - 1] = *report;
    bench->reports++;
}

static void start(struct bench *bench, const char *patterns)
{
    memset(bench, 0, sizeof *bench);
    bench->name_limit = ROWS_MAX;
    bench->terms = (struct phu_interfaces_terms){.patterns = patterns,
                                                 .uptime = PHU_UPTIME_CONTINUES,
                                                 .is_complete = true,
                                                 .row = give_row,
                                                 .report = take_report,
                                                 .arg = bench};
}

static void stop(struct bench *bench)
{
    phu_interfaces_fini(&bench->interfaces);
    phu_ifmib_fini(&bench->ifmib);
}

static void begin_poll(struct bench *bench, int64_t at_s)
{
    phu_ifmib_reset(&bench->ifmib, ROWS_MAX);
    if (!bench->ifmib.rows) {
        bench->ifmib.rows = calloc(ROWS_MAX, sizeof *bench->ifmib.rows);
        bench->ifmib.row_capacity = ROWS_MAX;
    }
    bench->ifmib.now_ns = at_s * S;
    bench->reports = 0;
    memset(bench->last, 0, sizeof bench->last);
}

static struct phu_ifmib_row *add(struct bench *bench, uint32_t index, const char *name,
                                 uint64_t octets)
{
    struct phu_ifmib_row *row = &bench->ifmib.rows[bench->ifmib.row_count++];

    *row = (struct phu_ifmib_row){
        .index = index, .at_ns = bench->ifmib.now_ns, .speed_bps = 1000000000};
    snprintf(row->name, sizeof row->name, "%s", name);
    row->bits[PHU_IF_IN_OCTETS] = row->bits[PHU_IF_OUT_OCTETS] = 64;
    row->value[PHU_IF_IN_OCTETS] = octets;
    row->value[PHU_IF_OUT_OCTETS] = octets / 2;
    return row;
}

static unsigned end_poll(struct bench *bench)
{
    return phu_interfaces_apply(&bench->interfaces, &bench->ifmib, &bench->terms);
}

static const struct phu_interface_report *of(const struct bench *bench, const char *name)
{
    for (uint32_t i = 0; i < bench->name_count; i++) {
        if (!strcmp(bench->names[i], name) && bench->last[i].row)
            return &bench->last[i];
    }
    return NULL;
}

static int64_t in_octets(const struct bench *bench, const char *name)
{
    const struct phu_interface_report *report = of(bench, name);

    if (!report || !(report->known & 1U << PHU_IF_IN_OCTETS))
        return -1;
    return report->growth[PHU_IF_IN_OCTETS];
}

static void deltas_follow_the_name(void **state)
{
    struct bench bench;

    (void)state;
    start(&bench, "*");
    begin_poll(&bench, 60);
    add(&bench, 1, "eth0", 1000);
    add(&bench, 2, "eth1", 5000);
    end_poll(&bench);
    assert_int_equal(in_octets(&bench, "eth0"), -1);
    begin_poll(&bench, 120);
    add(&bench, 1, "eth0", 1600);
    add(&bench, 2, "eth1", 5100);
    end_poll(&bench);
    assert_int_equal(in_octets(&bench, "eth0"), 600);
    assert_int_equal(in_octets(&bench, "eth1"), 100);
    assert_int_equal(of(&bench, "eth1")->covered_ns, 60 * S);
    stop(&bench);
}

static void renumbering_is_no_spike(void **state)
{
    struct bench bench;

    (void)state;
    start(&bench, "*");
    begin_poll(&bench, 60);
    add(&bench, 1, "eth0", 1000);
    add(&bench, 2, "eth1", 9000000);
    end_poll(&bench);
    begin_poll(&bench, 120); /* the two have swapped their indexes */
    add(&bench, 1, "eth1", 9000100);
    add(&bench, 2, "eth0", 1600);
    end_poll(&bench);
    assert_int_equal(in_octets(&bench, "eth0"), -1);
    assert_int_equal(in_octets(&bench, "eth1"), -1);
    assert_true(of(&bench, "eth0")->was_reset);
    begin_poll(&bench, 180);
    add(&bench, 1, "eth1", 9000300);
    add(&bench, 2, "eth0", 1700);
    end_poll(&bench);
    assert_int_equal(in_octets(&bench, "eth0"), 100);
    assert_int_equal(in_octets(&bench, "eth1"), 200);
    stop(&bench);
}

static void renumbering_with_proof_goes_on(void **state)
{
    struct bench bench;
    struct phu_ifmib_row *row;

    (void)state;
    start(&bench, "*");
    begin_poll(&bench, 60);
    row = add(&bench, 1, "eth0", 1000);
    row->has_discontinuity = true;
    row->discontinuity = 77;
    end_poll(&bench);
    begin_poll(&bench, 120);
    row = add(&bench, 9, "eth0", 1500);
    row->has_discontinuity = true;
    row->discontinuity = 77;
    end_poll(&bench);
    assert_int_equal(in_octets(&bench, "eth0"), 500);
    stop(&bench);
}

static void a_discontinuity_is_a_reset(void **state)
{
    struct bench bench;
    struct phu_ifmib_row *row;

    (void)state;
    start(&bench, "*");
    for (uint32_t i = 0; i < 3; i++) {
        begin_poll(&bench, 60 + 60 * i);
        row = add(&bench, 1, "eth0", 1000 + 1000 * i);
        row->has_discontinuity = true;
        row->discontinuity = i < 1 ? 5 : 500;
        end_poll(&bench);
        assert_int_equal(in_octets(&bench, "eth0"), i < 2 ? -1 : 1000);
        assert_int_equal(of(&bench, "eth0")->was_reset, i == 1);
    }
    stop(&bench);
}

static void a_restart_is_a_reset_for_the_unseen_too(void **state)
{
    struct bench bench;

    (void)state;
    start(&bench, "*");
    begin_poll(&bench, 60);
    add(&bench, 1, "eth0", 1000);
    add(&bench, 2, "eth1", 1000);
    end_poll(&bench);
    begin_poll(&bench, 120);
    add(&bench, 1, "eth0", 2000);
    bench.terms.uptime = PHU_UPTIME_RESTARTED;
    end_poll(&bench);
    assert_true(of(&bench, "eth0")->was_reset);
    bench.terms.uptime = PHU_UPTIME_CONTINUES;
    begin_poll(&bench, 180);
    add(&bench, 1, "eth0", 2300);
    add(&bench, 2, "eth1", 5000); /* comes back after the restart */
    end_poll(&bench);
    assert_int_equal(in_octets(&bench, "eth0"), 300);
    assert_int_equal(in_octets(&bench, "eth1"), -1);
    assert_true(of(&bench, "eth1")->was_reset);
    stop(&bench);
}

static void one_shrunken_counter_voids_the_row(void **state)
{
    struct bench bench;
    struct phu_ifmib_row *row;

    (void)state;
    start(&bench, "*");
    begin_poll(&bench, 60);
    add(&bench, 1, "eth0", 1000);
    end_poll(&bench);
    begin_poll(&bench, 120);
    row = add(&bench, 1, "eth0", 400);
    row->value[PHU_IF_OUT_OCTETS] = 600; /* this one has grown past already */
    end_poll(&bench);
    assert_int_equal(of(&bench, "eth0")->known, 0);
    assert_int_equal(of(&bench, "eth0")->covered_ns, 0);
    assert_true(of(&bench, "eth0")->was_reset);
    stop(&bench);
}

static void errors_that_shrink_void_only_themselves(void **state)
{
    struct bench bench;

    (void)state;
    start(&bench, "*");
    for (uint32_t i = 0; i < 2; i++) {
        struct phu_ifmib_row *row;

        begin_poll(&bench, 60 + 60 * i);
        row = add(&bench, 1, "eth0", 1000 + 10 * i);
        row->bits[PHU_IF_IN_ERRORS] = 32;
        row->value[PHU_IF_IN_ERRORS] = 10 - i;
        end_poll(&bench);
    }
    assert_int_equal(in_octets(&bench, "eth0"), 10);
    assert_false(of(&bench, "eth0")->known & 1U << PHU_IF_IN_ERRORS);
    assert_false(of(&bench, "eth0")->was_reset);
    stop(&bench);
}

/* Polls eth0 every minute with the same growth; `spoil` changes the row of a poll. */
static void poll_minutes(struct bench *bench, unsigned polls,
                         void (*spoil)(unsigned poll, struct phu_ifmib_row *row),
                         void (*check)(unsigned poll, const struct phu_interface_report *report))
{
    start(bench, "*");
    for (unsigned i = 0; i < polls; i++) {
        struct phu_ifmib_row *row;

        begin_poll(bench, 60 + 60 * i);
        row = add(bench, 1, "eth0", 1000 + 100 * i);
        spoil(i, row);
        end_poll(bench);
        check(i, of(bench, "eth0"));
    }
    stop(bench);
}

static void lose_out_octets_once(unsigned poll, struct phu_ifmib_row *row)
{
    if (poll == 2)
        row->bits[PHU_IF_OUT_OCTETS] = 0;
    if (poll == 4)
        row->value[PHU_IF_OUT_OCTETS] = UINT64_MAX;
}

static void check_gap_is_covered(unsigned poll, const struct phu_interface_report *report)
{
    bool is_told = poll != 0 && poll != 2 && poll != 4;
    bool is_after = poll == 3 || poll == 5;

    assert_int_equal(report->known, is_told ? 3 : 0);
    assert_int_equal(report->covered_ns, is_told ? (is_after ? 120 : 60) * S : 0);
    assert_int_equal(report->growth[PHU_IF_IN_OCTETS], is_told ? is_after ? 200 : 100 : 0);
    assert_false(report->was_reset);
}

static void a_missing_counter_is_waited_for(void **state)
{
    struct bench bench;

    (void)state;
    poll_minutes(&bench, 8, lose_out_octets_once, check_gap_is_covered);
}

static void lose_discards(unsigned poll, struct phu_ifmib_row *row)
{
    row->bits[PHU_IF_IN_DISCARDS] = poll < 3 ? 32 : 0;
    row->value[PHU_IF_IN_DISCARDS] = 7;
}

static void check_the_rest_goes_on(unsigned poll, const struct phu_interface_report *report)
{
    if (poll == 3 || poll == 4)
        assert_int_equal(report->known, 0);
    else if (poll == 5)
        assert_int_equal(report->covered_ns, 180 * S);
    else if (poll > 5)
        assert_int_equal(report->covered_ns, 60 * S);
    if (poll >= 5)
        assert_int_equal(report->known, 3);
}

static void a_counter_that_stays_away_is_given_up(void **state)
{
    struct bench bench;

    (void)state;
    poll_minutes(&bench, 8, lose_discards, check_the_rest_goes_on);
}

static void gain_out_octets(unsigned poll, struct phu_ifmib_row *row)
{
    if (poll < 2)
        row->bits[PHU_IF_OUT_OCTETS] = 0;
    row->bits[PHU_IF_IN_PACKETS] = 64;
}

static void check_no_direction_alone(unsigned poll, const struct phu_interface_report *report)
{
    static const unsigned in = 1U << PHU_IF_IN_OCTETS, both = 3, packets = 1U << PHU_IF_IN_PACKETS;
    const unsigned known[] = {0, in | packets, packets, both | packets};

    assert_int_equal(report->known, known[poll]);
    assert_int_equal(report->covered_ns, poll == 1 || poll == 3 ? 60 * S : 0);
}

static void octets_of_both_directions_go_together(void **state)
{
    struct bench bench;

    (void)state;
    poll_minutes(&bench, 4, gain_out_octets, check_no_direction_alone);
}

static void count_errors_at_100g(unsigned poll, struct phu_ifmib_row *row)
{
    row->speed_bps = UINT64_C(100000000000);
    row->bits[PHU_IF_IN_ERRORS] = 32;
    row->value[PHU_IF_IN_ERRORS] = 10 + poll;
}

static void check_errors_at_100g(unsigned poll, const struct phu_interface_report *report)
{
    assert_false(report->is_ambiguous);
    assert_int_equal(report->growth[PHU_IF_IN_ERRORS], poll ? 1 : 0);
}

static void errors_of_fast_links_are_counted(void **state)
{
    struct bench bench;

    (void)state;
    poll_minutes(&bench, 3, count_errors_at_100g, check_errors_at_100g);
}

/* A restart hidden behind a wrap of sysUpTime, while the interface was not to be seen. */
static void a_doubt_lasts_until_the_next_reading(void **state)
{
    struct bench bench;

    (void)state;
    start(&bench, "*");
    for (unsigned i = 0; i < 3; i++) {
        bench.terms.uptime = i == 1 ? PHU_UPTIME_DOUBTFUL : PHU_UPTIME_CONTINUES;
        begin_poll(&bench, 60 + 60 * i);
        if (i != 1) {
            struct phu_ifmib_row *row = add(&bench, 1, "eth0", i ? 500 : UINT32_MAX - 1000);

            row->bits[PHU_IF_IN_OCTETS] = row->bits[PHU_IF_OUT_OCTETS] = 32;
            row->speed_bps = 100000000;
        }
        end_poll(&bench);
    }
    assert_true(of(&bench, "eth0")->was_reset);
    assert_int_equal(of(&bench, "eth0")->known, 0);
    stop(&bench);
}

static void twins_are_told_apart(void **state)
{
    struct bench bench;

    (void)state;
    start(&bench, "*");
    for (uint32_t i = 0; i < 2; i++) {
        begin_poll(&bench, 60 + 60 * i);
        add(&bench, 3, "pon", 1000 + 10 * i);
        add(&bench, 4, "pon", 7000 + 20 * i);
        add(&bench, 5, "up", 1 + i);
        end_poll(&bench);
    }
    assert_int_equal(in_octets(&bench, "pon#3"), 10);
    assert_int_equal(in_octets(&bench, "pon#4"), 20);
    assert_int_equal(in_octets(&bench, "up"), 1);
    /* A poll that broke off shows only one of them. */
    bench.terms.is_complete = false;
    begin_poll(&bench, 180);
    add(&bench, 3, "pon", 1030);
    end_poll(&bench);
    assert_int_equal(in_octets(&bench, "pon#3"), 20);
    assert_null(of(&bench, "pon"));
    stop(&bench);
}

static void a_name_like_a_twins_is_harmless(void **state)
{
    struct bench bench;

    (void)state;
    start(&bench, "*");
    for (uint32_t i = 0; i < 4; i++) {
        begin_poll(&bench, 60 + 60 * i);
        add(&bench, 3, "pon", 1000);
        add(&bench, 4, "pon", 7000);
        add(&bench, 5, "pon#4", 1);
        end_poll(&bench);
    }
    assert_non_null(of(&bench, "pon#3"));
    stop(&bench);
}

static void long_twins_keep_their_index(void **state)
{
    struct bench bench;
    char name[PHU_IFNAME_SIZE];

    (void)state;
    memset(name, 'x', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    start(&bench, "*");
    begin_poll(&bench, 60);
    add(&bench, 4294967294U, name, 1);
    add(&bench, 4294967295U, name, 2);
    end_poll(&bench);
    assert_int_equal(bench.name_count, 2);
    assert_non_null(strstr(bench.names[0], "#429496729"));
    assert_string_not_equal(bench.names[0], bench.names[1]);
    stop(&bench);
}

static void patterns_choose(void **state)
{
    struct bench bench;

    (void)state;
    start(&bench, "eth* !eth9");
    begin_poll(&bench, 60);
    add(&bench, 1, "lo", 1);
    add(&bench, 2, "eth0", 1);
    add(&bench, 3, "eth9", 1);
    end_poll(&bench);
    assert_int_equal(bench.reports, 1);
    assert_non_null(of(&bench, "eth0"));
    assert_true(phu_patterns_match("", "any"));
    assert_true(phu_patterns_match("!lo", "eth0"));
    assert_false(phu_patterns_match("!lo", "lo"));
    assert_false(phu_patterns_match("ge-* xe-*", "lo"));
    assert_true(phu_patterns_match("  ge-*\txe-* ", "xe-0/0/1"));
    stop(&bench);
}

static void nameless_rows_wait_for_a_whole_walk(void **state)
{
    struct bench bench;

    (void)state;
    start(&bench, "*");
    bench.terms.is_complete = false;
    begin_poll(&bench, 60);
    add(&bench, 7, "", 1);
    end_poll(&bench);
    assert_int_equal(bench.reports, 0);
    bench.terms.is_complete = true;
    begin_poll(&bench, 120);
    add(&bench, 7, "", 1);
    end_poll(&bench);
    assert_non_null(of(&bench, "if7"));
    stop(&bench);
}

static void without_room_the_rest_goes_on(void **state)
{
    struct bench bench;

    (void)state;
    start(&bench, "*");
    bench.name_limit = 1;
    begin_poll(&bench, 60);
    add(&bench, 1, "a", 1);
    add(&bench, 2, "b", 1);
    assert_int_equal(end_poll(&bench), 1);
    assert_int_equal(bench.reports, 1);
    begin_poll(&bench, 120);
    add(&bench, 1, "a", 5);
    add(&bench, 2, "b", 1);
    end_poll(&bench);
    assert_int_equal(in_octets(&bench, "a"), 4);
    stop(&bench);
}

static void a_faster_link_on_32_bits_is_ambiguous(void **state)
{
    struct bench bench;

    (void)state;
    start(&bench, "*");
    for (uint32_t i = 0; i < 2; i++) {
        struct phu_ifmib_row *row;

        begin_poll(&bench, 60 + 60 * i);
        row = add(&bench, 1, "ge0", 1000 + i);
        row->bits[PHU_IF_IN_OCTETS] = row->bits[PHU_IF_OUT_OCTETS] = 32;
        end_poll(&bench);
    }
    assert_true(of(&bench, "ge0")->is_ambiguous);
    assert_int_equal(of(&bench, "ge0")->known, 0);
    stop(&bench);
}

/* -- A month --------------------------------------------------------------------------------- */

#define LINKS 4
#define POLL_S 60
#define MONTH_POLLS (30 * 24 * 60)

struct link {
    char name[16];
    uint32_t index, discontinuity;
    bool is_low;      /* 32-bit counters, 100 Mbit/s */
    uint64_t counter; /* what the device holds */
    uint64_t carried; /* truth since the first reading */
    /* The model's own account of what cannot be known. */
    uint64_t since_read;
    int64_t read_s, covered_s, gap_s;
    uint64_t summed, lost;
    bool has_reading, is_broken;
    int64_t resets;
};

static uint32_t chance(uint64_t *state)
{
    *state = *state * UINT64_C(6364136223846793005) + 1442695040888963407U;
    return (uint32_t)(*state >> 33);
}

static void carry(struct link *link, uint64_t *seed, int64_t seconds)
{
    uint64_t rate = link->is_low ? 12500000 : 125000000;
    uint64_t octets = chance(seed) % 10 ? rate * chance(seed) / UINT32_MAX * 2 : 0;

    octets = octets % rate * (uint64_t)seconds;
    link->counter += octets;
    if (link->is_low)
        link->counter &= UINT32_MAX;
    link->since_read += octets;
    if (link->has_reading)
        link->carried += octets;
}

static void break_link(struct link *link, uint64_t *seed)
{
    link->counter = chance(seed) % 1000;
    link->is_broken = true;
}

/* Compares one report with the model. */
static void settle(struct link *link, const struct phu_interface_report *report, int64_t now_s)
{
    int64_t span = now_s - link->read_s;
    bool is_long = link->is_low && span > 5 * POLL_S; /* could have wrapped unseen */

    if (!link->has_reading) {
        assert_int_equal(report->known, 0);
        link->carried = 0;
    } else if (link->is_broken || is_long) {
        assert_false(report->known & 1U << PHU_IF_IN_OCTETS);
        link->lost += link->since_read;
        link->gap_s += span;
        link->resets += report->was_reset;
        assert_true(report->was_reset || report->is_ambiguous);
    } else {
        assert_true(report->known & 1U << PHU_IF_IN_OCTETS);
        assert_int_equal(report->growth[PHU_IF_IN_OCTETS], link->since_read);
        assert_int_equal(report->covered_ns, span * S);
        link->summed += (uint64_t)report->growth[PHU_IF_IN_OCTETS];
        link->covered_s += span;
    }
    link->has_reading = true;
    link->is_broken = false;
    link->since_read = 0;
    link->read_s = now_s;
}

static void put_link(struct bench *bench, const struct link *link)
{
    struct phu_ifmib_row *row = add(bench, link->index, link->name, link->counter);

    row->value[PHU_IF_OUT_OCTETS] = link->counter;
    row->speed_bps = link->is_low ? 100000000 : 1000000000;
    row->bits[PHU_IF_IN_OCTETS] = row->bits[PHU_IF_OUT_OCTETS] = link->is_low ? 32 : 64;
    row->has_discontinuity = true;
    row->discontinuity = link->discontinuity;
}

static int by_index(const void *a, const void *b)
{
    const struct link *const *left = a, *const *right = b;

    return ((*left)->index > (*right)->index) - ((*left)->index < (*right)->index);
}

static void renumber(struct link *links, uint64_t *seed)
{
    uint32_t base = 1 + chance(seed) % 1000;

    for (unsigned i = 0; i < LINKS; i++)
        links[i].index = base + (i + chance(seed) % 2 * LINKS) % (2 * LINKS);
    for (unsigned i = 0; i < LINKS; i++) {
        for (unsigned k = 0; k < i; k++) {
            if (links[i].index == links[k].index)
                links[i].index = base + 2 * LINKS + i;
        }
    }
}

static void play_poll(struct bench *bench, struct link *links, uint64_t *seed, int64_t now_s)
{
    struct link *order[LINKS];
    bool is_restarted = chance(seed) % 5000 == 0;
    bool is_missed = chance(seed) % 50 == 0;

    for (unsigned i = 0; i < LINKS; i++) {
        carry(&links[i], seed, POLL_S);
        order[i] = &links[i];
        if (is_restarted)
            break_link(&links[i], seed);
        /* one interface is taken away and made anew */
        if (chance(seed) % 20000 == 0) {
            break_link(&links[i], seed);
            links[i].discontinuity += 1 + chance(seed) % 1000;
        }
    }
    if (chance(seed) % 3000 == 0)
        renumber(links, seed);
    if (is_restarted)
        bench->terms.uptime = PHU_UPTIME_RESTARTED;
    if (is_missed)
        return;
    qsort(order, LINKS, sizeof *order, by_index);
    begin_poll(bench, now_s);
    for (unsigned i = 0; i < LINKS; i++) {
        if (chance(seed) % 100) /* else missing in this poll */
            put_link(bench, order[i]);
    }
    end_poll(bench);
    bench->terms.uptime = PHU_UPTIME_CONTINUES;
    for (unsigned i = 0; i < LINKS; i++) {
        const struct phu_interface_report *report = of(bench, links[i].name);

        if (report)
            settle(&links[i], report, now_s);
    }
}

static void a_month_adds_up(void **state)
{
    const char *given = getenv("PHU_SEED");
    uint64_t seed = given ? strtoull(given, NULL, 0) : 20261123;
    struct link links[LINKS];
    struct bench bench;
    int64_t resets = 0;

    (void)state;
    print_message("seed %" PRIu64 "\n", seed);
    memset(links, 0, sizeof links);
    for (unsigned i = 0; i < LINKS; i++) {
        snprintf(links[i].name, sizeof links[i].name, "ge-0/0/%u", i);
        links[i].is_low = i % 2;
        links[i].counter = chance(&seed);
    }
    renumber(links, &seed);
    start(&bench, "*");
    for (int64_t poll = 1; poll <= MONTH_POLLS; poll++)
        play_poll(&bench, links, &seed, poll * POLL_S);
    for (unsigned i = 0; i < LINKS; i++) {
        struct link *link = &links[i];

        assert_true(link->summed > 0);
        assert_int_equal(link->summed + link->lost + link->since_read, link->carried);
        assert_true(link->lost * 10 < link->carried);
        resets += link->resets;
    }
    assert_true(resets > 10);
    stop(&bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(deltas_follow_the_name),
        cmocka_unit_test(renumbering_is_no_spike),
        cmocka_unit_test(renumbering_with_proof_goes_on),
        cmocka_unit_test(a_discontinuity_is_a_reset),
        cmocka_unit_test(a_restart_is_a_reset_for_the_unseen_too),
        cmocka_unit_test(one_shrunken_counter_voids_the_row),
        cmocka_unit_test(errors_that_shrink_void_only_themselves),
        cmocka_unit_test(a_missing_counter_is_waited_for),
        cmocka_unit_test(a_counter_that_stays_away_is_given_up),
        cmocka_unit_test(octets_of_both_directions_go_together),
        cmocka_unit_test(errors_of_fast_links_are_counted),
        cmocka_unit_test(a_doubt_lasts_until_the_next_reading),
        cmocka_unit_test(twins_are_told_apart),
        cmocka_unit_test(a_name_like_a_twins_is_harmless),
        cmocka_unit_test(long_twins_keep_their_index),
        cmocka_unit_test(patterns_choose),
        cmocka_unit_test(nameless_rows_wait_for_a_whole_walk),
        cmocka_unit_test(without_room_the_rest_goes_on),
        cmocka_unit_test(a_faster_link_on_32_bits_is_ambiguous),
        cmocka_unit_test(a_month_adds_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
